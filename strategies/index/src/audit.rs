//! What `check` tells of an index beyond a decision: who may trade it, what would make trades revert,
//! and settings that look odd. None of it is asked at a block of the keeper's work.
//!
//! Reading is here; what follows from it is pure: `access` (who may), `parts` (the components),
//! [`sources`] (where prices come from).

pub mod access;
pub mod parts;
pub mod sources;
#[cfg(test)]
mod tests;

use alloy::primitives::Address;
use ballast_chains::{BlockReader, ReadError};
use ballast_strategy_api::Doubt;
use futures::future;

use self::{
    access::Access,
    parts::{Parts, Token},
    sources::Quoter,
};
use crate::{
    contracts::{
        IController::resourceIdCall,
        IGeneralIndexModule::{
            getAllowedTradersCall, getIsAllowedTraderCall, getRebalanceComponentsCall,
            permissionInfoCall, rebalanceInfoCall,
        },
        IPositions::getExternalPositionModulesCall,
        IRouter::factoryCall,
        REGISTRY,
    },
    exchange::{self, Desk, UNISWAP_V3},
    plan::state::Index,
    steward::Steward,
    strategy::CompositeIndex,
};

/// Everything that a person should look at. What cannot be read is left to the assessment, which
/// says so.
pub async fn audit(index: &CompositeIndex, at: &BlockReader) -> Vec<Doubt> {
    let set_token = index.set_token;
    let (access, steward, components, quoter, seen) = futures::join!(
        access(index, at),
        Steward::find(set_token, index.module, at),
        at.call(index.module, getRebalanceComponentsCall { setToken: set_token }),
        quoter(index, at),
        sources::read(&index.policy, at),
    );
    let mut doubts = Vec::new();
    doubts.extend(access.map(|access| access.doubts()).unwrap_or_default());
    if let Ok(steward) = steward {
        doubts.extend(access::of_steward(&steward, index.module, at.caller()));
    }
    let parts = match components {
        Ok(listed) => parts(index, listed, at).await,
        Err(_) => None,
    };
    if let Some(parts) = parts {
        doubts.extend(parts.doubts());
        doubts.extend(sources::of_quoter(&quoter, &parts));
        doubts.extend(sources::of_feeds(&index.policy, &seen, &parts));
        doubts.extend(sources::of_dust(index.policy.dust, &parts));
    }
    doubts
}

async fn access(index: &CompositeIndex, at: &BlockReader) -> Result<Access, ReadError> {
    let (set_token, module, trader) = (index.set_token, index.module, at.caller());
    let (is_allowed, anyone, listed) = futures::try_join!(
        at.call(module, getIsAllowedTraderCall { setToken: set_token, trader }),
        at.call(module, permissionInfoCall { setToken: set_token }),
        at.call(module, getAllowedTradersCall { setToken: set_token }),
    )?;
    let caller_is_contract = index.caller_is_contract;
    Ok(Access { caller: trader, is_allowed, anyone, listed, caller_is_contract })
}

/// The components; `None` if one of them cannot be read.
async fn parts(index: &CompositeIndex, listed: Vec<Address>, at: &BlockReader) -> Option<Parts> {
    let (set_token, module) = (index.set_token, index.module);
    // An address of zero, which a duplicate leaves behind, is no token that could be read.
    let real: Vec<Address> = listed.iter().copied().filter(|token| !token.is_zero()).collect();
    let (read, started) = futures::join!(
        Index::read(set_token, module, &real, at),
        at.call(module, rebalanceInfoCall { setToken: set_token }),
    );
    let (read, started) = (read.ok()?, started.ok()?);
    let external = read.tokens.iter().map(|token| async {
        let call = getExternalPositionModulesCall { component: token.address };
        at.call(set_token, call).await.map(|modules| modules.len()).unwrap_or_default()
    });
    let external = future::join_all(external).await;
    let tokens = read.tokens.iter().zip(external).map(|(token, external)| Token {
        address: token.address,
        symbol: token.symbol.clone(),
        is_listed: listed.contains(&token.address),
        unit: token.unit,
        target_unit: token.target_unit,
        max_size: token.max_size,
        cool_off: token.cool_off,
        exchange: token.exchange.clone(),
        venue: token.venue.clone(),
        external,
    });
    Some(Parts {
        supply: read.supply,
        multiplier: read.multiplier,
        started_at: started.positionMultiplier,
        raise: started.raiseTargetPercentage,
        protocol_fee: read.protocol_fee,
        base_fee: at.header().base_fee_per_gas,
        weth: read.weth,
        tokens: tokens.collect(),
        listed,
    })
}

/// What stands where the file says that a quoter is, and which pools it asks.
async fn quoter(index: &CompositeIndex, at: &BlockReader) -> Quoter {
    let Some(quoter) = index.v3_quoter.map(|quoter| quoter.address()) else {
        return Quoter::Unnamed;
    };
    let asks = match at.call(quoter, factoryCall {}).await {
        Ok(factory) => factory,
        Err(ReadError::Reverted(_) | ReadError::Malformed { .. }) => return Quoter::Dead(quoter),
        Err(ReadError::Unavailable(_)) => return Quoter::Fits,
    };
    match v3_factory(index, at).await {
        Some(trades) if trades != asks => Quoter::Elsewhere { quoter, asks, trades },
        Some(_) | None => Quoter::Fits,
    }
}

/// Whose pools the module trades on by Uniswap V3's adapter.
async fn v3_factory(index: &CompositeIndex, at: &BlockReader) -> Option<Address> {
    let registry = at.call(index.controller, resourceIdCall { id: REGISTRY }).await.ok()?;
    let desk = Desk { registry, module: index.module, weth: index.weth };
    let adapter = desk.adapter(UNISWAP_V3, at).await.ok().filter(|adapter| !adapter.is_zero())?;
    exchange::factory(adapter, at).await.ok()
}
