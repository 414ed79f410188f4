//! What inclusion did, what is bounded, and what status shows.

use alloy::primitives::{Bytes, U256};
use ballast_chains::profile::Finality;
use ballast_strategy_api::{Action, Direction, Postcondition};

use super::{
    bench::{Bench, TARGET, action, ripcord},
    scenarios::{hash_of, reason},
};
use crate::{
    store::Store,
    submission::{
        LaneEvent, Pursuit,
        lane::{MAX_UNFINAL, MAX_UNFINAL_EMERGENCY},
        simulate::Overrides,
    },
};

/// Enough for any transaction here, wei.
const FULL: U256 = U256::from_limbs([0, 5, 0, 0]);

pub(super) fn expecting(key: u64) -> Action {
    let expects = Postcondition {
        what: "leverage ratio".into(),
        target: TARGET,
        view: Bytes::from_static(&[9]),
        signed: false,
        direction: Direction::Down,
        at_least: U256::from(10),
    };
    Action { expects: Some(expects), ..action(key) }
}

#[tokio::test]
async fn inclusion_is_compared_with_its_parent_block() {
    for (after, step) in [(85, "postcondition_held"), (95, "postcondition_missed")] {
        let mut bench = Bench::new().await;
        let hash = hash_of(&bench.pursue(expecting(1)).await);
        let parent = bench.sim.mine_empty();
        let block = bench.sim.mine(hash);
        {
            let mut world = bench.sim.world();
            world.words.insert(parent.hash, U256::from(100));
            world.words.insert(block.hash, U256::from(after));
        }
        bench.sim.mine_empty();
        assert_eq!(bench.steps().await, ["included", step]);
        assert!(bench.observe().await.is_empty(), "looked at once");
        let stored = bench.column(0, "postcondition").await;
        assert_eq!(
            stored.as_deref().map(|word| format!("postcondition_{word}")),
            Some(step.into())
        );
    }
}

#[tokio::test]
async fn unfinal_slots_are_bounded() {
    let store = Store::in_memory().await.unwrap();
    let mut bench = Bench::with(store, Finality::Safe).await;
    for key in 0..u64::try_from(MAX_UNFINAL).unwrap() {
        let sent = bench.pursue(action(key)).await;
        bench.sim.mine(hash_of(&sent));
        bench.observe().await;
    }
    let held = bench.pursue(action(99)).await;
    assert_eq!(reason(&held), "held: too many unfinal transactions");
    // An emergency has room of its own.
    for key in MAX_UNFINAL..MAX_UNFINAL_EMERGENCY {
        let sent = bench.pursue(ripcord(u64::try_from(key).unwrap())).await;
        bench.sim.mine(hash_of(&sent));
        bench.observe().await;
    }
    let held = bench.pursue(ripcord(999)).await;
    assert_eq!(reason(&held), "held: too many unfinal transactions");
    bench.sim.world().safe = bench.sim.head().number;
}

/// One step for all that a head brings; a restart finds all of it.
#[tokio::test]
async fn what_is_final_is_journalled_with_the_inclusion_of_what_follows() {
    let store = Store::in_memory().await.unwrap();
    let mut bench = Bench::with(store, Finality::Confirmations(2)).await;
    for key in 0..3 {
        let sent = bench.pursue(action(key)).await;
        bench.sim.mine(hash_of(&sent));
        let steps = bench.steps().await;
        let expected: &[&str] = if key == 0 { &["included"] } else { &["included", "final"] };
        assert_eq!(steps, expected, "the one before has its second block");
    }
    assert_eq!(bench.lane.unfinished(), 1);
    bench.restart().await;
    assert_eq!(bench.lane.unfinished(), 1, "as the journal has it");
    for (nonce, outcome, state) in
        [(0, true, "confirmed"), (1, true, "confirmed"), (2, false, "included")]
    {
        assert_eq!(bench.column(nonce, "outcome").await.is_some(), outcome, "nonce {nonce}");
        assert_eq!(bench.column(nonce, "state").await.as_deref(), Some(state));
        assert_eq!(bench.column(nonce, "postcondition").await.as_deref(), Some("unknown"));
    }
    bench.sim.mine_empty();
    assert_eq!(bench.steps().await, ["final"], "with nothing to go with, by itself");
}

/// What was told of the very head is not asked again, and what was told of another does not count.
#[tokio::test]
async fn nonce_and_balance_of_this_head_are_not_asked_twice() {
    let mut bench = Bench::new().await;
    bench.pursue(action(1)).await;
    bench.sim.mine_pool();
    bench.observe().await;
    bench.told_balance(FULL);
    let head = bench.sim.head();
    let asked = bench.sim.world().accounts_asked;
    assert_eq!(bench.lane.nonce_at(&head).await.unwrap(), 1);
    assert_eq!(bench.lane.balance_at(&head).await.unwrap(), FULL);
    assert_eq!(bench.sim.world().accounts_asked, asked, "known of this head");
    let next = bench.sim.mine_foreign();
    bench.sim.world().balance = FULL - U256::from(7);
    assert_eq!(bench.lane.nonce_at(&next).await.unwrap(), 2);
    assert_eq!(bench.lane.balance_at(&next).await.unwrap(), FULL - U256::from(7));
    assert_eq!(bench.sim.world().accounts_asked, asked + 2, "not of the next");
}

#[tokio::test]
async fn a_node_without_overrides_is_simulated_on_as_it_is() {
    let mut bench = Bench::new().await;
    bench.sim.world().faults.no_overrides = true;
    assert!(matches!(bench.pursue(action(1)).await, Pursuit::Sent { .. }));
    assert_eq!(bench.lane.overrides, Overrides::Unsupported);
    let told = bench.lane.pretends.known(Overrides::Unknown);
    assert_eq!(told, Overrides::Unknown, "every lane finds that for itself");
}

#[tokio::test]
async fn one_lane_finds_for_all_that_nodes_can_pretend_the_next_block() {
    let mut bench = Bench::new().await;
    assert_eq!(bench.lane.pretends.known(Overrides::Unknown), Overrides::Unknown);
    bench.pursue(action(1)).await;
    let another = bench.lane.pretends.clone();
    assert_eq!(another.known(Overrides::Unknown), Overrides::Supported);
    assert_eq!(another.known(Overrides::Unsupported), Overrides::Unsupported);
}

#[tokio::test]
async fn an_idle_wallet_is_looked_at_once_in_a_hundred_blocks_whatever_heads_it_misses() {
    let mut bench = Bench::new().await;
    bench.observe().await;
    assert!(bench.lane.may_skip(&bench.sim.head()));
    // Somebody else uses the key, and hardly any head is seen.
    bench.sim.mine_foreign();
    let told = |events: &[LaneEvent]| events.iter().any(|event| event.step() == "foreign");
    let mut heads = 0;
    loop {
        heads += 1;
        assert!(heads <= 100, "never looked at");
        bench.sim.mine_empty();
        let head = bench.sim.head();
        if head.number.is_multiple_of(7) && !bench.lane.may_skip(&head) {
            break;
        }
    }
    assert!(told(&bench.observe().await));
    assert!(!bench.lane.is_idle(), "it is to be booked");
}

/// Its balance rides along with the reads of every few blocks: that it moved is worth a look.
#[tokio::test]
async fn an_idle_wallet_whose_balance_moves_is_looked_at_at_the_next_head() {
    let mut bench = Bench::new().await;
    bench.observe().await;
    let (full, less) = (U256::from(100), U256::from(99));
    for balance in [full, full] {
        bench.told_balance(balance);
        assert!(bench.lane.may_skip(&bench.sim.mine_empty()) && bench.lane.is_idle());
    }
    bench.sim.mine_foreign();
    bench.told_balance(less);
    assert!(!bench.lane.is_idle(), "a head alone is worth waking for");
    assert!(!bench.lane.may_skip(&bench.sim.head()));
    assert_eq!(bench.steps().await, ["foreign"]);
    bench.pass(4).await;
    assert_eq!(bench.column(0, "outcome").await.as_deref(), Some("foreign"), "and booked");
    // Money that came in is looked at once, and is nobody's transaction.
    bench.told_balance(full);
    assert!(bench.steps().await.is_empty());
    assert!(bench.lane.may_skip(&bench.sim.head()));
}

/// What a transaction of our own cost is no reason to look.
#[tokio::test]
async fn what_is_under_way_moves_the_balance_too() {
    let mut bench = Bench::new().await;
    bench.told_balance(FULL);
    bench.pursue(action(1)).await;
    bench.sim.mine_pool();
    bench.observe().await;
    bench.told_balance(FULL - U256::from(10));
    bench.pass(3).await;
    assert!(bench.lane.is_idle(), "final");
    bench.told_balance(FULL - U256::from(10));
    assert!(bench.lane.is_idle());
}

#[tokio::test]
async fn status_shows_every_attempt_and_answer() {
    let mut bench = Bench::new().await;
    bench.pursue(action(1)).await;
    bench.pass(5).await;
    let snapshot = serde_json::to_value(bench.lane.snapshot()).unwrap();
    assert_eq!(snapshot["slots"][0]["state"], "pending");
    assert_eq!(snapshot["slots"][0]["attempts"][1]["kind"], "replacement");
    assert_eq!(snapshot["slots"][0]["attempts"][0]["answers"]["node"]["verdict"], "accepted");
    assert_eq!(snapshot["next_nonce"], 1);
}
