//! What is written is read back as it was.

use alloy::primitives::{Address, B256, I256, U256};
use ballast_chains::feeds::Price;
use ballast_strategy_api::{Fact, Settlement, TokenIncome, Urgency};

use super::super::*;
use crate::{config::Category, money::Usd, submission::lifecycle::Outcome};

/// 2026-11-01 00:00 UTC.
const NOVEMBER: u64 = 1_793_491_200;

fn holder(product: &str, wallet: u8) -> Holder {
    Holder {
        chain_id: 10,
        chain: "optimism".into(),
        wallet: Address::repeat_byte(wallet),
        product: product.into(),
    }
}

fn block(timestamp: u64) -> BlockRef {
    BlockRef { number: timestamp / 2, hash: B256::repeat_byte(7), timestamp }
}

fn entry(nonce: u64, at: u64) -> Entry {
    let fees = Fees {
        execution: U256::from(21_000_u64),
        l1: U256::from(u128::MAX),
        operator: U256::from(3),
        blob: U256::ZERO,
    };
    let price = Price::from_fixed18(U256::from(2_000_000_000_000_000_000_000_u128)).unwrap();
    let cost = fees.total().unwrap();
    Entry {
        holder: holder("eth2x", 1),
        nonce,
        hash: B256::with_last_byte(9),
        category: Category::Automated,
        action: "ripcord".into(),
        urgency: Some(Urgency::Emergency),
        why: "due".into(),
        attempts: 3,
        outcome: Outcome::Confirmed,
        succeeded: true,
        gas_used: 21_000,
        effective_gas_price: 1,
        fees,
        cost,
        value: U256::from(5),
        price: Ok(PricedAt { price, round: U256::from(77), updated_at: at - 5 }),
        usd: Some(Usd::cost(cost, price)),
        settlement: Some(Settlement {
            income: U256::from(8),
            tokens: vec![TokenIncome { token: Address::repeat_byte(3), amount: U256::from(4) }],
            slippage: Some(I256::MINUS_ONE),
            facts: vec![Fact { name: "size".into(), value: I256::ONE }],
        }),
        block: block(at),
        booked_at: 99,
    }
}

async fn read(ledger: &Ledger, filter: &Filter) -> Vec<Entry> {
    let mut all = Vec::new();
    let visit = |entry| {
        all.push(entry);
        Ok(())
    };
    ledger.each_entry(filter, visit).await.unwrap();
    all
}

#[tokio::test]
async fn entries_come_back_as_they_were_booked_and_only_once() {
    let ledger = Ledger::new(Store::in_memory().await.unwrap());
    let full = entry(4, NOVEMBER);
    let bare = Entry {
        holder: holder("launch", 2),
        urgency: None,
        outcome: Outcome::Foreign,
        succeeded: false,
        price: Err("the chain has no feed".into()),
        usd: None,
        settlement: None,
        ..entry(0, NOVEMBER - 1)
    };
    let unremarkable =
        Entry { settlement: Some(Settlement::default()), ..entry(5, NOVEMBER + 86_400 * 30) };
    let booked = [bare.clone(), full.clone(), unremarkable.clone()];
    ledger.book(&booked).await.unwrap();
    let again = Entry { cost: U256::ZERO, ..full.clone() };
    ledger.book(&[again]).await.unwrap();
    assert_eq!(read(&ledger, &Filter::default()).await, booked);
    let month = Filter { period: Some(Period::month_of(NOVEMBER + 77)), ..Filter::default() };
    assert_eq!(
        read(&ledger, &month).await,
        std::slice::from_ref(&full),
        "not October, not December"
    );
    let of = Filter { product: Some("launch".into()), ..Filter::default() };
    assert_eq!(read(&ledger, &of).await, [bare]);
    let of = Filter::wallet(10, Address::repeat_byte(1));
    assert_eq!(read(&ledger, &of).await, [full, unremarkable]);
    assert_eq!(read(&ledger, &Filter::wallet(1, Address::repeat_byte(1))).await, []);
}

#[tokio::test]
async fn inflows_and_checkpoints_come_back() {
    let ledger = Ledger::new(Store::in_memory().await.unwrap());
    let inflow = |number, source, hash: Option<B256>| Inflow {
        holder: holder("eth2x", 1),
        block: block(NOVEMBER),
        number,
        wei: U256::MAX,
        source,
        counterparty: hash.map(|_| Address::repeat_byte(8)),
        hash,
        booked_at: 1,
    };
    let inflows = [
        inflow(0, Source::Transfer, Some(B256::ZERO)),
        inflow(1, Source::Income, None),
        inflow(2, Source::Internal, None),
    ];
    let checkpoint = Checkpoint {
        holder: holder("eth2x", 1),
        block: block(NOVEMBER),
        balance: U256::MAX,
        nonce: 3,
    };
    ledger.book_inflows(&inflows, Some(&checkpoint)).await.unwrap();
    ledger.book_inflows(&inflows, Some(&checkpoint)).await.unwrap();
    let (mut came, mut held) = (Vec::new(), Vec::new());
    let all = Filter::default();
    ledger
        .each_inflow(&all, |inflow| {
            came.push(inflow);
            Ok(())
        })
        .await
        .unwrap();
    ledger
        .each_checkpoint(&all, |checkpoint| {
            held.push(checkpoint);
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!((came.as_slice(), held.as_slice()), (inflows.as_slice(), [checkpoint].as_slice()));
}

#[tokio::test]
async fn a_row_that_makes_no_sense_is_told_and_not_guessed_at() {
    let store = Store::in_memory().await.unwrap();
    let ledger = Ledger::new(store.clone());
    ledger.book(&[entry(1, NOVEMBER)]).await.unwrap();
    let spoil = "UPDATE ledger_entries SET cost = '12x'";
    store.commit(vec![crate::store::Statement::new(spoil)]).await.unwrap();
    let error = ledger.each_entry(&Filter::default(), |_| Ok(())).await.unwrap_err();
    assert!(error.to_string().contains("12x"), "{error}");
}

#[test]
fn months_end_where_the_next_begins() {
    let november = Period::month_of(NOVEMBER);
    assert_eq!(november.from, NOVEMBER);
    assert_eq!(november.until - november.from, 30 * 86_400);
    assert_eq!(Period::month_of(november.until - 1), november);
    assert_eq!(Period::month_of(november.until).from, november.until);
}
