//! One block, with the head start that the last one gave.
//!
//! Which components there are, and which pools they are traded in, is only known once it was read. So
//! what was found at the last block is asked for at once, and only what turns out to be different
//! takes further rounds. These [`Hints`] change what is asked first and never what is decided.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, Bytes, U256, uint};
use ballast_chains::BlockReader;
use ballast_strategy_api::StrategyError;
use futures::future;

use super::{
    Component, Market, Snapshot, Weth,
    look::{General, Look, Seen},
    offers,
};
use crate::{exchange::Way, market::Reading, price::Price, strategy::CompositeIndex};

/// Gas of a typical trade.
const TRADE_GAS: U256 = uint!(300_000_U256);
/// Above this base fee, 30 gwei, what a trade costs is not reckoned with: a dear hour is waited for,
/// and makes nothing that is left to trade too little.
const USUAL_BASE_FEE: U256 = uint!(30_000_000_000_U256);
/// Most components of one rebalance; more were never seen, and what each takes is bounded by it.
pub const MAX_COMPONENTS: usize = 100;

/// What was found at the last block; a mere head start.
#[derive(Debug, Clone, Default)]
pub struct Hints {
    registry: Address,
    tokens: BTreeMap<Address, Hint>,
}

/// What was found of one component.
#[derive(Debug, Clone)]
pub(super) struct Hint {
    pub(super) symbol: String,
    pub(super) decimals: Option<u8>,
    pub(super) exchange: String,
    pub(super) data: Bytes,
    pub(super) adapter: Address,
    pub(super) way: Way,
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
        hints.tokens.insert(token, seen.hint);
    }
    let weth = Weth {
        token: index.weth,
        unit: general.weth_unit,
        target_unit: general.weth_target,
        is_component: general.listed.contains(&index.weth),
    };
    let snapshot = Snapshot {
        now: at.header().timestamp,
        block_time: at.block_time(),
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
        (Way::Unknown, _) | (Way::Pools { .. }, None) => Market::Unknown,
        (Way::Pools { .. }, Some(Err(why))) => Market::Nowhere(why),
        (Way::Pools { pools, .. }, Some(Ok(readings))) => {
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
