//! The journal's rows as statements.

use ballast_strategy_api::Exposure;

use super::{LaneJournal, sql};
use crate::{
    clock,
    store::Statement,
    submission::{
        lifecycle::TxState,
        node::Receipt,
        slot::{Attempt, Intent},
    },
};

impl LaneJournal {
    pub(super) fn wallet(&self) -> String {
        hex(self.wallet)
    }

    /// A statement whose first values are chain, wallet and nonce.
    pub(super) fn keyed(&self, sql: &'static str, nonce: u64) -> Statement {
        Statement::new(sql).with(self.chain_id).with(self.wallet()).with(nonce)
    }

    pub(super) fn state(&self, nonce: u64, state: &TxState) -> Statement {
        self.keyed(sql::SET_STATE, nonce).with(state.label())
    }

    pub(super) fn intent(&self, nonce: u64, number: u64, intent: &Intent) -> Statement {
        let expects = intent.expects.as_ref().and_then(|e| serde_json::to_string(e).ok());
        self.keyed(sql::INSERT_INTENT, nonce)
            .with(number)
            .with(intent.product.as_str())
            .with(intent.action.as_str())
            .with(intent.answers.as_str())
            .with(intent.urgency.as_str())
            .with(intent.deadline)
            .with(expects)
            .with(intent.caps.max_fee_per_gas.to_string())
            .with(intent.caps.max_transaction_cost.map(|cost| cost.to_string()))
            .with(intent.found_at_block)
            .with(exposure_label(intent.exposure))
            .with(intent.acts_on.clone())
    }

    pub(super) fn attempt(
        &self,
        nonce: u64,
        intent: u64,
        number: u64,
        attempt: &Attempt,
    ) -> Statement {
        self.keyed(sql::INSERT_ATTEMPT, nonce)
            .with(number)
            .with(intent)
            .with(hex(attempt.hash))
            .with(attempt.kind.label())
            .with(attempt.call.label.as_str())
            .with(attempt.raw.to_string())
            .with(hex(attempt.call.to))
            .with(attempt.call.data.to_string())
            .with(attempt.call.value.to_string())
            .with(attempt.gas_limit)
            .with(attempt.price.max_fee_per_gas.to_string())
            .with(attempt.price.max_priority_fee_per_gas.to_string())
            .with(attempt.signed_at_block)
            .with(attempt.extra.to_string())
            .with(u64::from(attempt.by_order))
    }

    pub(super) fn attempt_event(&self, nonce: u64, attempt: &Attempt, why: &str) -> Statement {
        let (hash, block) = (hex(attempt.hash), Some(attempt.signed_at_block));
        let detail = format!("{}: {why}", attempt.call.label);
        self.event(nonce, attempt.kind.label(), Some(&hash), block, &detail)
    }

    pub(super) fn event(
        &self,
        nonce: u64,
        kind: &str,
        hash: Option<&str>,
        block: Option<u64>,
        detail: &str,
    ) -> Statement {
        self.keyed(sql::INSERT_EVENT, nonce)
            .with(kind)
            .with(hash.map(str::to_owned))
            .with(block)
            .with(detail)
            .with(clock::now())
    }
}

/// The fixed word for the journal.
pub(super) fn exposure_label(exposure: Exposure) -> &'static str {
    match exposure {
        Exposure::Raises => "raises",
        Exposure::Lowers => "lowers",
        Exposure::Keeps => "keeps",
    }
}

/// Lower-case hexadecimal text, the same for hashes and addresses: no checksum case.
pub(super) fn hex(bytes: impl AsRef<[u8]>) -> String {
    alloy::primitives::hex::encode_prefixed(bytes)
}

/// The receipt as the node gave it.
pub(super) fn whole(receipt: &Receipt) -> Option<String> {
    receipt.whole.as_ref().and_then(|whole| serde_json::to_string(whole).ok())
}

pub(super) fn number(index: usize) -> u64 {
    u64::try_from(index).unwrap_or(u64::MAX)
}
