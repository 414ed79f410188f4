//! Everything that is read at one block: two rounds, then nothing more.

use alloy::{
    primitives::{Address, U256},
    sol_types::SolCall,
};
use ballast_chains::{BlockReader, ReadError, Revert};
use ballast_strategy_api::StrategyError;
use futures::future;

use crate::{
    Fli, ceiling,
    contracts::ILeverageStrategyExtension::{
        self as Ext, ExchangeSettings, IncentiveSettings, MethodologySettings,
    },
    policy::Bounds,
    ratio::Position,
    variant::Execution,
    viewer::Ranking,
};

/// A product at one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The block's timestamp, seconds. The contract compares its clocks with this one.
    pub now: U256,
    /// The product's wallet.
    pub caller: Address,
    /// Whether that wallet is a contract: then it may do nothing, since every action asks for a
    /// plain account.
    pub caller_is_contract: bool,
    /// Whether the extension's lists let that wallet rebalance and iterate; a ripcord needs no
    /// permission.
    pub caller_permitted: bool,
    /// Where the leverage ratio should be.
    pub methodology: MethodologySettings,
    /// The ripcord's terms.
    pub incentive: IncentiveSettings,
    /// Seconds that an exchange rests between chunks; `None` if it could not be read.
    pub twap_cooldown_period: Option<U256>,
    /// The share of the collateral's value that may be owed before no action can delever any more,
    /// 18 decimals; `None` if it could not be read.
    pub borrow_limit: Option<U256>,
    /// The ratio that an open TWAP goes to; 0 if none is open.
    pub twap_leverage_ratio: U256,
    /// When any action was last taken, seconds since 1970.
    pub global_last_trade: U256,
    /// The part that needs a ratio.
    pub market: Market,
}

/// What the extension says of its position.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one a product and block")]
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
    pub bounds_refused: Option<ReadError>,
    /// What each exchange would trade, or why that is not known.
    pub sizing: Result<Sizing, ReadError>,
    /// What is owned and owed. Read only when something is due and the variant tells.
    pub position: Option<Position>,
    /// What the viewer said. `None` if it was not asked: there is none, nothing is due that it
    /// could rank, or there is an emergency, which does not wait for a hint.
    pub ranking: Option<Ranking>,
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
    /// [`StrategyError::Read`] if the chain did not answer something that the decision needs;
    /// [`StrategyError::Misconfigured`] if the contract answers otherwise than its kind does.
    pub async fn read(fli: &Fli, at: &BlockReader) -> Result<Self, StrategyError> {
        let ext = fli.product.extension;
        let caller = at.caller();
        let reads = async {
            futures::try_join!(
                at.call(ext, Ext::getMethodologyCall {}),
                at.call(ext, Ext::getIncentiveCall {}),
                at.call(ext, Ext::twapLeverageRatioCall {}),
                at.call(ext, Ext::globalLastTradeTimestampCall {}),
                at.call(ext, Ext::callAllowListCall { caller }),
                at.call(ext, Ext::anyoneCallableCall {}),
            )
            .map_err(StrategyError::reading("the extension's settings"))
        };
        let first = async {
            let (reads, ratio, should) = futures::join!(
                reads,
                at.call(ext, Ext::getCurrentLeverageRatioCall {}),
                at.call(ext, Ext::shouldRebalanceCall {}),
            );
            let reads = reads?;
            let market = Market::read(fli, at, &reads.0, ratio, should).await?;
            Ok((reads, market))
        };
        // Beside it: what only observations are made of.
        let (first, execution, factor) = futures::join!(
            first,
            at.call_raw(ext, Ext::getExecutionCall {}.abi_encode().into()),
            ceiling::factor(&fli.product, at),
        );
        let ((methodology, incentive, twap_leverage_ratio, last, listed, anyone), market) = first?;
        let execution = execution.ok().and_then(|e| Execution::decode(fli.product.variant, e));
        let limit = |execution: Execution| ceiling::borrow_limit(factor?, execution.held_back);
        Ok(Self {
            now: U256::from(at.header().timestamp),
            caller,
            caller_is_contract: fli.caller_is_contract,
            caller_permitted: listed || anyone,
            methodology,
            incentive,
            twap_cooldown_period: execution.map(|execution| execution.twap_cooldown_period),
            borrow_limit: execution.and_then(limit),
            twap_leverage_ratio,
            global_last_trade: last,
            market,
        })
    }
}

impl Market {
    async fn read(
        fli: &Fli,
        at: &BlockReader,
        methodology: &MethodologySettings,
        ratio: Result<U256, ReadError>,
        should: Result<Ext::shouldRebalanceReturn, ReadError>,
    ) -> Result<Self, StrategyError> {
        Ok(match refused_or(ratio, "the leverage ratio")? {
            Err(revert) => Self::Refused(revert),
            Ok(ratio) => match refused_or(should, "what is due")? {
                Err(revert) => Self::Refused(revert),
                Ok(due) => Self::Live(Live::read(fli, at, methodology, ratio, due).await?),
            },
        })
    }
}

impl Live {
    /// The second round: what depends on the exchanges' names. Of it only their settings must be
    /// there; without the rest an action is the less precise.
    async fn read(
        fli: &Fli,
        at: &BlockReader,
        methodology: &MethodologySettings,
        leverage_ratio: U256,
        should: Ext::shouldRebalanceReturn,
    ) -> Result<Self, StrategyError> {
        let Ext::shouldRebalanceReturn { names, actions } = should;
        let due = ShouldRebalance::of_each(&names, actions)?;
        // Looser bounds can only take something away, so this is enough to go by.
        let most = due.iter().copied().max().unwrap_or(ShouldRebalance::None);
        let extension = fli.product.extension;
        let bounds = fli.policy.bounds(methodology);
        let custom = fli.policy.has_bounds().then_some(bounds);
        let viewer = fli.viewer.filter(|_| most.may_wait() && names.len() > 1);
        let (bounded, settings, sizing, position, ranking) = futures::join!(
            due_by(custom, extension, &names, at),
            read_settings(extension, &names, at),
            Sizing::read(extension, &names, at),
            async {
                if most == ShouldRebalance::None { None } else { fli.product.position(at).await }
            },
            async { Some(Ranking::read(viewer?, bounds, at).await) },
        );
        let (due, bounds_refused) = match bounded? {
            None => (due, None),
            Some(Ok(bounded)) => (bounded, None),
            Some(Err(error)) => (due, Some(error)),
        };
        let exchanges = names
            .into_iter()
            .zip(due)
            .zip(settings?)
            .map(|((name, due), settings)| Exchange { name, due, settings })
            .collect();
        Ok(Self { leverage_ratio, exchanges, bounds_refused, sizing, position, ranking })
    }

    /// The most pressing action that any exchange is ready for.
    pub fn due(&self) -> ShouldRebalance {
        self.exchanges.iter().map(|e| e.due).max().unwrap_or(ShouldRebalance::None)
    }
}

impl ShouldRebalance {
    /// Whether it is due but can wait for a hint.
    fn may_wait(self) -> bool {
        matches!(self, Self::Rebalance | Self::IterateRebalance)
    }
}

impl Sizing {
    async fn read(
        extension: Address,
        names: &[String],
        at: &BlockReader,
    ) -> Result<Self, ReadError> {
        let call = Ext::getChunkRebalanceNotionalCall { exchangeNames: names.to_vec() };
        let sizing = at.call(extension, call).await?;
        if sizing.sizes.len() != names.len() {
            let (asked, answered) = (names.len(), sizing.sizes.len());
            let detail = format!("{answered} trade sizes for {asked} exchanges");
            return Err(ReadError::Malformed { target: extension, detail });
        }
        Ok(Self { chunks: sizing.sizes, sell_asset: sizing.sellAsset })
    }
}

/// What is due if `bounds` replace the product's own; `None` without bounds, an error where the
/// extension refuses them or they could not be asked about.
async fn due_by(
    bounds: Option<Bounds>,
    extension: Address,
    names: &[String],
    at: &BlockReader,
) -> Result<Option<Result<Vec<ShouldRebalance>, ReadError>>, StrategyError> {
    let Some(Bounds { min, max }) = bounds else { return Ok(None) };
    let call = Ext::shouldRebalanceWithBoundsCall {
        customMinLeverageRatio: min,
        customMaxLeverageRatio: max,
    };
    Ok(Some(match at.call(extension, call).await {
        Ok(should) => Ok(ShouldRebalance::of_each(names, should.actions)?),
        Err(error) => Err(error),
    }))
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
