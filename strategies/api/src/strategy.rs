//! The trait that a kind of product implements.

use std::{fmt::Debug, future::Future};

use alloy::rpc::types::TransactionReceipt;
use ballast_chains::{BlockReader, ReadError, Revert};
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::{Assessment, Call, Decision, Settlement};

/// Decides what a product needs.
pub trait Strategy: Debug + Send + Sync + Sized + 'static {
    /// Name of this strategy in product files, logs and metrics.
    const KIND: &'static str;

    /// Typed `[params]` table of the product file; refuses unknown keys.
    type Params: DeserializeOwned + Send;

    /// Reads once what never changes and rejects parameters that cannot work.
    fn connect(
        params: Self::Params,
        at: &BlockReader,
    ) -> impl Future<Output = Result<Self, StrategyError>> + Send;

    /// What was connected to, in a few words for a person: `check` prints them.
    fn describe(&self) -> String {
        Self::KIND.to_owned()
    }

    /// What was connected to. The runtime remembers it, over restarts too, and acts on anything else
    /// only once a person has agreed; what is pending for another is given up. `None`, the default:
    /// nothing to remember.
    fn acts_on(&self) -> Option<ActsOn> {
        None
    }

    /// Compares the product's state at one block with where it should be. Depends on nothing else:
    /// no memory, no wall clock.
    fn assess(
        &self,
        at: &BlockReader,
    ) -> impl Future<Output = Result<Assessment, StrategyError>> + Send;

    /// Whether the contract itself asks at execution whether this action is needed, and refuses it
    /// where it is not. Then whatever of it is executed is due at that moment, also right behind
    /// another one of the same intent, and a new call need not wait until an old one that failed is
    /// final. A cooldown is no such guard: it says when, not whether. `false`, the default: unknown.
    fn checks_need(&self, action: &str) -> bool {
        let _ = action;
        false
    }

    /// Whether what was signed and is not included yet should still take effect, by what is decided now:
    /// its call may carry a limit that a market has left behind, or answer what was changed in the
    /// meantime. Where it should not, what is due takes its nonce, and if nothing can be done it is
    /// given up, which costs gas. Where nothing is due at all, it is given up whatever this says.
    /// `true`, the default: whatever would still succeed is welcome.
    fn stands(&self, pending: &Pending<'_>, decision: &Decision) -> bool {
        let _ = (pending, decision);
        true
    }

    /// What a person should look at before this product is relied on: wiring, odd settings. For
    /// `check`, which asks once; an assessment needs none of it, and what keeps the product from
    /// being kept is the assessment's to say.
    fn audit(&self, _at: &BlockReader) -> impl Future<Output = Vec<Doubt>> + Send {
        std::future::ready(Vec::new())
    }

    /// What a simulated or mined refusal of one of this strategy's calls means.
    fn refusal(&self, action: &str, revert: &Revert) -> Refusal;

    /// The action that calldata is a call of, by its name in [`Action`](crate::Action); `None` for
    /// what is none of this strategy's. It is how costs are told apart that are read from the chain
    /// alone.
    fn action_of(calldata: &[u8]) -> Option<&'static str> {
        _ = calldata;
        None
    }

    /// Income and realised figures of a mined call, from its logs.
    fn settle(&self, receipt: &TransactionReceipt) -> Settlement;
}

/// Something that was signed and is not included.
#[derive(Debug, Clone, Copy)]
pub struct Pending<'a> {
    /// The action's name.
    pub action: &'a str,
    /// The state that it answers, as the strategy wrote it: [`StateKey`](crate::StateKey).
    pub answers: &'a str,
    /// Its newest call.
    pub call: &'a Call,
}

/// What a product's parameters ask for, and what that leads to on the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActsOn {
    /// What the parameters name, such as `set_token 0x…`. Other parameters are another agreement.
    pub asked: String,
    /// What it led to when it was connected: an address.
    pub found: String,
}

/// Something that a person should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// Whether the product cannot be kept like this; else it may be meant.
    pub is_error: bool,
    /// What, in a sentence with its figures.
    pub text: String,
}

impl Doubt {
    /// The product cannot be kept like this.
    pub fn error(text: String) -> Self {
        Self { is_error: true, text }
    }

    /// It may be meant.
    pub fn warning(text: String) -> Self {
        Self { is_error: false, text }
    }
}

/// What a refusal of a call means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Somebody else was faster; not an error.
    SomeoneWasFirst,
    /// Not due any more, or not yet.
    NotDue,
    /// Due, but the protocol or its market refuses at present.
    Blocked {
        /// Why, in fixed words.
        reason: &'static str,
    },
    /// A person has to act: permission, wiring, an account that cannot receive.
    Misconfigured {
        /// Why, in fixed words.
        reason: &'static str,
    },
}

/// Why a strategy could not say what is due.
#[derive(Debug, Error)]
pub enum StrategyError {
    /// A read failed. The next head is the retry.
    #[error("reading {what}")]
    Read {
        /// What was read.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: ReadError,
    },
    /// The product or its parameters cannot be served; a person has to act.
    #[error("{0}")]
    Misconfigured(String),
    /// The chain holds a number that the arithmetic of the rules cannot take.
    #[error("arithmetic failed at {0}")]
    Arithmetic(&'static str),
}

impl StrategyError {
    /// For `map_err` on a read.
    pub fn reading(what: &'static str) -> impl FnOnce(ReadError) -> Self {
        move |source| Self::Read { what, source }
    }
}
