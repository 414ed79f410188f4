//! What the end-to-end tests take for granted about the composite index and its market.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed step is a failed test")]

use alloy::{
    network::TransactionBuilder as _,
    primitives::{Address, U256, utils::parse_ether},
    rpc::types::TransactionRequest,
    sol_types::SolCall as _,
};
use ballast_devnet::{
    Devnet, DevnetOptions, Holding, IndexMarket, IndexOptions, Mining, Place, USD, accounts,
    contracts::index::IIndexModule::tradeCall,
};

/// A little less of seven, and a new one.
const CUT: [(&str, u64); 8] = [
    ("UNI", 1_900),
    ("WBTC", 1_900),
    ("USDC", 1_150),
    ("SUSHI", 1_150),
    ("YFI", 750),
    ("AAVE", 900),
    ("XAUT", 1_450),
    ("SNX", 600),
];

struct Stage {
    devnet: Devnet,
    market: IndexMarket,
    weth: Address,
}

impl Stage {
    async fn start(index: IndexOptions) -> Self {
        Self::mining(index, Mining::Auto).await
    }

    async fn mining(index: IndexOptions, mining: Mining) -> Self {
        let options = DevnetOptions { index: Some(index), mining, ..DevnetOptions::default() };
        let devnet = Devnet::start(options).await.unwrap();
        let (market, weth) = (devnet.index_market().unwrap(), devnet.deployment().tokens.weth);
        Self { devnet, market, weth }
    }

    fn token(&self, symbol: &str) -> Address {
        self.market.component(symbol).unwrap().token
    }

    async fn holding(&self, symbol: &str) -> Holding {
        self.market.holding(self.token(symbol)).await.unwrap()
    }

    async fn warp(&self, seconds: u64) {
        self.devnet.node().warp(seconds).await.unwrap();
    }

    async fn unit(&self, component: Address) -> U256 {
        self.market.unit(component).await.unwrap()
    }

    /// Each pool against its feed, in hundredths of a percent.
    async fn off(&self) -> Vec<(String, u64)> {
        let mut off = Vec::new();
        for component in &self.market.index().components {
            let feed = self.market.price(component).await.unwrap();
            let pool = self.market.pool_price(&component.symbol).await.unwrap();
            off.push((component.symbol.clone(), feed.abs_diff(pool) * 10_000 / feed));
        }
        off
    }

    async fn assert_all_at_their_feeds(&self) {
        let off = self.off().await;
        assert!(off.iter().all(|(_, off)| *off == 0), "{off:?}");
    }
}

/// A cut of everything, a removal and an addition, at any price; as fast as they rest.
#[tokio::test]
async fn everything_is_traded_on_its_exchange_and_brought_back_by_arbitrage() {
    let raise_target_percentage = parse_ether("0.0025").unwrap();
    let stage = Stage::start(IndexOptions { raise_target_percentage, ..IndexOptions::default() });
    let stage = stage.await;
    let (market, index) = (&stage.market, stage.market.index());
    stage.assert_all_at_their_feeds().await;
    let mut kinds = std::collections::BTreeSet::new();
    for component in &index.components {
        kinds.insert(match &component.place {
            Place::Pair { router, other, .. } => {
                (*router == index.sushi.1, *other == stage.weth, 0)
            }
            Place::Pool { fee, .. } => (false, true, *fee),
        });
    }
    assert_eq!(kinds.len(), 6, "V2, Sushi, two hops, three fees: {kinds:?}");

    let from = stage.devnet.node().block_number().await.unwrap() + 1;
    market.reweigh(&CUT).await.unwrap();
    // In units of each: 19 of 100 dollars at 10 dollars, and so on; what is not named goes.
    for (symbol, target) in [("UNI", "1.9"), ("AAVE", "0.09"), ("LEND", "0"), ("SNX", "2")] {
        assert_eq!(stage.holding(symbol).await.target, parse_ether(target).unwrap(), "{symbol}");
    }
    assert_eq!(stage.holding("WBTC").await.target, U256::from(47_500));
    for symbol in CUT[..7].iter().map(|(symbol, _)| symbol).chain(&["LEND", "SNX"]) {
        let mut trades = 0;
        while !stage.holding(symbol).await.is_met() {
            market.trade(stage.token(symbol)).await.unwrap();
            trades += 1;
            assert!(trades < 10, "{symbol}");
            stage.warp(900).await;
        }
        assert!(trades > 0, "{symbol}");
    }
    let off = stage.off().await;
    assert!(off.iter().all(|(_, off)| *off > 0), "a pool that nobody traded in: {off:?}");
    market.arbitrage().await.unwrap();
    stage.assert_all_at_their_feeds().await;

    let to = stage.devnet.node().block_number().await.unwrap();
    let trades = market.trades(from, to).await.unwrap();
    let last = trades.last().unwrap();
    assert_eq!((last.sold, last.bought), (stage.weth, stage.token("SNX")));
    assert!(trades.iter().all(|trade| trade.executor == accounts::OPERATOR && trade.gas > 200_000));
    // A removed component is gone, and what it brought is ether or what was bought for that.
    assert_eq!(stage.unit(stage.token("LEND")).await, U256::ZERO);
    assert!(stage.unit(stage.weth).await > U256::ZERO);
}

#[tokio::test]
async fn prices_supply_and_fees_move_and_pools_are_taken_away() {
    let protocol_fee = parse_ether("0.001").unwrap();
    let stage = Stage::start(IndexOptions { protocol_fee, ..IndexOptions::default() }).await;
    let (market, one) = (&stage.market, parse_ether("1").unwrap());
    market
        .set_prices(&[("UNI", 11 * USD), ("WBTC", 36_000 * USD), ("AAVE", 90 * USD)])
        .await
        .unwrap();
    assert_eq!(market.price(market.component("WBTC").unwrap()).await.unwrap(), 36_000 * USD);
    stage.assert_all_at_their_feeds().await;

    for symbol in ["UNI", "WBTC", "SUSHI", "AAVE"] {
        market.manipulate(symbol, 93).await.unwrap();
        let off = stage.off().await;
        let pool = off.iter().find(|(of, _)| of == symbol).unwrap();
        assert!((690..=710).contains(&pool.1), "{symbol}: {off:?}");
        market.arbitrage().await.unwrap();
        stage.assert_all_at_their_feeds().await;
    }
    let before = market.price(market.component("SNX").unwrap()).await.unwrap();
    market.set_feed_only("SNX", before * 2).await.unwrap();
    assert_eq!(market.pool_price("SNX").await.unwrap().div_ceil(100), before / 100);

    let (supply, unit) = (market.supply().await.unwrap(), stage.unit(stage.token("UNI")).await);
    market.issue(one * U256::from(1_500)).await.unwrap();
    market.redeem(one * U256::from(500)).await.unwrap();
    assert_eq!(market.supply().await.unwrap(), supply + one * U256::from(1_000));
    assert_eq!(stage.unit(stage.token("UNI")).await, unit);
    assert_eq!(market.multiplier().await.unwrap(), one);
    stage.warp(30 * 86_400).await;
    market.accrue_fee().await.unwrap();
    // 0.95 % · 30/365 of what there is goes to the fee's recipient.
    let accrued = one - market.multiplier().await.unwrap();
    assert!(
        (770..790).contains(&(accrued / (one / U256::from(1_000_000))).to::<u64>()),
        "{accrued}"
    );

    market.reweigh(&CUT).await.unwrap();
    let from = stage.devnet.node().block_number().await.unwrap() + 1;
    market.trade(stage.token("USDC")).await.unwrap();
    let to = stage.devnet.node().block_number().await.unwrap();
    let trades = market.trades(from, to).await.unwrap();
    let [trade] = &trades[..] else { unreachable!("one trade: {trades:?}") };
    let paid = trade.amount_bought + trade.protocol_fee;
    assert_eq!(trade.protocol_fee, paid / U256::from(1_000));
}

/// What a test relies on that lets trades happen one after another, each at the feeds' prices.
#[tokio::test]
async fn arbitrage_comes_behind_what_waits_for_the_same_block() {
    let stage = Stage::mining(IndexOptions::default(), Mining::Manual).await;
    let (market, node) = (&stage.market, stage.devnet.node());
    market.reweigh(&CUT).await.unwrap();
    for symbol in ["UNI", "AAVE", "YFI"] {
        let (set_token, module) = (market.index().set_token, market.index().module);
        let component = stage.token(symbol);
        let call = tradeCall { setToken: set_token, component, ethQuantityLimit: U256::ZERO };
        let request = TransactionRequest::default()
            .with_from(accounts::OPERATOR)
            .with_to(module)
            .with_input(call.abi_encode())
            .with_gas_limit(1_000_000)
            .with_max_fee_per_gas(100_000_000_000)
            .with_max_priority_fee_per_gas(1_000_000_000);
        let hash = node.rpc("eth_sendTransaction", (request,)).await.unwrap();
        assert!(stage.off().await.iter().any(|(of, off)| of == symbol && *off > 0), "{symbol}");
        let block = market.arbitrage().await.unwrap();
        let receipt = node.receipt(hash).await.unwrap();
        assert!(receipt.status(), "{symbol}");
        assert_eq!((receipt.block_number, receipt.transaction_index), (Some(block), Some(0)));
        stage.assert_all_at_their_feeds().await;
    }
}
