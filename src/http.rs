//! The HTTP surface: page, JSON API, live events, metrics and health on one listener.
//!
//! Reading order: [`api`] (what the answers are) → `read` and `operate` (the calls) → `view` (from
//! the board to an answer) → `access` (who may) → `limits` (what holds for every request) →
//! `events` (the live stream) → `page`. Health is open to everyone and never depends on a chain;
//! reads are open on this machine; whatever changes something needs the operator token.

mod access;
pub mod api;
mod events;
mod failure;
mod gas;
mod limits;
mod listener;
mod operate;
mod page;
mod read;
mod view;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::{from_fn_with_state, map_response},
    routing::{get, post},
};
use eyre::{Result, WrapErr};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::warn;

pub(crate) use self::{access::Access, events::Streams, read::STATES, view::Facts};
use crate::{
    runtime::{Board, Events, Orders, Pauses, readiness::Readiness},
    store::Store,
};

/// The description of the API, served at `/api/v1/openapi.json`.
const OPENAPI: &str = include_str!("http/openapi.json");
/// Where the live stream is.
const EVENTS_PATH: &str = "/api/v1/events";
/// Where one logs in.
const LOGIN_PATH: &str = "/api/v1/login";
/// Where health is told.
const HEALTH_PATHS: [&str; 2] = ["/healthz", "/readyz"];

/// What the handlers use.
#[derive(Debug, Clone)]
pub(crate) struct Surface {
    /// What does not change.
    pub(crate) facts: Arc<Facts>,
    /// What products and chains are doing.
    pub(crate) board: Board,
    /// Journal, decisions, series.
    pub(crate) store: Store,
    /// Which products are paused.
    pub(crate) pauses: Pauses,
    /// The way to the products' tasks.
    pub(crate) orders: Orders,
    /// What happens.
    pub(crate) events: Events,
    /// Where `/metrics` reads.
    pub(crate) metrics: PrometheusHandle,
    /// Who may do what.
    pub(crate) access: Arc<Access>,
    /// Who listens to the live stream.
    pub(crate) streams: Streams,
    /// Ends streams, which would keep a stop waiting.
    pub(crate) stop: CancellationToken,
    /// Whether the keeper can do its work.
    pub(crate) readiness: Readiness,
    /// What the files say for reports.
    pub(crate) books: Arc<crate::finance::Facts>,
}

/// Binds the listener, so that a taken port is known before anything else starts.
pub(crate) async fn bind(listen: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(listen)
        .await
        .wrap_err_with(|| format!("http.listen = {listen} cannot be bound: is a keeper running?"))
}

/// Serves until the surface's stop; requests under way are answered first.
pub(crate) async fn serve(listener: TcpListener, surface: Surface) -> Result<()> {
    let address = listener.local_addr().wrap_err("the address that http listens on")?;
    if !address.ip().is_loopback() && !surface.access.has_token() {
        warn!(%address, "http listens beyond this machine and http.token is not set: only health answers there");
    }
    let stop = surface.stop.clone();
    let mut hub = JoinSet::new();
    hub.spawn(events::hub(surface.clone(), stop.clone()));
    listener::serve(listener, router(surface), listener::MAX_CONNECTIONS, stop).await;
    hub.shutdown().await;
    Ok(())
}

/// Every route. Those of the API are the ones of `openapi.json`.
fn router(surface: Surface) -> Router {
    let open = Router::new()
        .route("/healthz", get(read::healthz))
        .route("/readyz", get(read::readyz))
        .route("/api/v1/session", get(operate::session))
        .route("/api/v1/login", post(operate::login))
        .route("/api/v1/logout", post(operate::logout))
        .route("/api/v1/openapi.json", get(read::openapi))
        .merge(page::routes());
    let reads = Router::new()
        .route("/metrics", get(read::metrics))
        .route("/api/v1/products", get(read::products))
        .route("/api/v1/products/{name}", get(read::product))
        .route("/api/v1/transactions", get(read::transactions))
        .route("/api/v1/transactions/{which}", get(read::transaction))
        .route("/api/v1/chains", get(read::chains))
        .route("/api/v1/gas", get(gas::report))
        .route(EVENTS_PATH, get(events::events))
        .route_layer(from_fn_with_state(surface.clone(), access::reads));
    let writes = Router::new()
        .route("/api/v1/products/{name}/pause", post(operate::pause))
        .route("/api/v1/products/{name}/resume", post(operate::resume))
        .route("/api/v1/products/{name}/assess", post(operate::assess))
        .route("/api/v1/products/{name}/bump", post(operate::bump))
        .route("/api/v1/products/{name}/cancel", post(operate::cancel))
        .route("/api/v1/pause", post(operate::pause_all))
        .route("/api/v1/resume", post(operate::resume_all))
        .route_layer(from_fn_with_state(surface.clone(), access::writes));
    open.merge(reads)
        .merge(writes)
        .fallback(read::nothing_here)
        .method_not_allowed_fallback(read::wrong_method)
        .layer(map_response(failure::as_json))
        .layer(DefaultBodyLimit::max(limits::MAX_BODY))
        .layer(axum::middleware::from_fn(limits::bounds))
        .with_state(surface)
}

#[cfg(test)]
mod tests;
