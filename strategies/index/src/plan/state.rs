//! What a plan starts from: the index at one block.

use std::collections::BTreeSet;

use alloy::{
    primitives::{Address, Bytes, U256},
    sol_types::{SolCall, SolValue},
};
use ballast_chains::{BlockReader, ReadError};
use ballast_strategy_api::StrategyError;
use futures::future;

use crate::contracts::{
    IController::{getModuleFeeCall, resourceIdCall},
    IGeneralIndexModule::{
        controllerCall, executionInfoCall, executionInfoReturn, getRebalanceComponentsCall,
        rebalanceInfoCall, wethCall,
    },
    ISetToken::{
        getComponentsCall, getDefaultPositionRealUnitCall, isInitializedModuleCall,
        positionMultiplierCall, totalSupplyCall,
    },
    IToken::{decimalsCall, symbolCall},
};
use crate::venue::{Desk, Venue};

/// The registry of adapters among the Controller's resources.
const REGISTRY: U256 = U256::ZERO;
/// The module's only fee: on what a trade receives.
const TRADE_FEE: U256 = U256::ZERO;

/// An index at one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its token.
    pub set_token: Address,
    /// What that calls itself.
    pub symbol: String,
    /// Its supply, 18 decimals.
    pub supply: U256,
    /// Its position multiplier, 18 decimals.
    pub multiplier: U256,
    /// What every trade has on one side.
    pub weth: Address,
    /// The protocol's share of what a trade receives, 18 decimals.
    pub protocol_fee: U256,
    /// The multiplier that the module noted when the last rebalance began; 0 if none ever did.
    pub started_at: U256,
    /// The components of the last rebalance.
    pub rebalancing: Vec<Address>,
    /// What it holds, in the index's own order, then what it shall hold newly.
    pub tokens: Vec<Token>,
}

/// One component, or one that shall become one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The token.
    pub address: Address,
    /// What it calls itself.
    pub symbol: String,
    /// Its decimals.
    pub decimals: u8,
    /// Base units per 10^18 of the index's supply.
    pub unit: U256,
    /// The unit that the last rebalance goes to, as it was submitted.
    pub target_unit: U256,
    /// Most of it that one trade moves, base units.
    pub max_size: U256,
    /// Seconds that it rests between two trades.
    pub cool_off: U256,
    /// Where it is traded; empty if nobody has said so.
    pub exchange: String,
    /// How it is traded there.
    pub exchange_data: Bytes,
    /// The pools that this leads to.
    pub venue: Venue,
}

impl Index {
    /// Reads it, with the tokens of `wanted` that it does not hold yet.
    ///
    /// # Errors
    /// [`StrategyError::Misconfigured`] if the module does not serve this index, or a component has
    /// a position that is none; [`StrategyError::Read`] if the chain did not answer.
    pub async fn read(
        set_token: Address,
        module: Address,
        wanted: &[Address],
        at: &BlockReader,
    ) -> Result<Self, StrategyError> {
        let (symbol, components, multiplier, supply, serves, weth, controller) = futures::try_join!(
            at.call_raw(set_token, symbolCall {}.abi_encode().into()),
            at.call(set_token, getComponentsCall {}),
            at.call(set_token, positionMultiplierCall {}),
            at.call(set_token, totalSupplyCall {}),
            at.call(set_token, isInitializedModuleCall { module }),
            at.call(module, wethCall {}),
            at.call(module, controllerCall {}),
        )
        .map_err(unless_silent("the index", |refused| {
            format!(
                "{set_token} and {module} do not answer as an index and its module do: {refused}"
            )
        }))?;
        if !serves {
            let why = format!("{module} is no module of the index {set_token}");
            return Err(StrategyError::Misconfigured(why));
        }
        let (registry, protocol_fee, started, rebalancing) = futures::try_join!(
            at.call(controller, resourceIdCall { id: REGISTRY }),
            at.call(controller, getModuleFeeCall { module, feeType: TRADE_FEE }),
            at.call(module, rebalanceInfoCall { setToken: set_token }),
            at.call(module, getRebalanceComponentsCall { setToken: set_token }),
        )
        .map_err(StrategyError::reading("the module"))?;
        let desk = Desk { registry, module, weth };
        let mut seen: BTreeSet<Address> = components.iter().copied().collect();
        let new: Vec<Address> =
            wanted.iter().copied().filter(|token| seen.insert(*token)).collect();
        let all = components.into_iter().chain(new);
        let tokens = all.map(|token| Token::read(set_token, token, &desk, at));
        let tokens = future::try_join_all(tokens).await?;
        let multiplier = U256::try_from(multiplier).ok().filter(|m| !m.is_zero());
        let multiplier = multiplier.ok_or(StrategyError::Arithmetic("the position multiplier"))?;
        Ok(Self {
            set_token,
            symbol: symbol_of(&symbol),
            supply,
            multiplier,
            weth,
            protocol_fee,
            started_at: started.positionMultiplier,
            rebalancing,
            tokens,
        })
    }
}

impl Token {
    async fn read(
        set_token: Address,
        address: Address,
        desk: &Desk,
        at: &BlockReader,
    ) -> Result<Self, StrategyError> {
        let how = executionInfoCall { setToken: set_token, component: address };
        let (symbol, decimals, unit, how) = futures::try_join!(
            at.call_raw(address, symbolCall {}.abi_encode().into()),
            at.call(address, decimalsCall {}),
            at.call(set_token, getDefaultPositionRealUnitCall { component: address }),
            at.call(desk.module, how),
        )
        .map_err(unless_silent("a component", |refused| {
            format!("{address} does not answer as a token does: {refused}")
        }))?;
        let unit =
            U256::try_from(unit).map_err(|_| StrategyError::Arithmetic("a negative unit"))?;
        let executionInfoReturn {
            targetUnit,
            maxSize,
            coolOffPeriod,
            exchangeName,
            exchangeData,
            ..
        } = how;
        let venue = desk.venue(address, &exchangeName, &exchangeData, at).await?;
        let symbol = symbol_of(&symbol);
        let symbol = if symbol.is_empty() { address.to_string() } else { symbol };
        Ok(Self {
            address,
            symbol,
            decimals,
            unit,
            target_unit: targetUnit,
            max_size: maxSize,
            cool_off: coolOffPeriod,
            exchange: exchangeName,
            exchange_data: exchangeData,
            venue,
        })
    }
}

/// What was refused or makes no sense was asked of the wrong address; silence is the endpoints'.
fn unless_silent(
    what: &'static str,
    told: impl FnOnce(String) -> String,
) -> impl FnOnce(ReadError) -> StrategyError {
    move |cause| match cause {
        refused @ (ReadError::Reverted(_) | ReadError::Malformed { .. }) => {
            StrategyError::Misconfigured(told(refused.to_string()))
        }
        silent @ ReadError::Unavailable(_) => StrategyError::reading(what)(silent),
    }
}

/// A symbol as text: a string, or 32 bytes with it at their beginning as older tokens answer.
/// Control characters are left out, since people read it in a terminal.
pub(crate) fn symbol_of(answer: &Bytes) -> String {
    let text = String::abi_decode(answer).unwrap_or_else(|_| {
        let word = answer.get(..32).unwrap_or_default();
        let text: Vec<u8> = word.iter().copied().take_while(|byte| *byte != 0).collect();
        String::from_utf8(text).unwrap_or_default()
    });
    text.chars().filter(|c| !c.is_control()).take(32).collect()
}
