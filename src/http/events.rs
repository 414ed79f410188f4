//! The live stream: what changed, as server-sent events.
//!
//! One hub turns what happens into messages, each written once however many listen. Products that
//! changed are gathered for a quarter of a second, so that a fast chain costs a message a tick and
//! not one a block; transactions are told at once. A listener that falls behind is not waited for:
//! it is told to `resync`, and reads the state anew. Nobody listening costs nothing.

use std::{collections::BTreeSet, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
};
use futures::{Stream, stream};
use serde::Serialize;
use serde_json::json;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, broadcast, broadcast::error::RecvError},
    time::{Instant, MissedTickBehavior, interval, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{Surface, api::Chains, failure::ApiError};
use crate::runtime::What;

/// Streams at once.
const MAX_STREAMS: usize = 32;
/// Messages kept for a listener that falls behind.
const BUFFERED: usize = 1_024;
/// How often changed products are told.
const TICK: Duration = Duration::from_millis(250);
/// Ticks between two looks at the chains, whose endpoints change without telling anyone.
const CHAINS_EVERY: u32 = 2;
/// Ticks between two signs of life, ten seconds: a page cannot tell a quiet keeper from a dead one.
const PING_EVERY: u32 = 40;
/// Longest life of a stream; the page opens another by itself. So a listener that is gone without
/// a word, or whose login is over, does not stay for ever.
const LIFE: Duration = Duration::from_hours(1);

/// The listeners.
#[derive(Debug, Clone)]
pub(crate) struct Streams {
    messages: broadcast::Sender<Message>,
    seats: Arc<Semaphore>,
}

impl Default for Streams {
    fn default() -> Self {
        let seats = Arc::new(Semaphore::new(MAX_STREAMS));
        Self { messages: broadcast::Sender::new(BUFFERED), seats }
    }
}

/// One event, written once for all listeners.
#[derive(Debug, Clone)]
struct Message {
    name: &'static str,
    data: Arc<str>,
}

impl Streams {
    fn tell(&self, name: &'static str, value: &impl Serialize) {
        // What does not serialise cannot be told; these types always do.
        if let Ok(data) = serde_json::to_string(value) {
            // Nobody listening is the normal case.
            drop(self.messages.send(Message { name, data: data.into() }));
        }
    }

    fn anyone(&self) -> bool {
        self.messages.receiver_count() > 0
    }
}

/// Turns what happens into messages until stopped.
pub(super) async fn hub(surface: Surface, stop: CancellationToken) {
    let mut happenings = surface.events.subscribe();
    let mut pauses = surface.pauses.subscribe();
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut news = News::default();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = tick.tick() => news.tell(&surface),
            changed = pauses.changed() => match changed {
                Ok(()) => news.all_products(&surface),
                // The sender lives as long as the surface does.
                Err(_) => return,
            },
            happened = happenings.recv() => match happened {
                Ok(event) => {
                    if let What::Transaction { .. } = event.what {
                        surface.streams.tell("transaction", &event);
                    }
                    news.products.insert(event.product);
                }
                Err(RecvError::Lagged(_)) => news.all_products(&surface),
                Err(RecvError::Closed) => return,
            },
        }
    }
}

/// What listeners do not know yet.
#[derive(Debug, Default)]
struct News {
    products: BTreeSet<String>,
    chains: Option<Chains>,
    ticks: u32,
    troubled: Vec<String>,
}

impl News {
    fn all_products(&mut self, surface: &Surface) {
        self.products = surface.facts.products().map(|facts| facts.name.clone()).collect();
    }

    fn tell(&mut self, surface: &Surface) {
        if !surface.streams.anyone() {
            *self = Self::default();
            return;
        }
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(PING_EVERY) {
            surface.streams.tell("ping", &json!({}));
        }
        if self.ticks.is_multiple_of(CHAINS_EVERY) {
            self.tell_chains(surface);
        }
        if self.products.is_empty() {
            return;
        }
        let troubles = surface.chain_troubles();
        for name in std::mem::take(&mut self.products) {
            if let Some(facts) = surface.facts.product(&name) {
                surface.streams.tell("product", &surface.product(facts, &troubles));
            }
        }
    }

    fn tell_chains(&mut self, surface: &Surface) {
        let troubled: Vec<String> = surface.chain_troubles().into_keys().collect();
        // A chain that goes quiet tells nothing, and yet its products are worse off.
        if troubled != self.troubled {
            self.troubled = troubled;
            self.all_products(surface);
        }
        let mut chains = surface.chains();
        for head in chains.chains.iter_mut().filter_map(|chain| chain.head.as_mut()) {
            // Grows by itself; listeners have the block's time.
            head.age = 0;
        }
        if self.chains.as_ref() != Some(&chains) {
            surface.streams.tell("chains", &surface.chains());
            self.chains = Some(chains);
        }
    }
}

/// A listener's end of the stream, which gives its seat back when it goes.
struct Listener {
    messages: broadcast::Receiver<Message>,
    until: Instant,
    stop: CancellationToken,
    greeted: bool,
    _seat: OwnedSemaphorePermit,
}

pub(super) async fn events(State(surface): State<Surface>) -> Response {
    let streams = &surface.streams;
    let Ok(seat) = Arc::clone(&streams.seats).try_acquire_owned() else {
        return ApiError::Busy("event streams").into_response();
    };
    metrics::gauge!("ballast_http_streams").increment(1.0);
    let now = Instant::now();
    let listener = Listener {
        messages: streams.messages.subscribe(),
        until: now.checked_add(LIFE).unwrap_or(now),
        stop: surface.stop.clone(),
        greeted: false,
        _seat: seat,
    };
    Sse::new(listener.stream()).into_response()
}

impl Drop for Listener {
    fn drop(&mut self) {
        metrics::gauge!("ballast_http_streams").decrement(1.0);
    }
}

impl Listener {
    fn stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut listener| async move {
            let event = listener.next().await?;
            Some((Ok(event), listener))
        })
    }

    async fn next(&mut self) -> Option<Event> {
        if !std::mem::replace(&mut self.greeted, true) {
            let version = json!({ "version": env!("CARGO_PKG_VERSION") });
            return Some(Event::default().event("hello").data(version.to_string()));
        }
        let received = tokio::select! {
            biased;
            () = self.stop.cancelled() => return None,
            received = timeout_at(self.until, self.messages.recv()) => received.ok()?,
        };
        match received {
            Ok(message) => Some(Event::default().event(message.name).data(&*message.data)),
            Err(RecvError::Lagged(missed)) => {
                let missed = json!({ "missed": missed });
                Some(Event::default().event("resync").data(missed.to_string()))
            }
            Err(RecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(streams: &Streams) -> Listener {
        Listener {
            messages: streams.messages.subscribe(),
            until: Instant::now() + LIFE,
            stop: CancellationToken::new(),
            greeted: true,
            _seat: Arc::clone(&streams.seats).try_acquire_owned().unwrap(),
        }
    }

    async fn text(listener: &mut Listener) -> String {
        format!("{:?}", listener.next().await.unwrap())
    }

    #[tokio::test]
    async fn who_falls_behind_is_told_to_read_anew_and_goes_on() {
        let streams = Streams::default();
        assert!(!streams.anyone());
        let (mut quick, mut slow) = (listener(&streams), listener(&streams));
        streams.tell("product", &1);
        assert!(text(&mut quick).await.contains("product"));
        for number in 0..BUFFERED {
            streams.tell("product", &number);
        }
        assert!(text(&mut slow).await.contains("resync"), "the first of 1,025 is gone");
        assert!(text(&mut slow).await.contains("product"));
    }

    #[tokio::test]
    async fn seats_are_bounded_and_given_back() {
        let streams = Streams::default();
        let mut all: Vec<_> = (0..MAX_STREAMS).map(|_| listener(&streams)).collect();
        assert!(Arc::clone(&streams.seats).try_acquire_owned().is_err());
        drop(all.pop());
        all.push(listener(&streams));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_at_a_stop_and_at_the_end_of_its_life() {
        let streams = Streams::default();
        let mut old = listener(&streams);
        assert!(old.next().await.is_none(), "nothing came for an hour");
        let mut stopped = listener(&streams);
        stopped.stop.cancel();
        assert!(stopped.next().await.is_none());
    }
}
