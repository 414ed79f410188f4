//! States that were answered and come up again.

use alloy::primitives::{B256, U256};
use ballast_strategy_api::{Action, Decision};
use sqlx::Row as _;

use super::{
    bench::Bench,
    looks::expecting,
    scenarios::{hash_of, outcomes},
};
use crate::{
    store::Statement,
    submission::{LaneEvent, Pursuit, lifecycle::Outcome},
};

impl Bench {
    /// The strategy says at the newest head that the action is due.
    fn due(&mut self, action: &Action) {
        self.assess(Decision::Act(action.clone()), Vec::new());
    }

    /// Mines it; the view of its postcondition goes from 100 to `after`.
    async fn moves(&mut self, hash: B256, after: u64) -> Vec<LaneEvent> {
        let parent = self.sim.head();
        let block = self.sim.mine(hash);
        {
            let mut world = self.sim.world();
            world.words.insert(parent.hash, U256::from(100));
            world.words.insert(block.hash, U256::from(after));
        }
        self.observe().await
    }
}

/// Two of ours are put back by a reorganisation, and somebody else's transaction takes the place of
/// the first. The second then does what the first should have, and leaves the state that it was itself
/// signed for.
async fn the_second_in_place_of_the_first(after: u64) -> Bench {
    let mut bench = Bench::new().await;
    let first = hash_of(&bench.pursue(expecting(1)).await);
    bench.sim.mine(first);
    bench.observe().await;
    let second = hash_of(&bench.pursue(expecting(2)).await);
    bench.sim.mine(second);
    bench.observe().await;
    bench.sim.reorg(2, true);
    bench.observe().await;
    bench.sim.mine_foreign();
    bench.observe().await;
    bench.moves(second, after).await;
    let finals = outcomes(&bench.pass(9).await);
    assert_eq!(finals, [(1, Outcome::Confirmed), (0, Outcome::Superseded)]);
    bench
}

#[tokio::test]
async fn a_state_that_comes_up_again_is_answered_again() {
    let mut bench = the_second_in_place_of_the_first(85).await;
    assert_eq!(bench.pursue(expecting(2)).await, Pursuit::Answered { nonce: 1 }, "nobody said so");
    bench.due(&expecting(2));
    let again = bench.pursue(expecting(2)).await;
    assert!(matches!(again, Pursuit::Sent { nonce: 2, .. }), "{again:?}");
    let sql = "SELECT answers FROM intents WHERE nonce = 2";
    let rows = bench.store.rows(Statement::new(sql)).await.unwrap();
    assert_eq!(rows[0].get::<String, _>("answers"), "state=2 after nonce 1");
    // The strategy knows it by its own words.
    let head = bench.sim.head();
    bench.lane.book.note_outdated(|pending| pending.answers == "state=2", &head);
    assert!(!bench.lane.book.any_outdated());
    // It is an intent of its own, and signed once like any other.
    for _ in 0..2 {
        bench.due(&expecting(2));
        assert_eq!(bench.pursue(expecting(2)).await, Pursuit::Live { nonce: 2 });
        let sent = bench.sim.sent().len();
        assert!(!bench.steps().await.contains(&"replaced"), "nothing is given up");
        assert!(bench.sim.sent().len() >= sent);
        bench.restart().await;
    }
    bench.moves(hash_of(&again), 85).await;
    bench.due(&expecting(2));
    assert_eq!(bench.pursue(expecting(2)).await, Pursuit::Live { nonce: 2 }, "not final");
    let finals = outcomes(&bench.pass(3).await);
    assert_eq!(finals, [(2, Outcome::Confirmed)]);
    // And so on: the newest counts.
    bench.due(&expecting(2));
    let third = bench.pursue(expecting(2)).await;
    assert!(matches!(third, Pursuit::Sent { nonce: 3, .. }), "{third:?}");
}

#[tokio::test]
async fn not_on_a_word_from_before_it_was_carried_out() {
    let mut bench = Bench::new().await;
    let hash = hash_of(&bench.pursue(expecting(1)).await);
    bench.due(&expecting(1));
    bench.moves(hash, 85).await;
    bench.pass(3).await;
    // What the strategy said last was of the block before.
    assert_eq!(bench.pursue(expecting(1)).await, Pursuit::Answered { nonce: 0 });
    bench.restart().await;
    assert_eq!(bench.pursue(expecting(1)).await, Pursuit::Answered { nonce: 0 });
    bench.due(&expecting(1));
    assert!(matches!(bench.pursue(expecting(1)).await, Pursuit::Sent { nonce: 1, .. }));
}

#[tokio::test]
async fn not_where_it_moved_nothing() {
    let mut bench = the_second_in_place_of_the_first(95).await;
    bench.due(&expecting(2));
    assert_eq!(bench.pursue(expecting(2)).await, Pursuit::Answered { nonce: 1 });
}
