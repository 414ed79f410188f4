//! The events of a rebalance, with their blocks and receipts.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use alloy::{
    primitives::{Address, B256, U256},
    rpc::types::{Filter, Log},
    sol_types::SolEvent,
};
use ballast_chains::{
    Head,
    fees::extra::ExtraFees,
    past::{PastError, Stride},
    pool::ChainReceipt,
};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};

use super::{AT_ONCE, Desk, Unread, Which, moment};
use crate::{
    contracts::IGeneralIndexModule::{AssetTargetsRaised, RebalanceStarted, TradeExecuted},
    report::{
        Digits,
        facts::{Bill, Deed, Raise, Start, Trade},
    },
    settle,
};

/// Most requests for logs; at 10,000 blocks each, more than four years of Ethereum.
const MAX_REQUESTS: u32 = 1_000;
/// How far back a start is looked for if nobody says, seconds: half a year.
const SPAN: u64 = 183 * 86_400;
/// Most events that are looked at.
const MAX_EVENTS: usize = 20_000;

/// The events of one rebalance, in order.
pub(super) struct Found {
    pub(super) start: (Log, RebalanceStarted),
    pub(super) next: Option<u64>,
    pub(super) trades: Vec<(Log, TradeExecuted)>,
    pub(super) raises: Vec<(Log, AssetTargetsRaised)>,
}

impl Desk<'_> {
    /// Searches the events of the rebalance that is meant.
    pub(super) async fn find(
        &self,
        set_token: Address,
        module: Address,
        at: &Head,
        which: Which,
    ) -> Result<Found, Unread> {
        let kinds = vec![
            RebalanceStarted::SIGNATURE_HASH,
            TradeExecuted::SIGNATURE_HASH,
            AssetTargetsRaised::SIGNATURE_HASH,
        ];
        let filter =
            Filter::new().address(module).event_signature(kinds).topic1(set_token.into_word());
        let seconds = self.past.block_time().as_secs().max(1);
        let span = SPAN.checked_div(seconds).unwrap_or(SPAN);
        let lowest = which.from_block.unwrap_or_else(|| at.number.saturating_sub(span));
        if lowest > at.number {
            let why = format!("--from-block {lowest}: it is looked for up to {}", at.number);
            return Err(Unread::Asked(why));
        }
        let stride = Stride { blocks: which.log_blocks, requests: MAX_REQUESTS };
        let (mut stretches, mut starts, mut events) = (Vec::new(), 0_usize, 0_usize);
        let visit = |logs: Vec<Log>| {
            let is_start = |log: &&Log| log.topic0() == Some(&RebalanceStarted::SIGNATURE_HASH);
            starts = starts.saturating_add(logs.iter().filter(is_start).count());
            events = events.saturating_add(logs.len());
            stretches.push(logs);
            let enough = starts > which.earlier || events > MAX_EVENTS;
            if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let reached = self.past.logs_backwards(&filter, lowest..=at.number, stride, visit).await?;
        let logs: Vec<Log> = stretches.into_iter().rev().flatten().collect();
        select(logs, which.earlier).ok_or_else(|| {
            let what = match (events > MAX_EVENTS, starts) {
                (true, _) => format!("more than {MAX_EVENTS} events and no start among them"),
                (false, 0) => "no rebalance was started".to_owned(),
                (false, some) => format!("{some} rebalances were started"),
            };
            Unread::Nothing(format!(
                "{what} in the blocks {reached} to {} (RebalanceStarted of the module {module} for \
                 {set_token}); --from-block looks further back",
                at.number
            ))
        })
    }

    /// Every block that an event is in.
    pub(super) async fn blocks(&self, found: &Found) -> Result<BTreeMap<u64, Head>, Unread> {
        let numbers: BTreeSet<u64> = found.logs().filter_map(|log| log.block_number).collect();
        let heads: Vec<_> =
            numbers.into_iter().map(|number| self.past.block(number).boxed()).collect();
        let heads: Vec<Head> = stream::iter(heads).buffered(AT_ONCE).try_collect().await?;
        let heads: BTreeMap<u64, Head> =
            heads.into_iter().map(|head| (head.number, head)).collect();
        let of = |log: &Log| heads.get(&log.block_number?).map(|head| head.hash);
        match found.logs().find(|log| of(log) != log.block_hash) {
            Some(log) => Err(PastError::NoReceipt(log.transaction_hash.unwrap_or_default()).into()),
            None => Ok(heads),
        }
    }

    pub(super) async fn receipts(
        &self,
        found: &Found,
    ) -> Result<BTreeMap<B256, ChainReceipt>, Unread> {
        let hashes: BTreeSet<B256> = found.logs().filter_map(|log| log.transaction_hash).collect();
        let hashes: Vec<B256> = hashes.into_iter().collect();
        let receipts = self.past.receipts(&hashes).await?;
        Ok(hashes.into_iter().zip(receipts).collect())
    }
}

impl Found {
    fn logs(&self) -> impl Iterator<Item = &Log> {
        let trades = self.trades.iter().map(|(log, _)| log);
        let raises = self.raises.iter().map(|(log, _)| log);
        [&self.start.0].into_iter().chain(trades).chain(raises)
    }
}

/// The events of the rebalance so many before the latest; `None` if its start is not among the logs.
fn select(logs: Vec<Log>, earlier: usize) -> Option<Found> {
    let places: Vec<usize> = logs
        .iter()
        .enumerate()
        .filter(|(_, log)| log.topic0() == Some(&RebalanceStarted::SIGNATURE_HASH))
        .map(|(place, _)| place)
        .collect();
    let which = places.len().checked_sub(earlier.checked_add(1)?)?;
    let place = *places.get(which)?;
    let next = which.checked_add(1).and_then(|which| places.get(which)).copied();
    let first = logs.get(place)?;
    let mut found = Found {
        start: (first.clone(), settle::event(first)?),
        next: next.and_then(|next| logs.get(next)?.block_number),
        trades: Vec::new(),
        raises: Vec::new(),
    };
    for log in logs.get(place..next.unwrap_or(logs.len()))? {
        if let Some(event) = settle::event::<TradeExecuted>(log) {
            found.trades.push((log.clone(), event));
        }
        if let Some(event) = settle::event::<AssetTargetsRaised>(log) {
            found.raises.push((log.clone(), event));
        }
    }
    Some(found)
}

fn deed(log: &Log, blocks: &BTreeMap<u64, Head>) -> Result<Deed, Unread> {
    let block = log.block_number.and_then(|number| blocks.get(&number));
    let (Some(block), Some(hash)) = (block, log.transaction_hash) else {
        return Err(Unread::Nothing("an endpoint tells an event outside of any block".to_owned()));
    };
    Ok(Deed { at: moment(block), hash })
}

pub(super) fn started(found: &Found, blocks: &BTreeMap<u64, Head>) -> Result<Start, Unread> {
    let (log, event) = &found.start;
    let targets = event.components.iter().copied().zip(event.targetUnits.iter().copied());
    Ok(Start {
        deed: deed(log, blocks)?,
        targets: targets.collect(),
        multiplier: event.positionMultiplier,
    })
}

pub(super) fn raises(found: &Found, blocks: &BTreeMap<u64, Head>) -> Result<Vec<Raise>, Unread> {
    let raise = |(log, event): &(Log, AssetTargetsRaised)| {
        let deed = deed(log, blocks)?;
        Ok(Raise { deed, position_multiplier: Digits(event.newPositionMultiplier) })
    };
    found.raises.iter().map(raise).collect()
}

pub(super) fn trades(
    found: &Found,
    blocks: &BTreeMap<u64, Head>,
    receipts: &BTreeMap<B256, ChainReceipt>,
) -> Result<Vec<Trade>, Unread> {
    let trade = |(log, event): &(Log, TradeExecuted)| {
        let deed = deed(log, blocks)?;
        let logs = receipts.get(&deed.hash).map(|receipt| receipt.inner.inner.logs());
        let own = logs.map(|logs| own_logs(logs, log)).unwrap_or_default();
        Ok(Trade {
            deed,
            executor: event.executor,
            adapter: event.exchangeAdapter,
            sold: event.sellComponent,
            bought: event.buyComponent,
            amount_sold: event.netSold,
            amount_received: event.netReceived,
            protocol_fee: event.protocolFee,
            slippage: settle::slippage(event, own),
            reference: None,
        })
    };
    found.trades.iter().map(trade).collect()
}

/// The logs of one trade among those of its transaction, which may have made several: what comes
/// between the trade before and its own event.
fn own_logs<'a>(logs: &'a [Log], own: &Log) -> &'a [Log] {
    let is_trade = |log: &Log| {
        log.address() == own.address() && log.topic0() == Some(&TradeExecuted::SIGNATURE_HASH)
    };
    let end = logs.iter().position(|log| log.log_index == own.log_index).unwrap_or(logs.len());
    let until = logs.get(..end).unwrap_or_default();
    let after = until.iter().rposition(is_trade).and_then(|place| place.checked_add(1));
    until.get(after.unwrap_or_default()..).unwrap_or_default()
}

pub(super) fn bill(receipt: &ChainReceipt) -> Bill {
    let (gas_used, price) = (receipt.inner.gas_used, receipt.inner.effective_gas_price);
    let execution = U256::from(gas_used).saturating_mul(U256::from(price));
    let fee = execution.saturating_add(ExtraFees::of(receipt).total());
    Bill { from: receipt.inner.from, gas_used, fee }
}

#[cfg(test)]
mod tests;
