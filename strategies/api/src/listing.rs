//! Which extension a product's token leads to: token → manager → its extensions.
//!
//! It is looked up when the product is connected, and looked up again at each block: an extension
//! that the manager does not list any more cannot trade, and one that took its place is not what
//! the operator agreed to. Such a change stops the product until a person has looked and agreed to
//! what is there by then, or until it is put back.

use alloy::{primitives::Address, sol, sol_types::SolCall};
use ballast_chains::{BlockReader, ReadError};
use futures::future::{self, BoxFuture};

use self::{
    IExtensionManager::{getAdaptersCall, getExtensionsCall},
    ISetToken::managerCall,
};
use crate::{Decision, StrategyError, decision::MOVED};

sol! {
    /// A product's token.
    #[derive(Debug)]
    interface ISetToken {
        function manager() external view returns (address manager);
    }

    /// The managers that host extensions: `BaseManager` calls them adapters, `BaseManagerV2` and
    /// later ones extensions.
    #[derive(Debug)]
    interface IExtensionManager {
        function getAdapters() external view returns (address[] listed);
        function getExtensions() external view returns (address[] listed);
    }
}

/// Most extensions of one manager that are looked at; real ones have a handful.
pub const MAX_LISTED: usize = 32;

/// Where a product's extension is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// At this address.
    Extension(Address),
    /// Among the extensions of this token's manager, looked up again at each block.
    SetToken(Address),
}

/// The extensions that a strategy can drive, among all that a manager may list.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// What one is called: `leverage strategy extension`.
    pub noun: &'static str,
    /// The reason when a second one of the product is listed, in fixed words.
    pub second: &'static str,
    /// Which token an extension serves; `None` if it answers as none of the family.
    pub serves: Serves,
}

/// See [`Family::serves`].
pub type Serves =
    for<'a> fn(Address, &'a BlockReader) -> BoxFuture<'a, Result<Option<Address>, StrategyError>>;

/// The way from a token to its extension, as it was when the product was connected.
#[derive(Debug, Clone)]
pub struct Listing {
    family: Family,
    set_token: Address,
    manager: Address,
    view: View,
    /// All extensions that the manager listed: what is not among them is new. `None` where the
    /// extension was named: then others are nobody's business.
    known: Option<Vec<Address>>,
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
    /// [`StrategyError::Misconfigured`] if it does not lead to exactly one extension of the family;
    /// [`StrategyError::Read`] if the chain did not answer.
    pub async fn find(
        family: Family,
        set_token: Address,
        at: &BlockReader,
    ) -> Result<Self, StrategyError> {
        let manager = manager(set_token, at).await?;
        let Some((view, known)) = listed(manager, at).await? else {
            return Err(misconfigured(format!(
                "manager {manager} of set_token {set_token} lists no extensions (a plain \
                 account, or a Safe?): name the extension by extension"
            )));
        };
        if known.len() > MAX_LISTED {
            return Err(misconfigured(format!(
                "manager {manager} lists {} extensions, more than the {MAX_LISTED} that are looked \
                 at: name the extension by extension",
                known.len()
            )));
        }
        let serving = serving(family, &known, set_token, at).await?;
        let [extension] = *serving else {
            return Err(misconfigured(format!(
                "manager {manager} lists {} {}s of set_token {set_token} \
                 among its {}{}: name the extension by extension",
                serving.len(),
                family.noun,
                known.len(),
                serving.iter().map(|one| format!(" {one}")).collect::<String>(),
            )));
        };
        Ok(Self { family, set_token, manager, view, known: Some(known), extension })
    }

    /// The way to an extension that an operator named, by its own token and manager; one round of
    /// reads. `None` if the manager lists nothing, so that nobody can tell whether the extension is
    /// still its own.
    ///
    /// # Errors
    /// [`StrategyError::Read`] if the chain did not answer.
    pub async fn of(
        family: Family,
        extension: Address,
        set_token: Address,
        manager: Address,
        at: &BlockReader,
    ) -> Result<Option<Self>, StrategyError> {
        let listed = listed(manager, at).await?;
        Ok(listed.map(|(view, _)| Self {
            family,
            set_token,
            manager,
            view,
            known: None,
            extension,
        }))
    }

    /// Where it led to.
    pub fn extension(&self) -> Address {
        self.extension
    }

    /// The token that it was looked up from; `None` where the extension was named.
    pub fn looked_up_from(&self) -> Option<Address> {
        self.known.as_ref().map(|_| self.set_token)
    }

    /// What a change means: an extension that was looked up leads elsewhere, one that was named is
    /// not its manager's any more, which no new look changes.
    pub fn blocked(&self, changed: Changed) -> Decision {
        let Changed { reason, detail } = changed;
        match self.known {
            Some(_) => Decision::Blocked { reason: MOVED, detail: format!("{reason}: {detail}") },
            None => Decision::Blocked { reason, detail },
        }
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
        let Some(known) = &self.known else { return Ok(None) };
        let new: Vec<Address> = listed.into_iter().filter(|one| !known.contains(one)).collect();
        let new = new.get(..MAX_LISTED).unwrap_or(&new);
        let rivals = serving(self.family, new, *set_token, at).await?;
        Ok(rivals.first().map(|rival| Changed {
            reason: self.family.second,
            detail: format!("manager {manager} listed {extension} and now lists {rival} too"),
        }))
    }
}

async fn manager(set_token: Address, at: &BlockReader) -> Result<Address, StrategyError> {
    at.call(set_token, managerCall {}).await.map_err(|error| match error {
        ReadError::Reverted(_) | ReadError::Malformed { .. } => misconfigured(format!(
            "set_token {set_token} is no Set token: {}: {error}",
            managerCall::SIGNATURE
        )),
        ReadError::Unavailable(_) => StrategyError::reading("the token's manager")(error),
    })
}

/// What a manager lists and under which name; `None` if it answers to neither.
async fn listed(
    manager: Address,
    at: &BlockReader,
) -> Result<Option<(View, Vec<Address>)>, StrategyError> {
    let (adapters, extensions) =
        futures::join!(View::Adapters.read(manager, at), View::Extensions.read(manager, at));
    match (adapters, extensions) {
        (Ok(listed), _) => Ok(Some((View::Adapters, listed))),
        (_, Ok(listed)) => Ok(Some((View::Extensions, listed))),
        (Err(error @ ReadError::Unavailable(_)), _)
        | (_, Err(error @ ReadError::Unavailable(_))) => {
            Err(StrategyError::reading("the manager's extensions")(error))
        }
        (Err(_), Err(_)) => Ok(None),
    }
}

/// Those of `extensions` that are of the family and serve `set_token`.
async fn serving(
    family: Family,
    extensions: &[Address],
    set_token: Address,
    at: &BlockReader,
) -> Result<Vec<Address>, StrategyError> {
    let served = extensions.iter().map(|extension| (family.serves)(*extension, at));
    let served = future::try_join_all(served).await?;
    let ours = extensions.iter().zip(served).filter(|(_, token)| *token == Some(set_token));
    Ok(ours.map(|(extension, _)| *extension).collect())
}

fn misconfigured(message: String) -> StrategyError {
    StrategyError::Misconfigured(message)
}
