//! Delta-neutral basis trading products: spot on one side, a short on Perp V2 on the other.
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

pub mod audit;
pub mod books;
pub mod contracts;
pub mod decide;
pub mod deployment;
pub mod observe;
pub mod params;
pub mod policy;
pub mod ratio;
pub mod refusal;
pub mod settle;
pub mod snapshot;
pub mod venues;
pub mod winding;

use alloy::rpc::types::TransactionReceipt;
use ballast_chains::{BlockReader, Revert};
use ballast_strategy_api::{
    ActsOn, Assessment, Doubt, Listing, Refusal, Settlement, Source, Strategy, StrategyError,
    account::is_contract,
};

use contracts::IBasisExtension as Ext;
use deployment::{Deployment, FAMILY};
pub use params::Params;
use policy::Policy;
use snapshot::Snapshot;

/// One basis trading product, as it was when it was connected.
#[derive(Debug)]
pub struct Basis {
    product: Deployment,
    policy: Policy,
    /// The way from the token to the extension; `None` if its manager lists nothing.
    listing: Option<Listing>,
    caller_is_contract: bool,
}

impl Basis {
    /// What was recognised at the extension's address.
    pub fn product(&self) -> &Deployment {
        &self.product
    }
}

impl Strategy for Basis {
    const KIND: &'static str = "basis";

    type Params = Params;

    async fn connect(params: Params, at: &BlockReader) -> Result<Self, StrategyError> {
        let (found, extension) = match params.source {
            Source::Extension(extension) => (None, extension),
            Source::SetToken(set_token) => {
                let listing = Listing::find(FAMILY, set_token, at).await?;
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
        if let Err(tight) = policy.check_bounds(&methodology) {
            // Not fatal: bounds concern rebalances, and without a connection there is no ripcord.
            tracing::warn!(%tight, "rebalances are blocked");
        }
        let listing = match found {
            Some(listing) => Some(listing),
            None => {
                let (set, manager) = (product.settings.setToken, product.manager);
                Listing::of(FAMILY, extension, set, manager, at).await?
            }
        };
        if listing.is_none() {
            let manager = product.manager;
            tracing::warn!(%manager, "lists nothing: nobody can tell whether the extension is retired");
        }
        tracing::debug!(?product, ?policy, "recognised");
        let caller_is_contract = is_contract(&code);
        Ok(Self { product, policy, listing, caller_is_contract })
    }

    fn describe(&self) -> String {
        let Deployment { extension, settings, .. } = &self.product;
        format!("basis trading strategy on Perp V2 at {extension}, product {}", settings.setToken)
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

    async fn audit(&self, at: &BlockReader) -> Vec<Doubt> {
        audit::audit(self, at).await
    }

    fn refusal(&self, action: &str, revert: &Revert) -> Refusal {
        refusal::of_action(action, revert)
    }

    fn settle(&self, receipt: &TransactionReceipt) -> Settlement {
        settle::settle(&self.product, receipt)
    }
}
