//! What became of a permit.

use std::fmt;

use alloy::primitives::{Address, B256, U256};
use ballast_chains::amount::{ether, gwei};
use ballast_strategy_api::{NonEmpty, Refusal};
use serde::Serialize;

use super::super::{
    pricing::Price,
    simulate::{CandidateRefusal, meaning},
};

/// What became of a permit, or would become of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "pursuit", rename_all = "snake_case")]
pub enum Pursuit {
    /// Signed, journalled and handed to the nodes; what they made of it is followed from now on.
    Sent {
        /// The nonce.
        nonce: u64,
        /// Transaction hash.
        hash: B256,
        /// Which candidate.
        call: String,
        /// What it offers.
        price: Price,
        /// Gas limit.
        gas_limit: u64,
        /// The action whose nonce it takes over.
        in_place_of: Option<String>,
    },
    /// Would be sent, were it allowed.
    WouldSend {
        /// Which candidate.
        call: String,
        /// The contract.
        to: Address,
        /// What it would offer.
        price: Price,
        /// Gas limit.
        gas_limit: u64,
        /// The most that it could cost, wei, value included.
        max_cost: U256,
    },
    /// Due, but held back by price, funds or the state of the lane.
    Held {
        /// Why, in fixed words.
        reason: &'static str,
        /// With figures.
        detail: String,
    },
    /// No candidate would succeed.
    Refused {
        /// Why, for each candidate.
        refusals: NonEmpty<CandidateRefusal>,
    },
    /// A transaction is under way: this very intent, or another that is not included yet.
    Live {
        /// Its nonce.
        nonce: u64,
    },
    /// This very intent was carried out before, and it is not proven that what it answers changed and
    /// is there again.
    Answered {
        /// The nonce that it was carried out at.
        nonce: u64,
    },
}

impl Pursuit {
    /// The kind of decision that this amounts to, as the store and the metrics name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sent { .. } => "act",
            Self::WouldSend { .. } => "rehearsed",
            Self::Held { .. } | Self::Live { .. } | Self::Answered { .. } => "held",
            Self::Refused { refusals } => match refusals.first.meaning {
                Refusal::Blocked { .. } => "blocked",
                Refusal::SomeoneWasFirst | Refusal::NotDue | Refusal::Misconfigured { .. } => {
                    "refused"
                }
            },
        }
    }

    /// Why, in fixed words.
    pub fn reason(&self) -> String {
        let fixed = match self {
            Self::Sent { .. } => "sent",
            Self::WouldSend { .. } => "would send",
            Self::Held { reason, .. } => reason,
            Self::Refused { refusals } => meaning(&refusals.first.meaning),
            Self::Live { .. } => "a transaction is under way",
            Self::Answered { .. } => "already carried out",
        };
        fixed.to_owned()
    }
}

impl fmt::Display for Pursuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent { nonce, hash, call, price, gas_limit, in_place_of } => {
                write!(f, "sent {call} at nonce {nonce} as {hash}, ")?;
                if let Some(other) = in_place_of {
                    write!(f, "in place of {other}, ")?;
                }
                offer(f, price, *gas_limit)
            }
            Self::WouldSend { call, to, price, gas_limit, max_cost } => {
                write!(f, "would send {call} to {to}, ")?;
                offer(f, price, *gas_limit)?;
                write!(f, ", at most {} in all", ether(*max_cost))
            }
            Self::Held { reason, detail } => write!(f, "{reason}: {detail}"),
            Self::Refused { refusals } => {
                for (index, refusal) in refusals.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "; " };
                    let (label, said) = (&refusal.label, &refusal.said);
                    write!(f, "{comma}{label}: {said} ({})", meaning(&refusal.meaning))?;
                }
                Ok(())
            }
            Self::Live { nonce } => write!(f, "the transaction at nonce {nonce} is under way"),
            Self::Answered { nonce } => {
                write!(f, "carried out at nonce {nonce}, and what it answers is still the same")
            }
        }
    }
}

fn offer(f: &mut fmt::Formatter<'_>, price: &Price, gas_limit: u64) -> fmt::Result {
    let (most, tip) = (gwei(price.max_fee_per_gas), gwei(price.max_priority_fee_per_gas));
    write!(f, "up to {most} gwei per gas, tip {tip}, gas limit {gas_limit}")
}
