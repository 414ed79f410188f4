//! `FLIRebalanceViewer`: which of the ready exchanges would give the better price.
//!
//! It knows two exchanges, quotes both, and breaks for many reasons that say nothing about the
//! product. So it is a hint and nothing else: it decides in which order the candidates are tried,
//! and whatever it answers, or does not, they stay the same candidates.

use alloy::primitives::Address;
use ballast_chains::{BlockReader, ReadError};

use crate::{contracts::IFLIRebalanceViewer as Viewer, policy::Bounds};

/// What a viewer said: names of exchanges, the better price first. Empty if it said nothing of use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranking(Vec<String>);

impl Ranking {
    /// Asks, alone: it costs several times what a batched read may, and works by reverting inside.
    pub async fn read(viewer: Address, bounds: Bounds, at: &BlockReader) -> Self {
        let Bounds { min, max } = bounds;
        let call =
            Viewer::shouldRebalanceWithBoundsCall { minLeverageRatio: min, maxLeverageRatio: max };
        match at.call_isolated(viewer, call).await {
            // Nothing is due for it, and then it names them in a fixed order.
            Ok(said) if said.actions == [0, 0] => Self::default(),
            Ok(said) => Self(said.names.to_vec()),
            Err(error) => {
                tracing::debug!(%viewer, %error, "the viewer gives no hint");
                Self::default()
            }
        }
    }

    /// Whether it said something of use.
    pub fn has_answered(&self) -> bool {
        !self.0.is_empty()
    }

    /// Puts what it named in front, in its order; everything else stays in the order it has.
    pub fn apply<T>(&self, items: &mut [T], name: impl Fn(&T) -> &str) {
        let place = |item: &T| self.0.iter().position(|known| known == name(item));
        items.sort_by_key(|item| place(item).unwrap_or(self.0.len()));
    }

    #[cfg(test)]
    pub(crate) fn of(names: &[&str]) -> Self {
        Self(names.iter().map(|name| (*name).to_owned()).collect())
    }
}

/// Why a viewer will be of no use: it is that of another product, or none at all. It cannot do harm
/// either, so this is for people to read.
pub async fn doubt(viewer: Address, extension: Address, at: &BlockReader) -> Option<String> {
    match at.call_isolated(viewer, Viewer::fliStrategyExtensionCall {}).await {
        Ok(seen) if seen == extension => None,
        Ok(seen) => Some(format!("it is that of {seen}")),
        Err(ReadError::Unavailable(_)) => None,
        Err(error @ (ReadError::Reverted(_) | ReadError::Malformed { .. })) => {
            Some(error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_comes_first_and_the_rest_keeps_its_order() {
        let sorted = |ranking: &[&str]| {
            let mut items = vec!["A", "B", "C"];
            Ranking::of(ranking).apply(&mut items, |item| item);
            items.concat()
        };
        assert_eq!(sorted(&[]), "ABC");
        assert_eq!(sorted(&["B", "A"]), "BAC");
        assert_eq!(sorted(&["C"]), "CAB");
        assert_eq!(sorted(&["gone", "B"]), "BAC");
        assert_eq!(sorted(&["C", "C"]), "CAB");
        assert_eq!(sorted(&["", ""]), "ABC");
    }
}
