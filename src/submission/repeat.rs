//! Whether an intent may be acted on at a nonce, although it was signed for at another one.
//!
//! An intent (product, action, `answers`) must take effect at most once. What was signed for it can
//! be executed for as long as its nonce is not spent for good, so the intent is bound to that nonce
//! until then. Three cases, by the chain of the head:
//!
//! 1. The nonce is **not used**. Its attempts are live. Nothing else is signed for the intent; at
//!    the same nonce it may be replaced, taken over or given up, because a chain uses a nonce once.
//! 2. The nonce is **used by a call of this intent that succeeded**. It has taken effect.
//! 3. The nonce is used by something else: a call that **reverted**, a **cancellation**, or the
//!    call of **another intent** that was taken over. On this chain the intent came to nothing and,
//!    the nonce being used, nothing that was signed for it can be executed any more. But another
//!    chain may win: there the nonce may be used by another attempt, or by the same one with
//!    success, and what is signed now for the next nonce would be executed after it.
//!
//! To wait in case 3 until the block is final holds back a ripcord for a quarter of an hour. To go
//! on blindly may act twice. So the contract is asked: on the state of the head, in one `eth_call`
//! from our own account, an old call of the intent runs and right after it the new one
//! ([`Stage::forbids_repeat`](super::simulate::Stage::forbids_repeat)). If the new call then
//! **fails**, the contract itself keeps the intent from taking effect twice, and the new call is
//! signed at once. If it succeeds, the contract has no such guard, and finality is waited for.
//!
//! Why that is enough. Let `n` be the old nonce and `m > n` the new one. A chain in which both take
//! effect would have used `n` for an old call with success, and `m` for the new call with success
//! after it, since an account's nonces are used in order. Whatever a reorganisation puts at `n`:
//!
//! * a cancellation, a revert or another intent: only `m` takes effect. Once.
//! * an old call with success: then the new call, which comes later in that chain, meets the guard
//!   that the simulation met, and fails. Once. But a guard may be a cooldown, so `m` must not wait
//!   until that is over: the lane sees `n` included with success (case 2), keeps `m` back from then
//!   on, and cancels it at once, whatever that costs within its caps ([`took_effect`]).
//! * nothing yet: `m` cannot be used before `n`. The lane sends what is at `n` only and keeps `m`
//!   back ([`waits_for_earlier`]), so that by the time `m` goes out again, case 2 or 3 is decided.
//!
//! What is assumed: that the guard depends on the first call having taken effect and not on what
//! else differs between the two chains. That is how every contract is built that we drive (a
//! cooldown, a state that the call itself moves). But a guard may be of one candidate only (an FLI
//! cooldown is the exchange's), so no call stands for another: every old call is run, and each must
//! take effect and be followed by the failure of the new one. Of an old call that fails today (its
//! exchange is dry) that cannot be known, and finality is waited for: a simulation can be given a
//! balance or a clock, but not the market in which the old call would have succeeded, and what it left
//! behind there is just what the new call would meet.
//!
//! One kind of action needs no proof. Where the contract asks at execution whether the action is
//! **needed** and refuses it where it is not
//! ([`Strategy::checks_need`](ballast_strategy_api::Strategy::checks_need)), then in a chain in which
//! the old call succeeds at `n`, the new one at `m` is executed only if it is needed after that as
//! well: it is the step that would be due next, and that a product like this takes block after block.
//! So a ripcord whose exchange ran dry is signed for by another exchange at once, in the one situation
//! in which a quarter of an hour of waiting is dear. The rule above holds for it too: where `n` is
//! seen to be included with success, `m` is kept back and given up, since the strategy has a fresh
//! word on what is due by then.
//!
//! Once case 2 is final the intent is done with. If the very state that it answers is there again after
//! that, it is another intent, under a name of its own (`lane/identity.rs`).

use ballast_strategy_api::{Action, Call};

use super::{
    lifecycle::{Inclusion, TxState},
    slot::{AttemptKind, Slot},
};

/// Where an intent stands among the slots that are not final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing signed for it can be executed.
    Free,
    /// Case 1: it waits for inclusion.
    Live {
        /// Its nonce.
        nonce: u64,
    },
    /// Case 2: it took effect, in a block that is not final.
    CarriedOut {
        /// Its nonce.
        nonce: u64,
    },
    /// Case 3: these calls could take effect in another chain.
    CameToNothing {
        /// The lowest of their nonces.
        nonce: u64,
        /// Each once.
        calls: Vec<Call>,
    },
}

/// Where the intent of `action` stands. Slots come in nonce order; what waits for inclusion counts
/// before what took effect, and that before what came to nothing.
pub(super) fn standing<'a>(
    slots: impl Iterator<Item = &'a Slot>,
    product: &str,
    action: &Action,
) -> Standing {
    let (mut carried_out, mut nothing) = (None, None);
    for slot in slots {
        let mut calls = Vec::new();
        for attempt in slot.attempts.iter() {
            let is_its = attempt.kind != AttemptKind::Cancellation
                && attempt.intent.is_that_of(product, action);
            if is_its && !calls.contains(&attempt.call) {
                calls.push(attempt.call.clone());
            }
        }
        if calls.is_empty() {
            continue;
        }
        let nonce = slot.nonce;
        match &slot.state {
            TxState::Planned | TxState::Signed | TxState::Pending => {
                return Standing::Live { nonce };
            }
            TxState::Included(inclusion) => {
                let is_its = slot.intent().is_that_of(product, action);
                if is_its && inclusion.succeeded && !inclusion.cancellation {
                    carried_out = carried_out.or(Some(nonce));
                } else {
                    let (_, known) = nothing.get_or_insert_with(|| (nonce, Vec::new()));
                    known.extend(calls);
                }
            }
            TxState::Final(_) => {}
        }
    }
    match (carried_out, nothing) {
        (Some(nonce), _) => Standing::CarriedOut { nonce },
        (None, Some((nonce, calls))) => Standing::CameToNothing { nonce, calls: once(calls) },
        (None, None) => Standing::Free,
    }
}

/// Whether a slot carries an intent that an earlier one, not included at present, carries too: it
/// is not sent before it is known what became of that one.
pub(super) fn waits_for_earlier<'a>(
    slot: &Slot,
    mut earlier: impl Iterator<Item = &'a Slot>,
) -> bool {
    let own = &slot.newest().intent;
    slot.newest().kind != AttemptKind::Cancellation
        && earlier.any(|before| {
            before.state.is_awaiting_inclusion()
                && before.attempts.iter().any(|attempt| {
                    attempt.kind != AttemptKind::Cancellation && attempt.intent.is_same_as(own)
                })
        })
}

/// Whether the newest intent of a slot took effect in one of `others`, which are at other nonces: it
/// is not sent any more, and given up at once.
pub(super) fn took_effect<'a>(slot: &Slot, mut others: impl Iterator<Item = &'a Slot>) -> bool {
    let newest = slot.newest();
    newest.kind != AttemptKind::Cancellation
        && others.any(|other| {
            let succeeded = |inclusion: &Inclusion| inclusion.succeeded && !inclusion.cancellation;
            other.state.inclusion().is_some_and(succeeded)
                && other.intent().is_same_as(&newest.intent)
        })
}

fn once(calls: Vec<Call>) -> Vec<Call> {
    let mut each: Vec<Call> = Vec::new();
    for call in calls {
        if !each.contains(&call) {
            each.push(call);
        }
    }
    each
}

#[cfg(test)]
mod tests;
