//! Rows back into slots. What is signed is checked against its row: bytes of another wallet or
//! nonce must not be sent because a file was damaged or edited.

use std::{collections::BTreeMap, sync::Arc};

use alloy::primitives::{Address, B256};
use ballast_chains::{fees::extra::ExtraFees, wallet::sender_of};
use ballast_strategy_api::{Call, Exposure, NonEmpty, StateKey, Urgency};
use sqlx::sqlite::SqliteRow;

use super::{
    super::{
        lifecycle::{Inclusion, Outcome, TxState},
        pricing::Price,
        slot::{Attempt, AttemptKind, EndpointAnswer, Intent, PostconditionState, Slot, Verdict},
    },
    Answered, FinalSlot,
    write::exposure_label,
};
use crate::{
    guard::Caps,
    store::{Cells, StoreError},
};

pub(super) const CELLS: Cells = Cells::of("a row of the journal");

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
        let key = (CELLS.unsigned(row, "nonce")?, CELLS.unsigned(row, "number")?);
        intents.insert(key, Arc::new(intent(row)?));
    }
    let mut answers = Answers::new();
    for row in &rows.answers {
        let of: String = CELLS.get(row, "hash")?;
        let said = EndpointAnswer {
            verdict: CELLS.word(row, "verdict", Verdict::from_label)?,
            detail: CELLS.get(row, "detail")?,
        };
        answers.entry(of).or_default().insert(CELLS.get(row, "endpoint")?, said);
    }
    let mut attempts: BTreeMap<u64, Vec<Attempt>> = BTreeMap::new();
    for row in &rows.attempts {
        let nonce = CELLS.unsigned(row, "nonce")?;
        let attempt = attempt(row, nonce, wallet, &intents, &mut answers)?;
        attempts.entry(nonce).or_default().push(attempt);
    }
    rows.slots.iter().map(|row| slot(row, &mut attempts)).collect()
}

fn slot(row: &SqliteRow, attempts: &mut BTreeMap<u64, Vec<Attempt>>) -> Result<Slot, StoreError> {
    let nonce = CELLS.unsigned(row, "nonce")?;
    let attempts = attempts
        .remove(&nonce)
        .and_then(NonEmpty::from_vec)
        .ok_or_else(|| CELLS.corrupt(format!("nonce {nonce} has no attempt")))?;
    let state: String = CELLS.get(row, "state")?;
    let state = match state.as_str() {
        "signed" => TxState::Signed,
        "pending" => TxState::Pending,
        "included" => TxState::Included(inclusion(row, &attempts)?),
        other => return Err(CELLS.corrupt(format!("state {other:?} at nonce {nonce}"))),
    };
    let postcondition = CELLS.word(row, "postcondition", PostconditionState::from_label)?;
    Ok(Slot { nonce, attempts, state, postcondition })
}

fn inclusion(row: &SqliteRow, attempts: &NonEmpty<Attempt>) -> Result<Inclusion, StoreError> {
    let hash = CELLS.parse(row, "included_hash")?;
    let attempt = attempts.iter().find(|attempt| attempt.hash == hash);
    let attempt =
        attempt.ok_or_else(|| CELLS.corrupt(format!("{hash} is included and no attempt of it")))?;
    Ok(Inclusion {
        hash,
        cancellation: attempt.kind == AttemptKind::Cancellation,
        block: CELLS.unsigned(row, "included_block")?,
        block_hash: CELLS.parse(row, "included_block_hash")?,
        succeeded: CELLS.unsigned(row, "succeeded")? == 1,
        gas_used: CELLS.unsigned(row, "gas_used")?,
        effective_gas_price: CELLS.parse(row, "effective_gas_price")?,
        extra: extra_fees(row)?,
    })
}

fn intent(row: &SqliteRow) -> Result<Intent, StoreError> {
    let expects: Option<String> = CELLS.get(row, "expects")?;
    let expects = expects
        .map(|json| serde_json::from_str(&json))
        .transpose()
        .map_err(|error| CELLS.corrupt(format!("expects: {error}")))?;
    let deadline: Option<i64> = CELLS.get(row, "deadline")?;
    let answers: String = CELLS.get(row, "answers")?;
    let known: Option<String> = CELLS.get(row, "exposure")?;
    // One that was journalled before this was has the least that is allowed.
    let exposure = match known {
        Some(_) => CELLS.word(row, "exposure", exposure)?,
        None => Exposure::Raises,
    };
    Ok(Intent {
        exposure,
        product: CELLS.get(row, "product")?,
        acts_on: CELLS.get(row, "acts_on")?,
        action: CELLS.get(row, "action")?,
        answers: StateKey::from(answers),
        urgency: CELLS.word(row, "urgency", urgency)?,
        deadline: deadline.and_then(|blocks| u64::try_from(blocks).ok()),
        expects,
        caps: Caps {
            max_fee_per_gas: CELLS.parse(row, "max_fee_per_gas")?,
            max_transaction_cost: CELLS.parse_known(row, "max_transaction_cost")?,
        },
        found_at_block: CELLS.unsigned(row, "found_at_block")?,
    })
}

fn attempt(
    row: &SqliteRow,
    nonce: u64,
    wallet: Address,
    intents: &Intents,
    answers: &mut Answers,
) -> Result<Attempt, StoreError> {
    let intent = CELLS.unsigned(row, "intent")?;
    let intent = intents
        .get(&(nonce, intent))
        .ok_or_else(|| CELLS.corrupt(format!("no intent {intent} at nonce {nonce}")))?;
    let hash: String = CELLS.get(row, "hash")?;
    let attempt = Attempt {
        hash: CELLS.parse(row, "hash")?,
        raw: CELLS.parse(row, "raw")?,
        kind: CELLS.word(row, "kind", AttemptKind::from_label)?,
        intent: Arc::clone(intent),
        call: Call {
            label: CELLS.get(row, "label")?,
            to: CELLS.parse(row, "target")?,
            data: CELLS.parse(row, "calldata")?,
            value: CELLS.parse(row, "value")?,
        },
        gas_limit: CELLS.unsigned(row, "gas_limit")?,
        price: Price {
            max_fee_per_gas: CELLS.parse(row, "max_fee_per_gas")?,
            max_priority_fee_per_gas: CELLS.parse(row, "max_priority_fee_per_gas")?,
        },
        extra: CELLS.parse_known(row, "extra_fee")?.unwrap_or_default(),
        by_order: CELLS.unsigned(row, "by_order")? != 0,
        signed_at_block: CELLS.unsigned(row, "signed_at_block")?,
        answers: answers.remove(&hash).unwrap_or_default(),
    };
    let sender = sender_of(&attempt.raw).map_err(|problem| CELLS.corrupt(problem))?;
    if (sender.from, sender.nonce, sender.hash) != (wallet, nonce, attempt.hash) {
        let detail = format!("its bytes are of {} for nonce {}", sender.from, sender.nonce);
        return Err(CELLS.corrupt(detail));
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

/// Where an intent was carried out.
pub(super) fn answered(row: &SqliteRow) -> Result<Answered, StoreError> {
    let (nonce, wallet) = (CELLS.unsigned(row, "nonce")?, CELLS.parse(row, "wallet")?);
    let postcondition: Option<String> = CELLS.get(row, "postcondition")?;
    let has_moved = postcondition.as_deref() == Some(PostconditionState::Held.label());
    Ok(Answered { nonce, wallet, block: block(row)?, has_moved })
}

fn block(row: &SqliteRow) -> Result<Option<(u64, B256)>, StoreError> {
    let known: Option<B256> = CELLS.parse_known(row, "included_block_hash")?;
    known.map(|hash| Ok((CELLS.unsigned(row, "included_block")?, hash))).transpose()
}

/// A slot that is spent for good.
pub(super) fn final_slot(row: &SqliteRow) -> Result<FinalSlot, StoreError> {
    let block = block(row)?;
    let outcome = CELLS.word(row, "outcome", Outcome::from_label)?;
    let final_at: Option<i64> = CELLS.get(row, "final_at")?;
    let final_at = final_at.and_then(|block| u64::try_from(block).ok()).unwrap_or(0);
    Ok(FinalSlot { nonce: CELLS.unsigned(row, "nonce")?, outcome, final_at, block })
}

/// What an included transaction has cost beside gas × price. An older version did not note it; it is
/// in the receipt then.
pub(super) fn extra_fees(row: &SqliteRow) -> Result<ExtraFees, StoreError> {
    let noted = ExtraFees {
        l1_fee: CELLS.parse_known(row, "l1_fee")?,
        operator_fee: CELLS.parse_known(row, "operator_fee")?,
    };
    if noted != ExtraFees::default() {
        return Ok(noted);
    }
    let receipt: Option<String> = CELLS.get(row, "receipt")?;
    Ok(receipt.as_deref().map(ExtraFees::of_text).unwrap_or_default())
}
