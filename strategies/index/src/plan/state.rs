//! What a plan starts from: the index at one block.

use std::collections::{BTreeMap, BTreeSet};

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
        controllerCall, executionInfoCall, getRebalanceComponentsCall, rebalanceInfoCall, wethCall,
    },
    ISetToken::{
        getComponentsCall, getDefaultPositionRealUnitCall, isInitializedModuleCall,
        positionMultiplierCall, totalSupplyCall,
    },
    IToken::{decimalsCall, symbolCall},
    REGISTRY, TRADE_FEE,
};
use crate::{
    exchange::{Desk, Noted},
    market::Pool,
    module::Side,
    plan::input::Entry,
    venue::{Route, Venue},
};

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
    /// By how much `raiseAssetTargets` raises all targets, 18 decimals; 0 if nobody has said so.
    pub raise: U256,
    /// The components of the last rebalance.
    pub rebalancing: Vec<Address>,
    /// Where adapters are looked up.
    pub desk: Desk,
    /// What it holds, in the index's own order, then what the last rebalance knows besides, then what
    /// it shall hold newly.
    pub tokens: Vec<Token>,
}

/// Why a token is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The index holds it.
    Held,
    /// The last rebalance lists it: it was sold altogether, or is still to come.
    Listed,
    /// Somebody gave its address.
    Named,
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
    /// Why it is here.
    pub origin: Origin,
    /// Base units per 10^18 of the index's supply.
    pub unit: U256,
    /// The unit that the last rebalance goes to, as it was submitted.
    pub target_unit: U256,
    /// Most of it that one trade moves, base units.
    pub max_size: U256,
    /// Seconds that it rests between two trades.
    pub cool_off: U256,
    /// When it was traded last, seconds since 1970; 0 if it never was.
    pub last_trade: U256,
    /// Where it is traded; empty if nobody has said so.
    pub exchange: String,
    /// How it is traded there.
    pub exchange_data: Bytes,
    /// The pools that this leads to, as what a trade costs …
    pub venue: Venue,
    /// … as contracts …
    pub pools: Vec<Pool>,
    /// … and whose these are; zero where there are none.
    pub factory: Address,
    /// What a quoter said that trades of it come to, where the formula is not exact.
    pub quotes: Quotes,
}

/// The intermediate asset that a trade of so much comes to; `None` where the pools do not hold it.
pub type Quotes = BTreeMap<(Side, U256), Option<U256>>;

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
        let tokens = tokens(set_token, components, &rebalancing, wanted, &desk, at).await?;
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
            raise: started.raiseTargetPercentage,
            rebalancing,
            desk,
            tokens,
        })
    }

    /// Leaves out what the last rebalance knows and neither the index holds nor the weights name. A
    /// symbol alone never brings in a token beside another one of the same symbol. Where a rebalance is
    /// `under_way`, so is what the intermediate asset is held of only for it.
    pub fn keep(&mut self, weights: &[Entry], under_way: bool) {
        let weth = self.weth;
        let named = weights.iter().any(|entry| {
            entry.address == Some(weth)
                || (entry.address.is_none() && entry.symbol.as_deref() == Some("WETH"))
        });
        if under_way && !named && !self.rebalancing.contains(&weth) {
            self.tokens.retain(|token| token.address != weth);
        }
        let taken: BTreeSet<String> = (self.tokens.iter())
            .filter(|token| token.origin != Origin::Listed)
            .map(|token| token.symbol.clone())
            .collect();
        let by_symbol: BTreeSet<&str> = (weights.iter())
            .filter(|entry| entry.address.is_none())
            .filter_map(|entry| entry.symbol.as_deref())
            .collect();
        self.tokens.retain(|token| {
            token.origin != Origin::Listed
                || (by_symbol.contains(token.symbol.as_str()) && !taken.contains(&token.symbol))
        });
    }
}

/// Reads what is held, what the last rebalance lists, and what is `wanted`, each once. What is only
/// listed and does not answer as a token is left out: nobody asked for it.
async fn tokens(
    set_token: Address,
    held: Vec<Address>,
    listed: &[Address],
    wanted: &[Address],
    desk: &Desk,
    at: &BlockReader,
) -> Result<Vec<Token>, StrategyError> {
    let mut seen: BTreeSet<Address> = held.iter().copied().chain([Address::ZERO]).collect();
    let mut all: Vec<(Address, Origin)> =
        held.into_iter().map(|token| (token, Origin::Held)).collect();
    let named: BTreeSet<Address> = wanted.iter().copied().collect();
    let listed = listed.iter().filter(|token| !named.contains(*token));
    let more = listed.map(|token| (*token, Origin::Listed));
    let more = more.chain(wanted.iter().map(|token| (*token, Origin::Named)));
    all.extend(more.filter(|(token, _)| seen.insert(*token)));
    let read = all.into_iter().map(|(token, origin)| async move {
        match Token::read(set_token, token, origin, desk, at).await {
            Ok(token) => Ok(Some(token)),
            Err(StrategyError::Misconfigured(_)) if origin == Origin::Listed => Ok(None),
            Err(cause) => Err(cause),
        }
    });
    Ok(future::try_join_all(read).await?.into_iter().flatten().collect())
}

impl Token {
    async fn read(
        set_token: Address,
        address: Address,
        origin: Origin,
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
        let noted = Noted { token: address, exchange: &how.exchangeName, data: &how.exchangeData };
        let Route { venue, pools, factory } = desk.route(noted, at).await?;
        let symbol = symbol_of(&symbol);
        let symbol = if symbol.is_empty() { address.to_string() } else { symbol };
        Ok(Self {
            address,
            symbol,
            decimals,
            origin,
            unit,
            target_unit: how.targetUnit,
            max_size: how.maxSize,
            cool_off: how.coolOffPeriod,
            last_trade: how.lastTradeTimestamp,
            exchange: how.exchangeName,
            exchange_data: how.exchangeData,
            venue,
            pools,
            factory,
            quotes: Quotes::new(),
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
