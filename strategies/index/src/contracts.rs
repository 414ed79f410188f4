//! The functions that are read: the module's, the index's, its tokens'.

use alloy::sol;

sol! {
    /// `GeneralIndexModule` of set-protocol-v2 0.1.16.
    #[derive(Debug)]
    interface IGeneralIndexModule {
        function executionInfo(address setToken, address component)
            external view returns (
                uint256 targetUnit, uint256 maxSize, uint256 coolOffPeriod,
                uint256 lastTradeTimestamp, string exchangeName, bytes exchangeData);
        function weth() external view returns (address);
    }

    /// `SetToken` of set-protocol-v2.
    #[derive(Debug)]
    interface ISetToken {
        function getComponents() external view returns (address[]);
        function getDefaultPositionRealUnit(address component) external view returns (int256);
        function positionMultiplier() external view returns (int256);
        function totalSupply() external view returns (uint256);
        function isInitializedModule(address module) external view returns (bool);
    }

    /// ERC-20 metadata.
    #[derive(Debug)]
    interface IToken {
        function symbol() external view returns (string);
        function decimals() external view returns (uint8);
    }

    /// `GIMExtension`: what the manager's operator calls.
    #[derive(Debug)]
    interface IExtension {
        function startRebalanceWithUnits(
            address[] components, uint256[] targetUnits, uint256 positionMultiplier) external;
    }
}

#[cfg(test)]
mod tests {
    use alloy::sol_types::SolCall;

    use super::*;

    #[test]
    fn selectors_are_those_of_the_deployed_contracts() {
        assert_eq!(IGeneralIndexModule::executionInfoCall::SELECTOR, [0x42, 0x1d, 0xec, 0x4d]);
        assert_eq!(IGeneralIndexModule::wethCall::SELECTOR, [0x3f, 0xc8, 0xce, 0xf3]);
        assert_eq!(IExtension::startRebalanceWithUnitsCall::SELECTOR, [0x9c, 0xe4, 0xf3, 0x89]);
    }
}
