//! What is left to do at a block, by the state alone: no quote is needed for it, so it says which
//! quotes are.

use alloy::primitives::U256;
use ballast_strategy_api::StrategyError;

use super::hold::{self, Hold};
use crate::{
    decimal::ONE,
    module::{Overflow, Side, Size, Terms, ceil_div, trades},
    params::Policy,
    price::Price,
    snapshot::{Component, Market, Snapshot, offers::by_state},
};

/// Half a basis point: what of an index is too little to trade for, if nobody says otherwise.
const DUST_SHARE: U256 = alloy::primitives::uint!(20_000_U256);

/// And at least what so many trades cost.
const DUST_TRADES: U256 = alloy::primitives::uint!(5_U256);

/// Fewest units that a trade which does not reach the target has to move.
const LEAST_UNITS: U256 = alloy::primitives::uint!(8_U256);

/// What is left of one component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lot {
    /// Its place among the snapshot's components.
    pub place: usize,
    /// The unit it goes to, in today's terms.
    pub target: U256,
    /// What the module would trade; `None` where it is exactly on its target.
    pub size: Option<Size>,
    /// Whether the module holds it to be met.
    pub is_met: bool,
    /// Whether the module counts it as one that can still be sold, met or not.
    pub can_sell: bool,
    /// When it may be traded again.
    pub ready_at: U256,
    /// Whether that is now.
    pub is_ready: bool,
    /// What is left of it, wei of the intermediate asset by its reference; `None` where it has none.
    pub value: Option<U256>,
    /// Whether that is too little to trade for: only done where something else waits for it.
    pub is_small: bool,
    /// Seconds until it can be done at the earliest.
    pub takes: U256,
    /// What keeps it from being traded, as far as the state tells.
    pub hold: Option<Hold>,
}

impl Lot {
    /// Which way it has to go, if it is not met.
    pub fn side(&self) -> Option<Side> {
        let size = self.size.filter(|_| !self.is_met)?;
        Some(size.side)
    }

    /// Whether nothing keeps it from being traded that does not end by itself.
    pub fn may_go_on(&self) -> bool {
        self.hold.as_ref().is_none_or(|hold| hold.reason == hold::OFF_REFERENCE)
    }

    /// Whether it is to be traded in that direction, and worth it.
    pub fn is_open(&self, side: Side) -> bool {
        self.side() == Some(side) && !self.is_small
    }
}

/// What is left to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// All components, in the snapshot's order.
    pub lots: Vec<Lot>,
    /// What may be spent on a buy: what the index has of the intermediate asset above its target, and
    /// accounts for; wei.
    pub free: U256,
    /// What the module would spend of it in one go, wei; 0 where it would refuse. Another target than
    /// above counts where the intermediate asset is no part of this rebalance.
    pub surplus: U256,
    /// What is too little to trade for, wei.
    pub dust: U256,
    /// What the index is worth by pools, else references, as far as there are any, wei; to look at.
    pub worth: U256,
    /// Whether raising all targets by the share that is set would give something to buy.
    pub raise_helps: bool,
}

/// A quote that would be of use, by the place of its lot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Of a trade of the size that the module gives.
    Trade(usize),
    /// Of the surplus for the component.
    Remaining(usize),
}

impl Wish {
    /// Whose.
    pub fn lot(self) -> usize {
        match self {
            Self::Trade(lot) | Self::Remaining(lot) => lot,
        }
    }
}

impl Survey {
    /// Looks at a snapshot.
    ///
    /// # Errors
    /// [`StrategyError::Arithmetic`] for numbers that the module could not compute with.
    pub fn of(snapshot: &Snapshot, policy: &Policy) -> Result<Self, StrategyError> {
        survey(snapshot, policy).map_err(|overflow| StrategyError::Arithmetic(overflow.0))
    }

    /// Whether the module counts any component as sellable: then it spends no surplus.
    pub fn any_sellable(&self) -> bool {
        self.lots.iter().any(|lot| lot.can_sell)
    }

    /// Whether anything is to be bought yet.
    pub fn any_buy(&self) -> bool {
        self.lots.iter().any(|lot| lot.is_open(Side::Buy))
    }

    /// Whether targets are to be raised once everything is met: there is a surplus that nothing else
    /// takes, and a share to raise by.
    pub fn wants_raise(&self) -> bool {
        self.raise_helps && self.surplus > self.dust && !self.any_buy()
    }

    /// Whether what is small is traded too: sells, since the module spends no surplus while there is
    /// one; and buys, since it raises no targets.
    pub fn wants_small(&self, side: Side) -> bool {
        let for_raise = self.wants_raise();
        match side {
            Side::Sell => for_raise || (self.any_buy() && self.surplus > self.dust),
            Side::Buy => for_raise && !self.lots.iter().any(|lot| lot.side() == Some(Side::Sell)),
        }
    }

    /// Whether a lot is to be traded, now or later.
    pub fn is_wanted(&self, lot: &Lot) -> bool {
        lot.side().is_some_and(|side| !lot.is_small || self.wants_small(side))
    }

    /// What may be spent on a lot so that enough is left for all others: what trading costs is missing
    /// in the end, and is to be missing at one component, the one that has most left to buy. What is
    /// yet to be sold counts as sold.
    pub fn spendable(&self, lot: &Lot, policy: &Policy) -> Option<U256> {
        let open =
            |side: Side| self.lots.iter().filter(move |lot| lot.is_open(side) && lot.may_go_on());
        let largest = open(Side::Buy).max_by_key(|lot| (lot.value, lot.place))?;
        if largest.place != lot.place {
            return Some(self.free);
        }
        let others = open(Side::Buy).filter(|other| other.place != lot.place);
        let needed = others.filter_map(|other| policy.most(other.value?));
        let needed = needed.fold(U256::ZERO, U256::saturating_add);
        let coming = open(Side::Sell).filter_map(|sell| policy.least(sell.value?));
        let coming = coming.fold(U256::ZERO, U256::saturating_add);
        Some(self.free.min(self.free.saturating_add(coming).saturating_sub(needed)))
    }

    /// Whether the module would spend the surplus in one go.
    pub fn is_tail(&self) -> bool {
        !self.any_sellable() && self.surplus > self.dust
    }

    /// The quotes that are of use.
    pub fn wishes(&self, snapshot: &Snapshot, policy: &Policy) -> Vec<Wish> {
        let mut wishes = Vec::new();
        for (index, lot) in self.lots.iter().enumerate() {
            let Some(component) = snapshot.components.get(lot.place) else { continue };
            let Some(size) = lot.size.filter(|_| self.is_wanted(lot)) else { continue };
            if !lot.is_ready || lot.hold.is_some() {
                continue;
            }
            let is_in_reach = size.side == Side::Sell
                || by_state(component, size.side, size.now)
                    .0
                    .is_some_and(|needed| policy.least(needed).is_some_and(|l| l <= self.free));
            if is_in_reach {
                wishes.push(Wish::Trade(index));
            }
            if size.side == Side::Buy && self.is_tail() {
                wishes.push(Wish::Remaining(index));
            }
        }
        wishes
    }
}

fn survey(snapshot: &Snapshot, policy: &Policy) -> Result<Survey, Overflow> {
    const WHAT: Overflow = Overflow("the surplus");
    let (terms, weth) = (&snapshot.terms, &snapshot.weth);
    let held = terms.supply.checked_mul(weth.unit).and_then(|n| n.checked_div(ONE)).ok_or(WHAT)?;
    let above = |target: U256| {
        let kept = ceil_div(terms.supply.checked_mul(target)?, ONE)?;
        Some(held.saturating_sub(kept))
    };
    let target = terms.normalised(weth.target_unit)?;
    let surplus = above(target).ok_or(WHAT)?;
    // The module asks by the target as it was submitted, and spends by the one of today.
    let surplus = if weth.target_unit < weth.unit { surplus } else { U256::ZERO };
    let own_target = if weth.is_component { target } else { U256::ZERO };
    let free = above(own_target).ok_or(WHAT)?;
    let worth = worth(snapshot, held, Component::price);
    let dust = policy.dust.unwrap_or_else(|| {
        // A pool that is bent upwards makes nothing else too little.
        let believed = self::worth(snapshot, held, |of| of.believed().map(|(low, _)| low));
        let share = believed.checked_div(DUST_SHARE).unwrap_or_default();
        share.max(snapshot.trade_cost.saturating_mul(DUST_TRADES))
    });
    let lots = snapshot
        .components
        .iter()
        .enumerate()
        .map(|(place, component)| lot(place, component, snapshot, policy, dust));
    let lots = lots.collect::<Result<Vec<_>, _>>()?;
    let raise_helps = raise_helps(snapshot, dust).unwrap_or(false);
    Ok(Survey { lots, free, surplus, dust, worth, raise_helps })
}

/// Whether some component is worth buying once targets are raised: a share of 0 raises none, and
/// nothing raises a target of 0. Without it the call would succeed for ever and lead nowhere.
fn raise_helps(snapshot: &Snapshot, dust: U256) -> Option<bool> {
    let share = ONE.checked_add(snapshot.raise_percentage)?;
    let started_at = snapshot.terms.started_at.checked_mul(ONE)?.checked_div(share)?;
    let raised = Terms { started_at, ..snapshot.terms };
    Some(snapshot.components.iter().any(|component| {
        let target = |terms: &Terms| terms.normalised(component.position.target_unit).ok();
        let rise = target(&raised).zip(target(&snapshot.terms));
        // By what the target rises alone: what is one unit short of it is met, and stays short.
        let rise = rise.and_then(|(after, now)| after.checked_sub(now)).filter(|r| *r > U256::ONE);
        let amount =
            rise.and_then(|rise| snapshot.terms.supply.checked_mul(rise)?.checked_div(ONE));
        let value = amount.and_then(|amount| component.believed()?.0.value(amount));
        value.is_some_and(|value| value > dust)
    }))
}

/// What the index has; what has no price is left out.
fn worth(snapshot: &Snapshot, weth: U256, price: impl Fn(&Component) -> Option<Price>) -> U256 {
    let values = snapshot.components.iter().filter_map(|component| {
        let held = snapshot.terms.supply.checked_mul(component.position.unit)?.checked_div(ONE)?;
        price(component)?.value(held)
    });
    values.fold(weth, U256::saturating_add)
}

fn lot(
    place: usize,
    component: &Component,
    snapshot: &Snapshot,
    policy: &Policy,
    dust: U256,
) -> Result<Lot, Overflow> {
    let (terms, position) = (&snapshot.terms, &component.position);
    let target = terms.normalised(position.target_unit)?;
    let size = terms.size(position)?;
    let is_met = terms.is_met(position)?;
    let now = U256::from(snapshot.now);
    let ready_at = component.last_trade.saturating_add(component.cool_off);
    // A trade in this very second would leave the clock as it is, and with it the key that tells one
    // trade from the next.
    let is_ready = ready_at <= now && component.last_trade < now;
    let left = size.filter(|_| !is_met).map(|size| size.left);
    // By the higher of two averages: one that is bent downwards makes it not too little either.
    let value = left.and_then(|left| component.believed()?.1.value(left));
    // What goes has to go altogether.
    let may_stay = !target.is_zero();
    // With a supply below 1 a unit may be off its target by less than a base unit.
    let is_nothing = left.is_some_and(|left| left.is_zero());
    let is_small = is_nothing || (may_stay && value.is_some_and(|value| value <= dust));
    let steps = left.and_then(|left| trades(left, position.max_size)).unwrap_or_default();
    let rests = steps.saturating_sub(U256::ONE).saturating_mul(component.cool_off);
    let takes = match left {
        Some(_) => ready_at.saturating_sub(now).saturating_add(rests),
        None => U256::ZERO,
    };
    let hold = size.filter(|_| !is_met);
    let hold = hold.and_then(|size| held_by_state(component, size, snapshot, policy));
    let can_sell = terms.can_sell(position)?;
    Ok(Lot {
        place,
        target,
        size,
        is_met,
        can_sell,
        ready_at,
        is_ready,
        value,
        is_small,
        takes,
        hold,
    })
}

/// What keeps a component from being traded, before any quote.
fn held_by_state(
    component: &Component,
    size: Size,
    snapshot: &Snapshot,
    policy: &Policy,
) -> Option<Hold> {
    if component.position.max_size.is_zero() {
        return Some(Hold::new(hold::NO_MAXIMUM, "every trade of it would revert"));
    }
    // A maximum that was written without its decimals would burn gas for ever.
    let value = component.believed().and_then(|(_, price)| price.value(size.now));
    if size.now < size.left && value.is_some_and(|value| value <= snapshot.trade_cost) {
        let detail = format!("{} base units are worth less than their gas", size.now);
        return Some(Hold::new(hold::SMALL_MAXIMUM, detail));
    }
    // So few units are rounded away when the token stores them: it would be bought for ever.
    let units = size.now.checked_mul(ONE).and_then(|n| n.checked_div(snapshot.terms.supply));
    if size.now < size.left && units.is_some_and(|units| units < LEAST_UNITS) {
        let detail = format!("{} base units are lost in rounding", size.now);
        return Some(Hold::new(hold::SMALL_MAXIMUM, detail));
    }
    let reference = match (&component.market, &component.reference) {
        (Market::Nowhere(why), _) => return Some(Hold::new(hold::NOWHERE, why.clone())),
        (_, Err(why)) => return Some(Hold::new(hold::NO_REFERENCE, why.0.clone())),
        (_, Ok(reference)) => reference,
    };
    let Market::Pools { spot, .. } = &component.market else { return None };
    let off = spot.off(reference.low).max(spot.off(reference.high));
    (off > policy.band).then(|| {
        let detail = format!("{} off {}", hold::percent(off), reference.source);
        Hold::new(hold::OFF_REFERENCE, detail)
    })
}
