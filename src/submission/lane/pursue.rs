//! From a permit to a transaction: simulate → price → funds → sign → journal → broadcast.

use std::sync::Arc;

use alloy::primitives::U256;
use ballast_chains::{Head, amount::ether, fees::FeeQuote};
use ballast_strategy_api::{Action, Call, DynStrategy};

use super::{
    super::{
        pricing::{self, Price, Terms},
        simulate::{Simulation, Stage},
        slot::{AttemptKind, Intent},
    },
    Lane, LaneError, MAX_UNFINAL, Pursuit,
    send::Draft,
};
use crate::guard::{Caps, Permit, Rehearsal};

/// A call that would succeed, at a price that is allowed.
struct Offer {
    call: Call,
    gas_limit: u64,
    price: Price,
    max_cost: U256,
    /// The account's nonce after the head.
    nonce: u64,
}

impl Lane {
    /// Gets a permitted action on its way, unless something holds it back. When this returns
    /// [`Pursuit::Sent`], the bytes are journalled and were handed to the nodes; whether they took
    /// them is for [`observe`](Self::observe) to follow, and a send of unknown outcome counts as
    /// live.
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
        if !self.journal.is_writable() {
            return Err(LaneError::ReadOnly);
        }
        let (action, caps) = (permit.action(), permit.caps());
        let offer = match self.prepare(action, caps, head, strategy).await? {
            Ok(offer) => offer,
            Err(pursuit) => return Ok(pursuit),
        };
        if let Some(held) = self.hold_by_nonce(offer.nonce) {
            return Ok(held);
        }
        let Offer { call, gas_limit, price, nonce, .. } = offer;
        let intent = Arc::new(Intent::of(&self.product, action, caps, head.number));
        let label = call.label.clone();
        let kind = AttemptKind::Original;
        let draft = Draft { nonce, kind, intent, call, gas_limit, price };
        let attempt = self.sign(draft, head).await?;
        let hash = attempt.hash;
        self.open_slot(attempt, nonce).await?;
        self.send(nonce, Some(head.number)).await;
        Ok(Pursuit::Sent { nonce, hash, call: label, price, gas_limit })
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
        self.reload().await?;
        if let Some(pursuit) = self.hold_by_lane(action) {
            return Ok(Err(pursuit));
        }
        let next = self.next_block(head).await;
        let (node, from) = (self.node.as_ref(), self.wallet.address());
        let min_tip = self.profile.fees.min_priority_fee_per_gas;
        let stage = Stage { node, from, head, next };
        let (answered, simulation, quote, balance, nonce) = futures::join!(
            self.journal.answered(action),
            stage.simulate(action.name, &action.candidates, strategy),
            node.quote(*head, min_tip),
            node.balance(from, head.into()),
            node.nonce(from, head.into()),
        );
        if let Some(answered) = answered.map_err(LaneError::Journal)? {
            return Ok(Err(Pursuit::Answered { nonce: answered.nonce }));
        }
        let failed = |what| move |source| LaneError::Node { what, source };
        let (call, gas_limit) = match simulation.map_err(failed("a simulation"))? {
            Simulation::Ready { call, gas_limit } => (call, gas_limit),
            Simulation::Refused(refusals) => return Ok(Err(Pursuit::Refused { refusals })),
        };
        let quote = quote.map_err(LaneError::Fees)?;
        let nonce = nonce.map_err(failed("the wallet's nonce"))?;
        let balance = balance.map_err(failed("the wallet's balance"))?;
        let terms = Terms {
            urgency: action.urgency,
            caps,
            fees: &self.profile.fees,
            gas_limit,
            value: call.value,
            // A watched wallet is not ours to fund.
            balance: self.wallet.can_sign().then_some(balance),
        };
        Ok(self.offer(call, &terms, nonce, &quote))
    }

    fn offer(
        &self,
        call: Call,
        terms: &Terms<'_>,
        nonce: u64,
        quote: &FeeQuote,
    ) -> Result<Offer, Pursuit> {
        let gas_limit = terms.gas_limit;
        let price = pricing::price(quote, terms).map_err(|hold| self.held(hold, terms))?;
        // Saturating: what overflows is beyond any balance.
        let max_cost = U256::from(gas_limit)
            .saturating_mul(U256::from(price.max_fee_per_gas))
            .saturating_add(call.value);
        Ok(Offer { call, gas_limit, price, max_cost, nonce })
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

    /// What is under way holds back everything else until it is included, and the same intent
    /// until it is final.
    fn hold_by_lane(&self, action: &Action) -> Option<Pursuit> {
        let same =
            self.slots.values().map(|watched| &watched.slot).find(|slot| {
                slot.attempts.iter().any(|a| a.intent.is_that_of(&self.product, action))
            });
        if let Some(slot) = self.awaiting().or(same) {
            return Some(Pursuit::Live { nonce: slot.nonce });
        }
        if self.slots.len() >= MAX_UNFINAL {
            let detail = format!("{MAX_UNFINAL} transactions are included and not final");
            return Some(Pursuit::Held { reason: "too many unfinal transactions", detail });
        }
        None
    }

    /// Journal and chain must agree that the nonce is free. They do not for a head that is older
    /// than what was observed, nor after a reorganisation that was not observed yet.
    fn hold_by_nonce(&mut self, nonce: u64) -> Option<Pursuit> {
        if nonce < self.unjournalled {
            let known = self.unjournalled;
            let detail =
                format!("the head has the wallet at nonce {nonce}, the journal at {known}");
            return Some(Pursuit::Held { reason: "head behind the journal", detail });
        }
        self.notice_foreign(nonce);
        None
    }
}
