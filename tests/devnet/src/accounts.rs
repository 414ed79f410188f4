//! Who acts on the devnet. Every key here is public knowledge and worth nothing elsewhere.
//!
//! The operator and the market are accounts that anvil itself holds the keys of, so the node signs
//! for them. Keepers have keys of their own, derived from their number, so that any number of
//! products can each have a wallet and a keeper's nonces are touched by that keeper alone.

use alloy::{
    primitives::{Address, B256, U256, address, keccak256},
    signers::local::PrivateKeySigner,
};

/// Deploys everything, operates every product and holds its first tokens. anvil's account 0.
pub const OPERATOR: Address = address!("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");

/// Sends the transactions that move the market. anvil's account 1.
pub const MARKET: Address = address!("0x70997970C51812dc3A010C7d01b50e0d17dc79C8");

/// Trades the pools of a composite index to where they belong, or away from there. anvil's account 2: what
/// it sends is the cheapest of a block, and must hold up nothing of the market's.
pub const ARBITRAGEUR: Address = address!("0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC");

/// What a keeper has when a product that allows it has been deployed: 100 ether, in wei.
pub const KEEPER_BALANCE: U256 = U256::from_limbs([7_766_279_631_452_241_920, 5, 0, 0]);

/// The private key of the `n`-th keeper: the hash of a fixed text and the number.
#[must_use]
pub fn keeper_key(n: usize) -> B256 {
    keccak256(format!("ballast devnet keeper {n}"))
}

/// The signer of the `n`-th keeper, without a chain id.
#[must_use]
pub fn keeper(n: usize) -> PrivateKeySigner {
    #[expect(clippy::expect_used, reason = "a keccak hash is below the curve order and not zero")]
    PrivateKeySigner::from_bytes(&keeper_key(n)).expect("a valid key")
}

/// The address of the `n`-th keeper, which product `n` allows to call it.
#[must_use]
pub fn keeper_address(n: usize) -> Address {
    keeper(n).address()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::utils::parse_ether;

    #[test]
    fn keepers_are_distinct_and_stable() {
        assert_ne!(keeper_address(0), keeper_address(1));
        assert_eq!(keeper_address(3), keeper_address(3));
        assert_eq!(KEEPER_BALANCE, parse_ether("100").unwrap());
    }
}
