//! What an action is called in the journal: by the state that it answers, and where that state was
//! answered before and has come up again, by the nonce after which it did.

use std::borrow::Cow;

use alloy::primitives::B256;
use ballast_chains::Head;
use ballast_strategy_api::Action;

use super::{
    super::{
        journal::{Answered, anew},
        node::BlockMark,
    },
    Lane, LaneError, Pursuit,
};

impl Lane {
    /// The action as an intent that nothing was carried out for, or why there is none.
    ///
    /// An intent that was carried out for good is not signed for again, with one exception: the state
    /// that it answers is there **again**. That takes all of this:
    ///
    /// * its postcondition held, so the call did move the state, in a block that is canonical;
    /// * what is due now was found at that block or later, in the chain of this head. It was read with
    ///   what the call did, so it is no stale word on the state before.
    ///
    /// It happens where the call was executed on another state than the one that it answers. Of two of
    /// ours that a reorganisation put back, somebody else's transaction takes the place of the first;
    /// then the second does what the first should have, and leaves just the state that it was signed
    /// for. Without a new name that state would be taken for answered, for ever.
    pub(super) async fn identify<'a>(
        &mut self,
        action: &'a Action,
        head: &Head,
    ) -> Result<Result<Cow<'a, Action>, Pursuit>, LaneError> {
        let (name, answers, on) = (action.name, action.answers.as_str(), self.agreed.on());
        let answered = self.book.journal.answered_last(name, answers, on).await;
        let Some(answered) = answered.map_err(LaneError::Journal)? else {
            return Ok(Ok(Cow::Borrowed(action)));
        };
        let nonce = answered.nonce;
        if self.reopen_fallen(&answered, head).await? {
            return Ok(Err(Pursuit::Live { nonce }));
        }
        if !self.is_due_again(&answered, head).await {
            return Ok(Err(Pursuit::Answered { nonce }));
        }
        let answers = anew(&action.answers, nonce);
        let on = self.agreed.on();
        let again = self.book.journal.answered(name, answers.as_str(), on).await;
        if let Some(again) = again.map_err(LaneError::Journal)? {
            return Ok(Err(Pursuit::Answered { nonce: again.nonce }));
        }
        Ok(Ok(Cow::Owned(Action { answers, ..action.clone() })))
    }

    /// Whether the strategy's last word is of the state that the call left behind in this very chain. Where
    /// nodes do not tell, it is not.
    async fn is_due_again(&self, answered: &Answered, head: &Head) -> bool {
        let (Some((number, hash)), Some(heard)) = (answered.block, self.need.heard_at) else {
            return false;
        };
        answered.has_moved
            && heard.number >= number
            && self.is_in_chain(BlockMark { number, hash, parent: B256::ZERO }, head).await
                == Some(true)
    }
}
