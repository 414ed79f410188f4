//! What happened, as one named function per event: each logs and counts, so that the lane says a
//! thing once. Labels are fixed words, never a hash or an address.

use ballast_chains::fees::extra::{ExtraError, ExtraFees};
use metrics::counter;
use tracing::{error, info, warn};

use super::{
    lifecycle::{Outcome, Unexpected},
    slot::{AttemptKind, EndpointAnswer, Slot},
};
use crate::store::StoreError;

/// Who it happened to.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub(crate) product: String,
    pub(crate) chain: String,
}

impl Subject {
    fn labels(&self) -> [(&'static str, String); 2] {
        [("product", self.product.clone()), ("chain", self.chain.clone())]
    }

    fn count(&self, name: &'static str, more: &[(&'static str, String)]) {
        let labels: Vec<(&'static str, String)> =
            self.labels().into_iter().chain(more.iter().cloned()).collect();
        counter!(name, &labels).increment(1);
    }

    /// An attempt is in the journal and about to be sent.
    pub(crate) fn signed(&self, slot: &Slot, why: &str) {
        let attempt = slot.newest();
        info!(
            product = self.product,
            chain = self.chain,
            nonce = slot.nonce,
            hash = %attempt.hash,
            kind = attempt.kind.label(),
            action = slot.newest().intent.action,
            call = attempt.call.label,
            max_fee_per_gas = %attempt.price.max_fee_per_gas,
            max_priority_fee_per_gas = %attempt.price.max_priority_fee_per_gas,
            gas_limit = attempt.gas_limit,
            why,
            "signed and journalled"
        );
        match attempt.kind {
            AttemptKind::Original => {}
            AttemptKind::Replacement | AttemptKind::Cancellation => {
                let kind = [("kind", attempt.kind.label().to_owned())];
                self.count("ballast_replacements_total", &kind);
            }
        }
    }

    /// One endpoint answered a broadcast.
    pub(crate) fn answered(&self, nonce: u64, endpoint: &str, answer: &EndpointAnswer, news: bool) {
        let verdict = [("verdict", answer.verdict.label().to_owned())];
        self.count("ballast_broadcasts_total", &verdict);
        if news {
            let (product, chain) = (&self.product, &self.chain);
            let (verdict, detail) = (answer.verdict.label(), &answer.detail);
            info!(product, chain, nonce, endpoint, verdict, detail, "endpoint answered");
        }
    }

    /// No endpoint could be asked.
    pub(crate) fn nobody_to_send_to(&self, nonce: u64) {
        warn!(product = self.product, chain = self.chain, nonce, "no endpoint takes transactions");
        self.count("ballast_broadcasts_total", &[("verdict", "nobody".to_owned())]);
    }

    /// Somebody stopped the product between the journal and the nodes.
    pub(crate) fn kept_back(&self, nonce: u64, why: &str) {
        warn!(product = self.product, chain = self.chain, nonce, why, "not handed to any node");
    }

    /// A nonce is spent for good.
    pub(crate) fn finished(&self, action: &str, outcome: Outcome) {
        let labels = [("action", action.to_owned()), ("outcome", outcome.label().to_owned())];
        self.count("ballast_transactions_total", &labels);
    }

    /// A transaction is in a block, and was paid for beside its gas.
    pub(crate) fn extra_paid(&self, extra: &ExtraFees) {
        let wei = u64::try_from(extra.total()).unwrap_or(u64::MAX);
        if wei > 0 {
            counter!("ballast_extra_fees_wei_total", &self.labels()).increment(wei);
        }
    }

    /// The receipt of a chain with L1 data fees has none.
    pub(crate) fn extra_untold(&self, nonce: u64) {
        let (product, chain) = (&self.product, &self.chain);
        warn!(
            product,
            chain, nonce, "the receipt names no L1 data fee: what it cost is booked without it"
        );
        self.count("ballast_extra_fees_unknown_total", &[("at", "receipt".to_owned())]);
    }

    /// What the chain takes beside gas × price is not known before sending.
    pub(crate) fn extra_unknown(&self, cause: &ExtraError) {
        let (product, chain, cause) = (&self.product, &self.chain, crate::error_chain(cause));
        warn!(product, chain, cause, "the L1 data fee cannot be told before sending");
        self.count("ballast_extra_fees_unknown_total", &[("at", "quote".to_owned())]);
    }

    /// What inclusion promised did not come true.
    pub(crate) fn postcondition_missed(&self, action: &str) {
        self.count("ballast_postconditions_missed_total", &[("action", action.to_owned())]);
    }

    /// The wallet's key was used by somebody else.
    pub(crate) fn foreign(&self, from: u64, to: u64) {
        warn!(
            product = self.product,
            chain = self.chain,
            from,
            to,
            "nonces were used by transactions that are not in the journal: the key is used elsewhere"
        );
        self.count("ballast_foreign_transactions_total", &[]);
    }

    /// Blocks that were final fell away, and with them what was done at these nonces.
    pub(crate) fn undone(&self, nonces: &[u64]) {
        error!(
            product = self.product,
            chain = self.chain,
            ?nonces,
            "a block that counted as final is not canonical: its transactions are followed again; \
             the chain's finality setting may be too short, or an endpoint on another chain"
        );
        self.count("ballast_final_blocks_undone_total", &[]);
    }

    /// A wallet that the product had before still has something under way.
    pub(crate) fn former_wallet(&self, wallet: &str, nonces: &[u64]) {
        warn!(
            product = self.product,
            chain = self.chain,
            wallet,
            ?nonces,
            "the product's earlier wallet has transactions that are not final: they are watched, \
             and nothing is sent for them any more"
        );
    }

    /// A state met an event that its table does not have. The state was kept.
    pub(crate) fn unexpected(&self, nonce: u64, unexpected: &Unexpected) {
        error!(product = self.product, chain = self.chain, nonce, %unexpected, "lifecycle");
        self.count("ballast_lifecycle_unexpected_total", &[]);
    }

    /// Something could not be written that is not needed for safety.
    pub(crate) fn not_written(&self, nonce: u64, error: &StoreError) {
        let detail = crate::error_chain(error);
        error!(product = self.product, chain = self.chain, nonce, detail, "journal is behind");
        self.count("ballast_journal_failures_total", &[]);
    }

    /// A restart found something to go on with.
    pub(crate) fn resumed(&self, nonce: u64, state: &str) {
        info!(product = self.product, chain = self.chain, nonce, state, "resumed from the journal");
    }
}
