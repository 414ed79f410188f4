//! What operators order, and who they are.

use serde::{Deserialize, Serialize};

use super::{Current, Decision};

/// Answer of `POST /api/v1/products/{name}/bump` and `/cancel`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderAnswer {
    /// The product.
    pub product: String,
    /// Whether a further attempt was journalled and sent.
    pub done: bool,
    /// What was done, or why not.
    pub what: String,
    /// The nonce, if it was done.
    pub nonce: Option<u64>,
    /// The new attempt, if it was done.
    pub hash: Option<String>,
    /// What follows, where that needs words.
    pub note: Option<String>,
}

/// Body of `POST /api/v1/products/{name}/assess`. All of it may be left out, the body too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AssessOrder {
    /// Whether nothing may be sent because of it.
    pub dry_run: bool,
}

/// Answer of `POST /api/v1/products/{name}/assess`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssessAnswer {
    /// The product.
    pub product: String,
    /// What was decided on the new assessment; `null` if there was none in time.
    pub decision: Option<Decision>,
    /// Why there is none.
    pub why: Option<String>,
    /// The transaction that is not final after it, chosen as the product's own `current` is.
    pub current: Option<Current>,
}

/// Body of `POST /api/v1/products/{name}/pause` and `/api/v1/pause`, of the two resumes, and of
/// `bump` and `cancel`. All of it may be left out, the body too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PauseOrder {
    /// Why, at most 200 characters.
    pub reason: Option<String>,
    /// Who, at most 80 characters.
    pub who: Option<String>,
}

/// Body of `POST /api/v1/login`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The operator token.
    pub token: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login")
    }
}

/// Answer of `GET /api/v1/session`, and of login and logout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Whether this caller may read.
    pub may_read: bool,
    /// Whether this caller may pause and resume.
    pub may_write: bool,
    /// Whether the keeper has an operator token at all.
    pub token_configured: bool,
    /// Version of the keeper.
    pub version: String,
}
