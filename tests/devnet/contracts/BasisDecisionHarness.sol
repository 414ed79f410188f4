// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IAccountBalance, IBasisTradingModule, IPriceFeed, ISetToken} from "./BasisInterfaces.sol";
import {BasisStrategyDouble} from "./BasisStrategyDouble.sol";
import {IBaseManager} from "./Interfaces.sol";

/// Not a double but what one is tested with: `BasisStrategyDouble` that is everything it asks, so that
/// `tests/basis/decision.rs` can ask it about thousands of states in one call. It is never deployed; its
/// code is placed for the length of a call.
contract BasisDecisionHarness is BasisStrategyDouble {
    /// Times are seconds before the block's.
    struct State {
        int256 price;
        int256 base;
        int256 quote;
        int256 collateral;
        int256 owedRealizedPnl;
        int256 pendingFunding;
        uint256 settledFunding;
        uint256 supply;
        int256 min;
        int256 max;
        int256 incentivized;
        uint256 rebalanceInterval;
        uint256 reinvestInterval;
        uint256 minReinvestUnits;
        uint256 twapCooldown;
        uint256 incentivizedCooldown;
        int256 twap;
        uint256 sinceTrade;
        uint256 sinceReinvest;
        int256 customMin;
        int256 customMax;
    }

    /// Instead of an answer: the question was refused.
    uint8 private constant REFUSED = 255;

    State private state;

    constructor(
        IBaseManager _manager,
        ContractSettings memory _strategy,
        MethodologySettings memory _methodology,
        ExecutionSettings memory _execution,
        IncentiveSettings memory _incentive,
        ExchangeSettings memory _exchange
    ) BasisStrategyDouble(_manager, _strategy, _methodology, _execution, _incentive, _exchange) {}

    /// Per state: the ratio, what `shouldRebalance` says, and what `shouldRebalanceWithBounds` says.
    function decide(State[] calldata states)
        external
        returns (int256[] memory ratios, uint8[] memory plain, uint8[] memory bounded)
    {
        ratios = new int256[](states.length);
        plain = new uint8[](states.length);
        bounded = new uint8[](states.length);
        collateralDecimals = 6;
        strategy.setToken = ISetToken(address(this));
        strategy.basisTradingModule = IBasisTradingModule(address(this));
        strategy.perpV2AccountBalance = IAccountBalance(address(this));
        strategy.baseUSDPriceOracle = IPriceFeed(address(this));
        strategy.basePriceDecimalAdjustment = 10;
        for (uint256 i = 0; i < states.length; i++) {
            _adopt(states[i]);
            ratios[i] = this.getCurrentLeverageRatio();
            plain[i] = uint8(this.shouldRebalance());
            try this.shouldRebalanceWithBounds(states[i].customMin, states[i].customMax) returns (ShouldRebalance due) {
                bounded[i] = uint8(due);
            } catch {
                bounded[i] = REFUSED;
            }
        }
    }

    function _adopt(State calldata to) private {
        state = to;
        methodology.minLeverageRatio = to.min;
        methodology.maxLeverageRatio = to.max;
        methodology.rebalanceInterval = to.rebalanceInterval;
        methodology.reinvestInterval = to.reinvestInterval;
        methodology.minReinvestUnits = to.minReinvestUnits;
        execution.twapCooldownPeriod = to.twapCooldown;
        incentive.incentivizedLeverageRatio = to.incentivized;
        incentive.incentivizedTwapCooldownPeriod = to.incentivizedCooldown;
        twapLeverageRatio = to.twap;
        lastTradeTimestamp = block.timestamp - to.sinceTrade;
        lastReinvestTimestamp = block.timestamp - to.sinceReinvest;
    }

    /* ---------- What the double asks of others ---------- */

    function getPrice(uint256) external view returns (uint256) {
        return uint256(state.price);
    }

    function getTakerPositionSize(address, address) external view returns (int256) {
        return state.base;
    }

    function getTakerOpenNotional(address, address) external view returns (int256) {
        return state.quote;
    }

    function getAccountInfo(address) external view returns (IBasisTradingModule.AccountInfo memory) {
        return IBasisTradingModule.AccountInfo(state.collateral, state.owedRealizedPnl, state.pendingFunding, state.quote);
    }

    function settledFunding(address) external view returns (uint256) {
        return state.settledFunding;
    }

    function totalSupply() external view returns (uint256) {
        return state.supply;
    }
}
