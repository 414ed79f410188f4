//! Composite indices: the module that trades them, and the manager's extension in front of it.

#![expect(clippy::too_many_arguments, reason = "sol! makes a function of an event's parts")]

use alloy::sol;

sol! {
    /// Set Protocol's `GeneralIndexModule`.
    #[derive(Debug)]
    interface IIndexModule {
        event TradeExecuted(address indexed setToken, address indexed sellComponent, address indexed buyComponent, address exchangeAdapter, address executor, uint256 netAmountSold, uint256 netAmountReceived, uint256 protocolFee);
        event AssetTargetsRaised(address indexed setToken, uint256 indexed positionMultiplier);
        function trade(address setToken, address component, uint256 ethQuantityLimit) external;
        function tradeRemainingWETH(address setToken, address component, uint256 minComponentReceived) external;
        function raiseAssetTargets(address setToken) external;
        function executionInfo(address setToken, address component) external view returns (uint256 targetUnit, uint256 maxSize, uint256 coolOffPeriod, uint256 lastTradeTimestamp, string exchangeName, bytes exchangeData);
        function rebalanceInfo(address setToken) external view returns (uint256 positionMultiplier, uint256 raiseTargetPercentage);
        function getRebalanceComponents(address setToken) external view returns (address[] memory components);
        function getComponentTradeQuantityAndDirection(address setToken, address component) external view returns (bool isSendTokenFixed, uint256 quantity);
    }

    /// Index Coop's `GIMExtension`.
    #[derive(Debug)]
    interface IIndexExtension {
        function initialize() external;
        function setTradeMaximums(address[] calldata components, uint256[] calldata tradeMaximums) external;
        function setExchanges(address[] calldata components, string[] calldata exchangeNames) external;
        function setExchangeData(address[] calldata components, bytes[] calldata exchangeData) external;
        function setCoolOffPeriods(address[] calldata components, uint256[] calldata coolOffPeriods) external;
        function setRaiseTargetPercentage(uint256 raiseTargetPercentage) external;
        function setTraderStatus(address[] calldata traders, bool[] calldata statuses) external;
        function startRebalanceWithUnits(address[] calldata components, uint256[] calldata targetUnits, uint256 positionMultiplier) external;
    }

    /// Set Protocol's `BasicIssuanceModule`.
    #[derive(Debug)]
    interface IBasicIssuanceModule {
        function initialize(address setToken, address preIssueHook) external;
        function issue(address setToken, uint256 quantity, address to) external;
        function redeem(address setToken, uint256 quantity, address to) external;
    }

    /// An index's token.
    #[derive(Debug)]
    interface IIndexToken {
        function getComponents() external view returns (address[] memory components);
        function getDefaultPositionRealUnit(address component) external view returns (int256 unit);
        function positionMultiplier() external view returns (int256 multiplier);
        function totalSupply() external view returns (uint256 supply);
    }
}
