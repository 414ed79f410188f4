//! A scripted chain: contracts are behaviours by address, gas is accounted as the EVM does across
//! the calls of a batch, and every request is written down.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use alloy::{
    eips::BlockId,
    primitives::{Address, B256, Bytes, U256, keccak256},
    providers::bindings::IMulticall3,
    sol_types::SolCall,
};
use ballast_chains::{
    ChainProfile, Head,
    profile::{CANONICAL_MULTICALL3, EndpointProfile, Finality},
    reader::{Backend, BlockSource, CallError, CallRequest},
    testkit,
};
use futures::future::BoxFuture;

pub(crate) const MULTICALL3: Address = CANONICAL_MULTICALL3;
/// Gas of the one batched call: 200 calls.
pub(crate) const CHUNK_GAS: u64 = 30_000_000;
/// Calls in a full chunk.
pub(crate) const CHUNK_CALLS: usize = 200;
const CALL_GAS: u64 = 20_000;

/// What a contract does with any call. Unlisted ones are [`Echo`](Self::Echo).
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Behaviour {
    /// Answers with a hash of contract, calldata and block.
    Echo,
    /// Answers with who asked.
    Sender,
    /// An invalid opcode: burns all gas given.
    Burn,
    /// `revert()`.
    RefuseSilently,
    /// Reverts with this data.
    Refuse(Bytes),
    /// Nothing there: succeeds with nothing.
    NoCode,
    /// Answers like an echo, for more gas.
    Heavy(u64),
    /// A batch that holds it is refused by the node; alone it echoes.
    Indigestible,
    /// A batch that holds it is refused by the node, and so is it alone: it takes too long.
    Endless,
}

/// One request, as the node saw it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Request {
    Batch { calls: Vec<Address>, gas: u64, at: BlockId },
    Single { to: Address, from: Option<Address>, at: BlockId },
    Balance(Address),
    Code(Address),
    Header(B256),
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) behaviours: HashMap<Address, Behaviour>,
    pub(crate) log: Vec<Request>,
    pub(crate) multicall: bool,
    pub(crate) reachable: bool,
    /// Calls above which a batch is refused.
    pub(crate) max_batch: usize,
}

/// The node of a world; answers after a moment.
#[derive(Clone)]
pub(crate) struct Node(pub(crate) Arc<Mutex<World>>);

impl Node {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(World {
            behaviours: HashMap::new(),
            log: Vec::new(),
            multicall: true,
            reachable: true,
            max_batch: usize::MAX,
        })))
    }

    pub(crate) fn with(behaviours: impl IntoIterator<Item = (Address, Behaviour)>) -> Self {
        let node = Self::new();
        node.world().behaviours.extend(behaviours);
        node
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    pub(crate) fn source(&self) -> BlockSource {
        BlockSource::new(self.clone(), &profile())
    }

    /// The requests so far, and forgets them.
    pub(crate) fn take_log(&self) -> Vec<Request> {
        std::mem::take(&mut self.world().log)
    }

    /// Number of calls in each batch so far.
    pub(crate) fn batches(&self) -> Vec<usize> {
        batches(&self.world().log)
    }
}

pub(crate) fn batches(log: &[Request]) -> Vec<usize> {
    let calls = |request: &Request| match request {
        Request::Batch { calls, .. } => Some(calls.len()),
        Request::Single { .. } | Request::Balance(_) | Request::Code(_) | Request::Header(_) => {
            None
        }
    };
    log.iter().filter_map(calls).collect()
}

/// The contracts that were asked alone.
pub(crate) fn singles(log: &[Request]) -> Vec<Address> {
    let to = |request: &Request| match request {
        Request::Single { to, .. } => Some(*to),
        Request::Batch { .. } | Request::Balance(_) | Request::Code(_) | Request::Header(_) => None,
    };
    log.iter().filter_map(to).collect()
}

/// What a contract that echoes answers.
pub(crate) fn echo(to: Address, data: &[u8], block: u64) -> Bytes {
    keccak256([to.as_slice(), data, &block.to_be_bytes()].concat()).0.into()
}

pub(crate) fn head(number: u64) -> Head {
    Head {
        number,
        hash: hash(number),
        parent: hash(number.saturating_sub(1)),
        timestamp: 1_700_000_000 + number * 12,
        base_fee_per_gas: Some(1),
        gas_limit: 30_000_000,
        gas_used: 0,
    }
}

fn hash(number: u64) -> B256 {
    B256::from(U256::from(number + 0xb10c_0000))
}

/// The `n`th address of a kind.
pub(crate) fn address(kind: u8, n: usize) -> Address {
    let mut bytes = [0; 20];
    bytes[0] = kind;
    bytes[12..].copy_from_slice(&(n as u64).to_be_bytes());
    bytes.into()
}

impl World {
    /// Runs one call; gives success, data, and the gas that it used.
    fn run(
        &self,
        from: Option<Address>,
        to: Address,
        data: &[u8],
        gas: u64,
        block: u64,
    ) -> (bool, Bytes, u64) {
        let behaviour = self.behaviours.get(&to).unwrap_or(&Behaviour::Echo);
        let needs = match behaviour {
            Behaviour::Heavy(needs) => *needs,
            Behaviour::Burn => u64::MAX,
            Behaviour::Echo
            | Behaviour::Sender
            | Behaviour::RefuseSilently
            | Behaviour::Refuse(_)
            | Behaviour::NoCode
            | Behaviour::Indigestible
            | Behaviour::Endless => CALL_GAS,
        };
        if needs > gas {
            return (false, Bytes::new(), gas);
        }
        let (success, data) = match behaviour {
            Behaviour::Sender => (true, from.unwrap_or_default().into_word().0.into()),
            Behaviour::RefuseSilently => (false, Bytes::new()),
            Behaviour::Refuse(data) => (false, data.clone()),
            Behaviour::NoCode => (true, Bytes::new()),
            Behaviour::Echo
            | Behaviour::Heavy(_)
            | Behaviour::Indigestible
            | Behaviour::Endless
            | Behaviour::Burn => (true, echo(to, data, block)),
        };
        (success, data, needs)
    }

    fn aggregate(&self, data: &[u8], mut gas: u64, block: u64) -> Result<Bytes, CallError> {
        let calls = IMulticall3::aggregate3Call::abi_decode(data).unwrap().calls;
        let indigestible = |to| {
            let behaviour = self.behaviours.get(to);
            matches!(behaviour, Some(Behaviour::Indigestible | Behaviour::Endless))
        };
        if calls.len() > self.max_batch || calls.iter().any(|call| indigestible(&call.target)) {
            return Err(CallError::Refused { code: -32000, message: "too much".into() });
        }
        let mut results = Vec::new();
        for call in calls {
            assert!(call.allowFailure);
            let given = gas - gas / 64;
            let (success, data, used) = if call.target == MULTICALL3 {
                (true, U256::from(block).to_be_bytes::<32>().into(), CALL_GAS)
            } else {
                self.run(Some(MULTICALL3), call.target, &call.callData, given, block)
            };
            gas -= used;
            results.push(IMulticall3::Result { success, returnData: data });
        }
        Ok(IMulticall3::aggregate3Call::abi_encode_returns(&results).into())
    }

    /// The number of a block that reads may be pinned to, if this node accepts the pin.
    fn block(&self, at: BlockId) -> Result<u64, CallError> {
        if !self.reachable {
            return Err(CallError::Unavailable("connection refused".into()));
        }
        match at {
            BlockId::Hash(hash) => {
                Ok(u64::try_from(U256::from_be_bytes(hash.block_hash.0)).unwrap() - 0xb10c_0000)
            }
            BlockId::Number(_) => panic!("reads name their block by its hash"),
        }
    }

    fn call(&mut self, request: CallRequest, at: BlockId) -> Result<Bytes, CallError> {
        let CallRequest { from, to, data, gas } = request;
        if to == MULTICALL3 {
            let calls = IMulticall3::aggregate3Call::abi_decode(&data).unwrap().calls;
            let calls = calls.iter().map(|call| call.target).collect();
            self.log.push(Request::Batch { calls, gas, at });
        } else {
            self.log.push(Request::Single { to, from, at });
        }
        let block = self.block(at)?;
        if to == MULTICALL3 {
            return if self.multicall {
                self.aggregate(&data, gas, block)
            } else {
                Ok(Bytes::new())
            };
        }
        if self.behaviours.get(&to) == Some(&Behaviour::Endless) {
            let message = "execution aborted (timeout = 5s)".into();
            return Err(CallError::Refused { code: -32000, message });
        }
        let (success, answer, _) = self.run(from, to, &data, gas, block);
        match (success, self.behaviours.get(&to)) {
            (true, _) => Ok(answer),
            (false, Some(Behaviour::Burn)) => Err(CallError::Halted("EVM error".into())),
            (false, _) => Err(CallError::Reverted(answer)),
        }
    }
}

/// Takes a while, as the network does.
pub(crate) async fn pause(millis: u64) {
    let never = std::future::pending::<()>();
    drop(tokio::time::timeout(Duration::from_millis(millis), never).await);
}

impl Backend for Node {
    fn eth_call(
        &self,
        request: CallRequest,
        at: BlockId,
    ) -> BoxFuture<'_, Result<Bytes, CallError>> {
        let answer = self.world().call(request, at);
        Box::pin(async move {
            pause(1).await;
            answer
        })
    }

    fn get_code(&self, of: Address, _: BlockId) -> BoxFuture<'_, Result<Bytes, CallError>> {
        self.world().log.push(Request::Code(of));
        Box::pin(async move { Ok(of.to_vec().into()) })
    }

    fn get_balance(&self, of: Address, at: BlockId) -> BoxFuture<'_, Result<U256, CallError>> {
        let mut world = self.world();
        world.log.push(Request::Balance(of));
        let answer = world.block(at).map(U256::from);
        Box::pin(async move { answer })
    }

    fn block_by_hash(&self, wanted: B256) -> BoxFuture<'_, Result<Head, CallError>> {
        self.world().log.push(Request::Header(wanted));
        let number = (0..10_000).find(|number| hash(*number) == wanted);
        Box::pin(async move {
            pause(1).await;
            number.map(head).ok_or_else(|| CallError::Unavailable("unknown block".into()))
        })
    }
}

pub(crate) fn profile() -> ChainProfile {
    let url = "http://127.0.0.1:1".parse().unwrap();
    ChainProfile {
        rpc: vec![EndpointProfile { url, ws: None, requests_per_second: None, archive: false }],
        finality: Finality::Confirmations(1),
        chunk_gas: CHUNK_GAS,
        max_lag: 2,
        multicall3: MULTICALL3,
        ..testkit::profile()
    }
}
