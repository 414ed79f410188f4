//! `ballast wallet`: encrypted keys made and imported, and what every product signs with.
//!
//! A key never stands on the command line, where every user of the machine and the shell's history
//! would see it: it comes from a variable, a file or standard input.

mod list;

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use alloy::primitives::Address;
use ballast_chains::wallet::keystore::{self, Cost};
use clap::{Args, Subcommand};
use eyre::{Result, WrapErr, ensure, eyre};
use secrecy::SecretString;

use super::{Exit, Session, out};
use crate::config::{Environment, Secret};

/// Most bytes of a key on standard input that are read.
const LONGEST_KEY: u64 = 1024;

#[derive(Debug, Subcommand)]
pub(super) enum WalletCommand {
    /// Makes a key and writes it to an encrypted keystore
    New {
        #[command(flatten)]
        to: To,
    },
    /// Writes a key that exists already to an encrypted keystore
    Import {
        #[command(flatten)]
        from: From,
        #[command(flatten)]
        to: To,
    },
    /// Shows which wallet every product has, and what is wrong with it
    List {
        /// Asks the signers who they are and the chains what they hold
        #[arg(long)]
        online: bool,
        /// Machine-readable output
        #[arg(long)]
        json: bool,
    },
}

/// Where a keystore goes and what opens it.
#[derive(Debug, Args)]
pub(super) struct To {
    /// The file to write; it must not exist
    #[arg(long, default_value = "keystore.json", value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    password: Password,
    /// Machine-readable output
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Password {
    /// The variable that holds the password
    #[arg(long, value_name = "NAME")]
    password_env: Option<String>,
    /// The file that holds the password
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct From {
    /// The variable that holds the key
    #[arg(long, value_name = "NAME")]
    from_env: Option<String>,
    /// The file that holds the key
    #[arg(long, value_name = "FILE")]
    from_file: Option<PathBuf>,
    /// Reads the key from standard input
    #[arg(long)]
    stdin: bool,
}

pub(super) async fn wallet(session: Session, command: WalletCommand) -> Result<Exit> {
    match command {
        WalletCommand::New { to } => {
            let password = to.password.resolve(&session.environment)?;
            let address = keystore::create(&to.out, &password, Cost::STANDARD)?;
            told(&to, address);
            Ok(Exit::Done)
        }
        WalletCommand::Import { from, to } => {
            let password = to.password.resolve(&session.environment)?;
            let key = from.resolve(&session.environment)?;
            let address = keystore::import(&to.out, &key, &password, Cost::STANDARD)?;
            told(&to, address);
            Ok(Exit::Done)
        }
        WalletCommand::List { online, json } => list::list(session, online, json).await,
    }
}

fn told(to: &To, address: Address) {
    let path = to.out.display().to_string();
    if to.json {
        out::json(&serde_json::json!({ "address": address.to_string(), "keystore": path }));
        return;
    }
    out::line(&format!("address   {address}"));
    out::line(&format!("keystore  {path}"));
    out::line("");
    out::line("In the file of its product, with paths relative to the configuration directory:");
    out::line("[wallet]");
    out::line(&format!("keystore = {path:?}"));
    out::line(&format!("password = {}", to.password.reference()));
    out::line("");
    out::line("Without the password the key is lost: keep both in a safe place, apart.");
}

impl Password {
    fn resolve(&self, environment: &Environment) -> Result<SecretString> {
        let secret = place(self.password_env.as_deref(), self.password_file.as_deref())?;
        secret.resolve(environment).wrap_err("the password")
    }

    /// As a product file says it.
    fn reference(&self) -> String {
        match (&self.password_env, &self.password_file) {
            (Some(name), _) => format!("{{ env = {name:?} }}"),
            (None, file) => {
                let file = file.as_deref().unwrap_or(Path::new("")).display().to_string();
                format!("{{ file = {file:?} }}")
            }
        }
    }
}

impl From {
    fn resolve(&self, environment: &Environment) -> Result<SecretString> {
        if !self.stdin {
            let secret = place(self.from_env.as_deref(), self.from_file.as_deref())?;
            return secret.resolve(environment).wrap_err("the key");
        }
        let mut text = String::new();
        let most = LONGEST_KEY.saturating_add(1);
        let read = std::io::stdin().lock().take(most).read_to_string(&mut text);
        // From here on the text is wiped when it is dropped.
        let key = SecretString::from(text);
        let length = read.wrap_err("reading the key from standard input")?;
        ensure!(u64::try_from(length)? <= LONGEST_KEY, "standard input is longer than any key");
        Ok(key)
    }
}

/// One of the two; the command line takes no less and no more.
fn place(env: Option<&str>, file: Option<&Path>) -> Result<Secret> {
    match (env, file) {
        (Some(name), _) => Ok(Secret::Env(name.to_owned())),
        (None, Some(path)) => Ok(Secret::File(path.to_owned())),
        (None, None) => Err(eyre!("neither a variable nor a file")),
    }
}
