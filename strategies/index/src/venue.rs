//! What a trade of a component costs where it is traded, for plans.

use alloy::primitives::{Address, U256, U512};
use ballast_chains::BlockReader;
use ballast_strategy_api::StrategyError;

use crate::{
    decimal::{ONE, narrow},
    exchange::{Desk, Noted, Way},
    market::{self, Pool},
    module::Side,
    quote::{self, Hop, WHOLE},
};

/// Where a component is traded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Venue {
    /// Through these pools, seen from the component to the intermediate asset. A V3 pool counts as one
    /// of constant product with the reserves that its liquidity in range stands for: exact as long as
    /// a trade stays in that range.
    Pools(Vec<Hop>),
    /// By an adapter that is registered, and not known here.
    Unknown,
    /// Nowhere: every trade would revert.
    Nowhere(String),
}

/// A venue with the pools behind it; none where the venue is not [`Venue::Pools`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// What a trade costs there.
    pub venue: Venue,
    /// Through what …
    pub pools: Vec<Pool>,
    /// … and whose pools these are; zero where there are none.
    pub factory: Address,
}

impl From<Venue> for Route {
    fn from(venue: Venue) -> Self {
        Self { venue, pools: Vec::new(), factory: Address::ZERO }
    }
}

impl Desk {
    /// Where a token is traded by an exchange's name and data, and through what.
    ///
    /// # Errors
    /// [`StrategyError::Read`] if the chain did not answer.
    pub async fn route(&self, noted: Noted<'_>, at: &BlockReader) -> Result<Route, StrategyError> {
        let adapter = self.adapter(noted.exchange, at).await;
        let adapter = adapter.map_err(StrategyError::reading("an exchange's adapter"))?;
        let way = self.way(noted, adapter, at).await;
        let (pools, factory) = match way.map_err(StrategyError::reading("an exchange's pools"))? {
            Way::Pools { pools, factory } => (pools, factory),
            Way::Unknown => return Ok(Venue::Unknown.into()),
            Way::Nowhere(why) => return Ok(Venue::Nowhere(why).into()),
        };
        let readings = market::read(&pools, at).await;
        Ok(match readings.map_err(StrategyError::reading("an exchange's pools"))? {
            Ok(readings) => {
                let hops = readings.into_iter().map(|reading| reading.hop).collect();
                Route { venue: Venue::Pools(hops), pools, factory }
            }
            Err(why) => Venue::Nowhere(why).into(),
        })
    }
}

impl Venue {
    /// The share that a trade of `amount` base units costs against the price of the pools, fees
    /// included, 18 decimals; `None` if they are not known, or do not hold that much.
    pub fn cost(&self, side: Side, amount: U256) -> Option<U256> {
        self.lost(side, amount, self.traded(side, amount)?)
    }

    /// The intermediate asset for a trade of `amount` base units, by the pools' formula.
    pub fn traded(&self, side: Side, amount: U256) -> Option<U256> {
        let Self::Pools(hops) = self else { return None };
        quote::traded(hops, side, amount)
    }

    /// The share that is lost against the price of the pools where `amount` base units are traded
    /// for `traded` of the intermediate asset, 18 decimals.
    pub fn lost(&self, side: Side, amount: U256, traded: U256) -> Option<U256> {
        // Of the intermediate asset for the amount, both over `into`.
        let (into, out) = self.price()?;
        let at_price = U512::from(amount).checked_mul(out)?;
        let traded = U512::from(traded).checked_mul(into)?;
        let lost = match side {
            Side::Sell => at_price.saturating_sub(traded),
            Side::Buy => traded.saturating_sub(at_price),
        };
        narrow(lost.checked_mul(U512::from(ONE))?.checked_div(at_price)?)
    }

    /// What the pools say a component is worth, as a fraction: so many of its base units, for so many
    /// of the intermediate asset's.
    pub fn price(&self) -> Option<(U512, U512)> {
        let Self::Pools(hops) = self else { return None };
        let product = |of: fn(&Hop) -> U256| {
            hops.iter().try_fold(U512::ONE, |product, hop| product.checked_mul(U512::from(of(hop))))
        };
        let price = (product(|hop| hop.reserve_in)?, product(|hop| hop.reserve_out)?);
        (!price.0.is_zero() && !price.1.is_zero()).then_some(price)
    }

    /// What of the fees of all pools on the way, taken one after another, is left of 1; 18 decimals.
    pub fn kept(&self) -> Option<U256> {
        let Self::Pools(hops) = self else { return None };
        let whole = U256::from(WHOLE);
        hops.iter().try_fold(ONE, |kept, hop| {
            kept.checked_mul(whole.checked_sub(U256::from(hop.fee))?)?.checked_div(whole)
        })
    }
}

#[cfg(test)]
mod tests;
