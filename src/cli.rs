//! The command line.
//!
//! Exit codes: 0 done; 1 failed while running; 2 the command line or a file is wrong; 3 `check`
//! found something on a chain that needs a person; 4 `once` sent something that was not included
//! in time.

mod check;
mod demo;
mod explain;
mod once;
mod out;
mod run;

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use clap::{Parser, Subcommand};
use eyre::Result;

use crate::{
    config::{Config, Environment, Problems, Secrets},
    registry::Registry,
    telemetry::{self, LogFormat},
};

/// Exit codes other than 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All went well.
    Done,
    /// The command line or a file is wrong.
    BadConfig,
    /// `check` found something on a chain.
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
    /// Directory with ballast.toml, chains/ and products/
    #[arg(long, global = true, default_value = "config", value_name = "DIR")]
    config: PathBuf,
    /// Log filter, e.g. `info` or `ballast=debug,warn`
    #[arg(long, global = true, env = "BALLAST_LOG", value_name = "FILTER")]
    log: Option<String>,
    /// How log lines look
    #[arg(long, global = true, value_enum, default_value = "text")]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
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
    /// Two local chains with the real contracts, markets that move, and one keeper
    Demo(demo::DemoArgs),
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| "expected a duration such as 90s or 3m".to_owned())
}

/// Runs the command of the process's arguments with these strategies.
pub fn main(registry: Registry) -> ExitCode {
    let args = Args::parse();
    // The HTTP client has no TLS provider of its own. Fails only if one is installed already.
    drop(rustls::crypto::ring::default_provider().install_default());
    match start(args, registry) {
        Ok(exit) => exit.into(),
        Err(report) => {
            out::error(&format!("{report:#}"));
            ExitCode::FAILURE
        }
    }
}

fn start(args: Args, registry: Registry) -> Result<Exit> {
    let quiet = matches!(args.command, Command::Run);
    let filter = args.log.as_deref().unwrap_or(if quiet { "info" } else { "error" });
    telemetry::start_logs(filter, args.log_format)?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(dispatch(args, registry))
}

async fn dispatch(args: Args, registry: Registry) -> Result<Exit> {
    let session = Session {
        dir: args.config,
        registry: Arc::new(registry),
        environment: Environment::from_process(),
    };
    match args.command {
        Command::Run => run::run(session).await,
        Command::Check { offline, json } => check::check(session, offline, json).await,
        Command::Once { product, dry_run, timeout, json } => {
            once::once(session, once::Options { product, dry_run, timeout, json }).await
        }
        Command::Explain { product, json } => explain::explain(session, &product, json).await,
        Command::Demo(demo) => demo::demo(session, demo).await,
    }
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
        self.load(Secrets::Resolve).map_err(|problems| {
            out::problems(&problems, json);
            Exit::BadConfig
        })
    }
}
