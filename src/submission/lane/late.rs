//! Answers that nobody waits for. Once one endpoint has a transaction, or none did for a while, the
//! lane goes on with its work; the other endpoints are still asked, and what they say is noted when
//! they say it. One that hangs so delays nothing, and its silence still ends up in the journal as what
//! it is: nobody knows.

use alloy::primitives::B256;
use ballast_chains::pool::{Answer, Sending};
use tokio::task::JoinSet;

use super::Lane;

/// Which bytes were handed over, and at which head.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    pub(super) nonce: u64,
    pub(super) hash: B256,
    pub(super) at_block: Option<u64>,
}

/// The endpoints that have not answered. They end with the lane; that they were asked is journalled.
/// A few for each endpoint and attempt, since the pool hands nobody the same bytes again for whom they
/// wait already or who owes too many answers to them; and each for two time-outs at most.
#[derive(Debug, Default)]
pub(super) struct Late(JoinSet<Option<LateAnswer>>);

/// An answer that came when nobody waited for it any more.
#[derive(Debug)]
pub struct LateAnswer {
    of: Sent,
    answer: Answer,
}

impl Late {
    /// Goes on asking, beside whatever the lane does.
    pub(super) fn keep(&mut self, of: Sent, sending: Sending) {
        for unanswered in sending.unanswered() {
            self.0.spawn(async move { Some(LateAnswer { of, answer: unanswered.await? }) });
        }
    }
}

impl Lane {
    /// The next answer of an endpoint that was not waited for; waits for ever if there is none. Safe
    /// to be dropped at any moment. It is for [`note_late`](Self::note_late).
    pub async fn late(&mut self) -> LateAnswer {
        loop {
            match self.late.0.join_next().await {
                Some(Ok(Some(answer))) => return answer,
                // It never left: there is nothing to note.
                Some(Ok(None)) => {}
                // It was aborted, or has panicked and said so: the next block asks again.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Notes such an answer.
    pub async fn note_late(&mut self, late: LateAnswer) {
        self.note_answers(late.of, vec![late.answer]).await;
    }

    /// Notes those that are there.
    pub(super) async fn note_all_late(&mut self) {
        while let Some(ended) = self.late.0.try_join_next() {
            if let Ok(Some(answer)) = ended {
                self.note_late(answer).await;
            }
        }
    }
}
