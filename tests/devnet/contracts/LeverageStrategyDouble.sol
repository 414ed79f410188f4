// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Arithmetic} from "./Arithmetic.sol";
import {IBaseManager, IProductToken} from "./Interfaces.sol";

/// A double of what Index Coop's leverage strategy extensions for Aave V2, Aave V3 and Morpho have in
/// common: functions, tuples, events, rules and refusals, in the order in which they are checked. No
/// package ships the bytecode of these three. Their older relative for Compound is published, runs on
/// the same devnet, and is what `tests/doubles.rs` holds this file against.
///
/// Left out: `disengage` and `withdrawEtherBalance`, which are an operator's.
abstract contract LeverageStrategyDouble {
    using Arithmetic for uint256;

    enum ShouldRebalance { NONE, REBALANCE, ITERATE_REBALANCE, RIPCORD }

    struct MethodologySettings {
        uint256 targetLeverageRatio;
        uint256 minLeverageRatio;
        uint256 maxLeverageRatio;
        uint256 recenteringSpeed;
        uint256 rebalanceInterval;
    }

    struct IncentiveSettings {
        uint256 etherReward;
        uint256 incentivizedLeverageRatio;
        uint256 incentivizedSlippageTolerance;
        uint256 incentivizedTwapCooldownPeriod;
    }

    struct ExchangeSettings {
        uint256 twapMaxTradeSize;
        uint256 exchangeLastTradeTimestamp;
        uint256 incentivizedTwapMaxTradeSize;
        bytes leverExchangeData;
        bytes deleverExchangeData;
    }

    /// What a variant knows of its position. Balances in base units; values and prices in a scale of
    /// the variant's own.
    struct Position {
        uint256 collateral;
        uint256 debt;
        uint256 collateralValue;
        uint256 debtValue;
        uint256 collateralPrice;
        uint256 borrowPrice;
        uint256 supply;
    }

    /// One trade to be made.
    struct Trade {
        Position position;
        uint256 ratio;
        uint256 slippageTolerance;
        uint256 maxTradeSize;
        string exchange;
    }

    event Engaged(uint256 _currentLeverageRatio, uint256 _newLeverageRatio, uint256 _chunkRebalanceNotional, uint256 _totalRebalanceNotional);
    event Rebalanced(uint256 _currentLeverageRatio, uint256 _newLeverageRatio, uint256 _chunkRebalanceNotional, uint256 _totalRebalanceNotional);
    event RebalanceIterated(uint256 _currentLeverageRatio, uint256 _newLeverageRatio, uint256 _chunkRebalanceNotional, uint256 _totalRebalanceNotional);
    event RipcordCalled(uint256 _currentLeverageRatio, uint256 _newLeverageRatio, uint256 _rebalanceNotional, uint256 _etherIncentive);
    event MethodologySettingsUpdated(uint256 _targetLeverageRatio, uint256 _minLeverageRatio, uint256 _maxLeverageRatio, uint256 _recenteringSpeed, uint256 _rebalanceInterval);
    event IncentiveSettingsUpdated(uint256 _etherReward, uint256 _incentivizedLeverageRatio, uint256 _incentivizedSlippageTolerance, uint256 _incentivizedTwapCooldownPeriod);
    event ExchangeAdded(string _exchangeName, uint256 twapMaxTradeSize, uint256 exchangeLastTradeTimestamp, uint256 incentivizedTwapMaxTradeSize, bytes leverExchangeData, bytes deleverExchangeData);
    event ExchangeUpdated(string _exchangeName, uint256 twapMaxTradeSize, uint256 exchangeLastTradeTimestamp, uint256 incentivizedTwapMaxTradeSize, bytes leverExchangeData, bytes deleverExchangeData);
    event ExchangeRemoved(string _exchangeName);
    event CallerStatusUpdated(address indexed _caller, bool _status);
    event AnyoneCallableUpdated(bool indexed _status);

    IBaseManager public manager;
    bool public anyoneCallable;
    mapping(address => bool) public callAllowList;
    string[] public enabledExchanges;
    uint256 public twapLeverageRatio;
    uint256 public globalLastTradeTimestamp;

    MethodologySettings internal methodology;
    IncentiveSettings internal incentive;
    mapping(string => ExchangeSettings) internal exchangeSettings;

    modifier onlyOperator() {
        require(msg.sender == manager.operator(), "Must be operator");
        _;
    }

    modifier onlyEOA() {
        require(msg.sender == tx.origin, "Caller must be EOA Address");
        _;
    }

    modifier onlyAllowedCaller() {
        require(anyoneCallable || callAllowList[msg.sender], "Address not permitted to call");
        _;
    }

    modifier noRebalanceInProgress() {
        require(_overridesProgress() || twapLeverageRatio == 0, "Rebalance is currently in progress");
        _;
    }

    /// The variant sets its own settings after this, and then calls `_validateSettings`.
    constructor(
        IBaseManager manager_,
        MethodologySettings memory methodology_,
        IncentiveSettings memory incentive_,
        string[] memory names,
        ExchangeSettings[] memory settings
    ) {
        (manager, methodology, incentive) = (manager_, methodology_, incentive_);
        for (uint256 i = 0; i < names.length; i++) {
            _validateExchange(settings[i]);
            exchangeSettings[names[i]] = settings[i];
            enabledExchanges.push(names[i]);
        }
    }

    receive() external payable {}

    /* ---------- Actions ---------- */

    function engage(string memory exchange) external onlyOperator {
        _enterMarket();
        Position memory position = _position();
        require(position.supply > 0, "SetToken must have > 0 supply");
        require(position.collateral > 0, "Collateral balance must be > 0");
        require(position.debt == 0, "Debt must be 0");
        uint256 target = methodology.targetLeverageRatio;
        uint256 size = exchangeSettings[exchange].twapMaxTradeSize;
        Trade memory trade = Trade(position, Arithmetic.ONE, _slippageTolerance(), size, exchange);
        (uint256 chunk, uint256 total) = _chunk(trade, target, true);
        _leverChunk(trade, chunk);
        _stamp(exchange);
        if (chunk < total) twapLeverageRatio = target;
        emit Engaged(trade.ratio, target, chunk, total);
    }

    function rebalance(string memory exchange) external onlyEOA onlyAllowedCaller {
        uint256 size = exchangeSettings[exchange].twapMaxTradeSize;
        Trade memory trade = _validated(_slippageTolerance(), size, exchange);
        _validateClock(trade.ratio, methodology.rebalanceInterval, globalLastTradeTimestamp);
        require(twapLeverageRatio == 0, "Must call iterate");
        uint256 to = _newLeverageRatio(trade.ratio);
        (uint256 chunk, uint256 total) = _tradeTowards(trade, to);
        _stamp(exchange);
        if (chunk < total) twapLeverageRatio = to;
        emit Rebalanced(trade.ratio, to, chunk, total);
    }

    function iterateRebalance(string memory exchange) external onlyEOA onlyAllowedCaller {
        ExchangeSettings storage settings = exchangeSettings[exchange];
        Trade memory trade = _validated(_slippageTolerance(), settings.twapMaxTradeSize, exchange);
        _validateClock(trade.ratio, _twapCooldownPeriod(), settings.exchangeLastTradeTimestamp);
        require(twapLeverageRatio > 0, "Not in TWAP state");
        uint256 chunk;
        uint256 total;
        // What the price has done already needs no trade, and ends the TWAP: 0 == 0.
        if (!_isOutrun(trade.ratio)) (chunk, total) = _tradeTowards(trade, twapLeverageRatio);
        _stamp(exchange);
        if (chunk == total) delete twapLeverageRatio;
        emit RebalanceIterated(trade.ratio, twapLeverageRatio, chunk, total);
    }

    function ripcord(string memory exchange) external onlyEOA {
        ExchangeSettings storage settings = exchangeSettings[exchange];
        Trade memory trade =
            _validated(incentive.incentivizedSlippageTolerance, settings.incentivizedTwapMaxTradeSize, exchange);
        require(trade.ratio >= incentive.incentivizedLeverageRatio, "Must be above incentivized leverage ratio");
        require(
            settings.exchangeLastTradeTimestamp.add(incentive.incentivizedTwapCooldownPeriod) < block.timestamp,
            "TWAP cooldown must have elapsed"
        );
        uint256 to = methodology.maxLeverageRatio;
        (uint256 chunk, ) = _chunk(trade, to, false);
        _deleverChunk(trade, chunk);
        _stamp(exchange);
        delete twapLeverageRatio;
        uint256 reward = incentive.etherReward.min(address(this).balance);
        // With 2,300 gas, as the real one pays.
        payable(msg.sender).transfer(reward);
        emit RipcordCalled(trade.ratio, to, chunk, reward);
    }

    /* ---------- Settings ---------- */

    function setMethodologySettings(MethodologySettings memory settings) external onlyOperator noRebalanceInProgress {
        methodology = settings;
        _validateSettings();
        emit MethodologySettingsUpdated(
            settings.targetLeverageRatio,
            settings.minLeverageRatio,
            settings.maxLeverageRatio,
            settings.recenteringSpeed,
            settings.rebalanceInterval
        );
    }

    function setIncentiveSettings(IncentiveSettings memory settings) external onlyOperator noRebalanceInProgress {
        incentive = settings;
        _validateSettings();
        emit IncentiveSettingsUpdated(
            settings.etherReward,
            settings.incentivizedLeverageRatio,
            settings.incentivizedSlippageTolerance,
            settings.incentivizedTwapCooldownPeriod
        );
    }

    function addEnabledExchange(string memory exchange, ExchangeSettings memory settings) external onlyOperator {
        require(exchangeSettings[exchange].twapMaxTradeSize == 0, "Exchange already enabled");
        _validateExchange(settings);
        exchangeSettings[exchange] = settings;
        exchangeSettings[exchange].exchangeLastTradeTimestamp = 0;
        enabledExchanges.push(exchange);
        emit ExchangeAdded(
            exchange,
            settings.twapMaxTradeSize,
            settings.exchangeLastTradeTimestamp,
            settings.incentivizedTwapMaxTradeSize,
            settings.leverExchangeData,
            settings.deleverExchangeData
        );
    }

    function updateEnabledExchange(string memory exchange, ExchangeSettings memory settings) external onlyOperator {
        require(exchangeSettings[exchange].twapMaxTradeSize != 0, "Exchange not enabled");
        _validateExchange(settings);
        uint256 lastTrade = exchangeSettings[exchange].exchangeLastTradeTimestamp;
        exchangeSettings[exchange] = settings;
        exchangeSettings[exchange].exchangeLastTradeTimestamp = lastTrade;
        emit ExchangeUpdated(
            exchange,
            settings.twapMaxTradeSize,
            settings.exchangeLastTradeTimestamp,
            settings.incentivizedTwapMaxTradeSize,
            settings.leverExchangeData,
            settings.deleverExchangeData
        );
    }

    function removeEnabledExchange(string memory exchange) external onlyOperator {
        require(exchangeSettings[exchange].twapMaxTradeSize != 0, "Exchange not enabled");
        delete exchangeSettings[exchange];
        bytes32 removed = keccak256(bytes(exchange));
        uint256 last = enabledExchanges.length - 1;
        for (uint256 i = 0; i < last; i++) {
            if (keccak256(bytes(enabledExchanges[i])) == removed) {
                enabledExchanges[i] = enabledExchanges[last];
                break;
            }
        }
        enabledExchanges.pop();
        emit ExchangeRemoved(exchange);
    }

    function updateCallerStatus(address[] calldata callers, bool[] calldata statuses) external onlyOperator {
        require(callers.length == statuses.length, "Array length mismatch");
        require(callers.length > 0, "Array length must be > 0");
        for (uint256 i = 0; i < callers.length; i++) {
            callAllowList[callers[i]] = statuses[i];
            emit CallerStatusUpdated(callers[i], statuses[i]);
        }
    }

    function updateAnyoneCallable(bool status) external onlyOperator {
        anyoneCallable = status;
        emit AnyoneCallableUpdated(status);
    }

    /* ---------- Views ---------- */

    function getCurrentLeverageRatio() public view returns (uint256) {
        return _ratio(_position());
    }

    function shouldRebalance() external view returns (string[] memory, ShouldRebalance[] memory) {
        return _due(methodology.minLeverageRatio, methodology.maxLeverageRatio);
    }

    function shouldRebalanceWithBounds(uint256 customMin, uint256 customMax)
        external
        view
        returns (string[] memory, ShouldRebalance[] memory)
    {
        require(
            customMin <= methodology.minLeverageRatio && customMax >= methodology.maxLeverageRatio,
            "Custom bounds must be valid"
        );
        return _due(customMin, customMax);
    }

    /// In the asset that would be sold. `>` at the ripcord line, where everything else has `>=`, is
    /// the real one's.
    function getChunkRebalanceNotional(string[] calldata exchanges)
        external
        view
        returns (uint256[] memory sizes, address sellAsset, address buyAsset)
    {
        Trade memory trade;
        trade.position = _position();
        trade.ratio = _ratio(trade.position);
        bool isRipcord = trade.ratio > incentive.incentivizedLeverageRatio;
        uint256 to = isRipcord
            ? methodology.maxLeverageRatio
            : twapLeverageRatio > 0 ? twapLeverageRatio : _newLeverageRatio(trade.ratio);
        bool isLever = to > trade.ratio;
        sizes = new uint256[](exchanges.length);
        for (uint256 i = 0; i < exchanges.length; i++) {
            ExchangeSettings storage settings = exchangeSettings[exchanges[i]];
            trade.maxTradeSize = isRipcord ? settings.incentivizedTwapMaxTradeSize : settings.twapMaxTradeSize;
            (uint256 chunk, ) = _chunk(trade, to, isLever);
            sizes[i] = isLever ? _inBorrowAsset(chunk, trade.position) : chunk;
        }
        (address collateral, address borrow) = _assets();
        (sellAsset, buyAsset) = isLever ? (borrow, collateral) : (collateral, borrow);
    }

    function getCurrentEtherIncentive() external view returns (uint256) {
        if (getCurrentLeverageRatio() < incentive.incentivizedLeverageRatio) return 0;
        return incentive.etherReward.min(address(this).balance);
    }

    function getEnabledExchanges() external view returns (string[] memory) {
        return enabledExchanges;
    }

    function getMethodology() external view returns (MethodologySettings memory) {
        return methodology;
    }

    function getIncentive() external view returns (IncentiveSettings memory) {
        return incentive;
    }

    function getExchangeSettings(string memory exchange) external view returns (ExchangeSettings memory) {
        return exchangeSettings[exchange];
    }

    /* ---------- What the variants differ in ---------- */

    function _position() internal view virtual returns (Position memory);
    function _assets() internal view virtual returns (address collateral, address borrow);
    function _slippageTolerance() internal view virtual returns (uint256);
    function _twapCooldownPeriod() internal view virtual returns (uint256);
    /// The most that the market's limits let one trade move, in collateral base units.
    function _cap(Position memory position, bool isLever) internal view virtual returns (uint256);
    /// An amount of collateral in the borrowed asset, at the variant's prices.
    function _inBorrowAsset(uint256 collateral, Position memory position) internal pure virtual returns (uint256);
    function _minRepayUnits(uint256 units, uint256 tolerance, Position memory position) internal pure virtual returns (uint256);
    function _total(uint256 gap, Trade memory trade) internal pure virtual returns (uint256);
    function _module() internal view virtual returns (address);
    function _leverCall(uint256 borrowUnits, uint256 minReceiveUnits, string memory exchange, bytes memory data) internal view virtual returns (bytes memory);
    function _deleverCall(uint256 redeemUnits, uint256 minRepayUnits, string memory exchange, bytes memory data) internal view virtual returns (bytes memory);
    function _validateExecution() internal view virtual;
    /// Whether settings may change during a TWAP.
    function _overridesProgress() internal view virtual returns (bool);
    /// Done before the first trade.
    function _enterMarket() internal virtual {}

    /* ---------- Rules ---------- */

    function _due(uint256 min, uint256 max) private view returns (string[] memory, ShouldRebalance[] memory) {
        uint256 ratio = getCurrentLeverageRatio();
        ShouldRebalance[] memory due = new ShouldRebalance[](enabledExchanges.length);
        for (uint256 i = 0; i < due.length; i++) {
            uint256 lastTrade = exchangeSettings[enabledExchanges[i]].exchangeLastTradeTimestamp;
            if (ratio >= incentive.incentivizedLeverageRatio) {
                if (lastTrade.add(incentive.incentivizedTwapCooldownPeriod) < block.timestamp) due[i] = ShouldRebalance.RIPCORD;
            } else if (twapLeverageRatio > 0) {
                if (lastTrade.add(_twapCooldownPeriod()) < block.timestamp) due[i] = ShouldRebalance.ITERATE_REBALANCE;
            } else if (
                block.timestamp.sub(globalLastTradeTimestamp) > methodology.rebalanceInterval || ratio > max || ratio < min
            ) {
                due[i] = ShouldRebalance.REBALANCE;
            }
        }
        return (enabledExchanges, due);
    }

    function _validated(uint256 tolerance, uint256 size, string memory exchange) private view returns (Trade memory) {
        require(size > 0, "Must be valid exchange");
        Position memory position = _position();
        require(position.supply > 0, "SetToken must have > 0 supply");
        require(position.collateral > 0, "Collateral balance must be > 0");
        require(position.debt > 0, "Borrow balance must exist");
        return Trade(position, _ratio(position), tolerance, size, exchange);
    }

    function _validateClock(uint256 ratio, uint256 period, uint256 lastTrade) private view {
        require(ratio < incentive.incentivizedLeverageRatio, "Must be below incentivized leverage ratio");
        require(
            block.timestamp.sub(lastTrade) > period || ratio > methodology.maxLeverageRatio || ratio < methodology.minLeverageRatio,
            "Cooldown not elapsed or not valid leverage ratio"
        );
    }

    function _isOutrun(uint256 ratio) private view returns (bool) {
        uint256 target = methodology.targetLeverageRatio;
        return (twapLeverageRatio < target && ratio >= twapLeverageRatio)
            || (twapLeverageRatio > target && ratio <= twapLeverageRatio);
    }

    function _ratio(Position memory position) private pure returns (uint256) {
        return position.collateralValue.preciseDiv(position.collateralValue.sub(position.debtValue));
    }

    function _newLeverageRatio(uint256 ratio) private view returns (uint256) {
        uint256 speed = methodology.recenteringSpeed;
        uint256 pulled = methodology.targetLeverageRatio.preciseMul(speed);
        uint256 kept = Arithmetic.ONE.sub(speed).preciseMul(ratio);
        return methodology.minLeverageRatio.max(pulled.add(kept).min(methodology.maxLeverageRatio));
    }

    function _chunk(Trade memory trade, uint256 to, bool isLever) private view returns (uint256 chunk, uint256 total) {
        uint256 gap = isLever ? to.sub(trade.ratio) : trade.ratio.sub(to);
        total = _total(gap, trade);
        chunk = _cap(trade.position, isLever).min(total).min(trade.maxTradeSize);
    }

    function _tradeTowards(Trade memory trade, uint256 to) private returns (uint256 chunk, uint256 total) {
        bool isLever = to >= trade.ratio;
        (chunk, total) = _chunk(trade, to, isLever);
        if (isLever) _leverChunk(trade, chunk);
        else _deleverChunk(trade, chunk);
    }

    function _leverChunk(Trade memory trade, uint256 chunk) private {
        uint256 units = chunk.preciseDiv(trade.position.supply);
        uint256 least = units.preciseMul(Arithmetic.ONE.sub(trade.slippageTolerance));
        bytes memory data = exchangeSettings[trade.exchange].leverExchangeData;
        manager.interactManager(_module(), _leverCall(_inBorrowAsset(units, trade.position), least, trade.exchange, data));
    }

    function _deleverChunk(Trade memory trade, uint256 chunk) private {
        uint256 units = chunk.preciseDiv(trade.position.supply);
        uint256 least = _minRepayUnits(units, trade.slippageTolerance, trade.position);
        bytes memory data = exchangeSettings[trade.exchange].deleverExchangeData;
        manager.interactManager(_module(), _deleverCall(units, least, trade.exchange, data));
    }

    function _stamp(string memory exchange) private {
        globalLastTradeTimestamp = block.timestamp;
        exchangeSettings[exchange].exchangeLastTradeTimestamp = block.timestamp;
    }

    function _validateExchange(ExchangeSettings memory settings) private pure {
        require(settings.twapMaxTradeSize != 0, "Max TWAP trade size must not be 0");
    }

    function _validateSettings() internal view {
        MethodologySettings memory m = methodology;
        require(m.minLeverageRatio <= m.targetLeverageRatio && m.minLeverageRatio > 0, "Must be valid min leverage");
        require(m.maxLeverageRatio >= m.targetLeverageRatio, "Must be valid max leverage");
        require(m.recenteringSpeed <= Arithmetic.ONE && m.recenteringSpeed > 0, "Must be valid recentering speed");
        _validateExecution();
        require(_slippageTolerance() <= Arithmetic.ONE, "Slippage tolerance must be <100%");
        require(incentive.incentivizedSlippageTolerance <= Arithmetic.ONE, "Incentivized slippage tolerance must be <100%");
        require(incentive.incentivizedLeverageRatio >= m.maxLeverageRatio, "Incentivized leverage ratio must be > max leverage ratio");
        require(m.rebalanceInterval >= _twapCooldownPeriod(), "Rebalance interval must be greater than TWAP cooldown period");
        require(
            _twapCooldownPeriod() >= incentive.incentivizedTwapCooldownPeriod,
            "TWAP cooldown must be greater than incentivized TWAP cooldown"
        );
    }
}

/// Aave V3 and Morpho let their operator change settings during a TWAP.
abstract contract OverridableDouble is LeverageStrategyDouble {
    bool public overrideNoRebalanceInProgress;

    function setOverrideNoRebalanceInProgress(bool status) external onlyOperator {
        overrideNoRebalanceInProgress = status;
    }

    function _overridesProgress() internal view override returns (bool) {
        return overrideNoRebalanceInProgress;
    }
}
