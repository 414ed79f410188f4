//! `ballast wallet list`: which wallet every product has, and what is wrong with it.

use std::{collections::BTreeMap, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use alloy::primitives::{Address, U256};
use ballast_chains::{BlockReader, heads, wallet::Wallet, wallet::keystore::Keystore};
use eyre::Result;
use serde::Serialize;
use tokio::time::timeout;

use crate::{
    cli::{
        Exit, Session, out,
        table::{Cell, Side, Table, Tone, colours},
    },
    config::{Config, Environment, ProductConfig, Secret, Secrets, WalletSource},
    runtime::{Board, Group, wire},
};

/// How long one chain may take to tell what its wallets hold.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// A product's wallet.
#[derive(Debug, Serialize)]
struct Line {
    product: String,
    chain: String,
    /// `key`, `keystore`, `aws_kms` or `watch_only`.
    kind: &'static str,
    /// Where the key is; for people.
    place: String,
    /// Known without asking a signer, or because one was asked.
    address: Option<String>,
    can_sign: bool,
    /// Native balance at the newest block, if it was asked for and could be read.
    balance_wei: Option<String>,
    native_symbol: String,
    problems: Vec<String>,
}

pub(super) async fn list(session: Session, online: bool, json: bool) -> Result<Exit> {
    let secrets = if online { Secrets::Resolve } else { Secrets::Skip };
    let config = match session.load_with(secrets, json) {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    let mut lines: BTreeMap<String, Line> = config
        .products
        .values()
        .map(|product| (product.name.clone(), line(product, &config, &session.environment)))
        .collect();
    if online {
        let board = Board::default();
        let groups = wire(&config, &session.registry, &session.environment, &board)?;
        let asked = groups.iter().map(ask);
        for (product, answer) in futures::future::join_all(asked).await.into_iter().flatten() {
            if let Some(line) = lines.get_mut(&product) {
                line.take(answer);
            }
        }
    }
    show(&lines, json, colours(&session.environment));
    Ok(Exit::Done)
}

/// What files tell.
fn line(product: &ProductConfig, config: &Config, environment: &Environment) -> Line {
    let mut problems = Vec::new();
    let (kind, place, address) = match &product.wallet {
        WalletSource::WatchOnly(address) => ("watch_only", "-".to_owned(), Some(*address)),
        WalletSource::AwsKms(id) => ("aws_kms", id.clone(), None),
        WalletSource::Key(secret) => {
            problems.extend(exposed(secret));
            let key = secret.resolve(environment);
            let wallet = key
                .map_err(|error| crate::error_chain(&error))
                .and_then(|key| Wallet::from_key(&key).map_err(|error| crate::error_chain(&error)));
            let address = wallet.map_err(|why| problems.push(why)).ok();
            ("key", secret.to_string(), address.map(|wallet| wallet.address()))
        }
        WalletSource::Keystore { path, password } => {
            problems.extend(exposed(password));
            let opens = password.resolve(environment);
            problems.extend(opens.err().map(|error| crate::error_chain(&error)));
            let keystore = Keystore::read(path);
            let keystore = keystore.map_err(|error| problems.push(crate::error_chain(&error))).ok();
            let address = keystore.and_then(|keystore| keystore.address());
            ("keystore", path.display().to_string(), address)
        }
    };
    let chain = config.chains.get(&product.chain);
    Line {
        product: product.name.clone(),
        chain: product.chain.clone(),
        kind,
        place,
        address: address.map(|address| address.to_string()),
        can_sign: kind != "watch_only",
        balance_wei: None,
        native_symbol: chain.map(|chain| chain.native_symbol.clone()).unwrap_or_default(),
        problems,
    }
}

/// That others can read a secret's file.
fn exposed(secret: &Secret) -> Option<String> {
    let Secret::File(path) = secret else { return None };
    let mode = mode_of(path)?;
    (mode & 0o077 != 0).then(|| {
        let path = path.display();
        format!("{path} is open to others (mode {mode:04o}): run `chmod 600 {path}`")
    })
}

fn mode_of(path: &Path) -> Option<u32> {
    Some(path.metadata().ok()?.permissions().mode() & 0o7777)
}

/// What signers and nodes tell of one product's wallet.
struct Answer {
    address: Option<Address>,
    balance: Option<U256>,
    problems: Vec<String>,
}

async fn ask(group: &Group) -> Vec<(String, Answer)> {
    let provider = group.pool.provider();
    let head = match timeout(ANSWER_WITHIN, heads::newest(&provider)).await {
        Ok(head) => head.map_err(|error| crate::error_chain(&error)),
        Err(_) => Err("no endpoint answered in time".to_owned()),
    };
    let mut answers = Vec::with_capacity(group.specs.len());
    for spec in &group.specs {
        let mut problems = Vec::new();
        let opened = spec.wallet.get().await;
        problems.extend(opened.err().map(|error| crate::error_chain(&error)));
        let address = spec.wallet.address();
        let balance = match (&head, address) {
            (Ok(head), Some(wallet)) => {
                let read =
                    group.source.read_at(*head, wallet, move |reader: BlockReader| async move {
                        reader.balance(wallet).await
                    });
                match timeout(ANSWER_WITHIN, read).await {
                    Ok(balance) => balance.map_err(|error| crate::error_chain(&error)),
                    Err(_) => Err("no endpoint answered in time".to_owned()),
                }
                .map_err(|why| problems.push(format!("balance: {why}")))
                .ok()
            }
            (Err(why), _) => {
                problems.push(format!("balance: {why}"));
                None
            }
            (Ok(_), None) => None,
        };
        answers.push((spec.config.name.clone(), Answer { address, balance, problems }));
    }
    answers
}

impl Line {
    fn take(&mut self, answer: Answer) {
        self.address = answer.address.map(|address| address.to_string()).or(self.address.take());
        self.balance_wei = answer.balance.map(|wei| wei.to_string());
        self.problems.extend(answer.problems);
    }
}

const COLUMNS: &[(&str, Side)] = &[
    ("PRODUCT", Side::Left),
    ("CHAIN", Side::Left),
    ("KIND", Side::Left),
    ("ADDRESS", Side::Left),
    ("BALANCE", Side::Right),
    ("WHERE", Side::Left),
];

fn show(lines: &BTreeMap<String, Line>, json: bool, colours: bool) {
    if json {
        let lines: Vec<&Line> = lines.values().collect();
        return out::json(&serde_json::json!({ "wallets": lines }));
    }
    let mut table = Table::new(COLUMNS);
    for line in lines.values() {
        let tone = if line.problems.is_empty() { Tone::Plain } else { Tone::Bad };
        let balance = line.balance_wei.as_ref();
        table.row([
            Cell::toned(line.product.as_str(), tone),
            line.chain.as_str().into(),
            line.kind.into(),
            line.address.as_deref().unwrap_or("not known").into(),
            balance.map_or_else(|| "-".into(), |wei| out::coins(wei, &line.native_symbol).into()),
            line.place.as_str().into(),
        ]);
    }
    out::table(&table, colours);
    for line in lines.values() {
        for problem in &line.problems {
            out::line(&format!("{}: {problem}", line.product));
        }
    }
}
