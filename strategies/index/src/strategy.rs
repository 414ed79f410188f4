//! The strategy: what the runtime calls.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use alloy::{
    primitives::{Address, address},
    rpc::types::TransactionReceipt,
    sol_types::SolCall,
};
use ballast_chains::{BlockReader, ReadError, Revert};
use ballast_strategy_api::{
    Assessment, Decision, Doubt, Pending, Refusal, Settlement, Strategy, StrategyError,
    account::is_contract,
};
use futures::future;

use crate::{
    audit,
    contracts::{
        IDescribed::descriptionCall,
        IGeneralIndexModule::{
            controllerCall, raiseAssetTargetsCall, tradeCall, tradeRemainingWETHCall, wethCall,
        },
        IRouter::factoryCall,
        ISetToken::isInitializedModuleCall,
    },
    decide::{self, FINISHED, Look, RAISE, Survey, TRADE, TRADE_REMAINING, Terms},
    observe,
    params::{Currency, Feed, Params, Policy},
    refusal,
    schedule::{Progress, Schedule},
    settle,
    snapshot::{Hints, Snapshot, offers},
};

/// Where Uniswap put the first `Quoter` on mainnet, Polygon, Optimism and Arbitrum.
const CANONICAL_QUOTER: Address = address!("0xb27308f9F90D607463bb33eA1BeBb41C27CE5AB6");

/// One index, as it was when it was connected.
#[derive(Debug)]
pub struct CompositeIndex {
    pub(crate) set_token: Address,
    pub(crate) module: Address,
    pub(crate) weth: Address,
    pub(crate) controller: Address,
    pub(crate) v3_quoter: Option<Address>,
    pub(crate) policy: Policy,
    /// The oracles with what they answer in.
    pub(crate) feeds: BTreeMap<Address, (Address, Currency)>,
    pub(crate) schedule: Schedule,
    pub(crate) caller_is_contract: bool,
    /// What the last block taught about what to ask first. No decision depends on it.
    hints: Mutex<Arc<Hints>>,
}

impl CompositeIndex {
    fn terms(&self) -> Terms<'_> {
        Terms {
            set_token: self.set_token,
            module: self.module,
            policy: &self.policy,
            caller_is_contract: self.caller_is_contract,
        }
    }

    async fn look(&self, at: &BlockReader) -> Result<Snapshot, StrategyError> {
        let hints = Arc::clone(&self.hints.lock().unwrap_or_else(PoisonError::into_inner));
        let (snapshot, found) = Snapshot::read(self, &hints, at).await?;
        *self.hints.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(found);
        Ok(snapshot)
    }
}

impl Strategy for CompositeIndex {
    const KIND: &'static str = "index";

    type Params = Params;

    async fn connect(params: Params, at: &BlockReader) -> Result<Self, StrategyError> {
        let (set_token, module) = (params.set_token, params.module);
        let feeds = params.policy().feeds.iter();
        let feeds = feeds.map(async |(token, feed)| {
            Ok::<_, StrategyError>((*token, (feed.aggregator, currency(feed, at).await?)))
        });
        let (wired, serves, code, quoter, feeds) = futures::join!(
            async {
                futures::try_join!(at.call(module, wethCall {}), at.call(module, controllerCall {}))
            },
            at.call(set_token, isInitializedModuleCall { module }),
            at.code(at.caller()),
            quoter(params.v3_quoter, at),
            future::try_join_all(feeds),
        );
        let (weth, controller) = wired.map_err(StrategyError::reading("the module"))?;
        let serves = serves.map_err(StrategyError::reading("the index's modules"))?;
        let code = code.map_err(StrategyError::reading("the wallet's code"))?;
        if !serves {
            let why = format!("{module} is no module of the index {set_token}");
            return Err(StrategyError::Misconfigured(why));
        }
        let index = Self {
            set_token,
            module,
            weth,
            controller,
            v3_quoter: quoter?,
            policy: params.policy().clone(),
            feeds: feeds?.into_iter().collect(),
            schedule: params.schedule,
            caller_is_contract: is_contract(&code),
            hints: Mutex::default(),
        };
        // So that the first assessment takes no more rounds than any other.
        if let Err(error) = index.look(at).await {
            tracing::warn!(%set_token, %error, "the index cannot be read yet");
        }
        Ok(index)
    }

    fn describe(&self) -> String {
        let quoter = match self.v3_quoter {
            Some(quoter) => format!("V3 quotes of {quoter}"),
            None => "no V3 quoter".to_owned(),
        };
        format!("index {} traded on the module {}, {quoter}", self.set_token, self.module)
    }

    async fn assess(&self, at: &BlockReader) -> Result<Assessment, StrategyError> {
        let mut snapshot = self.look(at).await?;
        if let Some(decision) = decide::broken(&snapshot) {
            return Ok(Assessment { decision, observations: Vec::new() });
        }
        if snapshot.components.is_empty() {
            let decision = decide::idle();
            let observations = self.schedule.observations(&Progress::default(), snapshot.now);
            return Ok(Assessment { decision, observations });
        }
        let survey = Survey::of(&snapshot, &self.policy)?;
        offers::ask(self, &mut snapshot, &survey, at).await;
        let terms = self.terms();
        let decision = decide::decide(terms, &snapshot, &survey)?;
        let look = Look { terms, snapshot: &snapshot, survey: &survey };
        let mut observations = observe::observations(look);
        let is_open = !matches!(decision, Decision::Wait { reason: FINISHED, .. });
        let progress = observe::progress(look, is_open);
        observations.extend(self.schedule.observations(&progress, snapshot.now));
        Ok(Assessment { decision, observations })
    }

    /// The module spends what remains only while there is more of it than its target, which the call
    /// itself uses up: a second one behind it is refused. A trade is refused by the clock alone,
    /// and targets are raised again where a share is too small to move any of them.
    fn checks_need(&self, action: &str) -> bool {
        action == TRADE_REMAINING
    }

    fn stands(&self, pending: &Pending<'_>, decision: &Decision) -> bool {
        decide::stands(pending, decision, &self.policy)
    }

    async fn audit(&self, at: &BlockReader) -> Vec<Doubt> {
        audit::audit(self, at).await
    }

    fn refusal(&self, _action: &str, revert: &Revert) -> Refusal {
        refusal::of_call(revert)
    }

    fn action_of(calldata: &[u8]) -> Option<&'static str> {
        let selector = calldata.first_chunk::<4>()?;
        match *selector {
            tradeCall::SELECTOR => Some(TRADE),
            tradeRemainingWETHCall::SELECTOR => Some(TRADE_REMAINING),
            raiseAssetTargetsCall::SELECTOR => Some(RAISE),
            _ => None,
        }
    }

    fn settle(&self, receipt: &TransactionReceipt) -> Settlement {
        settle::settle(self.set_token, self.module, self.weth, receipt)
    }
}

/// The quoter that is named, or the canonical one if it is there.
async fn quoter(
    named: Option<Address>,
    at: &BlockReader,
) -> Result<Option<Address>, StrategyError> {
    let quoter = named.unwrap_or(CANONICAL_QUOTER);
    match at.call(quoter, factoryCall {}).await {
        Ok(_) => Ok(Some(quoter)),
        Err(silent @ ReadError::Unavailable(_)) => {
            Err(StrategyError::reading("the quoter")(silent))
        }
        Err(_) if named.is_some() => {
            let why = format!("{quoter} does not answer as a Quoter of Uniswap V3 does");
            Err(StrategyError::Misconfigured(why))
        }
        Err(_) => Ok(None),
    }
}

/// What an oracle answers in.
async fn currency(feed: &Feed, at: &BlockReader) -> Result<Currency, StrategyError> {
    if let Some(currency) = feed.currency {
        return Ok(currency);
    }
    let aggregator = feed.aggregator;
    let unclear = |what: String| {
        let why = format!(
            "the feed {aggregator} {what}; write \"{aggregator} ETH\" or \"{aggregator} USD\""
        );
        StrategyError::Misconfigured(why)
    };
    match at.call(aggregator, descriptionCall {}).await {
        Ok(text) => match text.rsplit('/').next().map(str::trim) {
            Some("ETH") => Ok(Currency::Eth),
            Some("USD") => Ok(Currency::Usd),
            Some(_) | None => Err(unclear(format!("calls itself {text:?}"))),
        },
        Err(silent @ ReadError::Unavailable(_)) => Err(StrategyError::reading("a feed")(silent)),
        Err(_) => Err(unclear("does not say what it answers in".to_owned())),
    }
}
