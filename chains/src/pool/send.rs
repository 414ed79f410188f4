//! Raw transactions: the same bytes to every endpoint at once, never failing over.
//!
//! A send is not a read: repeating it elsewhere after an error acts on a guess. So each endpoint
//! is asked exactly once per call, each answer is reported as it is, and what could not be
//! understood is [`SendAnswer::Ambiguous`], which counts as sent. Nobody has to wait for all of them:
//! one endpoint that has the transaction is enough to go on, and the others' answers come later.

use std::{
    fmt,
    sync::{Arc, PoisonError},
    time::Duration,
};

use alloy::{
    primitives::{B256, Bytes, keccak256},
    rpc::json_rpc::{Id, Request, ResponsePacket, ResponsePayload},
};
use futures::{
    future::{BoxFuture, FutureExt as _},
    stream::{FuturesUnordered, StreamExt as _},
};
use tokio::time::timeout;
use url::Url;

use super::{
    Pool,
    endpoint::{Call, Endpoint, SentAt},
    errors::{SendAnswer, read_refusal},
    http::{Failure, redact},
    limiter::Share,
};

/// Answers to the same bytes that an endpoint may owe: a request that got lost is made up for at the
/// next block, and one that hangs does not pile up without end on a chain with short blocks.
const MAX_UNANSWERED: usize = 4;

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

impl Answer {
    /// Whether the endpoint has the transaction.
    fn is_taken(&self) -> bool {
        match &self.answer {
            SendAnswer::Accepted | SendAnswer::AlreadyKnown => true,
            SendAnswer::NonceTooLow
            | SendAnswer::ReplacementUnderpriced
            | SendAnswer::Underpriced
            | SendAnswer::InsufficientFunds
            | SendAnswer::Rejected(_)
            | SendAnswer::Ambiguous(_) => false,
        }
    }
}

/// Whether bytes that wait for their turn at an endpoint are still to leave: asked while they wait, and
/// once more when they would. Clones ask the same.
#[derive(Clone)]
pub struct Wanted(Option<Arc<dyn Fn() -> bool + Send + Sync>>);

impl Wanted {
    /// Whatever happens.
    pub const ALWAYS: Self = Self(None);

    /// As long as this says so. It is asked often, and must not wait.
    pub fn new(asked: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(asked)))
    }

    /// Whether they are at this moment.
    pub fn holds(&self) -> bool {
        self.0.as_ref().is_none_or(|asked| asked())
    }
}

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wanted").field(&self.holds()).finish()
    }
}

/// A raw transaction on its way to the endpoints of a route, which answer one after the other.
///
/// Nothing leaves before it is polled, and then the bytes may be out, also when it is dropped: they
/// must be journalled before. Each answer comes within two time-outs, one for the endpoint's rate
/// limit and one for the answer itself; none comes from an endpoint whose turn came when the bytes
/// were not wanted any more, since they never left.
pub struct Sending {
    answers: FuturesUnordered<BoxFuture<'static, (usize, Option<Answer>)>>,
    is_to_nobody: bool,
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").field("unanswered", &self.answers.len()).finish_non_exhaustive()
    }
}

impl Sending {
    /// To whoever gives these answers; `None` where the bytes did not leave.
    pub fn of(answers: impl IntoIterator<Item = BoxFuture<'static, Option<Answer>>>) -> Self {
        let numbered = |(place, answer): (usize, BoxFuture<'static, Option<Answer>>)| {
            answer.map(move |answer| (place, answer)).boxed()
        };
        let answers: FuturesUnordered<_> = answers.into_iter().enumerate().map(numbered).collect();
        let is_to_nobody = answers.is_empty();
        Self { answers, is_to_nobody }
    }

    /// Whether the route has no endpoint at all.
    pub fn is_to_nobody(&self) -> bool {
        self.is_to_nobody
    }

    /// Whether any endpoint has still to answer.
    pub fn is_unanswered(&self) -> bool {
        !self.answers.is_empty()
    }

    /// Waits until an endpoint has the transaction, until all have answered, or for as long as this,
    /// whichever comes first. Gives the answers so far; the others come from what is left, which has
    /// to be polled on.
    pub async fn until_taken(&mut self, patience: Duration) -> Vec<Answer> {
        let mut told = Vec::new();
        let first = async {
            while let Some((_, answer)) = self.answers.next().await {
                let is_taken = answer.as_ref().is_some_and(Answer::is_taken);
                told.extend(answer);
                if is_taken {
                    break;
                }
            }
            // Whoever has answered as well. Polls those that were not reached so far.
            while let Some(Some((_, answer))) = self.answers.next().now_or_never() {
                told.extend(answer);
            }
        };
        // Who was too slow is not forgotten: see what is left.
        drop(timeout(patience, first).await);
        told
    }

    /// What has not answered yet, each for itself; `None` where the bytes did not leave.
    pub fn unanswered(self) -> impl Iterator<Item = BoxFuture<'static, Option<Answer>>> {
        self.answers.into_iter().map(|answer| answer.map(|(_, answer)| answer).boxed())
    }

    /// Every answer, in the order of the endpoints.
    pub async fn all(self) -> Vec<Answer> {
        let mut all: Vec<(usize, Option<Answer>)> = self.answers.collect().await;
        all.sort_unstable_by_key(|(place, _)| *place);
        all.into_iter().filter_map(|(_, answer)| answer).collect()
    }
}

/// A raw transaction that an endpoint was handed and has not answered.
#[derive(Debug)]
struct UnderWay {
    endpoint: Arc<Endpoint>,
    hash: B256,
    sent: Arc<SentAt>,
}

impl UnderWay {
    /// `None` if the very same bytes still wait for their turn at the endpoint: a second copy would
    /// only stand before what is newer. Nor if it owes [`MAX_UNANSWERED`] answers to them: to hand
    /// them over once more does nothing but pile up behind an endpoint that hangs.
    fn begin(endpoint: &Arc<Endpoint>, hash: B256) -> Option<Self> {
        let mut sending = endpoint.sending.lock().unwrap_or_else(PoisonError::into_inner);
        let copies = sending.entry(hash).or_default();
        let one_waits = copies.iter().any(|sent| sent.get().is_none());
        if one_waits || copies.len() >= MAX_UNANSWERED {
            return None;
        }
        let sent = Arc::new(SentAt::new());
        copies.push(Arc::clone(&sent));
        Some(Self { endpoint: Arc::clone(endpoint), hash, sent })
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut sending = self.endpoint.sending.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(copies) = sending.get_mut(&self.hash) {
            copies.retain(|sent| !Arc::ptr_eq(sent, &self.sent));
            if copies.is_empty() {
                sending.remove(&self.hash);
            }
        }
    }
}

impl Pool {
    /// Hands a signed transaction to all endpoints of a route at once, once the answer is polled.
    /// Left out are endpoints with a known wrong chain id, those at which the same bytes still wait
    /// for their turn, and those that owe `MAX_UNANSWERED` answers to them. What is not `wanted` any
    /// more when its turn comes does not leave.
    pub fn broadcast(&self, raw: Bytes, route: Route, wanted: Wanted) -> Sending {
        let hash = keccak256(&raw);
        let request = Request::new("eth_sendRawTransaction", Id::Number(1), (raw,));
        let Ok(body) = serde_json::to_vec(&request) else { return Sending::of([]) };
        let call = Call {
            body: body.into(),
            class: "send",
            share: Share::Sends,
            requests: 1,
            pinned: false,
            wanted,
        };
        let reached: Vec<&Arc<Endpoint>> = self
            .shared
            .endpoints
            .iter()
            .filter(|e| route.reaches(e) && !e.fitness().has_wrong_chain())
            .collect();
        let is_to_nobody = reached.is_empty();
        let free = reached.into_iter().filter_map(|endpoint| UnderWay::begin(endpoint, hash));
        let sends = free.map(|under_way| {
            let call = call.clone();
            async move {
                let endpoint = &under_way.endpoint;
                let answer = endpoint.send(&call, hash, &under_way.sent).await?;
                Some(Answer { endpoint: endpoint.label.clone(), answer })
            }
            .boxed()
        });
        Sending { is_to_nobody, ..Sending::of(sends) }
    }
}

impl Endpoint {
    /// `None` if it did not leave, since it was not wanted any more.
    async fn send(&self, call: &Call, hash: B256, sent: &SentAt) -> Option<SendAnswer> {
        let answer = match self.exchange(call, sent).await {
            Ok(packet) => read_answer(&packet, hash, &self.url),
            Err(Failure::Recalled) => return None,
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
        Some(answer)
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
