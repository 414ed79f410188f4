//! A wallet that no strategy acts with: a deployer's, an operator's. It is watched, so that what it
//! spends is in the books.

use alloy::rpc::types::TransactionReceipt;
use ballast_chains::{BlockReader, Revert};
use ballast_strategy_api::{
    Assessment, Decision, Refusal, Settlement, Strategy, StrategyError, decision::Timestamp,
};
use serde::Deserialize;

/// The kind of product that nothing is done for: `strategy = "none"`.
#[derive(Debug)]
pub struct External;

/// `[params]`: there are none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoParams {}

impl Strategy for External {
    const KIND: &'static str = "none";
    type Params = NoParams;

    async fn connect(NoParams {}: NoParams, _: &BlockReader) -> Result<Self, StrategyError> {
        std::future::ready(Ok(Self)).await
    }

    fn describe(&self) -> String {
        "a wallet that is watched for the books".to_owned()
    }

    async fn assess(&self, _: &BlockReader) -> Result<Assessment, StrategyError> {
        let until = Some(Timestamp::MAX);
        let decision = Decision::Wait { reason: "no strategy acts with this wallet", until };
        std::future::ready(Ok(Assessment { decision, observations: Vec::new() })).await
    }

    fn refusal(&self, _: &str, _: &Revert) -> Refusal {
        Refusal::NotDue
    }

    fn settle(&self, _: &TransactionReceipt) -> Settlement {
        Settlement::default()
    }
}
