//! Putting the contracts on a bare node, and the names of what stands where.
//!
//! One account does it all with transactions that are sent ahead and mined together, so addresses
//! depend only on the order of these steps: the same options give the same addresses on any chain.

pub(crate) mod basis;
mod compound;
mod doubles;
pub(crate) mod index;
mod perp;
pub(crate) mod product;
mod protocol;
mod venues;

use alloy::{
    primitives::{Address, Bytes, U256, utils::parse_ether},
    providers::{MULTICALL3_ADDRESS, bindings::IMulticall3},
};
use eyre::{OptionExt as _, Result};
use serde::{Deserialize, Serialize};

use crate::{
    IndexProduct, Market, Node, Tooling,
    accounts::{KEEPER_BALANCE, OPERATOR},
    basis::Basis,
    batch::{Batch, Quiet},
    market::{self, USD},
};

/// Under which name the strategies trade on Uniswap V3.
pub const V3_EXCHANGE: &str = "UniswapV3ExchangeAdapter";
/// Under which name the strategies trade on Uniswap V2.
pub const V2_EXCHANGE: &str = "UniswapV2ExchangeAdapter";

/// The operator's ether before it deploys: for pools, markets and the market's purse.
const OPERATOR_ETHER: &str = "10000000";
/// Bytes of Multicall3's creation code before its runtime code.
const MULTICALL3_INIT: usize = 32;

/// What is deployed. The default is the product of the reference tests: twice leveraged, daily.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FliOptions {
    /// The first price of ether, in US dollars with 8 decimals.
    pub eth_usd: u64,
    /// Who may call the first product besides keeper 0.
    pub more_keepers: Vec<Address>,
    /// How many products there are besides the first. They are small: one token each.
    pub more_products: usize,
    /// Whether doubles stand beside the published contracts: a product on each of Aave V2, Aave V3
    /// and Morpho, after all others, and a strategy from before several exchanges were served.
    pub doubles: bool,
    /// The settings of every product.
    pub methodology: Methodology,
}

impl Default for FliOptions {
    fn default() -> Self {
        Self {
            eth_usd: 2_000 * USD,
            more_keepers: Vec::new(),
            more_products: 0,
            doubles: false,
            methodology: Methodology::default(),
        }
    }
}

/// The settings of a strategy: the contract's methodology, execution and incentive settings and the
/// trade sizes of both exchanges. Ratios and percentages have 18 decimals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Methodology {
    /// The ratio that every rebalance heads for.
    pub target_leverage_ratio: U256,
    /// Below it a rebalance is due at once.
    pub min_leverage_ratio: U256,
    /// Above it a rebalance is due at once.
    pub max_leverage_ratio: U256,
    /// The share of the gap to the target that one rebalance closes.
    pub recentering_speed: U256,
    /// Seconds after the last trade when a rebalance is due anyway.
    pub rebalance_interval: u64,
    /// The share of the borrow limit that is kept free.
    pub unutilized_leverage_percentage: U256,
    /// How far a trade may be off the feed's price.
    pub slippage_tolerance: U256,
    /// Seconds between two chunks on one exchange.
    pub twap_cooldown_period: u64,
    /// What a ripcord pays its caller, in wei.
    pub ether_reward: U256,
    /// The ripcord line.
    pub incentivized_leverage_ratio: U256,
    /// How far a ripcord's trade may be off the feed's price.
    pub incentivized_slippage_tolerance: U256,
    /// Seconds between two ripcords on one exchange.
    pub incentivized_twap_cooldown_period: u64,
    /// Largest chunk on Uniswap V3: of a rebalance, of a ripcord; in wei of collateral.
    pub v3_trade_sizes: (U256, U256),
    /// Largest chunk on Uniswap V2: of a rebalance, of a ripcord; in wei of collateral.
    pub v2_trade_sizes: (U256, U256),
}

impl Default for Methodology {
    fn default() -> Self {
        Self {
            target_leverage_ratio: percent(200),
            min_leverage_ratio: percent(170),
            max_leverage_ratio: percent(230),
            recentering_speed: percent(5),
            rebalance_interval: 86_400,
            unutilized_leverage_percentage: percent(1),
            slippage_tolerance: percent(2),
            twap_cooldown_period: 600,
            ether_reward: percent(100),
            incentivized_leverage_ratio: percent(270),
            incentivized_slippage_tolerance: percent(5),
            incentivized_twap_cooldown_period: 60,
            v3_trade_sizes: (percent(4_000), percent(10_000)),
            v2_trade_sizes: (percent(3_000), percent(8_000)),
        }
    }
}

/// Everything that was deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// The chain it is on.
    pub chain_id: u64,
    /// The tokens.
    pub tokens: Tokens,
    /// Both exchanges.
    pub uniswap: Uniswap,
    /// The price feeds.
    pub feeds: Feeds,
    /// The lending market.
    pub compound: Compound,
    /// The protocol that products are built with.
    pub set: SetProtocol,
    /// The products; never empty. Product `i` allows keeper `i`.
    pub products: Vec<Product>,
    /// The double of the strategy from before several exchanges were served, if asked for.
    pub single_exchange_adapter: Option<Address>,
    /// Perp V2 and the basis product, if asked for.
    pub basis: Option<Basis>,
    /// The composite index, if asked for.
    pub index: Option<IndexProduct>,
}

/// The tokens: collateral and debt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Wrapped ether, 18 decimals.
    pub weth: Address,
    /// US dollars, 6 decimals.
    pub usdc: Address,
}

/// Uniswap V2 and V3, each with one pool of ether and dollars.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uniswap {
    /// The V2 factory.
    pub v2_factory: Address,
    /// The V2 router.
    pub v2_router: Address,
    /// The V2 pair.
    pub v2_pair: Address,
    /// The V3 factory.
    pub v3_factory: Address,
    /// The V3 router.
    pub v3_router: Address,
    /// The V3 quoter.
    pub v3_quoter: Address,
    /// The V3 position manager.
    pub v3_positions: Address,
    /// The V3 pool.
    pub v3_pool: Address,
    /// The V3 pool's fee, in millionths.
    pub v3_fee: u32,
}

/// Chainlink feeds in US dollars, 8 decimals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feeds {
    /// The price of ether.
    pub eth_usd: Address,
    /// The price of a dollar token.
    pub usdc_usd: Address,
}

/// Compound with two markets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compound {
    /// The price oracle, which answers for underlyings of cTokens.
    pub oracle: Address,
    /// The Comptroller, at its proxy.
    pub comptroller: Address,
    /// The market in ether: the collateral.
    pub c_ether: Address,
    /// The market in dollars: the debt.
    pub c_usdc: Address,
}

/// Set Protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetProtocol {
    /// The Controller.
    pub controller: Address,
    /// The registry of adapters.
    pub integration_registry: Address,
    /// The factory of products.
    pub set_token_creator: Address,
    /// Issues and redeems products with debt.
    pub debt_issuance_module: Address,
    /// The streaming fee, set to zero.
    pub streaming_fee_module: Address,
    /// Levers on Compound.
    pub leverage_module: Address,
}

/// One leveraged product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Its symbol.
    pub symbol: String,
    /// The lending market that its strategy is written for.
    pub variant: Variant,
    /// The token.
    pub set_token: Address,
    /// The `BaseManager`.
    pub manager: Address,
    /// The leverage strategy extension: what a keeper calls.
    pub strategy: Address,
    /// The `FLIRebalanceViewer`; zero for a double.
    pub viewer: Address,
    /// Who may call `rebalance` and `iterateRebalance`.
    pub keepers: Vec<Address>,
}

/// The lending market that a strategy is written for. All but the first are doubles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Variant {
    /// `FlexibleLeverageStrategyExtension`, as published.
    Compound,
    /// `AaveLeverageStrategyExtension`.
    AaveV2,
    /// `AaveV3LeverageStrategyExtension`.
    AaveV3,
    /// `MorphoLeverageStrategyExtension`.
    Morpho,
}

impl Deployment {
    /// Deploys everything on a bare anvil: the protocols, the pools, the first product and as many
    /// more as asked for, each levered to its target, its keepers funded. Takes a few seconds; the
    /// chain's clock moves some forty minutes, for the cooldowns. The mining mode is as before
    /// when it is done.
    ///
    /// # Errors
    ///
    /// If an artifact is missing or a transaction fails.
    pub async fn fli(tooling: &Tooling, node: &Node, options: &FliOptions) -> Result<Self> {
        let quiet = Quiet::begin(node).await?;
        node.set_code(MULTICALL3_ADDRESS, multicall3()?).await?;
        node.set_balance(OPERATOR, parse_ether(OPERATOR_ETHER)?).await?;

        let mut batch = Batch::begin(node, OPERATOR).await?;
        let tokens = venues::tokens(tooling, &mut batch).await?;
        let feeds = venues::feeds(tooling, &mut batch, node, options.eth_usd).await?;
        let mut uniswap = venues::uniswap(tooling, &mut batch, &tokens, options.eth_usd).await?;
        let compound = compound::deploy(tooling, &mut batch, &tokens, options.eth_usd).await?;
        let set = protocol::deploy(tooling, &mut batch, &tokens, &compound, &uniswap).await?;
        market::endow(&mut batch, &tokens, &uniswap).await?;
        batch.finish().await?;
        venues::find_pools(node, &tokens, &mut uniswap).await?;

        let chain_id = node.chain_id().await?;
        let mut deployment = Self {
            chain_id,
            tokens,
            uniswap,
            feeds,
            compound,
            set,
            products: Vec::new(),
            single_exchange_adapter: None,
            basis: None,
            index: None,
        };
        let plan = product::Plan::first(options);
        deployment.add(tooling, node, options, vec![plan]).await?;
        deployment.add_small(tooling, node, options, options.more_products).await?;
        if options.doubles {
            deployment.add_doubles(tooling, node, options).await?;
        }
        quiet.end(node).await?;
        Ok(deployment)
    }

    /// Adds `count` small products over the same market, levered and with a keeper each. The
    /// settings are those of `options`. A block time below a second is not restored, since anvil tells
    /// it in whole seconds only: ask for the products at the start there.
    ///
    /// # Errors
    ///
    /// As [`fli`](Self::fli).
    pub async fn deploy_more_products(
        &mut self,
        tooling: &Tooling,
        node: &Node,
        options: &FliOptions,
        count: usize,
    ) -> Result<()> {
        let quiet = Quiet::begin(node).await?;
        self.add_small(tooling, node, options, count).await?;
        quiet.end(node).await
    }

    /// The first product.
    #[must_use]
    pub fn product(&self) -> &Product {
        #[expect(clippy::expect_used, reason = "`fli` deploys one before it returns")]
        self.products.first().expect("a deployment has a product")
    }

    async fn add_small(
        &mut self,
        tooling: &Tooling,
        node: &Node,
        options: &FliOptions,
        count: usize,
    ) -> Result<()> {
        let first = self.products.len();
        let plans: Vec<_> = (first..).take(count).map(product::Plan::small).collect();
        for group in plans.chunks(product::GROUP) {
            self.add(tooling, node, options, group.to_vec()).await?;
        }
        Ok(())
    }

    async fn add(
        &mut self,
        tooling: &Tooling,
        node: &Node,
        options: &FliOptions,
        plans: Vec<product::Plan>,
    ) -> Result<()> {
        let products = product::deploy(tooling, node, self, &options.methodology, &plans).await?;
        self.open(node, &options.methodology, products).await
    }

    async fn add_doubles(
        &mut self,
        tooling: &Tooling,
        node: &Node,
        options: &FliOptions,
    ) -> Result<()> {
        let methodology = doubles::methodology(&options.methodology);
        let (products, adapter) = doubles::deploy(tooling, node, self, &methodology).await?;
        self.single_exchange_adapter = Some(adapter);
        self.open(node, &methodology, products).await
    }

    /// Levers new products, cuts their trade sizes to the working values and funds their keepers.
    async fn open(
        &mut self,
        node: &Node,
        methodology: &Methodology,
        products: Vec<Product>,
    ) -> Result<()> {
        let market = Market::new(node.clone(), self.clone());
        let price = market.price().await?;
        product::lever(node, &market, methodology, &products, price).await?;
        product::settle(node, self, methodology, &products).await?;
        for keeper in products.iter().flat_map(|product| &product.keepers) {
            node.set_balance(*keeper, KEEPER_BALANCE).await?;
        }
        self.products.extend(products);
        Ok(())
    }
}

/// Hundredths, with 18 decimals.
fn percent(hundredths: u64) -> U256 {
    U256::from(hundredths).saturating_mul(U256::from(10_000_000_000_000_000_u64))
}

/// The runtime code of Multicall3, which alloy ships as creation code.
fn multicall3() -> Result<Bytes> {
    let code = IMulticall3::BYTECODE.get(MULTICALL3_INIT..).ok_or_eyre("Multicall3 too short")?;
    Ok(Bytes::copy_from_slice(code))
}
