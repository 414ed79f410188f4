//! The strategies for Aave V2, Aave V3 and Morpho, as doubles: one keeper over all three.

use alloy::primitives::U256;
use ballast_devnet::{
    Market, Product, V2_EXCHANGE, V3_EXCHANGE, Variant, accounts,
    contracts::ISingleExchangeAdapterDouble::actionsCall,
};
use ballast_test_support::{KeeperProcess, wait_until};
use eyre::{OptionExt as _, Result, ensure};

use super::{COOLDOWN, INTERVAL, Mined, RIPCORD_COOLDOWN, USD, count, mined_by, ratio};
use crate::harness::{DEADLINE, PRODUCT, Setup, World, finish, json, product_name};

/// What a reward is, and what each strategy has for rewards, in ether.
const REWARD: &str = "1";
const REWARDS: &str = "10";

/// A world with a keeper that watches a product per variant, and none on the published bytecode.
struct Fleet {
    world: World,
    market: Market,
    products: Vec<Product>,
    keeper: KeeperProcess,
    first_block: u64,
}

impl Fleet {
    async fn start() -> Result<Self> {
        let world = World::start(Setup { doubles: true, ..Setup::default() }).await?;
        std::fs::remove_file(world.dir.path().join(format!("products/{PRODUCT}.toml")))?;
        let products = world.devnet.products()[1..].to_vec();
        let variants: Vec<_> = products.iter().map(|product| product.variant).collect();
        assert_eq!(variants, [Variant::AaveV2, Variant::AaveV3, Variant::Morpho]);
        let first_block = world.devnet.node().block_number().await?;
        let (market, keeper) = (world.devnet.market(), world.keeper().await?);
        let fleet = Self { world, market, products, keeper, first_block };
        fleet.all_say("inside bounds").await?;
        Ok(fleet)
    }

    /// Waits until the keeper has said something of every product.
    async fn all_say(&self, what: &str) -> Result<()> {
        let said = async || {
            let lines = self.keeper.lines();
            let by = |index: usize| {
                let name = product_name(index);
                lines.iter().any(|line| line.contains(&name) && line.contains(what))
            };
            (1..=self.products.len()).all(by)
        };
        let waited = wait_until(&format!("all to say {what:?}"), DEADLINE, said).await;
        waited.map(drop).map_err(|error| self.keeper.failure(&error.to_string()))
    }

    async fn mined(&self, product: &Product) -> Result<Vec<Mined>> {
        mined_by(&self.world, product.keepers[0], self.first_block).await
    }

    async fn ratio(&self, product: &Product) -> Result<U256> {
        self.market.leverage_ratio(product).await
    }

    /// Waits until something holds of every product. Whenever one rests, its cooldown goes by and
    /// the pools come back to the price, as they would.
    async fn all_reach(
        &self,
        what: &str,
        cooldown: u64,
        done: impl AsyncFn(&Product) -> Result<bool>,
    ) -> Result<()> {
        let price = self.market.price().await?;
        let mut seen = 0;
        let waited = wait_until(what, DEADLINE, async || -> Result<()> {
            let mut behind = Vec::new();
            for product in &self.products {
                if !done(product).await? {
                    behind.push(format!("{} at {}", product.symbol, self.ratio(product).await?));
                }
            }
            if behind.is_empty() {
                return Ok(());
            }
            let rests = |line: &&String| line.contains("cooldown not over");
            let rested = self.keeper.lines().iter().filter(rests).count();
            if rested > seen {
                seen = rested;
                self.market.set_pools_only(&[V3_EXCHANGE, V2_EXCHANGE], price).await?;
                self.world.devnet.node().warp(cooldown).await?;
            }
            eyre::bail!("{behind:?}, {rested} rests so far")
        });
        waited.await.map(drop).map_err(|error| self.keeper.failure(&error.to_string()))
    }

    /// A few blocks go by in which nothing is sent, and nothing that was mined had reverted.
    async fn assert_rest(&self) -> Result<Vec<Vec<Mined>>> {
        let sent = self.world.sent();
        self.world.wait_blocks(3).await?;
        assert_eq!(self.world.sent(), sent, "{}", self.keeper.tail());
        let mut all = Vec::new();
        for product in &self.products {
            let mined = self.mined(product).await?;
            assert!(mined.iter().all(|call| call.succeeded), "{}: {mined:?}", product.symbol);
            all.push(mined);
        }
        Ok(all)
    }
}

#[tokio::test]
async fn each_is_rebalanced_once_an_interval_when_its_exchanges_are_fair() -> Result<()> {
    let fleet = Fleet::start().await?;
    fleet.market.set_pools_only(&[V3_EXCHANGE, V2_EXCHANGE], 1_800 * USD).await?;
    fleet.world.devnet.node().warp(INTERVAL).await?;
    fleet.all_say("slippage beyond the tolerance").await?;
    assert!(fleet.assert_rest().await?.iter().all(Vec::is_empty));

    fleet.market.set_price(2_000 * USD).await?;
    let traded = async |product: &Product| Ok(!fleet.mined(product).await?.is_empty());
    fleet.all_reach("the interval rebalance", 0, traded).await?;
    for mined in fleet.assert_rest().await? {
        assert_eq!((mined.len(), count(&mined, "rebalance")), (1, 1), "{mined:?}");
    }
    Ok(())
}

#[tokio::test]
async fn each_is_delevered_chunk_by_chunk_when_it_is_out_of_bounds() -> Result<()> {
    let fleet = Fleet::start().await?;
    fleet.market.set_price(1_650 * USD).await?;
    for product in &fleet.products {
        assert!(fleet.ratio(product).await? > ratio("2.5"), "{}", product.symbol);
    }
    let done = async |product: &Product| {
        let open = fleet.market.twap_leverage_ratio(product).await?;
        Ok(open.is_zero() && fleet.ratio(product).await? <= ratio("2.3"))
    };
    fleet.all_reach("every TWAP's end within bounds", COOLDOWN, done).await?;
    for mined in fleet.assert_rest().await? {
        assert_eq!(mined[0].action, "rebalance", "{mined:?}");
        assert!(count(&mined, "iterateRebalance") >= 3, "{mined:?}");
        for exchange in [V3_EXCHANGE, V2_EXCHANGE] {
            assert!(mined.iter().any(|call| call.exchange == exchange), "{exchange}: {mined:?}");
        }
    }
    let lines = fleet.keeper.lines().join("\n");
    assert!(!lines.contains("postcondition_missed"), "{lines}");
    Ok(())
}

#[tokio::test]
async fn each_is_brought_below_the_ripcord_line_and_pays_for_it() -> Result<()> {
    let fleet = Fleet::start().await?;
    fleet.market.set_price(1_480 * USD).await?;
    for product in &fleet.products {
        assert!(fleet.ratio(product).await? > ratio("3"), "{}", product.symbol);
    }
    // The ordinary rebalance takes over, so there is no ripcord any more.
    let over = async |product: &Product| Ok(count(&fleet.mined(product).await?, "rebalance") > 0);
    fleet.all_reach("a rebalance each", RIPCORD_COOLDOWN, over).await?;
    for product in &fleet.products {
        let mined = fleet.mined(product).await?;
        assert!(mined.iter().all(|call| call.succeeded), "{}: {mined:?}", product.symbol);
        let ripcords = mined.iter().take_while(|call| call.action == "ripcord").count();
        assert!(ripcords >= 2, "{}: {mined:?}", product.symbol);
        assert_eq!(count(&mined, "ripcord"), ripcords, "none later, {}: {mined:?}", product.symbol);
        assert!(fleet.ratio(product).await? < ratio("2.7"), "{}", product.symbol);
        let left = fleet.world.devnet.node().balance(product.strategy).await?;
        let paid = ratio(REWARD).saturating_mul(U256::from(ripcords));
        assert_eq!(ratio(REWARDS).checked_sub(left), Some(paid), "{}", product.symbol);
    }
    Ok(())
}

#[tokio::test]
async fn beyond_its_own_ceiling_none_sends_anything() -> Result<()> {
    let fleet = Fleet::start().await?;
    fleet.market.set_price(1_040 * USD).await?;
    fleet.all_say("beyond the ceiling").await?;
    assert!(fleet.assert_rest().await?.iter().all(Vec::is_empty));
    // Within reach of the ripcord again, it is pulled.
    fleet.market.set_price(1_300 * USD).await?;
    let rescued = async |product: &Product| Ok(count(&fleet.mined(product).await?, "ripcord") > 0);
    fleet.all_reach("a ripcord each", RIPCORD_COOLDOWN, rescued).await?;
    for product in &fleet.products {
        let mined = fleet.mined(product).await?;
        assert!(mined.iter().all(|call| call.succeeded), "{}: {mined:?}", product.symbol);
    }
    Ok(())
}

#[tokio::test]
async fn check_names_every_variant_and_the_older_adapter_is_refused_by_name() -> Result<()> {
    let world = World::start(Setup { doubles: true, ..Setup::default() }).await?;
    let (code, out, err) = finish(world.ballast(&["check", "--json"])).await?;
    assert_eq!(code, 0, "{out:?} {err:?}");
    let recognised = json(&out)["recognised"].clone();
    for (index, name) in ["Compound", "Aave V2", "Aave V3", "Morpho"].into_iter().enumerate() {
        let product = &world.devnet.products()[index];
        assert_eq!(recognised[index]["product"], product_name(index), "{recognised}");
        let expected = format!(
            "leverage strategy for {name} at {}, product {}",
            product.strategy, product.set_token
        );
        assert_eq!(recognised[index]["description"], expected, "{recognised}");
    }
    let (_, out, _) = finish(world.ballast(&["check"])).await?;
    let said = |line: &String| line.contains("product-003: leverage strategy for Morpho");
    assert!(out.iter().any(said), "{out:?}");

    let adapter = world.devnet.deployment().single_exchange_adapter;
    let adapter = adapter.ok_or_eyre("the older adapter is there")?;
    let text = format!(
        "strategy = \"fli\"\nchain = \"local\"\n[wallet]\naddress = \"{}\"\n\
         [params]\nextension = \"{adapter}\"\n",
        accounts::keeper_address(0)
    );
    world.dir.write(format!("products/{PRODUCT}.toml"), text)?;
    let refused = "an older FlexibleLeverageStrategyAdapter with a single exchange";
    let (code, out, err) = finish(world.ballast(&["check"])).await?;
    assert_eq!(code, 3, "{out:?} {err:?}");
    let is_error = |line: &String| line.starts_with("error") && line.contains(refused);
    assert!(out.iter().any(is_error), "{out:?}");

    let mut keeper = world.keeper().await?;
    keeper.wait_for_line(refused, DEADLINE).await?;
    world.devnet.node().warp(INTERVAL).await?;
    // The others are kept all the same.
    let traded = async || -> Result<()> {
        for index in 1..=3 {
            let nonce = world.devnet.node().nonce(accounts::keeper_address(index)).await?;
            ensure!(nonce == 1, "product {index}");
        }
        Ok(())
    };
    keeper.wait_until("the others' interval rebalance", DEADLINE, traded).await?;
    assert_eq!(world.mined().await?, 0);
    assert_eq!(world.devnet.node().read(adapter, actionsCall {}).await?, U256::ZERO);
    Ok(())
}
