//! In ripcord range.

use super::*;
use crate::contracts::ILeverageStrategyExtension::ripcordCall;

/// 2.8 ×, which is above the line of 2.7 ×, by 100 and 80 ETH of 2,000.
fn in_range(s: &mut Snapshot) {
    live(s).leverage_ratio = fixed("2.8");
    live(s).sizing = Ok(Sizing { chunks: vec![fixed("100"), fixed("80")], sell_asset: WETH });
    due(s, ShouldRebalance::Ripcord);
}

fn ripcorded() -> Snapshot {
    let mut snapshot = healthy("2.8");
    in_range(&mut snapshot);
    snapshot
}

fn with(change: impl FnOnce(&mut Snapshot)) -> String {
    verdict(|s| {
        in_range(s);
        change(s);
    })
}

fn labels(snapshot: &Snapshot) -> Vec<String> {
    action(snapshot).candidates.iter().map(|c| c.label.clone()).collect()
}

#[test]
fn it_is_an_emergency_on_every_exchange_that_serves() {
    let snapshot = ripcorded();
    assert_eq!(with(|_| ()), "emergency: ripcord");
    assert_eq!(labels(&snapshot), ["V3", "V2"]);
    let action = action(&snapshot);
    let call = ripcordCall::abi_decode(&action.candidates.first.data).unwrap();
    assert_eq!(call.exchangeName, "V3");
    assert_eq!((action.deadline, action.repeat_limit), (None, None));
}

#[test]
fn nobody_needs_permission() {
    assert_eq!(with(|s| s.caller_permitted = false), "emergency: ripcord");
}

#[test]
fn neither_an_open_twap_nor_an_operators_choice_holds_it_back() {
    assert_eq!(with(|s| s.twap_leverage_ratio = fixed("2.3")), "emergency: ripcord");
    let refused = |s: &mut Snapshot| {
        live(s).bounds_refused = Some(reverted("Custom bounds must be valid"));
    };
    assert_eq!(with(refused), "emergency: ripcord");
}

#[test]
fn an_exchange_where_it_is_switched_off_is_skipped() {
    let mut snapshot = ripcorded();
    live(&mut snapshot).exchanges[0].settings.incentivizedTwapMaxTradeSize = U256::ZERO;
    assert_eq!(labels(&snapshot), ["V2"]);

    // It says "ripcord" for ever; the other one rests.
    live(&mut snapshot).exchanges[1].due = ShouldRebalance::None;
    let reason = "ripcord range, cooldown not over";
    assert_eq!(decided(&snapshot), Decision::Wait { reason, until: None });

    live(&mut snapshot).exchanges[1].settings.incentivizedTwapMaxTradeSize = U256::ZERO;
    let Decision::Blocked { reason, .. } = decided(&snapshot) else { panic!() };
    assert_eq!(reason, "ripcord is switched off on every exchange");
}

#[test]
fn an_exchange_that_rests_is_no_candidate() {
    let mut snapshot = ripcorded();
    live(&mut snapshot).exchanges[0].due = ShouldRebalance::None;
    assert_eq!(labels(&snapshot), ["V2"]);
}

#[test]
fn beyond_the_ceiling_it_says_so() {
    let verdict = with(|s| {
        live(s).sizing = Err(reverted("SafeMath: subtraction overflow"));
    });
    let reason = "beyond the ceiling: debt exceeds the borrow limit, no trade is possible";
    assert_eq!(verdict, format!("blocked: {reason}"));
}

#[test]
fn with_nothing_to_trade_it_is_not_sent() {
    let zero = with(|s| live(s).sizing.as_mut().unwrap().chunks = vec![U256::ZERO; 2]);
    assert_eq!(zero, "blocked: no exchange can trade");
    let at_max = with(|s| s.methodology.maxLeverageRatio = fixed("2.8"));
    assert_eq!(at_max, "wait: nothing to trade: already at the new ratio");
}

#[test]
fn half_of_the_smallest_chunks_move_is_expected() {
    // 80 of 2,000 ETH at 2.8 ×: 0.112; half of it, less rounding.
    let expected = action(&ripcorded()).expects.unwrap();
    assert_eq!(expected.what, "leverage ratio");
    assert_eq!((expected.direction, expected.signed), (Direction::Down, false));
    let at_least = expected.at_least;
    assert!(at_least < fixed("0.056") && at_least > fixed("0.05599"), "{at_least}");
}

#[test]
fn at_the_line_the_views_chunks_are_those_of_another_trade() {
    let mut snapshot = ripcorded();
    live(&mut snapshot).leverage_ratio = fixed("2.7");
    // A TWAP that goes up: the view would sell dollars.
    snapshot.twap_leverage_ratio = fixed("3");
    let chunks = vec![U256::ZERO, U256::from(1_000_000)];
    live(&mut snapshot).sizing = Ok(Sizing { chunks, sell_asset: USDC });
    assert_eq!(labels(&snapshot), ["V3", "V2"], "by their own sizes");
    let expected = action(&snapshot).expects.unwrap();
    assert_eq!((expected.direction, expected.at_least), (Direction::Down, U256::ONE));
    assert_eq!(expected.what, "leverage ratio");

    live(&mut snapshot).position = None;
    assert_eq!(action(&snapshot).expects, Some(expected));
    live(&mut snapshot).exchanges[0].settings.incentivizedTwapMaxTradeSize = U256::ZERO;
    assert_eq!(labels(&snapshot), ["V2"]);
}

#[test]
fn each_ripcord_changes_the_key() {
    let key = |s: &Snapshot| action(s).answers.as_str().to_owned();
    let before = ripcorded();
    let clocks = "exchange_last_trades=1699995000,1699995000";
    assert_eq!(key(&before), format!("global_last_trade=1699913599;{clocks}"));

    // Two exchanges in one second.
    let mut first = ripcorded();
    first.global_last_trade = U256::from(NOW);
    live(&mut first).exchanges[0].settings.exchangeLastTradeTimestamp = U256::from(NOW);
    let mut second = first.clone();
    live(&mut second).exchanges[1].settings.exchangeLastTradeTimestamp = U256::from(NOW);
    let keys = [key(&before), key(&first), key(&second)];
    assert!(keys[0] != keys[1] && keys[1] != keys[2], "{keys:?}");

    let mut moved = ripcorded();
    live(&mut moved).leverage_ratio = fixed("2.9");
    live(&mut moved).exchanges[0].due = ShouldRebalance::None;
    assert_eq!(key(&moved), key(&before), "neither price nor readiness matters");
}
