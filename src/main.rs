//! The `ballast` binary: arguments in, exit code out. Everything else is the library, so that a
//! binary with one strategy more is five lines.

use std::process::ExitCode;

fn main() -> ExitCode {
    ballast::cli::main(ballast::registry::strategies())
}
