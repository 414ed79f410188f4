//! Two wallets, their bookkeeper, and what the journal knows of them.

use std::sync::Arc;

use alloy::primitives::{Address, U256};
use ballast_chains::{ChainProfile, profile::Finality, testkit};
use ballast_strategy_api::DynStrategy;
use tokio::sync::watch;

use super::{
    super::{
        bookkeeper::{Bookkeeper, Client},
        reconcile::{Depth, Range, Reconciliation, reconcile},
        *,
    },
    sim::{Act, BLOCK_TIME, Sim},
};
use crate::{config::Category, runtime::Board, store::Statement};

pub(super) const WALLETS: [Address; 2] = [Address::repeat_byte(1), Address::repeat_byte(2)];
pub(super) const PRODUCTS: [&str; 2] = ["eth2x", "launch"];
/// Blocks after which one is final.
pub(super) const FINALITY: u64 = 3;
/// Blocks of a day.
pub(super) const DAY: u64 = 86_400 / BLOCK_TIME;

/// Who sends a transaction, as far as the journal knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// The journal has it.
    Keeper,
    /// The journal meant the nonce for something else.
    Thief,
    /// The journal knows nothing of it.
    Somebody,
}

pub(super) struct World {
    pub(super) sim: Sim,
    pub(super) store: Store,
    pub(super) board: Board,
    keeper: Bookkeeper,
    strategy: Option<Arc<dyn DynStrategy>>,
    /// What the journal will have as final, and from which block on.
    pub(super) due: Vec<(u64, Statement)>,
    /// The highest head there was.
    pub(super) looked: u64,
}

fn profile() -> Arc<ChainProfile> {
    let finality = Finality::Confirmations(FINALITY);
    Arc::new(ChainProfile { finality, ..testkit::profile() })
}

fn bookkeeper(
    sim: &Sim,
    store: &Store,
    strategy: Option<&Arc<dyn DynStrategy>>,
) -> (Board, Bookkeeper) {
    let board = Board::default();
    for product in PRODUCTS {
        board.enter_product(product, "test", "none");
    }
    let client = |at: usize| Client {
        product: PRODUCTS[at].into(),
        category: if at == 0 { Category::Automated } else { Category::Launch },
        external: at == 1,
        wallet: Box::new(move || Some(WALLETS[at])),
        strategy: watch::Sender::new(strategy.filter(|_| at == 0).cloned()).subscribe(),
    };
    let (chain, clients) = (Arc::new(sim.clone()), vec![client(0), client(1)]);
    let keeper = Bookkeeper::new(chain, store.ledger(), profile(), clients, board.clone());
    (board, keeper)
}

impl World {
    pub(super) async fn start() -> Self {
        Self::with(None).await
    }

    /// With a strategy that is connected for the first product.
    pub(super) async fn with(strategy: Option<Arc<dyn DynStrategy>>) -> Self {
        let sim = Sim::new(&WALLETS);
        let store = Store::in_memory().await.unwrap();
        let (board, keeper) = bookkeeper(&sim, &store, strategy.as_ref());
        let due = Vec::new();
        let mut world = Self { sim, store, board, keeper, strategy, due, looked: 0 };
        for _ in 0..FINALITY {
            world.block(&[], By::Keeper).await;
        }
        world
    }

    /// A block, what the journal makes of it, and a look of the bookkeeper.
    pub(super) async fn block(&mut self, acts: &[(Address, Act)], by: By) {
        self.mine(acts, by).await;
        self.look().await;
    }

    pub(super) async fn mine(&mut self, acts: &[(Address, Act)], by: By) {
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

    pub(super) async fn look(&mut self) {
        let head = self.sim.head();
        self.keeper.at(&head).await;
    }

    /// As many blocks as it takes until everything is final and was looked at.
    pub(super) async fn settle(&mut self) {
        self.quiet(30 + FINALITY).await;
    }

    /// The process ends, and another begins.
    pub(super) fn restart(&mut self) {
        (self.board, self.keeper) = bookkeeper(&self.sim, &self.store, self.strategy.as_ref());
    }

    pub(super) async fn reconcile(&self, at: usize, depth: Depth) -> Reconciliation {
        let ledger = self.store.ledger();
        let holder = ledger.holders().await.unwrap().into_iter();
        let holder = holder.clone().find(|holder| holder.wallet == WALLETS[at]).unwrap();
        reconcile(&ledger, Some(&self.sim), &holder, Range::default(), depth).await.unwrap()
    }

    pub(super) async fn sql(&self, sql: &'static str) {
        self.store.commit(vec![Statement::new(sql)]).await.unwrap();
    }

    pub(super) async fn assert_whole(&self) {
        for (at, product) in PRODUCTS.iter().enumerate() {
            let found = self.reconcile(at, Depth::Blocks).await;
            assert!(found.is_whole(), "{product}: {found:#?}");
        }
    }

    /// Every transaction is booked, at what its receipt says: sums that share no code.
    pub(super) async fn assert_sums(&self) {
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
    /// So many blocks, each looked at.
    pub(super) async fn quiet(&mut self, blocks: u64) {
        for _ in 0..blocks {
            self.block(&[], By::Keeper).await;
        }
    }

    /// What the board says is wrong with a product's books.
    pub(super) fn told(&self, at: usize) -> Option<String> {
        self.board.product(PRODUCTS[at]).and_then(|status| status.reconciled)?.problem
    }

    /// The blocks of a wallet's checkpoints, ascending.
    pub(super) async fn held(&self, at: usize) -> Vec<u64> {
        let most = u64::try_from(i64::MAX).unwrap();
        let held = self.store.ledger().held((1, WALLETS[at]), (0, most)).await.unwrap();
        held.iter().map(|at| at.block.number).collect()
    }

    /// What is booked of a wallet.
    pub(super) async fn entries(&self, at: usize) -> Vec<Entry> {
        let mut all = Vec::new();
        let visit = |entry| {
            all.push(entry);
            Ok(())
        };
        let of = Filter::wallet(1, WALLETS[at]);
        self.store.ledger().each_entry(&of, visit).await.unwrap();
        all
    }

    /// What is booked as having come to a wallet, wei.
    pub(super) async fn came(&self, at: usize) -> U256 {
        let mut sum = U256::ZERO;
        let visit = |inflow: Inflow| {
            sum += inflow.wei;
            Ok(())
        };
        let of = Filter::wallet(1, WALLETS[at]);
        self.store.ledger().each_inflow(&of, visit).await.unwrap();
        sum
    }
}

/// A history with something of everything, for those who spoil its books.
pub(super) async fn rich() -> World {
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

/// The first column of a query.
pub(super) async fn numbers(world: &World, sql: &'static str) -> Vec<u64> {
    use sqlx::Row as _;
    let rows = world.store.rows(Statement::new(sql)).await.unwrap();
    rows.iter().map(|row| u64::try_from(row.get::<i64, _>(0)).unwrap()).collect()
}
