//! The page in a headless Chromium, over a keeper whose market moves; and that page, API and chain
//! say the same.

mod shots;

use alloy::{
    primitives::{U256, utils::format_units},
    sol_types::SolCall as _,
};
use ballast_devnet::{accounts, contracts::IStrategy};
use ballast_test_support::{Browser, KeeperProcess, wait_until};
use eyre::{Result, ensure, eyre};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use crate::harness::{DEADLINE, PRODUCT, Setup, World, http_base};

/// A dollar in the feed's 8 decimals.
const USD: u64 = 100_000_000;
/// The operator token of these worlds.
const TOKEN: &str = "a-token-of-the-page-tests";

/// A keeper with an operator token, and where it serves.
struct Served {
    keeper: KeeperProcess,
    base: String,
    client: Client,
}

impl Served {
    async fn start(world: &World) -> Result<Self> {
        let ballast = format!(
            "[store]\nurl = \"sqlite://{}\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
             token = {{ env = \"TOKEN\" }}\n",
            world.store().display()
        );
        world.dir.write("ballast.toml", ballast)?;
        let command = world.ballast(&["--log", "info,ballast=debug", "run"]).env("TOKEN", TOKEN);
        let keeper = command.start()?;
        keeper.wait_for_line("first head", DEADLINE).await?;
        let base = http_base(&keeper).await?;
        Ok(Self { keeper, base, client: Client::new() })
    }

    async fn get(&self, path: &str) -> Result<Value> {
        let response = self.client.get(format!("{}{path}", self.base)).send().await?;
        Ok(response.error_for_status()?.json().await?)
    }

    async fn product(&self) -> Result<Value> {
        self.get(&format!("/api/v1/products/{PRODUCT}")).await
    }

    async fn order(&self, what: &str, token: Option<&str>) -> Result<(StatusCode, Value)> {
        let url = format!("{}/api/v1/products/{PRODUCT}/{what}", self.base);
        let mut request = self.client.post(url).json(&json!({ "who": "a test" }));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await?;
        Ok((response.status(), response.json().await?))
    }

    async fn stop(mut self) -> Result<()> {
        self.keeper.terminate()?;
        ensure!(self.keeper.wait_exit(DEADLINE).await?.success(), "{}", self.keeper.tail());
        Ok(())
    }
}

/// The leverage ratio that the contract tells at a block, as the API writes it.
async fn ratio_at(world: &World, block: u64) -> Result<String> {
    let call = IStrategy::getCurrentLeverageRatioCall {}.abi_encode();
    let call = json!({
        "to": world.devnet.product().strategy,
        "data": alloy::hex::encode_prefixed(call),
    });
    let word: U256 = world.devnet.node().rpc("eth_call", (call, format!("{block:#x}"))).await?;
    let text = format_units(word, 18)?;
    Ok(text.trim_end_matches('0').trim_end_matches('.').to_owned())
}

/// The card of the product that the harness makes first.
fn card(inside: &str) -> String {
    format!("[data-product=\"{PRODUCT}\"] {inside}")
}

fn seen(product: &Value) -> Option<&Value> {
    let all = product["last"]["observations"].as_array()?;
    all.iter().find(|seen| seen["name"] == "leverage_ratio")
}

#[tokio::test]
async fn api_and_page_say_what_the_chain_says() -> Result<()> {
    let world = World::start(Setup::default()).await?;
    let served = Served::start(&world).await?;
    let browser = Browser::start().await?;
    browser.resize(1280, 900, false).await?;
    browser.open(&served.base).await?;
    browser.wait_for("document.querySelector('.product .line')", DEADLINE).await?;
    browser.run("window.neverReloaded = true").await?;
    let before = browser.text(&card(".reading-value")).await?;
    assert!(browser.text(&card(".verdict")).await?.starts_with("Nothing is due"), "{before}");

    // The price falls until leverage is above its maximum: the keeper acts, the page tells.
    world.devnet.market().set_price(1_755 * USD).await?;
    let marked = "document.querySelector('.mark[data-action=rebalance]')?.dataset.action";
    browser.wait_for(marked, DEADLINE).await?;
    let row =
        "document.querySelector('#transactions tbody .badge[data-state=confirmed]')?.innerText";
    browser.wait_for(row, DEADLINE).await?;
    let changed = format!("document.querySelector('.reading-value').innerText !== {before:?}");
    browser.wait_for(&changed, DEADLINE).await?;
    assert_eq!(browser.run("return window.neverReloaded").await?, true, "without a reload");

    // At the block that each of them names, all three tell the same ratio.
    let product = served.product().await?;
    let head = product["last"]["head"]["number"].as_u64().unwrap();
    assert_eq!(seen(&product).unwrap()["value"], ratio_at(&world, head).await?, "block {head}");
    let shown = browser
        .run(
            "const card = document.querySelector('.product'); return \
              { block: card.dataset.block, value: card.dataset.value, \
                text: card.querySelector('.reading-value').innerText };",
        )
        .await?;
    let block = shown["block"].as_str().and_then(|block| block.parse().ok()).unwrap();
    let value = ratio_at(&world, block).await?;
    assert_eq!(shown["value"], value, "block {block}");
    assert!(
        value.starts_with(shown["text"].as_str().unwrap().trim_end_matches(['×', '0'])),
        "{shown}"
    );

    let wallet = &product["wallet"];
    let (at, keeper) = (wallet["balance_block"].as_u64().unwrap(), accounts::keeper_address(0));
    let balance: U256 =
        world.devnet.node().rpc("eth_getBalance", (keeper, format!("{at:#x}"))).await?;
    assert_eq!(wallet["balance_wei"], balance.to_string());

    let listed = served.get(&format!("/api/v1/transactions?product={PRODUCT}")).await?;
    for row in listed["transactions"].as_array().unwrap() {
        let hash = row["hash"].as_str().unwrap().parse()?;
        let receipt = world.devnet.node().receipt(hash).await?;
        let cost = u128::from(receipt.gas_used) * receipt.effective_gas_price;
        assert_eq!(row["cost_wei"], cost.to_string(), "{row}");
        assert_eq!(row["block"], receipt.block_number.unwrap(), "{row}");
    }
    assert_eq!(browser.console_errors().await?, Vec::<String>::new());
    browser.close().await?;
    served.stop().await
}

#[tokio::test]
async fn a_product_is_paused_on_the_page_with_the_token_and_stays_so() -> Result<()> {
    let world = World::start(Setup::default()).await?;
    let served = Served::start(&world).await?;
    let (status, refused) = served.order("pause", None).await?;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "{refused}");

    let browser = Browser::start().await?;
    browser.resize(390, 844, true).await?;
    browser.open(&served.base).await?;
    browser.wait_for("document.querySelector('.product .line')", DEADLINE).await?;
    let wide = browser.run("return document.documentElement.scrollWidth").await?;
    assert_eq!(wide, 390, "a phone does not scroll sideways");
    assert_eq!(browser.console_errors().await?, Vec::<String>::new());

    // Without the token nothing happens.
    browser.click(&card(".product-top button")).await?;
    browser.wait_for("document.querySelector('#login').open", DEADLINE).await?;
    browser.type_into("#token", "not the token").await?;
    browser.click("#login button[type=submit]").await?;
    browser.wait_for("!document.querySelector('#login .wrong').hidden", DEADLINE).await?;
    assert!(browser.text("#login .wrong").await?.contains("not the operator token"));
    assert_eq!(served.product().await?["paused"], Value::Null);
    let errors = browser.console_errors().await?;
    assert!(errors.iter().all(|error| error.contains("401")), "{errors:?}");

    // With it, and after a question, the product is paused at once.
    browser.run("document.querySelector('#token').value = ''").await?;
    browser.type_into("#token", TOKEN).await?;
    browser.click("#login button[type=submit]").await?;
    browser.wait_for("document.querySelector('#confirm').open", DEADLINE).await?;
    browser.type_into("#reason", "<b>testing</b>").await?;
    browser.click("#confirm button[type=submit]").await?;
    let badge = "document.querySelector('.product .badge').innerText === 'paused'";
    browser.wait_for(badge, DEADLINE).await?;
    let told = browser.text(&card(".verdict-detail")).await?;
    assert!(told.contains("<b>testing</b>"), "text stays text: {told}");
    assert_eq!(served.product().await?["paused"]["reason"], "<b>testing</b>");

    // A keeper that is gone is said to be gone.
    served.stop().await?;
    let banner = "!document.querySelector('#banner').hidden && \
                  document.querySelector('#banner').innerText.includes('does not answer')";
    browser.wait_for(banner, DEADLINE).await?;
    browser.close().await?;

    // The pause outlives the keeper, holds what is due, and ends by a word.
    world.devnet.market().set_price(1_755 * USD).await?;
    let served = Served::start(&world).await?;
    let held = async || {
        let product = served.product().await?;
        let last = &product["last"];
        let is_held = last["kind"] == "refused" && last["reason"] == "paused by an operator";
        if is_held { Ok(()) } else { Err(eyre!("{product}")) }
    };
    wait_until("the pause to hold a rebalance", DEADLINE, held).await?;
    assert!(world.proxy().raw_transactions().is_empty(), "nothing was sent while paused");
    let (status, resumed) = served.order("resume", Some(TOKEN)).await?;
    assert_eq!((status, &resumed["paused"]), (StatusCode::OK, &Value::Null));
    let sent = async || world.mined().await.is_ok_and(|mined| mined > 0);
    wait_until("the rebalance", DEADLINE, sent).await?;
    served.stop().await
}
