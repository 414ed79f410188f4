//! Which ways a component has to be traded, and how much they hold.

use alloy::primitives::{Address, Bytes, U256};
use ballast_chains::BlockReader;
use ballast_strategy_api::StrategyError;
use futures::future;

use super::{
    Task, Terms,
    optimum::{at_bound, between, depth, impact},
};
use crate::{
    cost::amounts,
    exchange::{Desk, Noted, SUSHISWAP, UNISWAP_V2, UNISWAP_V3},
    market::Kind,
    module::Side,
    plan::state::{Quotes, Token},
    quoter::Quoter,
    venue::{Route, Venue},
};

/// The fees of Uniswap V3's pools, in millionths.
const V3_FEES: [u32; 4] = [100, 500, 3_000, 10_000];
/// Halvings until a size is found with a quoter.
const HALVINGS: u32 = 24;

/// What ways are looked for with.
#[derive(Debug, Clone, Copy)]
pub struct Surveyor<'a> {
    /// Where adapters are looked up.
    pub desk: Desk,
    /// Who answers for V3 pools.
    pub quoter: Option<Quoter>,
    /// Tokens that a way over two V2 pools may go through.
    pub via: &'a [Address],
    /// What binds.
    pub terms: Terms,
    /// The block.
    pub at: &'a BlockReader,
}

/// A way that pools were found for.
#[derive(Debug, Clone)]
pub struct Found {
    /// The component as if it were traded there.
    pub token: Token,
    /// What the pools have on a side, wei.
    pub depth: U256,
    /// The largest trade within the bound, base units.
    pub at_bound: U256,
    /// How that was found.
    pub measured_by: &'static str,
}

impl Surveyor<'_> {
    /// All ways that lead through known pools; the one that the chain has stands first if it does.
    ///
    /// # Errors
    /// [`StrategyError::Read`] if the chain did not answer.
    pub async fn ways(&self, token: &Token, task: Task) -> Result<Vec<Found>, StrategyError> {
        let ways = self.candidates(token).into_iter().map(|(exchange, data)| async move {
            let noted = Noted { token: token.address, exchange: &exchange, data: &data };
            let route = self.desk.route(noted, self.at).await?;
            let Route { venue, pools, factory } = route;
            let (exchange_data, quotes) = (data, Quotes::new());
            let token =
                Token { exchange, exchange_data, venue, pools, factory, quotes, ..token.clone() };
            self.measured(token, task).await
        });
        Ok(future::try_join_all(ways).await?.into_iter().flatten().collect())
    }

    /// Names and data of adapters that could lead somewhere, the chain's own first.
    fn candidates(&self, token: &Token) -> Vec<(String, Bytes)> {
        let mut all = vec![(token.exchange.clone(), token.exchange_data.clone())];
        for exchange in [UNISWAP_V2, SUSHISWAP] {
            all.push((exchange.to_owned(), Bytes::new()));
            let through = self.via.iter().filter(|via| **via != token.address);
            let through = through.filter(|via| **via != self.desk.weth);
            all.extend(
                through.map(|via| (exchange.to_owned(), Bytes::copy_from_slice(via.as_slice()))),
            );
        }
        all.extend(V3_FEES.iter().map(|fee| {
            let [_, fee @ ..] = fee.to_be_bytes();
            (UNISWAP_V3.to_owned(), Bytes::copy_from_slice(&fee))
        }));
        let mut seen = Vec::new();
        for way in all {
            if !seen.contains(&way) {
                seen.push(way);
            }
        }
        seen
    }

    async fn measured(&self, token: Token, task: Task) -> Result<Option<Found>, StrategyError> {
        let Venue::Pools(hops) = &token.venue else { return Ok(None) };
        let Some(depth) = depth(hops) else { return Ok(None) };
        let quoter = self.quoter.filter(|quoter| quoter.serves(&token));
        let mut least = None;
        for side in task.sides() {
            let size = match (quoter, at_bound(&token.venue, *side, self.terms.impact)) {
                (Some(quoter), Some(near)) => self.quoted(&token, quoter, *side, near).await?,
                (None, size) => size,
                (Some(_), None) => None,
            };
            let Some(size) = size else { return Ok(None) };
            least = Some(least.unwrap_or(size).min(size));
        }
        let measured_by = match (quoter, token.pools.as_slice()) {
            (Some(_), _) => "quoter",
            (None, [pool]) if pool.kind == Kind::V3 => "liquidity in range",
            (None, _) => "formula",
        };
        Ok(least.map(|at_bound| Found { token, depth, at_bound, measured_by }))
    }

    /// The largest trade within the bound, by trial with the quoter; `near` is what the liquidity in
    /// range says, and four times that is not looked beyond.
    async fn quoted(
        &self,
        token: &Token,
        quoter: Quoter,
        side: Side,
        near: U256,
    ) -> Result<Option<U256>, StrategyError> {
        let [pool] = token.pools.as_slice() else { return Ok(None) };
        let (mut low, mut high) = (U256::ZERO, near.saturating_mul(U256::from(4)));
        for _ in 0..HALVINGS {
            let Some(middle) = between(low, high) else { break };
            let traded = quoter.quote(pool, side, middle, self.at).await?;
            let lost = traded.and_then(|traded| token.venue.lost(side, middle, traded));
            let impact = lost.and_then(|lost| impact(&token.venue, side, lost));
            if impact.is_some_and(|impact| impact <= self.terms.impact) {
                low = middle;
            } else {
                high = middle;
            }
        }
        Ok(Some(low))
    }

    /// Gives a way the quotes that the cost of moving `left` in these sizes follows from.
    ///
    /// # Errors
    /// [`StrategyError::Read`] if the chain did not answer.
    pub async fn quote(
        &self,
        found: &mut Found,
        side: Side,
        left: U256,
        sizes: &[U256],
    ) -> Result<(), StrategyError> {
        let quoter = self.quoter.filter(|quoter| quoter.serves(&found.token));
        let (Some(quoter), [pool]) = (quoter, found.token.pools.as_slice()) else { return Ok(()) };
        let asked = sizes.iter().flat_map(|size| {
            let [most, rest, all] = amounts(left, *size);
            [most, rest, all, *size]
        });
        let asked: std::collections::BTreeSet<U256> =
            asked.filter(|amount| !amount.is_zero()).collect();
        let quotes = asked.into_iter().map(|amount| async move {
            let traded = quoter.quote(pool, side, amount, self.at).await?;
            Ok::<_, StrategyError>(((side, amount), traded))
        });
        let quotes = future::try_join_all(quotes).await?;
        found.token.quotes.extend(quotes);
        Ok(())
    }
}
