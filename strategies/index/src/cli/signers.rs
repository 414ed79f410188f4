//! Who is asked to sign, and what: a batch for the Safe that operates the index's manager.

use alloy::primitives::Address;
use ballast_strategy_api::{
    Told,
    safe_batch::{Batch, Call},
};

use crate::steward::Steward;

/// Who is asked to sign, and through what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signers {
    pub(super) extension: Address,
    safe: Address,
}

/// What they are asked for.
pub(super) struct Asked {
    pub(super) chain_id: u64,
    pub(super) name: String,
    pub(super) description: String,
    /// Seconds since 1970.
    pub(super) created_at: u64,
    /// The calls, given the extension that they go to.
    pub(super) calls: Box<dyn FnOnce(Address) -> Vec<Call>>,
}

impl Signers {
    /// The manager's operator, or the Safe that is named, through the one extension for the module.
    /// Calls of the module itself by a manager without extension are not served: the start of a
    /// rebalance would have to carry old units in an order that may change until it is executed.
    pub(super) fn of(steward: &Steward, safe: Option<Address>) -> Result<Self, Told> {
        let told = |cause: String| Told::BadInput(vec![format!("--batch: {cause}")]);
        let Steward { manager, extensions, operator } = steward;
        let extension = match extensions.as_slice() {
            [extension] => *extension,
            [] => {
                return Err(told(format!(
                    "the index's manager {manager} lists no extension for this module, and direct \
                     calls of the module are not served: their old units follow an order that may \
                     change until they are executed"
                )));
            }
            several => {
                let count = several.len();
                return Err(told(format!(
                    "the index's manager {manager} lists {count} extensions for this module; one is \
                     needed"
                )));
            }
        };
        let safe = safe.or(*operator);
        let safe = safe.ok_or_else(|| told(format!("{manager} names no operator: say --safe")))?;
        Ok(Self { extension, safe })
    }

    /// The file that the Safe's app takes.
    pub(super) fn batch(self, asked: Asked) -> Result<String, Told> {
        let Asked { chain_id, name, description, created_at, calls } = asked;
        let (safe, calls) = (self.safe, calls(self.extension));
        let batch = Batch { chain_id, safe, name, description, created_at, calls };
        let text = batch.to_json().map(|text| text + "\n");
        text.map_err(|cause| Told::Failed(cause.to_string()))
    }
}

/// A file's name without the folders of whoever ran this.
pub(super) fn base(file: &str) -> &str {
    file.rsplit(['/', '\\']).next().unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_extension_and_somebody_who_signs() {
        let [manager, extension, safe] = [1, 2, 3].map(Address::repeat_byte);
        let steward = |extensions: &[Address], operator| {
            let extensions = extensions.to_vec();
            Signers::of(&Steward { manager, extensions, operator }, None)
                .map(|signers| (signers.extension, signers.safe))
        };
        let said = |told: Result<_, Told>| match told {
            Err(Told::BadInput(lines)) => lines.concat(),
            other => panic!("{other:?}"),
        };
        assert_eq!(steward(&[extension], Some(safe)), Ok((extension, safe)));
        assert!(
            said(steward(&[], Some(safe))).contains("direct calls of the module are not served")
        );
        assert!(said(steward(&[extension, safe], Some(safe))).contains("lists 2 extensions"));
        assert!(said(steward(&[extension], None)).contains("say --safe"));
    }

    #[test]
    fn folders_are_left_out() {
        assert_eq!(
            [base("/some/where/w.csv"), base("w.csv"), base("some\\where\\w.csv")],
            ["w.csv"; 3]
        );
    }
}
