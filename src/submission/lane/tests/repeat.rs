//! What was signed before came to nothing: when the same may be signed again.

use alloy::primitives::{B256, Bytes};
use ballast_chains::profile::Finality;
use ballast_strategy_api::{Action, NonEmpty};

use super::{
    bench::{Bench, ChecksNeed, action, call, once, permit, ripcord},
    scenarios::{hash_of, reason},
    sim::{FAILS_WHEN_MINED, FLAKY, FRAGILE, GWEI, ONCE, ONCE_EACH},
};
use crate::{
    store::Store,
    submission::{LaneEvent, Pursuit, lifecycle::Outcome, slot::AttemptKind},
};

/// Finality that does not come.
async fn endless() -> Bench {
    Bench::with(Store::in_memory().await.unwrap(), Finality::Finalized).await
}

/// The same intent by a call of another kind.
fn by(kind: u8, of: &Action) -> Action {
    let mut data = of.candidates.first.data.to_vec();
    data[0] = kind;
    Action { candidates: NonEmpty::one(call("other", Bytes::from(data))), ..of.clone() }
}

#[tokio::test]
async fn consecutive_steps_go_out_block_after_block() {
    let mut bench = endless().await;
    for key in 0..10 {
        let sent = bench.pursue(ripcord(key)).await;
        assert!(matches!(sent, Pursuit::Sent { nonce, .. } if nonce == key), "{sent:?}");
        bench.sim.mine(hash_of(&sent));
        assert_eq!(bench.steps().await, ["included"]);
    }
    assert_eq!(bench.lane.unfinished(), 10);
}

#[tokio::test]
async fn after_a_revert_a_guarded_ripcord_goes_out_in_the_next_block() {
    let mut bench = endless().await;
    let ripcord = once(ripcord(1));
    let failing = by(FAILS_WHEN_MINED[0], &ripcord);
    let sent = bench.pursue(failing).await;
    bench.sim.mine(hash_of(&sent));
    bench.observe().await;
    let again = bench.pursue(ripcord).await;
    assert!(matches!(again, Pursuit::Sent { nonce: 1, .. }), "{again:?}");
}

#[tokio::test]
async fn after_a_cancellation_too() {
    let mut bench = endless().await;
    let ripcord = once(ripcord(1));
    bench.pursue(ripcord.clone()).await;
    bench.nothing_due();
    let events = bench.pass(3).await;
    let cancelled = events.iter().find_map(|event| {
        let LaneEvent::Replaced { kind: AttemptKind::Cancellation, hash, .. } = event else {
            return None;
        };
        Some(*hash)
    });
    bench.sim.mine(cancelled.unwrap());
    assert_eq!(bench.steps().await, ["included"]);
    let again = bench.pursue(ripcord).await;
    assert!(matches!(again, Pursuit::Sent { nonce: 1, .. }), "{again:?}");
}

#[tokio::test]
async fn without_a_guard_in_the_contract_finality_is_waited_for() {
    let mut bench = endless().await;
    let unguarded = ripcord(1);
    let sent = bench.pursue(by(FAILS_WHEN_MINED[0], &unguarded)).await;
    bench.sim.mine(hash_of(&sent));
    bench.observe().await;
    assert_eq!(reason(&bench.pursue(unguarded.clone()).await), "held: waits for finality");
    // Another step does not wait for it.
    let other = bench.pursue(ripcord(2)).await;
    bench.sim.mine(hash_of(&other));
    bench.observe().await;
    bench.sim.world().safe = bench.sim.head().number;
    bench.pass(1).await;
    assert!(matches!(bench.pursue(unguarded).await, Pursuit::Sent { nonce: 2, .. }));
}

/// The guard is of each exchange: the old call by one fails today, and in another chain it may take
/// effect without keeping the new one by another from doing so.
#[tokio::test]
async fn a_guard_of_each_candidate_proves_nothing_of_one_that_fails_today() {
    let mut bench = endless().await;
    let mut each = once(ripcord(1));
    let mut data = each.candidates.first.data.to_vec();
    data[1] = ONCE_EACH;
    each.candidates = NonEmpty::one(call("each", data.into()));
    let dry = by(FRAGILE[0], &each);
    let sent = bench.pursue(dry.clone()).await;
    bench.sim.world().faults.reverting = true;
    bench.sim.mine(hash_of(&sent));
    bench.observe().await;
    assert_eq!(bench.sim.effects().len(), 0, "it reverted");
    assert_eq!(reason(&bench.pursue(each.clone()).await), "held: waits for finality");
    // The same call as before has the same guard.
    bench.sim.world().faults.reverting = false;
    let again = bench.pursue(dry).await;
    assert!(matches!(again, Pursuit::Sent { nonce: 1, .. }), "{again:?}");
}

/// Where the contract asks at execution whether it is needed, nothing has to be proven: another
/// exchange is tried in the next block.
#[tokio::test]
async fn where_the_contract_checks_the_need_another_candidate_goes_out_at_once() {
    let mut bench = endless().await;
    let mut each = once(ripcord(1));
    let mut data = each.candidates.first.data.to_vec();
    data[1] = ONCE_EACH;
    each.candidates = NonEmpty::one(call("each", data.into()));
    let sent = bench.pursue(by(FRAGILE[0], &each)).await;
    bench.sim.world().faults.reverting = true;
    bench.sim.mine(hash_of(&sent));
    bench.observe().await;
    let head = bench.sim.head();
    let other = bench.lane.pursue(permit(each), &head, &ChecksNeed).await.unwrap();
    assert!(matches!(other, Pursuit::Sent { nonce: 1, .. }), "{other:?}");
    // Another chain wins, in which the first succeeds: the second is kept back and given up.
    bench.sim.world().faults.reverting = false;
    bench.sim.reorg(1, false);
    bench.observe().await;
    bench.sim.mine(hash_of(&sent));
    let events = bench.observe().await;
    let given_up = |event: &LaneEvent| {
        matches!(event, LaneEvent::Replaced { nonce: 1, kind: AttemptKind::Cancellation, .. })
    };
    assert!(events.iter().any(given_up), "{events:?}");
}

#[tokio::test]
async fn where_nodes_cannot_tell_finality_is_waited_for() {
    let mut bench = endless().await;
    let sent = bench.pursue(by(FAILS_WHEN_MINED[0], &once(ripcord(1)))).await;
    bench.sim.mine(hash_of(&sent));
    bench.observe().await;
    bench.sim.world().faults.no_twice = true;
    assert_eq!(reason(&bench.pursue(once(ripcord(1))).await), "held: waits for finality");
}

/// The worst a reorganisation can do: what reverted succeeds in the other chain, and the repetition
/// is mined right behind it.
#[tokio::test]
async fn a_reorganisation_that_swaps_the_outcome_executes_once() {
    let (bench, first, second) = swapped().await;
    bench.sim.mine(second);
    assert_eq!(bench.sim.effects().values().sum::<usize>(), 1, "only {first} took effect");
    let data = bench.sim.effects().keys().next().cloned();
    assert_eq!(data.and_then(|data| data.first().copied()), Some(ONCE));
}

/// A guard may be a cooldown: what waits until it is over takes effect again.
#[tokio::test]
async fn the_repetition_is_given_up_at_once_when_the_first_took_effect_after_all() {
    let (mut bench, _, second) = swapped().await;
    // The cancellation is not allowed to cost what the market asks: then nothing goes out.
    let sent = bench.sim.sent().len();
    bench.sim.world().base_fee = 1_000 * GWEI;
    bench.sim.mine_empty();
    bench.observe().await;
    bench.sim.world().safe = bench.sim.head().number;
    let events = bench.pass(3).await;
    let finals = super::scenarios::outcomes(&events);
    assert_eq!(finals.first(), Some(&(0, Outcome::Confirmed)), "{events:?}");
    assert_eq!(bench.sim.sent().len(), sent, "{second} is kept back, also once it is final");
    // It would be cheaper to let it fail, and is not left to.
    bench.sim.world().base_fee = GWEI;
    bench.sim.mine_empty();
    let events = bench.pass(1).await;
    let [LaneEvent::Replaced { kind: AttemptKind::Cancellation, nonce: 1, hash, why, .. }] =
        events.as_slice()
    else {
        panic!("{events:?}")
    };
    assert!(why.starts_with("the same took effect at another nonce"), "{why}");
    assert_eq!(bench.sim.sent()[sent..], [*hash]);
}

/// What reverted at nonce 0 and was repeated at nonce 1 takes effect at nonce 0 in the other chain.
async fn swapped() -> (Bench, B256, B256) {
    let mut bench = endless().await;
    let flaky = by(FLAKY, &once(ripcord(1)));
    // Every second block lets it fail.
    let first = loop {
        let sent = bench.pursue(flaky.clone()).await;
        let first = hash_of(&sent);
        bench.sim.mine(first);
        if bench.sim.effects().is_empty() {
            break first;
        }
        bench = endless().await;
        bench.sim.mine_empty();
    };
    bench.observe().await;
    bench.sim.world().gas = 30_000;
    let second = hash_of(&bench.pursue(once(ripcord(1))).await);
    bench.sim.mine(second);
    bench.observe().await;
    assert_eq!(bench.sim.effects().values().sum::<usize>(), 1, "only the second took effect");

    bench.sim.reorg(2, true);
    if succeeds_next(&bench) {
        bench.sim.mine(first);
    } else {
        bench.sim.mine_empty();
        bench.sim.mine(first);
    }
    assert_eq!(bench.sim.effects().values().sum::<usize>(), 1, "the first took effect");
    (bench, first, second)
}

/// Whether a flaky call succeeds in the next block: the chain's blocks are numbered by age.
fn succeeds_next(bench: &Bench) -> bool {
    bench.sim.world().next_block_is_kind()
}

#[tokio::test]
async fn the_repetition_is_kept_back_while_the_first_is_undecided() {
    let mut bench = endless().await;
    let failing = by(FAILS_WHEN_MINED[0], &once(ripcord(1)));
    let first = hash_of(&bench.pursue(failing).await);
    bench.sim.mine(first);
    bench.observe().await;
    let second = hash_of(&bench.pursue(once(ripcord(1))).await);
    bench.sim.reorg(1, true);
    bench.sim.drop_pool();
    let before = bench.sim.sent().len();
    bench.observe().await;
    let sent: Vec<B256> = bench.sim.sent().split_off(before);
    assert_eq!(sent, [first], "not {second}");
    bench.sim.mine(first);
    bench.observe().await;
    let last = bench.sim.sent().last().copied().unwrap();
    assert_eq!(bench.sim.nonce_of(last), 1, "decided: the other goes out again");
}

#[tokio::test]
async fn another_action_is_another_intent() {
    let mut bench = endless().await;
    let sent = bench.pursue(action(1)).await;
    bench.sim.mine(hash_of(&sent));
    bench.observe().await;
    assert_eq!(bench.pursue(action(1)).await, Pursuit::Live { nonce: 0 }, "it took effect");
    assert!(matches!(bench.pursue(ripcord(1)).await, Pursuit::Sent { nonce: 1, .. }));
}
