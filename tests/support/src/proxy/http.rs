//! Requests in the body of a POST.

use super::{
    Shared,
    exchange::{GARBAGE, Outcome, exchange},
};
use crate::{request_log::ConnectionKind, server::Connection};
use axum::{
    body::{Body, Bytes},
    extract::{ConnectInfo, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::{StreamExt, stream};
use std::{io, sync::Arc, time::Duration};

/// Answers, or lets the caller down, as the faults in force demand.
pub(super) async fn post(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    body: Bytes,
) -> Response {
    let outcome = tokio::select! {
        () = connection.cut.cancelled() => Outcome::Cut,
        outcome = exchange(&shared, ConnectionKind::Http, connection.id, body) => outcome,
    };
    match outcome {
        Outcome::Body(status, body) => json_response(status, Body::from(body)),
        Outcome::Truncated(whole) => truncated(&whole),
        Outcome::Garbage => ([(header::CONTENT_TYPE, "text/html")], GARBAGE).into_response(),
        Outcome::Status { code, retry_after } => status(code, retry_after),
        Outcome::Cut => cut(&connection),
    }
}

/// The socket fails before this can be written, so no byte of it arrives.
pub(super) fn cut(connection: &Connection) -> Response {
    connection.cut.cancel();
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

/// An answer without a JSON-RPC body.
pub(super) fn status(code: u16, retry_after: Option<Duration>) -> Response {
    let code = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (code, "told to fail").into_response();
    if let Some(after) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs()));
    }
    response
}

fn json_response(status: StatusCode, body: Body) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// Promises the whole, sends half, fails.
fn truncated(whole: &Bytes) -> Response {
    let half = whole.slice(..whole.len() / 2);
    let failure = stream::once(async {
        // One turn of the loop lets the server write the half before it hears of the failure.
        tokio::task::yield_now().await;
        Err(io::Error::from(io::ErrorKind::ConnectionAborted))
    });
    let body = Body::from_stream(stream::iter([Ok(half)]).chain(failure));
    let mut response = json_response(StatusCode::OK, body);
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(whole.len()));
    response
}
