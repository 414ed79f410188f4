//! The pictures of the README. The test takes them of a short story and looks at what they are;
//! `make screenshots` has it tell a longer one and keep them.

use std::{path::PathBuf, time::Duration};

use ballast_devnet::{BasisOptions, Devnet, DevnetOptions, Mining, accounts};
use ballast_test_support::Browser;
use eyre::Result;

use super::{Served, TOKEN, USD};
use crate::harness::{BASIS, DEADLINE, PRODUCT, Setup, World, key_name, product_name};

/// The folder that keeps the pictures; without it they are gone with the test.
const KEPT_IN: &str = "BALLAST_SCREENSHOTS";
/// Prices of the first chain, in dollars: a market that drifts down while the second's drifts up.
const DRIFT: [u64; 12] =
    [1_985, 1_990, 1_965, 1_972, 1_940, 1_948, 1_915, 1_890, 1_902, 1_868, 1_845, 1_790];

/// What stands in the files of the second and third product of the first chain.
const NAMES: [&str; 2] = ["eth3x-fli", "eth-flip"];

/// Gives the products names that a person would give them, one of them only watched, and adds a
/// second chain with a basis product.
async fn dress(world: &World) -> Result<Devnet> {
    for (index, name) in NAMES.iter().enumerate() {
        let place = index + 1;
        let path = world.dir.path().join(format!("products/{}.toml", product_name(place)));
        let text = std::fs::read_to_string(&path)?;
        std::fs::remove_file(path)?;
        let key = format!("key = {{ env = \"{}\" }}", key_name(place));
        let watched = format!("address = \"{}\"", accounts::keeper_address(place));
        let text = if index == 1 { text.replace(&key, &watched) } else { text };
        world.dir.write(format!("products/{name}.toml"), text)?;
    }
    let chain = world.dir.path().join("chains/local.toml");
    let text = std::fs::read_to_string(&chain)?;
    std::fs::remove_file(chain)?;
    world.dir.write("chains/mainnet.toml", text)?;
    let mining = Mining::Every(Duration::from_secs(1));
    let basis = Some(BasisOptions::default());
    let options = DevnetOptions { chain_id: 10, mining, basis, ..DevnetOptions::default() };
    let second = Devnet::start(options).await?;
    let text = format!(
        "chain_id = 10\nblock_time = \"1s\"\nconfirmations = 3\n\
         explorer = \"https://optimistic.etherscan.io\"\nrpc = [\"{}\"]\n",
        second.http_url()
    );
    world.dir.write("chains/optimism.toml", text)?;
    let market = second.basis_market()?;
    let text = format!(
        "strategy = \"basis\"\nchain = \"optimism\"\n[wallet]\nkey = {{ env = \"{}\" }}\n\
         [params]\nextension = \"{}\"\n",
        key_name(market.basis().keeper),
        market.basis().extension
    );
    world.dir.write(format!("products/{BASIS}.toml"), text)?;
    let names: Vec<_> = NAMES.iter().map(|name| format!("products/{name}.toml")).collect();
    for name in names.iter().chain([&format!("products/{PRODUCT}.toml")]) {
        let path = world.dir.path().join(name);
        let text = std::fs::read_to_string(&path)?;
        world.dir.write(name, text.replace("\"local\"", "\"mainnet\""))?;
    }
    Ok(second)
}

/// Width and height that a PNG says it has.
fn size(png: &[u8]) -> (u32, u32) {
    assert_eq!(png[..8], *b"\x89PNG\r\n\x1a\n");
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

#[tokio::test]
async fn pictures_of_a_keeper_at_work() -> Result<()> {
    let kept = std::env::var_os(KEPT_IN).map(PathBuf::from);
    // A chart needs some blocks before it is worth keeping.
    let skipped = if kept.is_some() { 0 } else { DRIFT.len() - 1 };
    let setup = Setup {
        more_products: 2,
        chain: "explorer = \"https://etherscan.io\"\n".into(),
        ..Setup::default()
    };
    let world = World::start(setup).await?;
    let other_chain = dress(&world).await?;
    let second = other_chain.basis_market()?;
    let served = Served::start(&world).await?;
    let pause = format!("{}/api/v1/products/{}/pause", served.base, NAMES[0]);
    let order = serde_json::json!({ "who": "Ada", "reason": "new methodology on Monday" });
    served.client.post(pause).bearer_auth(TOKEN).json(&order).send().await?.error_for_status()?;
    let browser = Browser::start().await?;
    browser.resize(1440, 1160, false).await?;
    browser.open(&served.base).await?;
    browser.wait_for("document.querySelectorAll('.product .line').length >= 4", DEADLINE).await?;
    for (step, price) in DRIFT.into_iter().enumerate().skip(skipped) {
        world.devnet.market().set_price(price * USD).await?;
        let rise = 2_000 + u64::try_from(step)? * 7;
        second.set_price(rise * USD).await?;
        world.wait_blocks(2).await?;
    }
    world.devnet.market().set_price(1_752 * USD).await?;
    browser.wait_for("document.querySelectorAll('.mark').length >= 2", DEADLINE).await?;
    browser.wait_for("document.querySelector('.badge[data-state=confirmed]')", DEADLINE).await?;
    // The last picture has something under way.
    world.devnet.market().set_price(1_690 * USD).await?;
    browser.wait_for("document.querySelector('[data-health=acting].product')", DEADLINE).await?;
    let light = browser.screenshot().await?;
    browser.prefer_dark(true).await?;
    let dark = browser.screenshot().await?;
    browser.prefer_dark(false).await?;
    browser.resize(390, 844, true).await?;
    browser.wait_for("document.documentElement.scrollWidth === 390", DEADLINE).await?;
    world.wait_blocks(1).await?;
    let phone = browser.screenshot().await?;
    assert_eq!(browser.console_errors().await?, Vec::<String>::new());
    assert_eq!(size(&light), size(&dark));
    assert_eq!([size(&light), size(&phone)], [(1440, 1160), (2 * 390, 2 * 844)]);
    assert_ne!(light, dark);
    if let Some(dir) = kept {
        std::fs::create_dir_all(&dir)?;
        for (name, picture) in [("light", light), ("dark", dark), ("phone", phone)] {
            std::fs::write(dir.join(format!("{name}.png")), picture)?;
        }
    }
    browser.close().await?;
    served.stop().await
}
