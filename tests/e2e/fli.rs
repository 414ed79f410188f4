//! Every situation of a leveraged product, on the published bytecode; the variants of which none is
//! published, on doubles.

mod ceiling;
mod doubles;
pub(crate) mod race;
mod refused;
mod ripcord;
mod token;
mod twap;
mod variants;
mod viewer;
mod wallet;

use alloy::{
    consensus::Transaction as _,
    network::{TransactionBuilder as _, TransactionResponse as _},
    primitives::{Address, U256, utils::parse_ether},
    providers::Provider as _,
    rpc::types::TransactionRequest,
    sol_types::SolCall,
};
use ballast_devnet::{
    Market, Product, accounts,
    contracts::IStrategy::{
        getCurrentLeverageRatioCall, iterateRebalanceCall, rebalanceCall, ripcordCall,
        twapLeverageRatioCall,
    },
};
use ballast_test_support::{KeeperProcess, wait_until};
use eyre::{OptionExt as _, Result};

use crate::harness::{DEADLINE, PRODUCT, Setup, World, key_name};

/// A second more than the product's interval, of its cooldown, and of the ripcord's.
pub(crate) const INTERVAL: u64 = 86_401;
pub(crate) const COOLDOWN: u64 = 601;
pub(crate) const RIPCORD_COOLDOWN: u64 = 61;
/// A dollar in the feed's 8 decimals.
const USD: u64 = 100_000_000;

/// A world whose product has further `[params]`.
async fn world_with(params: &str) -> Result<World> {
    let world = World::start(Setup::default()).await?;
    set_params(&world, params)?;
    Ok(world)
}

fn set_params(world: &World, params: &str) -> Result<()> {
    let text = format!(
        "strategy = \"fli\"\nchain = \"local\"\n[wallet]\nkey = {{ env = \"{}\" }}\n\
         [params]\nextension = \"{}\"\n{params}\n",
        key_name(0),
        world.devnet.product().strategy
    );
    world.dir.write(format!("products/{PRODUCT}.toml"), text)?;
    Ok(())
}

/// One transaction of the keeper that is in a block.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mined {
    action: &'static str,
    exchange: String,
    succeeded: bool,
    gas_used: u64,
}

/// A world with a keeper that watches one product.
struct Stage {
    world: World,
    market: Market,
    product: Product,
    keeper: KeeperProcess,
    first_block: u64,
}

impl Stage {
    async fn start() -> Result<Self> {
        Self::over(World::start(Setup::default()).await?, "inside bounds").await
    }

    /// Starts the keeper in a world and waits until it has said something.
    async fn over(world: World, says: &str) -> Result<Self> {
        let (market, product) = (world.devnet.market(), world.devnet.product().clone());
        let first_block = world.devnet.node().block_number().await?;
        let keeper = world.keeper().await?;
        keeper.wait_for_line(says, DEADLINE).await?;
        Ok(Self { world, market, product, keeper, first_block })
    }

    /// The leverage ratio by the newest block.
    async fn ratio(&self) -> Result<U256> {
        self.mined_state(getCurrentLeverageRatioCall {}).await
    }

    /// Where an open TWAP goes by the newest block; 0 if none is open.
    async fn twap(&self) -> Result<U256> {
        self.mined_state(twapLeverageRatioCall {}).await
    }

    /// Asked without a block, the node would answer as if what is pending were mined.
    async fn mined_state<C: SolCall<Return = U256>>(&self, call: C) -> Result<U256> {
        let request = TransactionRequest::default()
            .with_to(self.product.strategy)
            .with_input(call.abi_encode());
        let answer = self.world.devnet.node().provider().call(request).latest().await?;
        Ok(C::abi_decode_returns(&answer)?)
    }

    /// What of the keeper's is in blocks, oldest first.
    async fn mined(&self) -> Result<Vec<Mined>> {
        mined_by(&self.world, accounts::keeper_address(0), self.first_block).await
    }

    /// Waits until something holds, and warps the chain by `seconds` whenever the keeper says that
    /// it waits for a cooldown.
    async fn warp_until(
        &self,
        what: &str,
        seconds: u64,
        done: impl AsyncFn(&Self) -> Result<bool>,
    ) -> Result<()> {
        let mut warped = 0;
        let waited = wait_until(what, DEADLINE, async || -> Result<()> {
            if done(self).await? {
                return Ok(());
            }
            let rests = |line: &String| line.contains("cooldown not over");
            let rested = self.keeper.lines().iter().filter(|line| rests(line)).count();
            if rested > warped {
                warped = rested;
                self.world.devnet.node().warp(seconds).await?;
            }
            eyre::bail!("{} rests so far, ratio {}", rested, self.ratio().await?)
        });
        waited.await.map_err(|error| self.keeper.failure(&error.to_string()))
    }

    /// A few blocks go by in which nothing is sent, and nothing that was mined had reverted.
    async fn assert_rests(&self) -> Result<Vec<Mined>> {
        let sent = self.world.sent();
        self.world.wait_blocks(3).await?;
        assert_eq!(self.world.sent(), sent, "{}", self.keeper.tail());
        let mined = self.mined().await?;
        assert!(mined.iter().all(|call| call.succeeded), "{mined:?}");
        assert_eq!(u64::try_from(mined.len())?, self.world.mined().await?, "{mined:?}");
        Ok(mined)
    }
}

/// What of a keeper's is in blocks from `first` on, oldest first.
async fn mined_by(world: &World, keeper: Address, first: u64) -> Result<Vec<Mined>> {
    let node = world.devnet.node();
    let mut mined = Vec::new();
    for number in first..=node.block_number().await? {
        let block = node.provider().get_block_by_number(number.into()).full().await?;
        let block = block.ok_or_eyre("a block is missing")?;
        for transaction in block.transactions.into_transactions() {
            if transaction.from() != keeper {
                continue;
            }
            let receipt = node.receipt(transaction.tx_hash()).await?;
            let (action, exchange) = call(transaction.input())?;
            let (succeeded, gas_used) = (receipt.status(), receipt.gas_used);
            mined.push(Mined { action, exchange, succeeded, gas_used });
        }
    }
    Ok(mined)
}

/// Which action on which exchange some calldata is.
pub(crate) fn call(data: &[u8]) -> Result<(&'static str, String)> {
    let selector = data.first_chunk::<4>().copied().unwrap_or_default();
    Ok(match selector {
        rebalanceCall::SELECTOR => ("rebalance", rebalanceCall::abi_decode(data)?.exchangeName),
        iterateRebalanceCall::SELECTOR => {
            ("iterateRebalance", iterateRebalanceCall::abi_decode(data)?.exchangeName)
        }
        ripcordCall::SELECTOR => ("ripcord", ripcordCall::abi_decode(data)?.exchangeName),
        _ => ("other", String::new()),
    })
}

fn count(mined: &[Mined], action: &str) -> usize {
    mined.iter().filter(|call| call.action == action).count()
}

fn ratio(text: &str) -> U256 {
    parse_ether(text).expect("a decimal number")
}
