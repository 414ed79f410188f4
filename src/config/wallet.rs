//! `[wallet]` of a product file: exactly one kind of it, and no two products with the same.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use alloy::{primitives::Address, signers::local::PrivateKeySigner};
use ballast_chains::wallet::keystore::Keystore;
use secrecy::ExposeSecret as _;

use super::{
    Environment, Secret, Secrets, WalletSource,
    endpoints::{self, SecretSource},
    form::{self, Fault, Parsed, Raw},
    reader::Reader,
};

/// What tells the kinds of wallet, of which a product has one.
const KINDS: [&str; 4] = ["wallet.key", "wallet.keystore", "wallet.aws_kms", "wallet.address"];
/// The kinds as people write them.
const EXPECTED: &str = "key = { env = \"NAME\" }, key = { file = \"PATH\" }, \
                        keystore = \"PATH\" with password = { … }, aws_kms = \"ID OR ARN\", \
                        or address = \"0x…\" to watch only";
/// Longest name of a key; the service allows 2048.
const LONGEST_KMS_ID: usize = 2048;

/// A wallet as far as it is known.
#[derive(Debug)]
pub(super) struct Wallet {
    pub(super) source: WalletSource,
    /// Known of a watched wallet, and if secrets were resolved, of a key and of a keystore that
    /// names it.
    address: Option<Address>,
}

/// The wallet, if there is exactly one kind of it and that is right.
pub(super) fn read(reader: &mut Reader<'_>, source: SecretSource<'_>) -> Option<Wallet> {
    let table = match reader.value("wallet") {
        None => {
            reader.push("wallet", format!("missing; expected a table [wallet] with {EXPECTED}"));
            return None;
        }
        Some(value) => value.as_dict()?,
    };
    let given: Vec<&str> = KINDS.into_iter().filter(|kind| reader.has(kind)).collect();
    if reader.has("wallet.password") && !reader.has("wallet.keystore") {
        let why = "only a keystore has a password; expected to be left out, or keystore = \"PATH\"";
        reader.wrong("wallet.password", why);
    }
    match given.as_slice() {
        // Anything else in the table has been reported by its name.
        [] if !table.is_empty() => None,
        [] => {
            reader.wrong("wallet", format!("expected {EXPECTED}"));
            None
        }
        ["wallet.key"] => key(reader, source),
        ["wallet.keystore"] => keystore(reader, source),
        ["wallet.aws_kms"] => {
            let id = reader.get("wallet.aws_kms", kms_id)?;
            Some(Wallet { source: WalletSource::AwsKms(id), address: None })
        }
        [_] => {
            let address = reader.get("wallet.address", form::account)?;
            Some(Wallet { source: WalletSource::WatchOnly(address), address: Some(address) })
        }
        [_, _, ..] => {
            let message = "more than one kind of wallet; expected exactly one of";
            reader.wrong("wallet", format!("{message} {EXPECTED}"));
            None
        }
    }
}

fn key(reader: &mut Reader<'_>, source: SecretSource<'_>) -> Option<Wallet> {
    reader.get("wallet.key", |raw| {
        let secret = endpoints::reference(raw, source.dir)?;
        let address = match source.secrets {
            Secrets::Skip => None,
            Secrets::Resolve => Some(address_of(&secret, source.environment)?),
        };
        Ok(Wallet { source: WalletSource::Key(secret), address })
    })
}

fn address_of(secret: &Secret, environment: &Environment) -> Parsed<Address> {
    let key = secret.resolve(environment).map_err(|error| endpoints::cause(&error))?;
    let signer = key.expose_secret().parse::<PrivateKeySigner>();
    let signer = signer.map_err(|_| Fault::because(format!("{secret} holds no private key")))?;
    Ok(signer.address())
}

/// Everything about a keystore but whether the password opens it, which takes too long here.
fn keystore(reader: &mut Reader<'_>, source: SecretSource<'_>) -> Option<Wallet> {
    let file = reader.get("wallet.keystore", |raw| {
        let path = path(raw, source.dir)?;
        let address = match source.secrets {
            Secrets::Skip => None,
            Secrets::Resolve => {
                Keystore::read(&path).map_err(|error| endpoints::cause(&error))?.address()
            }
        };
        Ok((path, address))
    });
    if !reader.has("wallet.password") {
        let takes = reader.takes("wallet.password");
        reader.push("wallet.password", format!("missing beside wallet.keystore; expected {takes}"));
    }
    let password = reader.get("wallet.password", |raw| {
        let secret = endpoints::reference(raw, source.dir)?;
        if source.secrets == Secrets::Resolve {
            secret.resolve(source.environment).map_err(|error| endpoints::cause(&error))?;
        }
        Ok(secret)
    })?;
    let (path, address) = file?;
    Some(Wallet { source: WalletSource::Keystore { path, password }, address })
}

/// The path of a file, relative to the configuration directory or absolute.
fn path(raw: Raw<'_>, dir: &Path) -> Parsed<PathBuf> {
    let text = form::text(raw)?;
    if text.contains('\0') { Err(Fault::Form) } else { Ok(dir.join(text)) }
}

/// A key id, ARN or alias of AWS KMS.
fn kms_id(raw: Raw<'_>) -> Parsed<String> {
    let id = form::text(raw)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '/' | '_' | '-');
    if id.len() > LONGEST_KMS_ID || !id.chars().all(fits) {
        return Err(Fault::Form);
    }
    if !cfg!(feature = "aws-kms") {
        let why = "this binary was built without AWS KMS".to_owned();
        let expected = "one built with `cargo build --features aws-kms`".to_owned();
        return Err(Fault::NoneOf { why, expected });
    }
    Ok(id)
}

/// Which product has which wallet. One (chain, wallet) has one owner, or two loops would fight over
/// its nonces.
#[derive(Debug, Default)]
pub(super) struct Owners(BTreeMap<(String, Identity), String>);

/// What tells wallets apart: where the key is, and whose it is if one may look.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Identity {
    Secret(Secret),
    Keystore(PathBuf),
    AwsKms(String),
    Address(Address),
}

impl Owners {
    /// Reports a wallet that another product has.
    pub(super) fn claim(&mut self, chain: &str, wallet: &Wallet, reader: &mut Reader<'_>) {
        let (path, place) = match &wallet.source {
            WalletSource::Key(secret) => ("wallet.key", Some(Identity::Secret(secret.clone()))),
            WalletSource::Keystore { path, .. } => {
                ("wallet.keystore", Some(Identity::Keystore(path.clone())))
            }
            WalletSource::AwsKms(id) => ("wallet.aws_kms", Some(Identity::AwsKms(id.clone()))),
            WalletSource::WatchOnly(_) => ("wallet.address", None),
        };
        let identities = place.into_iter().chain(wallet.address.map(Identity::Address));
        let name = reader.parts().0.name.clone();
        let mut other = None;
        for identity in identities {
            other = other.or(self.0.insert((chain.to_owned(), identity), name.clone()));
        }
        if let Some(other) = other {
            reader.wrong(
                path,
                format!("also the wallet of {other} on {chain}; expected a wallet of its own"),
            );
        }
    }
}
