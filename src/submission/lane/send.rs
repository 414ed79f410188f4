//! From a call to bytes at the nodes: sign, journal, broadcast, note the answers. In this order,
//! always.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use alloy::primitives::U256;
use ballast_chains::{
    Head,
    pool::{Answer, Wanted},
};
use ballast_strategy_api::{Call, Exposure};

use super::{
    super::{
        envelope::Content,
        lifecycle::TxEvent,
        pricing::Price,
        repeat::{took_effect, waits_for_earlier},
        slot::{Attempt, AttemptKind, EndpointAnswer, Intent, Slot, Verdict},
    },
    Lane, LaneError,
    book::Book,
    late::Sent,
};
use crate::{failpoint, guard::Upkeep};

/// How long the lane stands still for endpoints that do not answer, however short blocks are: whoever
/// answers later than this is not one to wait for.
const SEND_PATIENCE: Duration = Duration::from_secs(2);

/// Everything that an attempt is made of.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) nonce: u64,
    pub(super) kind: AttemptKind,
    pub(super) intent: Arc<Intent>,
    pub(super) call: Call,
    pub(super) gas_limit: u64,
    pub(super) price: Price,
    /// See [`Attempt::extra`].
    pub(super) extra: U256,
}

/// On whose word something leaves the keeper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// The guard's, which a person may have overruled since.
    Guard,
    /// An operator's order, which counts although the product is stopped.
    Operator,
}

impl Lane {
    /// Signs a draft: the only place that does. Nothing is journalled or sent, and what comes back
    /// is checked before anything can be; so is whether somebody has stopped the product meanwhile.
    pub(super) async fn sign(
        &self,
        draft: Draft,
        head: &Head,
        word: Word,
    ) -> Result<Attempt, LaneError> {
        let Draft { nonce, kind, intent, call, gas_limit, price, extra } = draft;
        let content = Content {
            chain_id: self.profile.chain_id,
            fee_model: self.profile.fee_model,
            nonce,
            call: &call,
            gas_limit,
            price,
        };
        let wallet = self.wallet.address();
        let signed = self.wallet.sign(content.transaction()).await.map_err(LaneError::Wallet)?;
        content
            .check(&signed, wallet)
            .map_err(|problem| LaneError::WrongSignature { wallet, problem })?;
        // The last moment at which it can be dropped: what is journalled is live for good.
        if let Some(why) = self.stopped(word) {
            return Err(LaneError::Stopped(why));
        }
        Ok(Attempt {
            hash: signed.hash,
            raw: signed.raw,
            kind,
            intent,
            call,
            gas_limit,
            price,
            extra,
            signed_at_block: head.number,
            by_order: word == Word::Operator,
            answers: BTreeMap::new(),
        })
    }

    /// Why nothing may leave on that word, if so.
    fn stopped(&self, word: Word) -> Option<&'static str> {
        match word {
            Word::Guard => self.stop.stopped(),
            Word::Operator => None,
        }
    }

    /// Hands the newest attempt of a nonce to the nodes and notes what they say. Infallible for a
    /// reason: the bytes are journalled, so whatever goes wrong here is put right by sending them
    /// again. While the product is stopped it does nothing and gives the reason: they are sent when
    /// it goes on, if what they are for is still due then.
    pub(super) async fn send(
        &mut self,
        nonce: u64,
        at_block: Option<u64>,
        word: Word,
    ) -> Option<&'static str> {
        if let Some(why) = self.stopped(word) {
            self.subject.kept_back(nonce, why);
            return Some(why);
        }
        self.hand_over(nonce, at_block, word).await;
        None
    }

    async fn hand_over(&mut self, nonce: u64, at_block: Option<u64>, word: Word) {
        let Some(watched) = self.book.slots.get_mut(&nonce) else { return };
        let (hash, raw) = (watched.slot.newest().hash, watched.slot.newest().raw.clone());
        watched.sent_at_block = at_block.or(watched.sent_at_block);
        // What takes over a nonce has not waited yet: it has its own time in private.
        let own = &watched.slot.newest().intent;
        let first = watched.slot.attempts.iter().find(|attempt| attempt.intent.is_same_as(own));
        let first = first.unwrap_or_else(|| watched.slot.newest()).signed_at_block;
        let waited = at_block.map(|block| block.saturating_sub(first));
        let (is_outgoing, stop) = (watched.outgoing(), self.stop.clone());
        let wanted = Wanted::new(move || {
            is_outgoing() && (word == Word::Operator || stop.stopped().is_none())
        });
        failpoint::before("broadcast");
        let mut sending = self.node.broadcast(raw, self.privacy.route(waited), wanted);
        if sending.is_to_nobody() {
            return self.subject.nobody_to_send_to(nonce);
        }
        let answers = sending.until_taken(self.send_patience(at_block)).await;
        failpoint::after("broadcast");
        if answers.is_empty() && sending.is_unanswered() {
            self.silent_at = at_block;
        }
        let of = Sent { nonce, hash, at_block };
        self.late.keep(of, sending);
        self.note_answers(of, answers).await;
    }

    /// What was handed over before this head and still waits for its turn at an endpoint does not
    /// leave any more.
    pub(super) fn recall(&mut self, nonce: u64, head: &Head) {
        if let Some(watched) = self.book.slots.get_mut(&nonce)
            && watched.sent_at_block != Some(head.number)
        {
            watched.outgoing = None;
        }
    }

    /// How long the lane stands still for endpoints of which none has taken the transaction: a block,
    /// since the next one is when something else can be done, and never longer than one is given to
    /// answer. Once at a head: where several nonces are sent, nobody waits for each of them.
    fn send_patience(&self, at_block: Option<u64>) -> Duration {
        if at_block.is_some() && self.silent_at == at_block {
            return Duration::ZERO;
        }
        self.profile.request_timeout.min(self.profile.block_time.max(SEND_PATIENCE))
    }

    /// Notes what endpoints made of an attempt, also if its nonce has moved on meanwhile.
    pub(super) async fn note_answers(&mut self, of: Sent, answers: Vec<Answer>) {
        let Sent { nonce, hash, at_block } = of;
        if answers.is_empty() {
            return;
        }
        let answers: BTreeMap<String, EndpointAnswer> =
            answers.into_iter().map(|said| (said.endpoint, said.answer.into())).collect();
        let Some(watched) = self.book.slots.get_mut(&nonce) else { return };
        let slot = &mut watched.slot;
        // A slot that a reorganisation emptied may be another one by now.
        if slot.attempt(hash).is_none() {
            return;
        }
        let state = match slot.state.clone().on(verdict(&answers)) {
            Ok(state) => state,
            Err(unexpected) => return self.subject.unexpected(nonce, &unexpected),
        };
        let changed = state != slot.state;
        let Some(attempt) = slot.attempt_mut(hash) else { return };
        let mut news = BTreeMap::new();
        for (endpoint, answer) in answers {
            let is_news = attempt.answers.get(&endpoint) != Some(&answer);
            self.subject.answered(nonce, &endpoint, &answer, is_news);
            if is_news {
                attempt.answers.insert(endpoint.clone(), answer.clone());
                news.insert(endpoint, answer);
            }
        }
        if changed || !news.is_empty() {
            let block = at_block.unwrap_or(attempt.signed_at_block);
            let written =
                self.book.journal.record_answers(nonce, &state, attempt, &news, block).await;
            // The attempt itself is journalled; what is lost is only what was said of it.
            if let Err(error) = written {
                self.subject.not_written(nonce, &error);
            }
        }
        slot.state = state;
    }

    /// Whether the bytes of a slot must not be sent, at least for now.
    pub(super) fn is_kept_back(&self, nonce: u64, head: &Head, upkeep: &Upkeep) -> bool {
        let Some(watched) = self.book.slots.get(&nonce) else { return true };
        let slot = &watched.slot;
        let earlier = || self.book.slots.range(..nonce).map(|(_, watched)| &watched.slot);
        // It is long forgotten by the nodes, unless the process was away for a moment only.
        let is_revived = watched.sent_at_block.is_none()
            && slot.newest().kind != AttemptKind::Cancellation
            && slot.newest().intent.is_expired(head.number);
        watched.repeats
            || is_revived
            || self.is_disowned(slot)
            || waits_for_earlier(slot, earlier())
            || (upkeep.delever_only && self.delevers(slot) != Some(true))
    }

    /// Whether what a slot would do at present is allowed to a product that may only delever. Its
    /// bytes say no direction: that is what the strategy says by now of the same action. `None` if
    /// it has not said anything yet.
    pub(super) fn delevers(&self, slot: &Slot) -> Option<bool> {
        let newest = slot.newest();
        if newest.kind == AttemptKind::Cancellation {
            return Some(true);
        }
        if newest.intent.exposure == Exposure::Raises {
            return Some(false);
        }
        let said = self.need.said?;
        Some(said.due.is_some_and(|(action, exposure)| {
            action == newest.intent.action && exposure != Exposure::Raises
        }))
    }

    /// Whether a slot was signed for while the product acted on something else.
    pub(super) fn is_disowned(&self, slot: &Slot) -> bool {
        let newest = slot.newest();
        newest.kind != AttemptKind::Cancellation
            && self.agreed.disowns(newest.intent.acts_on.as_deref())
    }

    /// Notes of what waits at these nonces whether it took effect elsewhere: it must not again.
    pub(super) async fn note_repeats(&mut self, waiting: &[u64]) -> Result<(), LaneError> {
        for nonce in waiting {
            let Some(watched) = self.book.slots.get(nonce) else { continue };
            let slot = &watched.slot;
            let others = self.book.slots().filter(|other| other.nonce != *nonce);
            let formers = self.formers.iter().flat_map(Book::slots);
            let mut repeats = took_effect(slot, others.chain(formers));
            if !repeats && slot.newest().kind != AttemptKind::Cancellation {
                let intent = &slot.newest().intent;
                let (action, answers) = (intent.action.as_str(), intent.answers.as_str());
                let acts_on = intent.acts_on.as_deref();
                let answered = self.book.journal.answered(action, answers, acts_on).await;
                repeats = answered.map_err(LaneError::Journal)?.is_some();
            }
            if let Some(watched) = self.book.slots.get_mut(nonce) {
                watched.repeats = repeats;
            }
        }
        Ok(())
    }
}

/// What all answers together mean for the nonce: one that has it, or may have it, is enough.
fn verdict(answers: &BTreeMap<String, EndpointAnswer>) -> TxEvent {
    let any = |verdict| answers.values().any(|answer| answer.verdict == verdict);
    if any(Verdict::Accepted) {
        TxEvent::Accepted
    } else if any(Verdict::Ambiguous) {
        TxEvent::Ambiguous
    } else {
        TxEvent::Rejected
    }
}
