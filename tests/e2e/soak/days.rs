//! Days that pass for the leveraged products: the market moves while nothing of theirs is under way,
//! and a rebalance of each is due.

use ballast_devnet::{USD, accounts};
use eyre::Result;

use super::world::World;
use crate::{
    chance::Chance,
    stage::{BASE_FEE, FINALITY},
};

/// A second more than the products' interval.
const INTERVAL: u64 = 86_401;
/// Blocks between the last rebalance of a day and the next day: more than may fall away, so that no
/// two trades of one product do so together. A contract refuses the second of a block.
const REST: u64 = FINALITY + 2;
/// More blocks of rest, by chance.
const MORE_REST: u64 = 12;
/// Prices, in dollars: the leverage ratio stays where one trade a day serves.
const PRICES: (u64, u64) = (1_900, 2_100);

/// The day that it is.
pub(super) struct Days {
    chance: Chance,
    /// Nonces of the wallets when it began; none before the first.
    before: Vec<u64>,
    /// Since which block each has its rebalance.
    done_since: Option<u64>,
    rest: u64,
    pub(super) count: u64,
}

impl Days {
    /// Nothing is due yet.
    pub(super) fn begin(chance: Chance) -> Self {
        Self { chance, before: Vec::new(), done_since: None, rest: REST, count: 0 }
    }

    /// Lets the next day begin, if the last one is over.
    pub(super) async fn step(&mut self, world: &World, block: u64) -> Result<()> {
        let nonces = nonces(world).await?;
        let is_done = nonces.iter().zip(&self.before).all(|(now, before)| now > before);
        if !is_done {
            self.done_since = None;
            return Ok(());
        }
        let since = *self.done_since.get_or_insert(block);
        if block < since + self.rest {
            return Ok(());
        }
        let price = self.chance.between(PRICES.0, PRICES.1) * USD;
        world.node().set_next_base_fee(BASE_FEE).await?;
        world.market().set_price(price).await?;
        world.node().set_next_base_fee(BASE_FEE).await?;
        world.node().warp(INTERVAL).await?;
        self.before = nonces;
        self.done_since = None;
        self.rest = REST + self.chance.below(MORE_REST);
        self.count += 1;
        Ok(())
    }
}

async fn nonces(world: &World) -> Result<Vec<u64>> {
    let mut nonces = Vec::new();
    for key in 0..world.leveraged().len() {
        nonces.push(world.node().nonce(accounts::keeper_address(key)).await?);
    }
    Ok(nonces)
}
