//! The surface over a real listener: who may do what, and answers that fit their description.

mod described;

use std::{fs, sync::Arc, time::Duration};

use reqwest::{Client, Method, StatusCode, header};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::*;
use crate::{
    config::{Config, Environment, Secrets},
    registry::strategies,
    runtime::{readiness::Readiness, wire},
};

const TOKEN: &str = "0123456789abcdef";
const WITHIN: Duration = Duration::from_secs(10);

/// A surface that is served, over a store on disk and a chain that nobody answers for.
struct World {
    base: String,
    client: Client,
    surface: Surface,
    dir: TempDir,
    serving: JoinSet<Result<()>>,
}

impl World {
    async fn start(token: Option<&str>) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let dir = tempfile::tempdir().unwrap();
        for folder in ["chains", "products"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let chain = "chain_id = 1\nrpc = [\"http://127.0.0.1:9\"]\n";
        fs::write(dir.path().join("chains/local.toml"), chain).unwrap();
        for (name, last, more) in [("one", 1, ""), ("two", 2, "paused = true\n")] {
            let product = format!(
                "strategy = \"fli\"\nchain = \"local\"\n{more}[wallet]\n\
                 address = \"0x000000000000000000000000000000000000000{last}\"\n\
                 [params]\nextension = \"0x0000000000000000000000000000000000000009\"\n"
            );
            fs::write(dir.path().join(format!("products/{name}.toml")), product).unwrap();
        }
        let registry = Arc::new(strategies());
        let nothing = Environment::default();
        let config = Config::load(dir.path(), &nothing, &registry, Secrets::Resolve).unwrap();
        let config = Arc::new(config);
        let board = Board::default();
        let groups = wire(&config, &registry, &nothing, &board).unwrap();
        board.enter_chain("local");
        let store = Store::open(&dir.path().join("keeper.db")).await.unwrap();
        let surface = Surface {
            facts: Arc::new(Facts::of(&groups)),
            board,
            pauses: Pauses::load(&store).await.unwrap(),
            store,
            orders: Orders::default(),
            events: Events::default(),
            metrics: metrics_exporter_prometheus::PrometheusBuilder::new()
                .build_recorder()
                .handle(),
            access: Arc::new(Access::new(token.map(Into::into).as_ref(), true)),
            streams: Streams::default(),
            stop: CancellationToken::new(),
            readiness: Readiness::new(&config),
            books: Arc::new(crate::finance::Facts::of(&config)),
        };
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, surface.clone()));
        Self { base, client: Client::new(), surface, dir, serving }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).timeout(WITHIN)
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        answer(self.request(Method::GET, path)).await
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        answer(self.request(Method::POST, path).bearer_auth(TOKEN).json(&body)).await
    }

    async fn stop(mut self) {
        self.surface.stop.cancel();
        let ended = tokio::time::timeout(WITHIN, self.serving.join_next()).await;
        ended.expect("it ends at a stop").unwrap().unwrap().unwrap();
        self.surface.store.close().await;
        drop(self.dir);
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let status = response.status();
    (status, response.json().await.unwrap_or_default())
}

fn code(answer: &(StatusCode, Value)) -> (u16, &str) {
    (answer.0.as_u16(), answer.1["error"]["code"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn nothing_is_changed_without_the_token() {
    let world = World::start(Some(TOKEN)).await;
    for path in ["/api/v1/products/one/pause", "/api/v1/products/one/resume", "/api/v1/pause"] {
        let bare = answer(world.request(Method::POST, path)).await;
        assert_eq!(code(&bare), (401, "token_required"), "{path}");
        let wrong = world.request(Method::POST, path).bearer_auth("0123456789abcdeX");
        assert_eq!(code(&answer(wrong).await), (401, "wrong_token"), "{path}");
    }
    assert!(!world.surface.pauses.holds("one"));
    world.stop().await;

    let world = World::start(None).await;
    let refused = world.post("/api/v1/products/one/pause", json!({})).await;
    assert_eq!(code(&refused), (403, "no_token_configured"));
    assert!(refused.1["error"]["message"].as_str().unwrap().contains("http.token"), "{refused:?}");
    let login = answer(world.request(Method::POST, "/api/v1/login").json(&json!({"token": "x"})));
    assert_eq!(code(&login.await), (403, "no_token_configured"));
    assert_eq!(world.get("/api/v1/products").await.0, StatusCode::OK, "reads are open here");
    assert!(!world.surface.pauses.holds("one"));
    world.stop().await;
}

#[tokio::test]
async fn an_operator_pauses_and_resumes_and_a_file_wins() {
    let world = World::start(Some(TOKEN)).await;
    let order = json!({"reason": "gas is dear", "who": "ann"});
    let (status, paused) = world.post("/api/v1/products/one/pause", order).await;
    assert_eq!((status, &paused["health"]), (StatusCode::OK, &json!("paused")));
    assert_eq!(paused["paused"]["who"], "ann");
    assert_eq!(paused["paused"]["reason"], "gas is dear");
    assert_eq!(paused["paused"]["by_file"], false);
    assert!(world.surface.pauses.holds("one"));
    assert_eq!(world.surface.store.open_pauses().await.unwrap().len(), 1, "durable");

    let (_, resumed) = world.post("/api/v1/products/one/resume", json!({})).await;
    assert_eq!((&resumed["paused"], resumed.get("note")), (&Value::Null, None));
    let (_, by_file) = world.post("/api/v1/products/two/resume", json!({})).await;
    assert_eq!(by_file["paused"]["by_file"], true);
    assert!(by_file["note"].as_str().unwrap().contains("two stays paused"), "{by_file}");

    let (_, all) = world.post("/api/v1/pause", json!({})).await;
    let healths: Vec<_> =
        all["products"].as_array().unwrap().iter().map(|p| &p["health"]).collect();
    assert_eq!(healths, ["paused", "paused"]);
    world.post("/api/v1/resume", json!({})).await;
    assert!(!world.surface.pauses.holds("one") && !world.surface.pauses.holds("two"));

    let missing = world.post("/api/v1/products/none/pause", json!({})).await;
    assert_eq!(code(&missing), (404, "not_found"));
    for bad in [
        json!({"reason": "x".repeat(201)}),
        json!({"reson": "typo"}),
        json!("stop"),
        json!({"who": "a\nb"}),
    ] {
        let refused = world.post("/api/v1/products/one/pause", bad).await;
        assert_eq!(code(&refused), (400, "bad_request"));
    }
    assert!(!world.surface.pauses.holds("one"), "a refused call changes nothing");
    world.stop().await;
}

#[tokio::test]
async fn a_login_opens_writes_for_this_site_only() {
    let world = World::start(Some(TOKEN)).await;
    let login = |token: &str| {
        world.request(Method::POST, "/api/v1/login").json(&json!({ "token": token })).send()
    };
    assert_eq!(login("not-the-token-at-all").await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let response = login(TOKEN).await.unwrap();
    let set = response.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict"), "{set}");
    let cookie = set.split(';').next().unwrap().to_owned();
    let pause = |origin: String| {
        let request = world.request(Method::POST, "/api/v1/products/one/pause");
        answer(request.header(header::COOKIE, &cookie).header(header::ORIGIN, origin))
    };
    assert_eq!(code(&pause("http://evil.example".into()).await), (403, "foreign_origin"));
    assert!(!world.surface.pauses.holds("one"));
    let (status, paused) = pause(world.base.clone()).await;
    assert_eq!(status, StatusCode::OK, "{paused}");
    assert_eq!(paused["paused"]["who"], "an operator on the page");

    let logout = world.request(Method::POST, "/api/v1/logout").header(header::COOKIE, &cookie);
    assert_eq!(logout.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(code(&pause(world.base.clone()).await), (401, "token_required"));
    world.stop().await;
}

#[tokio::test]
async fn another_name_for_this_machine_reads_nothing_without_the_token() {
    let world = World::start(Some(TOKEN)).await;
    let rebound =
        |path: &str| world.request(Method::GET, path).header(header::HOST, "evil.example:8420");
    for path in
        ["/api/v1/products", "/api/v1/chains", "/api/v1/transactions", "/metrics", "/api/v1/events"]
    {
        let refused = answer(rebound(path)).await;
        assert_eq!(code(&refused), (401, "token_required"), "{path}");
        assert_eq!(rebound(path).bearer_auth(TOKEN).send().await.unwrap().status(), 200, "{path}");
    }
    for path in ["/healthz", "/", "/api/v1/session", "/api/v1/openapi.json"] {
        assert_eq!(rebound(path).send().await.unwrap().status(), StatusCode::OK, "{path}");
    }
    world.stop().await;
}

#[tokio::test]
async fn every_answer_is_guarded_and_every_failure_is_json() {
    let world = World::start(Some(TOKEN)).await;
    for path in ["/", "/assets/app.js", "/api/v1/products", "/nowhere", "/healthz"] {
        let response = world.request(Method::GET, path).send().await.unwrap();
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        let policy = header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("x-frame-options"), "DENY", "{path}");
    }
    assert_eq!(code(&world.get("/nowhere").await), (404, "not_found"));
    assert_eq!(code(&world.get("/api/v1/products/none").await), (404, "not_found"));
    let wrong = answer(world.request(Method::DELETE, "/api/v1/products")).await;
    assert_eq!(code(&wrong), (405, "wrong_method"));
    for query in ["limit=0", "limit=201", "limit=x", "state=lost", "cursor=1-2", "colour=red"] {
        let refused = world.get(&format!("/api/v1/transactions?{query}")).await;
        assert_eq!(code(&refused), (400, "bad_request"), "{query}");
    }
    assert_eq!(code(&world.get("/api/v1/products/one?span=0").await), (400, "bad_request"));
    let long = json!({ "reason": "x".repeat(limits::MAX_BODY) });
    assert_eq!(code(&world.post("/api/v1/pause", long).await), (413, "too_long"));
    world.stop().await;
}

/// Anyone may begin a login. Whoever does not finish it takes nobody's seat.
#[tokio::test]
async fn logins_that_never_send_their_body_keep_nobody_else_waiting() {
    use tokio::io::AsyncWriteExt as _;
    let world = World::start(Some(TOKEN)).await;
    let address = world.base.trim_start_matches("http://");
    let begun = "POST /api/v1/login HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n";
    let mut dawdlers = Vec::new();
    for _ in 0..100 {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(begun.as_bytes()).await.unwrap();
        dawdlers.push(stream);
    }
    for _ in 0..30 {
        assert_eq!(world.get("/api/v1/products").await.0, StatusCode::OK);
    }
    let login = world.request(Method::POST, "/api/v1/login").json(&json!({ "token": TOKEN }));
    assert_eq!(login.send().await.unwrap().status(), StatusCode::OK);
    drop(dawdlers);
    world.stop().await;
}

#[tokio::test]
async fn an_unchanged_file_of_the_page_is_not_sent_again() {
    let world = World::start(None).await;
    let first = world.request(Method::GET, "/assets/app.js").send().await.unwrap();
    let tag = first.headers()[header::ETAG].clone();
    let again = world.request(Method::GET, "/assets/app.js").header(header::IF_NONE_MATCH, tag);
    assert_eq!(again.send().await.unwrap().status(), StatusCode::NOT_MODIFIED);
    world.stop().await;
}

#[tokio::test]
async fn the_stream_tells_a_pause_and_ends_with_the_keeper() {
    let world = World::start(Some(TOKEN)).await;
    let mut stream = world.request(Method::GET, EVENTS_PATH).send().await.unwrap();
    let mut heard = String::new();
    let mut paused = false;
    while !heard.contains("\"by_operator\":true") {
        let chunk = stream.chunk().await.unwrap().expect("the stream goes on");
        heard.push_str(std::str::from_utf8(&chunk).unwrap());
        if heard.contains("event: hello") && !std::mem::replace(&mut paused, true) {
            world.post("/api/v1/products/one/pause", json!({})).await;
        }
    }
    assert!(heard.contains("event: product"), "{heard}");
    world.surface.stop.cancel();
    while stream.chunk().await.unwrap().is_some() {}
    world.stop().await;
}
