//! An independent model of a product on Compound: the extension's views and its `rebalance`, written from
//! the contract's rules rather than from this crate's code, and a property test that holds the
//! decision against it.
//!
//! What the helper view says and what the action itself demands are two rules in the contract,
//! and two here: the snapshot is made from the first, the expected outcome from the second.

use std::{
    cmp::{max, min},
    collections::BTreeMap,
};

use alloy::primitives::{Address, U256, address, uint};
use ballast_chains::Revert;
use ballast_strategy_api::{Decision, Urgency};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

use super::{decide, tests::product};
use crate::{
    contracts::ILeverageStrategyExtension::{
        ExchangeSettings, IncentiveSettings, MethodologySettings,
    },
    ratio::Position,
    snapshot::{Exchange, Live, Market, ShouldRebalance, Sizing, Snapshot},
};

const UNIT: U256 = uint!(1_000_000_000_000_000_000_U256);
/// USDC at one dollar: Compound scales a price by 36 minus the token's decimals.
const BORROW_PRICE: U256 = uint!(1_000_000_000_000_000_000_000_000_000_000_U256);
const UNUTILIZED: U256 = uint!(10_000_000_000_000_000_U256);
const COLLATERAL_FACTOR: U256 = uint!(750_000_000_000_000_000_U256);
const NOW: u64 = 2_000_000_000;
const CALLER: Address = address!("00000000000000000000000000000000000000ca");

fn mul(a: U256, b: U256) -> U256 {
    a * b / UNIT
}

fn div(a: U256, b: U256) -> U256 {
    a * UNIT / b
}

/// A product, its market and its clocks.
#[derive(Debug, Clone)]
struct World {
    collateral: U256,
    debt: U256,
    collateral_price: U256,
    methodology: MethodologySettings,
    ripcord_line: U256,
    ripcord_cooldown: u64,
    twap_cooldown: u64,
    twap_ratio: U256,
    global_last_trade: u64,
    is_permitted: bool,
    exchanges: Vec<Venue>,
}

#[derive(Debug, Clone)]
struct Venue {
    size: U256,
    last_trade: u64,
}

impl World {
    fn collateral_value(&self) -> U256 {
        mul(self.collateral_price, self.collateral)
    }

    fn debt_value(&self) -> U256 {
        mul(BORROW_PRICE, self.debt)
    }

    fn ratio(&self) -> U256 {
        let collateral = self.collateral_value();
        div(collateral, collateral - self.debt_value())
    }

    /// The view that keepers are told to ask.
    fn should_rebalance(&self, venue: &Venue) -> ShouldRebalance {
        let ratio = self.ratio();
        if ratio >= self.ripcord_line {
            let is_rested = venue.last_trade + self.ripcord_cooldown < NOW;
            if is_rested { ShouldRebalance::Ripcord } else { ShouldRebalance::None }
        } else if self.twap_ratio > U256::ZERO {
            let is_rested = venue.last_trade + self.twap_cooldown < NOW;
            if is_rested { ShouldRebalance::IterateRebalance } else { ShouldRebalance::None }
        } else if self.interval_is_over() || self.is_outside() {
            ShouldRebalance::Rebalance
        } else {
            ShouldRebalance::None
        }
    }

    fn interval_is_over(&self) -> bool {
        U256::from(NOW - self.global_last_trade) > self.methodology.rebalanceInterval
    }

    fn is_outside(&self) -> bool {
        let ratio = self.ratio();
        ratio > self.methodology.maxLeverageRatio || ratio < self.methodology.minLeverageRatio
    }

    fn new_ratio(&self) -> U256 {
        let m = &self.methodology;
        let pulled = mul(m.targetLeverageRatio, m.recenteringSpeed);
        let kept = mul(UNIT - m.recenteringSpeed, self.ratio());
        max(m.minLeverageRatio, min(pulled + kept, m.maxLeverageRatio))
    }

    /// The chunk in collateral base units, or the revert of the size computation.
    fn chunk(&self, venue: &Venue, new: U256) -> Result<U256, &'static str> {
        let ratio = self.ratio();
        let is_lever = new > ratio;
        let difference = if is_lever { new - ratio } else { ratio - new };
        let total = mul(div(difference, ratio), self.collateral);
        let limit = mul(mul(self.collateral_value(), COLLATERAL_FACTOR), UNIT - UNUTILIZED);
        let free = limit.checked_sub(self.debt_value()).ok_or("SafeMath: subtraction overflow")?;
        let cap = if is_lever {
            div(free, self.collateral_price)
        } else {
            div(mul(self.collateral, free), limit)
        };
        Ok(min(min(cap, total), venue.size))
    }

    /// What the view of the chunks would trade next, in collateral base units.
    fn viewed_ratio(&self) -> U256 {
        if self.ratio() > self.ripcord_line {
            self.methodology.maxLeverageRatio
        } else if self.twap_ratio > U256::ZERO {
            self.twap_ratio
        } else {
            self.new_ratio()
        }
    }

    fn in_borrow_units(&self, collateral: U256) -> U256 {
        div(mul(collateral, self.collateral_price), BORROW_PRICE)
    }

    /// The action: the ratio after it, with `loss` of the trade gone to fees and impact.
    fn rebalance(&self, venue: &Venue, loss: U256) -> Result<U256, &'static str> {
        if !self.is_permitted {
            return Err("Address not permitted to call");
        }
        if venue.size.is_zero() {
            return Err("Must be valid exchange");
        }
        if self.debt.is_zero() {
            return Err("Borrow balance must exist");
        }
        let ratio = self.ratio();
        if ratio >= self.ripcord_line {
            return Err("Must be below incentivized leverage ratio");
        }
        if !self.interval_is_over() && !self.is_outside() {
            return Err("Cooldown not elapsed or not valid leverage ratio");
        }
        if self.twap_ratio > U256::ZERO {
            return Err("Must call iterate");
        }
        let new = self.new_ratio();
        let chunk = self.chunk(venue, new)?;
        let sold = if new < ratio { chunk } else { self.in_borrow_units(chunk) };
        if sold.is_zero() {
            return Err("Quantity is 0");
        }
        let kept = UNIT - loss;
        let mut after = self.clone();
        if new < ratio {
            after.collateral -= chunk;
            after.debt -= mul(self.in_borrow_units(chunk), kept);
        } else {
            after.debt += self.in_borrow_units(chunk);
            after.collateral += mul(chunk, kept);
        }
        Ok(after.ratio())
    }

    /// What a keeper reads of it.
    fn snapshot(&self) -> Snapshot {
        let viewed = self.viewed_ratio();
        let is_lever = viewed > self.ratio();
        let chunks: Result<Vec<U256>, _> = self
            .exchanges
            .iter()
            .map(|venue| {
                let chunk = self.chunk(venue, viewed)?;
                Ok(if is_lever { self.in_borrow_units(chunk) } else { chunk })
            })
            .collect();
        let sold = if is_lever { product().borrow } else { product().collateral };
        let exchanges = self.exchanges.iter().enumerate().map(|(index, venue)| Exchange {
            name: name(index),
            due: self.should_rebalance(venue),
            settings: ExchangeSettings {
                twapMaxTradeSize: venue.size,
                exchangeLastTradeTimestamp: U256::from(venue.last_trade),
                incentivizedTwapMaxTradeSize: venue.size,
                leverExchangeData: Default::default(),
                deleverExchangeData: Default::default(),
            },
        });
        Snapshot {
            now: U256::from(NOW),
            caller: CALLER,
            caller_permitted: self.is_permitted,
            methodology: self.methodology.clone(),
            incentive: IncentiveSettings {
                etherReward: UNIT,
                incentivizedLeverageRatio: self.ripcord_line,
                incentivizedSlippageTolerance: UNIT / U256::from(20),
                incentivizedTwapCooldownPeriod: U256::from(self.ripcord_cooldown),
            },
            twap_cooldown_period: U256::from(self.twap_cooldown),
            twap_leverage_ratio: self.twap_ratio,
            global_last_trade: U256::from(self.global_last_trade),
            market: Market::Live(Live {
                leverage_ratio: self.ratio(),
                exchanges: exchanges.collect(),
                sizing: chunks
                    .map(|chunks| Sizing { chunks, sell_asset: sold.token })
                    .map_err(|said: &str| Revert::Reason(said.into())),
                position: Some(Position { collateral: self.collateral, debt: self.debt }),
            }),
        }
    }
}

fn name(index: usize) -> String {
    format!("Exchange{index}")
}

/// Moments around a period that ends now: well before, exactly at its ends, long over.
fn last_trade(period: u64) -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(NOW - period + 1),
        Just(NOW - period),
        Just(NOW - period - 1),
        0..=NOW,
        NOW - 2 * period..=NOW,
    ]
}

fn milli(thousandths: u64) -> U256 {
    U256::from(thousandths) * uint!(1_000_000_000_000_000_U256)
}

prop_compose! {
    fn venues(cooldown: u64)(
        venues in prop::collection::vec(
            (prop_oneof![Just(U256::ZERO), Just(U256::ONE), (1_u64..300_000).prop_map(milli)],
             last_trade(cooldown)),
            1..4,
        )
    ) -> Vec<Venue> {
        venues.into_iter().map(|(size, last_trade)| Venue { size, last_trade }).collect()
    }
}

prop_compose! {
    /// Bounds lie at random, or within one unit of the ratio: the comparisons are strict.
    fn worlds()(
        collateral in (1_u64..5_000_000).prop_map(milli),
        dollars in 100_u64..5_000,
        leverage in prop_oneof![1 => Just(1_000_u64), 19 => 1_001_u64..4_400],
        bounds in (0_u8..8, 1_000_u64..5_000, 1_000_u64..5_000, 1_000_u64..5_000),
        line in prop_oneof![Just(0_u64), 1_u64..2_000],
        speed in prop_oneof![Just(1_000_u64), Just(50_u64), 1_u64..1_000],
        interval in prop_oneof![Just(86_400_u64), Just(14_400)],
        global in last_trade(86_400),
        twap in prop_oneof![3 => Just(0_u64), 1 => 1_000_u64..4_000],
        is_permitted in prop::bool::weighted(0.9),
        exchanges in venues(600),
    ) -> World {
        let collateral_price = U256::from(dollars) * UNIT;
        let value = mul(collateral_price, collateral);
        let debt_value = value - div(value, milli(leverage));
        let mut world = World {
            collateral,
            debt: div(debt_value, BORROW_PRICE),
            collateral_price,
            methodology: MethodologySettings {
                targetLeverageRatio: U256::ZERO,
                minLeverageRatio: U256::ZERO,
                maxLeverageRatio: U256::ZERO,
                recenteringSpeed: milli(speed),
                rebalanceInterval: U256::from(interval),
            },
            ripcord_line: U256::ZERO,
            ripcord_cooldown: 60,
            twap_cooldown: 600,
            twap_ratio: milli(twap),
            global_last_trade: global,
            is_permitted,
            exchanges,
        };
        let ratio = world.ratio();
        let (choice, a, b, c) = bounds;
        let mut sorted = match choice {
            0 => [ratio, ratio, ratio],
            1 => [ratio + U256::ONE, ratio + milli(10), ratio + milli(20)],
            2 => [ratio - milli(20), ratio - milli(10), ratio - U256::ONE],
            3 => [ratio - milli(300), ratio, ratio + milli(300)],
            _ => [milli(a), milli(b), milli(c)],
        };
        sorted.sort();
        let [low, target, high] = sorted;
        world.methodology.minLeverageRatio = low;
        world.methodology.targetLeverageRatio = target;
        world.methodology.maxLeverageRatio = high;
        // At the ratio itself, or somewhere above the upper bound.
        world.ripcord_line = if line == 0 { max(ratio, high) } else { high + milli(line) };
        world
    }
}

/// At most what the contract's slippage tolerance lets through.
fn losses() -> impl Strategy<Value = U256> {
    (0_u64..=20).prop_map(milli)
}

#[test]
fn the_generated_worlds_are_worth_deciding_about() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeMap::<String, u32>::new();
    for _ in 0..4_000 {
        let world = worlds().new_tree(&mut runner).unwrap().current();
        let kind = match decide(&product(), &world.snapshot()).unwrap().decision {
            Decision::Act(action) => match action.expects.map(|e| e.direction) {
                Some(direction) => format!("{} {direction:?}", action.urgency.as_str()),
                None => continue,
            },
            Decision::Wait { reason, .. } | Decision::Blocked { reason, .. } => reason.to_owned(),
        };
        *seen.entry(kind).or_default() += 1;
    }
    for kind in [
        "routine Up",
        "routine Down",
        "prompt Up",
        "prompt Down",
        "inside bounds, interval not over",
        "twap open, cooldown not over",
        "twap open: iterate is not served yet",
        "ripcord range: not served yet",
        "wound down: no debt",
        "nothing to trade: already at the new ratio",
        "no exchange can trade",
        "caller not permitted",
        "debt beyond the borrow limit: no trade is possible",
    ] {
        assert!(seen.get(kind).is_some_and(|times| *times >= 10), "{kind} in {seen:#?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn rebalances_exactly_what_the_contract_would(world in worlds(), loss in losses()) {
        let wanted: Vec<(String, U256)> = world
            .exchanges
            .iter()
            .enumerate()
            .filter_map(|(index, venue)| Some((name(index), world.rebalance(venue, loss).ok()?)))
            .collect();
        let assessment = decide(&product(), &world.snapshot()).unwrap();
        let Decision::Act(action) = assessment.decision else {
            prop_assert!(wanted.is_empty(), "{:?} but {wanted:?}", assessment.decision);
            return Ok(());
        };
        let labels: Vec<&str> = action.candidates.iter().map(|c| c.label.as_str()).collect();
        let names: Vec<&str> = wanted.iter().map(|(name, _)| name.as_str()).collect();
        prop_assert_eq!(labels, names);
        prop_assert_eq!(action.name, "rebalance");
        let urgency = if world.is_outside() { Urgency::Prompt } else { Urgency::Routine };
        prop_assert_eq!(action.urgency, urgency);
        if let Some(expected) = action.expects {
            for (name, after) in &wanted {
                prop_assert!(
                    expected.holds(world.ratio(), *after),
                    "{expected:?} is missed by {name}: {} to {after}", world.ratio(),
                );
            }
        }
    }
}
