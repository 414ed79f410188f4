//! A keeper with one strategy more, as anybody may build one: the whole command line of `ballast`,
//! and products of the kind `counter`. End-to-end tests run it.

mod strategy;

use std::process::ExitCode;

fn main() -> ExitCode {
    ballast::cli::main(ballast::registry::strategies().with::<strategy::Counter>())
}
