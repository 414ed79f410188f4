//! The books of random histories: whatever happens, nothing is unexplained; and whatever is done to
//! the books, it is found where it was done.

use std::{sync::Arc, time::Duration};

use alloy::primitives::{Address, B256, U256};
use ballast_chains::{
    ChainProfile,
    profile::{CANONICAL_MULTICALL3, FeeModel, FeeProfile, Finality},
};
use proptest::prelude::*;
use tokio::sync::watch;

use super::{
    super::{
        bookkeeper::{Bookkeeper, Client},
        reconcile::{Depth, Range, Reconciliation, reconcile},
        *,
    },
    sim::{Act, Sim},
};
use crate::{config::Category, runtime::Board, store::Statement};

const WALLETS: [Address; 2] = [Address::repeat_byte(1), Address::repeat_byte(2)];
const PRODUCTS: [&str; 2] = ["eth2x", "launch"];
/// Blocks after which one is final.
const FINALITY: u64 = 3;

/// Who sends a transaction, as far as the journal knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// The journal has it.
    Keeper,
    /// The journal meant the nonce for something else.
    Thief,
    /// The journal knows nothing of it.
    Somebody,
}

struct World {
    sim: Sim,
    store: Store,
    keeper: Bookkeeper,
    /// What the journal will have as final, and from which block on.
    due: Vec<(u64, Statement)>,
    /// The highest head there was.
    looked: u64,
}

fn profile() -> Arc<ChainProfile> {
    Arc::new(ChainProfile {
        name: "test".into(),
        chain_id: 1,
        fee_model: FeeModel::Eip1559,
        block_time: Duration::from_secs(1),
        finality: Finality::Confirmations(FINALITY),
        native_symbol: "ETH".into(),
        explorer: None,
        rpc: Vec::new(),
        send: Vec::new(),
        private_send: Vec::new(),
        public_after: None,
        request_timeout: Duration::from_secs(1),
        stale_after: Duration::from_secs(30),
        min_turn_interval: Duration::ZERO,
        assess_timeout: Duration::from_secs(3),
        chunk_gas: 30_000_000,
        max_lag: 3,
        fees: FeeProfile {
            max_fee_per_gas: 1,
            emergency_max_fee_per_gas: 1,
            min_priority_fee_per_gas: 0,
            relative_cap: 1,
            replacement_bump_bps: 1_000,
        },
        multicall3: CANONICAL_MULTICALL3,
        feeds: Default::default(),
    })
}

fn bookkeeper(sim: &Sim, store: &Store) -> Bookkeeper {
    let client = |at: usize| Client {
        product: PRODUCTS[at].into(),
        category: if at == 0 { Category::Automated } else { Category::Launch },
        external: at == 1,
        wallet: Box::new(move || Some(WALLETS[at])),
        strategy: watch::Sender::new(None).subscribe(),
    };
    let clients = vec![client(0), client(1)];
    Bookkeeper::new(Arc::new(sim.clone()), store.ledger(), profile(), clients, Board::default())
}

impl World {
    async fn start() -> Self {
        let sim = Sim::new(&WALLETS);
        let store = Store::in_memory().await.unwrap();
        let keeper = bookkeeper(&sim, &store);
        let mut world = Self { sim, store, keeper, due: Vec::new(), looked: 0 };
        for _ in 0..FINALITY {
            world.block(&[], By::Keeper).await;
        }
        world
    }

    /// A block, what the journal makes of it, and a look of the bookkeeper.
    async fn block(&mut self, acts: &[(Address, Act)], by: By) {
        self.mine(acts, by).await;
        self.look().await;
    }

    async fn mine(&mut self, acts: &[(Address, Act)], by: By) {
        let number = self.sim.head().number + 1;
        for (wallet, nonce, paid) in self.sim.mine(acts) {
            // Of a launch wallet the journal knows what it has seen, and nothing before that.
            if by == By::Somebody || wallet == WALLETS[1] {
                continue;
            }
            let hash = (by == By::Keeper).then(|| paid.hash.to_string());
            let outcome = match (by, paid.succeeded) {
                (By::Keeper, true) => "confirmed",
                (By::Keeper, false) => "reverted",
                (By::Thief | By::Somebody, _) => "superseded",
            };
            let slot = Statement::new(
                "INSERT INTO slots (chain_id, wallet, nonce, chain, product, state, outcome,
                    included_hash, postcondition, created_at)
                 VALUES (1, $1, $2, 'test', 'eth2x', 'final', $3, $4, 'held', 0)",
            );
            let wallet = read::text_of(wallet);
            let slot = slot.with(wallet).with(nonce).with(outcome).with(hash);
            self.due.push((number + FINALITY - 1, slot));
        }
        let head = self.sim.head().number;
        self.looked = self.looked.max(head);
        let ripe: Vec<Statement> =
            self.due.extract_if(.., |(from, _)| *from <= head).map(|(_, slot)| slot).collect();
        if !ripe.is_empty() {
            self.store.commit(ripe).await.unwrap();
        }
    }

    async fn look(&mut self) {
        let head = self.sim.head();
        self.keeper.at(&head).await;
    }

    /// As many blocks as it takes until everything is final and was looked at.
    async fn settle(&mut self) {
        for _ in 0..30 + FINALITY {
            self.block(&[], By::Keeper).await;
        }
    }

    /// The process ends, and another begins.
    fn restart(&mut self) {
        self.keeper = bookkeeper(&self.sim, &self.store);
    }

    async fn reconcile(&self, at: usize, depth: Depth) -> Reconciliation {
        let ledger = self.store.ledger();
        let holder = ledger.holders().await.unwrap().into_iter();
        let holder = holder.clone().find(|holder| holder.wallet == WALLETS[at]).unwrap();
        reconcile(&ledger, Some(&self.sim), &holder, Range::default(), depth).await.unwrap()
    }

    async fn sql(&self, sql: &'static str) {
        self.store.commit(vec![Statement::new(sql)]).await.unwrap();
    }

    async fn assert_whole(&self) {
        for (at, product) in PRODUCTS.iter().enumerate() {
            let found = self.reconcile(at, Depth::Blocks).await;
            assert!(found.is_whole(), "{product}: {found:#?}");
        }
    }

    /// Every transaction is booked, at what its receipt says: sums that share no code.
    async fn assert_sums(&self) {
        for at in 0..2 {
            let (mut cost, mut value, mut count) = (U256::ZERO, U256::ZERO, 0);
            let add = |entry: Entry| {
                cost += entry.cost;
                value += entry.value;
                count += 1;
                Ok(())
            };
            let of = Filter::wallet(1, WALLETS[at]);
            self.store.ledger().each_entry(&of, add).await.unwrap();
            let receipts = self.sim.receipts_of(WALLETS[at]);
            let fees = |paid: &chain::Paid| {
                let Fees { execution, l1, operator, blob } = paid.fees;
                execution + l1 + operator + blob
            };
            let told: U256 = receipts.iter().map(fees).sum();
            assert_eq!((count, cost), (receipts.len(), told), "{}", PRODUCTS[at]);
            assert_eq!(value, self.sim.carried_by(WALLETS[at]), "{}", PRODUCTS[at]);
        }
    }
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (1_u64..300_000, 1_u64..200, 0_u64..9_000_000, 0_u64..5, any::<bool>(), any::<bool>(),
            0_u64..3).prop_map(|(gas, price, l1, value, to_self, works, income)| Act::Send {
                gas, price, l1, value: value * 1_000, to_self, works, income: income * 777 }),
        1 => (1_u64..1_000_000, any::<bool>()).prop_map(|(wei, works)| Act::Paid(wei, works)),
        1 => (1_u64..1_000_000).prop_map(Act::Internal),
    ]
}

#[derive(Debug, Clone)]
enum Step {
    Block(Vec<(usize, Act)>, By),
    Quiet(u8),
    Restart,
    /// Blocks fall away that are not final yet.
    Reorg(usize),
}

fn steps() -> impl Strategy<Value = Step> {
    let by = prop_oneof![4 => Just(By::Keeper), 1 => Just(By::Thief), 1 => Just(By::Somebody)];
    prop_oneof![
        6 => (proptest::collection::vec((0_usize..2, acts()), 1..4), by)
            .prop_map(|(acts, by)| Step::Block(acts, by)),
        2 => (1_u8..60).prop_map(Step::Quiet),
        1 => Just(Step::Restart),
        1 => (1..usize::try_from(FINALITY).unwrap()).prop_map(Step::Reorg),
    ]
}

fn wallets(acts: &[(usize, Act)]) -> Vec<(Address, Act)> {
    acts.iter().map(|(at, act)| (WALLETS[*at], *act)).collect()
}

async fn play(steps: &[Step]) -> World {
    let mut world = World::start().await;
    for step in steps {
        match step {
            Step::Block(acts, by) => world.block(&wallets(acts), *by).await,
            Step::Quiet(blocks) => {
                for _ in 0..*blocks {
                    world.block(&[], By::Keeper).await;
                }
            }
            Step::Restart => world.restart(),
            Step::Reorg(depth) => {
                // Never a block that was final at any look.
                let least = world.looked.saturating_sub(FINALITY - 1);
                let room = world.sim.head().number.saturating_sub(least);
                let depth = (*depth).min(usize::try_from(room).unwrap());
                world.sim.reorg(depth);
                let head = world.sim.head().number;
                world.due.retain(|(from, _)| *from < head + FINALITY);
            }
        }
    }
    world.settle().await;
    world
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_unexplained_whatever_happens(steps in proptest::collection::vec(steps(), 1..40)) {
        run(async {
            let world = play(&steps).await;
            world.assert_whole().await;
            world.assert_sums().await;
        });
    }
}

/// A history with something of everything, for those who spoil its books.
async fn rich() -> World {
    let send = |gas, works, income, value, to_self| Act::Send {
        gas,
        price: 7,
        l1: 1_000,
        value,
        to_self,
        works,
        income,
    };
    let mut world = World::start().await;
    let keeper = WALLETS[0];
    for round in 0..40_u64 {
        let act = match round % 8 {
            0 => send(21_000 + round, true, 0, 0, false),
            1 => send(90_000, false, 0, 500, false),
            2 => send(70_000, true, 4_000 + round, 0, false),
            3 => Act::Paid(55_000 + round, true),
            4 => Act::Internal(66_000 + round),
            5 => send(30_000, true, 0, 900 + round, false),
            6 => send(21_000, true, 0, 77, true),
            _ => Act::Paid(1, false),
        };
        let by = match round {
            16 => By::Thief,
            10 | 21 => By::Somebody,
            _ => By::Keeper,
        };
        world.block(&[(keeper, act)], by).await;
        for _ in 0..=round % 7 {
            world.block(&[], By::Keeper).await;
        }
    }
    world.settle().await;
    world.assert_whole().await;
    world.assert_sums().await;
    world
}

/// What is done to the books, and which block or nonce must be named for it: of the row that is
/// meant, before it is touched.
const DAMAGE: &[(&str, &str, &str)] = &[
    (
        "a greater cost",
        "entries",
        "UPDATE ledger_entries SET cost = CAST(CAST(cost AS INTEGER) + 1 AS TEXT) WHERE nonce = $1",
    ),
    (
        "cost and fee together",
        "entries",
        "UPDATE ledger_entries SET cost = CAST(CAST(cost AS INTEGER) + 5 AS TEXT), l1_fee = CAST(CAST(l1_fee AS INTEGER) + 5 AS TEXT) WHERE nonce = $1",
    ),
    (
        "a fee moved to another kind",
        "entries",
        "UPDATE ledger_entries SET l1_fee = CAST(CAST(l1_fee AS INTEGER) + 5 AS TEXT), operator_fee = CAST(CAST(operator_fee AS INTEGER) - 5 AS TEXT) WHERE nonce = $1",
    ),
    ("value", "entries", "UPDATE ledger_entries SET value = '123456' WHERE nonce = $1"),
    ("dollars", "entries", "UPDATE ledger_entries SET usd_micro = '98765' WHERE nonce = $1"),
    ("no number", "entries", "UPDATE ledger_entries SET cost = 'x' WHERE nonce = $1"),
    (
        "another block",
        "entries",
        "UPDATE ledger_entries SET block_number = block_number + 1 WHERE nonce = $1",
    ),
    (
        "a block far away",
        "entries",
        "UPDATE ledger_entries SET block_number = 99999 WHERE nonce = $1",
    ),
    ("success", "entries", "UPDATE ledger_entries SET succeeded = 1 - succeeded WHERE nonce = $1"),
    ("gas", "entries", "UPDATE ledger_entries SET gas_used = gas_used + 1 WHERE nonce = $1"),
    (
        "another transaction",
        "entries",
        "UPDATE ledger_entries SET hash = (SELECT hash FROM ledger_entries ORDER BY nonce LIMIT 1) WHERE nonce = $1",
    ),
    ("missing", "entries", "DELETE FROM ledger_entries WHERE nonce = $1"),
    ("misplaced", "entries", "UPDATE ledger_entries SET nonce = nonce + 1000 WHERE nonce = $1"),
    ("less came in", "inflows", "UPDATE ledger_inflows SET wei = '1' WHERE block_number = $1"),
    ("nothing came in", "inflows", "DELETE FROM ledger_inflows WHERE block_number = $1"),
    (
        "it came in another block",
        "inflows",
        "UPDATE ledger_inflows SET block_number = block_number + 1 WHERE block_number = $1",
    ),
    (
        "it came twice",
        "inflows",
        "INSERT INTO ledger_inflows SELECT chain_id, wallet, block_number, 7, chain, product, wei, source, counterparty, hash, block_hash, block_timestamp, booked_at FROM ledger_inflows WHERE block_number = $1",
    ),
    (
        "a balance",
        "checkpoints",
        "UPDATE ledger_checkpoints SET balance = '7' WHERE block_number = $1",
    ),
    (
        "a checkpoint's nonce",
        "ends",
        "UPDATE ledger_checkpoints SET nonce = nonce + 1 WHERE block_number = $1",
    ),
];

async fn numbers(world: &World, sql: &'static str) -> Vec<u64> {
    use sqlx::Row as _;
    let rows = world.store.rows(Statement::new(sql)).await.unwrap();
    rows.iter().map(|row| u64::try_from(row.get::<i64, _>(0)).unwrap()).collect()
}

#[tokio::test]
async fn damage_is_found_where_it_was_done() {
    let world = rich().await;
    let wallet = "wallet = '0x0101010101010101010101010101010101010101'";
    assert!(wallet.contains(&read::text_of(WALLETS[0])));
    world.sql("CREATE TABLE saved_entries AS SELECT * FROM ledger_entries").await;
    world.sql("CREATE TABLE saved_inflows AS SELECT * FROM ledger_inflows").await;
    world.sql("CREATE TABLE saved_checkpoints AS SELECT * FROM ledger_checkpoints").await;
    let entries = numbers(&world, "SELECT nonce FROM ledger_entries WHERE product = 'eth2x'").await;
    let inflows =
        numbers(&world, "SELECT block_number FROM ledger_inflows WHERE product = 'eth2x'").await;
    let held = numbers(
        &world,
        "SELECT block_number FROM ledger_checkpoints WHERE product = 'eth2x' ORDER BY 1",
    )
    .await;
    assert!(entries.len() > 20 && inflows.len() > 8 && held.len() > 3, "a poor history");
    for (what, table, sql) in DAMAGE {
        let rows = match *table {
            "entries" => entries.clone(),
            "inflows" => inflows.clone(),
            "checkpoints" => held.clone(),
            _ => vec![held[0], *held.last().unwrap()],
        };
        for row in rows {
            // The row that is swapped with itself is not damaged.
            if *what == "another transaction" && Some(&row) == entries.iter().min() {
                continue;
            }
            world.store.commit(vec![Statement::new(sql).with(row)]).await.unwrap();
            let found = world.reconcile(0, Depth::Blocks).await;
            let by_nonce = *table == "entries";
            let named = found.problems.iter().any(|problem| {
                let of = if by_nonce { problem.nonce } else { problem.block };
                of.is_some_and(|of| of == row || of == row + 1 || of == row + 1_000)
            });
            // An intermediate checkpoint is no part of the account unless something is off.
            assert!(!found.is_whole() && named, "{what} at {row}: {found:#?}");
            restore(&world).await;
        }
    }
    world.assert_whole().await;
}

async fn restore(world: &World) {
    for sql in [
        "DELETE FROM ledger_entries",
        "INSERT INTO ledger_entries SELECT * FROM saved_entries",
        "DELETE FROM ledger_inflows",
        "INSERT INTO ledger_inflows SELECT * FROM saved_inflows",
        "DELETE FROM ledger_checkpoints",
        "INSERT INTO ledger_checkpoints SELECT * FROM saved_checkpoints",
    ] {
        world.sql(sql).await;
    }
}

#[tokio::test]
async fn two_wrongs_do_not_make_a_right() {
    let world = rich().await;
    let entries = numbers(&world, "SELECT nonce FROM ledger_entries WHERE product = 'eth2x'").await;
    let shift = |sql, nonce| Statement::new(sql).with(nonce);
    let more = "UPDATE ledger_entries SET cost = CAST(CAST(cost AS INTEGER) + 9 AS TEXT), operator_fee = CAST(CAST(operator_fee AS INTEGER) + 9 AS TEXT) WHERE nonce = $1";
    let less = "UPDATE ledger_entries SET cost = CAST(CAST(cost AS INTEGER) - 9 AS TEXT), operator_fee = CAST(CAST(operator_fee AS INTEGER) - 9 AS TEXT) WHERE nonce = $1";
    let (first, last) = (entries[2], entries[entries.len() - 2]);
    world.store.commit(vec![shift(more, first), shift(less, last)]).await.unwrap();
    let found = world.reconcile(0, Depth::Rows).await;
    assert_eq!(found.unexplained, Some(alloy::primitives::I256::ZERO), "the sum closes");
    for nonce in [first, last] {
        assert!(found.problems.iter().any(|p| p.nonce == Some(nonce)), "{found:#?}");
    }
}

#[tokio::test]
async fn money_that_leaves_without_a_transaction_is_unexplained_at_its_block() {
    let mut world = World::start().await;
    world.block(&[(WALLETS[0], Act::Paid(500, true))], By::Keeper).await;
    world.settle().await;
    world.block(&[(WALLETS[0], Act::Lost(321))], By::Keeper).await;
    let block = world.sim.head().number;
    world.settle().await;
    let found = world.reconcile(0, Depth::Rows).await;
    assert_eq!(found.unexplained.unwrap().to_string(), "-321");
    let problem = found.problems.first().unwrap();
    assert_eq!(problem.block, Some(block), "{found:#?}");
    assert!(problem.what.contains("321 wei left without a transaction"), "{}", problem.what);
}

#[tokio::test]
async fn a_reorganisation_below_finality_takes_the_books_with_it() {
    let send =
        |gas| Act::Send { gas, price: 3, l1: 5, value: 0, to_self: false, works: true, income: 0 };
    let mut world = World::start().await;
    world.block(&[(WALLETS[0], send(1_000)), (WALLETS[1], send(10))], By::Keeper).await;
    world.settle().await;
    world.block(&[(WALLETS[0], Act::Internal(99)), (WALLETS[1], send(11))], By::Keeper).await;
    world.block(&[(WALLETS[0], send(2_000))], By::Somebody).await;
    world.settle().await;
    world.assert_whole().await;
    // The blocks of both fall away; the same transaction of ours is mined anew, dearer.
    world.sim.reorg(40);
    world.block(&[(WALLETS[0], send(2_500)), (WALLETS[0], Act::Paid(7, true))], By::Somebody).await;
    for _ in 0..3 {
        world.settle().await;
    }
    world.assert_whole().await;
    world.assert_sums().await;
}

#[tokio::test]
async fn without_old_states_it_says_what_it_cannot_prove_and_an_archive_mends_it() {
    let mut world = World::start().await;
    world.settle().await;
    world.sim.keep_states(100);
    // Nobody looks while something comes in, until the states of that time are gone.
    world.mine(&[(WALLETS[0], Act::Internal(4_321))], By::Keeper).await;
    for _ in 0..400 {
        world.mine(&[], By::Keeper).await;
    }
    world.look().await;
    world.settle().await;
    let found = world.reconcile(0, Depth::Blocks).await;
    assert_eq!(found.unexplained.unwrap().to_string(), "4321", "a gap is not closed by itself");
    assert!(found.unproven.iter().any(|what| what.contains("archive = true")), "{found:#?}");
    let found = found.problem().unwrap();
    assert!(found.contains("4321 wei unexplained between blocks"), "{found}");
    world.sim.keep_all_states();
    for _ in 0..150 {
        world.block(&[], By::Keeper).await;
    }
    world.assert_whole().await;
}

#[tokio::test]
async fn what_came_in_is_told_apart_by_what_the_chain_and_the_strategy_say() {
    let sim = Sim::new(&WALLETS);
    let send =
        Act::Send { gas: 10, price: 3, l1: 0, value: 0, to_self: false, works: true, income: 900 };
    let wallet = WALLETS[0];
    let acts = [(wallet, send), (wallet, Act::Paid(50, true)), (wallet, Act::Internal(7))];
    let hash = sim.mine(&acts)[0].2.hash;
    let before = flows::point(&sim, wallet, 0).await.unwrap();
    let after = flows::point(&sim, wallet, 1).await.unwrap();
    let came = async |paid: &[(B256, u64)]| {
        let paid = paid.iter().map(|(hash, wei)| (*hash, U256::from(*wei))).collect();
        let told = flows::evidence(&sim, wallet, (before, after), &paid).await.unwrap();
        assert_eq!((told.outflow, told.lost), (U256::from(30), U256::ZERO));
        let came =
            told.came.iter().map(|c| (c.source.label(), c.wei.to::<u64>(), c.hash.is_some()));
        came.collect::<Vec<_>>()
    };
    assert_eq!(came(&[]).await, [("transfer", 50, true), ("internal", 907, false)]);
    let both = [("transfer", 50, true), ("income", 900, true), ("internal", 7, false)];
    assert_eq!(came(&[(hash, 900)]).await, both);
    // A strategy that says more than there was is not believed.
    assert_eq!(came(&[(hash, 5_000)]).await, [("transfer", 50, true), ("income", 907, true)]);
}

#[tokio::test]
async fn prices_and_owners_are_noted_and_what_has_no_price_gets_one_later() {
    let send =
        Act::Send { gas: 100, price: 3, l1: 5, value: 0, to_self: false, works: true, income: 0 };
    let mut world = World::start().await;
    world.sim.set_priced(false);
    world.block(&[(WALLETS[0], send), (WALLETS[1], send)], By::Keeper).await;
    world.block(&[(WALLETS[0], send)], By::Somebody).await;
    world.block(&[(WALLETS[0], send)], By::Thief).await;
    world.settle().await;
    let entries = async |world: &World| {
        let mut all = Vec::new();
        let ledger = world.store.ledger();
        ledger
            .each_entry(&Filter::default(), |entry| {
                all.push(entry);
                Ok(())
            })
            .await
            .unwrap();
        all
    };
    let all = entries(&world).await;
    assert!(all.iter().all(|e| e.price == Err("the feed is silent".into()) && e.usd.is_none()));
    world.sim.set_priced(true);
    world.settle().await;
    let all = entries(&world).await;
    let shown: Vec<_> = all
        .iter()
        .map(|e| (e.holder.product.as_str(), e.action.as_str(), e.outcome.label(), e.is_foreign()))
        .collect();
    assert_eq!(
        shown,
        [
            ("eth2x", "foreign", "confirmed", false),
            ("launch", "external", "confirmed", false),
            ("eth2x", "foreign", "foreign", true),
            ("eth2x", "foreign", "superseded", true),
        ],
    );
    for entry in all {
        let priced = entry.price.unwrap();
        assert_eq!(priced.round, U256::from(entry.block.number / 10));
        // 305 wei at 2,000 dollars, rounded up.
        assert_eq!(entry.usd.unwrap().micro(), 1);
        assert_ne!(entry.block.hash, B256::ZERO);
    }
}
