//! Raw transactions: the same bytes to every endpoint at once, never failing over.
//!
//! A send is not a read: repeating it elsewhere after an error acts on a guess. So each endpoint
//! is asked exactly once per call, each answer is reported as it is, and what could not be
//! understood is [`SendAnswer::Ambiguous`], which counts as sent.

use alloy::{
    primitives::{B256, Bytes, keccak256},
    rpc::json_rpc::{Id, Request, ResponsePacket, ResponsePayload},
};
use futures::future::join_all;

use super::{
    Pool,
    endpoint::{Call, Endpoint, SentAt},
    errors::{SendAnswer, read_refusal},
    http::Failure,
    limiter::Share,
};

/// One endpoint's answer to a raw transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Label of the endpoint.
    pub endpoint: String,
    /// What it made of the transaction.
    pub answer: SendAnswer,
}

impl Pool {
    /// Hands a signed transaction to all send endpoints at once and waits for every answer, at
    /// most one time-out for the endpoint's rate limit and one for its answer. Endpoints with a
    /// known wrong chain id are left out. An empty list means that nobody was asked.
    ///
    /// Must be journalled before: once this is polled the bytes may be out, also when the future
    /// is dropped.
    pub async fn broadcast(&self, raw: Bytes) -> Vec<Answer> {
        let hash = keccak256(&raw);
        let request = Request::new("eth_sendRawTransaction", Id::Number(1), (raw,));
        let body = match serde_json::to_vec(&request) {
            Ok(body) => body.into(),
            Err(_) => return Vec::new(),
        };
        let call = Call { body, class: "send", share: Share::Sends, requests: 1 };
        let right = |endpoint: &&std::sync::Arc<Endpoint>| {
            endpoint.sends && !endpoint.fitness().has_wrong_chain()
        };
        let sends = self.shared.endpoints.iter().filter(right).map(async |endpoint| {
            let answer = endpoint.send(&call, hash).await;
            Answer { endpoint: endpoint.label.clone(), answer }
        });
        join_all(sends).await
    }
}

impl Endpoint {
    async fn send(&self, call: &Call, hash: B256) -> SendAnswer {
        let answer = match self.exchange(call, &SentAt::new()).await {
            Ok(packet) => read_answer(&packet, hash),
            // A refusal is read out of a JSON-RPC error only: a page may hold any words.
            Err(Failure::Status { code, said: Some(text), .. }) => match read_refusal(&text) {
                SendAnswer::Ambiguous(text) => {
                    SendAnswer::Ambiguous(format!("HTTP status {code}: {text}"))
                }
                understood => understood,
            },
            Err(failure) => SendAnswer::Ambiguous(failure.to_string()),
        };
        self.count_send(answer.label());
        answer
    }
}

fn read_answer(packet: &ResponsePacket, hash: B256) -> SendAnswer {
    match packet.first_payload() {
        Some(ResponsePayload::Success(result)) => {
            match serde_json::from_str::<B256>(result.get()) {
                Ok(told) if told == hash => SendAnswer::Accepted,
                Ok(_) | Err(_) => {
                    SendAnswer::Ambiguous(format!("answered {} in place of {hash}", result.get()))
                }
            }
        }
        Some(ResponsePayload::Failure(error)) => read_refusal(&error.message),
        None => SendAnswer::Ambiguous("empty answer".to_owned()),
    }
}
