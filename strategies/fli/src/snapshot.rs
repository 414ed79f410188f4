//! Everything that is read at one block: two rounds, then nothing more.

use alloy::{
    primitives::{Address, U256},
    sol_types::SolCall,
};
use ballast_chains::{BlockReader, ReadError, Revert};
use ballast_strategy_api::StrategyError;
use futures::future;

use crate::{
    contracts::ILeverageStrategyExtension::{
        self as Ext, ExchangeSettings, IncentiveSettings, MethodologySettings,
    },
    policy::{Bounds, Policy},
    ratio::Position,
    variant::{Deployment, twap_cooldown_period},
};

/// A product at one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The block's timestamp, seconds. The contract compares its clocks with this one.
    pub now: U256,
    /// The product's wallet.
    pub caller: Address,
    /// Whether that wallet may rebalance and iterate; a ripcord needs no permission.
    pub caller_permitted: bool,
    /// Where the leverage ratio should be.
    pub methodology: MethodologySettings,
    /// The ripcord's terms.
    pub incentive: IncentiveSettings,
    /// Seconds that an exchange rests between chunks.
    pub twap_cooldown_period: U256,
    /// The ratio that an open TWAP goes to; 0 if none is open.
    pub twap_leverage_ratio: U256,
    /// When any action was last taken, seconds since 1970.
    pub global_last_trade: U256,
    /// The part that needs a ratio.
    pub market: Market,
}

/// What the extension says of its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Market {
    /// It has a leverage ratio.
    Live(Live),
    /// It cannot compute one.
    Refused(Revert),
}

/// A position with a leverage ratio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// The current leverage ratio, 18 decimals.
    pub leverage_ratio: U256,
    /// The enabled exchanges, in the contract's order.
    pub exchanges: Vec<Exchange>,
    /// Why the extension did not say what is due by the operator's bounds. What is due is then by
    /// its own.
    pub bounds_refused: Option<Revert>,
    /// What each exchange would trade, or why no trade can be sized.
    pub sizing: Result<Sizing, Revert>,
    /// What is owned and owed. Read only when something is due and the variant tells.
    pub position: Option<Position>,
}

/// One enabled exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The name that actions take.
    pub name: String,
    /// What the extension says is due there.
    pub due: ShouldRebalance,
    /// Its trade sizes and clock.
    pub settings: ExchangeSettings,
}

/// What `getChunkRebalanceNotional` says for the enabled exchanges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sizing {
    /// Per exchange, in the order of [`Live::exchanges`]: base units of the asset sold.
    pub chunks: Vec<U256>,
    /// The asset that would be sold.
    pub sell_asset: Address,
}

/// The contract's enum of the same name: which action an exchange is ready for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShouldRebalance {
    /// Nothing.
    None,
    /// `rebalance`.
    Rebalance,
    /// `iterateRebalance`.
    IterateRebalance,
    /// `ripcord`.
    Ripcord,
}

impl TryFrom<u8> for ShouldRebalance {
    type Error = StrategyError;

    fn try_from(number: u8) -> Result<Self, StrategyError> {
        match number {
            0 => Ok(Self::None),
            1 => Ok(Self::Rebalance),
            2 => Ok(Self::IterateRebalance),
            3 => Ok(Self::Ripcord),
            other => Err(StrategyError::Misconfigured(format!(
                "shouldRebalance() answers {other}, which is no action"
            ))),
        }
    }
}

impl ShouldRebalance {
    fn of_each(names: &[String], actions: Vec<u8>) -> Result<Vec<Self>, StrategyError> {
        if names.len() != actions.len() {
            return Err(uneven("shouldRebalance()", names.len(), actions.len()));
        }
        actions.into_iter().map(Self::try_from).collect()
    }
}

impl Snapshot {
    /// Reads all of it.
    ///
    /// # Errors
    /// [`StrategyError::Read`] if the chain did not answer; [`StrategyError::Misconfigured`] if
    /// the contract answers otherwise than its kind does.
    pub async fn read(
        product: &Deployment,
        policy: &Policy,
        at: &BlockReader,
    ) -> Result<Self, StrategyError> {
        let ext = product.extension;
        let caller = at.caller();
        let reads = async {
            futures::try_join!(
                at.call(ext, Ext::getMethodologyCall {}),
                at.call(ext, Ext::getIncentiveCall {}),
                at.call_raw(ext, Ext::getExecutionCall {}.abi_encode().into()),
                at.call(ext, Ext::twapLeverageRatioCall {}),
                at.call(ext, Ext::globalLastTradeTimestampCall {}),
                at.call(ext, Ext::callAllowListCall { caller }),
                at.call(ext, Ext::anyoneCallableCall {}),
            )
            .map_err(StrategyError::reading("the extension's settings"))
        };
        let (reads, ratio, should) = futures::join!(
            reads,
            at.call(ext, Ext::getCurrentLeverageRatioCall {}),
            at.call(ext, Ext::shouldRebalanceCall {}),
        );
        let (methodology, incentive, execution, twap_leverage_ratio, last, listed, anyone) = reads?;
        let bounds = policy.has_bounds().then(|| policy.bounds(&methodology));
        let market = match refused_or(ratio, "the leverage ratio")? {
            Err(revert) => Market::Refused(revert),
            Ok(ratio) => match refused_or(should, "what is due")? {
                Err(revert) => Market::Refused(revert),
                Ok(due) => Market::Live(Live::read(product, bounds, at, ratio, due).await?),
            },
        };
        Ok(Self {
            now: U256::from(at.header().timestamp),
            caller,
            caller_permitted: listed || anyone,
            methodology,
            incentive,
            twap_cooldown_period: twap_cooldown_period(ext, execution)?,
            twap_leverage_ratio,
            global_last_trade: last,
            market,
        })
    }
}

impl Live {
    /// The second round: what depends on the exchanges' names.
    async fn read(
        product: &Deployment,
        bounds: Option<Bounds>,
        at: &BlockReader,
        leverage_ratio: U256,
        should: Ext::shouldRebalanceReturn,
    ) -> Result<Self, StrategyError> {
        let Ext::shouldRebalanceReturn { names, actions } = should;
        let due = ShouldRebalance::of_each(&names, actions)?;
        // Looser bounds can only take something away, so this is enough to go by.
        let is_due = due.iter().any(|due| *due != ShouldRebalance::None);
        let (bounded, settings, sizing, position) = futures::try_join!(
            due_by(bounds, product.extension, &names, at),
            read_settings(product.extension, &names, at),
            Sizing::read(product.extension, &names, at),
            async { if is_due { product.position(at).await } else { Ok(None) } },
        )?;
        let (due, bounds_refused) = match bounded {
            None => (due, None),
            Some(Ok(bounded)) => (bounded, None),
            Some(Err(revert)) => (due, Some(revert)),
        };
        let exchanges = names
            .into_iter()
            .zip(due)
            .zip(settings)
            .map(|((name, due), settings)| Exchange { name, due, settings })
            .collect();
        Ok(Self { leverage_ratio, exchanges, bounds_refused, sizing, position })
    }

    /// The most pressing action that any exchange is ready for.
    pub fn due(&self) -> ShouldRebalance {
        self.exchanges.iter().map(|e| e.due).max().unwrap_or(ShouldRebalance::None)
    }
}

impl Sizing {
    async fn read(
        extension: Address,
        names: &[String],
        at: &BlockReader,
    ) -> Result<Result<Self, Revert>, StrategyError> {
        let call = Ext::getChunkRebalanceNotionalCall { exchangeNames: names.to_vec() };
        let sizing = refused_or(at.call(extension, call).await, "the trade sizes")?;
        if let Ok(sizing) = &sizing
            && sizing.sizes.len() != names.len()
        {
            return Err(uneven("getChunkRebalanceNotional()", names.len(), sizing.sizes.len()));
        }
        Ok(sizing.map(|sizing| Self { chunks: sizing.sizes, sell_asset: sizing.sellAsset }))
    }
}

/// What is due if `bounds` replace the product's own; `None` without bounds, a revert where the
/// extension refuses them.
async fn due_by(
    bounds: Option<Bounds>,
    extension: Address,
    names: &[String],
    at: &BlockReader,
) -> Result<Option<Result<Vec<ShouldRebalance>, Revert>>, StrategyError> {
    let Some(Bounds { min, max }) = bounds else { return Ok(None) };
    let call = Ext::shouldRebalanceWithBoundsCall {
        customMinLeverageRatio: min,
        customMaxLeverageRatio: max,
    };
    let read = refused_or(at.call(extension, call).await, "what is due by custom bounds")?;
    let due = match read {
        Ok(should) => Ok(ShouldRebalance::of_each(names, should.actions)?),
        Err(revert) => Err(revert),
    };
    Ok(Some(due))
}

async fn read_settings(
    extension: Address,
    names: &[String],
    at: &BlockReader,
) -> Result<Vec<ExchangeSettings>, StrategyError> {
    let calls = names.iter().map(|name| {
        at.call(extension, Ext::getExchangeSettingsCall { exchangeName: name.clone() })
    });
    future::try_join_all(calls).await.map_err(StrategyError::reading("an exchange's settings"))
}

/// Splits a refusal, which says something about the product, from a failure, which does not.
fn refused_or<T>(
    read: Result<T, ReadError>,
    what: &'static str,
) -> Result<Result<T, Revert>, StrategyError> {
    match read {
        Ok(value) => Ok(Ok(value)),
        Err(ReadError::Reverted(revert)) => Ok(Err(revert)),
        Err(error @ (ReadError::Malformed { .. } | ReadError::Unavailable(_))) => {
            Err(StrategyError::reading(what)(error))
        }
    }
}

fn uneven(view: &str, asked: usize, answered: usize) -> StrategyError {
    StrategyError::Misconfigured(format!("{view} answers {answered} values for {asked} exchanges"))
}

#[cfg(test)]
mod tests;
