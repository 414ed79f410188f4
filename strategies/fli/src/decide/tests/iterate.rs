//! While a TWAP is open.

use super::*;
use crate::contracts::ILeverageStrategyExtension::iterateRebalanceCall;

/// A delever to 2.25 ×, now at `ratio`.
fn on_the_way(ratio: &str) -> Snapshot {
    let mut snapshot = healthy(ratio);
    snapshot.twap_leverage_ratio = fixed("2.25");
    due(&mut snapshot, ShouldRebalance::IterateRebalance);
    snapshot
}

fn with(ratio: &str, change: impl FnOnce(&mut Snapshot)) -> String {
    verdict(|s| {
        *s = on_the_way(ratio);
        change(s);
    })
}

fn labels(snapshot: &Snapshot) -> Vec<String> {
    action(snapshot).candidates.iter().map(|c| c.label.clone()).collect()
}

#[test]
fn the_next_chunk_is_traded_promptly_on_any_ready_exchange() {
    let mut snapshot = on_the_way("2.4");
    assert_eq!(with("2.4", |_| ()), "prompt: iterateRebalance");
    assert_eq!(labels(&snapshot), ["V3", "V2"]);
    let call = &action(&snapshot).candidates.first;
    assert_eq!(iterateRebalanceCall::abi_decode(&call.data).unwrap().exchangeName, "V3");
    live(&mut snapshot).exchanges[0].due = ShouldRebalance::None;
    assert_eq!(labels(&snapshot), ["V2"]);
}

/// The contract would let it pass, since the ratio is above its upper bound of 2.3 ×.
#[test]
fn a_cooldown_is_respected_out_of_bounds_too() {
    let verdict = with("2.4", |s| due(s, ShouldRebalance::None));
    assert_eq!(verdict, "wait: twap open, cooldown not over");
}

#[test]
fn half_of_the_smallest_chunks_move_is_expected() {
    // 4 of 2,000 ETH at 2.4 ×: 0.0048; half of it, less rounding.
    let expected = action(&on_the_way("2.4")).expects.unwrap();
    assert_eq!((expected.what.as_str(), expected.direction), ("leverage ratio", Direction::Down));
    let at_least = expected.at_least;
    assert!(at_least < fixed("0.0024") && at_least > fixed("0.002399"), "{at_least}");

    // The last chunk of a lever: never more than half of the way that is left.
    let mut up = on_the_way("1.799");
    up.twap_leverage_ratio = fixed("1.8");
    let chunks = vec![U256::from(50_000_000_000_u64); 2];
    live(&mut up).sizing = Ok(Sizing { chunks, sell_asset: USDC });
    let expected = action(&up).expects.unwrap();
    assert_eq!(expected.direction, Direction::Up);
    assert!(expected.at_least <= fixed("0.0005"), "{}", expected.at_least);
}

#[test]
fn an_outrun_twap_is_cleared_whatever_the_view_of_the_chunks_says() {
    let outrun = |ratio: &str, twap: &str, sizing: Result<Sizing, ReadError>| {
        let mut snapshot = on_the_way(ratio);
        snapshot.twap_leverage_ratio = fixed(twap);
        live(&mut snapshot).sizing = sizing;
        let action = action(&snapshot);
        assert_eq!((action.name, action.urgency.as_str()), ("iterateRebalance", "prompt"));
        assert_eq!(labels(&snapshot), ["V3", "V2"]);
        let expected = action.expects.unwrap();
        assert_eq!(expected.what, "TWAP leverage ratio");
        assert!(expected.holds(fixed(twap), U256::ZERO), "{expected:?}");
        assert!(!expected.holds(fixed(twap), fixed(twap)), "{expected:?}");
        assert!(!expected.holds(fixed(twap), U256::ONE), "{expected:?}");
    };
    let chunks = |amount: u64| vec![U256::from(amount); 2];
    // A delever that the price has done, exactly and more; a lever likewise.
    outrun("2.25", "2.25", Ok(Sizing { chunks: chunks(0), sell_asset: WETH }));
    outrun("2.1", "2.25", Ok(Sizing { chunks: chunks(7), sell_asset: USDC }));
    outrun("1.75", "1.75", Ok(Sizing { chunks: chunks(0), sell_asset: WETH }));
    outrun("2.1", "1.75", Ok(Sizing { chunks: chunks(7), sell_asset: WETH }));
    outrun("2.1", "2.25", Err(reverted("SafeMath: subtraction overflow")));
}

#[test]
fn a_twap_to_the_target_is_never_outrun() {
    let at = |ratio: &str| with(ratio, |s| s.twap_leverage_ratio = fixed("2"));
    assert_eq!(at("2"), "wait: nothing to trade: already at the new ratio");
    assert_eq!(at("2.01"), "prompt: iterateRebalance");
    assert_eq!(at("1.99"), "prompt: iterateRebalance");
    let mut past = on_the_way("1.99");
    past.twap_leverage_ratio = fixed("2");
    let chunks = vec![U256::from(50_000_000_000_u64); 2];
    live(&mut past).sizing = Ok(Sizing { chunks, sell_asset: USDC });
    assert_eq!(action(&past).expects.unwrap().direction, Direction::Up);
}

#[test]
fn what_cannot_be_done_is_blocked_with_the_reason() {
    for ratio in ["2.4", "2.1"] {
        let refused = with(ratio, |s| s.caller_permitted = false);
        assert_eq!(refused, "blocked: caller not permitted", "{ratio}");
    }
    let beyond = with("2.4", |s| live(s).sizing = Err(reverted("SafeMath: subtraction overflow")));
    let reason = "beyond the ceiling: debt exceeds the borrow limit, no trade is possible";
    assert_eq!(beyond, format!("blocked: {reason}"));
    let zero = with("2.4", |s| live(s).sizing.as_mut().unwrap().chunks = vec![U256::ZERO; 2]);
    assert_eq!(zero, "blocked: no exchange can trade");
}

#[test]
fn each_iterate_changes_the_key() {
    let key = |s: &Snapshot| action(s).answers.as_str().to_owned();
    let before = on_the_way("2.4");
    let clocks = "exchange_last_trades=1699995000,1699995000";
    let twap = "twap_leverage_ratio=2250000000000000000";
    assert_eq!(key(&before), format!("global_last_trade=1699913599;{clocks};{twap}"));
    let mut after = on_the_way("2.4");
    live(&mut after).exchanges[1].settings.exchangeLastTradeTimestamp += U256::ONE;
    assert_ne!(key(&after), key(&before));
}
