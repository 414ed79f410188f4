//! A world to test in: a devnet, a proxy before it, a configuration directory, and the binary.

use std::{collections::BTreeSet, fmt::Write as _, time::Duration};

use ballast_devnet::{
    BasisOptions, Devnet, DevnetOptions, FliOptions, IndexOptions, Mining, Product, accounts,
};
use ballast_test_support::{ConfigDir, KeeperCommand, KeeperProcess, ProxyHandle, RpcProxy};
use eyre::Result;
use serde_json::Value;

/// Longest wait for anything: generous, since it is only reached by a failure.
pub(crate) const DEADLINE: Duration = Duration::from_secs(180);

/// Name of the first product's file.
pub(crate) const PRODUCT: &str = "eth2x-fli";
/// Name of the basis product's file.
pub(crate) const BASIS: &str = "mnye";

/// Everything a scenario acts on.
pub(crate) struct World {
    pub(crate) devnet: Devnet,
    pub(crate) proxy: RpcProxy,
    pub(crate) dir: ConfigDir,
    keys: usize,
    chain_id: u64,
}

/// How a world differs from the usual one.
pub(crate) struct Setup {
    /// When the node makes blocks.
    pub(crate) mining: Mining,
    /// Products besides the first.
    pub(crate) more_products: usize,
    /// Whether the doubles of the variants stand there, as the last three products.
    pub(crate) doubles: bool,
    /// A basis product on a chain with id 10, and no file for any other product.
    pub(crate) basis: Option<BasisOptions>,
    /// A composite index, whose file the test writes, and no file for any other product.
    pub(crate) index: Option<IndexOptions>,
    /// Extra lines of the chain file.
    pub(crate) chain: String,
    /// Extra lines of each product file, before its tables.
    pub(crate) product: String,
    /// Watch-only wallets instead of keys.
    pub(crate) watch_only: bool,
    /// Whether the keeper may use WebSocket heads.
    pub(crate) ws: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            mining: Mining::Every(Duration::from_secs(1)),
            more_products: 0,
            doubles: false,
            basis: None,
            index: None,
            chain: String::new(),
            product: String::new(),
            watch_only: false,
            ws: true,
        }
    }
}

impl World {
    /// A devnet behind a proxy, and files that point a keeper at the proxy.
    pub(crate) async fn start(setup: Setup) -> Result<Self> {
        let (more_products, doubles) = (setup.more_products, setup.doubles);
        let fli = FliOptions { more_products, doubles, ..FliOptions::default() };
        let (mining, basis, index) = (setup.mining, setup.basis.clone(), setup.index.clone());
        let chain_id = if basis.is_some() { 10 } else { 1 };
        let options =
            DevnetOptions { chain_id, mining, fli, basis, index, ..DevnetOptions::default() };
        let devnet = Devnet::start(options).await?;
        let proxy = RpcProxy::start(devnet.http_url().as_str()).await?;
        let dir = ConfigDir::new()?;
        let others = usize::from(setup.basis.is_some()) + usize::from(setup.index.is_some());
        let keys = devnet.products().len() + others;
        let world = Self { devnet, proxy, dir, keys, chain_id };
        world.write_ballast()?;
        world.write_chain(&setup)?;
        if setup.basis.is_some() {
            world.write_basis(&setup, "")?;
            return Ok(world);
        }
        if setup.index.is_some() {
            return Ok(world);
        }
        for (index, product) in world.devnet.products().iter().enumerate() {
            world.write_product(index, product, &setup)?;
        }
        Ok(world)
    }

    fn write_ballast(&self) -> Result<()> {
        let text = format!(
            "[store]\nurl = \"sqlite://{}\"\n\n[http]\nlisten = \"127.0.0.1:0\"\n",
            self.store().display()
        );
        self.dir.write("ballast.toml", text)?;
        Ok(())
    }

    /// Writes the chain file anew, with what could only be known once the chain was there.
    pub(crate) fn write_chain(&self, setup: &Setup) -> Result<()> {
        let mut text = format!("chain_id = {}\nblock_time = \"1s\"\n", self.chain_id);
        if !setup.chain.contains("finality =") {
            text.push_str("confirmations = 3\n");
        }
        text.push_str(&setup.chain);
        if !setup.chain.contains("rpc =") {
            let ws = if setup.ws {
                format!(", ws = \"{}\"", self.proxy.ws_url())
            } else {
                String::new()
            };
            write!(text, "\nrpc = [{{ url = \"{}\"{ws} }}]\n", self.proxy.http_url())?;
        }
        self.dir.write("chains/local.toml", text)?;
        Ok(())
    }

    pub(crate) fn write_product(
        &self,
        index: usize,
        product: &Product,
        setup: &Setup,
    ) -> Result<()> {
        let wallet = if setup.watch_only {
            format!("address = \"{}\"", accounts::keeper_address(index))
        } else {
            format!("key = {{ env = \"{}\" }}", key_name(index))
        };
        let text = format!(
            "strategy = \"fli\"\nchain = \"local\"\n{}\n[wallet]\n{wallet}\n\n[params]\nextension = \"{}\"\n",
            setup.product, product.strategy
        );
        self.dir.write(format!("products/{}.toml", product_name(index)), text)?;
        Ok(())
    }

    /// Writes the basis product's file, with further `[params]`.
    pub(crate) fn write_basis(&self, setup: &Setup, params: &str) -> Result<()> {
        let market = self.devnet.basis_market()?;
        let basis = market.basis();
        let wallet = if setup.watch_only {
            format!("address = \"{}\"", accounts::keeper_address(basis.keeper))
        } else {
            format!("key = {{ env = \"{}\" }}", key_name(basis.keeper))
        };
        let text = format!(
            "strategy = \"basis\"\nchain = \"local\"\n{}\n[wallet]\n{wallet}\n\n[params]\nextension = \"{}\"\n{params}\n",
            setup.product, basis.extension
        );
        self.dir.write(format!("products/{BASIS}.toml"), text)?;
        Ok(())
    }

    /// Where the store is.
    pub(crate) fn store(&self) -> std::path::PathBuf {
        self.dir.path().join("ballast.db")
    }

    /// The binary with this world's files and keys.
    pub(crate) fn ballast(&self, args: &[&str]) -> KeeperCommand {
        self.command(env!("CARGO_BIN_EXE_ballast"), args)
    }

    /// The same of another binary that is built through the library.
    pub(crate) fn command(&self, program: &str, args: &[&str]) -> KeeperCommand {
        let mut command =
            KeeperCommand::new(program).arg("--config").arg(self.dir.path()).args(args);
        for index in 0..self.keys {
            command = command.env(key_name(index), accounts::keeper_key(index).to_string());
        }
        command
    }

    /// A running keeper that has seen its first head.
    pub(crate) async fn keeper(&self) -> Result<KeeperProcess> {
        let keeper = self.ballast(&["--log", "info,ballast=debug", "run"]).start()?;
        keeper.wait_for_line("first head", DEADLINE).await?;
        Ok(keeper)
    }

    pub(crate) fn proxy(&self) -> ProxyHandle {
        self.proxy.handle()
    }

    /// Everything that was sent, once each: the same bytes may go out again until a keeper has seen
    /// them in a block.
    pub(crate) fn sent(&self) -> BTreeSet<String> {
        self.proxy.raw_transactions().into_iter().collect()
    }

    /// The keeper's nonce by the newest block: how many transactions it got mined.
    pub(crate) async fn mined(&self) -> Result<u64> {
        self.devnet.node().nonce(accounts::keeper_address(0)).await
    }

    /// Mines until `blocks` more are there, one second apart.
    pub(crate) async fn pass_blocks(&self, blocks: u64) -> Result<()> {
        self.devnet.node().mine(blocks).await
    }

    /// Waits for as many blocks as a node with a block a second makes by itself.
    pub(crate) async fn wait_blocks(&self, blocks: u64) -> Result<()> {
        let node = self.devnet.node();
        let from = node.block_number().await?;
        ballast_test_support::wait_until("blocks to pass", DEADLINE, async || {
            node.block_number().await.is_ok_and(|n| n >= from + blocks)
        })
        .await
        .map(drop)
    }
}

/// Runs a command to its end: exit code, standard output, standard error.
pub(crate) async fn finish(command: KeeperCommand) -> Result<(i32, Vec<String>, Vec<String>)> {
    end(command.start()?).await
}

/// The same of a command that runs already.
pub(crate) async fn end(mut process: KeeperProcess) -> Result<(i32, Vec<String>, Vec<String>)> {
    let status = process.wait_exit(DEADLINE).await?;
    let (mut out, mut err) = (Vec::new(), Vec::new());
    for line in process.lines() {
        match line.split_once("| ") {
            Some(("out", text)) => out.push(text.to_owned()),
            Some(("err", text)) => err.push(text.to_owned()),
            // An empty line of output.
            _ => {}
        }
    }
    Ok((status.code().unwrap_or(-1), out, err))
}

/// Standard output as one JSON value.
pub(crate) fn json(out: &[String]) -> Value {
    serde_json::from_str(&out.join("\n")).unwrap_or_else(|e| panic!("not JSON ({e}): {out:?}"))
}

pub(crate) fn key_name(index: usize) -> String {
    format!("KEEPER_KEY_{index}")
}

pub(crate) fn product_name(index: usize) -> String {
    if index == 0 { PRODUCT.to_owned() } else { format!("product-{index:03}") }
}

/// The address that `run` logs.
pub(crate) async fn http_base(keeper: &KeeperProcess) -> Result<String> {
    let line = keeper.wait_for_line("listen=", DEADLINE).await?;
    let address = line.split("listen=").nth(1).and_then(|rest| rest.split_whitespace().next());
    Ok(format!("http://{}", address.expect("an address after listen=")))
}
