//! `ballast demo`: a local chain with the published contracts, a market that moves, and the keeper
//! of `ballast run` over it, told on the terminal as it happens.

mod scenes;
mod stage;

use std::time::Duration;

use clap::Args;
use eyre::Result;
use tokio::time::{Instant, sleep_until};

use self::{scenes::Ended, stage::Stage};
use super::{Exit, Session, duration, out, run::stop_signal};

/// Longest time that a scene may take before the demo says that it failed.
const SCENE_WITHIN: Duration = Duration::from_secs(90);

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Goes on moving the market for this long instead of showing each scene once
    #[arg(long, value_parser = duration, value_name = "TIME")]
    duration: Option<Duration>,
    /// Keeps the configuration and the store of the demo, and says where they are
    #[arg(long)]
    keep: bool,
}

pub(super) async fn demo(session: Session, args: DemoArgs) -> Result<Exit> {
    let mut stage = Stage::set(&session).await?;
    let outcome = tokio::select! {
        outcome = play(&mut stage, args.duration) => outcome,
        signal = stop_signal() => {
            signal?;
            out::line("\nstopped");
            Ok(Exit::Done)
        }
    };
    let cleared = stage.clear(args.keep).await;
    let exit = outcome?;
    cleared.map(|()| exit)
}

/// Plays the scenes once, or again and again until the time is up.
async fn play(stage: &mut Stage, duration: Option<Duration>) -> Result<Exit> {
    let end = duration.and_then(|d| Instant::now().checked_add(d));
    let mut shown = 0_usize;
    loop {
        for scene in scenes::all() {
            out::line(&format!("\n== {}", scene.title()));
            let playing = tokio::time::timeout(SCENE_WITHIN, scenes::play(scene, stage));
            let ended = tokio::select! {
                ended = playing => ended,
                () = until(end) => return Ok(closing(shown)),
            };
            match ended {
                Ok(Ok(Ended::Shown)) => shown = shown.saturating_add(1),
                Ok(Ok(Ended::KeeperStopped)) => {
                    out::error("demo: the keeper stopped by itself");
                    return Ok(Exit::Failed);
                }
                Ok(Err(error)) => return Err(error),
                Err(_) => {
                    let seconds = SCENE_WITHIN.as_secs();
                    out::error(&format!("demo: not seen within {seconds} s: {}", scene.title()));
                    return Ok(Exit::Failed);
                }
            }
        }
        if end.is_none() {
            return Ok(closing(shown));
        }
    }
}

fn closing(shown: usize) -> Exit {
    out::line(&match shown {
        0 => "\nthe time was up before the first scene had ended".to_owned(),
        _ => format!("\n{shown} scenes shown: each action noticed, decided, sent, confirmed"),
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
