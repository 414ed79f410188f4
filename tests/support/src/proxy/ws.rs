//! WebSocket: subscriptions pass through to the node's own socket, all else goes over its HTTP.

use super::{
    NOTIFICATION, Shared, WS_CONNECT,
    exchange::{GARBAGE, Outcome, delay, exchange},
    http::{cut, status},
    rules::{HeadPlan, Instead},
    upstream::NodeSocket,
};
use crate::{
    json_rpc::{Packet, Request},
    request_log::{ConnectionKind, InFlight},
    server::Connection,
};
use axum::{
    extract::{
        ConnectInfo, State,
        ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade},
    },
    response::Response,
};
use eyre::{Result, bail};
use futures::{
    SinkExt, StreamExt,
    future::{BoxFuture, FutureExt, pending},
    stream::FuturesUnordered,
};
use serde_json::Value;
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};
use tokio_tungstenite::tungstenite;
use tracing::debug;

/// Opens a WebSocket to the caller and one to the node, and joins them.
pub(super) async fn upgrade(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let request = Request::new(WS_CONNECT, Value::Array(Vec::new()));
    let in_flight =
        shared.log.begin(ConnectionKind::Ws, connection.id, std::slice::from_ref(&request), 0);
    let plan = shared.rules.plan(ConnectionKind::Ws, &request);
    let opening = async {
        delay(plan.delay).await;
        match plan.instead {
            Some(Instead::Hang) => pending().await,
            Some(Instead::Status { code, retry_after }) => Err(status(code, retry_after)),
            Some(_) => Err(cut(&connection)),
            None => shared.upstream.open_socket().await.map_err(|error| {
                debug!(%error, "no WebSocket to the node");
                cut(&connection)
            }),
        }
    };
    let node = tokio::select! {
        () = connection.cut.cancelled() => Err(cut(&connection)),
        node = opening => node,
    };
    drop(in_flight);
    match node {
        Ok(node) => upgrade.on_upgrade(move |caller| async move {
            let cut = connection.cut.clone();
            let joined = Joined::new(shared, connection.id, caller, node);
            let end = cut.run_until_cancelled(joined.run()).await;
            debug!(?end, "WebSocket ended");
            // Whatever ended it, the caller sees a broken connection and no closing handshake.
            cut.cancel();
        }),
        Err(response) => response,
    }
}

/// What to do once a request has been looked at.
enum Step {
    ToCaller(Utf8Bytes),
    ToNode(Request, InFlight),
    Cut,
}

/// A caller's socket and a node's.
struct Joined {
    shared: Arc<Shared>,
    connection: u64,
    caller: WebSocket,
    node: NodeSocket,
    steps: FuturesUnordered<BoxFuture<'static, Step>>,
    /// Subscription requests that the node has not answered, by their id.
    asked: HashMap<String, InFlight>,
    /// Notifications that lag, oldest first.
    held: VecDeque<Utf8Bytes>,
    /// A notification that waits for the next one to overtake it.
    swapped: Option<Utf8Bytes>,
}

impl Joined {
    fn new(shared: Arc<Shared>, connection: u64, caller: WebSocket, node: NodeSocket) -> Self {
        Self {
            shared,
            connection,
            caller,
            node,
            steps: FuturesUnordered::new(),
            asked: HashMap::new(),
            held: VecDeque::new(),
            swapped: None,
        }
    }

    async fn run(mut self) -> Result<()> {
        loop {
            tokio::select! {
                frame = self.caller.recv() => match frame.transpose()? {
                    Some(Message::Text(text)) => self.on_caller_text(text),
                    Some(Message::Binary(_) | Message::Ping(_) | Message::Pong(_)) => {}
                    Some(Message::Close(_)) | None => return Ok(()),
                },
                frame = self.node.next() => match frame.transpose()? {
                    Some(tungstenite::Message::Text(text)) => {
                        self.on_node_text(text.as_str().into()).await?;
                    }
                    Some(tungstenite::Message::Close(_)) | None => return Ok(()),
                    Some(_) => {}
                },
                Some(step) = self.steps.next() => match step {
                    Step::ToCaller(text) => self.caller.send(Message::Text(text)).await?,
                    Step::ToNode(request, in_flight) => {
                        let text = request.to_json().to_string();
                        self.asked.insert(request.id.to_string(), in_flight);
                        self.node.send(tungstenite::Message::text(text)).await?;
                    }
                    Step::Cut => bail!("told to cut"),
                },
            }
        }
    }

    fn on_caller_text(&mut self, text: Utf8Bytes) {
        let shared = Arc::clone(&self.shared);
        let connection = self.connection;
        let subscription = Packet::parse(text.as_bytes()).and_then(|packet| {
            let request = packet.requests.into_iter().next().filter(|_| !packet.batch)?;
            matches!(request.method.as_str(), "eth_subscribe" | "eth_unsubscribe")
                .then_some(request)
        });
        let step = match subscription {
            Some(request) => subscribe(shared, connection, request).boxed(),
            None => relay(shared, connection, text).boxed(),
        };
        self.steps.push(step);
    }

    async fn on_node_text(&mut self, text: Utf8Bytes) -> Result<()> {
        let frame: Value = serde_json::from_str(&text)?;
        if frame.get("method").and_then(Value::as_str) == Some(NOTIFICATION) {
            let plan = self.shared.rules.plan_head();
            let text = match &plan.fork {
                Some(fork) => {
                    let mut forged = frame;
                    if let Some(header) = forged.pointer_mut("/params/result") {
                        fork.forge(header);
                    }
                    forged.to_string().into()
                }
                None => text,
            };
            return self.notify(text, &plan).await;
        }
        if let Some(id) = frame.get("id") {
            self.asked.remove(&id.to_string());
        }
        Ok(self.caller.send(Message::Text(text)).await?)
    }

    async fn notify(&mut self, text: Utf8Bytes, plan: &HeadPlan) -> Result<()> {
        if plan.cut {
            bail!("told to cut");
        }
        if plan.discard {
            return Ok(());
        }
        let copies = if plan.duplicate { 2 } else { 1 };
        match self.swapped.take() {
            Some(earlier) => self.held.extend([text, earlier]),
            None if plan.swap => {
                self.swapped = Some(text);
                return Ok(());
            }
            None => self.held.push_back(text),
        }
        let keep = usize::try_from(plan.lag)?;
        while self.held.len() > keep {
            let Some(next) = self.held.pop_front() else { break };
            for _ in 0..copies {
                self.caller.send(Message::Text(next.clone())).await?;
            }
        }
        Ok(())
    }
}

/// A subscription is the node's to keep; the faults of a request apply to its opening.
async fn subscribe(shared: Arc<Shared>, connection: u64, request: Request) -> Step {
    let in_flight =
        shared.log.begin(ConnectionKind::Ws, connection, std::slice::from_ref(&request), 0);
    let plan = shared.rules.plan(ConnectionKind::Ws, &request);
    delay(plan.delay).await;
    match plan.instead {
        None => Step::ToNode(request, in_flight),
        Some(Instead::Error(failure)) => Step::ToCaller(request.fail(&failure).to_string().into()),
        Some(Instead::Answer(result)) => Step::ToCaller(request.answer(result).to_string().into()),
        Some(Instead::Garbage) => Step::ToCaller(GARBAGE.into()),
        Some(Instead::Hang | Instead::ForwardThenHang | Instead::SwallowRaw) => pending().await,
        Some(
            Instead::Drop
            | Instead::Status { .. }
            | Instead::StatusError { .. }
            | Instead::Truncate
            | Instead::ForwardThenDrop,
        ) => Step::Cut,
    }
}

async fn relay(shared: Arc<Shared>, connection: u64, text: Utf8Bytes) -> Step {
    match exchange(&shared, ConnectionKind::Ws, connection, text.into()).await {
        Outcome::Body(_, body) => Step::ToCaller(String::from_utf8_lossy(&body).as_ref().into()),
        Outcome::Truncated(whole) => {
            let half = whole.slice(..whole.len() / 2);
            Step::ToCaller(String::from_utf8_lossy(&half).as_ref().into())
        }
        Outcome::Garbage => Step::ToCaller(GARBAGE.into()),
        Outcome::Status { .. } | Outcome::Cut => Step::Cut,
    }
}
