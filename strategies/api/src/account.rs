//! What kind of account a wallet is, by its code.

/// What the code of an account starts with that has delegated itself by EIP-7702; the delegate's
/// address follows.
const DELEGATION: [u8; 3] = [0xef, 0x01, 0x00];
/// Bytes of such code.
const DELEGATION_BYTES: usize = 23;

/// Whether an account with this code cannot be the one that sends a transaction. A plain account
/// that has delegated itself (EIP-7702) still can, and passes for a plain one where a contract asks
/// for `msg.sender == tx.origin`; what its code does to ether that it is paid, a simulation finds
/// out.
pub fn is_contract(code: &[u8]) -> bool {
    let is_delegation = code.len() == DELEGATION_BYTES && code.starts_with(&DELEGATION);
    !code.is_empty() && !is_delegation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_delegation_passes_for_a_plain_account() {
        let delegation = [&[0xef, 0x01, 0x00][..], &[7; 20]].concat();
        assert!(!is_contract(&[]) && !is_contract(&delegation));
        assert!(is_contract(&[0x60, 0x80]) && is_contract(&delegation[..22]));
        assert!(is_contract(&[&delegation[..], &[0]].concat()));
    }
}
