// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// Part of the doubles: not a published contract.
///
/// The signed half of `Arithmetic`: SignedSafeMath and PreciseUnitMath with their words. Everything
/// rounds towards zero.
library SignedArithmetic {
    /// 1 in 18-decimal fixed point.
    int256 internal constant ONE = 1e18;

    function add(int256 a, int256 b) internal pure returns (int256 sum) {
        unchecked { sum = a + b; }
        require((b >= 0 && sum >= a) || (b < 0 && sum < a), "SignedSafeMath: addition overflow");
    }

    function sub(int256 a, int256 b) internal pure returns (int256 difference) {
        unchecked { difference = a - b; }
        require((b >= 0 && difference <= a) || (b < 0 && difference > a), "SignedSafeMath: subtraction overflow");
    }

    function mul(int256 a, int256 b) internal pure returns (int256 product) {
        if (a == 0) return 0;
        require(!(a == -1 && b == type(int256).min), "SignedSafeMath: multiplication overflow");
        unchecked {
            product = a * b;
            require(product / a == b, "SignedSafeMath: multiplication overflow");
        }
    }

    function div(int256 a, int256 b) internal pure returns (int256) {
        require(b != 0, "SignedSafeMath: division by zero");
        require(!(b == -1 && a == type(int256).min), "SignedSafeMath: division overflow");
        return a / b;
    }

    function neg(int256 a) internal pure returns (int256) {
        require(a > type(int256).min, "Inversion overflow");
        return -a;
    }

    function preciseMul(int256 a, int256 b) internal pure returns (int256) {
        return div(mul(a, b), ONE);
    }

    function preciseDiv(int256 a, int256 b) internal pure returns (int256) {
        return div(mul(a, ONE), b);
    }

    function abs(int256 a) internal pure returns (uint256) {
        return uint256(a >= 0 ? a : mul(a, -1));
    }

    function toInt256(uint256 a) internal pure returns (int256) {
        require(a < 2 ** 255, "SafeCast: value doesn't fit in an int256");
        return int256(a);
    }
}
