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

pub mod ceiling;
pub mod contracts;
pub mod decide;
pub mod listing;
pub mod observe;
pub mod params;
pub mod policy;
pub mod ratio;
pub mod refusal;
pub mod settle;
pub mod snapshot;
pub mod variant;
pub mod viewer;

use alloy::{primitives::Address, rpc::types::TransactionReceipt, sol_types::SolCall as _};
use ballast_chains::{BlockReader, Revert};
use ballast_strategy_api::{
    ActsOn, Assessment, Listing, Refusal, Settlement, Strategy, StrategyError, account::is_contract,
};

use contracts::ILeverageStrategyExtension as Ext;
pub use params::{Params, Source};
use policy::Policy;
use snapshot::Snapshot;
use variant::Deployment;

/// One leveraged product, as it was when it was connected.
#[derive(Debug)]
pub struct Fli {
    product: Deployment,
    policy: Policy,
    viewer: Option<Address>,
    /// How the extension was found, where its address was not given.
    listing: Option<Listing>,
    caller_is_contract: bool,
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
        let (listing, extension) = match params.source {
            Source::Extension(extension) => (None, extension),
            Source::SetToken(set_token) => {
                let listing = Listing::find(listing::FAMILY, set_token, at).await?;
                let extension = listing.extension();
                (Some(listing), extension)
            }
        };
        let (product, methodology, code) = futures::join!(
            Deployment::recognise(extension, at),
            at.call(extension, Ext::getMethodologyCall {}),
            at.code(at.caller()),
        );
        let (product, policy) = (product?, params.policy());
        let methodology =
            methodology.map_err(StrategyError::reading("the extension's settings"))?;
        let code = code.map_err(StrategyError::reading("the wallet's code"))?;
        policy.check(&product)?;
        if let Err(tight) = policy.check_bounds(&methodology) {
            // Not fatal: bounds concern rebalances, and without a connection there is no ripcord.
            tracing::warn!(%tight, "rebalances are blocked");
        }
        if let Some(viewer) = params.viewer
            && let Some(why) = viewer::doubt(viewer, extension, at).await
        {
            tracing::warn!(%viewer, %extension, why, "the viewer will give no hint");
        }
        tracing::debug!(?product, ?policy, "recognised");
        let caller_is_contract = is_contract(&code);
        Ok(Self { product, policy, viewer: params.viewer, listing, caller_is_contract })
    }

    fn describe(&self) -> String {
        let Deployment { variant, extension, set_token, .. } = self.product;
        format!("leverage strategy for {variant} at {extension}, product {set_token}")
    }

    fn acts_on(&self) -> Option<ActsOn> {
        let found = self.product.extension.to_string();
        let asked = match self.listing.as_ref().and_then(Listing::looked_up_from) {
            Some(set_token) => format!("set_token {set_token}"),
            None => format!("extension {found}"),
        };
        Some(ActsOn { asked, found })
    }

    async fn assess(&self, at: &BlockReader) -> Result<Assessment, StrategyError> {
        let changed = async {
            match &self.listing {
                Some(listing) => {
                    Ok(listing.changed(at).await?.map(|changed| listing.blocked(changed)))
                }
                None => Ok(None),
            }
        };
        let (changed, snapshot) = futures::join!(changed, Snapshot::read(self, at));
        match changed? {
            // Whatever the extension says, if it still says anything.
            Some(decision) => Ok(Assessment {
                decision,
                observations: snapshot
                    .map(|seen| observe::observations(&self.product, &self.policy, &seen))
                    .unwrap_or_default(),
            }),
            None => decide::decide(&self.product, &self.policy, &snapshot?),
        }
    }

    /// A ripcord needs the ratio to be at its line or above, at execution: `_validateRipcord`
    /// requires it on every exchange, and what comes behind one that sufficed reverts. Of a
    /// rebalance or an iteration only clocks and the open TWAP are asked, which a first one on
    /// another exchange may leave as they are.
    fn checks_need(&self, action: &str) -> bool {
        action == decide::RIPCORD
    }

    fn refusal(&self, action: &str, revert: &Revert) -> Refusal {
        refusal::of_action(action, revert)
    }

    fn action_of(calldata: &[u8]) -> Option<&'static str> {
        let selector = calldata.first_chunk::<4>()?;
        match *selector {
            Ext::rebalanceCall::SELECTOR => Some("rebalance"),
            Ext::iterateRebalanceCall::SELECTOR => Some("iterateRebalance"),
            Ext::ripcordCall::SELECTOR => Some("ripcord"),
            _ => None,
        }
    }

    fn settle(&self, receipt: &TransactionReceipt) -> Settlement {
        settle::settle(self.product.extension, receipt)
    }
}
