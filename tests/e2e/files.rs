//! Wrong files, through the binary: exit code 2 and a line per error.

use ballast_test_support::{ConfigDir, KeeperCommand};
use eyre::Result;

use crate::harness::{finish, json};

const CHAIN: &str = "chain_id = 1\nrpc = [\"http://127.0.0.1:1\"]\n";
const PRODUCT: &str = "strategy = \"fli\"\nchain = \"local\"\n\
    [wallet]\naddress = \"0x0000000000000000000000000000000000000001\"\n\
    [params]\nextension = \"0x0000000000000000000000000000000000000002\"\n";

fn check(dir: &ConfigDir, args: &[&str]) -> KeeperCommand {
    KeeperCommand::new(env!("CARGO_BIN_EXE_ballast")).arg("--config").arg(dir.path()).args(args)
}

#[tokio::test]
async fn right_files_pass_offline() -> Result<()> {
    let dir = ConfigDir::new()?.chain("local", CHAIN)?.product("one", PRODUCT)?;
    let (code, out, err) = finish(check(&dir, &["check", "--offline"])).await?;
    assert_eq!(code, 0, "{err:?}");
    assert!(out.iter().any(|line| line.contains("1 products, 0 errors")), "{out:?}");
    Ok(())
}

#[tokio::test]
async fn five_errors_are_five_lines_and_exit_code_2() -> Result<()> {
    let wrong = "strategy = \"fly\"\nchain = \"mainnett\"\nmode = \"fast\"\ndry_run = \"maybe\"\n\
        [wallet]\naddress = \"0x12\"\n[params]\nextension = \"0x0000000000000000000000000000000000000002\"\n";
    let dir = ConfigDir::new()?.chain("local", CHAIN)?.product("one", wrong)?;
    let (code, _, err) = finish(check(&dir, &["check", "--offline"])).await?;
    assert_eq!(code, 2);
    assert_eq!(err.len(), 5, "{err:#?}");
    for (key, value) in [
        ("strategy", "fly"),
        ("chain", "mainnett"),
        ("mode", "fast"),
        ("dry_run", "maybe"),
        ("wallet.address", "0x12"),
    ] {
        let found = err.iter().any(|line| {
            line.contains("products/one.toml") && line.contains(key) && line.contains(value)
        });
        assert!(found, "no line for {key} = {value}: {err:#?}");
    }
    let (code, out, _) = finish(check(&dir, &["check", "--offline", "--json"])).await?;
    assert_eq!(code, 2);
    let report = json(&out);
    assert_eq!(report["ok"], false);
    assert_eq!(report["problems"].as_array().map(Vec::len), Some(5), "{report}");
    Ok(())
}

#[tokio::test]
async fn run_refuses_wrong_files_too() -> Result<()> {
    let dir = ConfigDir::new()?.chain("local", "chain_id = \"one\"\n")?.product("one", PRODUCT)?;
    let (code, _, err) = finish(check(&dir, &["run"])).await?;
    assert_eq!(code, 2, "{err:?}");
    assert!(err.iter().any(|line| line.contains("chains/local.toml") && line.contains("chain_id")));
    Ok(())
}

#[tokio::test]
async fn offline_needs_no_secrets_and_online_names_the_missing_one() -> Result<()> {
    let product = PRODUCT.replace(
        "address = \"0x0000000000000000000000000000000000000001\"",
        "key = { env = \"NO_SUCH_KEY\" }",
    );
    let dir = ConfigDir::new()?.chain("local", CHAIN)?.product("one", product)?;
    let (code, _, err) = finish(check(&dir, &["check", "--offline"])).await?;
    assert_eq!(code, 0, "{err:?}");
    let (code, _, err) = finish(check(&dir, &["check"])).await?;
    assert_ne!(code, 0);
    assert!(err.iter().any(|line| line.contains("NO_SUCH_KEY")), "{err:?}");
    Ok(())
}

#[tokio::test]
async fn the_shipped_files_pass_offline() -> Result<()> {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/config");
    let command = KeeperCommand::new(env!("CARGO_BIN_EXE_ballast")).args([
        "--config",
        shipped,
        "check",
        "--offline",
    ]);
    let (code, out, err) = finish(command).await?;
    assert_eq!(code, 0, "{out:?} {err:?}");
    Ok(())
}
