//! A block whose state is a table of answers.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use alloy::{
    eips::BlockId,
    primitives::{Address, B256, Bytes, U256, address},
    providers::bindings::IMulticall3::{self, aggregate3Call, getEthBalanceCall},
    sol_types::{Revert as Reason, SolCall, SolError},
};
use ballast_chains::{
    BlockReader, ChainProfile, Head,
    driver::{Job, Outcome, RoundStats, drive},
    profile::{CANONICAL_MULTICALL3, FeedsProfile, Finality},
    reader::{Backend, BlockSource, CallError, CallRequest},
    testkit,
};
use futures::future::{BoxFuture, ready};

/// Bytes of a selector.
const SELECTOR: usize = 4;
/// Longest wait for one look; a look that reads only the script never comes near it.
const LOOK_TIMEOUT: Duration = Duration::from_secs(10);
/// Seconds between a block and its parent.
const BLOCK_TIME: u64 = 12;

/// A block that answers reads from a table. Change it freely between looks: each
/// [`look`](Self::look) sees a copy.
///
/// A call that no answer was given for reverts without data at a contract that has others, as
/// Solidity does, and answers with nothing at an address that has none, as the EVM does.
#[derive(Debug, Clone)]
pub struct ScriptedBlock {
    head: Head,
    caller: Address,
    exact: HashMap<(Address, Bytes), Answer>,
    by_selector: HashMap<(Address, Bytes), Answer>,
    contracts: HashSet<Address>,
    codes: HashMap<Address, Bytes>,
    balances: HashMap<Address, U256>,
    native_usd_feed: Option<Address>,
}

/// What a call gets: the returned bytes, or the data of a revert.
type Answer = Result<Bytes, Bytes>;

impl ScriptedBlock {
    /// Block 1,000 at `timestamp`, read for a wallet that the test may name by
    /// [`caller`](Self::caller).
    pub fn new(timestamp: u64) -> Self {
        let mut block = Self {
            head: header(1_000, timestamp),
            caller: address!("00000000000000000000000000000000000000ca"),
            exact: HashMap::new(),
            by_selector: HashMap::new(),
            contracts: HashSet::new(),
            codes: HashMap::new(),
            balances: HashMap::new(),
            native_usd_feed: None,
        };
        block.contracts.insert(CANONICAL_MULTICALL3);
        block
    }

    /// The block's header.
    pub fn header(&self) -> &Head {
        &self.head
    }

    /// The wallet for which the block is read.
    pub fn caller(&self) -> Address {
        self.caller
    }

    /// Answers exactly this call.
    pub fn answer<C: SolCall>(&mut self, target: Address, call: &C, returns: &C::Return) {
        self.answer_raw(target, call.abi_encode().into(), C::abi_encode_returns(returns).into());
    }

    /// Answers this function whatever its arguments, unless [`answer`](Self::answer) knows them.
    pub fn answer_any<C: SolCall>(&mut self, target: Address, returns: &C::Return) {
        self.contracts.insert(target);
        let answer = C::abi_encode_returns(returns).into();
        self.by_selector.insert((target, C::SELECTOR.into()), Ok(answer));
    }

    /// Answers exactly this calldata with these bytes.
    pub fn answer_raw(&mut self, target: Address, data: Bytes, returns: Bytes) {
        self.contracts.insert(target);
        self.exact.insert((target, data), Ok(returns));
    }

    /// Lets this function revert with a reason, whatever its arguments; forgets answers to it.
    pub fn refuse<C: SolCall>(&mut self, target: Address, reason: &str) {
        let data = Reason { reason: reason.to_owned() }.abi_encode();
        self.refuse_raw::<C>(target, data.into());
    }

    /// As [`refuse`](Self::refuse), with raw revert data; none at all is what a contract without
    /// the function gives.
    pub fn refuse_raw<C: SolCall>(&mut self, target: Address, data: Bytes) {
        self.contracts.insert(target);
        self.exact.retain(|(at, call), _| *at != target || !call.starts_with(&C::SELECTOR));
        self.by_selector.insert((target, C::SELECTOR.into()), Err(data));
    }

    /// Gives an account this code; contracts that answer something have some code without it.
    pub fn code(&mut self, of: Address, code: Bytes) {
        self.codes.insert(of, code);
    }

    /// Gives an account a native balance, wei.
    pub fn balance(&mut self, of: Address, wei: U256) {
        self.balances.insert(of, wei);
    }

    /// Names the feed of the native currency's price, as a chain file does; what it says are answers
    /// as any other.
    pub fn native_usd_feed(&mut self, feed: Address) {
        self.native_usd_feed = Some(feed);
    }

    /// Runs `work` against a reader of this block as one turn would, with nothing learnt from
    /// earlier looks, and tells how it ended and what reading it took.
    pub async fn look<T, F, Fut>(&self, work: F) -> (Outcome<T>, RoundStats)
    where
        F: FnOnce(BlockReader) -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let source =
            BlockSource::new(Script(Arc::new(self.clone())), &profile(self.native_usd_feed));
        let job = Job::new((), self.caller, LOOK_TIMEOUT, work);
        let mut outcome = Outcome::TimedOut;
        let stats = drive(&source, self.head, vec![job], |(), ended| outcome = ended).await;
        (outcome, stats)
    }

    fn execute(&self, to: Address, data: &Bytes) -> Answer {
        if to == CANONICAL_MULTICALL3 {
            return self.multicall(data);
        }
        let selector = data.slice(..SELECTOR.min(data.len()));
        let known =
            self.exact.get(&(to, data.clone())).or_else(|| self.by_selector.get(&(to, selector)));
        match known {
            Some(answer) => answer.clone(),
            None if self.contracts.contains(&to) => Err(Bytes::new()),
            None => Ok(Bytes::new()),
        }
    }

    fn multicall(&self, data: &Bytes) -> Answer {
        if let Ok(batch) = aggregate3Call::abi_decode(data) {
            let results: Vec<IMulticall3::Result> = batch
                .calls
                .iter()
                .map(|call| self.execute(call.target, &call.callData))
                .map(|answer| IMulticall3::Result {
                    success: answer.is_ok(),
                    returnData: answer.unwrap_or_else(|data| data),
                })
                .collect();
            return Ok(aggregate3Call::abi_encode_returns(&results).into());
        }
        match getEthBalanceCall::abi_decode(data) {
            Ok(call) => Ok(getEthBalanceCall::abi_encode_returns(&self.wei(call.addr)).into()),
            Err(_) => Err(Bytes::new()),
        }
    }

    fn wei(&self, of: Address) -> U256 {
        self.balances.get(&of).copied().unwrap_or_default()
    }
}

/// The script as a node.
struct Script(Arc<ScriptedBlock>);

impl Backend for Script {
    fn eth_call(
        &self,
        request: CallRequest,
        _: BlockId,
    ) -> BoxFuture<'_, Result<Bytes, CallError>> {
        let answer = self.0.execute(request.to, &request.data).map_err(CallError::Reverted);
        Box::pin(ready(answer))
    }

    fn get_code(&self, of: Address, _: BlockId) -> BoxFuture<'_, Result<Bytes, CallError>> {
        let code = match self.0.codes.get(&of) {
            Some(code) => code.clone(),
            // Which code it is does not matter; `INVALID` is the shortest that is none by mistake.
            None if self.0.contracts.contains(&of) => Bytes::from_static(&[0xfe]),
            None => Bytes::new(),
        };
        Box::pin(ready(Ok(code)))
    }

    fn get_balance(&self, of: Address, _: BlockId) -> BoxFuture<'_, Result<U256, CallError>> {
        Box::pin(ready(Ok(self.0.wei(of))))
    }

    /// Ancestors hold the same state, some seconds earlier.
    fn block_by_hash(&self, hash: B256) -> BoxFuture<'_, Result<Head, CallError>> {
        let number = u64::try_from(U256::from_be_bytes(hash.0)).unwrap_or(u64::MAX);
        let head = self.0.head;
        let answer = match head.number.checked_sub(number) {
            Some(age) => {
                Ok(header(number, head.timestamp.saturating_sub(age.saturating_mul(BLOCK_TIME))))
            }
            None => Err(CallError::Unavailable(format!("block {hash} is not known"))),
        };
        Box::pin(ready(answer))
    }
}

/// The hash is the number, so that a header can be had from its hash.
fn header(number: u64, timestamp: u64) -> Head {
    let hash = |number: u64| B256::from(U256::from(number));
    Head {
        number,
        hash: hash(number),
        parent: hash(number.saturating_sub(1)),
        timestamp,
        base_fee_per_gas: Some(1_000_000_000),
        gas_limit: 30_000_000,
        gas_used: 15_000_000,
    }
}

fn profile(native_usd: Option<Address>) -> ChainProfile {
    ChainProfile {
        block_time: Duration::from_secs(BLOCK_TIME),
        finality: Finality::Confirmations(1),
        request_timeout: LOOK_TIMEOUT,
        stale_after: LOOK_TIMEOUT,
        assess_timeout: LOOK_TIMEOUT,
        max_lag: 0,
        feeds: FeedsProfile { native_usd, ..FeedsProfile::default() },
        ..testkit::profile()
    }
}
