//! What a mined call really did, from the extension's events.

use alloy::{
    primitives::{Address, I256, U256},
    rpc::types::{Log, TransactionReceipt},
    sol_types::SolEvent,
};
use ballast_strategy_api::{Fact, Settlement};

use crate::contracts::ILeverageStrategyExtension::{RebalanceIterated, Rebalanced, RipcordCalled};

/// Reads the extension's events in `receipt`; a reverted call left none, and settles to nothing.
pub fn settle(extension: Address, receipt: &TransactionReceipt) -> Settlement {
    let mut settlement = Settlement::default();
    let ours = receipt.inner.logs().iter().filter(|log| log.address() == extension);
    for log in ours {
        add(&mut settlement, log);
    }
    settlement
}

fn add(settlement: &mut Settlement, log: &Log) {
    match log.topic0() {
        Some(&Rebalanced::SIGNATURE_HASH) => {
            let Ok(event) = Rebalanced::decode_log_data(log.data()) else { return };
            settlement.facts.extend(facts([
                ("current_leverage_ratio", event.currentLeverageRatio),
                ("new_leverage_ratio", event.newLeverageRatio),
                ("chunk_rebalance_notional", event.chunkRebalanceNotional),
                ("total_rebalance_notional", event.totalRebalanceNotional),
            ]));
        }
        Some(&RebalanceIterated::SIGNATURE_HASH) => {
            let Ok(event) = RebalanceIterated::decode_log_data(log.data()) else { return };
            settlement.facts.extend(facts([
                ("current_leverage_ratio", event.currentLeverageRatio),
                // Not the ratio aimed at but what remains of the TWAP: 0 when this call ended it.
                ("twap_leverage_ratio", event.newLeverageRatio),
                ("chunk_rebalance_notional", event.chunkRebalanceNotional),
                ("total_rebalance_notional", event.totalRebalanceNotional),
            ]));
        }
        Some(&RipcordCalled::SIGNATURE_HASH) => {
            let Ok(event) = RipcordCalled::decode_log_data(log.data()) else { return };
            settlement.income = settlement.income.saturating_add(event.etherIncentive);
            settlement.facts.extend(facts([
                ("current_leverage_ratio", event.currentLeverageRatio),
                ("new_leverage_ratio", event.newLeverageRatio),
                ("chunk_rebalance_notional", event.rebalanceNotional),
                ("ether_incentive", event.etherIncentive),
            ]));
        }
        Some(_) | None => {}
    }
}

/// Figures beyond 255 bits are no real amounts, and left out.
fn facts(of: [(&str, U256); 4]) -> impl Iterator<Item = Fact> {
    of.into_iter().filter_map(|(name, value)| {
        I256::try_from(value).ok().map(|value| Fact { name: name.to_owned(), value })
    })
}

#[cfg(test)]
mod tests {
    use alloy::{
        primitives::{B256, Bytes, LogData, address, b256},
        sol_types::SolValue,
    };
    use ballast_strategy_api::testkit;

    use super::*;

    const EXTENSION: Address = address!("00000000000000000000000000000000000000e1");
    const REBALANCED: B256 =
        b256!("6f55209924dba11af5ddabda4999b20d0ce3aa1847c56b67240ed1fc3590c134");
    const ITERATED: B256 =
        b256!("bba909c59ebdb6de1c7e9f168dae0e8934434ce708dda9f312d6f3a1d1a50259");
    const RIPCORD: B256 = b256!("3ef50471c967ac74a1fec015a5fb439eefe1994f80029752c082a26c3133c932");

    fn log(by: Address, topic: B256, words: [u64; 4]) -> Log {
        let data = words.map(U256::from).abi_encode();
        testkit::log(by, LogData::new_unchecked(vec![topic], Bytes::from(data)))
    }

    fn settled(logs: Vec<Log>) -> (u64, Vec<(String, i64)>) {
        let settlement = settle(EXTENSION, &testkit::receipt(EXTENSION, logs));
        let facts = settlement.facts.iter().map(|f| (f.name.clone(), f.value.as_i64())).collect();
        (settlement.income.to(), facts)
    }

    fn named(facts: [(&str, i64); 4]) -> Vec<(String, i64)> {
        facts.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    #[test]
    fn a_rebalance_tells_its_sizes() {
        let (income, facts) = settled(vec![log(EXTENSION, REBALANCED, [1, 2, 3, 4])]);
        assert_eq!(income, 0);
        let expected = named([
            ("current_leverage_ratio", 1),
            ("new_leverage_ratio", 2),
            ("chunk_rebalance_notional", 3),
            ("total_rebalance_notional", 4),
        ]);
        assert_eq!(facts, expected);
    }

    #[test]
    fn an_iterate_tells_what_is_left_of_the_twap() {
        let (_, facts) = settled(vec![log(EXTENSION, ITERATED, [1, 0, 3, 3])]);
        assert_eq!(facts.get(1), Some(&("twap_leverage_ratio".to_owned(), 0)));
    }

    #[test]
    fn a_ripcord_pays() {
        let (income, facts) = settled(vec![log(EXTENSION, RIPCORD, [1, 2, 3, 77])]);
        assert_eq!(income, 77);
        assert_eq!(facts.get(3), Some(&("ether_incentive".to_owned(), 77)));
    }

    #[test]
    fn events_of_others_and_other_events_are_no_facts() {
        let stranger = address!("00000000000000000000000000000000000000ff");
        let logs = vec![
            log(stranger, RIPCORD, [1, 2, 3, 77]),
            log(EXTENSION, B256::repeat_byte(9), [1, 2, 3, 4]),
        ];
        assert_eq!(settled(logs), (0, Vec::new()));
    }

    #[test]
    fn an_event_cut_short_is_no_fact() {
        let mut short = log(EXTENSION, RIPCORD, [1, 2, 3, 77]);
        short.inner.data.data = short.inner.data.data.slice(..96);
        assert_eq!(settled(vec![short]), (0, Vec::new()));
    }
}
