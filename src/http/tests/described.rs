//! `openapi.json` against the routes and against real answers, by as much of JSON Schema as it
//! uses.

use alloy::primitives::{B256, I256, U256};
use ballast_chains::Head;
use ballast_strategy_api::{Observation, Unit};

use super::*;
use crate::{
    runtime::{Balance, LastDecision},
    store::{DecisionRow, SeriesRecorder},
    submission::{AttemptSnapshot, SlotSnapshot},
};

fn description() -> Value {
    serde_json::from_str(OPENAPI).unwrap()
}

/// Everything that is wrong with a value, by its path.
fn misfits(document: &Value, schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let target = document.pointer(name.trim_start_matches('#'));
        return misfits(document, target.expect(name), value, at, wrong);
    }
    if let Some(options) = schema["anyOf"].as_array() {
        let fits = |option: &&Value| {
            let mut wrong = Vec::new();
            misfits(document, option, value, at, &mut wrong);
            wrong.is_empty()
        };
        if !options.iter().any(|option| fits(&option)) {
            // The first option is the informative one.
            misfits(document, &options[0], value, at, wrong);
        }
        return;
    }
    let kinds: Vec<&str> = match schema["type"].as_array() {
        Some(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        None => schema["type"].as_str().into_iter().collect(),
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if !kinds.is_empty() && !kinds.contains(&kind) {
        wrong.push(format!("{at}: {kind}, expected {kinds:?}"));
    }
    if let (Some(words), false) = (schema["enum"].as_array(), value.is_null())
        && !words.contains(value)
    {
        wrong.push(format!("{at}: {value} is none of {words:?}"));
    }
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let of = schema["prefixItems"].get(index).unwrap_or(&schema["items"]);
                misfits(document, of, item, &format!("{at}[{index}]"), wrong);
            }
        }
        Value::Object(object) => {
            for name in schema["required"].as_array().into_iter().flatten() {
                if !object.contains_key(name.as_str().unwrap()) {
                    wrong.push(format!("{at}: {name} is missing"));
                }
            }
            for (name, inner) in object {
                let at = format!("{at}.{name}");
                match (schema["properties"].get(name), &schema["additionalProperties"]) {
                    (Some(of), _) => misfits(document, of, inner, &at, wrong),
                    (None, Value::Bool(false)) => wrong.push(format!("{at} is not described")),
                    (None, of) => misfits(document, of, inner, &at, wrong),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn check(path: &str, method: &str, status: StatusCode, answer: &Value) {
    let document = description();
    let responses = &document["paths"][path][method]["responses"];
    let response = responses.get(status.as_str()).unwrap_or(&responses["default"]);
    let schema = &response["content"]["application/json"]["schema"];
    assert!(!schema.is_null(), "{method} {path} with {status} is not described");
    let mut wrong = Vec::new();
    misfits(&document, schema, answer, path, &mut wrong);
    assert!(wrong.is_empty(), "{wrong:#?}\n{answer:#}");
}

fn head() -> Head {
    Head {
        number: 7,
        hash: B256::repeat_byte(7),
        parent: B256::ZERO,
        timestamp: crate::clock::now(),
        base_fee_per_gas: Some(1_000_000_007),
        gas_limit: 30_000_000,
        gas_used: 0,
    }
}

/// A product that has all there is: a decision, a series, a transaction under way, a balance.
fn fill(surface: &Surface) {
    let one = I256::try_from(1_000_000_000_000_000_000_u64).unwrap();
    let ratio = Observation::new("leverage_ratio", one + one, Unit::Ratio)
        .within(one, one + one, one + one + one)
        .charted();
    let seconds = Observation::new("twap_cooldown_left", I256::ZERO, Unit::Seconds).of("V3");
    let decision = LastDecision {
        kind: "act",
        action: Some("rebalance".into()),
        urgency: Some("prompt"),
        reason: "sent".into(),
        detail: "sent V3 at nonce 4".into(),
        observations: vec![ratio, seconds],
        head: head(),
    };
    surface.board.head("local", head());
    surface.store.note_decision(DecisionRow::new("one", "local", &decision, true));
    let key = ("leverage_ratio".to_owned(), String::new());
    SeriesRecorder::new("one").note(&surface.store, key.clone(), head().timestamp, || "2".into());
    surface.board.note_recent("one", key, head().timestamp, one + one);
    surface.board.decided("one", decision, Vec::new());
    surface.board.balance("one", Balance { wei: U256::from(5), block: 7 });
    let answer = crate::submission::slot::EndpointAnswer {
        verdict: crate::submission::slot::Verdict::Accepted,
        detail: "accepted".into(),
    };
    let attempt = AttemptSnapshot {
        hash: B256::repeat_byte(9).to_string(),
        kind: "original",
        call: "V3".into(),
        max_fee_per_gas: "30".into(),
        max_priority_fee_per_gas: "1".into(),
        gas_limit: 21_000,
        signed_at_block: 7,
        answers: [("node".to_owned(), answer)].into(),
    };
    let slot = SlotSnapshot {
        nonce: 4,
        state: "pending",
        action: "rebalance".into(),
        urgency: "prompt",
        included_in: None,
        attempts: vec![attempt],
    };
    surface.board.current("one", Some(slot));
}

#[tokio::test]
async fn every_path_that_is_described_is_served_and_its_answer_fits() {
    let world = World::start(Some(TOKEN)).await;
    let (status, unready) = world.get("/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    check("/readyz", "get", status, &unready);
    fill(&world.surface);
    crate::store::JournalRow::new(7, 11).write(&world.surface.store).await;
    let included = crate::store::Statement::new("UPDATE slots SET state = 'included'");
    world.surface.store.commit(vec![included]).await.unwrap();
    let deadline = tokio::time::Instant::now() + WITHIN;
    while world.surface.store.last_decision("one").await.unwrap().is_none() {
        assert!(tokio::time::Instant::now() < deadline, "the decision was never stored");
        tokio::task::yield_now().await;
    }
    for (path, operations) in description()["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let verb = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let request = world
                .request(verb, &path.replace("{name}", "one").replace("{which}", "7"))
                .bearer_auth(TOKEN);
            let body = match path.as_str() {
                "/api/v1/login" => json!({ "token": TOKEN }),
                _ => json!({}),
            };
            let request = if method == "post" { request.json(&body) } else { request };
            let response = request.send().await.unwrap();
            let (status, headers) = (response.status(), response.headers().clone());
            let described = &operation["responses"][status.as_str()];
            assert!(status.is_success() && !described.is_null(), "{method} {path}: {status}");
            let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
            match described["content"].as_object().and_then(|content| content.keys().next()) {
                None => assert_eq!(kind, None, "{path}"),
                Some(expected) => assert!(kind.unwrap().starts_with(expected), "{path}: {kind:?}"),
            }
            if kind == Some("application/json") {
                check(path, method, status, &response.json().await.unwrap());
            }
        }
    }
    let refused = world.get("/api/v1/products/none").await;
    check("/api/v1/products/{name}", "get", refused.0, &refused.1);
    let (_, ready) = world.get("/readyz").await;
    assert_eq!(ready["ready"], true, "{ready}");
    world.stop().await;
}

#[tokio::test]
async fn a_months_report_is_as_described_and_as_the_ledger_has_it() {
    use crate::finance::report::tests::entries;
    let world = World::start(None).await;
    world.surface.store.ledger().book(&entries()).await.unwrap();
    let (status, report) = world.get("/api/v1/gas?month=2026-10").await;
    check("/api/v1/gas", "get", status, &report);
    assert_eq!((&report["month"], &report["total"]["count"]), (&json!("2026-10"), &json!(14)));
    let (_, one) = world.get("/api/v1/gas?month=2026-10&product=dpi").await;
    assert_eq!(one["products"].as_array().unwrap().len(), 1);
    let wrong = world.get("/api/v1/gas?month=2026-13").await;
    assert_eq!(code(&wrong), (400, "bad_request"));
    check("/api/v1/gas", "get", wrong.0, &wrong.1);
    world.stop().await;
}

#[tokio::test]
async fn what_is_filled_in_is_what_is_told() {
    let world = World::start(None).await;
    fill(&world.surface);
    let (_, detail) = world.get("/api/v1/products/one").await;
    assert_eq!(detail["health"], "acting");
    assert_eq!(detail["last"]["observations"][0]["max"], "3");
    assert_eq!(detail["wallet"]["balance_wei"], "5");
    assert_eq!(detail["current"]["attempts"][0]["answers"]["node"], "accepted: accepted");
    assert_eq!(detail["series"][0]["points"][0][1], "2");
    let (_, chains) = world.get("/api/v1/chains").await;
    let chain = &chains["chains"][0];
    assert_eq!((&chain["stale"], &chain["head"]["number"]), (&json!(false), &json!(7)));
    assert_eq!(chain["endpoints"][0]["label"], "127.0.0.1:9");
    world.stop().await;
}

/// Every route of the code is described: the list is read from the source, so that a route that is
/// forgotten here fails.
#[test]
fn every_route_is_described() {
    let source = include_str!("../../http.rs");
    let document = description();
    let mut routes = 0;
    for piece in source.split(".route(").skip(1) {
        let path =
            piece.split('"').nth(1).filter(|_| piece.starts_with('"')).unwrap_or(EVENTS_PATH);
        let method = if piece.contains(" post(") && piece.find(" post(") < piece.find(')') {
            "post"
        } else {
            "get"
        };
        assert!(document["paths"][path][method].is_object(), "{method} {path} is not described");
        routes += 1;
    }
    assert_eq!(routes, document["paths"].as_object().unwrap().len());
}
