//! Setting the stage: node, contracts, configuration, keeper; and clearing it.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use ballast_devnet::{Devnet, DevnetOptions, Market, Mining, Product, accounts};
use eyre::{Result, WrapErr};
use tokio::{sync::broadcast, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use super::super::{Session, out};
use crate::{
    config::{Config, Secrets},
    http,
    runtime::{Event, Events, Keeper},
    store::Store,
    telemetry,
};

/// Name of the product file.
pub(super) const PRODUCT: &str = "eth2x-fli";
/// Name of the variable that would hold the key.
const KEY: &str = "DEMO_KEEPER_KEY";
/// How long the keeper may take to stop.
const STOP_WITHIN: Duration = Duration::from_secs(20);
/// One block a second: quick to watch, slow enough to read.
const BLOCK_TIME: Duration = Duration::from_secs(1);

/// Everything that runs during the demo.
pub(super) struct Stage {
    devnet: Devnet,
    market: Market,
    dir: PathBuf,
    stop: CancellationToken,
    keeper: JoinSet<Result<()>>,
    pub(super) events: broadcast::Receiver<Event>,
}

impl Stage {
    pub(super) async fn set(session: &Session) -> Result<Self> {
        out::line(
            "starting a local chain (id 1) with Set Protocol, Compound, Uniswap and a FLI product",
        );
        let options =
            DevnetOptions { mining: Mining::Every(BLOCK_TIME), ..DevnetOptions::default() };
        let devnet = Devnet::start(options).await.wrap_err("the local chain")?;
        let market = devnet.market();
        let dir = write_config(&devnet)?;
        let key = format!("{}", accounts::keeper_key(0));
        let environment = session.environment.clone().with(KEY, key);
        let config = Config::load(&dir, &environment, &session.registry, Secrets::Resolve)
            .map_err(|problems| eyre::eyre!("the demo's own files: {problems}"))?;
        let store = Store::open(&config.store.path).await?;
        let listener = http::bind(config.http.listen).await?;
        let page = listener.local_addr()?;
        let events = Events::default();
        let heard = events.subscribe();
        let keeper = Keeper {
            config: Arc::new(config),
            registry: Arc::clone(&session.registry),
            environment,
            store,
            metrics: telemetry::start_metrics()?,
            events,
        };
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(keeper.run(listener, stop.clone()));
        out::line(&format!("the keeper runs over {}", devnet.http_url()));
        out::line(&format!("page: http://{page}/   metrics: http://{page}/metrics"));
        Ok(Self { devnet, market, dir, stop, keeper: tasks, events: heard })
    }

    pub(super) fn market(&self) -> &Market {
        &self.market
    }

    pub(super) fn product(&self) -> &Product {
        self.devnet.product()
    }

    /// Lets time pass on the chain, seconds.
    pub(super) async fn warp(&self, seconds: u64) -> Result<()> {
        self.devnet.node().warp(seconds).await
    }

    /// Stops the keeper, then the node; removes the files unless they are wanted.
    pub(super) async fn clear(mut self, keep: bool) -> Result<()> {
        self.stop.cancel();
        let ended = timeout(STOP_WITHIN, self.keeper.join_next()).await;
        if keep {
            out::line(&format!("configuration and store kept in {}", self.dir.display()));
        } else {
            fs::remove_dir_all(&self.dir)
                .wrap_err_with(|| format!("removing {}", self.dir.display()))?;
        }
        match ended {
            Ok(Some(result)) => result.wrap_err("the keeper panicked")?,
            Ok(None) => Ok(()),
            Err(_) => eyre::bail!("the keeper did not stop in time"),
        }
    }
}

fn write_config(devnet: &Devnet) -> Result<PathBuf> {
    let dir = std::env::temp_dir().join(format!("ballast-demo-{}", std::process::id()));
    let write = |path: &str, text: String| {
        let path = dir.join(path);
        fs::write(&path, text).wrap_err_with(|| format!("writing {}", path.display()))
    };
    for folder in ["chains", "products"] {
        let path = dir.join(folder);
        fs::create_dir_all(&path).wrap_err_with(|| format!("making {}", path.display()))?;
    }
    let store = dir.join("ballast.db");
    write(
        "ballast.toml",
        format!(
            "[store]\nurl = \"sqlite://{}\"\n\n[http]\nlisten = \"127.0.0.1:0\"\n",
            store.display()
        ),
    )?;
    write(
        "chains/local.toml",
        format!(
            "chain_id = 1\nblock_time = \"1s\"\nconfirmations = 3\n\
             rpc = [{{ url = \"{}\", ws = \"{}\" }}]\n",
            devnet.http_url(),
            devnet.ws_url()
        ),
    )?;
    write(
        &format!("products/{PRODUCT}.toml"),
        format!(
            "strategy = \"fli\"\nchain = \"local\"\n\n[wallet]\nkey = {{ env = \"{KEY}\" }}\n\n\
             [params]\nextension = \"{}\"\n",
            devnet.product().strategy
        ),
    )?;
    Ok(dir)
}
