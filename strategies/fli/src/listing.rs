//! Which of a manager's extensions are leverage strategy extensions.

use ballast_strategy_api::listing::Family;

use crate::variant::served_token;

/// What is looked for among a manager's extensions.
pub const FAMILY: Family = Family {
    noun: "leverage strategy extension",
    second: "manager lists a second leverage strategy extension",
    serves: |extension, at| Box::pin(served_token(extension, at)),
};

#[cfg(test)]
mod tests;
