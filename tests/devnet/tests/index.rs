//! What the end-to-end tests take for granted about the composite index and its market.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed step is a failed test")]

use alloy::primitives::{Address, U256, utils::parse_ether};
use ballast_devnet::{
    Devnet, DevnetOptions, Holding, IndexMarket, IndexOptions, Place, USD, accounts,
};

struct Stage {
    devnet: Devnet,
    market: IndexMarket,
    weth: Address,
}

impl Stage {
    async fn start(index: IndexOptions) -> Self {
        let options = DevnetOptions { index: Some(index), ..DevnetOptions::default() };
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

    /// Takes every component to so many percent of what there is; what is new, to the unit given.
    async fn reweigh(&self, shares: &[(&str, u64)], new: (&str, U256)) {
        let mut targets = Vec::new();
        for component in &self.market.index().components {
            let unit = if component.symbol == new.0 {
                new.1
            } else {
                let share = shares.iter().find(|(symbol, _)| *symbol == component.symbol);
                let share = share.map_or(100, |(_, share)| *share);
                let unit = self.unit(component.token).await;
                unit * U256::from(share) / U256::from(100)
            };
            targets.push((component.token, unit));
        }
        self.market.start_rebalance(&targets).await.unwrap();
    }

    /// Before the first rebalance there is no target.
    async fn unit(&self, component: Address) -> U256 {
        use ballast_devnet::contracts::index::IIndexToken::getDefaultPositionRealUnitCall;
        let set_token = self.market.index().set_token;
        let call = getDefaultPositionRealUnitCall { component };
        self.devnet.node().read(set_token, call).await.unwrap().try_into().unwrap()
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
    let sold = ["UNI", "WBTC", "USDC", "SUSHI", "YFI", "AAVE", "XAUT"];
    let shares: Vec<(&str, u64)> =
        sold.iter().map(|symbol| (*symbol, 96)).chain([("LEND", 0)]).collect();
    stage.reweigh(&shares, ("SNX", parse_ether("2").unwrap())).await;
    for symbol in sold.iter().chain(&["LEND", "SNX"]) {
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

    stage.reweigh(&[("USDC", 90)], ("SNX", U256::ZERO)).await;
    let from = stage.devnet.node().block_number().await.unwrap() + 1;
    market.trade(stage.token("USDC")).await.unwrap();
    let to = stage.devnet.node().block_number().await.unwrap();
    let trades = market.trades(from, to).await.unwrap();
    let [trade] = &trades[..] else { unreachable!("one trade: {trades:?}") };
    let paid = trade.amount_bought + trade.protocol_fee;
    assert_eq!(trade.protocol_fee, paid / U256::from(1_000));
}
