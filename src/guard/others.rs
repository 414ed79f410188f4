//! Redundancy without coordination: an instance with an allow-listed wallet of its own leaves what is
//! due to another one for some blocks, and acts only if it is still due then.
//!
//! The count belongs to the intent (product, action and the state that it answers): once the other
//! instance has acted, that state is another one and the count begins anew, as it does when nothing
//! was due in between. It is kept in the store, so a restart does not begin anew. No urgency is
//! exempt: two emergencies in one block are one execution and one revert, and who cannot wait for N
//! blocks sets fewer.

use super::{Circumstances, Finding, Row};
use crate::config::Limits;

pub(super) fn first(case: &Circumstances<'_>, limits: &Limits) -> Option<Finding> {
    let blocks = limits.act_after_blocks;
    let left = blocks.checked_sub(case.due_for_blocks).filter(|left| *left > 0)?;
    let detail = format!("left to another instance for {blocks} blocks, {left} to go");
    Some(Finding::new(Row::OtherInstance, "left to another instance", detail))
}
