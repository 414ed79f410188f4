//! Limits of product files that are wrong, and the exact lines that people get.

use super::{
    super::{CHAIN, FEED, NONE, PRODUCT, check},
    Case,
};

/// Budgets on a chain that names a price feed.
#[test]
fn budgets_are_dollars_and_the_hard_one_is_not_the_lesser() {
    let chain = format!("{CHAIN}{FEED}");
    for (limits, lines) in [
        (
            "monthly_budget_usd = 100\nhard_budget_usd = 99.999999",
            &[
                "products/eth2x-fli.toml: limits.hard_budget_usd = 99.999999: below limits.monthly_budget_usd of 100; expected US dollars with at most six decimals, not below limits.monthly_budget_usd",
            ][..],
        ),
        ("monthly_budget_usd = 100\nhard_budget_usd = 100", &[]),
        ("hard_budget_usd = 0.000001", &[]),
        (
            "monthly_budget_usd = 0\nhard_budget_usd = 0.0000001",
            &[
                "products/eth2x-fli.toml: limits.hard_budget_usd = 1e-7: expected US dollars with at most six decimals, not below limits.monthly_budget_usd",
                "products/eth2x-fli.toml: limits.monthly_budget_usd = 0: zero would forbid everything; expected US dollars above 0 with at most six decimals, such as 30000 or 99.5",
            ],
        ),
        (
            "monthly_budget_usd = \"1 USD\"\nhard_budget_usd = inf",
            &[
                "products/eth2x-fli.toml: limits.hard_budget_usd = inf: expected US dollars with at most six decimals, not below limits.monthly_budget_usd",
                "products/eth2x-fli.toml: limits.monthly_budget_usd = \"1 USD\": expected US dollars above 0 with at most six decimals, such as 30000 or 99.5",
            ],
        ),
    ] {
        let product = format!("{PRODUCT}[limits]\n{limits}\n");
        let files = [("chains/mainnet.toml", &*chain), ("products/eth2x-fli.toml", &*product)];
        check(&files, &NONE, lines);
    }
}

pub(super) const CASES: &[Case] = &[
    (
        "products/eth2x-fli.toml",
        r#"
cost_centre = """two
lines"""
@PRODUCT
[limits]
min_runway = "36h"
"#,
        &[
            r#"products/eth2x-fli.toml: cost_centre = "two\nlines": expected 1 to 80 characters on one line, such as "6100 Gas""#,
            r#"products/eth2x-fli.toml: limits.min_runway = "36h": expected whole days from 1day to 30days, such as "14days""#,
        ],
    ),
    (
        "products/eth2x-fli.toml",
        r#"
@PRODUCT
[limits]
routine_patience = "6h"
"#,
        &[
            r#"products/eth2x-fli.toml: limits.routine_patience = "6h": nothing waits; expected limits.routine_base_fee or a budget with it"#,
        ],
    ),
    (
        "products/eth2x-fli.toml",
        r#"
@PRODUCT
[limits]
max_fee_per_gas = "0 gwei"
max_transaction_cost = "0 ether"
min_balance = 1.5
monthly_budget_usd = 30000
routine_base_fee = 40
"#,
        &[
            r#"products/eth2x-fli.toml: limits.max_fee_per_gas = "0 gwei": expected a gas price of at most 1000000 gwei, such as "30 gwei""#,
            r#"products/eth2x-fli.toml: limits.max_transaction_cost = "0 ether": zero would forbid everything; expected an amount such as "0.5 ether" or "30 gwei""#,
            r#"products/eth2x-fli.toml: limits.min_balance = 1.5: the unit is missing; expected an amount such as "0.5 ether" or "30 gwei""#,
            "products/eth2x-fli.toml: limits.monthly_budget_usd = 30000: a budget needs the price of the native currency; expected contracts.native_usd_feed in chains/mainnet.toml",
            "products/eth2x-fli.toml: limits.routine_base_fee = 40: the unit is missing; expected a gas price of at most 1000000 gwei, such as \"30 gwei\"",
        ],
    ),
    (
        "products/eth2x-fli.toml",
        r#"
@PRODUCT
[limits]
monthly_budget_usd = "30000"
hard_budget_usd = -5
routine_patience = "6h"
"#,
        &[
            r#"products/eth2x-fli.toml: limits.hard_budget_usd = -5: a budget needs the price of the native currency; expected contracts.native_usd_feed in chains/mainnet.toml"#,
            r#"products/eth2x-fli.toml: limits.hard_budget_usd = -5: expected US dollars with at most six decimals, not below limits.monthly_budget_usd"#,
            r#"products/eth2x-fli.toml: limits.monthly_budget_usd = "30000": a budget needs the price of the native currency; expected contracts.native_usd_feed in chains/mainnet.toml"#,
            r#"products/eth2x-fli.toml: limits.monthly_budget_usd = "30000": expected US dollars above 0 with at most six decimals, such as 30000 or 99.5"#,
        ],
    ),
    (
        "products/eth2x-fli.toml",
        r#"
@PRODUCT
[limits]
routine_base_fee = "40 gwei"
routine_patience = "1h 500ms"
act_after_blocks = -1
"#,
        &[
            r#"products/eth2x-fli.toml: limits.act_after_blocks = -1: expected a whole number from 0 to 10000"#,
            r#"products/eth2x-fli.toml: limits.routine_patience = "1h 500ms": expected a duration from 1s to 30days, such as "6h""#,
        ],
    ),
    (
        "products/eth2x-fli.toml",
        r#"
@PRODUCT
[limits]
max_fee = "30 gwei"
min_balance = "5"
"#,
        &[
            r#"products/eth2x-fli.toml: limits.max_fee = "30 gwei": unknown key; expected one of: max_fee_per_gas, max_transaction_cost, min_balance, …"#,
            r#"products/eth2x-fli.toml: limits.min_balance = "5": the unit is missing; expected an amount such as "0.5 ether" or "30 gwei""#,
        ],
    ),
];
