//! What the market does, and what the keeper must be seen doing about it.

use eyre::Result;
use tokio::sync::broadcast::error::RecvError;

use super::{
    super::{explain, out},
    stage::Stage,
};
use crate::{
    clock,
    runtime::{Event, What},
};

/// Seconds in the product's rebalance interval, and one more: the rule is strict.
const A_DAY: u64 = 86_401;
/// Seconds that an exchange rests between two chunks, and one more.
const A_COOLDOWN: u64 = 601;
/// How far the price falls per step, in hundredths: small, so that one chunk brings the product
/// back.
const FALL: u64 = 99;
/// How far it rises per step, in hundredths.
const RISE: u64 = 102;
/// How far it crashes, at once.
const CRASH: u64 = 65;

/// One situation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scene {
    /// The price falls until leverage passes its maximum.
    Falls,
    /// Nothing but time passes.
    Day,
    /// The price rises until leverage passes its minimum.
    Rises,
    /// The price crashes past the ripcord line.
    Crash,
}

/// How a scene ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The transaction of this scene is final.
    Shown,
    /// Nobody is telling events any more.
    KeeperStopped,
}

/// In the order they are played.
pub(super) fn all() -> [Scene; 4] {
    [Scene::Falls, Scene::Day, Scene::Rises, Scene::Crash]
}

impl Scene {
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Falls => "ether falls until leverage passes its maximum",
            Self::Day => "a day passes: the interval rebalance",
            Self::Rises => "ether rises until leverage passes its minimum",
            Self::Crash => "ether crashes: ripcord, then a TWAP in several chunks",
        }
    }
}

/// Moves the market block by block until the keeper acts, then waits until that is final.
pub(super) async fn play(scene: Scene, stage: &mut Stage) -> Result<Ended> {
    if scene == Scene::Day {
        stage.warp(A_DAY).await?;
        out::line("   market: 86,401 seconds later");
    }
    if scene == Scene::Crash {
        move_price(stage, CRASH).await?;
    }
    let mut last = String::new();
    let (mut acted, mut settled) = (false, false);
    loop {
        let event = match stage.events.recv().await {
            Ok(event) => event,
            Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return Ok(Ended::KeeperStopped),
        };
        match &event.what {
            What::Transaction { step, text, incident: _ } => {
                out::line(&format!("   {} block {}: {text}", event.product, event.head.number));
                acted |= *step == "sent";
                settled |= acted && *step == "final";
            }
            What::Decided(decision) => {
                tell_change(&event, &mut last);
                if decision.kind != "wait" {
                    continue;
                }
                if decision.reason.contains("cooldown not over") {
                    stage.warp(A_COOLDOWN).await?;
                    // Meanwhile others trade the pools back to the market's price.
                    move_price(stage, 100).await?;
                } else if settled && decision.reason.starts_with("inside bounds") {
                    return Ok(Ended::Shown);
                } else if !acted {
                    step(scene, stage).await?;
                }
            }
        }
    }
}

/// Tells a decision the first time, and whenever it changes.
fn tell_change(event: &Event, last: &mut String) {
    let What::Decided(decision) = &event.what else { return };
    let now = format!("{} {:?} {}", decision.kind, decision.action, decision.reason);
    if now != *last {
        out::line(&explain::text(&event.product, "local", decision));
        *last = now;
    }
}

async fn step(scene: Scene, stage: &Stage) -> Result<()> {
    let hundredths = match scene {
        Scene::Falls => FALL,
        Scene::Rises => RISE,
        Scene::Day | Scene::Crash => return Ok(()),
    };
    move_price(stage, hundredths).await
}

async fn move_price(stage: &Stage, hundredths: u64) -> Result<()> {
    let price = stage.market().price().await?;
    let next = price.saturating_mul(hundredths).checked_div(100).unwrap_or(price);
    let at = stage.market().set_price(next).await?;
    let ratio = stage.market().leverage_ratio(stage.product()).await?;
    out::line(&format!(
        "   market: ether at ${}, leverage {} (block {at}, {})",
        dollars(next),
        ballast_chains::amount::ether(ratio),
        clock::text(clock::now())
    ));
    Ok(())
}

/// Whole dollars of a price with 8 decimals, cut off.
fn dollars(price: u64) -> u64 {
    price.checked_div(100_000_000).unwrap_or(price)
}
