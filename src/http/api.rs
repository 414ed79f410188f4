//! The answers of the JSON API under `/api/v1/`, as types: the same for the server, for `ballast
//! status` and for whoever links the library.
//!
//! Amounts and observed values are exact decimal text: wei where the name says so, else the unit
//! that stands beside the value. Times are seconds since 1970; those of heads, decisions and
//! charts are block times, those of pauses and transactions are of the wall clock. `openapi.json`
//! beside this file describes the same; a test compares both.

mod chains;
mod operate;
mod products;

use serde::{Deserialize, Serialize};

pub use self::{
    chains::{Chain, ChainHead, Chains, Endpoint},
    operate::{AssessAnswer, AssessOrder, Login, OrderAnswer, PauseOrder, Session},
    products::{
        Attempt, BlockMark, Current, Decision, Health, Mark, Observation, PastDecision, Paused,
        Product, ProductDetail, Products, Series, Wallet,
    },
};
pub use crate::submission::{
    AnswerRow, AttemptRow as PastAttempt, EventRow, TransactionLife, TransactionRow as Transaction,
};

/// Answer of `GET /api/v1/transactions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transactions {
    /// The newest first.
    pub transactions: Vec<Transaction>,
    /// For `?cursor=`, if there may be more.
    pub next: Option<String>,
}

/// Answer of `GET /api/v1/transactions/{which}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lives {
    /// The newest first; several where a nonce is of several wallets, at most 20.
    pub lives: Vec<TransactionLife>,
}

/// Any answer with a status of 400 or more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What went wrong.
    pub error: FailureDetail,
}

/// What went wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureDetail {
    /// A fixed word for programs.
    pub code: String,
    /// A sentence for people: what to do about it.
    pub message: String,
}
