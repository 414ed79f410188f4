//! The keeper that runs, as the other commands talk to it: through its HTTP API, found by the same
//! files that it runs with.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use eyre::{Report, Result, WrapErr, bail, eyre};
use reqwest::{Method, StatusCode, redirect};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Serialize, de::DeserializeOwned};
use url::Url;

use crate::{
    config::{Config, Environment},
    http::api::{
        AssessAnswer, AssessOrder, Chains, Failure, Lives, OrderAnswer, PauseOrder, Product,
        ProductDetail, Products, Session, Transactions,
    },
    submission::TransactionFilter,
};

/// How long it may take to see whether somebody listens.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// How long one answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// What a keeper says that wants the token.
const TOKEN_REQUIRED: &str = "token_required";

/// A keeper that answers.
#[derive(Debug)]
pub(super) struct Keeper {
    http: reqwest::Client,
    base: Url,
    token: Option<SecretString>,
    /// Whether it has a token to compare with.
    wants_token: bool,
}

impl Keeper {
    /// The keeper that these files describe; `None` if nobody listens where it would.
    ///
    /// # Errors
    /// When somebody listens there who is no keeper or does not answer.
    pub(super) async fn find(config: &Config, environment: &Environment) -> Result<Option<Self>> {
        let Some(base) = base(config.http.listen)? else { return Ok(None) };
        // Without it, reads still work on this machine; the keeper says what does not.
        let token = config.http.token.as_ref();
        let token = token.and_then(|secret| secret.resolve(environment).ok());
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_WITHIN)
            .timeout(ANSWER_WITHIN)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()
            .wrap_err("making an HTTP client")?;
        let mut keeper = Self { http, base, token, wants_token: false };
        let asked: Result<Session> = keeper.get("api/v1/session", &[]).await;
        match asked {
            Ok(session) => {
                keeper.wants_token = session.token_configured;
                Ok(Some(keeper))
            }
            Err(error) if is_nobody(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Where it answers.
    pub(super) fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Whether there is a token on both sides, without which no order is taken.
    pub(super) fn takes_orders(&self) -> bool {
        self.wants_token && self.token.is_some()
    }

    pub(super) async fn products(&self) -> Result<Products> {
        self.get("api/v1/products", &[]).await
    }

    pub(super) async fn product(&self, name: &str) -> Result<ProductDetail> {
        self.get(&format!("api/v1/products/{name}"), &[]).await
    }

    pub(super) async fn chains(&self) -> Result<Chains> {
        self.get("api/v1/chains", &[]).await
    }

    pub(super) async fn transactions(&self, filter: &TransactionFilter) -> Result<Transactions> {
        let mut query = vec![("limit", filter.limit.to_string())];
        let given =
            [("product", &filter.product), ("chain", &filter.chain), ("state", &filter.state)];
        query.extend(given.into_iter().filter_map(|(key, value)| Some((key, value.clone()?))));
        self.get("api/v1/transactions", &query).await
    }

    /// The lives of the transactions that are meant; at least one.
    pub(super) async fn lives(&self, which: &str, product: Option<&str>) -> Result<Lives> {
        let query: Vec<_> = product.map(|name| ("product", name.to_owned())).into_iter().collect();
        self.get(&format!("api/v1/transactions/{which}"), &query).await
    }

    pub(super) async fn assess(&self, product: &str, dry_run: bool) -> Result<AssessAnswer> {
        self.post(&format!("api/v1/products/{product}/assess"), &AssessOrder { dry_run }).await
    }

    /// `order` is `bump` or `cancel`.
    pub(super) async fn order_pending(
        &self,
        order: &str,
        product: &str,
        body: &PauseOrder,
    ) -> Result<OrderAnswer> {
        self.post(&format!("api/v1/products/{product}/{order}"), body).await
    }

    /// `order` is `pause` or `resume`; without a product it is for all.
    pub(super) async fn order(
        &self,
        order: &str,
        product: Option<&str>,
        body: &PauseOrder,
    ) -> Result<Vec<Product>> {
        match product {
            Some(name) => {
                let path = format!("api/v1/products/{name}/{order}");
                Ok(vec![self.post(&path, body).await?])
            }
            None => {
                let all: Products = self.post(&format!("api/v1/{order}"), body).await?;
                Ok(all.products)
            }
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, String)]) -> Result<T> {
        let mut url = self.base.join(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let (status, body) = self.ask(self.http.request(Method::GET, url.clone())).await?;
        // Whoever listens there gets the token only once it asks for it.
        let wants_token = status == StatusCode::UNAUTHORIZED
            && serde_json::from_slice::<Failure>(&body)
                .is_ok_and(|said| said.error.code == TOKEN_REQUIRED);
        match &self.token {
            Some(_) if wants_token => self.send(self.http.request(Method::GET, url)).await,
            Some(_) | None => self.read(status, &body),
        }
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        let url = self.base.join(path)?;
        self.send(self.http.request(Method::POST, url).json(body)).await
    }

    /// With the token.
    async fn send<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token.expose_secret()),
            None => request,
        };
        let (status, body) = self.ask(request).await?;
        self.read(status, &body)
    }

    /// One exchange, as it is.
    async fn ask(&self, request: reqwest::RequestBuilder) -> Result<(StatusCode, Vec<u8>)> {
        let asked = async {
            let answer = request.send().await?;
            Ok::<_, reqwest::Error>((answer.status(), answer.bytes().await?.into()))
        };
        asked.await.wrap_err_with(|| format!("asking the keeper at {}", self.url()))
    }

    fn read<T: DeserializeOwned>(&self, status: StatusCode, body: &[u8]) -> Result<T> {
        if status != StatusCode::OK {
            bail!(self.refusal(status, body));
        }
        serde_json::from_slice(body).map_err(|_| {
            eyre!("what answers at {} is no keeper of this version (http.listen)", self.url())
        })
    }

    /// What a refusal says, and what an operator can do about it.
    fn refusal(&self, status: StatusCode, body: &[u8]) -> Report {
        let said: Option<Failure> = serde_json::from_slice(body).ok();
        let Some(said) = said else {
            return eyre!("what answers at {} is no keeper: HTTP status {status}", self.url());
        };
        let hint = if status == StatusCode::UNAUTHORIZED && self.token.is_none() {
            " (http.token is not set in ballast.toml, or its secret cannot be read here)"
        } else {
            ""
        };
        eyre!("the keeper at {} refuses: {}{hint}", self.url(), said.error.message)
    }
}

/// Nobody listens, which is no failure.
fn is_nobody(error: &Report) -> bool {
    error.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_connect)
}

/// Where a keeper with this setting is reached from here; `None` if its port is not known.
fn base(listen: SocketAddr) -> Result<Option<Url>> {
    if listen.port() == 0 {
        return Ok(None);
    }
    // "Every address" is reached through the nearest.
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    Ok(Some(Url::parse(&format!("http://{}/", SocketAddr::new(ip, listen.port())))?))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::http::HeaderMap;
    use tokio::task::JoinSet;

    use super::*;

    /// Answers every path with an empty list of products, as a keeper does, and notes who sent the
    /// token; with `closed`, whoever does not is refused.
    async fn listening(closed: bool) -> (Keeper, Arc<Mutex<Vec<bool>>>, JoinSet<()>) {
        drop(rustls::crypto::ring::default_provider().install_default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = base(listener.local_addr().unwrap()).unwrap().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&seen);
        let app = axum::Router::new().fallback(async move |headers: HeaderMap| {
            let sent = headers.contains_key("authorization");
            noted.lock().unwrap().push(sent);
            if closed && !sent {
                let said = r#"{"error":{"code":"token_required","message":"no"}}"#;
                return (StatusCode::UNAUTHORIZED, said);
            }
            (StatusCode::OK, r#"{"products":[]}"#)
        });
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, app).await.unwrap() });
        let token = Some("0123456789abcdef".into());
        (Keeper { http: reqwest::Client::new(), base, token, wants_token: true }, seen, serving)
    }

    #[tokio::test]
    async fn the_token_is_sent_with_orders_and_to_who_asks_for_it_only() {
        let (keeper, seen, _serving) = listening(false).await;
        keeper.products().await.unwrap();
        assert_eq!(*seen.lock().unwrap(), [false]);
        keeper.order("pause", None, &PauseOrder::default()).await.unwrap();
        assert_eq!(*seen.lock().unwrap(), [false, true]);

        let (keeper, seen, _serving) = listening(true).await;
        keeper.products().await.unwrap();
        assert_eq!(*seen.lock().unwrap(), [false, true]);
    }

    #[test]
    fn a_keeper_is_found_where_it_listens() {
        for (listen, expected) in [
            ("127.0.0.1:8420", Some("http://127.0.0.1:8420/")),
            ("0.0.0.0:8420", Some("http://127.0.0.1:8420/")),
            ("[::]:8420", Some("http://[::1]:8420/")),
            ("10.0.0.7:80", Some("http://10.0.0.7/")),
            ("127.0.0.1:0", None),
        ] {
            let found = base(listen.parse().unwrap()).unwrap();
            assert_eq!(found.as_ref().map(Url::as_str), expected);
        }
    }
}
