//! When what waits is given up, and when it is raised.

use alloy::primitives::U256;
use ballast_chains::{
    Head,
    profile::{FeeModel, Finality},
};
use ballast_strategy_api::{
    Action, Decision, NonEmpty, Observation, Unit, Urgency, decision::CEILING_DISTANCE,
};

use super::{
    bench::{Bench, NoOpinion, action, call, caps, profile, ripcord},
    scenarios::{hash_of, outcomes, with_call},
    sim::{FRAGILE, GWEI},
};
use crate::{
    guard::{Caps, Permit},
    store::Store,
    submission::{
        LaneEvent, Pursuit, lane::MAX_ATTEMPTS_PER_NONCE, lifecycle::Outcome, slot::AttemptKind,
    },
};

fn kinds(events: &[LaneEvent]) -> Vec<AttemptKind> {
    let replaced = events.iter().filter_map(|event| {
        let LaneEvent::Replaced { kind, .. } = event else { return None };
        Some(*kind)
    });
    replaced.collect()
}

async fn under(bench: &mut Bench, action: Action, caps: Caps) -> Pursuit {
    let head: Head = bench.sim.head();
    bench.lane.pursue(Permit::for_test(action, caps), &head, &NoOpinion).await.unwrap()
}

#[tokio::test]
async fn one_failed_simulation_gives_up_nothing_and_several_do() {
    for (urgency, patience) in
        [(Urgency::Routine, 1), (Urgency::Prompt, 2), (Urgency::Emergency, 3)]
    {
        let mut bench = Bench::new().await;
        let pending = Action { urgency, ..with_call(action(1), FRAGILE) };
        bench.pursue(pending).await;
        bench.sim.world().faults.reverting = true;
        assert_eq!(kinds(&bench.pass(patience).await), [], "{urgency:?}");
        bench.sim.world().faults.reverting = false;
        let again = kinds(&bench.pass(1).await);
        assert!(!again.contains(&AttemptKind::Cancellation), "{urgency:?}: it would succeed");
        bench.sim.world().faults.reverting = true;
        let raised = kinds(&bench.pass(patience).await);
        assert!(!raised.contains(&AttemptKind::Cancellation), "{urgency:?}: counted anew");
        let events = bench.pass(1).await;
        assert_eq!(kinds(&events), [AttemptKind::Cancellation], "{urgency:?}");
        let LaneEvent::Replaced { hash, why, .. } = &events[0] else { panic!("{events:?}") };
        assert!(why.contains("would fail by now; a cancellation costs 0.0"), "{why}");
        bench.sim.mine(*hash);
        bench.observe().await;
        assert_eq!(outcomes(&bench.pass(2).await), [(0, Outcome::Cancelled)]);
    }
}

#[tokio::test]
async fn what_is_out_of_date_is_given_up_where_nothing_takes_its_place() {
    for (urgency, patience) in [(Urgency::Routine, 1), (Urgency::Emergency, 3)] {
        let mut bench = Bench::new().await;
        let pending = Action { urgency, ..action(1) };
        bench.pursue(pending).await;
        let blocked = || Decision::Blocked { reason: "bent", detail: String::new() };
        bench.assess(blocked(), Vec::new());
        let raised = kinds(&bench.pass(4).await);
        assert!(!raised.contains(&AttemptKind::Cancellation), "{urgency:?}: it stands");
        bench.outdated(blocked());
        // It would have to be outbid by now, and that is not done.
        bench.sim.world().base_fee = 40 * GWEI;
        assert_eq!(kinds(&bench.pass(patience - 1).await), [], "{urgency:?}");
        let events = bench.pass(1).await;
        assert_eq!(kinds(&events), [AttemptKind::Cancellation], "{urgency:?}");
        let LaneEvent::Replaced { hash, why, .. } = &events[0] else { panic!("{events:?}") };
        assert!(why.contains("out of date"), "{why}");
        bench.sim.mine(*hash);
        bench.observe().await;
        assert_eq!(outcomes(&bench.pass(2).await), [(0, Outcome::Cancelled)]);
    }
}

#[tokio::test]
async fn a_failing_call_that_is_cheap_is_left_to_fail() {
    let mut bench = Bench::new().await;
    bench.sim.world().gas = 50_000;
    bench.pursue(with_call(action(1), FRAGILE)).await;
    bench.sim.world().faults.reverting = true;
    let events = bench.pass(4).await;
    let [LaneEvent::NotReplaced { reason, detail, .. }] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(*reason, "letting it fail is cheaper");
    assert!(detail.contains("the revert is expected to cost"), "{detail}");
}

#[tokio::test]
async fn what_is_not_due_any_more_is_given_up() {
    let mut bench = Bench::new().await;
    bench.pursue(action(1)).await;
    bench.nothing_due();
    assert_eq!(kinds(&bench.pass(1).await), [AttemptKind::Cancellation]);
    // Said once and taken back: nothing is given up.
    let mut bench = Bench::new().await;
    bench.pursue(action(1)).await;
    bench.nothing_due();
    bench.assess(Decision::Act(action(1)), Vec::new());
    assert_eq!(kinds(&bench.pass(4).await), []);
}

#[tokio::test]
async fn past_its_deadline_it_is_given_up_and_not_taken_up_again() {
    let mut bench = Bench::new().await;
    let late = Action { deadline: Some(2), ..action(1) };
    bench.pursue(late.clone()).await;
    assert_eq!(kinds(&bench.pass(2).await), []);
    assert_eq!(kinds(&bench.pass(1).await), [AttemptKind::Cancellation]);
    assert_eq!(bench.pursue(late).await, Pursuit::Live { nonce: 0 });
    // Another action may have the nonce.
    let other = bench.pursue(action(2)).await;
    assert!(matches!(other, Pursuit::Sent { nonce: 0, in_place_of: Some(_), .. }), "{other:?}");
}

#[tokio::test]
async fn a_market_that_stands_still_costs_few_attempts() {
    let mut bench = Bench::new().await;
    bench.pursue(ripcord(1)).await;
    let events = bench.pass(7).await;
    let made = kinds(&events).len();
    assert!((1..=4).contains(&made), "{made} in 7 blocks: one each block used them up");
    // The curve ends, and then the newest offer is good enough for as long as the market stands.
    bench.pass(30).await;
    assert_eq!(kinds(&bench.pass(60).await), []);
    let sent = bench.sim.world().known.len();
    assert!(sent < MAX_ATTEMPTS_PER_NONCE, "{sent}: the last is kept");
    let highest = bench.sim.world().known.values().map(price_of).max();
    assert!(highest <= Some(100 * GWEI), "{highest:?}");
}

fn price_of(tx: &alloy::consensus::TxEnvelope) -> u128 {
    use alloy::consensus::Transaction as _;
    tx.max_fee_per_gas()
}

#[tokio::test]
async fn an_offer_that_does_not_buy_the_next_block_is_raised_at_once_if_it_matters() {
    for (urgency, raised) in [(Urgency::Routine, false), (Urgency::Prompt, true)] {
        let mut bench = Bench::new().await;
        bench.pursue(Action { urgency, ..action(1) }).await;
        bench.sim.world().base_fee = 25 * GWEI;
        let made = kinds(&bench.pass(1).await);
        assert_eq!(!made.is_empty(), raised, "{urgency:?}: {made:?}");
    }
}

#[tokio::test]
async fn an_emergency_offers_more_the_nearer_its_ceiling() {
    let mut offers = Vec::new();
    for distance in ["1", "0.5", "0"] {
        let mut bench = Bench::new().await;
        let value = alloy::primitives::utils::parse_ether(distance).unwrap();
        let value = value.try_into().unwrap();
        let seen = Observation::new(CEILING_DISTANCE, value, Unit::Ratio);
        bench.assess(Decision::Act(ripcord(1)), vec![seen]);
        let Pursuit::Sent { price, .. } = bench.pursue(ripcord(1)).await else { panic!() };
        offers.push(price.max_priority_fee_per_gas);
    }
    assert_eq!(offers, [2 * GWEI, 3 * GWEI + GWEI / 2, 5 * GWEI]);
}

#[tokio::test]
async fn the_last_attempt_is_there_to_give_up_with() {
    let store = Store::in_memory().await.unwrap();
    let mut wide = profile(Finality::Confirmations(3));
    wide.fees.max_fee_per_gas = 1_000 * GWEI;
    let mut bench = Bench::on(store, wide.into()).await;
    let prompt = Action { deadline: Some(60), urgency: Urgency::Prompt, ..action(1) };
    under(&mut bench, prompt, Caps { max_fee_per_gas: 1_000 * GWEI, ..caps() }).await;
    // A market that runs away for so long that it uses up what there is.
    let mut told = Vec::new();
    for block in 0..60 {
        if block < 56 {
            let mut world = bench.sim.world();
            world.tip += world.tip / 11;
        }
        told.extend(bench.pass(1).await);
    }
    let used_up = told.iter().filter_map(|event| {
        let LaneEvent::NotReplaced { reason, .. } = event else { return None };
        Some(*reason)
    });
    assert_eq!(used_up.collect::<Vec<_>>(), ["attempts used up"], "said once");
    let before = bench.sim.world().known.len();
    assert_eq!(before, MAX_ATTEMPTS_PER_NONCE - 1);
    let events = bench.pass(2).await;
    assert_eq!(kinds(&events), [AttemptKind::Cancellation], "{events:?}");
}

#[tokio::test]
async fn a_call_that_needs_more_gas_than_a_transaction_may_have_is_held() {
    let mut bench = Bench::new().await;
    bench.sim.world().gas = (1 << 24) + 1;
    let held = bench.pursue(action(1)).await;
    assert_eq!(held.reason(), "too much gas for a transaction");
    assert!(held.to_string().contains("needs 16777217 gas"), "{held}");
    bench.sim.world().gas = 1 << 24;
    let sent = bench.pursue(action(1)).await;
    let fits = matches!(sent, Pursuit::Sent { gas_limit: 16_777_216, .. });
    assert!(fits, "the margin is cut: {sent:?}");
}

#[tokio::test]
async fn the_gas_limit_never_shrinks() {
    let mut bench = Bench::new().await;
    bench.pursue(action(1)).await;
    bench.sim.world().gas = 60_000;
    let events = bench.pass(5).await;
    assert_eq!(kinds(&events), [AttemptKind::Replacement]);
    let snapshot = bench.lane.snapshot();
    let limits: Vec<u64> = snapshot.slots[0].attempts.iter().map(|a| a.gas_limit).collect();
    assert_eq!(limits, [120_000, 120_000]);
}

#[tokio::test]
async fn a_chain_of_legacy_transactions_is_served() {
    let store = Store::in_memory().await.unwrap();
    let mut profile = profile(Finality::Confirmations(3));
    profile.fee_model = FeeModel::Legacy;
    let mut bench = Bench::on(store, profile.into()).await;
    let sent = bench.pursue(action(1)).await;
    assert!(bench.sim.world().known[&hash_of(&sent)].is_legacy());
    let events = bench.pass(5).await;
    let [LaneEvent::Replaced { price, hash, .. }] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(price.max_fee_per_gas, price.max_priority_fee_per_gas);
    assert_eq!(bench.sim.world().pool.get(&0), Some(hash), "the pool took it for the original");
    bench.restart().await;
    bench.sim.mine_pool();
    assert_eq!(bench.steps().await, ["included"]);
}

#[tokio::test]
async fn without_funds_it_waits_and_goes_on_by_itself() {
    let mut bench = Bench::new().await;
    let balance = std::mem::replace(&mut bench.sim.world().balance, U256::ZERO);
    let held = bench.pursue(action(1)).await;
    assert_eq!(held.reason(), "insufficient funds");
    bench.sim.world().balance = balance;
    assert!(matches!(bench.pursue(action(1)).await, Pursuit::Sent { nonce: 0, .. }));
}

#[tokio::test]
async fn a_cancellation_makes_room_at_the_price_of_what_waits_for_it() {
    let mut bench = Bench::new().await;
    let tight = Caps { max_fee_per_gas: 24 * GWEI, ..caps() };
    let fragile = with_call(action(1), FRAGILE);
    under(&mut bench, fragile, tight).await;
    bench.sim.world().faults.reverting = true;
    // The market is beyond what the routine work may cost: not even its cancellation is made …
    bench.sim.world().base_fee = 40 * GWEI;
    assert_eq!(kinds(&bench.pass(3).await), []);
    // … until an emergency wants the nonce. Its own call fails today, so it cannot take it over.
    let stuck = Action { candidates: NonEmpty::one(call("dry", FRAGILE)), ..ripcord(1) };
    bench.lane.need.wanted = Some((stuck.urgency, caps()));
    // What was wanted once is not wanted for ever.
    bench.assess(Decision::Act(action(1)), Vec::new());
    assert_eq!(kinds(&bench.pass(1).await), []);
    bench.lane.need.wanted = Some((stuck.urgency, caps()));
    assert_eq!(kinds(&bench.pass(1).await), [AttemptKind::Cancellation]);
}

#[tokio::test]
async fn what_was_not_due_in_blocks_that_fell_away_gives_up_nothing() {
    let mut bench = Bench::new().await;
    bench.pursue(action(1)).await;
    bench.sim.mine_pool();
    bench.observe().await;
    bench.nothing_due();
    bench.pass(1).await;
    bench.nothing_due();
    bench.sim.reorg(2, true);
    assert_eq!(bench.steps().await, ["reorged"]);
    // The strategy has not yet spoken of the new blocks.
    assert!(!kinds(&bench.pass(3).await).contains(&AttemptKind::Cancellation), "still due");
    bench.nothing_due();
    assert!(kinds(&bench.pass(3).await).contains(&AttemptKind::Cancellation), "by now it is not");
}

#[tokio::test]
async fn what_was_said_before_a_reorganisation_gives_nothing_up() {
    let mut bench = Bench::with(Store::in_memory().await.unwrap(), Finality::Finalized).await;
    let hash = hash_of(&bench.pursue(ripcord(1)).await);
    bench.sim.mine(hash);
    bench.observe().await;
    bench.nothing_due();
    bench.pass(4).await;
    bench.sim.reorg(5, true);
    let events = bench.observe().await;
    assert_eq!(events[0].step(), "reorged");
    assert_eq!(kinds(&events), [], "it is due again for all that is known");
    bench.nothing_due();
    assert!(!kinds(&bench.pass(2).await).contains(&AttemptKind::Cancellation));
    assert_eq!(kinds(&bench.pass(1).await), [AttemptKind::Cancellation], "counted anew");
}

/// Nothing of ours was in the blocks that fell away, so no event of ours tells of it.
#[tokio::test]
async fn what_was_said_on_another_branch_gives_nothing_up_although_ours_waits_on_both() {
    let mut bench = Bench::new().await;
    bench.pursue(action(1)).await;
    bench.sim.mine_empty();
    bench.nothing_due();
    bench.sim.reorg(1, false);
    let blocks = 4;
    assert_eq!(kinds(&bench.observe().await), [], "said of a block that is gone");
    assert!(!kinds(&bench.pass(blocks).await).contains(&AttemptKind::Cancellation));
    // Nor does patience count it.
    bench.nothing_due();
    bench.sim.reorg(1, false);
    assert!(!kinds(&bench.observe().await).contains(&AttemptKind::Cancellation));
    bench.nothing_due();
    assert!(!kinds(&bench.observe().await).contains(&AttemptKind::Cancellation));
    assert!(kinds(&bench.pass(1).await).contains(&AttemptKind::Cancellation), "said on this one");
}

#[tokio::test]
async fn what_was_said_of_an_older_block_of_the_same_branch_counts() {
    let mut bench = Bench::new().await;
    bench.pursue(action(1)).await;
    bench.nothing_due();
    // The next heads are missed, as a slow product does.
    for _ in 0..3 {
        bench.sim.mine_empty();
    }
    assert_eq!(kinds(&bench.observe().await), [AttemptKind::Cancellation]);
}

/// A simulation that nobody answers is no proof, however long the last one is past.
#[tokio::test]
async fn what_failed_before_is_not_given_up_while_nobody_tells_whether_it_does() {
    let mut bench = Bench::new().await;
    bench.pursue(with_call(action(1), FRAGILE)).await;
    bench.sim.world().faults.reverting = true;
    bench.pass(1).await;
    bench.sim.world().faults.calls_unanswered = true;
    assert!(!kinds(&bench.pass(3).await).contains(&AttemptKind::Cancellation));
    bench.sim.world().faults.calls_unanswered = false;
    assert_eq!(kinds(&bench.pass(1).await), [AttemptKind::Cancellation]);
}

/// The strategy said once that nothing is due, and could not be asked since.
#[tokio::test]
async fn a_strategy_that_cannot_be_read_lets_nothing_be_given_up() {
    let mut bench = Bench::new().await;
    bench.pursue(ripcord(1)).await;
    bench.sim.mine_empty();
    bench.nothing_due();
    bench.lane.unread();
    assert!(!kinds(&bench.pass(6).await).contains(&AttemptKind::Cancellation));
}
