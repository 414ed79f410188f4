//! How long a wallet lasts.
//!
//! The past is played again: from each day of the last year on, how many days would the balance of
//! today have paid for? (Where the year ends it begins anew.) That gives as many answers as days,
//! with dear days next to each other as they were, rather than an average that no dear day is in.
//! *p50* is the middle answer; *p95* is what 95 of 100 of them reach. A year's worst days are always
//! in it: that is what a reserve is for.

use alloy::primitives::U256;
use ballast_strategy_api::Strategy as _;
use serde::{Serialize, Serializer};

use super::{
    month::DAY,
    sums::{DayCost, days},
};
use crate::{
    config::{ProductConfig, WalletSource},
    ledger::external::External,
    store::{Store, StoreError},
};

/// Days of the past that are played.
pub const HISTORY: u64 = 365;
/// Fewer days tell too little to raise an alarm.
pub const LEAST_HISTORY: u64 = 7;
/// Days that a top-up is for.
pub const TOP_UP_DAYS: usize = 30;
/// Longest that is told apart, days: ten years.
const HORIZON: u64 = 3_650;

/// How long a balance lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lasts {
    /// So many whole days.
    Days(u64),
    /// Longer than ten years, or nothing was ever spent.
    Beyond,
}

impl Lasts {
    /// Whether it is less than that.
    pub fn is_below(self, days: u64) -> bool {
        self < Self::Days(days)
    }

    /// In words: `12`, `> 3650`.
    pub fn text(self) -> String {
        match self {
            Self::Days(days) => days.to_string(),
            Self::Beyond => format!("> {HORIZON}"),
        }
    }

    /// Days, at most ten years of them.
    pub fn days(self) -> u64 {
        match self {
            Self::Days(days) => days,
            Self::Beyond => HORIZON,
        }
    }
}

/// A number of days; `null` beyond ten years.
impl Serialize for Lasts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Days(days) => serializer.serialize_some(days),
            Self::Beyond => serializer.serialize_none(),
        }
    }
}

/// What each day of the past cost, days without a transaction too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    days: Vec<U256>,
    /// Most gas that one of them took.
    most_gas: u64,
}

/// How long a wallet lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Runway {
    /// Days of the past that this is from.
    pub history_days: u64,
    /// The middle answer.
    pub p50_days: Lasts,
    /// What 95 of 100 answers reach.
    pub p95_days: Lasts,
    /// What the dearest day cost, wei.
    #[serde(serialize_with = "decimal")]
    pub dearest_day_wei: U256,
    /// What an average day cost, wei, rounded up.
    #[serde(serialize_with = "decimal")]
    pub mean_day_wei: U256,
}

/// An amount as decimal text.
pub(crate) fn decimal<S: Serializer>(amount: &U256, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}

impl History {
    /// The whole days before `today` (in days since 1970), from the first with a transaction on, and
    /// no more than [`HISTORY`].
    pub fn new(days: &[DayCost], today: u64) -> Self {
        let first = today.saturating_sub(HISTORY);
        let known: Vec<&DayCost> =
            days.iter().filter(|day| (first..today).contains(&day.day)).collect();
        let begin = known.iter().map(|day| day.day).min().unwrap_or(today);
        let length = usize::try_from(today.saturating_sub(begin)).unwrap_or_default();
        let mut all = vec![U256::ZERO; length];
        for day in &known {
            let index = usize::try_from(day.day.saturating_sub(begin)).unwrap_or(usize::MAX);
            if let Some(cost) = all.get_mut(index) {
                *cost = cost.saturating_add(day.wei);
            }
        }
        let most_gas = known.iter().map(|day| day.gas).max().unwrap_or_default();
        Self { days: all, most_gas }
    }

    /// Most gas that one of its days took.
    pub fn most_gas(&self) -> u64 {
        self.most_gas
    }

    /// How long a balance lasts; `None` without a past.
    pub fn runway(&self, balance: U256) -> Option<Runway> {
        let length = u64::try_from(self.days.len()).ok().filter(|length| *length > 0)?;
        let total = self.days.iter().fold(U256::ZERO, |sum, day| sum.saturating_add(*day));
        let mut answers: Vec<Lasts> =
            (0..self.days.len()).map(|start| self.lasts(balance, start, total)).collect();
        answers.sort_unstable();
        let count = answers.len();
        let at = |index: usize| answers.get(index).copied().unwrap_or(Lasts::Beyond);
        let below = count.saturating_mul(5).checked_div(100).unwrap_or_default();
        let middle = count.saturating_sub(1).checked_div(2).unwrap_or_default();
        Some(Runway {
            history_days: length,
            p50_days: at(middle),
            p95_days: at(below),
            dearest_day_wei: self.days.iter().copied().max().unwrap_or_default(),
            mean_day_wei: total.div_ceil(U256::from(length)),
        })
    }

    /// Whole days that a balance pays for, from this day of the past on.
    fn lasts(&self, balance: U256, start: usize, total: U256) -> Lasts {
        let (Some(rounds), Some(mut rest)) =
            (balance.checked_div(total), balance.checked_rem(total))
        else {
            return Lasts::Beyond;
        };
        let (before, from) = self.days.split_at_checked(start).unwrap_or((&[], &self.days));
        let mut days: u64 = 0;
        for cost in from.iter().chain(before) {
            let Some(left) = rest.checked_sub(*cost) else { break };
            rest = left;
            days = days.saturating_add(1);
        }
        let length = u64::try_from(self.days.len()).unwrap_or(u64::MAX);
        let all = rounds.saturating_to::<u64>().saturating_mul(length).saturating_add(days);
        if all > HORIZON { Lasts::Beyond } else { Lasts::Days(all) }
    }

    /// What the dearest [`TOP_UP_DAYS`] in a row cost, wei. Where the past ends it begins anew, as
    /// often as it takes: so what lasts shorter by [`runway`](Self::runway) holds less than this.
    pub fn dearest_month(&self) -> U256 {
        fn sum<'a>(days: impl Iterator<Item = &'a U256>) -> U256 {
            days.fold(U256::ZERO, |sum, day| sum.saturating_add(*day))
        }
        let length = self.days.len();
        let (Some(rounds), Some(rest)) =
            (TOP_UP_DAYS.checked_div(length), TOP_UP_DAYS.checked_rem(length))
        else {
            return U256::ZERO;
        };
        let from = |start: usize| sum(self.days.iter().cycle().skip(start).take(rest));
        let dearest = (0..length).map(from).max().unwrap_or_default();
        sum(self.days.iter()).saturating_mul(U256::from(rounds)).saturating_add(dearest)
    }
}

/// The past of a product on a chain, up to the day that holds `now`.
///
/// # Errors
/// When the store cannot be read.
pub async fn history(store: &Store, of: (&str, u64), now: u64) -> Result<History, StoreError> {
    let today = now.checked_div(DAY).unwrap_or_default();
    let since = today.saturating_sub(HISTORY).saturating_mul(DAY);
    Ok(History::new(&days(store, of, since).await?, today))
}

/// Whether a product's wallet is for us to fill: one that signs here, or one that people act with.
/// One that is only watched for a take-over is somebody else's.
pub fn is_ours(product: &ProductConfig) -> bool {
    !matches!(product.wallet, WalletSource::WatchOnly(_)) || product.strategy == External::KIND
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "an overflow in a test is a failed test")]
mod tests {
    use alloy::primitives::uint;
    use proptest::prelude::*;

    use super::*;

    const ETHER: U256 = uint!(1_000_000_000_000_000_000_U256);

    fn history(days: &[u64]) -> History {
        let days: Vec<DayCost> = (100..)
            .zip(days)
            .map(|(day, wei)| DayCost { day, gas: *wei, wei: U256::from(*wei) })
            .collect();
        History::new(&days, 100 + u64::try_from(days.len()).unwrap())
    }

    fn lasts(balance: u64, days: &[u64]) -> (Lasts, Lasts) {
        let runway = history(days).runway(U256::from(balance)).unwrap();
        (runway.p50_days, runway.p95_days)
    }

    #[test]
    fn a_steady_past_is_divided() {
        assert_eq!(lasts(100, &[10; 20]), (Lasts::Days(10), Lasts::Days(10)));
        assert_eq!(lasts(9, &[10; 20]), (Lasts::Days(0), Lasts::Days(0)));
        assert_eq!(lasts(209, &[10; 20]), (Lasts::Days(20), Lasts::Days(20)));
    }

    #[test]
    fn a_stress_day_is_in_the_worst_answers_and_not_in_the_middle() {
        let mut days = [10; 100];
        days[50] = 1_000;
        // 200 pay for 20 days, unless the stress day is among them: then the wallet ends before it.
        assert_eq!(lasts(200, &days), (Lasts::Days(20), Lasts::Days(5)));
        assert_eq!(history(&days).runway(U256::ZERO).unwrap().dearest_day_wei, U256::from(1_000));
    }

    #[test]
    fn what_never_spends_never_ends_and_no_past_says_nothing() {
        assert_eq!(lasts(1, &[0; 10]), (Lasts::Beyond, Lasts::Beyond));
        assert_eq!(lasts(u64::MAX, &[1; 10]), (Lasts::Beyond, Lasts::Beyond));
        assert_eq!(History::default().runway(ETHER), None);
        assert!(!Lasts::Beyond.is_below(3_000) && Lasts::Days(6).is_below(7));
    }

    #[test]
    fn the_past_is_the_whole_days_of_a_year_from_its_first_transaction_on() {
        let cost = |day, wei| DayCost { day, gas: 1, wei: U256::from(wei) };
        let days =
            [cost(1_000 - 366, 9), cost(998, 3), cost(998, 4), cost(1_000, 8), cost(1_001, 8)];
        let history = History::new(&days, 1_000);
        assert_eq!(history.days, [U256::from(7), U256::ZERO]);
        let old = History::new(&[cost(1_000 - 365, 1), cost(999, 1)], 1_000);
        assert_eq!(old.days.len(), 365);
    }

    /// Day by day, without dividing.
    fn slowly(balance: u64, days: &[u64], start: usize) -> u64 {
        let (mut rest, mut lasted) = (balance, 0_u64);
        for cost in days.iter().cycle().skip(start) {
            match rest.checked_sub(*cost) {
                Some(left) if lasted < 4_000 => (rest, lasted) = (left, lasted + 1),
                _ => break,
            }
        }
        lasted
    }

    #[test]
    fn the_dearest_month_goes_on_where_the_past_begins_anew() {
        let mut days = vec![0; 60];
        days[59] = 5;
        days[0] = 7;
        days[30] = 1;
        assert_eq!(history(&days).dearest_month(), U256::from(12));
        // Thirty of two days are each of them fifteen times.
        assert_eq!(history(&[1, 2]).dearest_month(), U256::from(45));
        // Of twenty, with the ten dear ones twice.
        let days: Vec<u64> = (0..20).map(|day| if day < 10 { 3 } else { 1 }).collect();
        assert_eq!(history(&days).dearest_month(), U256::from(70));
        assert_eq!(History::default().dearest_month(), U256::ZERO);
    }

    proptest! {
        #[test]
        fn it_lasts_as_long_as_day_by_day(
            days in proptest::collection::vec(0_u64..50, 1..40), balance in 0_u64..2_000,
        ) {
            prop_assume!(days.iter().any(|day| *day > 0) && days[0] > 0);
            let known = history(&days).runway(U256::from(balance)).unwrap();
            let mut answers: Vec<u64> =
                (0..days.len()).map(|start| slowly(balance, &days, start)).collect();
            answers.sort_unstable();
            let reach = |days: u64| answers.iter().filter(|answer| **answer >= days).count();
            let beyond = |lasts: Lasts, days: u64| {
                if days > HORIZON { lasts == Lasts::Beyond } else { lasts == Lasts::Days(days) }
            };
            prop_assert!(beyond(known.p50_days, answers[(answers.len() - 1) / 2]));
            prop_assert!(known.p95_days <= known.p50_days);
            if let Lasts::Days(days) = known.p95_days {
                prop_assert!(reach(days) * 100 >= 95 * answers.len());
                prop_assert!(reach(days + 1) * 100 < 95 * answers.len()
                    || answers.len() * 5 / 100 == 0 || answers.contains(&days));
            }
        }

        /// Whoever is told that a wallet is low is told as well what it is missing.
        #[test]
        fn what_lasts_shorter_than_a_month_holds_less_than_the_dearest_costs(
            days in proptest::collection::vec(0_u64..50, 1..80), balance in 0_u64..1_500,
        ) {
            let history = history(&days);
            let lasts = history.runway(U256::from(balance)).map(|runway| runway.p95_days);
            if lasts.is_some_and(|lasts| lasts.is_below(u64::try_from(TOP_UP_DAYS).unwrap())) {
                prop_assert!(history.dearest_month() > U256::from(balance));
            }
        }

        /// More money never lasts shorter.
        #[test]
        fn more_money_never_lasts_shorter(
            days in proptest::collection::vec(0_u64..50, 1..40), balance in 0_u64..2_000,
            more in 0_u64..500,
        ) {
            let of = |balance: u64| history(&days).runway(U256::from(balance));
            let (less, more) = (of(balance), of(balance + more));
            prop_assert_eq!(less.is_some(), more.is_some());
            if let (Some(less), Some(more)) = (less, more) {
                prop_assert!(less.p50_days <= more.p50_days && less.p95_days <= more.p95_days);
            }
        }
    }
}
