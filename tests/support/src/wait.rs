//! Waiting for a condition with a deadline, never for a duration.

use eyre::bail;
use std::{fmt, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

/// How often a condition is looked at: short beside a block, long beside a local request.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// One look at a condition: either its value, or what was there instead.
pub trait Observed {
    /// What the condition yields once it holds.
    type Value;

    /// The value, or a description of what was seen.
    ///
    /// # Errors
    /// The description, while the condition does not hold.
    fn observed(self) -> Result<Self::Value, String>;
}

impl Observed for bool {
    type Value = ();

    fn observed(self) -> Result<(), String> {
        if self { Ok(()) } else { Err("false".to_owned()) }
    }
}

impl<T> Observed for Option<T> {
    type Value = T;

    fn observed(self) -> Result<T, String> {
        self.ok_or_else(|| "nothing".to_owned())
    }
}

impl<T, E: fmt::Display> Observed for Result<T, E> {
    type Value = T;

    fn observed(self) -> Result<T, String> {
        self.map_err(|error| format!("{error:#}"))
    }
}

/// Looks at a condition every 20 ms until it holds, and returns its value.
///
/// The probe returns `bool`, `Option<T>`, or `Result<T, E>` whose error says what was seen; the
/// last one gives the best report. A probe that hangs is cut off at the deadline too.
///
/// # Errors
/// When `deadline` has passed: `what`, and the last observation.
pub async fn wait_until<P: Observed>(
    what: &str,
    deadline: Duration,
    mut probe: impl AsyncFnMut() -> P,
) -> eyre::Result<P::Value> {
    let end = Instant::now() + deadline;
    let mut ticks = interval(POLL_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = "the first look did not return".to_owned();
    loop {
        ticks.tick().await;
        match timeout_at(end, probe()).await.map(Observed::observed) {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(seen)) => last = seen,
            Err(_) => bail!("waited {deadline:?} for {what}; last seen: {last}"),
        }
        if Instant::now() >= end {
            bail!("waited {deadline:?} for {what}; last seen: {last}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;

    #[tokio::test]
    async fn value_is_returned_once_it_is_there() {
        let mut looks = 0;
        let value = wait_until("third look", Duration::from_secs(1), async || {
            looks += 1;
            (looks == 3).then_some(looks)
        })
        .await
        .unwrap();
        assert_eq!(value, 3);
    }

    #[tokio::test]
    async fn error_names_the_condition_and_the_last_observation() {
        let mut looks = 0;
        let error = wait_until("the end", Duration::from_millis(50), async || {
            looks += 1;
            Err::<(), _>(format!("look {looks}"))
        })
        .await
        .unwrap_err();
        assert_eq!(error.to_string(), format!("waited 50ms for the end; last seen: look {looks}"));
    }

    #[tokio::test]
    async fn hanging_probe_is_cut_off() {
        let wait =
            wait_until("nothing", Duration::from_millis(50), async || pending::<bool>().await);
        assert!(wait.await.unwrap_err().to_string().contains("did not return"));
    }
}
