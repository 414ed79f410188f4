//! The market of one product, whichever kind it is: its price, and what the product says at it.
//! Leverage ratios are magnitudes with 18 decimals; of a short the sign is left out.

use alloy::primitives::{Address, U256};
use ballast_devnet::{
    BasisMarket, BasisMethodology, BasisOptions, Devnet, FliOptions, Market, Methodology, Product,
    Trade,
};
use eyre::Result;

/// One whole, with the 18 decimals of ratios.
const ONE: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);

/// How often a move of the market is tried.
const MOVES: u32 = 3;

/// What a product goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rules {
    pub(super) target: U256,
    /// The bound nearest to zero, and the one farthest from it.
    pub(super) min: U256,
    pub(super) max: U256,
    /// From here on it is on its way to liquidation.
    pub(super) line: U256,
    /// Seconds after a trade when a rebalance is due anyway.
    pub(super) interval: u64,
    /// Seconds between two chunks.
    pub(super) cooldown: u64,
}

impl From<&Methodology> for Rules {
    fn from(settings: &Methodology) -> Self {
        Self {
            target: settings.target_leverage_ratio,
            min: settings.min_leverage_ratio,
            max: settings.max_leverage_ratio,
            line: settings.incentivized_leverage_ratio,
            interval: settings.rebalance_interval,
            cooldown: settings.twap_cooldown_period,
        }
    }
}

impl From<&BasisMethodology> for Rules {
    fn from(settings: &BasisMethodology) -> Self {
        Self {
            target: settings.target_leverage_ratio.unsigned_abs(),
            min: settings.min_leverage_ratio.unsigned_abs(),
            max: settings.max_leverage_ratio.unsigned_abs(),
            line: settings.incentivized_leverage_ratio.unsigned_abs(),
            interval: u64::try_from(settings.rebalance_interval).unwrap_or(u64::MAX),
            cooldown: settings.twap_cooldown_period,
        }
    }
}

/// A product and its market.
#[derive(Debug)]
pub(super) struct Venue {
    kind: Kind,
    rules: Rules,
}

#[derive(Debug)]
enum Kind {
    Fli(Box<Market>, Box<Product>),
    Basis(Box<BasisMarket>),
}

impl Venue {
    /// The basis product, if the devnet was asked for one, else the leveraged one.
    pub(super) fn of(
        devnet: &Devnet,
        fli: &FliOptions,
        basis: Option<&BasisOptions>,
    ) -> Result<Self> {
        Ok(match basis {
            Some(options) => Self {
                kind: Kind::Basis(Box::new(devnet.basis_market()?)),
                rules: Rules::from(&options.methodology),
            },
            None => Self {
                kind: Kind::Fli(Box::new(devnet.market()), Box::new(devnet.product().clone())),
                rules: Rules::from(&fli.methodology),
            },
        })
    }

    pub(super) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// What a keeper calls.
    pub(super) fn strategy(&self) -> Address {
        match &self.kind {
            Kind::Fli(_, product) => product.strategy,
            Kind::Basis(market) => market.basis().extension,
        }
    }

    /// US dollars per ether, 8 decimals.
    pub(super) async fn price(&self) -> Result<u64> {
        match &self.kind {
            Kind::Fli(market, _) => market.price().await,
            Kind::Basis(market) => market.index_price().await,
        }
    }

    /// Moves everything to a price; gives the block. Where the keeper trades in the same block, a pool may
    /// have to move the other way than it looked, and all of it is undone: then once more.
    pub(super) async fn set_price(&self, eth_usd: u64) -> Result<u64> {
        for _ in 1..MOVES {
            match self.try_price(eth_usd).await {
                Ok(block) => return Ok(block),
                Err(error) => tracing::debug!(%error, "the market is moved once more"),
            }
        }
        self.try_price(eth_usd).await
    }

    async fn try_price(&self, eth_usd: u64) -> Result<u64> {
        match &self.kind {
            Kind::Fli(market, _) => market.set_price(eth_usd).await,
            Kind::Basis(market) => market.set_price(eth_usd).await,
        }
    }

    pub(super) async fn leverage_ratio(&self) -> Result<U256> {
        match &self.kind {
            Kind::Fli(market, product) => market.leverage_ratio(product).await,
            Kind::Basis(market) => Ok(market.leverage_ratio().await?.unsigned_abs()),
        }
    }

    /// The calls of a keeper in these blocks.
    pub(super) async fn trades(&self, caller: Address, from: u64, to: u64) -> Result<Vec<Trade>> {
        match &self.kind {
            Kind::Fli(market, product) => market.trades(product, caller, from, to).await,
            Kind::Basis(market) => market.trades(caller, from, to).await,
        }
    }

    /// The price at which the product comes from one leverage ratio to another, cut off.
    pub(super) fn price_for(&self, price: u64, current: U256, wanted: U256) -> Option<u64> {
        match self.kind {
            Kind::Fli(..) => long(price, current, wanted),
            Kind::Basis(_) => short(price, current, wanted),
        }
    }
}

/// With debt D and collateral C at price p the ratio L is Cp / (Cp − D), so D = Cp · (L − 1) / L, and
/// the same D stands at the new ratio.
fn long(price: u64, current: U256, wanted: U256) -> Option<u64> {
    let debt_share = current.checked_sub(ONE)?;
    let above = U256::from(price).checked_mul(wanted)?.checked_mul(debt_share)?;
    let below = current.checked_mul(wanted.checked_sub(ONE)?)?;
    above.checked_div(below)?.try_into().ok()
}

/// With a short S at price p against K in all the ratio L is Sp / (K − Sp), so K = Sp · (L + 1) / L, and
/// the same K stands at the new ratio.
fn short(price: u64, current: U256, wanted: U256) -> Option<u64> {
    let above = U256::from(price).checked_mul(wanted)?.checked_mul(current.checked_add(ONE)?)?;
    let below = current.checked_mul(wanted.checked_add(ONE)?)?;
    above.checked_div(below)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::utils::parse_ether;
    use ballast_devnet::USD;

    fn ratio(text: &str) -> U256 {
        parse_ether(text).unwrap()
    }

    #[test]
    fn a_price_leads_to_the_leverage_that_it_was_asked_for() {
        // Twice leveraged at $2,000, half is debt: at $1,500 that is 1,500 / (1,500 − 1,000).
        assert_eq!(long(2_000 * USD, ratio("2"), ratio("3")), Some(1_500 * USD));
        assert_eq!(long(1_500 * USD, ratio("3"), ratio("2")), Some(2_000 * USD));
        assert_eq!(long(2_000 * USD, ratio("2"), ratio("1")), None, "no price clears debt");
        assert_eq!(long(2_000 * USD, ratio("0.5"), ratio("2")), None);
    }

    #[test]
    fn a_shorts_leverage_rises_with_the_price() {
        // Short 1 against $4,000 in all: at $3,000 that is 3,000 / 1,000.
        assert_eq!(short(2_000 * USD, ratio("1"), ratio("3")), Some(3_000 * USD));
        assert_eq!(short(3_000 * USD, ratio("3"), ratio("1")), Some(2_000 * USD));
        assert_eq!(short(2_000 * USD, U256::ZERO, ratio("1")), None, "nothing is short");
    }
}
