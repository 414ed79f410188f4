//! The one list of strategies.
//!
//! Registration is the whole plug-in mechanism: a kind is a name, a check of its `[params]` and a
//! way to connect, all made from the types of a [`Strategy`]. Nothing else in this crate names one.

use std::{collections::BTreeMap, fmt, sync::Arc};

use ballast_chains::BlockReader;
use ballast_strategy_api::{DynStrategy, Strategy, StrategyError, Tool};
use futures::future::BoxFuture;

use crate::{
    config::{Params, Problem},
    ledger::external::External,
};

/// Every strategy shipped with Ballast. Add yours here.
pub fn strategies() -> Registry {
    Registry::default()
        .with::<External>()
        .with::<ballast_fli::Fli>()
        .with::<ballast_basis::Basis>()
        .with::<ballast_index::CompositeIndex>()
        .tools(ballast_index::cli::tool())
}

/// The strategies that a binary knows.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    kinds: BTreeMap<&'static str, Kind>,
    duplicates: Vec<&'static str>,
    tools: Vec<Tool>,
}

/// What a strategy that is being connected becomes.
pub type Connecting = BoxFuture<'static, Result<Arc<dyn DynStrategy>, StrategyError>>;

/// One strategy with its types erased.
#[derive(Clone, Copy)]
struct Kind {
    check: fn(&Params) -> Vec<Problem>,
    connect: fn(&Params, BlockReader) -> Connecting,
    action_of: fn(&[u8]) -> Option<&'static str>,
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kind")
    }
}

impl Registry {
    /// Adds a strategy under its [`Strategy::KIND`]. A name that is taken stays with its first
    /// owner, and no configuration loads until the second is gone: see
    /// [`duplicates`](Self::duplicates).
    #[must_use]
    pub fn with<S: Strategy>(mut self) -> Self {
        if self.kinds.contains_key(S::KIND) {
            self.duplicates.push(S::KIND);
        } else {
            let kind = Kind { check: check::<S>, connect: connect::<S>, action_of: S::action_of };
            self.kinds.insert(S::KIND, kind);
        }
        self
    }

    /// Adds a subcommand that a kind of product brings with it.
    #[must_use]
    pub fn tools(mut self, tool: Tool) -> Self {
        self.tools.push(tool);
        self
    }

    /// The subcommands that were added.
    pub(crate) fn mounted(&self) -> &[Tool] {
        &self.tools
    }

    /// Names of all strategies, sorted.
    pub fn kinds(&self) -> impl Iterator<Item = &'static str> {
        self.kinds.keys().copied()
    }

    /// Names that were registered more than once: a mistake in the binary.
    pub fn duplicates(&self) -> &[&'static str] {
        &self.duplicates
    }

    /// Everything that the strategy's type refuses of a `[params]` table; empty if it is fine.
    /// Needs no network. A kind that is not registered refuses nothing.
    pub fn check(&self, kind: &str, params: &Params) -> Vec<Problem> {
        self.kinds.get(kind).map(|kind| (kind.check)(params)).unwrap_or_default()
    }

    /// The action of this kind of product that calldata is a call of.
    pub fn action_of(&self, kind: &str, calldata: &[u8]) -> Option<&'static str> {
        self.kinds.get(kind).and_then(|kind| (kind.action_of)(calldata))
    }

    /// Connects a product's strategy at a block.
    ///
    /// # Errors
    ///
    /// [`StrategyError::Misconfigured`] if the kind is not registered or refuses the parameters;
    /// otherwise what [`Strategy::connect`] says.
    pub fn connect(&self, kind: &str, params: &Params, at: BlockReader) -> Connecting {
        match self.kinds.get(kind) {
            Some(kind) => (kind.connect)(params, at),
            None => refused(format!("no strategy {kind}")),
        }
    }
}

fn check<S: Strategy>(params: &Params) -> Vec<Problem> {
    params.extract::<S::Params>().err().unwrap_or_default()
}

fn connect<S: Strategy>(params: &Params, at: BlockReader) -> Connecting {
    match params.extract::<S::Params>() {
        Ok(params) => Box::pin(async move {
            let strategy = S::connect(params, &at).await?;
            Ok(Arc::new(strategy) as Arc<dyn DynStrategy>)
        }),
        Err(problems) => {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            refused(lines.join("; "))
        }
    }
}

fn refused(why: String) -> Connecting {
    Box::pin(std::future::ready(Err(StrategyError::Misconfigured(why))))
}
