//! Amounts as people read them: grouped digits, few decimals, rounded the way the amount is.

use alloy::primitives::U256;
use ballast_chains::amount::decimal;

use crate::money::Usd;

/// Decimals of dollars and of coins, as they are kept.
const USD_DECIMALS: u32 = 6;
const COIN_DECIMALS: u32 = 18;
/// The same as they are shown.
const USD_SHOWN: u32 = 2;
const COINS_SHOWN: u32 = 6;

/// What the tables say of themselves.
pub(super) const SHOWN_ROUNDED: &str = "Shown here: costs rounded up to a cent and to 6 decimals of a coin, \
    income rounded down; csv and json have every wei.";

/// Which way what is not shown goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Round {
    /// What something cost.
    Up,
    /// What came in.
    Down,
}

/// Dollars with cents: `1,234.57`.
pub(super) fn usd(amount: Usd, round: Round) -> String {
    fixed(U256::from(amount.micro()), (USD_DECIMALS, USD_SHOWN), round)
}

/// Wei in coins with six decimals: `0.031416`.
pub(super) fn coins(wei: U256, round: Round) -> String {
    fixed(wei, (COIN_DECIMALS, COINS_SHOWN), round)
}

/// Wei in coins, exactly: `0.031415926535897932`.
pub(super) fn exact_coins(wei: U256) -> String {
    ballast_chains::amount::ether(wei)
}

/// A count with its digits in groups: `1,234,567`.
pub(super) fn count(number: u128) -> String {
    grouped(&number.to_string())
}

fn fixed(amount: U256, (decimals, shown): (u32, u32), round: Round) -> String {
    let dropped = U256::from(10).saturating_pow(U256::from(decimals.saturating_sub(shown)));
    let kept = match round {
        Round::Up => amount.div_ceil(dropped),
        Round::Down => amount.checked_div(dropped).unwrap_or_default(),
    };
    let places = usize::try_from(shown).unwrap_or_default();
    let text = decimal(&kept.to_string(), places);
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    format!("{}.{fraction:0<places$}", grouped(whole))
}

fn grouped(digits: &str) -> String {
    let length = digits.chars().count();
    let mut text = String::with_capacity(length.saturating_mul(2));
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && length.saturating_sub(index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "an overflow in a test is a failed test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_are_rounded_the_way_they_are_meant() {
        let micro = Usd::from_micro;
        assert_eq!(usd(micro(0), Round::Up), "0.00");
        assert_eq!(usd(micro(1), Round::Up), "0.01");
        assert_eq!(usd(micro(1), Round::Down), "0.00");
        assert_eq!(usd(micro(1_234_567_891_234), Round::Up), "1,234,567.90");
        assert_eq!(usd(micro(1_234_567_891_234), Round::Down), "1,234,567.89");
        assert_eq!(coins(U256::from(1), Round::Up), "0.000001");
        assert_eq!(coins(U256::from(1_500_000_000_000_000_000_u64), Round::Down), "1.500000");
        assert_eq!(exact_coins(U256::from(1)), "0.000000000000000001");
        assert_eq!(
            [count(0), count(999), count(1_000), count(12_345_678)],
            ["0", "999", "1,000", "12,345,678"]
        );
    }

    proptest! {
        #[test]
        fn what_is_shown_is_within_a_cent(micro in any::<u64>()) {
            let cents = |text: String| text.replace([',', '.'], "").parse::<u128>().unwrap();
            let (up, down) = (cents(usd(Usd::from_micro(micro), Round::Up)),
                cents(usd(Usd::from_micro(micro), Round::Down)));
            prop_assert!(up * 10_000 >= u128::from(micro) && down * 10_000 <= u128::from(micro));
            prop_assert!(up - down <= 1);
        }
    }
}
