//! `ballast gas`: what everything cost, for finance.

mod chain;
mod reconcile;
mod report;
mod runway;

use clap::Subcommand;
use eyre::Result;

use super::{Exit, Session};

/// What is asked of the ledger.
#[derive(Debug, Subcommand)]
pub(super) enum GasCommand {
    /// What each product and action cost in a month, with budgets and the months before
    Report(report::Args),
    /// How long each wallet lasts, and a Safe's transfers that top up those of a chain
    Runway(runway::Args),
    /// Proves, to the wei, that the books explain what each wallet holds
    ///
    /// Opening balance − outflows + inflows = closing balance, at two blocks; every row is held
    /// against its receipt. Whatever is unexplained is an error, with the block that it is in. Exit
    /// code 3 if there is any.
    Reconcile(reconcile::Args),
}

pub(super) async fn gas(session: Session, command: GasCommand) -> Result<Exit> {
    match command {
        GasCommand::Report(args) => report::report(session, args).await,
        GasCommand::Runway(args) => runway::runway(session, args).await,
        GasCommand::Reconcile(args) => reconcile::reconcile(session, args).await,
    }
}
