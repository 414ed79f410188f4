//! An independent model of a product on Compound: the extension's views and its three actions,
//! written from the contract's rules rather than from this crate's code, and a property test that
//! holds the decision against it.
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
    policy::Policy,
    ratio::Position,
    snapshot::{Exchange, Live, Market, ShouldRebalance, Sizing, Snapshot},
};

const UNIT: U256 = uint!(1_000_000_000_000_000_000_U256);
/// USDC at one dollar: Compound scales a price by 36 minus the token's decimals.
const BORROW_PRICE: U256 = uint!(1_000_000_000_000_000_000_000_000_000_000_U256);
const UNUTILIZED: U256 = uint!(10_000_000_000_000_000_U256);
const COLLATERAL_FACTOR: U256 = uint!(750_000_000_000_000_000_U256);
const NOW: u64 = 2_000_000_000;
const RIPCORD_COOLDOWN: u64 = 60;
const CALLER: Address = address!("00000000000000000000000000000000000000ca");

fn mul(a: U256, b: U256) -> U256 {
    a * b / UNIT
}

fn div(a: U256, b: U256) -> U256 {
    a * UNIT / b
}

/// Where a TWAP goes.
#[derive(Debug, Clone, Copy)]
enum Twap {
    Closed,
    To(u64),
    ToTheRatio,
    ToTheTarget,
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
    policy: Policy,
}

#[derive(Debug, Clone)]
struct Venue {
    size: U256,
    ripcord_size: U256,
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

    /// The view that keepers are told to ask, with bounds of one's own.
    fn should_rebalance(&self, venue: &Venue, low: U256, high: U256) -> ShouldRebalance {
        let ratio = self.ratio();
        if ratio >= self.ripcord_line {
            let is_rested = venue.last_trade + self.ripcord_cooldown < NOW;
            if is_rested { ShouldRebalance::Ripcord } else { ShouldRebalance::None }
        } else if self.twap_ratio > U256::ZERO {
            let is_rested = venue.last_trade + self.twap_cooldown < NOW;
            if is_rested { ShouldRebalance::IterateRebalance } else { ShouldRebalance::None }
        } else if self.interval_is_over() || ratio > high || ratio < low {
            ShouldRebalance::Rebalance
        } else {
            ShouldRebalance::None
        }
    }

    /// The bounds that the operator wants, and whether the contract takes them.
    fn wanted_bounds(&self) -> (U256, U256, bool) {
        let m = &self.methodology;
        let low = self.policy.custom_min.unwrap_or(m.minLeverageRatio);
        let high = self.policy.custom_max.unwrap_or(m.maxLeverageRatio);
        (low, high, low <= m.minLeverageRatio && high >= m.maxLeverageRatio)
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

    /// The chunk in collateral base units and what the whole way takes, or the revert of the size
    /// computation.
    fn chunk(&self, most: U256, new: U256) -> Result<(U256, U256), &'static str> {
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
        Ok((min(min(cap, total), most), total))
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

    /// What every action demands before its own clocks.
    fn validate(&self, size: U256, caller_matters: bool) -> Result<(), &'static str> {
        if caller_matters && !self.is_permitted {
            return Err("Address not permitted to call");
        }
        if size.is_zero() {
            return Err("Must be valid exchange");
        }
        if self.debt.is_zero() {
            return Err("Borrow balance must exist");
        }
        Ok(())
    }

    fn validate_normal(&self, period: U256, since: u64) -> Result<(), &'static str> {
        if self.ratio() >= self.ripcord_line {
            return Err("Must be below incentivized leverage ratio");
        }
        if U256::from(NOW - since) <= period && !self.is_outside() {
            return Err("Cooldown not elapsed or not valid leverage ratio");
        }
        Ok(())
    }

    /// Trades towards `new` with `loss` of the trade gone to fees and impact; gives the part of the
    /// way that is left.
    fn trade(&mut self, most: U256, new: U256, loss: U256) -> Result<U256, &'static str> {
        let is_lever = new >= self.ratio();
        let (chunk, total) = self.chunk(most, new)?;
        let borrowed = self.in_borrow_units(chunk);
        if (if is_lever { borrowed } else { chunk }).is_zero() {
            return Err("Quantity is 0");
        }
        if is_lever {
            self.debt += borrowed;
            self.collateral += mul(chunk, UNIT - loss);
        } else {
            self.collateral -= chunk;
            self.debt -= mul(borrowed, UNIT - loss);
        }
        Ok(total - chunk)
    }

    /// `rebalance`: the world after it.
    fn rebalance(&self, venue: &Venue, loss: U256) -> Result<Self, &'static str> {
        self.validate(venue.size, true)?;
        self.validate_normal(self.methodology.rebalanceInterval, self.global_last_trade)?;
        if self.twap_ratio > U256::ZERO {
            return Err("Must call iterate");
        }
        let mut after = self.clone();
        let left = after.trade(venue.size, self.new_ratio(), loss)?;
        after.twap_ratio = if left.is_zero() { U256::ZERO } else { self.new_ratio() };
        Ok(after)
    }

    /// `iterateRebalance`.
    fn iterate(&self, venue: &Venue, loss: U256) -> Result<Self, &'static str> {
        self.validate(venue.size, true)?;
        self.validate_normal(U256::from(self.twap_cooldown), venue.last_trade)?;
        if self.twap_ratio.is_zero() {
            return Err("Not in TWAP state");
        }
        let mut after = self.clone();
        let left = if self.is_advantageous() {
            U256::ZERO
        } else {
            after.trade(venue.size, self.twap_ratio, loss)?
        };
        if left.is_zero() {
            after.twap_ratio = U256::ZERO;
        }
        Ok(after)
    }

    /// The market has gone where the TWAP was going.
    fn is_advantageous(&self) -> bool {
        let (twap, target) = (self.twap_ratio, self.methodology.targetLeverageRatio);
        (twap < target && self.ratio() >= twap) || (twap > target && self.ratio() <= twap)
    }

    /// `ripcord`.
    fn ripcord(&self, venue: &Venue, loss: U256) -> Result<Self, &'static str> {
        self.validate(venue.ripcord_size, false)?;
        if self.ratio() < self.ripcord_line {
            return Err("Must be above incentivized leverage ratio");
        }
        if venue.last_trade + self.ripcord_cooldown >= NOW {
            return Err("TWAP cooldown must have elapsed");
        }
        let mut after = self.clone();
        after.trade(venue.ripcord_size, self.methodology.maxLeverageRatio, loss)?;
        after.twap_ratio = U256::ZERO;
        Ok(after)
    }

    /// What a keeper should call on a venue, and the world after it: the view's word, by the
    /// operator's bounds, and the contract's consent.
    fn wanted(&self, venue: &Venue, loss: U256) -> Option<(&'static str, Urgency, Self)> {
        let (low, high, is_looser) = self.wanted_bounds();
        let (low, high) = if is_looser { (low, high) } else { (U256::ZERO, U256::MAX) };
        match self.should_rebalance(venue, low, high) {
            ShouldRebalance::Ripcord => {
                Some(("ripcord", Urgency::Emergency, self.ripcord(venue, loss).ok()?))
            }
            ShouldRebalance::IterateRebalance => {
                Some(("iterateRebalance", Urgency::Prompt, self.iterate(venue, loss).ok()?))
            }
            ShouldRebalance::Rebalance => {
                let is_outside = self.ratio() > high || self.ratio() < low;
                let gap = max(self.ratio(), self.new_ratio()) - min(self.ratio(), self.new_ratio());
                let total = mul(div(gap, self.ratio()), self.collateral);
                let least = self.policy.min_notional.unwrap_or_default();
                let is_held =
                    !is_looser || self.global_last_trade == NOW || (!is_outside && total < least);
                let after = self.rebalance(venue, loss).ok()?;
                let urgency = if is_outside { Urgency::Prompt } else { Urgency::Routine };
                (!is_held).then_some(("rebalance", urgency, after))
            }
            ShouldRebalance::None => None,
        }
    }

    /// What a keeper reads of it.
    fn snapshot(&self) -> Snapshot {
        let m = &self.methodology;
        let (low, high, is_looser) = self.wanted_bounds();
        // Refused bounds leave the contract's own.
        let (low, high) =
            if is_looser { (low, high) } else { (m.minLeverageRatio, m.maxLeverageRatio) };
        let refused = Revert::Reason("Custom bounds must be valid".into());
        let viewed = self.viewed_ratio();
        let is_lever = viewed > self.ratio();
        let chunks: Result<Vec<U256>, _> = self
            .exchanges
            .iter()
            .map(|venue| {
                let is_ripcord = self.ratio() > self.ripcord_line;
                let most = if is_ripcord { venue.ripcord_size } else { venue.size };
                let (chunk, _) = self.chunk(most, viewed)?;
                Ok(if is_lever { self.in_borrow_units(chunk) } else { chunk })
            })
            .collect();
        let sold = if is_lever { product().borrow } else { product().collateral };
        let exchanges = self.exchanges.iter().enumerate().map(|(index, venue)| Exchange {
            name: name(index),
            due: self.should_rebalance(venue, low, high),
            settings: ExchangeSettings {
                twapMaxTradeSize: venue.size,
                exchangeLastTradeTimestamp: U256::from(venue.last_trade),
                incentivizedTwapMaxTradeSize: venue.ripcord_size,
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
                bounds_refused: (!is_looser).then_some(refused),
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

fn sizes() -> impl Strategy<Value = U256> {
    prop_oneof![
        1 => Just(U256::ZERO),
        1 => Just(U256::ONE),
        4 => (1_u64..300_000).prop_map(milli),
    ]
}

prop_compose! {
    /// Choices around the bounds that a world has, some of them refused.
    fn policies()(
        min in prop::option::weighted(0.3, 0_u64..400),
        max in prop::option::weighted(0.3, 0_u64..400),
        is_tighter in prop::bool::weighted(0.1),
        min_notional in prop::option::weighted(0.3, 0_u64..200_000),
    ) -> (Option<u64>, Option<u64>, bool, Option<u64>) {
        (min, max, is_tighter, min_notional)
    }
}

prop_compose! {
    fn venues(cooldown: u64)(
        venues in prop::collection::vec(
            (sizes(), sizes(), prop_oneof![last_trade(cooldown), last_trade(RIPCORD_COOLDOWN)]),
            1..4,
        )
    ) -> Vec<Venue> {
        let venue = |(size, ripcord_size, last_trade)| Venue { size, ripcord_size, last_trade };
        venues.into_iter().map(venue).collect()
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
        twap in prop_oneof![
            6 => Just(Twap::Closed),
            3 => (1_000_u64..4_000).prop_map(Twap::To),
            1 => Just(Twap::ToTheRatio),
            1 => Just(Twap::ToTheTarget),
        ],
        is_permitted in prop::bool::weighted(0.9),
        exchanges in venues(600),
        policy in policies(),
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
            ripcord_cooldown: RIPCORD_COOLDOWN,
            twap_cooldown: 600,
            twap_ratio: U256::ZERO,
            global_last_trade: global,
            is_permitted,
            exchanges,
            policy: Policy::default(),
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
        world.twap_ratio = match twap {
            Twap::Closed => U256::ZERO,
            Twap::To(thousandths) => milli(thousandths),
            Twap::ToTheRatio => ratio,
            Twap::ToTheTarget => target,
        };
        let (min, max, is_tighter, min_notional) = policy;
        let loosened = |bound: U256, by: u64| {
            if is_tighter { bound + milli(by) } else { bound.saturating_sub(milli(by)) }
        };
        world.policy = Policy {
            custom_min: min.map(|by| loosened(low, by)),
            custom_max: max.map(|by| high + milli(by)),
            min_notional: min_notional.map(milli),
        };
        world
    }
}

/// At most what the contract's slippage tolerance lets through, of a ripcord in thousandths.
fn losses() -> impl Strategy<Value = u64> {
    0_u64..=50
}

#[test]
fn the_generated_worlds_are_worth_deciding_about() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeMap::<String, u32>::new();
    for _ in 0..4_000 {
        let world = worlds().new_tree(&mut runner).unwrap().current();
        let kind = match decide(&product(), &world.policy, &world.snapshot()).unwrap().decision {
            Decision::Act(action) => match action.expects {
                Some(expected) => {
                    let (name, urgency) = (action.name, action.urgency.as_str());
                    let edge =
                        if world.ratio() == world.ripcord_line { " at the line" } else { "" };
                    format!("{urgency} {name}: {} {:?}{edge}", expected.what, expected.direction)
                }
                None => continue,
            },
            Decision::Wait { reason, .. } | Decision::Blocked { reason, .. } => reason.to_owned(),
        };
        *seen.entry(kind).or_default() += 1;
    }
    for kind in [
        "routine rebalance: leverage ratio Up",
        "routine rebalance: leverage ratio Down",
        "prompt rebalance: leverage ratio Up",
        "prompt rebalance: leverage ratio Down",
        "prompt iterateRebalance: leverage ratio Up",
        "prompt iterateRebalance: leverage ratio Down",
        "prompt iterateRebalance: TWAP leverage ratio Down",
        "emergency ripcord: leverage ratio Down",
        "emergency ripcord: leverage ratio Down at the line",
        "inside bounds, interval not over",
        "twap open, cooldown not over",
        "ripcord range, cooldown not over",
        "ripcord is switched off on every exchange",
        "interval rebalance below min_notional",
        "custom bounds are tighter than the product's own",
        "wound down: no debt",
        "nothing to trade: already at the new ratio",
        "no exchange can trade",
        "caller not permitted",
        "beyond the ceiling: debt exceeds the borrow limit, no trade is possible",
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
    fn acts_exactly_as_the_contract_would_let_it(world in worlds(), lost in losses()) {
        let loss = |venue: &Venue| {
            // The ripcord's tolerance is 5 %, that of the others 2 %.
            let is_ripcord = world.ratio() >= world.ripcord_line && !venue.ripcord_size.is_zero();
            milli(if is_ripcord { lost } else { lost.min(20) })
        };
        let wanted: Vec<(String, (&str, Urgency, World))> = world
            .exchanges
            .iter()
            .enumerate()
            .filter_map(|(index, v)| Some((name(index), world.wanted(v, loss(v))?)))
            .collect();
        let decision = decide(&product(), &world.policy, &world.snapshot()).unwrap().decision;
        let Decision::Act(action) = decision else {
            prop_assert!(wanted.is_empty(), "{decision:?} but {wanted:?}");
            return Ok(());
        };
        let labels: Vec<&str> = action.candidates.iter().map(|c| c.label.as_str()).collect();
        let names: Vec<&str> = wanted.iter().map(|(name, _)| name.as_str()).collect();
        prop_assert_eq!(labels, names);
        for (label, (name, urgency, after)) in &wanted {
            prop_assert_eq!((action.name, action.urgency), (*name, *urgency));
            let Some(expected) = &action.expects else { continue };
            let seen = |w: &World| match expected.what.as_str() {
                "leverage ratio" => w.ratio(),
                _ => w.twap_ratio,
            };
            prop_assert!(
                expected.holds(seen(&world), seen(after)),
                "{expected:?} is missed by {label}: {} to {}", seen(&world), seen(after),
            );
        }
    }
}
