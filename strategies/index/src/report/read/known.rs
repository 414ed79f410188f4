//! What is known of an index whatever block it is looked at.

use std::collections::{BTreeMap, BTreeSet};

use alloy::{primitives::Address, sol_types::SolCall as _};
use ballast_chains::{BlockReader, ReadError};
use ballast_strategy_api::StrategyError;
use futures::future;

use super::{Desk, Unread, events::Found};
use crate::{
    contracts::{
        IController::resourceIdCall,
        IGeneralIndexModule::executionInfoCall,
        IRegistry::getIntegrationAdapterCall,
        IToken::{decimalsCall, symbolCall},
        REGISTRY,
    },
    exchange::{SUSHISWAP, UNISWAP_V2, UNISWAP_V3},
    plan::state::symbol_of,
    report::facts::Token,
    strategy::CompositeIndex,
};

/// What is known of the index whatever block it is looked at.
pub(super) struct Known {
    pub(super) index: CompositeIndex,
    pub(super) symbol: String,
    pub(super) tokens: Vec<Token>,
    pub(super) exchanges: BTreeMap<Address, String>,
}

impl Desk<'_> {
    /// Asks for it, at the newest block.
    pub(super) async fn known(
        &self,
        index: CompositeIndex,
        found: &Found,
    ) -> Result<Known, Unread> {
        let mut tokens: BTreeSet<Address> = found.start.1.components.iter().copied().collect();
        for (_, trade) in &found.trades {
            tokens.extend([trade.sellComponent, trade.buyComponent]);
        }
        let tokens: Vec<Address> = tokens.into_iter().collect();
        let past = self.past;
        let (index, read) = past
            .read_at(*past.head(), self.caller(), |at| async move {
                let read = names(&index, &tokens, &at).await;
                (index, read)
            })
            .await;
        let (symbol, tokens, exchanges) = read.map_err(StrategyError::reading("the tokens"))?;
        Ok(Known { index, symbol, tokens, exchanges })
    }
}

/// What the index and its tokens call themselves, and what their adapters are called.
async fn names(
    index: &CompositeIndex,
    tokens: &[Address],
    at: &BlockReader,
) -> Result<(String, Vec<Token>, BTreeMap<Address, String>), ReadError> {
    let (set_token, module) = (index.set_token, index.module);
    let symbol = async |token: Address| -> Result<String, ReadError> {
        let answer = at.call_raw(token, symbolCall {}.abi_encode().into()).await;
        let symbol = unless_silent(answer)?.map(|answer| symbol_of(&answer)).unwrap_or_default();
        Ok(if symbol.is_empty() { token.to_string() } else { symbol })
    };
    let read = tokens.iter().map(async |token| {
        let info = executionInfoCall { setToken: set_token, component: *token };
        let (symbol, decimals, info) =
            futures::join!(symbol(*token), at.call(*token, decimalsCall {}), at.call(module, info));
        let decimals = unless_silent(decimals)?;
        let exchange = unless_silent(info)?.map(|info| info.exchangeName);
        Ok::<_, ReadError>((Token { address: *token, symbol: symbol?, decimals }, exchange))
    });
    let (name, read, registry) = futures::try_join!(
        symbol(set_token),
        future::try_join_all(read),
        at.call(index.controller, resourceIdCall { id: REGISTRY }),
    )?;
    let (tokens, exchanges): (Vec<Token>, Vec<Option<String>>) = read.into_iter().unzip();
    let usual = [UNISWAP_V2, SUSHISWAP, UNISWAP_V3].map(str::to_owned);
    let exchanges: BTreeSet<String> = exchanges.into_iter().flatten().chain(usual).collect();
    let exchanges = exchanges.into_iter().filter(|name| !name.is_empty());
    let adapters = exchanges.map(async |name| {
        let adapter = getIntegrationAdapterCall { module, name: name.clone() };
        Ok::<_, ReadError>((at.call(registry, adapter).await?, name))
    });
    let adapters = future::try_join_all(adapters).await?;
    Ok((name, tokens, adapters.into_iter().collect()))
}

/// A token that does not answer has none; silence is the endpoints'.
fn unless_silent<T>(answer: Result<T, ReadError>) -> Result<Option<T>, ReadError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(ReadError::Reverted(_) | ReadError::Malformed { .. }) => Ok(None),
        Err(silent @ ReadError::Unavailable(_)) => Err(silent),
    }
}
