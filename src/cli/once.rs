//! `ballast once [PRODUCT]`: one assessment of each product, explained, and sent unless dry.

mod running;

use std::time::Duration;

use ballast_chains::{
    Head,
    driver::{Job, drive},
    heads,
    wallet::Wallet,
};
use eyre::{Result, WrapErr, eyre};
use serde_json::{Value, json};
use tokio::time::{Instant, interval, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{Exit, Session, explain, keeper::Keeper, out};
use crate::{
    config::Config,
    runtime::{
        Accounts, Asking, Board, Events, FEED_CALLER, Group, Orders, Pauses, ProductSpec,
        ProductTask, Recorder, Seat, Shared, open_lane, wire,
    },
    store::Store,
    submission::{LaneEvent, lifecycle::Outcome},
};

/// How long the chain may take to give its newest block.
pub(super) const HEAD_WITHIN: Duration = Duration::from_secs(15);

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
    // Two processes would fight over the nonces. A dry run that has no token reads beside the keeper.
    if let Some(keeper) = Keeper::find(&config, &session.environment).await? {
        if !options.dry_run || keeper.takes_orders() {
            return running::follow(&keeper, &config, &options).await;
        }
        out::note("a keeper runs, and takes no order without http.token: reading beside it");
    }
    let store = if options.dry_run {
        match Store::open_readonly(&config.store.path).await? {
            Some(store) => store,
            None => Store::in_memory().await?,
        }
    } else {
        Store::open(&config.store.path).await?
    };
    let board = Board::default();
    let groups = wire(&config, &session.registry, &session.environment, &board)?;
    let pauses = Pauses::load(&store).await?;
    let shared = Shared {
        store: store.clone(),
        board,
        events: Events::default(),
        pauses,
        orders: Orders::default(),
    };
    let mut reports = Vec::new();
    for group in groups {
        // One chain's trouble is told, and the others are served.
        reports.extend(run_group(group, &shared, &options).await);
    }
    store.close().await;
    show(&reports, &shared.board, options.json);
    Ok(exit(&reports))
}

fn exit(reports: &[Report]) -> Exit {
    if reports.iter().any(|report| report.failed.is_some()) {
        Exit::Failed
    } else if reports.iter().any(|report| report.pending) {
        Exit::NotIncluded
    } else {
        Exit::Done
    }
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
    /// What happened to its transactions.
    steps: Vec<LaneEvent>,
    /// Why it could not be served, or how its transaction failed.
    failed: Option<String>,
    /// Whether something is sent and not included.
    pending: bool,
}

impl Report {
    fn failed(product: &str, chain: &str, why: String) -> Self {
        let (product, chain) = (product.to_owned(), chain.to_owned());
        Self { product, chain, steps: Vec::new(), failed: Some(why), pending: false }
    }

    fn of(task: &ProductTask, chain: &str, steps: Vec<LaneEvent>) -> Self {
        let failed = steps.iter().find_map(|step| match step {
            LaneEvent::Included { outcome: Outcome::Confirmed, .. } => None,
            LaneEvent::Included { .. } => Some(step.to_string()),
            LaneEvent::Replaced { .. }
            | LaneEvent::NotReplaced { .. }
            | LaneEvent::GapNotFilled { .. }
            | LaneEvent::ReceiptMissing { .. }
            | LaneEvent::Reorged { .. }
            | LaneEvent::PostconditionHeld { .. }
            | LaneEvent::PostconditionMissed { .. }
            | LaneEvent::Final { .. }
            | LaneEvent::Adopted { .. }
            | LaneEvent::Undone { .. }
            | LaneEvent::FormerWallet { .. }
            | LaneEvent::Foreign { .. } => None,
        });
        let (product, chain) = (task.config.name.clone(), chain.to_owned());
        Self { product, chain, steps, failed, pending: task.lane.is_pending() }
    }
}

async fn run_group(mut group: Group, shared: &Shared, options: &Options) -> Vec<Report> {
    let chain = group.profile.name.clone();
    let deadline = Instant::now().checked_add(options.timeout).unwrap_or_else(Instant::now);
    let head = match newest(&group).await {
        Ok(head) => head,
        Err(error) => {
            let why = crate::error_chain(error.as_ref());
            let names = group.specs.iter().map(|spec| spec.config.name.as_str());
            return names.map(|name| Report::failed(name, &chain, why.clone())).collect();
        }
    };
    let opened = group.specs.iter().map(|spec| timeout_at(deadline, spec.wallet.get()));
    let opened = futures::future::join_all(opened).await;
    assess(&mut group, head).await;
    let (mut reports, mut running) = (Vec::new(), Vec::new());
    for ((place, spec), wallet) in group.specs.drain(..).enumerate().zip(opened) {
        let name = spec.config.name.clone();
        let wallet = match wallet {
            Ok(wallet) => wallet.map_err(|why| crate::error_chain(&why)),
            Err(_) => Err("the wallet's signer did not answer in time".to_owned()),
        };
        let wallet = match wallet {
            Ok(wallet) => wallet,
            Err(why) => {
                reports.push(Report::failed(&name, &chain, why));
                continue;
            }
        };
        match start(spec, wallet, shared, deadline).await {
            Ok(mut task) => {
                // What a crashed keeper left behind is looked at before anything new is sent.
                let steps = task.observe().await;
                task.take_pending_turn().await;
                task.accounts.book_found().await;
                running.push((place, task, steps));
            }
            Err(error) => {
                let why = crate::error_chain(error.as_ref());
                reports.push(Report::failed(&name, &chain, why));
            }
        }
    }
    follow(&group, head, &mut running, deadline).await;
    for (_, task, steps) in running {
        let mut report = Report::of(&task, &chain, steps);
        let last = shared.board.product(&report.product).and_then(|status| status.last);
        if let Some(error) = last.filter(|last| last.kind == "error") {
            report.failed.get_or_insert(format!("{}: {}", error.reason, error.detail));
        }
        reports.push(report);
    }
    reports
}

/// A product's task, its place among the seats, and what happened so far.
type Running = (usize, ProductTask, Vec<LaneEvent>);

/// Follows every new head until all is included or the time is up.
async fn follow(group: &Group, mut head: Head, running: &mut [Running], deadline: Instant) {
    let mut tick = interval(poll_every(group.profile.block_time));
    while running.iter().any(|(_, task, _)| task.lane.is_pending()) && Instant::now() < deadline {
        tick.tick().await;
        let Ok(next) = newest(group).await else { continue };
        if next.hash == head.hash {
            continue;
        }
        head = next;
        for (place, task, steps) in running.iter_mut() {
            if let Some(seat) = group.seats.get(*place) {
                seat.announce(head);
            }
            steps.extend(task.observe().await);
            task.accounts.book_found().await;
        }
    }
}

async fn start(
    spec: ProductSpec,
    wallet: Wallet,
    shared: &Shared,
    deadline: Instant,
) -> Result<ProductTask> {
    let never = CancellationToken::new();
    let opened = timeout_at(deadline, open_lane(&spec, wallet, shared, &never)).await;
    let lane = opened.wrap_err("the chain cannot be reached")??;
    let (name, chain_id) = (&spec.config.name, spec.profile.chain_id);
    let recorder = Recorder::new(name, &spec.profile.name, shared.clone());
    Ok(ProductTask {
        accounts: Accounts::new(name, chain_id, shared.store.clone(), spec.pool.clone()),
        orders: shared.orders.enrol(name),
        config: spec.config,
        profile: spec.profile,
        lane: lane.ok_or_else(|| eyre!("stopped"))?,
        mailbox: spec.mailbox,
        shared: shared.clone(),
        recorder,
        shows_current: true,
        // Nobody gives one: there is no API beside this command.
        order: None,
        asking: Asking::default(),
    })
}

/// One assessment of every product at `head`; the results wait in the mailboxes.
async fn assess(group: &mut Group, head: Head) {
    let timeout = group.profile.assess_timeout;
    let feeds = group.feeds.job(&head);
    let feeds = feeds.map(|run| Job { key: None, caller: FEED_CALLER, timeout, run });
    let turns = group.seats.iter_mut().enumerate().filter_map(|(key, seat)| {
        seat.announce(head);
        let caller = seat.caller()?;
        let (number, run) = seat.begin(&head);
        Some(Job { key: Some((key, number)), caller, timeout, run })
    });
    let jobs: Vec<_> = feeds.into_iter().chain(turns).collect();
    let source = group.source.clone();
    let (desk, seats): (_, &mut [Seat]) = (&mut group.feeds, &mut group.seats);
    drive(&source, head, jobs, |key, outcome| match key {
        Some((index, number)) => {
            if let Some(seat) = seats.get_mut(index) {
                seat.end(number, head, outcome);
            }
        }
        None => desk.take(outcome),
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
                "decision": last, "steps": report.steps,
                "failed": report.failed, "pending": report.pending,
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
        if let Some(why) = &report.failed {
            out::line(&format!("  failed: {why}"));
        }
        if report.pending {
            out::line(
                "  not included in time; it is in the journal, and `run` or `once` goes on with it",
            );
        }
    }
    if as_json {
        out::json(&values);
    }
}
