//! A receiver of webhooks and heartbeats: keeps what it is sent, answers as told.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
};
use eyre::Result;

use crate::{lock, server::Server};

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Path of the request.
    pub path: String,
    /// Headers by lower-case name; those that are not text are left out.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

/// A server on 127.0.0.1 that takes any request; dropping it ends it.
#[derive(Debug)]
pub struct Inbox {
    server: Server,
    shelf: Shelf,
}

#[derive(Debug, Clone)]
struct Shelf {
    letters: Arc<Mutex<Vec<Letter>>>,
    status: Arc<AtomicU16>,
}

impl Inbox {
    /// Starts on a free port and answers 200.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> Result<Self> {
        let shelf = Shelf {
            letters: Arc::default(),
            status: Arc::new(AtomicU16::new(StatusCode::OK.as_u16())),
        };
        let router = Router::new().fallback(take).with_state(shelf.clone());
        Ok(Self { server: Server::start(router).await?, shelf })
    }

    /// An address of this server.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address)
    }

    /// Answers with this status from now on. A letter is kept whatever it is answered.
    pub fn answer(&self, status: u16) {
        self.shelf.status.store(status, Ordering::SeqCst);
    }

    /// All letters that came under a path, the oldest first.
    pub fn letters(&self, path: &str) -> Vec<Letter> {
        lock(&self.shelf.letters).iter().filter(|letter| letter.path == path).cloned().collect()
    }
}

async fn take(State(shelf): State<Shelf>, uri: Uri, headers: HeaderMap, body: Bytes) -> StatusCode {
    let text = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        value.to_str().ok().map(|value| (name.as_str().to_owned(), value.to_owned()))
    };
    let headers = headers.iter().filter_map(text).collect();
    let letter = Letter { path: uri.path().to_owned(), headers, body: body.to_vec() };
    lock(&shelf.letters).push(letter);
    StatusCode::from_u16(shelf.status.load(Ordering::SeqCst)).unwrap_or(StatusCode::OK)
}
