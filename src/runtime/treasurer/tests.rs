//! The file with a Safe's transfers: there while they are to be made, and no longer.

use std::fs;

use alloy::primitives::{Address, U256};

use super::*;
use crate::{
    config::{Environment, Secrets},
    finance::{runway::History, sums::DayCost},
    registry::strategies,
};

const CHAIN: &str = "chain_id = 1\nrpc = [\"http://127.0.0.1:1\"]\n";
const SAFE: &str = "treasury_safe = \"0x0000000000000000000000000000000000000009\"\n";
const PRODUCT: &str = "strategy = \"fli\"\nchain = \"local\"\n\
    [wallet]\naddress = \"0x0000000000000000000000000000000000000001\"\n\
    [params]\nextension = \"0x0000000000000000000000000000000000000002\"\n";

async fn treasurer(dir: &Path, chain: &str) -> Treasurer {
    let chain = format!("{CHAIN}{chain}");
    let config = dir.join("config");
    for (folder, file, text) in [("chains", "local", chain.as_str()), ("products", "one", PRODUCT)]
    {
        fs::create_dir_all(config.join(folder)).unwrap();
        fs::write(config.join(folder).join(format!("{file}.toml")), text).unwrap();
    }
    let nothing = Environment::default();
    let mut config = Config::load(&config, &nothing, &strategies(), Secrets::Skip).unwrap();
    config.store.path = dir.join("ballast.db");
    let store = Store::in_memory().await.unwrap();
    Treasurer::new(Arc::new(config), store, Board::default())
}

/// A wallet that costs 10 wei a day.
fn holding(balance: u64) -> Holding {
    let day = |day| DayCost { day, gas: 1, wei: U256::from(10) };
    let days: Vec<DayCost> = (0..40).map(day).collect();
    Holding {
        product: "one".into(),
        wallet: Address::repeat_byte(1),
        balance: U256::from(balance),
        least: U256::ZERO,
        history: History::new(&days, 40),
    }
}

#[tokio::test]
async fn a_file_is_there_while_a_transfer_is_missing_and_no_longer() {
    let dir = tempfile::tempdir().unwrap();
    let mut treasurer = treasurer(dir.path(), SAFE).await;
    let file = dir.path().join("top-up-local.json");
    let low = [(holding(5), true)];
    assert_eq!(treasurer.prepare(("local", true), &low, 0), Some(file.clone()));
    assert!(file.exists());
    // It is low by its file, and has enough for the dearest month: there is nothing to transfer.
    let filled = [(holding(300), true)];
    assert_eq!(treasurer.prepare(("local", true), &filled, 0), None);
    assert!(!file.exists(), "the transfer would be signed twice");
    treasurer.prepare(("local", true), &low, 0).unwrap();
    assert_eq!(treasurer.prepare(("local", false), &[(holding(300), false)], 0), None);
    assert!(!file.exists(), "what this process wrote goes whatever else is not known yet");
}

#[tokio::test]
async fn what_an_earlier_process_left_goes_once_all_balances_are_known() {
    let dir = tempfile::tempdir().unwrap();
    let mut treasurer = treasurer(dir.path(), SAFE).await;
    let file = dir.path().join("top-up-local.json");
    fs::write(&file, "old").unwrap();
    assert_eq!(treasurer.prepare(("local", false), &[], 0), None);
    assert!(file.exists());
    assert_eq!(treasurer.prepare(("local", true), &[(holding(300), true)], 0), None);
    assert!(!file.exists());
}

#[tokio::test]
async fn without_a_safe_no_file_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let mut treasurer = treasurer(dir.path(), "").await;
    let file = dir.path().join("top-up-local.json");
    fs::write(&file, "of a Safe that is not named any more").unwrap();
    assert_eq!(treasurer.prepare(("local", true), &[(holding(5), true)], 0), None);
    assert!(!file.exists());
}
