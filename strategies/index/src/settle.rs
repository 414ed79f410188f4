//! What a mined call really did, from the events of the module and of the pools that it traded in.

use alloy::{
    primitives::{Address, I256, U256, U512},
    rpc::types::{Log, TransactionReceipt},
    sol_types::SolEvent,
};
use ballast_strategy_api::{Fact, Settlement};

use crate::{
    contracts::{
        IGeneralIndexModule::{AssetTargetsRaised, TradeExecuted},
        IPair::{Swap as PairSwap, Sync},
        IPool::Swap as PoolSwap,
    },
    decimal::ONE,
    price::Price,
};

/// Binary places of the root of a V3 pool's price.
const Q96: usize = 96;

/// Reads the module's events about `set_token` in `receipt`; a reverted call left none, and settles
/// to nothing.
pub fn settle(
    set_token: Address,
    module: Address,
    weth: Address,
    receipt: &TransactionReceipt,
) -> Settlement {
    let mut settlement = Settlement::default();
    let logs = receipt.inner.logs();
    for log in logs.iter().filter(|log| log.address() == module) {
        if let Some(event) = event::<TradeExecuted>(log).filter(|e| e.setToken == set_token) {
            settlement.slippage = slippage(&event, logs);
            settlement.facts.extend(facts(&event, weth));
        }
        if let Some(event) = event::<AssetTargetsRaised>(log).filter(|e| e.setToken == set_token) {
            settlement.facts.extend(fact("targets_from_multiplier", event.newPositionMultiplier));
        }
    }
    settlement
}

pub(crate) fn event<E: SolEvent>(log: &Log) -> Option<E> {
    (log.topic0() == Some(&E::SIGNATURE_HASH)).then(|| E::decode_log_data(log.data()).ok())?
}

/// Amounts in base units; the price in wei of the intermediate asset for 10^18 base units of the
/// component, before the protocol's fee.
fn facts(event: &TradeExecuted, weth: Address) -> Vec<Fact> {
    let TradeExecuted { netSold, netReceived, protocolFee, .. } = *event;
    let received = netReceived.saturating_add(protocolFee);
    let is_sell = event.buyComponent == weth;
    let (of, paid) = if is_sell { (netSold, received) } else { (received, netSold) };
    let price = Price::of_units(paid, of).and_then(|price| price.value(ONE));
    let names = if is_sell {
        ["component_sold", "weth_received"]
    } else {
        ["component_bought", "weth_paid"]
    };
    let amounts = if is_sell { [netSold, netReceived] } else { [netReceived, netSold] };
    let all = names.into_iter().zip(amounts).chain([("protocol_fee", protocolFee)]);
    all.chain(price.map(|price| ("price", price))).filter_map(|(n, v)| fact(n, v)).collect()
}

/// What was lost against the price that the pools had before the trade, their fees included, by the
/// trade's own logs. `None` unless every pool on the way tells.
pub(crate) fn slippage(event: &TradeExecuted, logs: &[Log]) -> Option<I256> {
    let received = event.netReceived.checked_add(event.protocolFee)?;
    let before = logs.iter().enumerate().filter_map(|(place, log)| {
        if let Some(swap) = self::event::<PairSwap>(log) {
            // A pair tells its reserves right before the swap that led to them.
            let sync = logs.get(..place)?.iter().rev().find(|sync| sync.address() == log.address());
            return Some(sync.and_then(self::event::<Sync>).and_then(|sync| of_pair(&swap, &sync)));
        }
        self::event::<PoolSwap>(log).map(|swap| of_pool(&swap))
    });
    let before: Option<Vec<Price>> = before.collect();
    let before = before.filter(|prices| !prices.is_empty())?;
    let spot = before.into_iter().try_fold(Price::ONE, Price::times)?;
    let realised = Price::of_units(received, event.netSold)?;
    let share = I256::try_from(realised.over(spot)?.fixed18()?).ok()?;
    I256::try_from(ONE).ok()?.checked_sub(share)
}

/// A V2 pair's price of what came in, in what went out, before.
fn of_pair(swap: &PairSwap, sync: &Sync) -> Option<Price> {
    let before = |after: U256, came: U256, went: U256| after.checked_add(went)?.checked_sub(came);
    let first = before(U256::from(sync.reserve0), swap.amount0In, swap.amount0Out)?;
    let second = before(U256::from(sync.reserve1), swap.amount1In, swap.amount1Out)?;
    if swap.amount1Out.is_zero() {
        Price::of_units(first, second)
    } else {
        Price::of_units(second, first)
    }
}

/// A V3 pool's price of what came in, in what went out, before: by the liquidity after, so exact where
/// the swap crossed no tick. What went out has no fee in it.
fn of_pool(swap: &PoolSwap) -> Option<Price> {
    let one = U512::ONE.checked_shl(Q96)?;
    let (after, liquidity) = (U512::from(swap.sqrtPriceX96), U512::from(swap.liquidity));
    let root = if swap.amount1.is_negative() {
        let moved = U512::from(swap.amount1.unsigned_abs()).checked_mul(one)?;
        Price::ratio(after.checked_add(moved.checked_div(liquidity)?)?, one)?
    } else {
        // 1/root before = 1/root after + what went out over the liquidity.
        let moved = U512::from(swap.amount0.unsigned_abs()).checked_mul(after)?;
        let scaled = liquidity.checked_mul(one)?;
        let grown = scaled.checked_add(moved)?.checked_mul(one)?;
        Price::ratio(after.checked_mul(scaled)?, grown)?
    };
    let price = root.times(root)?;
    if swap.amount1.is_negative() { Some(price) } else { price.inverse() }
}

/// Figures beyond 255 bits are no real amounts, and left out.
fn fact(name: &str, value: U256) -> Option<Fact> {
    I256::try_from(value).ok().map(|value| Fact { name: name.to_owned(), value })
}

#[cfg(test)]
mod tests;
