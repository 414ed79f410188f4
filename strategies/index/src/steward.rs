//! Who starts a rebalance: token → manager → extension → the operator whose word it takes.

use alloy::primitives::Address;
use ballast_chains::{BlockReader, ReadError};
use ballast_strategy_api::{StrategyError, listing::MAX_LISTED};
use futures::future;

use crate::contracts::{
    IExtension::generalIndexModuleCall,
    IManager::{getAdaptersCall, getExtensionsCall, operatorCall},
    ISetToken::managerCall,
};

/// What leads from an index's token to those who sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Steward {
    /// The token's manager.
    pub manager: Address,
    /// The extensions in front of the module that the manager lists.
    pub extensions: Vec<Address>,
    /// Who operates the manager: a multisig, as a rule. `None` if the manager does not say.
    pub operator: Option<Address>,
}

impl Steward {
    /// Follows the way from the token.
    ///
    /// # Errors
    /// [`StrategyError::Misconfigured`] for a manager that lists more than anybody looks at;
    /// [`StrategyError::Read`] if the chain did not answer.
    pub async fn find(
        set_token: Address,
        module: Address,
        at: &BlockReader,
    ) -> Result<Self, StrategyError> {
        let manager = at.call(set_token, managerCall {}).await;
        let manager = manager.map_err(StrategyError::reading("the index's manager"))?;
        let (adapters, extensions, operator) = futures::join!(
            at.call(manager, getAdaptersCall {}),
            at.call(manager, getExtensionsCall {}),
            at.call(manager, operatorCall {}),
        );
        // `BaseManager` has the one view, later managers the other, a plain account neither.
        let listed = answered(adapters)?.or(answered(extensions)?).unwrap_or_default();
        if listed.len() > MAX_LISTED {
            let why = format!("{manager} lists more than {MAX_LISTED} extensions");
            return Err(StrategyError::Misconfigured(why));
        }
        let fronts = listed.iter().map(|one| at.call(*one, generalIndexModuleCall {}));
        let fronts = future::join_all(fronts).await;
        let mut extensions = Vec::new();
        for (one, front) in listed.into_iter().zip(fronts) {
            if answered(front)? == Some(module) {
                extensions.push(one);
            }
        }
        Ok(Self { manager, extensions, operator: answered(operator)? })
    }
}

/// A contract without the function answers nothing; silence is the endpoints'.
fn answered<T>(answer: Result<T, ReadError>) -> Result<Option<T>, StrategyError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(ReadError::Reverted(_) | ReadError::Malformed { .. }) => Ok(None),
        Err(silent @ ReadError::Unavailable(_)) => {
            Err(StrategyError::reading("the index's manager")(silent))
        }
    }
}
