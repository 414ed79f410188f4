//! Reads what a report is made from.
//!
//! The module's events are searched from the newest block backwards, all three kinds in one pass, until
//! the start that is meant is found. What was traded then leads to blocks and receipts. State of old
//! blocks is asked for from the newest on; once one is gone, so are those before it.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use alloy::{
    primitives::{Address, B256, U256},
    rpc::types::{Filter, Log},
    sol_types::{SolCall as _, SolEvent},
};
use ballast_chains::{
    BlockReader, Head, ReadError,
    fees::extra::ExtraFees,
    past::{Past, PastError, Stride},
    pool::ChainReceipt,
};
use ballast_strategy_api::{Strategy as _, StrategyError};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, future, stream};
use thiserror::Error;

use super::{
    Digits,
    facts::{Bill, Deed, Dollars, End, Facts, Moment, Quoted, Raise, Start, Subject, Token, Trade},
    planned::Planned,
};
use crate::{
    contracts::{
        IController::resourceIdCall,
        IGeneralIndexModule::{
            AssetTargetsRaised, RebalanceStarted, TradeExecuted, executionInfoCall,
        },
        IRegistry::getIntegrationAdapterCall,
        ISetToken::getDefaultPositionRealUnitCall,
        IToken::{decimalsCall, symbolCall},
    },
    decide,
    decimal::ONE,
    exchange::{SUSHISWAP, UNISWAP_V2, UNISWAP_V3},
    params::{Currency, Params},
    plan::state::symbol_of,
    price::Price,
    settle,
    snapshot::{Reference, Snapshot, by_oracle},
    strategy::CompositeIndex,
};

/// Most requests for logs; at 10,000 blocks each, more than four years of Ethereum.
const MAX_REQUESTS: u32 = 1_000;
/// How far back a start is looked for if nobody says, seconds: half a year.
const SPAN: u64 = 183 * 86_400;
/// Most events that are looked at.
const MAX_EVENTS: usize = 20_000;
/// Blocks, and states of blocks, that are asked for at once.
const AT_ONCE: usize = 4;
/// The registry of adapters among the Controller's resources.
const REGISTRY: U256 = U256::ZERO;

/// Which rebalance is meant.
#[derive(Debug, Clone, Copy, Default)]
pub struct Which {
    /// As of this block; `None`: of the newest.
    pub at: Option<u64>,
    /// So many before the latest one.
    pub earlier: usize,
    /// Where the search ends; `None`: half a year back.
    pub from_block: Option<u64>,
    /// Blocks whose logs are asked for at a time, above 0.
    pub log_blocks: u64,
}

/// Why there is no report.
#[derive(Debug, Error)]
pub enum Unread {
    /// The chain.
    #[error(transparent)]
    Past(#[from] PastError),
    /// The index.
    #[error(transparent)]
    Strategy(#[from] StrategyError),
    /// There is nothing to report.
    #[error("{0}")]
    Nothing(String),
    /// What was asked for makes no sense.
    #[error("{0}")]
    Asked(String),
}

/// Where it is read.
#[derive(Debug)]
pub struct Desk<'a> {
    /// The chain.
    pub past: &'a Past,
    /// The product, by the name of its file.
    pub product: &'a str,
    /// Its chain, by the name of that file.
    pub chain: &'a str,
    /// Who trades for it.
    pub wallet: Option<Address>,
}

/// The events of one rebalance, in order.
struct Found {
    start: (Log, RebalanceStarted),
    next: Option<u64>,
    trades: Vec<(Log, TradeExecuted)>,
    raises: Vec<(Log, AssetTargetsRaised)>,
}

/// What is known of the index whatever block it is looked at.
struct Known {
    index: CompositeIndex,
    symbol: String,
    tokens: Vec<Token>,
    exchanges: BTreeMap<Address, String>,
}

impl Desk<'_> {
    /// Everything but the books.
    ///
    /// # Errors
    /// [`Unread`], each variant as it says.
    pub async fn facts(
        &self,
        params: Params,
        which: Which,
        planned: Option<Planned>,
    ) -> Result<Facts, Unread> {
        let (past, set_token, module) = (self.past, params.set_token, params.module);
        let newest = *past.head();
        let at = match which.at {
            Some(number) if number > newest.number => {
                let why = format!("--at {number}: the newest block is {}", newest.number);
                return Err(Unread::Asked(why));
            }
            Some(number) => past.block(number).await?,
            None => newest,
        };
        let index = past
            .read_at(newest, self.caller(), |reader| async move {
                CompositeIndex::connect(params, &reader).await
            })
            .await?;
        let mut end = self.end(&index, at).await;
        match &end {
            Ok(None) if which.earlier == 0 && at == newest => {
                let why = format!("no rebalance of {set_token} was started on the module {module}");
                return Err(Unread::Nothing(why));
            }
            Err(why) if at == newest => return Err(Unread::Nothing(why.clone())),
            Ok(_) | Err(_) => {}
        }
        let found = self.find(set_token, module, &at, which).await?;
        let mut last = at;
        if let Some(next) = found.next {
            last = past.block(next.saturating_sub(1)).await?;
            end = self.end(&index, last).await;
        }
        let known = self.known(index, &found).await?;
        let blocks = self.blocks(&found).await?;
        let receipts = self.receipts(&found).await?;
        let start = started(&found, &blocks)?;
        let mut trades = trades(&found, &blocks, &receipts)?;
        self.references(&known, &mut trades).await;
        let before = self.before(&known, &start).await;
        let next = match found.next {
            Some(number) => Some(moment(&past.block(number).await?)),
            None => None,
        };
        let gone = || Err("no rebalance is under way at that block".to_owned());
        Ok(Facts {
            subject: Subject {
                product: self.product.to_owned(),
                chain: self.chain.to_owned(),
                chain_id: past.chain_id(),
                native_symbol: past.native_symbol().to_owned(),
                set_token,
                symbol: known.symbol,
                module,
                wallet: self.wallet,
                weth: known.index.weth,
            },
            at: moment(&last),
            start,
            next,
            trades,
            raises: raises(&found, &blocks)?,
            bills: receipts.iter().map(|(hash, receipt)| (*hash, bill(receipt))).collect(),
            tokens: known.tokens,
            exchanges: known.exchanges,
            before,
            end: match end {
                Ok(Some(end)) => Ok(end),
                Ok(None) => gone(),
                Err(why) => Err(why),
            },
            weth_usd: self.dollars(known.index.policy.eth_usd_feed, &last).await,
            native_usd: self.dollars(None, &last).await,
            planned,
            booked: None,
            unknown: Vec::new(),
        })
    }

    fn caller(&self) -> Address {
        self.wallet.unwrap_or_default()
    }

    /// What the strategy makes of a block; `None` where nothing is rebalanced there, and why where its
    /// state is not to be had.
    async fn end(&self, index: &CompositeIndex, at: Head) -> Result<Option<End>, String> {
        let judged = self
            .past
            .read_at(at, self.caller(), |reader| async move { index.judge(&reader).await });
        let judged = judged.await.map_err(|cause| told(at.number, &cause))?;
        Ok((judged.decision != decide::idle()).then(|| End::of(&judged)))
    }

    /// Searches the events of the rebalance that is meant.
    async fn find(
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

    async fn known(&self, index: CompositeIndex, found: &Found) -> Result<Known, Unread> {
        let mut tokens: BTreeSet<Address> = found.start.1.components.iter().copied().collect();
        for (_, trade) in &found.trades {
            tokens.extend([trade.sellComponent, trade.buyComponent]);
        }
        let tokens: Vec<Address> = tokens.into_iter().collect();
        let past = self.past;
        let (index, read) = past
            .read_at(*past.head(), self.caller(), |at| async move {
                let read = names(&index, &tokens, &at).await;
                (index, read)
            })
            .await;
        let (symbol, tokens, exchanges) = read.map_err(StrategyError::reading("the tokens"))?;
        Ok(Known { index, symbol, tokens, exchanges })
    }

    /// Every block that an event is in.
    async fn blocks(&self, found: &Found) -> Result<BTreeMap<u64, Head>, Unread> {
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

    async fn receipts(&self, found: &Found) -> Result<BTreeMap<B256, ChainReceipt>, Unread> {
        let hashes: BTreeSet<B256> = found.logs().filter_map(|log| log.transaction_hash).collect();
        let hashes: Vec<B256> = hashes.into_iter().collect();
        let receipts = self.past.receipts(&hashes).await?;
        Ok(hashes.into_iter().zip(receipts).collect())
    }

    /// What each trade's price was held against right before it, as far as that can be read.
    async fn references(&self, known: &Known, trades: &mut [Trade]) {
        let weth = known.index.weth;
        let numbers: BTreeSet<u64> = trades.iter().map(|trade| trade.deed.at.block).collect();
        let newest_first: Vec<u64> = numbers.into_iter().rev().collect();
        let looks: Vec<_> =
            newest_first.into_iter().map(|block| self.look(&known.index, block).boxed()).collect();
        let mut looks = stream::iter(looks).buffered(AT_ONCE);
        let mut states = BTreeMap::new();
        // Where the state of one block is gone, so is that of those before it.
        while let Some(Some((block, snapshot))) = looks.next().await {
            states.insert(block, snapshot);
        }
        let found: Vec<_> = trades
            .iter()
            .map(|trade| {
                let component = if trade.sold == weth { trade.bought } else { trade.sold };
                let block = trade.deed.at.block;
                let listed = states.get(&block).and_then(|state| of_state(state, component));
                async move {
                    match listed {
                        Some(reference) => Some(reference),
                        None => self.of_feed(known, component, block).await,
                    }
                }
                .boxed()
            })
            .collect();
        let found: Vec<Option<Reference>> = stream::iter(found).buffered(AT_ONCE).collect().await;
        for (trade, reference) in trades.iter_mut().zip(found) {
            trade.reference =
                reference.map(|Reference { low, high, source }| Quoted { low, high, source });
        }
    }

    /// The index right before a block, with what its prices were held against.
    async fn look(&self, index: &CompositeIndex, block: u64) -> Option<(u64, Snapshot)> {
        let parent = self.past.block(block.saturating_sub(1)).await.ok()?;
        let read =
            self.past.read_at(parent, self.caller(), |at| async move { index.look(&at).await });
        Some((block, read.await.ok()?))
    }

    /// What an oracle said of a component right before a block: it keeps its rounds, whatever state a
    /// node has.
    async fn of_feed(&self, known: &Known, component: Address, block: u64) -> Option<Reference> {
        let (feed, currency) = known.index.feeds.get(&component)?;
        let decimals = known.tokens.iter().find(|token| token.address == component)?.decimals;
        let parent = self.past.block(block.saturating_sub(1)).await.ok()?;
        let said = self.past.price(*feed, &parent).await.ok()?;
        let price = Price::of_units(said.price.fixed18(), ONE)?;
        let (price, oldest) = match currency {
            Currency::Eth => (price, said.updated_at),
            Currency::Usd => {
                let ether = match known.index.policy.eth_usd_feed {
                    Some(feed) => self.past.price(feed, &parent).await.ok()?,
                    None => self.past.native_usd(&parent).await.ok()??,
                };
                let dollars = Price::of_units(ether.price.fixed18(), ONE)?;
                (price.over(dollars)?, said.updated_at.min(ether.updated_at))
            }
        };
        let age = parent.timestamp.saturating_sub(oldest);
        let is_fresh = age <= known.index.policy.feed_max_age.as_secs();
        by_oracle(price, age, decimals).ok().filter(|_| is_fresh)
    }

    /// The units right before the start; `None` where that state is gone.
    async fn before(&self, known: &Known, start: &Start) -> Option<BTreeMap<Address, U256>> {
        let block = start.deed.at.block.saturating_sub(1);
        let parent = self.past.block(block).await.ok()?;
        let set_token = known.index.set_token;
        let tokens: Vec<Address> = known.tokens.iter().map(|token| token.address).collect();
        let units = self.past.read_at(parent, self.caller(), |at| async move {
            let units = tokens.iter().map(async |token| {
                let unit = at.call(set_token, getDefaultPositionRealUnitCall { component: *token });
                Ok::<_, ReadError>((*token, U256::try_from(unit.await?).unwrap_or_default()))
            });
            future::try_join_all(units).await
        });
        Some(units.await.ok()?.into_iter().collect())
    }

    async fn dollars(&self, feed: Option<Address>, at: &Head) -> Result<Option<Dollars>, String> {
        let said = match feed {
            Some(feed) => self.past.price(feed, at).await.map(Some),
            None => self.past.native_usd(at).await,
        };
        let dollars = |price| Dollars { price: Digits(price), at: moment(at) };
        Ok(said?.map(|said| dollars(said.price.fixed18())))
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

/// What a component's price was held against in a state.
fn of_state(state: &Snapshot, component: Address) -> Option<Reference> {
    let component = state.components.iter().find(|known| known.token == component)?;
    component.reference.clone().ok()
}

fn moment(head: &Head) -> Moment {
    Moment { block: head.number, timestamp: head.timestamp }
}

fn deed(log: &Log, blocks: &BTreeMap<u64, Head>) -> Result<Deed, Unread> {
    let block = log.block_number.and_then(|number| blocks.get(&number));
    let (Some(block), Some(hash)) = (block, log.transaction_hash) else {
        return Err(Unread::Nothing("an endpoint tells an event outside of any block".to_owned()));
    };
    Ok(Deed { at: moment(block), hash })
}

fn started(found: &Found, blocks: &BTreeMap<u64, Head>) -> Result<Start, Unread> {
    let (log, event) = &found.start;
    let targets = event.components.iter().copied().zip(event.targetUnits.iter().copied());
    Ok(Start {
        deed: deed(log, blocks)?,
        targets: targets.collect(),
        multiplier: event.positionMultiplier,
    })
}

fn raises(found: &Found, blocks: &BTreeMap<u64, Head>) -> Result<Vec<Raise>, Unread> {
    let raise = |(log, event): &(Log, AssetTargetsRaised)| {
        let deed = deed(log, blocks)?;
        Ok(Raise { deed, position_multiplier: Digits(event.newPositionMultiplier) })
    };
    found.raises.iter().map(raise).collect()
}

fn trades(
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

fn bill(receipt: &ChainReceipt) -> Bill {
    let (gas_used, price) = (receipt.inner.gas_used, receipt.inner.effective_gas_price);
    let execution = U256::from(gas_used).saturating_mul(U256::from(price));
    let fee = execution.saturating_add(ExtraFees::of(receipt).total());
    Bill { from: receipt.inner.from, gas_used, fee }
}

/// What the index and its tokens call themselves, and what their adapters are called.
async fn names(
    index: &CompositeIndex,
    tokens: &[Address],
    at: &BlockReader,
) -> Result<(String, Vec<Token>, BTreeMap<Address, String>), ReadError> {
    let (set_token, module) = (index.set_token, index.module);
    let symbol = async |token: Address| -> Result<String, ReadError> {
        let answer = at.call_raw(token, symbolCall {}.abi_encode().into()).await;
        let symbol = unless_silent(answer)?.map(|answer| symbol_of(&answer)).unwrap_or_default();
        Ok(if symbol.is_empty() { token.to_string() } else { symbol })
    };
    let read = tokens.iter().map(async |token| {
        let info = executionInfoCall { setToken: set_token, component: *token };
        let (symbol, decimals, info) =
            futures::join!(symbol(*token), at.call(*token, decimalsCall {}), at.call(module, info));
        let decimals = unless_silent(decimals)?;
        let exchange = unless_silent(info)?.map(|info| info.exchangeName);
        Ok::<_, ReadError>((Token { address: *token, symbol: symbol?, decimals }, exchange))
    });
    let (name, read, registry) = futures::try_join!(
        symbol(set_token),
        future::try_join_all(read),
        at.call(index.controller, resourceIdCall { id: REGISTRY }),
    )?;
    let (tokens, exchanges): (Vec<Token>, Vec<Option<String>>) = read.into_iter().unzip();
    let usual = [UNISWAP_V2, SUSHISWAP, UNISWAP_V3].map(str::to_owned);
    let exchanges: BTreeSet<String> = exchanges.into_iter().flatten().chain(usual).collect();
    let exchanges = exchanges.into_iter().filter(|name| !name.is_empty());
    let adapters = exchanges.map(async |name| {
        let adapter = getIntegrationAdapterCall { module, name: name.clone() };
        Ok::<_, ReadError>((at.call(registry, adapter).await?, name))
    });
    let adapters = future::try_join_all(adapters).await?;
    Ok((name, tokens, adapters.into_iter().collect()))
}

/// A token that does not answer has none; silence is the endpoints'.
fn unless_silent<T>(answer: Result<T, ReadError>) -> Result<Option<T>, ReadError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(ReadError::Reverted(_) | ReadError::Malformed { .. }) => Ok(None),
        Err(silent @ ReadError::Unavailable(_)) => Err(silent),
    }
}

fn told(block: u64, cause: &StrategyError) -> String {
    match cause {
        StrategyError::Read { what, source } => {
            format!("reading {what} at block {block}: {source}")
        }
        StrategyError::Misconfigured(_) | StrategyError::Arithmetic(_) => cause.to_string(),
    }
}

#[cfg(test)]
mod tests;
