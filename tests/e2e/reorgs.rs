//! The chain takes blocks back, up to the depth at which they are final: what was in them is sent
//! again, or known under the other attempt that was mined, or given up where nothing is due any more.

use std::collections::BTreeSet;

use alloy::{
    consensus::{Transaction as _, TxEnvelope},
    eips::Encodable2718 as _,
    network::{EthereumWallet, NetworkTransactionBuilder as _, TransactionBuilder as _},
    primitives::{Address, B256, Bytes, utils::parse_ether},
    rpc::types::TransactionRequest,
    signers::local::PrivateKeySigner,
    sol_types::SolCall as _,
};
use ballast_devnet::{V2_EXCHANGE, accounts, contracts::IStrategy::rebalanceCall};
use ballast_test_support::{Fault, HeldTransaction, KeeperProcess, Mempool, wait_until};
use eyre::{OptionExt as _, Result, ensure};
use futures::future::try_join_all;

use crate::{
    harness::DEADLINE,
    stage::{BASE_FEE, COUNTER, COUNTS, FINALITY, Stage, Subject, decode},
};

/// Somebody else who counts.
const STRANGER: usize = 7;

#[tokio::test]
async fn what_falls_away_is_done_again_at_its_own_nonces() -> Result<()> {
    let plays = Subject::ALL.map(|subject| async move {
        let mut stage = Stage::start(subject).await?;
        // Two trades of a way back that fall away together may be mined together, and the contract
        // refuses the second of a block.
        let deepest = if subject == Subject::Ripcord { 1 } else { FINALITY };
        for depth in 1..=deepest {
            taken_back(&mut stage, depth)
                .await
                .map_err(|e| e.wrap_err(format!("{} blocks, {}", depth, subject.label())))?;
        }
        Ok::<_, eyre::Report>(())
    });
    try_join_all(plays).await.map(drop)
}

/// As many transactions of ours as there are, and may be, in `depth` blocks fall away with those.
async fn taken_back(stage: &mut Stage, depth: u64) -> Result<()> {
    stage.begin().await?;
    let keeper = stage.resting_keeper().await?;
    stage.make_due().await?;
    // Transactions of ours that fall away, in as many blocks.
    let ours = if stage.subject == Subject::Counter { depth.min(COUNTS) } else { 1 };
    let (mut taken, mut full) = (false, None);
    stage
        .play(&keeper, async || {
            if !taken {
                // One after the other, without a block in between.
                let mined = stage.world.mined().await?.min(ours);
                let followed = async || {
                    let sent = distinct_sent(stage) as u64;
                    told(&keeper, "included") >= mined && sent >= (mined + 1).min(ours)
                };
                until(&keeper, "the keeper to follow", followed).await?;
                let head = stage.node().block_number().await?;
                if mined == ours && head >= *full.get_or_insert(head) + depth - ours {
                    stage.node().reorg(depth).await?;
                    taken = true;
                }
            }
            let done = taken && stage.is_done().await?;
            Ok((!done).then_some(BASE_FEE))
        })
        .await?;
    // At the depth of finality the oldest of them had been final.
    let back = told(&keeper, "reorged") + told(&keeper, "undone");
    ensure!(back >= ours, "{back} fell away, not {ours}: {}", keeper.tail());
    stage.assert_once().await.map_err(|error| keeper.failure(&format!("{error:#}")))?;
    end(keeper).await
}

/// Waits for something, without a block being made.
async fn until(keeper: &KeeperProcess, what: &str, holds: impl AsyncFn() -> bool) -> Result<()> {
    let waited = wait_until(what, DEADLINE, async || holds().await).await;
    waited.map_err(|error| keeper.failure(&error.to_string()))
}

/// How often the keeper has told of a step.
fn told(keeper: &KeeperProcess, step: &str) -> u64 {
    let step = format!("step=\"{step}\"");
    keeper.lines().iter().filter(|line| line.contains(&step)).count() as u64
}

fn distinct_sent(stage: &Stage) -> usize {
    stage.world.proxy.raw_transactions().into_iter().collect::<BTreeSet<_>>().len()
}

async fn end(mut keeper: KeeperProcess) -> Result<()> {
    keeper.terminate()?;
    ensure!(keeper.wait_exit(DEADLINE).await?.success(), "a clean stop");
    Ok(())
}

#[tokio::test]
async fn another_attempt_at_the_nonce_may_be_mined_in_its_place() -> Result<()> {
    let mut stage = Stage::start(Subject::Counter).await?;
    for from_original in [true, false] {
        swapped(&mut stage, from_original).await?;
    }
    Ok(())
}

/// The original is mined, and after the reorganisation its replacement; or the other way round.
async fn swapped(stage: &mut Stage, from_original: bool) -> Result<()> {
    stage.begin().await?;
    let keeper = stage.resting_keeper().await?;
    let pool = Mempool::new();
    let held = stage.world.proxy.inject(Fault::Hold(pool.clone()));
    stage.make_due().await?;
    let replaced = async || {
        Ok(match at_first(&pool).len() {
            0 => Some(BASE_FEE),
            // What was offered buys no block from here on.
            1 => Some(4 * BASE_FEE),
            _ => None,
        })
    };
    stage.play(&keeper, replaced).await?;
    // Cheap blocks again, in which either may be.
    stage.beat(BASE_FEE).await?;
    stage.beat(BASE_FEE).await?;
    let both = at_first(&pool);
    let (original, replacement) = (both[0].hash, both[1].hash);
    let (before, after) =
        if from_original { (original, replacement) } else { (replacement, original) };
    stage.world.proxy.release(&pool, before).await?;
    stage.beat(BASE_FEE).await?;
    ensure!(stage.world.mined().await? == 1, "{before} is not in a block");
    let included = async || told(&keeper, "included") == 1;
    until(&keeper, "the first inclusion", included).await?;

    stage.node().reorg_with(1, &[(raw_of(stage, after)?, 0)]).await?;
    ensure!(held.fired() > 0, "the pool held nothing");
    stage.world.proxy.heal();
    let done = async || Ok((!stage.is_done().await?).then_some(BASE_FEE));
    stage.play(&keeper, done).await?;
    ensure!(stage.included_hash(0).await? == after, "not the attempt that was mined");
    ensure!(told(&keeper, "included") > COUNTS, "it was noticed: {}", keeper.tail());
    stage.assert_once().await.map_err(|error| keeper.failure(&format!("{error:#}")))?;
    end(keeper).await
}

#[tokio::test]
async fn what_somebody_else_did_in_the_new_blocks_is_given_up() -> Result<()> {
    let plays = [Subject::Rebalance, Subject::Counter].map(|subject| async move {
        let mut stage = Stage::start(subject).await?;
        unnecessary(&mut stage).await.map_err(|e| e.wrap_err(subject.label()))
    });
    try_join_all(plays).await.map(drop)
}

/// Ours falls away, and the new block has what makes it unnecessary. A pool that the test keeps has
/// it again, as those of nodes would; so it has to be cancelled there.
async fn unnecessary(stage: &mut Stage) -> Result<()> {
    stage.counts = 1;
    stage.begin().await?;
    let stranger = accounts::keeper_address(STRANGER);
    let (market, product) = (stage.world.devnet.market(), stage.world.devnet.product());
    market.set_caller_status(product, &[stranger], true).await?;
    stage.node().set_balance(stranger, parse_ether("100")?).await?;
    stage.beat(BASE_FEE).await?;
    let keeper = stage.resting_keeper().await?;
    stage.make_due().await?;
    // The block with ours is the newest one when it falls away.
    let ours = async || Ok((stage.world.mined().await? == 0).then_some(BASE_FEE));
    stage.play(&keeper, ours).await?;
    let pool = Mempool::new();
    let held = stage.world.proxy.inject(Fault::Hold(pool.clone()));
    let included = async || told(&keeper, "included") == 1;
    until(&keeper, "the inclusion", included).await?;
    let theirs = strangers(stage).await?;
    stage.node().reorg_with(1, &theirs).await?;
    stage.in_range().await?;

    let cancelled = async || {
        let newest = at_first(&pool).pop();
        let is_void = |hash| decode_of(stage, hash).is_ok_and(|tx| tx.input().is_empty());
        Ok((!newest.is_some_and(|held| is_void(held.hash))).then_some(BASE_FEE))
    };
    stage.play(&keeper, cancelled).await?;
    let newest = at_first(&pool).pop().ok_or_eyre("nothing is held")?;
    stage.world.proxy.release(&pool, newest.hash).await?;
    let is_final = async || {
        let outcomes = stage.outcomes().await?;
        Ok(outcomes.values().any(String::is_empty).then_some(BASE_FEE))
    };
    stage.play(&keeper, is_final).await?;
    ensure!(held.fired() > 0, "the pool held nothing");
    stage.in_range().await.map_err(|error| keeper.failure(&format!("{error:#}")))?;
    let outcomes = stage.outcomes().await?;
    ensure!(outcomes.get(&0).is_some_and(|o| o == "cancelled"), "{outcomes:?}");
    ensure!(stage.world.mined().await? == 1, "more than one nonce was used");
    end(keeper).await
}

/// What is held at our first nonce, replaced ones included, in order.
fn at_first(pool: &Mempool) -> Vec<HeldTransaction> {
    pool.transactions().into_iter().filter(|held| held.nonce == 0).collect()
}

fn raw_of(stage: &Stage, hash: B256) -> Result<Bytes> {
    let raw = stage
        .world
        .proxy
        .raw_transactions()
        .into_iter()
        .find(|raw| decode(raw).is_ok_and(|transaction| *transaction.tx_hash() == hash));
    Ok(raw.ok_or_eyre("it was never sent")?.parse()?)
}

fn decode_of(stage: &Stage, hash: B256) -> Result<TxEnvelope> {
    decode(&raw_of(stage, hash)?.to_string())
}

/// What a stranger signs to do the whole work, for the first of the new blocks.
async fn strangers(stage: &Stage) -> Result<Vec<(Bytes, u64)>> {
    let signer = PrivateKeySigner::from_bytes(&accounts::keeper_key(STRANGER))?;
    let from = signer.address();
    let wallet = EthereumWallet::new(signer);
    let (to, data): (Address, Bytes) = match stage.subject {
        Subject::Counter => (COUNTER, Bytes::from_static(b"count")),
        Subject::Rebalance | Subject::Ripcord => {
            let call = rebalanceCall { exchangeName: V2_EXCHANGE.to_owned() };
            (stage.world.devnet.product().strategy, call.abi_encode().into())
        }
    };
    let request = TransactionRequest::default()
        .with_chain_id(1)
        .with_nonce(stage.node().nonce(from).await?)
        .with_to(to)
        .with_input(data)
        .with_gas_limit(2_000_000)
        .with_max_fee_per_gas(100 * BASE_FEE)
        .with_max_priority_fee_per_gas(BASE_FEE);
    let envelope = request.build(&wallet).await?;
    Ok(vec![(envelope.encoded_2718().into(), 0)])
}
