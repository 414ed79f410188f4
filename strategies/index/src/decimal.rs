//! Decimal numbers of people's files as exact fixed-point integers. No float is ever between.

use alloy::primitives::{U256, U512, uint};
use thiserror::Error;

/// 1 in 18-decimal fixed point: a weight of 100 %, a unit of one token of 18 decimals.
pub const ONE: U256 = uint!(1_000_000_000_000_000_000_U256);

/// A product that was worked out in twice the width, if it fits.
pub fn narrow(wide: U512) -> Option<U256> {
    U256::checked_from_limbs_slice(wide.as_limbs())
}

/// Most digits of a number, before and after the point together; more cannot be a price or weight.
const MAX_DIGITS: usize = 70;

/// Why a text is no number that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotDecimal {
    /// Empty, signed, with an exponent, a comma, a second point, letters.
    #[error("is no plain decimal number, such as 0.25")]
    Form,
    /// Would have to be rounded.
    #[error("has more than {0} decimals")]
    TooFine(usize),
    /// Does not fit.
    #[error("is too large")]
    TooLarge,
}

/// `text` × 10^`decimals`, exactly.
///
/// # Errors
/// [`NotDecimal`]: nothing is rounded to make it fit.
pub fn fixed(text: &str, decimals: usize) -> Result<U256, NotDecimal> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return Err(NotDecimal::Form);
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > decimals {
        return Err(NotDecimal::TooFine(decimals));
    }
    let digits = format!("{}{fraction:0<decimals$}", whole.trim_start_matches('0'));
    if digits.len() > MAX_DIGITS {
        return Err(NotDecimal::TooLarge);
    }
    if digits.is_empty() {
        return Ok(U256::ZERO);
    }
    U256::from_str_radix(&digits, 10).map_err(|_| NotDecimal::TooLarge)
}

/// A share in 18-decimal fixed point, written as a fraction (`0.25`) or in percent (`25%`).
///
/// # Errors
/// [`NotDecimal`]: a share of more than 18 decimals (16 in percent) is refused, not rounded.
pub fn share(text: &str) -> Result<U256, NotDecimal> {
    match text.strip_suffix('%') {
        Some(percent) => fixed(percent.trim_end(), 16),
        None => fixed(text, 18),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn u(text: &str) -> U256 {
        text.parse().unwrap()
    }

    #[test]
    fn numbers_are_exact() {
        for (text, decimals, expected) in [
            ("0", 18, "0"),
            ("0.0", 18, "0"),
            ("000", 0, "0"),
            ("1", 0, "1"),
            ("1.50", 1, "15"),
            ("0.000000000000000001", 18, "1"),
            ("007.25", 2, "725"),
            ("1832.01", 36, "1832010000000000000000000000000000000000"),
        ] {
            assert_eq!(fixed(text, decimals), Ok(u(expected)), "{text}");
        }
    }

    #[test]
    fn a_share_is_a_fraction_or_percent() {
        assert_eq!(share("0.25"), share("25%"));
        assert_eq!(share("12.5 %"), Ok(u("125000000000000000")));
        assert_eq!(share("0.0000000000000001%"), Ok(U256::ONE));
        assert_eq!(share("0.00000000000000001%"), Err(NotDecimal::TooFine(16)));
    }

    #[test]
    fn what_is_no_exact_number_is_refused() {
        for text in
            ["", ".", "1.", ".5", "-1", "+1", "1e3", "1_0", "1,5", " 1", "0x1", "1.2.3", "½"]
        {
            assert_eq!(fixed(text, 18), Err(NotDecimal::Form), "{text:?}");
        }
        assert_eq!(fixed("1.123", 2), Err(NotDecimal::TooFine(2)));
        assert_eq!(fixed(&"9".repeat(60), 18), Err(NotDecimal::TooLarge));
    }
}
