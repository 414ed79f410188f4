//! A counting proxy that does as little as it can: bytes go through as they came, one connection
//! to the node for each of the client's, and what is noted is a method, a moment and a block.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use alloy::providers::MULTICALL3_ADDRESS;
use eyre::{OptionExt as _, Result};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinSet,
};

/// Room for one read: a batch of a thousand views goes through in a few.
const BUFFER: usize = 256 * 1024;
/// Bytes at each end of a request in which its method, sender and block are looked for.
const ENDS: usize = 400;

/// Length of a block hash as text.
const HASH: usize = 66;

/// How far away the node seems for reads: each waits so long before it is passed on, so that reads that
/// were sent together overlap at the proxy, however fast the node answers.
#[derive(Debug, Default)]
struct SimulatedLatency {
    millis: AtomicU64,
}

impl SimulatedLatency {
    fn set(&self, latency: Duration) {
        let millis = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX);
        self.millis.store(millis, Ordering::Relaxed);
    }

    /// Takes as long as the way to the node would.
    async fn travel(&self) {
        let latency = Duration::from_millis(self.millis.load(Ordering::Relaxed));
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
    }
}

/// What passed.
#[derive(Debug, Clone)]
pub(crate) enum Passed {
    /// The node pushed a head.
    Head { at: Instant, block: u64 },
    /// A request, from its last byte in to the last byte of its answer out. The body of a read is
    /// kept only while that is asked for; a batch of a thousand views is half a megabyte.
    Request { method: String, begun: Instant, ended: Instant, read: Option<Read>, body: Vec<u8> },
}

/// What is noted of an `eth_call`.
#[derive(Debug, Clone)]
pub(crate) struct Read {
    /// The hash of the block that it is pinned to; empty if it is not.
    pub(crate) pinned: String,
    /// Whether a wallet sends it, as in simulations; reads go out from nobody, or from Multicall3.
    pub(crate) by_wallet: bool,
}

/// A running proxy; ends when dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    node: SocketAddr,
    passed: Mutex<Vec<Passed>>,
    /// Of `eth_call`.
    latency: SimulatedLatency,
    /// Something has passed.
    news: Notify,
    keeps_reads: AtomicBool,
}

impl Proxy {
    pub(crate) async fn start(node: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            node,
            passed: Mutex::default(),
            latency: SimulatedLatency::default(),
            news: Notify::new(),
            keeps_reads: AtomicBool::default(),
        });
        let mut tasks = JoinSet::new();
        let accepting = Arc::clone(&shared);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let shared = Arc::clone(&accepting);
                connections.spawn(async move {
                    // A connection that ends in the middle of something is the peer's affair.
                    drop(serve(client, &shared).await);
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, shared, _tasks: tasks })
    }

    /// Simulates this latency for every `eth_call` from now on.
    pub(crate) fn simulate_read_latency(&self, latency: Duration) {
        self.shared.latency.set(latency);
    }

    /// Waits until something has passed since the last [`take`](Self::take).
    pub(crate) async fn news(&self) {
        loop {
            let news = self.shared.news.notified();
            if !self.shared.lock().is_empty() {
                return;
            }
            news.await;
        }
    }

    /// Keeps the bodies of reads, or not, from now on.
    pub(crate) fn keep_reads(&self, keep: bool) {
        self.shared.keeps_reads.store(keep, Ordering::Relaxed);
    }

    /// What has passed since the last call.
    pub(crate) fn take(&self) -> Vec<Passed> {
        std::mem::take(&mut *self.shared.lock())
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Passed>> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(mut client: TcpStream, shared: &Shared) -> Result<()> {
    client.set_nodelay(true)?;
    let mut node = TcpStream::connect(shared.node).await?;
    node.set_nodelay(true)?;
    let (mut request, mut answer) = (Message::default(), Message::default());
    while request.read(&mut client).await? {
        let begun = Instant::now();
        if request.is_upgrade() {
            node.write_all(&request.bytes).await?;
            return pipe(client, node, shared).await;
        }
        let method = request.method().unwrap_or_default();
        if method == "eth_call" {
            shared.latency.travel().await;
        }
        node.write_all(&request.bytes).await?;
        if !answer.read(&mut node).await? {
            return Ok(());
        }
        client.write_all(&answer.bytes).await?;
        let ended = Instant::now();
        let read = (method == "eth_call").then(|| request.as_read());
        let body = if read.is_none() || shared.keeps_reads.load(Ordering::Relaxed) {
            request.bytes.split_off(request.body_at)
        } else {
            Vec::new()
        };
        shared.lock().push(Passed::Request { method, begun, ended, read, body });
        shared.news.notify_waiters();
    }
    Ok(())
}

/// A WebSocket: both ways as it comes; heads are noted.
async fn pipe(client: TcpStream, node: TcpStream, shared: &Shared) -> Result<()> {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_node, mut to_node) = node.into_split();
    let up = async move { tokio::io::copy(&mut from_client, &mut to_node).await.map(drop) };
    let down = async {
        let mut buffer = vec![0; BUFFER];
        loop {
            let read = from_node.read(&mut buffer).await?;
            let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
                return Ok(());
            };
            if let Some(block) = head_in(bytes) {
                shared.lock().push(Passed::Head { at: Instant::now(), block });
            }
            to_client.write_all(bytes).await?;
        }
    };
    tokio::select! {
        ended = up => Ok(ended?),
        ended = down => ended,
    }
}

/// The number of the block whose header a notification carries. Frames from a node are not masked.
fn head_in(bytes: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(bytes);
    if !text.contains("\"eth_subscription\"") {
        return None;
    }
    let digits = text.split("\"number\":\"0x").nth(1)?.split('"').next()?;
    u64::from_str_radix(digits, 16).ok()
}

/// One HTTP message with a content length, as it came.
#[derive(Debug, Default)]
struct Message {
    bytes: Vec<u8>,
    body_at: usize,
}

impl Message {
    /// Reads the next one; `false` at the end of the connection. A peer of this bench never sends
    /// the next message before the answer to the last.
    async fn read(&mut self, from: &mut TcpStream) -> Result<bool> {
        self.bytes.clear();
        let mut whole = None;
        while whole.is_none_or(|length| self.bytes.len() < length) {
            if from.read_buf(&mut self.bytes).await? == 0 {
                return Ok(false);
            }
            if whole.is_none()
                && let Some(end) = find(&self.bytes, b"\r\n\r\n")
            {
                self.body_at = end + 4;
                whole = Some(self.body_at + self.content_length().unwrap_or(0));
            }
        }
        Ok(true)
    }

    fn head(&self) -> String {
        String::from_utf8_lossy(&self.bytes[..self.body_at]).to_ascii_lowercase()
    }

    fn content_length(&self) -> Option<usize> {
        self.head().split("content-length:").nth(1)?.split("\r\n").next()?.trim().parse().ok()
    }

    fn is_upgrade(&self) -> bool {
        self.head().contains("upgrade: websocket")
    }

    fn as_read(&self) -> Read {
        let body = &self.bytes[self.body_at..];
        // The calldata stands between the two.
        let begin = String::from_utf8_lossy(&body[..body.len().min(ENDS)]);
        let end = String::from_utf8_lossy(&body[body.len().saturating_sub(ENDS)..]);
        // A hash is the only string of this length.
        let pinned = end.split('"').find(|text| text.len() == HASH && text.starts_with("0x"));
        let sender = begin.split("\"from\":\"").nth(1).and_then(|rest| rest.split('"').next());
        let by_wallet = sender.is_some_and(|sender| sender.parse() != Ok(MULTICALL3_ADDRESS));
        Read { pinned: pinned.unwrap_or_default().to_owned(), by_wallet }
    }

    fn method(&self) -> Result<String> {
        let body = &self.bytes[self.body_at..];
        let begin = String::from_utf8_lossy(&body[..body.len().min(ENDS)]);
        let name = begin.split("\"method\":\"").nth(1).and_then(|rest| rest.split('"').next());
        name.map(str::to_owned).ok_or_eyre("a request without a method")
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
