//! Every fault of an endpoint, met by every kind of work: the work is done once all the same.
//!
//! A cell is one play of one subject under one fault: the keeper rests, the fault comes into force,
//! the work becomes due, blocks pass, and the fault ends. `make faults` plays all; other test runs
//! play a slice of them that a seed chooses (`FAULT_SEED`), every fault at least once. The table is
//! made of what the cells assert, and is left in `target/faults.md`.

pub(crate) mod rows;
mod table;

use std::collections::BTreeSet;

use ballast_test_support::{FaultHandle, KeeperProcess, Mempool};
use eyre::{Result, ensure};
use futures::future::try_join_all;

use self::{
    rows::{Choice, Row, Shape},
    table::{Cell, Table},
};
use crate::{
    chance::Chance,
    harness::DEADLINE,
    stage::{Account, BASE_FEE, Stage, Subject},
};

/// Seed of the slice where none is given; `FAULT_SEED=all` runs the whole matrix.
const SEED: u64 = 5;
/// Blocks for which a fault is in force that does not end by itself.
const LASTS: u64 = 6;
/// Cheap blocks after which both attempts at a nonce buy one.
const CHEAP: u64 = 3;
/// One cell of so many is in the slice.
const SLICE: u64 = 3;

#[tokio::test]
async fn the_matrix_or_a_slice_of_it() -> Result<()> {
    #[expect(clippy::disallowed_methods, reason = "a test has no configuration")]
    let seed = match std::env::var("FAULT_SEED") {
        Ok(text) if text == "all" => {
            return run("Every cell".to_owned(), &rows::all(), |_, _| true).await;
        }
        Ok(text) => text.parse()?,
        Err(_) => SEED,
    };
    let rows = rows::all();
    let chosen = slice(rows.len(), seed);
    let faults: BTreeSet<usize> = chosen.iter().map(|(row, _)| *row).collect();
    assert_eq!(faults.len(), rows.len(), "every fault at least once");
    let title = format!("A slice: FAULT_SEED={seed}");
    run(title, &rows, |row, subject| chosen.contains(&(row, subject))).await
}

/// Each fault with one subject; which one depends on the seed.
fn slice(rows: usize, seed: u64) -> BTreeSet<(usize, Subject)> {
    let mut chance = Chance::new(seed);
    let chosen = (0..rows).map(|row| {
        let index = usize::try_from(chance.below(SLICE)).expect("below three");
        (row, Subject::ALL[index])
    });
    chosen.collect()
}

/// Plays the cells that are wanted, the subjects beside each other, and writes the table.
async fn run(title: String, rows: &[Row], wanted: impl Fn(usize, Subject) -> bool) -> Result<()> {
    let columns = Subject::ALL.map(|subject| {
        let rows: Vec<&Row> = rows
            .iter()
            .enumerate()
            .filter(|(at, _)| wanted(*at, subject))
            .map(|(_, r)| r)
            .collect();
        column(subject, rows)
    });
    let cells = try_join_all(columns).await?.into_iter().flatten().collect();
    let table = Table { title, rows: rows.iter().map(|row| row.name.clone()).collect(), cells };
    table.write()?;
    table.print();
    table.verdict()
}

async fn column(subject: Subject, rows: Vec<&Row>) -> Result<Vec<Cell>> {
    let mut stage = Stage::start(subject).await?;
    let mut cells = Vec::new();
    for row in rows {
        let played = play(&mut stage, row).await;
        cells.push(Cell { fault: row.name.clone(), subject, played });
    }
    Ok(cells)
}

/// One cell.
async fn play(stage: &mut Stage, row: &Row) -> Result<(Account, u64)> {
    stage.begin().await?;
    let head = stage.node().block_number().await?;
    let pool = Mempool::new();
    let inject = || row.inject(&stage.world.proxy, head, &pool);
    let (mut keeper, faults) = if row.from_the_start {
        let faults = inject();
        (stage.keeper()?, faults)
    } else {
        let keeper = stage.resting_keeper().await?;
        (keeper, inject())
    };
    stage.make_due().await?;
    let mut force = Force::new(&faults);
    if row.from_the_start {
        // Who puts such an endpoint right starts anew: it is asked again after a minute only.
        keeper = start_anew(stage, keeper, &mut force).await?;
    }
    stage
        .play(&keeper, async || {
            let base_fee = match row.shape {
                Shape::Requests(_) => force.pass(stage),
                Shape::Held(choice) => force.hold(stage, &pool, choice).await?,
            };
            let over = force.is_over && stage.is_done().await?;
            Ok((!over).then_some(base_fee))
        })
        .await?;
    let fired = fired(&faults)?;
    let account = stage.assert_once().await.map_err(|e| keeper.failure(&format!("{e:#}")))?;
    keeper.terminate()?;
    ensure!(keeper.wait_exit(DEADLINE).await?.success(), "a clean stop");
    Ok((account, fired))
}

/// With an endpoint that is not to be used nothing is sent; then it is put right.
async fn start_anew(
    stage: &Stage,
    mut keeper: KeeperProcess,
    force: &mut Force<'_>,
) -> Result<KeeperProcess> {
    keeper.wait_for_line("is quarantined", DEADLINE).await?;
    let mut blocks = LASTS;
    let passed = async || {
        blocks = blocks.saturating_sub(1);
        Ok((blocks > 0).then_some(BASE_FEE))
    };
    stage.play(&keeper, passed).await?;
    ensure!(stage.world.proxy.raw_transactions().is_empty(), "sent on another chain");
    force.end(stage);
    keeper.terminate()?;
    ensure!(keeper.wait_exit(DEADLINE).await?.success(), "a clean stop");
    stage.keeper()
}

/// A fault that did not happen proves nothing.
fn fired(faults: &[FaultHandle]) -> Result<u64> {
    let counts: Vec<u64> = faults.iter().map(FaultHandle::fired).collect();
    ensure!(counts.iter().all(|count| *count > 0), "a fault did not fire: {counts:?}");
    Ok(counts.iter().sum())
}

/// The faults of a cell while it is played.
struct Force<'a> {
    faults: &'a [FaultHandle],
    /// Blocks since all of them have fired, or since there are two attempts in the pool.
    blocks: u64,
    is_over: bool,
}

impl<'a> Force<'a> {
    fn new(faults: &'a [FaultHandle]) -> Self {
        Self { faults, blocks: 0, is_over: false }
    }

    /// Ends the faults some blocks after all of them have fired. Gives the base fee of the next
    /// block, as [`hold`](Self::hold) does.
    fn pass(&mut self, stage: &Stage) -> u128 {
        if !self.is_over && self.faults.iter().all(|fault| fault.fired() > 0) {
            self.blocks += 1;
            if self.blocks > LASTS {
                self.end(stage);
            }
        }
        BASE_FEE
    }

    /// Makes the first transaction be replaced, hands the chosen attempt to the node, and lets the
    /// pool go once that is in a block.
    async fn hold(&mut self, stage: &Stage, pool: &Mempool, choice: Choice) -> Result<u128> {
        if self.is_over {
            return Ok(BASE_FEE);
        }
        if stage.world.mined().await? > 0 {
            self.end(stage);
            return Ok(BASE_FEE);
        }
        let first: Vec<_> =
            pool.transactions().into_iter().filter(|held| held.nonce == 0).collect();
        let (original, replacement) = match first.as_slice() {
            [] => return Ok(BASE_FEE),
            // What was offered buys no block from here on, so that it is replaced.
            [_] => return Ok(4 * BASE_FEE),
            [original, .., newest] => (original, newest),
        };
        // After some cheap blocks both attempts buy one.
        self.blocks += 1;
        if self.blocks == CHEAP {
            let chosen = match choice {
                Choice::Original => original,
                Choice::Replacement => replacement,
            };
            stage.world.proxy.release(pool, chosen.hash).await?;
        }
        Ok(BASE_FEE)
    }

    fn end(&mut self, stage: &Stage) {
        stage.world.proxy.heal();
        self.is_over = true;
    }
}
