//! From a permit to a transaction: seat → simulate → price → sign → journal → broadcast.

use std::sync::Arc;

use alloy::primitives::U256;
use ballast_chains::{
    Head,
    amount::{ether, gwei},
    fees::{Quote, extra::ExtraQuote},
};
use ballast_strategy_api::{Action, Call, DynStrategy, StateKey};

use super::{
    super::{
        pricing::{self, Price, Terms},
        simulate::{Simulation, Stage},
        slot::{AttemptKind, Intent},
    },
    Lane, LaneError, Pursuit,
    seat::{Over, Seat, Why},
    send::{Draft, Word},
};
use crate::guard::{Caps, Permit, Rehearsal};

/// A call that would succeed, at a price that is allowed.
struct Offer {
    /// The state that it answers, under the name that the journal is to have.
    answers: StateKey,
    call: Call,
    gas_limit: u64,
    price: Price,
    /// The most that the chain takes beside gas × price, wei.
    extra: U256,
    max_cost: U256,
    /// The account's nonce after the head.
    nonce: u64,
    over: Option<Over>,
}

impl Lane {
    /// Gets a permitted action on its way, unless something holds it back. When this returns
    /// [`Pursuit::Sent`], the bytes are journalled and were handed to the nodes; whether they took
    /// them is for [`observe`](Self::observe) to follow, and a send of unknown outcome counts as
    /// live.
    ///
    /// While a less urgent action of the product waits for inclusion, this one takes over its
    /// nonce. The old one may be included all the same; then that is what is found, and the next
    /// assessment says what is still due.
    ///
    /// # Errors
    /// When nodes, journal or signer fail. Nothing was sent then, except that a journal which
    /// fails while it is written may have taken the transaction; memory is read anew from it, and
    /// what it holds is sent by the next observation.
    pub async fn pursue(
        &mut self,
        permit: Permit,
        head: &Head,
        strategy: &dyn DynStrategy,
    ) -> Result<Pursuit, LaneError> {
        if !self.book.journal.is_writable() {
            return Err(LaneError::ReadOnly);
        }
        let (action, caps) = (permit.action(), permit.caps());
        let offer = match self.prepare(action, caps, head, strategy).await? {
            Ok(offer) => offer,
            Err(pursuit) => {
                let waits = matches!(pursuit, Pursuit::Live { .. } | Pursuit::Held { .. });
                self.need.wanted = waits.then_some((action.urgency, caps));
                return Ok(pursuit);
            }
        };
        self.need.wanted = None;
        let Offer { answers, call, gas_limit, price, extra, nonce, over, .. } = offer;
        let nonce = over.as_ref().map_or(nonce, |over| over.nonce);
        if over.is_none()
            && let Some(held) = self.hold_by_nonce(nonce, head).await?
        {
            return Ok(held);
        }
        let of = (self.product.as_str(), self.agreed.on());
        let intent = Intent { answers, ..Intent::of(of, action, caps, head.number) };
        let intent = Arc::new(intent);
        let label = call.label.clone();
        let kind = if over.is_some() { AttemptKind::Replacement } else { AttemptKind::Original };
        let draft = Draft { nonce, kind, intent, call, gas_limit, price, extra };
        let attempt = match self.sign(draft, head, Word::Guard).await {
            Err(stopped @ LaneError::Stopped(reason)) => {
                return Ok(Pursuit::Held { reason, detail: stopped.to_string() });
            }
            signed => signed?,
        };
        let hash = attempt.hash;
        match &over {
            Some(over) => self.book.append_attempt(attempt, nonce, over.why.words()).await?,
            None => self.book.open_slot(attempt, nonce, "due").await?,
        }
        if let Some(reason) = self.send(nonce, Some(head.number), Word::Guard).await {
            let detail = format!("nonce {nonce} is journalled and goes out when it goes on");
            return Ok(Pursuit::Held { reason, detail });
        }
        let in_place_of = over.map(|over| over.action);
        Ok(Pursuit::Sent { nonce, hash, call: label, price, gas_limit, in_place_of })
    }

    /// What [`pursue`](Self::pursue) would do, without signing anything: for dry runs and watched
    /// wallets. Funds and the state of the nonce are not held against it.
    ///
    /// # Errors
    /// When nodes or journal do not answer.
    pub async fn plan(
        &mut self,
        rehearsal: &Rehearsal,
        head: &Head,
        strategy: &dyn DynStrategy,
    ) -> Result<Pursuit, LaneError> {
        let Rehearsal { action, caps, .. } = rehearsal;
        Ok(match self.prepare(action, *caps, head, strategy).await? {
            Ok(Offer { call, gas_limit, price, max_cost, .. }) => {
                Pursuit::WouldSend { call: call.label, to: call.to, price, gas_limit, max_cost }
            }
            Err(pursuit) => pursuit,
        })
    }

    /// Everything before signing. All that does not depend on the winning candidate is asked in
    /// one round.
    async fn prepare(
        &mut self,
        action: &Action,
        caps: Caps,
        head: &Head,
        strategy: &dyn DynStrategy,
    ) -> Result<Result<Offer, Pursuit>, LaneError> {
        self.book.reload().await?;
        let action = match self.identify(action, head).await? {
            Ok(action) => action,
            Err(pursuit) => return Ok(Err(pursuit)),
        };
        let action = action.as_ref();
        let seat = match self.seat(action, head) {
            Ok(seat) => seat,
            Err(pursuit) => return Ok(Err(pursuit)),
        };
        let next = self.next_block(head).await;
        let (node, from) = (self.node.as_ref(), self.wallet.address());
        let stage = Stage { node, from, head, next };
        let (simulation, quote, extra, balance, nonce) = futures::join!(
            stage.simulate(action.name, &action.candidates, strategy),
            self.quote(head),
            self.extra(action.candidates.iter(), head),
            self.balance_at(head),
            self.nonce_at(head),
        );
        let failed = |what| move |source| LaneError::Node { what, source };
        let (call, gas_limit) = match simulation.map_err(failed("a simulation"))? {
            Simulation::Ready { call, gas_limit } => (call, gas_limit),
            Simulation::TooMuchGas { call, gas, most } => {
                let label = call.label;
                let detail = format!("{label} needs {gas} gas, a transaction has {most} at most");
                return Ok(Err(Pursuit::Held { reason: "too much gas for a transaction", detail }));
            }
            Simulation::Refused(refusals) => return Ok(Err(Pursuit::Refused { refusals })),
        };
        let quote = quote.map_err(LaneError::Fees)?;
        let extra = match self.extra_or_hold(extra, action.urgency) {
            Ok(extra) => extra,
            Err(held) => return Ok(Err(held)),
        };
        let nonce = nonce.map_err(failed("the wallet's nonce"))?;
        let balance = balance.map_err(failed("the wallet's balance"))?;
        if let Some(held) = hold_by_seat(&seat, action, &call, nonce) {
            return Ok(Err(held));
        }
        if !seat.before.is_empty() && !strategy.checks_need(action.name) {
            let forbids = stage.forbids_repeat(&seat.before, &call).await;
            if !forbids.map_err(failed("whether the contract forbids a repetition"))? {
                return Ok(Err(waits_for_finality()));
            }
        }
        let gas_limit = seat.gas_limit(&call, gas_limit);
        // A watched wallet is not ours to fund.
        let balance = self.wallet.can_sign().then_some(balance);
        let mut terms = self.terms(action, caps, gas_limit, &call, balance, &seat);
        terms.extra = extra;
        let of = (action.answers.clone(), call);
        Ok(self.offer(of, &terms, nonce, seat.over, &quote))
    }

    fn terms(
        &self,
        action: &Action,
        caps: Caps,
        gas_limit: u64,
        call: &Call,
        balance: Option<U256>,
        seat: &Seat,
    ) -> Terms<'_> {
        Terms {
            urgency: action.urgency,
            pressure: self.need.pressure,
            waited: 0,
            last: seat.over.as_ref().is_some_and(|over| over.last),
            caps,
            fees: &self.profile.fees,
            gas_limit,
            value: call.value,
            extra: ExtraQuote::NONE,
            balance,
        }
    }

    fn offer(
        &self,
        (answers, call): (StateKey, Call),
        terms: &Terms<'_>,
        nonce: u64,
        over: Option<Over>,
        quote: &Quote,
    ) -> Result<Offer, Pursuit> {
        let gas_limit = terms.gas_limit;
        let price = match &over {
            Some(over) => pricing::replacement(over.price, quote, terms)
                .map_err(|hold| outbidding(hold, over)),
            None => pricing::price(quote, terms),
        };
        let price = price.map_err(|hold| self.held(hold, terms))?;
        let extra = terms.extra();
        // Saturating: what overflows is beyond any balance.
        let max_cost = U256::from(gas_limit)
            .saturating_mul(U256::from(price.max_fee_per_gas))
            .saturating_add(extra)
            .saturating_add(call.value);
        Ok(Offer { answers, call, gas_limit, price, extra, max_cost, nonce, over })
    }

    fn held(&self, hold: pricing::Hold, terms: &Terms<'_>) -> Pursuit {
        let pricing::Hold { reason, mut detail } = hold;
        if reason == pricing::INSUFFICIENT_FUNDS {
            let (wallet, symbol) = (self.wallet.address(), &self.profile.native_symbol);
            let held = ether(terms.balance.unwrap_or_default());
            let gas = terms.gas_limit;
            detail = format!("{wallet} holds {held} {symbol} for {gas} gas: {detail}");
        }
        Pursuit::Held { reason, detail }
    }

    /// Journal and chain must agree that the nonce is free. They do not for a head that is older
    /// than what was observed, nor after a reorganisation that was not observed yet; nor where the
    /// chain takes back what was final, and then it is opened again.
    async fn hold_by_nonce(
        &mut self,
        nonce: u64,
        head: &Head,
    ) -> Result<Option<Pursuit>, LaneError> {
        if nonce < self.book.unjournalled {
            let known = self.book.unjournalled;
            if self.reopen_undone(nonce, head).await? {
                return Ok(Some(Pursuit::Live { nonce }));
            }
            let detail =
                format!("the head has the wallet at nonce {nonce}, the journal at {known}");
            return Ok(Some(Pursuit::Held { reason: "head behind the journal", detail }));
        }
        self.notice_foreign(nonce, Some(head));
        Ok(None)
    }
}

impl Seat {
    /// The limit never shrinks for the same call at the same nonce.
    fn gas_limit(&self, call: &Call, estimated: u64) -> u64 {
        match &self.over {
            Some(over) if over.call == *call => estimated.max(over.gas_limit),
            Some(_) | None => estimated,
        }
    }
}

/// What is known only once the call and the account's nonce are.
fn hold_by_seat(seat: &Seat, action: &Action, call: &Call, nonce: u64) -> Option<Pursuit> {
    let over = seat.over.as_ref()?;
    // Its block has come, and was not observed yet.
    let used = nonce > over.nonce;
    // What found it failing, or out of date, is older than this simulation.
    let again = matches!(over.why, Why::WouldFail | Why::Outdated);
    let no_change = again && over.call == *call && over.action == action.name;
    (used || no_change).then_some(Pursuit::Live { nonce: over.nonce })
}

fn waits_for_finality() -> Pursuit {
    Pursuit::Held {
        reason: "waits for finality",
        detail: "the same was signed before and came to nothing in a block that may fall away; \
                 the contract would let it take effect twice, so that block must be final first"
            .to_owned(),
    }
}

fn outbidding(mut hold: pricing::Hold, over: &Over) -> pricing::Hold {
    let offered = gwei(over.price.max_fee_per_gas);
    hold.detail =
        format!("{} at nonce {} offers {offered}: {}", over.action, over.nonce, hold.detail);
    hold
}
