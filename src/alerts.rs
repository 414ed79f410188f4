//! Telling people: what is wrong now, that it is over, and by silence that the keeper itself is gone.
//!
//! Two kinds of news. A *condition* holds or does not (a product is halted, a chain has no head):
//! what holds is a function of the status board (`conditions`), read again every few seconds, and
//! what is told is the difference to what was told before (`book`), so a recovery is always
//! noticed, whoever caused the trouble and however it ended. An *incident* happens once and has no
//! end (a transaction reverted, the key was used elsewhere): it comes with the event stream.
//!
//! Telling is never in the way of keeping: each receiver has its own task and a bounded queue, and a
//! receiver that is down costs the oldest news, which is counted.

pub(crate) mod book;
pub(crate) mod conditions;
pub(crate) mod heartbeat;
pub(crate) mod incidents;
pub(crate) mod webhook;

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use eyre::{Result, WrapErr};
use serde::Serialize;
use tokio::{
    sync::broadcast::error::RecvError,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::{book::Book, conditions::StoreHealth, webhook::Receiver};
use crate::{
    clock,
    config::{Config, Environment},
    runtime::{Board, Event, Events, What, readiness::Readiness},
    store::Store,
};

/// How often the board is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the store may take to answer at a look; a disk that hangs must not silence the rest.
const PING_WITHIN: Duration = Duration::from_secs(2);

/// How soon a person should look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// In working hours.
    Warning,
    /// Now: money is at risk.
    Critical,
}

impl Severity {
    /// The words of configuration files.
    pub(crate) const WORDS: &'static [(&'static str, Self)] =
        &[("info", Self::Info), ("warning", Self::Warning), ("critical", Self::Critical)];

    /// The fixed word for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What news is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(tag = "kind", content = "name", rename_all = "lowercase")]
pub enum Subject {
    /// The process itself.
    Keeper,
    /// A chain, by its name.
    Chain(String),
    /// A product, by its name.
    Product(String),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keeper => f.write_str("keeper"),
            Self::Chain(name) => write!(f, "chain {name}"),
            Self::Product(name) => write!(f, "product {name}"),
        }
    }
}

/// What is told of a condition or incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It has begun to hold.
    Raised,
    /// It still holds, or it got worse.
    Still,
    /// It does not hold any more.
    Recovered,
    /// It happened.
    Incident,
}

impl Status {
    /// The fixed word for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Still => "still",
            Self::Recovered => "recovered",
            Self::Incident => "incident",
        }
    }
}

/// One piece of news, as receivers get it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// What it is about.
    pub subject: Subject,
    /// Fixed word for what is wrong: with the subject, the identity of an alert.
    pub condition: &'static str,
    /// What is told of it.
    pub status: Status,
    /// How soon a person should look; of a recovery, what it was.
    pub severity: Severity,
    /// One line for people.
    pub summary: String,
    /// The figures behind it.
    pub detail: String,
    /// Seconds since 1970 by the wall clock when it began.
    pub since: u64,
    /// Seconds since 1970 by the wall clock when this was written.
    pub at: u64,
}

/// Watches the board and the events, and tells all receivers, until stopped.
///
/// # Errors
/// When a receiver's secrets cannot be had or its client cannot be built.
pub(crate) async fn run(
    config: Arc<Config>,
    environment: Environment,
    (board, events, store): (Board, Events, Store),
    stop: CancellationToken,
) -> Result<()> {
    let readiness = Readiness::new(&config);
    let mut receivers = Vec::new();
    let mut tasks = JoinSet::new();
    for notify in &config.notify {
        let (receiver, task) = Receiver::new(notify, &environment)
            .wrap_err_with(|| format!("notify receiver {}", notify.name))?;
        tasks.spawn(task.run(stop.clone()));
        receivers.push(receiver);
    }
    if let Some(heartbeat) = &config.heartbeat {
        let beat = heartbeat::Heartbeat::new(heartbeat)?;
        let ready = (readiness.clone(), board.clone(), store.clone());
        tasks.spawn(beat.run(ready, stop.clone()));
    }
    let mut desk = Desk { book: Book::default(), receivers, started: Instant::now() };
    let mut incidents = events.subscribe();
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            event = incidents.recv() => match event {
                Ok(event) => desk.on_event(&event),
                Err(RecvError::Lagged(lost)) => warn!(lost, "events passed unseen by the alerts"),
                Err(RecvError::Closed) => break,
            },
            _ = look.tick() => {
                let failure = match timeout(PING_WITHIN, store.ping()).await {
                    Ok(answer) => answer.err().map(|error| crate::error_chain(&error)),
                    Err(_) => Some(format!("no answer within {} s", PING_WITHIN.as_secs())),
                };
                let store = StoreHealth { failure, is_short: store.is_short() };
                let found = conditions::of(&board, &config, &store);
                desk.on_look(found, &conditions::unread(&board));
            }
        }
    }
    while tasks.join_next().await.is_some() {}
    Ok(())
}

/// Where news is written and handed out.
struct Desk {
    book: Book,
    receivers: Vec<Receiver>,
    started: Instant,
}

impl Desk {
    fn on_look(&mut self, found: Vec<conditions::Condition>, unread: &BTreeSet<Subject>) {
        let notices = self.book.update((found, unread), self.started.elapsed(), clock::now());
        notices.into_iter().for_each(|notice| self.tell(notice));
        metrics::gauge!("ballast_alerts_open").set(f64::from(self.book.open()));
    }

    fn on_event(&self, event: &Event) {
        let What::Transaction { text, incident: Some(incident), .. } = &event.what else { return };
        let at = clock::now();
        self.tell(Notice {
            subject: Subject::Product(event.product.clone()),
            condition: incident.name,
            status: Status::Incident,
            severity: incident.severity,
            summary: incident.summary.to_owned(),
            detail: text.clone(),
            since: at,
            at,
        });
    }

    fn tell(&self, notice: Notice) {
        let (status, severity) = (notice.status.as_str(), notice.severity.as_str());
        let Notice { subject, condition, summary, detail, .. } = &notice;
        info!(%subject, condition, status, severity, summary, detail, "alert");
        let labels = [("status", status), ("severity", severity)];
        metrics::counter!("ballast_alerts_total", &labels).increment(1);
        for receiver in &self.receivers {
            receiver.offer(&notice);
        }
    }
}

/// An incident that an event of a transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Incident {
    /// Fixed word.
    pub name: &'static str,
    /// How soon a person should look.
    pub severity: Severity,
    /// One line for people.
    pub summary: &'static str,
}
