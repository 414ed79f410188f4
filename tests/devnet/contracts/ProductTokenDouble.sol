// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// A double of Set Protocol's `SetToken`, as far as a strategy and its manager ask it: a supply that
/// never changes and a manager. The published one stands behind the Compound product; its positions
/// would have to be kept in step with a lending market that is itself a double.
contract ProductTokenDouble {
    string public name;
    string public symbol;
    uint8 public constant decimals = 18;
    uint256 public immutable totalSupply;
    address public manager;

    constructor(string memory name_, string memory symbol_, uint256 supply) {
        (name, symbol, totalSupply, manager) = (name_, symbol_, supply, msg.sender);
    }

    function setManager(address manager_) external {
        require(msg.sender == manager, "Only manager can call");
        manager = manager_;
    }
}
