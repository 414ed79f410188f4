//! `ballast demo`: two local chains with the published contracts, a leveraged product and a composite index
//! on one and basis trading on the other, a market on each that moves, and the keeper of `ballast run` over
//! both, told on the terminal as it happens.

mod basket;
mod chain;
mod scenes;
mod stage;
mod summary;
mod venue;
mod voice;
mod words;

use std::time::Duration;

use clap::Args;
use eyre::{Result, WrapErr as _};
use futures::future::try_join_all;
use tokio::time::{Instant, sleep_until};

use self::{scenes::Scene, stage::Stage};
use super::{Exit, Session, duration, out, run::stop_signal};

/// Blocks a second, at the slowest and at the fastest.
const SPEEDS: (f64, f64) = (0.25, 8.0);
/// Time between two blocks at speed 1: quick to watch, slow enough to read.
const BLOCK_TIME: Duration = Duration::from_secs(1);
/// Longest time that a scene may take before the demo says that it failed, in blocks; it takes some
/// thirty.
const SCENE_WITHIN_BLOCKS: u32 = 90;
/// The same, however fast the blocks: what a busy machine may need for a scene.
const SCENE_WITHIN_AT_LEAST: Duration = Duration::from_secs(90);

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Pace: blocks a second, from 0.25 to 8
    #[arg(long, default_value = "1", value_parser = speed, value_name = "N")]
    speed: f64,
    /// Goes on moving the markets for this long instead of showing each scene once
    #[arg(long, value_parser = duration, value_name = "TIME")]
    duration: Option<Duration>,
    /// Keeps the configuration and the store of the demo, and says where they are
    #[arg(long)]
    keep: bool,
}

fn speed(text: &str) -> Result<f64, String> {
    let (slowest, fastest) = SPEEDS;
    let speed = text.parse().ok().filter(|speed| (slowest..=fastest).contains(speed));
    speed.ok_or_else(|| format!("expected a number from {slowest} to {fastest}"))
}

pub(super) async fn demo(session: Session, args: DemoArgs) -> Result<Exit> {
    let block_time = BLOCK_TIME.div_f64(args.speed);
    let mut stage = tokio::select! {
        stage = Stage::set(&session, block_time) => stage?,
        signal = stop_signal() => return signal.map(|_| stopped()),
    };
    let end = args.duration.and_then(|time| Instant::now().checked_add(time));
    let outcome = tokio::select! {
        outcome = play(&mut stage, block_time, end) => outcome,
        signal = stop_signal() => signal.map(|_| stopped()),
    };
    summary::tell(stage.chains());
    let cleared = stage.clear(args.keep).await;
    let exit = outcome?;
    cleared.map(|()| exit)
}

fn stopped() -> Exit {
    out::text("\nstopped");
    Exit::Done
}

/// Plays the scenes once, or round after round until the time is up.
async fn play(stage: &mut Stage, block_time: Duration, end: Option<Instant>) -> Result<Exit> {
    let within = block_time.saturating_mul(SCENE_WITHIN_BLOCKS).max(SCENE_WITHIN_AT_LEAST);
    let mut round = Scene::ALL.as_slice();
    let mut shown = 0_usize;
    loop {
        for chain in stage.chains_mut() {
            chain.reweigh().await?;
        }
        for (scene, number) in round.iter().zip(1_usize..) {
            out::text(&format!("\n== {number} of {}: {}", round.len(), scene.title()));
            tokio::select! {
                played = play_everywhere(*scene, stage, within) => played?,
                () = until(end) => return Ok(closing(shown)),
            }
            shown = shown.saturating_add(1);
        }
        if end.is_none() {
            return Ok(closing(shown));
        }
        round = Scene::AGAIN.as_slice();
    }
}

/// A scene on all chains at once; each ends it in its own time, and the next begins together.
async fn play_everywhere(scene: Scene, stage: &mut Stage, within: Duration) -> Result<()> {
    let plays = stage.chains_mut().iter_mut().map(async |chain| {
        let name = chain.name();
        let played = tokio::time::timeout(within, scenes::play(scene, chain)).await;
        let played = played.wrap_err_with(|| format!("not seen within {} s", within.as_secs()));
        played.flatten().wrap_err_with(|| format!("{} on {name}", scene.title()))
    });
    try_join_all(plays).await.map(drop)
}

fn closing(shown: usize) -> Exit {
    out::text(&match shown {
        0 => "\nthe time was up before the first scene had ended".to_owned(),
        _ => format!("\n{shown} scenes shown on both chains: each action explained, sent, final"),
    });
    Exit::Done
}

/// For ever without an end.
async fn until(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_outside_the_range_are_refused() {
        assert_eq!(speed("0.25"), Ok(0.25));
        assert_eq!(speed("8"), Ok(8.0));
        for text in ["0", "0.2", "8.1", "-1", "inf", "NaN", "fast", ""] {
            assert!(speed(text).is_err(), "{text}");
        }
    }
}
