//! One local chain of the demo: its node, its market, its product, and what the keeper did there.

use std::time::Duration;

use alloy::primitives::{Address, B256, U256, utils::parse_ether};
use ballast_devnet::{
    BasisMethodology, BasisOptions, Devnet, DevnetOptions, FliOptions, IndexOptions, Mining, Trade,
    USD, accounts,
};
use eyre::{OptionExt as _, Result, WrapErr as _};
use tokio::sync::broadcast;

use super::{
    basket::{self, Basket},
    venue::{Rules, Venue},
    voice::Voice,
    words,
};
use crate::{config::Environment, runtime::Event};

/// What is put on a chain.
#[derive(Debug)]
pub(super) struct Plan {
    chain_id: u64,
    chain: &'static str,
    product: &'static str,
    strategy: &'static str,
    /// Which of the devnet's keepers calls the product: a basis product's comes after the others.
    keeper: usize,
    /// SGR code of its lines on a terminal.
    colour: u8,
    fli: FliOptions,
    basis: Option<BasisOptions>,
    index: Option<IndexOptions>,
}

/// The two chains: a leveraged product on the first, basis trading on the second.
pub(super) fn plans() -> Result<[Plan; 2]> {
    // Small enough that what the scenes take a leveraged product through takes several of them.
    let trade_sizes = (parse_ether("0.8")?, parse_ether("2")?);
    let methodology = BasisMethodology { trade_sizes, ..BasisMethodology::default() };
    Ok([
        Plan {
            chain_id: 1,
            chain: "local-1",
            product: "eth2x-fli",
            strategy: "fli",
            keeper: 0,
            colour: 36,
            fli: FliOptions::default(),
            basis: None,
            index: Some(IndexOptions::default()),
        },
        Plan {
            chain_id: 10,
            chain: "local-10",
            product: "eth-basis",
            strategy: "basis",
            keeper: 1,
            colour: 33,
            fli: FliOptions::default(),
            basis: Some(BasisOptions { methodology, ..BasisOptions::default() }),
            index: None,
        },
    ])
}

/// A running chain.
#[derive(Debug)]
pub(super) struct Chain {
    plan: Plan,
    devnet: Devnet,
    venue: Venue,
    /// A composite index beside the product.
    basket: Option<Basket>,
    pub(super) voice: Voice,
    /// The newest block whose trades are known.
    searched_to: u64,
    trades: Vec<Trade>,
    /// Blocks before this one are older than the market's last move.
    moved_at: u64,
    /// `None` until the keeper runs.
    events: Option<broadcast::Receiver<Event>>,
}

impl Chain {
    pub(super) async fn start(
        plan: Plan,
        block_time: Duration,
        environment: &Environment,
    ) -> Result<Self> {
        let options = DevnetOptions {
            chain_id: plan.chain_id,
            mining: Mining::Every(block_time),
            port: None,
            fli: plan.fli.clone(),
            basis: plan.basis.clone(),
            index: plan.index.clone(),
        };
        let devnet = Devnet::start(options).await.wrap_err_with(|| plan.chain)?;
        let searched_to = devnet.node().block_number().await?;
        let basket = match plan.index {
            Some(_) => Some(Basket::of(&devnet, plan.chain, environment).await?),
            None => None,
        };
        Ok(Self {
            basket,
            venue: Venue::of(&devnet, &plan.fli, plan.basis.as_ref())?,
            voice: Voice::new(plan.chain, plan.product, plan.colour, environment),
            searched_to,
            trades: Vec::new(),
            moved_at: 0,
            events: None,
            plan,
            devnet,
        })
    }

    pub(super) fn id(&self) -> u64 {
        self.plan.chain_id
    }

    pub(super) fn name(&self) -> &'static str {
        self.plan.chain
    }

    pub(super) fn product_name(&self) -> &'static str {
        self.plan.product
    }

    /// The strategy that is driven, and the contract that it calls.
    pub(super) fn params(&self) -> (&'static str, Address) {
        (self.plan.strategy, self.venue.strategy())
    }

    pub(super) fn basket(&self) -> Option<&Basket> {
        self.basket.as_ref()
    }

    pub(super) fn rules(&self) -> &Rules {
        self.venue.rules()
    }

    pub(super) fn devnet(&self) -> &Devnet {
        &self.devnet
    }

    pub(super) fn key(&self) -> B256 {
        accounts::keeper_key(self.plan.keeper)
    }

    fn wallet(&self) -> Address {
        accounts::keeper_address(self.plan.keeper)
    }

    /// All that the keeper has done here so far, oldest first.
    pub(super) fn trades(&self) -> &[Trade] {
        &self.trades
    }

    pub(super) fn listen(&mut self, events: broadcast::Receiver<Event>) {
        self.events = Some(events);
    }

    /// Forgets what was said while nobody listened.
    pub(super) fn listen_from_now(&mut self) {
        self.events = self.events.as_ref().map(broadcast::Receiver::resubscribe);
    }

    /// The next thing that happened to the product of this chain; `None` once the keeper has ended. What
    /// happens to an index meanwhile is told here.
    pub(super) async fn next_event(&mut self) -> Result<Option<Event>> {
        let Some(events) = self.events.as_mut() else { return Ok(None) };
        loop {
            match events.recv().await {
                Ok(event) if event.product == self.plan.product => return Ok(Some(event)),
                Ok(event) => {
                    if let Some(basket) = self.basket.as_mut()
                        && event.product == basket.product_name()
                    {
                        basket.follow(&event).await?;
                    }
                }
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return Ok(None),
            }
        }
    }

    /// The operator of an index, if there is one, gives it other weights.
    pub(super) async fn reweigh(&mut self) -> Result<()> {
        let block = self.devnet.node().block_number().await?;
        match self.basket.as_mut() {
            Some(basket) => basket.reweigh(block).await,
            None => Ok(()),
        }
    }

    /// Whether an index, if there is one, is still being traded.
    pub(super) fn is_trading(&self) -> bool {
        self.basket.as_ref().is_some_and(|basket| !basket.is_finished())
    }

    /// Lets the components of the index rest, if the keeper waits for nothing else.
    pub(super) async fn let_rest(&mut self) -> Result<()> {
        let waits = self.basket.as_ref().is_some_and(|basket| basket.waits_since(self.moved_at));
        if waits { self.let_pass(basket::REST).await } else { Ok(()) }
    }

    /// Whether a block was made after the last move of this market.
    pub(super) fn has_seen_the_move(&self, block: u64) -> bool {
        block >= self.moved_at
    }

    /// Moves the price so that the product comes to this leverage ratio.
    pub(super) async fn move_to_leverage(&mut self, wanted: U256) -> Result<()> {
        let price = self.venue.price().await?;
        let current = self.venue.leverage_ratio().await?;
        let next = self.venue.price_for(price, current, wanted).ok_or_eyre("no such price")?;
        self.moved_at = self.venue.set_price(next).await?;
        let reached = self.venue.leverage_ratio().await?;
        let (dollars, leverage) = (dollars(next), words::leverage(reached));
        let text = format!("ether at ${dollars}: leverage {leverage}");
        self.voice.say(self.moved_at, "market", &text);
        self.arbitrage().await;
        Ok(())
    }

    /// Lets time pass on the chain, and the pools be traded back to the market's price meanwhile.
    pub(super) async fn let_pass(&mut self, seconds: u64) -> Result<()> {
        self.devnet.node().warp(seconds).await?;
        let time = humantime::format_duration(Duration::from_secs(seconds));
        let block = self.devnet.node().block_number().await?;
        self.voice.say(block, "time", &format!("{time} later"));
        let price = self.venue.price().await?;
        self.moved_at = self.venue.set_price(price).await?;
        self.arbitrage().await;
        Ok(())
    }

    /// What ether costs has changed, or time has passed: the pools of an index follow.
    async fn arbitrage(&self) {
        if let Some(basket) = &self.basket {
            basket.arbitrage().await;
        }
    }

    /// Finds what the keeper has got into blocks up to this one, and tells it.
    pub(super) async fn tell_trades(&mut self, to: u64) -> Result<()> {
        let from = self.searched_to.saturating_add(1);
        if from > to {
            return Ok(());
        }
        let found = self.venue.trades(self.wallet(), from, to).await?;
        for trade in &found {
            let how = if trade.succeeded { "" } else { " REVERTED" };
            let (before, after) = (words::leverage(trade.before), words::leverage(trade.after));
            let cost = words::cost(trade.gas_cost);
            let text = format!(
                "{}{how} {}: leverage {before} → {after}, gas {cost} ETH",
                trade.action, trade.hash
            );
            self.voice.say(trade.block, "mined", &text);
        }
        self.searched_to = self.searched_to.max(to);
        self.trades.extend(found);
        Ok(())
    }

    /// Ends the node.
    pub(super) async fn stop(mut self) -> Result<()> {
        self.devnet.anvil_mut().kill().await
    }
}

/// Whole dollars of a price with 8 decimals, cut off.
fn dollars(price: u64) -> u64 {
    price.checked_div(USD).unwrap_or(price)
}
