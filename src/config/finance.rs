//! From the files to what finance people need: accounts, cost centres, and who pays.

use alloy::primitives::Address;

use super::{
    Category,
    file::{ConfigFile, find},
    form::{self, Raw},
    reader::Reader,
};
use crate::finance::report::Accounts;

/// The key of a chain file.
pub(super) const TREASURY_SAFE: &str = "treasury_safe";
/// Where each category's cost centre stands in `ballast.toml`.
const CENTRES: [(Category, &str); 4] = [
    (Category::Automated, "finance.cost_centres.automated"),
    (Category::Composite, "finance.cost_centres.composite"),
    (Category::Launch, "finance.cost_centres.launch"),
    (Category::Other, "finance.cost_centres.other"),
];

/// Accounts and cost centres; `None` if one is wrong, which has been reported.
pub(super) fn accounts(reader: &mut Reader<'_>) -> Option<Accounts> {
    let expense = reader.get("finance.expense_account", form::book_name);
    let wallets = reader.get("finance.wallet_account", form::book_name);
    let income = reader.get("finance.income_account", form::book_name);
    let centres = CENTRES
        .into_iter()
        .filter_map(|(category, key)| Some((category, reader.get(key, form::book_name)?)))
        .collect();
    Some(Accounts { expense: expense?, wallets: wallets?, income: income?, centres })
}

/// The Safe that a chain file names, if it names one that is right. Its problems are told where the
/// rest of the file is read.
pub(super) fn treasury_safe(file: &ConfigFile) -> Option<Address> {
    let value = find(file.dict(), TREASURY_SAFE)?;
    form::account(Raw { value, untyped: file.variable_of(value).is_some() }).ok()
}
