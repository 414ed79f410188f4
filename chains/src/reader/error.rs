//! Why a read gave no value, as strategies see it.

use alloy::{
    primitives::{Address, Bytes},
    sol_types::{self, SolError},
};
use thiserror::Error;

use crate::text::one_line;

/// Why a read gave no value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReadError {
    /// The contract refused, and said how, or refused when asked alone.
    #[error("{0}")]
    Reverted(Revert),
    /// The contract answered something that is not what the ABI promises.
    #[error("unexpected answer of {target}: {}", one_line(.detail))]
    Malformed {
        /// The contract that was asked.
        target: Address,
        /// What was wrong, with the answer's length or bytes.
        detail: String,
    },
    /// No endpoint gave an answer; says nothing about the contract. Ask again at the next head.
    #[error("no endpoint answered: {}", one_line(.0))]
    Unavailable(String),
}

/// A decoded refusal of a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revert {
    /// `Error(string)`, as of `require(…, "reason")`.
    Reason(String),
    /// `Panic(uint256)`: a failed assertion, division by zero, overflow … with its code.
    Panic(u64),
    /// A custom error or anything else with data.
    Data(Bytes),
    /// No data at all: `revert()`, an invalid opcode, out of gas, no code.
    Empty,
}

impl Revert {
    /// Reads the data of a refused call, wherever it came from: a batch's result or a node's error.
    pub fn decode(data: Bytes) -> Self {
        if data.is_empty() {
            return Self::Empty;
        }
        if let Ok(revert) = sol_types::Revert::abi_decode(&data) {
            return Self::Reason(revert.reason);
        }
        match sol_types::Panic::abi_decode(&data).ok().and_then(|p| u64::try_from(p.code).ok()) {
            Some(code) => Self::Panic(code),
            None => Self::Data(data),
        }
    }
}

impl std::fmt::Display for Revert {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // Whoever wrote the contract chose the words.
            Self::Reason(reason) => write!(f, "reverted: {}", one_line(reason)),
            Self::Panic(code) => write!(f, "panicked with code {code:#04x}"),
            Self::Data(data) => write!(f, "reverted with data {data}"),
            Self::Empty => f.write_str("reverted without a reason"),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy::{
        primitives::{Address, U256, bytes},
        sol_types::{Panic, Revert as Reason, SolError},
    };

    use super::{ReadError, Revert};

    #[test]
    fn refusals_are_decoded() {
        let reason = Reason { reason: "Cooldown not elapsed".into() }.abi_encode();
        let panic = Panic { code: U256::from(0x12) }.abi_encode();
        let absurd = Panic { code: U256::MAX }.abi_encode();
        for (data, expected) in [
            (reason.into(), Revert::Reason("Cooldown not elapsed".into())),
            (panic.into(), Revert::Panic(0x12)),
            (absurd.clone().into(), Revert::Data(absurd.into())),
            (bytes!("deadbeef"), Revert::Data(bytes!("deadbeef"))),
            (bytes!("08c379a0"), Revert::Data(bytes!("08c379a0"))),
            (bytes!("01"), Revert::Data(bytes!("01"))),
            (bytes!(), Revert::Empty),
        ] {
            assert_eq!(Revert::decode(data), expected);
        }
        assert_eq!(Revert::Panic(0x12).to_string(), "panicked with code 0x12");
    }

    #[test]
    fn what_others_say_is_one_line() {
        let said = "no\nAll 15 checks passed.\u{1b}[8m";
        let target = Address::ZERO;
        for error in [
            ReadError::Reverted(Revert::Reason(said.into())),
            ReadError::Malformed { target, detail: said.into() },
            ReadError::Unavailable(said.into()),
        ] {
            let told = error.to_string();
            assert!(told.ends_with("no\\nAll 15 checks passed.\\u{1b}[8m"), "{told:?}");
        }
    }
}
