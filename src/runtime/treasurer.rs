//! Looks now and then how long each wallet lasts, and keeps the Safe's transfers ready that top up
//! the wallets of a chain while one of them is low.
//!
//! It only reads the ledger and the board, and writes one small file for each chain beside the
//! store: nothing that keeps a product waits for it. The file is gone again once no wallet is low, so
//! that nobody signs the same top-up twice.

use std::{
    collections::BTreeMap,
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
    finance::runway::{Holding, LEAST_HISTORY, Lasts, Runway, history, is_ours, top_up},
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
    prepared: BTreeMap<String, PathBuf>,
}

impl Treasurer {
    pub(crate) fn new(config: Arc<Config>, store: Store, board: Board) -> Self {
        Self { config, store, board, prepared: BTreeMap::new() }
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
        let mut knows_all = true;
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
                None => knows_all = false,
            }
        }
        for (chain, holdings) in &by_chain {
            let prepared = self.prepare(chain, holdings, now);
            for (holding, low) in holdings {
                let Some(runway) = holding.history.runway(holding.balance) else { continue };
                gauge(&holding.product, chain, &runway);
                let top_up = prepared.as_ref().map(|path| path.display().to_string());
                let reserves = Reserves { runway, is_low: *low, top_up };
                self.board.reserves(&holding.product, reserves);
            }
        }
        Ok(knows_all)
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

    /// The file of a chain's top-up, while one of its wallets is low.
    fn prepare(&mut self, name: &str, holdings: &[(Holding, bool)], now: u64) -> Option<PathBuf> {
        let chain = self.config.chains.get(name)?;
        let safe = *self.config.finance.treasury_safes.get(name)?;
        let folder = self.config.store.path.parent().unwrap_or_else(|| Path::new("."));
        let path = folder.join(format!("top-up-{name}.json"));
        if !holdings.iter().any(|(_, low)| *low) {
            if self.prepared.remove(name).is_some() {
                drop(std::fs::remove_file(&path));
            }
            return None;
        }
        let all: Vec<Holding> = holdings.iter().map(|(holding, _)| holding.clone()).collect();
        let batch = top_up((name, chain.chain_id), safe, &all, now)?;
        let written =
            batch.to_json().map_err(std::io::Error::other).and_then(|text| replace(&path, &text));
        if let Err(error) = written {
            warn!(chain = name, %error, path = %path.display(), "the top-up cannot be written");
            return None;
        }
        if self.prepared.insert(name.to_owned(), path.clone()).is_none() {
            info!(chain = name, path = %path.display(), "a top-up is ready for the Safe");
        }
        Some(path)
    }
}

/// Nobody reads half a file.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let beside = path.with_extension("json.new");
    std::fs::write(&beside, text)?;
    std::fs::rename(beside, path)
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
