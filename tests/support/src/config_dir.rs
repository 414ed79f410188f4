//! A configuration directory that lives as long as the test.

use eyre::{Result, WrapErr};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A temporary directory laid out as `ballast --config` expects it; removed on drop.
#[derive(Debug)]
pub struct ConfigDir {
    dir: TempDir,
}

impl ConfigDir {
    /// An empty directory with its `chains/` and `products/` folders.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn new() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("ballast-config-").tempdir()?;
        fs::create_dir(dir.path().join("chains"))?;
        fs::create_dir(dir.path().join("products"))?;
        Ok(Self { dir })
    }

    /// Writes `ballast.toml`.
    ///
    /// # Errors
    /// When the file cannot be written; so for the other writers.
    pub fn ballast(self, toml: impl AsRef<str>) -> Result<Self> {
        self.file("ballast.toml", toml)
    }

    /// Writes `chains/NAME.toml`.
    ///
    /// # Errors
    /// See [`Self::ballast`].
    pub fn chain(self, name: &str, toml: impl AsRef<str>) -> Result<Self> {
        self.file(format!("chains/{name}.toml"), toml)
    }

    /// Writes `products/NAME.toml`.
    ///
    /// # Errors
    /// See [`Self::ballast`].
    pub fn product(self, name: &str, toml: impl AsRef<str>) -> Result<Self> {
        self.file(format!("products/{name}.toml"), toml)
    }

    /// Writes any file, by its path inside the directory; folders are made as needed.
    ///
    /// # Errors
    /// See [`Self::ballast`].
    pub fn file(self, path: impl AsRef<Path>, content: impl AsRef<str>) -> Result<Self> {
        self.write(path, content)?;
        Ok(self)
    }

    /// Replaces a file while the directory is in use.
    ///
    /// # Errors
    /// See [`Self::ballast`].
    pub fn write(&self, path: impl AsRef<Path>, content: impl AsRef<str>) -> Result<PathBuf> {
        let path = self.path().join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, content.as_ref())
            .wrap_err_with(|| format!("writing {}", path.display()))?;
        Ok(path)
    }

    /// The directory, as `--config` takes it.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_stand_where_the_keeper_looks_for_them() {
        let dir = ConfigDir::new()
            .and_then(|dir| dir.ballast("[store]"))
            .and_then(|dir| dir.chain("mainnet", "chain_id = 1"))
            .and_then(|dir| dir.product("eth2x-fli", "strategy = \"fli\""))
            .unwrap();
        let read = |path: &str| fs::read_to_string(dir.path().join(path)).unwrap();
        assert_eq!(read("ballast.toml"), "[store]");
        assert_eq!(read("chains/mainnet.toml"), "chain_id = 1");
        assert_eq!(read("products/eth2x-fli.toml"), "strategy = \"fli\"");

        let path = dir.path().to_owned();
        drop(dir);
        assert!(!path.exists(), "the directory goes with its owner");
    }
}
