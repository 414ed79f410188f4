//! What the product's operator, Perp's owner and a liquidator do.

use alloy::{
    primitives::{Address, I256, U256, aliases::U24},
    sol_types::SolCall,
};
use eyre::{Result, bail};

use super::BasisMarket;
use crate::{
    Basis, Tooling,
    accounts::{MARKET, OPERATOR},
    batch::Batch,
    contracts::{
        basis::{IBasisStrategy, IManagerAdapters, IPriceFeedDouble},
        perp::{IClearingHouse, IExchange},
    },
    deploy::basis::{Settings, add_extension},
    doubles::Doubles,
};

/// Steps after which a position should long have been wound down.
const MAX_STEPS: usize = 200;

impl BasisMarket {
    /// Any call of the extension by its operator.
    ///
    /// # Errors
    ///
    /// If the transaction fails.
    pub async fn operate<C: SolCall>(&self, call: C) -> Result<()> {
        self.node.transact(OPERATOR, self.basis.extension, call).await?;
        Ok(())
    }

    /// Opens the position with all dollars that the product holds. Where they are more than a chunk's
    /// worth, a keeper has to iterate.
    ///
    /// # Errors
    ///
    /// If it is open already, or a market is too far from the index.
    pub async fn engage(&self) -> Result<()> {
        self.operate(IBasisStrategy::engageCall {}).await
    }

    /// One step of winding down: at most a chunk, after the cooldown. The ratio falls below the minimum
    /// on the way, so the extension says that a rebalance is due.
    ///
    /// # Errors
    ///
    /// If the cooldown has not elapsed, nothing is open, or a market is too far from the index.
    pub async fn wind_down_step(&self) -> Result<()> {
        self.operate(IBasisStrategy::disengageCall {}).await
    }

    /// Takes the keepers off the list and winds the whole position down, letting every cooldown pass.
    ///
    /// # Errors
    ///
    /// As [`wind_down_step`](Self::wind_down_step).
    pub async fn wind_down(&self, keepers: &[Address]) -> Result<()> {
        self.set_caller_status(keepers, false).await?;
        let cooldown = self.execution().await?.twapCooldownPeriod.try_into().unwrap_or(u64::MAX);
        for _ in 0..MAX_STEPS {
            if self.leverage_ratio().await? == I256::ZERO {
                return Ok(());
            }
            self.node.warp(cooldown.saturating_add(1)).await?;
            self.wind_down_step().await?;
        }
        bail!("the position is not closed after {MAX_STEPS} steps")
    }

    /// Replaces the extension: the manager no longer lists the old one, and a new one with the same
    /// settings and these keepers takes its place. Returns the market as the new one's; `self` stays the
    /// old one's.
    ///
    /// # Errors
    ///
    /// If the double cannot be compiled or a transaction fails.
    pub async fn retire(&self, tooling: &Tooling, keepers: &[Address]) -> Result<Self> {
        let old = self.basis.extension;
        let settings = Settings {
            contracts: self.node.read(old, IBasisStrategy::getStrategyCall {}).await?,
            methodology: self.methodology().await?,
            execution: self.execution().await?,
            incentive: self.incentive().await?,
            exchange: self.exchange().await?,
        };
        let doubles = Doubles::compiled(tooling).await?;
        let code = doubles.code("BasisStrategyDouble")?;
        let manager = self.basis.manager;
        let remove = IManagerAdapters::removeAdapterCall { adapter: old };
        self.node.transact(OPERATOR, manager, remove).await?;
        let mut batch = Batch::begin(&self.node, OPERATOR).await?;
        let extension = add_extension(&mut batch, manager, code, &settings, keepers).await?;
        batch.finish().await?;
        let basis = Basis { extension, ..self.basis.clone() };
        Ok(Self { basis, ..self.clone() })
    }

    /// Puts callers on the extension's allow list or takes them off.
    ///
    /// # Errors
    ///
    /// If the transaction fails.
    pub async fn set_caller_status(&self, callers: &[Address], allowed: bool) -> Result<()> {
        let (callers, statuses) = (callers.to_vec(), vec![allowed; callers.len()]);
        self.operate(IBasisStrategy::updateCallerStatusCall { callers, statuses }).await
    }

    /// The present methodology settings: ratios with 18 decimals, seconds.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn methodology(&self) -> Result<IBasisStrategy::MethodologySettings> {
        self.node.read(self.basis.extension, IBasisStrategy::getMethodologyCall {}).await
    }

    /// The present execution settings.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn execution(&self) -> Result<IBasisStrategy::ExecutionSettings> {
        self.node.read(self.basis.extension, IBasisStrategy::getExecutionCall {}).await
    }

    /// The present incentive settings.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn incentive(&self) -> Result<IBasisStrategy::IncentiveSettings> {
        self.node.read(self.basis.extension, IBasisStrategy::getIncentiveCall {}).await
    }

    /// The present exchange settings.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn exchange(&self) -> Result<IBasisStrategy::ExchangeSettings> {
        self.node.read(self.basis.extension, IBasisStrategy::getExchangeSettingsCall {}).await
    }

    /// Changes the methodology settings; not during a rebalance in steps.
    ///
    /// # Errors
    ///
    /// If the extension refuses them.
    pub async fn set_methodology(
        &self,
        settings: IBasisStrategy::MethodologySettings,
    ) -> Result<()> {
        self.operate(IBasisStrategy::setMethodologySettingsCall { settings }).await
    }

    /// Changes the execution settings; not during a rebalance in steps.
    ///
    /// # Errors
    ///
    /// If the extension refuses them.
    pub async fn set_execution(&self, settings: IBasisStrategy::ExecutionSettings) -> Result<()> {
        self.operate(IBasisStrategy::setExecutionSettingsCall { settings }).await
    }

    /// Changes the incentive settings; not during a rebalance in steps.
    ///
    /// # Errors
    ///
    /// If the extension refuses them.
    pub async fn set_incentive(&self, settings: IBasisStrategy::IncentiveSettings) -> Result<()> {
        self.operate(IBasisStrategy::setIncentiveSettingsCall { settings }).await
    }

    /// Sets the largest chunks, in wei of ether: of a rebalance and of a ripcord, which must not be
    /// smaller. Allowed during a rebalance in steps.
    ///
    /// # Errors
    ///
    /// If the extension refuses them.
    pub async fn set_trade_sizes(&self, rebalance: U256, ripcord: U256) -> Result<()> {
        let mut settings = self.exchange().await?;
        settings.twapMaxTradeSize = rebalance;
        settings.incentivizedTwapMaxTradeSize = ripcord;
        self.operate(IBasisStrategy::setExchangeSettingsCall { settings }).await
    }

    /// Says whether the sequencer is up, and since when, in seconds since 1970. Only the feed says so:
    /// the chain goes on.
    ///
    /// # Errors
    ///
    /// If the transaction fails.
    pub async fn set_sequencer(&self, is_up: bool, since: u64) -> Result<()> {
        let answer = if is_up { I256::ZERO } else { I256::ONE };
        let round = IPriceFeedDouble::setAnswerCall { answer, at: U256::from(since) };
        self.node.transact(MARKET, self.basis.sequencer_feed, round).await?;
        Ok(())
    }

    /// How many ticks Perp lets a market's price move within a block before it refuses further trades;
    /// 0, as it is at first, for any number.
    ///
    /// # Errors
    ///
    /// If the transaction fails.
    pub async fn set_tick_limit(&self, ticks: u32) -> Result<()> {
        let limit = IExchange::setMaxTickCrossedWithinBlockCall {
            baseToken: self.basis.perp.base_token,
            maxTickCrossedWithinBlock: U24::from(ticks),
        };
        self.node.transact(OPERATOR, self.basis.perp.exchange, limit).await?;
        Ok(())
    }

    /// Pauses Perp or lets it go on. While it is paused nothing trades there, and neither does
    /// [`set_mark_price`](Self::set_mark_price).
    ///
    /// # Errors
    ///
    /// If it is in that state already.
    pub async fn set_perp_paused(&self, paused: bool) -> Result<()> {
        let house = self.basis.perp.clearing_house;
        if paused {
            self.node.transact(OPERATOR, house, IClearingHouse::pauseCall {}).await?;
        } else {
            self.node.transact(OPERATOR, house, IClearingHouse::unpauseCall {}).await?;
        }
        Ok(())
    }

    /// Liquidates the product's position on Perp, as anybody may once its account is worth less than
    /// the margin that is required.
    ///
    /// # Errors
    ///
    /// If it is worth enough.
    pub async fn liquidate(&self) -> Result<()> {
        let Basis { perp, set_token: trader, .. } = &self.basis;
        let call = IClearingHouse::liquidateCall { trader: *trader, baseToken: perp.base_token };
        self.node.transact(MARKET, perp.clearing_house, call).await?;
        Ok(())
    }
}
