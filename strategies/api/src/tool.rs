//! Subcommands that a kind of product brings with it: what is worked out for people rather than done
//! at every block. The binary mounts them beside its own.

use alloy::primitives::{Address, U256};
use ballast_chains::{BlockReader, past::Past};
use futures::future::BoxFuture;
use serde_json::Value;

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

/// A product as its file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductFile {
    /// Kind of its strategy.
    pub kind: String,
    /// Its chain, by the name of that file.
    pub chain: String,
    /// Who sends for it, as far as that is known without asking a signer.
    pub wallet: Option<Address>,
    /// The strategy's own keys.
    pub params: Value,
}

/// What a product's transactions were booked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Booked {
    /// How many.
    pub transactions: u64,
    /// How many of them did not do what they were for: reverted, given up.
    pub failed: u64,
    /// What all of them cost, wei.
    pub cost: U256,
}

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

    /// A configured product.
    ///
    /// # Errors
    /// One line: there is no such product.
    fn product(&self, name: &str) -> Result<ProductFile, Told>;

    /// The chain of a configured product with what happened on it.
    ///
    /// # Errors
    /// One line: there is no such product, or its chain does not answer.
    fn past<'a>(&'a self, product: &'a str) -> BoxFuture<'a, Result<Past, Told>>;

    /// What the keeper has booked of a product in blocks of a time, seconds since 1970, the last one
    /// excluded; `None` where there are no books.
    ///
    /// # Errors
    /// One line: the books cannot be read.
    fn booked<'a>(
        &'a self,
        product: &'a str,
        from: u64,
        until: u64,
    ) -> BoxFuture<'a, Result<Option<Booked>, Told>>;
}
