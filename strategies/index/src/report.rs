//! What came of a rebalance: realised units against their targets, slippage, gas, time.
//!
//! The module's events say which rebalance it is and what was traded; the receipts what a trade moved in
//! its pools and what it cost; the strategy's own look at a block how far it is. What a node does not
//! have any more is told as not known, never guessed. [`facts`] is what is read ([`read`] reads it),
//! [`sums`] what follows, [`loss`] the arithmetic, [`planned`] what a plan had foretold; [`show`] and
//! [`html`] are for people.

pub mod facts;
pub mod html;
pub mod loss;
pub mod planned;
pub mod read;
pub mod show;
pub mod sums;

use alloy::primitives::{Address, I256, U256};
use serde::Serialize;

pub use self::loss::Digits;
use self::{
    facts::{Deed, Dollars, Moment, Raise, Subject},
    loss::{Bp, Loss},
    planned::{Planned, PlannedRow},
};

/// How far a rebalance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The strategy would do nothing more, ever.
    Finished,
    /// There is something to do, now or later.
    InProgress,
    /// Another one was started before it was finished.
    Superseded,
    /// The state that says it is gone.
    Unknown,
}

impl Status {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::InProgress => "in progress",
            Self::Superseded => "superseded before it was finished",
            Self::Unknown => "whether it was finished is not known",
        }
    }
}

/// What is left of one component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The module holds its target to be met.
    Met,
    /// Too little is left to trade for.
    Small,
    /// It is below its target and stays there: what trading has cost is missing.
    Short,
    /// It is above its target and stays there.
    Over,
    /// It is still to be traded.
    Open,
    /// The state of that block is gone.
    Unknown,
}

impl State {
    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Small => "small rest",
            Self::Short => "short",
            Self::Over => "over",
            Self::Open => "open",
            Self::Unknown => "?",
        }
    }
}

/// Transactions and what they cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Bills {
    /// How many.
    pub transactions: u64,
    /// Their gas.
    pub gas_used: u64,
    /// Their fees, wei.
    pub fee_wei: Digits<U256>,
}

/// What came of one component. Amounts are base units, of the intermediate asset wei.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What the token calls itself.
    pub symbol: String,
    /// The token.
    pub address: Address,
    /// Its decimals; `None` if it does not say.
    pub decimals: Option<u8>,
    /// Its unit right before the start …
    pub unit_before: Option<Digits<U256>>,
    /// … and who says so: `chain` or `plan`.
    pub unit_before_by: Option<&'static str>,
    /// The target unit as it was submitted …
    pub submitted_unit: Option<Digits<U256>>,
    /// … and at the end, with raises and accrued fees.
    pub target_unit: Option<Digits<U256>>,
    /// The unit at the end.
    pub unit: Option<Digits<U256>>,
    /// How far that is from the target, units …
    pub off_units: Option<Digits<I256>>,
    /// … millionths of the target …
    pub off_ppm: Option<Digits<I256>>,
    /// … and basis points of what the index is worth, by the prices at the end.
    pub off_index_bp: Option<Bp>,
    /// Its share of the index at the end, and what the target's would be, basis points.
    pub share_bp: Option<Bp>,
    /// See [`share_bp`](Self::share_bp).
    pub target_share_bp: Option<Bp>,
    /// What is left of it.
    pub state: State,
    /// How many trades, and how many of them by others than the product's wallet.
    pub trades: u64,
    /// See [`trades`](Self::trades).
    pub trades_of_others: Option<u64>,
    /// How much of it was sold, and for how much before the protocol's fee.
    pub sold: Digits<U256>,
    /// See [`sold`](Self::sold).
    pub weth_received: Digits<U256>,
    /// How much of it was bought, the protocol's fee not in it, and what was paid.
    pub bought: Digits<U256>,
    /// See [`bought`](Self::bought).
    pub weth_paid: Digits<U256>,
    /// The protocol's fees, at the prices of the trades, wei.
    pub protocol_fee_wei: Digits<U256>,
    /// What a whole token was sold at on average, wei, rounded down; the protocol's fee is not in it.
    pub sold_at: Option<Digits<U256>>,
    /// The same of what was bought.
    pub bought_at: Option<Digits<U256>>,
    /// Through which exchanges, by their adapters.
    pub exchanges: Vec<String>,
    /// What was lost against the pools' price before each trade.
    pub slippage: Loss,
    /// The trade that lost the largest share.
    pub worst_trade_bp: Option<Bp>,
    /// What was lost against the price that it was held against right before each trade.
    pub against_reference: Loss,
    /// Gas of the transactions that traded it.
    pub gas_used: u64,
    /// What was planned of it.
    pub planned: Option<PlannedRow>,
    /// Slippage and the protocol's fee together, of what was traded.
    pub cost_bp: Option<Bp>,
}

/// One trade, for those who look closely.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TradeLine {
    /// When, and in which transaction.
    #[serde(flatten)]
    pub deed: Deed,
    /// What was traded.
    pub symbol: String,
    /// `sell` or `buy`.
    pub side: &'static str,
    /// How much of it, base units, before the protocol's fee.
    pub amount: Digits<U256>,
    /// For how much of the intermediate asset, wei, before the protocol's fee.
    pub weth: Digits<U256>,
    /// Whom the module saw.
    pub executor: Address,
    /// Whether that is the product's wallet; `None` where that is not known.
    pub is_own: Option<bool>,
    /// Where.
    pub exchange: String,
    /// What was lost against the pools' price before.
    pub slippage_bp: Option<Bp>,
    /// What was lost against what the price was held against …
    pub against_reference_bp: Option<Bp>,
    /// … and what that was.
    pub reference: Option<String>,
}

/// All of it together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Trades.
    pub trades: u64,
    /// Of them by others than the product's wallet; `None` where that is not known.
    pub trades_of_others: Option<u64>,
    /// Raises of all targets.
    pub raises: u64,
    /// What sells brought before the protocol's fee, wei.
    pub weth_received: Digits<U256>,
    /// What buys took, wei.
    pub weth_paid: Digits<U256>,
    /// What was lost against the pools' price before each trade, pool fees included.
    pub slippage: Loss,
    /// What was lost against the price that each was held against.
    pub against_reference: Loss,
    /// The protocol's fees, at the prices of the trades, wei, rounded up.
    pub protocol_fee_wei: Digits<U256>,
    /// Slippage and the protocol's fee, wei: what it cost the index …
    pub cost_wei: Digits<I256>,
    /// … of what was traded …
    pub cost_bp: Option<Bp>,
    /// … and of what the index is worth at the end.
    pub cost_index_bp: Option<Bp>,
    /// Gas that the product's wallet paid for trades and raises that were made.
    pub gas_own: Bills,
    /// Gas that others paid for them; all of it where the product's wallet is not known.
    pub gas_others: Bills,
    /// What the index has of the intermediate asset above its target, wei.
    pub left_over_wei: Option<Digits<U256>>,
    /// What counts as too little to trade for, wei.
    pub dust_wei: Option<Digits<U256>>,
    /// What the index is worth, wei.
    pub index_worth_wei: Option<Digits<U256>>,
    /// The price of the intermediate asset at the end …
    pub weth_usd: Option<Dollars>,
    /// … and of the native currency, which gas is paid in.
    pub native_usd: Option<Dollars>,
    /// What it cost the index, millionths of a US dollar, rounded up.
    pub cost_usd_micros: Option<Digits<I256>>,
    /// What gas cost the product's wallet, millionths of a US dollar, rounded up.
    pub gas_own_usd_micros: Option<Digits<I256>>,
}

/// What the keeper booked of the product in that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Books {
    /// Transactions in final blocks, whatever they were for.
    pub transactions: u64,
    /// Of them reverted or given up.
    pub failed: u64,
    /// What all of them cost, wei.
    pub cost_wei: Digits<U256>,
}

/// A rebalance, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Which product's.
    #[serde(flatten)]
    pub subject: Subject,
    /// As of when.
    pub at: Moment,
    /// How far it is.
    pub status: Status,
    /// What it waits for, or does next.
    pub detail: Option<String>,
    /// When it was started.
    pub started: Deed,
    /// Who sent that transaction …
    pub started_by: Option<Address>,
    /// … and what it cost.
    pub started_gas: Bills,
    /// The multiplier that the units were submitted with.
    pub position_multiplier: Digits<U256>,
    /// The last trade or raise.
    pub last: Option<Deed>,
    /// From the start to the last trade or raise; to the block of the report while it is in progress.
    pub seconds: u64,
    /// When the next one was started.
    pub next: Option<Moment>,
    /// All of it together.
    pub totals: Totals,
    /// What was planned.
    pub planned: Option<Planned>,
    /// What the keeper booked.
    pub books: Option<Books>,
    /// Component by component, in the order submitted.
    pub components: Vec<Row>,
    /// Trade by trade.
    pub trades: Vec<TradeLine>,
    /// Raise by raise.
    pub raises: Vec<Raise>,
    /// What is not known, and why; what people should look at.
    pub warnings: Vec<String>,
}

#[cfg(test)]
mod tests;
