//! What the double says is due, against a model of the rule that shares nothing with it: over states that
//! crowd around every border of the rule.

use alloy::{
    network::TransactionBuilder as _,
    primitives::{Address, I256, U256},
    providers::Provider as _,
    rpc::types::{
        TransactionRequest,
        state::{AccountOverride, StateOverride},
    },
    sol,
    sol_types::SolCall as _,
};
use ballast_devnet::{Anvil, AnvilOptions, Tooling, doubles::Doubles};

sol! {
    #[derive(Debug)]
    struct State {
        int256 price;
        int256 base;
        int256 quote;
        int256 collateral;
        int256 owedRealizedPnl;
        int256 pendingFunding;
        uint256 settledFunding;
        uint256 supply;
        int256 min;
        int256 max;
        int256 incentivized;
        uint256 rebalanceInterval;
        uint256 reinvestInterval;
        uint256 minReinvestUnits;
        uint256 twapCooldown;
        uint256 incentivizedCooldown;
        int256 twap;
        uint256 sinceTrade;
        uint256 sinceReinvest;
        int256 customMin;
        int256 customMax;
    }

    function decide(State[] calldata states) external returns (int256[] memory ratios, uint8[] memory plain, uint8[] memory bounded);
}

/// How many states are asked about, and how many in one call.
const STATES: usize = 12_000;
const BATCH: usize = 250;
/// Gas for one call: what a state takes, many times over.
const GAS: u64 = 29_000_000;
const ONE: i128 = 1_000_000_000_000_000_000;
/// Where the harness is placed.
const HARNESS: Address = Address::repeat_byte(0x4a);
const REFUSED: u8 = 255;

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// From `low` up to and including `high`.
    fn within(&mut self, low: i128, high: i128) -> i128 {
        let wide = u128::from(self.roll()) << 64 | u128::from(self.roll());
        low + i128::try_from(wide >> 1).unwrap() % (high - low + 1)
    }

    fn one_of<T: Copy>(&mut self, these: &[T]) -> T {
        these[usize::try_from(self.roll()).unwrap() % these.len()]
    }

    /// At a border, or one or two beside it; sometimes anywhere.
    fn near(&mut self, border: i128, anywhere: i128) -> i128 {
        if self.roll().is_multiple_of(4) {
            self.within(0, anywhere)
        } else {
            (border + self.within(-2, 2)).max(0)
        }
    }
}

fn signed(value: i128) -> I256 {
    I256::try_from(value).unwrap()
}

fn unsigned(value: i128) -> U256 {
    U256::try_from(value).unwrap()
}

/// Settings that the contract accepts, a position near one of its borders, and times near theirs.
fn state(dice: &mut Dice) -> State {
    let min = dice.within(ONE / 2, ONE);
    let max = dice.within(ONE, 2 * ONE);
    let incentivized = max + dice.within(0, ONE) * dice.within(0, 1);
    let incentivized_cooldown = dice.one_of(&[0, 1, 60]);
    let twap_cooldown = incentivized_cooldown + dice.one_of(&[0, 30, 3_000]);
    let never = dice.roll().is_multiple_of(4);
    let interval = twap_cooldown + dice.within(0, 100_000);
    let reinvest_interval = dice.one_of(&[0, 3_600, 604_800]);
    let twap = if dice.roll().is_multiple_of(3) { -dice.within(min, max) } else { 0 };
    let since_trade = match dice.roll() % 3 {
        0 => dice.near(interval, 200_000),
        1 => dice.near(twap_cooldown, 200_000),
        _ => dice.near(incentivized_cooldown, 200_000),
    };

    // A short whose ratio is the wanted one but for some wei, by choosing what the account holds.
    let price = dice.within(1, 5_000 * 100_000_000);
    let base = -dice.within(0, 1_000 * ONE) * dice.within(0, 9).min(1);
    let custom_min = dice.one_of(&[min, min / 2, 0, min + 1]);
    let custom_max = dice.one_of(&[max, max + ONE, max - 1]);
    let wanted = dice.one_of(&[min, max, incentivized, custom_min.max(1), custom_max, 4 * ONE]);
    let held = signed(price) * signed(10_000_000_000) * signed(base) / signed(ONE);
    let account = -held * signed(ONE) / signed(wanted) + signed(dice.within(-3, 3));
    let account = if dice.roll().is_multiple_of(16) { -account } else { account };
    let quote = signed(dice.within(0, 3_000_000) * ONE);
    let owed = signed(dice.within(-1_000, 1_000) * ONE);

    // Funding near the least that is worth it.
    let supply = dice.within(1, 10_000) * ONE / dice.one_of(&[1, 7]);
    let least = dice.within(1, 50_000);
    let worth = unsigned(least) * unsigned(supply) / unsigned(ONE) * unsigned(1_000_000_000_000);
    let worth = I256::try_from(worth).unwrap() + signed(dice.within(-2, 2) * 1_000_000_000_000);
    let pending = signed(dice.within(-100, 100) * ONE / dice.one_of(&[1, 10, 1_000]));
    let settled = (worth - pending).max(I256::ZERO).unsigned_abs();
    State {
        price: signed(price),
        base: signed(base),
        quote,
        collateral: account - held - quote - owed - pending,
        owedRealizedPnl: owed,
        pendingFunding: pending,
        settledFunding: settled,
        supply: unsigned(supply),
        min: signed(-min),
        max: signed(-max),
        incentivized: signed(-incentivized),
        rebalanceInterval: if never { U256::MAX } else { unsigned(interval) },
        reinvestInterval: unsigned(reinvest_interval),
        minReinvestUnits: unsigned(least),
        twapCooldown: unsigned(twap_cooldown),
        incentivizedCooldown: unsigned(incentivized_cooldown),
        twap: signed(twap),
        sinceTrade: unsigned(since_trade),
        sinceReinvest: unsigned(dice.near(reinvest_interval, 1_000_000)),
        // Bounds are magnitudes to the contract: it takes either sign.
        customMin: signed(custom_min * dice.one_of(&[-1, 1])),
        customMax: signed(custom_max * dice.one_of(&[-1, 1])),
    }
}

/// The rule as the reference has it: magnitudes as fractions of an account, where the contract divides.
mod model {
    use super::*;

    /// Position value and account, 18 decimals; the ratio is their quotient.
    fn parts(state: &State) -> (U256, I256) {
        let price = state.price * signed(10_000_000_000);
        let value = price * state.base / signed(ONE);
        let account =
            state.collateral + state.owedRealizedPnl + state.pendingFunding + state.quote + value;
        (value.unsigned_abs(), account)
    }

    /// Positive magnitude, rounded down.
    pub(super) fn ratio(state: &State) -> U256 {
        let (value, account) = parts(state);
        if account <= I256::ZERO {
            return U256::ZERO;
        }
        value * unsigned(ONE) / account.unsigned_abs()
    }

    fn reinvests(state: &State) -> bool {
        let settled = I256::try_from(state.settledFunding).unwrap();
        let funding = (settled + state.pendingFunding).max(I256::ZERO).unsigned_abs();
        let dollars = funding / unsigned(1_000_000_000_000);
        // At least so much per token, rounded down: the same as so much for all of them, rounded up.
        dollars * unsigned(ONE) >= state.minReinvestUnits * state.supply
            && state.sinceReinvest > state.reinvestInterval
    }

    /// 0 nothing, 1 rebalance, 2 iterate, 3 ripcord, 4 reinvest.
    pub(super) fn due(state: &State, min: I256, max: I256) -> u8 {
        let ratio = ratio(state);
        let (min, max) = (min.unsigned_abs(), max.unsigned_abs());
        let elapsed = |period: U256| state.sinceTrade > period;
        if ratio >= state.incentivized.unsigned_abs() {
            return if elapsed(state.incentivizedCooldown) { 3 } else { 0 };
        }
        if state.twap != I256::ZERO {
            return if elapsed(state.twapCooldown) { 2 } else { 0 };
        }
        match () {
            () if elapsed(state.rebalanceInterval) || ratio > max || ratio < min => 1,
            () if reinvests(state) => 4,
            () => 0,
        }
    }

    pub(super) fn due_with_bounds(state: &State) -> u8 {
        let (min, max) = (state.customMin, state.customMax);
        let narrower = min.unsigned_abs() > state.min.unsigned_abs()
            || max.unsigned_abs() < state.max.unsigned_abs();
        if narrower { REFUSED } else { due(state, min, max) }
    }
}

#[tokio::test]
async fn what_is_due_is_what_the_rule_says_in_every_state() {
    let tooling = Tooling::locate().unwrap();
    let doubles = Doubles::compiled(&tooling).await.unwrap();
    let code = doubles.contract("BasisDecisionHarness").unwrap().runtime.clone();
    let anvil = Anvil::spawn(&tooling, AnvilOptions::default()).await.unwrap();
    let placed = AccountOverride::default().with_code(code);
    let overrides = StateOverride::from_iter([(HARNESS, placed)]);

    let mut dice = Dice(0x0bad_5eed_0bad_5eed);
    let states: Vec<_> = (0..STATES).map(|_| state(&mut dice)).collect();
    let mut seen = [[0_usize; 256]; 2];
    for batch in states.chunks(BATCH) {
        let call = decideCall { states: batch.to_vec() };
        let request = TransactionRequest::default()
            .with_to(HARNESS)
            .with_input(call.abi_encode())
            .with_gas_limit(GAS);
        let answer = anvil.node().provider().call(request).overrides(overrides.clone()).await;
        let answer = decideCall::abi_decode_returns(&answer.unwrap()).unwrap();
        let answers = answer.ratios.iter().zip(&answer.plain).zip(&answer.bounded);
        assert_eq!(answers.len(), batch.len());
        for (state, ((ratio, plain), bounded)) in batch.iter().zip(answers) {
            let negative = I256::try_from(model::ratio(state)).unwrap();
            assert_eq!(*ratio, -negative, "{state:?}");
            assert_eq!(*plain, model::due(state, state.min, state.max), "{state:?}");
            assert_eq!(*bounded, model::due_with_bounds(state), "{state:?}");
            seen[0][usize::from(*plain)] += 1;
            seen[1][usize::from(*bounded)] += 1;
        }
    }
    // Every answer was asked for often enough to mean something.
    let least = STATES / 100;
    assert!(seen.iter().all(|seen| seen[..5].iter().all(|count| *count >= least)), "{seen:?}");
    assert!(seen[1][usize::from(REFUSED)] >= least && seen[0][usize::from(REFUSED)] == 0);
}
