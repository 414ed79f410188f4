//! What the price of each trade was held against right before it.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::Address;
use futures::{FutureExt as _, StreamExt as _, stream};

use super::{AT_ONCE, Desk, known::Known};
use crate::{
    decimal::ONE,
    params::Currency,
    price::Price,
    report::facts::{Quoted, Trade},
    snapshot::{Reference, Snapshot, by_oracle},
    strategy::CompositeIndex,
};

impl Desk<'_> {
    /// What each trade's price was held against right before it, as far as that can be read.
    pub(super) async fn references(&self, known: &Known, trades: &mut [Trade]) {
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
}

/// What a component's price was held against in a state.
fn of_state(state: &Snapshot, component: Address) -> Option<Reference> {
    let component = state.components.iter().find(|known| known.token == component)?;
    component.reference.clone().ok()
}
