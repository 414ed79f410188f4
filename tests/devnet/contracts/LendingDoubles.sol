// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Arithmetic} from "./Arithmetic.sol";
import {IERC20, IExchangeAdapter, IIntegrationRegistry, IProductToken} from "./Interfaces.sol";

/// Doubles of Set Protocol's leverage modules for Aave and Morpho, and of the lending markets behind
/// them. No package ships the bytecode of the Aave V3 and Morpho ones, nor of the markets.
///
/// What is real: who may call, the units, the refusals, and the trade, which goes through the
/// published adapters to the published exchanges and so meets fees, price impact and slippage.
/// What is not: the market lends whatever it is asked for, against no collateral factor of its own,
/// from a purse that this contract holds; there is no interest; and a delever that yields more than
/// is owed keeps the rest.
abstract contract LeverageModuleDouble {
    using Arithmetic for uint256;

    IERC20 public immutable collateralAsset;
    IERC20 public immutable borrowAsset;
    IIntegrationRegistry private immutable registry;
    /// The module under which the adapters are registered.
    address private immutable registeredModule;

    /// What a product owns and owes here, in base units.
    mapping(address => uint256) public collateralOf;
    mapping(address => uint256) public debtOf;

    constructor(IERC20 collateral, IERC20 borrow, IIntegrationRegistry registry_, address module) {
        (collateralAsset, borrowAsset, registry, registeredModule) = (collateral, borrow, registry_, module);
    }

    /// Only for setting up: gives a product its collateral out of the caller's.
    function deposit(address setToken, uint256 amount) external {
        collateralAsset.transferFrom(msg.sender, address(this), amount);
        collateralOf[setToken] += amount;
    }

    function _lever(
        address setToken,
        uint256 borrowUnits,
        uint256 minReceiveUnits,
        string memory exchange,
        bytes memory data
    ) internal onlyManager(setToken) {
        uint256 supply = IProductToken(setToken).totalSupply();
        uint256 borrowed = borrowUnits.preciseMul(supply);
        uint256 least = minReceiveUnits.preciseMul(supply);
        uint256 bought = _trade(borrowAsset, collateralAsset, borrowed, least, exchange, data);
        debtOf[setToken] = debtOf[setToken].add(borrowed);
        collateralOf[setToken] = collateralOf[setToken].add(bought);
    }

    function _delever(
        address setToken,
        uint256 redeemUnits,
        uint256 minRepayUnits,
        string memory exchange,
        bytes memory data
    ) internal onlyManager(setToken) {
        uint256 supply = IProductToken(setToken).totalSupply();
        uint256 redeemed = redeemUnits.preciseMul(supply);
        uint256 least = minRepayUnits.preciseMul(supply);
        uint256 repaid = _trade(collateralAsset, borrowAsset, redeemed, least, exchange, data);
        collateralOf[setToken] = collateralOf[setToken].sub(redeemed);
        debtOf[setToken] = debtOf[setToken].sub(repaid.min(debtOf[setToken]));
    }

    /// Sells by the adapter's own calldata, as a SetToken does.
    function _trade(
        IERC20 sold,
        IERC20 bought,
        uint256 quantity,
        uint256 least,
        string memory exchange,
        bytes memory data
    ) private returns (uint256 received) {
        require(quantity > 0, "Quantity is 0");
        address found = registry.getIntegrationAdapter(registeredModule, exchange);
        require(found != address(0), "Must be valid adapter");
        IExchangeAdapter adapter = IExchangeAdapter(found);
        (address target, uint256 value, bytes memory callData) =
            adapter.getTradeCalldata(address(sold), address(bought), address(this), quantity, least, data);
        sold.approve(adapter.getSpender(), quantity);
        uint256 before = bought.balanceOf(address(this));
        (bool done, bytes memory answer) = target.call{value: value}(callData);
        if (!done) {
            // With the exchange's own words.
            assembly { revert(add(answer, 32), mload(answer)) }
        }
        received = bought.balanceOf(address(this)) - before;
        require(received >= least, "Slippage too high");
    }

    modifier onlyManager(address setToken) {
        require(msg.sender == IProductToken(setToken).manager(), "Must be the SetToken manager");
        _;
    }
}

/// `AaveLeverageModule` and `AaveV3LeverageModule`: the assets travel with every call.
contract AaveLeverageModuleDouble is LeverageModuleDouble {
    /// What a product counts its collateral and its debt with.
    AaveTokenDouble public immutable aToken;
    AaveTokenDouble public immutable debtToken;
    mapping(address => uint8) public eModeCategoryOf;

    constructor(IERC20 collateral, IERC20 borrow, IIntegrationRegistry registry, address module)
        LeverageModuleDouble(collateral, borrow, registry, module)
    {
        aToken = new AaveTokenDouble(false);
        debtToken = new AaveTokenDouble(true);
    }

    function lever(
        address setToken,
        address borrow,
        address collateral,
        uint256 borrowUnits,
        uint256 minReceiveUnits,
        string calldata exchange,
        bytes calldata data
    ) external {
        _validate(collateral, borrow);
        _lever(setToken, borrowUnits, minReceiveUnits, exchange, data);
    }

    function delever(
        address setToken,
        address collateral,
        address repay,
        uint256 redeemUnits,
        uint256 minRepayUnits,
        string calldata exchange,
        bytes calldata data
    ) external {
        _validate(collateral, repay);
        _delever(setToken, redeemUnits, minRepayUnits, exchange, data);
    }

    /// Aave V3 only.
    function setEModeCategory(address setToken, uint8 category) external onlyManager(setToken) {
        eModeCategoryOf[setToken] = category;
    }

    function _validate(address collateral, address borrow) private view {
        require(collateral == address(collateralAsset), "Collateral not enabled");
        require(borrow == address(borrowAsset), "Borrow not enabled");
    }
}

/// An aToken or a variable debt token of Aave, as far as a strategy and a keeper ask it.
contract AaveTokenDouble {
    LeverageModuleDouble private immutable books;
    bool private immutable isDebt;

    constructor(bool isDebt_) {
        (books, isDebt) = (LeverageModuleDouble(msg.sender), isDebt_);
    }

    function balanceOf(address account) external view returns (uint256) {
        return isDebt ? books.debtOf(account) : books.collateralOf(account);
    }
}

/// `MorphoLeverageModule`: one market per product, so no call names an asset.
contract MorphoLeverageModuleDouble is LeverageModuleDouble {
    /// Morpho's own tuple.
    struct MarketParams {
        address loanToken;
        address collateralToken;
        address oracle;
        address irm;
        uint256 lltv;
    }

    address private immutable oracle;
    uint256 private immutable lltv;

    constructor(
        IERC20 collateral,
        IERC20 borrow,
        IIntegrationRegistry registry,
        address module,
        address oracle_,
        uint256 lltv_
    ) LeverageModuleDouble(collateral, borrow, registry, module) {
        (oracle, lltv) = (oracle_, lltv_);
    }

    function lever(
        address setToken,
        uint256 borrowUnits,
        uint256 minReceiveUnits,
        string calldata exchange,
        bytes calldata data
    ) external {
        _lever(setToken, borrowUnits, minReceiveUnits, exchange, data);
    }

    function delever(
        address setToken,
        uint256 redeemUnits,
        uint256 minRepayUnits,
        string calldata exchange,
        bytes calldata data
    ) external {
        _delever(setToken, redeemUnits, minRepayUnits, exchange, data);
    }

    /// Nothing to enter: `deposit` has put the collateral into the market already.
    function enterCollateralPosition(address setToken) external onlyManager(setToken) {}

    function marketParams(address) external view returns (MarketParams memory) {
        return MarketParams(address(borrowAsset), address(collateralAsset), oracle, address(0), lltv);
    }

    function getCollateralAndBorrowBalances(address setToken)
        external
        view
        returns (uint256 collateral, uint256 borrow, uint256 borrowShares)
    {
        (collateral, borrow) = (collateralOf[setToken], debtOf[setToken]);
        // Without interest a share is a base unit.
        borrowShares = borrow;
    }
}
