//! Looks now and then how long each wallet lasts, and keeps the Safe's transfers ready that top up
//! the wallets of a chain while one of them is low.
//!
//! It only reads the ledger and the board, and writes one small file for each chain beside the
//! store: nothing that keeps a product waits for it. The file is gone again once nothing is to be
//! transferred, so that nobody signs the same top-up twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::status::{Board, Reserves};
use crate::{
    clock,
    config::{Config, ProductConfig},
    finance::{
        runway::{LEAST_HISTORY, Lasts, Runway, history, is_ours},
        top_up::{self, Holding, top_up},
    },
    safe_batch::Batch,
    store::{Store, StoreError},
};

/// Time between two looks: a balance lasts days.
const LOOK_EVERY: Duration = Duration::from_mins(10);
/// The same until every wallet's balance was read.
const FIRST_LOOKS: Duration = Duration::from_secs(2);

/// What a look needs.
#[derive(Debug)]
pub(crate) struct Treasurer {
    config: Arc<Config>,
    store: Store,
    board: Board,
    /// The files that were written, by chain.
    prepared: BTreeSet<String>,
}

impl Treasurer {
    pub(crate) fn new(config: Arc<Config>, store: Store, board: Board) -> Self {
        Self { config, store, board, prepared: BTreeSet::new() }
    }

    /// Looks until stopped. A look that fails is tried again at the next.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            let knows_all = match self.look().await {
                Ok(knows_all) => knows_all,
                Err(error) => {
                    warn!(detail = crate::error_chain(&error), "the ledger cannot be read");
                    true
                }
            };
            let pause = if knows_all { LOOK_EVERY } else { FIRST_LOOKS };
            if timeout(pause, stop.cancelled()).await.is_ok() {
                return;
            }
        }
    }

    /// True once the balance of every wallet that signs is known.
    async fn look(&mut self) -> Result<bool, StoreError> {
        let now = clock::now();
        let mut by_chain: BTreeMap<String, Vec<(Holding, bool)>> = BTreeMap::new();
        let mut unknown: BTreeSet<&str> = BTreeSet::new();
        let config = Arc::clone(&self.config);
        for product in config.products.values() {
            if !is_ours(product) {
                continue;
            }
            match self.holding(product, now).await? {
                Some(holding) => {
                    let low = is_low(product, &holding);
                    by_chain.entry(product.chain.clone()).or_default().push((holding, low));
                }
                None => {
                    unknown.insert(&product.chain);
                }
            }
        }
        // Of a chain without wallets of ours an older file may be there all the same.
        for chain in config.chains.keys() {
            let holdings = by_chain.remove(chain).unwrap_or_default();
            let knows_all = !unknown.contains(chain.as_str());
            let prepared = self.prepare((chain, knows_all), &holdings, now);
            for (holding, low) in &holdings {
                let Some(runway) = holding.history.runway(holding.balance) else { continue };
                gauge(&holding.product, chain, &runway);
                let top_up = prepared.as_ref().map(|path| path.display().to_string());
                let reserves = Reserves { runway, is_low: *low, top_up };
                self.board.reserves(&holding.product, reserves);
            }
        }
        Ok(unknown.is_empty())
    }

    /// `None` while its address or balance is not known.
    async fn holding(
        &self,
        product: &ProductConfig,
        now: u64,
    ) -> Result<Option<Holding>, StoreError> {
        let status = self.board.product(&product.name);
        let balance = status.as_ref().and_then(|status| status.balance);
        let wallet = status.and_then(|status| status.wallet);
        let chain = self.config.chains.get(&product.chain);
        let (Some(balance), Some(wallet), Some(chain)) = (balance, wallet, chain) else {
            return Ok(None);
        };
        let history = history(&self.store, (&product.name, chain.chain_id), now).await?;
        Ok(Some(Holding {
            product: product.name.clone(),
            wallet,
            balance: balance.wei,
            least: product.limits.min_balance.unwrap_or_default(),
            history,
        }))
    }

    /// The file of a chain's top-up, while a transfer is missing. One that an earlier process left
    /// goes too, as soon as every balance of the chain is known.
    fn prepare(
        &mut self,
        (name, knows_all): (&str, bool),
        holdings: &[(Holding, bool)],
        now: u64,
    ) -> Option<PathBuf> {
        let folder = self.config.store.path.parent().unwrap_or_else(|| Path::new("."));
        let path = top_up::path(folder, name);
        let Some(batch) = self.batch(name, holdings, now) else {
            if knows_all || self.prepared.contains(name) {
                self.clear(name, &path);
            }
            return None;
        };
        if let Err(error) = top_up::write(&path, &batch) {
            warn!(chain = name, %error, path = %path.display(), "the top-up cannot be written");
            return None;
        }
        if self.prepared.insert(name.to_owned()) {
            info!(chain = name, path = %path.display(), "a top-up is ready for the Safe");
        }
        Some(path)
    }

    /// What the Safe of a chain is to transfer, while one of its wallets is low and misses something.
    fn batch(&self, name: &str, holdings: &[(Holding, bool)], now: u64) -> Option<Batch> {
        let chain = self.config.chains.get(name)?;
        let safe = *self.config.finance.treasury_safes.get(name)?;
        if !holdings.iter().any(|(_, low)| *low) {
            return None;
        }
        let all: Vec<Holding> = holdings.iter().map(|(holding, _)| holding.clone()).collect();
        top_up((name, chain.chain_id), safe, &all, now)
    }

    fn clear(&mut self, name: &str, path: &Path) {
        match top_up::remove(path) {
            Ok(is_gone) => {
                self.prepared.remove(name);
                if is_gone {
                    info!(chain = name, path = %path.display(), "no top-up is needed any more");
                }
            }
            Err(error) => warn!(
                chain = name, %error, path = %path.display(),
                "an old top-up cannot be removed: nobody may sign it"
            ),
        }
    }
}

fn is_low(product: &ProductConfig, holding: &Holding) -> bool {
    let runway = holding.history.runway(holding.balance);
    runway.is_some_and(|runway| {
        let least = product.limits.min_runway_days;
        runway.history_days >= LEAST_HISTORY && runway.p95_days.is_below(least)
    })
}

fn gauge(product: &str, chain: &str, runway: &Runway) {
    let quantiles = [("p50", runway.p50_days), ("p95", runway.p95_days)];
    for (quantile, lasts) in quantiles {
        let labels = [
            ("product", product.to_owned()),
            ("chain", chain.to_owned()),
            ("quantile", quantile.to_owned()),
        ];
        #[expect(clippy::cast_precision_loss, reason = "at most ten years of days")]
        let days = Lasts::days(lasts) as f64;
        metrics::gauge!("ballast_wallet_runway_days", &labels).set(days);
    }
}

#[cfg(test)]
mod tests;
