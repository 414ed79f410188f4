//! Basis trading: the extension, its module, and the parts of Set Protocol that only it needs.

use alloy::sol;

sol! {
    /// Index Coop's `DeltaNeutralBasisTradingStrategyExtension`. Ratios and percentages have 18 decimals,
    /// ratios are negative for a short.
    #[derive(Debug)]
    interface IBasisStrategy {
        struct ContractSettings {
            address setToken;
            address basisTradingModule;
            address tradeModule;
            address quoter;
            address perpV2AccountBalance;
            address baseUSDPriceOracle;
            uint256 twapInterval;
            uint256 basePriceDecimalAdjustment;
            address virtualBaseAddress;
            address virtualQuoteAddress;
            address spotAssetAddress;
        }
        #[derive(PartialEq, Eq)]
        struct MethodologySettings {
            int256 targetLeverageRatio;
            int256 minLeverageRatio;
            int256 maxLeverageRatio;
            uint256 recenteringSpeed;
            uint256 rebalanceInterval;
            uint256 reinvestInterval;
            uint256 minReinvestUnits;
        }
        #[derive(PartialEq, Eq)]
        struct ExecutionSettings {
            uint256 slippageTolerance;
            uint256 twapCooldownPeriod;
        }
        #[derive(PartialEq, Eq)]
        struct IncentiveSettings {
            uint256 etherReward;
            int256 incentivizedLeverageRatio;
            uint256 incentivizedSlippageTolerance;
            uint256 incentivizedTwapCooldownPeriod;
        }
        #[derive(PartialEq, Eq)]
        struct ExchangeSettings {
            string exchangeName;
            bytes buyExactSpotTradeData;
            bytes sellExactSpotTradeData;
            bytes buySpotQuoteExactInputPath;
            uint256 twapMaxTradeSize;
            uint256 incentivizedTwapMaxTradeSize;
        }

        event Rebalanced(int256 _currentLeverageRatio, int256 _newLeverageRatio, int256 _chunkPerpRebalanceNotional, int256 _totalPerpRebalanceNotional);
        event RebalanceIterated(int256 _currentLeverageRatio, int256 _newTwapLeverageRatio, int256 _chunkPerpRebalanceNotional, int256 _totalPerpRebalanceNotional);
        event RipcordCalled(int256 _currentLeverageRatio, int256 _newLeverageRatio, int256 _perpRebalanceNotional, uint256 _etherIncentive);
        event Reinvested(uint256 _usdcReinvestedNotional, uint256 _spotRebalanceNotional);

        function rebalance() external;
        function iterateRebalance() external;
        function ripcord() external;
        function reinvest() external;

        function engage() external;
        function disengage() external;
        function deposit(uint256 collateralUnits) external;
        function withdraw(uint256 collateralUnits) external;
        function setMethodologySettings(MethodologySettings calldata settings) external;
        function setExecutionSettings(ExecutionSettings calldata settings) external;
        function setIncentiveSettings(IncentiveSettings calldata settings) external;
        function setExchangeSettings(ExchangeSettings calldata settings) external;
        function withdrawEtherBalance() external;
        function updateCallerStatus(address[] calldata callers, bool[] calldata statuses) external;
        function updateAnyoneCallable(bool status) external;

        function shouldRebalance() external view returns (uint8);
        function shouldRebalanceWithBounds(int256 customMinLeverageRatio, int256 customMaxLeverageRatio) external view returns (uint8);
        function getCurrentLeverageRatio() external view returns (int256);
        function getChunkRebalanceNotional() external view returns (int256 size, address sellAssetOnPerp, address buyAssetOnPerp, address sellAssetOnDex, address buyAssetOnDex);
        function getCurrentEtherIncentive() external view returns (uint256);
        function twapLeverageRatio() external view returns (int256);
        function lastTradeTimestamp() external view returns (uint256);
        function lastReinvestTimestamp() external view returns (uint256);
        function anyoneCallable() external view returns (bool);
        function callAllowList(address caller) external view returns (bool);
        function manager() external view returns (address);
        function getStrategy() external view returns (ContractSettings memory);
        function getMethodology() external view returns (MethodologySettings memory);
        function getExecution() external view returns (ExecutionSettings memory);
        function getIncentive() external view returns (IncentiveSettings memory);
        function getExchangeSettings() external view returns (ExchangeSettings memory);
    }

    /// Set Protocol's `PerpV2BasisTradingModule` 0.1.16. What it pays or is paid as funding has the sign
    /// that the product sees: positive is received.
    #[derive(Debug)]
    interface IBasisTradingModule {
        struct FeeState {
            address feeRecipient;
            uint256 maxPerformanceFeePercentage;
            uint256 performanceFeePercentage;
        }
        struct AccountInfo {
            int256 collateralBalance;
            int256 owedRealizedPnl;
            int256 pendingFundingPayments;
            int256 netQuoteBalance;
        }

        function updateAnySetAllowed(bool allowed) external;
        function initialize(address setToken, FeeState calldata settings) external;
        function getAccountInfo(address setToken) external view returns (AccountInfo memory);
        function settledFunding(address setToken) external view returns (uint256);
    }

    /// Set Protocol's `TradeModule`.
    #[derive(Debug)]
    interface ITradeModule {
        function initialize(address setToken) external;
    }

    /// What else a product's token says.
    #[derive(Debug)]
    interface ISetPositions {
        function totalSupply() external view returns (uint256);
        function getDefaultPositionRealUnit(address component) external view returns (int256);
    }

    /// What else the manager does.
    #[derive(Debug)]
    interface IManagerAdapters {
        function addAdapter(address adapter) external;
        function removeAdapter(address adapter) external;
        function isAdapter(address adapter) external view returns (bool);
    }

    /// The double of a Chainlink feed that keeps its rounds.
    #[derive(Debug)]
    interface IPriceFeedDouble {
        function setAnswer(int256 answer, uint256 at) external;
        function latestAnswer() external view returns (int256);
    }
}
