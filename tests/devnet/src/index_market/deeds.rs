//! What the operator, holders and other traders do.

use alloy::{
    primitives::{Address, U256},
    rpc::types::TransactionReceipt,
    sol_types::SolCall,
};
use eyre::Result;

use super::IndexMarket;
use crate::{
    accounts::{MARKET, OPERATOR},
    contracts::{
        IStreamingFeeModule,
        index::{
            IBasicIssuanceModule,
            IIndexExtension::startRebalanceWithUnitsCall,
            IIndexModule::{getComponentTradeQuantityAndDirectionCall, tradeCall},
        },
    },
};

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
