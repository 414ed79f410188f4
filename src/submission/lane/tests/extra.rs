//! Fees beside gas × price: held against caps and funds before sending, booked from the receipt.

use std::sync::Arc;

use alloy::primitives::U256;
use ballast_chains::{
    fees::extra::{ExtraFees, ExtraQuote},
    profile::{FeeModel, Finality},
};

use super::{
    bench::{Bench, NoOpinion, action, caps, profile, ripcord},
    scenarios::{hash_of, reason},
    sim::GWEI,
};
use crate::{
    guard::{Caps, Permit, Rehearsal},
    store::Store,
    submission::{LaneEvent, Pursuit},
};

/// What a block of 10 gwei and a tip of one costs for the calls here, wei.
const EXECUTION: u128 = 11 * GWEI * 120_000;

/// On a chain of the OP stack that takes so much L1 data fee.
async fn bench(l1_fee: u128) -> Bench {
    let mut profile = profile(Finality::Confirmations(3));
    profile.fee_model = FeeModel::OpStack;
    let bench = Bench::on(Store::in_memory().await.unwrap(), Arc::new(profile)).await;
    bench.sim.world().extra = Some(ExtraQuote::of_l1_fee(U256::from(l1_fee)));
    bench
}

fn within(cost: u128) -> Caps {
    Caps { max_transaction_cost: Some(U256::from(cost)), ..caps() }
}

async fn pursue(bench: &mut Bench, cost: u128) -> Pursuit {
    let (permit, head) = (Permit::for_test(action(1), within(cost)), bench.sim.head());
    bench.lane.pursue(permit, &head, &NoOpinion).await.unwrap()
}

#[tokio::test]
async fn a_cap_on_the_whole_cost_is_for_the_data_fee_too() {
    let mut bench = bench(1_000 * GWEI).await;
    let extra = 1_500 * GWEI;
    let held = pursue(&mut bench, EXECUTION + extra - 1).await;
    assert_eq!(reason(&held), "held: transaction cost cap", "a wei is missing");
    assert!(held.to_string().contains("up to 0.0000015 in all goes to fees beside gas"), "{held}");
    let sent = pursue(&mut bench, EXECUTION + extra).await;
    let Pursuit::Sent { price, .. } = sent else { panic!("{sent:?}") };
    assert_eq!(price.max_fee_per_gas, 11 * GWEI, "all that is left of the cap");
}

#[tokio::test]
async fn the_wallet_must_hold_the_data_fee_too() {
    let mut bench = bench(1_000 * GWEI).await;
    bench.sim.world().balance = U256::from(EXECUTION + 1_500 * GWEI - 1);
    assert_eq!(reason(&bench.pursue(action(1)).await), "held: insufficient funds");
    bench.sim.world().balance += U256::ONE;
    assert_eq!(bench.pursue(action(1)).await.kind(), "act");
}

#[tokio::test]
async fn what_would_be_sent_is_told_with_the_data_fee() {
    let mut bench = bench(1_000 * GWEI).await;
    let head = bench.sim.head();
    let rehearsal = Rehearsal { action: action(1), caps: caps(), reason: "dry run" };
    let plan = bench.lane.plan(&rehearsal, &head, &NoOpinion).await.unwrap();
    let Pursuit::WouldSend { price, gas_limit, max_cost, .. } = plan else { panic!("{plan:?}") };
    let gas = U256::from(price.max_fee_per_gas) * U256::from(gas_limit);
    assert_eq!(max_cost, gas + U256::from(1_500 * GWEI));
}

#[tokio::test]
async fn without_an_oracle_routine_work_waits_and_an_emergency_does_not() {
    let mut bench = bench(0).await;
    bench.sim.world().extra = None;
    let held = bench.pursue(action(1)).await;
    assert_eq!(reason(&held), "held: L1 data fee unknown");
    assert!(held.to_string().contains("GasPriceOracle"), "{held}");
    assert_eq!(bench.pursue(ripcord(1)).await.kind(), "act");
}

/// What the store reserves for what is pending, wei.
async fn reserved(bench: &Bench) -> U256 {
    let reservations = bench.store.books("eth2x", 1, 0, 0).await.unwrap().pending;
    reservations.iter().map(|reservation| reservation.wei).sum()
}

#[tokio::test]
async fn what_is_pending_reserves_the_data_fee_and_what_is_included_has_cost_it() {
    let mut bench = bench(1_000 * GWEI).await;
    let sent = bench.pursue(action(1)).await;
    let Pursuit::Sent { price, gas_limit, .. } = &sent else { panic!("{sent:?}") };
    let gas = U256::from(price.max_fee_per_gas) * U256::from(*gas_limit);
    assert_eq!(reserved(&bench).await, gas + U256::from(1_500 * GWEI));

    let paid =
        ExtraFees { l1_fee: Some(U256::from(1_234_567)), operator_fee: Some(U256::from(89)) };
    bench.sim.world().paid = paid;
    bench.sim.mine(hash_of(&sent));
    let events = bench.observe().await;
    let [LaneEvent::Included { cost, extra, .. }] = events.as_slice() else { panic!("{events:?}") };
    let whole = U256::from(100_000 * 11 * GWEI + 1_234_567 + 89);
    assert_eq!((*cost, *extra), (whole, paid));
    assert_eq!(bench.column(0, "l1_fee").await.as_deref(), Some("1234567"));
    assert_eq!(bench.column(0, "operator_fee").await.as_deref(), Some("89"));
    let costs = bench.store.books("eth2x", 1, 0, 0).await.unwrap().costs;
    assert_eq!(costs.iter().map(|cost| cost.wei).collect::<Vec<_>>(), [whole]);
    assert_eq!(reserved(&bench).await, U256::ZERO);

    bench.restart().await;
    assert!(bench.pass(1).await.is_empty(), "the journal has it as the receipt says");
    bench.sim.reorg(2, true);
    bench.observe().await;
    assert_eq!(bench.column(0, "l1_fee").await, None, "the block fell away, and its fee with it");
}

#[tokio::test]
async fn a_further_attempt_keeps_what_was_known_where_the_oracle_falls_silent() {
    let mut bench = bench(1_000 * GWEI).await;
    bench.pursue(ripcord(1)).await;
    bench.sim.world().extra = None;
    bench.sim.world().tip = 90 * GWEI;
    let events = bench.pass(6).await;
    assert!(events.iter().any(|event| event.step() == "replaced"), "{events:?}");
    // The growth is set aside once more.
    let newest = "SELECT extra_fee FROM attempts ORDER BY number DESC LIMIT 1";
    let rows = bench.store.rows(crate::store::Statement::new(newest)).await.unwrap();
    let extra: String = sqlx::Row::get(&rows[0], "extra_fee");
    assert!(extra.parse::<u128>().unwrap() >= 1_500 * GWEI, "{extra}");
}
