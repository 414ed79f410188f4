//! Owns every task: starts, supervises, drains.
//!
//! A chain is one task with its pool, head stream and drivers; a product is another with its nonce
//! lane. A product that panics or fails is started again from its file, the chain and the journal,
//! which is what a start is; one that keeps failing is left halted while the others go on. A chain
//! loop or the HTTP surface ending early ends the process, with its name.

mod accounts;
mod chain_unit;
pub mod events;
mod feeds;
mod findings;
mod orders;
mod pauses;
mod product;
pub(crate) mod readiness;
mod recorder;
mod seat;
mod status;
mod supervisor;
mod treasurer;
mod wallets;
mod wiring;

pub(crate) use accounts::Accounts;
pub use accounts::BudgetUse;
pub(crate) use chain_unit::ChainUnit;
pub use events::{Event, Events, What};
pub(crate) use feeds::{Brought, CALLER as FEED_CALLER};
pub use findings::GuardNote;
pub use orders::Orders;
pub use pauses::{Holding, Pauses};
pub(crate) use product::{Asking, ProductTask};
pub(crate) use recorder::Recorder;
pub(crate) use seat::{Seat, TurnResult};
pub(crate) use status::Recent;
pub use status::{Balance, Board, ChainStatus, LastDecision, ProductStatus, Reconciled, Reserves};
pub(crate) use supervisor::{ProductSpec, Shared, open_lane};
pub(crate) use wallets::WalletHandle;
pub(crate) use wiring::{Group, profile_of, wire};

use std::{sync::Arc, time::Duration};

use eyre::{Result, WrapErr as _, bail};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{net::TcpListener, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    alerts,
    config::{Config, Environment},
    http::{self, Access, Facts, Streams, Surface},
    ledger::{bookkeeper::Bookkeeper, chain::Endpoints},
    registry::Registry,
    store::Store,
    telemetry,
};
use treasurer::Treasurer;

/// How long tasks may take to end after a stop. What is under way is in the journal anyway.
const GRACE: Duration = Duration::from_secs(15);

/// A keeper, ready to run.
#[derive(Debug)]
pub struct Keeper {
    /// What it keeps.
    pub config: Arc<Config>,
    /// The strategies it knows.
    pub registry: Arc<Registry>,
    /// Secrets come from here.
    pub environment: Environment,
    /// What survives a restart.
    pub store: Store,
    /// Where `/metrics` reads.
    pub metrics: PrometheusHandle,
    /// Where listeners hear what happens.
    pub events: Events,
}

impl Keeper {
    /// Runs until `stop`, then drains. An error names the part that ended early.
    pub async fn run(self, listener: TcpListener, stop: CancellationToken) -> Result<()> {
        let board = Board::default();
        let pauses = Pauses::load(&self.store).await.wrap_err("the pauses of the store")?;
        let mut groups = wire(&self.config, &self.registry, &self.environment, &board)?;
        let mut critical: JoinSet<(String, Result<()>)> = JoinSet::new();
        let mut products: JoinSet<()> = JoinSet::new();
        let orders = Orders::default();
        let surface = self.surface(&groups, &board, (&pauses, &orders), stop.child_token())?;
        critical.spawn(async move { ("http".to_owned(), http::serve(listener, surface).await) });
        let (handle, token) = (self.metrics.clone(), stop.child_token());
        critical.spawn(async move {
            telemetry::upkeep(handle, token).await;
            ("metrics upkeep".to_owned(), Ok(()))
        });
        let parts = (Arc::clone(&self.config), self.store.clone(), board.clone());
        let (treasurer, token) = (Treasurer::new(parts.0, parts.1, parts.2), stop.child_token());
        critical.spawn(async move {
            treasurer.run(token).await;
            ("treasurer".to_owned(), Ok(()))
        });
        if !self.config.notify.is_empty() || self.config.heartbeat.is_some() {
            let parts = (board.clone(), self.events.clone(), self.store.clone());
            let (config, environment) = (Arc::clone(&self.config), self.environment.clone());
            let token = stop.child_token();
            critical.spawn(async move {
                ("alerts".to_owned(), alerts::run(config, environment, parts, token).await)
            });
        }
        for mut group in groups.drain(..) {
            for spec in group.specs.drain(..) {
                let (store, board) = (self.store.clone(), board.clone());
                let (events, token) = (self.events.clone(), stop.child_token());
                let shared =
                    Shared { store, board, events, pauses: pauses.clone(), orders: orders.clone() };
                products.spawn(supervisor::keep(spec, shared, token));
            }
            let (name, token) = (format!("chain {}", group.profile.name), stop.child_token());
            let books = self.books(&mut group, &board);
            let unit = ChainUnit::new(group, board.clone());
            let (heads, books_name) = (unit.heads(), format!("books of {name}"));
            let books_token = stop.child_token();
            critical.spawn(async move {
                books.run(heads, books_token).await;
                (books_name, Ok(()))
            });
            critical.spawn(async move { (name, unit.run(token).await) });
        }
        info!(products = products.len(), chains = self.config.chains.len(), "keeping");
        let early = tokio::select! {
            // First: everything ends at a stop, and then that is no failure.
            biased;
            () = stop.cancelled() => None,
            ended = critical.join_next() => ended,
        };
        stop.cancel();
        drain(critical, products).await;
        self.store.close().await;
        match early {
            None => Ok(()),
            Some(Ok((name, Ok(())))) => bail!("{name} ended although nobody stopped it"),
            Some(Ok((name, Err(error)))) => Err(error.wrap_err(format!("{name} failed"))),
            Some(Err(join)) => bail!("a critical task panicked: {join}"),
        }
    }
}

impl Keeper {
    /// What keeps the books of a chain's wallets.
    fn books(&self, group: &mut Group, board: &Board) -> Bookkeeper {
        let chain = Arc::new(Endpoints::new(group.pool.clone(), &group.profile));
        let (ledger, profile) = (self.store.ledger(), Arc::clone(&group.profile));
        let clients = std::mem::take(&mut group.clients);
        Bookkeeper::new(chain, ledger, profile, clients, board.clone())
    }

    fn surface(
        &self,
        groups: &[Group],
        board: &Board,
        (pauses, orders): (&Pauses, &Orders),
        stop: CancellationToken,
    ) -> Result<Surface> {
        let token = self.config.http.token.as_ref();
        let token = token.map(|secret| secret.resolve(&self.environment)).transpose();
        Ok(Surface {
            facts: Arc::new(Facts::of(groups)),
            board: board.clone(),
            store: self.store.for_looking(),
            pauses: pauses.clone(),
            orders: orders.clone(),
            events: self.events.clone(),
            metrics: self.metrics.clone(),
            access: Arc::new(Access::new(
                token.wrap_err("http.token")?.as_ref(),
                self.config.http.open_reads,
            )),
            streams: Streams::default(),
            stop,
            readiness: readiness::Readiness::new(&self.config),
            books: Arc::new(crate::finance::Facts::of(&self.config)),
        })
    }
}

async fn drain(mut critical: JoinSet<(String, Result<()>)>, mut products: JoinSet<()>) {
    let all = async {
        while products.join_next().await.is_some() {}
        while critical.join_next().await.is_some() {}
    };
    if timeout(GRACE, all).await.is_err() {
        warn!(seconds = GRACE.as_secs(), "tasks did not end in time and were dropped");
    }
}
