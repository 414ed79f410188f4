//! `make bench`: the keeper beside a bare loop, counted and timed at a proxy. What it measures and
//! what came out is in `docs/performance.md`.
//!
//! One binary in three roles: the driver, the keeper with one strategy more (`run` and `gas` of the
//! command line of `ballast`), and the bare loop (`bare PLAN`).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed step is a failed bench")]
#![allow(clippy::indexing_slicing, clippy::panic, reason = "a failed step is a failed bench")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is the result")]

mod bare;
mod books;
mod measure;
mod proxy;
mod report;
mod run;
mod submissions;
mod view;
mod world;

use std::process::ExitCode;

use clap::Parser;
use eyre::Result;

/// Measures the keeper beside a bare loop
#[derive(Debug, Parser)]
struct Args {
    /// Numbers of one-view products; 0 for none, as with the other numbers
    #[arg(long, value_delimiter = ',', default_value = "1,10,100,1000", value_name = "N,…")]
    views: Vec<usize>,
    /// Numbers of leveraged products
    #[arg(long, value_delimiter = ',', default_value = "1,10,100", value_name = "N,…")]
    fli: Vec<usize>,
    /// Numbers of wallets that send at every block
    #[arg(long, value_delimiter = ',', default_value = "1,20", value_name = "N,…")]
    wallets: Vec<usize>,
    /// Rows of the ledger that a month's report adds up; 0: none
    #[arg(long, default_value = "1000000", value_name = "N")]
    rows: u64,
    /// Blocks that are measured for each
    #[arg(long, default_value = "200", value_name = "N")]
    blocks: usize,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let done = match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [_, "bare", plan] => bare::run(plan),
        [.., "run"] | [_, "--config", _, "gas", ..] => {
            return ballast::cli::main(ballast::registry::strategies().with::<view::BenchView>());
        }
        _ => drive(&Args::parse()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:?}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn drive(args: &Args) -> Result<()> {
    println!("{}", report::machine()?);
    let mut rows = Vec::new();
    let wanted = |numbers: &[usize]| numbers.iter().copied().filter(|n| *n > 0).collect::<Vec<_>>();
    for products in wanted(&args.views) {
        rows.push(run::views(products, args.blocks).await?);
        println!("{}", report::line(rows.last().unwrap()));
    }
    for products in wanted(&args.fli) {
        rows.push(run::fli(products, args.blocks).await?);
        println!("{}", report::line(rows.last().unwrap()));
    }
    if !rows.is_empty() {
        println!("\n{}", report::tables(&rows));
    }
    let mut rows = Vec::new();
    for wallets in wanted(&args.wallets) {
        rows.push(submissions::submissions(wallets, args.blocks).await?);
    }
    if !rows.is_empty() {
        println!("\n{}", report::submissions(&rows));
    }
    if args.rows > 0 {
        println!("{}", report::books(args.rows).await?);
    }
    Ok(())
}
