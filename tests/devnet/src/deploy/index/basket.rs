//! What indices hold, and how deep the pools are in which that is traded.

use crate::Basket;

/// How a component begins, and how it is traded.
pub(super) struct Plan {
    pub(super) symbol: &'static str,
    pub(super) decimals: u8,
    pub(super) cents: u64,
    /// Base units per whole index token.
    pub(super) unit: u128,
    /// Most of one trade, base units.
    pub(super) most: u128,
    /// Seconds that it rests between two trades.
    pub(super) rest: u64,
    pub(super) way: Way,
}

/// Through which pools a component is traded for wrapped ether.
#[derive(Clone, Copy)]
pub(super) enum Way {
    /// Its own pool on V2, so many ether deep.
    Direct(u64),
    /// The same on the exchange that serves as Sushiswap.
    Sushi(u64),
    /// A pool with dollars on V2, worth so many ether a side; from there to ether.
    ThroughDollars(u64),
    /// Its own pool on V3.
    Pool {
        /// Millionths.
        fee: u32,
        /// Ether a side that serve all prices.
        ether: u64,
        /// Ether a side that serve prices near the first one.
        near: u64,
    },
    /// The devnet's own pool of dollars and ether on V3.
    Dollars,
}

/// One token of 18 decimals.
const E18: u128 = 1_000_000_000_000_000_000;

impl Basket {
    /// Index tokens that are issued.
    pub(super) fn supply(self) -> &'static str {
        match self {
            Self::Five => "1000",
            Self::Wide => "20000",
        }
    }

    pub(super) fn plans(self) -> &'static [Plan] {
        match self {
            Self::Five => &FIVE,
            Self::Wide => &WIDE,
        }
    }
}

/// One that stays, one that could be added, deep pools, thin ones and two hops.
const FIVE: [Plan; 5] = [
    Plan {
        symbol: "UNI",
        decimals: 18,
        cents: 1_000,
        unit: 4 * E18,
        most: 600 * E18,
        rest: 300,
        way: Way::Direct(8_000),
    },
    Plan {
        symbol: "WBTC",
        decimals: 8,
        cents: 4_000_000,
        unit: 75_000,
        most: 10_000_000,
        rest: 300,
        way: Way::Direct(5_000),
    },
    Plan {
        symbol: "USDC",
        decimals: 6,
        cents: 100,
        unit: 20_000_000,
        most: 5_000_000_000,
        rest: 300,
        way: Way::Dollars,
    },
    Plan {
        symbol: "LEND",
        decimals: 18,
        cents: 50,
        unit: 20 * E18,
        most: 6_000 * E18,
        rest: 300,
        way: Way::Direct(600),
    },
    Plan {
        symbol: "AAVE",
        decimals: 18,
        cents: 10_000,
        unit: 0,
        most: 100 * E18,
        rest: 300,
        way: Way::ThroughDollars(2_000),
    },
];

/// 20,000 tokens of it are worth a thousand ether, so a hundredth of the index is ten. Trades of ten to
/// thirty ether in pools of a thousand to forty thousand.
const WIDE: [Plan; 9] = [
    Plan {
        symbol: "UNI",
        decimals: 18,
        cents: 1_000,
        unit: 2 * E18,
        most: 6_000 * E18,
        rest: 300,
        way: Way::Direct(6_000),
    },
    Plan {
        symbol: "WBTC",
        decimals: 8,
        cents: 4_000_000,
        unit: 50_000,
        most: 75_000_000,
        rest: 600,
        way: Way::Pool { fee: 500, ether: 3_000, near: 300 },
    },
    Plan {
        symbol: "USDC",
        decimals: 6,
        cents: 100,
        unit: 12_000_000,
        most: 50_000_000_000,
        rest: 300,
        way: Way::Dollars,
    },
    Plan {
        symbol: "LEND",
        decimals: 18,
        cents: 50,
        unit: 6 * E18,
        most: 40_000 * E18,
        rest: 900,
        way: Way::Direct(1_000),
    },
    Plan {
        symbol: "SUSHI",
        decimals: 18,
        cents: 200,
        unit: 6 * E18,
        most: 15_000 * E18,
        rest: 600,
        way: Way::Sushi(3_000),
    },
    Plan {
        symbol: "YFI",
        decimals: 18,
        cents: 800_000,
        unit: E18 / 1_000,
        most: 3 * E18,
        rest: 600,
        way: Way::Pool { fee: 10_000, ether: 1_000, near: 100 },
    },
    Plan {
        symbol: "AAVE",
        decimals: 18,
        cents: 10_000,
        unit: E18 / 10,
        most: 250 * E18,
        rest: 300,
        way: Way::ThroughDollars(2_500),
    },
    Plan {
        symbol: "XAUT",
        decimals: 6,
        cents: 200_000,
        unit: 7_500,
        most: 10_000_000,
        rest: 300,
        way: Way::Sushi(1_500),
    },
    Plan {
        symbol: "SNX",
        decimals: 18,
        cents: 300,
        unit: 0,
        most: 14_000 * E18,
        rest: 300,
        way: Way::ThroughDollars(4_000),
    },
];
