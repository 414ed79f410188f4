//! Since when something is due.

use ballast_chains::Head;
use ballast_strategy_api::Action;
use tracing::warn;

use super::Accounts;
use crate::store::FirstDue;

/// Since when an action is due: time and number of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) at: u64,
    pub(crate) block: u64,
}

impl Due {
    /// The same after a reorganisation to a chain whose head is lower.
    fn by(self, head: &Head) -> Self {
        Self { at: self.at.min(head.timestamp), block: self.block.min(head.number) }
    }
}

impl Accounts {
    /// Since when this very action is due, if it is at `found_at`; since then if that is new. Kept
    /// in the store, and only here while that fails.
    pub(crate) async fn first_due(&mut self, action: &Action, found_at: &Head) -> Due {
        let (now, block) = (found_at.timestamp, found_at.number);
        if let Some((known, due)) = &self.due
            && (known.name, &known.answers) == (action.name, &action.answers)
        {
            return due.by(found_at);
        }
        let stored = self.store.first_due(&self.product, action).await;
        let due = match stored {
            Ok(Some(FirstDue { at, block: Some(block) })) => Due { at, block }.by(found_at),
            Ok(before) => {
                if self.store.is_writable()
                    && let Err(error) =
                        self.store.note_due(&self.product, action, (now, block)).await
                {
                    let detail = crate::error_chain(&error);
                    warn!(product = self.product, detail, "not noted since when it is due");
                }
                Due { at: before.map_or(now, |before| before.at), block }.by(found_at)
            }
            Err(error) => {
                let detail = crate::error_chain(&error);
                warn!(product = self.product, detail, "not known since when it is due");
                return Due { at: now, block };
            }
        };
        self.due = Some((action.clone(), due));
        self.counts_blocks = true;
        due
    }

    /// Nothing is due: the blocks of what is due next are counted anew.
    pub(crate) async fn nothing_due(&mut self) {
        self.due = None;
        // After a start it is not known what is noted.
        if !self.counts_blocks || !self.store.is_writable() {
            return;
        }
        match self.store.note_nothing_due(&self.product).await {
            Ok(()) => self.counts_blocks = false,
            Err(error) => {
                let detail = crate::error_chain(&error);
                warn!(product = self.product, detail, "not noted that nothing is due");
            }
        }
    }
}
