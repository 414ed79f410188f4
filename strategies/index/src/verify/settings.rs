//! What a batch sets besides the units, as the state it leaves behind: the checks of what follows
//! count with it.

use std::collections::BTreeMap;

use alloy::{
    primitives::{Address, Bytes, U256},
    sol_types::SolInterface as _,
};
use ballast_chains::BlockReader;
use ballast_strategy_api::{StrategyError, safe_batch::read::Parsed};

use crate::{
    contracts::IExtension::IExtensionCalls,
    exchange::Noted,
    plan::state::{Index, Quotes},
    venue::Route,
};

/// What a batch sets; what comes later in it counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// By which adapter each component is traded …
    pub exchanges: BTreeMap<Address, String>,
    /// … and how.
    pub exchange_data: BTreeMap<Address, Bytes>,
    /// Most of one trade, base units.
    pub maximums: BTreeMap<Address, U256>,
    /// The rest between two trades, seconds.
    pub cool_offs: BTreeMap<Address, U256>,
    /// By how much `raiseAssetTargets` raises, 18 decimals.
    pub raise: Option<U256>,
    /// Who may trade and who no longer.
    pub traders: BTreeMap<Address, bool>,
    /// Whether anyone may trade.
    pub anyone: Option<bool>,
}

impl Settings {
    /// Of all calls of a batch, whomever they go to: that is a check of its own.
    pub fn of(batch: &Parsed) -> Self {
        let mut settings = Self::default();
        for call in &batch.calls {
            if let Ok(call) = IExtensionCalls::abi_decode(&call.data) {
                settings.add(call);
            }
        }
        settings
    }

    fn add(&mut self, call: IExtensionCalls) {
        match call {
            IExtensionCalls::setExchanges(set) => {
                self.exchanges.extend(set.components.into_iter().zip(set.exchangeNames));
            }
            IExtensionCalls::setExchangeData(set) => {
                self.exchange_data.extend(set.components.into_iter().zip(set.exchangeData));
            }
            IExtensionCalls::setTradeMaximums(set) => {
                self.maximums.extend(set.components.into_iter().zip(set.tradeMaximums));
            }
            IExtensionCalls::setCoolOffPeriods(set) => {
                self.cool_offs.extend(set.components.into_iter().zip(set.coolOffPeriods));
            }
            IExtensionCalls::setRaiseTargetPercentage(set) => {
                self.raise = Some(set.raiseTargetPercentage);
            }
            IExtensionCalls::setTraderStatus(set) => {
                self.traders.extend(set.traders.into_iter().zip(set.statuses));
            }
            IExtensionCalls::setAnyoneTrade(set) => self.anyone = Some(set.status),
            IExtensionCalls::startRebalanceWithUnits(_)
            | IExtensionCalls::generalIndexModule(_) => (),
        }
    }

    /// Gives an index these settings; where a component is traded otherwise than now, its pools are
    /// looked up anew.
    ///
    /// # Errors
    /// [`StrategyError::Read`] if the chain did not answer.
    pub async fn apply(&self, index: &mut Index, at: &BlockReader) -> Result<(), StrategyError> {
        let desk = index.desk;
        index.raise = self.raise.unwrap_or(index.raise);
        for token in &mut index.tokens {
            let address = token.address;
            token.max_size = self.maximums.get(&address).copied().unwrap_or(token.max_size);
            token.cool_off = self.cool_offs.get(&address).copied().unwrap_or(token.cool_off);
            let before = (token.exchange.clone(), token.exchange_data.clone());
            // The module leaves out the asset that all others are traded for.
            if let Some(name) = self.exchanges.get(&address).filter(|_| address != desk.weth) {
                token.exchange.clone_from(name);
            }
            if let Some(data) = self.exchange_data.get(&address) {
                token.exchange_data = data.clone();
            }
            if before != (token.exchange.clone(), token.exchange_data.clone()) {
                let (exchange, data) = (&token.exchange, &token.exchange_data);
                let noted = Noted { token: address, exchange, data };
                let Route { venue, pools, factory } = desk.route(noted, at).await?;
                (token.venue, token.pools, token.factory) = (venue, pools, factory);
                token.quotes = Quotes::new();
            }
        }
        Ok(())
    }
}
