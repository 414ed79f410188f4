//! Why nothing is done at a block.

use ballast_strategy_api::Decision;

use super::{
    FINISHED, HELD_UP, Hold, KEPT, Look, Lot, Stand, UNSPENT, blocked, resting_until, wait,
};
use crate::{module::Side, refusal, snapshot::offers::Rehearsal};

impl Look<'_> {
    /// Why nothing is done.
    pub(super) fn nothing_due(self) -> Decision {
        let wanted = || {
            let lots = self.survey.lots.iter();
            lots.filter(|lot| self.survey.is_wanted(lot)).map(|lot| (lot, self.stand(lot)))
        };
        let holds = wanted().filter_map(|(lot, stand)| match stand {
            Stand::Held(hold) => Some((lot, hold)),
            Stand::Met | Stand::Small | Stand::Resting | Stand::TooDear | Stand::Ready { .. } => {
                None
            }
        });
        let resting = wanted().filter(|(_, stand)| matches!(stand, Stand::Resting));
        let soonest = resting.map(|(lot, _)| lot.ready_at).min();
        let short = wanted().any(|(_, stand)| matches!(stand, Stand::TooDear));
        let has_more = self.survey.free > self.survey.dust;
        // Where nothing can be paid any more, a buy that is held makes no difference.
        let matters = |lot: &Lot| lot.side() == Some(Side::Sell) || has_more;
        let held: Vec<(&Lot, Hold)> = holds.filter(|(lot, _)| matters(lot)).collect();
        // Told although others only rest: a person may have to act.
        if let Some((_, first)) = held.first() {
            let all: Vec<String> = held.iter().map(|(lot, hold)| self.told(lot, hold)).collect();
            return blocked(first.reason, all.join("; "));
        }
        if let Some(soonest) = soonest {
            // A price may make what could not be paid due before.
            return resting_until(soonest, self.snapshot.now, !(short && has_more));
        }
        if short && has_more { self.stuck_with_rest() } else { wait(FINISHED) }
    }

    /// Why what remains is not spent although something is to be bought.
    fn stuck_with_rest(self) -> Decision {
        if self.survey.any_sellable() {
            let sellable = self.survey.lots.iter().filter(|lot| lot.can_sell);
            let names = sellable.filter_map(|lot| self.snapshot.components.get(lot.place));
            let names: Vec<&str> = names.map(|component| component.symbol.as_str()).collect();
            let detail = format!("{}: a fee or a new start moves it", names.join(", "));
            return blocked(HELD_UP, detail);
        }
        if self.survey.surplus <= self.survey.dust {
            let detail = "its target as it was submitted is above what there is".to_owned();
            return blocked(KEPT, detail);
        }
        // Not a base unit of anything comes out.
        let takes = self.snapshot.components.iter().any(|component| {
            let offer = component.offers.remaining.as_ref();
            offer.is_some_and(|offer| {
                let least = offer.amount.and_then(|amount| self.terms.policy.least(amount));
                least.is_none_or(|least| !least.is_zero())
            })
        });
        if !takes {
            return wait(FINISHED);
        }
        let refused = self.snapshot.components.iter().filter_map(|component| {
            match &component.offers.remaining.as_ref()?.rehearsal {
                Rehearsal::Refused(revert) => {
                    let Hold { reason, detail } = refusal::of_rehearsal(revert);
                    Some((reason, format!("{}: {reason}: {detail}", component.symbol)))
                }
                Rehearsal::None | Rehearsal::Passed => None,
            }
        });
        let refused: Vec<(&str, String)> = refused.collect();
        let reason = refused.first().map_or(UNSPENT, |(reason, _)| *reason);
        let details: Vec<String> = refused.into_iter().map(|(_, detail)| detail).collect();
        let detail = if details.is_empty() {
            "every component that it could go to would come out beyond its target or its maximum, or \
             too dear"
                .to_owned()
        } else {
            details.join("; ")
        };
        blocked(reason, detail)
    }

    fn told(self, lot: &Lot, hold: &Hold) -> String {
        let component = self.snapshot.components.get(lot.place);
        let symbol = component.map_or("?", |component| component.symbol.as_str());
        format!("{symbol}: {}: {}", hold.reason, hold.detail)
    }
}
