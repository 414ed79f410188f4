//! Secrets: named in files, never contained.

use std::{
    fmt,
    fs::File,
    io::{self, Read as _},
    path::PathBuf,
};

use secrecy::SecretString;

use super::Environment;

/// Most bytes of a secret's file that are read.
const LONGEST_SECRET: u64 = 64 * 1024;

/// Where a secret is found. Holds only the place, so it may be kept and cloned freely.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Secret {
    /// An environment variable.
    Env(String),
    /// A file; its content without white space around it.
    File(PathBuf),
}

/// Why a secret could not be had. Never holds the secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set.
    #[error("environment variable {0} is not set")]
    Unset(String),
    /// The variable is set to something that is not text.
    #[error("environment variable {0} is not Unicode text")]
    NotUnicode(String),
    /// The variable or file is empty, or holds nothing but white space.
    #[error("{0} is empty")]
    Empty(String),
    /// The file is larger than any secret.
    #[error("file {0} is larger than 64 KiB")]
    TooLong(PathBuf),
    /// The file cannot be read.
    #[error("reading file {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl Secret {
    /// Reads the secret, without white space around it.
    ///
    /// # Errors
    ///
    /// If the variable or file is missing, empty, too long or not text.
    pub fn resolve(&self, environment: &Environment) -> Result<SecretString, SecretError> {
        let text = match self {
            Self::Env(name) => environment
                .get(name)
                .map_err(|_| SecretError::NotUnicode(name.clone()))?
                .ok_or_else(|| SecretError::Unset(name.clone()))?
                .to_owned(),
            Self::File(path) => read(path)?,
        };
        match text.trim() {
            "" => Err(SecretError::Empty(self.to_string())),
            secret => Ok(secret.into()),
        }
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "environment variable {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({self})")
    }
}

fn read(path: &PathBuf) -> Result<String, SecretError> {
    let failed = |source| SecretError::File { path: path.clone(), source };
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    let read = file.take(LONGEST_SECRET.saturating_add(1)).read_to_string(&mut text);
    let length = read.map_err(failed)?;
    if u64::try_from(length).is_ok_and(|length| length <= LONGEST_SECRET) {
        Ok(text)
    } else {
        Err(SecretError::TooLong(path.clone()))
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn white_space_around_a_secret_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, "  s3cret\n").unwrap();
        let environment = [("NAME", "s3cret \n")].into_iter().collect();
        for secret in [Secret::Env("NAME".into()), Secret::File(path)] {
            assert_eq!(secret.resolve(&environment).unwrap().expose_secret(), "s3cret");
        }
    }

    #[test]
    fn what_cannot_be_resolved_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let long = dir.path().join("long");
        std::fs::write(&long, "x".repeat(70_000)).unwrap();
        let environment = [("EMPTY", " ")].into_iter().collect();
        for (secret, expected) in [
            (Secret::Env("NONE".into()), "environment variable NONE is not set"),
            (Secret::Env("EMPTY".into()), "environment variable EMPTY is empty"),
            (Secret::File(dir.path().join("none")), "reading file"),
            (Secret::File(long), "is larger than 64 KiB"),
        ] {
            let error = secret.resolve(&environment).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
