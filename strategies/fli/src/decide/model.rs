//! An independent model of a product on Compound: the extension's views and its three actions,
//! written from the contract's rules rather than from this crate's code, to hold it against.
//!
//! What the helper view says and what the action itself demands are two rules in the contract,
//! and two here: the snapshot is made from the first, the expected outcome from the second.

mod properties;
mod worlds;

use std::cmp::{max, min};

use alloy::primitives::{Address, U256, address, uint};
use ballast_chains::{ReadError, Revert};
use ballast_strategy_api::{Exposure, Urgency};

use super::tests::product;
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

/// A product, its market and its clocks.
#[derive(Debug, Clone)]
struct World {
    now: u64,
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
            let is_rested = venue.last_trade + self.ripcord_cooldown < self.now;
            if is_rested { ShouldRebalance::Ripcord } else { ShouldRebalance::None }
        } else if self.twap_ratio > U256::ZERO {
            let is_rested = venue.last_trade + self.twap_cooldown < self.now;
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
        U256::from(self.now - self.global_last_trade) > self.methodology.rebalanceInterval
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

    /// Whether the debt is within a share of its limit, or of a base unit or two.
    fn is_nearly_beyond(&self, share: U256) -> bool {
        let limit = mul(mul(self.collateral_value(), COLLATERAL_FACTOR), UNIT - UNUTILIZED);
        self.debt_value() + mul(limit, share) + U256::from(2) >= limit
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
        if U256::from(self.now - since) <= period && !self.is_outside() {
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
        if venue.last_trade + self.ripcord_cooldown >= self.now {
            return Err("TWAP cooldown must have elapsed");
        }
        let mut after = self.clone();
        after.trade(venue.ripcord_size, self.methodology.maxLeverageRatio, loss)?;
        after.twap_ratio = U256::ZERO;
        Ok(after)
    }

    /// What a trade has done to the exposure, by what is owned and owed after it.
    fn exposure(&self, after: &Self) -> Exposure {
        if after.collateral < self.collateral {
            Exposure::Lowers
        } else if after.debt > self.debt {
            Exposure::Raises
        } else {
            Exposure::Keeps
        }
    }

    /// A call by name, made now on the venue at `index`: the world after it, its clocks stamped.
    fn call(&self, action: &str, index: usize) -> Result<Self, &'static str> {
        let venue = &self.exchanges[index];
        let mut after = match action {
            "rebalance" => self.rebalance(venue, U256::ZERO)?,
            "iterateRebalance" => self.iterate(venue, U256::ZERO)?,
            _ => self.ripcord(venue, U256::ZERO)?,
        };
        after.global_last_trade = self.now;
        after.exchanges[index].last_trade = self.now;
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
                let is_held = !is_looser
                    || self.global_last_trade == self.now
                    || (!is_outside && total < least);
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
        let reverted = |said: &str| ReadError::Reverted(Revert::Reason(said.into()));
        let refused = reverted("Custom bounds must be valid");
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
            now: U256::from(self.now),
            caller: CALLER,
            caller_is_contract: false,
            caller_permitted: self.is_permitted,
            methodology: self.methodology.clone(),
            incentive: IncentiveSettings {
                etherReward: UNIT,
                incentivizedLeverageRatio: self.ripcord_line,
                incentivizedSlippageTolerance: UNIT / U256::from(20),
                incentivizedTwapCooldownPeriod: U256::from(self.ripcord_cooldown),
            },
            twap_cooldown_period: Some(U256::from(self.twap_cooldown)),
            borrow_limit: Some(mul(COLLATERAL_FACTOR, UNIT - UNUTILIZED)),
            twap_leverage_ratio: self.twap_ratio,
            global_last_trade: U256::from(self.global_last_trade),
            market: Market::Live(Live {
                leverage_ratio: self.ratio(),
                exchanges: exchanges.collect(),
                bounds_refused: (!is_looser).then_some(refused),
                sizing: chunks
                    .map(|chunks| Sizing { chunks, sell_asset: sold.token })
                    .map_err(reverted),
                position: Some(Position { collateral: self.collateral, debt: self.debt }),
                ranking: None,
            }),
        }
    }
}

fn name(index: usize) -> String {
    format!("Exchange{index}")
}
