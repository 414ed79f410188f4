//! Where reads wait for their driver: readers put them in, the driver takes them out.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    task::Waker,
};

use alloy::{
    primitives::{Address, B256, Bytes},
    providers::bindings::IMulticall3,
    sol_types::SolCall,
};
use futures::{channel::oneshot, task::AtomicWaker};

use super::ReadError;
use crate::heads::Head;

/// The block that a read is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Pin {
    pub(crate) number: u64,
    pub(crate) hash: B256,
}

impl From<&Head> for Pin {
    fn from(head: &Head) -> Self {
        Self { number: head.number, hash: head.hash }
    }
}

/// What is asked.
#[derive(Debug, Clone)]
pub(crate) enum Ask {
    Call { to: Address, data: Bytes },
    Balance(Address),
    Code(Address),
}

impl Ask {
    /// The call that asks this through Multicall3; code cannot be asked for that way.
    pub(crate) fn batched(&self, multicall3: Address) -> Option<(Address, Bytes)> {
        match self {
            Self::Call { to, data } => Some((*to, data.clone())),
            Self::Balance(addr) => {
                let call = IMulticall3::getEthBalanceCall { addr: *addr };
                Some((multicall3, call.abi_encode().into()))
            }
            Self::Code(_) => None,
        }
    }
}

/// How a read may travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Travel {
    /// With others.
    Shared,
    /// Never with others.
    Alone,
    /// Never with others, and sent by the product's wallet.
    AsCaller,
}

/// A read on its way.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) ask: Ask,
    pub(crate) travel: Travel,
    pub(crate) at: Pin,
    pub(crate) caller: Address,
    answer: oneshot::Sender<Result<Bytes, ReadError>>,
}

pub(crate) type Answer<T> = oneshot::Receiver<Result<T, ReadError>>;

impl Read {
    pub(crate) fn new(ask: Ask, travel: Travel, at: Pin, caller: Address) -> (Self, Answer<Bytes>) {
        let (answer, receiver) = oneshot::channel();
        (Self { ask, travel, at, caller, answer }, receiver)
    }

    /// Whether the one who asked has gone.
    pub(crate) fn is_forsaken(&self) -> bool {
        self.answer.is_canceled()
    }

    /// Wakes the one who asked. If nobody waits any more, the answer is dropped.
    pub(crate) fn answer(self, answer: Result<Bytes, ReadError>) {
        drop(self.answer.send(answer));
    }
}

/// A question for a header, by hash.
#[derive(Debug)]
pub(crate) struct HeaderRead {
    pub(crate) hash: B256,
    pub(crate) answer: oneshot::Sender<Result<Head, ReadError>>,
}

/// What was asked since the driver last looked.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    closed: bool,
    pub(crate) shared: Vec<Read>,
    pub(crate) alone: Vec<Read>,
    pub(crate) headers: Vec<HeaderRead>,
}

/// Connects readers with their driver. Its length is bounded by the readers, each of which lets
/// only so many reads wait at once.
#[derive(Default)]
pub(crate) struct Queue {
    inbox: Mutex<Inbox>,
    driver: AtomicWaker,
}

impl Queue {
    /// Adds a read. After the driver has gone it is dropped, which its asker notices.
    pub(crate) fn push(&self, read: Read) {
        self.add(|inbox| match read.travel {
            Travel::Shared if !matches!(read.ask, Ask::Code(_)) => inbox.shared.push(read),
            Travel::Shared | Travel::Alone | Travel::AsCaller => inbox.alone.push(read),
        });
    }

    /// Adds a question for a header.
    pub(crate) fn push_header(&self, read: HeaderRead) {
        self.add(|inbox| inbox.headers.push(read));
    }

    fn add(&self, put: impl FnOnce(&mut Inbox)) {
        let mut inbox = self.lock();
        if inbox.closed {
            return;
        }
        put(&mut inbox);
        drop(inbox);
        self.wake();
    }

    /// Gives the driver what is queued, for as long as the guard is held.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses further reads and drops those that wait.
    pub(crate) fn close(&self) {
        let inbox =
            std::mem::replace(&mut *self.lock(), Inbox { closed: true, ..Inbox::default() });
        // Dropping wakes askers, which may ask again: not under the lock.
        drop(inbox);
    }

    /// Wakes the driver.
    pub(crate) fn wake(&self) {
        self.driver.wake();
    }

    /// Names the task to wake.
    pub(crate) fn register(&self, driver: &Waker) {
        self.driver.register(driver);
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}
