//! Which endpoints deserve reads: pure, with the time passed in.
//!
//! An endpoint earns reads by proof and loses them by evidence. Its chain id must have been seen
//! to be right; a failed request sends it off to cool down, and only a good probe brings it back,
//! so that a dead endpoint costs a probe now and then, never a read.

use std::time::Duration;

use tokio::time::Instant;

/// How often the chain id is asked again, of right and of wrong endpoints alike.
pub(super) const CHAIN_ID_INTERVAL: Duration = Duration::from_secs(60);
/// First cool-down; doubles with each failure that follows without a good read between.
const FIRST_COOL_DOWN: Duration = Duration::from_millis(250);
/// Doublings of the cool-down: 250 ms · 2⁷ = 32 s at most.
const MAX_DOUBLINGS: u32 = 7;

/// Whether, and why not, an endpoint gets reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndpointState {
    /// Gets reads.
    Fit,
    /// Reported another chain id; asked again each minute.
    Quarantined,
    /// Was more than the profile's `max_lag` blocks behind the best known head.
    Lagging,
    /// Is on another chain than the one followed, though it has the right chain id.
    Forked,
    /// Failed; left alone for a while, then probed.
    Cooling,
    /// Its chain id is not known yet.
    Unverified,
}

impl EndpointState {
    /// The state in lower case, as status output and metrics write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fit => "fit",
            Self::Quarantined => "quarantined",
            Self::Lagging => "lagging",
            Self::Forked => "forked",
            Self::Cooling => "cooling",
            Self::Unverified => "unverified",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChainCheck {
    Never,
    Right { at: Instant },
    Wrong { at: Instant },
}

/// What is known of one endpoint.
#[derive(Debug)]
pub(super) struct Fitness {
    chain: ChainCheck,
    head: Option<u64>,
    /// Blocks behind the best head that was known when this endpoint was asked.
    lag: u64,
    /// The head stream has seen that it is on another chain.
    forked: bool,
    /// When it last told a head or its chain id.
    heard: Option<Instant>,
    failures: u32,
    cooling_until: Option<Instant>,
    last_error: Option<String>,
}

impl Fitness {
    pub(super) const fn new() -> Self {
        Self {
            chain: ChainCheck::Never,
            head: None,
            lag: 0,
            forked: false,
            heard: None,
            failures: 0,
            cooling_until: None,
            last_error: None,
        }
    }

    pub(super) const fn state(&self, max_lag: u64) -> EndpointState {
        match self.chain {
            ChainCheck::Wrong { .. } => EndpointState::Quarantined,
            _ if self.cooling_until.is_some() => EndpointState::Cooling,
            ChainCheck::Never => EndpointState::Unverified,
            ChainCheck::Right { .. } if self.forked => EndpointState::Forked,
            ChainCheck::Right { .. } if self.lag > max_lag => EndpointState::Lagging,
            ChainCheck::Right { .. } => EndpointState::Fit,
        }
    }

    pub(super) const fn has_right_chain(&self) -> bool {
        matches!(self.chain, ChainCheck::Right { .. })
    }

    pub(super) const fn has_wrong_chain(&self) -> bool {
        matches!(self.chain, ChainCheck::Wrong { .. })
    }

    pub(super) const fn head(&self) -> Option<u64> {
        self.head
    }

    pub(super) const fn is_forked(&self) -> bool {
        self.forked
    }

    /// The head stream's word on whose chain the endpoint is on.
    pub(super) const fn judged(&mut self, forked: bool) {
        self.forked = forked;
    }

    /// The endpoint answered something that stands in for a probe.
    pub(super) const fn was_heard(&mut self, now: Instant) {
        self.heard = Some(now);
    }

    pub(super) const fn lag(&self) -> u64 {
        self.lag
    }

    pub(super) const fn failures(&self) -> u32 {
        self.failures
    }

    pub(super) fn last_error(&self) -> Option<String> {
        self.last_error.clone()
    }

    /// The endpoint told its chain id.
    pub(super) fn told_chain(&mut self, right: bool, now: Instant) {
        self.chain =
            if right { ChainCheck::Right { at: now } } else { ChainCheck::Wrong { at: now } };
        self.heard = Some(now);
        if !right {
            // What it said about heads was about another chain.
            self.head = None;
            self.lag = 0;
        }
    }

    /// Something worth showing went wrong.
    pub(super) fn note_error(&mut self, error: String) {
        self.last_error = Some(error);
    }

    pub(super) fn is_cooling(&self, now: Instant) -> bool {
        self.cooling_until.is_some_and(|until| until > now)
    }

    /// The endpoint told its newest head; `best` was the best one known when it was asked.
    pub(super) fn told_head(&mut self, number: u64, best: Option<u64>, now: Instant) {
        self.head = Some(number);
        self.lag = best.map_or(0, |best| best.saturating_sub(number));
        self.heard = Some(now);
    }

    /// A head came by subscription, where old ones may still be under way after newer ones.
    pub(super) fn pushed_head(&mut self, number: u64, best: Option<u64>, now: Instant) {
        if self.head.is_none_or(|head| head <= number) {
            self.told_head(number, best, now);
        }
    }

    /// A read was answered.
    pub(super) fn answered(&mut self) {
        self.failures = 0;
        self.cooling_until = None;
    }

    /// A probe was answered: an end to cooling down, but failures are only forgotten for a read,
    /// since some endpoints answer cheap requests while they refuse dear ones.
    pub(super) fn probed(&mut self, now: Instant) {
        if self.cooling_until.is_some_and(|until| until <= now) {
            self.cooling_until = None;
        }
    }

    /// A request failed. Failures of requests that were under way together count once.
    /// Returns whether this one began a cool-down.
    pub(super) fn failed(
        &mut self,
        error: String,
        retry_after: Option<Duration>,
        now: Instant,
    ) -> bool {
        self.last_error = Some(error);
        if self.is_cooling(now) {
            return false;
        }
        let cool_down = FIRST_COOL_DOWN * (1 << self.failures.min(MAX_DOUBLINGS));
        self.failures = self.failures.saturating_add(1);
        self.cooling_until =
            Some(now + retry_after.map_or(cool_down, |asked| asked.max(cool_down)));
        true
    }

    /// Whether the chain id has to be asked.
    pub(super) fn chain_due(&self, now: Instant) -> bool {
        match self.chain {
            ChainCheck::Never => true,
            ChainCheck::Right { at } | ChainCheck::Wrong { at } => at + CHAIN_ID_INTERVAL <= now,
        }
    }

    /// When to probe next: once per block time, unless the endpoint is heard anyway. One that
    /// serves no reads is only asked for its chain id.
    pub(super) fn next_probe(&self, reads: bool, block_time: Duration, now: Instant) -> Instant {
        if let Some(until) = self.cooling_until
            && !self.has_wrong_chain()
        {
            return until;
        }
        match self.chain {
            ChainCheck::Never => now,
            // One that is down as well is asked as any other that is down.
            ChainCheck::Wrong { at } => {
                (at + CHAIN_ID_INTERVAL).max(self.cooling_until.unwrap_or(at))
            }
            ChainCheck::Right { at } if !reads => at + CHAIN_ID_INTERVAL,
            ChainCheck::Right { .. } => match (self.heard, self.head) {
                (Some(heard), Some(_)) => heard + block_time,
                _ => now,
            },
        }
    }
}

/// Picks the endpoint for a read, by index: the first fit one in the configured order.
///
/// If that is not enough and nothing is under way (`idle`), those not verified yet follow: the read
/// verifies them first. Only while none is fit do the least lagging come in, then those that cool
/// down, then those on another fork. One with the wrong chain id never does.
pub(super) fn pick(states: &[(EndpointState, u64)], tried: &[bool], idle: bool) -> Option<usize> {
    let untried = |wanted: EndpointState| {
        states.iter().zip(tried).enumerate().filter_map(move |(index, ((state, lag), tried))| {
            (*state == wanted && !tried).then_some((index, *lag))
        })
    };
    let first = |wanted| untried(wanted).next().map(|(index, _)| index);
    let lagging = || {
        let least = untried(EndpointState::Lagging).min_by_key(|(_, lag)| *lag);
        least.map(|(index, _)| index)
    };
    let any_fit = states.iter().any(|(state, _)| *state == EndpointState::Fit);
    match (any_fit, idle) {
        (true, false) => first(EndpointState::Fit),
        (true, true) => first(EndpointState::Fit).or_else(|| first(EndpointState::Unverified)),
        (false, false) => first(EndpointState::Unverified),
        (false, true) => first(EndpointState::Unverified)
            .or_else(lagging)
            .or_else(|| first(EndpointState::Cooling))
            .or_else(|| first(EndpointState::Forked)),
    }
}

#[cfg(test)]
mod tests;
