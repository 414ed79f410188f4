//! The fake node, asked directly.

use super::*;
use alloy::{
    eips::BlockId,
    primitives::{Address, B256, address},
    providers::{
        DynProvider, MULTICALL3_ADDRESS, Provider, ProviderBuilder, bindings::IMulticall3,
    },
    rpc::types::TransactionRequest,
    sol_types::SolCall,
};

const GOOD: Address = address!("0x0000000000000000000000000000000000000001");
const BAD: Address = address!("0x0000000000000000000000000000000000000002");

async fn node() -> (MockNode, DynProvider) {
    crate::install_crypto_provider();
    let node = MockNode::start(10).await.unwrap();
    let provider = ProviderBuilder::new().connect_http(node.http_url().parse().unwrap()).erased();
    (node, provider)
}

#[tokio::test]
async fn reorg_replaces_hashes_and_keeps_heights() {
    let (node, provider) = node().await;
    node.push_blocks(5);
    let old: Vec<_> = (0..=5).filter_map(|number| node.block(number)).collect();
    let head = node.reorg(2);
    assert_eq!(head.number, 5);
    assert_eq!(node.block(3), Some(old[3]));
    assert_ne!(node.block(4).unwrap().hash, old[4].hash);
    assert_eq!(node.block(4).unwrap().parent, old[3].hash);
    let orphan = provider.get_block_by_hash(old[5].hash).await.unwrap().unwrap();
    assert_eq!(orphan.header.number, 5, "as geth, it keeps what it left");

    assert_eq!(node.rollback(2).number, 3);
    assert!(provider.get_block_by_number(4.into()).await.unwrap().is_none());
    assert_eq!(node.rollback(99).number, 0, "genesis stays");
}

#[tokio::test]
async fn nodes_agree_until_they_are_told_not_to() {
    let ((one, _), (two, _)) = (node().await, node().await);
    assert_eq!(one.push_blocks(3), two.push_blocks(3));
    two.set_branch(1);
    let (left, right) = (one.push_block(), two.push_block());
    assert_eq!((left.number, left.parent), (right.number, right.parent));
    assert_ne!(left.hash, right.hash);
}

#[tokio::test]
async fn timestamps_are_scripted() {
    let (node, _) = node().await;
    node.set_block_time(2);
    let first = node.push_block();
    assert_eq!(node.push_block().timestamp, first.timestamp + 2);
    assert_eq!(node.push_block_at(1_800_000_000).timestamp, 1_800_000_000);
}

#[tokio::test]
async fn tags_trail_the_head() {
    let (node, provider) = node().await;
    node.push_blocks(70);
    let number = async |block: BlockId| {
        provider.get_block(block).await.unwrap().map(|block| block.header.number)
    };
    assert_eq!(number(BlockId::latest()).await, Some(70));
    assert_eq!(number(BlockId::safe()).await, Some(38));
    assert_eq!(number(BlockId::finalized()).await, Some(6));
    assert_eq!(number(BlockId::earliest()).await, Some(0));
    assert_eq!(number(BlockId::hash(B256::ZERO)).await, None);
}

#[tokio::test]
async fn batches_are_taken_apart() {
    let (node, provider) = node().await;
    node.on_call(|call| match call.to {
        GOOD => Ok(Bytes::from(call.block.number.to_be_bytes().to_vec())),
        _ => Err(RpcFailure::revert(&Bytes::from([0xbb]))),
    });
    let block = node.push_block();
    let entry = |target, allow| IMulticall3::Call3 {
        target,
        allowFailure: allow,
        callData: Bytes::from([1]),
    };
    let batch = async |calls| {
        let input = IMulticall3::aggregate3Call { calls }.abi_encode();
        let call = TransactionRequest::default().to(MULTICALL3_ADDRESS).input(input.into());
        provider.call(call).block(BlockId::hash(block.hash)).await
    };
    let answer = batch(vec![entry(GOOD, true), entry(BAD, true)]).await.unwrap();
    let results = IMulticall3::aggregate3Call::abi_decode_returns(&answer).unwrap();
    assert_eq!((results[0].success, &results[0].returnData[..]), (true, &1_u64.to_be_bytes()[..]));
    assert_eq!((results[1].success, &results[1].returnData[..]), (false, &[0xbb][..]));
    assert!(batch(vec![entry(BAD, false)]).await.is_err(), "a failure that is not allowed");

    let alone = provider.call(TransactionRequest::default().to(BAD)).await.unwrap_err();
    assert_eq!(alone.as_error_resp().unwrap().as_revert_data(), Some(Bytes::from([0xbb])));
    let unknown = TransactionRequest::default().to(GOOD);
    let unknown = provider.call(unknown).block(BlockId::hash(B256::ZERO)).await.unwrap_err();
    assert_eq!(unknown.as_error_resp().unwrap().message, "header not found");
}

#[tokio::test]
async fn what_it_was_not_taught_it_refuses() {
    let (node, provider) = node().await;
    assert_eq!(provider.get_gas_price().await.unwrap_err().as_error_resp().unwrap().code, -32601);
    node.on("eth_gasPrice", |_| Ok(serde_json::json!("0x7")));
    assert_eq!(provider.get_gas_price().await.unwrap(), 7);
    node.set_chain_id(11);
    assert_eq!(provider.get_chain_id().await.unwrap(), 11);
    assert_eq!(node.log().count("eth_gasPrice"), 2);
}
