//! What is due, from a snapshot alone.
//!
//! One trade at a time: sells first, the largest first; buys as far as the proceeds go, what takes
//! longest first; when nothing is left to sell and no whole trade can be paid, what remains is spent
//! on one component; when all are met and something remains, targets are raised. A component whose
//! price is not believed, or that the module refuses to trade, holds up none of the others.

mod expect;
pub mod hold;
mod pending;
mod rest;
pub mod stand;
pub mod survey;
mod tail;
mod urgency;

use std::time::Duration;

use alloy::primitives::{Address, U256};
use alloy::sol_types::SolCall;
use ballast_strategy_api::{
    Action, Blocks, Call, Decision, Exposure, NonEmpty, Postcondition, RepeatLimit, StateKey,
    StrategyError,
};

use crate::{
    contracts::IGeneralIndexModule::{raiseAssetTargetsCall, tradeCall, tradeRemainingWETHCall},
    module::Side,
    params::Policy,
    snapshot::{Component, Snapshot},
};
pub use hold::Hold;
pub(crate) use pending::stands;
pub use stand::Stand;
pub use survey::{Lot, Survey};

/// Sells or buys one component.
pub const TRADE: &str = "trade";
/// Spends what remains on one component.
pub const TRADE_REMAINING: &str = "tradeRemainingWETH";
/// Raises all targets by the share that the manager has set.
pub const RAISE: &str = "raiseAssetTargets";

/// Nothing was ever started.
pub const NOT_STARTED: &str = "no rebalance was started";
/// All is done that can be.
pub const FINISHED: &str = "finished";
/// Nothing but time is in the way.
pub const RESTING: &str = "components rest between two trades";
/// The wallet is on no list.
pub const NOT_PERMITTED: &str = "caller not permitted";
/// The module refuses contracts where everybody may trade.
pub const NOT_PLAIN: &str = "caller is a contract, not a plain account";
/// The index has thrown the module out.
pub const NOT_SERVED: &str = "the module is not initialised on the index";
/// Every view of the module that matters fails.
pub const NO_MULTIPLIER: &str = "the rebalance was started with a multiplier of 0";
/// What remains cannot be spent while the module counts a component as sellable.
pub const HELD_UP: &str = "a component one unit above its target holds up the rest";
/// What remains cannot be spent, for the module goes by the target as it was submitted.
pub const KEPT: &str = "the module keeps what remains";

/// What remains finds no component.
pub const UNSPENT: &str = "what remains cannot be spent";
/// A duplicate in what was submitted left it behind.
pub const ZERO_LISTED: &str = "the rebalance lists the zero address";

/// How long a trade is worth including: its limit is of the block that it was found at, and who trades
/// in front of it gains what the price has moved since. To give it up costs gas, so it has some blocks.
const DEADLINE: Duration = Duration::from_secs(60);
/// Fewest blocks of that, and most.
const DEADLINE_BLOCKS: (u128, u128) = (4, 300);
/// How often targets may be raised without a trade in between.
const RAISES: RepeatLimit = RepeatLimit { times: 4, cooldown: 6 * 3_600 };

/// The contracts, and what their operator wants.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// The index's token.
    pub set_token: Address,
    /// Its module.
    pub module: Address,
    /// The operator's choices.
    pub policy: &'a Policy,
    /// Whether the wallet is a contract.
    pub caller_is_contract: bool,
}

/// A snapshot with its survey, to decide on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look<'a> {
    pub(crate) terms: Terms<'a>,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) survey: &'a Survey,
}

/// What is due of a rebalance.
///
/// # Errors
/// [`StrategyError::Arithmetic`] for numbers that the module could not compute with.
pub fn decide(
    terms: Terms<'_>,
    snapshot: &Snapshot,
    survey: &Survey,
) -> Result<Decision, StrategyError> {
    let look = Look { terms, snapshot, survey };
    let due = look.due().ok_or(StrategyError::Arithmetic("a trade"))?;
    Ok(match due {
        Decision::Act(_) => look.not_permitted().unwrap_or(due),
        Decision::Wait { .. } | Decision::Blocked { .. } => due,
    })
}

/// Nothing is rebalanced.
pub fn idle() -> Decision {
    wait(NOT_STARTED)
}

/// What is wrong with a rebalance as a whole, before anything can be reckoned with.
pub fn broken(snapshot: &Snapshot) -> Option<Decision> {
    if !snapshot.is_served {
        let detail = "every trade would be refused: was the module removed?".to_owned();
        return Some(blocked(NOT_SERVED, detail));
    }
    if snapshot.lists_zero {
        let detail = "a component was submitted twice, so another may be missing and would be sold: \
                      see `ballast index verify --executed`";
        return Some(blocked(ZERO_LISTED, detail.to_owned()));
    }
    if !snapshot.components.is_empty() && snapshot.terms.started_at.is_zero() {
        let detail = "the module divides by it: it has to be started anew".to_owned();
        return Some(blocked(NO_MULTIPLIER, detail));
    }
    None
}

/// A trade that may be made.
pub(crate) struct Ready<'a> {
    lot: &'a Lot,
    component: &'a Component,
    limit: U256,
}

impl<'a> Look<'a> {
    fn due(self) -> Option<Decision> {
        if let Some(sell) = self.sells().into_iter().next() {
            return self.trade(&sell);
        }
        if let Some(buy) = self.buys().into_iter().next() {
            return self.trade(&buy);
        }
        if let Some(last) = tail::last_buy(self) {
            return last.decision(self);
        }
        if self.is_raised_next() {
            return self.raise();
        }
        Some(self.nothing_due())
    }

    /// Lots that can be traded in a direction now.
    fn ready(self, side: Side) -> Vec<Ready<'a>> {
        let (snapshot, survey) = (self.snapshot, self.survey);
        let lots = survey.lots.iter().filter(|lot| lot.side() == Some(side));
        let ready = lots.filter_map(|lot| match self.stand(lot) {
            Stand::Ready { limit } => {
                let component = snapshot.components.get(lot.place)?;
                Some(Ready { lot, component, limit })
            }
            Stand::Met | Stand::Small | Stand::Resting | Stand::Held(_) | Stand::TooDear => None,
        });
        ready.collect()
    }

    /// The largest first: it frees most.
    fn sells(self) -> Vec<Ready<'a>> {
        let mut sells = self.ready(Side::Sell);
        sells.sort_by_key(|sell| std::cmp::Reverse(sell.limit));
        sells
    }

    /// What takes longest first: it sets when the whole is done.
    fn buys(self) -> Vec<Ready<'a>> {
        let mut buys = self.ready(Side::Buy);
        buys.sort_by_key(|buy| std::cmp::Reverse((buy.lot.takes, buy.lot.value)));
        buys
    }

    fn trade(self, Ready { lot, component, limit }: &Ready<'_>) -> Option<Decision> {
        let size = lot.size?;
        let call = tradeCall {
            setToken: self.terms.set_token,
            component: component.token,
            ethQuantityLimit: *limit,
        };
        let expects = expect::traded(self, component, size.side, size.now);
        let label = format!("{} {}", side_of(size.side), component.symbol);
        let answers = self.key(component, size.side);
        Some(self.act(TRADE, call.abi_encode(), label, answers, expects))
    }

    fn act(
        self,
        name: &'static str,
        data: Vec<u8>,
        label: String,
        answers: StateKey,
        expects: Option<Postcondition>,
    ) -> Decision {
        let call = Call { label, to: self.terms.module, data: data.into(), value: U256::ZERO };
        Decision::Act(Action {
            name,
            candidates: NonEmpty::one(call),
            urgency: urgency::of(self),
            exposure: Exposure::Keeps,
            answers,
            deadline: Some(deadline(self.snapshot.block_time)),
            repeat_limit: (name == RAISE).then_some(RAISES),
            expects,
        })
    }

    fn is_raised_next(self) -> bool {
        self.survey.wants_raise() && self.survey.lots.iter().all(|lot| lot.is_met)
    }

    fn raise(self) -> Option<Decision> {
        let call = raiseAssetTargetsCall { setToken: self.terms.set_token };
        let newest = self.snapshot.components.iter().map(|component| component.last_trade).max();
        let answers = StateKey::of(&[
            ("last_trade", &newest.unwrap_or_default()),
            (pending::REBALANCE, &self.rebalance()),
        ]);
        let expects = expect::raised(self);
        Some(self.act(RAISE, call.abi_encode(), "all targets".to_owned(), answers, expects))
    }

    /// The state that every trade of a component changes, and what it is traded for: a limit of a sell
    /// would be that of a buy once another rebalance was started.
    fn key(self, component: &Component, side: Side) -> StateKey {
        StateKey::of(&[
            ("component", &component.token),
            ("last_trade", &component.last_trade),
            ("side", &side_of(side)),
            (pending::REBALANCE, &self.rebalance()),
        ])
    }

    /// What was started, in short: multiplier and targets as they were submitted tell one rebalance
    /// from another.
    fn rebalance(self) -> String {
        let Snapshot { terms, weth, .. } = self.snapshot;
        let mut text = Vec::new();
        text.extend_from_slice(&terms.started_at.to_be_bytes::<32>());
        text.extend_from_slice(&weth.target_unit.to_be_bytes::<32>());
        for component in &self.snapshot.components {
            text.extend_from_slice(component.token.as_slice());
            text.extend_from_slice(&component.position.target_unit.to_be_bytes::<32>());
        }
        let digest = alloy::primitives::keccak256(text);
        alloy::primitives::hex::encode(digest.get(..8).unwrap_or_default())
    }

    fn not_permitted(self) -> Option<Decision> {
        let Snapshot { caller, may_trade, anyone, .. } = self.snapshot;
        if !may_trade {
            let detail = format!("{caller} is no trader of the index: setTraderStatus");
            return Some(blocked(NOT_PERMITTED, detail));
        }
        (*anyone && self.terms.caller_is_contract).then(|| {
            let detail = format!("everybody may trade, but {caller} has code: setAnyoneTrade");
            blocked(NOT_PLAIN, detail)
        })
    }
}

/// Blocks within which a trade is worth including.
fn deadline(block_time: Duration) -> Blocks {
    let (least, most) = DEADLINE_BLOCKS;
    let blocks = DEADLINE.as_millis().div_ceil(block_time.as_millis().max(1)).clamp(least, most);
    Blocks::try_from(blocks).unwrap_or_default()
}

fn side_of(side: Side) -> &'static str {
    match side {
        Side::Sell => "sell",
        Side::Buy => "buy",
    }
}

fn resting_until(soonest: U256, now: u64, only_time: bool) -> Decision {
    let until = u64::try_from(soonest).ok().filter(|until| only_time && *until > now);
    Decision::Wait { reason: RESTING, until }
}

fn wait(reason: &'static str) -> Decision {
    Decision::Wait { reason, until: None }
}

fn blocked(reason: &'static str, detail: String) -> Decision {
    Decision::Blocked { reason, detail }
}

impl tail::Last<'_> {
    fn decision(self, look: Look<'_>) -> Option<Decision> {
        match self {
            Self::Trade(ready) => look.trade(&ready),
            Self::Remaining { component, least, expected } => {
                let call = tradeRemainingWETHCall {
                    setToken: look.terms.set_token,
                    component: component.token,
                    minComponentReceived: least,
                };
                let expects = expect::traded(look, component, Side::Buy, expected);
                let label = format!("remaining to {}", component.symbol);
                let data = call.abi_encode();
                let answers = look.key(component, Side::Buy);
                Some(look.act(TRADE_REMAINING, data, label, answers, expects))
            }
            Self::Later { soonest } => Some(resting_until(soonest, look.snapshot.now, false)),
        }
    }
}

pub(crate) use urgency::{elapsed, needed};

#[cfg(test)]
mod model;
