//! The word that comes while something is on its way.
//!
//! A permit is older than the bytes that it leads to, by a simulation, a signature and a write to the
//! disk, and a key service may take seconds. So whoever stops a product is asked after again at the
//! last moment: before anything is journalled, and before anything is handed to a node.

use std::{fmt, sync::Arc};

/// Tells whether somebody has stopped the product by now. Clones ask the same.
#[derive(Clone)]
pub struct StopCheck(Arc<dyn Fn() -> Option<&'static str> + Send + Sync>);

impl StopCheck {
    /// Asks this each time: why the product is stopped, in fixed words, if it is.
    pub fn new(asked: impl Fn() -> Option<&'static str> + Send + Sync + 'static) -> Self {
        Self(Arc::new(asked))
    }

    /// Why the product is stopped at this moment, if it is.
    pub fn stopped(&self) -> Option<&'static str> {
        (self.0)()
    }
}

impl fmt::Debug for StopCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StopCheck").field(&self.stopped()).finish()
    }
}
