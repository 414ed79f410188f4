//! `ballast index …`

mod files;
mod inputs;
mod params;
mod plan;
mod report;
mod signers;
mod verify;

use ballast_strategy_api::{Host, Told, Tool};
use clap::{ArgMatches, Command, FromArgMatches as _, Subcommand};
use futures::{FutureExt as _, future::BoxFuture};

/// The subcommand.
pub fn tool() -> Tool {
    Tool { command, run }
}

#[derive(Debug, Subcommand)]
enum IndexCommand {
    /// Turns published weights into target units, with the trades that they make
    Plan(Box<plan::PlanArgs>),
    /// Advises how each component should be traded: where, how much at a time, with what rest
    Params(Box<params::ParamsArgs>),
    /// Checks published weights, and what a multisig is asked to sign or has executed
    Verify(Box<verify::VerifyArgs>),
    /// Reports what came of a rebalance: units, slippage, gas, time
    Report(Box<report::ReportArgs>),
}

fn command() -> Command {
    let about = "Composite indices: from published weights to units, and what came of them";
    let command = Command::new("index").about(about).subcommand_required(true);
    IndexCommand::augment_subcommands(command.arg_required_else_help(true))
}

fn run<'a>(matches: &'a ArgMatches, host: &'a dyn Host) -> BoxFuture<'a, Told> {
    async move {
        let told = match IndexCommand::from_arg_matches(matches) {
            Ok(IndexCommand::Plan(args)) => plan::plan(*args, host).await,
            Ok(IndexCommand::Params(args)) => params::params(*args, host).await,
            Ok(IndexCommand::Verify(args)) => verify::verify(*args, host).await,
            Ok(IndexCommand::Report(args)) => report::report(*args, host).await,
            Err(cause) => Err(Told::BadInput(vec![cause.to_string()])),
        };
        told.unwrap_or_else(|told| told)
    }
    .boxed()
}
