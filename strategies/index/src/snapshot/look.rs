//! The single reads of a block.

use alloy::{
    primitives::{Address, U256},
    sol_types::SolCall,
};
use ballast_chains::{BlockReader, ReadError, feeds};
use ballast_strategy_api::StrategyError;
use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};

use super::{NoReference, Reference, read::Hint};
use crate::{
    contracts::{
        IController::{getModuleFeeCall, resourceIdCall},
        IGeneralIndexModule::{
            executionInfoCall, executionInfoReturn, getIsAllowedTraderCall,
            getRebalanceComponentsCall, permissionInfoCall, rebalanceInfoCall,
        },
        ISetToken::{
            getDefaultPositionRealUnitCall, isInitializedModuleCall, positionMultiplierCall,
            totalSupplyCall,
        },
        IToken::{decimalsCall, symbolCall},
        REGISTRY, TRADE_FEE,
    },
    exchange::{Desk, Noted, Way},
    market::Reading,
    module::{Position, Terms},
    plan::state::symbol_of,
    strategy::CompositeIndex,
    twap::{self, Past},
};

/// The state of the index besides its components.
pub(super) struct General {
    pub(super) supply: U256,
    pub(super) multiplier: U256,
    pub(super) protocol_fee: U256,
    pub(super) registry: Address,
    pub(super) started_at: U256,
    pub(super) raise_percentage: U256,
    pub(super) listed: Vec<Address>,
    pub(super) weth_unit: U256,
    pub(super) weth_target: U256,
    pub(super) is_served: bool,
    pub(super) may_trade: bool,
    pub(super) anyone: bool,
}

/// What is known of a component after its state was read.
pub(super) struct Seen {
    /// By which it was read.
    pub(super) hint: Hint,
    /// The adapter that is registered under the hint's exchange.
    pub(super) adapter: Address,
    pub(super) info: executionInfoReturn,
    pub(super) unit: U256,
    pub(super) readings: Option<Result<Vec<Reading>, String>>,
    pub(super) reference: Result<Reference, NoReference>,
}

/// The blocks of the last minutes, found once for all components.
type Earlier = Shared<BoxFuture<'static, Result<Past, ReadError>>>;

/// Reads one block.
pub(super) struct Look<'a> {
    pub(super) index: &'a CompositeIndex,
    pub(super) at: &'a BlockReader,
    pub(super) earlier: Earlier,
    /// Of the intermediate asset in US dollars; only asked for where a feed needs it.
    pub(super) dollars: Shared<BoxFuture<'static, feeds::Said<feeds::PriceRound>>>,
}

impl<'a> Look<'a> {
    pub(super) fn new(index: &'a CompositeIndex, at: &'a BlockReader) -> Self {
        let reader = at.clone();
        let earlier = async move { twap::past(&reader).await }.boxed().shared();
        let (reader, feed) = (at.clone(), index.policy.eth_usd_feed);
        let dollars = async move {
            match feed {
                Some(feed) => feeds::latest(&reader, feed).await,
                None => feeds::native_usd(&reader).await,
            }
        };
        Self { index, at, earlier, dollars: dollars.boxed().shared() }
    }

    pub(super) async fn general(&self) -> Result<General, StrategyError> {
        let CompositeIndex { set_token, module, weth, controller, .. } = *self.index;
        let at = self.at;
        let (set, of_module, terms) = futures::try_join!(
            async {
                futures::try_join!(
                    at.call(set_token, positionMultiplierCall {}),
                    at.call(set_token, totalSupplyCall {}),
                    at.call(set_token, getDefaultPositionRealUnitCall { component: weth }),
                    at.call(set_token, isInitializedModuleCall { module }),
                )
            },
            async {
                let trader = at.caller();
                futures::try_join!(
                    at.call(module, rebalanceInfoCall { setToken: set_token }),
                    at.call(module, getRebalanceComponentsCall { setToken: set_token }),
                    at.call(module, executionInfoCall { setToken: set_token, component: weth }),
                    at.call(module, getIsAllowedTraderCall { setToken: set_token, trader }),
                    at.call(module, permissionInfoCall { setToken: set_token }),
                )
            },
            async {
                futures::try_join!(
                    at.call(controller, getModuleFeeCall { module, feeType: TRADE_FEE }),
                    at.call(controller, resourceIdCall { id: REGISTRY }),
                )
            },
        )
        .map_err(StrategyError::reading("the index and its module"))?;
        let (multiplier, supply, weth_unit, is_served) = set;
        let (started, listed, weth_info, may_trade, anyone) = of_module;
        let (protocol_fee, registry) = terms;
        let positive = |number: alloy::primitives::I256, what| {
            U256::try_from(number).map_err(|_| StrategyError::Arithmetic(what))
        };
        Ok(General {
            supply,
            multiplier: positive(multiplier, "the position multiplier")?,
            protocol_fee,
            registry,
            started_at: started.positionMultiplier,
            raise_percentage: started.raiseTargetPercentage,
            listed,
            weth_unit: positive(weth_unit, "a negative unit")?,
            weth_target: weth_info.targetUnit,
            is_served,
            may_trade,
            anyone,
        })
    }

    /// What holds of a component, by the guess if that was right.
    pub(super) async fn settled(
        &self,
        token: Address,
        guess: Option<Result<Seen, StrategyError>>,
        known: Option<Hint>,
        guessed_registry: Address,
        general: &General,
    ) -> Result<Seen, StrategyError> {
        let hint = match guess {
            Some(seen) => {
                let seen = seen?;
                let of_this_registry = general.registry == guessed_registry;
                let known = known.filter(|known| of_this_registry && known.adapter == seen.adapter);
                let found = self.hint(token, known, &seen.info, general.registry).await?;
                let asked = &seen.hint;
                let same = (asked.adapter, &asked.way) == (found.adapter, &found.way)
                    && (&asked.exchange, &asked.data) == (&found.exchange, &found.data)
                    && (&asked.symbol, asked.decimals) == (&found.symbol, found.decimals);
                if same {
                    return Ok(seen);
                }
                found
            }
            None => {
                let info = executionInfoCall { setToken: self.index.set_token, component: token };
                let info = self.at.call(self.index.module, info).await;
                let info = info.map_err(StrategyError::reading("a component"))?;
                self.hint(token, None, &info, general.registry).await?
            }
        };
        self.seen(token, hint, general.registry, false).await
    }

    /// Who the component is and where it is traded; what is `known` is not asked for again where
    /// nothing speaks against it.
    async fn hint(
        &self,
        token: Address,
        known: Option<Hint>,
        info: &executionInfoReturn,
        registry: Address,
    ) -> Result<Hint, StrategyError> {
        let (exchange, data) = (&info.exchangeName, &info.exchangeData);
        if let Some(known) = &known
            && (&known.exchange, &known.data) == (exchange, data)
            && !matches!(known.way, Way::Nowhere(_))
        {
            return Ok(known.clone());
        }
        let desk = self.desk(registry);
        let (symbol, decimals, adapter) = futures::join!(
            self.at.call_raw(token, symbolCall {}.abi_encode().into()),
            self.at.call(token, decimalsCall {}),
            desk.adapter(exchange, self.at),
        );
        // Neither is needed to trade it.
        let symbol = unless_silent(symbol)?.unwrap_or_default();
        let decimals = unless_silent(decimals)?;
        let adapter = adapter.map_err(StrategyError::reading("a component"))?;
        let way = desk.way(Noted { token, exchange, data }, adapter, self.at).await;
        let way = way.map_err(StrategyError::reading("its pools"))?;
        let (exchange, data) = (exchange.clone(), data.clone());
        let symbol = symbol_of(&symbol);
        Ok(Hint { symbol, decimals, exchange, data, adapter, way })
    }

    fn desk(&self, registry: Address) -> Desk {
        Desk { registry, module: self.index.module, weth: self.index.weth }
    }

    /// Reads a component as the hint has it; the caller finds out whether the hint was right. A
    /// `guess` has its adapter looked up again, as that may have been replaced.
    pub(super) async fn seen(
        &self,
        token: Address,
        hint: Hint,
        registry: Address,
        guess: bool,
    ) -> Result<Seen, StrategyError> {
        let CompositeIndex { set_token, module, .. } = *self.index;
        let (info, unit, adapter, market) = futures::join!(
            self.at.call(module, executionInfoCall { setToken: set_token, component: token }),
            self.at.call(set_token, getDefaultPositionRealUnitCall { component: token }),
            async {
                let desk = self.desk(registry);
                if guess { desk.adapter(&hint.exchange, self.at).await } else { Ok(hint.adapter) }
            },
            self.market(token, &hint),
        );
        let reading = || StrategyError::reading("a component");
        let unit = U256::try_from(unit.map_err(reading())?)
            .map_err(|_| StrategyError::Arithmetic("a negative unit"))?;
        let (info, adapter) = (info.map_err(reading())?, adapter.map_err(reading())?);
        let (readings, reference) = market?;
        Ok(Seen { hint, adapter, info, unit, readings, reference })
    }
}

/// A token that does not answer has none; silence is the endpoints'.
fn unless_silent<T>(answer: Result<T, ReadError>) -> Result<Option<T>, StrategyError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(ReadError::Reverted(_) | ReadError::Malformed { .. }) => Ok(None),
        Err(silent @ ReadError::Unavailable(_)) => {
            Err(StrategyError::reading("a component")(silent))
        }
    }
}

impl General {
    pub(super) fn terms(&self) -> Terms {
        let Self { supply, multiplier, started_at, protocol_fee, .. } = *self;
        Terms { supply, multiplier, started_at, protocol_fee }
    }
}

impl Seen {
    pub(super) fn position(&self) -> Position {
        let executionInfoReturn { targetUnit, maxSize, .. } = self.info;
        Position { target_unit: targetUnit, unit: self.unit, max_size: maxSize }
    }
}
