//! The `[params]` table of a product file.

use std::{collections::BTreeMap, time::Duration};

use alloy::primitives::{Address, U256, uint};
use ballast_strategy_api::Decimal;
use serde::{Deserialize, Deserializer, de::Error};

use crate::{decimal::ONE, module::ceil_div, schedule::Schedule};

/// 0.75 %, of 10^18.
const DEFAULT_TOLERANCE: U256 = uint!(7_500_000_000_000_000_U256);
/// 2 %, of 10^18.
const DEFAULT_BAND: U256 = uint!(20_000_000_000_000_000_U256);
/// 10 %, of 10^18: beyond it neither number limits anything.
const MOST: U256 = uint!(100_000_000_000_000_000_U256);
/// From percent with 18 decimals to a share with 18.
const PERCENT: U256 = uint!(100_U256);
/// A feed that writes once a day at the least, and an hour for the chain to be slow.
const DEFAULT_FEED_MAX_AGE: Duration = Duration::from_secs(25 * 3_600);
/// A rebalance of a large index in small trades takes a day.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(72 * 3_600);
/// Most feeds of one product.
const MAX_FEEDS: usize = 64;

/// What tells one index from another; everything else is read from the chain.
#[derive(Debug, Clone)]
pub struct Params {
    /// The index's token.
    pub set_token: Address,
    /// The `GeneralIndexModule` that rebalances it.
    pub module: Address,
    /// Uniswap V3's `Quoter`, for components that are traded there. `None`: the liquidity in range is
    /// reckoned with.
    pub v3_quoter: Option<Address>,
    /// When a rebalance is due, and what counts as late.
    pub schedule: Schedule,
    policy: Policy,
}

impl Params {
    /// The operator's choices among them.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }
}

/// What an operator may choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Share of a quote that a trade may turn out worse by, 18 decimals.
    pub tolerance: U256,
    /// Share by which a pool's price may be off its reference, 18 decimals.
    pub band: U256,
    /// Within what time a rebalance should be done.
    pub deadline: Duration,
    /// What is too little to trade, wei of the intermediate asset. `None`: half a basis point of what
    /// the index is worth.
    pub dust: Option<U256>,
    /// Oracles by component, in place of the pools' own averages.
    pub feeds: BTreeMap<Address, Feed>,
    /// The oracle of the intermediate asset's price in US dollars; `None`: the chain's native one.
    pub eth_usd_feed: Option<Address>,
    /// How old an oracle's answer may be.
    pub feed_max_age: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            tolerance: DEFAULT_TOLERANCE,
            band: DEFAULT_BAND,
            deadline: DEFAULT_DEADLINE,
            dust: None,
            feeds: BTreeMap::new(),
            eth_usd_feed: None,
            feed_max_age: DEFAULT_FEED_MAX_AGE,
        }
    }
}

impl Policy {
    /// The least that is taken of what a quote gives, rounded down.
    pub fn least(&self, quoted: U256) -> Option<U256> {
        quoted.checked_mul(ONE.checked_sub(self.tolerance)?)?.checked_div(ONE)
    }

    /// The most that is paid where a quote asks for so much, rounded up.
    pub fn most(&self, quoted: U256) -> Option<U256> {
        ceil_div(quoted.checked_mul(ONE.checked_add(self.tolerance)?)?, ONE)
    }

    /// How far a quote with fees and what it moves may be off the reference: twice the band.
    pub fn widest(&self) -> U256 {
        self.band.saturating_add(self.band)
    }
}

/// An oracle of a component's price, Chainlink's interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feed {
    /// The aggregator or its proxy.
    pub aggregator: Address,
    /// What it answers in, where the file says so; else its own description does.
    pub currency: Option<Currency>,
}

/// What an oracle's prices are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Currency {
    /// The intermediate asset, that is ether.
    Eth,
    /// US dollars.
    Usd,
}

/// The table as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    /// The index's token.
    set_token: Address,
    /// Its `GeneralIndexModule`.
    module: Address,
    v3_quoter: Option<Address>,
    /// A trade may turn out worse than its quote by so much.
    slippage_tolerance_percent: Option<Decimal>,
    /// A pool is believed as long as its price is no farther than this from its reference.
    reference_band_percent: Option<Decimal>,
    #[serde(default, with = "humantime_opt")]
    deadline: Option<Duration>,
    #[serde(default)]
    schedule: Schedule,
    /// Whole coins of the intermediate asset.
    dust: Option<Decimal>,
    #[serde(default)]
    feeds: BTreeMap<Address, Feed>,
    eth_usd_feed: Option<Address>,
    #[serde(default, with = "humantime_opt")]
    feed_max_age: Option<Duration>,
}

impl<'de> Deserialize<'de> for Params {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let table = Table::deserialize(from)?;
        for (key, address) in [("set_token", table.set_token), ("module", table.module)] {
            if address.is_zero() {
                return Err(D::Error::custom(format!("{key} is the zero address")));
            }
        }
        if table.feeds.len() > MAX_FEEDS {
            return Err(D::Error::custom(format!("feeds has more than {MAX_FEEDS} entries")));
        }
        let defaults = Policy::default();
        let percent = |key: &str, percent: Option<Decimal>, default: U256| match percent {
            None => Ok(default),
            Some(percent) => share(percent).ok_or_else(|| {
                D::Error::custom(format!("{key} is expected above \"0\" and at most \"10\""))
            }),
        };
        let tolerance = percent(
            "slippage_tolerance_percent",
            table.slippage_tolerance_percent,
            defaults.tolerance,
        )?;
        let band = percent("reference_band_percent", table.reference_band_percent, defaults.band)?;
        let policy = Policy {
            tolerance,
            band,
            deadline: table.deadline.unwrap_or(defaults.deadline),
            dust: table.dust.map(Decimal::fixed18),
            feeds: table.feeds,
            eth_usd_feed: table.eth_usd_feed,
            feed_max_age: table.feed_max_age.unwrap_or(defaults.feed_max_age),
        };
        let Table { set_token, module, v3_quoter, schedule, .. } = table;
        Ok(Self { set_token, module, v3_quoter, schedule, policy })
    }
}

/// A percentage as a share, rounded down; `None` for nothing, and for what would limit nothing.
fn share(percent: Decimal) -> Option<U256> {
    let share = percent.fixed18().checked_div(PERCENT)?;
    (!share.is_zero() && share <= MOST).then_some(share)
}

impl<'de> Deserialize<'de> for Feed {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        const EXPECTED: &str = "expected an aggregator's address, or one followed by ETH or USD";
        let text = String::deserialize(from)?;
        let mut words = text.split_whitespace();
        let aggregator = words.next().and_then(|word| word.parse::<Address>().ok());
        let currency = match words.next() {
            None => Some(None),
            Some("ETH") => Some(Some(Currency::Eth)),
            Some("USD") => Some(Some(Currency::Usd)),
            Some(_) => None,
        };
        match (aggregator.filter(|a| !a.is_zero()), currency, words.next()) {
            (Some(aggregator), Some(currency), None) => Ok(Self { aggregator, currency }),
            _ => Err(D::Error::custom(format!("{EXPECTED}, not {text:?}"))),
        }
    }
}

mod humantime_opt {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, de::Error};

    /// A length of time such as `"6h"`, above zero.
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        let Some(text) = Option::<String>::deserialize(from)? else { return Ok(None) };
        match humantime::parse_duration(&text) {
            Ok(length) if !length.is_zero() => Ok(Some(length)),
            Ok(_) | Err(_) => {
                let why = format!("expected a length of time like \"6h\", not {text:?}");
                Err(D::Error::custom(why))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const SET: &str = "0x00000000000000000000000000000000000000e1";
    const MODULE: &str = "0x00000000000000000000000000000000000000e2";
    const FEED: &str = "0x00000000000000000000000000000000000000e3";

    fn parse(mut more: Value) -> Result<Params, String> {
        let table = more.as_object_mut().unwrap();
        table.entry("set_token").or_insert(json!(SET));
        table.entry("module").or_insert(json!(MODULE));
        serde_json::from_value(more).map_err(|error| error.to_string())
    }

    #[test]
    fn token_and_module_suffice() {
        let params = parse(json!({})).unwrap();
        assert_eq!(
            (params.set_token, params.module),
            (SET.parse().unwrap(), MODULE.parse().unwrap())
        );
        assert_eq!((params.v3_quoter, &params.schedule), (None, &Schedule::default()));
        assert_eq!(params.policy(), &Policy::default());
        let missing = serde_json::from_value::<Params>(json!({ "set_token": SET })).unwrap_err();
        assert!(missing.to_string().contains("missing field `module`"), "{missing}");
    }

    #[test]
    fn choices_are_exact() {
        let params = parse(json!({
            "v3_quoter": FEED,
            "slippage_tolerance_percent": "0.5",
            "reference_band_percent": "1.5",
            "deadline": "36h",
            "dust": "0.02",
            "feeds": { SET: FEED, MODULE: format!("{FEED} USD") },
            "eth_usd_feed": FEED,
            "feed_max_age": "2h",
            "schedule": "monthly",
        }))
        .unwrap();
        let feed: Address = FEED.parse().unwrap();
        assert_eq!(params.v3_quoter, Some(feed));
        let due = params.schedule.due.as_ref().map(ToString::to_string);
        assert_eq!(due.as_deref(), Some("0 0 1 * *"));
        let policy = params.policy();
        assert_eq!(policy.tolerance, U256::from(5_000_000_000_000_000_u64));
        assert_eq!(policy.band, U256::from(15_000_000_000_000_000_u64));
        assert_eq!(policy.deadline, Duration::from_secs(36 * 3_600));
        assert_eq!(policy.dust, Some(U256::from(20_000_000_000_000_000_u64)));
        assert_eq!(policy.feed_max_age, Duration::from_secs(7_200));
        let currencies: Vec<_> = policy.feeds.values().map(|feed| feed.currency).collect();
        assert_eq!(currencies, [None, Some(Currency::Usd)]);
    }

    #[test]
    fn what_is_wrong_is_told_with_what_is_expected() {
        let check = |table: Value, words: &str| {
            let error = parse(table).unwrap_err();
            assert!(error.contains(words), "{error}");
        };
        let zero = "0x0000000000000000000000000000000000000000";
        check(json!({ "set_token": zero }), "set_token is the zero address");
        check(json!({ "moduel": MODULE }), "unknown field `moduel`");
        check(json!({ "slippage_tolerance_percent": "0" }), "above \"0\" and at most \"10\"");
        check(json!({ "reference_band_percent": "10.5" }), "above \"0\" and at most \"10\"");
        check(json!({ "reference_band_percent": 2 }), "a decimal number in quotes");
        check(json!({ "deadline": "soon" }), "a length of time like \"6h\", not \"soon\"");
        check(json!({ "deadline": "0s" }), "a length of time");
        check(json!({ "feeds": { SET: "0x12" } }), "an aggregator's address");
        check(json!({ "feeds": { SET: format!("{FEED} EUR") } }), "ETH or USD");
    }
}
