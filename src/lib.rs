//! The keeper runtime: the same for every chain and every strategy.
//!
//! Reading order: [`registry`] (what can be kept) → [`config`] (what is kept) → [`runtime`] (the
//! turn) → [`guard`] (what holds an action back) → [`submission`] (a transaction's life) →
//! [`store`] (what survives a restart) → [`ledger`] (what it all cost) → [`finance`] (what that means
//! for who pays) → [`cli`] and [`http`] (what people see).

pub mod alerts;
pub mod cli;
mod clock;
pub mod config;
mod failpoint;
pub mod finance;
pub mod guard;
pub mod http;
pub mod ledger;
pub mod money;
pub mod registry;
pub mod runtime;
pub mod store;
pub mod submission;
pub mod telemetry;

use ballast_chains::text::one_line;
pub use ballast_strategy_api::safe_batch;

/// An error with all its causes on one line, outermost first. Wrappers of other libraries that show
/// their cause as their own text are told once.
pub(crate) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let told = inner.to_string();
        if !text.ends_with(&told) {
            text.push_str(": ");
            text.push_str(&told);
        }
        cause = inner.source();
    }
    // Some of it are the words of a node or a contract.
    one_line(&text).into_owned()
}

#[cfg(test)]
mod tests {
    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Wrapper(#[source] std::io::Error);

    #[test]
    fn a_wrapper_that_shows_its_cause_is_told_once() {
        let error = eyre::Report::new(Wrapper(std::io::Error::other("no route")));
        assert_eq!(super::error_chain(error.wrap_err("asking").as_ref()), "asking: no route");
    }

    #[test]
    fn an_error_is_one_line_whoever_said_it() {
        let error = Wrapper(std::io::Error::other("no\nroute\u{1b}[2J"));
        assert_eq!(super::error_chain(&error), "no\\nroute\\u{1b}[2J");
    }
}
