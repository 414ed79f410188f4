use std::{path::Path, sync::Arc};

use alloy::{
    consensus::TxEip1559,
    primitives::{B256, Bytes, TxKind, U256, address},
};
use ballast_chains::{fees::extra::ExtraFees, wallet::Wallet};
use ballast_strategy_api::{
    Action, Call, Direction, Exposure, NonEmpty, Postcondition, StateKey, Urgency,
};
use secrecy::SecretString;

use super::*;
use crate::{
    guard::Caps,
    submission::{
        lifecycle::TxEvent,
        pricing::Price,
        slot::{AttemptKind, Verdict},
    },
};

/// The third account of anvil's well-known test mnemonic.
const KEY: &str = "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a";

fn wallet() -> Wallet {
    Wallet::from_key(&SecretString::from(KEY)).unwrap()
}

fn action(state: u64, urgency: Urgency) -> Action {
    Action {
        name: "ripcord",
        candidates: NonEmpty::one(call()),
        urgency,
        exposure: Exposure::Keeps,
        answers: StateKey::of(&[("state", &state)]),
        deadline: Some(7),
        repeat_limit: None,
        expects: Some(Postcondition {
            what: "leverage ratio".into(),
            target: address!("00000000000000000000000000000000000000aa"),
            view: Bytes::from_static(&[1, 2, 3]),
            signed: true,
            direction: Direction::Down,
            at_least: U256::from(5),
        }),
    }
}

fn call() -> Call {
    Call {
        label: "UniswapV3".into(),
        to: address!("00000000000000000000000000000000000000bb"),
        data: Bytes::from_static(&[9, 8, 7]),
        value: U256::from(12),
    }
}

fn intent(action: &Action) -> Arc<Intent> {
    let caps = Caps { max_fee_per_gas: u128::MAX, max_transaction_cost: Some(U256::MAX) };
    Arc::new(Intent::of(("eth2x", None), action, caps, 41))
}

async fn attempt(kind: AttemptKind, nonce: u64, fee: u128, intent: Arc<Intent>) -> Attempt {
    let call = call();
    let tx = TxEip1559 {
        chain_id: 1,
        nonce,
        gas_limit: 500_000,
        max_fee_per_gas: fee,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(call.to),
        value: call.value,
        input: call.data.clone(),
        ..TxEip1559::default()
    };
    let signed = wallet().sign(tx).await.unwrap();
    Attempt {
        hash: signed.hash,
        raw: signed.raw,
        kind,
        intent,
        call,
        gas_limit: 500_000,
        price: Price { max_fee_per_gas: fee, max_priority_fee_per_gas: 1 },
        extra: U256::from(77),
        signed_at_block: 42,
        by_order: false,
        answers: BTreeMap::new(),
    }
}

async fn slot(nonce: u64, state: u64) -> Slot {
    let intent = intent(&action(state, Urgency::Prompt));
    Slot {
        nonce,
        attempts: NonEmpty::one(attempt(AttemptKind::Original, nonce, 10, intent).await),
        state: TxState::Signed,
        postcondition: PostconditionState::Due,
    }
}

fn lane(store: &Store) -> LaneJournal {
    store.journal().lane("eth2x", "mainnet", 1, wallet().address())
}

async fn opened(folder: &Path) -> (Store, LaneJournal) {
    let store = Store::open(&folder.join("keeper.db")).await.unwrap();
    let journal = lane(&store);
    (store, journal)
}

#[tokio::test]
async fn a_slot_is_read_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (store, journal) = opened(folder.path()).await;
    let mut slot = slot(3, 1).await;
    journal.open_slot(&slot, "due").await.unwrap();

    // Taken over by a more urgent action, then accepted.
    let urgent = intent(&action(2, Urgency::Emergency));
    let next = attempt(AttemptKind::Replacement, 3, 12, urgent).await;
    journal.append_attempt(&slot, &TxState::Signed, &next, "taken over").await.unwrap();
    slot.attempts.rest.push(next.clone());
    let said = EndpointAnswer { verdict: Verdict::Accepted, detail: "accepted".into() };
    let news = BTreeMap::from([("node".to_owned(), said)]);
    slot.state = slot.state.on(TxEvent::Accepted).unwrap();
    journal.record_answers(3, &slot.state, &next, &news, 43).await.unwrap();
    slot.attempts.rest[0].answers = news;

    store.close().await;
    let (store, journal) = opened(folder.path()).await;
    assert_eq!(journal.unfinal().await.unwrap(), [slot.clone()]);
    assert_eq!(journal.highest_nonce().await.unwrap(), Some(3));
    assert_eq!(slot.intent().urgency, Urgency::Emergency);

    let inclusion = Inclusion {
        hash: slot.attempts.first.hash,
        cancellation: false,
        block: 44,
        block_hash: B256::repeat_byte(4),
        succeeded: true,
        gas_used: 400_000,
        effective_gas_price: 9,
        extra: ExtraFees::default(),
    };
    let receipt = Receipt {
        hash: inclusion.hash,
        block: 44,
        block_hash: inclusion.block_hash,
        succeeded: true,
        gas_used: 400_000,
        effective_gas_price: 9,
        extra: ExtraFees::default(),
        whole: None,
    };
    journal.record_inclusion(3, &inclusion, &receipt).await.unwrap();
    slot.state = TxState::Included(inclusion);
    assert_eq!(journal.unfinal().await.unwrap(), [slot.clone()]);
    assert_eq!(slot.intent().urgency, Urgency::Prompt, "the included attempt's intent counts");

    journal.record_reorg(3, 44).await.unwrap();
    slot.state = TxState::Pending;
    assert_eq!(journal.unfinal().await.unwrap(), [slot]);
    store.close().await;
}

#[tokio::test]
async fn only_the_intent_that_was_carried_out_is_answered() {
    let store = Store::in_memory().await.unwrap();
    let journal = lane(&store);
    let slot = slot(0, 1).await;
    let (routine, urgent) = (action(1, Urgency::Prompt), action(2, Urgency::Emergency));
    journal.open_slot(&slot, "due").await.unwrap();
    let next = attempt(AttemptKind::Replacement, 0, 12, intent(&urgent)).await;
    journal.append_attempt(&slot, &TxState::Signed, &next, "taken over").await.unwrap();
    let inclusion = Inclusion {
        hash: next.hash,
        cancellation: false,
        block: 44,
        block_hash: B256::ZERO,
        succeeded: true,
        gas_used: 1,
        effective_gas_price: 1,
        extra: ExtraFees::default(),
    };
    let receipt = Receipt {
        hash: next.hash,
        block: 44,
        block_hash: B256::ZERO,
        succeeded: true,
        gas_used: 1,
        effective_gas_price: 1,
        extra: ExtraFees::default(),
        whole: None,
    };
    journal.record_inclusion(0, &inclusion, &receipt).await.unwrap();
    assert_eq!(
        journal.answered(urgent.name, urgent.answers.as_str(), None).await.unwrap(),
        None,
        "not before it is final"
    );
    journal.record_final(0, Outcome::Confirmed, 50).await.unwrap();
    let answered = journal.answered(urgent.name, urgent.answers.as_str(), None).await.unwrap();
    assert_eq!(answered.map(|a| (a.nonce, a.wallet)), Some((0, wallet().address())));
    assert_eq!(answered.and_then(|a| a.block), Some((inclusion.block, inclusion.block_hash)));
    assert_eq!(
        journal.answered(routine.name, routine.answers.as_str(), None).await.unwrap(),
        None,
        "it was taken over"
    );
    assert!(journal.unfinal().await.unwrap().is_empty());
    let other = store.journal().lane("btc2x", "mainnet", 1, wallet().address());
    assert_eq!(
        other.answered(urgent.name, urgent.answers.as_str(), None).await.unwrap(),
        None,
        "another product's is another's"
    );
}

#[tokio::test]
async fn a_nonce_is_journalled_once() {
    let store = Store::in_memory().await.unwrap();
    let journal = lane(&store);
    journal.open_slot(&slot(0, 1).await, "due").await.unwrap();
    let twice = journal.open_slot(&slot(0, 2).await, "due").await;
    assert!(matches!(twice, Err(StoreError::Database { .. })), "{twice:?}");
    let slots = journal.unfinal().await.unwrap();
    assert_eq!(slots.len(), 1);
    assert_eq!(slots[0].intent().answers.as_str(), "state=1");
}

#[tokio::test]
async fn bytes_that_are_not_the_slots_are_not_believed() {
    let store = Store::in_memory().await.unwrap();
    let journal = lane(&store);
    journal.open_slot(&slot(0, 1).await, "due").await.unwrap();
    let foreign = attempt(AttemptKind::Original, 1, 10, intent(&action(1, Urgency::Prompt))).await;
    for raw in [foreign.raw.to_string(), "0x02".to_owned(), "0xzz".to_owned()] {
        let edit = Statement::new("UPDATE attempts SET raw = $1").with(raw.as_str());
        store.commit(vec![edit]).await.unwrap();
        let read = journal.unfinal().await;
        assert!(matches!(read, Err(StoreError::Corrupt { .. })), "{raw}: {read:?}");
    }
}

#[tokio::test]
async fn the_whole_story_is_kept_in_order() {
    use sqlx::Row as _;
    let store = Store::in_memory().await.unwrap();
    let journal = lane(&store);
    let slot = slot(0, 1).await;
    journal.open_slot(&slot, "due").await.unwrap();
    journal.record_reorg(0, 44).await.unwrap();
    journal.record_postcondition(0, PostconditionState::Missed, 45, "x").await.unwrap();
    journal.record_final(0, Outcome::Reverted, 46).await.unwrap();
    let story = Statement::new("SELECT kind FROM events ORDER BY number");
    let rows = store.rows(story).await.unwrap();
    let kinds: Vec<String> = rows.iter().map(|row| row.get("kind")).collect();
    assert_eq!(kinds, ["original", "reorged", "postcondition", "reverted"]);
}

#[tokio::test]
async fn a_listing_goes_through_all_of_it_a_page_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let (store, journal) = opened(folder.path()).await;
    for nonce in 0..5 {
        journal.open_slot(&slot(nonce, nonce).await, "due").await.unwrap();
    }
    let first = slot(0, 0).await;
    let replacement =
        attempt(AttemptKind::Replacement, 0, 20, Arc::clone(&first.attempts.first.intent)).await;
    journal.append_attempt(&first, &TxState::Signed, &replacement, "due").await.unwrap();
    journal.record_final(1, Outcome::Confirmed, 50).await.unwrap();
    let listed = |filter: TransactionFilter| {
        let journal = store.journal();
        async move { journal.transactions(&filter).await.unwrap() }
    };
    let two = TransactionFilter { limit: 2, ..TransactionFilter::default() };
    let (mut nonces, mut after) = (Vec::new(), None);
    loop {
        let (page, next) = listed(TransactionFilter { after, ..two.clone() }).await;
        nonces.extend(page.iter().map(|row| row.nonce));
        match next {
            Some(next) => after = Cursor::parse(&next.to_string()),
            None => break,
        }
        assert!(after.is_some(), "a cursor that is written can be read");
    }
    assert_eq!(nonces, [4, 3, 2, 1, 0], "each once, the newest first");

    let all = TransactionFilter { limit: 50, ..TransactionFilter::default() };
    let (rows, next) = listed(all.clone()).await;
    assert!(next.is_none());
    let oldest = rows.last().unwrap();
    assert_eq!((oldest.attempts.len(), oldest.hash.clone()), (2, hex(replacement.hash)));
    assert_eq!((oldest.action.as_str(), oldest.urgency.as_str()), ("ripcord", "prompt"));
    let in_state = |state: &str| TransactionFilter { state: Some(state.into()), ..all.clone() };
    assert_eq!(listed(in_state("open")).await.0.len(), 4);
    assert_eq!(listed(in_state("confirmed")).await.0.len(), 1);
    let other = TransactionFilter { product: Some("btc2x".into()), ..all.clone() };
    assert!(listed(other).await.0.is_empty());
    for bad in ["", "1-2-3", "1-2-w-4-5", "a-1-w-1"] {
        assert_eq!(Cursor::parse(bad), None, "{bad}");
    }
}

#[tokio::test]
async fn the_cost_of_a_listed_transaction_includes_the_fee_for_data() {
    let folder = tempfile::tempdir().unwrap();
    let (store, journal) = opened(folder.path()).await;
    let slot = slot(3, 1).await;
    journal.open_slot(&slot, "due").await.unwrap();
    let inclusion = Inclusion {
        hash: slot.attempts.first.hash,
        cancellation: false,
        block: 50,
        block_hash: B256::repeat_byte(5),
        succeeded: true,
        gas_used: 100,
        effective_gas_price: 7,
        extra: ExtraFees::default(),
    };
    let receipt = Receipt {
        hash: inclusion.hash,
        block: 50,
        block_hash: inclusion.block_hash,
        succeeded: true,
        gas_used: 100,
        effective_gas_price: 7,
        extra: ExtraFees::default(),
        whole: None,
    };
    journal.record_inclusion(3, &inclusion, &receipt).await.unwrap();
    let cost = async || {
        let all = TransactionFilter { limit: 1, ..TransactionFilter::default() };
        store.journal().transactions(&all).await.unwrap().0[0].cost_wei.clone()
    };
    assert_eq!(cost().await.as_deref(), Some("700"));
    let with_fee = Statement::new("UPDATE slots SET receipt = $1").with("{\"l1Fee\":\"0x2a\"}");
    store.commit(vec![with_fee]).await.unwrap();
    assert_eq!(cost().await.as_deref(), Some("742"));
    store.close().await;
}
