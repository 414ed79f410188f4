//! Where one component stands, once its quotes are known.

use alloy::primitives::U256;

use super::{
    Hold, Look,
    hold::{self, percent},
    survey::Lot,
};
use crate::{
    decimal::ONE,
    module::Side,
    price::Price,
    refusal,
    snapshot::{
        Component, Reference, Source,
        offers::{By, Offer, Rehearsal},
    },
};

/// Where a component stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stand {
    /// The module holds it to be met.
    Met,
    /// What is left is too little to trade for.
    Small,
    /// It was traded a moment ago.
    Resting,
    /// It is left alone.
    Held(Hold),
    /// What may be spent does not pay for it, or would not if the price moved.
    TooDear,
    /// It can be traded at this limit of the intermediate asset, wei.
    Ready {
        /// The least that comes in, or the most that is paid.
        limit: U256,
    },
}

impl Look<'_> {
    /// Where a component stands.
    pub(crate) fn stand(self, lot: &Lot) -> Stand {
        let Some(side) = lot.side() else { return Stand::Met };
        if !self.survey.is_wanted(lot) {
            return Stand::Small;
        }
        // A trade moves its pool; while the component rests after it, that holds nothing up.
        if let Some(hold) = &lot.hold
            && (lot.is_ready || hold.reason != hold::OFF_REFERENCE)
        {
            return Stand::Held(hold.clone());
        }
        if !lot.is_ready {
            return Stand::Resting;
        }
        let Some(component) = self.snapshot.components.get(lot.place) else {
            return Stand::Met;
        };
        let Some(offer) = &component.offers.trade else {
            // Not asked for, as it cannot be paid.
            return Stand::TooDear;
        };
        self.offered(component, lot, side, offer)
    }

    fn offered(self, component: &Component, lot: &Lot, side: Side, offer: &Offer) -> Stand {
        let held = |reason, detail: String| Stand::Held(Hold::new(reason, detail));
        let Some((amount, size)) = offer.amount.zip(lot.size) else {
            return held(
                hold::NO_DEPTH,
                format!("{} base units", lot.size.map_or(U256::ZERO, |s| s.now)),
            );
        };
        // What the module trades is exact: only what is paid for it, or comes in, is rounded.
        if let Some(off) = self.too_dear(component, side, (size.now, amount), amount, offer.by) {
            let detail = format!("{} worse, fees and what it moves included", percent(off));
            return held(hold::DEAR, detail);
        }
        if self.is_one_sided(component, side, size.now, offer) {
            let detail = "its average may be what somebody left there: name a feed for it";
            return held(hold::ONE_SIDED, detail.to_owned());
        }
        let policy = self.terms.policy;
        let limit = match side {
            Side::Sell => policy.least(amount),
            Side::Buy => policy.most(amount),
        };
        let Some(limit) = limit else {
            return held(hold::NO_DEPTH, "a quote too large".to_owned());
        };
        match side {
            Side::Sell if limit.is_zero() => {
                return held(hold::TOO_LITTLE, format!("{} base units come to nothing", size.now));
            }
            Side::Buy if limit > self.survey.free || self.is_kept(lot, limit) => {
                return Stand::TooDear;
            }
            Side::Sell | Side::Buy => {}
        }
        if let Rehearsal::Refused(revert) = &offer.rehearsal {
            return Stand::Held(refusal::of_rehearsal(revert));
        }
        Stand::Ready { limit }
    }

    /// Whether the others need what this would cost.
    fn is_kept(self, lot: &Lot, limit: U256) -> bool {
        let most = self.survey.spendable(lot, self.terms.policy);
        most.is_some_and(|most| limit > most)
    }

    /// Whether nobody could trade with a V3 pool the other way at about the reference, where that is its own
    /// average: liquidity on one side keeps a price that nobody can correct, and all the time that an
    /// average takes. To put some on the other side is to let everybody trade at that price.
    pub(super) fn is_one_sided(
        self,
        component: &Component,
        side: Side,
        quantity: U256,
        offer: &Offer,
    ) -> bool {
        let Ok(Reference { low, source: Source::Pools { .. }, .. }) = &component.reference else {
            return false;
        };
        let worth = low.value(quantity).unwrap_or_default();
        let is_dear = |back: U256| {
            let quote = (quantity, back);
            back.is_zero()
                || self.too_dear(component, side.back(), quote, worth, offer.by).is_some()
        };
        offer.by == By::Quoter && offer.back.is_none_or(is_dear)
    }

    /// By what share a quote, base units of the component for wei, is worse than the reference, where that
    /// is more than the policy has it. `rounded` is which of both is not exact.
    pub(super) fn too_dear(
        self,
        component: &Component,
        side: Side,
        (quantity, amount): (U256, U256),
        rounded: U256,
        by: By,
    ) -> Option<U256> {
        if by == By::Reference {
            return None;
        }
        let reference = component.reference.as_ref().ok()?;
        // What a few wei pay for has no exact price: rounding is all there is, and nothing to lose.
        const EXACT: U256 = alloy::primitives::uint!(1_000_000_U256);
        if amount.max(quantity) < EXACT {
            return None;
        }
        // A token without decimals does not come in by halves.
        let coarse = ONE.checked_div(rounded).unwrap_or(ONE);
        let widest = self.terms.policy.widest().saturating_add(coarse);
        let quoted = Price::of_units(amount, quantity)?;
        let (against, is_worse) = match side {
            Side::Sell => (reference.high, quoted.is_below(reference.high)),
            Side::Buy => (reference.low, !quoted.is_below(reference.low)),
        };
        let off = quoted.off(against);
        (is_worse && off > widest).then_some(off)
    }
}
