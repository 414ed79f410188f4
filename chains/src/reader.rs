//! Typed reads of one block.
//!
//! A [`BlockReader`] is all that a strategy sees of a chain. It cannot sign, send or look at
//! another block than its own (ancestors aside), so an assessment is a function of that block.
//! Reads do not travel on their own: the [driver](crate::driver) collects those of all products
//! and sends them together. [`BlockSource::read_at`] gives a reader to whoever has no driver.

mod backend;
mod error;
pub(crate) mod queue;
pub(crate) mod source;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use alloy::{
    primitives::{Address, Bytes, U256},
    sol_types::SolCall,
};
use futures::channel::oneshot;

use self::queue::{Ask, HeaderRead, Queue, Read, Travel};
pub use self::{
    backend::{Backend, CallError, CallRequest},
    error::{ReadError, Revert},
    source::{BlockSource, ISOLATION_BLOCKS},
};
use crate::heads::Head;

/// How far back [`BlockReader::ancestor`] reaches, in blocks.
pub const MAX_ANCESTOR: u64 = 64;
/// Most reads of one product that may wait for their answer at the same time.
pub const MAX_READS_AT_ONCE: usize = 4_096;

/// Reads of one block, for one product.
#[derive(Debug, Clone)]
pub struct BlockReader {
    head: Head,
    caller: Address,
    /// Blocks between the driver's head and this one.
    depth: u64,
    queue: Arc<Queue>,
    source: BlockSource,
    waiting: Arc<AtomicUsize>,
}

impl BlockReader {
    pub(crate) fn new(head: Head, caller: Address, queue: Arc<Queue>, source: BlockSource) -> Self {
        Self { head, caller, depth: 0, queue, source, waiting: Arc::default() }
    }

    /// The block that every read is pinned to.
    pub fn header(&self) -> &Head {
        &self.head
    }

    /// The product's wallet: who would send.
    pub fn caller(&self) -> Address {
        self.caller
    }

    /// How long a block of this chain usually takes, by its profile.
    pub fn block_time(&self) -> Duration {
        self.source.block_time()
    }

    /// The feed of the native currency's price, see [`feeds::native_usd`](crate::feeds::native_usd).
    pub(crate) fn native_usd_feed(&self) -> Option<Address> {
        self.source.native_usd_feed()
    }

    /// Calls a view; joins the batch of its round. The contract sees Multicall3 as the sender.
    ///
    /// # Errors
    ///
    /// [`ReadError`], each variant as it says.
    pub async fn call<C: SolCall>(&self, to: Address, call: C) -> Result<C::Return, ReadError> {
        decode::<C>(to, &self.call_raw(to, call.abi_encode().into()).await?)
    }

    /// As [`call`](Self::call), for raw calldata. An account without code answers with nothing.
    ///
    /// # Errors
    ///
    /// [`ReadError::Reverted`] or [`ReadError::Unavailable`].
    pub async fn call_raw(&self, to: Address, data: Bytes) -> Result<Bytes, ReadError> {
        self.read(Ask::Call { to, data }, Travel::Shared).await
    }

    /// Calls something known to misbehave in a batch (viewers, quoters): it travels alone, beside
    /// the round. The contract sees the zero address as the sender.
    ///
    /// # Errors
    ///
    /// [`ReadError`], each variant as it says.
    pub async fn call_isolated<C: SolCall>(
        &self,
        to: Address,
        call: C,
    ) -> Result<C::Return, ReadError> {
        let ask = Ask::Call { to, data: call.abi_encode().into() };
        decode::<C>(to, &self.read(ask, Travel::Alone).await?)
    }

    /// Calls with the product's wallet as the sender, alone: for functions that look at who asks.
    ///
    /// # Errors
    ///
    /// [`ReadError`], each variant as it says.
    pub async fn call_as_caller<C: SolCall>(
        &self,
        to: Address,
        call: C,
    ) -> Result<C::Return, ReadError> {
        let ask = Ask::Call { to, data: call.abi_encode().into() };
        decode::<C>(to, &self.read(ask, Travel::AsCaller).await?)
    }

    /// Native balance of an account, wei; joins the batch of its round.
    ///
    /// # Errors
    ///
    /// [`ReadError::Unavailable`], or [`ReadError::Malformed`] by a broken node.
    pub async fn balance(&self, of: Address) -> Result<U256, ReadError> {
        let answer = self.read(Ask::Balance(of), Travel::Shared).await?;
        let word = <[u8; 32]>::try_from(answer.as_ref())
            .map_err(|_| malformed(of, &answer, "as a balance"))?;
        Ok(U256::from_be_bytes(word))
    }

    /// Code of an account; empty for one without. Travels alone.
    ///
    /// # Errors
    ///
    /// [`ReadError::Unavailable`].
    pub async fn code(&self, of: Address) -> Result<Bytes, ReadError> {
        self.read(Ask::Code(of), Travel::Alone).await
    }

    /// A reader of the block `k` before this one, found by walking parent hashes. It and the
    /// blocks it leads to lie at most [`MAX_ANCESTOR`] below the head of the turn.
    ///
    /// # Errors
    ///
    /// [`ReadError::Unavailable`] beyond that, before the first block, or if a header is not to
    /// be had.
    pub async fn ancestor(&self, k: u64) -> Result<Self, ReadError> {
        let depth = self.depth.saturating_add(k);
        if depth > MAX_ANCESTOR || k > self.head.number {
            let detail = format!("block {} has no readable ancestor {k} before", self.head.number);
            return Err(ReadError::Unavailable(detail));
        }
        let mut head = self.head;
        for _ in 0..k {
            head = match self.source.known_header(head.parent) {
                Some(parent) => parent,
                None => self.ask_header(head.parent).await?,
            };
        }
        Ok(Self { head, depth, ..self.clone() })
    }

    async fn ask_header(&self, hash: alloy::primitives::B256) -> Result<Head, ReadError> {
        let (answer, receiver) = oneshot::channel();
        self.queue.push_header(HeaderRead { hash, answer });
        receiver.await.unwrap_or_else(|_| Err(driver_gone()))
    }

    async fn read(&self, ask: Ask, travel: Travel) -> Result<Bytes, ReadError> {
        let _seat = Seat::take(&self.waiting)?;
        let (read, answer) = Read::new(ask, travel, (&self.head).into(), self.caller);
        self.queue.push(read);
        answer.await.unwrap_or_else(|_| Err(driver_gone()))
    }
}

/// A place among the reads of one product that wait at the same time.
struct Seat(Arc<AtomicUsize>);

impl Seat {
    fn take(waiting: &Arc<AtomicUsize>) -> Result<Self, ReadError> {
        let before = waiting.fetch_add(1, Ordering::Relaxed);
        let seat = Self(Arc::clone(waiting));
        if before >= MAX_READS_AT_ONCE {
            let detail = format!("more than {MAX_READS_AT_ONCE} reads at once");
            return Err(ReadError::Unavailable(detail));
        }
        Ok(seat)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn decode<C: SolCall>(target: Address, answer: &Bytes) -> Result<C::Return, ReadError> {
    C::abi_decode_returns(answer).map_err(|_| malformed(target, answer, C::SIGNATURE))
}

/// An answer that does not decode. Says how long it was: none at all means no code.
fn malformed(target: Address, answer: &Bytes, what: &str) -> ReadError {
    let detail = match answer.len() {
        0 => format!("nothing for {what}: no contract there, or one without this function"),
        length => format!("{length} bytes that do not decode for {what}"),
    };
    ReadError::Malformed { target, detail }
}

fn driver_gone() -> ReadError {
    ReadError::Unavailable("the turn that this reader belonged to is over".into())
}
