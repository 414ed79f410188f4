//! Reads: one tower service over all endpoints of a chain.
//!
//! A read goes to the first fit endpoint. If it fails there in a way that another endpoint could
//! mend, it goes to the next; if no answer comes for a part of the time-out, the next is tried
//! beside it, so that an endpoint that hangs costs a part of one time-out, once. An answer from
//! the contract, such as a revert, is an answer.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use alloy::{
    rpc::json_rpc::{RequestPacket, ResponsePacket},
    transports::{TransportError, TransportErrorKind, TransportFut},
};
use futures::{StreamExt as _, stream::FuturesUnordered};
use tokio::time::sleep;
use tower::Service;

use super::{
    Shared,
    endpoint::{Call, Endpoint, SentAt},
    errors::{ReadFault, judge_packet},
    fitness::{EndpointState, pick},
    http::Failure,
    limiter::Share,
    numbered::may_be_pinned,
    send::Wanted,
};

/// How often a read is repeated when every endpoint says that it has not got the block: the head
/// may have come from a node that is a moment ahead, or a load balancer picked one behind.
const MISSING_BLOCK_ROUNDS: u32 = 3;

/// The read side of the pool as an alloy transport.
#[derive(Debug, Clone)]
pub(super) struct ReadService {
    pub(super) shared: Arc<Shared>,
    /// Only those that have every state there ever was.
    pub(super) archive: bool,
}

impl Service<RequestPacket> for ReadService {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RequestPacket) -> Self::Future {
        let (shared, archive) = (Arc::clone(&self.shared), self.archive);
        Box::pin(async move { shared.read(request, archive).await })
    }
}

/// Why a read got no answer from one endpoint, or from any.
#[derive(Debug, Default)]
struct Refused {
    /// An error answer, for want of a better one.
    answer: Option<ResponsePacket>,
    failure: Option<Failure>,
    /// Someone said that the block is missing, and nobody said anything worse.
    block_missing: bool,
}

impl Refused {
    fn merge(&mut self, other: Self) {
        self.block_missing |= other.block_missing;
        self.answer = other.answer.or_else(|| self.answer.take());
        // That the request is too large is the one failure that the asker can mend.
        if !matches!(self.failure, Some(Failure::RequestTooLarge(_))) {
            self.failure = other.failure.or_else(|| self.failure.take());
        }
    }

    fn into_result(self) -> Result<ResponsePacket, TransportError> {
        match (self.answer, self.failure) {
            (Some(answer), _) => Ok(answer),
            (None, Some(failure)) => Err(failure.into()),
            (None, None) => Err(TransportErrorKind::custom_str("no usable endpoint")),
        }
    }
}

/// A request under way.
struct Flight {
    index: usize,
    sent: Arc<SentAt>,
    landed: bool,
}

impl Shared {
    async fn read(
        &self,
        request: RequestPacket,
        archive: bool,
    ) -> Result<ResponsePacket, TransportError> {
        if let Some(method) = request.method_names().find(|method| acts(method)) {
            let text = format!("{method} is refused: this provider only reads");
            return Err(TransportErrorKind::non_retryable_str(&text));
        }
        let body = serde_json::to_vec(&request).map_err(TransportError::ser_err)?;
        let call = Call {
            pinned: may_be_pinned(request.method_names()),
            body: body.into(),
            class: class(request.method_names().next().unwrap_or_default()),
            share: Share::Reads,
            requests: request.len(),
            wanted: Wanted::ALWAYS,
        };
        let mut rounds = 0;
        loop {
            match self.round(&call, archive).await {
                Ok(answer) => return Ok(answer),
                Err(refused) if refused.block_missing && rounds < MISSING_BLOCK_ROUNDS => {
                    rounds += 1;
                    sleep(self.missing_block_wait).await;
                }
                Err(refused) => return refused.into_result(),
            }
        }
    }

    /// Tries the endpoints, or those of them that are archives, each at most once.
    async fn round(&self, call: &Call, archive: bool) -> Result<ResponsePacket, Refused> {
        let readers = self.readers();
        let mut tried: Vec<bool> = readers.iter().map(|e| archive && !e.archive).collect();
        let mut flights: Vec<Flight> = Vec::new();
        let mut running = FuturesUnordered::new();
        let mut refused = Refused::default();
        let hedge = self.timeout / u32::try_from(2 * self.contenders()).unwrap_or(u32::MAX).max(2);
        loop {
            // Comes by at the start, after each failure and when the hedge is due.
            if let Some(index) = pick(&self.states(), &tried, running.is_empty())
                && let (Some(tried), Some(endpoint)) = (tried.get_mut(index), readers.get(index))
            {
                *tried = true;
                let sent = Arc::new(SentAt::new());
                let flight = flights.len();
                flights.push(Flight { index, sent: Arc::clone(&sent), landed: false });
                running.push(async move { (flight, endpoint.read(call, &sent).await) });
            }
            if running.is_empty() {
                return Err(refused);
            }
            let more = pick(&self.states(), &tried, false).is_some();
            tokio::select! {
                Some((flight, outcome)) = running.next() => {
                    if let Some(flight) = flights.get_mut(flight) {
                        flight.landed = true;
                    }
                    match outcome {
                        Ok(answer) => {
                            self.blame_slow(&flights, hedge);
                            return Ok(answer);
                        }
                        Err(other) => refused.merge(other),
                    }
                }
                () = sleep(hedge), if more => {}
            }
        }
    }

    /// Another endpoint answered while these had not, for longer than a hedge waits.
    fn blame_slow(&self, flights: &[Flight], hedge: std::time::Duration) {
        for flight in flights.iter().filter(|flight| !flight.landed) {
            let silent = flight.sent.get().is_some_and(|sent| sent.elapsed() >= hedge);
            if silent && let Some(endpoint) = self.readers().get(flight.index) {
                endpoint.cool_down(format!("no answer within {hedge:?}"), None);
            }
        }
    }

    /// How many endpoints may take part in a hedged read.
    fn contenders(&self) -> usize {
        let states = self.states();
        let count = |wanted| states.iter().filter(|(state, _)| *state == wanted).count();
        match count(EndpointState::Fit) {
            0 => count(EndpointState::Unverified),
            fit => fit,
        }
    }

    pub(super) fn states(&self) -> Vec<(EndpointState, u64)> {
        let of = |endpoint: &Arc<Endpoint>| {
            let fitness = endpoint.fitness();
            (fitness.state(self.max_lag), fitness.lag())
        };
        self.readers().iter().map(of).collect()
    }
}

impl Endpoint {
    async fn read(&self, call: &Call, sent: &SentAt) -> Result<ResponsePacket, Refused> {
        let failure = |failure| Refused { failure: Some(failure), ..Refused::default() };
        self.verify(sent).await.map_err(failure)?;
        let answer = match self.exchange_pinned(call, sent).await {
            Ok(answer) => answer,
            Err(broken) => {
                self.failed(&broken);
                return Err(failure(broken));
            }
        };
        let fault = judge_packet(&answer);
        match fault {
            None | Some(ReadFault::Final) => {
                self.answered();
                return Ok(answer);
            }
            Some(ReadFault::Busy) => self.cool_down("asked for too much".to_owned(), None),
            Some(ReadFault::Unable | ReadFault::MissingBlock) => {}
        }
        let block_missing = fault == Some(ReadFault::MissingBlock);
        Err(Refused { answer: Some(answer), failure: None, block_missing })
    }
}

/// Whether a method does more than read.
fn acts(method: &str) -> bool {
    ["eth_send", "eth_sign", "personal_"].iter().any(|prefix| method.starts_with(prefix))
}

/// A bounded word for metrics.
fn class(method: &str) -> &'static str {
    match method {
        "eth_call" | "eth_estimateGas" | "eth_simulateV1" | "eth_createAccessList" => "call",
        "eth_getBlockByHash" | "eth_getBlockByNumber" | "eth_blockNumber" => "block",
        "eth_getTransactionReceipt" | "eth_getTransactionByHash" => "transaction",
        "eth_getBalance" | "eth_getCode" | "eth_getStorageAt" | "eth_getTransactionCount" => {
            "account"
        }
        "eth_feeHistory" | "eth_gasPrice" | "eth_maxPriorityFeePerGas" => "fees",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_that_act_are_known() {
        for method in ["eth_sendRawTransaction", "eth_sendTransaction", "eth_signTransaction"] {
            assert!(acts(method), "{method} would pass");
        }
        assert!(!acts("eth_call"));
    }
}
