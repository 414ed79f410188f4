//! Two chains in one process, FLI on chain 1 and basis on chain 10: while one is slow or dead, the other
//! gets every transaction into the very block in which it would be without that neighbour.

use std::time::Duration;

use ballast_devnet::{
    BasisMarket, BasisOptions, Devnet, DevnetOptions, Mining, Trade, USD, accounts,
};
use ballast_test_support::{Fault, KeeperProcess, RpcProxy};
use eyre::Result;

use super::{COOLDOWN, INTERVAL, RIPCORD_COOLDOWN, count};
use crate::{
    fli,
    harness::{BASIS, DEADLINE, PRODUCT, Setup, World, key_name},
    steps::Steps,
};

/// Seconds between blocks in which the clock does nothing else.
const BLOCK_TIME: u64 = 2;
/// A machine that is busy with all of these worlds must not be taken for a chain that is slow.
const PATIENT: &str = "assess_timeout = \"60s\"\nrequest_timeout = \"20s\"\n";
/// How late a slow chain answers.
const LATE: Duration = Duration::from_millis(700);

/// What the market does in one block.
#[derive(Clone, Copy)]
enum Move {
    /// Nothing.
    Rest,
    /// The clock goes forward, seconds.
    Warp(u64),
    /// The price moves, whole dollars.
    Price(u64),
}

use Move::{Price, Rest, Warp};

/// A fall that takes a TWAP, and a crash.
const FLI: [Move; 10] = [
    Price(1_700),
    Rest,
    Warp(fli::COOLDOWN),
    Rest,
    Warp(fli::COOLDOWN),
    Rest,
    Price(1_400),
    Rest,
    Warp(fli::RIPCORD_COOLDOWN),
    Rest,
];

/// A drift and an interval, a rise that takes a TWAP, and a shock.
const SHORT: [Move; 17] = [
    Price(2_040),
    Warp(INTERVAL),
    Rest,
    Rest,
    Price(2_170),
    Rest,
    Warp(COOLDOWN),
    Rest,
    Rest,
    Warp(COOLDOWN),
    // What follows the last step is in a block before the price moves: the shock would make it fail.
    Rest,
    Rest,
    Rest,
    Price(2_420),
    Warp(RIPCORD_COOLDOWN),
    Rest,
    Rest,
];

/// What is wrong with the other chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Neighbour {
    /// There is none.
    None,
    /// It answers late.
    Slow,
    /// Its node does not answer any more.
    Hanging,
    /// Its node is gone.
    Dead,
}

/// The chain whose story is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Fli,
    Basis,
}

/// Both chains, one keeper.
struct Pair {
    fli: World,
    basis: Devnet,
    basis_proxy: RpcProxy,
    market: BasisMarket,
}

impl Pair {
    async fn start() -> Result<Self> {
        let options = DevnetOptions {
            chain_id: 10,
            mining: Mining::Manual,
            basis: Some(BasisOptions::default()),
            ..DevnetOptions::default()
        };
        let (fli, basis) = futures::try_join!(
            World::start(Setup {
                mining: Mining::Manual,
                ws: false,
                chain: PATIENT.to_owned(),
                ..Setup::default()
            }),
            Devnet::start(options),
        )?;
        let basis_proxy = RpcProxy::start(basis.http_url().as_str()).await?;
        let market = basis.basis_market()?;
        Ok(Self { fli, basis, basis_proxy, market })
    }

    /// Files for the chain that is told, and for its neighbour if there is one.
    fn write(&self, told: Told, neighbour: Neighbour) -> Result<()> {
        let dir = &self.fli.dir;
        if told == Told::Basis || neighbour != Neighbour::None {
            let chain = format!(
                "chain_id = 10\nblock_time = \"1s\"\nconfirmations = 3\n{PATIENT}rpc = [\"{}\"]\n",
                self.basis_proxy.http_url()
            );
            dir.write("chains/optimism.toml", chain)?;
            let product = format!(
                "strategy = \"basis\"\nchain = \"optimism\"\n[wallet]\nkey = {{ env = \"{}\" }}\n\
                 [params]\nextension = \"{}\"\n",
                key_name(self.market.basis().keeper),
                self.market.basis().extension
            );
            dir.write(format!("products/{BASIS}.toml"), product)?;
        }
        if told == Told::Basis && neighbour == Neighbour::None {
            for file in [format!("products/{PRODUCT}.toml"), "chains/local.toml".to_owned()] {
                std::fs::remove_file(dir.path().join(file))?;
            }
        }
        Ok(())
    }

    async fn keeper(&self) -> Result<KeeperProcess> {
        let keeper = self.market.basis().keeper;
        let command = self.fli.ballast(&["--log", "info,ballast=debug", "run"]);
        let command = command.env(key_name(keeper), accounts::keeper_key(keeper).to_string());
        let keeper = command.start()?;
        keeper.wait_for_line("first head", DEADLINE).await?;
        Ok(keeper)
    }

    /// Troubles the chain that is not told.
    async fn trouble(&mut self, told: Told, neighbour: Neighbour) -> Result<()> {
        let proxy = match told {
            Told::Fli => self.basis_proxy.handle(),
            Told::Basis => self.fli.proxy(),
        };
        match neighbour {
            Neighbour::None => {}
            Neighbour::Slow => drop(proxy.inject(Fault::Delay(LATE))),
            Neighbour::Hanging => drop(proxy.inject(Fault::Hang)),
            Neighbour::Dead => {
                let node = match told {
                    Told::Fli => self.basis.anvil_mut(),
                    Told::Basis => self.fli.devnet.anvil_mut(),
                };
                node.kill().await?;
            }
        }
        Ok(())
    }

    /// One block of a story.
    async fn make(&self, told: Told, moved: Move) -> Result<()> {
        let node = match told {
            Told::Fli => self.fli.devnet.node(),
            Told::Basis => self.basis.node(),
        };
        let seconds = if let Warp(seconds) = moved { seconds } else { BLOCK_TIME };
        let next = node.head().await?.timestamp + seconds;
        node.rpc::<_, Option<bool>>("evm_setNextBlockTimestamp", (next,)).await?;
        match (moved, told) {
            (Rest | Warp(_), _) => node.mine(1).await,
            (Price(dollars), Told::Fli) => {
                self.fli.devnet.market().set_price(dollars * USD).await.map(drop)
            }
            (Price(dollars), Told::Basis) => self.market.set_price(dollars * USD).await.map(drop),
        }
    }

    async fn trades(&self, told: Told, from: u64) -> Result<Vec<Trade>> {
        match told {
            Told::Fli => {
                let (market, to) =
                    (self.fli.devnet.market(), self.fli.devnet.node().block_number().await?);
                let product = self.fli.devnet.product();
                market.trades(product, accounts::keeper_address(0), from, to).await
            }
            Told::Basis => {
                let wallet = accounts::keeper_address(self.market.basis().keeper);
                let to = self.basis.node().block_number().await?;
                self.market.trades(wallet, from, to).await
            }
        }
    }
}

/// The blocks after the first, and what was included in each.
type Inclusions = Vec<(u64, &'static str)>;

async fn play(told: Told, neighbour: Neighbour) -> Result<Inclusions> {
    let mut pair = Pair::start().await?;
    pair.write(told, neighbour)?;
    let (story, product): (&[Move], _) = match told {
        Told::Fli => (&FLI, PRODUCT),
        Told::Basis => (&SHORT, BASIS),
    };
    let first = match told {
        Told::Fli => pair.fli.devnet.node().block_number().await?,
        Told::Basis => pair.basis.node().block_number().await?,
    };
    let keeper = pair.keeper().await?;
    let mut steps = Steps::of(&keeper, product).await?;
    if neighbour != Neighbour::None {
        // It works before it is troubled.
        let other = if told == Told::Fli { BASIS } else { PRODUCT };
        Steps::of(&keeper, other).await?;
        pair.trouble(told, neighbour).await?;
    }
    for moved in story {
        pair.make(told, *moved).await?;
        steps.follow(&keeper, 1).await?;
    }
    let trades = pair.trades(told, first + 1).await?;
    assert!(trades.iter().all(|trade| trade.succeeded), "{trades:?}\n{}", keeper.tail());
    for action in ["rebalance", "iterateRebalance", "ripcord"] {
        assert!(count(&trades, action) >= 1, "no {action}: {trades:?}\n{}", keeper.tail());
    }
    Ok(trades.into_iter().map(|trade| (trade.block - first, trade.action)).collect())
}

/// The story of one chain beside each kind of neighbour.
async fn is_not_delayed(told: Told) -> Result<()> {
    let (control, slow, hanging, dead) = futures::try_join!(
        play(told, Neighbour::None),
        play(told, Neighbour::Slow),
        play(told, Neighbour::Hanging),
        play(told, Neighbour::Dead),
    )?;
    for (beside, neighbour) in [(slow, "slow"), (hanging, "hanging"), (dead, "dead")] {
        assert_eq!(beside, control, "{told:?} beside a neighbour that is {neighbour}");
    }
    Ok(())
}

#[tokio::test]
async fn a_slow_or_dead_chain_10_does_not_delay_chain_1() -> Result<()> {
    Box::pin(is_not_delayed(Told::Fli)).await
}

#[tokio::test]
async fn a_slow_or_dead_chain_1_does_not_delay_chain_10() -> Result<()> {
    Box::pin(is_not_delayed(Told::Basis)).await
}
