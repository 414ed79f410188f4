//! Whether a person agreed to what a product acts on.

use std::sync::Arc;

use super::{Circumstances, Finding, Row};

/// What the product may act on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Agreed {
    /// Its file says it all.
    #[default]
    Any,
    /// What its file led to when a person agreed, and leads to still.
    On(Arc<str>),
    /// It leads elsewhere, and nobody has agreed to that: from what to what, in words.
    Moved(Arc<str>),
}

impl Agreed {
    /// Whether something that was signed while the product acted on `then` is none of its business
    /// any more. What is not known, as of older entries in the journal, is not held against it
    /// while the product acts on anything at all.
    pub fn disowns(&self, then: Option<&str>) -> bool {
        match self {
            Self::Any => false,
            Self::On(now) => then.is_some_and(|then| then != now.as_ref()),
            Self::Moved(_) => true,
        }
    }

    /// What it acts on, if that is to be remembered.
    pub fn on(&self) -> Option<&str> {
        match self {
            Self::On(now) => Some(now),
            Self::Any | Self::Moved(_) => None,
        }
    }
}

/// Why the product is held, in fixed words.
pub const MOVED: &str = "what it acts on has changed";

/// It acts on something that nobody agreed to.
pub(super) fn moved(case: &Circumstances<'_>) -> Option<Finding> {
    let Agreed::Moved(detail) = &case.agreed else { return None };
    Some(Finding::new(Row::Moved, MOVED, detail.to_string()))
}
