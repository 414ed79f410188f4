//! Where a month is going: what was spent, and what the rest of it costs at the pace of late.
//!
//! The pace is that of the last [`WINDOW`], or since the first transaction in it, but never of less
//! than [`LEAST`]: one dear transaction of a young product is no pace yet.
//!
//! While the forecast is above the budget, routine work is worth less per gas: its price is cut to
//! what keeps the rest of the month within what is left, `usual price × left ÷ what the rest would
//! cost`. That is how the budget's last days are not spent in its first dear ones.

use alloy::primitives::U256;
use ballast_strategy_api::decision::Timestamp;

use super::month::{DAY, Month};
use crate::money::Usd;

/// How far back the pace looks, seconds: 30 days.
pub const WINDOW: u64 = 30 * DAY;
/// The shortest time that counts as one, seconds: 7 days.
pub const LEAST: u64 = 7 * DAY;

/// What a product spent of late.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pace {
    /// The block time of the first of it.
    pub since: Timestamp,
    /// What had a price.
    pub usd: Usd,
    /// All of it, wei …
    pub wei: U256,
    /// … and the gas that it bought.
    pub gas: u128,
}

/// Where a month is going.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forecast {
    /// What was spent and what is pending.
    pub used: Usd,
    /// What the rest of the month costs at this pace, rounded up.
    pub rest: Usd,
}

impl Forecast {
    /// The month's end.
    pub fn total(self) -> Usd {
        self.used.plus(self.rest)
    }

    /// What is left of a budget, where that is less than the rest of the month costs.
    pub fn short_of(self, budget: Usd) -> Option<Usd> {
        let left = budget.less(self.used);
        (left < self.rest).then_some(left)
    }
}

impl Pace {
    /// Adds a transaction in a block of this time.
    pub fn add(&mut self, at: Timestamp, (usd, wei, gas): (Usd, U256, u64)) {
        if self.gas == 0 && self.wei.is_zero() {
            self.since = at;
        }
        self.since = self.since.min(at);
        self.usd = self.usd.plus(usd);
        self.wei = self.wei.saturating_add(wei);
        self.gas = self.gas.saturating_add(u128::from(gas));
    }

    /// Where the month that holds `now` is going, of which `used` is gone already.
    pub fn forecast(&self, now: Timestamp, used: Usd) -> Forecast {
        let rest = Month::of(now).end().saturating_sub(now);
        let over = now.saturating_sub(self.since).clamp(LEAST, WINDOW);
        let micro = self.usd.micro().saturating_mul(u128::from(rest));
        Forecast { used, rest: Usd::from_micros(micro.div_ceil(u128::from(over))) }
    }

    /// What a unit of gas has cost of late, wei, rounded up; `None` before the first.
    pub fn usual_price(&self) -> Option<u128> {
        (self.gas > 0).then(|| self.wei.div_ceil(U256::from(self.gas)).saturating_to())
    }
}

/// The most that a unit of gas of routine work should cost, wei, rounded down, where the forecast is
/// above the budget; `None` where it is not, or nothing is known to compare with. Never above the
/// usual price, and zero once nothing is left.
pub fn tight_price(pace: &Pace, forecast: Forecast, budget: Usd) -> Option<u128> {
    let left = forecast.short_of(budget)?;
    let usual = U256::from(pace.usual_price()?);
    // `rest` is above `left`, so above zero.
    let cut = usual.saturating_mul(U256::from(left.micro()));
    Some(cut.checked_div(U256::from(forecast.rest.micro()))?.saturating_to())
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "an overflow in a test is a failed test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 1 October 2026.
    const START: u64 = 1_790_812_800;
    const GWEI: u128 = 1_000_000_000;

    fn dollars(usd: u64) -> Usd {
        Usd::from_micro(usd * 1_000_000)
    }

    /// Ten days of ten dollars at 30 gwei.
    fn ten_days() -> Pace {
        let mut pace = Pace::default();
        for day in 0..10 {
            let wei = U256::from(1_000_000 * 30 * GWEI);
            pace.add(START + day * DAY, (dollars(10), wei, 1_000_000));
        }
        pace
    }

    #[test]
    fn a_month_goes_where_its_pace_goes() {
        let forecast = ten_days().forecast(START + 10 * DAY, dollars(100));
        // 21 days of 10 dollars are left of October.
        assert_eq!((forecast.rest, forecast.total()), (dollars(210), dollars(310)));
        assert_eq!(forecast.short_of(dollars(310)), None);
        assert_eq!(forecast.short_of(dollars(300)), Some(dollars(200)));
        assert_eq!(ten_days().usual_price(), Some(30 * GWEI));
    }

    #[test]
    fn a_tight_budget_buys_cheaper_gas() {
        let forecast = ten_days().forecast(START + 10 * DAY, dollars(100));
        assert_eq!(tight_price(&ten_days(), forecast, dollars(310)), None);
        assert_eq!(tight_price(&ten_days(), forecast, dollars(205)), Some(15 * GWEI));
        assert_eq!(tight_price(&ten_days(), forecast, dollars(100)), Some(0));
    }

    #[test]
    fn one_transaction_of_a_young_product_is_a_week() {
        let mut pace = Pace::default();
        pace.add(START + DAY, (dollars(70), U256::from(1), 1));
        let forecast = pace.forecast(START + DAY + 60, dollars(70));
        assert!(forecast.rest < dollars(300) && forecast.rest > dollars(299), "{forecast:?}");
        assert_eq!(Pace::default().forecast(START, Usd::ZERO).total(), Usd::ZERO);
        assert_eq!(Pace::default().usual_price(), None);
    }

    proptest! {
        /// The tighter, the cheaper; never dearer than usual; and work at that price for the rest
        /// of the month keeps to the budget.
        #[test]
        fn the_tighter_the_budget_the_cheaper_the_gas(
            spent in 0_u64..1_000_000_000_000, at in 0_u64..(31 * DAY), gas in 1_u64..50_000_000,
            gwei in 1_u128..3_000, used in 0_u64..1_000_000_000_000,
            budgets in (1_u64..1_000_000_000_000, 1_u64..1_000_000_000_000),
        ) {
            let mut pace = Pace::default();
            let wei = U256::from(u128::from(gas) * gwei * GWEI);
            pace.add(START, (Usd::from_micro(spent), wei, gas));
            let forecast = pace.forecast(START + at, Usd::from_micro(used));
            let of = |budget: u64| tight_price(&pace, forecast, Usd::from_micro(budget));
            let usual = pace.usual_price().unwrap();
            let (low, high) = (budgets.0.min(budgets.1), budgets.0.max(budgets.1));
            prop_assert!(of(low).unwrap_or(usual) <= of(high).unwrap_or(usual));
            for budget in [low, high] {
                let fits = forecast.total() <= Usd::from_micro(budget);
                prop_assert_eq!(of(budget).is_none(), fits);
                if let Some(price) = of(budget) {
                    prop_assert!(price <= usual);
                    // rest × price ÷ usual ≤ left, by cross-multiplication.
                    let left = Usd::from_micro(budget).less(Usd::from_micro(used)).micro();
                    prop_assert!(U256::from(forecast.rest.micro()) * U256::from(price)
                        <= U256::from(left) * U256::from(usual));
                }
            }
        }

        /// More spent, or sooner, is never a lower forecast.
        #[test]
        fn more_spent_is_never_a_lower_forecast(
            spent in 0_u64..1_000_000_000_000, more in 0_u64..1_000_000_000, at in 0_u64..(31 * DAY),
        ) {
            let forecast = |micro| {
                let mut pace = Pace::default();
                pace.add(START, (Usd::from_micro(micro), U256::ONE, 1));
                pace.forecast(START + at, Usd::from_micro(micro)).total()
            };
            prop_assert!(forecast(spent) <= forecast(spent + more));
            prop_assert!(forecast(spent) >= Usd::from_micro(spent));
        }
    }
}
