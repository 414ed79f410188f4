// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Arithmetic} from "./Arithmetic.sol";
import {IFeed} from "./Interfaces.sol";

/// Doubles of what the Aave and Morpho strategies read of their markets besides balances. Prices come
/// from the devnet's Chainlink feeds, as they do in the real oracles.

/// Aave V2's `AaveProtocolDataProvider`; Aave V3 kept the function. Ratios in hundredths of a percent.
contract AaveDataProviderDouble {
    uint256 private immutable ltv;
    uint256 private immutable liquidationThreshold;

    constructor(uint256 ltv_, uint256 liquidationThreshold_) {
        (ltv, liquidationThreshold) = (ltv_, liquidationThreshold_);
    }

    function getReserveConfigurationData(address)
        external
        view
        returns (
            uint256 decimals,
            uint256 loanToValue,
            uint256 threshold,
            uint256 liquidationBonus,
            uint256 reserveFactor,
            bool usageAsCollateralEnabled,
            bool borrowingEnabled,
            bool stableBorrowRateEnabled,
            bool isActive,
            bool isFrozen
        )
    {
        return (18, ltv, liquidationThreshold, 10_500, 1_000, true, true, false, true, false);
    }
}

/// Aave V3's `PoolAddressesProvider`, `Pool` and `AaveOracle` in one: it names itself as the others.
contract AaveV3MarketDouble {
    /// Aave's own tuple.
    struct EModeCategory {
        uint16 ltv;
        uint16 liquidationThreshold;
        uint16 liquidationBonus;
        address priceSource;
        string label;
    }

    uint16 private immutable ltv;
    uint16 private immutable liquidationThreshold;
    mapping(address => IFeed) private feeds;

    constructor(address[] memory assets, IFeed[] memory sources, uint16 ltv_, uint16 threshold) {
        (ltv, liquidationThreshold) = (ltv_, threshold);
        for (uint256 i = 0; i < assets.length; i++) {
            feeds[assets[i]] = sources[i];
        }
    }

    function getPool() external view returns (address) {
        return address(this);
    }

    function getPriceOracle() external view returns (address) {
        return address(this);
    }

    /// 8 decimals.
    function getAssetPrice(address asset) external view returns (uint256) {
        return Arithmetic.toUint256(feeds[asset].latestAnswer());
    }

    function getEModeCategoryData(uint8) external view returns (EModeCategory memory) {
        return EModeCategory(ltv, liquidationThreshold, 10_100, address(0), "ETH correlated");
    }
}

/// A Morpho market's oracle: what one base unit of collateral is worth in base units of the borrowed
/// asset, times 1e36.
contract MorphoOracleDouble {
    using Arithmetic for uint256;

    IFeed private immutable collateralFeed;
    IFeed private immutable borrowFeed;
    uint256 private immutable scale;

    /// `scale_` is 10 to the power of 36 + the borrowed asset's decimals − the collateral's.
    constructor(IFeed collateral, IFeed borrow, uint256 scale_) {
        (collateralFeed, borrowFeed, scale) = (collateral, borrow, scale_);
    }

    function price() external view returns (uint256) {
        uint256 collateral = Arithmetic.toUint256(collateralFeed.latestAnswer());
        return collateral.mul(scale).div(Arithmetic.toUint256(borrowFeed.latestAnswer()));
    }
}
