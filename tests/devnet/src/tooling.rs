//! Where the npm packages are.
//!
//! The demo runs from a checkout, tests run from wherever Cargo puts them, and a packaged binary
//! may have the folder elsewhere: so the folder is looked for, in a fixed order, and a miss says
//! what to do about it.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use alloy::primitives::{Address, Bytes, hex};
use eyre::{Context as _, OptionExt as _, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

/// Names the folder with `node_modules`, for installations that are not a checkout.
const DIR_VARIABLE: &str = "BALLAST_DEVNET_DIR";
/// What to do when the packages are missing.
const ADVICE: &str = "run `make setup` (or `npm ci` in tests/devnet) first";

/// The folder `tests/devnet` with its `node_modules` installed.
#[derive(Debug, Clone)]
pub struct Tooling {
    dir: PathBuf,
}

/// The package that an artifact is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Package {
    /// Set Protocol v2, and the third-party contracts that its tests use.
    Set,
    /// Index Coop's managers, extensions and viewers.
    Index,
}

#[derive(Deserialize)]
struct Artifact {
    bytecode: String,
    #[serde(default, rename = "linkReferences")]
    links: Value,
}

impl Tooling {
    /// Finds the folder: `$BALLAST_DEVNET_DIR`, else `tests/devnet` under the current folder or a
    /// parent of it, else the folder this crate was compiled in.
    ///
    /// # Errors
    ///
    /// If none of these exists, or its packages are not installed.
    pub fn locate() -> Result<Self> {
        let dir = if let Some(dir) = env::var_os(DIR_VARIABLE) {
            PathBuf::from(dir)
        } else {
            let here = env::current_dir().wrap_err("reading the current folder")?;
            let compiled_in = Path::new(env!("CARGO_MANIFEST_DIR"));
            here.ancestors()
                .map(|folder| folder.join("tests/devnet"))
                .chain([compiled_in.to_path_buf()])
                .find(|folder| folder.join("package-lock.json").is_file())
                .ok_or_eyre(format!("no tests/devnet here or above; set {DIR_VARIABLE}"))?
        };
        let tooling = Self { dir };
        tooling.anvil()?;
        ensure!(tooling.package(Package::Set).is_dir(), "contract packages missing: {ADVICE}");
        ensure!(tooling.package(Package::Index).is_dir(), "contract packages missing: {ADVICE}");
        Ok(tooling)
    }

    /// The anvil program that the npm package ships for this platform.
    ///
    /// # Errors
    ///
    /// If it is not installed.
    pub fn anvil(&self) -> Result<PathBuf> {
        let arch = match env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => bail!("the npm package has no anvil for {other}"),
        };
        let os = if env::consts::OS == "macos" { "darwin" } else { env::consts::OS };
        let anvil = self.modules().join(format!("@foundry-rs/anvil-{os}-{arch}/bin/anvil"));
        ensure!(anvil.is_file(), "anvil is not installed: {ADVICE}");
        Ok(anvil)
    }

    /// The folder that holds `package.json` and `node_modules`.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The lock file: together with the sources it identifies what gets deployed.
    pub(crate) fn lock_file(&self) -> Result<Vec<u8>> {
        let path = self.dir.join("package-lock.json");
        fs::read(&path).wrap_err_with(|| format!("reading {}", path.display()))
    }

    /// The version of the installed Solidity compiler.
    pub(crate) fn solc_version(&self) -> Result<String> {
        let manifest = self.modules().join("solc/package.json");
        let text = fs::read(&manifest).wrap_err(format!("solc is not installed: {ADVICE}"))?;
        let manifest: Value = serde_json::from_slice(&text)?;
        let version = manifest.get("version").and_then(Value::as_str);
        Ok(version.ok_or_eyre("solc's package has no version")?.to_owned())
    }

    /// The creation code of a contract of `package`, from the artifact at `path`, a path without
    /// `.json`. Every library placeholder is replaced by the address given for the library.
    pub(crate) fn code(
        &self,
        package: Package,
        path: &str,
        library: Option<Address>,
    ) -> Result<Bytes> {
        self.linked(package, path, |_| library)
    }

    /// The same of a contract with several libraries, by their names.
    pub(crate) fn code_with(
        &self,
        package: Package,
        path: &str,
        libraries: &[(&str, Address)],
    ) -> Result<Bytes> {
        self.linked(package, path, |name| {
            libraries.iter().find(|(known, _)| *known == name).map(|(_, address)| *address)
        })
    }

    fn linked(
        &self,
        package: Package,
        path: &str,
        library: impl Fn(&str) -> Option<Address>,
    ) -> Result<Bytes> {
        let file = self.package(package).join(format!("{path}.json"));
        let text = fs::read(&file).wrap_err_with(|| format!("reading {}", file.display()))?;
        let artifact: Artifact = serde_json::from_slice(&text)
            .wrap_err_with(|| format!("parsing {}", file.display()))?;
        let linked = link(artifact, library)?;
        let code = hex::decode(&linked).wrap_err_with(|| format!("bytecode of {path}"))?;
        ensure!(!code.is_empty(), "no bytecode in {}", file.display());
        Ok(code.into())
    }

    fn modules(&self) -> PathBuf {
        self.dir.join("node_modules")
    }

    fn package(&self, package: Package) -> PathBuf {
        let name = match package {
            Package::Set => "set-protocol-v2",
            Package::Index => "index-coop-contracts",
        };
        self.modules().join("@setprotocol").join(name)
    }
}

/// The bytecode in hex, without prefix, the address of each library in every place it belongs.
fn link(artifact: Artifact, library: impl Fn(&str) -> Option<Address>) -> Result<String> {
    let mut code = artifact.bytecode.trim_start_matches("0x").to_owned();
    let libraries = artifact
        .links
        .as_object()
        .into_iter()
        .flat_map(|files| files.values())
        .filter_map(Value::as_object)
        .flatten();
    for (name, places) in libraries {
        let address = library(name).ok_or_eyre(format!("the artifact needs the library {name}"))?;
        for place in places.as_array().into_iter().flatten() {
            let start = place.get("start").and_then(Value::as_u64);
            let start = usize::try_from(start.ok_or_eyre("link without start")?)?;
            let start = start.checked_mul(2).ok_or_eyre("link offset too large")?;
            let end = start.saturating_add(40);
            ensure!(code.is_char_boundary(start) && end <= code.len(), "link beyond the bytecode");
            code.replace_range(start..end, &hex::encode(address));
        }
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_placeholder_is_replaced() {
        let links = json!({ "lib/Compound.sol": { "Compound": [{ "start": 1, "length": 20 }] } });
        let bytecode = format!("0x60{}ff", "_".repeat(40));
        let linked =
            link(Artifact { bytecode, links }, |_| Some(Address::repeat_byte(0xab))).unwrap();
        assert_eq!(linked, format!("60{}ff", "ab".repeat(20)));
    }

    #[test]
    fn each_library_goes_into_its_own_places() {
        let links = json!({ "a.sol": {
            "One": [{ "start": 0, "length": 20 }, { "start": 41, "length": 20 }],
            "Two": [{ "start": 20, "length": 20 }],
        }});
        let bytecode = format!("{}00{}", "_".repeat(80), "_".repeat(40));
        let linked = link(Artifact { bytecode, links }, |name| {
            Some(Address::repeat_byte(if name == "One" { 0x11 } else { 0x22 }))
        });
        let (one, two) = ("11".repeat(20), "22".repeat(20));
        assert_eq!(linked.unwrap(), format!("{one}{two}00{one}"));
    }

    #[test]
    fn a_missing_library_is_an_error() {
        let links = json!({ "a": { "b": [{ "start": 0, "length": 20 }] } });
        let error = link(Artifact { bytecode: "_".repeat(40), links }, |_| None).unwrap_err();
        assert_eq!(error.to_string(), "the artifact needs the library b");
    }
}
