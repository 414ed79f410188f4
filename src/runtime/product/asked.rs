//! Operators who wait for a new assessment, and what a turn is to them.
//!
//! An order has the newest head assessed once more, and nothing else: what comes of it is judged and
//! acted on like every other assessment. A dry run must not send, and must not hold back what is
//! due either. So a head that was not looked at before is dealt with as without the order, and
//! whoever asked is told; one that was dealt with already is only rehearsed for a dry run.

use alloy::primitives::B256;
use tracing::info;

use crate::runtime::{
    orders::{Asked, Assessed, WAITING},
    seat::Turn,
    status::{Board, LastDecision},
};

/// Who waits, and what was dealt with last.
#[derive(Debug, Default)]
pub(crate) struct Asking {
    /// With the number of the order.
    waiting: Vec<(u64, Asked)>,
    /// The head that was dealt with last, and the newest order that it was assessed after.
    dealt_with: Option<(B256, u64)>,
}

/// What is to be done with a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dealing {
    /// It is acted on and made known.
    Act,
    /// It is judged as if nothing could be sent, and told to nobody but those who asked.
    Rehearse,
    /// It is there for an order that was withdrawn.
    Skip,
}

impl Asking {
    /// Whether one more may wait.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < WAITING
    }

    pub(super) fn wait(&mut self, number: u64, asked: Asked) {
        self.waiting.push((number, asked));
    }

    /// An operator's word counts at once: the last head is dealt with anew.
    pub(super) fn forget(&mut self) {
        self.dealt_with = None;
    }

    /// What is to be done with this turn, and whom it answers.
    pub(super) fn take(&mut self, turn: &Turn) -> (Dealing, Vec<Asked>) {
        self.waiting.retain(|(_, asked)| !asked.reply.is_closed());
        let waiting = std::mem::take(&mut self.waiting);
        let (answered, waiting): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|(number, _)| *number <= turn.answers);
        self.waiting = waiting;
        let before = self.dealt_with.replace((turn.head.hash, turn.answers));
        let only_ordered =
            before.is_some_and(|(hash, number)| hash == turn.head.hash && number < turn.answers);
        let answered: Vec<Asked> = answered.into_iter().map(|(_, asked)| asked).collect();
        let dealing = if !only_ordered || answered.iter().any(|asked| !asked.dry_run) {
            Dealing::Act
        } else if answered.is_empty() {
            Dealing::Skip
        } else {
            Dealing::Rehearse
        };
        (dealing, answered)
    }
}

/// Tells everyone who asked; whoever has gone meanwhile does not mind.
pub(super) fn answer(product: &str, board: &Board, asked: Vec<Asked>, decision: &LastDecision) {
    for Asked { reply, dry_run } in asked {
        let (head, kind) = (decision.head.number, decision.kind);
        let current = board.product(product).and_then(|status| status.current);
        info!(product, head, dry_run, kind, "assessed by order");
        drop(reply.send(Assessed { decision: decision.clone(), current }));
    }
}

#[cfg(test)]
mod tests {
    use ballast_chains::Head;
    use tokio::sync::oneshot;

    use super::*;
    use crate::runtime::seat::TurnFailure;

    fn turn(block: u8, answers: u64) -> Turn {
        let head = Head {
            number: block.into(),
            hash: B256::repeat_byte(block),
            parent: B256::ZERO,
            timestamp: block.into(),
            base_fee_per_gas: None,
            gas_limit: 30_000_000,
            gas_used: 0,
        };
        let outcome = Err(TurnFailure { reason: "reads failed", detail: String::new() });
        Turn { head, outcome, balance: None, acts_on: None, answers }
    }

    fn asked(dry_run: bool) -> (Asked, oneshot::Receiver<Assessed>) {
        let (reply, answer) = oneshot::channel();
        (Asked { dry_run, reply }, answer)
    }

    fn dealing(asking: &mut Asking, turn: &Turn) -> (Dealing, usize) {
        let (dealing, answered) = asking.take(turn);
        (dealing, answered.len())
    }

    #[test]
    fn a_head_is_acted_on_once_and_again_only_by_an_order_that_is_not_dry() {
        let mut asking = Asking::default();
        assert_eq!(dealing(&mut asking, &turn(1, 0)), (Dealing::Act, 0));
        let (dry, _dry) = asked(true);
        asking.wait(1, dry);
        assert_eq!(dealing(&mut asking, &turn(1, 1)), (Dealing::Rehearse, 1));
        let (dry, _dry) = asked(true);
        let (wet, _wet) = asked(false);
        asking.wait(2, dry);
        asking.wait(3, wet);
        assert_eq!(dealing(&mut asking, &turn(1, 2)), (Dealing::Rehearse, 1), "the dry one alone");
        assert_eq!(dealing(&mut asking, &turn(1, 3)), (Dealing::Act, 1));
        // Judged again after a pause or a resume.
        assert_eq!(dealing(&mut asking, &turn(1, 3)), (Dealing::Act, 0));
    }

    #[test]
    fn a_new_head_is_acted_on_whoever_asks() {
        let mut asking = Asking::default();
        asking.take(&turn(1, 0));
        let (dry, _dry) = asked(true);
        asking.wait(1, dry);
        assert_eq!(dealing(&mut asking, &turn(2, 1)), (Dealing::Act, 1));
        asking.take(&turn(3, 1));
        asking.forget();
        let (dry, _dry) = asked(true);
        asking.wait(2, dry);
        assert_eq!(dealing(&mut asking, &turn(3, 2)), (Dealing::Act, 1), "after a resume");
    }

    #[test]
    fn what_was_begun_before_the_order_does_not_answer_it_and_nobody_answers_who_has_gone() {
        let mut asking = Asking::default();
        let (dry, answer) = asked(true);
        asking.wait(5, dry);
        assert_eq!(dealing(&mut asking, &turn(1, 4)), (Dealing::Act, 0));
        drop(answer);
        assert_eq!(dealing(&mut asking, &turn(1, 5)), (Dealing::Skip, 0));
        let mut waiting = Vec::new();
        while asking.has_room() {
            let (dry, answer) = asked(true);
            waiting.push(answer);
            asking.wait(6, dry);
        }
        assert_eq!(waiting.len(), WAITING);
    }
}
