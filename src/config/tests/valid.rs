//! Files that are right, and what becomes of them.

use std::{path::Path, time::Duration};

use alloy::primitives::{U256, address};
use ballast_chains::{
    pool::Privacy,
    profile::{CANONICAL_MULTICALL3, FeeModel, FeedsProfile, Finality},
};

use super::{CHAIN, FEED, NONE, PRODUCT, ToyParams, load};
use crate::{
    config::{Category, Limits, Mode, WalletSource},
    money::Usd,
};

const GWEI: u128 = 1_000_000_000;

#[test]
fn what_is_not_given_has_the_documented_default() {
    let config = load(&[], &NONE).unwrap();
    assert_eq!(config.store.path, Path::new("data/ballast.db"));
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:8420");

    let chain = &config.chains["mainnet"];
    assert_eq!((chain.name.as_str(), chain.chain_id), ("mainnet", 1));
    assert_eq!(chain.fee_model, FeeModel::Eip1559);
    assert_eq!(chain.block_time, Duration::from_secs(12));
    assert_eq!(chain.finality, Finality::Confirmations(12));
    assert_eq!((chain.native_symbol.as_str(), &chain.explorer), ("ETH", &None));
    assert_eq!(chain.rpc[0].url.as_str(), "http://127.0.0.1:8545/");
    assert!(chain.rpc[0].ws.is_none() && chain.rpc[0].requests_per_second.is_none());
    assert!(chain.send.is_empty() && chain.private_send.is_empty());
    assert_eq!(chain.public_after, None);
    assert_eq!(chain.request_timeout, Duration::from_secs(3));
    assert_eq!(chain.stale_after, Duration::from_mins(1));
    assert_eq!(chain.min_turn_interval, Duration::ZERO);
    assert_eq!(chain.assess_timeout, Duration::from_secs(24));
    assert_eq!((chain.chunk_gas, chain.max_lag), (30_000_000, 3));
    assert_eq!(chain.fees.max_fee_per_gas, 300 * GWEI);
    assert_eq!(chain.fees.emergency_max_fee_per_gas, 3_000 * GWEI);
    assert_eq!(chain.fees.min_priority_fee_per_gas, 0);
    assert_eq!((chain.fees.relative_cap, chain.fees.replacement_bump_bps), (5, 1_250));
    assert_eq!(chain.multicall3, CANONICAL_MULTICALL3);
    let feeds = chain.feeds;
    assert_eq!((feeds.native_usd, feeds.sequencer_uptime), (None, None));
    assert_eq!(feeds.native_usd_heartbeat, Duration::from_hours(25));
    assert_eq!(feeds.sequencer_grace, Duration::from_hours(1));
    assert_eq!(feeds, FeedsProfile::default(), "one default, wherever it is asked for");

    let product = &config.products["eth2x-fli"];
    assert_eq!((product.strategy.as_str(), product.chain.as_str()), ("toy", "mainnet"));
    assert_eq!((product.category, product.mode), (Category::Other, Mode::Normal));
    assert!(!product.paused && !product.dry_run && product.rpc.is_none());
    assert_eq!(product.privacy, Privacy::Public);
    assert_eq!(product.limits, Limits::default());
    let watched = address!("00000000000000000000000000000000000000aa");
    assert_eq!(product.wallet, WalletSource::WatchOnly(watched));
}

#[test]
fn defaults_follow_the_block_time_down_to_their_floor() {
    let chain = format!("{CHAIN}block_time = \"250ms\"\n");
    let config = load(&[("chains/mainnet.toml", &chain)], &NONE).unwrap();
    let chain = &config.chains["mainnet"];
    assert_eq!(chain.assess_timeout, Duration::from_secs(3));
    assert_eq!(chain.stale_after, Duration::from_secs(30));
}

#[test]
fn every_key_of_a_chain_is_taken() {
    let text = r#"
        chain_id = 10
        fee_model = "eip1559"
        block_time = "2s"
        finality = "safe"
        native_symbol = "ETH"
        explorer = "https://optimistic.etherscan.io"
        rpc = [
          { url = "https://a.example/x", ws = "wss://a.example", requests_per_second = 50 },
          "https://b.example",
          { env = "OPTIMISM_RPC_URL" },
        ]
        send = [{ url = "https://c.example", requests_per_second = 1 }]
        private_send = ["https://d.example", { env = "OPTIMISM_RPC_URL" }]
        public_after = 25
        request_timeout = "2s"
        stale_after = "45s"
        min_turn_interval = "1s"
        assess_timeout = "5s"
        chunk_gas = 10_000_000
        max_lag = 0
        native_usd_heartbeat = "2h"
        sequencer_grace = "0s"
        [fees]
        max_fee_per_gas = "5 gwei"
        emergency_max_fee_per_gas = "5 gwei"
        min_priority_fee_per_gas = "0.001 gwei"
        relative_cap = 1
        replacement_bump_percent = 10
        [contracts]
        multicall3 = "0xca11bde05977b3631167028862be2a173976ca12"
        native_usd_feed = "0x13e3Ee699D1909E989722E753853AE30b17e08c5"
        sequencer_uptime_feed = "0x371EAD81c9102C9BF4874A9075FFFf170F2Ee389"
    "#;
    let config = load(&[("chains/optimism.toml", text)], &NONE).unwrap();
    let chain = &config.chains["optimism"];
    assert_eq!((chain.chain_id, chain.finality), (10, Finality::Safe));
    assert_eq!((chain.private_send.len(), chain.public_after), (2, Some(25)));
    assert_eq!(chain.explorer.as_ref().unwrap().host_str(), Some("optimistic.etherscan.io"));
    assert_eq!(chain.rpc.len(), 3);
    assert_eq!(chain.rpc[0].requests_per_second.unwrap().get(), 50);
    assert_eq!(chain.rpc[0].ws.as_ref().unwrap().scheme(), "wss");
    assert_eq!(chain.send[0].url.host_str(), Some("c.example"));
    assert_eq!(chain.request_timeout, Duration::from_secs(2));
    assert_eq!(chain.stale_after, Duration::from_secs(45));
    assert_eq!(chain.min_turn_interval, Duration::from_secs(1));
    assert_eq!(chain.assess_timeout, Duration::from_secs(5));
    assert_eq!((chain.chunk_gas, chain.max_lag), (10_000_000, 0));
    assert_eq!(chain.fees.emergency_max_fee_per_gas, 5 * GWEI);
    assert_eq!(chain.fees.min_priority_fee_per_gas, 1_000_000);
    assert_eq!((chain.fees.relative_cap, chain.fees.replacement_bump_bps), (1, 1_000));
    assert_eq!(chain.multicall3, address!("ca11bde05977b3631167028862be2a173976ca12"));
    let feeds = FeedsProfile {
        native_usd: Some(address!("13e3Ee699D1909E989722E753853AE30b17e08c5")),
        native_usd_heartbeat: Duration::from_hours(2),
        sequencer_uptime: Some(address!("371EAD81c9102C9BF4874A9075FFFf170F2Ee389")),
        sequencer_grace: Duration::ZERO,
    };
    assert_eq!(chain.feeds, feeds);
}

#[test]
fn every_mode_and_a_budget_from_a_variable() {
    for (word, mode) in
        [("normal", Mode::Normal), ("delever_only", Mode::DeleverOnly), ("paused", Mode::Paused)]
    {
        let variable = [("BALLAST__PRODUCTS__ETH2X_FLI__MODE", word)];
        assert_eq!(load(&[], &variable).unwrap().products["eth2x-fli"].mode, mode);
    }
    let chain = format!("{CHAIN}{FEED}");
    let variable = [("BALLAST__PRODUCTS__ETH2X_FLI__LIMITS__MONTHLY_BUDGET_USD", "99.5")];
    let config = load(&[("chains/mainnet.toml", &chain)], &variable).unwrap();
    let budget = config.products["eth2x-fli"].limits.monthly_budget;
    assert_eq!(budget, Some(Usd::from_micro(99_500_000)));
    // The feed may come from a variable as well.
    let feed = "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419";
    let both = [variable[0], ("BALLAST__CHAINS__MAINNET__CONTRACTS__NATIVE_USD_FEED", feed)];
    assert!(load(&[], &both).is_ok());
}

#[test]
fn every_key_of_a_product_is_taken() {
    let product = format!(
        "category = \"automated\"\nmode = \"paused\"\npaused = true\ndry_run = true\n\
         rpc = [\"http://own.example\"]\n{PRODUCT}size = 5\neager = true\nlabel = \"x\"\n\
         venue = {{ fee = 3000 }}\n[limits]\nmax_fee_per_gas = \"300 gwei\"\n\
         max_transaction_cost = \"2 ether\"\nmin_balance = \"0.5 ether\"\n\
         monthly_budget_usd = 30000\nhard_budget_usd = 90000.5\nroutine_base_fee = \"40 gwei\"\n\
         routine_patience = \"30m\"\nact_after_blocks = 25\n"
    );
    let chain = format!("{CHAIN}{FEED}");
    let files = [("chains/mainnet.toml", &*chain), ("products/eth2x-fli.toml", &*product)];
    let config = load(&files, &NONE).unwrap();
    let product = &config.products["eth2x-fli"];
    assert_eq!((product.category, product.mode), (Category::Automated, Mode::Paused));
    assert!(product.paused && product.dry_run);
    assert_eq!(product.rpc.as_ref().unwrap()[0].url.host_str(), Some("own.example"));
    let ether = U256::from(1_000_000_000 * GWEI);
    assert_eq!(product.limits.max_fee_per_gas, Some(300 * GWEI));
    assert_eq!(product.limits.max_transaction_cost, Some(ether * U256::from(2)));
    assert_eq!(product.limits.min_balance, Some(ether / U256::from(2)));
    assert_eq!(product.limits.monthly_budget, Some(Usd::from_micro(30_000_000_000)));
    assert_eq!(product.limits.hard_budget, Some(Usd::from_micro(90_000_500_000)));
    assert_eq!(product.limits.routine_base_fee, Some(40 * GWEI));
    assert_eq!(product.limits.routine_patience, Duration::from_mins(30));
    assert_eq!(product.limits.act_after_blocks, 25);
    let params: ToyParams = product.params.extract().unwrap();
    assert_eq!(params.extension, address!("00000000000000000000000000000000000000bb"));
    assert_eq!((params.size, params.eager), (Some(5), Some(true)));
}

#[test]
fn a_private_product_waits_as_long_as_its_chain_says_or_it_says_itself() {
    let chain = format!("{CHAIN}private_send = [\"https://relay.example\"]\npublic_after = 25\n");
    for (lines, public_after) in [
        ("private = true\n", Some(25)),
        ("private = true\npublic_after = 3\n", Some(3)),
        ("private = true\npublic_after = \"never\"\n", None),
    ] {
        let product = format!("{lines}{PRODUCT}");
        let files =
            [("chains/mainnet.toml", chain.as_str()), ("products/eth2x-fli.toml", &product)];
        let config = load(&files, &NONE).unwrap();
        assert_eq!(config.products["eth2x-fli"].privacy, Privacy::Private { public_after });
    }
}

#[test]
fn accounts_cost_centres_and_the_safe_that_pays() {
    use crate::config::Category;
    let ballast = "[finance]\nexpense_account = 6100\nincome_account = \"4300 Rewards\"\n\
                   [finance.cost_centres]\nautomated = \"FLI\"\n";
    let chain = format!("treasury_safe = \"0xA77DE01e157f9f57C7c4A326eeE9C4874D0598b6\"\n{CHAIN}");
    let product = format!("cost_centre = \"4711\"\n{PRODUCT}[limits]\nmin_runway = \"30days\"\n");
    let files = [
        ("ballast.toml", ballast),
        ("chains/mainnet.toml", chain.as_str()),
        ("products/eth2x-fli.toml", product.as_str()),
    ];
    let config = load(&files, &NONE).unwrap();
    let accounts = &config.finance.accounts;
    assert_eq!([&accounts.expense, &accounts.wallets], ["6100", "Keeper wallets"]);
    assert_eq!(accounts.income, "4300 Rewards");
    assert_eq!(accounts.centres.get(&Category::Automated).map(String::as_str), Some("FLI"));
    assert_eq!(accounts.centres.get(&Category::Launch), None);
    let safe = config.finance.treasury_safes["mainnet"].to_string();
    assert_eq!(safe, "0xA77DE01e157f9f57C7c4A326eeE9C4874D0598b6");
    let product = &config.products["eth2x-fli"];
    assert_eq!(
        (product.cost_centre.as_deref(), product.limits.min_runway_days),
        (Some("4711"), 30)
    );
    let plain = load(&[], &NONE).unwrap();
    assert_eq!(plain.finance, crate::config::FinanceConfig::default());
    assert_eq!(plain.products["eth2x-fli"].limits.min_runway_days, 14);
}
