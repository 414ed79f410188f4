//! The functions and events of the leverage strategy extensions that this crate uses, and no more.
//!
//! Only what all variants have in common is declared with its types. `getStrategy` and
//! `getExecution` differ in shape between them, and the longer decodes as the shorter without an
//! error but with shifted fields: both are read as raw words, see [`variant`](crate::variant).

use alloy::sol;

sol! {
    /// What `FlexibleLeverageStrategyExtension` and its later relatives agree on.
    #[derive(Debug, PartialEq, Eq)]
    interface ILeverageStrategyExtension {
        /// Where the leverage ratio should be. Ratios have 18 decimals.
        struct MethodologySettings {
            uint256 targetLeverageRatio;
            uint256 minLeverageRatio;
            uint256 maxLeverageRatio;
            uint256 recenteringSpeed;
            uint256 rebalanceInterval;
        }

        /// The ripcord: what it pays and from which ratio on.
        struct IncentiveSettings {
            uint256 etherReward;
            uint256 incentivizedLeverageRatio;
            uint256 incentivizedSlippageTolerance;
            uint256 incentivizedTwapCooldownPeriod;
        }

        /// One exchange. Sizes are collateral base units.
        struct ExchangeSettings {
            uint256 twapMaxTradeSize;
            uint256 exchangeLastTradeTimestamp;
            uint256 incentivizedTwapMaxTradeSize;
            bytes leverExchangeData;
            bytes deleverExchangeData;
        }

        function rebalance(string exchangeName) external;
        function iterateRebalance(string exchangeName) external;
        function ripcord(string exchangeName) external;

        function shouldRebalance() external view returns (string[] names, uint8[] actions);
        function shouldRebalanceWithBounds(uint256 customMinLeverageRatio, uint256 customMaxLeverageRatio)
            external view returns (string[] names, uint8[] actions);
        function getCurrentLeverageRatio() external view returns (uint256 ratio);
        function getChunkRebalanceNotional(string[] exchangeNames)
            external view returns (uint256[] sizes, address sellAsset, address buyAsset);
        function getEnabledExchanges() external view returns (string[] names);
        function twapLeverageRatio() external view returns (uint256 ratio);
        function globalLastTradeTimestamp() external view returns (uint256 timestamp);
        function getMethodology() external view returns (MethodologySettings settings);
        function getIncentive() external view returns (IncentiveSettings settings);
        function getExchangeSettings(string exchangeName)
            external view returns (ExchangeSettings settings);
        function callAllowList(address caller) external view returns (bool allowed);
        function anyoneCallable() external view returns (bool anyone);

        // The shape of the answer depends on the variant.
        function getStrategy() external view;
        function getExecution() external view;
        // Aave V3 only.
        function currentEModeCategoryId() external view returns (uint8 category);
        function lendingPoolAddressesProvider() external view returns (address book);

        event Rebalanced(
            uint256 currentLeverageRatio,
            uint256 newLeverageRatio,
            uint256 chunkRebalanceNotional,
            uint256 totalRebalanceNotional
        );
        event RebalanceIterated(
            uint256 currentLeverageRatio,
            uint256 newLeverageRatio,
            uint256 chunkRebalanceNotional,
            uint256 totalRebalanceNotional
        );
        event RipcordCalled(
            uint256 currentLeverageRatio,
            uint256 newLeverageRatio,
            uint256 rebalanceNotional,
            uint256 etherIncentive
        );
    }

    /// `FLIRebalanceViewer`. The selector is that of the extension's own view, the answer is not.
    /// It is no view for the compiler, since the quoter it asks works by reverting inside.
    #[derive(Debug, PartialEq, Eq)]
    interface IFLIRebalanceViewer {
        function fliStrategyExtension() external view returns (address extension);
        function shouldRebalanceWithBounds(uint256 minLeverageRatio, uint256 maxLeverageRatio)
            external returns (string[2] names, uint8[2] actions);
    }

    /// An asset, or a lending market's receipt for one.
    interface IToken {
        function decimals() external view returns (uint8 decimals);
        function balanceOf(address account) external view returns (uint256 balance);
    }

    /// A Compound market, by its stored values: those that the extension itself goes by.
    interface ICompoundMarket {
        function exchangeRateStored() external view returns (uint256 rate);
        function borrowBalanceStored(address account) external view returns (uint256 balance);
    }

    /// Compound's Comptroller; a factor has 18 decimals.
    interface ICompoundComptroller {
        function markets(address market)
            external view returns (bool isListed, uint256 collateralFactor, bool isComped);
    }

    /// Aave's data provider; shares have 4 decimals.
    interface IAaveDataProvider {
        function getReserveConfigurationData(address asset) external view returns (
            uint256 decimals, uint256 ltv, uint256 liquidationThreshold, uint256 liquidationBonus,
            uint256 reserveFactor, bool usageAsCollateralEnabled, bool borrowingEnabled,
            bool stableBorrowRateEnabled, bool isActive, bool isFrozen
        );
    }

    /// Aave V3's address book.
    interface IAavePoolAddressesProvider {
        function getPool() external view returns (address pool);
    }

    /// Aave V3's pool; shares have 4 decimals.
    interface IAavePool {
        struct EModeCategory {
            uint16 ltv;
            uint16 liquidationThreshold;
            uint16 liquidationBonus;
            address priceSource;
            string label;
        }
        function getEModeCategoryData(uint8 category)
            external view returns (EModeCategory settings);
    }

    /// The leverage module of Morpho; `lltv` has 18 decimals.
    interface IMorphoLeverageModule {
        struct MarketParams {
            address loanToken;
            address collateralToken;
            address oracle;
            address irm;
            uint256 lltv;
        }
        function marketParams(address setToken) external view returns (MarketParams market);
    }
}

#[cfg(test)]
mod tests {
    use alloy::{
        primitives::{b256, hex},
        sol_types::{SolCall, SolEvent},
    };

    use super::ILeverageStrategyExtension as Ext;

    #[test]
    fn selectors_are_those_of_the_published_contract() {
        let check = |selector: [u8; 4], expected: [u8; 4], signature: &str| {
            assert_eq!(hex::encode(selector), hex::encode(expected), "{signature}");
        };
        macro_rules! check {
            ($($call:ident = $selector:literal),* $(,)?) => {
                $(check(Ext::$call::SELECTOR, hex!($selector), Ext::$call::SIGNATURE);)*
            };
        }
        check!(
            rebalanceCall = "41212e9e",
            iterateRebalanceCall = "6ad5e3e1",
            ripcordCall = "095f0273",
            shouldRebalanceWithBoundsCall = "89861cf9",
            shouldRebalanceCall = "ae2c1d5f",
            getCurrentLeverageRatioCall = "c31443bb",
            getChunkRebalanceNotionalCall = "7e80c93e",
            getEnabledExchangesCall = "da390480",
            twapLeverageRatioCall = "fdfb7091",
            globalLastTradeTimestampCall = "c1c7ff0c",
            getStrategyCall = "07da0603",
            getMethodologyCall = "04d7f3e7",
            getExecutionCall = "63f8cb20",
            getIncentiveCall = "dde5aa69",
            getExchangeSettingsCall = "1997789a",
            callAllowListCall = "aea6cc80",
            anyoneCallableCall = "2d158e7d",
        );
    }

    #[test]
    fn topics_are_those_of_the_published_contract() {
        assert_eq!(
            Ext::Rebalanced::SIGNATURE_HASH,
            b256!("6f55209924dba11af5ddabda4999b20d0ce3aa1847c56b67240ed1fc3590c134"),
        );
        assert_eq!(
            Ext::RebalanceIterated::SIGNATURE_HASH,
            b256!("bba909c59ebdb6de1c7e9f168dae0e8934434ce708dda9f312d6f3a1d1a50259"),
        );
        assert_eq!(
            Ext::RipcordCalled::SIGNATURE_HASH,
            b256!("3ef50471c967ac74a1fec015a5fb439eefe1994f80029752c082a26c3133c932"),
        );
    }
}
