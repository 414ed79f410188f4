//! Subcommands that a kind of product brings with it: what is worked out for people rather than done
//! at every block. The binary mounts them beside its own.

use alloy::primitives::Address;
use ballast_chains::BlockReader;
use futures::future::BoxFuture;

/// A top-level subcommand, `ballast NAME …`.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    /// Its arguments; the command's name must be one that the binary has not.
    pub command: fn() -> clap::Command,
    /// What it does. It never signs or sends: it is given readers of blocks, as a strategy is.
    pub run: for<'a> fn(&'a clap::ArgMatches, &'a dyn Host) -> BoxFuture<'a, Told>,
}

/// What a tool said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// It is done; for standard output.
    Done(String),
    /// The command line or a file is wrong: one line each.
    BadInput(Vec<String>),
    /// Something else failed, a chain for instance.
    Failed(String),
    /// It did what was asked and found something that needs a person; for standard output.
    Findings(String),
}

/// Work on one block of a chain.
pub type BlockWork<'a> = Box<dyn FnOnce(BlockReader) -> BoxFuture<'a, ()> + Send + 'a>;

/// What a tool may ask of the binary.
pub trait Host: Sync {
    /// Runs `work` on a reader of a configured chain's newest block, with `caller` as who asks;
    /// gives the chain's id.
    ///
    /// # Errors
    /// One line: there is no such chain, or it does not answer.
    fn read<'a>(
        &'a self,
        chain: &'a str,
        caller: Address,
        work: BlockWork<'a>,
    ) -> BoxFuture<'a, Result<u64, Told>>;
}
