//! What a report is made from: all of it is the chain's word, but the plan and the books.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, B256, I256, U256};
use ballast_strategy_api::{Booked, Decision};
use serde::Serialize;

use super::{Digits, planned::Planned};
use crate::{
    decide::{FINISHED, Survey},
    price::Price,
    snapshot::Source,
    strategy::Judged,
};

/// Which product's rebalance it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Subject {
    /// The product, by the name of its file.
    pub product: String,
    /// Its chain, by the name of that file.
    pub chain: String,
    /// The chain's id.
    pub chain_id: u64,
    /// What gas is paid in.
    pub native_symbol: String,
    /// The index's token …
    pub set_token: Address,
    /// … what it calls itself …
    pub symbol: String,
    /// … and the module that trades it.
    pub module: Address,
    /// Who trades for the product; `None` where only its signer could say.
    pub wallet: Option<Address>,
    /// The intermediate asset.
    pub weth: Address,
}

/// A block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// Its number.
    pub block: u64,
    /// Its time, seconds since 1970.
    pub timestamp: u64,
}

/// A transaction in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Deed {
    /// When.
    #[serde(flatten)]
    pub at: Moment,
    /// The transaction.
    pub hash: B256,
}

/// The start of a rebalance, as it was submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// When, and in which transaction.
    pub deed: Deed,
    /// Each component with its target unit, in the order submitted.
    pub targets: Vec<(Address, U256)>,
    /// The multiplier that the units belong to.
    pub multiplier: U256,
}

/// One trade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trade {
    /// When, and in which transaction.
    pub deed: Deed,
    /// Whom the module saw.
    pub executor: Address,
    /// Through which adapter.
    pub adapter: Address,
    /// What the index gave …
    pub sold: Address,
    /// … and got.
    pub bought: Address,
    /// How much it gave, base units.
    pub amount_sold: U256,
    /// How much it got after the protocol's fee, base units.
    pub amount_received: U256,
    /// The fee, base units of what it got.
    pub protocol_fee: U256,
    /// What was lost of what was given against the pools' price before, their fees included, 18 decimals;
    /// `None` where the pools do not tell.
    pub slippage: Option<I256>,
    /// What the component's price was held against right before.
    pub reference: Option<Quoted>,
}

/// A component's price by somebody else than its pool, wei of the intermediate asset for a base unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quoted {
    /// The lower of two averages …
    pub low: Price,
    /// … and the higher; the same, of an oracle.
    pub high: Price,
    /// Who says so.
    pub source: Source,
}

/// A raise of all targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Raise {
    /// When, and in which transaction.
    #[serde(flatten)]
    pub deed: Deed,
    /// What targets were reckoned from after it.
    pub position_multiplier: Digits<U256>,
}

/// What a transaction cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bill {
    /// Who paid.
    pub from: Address,
    /// Gas used.
    pub gas_used: u64,
    /// All its fees, wei, those of a layer 2 included.
    pub fee: U256,
}

/// A token of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The token.
    pub address: Address,
    /// What it calls itself; its address where it does not.
    pub symbol: String,
    /// Its decimals, if it says.
    pub decimals: Option<u8>,
}

/// How far the strategy holds a rebalance to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It would do nothing more, ever.
    Finished,
    /// It is not over: what it waits for or does next.
    Open(String),
}

impl Verdict {
    fn of(decision: &Decision) -> Self {
        match decision {
            Decision::Wait { reason: FINISHED, .. } => Self::Finished,
            Decision::Wait { reason, .. } => Self::Open((*reason).to_owned()),
            Decision::Act(action) => {
                let call = action.candidates.iter().next();
                let label = call.map_or("", |call| call.label.as_str());
                Self::Open(format!("next: {}, {label}", action.name))
            }
            Decision::Blocked { reason, detail } => Self::Open(format!("{reason}: {detail}")),
        }
    }
}

/// What the index holds of one component at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    /// Its unit …
    pub unit: U256,
    /// … and the one it goes to, raises and accrued fees in it.
    pub target: U256,
    /// Whether the module holds that to be met.
    pub is_met: bool,
    /// Whether what is left is too little to trade for.
    pub is_small: bool,
    /// What is left, wei of the intermediate asset; `None` where it has no price.
    pub left: Option<U256>,
    /// What a base unit is worth, wei.
    pub price: Option<Price>,
}

/// The state at the end: where the strategy looked last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// How far it is.
    pub verdict: Verdict,
    /// The components, without the intermediate asset.
    pub holdings: BTreeMap<Address, Holding>,
    /// The intermediate asset's unit …
    pub weth_unit: U256,
    /// … and the one it goes to; 0 where it is no part of the rebalance.
    pub weth_target: U256,
    /// What the index has of it above its target, wei …
    pub left_over: U256,
    /// … what counts as too little to trade for …
    pub dust: U256,
    /// … and what all of it is worth, wei.
    pub worth: U256,
    /// The index's supply, 18 decimals.
    pub supply: U256,
}

impl End {
    /// Of what the strategy made of a block.
    pub(crate) fn of(judged: &Judged) -> Self {
        let Judged { snapshot, survey, decision } = judged;
        let nothing = Survey {
            lots: Vec::new(),
            free: U256::ZERO,
            surplus: U256::ZERO,
            dust: U256::ZERO,
            worth: U256::ZERO,
            raise_helps: false,
        };
        let survey = survey.as_ref().unwrap_or(&nothing);
        let holdings = survey.lots.iter().filter_map(|lot| {
            let component = snapshot.components.get(lot.place)?;
            let holding = Holding {
                unit: component.position.unit,
                target: lot.target,
                is_met: lot.is_met,
                is_small: lot.is_small,
                left: lot.value,
                price: component.price(),
            };
            Some((component.token, holding))
        });
        let weth = &snapshot.weth;
        let weth_target = snapshot.terms.normalised(weth.target_unit).ok();
        Self {
            verdict: Verdict::of(decision),
            holdings: holdings.collect(),
            weth_unit: weth.unit,
            weth_target: weth_target.filter(|_| weth.is_component).unwrap_or_default(),
            left_over: survey.free,
            dust: survey.dust,
            worth: survey.worth,
            supply: snapshot.terms.supply,
        }
    }
}

/// What a currency was worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Dollars {
    /// US dollars for a whole coin, 18 decimals.
    #[serde(rename = "price_fixed18")]
    pub price: Digits<U256>,
    /// At which block.
    #[serde(flatten)]
    pub at: Moment,
}

/// All of it.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Whose rebalance.
    pub subject: Subject,
    /// As of when: the newest block, or the last one before the next rebalance.
    pub at: Moment,
    /// Which.
    pub start: Start,
    /// When the next one was started, if it was.
    pub next: Option<Moment>,
    /// Every trade of it, in order.
    pub trades: Vec<Trade>,
    /// Every raise of its targets, in order.
    pub raises: Vec<Raise>,
    /// What each of these transactions cost, and the start.
    pub bills: BTreeMap<B256, Bill>,
    /// What the tokens call themselves.
    pub tokens: Vec<Token>,
    /// What adapters are called.
    pub exchanges: BTreeMap<Address, String>,
    /// Units right before the start; `None` where the state of that block is gone.
    pub before: Option<BTreeMap<Address, U256>>,
    /// The state at the end; why it is not known.
    pub end: Result<End, String>,
    /// The price of the intermediate asset at the end, `None` without a feed; why there is none.
    pub weth_usd: Result<Option<Dollars>, String>,
    /// The same of the native currency, which gas is paid in.
    pub native_usd: Result<Option<Dollars>, String>,
    /// What was planned.
    pub planned: Option<Planned>,
    /// What the keeper has booked in that time.
    pub booked: Option<Booked>,
    /// What could not be read besides.
    pub unknown: Vec<String>,
}

impl Facts {
    /// What is reported on: what was submitted, in that order, then what was traded besides.
    pub(super) fn listed(&self) -> Vec<Address> {
        let mut seen = BTreeSet::new();
        let submitted = self.start.targets.iter().map(|(token, _)| *token);
        let traded = self.trades.iter().map(|trade| self.component(trade));
        submitted.chain(traded).filter(|token| seen.insert(*token)).collect()
    }

    /// The component of a trade: its other side is the intermediate asset.
    pub(super) fn component(&self, trade: &Trade) -> Address {
        if trade.sold == self.subject.weth { trade.bought } else { trade.sold }
    }
}
