//! Everything that is read at a block: one round for the state, in parallel with what the pools said
//! some minutes ago; then [`offers`], the prices of the trades that are possible, each call by itself.
//!
//! Which components there are, and which pools they are traded in, is only known once it was read. So
//! what was found at the last block is asked for at once, and only what turns out to be different
//! takes further rounds. These [`Hints`] change what is asked first and never what is decided.

pub mod offers;
mod reference;

use std::collections::{BTreeMap, BTreeSet};

use alloy::{
    primitives::{Address, Bytes, U256, uint},
    sol_types::SolCall,
};
use ballast_chains::{BlockReader, ReadError, feeds};
use ballast_strategy_api::StrategyError;
use futures::{
    FutureExt,
    future::{self, BoxFuture, Shared},
};

use crate::{
    contracts::{
        IController::{getModuleFeeCall, resourceIdCall},
        IGeneralIndexModule::{
            executionInfoCall, executionInfoReturn, getIsAllowedTraderCall,
            getRebalanceComponentsCall, permissionInfoCall, rebalanceInfoCall,
        },
        IRegistry::getIntegrationAdapterCall,
        ISetToken::{
            getDefaultPositionRealUnitCall, isInitializedModuleCall, positionMultiplierCall,
            totalSupplyCall,
        },
        IToken::{decimalsCall, symbolCall},
    },
    market::{Pool, Reading, Route, Way},
    module::{Position, Terms},
    plan::state::symbol_of,
    price::Price,
    quote::Hop,
    strategy::CompositeIndex,
    twap,
};
pub use reference::{NoReference, Reference, Source};

/// The registry of adapters among the Controller's resources.
const REGISTRY: U256 = U256::ZERO;
/// The module's only fee: on what a trade receives.
const TRADE_FEE: U256 = U256::ZERO;
/// Gas of a typical trade.
const TRADE_GAS: U256 = uint!(300_000_U256);
/// Above this base fee, 30 gwei, what a trade costs is not reckoned with: a dear hour is waited for,
/// and makes nothing that is left to trade too little.
const USUAL_BASE_FEE: U256 = uint!(30_000_000_000_U256);
/// Most components of one rebalance; more were never seen, and what each takes is bounded by it.
pub const MAX_COMPONENTS: usize = 100;

/// An index at one block.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The block's time.
    pub now: u64,
    /// Who would send.
    pub caller: Address,
    /// Whether the module lets it trade.
    pub may_trade: bool,
    /// Whether it lets everybody; then contracts are refused.
    pub anyone: bool,
    /// Whether the module is one of the index's.
    pub is_served: bool,
    /// Whether what was submitted left the zero address among the components.
    pub lists_zero: bool,
    /// What the gas of a trade costs at the block's base fee, of 30 gwei at the most; wei.
    pub trade_cost: U256,
    /// What all components are reckoned with.
    pub terms: Terms,
    /// The share by which targets may be raised, 18 decimals; 0 until it is set.
    pub raise_percentage: U256,
    /// The intermediate asset.
    pub weth: Weth,
    /// What is rebalanced, without the intermediate asset, by address.
    pub components: Vec<Component>,
}

/// The intermediate asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weth {
    /// Its token.
    pub token: Address,
    /// The unit that the index has of it.
    pub unit: U256,
    /// The unit that the module has noted for it, as it was submitted: of an earlier rebalance where
    /// it is not part of this one.
    pub target_unit: U256,
    /// Whether it is a part of this rebalance.
    pub is_component: bool,
}

/// One component at one block.
#[derive(Debug, Clone)]
pub struct Component {
    /// The token.
    pub token: Address,
    /// What it calls itself; its address where it does not, or shares the name with another.
    pub symbol: String,
    /// Its decimals; `None` if it does not say.
    pub decimals: Option<u8>,
    /// What the module reckons with.
    pub position: Position,
    /// Seconds that it rests between two trades.
    pub cool_off: U256,
    /// When it was last traded.
    pub last_trade: U256,
    /// Where it is traded.
    pub market: Market,
    /// What its price is held against.
    pub reference: Result<Reference, NoReference>,
    /// What its trades would come to; empty until they were asked for.
    pub offers: offers::Offers,
}

/// Where a component is traded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Market {
    /// Through these pools, from the component to the intermediate asset.
    Pools {
        /// The pools.
        pools: Vec<Pool>,
        /// Their reserves.
        hops: Vec<Hop>,
        /// Their price, in wei of the intermediate asset for a base unit.
        spot: Price,
    },
    /// By an adapter that is not known here: its price is found out by trying.
    Unknown,
    /// Nowhere: every trade would revert.
    Nowhere(String),
}

impl Component {
    /// What a base unit is worth: by its pools, or else by its reference.
    pub fn price(&self) -> Option<Price> {
        match (&self.market, &self.reference) {
            (Market::Pools { spot, .. }, _) => Some(*spot),
            (Market::Unknown | Market::Nowhere(_), Ok(reference)) => Some(reference.low),
            (Market::Unknown | Market::Nowhere(_), Err(_)) => None,
        }
    }
}

/// What was found at the last block; a mere head start.
#[derive(Debug, Clone, Default)]
pub struct Hints {
    registry: Address,
    tokens: BTreeMap<Address, Hint>,
}

/// What was found of one component.
#[derive(Debug, Clone)]
struct Hint {
    symbol: String,
    decimals: Option<u8>,
    exchange: String,
    data: Bytes,
    adapter: Address,
    way: Way,
    /// Whether its average price was of use.
    was_unmet: bool,
}

/// The state of the index besides its components.
struct General {
    supply: U256,
    multiplier: U256,
    protocol_fee: U256,
    registry: Address,
    started_at: U256,
    raise_percentage: U256,
    listed: Vec<Address>,
    weth_unit: U256,
    weth_target: U256,
    is_served: bool,
    may_trade: bool,
    anyone: bool,
}

/// What is known of a component after its state was read.
struct Seen {
    /// By which it was read.
    hint: Hint,
    /// The adapter that is registered under the hint's exchange.
    adapter: Address,
    info: executionInfoReturn,
    unit: U256,
    readings: Option<Result<Vec<Reading>, String>>,
    reference: Result<Reference, NoReference>,
}

/// The block some minutes ago, found once for all components.
type Earlier = Shared<BoxFuture<'static, Result<BlockReader, ReadError>>>;

/// Reads one block.
struct Look<'a> {
    index: &'a CompositeIndex,
    at: &'a BlockReader,
    earlier: Earlier,
    /// Of the intermediate asset in US dollars; only asked for where a feed needs it.
    dollars: Shared<BoxFuture<'static, feeds::Said<feeds::PriceRound>>>,
}

impl Snapshot {
    /// Reads the state; [`offers`] are left to be asked for. Gives what was found, as hints for the
    /// next block.
    ///
    /// # Errors
    /// [`StrategyError::Read`] if the chain did not answer; [`StrategyError::Misconfigured`] for a
    /// component that answers as none; [`StrategyError::Arithmetic`] for numbers that make no sense.
    pub async fn read(
        index: &CompositeIndex,
        hints: &Hints,
        at: &BlockReader,
    ) -> Result<(Self, Hints), StrategyError> {
        let look = Look::new(index, at);
        let guessed = hints.tokens.iter().map(|(token, hint)| async {
            let seen = look.seen(*token, hint.clone(), hints.registry, true).await;
            (*token, seen)
        });
        let (general, guessed) = futures::join!(look.general(), future::join_all(guessed));
        let general = general?;
        let mut guessed: BTreeMap<Address, Result<Seen, StrategyError>> =
            guessed.into_iter().collect();
        // A duplicate in what was submitted leaves the zero address behind.
        let tokens: BTreeSet<Address> = general.listed.iter().copied().collect();
        let tokens = tokens.into_iter().filter(|token| *token != index.weth && !token.is_zero());
        if general.listed.len() > MAX_COMPONENTS {
            let why = format!("a rebalance of more than {MAX_COMPONENTS} components");
            return Err(StrategyError::Misconfigured(why));
        }
        let seen = tokens.map(|token| {
            let guess = guessed.remove(&token);
            let known = hints.tokens.get(&token).cloned();
            let (look, general) = (&look, &general);
            async move {
                let seen = look.settled(token, guess, known, hints.registry, general).await?;
                Ok::<_, StrategyError>((token, seen))
            }
        });
        let seen = future::try_join_all(seen).await?;
        assemble(index, at, general, seen)
    }
}

impl<'a> Look<'a> {
    fn new(index: &'a CompositeIndex, at: &'a BlockReader) -> Self {
        let reader = at.clone();
        let earlier = async move { twap::earlier(&reader).await }.boxed().shared();
        let (reader, feed) = (at.clone(), index.policy.eth_usd_feed);
        let dollars = async move {
            match feed {
                Some(feed) => feeds::latest(&reader, feed).await,
                None => feeds::native_usd(&reader).await,
            }
        };
        Self { index, at, earlier, dollars: dollars.boxed().shared() }
    }

    async fn general(&self) -> Result<General, StrategyError> {
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
    async fn settled(
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
                if same && !needs_reference(&seen, general)? {
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
        self.seen(token, Hint { was_unmet: true, ..hint }, general.registry, false).await
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
        let (symbol, decimals, adapter) = futures::join!(
            self.at.call_raw(token, symbolCall {}.abi_encode().into()),
            self.at.call(token, decimalsCall {}),
            self.adapter(registry, exchange),
        );
        // Neither is needed to trade it.
        let symbol = unless_silent(symbol)?.unwrap_or_default();
        let decimals = unless_silent(decimals)?;
        let adapter = adapter.map_err(StrategyError::reading("a component"))?;
        let route = Route { token, weth: self.index.weth, exchange, data, adapter };
        let way = route.find(self.at).await.map_err(StrategyError::reading("its pools"))?;
        let (exchange, data) = (exchange.clone(), data.clone());
        let symbol = symbol_of(&symbol);
        Ok(Hint { symbol, decimals, exchange, data, adapter, way, was_unmet: true })
    }

    async fn adapter(&self, registry: Address, exchange: &str) -> Result<Address, ReadError> {
        let (module, name) = (self.index.module, exchange.to_owned());
        self.at.call(registry, getIntegrationAdapterCall { module, name }).await
    }

    /// Reads a component as the hint has it; the caller finds out whether the hint was right. A
    /// `guess` has its adapter looked up again, as that may have been replaced.
    async fn seen(
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
                if guess { self.adapter(registry, &hint.exchange).await } else { Ok(hint.adapter) }
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

/// A guess left out the average price of what turns out to be traded.
fn needs_reference(seen: &Seen, general: &General) -> Result<bool, StrategyError> {
    if seen.hint.was_unmet || general.started_at.is_zero() {
        return Ok(false);
    }
    let met = general.terms().is_met(&seen.position());
    met.map(|met| !met).map_err(|overflow| StrategyError::Arithmetic(overflow.0))
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
    fn terms(&self) -> Terms {
        let Self { supply, multiplier, started_at, protocol_fee, .. } = *self;
        Terms { supply, multiplier, started_at, protocol_fee }
    }
}

impl Seen {
    fn position(&self) -> Position {
        let executionInfoReturn { targetUnit, maxSize, .. } = self.info;
        Position { target_unit: targetUnit, unit: self.unit, max_size: maxSize }
    }
}

fn assemble(
    index: &CompositeIndex,
    at: &BlockReader,
    general: General,
    seen: Vec<(Address, Seen)>,
) -> Result<(Snapshot, Hints), StrategyError> {
    let terms = general.terms();
    let mut hints = Hints { registry: general.registry, ..Hints::default() };
    let mut components: Vec<Component> = Vec::with_capacity(seen.len());
    for (token, seen) in seen {
        let position = seen.position();
        let was_unmet = terms.started_at.is_zero()
            || !terms.is_met(&position).map_err(|o| StrategyError::Arithmetic(o.0))?;
        let name = seen.hint.symbol.clone();
        let is_taken = components.iter().any(|component| component.symbol == name);
        let symbol = if name.is_empty() || is_taken { token.to_string() } else { name };
        components.push(Component {
            token,
            symbol,
            decimals: seen.hint.decimals,
            position,
            cool_off: seen.info.coolOffPeriod,
            last_trade: seen.info.lastTradeTimestamp,
            market: market_of(&seen.hint.way, seen.readings),
            reference: seen.reference,
            offers: offers::Offers::default(),
        });
        hints.tokens.insert(token, Hint { was_unmet, ..seen.hint });
    }
    let weth = Weth {
        token: index.weth,
        unit: general.weth_unit,
        target_unit: general.weth_target,
        is_component: general.listed.contains(&index.weth),
    };
    let snapshot = Snapshot {
        now: at.header().timestamp,
        caller: at.caller(),
        may_trade: general.may_trade,
        anyone: general.anyone,
        is_served: general.is_served,
        lists_zero: general.listed.iter().any(|token| token.is_zero()),
        trade_cost: U256::from(at.header().base_fee_per_gas.unwrap_or_default())
            .min(USUAL_BASE_FEE)
            .saturating_mul(TRADE_GAS),
        terms,
        raise_percentage: general.raise_percentage,
        weth,
        components,
    };
    Ok((snapshot, hints))
}

fn market_of(way: &Way, readings: Option<Result<Vec<Reading>, String>>) -> Market {
    match (way, readings) {
        (Way::Nowhere(why), _) => Market::Nowhere(why.clone()),
        (Way::Unknown, _) | (Way::Pools(_), None) => Market::Unknown,
        (Way::Pools(_), Some(Err(why))) => Market::Nowhere(why),
        (Way::Pools(pools), Some(Ok(readings))) => {
            let spots = readings.iter().map(|reading| reading.spot);
            let spot = spots.into_iter().try_fold(Price::ONE, Price::times);
            let hops = readings.iter().map(|reading| reading.hop).collect();
            match spot {
                Some(spot) => Market::Pools { pools: pools.clone(), hops, spot },
                None => Market::Nowhere("its pools' price cannot be reckoned with".to_owned()),
            }
        }
    }
}

#[cfg(test)]
mod tests;
