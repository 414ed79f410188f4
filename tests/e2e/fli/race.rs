//! Another allow-listed keeper is faster.

use alloy::{
    network::TransactionBuilder as _,
    primitives::{B256, Bytes, utils::parse_ether},
    providers::Provider as _,
    rpc::types::{Filter, TransactionRequest},
    sol_types::SolCall,
};
use ballast_devnet::{Mining, V2_EXCHANGE, accounts, contracts::IStrategy::rebalanceCall};
use ballast_test_support::{Fault, KeeperProcess, RAW_TRANSACTION};
use eyre::Result;

use super::{INTERVAL, Stage};
use crate::{
    harness::{PRODUCT, Setup, World},
    steps::Steps,
};

/// The account of the other keeper; no product is made for it.
const RIVAL: usize = 7;
/// Above any fee that the keeper offers, wei.
const RIVAL_FEE: u128 = 5_000_000_000_000;
/// Blocks after which whatever would still come has come.
const BLOCKS: u64 = 8;
/// `Rebalanced(uint256,uint256,uint256,uint256)`.
pub(crate) const REBALANCED: B256 =
    alloy::primitives::b256!("6f55209924dba11af5ddabda4999b20d0ce3aa1847c56b67240ed1fc3590c134");

/// A world with manual blocks, a rebalance due, and two keepers that may make it.
async fn contested() -> Result<World> {
    let world = World::start(Setup { mining: Mining::Manual, ..Setup::default() }).await?;
    let (node, rival) = (world.devnet.node(), accounts::keeper_address(RIVAL));
    world.devnet.market().set_caller_status(world.devnet.product(), &[rival], true).await?;
    node.set_balance(rival, parse_ether("100")?).await?;
    node.impersonate(rival).await?;
    node.warp(INTERVAL).await?;
    Ok(world)
}

/// Puts the rival's rebalance into the pool, at a price that comes first.
async fn rival_sends(world: &World) -> Result<()> {
    let call = rebalanceCall { exchangeName: V2_EXCHANGE.to_owned() };
    let request = TransactionRequest::default()
        .with_from(accounts::keeper_address(RIVAL))
        .with_to(world.devnet.product().strategy)
        .with_input(Bytes::from(call.abi_encode()))
        .with_gas_limit(2_000_000)
        .with_max_fee_per_gas(RIVAL_FEE)
        .with_max_priority_fee_per_gas(RIVAL_FEE);
    world.devnet.node().rpc::<_, B256>("eth_sendTransaction", (request,)).await?;
    Ok(())
}

/// How often the product was rebalanced since a block, by whomever.
pub(crate) async fn rebalances(world: &World, since: u64) -> Result<usize> {
    let filter = Filter::new()
        .address(world.devnet.product().strategy)
        .event_signature(REBALANCED)
        .from_block(since);
    Ok(world.devnet.node().provider().get_logs(&filter).await?.len())
}

fn over(world: World, keeper: KeeperProcess, first_block: u64) -> Stage {
    let (market, product) = (world.devnet.market(), world.devnet.product().clone());
    Stage { world, market, product, keeper, first_block }
}

#[tokio::test]
async fn beaten_within_a_block_it_reverts_once_and_is_not_tried_again() -> Result<()> {
    let world = contested().await?;
    let first_block = world.devnet.node().block_number().await?;
    let keeper = world.keeper().await?;
    let mut steps = Steps::of(&keeper, PRODUCT).await?;
    assert_eq!(world.proxy().raw_transactions().len(), 1, "{}", keeper.tail());
    rival_sends(&world).await?;
    let stage = over(world, keeper, first_block);
    for _ in 0..BLOCKS {
        stage.world.pass_blocks(1).await?;
        steps.follow(&stage.keeper, 1).await?;
    }
    assert_eq!(rebalances(&stage.world, first_block).await?, 1, "the rival's");
    let mined = stage.mined().await?;
    assert_eq!(mined.len(), 1, "{mined:?}");
    assert_eq!((mined[0].action, mined[0].succeeded), ("rebalance", false), "{mined:?}");
    assert_eq!(stage.world.mined().await?, 1, "one nonce used");
    let mut raw = stage.world.proxy().raw_transactions();
    raw.dedup();
    assert_eq!(raw.len(), 1, "nothing else was signed");
    // The contract was as it had been seen to be: nobody has to look into it.
    let lines = stage.keeper.lines().join("\n");
    assert!(lines.contains("inside bounds"), "{lines}");
    Ok(())
}

/// The rival is in a block before ours is in any pool: what is sent again then may still revert, as
/// any lost race, but is neither doubled nor tried anew.
#[tokio::test]
async fn beaten_before_it_was_heard_of_nothing_is_doubled() -> Result<()> {
    let world = contested().await?;
    let first_block = world.devnet.node().block_number().await?;
    let swallowed = world.proxy().inject(Fault::SwallowRaw.on(RAW_TRANSACTION));
    let keeper = world.keeper().await?;
    let mut steps = Steps::of(&keeper, PRODUCT).await?;
    assert!(swallowed.fired() > 0, "the fault did not fire");
    rival_sends(&world).await?;
    world.proxy().heal();
    let stage = over(world, keeper, first_block);
    for _ in 0..BLOCKS {
        stage.world.pass_blocks(1).await?;
        steps.follow(&stage.keeper, 1).await?;
    }
    assert_eq!(rebalances(&stage.world, first_block).await?, 1, "the rival's");
    let mined = stage.mined().await?;
    let is_ours = |call: &super::Mined| call.action == "rebalance" && call.succeeded;
    assert!(!mined.iter().any(is_ours), "{mined:?}");
    assert!(mined.len() <= 1, "one nonce, for it or for its cancellation: {mined:?}");
    Ok(())
}
