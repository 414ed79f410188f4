//! Compound with a market in ether and one in dollars.
//!
//! Compound answers a refusal with an error code instead of reverting, so a wrong order of these
//! steps would go unnoticed here; levering the first product is what shows that they were right.

use alloy::{
    primitives::{U256, utils::parse_ether},
    sol_types::SolValue as _,
};
use eyre::Result;

use super::{Compound, Tokens, percent};
use crate::{
    Tooling,
    batch::Batch,
    contracts::{ICErc20, ICEther, ICompoundOracle, IComptroller, IToken, IUnitroller},
    market::ether_price,
    tooling::Package,
};

/// Cash for products to borrow, in base units: a hundred million dollars.
const USDC_CASH: u64 = 100_000_000_000_000;
const ETHER_CASH: &str = "10000";
/// A cToken has 8 decimals and starts at 0.02 of its underlying; the rate also covers the
/// difference in decimals.
const C_ETHER_RATE: u128 = 200_000_000_000_000_000_000_000_000;
const C_USDC_RATE: u128 = 200_000_000_000_000;
/// One dollar for a token of 6 decimals.
const USDC_PRICE: u128 = 1_000_000_000_000_000_000_000_000_000_000;

pub(super) async fn deploy(
    tooling: &Tooling,
    batch: &mut Batch<'_>,
    tokens: &Tokens,
    eth_usd: u64,
) -> Result<Compound> {
    let code =
        |name: &str| tooling.code(Package::Set, &format!("external/abi/compound/{name}"), None);
    let path = "artifacts/contracts/mocks/external/CompoundPriceOracleMock.sol/\
                CompoundPriceOracleMock";
    let oracle = tooling.code(Package::Set, path, None)?;
    let oracle = batch.deploy("Compound oracle", &oracle, Vec::new()).await?;
    let unitroller = batch.deploy("Unitroller", &code("Unitroller")?, Vec::new()).await?;
    let implementation = batch.deploy("Comptroller", &code("Comptroller")?, Vec::new()).await?;
    batch.call(unitroller, IUnitroller::_setPendingImplementationCall { implementation }).await?;
    let become_it = IComptroller::_becomeCall {
        unitroller,
        compRate: U256::ZERO,
        compMarkets: Vec::new(),
        otherMarkets: Vec::new(),
    };
    batch.call(implementation, become_it).await?;
    batch.call(unitroller, IComptroller::_setPriceOracleCall { oracle }).await?;
    batch.call(unitroller, IComptroller::_setMaxAssetsCall { count: U256::from(10) }).await?;
    batch.call(unitroller, IComptroller::_setCloseFactorCall { mantissa: percent(50) }).await?;
    let incentive = IComptroller::_setLiquidationIncentiveCall { mantissa: percent(108) };
    batch.call(unitroller, incentive).await?;

    let model = code("WhitePaperInterestRateModel")?;
    let rates = (percent(2), percent(10)).abi_encode_params();
    let rates = batch.deploy("interest rates", &model, rates).await?;
    let of_ether = (
        unitroller,
        rates,
        U256::from(C_ETHER_RATE),
        "Compound Ether".to_owned(),
        "cETH".to_owned(),
        U256::from(8),
    );
    let c_ether = batch.deploy("cETH", &code("CEther")?, of_ether.abi_encode_params()).await?;
    let of_usdc = (
        tokens.usdc,
        unitroller,
        rates,
        U256::from(C_USDC_RATE),
        "Compound USD Coin".to_owned(),
        "cUSDC".to_owned(),
        U256::from(8),
    );
    let c_usdc = batch.deploy("cUSDC", &code("CERc20")?, of_usdc.abi_encode_params()).await?;

    let compound = Compound { oracle, comptroller: unitroller, c_ether, c_usdc };
    open_markets(batch, &compound, tokens, eth_usd).await?;
    Ok(compound)
}

/// A market's price must be known before it can count as collateral.
async fn open_markets(
    batch: &mut Batch<'_>,
    compound: &Compound,
    tokens: &Tokens,
    eth_usd: u64,
) -> Result<()> {
    let Compound { oracle, comptroller, c_ether, c_usdc } = *compound;
    for (market, price) in [(c_ether, ether_price(eth_usd)), (c_usdc, U256::from(USDC_PRICE))] {
        batch.call(comptroller, IComptroller::_supportMarketCall { cToken: market }).await?;
        let set = ICompoundOracle::setUnderlyingPriceCall { cToken: market, price };
        batch.call(oracle, set).await?;
        let factor = percent(75);
        let factor = IComptroller::_setCollateralFactorCall { cToken: market, mantissa: factor };
        batch.call(comptroller, factor).await?;
    }
    batch.pay(c_ether, ICEther::mintCall {}, parse_ether(ETHER_CASH)?).await?;
    let approve = IToken::approveCall { spender: c_usdc, amount: U256::MAX };
    batch.call(tokens.usdc, approve).await?;
    batch.call(c_usdc, ICErc20::mintCall { amount: U256::from(USDC_CASH) }).await
}
