//! One snapshot of a healthy product, changed in one respect per case.

mod iterate;
mod observations;
mod policy;
mod ripcord;

use alloy::{
    primitives::{Address, U256, address, utils::parse_ether},
    sol_types::SolCall,
};
use ballast_chains::{ReadError, Revert};
use ballast_strategy_api::{Action, Decision, Direction};

use super::decide;
use crate::{
    contracts::ILeverageStrategyExtension::{
        ExchangeSettings, IncentiveSettings, MethodologySettings, rebalanceCall,
    },
    policy::Policy,
    ratio::Position,
    snapshot::{Exchange, Live, Market, ShouldRebalance, Sizing, Snapshot},
    variant::{Asset, Deployment, Variant},
};

const EXTENSION: Address = address!("00000000000000000000000000000000000000e1");
const WETH: Address = address!("00000000000000000000000000000000000000c0");
const USDC: Address = address!("00000000000000000000000000000000000000b0");
const NOW: u64 = 1_700_000_000;
const INTERVAL: u64 = 86_400;

/// What `connect` would have found.
pub(crate) fn product() -> Deployment {
    let receipt = address!("00000000000000000000000000000000000000cc");
    Deployment {
        extension: EXTENSION,
        variant: Variant::Compound,
        set_token: address!("0000000000000000000000000000000000000005"),
        authority: address!("00000000000000000000000000000000000000cf"),
        e_mode_pool: None,
        collateral: Asset { token: WETH, decimals: 18, market: Some(receipt) },
        borrow: Asset { token: USDC, decimals: 6, market: Some(receipt) },
    }
}

fn fixed(text: &str) -> U256 {
    parse_ether(text).unwrap()
}

/// 2,000 ETH at 2,000 USD against half of that in debt; last traded one second after the interval
/// would have been over.
fn healthy(leverage_ratio: &str) -> Snapshot {
    Snapshot {
        now: U256::from(NOW),
        caller: address!("00000000000000000000000000000000000000ca"),
        caller_is_contract: false,
        caller_permitted: true,
        methodology: MethodologySettings {
            targetLeverageRatio: fixed("2"),
            minLeverageRatio: fixed("1.7"),
            maxLeverageRatio: fixed("2.3"),
            recenteringSpeed: fixed("0.05"),
            rebalanceInterval: U256::from(INTERVAL),
        },
        incentive: IncentiveSettings {
            etherReward: fixed("1"),
            incentivizedLeverageRatio: fixed("2.7"),
            incentivizedSlippageTolerance: fixed("0.05"),
            incentivizedTwapCooldownPeriod: U256::from(60),
        },
        twap_cooldown_period: Some(U256::from(600)),
        borrow_limit: Some(fixed("0.7425")),
        twap_leverage_ratio: U256::ZERO,
        global_last_trade: U256::from(NOW - INTERVAL - 1),
        market: Market::Live(Live {
            leverage_ratio: fixed(leverage_ratio),
            exchanges: vec![exchange("V3", "40"), exchange("V2", "30")],
            bounds_refused: None,
            sizing: Ok(Sizing { chunks: vec![fixed("8"), fixed("4")], sell_asset: WETH }),
            position: Some(Position {
                collateral: fixed("2000"),
                debt: U256::from(2_000_000_000_000_u64),
            }),
            ranking: None,
        }),
    }
}

fn exchange(name: &str, size: &str) -> Exchange {
    Exchange {
        name: name.into(),
        due: ShouldRebalance::Rebalance,
        settings: ExchangeSettings {
            twapMaxTradeSize: fixed(size),
            exchangeLastTradeTimestamp: U256::from(NOW - 5_000),
            incentivizedTwapMaxTradeSize: fixed("100"),
            leverExchangeData: Default::default(),
            deleverExchangeData: Default::default(),
        },
    }
}

fn live(snapshot: &mut Snapshot) -> &mut Live {
    match &mut snapshot.market {
        Market::Live(live) => live,
        Market::Refused(_) => panic!("no position"),
    }
}

fn due(snapshot: &mut Snapshot, due: ShouldRebalance) {
    for exchange in &mut live(snapshot).exchanges {
        exchange.due = due;
    }
}

/// A view that refused.
fn reverted(reason: &str) -> ReadError {
    ReadError::Reverted(Revert::Reason(reason.into()))
}

fn decided(snapshot: &Snapshot) -> Decision {
    decide(&product(), &Policy::default(), snapshot).unwrap().decision
}

fn action(snapshot: &Snapshot) -> Action {
    match decided(snapshot) {
        Decision::Act(action) => action,
        other @ (Decision::Wait { .. } | Decision::Blocked { .. }) => panic!("{other:?}"),
    }
}

/// What becomes of a healthy product at 2.2 × after a change.
fn verdict(change: impl FnOnce(&mut Snapshot)) -> String {
    let mut snapshot = healthy("2.2");
    change(&mut snapshot);
    in_words(decided(&snapshot))
}

/// `wait: reason`, `blocked: reason` or the action with its urgency.
fn in_words(decision: Decision) -> String {
    match decision {
        Decision::Wait { reason, until } => {
            assert_eq!(until, None, "a price can make anything due");
            format!("wait: {reason}")
        }
        Decision::Blocked { reason, .. } => format!("blocked: {reason}"),
        Decision::Act(action) => format!("{}: {}", action.urgency.as_str(), action.name),
    }
}

#[test]
fn what_is_ready_and_possible_is_done() {
    let at = |ratio: &str| verdict(|s| live(s).leverage_ratio = fixed(ratio));
    assert_eq!(at("2.2"), "routine: rebalance");
    // At a bound is inside.
    assert_eq!(at("1.7"), "routine: rebalance");
    assert_eq!(at("2.3"), "routine: rebalance");
    assert_eq!(at("1.699999999999999999"), "prompt: rebalance");
    assert_eq!(at("2.300000000000000001"), "prompt: rebalance");
}

#[test]
fn two_rebalances_of_one_second_would_share_a_key() {
    let since = |seconds: u64| {
        verdict(|s| {
            s.global_last_trade = U256::from(NOW - seconds);
            live(s).leverage_ratio = fixed("2.4");
        })
    };
    assert_eq!(since(0), "wait: traded in this second");
    assert_eq!(since(1), "prompt: rebalance");
}

#[test]
fn nothing_due_says_which_clock_it_waits_for() {
    let none = |s: &mut Snapshot| due(s, ShouldRebalance::None);
    assert_eq!(verdict(none), "wait: inside bounds, interval not over");
    let twap = |s: &mut Snapshot| {
        none(s);
        s.twap_leverage_ratio = fixed("2.1");
    };
    assert_eq!(verdict(twap), "wait: twap open, cooldown not over");
    let at = |ratio: &'static str| {
        verdict(move |s| {
            twap(s);
            live(s).leverage_ratio = fixed(ratio);
        })
    };
    assert_eq!(at("2.7"), "wait: ripcord range, cooldown not over");
    assert_eq!(at("2.699999999999999999"), "wait: twap open, cooldown not over");
}

#[test]
fn a_wound_down_product_is_left_alone() {
    let no_debt = verdict(|s| {
        live(s).leverage_ratio = fixed("1");
        live(s).position.as_mut().unwrap().debt = U256::ZERO;
    });
    assert_eq!(no_debt, "wait: wound down: no debt");
    let in_a_twap = verdict(|s| {
        s.twap_leverage_ratio = fixed("2.1");
        live(s).leverage_ratio = fixed("1");
        live(s).position = None;
    });
    assert_eq!(in_a_twap, no_debt);
    let refused = |reason: &'static str| {
        verdict(|s| s.market = Market::Refused(Revert::Reason(reason.into())))
    };
    assert_eq!(refused("SafeMath: division by zero"), "wait: wound down: no collateral");
}

#[test]
fn a_dead_oracle_is_not_taken_for_a_wound_down_product() {
    let check = |change: fn(&mut Snapshot), reason: &str| {
        assert_eq!(verdict(change), format!("blocked: {reason}"));
    };
    check(
        |s| s.market = Market::Refused(Revert::Reason("SafeCast: value must be positive".into())),
        "price feed gives no positive price",
    );
    // A borrow price of zero makes the ratio one.
    check(
        |s| live(s).leverage_ratio = fixed("1"),
        "debt counts as nothing: is its price feed dead",
    );
    // A collateral price of zero leaves less than the debt.
    check(
        |s| s.market = Market::Refused(Revert::Reason("SafeMath: subtraction overflow".into())),
        "debt exceeds the collateral, or its price feed gives nothing",
    );
}

#[test]
fn what_cannot_be_done_is_blocked_with_the_reason() {
    let check = |change: fn(&mut Snapshot), reason: &str| {
        assert_eq!(verdict(change), format!("blocked: {reason}"));
    };
    check(|s| s.caller_permitted = false, "caller not permitted");
    check(|s| live(s).exchanges.clear(), "no exchange is enabled");
    check(
        |s| live(s).sizing.as_mut().unwrap().chunks = vec![U256::ZERO; 2],
        "no exchange can trade",
    );
    check(
        |s| live(s).sizing = Err(reverted("SafeMath: subtraction overflow")),
        "beyond the ceiling: debt exceeds the borrow limit, no trade is possible",
    );
    check(|s| s.market = Market::Refused(Revert::Empty), "reverted without a reason");
}

#[test]
fn permission_matters_only_when_something_is_due() {
    let verdict = verdict(|s| {
        s.caller_permitted = false;
        due(s, ShouldRebalance::None);
    });
    assert_eq!(verdict, "wait: inside bounds, interval not over");
}

#[test]
fn at_the_new_ratio_there_is_nothing_to_trade() {
    let verdict = verdict(|s| {
        live(s).leverage_ratio = fixed("2");
        s.methodology.recenteringSpeed = fixed("1");
    });
    assert_eq!(verdict, "wait: nothing to trade: already at the new ratio");
}

#[test]
fn each_exchange_is_a_candidate_in_the_order_of_the_contract() {
    let action = action(&healthy("2.2"));
    let labels: Vec<&str> = action.candidates.iter().map(|c| c.label.as_str()).collect();
    assert_eq!(labels, ["V3", "V2"]);
    let call = &action.candidates.first;
    assert_eq!((call.to, call.value), (EXTENSION, U256::ZERO));
    assert_eq!(rebalanceCall::abi_decode(&call.data).unwrap().exchangeName, "V3");
    assert_eq!((action.deadline, action.repeat_limit), (None, None));
}

#[test]
fn an_exchange_that_has_nothing_to_trade_is_no_candidate() {
    let mut snapshot = healthy("2.2");
    live(&mut snapshot).sizing.as_mut().unwrap().chunks[0] = U256::ZERO;
    let action = action(&snapshot);
    let labels: Vec<&str> = action.candidates.iter().map(|c| c.label.as_str()).collect();
    assert_eq!(labels, ["V2"]);
}

#[test]
fn the_key_is_the_state_that_a_trade_changes() {
    let key = |s: &Snapshot| action(s).answers.as_str().to_owned();
    let before = healthy("2.2");
    assert_eq!(key(&before), "global_last_trade=1699913599;twap_leverage_ratio=0");
    let mut same = healthy("2.25");
    live(&mut same).exchanges.remove(1);
    assert_eq!(key(&same), key(&before), "price and exchange do not matter");
    let mut traded = healthy("2.2");
    traded.global_last_trade += U256::ONE;
    assert_ne!(key(&traded), key(&before));
}

#[test]
fn half_of_the_smallest_chunks_move_is_expected() {
    // 4 of 2,000 ETH at 2.2 ×: 0.0044; half of it, less what two base units of USDC do to the ratio.
    let down = action(&healthy("2.2")).expects.unwrap();
    assert_eq!((down.direction, down.at_least), (Direction::Down, fixed("0.002199999997359998")));
    assert_eq!((down.target, down.signed), (EXTENSION, false));

    // 1,000 of 2,000,000 USDC at 1.6 ×: 0.0003; half of it.
    let mut below = healthy("1.6");
    let chunks = vec![U256::from(5_000_000_000_u64), U256::from(1_000_000_000_u64)];
    live(&mut below).sizing = Ok(Sizing { chunks, sell_asset: USDC });
    let up = action(&below).expects.unwrap();
    assert_eq!((up.direction, up.at_least), (Direction::Up, fixed("0.000149999999039998")));
}

#[test]
fn without_a_position_any_move_in_the_right_direction_will_do() {
    let mut snapshot = healthy("2.2");
    live(&mut snapshot).position = None;
    let expected = action(&snapshot).expects.unwrap();
    assert_eq!((expected.direction, expected.at_least), (Direction::Down, U256::ONE));
}

#[test]
fn a_chunk_that_moves_nothing_expects_nothing() {
    let mut snapshot = healthy("2.2");
    live(&mut snapshot).sizing.as_mut().unwrap().chunks = vec![U256::ONE; 2];
    assert_eq!(action(&snapshot).expects, None);
}

#[test]
fn absurd_settings_are_an_error_and_not_a_trade() {
    let mut snapshot = healthy("2.2");
    snapshot.methodology.recenteringSpeed = U256::MAX;
    let error = decide(&product(), &Policy::default(), &snapshot).unwrap_err();
    assert_eq!(error.to_string(), "arithmetic failed at the new leverage ratio");
}
