//! What the chain's feeds say: whether the sequencer runs, and whether there is a price that a
//! budget can be held against.

use ballast_chains::feeds::{Price, PriceRound, Said};

use super::{Circumstances, Finding, Row};
use crate::config::Limits;

impl Circumstances<'_> {
    /// The price of the native currency, if it is not older than the chain's heartbeat.
    pub fn fresh_price(&self) -> Option<Price> {
        match &self.feeds.native_usd {
            Said::Answer(round) if self.age_of(round) <= self.heartbeat() => Some(round.price),
            Said::Answer(_) | Said::Nothing(_) | Said::NoFeed => None,
        }
    }

    fn heartbeat(&self) -> u64 {
        self.chain.feeds.native_usd_heartbeat.as_secs()
    }

    fn age_of(&self, round: &PriceRound) -> u64 {
        self.now.saturating_sub(round.updated_at)
    }
}

pub(super) fn sequencer(case: &Circumstances<'_>) -> Option<Finding> {
    let (reason, detail) = match &case.feeds.sequencer {
        Said::NoFeed => return None,
        Said::Nothing(why) => ("sequencer state unknown", why.clone()),
        Said::Answer(uptime) if !uptime.up => {
            let seconds = case.now.saturating_sub(uptime.since);
            ("sequencer is down", format!("for {seconds} s"))
        }
        Said::Answer(uptime) => {
            let (up, grace) =
                (case.now.saturating_sub(uptime.since), case.chain.feeds.sequencer_grace.as_secs());
            if up >= grace {
                return None;
            }
            ("sequencer has just come back", format!("up for {up} s, sequencer_grace is {grace} s"))
        }
    };
    Some(Finding::new(Row::Sequencer, reason, detail))
}

pub(super) fn price(case: &Circumstances<'_>, limits: &Limits) -> Option<Finding> {
    if limits.monthly_budget.is_none() && limits.hard_budget.is_none() {
        return None;
    }
    let (reason, detail) = match &case.feeds.native_usd {
        Said::Answer(_) if case.fresh_price().is_some() => return None,
        Said::Answer(round) => (
            "the price of the native currency is stale",
            format!(
                "{} USD is {} s old, native_usd_heartbeat is {} s",
                round.price,
                case.age_of(round),
                case.heartbeat()
            ),
        ),
        Said::Nothing(why) => ("no price of the native currency", why.clone()),
        Said::NoFeed => ("no price of the native currency", "the chain names no feed".to_owned()),
    };
    Some(Finding::new(Row::NoPrice, reason, detail))
}
