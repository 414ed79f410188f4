//! Every situation of a basis product, on Perp V2 and Set Protocol as published; the extension is a
//! double (see `tests/devnet`).

mod bounds;
mod liquidation;
mod op_stack;
mod reinvest;
mod ripcord;
mod sequencer;
mod stories;
mod twap;
mod venues;

use alloy::primitives::{Address, I256, U256, utils::parse_ether};
use ballast_devnet::{BasisMarket, BasisMethodology, BasisOptions, Trade, accounts};
use ballast_test_support::{KeeperProcess, wait_until};
use eyre::{OptionExt as _, Result};

use crate::harness::{DEADLINE, Setup, World};

/// A second more than the product's interval, of its cooldown, and of the ripcord's.
const INTERVAL: u64 = 86_401;
const COOLDOWN: u64 = 3_001;
const RIPCORD_COOLDOWN: u64 = 61;
/// What the keeper says while nothing is due.
const RESTS: &str = "inside bounds";

/// The usual world: the reference product, its chain read as one of the OP stack.
fn setup(methodology: BasisMethodology) -> Setup {
    let basis = BasisOptions { methodology, ..BasisOptions::default() };
    Setup { basis: Some(basis), ..Setup::default() }
}

/// A product whose rebalances and ripcords trade at most so much ether.
fn in_chunks(rebalance: &str, ripcord: &str) -> BasisMethodology {
    let trade_sizes = (magnitude(rebalance), magnitude(ripcord));
    BasisMethodology { trade_sizes, ..BasisMethodology::default() }
}

/// The magnitude of a ratio, or an amount of ether.
fn magnitude(text: &str) -> U256 {
    parse_ether(text).expect("a decimal number")
}

/// The ratio of a short of that magnitude.
fn short(text: &str) -> I256 {
    -I256::try_from(magnitude(text)).expect("a small number")
}

/// A world with a keeper over one basis product.
struct Stage {
    world: World,
    market: BasisMarket,
    keeper: KeeperProcess,
    first_block: u64,
}

impl Stage {
    /// Starts the keeper in a world and waits until it has said something.
    async fn over(world: World, says: &str) -> Result<Self> {
        let market = world.devnet.basis_market()?;
        let first_block = world.devnet.node().block_number().await?;
        let keeper = world.keeper().await?;
        keeper.wait_for_line(says, DEADLINE).await?;
        Ok(Self { world, market, keeper, first_block })
    }

    async fn start(methodology: BasisMethodology) -> Result<Self> {
        Self::over(World::start(setup(methodology)).await?, RESTS).await
    }

    fn wallet(&self) -> Address {
        accounts::keeper_address(self.market.basis().keeper)
    }

    /// The magnitude of the leverage ratio.
    async fn ratio(&self) -> Result<U256> {
        Ok(self.market.leverage_ratio().await?.unsigned_abs())
    }

    /// Moves all prices so that the product comes to this leverage ratio, by its magnitude.
    async fn move_to(&self, wanted: &str) -> Result<()> {
        let price = price_for(&self.market, self.ratio().await?, magnitude(wanted)).await?;
        self.market.set_price(price).await.map(drop)
    }

    /// What of the keeper's is in blocks, oldest first.
    async fn mined(&self) -> Result<Vec<Trade>> {
        let newest = self.world.devnet.node().block_number().await?;
        self.market.trades(self.wallet(), self.first_block, newest).await
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

    /// Waits until the keeper has so many calls of an action in blocks.
    async fn wait_mined(&self, action: &str, times: usize) -> Result<()> {
        let what = format!("{times} × {action} in a block");
        let seen = async || self.mined().await.is_ok_and(|mined| count(&mined, action) >= times);
        let waited = wait_until(&what, DEADLINE, seen).await;
        waited.map(drop).map_err(|error| self.keeper.failure(&error.to_string()))
    }

    /// Whether all that was sent is in blocks, so many calls or more, and nothing is due by the
    /// keeper's last word.
    async fn is_settled(&self, calls: usize) -> Result<bool> {
        let mined = self.mined().await?.len();
        let mut sent = self.world.proxy().raw_transactions();
        sent.sort();
        sent.dedup();
        let said = self.keeper.lines();
        let last = said.iter().rfind(|line| line.contains(" decision product="));
        let rests = last.is_some_and(|line| line.contains(RESTS));
        Ok(rests && mined >= calls && mined == sent.len())
    }

    /// Waits for that.
    async fn settle(&self, calls: usize) -> Result<()> {
        let what = format!("{calls} calls, and then nothing due");
        let settled = async || self.is_settled(calls).await.unwrap_or(false);
        let waited = wait_until(&what, DEADLINE, settled).await;
        waited.map(drop).map_err(|error| self.keeper.failure(&error.to_string()))
    }

    /// A few blocks go by in which nothing is sent, and nothing that was mined had reverted or was
    /// sent twice.
    async fn assert_rests(&self) -> Result<Vec<Trade>> {
        let sent = self.world.proxy().raw_transactions().len();
        self.world.wait_blocks(3).await?;
        let after = self.world.proxy().raw_transactions().len();
        assert_eq!(after, sent, "{}", self.keeper.tail());
        let mined = self.mined().await?;
        assert!(mined.iter().all(|call| call.succeeded), "{mined:?}");
        let nonce = self.world.devnet.node().nonce(self.wallet()).await?;
        assert_eq!(u64::try_from(mined.len())?, nonce, "{mined:?}");
        Ok(mined)
    }
}

/// The price at which a short comes from one leverage ratio to another, cut off. With a position worth
/// `v` and an account of `K − v` the ratio is `v / (K − v)`, so `v` is to `K` as the ratio to one more.
async fn price_for(market: &BasisMarket, current: U256, wanted: U256) -> Result<u64> {
    let one = magnitude("1");
    let price = U256::from(market.index_price().await?);
    let above = price * wanted * (current + one);
    let next = above.checked_div(current * (wanted + one)).ok_or_eyre("no such price")?;
    Ok(next.try_into()?)
}

fn count(mined: &[Trade], action: &str) -> usize {
    mined.iter().filter(|call| call.action == action).count()
}
