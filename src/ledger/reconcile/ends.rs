//! What a wallet held at the two ends.

use ballast_chains::reader::CallError;

use super::{Problem, ReconcileError};
use crate::ledger::{
    chain::{Account, Chain, Place},
    entry::{Checkpoint, Holder},
    flows::Point,
};

/// What is noticed of the two balances.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) problems: Vec<Problem>,
    pub(super) unproven: Vec<String>,
}

/// What the wallet held after a block: by the chain where it tells, else by the checkpoint of that
/// block, which the chain told when it was final.
pub(super) async fn balance_at(
    chain: Option<&dyn Chain>,
    holder: &Holder,
    number: Option<u64>,
    otherwise: Option<&Checkpoint>,
    held: &[Checkpoint],
    notes: &mut Notes,
) -> Result<Point, ReconcileError> {
    let whose = || format!("{} on {}", holder.wallet, holder.chain);
    let number = match number {
        Some(number) => number,
        None => otherwise.ok_or_else(|| ReconcileError::NotBegun(whose()))?.block.number,
    };
    let stored = held.iter().find(|at| at.block.number == number);
    let told = match chain {
        Some(chain) => on_chain(chain, holder, number).await,
        None => Err("no endpoint was asked".to_owned()),
    };
    match (told, stored) {
        (Ok(point), Some(stored)) => {
            notes.problems.extend(differs(stored, &point));
            Ok(point)
        }
        (Ok(point), None) => Ok(point),
        (Err(why), Some(stored)) => {
            notes.unproven.push(format!(
                "the balance after block {number} rests on the checkpoint that was stored when it \
                 was final; the chain cannot be asked any more ({why}): an rpc with archive = true \
                 would prove it"
            ));
            let account = Account { balance: stored.balance, nonce: stored.nonce };
            Ok(Point { block: stored.block, account })
        }
        (Err(why), None) => {
            let near = held.iter().map(|at| at.block.number.to_string());
            let near: Vec<String> = near.rev().take(10).collect();
            let near = if near.is_empty() {
                "no checkpoint is stored".to_owned()
            } else {
                format!("checkpoints are stored for blocks {}", near.join(", "))
            };
            Err(ReconcileError::NoBalance(number, format!("{why}; {near}")))
        }
    }
}

/// In what a checkpoint differs from what the chain says of its block.
pub(super) fn differs(stored: &Checkpoint, told: &Point) -> Option<Problem> {
    let same = stored.block == told.block
        && stored.balance == told.account.balance
        && stored.nonce == told.account.nonce;
    let number = stored.block.number;
    (!same).then(|| Problem {
        block: Some(number),
        nonce: None,
        what: format!(
            "the checkpoint of block {number} says {} wei and nonce {} at {}, the chain {} wei and \
             nonce {} at {}",
            stored.balance,
            stored.nonce,
            stored.block.hash,
            told.account.balance,
            told.account.nonce,
            told.block.hash
        ),
    })
}

async fn on_chain(chain: &dyn Chain, holder: &Holder, number: u64) -> Result<Point, String> {
    let told = |error: CallError| error.to_string();
    let block = chain.block(Place::Number(number)).await.map_err(told)?;
    let block = block.filter(|block| block.number == number);
    let block = block.ok_or_else(|| format!("no endpoint has block {number}"))?;
    let account = chain.account(holder.wallet, block).await.map_err(told)?;
    Ok(Point { block, account })
}
