// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// Part of the doubles: not a published contract.
///
/// Reads what trades on Uniswap V3 are described with: 20 bytes of token, 3 of fee, 20 of token, and
/// so on, for the exchange adapter with one more byte that says whether the input is what is exact.
library PackedPath {
    function addressAt(bytes memory data, uint256 start) internal pure returns (address found) {
        require(start + 20 <= data.length, "toAddress_outOfBounds");
        assembly { found := shr(96, mload(add(add(data, 32), start))) }
    }

    /// The last byte, which says whether the input is exact.
    function isExactInput(bytes memory data) internal pure returns (bool) {
        uint8 flag = uint8(data[data.length - 1]);
        require(flag <= 1, "Invalid bool data");
        return flag == 1;
    }

    /// Everything but the last byte.
    function withoutFlag(bytes memory data) internal pure returns (bytes memory path) {
        path = new bytes(data.length - 1);
        for (uint256 i = 0; i < path.length; i++) path[i] = data[i];
    }
}
