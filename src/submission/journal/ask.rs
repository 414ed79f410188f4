//! What a lane asks its journal.

use alloy::primitives::{Address, B256};

use ballast_strategy_api::StateKey;

use super::{LaneJournal, read, sql};
use crate::{
    store::{Statement, StoreError},
    submission::{lifecycle::Outcome, slot::Slot},
};

/// What the key of a state that has come up again has before the nonce after which it did.
const ANEW: &str = " after nonce ";
/// Sorts after every digit and before whatever a key may go on with.
const PAST_DIGITS: char = ':';

/// The key of the same state, come up again after it was answered at a nonce.
pub(in super::super) fn anew(answers: &StateKey, nonce: u64) -> StateKey {
    format!("{}{ANEW}{nonce}", answers.as_str()).into()
}

/// The state itself, as the strategy names it.
pub(in super::super) fn state_of(answers: &StateKey) -> &str {
    let answers = answers.as_str();
    answers.split_once(ANEW).map_or(answers, |(state, _)| state)
}

/// A nonce at which the same intent was carried out for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Answered {
    pub(in super::super) nonce: u64,
    pub(in super::super) wallet: Address,
    /// Height and hash of the block that holds it, if known.
    pub(in super::super) block: Option<(u64, B256)>,
    /// Whether the state is known to have moved there as it should.
    pub(in super::super) has_moved: bool,
}

/// A nonce that is spent for good, as far as it takes to tell whether it still is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct FinalSlot {
    pub(in super::super) nonce: u64,
    pub(in super::super) outcome: Outcome,
    /// The head at which it became final.
    pub(in super::super) final_at: u64,
    /// Height and hash of the block that spent it, if known.
    pub(in super::super) block: Option<(u64, B256)>,
}

impl LaneJournal {
    /// The nonce at which this very intent was confirmed for good, if there is one; whatever the
    /// wallet was then. Where it is known of both what they act on, that must be the same.
    pub(in super::super) async fn answered(
        &self,
        action: &str,
        answers: &str,
        acts_on: Option<&str>,
    ) -> Result<Option<Answered>, StoreError> {
        self.newest_answer(action, (answers, "", ""), acts_on).await
    }

    /// The same, or the newest nonce at which it was, when the state that it answers had come up
    /// [`anew`].
    pub(in super::super) async fn answered_last(
        &self,
        action: &str,
        answers: &str,
        acts_on: Option<&str>,
    ) -> Result<Option<Answered>, StoreError> {
        let (above, below) = (format!("{answers}{ANEW}"), format!("{answers}{ANEW}{PAST_DIGITS}"));
        self.newest_answer(action, (answers, &above, &below), acts_on).await
    }

    async fn newest_answer(
        &self,
        action: &str,
        (answers, above, below): (&str, &str, &str),
        acts_on: Option<&str>,
    ) -> Result<Option<Answered>, StoreError> {
        let query = Statement::new(sql::SELECT_ANSWERED)
            .with(self.chain_id)
            .with(self.product.as_str())
            .with(action)
            .with(answers)
            .with(above)
            .with(below)
            .with(acts_on.map(str::to_owned));
        let rows = self.store.rows(query).await?;
        rows.first().map(read::answered).transpose()
    }

    /// The greatest nonce ever journalled.
    pub(in super::super) async fn highest_nonce(&self) -> Result<Option<u64>, StoreError> {
        let rows = self.store.rows(self.by_wallet(sql::SELECT_HIGHEST)).await?;
        rows.first().map(|row| read::CELLS.unsigned(row, "nonce")).transpose()
    }

    /// The wallet's nonce when its lane was opened for the first time; `None` if it never was.
    pub(in super::super) async fn first_nonce(&self) -> Result<Option<u64>, StoreError> {
        let rows = self.store.rows(self.by_wallet(sql::SELECT_LANE)).await?;
        rows.first().map(|row| read::CELLS.unsigned(row, "first_nonce")).transpose()
    }

    /// The newest nonces that are journalled, ascending, at most so many.
    pub(in super::super) async fn newest_nonces(&self, most: u64) -> Result<Vec<u64>, StoreError> {
        let rows = self.store.rows(self.by_wallet(sql::SELECT_NEWEST).with(most)).await?;
        rows.iter().rev().map(|row| read::CELLS.unsigned(row, "nonce")).collect()
    }

    /// All slots that are not final, by nonce.
    pub(in super::super) async fn unfinal(&self) -> Result<Vec<Slot>, StoreError> {
        let ask = |sql| self.store.rows(self.by_wallet(sql));
        let rows = read::Rows {
            slots: ask(sql::SELECT_SLOTS).await?,
            intents: ask(sql::SELECT_INTENTS).await?,
            attempts: ask(sql::SELECT_ATTEMPTS).await?,
            answers: ask(sql::SELECT_ANSWERS).await?,
        };
        read::slots(&rows, self.wallet)
    }

    /// The newest slots that are final, at most so many.
    pub(in super::super) async fn finals(&self, most: u64) -> Result<Vec<FinalSlot>, StoreError> {
        let rows = self.store.rows(self.by_wallet(sql::SELECT_FINALS).with(most)).await?;
        rows.iter().map(read::final_slot).collect()
    }

    /// Other wallets of the same product on the same chain with slots that are not final.
    pub(in super::super) async fn former_wallets(&self) -> Result<Vec<Address>, StoreError> {
        let query = Statement::new(sql::SELECT_FORMER)
            .with(self.chain_id)
            .with(self.product.as_str())
            .with(self.wallet());
        let rows = self.store.rows(query).await?;
        rows.iter().map(|row| read::CELLS.parse(row, "wallet")).collect()
    }

    fn by_wallet(&self, sql: &'static str) -> Statement {
        Statement::new(sql).with(self.chain_id).with(self.wallet())
    }
}
