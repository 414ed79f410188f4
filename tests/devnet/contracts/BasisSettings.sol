// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Arithmetic} from "./Arithmetic.sol";
import {IAccountBalance, IBasisTradingModule, ICollateralToken, IPriceFeed, IQuoter, ISetToken} from "./BasisInterfaces.sol";
import {IBaseManager} from "./Interfaces.sol";
import {PackedPath} from "./PackedPath.sol";
import {SignedArithmetic} from "./SignedArithmetic.sol";

/// The part of `BasisStrategyDouble` that is not about trading: settings and who may change them, who
/// may call, and the reading of the position.
abstract contract BasisSettings {
    using Arithmetic for uint256;
    using PackedPath for bytes;
    using SignedArithmetic for int256;

    struct ContractSettings {
        ISetToken setToken;
        IBasisTradingModule basisTradingModule;
        address tradeModule;
        IQuoter quoter;
        IAccountBalance perpV2AccountBalance;
        IPriceFeed baseUSDPriceOracle;
        uint256 twapInterval;
        uint256 basePriceDecimalAdjustment;
        address virtualBaseAddress;
        address virtualQuoteAddress;
        address spotAssetAddress;
    }

    struct MethodologySettings {
        int256 targetLeverageRatio;
        int256 minLeverageRatio;
        int256 maxLeverageRatio;
        uint256 recenteringSpeed;
        uint256 rebalanceInterval;
        uint256 reinvestInterval;
        uint256 minReinvestUnits;
    }

    struct ExecutionSettings {
        uint256 slippageTolerance;
        uint256 twapCooldownPeriod;
    }

    struct IncentiveSettings {
        uint256 etherReward;
        int256 incentivizedLeverageRatio;
        uint256 incentivizedSlippageTolerance;
        uint256 incentivizedTwapCooldownPeriod;
    }

    struct ExchangeSettings {
        string exchangeName;
        bytes buyExactSpotTradeData;
        bytes sellExactSpotTradeData;
        bytes buySpotQuoteExactInputPath;
        uint256 twapMaxTradeSize;
        uint256 incentivizedTwapMaxTradeSize;
    }

    /// What is known of the position: 18 decimals throughout.
    struct Position {
        int256 basePrice;
        int256 base;
        int256 quote;
        uint256 supply;
        IBasisTradingModule.AccountInfo account;
    }

    event MethodologySettingsUpdated(int256 _targetLeverageRatio, int256 _minLeverageRatio, int256 _maxLeverageRatio, uint256 _recenteringSpeed, uint256 _rebalanceInterval, uint256 _reinvestInterval, uint256 _minReinvestUnits);
    event ExecutionSettingsUpdated(uint256 _twapCooldownPeriod, uint256 _slippageTolerance);
    event IncentiveSettingsUpdated(uint256 _etherReward, int256 _incentivizedLeverageRatio, uint256 _incentivizedSlippageTolerance, uint256 _incentivizedTwapCooldownPeriod);
    event ExchangeSettingsUpdated(string _exchangeName, bytes _buyExactSpotTradeData, bytes _sellExactSpotTradeData, bytes _buySpotQuoteExactInputPath, uint256 _twapMaxTradeSize, uint256 _incentivizedTwapMaxTradeSize);
    event CallerStatusUpdated(address indexed _caller, bool _status);
    event AnyoneCallableUpdated(bool indexed _status);

    /// The only adapter that takes both kinds of trade data.
    string private constant EXCHANGE = "UniswapV3ExchangeAdapterV2";
    /// Two tokens and a fee, and the same with the adapter's flag.
    uint256 private constant SHORTEST_PATH = 43;
    uint256 private constant SHORTEST_DATA = 44;

    IBaseManager public manager;
    bool public anyoneCallable;
    mapping(address => bool) public callAllowList;
    int256 public twapLeverageRatio;
    uint256 public lastTradeTimestamp;
    uint256 public lastReinvestTimestamp;

    ContractSettings internal strategy;
    MethodologySettings internal methodology;
    ExecutionSettings internal execution;
    IncentiveSettings internal incentive;
    ExchangeSettings internal exchange;
    ICollateralToken internal collateralToken;
    uint8 internal collateralDecimals;

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
        require(twapLeverageRatio == 0, "Rebalance is currently in progress");
        _;
    }

    /// The first reinvestment is an interval after deployment.
    constructor(
        IBaseManager _manager,
        ContractSettings memory _strategy,
        MethodologySettings memory _methodology,
        ExecutionSettings memory _execution,
        IncentiveSettings memory _incentive,
        ExchangeSettings memory _exchange
    ) {
        (manager, strategy, methodology) = (_manager, _strategy, _methodology);
        (execution, incentive, exchange) = (_execution, _incentive, _exchange);
        collateralToken = ICollateralToken(_strategy.basisTradingModule.collateralToken());
        collateralDecimals = collateralToken.decimals();
        _validateExchange(_exchange);
        _validateSettings();
        lastReinvestTimestamp = block.timestamp;
    }

    /* ---------- The operator's ---------- */

    function setMethodologySettings(MethodologySettings memory _newMethodologySettings) external onlyOperator noRebalanceInProgress {
        methodology = _newMethodologySettings;
        _validateSettings();
        MethodologySettings memory m = _newMethodologySettings;
        emit MethodologySettingsUpdated(
            m.targetLeverageRatio, m.minLeverageRatio, m.maxLeverageRatio, m.recenteringSpeed, m.rebalanceInterval, m.reinvestInterval, m.minReinvestUnits
        );
    }

    function setExecutionSettings(ExecutionSettings memory _newExecutionSettings) external onlyOperator noRebalanceInProgress {
        execution = _newExecutionSettings;
        _validateSettings();
        emit ExecutionSettingsUpdated(_newExecutionSettings.twapCooldownPeriod, _newExecutionSettings.slippageTolerance);
    }

    function setIncentiveSettings(IncentiveSettings memory _newIncentiveSettings) external onlyOperator noRebalanceInProgress {
        incentive = _newIncentiveSettings;
        _validateSettings();
        IncentiveSettings memory i = _newIncentiveSettings;
        emit IncentiveSettingsUpdated(i.etherReward, i.incentivizedLeverageRatio, i.incentivizedSlippageTolerance, i.incentivizedTwapCooldownPeriod);
    }

    /// Allowed during a rebalance in steps, unlike the other three.
    function setExchangeSettings(ExchangeSettings memory _newExchangeSettings) external onlyOperator {
        _validateExchange(_newExchangeSettings);
        exchange = _newExchangeSettings;
        ExchangeSettings memory e = _newExchangeSettings;
        emit ExchangeSettingsUpdated(
            e.exchangeName, e.buyExactSpotTradeData, e.sellExactSpotTradeData, e.buySpotQuoteExactInputPath, e.twapMaxTradeSize, e.incentivizedTwapMaxTradeSize
        );
    }

    function updateCallerStatus(address[] calldata _callers, bool[] calldata _statuses) external onlyOperator {
        require(_callers.length == _statuses.length, "Array length mismatch");
        require(_callers.length > 0, "Array length must be > 0");
        for (uint256 i = 0; i < _callers.length; i++) {
            for (uint256 j = 0; j < i; j++) require(_callers[i] != _callers[j], "Cannot duplicate callers");
        }
        for (uint256 i = 0; i < _callers.length; i++) {
            callAllowList[_callers[i]] = _statuses[i];
            emit CallerStatusUpdated(_callers[i], _statuses[i]);
        }
    }

    function updateAnyoneCallable(bool _status) external onlyOperator {
        anyoneCallable = _status;
        emit AnyoneCallableUpdated(_status);
    }

    /* ---------- Views ---------- */

    function getStrategy() external view returns (ContractSettings memory) {
        return strategy;
    }

    function getMethodology() external view returns (MethodologySettings memory) {
        return methodology;
    }

    function getExecution() external view returns (ExecutionSettings memory) {
        return execution;
    }

    function getIncentive() external view returns (IncentiveSettings memory) {
        return incentive;
    }

    function getExchangeSettings() external view returns (ExchangeSettings memory) {
        return exchange;
    }

    /// The price is the index for both legs, whatever either market says.
    function _position() internal view returns (Position memory position) {
        uint256 price = strategy.baseUSDPriceOracle.getPrice(strategy.twapInterval);
        position.basePrice = SignedArithmetic.toInt256(price.mul(10 ** strategy.basePriceDecimalAdjustment));
        address set = address(strategy.setToken);
        position.base = strategy.perpV2AccountBalance.getTakerPositionSize(set, strategy.virtualBaseAddress);
        position.quote = strategy.perpV2AccountBalance.getTakerOpenNotional(set, strategy.virtualBaseAddress);
        position.account = strategy.basisTradingModule.getAccountInfo(strategy.setToken);
        position.supply = strategy.setToken.totalSupply();
    }

    /* ---------- What settings are refused ---------- */

    function _validateSettings() private view {
        MethodologySettings memory m = methodology;
        IncentiveSettings memory i = incentive;
        uint256 target = m.targetLeverageRatio.abs();
        uint256 max = m.maxLeverageRatio.abs();
        require(m.minLeverageRatio < 0 && m.minLeverageRatio.abs() <= target, "Must be valid min leverage");
        require(m.maxLeverageRatio < 0 && max >= target, "Must be valid max leverage");
        require(m.targetLeverageRatio < 0, "Must be valid target leverage");
        require(m.recenteringSpeed <= Arithmetic.ONE && m.recenteringSpeed > 0, "Must be valid recentering speed");
        require(m.minReinvestUnits > 0, "Must be valid min reinvest units");
        require(execution.slippageTolerance <= Arithmetic.ONE, "Slippage tolerance must be <100%");
        require(i.incentivizedSlippageTolerance <= Arithmetic.ONE, "Incentivized slippage tolerance must be <100%");
        require(i.incentivizedLeverageRatio < 0, "Must be valid incentivized leverage ratio");
        require(i.incentivizedLeverageRatio.abs() >= max, "Incentivized leverage ratio must be > max leverage ratio");
        uint256 cooldown = execution.twapCooldownPeriod;
        require(m.rebalanceInterval >= cooldown, "Rebalance interval must be greater than TWAP cooldown period");
        require(cooldown >= i.incentivizedTwapCooldownPeriod, "TWAP cooldown must be greater than incentivized TWAP cooldown");
    }

    function _validateExchange(ExchangeSettings memory e) private view {
        require(keccak256(bytes(e.exchangeName)) == keccak256(bytes(EXCHANGE)), "Invalid exchange name");
        require(e.twapMaxTradeSize != 0, "Max TWAP trade size must not be 0");
        require(
            e.twapMaxTradeSize <= e.incentivizedTwapMaxTradeSize,
            "Max TWAP trade size must not be greater than incentivized max TWAP trade size"
        );
        bytes memory buy = e.buyExactSpotTradeData;
        require(_isTradeData(buy) && !buy.isExactInput(), "Invalid buyExactSpotTradeData data");
        bytes memory sell = e.sellExactSpotTradeData;
        require(_isTradeData(sell) && sell.isExactInput(), "Invalid sellExactSpotTradeData data");
        bytes memory path = e.buySpotQuoteExactInputPath;
        require(
            path.length >= SHORTEST_PATH
                && path.addressAt(0) == address(collateralToken)
                && path.addressAt(path.length - 20) == strategy.spotAssetAddress,
            "Invalid buySpotQuoteExactInputPath data"
        );
    }

    /// From spot to dollars in both directions, since exact outputs are written backwards.
    function _isTradeData(bytes memory data) private view returns (bool) {
        return data.length >= SHORTEST_DATA
            && data.addressAt(0) == strategy.spotAssetAddress
            && data.addressAt(data.length - 21) == address(collateralToken);
    }
}
