//! Leveraged index products (FLI): keeps a product's leverage ratio where its methodology wants it.
//!
//! The product's *extension* on the chain knows the rules; this strategy asks it what is due,
//! sorts out what it says but cannot do, and names the call. Reading order: [`snapshot`] (what is
//! read) → [`decide`](mod@decide) (what follows from it) → [`refusal`] and [`settle`](mod@settle)
//! (what came of it).
// Numbers here are money.
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::integer_division
    )
)]
#![deny(clippy::float_arithmetic)]

pub mod contracts;
pub mod decide;
pub mod observe;
pub mod params;
pub mod policy;
pub mod ratio;
pub mod refusal;
pub mod settle;
pub mod snapshot;
pub mod variant;

use alloy::rpc::types::TransactionReceipt;
use ballast_chains::{BlockReader, Revert};
use ballast_strategy_api::{Assessment, Refusal, Settlement, Strategy, StrategyError};

use contracts::ILeverageStrategyExtension as Ext;
pub use params::Params;
use policy::Policy;
use snapshot::Snapshot;
use variant::Deployment;

/// One leveraged product.
#[derive(Debug)]
pub struct Fli {
    product: Deployment,
    policy: Policy,
}

impl Fli {
    /// What was recognised at the extension's address.
    pub fn product(&self) -> &Deployment {
        &self.product
    }
}

impl Strategy for Fli {
    const KIND: &'static str = "fli";

    type Params = Params;

    async fn connect(params: Params, at: &BlockReader) -> Result<Self, StrategyError> {
        let product = Deployment::recognise(params.extension, at).await?;
        let policy = params.policy();
        let methodology = at
            .call(product.extension, Ext::getMethodologyCall {})
            .await
            .map_err(StrategyError::reading("the extension's settings"))?;
        policy.check(&product)?;
        if let Err(tight) = policy.check_bounds(&methodology) {
            // Not fatal: bounds concern rebalances, and without a connection there is no ripcord.
            tracing::warn!(%tight, "rebalances are blocked");
        }
        tracing::debug!(?product, ?policy, "recognised");
        Ok(Self { product, policy })
    }

    fn describe(&self) -> String {
        let Deployment { variant, extension, set_token, .. } = self.product;
        format!("leverage strategy for {variant} at {extension}, product {set_token}")
    }

    async fn assess(&self, at: &BlockReader) -> Result<Assessment, StrategyError> {
        let snapshot = Snapshot::read(&self.product, &self.policy, at).await?;
        decide::decide(&self.product, &self.policy, &snapshot)
    }

    fn refusal(&self, action: &str, revert: &Revert) -> Refusal {
        refusal::of_action(action, revert)
    }

    fn settle(&self, receipt: &TransactionReceipt) -> Settlement {
        settle::settle(self.product.extension, receipt)
    }
}
