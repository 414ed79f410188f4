//! Who may read and who may change something.
//!
//! Reads are open on the keeper's own machine, unless `http.open_reads` closes them: the peer is loopback, nothing says that it speaks
//! for somebody else, and the `Host` header names loopback too. The last is the guard against DNS
//! rebinding, where a page of another site has its own name point here: the browser then sends that
//! name. Everything else needs the operator token, as a bearer token or through a login, which
//! gives a cookie that no script and no other site can use. Without a configured token nothing can
//! be changed by anyone.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use alloy::primitives::{B256, hex, keccak256};
use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

use super::{Surface, failure::ApiError};

/// How long a login lasts.
pub(super) const SESSION: Duration = Duration::from_hours(12);
/// Logins at once; beyond, the oldest ends.
const MAX_SESSIONS: usize = 64;
/// Name of the login cookie.
const COOKIE: &str = "ballast-session";
/// Headers by which a proxy on this machine says that it speaks for somebody else.
const FORWARDED: [&str; 3] = ["forwarded", "x-forwarded-for", "x-real-ip"];

/// What the operator token opens. Keeps digests only, so comparing takes the same time whatever
/// is sent, and a dump of the memory does not hold a login.
#[derive(Debug)]
pub(crate) struct Access {
    token: Option<B256>,
    open_reads: bool,
    sessions: Mutex<HashMap<B256, Instant>>,
}

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) may_read: bool,
    pub(super) may_write: bool,
    /// Through a login on the page, rather than by the token itself.
    pub(super) by_cookie: bool,
}

impl Access {
    /// Access by this token, and for reads from this machine if they are open.
    pub(crate) fn new(token: Option<&SecretString>, open_reads: bool) -> Self {
        let token = token.map(|token| digest(token.expose_secret()));
        Self { token, open_reads, sessions: Mutex::default() }
    }

    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether this is the operator token.
    pub(super) fn is_token(&self, sent: &str) -> bool {
        self.token.is_some_and(|token| same(token, digest(sent)))
    }

    /// Starts a login and gives the value of its cookie.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(super) fn login(&self) -> Result<String, ApiError> {
        let mut secret = [0_u8; 32];
        let random = rustls::crypto::ring::default_provider().secure_random;
        random
            .fill(&mut secret)
            .map_err(|_| ApiError::Store("the system gives no random numbers".to_owned()))?;
        let secret = hex::encode(secret);
        let mut sessions = self.sessions();
        let now = Instant::now();
        sessions.retain(|_, end| *end > now);
        if sessions.len() >= MAX_SESSIONS
            && let Some(oldest) = sessions.iter().min_by_key(|(_, end)| **end).map(|(id, _)| *id)
        {
            sessions.remove(&oldest);
        }
        sessions.insert(digest(&secret), now.checked_add(SESSION).unwrap_or(now));
        Ok(secret)
    }

    /// Ends the login of these headers, if there is one.
    pub(super) fn logout(&self, headers: &HeaderMap) {
        if let Some(secret) = cookie(headers) {
            self.sessions().remove(&digest(secret));
        }
    }

    /// What a request may do.
    ///
    /// # Errors
    /// When it carries a token that is wrong: that is told rather than passed over.
    pub(super) fn caller(&self, headers: &HeaderMap, peer: SocketAddr) -> Result<Caller, ApiError> {
        if let Some(sent) = headers.get(header::AUTHORIZATION) {
            let sent = sent.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
            return match sent {
                Some(_) if !self.has_token() => Err(ApiError::NoTokenConfigured),
                Some(sent) if self.is_token(sent.trim()) => {
                    Ok(Caller { may_read: true, may_write: true, by_cookie: false })
                }
                Some(_) | None => Err(ApiError::WrongToken),
            };
        }
        let by_cookie = cookie(headers).is_some_and(|secret| {
            let end = self.sessions().get(&digest(secret)).copied();
            end.is_some_and(|end| end > Instant::now())
        });
        let may_read = by_cookie || (self.open_reads && is_local(headers, peer));
        Ok(Caller { may_read, may_write: by_cookie, by_cookie })
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<B256, Instant>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The header that gives a browser its login, or takes it.
pub(super) fn set_cookie(secret: Option<&str>, headers: &HeaderMap) -> String {
    // A proxy in front that ends TLS says so; without TLS the browser would not send it back.
    let proto = headers.get("x-forwarded-proto").and_then(|proto| proto.to_str().ok());
    let secure = if proto == Some("https") { "; Secure" } else { "" };
    let (value, age) = secret.map_or(("", 0), |secret| (secret, SESSION.as_secs()));
    format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age}{secure}")
}

/// Lets reads through to whoever may read.
pub(super) async fn reads(
    State(surface): State<Surface>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    match surface.access.caller(request.headers(), peer) {
        Ok(caller) if caller.may_read => next.run(request).await,
        Ok(_) => ApiError::ReadsNeedToken.into_response(),
        Err(error) => error.into_response(),
    }
}

/// Lets calls that change something through to whoever has the token.
pub(super) async fn writes(
    State(surface): State<Surface>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let access = &surface.access;
    if !access.has_token() {
        return ApiError::NoTokenConfigured.into_response();
    }
    match access.caller(request.headers(), peer) {
        Ok(caller) if !caller.may_write => ApiError::WritesNeedToken.into_response(),
        Ok(caller) if caller.by_cookie && is_foreign(request.headers()) => {
            ApiError::ForeignOrigin.into_response()
        }
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}

/// Whether the request comes from this machine and was meant for it.
fn is_local(headers: &HeaderMap, peer: SocketAddr) -> bool {
    let forwarded = FORWARDED.iter().any(|name| headers.contains_key(*name));
    peer.ip().to_canonical().is_loopback() && !forwarded && names_loopback(headers)
}

fn names_loopback(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else {
        return false;
    };
    // `[::1]:8420`, `127.0.0.1:8420`, `localhost`: the port does not matter.
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(address, _)| address),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let loopback = |address: IpAddr| address.to_canonical().is_loopback();
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(loopback)
}

/// Whether a page of another site made the browser send this.
fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match (headers.get(header::ORIGIN), text(header::HOST)) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(_), Some(host)) => {
            let origin = text(header::ORIGIN).unwrap_or_default();
            origin.split_once("://").map(|(_, authority)| authority) != Some(host)
        }
    }
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).into_iter();
    let pairs = all.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE).then_some(value))
}

fn digest(text: &str) -> B256 {
    keccak256(text.as_bytes())
}

/// Compares without stopping at the first difference.
fn same(a: B256, b: B256) -> bool {
    a.iter().zip(b.iter()).fold(0_u8, |difference, (x, y)| difference | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    fn access() -> Access {
        Access::new(Some(&TOKEN.into()), true)
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn peer(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    #[test]
    fn reads_are_open_only_to_this_machine_under_its_own_name() {
        let here = peer("127.0.0.1:5");
        for host in ["localhost", "LOCALHOST:8420", "127.0.0.1:8420", "127.9.9.9", "[::1]:8420"] {
            let caller = access().caller(&headers(&[("host", host)]), here).unwrap();
            assert!(caller.may_read && !caller.may_write, "{host}");
        }
        for host in ["evil.example:8420", "localhost.evil.example", "10.0.0.1", "", "[::2]:8420"] {
            let caller = access().caller(&headers(&[("host", host)]), here).unwrap();
            assert!(!caller.may_read && !caller.may_write, "{host}");
        }
        assert!(!access().caller(&headers(&[]), here).unwrap().may_read, "no name at all");
        let local = [("host", "localhost")];
        assert!(!access().caller(&headers(&local), peer("10.0.0.7:5")).unwrap().may_read);
        assert!(access().caller(&headers(&local), peer("[::ffff:127.0.0.1]:5")).unwrap().may_read);
        let proxied = [("host", "localhost"), ("x-forwarded-for", "10.0.0.7")];
        assert!(!access().caller(&headers(&proxied), here).unwrap().may_read);
        let closed = Access::new(Some(&TOKEN.into()), false);
        assert!(!closed.caller(&headers(&local), here).unwrap().may_read);
        let token = [("host", "localhost"), ("authorization", "Bearer 0123456789abcdef")];
        assert!(closed.caller(&headers(&token), here).unwrap().may_read);
    }

    #[test]
    fn the_token_opens_everything_from_anywhere_and_a_wrong_one_nothing() {
        let far = peer("10.0.0.7:5");
        let with = |value: &str| headers(&[("authorization", value), ("host", "keeper.example")]);
        let caller = access().caller(&with("Bearer 0123456789abcdef"), far).unwrap();
        assert!(caller.may_read && caller.may_write && !caller.by_cookie);
        for wrong in ["Bearer 0123456789abcdeg", "Bearer ", "Basic 0123456789abcdef", "Bearer"] {
            assert_eq!(access().caller(&with(wrong), far), Err(ApiError::WrongToken), "{wrong}");
        }
        let none = Access::new(None, true);
        assert_eq!(
            none.caller(&with("Bearer 0123456789abcdef"), far),
            Err(ApiError::NoTokenConfigured)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_login_lasts_until_it_is_over_or_ended() {
        let (access, far) = (access(), peer("10.0.0.7:5"));
        let secret = access.login().unwrap();
        let with = |secret: &str| headers(&[("cookie", &format!("a=b; ballast-session={secret}"))]);
        let caller = access.caller(&with(&secret), far).unwrap();
        assert!(caller.may_read && caller.may_write && caller.by_cookie);
        assert!(!access.caller(&with("00"), far).unwrap().may_write);
        access.logout(&with(&secret));
        assert!(!access.caller(&with(&secret), far).unwrap().may_write);

        let second = access.login().unwrap();
        tokio::time::advance(SESSION).await;
        assert!(!access.caller(&with(&second), far).unwrap().may_write, "12 hours later");
        let third = access.login().unwrap();
        for _ in 0..MAX_SESSIONS {
            tokio::time::advance(Duration::from_secs(1)).await;
            access.login().unwrap();
        }
        assert!(!access.caller(&with(&third), far).unwrap().may_write, "64 logins later");
        assert_eq!(access.sessions().len(), MAX_SESSIONS);
    }

    #[test]
    fn a_page_of_another_site_is_told_apart() {
        let origin = |origin: &str| headers(&[("host", "localhost:8420"), ("origin", origin)]);
        assert!(!is_foreign(&origin("http://localhost:8420")));
        assert!(!is_foreign(&headers(&[("host", "localhost:8420")])));
        for foreign in ["http://evil.example", "http://localhost:8421", "null"] {
            assert!(is_foreign(&origin(foreign)), "{foreign}");
        }
    }

    #[test]
    fn the_cookie_is_for_this_site_and_no_script() {
        let cookie = set_cookie(Some("ab"), &headers(&[("x-forwarded-proto", "https")]));
        assert_eq!(
            cookie,
            "ballast-session=ab; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200; Secure"
        );
        assert!(set_cookie(None, &headers(&[])).ends_with("Max-Age=0"));
    }
}
