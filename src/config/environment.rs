//! The process environment, read once.

use std::{collections::BTreeMap, ffi::OsString, fmt, sync::Arc};

/// A snapshot of environment variables. Everything that configuration takes from the environment
/// comes from one of these, so that tests can bring their own and nothing changes under way. Clones
/// share it: each product has one, and with a thousand products it has a thousand keys.
#[derive(Clone, Default)]
pub struct Environment {
    variables: Arc<BTreeMap<String, OsString>>,
}

impl Environment {
    /// What this process was started with. Variables whose name is not Unicode are left out.
    pub fn from_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .collect()
    }

    /// The variable's value; `None` if it is not set.
    ///
    /// # Errors
    ///
    /// If the value is not Unicode.
    pub fn get(&self, name: &str) -> Result<Option<&str>, NotUnicode> {
        self.variables.get(name).map(|value| value.to_str().ok_or(NotUnicode)).transpose()
    }

    /// A copy in which one variable has this value.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<OsString>) -> Self {
        Arc::make_mut(&mut self.variables).insert(name.into(), value.into());
        self
    }

    /// Names of all variables that begin with `prefix`, in order.
    pub(super) fn names_with(&self, prefix: &str) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str).filter(move |name| name.starts_with(prefix))
    }
}

/// The value of a variable is not Unicode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not Unicode text")]
pub struct NotUnicode;

impl<K: Into<String>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        let variables = variables.into_iter().map(|(k, v)| (k.into(), v.into()));
        Self { variables: Arc::new(variables.collect()) }
    }
}

impl fmt::Debug for Environment {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}
