//! What the operator, holders and other traders do.

use alloy::{
    primitives::{Address, U256},
    rpc::types::TransactionReceipt,
    sol_types::SolCall,
};
use eyre::{OptionExt as _, Result};

use super::IndexMarket;
use crate::{
    Market,
    accounts::{MARKET, OPERATOR},
    contracts::{
        IStreamingFeeModule,
        index::{
            IBasicIssuanceModule,
            IIndexExtension::startRebalanceWithUnitsCall,
            IIndexModule::{getComponentTradeQuantityAndDirectionCall, tradeCall},
        },
    },
    deploy::index::ETHER_DECIMALS,
};

/// A whole, in hundredths of a percent.
const WHOLE: u64 = 10_000;
/// Decimals of values beyond those of a price.
const VALUE_DECIMALS: u8 = 10;

impl IndexMarket {
    /// Any call of the extension by its operator.
    ///
    /// # Errors
    ///
    /// If the transaction fails.
    pub async fn operate<C: SolCall>(&self, call: C) -> Result<TransactionReceipt> {
        self.node.transact(OPERATOR, self.index.extension, call).await
    }

    /// Starts a rebalance: target units in base units per whole index token, of all components that
    /// the index holds and of new ones, by the multiplier of now.
    ///
    /// # Errors
    ///
    /// If a component is missing or twice there.
    pub async fn start_rebalance(&self, targets: &[(Address, U256)]) -> Result<()> {
        let (components, target_units) = targets.iter().copied().unzip();
        let multiplier = self.multiplier().await?;
        let call = startRebalanceWithUnitsCall {
            components,
            targetUnits: target_units,
            positionMultiplier: multiplier,
        };
        self.operate(call).await.map(drop)
    }

    /// Starts a rebalance towards these weights, hundredths of a percent by symbol, at the feeds' prices;
    /// what is held and not named goes, ether that is left over too.
    ///
    /// # Errors
    ///
    /// If a symbol is unknown or the transaction fails.
    pub async fn reweigh(&self, weights: &[(&str, u64)]) -> Result<()> {
        for (symbol, _) in weights {
            self.component(symbol)?;
        }
        let weth = self.deployment.tokens.weth;
        let market = Market::new(self.node.clone(), self.deployment.clone());
        let spare = self.unit(weth).await?;
        let mut worth = value(spare, market.price().await?, ETHER_DECIMALS);
        let mut rows = Vec::new();
        for component in &self.index.components {
            let unit = self.unit(component.token).await?;
            let usd = self.price(component).await?;
            worth = worth.saturating_add(value(unit, usd, component.decimals));
            let given = weights.iter().find(|(symbol, _)| *symbol == component.symbol);
            rows.push((component, unit, usd, given.map_or(0, |(_, weight)| *weight)));
        }
        let mut targets = Vec::new();
        for (component, unit, usd, weight) in rows {
            if unit.is_zero() && weight == 0 {
                continue;
            }
            let share = worth.saturating_mul(U256::from(weight)).checked_div(U256::from(WHOLE));
            let scaled = share.unwrap_or_default().saturating_mul(ten(component.decimals));
            let per = U256::from(usd).saturating_mul(ten(VALUE_DECIMALS));
            targets.push((component.token, scaled.checked_div(per).ok_or_eyre("no price")?));
        }
        if !spare.is_zero() {
            targets.push((weth, U256::ZERO));
        }
        self.start_rebalance(&targets).await
    }

    /// The operator, who may trade too, makes the next trade of a component at any price.
    ///
    /// # Errors
    ///
    /// If the module refuses it.
    pub async fn trade(&self, component: Address) -> Result<TransactionReceipt> {
        let (set_token, module) = (self.index.set_token, self.index.module);
        let size = getComponentTradeQuantityAndDirectionCall { setToken: set_token, component };
        let is_sell = self.node.read(module, size).await?.isSendTokenFixed;
        let limit = if is_sell { U256::ZERO } else { U256::MAX };
        let call = tradeCall { setToken: set_token, component, ethQuantityLimit: limit };
        self.node.transact(OPERATOR, module, call).await
    }

    /// A holder mints index tokens, 18 decimals, with what they consist of now.
    ///
    /// # Errors
    ///
    /// If the transaction fails.
    pub async fn issue(&self, quantity: U256) -> Result<()> {
        let set_token = self.index.set_token;
        let call = IBasicIssuanceModule::issueCall { setToken: set_token, quantity, to: OPERATOR };
        self.node.transact(OPERATOR, self.index.issuance, call).await.map(drop)
    }

    /// A holder gives index tokens back, 18 decimals.
    ///
    /// # Errors
    ///
    /// If there are not so many.
    pub async fn redeem(&self, quantity: U256) -> Result<()> {
        let set_token = self.index.set_token;
        let call = IBasicIssuanceModule::redeemCall { setToken: set_token, quantity, to: OPERATOR };
        self.node.transact(OPERATOR, self.index.issuance, call).await.map(drop)
    }

    /// Somebody accrues the streaming fee: there are more index tokens, and each holds less.
    ///
    /// # Errors
    ///
    /// If the transaction fails.
    pub async fn accrue_fee(&self) -> Result<()> {
        let set_token = self.index.set_token;
        let call = IStreamingFeeModule::accrueFeeCall { setToken: set_token };
        self.node.transact(MARKET, self.index.streaming_fee, call).await.map(drop)
    }
}

/// What so many base units are worth at a price of 8 decimals, in dollars of 8 and [`VALUE_DECIMALS`] more
/// decimals, cut off.
fn value(units: U256, usd: u64, decimals: u8) -> U256 {
    let scaled = units.saturating_mul(U256::from(usd)).saturating_mul(ten(VALUE_DECIMALS));
    scaled.checked_div(ten(decimals)).unwrap_or_default()
}

fn ten(exponent: u8) -> U256 {
    U256::from(10).saturating_pow(U256::from(exponent))
}
