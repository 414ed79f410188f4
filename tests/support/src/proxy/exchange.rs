//! One packet in, what happens to it out: the part that HTTP and WebSocket have in common.

use super::{
    RAW_TRANSACTION, Shared, lag,
    rules::{Instead, Plan},
};
use crate::{
    json_rpc::{Packet, Request, RpcFailure},
    lock,
    request_log::ConnectionKind,
};
use alloy::primitives::{Bytes as HexBytes, keccak256};
use axum::{body::Bytes, http::StatusCode};
use eyre::Result;
use futures::future::{pending, try_join_all};
use serde_json::{Value, json};
use std::time::Duration;
use tracing::debug;

/// What a load balancer answers when it should not answer at all.
pub(super) const GARBAGE: &str = "<html><body>Service temporarily unavailable</body></html>";

/// What becomes of a packet. That it is never answered is not among them: then the future that
/// yields this stays pending, and goes with its connection.
pub(super) enum Outcome {
    Body(StatusCode, Bytes),
    Truncated(Bytes),
    Garbage,
    Status { code: u16, retry_after: Option<Duration> },
    Cut,
}

/// Records a packet, applies the faults that befall it, and asks the node as far as needed.
pub(super) async fn exchange(
    shared: &Shared,
    kind: ConnectionKind,
    connection: u64,
    body: Bytes,
) -> Outcome {
    let outcome = match Packet::parse(&body) {
        Some(packet) => {
            let _in_flight = shared.log.begin(kind, connection, &packet.requests, body.len());
            shared.note_raw(&packet.requests);
            let plans: Vec<_> =
                packet.requests.iter().map(|request| shared.rules.plan(kind, request)).collect();
            shared.apply(&packet, &plans, body).await
        }
        None => shared.pass(body).await,
    };
    outcome.unwrap_or_else(|error| {
        debug!(%error, "the node did not answer the proxy");
        Outcome::Cut
    })
}

/// Waits out a delay.
pub(super) async fn delay(duration: Duration) {
    if !duration.is_zero() {
        // The inner future never ends, so this is the only way the timeout can.
        let _elapsed = tokio::time::timeout(duration, pending::<()>()).await;
    }
}

impl Shared {
    fn note_raw(&self, requests: &[Request]) {
        let raw = requests.iter().filter(|request| request.method == RAW_TRANSACTION);
        let hex = raw.filter_map(|request| request.params.get(0)?.as_str().map(str::to_owned));
        lock(&self.raw).extend(hex);
    }

    async fn apply(&self, packet: &Packet, plans: &[Plan], body: Bytes) -> Result<Outcome> {
        delay(plans.iter().map(|plan| plan.delay).max().unwrap_or_default()).await;
        if plans.iter().all(Plan::is_plain) {
            let carries_raw = packet.requests.iter().any(|r| r.method == RAW_TRANSACTION);
            return if carries_raw {
                self.pass_regardless(body).await
            } else {
                self.pass(body).await
            };
        }
        for instead in plans.iter().filter_map(|plan| plan.instead.clone()) {
            match instead {
                Instead::Hang => pending().await,
                Instead::Drop => return Ok(Outcome::Cut),
                Instead::Garbage => return Ok(Outcome::Garbage),
                Instead::Status { code, retry_after } => {
                    return Ok(Outcome::Status { code, retry_after });
                }
                Instead::StatusError { code, failure } => {
                    let status =
                        StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                    let first = packet.requests.first();
                    let body = first.map(|request| request.fail(&failure)).unwrap_or_default();
                    return Ok(Outcome::Body(status, serde_json::to_vec(&body)?.into()));
                }
                Instead::Truncate => {
                    let (_, whole) = self.upstream.forward_regardless(body.clone()).await?;
                    return Ok(Outcome::Truncated(whole));
                }
                Instead::ForwardThenHang => {
                    self.deliver(packet, plans, body.clone()).await?;
                    pending().await
                }
                Instead::ForwardThenDrop => {
                    self.deliver(packet, plans, body.clone()).await?;
                    return Ok(Outcome::Cut);
                }
                Instead::Error(_) | Instead::Answer(_) | Instead::SwallowRaw => {}
            }
        }
        let pairs = packet.requests.iter().zip(plans);
        let answers = try_join_all(pairs.map(|(request, plan)| self.answer(request, plan))).await?;
        let joined = serde_json::to_vec(&packet.join(answers))?;
        Ok(Outcome::Body(StatusCode::OK, joined.into()))
    }

    /// Hands a packet to the node, or what is held to the mempool; the answer is lost.
    async fn deliver(&self, packet: &Packet, plans: &[Plan], body: Bytes) -> Result<()> {
        if plans.iter().all(|plan| plan.hold.is_none()) {
            self.upstream.forward_regardless(body).await?;
            return Ok(());
        }
        for (request, plan) in packet.requests.iter().zip(plans) {
            match &plan.hold {
                Some(pool) => pool.answer(&self.upstream, request).await?,
                None => self.upstream.ask(request).await?,
            };
        }
        Ok(())
    }

    async fn pass(&self, body: Bytes) -> Result<Outcome> {
        let (status, answer) = self.upstream.forward(body).await?;
        Ok(Outcome::Body(status, answer))
    }

    async fn pass_regardless(&self, body: Bytes) -> Result<Outcome> {
        let (status, answer) = self.upstream.forward_regardless(body).await?;
        Ok(Outcome::Body(status, answer))
    }

    /// The answer to one request whose connection stays sound.
    async fn answer(&self, request: &Request, plan: &Plan) -> Result<Value> {
        match &plan.instead {
            Some(Instead::Error(failure)) => return Ok(request.fail(failure)),
            Some(Instead::Answer(result)) => return Ok(request.answer(result.clone())),
            Some(Instead::SwallowRaw) => return Ok(swallow(request)),
            Some(
                Instead::Hang
                | Instead::Drop
                | Instead::Status { .. }
                | Instead::StatusError { .. }
                | Instead::Garbage
                | Instead::Truncate
                | Instead::ForwardThenHang
                | Instead::ForwardThenDrop,
            )
            | None => {}
        }
        let mut answer = match (&plan.hold, &plan.fork, plan.lag) {
            (Some(pool), _, _) => pool.answer(&self.upstream, request).await?,
            (None, Some(fork), _) => fork.answer(&self.upstream, request).await?,
            (None, None, Some(behind)) => lag::answer(&self.upstream, request, behind).await?,
            (None, None, None) => self.upstream.ask(request).await?,
        };
        if let Some(result) = answer.get_mut("result") {
            if let Some(id) = plan.chain_id {
                let decimal = request.method == "net_version";
                *result = json!(if decimal { id.to_string() } else { format!("{id:#x}") });
            }
            for rewriter in &plan.rewrites {
                *result = (rewriter.0)(&request.params, result.take());
            }
        }
        Ok(answer)
    }
}

/// What a node that takes a transaction answers.
fn swallow(request: &Request) -> Value {
    let raw = request.params.get(0).and_then(Value::as_str).map(str::parse::<HexBytes>);
    match raw {
        Some(Ok(raw)) => request.answer(json!(keccak256(raw))),
        _ => request.fail(&RpcFailure::new(-32602, "invalid raw transaction")),
    }
}
