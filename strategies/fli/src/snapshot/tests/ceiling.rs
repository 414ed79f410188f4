//! What each lending market says of its limit.

use super::*;
use crate::contracts::{
    IAaveDataProvider::{getReserveConfigurationDataCall, getReserveConfigurationDataReturn},
    IAavePool::{EModeCategory, getEModeCategoryDataCall},
    IAavePoolAddressesProvider::getPoolCall,
    ILeverageStrategyExtension::lendingPoolAddressesProviderCall,
    IMorphoLeverageModule::{MarketParams, marketParamsCall},
};

#[tokio::test]
async fn the_distance_to_the_ceiling_is_by_each_markets_own_limit() {
    let distance = async |block: &ScriptedBlock| {
        let seen = checked(block).await.assessment.observations;
        seen.iter().find(|o| o.name == CEILING_DISTANCE).map(|o| o.value.unsigned_abs())
    };
    let of = |limit: &str| crate::ceiling::distance(fixed("2.4"), fixed(limit));
    assert_eq!(distance(&block()).await, of("0.7425"), "75 % less 1 %");

    let mut aave = block();
    aave.refuse_raw::<exchangeRateStoredCall>(COLLATERAL_MARKET, Bytes::new());
    aave.answer(DEBT_MARKET, &balanceOfCall { account: SET }, &U256::from(1_000_000));
    let reserve = getReserveConfigurationDataReturn {
        decimals: U256::from(18),
        ltv: U256::from(8_050),
        liquidationThreshold: U256::from(8_300),
        liquidationBonus: U256::from(10_500),
        reserveFactor: U256::from(1_500),
        usageAsCollateralEnabled: true,
        borrowingEnabled: true,
        stableBorrowRateEnabled: false,
        isActive: true,
        isFrozen: false,
    };
    aave.answer(COMPTROLLER, &getReserveConfigurationDataCall { asset: WETH }, &reserve);
    assert_eq!(distance(&aave).await, of("0.8217"), "83 % less 1 %");

    aave.answer(EXTENSION, &currentEModeCategoryIdCall {}, &0);
    assert_eq!(distance(&aave).await, of("0.83"), "nothing is held back on V3");
    let (book, pool) = (Address::repeat_byte(0xb0), Address::repeat_byte(0xb1));
    aave.answer(EXTENSION, &currentEModeCategoryIdCall {}, &1);
    assert_eq!(distance(&aave).await, None, "the pool is not to be found");
    aave.answer(EXTENSION, &lendingPoolAddressesProviderCall {}, &book);
    aave.answer(book, &getPoolCall {}, &pool);
    let settings = EModeCategory {
        ltv: 9_000,
        liquidationThreshold: 9_300,
        liquidationBonus: 10_100,
        priceSource: Address::ZERO,
        label: "ETH correlated".into(),
    };
    aave.answer(pool, &getEModeCategoryDataCall { category: 1 }, &settings);
    assert_eq!(distance(&aave).await, of("0.93"));

    let mut morpho = block();
    let module = Address::repeat_byte(0x3f);
    raw::<getStrategyCall>(&mut morpho, &[word(SET), word(module), word(WETH), word(USDC)]);
    let settings = [fixed("0.01"), fixed("0.02"), fixed("0.02"), U256::from(600)];
    raw::<getExecutionCall>(&mut morpho, &settings);
    assert_eq!(distance(&morpho).await, None, "the module does not say");
    let market = MarketParams {
        loanToken: USDC,
        collateralToken: WETH,
        oracle: Address::ZERO,
        irm: Address::ZERO,
        lltv: fixed("0.86"),
    };
    morpho.answer(module, &marketParamsCall { setToken: SET }, &market);
    assert_eq!(distance(&morpho).await, of("0.8428"), "86 % less the 2 % for delevering");
}
