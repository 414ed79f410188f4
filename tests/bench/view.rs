//! A strategy with one view a product, built through the library as an outsider would: what the
//! runtime costs when the strategy costs nothing.

use alloy::{
    primitives::{Address, Bytes, U256},
    providers::{MULTICALL3_ADDRESS, bindings::IMulticall3},
    rpc::types::TransactionReceipt,
    sol_types::SolCall as _,
};
use ballast_chains::{BlockReader, Revert};
use ballast_strategy_api::{
    Action, Assessment, Call, Decision, Exposure, NonEmpty, Observation, Refusal, Settlement,
    StateKey, Strategy, StrategyError, Unit, Urgency,
};
use serde::Deserialize;

/// Fewest blocks between two transactions of one product.
const REST: u64 = 4;

/// `[params]`: which of how many products this is, or that it acts at every block.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    index: u64,
    of: u64,
    #[serde(default)]
    always: bool,
}

/// One product: looks at one number each block, and has its turn to act every so many blocks.
#[derive(Debug)]
pub(crate) struct BenchView {
    params: Params,
}

/// Which product, if any, has its turn in a block.
pub(crate) fn turn(block: u64, of: u64) -> Option<u64> {
    Some(block % of.max(REST)).filter(|index| *index < of)
}

/// What a product sends at its turn: a call that never reverts and names the block it answers.
pub(crate) fn call(block: u64) -> Bytes {
    IMulticall3::getBlockHashCall { blockNumber: U256::from(block) }.abi_encode().into()
}

/// What a product reads: the balance of its wallet.
pub(crate) fn view(wallet: Address) -> Bytes {
    IMulticall3::getEthBalanceCall { addr: wallet }.abi_encode().into()
}

impl Strategy for BenchView {
    const KIND: &'static str = "bench-view";
    type Params = Params;

    async fn connect(params: Params, _at: &BlockReader) -> Result<Self, StrategyError> {
        Ok(Self { params })
    }

    async fn assess(&self, at: &BlockReader) -> Result<Assessment, StrategyError> {
        let wallet = at.caller();
        let read = at.call_raw(MULTICALL3_ADDRESS, view(wallet)).await;
        let word = read.map_err(StrategyError::reading("the balance"))?;
        let block = at.header().number;
        let seen = Observation::new("words", alloy::primitives::I256::ONE, Unit::Count);
        let decision = if word.len() != 32 {
            Decision::Blocked { reason: "not a word", detail: String::new() }
        } else if self.params.always || turn(block, self.params.of) == Some(self.params.index) {
            let to = MULTICALL3_ADDRESS;
            let call = Call { label: "view".into(), to, data: call(block), value: U256::ZERO };
            Decision::Act(Action {
                name: "touch",
                candidates: NonEmpty::one(call),
                urgency: Urgency::Prompt,
                exposure: Exposure::Keeps,
                answers: StateKey::of(&[("block", &block)]),
                deadline: None,
                repeat_limit: None,
                expects: None,
            })
        } else {
            Decision::Wait { reason: "not its turn", until: None }
        };
        Ok(Assessment { decision, observations: vec![seen] })
    }

    fn refusal(&self, _action: &str, _revert: &Revert) -> Refusal {
        Refusal::NotDue
    }

    fn settle(&self, _receipt: &TransactionReceipt) -> Settlement {
        Settlement::default()
    }
}
