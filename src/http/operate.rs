//! What changes something: pauses, resumes, orders to assess and about what is pending, logins.

use std::net::SocketAddr;

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{ConnectInfo, Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::de::DeserializeOwned;

use super::{
    Surface,
    access::{Caller, set_cookie},
    api::{AssessAnswer, AssessOrder, Login, OrderAnswer, PauseOrder, Product, Products, Session},
    failure::ApiError,
    view,
};
use crate::submission::{self, Obeyed, OrderKind};

/// Longest reason, characters.
const MAX_REASON: usize = 200;
/// Longest name of a person, characters.
const MAX_WHO: usize = 80;

/// What is to be done with products.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Pause,
    Resume,
}

pub(super) async fn pause(
    State(surface): State<Surface>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Json<Product>, ApiError> {
    one(&surface, caller, &name, Order::Pause, &body).await.map(Json)
}

pub(super) async fn resume(
    State(surface): State<Surface>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Json<Product>, ApiError> {
    one(&surface, caller, &name, Order::Resume, &body).await.map(Json)
}

pub(super) async fn pause_all(
    State(surface): State<Surface>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Json<Products>, ApiError> {
    all(&surface, caller, Order::Pause, &body).await.map(Json)
}

pub(super) async fn resume_all(
    State(surface): State<Surface>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Json<Products>, ApiError> {
    all(&surface, caller, Order::Resume, &body).await.map(Json)
}

async fn one(
    surface: &Surface,
    caller: Caller,
    name: &str,
    order: Order,
    body: &Bytes,
) -> Result<Product, ApiError> {
    let facts = surface.facts_of(name)?;
    carry_out(surface, caller, &[name], order, body).await?;
    let mut product = surface.product(facts, &surface.chain_troubles());
    product.note = note(&product, order);
    Ok(product)
}

async fn all(
    surface: &Surface,
    caller: Caller,
    order: Order,
    body: &Bytes,
) -> Result<Products, ApiError> {
    let names: Vec<&str> = surface.facts.products().map(|facts| facts.name.as_str()).collect();
    carry_out(surface, caller, &names, order, body).await?;
    let mut products = surface.products();
    for product in &mut products.products {
        product.note = note(product, order);
    }
    Ok(products)
}

async fn carry_out(
    surface: &Surface,
    caller: Caller,
    names: &[&str],
    order: Order,
    body: &Bytes,
) -> Result<(), ApiError> {
    let (who, reason) = by_whom(caller, body)?;
    match order {
        Order::Pause => surface.pauses.pause(names, &who, &reason).await?,
        Order::Resume => surface.pauses.resume(names, &who).await?,
    }
    Ok(())
}

/// Who orders something, and the reason, which may be empty.
fn by_whom(caller: Caller, body: &Bytes) -> Result<(String, String), ApiError> {
    let PauseOrder { reason, who } = parse_if_any(body)?;
    let reason = plain("reason", reason, MAX_REASON)?.unwrap_or_default();
    let from = if caller.by_cookie { "an operator on the page" } else { "an operator by token" };
    let who = plain("who", who, MAX_WHO)?.unwrap_or_else(|| from.to_owned());
    Ok((who, reason))
}

/// Has the newest head assessed now, and tells what was decided.
pub(super) async fn assess(
    State(surface): State<Surface>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Json<AssessAnswer>, ApiError> {
    let facts = surface.facts_of(&name)?;
    let AssessOrder { dry_run } = parse_if_any(&body)?;
    let (assessed, why) = match surface.orders.assess(&facts.name, dry_run).await {
        Ok(assessed) => (Some(assessed), None),
        Err(why) => (None, Some(why.to_owned())),
    };
    let product = facts.name.clone();
    let decision = assessed.as_ref().map(|assessed| view::decision(&assessed.decision));
    let current = assessed.as_ref().and_then(|assessed| assessed.current.as_ref());
    let current = current.map(view::current);
    Ok(Json(AssessAnswer { product, decision, why, current }))
}

pub(super) async fn bump(
    State(surface): State<Surface>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Json<OrderAnswer>, ApiError> {
    pending(&surface, caller, &name, OrderKind::Bump, &body).await.map(Json)
}

pub(super) async fn cancel(
    State(surface): State<Surface>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Json<OrderAnswer>, ApiError> {
    pending(&surface, caller, &name, OrderKind::Cancel, &body).await.map(Json)
}

/// Hands an order about what waits to the product's own task.
async fn pending(
    surface: &Surface,
    caller: Caller,
    name: &str,
    kind: OrderKind,
    body: &Bytes,
) -> Result<OrderAnswer, ApiError> {
    let facts = surface.facts_of(name)?;
    let (who, reason) = by_whom(caller, body)?;
    let reason = if reason.is_empty() { reason } else { format!(": {reason}") };
    let order = submission::Order { kind, why: format!("ordered by {who}{reason}") };
    let obeyed = surface.orders.give(&facts.name, order).await;
    let product = facts.name.clone();
    Ok(match obeyed {
        Obeyed::Done { nonce, hash, what } => {
            let stopped = surface.pauses.holds(name);
            let note = (kind == OrderKind::Cancel && !stopped).then(|| {
                format!(
                    "the strategy may do the same again as soon as it is due; `ballast pause \
                     {name}` keeps it from that"
                )
            });
            let (nonce, hash) = (Some(nonce), Some(hash));
            OrderAnswer { product, done: true, what, nonce, hash, note }
        }
        Obeyed::Refused { why } => {
            OrderAnswer { product, done: false, what: why, nonce: None, hash: None, note: None }
        }
        Obeyed::NotYet => return Err(ApiError::TimedOut),
    })
}

/// A file's word is stronger than a resume, and so is the keeper's own: that has to be said.
fn note(product: &Product, order: Order) -> Option<String> {
    let paused = product.paused.as_ref().filter(|_| order == Order::Resume)?;
    if paused.by_file {
        return Some(format!(
            "{0} stays paused: its file says `paused = true` or `mode = \"paused\"`; change \
             products/{0}.toml and start the keeper again",
            product.name
        ));
    }
    let who = paused.who.as_deref().unwrap_or("an operator");
    let why = paused.reason.as_deref().unwrap_or_default();
    Some(format!("{} stays paused by {who}: {why}", product.name))
}

/// One line of text that people wrote, without control characters.
fn plain(what: &str, text: Option<String>, longest: usize) -> Result<Option<String>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let text = text.trim();
    if text.chars().count() > longest || text.chars().any(char::is_control) {
        return Err(ApiError::BadRequest(format!(
            "{what}: expected one line of at most {longest} characters"
        )));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

pub(super) async fn session(
    State(surface): State<Surface>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Result<Json<Session>, ApiError> {
    let caller = surface.access.caller(&headers, peer)?;
    Ok(Json(session_of(&surface, caller)))
}

pub(super) async fn login(
    State(surface): State<Surface>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    if !surface.access.has_token() {
        return Err(ApiError::NoTokenConfigured);
    }
    let Login { token } = parse(&body)?;
    if !surface.access.is_token(token.trim()) {
        return Err(ApiError::WrongToken);
    }
    let secret = surface.access.login()?;
    let caller = Caller { may_read: true, may_write: true, by_cookie: true };
    with_cookie(Some(&secret), &headers, Json(session_of(&surface, caller)))
}

pub(super) async fn logout(
    State(surface): State<Surface>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    surface.access.logout(&headers);
    with_cookie(None, &headers, StatusCode::NO_CONTENT)
}

fn with_cookie(
    secret: Option<&str>,
    headers: &HeaderMap,
    answer: impl IntoResponse,
) -> Result<Response, ApiError> {
    let cookie = HeaderValue::from_str(&set_cookie(secret, headers))
        .map_err(|_| ApiError::BadRequest("the login cannot be written as a cookie".to_owned()))?;
    Ok(([(header::SET_COOKIE, cookie)], answer).into_response())
}

fn session_of(surface: &Surface, caller: Caller) -> Session {
    Session {
        may_read: caller.may_read,
        may_write: caller.may_write,
        token_configured: surface.access.has_token(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn parse_if_any<T: DeserializeOwned + Default>(body: &Bytes) -> Result<T, ApiError> {
    if body.is_empty() { Ok(T::default()) } else { parse(body) }
}

fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, ApiError> {
    serde_json::from_slice(body)
        .map_err(|error| ApiError::BadRequest(format!("the body does not fit: {error}")))
}
