//! The functions and events of the basis trading extension, its module and Perp V2 that this crate
//! uses, and no more.
//!
//! Nothing here is younger than the oldest release that is served: `getUpdatedSettledFunding`, for
//! one, is missing in published modules, and what it answers follows from `settledFunding` and the
//! pending funding.

use alloy::sol;

sol! {
    /// `DeltaNeutralBasisTradingStrategyExtension`. Ratios have 18 decimals and are negative while
    /// the product is short; sizes are the base asset's, 18 decimals.
    #[derive(Debug, PartialEq, Eq)]
    interface IBasisExtension {
        /// What the constructor fixed.
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

        /// Where the leverage ratio should be. "Min" is the bound nearest to zero.
        struct MethodologySettings {
            int256 targetLeverageRatio;
            int256 minLeverageRatio;
            int256 maxLeverageRatio;
            uint256 recenteringSpeed;
            uint256 rebalanceInterval;
            uint256 reinvestInterval;
            uint256 minReinvestUnits;
        }

        /// How a trade is made. The event of the same name has the fields in the other order.
        struct ExecutionSettings {
            uint256 slippageTolerance;
            uint256 twapCooldownPeriod;
        }

        /// The ripcord: what it pays and from which ratio on.
        struct IncentiveSettings {
            uint256 etherReward;
            int256 incentivizedLeverageRatio;
            uint256 incentivizedSlippageTolerance;
            uint256 incentivizedTwapCooldownPeriod;
        }

        /// The one exchange of the spot leg.
        struct ExchangeSettings {
            string exchangeName;
            bytes buyExactSpotTradeData;
            bytes sellExactSpotTradeData;
            bytes buySpotQuoteExactInputPath;
            uint256 twapMaxTradeSize;
            uint256 incentivizedTwapMaxTradeSize;
        }

        function rebalance() external;
        function iterateRebalance() external;
        function ripcord() external;
        function reinvest() external;

        function shouldRebalance() external view returns (uint8 action);
        function shouldRebalanceWithBounds(int256 customMinLeverageRatio, int256 customMaxLeverageRatio)
            external view returns (uint8 action);
        function getCurrentLeverageRatio() external view returns (int256 ratio);
        function getChunkRebalanceNotional() external view returns (
            int256 size, address sellAssetOnPerp, address buyAssetOnPerp,
            address sellAssetOnDex, address buyAssetOnDex
        );
        function getCurrentEtherIncentive() external view returns (uint256 reward);
        function twapLeverageRatio() external view returns (int256 ratio);
        function lastTradeTimestamp() external view returns (uint256 timestamp);
        function lastReinvestTimestamp() external view returns (uint256 timestamp);
        function anyoneCallable() external view returns (bool anyone);
        function callAllowList(address caller) external view returns (bool allowed);
        function manager() external view returns (address manager);
        function getStrategy() external view returns (ContractSettings settings);
        function getMethodology() external view returns (MethodologySettings settings);
        function getExecution() external view returns (ExecutionSettings settings);
        function getIncentive() external view returns (IncentiveSettings settings);
        function getExchangeSettings() external view returns (ExchangeSettings settings);

        event Rebalanced(
            int256 currentLeverageRatio,
            int256 newLeverageRatio,
            int256 chunkPerpRebalanceNotional,
            int256 totalPerpRebalanceNotional
        );
        event RebalanceIterated(
            int256 currentLeverageRatio,
            int256 newTwapLeverageRatio,
            int256 chunkPerpRebalanceNotional,
            int256 totalPerpRebalanceNotional
        );
        event RipcordCalled(
            int256 currentLeverageRatio,
            int256 newLeverageRatio,
            int256 perpRebalanceNotional,
            uint256 etherIncentive
        );
        event Reinvested(uint256 usdcReinvestedNotional, uint256 spotRebalanceNotional);
    }

    /// `PerpV2BasisTradingModule`. Amounts have 18 decimals.
    #[derive(Debug, PartialEq, Eq)]
    interface IBasisModule {
        /// The Perp account of a product. `pendingFundingPayments` is positive when the product
        /// will receive, the opposite of Perp's own sign.
        struct AccountInfo {
            int256 collateralBalance;
            int256 owedRealizedPnl;
            int256 pendingFundingPayments;
            int256 netQuoteBalance;
        }

        function getAccountInfo(address setToken) external view returns (AccountInfo info);
        function settledFunding(address setToken) external view returns (uint256 funding);
        function getUpdatedSettledFunding(address setToken) external view returns (uint256 funding);
        function feeSettings(address setToken) external view returns (
            address feeRecipient, uint256 maxPerformanceFeePercentage,
            uint256 performanceFeePercentage
        );
        function perpClearingHouse() external view returns (address clearingHouse);
        function perpMarketRegistry() external view returns (address marketRegistry);
        function collateralToken() external view returns (address token);
        function controller() external view returns (address controller);

        event PerpTraded(
            address indexed setToken,
            address indexed baseToken,
            uint256 indexed deltaBase,
            uint256 deltaQuote,
            uint256 protocolFee,
            bool isBuy
        );
        event FundingWithdrawn(
            address indexed setToken,
            address collateralToken,
            uint256 amountWithdrawn,
            uint256 managerFee,
            uint256 protocolFee
        );
    }

    /// Perp V2's books. Amounts have 18 decimals.
    interface IPerpAccountBalance {
        function getTakerPositionSize(address trader, address baseToken)
            external view returns (int256 size);
        function getTakerOpenNotional(address trader, address baseToken)
            external view returns (int256 notional);
        function getMarginRequirementForLiquidation(address trader)
            external view returns (int256 margin);
        function getTotalAbsPositionValue(address trader) external view returns (uint256 value);
    }

    /// Perp V2's front door.
    interface IPerpClearingHouse {
        function getAccountValue(address trader) external view returns (int256 value);
        function paused() external view returns (bool paused);
    }

    /// Perp V2's list of markets.
    interface IPerpMarketRegistry {
        function getPool(address baseToken) external view returns (address pool);
    }

    /// A virtual token; `isOpen` in later releases of Perp only.
    interface IPerpBaseToken {
        function getIndexPrice(uint256 interval) external view returns (uint256 price);
        function isOpen() external view returns (bool open);
    }

    /// The feed that the extension goes by; not Chainlink's interface.
    interface IPriceFeed {
        function getPrice(uint256 interval) external view returns (uint256 price);
    }

    /// Uniswap V3, as far as a price is concerned.
    interface IUniswapV3 {
        function factory() external view returns (address factory);
        function getPool(address tokenA, address tokenB, uint24 fee)
            external view returns (address pool);
        function slot0() external view returns (
            uint160 sqrtPriceX96, int24 tick, uint16 observationIndex,
            uint16 observationCardinality, uint16 observationCardinalityNext, uint8 feeProtocol,
            bool unlocked
        );
    }

    /// A product's token.
    interface ISetToken {
        function totalSupply() external view returns (uint256 supply);
        function getDefaultPositionRealUnit(address component) external view returns (int256 unit);
        function isInitializedModule(address module) external view returns (bool initialized);
    }

    /// An ERC-20.
    interface IToken {
        function decimals() external view returns (uint8 decimals);
        function symbol() external view returns (string symbol);
    }

    /// Set Protocol's address book; entry 0 is the list of integrations.
    interface IController {
        function resourceId(uint256 id) external view returns (address resource);
    }

    /// Set Protocol's list of adapters.
    interface IIntegrationRegistry {
        function isValidIntegration(address module, string name)
            external view returns (bool valid);
    }
}

#[cfg(test)]
mod tests;
