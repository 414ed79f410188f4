use alloy::primitives::Bytes;

use super::*;

const SET: Address = Address::repeat_byte(0x5e);
const MODULE: Address = Address::repeat_byte(0x60);
const WETH: Address = Address::repeat_byte(0xee);
const UNI: Address = Address::repeat_byte(1);

fn log<E: SolEvent>(block: u64, index: u64, by: Address, event: &E) -> Log {
    let data = event.encode_log_data();
    Log {
        inner: alloy::primitives::Log { address: by, data },
        block_number: Some(block),
        log_index: Some(index),
        ..Log::default()
    }
}

fn start(block: u64, index: u64) -> Log {
    let event = RebalanceStarted {
        setToken: SET,
        components: vec![UNI],
        targetUnits: vec![U256::from(block)],
        positionMultiplier: ONE,
    };
    log(block, index, MODULE, &event)
}

fn trade(block: u64, index: u64) -> Log {
    let event = TradeExecuted {
        setToken: SET,
        sellComponent: UNI,
        buyComponent: WETH,
        exchangeAdapter: UNI,
        executor: UNI,
        netSold: U256::from(block),
        netReceived: U256::from(index),
        protocolFee: U256::ZERO,
    };
    log(block, index, MODULE, &event)
}

fn raise(block: u64, index: u64) -> Log {
    log(block, index, MODULE, &AssetTargetsRaised { setToken: SET, newPositionMultiplier: ONE })
}

/// Block and place of each.
fn places<E>(events: &[(Log, E)]) -> Vec<(u64, u64)> {
    let place = |log: &Log| (log.block_number.unwrap(), log.log_index.unwrap());
    events.iter().map(|(log, _)| place(log)).collect()
}

#[test]
fn a_rebalance_is_what_lies_between_two_starts_of_the_same_block_too() {
    let logs = || {
        vec![
            trade(5, 0),
            start(10, 3),
            trade(10, 9),
            raise(11, 0),
            trade(20, 1),
            start(20, 2),
            trade(20, 3),
            trade(30, 0),
        ]
    };
    let latest = select(logs(), 0).unwrap();
    assert_eq!(latest.start.0.block_number, Some(20));
    assert_eq!((places(&latest.trades), latest.next), (vec![(20, 3), (30, 0)], None));
    assert!(latest.raises.is_empty());
    let before = select(logs(), 1).unwrap();
    assert_eq!(before.start.1.targetUnits, [U256::from(10)]);
    assert_eq!((places(&before.trades), before.next), (vec![(10, 9), (20, 1)], Some(20)));
    assert_eq!(places(&before.raises), [(11, 0)]);
    assert!(select(logs(), 2).is_none());
    assert!(select(vec![trade(5, 0)], 0).is_none());
}

#[test]
fn of_a_transaction_with_several_trades_each_has_the_logs_before_its_own() {
    let other = |index| {
        let mut log = trade(7, index);
        log.inner.address = UNI;
        log.inner.data.data = Bytes::from(index.to_be_bytes().to_vec());
        log
    };
    let logs = [other(1), other(2), trade(7, 3), other(4), trade(7, 5), other(6)];
    let of = |own: &Log| own_logs(&logs, own).iter().map(|log| log.log_index.unwrap()).collect();
    let (first, second): (Vec<u64>, Vec<u64>) = (of(&logs[2]), of(&logs[4]));
    assert_eq!((first, second), (vec![1, 2], vec![4]));
}
