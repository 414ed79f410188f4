//! Tokens, feeds and exchanges.

use alloy::{
    primitives::{
        Address, U256,
        aliases::{I24, U24, U80},
        utils::parse_ether,
    },
    sol_types::SolValue as _,
};
use eyre::{OptionExt as _, Result, ensure};

use super::{Feeds, Tokens, Uniswap};
use crate::{
    Node, Tooling,
    accounts::OPERATOR,
    batch::Batch,
    contracts::{
        IFeed, IToken, IUniswapV2Factory, IUniswapV2Router, IUniswapV3Factory, IUniswapV3Positions,
    },
    market::{USD, dollars, sqrt_price},
    tooling::Package,
};

/// All dollars there are, in base units: a million million.
const USDC_SUPPLY: u64 = 1_000_000_000_000_000_000;
/// Wrapped by the operator: for both pools and the market's purse.
const WETH_SUPPLY: &str = "2000000";
const V2_DEPTH: &str = "20000";
const V3_DEPTH: &str = "40000";
/// 0.3 %, in millionths.
const V3_FEE: u32 = 3_000;
/// The widest range that a pool with this fee allows.
const FULL_RANGE: i32 = 887_220;

pub(super) async fn tokens(tooling: &Tooling, batch: &mut Batch<'_>) -> Result<Tokens> {
    let code = tooling.code(Package::Set, "external/abi/weth/WETH9", None)?;
    let weth = batch.deploy("WETH", &code, Vec::new()).await?;
    let path = "artifacts/contracts/mocks/StandardTokenMock.sol/StandardTokenMock";
    let code = tooling.code(Package::Set, path, None)?;
    let arguments = (
        OPERATOR,
        U256::from(USDC_SUPPLY),
        "USD Coin".to_owned(),
        "USDC".to_owned(),
        U256::from(6),
    );
    let usdc = batch.deploy("USDC", &code, arguments.abi_encode_params()).await?;
    batch.pay(weth, IToken::depositCall {}, parse_ether(WETH_SUPPLY)?).await?;
    Ok(Tokens { weth, usdc })
}

pub(super) async fn feeds(
    tooling: &Tooling,
    batch: &mut Batch<'_>,
    node: &Node,
    eth_usd: u64,
) -> Result<Feeds> {
    let path = "artifacts/contracts/mocks/external/ChainlinkAggregatorMock.sol/\
                ChainlinkAggregatorMock";
    let code = tooling.code(Package::Set, path, None)?;
    let now = U256::from(node.head().await?.timestamp);
    let mut feeds = Vec::new();
    for (name, price) in [("ETH/USD", eth_usd), ("USDC/USD", USD)] {
        let feed = batch.deploy(name, &code, U256::from(8).abi_encode()).await?;
        let round = U80::from(1);
        let call = IFeed::setRoundDataCall {
            roundId: round,
            answer: price.try_into()?,
            startedAt: now,
            updatedAt: now,
            answeredInRound: round,
        };
        batch.call(feed, call).await?;
        feeds.push(feed);
    }
    let [eth_usd, usdc_usd] = feeds.try_into().ok().ok_or_eyre("two feeds")?;
    Ok(Feeds { eth_usd, usdc_usd })
}

/// Both exchanges with their pools filled. The pools' own addresses are known once they are mined.
pub(super) async fn uniswap(
    tooling: &Tooling,
    batch: &mut Batch<'_>,
    tokens: &Tokens,
    eth_usd: u64,
) -> Result<Uniswap> {
    let code =
        |name: &str| tooling.code(Package::Set, &format!("external/abi/uniswap/{name}"), None);
    let weth = tokens.weth;
    let v2_factory = code("v2/UniswapV2Factory")?;
    let v2_factory = batch.deploy("V2 factory", &v2_factory, OPERATOR.abi_encode()).await?;
    let routed = (v2_factory, weth).abi_encode_params();
    let v2_router = batch.deploy("V2 router", &code("v2/UniswapV2Router02")?, routed).await?;

    let v3_factory = batch.deploy("V3 factory", &code("v3/UniswapV3Factory")?, Vec::new()).await?;
    let routed = (v3_factory, weth).abi_encode_params();
    let v3_router = batch.deploy("V3 router", &code("v3/SwapRouter")?, routed.clone()).await?;
    let v3_quoter = batch.deploy("V3 quoter", &code("v3/Quoter")?, routed).await?;
    let described = (v3_factory, weth, Address::ZERO).abi_encode_params();
    let v3_positions = code("v3/NonfungiblePositionManager")?;
    let v3_positions = batch.deploy("V3 positions", &v3_positions, described).await?;

    for token in [weth, tokens.usdc] {
        for spender in [v2_router, v3_positions] {
            batch.call(token, IToken::approveCall { spender, amount: U256::MAX }).await?;
        }
    }
    fill_v2(batch, tokens, v2_factory, v2_router, eth_usd).await?;
    fill_v3(batch, tokens, v3_positions, eth_usd).await?;
    let (v2_pair, v3_pool, v3_fee) = (Address::ZERO, Address::ZERO, V3_FEE);
    Ok(Uniswap {
        v2_factory,
        v2_router,
        v2_pair,
        v3_factory,
        v3_router,
        v3_quoter,
        v3_positions,
        v3_pool,
        v3_fee,
    })
}

pub(super) async fn find_pools(node: &Node, tokens: &Tokens, uniswap: &mut Uniswap) -> Result<()> {
    let (weth, usdc) = (tokens.weth, tokens.usdc);
    let pair = IUniswapV2Factory::getPairCall { tokenA: weth, tokenB: usdc };
    uniswap.v2_pair = node.read(uniswap.v2_factory, pair).await?;
    let fee = U24::from(uniswap.v3_fee);
    let pool = IUniswapV3Factory::getPoolCall { tokenA: weth, tokenB: usdc, fee };
    uniswap.v3_pool = node.read(uniswap.v3_factory, pool).await?;
    ensure!(!uniswap.v2_pair.is_zero() && !uniswap.v3_pool.is_zero(), "a pool is missing");
    Ok(())
}

async fn fill_v2(
    batch: &mut Batch<'_>,
    tokens: &Tokens,
    factory: Address,
    router: Address,
    eth_usd: u64,
) -> Result<()> {
    let pair = IUniswapV2Factory::createPairCall { tokenA: tokens.weth, tokenB: tokens.usdc };
    batch.call(factory, pair).await?;
    let depth = parse_ether(V2_DEPTH)?;
    let call = IUniswapV2Router::addLiquidityCall {
        tokenA: tokens.weth,
        tokenB: tokens.usdc,
        amountADesired: depth,
        amountBDesired: dollars(depth, eth_usd)?,
        amountAMin: U256::ZERO,
        amountBMin: U256::ZERO,
        to: OPERATOR,
        deadline: U256::MAX,
    };
    batch.call(router, call).await
}

async fn fill_v3(
    batch: &mut Batch<'_>,
    tokens: &Tokens,
    positions: Address,
    eth_usd: u64,
) -> Result<()> {
    let depth = parse_ether(V3_DEPTH)?;
    let mut sides = [(tokens.weth, depth), (tokens.usdc, dollars(depth, eth_usd)?)];
    sides.sort();
    let [(token0, amount0), (token1, amount1)] = sides;
    let fee = U24::from(V3_FEE);
    let pool = IUniswapV3Positions::createAndInitializePoolIfNecessaryCall {
        token0,
        token1,
        fee,
        sqrtPriceX96: sqrt_price(tokens, eth_usd)?,
    };
    batch.call(positions, pool).await?;
    let range = I24::try_from(FULL_RANGE)?;
    let params = IUniswapV3Positions::MintParams {
        token0,
        token1,
        fee,
        tickLower: I24::try_from(FULL_RANGE.saturating_neg())?,
        tickUpper: range,
        amount0Desired: amount0,
        amount1Desired: amount1,
        amount0Min: U256::ZERO,
        amount1Min: U256::ZERO,
        recipient: OPERATOR,
        deadline: U256::MAX,
    };
    batch.call(positions, IUniswapV3Positions::mintCall { params }).await
}
