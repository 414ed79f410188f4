//! The last buy: nothing is left to sell, and no whole trade can be paid any more.

use alloy::primitives::U256;

use super::{Look, Ready, Stand, hold, survey::Lot};
use crate::{
    decimal::ONE,
    module::Side,
    snapshot::{
        Component,
        offers::{Offer, Rehearsal, by_state, remaining_by_state},
    },
};

/// What the last buy is.
pub(super) enum Last<'a> {
    /// A trade that all there is pays for, whose limit is that at the most.
    Trade(Ready<'a>),
    /// All that remains goes into this component.
    Remaining { component: &'a Component, least: U256, expected: U256 },
    /// Whoever could take it, or pay for a whole trade, rests.
    Later { soonest: U256 },
}

/// A component that could take what remains.
struct Taker<'a> {
    lot: &'a Lot,
    component: &'a Component,
    /// Base units that would come in, the protocol's fee taken off.
    expected: U256,
    /// Least of what is asked for.
    least: U256,
    /// The share by which the price may turn out better before it overshoots, 18 decimals.
    room: U256,
}

/// The last buy, if it is time for it.
pub(super) fn last_buy(look: Look<'_>) -> Option<Last<'_>> {
    let survey = look.survey;
    if !survey.is_tail() || look.has_affordable() {
        return None;
    }
    let mut takers: Vec<Taker<'_>> = look.takers(true).collect();
    // What is nearest to its target gets there; what is farthest is left short.
    takers.sort_by_key(|taker| (taker.lot.value, taker.lot.place));
    let tolerance = look.terms.policy.tolerance;
    if let Some(safe) = takers.iter().position(|taker| taker.room >= tolerance) {
        return Some(takers.swap_remove(safe).last());
    }
    // Nobody with room for a better price. Where all there is pays for a whole trade, that is one;
    // else whoever has most room.
    if let Some(whole) = look.paid_by_all() {
        return Some(Last::Trade(whole));
    }
    takers.sort_by_key(|taker| std::cmp::Reverse(taker.room));
    if let Some(roomiest) = takers.into_iter().next() {
        return Some(roomiest.last());
    }
    // The same, of those that rest.
    let soonest = look.takers(false).map(|taker| taker.lot.ready_at).min()?;
    Some(Last::Later { soonest })
}

impl<'a> Taker<'a> {
    fn last(self) -> Last<'a> {
        let Self { component, least, expected, .. } = self;
        Last::Remaining { component, least, expected }
    }
}

impl<'a> Look<'a> {
    /// Whether a whole trade of something that rests, or whose price is off for now, could be paid:
    /// then it is waited for, and nothing spent on something else.
    fn has_affordable(self) -> bool {
        let survey = self.survey;
        survey.lots.iter().filter(|lot| lot.is_open(Side::Buy)).any(|lot| {
            let Some(component) = self.snapshot.components.get(lot.place) else { return false };
            let waits = match self.stand(lot) {
                Stand::Resting => true,
                // The price comes back or the average follows it, within minutes. Nothing else that
                // holds a component ends by itself.
                Stand::Held(hold) => hold.reason == hold::OFF_REFERENCE,
                Stand::Met | Stand::Small | Stand::TooDear | Stand::Ready { .. } => false,
            };
            let cost = lot.size.and_then(|size| by_state(component, Side::Buy, size.now).0);
            let limit = cost.and_then(|cost| self.terms.policy.most(cost));
            waits && limit.is_some_and(|limit| limit <= survey.free)
        })
    }

    /// Those that could take all that remains, of the ready ones or of those that rest.
    fn takers(self, ready: bool) -> impl Iterator<Item = Taker<'a>> {
        let lots = self.survey.lots.iter();
        lots.filter(move |lot| {
            lot.is_open(Side::Buy) && lot.hold.is_none() && lot.is_ready == ready
        })
        .filter_map(move |lot| {
            let component = self.snapshot.components.get(lot.place)?;
            let received = if ready {
                let offer = component.offers.remaining.as_ref()?;
                let Offer { amount, by, rehearsal, .. } = offer;
                let (received, paid) = ((*amount)?, self.survey.surplus);
                // The module has the last word on whether it fits, and was asked.
                let is_refused = matches!(rehearsal, Rehearsal::Refused(_));
                let quote = (received, paid);
                let dear = self.too_dear(component, Side::Buy, quote, received, *by);
                let about = remaining_by_state(component, paid).0?;
                let one_sided = self.is_one_sided(component, Side::Buy, about, offer);
                if is_refused || dear.is_some() || one_sided {
                    return None;
                }
                received
            } else {
                remaining_by_state(component, self.survey.surplus).0?
            };
            let fits = most_received(lot, component)?;
            let room = fits.checked_sub(received)?.checked_mul(ONE)?.checked_div(received)?;
            let least = self.terms.policy.least(received).filter(|least| !least.is_zero())?;
            let fee = received.checked_mul(self.snapshot.terms.protocol_fee)?.checked_div(ONE)?;
            let expected = received.checked_sub(fee)?;
            Some(Taker { lot, component, expected, least, room })
        })
    }

    /// A whole trade that all there is pays for at the price quoted, if not with the tolerance. It
    /// may be a fraction of what there is, where more of it was kept for others.
    fn paid_by_all(self) -> Option<Ready<'a>> {
        let free = self.survey.free;
        let lots = self.survey.lots.iter().filter(|lot| lot.is_open(Side::Buy));
        let mut paid = lots.filter_map(|lot| {
            let component = self.snapshot.components.get(lot.place)?;
            let offer = component.offers.trade.as_ref()?;
            let (size, needed) = (lot.size?, offer.amount?);
            let quote = (size.now, needed);
            let is_dear = self.too_dear(component, Side::Buy, quote, needed, offer.by).is_some();
            let one_sided = self.is_one_sided(component, Side::Buy, size.now, offer);
            let is_paid =
                lot.hold.is_none() && lot.is_ready && needed <= free && !is_dear && !one_sided;
            // A rehearsal at a higher limit than there is was not made.
            let is_refused = matches!(offer.rehearsal, Rehearsal::Refused(_));
            let limit = free.min(self.terms.policy.most(needed)?);
            (is_paid && !is_refused).then_some(Ready { lot, component, limit })
        });
        paid.next()
    }
}

/// The most that may come in, before the protocol's fee: less than one trade may move, and not
/// beyond the target.
fn most_received(lot: &Lot, component: &Component) -> Option<U256> {
    let below_maximum = component.position.max_size.checked_sub(U256::ONE)?;
    // What the module would buy to reach the target is grossed up by the fee already; the last unit
    // is left to rounding.
    let to_target = lot.size?.left;
    Some(to_target.min(below_maximum))
}
