//! `ballast run`: the keeper.

use std::sync::Arc;

use eyre::{Result, WrapErr};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Exit, Session};
use crate::{
    http,
    runtime::{Events, Keeper},
    store::Store,
    telemetry,
};

pub(super) async fn run(session: Session) -> Result<Exit> {
    let config = match session.load_or_report(false) {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    let metrics = telemetry::start_metrics()?;
    let store = Store::open(&config.store.path).await?;
    let listener = http::bind(config.http.listen).await?;
    info!(listen = %listener.local_addr()?, store = %config.store.path.display(), "started");
    let keeper = Keeper {
        config: Arc::new(config),
        registry: session.registry,
        environment: session.environment,
        store,
        metrics,
        events: Events::default(),
    };
    let stop = CancellationToken::new();
    let mut keeping = std::pin::pin!(keeper.run(listener, stop.clone()));
    tokio::select! {
        ended = &mut keeping => return ended.map(|()| Exit::Done),
        signal = stop_signal() => info!(signal = signal?, "stopping"),
    }
    stop.cancel();
    tokio::select! {
        ended = keeping => ended.map(|()| Exit::Done),
        signal = stop_signal() => {
            warn!(signal = signal?, "stopping at once; what is under way is in the journal");
            Ok(Exit::Done)
        }
    }
}

/// Waits for SIGTERM or SIGINT and names it.
pub(super) async fn stop_signal() -> Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = signal(SignalKind::terminate()).wrap_err("listening for SIGTERM")?;
    let mut int = signal(SignalKind::interrupt()).wrap_err("listening for SIGINT")?;
    tokio::select! {
        _ = term.recv() => Ok("SIGTERM"),
        _ = int.recv() => Ok("SIGINT"),
    }
}
