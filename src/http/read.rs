//! What can be looked at.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    Surface,
    api::{Chains, Lives, Product, ProductDetail, Products, Transactions},
    failure::ApiError,
    view::{self, ProductFacts},
};
use crate::{
    store::Resolution,
    submission::{Cursor, LifeOf, MAX_PAGE, TransactionFilter},
};

/// Decisions of a product's history in one answer.
const HISTORY: u32 = 100;
/// Span of a chart unless another is asked for, seconds.
const SPAN: u64 = 86_400;
/// Longest span, seconds: as long as hours are kept.
const MAX_SPAN: u64 = 31_536_000;
/// Transactions of a page unless another number is asked for.
const PAGE: u32 = 50;
/// Every state that a transaction can be asked for.
pub(crate) const STATES: [&str; 8] =
    ["open", "signed", "pending", "included", "confirmed", "reverted", "superseded", "cancelled"];

impl Surface {
    /// Why chains give no fresh heads, by name.
    pub(super) fn chain_troubles(&self) -> BTreeMap<String, String> {
        let statuses: BTreeMap<_, _> = self.board.chains().into_iter().collect();
        let trouble = |chain: &view::ChainFacts| {
            let status = statuses.get(chain.name()).cloned().unwrap_or_default();
            Some((chain.name().to_owned(), chain.trouble(&status)?))
        };
        self.facts.chains().filter_map(trouble).collect()
    }

    /// One product as it is now.
    pub(super) fn product(
        &self,
        facts: &ProductFacts,
        troubles: &BTreeMap<String, String>,
    ) -> Product {
        let status = self.board.product(&facts.name).unwrap_or_default();
        let trouble = troubles.get(&facts.chain).map(String::as_str);
        view::product(facts, &status, self.pauses.of(&facts.name), trouble)
    }

    /// All products as they are now.
    pub(super) fn products(&self) -> Products {
        let troubles = self.chain_troubles();
        let products = self.facts.products().map(|facts| self.product(facts, &troubles));
        Products { products: products.collect() }
    }

    /// All chains as they are now.
    pub(super) fn chains(&self) -> Chains {
        let statuses: BTreeMap<_, _> = self.board.chains().into_iter().collect();
        let chains = self
            .facts
            .chains()
            .map(|chain| chain.view(&statuses.get(chain.name()).cloned().unwrap_or_default()));
        Chains { chains: chains.collect() }
    }

    /// The facts of a product.
    pub(super) fn facts_of(&self, name: &str) -> Result<&ProductFacts, ApiError> {
        self.facts
            .product(name)
            .ok_or_else(|| ApiError::NotFound(format!("there is no product {name}")))
    }
}

/// Alive means: this process answers. It never depends on a chain.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Ready means: every chain has a fresh head and the store answers.
pub(super) async fn readyz(State(surface): State<Surface>) -> impl IntoResponse {
    let problems = surface.readiness.problems(&surface.board, &surface.store).await;
    let code = if problems.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(json!({ "ready": problems.is_empty(), "problems": problems })))
}

pub(super) async fn metrics(State(surface): State<Surface>) -> impl IntoResponse {
    const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, TEXT)], surface.metrics.render())
}

pub(super) async fn products(State(surface): State<Surface>) -> Json<Products> {
    Json(surface.products())
}

pub(super) async fn chains(State(surface): State<Surface>) -> Json<Chains> {
    Json(surface.chains())
}

/// How much of a product's past is wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DetailQuery {
    /// Seconds before the newest head.
    span: Option<u64>,
}

pub(super) async fn product(
    State(surface): State<Surface>,
    Path(name): Path<String>,
    query: Result<Query<DetailQuery>, QueryRejection>,
) -> Result<Json<ProductDetail>, ApiError> {
    let span = asked(query)?.span.unwrap_or(SPAN);
    if span == 0 || span > MAX_SPAN {
        return Err(ApiError::BadRequest(format!("span: expected 1 to {MAX_SPAN} seconds")));
    }
    let facts = surface.facts_of(&name)?;
    let product = surface.product(facts, &surface.chain_troubles());
    let now = product.last.as_ref().map_or_else(crate::clock::now, |last| last.head.timestamp);
    let since = now.saturating_sub(span);
    let resolution = Resolution::for_span(span);
    let stored = surface.store.series(&name, resolution, since);
    let history = surface.store.decisions(&name, HISTORY);
    let (stored, history) = futures::try_join!(stored, history)?;
    let observations = product.last.iter().flat_map(|last| &last.observations);
    let units = observations
        .map(|seen| ((seen.name.clone(), seen.of.clone()), seen.unit.clone()))
        .collect();
    let recent = surface.board.recent(&name);
    let history: Vec<_> = history.into_iter().map(view::past_decision).collect();
    Ok(Json(ProductDetail {
        series: view::series(stored, &recent, &units, resolution, since),
        marks: view::marks(&history, since),
        history,
        product,
    }))
}

/// Which transactions are wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TransactionsQuery {
    product: Option<String>,
    chain: Option<String>,
    state: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(super) async fn transactions(
    State(surface): State<Surface>,
    query: Result<Query<TransactionsQuery>, QueryRejection>,
) -> Result<Json<Transactions>, ApiError> {
    let query = asked(query)?;
    let limit = query.limit.unwrap_or(PAGE);
    if limit == 0 || limit > MAX_PAGE {
        return Err(ApiError::BadRequest(format!("limit: expected 1 to {MAX_PAGE}")));
    }
    if query.state.as_deref().is_some_and(|state| !STATES.contains(&state)) {
        let known = STATES.join(", ");
        return Err(ApiError::BadRequest(format!("state: expected one of {known}")));
    }
    let after = match query.cursor.as_deref().map(Cursor::parse) {
        Some(None) => {
            let why = "cursor: expected the `next` of an earlier answer";
            return Err(ApiError::BadRequest(why.to_owned()));
        }
        Some(Some(cursor)) => Some(cursor),
        None => None,
    };
    let (product, chain, state) = (query.product, query.chain, query.state);
    let filter = TransactionFilter { product, chain, state, limit, after };
    let (transactions, next) = surface.store.journal().transactions(&filter).await?;
    Ok(Json(Transactions { transactions, next: next.map(|next| next.to_string()) }))
}

/// Of which product the life is wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LifeQuery {
    product: Option<String>,
}

pub(super) async fn transaction(
    State(surface): State<Surface>,
    Path(which): Path<String>,
    query: Result<Query<LifeQuery>, QueryRejection>,
) -> Result<Json<Lives>, ApiError> {
    let product = asked(query)?.product;
    let of = LifeOf::parse(&which).ok_or_else(|| {
        let why = "expected a nonce, or a transaction hash: 0x and 64 hexadecimal digits";
        ApiError::BadRequest(why.to_owned())
    })?;
    let lives = surface.store.journal().lives(&of, product.as_deref()).await?;
    if lives.is_empty() {
        return Err(ApiError::NotFound(format!("the journal has no transaction {which}")));
    }
    Ok(Json(Lives { lives }))
}

pub(super) async fn openapi() -> impl IntoResponse {
    const JSON: HeaderValue = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, JSON)], super::OPENAPI)
}

/// A path that is not there.
pub(super) async fn nothing_here() -> Response {
    let what = "there is nothing here; see /api/v1/openapi.json".to_owned();
    ApiError::NotFound(what).into_response()
}

/// A method that the path does not take.
pub(super) async fn wrong_method() -> Response {
    ApiError::WrongMethod.into_response()
}

pub(super) fn asked<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, ApiError> {
    query.map(|Query(query)| query).map_err(|why| ApiError::BadRequest(why.body_text()))
}
