//! Chains that hardly anybody uses, block by block: what is offered becomes what the next fee history
//! tells.
#![allow(clippy::float_arithmetic, reason = "nodes tell how full blocks are as a fraction")]

use alloy::{primitives::B256, rpc::types::FeeHistory};
use ballast_chains::{
    Head,
    fees::{next_base_fee, of_history},
    profile::FeeModel,
};

use super::*;
use crate::submission::lane::MAX_ATTEMPTS_PER_NONCE;

const LIMIT: u64 = 30_000_000;
/// What the chain's file says is the least.
const MIN_TIP: u128 = GWEI / 1_000;

/// A block's transactions: gas and tip of each.
type Block = Vec<(u64, u128)>;

struct Chain {
    blocks: Vec<Block>,
    /// Base fees of the blocks, and of the one after them.
    base_fees: Vec<u128>,
}

impl Chain {
    fn new(base_fee: u128) -> Self {
        Self { blocks: Vec::new(), base_fees: vec![base_fee] }
    }

    fn push(&mut self, block: Block) {
        self.blocks.push(block);
        let next = next_base_fee(&self.head()).unwrap();
        self.base_fees.push(next);
    }

    fn head(&self) -> Head {
        let number = self.blocks.len() - 1;
        Head {
            number: u64::try_from(number).unwrap(),
            hash: B256::ZERO,
            parent: B256::ZERO,
            timestamp: 0,
            base_fee_per_gas: Some(self.base_fees[number]),
            gas_limit: LIMIT,
            gas_used: self.blocks[number].iter().map(|(gas, _)| gas).sum(),
        }
    }

    /// What `eth_feeHistory` tells of ten blocks, as geth reckons it.
    #[allow(clippy::float_arithmetic, reason = "the node's answer has a float")]
    fn quote(&self) -> Quote {
        let from = self.blocks.len().saturating_sub(10);
        let (mut gas_used_ratio, mut reward) = (Vec::new(), Vec::new());
        for block in &self.blocks[from..] {
            let used: u64 = block.iter().map(|(gas, _)| gas).sum();
            gas_used_ratio.push(f64::from(u32::try_from(used).unwrap()) / 30_000_000.0);
            let mut tips = block.clone();
            tips.sort_unstable_by_key(|(_, tip)| *tip);
            let mut sum = 0;
            let half = tips.iter().find(|(gas, _)| {
                sum += gas;
                sum >= used / 2
            });
            let tip = |of: Option<&(u64, u128)>| of.map_or(0, |(_, tip)| *tip);
            reward.push(vec![tip(tips.first()), tip(half)]);
        }
        let history = FeeHistory {
            oldest_block: u64::try_from(from).unwrap(),
            base_fee_per_gas: self.base_fees[from..].to_vec(),
            gas_used_ratio,
            reward: Some(reward),
            ..FeeHistory::default()
        };
        of_history(&history, &self.head(), FeeModel::Eip1559, MIN_TIP).unwrap()
    }
}

/// What a fresh action pays its builder per gas in the next block.
fn tip_of(chain: &Chain, terms: &Terms<'_>) -> u128 {
    let quote = chain.quote();
    price(&quote, terms).unwrap().paid(&quote) - quote.next_base_fee
}

fn pressed<'a>(fees: &'a FeeProfile, urgency: Urgency, percent: u8) -> Terms<'a> {
    let pressure = Pressure::percent(percent);
    Terms { pressure, ..terms(fees, urgency, 1_000_000 * GWEI, None) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever of ours is in the last blocks, and however pressing: a hundred blocks of emergencies
    /// pay in the end what the first one paid, or the least.
    #[test]
    fn a_keeper_that_is_alone_on_its_chain_does_not_outbid_itself(
        base in prop_oneof![Just(7_u128), Just(GWEI), Just(50 * GWEI)],
        gas in 100_000_u64..7_000_000,
        percent in 0_u8..=100,
        acts in proptest::collection::vec(prop_oneof![8 => Just(true), 1 => Just(false)], 100),
        prompt in any::<bool>(),
    ) {
        let fees = fees(5, 1_250, MIN_TIP);
        let urgency = if prompt { Urgency::Prompt } else { Urgency::Emergency };
        let terms = pressed(&fees, urgency, percent);
        let mut chain = Chain::new(base);
        chain.push(Vec::new());
        let first = tip_of(&chain, &terms);
        prop_assert!(first <= 5 * MIN_TIP);
        for (block, acts) in acts.into_iter().enumerate() {
            let tip = tip_of(&chain, &terms);
            prop_assert!(tip <= first, "{} in place of {} at block {}", tip, first, block);
            chain.push(if acts { vec![(gas, tip)] } else { Vec::new() });
        }
    }

    /// The same beside somebody who pays little, or very much.
    #[test]
    fn nor_does_it_outbid_the_few_others_there(
        others in proptest::collection::vec(proptest::option::of(1_u128..1_000), 100),
        percent in 0_u8..=100,
    ) {
        let fees = fees(5, 1_250, MIN_TIP);
        let terms = pressed(&fees, Urgency::Emergency, percent);
        let mut chain = Chain::new(GWEI);
        chain.push(vec![(21_000, MIN_TIP)]);
        for other in others {
            let tip = tip_of(&chain, &terms);
            prop_assert!(tip <= 5 * MIN_TIP, "{}", tip);
            let own = (1_500_000, tip);
            chain.push(std::iter::once(own).chain(other.map(|tip| (400_000, tip * MIN_TIP))).collect());
        }
    }
}

#[test]
fn on_a_chain_that_is_used_an_emergency_offers_a_multiple_of_the_market_as_ever() {
    let fees = fees(5, 1_250, MIN_TIP);
    let mut chain = Chain::new(GWEI);
    // Half full, and a builder's own transaction first, which pays next to nothing.
    for _ in 0..10 {
        chain.push(vec![(100_000, 1), (14_900_000, 2 * GWEI)]);
    }
    assert_eq!(tip_of(&chain, &pressed(&fees, Urgency::Emergency, 0)), 4 * GWEI);
    assert_eq!(tip_of(&chain, &pressed(&fees, Urgency::Emergency, 100)), 10 * GWEI);
    assert_eq!(tip_of(&chain, &pressed(&fees, Urgency::Prompt, 0)), 2_500_000_000);
}

#[test]
fn one_block_that_fills_up_ends_the_rest() {
    let fees = fees(5, 1_250, MIN_TIP);
    let terms = pressed(&fees, Urgency::Emergency, 100);
    let mut chain = Chain::new(GWEI);
    for _ in 0..10 {
        chain.push(vec![(1_500_000, GWEI)]);
    }
    assert_eq!(tip_of(&chain, &terms), GWEI, "everybody had room");
    chain.push(vec![(30_000_000, 3 * GWEI)]);
    assert!(tip_of(&chain, &terms) >= 5 * GWEI);
    // What waits is raised at once.
    let quote = chain.quote();
    let waiting = Terms { waited: 1, ..terms };
    let offered = Price { max_fee_per_gas: 100 * GWEI, max_priority_fee_per_gas: GWEI };
    assert_eq!(wants_raise(offered, 1, &quote, &waiting), Some(Raise::Waited));
}

/// The lowest may be what others cannot have: a builder takes its own for nothing.
#[test]
fn where_the_lowest_tip_does_not_do_an_emergency_gets_in_all_the_same() {
    let fees = fees(5, 1_250, MIN_TIP);
    for percent in [0, 50, 100] {
        let terms = pressed(&fees, Urgency::Emergency, percent);
        let mut chain = Chain::new(10 * GWEI);
        for _ in 0..10 {
            chain.push(vec![(21_000, 1), (3_000_000, 2 * GWEI)]);
        }
        let quote = chain.quote();
        assert_eq!(quote.lowest, Some(MIN_TIP));
        let mut offer = price(&quote, &terms).unwrap();
        assert_eq!(offer.max_priority_fee_per_gas, MIN_TIP);
        let (mut attempts, mut since, mut waited) = (1, 0, 0);
        while offer.max_priority_fee_per_gas < 2 * GWEI {
            chain.push(vec![(21_000, 1), (3_000_000, 2 * GWEI)]);
            (since, waited) = (since + 1, waited + 1);
            let (quote, terms) = (chain.quote(), Terms { waited, ..terms });
            if wants_raise(offer, since, &quote, &terms).is_some() {
                offer = replacement(offer, &quote, &terms).unwrap();
                (attempts, since) = (attempts + 1, 0);
            }
            assert!(waited <= 4, "{percent} %: {offer:?}");
        }
        assert!(attempts < MAX_ATTEMPTS_PER_NONCE / 2, "{attempts}");
    }
}

#[test]
fn a_legacy_price_is_not_outbid_either_where_blocks_have_room() {
    let fees = fees(5, 1_250, 1);
    let at = Quote {
        legacy: true,
        next_base_fee: 0,
        priority_fee: 8 * GWEI,
        lowest: Some(8 * GWEI),
        least: GWEI,
    };
    let terms = pressed(&fees, Urgency::Emergency, 100);
    assert_eq!(price(&at, &terms), Ok(of(8 * GWEI, 8 * GWEI)));
    let waited = Terms { waited: curve::ROOM_PATIENCE, ..terms };
    assert_eq!(price(&at, &waited), Ok(of(76 * GWEI, 76 * GWEI)), "500 % and three times 150 %");
}
