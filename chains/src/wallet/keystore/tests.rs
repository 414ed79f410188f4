use std::{fs, os::unix::fs::PermissionsExt as _};

use alloy::primitives::address;
use proptest::prelude::*;

use super::*;

/// The first account of anvil's well-known test mnemonic.
const KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const ADDRESS: Address = address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266");

/// The two test vectors of the Web3 Secret Storage Definition; their password is "testpassword".
const PBKDF2: &str = r#"{
    "crypto": { "cipher": "aes-128-ctr",
        "cipherparams": { "iv": "6087dab2f9fdbbfaddc31a909735c1e6" },
        "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
        "kdf": "pbkdf2",
        "kdfparams": { "c": 262144, "dklen": 32, "prf": "hmac-sha256",
            "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd" },
        "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2" },
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6", "version": 3 }"#;
const SCRYPT: &str = r#"{
    "crypto": { "cipher": "aes-128-ctr",
        "cipherparams": { "iv": "83dbcc02d8ccb40e466191a123791e0e" },
        "ciphertext": "d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
        "kdf": "scrypt",
        "kdfparams": { "dklen": 32, "n": 262144, "p": 8, "r": 1,
            "salt": "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19" },
        "mac": "2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097" },
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6", "version": 3 }"#;
const VECTOR_KEY: &str = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.json");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    (dir, path)
}

fn refused(text: &str) -> String {
    let (_dir, path) = file(text);
    crate_chain(&Keystore::read(&path).unwrap_err())
}

fn crate_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

#[tokio::test]
async fn the_definitions_own_vectors_open() {
    let expected: PrivateKeySigner = VECTOR_KEY.parse().unwrap();
    for vector in [PBKDF2, SCRYPT] {
        let (_dir, path) = file(vector);
        let keystore = Keystore::read(&path).unwrap();
        assert_eq!(keystore.address(), None);
        let wallet = keystore.unlock("testpassword".into()).await.unwrap();
        assert_eq!(wallet.address(), expected.address());
        assert!(wallet.can_sign());
    }
}

#[tokio::test]
async fn what_is_written_opens_with_its_password_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.json");
    let address = import(&path, &KEY.into(), &"pass ⚓ word".into(), Cost::LIGHT).unwrap();
    assert_eq!(address, ADDRESS);
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no draft is left");
    let keystore = Keystore::read(&path).unwrap();
    assert_eq!(keystore.address(), Some(ADDRESS));
    let wallet = keystore.clone().unlock("pass ⚓ word".into()).await.unwrap();
    assert_eq!(wallet.address(), ADDRESS);
    let error = keystore.unlock("password".into()).await.unwrap_err();
    assert!(
        matches!(error, WalletError::Keystore(KeystoreError::WrongPassword { .. })),
        "{error:?}"
    );
    assert!(!error.is_transient());
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains(&KEY[2..]) && !text.contains("pass"), "{text}");
}

#[test]
fn every_new_key_is_another_and_none_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    let password = SecretString::from("p");
    let first = create(&one, &password, Cost::LIGHT).unwrap();
    let second = create(&two, &password, Cost::LIGHT).unwrap();
    assert_ne!(first, second);
    let before = fs::read(&one).unwrap();
    let error = create(&one, &password, Cost::LIGHT).unwrap_err();
    assert!(matches!(error, KeystoreError::Exists { .. }), "{error:?}");
    // Also when it appears while the key is derived.
    let error = file::write_new(&one, "other").unwrap_err();
    assert!(matches!(error, KeystoreError::Exists { .. }), "{error:?}");
    assert_eq!(fs::read(&one).unwrap(), before);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "no draft is left");
}

#[test]
fn a_file_that_others_can_use_is_refused_with_the_command_that_mends_it() {
    let (_dir, path) = file(SCRYPT);
    for mode in [0o604, 0o640, 0o644, 0o620, 0o660, 0o601] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = Keystore::read(&path).unwrap_err().to_string();
        let command = format!("run `chmod 600 {}`", path.display());
        assert!(error.contains(&format!("mode {mode:04o}")) && error.contains(&command), "{error}");
    }
    for mode in [0o600, 0o400] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        Keystore::read(&path).unwrap();
    }
}

#[test]
fn what_is_no_keystore_says_why_and_quotes_no_key() {
    for (text, expected) in [
        ("", "it is cut off"),
        (&SCRYPT[..SCRYPT.len() / 2], "it is cut off"),
        (KEY, "not JSON"),
        (&"7".repeat(64), "not a JSON object"),
        ("{}", "it has no version"),
        (&SCRYPT.replace("\"version\": 3", "\"version\": 1"), "it has version 1"),
        (&SCRYPT.replace("scrypt", "argon2"), "unknown variant `argon2`"),
        (&SCRYPT.replace("aes-128-ctr", "aes-256-gcm"), "cipher \"aes-256-gcm\""),
        (&SCRYPT.replace("\"iv\": \"83", "\"iv\": \""), "iv has 15 bytes, not 16"),
        (&SCRYPT.replace("\"mac\": \"21", "\"mac\": \"zz"), "invalid"),
        (&SCRYPT.replace("\"ciphertext\": \"d1", "\"ciphertext\": \""), "ciphertext has 31 bytes"),
        (&SCRYPT.replace("\"mac\"", "\"mic\""), "missing field `mac`"),
        (&SCRYPT.replace("\"n\": 262144", "\"n\": 262143"), "scrypt cannot work with n = 262143"),
        (&SCRYPT.replace("\"r\": 1", "\"r\": 0"), "scrypt cannot work"),
        (&SCRYPT.replace("\"r\": 1", "\"r\": 64"), "out of bounds"),
        (&SCRYPT.replace("\"n\": 262144", "\"n\": 9223372036854775808"), "out of bounds"),
        (&SCRYPT.replace("\"dklen\": 32", "\"dklen\": 16"), "dklen is 16, not 32"),
        (&PBKDF2.replace("\"c\": 262144", "\"c\": 4000000000"), "out of bounds"),
        (&PBKDF2.replace("hmac-sha256", "hmac-md5"), "prf \"hmac-md5\""),
    ] {
        let said = refused(text);
        assert!(said.contains(expected), "{expected}: {said}");
        assert!(!said.contains(&KEY[4..20]) && !said.contains("7777777"), "{said}");
    }
    let missing = Keystore::read(Path::new("/no/such/file")).unwrap_err();
    assert!(crate_chain(&missing).contains("No such file"), "{missing}");
    let dir = tempfile::tempdir().unwrap();
    assert!(Keystore::read(dir.path()).unwrap_err().to_string().contains("it is no file"));
}

#[tokio::test]
async fn a_file_that_names_another_address_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.json");
    import(&path, &KEY.into(), &"p".into(), Cost::LIGHT).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("f39fd6", "000000")).unwrap();
    let error = Keystore::read(&path).unwrap().unlock("p".into()).await.unwrap_err();
    assert!(
        matches!(error, WalletError::Keystore(KeystoreError::OtherAddress { .. })),
        "{error:?}"
    );
}

#[test]
fn nothing_but_a_key_is_imported() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.json");
    let error = import(&path, &"hunter2".into(), &"p".into(), Cost::LIGHT).unwrap_err();
    assert!(matches!(error, WalletError::BadKey), "{error:?}");
    assert!(!path.exists());
}

proptest! {
    /// Whatever the file says, reading it neither panics nor takes long.
    #[test]
    fn no_text_is_too_strange(at in 0..SCRYPT.len(), with in ".{0,3}", cut in 0..SCRYPT.len()) {
        let mut text = SCRYPT.to_owned();
        text.replace_range(at..=at, &with);
        drop(Sealed::parse(&text));
        drop(Sealed::parse(&text[..text.floor_char_boundary(cut)]));
    }
}
