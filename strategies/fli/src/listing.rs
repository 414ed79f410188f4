//! Which extension a product's token leads to: token → manager → its extensions.
//!
//! It is looked up when the product is connected, and looked up again at each block: an extension
//! that the manager does not list any more cannot trade, and one that took its place is not what
//! the operator agreed to. Such a change stops the product until a person has looked and agreed to
//! what is there by then, or until it is put back.

use alloy::{primitives::Address, sol_types::SolCall};
use ballast_chains::{BlockReader, ReadError};
use ballast_strategy_api::StrategyError;
use futures::future;

use crate::{
    contracts::{
        IExtensionManager::{getAdaptersCall, getExtensionsCall},
        ISetToken::managerCall,
    },
    variant::served_token,
};

/// Most extensions of one manager that are looked at; real ones have a handful.
pub const MAX_LISTED: usize = 32;

/// The way from a token to its extension, as it was when the product was connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    set_token: Address,
    manager: Address,
    view: View,
    /// All extensions that the manager listed: what is not among them is new.
    known: Vec<Address>,
    extension: Address,
}

/// What a manager calls its extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    Adapters,
    Extensions,
}

/// What is different from when the product was connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// In fixed words.
    pub reason: &'static str,
    /// The addresses, before and after.
    pub detail: String,
}

impl View {
    async fn read(self, manager: Address, at: &BlockReader) -> Result<Vec<Address>, ReadError> {
        match self {
            Self::Adapters => at.call(manager, getAdaptersCall {}).await,
            Self::Extensions => at.call(manager, getExtensionsCall {}).await,
        }
    }
}

impl Listing {
    /// Follows the way from `set_token`; three rounds of reads.
    ///
    /// # Errors
    /// [`StrategyError::Misconfigured`] if it does not lead to exactly one leverage strategy
    /// extension; [`StrategyError::Read`] if the chain did not answer.
    pub async fn find(set_token: Address, at: &BlockReader) -> Result<Self, StrategyError> {
        let manager = at.call(set_token, managerCall {}).await.map_err(|error| match error {
            ReadError::Reverted(_) | ReadError::Malformed { .. } => misconfigured(format!(
                "set_token {set_token} is no Set token: {}: {error}",
                managerCall::SIGNATURE
            )),
            ReadError::Unavailable(_) => StrategyError::reading("the token's manager")(error),
        })?;
        let (adapters, extensions) =
            futures::join!(View::Adapters.read(manager, at), View::Extensions.read(manager, at));
        let (view, known) = match (adapters, extensions) {
            (Ok(listed), _) => (View::Adapters, listed),
            (_, Ok(listed)) => (View::Extensions, listed),
            (Err(error @ ReadError::Unavailable(_)), _)
            | (_, Err(error @ ReadError::Unavailable(_))) => {
                return Err(StrategyError::reading("the manager's extensions")(error));
            }
            (Err(_), Err(_)) => {
                return Err(misconfigured(format!(
                    "manager {manager} of set_token {set_token} lists no extensions (a plain \
                     account, or a Safe?): name the extension by extension"
                )));
            }
        };
        if known.len() > MAX_LISTED {
            return Err(misconfigured(format!(
                "manager {manager} lists {} extensions, more than the {MAX_LISTED} that are looked \
                 at: name the extension by extension",
                known.len()
            )));
        }
        let serving = serving(&known, set_token, at).await?;
        let [extension] = *serving else {
            return Err(misconfigured(format!(
                "manager {manager} lists {} leverage strategy extensions of set_token {set_token} \
                 among its {}{}: name the extension by extension",
                serving.len(),
                known.len(),
                serving.iter().map(|one| format!(" {one}")).collect::<String>(),
            )));
        };
        Ok(Self { set_token, manager, view, known, extension })
    }

    /// Where it begins.
    pub fn set_token(&self) -> Address {
        self.set_token
    }

    /// Where it led to.
    pub fn extension(&self) -> Address {
        self.extension
    }

    /// What is different at this block; one round of reads, and a second one only where the manager
    /// lists something new.
    ///
    /// # Errors
    /// [`StrategyError::Read`] if the chain did not answer: what cannot be confirmed is not acted on.
    pub async fn changed(&self, at: &BlockReader) -> Result<Option<Changed>, StrategyError> {
        let Self { set_token, manager, extension, .. } = self;
        let (current, listed) =
            futures::join!(at.call(*set_token, managerCall {}), self.view.read(*manager, at),);
        let current = current.map_err(StrategyError::reading("the token's manager"))?;
        if current != *manager {
            let detail = format!("manager of {set_token} was {manager} and is {current}");
            return Ok(Some(Changed { reason: "set_token has another manager", detail }));
        }
        let listed = listed.map_err(StrategyError::reading("the manager's extensions"))?;
        if !listed.contains(extension) {
            let now = listed.iter().map(|one| format!(" {one}")).collect::<String>();
            let detail = format!("manager {manager} listed {extension} and now lists:{now}");
            return Ok(Some(Changed { reason: "manager does not list the extension", detail }));
        }
        let new: Vec<Address> =
            listed.into_iter().filter(|one| !self.known.contains(one)).collect();
        let rivals = serving(new.get(..MAX_LISTED).unwrap_or(&new), *set_token, at).await?;
        Ok(rivals.first().map(|rival| Changed {
            reason: "manager lists a second leverage strategy extension",
            detail: format!("manager {manager} listed {extension} and now lists {rival} too"),
        }))
    }
}

/// Those of `extensions` that are leverage strategy extensions of `set_token`.
async fn serving(
    extensions: &[Address],
    set_token: Address,
    at: &BlockReader,
) -> Result<Vec<Address>, StrategyError> {
    let served = extensions.iter().map(|extension| served_token(*extension, at));
    let served = future::try_join_all(served).await?;
    let ours = extensions.iter().zip(served).filter(|(_, token)| *token == Some(set_token));
    Ok(ours.map(|(extension, _)| *extension).collect())
}

fn misconfigured(message: String) -> StrategyError {
    StrategyError::Misconfigured(message)
}

#[cfg(test)]
mod tests;
