//! Orders of operators on their way to a product's task, which alone may touch its lane: about what
//! is pending, and to look at the newest head now.

use std::{sync::Arc, time::Duration};

use dashmap::DashMap;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::status::LastDecision;
use crate::submission::{Obeyed, Order, SlotSnapshot};

/// Orders of one product that wait at once, on their way and in its task.
pub(crate) const WAITING: usize = 4;
/// How long an order waits for an answer; not carried out by then, it is withdrawn.
const WITHIN: Duration = Duration::from_secs(8);

/// What is ordered of a product's task.
#[derive(Debug)]
pub(crate) enum Ordered {
    /// Something about the transaction that waits for inclusion.
    Pending(PendingOrder),
    /// A new assessment of the newest head.
    Assess(Asked),
}

/// An order about what is pending, and who waits for the answer.
#[derive(Debug)]
pub(crate) struct PendingOrder {
    pub(crate) order: Order,
    pub(crate) reply: oneshot::Sender<Obeyed>,
}

/// An order to assess, and who waits for the decision.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Whether nothing may be sent because of it.
    pub(crate) dry_run: bool,
    pub(crate) reply: oneshot::Sender<Assessed>,
}

/// What came of an order to assess.
#[derive(Debug)]
pub(crate) struct Assessed {
    pub(crate) decision: LastDecision,
    /// The transaction that is not final after it, as the board shows it.
    pub(crate) current: Option<SlotSnapshot>,
}

/// The way to each product's task. Clones share everything.
#[derive(Debug, Clone, Default)]
pub struct Orders {
    tasks: Arc<DashMap<String, mpsc::Sender<Ordered>>>,
}

impl Orders {
    /// For a product's task that begins; what waited for the one before is told that it is gone.
    pub(crate) fn enrol(&self, product: &str) -> mpsc::Receiver<Ordered> {
        let (sender, receiver) = mpsc::channel(WAITING);
        self.tasks.insert(product.to_owned(), sender);
        receiver
    }

    /// Hands an order about what is pending to the product's task and waits for what becomes of it.
    pub(crate) async fn give(&self, product: &str, order: Order) -> Obeyed {
        let withdrawn = "no new block in time: the order is withdrawn; `tx show` tells if it was \
                         carried out at the last moment";
        let pending = |reply| Ordered::Pending(PendingOrder { order, reply });
        match self.hand_over(product, pending, withdrawn).await {
            Ok(obeyed) => obeyed,
            Err(why) => Obeyed::Refused { why: why.to_owned() },
        }
    }

    /// Has the product assessed at the newest head, and acted on as it is at every head; with
    /// `dry_run` nothing is sent because of it.
    ///
    /// # Errors
    /// Why there is no decision, in words.
    pub(crate) async fn assess(
        &self,
        product: &str,
        dry_run: bool,
    ) -> Result<Assessed, &'static str> {
        let withdrawn = "no assessment in time: the order is withdrawn; the product goes on as \
                         without it";
        let asked = |reply| Ordered::Assess(Asked { dry_run, reply });
        self.hand_over(product, asked, withdrawn).await
    }

    async fn hand_over<T>(
        &self,
        product: &str,
        order: impl FnOnce(oneshot::Sender<T>) -> Ordered,
        withdrawn: &'static str,
    ) -> Result<T, &'static str> {
        let Some(task) = self.tasks.get(product).map(|task| task.clone()) else {
            return Err("the product's task has not begun: its wallet or the chain is awaited");
        };
        let (reply, answer) = oneshot::channel();
        task.try_send(order(reply)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => "too many orders wait already",
            mpsc::error::TrySendError::Closed(_) => "the product's task is not running",
        })?;
        match timeout(WITHIN, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err("the product's task ended before the order's turn"),
            Err(_) => Err(withdrawn),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::submission::OrderKind;

    fn order() -> Order {
        Order { kind: OrderKind::Bump, why: "ordered by ann".into() }
    }

    fn why(obeyed: Obeyed) -> String {
        match obeyed {
            Obeyed::Refused { why } => why,
            Obeyed::Done { .. } | Obeyed::NotYet => panic!("{obeyed:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_order_that_nobody_takes_is_answered() {
        let orders = Orders::default();
        assert!(why(orders.give("one", order()).await).contains("has not begun"));
        let mut task = orders.enrol("one");
        assert!(why(orders.give("one", order()).await).contains("withdrawn"));
        let Some(Ordered::Pending(withdrawn)) = task.recv().await else { panic!("no order") };
        assert!(withdrawn.reply.is_closed(), "the task sees that nobody waits any more");
        assert!(orders.assess("one", true).await.unwrap_err().contains("withdrawn"));
        let Some(Ordered::Assess(asked)) = task.recv().await else { panic!("no order") };
        assert!(asked.reply.is_closed() && asked.dry_run);
        let waiting: Vec<_> = (0..WAITING).map(|_| Box::pin(orders.give("one", order()))).collect();
        let mut waiting = futures::future::join_all(waiting);
        assert!(futures::poll!(&mut waiting).is_pending());
        assert!(why(orders.give("one", order()).await).contains("too many"));
        drop(task);
        for obeyed in waiting.await {
            assert!(why(obeyed).contains("ended before"));
        }
        assert!(orders.assess("one", false).await.unwrap_err().contains("not running"));
        assert!(why(orders.give("one", order()).await).contains("not running"));
    }
}
