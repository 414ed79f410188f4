//! A base fee that makes trades wait, as long as there is time to.

use alloy::consensus::Transaction as _;
use ballast_devnet::IndexOptions;
use eyre::{Result, ensure};

use super::{
    books::Books,
    stage::{FIRST, Lines, REST, Stage},
};
use crate::stage::decode;

const GWEI: u128 = 1_000_000_000;
/// Far above what routine work pays, and below what the product may offer.
const DEAR: u128 = 50 * GWEI;
const MOST: u128 = 150 * GWEI;
const PATIENCE: u64 = 2 * 3_600;
const DEADLINE: u64 = 4 * 3_600;
const LINES: Lines = Lines {
    limits: "limits.routine_base_fee = \"5 gwei\"\nlimits.routine_patience = \"2h\"\n\
             limits.max_fee_per_gas = \"150 gwei\"\n",
    params: "deadline = \"4h\"\n",
};
/// Seconds between two dear blocks: a divisor of the patience.
const STEP: u64 = 900;
/// Dear blocks within which something must be over: more than fit into the deadline.
const BLOCKS: u64 = 16;

impl Stage {
    /// A dear block, so many seconds later, and what the keeper decides about it.
    async fn dear(&self, seconds: u64) -> Result<String> {
        self.node().set_next_base_fee(DEAR).await?;
        self.block(seconds).await
    }

    /// Dear blocks until something is sent; the time then.
    async fn dear_until_sent(&self) -> Result<u64> {
        for _ in 0..BLOCKS {
            self.dear(STEP).await?;
            if self.is_waiting().await? {
                return Ok(self.node().head().await?.timestamp);
            }
        }
        Err(self.keeper()?.failure("it waits for ever"))
    }

    async fn is_dear(&self) -> Result<bool> {
        let base_fee = self.node().head().await?.base_fee_per_gas;
        Ok(base_fee.is_some_and(|wei| u128::from(wei) > 6 * GWEI))
    }

    /// Dear and cheap blocks in turn, and dear ones until patience is over, and then the deadline.
    async fn try_patience(&self, began: u64) -> Result<()> {
        let count = async || Ok::<_, eyre::Report>(self.trades().await?.len());
        let before = count().await?;
        for seconds in [REST, STEP] {
            let said = self.dear(seconds).await?;
            ensure!(said.contains("waits for a cheap block"), "{said}");
            ensure!(!self.is_waiting().await?, "it is sent");
        }
        self.node().set_next_base_fee(GWEI).await?;
        let said = self.block(12).await?;
        ensure!(self.is_waiting().await?, "{said}");
        self.drain().await?;
        let cheap = count().await?;
        ensure!(cheap >= before + 3, "{before} before, {cheap} when it was cheap");
        let patient = self.keeper()?.lines();
        let patient = !patient.iter().any(|line| line.contains("waited long enough"));
        ensure!(patient, "{}", self.keeper()?.tail());

        // One trade waits until it has waited long enough; the next one begins anew.
        self.dear(REST).await?;
        let due = self.node().head().await?.timestamp;
        let sent = self.dear_until_sent().await?;
        ensure!((PATIENCE..PATIENCE + STEP).contains(&(sent - due)), "{} s", sent - due);
        self.keeper()?.wait_for_line("waited long enough", crate::harness::DEADLINE).await?;
        self.drain().await?;
        ensure!(count().await? == cheap + 1, "the next one did not wait");
        ensure!(self.is_dear().await?, "the next one had nothing to wait for");

        // That one waits no longer than to the deadline, and nor do those behind it.
        let due = self.node().head().await?.timestamp;
        let late = self.dear_until_sent().await?;
        ensure!(late - due < PATIENCE, "{} s", late - due);
        ensure!(late - began > DEADLINE - 2 * STEP, "{} s", late - began);
        let before = count().await?;
        self.drain().await?;
        ensure!(count().await? >= before + 2, "those behind it waited");
        ensure!(self.is_dear().await?, "nothing had to wait");
        Ok(())
    }
}

#[tokio::test]
async fn dear_blocks_are_waited_out_until_patience_or_the_deadline_is_over() -> Result<()> {
    let mut stage = Stage::start_with(IndexOptions::default(), LINES).await?;
    let plan = stage.plan(&FIRST, "0").await?;
    let books = Books::open(&stage, &plan).await?;
    stage.begin().await?;
    let began = stage.node().head().await?.timestamp;
    stage.run().await?;
    stage
        .play(async |stage, rest| if rest == 0 { stage.try_patience(began).await } else { Ok(()) })
        .await?;
    for raw in stage.world.sent() {
        let most = decode(&raw)?.max_fee_per_gas();
        ensure!(most <= MOST, "{most} wei offered");
    }
    stage.assert_clean().await?;
    books.assert_short_by_cost(&stage).await
}
