//! Rows back into slots. What is signed is checked against its row: bytes of another wallet or
//! nonce must not be sent because a file was damaged or edited.

use std::{collections::BTreeMap, str::FromStr, sync::Arc};

use alloy::primitives::{Address, B256, U256};
use ballast_chains::{fees::extra::ExtraFees, wallet::sender_of};
use ballast_strategy_api::{Call, Exposure, NonEmpty, StateKey, Urgency};
use sqlx::{Decode, Row as _, Sqlite, Type, sqlite::SqliteRow};

use super::{
    super::{
        lifecycle::{Inclusion, Outcome, TxState},
        pricing::Price,
        slot::{Attempt, AttemptKind, EndpointAnswer, Intent, PostconditionState, Slot, Verdict},
    },
    Answered, FinalSlot,
    write::exposure_label,
};
use crate::{guard::Caps, store::StoreError};

/// All rows of the slots that are not final, each kind in order.
pub(super) struct Rows {
    pub(super) slots: Vec<SqliteRow>,
    pub(super) intents: Vec<SqliteRow>,
    pub(super) attempts: Vec<SqliteRow>,
    pub(super) answers: Vec<SqliteRow>,
}

type Answers = BTreeMap<String, BTreeMap<String, EndpointAnswer>>;
type Intents = BTreeMap<(u64, u64), Arc<Intent>>;

pub(super) fn slots(rows: &Rows, wallet: Address) -> Result<Vec<Slot>, StoreError> {
    let mut intents = Intents::new();
    for row in &rows.intents {
        let key = (unsigned(row, "nonce")?, unsigned(row, "number")?);
        intents.insert(key, Arc::new(intent(row)?));
    }
    let mut answers = Answers::new();
    for row in &rows.answers {
        let of: String = get(row, "hash")?;
        let said = EndpointAnswer {
            verdict: word(row, "verdict", Verdict::from_label)?,
            detail: get(row, "detail")?,
        };
        answers.entry(of).or_default().insert(get(row, "endpoint")?, said);
    }
    let mut attempts: BTreeMap<u64, Vec<Attempt>> = BTreeMap::new();
    for row in &rows.attempts {
        let nonce = unsigned(row, "nonce")?;
        let attempt = attempt(row, nonce, wallet, &intents, &mut answers)?;
        attempts.entry(nonce).or_default().push(attempt);
    }
    rows.slots.iter().map(|row| slot(row, &mut attempts)).collect()
}

fn slot(row: &SqliteRow, attempts: &mut BTreeMap<u64, Vec<Attempt>>) -> Result<Slot, StoreError> {
    let nonce = unsigned(row, "nonce")?;
    let attempts = attempts
        .remove(&nonce)
        .and_then(NonEmpty::from_vec)
        .ok_or_else(|| corrupt("a slot", format!("nonce {nonce} has no attempt")))?;
    let state: String = get(row, "state")?;
    let state = match state.as_str() {
        "signed" => TxState::Signed,
        "pending" => TxState::Pending,
        "included" => TxState::Included(inclusion(row, &attempts)?),
        other => return Err(corrupt("a slot", format!("state {other:?} at nonce {nonce}"))),
    };
    let postcondition = word(row, "postcondition", PostconditionState::from_label)?;
    Ok(Slot { nonce, attempts, state, postcondition })
}

fn inclusion(row: &SqliteRow, attempts: &NonEmpty<Attempt>) -> Result<Inclusion, StoreError> {
    let hash = parse(row, "included_hash")?;
    let attempt = attempts.iter().find(|attempt| attempt.hash == hash);
    let attempt = attempt
        .ok_or_else(|| corrupt("a slot", format!("{hash} is included and no attempt of it")))?;
    Ok(Inclusion {
        hash,
        cancellation: attempt.kind == AttemptKind::Cancellation,
        block: unsigned(row, "included_block")?,
        block_hash: parse(row, "included_block_hash")?,
        succeeded: unsigned(row, "succeeded")? == 1,
        gas_used: unsigned(row, "gas_used")?,
        effective_gas_price: parse(row, "effective_gas_price")?,
        extra: extra_fees(row)?,
    })
}

fn intent(row: &SqliteRow) -> Result<Intent, StoreError> {
    let expects: Option<String> = get(row, "expects")?;
    let expects = expects
        .map(|json| serde_json::from_str(&json))
        .transpose()
        .map_err(|error| corrupt("an intent", error.to_string()))?;
    let deadline: Option<i64> = get(row, "deadline")?;
    let cost: Option<String> = get(row, "max_transaction_cost")?;
    let answers: String = get(row, "answers")?;
    let known: Option<String> = get(row, "exposure")?;
    // One that was journalled before this was has the least that is allowed.
    let exposure = match known {
        Some(_) => word(row, "exposure", exposure)?,
        None => Exposure::Raises,
    };
    Ok(Intent {
        exposure,
        product: get(row, "product")?,
        acts_on: get(row, "acts_on")?,
        action: get(row, "action")?,
        answers: StateKey::from(answers),
        urgency: word(row, "urgency", urgency)?,
        deadline: deadline.and_then(|blocks| u64::try_from(blocks).ok()),
        expects,
        caps: Caps {
            max_fee_per_gas: parse(row, "max_fee_per_gas")?,
            max_transaction_cost: cost
                .map(|text| text.parse::<U256>())
                .transpose()
                .map_err(|error| corrupt("an intent", error.to_string()))?,
        },
        found_at_block: unsigned(row, "found_at_block")?,
    })
}

fn attempt(
    row: &SqliteRow,
    nonce: u64,
    wallet: Address,
    intents: &Intents,
    answers: &mut Answers,
) -> Result<Attempt, StoreError> {
    let intent = unsigned(row, "intent")?;
    let intent = intents
        .get(&(nonce, intent))
        .ok_or_else(|| corrupt("an attempt", format!("no intent {intent} at nonce {nonce}")))?;
    let hash: String = get(row, "hash")?;
    let attempt = Attempt {
        hash: parse(row, "hash")?,
        raw: parse(row, "raw")?,
        kind: word(row, "kind", AttemptKind::from_label)?,
        intent: Arc::clone(intent),
        call: Call {
            label: get(row, "label")?,
            to: parse(row, "target")?,
            data: parse(row, "calldata")?,
            value: parse(row, "value")?,
        },
        gas_limit: unsigned(row, "gas_limit")?,
        price: Price {
            max_fee_per_gas: parse(row, "max_fee_per_gas")?,
            max_priority_fee_per_gas: parse(row, "max_priority_fee_per_gas")?,
        },
        extra: parse_known(row, "extra_fee")?.unwrap_or_default(),
        by_order: unsigned(row, "by_order")? != 0,
        signed_at_block: unsigned(row, "signed_at_block")?,
        answers: answers.remove(&hash).unwrap_or_default(),
    };
    let sender = sender_of(&attempt.raw).map_err(|problem| corrupt("an attempt", problem))?;
    if (sender.from, sender.nonce, sender.hash) != (wallet, nonce, attempt.hash) {
        let detail = format!("its bytes are of {} for nonce {}", sender.from, sender.nonce);
        return Err(corrupt("an attempt", detail));
    }
    Ok(attempt)
}

fn urgency(label: &str) -> Option<Urgency> {
    [Urgency::Routine, Urgency::Prompt, Urgency::Emergency]
        .into_iter()
        .find(|urgency| urgency.as_str() == label)
}

fn exposure(label: &str) -> Option<Exposure> {
    [Exposure::Raises, Exposure::Lowers, Exposure::Keeps]
        .into_iter()
        .find(|exposure| exposure_label(*exposure) == label)
}

/// A number that is never negative.
pub(super) fn unsigned(row: &SqliteRow, column: &'static str) -> Result<u64, StoreError> {
    let number: i64 = get(row, column)?;
    u64::try_from(number).map_err(|_| corrupt("a row", format!("{column} is {number}")))
}

pub(super) fn get<'r, T: Decode<'r, Sqlite> + Type<Sqlite>>(
    row: &'r SqliteRow,
    column: &'static str,
) -> Result<T, StoreError> {
    row.try_get(column).map_err(|error| corrupt("a row", error.to_string()))
}

/// Where an intent was carried out.
pub(super) fn answered(row: &SqliteRow) -> Result<Answered, StoreError> {
    let (nonce, wallet) = (unsigned(row, "nonce")?, parse(row, "wallet")?);
    Ok(Answered { nonce, wallet, block: block(row)? })
}

fn block(row: &SqliteRow) -> Result<Option<(u64, B256)>, StoreError> {
    let known: Option<String> = get(row, "included_block_hash")?;
    Ok(match known {
        Some(_) => Some((unsigned(row, "included_block")?, parse(row, "included_block_hash")?)),
        None => None,
    })
}

/// A slot that is spent for good.
pub(super) fn final_slot(row: &SqliteRow) -> Result<FinalSlot, StoreError> {
    let block = block(row)?;
    let outcome = word(row, "outcome", Outcome::from_label)?;
    let final_at: Option<i64> = get(row, "final_at")?;
    let final_at = final_at.and_then(|block| u64::try_from(block).ok()).unwrap_or(0);
    Ok(FinalSlot { nonce: unsigned(row, "nonce")?, outcome, final_at, block })
}

/// A value that is stored as text.
pub(super) fn parsed<T: FromStr<Err: std::fmt::Display>>(
    row: &SqliteRow,
    column: &'static str,
) -> Result<T, StoreError> {
    parse(row, column)
}

fn parse<T: FromStr<Err: std::fmt::Display>>(
    row: &SqliteRow,
    column: &'static str,
) -> Result<T, StoreError> {
    let text: String = get(row, column)?;
    text.parse().map_err(|error| corrupt("a row", format!("{column} is {text:?}: {error}")))
}

fn parse_known<T: FromStr<Err: std::fmt::Display>>(
    row: &SqliteRow,
    column: &'static str,
) -> Result<Option<T>, StoreError> {
    let text: Option<String> = get(row, column)?;
    text.map(|_| parse(row, column)).transpose()
}

/// What an included transaction has cost beside gas × price. An older version did not note it; it is
/// in the receipt then.
pub(super) fn extra_fees(row: &SqliteRow) -> Result<ExtraFees, StoreError> {
    let noted = ExtraFees {
        l1_fee: parse_known(row, "l1_fee")?,
        operator_fee: parse_known(row, "operator_fee")?,
    };
    if noted != ExtraFees::default() {
        return Ok(noted);
    }
    let receipt: Option<String> = get(row, "receipt")?;
    Ok(receipt.as_deref().map(ExtraFees::of_text).unwrap_or_default())
}

fn word<T>(
    row: &SqliteRow,
    column: &'static str,
    from: impl Fn(&str) -> Option<T>,
) -> Result<T, StoreError> {
    let text: String = get(row, column)?;
    from(&text).ok_or_else(|| corrupt("a row", format!("{column} is {text:?}")))
}

fn corrupt(what: &'static str, detail: String) -> StoreError {
    StoreError::Corrupt { what, detail }
}
