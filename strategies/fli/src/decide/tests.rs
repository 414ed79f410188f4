//! One snapshot of a healthy product, changed in one respect per case.

use alloy::{
    primitives::{Address, I256, U256, address, utils::parse_ether},
    sol_types::SolCall,
};
use ballast_chains::Revert;
use ballast_strategy_api::{Action, Decision, Direction, Observation, Unit};

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
        twap_cooldown_period: U256::from(600),
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

fn decided(snapshot: &Snapshot) -> Decision {
    decide(&product(), &Policy::default(), snapshot).unwrap().decision
}

fn action(snapshot: &Snapshot) -> Action {
    match decided(snapshot) {
        Decision::Act(action) => action,
        other @ (Decision::Wait { .. } | Decision::Blocked { .. }) => panic!("{other:?}"),
    }
}

/// `wait: reason`, `blocked: reason` or the action with its urgency.
fn verdict(change: impl FnOnce(&mut Snapshot)) -> String {
    let mut snapshot = healthy("2.2");
    change(&mut snapshot);
    match decided(&snapshot) {
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
fn what_is_not_served_yet_is_not_sent() {
    let iterate = verdict(|s| due(s, ShouldRebalance::IterateRebalance));
    assert_eq!(iterate, "wait: twap open: iterate is not served yet");
    let ripcord = verdict(|s| due(s, ShouldRebalance::Ripcord));
    assert_eq!(ripcord, "wait: ripcord range: not served yet");
    // One exchange being ready is enough.
    let one = verdict(|s| {
        due(s, ShouldRebalance::None);
        live(s).exchanges[1].due = ShouldRebalance::Ripcord;
    });
    assert_eq!(one, ripcord);
}

#[test]
fn a_wound_down_product_is_left_alone() {
    let no_debt = verdict(|s| live(s).leverage_ratio = fixed("1"));
    assert_eq!(no_debt, "wait: wound down: no debt");
    let refused = |reason: &'static str| {
        verdict(|s| s.market = Market::Refused(Revert::Reason(reason.into())))
    };
    assert_eq!(refused("SafeMath: division by zero"), "wait: wound down: no collateral");
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
        |s| live(s).sizing = Err(Revert::Reason("SafeMath: subtraction overflow".into())),
        "beyond the ceiling: debt exceeds the borrow limit, no trade is possible",
    );
    check(
        |s| s.market = Market::Refused(Revert::Reason("SafeCast: value must be positive".into())),
        "price feed gives no positive price",
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

fn observed<'a>(seen: &'a [Observation], name: &str, of: &str) -> Option<&'a Observation> {
    seen.iter().find(|o| o.name == name && o.of == of)
}

fn value(snapshot: &Snapshot, name: &str, of: &str) -> Option<U256> {
    let seen = decide(&product(), &Policy::default(), snapshot).unwrap().observations;
    observed(&seen, name, of).map(|o| o.value.unsigned_abs())
}

#[test]
fn the_inputs_can_be_observed() {
    let mut snapshot = healthy("2.2");
    snapshot.global_last_trade = U256::from(NOW - 400);
    let seen = decide(&product(), &Policy::default(), &snapshot).unwrap().observations;
    let leverage = observed(&seen, "leverage_ratio", "").unwrap();
    let signed = |text| I256::try_from(fixed(text)).unwrap();
    assert_eq!((leverage.value, leverage.unit), (signed("2.2"), Unit::Ratio));
    let bounds = [leverage.min, leverage.target, leverage.max];
    assert_eq!(bounds, ["1.7", "2", "2.3"].map(|bound| Some(signed(bound))));
    assert!(leverage.series);

    let check = |name: &str, of: &str, expected: &str| {
        assert_eq!(value(&snapshot, name, of), Some(fixed(expected)), "{name} {of}");
    };
    check("new_leverage_ratio", "", "2.19");
    check("ripcord_leverage_ratio", "", "2.7");
    check("twap_leverage_ratio", "", "0");
    check("seconds_until_interval", "", "86001");
    check("caller_permitted", "", "1");
    check("chunk", "V3", "8");
    check("chunk", "V2", "4");
    check("seconds_since_exchange_trade", "V3", "5000");
    assert_eq!(value(&snapshot, "twap_cooldown_left", "V3"), None, "no twap is open");
}

#[test]
fn the_new_ratio_is_where_the_next_trade_goes() {
    let aim = |current: &str, twap: &str| {
        let mut snapshot = healthy(current);
        snapshot.twap_leverage_ratio = fixed(twap);
        value(&snapshot, "new_leverage_ratio", "").unwrap()
    };
    assert_eq!(aim("2.2", "0"), fixed("2.19"));
    assert_eq!(aim("2.2", "2.1"), fixed("2.1"));
    assert_eq!(aim("2.7", "2.1"), fixed("2.3"));
}

#[test]
fn the_interval_is_over_one_second_after_it_is_full() {
    let left = |since: u64| {
        let mut snapshot = healthy("2.2");
        snapshot.global_last_trade = U256::from(NOW - since);
        value(&snapshot, "seconds_until_interval", "").unwrap()
    };
    assert_eq!(left(INTERVAL - 1), fixed("2"));
    assert_eq!(left(INTERVAL), fixed("1"));
    assert_eq!(left(INTERVAL + 1), U256::ZERO);
    assert_eq!(left(INTERVAL + 100), U256::ZERO);
}

#[test]
fn a_chunk_is_in_whole_tokens_of_what_is_sold() {
    let mut snapshot = healthy("1.6");
    let chunks = vec![U256::from(1_234_500_000_u64), U256::ZERO];
    live(&mut snapshot).sizing = Ok(Sizing { chunks, sell_asset: USDC });
    assert_eq!(value(&snapshot, "chunk", "V3"), Some(fixed("1234.5")));
    live(&mut snapshot).sizing.as_mut().unwrap().sell_asset = EXTENSION;
    assert_eq!(value(&snapshot, "chunk", "V3"), None, "of unknown decimals");
}

#[test]
fn a_bound_that_is_switched_off_does_not_stop_the_product() {
    let mut snapshot = healthy("2.2");
    snapshot.methodology.rebalanceInterval = U256::MAX;
    snapshot.methodology.maxLeverageRatio = U256::MAX;
    snapshot.incentive.incentivizedLeverageRatio = U256::MAX;
    let seen = decide(&product(), &Policy::default(), &snapshot).unwrap().observations;
    let leverage = observed(&seen, "leverage_ratio", "").unwrap();
    assert_eq!((leverage.max, leverage.min.is_some()), (None, true));
    assert!(observed(&seen, "seconds_until_interval", "").is_none());
    assert!(observed(&seen, "ripcord_leverage_ratio", "").is_none());
}

#[test]
fn an_open_twap_shows_its_cooldown() {
    let mut snapshot = healthy("2.2");
    snapshot.twap_leverage_ratio = fixed("2.1");
    live(&mut snapshot).exchanges[0].settings.exchangeLastTradeTimestamp = U256::from(NOW - 100);
    live(&mut snapshot).exchanges[1].settings.exchangeLastTradeTimestamp = U256::ZERO;
    assert_eq!(value(&snapshot, "twap_cooldown_left", "V3"), Some(fixed("501")));
    assert_eq!(value(&snapshot, "twap_cooldown_left", "V2"), Some(U256::ZERO));
    assert_eq!(value(&snapshot, "seconds_since_exchange_trade", "V2"), None, "never traded");
}
