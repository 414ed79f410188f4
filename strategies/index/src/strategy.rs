//! The strategy: what the runtime calls.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use alloy::{primitives::Address, rpc::types::TransactionReceipt, sol_types::SolCall};
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
        ISetToken::isInitializedModuleCall,
    },
    decide::{self, FINISHED, Look, RAISE, Survey, TRADE, TRADE_REMAINING, Terms},
    observe,
    params::{Currency, Feed, Params, Policy},
    quoter::Quoter,
    refusal,
    schedule::{Progress, Schedule},
    settle,
    snapshot::{Hints, Snapshot, offers},
};

/// One index, as it was when it was connected.
#[derive(Debug)]
pub struct CompositeIndex {
    pub(crate) set_token: Address,
    pub(crate) module: Address,
    pub(crate) weth: Address,
    pub(crate) controller: Address,
    pub(crate) v3_quoter: Option<Quoter>,
    pub(crate) policy: Policy,
    /// The oracles with what they answer in.
    pub(crate) feeds: BTreeMap<Address, (Address, Currency)>,
    pub(crate) schedule: Schedule,
    pub(crate) caller_is_contract: bool,
    /// What the last block taught about what to ask first. No decision depends on it.
    hints: Mutex<Arc<Hints>>,
}

/// What is due at a block, and from what that follows.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) snapshot: Snapshot,
    /// `None` where nothing was started, or nothing can be reckoned with.
    pub(crate) survey: Option<Survey>,
    pub(crate) decision: Decision,
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

    /// What is due at a block, with all that it was made from: the one place that says how far a
    /// rebalance is.
    pub(crate) async fn judge(&self, at: &BlockReader) -> Result<Judged, StrategyError> {
        let mut snapshot = self.look(at).await?;
        if let Some(decision) = decide::broken(&snapshot) {
            return Ok(Judged { snapshot, survey: None, decision });
        }
        if snapshot.components.is_empty() {
            return Ok(Judged { snapshot, survey: None, decision: decide::idle() });
        }
        let survey = Survey::of(&snapshot, &self.policy)?;
        offers::ask(self, &mut snapshot, &survey, at).await;
        let decision = decide::decide(self.terms(), &snapshot, &survey)?;
        Ok(Judged { snapshot, survey: Some(survey), decision })
    }

    /// The state of a block, with what its prices are held against.
    pub(crate) async fn look(&self, at: &BlockReader) -> Result<Snapshot, StrategyError> {
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
            Quoter::find(params.v3_quoter, at),
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
            Some(quoter) => format!("V3 quotes of {}", quoter.address()),
            None => "no V3 quoter".to_owned(),
        };
        format!("index {} traded on the module {}, {quoter}", self.set_token, self.module)
    }

    async fn assess(&self, at: &BlockReader) -> Result<Assessment, StrategyError> {
        let Judged { snapshot, survey, decision } = self.judge(at).await?;
        let Some(survey) = survey else {
            let observations = if decision == decide::idle() {
                self.schedule.observations(&Progress::default(), snapshot.now)
            } else {
                Vec::new()
            };
            return Ok(Assessment { decision, observations });
        };
        let look = Look { terms: self.terms(), snapshot: &snapshot, survey: &survey };
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
