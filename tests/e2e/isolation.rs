//! One product's trouble is its own.
//!
//! "Not delayed" is taken literally: the same market is played block by block to a keeper with
//! broken neighbours and to one without, and what the good product gets mined is in the same blocks.

use alloy::{
    consensus::Transaction as _,
    network::TransactionResponse as _,
    primitives::{Bytes, U256},
    providers::Provider as _,
};
use ballast_devnet::{Mining, USD, accounts};
use ballast_test_support::{Fault, KeeperProcess, RAW_TRANSACTION, RpcProxy};
use eyre::{OptionExt as _, Result};

use crate::{
    fli,
    harness::{PRODUCT, Setup, World, product_name},
    steps::Steps,
};

/// Seconds between blocks in which the clock does nothing else.
const BLOCK_TIME: u64 = 12;

/// What the market does in one block.
#[derive(Clone, Copy)]
enum Move {
    /// Nothing.
    Rest,
    /// The clock goes forward, seconds.
    Warp(u64),
    /// The price moves, whole dollars.
    Price(u64),
}

/// An interval, a fall that takes a TWAP, a crash that takes ripcords.
const STORY: [Move; 24] = {
    use Move::{Price, Rest, Warp};
    [
        Warp(fli::INTERVAL),
        Rest,
        Rest,
        Price(1_650),
        Rest,
        Warp(fli::COOLDOWN),
        Rest,
        Warp(fli::COOLDOWN),
        Rest,
        Warp(fli::COOLDOWN),
        Rest,
        Warp(fli::COOLDOWN),
        Rest,
        Price(1_380),
        Rest,
        Warp(fli::RIPCORD_COOLDOWN),
        Rest,
        Warp(fli::RIPCORD_COOLDOWN),
        Rest,
        Warp(fli::RIPCORD_COOLDOWN),
        Rest,
        Rest,
        Rest,
        Rest,
    ]
};

/// One call of the good product that is in a block, counted from the first.
type Inclusion = (u64, &'static str, String);

/// Plays the story to a keeper; gives what it got mined for the good product, and its last lines.
async fn play_beside(with_neighbours: bool) -> Result<(Vec<Inclusion>, Vec<String>)> {
    let setup = Setup { mining: Mining::Manual, more_products: 2, ..Setup::default() };
    let world = World::start(setup).await?;
    let node = world.devnet.node();
    node.set_balance(accounts::keeper_address(1), U256::ZERO).await?;
    if !with_neighbours {
        for index in [1, 2] {
            std::fs::remove_file(
                world.dir.path().join(format!("products/{}.toml", product_name(index))),
            )?;
        }
    }
    let first_block = node.block_number().await?;
    let keeper = world.keeper().await?;
    let mut steps = Steps::of(&keeper, PRODUCT).await?;
    if with_neighbours {
        for index in [1, 2] {
            Steps::of(&keeper, &product_name(index)).await?;
        }
    }
    // `INVALID`: every read of the third product fails from here on, and takes the gas of those
    // beside it along.
    node.set_code(world.devnet.products()[2].strategy, Bytes::from_static(&[0xfe])).await?;
    play(&world, &keeper, &mut steps).await?;
    let neighbours = [1, 2].map(accounts::keeper_address);
    for neighbour in neighbours {
        assert_eq!(node.nonce(neighbour).await?, 0, "a broken neighbour got something mined");
    }
    Ok((inclusions(&world, &keeper, first_block).await?, keeper.lines()))
}

/// Plays the story block by block.
async fn play(world: &World, keeper: &KeeperProcess, steps: &mut Steps) -> Result<()> {
    let node = world.devnet.node();
    for moved in STORY {
        // Left to itself, the node would date blocks by how long the keeper took.
        let seconds = if let Move::Warp(seconds) = moved { seconds } else { BLOCK_TIME };
        let next = node.head().await?.timestamp + seconds;
        node.rpc::<_, Option<bool>>("evm_setNextBlockTimestamp", (next,)).await?;
        match moved {
            Move::Rest | Move::Warp(_) => node.mine(1).await?,
            Move::Price(dollars) => drop(world.devnet.market().set_price(dollars * USD).await?),
        }
        steps.follow(keeper, 1).await?;
    }
    Ok(())
}

/// Plays the story to a keeper with a second send endpoint, which has never an answer for a
/// transaction in one of two cases; gives what was mined.
async fn play_to_endpoints(hanging: bool) -> Result<Vec<Inclusion>> {
    let world = World::start(Setup { mining: Mining::Manual, ..Setup::default() }).await?;
    let second = RpcProxy::start(world.devnet.http_url().as_str()).await?;
    let hang = hanging.then(|| second.handle().inject(Fault::Hang.on(RAW_TRANSACTION)));
    // Whoever waits for every endpoint waits for an hour at the first transaction.
    let (rpc, ws) = (world.proxy.http_url(), world.proxy.ws_url());
    let text = format!(
        "chain_id = 1\nblock_time = \"12s\"\nconfirmations = 3\nrequest_timeout = \"1h\"\n\
         rpc = [{{ url = \"{rpc}\", ws = \"{ws}\" }}]\nsend = [\"{}\", \"{rpc}\"]\n",
        second.http_url()
    );
    world.dir.write("chains/local.toml", text)?;
    let first_block = world.devnet.node().block_number().await?;
    let keeper = world.keeper().await?;
    let mut steps = Steps::of(&keeper, PRODUCT).await?;
    play(&world, &keeper, &mut steps).await?;
    let found = inclusions(&world, &keeper, first_block).await?;
    if let Some(hang) = hang {
        let fired = hang.fired();
        assert!(fired >= found.len().try_into()?, "it was asked {fired} times: {found:?}");
    }
    Ok(found)
}

#[tokio::test]
async fn a_send_endpoint_that_hangs_does_not_change_the_block_of_a_single_transaction() -> Result<()>
{
    let (control, hanging) = futures::try_join!(play_to_endpoints(false), play_to_endpoints(true))?;
    assert!(control.len() >= 8, "{control:?}");
    assert_eq!(hanging, control);
    Ok(())
}

async fn inclusions(
    world: &World,
    keeper: &KeeperProcess,
    first_block: u64,
) -> Result<Vec<Inclusion>> {
    let node = world.devnet.node();
    let mut found = Vec::new();
    for number in first_block..=node.block_number().await? {
        let block = node.provider().get_block_by_number(number.into()).full().await?;
        let block = block.ok_or_eyre("a block is missing")?;
        for transaction in block.transactions.into_transactions() {
            if transaction.from() != accounts::keeper_address(0) {
                continue;
            }
            let receipt = node.receipt(transaction.tx_hash()).await?;
            let (action, exchange) = fli::call(transaction.input())?;
            assert!(receipt.status(), "{action} reverted\n{}", keeper.tail());
            found.push((number - first_block, action, exchange));
        }
    }
    Ok(found)
}

#[tokio::test]
async fn broken_neighbours_do_not_change_the_block_of_a_single_transaction() -> Result<()> {
    let (control, _) = play_beside(false).await?;
    for action in ["rebalance", "iterateRebalance", "ripcord"] {
        let times = control.iter().filter(|(_, name, _)| *name == action).count();
        assert!(times >= 1, "the story has no {action}: {control:?}");
    }
    let (beside, lines) = play_beside(true).await?;
    assert_eq!(beside, control);
    let lines = lines.join("\n");
    let broken = [(product_name(1), "insufficient funds"), (product_name(2), "reads failed")];
    for (product, trouble) in broken {
        let said = |line: &&str| line.contains(&product) && line.contains(trouble);
        assert!(lines.lines().any(|line| said(&line)), "{product}: {trouble}:\n{lines}");
    }
    Ok(())
}
