//! The books follow the journal: what it says of costs and failures, and what an operator forgave.

use alloy::primitives::{B256, U256};
use ballast_chains::{ChainProfile, profile::EndpointProfile, testkit};
use std::time::Duration;

use super::*;
use crate::{
    config::Limits,
    store::{JournalRow, Statement},
};

const PRODUCT: &str = "eth2x";
/// In November 2026.
const NOW: u64 = 1_795_000_000;

/// A pool that reaches nobody: the books do without it as long as they can.
fn pool() -> Pool {
    drop(rustls::crypto::ring::default_provider().install_default());
    let nobody = EndpointProfile {
        url: "http://127.0.0.1:1".parse().unwrap(),
        ws: None,
        requests_per_second: None,
        archive: false,
    };
    Pool::new(&ChainProfile { rpc: vec![nobody], ..profile() }).unwrap()
}

fn profile() -> ChainProfile {
    ChainProfile { request_timeout: Duration::from_millis(50), ..testkit::profile() }
}

/// The head of that number, whose hash is that of a row's block.
fn head(number: u64) -> Head {
    Head {
        number,
        hash: B256::from(U256::from(number)),
        parent: B256::ZERO,
        timestamp: NOW + number,
        base_fee_per_gas: None,
        gas_limit: 0,
        gas_used: 0,
    }
}

fn price(dollars: u64) -> Option<Price> {
    Price::from_fixed18(U256::from(dollars) * U256::from(1_000_000_000_000_000_000_u64))
}

async fn books(rows: &[JournalRow]) -> (Store, Accounts) {
    let store = Store::in_memory().await.unwrap();
    for row in rows {
        row.write(&store).await;
    }
    let accounts = Accounts::new(PRODUCT, 1, store.clone(), pool());
    (store, accounts)
}

#[tokio::test]
async fn what_has_no_price_is_priced_when_there_is_one_and_once() {
    // 700 wei each, so a price of 10^13 dollars makes it 7 cents.
    let (store, mut accounts) = books(&[JournalRow::new(0, 11)]).await;
    assert!(accounts.refresh(&head(11), None).await);
    let spending = accounts.past().unwrap().spending.clone();
    assert_eq!((spending.priced, spending.unpriced), (Usd::ZERO, U256::from(700)));
    assert!(!accounts.refresh(&head(12), None).await, "nothing has changed");
    let much = price(10_000_000_000_000);
    assert!(accounts.refresh(&head(13), much).await, "now it can be priced");
    let spending = accounts.past().unwrap().spending.clone();
    assert_eq!((spending.priced, spending.unpriced), (Usd::from_micro(7_000), U256::ZERO));
    assert_eq!(accounts.budget_use(NOW, much, &Limits::default()).spent_usd, "0.007");
    accounts.book_found().await;
    // The price of that time stays, also for another process.
    let mut restarted = Accounts::new(PRODUCT, 1, store, pool());
    assert!(restarted.refresh(&head(14), price(1)).await);
    assert_eq!(restarted.past().unwrap().spending.priced, Usd::from_micro(7_000));
}

#[tokio::test]
async fn a_block_whose_time_is_not_to_be_had_counts_now_and_is_asked_for_again() {
    let (_store, mut accounts) = books(&[JournalRow::new(0, 11)]).await;
    assert!(accounts.refresh(&head(12), None).await);
    assert_eq!(accounts.past().unwrap().spending.unpriced, U256::from(700));
    assert!(accounts.refresh(&head(11), None).await, "it is still to be found");
    assert!(!accounts.refresh(&head(13), None).await);
}

#[tokio::test]
async fn a_breaker_outlives_a_restart_and_ends_when_it_is_forgiven() {
    let failed = |nonce| JournalRow {
        included: Some((11 + nonce, false)),
        ..JournalRow::new(nonce, 11 + nonce)
    };
    let (store, mut accounts) = books(&[failed(0), failed(1)]).await;
    assert!(accounts.refresh(&head(12), None).await);
    assert!(accounts.past().unwrap().is_tripped());
    let newest = &accounts.past().unwrap().recent[0];
    assert_eq!(newest.at, Some(NOW + 12), "the time of its block, before that is booked");
    let mut restarted = Accounts::new(PRODUCT, 1, store.clone(), pool());
    assert!(restarted.refresh(&head(12), None).await);
    assert!(restarted.past().unwrap().is_tripped());
    // Nothing tells the running keeper; it looks by itself while something is held back.
    store.forgive_failures(PRODUCT).await.unwrap();
    assert!(restarted.refresh(&head(13), None).await);
    assert!(!restarted.past().unwrap().is_tripped());
}

#[tokio::test]
async fn a_new_month_is_another_sum() {
    let (_store, mut accounts) = books(&[JournalRow::new(0, 11)]).await;
    assert!(accounts.refresh(&head(11), price(1)).await);
    let next = Head { timestamp: NOW + 31 * 86_400, ..head(12) };
    assert!(accounts.refresh(&next, price(1)).await);
    let spending = &accounts.past().unwrap().spending;
    assert_eq!((spending.priced, spending.unpriced), (Usd::ZERO, U256::ZERO));
}

/// Makes the nonces final.
async fn settle(store: &Store, nonces: std::ops::Range<u64>) {
    for nonce in nonces {
        let sql = "UPDATE slots SET outcome = 'confirmed' WHERE nonce = $1";
        store.commit(vec![Statement::new(sql).with(nonce)]).await.unwrap();
    }
}

/// What is known of the past is what somebody who reads all of it knows.
async fn assert_whole(store: &Store, accounts: &mut Accounts, at: &Head, price: Option<Price>) {
    accounts.refresh(at, price).await;
    accounts.book_found().await;
    let mut fresh = Accounts::new(PRODUCT, 1, store.clone(), pool());
    assert!(fresh.refresh(at, price).await);
    assert_eq!(format!("{:?}", accounts.past()), format!("{:?}", fresh.past()), "at {}", at.number);
}

fn included(nonce: u64, block: u64) -> LaneEvent {
    LaneEvent::Included {
        nonce,
        action: "rebalance".into(),
        hash: B256::ZERO,
        block,
        outcome: crate::submission::lifecycle::Outcome::Confirmed,
        cost: U256::from(700),
        extra: Default::default(),
        income: U256::ZERO,
    }
}

#[tokio::test]
async fn what_is_settled_is_read_once_and_counts_as_if_it_were_read() {
    let (store, mut accounts) = books(&[]).await;
    for nonce in 0..6 {
        let block = 11 + nonce;
        let failed = nonce == 3;
        let row = JournalRow { included: Some((block, !failed)), ..JournalRow::new(nonce, block) };
        row.write(&store).await;
        settle(&store, 0..nonce.saturating_sub(1)).await;
        accounts.happened(&[included(nonce, block)]);
        assert_whole(&store, &mut accounts, &head(block), price(2)).await;
    }
    let until = accounts.settled.as_ref().map(|settled| (settled.until, settled.costs.len()));
    assert_eq!(until, Some((14, 4)), "all but the newest two, which are not final");
    assert_eq!(accounts.past().unwrap().recent.len(), 6);
}

#[tokio::test]
async fn what_changes_what_is_settled_has_all_of_it_read_again() {
    let rows: Vec<JournalRow> =
        [(0, 11), (1, 12), (2, 13)].map(|(nonce, block)| JournalRow::new(nonce, block)).into();
    let (store, mut accounts) = books(&rows).await;
    settle(&store, 0..3).await;
    let settled = async |accounts: &mut Accounts| {
        for block in 11..=13 {
            // Each block's time is known at that block only.
            accounts.changed();
            assert_whole(&store, accounts, &head(block), None).await;
        }
        assert!(accounts.settled.as_ref().is_some_and(|settled| settled.until == 13));
    };
    settled(&mut accounts).await;
    // One that was included long ago and is found now.
    JournalRow::new(3, 12).write(&store).await;
    accounts.happened(&[included(3, 12)]);
    assert_whole(&store, &mut accounts, &head(12), None).await;
    settle(&store, 3..4).await;
    settled(&mut accounts).await;
    // A block that was final falls away with what was in it.
    let sql = "UPDATE slots SET outcome = NULL, included_block = NULL WHERE nonce = 1";
    store.commit(vec![Statement::new(sql)]).await.unwrap();
    accounts.happened(&[LaneEvent::Reorged { nonce: 1, block: 12 }]);
    assert_whole(&store, &mut accounts, &head(14), None).await;
    assert_eq!(accounts.past().unwrap().recent.len(), 3);
    // A price where there was none; an operator's word; a new month; time.
    assert_whole(&store, &mut accounts, &head(14), price(3)).await;
    store.forgive_failures(PRODUCT).await.unwrap();
    accounts.changed();
    assert_whole(&store, &mut accounts, &head(14), price(3)).await;
    assert!(accounts.past().unwrap().recent.is_empty(), "forgiven");
    let settled = accounts.settled.as_ref().unwrap();
    let month = budget::month_start(NOW);
    assert!(settled.holds(month, &head(15), price(3)));
    assert!(!settled.holds(month + 1, &head(15), price(3)), "another month");
    assert!(!settled.holds(month, &head(14 + 256), price(3)), "long ago");
    assert!(!settled.holds(month, &head(9), price(3)), "a lower head");
}

/// As long as the intent is the same, the count goes on, also over a restart; it begins anew when
/// the action answers another state, and when nothing was due in between.
#[tokio::test]
async fn blocks_that_an_action_is_due_are_counted_over_a_restart() {
    let (store, mut accounts) = books(&[]).await;
    let restarted = || Accounts::new(PRODUCT, 1, store.clone(), pool());
    let since = async |accounts: &mut Accounts, state: u64, block: u64| {
        accounts.first_due(&due(state), &head(block)).await.block
    };
    assert_eq!(since(&mut accounts, 1, 10).await, 10);
    assert_eq!(since(&mut accounts, 1, 12).await, 10);
    accounts = restarted();
    assert_eq!(since(&mut accounts, 1, 13).await, 10, "a restart");
    assert_eq!(since(&mut accounts, 2, 14).await, 14, "the other instance acted");
    accounts.nothing_due().await;
    assert_eq!(since(&mut accounts, 2, 20).await, 20, "nothing was due in between");
    accounts = restarted();
    accounts.nothing_due().await;
    assert_eq!(since(&mut accounts, 2, 30).await, 30, "nothing was due after the restart");
    assert_eq!(since(&mut accounts, 2, 25).await, 25, "a reorganisation to a lower head");
    let since = accounts.first_due(&due(2), &head(40)).await;
    assert_eq!(since.at, NOW + 14, "patience counts from the first sight");
}

fn due(state: u64) -> Action {
    let call = ballast_strategy_api::Call {
        label: "only".into(),
        to: Default::default(),
        data: Default::default(),
        value: U256::ZERO,
    };
    Action {
        name: "rebalance",
        candidates: ballast_strategy_api::NonEmpty::one(call),
        urgency: ballast_strategy_api::Urgency::Emergency,
        exposure: ballast_strategy_api::Exposure::Raises,
        answers: ballast_strategy_api::StateKey::of(&[("state", &state)]),
        deadline: None,
        repeat_limit: None,
        expects: None,
    }
}
