// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// Part of the doubles: not a published contract.
///
/// The published contracts compute with SafeMath, SafeCast and PreciseUnitMath, whose failures have
/// words. A keeper reads those, so the compiler's own checks, which fail with a code, would not do.
library Arithmetic {
    /// 1 in 18-decimal fixed point.
    uint256 internal constant ONE = 1e18;

    function add(uint256 a, uint256 b) internal pure returns (uint256 sum) {
        unchecked { sum = a + b; }
        require(sum >= a, "SafeMath: addition overflow");
    }

    function sub(uint256 a, uint256 b) internal pure returns (uint256) {
        require(b <= a, "SafeMath: subtraction overflow");
        unchecked { return a - b; }
    }

    function mul(uint256 a, uint256 b) internal pure returns (uint256 product) {
        if (a == 0) return 0;
        unchecked { product = a * b; }
        require(product / a == b, "SafeMath: multiplication overflow");
    }

    function div(uint256 a, uint256 b) internal pure returns (uint256) {
        require(b > 0, "SafeMath: division by zero");
        return a / b;
    }

    /// Rounded down, as is `preciseDiv`.
    function preciseMul(uint256 a, uint256 b) internal pure returns (uint256) {
        return div(mul(a, b), ONE);
    }

    function preciseDiv(uint256 a, uint256 b) internal pure returns (uint256) {
        return div(mul(a, ONE), b);
    }

    function toUint256(int256 a) internal pure returns (uint256) {
        require(a >= 0, "SafeCast: value must be positive");
        return uint256(a);
    }

    function min(uint256 a, uint256 b) internal pure returns (uint256) {
        return a < b ? a : b;
    }

    function max(uint256 a, uint256 b) internal pure returns (uint256) {
        return a > b ? a : b;
    }
}
