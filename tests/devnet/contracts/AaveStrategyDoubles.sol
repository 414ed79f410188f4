// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Arithmetic} from "./Arithmetic.sol";
import {IBaseManager, IFeed, IProductToken} from "./Interfaces.sol";
import {AaveLeverageModuleDouble, AaveTokenDouble} from "./LendingDoubles.sol";
import {LeverageStrategyDouble, OverridableDouble} from "./LeverageStrategyDouble.sol";
import {AaveDataProviderDouble, AaveV3MarketDouble} from "./MarketDoubles.sol";

/// What the strategies for Aave V2 and V3 share: eleven words of settings, three of execution, and
/// aTokens and debt tokens for balances. Doubles, because no package ships their bytecode.
abstract contract AaveStrategyDouble is LeverageStrategyDouble {
    using Arithmetic for uint256;

    struct ContractSettings {
        IProductToken setToken;
        AaveLeverageModuleDouble leverageModule;
        AaveDataProviderDouble aaveProtocolDataProvider;
        IFeed collateralPriceOracle;
        IFeed borrowPriceOracle;
        AaveTokenDouble targetCollateralAToken;
        AaveTokenDouble targetBorrowDebtToken;
        address collateralAsset;
        address borrowAsset;
        uint256 collateralDecimalAdjustment;
        uint256 borrowDecimalAdjustment;
    }

    struct ExecutionSettings {
        uint256 unutilizedLeveragePercentage;
        uint256 slippageTolerance;
        uint256 twapCooldownPeriod;
    }

    /// Not in the order of the tuple: so is the real one.
    event ExecutionSettingsUpdated(uint256 _unutilizedLeveragePercentage, uint256 _twapCooldownPeriod, uint256 _slippageTolerance);

    ContractSettings internal strategy;
    ExecutionSettings internal execution;

    constructor(ContractSettings memory strategy_, ExecutionSettings memory execution_) {
        (strategy, execution) = (strategy_, execution_);
        _validateSettings();
    }

    function getStrategy() external view returns (ContractSettings memory) {
        return strategy;
    }

    function getExecution() external view returns (ExecutionSettings memory) {
        return execution;
    }

    function setExecutionSettings(ExecutionSettings memory settings) external onlyOperator noRebalanceInProgress {
        execution = settings;
        _validateSettings();
        emit ExecutionSettingsUpdated(settings.unutilizedLeveragePercentage, settings.twapCooldownPeriod, settings.slippageTolerance);
    }

    /// The price of 36 − decimals of an asset's token.
    function _prices() internal view virtual returns (uint256 collateral, uint256 borrow);
    /// Of the collateral, in hundredths of a percent.
    function _limits() internal view virtual returns (uint256 ltv, uint256 liquidationThreshold);
    /// The share of the liquidation threshold that a delever keeps free.
    function _unutilizedDelever() internal view virtual returns (uint256);

    function _position() internal view override returns (Position memory position) {
        (position.collateralPrice, position.borrowPrice) = _prices();
        address setToken = address(strategy.setToken);
        position.collateral = strategy.targetCollateralAToken.balanceOf(setToken);
        position.debt = strategy.targetBorrowDebtToken.balanceOf(setToken);
        position.collateralValue = position.collateralPrice.preciseMul(position.collateral);
        position.debtValue = position.borrowPrice.preciseMul(position.debt);
        position.supply = strategy.setToken.totalSupply();
    }

    function _cap(Position memory position, bool isLever) internal view override returns (uint256) {
        (uint256 ltv, uint256 threshold) = _limits();
        uint256 share = isLever ? ltv : threshold;
        uint256 kept = isLever ? execution.unutilizedLeveragePercentage : _unutilizedDelever();
        uint256 limit = position.collateralValue.preciseMul(share.mul(1e14)).preciseMul(Arithmetic.ONE.sub(kept));
        uint256 free = limit.sub(position.debtValue);
        return isLever ? free.preciseDiv(position.collateralPrice) : position.collateral.preciseMul(free).preciseDiv(limit);
    }

    function _inBorrowAsset(uint256 collateral, Position memory position) internal pure override returns (uint256) {
        return collateral.preciseMul(position.collateralPrice).preciseDiv(position.borrowPrice);
    }

    function _assets() internal view override returns (address, address) {
        return (strategy.collateralAsset, strategy.borrowAsset);
    }

    function _slippageTolerance() internal view override returns (uint256) {
        return execution.slippageTolerance;
    }

    function _twapCooldownPeriod() internal view override returns (uint256) {
        return execution.twapCooldownPeriod;
    }

    function _validateExecution() internal view override {
        require(execution.unutilizedLeveragePercentage <= Arithmetic.ONE, "Unutilized leverage must be <100%");
    }

    function _module() internal view override returns (address) {
        return address(strategy.leverageModule);
    }

    function _leverCall(uint256 borrowUnits, uint256 minReceiveUnits, string memory exchange, bytes memory data)
        internal
        view
        override
        returns (bytes memory)
    {
        return abi.encodeCall(
            AaveLeverageModuleDouble.lever,
            (address(strategy.setToken), strategy.borrowAsset, strategy.collateralAsset, borrowUnits, minReceiveUnits, exchange, data)
        );
    }

    function _deleverCall(uint256 redeemUnits, uint256 minRepayUnits, string memory exchange, bytes memory data)
        internal
        view
        override
        returns (bytes memory)
    {
        return abi.encodeCall(
            AaveLeverageModuleDouble.delever,
            (address(strategy.setToken), strategy.collateralAsset, strategy.borrowAsset, redeemUnits, minRepayUnits, exchange, data)
        );
    }
}

/// A double of Index Coop's `AaveLeverageStrategyExtension`, for Aave V2.
contract AaveV2StrategyDouble is AaveStrategyDouble {
    using Arithmetic for uint256;
    using Arithmetic for int256;

    constructor(
        IBaseManager manager,
        ContractSettings memory strategy,
        MethodologySettings memory methodology,
        ExecutionSettings memory execution,
        IncentiveSettings memory incentive,
        string[] memory names,
        ExchangeSettings[] memory settings
    ) LeverageStrategyDouble(manager, methodology, incentive, names, settings) AaveStrategyDouble(strategy, execution) {}

    function _prices() internal view override returns (uint256, uint256) {
        return (
            strategy.collateralPriceOracle.latestAnswer().toUint256().mul(10 ** strategy.collateralDecimalAdjustment),
            strategy.borrowPriceOracle.latestAnswer().toUint256().mul(10 ** strategy.borrowDecimalAdjustment)
        );
    }

    function _limits() internal view override returns (uint256 ltv, uint256 threshold) {
        (, ltv, threshold, , , , , , , ) = strategy.aaveProtocolDataProvider.getReserveConfigurationData(strategy.collateralAsset);
    }

    function _unutilizedDelever() internal view override returns (uint256) {
        return execution.unutilizedLeveragePercentage;
    }

    function _total(uint256 gap, Trade memory trade) internal pure override returns (uint256) {
        return gap.preciseDiv(trade.ratio).preciseMul(trade.position.collateral);
    }

    function _minRepayUnits(uint256 units, uint256 tolerance, Position memory position) internal pure override returns (uint256) {
        return _inBorrowAsset(units, position).preciseMul(Arithmetic.ONE.sub(tolerance));
    }

    function _overridesProgress() internal pure override returns (bool) {
        return false;
    }
}

/// A double of Index Coop's `AaveV3LeverageStrategyExtension`. Its prices are those of Aave's oracle:
/// the feeds in its settings are there, and read by nobody.
contract AaveV3StrategyDouble is AaveStrategyDouble, OverridableDouble {
    using Arithmetic for uint256;

    uint8 public currentEModeCategoryId;
    AaveV3MarketDouble public lendingPoolAddressesProvider;

    constructor(
        IBaseManager manager,
        ContractSettings memory strategy,
        MethodologySettings memory methodology,
        ExecutionSettings memory execution,
        IncentiveSettings memory incentive,
        string[] memory names,
        ExchangeSettings[] memory settings,
        AaveV3MarketDouble provider
    ) LeverageStrategyDouble(manager, methodology, incentive, names, settings) AaveStrategyDouble(strategy, execution) {
        require(methodology.targetLeverageRatio >= 1 ether, "Target leverage ratio must be >= 1e18");
        lendingPoolAddressesProvider = provider;
    }

    function setEModeCategory(uint8 category) external onlyOperator {
        currentEModeCategoryId = category;
        bytes memory call = abi.encodeCall(AaveLeverageModuleDouble.setEModeCategory, (address(strategy.setToken), category));
        manager.interactManager(_module(), call);
    }

    function _prices() internal view override returns (uint256, uint256) {
        AaveV3MarketDouble oracle = AaveV3MarketDouble(lendingPoolAddressesProvider.getPriceOracle());
        return (
            oracle.getAssetPrice(strategy.collateralAsset).mul(10 ** strategy.collateralDecimalAdjustment),
            oracle.getAssetPrice(strategy.borrowAsset).mul(10 ** strategy.borrowDecimalAdjustment)
        );
    }

    function _limits() internal view override returns (uint256 ltv, uint256 threshold) {
        if (currentEModeCategoryId != 0) {
            AaveV3MarketDouble pool = AaveV3MarketDouble(lendingPoolAddressesProvider.getPool());
            AaveV3MarketDouble.EModeCategory memory category = pool.getEModeCategoryData(currentEModeCategoryId);
            return (category.ltv, category.liquidationThreshold);
        }
        (, ltv, threshold, , , , , , , ) = strategy.aaveProtocolDataProvider.getReserveConfigurationData(strategy.collateralAsset);
    }

    /// Nothing is held back.
    function _unutilizedDelever() internal pure override returns (uint256) {
        return 0;
    }

    /// Multiplied before it is divided, unlike in the others; so is the next one.
    function _total(uint256 gap, Trade memory trade) internal pure override returns (uint256) {
        return gap.preciseMul(trade.position.collateral).preciseDiv(trade.ratio);
    }

    function _minRepayUnits(uint256 units, uint256 tolerance, Position memory position) internal pure override returns (uint256) {
        uint256 value = units.preciseMul(position.collateralPrice);
        return value.preciseMul(Arithmetic.ONE.sub(tolerance)).preciseDiv(position.borrowPrice);
    }
}
