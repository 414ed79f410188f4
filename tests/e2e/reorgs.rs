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
use eyre::{OptionExt as _, Result, WrapErr as _, ensure};
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
        for depth in 1..=FINALITY {
            taken_back(&mut stage, depth)
                .await
                .map_err(|e| e.wrap_err(format!("{} blocks, {}", depth, subject.label())))?;
        }
        Ok::<_, eyre::Report>(())
    });
    try_join_all(plays).await.map(drop)
}

/// As many transactions of ours as there are, and may be, in `depth` blocks fall away with those: of
/// what takes several, up to three that are not final.
///
/// Two trades of a way back that fall away together could be mined together, and the contract
/// refuses the second of a block; so here the miners take one a block.
async fn taken_back(stage: &mut Stage, depth: u64) -> Result<()> {
    stage.begin().await?;
    let keeper = stage.resting_keeper().await?;
    let pool = Mempool::new();
    let one_a_block = stage.subject == Subject::Ripcord;
    if one_a_block {
        drop(stage.world.proxy.inject(Fault::Hold(pool.clone())));
    }
    stage.make_due().await?;
    // Transactions of ours that fall away, in as many blocks.
    let ours = if stage.subject == Subject::Rebalance { 1 } else { depth.min(COUNTS) };
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
                    if one_a_block {
                        // The pool has them still, and they could be in the very next block.
                        until(&keeper, "the loss", async || fallen(&keeper) >= ours).await?;
                    }
                }
            }
            if one_a_block {
                release_next(stage, &pool).await?;
            }
            let done = taken && stage.is_done().await?;
            Ok((!done).then_some(BASE_FEE))
        })
        .await?;
    // At the depth of finality the oldest of them had been final.
    let back = fallen(&keeper);
    ensure!(back >= ours, "{back} fell away, not {ours}: {}", keeper.tail());
    stage.assert_once().await.map_err(|error| keeper.failure(&format!("{error:#}")))?;
    end(keeper).await
}

/// Hands the newest attempt at the next nonce to the node, if there is any.
async fn release_next(stage: &Stage, pool: &Mempool) -> Result<()> {
    let next = stage.world.mined().await?;
    let held = pool.transactions();
    match held.iter().rfind(|held| held.current && held.nonce == next) {
        Some(held) => stage.world.proxy.release(pool, held.hash).await,
        None => Ok(()),
    }
}

#[tokio::test]
async fn trades_that_come_back_in_one_block_are_done_once_each_or_known_to_have_failed()
-> Result<()> {
    let mut stage = Stage::start(Subject::Ripcord).await?;
    stage.begin().await?;
    let keeper = stage.resting_keeper().await?;
    stage.make_due().await?;
    let mut taken = false;
    stage
        .play(&keeper, async || {
            if !taken && told(&keeper, "included") >= 3 {
                stage.node().reorg(3).await?;
                taken = true;
            }
            Ok((!taken || !stage.is_done().await?).then_some(BASE_FEE))
        })
        .await?;
    ensure!(told(&keeper, "reorged") >= 2, "nothing fell away: {}", keeper.tail());
    let outcomes = stage.outcomes().await?;
    let used = stage.world.mined().await?;
    ensure!(outcomes.keys().copied().eq(0..used), "{outcomes:?}, used: {used}");
    let usual = |outcome: &String| matches!(outcome.as_str(), "confirmed" | "reverted");
    ensure!(outcomes.values().all(usual), "{outcomes:?}");
    let confirmed = outcomes.values().filter(|outcome| *outcome == "confirmed").count();
    let executed = stage.executed().await?;
    ensure!(executed == confirmed, "{confirmed} confirmed, {executed} intents: {outcomes:?}");
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

/// How often a nonce lost its block.
fn fallen(keeper: &KeeperProcess) -> u64 {
    told(keeper, "reorged") + told(keeper, "undone")
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
    // Where all three go through a pool that the test keeps, each takes some blocks.
    stage.finality = 4 * FINALITY;
    let deepest = stage.finality - 1;
    for from_original in [true, false] {
        for (unfinal, depth) in [(1, 1), (1, 2), (1, deepest), (COUNTS, COUNTS), (COUNTS, deepest)]
        {
            let told = format!("{unfinal} not final, {depth} blocks or more");
            swapped(&mut stage, from_original, (unfinal, depth)).await.wrap_err(told)?;
        }
    }
    Ok(())
}

/// The original is mined, and after the reorganisation its replacement; or the other way round. So
/// many nonces are included and not final by then, and at least so many blocks fall away.
async fn swapped(
    stage: &mut Stage,
    from_original: bool,
    (unfinal, least): (u64, u64),
) -> Result<()> {
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
    stage.followed(&keeper, BASE_FEE).await?;
    stage.followed(&keeper, BASE_FEE).await?;
    let both = at_first(&pool);
    let (original, replacement) = (both[0].hash, both[1].hash);
    let (before, after) =
        if from_original { (original, replacement) } else { (replacement, original) };
    stage.world.proxy.release(&pool, before).await?;
    stage.followed(&keeper, BASE_FEE).await?;
    ensure!(stage.world.mined().await? == 1, "{before} is not in a block");
    let included = async || told(&keeper, "included") == 1;
    until(&keeper, "the first inclusion", included).await?;
    let first = stage.node().block_number().await?;
    for mined in 1..unfinal {
        let is_sent = || pool.transactions().iter().any(|held| held.nonce == mined);
        stage.play(&keeper, async || Ok((!is_sent()).then_some(BASE_FEE))).await?;
        release_next(stage, &pool).await?;
        stage.followed(&keeper, BASE_FEE).await?;
        let included = async || told(&keeper, "included") == mined + 1;
        until(&keeper, "the next inclusion", included).await?;
    }

    let deep = async || stage.node().block_number().await.map(|head| head + 1 - first);
    let more = async || Ok((deep().await? < least).then_some(BASE_FEE));
    stage.play(&keeper, more).await?;
    let depth = deep().await?;
    ensure!(depth < stage.finality, "{depth} blocks: the first of them is final");
    stage.node().reorg_with(depth, &[(raw_of(stage, after)?, 0)]).await?;
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
        let several = if subject == Subject::Counter { COUNTS } else { 1 };
        for unfinal in BTreeSet::from([1, several]) {
            for depth in unfinal..=FINALITY {
                let told = format!("{}: {unfinal} in {depth} blocks", subject.label());
                unnecessary(&mut stage, unfinal, depth).await.wrap_err(told)?;
            }
        }
        Ok::<_, eyre::Report>(())
    });
    try_join_all(plays).await.map(drop)
}

/// Ours fall away, so many blocks with one each and what came after, and the new blocks have what makes
/// them unnecessary. At the depth of finality the oldest of them had been final. A pool that the test
/// keeps has them again, as those of nodes would; so they have to be cancelled there.
async fn unnecessary(stage: &mut Stage, unfinal: u64, depth: u64) -> Result<()> {
    stage.counts = unfinal;
    stage.begin().await?;
    let stranger = accounts::keeper_address(STRANGER);
    let (market, product) = (stage.world.devnet.market(), stage.world.devnet.product());
    market.set_caller_status(product, &[stranger], true).await?;
    stage.node().set_balance(stranger, parse_ether("100")?).await?;
    stage.beat(BASE_FEE).await?;
    let keeper = stage.resting_keeper().await?;
    stage.make_due().await?;
    // The blocks with ours are the newest ones when they fall away.
    let ours = async || {
        let mined = stage.world.mined().await?;
        let followed = async || {
            let sent = distinct_sent(stage) as u64;
            told(&keeper, "included") >= mined && sent >= (mined + 1).min(unfinal)
        };
        until(&keeper, "the keeper to follow", followed).await?;
        Ok((mined < unfinal).then_some(BASE_FEE))
    };
    stage.play(&keeper, ours).await?;
    for _ in unfinal..depth {
        stage.followed(&keeper, BASE_FEE).await?;
    }
    let pool = Mempool::new();
    let held = stage.world.proxy.inject(Fault::Hold(pool.clone()));
    let theirs = strangers(stage, unfinal).await?;
    stage.node().reorg_with(depth, &theirs).await?;
    stage.in_range().await?;

    // Miners take what is void, one a block.
    let cancelled = async || {
        let next = stage.world.mined().await?;
        let all = pool.transactions();
        let newest = all.iter().rfind(|held| held.current && held.nonce == next);
        let is_void = |hash| decode_of(stage, hash).is_ok_and(|tx| tx.input().is_empty());
        if let Some(held) = newest.filter(|held| is_void(held.hash)) {
            stage.world.proxy.release(&pool, held.hash).await?;
        }
        // What had been final by then is first seen not to be.
        let outcomes = stage.outcomes().await?;
        Ok(outcomes.values().any(|outcome| outcome != "cancelled").then_some(BASE_FEE))
    };
    stage.play(&keeper, cancelled).await?;
    ensure!(held.fired() > 0, "the pool held nothing");
    stage.in_range().await.map_err(|error| keeper.failure(&format!("{error:#}")))?;
    let outcomes = stage.outcomes().await?;
    ensure!(outcomes.values().all(|outcome| outcome == "cancelled"), "{outcomes:?}");
    ensure!(stage.world.mined().await? == unfinal, "other nonces were used");
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

/// What a stranger signs to do the whole work, one transaction for each of the new blocks.
async fn strangers(stage: &Stage, count: u64) -> Result<Vec<(Bytes, u64)>> {
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
    let first = stage.node().nonce(from).await?;
    let mut signed = Vec::new();
    for block in 0..count {
        let request = TransactionRequest::default()
            .with_chain_id(1)
            .with_nonce(first + block)
            .with_to(to)
            .with_input(data.clone())
            .with_gas_limit(2_000_000)
            .with_max_fee_per_gas(100 * BASE_FEE)
            .with_max_priority_fee_per_gas(BASE_FEE);
        let envelope = request.build(&wallet).await?;
        signed.push((envelope.encoded_2718().into(), block));
    }
    Ok(signed)
}
