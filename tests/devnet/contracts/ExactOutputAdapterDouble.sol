// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ISwapRouter} from "./BasisInterfaces.sol";
import {PackedPath} from "./PackedPath.sol";

/// A double of Set Protocol's `UniswapV3ExchangeAdapterV2`, which swaps an exact input or for an exact
/// output: the package has only the first version, which knows exact inputs alone. Functions and
/// refusals are the real one's. It is registered under the real one's name, as basis strategies accept
/// no other.
///
/// Left out: nothing that is called. How paths are read is written anew.
contract ExactOutputAdapterDouble {
    using PackedPath for bytes;

    /// Two tokens, a fee and the flag.
    uint256 private constant SHORTEST = 44;

    address public immutable swapRouter;

    constructor(address _swapRouter) {
        swapRouter = _swapRouter;
    }

    /// With exact output the path is written from the bought token to the sold one, the source quantity is
    /// the most to sell, and the destination quantity what to buy.
    function getTradeCalldata(
        address _sourceToken,
        address _destinationToken,
        address _destinationAddress,
        uint256 _sourceQuantity,
        uint256 _destinationQuantity,
        bytes calldata _data
    ) external view returns (address, uint256, bytes memory) {
        require(_data.length >= SHORTEST, "Invalid data");
        bytes memory data = _data;
        bool exactInput = data.isExactInput();
        (address first, address last) = (data.addressAt(0), data.addressAt(data.length - 21));
        require(_sourceToken == (exactInput ? first : last), "Source token path mismatch");
        require(_destinationToken == (exactInput ? last : first), "Destination token path mismatch");
        bytes memory path = data.withoutFlag();
        bytes memory call = exactInput
            ? abi.encodeCall(
                ISwapRouter.exactInput,
                ISwapRouter.ExactInputParams(path, _destinationAddress, block.timestamp, _sourceQuantity, _destinationQuantity)
            )
            : abi.encodeCall(
                ISwapRouter.exactOutput,
                ISwapRouter.ExactOutputParams(path, _destinationAddress, block.timestamp, _destinationQuantity, _sourceQuantity)
            );
        return (swapRouter, 0, call);
    }

    function getSpender() external view returns (address) {
        return swapRouter;
    }

    function generateDataParam(address[] calldata _path, uint24[] calldata _fees, bool _fixIn)
        external
        pure
        returns (bytes memory data)
    {
        for (uint256 i = 0; i + 1 < _path.length; i++) data = abi.encodePacked(data, _path[i], _fees[i]);
        return abi.encodePacked(data, _path[_path.length - 1], _fixIn);
    }
}
