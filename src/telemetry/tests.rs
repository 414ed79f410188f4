//! What `deploy/` asks Prometheus for is what the keeper describes.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Mutex, PoisonError},
};

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    with_local_recorder,
};
use serde_json::Value;

use super::catalogue::describe;

/// Files that name metrics.
const FILES: [&str; 2] = ["prometheus/alerts.yml", "grafana/dashboard.json"];
/// What the exporter makes of a histogram.
const SUFFIXES: [&str; 3] = ["_bucket", "_sum", "_count"];

fn deploy(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file);
    std::fs::read_to_string(path).unwrap()
}

/// Remembers what is described.
#[derive(Default)]
struct Described(Mutex<BTreeSet<String>>);

impl Described {
    fn add(&self, name: &KeyName) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.insert(name.as_str().to_owned());
    }
}

impl Recorder for Described {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.add(&name);
    }
    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.add(&name);
    }
    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.add(&name);
    }
    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

fn described() -> BTreeSet<String> {
    let recorder = Described::default();
    with_local_recorder(&recorder, describe);
    recorder.0.into_inner().unwrap()
}

/// Every name of ours in a text, without what a histogram's series end in.
fn named(text: &str) -> BTreeSet<String> {
    let names = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let ours = names.filter(|name| name.starts_with("ballast_"));
    let bare = ours.map(|name| SUFFIXES.iter().find_map(|s| name.strip_suffix(s)).unwrap_or(name));
    bare.map(str::to_owned).collect()
}

#[test]
fn every_metric_of_deploy_is_described() {
    let described = described();
    for file in FILES {
        let named = named(&deploy(file));
        let unknown: Vec<_> = named.difference(&described).collect();
        assert_eq!(unknown, Vec::<&String>::new(), "{file}");
        assert!(named.len() >= 15, "{file} names {}", named.len());
    }
}

#[test]
fn the_dashboard_is_json_whose_panels_ask_for_something() {
    let dashboard: Value = serde_json::from_str(&deploy("grafana/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut seen = BTreeSet::new();
    for panel in panels {
        assert!(seen.insert(panel["id"].as_u64().unwrap()), "two panels with one id: {panel}");
        if panel["type"] == "row" {
            continue;
        }
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{panel}");
        for target in targets {
            let asks = target["expr"].as_str().unwrap();
            assert!(asks.contains("ballast") || asks.contains("up{"), "{asks}");
        }
    }
    assert!(panels.len() > 20);
}

/// The rules and the scrape agree on the job's name, and each rule says how bad it is.
#[test]
fn alerts_have_a_severity_and_the_scrape_its_job() {
    let alerts = deploy("prometheus/alerts.yml");
    let rules: Vec<&str> = alerts.split("- alert: ").skip(1).collect();
    assert!(rules.len() >= 15);
    for rule in rules {
        let name = rule.lines().next().unwrap();
        assert!(rule.contains("severity: page") || rule.contains("severity: ticket"), "{name}");
        assert!(rule.contains("summary: "), "{name}");
    }
    assert!(alerts.contains("up{job=\"ballast\"}"));
    assert!(deploy("prometheus/prometheus.yml").contains("job_name: ballast"));
}
