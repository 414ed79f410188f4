//! `products/*.toml`.

use super::{
    ACCOUNT, ADDRESS, ENDPOINTS,
    Fallback::{Follows, Is, Required},
    GAS_PRICE, LONG_DURATION, Schema,
    Shape::{List, Open, Secret},
    compound, key,
};

/// Expected form of amounts.
const ETHER: &str = "an amount such as \"0.5 ether\" or \"30 gwei\"";
/// Expected form of amounts in US dollars.
const USD: &str = "US dollars above 0 with at most six decimals, such as 30000 or 99.5";

/// What holds of the keys that say which kind of wallet it is.
const ONE_WALLET: &str = "exactly one of `wallet.key`, `wallet.keystore`, `wallet.aws_kms` and \
                          `wallet.address` is required";

/// `products/*.toml`.
pub(in crate::config) const PRODUCT: Schema = Schema {
    file: "products/*.toml",
    keys: &[
        key("strategy", "the name of a strategy", Required, "the kind of product"),
        key("chain", "the name of a file in chains/", Required, "the chain it lives on"),
        key(
            "category",
            "\"automated\", \"composite\", \"launch\" or \"other\"",
            Is("other"),
            "what its costs are counted to in reports",
        ),
        key(
            "cost_centre",
            ACCOUNT,
            Follows("that of its category in `[finance.cost_centres]`"),
            "its cost centre in the journal of `ballast gas report`",
        ),
        key(
            "mode",
            "\"normal\", \"delever_only\" or \"paused\"",
            Is("normal"),
            "what the keeper may do; `delever_only` sends nothing that raises the product's exposure",
        ),
        key("paused", "true or false", Is("false"), "sends nothing; wins over `ballast resume`"),
        key("dry_run", "true or false", Is("false"), "everything but the broadcast"),
        key(
            "private",
            "true or false",
            Is("false"),
            "transactions go to the chain's `private_send` only",
        ),
        key(
            "public_after",
            "a whole number from 1 to 10000, or \"never\"",
            Follows("the chain's"),
            "blocks after which a private transaction goes public too; only with `private = true`",
        ),
        compound(
            Secret,
            "wallet.key",
            "{ env = \"NAME\" } or { file = \"PATH\" }",
            Follows(ONE_WALLET),
            "the private key that signs",
        ),
        key(
            "wallet.keystore",
            "the path of a file, relative to this directory or absolute",
            Follows(ONE_WALLET),
            "the encrypted key that signs (web3 secret storage, version 3)",
        ),
        compound(
            Secret,
            "wallet.password",
            "{ env = \"NAME\" } or { file = \"PATH\" }",
            Follows("required with `wallet.keystore`"),
            "opens the keystore",
        ),
        key(
            "wallet.aws_kms",
            "a key id, ARN or alias of AWS KMS",
            Follows(ONE_WALLET),
            "the key in AWS KMS that signs",
        ),
        key(
            "wallet.address",
            ADDRESS,
            Follows(ONE_WALLET),
            "watch-only: decides and simulates from here, sends nothing",
        ),
        key(
            "limits.max_fee_per_gas",
            GAS_PRICE,
            Follows("the chain's"),
            "most that routine and prompt transactions may offer",
        ),
        key(
            "limits.max_transaction_cost",
            ETHER,
            Follows("no limit"),
            "most that a routine or prompt transaction may cost",
        ),
        key("limits.min_balance", ETHER, Follows("no warning"), "warns below this wallet balance"),
        key(
            "limits.min_runway",
            "whole days from 1day to 30days, such as \"14days\"",
            Is("14days"),
            "warns when the balance may last shorter: 95 of 100 starts in the last year's costs reach it",
        ),
        key(
            "limits.monthly_budget_usd",
            USD,
            Follows("no limit"),
            "what routine work may cost in a UTC month; needs the chain's `contracts.native_usd_feed`",
        ),
        key(
            "limits.hard_budget_usd",
            "US dollars with at most six decimals, not below limits.monthly_budget_usd",
            Follows("no limit"),
            "what everything may cost in a UTC month, emergencies included; needs the same feed",
        ),
        key(
            "limits.routine_base_fee",
            GAS_PRICE,
            Follows("routine work does not wait for a cheap block"),
            "routine work waits while the next block's base fee is above this …",
        ),
        key(
            "limits.routine_patience",
            LONG_DURATION,
            Is("6h"),
            "… and at most so long after it became due, by the blocks' time",
        ),
        key(
            "limits.act_after_blocks",
            "a whole number from 0 to 10000",
            Is("0"),
            "acts only on what is still due so many blocks later: left to another keeper with a \
             wallet of its own; 0: at once",
        ),
        compound(
            List,
            "rpc",
            ENDPOINTS,
            Follows("the chain's"),
            "endpoints of its own, shared with nobody",
        ),
        compound(
            Open,
            "params",
            "a table of the strategy's own keys",
            Follows("empty"),
            "the strategy's own, see the README of its folder",
        ),
    ],
    later: &[],
};
