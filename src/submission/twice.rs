//! Two calls of one account in one `eth_call`: a small program that stands in as the account's code
//! for the time of the call. Contracts see the account as sender and as origin, as they do for a
//! transaction of it.
//!
//! Three things must not be mistaken for the contract's own word:
//!
//! * a contract that **pays its caller** calls the program. It stops at once then, as an account
//!   without code does: within the 2,300 gas of a `transfer`, and without running the calls again;
//! * the first call must not **use up the gas** of the second, so it gets half;
//! * that the second call fails is no proof if it may have failed **for want of gas**. What runs out
//!   of gas, at whatever depth, leaves a 64th or two; so at least half must be left.

use alloy::primitives::{Bytes, U256};
use ballast_chains::reader::CallError;
use ballast_strategy_api::Call;

/// Anybody but the account itself calls: stop.
const ENTER: [u8; 8] = [
    0x33, 0x30, 0x14, // CALLER, ADDRESS, EQ
    0x60, 0x07, 0x57, // PUSH1 7, JUMPI
    0x00, // STOP
    0x5b, // JUMPDEST, at 7
];
/// Bytes of the instructions that set up one call, up to its gas.
const CALL_BYTES: usize = 78;
/// The first call: half of the gas.
const WITH_HALF: [u8; 5] = [0x5a, 0x60, 0x01, 0x1c, 0xf1]; // GAS, PUSH1 1, SHR, CALL
/// Keeps what gas there is before the second call.
const GAS_BEFORE: [u8; 1] = [0x5a];
/// The second call: all gas that is left.
const WITH_ALL: [u8; 2] = [0x5a, 0xf1]; // GAS, CALL
/// The stack has the first result, the gas before the second call, and its result.
const ANSWER: [u8; 19] = [
    0x60, 0x20, 0x52, // MSTORE the second result at 32
    0x60, 0x01, 0x1c, 0x5a, 0x11, // half of the gas before, GAS, GT
    0x60, 0x40, 0x52, // MSTORE at 64 whether more than that is left
    0x60, 0x00, 0x52, // MSTORE the first result at 0
    0x60, 0x60, 0x60, 0x00, 0xf3, // RETURN all three
];

/// The program: copy calldata to memory and `CALL`, twice; then a word for each result, and one for
/// whether gas was left.
pub(super) fn code(first: &Call, then: &Call) -> Bytes {
    let instructions = [&ENTER[..], &WITH_HALF, &GAS_BEFORE, &WITH_ALL, &ANSWER];
    let data = instructions
        .into_iter()
        .fold(CALL_BYTES.saturating_mul(2), |sum, part| sum.saturating_add(part.len()));
    let mut code = ENTER.to_vec();
    step(&mut code, first, data);
    code.extend_from_slice(&WITH_HALF);
    code.extend_from_slice(&GAS_BEFORE);
    step(&mut code, then, data.saturating_add(first.data.len()));
    code.extend_from_slice(&WITH_ALL);
    code.extend_from_slice(&ANSWER);
    code.extend_from_slice(&first.data);
    code.extend_from_slice(&then.data);
    code.into()
}

/// Everything of one call but its gas; its calldata stands in the program at `offset`.
fn step(code: &mut Vec<u8>, call: &Call, offset: usize) {
    let length = word32(call.data.len());
    code.push(0x63); // PUSH4 length
    code.extend_from_slice(&length);
    code.push(0x63); // PUSH4 offset
    code.extend_from_slice(&word32(offset));
    code.extend_from_slice(&[0x60, 0x00, 0x39]); // PUSH1 0, CODECOPY
    code.extend_from_slice(&[0x60, 0x00, 0x60, 0x00]); // what it returns is dropped
    code.push(0x63);
    code.extend_from_slice(&length);
    code.extend_from_slice(&[0x60, 0x00]); // from memory 0
    code.push(0x7f); // PUSH32 value
    code.extend_from_slice(&call.value.to_be_bytes::<32>());
    code.push(0x73); // PUSH20 recipient
    code.extend_from_slice(call.to.as_slice());
}

/// Calldata is far below four gigabytes: nodes take no request of that size.
fn word32(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

/// Both results.
pub(super) fn read(answer: &[u8]) -> Result<(bool, bool), CallError> {
    let word = |range: std::ops::Range<usize>| {
        answer.get(range).and_then(U256::try_from_be_slice).map(|word| word == U256::from(1))
    };
    match (word(0..32), word(32..64), word(64..96)) {
        (Some(_), Some(false), Some(false)) if answer.len() == 96 => {
            Err(CallError::Halted("the second call may have run out of gas".to_owned()))
        }
        (Some(first), Some(then), Some(_)) if answer.len() == 96 => Ok((first, then)),
        // The override was ignored: the account has no code, and answers nothing.
        _ => Err(CallError::Refused {
            code: 0,
            message: "the node does not put code in place for a call".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, address};

    use super::*;

    fn call(to: Address, data: &'static [u8]) -> Call {
        Call { label: String::new(), to, data: Bytes::from_static(data), value: U256::from(7) }
    }

    #[test]
    fn the_program_has_its_data_where_it_looks_for_it() {
        let (to, data) = (address!("00000000000000000000000000000000000000aa"), [1_u8, 2, 3]);
        let code = code(&call(to, &[1, 2, 3]), &call(to, &[9]));
        let offset = |at: usize| {
            usize::try_from(u32::from_be_bytes(code[at..at + 4].try_into().unwrap())).unwrap()
        };
        let second = ENTER.len() + CALL_BYTES + WITH_HALF.len() + GAS_BEFORE.len();
        assert_eq!(code[offset(ENTER.len() + 6)..][..3], data);
        assert_eq!(code[offset(second + 6)..], [9]);
        assert_eq!(code[code.len() - 4 - ANSWER.len()..][..ANSWER.len()], ANSWER);
    }

    #[test]
    fn only_three_words_are_an_answer_and_a_failure_needs_gas_to_prove_anything() {
        let answer = |words: [u8; 3]| {
            let mut answer = [0_u8; 96];
            (answer[31], answer[63], answer[95]) = (words[0], words[1], words[2]);
            read(&answer).ok()
        };
        assert_eq!(answer([1, 0, 1]), Some((true, false)));
        assert_eq!(answer([1, 0, 0]), None);
        assert_eq!(answer([1, 1, 0]), Some((true, true)));
        assert_eq!(answer([0, 1, 1]), Some((false, true)));
        assert!(read(&[]).is_err());
        assert!(read(&[0; 64]).is_err());
    }

    /// Takes effect once, then pays its caller nothing with the 2,300 gas of a `transfer`.
    const ONCE_TRANSFER: &str = "600054601f5760016000556000600060006000600033\
         6108fcf115601f57005b60006000fd";
    /// The same with all its gas.
    const ONCE_PAYS: &str =
        "600054601d57600160005560006000600060006000335af115601d57005b60006000fd";
    /// Takes effect any number of times, and pays its caller nothing with all its gas.
    const ALWAYS_PAYS: &str = "60006000600060006000335af115601257005b60006000fd";
    /// Runs until its gas is used up.
    const BURNS: &str = "5b600056";

    #[tokio::test]
    async fn on_a_real_machine_a_guard_is_told_from_a_payment_and_from_want_of_gas() {
        use ballast_devnet::{Anvil, AnvilOptions, Tooling};
        let tooling = Tooling::locate().unwrap();
        let anvil = Anvil::spawn(&tooling, AnvilOptions::default()).await.unwrap();
        let us = address!("70997970c51812dc3a010c7d01b50e0d17dc79c8");
        let mut place = Vec::new();
        for (index, code) in [ONCE_TRANSFER, ONCE_PAYS, ALWAYS_PAYS, BURNS].iter().enumerate() {
            let at = Address::with_last_byte(0xa0 + u8::try_from(index).unwrap());
            anvil.node().set_code(at, code.parse().unwrap()).await.unwrap();
            place.push(Call { value: U256::ZERO, ..call(at, &[]) });
        }
        let run = async |first: &Call, then: &Call| {
            let transaction = serde_json::json!({ "from": us, "to": us });
            let stand_in = serde_json::json!({ us.to_string(): { "code": code(first, then) } });
            let asked = (transaction, "latest", stand_in);
            let answer: Bytes = anvil.node().rpc("eth_call", asked).await.unwrap();
            read(&answer).ok()
        };
        let [transfer, pays, always, burns] = place.as_slice() else { panic!("{place:?}") };
        assert_eq!(run(transfer, transfer).await, Some((true, false)));
        assert_eq!(run(pays, pays).await, Some((true, false)));
        assert_eq!(run(always, always).await, Some((true, true)));
        assert_eq!(run(burns, always).await, Some((false, true)), "its half of the gas only");
        assert_eq!(run(always, burns).await, None, "no proof");
    }
}
