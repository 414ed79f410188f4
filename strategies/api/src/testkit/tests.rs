//! Strategies that keep the contract, and one that breaks each clause.

use std::sync::atomic::{AtomicU64, Ordering};

use alloy::{
    primitives::{Address, U256, address},
    rpc::types::TransactionReceipt,
    sol,
};
use ballast_chains::{BlockReader, ReadError, Revert, driver::Outcome};

use super::{ScriptedBlock, violations};
use crate::{
    Action, Assessment, Call, Decision, Exposure, NonEmpty, Observation, Refusal, RepeatLimit,
    Settlement, StateKey, Strategy, StrategyError, Unit, Urgency,
};

sol! {
    interface ICounter {
        function count() external view returns (uint256 count);
        function of(uint256 index) external view returns (uint256 count);
    }
}

const COUNTER: Address = address!("00000000000000000000000000000000000000c1");
const STRANGER: Address = address!("00000000000000000000000000000000000000c2");

/// What a [`Rogue`] does wrong.
#[derive(Debug, Clone, Copy, PartialEq, serde::Deserialize)]
enum Vice {
    None,
    Remembers,
    Forgets,
    Spins,
    Hangs,
    Panics,
    ReadsThrice,
    Mute,
    PastUntil,
    Duplicates,
    Shouts,
    BadAction,
    HidesFaults,
    Fails,
}

#[derive(Debug)]
struct Rogue {
    vice: Vice,
    memory: AtomicU64,
}

/// Differs between instances, as a start time would.
static INSTANCES: AtomicU64 = AtomicU64::new(0);

impl Strategy for Rogue {
    const KIND: &'static str = "rogue";

    type Params = Vice;

    async fn connect(vice: Vice, at: &BlockReader) -> Result<Self, StrategyError> {
        let code = at.code(COUNTER).await.map_err(StrategyError::reading("the code"))?;
        assert!(!code.is_empty(), "a scripted contract has code");
        let start =
            if vice == Vice::Forgets { INSTANCES.fetch_add(1, Ordering::Relaxed) } else { 0 };
        Ok(Self { vice, memory: AtomicU64::new(start) })
    }

    async fn assess(&self, at: &BlockReader) -> Result<Assessment, StrategyError> {
        let count = at
            .call(COUNTER, ICounter::countCall {})
            .await
            .map_err(StrategyError::reading("the count"))?;
        let mut decision = Decision::Wait { reason: "nothing to count", until: None };
        let mut observations = vec![Observation::new("count", count.to(), Unit::Count)];
        match self.vice {
            Vice::None | Vice::HidesFaults => {}
            Vice::Remembers => {
                let seen = self.memory.fetch_add(1, Ordering::Relaxed);
                observations[0].of = seen.to_string();
            }
            Vice::Forgets => observations[0].of = self.memory.load(Ordering::Relaxed).to_string(),
            Vice::Spins => loop {
                tokio::task::yield_now().await;
            },
            Vice::Hangs => std::future::pending().await,
            Vice::Panics => panic!("lost count"),
            Vice::ReadsThrice => {
                for index in 0..2_u64 {
                    let call = ICounter::ofCall { index: U256::from(index) };
                    at.call(COUNTER, call).await.map_err(StrategyError::reading("one"))?;
                }
            }
            Vice::Mute => decision = Decision::Wait { reason: "", until: None },
            Vice::PastUntil => {
                decision = Decision::Wait { reason: "late", until: Some(at.header().timestamp) };
            }
            Vice::Duplicates => observations.push(observations[0].clone()),
            Vice::Shouts => observations[0].name = "Count!",
            Vice::BadAction => decision = Decision::Act(bad_action()),
            Vice::Fails => return Err(StrategyError::Arithmetic("the count")),
        }
        Ok(Assessment { decision, observations })
    }

    fn refusal(&self, _: &str, _: &Revert) -> Refusal {
        if self.vice == Vice::HidesFaults {
            return Refusal::SomeoneWasFirst;
        }
        Refusal::Blocked { reason: "refused" }
    }

    fn settle(&self, _: &TransactionReceipt) -> Settlement {
        Settlement::default()
    }
}

fn bad_action() -> Action {
    let call = Call {
        label: String::new(),
        to: Address::ZERO,
        data: vec![1, 2, 3].into(),
        value: U256::ZERO,
    };
    Action {
        name: "",
        candidates: NonEmpty { first: call.clone(), rest: vec![call] },
        urgency: Urgency::Routine,
        exposure: Exposure::Keeps,
        answers: StateKey::of(&[]),
        deadline: Some(0),
        repeat_limit: Some(RepeatLimit { times: 0, cooldown: 1 }),
        expects: None,
    }
}

fn block() -> ScriptedBlock {
    let mut block = ScriptedBlock::new(1_700_000_000);
    block.answer(COUNTER, &ICounter::countCall {}, &U256::from(7));
    block.answer_any::<ICounter::ofCall>(COUNTER, &U256::from(1));
    block
}

async fn found(vice: Vice) -> Vec<String> {
    violations::<Rogue>(&block(), || vice).await.unwrap().1
}

#[tokio::test]
async fn a_strategy_that_keeps_the_contract_passes() {
    assert_eq!(found(Vice::None).await, Vec::<String>::new());
}

#[tokio::test]
async fn every_clause_is_looked_at() {
    let check = async |vice: Vice, expected: &[&str]| {
        let found = found(vice).await;
        for words in expected {
            assert!(found.iter().any(|v| v.contains(words)), "{vice:?}: {words} not in {found:#?}");
        }
    };
    check(Vice::Remembers, &["remembers"]).await;
    check(Vice::Forgets, &["forgets"]).await;
    check(Vice::Spins, &["spins"]).await;
    check(Vice::Panics, &["panics: lost count"]).await;
    check(Vice::ReadsThrice, &["takes 3 rounds"]).await;
    check(Vice::Mute, &["waits without a reason"]).await;
    check(Vice::PastUntil, &["a time that is past"]).await;
    check(Vice::Duplicates, &["observes count \"\" twice"]).await;
    check(Vice::Shouts, &["no metric name"]).await;
    check(Vice::HidesFaults, &["for a race"]).await;
    let clauses = [
        "no metric label",
        "acts on no state",
        "deadline of no blocks",
        "may never act",
        "without a label",
        "two candidates of one label",
        "without a selector",
        "calls nobody",
    ];
    check(Vice::BadAction, &clauses).await;
}

#[tokio::test(start_paused = true)]
async fn waiting_for_something_else_than_a_read_is_seen() {
    let found = found(Vice::Hangs).await;
    assert!(found.iter().any(|v| v.contains("waits for something else")), "{found:?}");
}

#[tokio::test]
async fn an_error_is_the_tests_to_judge() {
    let error = violations::<Rogue>(&block(), || Vice::Fails).await.unwrap_err();
    assert_eq!(error.to_string(), "arithmetic failed at the count");
}

async fn read(block: &ScriptedBlock, from: Address, index: u64) -> Result<U256, ReadError> {
    let call = ICounter::ofCall { index: U256::from(index) };
    let (outcome, _) = block.look(move |at| async move { at.call(from, call).await }).await;
    match outcome {
        Outcome::Done(answer) => answer,
        other @ (Outcome::Panicked(_) | Outcome::TimedOut) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_scripted_block_answers_as_the_evm_would() {
    let mut block = block();
    let three = ICounter::ofCall { index: U256::from(3) };
    block.answer(COUNTER, &three, &U256::from(33));
    assert_eq!(read(&block, COUNTER, 3).await, Ok(U256::from(33)), "the exact answer");
    assert_eq!(read(&block, COUNTER, 4).await, Ok(U256::from(1)), "the function's answer");

    block.refuse::<ICounter::ofCall>(COUNTER, "no more");
    let refused = Err(ReadError::Reverted(Revert::Reason("no more".into())));
    assert_eq!(read(&block, COUNTER, 3).await, refused);

    let mut other = ScriptedBlock::new(0);
    other.answer(COUNTER, &ICounter::countCall {}, &U256::ZERO);
    let no_such_function = read(&other, COUNTER, 3).await;
    assert_eq!(no_such_function, Err(ReadError::Reverted(Revert::Empty)));
    let no_contract = read(&other, STRANGER, 3).await;
    assert!(matches!(no_contract, Err(ReadError::Malformed { .. })), "{no_contract:?}");
}

#[tokio::test]
async fn balances_code_and_ancestors_can_be_read() {
    let mut block = block();
    block.balance(STRANGER, U256::from(5));
    let (outcome, _) = block
        .look(|at| async move {
            let earlier = at.ancestor(2).await?;
            let code = at.code(STRANGER).await?;
            Ok::<_, ReadError>((at.balance(STRANGER).await?, code, *earlier.header()))
        })
        .await;
    let Outcome::Done(Ok((wei, code, earlier))) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!((wei, code.is_empty()), (U256::from(5), true));
    assert_eq!((earlier.number, earlier.timestamp), (998, 1_699_999_976));
}
