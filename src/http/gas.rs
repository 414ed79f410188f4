//! What a month cost, as `ballast gas report --format json` prints it.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use serde::Deserialize;

use super::{Surface, failure::ApiError, read::asked};
use crate::{
    clock,
    finance::{Month, Report, load, report::Asked},
};

/// Which month is wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GasQuery {
    month: Option<String>,
    product: Option<String>,
}

pub(super) async fn report(
    State(surface): State<Surface>,
    query: Result<Query<GasQuery>, QueryRejection>,
) -> Result<Json<Report>, ApiError> {
    let query = asked(query)?;
    let now = clock::now();
    let month = query.month.as_deref().map(str::parse).transpose();
    let month = month.map_err(|error| ApiError::BadRequest(format!("month: {error}")))?;
    let month = month.unwrap_or_else(|| Month::of(now));
    let asked = Asked { month, product: query.product, now, source: "ledger" };
    Ok(Json(load::from_ledger(&surface.store, &asked, &surface.books).await?))
}
