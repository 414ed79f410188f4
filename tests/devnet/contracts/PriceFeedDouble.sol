// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// A double of a Chainlink feed's proxy, whose rounds a test sets. The mock that the package has
/// forgets all rounds but the last, and Perp averages over the rounds of a quarter of an hour.
///
/// Left out: aggregators behind the proxy and their phases, and who may set a round.
contract PriceFeedDouble {
    struct Round {
        int256 answer;
        uint256 startedAt;
    }

    uint8 public immutable decimals;
    string public description;
    uint80 public latestRound;

    mapping(uint80 => Round) private rounds;

    constructor(uint8 decimals_, string memory description_) {
        (decimals, description) = (decimals_, description_);
    }

    /// A new round, that began and was answered at this time.
    function setAnswer(int256 answer, uint256 at) external {
        latestRound++;
        rounds[latestRound] = Round(answer, at);
    }

    function latestAnswer() external view returns (int256) {
        return rounds[latestRound].answer;
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return getRoundData(latestRound);
    }

    function getRoundData(uint80 id) public view returns (uint80, int256, uint256, uint256, uint80) {
        Round storage round = rounds[id];
        require(id > 0 && id <= latestRound, "No data present");
        return (id, round.answer, round.startedAt, round.startedAt, id);
    }
}
