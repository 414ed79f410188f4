//! The books of random histories: whatever happens, nothing is unexplained.

use alloy::primitives::{Address, B256, U256};
use proptest::prelude::*;

use super::{
    super::*,
    sim::{Act, Sim},
    world::{By, FINALITY, WALLETS, World},
};

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
            Step::Quiet(blocks) => world.quiet((*blocks).into()).await,
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
    let entries = async |world: &World| [world.entries(0).await, world.entries(1).await].concat();
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
            ("eth2x", "foreign", "foreign", true),
            ("eth2x", "foreign", "superseded", true),
            ("launch", "external", "confirmed", false),
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
