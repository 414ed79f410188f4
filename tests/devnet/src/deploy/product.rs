//! One leveraged product after another: token, manager, strategy, and the way to its leverage.

use alloy::{
    primitives::{Address, Bytes, I256, U256, utils::parse_ether},
    sol_types::SolValue as _,
};
use eyre::{OptionExt as _, Result, bail};

use super::{
    Deployment, FliOptions, Methodology, Product, V2_EXCHANGE, V3_EXCHANGE, Variant, percent,
};
use crate::{
    Market, Node, Tooling,
    accounts::{self, OPERATOR},
    batch::Batch,
    contracts::{
        IBaseManager, ICEther, ICompoundLeverageModule, IDebtIssuanceModule, ISetToken,
        ISetTokenCreator, IStrategy, IStreamingFeeModule, IToken,
    },
    tooling::Package,
};

/// Products that are deployed and levered together: so many that the pool, whose price is put
/// right between groups, moves by less than the slippage tolerance.
pub(super) const GROUP: usize = 100;
/// Chunks after which a product should long have reached its target.
const MAX_ITERATIONS: usize = 20;
/// cETH per token, in base units: one ether at the first exchange rate.
const C_ETHER_UNIT: i64 = 5_000_000_000;
/// Largest chunk while levering up, in ether: larger ones break a tolerance of 2 %.
const LEVER_CHUNK: &str = "250";
/// What a strategy holds for ripcord rewards, in ether.
const REWARDS: &str = "10";
/// A feed has 8 decimals and strategies compute with 18 + 18, so the adjustment is 28 − decimals.
const FEED_SCALE: u64 = 28;

/// What is particular to one product.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    name: String,
    symbol: String,
    /// Tokens issued, each backed by one ether.
    supply: u64,
    keepers: Vec<Address>,
}

impl Plan {
    /// The product of the demo, large enough for its trades to need several chunks.
    pub(super) fn first(options: &FliOptions) -> Self {
        let keepers = [accounts::keeper_address(0)];
        Self {
            name: "ETH 2x Flexible Leverage Index".to_owned(),
            symbol: "ETH2x-FLI".to_owned(),
            supply: 1_000,
            keepers: keepers.into_iter().chain(options.more_keepers.iter().copied()).collect(),
        }
    }

    /// The product number `index`, which is there to be one of many.
    pub(super) fn small(index: usize) -> Self {
        Self {
            name: format!("ETH 2x Flexible Leverage Index {index}"),
            symbol: format!("ETH2x-FLI-{index}"),
            supply: 1,
            keepers: vec![accounts::keeper_address(index)],
        }
    }
}

/// Deploys the products and issues their first tokens, at a leverage of one.
pub(super) async fn deploy(
    tooling: &Tooling,
    node: &Node,
    deployment: &Deployment,
    methodology: &Methodology,
    plans: &[Plan],
) -> Result<Vec<Product>> {
    let code =
        |path: &str| tooling.code(Package::Index, &format!("artifacts/contracts/{path}"), None);
    let codes = Codes {
        manager: code("manager/BaseManager.sol/BaseManager")?,
        strategy: code(
            "adapters/FlexibleLeverageStrategyExtension.sol/FlexibleLeverageStrategyExtension",
        )?,
        viewer: code("viewers/FLIRebalanceViewer.sol/FLIRebalanceViewer")?,
    };
    let set = &deployment.set;
    let mut batch = Batch::begin(node, OPERATOR).await?;
    let spender = set.debt_issuance_module;
    let approve = IToken::approveCall { spender, amount: U256::MAX };
    batch.call(deployment.compound.c_ether, approve).await?;
    // The creator deploys a token per call, so the next address follows from its nonce.
    let created = node.nonce(set.set_token_creator).await?;
    let mut products = Vec::with_capacity(plans.len());
    for (plan, nonce) in plans.iter().zip(created..) {
        let set_token = set.set_token_creator.create(nonce);
        create_token(&mut batch, deployment, plan, set_token).await?;
        let product =
            add_strategy(&mut batch, deployment, methodology, plan, set_token, &codes).await?;
        issue(&mut batch, deployment, plan, set_token).await?;
        products.push(product);
    }
    batch.finish().await?;
    Ok(products)
}

struct Codes {
    manager: Bytes,
    strategy: Bytes,
    viewer: Bytes,
}

/// Engages and iterates until no product has chunks left to trade.
pub(super) async fn lever(
    node: &Node,
    market: &Market,
    methodology: &Methodology,
    products: &[Product],
    price: u64,
) -> Result<()> {
    let exchange = || V3_EXCHANGE.to_owned();
    let mut batch = Batch::begin(node, OPERATOR).await?;
    for product in products {
        batch.call(product.strategy, IStrategy::engageCall { exchangeName: exchange() }).await?;
    }
    batch.finish().await?;
    for _ in 0..MAX_ITERATIONS {
        market.set_price(price).await?;
        let mut unfinished = Vec::new();
        for product in products {
            if !market.twap_leverage_ratio(product).await?.is_zero() {
                unfinished.push(product.strategy);
            }
        }
        if unfinished.is_empty() {
            return Ok(());
        }
        node.warp(methodology.twap_cooldown_period.saturating_add(1)).await?;
        let mut batch = Batch::begin(node, OPERATOR).await?;
        for strategy in unfinished {
            let iterate = IStrategy::iterateRebalanceCall { exchangeName: exchange() };
            batch.call(strategy, iterate).await?;
        }
        batch.finish().await?;
    }
    bail!("a product is not levered after {MAX_ITERATIONS} chunks")
}

/// Cuts the trade sizes to their working values and takes the operator off the list of callers.
pub(super) async fn settle(
    node: &Node,
    deployment: &Deployment,
    methodology: &Methodology,
    products: &[Product],
) -> Result<()> {
    let exchanges = [
        (V3_EXCHANGE, exchange_v3(deployment, methodology.v3_trade_sizes)?),
        (V2_EXCHANGE, exchange_v2(methodology.v2_trade_sizes)),
    ];
    let mut batch = Batch::begin(node, OPERATOR).await?;
    for product in products {
        for (name, settings) in &exchanges {
            let update = IStrategy::updateEnabledExchangeCall {
                exchangeName: (*name).to_owned(),
                settings: settings.clone(),
            };
            batch.call(product.strategy, update).await?;
        }
        let callers = vec![OPERATOR];
        let remove = IStrategy::updateCallerStatusCall { callers, statuses: vec![false] };
        batch.call(product.strategy, remove).await?;
    }
    batch.finish().await
}

/// The token and its modules. The leverage module asks for an initialised issuance module, so it
/// comes last.
async fn create_token(
    batch: &mut Batch<'_>,
    deployment: &Deployment,
    plan: &Plan,
    set_token: Address,
) -> Result<()> {
    let set = &deployment.set;
    let create = ISetTokenCreator::createCall {
        components: vec![deployment.compound.c_ether],
        units: vec![I256::try_from(C_ETHER_UNIT)?],
        modules: vec![set.debt_issuance_module, set.streaming_fee_module, set.leverage_module],
        manager: OPERATOR,
        name: plan.name.clone(),
        symbol: plan.symbol.clone(),
    };
    batch.call(set.set_token_creator, create).await?;
    let issuance = IDebtIssuanceModule::initializeCall {
        setToken: set_token,
        maxManagerFee: percent(10),
        issueFee: U256::ZERO,
        redeemFee: U256::ZERO,
        feeRecipient: OPERATOR,
        hook: Address::ZERO,
    };
    batch.call(set.debt_issuance_module, issuance).await?;
    let settings = IStreamingFeeModule::FeeState {
        feeRecipient: OPERATOR,
        maxStreamingFeePercentage: percent(10),
        streamingFeePercentage: U256::ZERO,
        lastStreamingFeeTimestamp: U256::ZERO,
    };
    let streaming = IStreamingFeeModule::initializeCall { setToken: set_token, settings };
    batch.call(set.streaming_fee_module, streaming).await?;
    let leverage = ICompoundLeverageModule::initializeCall {
        setToken: set_token,
        collateralAssets: vec![deployment.tokens.weth],
        borrowAssets: vec![deployment.tokens.usdc],
    };
    batch.call(set.leverage_module, leverage).await
}

async fn add_strategy(
    batch: &mut Batch<'_>,
    deployment: &Deployment,
    methodology: &Methodology,
    plan: &Plan,
    set_token: Address,
    codes: &Codes,
) -> Result<Product> {
    let manager = add_manager(batch, &codes.manager, set_token).await?;
    let arguments = strategy_arguments(deployment, methodology, manager, set_token)?;
    let strategy = batch.deploy("strategy", &codes.strategy, arguments).await?;
    wire(batch, manager, strategy, &plan.keepers).await?;
    let uniswap = &deployment.uniswap;
    let (v3, v2) = (V3_EXCHANGE.to_owned(), V2_EXCHANGE.to_owned());
    let arguments = (strategy, uniswap.v3_quoter, uniswap.v2_router, v3, v2).abi_encode_params();
    let viewer = batch.deploy("viewer", &codes.viewer, arguments).await?;
    let (symbol, keepers) = (plan.symbol.clone(), plan.keepers.clone());
    let variant = Variant::Compound;
    Ok(Product { symbol, variant, set_token, manager, strategy, viewer, keepers })
}

/// Deploys another strategy of a product in place of its own, as a migration does: the manager lists
/// the new one only, which has never traded.
pub(crate) async fn replace_strategy(
    tooling: &Tooling,
    node: &Node,
    deployment: &Deployment,
    methodology: &Methodology,
    product: &Product,
) -> Result<Address> {
    let path = "adapters/FlexibleLeverageStrategyExtension.sol/FlexibleLeverageStrategyExtension";
    let code = tooling.code(Package::Index, &format!("artifacts/contracts/{path}"), None)?;
    let arguments =
        strategy_arguments(deployment, methodology, product.manager, product.set_token)?;
    let mut batch = Batch::begin(node, OPERATOR).await?;
    let strategy = batch.deploy("strategy", &code, arguments).await?;
    let remove = IBaseManager::removeAdapterCall { adapter: product.strategy };
    batch.call(product.manager, remove).await?;
    wire(&mut batch, product.manager, strategy, &product.keepers).await?;
    batch.finish().await?;
    let replaced = Product { strategy, ..product.clone() };
    settle(node, deployment, methodology, &[replaced]).await?;
    Ok(strategy)
}

/// The published manager, which the token is handed over to.
pub(super) async fn add_manager(
    batch: &mut Batch<'_>,
    code: &Bytes,
    set_token: Address,
) -> Result<Address> {
    let parties = (set_token, OPERATOR, OPERATOR).abi_encode_params();
    let manager = batch.deploy("BaseManager", code, parties).await?;
    batch.call(set_token, ISetToken::setManagerCall { manager }).await?;
    Ok(manager)
}

/// Makes a strategy its manager's, lets keepers call it, and fills its purse.
pub(super) async fn wire(
    batch: &mut Batch<'_>,
    manager: Address,
    strategy: Address,
    keepers: &[Address],
) -> Result<()> {
    batch.call(manager, IBaseManager::addAdapterCall { adapter: strategy }).await?;
    let callers: Vec<_> = keepers.iter().copied().chain([OPERATOR]).collect();
    let statuses = vec![true; callers.len()];
    batch.call(strategy, IStrategy::updateCallerStatusCall { callers, statuses }).await?;
    batch.transfer(strategy, parse_ether(REWARDS)?).await
}

/// The operator becomes the first holder.
async fn issue(
    batch: &mut Batch<'_>,
    deployment: &Deployment,
    plan: &Plan,
    set_token: Address,
) -> Result<()> {
    let quantity = parse_ether(&plan.supply.to_string())?;
    // A little more than is needed, since issuing rounds in favour of the product.
    let ether = quantity.saturating_add(parse_ether("0.001")?);
    batch.pay(deployment.compound.c_ether, ICEther::mintCall {}, ether).await?;
    let issue = IDebtIssuanceModule::issueCall { setToken: set_token, quantity, to: OPERATOR };
    batch.call(deployment.set.debt_issuance_module, issue).await
}

fn strategy_arguments(
    deployment: &Deployment,
    methodology: &Methodology,
    manager: Address,
    set_token: Address,
) -> Result<Vec<u8>> {
    let contracts = IStrategy::ContractSettings {
        setToken: set_token,
        leverageModule: deployment.set.leverage_module,
        comptroller: deployment.compound.comptroller,
        collateralPriceOracle: deployment.feeds.eth_usd,
        borrowPriceOracle: deployment.feeds.usdc_usd,
        targetCollateralCToken: deployment.compound.c_ether,
        targetBorrowCToken: deployment.compound.c_usdc,
        collateralAsset: deployment.tokens.weth,
        borrowAsset: deployment.tokens.usdc,
        collateralDecimalAdjustment: adjustment(18),
        borrowDecimalAdjustment: adjustment(6),
    };
    let execution = IStrategy::ExecutionSettings {
        unutilizedLeveragePercentage: methodology.unutilized_leverage_percentage,
        slippageTolerance: methodology.slippage_tolerance,
        twapCooldownPeriod: U256::from(methodology.twap_cooldown_period),
    };
    let (names, exchanges) = first_exchanges(deployment)?;
    let (ratios, incentive) = (ratios(methodology), incentive(methodology));
    let arguments = (manager, contracts, ratios, execution, incentive, names, exchanges);
    Ok(arguments.abi_encode_params())
}

pub(super) fn ratios(methodology: &Methodology) -> IStrategy::MethodologySettings {
    IStrategy::MethodologySettings {
        targetLeverageRatio: methodology.target_leverage_ratio,
        minLeverageRatio: methodology.min_leverage_ratio,
        maxLeverageRatio: methodology.max_leverage_ratio,
        recenteringSpeed: methodology.recentering_speed,
        rebalanceInterval: U256::from(methodology.rebalance_interval),
    }
}

pub(super) fn incentive(methodology: &Methodology) -> IStrategy::IncentiveSettings {
    IStrategy::IncentiveSettings {
        etherReward: methodology.ether_reward,
        incentivizedLeverageRatio: methodology.incentivized_leverage_ratio,
        incentivizedSlippageTolerance: methodology.incentivized_slippage_tolerance,
        incentivizedTwapCooldownPeriod: U256::from(methodology.incentivized_twap_cooldown_period),
    }
}

/// What brings a feed's price to the scale for a token with these decimals.
pub(super) fn adjustment(decimals: u64) -> U256 {
    U256::from(FEED_SCALE.saturating_sub(decimals))
}

/// Both exchanges, with chunks for levering up.
pub(super) fn first_exchanges(
    deployment: &Deployment,
) -> Result<(Vec<String>, Vec<IStrategy::ExchangeSettings>)> {
    let chunk = parse_ether(LEVER_CHUNK)?;
    let names = vec![V3_EXCHANGE.to_owned(), V2_EXCHANGE.to_owned()];
    Ok((names, vec![exchange_v3(deployment, (chunk, chunk))?, exchange_v2((chunk, chunk))]))
}

fn exchange_v3(
    deployment: &Deployment,
    sizes: (U256, U256),
) -> Result<IStrategy::ExchangeSettings> {
    let (weth, usdc) = (deployment.tokens.weth, deployment.tokens.usdc);
    let fee = deployment.uniswap.v3_fee.to_be_bytes();
    let fee = fee.get(1..).ok_or_eyre("a fee has three bytes")?;
    let path =
        |from: Address, to: Address| Bytes::from([from.as_slice(), fee, to.as_slice()].concat());
    Ok(exchange(sizes, path(usdc, weth), path(weth, usdc)))
}

/// Without data the adapter trades over the direct pair.
fn exchange_v2(sizes: (U256, U256)) -> IStrategy::ExchangeSettings {
    exchange(sizes, Bytes::new(), Bytes::new())
}

fn exchange(sizes: (U256, U256), lever: Bytes, delever: Bytes) -> IStrategy::ExchangeSettings {
    let (twap, ripcord) = sizes;
    IStrategy::ExchangeSettings {
        twapMaxTradeSize: twap,
        exchangeLastTradeTimestamp: U256::ZERO,
        incentivizedTwapMaxTradeSize: ripcord,
        leverExchangeData: lever,
        deleverExchangeData: delever,
    }
}
