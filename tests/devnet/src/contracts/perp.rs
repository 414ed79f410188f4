//! Perp V2, in the release that the package ships: early 2022, dollars as the only collateral.

use alloy::sol;

sol! {
    /// The price feed between an aggregator and a market.
    #[derive(Debug)]
    interface IPerpPriceFeed {
        function initialize(address aggregator) external;
        function getPrice(uint256 interval) external view returns (uint256);
        function decimals() external view returns (uint8);
    }

    /// What both virtual tokens have.
    #[derive(Debug)]
    interface IVirtualToken {
        function addWhitelist(address account) external;
        function mintMaximumTo(address recipient) external;
    }

    /// The virtual ether that a market trades.
    #[derive(Debug)]
    interface IBaseToken {
        function initialize(string calldata name, string calldata symbol, address priceFeed) external;
        function getIndexPrice(uint256 interval) external view returns (uint256);
    }

    /// The virtual dollar.
    #[derive(Debug)]
    interface IQuoteToken {
        function initialize(string calldata name, string calldata symbol) external;
    }

    /// Perp's own list of settings. Ratios in millionths.
    #[derive(Debug)]
    interface IClearingHouseConfig {
        function initialize() external;
        function setSettlementTokenBalanceCap(uint256 cap) external;
        function getTwapInterval() external view returns (uint32);
        function getMmRatio() external view returns (uint24);
    }

    /// Which pool and which fee belongs to a virtual token.
    #[derive(Debug)]
    interface IMarketRegistry {
        function initialize(address uniswapV3Factory, address quoteToken) external;
        function setClearingHouse(address clearingHouse) external;
        function addPool(address baseToken, uint24 feeRatio) external returns (address);
        function setFeeRatio(address baseToken, uint24 feeRatio) external;
    }

    /// The liquidity of makers.
    #[derive(Debug)]
    interface IOrderBook {
        function initialize(address marketRegistry) external;
        function setExchange(address exchange) external;
        function setClearingHouse(address clearingHouse) external;
    }

    /// What pays when an account has less than nothing.
    #[derive(Debug)]
    interface IInsuranceFund {
        function initialize(address token) external;
        function setBorrower(address borrower) external;
    }

    /// Who holds what in which market.
    #[derive(Debug)]
    interface IAccountBalance {
        function initialize(address clearingHouseConfig, address orderBook) external;
        function setVault(address vault) external;
        function setClearingHouse(address clearingHouse) external;
        function getTakerPositionSize(address trader, address baseToken) external view returns (int256);
        function getTakerOpenNotional(address trader, address baseToken) external view returns (int256);
        function getMarginRequirementForLiquidation(address trader) external view returns (int256);
    }

    /// Trades and funding. Its funding payments are positive when the trader owes them.
    #[derive(Debug)]
    interface IExchange {
        function initialize(address marketRegistry, address orderBook, address clearingHouseConfig) external;
        function setAccountBalance(address accountBalance) external;
        function setClearingHouse(address clearingHouse) external;
        function setMaxTickCrossedWithinBlock(address baseToken, uint24 maxTickCrossedWithinBlock) external;
        function getAllPendingFundingPayment(address trader) external view returns (int256);
    }

    /// The collateral.
    #[derive(Debug)]
    interface IVault {
        function initialize(address insuranceFund, address clearingHouseConfig, address accountBalance, address exchange) external;
        function setClearingHouse(address clearingHouse) external;
        function deposit(address token, uint256 amount) external;
        function getFreeCollateral(address trader) external view returns (uint256);
    }

    /// The door of it all.
    #[derive(Debug)]
    interface IClearingHouse {
        struct AddLiquidityParams {
            address baseToken;
            uint256 base;
            uint256 quote;
            int24 lowerTick;
            int24 upperTick;
            uint256 minBase;
            uint256 minQuote;
            bool useTakerBalance;
            uint256 deadline;
        }
        struct OpenPositionParams {
            address baseToken;
            bool isBaseToQuote;
            bool isExactInput;
            uint256 amount;
            uint256 oppositeAmountBound;
            uint256 deadline;
            uint160 sqrtPriceLimitX96;
            bytes32 referralCode;
        }

        function initialize(address clearingHouseConfig, address vault, address quoteToken, address uniswapV3Factory, address exchange, address accountBalance, address insuranceFund) external;
        function addLiquidity(AddLiquidityParams calldata params) external returns (uint256 base, uint256 quote, uint256 fee, uint256 liquidity);
        function openPosition(OpenPositionParams calldata params) external returns (uint256 base, uint256 quote);
        function settleAllFunding(address trader) external;
        function liquidate(address trader, address baseToken) external;
        function pause() external;
        function unpause() external;
        function getAccountValue(address trader) external view returns (int256);
    }

    /// What a pool of Uniswap V3 needs before Perp takes it, and its factory's way of making it.
    #[derive(Debug)]
    interface IBarePool {
        function createPool(address tokenA, address tokenB, uint24 fee) external returns (address pool);
        function getPool(address tokenA, address tokenB, uint24 fee) external view returns (address pool);
        function initialize(uint160 sqrtPriceX96) external;
        function increaseObservationCardinalityNext(uint16 observationCardinalityNext) external;
    }
}
