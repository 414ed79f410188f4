//! What holds for every request: how many at once, for how long, and the headers of the answer.

use std::time::Duration;

use axum::{
    body::to_bytes,
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use super::{EVENTS_PATH, HEALTH_PATHS, LOGIN_PATH, failure::ApiError};

/// Longest body of a request, bytes.
pub(super) const MAX_BODY: usize = 16 << 10;
/// Requests that are answered at once; event streams are counted apart.
const MAX_REQUESTS: usize = 64;
/// Longest time that an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Longest time until the body of a login is there, which anyone may begin. It is waited for without
/// a seat: whoever dawdles keeps a connection busy, and nobody else.
const LOGIN_WITHIN: Duration = Duration::from_secs(2);

/// Requests under way in this process.
static UNDER_WAY: Semaphore = Semaphore::const_new(MAX_REQUESTS);

/// The page's scripts, styles and data come from here and nowhere else, and nobody may frame it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// Headers that every answer carries.
const HEADERS: [(HeaderName, HeaderValue); 6] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// Bounds and counts a request, and completes the answer's headers.
pub(super) async fn bounds(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let matched = request.extensions().get::<MatchedPath>();
    let path = matched.map_or("none", MatchedPath::as_str).to_owned();
    let method = match *request.method() {
        Method::GET => "GET",
        Method::POST => "POST",
        _ => "other",
    };
    let mut response = answer(&path, request, next).await;
    count(path, method, response.status(), started.elapsed());
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, value);
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

async fn answer(path: &str, request: Request, next: Next) -> Response {
    // A stream ends when its reader goes; it has bounds of its own.
    if path == EVENTS_PATH {
        return next.run(request).await;
    }
    let request = if path == LOGIN_PATH {
        match timeout(LOGIN_WITHIN, with_body(request)).await {
            Ok(Ok(request)) => request,
            Ok(Err(problem)) => return problem.into_response(),
            Err(_) => return ApiError::TimedOut.into_response(),
        }
    } else {
        request
    };
    // Health is told from memory, and not told by full seats that belong to others.
    let seat = UNDER_WAY.try_acquire();
    if seat.is_err() && !HEALTH_PATHS.contains(&path) {
        return ApiError::Busy("requests").into_response();
    }
    match timeout(ANSWER_WITHIN, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::TimedOut.into_response(),
    }
}

/// The request with its whole body at hand.
async fn with_body(request: Request) -> Result<Request, ApiError> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY).await;
    let body = body.map_err(|error| ApiError::BadRequest(format!("the body: {error}")))?;
    Ok(Request::from_parts(parts, body.into()))
}

fn count(path: String, method: &'static str, status: StatusCode, took: Duration) {
    let class = match status.as_u16() {
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    };
    metrics::counter!(
        "ballast_http_requests_total",
        "route" => path.clone(), "method" => method, "status" => class
    )
    .increment(1);
    metrics::histogram!("ballast_http_seconds", "route" => path).record(took.as_secs_f64());
}
