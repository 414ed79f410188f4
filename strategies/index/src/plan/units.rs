//! Weights and prices into units of the index: exact integers, one rounding, downwards.
//!
//! ```text
//! NAV      = Σ unit · price / 10^decimals            what one whole index token is worth
//! target_i = floor( weight_i · NAV · (1 − haircut) · 10^decimals_i / price_i )
//! ```
//!
//! Source: the unit calculation of the index scripts, with each token's own decimals. The haircut is
//! what is left out for the cost of trading: without one the component that is bought last ends
//! short by the whole cost.

use alloy::primitives::{Address, U256, U512};

use crate::{
    decimal::{ONE, narrow},
    module::Overflow,
    plan::input::PRICE_DECIMALS,
};

/// Most decimals of a token.
pub const MAX_DECIMALS: u8 = 18;
/// How far the sum of all weights may be from 1, 18 decimals: 10^-9.
pub const SUM_TOLERANCE: u64 = 1_000_000_000;

/// One component with all that its target follows from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// The token.
    pub address: Address,
    /// Its symbol, for people.
    pub symbol: String,
    /// Its decimals, 0 to 18.
    pub decimals: u8,
    /// Base units per 10^18 of the index's supply; 0 for a new one.
    pub unit: U256,
    /// The share it shall have, 18 decimals; 0 to remove it.
    pub weight: U256,
    /// What a whole token costs, 36 decimals.
    pub price: U256,
    /// Where the price stood.
    pub price_source: String,
}

/// Value with the 36 decimals of prices and 18 more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Value(U512);

impl Value {
    /// Decimals of a value.
    pub const DECIMALS: usize = PRICE_DECIMALS + 18;

    /// What a number of base units is worth, exactly.
    ///
    /// # Errors
    /// [`Overflow`]; also for a token of more than 18 decimals.
    pub fn of(base_units: U256, component: &Component) -> Result<Self, Overflow> {
        const WHAT: Overflow = Overflow("a component's value");
        let finer = power(MAX_DECIMALS.checked_sub(component.decimals).ok_or(WHAT)?).ok_or(WHAT)?;
        let value = U512::from(base_units).checked_mul(U512::from(component.price));
        value.and_then(|value| value.checked_mul(finer)).map(Self).ok_or(WHAT)
    }

    /// The sum.
    ///
    /// # Errors
    /// [`Overflow`].
    pub fn sum(values: impl IntoIterator<Item = Self>) -> Result<Self, Overflow> {
        let mut sum = U512::ZERO;
        for Self(value) in values {
            sum = sum.checked_add(value).ok_or(Overflow("the net asset value"))?;
        }
        Ok(Self(sum))
    }

    /// The share of `whole` that this is, 18 decimals, rounded down; `None` of nothing.
    pub fn share_of(self, whole: Self) -> Option<U256> {
        narrow(self.0.checked_mul(U512::from(ONE))?.checked_div(whole.0)?)
    }

    /// Half of it, rounded down.
    #[must_use]
    pub fn half(self) -> Self {
        Self(self.0.wrapping_shr(1))
    }

    /// `supply` (18 decimals) times what one is worth, rounded down.
    ///
    /// # Errors
    /// [`Overflow`].
    pub fn times(self, supply: U256) -> Result<Self, Overflow> {
        let product = self.0.checked_mul(U512::from(supply));
        let value = product.and_then(|product| product.checked_div(U512::from(ONE)));
        value.map(Self).ok_or(Overflow("the value of the supply"))
    }

    /// As decimal text with all its decimals, without trailing zeros.
    pub fn exact(self) -> String {
        ballast_chains::amount::decimal(&self.0.to_string(), Self::DECIMALS)
    }

    /// As decimal text with two decimals, cut off.
    pub fn cents(self) -> String {
        let exact = self.exact();
        let (whole, fraction) = exact.split_once('.').unwrap_or((&exact, ""));
        let cents: String = fraction.chars().chain("00".chars()).take(2).collect();
        format!("{whole}.{cents}")
    }
}

/// What one whole index token is worth.
///
/// # Errors
/// [`Overflow`].
pub fn net_asset_value(components: &[Component]) -> Result<Value, Overflow> {
    let values = components.iter().map(|component| Value::of(component.unit, component));
    Value::sum(values.collect::<Result<Vec<_>, _>>()?)
}

/// The unit that each component goes to, in order, rounded down.
///
/// # Errors
/// [`Overflow`]; a haircut above 1 is one, too.
pub fn target_units(components: &[Component], haircut: U256) -> Result<Vec<U256>, Overflow> {
    let nav = net_asset_value(components)?;
    let target = |component: &Component| target_unit(component, nav, haircut);
    components.iter().map(|component| target(component).ok_or(Overflow("a target unit"))).collect()
}

fn target_unit(component: &Component, nav: Value, haircut: U256) -> Option<U256> {
    // weight/1e18 · nav/1e54 · kept/1e18 · 10^d · 1e36/price, in one fraction.
    let one = U512::from(ONE);
    let kept = U512::from(ONE.checked_sub(haircut)?);
    let numerator = nav.0.checked_mul(U512::from(component.weight))?;
    let numerator = numerator.checked_mul(kept)?.checked_mul(power(component.decimals)?)?;
    let denominator = U512::from(component.price).checked_mul(one)?.checked_mul(one)?;
    narrow(numerator.checked_div(denominator.checked_mul(one)?)?)
}

/// How far the sum of the weights is from 1, where that is too far: what it is.
pub fn wrong_sum<'a>(weights: impl IntoIterator<Item = &'a U256>) -> Option<U256> {
    let sum = weights.into_iter().try_fold(U256::ZERO, |sum, weight| sum.checked_add(*weight));
    let sum = sum.unwrap_or(U256::MAX);
    (sum.abs_diff(ONE) > U256::from(SUM_TOLERANCE)).then_some(sum)
}

fn power(decimals: u8) -> Option<U512> {
    U512::from(10).checked_pow(U512::from(decimals))
}

#[cfg(test)]
mod tests {
    use num_bigint::BigInt;
    use num_rational::BigRational;
    use proptest::prelude::*;

    use super::*;
    use crate::decimal::fixed;

    fn component(decimals: u8, unit: &str, weight: &str, price: &str) -> Component {
        Component {
            address: Address::repeat_byte(decimals),
            symbol: format!("T{decimals}"),
            decimals,
            unit: unit.parse().unwrap(),
            weight: fixed(weight, 18).unwrap(),
            price: fixed(price, PRICE_DECIMALS).unwrap(),
            price_source: String::new(),
        }
    }

    #[test]
    fn by_hand() {
        // One index token holds 0.5 ETH-like at 2,000 and 1,000 of a 6-decimal dollar: 2,000.
        let components = [
            component(18, "500000000000000000", "0.25", "2000"),
            component(6, "1000000000", "0.7", "1"),
            component(8, "0", "0.05", "30000"),
        ];
        assert_eq!(net_asset_value(&components).unwrap().exact(), "2000");
        let units = target_units(&components, U256::ZERO).unwrap();
        let text: Vec<String> = units.iter().map(U256::to_string).collect();
        // 100 / 30,000 of 8 decimals is 333,333.3…: rounded down.
        assert_eq!(text, ["250000000000000000", "1400000000", "333333"]);
        let less = target_units(&components, fixed("0.01", 18).unwrap()).unwrap();
        assert_eq!(less[1].to_string(), "1386000000");
    }

    #[test]
    fn values_are_text_people_can_read() {
        let dear = component(0, "3", "1", "12.345");
        let value = Value::of(dear.unit, &dear).unwrap();
        assert_eq!((value.exact(), value.cents()), ("37.035".into(), "37.03".into()));
        assert_eq!(value.times(fixed("0.5", 18).unwrap()).unwrap().exact(), "18.5175");
        assert_eq!(Value::sum([]).unwrap().cents(), "0.00");
        assert_eq!(value.share_of(Value::sum([]).unwrap()), None);
    }

    #[test]
    fn weights_have_to_add_up() {
        let w = |text: &str| fixed(text, 18).unwrap();
        assert_eq!(wrong_sum(&[w("0.3"), w("0.7")]), None);
        assert_eq!(wrong_sum(&[w("0.3"), w("0.699999999")]), None);
        assert_eq!(wrong_sum(&[w("0.3"), w("0.699999998")]), Some(w("0.999999998")));
        assert_eq!(
            wrong_sum(&[w("1"), w("0.000000001000000001")]),
            Some(w("1.000000001000000001"))
        );
        assert_eq!(wrong_sum([]), Some(U256::ZERO));
    }

    /// The same in exact rationals, from the definition.
    fn model(components: &[Component], haircut: &BigRational) -> Vec<BigInt> {
        let big = |u: U256| BigRational::from(u.to_string().parse::<BigInt>().unwrap());
        let ten = |n: u32| BigRational::from(BigInt::from(10).pow(n));
        let price = |c: &Component| big(c.price) / ten(36);
        let nav = components
            .iter()
            .map(|c| big(c.unit) * price(c) / ten(c.decimals.into()))
            .fold(BigRational::from(BigInt::from(0)), |sum, value| sum + value);
        let kept = BigRational::from(BigInt::from(1)) - haircut;
        let target = |c: &Component| {
            big(c.weight) / ten(18) * &nav * &kept * ten(c.decimals.into()) / price(c)
        };
        components.iter().map(|c| target(c).floor().to_integer()).collect()
    }

    fn any_component() -> impl Strategy<Value = Component> {
        // 20 orders of magnitude: prices from 10^-12 to 10^8.
        (0_u8..=18, 0_u128..1 << 100, 0_u64..=1_000_000_000, 1_u64..u64::MAX, 0_u32..20).prop_map(
            |(decimals, unit, weight, digits, magnitude)| Component {
                address: Address::ZERO,
                symbol: String::new(),
                decimals,
                unit: U256::from(unit),
                weight: U256::from(weight) * U256::from(1_000_000_000),
                price: U256::from(digits) * U256::from(10).pow(U256::from(magnitude + 5)),
                price_source: String::new(),
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]
        #[test]
        fn units_equal_those_of_exact_rationals(
            components in prop::collection::vec(any_component(), 1..20),
            haircut in 0_u64..=1_000_000,
        ) {
            let exact = BigRational::new(BigInt::from(haircut), BigInt::from(1_000_000));
            let haircut = U256::from(haircut) * U256::from(1_000_000_000_000_u64);
            let expected: Vec<String> =
                model(&components, &exact).iter().map(ToString::to_string).collect();
            let units = target_units(&components, haircut).unwrap();
            prop_assert_eq!(units.iter().map(U256::to_string).collect::<Vec<_>>(), expected);
        }

        /// What the targets are worth is never more than what is there.
        #[test]
        fn targets_never_cost_more_than_is_there(mut components in prop::collection::vec(any_component(), 2..10)) {
            let share = ONE / U256::from(components.len());
            for component in &mut components {
                component.weight = share;
            }
            let nav = net_asset_value(&components).unwrap();
            for (component, unit) in components.clone().iter_mut().zip(target_units(&components, U256::ZERO).unwrap()) {
                component.unit = unit;
                prop_assert!(Value::of(unit, component).unwrap() <= nav);
            }
            let after: Vec<Component> = components
                .iter()
                .zip(target_units(&components, U256::ZERO).unwrap())
                .map(|(component, unit)| Component { unit, ..component.clone() })
                .collect();
            prop_assert!(net_asset_value(&after).unwrap() <= nav);
        }
    }
}
