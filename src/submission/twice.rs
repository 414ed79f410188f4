//! Two calls of one account in one `eth_call`: a small program that stands in as the account's code
//! for the time of the call. Contracts see the account as sender and as origin, as they do for a
//! transaction of it.

use alloy::primitives::{Bytes, U256};
use ballast_chains::reader::CallError;
use ballast_strategy_api::Call;

/// Bytes of the instructions for one call.
const CALL_BYTES: usize = 80;
/// Bytes of the instructions that answer.
const ANSWER: [u8; 11] = [
    0x60, 0x20, 0x52, // MSTORE the second result at 32
    0x60, 0x00, 0x52, // MSTORE the first at 0
    0x60, 0x40, 0x60, 0x00, 0xf3, // RETURN both
];

/// The program: copy calldata to memory and `CALL`, twice; then both results, a word each.
pub(super) fn code(first: &Call, then: &Call) -> Bytes {
    let data = CALL_BYTES.saturating_mul(2).saturating_add(ANSWER.len());
    let mut code = Vec::new();
    step(&mut code, first, data);
    step(&mut code, then, data.saturating_add(first.data.len()));
    code.extend_from_slice(&ANSWER);
    code.extend_from_slice(&first.data);
    code.extend_from_slice(&then.data);
    code.into()
}

/// One call whose calldata stands in the program at `offset`. Leaves its result on the stack.
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
    code.extend_from_slice(&[0x5a, 0xf1]); // GAS, CALL
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
    match (word(0..32), word(32..64)) {
        (Some(first), Some(then)) if answer.len() == 64 => Ok((first, then)),
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
        assert_eq!(code[offset(6)..offset(6) + 3], data);
        assert_eq!(code[offset(CALL_BYTES + 6)..], [9]);
        assert_eq!(code[CALL_BYTES * 2..][..ANSWER.len()], ANSWER);
        assert_eq!(code.len(), CALL_BYTES * 2 + ANSWER.len() + 4);
    }

    #[test]
    fn only_two_words_are_an_answer() {
        let mut answer = [0_u8; 64];
        answer[31] = 1;
        assert_eq!(read(&answer).unwrap(), (true, false));
        assert!(read(&[]).is_err());
        assert!(read(&answer[..32]).is_err());
    }
}
