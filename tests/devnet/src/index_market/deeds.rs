//! What the operator, holders and other traders do.

use alloy::{
    primitives::{Address, U256},
    rpc::types::TransactionReceipt,
    sol_types::SolCall,
};
use eyre::{OptionExt as _, Result};

use super::IndexMarket;
use crate::{
    IndexComponent, Market,
    accounts::{MARKET, OPERATOR},
    contracts::{
        IIntegrationRegistry, IStreamingFeeModule,
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

/// What an index token holds of a token.
struct Worth {
    symbol: String,
    token: Address,
    decimals: u8,
    /// 8 decimals.
    usd: u64,
    /// As [`value`] says.
    value: U256,
}

impl IndexMarket {
    /// Any call of the extension by its operator.
    ///
    /// # Errors
    ///
    /// If the transaction fails.
    pub async fn operate<C: SolCall>(&self, call: C) -> Result<TransactionReceipt> {
        self.node.transact(OPERATOR, self.index.extension, call).await
    }

    /// Whoever owns Set Protocol registers the adapter of one name under another, too.
    ///
    /// # Errors
    ///
    /// If the name is taken, or there is no such adapter.
    pub async fn register_adapter(&self, name: &str, of: &str) -> Result<()> {
        let (module, registry) = (self.index.module, self.index.registry);
        let known = IIntegrationRegistry::getIntegrationAdapterCall { module, name: of.to_owned() };
        let adapter = self.node.read(registry, known).await?;
        let name = name.to_owned();
        let add = IIntegrationRegistry::addIntegrationCall { module, name, adapter };
        self.node.transact(OPERATOR, registry, add).await.map(drop)
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
        let (worth, all) = self.worth().await?;
        let mut targets = Vec::new();
        for Worth { symbol, token, decimals, usd, value } in all {
            let given = weights.iter().find(|(of, _)| *of == symbol);
            let weight = given.map_or(0, |(_, weight)| *weight);
            if value.is_zero() && weight == 0 {
                continue;
            }
            let share = worth.saturating_mul(U256::from(weight)).checked_div(U256::from(WHOLE));
            let scaled = share.unwrap_or_default().saturating_mul(ten(decimals));
            let per = U256::from(usd).saturating_mul(ten(VALUE_DECIMALS));
            targets.push((token, scaled.checked_div(per).ok_or_eyre("no price")?));
        }
        self.start_rebalance(&targets).await
    }

    /// What share of the index each component has by the feeds' prices, hundredths of a percent, rounded;
    /// ether that is left over too.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn shares(&self) -> Result<Vec<(String, u64)>> {
        let (worth, all) = self.worth().await?;
        let half = worth >> 1_usize;
        let share = |value: U256| {
            let scaled = value.saturating_mul(U256::from(WHOLE)).saturating_add(half);
            u64::try_from(scaled.checked_div(worth).unwrap_or_default())
        };
        all.into_iter().map(|row| Ok((row.symbol, share(row.value)?))).collect()
    }

    /// What a whole index token is worth, and each part of it.
    async fn worth(&self) -> Result<(U256, Vec<Worth>)> {
        let market = Market::new(self.node.clone(), self.deployment.clone());
        let weth = self.deployment.tokens.weth;
        let mut all = Vec::new();
        for component in &self.index.components {
            let IndexComponent { symbol, token, decimals, .. } = component.clone();
            all.push((symbol, token, decimals, self.price(component).await?));
        }
        all.push(("WETH".to_owned(), weth, ETHER_DECIMALS, market.price().await?));
        let (mut sum, mut parts) = (U256::ZERO, Vec::new());
        for (symbol, token, decimals, usd) in all {
            let value = value(self.unit(token).await?, usd, decimals);
            sum = sum.saturating_add(value);
            parts.push(Worth { symbol, token, decimals, usd, value });
        }
        Ok((sum, parts))
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
