//! The command line.
//!
//! Exit codes: 0 done; 1 failed while running; 2 the command line or a file is wrong; 3 `check`
//! found something on a chain that needs a person, `gas reconcile` something unexplained, or a tool
//! something that a person has to look at; 4 `once` sent something that was not included in time.

mod check;
mod demo;
mod explain;
mod gas;
mod keeper;
mod once;
mod out;
mod pause;
mod run;
mod source;
mod status;
mod table;
mod tool;
mod tx;
mod wallet;

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use clap::{Parser, Subcommand};
use eyre::Result;

use crate::{
    config::{Config, Environment, Problems, Secrets},
    http::STATES,
    registry::Registry,
    submission::{LifeOf, MAX_PAGE, TransactionFilter},
    telemetry::{self, LogFormat},
};

/// Shortest time between two looks of `status --watch`.
const SHORTEST_LOOK: Duration = Duration::from_millis(200);

/// Exit codes other than 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All went well.
    Done,
    /// The command line or a file is wrong.
    BadConfig,
    /// `check` or a tool found something, or `gas reconcile` something unexplained.
    Findings,
    /// Sent, but not included in time.
    NotIncluded,
    /// The demo did not show what it should.
    Failed,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::BadConfig => 2,
            Exit::Findings => 3,
            Exit::NotIncluded => 4,
        })
    }
}

/// A self-hosted keeper for on-chain index products.
#[derive(Debug, Parser)]
#[command(name = "ballast", version, about, max_term_width = 100)]
struct Args {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// What goes with every command.
#[derive(Debug, clap::Args)]
struct Globals {
    /// Directory with ballast.toml, chains/ and products/
    #[arg(long, global = true, default_value = "config", value_name = "DIR")]
    config: PathBuf,
    /// Log filter, e.g. `info` or `ballast=debug,warn`
    #[arg(long, global = true, env = "BALLAST_LOG", value_name = "FILTER")]
    log: Option<String>,
    /// How log lines look
    #[arg(long, global = true, value_enum, default_value = "text")]
    log_format: LogFormat,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Keeps all products until stopped
    Run,
    /// Reports every problem of the files, the endpoints and the products
    Check {
        /// Files only: no network, no secrets
        #[arg(long)]
        offline: bool,
        /// Machine-readable output
        #[arg(long)]
        json: bool,
    },
    /// Assesses each product once and sends what is due
    Once {
        /// Only this product
        product: Option<String>,
        /// Show what would be sent, send nothing
        #[arg(long)]
        dry_run: bool,
        /// How long to wait for inclusion
        #[arg(long, default_value = "3m", value_parser = duration, value_name = "TIME")]
        timeout: Duration,
        /// Machine-readable output
        #[arg(long)]
        json: bool,
    },
    /// Tells a product's last decision with the inputs it used
    Explain {
        /// The product
        product: String,
        /// Machine-readable output
        #[arg(long)]
        json: bool,
    },
    /// Shows what every product and chain is doing
    Status {
        /// Only this product, with all there is to say of it
        product: Option<String>,
        /// Look again and again until stopped
        #[arg(long)]
        watch: bool,
        /// Time between two looks
        #[arg(long, default_value = "2s", value_parser = duration, value_name = "TIME", requires = "watch")]
        every: Duration,
        /// Machine-readable output
        #[arg(long)]
        json: bool,
    },
    /// Stops a product from sending, until it is resumed
    Pause {
        #[command(flatten)]
        which: Which,
        /// Why, for those who see it later
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Lets a product send again
    Resume {
        #[command(flatten)]
        which: Which,
    },
    /// Transactions that were sent
    #[command(subcommand)]
    Tx(TxCommand),
    /// What everything cost
    #[command(subcommand)]
    Gas(gas::GasCommand),
    /// Keys: made, imported, looked at
    #[command(subcommand)]
    Wallet(wallet::WalletCommand),
    /// Two local chains with the real contracts, markets that move, and one keeper
    Demo(demo::DemoArgs),
}

/// Which products an order is for.
#[derive(Debug, clap::Args)]
struct Which {
    /// The product
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    product: Option<String>,
    /// All products
    #[arg(long)]
    all: bool,
    /// Who orders it; by default the user's name
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
    /// Machine-readable output
    #[arg(long)]
    json: bool,
}

impl Which {
    fn order(self, order: pause::Order, reason: Option<String>) -> pause::Options {
        let Self { product, all: _, who, json } = self;
        pause::Options { order, product, reason, who, json }
    }
}

#[derive(Debug, Subcommand)]
enum TxCommand {
    /// Lists them, the newest first
    List {
        /// Only of this product
        #[arg(long)]
        product: Option<String>,
        /// Only on this chain
        #[arg(long)]
        chain: Option<String>,
        /// Only those in this state; `open` is all that are not final
        #[arg(long, value_parser = STATES)]
        state: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_PAGE)))]
        limit: u32,
        /// Machine-readable output
        #[arg(long)]
        json: bool,
    },
    /// Tells the whole life of one: every attempt, answer, event, fee and block
    Show {
        /// A nonce, or the hash of any attempt
        #[arg(value_name = "NONCE|HASH", value_parser = life_of)]
        which: LifeOf,
        /// Of this product, where a nonce is of several
        #[arg(long)]
        product: Option<String>,
        /// Machine-readable output
        #[arg(long)]
        json: bool,
    },
    /// Replaces what a product has pending by the same at a higher price, now and within its caps
    Bump(tx::OrderArgs),
    /// Gives up what a product has pending by a self-transfer at its nonce, within its caps
    Cancel(tx::OrderArgs),
}

fn life_of(text: &str) -> Result<LifeOf, String> {
    LifeOf::parse(text).ok_or_else(|| {
        "expected a nonce, or a transaction hash: 0x and 64 hexadecimal digits".to_owned()
    })
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| "expected a duration such as 90s or 3m".to_owned())
}

/// Runs the command of the process's arguments with these strategies.
pub fn main(registry: Registry) -> ExitCode {
    let work = tool::Work::parse(&registry);
    // The HTTP client has no TLS provider of its own. Fails only if one is installed already.
    drop(rustls::crypto::ring::default_provider().install_default());
    match start(work, registry) {
        Ok(exit) => exit.into(),
        Err(report) => {
            out::error(&format!("{report:#}"));
            ExitCode::FAILURE
        }
    }
}

fn start(work: tool::Work, registry: Registry) -> Result<Exit> {
    let Globals { config, log, log_format } = work.globals;
    let is_keeper = matches!(work.what, tool::What::Command(Command::Run));
    let filter = log.as_deref().unwrap_or(if is_keeper { "info" } else { "error" });
    telemetry::start_logs(filter, log_format)?;
    let session = Session {
        dir: config,
        registry: Arc::new(registry),
        environment: Environment::from_process(),
    };
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        match work.what {
            tool::What::Command(command) => dispatch(command, session).await,
            tool::What::Tool(tool, matches) => tool::run(session, tool, matches).await,
        }
    })
}

async fn dispatch(command: Command, session: Session) -> Result<Exit> {
    match command {
        Command::Run => run::run(session).await,
        Command::Check { offline, json } => check::check(session, offline, json).await,
        Command::Once { product, dry_run, timeout, json } => {
            once::once(session, once::Options { product, dry_run, timeout, json }).await
        }
        Command::Explain { product, json } => explain::explain(session, &product, json).await,
        Command::Status { product, watch, every, json } => {
            let watch = watch.then_some(every.max(SHORTEST_LOOK));
            status::status(session, status::Options { product, watch, json }).await
        }
        Command::Pause { which, reason } => {
            pause::order(session, which.order(pause::Order::Pause, reason)).await
        }
        Command::Resume { which } => {
            pause::order(session, which.order(pause::Order::Resume, None)).await
        }
        Command::Tx(TxCommand::List { product, chain, state, limit, json }) => {
            let filter = TransactionFilter { product, chain, state, limit, after: None };
            tx::list(session, filter, json).await
        }
        Command::Tx(TxCommand::Show { which, product, json }) => {
            tx::show(session, &which, product.as_deref(), json).await
        }
        Command::Tx(TxCommand::Bump(args)) => tx::order(session, "bump", args).await,
        Command::Tx(TxCommand::Cancel(args)) => tx::order(session, "cancel", args).await,
        Command::Gas(command) => gas::gas(session, command).await,
        Command::Wallet(command) => wallet::wallet(session, command).await,
        Command::Demo(demo) => Box::pin(demo::demo(session, demo)).await,
    }
}

/// The exit code for a product that has no file, which is told with those that have one.
fn unknown_product(config: &Config, product: Option<&str>) -> Option<Exit> {
    let product = product.filter(|name| !config.products.contains_key(*name))?;
    let known: Vec<&str> = config.products.keys().map(String::as_str).collect();
    out::error(&format!("no product `{product}`; there are: {}", known.join(", ")));
    Some(Exit::BadConfig)
}

/// What every command starts from.
struct Session {
    dir: PathBuf,
    registry: Arc<Registry>,
    environment: Environment,
}

impl Session {
    fn load(&self, secrets: Secrets) -> Result<Config, Problems> {
        Config::load(&self.dir, &self.environment, &self.registry, secrets)
    }

    /// Loads, or prints every problem and gives the exit code.
    fn load_or_report(&self, json: bool) -> Result<Config, Exit> {
        self.load_with(Secrets::Resolve, json)
    }

    /// The same for commands that connect to no chain and sign nothing: keys and endpoints need not
    /// be known where they run.
    fn load_for_reading(&self, json: bool) -> Result<Config, Exit> {
        self.load_with(Secrets::Skip, json)
    }

    fn load_with(&self, secrets: Secrets, json: bool) -> Result<Config, Exit> {
        self.load(secrets).map_err(|problems| {
            out::problems(&problems, json);
            Exit::BadConfig
        })
    }
}
