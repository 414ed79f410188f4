//! Reads what a report is made from.
//!
//! The module's events are searched from the newest block backwards, all three kinds in one pass, until
//! the start that is meant is found. What was traded then leads to blocks and receipts. State of old
//! blocks is asked for from the newest on; once one is gone, so are those before it.

mod events;
mod known;
mod references;

use std::collections::BTreeMap;

use alloy::primitives::{Address, U256};
use ballast_chains::{
    Head, ReadError,
    past::{Past, PastError},
};
use ballast_strategy_api::{Strategy as _, StrategyError};
use futures::future;
use thiserror::Error;

use self::{events::Found, known::Known};
use super::{
    Digits,
    facts::{Dollars, End, Facts, Moment, Start, Subject},
    planned::Planned,
};
use crate::{
    contracts::ISetToken::getDefaultPositionRealUnitCall, decide, params::Params,
    strategy::CompositeIndex,
};

/// Blocks, and states of blocks, that are asked for at once.
const AT_ONCE: usize = 4;

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
        let (mut last, mut following) = (at, None);
        if let Some(next) = found.next {
            following = Some(moment(&past.block(next).await?));
            last = past.block(next.saturating_sub(1)).await?;
            end = self.end(&index, last).await;
        }
        let known = self.known(index, &found).await?;
        let end = end.and_then(|end| end.ok_or("nothing is rebalanced at that block".to_owned()));
        self.assemble(&known, &found, end, (last, following), planned).await
    }

    async fn assemble(
        &self,
        known: &Known,
        found: &Found,
        end: Result<End, String>,
        (last, next): (Head, Option<Moment>),
        planned: Option<Planned>,
    ) -> Result<Facts, Unread> {
        let (index, past) = (&known.index, self.past);
        let blocks = self.blocks(found).await?;
        let receipts = self.receipts(found).await?;
        let start = events::started(found, &blocks)?;
        let mut trades = events::trades(found, &blocks, &receipts)?;
        self.references(known, &mut trades).await;
        let bills = receipts.iter().map(|(hash, receipt)| (*hash, events::bill(receipt)));
        Ok(Facts {
            subject: Subject {
                product: self.product.to_owned(),
                chain: self.chain.to_owned(),
                chain_id: past.chain_id(),
                native_symbol: past.native_symbol().to_owned(),
                set_token: index.set_token,
                symbol: known.symbol.clone(),
                module: index.module,
                wallet: self.wallet,
                weth: index.weth,
            },
            at: moment(&last),
            before: self.before(known, &start).await,
            start,
            next,
            trades,
            raises: events::raises(found, &blocks)?,
            bills: bills.collect(),
            tokens: known.tokens.clone(),
            exchanges: known.exchanges.clone(),
            end,
            weth_usd: self.dollars(index.policy.eth_usd_feed, &last).await,
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

fn moment(head: &Head) -> Moment {
    Moment { block: head.number, timestamp: head.timestamp }
}

fn told(block: u64, cause: &StrategyError) -> String {
    match cause {
        StrategyError::Read { what, source } => {
            format!("reading {what} at block {block}: {source}")
        }
        StrategyError::Misconfigured(_) | StrategyError::Arithmetic(_) => cause.to_string(),
    }
}
