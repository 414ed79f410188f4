//! Products whose key is in a keystore or in AWS KMS, through the real commands.

use std::{fs, os::unix::fs::PermissionsExt as _};

use ballast_devnet::accounts;
use ballast_test_support::{KeeperCommand, KeeperProcess, wait_until};
use eyre::Result;

use crate::harness::{DEADLINE, PRODUCT, Setup, World, finish, json, key_name};

const INTERVAL: u64 = 86_401;

impl World {
    /// Gives the first product this `[wallet]`.
    fn set_wallet(&self, wallet: &str) -> Result<()> {
        let extension = self.devnet.product().strategy;
        let text = format!(
            "strategy = \"fli\"\nchain = \"local\"\n[wallet]\n{wallet}\n\
             [params]\nextension = \"{extension}\"\n"
        );
        self.dir.write(format!("products/{PRODUCT}.toml"), text)?;
        Ok(())
    }

    async fn all_raw(&self) -> Result<u64> {
        let mut raw = self.proxy().raw_transactions();
        raw.sort();
        raw.dedup();
        Ok(u64::try_from(raw.len())?)
    }
}

/// A keeper with these variables that has seen its first head.
async fn run(command: KeeperCommand) -> Result<KeeperProcess> {
    let keeper = command.start()?;
    keeper.wait_for_line("first head", DEADLINE).await?;
    Ok(keeper)
}

#[tokio::test]
async fn a_keystore_is_imported_checked_and_signs_the_rebalance() -> Result<()> {
    const PASSWORD: (&str, &str) = ("KEYSTORE_PASSWORD", "correct horse");
    let world = World::start(Setup::default()).await?;
    let path = world.dir.path().join("keeper.json");
    let file = path.to_str().unwrap();
    let import = ["wallet", "import", "--from-env", &key_name(0), "--out", file];
    let import = [&import[..], &["--password-env", PASSWORD.0, "--json"]].concat();
    let (code, out, err) = finish(world.ballast(&import).env(PASSWORD.0, PASSWORD.1)).await?;
    assert_eq!(code, 0, "{err:?}");
    assert_eq!(json(&out)["address"], accounts::keeper_address(0).to_string());
    assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
    // Never in place of another.
    let before = fs::read(&path)?;
    let (code, _, err) = finish(world.ballast(&import).env(PASSWORD.0, PASSWORD.1)).await?;
    assert_eq!(code, 1);
    assert!(err.iter().any(|line| line.contains("never overwritten")), "{err:?}");
    assert_eq!(fs::read(&path)?, before);

    world.set_wallet("keystore = \"keeper.json\"\npassword = { env = \"KEYSTORE_PASSWORD\" }")?;
    let with = |args: &[&str], password: &str| world.ballast(args).env(PASSWORD.0, password);
    // Open to others: refused with the command that mends it.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640))?;
    for command in ["check", "run"] {
        let (code, _, err) = finish(with(&[command], PASSWORD.1)).await?;
        assert_eq!(code, 2, "{command}: {err:?}");
        let hint = format!("chmod 600 {file}");
        assert!(err.iter().any(|line| line.contains(&hint)), "{command}: {err:?}");
    }
    let (code, out, _) = finish(with(&["wallet", "list", "--json"], PASSWORD.1)).await?;
    assert_eq!(code, 0);
    let listed = &json(&out)["wallets"][0];
    assert!(listed["problems"][0].as_str().is_some_and(|p| p.contains("chmod 600")), "{listed}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;

    let (code, out, _) = finish(with(&["check"], "wrong")).await?;
    assert_eq!(code, 3, "{out:?}");
    assert!(out.iter().any(|line| line.contains("the password does not open")), "{out:?}");
    let (code, out, err) =
        finish(with(&["wallet", "list", "--online", "--json"], PASSWORD.1)).await?;
    assert_eq!(code, 0, "{err:?}");
    let listed = &json(&out)["wallets"][0];
    let balance = world.devnet.node().balance(accounts::keeper_address(0)).await?;
    assert_eq!(listed["balance_wei"], balance.to_string(), "{listed}");
    assert_eq!(listed["address"], accounts::keeper_address(0).to_string());
    assert_eq!(listed["problems"], serde_json::json!([]));

    let mut keeper = run(with(&["--log", "info,ballast=debug", "run"], PASSWORD.1)).await?;
    world.devnet.node().warp(INTERVAL).await?;
    keeper.wait_for_line("step=\"final\"", DEADLINE).await?;
    assert_eq!((world.mined().await?, world.all_raw().await?), (1, 1));
    keeper.terminate()?;
    assert!(keeper.wait_exit(DEADLINE).await?.success());
    Ok(())
}

#[tokio::test]
async fn a_new_key_needs_a_place_for_its_password() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (path, password) = (dir.path().join("new.json"), dir.path().join("password"));
    fs::write(&password, "p\n")?;
    let new = |more: &[&str]| {
        let out = ["wallet", "new", "--out", path.to_str().unwrap()];
        KeeperCommand::new(env!("CARGO_BIN_EXE_ballast")).args(out).args(more)
    };
    let (code, ..) = finish(new(&[])).await?;
    assert_eq!(code, 2, "without a password");
    let (code, _, err) = finish(new(&["--password-env", "NOT_SET"])).await?;
    assert_eq!(code, 1);
    assert!(err.iter().any(|line| line.contains("NOT_SET is not set")), "{err:?}");
    assert!(!path.exists());
    let (code, out, _) = finish(new(&["--password-file", password.to_str().unwrap()])).await?;
    assert_eq!(code, 0);
    let address = out[0].split_whitespace().last().unwrap().trim_start_matches("0x").to_lowercase();
    assert!(fs::read_to_string(&path)?.contains(&address), "{out:?}");
    // No way to give a key on the command line.
    let key = accounts::keeper_key(0).to_string();
    let (code, _, err) =
        finish(KeeperCommand::new(env!("CARGO_BIN_EXE_ballast")).args(["wallet", "import", &key]))
            .await?;
    assert_eq!(code, 2, "{err:?}");
    Ok(())
}

/// A signer that cannot be had is its product's trouble alone, and passes by itself.
#[tokio::test]
async fn a_locked_keystore_holds_up_nobody_else() -> Result<()> {
    let world = World::start(Setup { more_products: 1, ..Setup::default() }).await?;
    let (path, password) = (world.dir.path().join("k.json"), world.dir.path().join("password"));
    fs::write(&password, "right")?;
    let import = ["wallet", "import", "--from-env", &key_name(0), "--out", path.to_str().unwrap()];
    let import = [&import[..], &["--password-file", password.to_str().unwrap()]].concat();
    assert_eq!(finish(world.ballast(&import)).await?.0, 0);
    fs::write(&password, "wrong")?;
    world.set_wallet("keystore = \"k.json\"\npassword = { file = \"password\" }")?;

    let keeper = run(world.ballast(&["--log", "info,ballast=debug", "run"])).await?;
    let waiting = keeper.wait_for_line("waiting for the wallet", DEADLINE).await?;
    assert!(waiting.contains("the password does not open keystore"), "{waiting}");
    world.devnet.node().warp(INTERVAL).await?;
    let node = world.devnet.node();
    wait_until("the neighbour's rebalance", DEADLINE, async || {
        node.nonce(accounts::keeper_address(1)).await.is_ok_and(|nonce| nonce == 1)
    })
    .await?;
    assert_eq!(world.mined().await?, 0, "nobody signs for the locked one");
    fs::write(&password, "right")?;
    wait_until("its own, without a restart", DEADLINE, async || {
        world.mined().await.is_ok_and(|nonce| nonce == 1)
    })
    .await?;
    Ok(())
}

#[cfg(feature = "aws-kms")]
mod aws_kms {
    use ballast_test_support::{KmsMood, MockKms};

    use super::*;

    impl World {
        fn with_kms(&self, kms: &MockKms, args: &[&str]) -> KeeperCommand {
            kms.variables()
                .into_iter()
                .fold(self.ballast(args), |command, (name, value)| command.env(name, value))
        }
    }

    /// While the service fails nothing is signed, journalled or sent; then it is, once.
    #[tokio::test]
    async fn nothing_is_sent_until_the_service_signs() -> Result<()> {
        let world = World::start(Setup::default()).await?;
        let kms = MockKms::start(accounts::keeper_key(0).as_slice()).await?;
        world.set_wallet("aws_kms = \"alias/eth2x\"")?;
        let (code, out, err) = finish(world.with_kms(&kms, &["check"])).await?;
        assert_eq!(code, 0, "{out:?} {err:?}");
        kms.sign(KmsMood::Error(400, "AccessDeniedException"));
        let (code, out, _) = finish(world.with_kms(&kms, &["check"])).await?;
        assert_eq!(code, 3, "{out:?}");
        assert!(out.iter().any(|line| line.contains("AccessDeniedException")), "{out:?}");
        kms.sign(KmsMood::HighS);

        let keeper = run(world.with_kms(&kms, &["--log", "info,ballast=debug", "run"])).await?;
        keeper.wait_for_line("inside bounds", DEADLINE).await?;
        let moods = [
            (KmsMood::Error(503, "ServiceUnavailable"), "ServiceUnavailable: as told"),
            (KmsMood::Silent, "timed out"),
            (KmsMood::SignatureOf(vec![1, 2, 3]), "not ECDSA in DER"),
            (KmsMood::OtherKey, "the signature is not one of"),
        ];
        kms.sign(moods[0].0.clone());
        world.devnet.node().warp(INTERVAL).await?;
        for (mood, said) in moods {
            kms.sign(mood);
            wait_until(said, DEADLINE, async || {
                let explain = world.ballast(&["explain", PRODUCT, "--json"]);
                let told = json(&finish(explain).await.ok()?.1);
                told["detail"]
                    .as_str()
                    .is_some_and(|detail| {
                        detail.contains(said) && told["reason"] == "signing failed"
                    })
                    .then_some(())
            })
            .await?;
        }
        assert_eq!((world.mined().await?, world.all_raw().await?), (0, 0));
        let (_, out, _) = finish(world.ballast(&["tx", "list", "--json"])).await?;
        assert_eq!(json(&out)["transactions"], serde_json::json!([]), "nothing is journalled");

        kms.sign(KmsMood::HighS);
        keeper.wait_for_line("step=\"final\"", DEADLINE).await?;
        assert_eq!((world.mined().await?, world.all_raw().await?), (1, 1));
        Ok(())
    }
}
