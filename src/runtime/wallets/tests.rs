use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use ballast_chains::wallet::keystore::{Cost, import};

use super::*;
use crate::{
    config::{Config, Secrets},
    registry::strategies,
};

/// The first account of anvil's well-known test mnemonic.
const KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const CHAIN: &str = "chain_id = 1\nrpc = [\"http://127.0.0.1:1\"]\n";
const BY_KEY: &str = "key = { env = \"KEY\" }";
const BY_KEYSTORE: &str = "keystore = \"key.json\"\npassword = { file = \"password\" }";

/// A deployment with one product, a keystore of [`KEY`] and the right password.
fn dir(wallet: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let product = format!(
        "strategy = \"fli\"\nchain = \"local\"\n[wallet]\n{wallet}\n\
         [params]\nextension = \"0x0000000000000000000000000000000000000002\"\n"
    );
    for (folder, text) in [("chains", CHAIN), ("products", product.as_str())] {
        fs::create_dir(dir.path().join(folder)).unwrap();
        fs::write(dir.path().join(folder).join("local.toml"), text).unwrap();
    }
    let keystore = dir.path().join("key.json");
    import(&keystore, &KEY.into(), &"right".into(), Cost::LIGHT).unwrap();
    fs::write(dir.path().join("password"), "right\n").unwrap();
    dir
}

/// Takes the address out of a keystore, as other programs write them.
fn forget_address(dir: &Path) {
    let path = dir.join("key.json");
    let mut value: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    value.as_object_mut().unwrap().remove("address");
    fs::write(&path, value.to_string()).unwrap();
}

fn handle(dir: &Path, name: &str, owners: &Owners) -> Result<WalletHandle, NoWallet> {
    let environment: Environment = [("KEY", KEY)].into_iter().collect();
    let registry = Arc::new(strategies());
    let config = Config::load(dir, &environment, &registry, Secrets::Resolve).unwrap();
    let product = ProductConfig { name: name.to_owned(), ..config.products["local"].clone() };
    WalletHandle::new(Arc::new(product), 1, environment, owners.clone())
}

fn key_address() -> Address {
    Wallet::from_key(&KEY.into()).unwrap().address()
}

#[tokio::test]
async fn a_key_is_there_at_once_and_a_keystore_when_it_is_open() {
    let by_key = dir(BY_KEY);
    let handle_of_key = handle(by_key.path(), "a", &Owners::default()).unwrap();
    assert_eq!(handle_of_key.address(), Some(key_address()));

    let by_keystore = dir(BY_KEYSTORE);
    let named = handle(by_keystore.path(), "a", &Owners::default()).unwrap();
    assert_eq!(named.address(), Some(key_address()), "the file names it");
    forget_address(by_keystore.path());
    let unnamed = handle(by_keystore.path(), "a", &Owners::default()).unwrap();
    assert_eq!(unnamed.address(), None);
    assert!(unnamed.can_sign());
    assert_eq!(unnamed.get().await.unwrap().address(), key_address());
    assert_eq!(unnamed.address(), Some(key_address()));
}

/// Whenever it becomes known, one wallet has one owner.
#[tokio::test]
async fn the_same_key_behind_another_kind_is_refused() {
    let (by_key, by_keystore) = (dir(BY_KEY), dir(BY_KEYSTORE));
    let owners = Owners::default();
    let first = handle(by_key.path(), "first", &owners).unwrap();
    let error = handle(by_keystore.path(), "second", &owners).unwrap_err();
    let expected = format!(
        "products first and second share the wallet {} on chain id 1: each needs its own",
        key_address()
    );
    assert_eq!(error.to_string(), expected);

    forget_address(by_keystore.path());
    let later = handle(by_keystore.path(), "second", &owners).unwrap();
    let error = later.get().await.unwrap_err();
    assert!(matches!(error, NoWallet::Shared { .. }), "{error}");
    assert_eq!(later.address(), None, "it is nobody's to read from");
    first.get().await.unwrap();
}

#[tokio::test]
async fn what_a_person_mends_works_without_a_restart() {
    let dir = dir(BY_KEYSTORE);
    let handle = handle(dir.path(), "a", &Owners::default()).unwrap();
    fs::write(dir.path().join("password"), "wrong").unwrap();
    let said = crate::error_chain(&handle.get().await.unwrap_err());
    assert!(said.contains("the password does not open keystore"), "{said}");
    let path = dir.path().join("key.json");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let said = crate::error_chain(&handle.get().await.unwrap_err());
    assert!(said.contains("chmod 600"), "{said}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(dir.path().join("password"), "right").unwrap();
    assert_eq!(handle.get().await.unwrap().address(), key_address());
}
