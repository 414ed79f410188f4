//! Anything in any order. After every step: nothing live is forgotten, nothing is signed while
//! something waits for inclusion except at its own nonce, and in no chain that ever is the one of
//! the head an intent took effect twice; neither with contracts that forbid it nor without.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use alloy::primitives::B256;
use ballast_chains::{pool::SendAnswer, profile::Finality};
use ballast_strategy_api::{Action, Decision, NonEmpty, Urgency};
use proptest::{prelude::*, test_runner::TestRunner};
use sqlx::Row as _;

use super::{
    bench::{Bench, NoOpinion, action, call, permit, ripcord},
    hands::{self, Hand, hands, moody},
    sim::{FAILS_WHEN_MINED, FLAKY, FRAGILE, ONCE, ONCE_EACH},
};
use crate::{
    store::{Statement, Store},
    submission::Pursuit,
};

/// Deeper than any reorganisation that the test makes, so that what is final stays so.
const CONFIRMATIONS: u64 = 3;
const MAX_REORG: usize = 2;

#[derive(Debug, Clone)]
enum Step {
    Pursue {
        key: u64,
        kind: u8,
        urgency: Urgency,
    },
    Observe,
    /// The strategy says that nothing is due.
    NothingDue,
    /// The strategy says that something is due, and that nothing which waits should take effect.
    Outdated,
    /// Observes a head that is not the newest.
    ObserveStale,
    MineEmpty,
    MinePool,
    /// Any attempt at the next nonce that ever reached a node.
    MineAny(usize),
    MineForeign,
    Reorg {
        depth: usize,
        forget: bool,
    },
    DropPool,
    Restart,
    Answers {
        answer: u8,
        swallowed: bool,
    },
    /// Another endpoint answers what the first one takes, but not before it is released.
    Slow(bool),
    Release,
    ReceiptsLag(bool),
    ReceiptsStale(bool),
    /// Other endpoints have the receipts that this one lacks, or those of blocks that fell away.
    ReceiptsElsewhere {
        on: bool,
        stale: bool,
    },
    Unavailable(bool),
    Reverting(bool),
    BaseFee(u128),
    /// Something that people do, or this machine.
    Hand(Hand),
}

impl Step {
    /// Whether the lane takes part; all others happen to the chain and its nodes alone.
    fn is_the_lanes(&self) -> bool {
        matches!(
            self,
            Self::Pursue { .. }
                | Self::Observe
                | Self::ObserveStale
                | Self::Restart
                | Self::Hand(Hand::Order(_))
        )
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0_u64..4, 0_u8..4, urgencies())
            .prop_map(|(key, kind, urgency)| Step::Pursue { key, kind, urgency }),
        1 => Just(Step::NothingDue),
        2 => Just(Step::Outdated),
        8 => Just(Step::Observe),
        1 => Just(Step::ObserveStale),
        3 => Just(Step::MineEmpty),
        3 => Just(Step::MinePool),
        2 => (0_usize..8).prop_map(Step::MineAny),
        1 => Just(Step::MineForeign),
        2 => (1..=MAX_REORG, any::<bool>())
            .prop_map(|(depth, forget)| Step::Reorg { depth, forget }),
        1 => Just(Step::DropPool),
        2 => Just(Step::Restart),
        2 => (0_u8..5, any::<bool>())
            .prop_map(|(answer, swallowed)| Step::Answers { answer, swallowed }),
        1 => any::<bool>().prop_map(Step::Slow),
        1 => Just(Step::Release),
        1 => any::<bool>().prop_map(Step::ReceiptsLag),
        1 => any::<bool>().prop_map(Step::ReceiptsStale),
        1 => any::<(bool, bool)>()
            .prop_map(|(on, stale)| Step::ReceiptsElsewhere { on, stale }),
        1 => prop_oneof![3 => Just(false), 1 => Just(true)].prop_map(Step::Unavailable),
        1 => any::<bool>().prop_map(Step::Reverting),
        1 => (1_u128..80).prop_map(|gwei| Step::BaseFee(gwei * super::sim::GWEI)),
        4 => hands().prop_map(Step::Hand),
    ];
    proptest::collection::vec(step, 1..60)
}

fn urgencies() -> impl Strategy<Value = Urgency> {
    prop_oneof![Just(Urgency::Routine), Just(Urgency::Prompt), Just(Urgency::Emergency)]
}

/// Two actions, four states, and contracts that let each take effect once, or each of its
/// candidates, or any number of times.
fn wanted(key: u64, kind: u8, urgency: Urgency) -> Action {
    let action = Action {
        urgency,
        ..if urgency == Urgency::Emergency { ripcord(key) } else { action(key) }
    };
    let first = match kind {
        0 => FRAGILE[0],
        1 => FAILS_WHEN_MINED[0],
        2 => FLAKY,
        _ => 1,
    };
    let guard = match key {
        0 => ONCE,
        1 => ONCE_EACH,
        _ => 0,
    };
    let mut data = vec![first, guard];
    data.extend_from_slice(action.name.as_bytes());
    data.extend_from_slice(action.answers.as_str().as_bytes());
    Action { candidates: NonEmpty::one(call("only", data.into())), ..action }
}

async fn take(bench: &mut Bench, mood: &Arc<AtomicU8>, step: &Step) {
    match step {
        Step::Pursue { key, kind, urgency } => pursue(bench, wanted(*key, *kind, *urgency)).await,
        Step::NothingDue => bench.nothing_due(),
        Step::Outdated => bench.outdated(Decision::Act(action(0))),
        Step::Observe => {
            let head = bench.sim.head();
            let upkeep = bench.upkeep;
            drop(bench.lane.observe(&head, Some(&NoOpinion), &upkeep).await);
        }
        Step::ObserveStale => {
            let head = bench.sim.head();
            bench.sim.mine_empty();
            let upkeep = bench.upkeep;
            drop(bench.lane.observe(&head, Some(&NoOpinion), &upkeep).await);
        }
        Step::MineEmpty => drop(bench.sim.mine_empty()),
        Step::MinePool => drop(bench.sim.mine_pool()),
        Step::MineAny(index) => {
            let fits = bench.sim.attempts_at_next_nonce();
            if let Some(hash) = fits.get(index % fits.len().max(1)) {
                bench.sim.mine(*hash);
            }
        }
        Step::MineForeign => drop(bench.sim.mine_foreign()),
        Step::Reorg { depth, forget } => drop(bench.sim.reorg(*depth, *forget)),
        Step::DropPool => bench.sim.drop_pool(),
        Step::Restart => {
            // A chain that cannot be reached keeps a process from starting, not from living.
            let unavailable = std::mem::take(&mut bench.sim.world().faults.unavailable);
            bench.change_wallet(moody(mood)).await;
            bench.sim.world().faults.unavailable = unavailable;
        }
        Step::Answers { answer, swallowed } => {
            let mut world = bench.sim.world();
            world.faults.swallowed = *swallowed;
            world.faults.answer = match answer {
                0 => Some(SendAnswer::Ambiguous("time-out".into())),
                1 => Some(SendAnswer::Underpriced),
                2 => Some(SendAnswer::NonceTooLow),
                _ => None,
            };
        }
        Step::Slow(on) => bench.sim.world().faults.slow_beside_taken = *on,
        Step::Release => {
            bench.sim.released.notify_waiters();
            tokio::task::yield_now().await;
        }
        Step::ReceiptsLag(on) => bench.sim.world().faults.receipts_lag = *on,
        Step::ReceiptsStale(on) => bench.sim.world().faults.receipts_stale = *on,
        Step::ReceiptsElsewhere { on, stale } => {
            let mut world = bench.sim.world();
            (world.faults.receipts_elsewhere, world.faults.elsewhere_stale) = (*on, *stale);
        }
        Step::Unavailable(on) => bench.sim.world().faults.unavailable = *on,
        Step::Reverting(on) => bench.sim.world().faults.reverting = *on,
        Step::BaseFee(wei) => bench.sim.world().base_fee = *wei,
        Step::Hand(hand) => hands::take(bench, mood, hand).await,
    }
}

/// What must be true of the moment at which something new is signed.
async fn pursue(bench: &mut Bench, action: Action) {
    let before = slots(bench).await;
    let identity = (action.name.to_owned(), action.answers.as_str().to_owned());
    let guarded = action.candidates.first.data.get(1) != Some(&0);
    bench.assess(Decision::Act(action.clone()), Vec::new());
    let head = bench.sim.head();
    let pursued = bench.lane.pursue(permit(action), &head, &NoOpinion).await;
    let Ok(Pursuit::Sent { nonce, in_place_of, .. }) = pursued else { return };
    if in_place_of.is_some() {
        assert!(before[&nonce].outcome.is_none(), "nonce {nonce} is final");
        assert!(before[&nonce].included.is_none(), "nonce {nonce} is included");
        assert!(nonce >= bench.sim.nonce(), "nonce {nonce} is used");
    } else {
        assert_eq!(nonce, bench.sim.nonce(), "signed while an earlier nonce is not included");
        assert!(!before.contains_key(&nonce), "nonce {nonce} was journalled before");
    }
    for (earlier, slot) in before.into_iter().filter(|(earlier, _)| *earlier != nonce) {
        assert!(earlier < nonce || in_place_of.is_some(), "{earlier} is above {nonce}");
        if !slot.identities.values().any(|of| *of == identity) {
            continue;
        }
        let took_effect = slot.succeeded
            && slot.included.as_ref().and_then(|hash| slot.identities.get(hash)) == Some(&identity);
        assert!(!took_effect, "{identity:?} took effect at {earlier}, and again at {nonce}");
        let came_to_nothing = slot.outcome.is_some() || (guarded && slot.included.is_some());
        assert!(came_to_nothing, "{identity:?} at {earlier} and again at {nonce}: {slot:?}");
    }
}

/// Action and answers.
type Identity = (String, String);

#[derive(Debug)]
struct Row {
    outcome: Option<String>,
    included: Option<String>,
    succeeded: bool,
    /// What each attempt that is no cancellation is for, by its hash.
    identities: BTreeMap<String, Identity>,
    attempts: Vec<B256>,
}

async fn slots(bench: &Bench) -> BTreeMap<u64, Row> {
    let sql = "SELECT s.nonce, s.outcome, s.included_hash, s.succeeded, i.action, i.answers,
            a.hash, a.kind FROM slots s
        JOIN attempts a ON a.nonce = s.nonce
        JOIN intents i ON i.nonce = s.nonce AND i.number = a.intent";
    let mut slots = BTreeMap::new();
    for row in bench.store.rows(Statement::new(sql)).await.unwrap() {
        let nonce = u64::try_from(row.get::<i64, _>("nonce")).unwrap();
        let slot = slots.entry(nonce).or_insert_with(|| Row {
            outcome: row.get("outcome"),
            included: row.get("included_hash"),
            succeeded: row.get::<Option<i64>, _>("succeeded") == Some(1),
            identities: BTreeMap::new(),
            attempts: Vec::new(),
        });
        let hash: String = row.get("hash");
        if row.get::<String, _>("kind") != "cancellation" {
            slot.identities.insert(hash.clone(), (row.get("action"), row.get("answers")));
        }
        slot.attempts.push(hash.parse().unwrap());
    }
    slots
}

/// What must be true of the chain at any time.
fn check_chain(bench: &Bench) {
    for (what, times) in bench.sim.effects() {
        // A cancellation and the last pursuit have no identity in their calldata.
        assert!(times == 1 || what.is_empty(), "{what} took effect {times} times");
    }
}

/// What must be true of the journal whenever the lane has done something.
async fn check(bench: &Bench) {
    let slots = slots(bench).await;
    let canonical = bench.sim.canonical();
    let settled = bench.sim.head().number - (CONFIRMATIONS - 1);
    let settled_nonce = bench.sim.nonce_after(settled);
    let watched: Vec<u64> = bench.lane.snapshot().slots.iter().map(|slot| slot.nonce).collect();
    for (nonce, slot) in &slots {
        let Some(outcome) = slot.outcome.as_deref() else {
            assert!(watched.contains(nonce), "nonce {nonce} is live and not watched");
            continue;
        };
        assert!(*nonce < settled_nonce, "nonce {nonce} is {outcome} before it is settled");
        let ours = slot.attempts.iter().find(|hash| canonical.contains_key(*hash));
        match outcome {
            "superseded" => assert_eq!(ours, None, "{ours:?} is ours and was given for lost"),
            _ => assert_eq!(
                ours.map(B256::to_string),
                slot.included,
                "nonce {nonce} is {outcome} by another attempt"
            ),
        }
    }
    for hash in bench.sim.sent() {
        let known = slots.values().any(|slot| slot.attempts.contains(&hash));
        assert!(known, "{hash} was sent and is not in the journal");
    }
}

/// What somebody has stopped sends nothing but what somebody ordered.
async fn check_stop(bench: &Bench, step: &Step, sent_before: usize) {
    if bench.stopped.load(Ordering::Relaxed) && !matches!(step, Step::Hand(Hand::Order(_))) {
        let ordered = "SELECT hash FROM attempts WHERE by_order = 1";
        let rows = bench.store.rows(Statement::new(ordered)).await.unwrap();
        let ordered: Vec<String> = rows.iter().map(|row| row.get("hash")).collect();
        for hash in bench.sim.sent().iter().skip(sent_before) {
            assert!(ordered.contains(&hash.to_string()), "{hash} was sent while stopped");
        }
    }
}

/// Once the faults end and blocks come, everything ends.
async fn settle(bench: &mut Bench) {
    bench.sim.world().faults = super::sim::Faults::default();
    bench.sim.world().base_fee = super::sim::GWEI;
    for _ in 0..30 {
        bench.sim.mine_pool();
        bench.observe().await;
        check_chain(bench);
        if bench.lane.unfinished() == 0 {
            break;
        }
    }
    check(bench).await;
    assert_eq!(bench.lane.unfinished(), 0, "{:?}", bench.lane.snapshot());
    let free = bench.pursue(action(77)).await;
    assert!(matches!(free, Pursuit::Sent { .. }), "the lane is stuck: {free:?}");
}

/// Cases of each of the tests below, which run beside each other; `PROPTEST_CASES` asks for more.
fn cases() -> u32 {
    ProptestConfig::default().cases.max(512)
}

/// Plays random steps on one store, which is emptied for each case: making one costs as much as a
/// play.
fn play_random_steps() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = runtime.block_on(Store::in_memory()).unwrap();
    let config = ProptestConfig { cases: cases(), failure_persistence: None, ..Default::default() };
    let mut runner = TestRunner::new(config);
    let played = runner.run(&steps(), |steps| {
        runtime.block_on(async {
            empty(&store).await;
            let mut bench =
                Bench::with(store.clone(), Finality::Confirmations(CONFIRMATIONS)).await;
            let mood = Arc::<AtomicU8>::default();
            bench.change_wallet(moody(&mood)).await;
            for step in &steps {
                let sent = bench.sim.sent().len();
                take(&mut bench, &mood, step).await;
                check_chain(&bench);
                if step.is_the_lanes() {
                    check(&bench).await;
                    check_stop(&bench, step, sent).await;
                }
            }
            hands::rest(&mut bench, &mood).await;
            settle(&mut bench).await;
        });
        Ok(())
    });
    if let Err(error) = played {
        panic!("{error}");
    }
}

async fn empty(store: &Store) {
    // What refers to others goes first.
    let deletes = [
        "DROP TRIGGER IF EXISTS no_disk",
        "DELETE FROM events",
        "DELETE FROM answers",
        "DELETE FROM attempts",
        "DELETE FROM intents",
        "DELETE FROM slots",
        "DELETE FROM lanes",
    ];
    store.commit(deletes.map(Statement::new).to_vec()).await.unwrap();
}

#[test]
fn whatever_happens_nothing_is_lost_or_doubled() {
    play_random_steps();
}

#[test]
fn whatever_happens_nothing_is_lost_or_doubled_2() {
    play_random_steps();
}

#[test]
fn whatever_happens_nothing_is_lost_or_doubled_3() {
    play_random_steps();
}

#[test]
fn whatever_happens_nothing_is_lost_or_doubled_4() {
    play_random_steps();
}
