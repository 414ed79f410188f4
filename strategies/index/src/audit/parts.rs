//! The components: what would make their trades revert, and what looks odd.

use alloy::primitives::{Address, U256, U512};
use ballast_chains::amount::ether;
use ballast_strategy_api::Doubt;

use crate::{
    decimal::{ONE, narrow},
    module::{Position, Size, Terms},
    plan::{show::short, work::percent},
    venue::Venue,
};

/// Gas of one trade, about; see [`gas`](crate::gas).
const TRADE_GAS: U256 = U256::from_limbs([290_000, 0, 0, 0]);
/// Rest between two trades that is longer than anybody means: a day.
const LONG_REST: U256 = U256::from_limbs([86_400, 0, 0, 0]);
/// Share that one trade may cost in its pools before it is told: 3 %.
const DEAR: U256 = U256::from_limbs([30_000_000_000_000_000, 0, 0, 0]);
/// Share by which the targets may be scaled before it is told: 5 %. Fees take less in two years.
const SCALED: U256 = U256::from_limbs([50_000_000_000_000_000, 0, 0, 0]);

/// An index, as far as it is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// 18 decimals.
    pub supply: U256,
    /// Its position multiplier, 18 decimals.
    pub multiplier: U256,
    /// The one that the module noted at the start of the last rebalance, or 0.
    pub started_at: U256,
    /// By how much all targets are raised where WETH is left, 18 decimals.
    pub raise: U256,
    /// The protocol's share of what a trade receives, 18 decimals.
    pub protocol_fee: U256,
    /// Wei for one gas in this block, if the chain says so.
    pub base_fee: Option<u128>,
    /// What every trade has on one side.
    pub weth: Address,
    /// What it holds, and what the last rebalance lists.
    pub tokens: Vec<Token>,
    /// What the last rebalance lists, as it stands there.
    pub listed: Vec<Address>,
}

/// A component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The token.
    pub address: Address,
    /// What it calls itself.
    pub symbol: String,
    /// Whether the last rebalance lists it.
    pub is_listed: bool,
    /// What is held of it for each whole index token, base units.
    pub unit: U256,
    /// The target as it was submitted.
    pub target_unit: U256,
    /// Most that one trade moves.
    pub max_size: U256,
    /// Seconds between two trades.
    pub cool_off: U256,
    /// Where it is traded, by name.
    pub exchange: String,
    /// What that leads to.
    pub venue: Venue,
    /// How many modules have a position of it outside of the index.
    pub external: usize,
}

impl Parts {
    /// What a person should look at.
    pub fn doubts(&self) -> Vec<Doubt> {
        let mut doubts = self.of_the_start();
        for token in self.tokens.iter().filter(|token| token.address != self.weth) {
            doubts.extend(self.of_token(token));
        }
        doubts
    }

    /// What is left to trade of a component; `None` for nothing, or if the module cannot tell.
    pub fn due(&self, token: &Token) -> Option<Size> {
        if !token.is_listed || token.address == self.weth {
            return None;
        }
        let Token { target_unit, unit, max_size, .. } = *token;
        let position = Position { target_unit, unit, max_size };
        let terms = self.terms();
        let is_met = terms.is_met(&position).ok()?;
        if is_met { None } else { terms.size(&position).ok()? }
    }

    fn terms(&self) -> Terms {
        let Self { supply, multiplier, started_at, protocol_fee, .. } = *self;
        Terms { supply, multiplier, started_at, protocol_fee }
    }

    /// What the whole index is worth in WETH by its pools, wei; `None` if one of them is not known.
    pub fn worth(&self) -> Option<U256> {
        let mut worth = U256::ZERO;
        for token in &self.tokens {
            let held = self.supply.checked_mul(token.unit)?.checked_div(ONE)?;
            worth = worth.checked_add(self.value(token, held)?)?;
        }
        Some(worth)
    }

    /// What so many base units of a component are worth in WETH at its pools' price, wei.
    fn value(&self, token: &Token, amount: U256) -> Option<U256> {
        if token.address == self.weth {
            return Some(amount);
        }
        let Venue::Pools(hops) = &token.venue else { return None };
        hops.iter().try_fold(amount, |amount, hop| {
            let out = U512::from(amount).checked_mul(U512::from(hop.reserve_out))?;
            let out = out.checked_div(U512::from(hop.reserve_in))?;
            narrow(out)
        })
    }

    /// What the gas of one trade costs in this block, wei.
    pub fn gas_of_a_trade(&self) -> Option<U256> {
        self.base_fee.map(|fee| TRADE_GAS.saturating_mul(U256::from(fee)))
    }

    fn of_the_start(&self) -> Vec<Doubt> {
        let mut doubts = Vec::new();
        if self.listed.is_empty() {
            return doubts;
        }
        if self.listed.contains(&Address::ZERO) {
            doubts.push(Doubt::error(
                "the rebalance lists the zero address, as it does where a component was submitted \
                 twice: another may be missing and be sold altogether. Hold the module against what \
                 was signed: `ballast index verify --executed`"
                    .to_owned(),
            ));
        }
        if self.started_at.is_zero() {
            let text = "the rebalance was started with a multiplier of 0: every trade reverts";
            doubts.push(Doubt::error(text.to_owned()));
        } else if let Some(apart) = self.scaled_by().filter(|apart| *apart > SCALED) {
            doubts.push(Doubt::warning(format!(
                "the rebalance was started at a multiplier of {}, the index has {}: all targets are \
                 scaled by {} %",
                self.started_at,
                self.multiplier,
                shown(apart)
            )));
        }
        let sold = self.tokens.iter().filter(|token| {
            !token.is_listed && !token.unit.is_zero() && token.address != self.weth
        });
        for token in sold {
            doubts.push(Doubt::warning(format!(
                "{} is held and not in the last rebalance: it is not traded",
                token.symbol
            )));
        }
        if self.raise.is_zero() {
            doubts.push(Doubt::warning(
                "raiseTargetPercentage is 0: WETH that is left when every target is met stays \
                 (setRaiseTargetPercentage)"
                    .to_owned(),
            ));
        }
        if self.supply < ONE {
            doubts.push(Doubt::warning(format!(
                "its supply is {}, below one: roundings of a unit can make trades of nothing, which \
                 revert",
                ether(self.supply)
            )));
        }
        doubts
    }

    fn scaled_by(&self) -> Option<U256> {
        let apart = self.started_at.abs_diff(self.multiplier);
        apart.checked_mul(ONE)?.checked_div(self.started_at)
    }

    /// What keeps a component from being traded is an error where it is to be traded now.
    fn of_token(&self, token: &Token) -> Vec<Doubt> {
        let due = self.due(token);
        let mut doubts = Vec::new();
        let mut reverts = |why: String| {
            let text = format!("{}: {why}", token.symbol);
            doubts.push(match due {
                Some(_) => {
                    Doubt::error(format!("{text}; it is to be traded, and every trade reverts"))
                }
                None => Doubt::warning(text),
            });
        };
        if let Venue::Nowhere(why) = &token.venue {
            reverts(why.clone());
        }
        if token.max_size.is_zero() {
            reverts("its trade maximum is 0 (setTradeMaximums)".to_owned());
        }
        if token.external > 0 {
            reverts(format!(
                "{} modules hold positions of it outside of the index",
                token.external
            ));
        }
        let mut odd = |why: String| doubts.push(Doubt::warning(format!("{}: {why}", token.symbol)));
        if token.venue == Venue::Unknown {
            odd(format!(
                "{:?} is no exchange that is known here: its limits come from the reference price",
                token.exchange
            ));
        }
        if token.cool_off.is_zero() && !token.max_size.is_zero() {
            odd("it does not rest between two trades (setCoolOffPeriods)".to_owned());
        } else if token.cool_off > LONG_REST {
            odd(format!("it rests {} s between two trades", token.cool_off));
        }
        let worth = due.and_then(|size| self.value(token, size.now));
        let least = self
            .gas_of_a_trade()
            .filter(|_| due.is_some_and(|size| size.now < size.left && !size.now.is_zero()));
        if let Some((worth, gas)) = worth.zip(least).filter(|(worth, gas)| worth < gas) {
            odd(format!(
                "its trade maximum of {} base units is worth {} ETH, and the gas of one trade {}: is \
                 it in whole tokens",
                token.max_size,
                ether(worth),
                ether(gas)
            ));
        }
        let cost = due.filter(|size| !size.now.is_zero());
        if let (Some(size), Venue::Pools(_)) = (cost, &token.venue) {
            match token.venue.cost(size.side, size.now) {
                Some(cost) if cost <= DEAR => {}
                Some(cost) => {
                    odd(format!("its next trade costs {} % in its pools", shown(cost)));
                }
                None => odd("its pools do not hold its next trade".to_owned()),
            }
        }
        doubts
    }
}

/// A share in percent, for people.
pub(super) fn shown(share: U256) -> String {
    short(&percent(Some(share)))
}
