//! Amounts of the native currency as exact decimal text, for people. Nothing is rounded: what is
//! shown can be checked against the chain to the wei.

use alloy::primitives::U256;

const GWEI_DECIMALS: usize = 9;
const ETHER_DECIMALS: usize = 18;

/// Wei as whole coins: `0.5`, `12`, `0.000000000000000001`.
pub fn ether(wei: U256) -> String {
    decimal(&wei.to_string(), ETHER_DECIMALS)
}

/// Wei (per gas, as a rule) as gwei: `30`, `0.001`.
pub fn gwei(wei: u128) -> String {
    decimal(&wei.to_string(), GWEI_DECIMALS)
}

/// An integer's digits as a decimal number with this many decimals, without trailing zeros.
pub fn decimal(digits: &str, decimals: usize) -> String {
    let width = decimals.saturating_add(1);
    let padded = format!("{digits:0>width$}");
    let (whole, fraction) = padded.split_at(padded.len().saturating_sub(decimals));
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_text() {
        let cases = [
            ("0", "0"),
            ("1", "0.000000000000000001"),
            ("500000000000000000", "0.5"),
            ("1000000000000000000", "1"),
            ("123456789012345678901", "123.456789012345678901"),
        ];
        for (wei, expected) in cases {
            assert_eq!(ether(wei.parse().unwrap()), expected);
        }
        assert_eq!(
            ether(U256::MAX),
            "115792089237316195423570985008687907853269984665640564039457.584007913129639935"
        );
        assert_eq!(gwei(30_000_000_000), "30");
        assert_eq!(gwei(1_000_000), "0.001");
        assert_eq!(gwei(0), "0");
    }
}
