//! The products, two endpoints before one node, and the keeper over all of it.

use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes, U256, bytes, utils::parse_ether};
use ballast_devnet::{Mining, Node, Product, accounts};
use ballast_test_support::{KeeperProcess, ProxyHandle, RpcProxy};
use eyre::{OptionExt as _, Result};

use super::plan::Size;
use crate::{
    harness::{self, Setup, key_name},
    stage::{BASE_FEE, COUNTER, FINALITY},
};

/// Time between two blocks: a fast chain, slow enough for a turn of the keeper.
pub(super) const BEAT: Duration = Duration::from_millis(150);
/// Blocks after which a counter is to count once more: this, and up to three more.
const PERIOD: u64 = 5;
const PERIODS: u64 = 4;
/// The counter's words: where it begins, how many blocks to a count, and how many counts in all.
const START: U256 = U256::from_limbs([2, 0, 0, 0]);
const EVERY: U256 = U256::from_limbs([3, 0, 0, 0]);
const LIMIT: U256 = U256::from_limbs([4, 0, 0, 0]);
/// As the counter of `stage`, except that how often it is to count (the word at 1) grows with the
/// chain, so that a reorganisation takes none of it back:
/// ```text
/// CALLDATASIZE PUSH1 32 EQ PUSH1 read JUMPI
/// PUSH1 0 SLOAD PUSH1 1 ADD PUSH1 0 SSTORE STOP
/// read: JUMPDEST PUSH1 0 CALLDATALOAD DUP1 PUSH1 1 EQ PUSH1 due JUMPI SLOAD
/// give: JUMPDEST PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN
/// due: JUMPDEST POP PUSH1 3 SLOAD PUSH1 2 SLOAD NUMBER SUB DIV PUSH1 4 SLOAD
///      DUP2 DUP2 LT PUSH1 most JUMPI POP PUSH1 give JUMP
/// most: JUMPDEST SWAP1 POP PUSH1 give JUMP
/// ```
const CODE: Bytes = bytes!(
    "36602014601157600054600101600055005b60003580600114602657545b6000526020\
     6000f35b50600354600254430304600454818110603e5750601d565b9050601d56"
);

/// A contract without a guard, its wallet, and how often it is to have counted at the end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counter {
    pub(super) address: Address,
    pub(super) key: usize,
    pub(super) due: u64,
}

/// Everything that the soak acts on.
pub(super) struct World {
    world: harness::World,
    second: RpcProxy,
    pub(super) counters: Vec<Counter>,
    /// The first block that counts.
    pub(super) first_block: u64,
}

impl World {
    pub(super) async fn start(size: &Size) -> Result<Self> {
        let more_products = usize::try_from(size.leveraged() - 1)?;
        let setup = Setup { mining: Mining::Manual, more_products, ..Setup::default() };
        let world = harness::World::start(setup).await?;
        let second = RpcProxy::start(world.devnet.http_url().as_str()).await?;
        let node = world.devnet.node();
        node.set_next_base_fee(BASE_FEE).await?;
        node.mine(1).await?;
        let first_block = node.block_number().await?;
        let mut soak = Self { world, second, counters: Vec::new(), first_block };
        soak.write_chain()?;
        for index in 0..size.products - size.leveraged() {
            let counter = soak.place_counter(index, size.blocks).await?;
            soak.counters.push(counter);
        }
        Ok(soak)
    }

    fn write_chain(&self) -> Result<()> {
        let mut endpoints = String::new();
        for proxy in [&self.world.proxy, &self.second] {
            let (http, ws) = (proxy.http_url(), proxy.ws_url());
            endpoints.push_str(&format!("  {{ url = \"{http}\", ws = \"{ws}\" }},\n"));
        }
        let chain = format!(
            "chain_id = 1\nblock_time = \"150ms\"\nconfirmations = {FINALITY}\n\
             request_timeout = \"1s\"\nrpc = [\n{endpoints}]\n"
        );
        self.world.dir.write("chains/local.toml", chain)?;
        Ok(())
    }

    async fn place_counter(&self, index: u64, blocks: u64) -> Result<Counter> {
        let key = self.world.devnet.products().len() + usize::try_from(index)?;
        let number = U256::from_be_slice(COUNTER.as_slice()) + U256::from(index);
        let address = Address::from_word(B256::from(number));
        let every = PERIOD + index % PERIODS;
        let due = blocks / every;
        let node = self.node();
        node.set_code(address, CODE).await?;
        for (at, value) in [(START, self.first_block), (EVERY, every), (LIMIT, due)] {
            let word = (address, at, B256::from(U256::from(value)));
            node.rpc::<_, Option<bool>>("anvil_setStorageAt", word).await?;
        }
        node.set_balance(accounts::keeper_address(key), parse_ether("100")?).await?;
        let product = format!(
            "strategy = \"counter\"\nchain = \"local\"\n[wallet]\nkey = {{ env = \"{}\" }}\n\
             [params]\ncounter = \"{address}\"\n",
            key_name(key)
        );
        self.world.dir.write(format!("products/counter-{index:02}.toml"), product)?;
        Ok(Counter { address, key, due })
    }

    /// A keeper over all products, without waiting for it.
    pub(super) fn keeper(&self) -> Result<KeeperProcess> {
        let program = env!("CARGO_BIN_EXE_keeper-with-counter");
        let mut command = self.world.command(program, &["--log", "info", "run"]);
        for Counter { key, .. } in &self.counters {
            command = command.env(key_name(*key), accounts::keeper_key(*key).to_string());
        }
        command.start()
    }

    pub(super) fn node(&self) -> &Node {
        self.world.devnet.node()
    }

    pub(super) fn market(&self) -> ballast_devnet::Market {
        self.world.devnet.market()
    }

    /// The leveraged products; product `i` has keeper `i`'s wallet.
    pub(super) fn leveraged(&self) -> &[Product] {
        self.world.devnet.products()
    }

    /// All endpoints.
    pub(super) fn proxies(&self) -> [ProxyHandle; 2] {
        [self.world.proxy(), self.second.handle()]
    }

    /// Where the journal is.
    pub(super) fn store(&self) -> std::path::PathBuf {
        self.world.store()
    }

    /// Every wallet with the contract that it calls.
    pub(super) fn wallets(&self) -> Vec<(Address, Address)> {
        let leveraged = self.leveraged().iter().enumerate();
        let leveraged = leveraged.map(|(key, product)| (key, product.strategy));
        let counters = self.counters.iter().map(|counter| (counter.key, counter.address));
        leveraged.chain(counters).map(|(key, to)| (accounts::keeper_address(key), to)).collect()
    }

    pub(super) async fn restart_node(&mut self) -> Result<()> {
        self.world.devnet.anvil_mut().restart_on_same_port().await
    }

    /// How often a counter has counted.
    pub(super) async fn count(&self, counter: &Counter) -> Result<u64> {
        let at = (counter.address, U256::ZERO, "latest");
        let word: U256 = self.node().rpc("eth_getStorageAt", at).await?;
        Ok(word.try_into()?)
    }
}

/// Resident memory of a process, in kilobytes.
pub(super) async fn resident(pid: i32) -> Result<u64> {
    let command = ["-o", "rss=", "-p", &pid.to_string()];
    let output = tokio::process::Command::new("ps").args(command).output().await?;
    let text = String::from_utf8(output.stdout)?;
    text.trim().parse().ok().ok_or_eyre("no such process")
}
