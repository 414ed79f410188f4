//! An HTTP server on 127.0.0.1 whose connections can be cut off in the middle of anything.
//!
//! Both the proxy and the fake node stand on it. axum answers every request politely; a fault is
//! the opposite. So each connection carries a token that makes its socket fail, which also ends
//! the handlers and subscriptions behind it, and everything is cut when the server is dropped.

use crate::lock;
use axum::{Router, extract::connect_info::Connected, serve::IncomingStream};
use eyre::Result;
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tracing::debug;

/// Out of file descriptors or the like: try again, but do not spin.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// A TCP port of 127.0.0.1 that was free a moment ago.
///
/// Prefer port 0 where the server can report what it got: another process may take this one
/// before it is used.
///
/// # Errors
/// When the machine has no port left.
pub fn free_port() -> Result<u16> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

/// A running server; dropping it ends it and cuts every connection.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) gate: Gate,
    _tasks: JoinSet<()>,
}

impl Server {
    pub(crate) async fn start(router: Router) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let gate = Gate::default();
        let listener = GatedListener { listener, gate: gate.clone() };
        let mut tasks = JoinSet::new();
        let service = router.into_make_service_with_connect_info::<Connection>();
        tasks.spawn(async move {
            if let Err(error) = axum::serve(listener, service).await {
                debug!(%error, "test server ended");
            }
        });
        Ok(Self { address, gate, _tasks: tasks })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.gate.set_down(true);
    }
}

/// What all connections of one server share.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gate {
    inner: Arc<GateInner>,
}

#[derive(Debug, Default)]
struct GateInner {
    /// Parent of the tokens of the connections that are open now.
    open: Mutex<CancellationToken>,
    down: AtomicBool,
    next_id: AtomicU64,
}

impl Gate {
    /// Cuts every open connection; new ones are accepted.
    pub(crate) fn cut_all(&self) {
        let old = std::mem::take(&mut *lock(&self.inner.open));
        old.cancel();
    }

    /// While down, what is open is cut and what comes is cut as soon as it is accepted.
    pub(crate) fn set_down(&self, down: bool) {
        self.inner.down.store(down, Ordering::SeqCst);
        if down {
            self.cut_all();
        }
    }

    fn admit(&self) -> Connection {
        let cut = lock(&self.inner.open).child_token();
        if self.inner.down.load(Ordering::SeqCst) {
            cut.cancel();
        }
        Connection { id: self.inner.next_id.fetch_add(1, Ordering::Relaxed), cut }
    }
}

/// One accepted connection, as handlers see it.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub(crate) id: u64,
    /// Cancel to make the socket fail; cancelled when it has been made to.
    pub(crate) cut: CancellationToken,
}

impl Connected<IncomingStream<'_, GatedListener>> for Connection {
    fn connect_info(stream: IncomingStream<'_, GatedListener>) -> Self {
        stream.io().connection.clone()
    }
}

struct GatedListener {
    listener: TcpListener,
    gate: Gate,
}

impl axum::serve::Listener for GatedListener {
    type Io = GatedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (GatedStream, SocketAddr) {
        let mut retry = tokio::time::interval(ACCEPT_RETRY);
        loop {
            retry.tick().await;
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    if let Err(error) = stream.set_nodelay(true) {
                        debug!(%error, "TCP_NODELAY refused");
                    }
                    return (GatedStream::new(stream, self.gate.admit()), peer);
                }
                Err(error) => debug!(%error, "accept failed"),
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A stream that fails once its token is cancelled.
struct GatedStream {
    stream: TcpStream,
    connection: Connection,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl GatedStream {
    fn new(stream: TcpStream, connection: Connection) -> Self {
        let cut = Box::pin(connection.cut.clone().cancelled_owned());
        Self { stream, connection, cut }
    }

    /// Registers the task to be woken by the cut, which a plain look at the token would not.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.connection.cut.is_cancelled() || self.cut.as_mut().poll(cx).is_ready() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }
}

impl AsyncRead for GatedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for GatedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
