//! What a chain of the OP stack takes beside gas, asked of oracles of every fork and of none.

use alloy::{
    primitives::{Bytes, U256},
    sol,
    sol_types::SolCall as _,
};
use ballast_chains::{
    fees::extra::{ExtraError, ExtraQuote, GAS_PRICE_ORACLE, quote},
    pool::Pool,
    profile::FeeModel,
};
use ballast_test_support::{Fault, MockCall, MockNode, RpcFailure, RpcProxy};

use crate::chain::{CHAIN_ID, endpoint, profile};

sol! {
    /// Optimism's predeploy.
    interface Oracle {
        function getL1FeeUpperBound(uint256 unsignedTxSize) external view returns (uint256);
        function getL1Fee(bytes unsignedTx) external view returns (uint256);
        function getOperatorFee(uint256 gasUsed) external view returns (uint256);
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fork {
    Ecotone,
    Fjord,
    Isthmus,
    Jovian,
}

/// As the contract of that fork answers: 7 wei a byte, the operator's scalar 3 and constant 11.
fn answer(fork: Fork, call: &MockCall) -> Result<Bytes, RpcFailure> {
    assert_eq!(call.to, GAS_PRICE_ORACLE);
    let word = |number: U256| Ok(Bytes::from(number.to_be_bytes_vec()));
    // A function that it does not have reverts without data.
    let unknown = || Err(RpcFailure::revert(&Bytes::new()));
    let data = call.data.as_ref();
    if let Ok(asked) = Oracle::getL1FeeUpperBoundCall::abi_decode(data) {
        return if fork == Fork::Ecotone {
            unknown()
        } else {
            word(asked.unsignedTxSize * U256::from(7))
        };
    }
    if let Ok(asked) = Oracle::getL1FeeCall::abi_decode(data) {
        return word(U256::from(asked.unsignedTx.len() * 7));
    }
    let asked = Oracle::getOperatorFeeCall::abi_decode(data).expect("a function of the oracle");
    let (by_gas, constant) = (asked.gasUsed * U256::from(3), U256::from(11));
    match fork {
        Fork::Ecotone | Fork::Fjord => unknown(),
        Fork::Isthmus => word(by_gas / U256::from(1_000_000) + constant),
        Fork::Jovian => word(by_gas * U256::from(100) + constant),
    }
}

async fn node() -> MockNode {
    let node = MockNode::start(CHAIN_ID).await.unwrap();
    node.push_blocks(3);
    node
}

async fn ask(node: &MockNode, url: &str, model: FeeModel) -> Result<ExtraQuote, ExtraError> {
    let pool = Pool::new(&profile(vec![endpoint(url)])).unwrap();
    let unsigned = Bytes::from_static(&[0xff; 50]);
    quote(&pool.provider(), node.head().hash, model, &unsigned).await
}

#[tokio::test]
async fn an_oracle_of_every_fork_is_understood() {
    let cases = [
        (Fork::Ecotone, (0, 0)),
        (Fork::Fjord, (0, 0)),
        (Fork::Isthmus, (11, 3_011)),
        (Fork::Jovian, (11, 300_000_000_011)),
    ];
    for (fork, (constant, at_giga_gas)) in cases {
        let node = node().await;
        node.on_call(move |call| answer(fork, call));
        let told = ask(&node, &node.http_url(), FeeModel::OpStack).await.unwrap();
        let number = |value: u64| U256::from(value);
        let expected = ExtraQuote::new(number(350), number(constant), number(at_giga_gas));
        assert_eq!(told, expected, "{fork:?}");
    }
}

#[tokio::test]
async fn a_chain_without_an_oracle_is_told_apart_from_one_without_an_answer() {
    let node = node().await;
    let missing = ask(&node, &node.http_url(), FeeModel::OpStack).await.unwrap_err();
    assert!(matches!(missing, ExtraError::NoOracle(_)), "{missing}");
    let proxy = RpcProxy::start(&node.http_url()).await.unwrap();
    let outage = proxy.inject(Fault::status(503).on("eth_call"));
    let silent = ask(&node, &proxy.http_url(), FeeModel::OpStack).await.unwrap_err();
    assert!(matches!(silent, ExtraError::Unavailable(..)), "{silent}");
    assert!(outage.fired() > 0);
}

#[tokio::test]
async fn other_chains_are_not_asked() {
    let node = node().await;
    let proxy = RpcProxy::start(&node.http_url()).await.unwrap();
    for model in [FeeModel::Eip1559, FeeModel::Legacy] {
        let told = ask(&node, &proxy.http_url(), model).await.unwrap();
        assert_eq!(told, ExtraQuote::NONE);
    }
    assert_eq!(proxy.count("eth_call"), 0);
}
