//! From a chain file to a [`ChainProfile`].

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    time::Duration,
};

use ballast_chains::{
    ChainProfile,
    profile::{FeeModel, FeeProfile, FeedsProfile, Finality},
};

use super::{
    endpoints::{self, SecretSource, Use},
    file::{ConfigFile, find},
    form::{self, Raw},
    problems::{Problem, Problems},
    reader::Reader,
    schema::CHAIN,
};

/// Least default of `stale_after`: a chain with fast blocks pauses now and then.
const LEAST_STALE_AFTER: Duration = Duration::from_secs(30);
/// Blocks that may be missing before a head is stale by default.
const STALE_BLOCKS: u32 = 5;
/// Least default of `assess_timeout`.
const LEAST_ASSESS_TIMEOUT: Duration = Duration::from_secs(3);
/// Blocks that an assessment may take by default.
const ASSESS_BLOCKS: u32 = 2;
/// How much more an emergency may offer by default.
const EMERGENCY_FACTOR: u128 = 10;
/// Replacements below ten percent are refused by nodes; above a hundred is a mistake of units.
const BUMP_BPS: RangeInclusive<u32> = 1_000..=10_000;

/// Most blocks that a private transaction may wait before it goes public, if it ever does.
pub(super) const MAX_PUBLIC_AFTER: u64 = 10_000;
/// The feed that budgets need.
pub(super) const NATIVE_USD_FEED: &str = "contracts.native_usd_feed";
/// The feed that `sequencer_grace` is about.
const SEQUENCER_FEED: &str = "contracts.sequencer_uptime_feed";
/// How transactions are priced, by the words of a chain file.
const FEE_MODELS: &[(&str, FeeModel)] = &[
    ("eip1559", FeeModel::Eip1559),
    ("legacy", FeeModel::Legacy),
    ("op-stack", FeeModel::OpStack),
];

/// The profile; `None` if anything is wrong, which has been reported.
pub(super) fn read(
    name: &str,
    file: &ConfigFile,
    source: SecretSource<'_>,
    problems: &mut Problems,
) -> Option<ChainProfile> {
    let reader = &mut Reader::new(file, &CHAIN, problems);
    let chain_id = reader.get("chain_id", form::whole(1..=u64::MAX));
    let fee_model = reader.get("fee_model", form::word(FEE_MODELS, &[]));
    let block_time = reader.get("block_time", form::duration);
    let finality = finality(reader);
    let native_symbol = reader.get("native_symbol", form::symbol);
    let explorer = reader.get("explorer", form::url(endpoints::HTTP));
    if !reader.has("rpc") {
        let takes = reader.takes("rpc");
        reader.push("rpc", format!("missing; expected {takes}"));
    }
    let rpc = endpoints::read(reader, "rpc", Use::Read, source);
    let send = endpoints::read(reader, "send", Use::Send, source);
    let private_send = endpoints::read(reader, "private_send", Use::Send, source);
    let public_after = reader.get("public_after", form::whole(1..=MAX_PUBLIC_AFTER));
    if reader.has("public_after") && !reader.has("private_send") {
        reader.wrong("public_after", "without private_send it means nothing; expected both");
    }
    let request_timeout = reader.get("request_timeout", form::duration);
    let stale_after = reader.get("stale_after", form::duration);
    let min_turn_interval = reader.get("min_turn_interval", form::duration_or_zero);
    let assess_timeout = reader.get("assess_timeout", form::duration);
    let chunk_gas = reader.get("chunk_gas", form::whole(1_000_000..=1_000_000_000));
    let max_lag = reader.get("max_lag", form::whole(0..=10_000));
    let fees = fees(reader);
    // For its problems alone: see `super::finance`.
    _ = reader.get(super::finance::TREASURY_SAFE, form::account);
    let multicall3 = reader.get("contracts.multicall3", form::account);
    let feeds = feeds(reader);
    let block_time = block_time?;
    Some(ChainProfile {
        name: name.to_owned(),
        chain_id: chain_id?,
        fee_model: fee_model?,
        block_time,
        finality: finality?,
        native_symbol: native_symbol?,
        explorer,
        rpc,
        send,
        private_send,
        public_after,
        request_timeout: request_timeout?,
        stale_after: stale_after
            .unwrap_or_else(|| block_time.saturating_mul(STALE_BLOCKS).max(LEAST_STALE_AFTER)),
        min_turn_interval: min_turn_interval?,
        assess_timeout: assess_timeout
            .unwrap_or_else(|| block_time.saturating_mul(ASSESS_BLOCKS).max(LEAST_ASSESS_TIMEOUT)),
        chunk_gas: chunk_gas?,
        max_lag: max_lag?,
        fees: fees?,
        multicall3: multicall3?,
        feeds: feeds?,
    })
}

/// The feeds. What a feed's answer is held against makes no sense without the feed.
fn feeds(reader: &mut Reader<'_>) -> Option<FeedsProfile> {
    let pairs = [("native_usd_heartbeat", NATIVE_USD_FEED), ("sequencer_grace", SEQUENCER_FEED)];
    for (key, feed) in pairs {
        if reader.has(key) && !reader.has(feed) {
            reader.wrong(key, format!("{feed} is missing; expected both or neither"));
        }
    }
    let native_usd = reader.get(NATIVE_USD_FEED, form::account);
    let heartbeat = reader.get("native_usd_heartbeat", form::long_duration);
    let sequencer_uptime = reader.get(SEQUENCER_FEED, form::account);
    let grace = reader.get("sequencer_grace", form::long_duration_or_zero);
    Some(FeedsProfile {
        native_usd,
        native_usd_heartbeat: heartbeat?,
        sequencer_uptime,
        sequencer_grace: grace?,
    })
}

fn finality(reader: &mut Reader<'_>) -> Option<Finality> {
    let words = &[("safe", Finality::Safe), ("finalized", Finality::Finalized)];
    let both = reader.has("finality") && reader.has("confirmations");
    let tag = reader.get("finality", form::word(words, &[]));
    let confirmations = reader.get("confirmations", form::whole(1..=10_000));
    if both {
        reader.wrong(
            "finality",
            "confirmations is given too; expected one of finality and confirmations",
        );
        return None;
    }
    if reader.has("finality") { tag } else { confirmations.map(Finality::Confirmations) }
}

fn fees(reader: &mut Reader<'_>) -> Option<FeeProfile> {
    let max = reader.get("fees.max_fee_per_gas", form::gas_price);
    let emergency = reader.get("fees.emergency_max_fee_per_gas", form::gas_price);
    let min_priority = reader.get("fees.min_priority_fee_per_gas", form::gas_price_or_zero);
    let relative_cap = reader.get("fees.relative_cap", form::whole_u32(1..=1_000));
    let bump = reader.get("fees.replacement_bump_percent", form::percent(BUMP_BPS));
    let (max, min_priority) = (max?, min_priority?);
    let mut fits = true;
    if emergency.is_some_and(|emergency| emergency < max) {
        let takes = reader.takes("fees.emergency_max_fee_per_gas");
        reader.wrong(
            "fees.emergency_max_fee_per_gas",
            format!("below fees.max_fee_per_gas of {max} wei; expected {takes}"),
        );
        fits = false;
    }
    if min_priority > max {
        let takes = reader.takes("fees.min_priority_fee_per_gas");
        reader.wrong(
            "fees.min_priority_fee_per_gas",
            format!("above fees.max_fee_per_gas of {max} wei; expected {takes}"),
        );
        fits = false;
    }
    let fees = FeeProfile {
        max_fee_per_gas: max,
        emergency_max_fee_per_gas: emergency
            .unwrap_or_else(|| max.saturating_mul(EMERGENCY_FACTOR)),
        min_priority_fee_per_gas: min_priority,
        relative_cap: relative_cap?,
        replacement_bump_bps: bump?,
    };
    fits.then_some(fees)
}

/// Names of the chains whose files name no price feed. One whose file cannot be read is not among
/// them: its own problem comes first.
pub(super) fn unpriced(files: &BTreeMap<String, Option<ConfigFile>>) -> BTreeSet<String> {
    let without = |file: &ConfigFile| find(file.dict(), NATIVE_USD_FEED).is_none();
    files
        .iter()
        .filter(|(_, file)| file.as_ref().is_some_and(without))
        .map(|(name, _)| name.clone())
        .collect()
}

/// A chain has one file: two would have two head streams, and two nonce lanes for one wallet.
pub(super) fn report_shared_ids<'a>(
    files: impl Iterator<Item = &'a ConfigFile>,
    problems: &mut Problems,
) {
    let mut owners: BTreeMap<u64, &str> = BTreeMap::new();
    for file in files {
        let Some(value) = find(file.dict(), "chain_id") else { continue };
        let variable = file.variable_of(value);
        let raw = Raw { value, untyped: variable.is_some() };
        let Ok(id) = form::whole(1..=u64::MAX)(raw) else { continue };
        if let Some(other) = owners.get(&id) {
            let message = format!(
                "also the chain_id of {other}; expected one file for each chain (a product may have \
                 an rpc of its own)"
            );
            let problem = Problem::new(&file.name, "chain_id", message);
            problems.push(problem.value(value).set_by(variable));
        } else {
            owners.insert(id, &file.name);
        }
    }
}
