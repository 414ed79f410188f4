//! The bench that the tests stand at: a store, a chain, a lane and a strategy that has no opinion.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use alloy::{
    primitives::{Address, Bytes, U256, address},
    rpc::types::TransactionReceipt,
};
use ballast_chains::{
    BlockReader, ChainProfile, Head, Revert,
    pool::Privacy,
    profile::{FeeProfile, Finality},
    testkit,
    wallet::Wallet,
};
use ballast_strategy_api::{
    Action, Assessment, Call, Decision, Exposure, NonEmpty, Observation, Pending, Refusal,
    Settlement, StateKey, Strategy, StrategyError, Urgency,
};
use secrecy::SecretString;
use sqlx::Row as _;

use super::sim::{GWEI, ONCE, Sim};
use crate::guard::{Leave, Upkeep};
use crate::{
    guard::{Caps, Permit, StopCheck},
    store::{Statement, Store},
    submission::{Lane, LaneError, LaneEvent, LaneSpec, Pretends, Pursuit, Quotes, Together},
};

/// The second account of anvil's well-known test mnemonic.
pub(super) const KEY: &str = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";
/// The third.
const OTHER_KEY: &str = "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a";
pub(super) const TARGET: Address = address!("00000000000000000000000000000000000000aa");

#[derive(Debug)]
pub(super) struct NoOpinion;

impl Strategy for NoOpinion {
    const KIND: &'static str = "none";
    type Params = ();

    async fn connect(_params: (), _at: &BlockReader) -> Result<Self, StrategyError> {
        Ok(Self)
    }

    async fn assess(&self, _at: &BlockReader) -> Result<Assessment, StrategyError> {
        Err(StrategyError::Misconfigured("has no opinion".into()))
    }

    fn refusal(&self, _action: &str, _revert: &Revert) -> Refusal {
        Refusal::NotDue
    }

    fn settle(&self, _receipt: &TransactionReceipt) -> Settlement {
        Settlement::default()
    }
}

/// Its contract asks whether a ripcord is needed; no opinion of anything else.
#[derive(Debug)]
pub(super) struct ChecksNeed;

impl Strategy for ChecksNeed {
    const KIND: &'static str = "checks-need";
    type Params = ();

    async fn connect(_params: (), _at: &BlockReader) -> Result<Self, StrategyError> {
        Ok(Self)
    }

    async fn assess(&self, at: &BlockReader) -> Result<Assessment, StrategyError> {
        Strategy::assess(&NoOpinion, at).await
    }

    fn checks_need(&self, action: &str) -> bool {
        action == "ripcord"
    }

    fn refusal(&self, action: &str, revert: &Revert) -> Refusal {
        Strategy::refusal(&NoOpinion, action, revert)
    }

    fn settle(&self, receipt: &TransactionReceipt) -> Settlement {
        Strategy::settle(&NoOpinion, receipt)
    }
}

/// Wants nothing of what waits for inclusion.
#[derive(Debug)]
struct Fickle;

impl Strategy for Fickle {
    const KIND: &'static str = "fickle";
    type Params = ();

    async fn connect(_params: (), _at: &BlockReader) -> Result<Self, StrategyError> {
        Ok(Self)
    }

    async fn assess(&self, at: &BlockReader) -> Result<Assessment, StrategyError> {
        Strategy::assess(&NoOpinion, at).await
    }

    fn stands(&self, _pending: &Pending<'_>, _decision: &Decision) -> bool {
        false
    }

    fn refusal(&self, action: &str, revert: &Revert) -> Refusal {
        Strategy::refusal(&NoOpinion, action, revert)
    }

    fn settle(&self, receipt: &TransactionReceipt) -> Settlement {
        Strategy::settle(&NoOpinion, receipt)
    }
}

pub(super) struct Bench {
    pub(super) store: Store,
    pub(super) sim: Sim,
    pub(super) lane: Lane,
    pub(super) profile: Arc<ChainProfile>,
    /// The guard's word on what is under way.
    pub(super) upkeep: Upkeep,
    /// Whether somebody has stopped the product.
    pub(super) stopped: Arc<AtomicBool>,
}

impl Bench {
    /// Finality after three confirmations, no disk.
    pub(super) async fn new() -> Self {
        Self::with(Store::in_memory().await.unwrap(), Finality::Confirmations(3)).await
    }

    pub(super) async fn with(store: Store, finality: Finality) -> Self {
        Self::on(store, Arc::new(profile(finality))).await
    }

    pub(super) async fn on(store: Store, profile: Arc<ChainProfile>) -> Self {
        let owner = Wallet::from_key(&SecretString::from(KEY)).unwrap().address();
        let sim = Sim::new(&store, owner);
        let lane = open(&store, &sim, &profile).await.unwrap();
        let (upkeep, stopped) = (Upkeep::for_test(Leave::Sign), Arc::default());
        Self { store, sim, lane, profile, upkeep, stopped }
    }

    /// The process dies and comes back.
    pub(super) async fn restart(&mut self) {
        self.lane = open(&self.store, &self.sim, &self.profile).await.unwrap();
    }

    /// The product gets another wallet, and the process a restart.
    pub(super) async fn change_key(&mut self) {
        self.change_wallet(Wallet::from_key(&SecretString::from(OTHER_KEY)).unwrap()).await;
    }

    /// The process restarts with this wallet.
    pub(super) async fn change_wallet(&mut self, wallet: Wallet) {
        let stopped = Arc::clone(&self.stopped);
        let stop = move || stopped.load(Ordering::Relaxed).then_some("stopped");
        let parts = (wallet, StopCheck::new(stop));
        self.lane = open_with(&self.store, &self.sim, &self.profile, parts).await.unwrap();
    }

    pub(super) async fn pursue(&mut self, action: Action) -> Pursuit {
        self.try_pursue(action).await.unwrap()
    }

    pub(super) async fn try_pursue(&mut self, action: Action) -> Result<Pursuit, LaneError> {
        let head = self.sim.head();
        self.lane.pursue(permit(action), &head, &NoOpinion).await
    }

    /// Observes the newest head.
    pub(super) async fn observe(&mut self) -> Vec<LaneEvent> {
        let head = self.sim.head();
        self.observe_at(head).await
    }

    pub(super) async fn observe_at(&mut self, head: Head) -> Vec<LaneEvent> {
        self.lane.observe(&head, Some(&NoOpinion), &self.upkeep).await.unwrap()
    }

    /// The steps that the newest head brings, in words.
    pub(super) async fn steps(&mut self) -> Vec<&'static str> {
        self.observe().await.iter().map(LaneEvent::step).collect()
    }

    /// Mines empty blocks and observes each.
    pub(super) async fn pass(&mut self, blocks: usize) -> Vec<LaneEvent> {
        let mut events = Vec::new();
        for _ in 0..blocks {
            self.sim.mine_empty();
            events.extend(self.observe().await);
        }
        events
    }

    /// What the wallet holds at the newest head.
    pub(super) fn told_balance(&mut self, wei: U256) {
        let head = self.sim.head();
        self.lane.told_balance(wei, &head);
    }

    /// What the strategy says at the newest head.
    pub(super) fn assess(&mut self, decision: Decision, observations: Vec<Observation>) {
        let head = self.sim.head();
        self.lane.reassessed(&Assessment { decision, observations }, &head, Some(&NoOpinion));
    }

    /// What the strategy says at the newest head that wants nothing to take effect of what waits.
    pub(super) fn outdated(&mut self, decision: Decision) {
        let head = self.sim.head();
        let assessment = Assessment { decision, observations: Vec::new() };
        self.lane.reassessed(&assessment, &head, Some(&Fickle));
    }

    /// Nothing is due at the newest head.
    pub(super) fn nothing_due(&mut self) {
        self.assess(Decision::Wait { reason: "in range", until: None }, Vec::new());
    }

    /// The column of a slot's row.
    pub(super) async fn column(&self, nonce: u64, column: &'static str) -> Option<String> {
        let sql = "SELECT * FROM slots WHERE nonce = $1";
        let rows = self.store.rows(Statement::new(sql).with(nonce)).await.unwrap();
        rows.first().and_then(|row| row.get(column))
    }
}

pub(super) async fn open(
    store: &Store,
    sim: &Sim,
    profile: &Arc<ChainProfile>,
) -> Result<Lane, LaneError> {
    let wallet = Wallet::from_key(&SecretString::from(KEY)).unwrap();
    open_with(store, sim, profile, (wallet, StopCheck::new(|| None))).await
}

async fn open_with(
    store: &Store,
    sim: &Sim,
    profile: &Arc<ChainProfile>,
    (wallet, stop): (Wallet, StopCheck),
) -> Result<Lane, LaneError> {
    let (product, profile) = ("eth2x".into(), Arc::clone(profile));
    let (pretends, privacy) = (Pretends::default(), Privacy::Public);
    let (quotes, together) = (Quotes::default(), Together::new(profile.block_time));
    let spec = LaneSpec { product, wallet, profile, privacy, pretends, quotes, together, stop };
    Lane::open(spec, sim.clone(), store.journal()).await
}

pub(super) fn permit(action: Action) -> Permit {
    Permit::for_test(action, caps())
}

pub(super) fn caps() -> Caps {
    Caps { max_fee_per_gas: 100 * GWEI, max_transaction_cost: None }
}

/// A routine rebalance that answers the state `key`.
pub(super) fn action(key: u64) -> Action {
    Action {
        name: "rebalance",
        candidates: NonEmpty::one(call("only", Bytes::from_static(&[1]))),
        urgency: Urgency::Routine,
        exposure: Exposure::Keeps,
        answers: StateKey::of(&[("state", &key)]),
        deadline: None,
        repeat_limit: None,
        expects: None,
    }
}

/// A ripcord that answers the state `key`.
pub(super) fn ripcord(key: u64) -> Action {
    Action { name: "ripcord", urgency: Urgency::Emergency, ..action(key) }
}

/// The same action with a call that its contract lets take effect once in a chain.
pub(super) fn once(mut action: Action) -> Action {
    let mut data = vec![1, ONCE];
    data.extend_from_slice(action.name.as_bytes());
    data.extend_from_slice(action.answers.as_str().as_bytes());
    action.candidates = NonEmpty::one(call("once", data.into()));
    action
}

pub(super) fn call(label: &str, data: Bytes) -> Call {
    Call { label: label.into(), to: TARGET, data, value: U256::ZERO }
}

pub(super) fn profile(finality: Finality) -> ChainProfile {
    let profile = testkit::profile();
    let fees = FeeProfile {
        max_fee_per_gas: 100 * GWEI,
        emergency_max_fee_per_gas: 1_000 * GWEI,
        min_priority_fee_per_gas: GWEI,
        relative_cap: 10,
        replacement_bump_bps: 1_250,
    };
    let request_timeout = Duration::from_secs(10);
    ChainProfile { finality, request_timeout, chunk_gas: 10_000_000, fees, ..profile }
}
