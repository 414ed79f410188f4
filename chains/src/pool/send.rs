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
use url::Url;

use super::{
    Pool,
    endpoint::{Call, Endpoint, SentAt},
    errors::{SendAnswer, read_refusal},
    http::{Failure, redact},
    limiter::Share,
};

/// Who is told of a raw transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// The public send endpoints: those of `send`, or all of `rpc`.
    Public,
    /// The endpoints of `private_send`, and nobody else.
    Private,
    /// Both: a private transaction that has waited long enough to go public.
    Everywhere,
}

impl Route {
    fn reaches(self, endpoint: &Endpoint) -> bool {
        match self {
            Self::Public => endpoint.sends,
            Self::Private => endpoint.private,
            Self::Everywhere => endpoint.sends || endpoint.private,
        }
    }
}

/// Whether the transactions of a product may be seen before they are included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Privacy {
    /// They may.
    #[default]
    Public,
    /// They go to the private endpoints only …
    Private {
        /// … and everywhere once the nonce has waited for so many blocks; `None`: never.
        public_after: Option<u64>,
    },
}

impl Privacy {
    /// The route of bytes whose nonce has waited for so many blocks since the first attempt at it
    /// was signed; `None` if that is not known, which opens nothing.
    pub fn route(self, waited: Option<u64>) -> Route {
        match self {
            Self::Public => Route::Public,
            Self::Private { public_after } => {
                let open = public_after.zip(waited).is_some_and(|(after, waited)| waited >= after);
                if open { Route::Everywhere } else { Route::Private }
            }
        }
    }
}

/// One endpoint's answer to a raw transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Label of the endpoint.
    pub endpoint: String,
    /// What it made of the transaction.
    pub answer: SendAnswer,
}

impl Pool {
    /// Hands a signed transaction to all endpoints of a route at once and waits for every answer,
    /// at most one time-out for the endpoint's rate limit and one for its answer. Endpoints with a
    /// known wrong chain id are left out. An empty list means that nobody was asked.
    ///
    /// Must be journalled before: once this is polled the bytes may be out, also when the future
    /// is dropped.
    pub async fn broadcast(&self, raw: Bytes, route: Route) -> Vec<Answer> {
        let hash = keccak256(&raw);
        let request = Request::new("eth_sendRawTransaction", Id::Number(1), (raw,));
        let body = match serde_json::to_vec(&request) {
            Ok(body) => body.into(),
            Err(_) => return Vec::new(),
        };
        let call = Call { body, class: "send", share: Share::Sends, requests: 1, pinned: false };
        let right = |endpoint: &&std::sync::Arc<Endpoint>| {
            route.reaches(endpoint) && !endpoint.fitness().has_wrong_chain()
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
            Ok(packet) => read_answer(&packet, hash, &self.url),
            // A refusal is read out of a JSON-RPC error only: a page may hold any words.
            Err(Failure::Status { code, said: Some(text), .. }) => {
                let read = read_refusal(&text);
                if let SendAnswer::Ambiguous(text) = read {
                    SendAnswer::Ambiguous(format!("HTTP status {code}: {text}"))
                } else {
                    read
                }
            }
            Err(failure) => SendAnswer::Ambiguous(failure.to_string()),
        };
        self.count_send(answer.label());
        answer
    }
}

fn read_answer(packet: &ResponsePacket, hash: B256, url: &Url) -> SendAnswer {
    match packet.first_payload() {
        Some(ResponsePayload::Success(result)) => {
            match serde_json::from_str::<B256>(result.get()) {
                Ok(told) if told == hash => SendAnswer::Accepted,
                Ok(_) | Err(_) => {
                    let told = redact(result.get(), url);
                    SendAnswer::Ambiguous(format!("answered {told} in place of {hash}"))
                }
            }
        }
        Some(ResponsePayload::Failure(error)) => read_refusal(&error.message),
        None => SendAnswer::Ambiguous("empty answer".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_private_goes_public_at_the_named_block_and_not_before() {
        let private = |public_after| Privacy::Private { public_after };
        for (privacy, waited, route) in [
            (Privacy::Public, None, Route::Public),
            (Privacy::Public, Some(9), Route::Public),
            (private(Some(3)), None, Route::Private),
            (private(Some(3)), Some(0), Route::Private),
            (private(Some(3)), Some(2), Route::Private),
            (private(Some(3)), Some(3), Route::Everywhere),
            (private(Some(3)), Some(u64::MAX), Route::Everywhere),
            (private(None), Some(u64::MAX), Route::Private),
        ] {
            assert_eq!(privacy.route(waited), route, "{privacy:?} after {waited:?}");
        }
    }
}
