//! What holds of every rebalance: it ends, nothing reverts, nothing that is met is traded.

use alloy::{primitives::U256, sol_types::SolCall};
use ballast_strategy_api::{Action, Decision};
use proptest::prelude::*;

use super::{
    super::{
        FINISHED, HELD_UP, KEPT, NOT_PERMITTED, RAISE, TRADE_REMAINING,
        hold::{SMALL_MAXIMUM, TOO_LITTLE},
    },
    ONE, World,
    worlds::worlds,
};
use crate::{
    contracts::IGeneralIndexModule::{tradeCall, tradeRemainingWETHCall},
    quote::Hop,
};

/// Something that others do between two blocks.
#[derive(Debug, Clone, Copy)]
enum Event {
    Nothing,
    Mint(u64),
    Redeem(u64),
    Accrue(u64),
    /// A component's price moves, by so many parts of 1,000.
    Move(usize, i64),
    /// Another trader trades a component.
    Trade(usize),
    /// A pool is bent by so many parts of 1,000 …
    Bend(usize, u64, bool),
    /// … and all of them are back at their prices.
    Calm,
    /// The operator starts anew: so many parts of 1,000 of one component's target go to another.
    Anew(usize, usize, u64),
    /// A trade maximum becomes so many parts of 1,000 of what it was.
    Maximum(usize, u64),
    /// The wallet may trade, or not.
    Trader(bool),
}

fn events() -> impl Strategy<Value = Event> {
    prop_oneof![
        10 => Just(Event::Nothing),
        1 => (1_u64..2_000).prop_map(Event::Mint),
        1 => (1_u64..2_000).prop_map(Event::Redeem),
        1 => (1_u64..100).prop_map(Event::Accrue),
        2 => (0_usize..8, -100_i64..100).prop_map(|(place, by)| Event::Move(place, by)),
        2 => (0_usize..8).prop_map(Event::Trade),
        2 => (0_usize..8, 50_u64..900, any::<bool>()).prop_map(|(p, by, up)| Event::Bend(p, by, up)),
        3 => Just(Event::Calm),
        1 => (0_usize..8, 0_usize..8, 1_u64..=1_000).prop_map(|(a, b, by)| Event::Anew(a, b, by)),
        1 => (0_usize..8, 300_u64..3_000).prop_map(|(place, by)| Event::Maximum(place, by)),
        1 => any::<bool>().prop_map(Event::Trader),
    ]
}

fn happen(world: &mut World, event: Event) {
    let count = world.assets.len();
    let bp = |parts: u64| U256::from(parts) * ONE / U256::from(10_000);
    match event {
        Event::Nothing => {}
        Event::Mint(share) => world.resize(bp(share), true),
        Event::Redeem(share) => world.resize(bp(share), false),
        Event::Accrue(share) => world.accrue(bp(share) / U256::from(10)),
        Event::Move(place, by) => {
            let asset = &mut world.assets[place % count];
            let factor = U256::from(1_000_i64.saturating_add(by).unsigned_abs());
            asset.calm.reserve_out = asset.calm.reserve_out * factor / U256::from(1_000);
            asset.pool = asset.calm;
        }
        Event::Trade(place) => {
            let place = place % count;
            let limit = if world.can_sell(&world.assets[place]) { U256::ZERO } else { U256::MAX };
            // Another keeper leaves alone what is met, too.
            if !world.is_met(&world.assets[place]) {
                let _ =
                    world.clone().trade(place, limit).is_ok().then(|| world.trade(place, limit));
            }
        }
        Event::Bend(place, by, up) => {
            let asset = &mut world.assets[place % count];
            let Hop { reserve_out, .. } = asset.pool;
            let bent = reserve_out * U256::from(by) / U256::from(1_000);
            asset.pool.reserve_out = if up { reserve_out + bent } else { reserve_out - bent };
        }
        Event::Calm => world.arbitrage(),
        Event::Anew(from, to, by) => {
            let share = U256::from(by) * ONE / U256::from(1_000);
            world.start_anew(from % count, to % count, share);
        }
        Event::Maximum(place, by) => {
            let asset = &mut world.assets[place % count];
            asset.max_size = (asset.max_size * U256::from(by)).div_ceil(U256::from(1_000));
        }
        Event::Trader(may) => world.may_trade = may,
    }
}

/// What a run came to.
struct Run {
    world: World,
    reason: &'static str,
    trades: usize,
    last_bought: Option<usize>,
}

/// More looks than any rebalance here takes.
const MOST_LOOKS: usize = 6_000;

/// Lets decisions and events alternate until nothing is due any more, and checks every step.
#[expect(clippy::too_many_lines, reason = "one loop, with what holds of each step")]
fn run(mut world: World, mut events: Vec<Event>, restless: bool) -> Result<Run, TestCaseError> {
    let (mut trades, mut last_bought, mut idle) = (0, None, 0_u32);
    let mut told = Vec::new();
    for _ in 0..MOST_LOOKS {
        let (decision, survey) = world.decide();
        told.push(told_of(&decision, &world));
        let mut over = None;
        match decision {
            Decision::Act(action) => {
                let before = world.clone();
                let place = world.execute(&action);
                prop_assert!(place.is_ok(), "{:?} {}: {:?}", place, action.name, action.candidates);
                if let Ok(Some(place)) = place {
                    prop_assert!(is_within(&action, place, &before, &world), "{action:?}");
                    let was = &before.assets[place];
                    prop_assert!(!before.is_met(was), "traded though met: {place}");
                    let price = before.price(place);
                    let spot =
                        crate::price::Price::of_units(was.pool.reserve_out, was.pool.reserve_in);
                    prop_assert!(spot.unwrap().off(price) <= before.policy.band, "off the band");
                    if !before.can_sell(was) {
                        last_bought = Some(place);
                    }
                    // The index never spends what it does not account for, nor below WETH's target.
                    let target = world.target(world.weth_target);
                    let unit = world.real(world.weth);
                    prop_assert!(
                        before.can_sell(was)
                            || unit + U256::from(2) >= target.min(before.real(before.weth))
                    );
                    let is_whole = action.name != TRADE_REMAINING;
                    let expected = action.expects.as_ref();
                    if let Some(expected) = expected {
                        let words = (before.real(was.held), world.real(world.assets[place].held));
                        prop_assert!(
                            expected.holds(words.0, words.1),
                            "{:?} {:?}",
                            words,
                            expected
                        );
                    }
                    prop_assert!(is_whole || survey.is_tail());
                } else {
                    prop_assert_eq!(action.name, RAISE);
                }
                trades += 1;
                idle = 0;
                world.now += 12;
            }
            Decision::Wait { reason, until } => {
                let until = until.unwrap_or(world.now + 900);
                prop_assert!(until > world.now);
                world.now = until;
                idle += 1;
                over = Some(reason);
            }
            Decision::Blocked { reason, .. } => {
                world.now += 900;
                idle += 1;
                over = Some(reason);
            }
        }
        if let Some(event) = events.pop() {
            happen(&mut world, event);
            idle = 0;
        } else {
            world.may_trade = true;
            if !restless || idle > 0 {
                world.arbitrage();
            }
            // Whoever was no trader a moment ago is asked once more.
            let over = over.filter(|reason| *reason != NOT_PERMITTED);
            if let Some(reason) = over.filter(|reason| *reason == FINISHED || idle > 20) {
                return Ok(Run { world, reason, trades, last_bought });
            }
        }
    }
    let last = told.split_off(told.len().saturating_sub(8));
    Err(TestCaseError::fail(format!("it never ends: {last:#?}")))
}

/// Whether the limit of a trade leaves no more than the tolerance to whoever trades in front of it:
/// nobody did, so what came of it is what was quoted, less the protocol's fee.
pub(super) fn is_within(action: &Action, place: usize, before: &World, after: &World) -> bool {
    let data = &action.candidates.first.data;
    let policy = &before.policy;
    let got = |before: U256, after: U256| after.checked_sub(before);
    if let Ok(call) = tradeRemainingWETHCall::abi_decode(data) {
        let [before, after] = [before, after].map(|world| world.assets[place].held.balance);
        return got(before, after).and_then(|got| policy.least(got)).unwrap()
            <= call.minComponentReceived;
    }
    let limit = tradeCall::abi_decode(data).unwrap().ethQuantityLimit;
    let (was, is) = (before.weth.balance, after.weth.balance);
    match got(was, is) {
        Some(received) => policy.least(received).unwrap() <= limit,
        None => limit <= policy.most(was - is).unwrap(),
    }
}

/// A decision in short, with the units that it is about.
fn told_of(decision: &Decision, world: &World) -> String {
    let what = match decision {
        Decision::Act(action) => format!("{} {}", action.name, action.candidates.first.label),
        Decision::Wait { reason, .. } => (*reason).to_owned(),
        Decision::Blocked { reason, detail } => format!("{reason}: {detail}"),
    };
    let units = world
        .assets
        .iter()
        .map(|asset| format!("{}/{}", world.real(asset.held), world.target(asset.target)));
    format!("{what} {:?} WETH {}", units.collect::<Vec<_>>(), world.real(world.weth))
}

/// What is missing of a component, in parts of the index's value, 18 decimals.
fn short(world: &World, place: usize) -> U256 {
    let asset = &world.assets[place];
    short_of(world, place, world.real(asset.held).abs_diff(world.target(asset.target)))
}

/// What so many units of a component are, in parts of the index's value, 18 decimals.
fn short_of(world: &World, place: usize, units: U256) -> U256 {
    let (_, survey) = world.snapshot();
    let amount = world.supply * units / ONE;
    let value = world.price(place).value(amount).unwrap();
    value * ONE / survey.worth.max(U256::ONE)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// In peace: everything ends on its target but the last that was bought.
    #[test]
    fn a_rebalance_ends_on_its_targets(world in worlds()) {
        // Each raise is followed by a trade of each component.
        let raises = if world.raise_percentage.is_zero() { 0 } else { MOST_LOOKS };
        let steps: usize = world.assets.len() * 8 + 40 + raises;
        let ended = run(world, Vec::new(), false)?;
        prop_assert!(ended.trades <= steps, "{} trades", ended.trades);
        // Or something stands in the way that only a person moves.
        if [HELD_UP, SMALL_MAXIMUM].contains(&ended.reason) {
            return Ok(());
        }
        prop_assert_eq!(ended.reason, FINISHED);
        let world = &ended.world;
        for place in 0..world.assets.len() {
            let asset = &world.assets[place];
            if asset.target.is_zero() {
                prop_assert!(world.is_met(asset), "{place} is not gone");
            }
            // 0.1 % of the index; and what the last raise asked for and nothing was left to pay.
            let whole = short_of(world, place, world.target(asset.target));
            let raised = whole * world.raise_percentage / ONE;
            // A unit that cannot be halved, and one that is met with one missing.
            let coarse = |place| short_of(world, place, U256::from(2));
            let coarse: U256 = (0..world.assets.len()).map(coarse).sum();
            let off = short(world, place);
            let most = ONE / U256::from(1_000) + raised + coarse;
            let is_last = ended.last_bought == Some(place);
            // A maximum that is lost in rounding is a person's to move, told as long as anything is
            // left to pay for it.
            let is_lost = asset.max_size * ONE / world.supply < U256::from(8);
            prop_assert!(is_last || is_lost || off <= most, "{place}: {off} of {most}");
        }
    }

    /// Whatever others do meanwhile.
    #[test]
    fn a_rebalance_ends_whatever_happens(world in worlds(), events in prop::collection::vec(events(), 0..60)) {
        let ended = run(world, events, true)?;
        let known = [FINISHED, HELD_UP, KEPT, SMALL_MAXIMUM, TOO_LITTLE, "too little to trade"].contains(&ended.reason);
        prop_assert!(known, "{}", ended.reason);
        let world = &ended.world;
        for asset in &world.assets {
            if ended.reason == FINISHED && asset.target.is_zero() {
                prop_assert!(world.is_met(asset));
            }
        }
    }
}
