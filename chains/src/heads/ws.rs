//! New heads by WebSocket subscription.
//!
//! A session ends at the first doubt and is made anew, with time limits on every step: alloy's own
//! reconnection has none for the handshake and hangs on a frozen node, and says nothing about the
//! heads it missed.

use std::{
    convert::Infallible,
    error::Error as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use alloy::{
    providers::{Provider as _, ProviderBuilder, WsConnect},
    rpc::client::ClientBuilder,
    transports::{TransportError, TransportResult},
};
use futures::StreamExt as _;
use thiserror::Error;
use tokio::{
    sync::{Notify, mpsc},
    time::{sleep, timeout},
};
use tracing::debug;
use url::Url;

use super::{Head, RawHeader};

/// First and longest wait before a new session; doubles while sessions bring no head.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));
/// Ping interval: a socket whose peer vanished is noticed within two.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Block times of silence after which the node is asked which block it is at: one that has gone on
/// without a word has dropped the subscription and kept the connection.
const QUIET_BLOCKS: u32 = 3;
/// The same on fast chains.
const MIN_QUIET: Duration = Duration::from_secs(2);

/// What a subscription needs to know of the chain.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) chain_id: u64,
    pub(super) block_time: Duration,
    /// Longest wait for any single step.
    pub(super) io: Duration,
}

/// How many subscriptions are up.
#[derive(Debug, Clone, Default)]
pub(super) struct Live(Arc<LiveInner>);

#[derive(Debug, Default)]
struct LiveInner {
    count: AtomicUsize,
    changed: Notify,
}

impl Live {
    pub(super) fn any(&self) -> bool {
        self.0.count.load(Ordering::Relaxed) > 0
    }

    /// Waits until a subscription came or went.
    pub(super) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    fn enter(&self) -> Up {
        self.0.count.fetch_add(1, Ordering::Relaxed);
        self.0.changed.notify_one();
        Up(self.clone())
    }
}

/// A subscription that is up.
struct Up(Live);

impl Drop for Up {
    fn drop(&mut self) {
        self.0.0.count.fetch_sub(1, Ordering::Relaxed);
        self.0.0.changed.notify_one();
    }
}

#[derive(Debug, Error)]
enum SessionEnd {
    #[error("no answer in time to {0}")]
    TimedOut(&'static str),
    #[error("{step} failed")]
    Failed {
        step: &'static str,
        #[source]
        source: TransportError,
    },
    #[error("chain id {0}")]
    WrongChain(u64),
    #[error("the subscription ended")]
    Ended,
    #[error("the node is at block {0} and did not say so")]
    Silent(u64),
    #[error("the head stream is gone")]
    NobodyListens,
}

/// Keeps a subscription up and passes its heads on; runs until dropped.
pub(super) async fn follow(
    url: Url,
    place: usize,
    settings: Settings,
    out: mpsc::Sender<(usize, Head)>,
    live: Live,
) {
    let (first, longest) = RECONNECT;
    let mut wait = first;
    loop {
        let mut heads = 0_u64;
        // Boxed: the TLS and WebSocket handshakes make for a future of 20 kB.
        let Err(end) = Box::pin(session(&url, place, &settings, &out, &live, &mut heads)).await;
        // The address stays out of the log: it may carry a key.
        debug!(host = url.host_str(), %end, cause = end.source(), heads, "session over");
        if let SessionEnd::NobodyListens = end {
            return;
        }
        wait = if heads > 0 { first } else { (wait * 2).min(longest) };
        sleep(wait).await;
    }
}

async fn session(
    url: &Url,
    place: usize,
    settings: &Settings,
    out: &mpsc::Sender<(usize, Head)>,
    live: &Live,
    heads: &mut u64,
) -> Result<Infallible, SessionEnd> {
    let io = settings.io;
    let connect =
        WsConnect::new(url.as_str()).with_max_retries(1).with_keepalive_interval(KEEP_ALIVE);
    let client = step("connect", io, Box::pin(ClientBuilder::default().ws(connect))).await?;
    let provider = ProviderBuilder::new().disable_recommended_fillers().connect_client(client);
    let chain_id = step("chain id", io, provider.get_chain_id()).await?;
    if chain_id != settings.chain_id {
        return Err(SessionEnd::WrongChain(chain_id));
    }
    let subscribe = provider.subscribe::<_, RawHeader>(("newHeads",));
    let mut stream = step("subscribe", io, async { subscribe.await }).await?.into_stream();
    let _up = live.enter();
    let quiet = (settings.block_time * QUIET_BLOCKS).max(MIN_QUIET);
    // The newest block that the node is known to have.
    let mut at: Option<u64> = None;
    // It is at a newer one; a head that is under way has so long to arrive.
    let mut owes: Option<u64> = None;
    loop {
        let patience = if owes.is_some() { MIN_QUIET } else { quiet };
        match timeout(patience, stream.next()).await {
            Ok(Some(header)) => {
                let head = Head::from(header);
                *heads = heads.saturating_add(1);
                (at, owes) = (at.max(Some(head.number)), None);
                let sent = out.send((place, head)).await;
                sent.map_err(|_| SessionEnd::NobodyListens)?;
            }
            Ok(None) => return Err(SessionEnd::Ended),
            Err(_) => {
                if let Some(number) = owes {
                    return Err(SessionEnd::Silent(number));
                }
                let number = step("a sign of life", io, provider.get_block_number()).await?;
                debug!(number, "no head by subscription for a while; asked the node");
                owes = at.is_some_and(|at| number > at).then_some(number);
                at = at.or(Some(number));
            }
        }
    }
}

async fn step<T>(
    step: &'static str,
    limit: Duration,
    io: impl IntoFuture<Output = TransportResult<T>>,
) -> Result<T, SessionEnd> {
    timeout(limit, io)
        .await
        .map_err(|_| SessionEnd::TimedOut(step))?
        .map_err(|source| SessionEnd::Failed { step, source })
}
