//! `ballast once [PRODUCT]`: one assessment of each product, explained, and sent unless dry.

use std::{sync::Arc, time::Duration};

use ballast_chains::{
    Head,
    driver::{Job, drive},
    heads,
};
use eyre::{Result, WrapErr, eyre};
use serde_json::{Value, json};
use tokio::time::{Instant, interval, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{Exit, Session, explain, out};
use crate::{
    config::Config,
    runtime::{Board, Events, Group, ProductTask, Seat, open_lane, wire},
    store::Store,
};

/// How long the chain may take to give its newest block.
const HEAD_WITHIN: Duration = Duration::from_secs(15);

pub(super) struct Options {
    pub(super) product: Option<String>,
    pub(super) dry_run: bool,
    pub(super) timeout: Duration,
    pub(super) json: bool,
}

pub(super) async fn once(session: Session, options: Options) -> Result<Exit> {
    let mut config = match session.load_or_report(options.json) {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    if let Err(known) = keep_only(&mut config, &options) {
        out::error(&format!("no such product; there are: {known}"));
        return Ok(Exit::BadConfig);
    }
    let store = if options.dry_run {
        Store::open_readonly(&config.store.path).await?.unwrap_or(Store::in_memory().await?)
    } else {
        Store::open(&config.store.path).await?
    };
    let board = Board::default();
    let groups = wire(&config, &session.registry, &session.environment, &board)?;
    let (mut reports, mut exit) = (Vec::new(), Exit::Done);
    for group in groups {
        let chain = group.profile.name.clone();
        let done = run_group(group, &store, &board, &options).await;
        let done = done.wrap_err_with(|| format!("chain {chain}"))?;
        for outcome in done {
            if !outcome.settled {
                exit = Exit::NotIncluded;
            }
            reports.push(outcome);
        }
    }
    store.close().await;
    show(&reports, &board, options.json);
    Ok(exit)
}

fn keep_only(config: &mut Config, options: &Options) -> Result<(), String> {
    if let Some(wanted) = &options.product {
        let known: Vec<String> = config.products.keys().cloned().collect();
        config.products.retain(|name, _| name == wanted);
        if config.products.is_empty() {
            return Err(known.join(", "));
        }
    }
    for product in config.products.values_mut() {
        product.dry_run |= options.dry_run;
    }
    Ok(())
}

/// What became of one product.
struct Report {
    product: String,
    chain: String,
    steps: Vec<String>,
    settled: bool,
}

async fn run_group(
    mut group: Group,
    store: &Store,
    board: &Board,
    options: &Options,
) -> Result<Vec<Report>> {
    let mut head = newest(&group).await?;
    assess(&mut group, head).await;
    let stop = CancellationToken::new();
    let mut tasks = Vec::with_capacity(group.specs.len());
    let deadline = Instant::now().checked_add(options.timeout).unwrap_or_else(Instant::now);
    for spec in group.specs.drain(..) {
        let opened = timeout_at(deadline, open_lane(&spec, store, &stop)).await;
        let lane = opened.wrap_err("the chain cannot be reached")??;
        let lane = lane.ok_or_else(|| eyre!("stopped"))?;
        let mut task = ProductTask {
            config: spec.config,
            profile: Arc::clone(&group.profile),
            lane,
            mailbox: spec.mailbox,
            store: store.clone(),
            board: board.clone(),
            events: Events::default(),
        };
        // What a crashed keeper left behind is looked at before anything new is sent.
        task.observe().await;
        task.take_pending_turn().await;
        tasks.push(task);
    }
    let mut steps = vec![Vec::new(); tasks.len()];
    let mut tick = interval(poll_every(group.profile.block_time));
    while tasks.iter().any(|task| task.lane.is_pending()) && Instant::now() < deadline {
        tick.tick().await;
        let Ok(next) = newest(&group).await else { continue };
        if next.hash == head.hash {
            continue;
        }
        head = next;
        for (seat, (task, steps)) in group.seats.iter().zip(tasks.iter_mut().zip(&mut steps)) {
            seat.announce(head);
            steps.extend(task.observe().await);
        }
    }
    let reports = tasks.iter().zip(steps).map(|(task, steps)| Report {
        product: task.config.name.clone(),
        chain: group.profile.name.clone(),
        steps,
        settled: !task.lane.is_pending(),
    });
    Ok(reports.collect())
}

/// One assessment of every product at `head`; the results wait in the mailboxes.
async fn assess(group: &mut Group, head: Head) {
    let timeout = group.profile.assess_timeout;
    let jobs = group.seats.iter_mut().enumerate().map(|(key, seat)| {
        seat.announce(head);
        Job { key, caller: seat.caller(), timeout, run: seat.begin(&head) }
    });
    let jobs: Vec<_> = jobs.collect();
    let source = group.source.clone();
    let seats: &mut [Seat] = &mut group.seats;
    drive(&source, head, jobs, |key, outcome| {
        if let Some(seat) = seats.get_mut(key) {
            seat.end(head, outcome);
        }
    })
    .await;
}

async fn newest(group: &Group) -> Result<Head> {
    timeout(HEAD_WITHIN, heads::newest(&group.pool.provider()))
        .await
        .wrap_err("no endpoint gave its newest block in time")?
        .wrap_err("no endpoint gave its newest block")
}

/// Four looks a block find an inclusion soon enough without asking for much.
fn poll_every(block_time: Duration) -> Duration {
    block_time.checked_div(4).unwrap_or(block_time).max(Duration::from_millis(100))
}

fn show(reports: &[Report], board: &Board, as_json: bool) {
    let mut values: Vec<Value> = Vec::new();
    for report in reports {
        let last = board.product(&report.product).and_then(|status| status.last);
        if as_json {
            values.push(json!({
                "product": report.product, "chain": report.chain,
                "decision": last, "steps": report.steps, "settled": report.settled,
            }));
            continue;
        }
        match last {
            Some(last) => out::line(&explain::text(&report.product, &report.chain, &last)),
            None => out::line(&format!("{}: not assessed", report.product)),
        }
        for step in &report.steps {
            out::line(&format!("  {step}"));
        }
        if !report.settled {
            out::line(
                "  not included in time; it is in the journal, and `run` or `once` goes on with it",
            );
        }
    }
    if as_json {
        out::json(&values);
    }
}
