//! The doubles against the published strategy: what they have in common is the same, step by step,
//! through everything that can happen to a product.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed step is a failed test")]

use alloy::{
    network::TransactionBuilder as _,
    primitives::{Address, Bytes, U256, utils::parse_ether},
    providers::{MULTICALL3_ADDRESS, Provider as _, bindings::IMulticall3},
    rpc::types::TransactionRequest,
    sol,
    sol_types::{SolCall, decode_revert_reason},
};
use ballast_devnet::{
    Action, Devnet, DevnetOptions, FliOptions, Market, Product, USD, V2_EXCHANGE, V3_EXCHANGE,
    Variant,
    accounts::OPERATOR,
    contracts::IStrategy::{
        getChunkRebalanceNotionalCall, iterateRebalanceCall, rebalanceCall,
        removeEnabledExchangeCall, ripcordCall, updateAnyoneCallableCall,
    },
};

sol! {
    function getCurrentEtherIncentive() external view returns (uint256);
    function shouldRebalanceWithBounds(uint256 min, uint256 max) external view returns (string[] names, uint8[] actions);
    function removeAdapter(address adapter) external;
}

const INTERVAL: u64 = 86_401;
const COOLDOWN: u64 = 601;
const RIPCORD_COOLDOWN: u64 = 61;

struct Stage {
    devnet: Devnet,
    market: Market,
}

impl Stage {
    async fn start() -> Self {
        let fli = FliOptions { doubles: true, ..FliOptions::default() };
        let devnet =
            Devnet::start(DevnetOptions { fli, ..DevnetOptions::default() }).await.unwrap();
        for product in devnet.products() {
            devnet.node().impersonate(keeper(product)).await.unwrap();
        }
        let market = devnet.market();
        Self { devnet, market }
    }

    /// The published product first, then the doubles.
    fn products(&self) -> &[Product] {
        self.devnet.products()
    }

    async fn ratio(&self, product: &Product) -> U256 {
        self.market.leverage_ratio(product).await.unwrap()
    }

    /// What a call would come to: nothing, or the words of the refusal.
    async fn call(&self, from: Address, to: Address, data: Vec<u8>) -> Result<Bytes, String> {
        let request = TransactionRequest::default().with_from(from).with_to(to).with_input(data);
        let answer = self.devnet.node().provider().call(request).latest().await;
        answer.map_err(|error| {
            let data = error.as_error_resp().and_then(|error| error.as_revert_data());
            data.and_then(|data| decode_revert_reason(&data)).unwrap_or_else(|| error.to_string())
        })
    }

    /// What every action would come to on every exchange, one that does not exist included.
    async fn verdicts(&self, product: &Product) -> Vec<String> {
        let mut verdicts = Vec::new();
        for exchange in [V3_EXCHANGE, V2_EXCHANGE, "NoSuchExchange"] {
            for (action, data) in actions(exchange) {
                let outcome = self.call(keeper(product), product.strategy, data).await;
                let words = outcome.map_or_else(|words| words, |_| "done".to_owned());
                verdicts.push(format!("{action} {exchange}: {words}"));
            }
        }
        verdicts
    }

    /// Everything that a keeper goes by, of all doubles, is as the published product has it.
    async fn assert_alike(&self, when: &str) {
        let (published, doubles) = self.products().split_first().unwrap();
        let verdicts = self.verdicts(published).await;
        let due = self.market.should_rebalance(published).await.unwrap();
        let ratio = self.ratio(published).await;
        let twap = self.market.twap_leverage_ratio(published).await.unwrap();
        let chunks = self.chunks(published).await;
        let one_ether = self.one_ether_of_what_is_sold(published).await;
        let incentive = self.view(published, getCurrentEtherIncentiveCall {}).await;
        for double in doubles {
            let who = format!("{when}: {}", double.symbol);
            assert_eq!(self.verdicts(double).await, verdicts, "{who}");
            assert_eq!(self.market.should_rebalance(double).await.unwrap(), due, "{who}");
            assert_near(self.ratio(double).await, ratio, &format!("{who}: ratio"));
            let open = self.market.twap_leverage_ratio(double).await.unwrap();
            assert_near(open, twap, &format!("{who}: TWAP"));
            for (chunk, published) in self.chunks(double).await.into_iter().zip(&chunks) {
                let off = (chunk * U256::from(10)).abs_diff(*published);
                assert!(off < one_ether, "{who}: a tenth is {chunk}, all {published}");
            }
            let own = self.view(double, getCurrentEtherIncentiveCall {}).await;
            assert_eq!(own, incentive, "{who}: reward");
        }
    }

    async fn view<C: SolCall<Return = U256>>(&self, product: &Product, call: C) -> U256 {
        self.devnet.node().read(product.strategy, call).await.unwrap()
    }

    async fn chunks(&self, product: &Product) -> Vec<U256> {
        let names = vec![V3_EXCHANGE.to_owned(), V2_EXCHANGE.to_owned()];
        let call = getChunkRebalanceNotionalCall { names };
        self.devnet.node().read(product.strategy, call).await.unwrap().sizes
    }

    /// An ether, in the asset that the next trade sells: chunks that are not at their largest follow
    /// every digit of the ratio, and may differ by so much.
    async fn one_ether_of_what_is_sold(&self, product: &Product) -> U256 {
        let call = getChunkRebalanceNotionalCall { names: Vec::new() };
        let sold = self.devnet.node().read(product.strategy, call).await.unwrap().sellAsset;
        let price = self.market.price().await.unwrap();
        let is_ether = sold == self.devnet.deployment().tokens.weth;
        if is_ether { parse_ether("1").unwrap() } else { U256::from(price / 100) }
    }

    /// Every product's keeper does the same, and the pools are put right again.
    async fn all<C: SolCall + Clone>(&self, call: C) {
        let price = self.market.price().await.unwrap();
        for product in self.products() {
            let receipt =
                self.devnet.node().transact(keeper(product), product.strategy, call.clone());
            receipt.await.unwrap();
        }
        self.market.set_price(price).await.unwrap();
    }

    async fn operate_all<C: SolCall + Clone>(&self, call: C) {
        for product in self.products() {
            self.market.operate(product, call.clone()).await.unwrap();
        }
    }
}

fn keeper(product: &Product) -> Address {
    *product.keepers.first().expect("a product with a keeper")
}

fn actions(exchange: &str) -> [(&'static str, Vec<u8>); 3] {
    let exchange_name = || exchange.to_owned();
    [
        ("rebalance", rebalanceCall { exchangeName: exchange_name() }.abi_encode()),
        ("iterateRebalance", iterateRebalanceCall { exchangeName: exchange_name() }.abi_encode()),
        ("ripcord", ripcordCall { exchangeName: exchange_name() }.abi_encode()),
    ]
}

fn rebalance(on: &str) -> rebalanceCall {
    rebalanceCall { exchangeName: on.to_owned() }
}

fn iterate(on: &str) -> iterateRebalanceCall {
    iterateRebalanceCall { exchangeName: on.to_owned() }
}

fn ripcord(on: &str) -> ripcordCall {
    ripcordCall { exchangeName: on.to_owned() }
}

/// Within half a percent: products of different size feel the pools' impact differently.
fn assert_near(value: U256, expected: U256, what: &str) {
    let off = value.abs_diff(expected);
    assert!(off * U256::from(200) <= expected, "{what}: {value} for {expected}");
}

#[tokio::test]
async fn they_do_what_the_published_strategy_does() {
    let stage = Stage::start().await;
    let node = stage.devnet.node();
    stage.assert_alike("at rest").await;

    node.warp(INTERVAL).await.unwrap();
    stage.assert_alike("the interval is over").await;
    stage.market.set_pools_only(&[V3_EXCHANGE], 1_800 * USD).await.unwrap();
    stage.assert_alike("one pool is away").await;
    stage.market.set_price(2_000 * USD).await.unwrap();
    stage.all(rebalance(V2_EXCHANGE)).await;
    stage.assert_alike("rebalanced").await;

    stage.market.set_price(2_700 * USD).await.unwrap();
    stage.assert_alike("below the minimum").await;
    stage.all(rebalance(V3_EXCHANGE)).await;
    stage.assert_alike("levering in chunks").await;

    stage.market.set_price(1_700 * USD).await.unwrap();
    stage.assert_alike("a TWAP up that the price has outrun").await;
    stage.all(iterate(V2_EXCHANGE)).await;
    stage.assert_alike("cleared").await;

    stage.market.set_price(1_690 * USD).await.unwrap();
    stage.all(rebalance(V3_EXCHANGE)).await;
    stage.assert_alike("delevering in chunks").await;
    node.warp(COOLDOWN).await.unwrap();
    stage.assert_alike("the cooldown is over").await;
    stage.all(iterate(V3_EXCHANGE)).await;
    stage.all(iterate(V2_EXCHANGE)).await;
    stage.assert_alike("two chunks later").await;

    stage.market.set_price(1_480 * USD).await.unwrap();
    node.warp(RIPCORD_COOLDOWN).await.unwrap();
    stage.assert_alike("ripcord range").await;
    stage.all(ripcord(V3_EXCHANGE)).await;
    stage.assert_alike("one ripcord").await;
    stage.all(ripcord(V2_EXCHANGE)).await;
    stage.assert_alike("two ripcords").await;
}

#[tokio::test]
async fn they_refuse_whom_the_published_strategy_refuses() {
    let stage = Stage::start().await;
    stage.devnet.node().warp(INTERVAL).await.unwrap();
    for product in stage.products() {
        let keeper = keeper(product);
        let (_, data) = actions(V3_EXCHANGE).into_iter().next().unwrap();
        let through = IMulticall3::Call3 {
            target: product.strategy,
            allowFailure: true,
            callData: data.into(),
        };
        let through = IMulticall3::aggregate3Call { calls: vec![through] }.abi_encode();
        let answer = stage.call(keeper, MULTICALL3_ADDRESS, through).await.unwrap();
        let results = IMulticall3::aggregate3Call::abi_decode_returns(&answer).unwrap();
        let said = decode_revert_reason(&results.first().unwrap().returnData).unwrap();
        assert!(said.contains("Caller must be EOA Address"), "{}: {said}", product.symbol);

        stage.market.set_caller_status(product, &[keeper], false).await.unwrap();
        let tight = shouldRebalanceWithBoundsCall {
            min: parse_ether("1.8").unwrap(),
            max: parse_ether("2.3").unwrap(),
        };
        let said = stage.call(keeper, product.strategy, tight.abi_encode()).await.unwrap_err();
        assert!(said.contains("Custom bounds must be valid"), "{}: {said}", product.symbol);
    }
    stage.assert_alike("off the allow list").await;
    stage.operate_all(updateAnyoneCallableCall { callable: true }).await;
    stage.assert_alike("anyone may call").await;
    stage.operate_all(removeEnabledExchangeCall { exchangeName: V3_EXCHANGE.to_owned() }).await;
    stage.assert_alike("one exchange left").await;
    for product in stage.products() {
        let call = removeAdapterCall { adapter: product.strategy };
        stage.devnet.node().transact(OPERATOR, product.manager, call).await.unwrap();
    }
    stage.assert_alike("no longer wired").await;
    let verdicts = stage.verdicts(stage.devnet.product()).await;
    assert!(verdicts.iter().any(|v| v.contains("Must be adapter")), "{verdicts:?}");
}

/// Where the variants differ: how far a market lets them delever.
#[tokio::test]
async fn each_has_the_ceiling_of_its_own_market() {
    let stage = Stage::start().await;
    for (variant, within, beyond) in [
        // 82.5 % less 1 %; 93 %, in its e-mode, with nothing held back; 86 % less 2 %.
        (Variant::AaveV2, 1_250, 1_205),
        (Variant::AaveV3, 1_095, 1_060),
        (Variant::Morpho, 1_205, 1_165),
    ] {
        let product = stage.products().iter().find(|p| p.variant == variant).unwrap();
        stage.market.set_price(within * USD).await.unwrap();
        let chunks = stage.chunks(product).await;
        let (one, eight) = (parse_ether("1").unwrap(), parse_ether("8").unwrap());
        let is_cut = |chunk: &U256| (one..eight).contains(chunk);
        assert!(chunks.iter().all(is_cut), "{variant:?}: cut by the market to {chunks:?}");
        stage.market.set_price(beyond * USD).await.unwrap();
        let due = stage.market.should_rebalance(product).await.unwrap();
        assert!(due.iter().all(|(_, action)| *action == Action::Ripcord), "{due:?}");
        let names = vec![V3_EXCHANGE.to_owned()];
        let sizing = getChunkRebalanceNotionalCall { names }.abi_encode();
        for data in [sizing, ripcord(V3_EXCHANGE).abi_encode()] {
            let said = stage.call(keeper(product), product.strategy, data).await.unwrap_err();
            assert!(said.contains("SafeMath: subtraction overflow"), "{variant:?}: {said}");
        }
    }
}
