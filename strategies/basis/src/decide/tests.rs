//! One snapshot of a healthy product, changed in one respect per case.

mod action;
mod observations;
mod reinvest;
mod verdicts;

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
