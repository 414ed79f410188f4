//! Basis trading: what can be asked for, and the names of what stands where.

use alloy::primitives::{Address, I256, U256};
use serde::{Deserialize, Serialize};

/// What is deployed for basis trading: Perp V2 with a market in ether, and one product, short as much
/// ether there as it holds. The market and the spot pool start at the price of `FliOptions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BasisOptions {
    /// Who may call the product besides its keeper.
    pub more_keepers: Vec<Address>,
    /// Tokens issued, each for a hundred dollars. The default makes the short 50 ether at $2,000 and a
    /// target of −1.
    pub supply: u64,
    /// Whether the position is opened; else the product holds dollars alone.
    pub engaged: bool,
    /// The product's settings.
    pub methodology: BasisMethodology,
}

impl Default for BasisOptions {
    fn default() -> Self {
        Self {
            more_keepers: Vec::new(),
            supply: 2_000,
            engaged: true,
            methodology: BasisMethodology::default(),
        }
    }
}

/// The settings of a basis strategy: the contract's methodology, execution and incentive settings and
/// its trade sizes. Ratios and percentages have 18 decimals, ratios are negative: the "minimum" is the
/// one nearest zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BasisMethodology {
    /// The ratio that every rebalance heads for.
    pub target_leverage_ratio: I256,
    /// Nearer to zero than this a rebalance is due at once.
    pub min_leverage_ratio: I256,
    /// Farther from zero than this a rebalance is due at once.
    pub max_leverage_ratio: I256,
    /// The share of the gap to the target that one rebalance closes.
    pub recentering_speed: U256,
    /// Seconds after the last trade when a rebalance is due anyway; the largest number is never.
    pub rebalance_interval: U256,
    /// Seconds after the last reinvestment when the next one may be due.
    pub reinvest_interval: u64,
    /// The funding that makes a reinvestment worth it, in dollars of 6 decimals per whole token.
    pub min_reinvest_units: u64,
    /// How far a trade may be off the index price.
    pub slippage_tolerance: U256,
    /// Seconds between two chunks.
    pub twap_cooldown_period: u64,
    /// What a ripcord pays its caller, in wei.
    pub ether_reward: U256,
    /// The ripcord line.
    pub incentivized_leverage_ratio: I256,
    /// How far a ripcord's trade may be off the index price.
    pub incentivized_slippage_tolerance: U256,
    /// Seconds between two ripcords.
    pub incentivized_twap_cooldown_period: u64,
    /// Largest chunk of a rebalance and of a ripcord, in wei of ether.
    pub trade_sizes: (U256, U256),
}

/// The settings of the reference runs: bounds of a tenth, an interval of a day.
impl Default for BasisMethodology {
    fn default() -> Self {
        Self {
            target_leverage_ratio: hundredths(-100),
            min_leverage_ratio: hundredths(-90),
            max_leverage_ratio: hundredths(-110),
            recentering_speed: hundredths(5).unsigned_abs(),
            rebalance_interval: U256::from(86_400),
            reinvest_interval: 604_800,
            min_reinvest_units: 10_000,
            slippage_tolerance: hundredths(2).unsigned_abs(),
            twap_cooldown_period: 3_000,
            ether_reward: hundredths(100).unsigned_abs(),
            incentivized_leverage_ratio: hundredths(-130),
            incentivized_slippage_tolerance: hundredths(5).unsigned_abs(),
            incentivized_twap_cooldown_period: 60,
            trade_sizes: (hundredths(100).unsigned_abs(), hundredths(300).unsigned_abs()),
        }
    }
}

impl BasisMethodology {
    /// The settings that the product ran with on Optimism: no interval, wide bounds, cooldowns of
    /// seconds, chunks larger than the whole default product.
    #[must_use]
    pub fn production() -> Self {
        Self {
            min_leverage_ratio: hundredths(-95),
            max_leverage_ratio: hundredths(-200),
            rebalance_interval: U256::MAX,
            twap_cooldown_period: 30,
            incentivized_leverage_ratio: hundredths(-300),
            incentivized_twap_cooldown_period: 1,
            trade_sizes: (hundredths(3_000).unsigned_abs(), hundredths(6_000).unsigned_abs()),
            ..Self::default()
        }
    }
}

/// The basis product and everything that only it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// Its symbol.
    pub symbol: String,
    /// The token.
    pub set_token: Address,
    /// The `BaseManager`.
    pub manager: Address,
    /// The double of `DeltaNeutralBasisTradingStrategyExtension`: what a keeper calls.
    pub extension: Address,
    /// Which of [`accounts::keeper`](crate::accounts::keeper) may call it: the one after the products'.
    pub keeper: usize,
    /// `PerpV2BasisTradingModule`, as published.
    pub basis_module: Address,
    /// `TradeModule`, as published.
    pub trade_module: Address,
    /// `SlippageIssuanceModule`, as published.
    pub issuance_module: Address,
    /// The double of `UniswapV3ExchangeAdapterV2`.
    pub exchange_adapter: Address,
    /// The Chainlink feed of the index price: US dollars per ether, 8 decimals.
    pub index_feed: Address,
    /// A Chainlink feed that says whether the sequencer is up. No contract here reads it.
    pub sequencer_feed: Address,
    /// Perp V2.
    pub perp: Perp,
}

/// Perp V2 with its market in ether, as published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Perp {
    /// The virtual ether, token 0 of the market's pool.
    pub base_token: Address,
    /// The virtual dollar.
    pub quote_token: Address,
    /// The market's pool, on the devnet's own Uniswap V3 factory.
    pub pool: Address,
    /// Perp's price feed over the index feed, with the index feed's 8 decimals.
    pub price_feed: Address,
    /// The door of it all.
    pub clearing_house: Address,
    /// Perp's settings.
    pub config: Address,
    /// Which pool and fee belongs to which virtual token.
    pub market_registry: Address,
    /// The liquidity of makers.
    pub order_book: Address,
    /// What pays for bad debt.
    pub insurance_fund: Address,
    /// Who holds what.
    pub account_balance: Address,
    /// Trades and funding.
    pub exchange: Address,
    /// The collateral.
    pub vault: Address,
    /// Perp's quoter.
    pub quoter: Address,
}

/// Hundredths, with 18 decimals.
fn hundredths(count: i64) -> I256 {
    I256::try_from(i128::from(count).saturating_mul(10_000_000_000_000_000)).unwrap_or_default()
}
