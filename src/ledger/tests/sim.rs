//! A chain in memory, with every state it ever had.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use alloy::primitives::{Address, B256, U256, keccak256};
use ballast_chains::{Head, feeds::Price, reader::CallError};
use futures::future::{BoxFuture, ready};

use crate::ledger::{
    BlockRef, Fees, PricedAt,
    chain::{Account, Chain, Paid, Place, Sent, Unpriced},
};

/// Seconds from one block to the next: a day is 120 blocks.
pub(super) const BLOCK_TIME: u64 = 720;
/// Midnight, 2026-11-01.
const GENESIS: u64 = 1_793_491_200;
/// What a wallet begins with.
pub(super) const START: u64 = 1_000_000_000_000;
/// Who else there is.
pub(super) const STRANGER: Address = Address::repeat_byte(0xee);

/// Something that happens in a block.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    /// The wallet sends a transaction.
    Send {
        /// Its gas.
        gas: u64,
        /// Wei per gas.
        price: u64,
        /// The fees beside it, wei.
        l1: u64,
        /// Native currency that it carries.
        value: u64,
        /// To itself rather than to a stranger.
        to_self: bool,
        /// Whether it works.
        works: bool,
        /// What it is paid, if it works.
        income: u64,
    },
    /// A stranger pays it, in a transaction that works or not.
    Paid(u64, bool),
    /// A contract pays it.
    Internal(u64),
    /// Money leaves without a transaction of its own.
    Lost(u64),
    /// The chain counts the wallet's nonce up without a transaction of its own.
    Counted,
}

#[derive(Debug, Clone)]
struct Block {
    at: BlockRef,
    accounts: BTreeMap<Address, Account>,
    body: Vec<Sent>,
    receipts: Vec<Paid>,
}

/// The chain. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Sim(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    blocks: Vec<Block>,
    /// States below the newest block that are kept; `None`: all.
    keeps: Option<u64>,
    /// Whether the feed answers.
    priced: bool,
    /// Makes the hashes of another branch different.
    branch: u8,
    /// A block that the node says it does not have.
    without_block: Option<u64>,
    /// Whether the node says that it has no receipts.
    without_receipts: bool,
    /// A wallet whose state the node does not give.
    silent_on: Option<Address>,
}

impl Sim {
    pub(super) fn new(wallets: &[Address]) -> Self {
        let account = Account { balance: U256::from(START), nonce: 5 };
        let accounts = wallets.iter().map(|wallet| (*wallet, account)).collect();
        let at = BlockRef { number: 0, hash: B256::repeat_byte(1), timestamp: GENESIS };
        let genesis = Block { at, accounts, body: Vec::new(), receipts: Vec::new() };
        let inner = Inner {
            blocks: vec![genesis],
            keeps: None,
            priced: true,
            branch: 0,
            without_block: None,
            without_receipts: false,
            silent_on: None,
        };
        Self(Arc::new(Mutex::new(inner)))
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    pub(super) fn head(&self) -> Head {
        let inner = self.inner();
        let at = inner.blocks.last().unwrap().at;
        Head {
            number: at.number,
            hash: at.hash,
            parent: B256::ZERO,
            timestamp: at.timestamp,
            base_fee_per_gas: None,
            gas_limit: 0,
            gas_used: 0,
        }
    }

    pub(super) fn keep_states(&self, keeps: u64) {
        self.inner().keeps = Some(keeps);
    }

    pub(super) fn keep_all_states(&self) {
        self.inner().keeps = None;
    }

    pub(super) fn set_priced(&self, priced: bool) {
        self.inner().priced = priced;
    }

    pub(super) fn hide_block(&self, number: Option<u64>) {
        self.inner().without_block = number;
    }

    pub(super) fn hide_receipts(&self, hides: bool) {
        self.inner().without_receipts = hides;
    }

    pub(super) fn be_silent_on(&self, wallet: Option<Address>) {
        self.inner().silent_on = wallet;
    }

    /// All receipts of a wallet's transactions, the oldest first.
    pub(super) fn receipts_of(&self, of: Address) -> Vec<Paid> {
        let inner = self.inner();
        let all = inner.blocks.iter().flat_map(|block| &block.receipts);
        all.filter(|paid| paid.from == of).cloned().collect()
    }

    /// Native currency that a wallet's transactions carried away.
    pub(super) fn carried_by(&self, of: Address) -> U256 {
        let inner = self.inner();
        let mut sum = U256::ZERO;
        for block in &inner.blocks {
            for sent in block.body.iter().filter(|s| s.from == of && s.to != Some(of)) {
                let worked = block.receipts.iter().any(|r| r.hash == sent.hash && r.succeeded);
                sum += if worked { sent.value } else { U256::ZERO };
            }
        }
        sum
    }

    /// The last blocks fall away; what is made next is on another branch.
    pub(super) fn reorg(&self, depth: usize) {
        let mut inner = self.inner();
        let left = inner.blocks.len().saturating_sub(depth).max(1);
        inner.blocks.truncate(left);
        inner.branch += 1;
    }

    /// One more block; gives the transactions that wallets sent, with their nonces.
    pub(super) fn mine(&self, acts: &[(Address, Act)]) -> Vec<(Address, u64, Paid)> {
        let mut inner = self.inner();
        let parent = inner.blocks.last().unwrap();
        let number = parent.at.number + 1;
        let seed = [&number.to_be_bytes()[..], &[inner.branch]].concat();
        let hash = keccak256(&seed);
        let at = BlockRef { number, hash, timestamp: GENESIS + number * BLOCK_TIME };
        let (accounts, body, receipts) = (parent.accounts.clone(), Vec::new(), Vec::new());
        let mut block = Block { at, accounts, body, receipts };
        let mut sent = Vec::new();
        for (wallet, act) in acts {
            if let Some(paid) = block.play(*wallet, *act) {
                sent.push((*wallet, block.body.last().unwrap().nonce, paid));
            }
        }
        inner.blocks.push(block);
        sent
    }
}

impl Block {
    fn play(&mut self, wallet: Address, act: Act) -> Option<Paid> {
        let account = self.accounts.get_mut(&wallet).unwrap();
        match act {
            Act::Internal(wei) => account.balance += U256::from(wei),
            Act::Lost(wei) => account.balance -= U256::from(wei).min(account.balance),
            Act::Counted => account.nonce += 1,
            Act::Paid(wei, works) => {
                if works {
                    account.balance += U256::from(wei);
                }
                let fees = Fees::default();
                self.include(STRANGER, Some(wallet), U256::from(wei), (fees, 1, 1), works);
            }
            Act::Send { gas, price, l1, value, to_self, works, income } => {
                let l1 = U256::from(l1);
                let execution = U256::from(gas) * U256::from(price);
                let fees = Fees { execution, l1, operator: l1 / U256::from(7), blob: U256::ZERO };
                account.nonce += 1;
                account.balance -= fees.total().unwrap();
                let value = U256::from(value);
                if works {
                    account.balance += U256::from(income);
                    if !to_self {
                        account.balance -= value;
                    }
                }
                let to = if to_self { wallet } else { STRANGER };
                let of = (fees, gas, u128::from(price));
                return Some(self.include(wallet, Some(to), value, of, works));
            }
        }
        None
    }

    fn include(
        &mut self,
        from: Address,
        to: Option<Address>,
        value: U256,
        (fees, gas_used, effective_gas_price): (Fees, u64, u128),
        succeeded: bool,
    ) -> Paid {
        let nonce = self.accounts.get(&from).map_or(0, |account| account.nonce - 1);
        let seed = [from.as_slice(), &nonce.to_be_bytes(), &self.body.len().to_be_bytes()];
        // A stranger's are told apart by their block; a wallet's are the same on every branch.
        let block = if from == STRANGER { self.at.hash } else { B256::ZERO };
        let hash = keccak256([seed.concat(), block.to_vec()].concat());
        self.body.push(Sent { hash, from, to, nonce, value });
        let paid = Paid {
            hash,
            from,
            block: self.at.number,
            block_hash: self.at.hash,
            succeeded,
            gas_used,
            effective_gas_price,
            fees,
            whole: None,
        };
        self.receipts.push(paid.clone());
        paid
    }
}

impl Inner {
    fn state(&self, at: BlockRef) -> Result<&Block, CallError> {
        let newest = self.blocks.last().unwrap().at.number;
        let kept = self.keeps.is_none_or(|keeps| at.number + keeps >= newest);
        let block = self.blocks.iter().find(|block| block.at == at).filter(|_| kept);
        block.ok_or_else(|| CallError::Unavailable(format!("no state of block {}", at.number)))
    }
}

impl Chain for Sim {
    fn block(&self, place: Place) -> BoxFuture<'_, Result<Option<BlockRef>, CallError>> {
        let Place::Number(number) = place else { panic!("there are no tags here") };
        let inner = self.inner();
        let block = inner.blocks.iter().find(|block| block.at.number == number);
        let block = block.filter(|_| inner.without_block != Some(number));
        Box::pin(ready(Ok(block.map(|block| block.at))))
    }

    fn account(&self, of: Address, at: BlockRef) -> BoxFuture<'_, Result<Account, CallError>> {
        let inner = self.inner();
        if inner.silent_on == Some(of) {
            return Box::pin(ready(Err(CallError::Unavailable("no answer".into()))));
        }
        Box::pin(ready(inner.state(at).map(|block| block.accounts[&of])))
    }

    fn balances(
        &self,
        of: Vec<Address>,
        at: BlockRef,
    ) -> BoxFuture<'_, Result<Vec<U256>, CallError>> {
        let inner = self.inner();
        let balances = inner
            .state(at)
            .map(|block| of.iter().map(|wallet| block.accounts[wallet].balance).collect());
        Box::pin(ready(balances))
    }

    fn body(&self, of: B256) -> BoxFuture<'_, Result<Option<Vec<Sent>>, CallError>> {
        let inner = self.inner();
        let block = inner.blocks.iter().find(|block| block.at.hash == of);
        Box::pin(ready(Ok(block.map(|block| block.body.clone()))))
    }

    fn transactions(
        &self,
        hashes: Vec<B256>,
    ) -> BoxFuture<'_, Result<Vec<Option<Sent>>, CallError>> {
        let inner = self.inner();
        let all: Vec<&Sent> = inner.blocks.iter().flat_map(|block| &block.body).collect();
        let find = |hash: &B256| all.iter().find(|sent| sent.hash == *hash).copied().cloned();
        Box::pin(ready(Ok(hashes.iter().map(find).collect())))
    }

    fn receipts(&self, hashes: Vec<B256>) -> BoxFuture<'_, Result<Vec<Option<Paid>>, CallError>> {
        let inner = self.inner();
        let all: Vec<&Paid> = inner.blocks.iter().flat_map(|block| &block.receipts).collect();
        let has = !inner.without_receipts;
        let find =
            |hash: &B256| all.iter().find(|paid| has && paid.hash == *hash).copied().cloned();
        Box::pin(ready(Ok(hashes.iter().map(find).collect())))
    }

    fn price(&self, at: BlockRef) -> BoxFuture<'_, Result<PricedAt, Unpriced>> {
        let price = Price::from_fixed18(U256::from(2_000) * U256::from(10).pow(U256::from(18)));
        let said = if self.inner().priced {
            let round = U256::from(at.number / 10);
            Ok(PricedAt { price: price.unwrap(), round, updated_at: at.timestamp })
        } else {
            Err(Unpriced::NotNow("the feed is silent".into()))
        };
        Box::pin(ready(said))
    }
}
