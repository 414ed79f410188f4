//! Subcommands that kinds of products bring along: mounted beside the binary's own, and given readers
//! of blocks and nothing that signs.

use alloy::primitives::Address;
use ballast_chains::{heads, pool::Pool, reader::BlockSource};
use ballast_strategy_api::{Host, Told, Tool, tool::BlockWork};
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _};
use eyre::Result;
use futures::{FutureExt as _, future::BoxFuture};
use tokio::time::timeout;

use super::{Args, Command, Exit, Globals, Session, once::HEAD_WITHIN, out};
use crate::{config::Config, registry::Registry};

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
    Ok(match (tool.run)(&matches, &Chains { config }).await {
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

/// The configured chains.
struct Chains {
    config: Config,
}

impl Host for Chains {
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
}
