//! What the market does, and what the keeper must be seen doing about it.

use alloy::primitives::U256;
use ballast_devnet::Trade;
use eyre::{Result, bail};

use super::{chain::Chain, venue::Rules, words};
use crate::{
    guard::REPEATED,
    runtime::{Event, LastDecision, What},
};

/// Chunks that a delever of several steps has at least: the rebalance, and those that follow it.
const STEPS: usize = 3;

/// One situation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scene {
    /// Leverage drifts off its target, then nothing but time passes.
    Interval,
    /// The price takes leverage so far past its maximum that one trade is not enough.
    Slide,
    /// The price takes leverage below its minimum.
    Rise,
    /// The price takes leverage past the ripcord line.
    Crash,
    /// The price takes leverage a little past its maximum.
    Fall,
    /// What is left to trade of the index, where there is one.
    Index,
}

impl Scene {
    /// Each once, in the order they are played.
    pub(super) const ALL: [Self; 5] =
        [Self::Interval, Self::Slide, Self::Rise, Self::Crash, Self::Index];
    /// The rounds after that: a market that a leveraged product survives for hours.
    pub(super) const AGAIN: [Self; 4] = [Self::Rise, Self::Interval, Self::Fall, Self::Index];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Interval => "time passes: the interval rebalance",
            Self::Slide => "the price slides: a TWAP delever in several steps",
            Self::Rise => "the price recovers: leverage below its minimum",
            Self::Crash => "the price crashes: ripcord, then back within bounds",
            Self::Fall => "the price moves: leverage above its maximum",
            Self::Index => "the index is traded to its end",
        }
    }

    /// The leverage ratios to which the market takes the product, one after the other until the
    /// keeper acts.
    fn legs(self, rules: &Rules) -> Vec<U256> {
        let Rules { target, min, max, line, .. } = *rules;
        let between = |low: U256, high: U256| low.saturating_add(high) >> 1_usize;
        match self {
            Self::Interval => vec![between(target, max)],
            Self::Slide => vec![between(target, max), between(max, line)],
            Self::Rise => vec![between(min, target), part(min, 99)],
            Self::Crash => vec![target, part(line, 107)],
            Self::Fall => vec![between(target, max), part(max, 101)],
            Self::Index => Vec::new(),
        }
    }

    /// Whether what the keeper did is what this scene is there to show.
    fn is_shown_by(self, trades: &[Trade]) -> bool {
        let done = |action| trades.iter().filter(|t| t.succeeded && t.action == action).count();
        match self {
            Self::Interval | Self::Rise | Self::Fall => done("rebalance") >= 1,
            Self::Slide => done("iterateRebalance").saturating_add(1) >= STEPS,
            Self::Crash => done("ripcord") >= 1,
            Self::Index => true,
        }
    }
}

/// Hundredths of an amount, cut off.
fn part(of: U256, hundredths: u64) -> U256 {
    let hundred = U256::from(100);
    of.saturating_mul(U256::from(hundredths)).checked_div(hundred).unwrap_or(of)
}

/// How far a scene has come on one chain.
#[derive(Debug)]
struct Play {
    legs: std::vec::IntoIter<U256>,
    /// Time that has yet to pass, for the scene that is about nothing else, in seconds.
    wait: Option<u64>,
    /// Transactions sent, and those of them that are final.
    sent: usize,
    settled: usize,
    /// The decision that was told last.
    told: String,
}

/// Moves the market block by block until the keeper acts, then waits until all that it did is final
/// and nothing more is due.
pub(super) async fn play(scene: Scene, chain: &mut Chain) -> Result<()> {
    let rules = chain.rules();
    let interval = rules.interval.saturating_add(1);
    let mut play = Play {
        legs: scene.legs(rules).into_iter(),
        wait: (scene == Scene::Interval).then_some(interval),
        sent: 0,
        settled: 0,
        told: String::new(),
    };
    let before = chain.trades().len();
    chain.listen_from_now();
    while scene != Scene::Index || chain.is_trading() {
        let Some(event) = chain.next_event().await? else {
            bail!("the keeper stopped by itself");
        };
        match &event.what {
            What::Transaction { step, text, .. } => play.follow(&event, step, text, chain).await?,
            What::Decided(decision) => {
                play.tell(&event, decision, chain);
                let rests = decision.reason.starts_with("inside bounds");
                if rests && play.sent > 0 && play.settled >= play.sent {
                    let shown = chain.trades().get(before..).unwrap_or_default();
                    if scene.is_shown_by(shown) {
                        return Ok(());
                    }
                    bail!("the keeper is content, but did not do what the scene is about");
                }
                play.go_on(&event, decision, chain).await?;
            }
        }
        if scene == Scene::Index {
            chain.let_rest().await?;
        }
    }
    Ok(())
}

impl Play {
    /// Tells how a transaction moved on.
    async fn follow(
        &mut self,
        event: &Event,
        step: &str,
        text: &str,
        chain: &mut Chain,
    ) -> Result<()> {
        let block = event.head.number;
        match step {
            // Told with the decision that it comes from.
            "sent" => self.sent = self.sent.saturating_add(1),
            "included" => chain.tell_trades(block).await?,
            // Told by the leverage before and after.
            "postcondition_held" => {}
            "final" => {
                self.settled = self.settled.saturating_add(1);
                chain.voice.say(block, "final", text);
            }
            step => chain.voice.say(block, step, text),
        }
        Ok(())
    }

    /// Tells every action, and anything else when it changes.
    fn tell(&mut self, event: &Event, decision: &LastDecision, chain: &Chain) {
        let block = event.head.number;
        let now = format!("{} {:?} {}", decision.kind, decision.action, decision.reason);
        let acts = decision.kind == "act";
        if acts || now != self.told {
            chain.voice.say(block, "decides", &words::sentence(decision));
        }
        if acts {
            let sent = decision.detail.strip_prefix("sent ").unwrap_or(&decision.detail);
            chain.voice.say(block, "sends", sent);
        }
        self.told = now;
    }

    /// What the market does next, if the keeper has seen what it did last and waits.
    async fn go_on(
        &mut self,
        event: &Event,
        decision: &LastDecision,
        chain: &mut Chain,
    ) -> Result<()> {
        // The guard lets no more than two rebalances follow each other at once, and then one for each
        // cooldown.
        let is_repeated = decision.kind == "refused" && decision.reason == REPEATED;
        let waits = decision.kind == "wait" || is_repeated;
        if !waits || !chain.has_seen_the_move(event.head.number) {
            return Ok(());
        }
        if is_repeated || decision.reason.contains("cooldown not over") {
            let cooldown = chain.rules().cooldown.saturating_add(1);
            return chain.let_pass(cooldown).await;
        }
        if self.sent > 0 {
            return Ok(());
        }
        match (self.legs.next(), self.wait) {
            (Some(leg), _) => chain.move_to_leverage(leg).await,
            (None, Some(seconds)) => {
                self.wait = None;
                chain.let_pass(seconds).await
            }
            (None, None) => Ok(()),
        }
    }
}
