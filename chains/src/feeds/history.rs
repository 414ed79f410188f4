//! What a price feed said at a block that is past.
//!
//! A node that still has the block's state is asked there: the newest round of that state is the
//! newest that was not after the block. Where the state is gone, the feed keeps its rounds by
//! number, and the newest one that was written at or before the block's time is looked for from the
//! newest of all.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::float_arithmetic,
    clippy::cast_lossless
)]

use alloy::{
    eips::{BlockId, BlockNumberOrTag, RpcBlockHash},
    network::TransactionBuilder as _,
    primitives::{Address, B256, U256, aliases::U80},
    providers::{DynProvider, Provider as _},
    rpc::types::TransactionRequest,
    sol,
    sol_types::SolCall,
};

use super::Price;
use crate::reader::CallError;

sol! {
    /// Chainlink's `AggregatorV3Interface`, as far as its history goes.
    #[derive(Debug)]
    interface IRounds {
        struct Round {
            uint80 roundId; int256 answer; uint256 startedAt; uint256 updatedAt;
            uint80 answeredInRound;
        }
        function decimals() external view returns (uint8);
        function latestRoundData() external view returns (Round memory);
        function getRoundData(uint80 roundId) external view returns (Round memory);
    }
}

/// Rounds that are looked at for one price: doubling and halving need fewer for any distance.
const MAX_LOOKS: u32 = 160;
/// A round's number counts within a phase, which is in the bits above these 64.
const PHASE: u32 = 64;

/// A price, and which round of the feed says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dated {
    /// US dollars per whole coin.
    pub price: Price,
    /// The round's number.
    pub round: U256,
    /// When it was written, seconds since 1970.
    pub updated_at: u64,
}

/// The newest round of `feed` that was not after the block with this hash and time.
///
/// # Errors
/// Why there is none to be had, in words.
pub async fn price_at(
    provider: &DynProvider,
    feed: Address,
    block: B256,
    timestamp: u64,
) -> Result<Dated, String> {
    let at = BlockId::Hash(RpcBlockHash::from(block));
    let told = |error: CallError| format!("the price feed {feed}: {error}");
    let then = ask(provider, feed, IRounds::latestRoundDataCall {}, at).await;
    // A feed's decimals are those that they ever were.
    let head = BlockId::Number(BlockNumberOrTag::Latest);
    let decimals = ask(provider, feed, IRounds::decimalsCall {}, head).await.map_err(told)?;
    let round = match then {
        Ok(round) => round,
        Err(CallError::Reverted(revert)) => {
            return Err(format!("the price feed {feed} {revert} at that block"));
        }
        Err(_) => before(provider, feed, timestamp).await?,
    };
    dated(&round, decimals, timestamp)
        .ok_or_else(|| format!("the price feed {feed} answers {}", round.answer))
}

/// `None` for an answer that is no price, and a round that was never written or is after the block.
fn dated(round: &IRounds::Round, decimals: u8, timestamp: u64) -> Option<Dated> {
    let updated_at = u64::try_from(round.updatedAt).ok()?;
    let is_past = updated_at > 0 && updated_at <= timestamp;
    let price = Price::of(round.answer, decimals).filter(|_| is_past)?;
    Some(Dated { price, round: U256::from(round.roundId), updated_at })
}

/// The newest round that was written at or before a moment, without any block's state.
async fn before(
    provider: &DynProvider,
    feed: Address,
    moment: u64,
) -> Result<IRounds::Round, String> {
    let head = BlockId::Number(BlockNumberOrTag::Latest);
    let told = |error: CallError| format!("the rounds of the price feed {feed}: {error}");
    let newest = ask(provider, feed, IRounds::latestRoundDataCall {}, head).await.map_err(told)?;
    let is_past = |round: &IRounds::Round| round.updatedAt <= U256::from(moment);
    if is_past(&newest) {
        return Ok(newest);
    }
    let first = first_of_phase(newest.roundId);
    let (mut past, mut after) = (None, U256::from(newest.roundId));
    let mut back = U256::ONE;
    for _ in 0..MAX_LOOKS {
        let next = match &past {
            None if after <= first => {
                let why = "the block is before the phase that it is in";
                return Err(format!("the rounds of the price feed {feed}: {why}"));
            }
            None => after.saturating_sub(back).max(first),
            Some((number, _)) => {
                let distance = after.saturating_sub(*number);
                if distance <= U256::ONE {
                    break;
                }
                number.saturating_add(distance.checked_div(U256::from(2)).unwrap_or(U256::ONE))
            }
        };
        let call = IRounds::getRoundDataCall { roundId: U80::saturating_from(next) };
        let round = ask(provider, feed, call, head).await.map_err(told)?;
        if is_past(&round) {
            past = Some((next, round));
        } else {
            after = next;
            back = back.saturating_mul(U256::from(2));
        }
    }
    past.map(|(_, round)| round)
        .ok_or_else(|| format!("the price feed {feed} has no round before the block"))
}

fn first_of_phase(round: U80) -> U256 {
    let bits = usize::try_from(PHASE).unwrap_or_default();
    let phase = U256::from(round).wrapping_shr(bits).wrapping_shl(bits);
    phase.saturating_add(U256::ONE)
}

async fn ask<C: SolCall>(
    provider: &DynProvider,
    feed: Address,
    call: C,
    at: BlockId,
) -> Result<C::Return, CallError> {
    let request = TransactionRequest::default().with_to(feed).with_input(call.abi_encode());
    let answer = provider.call(request).block(at).await?;
    C::abi_decode_returns(&answer)
        .map_err(|error| CallError::Unavailable(format!("an answer that is none: {error}")))
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "an overflow in a test is a failed test")]
mod tests {
    use alloy::{
        primitives::{Bytes, I256},
        providers::{ProviderBuilder, mock::Asserter},
    };

    use super::*;

    fn round(updated_at: u64, answer: i64) -> IRounds::Round {
        IRounds::Round {
            roundId: U80::from(7),
            answer: I256::try_from(answer).unwrap(),
            startedAt: U256::ZERO,
            updatedAt: U256::from(updated_at),
            answeredInRound: U80::from(7),
        }
    }

    #[test]
    fn a_round_counts_if_it_was_written_and_not_after_the_block() {
        let at = |updated_at, answer| dated(&round(updated_at, answer), 8, 100);
        let found = at(100, 200_000_000_000).unwrap();
        assert_eq!((found.price.to_string().as_str(), found.updated_at), ("2000", 100));
        assert_eq!(at(101, 200_000_000_000), None, "of the future");
        assert_eq!(at(0, 200_000_000_000), None, "never written");
        assert_eq!(at(100, 0), None);
    }

    /// A node without old states, whose feed has written round `n` at `10 n`.
    fn feed(rounds: &[u64]) -> (DynProvider, Asserter) {
        let answers = Asserter::new();
        answers.push_failure_msg("missing trie node");
        let words = |words: &[u64]| {
            let words = words.iter().flat_map(|word| B256::from(U256::from(*word)).0);
            Bytes::from(words.collect::<Vec<u8>>())
        };
        answers.push_success(&words(&[8]));
        for round in rounds {
            answers.push_success(&words(&[*round, 200_000_000_000 + round, 0, 10 * round, *round]));
        }
        let provider = ProviderBuilder::new().disable_recommended_fillers();
        (provider.connect_mocked_client(answers.clone()).erased(), answers)
    }

    #[tokio::test]
    async fn without_old_states_the_round_is_looked_for() {
        // From the tenth by doubling steps to the third, and between those by halves.
        let (provider, answers) = feed(&[10, 9, 7, 3, 5, 6]);
        let found = price_at(&provider, Address::ZERO, B256::ZERO, 57).await.unwrap();
        assert_eq!((found.round, found.updated_at), (U256::from(5), 50));
        assert_eq!(found.price.to_string(), "2000.00000005");
        assert_eq!(answers.read_q().len(), 0, "as few looks as that");
        let (provider, _) = feed(&[10]);
        let found = price_at(&provider, Address::ZERO, B256::ZERO, 100).await.unwrap();
        assert_eq!(found.round, U256::from(10), "the newest is not after the block");
        let (provider, _) = feed(&[3, 2, 1]);
        let why = price_at(&provider, Address::ZERO, B256::ZERO, 9).await.unwrap_err();
        assert!(why.contains("before the phase"), "{why}");
    }

    #[test]
    fn a_phase_begins_with_round_one() {
        let round = (U256::from(5) << 64) + U256::from(1_234);
        assert_eq!(first_of_phase(U80::saturating_from(round)), (U256::from(5) << 64) + U256::ONE);
        assert_eq!(first_of_phase(U80::from(9)), U256::ONE);
    }
}
