//! The fake node's two doors: POST, and WebSocket with its subscriptions.

use super::Shared;
use crate::{
    json_rpc::{Packet, Request, RpcFailure},
    request_log::ConnectionKind,
    server::Connection,
};
use axum::{
    Json,
    body::Bytes,
    extract::{
        ConnectInfo, State,
        ws::{Message, WebSocket, WebSocketUpgrade},
    },
    http::StatusCode,
    response::{IntoResponse, Response},
};
use eyre::Result;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::broadcast;
use tracing::debug;

pub(super) async fn post(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    body: Bytes,
) -> Response {
    let Some(packet) = Packet::parse(&body) else {
        return (StatusCode::BAD_REQUEST, "not JSON-RPC").into_response();
    };
    let _in_flight =
        shared.log.begin(ConnectionKind::Http, connection.id, &packet.requests, body.len());
    let answers = packet.requests.iter().map(|request| shared.answer(request)).collect();
    Json(packet.join(answers)).into_response()
}

pub(super) async fn upgrade(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    upgrade: WebSocketUpgrade,
) -> Response {
    upgrade.on_upgrade(move |socket| async move {
        let cut = connection.cut.clone();
        let session = Session { shared, connection: connection.id, socket, subscription: None };
        let end = cut.run_until_cancelled(session.run()).await;
        debug!(?end, "WebSocket ended");
    })
}

struct Session {
    shared: Arc<Shared>,
    connection: u64,
    socket: WebSocket,
    /// One is enough for a client that watches heads; a second one replaces it.
    subscription: Option<Subscription>,
}

struct Subscription {
    id: String,
    heads: broadcast::Receiver<Value>,
}

impl Session {
    async fn run(mut self) -> Result<()> {
        loop {
            let next_head = async {
                match &mut self.subscription {
                    Some(subscription) => subscription.heads.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                frame = self.socket.recv() => match frame.transpose()? {
                    Some(Message::Text(text)) => self.reply(text.as_bytes()).await?,
                    Some(Message::Binary(_) | Message::Ping(_) | Message::Pong(_)) => {}
                    Some(Message::Close(_)) | None => return Ok(()),
                },
                head = next_head => self.push(&head?).await?,
            }
        }
    }

    async fn reply(&mut self, frame: &[u8]) -> Result<()> {
        let Some(packet) = Packet::parse(frame) else { return Ok(()) };
        let log = self.shared.log.clone();
        let in_flight =
            log.begin(ConnectionKind::Ws, self.connection, &packet.requests, frame.len());
        let answers = packet.requests.iter().map(|request| self.answer(request)).collect();
        let text = packet.join(answers).to_string();
        drop(in_flight);
        Ok(self.socket.send(Message::text(text)).await?)
    }

    fn answer(&mut self, request: &Request) -> Value {
        match request.method.as_str() {
            "eth_subscribe" if request.params.get(0) == Some(&json!("newHeads")) => {
                let id = format!("{:#x}", self.connection + 1);
                let heads = self.shared.heads.subscribe();
                self.subscription = Some(Subscription { id: id.clone(), heads });
                request.answer(id)
            }
            "eth_subscribe" => {
                request.fail(&RpcFailure::new(-32602, "only newHeads can be subscribed to"))
            }
            "eth_unsubscribe" => request.answer(self.subscription.take().is_some()),
            _ => self.shared.answer(request),
        }
    }

    async fn push(&mut self, head: &Value) -> Result<()> {
        let Some(subscription) = &self.subscription else { return Ok(()) };
        let params = json!({ "subscription": subscription.id, "result": head });
        let frame = json!({ "jsonrpc": "2.0", "method": "eth_subscription", "params": params });
        Ok(self.socket.send(Message::text(frame.to_string())).await?)
    }
}
