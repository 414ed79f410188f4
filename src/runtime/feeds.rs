//! The chain's feeds, read beside the products: one more job of the block's driver, so that they
//! share its rounds, and a failure or a time-out of theirs is nobody else's. No strategy knows.

use std::sync::Arc;

use alloy::primitives::{Address, B256};
use ballast_chains::{
    BlockReader, ChainProfile, Head,
    driver::Outcome,
    feeds::{self, FeedReading},
};
use futures::future::BoxFuture;
use tokio::sync::watch;
use tracing::warn;

use super::seat::TurnResult;

/// What a job of a chain's driver brings back.
#[expect(clippy::large_enum_variant, reason = "one a product and block, and the large one is it")]
pub(crate) enum Brought {
    /// A product's assessment.
    Turn(TurnResult),
    /// What the feeds said.
    Feeds(FeedReading),
}

/// One job of a chain's driver.
pub(crate) type Run = Box<dyn FnOnce(BlockReader) -> BoxFuture<'static, Brought> + Send>;

/// Who asks the feeds: nobody's wallet.
pub(crate) const CALLER: Address = Address::ZERO;

/// The newest reading of a chain's feeds, for all its products.
#[derive(Debug)]
pub(crate) struct FeedDesk {
    profile: Arc<ChainProfile>,
    readings: watch::Sender<FeedReading>,
    asked: Option<B256>,
    failing: bool,
}

impl FeedDesk {
    pub(crate) fn new(profile: Arc<ChainProfile>) -> Self {
        let readings = watch::Sender::new(FeedReading::unread(&profile.feeds));
        Self { profile, readings, asked: None, failing: false }
    }

    /// For a product's task.
    pub(crate) fn subscribe(&self) -> watch::Receiver<FeedReading> {
        self.readings.subscribe()
    }

    /// The job that reads them at this head; `None` if there are none, or they were asked there.
    pub(crate) fn job(&mut self, head: &Head) -> Option<Run> {
        let feeds = self.profile.feeds;
        if !feeds.any() || self.asked.replace(head.hash) == Some(head.hash) {
            return None;
        }
        Some(Box::new(move |reader| {
            Box::pin(async move { Brought::Feeds(feeds::read(&reader, &feeds).await) })
        }))
    }

    /// Takes what came of the job, and tells it to the products.
    pub(crate) fn take(&mut self, outcome: Outcome<Brought>) {
        let reading = match outcome {
            Outcome::Done(Brought::Feeds(reading)) => reading,
            Outcome::Done(Brought::Turn(_)) => return,
            Outcome::Panicked(why) => FeedReading::failed(&self.profile.feeds, &why),
            Outcome::TimedOut => {
                FeedReading::failed(&self.profile.feeds, "reading the feeds took too long")
            }
        };
        let wrong = [problem(&reading.native_usd), problem(&reading.sequencer)];
        let wrong: Vec<&str> = wrong.into_iter().flatten().collect();
        let chain = &self.profile.name;
        if !wrong.is_empty() && !self.failing {
            warn!(chain, detail = wrong.join("; "), "a feed gives no usable answer");
        }
        self.failing = !wrong.is_empty();
        metrics::gauge!("ballast_feeds_failing", "chain" => chain.clone()).set(if self.failing {
            1.0
        } else {
            0.0
        });
        self.readings.send_replace(reading);
    }
}

fn problem<T>(said: &feeds::Said<T>) -> Option<&str> {
    match said {
        feeds::Said::Nothing(why) => Some(why),
        feeds::Said::NoFeed | feeds::Said::Answer(_) => None,
    }
}
