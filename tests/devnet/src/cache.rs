//! Deployed states on disk.
//!
//! Deploying takes seconds and loading a dumped state a fraction of one, and every end-to-end test
//! wants a chain of its own. So the first that needs a state builds it, under a file lock because
//! test processes run beside each other, and all others load it.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use alloy::primitives::{hex, keccak256};
use eyre::{Context as _, OptionExt as _, Result, bail};
use serde::{Deserialize, Serialize};

use crate::{
    Anvil, AnvilOptions, BasisOptions, Deployment, FliOptions, IndexOptions, Mining, Tooling,
    doubles, node::wall_clock,
};

/// A state is built anew past this age, in seconds. Products should have traded a short time ago,
/// or a test that waits for half an interval would depend on when the state was built.
const MAX_AGE: u64 = 3_600;
/// How far before the wall clock a build starts, in seconds: more than it moves the chain's clock,
/// so that no state is ahead of time.
const BUILD_AHEAD: u64 = 3_600;
/// How much more with basis trading, in seconds.
const BASIS_BUILD_AHEAD: u64 = 1_500;
/// States past this age are deleted, in seconds: nobody loads them, and nobody is loading them.
const DELETE_AGE: u64 = 2 * MAX_AGE;
/// A state can grow old between the look and the load, but not twice.
const MAX_LOOKS: usize = 3;

/// Whatever changes one of these may change what is deployed.
const SOURCES: &[&str] = &[
    include_str!("accounts.rs"),
    include_str!("basis.rs"),
    include_str!("basis_market.rs"),
    include_str!("basis_market/operator.rs"),
    include_str!("batch.rs"),
    include_str!("cache.rs"),
    include_str!("contracts.rs"),
    include_str!("contracts/basis.rs"),
    include_str!("contracts/index.rs"),
    include_str!("contracts/perp.rs"),
    include_str!("deploy.rs"),
    include_str!("deploy/basis.rs"),
    include_str!("deploy/compound.rs"),
    include_str!("deploy/doubles.rs"),
    include_str!("deploy/index.rs"),
    include_str!("deploy/index/basket.rs"),
    include_str!("deploy/index/pools.rs"),
    include_str!("deploy/index/protocol.rs"),
    include_str!("deploy/perp.rs"),
    include_str!("deploy/product.rs"),
    include_str!("deploy/protocol.rs"),
    include_str!("deploy/venues.rs"),
    include_str!("index.rs"),
    include_str!("market.rs"),
];

/// The folder of deployed states.
#[derive(Debug, Clone)]
pub struct StateCache {
    tooling: Tooling,
    dir: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    deployment: Deployment,
    /// When it was built, in seconds since 1970.
    built_at: u64,
}

/// What stands on a chain.
#[derive(Debug, Clone, Copy)]
pub struct Contracts<'a> {
    /// The leveraged products, and what all others stand beside.
    pub fli: &'a FliOptions,
    /// Basis trading, if any.
    pub basis: Option<&'a BasisOptions>,
    /// A composite index, if any.
    pub index: Option<&'a IndexOptions>,
}

struct Entry {
    state: PathBuf,
    saved: PathBuf,
    lock: PathBuf,
}

impl StateCache {
    /// The cache of a checkout, `target/devnet`, or one in the folder for temporary files where
    /// there is no `target`.
    ///
    /// # Errors
    ///
    /// If the folder cannot be made.
    pub fn new(tooling: Tooling) -> Result<Self> {
        let dir = folder(&tooling, "devnet")?;
        Ok(Self { tooling, dir })
    }

    /// A node of its own with the contracts on it, built first if no recent state is there. Its
    /// newest block has the present time.
    ///
    /// # Errors
    ///
    /// If building or loading fails.
    pub async fn load(
        &self,
        options: AnvilOptions,
        contracts: Contracts<'_>,
    ) -> Result<(Anvil, Deployment)> {
        let entry = self.entry(options.chain_id, contracts)?;
        for _ in 0..MAX_LOOKS {
            let shared = locked(&entry.lock, Lock::Shared).await?;
            if let Some(saved) = fresh(&entry)? {
                let options = AnvilOptions { load_state: Some(entry.state.clone()), ..options };
                let anvil = Anvil::spawn(&self.tooling, options).await?;
                drop(shared);
                catch_up(&anvil).await?;
                return Ok((anvil, saved.deployment));
            }
            drop(shared);
            let _exclusive = locked(&entry.lock, Lock::Exclusive).await?;
            if fresh(&entry)?.is_none() {
                // Once an hour; its future is large, and everybody who loads would carry it.
                Box::pin(self.build(&entry, options.chain_id, contracts)).await?;
            }
        }
        bail!("the state in {} does not stay fresh", self.dir.display())
    }

    async fn build(
        &self,
        entry: &Entry,
        chain_id: u64,
        Contracts { fli, basis, index }: Contracts<'_>,
    ) -> Result<()> {
        prune(&self.dir)?;
        let built_at = wall_clock()?;
        let ahead = BUILD_AHEAD.saturating_add(basis.map_or(0, |_| BASIS_BUILD_AHEAD));
        let options = AnvilOptions {
            chain_id,
            mining: Mining::Manual,
            genesis_timestamp: Some(built_at.saturating_sub(ahead)),
            ..AnvilOptions::default()
        };
        let mut anvil = Anvil::spawn(&self.tooling, options).await?;
        let mut deployment = Deployment::fli(&self.tooling, anvil.node(), fli).await?;
        if let Some(basis) = basis {
            deployment.deploy_basis(&self.tooling, anvil.node(), basis).await?;
        }
        if let Some(index) = index {
            let index = deployment.deploy_index(&self.tooling, anvil.node(), index).await?;
            deployment.index = Some(index);
        }
        anvil.stop().await?;
        // The description goes last: without it the state does not count.
        remove(&entry.saved)?;
        put(&entry.state, &fs::read(anvil.state_file()).wrap_err("reading the dumped state")?)?;
        put(&entry.saved, &serde_json::to_vec_pretty(&Saved { deployment, built_at })?)
    }

    fn entry(&self, chain_id: u64, contracts: Contracts<'_>) -> Result<Entry> {
        let mut identity = self.tooling.lock_file()?;
        identity.extend(chain_id.to_be_bytes());
        let Contracts { fli, basis, index } = contracts;
        identity.extend(serde_json::to_vec(&(fli, basis, index))?);
        let solidity = doubles::SOURCES.iter().map(|(_, source)| source);
        SOURCES.iter().chain(solidity).for_each(|source| identity.extend(source.as_bytes()));
        let key = hex::encode(keccak256(identity).get(..8).ok_or_eyre("a hash has 32 bytes")?);
        Ok(Entry {
            state: self.dir.join(format!("{key}.state.json")),
            saved: self.dir.join(format!("{key}.json")),
            lock: self.dir.join(format!("{key}.lock")),
        })
    }
}

/// The newest block is as old as the state, and a keeper takes a head much older than the wall
/// clock for a node that is behind.
async fn catch_up(anvil: &Anvil) -> Result<()> {
    let now = wall_clock()?;
    if anvil.node().head().await?.timestamp < now {
        anvil.node().mine_at(now).await?;
    }
    Ok(())
}

fn fresh(entry: &Entry) -> Result<Option<Saved>> {
    if !entry.saved.is_file() || !entry.state.is_file() {
        return Ok(None);
    }
    let saved: Saved = serde_json::from_slice(&fs::read(&entry.saved)?)
        .wrap_err_with(|| format!("{} is damaged; delete it", entry.saved.display()))?;
    let age = wall_clock()?.saturating_sub(saved.built_at);
    Ok((age < MAX_AGE).then_some(saved))
}

/// A folder for what is made once: `target/NAME` of a checkout, or one among temporary files where
/// there is no `target`.
pub(crate) fn folder(tooling: &Tooling, name: &str) -> Result<PathBuf> {
    let target = tooling.dir().join("../../target");
    let dir = if target.is_dir() {
        target.join(name)
    } else {
        std::env::temp_dir().join(format!("ballast-{name}"))
    };
    fs::create_dir_all(&dir).wrap_err_with(|| format!("making {}", dir.display()))?;
    Ok(dir)
}

pub(crate) enum Lock {
    Shared,
    Exclusive,
}

/// The lock is let go when the file is dropped, also by the end of the process.
pub(crate) async fn locked(path: &Path, lock: Lock) -> Result<File> {
    let file = File::create(path).wrap_err_with(|| format!("opening {}", path.display()))?;
    let wait = move || match lock {
        Lock::Shared => file.lock_shared().map(|()| file),
        Lock::Exclusive => file.lock().map(|()| file),
    };
    tokio::task::spawn_blocking(wait).await?.wrap_err("locking the state cache")
}

/// Writes a file so that it is there wholly or not at all.
pub(crate) fn put(path: &Path, content: &[u8]) -> Result<()> {
    let partial = path.with_extension("partial");
    fs::write(&partial, content).wrap_err_with(|| format!("writing {}", partial.display()))?;
    fs::rename(&partial, path).wrap_err_with(|| format!("writing {}", path.display()))
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).wrap_err_with(|| format!("removing {}", path.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A large state has some 80 MB, and every change of the sources starts a new one. Locks stay: a
/// lock that is deleted while somebody waits for it guards nothing.
fn prune(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).wrap_err_with(|| format!("reading {}", dir.display()))? {
        let path = entry?.path();
        let written = fs::metadata(&path).and_then(|data| data.modified());
        let age = written.ok().and_then(|at| at.elapsed().ok()).unwrap_or_default();
        if path.extension().is_some_and(|e| e != "lock") && age.as_secs() > DELETE_AGE {
            remove(&path)?;
        }
    }
    Ok(())
}
