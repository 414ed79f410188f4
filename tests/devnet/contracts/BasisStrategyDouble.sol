// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Arithmetic} from "./Arithmetic.sol";
import {BasisSettings} from "./BasisSettings.sol";
import {IBasisTradingModule, ITradeModule} from "./BasisInterfaces.sol";
import {IBaseManager} from "./Interfaces.sol";
import {SignedArithmetic} from "./SignedArithmetic.sol";

/// A double of Index Coop's `DeltaNeutralBasisTradingStrategyExtension`, which no package ships: functions,
/// tuples, events, rules and refusals, in the order in which they are checked. It trades through the
/// published manager, modules, Perp V2 and Uniswap V3, and refusals from there reach the caller
/// unchanged.
///
/// Other than the real one it works out itself what funding is tracked and pending, which the real one
/// asks of a release of `PerpV2BasisTradingModule` that is in no package either; the sum is the same.
///
/// Left out: nothing that has been seen called.
contract BasisStrategyDouble is BasisSettings {
    using Arithmetic for uint256;
    using SignedArithmetic for int256;
    using SignedArithmetic for uint256;

    enum ShouldRebalance { NONE, REBALANCE, ITERATE_REBALANCE, RIPCORD, REINVEST }

    /// One trade to be made. Ratios and sizes are signed as the position is: negative for a short.
    struct Trade {
        Position position;
        int256 ratio;
        uint256 slippageTolerance;
        uint256 maxTradeSize;
    }

    event Engaged(int256 _currentLeverageRatio, int256 _newLeverageRatio, int256 _chunkPerpRebalanceNotional, int256 _totalPerpRebalanceNotional);
    event Rebalanced(int256 _currentLeverageRatio, int256 _newLeverageRatio, int256 _chunkPerpRebalanceNotional, int256 _totalPerpRebalanceNotional);
    event RebalanceIterated(int256 _currentLeverageRatio, int256 _newTwapLeverageRatio, int256 _chunkPerpRebalanceNotional, int256 _totalPerpRebalanceNotional);
    event RipcordCalled(int256 _currentLeverageRatio, int256 _newLeverageRatio, int256 _perpRebalanceNotional, uint256 _etherIncentive);
    event Disengaged(int256 _currentLeverageRatio, int256 _newLeverageRatio, int256 _chunkPerpRebalanceNotional, int256 _totalPerpRebalanceNotional);
    event Reinvested(uint256 _usdcReinvestedNotional, uint256 _spotRebalanceNotional);

    constructor(
        IBaseManager _manager,
        ContractSettings memory _strategy,
        MethodologySettings memory _methodology,
        ExecutionSettings memory _execution,
        IncentiveSettings memory _incentive,
        ExchangeSettings memory _exchange
    ) BasisSettings(_manager, _strategy, _methodology, _execution, _incentive, _exchange) {}

    receive() external payable {}

    /* ---------- Actions ---------- */

    function rebalance() external onlyEOA onlyAllowedCaller {
        Trade memory trade = _validated(execution.slippageTolerance, exchange.twapMaxTradeSize);
        _validateClock(trade.ratio, methodology.rebalanceInterval);
        require(twapLeverageRatio == 0, "Must call iterate");
        int256 to = _newLeverageRatio(trade.ratio);
        (int256 chunk, int256 total) = _tradeTowards(trade, to);
        _stamp(chunk, total, to);
        emit Rebalanced(trade.ratio, to, chunk, total);
    }

    function iterateRebalance() external onlyEOA onlyAllowedCaller {
        Trade memory trade = _validated(execution.slippageTolerance, exchange.twapMaxTradeSize);
        _validateClock(trade.ratio, execution.twapCooldownPeriod);
        require(twapLeverageRatio != 0, "Not in TWAP state");
        int256 chunk;
        int256 total;
        if (!_isOutrun(trade.ratio)) (chunk, total) = _tradeTowards(trade, twapLeverageRatio);
        lastTradeTimestamp = block.timestamp;
        if (chunk == total) delete twapLeverageRatio;
        // What is stored by now: 0 after the last step.
        emit RebalanceIterated(trade.ratio, twapLeverageRatio, chunk, total);
    }

    function ripcord() external onlyEOA {
        Trade memory trade = _validated(incentive.incentivizedSlippageTolerance, exchange.incentivizedTwapMaxTradeSize);
        require(trade.ratio.abs() >= incentive.incentivizedLeverageRatio.abs(), "Must be above incentivized leverage ratio");
        _validateElapsed(incentive.incentivizedTwapCooldownPeriod);
        int256 to = methodology.maxLeverageRatio;
        (int256 chunk, ) = _tradeTowards(trade, to);
        lastTradeTimestamp = block.timestamp;
        delete twapLeverageRatio;
        uint256 reward = incentive.etherReward.min(address(this).balance);
        payable(msg.sender).transfer(reward);
        emit RipcordCalled(trade.ratio, to, chunk, reward);
    }

    function reinvest() external onlyEOA onlyAllowedCaller {
        Trade memory trade = _validated(execution.slippageTolerance, exchange.twapMaxTradeSize);
        require(block.timestamp.sub(methodology.reinvestInterval) > lastReinvestTimestamp, "Reinvestment interval not elapsed");
        uint256 ratio = trade.ratio.abs();
        require(
            ratio < methodology.maxLeverageRatio.abs() && ratio > methodology.minLeverageRatio.abs(),
            "Invalid leverage ratio"
        );
        _callModule(abi.encodeCall(IBasisTradingModule.withdrawFundingAndAccrueFees, (strategy.setToken, type(uint256).max)));
        (uint256 total, uint256 spent, uint256 bought) = _reinvestment(ratio, trade.position.supply);
        require(total > 0, "Zero accrued funding");

        uint256 units = bought.preciseDiv(trade.position.supply);
        _swapSpot(units, _preciseDivUp(spent, trade.position.supply), true);
        _depositAll();
        _tradePerp(units.toInt256().neg(), trade);
        lastReinvestTimestamp = block.timestamp;
        emit Reinvested(total, bought);
    }

    /* ---------- The operator's ---------- */

    function engage() external onlyOperator {
        Trade memory trade = Trade(_position(), 0, execution.slippageTolerance, exchange.twapMaxTradeSize);
        require(
            trade.position.account.collateralBalance.preciseDiv(trade.position.supply.toInt256()) == 0,
            "PerpV2 collateral balance must be 0"
        );
        int256 to = methodology.targetLeverageRatio;
        // Of each dollar, 1 / (1 + |target|) becomes collateral and the rest spot.
        uint256 share = collateralToken.balanceOf(address(strategy.setToken)).preciseDiv(Arithmetic.ONE.add(to.abs()));
        int256 collateral = share.mul(10 ** (18 - uint256(collateralDecimals))).toInt256();
        int256 total = collateral.preciseMul(to).preciseDiv(trade.position.basePrice);
        int256 chunk = _withSign(total.abs().min(trade.maxTradeSize), total);

        int256 units = chunk.preciseDiv(trade.position.supply.toInt256());
        _swapSpot(units.abs(), _quoteBound(units.neg(), trade) / _collateralScale(), true);
        _depositAll();
        _tradePerp(units, trade);
        _stamp(chunk, total, to);
        emit Engaged(0, to, chunk, total);
    }

    function disengage() external onlyOperator {
        Trade memory trade = _validated(execution.slippageTolerance, exchange.twapMaxTradeSize);
        _validateElapsed(execution.twapCooldownPeriod);
        (int256 chunk, int256 total) = _tradeTowards(trade, 0);
        lastTradeTimestamp = block.timestamp;
        emit Disengaged(trade.ratio, 0, chunk, total);
    }

    function deposit(uint256 _collateralUnits) external onlyOperator {
        _deposit(_collateralUnits);
    }

    function withdraw(uint256 _collateralUnits) external onlyOperator {
        _withdraw(_collateralUnits);
    }

    function withdrawEtherBalance() external onlyOperator noRebalanceInProgress {
        payable(msg.sender).transfer(address(this).balance);
    }

    /* ---------- Views ---------- */

    function getCurrentLeverageRatio() public view returns (int256) {
        return _ratio(_position());
    }

    function shouldRebalance() external view returns (ShouldRebalance) {
        return _due(methodology.minLeverageRatio, methodology.maxLeverageRatio);
    }

    function shouldRebalanceWithBounds(int256 _customMinLeverageRatio, int256 _customMaxLeverageRatio)
        external
        view
        returns (ShouldRebalance)
    {
        require(
            _customMinLeverageRatio.abs() <= methodology.minLeverageRatio.abs()
                && _customMaxLeverageRatio.abs() >= methodology.maxLeverageRatio.abs(),
            "Custom bounds must be valid"
        );
        return _due(_customMinLeverageRatio, _customMaxLeverageRatio);
    }

    /// `>` at the ripcord line, where everything else has `>=`, is the real one's.
    function getChunkRebalanceNotional()
        external
        view
        returns (int256 size, address sellAssetOnPerp, address buyAssetOnPerp, address sellAssetOnDex, address buyAssetOnDex)
    {
        Trade memory trade;
        trade.position = _position();
        trade.ratio = _ratio(trade.position);
        bool isRipcord = trade.ratio.abs() > incentive.incentivizedLeverageRatio.abs();
        int256 to = isRipcord
            ? methodology.maxLeverageRatio
            : twapLeverageRatio != 0 ? twapLeverageRatio : _newLeverageRatio(trade.ratio);
        trade.maxTradeSize = isRipcord ? exchange.incentivizedTwapMaxTradeSize : exchange.twapMaxTradeSize;
        (size, ) = _chunk(trade, to);
        bool isLever = to.abs() > trade.ratio.abs();
        (address base, address quote) = (strategy.virtualBaseAddress, strategy.virtualQuoteAddress);
        (address spot, address usdc) = (strategy.spotAssetAddress, address(collateralToken));
        (sellAssetOnPerp, buyAssetOnPerp) = isLever ? (base, quote) : (quote, base);
        (sellAssetOnDex, buyAssetOnDex) = isLever ? (usdc, spot) : (spot, usdc);
    }

    function getCurrentEtherIncentive() external view returns (uint256) {
        if (getCurrentLeverageRatio().abs() < incentive.incentivizedLeverageRatio.abs()) return 0;
        return incentive.etherReward.min(address(this).balance);
    }

    /* ---------- Rules ---------- */

    function _due(int256 min, int256 max) private view returns (ShouldRebalance) {
        uint256 ratio = getCurrentLeverageRatio().abs();
        if (ratio >= incentive.incentivizedLeverageRatio.abs()) {
            return _hasElapsed(incentive.incentivizedTwapCooldownPeriod) ? ShouldRebalance.RIPCORD : ShouldRebalance.NONE;
        }
        if (twapLeverageRatio != 0) {
            return _hasElapsed(execution.twapCooldownPeriod) ? ShouldRebalance.ITERATE_REBALANCE : ShouldRebalance.NONE;
        }
        if (
            block.timestamp.sub(lastTradeTimestamp) > methodology.rebalanceInterval
                || ratio > max.abs()
                || ratio < min.abs()
        ) return ShouldRebalance.REBALANCE;
        if (block.timestamp.sub(lastReinvestTimestamp) > methodology.reinvestInterval) {
            uint256 units = (_funding() / _collateralScale()).preciseDiv(strategy.setToken.totalSupply());
            if (units >= methodology.minReinvestUnits) return ShouldRebalance.REINVEST;
        }
        return ShouldRebalance.NONE;
    }

    /// Tracked and pending funding, with 18 decimals; a loss is subtracted down to 0 and then forgotten.
    function _funding() private view returns (uint256) {
        uint256 settled = strategy.basisTradingModule.settledFunding(strategy.setToken);
        int256 pending = strategy.basisTradingModule.getAccountInfo(strategy.setToken).pendingFundingPayments;
        if (pending >= 0) return settled.add(uint256(pending));
        uint256 loss = pending.abs();
        return settled > loss ? settled - loss : 0;
    }

    function _validated(uint256 slippageTolerance, uint256 maxTradeSize) private view returns (Trade memory) {
        Position memory position = _position();
        require(position.supply > 0, "SetToken must have > 0 supply");
        int256 ratio = _ratio(position);
        require(ratio != 0, "Current leverage ratio must NOT be 0");
        return Trade(position, ratio, slippageTolerance, maxTradeSize);
    }

    function _validateClock(int256 ratio, uint256 period) private view {
        uint256 magnitude = ratio.abs();
        require(magnitude < incentive.incentivizedLeverageRatio.abs(), "Must be below incentivized leverage ratio");
        require(
            block.timestamp.sub(lastTradeTimestamp) > period
                || magnitude > methodology.maxLeverageRatio.abs()
                || magnitude < methodology.minLeverageRatio.abs(),
            "Cooldown not elapsed or not valid leverage ratio"
        );
    }

    function _validateElapsed(uint256 period) private view {
        require(_hasElapsed(period), "TWAP cooldown must have elapsed");
    }

    function _hasElapsed(uint256 period) private view returns (bool) {
        return lastTradeTimestamp.add(period) < block.timestamp;
    }

    /// The price has done the rest of a rebalance in steps, or more.
    function _isOutrun(int256 ratio) private view returns (bool) {
        (uint256 step, uint256 target) = (twapLeverageRatio.abs(), methodology.targetLeverageRatio.abs());
        return (step < target && ratio.abs() >= step) || (step > target && ratio.abs() <= step);
    }

    /// 0 when the account is worth nothing.
    function _ratio(Position memory position) private pure returns (int256) {
        int256 value = position.basePrice.preciseMul(position.base);
        int256 account = position.account.collateralBalance
            .add(position.account.owedRealizedPnl)
            .add(position.account.pendingFundingPayments)
            .add(value)
            .add(position.quote);
        return account <= 0 ? int256(0) : value.preciseDiv(account);
    }

    function _newLeverageRatio(int256 ratio) private view returns (int256) {
        uint256 speed = methodology.recenteringSpeed;
        uint256 pulled = methodology.targetLeverageRatio.abs().preciseMul(speed);
        uint256 kept = Arithmetic.ONE.sub(speed).preciseMul(ratio.abs());
        uint256 magnitude = pulled.add(kept).min(methodology.maxLeverageRatio.abs()).max(methodology.minLeverageRatio.abs());
        return ratio > 0 ? magnitude.toInt256() : magnitude.toInt256().neg();
    }

    /// Positive buys the short back, and then no more than there is spot to sell.
    function _chunk(Trade memory trade, int256 to) private view returns (int256 chunk, int256 total) {
        int256 gap = to.sub(trade.ratio);
        int256 over = trade.ratio.preciseMul(SignedArithmetic.ONE.sub(to));
        total = gap.preciseMul(trade.position.base).preciseDiv(over);
        if (total > 0) {
            uint256 spot = _unitsOf(strategy.spotAssetAddress).preciseMul(trade.position.supply);
            total = total.abs().min(spot).toInt256();
        }
        chunk = _withSign(total.abs().min(trade.maxTradeSize), total);
    }

    /// What is reinvested in all, what of it is spent on spot, and how much spot that buys. All dollars on
    /// the Set count, wherever they are from.
    function _reinvestment(uint256 ratio, uint256 supply) private returns (uint256 total, uint256 spent, uint256 bought) {
        uint256 units = _dollarUnits();
        if (units == 0) return (0, 0, 0);
        total = units.preciseMul(supply);
        spent = total.preciseMul(ratio.preciseDiv(Arithmetic.ONE.add(ratio)));
        bought = strategy.quoter.quoteExactInput(exchange.buySpotQuoteExactInputPath, spent);
    }

    /* ---------- Trades ---------- */

    function _tradeTowards(Trade memory trade, int256 to) private returns (int256 chunk, int256 total) {
        (chunk, total) = _chunk(trade, to);
        int256 units = chunk.preciseDiv(trade.position.supply.toInt256());
        uint256 dollars = _quoteBound(units.neg(), trade) / _collateralScale();
        _tradePerp(units, trade);
        if (units < 0) _withdraw(dollars);
        _swapSpot(units.abs(), dollars, units < 0);
        _depositAll();
    }

    /// What the base units may cost at most or must bring at least, by the index price: 18 decimals per Set.
    function _quoteBound(int256 baseUnits, Trade memory trade) private pure returns (uint256) {
        int256 tolerance = trade.slippageTolerance.toInt256();
        int256 factor = baseUnits > 0 ? SignedArithmetic.ONE.add(tolerance) : SignedArithmetic.ONE.sub(tolerance);
        int256 units = baseUnits > 0 ? baseUnits : baseUnits.neg();
        return Arithmetic.toUint256(units.preciseMul(trade.position.basePrice).preciseMul(factor));
    }

    function _tradePerp(int256 units, Trade memory trade) private {
        address base = strategy.virtualBaseAddress;
        _callModule(abi.encodeCall(IBasisTradingModule.tradeAndTrackFunding, (strategy.setToken, base, units, _quoteBound(units, trade))));
    }

    /// Buys exactly so much spot for at most, or sells exactly so much for at least, these dollars.
    function _swapSpot(uint256 spotUnits, uint256 dollarUnits, bool isBuy) private {
        (address spot, address usdc) = (strategy.spotAssetAddress, address(collateralToken));
        string memory name = exchange.exchangeName;
        bytes memory call = isBuy
            ? abi.encodeCall(ITradeModule.trade, (strategy.setToken, name, usdc, dollarUnits, spot, spotUnits, exchange.buyExactSpotTradeData))
            : abi.encodeCall(ITradeModule.trade, (strategy.setToken, name, spot, spotUnits, usdc, dollarUnits, exchange.sellExactSpotTradeData));
        manager.interactManager(strategy.tradeModule, call);
    }

    function _depositAll() private {
        _deposit(_dollarUnits());
    }

    function _deposit(uint256 units) private {
        _callModule(abi.encodeCall(IBasisTradingModule.deposit, (strategy.setToken, units)));
    }

    function _withdraw(uint256 units) private {
        _callModule(abi.encodeCall(IBasisTradingModule.withdraw, (strategy.setToken, units)));
    }

    function _dollarUnits() private view returns (uint256) {
        return _unitsOf(address(collateralToken));
    }

    function _unitsOf(address component) private view returns (uint256) {
        return Arithmetic.toUint256(strategy.setToken.getDefaultPositionRealUnit(component));
    }

    function _callModule(bytes memory call) private {
        manager.interactManager(address(strategy.basisTradingModule), call);
    }

    function _stamp(int256 chunk, int256 total, int256 to) private {
        lastTradeTimestamp = block.timestamp;
        if (chunk.abs() < total.abs()) twapLeverageRatio = to;
    }

    function _withSign(uint256 magnitude, int256 like) private pure returns (int256) {
        return like >= 0 ? magnitude.toInt256() : magnitude.toInt256().neg();
    }

    function _preciseDivUp(uint256 a, uint256 b) private pure returns (uint256) {
        require(b != 0, "Cant divide by 0");
        return a > 0 ? (a.mul(Arithmetic.ONE) - 1) / b + 1 : 0;
    }

    function _collateralScale() private view returns (uint256) {
        return 10 ** (18 - uint256(collateralDecimals));
    }
}
