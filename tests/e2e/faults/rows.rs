//! The faults.

use std::{path::Path, time::Duration};

use ballast_test_support::{
    Fault, FaultHandle, Fork, Mempool, ProxyHandle, RAW_TRANSACTION, RpcFailure, Rule,
};

/// Requests that a fault befalls which ends by itself.
const SOME: u64 = 5;
/// Shorter than the keeper waits for an answer.
const SHORT: Duration = Duration::from_millis(150);
/// What a node that limits requests asks for.
const RETRY: Duration = Duration::from_secs(1);

/// One way in which the endpoint misbehaves.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) shape: Shape,
    /// Whether the keeper starts with it.
    pub(crate) from_the_start: bool,
}

/// What is put in force.
pub(crate) enum Shape {
    /// Rules for requests and heads, given the newest block at that moment.
    Requests(Box<dyn Fn(u64) -> Vec<Rule> + Send + Sync>),
    /// A pool that keeps transactions until the test releases this one.
    Held(Choice),
}

/// Which attempt at the first nonce gets into a block, once there are two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    Original,
    Replacement,
}

impl Row {
    fn new(name: &str, rules: impl Fn(u64) -> Vec<Rule> + Send + Sync + 'static) -> Self {
        let shape = Shape::Requests(Box::new(rules));
        Self { name: name.to_owned(), shape, from_the_start: false }
    }

    /// A fault of any request, so many times.
    fn some(name: &str, fault: Fault) -> Self {
        Self::new(name, move |_| vec![fault.clone().times(SOME)])
    }

    /// A fault that lasts.
    fn lasting(name: &str, fault: Fault) -> Self {
        Self::new(name, move |_| vec![fault.clone().into()])
    }

    /// A fault of the first transaction that is sent.
    fn raw(name: &str, fault: Fault) -> Self {
        Self::new(name, move |_| vec![fault.clone().on(RAW_TRANSACTION).times(1)])
    }

    fn held(name: &str, choice: Choice) -> Self {
        let shape = Shape::Held(choice);
        Self { name: name.to_owned(), shape, from_the_start: false }
    }

    /// Puts it in force, with a pool for what is held, if anything is.
    pub(crate) fn inject(
        &self,
        proxy: &ProxyHandle,
        head: u64,
        pool: &Mempool,
    ) -> Vec<FaultHandle> {
        match &self.shape {
            Shape::Requests(rules) => rules(head).into_iter().map(|r| proxy.inject(r)).collect(),
            Shape::Held(_) => vec![proxy.inject(Fault::Hold(pool.clone()))],
        }
    }
}

/// All of them, in the order of the table.
pub(crate) fn all() -> Vec<Row> {
    let mut rows = of_requests();
    rows.extend(of_heads());
    rows.extend(of_sends());
    rows.extend(of_refusals());
    rows
}

fn of_requests() -> Vec<Row> {
    let limit = RpcFailure::new(-32005, "daily request count exceeded, request rate limited");
    let mut wrong_chain = Row::lasting("wrong chain id", Fault::WrongChainId(5));
    wrong_chain.from_the_start = true;
    vec![
        Row::lasting("answers are late", Fault::Delay(SHORT)),
        Row::some("no answer", Fault::Hang),
        Row::some("connection dropped", Fault::Drop),
        Row::some("429 with Retry-After", Fault::Status { code: 429, retry_after: Some(RETRY) }),
        Row::some("503", Fault::status(503)),
        Row::some(
            "429 with an error in the body",
            Fault::StatusError { code: 429, failure: limit },
        ),
        Row::some("truncated answers", Fault::Truncate),
        Row::some("garbage", Fault::Garbage),
        wrong_chain,
    ]
}

fn of_heads() -> Vec<Row> {
    vec![
        Row::lasting("stale heads", Fault::Lag(2)),
        Row::new("another fork", |head| vec![Fault::Fork(Fork::above(head)).into()]),
        Row::lasting("duplicate heads", Fault::DuplicateHeads),
        Row::lasting("reordered heads", Fault::SwapHeads),
        Row::lasting("no heads pushed", Fault::DropHeads),
        Row::new("subscription cut", |_| vec![Fault::CutWs.times(2)]),
    ]
}

fn of_sends() -> Vec<Row> {
    vec![
        Row::raw("send: swallowed", Fault::SwallowRaw),
        Row::raw("send: forwarded, no answer", Fault::ForwardThenHang),
        Row::raw("send: forwarded, dropped", Fault::ForwardThenDrop),
        Row::raw("send: no answer", Fault::Hang),
        Row::raw("send: dropped", Fault::Drop),
        Row::raw("send: 503", Fault::status(503)),
        Row::held("held: original mined", Choice::Original),
        Row::held("held: replacement mined", Choice::Replacement),
    ]
}

/// One row per meaning, which goes through all texts of that meaning, one a send.
fn of_refusals() -> Vec<Row> {
    let meanings = ["Known", "NonceTooLow", "Replacement", "Underpriced", "Funds", "Other"];
    let texts = texts_in_the_sources();
    let rows = meanings.map(|meaning| {
        let said: Vec<String> =
            texts.iter().filter(|(_, m)| m == meaning).map(|(text, _)| text.clone()).collect();
        assert!(!said.is_empty(), "no text means {meaning}");
        let name = format!("refused: {meaning} ({} texts)", said.len());
        Row::new(&name, move |_| {
            let refusal =
                |text: &String| Fault::rpc_error(-32000, text.clone()).on(RAW_TRANSACTION).times(1);
            said.iter().map(refusal).collect()
        })
    });
    rows.into()
}

/// Every text that the keeper knows, with what it takes it for.
fn texts_in_the_sources() -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("chains/src/pool/errors/texts.rs");
    let text = std::fs::read_to_string(path).expect("the table of texts");
    let entry = |line: &str| {
        let (text, meaning) = line.trim().strip_prefix("(\"")?.split_once("\", Refusal::")?;
        Some((text.to_owned(), meaning.trim_end_matches("),").to_owned()))
    };
    text.lines().filter_map(entry).collect()
}
