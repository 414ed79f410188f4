// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// What the doubles for basis trading call of published contracts: Set Protocol's token and modules,
/// Perp V2's accounts and feed, Uniswap V3's quoter and router.

interface ICollateralToken {
    function decimals() external view returns (uint8);
    function balanceOf(address owner) external view returns (uint256);
}

interface ISetToken {
    function totalSupply() external view returns (uint256);
    function getDefaultPositionRealUnit(address component) external view returns (int256);
}

/// `PerpV2BasisTradingModule` as of 0.1.16. Later releases have everything of it.
interface IBasisTradingModule {
    struct AccountInfo {
        int256 collateralBalance;
        int256 owedRealizedPnl;
        int256 pendingFundingPayments;
        int256 netQuoteBalance;
    }

    function collateralToken() external view returns (address);
    function getAccountInfo(ISetToken setToken) external view returns (AccountInfo memory);
    function settledFunding(ISetToken setToken) external view returns (uint256);
    function deposit(ISetToken setToken, uint256 collateralUnits) external;
    function withdraw(ISetToken setToken, uint256 collateralUnits) external;
    function tradeAndTrackFunding(ISetToken setToken, address baseToken, int256 baseUnits, uint256 quoteBoundUnits) external;
    function withdrawFundingAndAccrueFees(ISetToken setToken, uint256 notionalFunding) external;
}

interface ITradeModule {
    function trade(
        ISetToken setToken,
        string calldata exchangeName,
        address sendToken,
        uint256 sendQuantity,
        address receiveToken,
        uint256 minReceiveQuantity,
        bytes calldata data
    ) external;
}

interface IAccountBalance {
    function getTakerPositionSize(address trader, address baseToken) external view returns (int256);
    function getTakerOpenNotional(address trader, address baseToken) external view returns (int256);
}

interface IPriceFeed {
    function getPrice(uint256 interval) external view returns (uint256);
}

interface IQuoter {
    function quoteExactInput(bytes calldata path, uint256 amountIn) external returns (uint256 amountOut);
}

interface ISwapRouter {
    struct ExactInputParams {
        bytes path;
        address recipient;
        uint256 deadline;
        uint256 amountIn;
        uint256 amountOutMinimum;
    }

    struct ExactOutputParams {
        bytes path;
        address recipient;
        uint256 deadline;
        uint256 amountOut;
        uint256 amountInMaximum;
    }

    function exactInput(ExactInputParams calldata params) external payable returns (uint256 amountOut);
    function exactOutput(ExactOutputParams calldata params) external payable returns (uint256 amountIn);
}
