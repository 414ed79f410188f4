//! Every fault, over HTTP and over WebSocket, in front of a fake node.

mod faults;
mod fork;
mod heads;
mod hold;
mod record;
mod ws;

use super::*;
use crate::{MockNode, wait_until};
use alloy::primitives::Bytes;
use eyre::eyre;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::time::Duration;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message},
};

/// Far above what any answer takes.
const SOON: Duration = Duration::from_secs(10);
/// How long silence is listened to. A fault that does not work shows within it.
const SHORT: Duration = Duration::from_millis(300);

/// A node with ten blocks above genesis, chain id 1, and a proxy before it.
struct Scene {
    node: MockNode,
    proxy: RpcProxy,
    client: reqwest::Client,
}

impl Scene {
    async fn new() -> Self {
        let node = MockNode::start(1).await.unwrap();
        node.push_blocks(10);
        node.on_call(|call| Ok(call.data.clone()));
        let proxy = RpcProxy::start(&node.http_url()).await.unwrap();
        let client = reqwest::Client::builder().timeout(SOON).no_proxy().build().unwrap();
        Self { node, proxy, client }
    }

    async fn post(&self, body: &Value) -> reqwest::Result<reqwest::Response> {
        self.client.post(self.proxy.http_url()).json(body).send().await
    }

    /// Posts with little patience, and says whether the caller gave up.
    async fn times_out(&self, body: &Value) -> bool {
        tokio::time::timeout(SHORT, self.post(body)).await.is_err()
    }

    /// The whole response object.
    async fn respond(&self, method: &str, params: Value) -> Result<Value> {
        Ok(self.post(&request(1, method, &params)).await?.json().await?)
    }

    /// The result, an error otherwise.
    async fn ask(&self, method: &str, params: Value) -> Result<Value> {
        let mut answer = self.respond(method, params).await?;
        let result = answer.get_mut("result").map(Value::take);
        result.ok_or_else(|| eyre!("{answer}"))
    }

    async fn open(&self) -> tungstenite::Result<Stream> {
        let opened = tokio::time::timeout(SOON, connect_async(self.proxy.ws_url())).await;
        opened.expect("an answer to the upgrade").map(|(stream, _)| stream)
    }

    async fn socket(&self) -> Socket {
        Socket { stream: self.open().await.unwrap() }
    }

    /// A socket with a subscription that is known to be in place.
    async fn subscriber(&self) -> Socket {
        let mut socket = self.socket().await;
        let before = self.node.subscribers();
        socket.send(1, "eth_subscribe", json!(["newHeads"])).await;
        assert_eq!(socket.next().await.unwrap()["result"].as_str().map(|id| &id[..2]), Some("0x"));
        assert_eq!(self.node.subscribers(), before + 1);
        socket
    }
}

type Stream = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

struct Socket {
    stream: Stream,
}

impl Socket {
    async fn send(&mut self, id: u64, method: &str, params: Value) {
        let text = request(id, method, &params).to_string();
        self.stream.send(Message::text(text)).await.unwrap();
    }

    /// The next text frame; `None` once the connection is broken.
    async fn text(&mut self) -> Option<String> {
        let frame = tokio::time::timeout(SOON, self.stream.next()).await.unwrap()?.ok()?;
        Some(frame.into_text().unwrap().as_str().to_owned())
    }

    async fn next(&mut self) -> Option<Value> {
        Some(serde_json::from_str(&self.text().await?).unwrap())
    }

    /// The height in the next notification.
    async fn head(&mut self) -> Option<u64> {
        let frame = self.next().await?;
        let number = frame["params"]["result"]["number"].as_str().unwrap().to_owned();
        crate::json_rpc::quantity(&number)
    }

    async fn is_silent(&mut self) -> bool {
        tokio::time::timeout(SHORT, self.stream.next()).await.is_err()
    }
}

fn request(id: u64, method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

fn call_at(block: impl Into<Value>) -> Value {
    json!([{ "to": alloy::primitives::Address::ZERO, "input": "0x1234" }, block.into()])
}
