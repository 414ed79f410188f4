//! What the demo and the end-to-end tests take for granted about the devnet.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed step is a failed test")]

use std::time::{Duration, SystemTime};

use alloy::{
    consensus::{SignableTransaction as _, TxEip1559, TxEnvelope},
    eips::{BlockId, Encodable2718 as _},
    network::{TransactionBuilder as _, TxSignerSync as _},
    primitives::{Address, B256, Bytes, TxKind, U256, b256, keccak256, utils::parse_ether},
    providers::{MULTICALL3_ADDRESS, Provider as _, bindings::IMulticall3},
    rpc::types::{TransactionReceipt, TransactionRequest},
    sol_types::SolCall,
};
use ballast_devnet::{
    Action, Anvil, AnvilOptions, Deployment, Devnet, DevnetOptions, FliOptions, Mining, Node,
    Tooling, USD, V2_EXCHANGE, V3_EXCHANGE, accounts,
    contracts::{ICompoundOracle, IFeed, IStrategy, IUniswapV2Pair, IUniswapV3Pool},
};
use tokio::time::{interval, timeout};

/// The hash of Multicall3's runtime code as it is on public chains.
const MULTICALL3_HASH: B256 =
    b256!("0xd5c15df687b16f2ff992fc8d767b4216323184a2bbc6ee2f9c398c318e770891");
const DEADLINE: Duration = Duration::from_secs(20);

async fn start(options: DevnetOptions) -> Devnet {
    Devnet::start(options).await.unwrap()
}

fn ratio(text: &str) -> U256 {
    parse_ether(text).unwrap()
}

fn on_all(action: Action) -> Vec<(String, Action)> {
    vec![(V3_EXCHANGE.to_owned(), action), (V2_EXCHANGE.to_owned(), action)]
}

fn wall_clock() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the test is about the wall clock")]
    let now = SystemTime::now();
    now.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// Signs and sends as a keeper does, and waits for the receipt.
async fn send<C: SolCall>(node: &Node, keeper: usize, to: Address, call: C) -> TransactionReceipt {
    let signer = accounts::keeper(keeper);
    let mut tx = TxEip1559 {
        chain_id: node.chain_id().await.unwrap(),
        nonce: node.nonce(signer.address()).await.unwrap(),
        gas_limit: 1_500_000,
        max_fee_per_gas: 100_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to: TxKind::Call(to),
        input: call.abi_encode().into(),
        ..TxEip1559::default()
    };
    let signature = signer.sign_transaction_sync(&mut tx).unwrap();
    let signed: TxEnvelope = tx.into_signed(signature).into();
    let raw = Bytes::from(signed.encoded_2718());
    let hash: B256 = node.rpc("eth_sendRawTransaction", (raw,)).await.unwrap();
    node.receipt(hash).await.unwrap()
}

/// The price at each venue, in dollars with two decimals: feed, Compound, V3, V2.
async fn prices(devnet: &Devnet) -> [u64; 4] {
    let (node, d) = (devnet.node(), devnet.deployment());
    let feed = node.read(d.feeds.eth_usd, IFeed::latestAnswerCall {}).await.unwrap();
    let asked = ICompoundOracle::getUnderlyingPriceCall { cToken: d.compound.c_ether };
    let compound = node.read(d.compound.oracle, asked).await.unwrap();
    let weth_first = d.tokens.weth < d.tokens.usdc;

    let slot = node.read(d.uniswap.v3_pool, IUniswapV3Pool::slot0Call {}).await.unwrap();
    // Half the fixed point's bits: the square has 96 then, and the scale below fits.
    let root = U256::from(slot.sqrtPriceX96) >> 48_usize;
    let scale = U256::from(10_u64.pow(14));
    let one = U256::from(1) << 96_usize;
    let v3 = if weth_first { root * root * scale / one } else { one * scale / (root * root) };

    let pair = node.read(d.uniswap.v2_pair, IUniswapV2Pair::getReservesCall {}).await.unwrap();
    let (r0, r1) = (U256::from(pair.reserve0), U256::from(pair.reserve1));
    let (ether, dollars) = if weth_first { (r0, r1) } else { (r1, r0) };
    let v2 = dollars * scale / ether;

    let cents = |price: U256| price.to::<u64>();
    [
        cents(feed.into_raw() / U256::from(1_000_000)),
        cents(compound / U256::from(10_u64.pow(16))),
        cents(v3),
        cents(v2),
    ]
}

#[tokio::test]
async fn the_product_is_levered_and_at_rest() {
    let devnet = start(DevnetOptions::default()).await;
    let (market, product) = (devnet.market(), devnet.product());

    let leverage = market.leverage_ratio(product).await.unwrap();
    assert!((ratio("1.98")..ratio("2.02")).contains(&leverage), "{leverage}");
    assert_eq!(market.twap_leverage_ratio(product).await.unwrap(), U256::ZERO);
    assert_eq!(market.should_rebalance(product).await.unwrap(), on_all(Action::None));

    let keeper = accounts::keeper_address(0);
    assert_eq!(product.keepers, [keeper]);
    for (caller, allowed) in [(keeper, true), (accounts::OPERATOR, false)] {
        let call = IStrategy::callAllowListCall { caller };
        assert_eq!(devnet.node().read(product.strategy, call).await.unwrap(), allowed);
    }
    let head = devnet.node().head().await.unwrap();
    assert_eq!(head.gas_limit, 30_000_000, "blocks have their usual size again");
    assert!(head.base_fee_per_gas.unwrap() > 8_000_000_000, "and an ordinary price");
    assert_eq!(devnet.node().balance(keeper).await.unwrap(), accounts::KEEPER_BALANCE);
}

#[tokio::test]
async fn the_keeper_rebalances_when_the_interval_has_passed() {
    let devnet = start(DevnetOptions::default()).await;
    let (market, product, node) = (devnet.market(), devnet.product(), devnet.node());
    node.warp(86_401).await.unwrap();
    assert_eq!(market.should_rebalance(product).await.unwrap(), on_all(Action::Rebalance));

    let call = IStrategy::rebalanceCall { exchangeName: V3_EXCHANGE.to_owned() };
    let receipt = send(node, 0, product.strategy, call.clone()).await;
    assert!(receipt.status());
    assert_eq!(
        market.last_trade(product).await.unwrap(),
        node.head().await.unwrap().timestamp,
        "the trade is stamped"
    );
    assert_eq!(market.should_rebalance(product).await.unwrap(), on_all(Action::None));
    assert!(!send(node, 0, product.strategy, call).await.status(), "it was done already");
}

#[tokio::test]
async fn a_price_below_the_bound_makes_a_rebalance_due() {
    let devnet = start(DevnetOptions::default()).await;
    let (market, product) = (devnet.market(), devnet.product());
    market.set_price(1_750 * USD).await.unwrap();

    let leverage = market.leverage_ratio(product).await.unwrap();
    assert!(leverage > ratio("2.3") && leverage < ratio("2.7"), "{leverage}");
    assert_eq!(market.should_rebalance(product).await.unwrap(), on_all(Action::Rebalance));
    for exchange in [V3_EXCHANGE, V2_EXCHANGE] {
        let snapshot = devnet.node().snapshot().await.unwrap();
        let call = IStrategy::rebalanceCall { exchangeName: exchange.to_owned() };
        assert!(send(devnet.node(), 0, product.strategy, call).await.status(), "{exchange}");
        assert!(market.leverage_ratio(product).await.unwrap() < leverage, "{exchange} delevers");
        devnet.node().revert(snapshot).await.unwrap();
    }

    market.set_price(1_560 * USD).await.unwrap();
    assert_eq!(market.should_rebalance(product).await.unwrap(), on_all(Action::Ripcord));
}

#[tokio::test]
async fn the_price_moves_everywhere_in_one_block() {
    let devnet = start(DevnetOptions { mining: Mining::Manual, ..DevnetOptions::default() }).await;
    let before = devnet.node().block_number().await.unwrap();
    let targets = [1_750 * USD, 321_099 * USD / 100, 90 * USD, 3_000 * USD];
    for (target, block) in targets.into_iter().zip(before + 1..) {
        assert_eq!(devnet.market().set_price(target).await.unwrap(), block);
        assert_eq!(devnet.node().block_number().await.unwrap(), block, "and no other");
        for price in prices(&devnet).await {
            // Rounding down costs a cent.
            assert!(price.abs_diff(target / 1_000_000) <= 1, "{target}: {price}");
        }
    }
}

#[tokio::test]
async fn the_market_waits_for_the_nodes_own_blocks() {
    let period = Duration::from_secs(1);
    let mining = Mining::Every(period);
    let devnet = start(DevnetOptions { mining, ..DevnetOptions::default() }).await;
    let moved = devnet.market().set_price(1_900 * USD).await.unwrap();
    assert_eq!(prices(&devnet).await[..2], [190_000, 190_000]);
    let next = async {
        let mut poll = interval(Duration::from_millis(20));
        while devnet.node().block_number().await.unwrap() <= moved {
            poll.tick().await;
        }
    };
    timeout(DEADLINE, next).await.unwrap();
}

#[tokio::test]
async fn a_cached_state_is_the_same_again() {
    let (one, two) = tokio::join!(start(DevnetOptions::default()), start(DevnetOptions::default()));
    assert_eq!(one.deployment(), two.deployment());
    let product = one.product();
    let ratios =
        tokio::join!(async { one.market().leverage_ratio(product).await.unwrap() }, async {
            two.market().leverage_ratio(product).await.unwrap()
        });
    assert_eq!(ratios.0, ratios.1);
    one.market().set_price(1_800 * USD).await.unwrap();
    assert_eq!(two.market().leverage_ratio(product).await.unwrap(), ratios.1, "chains are apart");
    let age = wall_clock().abs_diff(two.node().head().await.unwrap().timestamp);
    assert!(age < 5, "the head is {age} s from the wall clock");
}

#[tokio::test]
async fn reads_can_be_batched_and_pinned_to_a_block() {
    let devnet = start(DevnetOptions::default()).await;
    let (node, product) = (devnet.node(), devnet.product());
    let code = node.provider().get_code_at(MULTICALL3_ADDRESS).await.unwrap();
    assert_eq!(keccak256(&code), MULTICALL3_HASH);

    let pinned = node.head().await.unwrap().hash;
    let before = devnet.market().leverage_ratio(product).await.unwrap();
    devnet.market().set_price(1_800 * USD).await.unwrap();
    let call = IMulticall3::Call3 {
        target: product.strategy,
        allowFailure: true,
        callData: IStrategy::getCurrentLeverageRatioCall {}.abi_encode().into(),
    };
    let batch = IMulticall3::aggregate3Call { calls: vec![call] }.abi_encode();
    let request =
        TransactionRequest::default().with_to(MULTICALL3_ADDRESS).with_input(Bytes::from(batch));
    let answer = node.provider().call(request).block(BlockId::hash(pinned)).await.unwrap();
    let results = IMulticall3::aggregate3Call::abi_decode_returns(&answer).unwrap();
    let then =
        IStrategy::getCurrentLeverageRatioCall::abi_decode_returns(&results[0].returnData).unwrap();
    assert_eq!(then, before);
    assert_ne!(then, devnet.market().leverage_ratio(product).await.unwrap());
}

#[tokio::test]
async fn more_products_are_levered_on_another_chain() {
    let tooling = Tooling::locate().unwrap();
    let options = AnvilOptions { chain_id: 10, ..AnvilOptions::default() };
    let anvil = Anvil::spawn(&tooling, options).await.unwrap();
    let fli = FliOptions { more_products: 2, ..FliOptions::default() };
    let mut deployment = Deployment::fli(&tooling, anvil.node(), &fli).await.unwrap();
    deployment.deploy_more_products(&tooling, anvil.node(), &fli, 2).await.unwrap();

    assert_eq!(deployment.chain_id, 10);
    assert_eq!(deployment.products.len(), 5);
    let market = ballast_devnet::Market::new(anvil.node().clone(), deployment.clone());
    anvil.node().warp(86_401).await.unwrap();
    for (n, product) in deployment.products.iter().enumerate() {
        let leverage = market.leverage_ratio(product).await.unwrap();
        assert!((ratio("1.98")..ratio("2.02")).contains(&leverage), "{n}: {leverage}");
        let call = IStrategy::rebalanceCall { exchangeName: V2_EXCHANGE.to_owned() };
        assert!(send(anvil.node(), n, product.strategy, call).await.status(), "{n}");
    }
}

#[tokio::test]
async fn a_stopped_node_comes_back_as_it_was() {
    let mut devnet = start(DevnetOptions::default()).await;
    devnet.node().warp(10_000).await.unwrap();
    let head = devnet.node().head().await.unwrap();
    let url = devnet.http_url().clone();
    devnet.anvil_mut().restart_on_same_port().await.unwrap();
    assert_eq!(devnet.http_url(), &url);
    assert_eq!(devnet.node().head().await.unwrap().hash, head.hash);
    let call = IStrategy::getCurrentLeverageRatioCall {}.abi_encode();
    let call = TransactionRequest::default()
        .with_to(devnet.product().strategy)
        .with_input(Bytes::from(call));
    let pinned = devnet.node().provider().call(call).block(BlockId::hash(head.hash));
    assert!(!pinned.await.unwrap().is_empty(), "its newest block can be read by hash");
    let market = devnet.market();
    market.set_price(1_900 * USD).await.unwrap();
    assert!(market.leverage_ratio(devnet.product()).await.unwrap() > ratio("2.05"));
    let later = devnet.node().head().await.unwrap().timestamp;
    assert!(later >= head.timestamp, "the clock went back by {}", head.timestamp - later);

    devnet.anvil_mut().kill().await.unwrap();
    assert!(devnet.node().chain_id().await.is_err());
    devnet.anvil_mut().start().await.unwrap();
    assert_eq!(devnet.node().head().await.unwrap().hash, head.hash, "a kill saves nothing");
}

#[tokio::test]
async fn a_frozen_node_is_silent_until_thawed() {
    let devnet = start(DevnetOptions::default()).await;
    devnet.anvil().freeze().unwrap();
    assert!(timeout(Duration::from_millis(300), devnet.node().chain_id()).await.is_err());
    devnet.anvil().thaw().unwrap();
    assert_eq!(timeout(DEADLINE, devnet.node().chain_id()).await.unwrap().unwrap(), 1);
}

#[tokio::test]
async fn a_reorganisation_replaces_the_newest_blocks() {
    let devnet = start(DevnetOptions::default()).await;
    let node = devnet.node();
    let kept = node.head().await.unwrap();
    node.mine(3).await.unwrap();
    let replaced = node.head().await.unwrap();
    node.reorg(3).await.unwrap();
    let head = node.head().await.unwrap();
    assert_eq!(head.number, replaced.number);
    assert_ne!(head.hash, replaced.hash);
    let below = node.provider().get_block_by_number(kept.number.into()).await.unwrap();
    assert_eq!(below.unwrap().header.hash, kept.hash);
}
