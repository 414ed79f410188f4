//! The market of the composite index: what its components cost, and what everybody but the keeper does.
//!
//! What a component is worth is what its feed says; [`IndexMarket::arbitrage`] brings the pools back to
//! that after trades, [`IndexMarket::manipulate`] takes one away from it. Each is one transaction through
//! Multicall3, which holds the market's purse: no keeper's nonce is involved, and every mining mode will
//! do.

mod deeds;
mod liquidity;
mod pools;
mod trades;

use alloy::{
    eips::BlockId,
    primitives::{Address, U256},
};
use eyre::{OptionExt as _, Result};

pub use self::{liquidity::Withdrawn, trades::IndexTrade};
use crate::{
    Deployment, IndexComponent, IndexProduct, Node,
    contracts::{
        IFeed,
        index::{
            IIndexModule::{executionInfoCall, rebalanceInfoCall},
            IIndexToken::{
                getDefaultPositionRealUnitCall, positionMultiplierCall, totalSupplyCall,
            },
        },
    },
};

/// The index's market.
#[derive(Debug, Clone)]
pub struct IndexMarket {
    node: Node,
    deployment: Deployment,
    index: IndexProduct,
}

/// A component as the index holds it, and as it is to hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    /// Base units per whole index token.
    pub unit: U256,
    /// What it goes to, by the multiplier of now; as the module computes it.
    pub target: U256,
}

impl Holding {
    /// Whether the module takes it as met: to the unit, or gone if that is what it goes to.
    #[must_use]
    pub fn is_met(&self) -> bool {
        let allowed = U256::from(u8::from(!self.target.is_zero()));
        self.unit.abs_diff(self.target) <= allowed
    }
}

impl IndexMarket {
    /// The market of an index, on the node that has it.
    #[must_use]
    pub fn new(node: Node, deployment: Deployment, index: IndexProduct) -> Self {
        Self { node, deployment, index }
    }

    /// The index.
    #[must_use]
    pub fn index(&self) -> &IndexProduct {
        &self.index
    }

    /// The component of that symbol.
    ///
    /// # Errors
    ///
    /// If it has none of that symbol.
    pub fn component(&self, symbol: &str) -> Result<&IndexComponent> {
        self.index.component(symbol).ok_or_eyre("the index knows no such component")
    }

    /// What a whole component is worth by its feed, in US dollars with 8 decimals.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn price(&self, component: &IndexComponent) -> Result<u64> {
        let answer = self.node.read(component.feed, IFeed::latestAnswerCall {}).await?;
        Ok(answer.try_into()?)
    }

    /// How much of a token the index holds: base units per whole index token.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn unit(&self, component: Address) -> Result<U256> {
        let unit = getDefaultPositionRealUnitCall { component };
        Ok(self.node.read(self.index.set_token, unit).await?.try_into()?)
    }

    /// How much of a token the index holds and is to hold; ether too.
    ///
    /// # Errors
    ///
    /// If the node does not answer, or no rebalance was ever started.
    pub async fn holding(&self, component: Address) -> Result<Holding> {
        self.holding_at(component, BlockId::latest()).await
    }

    /// The same at a block of this chain.
    ///
    /// # Errors
    ///
    /// As there, and if the node does not have the state.
    pub async fn holding_at(&self, component: Address, block: BlockId) -> Result<Holding> {
        let (node, set_token, module) = (&self.node, self.index.set_token, self.index.module);
        let unit = getDefaultPositionRealUnitCall { component };
        let unit = node.read_at(set_token, unit, block).await?;
        let now = node.read_at(set_token, positionMultiplierCall {}, block).await?;
        let info = executionInfoCall { setToken: set_token, component };
        let info = node.read_at(module, info, block).await?;
        let then = node.read_at(module, rebalanceInfoCall { setToken: set_token }, block).await?;
        let scaled = info.targetUnit.checked_mul(now.try_into()?);
        let target = scaled.and_then(|scaled| scaled.checked_div(then.positionMultiplier));
        let target = target.ok_or_eyre("no rebalance was started")?;
        Ok(Holding { unit: unit.try_into()?, target })
    }

    /// The index token's position multiplier, 18 decimals.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn multiplier(&self) -> Result<U256> {
        let multiplier = self.node.read(self.index.set_token, positionMultiplierCall {}).await?;
        Ok(multiplier.try_into()?)
    }

    /// How many index tokens there are, 18 decimals.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn supply(&self) -> Result<U256> {
        self.node.read(self.index.set_token, totalSupplyCall {}).await
    }
}
