//! The interfaces that deploying, moving the market and testing call. Written out rather than
//! generated from the artifacts, so that a reader sees what is used.

pub mod basis;
pub mod index;
pub mod perp;

use alloy::sol;

sol! {
    /// An ERC-20 token, and the wrapped ether's way in.
    #[derive(Debug)]
    interface IToken {
        function approve(address spender, uint256 amount) external returns (bool);
        function transfer(address to, uint256 amount) external returns (bool);
        function balanceOf(address owner) external view returns (uint256);
        function deposit() external payable;
    }

    /// The factory of Uniswap V2 pairs.
    #[derive(Debug)]
    interface IUniswapV2Factory {
        function createPair(address tokenA, address tokenB) external returns (address pair);
        function getPair(address tokenA, address tokenB) external view returns (address pair);
    }

    /// A Uniswap V2 pair.
    #[derive(Debug)]
    interface IUniswapV2Pair {
        function getReserves() external view returns (uint112 reserve0, uint112 reserve1, uint32 at);
    }

    /// The router of Uniswap V2.
    #[derive(Debug)]
    interface IUniswapV2Router {
        function addLiquidity(address tokenA, address tokenB, uint256 amountADesired, uint256 amountBDesired, uint256 amountAMin, uint256 amountBMin, address to, uint256 deadline) external returns (uint256 amountA, uint256 amountB, uint256 liquidity);
        function swapExactTokensForTokens(uint256 amountIn, uint256 amountOutMin, address[] calldata path, address to, uint256 deadline) external returns (uint256[] memory amounts);
    }

    /// The factory of Uniswap V3 pools.
    #[derive(Debug)]
    interface IUniswapV3Factory {
        function getPool(address tokenA, address tokenB, uint24 fee) external view returns (address pool);
    }

    /// A Uniswap V3 pool.
    #[derive(Debug)]
    interface IUniswapV3Pool {
        function slot0() external view returns (uint160 sqrtPriceX96, int24 tick, uint16 observationIndex, uint16 observationCardinality, uint16 observationCardinalityNext, uint8 feeProtocol, bool unlocked);
        function tickSpacing() external view returns (int24);
    }

    /// The position manager of Uniswap V3.
    #[derive(Debug)]
    interface IUniswapV3Positions {
        struct MintParams {
            address token0;
            address token1;
            uint24 fee;
            int24 tickLower;
            int24 tickUpper;
            uint256 amount0Desired;
            uint256 amount1Desired;
            uint256 amount0Min;
            uint256 amount1Min;
            address recipient;
            uint256 deadline;
        }
        function createAndInitializePoolIfNecessary(address token0, address token1, uint24 fee, uint160 sqrtPriceX96) external payable returns (address pool);
        struct DecreaseLiquidityParams {
            uint256 tokenId;
            uint128 liquidity;
            uint256 amount0Min;
            uint256 amount1Min;
            uint256 deadline;
        }
        struct IncreaseLiquidityParams {
            uint256 tokenId;
            uint256 amount0Desired;
            uint256 amount1Desired;
            uint256 amount0Min;
            uint256 amount1Min;
            uint256 deadline;
        }
        struct CollectParams {
            uint256 tokenId;
            address recipient;
            uint128 amount0Max;
            uint128 amount1Max;
        }
        function mint(MintParams calldata params) external payable returns (uint256 tokenId, uint128 liquidity, uint256 amount0, uint256 amount1);
        function decreaseLiquidity(DecreaseLiquidityParams calldata params) external payable returns (uint256 amount0, uint256 amount1);
        function increaseLiquidity(IncreaseLiquidityParams calldata params) external payable returns (uint128 liquidity, uint256 amount0, uint256 amount1);
        function collect(CollectParams calldata params) external payable returns (uint256 amount0, uint256 amount1);
        function balanceOf(address owner) external view returns (uint256 count);
        function tokenOfOwnerByIndex(address owner, uint256 index) external view returns (uint256 tokenId);
        function positions(uint256 tokenId) external view returns (uint96 nonce, address operator, address token0, address token1, uint24 fee, int24 tickLower, int24 tickUpper, uint128 liquidity, uint256 feeGrowthInside0LastX128, uint256 feeGrowthInside1LastX128, uint128 tokensOwed0, uint128 tokensOwed1);
    }

    /// The router of Uniswap V3.
    #[derive(Debug)]
    interface IUniswapV3Router {
        struct ExactInputSingleParams {
            address tokenIn;
            address tokenOut;
            uint24 fee;
            address recipient;
            uint256 deadline;
            uint256 amountIn;
            uint256 amountOutMinimum;
            uint160 sqrtPriceLimitX96;
        }
        function exactInputSingle(ExactInputSingleParams calldata params) external payable returns (uint256 amountOut);
    }

    /// A Chainlink feed, and the mock's way of setting its one round.
    #[derive(Debug)]
    interface IFeed {
        function latestAnswer() external view returns (int256);
        function latestRoundData() external view returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);
        function setRoundData(uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound) external;
    }

    /// The mock of Compound's price oracle. Scale: 36 − token decimals.
    #[derive(Debug)]
    interface ICompoundOracle {
        function setUnderlyingPrice(address cToken, uint256 price) external;
        function getUnderlyingPrice(address cToken) external view returns (uint256);
    }

    /// Compound's proxy in front of the Comptroller.
    #[derive(Debug)]
    interface IUnitroller {
        function _setPendingImplementation(address implementation) external returns (uint256);
    }

    /// Compound's Comptroller, this build with four arguments to `_become`.
    #[derive(Debug)]
    interface IComptroller {
        function _become(address unitroller, uint256 compRate, address[] calldata compMarkets, address[] calldata otherMarkets) external;
        function _setPriceOracle(address oracle) external returns (uint256);
        function _setMaxAssets(uint256 count) external returns (uint256);
        function _setCloseFactor(uint256 mantissa) external returns (uint256);
        function _setLiquidationIncentive(uint256 mantissa) external returns (uint256);
        function _supportMarket(address cToken) external returns (uint256);
        function _setCollateralFactor(address cToken, uint256 mantissa) external returns (uint256);
        function getCompAddress() external view returns (address);
    }

    /// Compound's market in ether.
    #[derive(Debug)]
    interface ICEther {
        function mint() external payable;
    }

    /// Compound's market in a token.
    #[derive(Debug)]
    interface ICErc20 {
        function mint(uint256 amount) external returns (uint256);
    }

    /// Set Protocol's Controller.
    #[derive(Debug)]
    interface IController {
        function initialize(address[] calldata factories, address[] calldata modules, address[] calldata resources, uint256[] calldata resourceIds) external;
        function addFee(address module, uint256 feeType, uint256 newFeePercentage) external;
    }

    /// Set Protocol's registry of adapters.
    #[derive(Debug)]
    interface IIntegrationRegistry {
        function addIntegration(address module, string calldata name, address adapter) external;
        function getIntegrationAdapter(address module, string calldata name) external view returns (address adapter);
    }

    /// Set Protocol's factory.
    #[derive(Debug)]
    interface ISetTokenCreator {
        function create(address[] calldata components, int256[] calldata units, address[] calldata modules, address manager, string calldata name, string calldata symbol) external returns (address);
    }

    /// A product's token.
    #[derive(Debug)]
    interface ISetToken {
        function setManager(address manager) external;
        function totalSupply() external view returns (uint256);
    }

    /// Set Protocol's issuance of products with debt.
    #[derive(Debug)]
    interface IDebtIssuanceModule {
        function initialize(address setToken, uint256 maxManagerFee, uint256 issueFee, uint256 redeemFee, address feeRecipient, address hook) external;
        function issue(address setToken, uint256 quantity, address to) external;
    }

    /// Set Protocol's streaming fee.
    #[derive(Debug)]
    interface IStreamingFeeModule {
        struct FeeState {
            address feeRecipient;
            uint256 maxStreamingFeePercentage;
            uint256 streamingFeePercentage;
            uint256 lastStreamingFeeTimestamp;
        }
        function initialize(address setToken, FeeState calldata settings) external;
        function accrueFee(address setToken) external;
    }

    /// Set Protocol's leverage on Compound.
    #[derive(Debug)]
    interface ICompoundLeverageModule {
        function initialize(address setToken, address[] calldata collateralAssets, address[] calldata borrowAssets) external;
        function updateAnySetAllowed(bool allowed) external;
    }

    /// Index Coop's manager of one product.
    #[derive(Debug)]
    interface IBaseManager {
        function addAdapter(address adapter) external;
        function removeAdapter(address adapter) external;
    }

    /// Index Coop's `FlexibleLeverageStrategyExtension`. Ratios and percentages have 18 decimals.
    #[derive(Debug)]
    interface IStrategy {
        struct ContractSettings {
            address setToken;
            address leverageModule;
            address comptroller;
            address collateralPriceOracle;
            address borrowPriceOracle;
            address targetCollateralCToken;
            address targetBorrowCToken;
            address collateralAsset;
            address borrowAsset;
            uint256 collateralDecimalAdjustment;
            uint256 borrowDecimalAdjustment;
        }
        struct MethodologySettings {
            uint256 targetLeverageRatio;
            uint256 minLeverageRatio;
            uint256 maxLeverageRatio;
            uint256 recenteringSpeed;
            uint256 rebalanceInterval;
        }
        struct ExecutionSettings {
            uint256 unutilizedLeveragePercentage;
            uint256 slippageTolerance;
            uint256 twapCooldownPeriod;
        }
        struct IncentiveSettings {
            uint256 etherReward;
            uint256 incentivizedLeverageRatio;
            uint256 incentivizedSlippageTolerance;
            uint256 incentivizedTwapCooldownPeriod;
        }
        struct ExchangeSettings {
            uint256 twapMaxTradeSize;
            uint256 exchangeLastTradeTimestamp;
            uint256 incentivizedTwapMaxTradeSize;
            bytes leverExchangeData;
            bytes deleverExchangeData;
        }

        function rebalance(string calldata exchangeName) external;
        function iterateRebalance(string calldata exchangeName) external;
        function ripcord(string calldata exchangeName) external;
        function engage(string calldata exchangeName) external;
        function disengage(string calldata exchangeName) external;

        function setMethodologySettings(MethodologySettings calldata settings) external;
        function setExecutionSettings(ExecutionSettings calldata settings) external;
        function setIncentiveSettings(IncentiveSettings calldata settings) external;
        function withdrawEtherBalance() external;
        function addEnabledExchange(string calldata exchangeName, ExchangeSettings calldata settings) external;
        function updateEnabledExchange(string calldata exchangeName, ExchangeSettings calldata settings) external;
        function removeEnabledExchange(string calldata exchangeName) external;
        function updateCallerStatus(address[] calldata callers, bool[] calldata statuses) external;
        function updateAnyoneCallable(bool callable) external;

        function shouldRebalance() external view returns (string[] memory names, uint8[] memory actions);
        function getCurrentLeverageRatio() external view returns (uint256);
        function getChunkRebalanceNotional(string[] calldata names) external view returns (uint256[] memory sizes, address sellAsset, address buyAsset);
        function getExchangeSettings(string calldata name) external view returns (ExchangeSettings memory);
        function twapLeverageRatio() external view returns (uint256);
        function globalLastTradeTimestamp() external view returns (uint256);
        function callAllowList(address caller) external view returns (bool);
    }

    /// The settings that the doubles for Aave take where the published strategy has others.
    #[derive(Debug)]
    interface IAaveStrategyDouble {
        struct ContractSettings {
            address setToken;
            address leverageModule;
            address aaveProtocolDataProvider;
            address collateralPriceOracle;
            address borrowPriceOracle;
            address targetCollateralAToken;
            address targetBorrowDebtToken;
            address collateralAsset;
            address borrowAsset;
            uint256 collateralDecimalAdjustment;
            uint256 borrowDecimalAdjustment;
        }

        function setEModeCategory(uint8 category) external;
    }

    /// The settings of the double for Morpho.
    #[derive(Debug)]
    interface IMorphoStrategyDouble {
        struct ContractSettings {
            address setToken;
            address leverageModule;
            address collateralAsset;
            address borrowAsset;
        }
        struct ExecutionSettings {
            uint256 unutilizedLeveragePercentage;
            uint256 unutilizedLeveragePercentageDelever;
            uint256 slippageTolerance;
            uint256 twapCooldownPeriod;
        }
    }

    /// What sets a double of a leverage module up.
    #[derive(Debug)]
    interface ILeverageModuleDouble {
        function deposit(address setToken, uint256 amount) external;
    }

    /// The double of the strategy from before several exchanges were served.
    #[derive(Debug)]
    interface ISingleExchangeAdapterDouble {
        function actions() external view returns (uint256);
    }
}
