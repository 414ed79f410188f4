use proptest::prelude::*;

use super::{
    super::known::tests::{block, known, main},
    *,
};

const PATIENCE: Duration = Duration::from_secs(6);
/// Where the branches of these tests part, well below the comparison.
const FORK: u64 = 5;
const TOP: u64 = 20;

/// An endpoint on a branch names its head until it is suspected, and answers if it is asked.
fn speak(vote: &mut Vote, endpoint: usize, branch: u8, known: &Known, now: Instant) {
    let head = block(branch, FORK, TOP);
    for _ in 0..CONFLICTS {
        vote.heard(endpoint, head, Relation::of(&head, known), now);
    }
    if let Some(number) = vote.question(endpoint, known, now) {
        assert!(number <= TOP - DEPTH, "asked about block {number}, which is too new to tell");
        vote.told(endpoint, number, Some(block(branch, FORK, number).hash));
    }
}

fn spoken(branches: &[u8]) -> (Vote, Known, Instant) {
    let (known, now) = (known(1..=TOP), Instant::now());
    let mut vote = Vote::new(branches.len(), PATIENCE);
    for (endpoint, _) in branches.iter().enumerate() {
        // Everyone has a vote before the first is asked.
        let head = main(TOP - 1);
        vote.heard(endpoint, head, Relation::of(&head, &known), now);
    }
    for (endpoint, branch) in branches.iter().enumerate() {
        speak(&mut vote, endpoint, *branch, &known, now);
    }
    (vote, known, now)
}

#[test]
fn the_chain_of_more_than_half_is_followed_without_a_dispute() {
    for (branches, expected) in [
        (&[0, 0, 1][..], None),
        (&[1, 0, 0], None),
        (&[0, 1, 1], Some(1)),
        (&[1, 1, 0, 1], Some(0)),
        (&[0, 2, 1, 1, 1], Some(2)),
    ] {
        let (mut vote, _, now) = spoken(branches);
        let endpoint = match vote.outcome(now) {
            Outcome::Stay => None,
            Outcome::Switch { endpoint, .. } => Some(endpoint),
        };
        assert_eq!(endpoint, expected, "{branches:?}");
        assert_eq!(vote.dispute(now + PATIENCE), None, "{branches:?}");
    }
}

#[test]
fn without_a_majority_the_first_in_order_is_followed_and_the_dispute_told_when_it_has_lasted() {
    let (mut vote, known, now) = spoken(&[0, 1]);
    assert_eq!(vote.outcome(now), Outcome::Stay);
    assert_eq!(vote.dispute(now), None, "not yet");
    let later = now + PATIENCE;
    for endpoint in [0, 1] {
        let branch = u8::try_from(endpoint).unwrap();
        speak(&mut vote, endpoint, branch, &known, later);
    }
    assert_eq!(vote.outcome(later), Outcome::Stay);
    let number = TOP - DEPTH;
    let sides = vec![(main(number).hash, vec![0]), (block(1, FORK, number).hash, vec![1])];
    assert_eq!(vote.dispute(later), Some(Dispute { number, sides }));
    assert_eq!(vote.apart(), [false, true]);

    // The other one comes back to the chain followed.
    let head = main(TOP);
    vote.heard(1, head, Relation::of(&head, &known), later);
    assert_eq!(vote.outcome(later), Outcome::Stay);
    assert_eq!((vote.dispute(later), vote.apart()), (None, vec![false, false]));
}

#[test]
fn the_preferred_endpoints_chain_is_switched_to_and_the_dispute_goes_on() {
    let (mut vote, _, now) = spoken(&[1, 0]);
    let head = block(1, FORK, TOP);
    assert_eq!(vote.outcome(now), Outcome::Switch { endpoint: 0, head });
    vote.switched(0);
    assert_eq!(vote.outcome(now + PATIENCE), Outcome::Stay);
    let dispute = vote.dispute(now + PATIENCE).unwrap();
    assert_eq!(dispute.sides[0], (block(1, FORK, dispute.number).hash, vec![0]));
    assert_eq!(dispute.sides[1], (main(dispute.number).hash, vec![1]));
}

#[test]
fn a_silent_endpoint_has_no_vote() {
    let (mut vote, known, now) = spoken(&[0, 1, 1]);
    let later = now + PATIENCE * VOTE_PATIENCE + Duration::from_secs(1);
    let head = main(TOP);
    vote.heard(0, head, Relation::of(&head, &known), later);
    assert_eq!(vote.outcome(later), Outcome::Stay);
    assert_eq!(vote.dispute(later), None);
    assert!(vote.is_alone(0, later));
}

#[test]
fn an_endpoint_that_is_apart_is_asked_again_but_not_at_every_head() {
    let (mut vote, known, now) = spoken(&[0, 1]);
    let second = Duration::from_secs(1);
    assert_eq!(vote.question(1, &known, now + second), None);
    vote.heard(0, main(TOP), Relation::Fits, now + PATIENCE);
    assert_eq!(vote.question(1, &known, now + PATIENCE), Some(TOP - DEPTH));
    // It says now what the chain followed says: it came back by a reorganisation of its own.
    vote.told(1, TOP - DEPTH, Some(main(TOP - DEPTH).hash));
    assert_eq!(vote.outcome(now + PATIENCE), Outcome::Stay);
    assert!(!vote.is_apart(1));
}

#[test]
fn one_block_that_does_not_fit_is_no_reason_to_ask() {
    let (known, now) = (known(1..=TOP), Instant::now());
    let mut vote = Vote::new(2, PATIENCE);
    vote.heard(0, main(TOP), Relation::Fits, now);
    vote.heard(1, block(1, TOP - 1, TOP), Relation::Conflicts, now);
    assert_eq!(vote.question(1, &known, now), None);
}

proptest! {
    /// Whatever chains the endpoints are on: half and more decide, else the order does.
    #[test]
    fn the_vote_is_counted_right(branches in proptest::collection::vec(0_u8..3, 2..7)) {
        let (mut vote, _, now) = spoken(&branches);
        let count = |branch: u8| branches.iter().filter(|b| **b == branch).count();
        let majority = (0..3).find(|branch| count(*branch) * 2 > branches.len());
        let wanted = majority.unwrap_or(branches[0]);
        match vote.outcome(now) {
            Outcome::Stay => prop_assert_eq!(wanted, 0),
            Outcome::Switch { endpoint, head } => {
                prop_assert!(wanted != 0);
                prop_assert_eq!(branches[endpoint], wanted);
                prop_assert_eq!(head, block(wanted, FORK, TOP));
                vote.switched(endpoint);
                prop_assert_eq!(vote.outcome(now), Outcome::Stay, "it would switch to and fro");
            }
        }
        let dispute = vote.dispute(now + PATIENCE);
        prop_assert_eq!(dispute.is_some(), majority.is_none());
        for (endpoint, branch) in branches.iter().enumerate() {
            prop_assert_eq!(vote.is_apart(endpoint), *branch != wanted);
        }
    }

    /// Endpoints that lag, and reorganise by a few blocks at different times, are never apart.
    #[test]
    fn lag_and_reorganisations_are_no_dispute(
        steps in proptest::collection::vec((0_usize..3, 0_u64..=DEPTH, 0_u64..=8, 0_u8..3), 1..60),
    ) {
        let (known, start) = (known(1..=TOP), Instant::now());
        let mut vote = Vote::new(3, PATIENCE);
        for (step, (endpoint, depth, lag, branch)) in (1_u32..).zip(steps) {
            let now = start + Duration::from_secs(2) * step;
            // The followed endpoint is heard of all the while.
            vote.heard(0, main(TOP), Relation::Fits, now);
            let head = block(branch, TOP - depth, TOP - lag);
            vote.heard(endpoint, head, Relation::of(&head, &known), now);
            if let Some(number) = vote.question(endpoint, &known, now) {
                vote.told(endpoint, number, Some(block(branch, TOP - depth, number).hash));
            }
            prop_assert_eq!(vote.outcome(now), Outcome::Stay);
            prop_assert_eq!(vote.dispute(now + PATIENCE), None);
            prop_assert!(!vote.apart().contains(&true));
        }
    }
}
