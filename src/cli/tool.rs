//! Subcommands that kinds of products bring along: mounted beside the binary's own, and given readers
//! of blocks and nothing that signs.

use alloy::primitives::Address;
use ballast_chains::{
    heads,
    past::Past,
    pool::Pool,
    reader::BlockSource,
    wallet::{Wallet, keystore::Keystore},
};
use ballast_strategy_api::{Booked, Host, ProductFile, Told, Tool, tool::BlockWork};
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _};
use eyre::Result;
use futures::{FutureExt as _, future::BoxFuture};
use tokio::time::timeout;

use super::{Args, Command, Exit, Globals, Session, once::HEAD_WITHIN, out};
use crate::{
    config::{Config, Environment, ProductConfig, WalletSource},
    ledger::{Entry, Filter, Period},
    registry::Registry,
    runtime::profile_of,
    store::Store,
    submission::lifecycle::Outcome,
};

/// What the command line asks for.
pub(super) struct Work {
    pub(super) globals: Globals,
    pub(super) what: What,
}

/// Whose command it is.
pub(super) enum What {
    /// The binary's own.
    Command(Command),
    /// One that a kind of product brought along.
    Tool(Tool, ArgMatches),
}

impl Work {
    /// Reads the process's arguments; ends the process where they are wrong or ask for help.
    pub(super) fn parse(registry: &Registry) -> Self {
        let mut command = Args::command();
        for tool in registry.mounted() {
            command = command.subcommand((tool.command)());
        }
        let mut matches = command.get_matches_mut();
        let asked = matches.subcommand().map(|(name, matches)| (name.to_owned(), matches.clone()));
        let is_it = |tool: &&Tool, name: &str| (tool.command)().get_name() == name;
        let tool = asked.and_then(|(name, matches)| {
            let tool = registry.mounted().iter().find(|tool| is_it(tool, &name))?;
            Some((*tool, matches))
        });
        let parsed = match tool {
            Some((tool, below)) => Globals::from_arg_matches(&matches)
                .map(|globals| Self { globals, what: What::Tool(tool, below) }),
            None => Args::from_arg_matches_mut(&mut matches)
                .map(|Args { globals, command }| Self { globals, what: What::Command(command) }),
        };
        parsed.unwrap_or_else(|cause| cause.format(&mut command).exit())
    }
}

/// Runs a tool and prints what it says.
pub(super) async fn run(session: Session, tool: Tool, matches: ArgMatches) -> Result<Exit> {
    let config = match session.load_or_report(false) {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    let host = Deployment { config, environment: session.environment };
    Ok(match (tool.run)(&matches, &host).await {
        Told::Done(text) => {
            out::text(&text);
            Exit::Done
        }
        Told::Findings(text) => {
            out::text(&text);
            Exit::Findings
        }
        Told::BadInput(lines) => {
            lines.iter().for_each(|line| out::error(line));
            Exit::BadConfig
        }
        Told::Failed(line) => {
            out::error(&line);
            Exit::Failed
        }
    })
}

/// The configured chains and products.
struct Deployment {
    config: Config,
    environment: Environment,
}

impl Deployment {
    fn configured(&self, name: &str) -> Result<&ProductConfig, Told> {
        self.config.products.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.config.products.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Told::BadInput(vec![format!("no product `{name}`; there are: {known}")])
        })
    }

    /// A key in AWS KMS, or in a keystore that does not name its account, is not asked.
    fn address(&self, wallet: &WalletSource) -> Option<Address> {
        match wallet {
            WalletSource::WatchOnly(address) => Some(*address),
            WalletSource::Key(secret) => {
                let key = secret.resolve(&self.environment).ok()?;
                Wallet::from_key(&key).ok().map(|wallet| wallet.address())
            }
            WalletSource::Keystore { path, .. } => Keystore::read(path).ok()?.address(),
            WalletSource::AwsKms(_) => None,
        }
    }
}

impl Host for Deployment {
    fn read<'a>(
        &'a self,
        chain: &'a str,
        caller: Address,
        work: BlockWork<'a>,
    ) -> BoxFuture<'a, Result<u64, Told>> {
        async move {
            let Some(profile) = self.config.chains.get(chain) else {
                let known: Vec<&str> = self.config.chains.keys().map(String::as_str).collect();
                let line = format!("no chain `{chain}`; there are: {}", known.join(", "));
                return Err(Told::BadInput(vec![line]));
            };
            let failed = |cause: &dyn std::error::Error| {
                Told::Failed(format!("chain {chain}: {}", crate::error_chain(cause)))
            };
            let pool = Pool::new(profile).map_err(|cause| failed(&cause))?;
            let head = match timeout(HEAD_WITHIN, heads::newest(&pool.provider())).await {
                Ok(newest) => newest.map_err(|cause| failed(&cause))?,
                Err(_) => {
                    let line = format!("chain {chain}: no endpoint gave its newest block in time");
                    return Err(Told::Failed(line));
                }
            };
            let source = BlockSource::new(pool.provider(), profile);
            source.read_at(head, caller, work).await;
            Ok(profile.chain_id)
        }
        .boxed()
    }

    fn product(&self, name: &str) -> Result<ProductFile, Told> {
        let product = self.configured(name)?;
        let params = product.params.extract().map_err(|problems| {
            Told::BadInput(problems.iter().map(ToString::to_string).collect())
        })?;
        Ok(ProductFile {
            kind: product.strategy.clone(),
            chain: product.chain.clone(),
            wallet: self.address(&product.wallet),
            params,
        })
    }

    fn past<'a>(&'a self, product: &'a str) -> BoxFuture<'a, Result<Past, Told>> {
        async move {
            let product = self.configured(product)?;
            let profile = profile_of(&self.config, product);
            let profile = profile.map_err(|cause| Told::Failed(format!("{cause:#}")))?;
            let chain = &profile.name;
            match timeout(HEAD_WITHIN, Past::open(&profile)).await {
                Ok(past) => past.map_err(|cause| {
                    Told::Failed(format!("chain {chain}: {}", crate::error_chain(&cause)))
                }),
                Err(_) => {
                    let line = format!("chain {chain}: no endpoint gave its newest block in time");
                    Err(Told::Failed(line))
                }
            }
        }
        .boxed()
    }

    fn booked<'a>(
        &'a self,
        product: &'a str,
        from: u64,
        until: u64,
    ) -> BoxFuture<'a, Result<Option<Booked>, Told>> {
        async move {
            let path = &self.config.store.path;
            let unread = |cause: &dyn std::error::Error| {
                Told::Failed(format!("{}: {}", path.display(), crate::error_chain(cause)))
            };
            let store = Store::open_readonly(path).await.map_err(|cause| unread(&cause))?;
            let Some(store) = store else { return Ok(None) };
            let product = Some(product.to_owned());
            let period = Some(Period { from, until });
            let filter = Filter { period, product, ..Filter::default() };
            let mut sums = Booked::default();
            let add = |entry: Entry| {
                if !entry.is_foreign() {
                    let failed = entry.outcome != Outcome::Confirmed;
                    sums.transactions = sums.transactions.saturating_add(1);
                    sums.failed = sums.failed.saturating_add(u64::from(failed));
                    sums.cost = sums.cost.saturating_add(entry.cost);
                }
                Ok(())
            };
            store.ledger().each_entry(&filter, add).await.map_err(|cause| unread(&cause))?;
            Ok(Some(sums))
        }
        .boxed()
    }
}
