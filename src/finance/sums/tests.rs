//! SQLite's sums and those of the entries one by one are the same report.

use proptest::prelude::*;

use super::*;
use crate::{
    finance::{
        load,
        month::DAY,
        report::tests::{asked, entries, facts},
    },
    store::{Statement, Store},
};

async fn booked(entries: &[Entry]) -> Store {
    let store = Store::in_memory().await.unwrap();
    store.ledger().book(entries).await.unwrap();
    store
}

#[tokio::test]
async fn a_report_from_the_store_is_the_one_from_its_entries() {
    let (entries, facts) = (entries(), facts());
    let store = booked(&entries).await;
    for product in [None, Some("eth2x-fli".to_owned()), Some("launch".to_owned())] {
        let asked = super::super::report::Asked { product, ..asked() };
        let stored = load::from_ledger(&store, &asked, &facts).await.unwrap();
        assert_eq!(stored, load::from_entries(&entries, &asked, &facts));
        assert!(stored.total.all().count > 0);
    }
    assert!(Groups::find(&store, Some("nobody")).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_empty_ledger_is_an_empty_report() {
    let store = booked(&[]).await;
    let report = load::from_ledger(&store, &asked(), &facts()).await.unwrap();
    assert_eq!((report.total.all(), report.products.len()), (Sums::default(), 0));
}

#[tokio::test]
async fn amounts_that_no_chain_has_are_told_and_not_added_up() {
    let store = booked(&entries()).await;
    let spoil = "UPDATE ledger_entries SET usd_micro = '1000000000000000' WHERE action = 'ripcord'";
    store.commit(vec![Statement::new(spoil)]).await.unwrap();
    let error = load::from_ledger(&store, &asked(), &facts()).await.unwrap_err();
    assert!(error.to_string().contains("a billion dollars"), "{error}");
}

#[tokio::test]
async fn days_are_whole_utc_days_of_one_product() {
    let all = entries();
    let store = booked(&all).await;
    let since = asked().month.start();
    let days = days(&store, ("eth2x-fli", 1), since).await.unwrap();
    let expected: Vec<DayCost> = all
        .iter()
        .filter(|e| e.holder.product == "eth2x-fli" && e.block.timestamp >= since)
        .map(|e| DayCost { day: e.block.timestamp / DAY, gas: e.gas_used, wei: e.cost })
        .collect();
    assert_eq!(days, expected);
    assert_eq!(super::days(&store, ("eth2x-fli", 137), 0).await.unwrap(), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Limbs of any sizes add up to what they are limbs of.
    #[test]
    fn limbs_add_up(costs in proptest::collection::vec(
        prop_oneof![0_u128..3, 999_999_990..1_000_000_010_u128, 0..10_u128.pow(19), 0..10_u128.pow(35)],
        1..20,
    )) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut all = Vec::new();
            for (nonce, cost) in (0..).zip(&costs) {
                let mut entry = entries().remove(0);
                entry.nonce = nonce;
                entry.cost = U256::from(*cost);
                entry.usd = None;
                all.push(entry);
            }
            let groups = Groups::find(&booked(&all).await, None).await.unwrap();
            let found = groups.of_month(asked().month).await.unwrap();
            let expected: U256 = costs.iter().map(|cost| U256::from(*cost)).sum();
            prop_assert_eq!((found[0].1.wei, found[0].1.unpriced_wei), (expected, expected));
            Ok(())
        })?;
    }
}
