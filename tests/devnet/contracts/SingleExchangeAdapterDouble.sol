// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// A double of Index Coop's `FlexibleLeverageStrategyAdapter`, the strategy from before several
/// exchanges were served, whose bytecode no package ships. It does no more than answer as that one
/// does: what is due is a single word under the selector of the later list, and the actions take no
/// argument. A keeper has to notice, and leave it alone.
contract SingleExchangeAdapterDouble {
    enum ShouldRebalance { NONE, REBALANCE, ITERATE_REBALANCE, RIPCORD }

    uint256 public constant getCurrentLeverageRatio = 2.5e18;
    /// How often anybody took an action.
    uint256 public actions;

    function shouldRebalance() external pure returns (ShouldRebalance) {
        return ShouldRebalance.REBALANCE;
    }

    function shouldRebalanceWithBounds(uint256, uint256) external pure returns (ShouldRebalance) {
        return ShouldRebalance.REBALANCE;
    }

    function rebalance() external {
        actions++;
    }

    function iterateRebalance() external {
        actions++;
    }

    function ripcord() external {
        actions++;
    }
}
