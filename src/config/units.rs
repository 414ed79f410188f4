//! Amounts, prices, durations and percentages as people write them, parsed exactly.
//!
//! No float takes part: a decimal is digits and a scale, and what does not fit the scale is
//! refused, never rounded.

use std::time::Duration;

use alloy::primitives::U256;

/// Decimals of a percentage that count: hundredths of a percent.
const PERCENT_DECIMALS: usize = 2;
/// Decimals of US dollars that count.
const USD_DECIMALS: usize = 6;

/// Wei of an amount with its unit: `"30 gwei"`, `"0.5 ether"`, `"1 wei"`. A number alone is
/// refused, since wei for gwei is wrong by a billion. `None` if it is not such an amount, is not a
/// whole number of wei, or does not fit 256 bits.
pub(super) fn amount(text: &str) -> Option<U256> {
    let text = text.trim();
    let at = text.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
    let (number, unit) = text.split_at_checked(at)?;
    let decimals = match unit.trim() {
        "wei" => 0,
        "gwei" => 9,
        "ether" => 18,
        _ => return None,
    };
    decimal(number, decimals)
}

/// An amount as a price per gas.
pub(super) fn gas_price(text: &str) -> Option<u128> {
    amount(text)?.try_into().ok()
}

/// Hundredths of a percent: `"12.5"` is 1250.
pub(super) fn percent_bps(text: &str) -> Option<u32> {
    decimal(text.trim(), PERCENT_DECIMALS)?.try_into().ok()
}

/// Millionths of a dollar: `"99.5"` is 99500000. `None` if it is not a plain decimal number with
/// at most six decimals, or does not fit 64 bits.
pub(super) fn micro_usd(text: &str) -> Option<u64> {
    decimal(text.trim(), USD_DECIMALS)?.try_into().ok()
}

/// A duration such as `"12s"`, `"500ms"` or `"1m 30s"`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    humantime::parse_duration(text.trim()).ok()
}

/// `digits.digits` times ten to the power of `decimals`, exactly.
fn decimal(text: &str, decimals: usize) -> Option<U256> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let zeros = decimals.checked_sub(fraction.len())?;
    let digits = format!("{whole}{fraction}{}", "0".repeat(zeros));
    U256::from_str_radix(&digits, 10).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact() {
        for (text, wei) in [
            ("30 gwei", 30_000_000_000_u128),
            ("30gwei", 30_000_000_000),
            ("0.001 gwei", 1_000_000),
            ("0.5 ether", 500_000_000_000_000_000),
            ("0.100000000000000001 ether", 100_000_000_000_000_001),
            ("1.50 wei", u128::MAX),
            ("7 wei", 7),
            ("0 gwei", 0),
            ("007 wei", 7),
        ] {
            let expected = (wei != u128::MAX).then(|| U256::from(wei));
            assert_eq!(amount(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_an_amount_is_refused() {
        for text in [
            "",
            "30",
            "gwei",
            " gwei",
            "30 gwie",
            "-1 gwei",
            "+1 gwei",
            "1e9 wei",
            "1,5 gwei",
            ".5 gwei",
            "5. gwei",
            "1.2.3 gwei",
            "1_000 gwei",
            "0.1 wei",
            "0.0000000001 gwei",
            "1 gwei 2",
            "NaN ether",
            "٣ gwei",
            "1 Gwei",
        ] {
            assert_eq!(amount(text), None, "{text}");
        }
        assert_eq!(amount(&format!("1{} ether", "0".repeat(80))), None, "too big");
        assert_eq!(gas_price(&format!("1{} wei", "0".repeat(39))), None, "too big for a price");
    }

    #[test]
    fn dollars_keep_six_decimals() {
        assert_eq!(micro_usd("30000"), Some(30_000_000_000));
        assert_eq!(micro_usd("99.5"), Some(99_500_000));
        assert_eq!(micro_usd("0.000001"), Some(1));
        for text in ["0.0000001", "-1", "1e3", "1 USD", "$1", "", "NaN", "99999999999999"] {
            assert_eq!(micro_usd(text), None, "{text}");
        }
    }

    #[test]
    fn percentages_keep_two_decimals() {
        assert_eq!(percent_bps("12.5"), Some(1250));
        assert_eq!(percent_bps("10"), Some(1000));
        assert_eq!(percent_bps("12.505"), None);
        assert_eq!(percent_bps("12.50"), Some(1250));
        assert_eq!(percent_bps("inf"), None);
    }
}
