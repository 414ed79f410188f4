//! Reads pinned to a block hash, at endpoints that want the block named in another way.
//!
//! A hash is written as it is, which most nodes take; else as EIP-1898 has it, in an object; else
//! only a number is left. A number names whatever block is there when the call runs, so a
//! reorganisation could mix two states in one assessment. Therefore such a read travels in one batch
//! between two questions for that block's hash, and is believed only if both answers are the hash
//! that was meant. Which form an endpoint takes is learnt for each by itself, from a refusal of one
//! and an answer to another, and is forgotten after [`FORGET`]: nodes get upgraded, and gateways have
//! several behind one address.

use std::{
    sync::{MutexGuard, PoisonError},
    time::Duration,
};

use alloy::{
    primitives::{B256, U64},
    rpc::json_rpc::{ErrorPayload, Id, Response, ResponsePacket, ResponsePayload},
};
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing::info;

use super::{
    endpoint::{Call, Endpoint, SentAt},
    errors::is_of_execution,
    http::Failure,
    limiter::Share,
    send::Wanted,
};
use crate::heads::RawHeader;

/// How long an endpoint is taken to need another form.
const FORGET: Duration = Duration::from_secs(600);
/// JSON-RPC code for parameters that the node does not understand.
const INVALID_PARAMS: i64 = -32602;
const BEFORE: &str = "before";
const AFTER: &str = "after";

/// How a block is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `{ "blockHash": … }`.
    Object,
    /// Its height.
    Number,
}

/// What is known of an endpoint and block hashes.
#[derive(Debug, Default)]
pub(super) struct Numbered {
    /// The form it needs, until then.
    form: Option<(Form, Instant)>,
    /// The block that was looked up last.
    last: Option<(B256, u64)>,
}

/// Where a method takes its block, if it is one that may name it by hash.
fn block_index(method: &str) -> Option<usize> {
    match method {
        "eth_call"
        | "eth_estimateGas"
        | "eth_createAccessList"
        | "eth_simulateV1"
        | "eth_getBalance"
        | "eth_getTransactionCount"
        | "eth_getCode" => Some(1),
        "eth_getStorageAt" | "eth_getProof" => Some(2),
        _ => None,
    }
}

/// Whether a request may be pinned to a block hash; what it is pinned to is only looked at where
/// that matters.
pub(super) fn may_be_pinned<'a>(mut methods: impl Iterator<Item = &'a str>) -> bool {
    let (first, second) = (methods.next(), methods.next());
    second.is_none() && first.is_some_and(|method| block_index(method).is_some())
}

/// Whether an answer says that the parameters are not understood, the hash perhaps among them.
fn refuses_params(answer: &ResponsePacket) -> bool {
    answer.as_error().is_some_and(|error| {
        error.code == INVALID_PARAMS && !super::errors::says_block_is_missing(&error.message)
    })
}

impl Endpoint {
    /// One exchange; a read that is pinned to a hash goes by number where that is needed.
    pub(super) async fn exchange_pinned(
        &self,
        call: &Call,
        sent: &SentAt,
    ) -> Result<ResponsePacket, Failure> {
        if !call.pinned {
            return self.exchange(call, sent).await;
        }
        let learnt = self.numbered().form.filter(|(_, until)| Instant::now() < *until);
        if let Some((form, _)) = learnt
            && let Some(answer) = self.in_form(form, call, sent).await?
        {
            return Ok(answer);
        }
        let answer = self.exchange(call, sent).await?;
        if learnt.is_some() || !refuses_params(&answer) {
            return Ok(answer);
        }
        // Only another form that is answered proves that the hash was the trouble.
        let mut refused = answer;
        for form in [Form::Object, Form::Number] {
            // `None`: not pinned to a hash at all.
            let Some(other) = self.in_form(form, call, sent).await? else { break };
            if other.iter_errors().all(is_of_execution) {
                self.learn(form);
                return Ok(other);
            }
            // Busy, perhaps, or without the block: the next form might be refused for that as well.
            if !refuses_params(&other) {
                refused = other;
            }
        }
        Ok(refused)
    }

    fn learn(&self, form: Form) {
        let before = self.numbered().form.replace((form, Instant::now() + FORGET));
        if before.is_none_or(|(before, _)| before != form) {
            info!(endpoint = %self.label, ?form, "the endpoint wants blocks named in another form");
        }
    }

    async fn in_form(
        &self,
        form: Form,
        call: &Call,
        sent: &SentAt,
    ) -> Result<Option<ResponsePacket>, Failure> {
        let Some((mut request, index, hash)) = parse(&call.body) else { return Ok(None) };
        match form {
            Form::Number => self.by_number(call, request, index, hash, sent).await.map(Some),
            Form::Object => {
                if let Some(param) = request.pointer_mut(&format!("/params/{index}")) {
                    *param = json!({ "blockHash": hash });
                }
                let body =
                    serde_json::to_vec(&request).map_err(|e| Failure::Malformed(e.to_string()))?;
                let call = Call { body: body.into(), pinned: false, ..call.clone() };
                self.exchange(&call, sent).await.map(Some)
            }
        }
    }

    /// The same by number, in a batch with two looks at the block's hash.
    async fn by_number(
        &self,
        call: &Call,
        mut request: Value,
        index: usize,
        hash: B256,
        sent: &SentAt,
    ) -> Result<ResponsePacket, Failure> {
        let id = request.get("id").cloned().unwrap_or(Value::Null);
        let Some(number) = self.number_of(hash).await? else {
            return Ok(refusal(&id, "block not found"));
        };
        if let Some(param) = request.pointer_mut(&format!("/params/{index}")) {
            *param = json!(U64::from(number));
        }
        let look = |id: &str| {
            json!({
                "jsonrpc": "2.0", "id": id, "method": "eth_getBlockByNumber",
                "params": [U64::from(number), false],
            })
        };
        let batch = json!([look(BEFORE), request, look(AFTER)]);
        let body = serde_json::to_vec(&batch).map_err(|e| Failure::Malformed(e.to_string()))?;
        let (class, share) = (call.class, Share::Reads);
        let batch = Call {
            body: body.into(),
            class,
            share,
            requests: 3,
            pinned: false,
            wanted: Wanted::ALWAYS,
        };
        let answer = self.exchange(&batch, sent).await?;
        let Some(answers) = answer.as_batch() else {
            let text = "it takes neither block hashes nor batches".to_owned();
            return Err(Failure::Unusable(text));
        };
        let same = |which: &str| {
            let look = answers.iter().find(|answer| answer.id == Id::String(which.to_owned()));
            look.and_then(|answer| match &answer.payload {
                ResponsePayload::Success(block) => {
                    serde_json::from_str::<Option<RawHeader>>(block.get()).ok().flatten()
                }
                ResponsePayload::Failure(_) => None,
            })
            .is_some_and(|header| header.hash() == hash)
        };
        if !(same(BEFORE) && same(AFTER)) {
            return Ok(refusal(&id, "block not found: another one is at its height now"));
        }
        let own = |answer: &&Response| !matches!(&answer.id, Id::String(id) if id == BEFORE || id == AFTER);
        let own = answers.iter().find(own).cloned().map(ResponsePacket::Single);
        own.ok_or_else(|| Failure::Malformed("a batch without the answer".to_owned()))
    }

    async fn number_of(&self, hash: B256) -> Result<Option<u64>, Failure> {
        if let Some((known, number)) = self.numbered().last
            && known == hash
        {
            return Ok(Some(number));
        }
        let header: Option<RawHeader> =
            self.ask("block", "eth_getBlockByHash", (hash, false)).await?;
        let number = header.map(|header| header.number());
        if let Some(number) = number {
            self.numbered().last = Some((hash, number));
        }
        Ok(number)
    }

    fn numbered(&self) -> MutexGuard<'_, Numbered> {
        self.numbered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request, the place of its block among the parameters, and the hash that it is pinned to;
/// `None` for one that is not.
fn parse(body: &[u8]) -> Option<(Value, usize, B256)> {
    /// Digits and prefix of a hash; a shorter one is a number.
    const HASH_CHARS: usize = 66;
    let request: Value = serde_json::from_slice(body).ok()?;
    let index = block_index(request.get("method")?.as_str()?)?;
    let block = request.get("params")?.get(index)?;
    let text = block.as_str().or_else(|| block.get("blockHash")?.as_str())?;
    let hash = text.parse().ok().filter(|_| text.len() == HASH_CHARS)?;
    Some((request, index, hash))
}

fn refusal(id: &Value, message: &'static str) -> ResponsePacket {
    let payload = ErrorPayload { code: -32000, message: message.into(), data: None };
    let id = serde_json::from_value(id.clone()).unwrap_or(Id::None);
    ResponsePacket::Single(Response { id, payload: ResponsePayload::Failure(payload) })
}
