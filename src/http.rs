//! The HTTP surface: metrics and health. The API and the page come on top of this router.

use std::net::SocketAddr;

use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use eyre::{Result, WrapErr};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    runtime::{Board, readiness::Readiness},
    store::Store,
};

/// What the handlers read.
#[derive(Debug, Clone)]
pub(crate) struct Surface {
    pub(crate) board: Board,
    pub(crate) store: Store,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) readiness: Readiness,
}

/// Binds the listener, so that a taken port is known before anything else starts.
pub(crate) async fn bind(listen: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(listen)
        .await
        .wrap_err_with(|| format!("http.listen = {listen} cannot be bound: is a keeper running?"))
}

/// Serves until stopped; requests under way are answered first.
pub(crate) async fn serve(
    listener: TcpListener,
    surface: Surface,
    stop: CancellationToken,
) -> Result<()> {
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(surface);
    axum::serve(listener, router)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
        .wrap_err("serving http")
}

/// Ready means: every chain has a fresh head and the store answers.
async fn readyz(State(surface): State<Surface>) -> impl IntoResponse {
    let problems = surface.readiness.problems(&surface.board, &surface.store).await;
    let code = if problems.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(json!({ "ready": problems.is_empty(), "problems": problems })))
}

async fn metrics(State(surface): State<Surface>) -> impl IntoResponse {
    const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
    ([(axum::http::header::CONTENT_TYPE, TEXT)], surface.metrics.render())
}
