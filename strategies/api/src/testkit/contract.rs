//! The clauses of the contract between runtime and strategy that a compiler cannot see.

use std::{
    collections::HashSet,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use ballast_chains::{
    Revert,
    driver::{Outcome, RoundStats},
};

use super::ScriptedBlock;
use crate::{Action, Assessment, Decision, Observation, Refusal, Strategy, StrategyError};

/// Most rounds of reads that an assessment may take.
pub const MAX_ROUNDS: u64 = 2;
/// Polls of one assessment after which it is spinning: each answer is worth one at most.
const MAX_POLLS: u32 = 2_000;

/// A strategy that kept the contract at a block.
#[derive(Debug)]
pub struct Checked<S> {
    /// The strategy, connected.
    pub strategy: Arc<S>,
    /// What it said.
    pub assessment: Assessment,
    /// What reading it took.
    pub rounds: RoundStats,
}

/// Connects a strategy at a block, lets it assess, and asserts everything that the runtime relies
/// on: see [`violations`] for the list.
///
/// # Errors
///
/// Those of [`Strategy::connect`] and [`Strategy::assess`]: they are allowed, and the test's to
/// judge.
///
/// # Panics
///
/// If the strategy breaks the contract, with every violation.
pub async fn check_contract<S: Strategy>(
    block: &ScriptedBlock,
    params: impl Fn() -> S::Params,
) -> Result<Checked<S>, StrategyError>
where
    S::Params: 'static,
{
    let (checked, found) = violations(block, params).await?;
    assert!(found.is_empty(), "{} breaks the contract:\n  {}", S::KIND, found.join("\n  "));
    Ok(checked)
}

/// As [`check_contract`], but returns the violations, each as a sentence:
///
/// - the same block gives the same assessment, also after a restart;
/// - an assessment ends, waits for nothing but reads, and takes at most [`MAX_ROUNDS`];
/// - reasons, names, keys and labels are not empty, metric names are in snake case;
/// - no two observations have the same name and `of`, no two candidates the same label;
/// - calls have a selector, bounds are not zero, `until` lies ahead;
/// - whatever a contract may refuse with, the refusal has a reason.
///
/// # Errors
///
/// As [`check_contract`].
///
/// # Panics
///
/// If the strategy cannot be connected for a reason that is no error: a panic or a time-out.
pub async fn violations<S: Strategy>(
    block: &ScriptedBlock,
    params: impl Fn() -> S::Params,
) -> Result<(Checked<S>, Vec<String>), StrategyError>
where
    S::Params: 'static,
{
    let strategy = connect::<S>(block, params()).await?;
    let restarted = connect::<S>(block, params()).await?;
    let mut found = Vec::new();
    let (first, rounds) = assess(block, &strategy, &mut found).await;
    let (second, _) = assess(block, &strategy, &mut found).await;
    let (third, _) = assess(block, &restarted, &mut found).await;
    if first != second {
        found.push(format!("remembers: {first:?} became {second:?} at the same block"));
    }
    if second != third {
        found.push(format!("forgets: {second:?} became {third:?} by a restart"));
    }
    if rounds.rounds > MAX_ROUNDS {
        found.push(format!("takes {} rounds of reads, of {MAX_ROUNDS}", rounds.rounds));
    }
    let assessment = match first {
        Ok(assessment) => assessment,
        Err(Ended::Failed(_)) => return Err(again(block, strategy).await),
        Err(Ended::Broken) => nothing(),
    };
    decision(block, &assessment.decision, &mut found);
    observations(&assessment.observations, &mut found);
    refusals(&*strategy, &assessment.decision, &mut found);
    Ok((Checked { strategy, assessment, rounds }, found))
}

/// How an assessment ended if not with a result.
#[derive(Debug, PartialEq)]
enum Ended {
    /// With an error; errors are compared by their text.
    Failed(String),
    /// Against the contract; the violation is noted.
    Broken,
}

async fn connect<S: Strategy>(
    block: &ScriptedBlock,
    params: S::Params,
) -> Result<Arc<S>, StrategyError>
where
    S::Params: 'static,
{
    let (outcome, _) =
        block.look(move |at| async move { S::connect(params, &at).await.map(Arc::new) }).await;
    let connected = match outcome {
        Outcome::Done(connected) => Ok(connected),
        other @ (Outcome::Panicked(_) | Outcome::TimedOut) => Err(format!("{other:?}")),
    };
    #[expect(clippy::expect_used, reason = "a test kit fails by panicking")]
    connected.expect("the strategy connects")
}

async fn assess<S: Strategy>(
    block: &ScriptedBlock,
    strategy: &Arc<S>,
    found: &mut Vec<String>,
) -> (Result<Assessment, Ended>, RoundStats) {
    let strategy = Arc::clone(strategy);
    let (outcome, stats) = block
        .look(move |at| Counted {
            polls: 0,
            inner: Box::pin(async move { strategy.assess(&at).await }),
        })
        .await;
    let broken = |found: &mut Vec<String>, violation: String| {
        found.push(violation);
        Err(Ended::Broken)
    };
    let ended = match outcome {
        Outcome::Done(Some(Ok(assessment))) => Ok(assessment),
        Outcome::Done(Some(Err(error))) => Err(Ended::Failed(chain(&error))),
        Outcome::Done(None) => broken(found, format!("spins: polled {MAX_POLLS} times")),
        Outcome::Panicked(message) => broken(found, format!("panics: {message}")),
        Outcome::TimedOut => broken(found, "waits for something else than a read".into()),
    };
    (ended, stats)
}

/// The error itself, for the test to judge: errors cannot be cloned.
async fn again<S: Strategy>(block: &ScriptedBlock, strategy: Arc<S>) -> StrategyError {
    let (outcome, _) = block.look(move |at| async move { strategy.assess(&at).await.err() }).await;
    match outcome {
        Outcome::Done(Some(error)) => error,
        Outcome::Done(None) | Outcome::Panicked(_) | Outcome::TimedOut => {
            StrategyError::Misconfigured("fails at times, at one block".into())
        }
    }
}

fn nothing() -> Assessment {
    Assessment {
        decision: Decision::Wait { reason: "broken", until: None },
        observations: Vec::new(),
    }
}

/// An error with its sources.
fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(Some(error), |error| error.source());
    sources.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn decision(block: &ScriptedBlock, decision: &Decision, found: &mut Vec<String>) {
    match decision {
        Decision::Wait { reason, until } => {
            require(found, !reason.is_empty(), "waits without a reason");
            let lies_ahead = until.is_none_or(|until| until > block.header().timestamp);
            require(found, lies_ahead, "waits until a time that is past");
        }
        Decision::Blocked { reason, detail: _ } => {
            require(found, !reason.is_empty(), "is blocked without a reason");
        }
        Decision::Act(action) => self::action(action, found),
    }
}

fn action(action: &Action, found: &mut Vec<String>) {
    require(found, is_label(action.name, false), "acts under a name that is no metric label");
    require(found, !action.answers.as_str().is_empty(), "acts on no state");
    require(found, action.deadline != Some(0), "acts with a deadline of no blocks");
    require(
        found,
        action.repeat_limit.is_none_or(|limit| limit.times > 0),
        "acts though it may never act",
    );
    let mut labels = HashSet::new();
    for call in action.candidates.iter() {
        require(found, !call.label.is_empty(), "has a candidate without a label");
        require(found, labels.insert(&call.label), "has two candidates of one label");
        require(found, call.data.len() >= 4, "has a candidate without a selector");
        require(found, !call.to.is_zero(), "has a candidate that calls nobody");
    }
    if let Some(expected) = &action.expects {
        require(found, !expected.at_least.is_zero(), "expects a move of nothing");
        require(found, expected.view.len() >= 4, "expects something of no view");
        require(found, !expected.what.is_empty(), "expects something without a name");
    }
}

fn observations(seen: &[Observation], found: &mut Vec<String>) {
    let mut names = HashSet::new();
    for Observation { name, of, .. } in seen {
        if !is_label(name, true) {
            found.push(format!("observes {name:?}, which is no metric name"));
        }
        if !names.insert((name, of)) {
            found.push(format!("observes {name} {of:?} twice"));
        }
    }
}

fn refusals<S: Strategy>(strategy: &S, decision: &Decision, found: &mut Vec<String>) {
    let action = match decision {
        Decision::Act(action) => action.name,
        Decision::Wait { .. } | Decision::Blocked { .. } => "any",
    };
    let reverts = [
        Revert::Reason(String::new()),
        Revert::Reason("never heard of".into()),
        Revert::Panic(0x11),
        Revert::Data(vec![1, 2, 3, 4].into()),
        Revert::Empty,
    ];
    for revert in reverts {
        match strategy.refusal(action, &revert) {
            Refusal::Blocked { reason } | Refusal::Misconfigured { reason } => {
                require(found, !reason.is_empty(), "explains a refusal by nothing");
            }
            Refusal::SomeoneWasFirst | Refusal::NotDue => {
                found.push(format!("takes {revert:?} for a race, which hides a fault for ever"));
            }
        }
    }
}

fn require(found: &mut Vec<String>, holds: bool, violation: &str) {
    if !holds {
        found.push(violation.to_owned());
    }
}

/// Lower-case letters, digits and `_`; action names may be the contract's own, in camel case.
fn is_label(name: &str, is_lower: bool) -> bool {
    let fits = |c: char| {
        c == '_'
            || c.is_ascii_digit()
            || if is_lower { c.is_ascii_lowercase() } else { c.is_ascii_alphabetic() }
    };
    !name.is_empty() && name.chars().all(fits)
}

/// A future that gives up after [`MAX_POLLS`], with `None`.
struct Counted<F> {
    polls: u32,
    inner: Pin<Box<F>>,
}

impl<F: Future> Future for Counted<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == MAX_POLLS {
            return Poll::Ready(None);
        }
        self.polls = self.polls.saturating_add(1);
        self.inner.as_mut().poll(cx).map(Some)
    }
}
