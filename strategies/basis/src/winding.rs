//! Whether an operator is winding the product down.
//!
//! A step of `disengage` leaves the ratio nearer to zero than the lower bound, and to the extension
//! that looks like a product that wants leverage. Nothing in its state says which it is. But no
//! action of a keeper ends there: so if the last trade did, by the price of its own second, it was an
//! operator's. A ratio that a price has carried out of its bounds was inside them after that trade.

use alloy::primitives::{U256, uint};
use ballast_chains::BlockReader;

use crate::{
    books::Books,
    contracts::IPriceFeed::getPriceCall,
    deployment::Deployment,
    ratio::{precise_div, precise_mul},
};

/// How long after a trade it is looked at: feeds walk back over all rounds since. 1 day.
pub const LOOK_BACK: U256 = uint!(86_400_U256);
/// How far below the bound fees and price impact may leave a trade that went to it: 2 %.
const SLACK: U256 = uint!(980_000_000_000_000_000_U256);

/// The magnitude at which the last trade left the product; one round of reads. `None` where the feed
/// does not reach back so far, or does not say.
pub async fn left_at(
    product: &Deployment,
    books: &Books,
    age: U256,
    at: &BlockReader,
) -> Option<U256> {
    if age.is_zero() || age > LOOK_BACK {
        return None;
    }
    // The price of one second, from the averages since its beginning and since its end. Alone: over
    // many rounds this is dear.
    let feed = product.settings.baseUSDPriceOracle;
    let later = age.checked_sub(U256::ONE)?;
    let (since, after) = futures::try_join!(
        at.call_isolated(feed, getPriceCall { interval: age }),
        at.call_isolated(feed, getPriceCall { interval: later }),
    )
    .ok()?;
    let then = since.checked_mul(age)?.checked_sub(after.checked_mul(later)?)?;
    magnitude(books, then.checked_mul(product.price_scale)?)
}

/// The magnitude that the product had at another price; funding, which is younger, left out.
fn magnitude(books: &Books, price: U256) -> Option<U256> {
    let account = U256::try_from(books.account_value()?).ok()?.checked_sub(books.funding()?)?;
    let value = precise_mul(books.size.unsigned_abs(), price)?;
    let account = account.checked_add(books.short_value()?)?.checked_sub(value)?;
    precise_div(value, account)
}

/// Whether a trade that left the product there was none of a keeper's.
pub fn is_operators(left_at: U256, min: U256) -> bool {
    precise_mul(min, SLACK).is_some_and(|least| left_at < least)
}

#[cfg(test)]
mod tests {
    use alloy::primitives::utils::parse_ether;

    use super::*;
    use crate::decide::tests::books;

    fn fixed(text: &str) -> U256 {
        parse_ether(text).unwrap()
    }

    #[test]
    fn a_fall_in_price_is_told_from_a_trade() {
        // 50 ETH short at 1,000 dollars and 0.8; at 1,100 dollars it was 0.978 (and a little more for
        // the 100 dollars of funding).
        let books = books("0.8");
        let same = magnitude(&books, fixed("1000")).unwrap();
        assert!(same.abs_diff(fixed("0.8")) < fixed("0.002"), "{same}");
        let before = magnitude(&books, fixed("1100")).unwrap();
        assert!(before.abs_diff(fixed("0.957")) < fixed("0.003"), "{before}");
        assert!(is_operators(same, fixed("0.95")) && !is_operators(before, fixed("0.95")));
        assert!(!is_operators(fixed("0.94"), fixed("0.95")), "fees and impact");
        assert_eq!(magnitude(&books, fixed("1000000")), None);
    }
}
