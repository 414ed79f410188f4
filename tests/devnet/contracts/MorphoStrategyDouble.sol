// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Arithmetic} from "./Arithmetic.sol";
import {IBaseManager, IProductToken} from "./Interfaces.sol";
import {MorphoLeverageModuleDouble} from "./LendingDoubles.sol";
import {LeverageStrategyDouble, OverridableDouble} from "./LeverageStrategyDouble.sol";
import {MorphoOracleDouble} from "./MarketDoubles.sol";

/// A double of Index Coop's `MorphoLeverageStrategyExtension`, whose bytecode no package ships. Four
/// words of settings, four of execution; prices are the Morpho market's, collateral in the borrowed
/// asset, so values are base units of that.
contract MorphoStrategyDouble is OverridableDouble {
    using Arithmetic for uint256;

    struct ContractSettings {
        IProductToken setToken;
        MorphoLeverageModuleDouble leverageModule;
        address collateralAsset;
        address borrowAsset;
    }

    struct ExecutionSettings {
        uint256 unutilizedLeveragePercentage;
        uint256 unutilizedLeveragePercentageDelever;
        uint256 slippageTolerance;
        uint256 twapCooldownPeriod;
    }

    /// Another than the other variants'; nobody here knows the real one's order.
    event ExecutionSettingsUpdated(
        uint256 _unutilizedLeveragePercentage,
        uint256 _unutilizedLeveragePercentageDelever,
        uint256 _twapCooldownPeriod,
        uint256 _slippageTolerance
    );

    uint256 public constant MORPHO_ORACLE_PRICE_SCALE = 1e36;

    ContractSettings internal strategy;
    ExecutionSettings internal execution;

    constructor(
        IBaseManager manager,
        ContractSettings memory strategy_,
        MethodologySettings memory methodology,
        ExecutionSettings memory execution_,
        IncentiveSettings memory incentive,
        string[] memory names,
        ExchangeSettings[] memory settings
    ) LeverageStrategyDouble(manager, methodology, incentive, names, settings) {
        (strategy, execution) = (strategy_, execution_);
        require(methodology.targetLeverageRatio >= 1 ether, "Target leverage ratio must be >= 1e18");
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
        emit ExecutionSettingsUpdated(
            settings.unutilizedLeveragePercentage,
            settings.unutilizedLeveragePercentageDelever,
            settings.twapCooldownPeriod,
            settings.slippageTolerance
        );
    }

    function _enterMarket() internal override {
        bytes memory call = abi.encodeCall(MorphoLeverageModuleDouble.enterCollateralPosition, (address(strategy.setToken)));
        manager.interactManager(_module(), call);
    }

    function _position() internal view override returns (Position memory position) {
        address setToken = address(strategy.setToken);
        position.collateralPrice = MorphoOracleDouble(_market().oracle).price();
        (position.collateral, position.debt, ) = strategy.leverageModule.getCollateralAndBorrowBalances(setToken);
        position.collateralValue = _inBorrowAsset(position.collateral, position);
        position.debtValue = position.debt;
        position.supply = strategy.setToken.totalSupply();
    }

    function _cap(Position memory position, bool isLever) internal view override returns (uint256) {
        uint256 kept = isLever ? execution.unutilizedLeveragePercentage : execution.unutilizedLeveragePercentageDelever;
        uint256 limit = position.collateralValue.preciseMul(_market().lltv).preciseMul(Arithmetic.ONE.sub(kept));
        uint256 free = limit.sub(position.debt);
        return isLever
            ? free.mul(MORPHO_ORACLE_PRICE_SCALE).div(position.collateralPrice)
            : position.collateral.preciseMul(free).preciseDiv(limit);
    }

    function _inBorrowAsset(uint256 collateral, Position memory position) internal pure override returns (uint256) {
        return collateral.mul(position.collateralPrice).div(MORPHO_ORACLE_PRICE_SCALE);
    }

    function _minRepayUnits(uint256 units, uint256 tolerance, Position memory position) internal pure override returns (uint256) {
        return _inBorrowAsset(units, position).preciseMul(Arithmetic.ONE.sub(tolerance));
    }

    function _total(uint256 gap, Trade memory trade) internal pure override returns (uint256) {
        return gap.preciseDiv(trade.ratio).preciseMul(trade.position.collateral);
    }

    function _market() private view returns (MorphoLeverageModuleDouble.MarketParams memory) {
        return strategy.leverageModule.marketParams(address(strategy.setToken));
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
        require(execution.unutilizedLeveragePercentageDelever <= Arithmetic.ONE, "Unutilized leverage must be <100%");
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
            MorphoLeverageModuleDouble.lever, (address(strategy.setToken), borrowUnits, minReceiveUnits, exchange, data)
        );
    }

    function _deleverCall(uint256 redeemUnits, uint256 minRepayUnits, string memory exchange, bytes memory data)
        internal
        view
        override
        returns (bytes memory)
    {
        return abi.encodeCall(
            MorphoLeverageModuleDouble.delever, (address(strategy.setToken), redeemUnits, minRepayUnits, exchange, data)
        );
    }
}
