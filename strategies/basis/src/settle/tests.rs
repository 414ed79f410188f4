use alloy::primitives::{Address, B256, Bytes, LogData, address, b256};
use ballast_strategy_api::testkit;

use super::*;
use crate::decide::tests::product;

const REBALANCED: B256 = b256!("9faf13e67eb59b24c0185b87d3dac614f48afc8010972f4be9a2bcf20952f54b");
const ITERATED: B256 = b256!("df7fb8b9bcbc59ca0c2b2a61f2f424b729c96c1e35315fe7655bd4cf5a7dbf62");
const RIPCORD: B256 = b256!("d775566602e8e77e13657cdbd2c044b00e9b924cd3afc13d38992089c79c2363");
const REINVESTED: B256 = b256!("61d66d8767ff702762e19c18b3cf4a23e2eef70b62fde2720244871ba6d796c7");

fn log(by: Address, topics: &[B256], words: &[i64]) -> Log {
    let data: Bytes = words
        .iter()
        .flat_map(|word| I256::try_from(*word).unwrap().into_raw().to_be_bytes::<32>())
        .collect();
    testkit::log(by, LogData::new_unchecked(topics.to_vec(), data))
}

fn by_extension(topic: B256, words: &[i64]) -> Log {
    log(product().extension, &[topic], words)
}

fn settled(logs: Vec<Log>) -> (u64, Vec<(String, i64)>) {
    let product = product();
    let settlement = settle(&product, &testkit::receipt(product.extension, logs));
    let facts = settlement.facts.iter().map(|f| (f.name.clone(), f.value.as_i64())).collect();
    (settlement.income.to(), facts)
}

fn named(facts: &[(&str, i64)]) -> Vec<(String, i64)> {
    facts.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

#[test]
fn a_rebalance_tells_its_signed_sizes() {
    let (income, facts) = settled(vec![by_extension(REBALANCED, &[-3, -2, 7, 9])]);
    assert_eq!(income, 0);
    let expected = [
        ("current_leverage_ratio", -3),
        ("new_leverage_ratio", -2),
        ("chunk_rebalance_notional", 7),
        ("total_rebalance_notional", 9),
    ];
    assert_eq!(facts, named(&expected));
}

#[test]
fn an_iterate_tells_what_is_left_of_the_twap() {
    let (_, facts) = settled(vec![by_extension(ITERATED, &[-1, 0, -3, -3])]);
    assert_eq!(facts[1..3], named(&[("twap_leverage_ratio", 0), ("chunk_rebalance_notional", -3)]));
}

#[test]
fn a_ripcord_pays() {
    let (income, facts) = settled(vec![by_extension(RIPCORD, &[-4, -2, 3, 77])]);
    assert_eq!(income, 77);
    assert_eq!(facts[3], ("ether_incentive".to_owned(), 77));
}

#[test]
fn a_reinvestment_tells_what_it_withdrew_and_bought() {
    let product = product();
    let module = product.settings.basisTradingModule;
    let set = product.settings.setToken.into_word();
    let base = product.settings.virtualBaseAddress.into_word();
    let sold = B256::from(U256::from(41));
    let logs = vec![
        log(module, &[FundingWithdrawn::SIGNATURE_HASH, set], &[5, 1_000, 100, 0]),
        log(module, &[PerpTraded::SIGNATURE_HASH, set, base, sold], &[82, 0, 0]),
        by_extension(REINVESTED, &[900, 42]),
    ];
    let (income, facts) = settled(logs);
    assert_eq!(income, 0);
    let expected = [
        ("funding_withdrawn", 1_000),
        ("manager_fee", 100),
        ("perp_sold", 41),
        ("perp_quote", 82),
        ("reinvested_collateral", 900),
        ("reinvested_spot", 42),
    ];
    assert_eq!(facts, named(&expected));
}

#[test]
fn events_of_others_are_no_facts() {
    let product = product();
    let module = product.settings.basisTradingModule;
    let stranger = address!("00000000000000000000000000000000000000ff");
    let other_set = stranger.into_word();
    let base = product.settings.virtualBaseAddress.into_word();
    let logs = vec![
        log(stranger, &[RIPCORD], &[-4, -2, 3, 77]),
        by_extension(B256::repeat_byte(9), &[1, 2, 3, 4]),
        // The module serves many products.
        log(module, &[FundingWithdrawn::SIGNATURE_HASH, other_set], &[5, 1_000, 100, 0]),
        log(module, &[PerpTraded::SIGNATURE_HASH, other_set, base, B256::ZERO], &[82, 0, 0]),
    ];
    assert_eq!(settled(logs), (0, Vec::new()));
}

#[test]
fn an_event_cut_short_is_no_fact() {
    assert_eq!(settled(vec![by_extension(RIPCORD, &[-4, -2, 3])]), (0, Vec::new()));
}
