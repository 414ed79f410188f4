// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// What the doubles call of published contracts, and of each other.

interface IERC20 {
    function approve(address spender, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
    function balanceOf(address owner) external view returns (uint256);
}

/// A Chainlink feed.
interface IFeed {
    function latestAnswer() external view returns (int256);
}

/// Index Coop's `BaseManager`: the published one stands behind the doubles too.
interface IBaseManager {
    function operator() external view returns (address);
    function interactManager(address module, bytes calldata data) external;
}

/// Set Protocol's list of adapters, and an adapter: the published ones.
interface IIntegrationRegistry {
    function getIntegrationAdapter(address module, string calldata name) external view returns (address);
}

interface IExchangeAdapter {
    function getSpender() external view returns (address);
    function getTradeCalldata(
        address from,
        address to,
        address receiver,
        uint256 fromQuantity,
        uint256 minToQuantity,
        bytes calldata data
    ) external view returns (address target, uint256 value, bytes memory callData);
}

/// A product's token.
interface IProductToken {
    function manager() external view returns (address);
    function totalSupply() external view returns (uint256);
}
