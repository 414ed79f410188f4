//! The same strategy with its type erased, as the runtime holds it.

use std::fmt::Debug;

use alloy::rpc::types::TransactionReceipt;
use ballast_chains::{BlockReader, Revert};
use futures::future::BoxFuture;

use crate::{
    ActsOn, Assessment, Decision, Doubt, Pending, Refusal, Settlement, Strategy, StrategyError,
};

/// An object-safe [`Strategy`]; boxed once, here, so that authors write plain `async fn`.
pub trait DynStrategy: Debug + Send + Sync {
    /// [`Strategy::KIND`].
    fn kind(&self) -> &'static str;
    /// [`Strategy::describe`].
    fn describe(&self) -> String;
    /// [`Strategy::acts_on`].
    fn acts_on(&self) -> Option<ActsOn>;
    /// [`Strategy::assess`].
    fn assess<'a>(
        &'a self,
        at: &'a BlockReader,
    ) -> BoxFuture<'a, Result<Assessment, StrategyError>>;
    /// [`Strategy::checks_need`].
    fn checks_need(&self, action: &str) -> bool;
    /// [`Strategy::stands`].
    fn stands(&self, pending: &Pending<'_>, decision: &Decision) -> bool;
    /// [`Strategy::audit`].
    fn audit<'a>(&'a self, at: &'a BlockReader) -> BoxFuture<'a, Vec<Doubt>>;
    /// [`Strategy::refusal`].
    fn refusal(&self, action: &str, revert: &Revert) -> Refusal;
    /// [`Strategy::settle`].
    fn settle(&self, receipt: &TransactionReceipt) -> Settlement;
}

impl<S: Strategy> DynStrategy for S {
    fn kind(&self) -> &'static str {
        S::KIND
    }

    fn describe(&self) -> String {
        Strategy::describe(self)
    }

    fn acts_on(&self) -> Option<ActsOn> {
        Strategy::acts_on(self)
    }

    fn assess<'a>(
        &'a self,
        at: &'a BlockReader,
    ) -> BoxFuture<'a, Result<Assessment, StrategyError>> {
        Box::pin(Strategy::assess(self, at))
    }

    fn checks_need(&self, action: &str) -> bool {
        Strategy::checks_need(self, action)
    }

    fn stands(&self, pending: &Pending<'_>, decision: &Decision) -> bool {
        Strategy::stands(self, pending, decision)
    }

    fn audit<'a>(&'a self, at: &'a BlockReader) -> BoxFuture<'a, Vec<Doubt>> {
        Box::pin(Strategy::audit(self, at))
    }

    fn refusal(&self, action: &str, revert: &Revert) -> Refusal {
        Strategy::refusal(self, action, revert)
    }

    fn settle(&self, receipt: &TransactionReceipt) -> Settlement {
        Strategy::settle(self, receipt)
    }
}
