//! What products are and do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Answer of `GET /api/v1/products`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Products {
    /// By name.
    pub products: Vec<Product>,
}

/// What a product is and does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// The stem of its file.
    pub name: String,
    /// The chain as `/api/v1/chains` names it.
    pub chain: String,
    /// The strategy's kind.
    pub strategy: String,
    /// Cost centre: `automated`, `composite`, `launch` or `other`.
    pub category: String,
    /// `mode` of its file.
    pub mode: String,
    /// Whether its file or the command line forbids to send.
    pub dry_run: bool,
    /// Everything else in one word.
    pub health: Health,
    /// Why, where the word alone does not tell.
    pub trouble: Option<String>,
    /// Who has paused it; `null` while nobody has.
    pub paused: Option<Paused>,
    /// Who sends.
    pub wallet: Wallet,
    /// The last decision; `null` before the first.
    pub last: Option<Decision>,
    /// The transaction that is not final: the one that waits for inclusion, else the newest that
    /// is included.
    pub current: Option<Current>,
    /// What became of a pause or resume, where that needs words; only in answers to those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A product's state in one word, the gravest that applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Given up after too many failures; a person has to look.
    Halted,
    /// A person has stopped it.
    Paused,
    /// The last look failed, or its chain has no fresh head.
    Error,
    /// Something is due, and the protocol refuses it.
    Blocked,
    /// A transaction is under way.
    Acting,
    /// Something is due that this keeper does not send (yet), or nothing was decided yet.
    Waiting,
    /// Looked at, and nothing is due.
    Ok,
}

impl Health {
    /// All of them, the gravest first.
    pub const ALL: [Self; 7] = [
        Self::Halted,
        Self::Paused,
        Self::Error,
        Self::Blocked,
        Self::Acting,
        Self::Waiting,
        Self::Ok,
    ];

    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Halted => "halted",
            Self::Paused => "paused",
            Self::Error => "error",
            Self::Blocked => "blocked",
            Self::Acting => "acting",
            Self::Waiting => "waiting",
            Self::Ok => "ok",
        }
    }
}

/// Who has paused a product. A file wins over a resume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// `paused = true` or `mode = "paused"` in its file.
    pub by_file: bool,
    /// Through the API, the page or the command line, or by the keeper itself, until an operator
    /// agrees to what the product acts on by now.
    pub by_operator: bool,
    /// Who that was, as told by the call; `the keeper` itself; `null` if only the file.
    pub who: Option<String>,
    /// When, wall clock; `null` if only the file.
    pub since: Option<u64>,
    /// Why, in the operator's words.
    pub reason: Option<String>,
}

/// A product's wallet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wallet {
    /// Its address, with EIP-55 checksum; empty until its signer has told it.
    pub address: String,
    /// Whether there is a signer; else it is only watched.
    pub can_sign: bool,
    /// Native balance, wei; `null` until it was read.
    pub balance_wei: Option<String>,
    /// The block that the balance is of.
    pub balance_block: Option<u64>,
    /// `limits.min_balance`, wei.
    pub min_balance_wei: Option<String>,
}

/// A decision with its inputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// `wait`, `act`, `blocked`, `refused`, `held`, `rehearsed` or `error`.
    pub kind: String,
    /// The action that was due, if one was.
    pub action: Option<String>,
    /// `routine`, `prompt` or `emergency`, if something was due.
    pub urgency: Option<String>,
    /// Why, in fixed words.
    pub reason: String,
    /// The figures behind it, in words.
    pub detail: String,
    /// The block that was read.
    pub head: BlockMark,
    /// The inputs.
    pub observations: Vec<Observation>,
}

/// A block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockMark {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: String,
    /// Its time.
    pub timestamp: u64,
}

/// An input of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// Fixed name in snake case.
    pub name: String,
    /// Which of several alike; empty if there is one.
    pub of: String,
    /// The value.
    pub value: String,
    /// `ratio`, `seconds`, `time`, `count`, `native` or `usd`.
    pub unit: String,
    /// Lower bound.
    pub min: Option<String>,
    /// Where it should be.
    pub target: Option<String>,
    /// Upper bound.
    pub max: Option<String>,
    /// Whether its history is kept.
    pub series: bool,
}

/// A transaction that is not final.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Current {
    /// Its nonce.
    pub nonce: u64,
    /// `signed`, `pending` or `included`.
    pub state: String,
    /// The action's name.
    pub action: String,
    /// How urgent it is.
    pub urgency: String,
    /// The block that holds it.
    pub block: Option<u64>,
    /// All that was signed for the nonce, the oldest first.
    pub attempts: Vec<Attempt>,
}

/// One signed transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its hash.
    pub hash: String,
    /// `original`, `replacement` or `cancellation`.
    pub kind: String,
    /// Which of the strategy's candidates.
    pub call: String,
    /// Offered wei per gas.
    pub max_fee_per_gas: String,
    /// Offered tip, wei per gas.
    pub max_priority_fee_per_gas: String,
    /// Gas limit.
    pub gas_limit: u64,
    /// The head at which it was signed.
    pub signed_at_block: u64,
    /// What each endpoint said last: `accepted`, `rejected` or `ambiguous`, and its words.
    pub answers: BTreeMap<String, String>,
}

/// Answer of `GET /api/v1/products/{name}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductDetail {
    /// As in the list.
    #[serde(flatten)]
    pub product: Product,
    /// Decisions that differed from the one before, the newest first.
    pub history: Vec<PastDecision>,
    /// Charted observations over the span that was asked for.
    pub series: Vec<Series>,
    /// Actions that were sent within the span, the oldest first.
    pub marks: Vec<Mark>,
}

/// A decision that was kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastDecision {
    /// As in [`Decision`].
    pub kind: String,
    /// The action that was due, if one was.
    pub action: Option<String>,
    /// How urgent it was.
    pub urgency: Option<String>,
    /// Why, in fixed words.
    pub reason: String,
    /// The figures behind it, in words.
    pub detail: String,
    /// The block that was read.
    pub head: BlockMark,
}

/// The history of one observation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    /// The observation's name.
    pub name: String,
    /// Which of several alike; empty if there is one.
    pub of: String,
    /// What the values count; empty if the product does not report it any more.
    pub unit: String,
    /// Least seconds between two points, recent blocks aside: 60 or 3600.
    pub resolution: u64,
    /// Block time and value, the oldest first, at most 1,000.
    pub points: Vec<(u64, String)>,
}

/// An action on a chart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Time of the block at which it was decided.
    pub at: u64,
    /// Its number.
    pub block: u64,
    /// The action's name.
    pub action: String,
    /// How urgent it was.
    pub urgency: Option<String>,
}
