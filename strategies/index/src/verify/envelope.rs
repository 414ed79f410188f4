//! What a batch says besides the units: for whom it is, and what else it asks for.

use alloy::primitives::Address;
use ballast_strategy_api::safe_batch::read::Parsed;

use super::{Check, Limits, Subject, batch, check, listed};

impl Subject<'_> {
    /// What a batch says besides the start of the rebalance.
    pub(super) fn envelope(&self, batch: &Parsed, limits: &Limits) -> Vec<Check> {
        let mut checks = Vec::new();
        let fits = batch.checksum_fits != Some(false);
        let what = if batch.checksum_fits.is_some() { "fits" } else { "is not there" };
        let changed = "does not fit: the file was changed after it was written".to_owned();
        checks.push(check("batch checksum", fits, what.to_owned(), vec![changed]));
        let (told, is) = (batch.chain_id, self.chain_id);
        let what = format!("for chain {told}; the index is on {is}");
        checks.push(Check { name: "batch chain", passed: told == is, what });
        checks.push(self.signer(batch));
        let named = batch.description.contains(self.weights_sha256);
        let missing = format!("the description does not have {}", self.weights_sha256);
        let what = "the description has the SHA-256 of the weights".to_owned();
        checks.push(check("batch description", named, what, vec![missing]));
        checks.push(self.calls(batch));
        checks.extend(self.changed(batch, limits));
        checks
    }

    /// Who is asked to sign has to be who can: another Safe's batch would fail, or do something else.
    fn signer(&self, batch: &Parsed) -> Check {
        let name = "batch safe";
        let passed = |passed, what| Check { name, passed, what };
        match (batch.safe, self.safe) {
            (Some(told), Some(is)) if told == is => passed(true, format!("is the operator {is}")),
            (Some(told), Some(is)) => {
                passed(false, format!("is for {told}; the operator of the index is {is}"))
            }
            (None, _) => passed(true, "is not named: any Safe that imports it may be meant".into()),
            (Some(told), None) => {
                let manager = self.steward.manager;
                passed(false, format!("is for {told}; {manager} names no operator: say --safe"))
            }
        }
    }

    fn calls(&self, batch: &Parsed) -> Check {
        let calls = batch::explain(batch, self.index);
        let strange = calls.iter().enumerate().filter_map(|(place, call)| {
            let place = place.saturating_add(1);
            if call.value != "0" {
                return Some(format!("call {place} sends {} wei", call.value));
            }
            let front = self.steward.extensions.contains(&call.to);
            let to = call.to;
            match (front, call.known) {
                (true, true) => None,
                (true, false) => {
                    Some(format!("call {place}, {}, is not understood", call.function))
                }
                (false, _) => Some(format!("call {place} goes to {to}, no extension of the index")),
            }
        });
        let known = "all of them go to the index's extension, and are understood".to_owned();
        listed("batch calls", known, strange.collect())
    }

    pub(super) fn target(&self, to: Address) -> Check {
        let listed = self.steward.extensions.contains(&to);
        let manager = self.steward.manager;
        let what = if listed { "lists" } else { "does not list" };
        let what = format!("the index's manager {manager} {what} {to} for this module");
        Check { name: "batch extension", passed: listed, what }
    }
}
