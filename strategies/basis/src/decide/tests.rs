//! One snapshot of a healthy product, changed in one respect per case.

mod observations;
mod reinvest;

use alloy::primitives::{Address, Bytes, I256, U256, address, utils::parse_ether};
use ballast_chains::{ReadError, Revert, feeds::Price};
use ballast_strategy_api::{Action, Decision, Direction, RepeatLimit, decision::CEILING_DISTANCE};

use super::decide;
use crate::{
    books::Books,
    contracts::{
        IBasisExtension::{
            ContractSettings, ExchangeSettings, ExecutionSettings, IncentiveSettings,
            MethodologySettings,
        },
        IBasisModule::AccountInfo,
    },
    deployment::{Asset, Deployment, SpotPool},
    policy::Policy,
    snapshot::{Gas, Live, Market, ShouldRebalance, Snapshot},
    venues::Venues,
};

const EXTENSION: Address = address!("00000000000000000000000000000000000000e1");
const SET: Address = address!("0000000000000000000000000000000000000005");
const WETH: Address = address!("00000000000000000000000000000000000000c0");
const USDC: Address = address!("00000000000000000000000000000000000000b0");

/// What `connect` would have found.
pub(crate) fn product() -> Deployment {
    Deployment {
        extension: EXTENSION,
        manager: address!("000000000000000000000000000000000000003a"),
        settings: ContractSettings {
            setToken: SET,
            basisTradingModule: address!("00000000000000000000000000000000000000a1"),
            tradeModule: address!("00000000000000000000000000000000000000a2"),
            quoter: address!("00000000000000000000000000000000000000a3"),
            perpV2AccountBalance: address!("00000000000000000000000000000000000000a4"),
            baseUSDPriceOracle: address!("00000000000000000000000000000000000000a5"),
            twapInterval: U256::ZERO,
            basePriceDecimalAdjustment: U256::from(10),
            virtualBaseAddress: address!("00000000000000000000000000000000000000a6"),
            virtualQuoteAddress: address!("00000000000000000000000000000000000000a7"),
            spotAssetAddress: WETH,
        },
        price_scale: U256::from(10_000_000_000_u64),
        spot: Asset { token: WETH, decimals: 18 },
        collateral: Asset { token: USDC, decimals: 6 },
        clearing_house: address!("00000000000000000000000000000000000000a8"),
        has_funding_view: false,
        perp_pool: Some(address!("00000000000000000000000000000000000000a9")),
        spot_pool: Some(SpotPool {
            pool: address!("00000000000000000000000000000000000000aa"),
            path: Bytes::from_static(&[1; 43]),
            spot_is_token0: true,
        }),
    }
}

fn fixed(text: &str) -> U256 {
    parse_ether(text).unwrap()
}

fn signed(text: &str) -> I256 {
    I256::try_from(fixed(text)).unwrap()
}

/// 50 ETH short at 1,000 dollars against as much spot, at a ratio of this magnitude; 100 dollars of
/// funding, a tenth of them pending.
pub(crate) fn books(ratio: &str) -> Books {
    let value = signed("50000") * signed("1") / signed(ratio);
    Books {
        size: -signed("50"),
        notional: signed("50000"),
        account: AccountInfo {
            collateralBalance: value - signed("100"),
            owedRealizedPnl: signed("90"),
            pendingFundingPayments: signed("10"),
            netQuoteBalance: signed("50000"),
        },
        price: fixed("1000"),
        tracked: fixed("90"),
        performance_fee: fixed("0.1"),
        supply: fixed("1000"),
        spot_unit: signed("0.05"),
        collateral_unit: I256::ZERO,
    }
}

const NOW: u64 = 1_700_000_000;
const INTERVAL: u64 = 86_400;

fn short(magnitude: &str) -> I256 {
    -signed(magnitude)
}

/// At a ratio of this magnitude, with the bounds of the reference's fixture; everything has rested
/// for long, and the extension says "rebalance".
fn healthy(ratio: &str) -> Snapshot {
    let books = books(ratio);
    Snapshot {
        now: U256::from(NOW),
        caller: address!("00000000000000000000000000000000000000ca"),
        caller_is_contract: false,
        caller_permitted: true,
        methodology: MethodologySettings {
            targetLeverageRatio: short("1"),
            minLeverageRatio: short("0.9"),
            maxLeverageRatio: short("1.1"),
            recenteringSpeed: fixed("0.05"),
            rebalanceInterval: U256::from(INTERVAL),
            reinvestInterval: U256::from(7 * INTERVAL),
            minReinvestUnits: U256::from(10_000),
        },
        execution: ExecutionSettings {
            slippageTolerance: fixed("0.02"),
            twapCooldownPeriod: U256::from(3_000),
        },
        incentive: IncentiveSettings {
            etherReward: fixed("1"),
            incentivizedLeverageRatio: short("1.3"),
            incentivizedSlippageTolerance: fixed("0.05"),
            incentivizedTwapCooldownPeriod: U256::from(60),
        },
        exchange: ExchangeSettings {
            exchangeName: "UniswapV3ExchangeAdapterV2".into(),
            buyExactSpotTradeData: Bytes::from_static(&[2; 44]),
            sellExactSpotTradeData: Bytes::from_static(&[3; 44]),
            buySpotQuoteExactInputPath: Bytes::from_static(&[1; 43]),
            twapMaxTradeSize: fixed("1"),
            incentivizedTwapMaxTradeSize: fixed("3"),
        },
        twap_leverage_ratio: I256::ZERO,
        last_trade: U256::from(NOW - INTERVAL - 1),
        last_reinvest: U256::from(NOW - 7 * INTERVAL - 1),
        position: Ok(books.size),
        books: Ok(books),
        market: Market::Live(Live {
            leverage_ratio: short(ratio),
            due: ShouldRebalance::Rebalance,
            bounds_refused: None,
        }),
        reward: Some(U256::ZERO),
        left_at: None,
        venues: Venues::default(),
        gas: Gas { base_fee: Some(1_000_000), native_usd: Price::from_fixed18(fixed("1000")) },
    }
}

fn live(snapshot: &mut Snapshot) -> &mut Live {
    match &mut snapshot.market {
        Market::Live(live) => live,
        Market::Refused(_) => panic!("no ratio"),
    }
}

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

/// What becomes of a healthy product at this magnitude after a change.
fn verdict_at(ratio: &str, change: impl FnOnce(&mut Snapshot)) -> String {
    let mut snapshot = healthy(ratio);
    change(&mut snapshot);
    in_words(decided(&snapshot))
}

/// `wait: reason`, `blocked: reason` or the action with its urgency and exposure.
fn in_words(decision: Decision) -> String {
    match decision {
        Decision::Wait { reason, until } => {
            assert_eq!(until, None, "a price can make anything due");
            format!("wait: {reason}")
        }
        Decision::Blocked { reason, .. } => format!("blocked: {reason}"),
        Decision::Act(action) => {
            format!("{} {}: {:?}", action.urgency.as_str(), action.name, action.exposure)
        }
    }
}

fn due(action: ShouldRebalance) -> impl FnOnce(&mut Snapshot) {
    move |snapshot| live(snapshot).due = action
}

#[test]
fn the_distance_from_zero_decides_on_the_side_and_the_urgency() {
    let at = |ratio: &str| verdict_at(ratio, |_| {});
    assert_eq!(at("1.05"), "routine rebalance: Lowers");
    assert_eq!(at("0.95"), "routine rebalance: Raises");
    // At a bound is inside.
    assert_eq!(at("1.1"), "routine rebalance: Lowers");
    assert_eq!(at("0.9"), "routine rebalance: Raises");
    assert_eq!(at("1.100000000000000001"), "prompt rebalance: Lowers");
    assert_eq!(at("0.899999999999999999"), "prompt rebalance: Raises");
    assert_eq!(at("1"), "wait: nothing to trade: already at the new ratio");
}

#[test]
fn an_interval_that_never_ends_is_no_overflow() {
    let forever = |s: &mut Snapshot| {
        s.methodology.rebalanceInterval = U256::MAX;
        s.methodology.reinvestInterval = U256::MAX;
        s.execution.twapCooldownPeriod = U256::MAX;
        s.incentive.incentivizedTwapCooldownPeriod = U256::MAX;
    };
    assert_eq!(verdict_at("1.2", forever), "prompt rebalance: Lowers");
    let mut quiet = healthy("1");
    forever(&mut quiet);
    due(ShouldRebalance::None)(&mut quiet);
    let seen = decide(&product(), &Policy::default(), &quiet).unwrap();
    assert_eq!(in_words(seen.decision), "wait: inside bounds, interval not over");
    let names: Vec<&str> = seen.observations.iter().map(|seen| seen.name).collect();
    for left_out in ["seconds_until_interval", "seconds_until_reinvest", "seconds_until_due"] {
        assert!(!names.contains(&left_out), "{left_out}");
    }
}

#[test]
fn a_ratio_of_zero_is_never_acted_on() {
    for due_now in [
        ShouldRebalance::None,
        ShouldRebalance::Rebalance,
        ShouldRebalance::IterateRebalance,
        ShouldRebalance::Ripcord,
        ShouldRebalance::Reinvest,
    ] {
        let zero = |s: &mut Snapshot| {
            live(s).leverage_ratio = I256::ZERO;
            live(s).due = due_now;
        };
        let insolvent = verdict_at("1", zero);
        assert_eq!(insolvent, "blocked: insolvent: leverage ratio 0 with an open short");
        let flat = verdict_at("1", |s| {
            zero(s);
            s.position = Ok(I256::ZERO);
        });
        assert_eq!(flat, "wait: not engaged: no short");
    }
    // Which of the two it is must be known.
    let mut unknown = healthy("1");
    live(&mut unknown).leverage_ratio = I256::ZERO;
    unknown.position = Err(ReadError::Unavailable("timeout".into()));
    let error = decide(&product(), &Policy::default(), &unknown).unwrap_err();
    assert_eq!(error.to_string(), "reading the short's size");
}

/// The observation that wakes people: Perp may say otherwise, by its own price.
#[test]
fn an_insolvent_product_is_at_its_ceiling_whatever_perp_says() {
    let distance = |ratio: I256, size: I256| {
        let mut snapshot = healthy("1");
        live(&mut snapshot).leverage_ratio = ratio;
        snapshot.position = Ok(size);
        snapshot.venues = Venues {
            account_value: Some(signed("50000")),
            margin_requirement: Some(signed("3125")),
            position_value: Some(fixed("50000")),
            ..Venues::default()
        };
        let seen = decide(&product(), &Policy::default(), &snapshot).unwrap().observations;
        seen.iter().find(|seen| seen.name == CEILING_DISTANCE).unwrap().value
    };
    assert_eq!(distance(I256::ZERO, short("50")), I256::ZERO);
    let solvent = distance(short("1"), short("50"));
    assert!(solvent > signed("0.46") && solvent < signed("0.47"), "{solvent}");
    assert!(distance(I256::ZERO, I256::ZERO) == solvent, "flat: Perp's word counts");
}

#[test]
fn a_long_product_is_none_of_ours() {
    let long = verdict_at("1.2", |s| live(s).leverage_ratio = signed("1.2"));
    assert_eq!(long, "blocked: the product is long on Perp");
}

#[test]
fn nothing_due_says_which_clock_it_waits_for() {
    let none = due(ShouldRebalance::None);
    assert_eq!(verdict_at("1", none), "wait: inside bounds, funding below minReinvestUnits");
    let at = |ratio: &str, twap: I256| {
        verdict_at(ratio, |s| {
            due(ShouldRebalance::None)(s);
            s.twap_leverage_ratio = twap;
            s.last_reinvest = U256::from(NOW);
        })
    };
    assert_eq!(at("1", I256::ZERO), "wait: inside bounds, interval not over");
    assert_eq!(at("1", short("1.1")), "wait: twap open, cooldown not over");
    assert_eq!(at("1.3", short("1.1")), "wait: ripcord range, cooldown not over");
    assert_eq!(at("1.299999999999999999", I256::ZERO), "wait: inside bounds, interval not over");
}

#[test]
fn what_cannot_be_done_is_blocked_with_the_reason() {
    let check = |change: fn(&mut Snapshot), reason: &str| {
        assert_eq!(verdict_at("1.2", change), format!("blocked: {reason}"));
    };
    check(|s| s.caller_permitted = false, "caller not permitted");
    check(|s| s.caller_is_contract = true, "caller is a contract, not a plain account");
    check(|s| s.market = Market::Refused(Revert::Empty), "reverted without a reason");
    check(
        |s| s.market = Market::Refused(Revert::Reason("SafeMath: division by zero".into())),
        "price feed has no answer in this second",
    );
    check(
        |s| live(s).bounds_refused = Some(reverted("Custom bounds must be valid")),
        "custom bounds are tighter than the product's own",
    );
}

#[test]
fn an_operator_who_disengages_is_not_levered_up_against() {
    let left = |ratio: &str, at: &str| {
        let at = fixed(at);
        verdict_at(ratio, |s| s.left_at = Some(at))
    };
    let winding = "blocked: an operator winds the product down";
    assert_eq!(left("0.5", "0.5"), winding);
    assert_eq!(left("0.5", "0.881"), winding);
    // It was inside its bounds, or as good as that: a price did it.
    assert_eq!(left("0.5", "0.9"), "prompt rebalance: Raises");
    assert_eq!(left("0.5", "0.883"), "prompt rebalance: Raises");
    // What lowers the ratio is nobody's to hold back.
    assert_eq!(left("1.2", "0.5"), "prompt rebalance: Lowers");
}

#[test]
fn two_rebalances_of_one_second_would_share_a_key() {
    let since = |seconds: u64| verdict_at("1.2", |s| s.last_trade = U256::from(NOW - seconds));
    assert_eq!(since(0), "wait: traded in this second");
    assert_eq!(since(1), "prompt rebalance: Lowers");
}

#[test]
fn rebalances_have_a_limit_in_a_row_and_what_ends_by_itself_has_none() {
    let limit = |due_now: ShouldRebalance, ratio: &str| {
        let mut snapshot = healthy(ratio);
        live(&mut snapshot).due = due_now;
        if due_now == ShouldRebalance::IterateRebalance {
            snapshot.twap_leverage_ratio = short("1.1");
        }
        action(&snapshot).repeat_limit
    };
    let once = RepeatLimit { times: 1, cooldown: 3_000 };
    assert_eq!(limit(ShouldRebalance::Rebalance, "1.2"), Some(once));
    assert_eq!(limit(ShouldRebalance::IterateRebalance, "1.2"), None);
    assert_eq!(limit(ShouldRebalance::Ripcord, "1.4"), None);
    let mut forever = healthy("1.2");
    forever.execution.twapCooldownPeriod = U256::MAX;
    assert_eq!(action(&forever).repeat_limit.unwrap().cooldown, u64::MAX);
}

#[test]
fn an_open_twap_is_iterated_or_cleared() {
    let at = |ratio: &str, twap: &str, target: &str| {
        verdict_at(ratio, |s| {
            due(ShouldRebalance::IterateRebalance)(s);
            s.twap_leverage_ratio = short(twap);
            s.methodology.targetLeverageRatio = short(target);
        })
    };
    assert_eq!(at("1.2", "1.1", "1"), "prompt iterateRebalance: Lowers");
    assert_eq!(at("0.8", "0.9", "1"), "prompt iterateRebalance: Raises");
    // The price has done what was left of it.
    assert_eq!(at("1.1", "1.1", "1"), "prompt iterateRebalance: Keeps");
    assert_eq!(at("1.05", "1.1", "1"), "prompt iterateRebalance: Keeps");
    assert_eq!(at("0.95", "0.9", "1"), "prompt iterateRebalance: Keeps");
    // One to the target itself, by `engage`.
    assert_eq!(at("0.5", "1", "1"), "prompt iterateRebalance: Raises");
    assert_eq!(at("1.05", "1", "1"), "prompt iterateRebalance: Lowers");
    assert_eq!(at("1", "1", "1"), "wait: nothing to trade: already at the new ratio");
}

#[test]
fn a_cleared_twap_is_expected_to_be_gone() {
    let mut outrun = healthy("1.05");
    due(ShouldRebalance::IterateRebalance)(&mut outrun);
    outrun.twap_leverage_ratio = short("1.1");
    let expected = action(&outrun).expects.unwrap();
    assert!(expected.holds(short("1.1").into_raw(), U256::ZERO));
    assert!(!expected.holds(short("1.1").into_raw(), short("1.1").into_raw()));
}

#[test]
fn a_ripcord_asks_for_a_plain_account_and_for_no_permission() {
    let ripcord = |change: fn(&mut Snapshot)| {
        verdict_at("1.4", |s| {
            due(ShouldRebalance::Ripcord)(s);
            change(s);
        })
    };
    assert_eq!(ripcord(|_| {}), "emergency ripcord: Lowers");
    assert_eq!(ripcord(|s| s.caller_permitted = false), "emergency ripcord: Lowers");
    let refused = Some(reverted("Custom bounds must be valid"));
    let tight = verdict_at("1.4", |s| {
        due(ShouldRebalance::Ripcord)(s);
        live(s).bounds_refused = refused;
    });
    assert_eq!(tight, "emergency ripcord: Lowers");
    let contract = "blocked: caller is a contract, not a plain account";
    assert_eq!(ripcord(|s| s.caller_is_contract = true), contract);
    // The line may be at the bound that it delevers to.
    let at_the_line = ripcord(|s| {
        s.methodology.maxLeverageRatio = short("1.4");
        s.incentive.incentivizedLeverageRatio = short("1.4");
    });
    assert_eq!(at_the_line, "wait: nothing to trade: already at the new ratio");
}

#[test]
fn the_one_candidate_is_named_after_the_exchange() {
    let one = action(&healthy("1.2"));
    assert_eq!(one.candidates.first.label, "UniswapV3ExchangeAdapterV2");
    assert!(one.candidates.rest.is_empty());
    assert_eq!(one.candidates.first.to, EXTENSION);
    assert_eq!(one.candidates.first.data.as_ref(), [0x7d, 0x7c, 0x2a, 0x1c]);
    let mut unnamed = healthy("1.2");
    unnamed.exchange.exchangeName.clear();
    assert_eq!(action(&unnamed).candidates.first.label, "spot");
}

#[test]
fn the_key_is_the_state_that_an_action_changes() {
    let key = |s: &Snapshot| action(s).answers.as_str().to_owned();
    let before = healthy("1.2");
    assert_eq!(key(&before), "last_trade=1699913599;twap_leverage_ratio=0");
    assert_eq!(key(&healthy("1.25")), key(&before), "a price does not matter");
    let mut traded = healthy("1.2");
    traded.last_trade += U256::ONE;
    assert_ne!(key(&traded), key(&before));
    let mut reinvest = healthy("1");
    due(ShouldRebalance::Reinvest)(&mut reinvest);
    assert_eq!(key(&reinvest), "last_reinvest=1699395199");
}

#[test]
fn half_of_what_is_traded_is_expected_of_the_short() {
    // 50 ETH from 1.2 to 1.1 are 50 · 0.1 / (1.2 · 2.1) = 1.98, of which the cap allows 1.
    let delever = action(&healthy("1.2")).expects.unwrap();
    assert_eq!((delever.direction, delever.signed), (Direction::Up, true));
    let half = fixed("0.5") - U256::from(2_001);
    assert_eq!(delever.at_least, half);
    assert!(delever.holds(short("50").into_raw(), short("49").into_raw()));
    assert!(!delever.holds(short("50").into_raw(), short("50").into_raw()));
    let lever = action(&healthy("0.8")).expects.unwrap();
    assert_eq!((lever.direction, lever.at_least), (Direction::Down, half));
    assert!(lever.holds(short("50").into_raw(), short("51").into_raw()));
}

#[test]
fn what_a_little_price_could_undo_is_only_expected_to_have_been_a_trade() {
    // Half a percent leads to the other side of the target.
    for ratio in ["1.009", "1.0001", "0.9999"] {
        let expected = action(&healthy(ratio)).expects.unwrap();
        assert_eq!(
            (expected.what.as_str(), expected.target),
            ("time of the last trade", EXTENSION)
        );
        assert_eq!((expected.direction, expected.at_least), (Direction::Up, U256::ONE));
    }
    // A hair outside, it leads back inside: what is left is a step towards the target.
    let hair = action(&healthy("1.1008")).expects.unwrap();
    assert!(hair.what == "size of the short" && hair.at_least < fixed("0.1"), "{hair:?}");
    let mut unread = healthy("1.2");
    unread.books = Err(ReadError::Unavailable("timeout".into()));
    assert_eq!(action(&unread).expects.unwrap().what, "time of the last trade");
}

#[test]
fn absurd_settings_are_an_error_and_not_a_trade() {
    let mut snapshot = healthy("1.2");
    snapshot.methodology.recenteringSpeed = U256::MAX;
    let error = decide(&product(), &Policy::default(), &snapshot).unwrap_err();
    assert_eq!(error.to_string(), "arithmetic failed at the new leverage ratio");
}
