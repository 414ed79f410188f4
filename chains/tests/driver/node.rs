//! The same against a real node, with its own words for failures, and the real Multicall3.

use alloy::{
    primitives::{Address, Bytes, U256, bytes},
    providers::bindings::IMulticall3,
    sol,
};
use ballast_chains::{
    BlockReader, ChainProfile, Head, ReadError, Revert,
    driver::{Job, Outcome, drive},
    reader::BlockSource,
};
use ballast_devnet::{Anvil, AnvilOptions, Mining, Node, Tooling};

use crate::{
    PATIENCE, wallet,
    world::{MULTICALL3, address, profile},
};

sol! {
    function word() external view returns (uint256 word);
}

/// Returns the block number.
const NUMBER: Bytes = bytes!("435f5260205ff3");
/// Returns who asked.
const SENDER: Bytes = bytes!("335f5260205ff3");
/// `revert()`.
const SILENT: Bytes = bytes!("5f5ffd");
/// Reverts with four bytes.
const TALKS: Bytes = bytes!("63deadbeef5f526004601cfd");
/// The invalid opcode, which burns all gas.
const INVALID: Bytes = bytes!("fe");
/// Loops until the gas is gone.
const LOOP: Bytes = bytes!("5b5f56");
/// Bytes of Multicall3's creation code before its runtime code.
const MULTICALL3_INIT: usize = 32;

/// The contract with the `kind`th code, above the addresses of precompiles.
fn contract(kind: u8) -> Address {
    address(0xc0, kind.into())
}

async fn start() -> eyre::Result<Anvil> {
    let options = AnvilOptions { mining: Mining::Manual, ..AnvilOptions::default() };
    let anvil = Anvil::spawn(&Tooling::locate()?, options).await?;
    for (kind, code) in [NUMBER, SENDER, SILENT, TALKS, INVALID, LOOP].into_iter().enumerate() {
        anvil.node().set_code(contract(u8::try_from(kind)?), code).await?;
    }
    Ok(anvil)
}

async fn head(node: &Node) -> eyre::Result<Head> {
    let header = node.head().await?;
    Ok(Head {
        number: header.number,
        hash: header.hash,
        parent: header.parent_hash,
        timestamp: header.timestamp,
        base_fee_per_gas: header.base_fee_per_gas.map(u128::from),
        gas_limit: header.gas_limit,
        gas_used: header.gas_used,
    })
}

fn source(node: &Node) -> BlockSource {
    let profile = ChainProfile { chunk_gas: 5_000_000, ..profile() };
    BlockSource::new(node.provider().clone(), &profile)
}

type Answer = Result<U256, ReadError>;

/// What contract `kind` answers, and then what the block number is.
fn asks(key: usize, kind: u8) -> Job<usize, (Answer, Answer)> {
    Job::new(key, wallet(key), PATIENCE, move |at: BlockReader| async move {
        let first = at.call(contract(kind), wordCall {}).await;
        (first, at.call(contract(0), wordCall {}).await)
    })
}

/// Drives innocent products around one of each kind of trouble and checks what everybody heard.
/// Gives the number of repeats.
async fn check(source: &BlockSource, head: Head) -> u64 {
    let number = Ok(U256::from(head.number));
    let silent = Err(ReadError::Reverted(Revert::Empty));
    let talks = Err(ReadError::Reverted(Revert::Data(bytes!("deadbeef"))));
    let kinds = [0, 1, 2, 0, 4, 0, 3, 5, 0, 0];
    let jobs = kinds.iter().enumerate().map(|(key, kind)| asks(key, *kind)).collect();
    let mut heard = 0;
    let stats = drive(source, head, jobs, |key, outcome| {
        let expected = match kinds[key] {
            0 => number.clone(),
            1 => Ok(U256::from_be_bytes(MULTICALL3.into_word().0)),
            3 => talks.clone(),
            _ => silent.clone(),
        };
        assert_eq!(outcome, Outcome::Done((expected, number.clone())), "kind {}", kinds[key]);
        heard += 1;
    })
    .await;
    assert_eq!(heard, kinds.len());
    stats.repeats
}

#[tokio::test]
async fn a_view_that_burns_all_gas_harms_nobody() -> eyre::Result<()> {
    let anvil = start().await?;
    let node = anvil.node();
    let code = IMulticall3::BYTECODE.slice(MULTICALL3_INIT..);
    node.set_code(MULTICALL3, code).await?;
    node.mine(1).await?;
    let source = source(node);
    let old = head(node).await?;
    assert!(check(&source, old).await > 0);
    node.mine(1).await?;
    // At the next block the guilty travel alone, and the first block is still readable.
    assert_eq!(check(&source, head(node).await?).await, 0);
    assert_eq!(check(&source, old).await, 0);
    Ok(())
}

#[tokio::test]
async fn a_chain_without_multicall_is_read() -> eyre::Result<()> {
    let anvil = start().await?;
    anvil.node().mine(2).await?;
    check(&source(anvil.node()), head(anvil.node()).await?).await;
    Ok(())
}

#[tokio::test]
async fn senders_balances_code_and_ancestors_of_a_real_chain() -> eyre::Result<()> {
    let anvil = start().await?;
    let node = anvil.node();
    node.set_code(MULTICALL3, IMulticall3::BYTECODE.slice(MULTICALL3_INIT..)).await?;
    node.set_balance(wallet(1), U256::from(12_345)).await?;
    node.mine(5).await?;
    let head = head(node).await?;
    let source = source(node);
    source
        .read_at(head, wallet(1), |at| async move {
            let (sender, word) = (contract(1), |a: Address| U256::from_be_bytes(a.into_word().0));
            let own = at.call_as_caller(sender, wordCall {});
            let alone = at.call_isolated(sender, wordCall {});
            let (balance, also) = (at.balance(wallet(1)), at.call(sender, wordCall {}));
            let (own, alone, balance, also) = futures::join!(own, alone, balance, also);
            assert_eq!((own, alone), (Ok(word(wallet(1))), Ok(U256::ZERO)));
            assert_eq!((balance, also), (Ok(U256::from(12_345)), Ok(word(MULTICALL3))));
            assert_eq!(at.balance(wallet(1)).await, Ok(U256::from(12_345)));
            assert_eq!(at.code(contract(2)).await, Ok(SILENT));
            let before = at.ancestor(3).await.unwrap();
            let number = before.call(contract(0), wordCall {}).await;
            assert_eq!(number, Ok(U256::from(head.number - 3)));
        })
        .await;
    let unknown = Head { hash: !head.hash, ..head };
    let answer = source
        .read_at(unknown, wallet(1), async |at| at.call(contract(0), wordCall {}).await)
        .await;
    assert!(matches!(answer, Err(ReadError::Unavailable(_))), "{answer:?}");
    Ok(())
}
