//! Refusals and failures as JSON, each with a fixed word for programs and a sentence for people.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::api::{Failure, FailureDetail};
use crate::store::StoreError;

/// Why a request is not answered as it wished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ApiError {
    /// The path, query or body makes no sense.
    BadRequest(String),
    /// Nobody here may read without the token.
    ReadsNeedToken,
    /// Calls that change something need the token.
    WritesNeedToken,
    /// What was sent is not the token.
    WrongToken,
    /// There is no token, so nobody can change anything.
    NoTokenConfigured,
    /// A page of another site asked.
    ForeignOrigin,
    /// There is no such thing.
    NotFound(String),
    /// The path is there, for another method.
    WrongMethod,
    /// Too many requests or streams at once.
    Busy(&'static str),
    /// It took too long.
    TimedOut,
    /// The store failed.
    Store(String),
}

impl ApiError {
    fn parts(&self) -> (StatusCode, &'static str, String) {
        match self {
            Self::BadRequest(why) => (StatusCode::BAD_REQUEST, "bad_request", why.clone()),
            Self::ReadsNeedToken => (
                StatusCode::UNAUTHORIZED,
                "token_required",
                "without the operator token reads are open only on the keeper's own machine, if \
                 http.open_reads is not false there, \
                 addressed as localhost, 127.0.0.1 or [::1]; send `Authorization: Bearer TOKEN` \
                 or log in on the page"
                    .to_owned(),
            ),
            Self::WritesNeedToken => (
                StatusCode::UNAUTHORIZED,
                "token_required",
                "this changes something and needs the operator token: send \
                 `Authorization: Bearer TOKEN` or log in on the page"
                    .to_owned(),
            ),
            Self::WrongToken => (
                StatusCode::UNAUTHORIZED,
                "wrong_token",
                "that is not the operator token of this keeper".to_owned(),
            ),
            Self::NoTokenConfigured => (
                StatusCode::FORBIDDEN,
                "no_token_configured",
                "this keeper has no operator token, so nobody can change anything here: set \
                 http.token in ballast.toml, such as token = { env = \"BALLAST_HTTP_TOKEN\" }, \
                 and start it again"
                    .to_owned(),
            ),
            Self::ForeignOrigin => (
                StatusCode::FORBIDDEN,
                "foreign_origin",
                "the request comes from a page of another site".to_owned(),
            ),
            Self::NotFound(what) => (StatusCode::NOT_FOUND, "not_found", what.clone()),
            Self::WrongMethod => (
                StatusCode::METHOD_NOT_ALLOWED,
                "wrong_method",
                "this path takes another method; see /api/v1/openapi.json".to_owned(),
            ),
            Self::Busy(what) => {
                (StatusCode::SERVICE_UNAVAILABLE, "busy", format!("too many {what} at once"))
            }
            Self::TimedOut => {
                (StatusCode::GATEWAY_TIMEOUT, "timed_out", "this took too long".to_owned())
            }
            Self::Store(why) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "store_failed",
                format!("{why}: look at the disk and the log of the keeper"),
            ),
        }
    }
}

/// Refusals of the framework itself (a body too long, a path that does not decode) as JSON too.
pub(super) async fn as_json(response: Response) -> Response {
    let (status, headers) = (response.status(), response.headers());
    let is_json = |kind: &HeaderValue| kind.as_bytes().starts_with(b"application/json");
    if status.as_u16() < 400 || headers.get(header::CONTENT_TYPE).is_some_and(is_json) {
        return response;
    }
    let (code, message) = match status {
        StatusCode::PAYLOAD_TOO_LARGE => ("too_long", "the body is longer than 16 KiB"),
        _ => ("bad_request", "the request does not fit; see /api/v1/openapi.json"),
    };
    let error = FailureDetail { code: code.to_owned(), message: message.to_owned() };
    (status, Json(Failure { error })).into_response()
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code, message) = self.parts();
        let error = FailureDetail { code: code.to_owned(), message };
        let mut response = (status, Json(Failure { error })).into_response();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::Store(crate::error_chain(&error))
    }
}
