//! Orders of operators on their way to a product's task, which alone may touch its lane.

use std::{sync::Arc, time::Duration};

use dashmap::DashMap;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::submission::{Obeyed, Order};

/// Orders of one product that wait at once.
const WAITING: usize = 4;
/// How long an order waits for an answer; not carried out by then, it is withdrawn.
const WITHIN: Duration = Duration::from_secs(8);

/// An order and who waits for the answer.
#[derive(Debug)]
pub(crate) struct Ordered {
    pub(crate) order: Order,
    pub(crate) reply: oneshot::Sender<Obeyed>,
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

    /// Hands an order to the product's task and waits for what becomes of it.
    pub(crate) async fn give(&self, product: &str, order: Order) -> Obeyed {
        let refused = |why: &str| Obeyed::Refused { why: why.to_owned() };
        let Some(task) = self.tasks.get(product).map(|task| task.clone()) else {
            return refused("the product's task has not begun: its wallet or the chain is awaited");
        };
        let (reply, answer) = oneshot::channel();
        if let Err(error) = task.try_send(Ordered { order, reply }) {
            return refused(match error {
                mpsc::error::TrySendError::Full(_) => "too many orders wait already",
                mpsc::error::TrySendError::Closed(_) => "the product's task is not running",
            });
        }
        match timeout(WITHIN, answer).await {
            Ok(Ok(obeyed)) => obeyed,
            Ok(Err(_)) => refused("the product's task ended before the order's turn"),
            Err(_) => refused(
                "no new block in time: the order is withdrawn; `tx show` tells if it was carried \
                 out at the last moment",
            ),
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
        let withdrawn = task.recv().await.unwrap();
        assert!(withdrawn.reply.is_closed(), "the task sees that nobody waits any more");
        let waiting: Vec<_> = (0..WAITING).map(|_| Box::pin(orders.give("one", order()))).collect();
        let mut waiting = futures::future::join_all(waiting);
        assert!(futures::poll!(&mut waiting).is_pending());
        assert!(why(orders.give("one", order()).await).contains("too many"));
        drop(task);
        for obeyed in waiting.await {
            assert!(why(obeyed).contains("ended before"));
        }
        assert!(why(orders.give("one", order()).await).contains("not running"));
    }
}
