//! `[fees]` and addresses of chain files that are wrong, and the exact lines that people get.

use super::Case;

pub(super) const CASES: &[Case] = &[
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
fees = 5
contracts = []
"#,
        &[
            "chains/mainnet.toml: contracts = []: expected a table [contracts]",
            "chains/mainnet.toml: fees = 5: expected a table [fees]",
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
[fees]
max_fee_per_gas = "30 gwie"
emergency_max_fee_per_gas = 50
min_priority_fee_per_gas = "0.0000000001 gwei"
relative_cap = 0
replacement_bump_percent = 9.99
"#,
        &[
            "chains/mainnet.toml: fees.emergency_max_fee_per_gas = 50: the unit is missing; expected a gas price of at most 1000000 gwei, not below fees.max_fee_per_gas",
            r#"chains/mainnet.toml: fees.max_fee_per_gas = "30 gwie": expected a gas price of at most 1000000 gwei, such as "30 gwei""#,
            r#"chains/mainnet.toml: fees.min_priority_fee_per_gas = "0.0000000001 gwei": expected a gas price not above fees.max_fee_per_gas, such as "0.001 gwei""#,
            "chains/mainnet.toml: fees.relative_cap = 0: expected a whole number from 1 to 1000",
            "chains/mainnet.toml: fees.replacement_bump_percent = 9.99: expected a percentage from 10 to 100 with at most two decimals, such as 12.5",
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
[fees]
max_fee_per_gas = "30 gwei"
emergency_max_fee_per_gas = "20 gwei"
min_priority_fee_per_gas = "31 gwei"
relative_cap = 2.5
replacement_bump_percent = 12.505
"#,
        &[
            r#"chains/mainnet.toml: fees.emergency_max_fee_per_gas = "20 gwei": below fees.max_fee_per_gas of 30000000000 wei; expected a gas price of at most 1000000 gwei, not below fees.max_fee_per_gas"#,
            r#"chains/mainnet.toml: fees.min_priority_fee_per_gas = "31 gwei": above fees.max_fee_per_gas of 30000000000 wei; expected a gas price not above fees.max_fee_per_gas, such as "0.001 gwei""#,
            "chains/mainnet.toml: fees.relative_cap = 2.5: expected a whole number from 1 to 1000",
            "chains/mainnet.toml: fees.replacement_bump_percent = 12.505: expected a percentage from 10 to 100 with at most two decimals, such as 12.5",
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
[fees]
max_fee_per_gas = "30 ether"
replacement_bump_percent = nan
max_gas = "1 gwei"
"#,
        &[
            r#"chains/mainnet.toml: fees.max_fee_per_gas = "30 ether": expected a gas price of at most 1000000 gwei, such as "30 gwei""#,
            r#"chains/mainnet.toml: fees.max_gas = "1 gwei": unknown key; expected one of: max_fee_per_gas, emergency_max_fee_per_gas, …"#,
            "chains/mainnet.toml: fees.replacement_bump_percent = NaN: expected a percentage from 10 to 100 with at most two decimals, such as 12.5",
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
treasury_safe = "0x0000000000000000000000000000000000000000"
@CHAIN
"#,
        &[
            r#"chains/mainnet.toml: treasury_safe = "0x0000000000000000000000000000000000000000": the zero address is nobody's; expected an address: 0x and 40 hexadecimal digits, with EIP-55 checksum or all in lower case"#,
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
treasury_safe = "0xA77DE01e157f9f57C7c4A326eeE9C4874D0598B6"
@CHAIN
"#,
        &[
            r#"chains/mainnet.toml: treasury_safe = "0xA77DE01e157f9f57C7c4A326eeE9C4874D0598B6": the EIP-55 checksum is wrong, so a digit may be too; expected an address: 0x and 40 hexadecimal digits, with EIP-55 checksum or all in lower case"#,
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
[contracts]
multicall3 = "0xcA11bde05977b3631167028862bE2a173976CA12"
native_usd_feed = "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b841A"
sequencer_uptime_feed = "0x0000000000000000000000000000000000000000"
"#,
        &[
            r#"chains/mainnet.toml: contracts.multicall3 = "0xcA11bde05977b3631167028862bE2a173976CA12": the EIP-55 checksum is wrong, so a digit may be too; expected an address: 0x and 40 hexadecimal digits, with EIP-55 checksum or all in lower case"#,
            r#"chains/mainnet.toml: contracts.native_usd_feed = "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b841A": the EIP-55 checksum is wrong, so a digit may be too; expected an address: 0x and 40 hexadecimal digits, with EIP-55 checksum or all in lower case"#,
            r#"chains/mainnet.toml: contracts.sequencer_uptime_feed = "0x0000000000000000000000000000000000000000": the zero address is nobody's; expected an address: 0x and 40 hexadecimal digits, with EIP-55 checksum or all in lower case"#,
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
native_usd_heartbeat = "1h"
sequencer_grace = "0s"
@CHAIN
"#,
        &[
            r#"chains/mainnet.toml: native_usd_heartbeat = "1h": contracts.native_usd_feed is missing; expected both or neither"#,
            r#"chains/mainnet.toml: sequencer_grace = "0s": contracts.sequencer_uptime_feed is missing; expected both or neither"#,
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
native_usd_heartbeat = "0s"
sequencer_grace = "90d"
@CHAIN
[contracts]
native_usd_feed = "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419"
sequencer_uptime_feed = "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419"
"#,
        &[
            r#"chains/mainnet.toml: native_usd_heartbeat = "0s": expected a duration from 1s to 30days, such as "6h""#,
            r#"chains/mainnet.toml: sequencer_grace = "90d": expected a duration from 0s to 30days, such as "1h""#,
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
[contracts]
multicall3 = "0x12"
"#,
        &[
            r#"chains/mainnet.toml: contracts.multicall3 = "0x12": expected an address: 0x and 40 hexadecimal digits, with EIP-55 checksum or all in lower case"#,
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
[contracts]
multicall3 = "0x0000000000000000000000000000000000000000"
"#,
        &[
            r#"chains/mainnet.toml: contracts.multicall3 = "0x0000000000000000000000000000000000000000": the zero address is nobody's; expected an address: 0x and 40 hexadecimal digits, with EIP-55 checksum or all in lower case"#,
        ],
    ),
];
