//! The node behind the proxy.

use super::parse_http;
use crate::{
    install_crypto_provider,
    json_rpc::{Request, quantity},
    lock,
};
use axum::{body::Bytes, http::StatusCode};
use eyre::{Result, eyre};
use reqwest::{Client, RequestBuilder, header};
use serde_json::{Value, json};
use std::{sync::Mutex, time::Duration};
use tokio::{sync::oneshot, task::JoinSet};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use url::Url;

/// Well above any fault's delay or any call that a test makes; a frozen node must not pile up work.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A WebSocket to the node.
pub(super) type NodeSocket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

#[derive(Debug)]
pub(super) struct Upstream {
    client: Client,
    url: Mutex<Url>,
    /// Requests that outlive their callers; each ends by [`TIMEOUT`].
    tasks: Mutex<JoinSet<()>>,
}

impl Upstream {
    pub(super) fn new(url: &str) -> Result<Self> {
        install_crypto_provider();
        let client = Client::builder().timeout(TIMEOUT).no_proxy().tcp_nodelay(true).build()?;
        Ok(Self { client, url: Mutex::new(parse_http(url)?), tasks: Mutex::default() })
    }

    pub(super) fn set(&self, url: &str) -> Result<()> {
        *lock(&self.url) = parse_http(url)?;
        Ok(())
    }

    /// Passes a body on as it is.
    pub(super) async fn forward(&self, body: Bytes) -> Result<(StatusCode, Bytes)> {
        receive(self.request(body)).await
    }

    /// Passes a body on even if the caller goes away meanwhile, as a node goes on with what it has
    /// received.
    pub(super) async fn forward_regardless(&self, body: Bytes) -> Result<(StatusCode, Bytes)> {
        let request = self.request(body);
        let (sender, answer) = oneshot::channel();
        {
            let mut tasks = lock(&self.tasks);
            while tasks.try_join_next().is_some() {}
            tasks.spawn(async move {
                // Nobody may be left to hear it.
                drop(sender.send(receive(request).await));
            });
        }
        answer.await?
    }

    fn request(&self, body: Bytes) -> RequestBuilder {
        let url = lock(&self.url).clone();
        self.client.post(url).header(header::CONTENT_TYPE, "application/json").body(body)
    }

    /// Passes one request on and reads the answer.
    pub(super) async fn ask(&self, request: &Request) -> Result<Value> {
        let body = serde_json::to_vec(&request.to_json())?;
        let (_, answer) = self.forward(body.into()).await?;
        Ok(serde_json::from_slice(&answer)?)
    }

    /// The node's real head.
    pub(super) async fn head(&self) -> Result<u64> {
        let answer = self.ask(&Request::new("eth_blockNumber", json!([]))).await?;
        let number = answer.get("result").and_then(Value::as_str).and_then(quantity);
        number.ok_or_else(|| eyre!("the node answered {answer} to eth_blockNumber"))
    }

    pub(super) async fn open_socket(&self) -> Result<NodeSocket> {
        let url = lock(&self.url).as_str().replacen("http", "ws", 1);
        let (socket, _) = tokio::time::timeout(TIMEOUT, connect_async(url)).await??;
        Ok(socket)
    }
}

async fn receive(request: RequestBuilder) -> Result<(StatusCode, Bytes)> {
    let response = request.send().await?;
    Ok((response.status(), response.bytes().await?))
}
