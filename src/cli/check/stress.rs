//! Whether a hard budget can pay for the day that it is there for.
//!
//! A stress day is as much gas as the product took on the busiest day of its last year, and at least
//! ten calls of a million, all at the most that an emergency may offer. A budget below that ends
//! such a day before the market does: it contradicts the cap of the chain file, and one of both is
//! a mistake.

use alloy::primitives::U256;
use ballast_chains::{amount, feeds::Price};

use crate::{clock, finance::runway::history, money::Usd, runtime::ProductSpec, store::Store};

/// Gas of a stress day where the past has no busier one: ten calls of a million.
const STRESS_GAS: u64 = 10_000_000;

/// What is wrong with a product's hard budget, if anything is.
pub(super) async fn problem(
    spec: &ProductSpec,
    price: Price,
    store: Option<&Store>,
) -> Option<String> {
    let budget = spec.config.limits.hard_budget?;
    let most = match store {
        Some(store) => {
            let of = (spec.config.name.as_str(), spec.profile.chain_id);
            // A store of an older version has no ledger yet.
            history(store, of, clock::now()).await.map_or(0, |history| history.most_gas())
        }
        None => 0,
    };
    let per_gas = spec.profile.fees.emergency_max_fee_per_gas;
    shortfall(budget, most, per_gas, price)
}

fn shortfall(budget: Usd, most: u64, per_gas: u128, price: Price) -> Option<String> {
    let gas = most.max(STRESS_GAS);
    let cost = Usd::cost(U256::from(gas).saturating_mul(U256::from(per_gas)), price);
    (budget < cost).then(|| {
        format!(
            "hard_budget_usd = {budget} cannot pay one stress day: {gas} gas at \
             fees.emergency_max_fee_per_gas of {} gwei cost {cost} USD",
            amount::gwei(per_gas)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_has_to_pay_the_busiest_day_at_the_highest_price() {
        let price = Price::from_fixed18(U256::from(2_000) * U256::from(10_u64.pow(18))).unwrap();
        let (gwei, dollar) = (1_000_000_000_u128, 1_000_000_u64);
        let of = |budget: u64, most| {
            shortfall(Usd::from_micro(budget * dollar), most, 3_000 * gwei, price)
        };
        // 10 million gas at 3,000 gwei are 30 coins.
        assert_eq!(of(60_000, 0), None);
        assert!(of(59_999, 0).unwrap().contains("10000000 gas"));
        let busy = of(60_000, 20_000_000).unwrap();
        assert!(busy.contains("20000000 gas") && busy.contains("120000 USD"), "{busy}");
        assert_eq!(of(120_000, 20_000_000), None);
    }
}
