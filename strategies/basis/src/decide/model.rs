//! An independent model of a product: the extension's view and its four actions, written from the
//! contract's rules in signed arithmetic rather than from this crate's code, to hold it against.
//!
//! What the helper view says and what the action itself demands are two rules in the contract, and
//! two here: the snapshot is made from the first, the expected outcome from the second.

mod properties;
mod worlds;

use alloy::primitives::{I256, U256, address, uint};
use ballast_chains::{ReadError, Revert, feeds::Price};
use ballast_strategy_api::{Exposure, Urgency};

use crate::{
    books::Books,
    contracts::{
        IBasisExtension::{
            ExchangeSettings, ExecutionSettings, IncentiveSettings, MethodologySettings,
        },
        IBasisModule::AccountInfo,
    },
    policy::Policy,
    snapshot::{Gas, Live, Market, ShouldRebalance, Snapshot},
    venues::Venues,
};

const UNIT: I256 = I256::from_raw(uint!(1_000_000_000_000_000_000_U256));
/// Gas of a reinvestment, and what one costs in wei.
const REINVEST_GAS: u64 = 1_600_000;
const BASE_FEE: u64 = 10_000_000;
const CALLER: alloy::primitives::Address = address!("00000000000000000000000000000000000000ca");

/// As `PreciseUnitMath` has it: rounded towards zero.
fn mul(a: I256, b: I256) -> I256 {
    a * b / UNIT
}

fn div(a: I256, b: I256) -> I256 {
    a * UNIT / b
}

fn int(a: u64) -> I256 {
    I256::try_from(a).unwrap()
}

fn abs(a: I256) -> I256 {
    if a.is_negative() { -a } else { a }
}

/// A product, its markets and its clocks; ratios and the size as the contract has them, negative.
#[derive(Debug, Clone)]
struct World {
    now: u64,
    size: I256,
    notional: I256,
    /// Collateral and realised gains on Perp.
    cash: I256,
    pending: I256,
    tracked: I256,
    price: I256,
    supply: I256,
    /// Spot, whole tokens.
    spot: I256,
    fee: I256,
    target: I256,
    min: I256,
    max: I256,
    line: I256,
    speed: I256,
    interval: U256,
    reinvest_interval: U256,
    min_units: U256,
    cooldown: u64,
    ripcord_cooldown: u64,
    twap: I256,
    last_trade: u64,
    last_reinvest: u64,
    cap: I256,
    ripcord_cap: I256,
    is_permitted: bool,
    policy: Policy,
}

/// What should be done about a world, and the world after it.
type Wanted = (&'static str, Urgency, Exposure, World);

impl World {
    fn account(&self) -> I256 {
        self.cash + self.pending + mul(self.size, self.price) + self.notional
    }

    fn ratio(&self) -> I256 {
        let account = self.account();
        if account <= I256::ZERO { I256::ZERO } else { div(mul(self.size, self.price), account) }
    }

    fn funding(&self) -> I256 {
        let sum = self.tracked + self.pending;
        if sum.is_negative() { I256::ZERO } else { sum }
    }

    fn interval_is_over(&self) -> bool {
        U256::from(self.now - self.last_trade) > self.interval
    }

    fn may_reinvest(&self) -> bool {
        U256::from(self.now - self.last_reinvest) > self.reinvest_interval
    }

    fn is_outside(&self, min: I256, max: I256) -> bool {
        let ratio = abs(self.ratio());
        ratio > abs(max) || ratio < abs(min)
    }

    /// The view that keepers are told to ask, with bounds of one's own.
    fn should_rebalance(&self, min: I256, max: I256) -> ShouldRebalance {
        if abs(self.ratio()) >= abs(self.line) {
            if self.last_trade + self.ripcord_cooldown < self.now {
                return ShouldRebalance::Ripcord;
            }
            return ShouldRebalance::None;
        }
        if self.twap != I256::ZERO {
            if self.last_trade + self.cooldown < self.now {
                return ShouldRebalance::IterateRebalance;
            }
            return ShouldRebalance::None;
        }
        if self.interval_is_over() || self.is_outside(min, max) {
            return ShouldRebalance::Rebalance;
        }
        let units = self.funding() / int(1_000_000_000_000) * UNIT / self.supply;
        if self.may_reinvest() && units.into_raw() >= self.min_units {
            return ShouldRebalance::Reinvest;
        }
        ShouldRebalance::None
    }

    /// The bounds that the operator wants, and whether the contract takes them.
    fn wanted_bounds(&self) -> (I256, I256, bool) {
        let custom = |magnitude: Option<U256>, own: I256| {
            magnitude.map_or(own, |m| -I256::try_from(m).unwrap())
        };
        let min = custom(self.policy.custom_min, self.min);
        let max = custom(self.policy.custom_max, self.max);
        (min, max, abs(min) <= abs(self.min) && abs(max) >= abs(self.max))
    }

    fn new_ratio(&self) -> I256 {
        let kept = mul(UNIT - self.speed, abs(self.ratio()));
        let pulled = mul(abs(self.target), self.speed) + kept;
        -abs(self.min).max(pulled.min(abs(self.max)))
    }

    /// The Perp trade at the index price, and the spot trade beside it.
    fn trade(&self, new: I256, cap: I256) -> Self {
        let ratio = self.ratio();
        let total = div(mul(new - ratio, self.size), mul(ratio, UNIT - new));
        let most = if total.is_negative() { cap } else { cap.min(self.spot) };
        let chunk =
            if abs(total) > most { if total.is_negative() { -most } else { most } } else { total };
        let dollars = mul(chunk, self.price);
        let mut after = self.clone();
        after.size += chunk;
        after.notional -= dollars;
        after.spot -= chunk;
        after.cash += dollars;
        after.last_trade = self.now;
        after
    }

    /// `rebalance`, `iterateRebalance` or `ripcord` as the contract takes them; `None` for a revert.
    fn call(&self, action: &str) -> Option<Self> {
        let ratio = self.ratio();
        if ratio == I256::ZERO {
            return None;
        }
        let in_range = abs(ratio) >= abs(self.line);
        match action {
            "rebalance" => {
                let may = self.interval_is_over() || self.is_outside(self.min, self.max);
                (!in_range && may && self.twap == I256::ZERO).then(|| {
                    let new = self.new_ratio();
                    let mut after = self.trade(new, self.cap);
                    let whole = self.trade(new, I256::MAX);
                    if after.size != whole.size {
                        after.twap = new;
                    }
                    after
                })
            }
            "iterateRebalance" => {
                let rested = self.last_trade + self.cooldown < self.now;
                let may = rested || self.is_outside(self.min, self.max);
                (!in_range && may && self.twap != I256::ZERO).then(|| self.iterated())
            }
            "ripcord" => {
                let rested = self.last_trade + self.ripcord_cooldown < self.now;
                (in_range && rested).then(|| {
                    let mut after = self.trade(self.max, self.ripcord_cap);
                    after.twap = I256::ZERO;
                    after
                })
            }
            "reinvest" => {
                let inside = abs(self.min) < abs(ratio) && abs(ratio) < abs(self.max);
                (self.may_reinvest() && inside && self.funding() > I256::ZERO)
                    .then(|| self.reinvested())
            }
            _ => None,
        }
    }

    fn is_outrun(&self) -> bool {
        let (twap, target, now) = (abs(self.twap), abs(self.target), abs(self.ratio()));
        (twap < target && now >= twap) || (twap > target && now <= twap)
    }

    fn iterated(&self) -> Self {
        if self.is_outrun() {
            let mut after = self.clone();
            (after.twap, after.last_trade) = (I256::ZERO, self.now);
            return after;
        }
        let mut after = self.trade(self.twap, self.cap);
        if after.size == self.trade(self.twap, I256::MAX).size {
            after.twap = I256::ZERO;
        }
        after
    }

    /// All funding leaves Perp; what is left after the fee buys spot and collateral by the ratio, and
    /// as much as was bought is sold short.
    fn reinvested(&self) -> Self {
        let ratio = abs(self.ratio());
        let funding = self.funding();
        let spent = mul(funding, UNIT - self.fee);
        let dollars = mul(spent, div(ratio, UNIT + ratio));
        let bought = div(dollars, self.price);
        let mut after = self.clone();
        after.cash += self.pending - funding + (spent - dollars);
        (after.pending, after.tracked) = (I256::ZERO, I256::ZERO);
        after.size -= bought;
        after.notional += mul(bought, self.price);
        after.spot += bought;
        after.last_reinvest = self.now;
        after
    }

    /// What a careful keeper does: `None` for nothing.
    fn wanted(&self) -> Option<Wanted> {
        let (min, max, is_taken) = self.wanted_bounds();
        let own = self.should_rebalance(self.min, self.max);
        let due = match own {
            ShouldRebalance::Ripcord | ShouldRebalance::IterateRebalance => own,
            _ if self.ratio() == I256::ZERO || !is_taken => return None,
            ShouldRebalance::None | ShouldRebalance::Rebalance | ShouldRebalance::Reinvest => {
                self.should_rebalance(min, max)
            }
        };
        if self.ratio() == I256::ZERO {
            return None;
        }
        let ratio = self.ratio();
        let side = |new: I256| match abs(new) > abs(ratio) {
            true => Exposure::Raises,
            false => Exposure::Lowers,
        };
        match due {
            ShouldRebalance::None => None,
            ShouldRebalance::Rebalance => {
                let new = self.new_ratio();
                let is_due = new != ratio && self.last_trade < self.now && self.is_permitted;
                let outside = self.is_outside(min, max);
                let urgency = if outside { Urgency::Prompt } else { Urgency::Routine };
                is_due.then(|| Some(("rebalance", urgency, side(new), self.call("rebalance")?)))?
            }
            ShouldRebalance::IterateRebalance => {
                let exposure = if self.is_outrun() { Exposure::Keeps } else { side(self.twap) };
                let is_due = self.is_permitted && (self.is_outrun() || self.twap != ratio);
                let call = self.call("iterateRebalance")?;
                is_due.then_some(("iterateRebalance", Urgency::Prompt, exposure, call))
            }
            ShouldRebalance::Ripcord => {
                let call = self.call("ripcord")?;
                (ratio != self.max).then_some((
                    "ripcord",
                    Urgency::Emergency,
                    Exposure::Lowers,
                    call,
                ))
            }
            ShouldRebalance::Reinvest => {
                let after = self.call("reinvest")?;
                let inside = !after.is_outside(self.min, self.max);
                let cost = int(REINVEST_GAS) * int(BASE_FEE) * int(1_000);
                let times = I256::try_from(self.policy.gas_multiple.times).unwrap();
                let is_worth_it = self.funding() >= mul(cost, times);
                let may = inside && is_worth_it && self.is_permitted;
                may.then_some(("reinvest", Urgency::Routine, Exposure::Raises, after))
            }
        }
    }

    /// What `Snapshot::read` would see.
    fn snapshot(&self) -> Snapshot {
        let raw = |value: I256| U256::try_from(value).unwrap();
        let (min, max, is_taken) = self.wanted_bounds();
        let own = self.should_rebalance(self.min, self.max);
        let is_asked = self.policy.has_bounds()
            && !matches!(own, ShouldRebalance::Ripcord | ShouldRebalance::IterateRebalance);
        let refusal = ReadError::Reverted(Revert::Reason("Custom bounds must be valid".into()));
        let (due, bounds_refused) = match (is_asked, is_taken) {
            (false, _) => (own, None),
            (true, true) => (self.should_rebalance(min, max), None),
            (true, false) => (own, Some(refusal)),
        };
        Snapshot {
            now: U256::from(self.now),
            caller: CALLER,
            caller_is_contract: false,
            caller_permitted: self.is_permitted,
            methodology: MethodologySettings {
                targetLeverageRatio: self.target,
                minLeverageRatio: self.min,
                maxLeverageRatio: self.max,
                recenteringSpeed: raw(self.speed),
                rebalanceInterval: self.interval,
                reinvestInterval: self.reinvest_interval,
                minReinvestUnits: self.min_units,
            },
            execution: ExecutionSettings {
                slippageTolerance: raw(UNIT) / U256::from(50),
                twapCooldownPeriod: U256::from(self.cooldown),
            },
            incentive: IncentiveSettings {
                etherReward: raw(UNIT),
                incentivizedLeverageRatio: self.line,
                incentivizedSlippageTolerance: raw(UNIT) / U256::from(20),
                incentivizedTwapCooldownPeriod: U256::from(self.ripcord_cooldown),
            },
            exchange: ExchangeSettings {
                exchangeName: "one".into(),
                buyExactSpotTradeData: Default::default(),
                sellExactSpotTradeData: Default::default(),
                buySpotQuoteExactInputPath: Default::default(),
                twapMaxTradeSize: raw(self.cap),
                incentivizedTwapMaxTradeSize: raw(self.ripcord_cap),
            },
            twap_leverage_ratio: self.twap,
            last_trade: U256::from(self.last_trade),
            last_reinvest: U256::from(self.last_reinvest),
            position: Ok(self.size),
            books: Ok(self.books()),
            market: Market::Live(Live { leverage_ratio: self.ratio(), due, bounds_refused }),
            reward: None,
            left_at: None,
            venues: Venues::default(),
            gas: Gas {
                base_fee: Some(u128::from(BASE_FEE)),
                native_usd: Price::from_fixed18(raw(UNIT * int(1_000))),
            },
        }
    }

    fn books(&self) -> Books {
        let raw = |value: I256| U256::try_from(value).unwrap();
        Books {
            size: self.size,
            notional: self.notional,
            account: AccountInfo {
                collateralBalance: self.cash,
                owedRealizedPnl: I256::ZERO,
                pendingFundingPayments: self.pending,
                netQuoteBalance: self.notional,
            },
            price: raw(self.price),
            tracked: raw(self.tracked),
            performance_fee: raw(self.fee),
            supply: raw(self.supply),
            spot_unit: div(self.spot, self.supply),
            collateral_unit: I256::ZERO,
        }
    }
}
