//! The pictures of the README: `make screenshots`.

use std::{path::Path, time::Duration};

use ballast_devnet::{Devnet, DevnetOptions, Mining, accounts};
use ballast_test_support::Browser;
use eyre::{OptionExt as _, Result};

use super::{Served, TOKEN, USD};
use crate::harness::{DEADLINE, PRODUCT, Setup, World, key_name, product_name};

/// What stands in the files of the second and third product of the first chain.
const NAMES: [&str; 2] = ["eth3x-fli", "eth-flip"];

/// Gives the products names that a person would give them, one of them only watched, and adds a
/// second chain.
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
    let second = Devnet::start(DevnetOptions { chain_id: 10, mining, ..DevnetOptions::default() });
    let second = second.await?;
    let text = format!(
        "chain_id = 10\nblock_time = \"1s\"\nconfirmations = 3\n\
         explorer = \"https://optimistic.etherscan.io\"\nrpc = [\"{}\"]\n",
        second.http_url()
    );
    world.dir.write("chains/optimism.toml", text)?;
    let text = format!(
        "strategy = \"fli\"\nchain = \"optimism\"\n[wallet]\nkey = {{ env = \"{}\" }}\n\
         [params]\nextension = \"{}\"\n",
        key_name(0),
        second.product().strategy
    );
    world.dir.write("products/op-eth2x.toml", text)?;
    let names: Vec<_> = NAMES.iter().map(|name| format!("products/{name}.toml")).collect();
    for name in names.iter().chain([&format!("products/{PRODUCT}.toml")]) {
        let path = world.dir.path().join(name);
        let text = std::fs::read_to_string(&path)?;
        world.dir.write(name, text.replace("\"local\"", "\"mainnet\""))?;
    }
    Ok(second)
}

#[tokio::test]
#[ignore = "writes pictures; `make screenshots` runs it"]
async fn screenshots() -> Result<()> {
    let dir = std::env::var_os("BALLAST_SCREENSHOTS");
    let dir = dir.ok_or_eyre("BALLAST_SCREENSHOTS names no folder")?;
    let dir = Path::new(&dir);
    let setup = Setup {
        more_products: 2,
        chain: "explorer = \"https://etherscan.io\"\n".into(),
        ..Setup::default()
    };
    let world = World::start(setup).await?;
    let second = dress(&world).await?;
    let served = Served::start(&world).await?;
    let pause = format!("{}/api/v1/products/{}/pause", served.base, NAMES[0]);
    let order = serde_json::json!({ "who": "Ada", "reason": "new methodology on Monday" });
    served.client.post(pause).bearer_auth(TOKEN).json(&order).send().await?.error_for_status()?;
    let browser = Browser::start().await?;
    browser.resize(1440, 1160, false).await?;
    browser.open(&served.base).await?;
    browser.wait_for("document.querySelectorAll('.product .line').length >= 4", DEADLINE).await?;
    // A market that drifts down on one chain and up on the other, and overshoots on both.
    let drift =
        [1_985, 1_990, 1_965, 1_972, 1_940, 1_948, 1_915, 1_890, 1_902, 1_868, 1_845, 1_790];
    for (step, price) in drift.into_iter().enumerate() {
        world.devnet.market().set_price(price * USD).await?;
        let rise = 2_000 + u64::try_from(step)? * 38;
        second.market().set_price(rise * USD).await?;
        world.wait_blocks(2).await?;
    }
    world.devnet.market().set_price(1_752 * USD).await?;
    browser.wait_for("document.querySelectorAll('.mark').length >= 2", DEADLINE).await?;
    browser.wait_for("document.querySelector('.badge[data-state=confirmed]')", DEADLINE).await?;
    // The last picture has something under way.
    world.devnet.market().set_price(1_690 * USD).await?;
    browser.wait_for("document.querySelector('[data-health=acting].product')", DEADLINE).await?;
    std::fs::create_dir_all(dir)?;
    std::fs::write(dir.join("light.png"), browser.screenshot().await?)?;
    browser.prefer_dark(true).await?;
    std::fs::write(dir.join("dark.png"), browser.screenshot().await?)?;
    browser.prefer_dark(false).await?;
    browser.resize(390, 844, true).await?;
    browser.wait_for("document.documentElement.scrollWidth === 390", DEADLINE).await?;
    world.wait_blocks(1).await?;
    std::fs::write(dir.join("phone.png"), browser.screenshot().await?)?;
    assert_eq!(browser.console_errors().await?, Vec::<String>::new());
    browser.close().await?;
    served.stop().await
}
