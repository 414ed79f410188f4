//! A contract without any guard: each execution counts one, due or not. Where a leveraged product
//! would refuse a second call, this one shows it.

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    rpc::types::TransactionReceipt,
};
use ballast_chains::{BlockReader, ReadError, Revert};
use ballast_strategy_api::{
    Action, Assessment, Call, Decision, Direction, Exposure, NonEmpty, Observation, Postcondition,
    Refusal, Settlement, StateKey, Strategy, StrategyError, Unit, Urgency,
};
use serde::Deserialize;

/// The word that says how often it was executed, and the one that says how often it should be. The
/// contract answers 32 bytes of calldata with the storage at that key; anything else counts.
const COUNT: U256 = U256::ZERO;
const DUE: U256 = U256::ONE;

/// `[params]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    counter: Address,
}

/// One counter.
#[derive(Debug)]
pub(crate) struct Counter {
    counter: Address,
}

impl Counter {
    async fn word(&self, at: &BlockReader, key: U256) -> Result<U256, ReadError> {
        let word = at.call_raw(self.counter, view(key)).await?;
        Ok(U256::try_from_be_slice(&word).unwrap_or_default())
    }
}

fn view(key: U256) -> Bytes {
    B256::from(key).into()
}

impl Strategy for Counter {
    const KIND: &'static str = "counter";
    type Params = Params;

    async fn connect(params: Params, at: &BlockReader) -> Result<Self, StrategyError> {
        let code = at.code(params.counter).await.map_err(StrategyError::reading("the code"))?;
        if code.is_empty() {
            return Err(StrategyError::Misconfigured(format!("no contract at {}", params.counter)));
        }
        Ok(Self { counter: params.counter })
    }

    async fn assess(&self, at: &BlockReader) -> Result<Assessment, StrategyError> {
        let (count, due) = futures::try_join!(self.word(at, COUNT), self.word(at, DUE))
            .map_err(StrategyError::reading("the counter"))?;
        let seen = alloy::primitives::I256::try_from(count);
        let seen = seen.map_err(|_| StrategyError::Arithmetic("the count"))?;
        let observations = vec![Observation::new("count", seen, Unit::Count)];
        if count >= due {
            let decision = Decision::Wait { reason: "counted enough", until: None };
            return Ok(Assessment { decision, observations });
        }
        let data = Bytes::from_static(b"count");
        let call = Call { label: "count".into(), to: self.counter, data, value: U256::ZERO };
        let decision = Decision::Act(Action {
            name: "count",
            candidates: NonEmpty::one(call),
            urgency: Urgency::Prompt,
            exposure: Exposure::Keeps,
            answers: StateKey::of(&[("count", &count)]),
            deadline: None,
            repeat_limit: None,
            expects: Some(Postcondition {
                what: "count".to_owned(),
                target: self.counter,
                view: view(COUNT),
                signed: false,
                direction: Direction::Up,
                at_least: U256::ONE,
            }),
        });
        Ok(Assessment { decision, observations })
    }

    fn refusal(&self, _action: &str, _revert: &Revert) -> Refusal {
        Refusal::NotDue
    }

    fn settle(&self, _receipt: &TransactionReceipt) -> Settlement {
        Settlement::default()
    }
}
