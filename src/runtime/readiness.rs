//! Whether the keeper can do its work: every chain has a fresh head, and the store answers. One
//! answer for `/readyz` and the heartbeat.

use std::sync::Arc;

use ballast_chains::ChainProfile;

use super::status::Board;
use crate::{clock, config::Config, store::Store};

/// What freshness means for each chain.
#[derive(Debug, Clone)]
pub(crate) struct Readiness {
    config: Arc<Config>,
}

impl Readiness {
    pub(crate) fn new(config: &Arc<Config>) -> Self {
        Self { config: Arc::clone(config) }
    }

    /// What keeps the keeper from its work, for people; empty if nothing does.
    pub(crate) async fn problems(&self, board: &Board, store: &Store) -> Vec<String> {
        let mut problems = Vec::new();
        for (chain, status) in board.chains() {
            let Some(head) = status.head else {
                problems.push(format!("chain {chain}: no head yet"));
                continue;
            };
            let age = clock::age_of(head.timestamp);
            if profile_of(&self.config, &chain).is_some_and(|profile| age > profile.stale_after) {
                problems.push(format!("chain {chain}: newest head is {} s old", age.as_secs()));
            }
        }
        if let Err(error) = store.ping().await {
            problems.push(format!("store: {error}"));
        }
        problems
    }
}

/// The profile of a chain as the board names it: a product with endpoints of its own has its own
/// entry, `chain/product`.
pub(crate) fn profile_of<'a>(config: &'a Config, name: &str) -> Option<&'a ChainProfile> {
    let chain = name.split_once('/').map_or(name, |(chain, _)| chain);
    config.chains.get(chain)
}
