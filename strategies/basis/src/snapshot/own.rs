//! What the extension keeps itself: its settings and its clocks.

use alloy::primitives::{Address, I256, U256};
use ballast_chains::BlockReader;
use ballast_strategy_api::StrategyError;

use crate::contracts::IBasisExtension::{
    self as Ext, ExchangeSettings, ExecutionSettings, IncentiveSettings, MethodologySettings,
};

/// The parts of a [`Snapshot`](super::Snapshot) of the same names.
pub(super) struct Own {
    pub(super) methodology: MethodologySettings,
    pub(super) execution: ExecutionSettings,
    pub(super) incentive: IncentiveSettings,
    pub(super) exchange: ExchangeSettings,
    pub(super) twap_leverage_ratio: I256,
    pub(super) last_trade: U256,
    pub(super) last_reinvest: U256,
    /// The wallet is on the list, or there is none to be on.
    pub(super) permits_caller: bool,
}

impl Own {
    /// Reads all of it; [`StrategyError::Read`] if anything of it is not answered.
    pub(super) async fn read(ext: Address, at: &BlockReader) -> Result<Self, StrategyError> {
        let caller = at.caller();
        let settings = async {
            futures::try_join!(
                at.call(ext, Ext::getMethodologyCall {}),
                at.call(ext, Ext::getExecutionCall {}),
                at.call(ext, Ext::getIncentiveCall {}),
                at.call(ext, Ext::getExchangeSettingsCall {}),
                at.call(ext, Ext::callAllowListCall { caller }),
                at.call(ext, Ext::anyoneCallableCall {}),
            )
            .map_err(StrategyError::reading("the extension's settings"))
        };
        let clocks = async {
            futures::try_join!(
                at.call(ext, Ext::twapLeverageRatioCall {}),
                at.call(ext, Ext::lastTradeTimestampCall {}),
                at.call(ext, Ext::lastReinvestTimestampCall {}),
            )
            .map_err(StrategyError::reading("the extension's clocks"))
        };
        let (settings, clocks) = futures::join!(settings, clocks);
        let (methodology, execution, incentive, exchange, listed, anyone) = settings?;
        let (twap_leverage_ratio, last_trade, last_reinvest) = clocks?;
        Ok(Self {
            methodology,
            execution,
            incentive,
            exchange,
            twap_leverage_ratio,
            last_trade,
            last_reinvest,
            permits_caller: listed || anyone,
        })
    }
}
