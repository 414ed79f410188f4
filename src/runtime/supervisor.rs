//! Keeps one product running: starts it, starts it again, gives up on it.

use std::{sync::Arc, time::Duration};

use ballast_chains::{ChainProfile, pool::Pool, wallet::Wallet};
use eyre::{Result, WrapErr};
use futures::FutureExt as _;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::{
    accounts::Accounts,
    events::Events,
    orders::Orders,
    pauses::Pauses,
    product::{Asking, ProductTask},
    recorder::Recorder,
    seat::Mailbox,
    status::Board,
    wallets::{NoWallet, WalletHandle},
};
use crate::{
    config::ProductConfig,
    guard::StopCheck,
    store::Store,
    submission::{Lane, LaneSpec, Pretends, Quotes, Together},
};

/// Panics and failures within [`WINDOW`] after which a product is left halted.
const MAX_RESTARTS: usize = 5;
/// See [`MAX_RESTARTS`].
const WINDOW: Duration = Duration::from_secs(600);
/// First wait before a new start; doubles with each further failure within the window.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// How long a start waits between tries to reach the chain; that is not a failure of the product.
const REACH_AGAIN: Duration = Duration::from_secs(2);
/// First wait between two tries to get at a wallet, and the longest: whether a key service comes
/// back or a person mends a password, the product starts by itself.
const ASK_SIGNER_AGAIN: Duration = Duration::from_secs(2);
const ASK_SIGNER_AT_LEAST: Duration = Duration::from_secs(60);

/// What a product's task is built from, each time anew.
#[derive(Debug)]
pub(crate) struct ProductSpec {
    pub(crate) config: Arc<ProductConfig>,
    pub(crate) profile: Arc<ChainProfile>,
    pub(crate) pool: Pool,
    pub(crate) wallet: WalletHandle,
    pub(crate) mailbox: Mailbox,
    pub(crate) pretends: Pretends,
    pub(crate) quotes: Quotes,
    pub(crate) together: Together,
}

/// What the products' tasks have in common; each writes only what is its own.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) board: Board,
    pub(crate) events: Events,
    pub(crate) pauses: Pauses,
    pub(crate) orders: Orders,
}

/// Runs until stopped or halted.
pub(crate) async fn keep(spec: ProductSpec, shared: Shared, stop: CancellationToken) {
    let name = spec.config.name.clone();
    metrics::counter!("ballast_product_restarts_total", "product" => name.clone()).increment(0);
    metrics::gauge!("ballast_product_halted", "product" => name.clone()).set(0.0);
    let mut failures: Vec<Instant> = Vec::new();
    loop {
        let run = run_once(&spec, &shared, &stop);
        // A panic is this product's trouble and nobody else's; it is rebuilt, not resumed.
        let ended = std::panic::AssertUnwindSafe(run).catch_unwind().await;
        if stop.is_cancelled() {
            return;
        }
        let why = match ended {
            Ok(Ok(())) => "ended although nobody stopped it".to_owned(),
            Ok(Err(report)) => format!("{report:#}"),
            Err(panic) => format!("panicked: {}", panic_text(panic.as_ref())),
        };
        let now = Instant::now();
        failures.retain(|at| now.duration_since(*at) < WINDOW);
        failures.push(now);
        if failures.len() > MAX_RESTARTS {
            error!(product = name, why, "halted: it failed too often, the others go on");
            metrics::gauge!("ballast_product_halted", "product" => name.clone()).set(1.0);
            shared.board.halted(&name, why);
            stop.cancelled().await;
            return;
        }
        warn!(product = name, why, "starting the product again");
        metrics::counter!("ballast_product_restarts_total", "product" => name.clone()).increment(1);
        let doublings = u32::try_from(failures.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let pause = FIRST_BACKOFF.saturating_mul(2_u32.saturating_pow(doublings));
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(pause) => {}
        }
    }
}

async fn run_once(spec: &ProductSpec, shared: &Shared, stop: &CancellationToken) -> Result<()> {
    let Some(wallet) = open_wallet(spec, shared, stop).await? else { return Ok(()) };
    let Some(lane) = open_lane(spec, wallet, shared, stop).await? else { return Ok(()) };
    let (name, chain_id) = (&spec.config.name, spec.profile.chain_id);
    let task = ProductTask {
        accounts: Accounts::new(name, chain_id, shared.store.clone(), spec.pool.clone()),
        config: Arc::clone(&spec.config),
        profile: Arc::clone(&spec.profile),
        lane,
        mailbox: spec.mailbox.clone(),
        shared: shared.clone(),
        recorder: Recorder::new(name, &spec.profile.name, shared.clone()),
        shows_current: true,
        orders: shared.orders.enrol(name),
        order: None,
        asking: Asking::default(),
    };
    task.run(stop.clone()).await
}

/// The product's wallet, however long its signer takes; `None` if stopped meanwhile. Only a wallet
/// that is another product's is a failure, since nothing but the files can mend that.
async fn open_wallet(
    spec: &ProductSpec,
    shared: &Shared,
    stop: &CancellationToken,
) -> Result<Option<Wallet>> {
    let name = &spec.config.name;
    let ready = metrics::gauge!("ballast_wallet_ready", "product" => name.clone());
    let mut pause = ASK_SIGNER_AGAIN;
    loop {
        let opened = tokio::select! {
            () = stop.cancelled() => return Ok(None),
            opened = spec.wallet.get() => opened,
        };
        let why = match opened {
            Ok(wallet) => {
                ready.set(1.0);
                shared.board.has_wallet(name);
                shared.board.wallet(name, wallet.address());
                return Ok(Some(wallet));
            }
            Err(error @ NoWallet::Shared { .. }) => return Err(error.into()),
            Err(error) => crate::error_chain(&error),
        };
        ready.set(0.0);
        warn!(product = name, why, again_in = pause.as_secs(), "waiting for the wallet");
        shared.board.without_wallet(name, why);
        tokio::select! {
            () = stop.cancelled() => return Ok(None),
            () = sleep(pause) => {}
        }
        pause = pause.saturating_mul(2).min(ASK_SIGNER_AT_LEAST);
    }
}

/// Journal and chain are reconciled before anything else. A chain that cannot be reached is waited
/// for; `None` if stopped meanwhile.
pub(crate) async fn open_lane(
    spec: &ProductSpec,
    wallet: Wallet,
    shared: &Shared,
    stop: &CancellationToken,
) -> Result<Option<Lane>> {
    loop {
        let config = &spec.config;
        let lane_spec = LaneSpec {
            product: spec.config.name.clone(),
            wallet: wallet.clone(),
            profile: Arc::clone(&spec.profile),
            privacy: config.privacy,
            pretends: spec.pretends.clone(),
            quotes: spec.quotes.clone(),
            together: spec.together.clone(),
            stop: stop_check(config, shared, stop),
        };
        let opened = Lane::open(lane_spec, spec.pool.clone(), shared.store.journal()).await;
        match opened {
            Ok(lane) => return Ok(Some(lane)),
            Err(error) if error.is_transient() => {
                let detail = crate::error_chain(&error);
                warn!(product = spec.config.name, detail, "waiting for the chain");
            }
            Err(error) => return Err(error).wrap_err("opening the nonce lane"),
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(None),
            () = sleep(REACH_AGAIN) => {}
        }
    }
}

/// Whether the product is stopped at that moment: by an operator, or because the keeper ends.
fn stop_check(config: &ProductConfig, shared: &Shared, stop: &CancellationToken) -> StopCheck {
    let (pauses, name, stop) = (shared.pauses.clone(), config.name.clone(), stop.clone());
    StopCheck::new(move || {
        let paused = pauses.holds(&name).then_some("paused by an operator");
        paused.or_else(|| stop.is_cancelled().then_some("the keeper is stopping"))
    })
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}
