//! What a mined call really did, from the events of the extension and its module.

use alloy::{
    primitives::{I256, U256},
    rpc::types::{Log, TransactionReceipt},
    sol_types::SolEvent,
};
use ballast_strategy_api::{Fact, Settlement};

use crate::{
    contracts::{
        IBasisExtension::{RebalanceIterated, Rebalanced, Reinvested, RipcordCalled},
        IBasisModule::{FundingWithdrawn, PerpTraded},
    },
    deployment::Deployment,
};

/// Reads the events in `receipt`; a reverted call left none, and settles to nothing.
pub fn settle(product: &Deployment, receipt: &TransactionReceipt) -> Settlement {
    let mut settlement = Settlement::default();
    for log in receipt.inner.logs() {
        if log.address() == product.extension {
            of_extension(&mut settlement, log);
        } else if log.address() == product.settings.basisTradingModule {
            of_module(product, &mut settlement, log);
        }
    }
    settlement
}

fn of_extension(settlement: &mut Settlement, log: &Log) {
    match log.topic0() {
        Some(&Rebalanced::SIGNATURE_HASH) => {
            let Ok(event) = Rebalanced::decode_log_data(log.data()) else { return };
            settlement.facts.extend([
                fact("current_leverage_ratio", event.currentLeverageRatio),
                // What was intended; a chunk comes only a part of the way.
                fact("new_leverage_ratio", event.newLeverageRatio),
                fact("chunk_rebalance_notional", event.chunkPerpRebalanceNotional),
                fact("total_rebalance_notional", event.totalPerpRebalanceNotional),
            ]);
        }
        Some(&RebalanceIterated::SIGNATURE_HASH) => {
            let Ok(event) = RebalanceIterated::decode_log_data(log.data()) else { return };
            settlement.facts.extend([
                fact("current_leverage_ratio", event.currentLeverageRatio),
                // Not the ratio aimed at but what remains of the TWAP: 0 when this call ended it.
                fact("twap_leverage_ratio", event.newTwapLeverageRatio),
                fact("chunk_rebalance_notional", event.chunkPerpRebalanceNotional),
                fact("total_rebalance_notional", event.totalPerpRebalanceNotional),
            ]);
        }
        Some(&RipcordCalled::SIGNATURE_HASH) => {
            let Ok(event) = RipcordCalled::decode_log_data(log.data()) else { return };
            settlement.income = settlement.income.saturating_add(event.etherIncentive);
            settlement.facts.extend([
                fact("current_leverage_ratio", event.currentLeverageRatio),
                fact("new_leverage_ratio", event.newLeverageRatio),
                fact("chunk_rebalance_notional", event.perpRebalanceNotional),
            ]);
            settlement.facts.extend(amount("ether_incentive", event.etherIncentive));
        }
        Some(&Reinvested::SIGNATURE_HASH) => {
            let Ok(event) = Reinvested::decode_log_data(log.data()) else { return };
            // Collateral base units, and spot base units.
            settlement.facts.extend(amount("reinvested_collateral", event.usdcReinvestedNotional));
            settlement.facts.extend(amount("reinvested_spot", event.spotRebalanceNotional));
        }
        Some(_) | None => {}
    }
}

fn of_module(product: &Deployment, settlement: &mut Settlement, log: &Log) {
    let set = product.settings.setToken;
    match log.topic0() {
        Some(&PerpTraded::SIGNATURE_HASH) => {
            let Ok(event) = PerpTraded::decode_log_data(log.data()) else { return };
            if event.setToken != set {
                return;
            }
            let name = if event.isBuy { "perp_bought" } else { "perp_sold" };
            settlement.facts.extend(amount(name, event.deltaBase));
            settlement.facts.extend(amount("perp_quote", event.deltaQuote));
        }
        Some(&FundingWithdrawn::SIGNATURE_HASH) => {
            let Ok(event) = FundingWithdrawn::decode_log_data(log.data()) else { return };
            if event.setToken != set {
                return;
            }
            settlement.facts.extend(amount("funding_withdrawn", event.amountWithdrawn));
            settlement.facts.extend(amount("manager_fee", event.managerFee));
        }
        Some(_) | None => {}
    }
}

fn fact(name: &str, value: I256) -> Fact {
    Fact { name: name.to_owned(), value }
}

/// Figures beyond 255 bits are no real amounts, and left out.
fn amount(name: &str, value: U256) -> Option<Fact> {
    I256::try_from(value).ok().map(|value| fact(name, value))
}

#[cfg(test)]
mod tests;
