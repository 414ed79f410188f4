//! Many products for many blocks, with something always going wrong: endpoints, the chain, the
//! node and the keeper itself. At the end the chain and the journal are counted, each by itself:
//! every intent was executed once, no lane is stuck, and the keeper has not grown.
//!
//! Half of the products are leveraged ones on the published contracts, half are counters without any
//! guard. What goes wrong when comes from a seed, which is printed. `make soak` plays 20 products for
//! 2,000 blocks; other test runs play a slice. `SOAK_SEED`, `SOAK_BLOCKS` and `SOAK_PRODUCTS` choose
//! another. What was done is left in `target/soak.md`.
//!
//! The keeper is killed in the first half of the blocks alone, so that the one of the second half
//! lives long enough for its memory to tell something.

mod audit;
mod days;
mod plan;
mod report;
mod trouble;
mod world;

use std::time::{Duration, Instant};

use ballast_test_support::KeeperProcess;
use eyre::{OptionExt as _, Result, ensure};
use tokio::time::{MissedTickBehavior, interval};

use self::{
    days::Days,
    plan::{Event, Plan, Size},
    report::Report,
    trouble::Trouble,
    world::{BEAT, World},
};
use crate::{chance::Chance, harness::DEADLINE, stage::BASE_FEE};

/// Blocks, and time, within which everything is done and final once nothing goes wrong any more: what
/// is left takes a block or two each, and the machine may be busy. Over when both are.
const SETTLES_WITHIN: u64 = 500;
const SETTLES_UNTIL: Duration = Duration::from_mins(5);
/// What the keeper's memory may grow by over the last three quarters of the second half, as a share
/// of what it was at the first quarter, and what is too little to tell, in kilobytes.
const GROWTH_PERCENT: u64 = 20;
const UNTOLD: u64 = 8 * 1_024;

#[tokio::test]
async fn every_intent_of_many_products_is_executed_once() -> Result<()> {
    let size = Size::chosen()?;
    say(&size.to_string());
    let mut soak = Soak::start(size).await?;
    let begun = Instant::now();
    let done = soak.play().await;
    let keeper = soak.keeper.take().ok_or_eyre("no keeper")?;
    done.map_err(|error| keeper.failure(&format!("{}: {error:#}", soak.plan.size)))?;
    let count = audit::audit(&soak.world)
        .await
        .map_err(|error| keeper.failure(&format!("{}: {error:#}", soak.plan.size)))?;
    soak.stop(keeper).await?;
    soak.report.took = begun.elapsed();
    soak.report.fired = soak.trouble.fired();
    soak.report.days = soak.days.count;
    soak.report.count = count;
    soak.report.write(&soak.plan)?;
    soak.plan.ensure_everything_happened(&soak.report)?;
    soak.ensure_flat_memory()
}

/// For whoever reads the output of this test, or looks for the seed of one that failed.
#[expect(clippy::print_stdout, reason = "the seed has to be seen")]
fn say(what: &str) {
    println!("{what}");
}

struct Soak {
    world: World,
    plan: Plan,
    days: Days,
    trouble: Trouble,
    keeper: Option<KeeperProcess>,
    report: Report,
    /// Blocks since the node was started: it keeps no older states.
    states: u64,
    /// Blocks for which the base fee is high.
    dear: u64,
}

impl Soak {
    async fn start(size: Size) -> Result<Self> {
        let world = World::start(&size).await?;
        let mut chance = Chance::new(size.seed);
        let plan = Plan::new(size, &mut chance);
        let days = Days::begin(chance.clone());
        let keeper = world.keeper()?;
        keeper.wait_for_line("first head", DEADLINE).await?;
        let trouble = Trouble::new(chance);
        let report = Report::default();
        Ok(Self { world, plan, days, trouble, keeper: Some(keeper), report, states: 0, dear: 0 })
    }

    /// All blocks with their troubles, and as many without any as it takes until all is done.
    async fn play(&mut self) -> Result<()> {
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let blocks = self.plan.size.blocks;
        for block in 0..blocks {
            beats.tick().await;
            let head = self.world.node().block_number().await?;
            self.trouble.step(block, head, &self.world.proxies());
            for event in self.plan.at(block) {
                self.happen(event).await?;
            }
            self.days.step(&self.world, block).await?;
            self.beat().await?;
            if block == blocks / 2 + blocks / 8 {
                self.report.memory.0 = self.resident().await?;
            }
        }
        self.report.memory.1 = self.resident().await?;
        self.trouble.end();
        self.dear = 0;
        self.revive()?;
        let (mut passed, quiet) = (0, Instant::now());
        while passed < SETTLES_WITHIN || quiet.elapsed() < SETTLES_UNTIL {
            beats.tick().await;
            if audit::is_settled(&self.world).await? {
                self.report.settled_after = passed;
                return Ok(());
            }
            self.beat().await?;
            passed += 1;
        }
        Err(audit::unsettled(&self.world).await?)
    }

    /// One block more.
    async fn beat(&mut self) -> Result<()> {
        let node = self.world.node();
        let fee = if self.dear > 0 { 4 * BASE_FEE } else { BASE_FEE };
        self.dear = self.dear.saturating_sub(1);
        self.states += 1;
        node.set_next_base_fee(fee).await?;
        node.mine(1).await
    }

    async fn happen(&mut self, event: Event) -> Result<()> {
        match event {
            Event::Kill => {
                if let Some(mut keeper) = self.keeper.take() {
                    keeper.kill9().await?;
                    self.report.kills += 1;
                }
            }
            Event::Revive => self.revive()?,
            Event::NodeRestart => {
                self.world.restart_node().await?;
                self.states = 0;
                self.report.node_restarts += 1;
            }
            Event::Reorg(depth) if depth < self.states => {
                self.fall_away(depth).await?;
                self.report.reorgs += 1;
                self.report.deepest = self.report.deepest.max(depth);
            }
            // The states that it would go back to are gone with the old process.
            Event::Reorg(_) => {}
            Event::Dear(blocks) => {
                self.dear = blocks;
                self.report.dear += 1;
            }
        }
        Ok(())
    }

    /// The newest blocks fall away, and not the time that has passed: blocks that come instead of others
    /// are no earlier. Else a day could end again while a trade that it made due is in the pool; the
    /// contract refuses that trade, and no keeper can help it.
    async fn fall_away(&self, depth: u64) -> Result<()> {
        let node = self.world.node();
        let before = node.head().await?.timestamp;
        node.reorg(depth).await?;
        if node.head().await?.timestamp < before {
            node.set_next_base_fee(BASE_FEE).await?;
            node.mine_at(before).await?;
        }
        Ok(())
    }

    fn revive(&mut self) -> Result<()> {
        if self.keeper.is_none() {
            self.keeper = Some(self.world.keeper()?);
        }
        Ok(())
    }

    async fn resident(&self) -> Result<u64> {
        let keeper = self.keeper.as_ref().ok_or_eyre("no keeper in the second half")?;
        world::resident(keeper.id()).await
    }

    async fn stop(&self, mut keeper: KeeperProcess) -> Result<()> {
        keeper.terminate()?;
        ensure!(keeper.wait_exit(DEADLINE).await?.success(), "a clean stop");
        Ok(())
    }

    fn ensure_flat_memory(&self) -> Result<()> {
        let (quarter, end) = self.report.memory;
        let bound = quarter + (quarter * GROWTH_PERCENT / 100).max(UNTOLD);
        ensure!(end <= bound, "{end} kB resident at the end, {quarter} kB at the quarter");
        Ok(())
    }
}
