use std::{collections::BTreeMap, sync::Arc};

use alloy::primitives::{Address, B256, Bytes, U256};
use ballast_strategy_api::{Exposure, NonEmpty, StateKey, Urgency};

use super::*;
use crate::{
    guard::Caps,
    submission::{
        lifecycle::{Inclusion, Outcome},
        pricing::Price,
        slot::{Attempt, Intent, PostconditionState},
    },
};

fn call(data: u8) -> Call {
    let data = Bytes::from(vec![data]);
    Call { label: "only".into(), to: Address::ZERO, data, value: U256::ZERO }
}

fn action(name: &'static str, key: u64) -> Action {
    Action {
        name,
        candidates: NonEmpty::one(call(1)),
        urgency: Urgency::Routine,
        exposure: Exposure::Keeps,
        answers: StateKey::of(&[("state", &key)]),
        deadline: None,
        repeat_limit: None,
        expects: None,
    }
}

fn attempt(id: u8, kind: AttemptKind, of: &Action, data: u8) -> Attempt {
    let caps = Caps { max_fee_per_gas: 1, max_transaction_cost: None };
    Attempt {
        hash: B256::repeat_byte(id),
        raw: Bytes::new(),
        kind,
        intent: Arc::new(Intent::of(("eth2x", None), of, caps, 1)),
        call: call(data),
        gas_limit: 1,
        price: Price { max_fee_per_gas: 1, max_priority_fee_per_gas: 1 },
        extra: Default::default(),
        signed_at_block: 1,
        by_order: false,
        answers: BTreeMap::new(),
    }
}

fn slot(nonce: u64, attempts: Vec<Attempt>, state: TxState) -> Slot {
    let attempts = NonEmpty::from_vec(attempts).unwrap();
    Slot { nonce, attempts, state, postcondition: PostconditionState::Due }
}

fn included(id: u8, succeeded: bool, cancellation: bool) -> TxState {
    TxState::Included(Inclusion {
        hash: B256::repeat_byte(id),
        cancellation,
        block: 1,
        block_hash: B256::ZERO,
        succeeded,
        gas_used: 1,
        extra: Default::default(),
        effective_gas_price: 1,
    })
}

#[test]
fn every_way_that_a_nonce_can_stand() {
    use AttemptKind::{Cancellation, Original, Replacement};
    let (this, other) = (action("rebalance", 1), action("rebalance", 2));
    let own = || attempt(1, Original, &this, 1);
    let cancelled = || vec![own(), attempt(2, Cancellation, &this, 0)];
    let taken_over = || vec![own(), attempt(2, Replacement, &other, 2)];
    let nothing = || Standing::CameToNothing { nonce: 7, calls: vec![call(1)] };
    let cases = [
        (vec![own()], TxState::Signed, Standing::Live { nonce: 7 }),
        (vec![own()], TxState::Pending, Standing::Live { nonce: 7 }),
        (cancelled(), TxState::Pending, Standing::Live { nonce: 7 }),
        (taken_over(), TxState::Pending, Standing::Live { nonce: 7 }),
        (vec![own()], included(1, true, false), Standing::CarriedOut { nonce: 7 }),
        (taken_over(), included(1, true, false), Standing::CarriedOut { nonce: 7 }),
        (vec![own()], included(1, false, false), nothing()),
        (cancelled(), included(2, true, true), nothing()),
        (taken_over(), included(2, true, false), nothing()),
        (vec![own()], TxState::Final(Outcome::Reverted), Standing::Free),
        // A cancellation is of the intent, and never carries it out.
        (vec![attempt(2, Cancellation, &this, 0)], TxState::Pending, Standing::Free),
        (vec![attempt(2, Original, &other, 1)], TxState::Pending, Standing::Free),
    ];
    for (attempts, state, expected) in cases {
        let slot = slot(7, attempts, state);
        assert_eq!(standing([&slot].into_iter(), "eth2x", &this), expected, "{slot:?}");
        assert_eq!(standing([&slot].into_iter(), "btc2x", &this), Standing::Free);
    }
}

#[test]
fn of_several_slots_the_live_one_counts_and_calls_are_gathered_once() {
    let this = action("rebalance", 1);
    let failed = |nonce, id, data| {
        let own = attempt(id, AttemptKind::Original, &this, data);
        slot(nonce, vec![own], included(id, false, false))
    };
    let slots = [failed(3, 1, 1), failed(4, 2, 2), failed(5, 3, 1)];
    let expected = Standing::CameToNothing { nonce: 3, calls: vec![call(1), call(2)] };
    assert_eq!(standing(slots.iter(), "eth2x", &this), expected);
    let done = slot(6, vec![attempt(9, AttemptKind::Original, &this, 1)], included(9, true, false));
    let all = slots.iter().chain([&done]);
    assert_eq!(standing(all, "eth2x", &this), Standing::CarriedOut { nonce: 6 });
}

#[test]
fn a_repetition_is_kept_back_while_the_earlier_one_waits() {
    let (this, other) = (action("rebalance", 1), action("rebalance", 2));
    let of = |nonce, action, state| {
        slot(nonce, vec![attempt(1, AttemptKind::Original, action, 1)], state)
    };
    let later = of(8, &this, TxState::Pending);
    for (earlier, kept) in [
        (of(7, &this, TxState::Pending), true),
        (of(7, &this, TxState::Signed), true),
        (of(7, &this, included(1, false, false)), false),
        (of(7, &other, TxState::Pending), false),
    ] {
        assert_eq!(waits_for_earlier(&later, [&earlier].into_iter()), kept, "{earlier:?}");
    }
}
