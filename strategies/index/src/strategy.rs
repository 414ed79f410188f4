//! The strategy: what the runtime calls.

use alloy::{primitives::Address, rpc::types::TransactionReceipt};
use ballast_chains::{BlockReader, Revert};
use ballast_strategy_api::{
    ActsOn, Assessment, Decision, Doubt, Refusal, Settlement, Strategy, StrategyError,
    account::is_contract,
};

use crate::{
    audit,
    contracts::{
        IGeneralIndexModule::getRebalanceComponentsCall, ISetToken::isInitializedModuleCall,
    },
    params::{Params, Policy},
    schedule::Schedule,
};

/// One index, as it was when it was connected.
#[derive(Debug)]
pub struct CompositeIndex {
    pub(crate) set_token: Address,
    pub(crate) module: Address,
    pub(crate) v3_quoter: Option<Address>,
    pub(crate) policy: Policy,
    pub(crate) schedule: Schedule,
    pub(crate) caller_is_contract: bool,
}

impl Strategy for CompositeIndex {
    const KIND: &'static str = "index";

    type Params = Params;

    async fn connect(params: Params, at: &BlockReader) -> Result<Self, StrategyError> {
        let (set_token, module) = (params.set_token, params.module);
        let (serves, code) = futures::join!(
            at.call(set_token, isInitializedModuleCall { module }),
            at.code(at.caller()),
        );
        let serves = serves.map_err(StrategyError::reading("the index's modules"))?;
        let code = code.map_err(StrategyError::reading("the wallet's code"))?;
        if !serves {
            let why = format!("{module} is no module of the index {set_token}");
            return Err(StrategyError::Misconfigured(why));
        }
        Ok(Self {
            set_token,
            module,
            v3_quoter: params.v3_quoter,
            policy: params.policy().clone(),
            schedule: params.schedule,
            caller_is_contract: is_contract(&code),
        })
    }

    fn describe(&self) -> String {
        format!("index {} traded on the module {}", self.set_token, self.module)
    }

    fn acts_on(&self) -> Option<ActsOn> {
        None
    }

    async fn assess(&self, at: &BlockReader) -> Result<Assessment, StrategyError> {
        let components = getRebalanceComponentsCall { setToken: self.set_token };
        let components = at.call(self.module, components).await;
        let components = components.map_err(StrategyError::reading("the module"))?;
        let reason =
            if components.is_empty() { "no rebalance was started" } else { "nothing to trade" };
        Ok(Assessment {
            decision: Decision::Wait { reason, until: None },
            observations: Vec::new(),
        })
    }

    async fn audit(&self, at: &BlockReader) -> Vec<Doubt> {
        audit::audit(self, at).await
    }

    fn refusal(&self, _action: &str, _revert: &Revert) -> Refusal {
        Refusal::Blocked { reason: "the module refuses" }
    }

    fn settle(&self, _receipt: &TransactionReceipt) -> Settlement {
        Settlement::default()
    }
}
