//! One product's trouble is its own.

use ballast_devnet::accounts;
use eyre::Result;

use crate::harness::{DEADLINE, Setup, World, product_name};

#[tokio::test]
async fn an_empty_wallet_and_a_dead_product_hold_up_nobody() -> Result<()> {
    let world = World::start(Setup { more_products: 2, ..Setup::default() }).await?;
    let node = world.devnet.node();
    node.set_balance(accounts::keeper_address(1), alloy::primitives::U256::ZERO).await?;
    // The third product points at an address without code.
    let text = "strategy = \"fli\"\nchain = \"local\"\n[wallet]\nkey = { env = \"KEEPER_KEY_2\" }\n\
        [params]\nextension = \"0x00000000000000000000000000000000000000aa\"\n";
    world.dir.write(format!("products/{}.toml", product_name(2)), text)?;
    let keeper = world.keeper().await?;
    node.warp(86_401).await?;
    keeper.wait_for_line("step=\"final\"", DEADLINE).await?;
    assert_eq!(node.nonce(accounts::keeper_address(0)).await?, 1);
    assert_eq!(node.nonce(accounts::keeper_address(1)).await?, 0);
    assert_eq!(node.nonce(accounts::keeper_address(2)).await?, 0);
    let lines = keeper.lines().join("\n");
    assert!(lines.contains("insufficient funds"), "the empty wallet is not explained:\n{lines}");
    assert!(lines.contains("misconfigured"), "the dead product is not explained:\n{lines}");
    Ok(())
}
