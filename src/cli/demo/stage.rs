//! Setting the stage: nodes, contracts, configuration, keeper; and clearing it.

use std::{fs, path::Path, sync::Arc, time::Duration};

use ballast_chains::amount::ether;
use eyre::{Result, WrapErr as _};
use futures::future::try_join_all;
use tempfile::TempDir;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    super::{Session, out},
    chain::{self, Chain},
};
use crate::{
    config::{Config, Secrets},
    http,
    runtime::{Events, Keeper},
    store::Store,
    telemetry,
};

/// Name of the variable that holds the key of the index's keeper.
const INDEX_KEY: &str = "DEMO_INDEX_KEY";
/// How long the keeper may take to stop.
const STOP_WITHIN: Duration = Duration::from_secs(20);

/// Everything that runs during the demo. Dropped, it ends: nodes, keeper, files.
pub(super) struct Stage {
    chains: Vec<Chain>,
    dir: TempDir,
    stop: CancellationToken,
    keeper: JoinSet<Result<()>>,
}

impl Stage {
    pub(super) async fn set(session: &Session, block_time: Duration) -> Result<Self> {
        out::line(
            "starting two local chains with Set Protocol and Uniswap: one with Compound, a leveraged product \
             and a composite index, one with Perp V2 and basis trading",
        );
        let began = Instant::now();
        let starts =
            chain::plans()?.map(|plan| Chain::start(plan, block_time, &session.environment));
        let mut chains = try_join_all(starts).await.wrap_err("starting the local chains")?;
        out::line(&format!("both stood after {:.1} s", began.elapsed().as_secs_f64()));
        chains.iter().for_each(introduce);

        let dir = tempfile::Builder::new().prefix("ballast-demo-").tempdir();
        let dir = dir.wrap_err("making a folder for the demo's files")?;
        write_config(dir.path(), &chains, block_time)?;
        let mut environment = session.environment.clone();
        for chain in &chains {
            environment = environment.with(key_name(chain), chain.key().to_string());
            if let Some(basket) = chain.basket() {
                environment = environment.with(INDEX_KEY.to_owned(), basket.key().to_string());
            }
        }
        let config = Config::load(dir.path(), &environment, &session.registry, Secrets::Resolve)
            .map_err(|problems| eyre::eyre!("the demo's own files: {problems}"))?;
        let store = Store::open(&config.store.path).await?;
        let listener = http::bind(config.http.listen).await?;
        let page = listener.local_addr()?;
        let events = Events::default();
        chains.iter_mut().for_each(|chain| chain.listen(events.subscribe()));
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
        out::line("one keeper runs over both");
        out::line(&format!("page: http://{page}/   metrics: http://{page}/metrics"));
        Ok(Self { chains, dir, stop, keeper: tasks })
    }

    pub(super) fn chains(&self) -> &[Chain] {
        &self.chains
    }

    pub(super) fn chains_mut(&mut self) -> &mut [Chain] {
        &mut self.chains
    }

    /// Stops the keeper, then the nodes; removes the files unless they are wanted.
    pub(super) async fn clear(mut self, keep: bool) -> Result<()> {
        self.stop.cancel();
        let ended = timeout(STOP_WITHIN, self.keeper.join_next()).await;
        for chain in self.chains {
            chain.stop().await?;
        }
        if keep {
            let dir = self.dir.keep();
            out::line(&format!("configuration and store kept in {}", dir.display()));
        } else {
            self.dir.close().wrap_err("removing the demo's files")?;
        }
        match ended {
            Ok(Some(result)) => result.wrap_err("the keeper panicked")?,
            Ok(None) => Ok(()),
            Err(_) => eyre::bail!("the keeper did not stop in time"),
        }
    }
}

fn introduce(chain: &Chain) {
    let rules = chain.rules();
    let interval = Duration::from_secs(rules.interval);
    out::line(&format!(
        "  {:<8} (id {:>2}) {:<11} target {}, from {} to {}, ripcord at {}, every {}   {}",
        chain.name(),
        chain.id(),
        chain.product_name(),
        ether(rules.target),
        ether(rules.min),
        ether(rules.max),
        ether(rules.line),
        humantime::format_duration(interval),
        chain.devnet().http_url(),
    ));
    if let Some(basket) = chain.basket() {
        let (chain, id, name) = (chain.name(), chain.id(), basket.product_name());
        let components = basket.components();
        out::line(&format!(
            "  {chain:<8} (id {id:>2}) {name:<11} {components} components on Uniswap V2, Sushiswap and V3"
        ));
    }
}

/// Name of the variable that would hold the key of a chain's product.
fn key_name(chain: &Chain) -> String {
    format!("DEMO_KEEPER_KEY_{}", chain.id())
}

fn write_config(dir: &Path, chains: &[Chain], block_time: Duration) -> Result<()> {
    let write = |path: String, text: String| {
        let path = dir.join(path);
        fs::write(&path, text).wrap_err_with(|| format!("writing {}", path.display()))
    };
    for folder in ["chains", "products"] {
        let path = dir.join(folder);
        fs::create_dir_all(&path).wrap_err_with(|| format!("making {}", path.display()))?;
    }
    let store = dir.join("ballast.db");
    write(
        "ballast.toml".to_owned(),
        format!(
            "[store]\nurl = \"sqlite://{}\"\n\n[http]\nlisten = \"127.0.0.1:0\"\n",
            store.display()
        ),
    )?;
    let block_time = humantime::format_duration(block_time);
    for chain in chains {
        let (http, ws) = (chain.devnet().http_url(), chain.devnet().ws_url());
        write(
            format!("chains/{}.toml", chain.name()),
            format!(
                "chain_id = {}\nblock_time = \"{block_time}\"\nconfirmations = 3\n\
                 rpc = [{{ url = \"{http}\", ws = \"{ws}\" }}]\n\
                 contracts.native_usd_feed = \"{}\"\n",
                chain.id(),
                chain.devnet().deployment().feeds.eth_usd,
            ),
        )?;
        let product = |name: &str, strategy: &str, key: &str, params: &str| {
            let text = format!(
                "strategy = \"{strategy}\"\nchain = \"{}\"\n\n[wallet]\nkey = {{ env = \"{key}\" }}\n\n\
                 [params]\n{params}",
                chain.name(),
            );
            write(format!("products/{name}.toml"), text)
        };
        let (strategy, extension) = chain.params();
        let params = format!("extension = \"{extension}\"\n");
        product(chain.product_name(), strategy, &key_name(chain), &params)?;
        if let Some(basket) = chain.basket() {
            let (strategy, params) = basket.params();
            product(basket.product_name(), strategy, INDEX_KEY, &params)?;
        }
    }
    Ok(())
}
