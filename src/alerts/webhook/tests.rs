//! Delivery against a receiver that answers as told.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use tokio::{net::TcpListener, sync::mpsc, task::JoinSet};

use super::*;
use crate::alerts::Subject;

/// One request as it arrived.
#[derive(Debug)]
struct Arrived {
    delivery: String,
    signature: Option<String>,
    body: Bytes,
}

#[derive(Clone)]
struct Script {
    answers: Arc<Mutex<VecDeque<u16>>>,
    arrived: mpsc::Sender<Arrived>,
}

async fn receive(State(script): State<Script>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let delivery = text("x-ballast-delivery").unwrap();
    let signature = text("x-ballast-signature");
    script.arrived.send(Arrived { delivery, signature, body }).await.unwrap();
    let code = script.answers.lock().unwrap().pop_front().unwrap_or(200);
    StatusCode::from_u16(code).unwrap()
}

struct World {
    receiver: Receiver,
    arrived: mpsc::Receiver<Arrived>,
    _tasks: JoinSet<()>,
}

async fn world(answers: &[u16], secret: Option<&str>, least: Severity) -> World {
    drop(rustls::crypto::ring::default_provider().install_default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook/t0ken", listener.local_addr().unwrap());
    let (sender, arrived) = mpsc::channel(16);
    let answers = Arc::new(Mutex::new(answers.iter().copied().collect()));
    let app = Router::new()
        .route("/hook/t0ken", post(receive))
        .with_state(Script { answers, arrived: sender });
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, app).await.unwrap() });
    let config = NotifyConfig {
        name: "notify[0]".into(),
        url: url.parse().unwrap(),
        secret: secret.map(|_| crate::config::Secret::Env("SIGNING".into())),
        min_severity: least,
    };
    let environment = [("SIGNING", secret.unwrap_or_default())].into_iter().collect();
    let (receiver, mut courier) = Receiver::new(&config, &environment).unwrap();
    courier.first_wait = Duration::from_millis(1);
    tasks.spawn(courier.run(CancellationToken::new()));
    World { receiver, arrived, _tasks: tasks }
}

fn notice(condition: &'static str, severity: Severity) -> Notice {
    Notice {
        subject: Subject::Product("eth2x-fli".into()),
        condition,
        status: crate::alerts::Status::Raised,
        severity,
        summary: "something".into(),
        detail: "figures".into(),
        since: 10,
        at: 11,
    }
}

#[tokio::test]
async fn a_notice_arrives_as_json_and_its_signature_verifies() {
    let mut world = world(&[], Some("s3cret"), Severity::Info).await;
    world.receiver.offer(&notice("halted", Severity::Critical));
    let arrived = world.arrived.recv().await.unwrap();
    let body: serde_json::Value = serde_json::from_slice(&arrived.body).unwrap();
    assert_eq!(body["subject"], serde_json::json!({"kind": "product", "name": "eth2x-fli"}));
    assert_eq!(body["condition"], "halted");
    assert_eq!((&body["status"], &body["severity"]), (&"raised".into(), &"critical".into()));
    assert_eq!(body["delivery"], arrived.delivery.as_str());
    let signature = arrived.signature.unwrap();
    let (time, hex) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(b"s3cret").unwrap();
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(&arrived.body);
    mac.verify_slice(&alloy::hex::decode(hex).unwrap()).unwrap();
}

#[test]
fn the_signature_is_hmac_sha256_over_time_and_body() {
    let signed = signature(&SecretString::from("key"), 1, b"{}");
    // By `printf '1.{}' | openssl dgst -sha256 -hmac key`.
    assert_eq!(signed, "t=1,v1=1ba6b8171186efc613e8bcc0cbdab2748f24984d7c5a84faa2637afa0e40d224");
    assert_ne!(signed, signature(&SecretString::from("key"), 2, b"{}"));
    assert_ne!(signed, signature(&SecretString::from("yek"), 1, b"{}"));
}

#[tokio::test]
async fn trouble_is_tried_again_with_the_same_delivery_and_order_is_kept() {
    let mut world = world(&[503, 429, 200], None, Severity::Info).await;
    world.receiver.offer(&notice("first", Severity::Warning));
    world.receiver.offer(&notice("second", Severity::Warning));
    let mut deliveries = Vec::new();
    for _ in 0..4 {
        let arrived = world.arrived.recv().await.unwrap();
        assert_eq!(arrived.signature, None);
        deliveries.push(arrived.delivery);
    }
    assert_eq!(deliveries[0], "product eth2x-fli/first/raised/11");
    assert!(deliveries[..3].iter().all(|delivery| *delivery == deliveries[0]), "{deliveries:?}");
    assert_eq!(deliveries[3], "product eth2x-fli/second/raised/11");
}

#[tokio::test]
async fn what_the_receiver_refuses_for_good_does_not_hold_up_the_next() {
    let mut world = world(&[410], None, Severity::Info).await;
    world.receiver.offer(&notice("first", Severity::Warning));
    world.receiver.offer(&notice("second", Severity::Warning));
    assert!(world.arrived.recv().await.unwrap().delivery.contains("/first/"));
    assert!(world.arrived.recv().await.unwrap().delivery.contains("/second/"));
}

#[tokio::test]
async fn less_severe_ones_are_not_sent() {
    let mut world = world(&[], None, Severity::Critical).await;
    world.receiver.offer(&notice("quiet", Severity::Warning));
    world.receiver.offer(&notice("loud", Severity::Critical));
    assert!(world.arrived.recv().await.unwrap().delivery.contains("/loud/"));
}

#[tokio::test]
async fn a_full_queue_drops_the_newest_and_never_waits() {
    let config = NotifyConfig {
        name: "notify[0]".into(),
        url: "http://127.0.0.1:9/".parse().unwrap(),
        secret: None,
        min_severity: Severity::Info,
    };
    drop(rustls::crypto::ring::default_provider().install_default());
    let (receiver, mut courier) = Receiver::new(&config, &Environment::default()).unwrap();
    for _ in 0..QUEUE + 10 {
        receiver.offer(&notice("flood", Severity::Warning));
    }
    receiver.offer(&notice("last", Severity::Warning));
    let mut waiting = 0;
    while let Ok(delivery) = courier.queue.try_recv() {
        assert_eq!(delivery.notice.condition, "flood");
        waiting += 1;
    }
    assert_eq!(waiting, QUEUE);
}

#[test]
fn addresses_do_not_show_in_debug() {
    let config = NotifyConfig {
        name: "notify[0]".into(),
        url: "https://hooks.example/t0ken".parse().unwrap(),
        secret: None,
        min_severity: Severity::Info,
    };
    assert!(!format!("{config:?}").contains("t0ken"));
}
