//! Perp V2: its contracts, one market in ether, a maker in it and a purse for moving it.

use alloy::{
    primitives::{
        Address, Bytes, U256, address,
        aliases::{I24, U24},
        utils::parse_ether,
    },
    providers::{MULTICALL3_ADDRESS, bindings::IMulticall3},
    sol_types::SolValue as _,
};
use eyre::Result;

use super::Deployment;
use crate::{
    Node, Tooling,
    basis::Perp,
    basis_market::{sqrt_price, value},
    batch::Batch,
    contracts::{
        IToken,
        perp::{
            IAccountBalance, IBarePool, IBaseToken, IClearingHouse, IClearingHouseConfig,
            IExchange, IInsuranceFund, IMarketRegistry, IOrderBook, IPerpPriceFeed, IQuoteToken,
            IVault, IVirtualToken,
        },
    },
    market::through,
    tooling::Package,
};

/// The fee tier of the market's pool, in millionths. Perp keeps it from traders.
const POOL_FEE: u32 = 10_000;
/// What Perp charges itself, in millionths.
const MARKET_FEE: u32 = 1_000;
/// The widest range that a pool with this tier allows.
const FULL_RANGE: i32 = 887_200;
/// Prices that the pool remembers: more than there are blocks with trades in Perp's quarter of an hour.
const OBSERVATIONS: u16 = 200;
/// What the maker and the mover of the market each deposit, in base units: a thousand million dollars.
const COLLATERAL: u64 = 1_000_000_000_000_000;
/// Half of all addresses come before it: a base token there leaves many for the quote token.
const HALF: Address = address!("0x8000000000000000000000000000000000000000");
/// The maker's ether in the market; and as many dollars.
const DEPTH: &str = "100000";

/// Deploys everything up to the market's pool, whose address is known once it is mined.
pub(super) async fn deploy(
    tooling: &Tooling,
    batch: &mut Batch<'_>,
    deployment: &Deployment,
    index_feed: Address,
) -> Result<Perp> {
    let site = Site { tooling, usdc: deployment.tokens.usdc };
    let factory = deployment.uniswap.v3_factory;
    let price_feed = site.add(batch, "PerpV2ChainlinkPriceFeed").await?;
    batch.call(price_feed, IPerpPriceFeed::initializeCall { aggregator: index_feed }).await?;
    let (base_token, quote_token) = site.virtual_tokens(batch, price_feed).await?;
    let config = site.add(batch, "PerpV2ClearingHouseConfig").await?;
    batch.call(config, IClearingHouseConfig::initializeCall {}).await?;
    let market_registry = site.add(batch, "PerpV2MarketRegistry").await?;
    let order_book = site.add(batch, "PerpV2OrderBook").await?;
    let insurance_fund = site.add(batch, "PerpV2InsuranceFund").await?;
    let account_balance = site.add(batch, "PerpV2AccountBalance").await?;
    let exchange = site.add(batch, "PerpV2Exchange").await?;
    let vault = site.add(batch, "PerpV2Vault").await?;
    let clearing_house = site.add(batch, "PerpV2ClearingHouse").await?;
    let code = site.code("PerpV2Quoter")?;
    let quoter = batch.deploy("PerpV2Quoter", &code, market_registry.abi_encode()).await?;
    let perp = Perp {
        base_token,
        quote_token,
        pool: Address::ZERO,
        price_feed,
        clearing_house,
        config,
        market_registry,
        order_book,
        insurance_fund,
        account_balance,
        exchange,
        vault,
        quoter,
    };
    site.wire(batch, &perp, factory).await?;
    let fee = U24::from(POOL_FEE);
    let pool = IBarePool::createPoolCall { tokenA: base_token, tokenB: quote_token, fee };
    batch.call(factory, pool).await?;
    Ok(perp)
}

/// Opens the market at its first price (US dollars per ether, 8 decimals) and fills it.
pub(super) async fn open(
    batch: &mut Batch<'_>,
    deployment: &Deployment,
    perp: &Perp,
    eth_usd: u64,
) -> Result<()> {
    let Perp { base_token, quote_token, pool, clearing_house, .. } = *perp;
    for token in [base_token, quote_token] {
        batch.call(token, IVirtualToken::addWhitelistCall { account: pool }).await?;
        let mint = IVirtualToken::mintMaximumToCall { recipient: clearing_house };
        batch.call(token, mint).await?;
        batch.call(token, IVirtualToken::addWhitelistCall { account: clearing_house }).await?;
    }
    let initialize = IBarePool::initializeCall { sqrtPriceX96: sqrt_price(eth_usd)? };
    batch.call(pool, initialize).await?;
    let grow = IBarePool::increaseObservationCardinalityNextCall {
        observationCardinalityNext: OBSERVATIONS,
    };
    batch.call(pool, grow).await?;
    let registry = perp.market_registry;
    let add = IMarketRegistry::addPoolCall { baseToken: base_token, feeRatio: U24::from(POOL_FEE) };
    batch.call(registry, add).await?;
    let fee =
        IMarketRegistry::setFeeRatioCall { baseToken: base_token, feeRatio: U24::from(MARKET_FEE) };
    batch.call(registry, fee).await?;
    fill(batch, deployment.tokens.usdc, perp, eth_usd).await
}

/// The operator makes the market; Multicall3 gets what it takes to move it, so that anybody can.
async fn fill(batch: &mut Batch<'_>, usdc: Address, perp: &Perp, eth_usd: u64) -> Result<()> {
    let approve = IToken::approveCall { spender: perp.vault, amount: U256::MAX };
    let deposit = IVault::depositCall { token: usdc, amount: U256::from(COLLATERAL) };
    let calls = vec![through(usdc, &approve), through(perp.vault, &deposit)];
    batch.call(MULTICALL3_ADDRESS, IMulticall3::aggregate3Call { calls }).await?;
    batch.call(usdc, approve).await?;
    batch.call(perp.vault, deposit).await?;
    let base = parse_ether(DEPTH)?;
    let range = I24::try_from(FULL_RANGE)?;
    let params = IClearingHouse::AddLiquidityParams {
        baseToken: perp.base_token,
        base,
        quote: value(base, eth_usd)?,
        lowerTick: I24::try_from(FULL_RANGE.saturating_neg())?,
        upperTick: range,
        minBase: U256::ZERO,
        minQuote: U256::ZERO,
        useTakerBalance: false,
        deadline: U256::MAX,
    };
    batch.call(perp.clearing_house, IClearingHouse::addLiquidityCall { params }).await
}

/// Where the market's pool is, once it is mined.
pub(super) async fn find_pool(node: &Node, deployment: &Deployment, perp: &mut Perp) -> Result<()> {
    let fee = U24::from(POOL_FEE);
    let (base, quote) = (perp.base_token, perp.quote_token);
    let pool = IBarePool::getPoolCall { tokenA: base, tokenB: quote, fee };
    perp.pool = node.read(deployment.uniswap.v3_factory, pool).await?;
    Ok(())
}

struct Site<'a> {
    tooling: &'a Tooling,
    usdc: Address,
}

impl Site<'_> {
    fn code(&self, name: &str) -> Result<Bytes> {
        self.tooling.code(Package::Set, &format!("external/abi/perp/{name}"), None)
    }

    async fn add(&self, batch: &mut Batch<'_>, name: &str) -> Result<Address> {
        batch.deploy(name, &self.code(name)?, Vec::new()).await
    }

    /// Perp takes a market only if its base token sorts before the quote token.
    async fn virtual_tokens(
        &self,
        batch: &mut Batch<'_>,
        price_feed: Address,
    ) -> Result<(Address, Address)> {
        batch.skip_until(|address| address < HALF).await?;
        let base = self.add(batch, "PerpV2BaseToken").await?;
        batch.skip_until(|address| address > base).await?;
        let quote = self.add(batch, "PerpV2QuoteToken").await?;
        let (name, symbol) = ("vETH".to_owned(), "vETH".to_owned());
        batch
            .call(base, IBaseToken::initializeCall { name, symbol, priceFeed: price_feed })
            .await?;
        let (name, symbol) = ("vUSD".to_owned(), "vUSD".to_owned());
        batch.call(quote, IQuoteToken::initializeCall { name, symbol }).await?;
        Ok((base, quote))
    }

    async fn wire(&self, batch: &mut Batch<'_>, perp: &Perp, factory: Address) -> Result<()> {
        let Perp { config, market_registry, order_book, insurance_fund, .. } = *perp;
        let Perp { account_balance, exchange, vault, clearing_house, quote_token, .. } = *perp;
        let registry =
            IMarketRegistry::initializeCall { uniswapV3Factory: factory, quoteToken: quote_token };
        batch.call(market_registry, registry).await?;
        let book = IOrderBook::initializeCall { marketRegistry: market_registry };
        batch.call(order_book, book).await?;
        batch.call(insurance_fund, IInsuranceFund::initializeCall { token: self.usdc }).await?;
        let initialize = IExchange::initializeCall {
            marketRegistry: market_registry,
            orderBook: order_book,
            clearingHouseConfig: config,
        };
        batch.call(exchange, initialize).await?;
        let accounts = IExchange::setAccountBalanceCall { accountBalance: account_balance };
        batch.call(exchange, accounts).await?;
        batch.call(order_book, IOrderBook::setExchangeCall { exchange }).await?;
        let balance =
            IAccountBalance::initializeCall { clearingHouseConfig: config, orderBook: order_book };
        batch.call(account_balance, balance).await?;
        let initialize = IVault::initializeCall {
            insuranceFund: insurance_fund,
            clearingHouseConfig: config,
            accountBalance: account_balance,
            exchange,
        };
        batch.call(vault, initialize).await?;
        let borrower = IInsuranceFund::setBorrowerCall { borrower: vault };
        batch.call(insurance_fund, borrower).await?;
        batch.call(account_balance, IAccountBalance::setVaultCall { vault }).await?;
        let initialize = IClearingHouse::initializeCall {
            clearingHouseConfig: config,
            vault,
            quoteToken: quote_token,
            uniswapV3Factory: factory,
            exchange,
            accountBalance: account_balance,
            insuranceFund: insurance_fund,
        };
        batch.call(clearing_house, initialize).await?;
        let cap = IClearingHouseConfig::setSettlementTokenBalanceCapCall { cap: U256::MAX };
        batch.call(config, cap).await?;
        // The same function in all five, so one interface is as good as another.
        let house = IVault::setClearingHouseCall { clearingHouse: clearing_house };
        for contract in [market_registry, order_book, exchange, account_balance, vault] {
            batch.call(contract, house.clone()).await?;
        }
        Ok(())
    }
}
