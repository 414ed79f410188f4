//! Places at which a crash test kills the process.
//!
//! Every step that makes something durable, and the broadcast, has a name and two places: `name.before`
//! and `name.after`. With the feature `failpoints`, which only tests turn on, these variables are read:
//!
//! * `BALLAST_KILL_AT=name.before#2`: the second time that place is reached, the process kills itself
//!   with SIGKILL: nothing is flushed, closed or answered.
//! * `BALLAST_PLACES=PATH`: each place is appended to that file when it is reached for the first time.
//! * `BALLAST_MAX_PAGES=N`: the store does not grow above N pages, as on a full disk.
//!
//! Without the feature there is nothing here but empty functions; the merge gate looks for the names
//! in the binary. `tests/e2e/crash.rs` takes the list of names from the sources.

/// The step is about to begin.
#[inline]
pub(crate) fn before(step: &'static str) {
    #[cfg(feature = "failpoints")]
    armed::reach(step, "before");
    #[cfg(not(feature = "failpoints"))]
    let _ = step;
}

/// The step is done, and nobody knows yet.
#[inline]
pub(crate) fn after(step: &'static str) {
    #[cfg(feature = "failpoints")]
    armed::reach(step, "after");
    #[cfg(not(feature = "failpoints"))]
    let _ = step;
}

/// Most pages that the store may have, if that is limited.
#[inline]
pub(crate) fn max_pages() -> Option<String> {
    #[cfg(feature = "failpoints")]
    return armed::max_pages();
    #[cfg(not(feature = "failpoints"))]
    None
}

#[cfg(feature = "failpoints")]
mod armed {
    use std::{
        collections::BTreeMap,
        fs::OpenOptions,
        io::Write as _,
        sync::{LazyLock, Mutex, PoisonError},
    };

    use rustix::process::{Signal, getpid, kill_process};

    /// What the environment asked for.
    struct Orders {
        kill_at: Option<(String, u32)>,
        places: Option<std::path::PathBuf>,
    }

    #[expect(clippy::disallowed_methods, reason = "a test's own variables, in no binary of people")]
    fn from_environment() -> Orders {
        let kill_at = std::env::var("BALLAST_KILL_AT").ok().map(|text| {
            let (place, time) = text.split_once('#').unwrap_or((&text, "1"));
            (place.to_owned(), time.parse().unwrap_or(1))
        });
        Orders { kill_at, places: std::env::var_os("BALLAST_PLACES").map(Into::into) }
    }

    #[expect(clippy::disallowed_methods, reason = "a test's own variable, in no binary of people")]
    pub(super) fn max_pages() -> Option<String> {
        std::env::var("BALLAST_MAX_PAGES").ok()
    }

    static ORDERS: LazyLock<Orders> = LazyLock::new(from_environment);

    /// How often each place was reached.
    static REACHED: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());

    pub(super) fn reach(step: &str, side: &str) {
        let place = format!("{step}.{side}");
        let times = {
            let mut reached = REACHED.lock().unwrap_or_else(PoisonError::into_inner);
            let times = reached.entry(place.clone()).or_insert(0);
            *times = times.saturating_add(1);
            *times
        };
        if times == 1
            && let Some(path) = &ORDERS.places
            && let Ok(mut file) = OpenOptions::new().create(true).append(true).open(path)
        {
            drop(writeln!(file, "{place}"));
        }
        if ORDERS.kill_at.as_ref().is_some_and(|(at, when)| *at == place && *when == times) {
            let killed = kill_process(getpid(), Signal::KILL);
            assert!(killed.is_ok(), "the process would not die");
        }
    }
}
