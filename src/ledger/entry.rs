//! What stands in the ledger, as plain data.

use alloy::primitives::{Address, B256, U256};
use ballast_chains::feeds::Price;
use ballast_strategy_api::{Settlement, Urgency};

use crate::{config::Category, money::Usd, submission::lifecycle::Outcome};

/// A block by number, hash and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockRef {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Its time, seconds since 1970.
    pub timestamp: u64,
}

/// A wallet on a chain, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The chain's id.
    pub chain_id: u64,
    /// Its name; that of the product's own copy where it has endpoints of its own.
    pub chain: String,
    /// The wallet.
    pub wallet: Address,
    /// The product that has it.
    pub product: String,
}

/// What one transaction paid for being included, wei.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fees {
    /// Gas used times the effective price: all of it on a layer 1, the layer 2's part elsewhere.
    pub execution: U256,
    /// For its data on layer 1.
    pub l1: U256,
    /// To the operator of the layer 2.
    pub operator: U256,
    /// For blobs.
    pub blob: U256,
}

impl Fees {
    /// All together; `None` beyond 256 bits.
    pub fn total(&self) -> Option<U256> {
        self.execution.checked_add(self.l1)?.checked_add(self.operator)?.checked_add(self.blob)
    }
}

/// What a coin was worth, and who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PricedAt {
    /// US dollars per whole coin.
    pub price: Price,
    /// The feed's round: the newest that was not after the block.
    pub round: U256,
    /// When the feed wrote it, seconds since 1970.
    pub updated_at: u64,
}

/// One transaction that left a wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whose it is.
    pub holder: Holder,
    /// Its nonce.
    pub nonce: u64,
    /// The transaction.
    pub hash: B256,
    /// The product's cost centre when it was booked.
    pub category: Category,
    /// What it did: the action of the attempt that was included; `foreign` for somebody else's,
    /// `external` for one of a wallet that no strategy acts with.
    pub action: String,
    /// How urgent it was; `None` where nothing here was signed for it.
    pub urgency: Option<Urgency>,
    /// Why the attempt was signed, or what is known instead.
    pub why: String,
    /// How many transactions were signed for the nonce.
    pub attempts: u64,
    /// How the nonce ended.
    pub outcome: Outcome,
    /// Status of the receipt.
    pub succeeded: bool,
    /// Gas used.
    pub gas_used: u64,
    /// Wei per gas paid.
    pub effective_gas_price: u128,
    /// What it paid, by kind.
    pub fees: Fees,
    /// All fees, wei.
    pub cost: U256,
    /// Native currency that it carried to another account, wei; 0 where it failed.
    pub value: U256,
    /// The price of the native currency; or why there is none.
    pub price: Result<PricedAt, String>,
    /// `cost` at that price, rounded up.
    pub usd: Option<Usd>,
    /// What the strategy reads in the receipt; `None` while the strategy has not been asked.
    pub settlement: Option<Settlement>,
    /// The block that holds it.
    pub block: BlockRef,
    /// The head at which it was booked.
    pub booked_at: u64,
}

impl Entry {
    /// Whether somebody else used the key.
    pub fn is_foreign(&self) -> bool {
        match self.outcome {
            Outcome::Foreign | Outcome::Superseded => true,
            Outcome::Confirmed | Outcome::Reverted | Outcome::Cancelled => false,
        }
    }

    /// All that left the wallet with it, wei; `None` beyond 256 bits.
    pub fn outflow(&self) -> Option<U256> {
        self.cost.checked_add(self.value)
    }
}

/// How money came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A transaction of another account paid it directly.
    Transfer,
    /// A transaction of the wallet's own was paid for: a reward, or change.
    Income,
    /// A contract paid it in the transaction of another account (a Safe does), or the chain itself
    /// did (a withdrawal, a bridge's deposit).
    Internal,
}

impl Source {
    /// The fixed word.
    pub fn label(self) -> &'static str {
        match self {
            Self::Transfer => "transfer",
            Self::Income => "income",
            Self::Internal => "internal",
        }
    }

    /// The source of that name.
    pub fn from_label(label: &str) -> Option<Self> {
        [Self::Transfer, Self::Income, Self::Internal]
            .into_iter()
            .find(|source| source.label() == label)
    }
}

/// Native currency that came to a wallet in one block. All inflows of a block together are that
/// block's change of the balance and what the wallet's own transactions in it took away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inflow {
    /// Whose it is.
    pub holder: Holder,
    /// The block.
    pub block: BlockRef,
    /// Which of the block's, from 0.
    pub number: u64,
    /// How much, wei; above zero.
    pub wei: U256,
    /// How it came.
    pub source: Source,
    /// Who paid; known of a transfer.
    pub counterparty: Option<Address>,
    /// The transaction that paid it: known of a transfer, and of income where it is the only one.
    pub hash: Option<B256>,
    /// The head at which it was booked.
    pub booked_at: u64,
}

/// What a wallet held after a block that was final, as the chain told it then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Whose it is.
    pub holder: Holder,
    /// The block.
    pub block: BlockRef,
    /// Balance after it, wei.
    pub balance: U256,
    /// Nonce after it: how many transactions ever left the wallet.
    pub nonce: u64,
}
