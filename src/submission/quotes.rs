//! What blocks cost around a head, asked once for all lanes of a chain.
//!
//! Every lane that is about to send prices by the same head, and the answer is the same for all of
//! them. So the first one asks, and whoever comes while it waits, or later at the same head, takes
//! its answer. Nothing but the newest head's is kept, and no failure: the next one asks anew.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use alloy::primitives::B256;
use ballast_chains::{
    Head,
    fees::{FeeError, Quote},
    profile::FeeModel,
};
use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};

use super::node::Node;

/// An answer that is there or under way. Whoever waits for it drives it, so it does not hang on the
/// one who asked.
type Answer = Shared<BoxFuture<'static, Result<Quote, Arc<FeeError>>>>;

/// What an answer is of: the head, how the chain is priced, its least tip.
type Question = (B256, FeeModel, u128);

/// The newest head's prices. Clones share them; one for each chain's endpoints.
#[derive(Clone, Default)]
pub struct Quotes(Arc<Mutex<Option<(Question, Answer)>>>);

impl fmt::Debug for Quotes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quotes").finish_non_exhaustive()
    }
}

impl Quotes {
    /// Prices at the head, by whichever lane asked first.
    ///
    /// # Errors
    /// The same for all who waited for it.
    pub(super) async fn at(
        &self,
        head: &Head,
        model: FeeModel,
        least: u128,
        node: &Arc<dyn Node>,
    ) -> Result<Quote, Arc<FeeError>> {
        let question = (head.hash, model, least);
        let answer = self.ask(question, || {
            let (node, head) = (Arc::clone(node), *head);
            async move { node.quote(head, model, least).await.map_err(Arc::new) }.boxed().shared()
        });
        let told = answer.clone().await;
        if told.is_err() {
            self.forget(&answer);
        }
        told
    }

    fn ask(&self, question: Question, asking: impl FnOnce() -> Answer) -> Answer {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*newest {
            Some((asked, answer)) if *asked == question => answer.clone(),
            Some(_) | None => {
                let answer = asking();
                *newest = Some((question, answer.clone()));
                answer
            }
        }
    }

    /// Forgets this very answer, if it still is the newest one's.
    fn forget(&self, failed: &Answer) {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if newest.as_ref().is_some_and(|(_, answer)| answer.ptr_eq(failed)) {
            *newest = None;
        }
    }
}
