//! The journal's past, read back from rows as submission writes them.

use ballast_strategy_api::{Call, Exposure, NonEmpty, StateKey, Urgency};

use super::*;
use crate::guard::CallResult;

const ETH2X: &str = "eth2x";
const CHAIN: u64 = 1;
const WALLET: &str = "0x00000000000000000000000000000000000000aa";

/// One nonce as it stands in the journal.
#[derive(Debug, Clone)]
pub(crate) struct JournalRow {
    pub(crate) product: &'static str,
    pub(crate) nonce: u64,
    pub(crate) action: &'static str,
    pub(crate) kind: &'static str,
    /// Block, and whether it succeeded there; `None`: pending.
    pub(crate) included: Option<(u64, bool)>,
    pub(crate) postcondition: &'static str,
    pub(crate) receipt: Option<&'static str>,
}

impl JournalRow {
    pub(crate) fn new(nonce: u64, block: u64) -> Self {
        Self {
            product: ETH2X,
            nonce,
            action: "rebalance",
            kind: "original",
            included: Some((block, true)),
            postcondition: "held",
            receipt: None,
        }
    }

    pub(crate) async fn write(&self, store: &Store) {
        let keyed = |sql| Statement::new(sql).with(CHAIN).with(WALLET).with(self.nonce);
        let slot = keyed(
            "INSERT INTO slots (chain_id, wallet, nonce, chain, product, state, postcondition,
             created_at, included_hash, included_block, included_block_hash, succeeded, gas_used,
             effective_gas_price, receipt)
             VALUES ($1, $2, $3, 'mainnet', $4, 'x', $5, 0, $6, $7, $8, $9, $10, $11, $12)",
        );
        let (hash, block) = (hash_of(self.nonce), self.included.map(|(block, _)| block));
        let slot = slot
            .with(self.product)
            .with(self.postcondition)
            .with(block.map(|_| hash.clone()))
            .with(block)
            .with(block.map(block_hash))
            .with(self.included.map(|(_, succeeded)| u64::from(succeeded)))
            .with(block.map(|_| 100_u64))
            .with(block.map(|_| "7".to_owned()))
            .with(self.receipt.map(str::to_owned));
        store
            .commit(vec![slot, self.intent("prompt", 0), self.attempt(&hash, 0, 50)])
            .await
            .unwrap();
    }

    fn intent(&self, urgency: &str, number: u64) -> Statement {
        Statement::new(
            "INSERT INTO intents (chain_id, wallet, nonce, number, product, action, answers, urgency,
             max_fee_per_gas, found_at_block) VALUES ($1, $7, $2, $3, $4, $5, 'k', $6, '1', 1)",
        )
        .with(CHAIN)
        .with(self.nonce)
        .with(number)
        .with(self.product)
        .with(self.action)
        .with(urgency)
        .with(WALLET)
    }

    fn attempt(&self, hash: &str, number: u64, fee: u64) -> Statement {
        Statement::new(
            "INSERT INTO attempts (hash, chain_id, wallet, nonce, number, intent, kind, label, raw,
             target, calldata, value, gas_limit, max_fee_per_gas, max_priority_fee_per_gas,
             signed_at_block) VALUES ($1, $2, $7, $3, $4, $4, $5, '', '', '', '', '0', 1000, $6,
             '1', 1)",
        )
        .with(hash)
        .with(CHAIN)
        .with(self.nonce)
        .with(number)
        .with(self.kind)
        .with(fee.to_string())
        .with(WALLET)
    }
}

fn hash_of(nonce: u64) -> String {
    B256::from(U256::from(nonce + 1)).to_string()
}

fn block_hash(block: u64) -> String {
    B256::from(U256::from(block)).to_string()
}

async fn store(rows: &[JournalRow]) -> Store {
    let store = Store::in_memory().await.unwrap();
    for row in rows {
        row.write(&store).await;
    }
    store
}

async fn costs_of(
    store: &Store,
    product: &str,
    chain_id: u64,
    since: u64,
) -> Result<Vec<Cost>, StoreError> {
    Ok(store.books(product, chain_id, since, 0).await?.costs)
}

async fn recents(store: &Store, product: &str, chain_id: u64) -> Result<Vec<Recent>, StoreError> {
    let recent = store.books(product, chain_id, 0, 0).await?.recent.into_iter();
    Ok(recent.map(|recent| recent.call).collect())
}

async fn reserved_of(
    store: &Store,
    product: &str,
    chain_id: u64,
) -> Result<Vec<Reservation>, StoreError> {
    Ok(store.books(product, chain_id, 0, 0).await?.pending)
}

fn price(dollars: u64) -> Option<Price> {
    Price::from_fixed18(U256::from(dollars))
}

#[tokio::test]
async fn a_cost_is_booked_once_and_counts_for_its_block_only() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keeper.db");
    let store = Store::open(&file).await.unwrap();
    let layer_2 = JournalRow {
        receipt: Some(r#"{"l1Fee":"0x10","gasUsed":"0x64"}"#),
        ..JournalRow::new(1, 12)
    };
    for row in
        [JournalRow::new(0, 11), layer_2, JournalRow { product: "other", ..JournalRow::new(2, 12) }]
    {
        row.write(&store).await;
    }
    let mut costs = costs_of(&store, ETH2X, CHAIN, 1_000).await.unwrap();
    assert_eq!(costs.len(), 2, "another product's are another's");
    assert_eq!((costs[0].wei, costs[1].wei), (U256::from(700), U256::from(716)));
    assert!(costs.iter().all(|cost| cost.at.is_none() && cost.price.is_none()));
    costs[0].at = Some(999);
    (costs[1].at, costs[1].price) = (Some(1_000), price(5));
    store.book(ETH2X, CHAIN, &costs).await.unwrap();

    store.close().await;
    let store = Store::open(&file).await.unwrap();
    let booked = costs_of(&store, ETH2X, CHAIN, 1_000).await.unwrap();
    assert_eq!(booked, [costs[1].clone()], "the first is of the month before");
    assert_eq!(costs_of(&store, ETH2X, CHAIN, 0).await.unwrap(), costs);
    assert_eq!(costs_of(&store, ETH2X, 2, 0).await.unwrap(), [], "another chain's are another's");

    // The block falls away: the cost is not counted, and not without a time either.
    let reorg = "UPDATE slots SET included_block = $1, included_block_hash = $2 WHERE nonce = 1";
    let gone = Statement::new(reorg).with(None::<u64>).with(None::<String>);
    store.commit(vec![gone]).await.unwrap();
    assert_eq!(costs_of(&store, ETH2X, CHAIN, 1_000).await.unwrap(), []);
    // It comes back in another block: to be booked anew, in place of the first.
    let back = Statement::new(reorg).with(13_u64).with(block_hash(13));
    store.commit(vec![back]).await.unwrap();
    let mut again = costs_of(&store, ETH2X, CHAIN, 1_000).await.unwrap();
    assert_eq!((again.len(), again[0].at, again[0].price), (1, None, None));
    again[0].at = Some(1_012);
    store.book(ETH2X, CHAIN, &again).await.unwrap();
    assert_eq!(costs_of(&store, ETH2X, CHAIN, 1_000).await.unwrap(), again);
    store.close().await;
}

#[tokio::test]
async fn outcomes_are_told_newest_first_until_they_are_forgiven() {
    let failed =
        JournalRow { included: Some((12, false)), action: "iterate", ..JournalRow::new(1, 12) };
    let missed = JournalRow { postcondition: "missed", ..JournalRow::new(2, 13) };
    let rows = [
        JournalRow::new(0, 11),
        failed,
        missed,
        JournalRow { postcondition: "due", ..JournalRow::new(3, 13) },
        JournalRow { kind: "cancellation", postcondition: "unknown", ..JournalRow::new(4, 14) },
        JournalRow { postcondition: "unknown", ..JournalRow::new(5, 15) },
        JournalRow { included: None, ..JournalRow::new(6, 0) },
    ];
    let store = store(&rows).await;
    let told = recents(&store, ETH2X, CHAIN).await.unwrap();
    let results: Vec<CallResult> = told.iter().map(|call| call.result).collect();
    use CallResult::{Failed, GivenUp, Succeeded, Undecided};
    assert_eq!(results, [Succeeded, GivenUp, Undecided, Failed, Failed, Succeeded]);
    assert_eq!(told[4].action, "iterate");
    assert!(told.iter().all(|call| call.at.is_none()), "nothing is booked");

    store.forgive_failures(ETH2X).await.unwrap();
    assert_eq!(recents(&store, ETH2X, CHAIN).await.unwrap(), []);
    JournalRow { included: Some((16, false)), ..JournalRow::new(7, 16) }.write(&store).await;
    assert_eq!(recents(&store, ETH2X, CHAIN).await.unwrap().len(), 1, "what comes after counts");
    store.forgive_failures(ETH2X).await.unwrap();
    assert_eq!(recents(&store, ETH2X, CHAIN).await.unwrap(), []);
}

#[tokio::test]
async fn a_nonce_reserves_its_dearest_attempt() {
    let pending = JournalRow { included: None, ..JournalRow::new(3, 0) };
    let store = store(&[JournalRow::new(0, 11), pending.clone()]).await;
    let reserved = |wei: u64| {
        let wallet = WALLET.parse().unwrap();
        [Reservation { wallet, nonce: 3, wei: U256::from(wei) }]
    };
    assert_eq!(reserved_of(&store, ETH2X, CHAIN).await.unwrap(), reserved(50_000));
    for (number, fee, most) in [(1, 60, 60_000), (2, 40, 60_000)] {
        let hash = hash_of(90 + number);
        let more = vec![pending.intent("emergency", number), pending.attempt(&hash, number, fee)];
        store.commit(more).await.unwrap();
        assert_eq!(reserved_of(&store, ETH2X, CHAIN).await.unwrap(), reserved(most));
    }
    assert_eq!(reserved_of(&store, "other", CHAIN).await.unwrap(), []);
}

#[tokio::test]
async fn the_first_moment_an_action_was_due_is_kept() {
    let store = store(&[]).await;
    let action = |key: u64| Action {
        name: "rebalance",
        candidates: NonEmpty::one(Call {
            label: String::new(),
            to: Default::default(),
            data: Default::default(),
            value: U256::ZERO,
        }),
        urgency: Urgency::Routine,
        exposure: Exposure::Keeps,
        answers: StateKey::of(&[("state", &key)]),
        deadline: None,
        repeat_limit: None,
        expects: None,
    };
    assert_eq!(store.first_due(ETH2X, &action(1)).await.unwrap(), None);
    let due = |at, block| Some(FirstDue { at, block });
    store.note_due(ETH2X, &action(1), (100, 10)).await.unwrap();
    store.note_due(ETH2X, &action(1), (200, 20)).await.unwrap();
    assert_eq!(store.first_due(ETH2X, &action(1)).await.unwrap(), due(100, Some(10)));
    assert_eq!(store.first_due("other", &action(1)).await.unwrap(), None);
    // It answers another state now: the wait begins anew.
    store.note_due(ETH2X, &action(2), (300, 30)).await.unwrap();
    assert_eq!(store.first_due(ETH2X, &action(2)).await.unwrap(), due(300, Some(30)));
    assert_eq!(store.first_due(ETH2X, &action(1)).await.unwrap(), None);
    // Nothing was due in between: the blocks are counted anew, and patience is not.
    store.note_nothing_due("other").await.unwrap();
    assert_eq!(store.first_due(ETH2X, &action(2)).await.unwrap(), due(300, Some(30)));
    store.note_nothing_due(ETH2X).await.unwrap();
    assert_eq!(store.first_due(ETH2X, &action(2)).await.unwrap(), due(300, None));
    store.note_due(ETH2X, &action(2), (400, 40)).await.unwrap();
    assert_eq!(store.first_due(ETH2X, &action(2)).await.unwrap(), due(300, Some(40)));
}

#[tokio::test]
async fn what_cannot_be_read_is_told_and_not_taken_for_nothing() {
    let store = store(&[JournalRow::new(0, 11)]).await;
    let edit = Statement::new("UPDATE slots SET effective_gas_price = 'cheap'");
    store.commit(vec![edit]).await.unwrap();
    let read = costs_of(&store, ETH2X, CHAIN, 0).await;
    assert!(matches!(read, Err(StoreError::Corrupt { .. })), "{read:?}");
}

/// What is read at each head goes to the rows that matter by an index, however long the journal is.
#[tokio::test]
async fn no_query_of_a_head_goes_through_the_whole_journal() {
    let store = store(&[]).await;
    for (sql, values, expected) in [
        (SELECT_COSTS, 4, "slots_by_inclusion (product=? AND chain_id=? AND included_block>?)"),
        (SELECT_RECENT, 4, "COVERING INDEX slots_by_inclusion (product=? AND chain_id=? AND"),
        (SELECT_PENDING, 2, "slots_waiting (product=? AND chain_id=?)"),
        (crate::ledger::WAITING, 3, "slots_unbooked (chain_id=? AND chain=?)"),
    ] {
        let explained = format!("EXPLAIN QUERY PLAN {sql}");
        let mut query = sqlx::query(sqlx::AssertSqlSafe(explained));
        for _ in 0..values {
            query = query.bind(1_i64);
        }
        let rows = query.fetch_all(store.reads()).await.unwrap();
        let first: String = sqlx::Row::get(&rows[0], "detail");
        assert!(first.contains(expected), "{first}");
    }
}
