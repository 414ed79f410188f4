//! What a chain is asked besides its blocks: feeds, and fees beside gas.

use alloy::primitives::Bytes;
use ballast_chains::{
    BlockReader, Head,
    feeds::{self, FeedReading, PriceRound, Said},
    fees::extra::{self, GAS_PRICE_ORACLE},
    profile::FeeModel,
};
use tokio::time::timeout;

use super::{ANSWER_WITHIN, Finding, error, stress, warning};
use crate::{
    runtime::{FEED_CALLER, Group},
    store::Store,
};

/// Unsigned bytes of a call without arguments, about.
const UNSIGNED_SAMPLE: usize = 50;

/// The feeds of a chain: whether they answer, and with something that can be used.
pub(super) async fn check_feeds(group: &Group, store: Option<&Store>, head: Head) -> Vec<Finding> {
    let feeds = group.profile.feeds;
    let read = group.source.read_at(head, FEED_CALLER, move |reader: BlockReader| async move {
        feeds::read(&reader, &feeds).await
    });
    let reading = match timeout(ANSWER_WITHIN, read).await {
        Ok(reading) => reading,
        Err(_) => FeedReading::failed(&feeds, "the feeds took too long to be read"),
    };
    let subject = format!("chain {}", group.profile.name);
    let mut findings = Vec::new();
    if let Said::Answer(round) = &reading.native_usd {
        for spec in &group.specs {
            let subject = format!("product {}", spec.config.name);
            let problem = stress::problem(spec, round.price, store).await;
            findings.extend(problem.map(|problem| warning(&subject, problem)));
        }
    }
    findings.extend(check_price(group, &subject, head, reading.native_usd));
    match reading.sequencer {
        Said::NoFeed => {}
        Said::Nothing(why) => findings.push(error(&subject, why)),
        Said::Answer(uptime) if uptime.up => {}
        Said::Answer(uptime) => {
            let seconds = head.timestamp.saturating_sub(uptime.since);
            let text = format!("its sequencer is down, for {seconds} s");
            findings.push(warning(&subject, text));
        }
    }
    findings
}

/// The price, and the products whose budgets need it.
fn check_price(group: &Group, subject: &str, head: Head, said: Said<PriceRound>) -> Vec<Finding> {
    let heartbeat = group.profile.feeds.native_usd_heartbeat.as_secs();
    let problem = match said {
        Said::NoFeed => return Vec::new(),
        Said::Nothing(why) => error(subject, why),
        Said::Answer(round) => {
            let age = head.timestamp.saturating_sub(round.updated_at);
            if age <= heartbeat {
                return Vec::new();
            }
            let symbol = &group.profile.native_symbol;
            let text = format!(
                "the price of {symbol} is {age} s old, more than native_usd_heartbeat = {heartbeat} s"
            );
            warning(subject, text)
        }
    };
    let budgeted = group.specs.iter().filter(|spec| {
        let limits = &spec.config.limits;
        limits.monthly_budget.or(limits.hard_budget).is_some()
    });
    let bound = budgeted.map(|spec| {
        let text = "it has a budget and the chain gives no price: routine work is held back";
        warning(&format!("product {}", spec.config.name), text.to_owned())
    });
    std::iter::once(problem).chain(bound).collect()
}

/// Whether the chain takes fees beside gas, and its file says so.
pub(super) async fn check_extra_fees(group: &Group, head: Head) -> Option<Finding> {
    let subject = format!("chain {}", group.profile.name);
    let model = group.profile.fee_model;
    if model == FeeModel::OpStack {
        let sample = Bytes::from_static(&[0xff; UNSIGNED_SAMPLE]);
        let provider = group.pool.provider();
        let asked = timeout(ANSWER_WITHIN, extra::quote(&provider, head.hash, model, &sample));
        return match asked.await {
            Ok(told) => told.err().map(|cause| {
                let cause = crate::error_chain(&cause);
                let text = format!("the L1 data fee is unknown, so routine work waits: {cause}");
                error(&subject, text)
            }),
            Err(_) => Some(error(&subject, "the L1 data fee was not told in time".to_owned())),
        };
    }
    let code = group.source.read_at(head, FEED_CALLER, |reader: BlockReader| async move {
        reader.code(GAS_PRICE_ORACLE).await
    });
    let code = timeout(ANSWER_WITHIN, code).await.ok()?.ok()?;
    (!code.is_empty()).then(|| {
        let text = format!(
            "it has the OP stack's GasPriceOracle at {GAS_PRICE_ORACLE}: without fee_model = \
             \"op-stack\" caps and budgets do not count L1 data fees before they are paid"
        );
        warning(&subject, text)
    })
}
