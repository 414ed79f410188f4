//! `ballast gas`: what everything cost, for finance.

mod reconcile;

use clap::Subcommand;
use eyre::Result;

use super::{Exit, Session};

/// What is asked of the ledger.
#[derive(Debug, Subcommand)]
pub(super) enum GasCommand {
    /// Proves, to the wei, that the books explain what each wallet holds
    ///
    /// Opening balance − outflows + inflows = closing balance, at two blocks; every row is held
    /// against its receipt. Whatever is unexplained is an error, with the block that it is in. Exit
    /// code 3 if there is any.
    Reconcile(reconcile::Args),
}

pub(super) async fn gas(session: Session, command: GasCommand) -> Result<Exit> {
    match command {
        GasCommand::Reconcile(args) => reconcile::reconcile(session, args).await,
    }
}
