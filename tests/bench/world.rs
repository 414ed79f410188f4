//! A chain that makes blocks when it is told, the proxy before it, and who runs against it.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use alloy::primitives::{B256, Bytes, U256};
use ballast_devnet::{Devnet, DevnetOptions, FliOptions, Mining, accounts};
use ballast_test_support::{ConfigDir, KeeperCommand};
use eyre::{OptionExt as _, Result};
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    bare::{Plan, When},
    proxy::Proxy,
};

/// Time between two blocks: a fast chain, slow enough for a loop over a thousand products.
const BEAT: Duration = Duration::from_millis(250);
/// Ether of every wallet: 100, in wei.
const BALANCE: u128 = 100_000_000_000_000_000_000;

/// What the products are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One view each, and a turn to act.
    View,
    /// One view each, and each acts at every block.
    Always,
    /// Leveraged products on the published contracts.
    Fli,
}

/// The chain and the proxy.
pub(crate) struct World {
    pub(crate) devnet: Devnet,
    pub(crate) proxy: Proxy,
    scratch: tempfile::TempDir,
}

impl World {
    pub(crate) async fn start(kind: Kind, products: usize) -> Result<Self> {
        let more_products = if kind == Kind::Fli { products.saturating_sub(1) } else { 0 };
        let fli = FliOptions { more_products, ..FliOptions::default() };
        let mining = Mining::Manual;
        let devnet = Devnet::start(DevnetOptions { mining, fli, ..Default::default() }).await?;
        let node = devnet.http_url().socket_addrs(|| None)?;
        let proxy = Proxy::start(*node.first().ok_or_eyre("the node has no address")?).await?;
        Ok(Self { devnet, proxy, scratch: tempfile::tempdir()? })
    }

    pub(crate) async fn fund(&self, keys: &[usize]) -> Result<()> {
        for key in keys {
            let wallet = accounts::keeper_address(*key);
            self.devnet.node().set_balance(wallet, U256::from(BALANCE)).await?;
        }
        Ok(())
    }

    /// Makes blocks, one a beat.
    pub(crate) async fn beat(&self, blocks: usize) -> Result<()> {
        self.beat_every(BEAT, blocks).await
    }

    pub(crate) async fn beat_every(&self, period: Duration, blocks: usize) -> Result<()> {
        let mut beats = interval(period);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for _ in 0..blocks {
            beats.tick().await;
            self.devnet.node().mine(1).await?;
        }
        beats.tick().await;
        Ok(())
    }

    /// The keeper over these products, with its store in `store`.
    pub(crate) fn keeper(
        &self,
        kind: Kind,
        keys: &[usize],
        store: &Path,
    ) -> Result<(KeeperCommand, ConfigDir)> {
        let dir = ConfigDir::new()?;
        let store = store.join("ballast.db");
        dir.write(
            "ballast.toml",
            format!(
                "[store]\nurl = \"sqlite://{}\"\n[http]\nlisten = \"127.0.0.1:0\"\n",
                store.display()
            ),
        )?;
        dir.write(
            "chains/local.toml",
            format!(
                "chain_id = 1\nblock_time = \"250ms\"\nconfirmations = 2\nassess_timeout = \"10s\"\n\
                 rpc = [{{ url = \"http://{0}\", ws = \"ws://{0}\" }}]\n",
                self.proxy.address
            ),
        )?;
        let mut command =
            KeeperCommand::new(std::env::current_exe()?).arg("--config").arg(dir.path()).arg("run");
        for (index, key) in keys.iter().enumerate() {
            let (strategy, params) = match kind {
                Kind::View => ("bench-view", format!("index = {index}\nof = {}", keys.len())),
                Kind::Always => ("bench-view", "index = 0\nof = 1\nalways = true".to_owned()),
                Kind::Fli => {
                    let extension = self.devnet.products()[index].strategy;
                    ("fli", format!("extension = \"{extension}\""))
                }
            };
            dir.write(
                format!("products/product-{index:04}.toml"),
                format!(
                    "strategy = \"{strategy}\"\nchain = \"local\"\n\
                     [wallet]\nkey = {{ env = \"KEY_{index}\" }}\n[params]\n{params}\n"
                ),
            )?;
            command = command.env(format!("KEY_{index}"), accounts::keeper_key(*key).to_string());
        }
        Ok((command, dir))
    }

    /// The bare loop over the same reads.
    pub(crate) fn bare(&self, keys: &[usize], batch: Bytes, when: When) -> Result<KeeperCommand> {
        let keys: Vec<B256> = keys.iter().map(|key| accounts::keeper_key(*key)).collect();
        let http = format!("http://{}", self.proxy.address);
        let ws = format!("ws://{}", self.proxy.address);
        let plan = Plan { http, ws, keys, batch, when };
        let file = self.scratch.path().join("plan.json");
        fs::write(&file, serde_json::to_vec(&plan)?)?;
        Ok(KeeperCommand::new(std::env::current_exe()?).arg("bare").arg(file))
    }
}

/// A folder in memory, where an fsync costs nothing; one on disk where there is none.
pub(crate) fn in_memory() -> Result<tempfile::TempDir> {
    let memory = PathBuf::from("/dev/shm");
    Ok(if memory.is_dir() { tempfile::tempdir_in(memory)? } else { tempfile::tempdir()? })
}

/// A folder on the disk that holds the build.
pub(crate) fn on_disk() -> Result<tempfile::TempDir> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    Ok(tempfile::tempdir_in(dir)?)
}
