//! The functions that are read, and those that a batch may call.
#![expect(clippy::too_many_arguments, reason = "an event of the module has eight parts")]

use alloy::{primitives::U256, sol};

/// The registry of adapters among the Controller's resources.
pub const REGISTRY: U256 = U256::ZERO;
/// The module's only fee: on what a trade receives.
pub const TRADE_FEE: U256 = U256::ZERO;

sol! {
    /// `GeneralIndexModule` of set-protocol-v2 0.1.16.
    #[derive(Debug)]
    interface IGeneralIndexModule {
        function executionInfo(address setToken, address component)
            external view returns (
                uint256 targetUnit, uint256 maxSize, uint256 coolOffPeriod,
                uint256 lastTradeTimestamp, string exchangeName, bytes exchangeData);
        function rebalanceInfo(address setToken)
            external view returns (uint256 positionMultiplier, uint256 raiseTargetPercentage);
        function getRebalanceComponents(address setToken) external view returns (address[]);
        function weth() external view returns (address);
        function controller() external view returns (address);
        function permissionInfo(address setToken) external view returns (bool anyoneTrade);
        function getIsAllowedTrader(address setToken, address trader)
            external view returns (bool);
        function getAllowedTraders(address setToken) external view returns (address[]);
        function trade(address setToken, address component, uint256 ethQuantityLimit) external;
        function tradeRemainingWETH(
            address setToken, address component, uint256 minComponentReceived) external;
        function raiseAssetTargets(address setToken) external;

        /// `netReceived` is what is left after the protocol's fee.
        event TradeExecuted(
            address indexed setToken, address indexed sellComponent, address indexed buyComponent,
            address exchangeAdapter, address executor, uint256 netSold, uint256 netReceived,
            uint256 protocolFee);
        event AssetTargetsRaised(
            address indexed setToken, uint256 indexed newPositionMultiplier);
        event RebalanceStarted(
            address indexed setToken, address[] components, uint256[] targetUnits,
            uint256 indexed positionMultiplier);
    }

    /// Positions that modules of an index have outside of it.
    #[derive(Debug)]
    interface IPositions {
        function getExternalPositionModules(address component)
            external view returns (address[]);
    }

    /// The Controller of Set Protocol.
    #[derive(Debug)]
    interface IController {
        function resourceId(uint256 id) external view returns (address);
        function getModuleFee(address module, uint256 feeType) external view returns (uint256);
    }

    /// The `IntegrationRegistry`: adapters by module and name.
    #[derive(Debug)]
    interface IRegistry {
        function getIntegrationAdapter(address module, string name) external view returns (address);
    }

    /// An index exchange adapter of Uniswap's kinds.
    #[derive(Debug)]
    interface IAdapter {
        function router() external view returns (address);
    }

    /// A router of Uniswap V2 or V3.
    #[derive(Debug)]
    interface IRouter {
        function factory() external view returns (address);
    }

    /// The factories of Uniswap V2 and V3.
    #[derive(Debug)]
    interface IFactory {
        function getPair(address tokenA, address tokenB) external view returns (address);
        function getPool(address tokenA, address tokenB, uint24 fee) external view returns (address);
    }

    /// A pool of Uniswap V2.
    #[derive(Debug)]
    interface IPair {
        function getReserves()
            external view returns (uint112 reserve0, uint112 reserve1, uint32 at);
        function price0CumulativeLast() external view returns (uint256);
        function price1CumulativeLast() external view returns (uint256);
        event Sync(uint112 reserve0, uint112 reserve1);
        event Swap(
            address indexed sender, uint256 amount0In, uint256 amount1In, uint256 amount0Out,
            uint256 amount1Out, address indexed to);
    }

    /// A pool of Uniswap V3.
    #[derive(Debug)]
    interface IPool {
        function slot0()
            external view returns (
                uint160 sqrtPriceX96, int24 tick, uint16 observationIndex,
                uint16 observationCardinality, uint16 observationCardinalityNext,
                uint8 feeProtocol, bool unlocked);
        function liquidity() external view returns (uint128);
        function observe(uint32[] secondsAgos)
            external view returns (
                int56[] tickCumulatives, uint160[] secondsPerLiquidityCumulativeX128s);
        event Swap(
            address indexed sender, address indexed recipient, int256 amount0, int256 amount1,
            uint160 sqrtPriceX96, uint128 liquidity, int24 tick);
    }

    /// Uniswap V3's first `Quoter`. Its functions change state and revert: they are only ever called.
    #[derive(Debug)]
    interface IQuoter {
        function quoteExactInputSingle(
            address tokenIn, address tokenOut, uint24 fee, uint256 amountIn,
            uint160 sqrtPriceLimitX96) external returns (uint256 amountOut);
        function quoteExactOutputSingle(
            address tokenIn, address tokenOut, uint24 fee, uint256 amountOut,
            uint160 sqrtPriceLimitX96) external returns (uint256 amountIn);
    }

    /// What a Chainlink aggregator says its price is of.
    #[derive(Debug)]
    interface IDescribed {
        function description() external view returns (string);
    }

    /// `SetToken` of set-protocol-v2.
    #[derive(Debug)]
    interface ISetToken {
        function getComponents() external view returns (address[]);
        function getDefaultPositionRealUnit(address component) external view returns (int256);
        function positionMultiplier() external view returns (int256);
        function totalSupply() external view returns (uint256);
        function isInitializedModule(address module) external view returns (bool);
        function manager() external view returns (address);
    }

    /// ERC-20 metadata.
    #[derive(Debug)]
    interface IToken {
        function symbol() external view returns (string);
        function decimals() external view returns (uint8);
    }

    /// An index's manager: `BaseManager` calls its extensions adapters, later ones extensions.
    #[derive(Debug)]
    interface IManager {
        function getAdapters() external view returns (address[]);
        function getExtensions() external view returns (address[]);
        function operator() external view returns (address);
    }

    /// `GIMExtension`: what the manager's operator calls.
    #[derive(Debug)]
    interface IExtension {
        function generalIndexModule() external view returns (address);
        function startRebalanceWithUnits(
            address[] components, uint256[] targetUnits, uint256 positionMultiplier) external;
        function setTradeMaximums(address[] components, uint256[] tradeMaximums) external;
        function setExchanges(address[] components, string[] exchangeNames) external;
        function setExchangeData(address[] components, bytes[] exchangeData) external;
        function setCoolOffPeriods(address[] components, uint256[] coolOffPeriods) external;
        function setRaiseTargetPercentage(uint256 raiseTargetPercentage) external;
        function setTraderStatus(address[] traders, bool[] statuses) external;
        function setAnyoneTrade(bool status) external;
    }
}

#[cfg(test)]
mod tests {
    use alloy::{
        primitives::b256,
        sol_types::{SolCall, SolEvent},
    };

    use super::*;

    #[test]
    fn what_a_keeper_calls_and_reads_is_the_deployed_modules() {
        assert_eq!(IGeneralIndexModule::tradeCall::SELECTOR, [0x52, 0x53, 0xba, 0xae]);
        assert_eq!(IGeneralIndexModule::tradeRemainingWETHCall::SELECTOR, [0x98, 0x70, 0x61, 0xdd]);
        assert_eq!(IGeneralIndexModule::raiseAssetTargetsCall::SELECTOR, [0xff, 0x09, 0x32, 0xa1]);
        assert_eq!(IGeneralIndexModule::permissionInfoCall::SELECTOR, [0x45, 0xe3, 0xdb, 0x3e]);
        assert_eq!(IGeneralIndexModule::getIsAllowedTraderCall::SELECTOR, [0x0a, 0x25, 0x1f, 0x60]);
        assert_eq!(
            IGeneralIndexModule::TradeExecuted::SIGNATURE_HASH,
            b256!("54e9e24dab7ba662ede90396b0de464467c3d65f95485171a60381185219f10b")
        );
        assert_eq!(
            IGeneralIndexModule::AssetTargetsRaised::SIGNATURE_HASH,
            b256!("e4c448aaaad94925b669914540bde1ea0123c0b2320e4cf6ea0ad7a1818a1c98")
        );
        assert_eq!(
            IGeneralIndexModule::RebalanceStarted::SIGNATURE_HASH,
            b256!("10730cd494f105e9bcaa2772774ed1c9b1704cc91a49a3269b1644d6c5087cd2")
        );
    }

    #[test]
    fn selectors_are_those_of_the_deployed_contracts() {
        assert_eq!(IGeneralIndexModule::executionInfoCall::SELECTOR, [0x42, 0x1d, 0xec, 0x4d]);
        assert_eq!(IGeneralIndexModule::wethCall::SELECTOR, [0x3f, 0xc8, 0xce, 0xf3]);
        assert_eq!(IGeneralIndexModule::rebalanceInfoCall::SELECTOR, [0xdc, 0x8a, 0xbe, 0x2e]);
        assert_eq!(
            IGeneralIndexModule::getRebalanceComponentsCall::SELECTOR,
            [0xd4, 0xf0, 0x05, 0x32]
        );
        assert_eq!(IExtension::startRebalanceWithUnitsCall::SELECTOR, [0x9c, 0xe4, 0xf3, 0x89]);
        assert_eq!(IExtension::setTradeMaximumsCall::SELECTOR, [0x4a, 0xfd, 0xd2, 0x2f]);
        assert_eq!(IExtension::setExchangesCall::SELECTOR, [0x4e, 0xe0, 0x5c, 0x4a]);
        assert_eq!(IExtension::setExchangeDataCall::SELECTOR, [0xde, 0x02, 0x74, 0x5b]);
        assert_eq!(IExtension::setCoolOffPeriodsCall::SELECTOR, [0x5a, 0x41, 0xae, 0xb2]);
        assert_eq!(IExtension::setRaiseTargetPercentageCall::SELECTOR, [0xf2, 0xd7, 0xdd, 0xdb]);
        assert_eq!(IExtension::setTraderStatusCall::SELECTOR, [0xfc, 0x98, 0xf8, 0x52]);
        assert_eq!(IExtension::setAnyoneTradeCall::SELECTOR, [0xa0, 0x75, 0x72, 0x36]);
    }
}
