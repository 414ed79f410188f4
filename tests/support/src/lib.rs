//! What the tests of every package share: a JSON-RPC proxy that can be told to misbehave, a fake
//! chain node, a runner for the real binary, a browser, and waiting for conditions.
//!
//! It stands apart from the product so that a fault, a count of reads or a way to wait is written
//! once, and means the same in a unit test of the endpoint pool and in an end-to-end run over
//! anvil. Nothing here asserts: helpers return an `eyre` error that says what was seen instead,
//! and the test decides. The README beside this crate has an example of each part.

mod browser;
mod config_dir;
mod inbox;
mod json_rpc;
mod mock_kms;
mod mock_node;
mod process;
mod proxy;
mod request_log;
mod server;
mod small_disk;
mod wait;

pub use browser::Browser;
pub use config_dir::ConfigDir;
pub use inbox::{Inbox, Letter};
pub use json_rpc::{BlockRef, RpcFailure};
pub use mock_kms::{KmsCall, KmsMood, MockKms};
pub use mock_node::{MockBlock, MockCall, MockNode};
pub use process::{KeeperCommand, KeeperProcess};
pub use proxy::{
    Fault, FaultHandle, Fork, HeldTransaction, Mempool, MempoolCounts, ProxyHandle,
    RAW_TRANSACTION, Rewriter, RpcProxy, Rule, WS_CONNECT,
};
pub use request_log::{CallRecord, ConnectionKind, Recorded, RequestLog};
pub use server::free_port;
pub use small_disk::SmallDisk;
pub use wait::{Observed, wait_until};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A lock whose holder panicked still holds data worth reporting.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets reqwest build its client: it has TLS compiled in without a provider of its own.
fn install_crypto_provider() {
    // An error means that one is installed already, which serves as well.
    drop(rustls::crypto::ring::default_provider().install_default());
}
