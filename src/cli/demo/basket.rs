//! The composite index beside a leveraged product: its operator re-weights it, holders and arbitrage do
//! what they do, and the keeper trades it while the scenes of the other product are played.

use alloy::primitives::{Address, B256};
use ballast_devnet::{Devnet, IndexMarket, IndexTrade, accounts};
use eyre::Result;

use super::{voice::Voice, words};
use crate::{
    config::Environment,
    runtime::{Event, LastDecision, What},
};

/// Name of its file.
const PRODUCT: &str = "wide-index";
/// SGR code of its lines on a terminal.
const COLOUR: u8 = 35;
/// A second more than the longest rest of a component between two trades.
pub(super) const REST: u64 = 901;
/// The strategy's word for a rebalance that is over.
const FINISHED: &str = "finished";

/// What it goes to, hundredths of a percent: one that goes and one that comes; and back again.
const WEIGHTS: [[(&str, u64); 9]; 2] = [
    [
        ("UNI", 1_700),
        ("WBTC", 2_200),
        ("USDC", 1_200),
        ("LEND", 0),
        ("SUSHI", 1_300),
        ("YFI", 700),
        ("AAVE", 1_000),
        ("XAUT", 1_500),
        ("SNX", 400),
    ],
    [
        ("UNI", 2_000),
        ("WBTC", 2_000),
        ("USDC", 1_200),
        ("LEND", 300),
        ("SUSHI", 1_200),
        ("YFI", 800),
        ("AAVE", 1_000),
        ("XAUT", 1_500),
        ("SNX", 0),
    ],
];

/// How the rebalance that was started last is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// None was started.
    Rests,
    /// The keeper was not heard since, or acts.
    Trades,
    /// The keeper waits for something, by its word at this block.
    Waits(u64),
    /// Nothing is left to do.
    Finished,
}

/// The index of a chain.
#[derive(Debug)]
pub(super) struct Basket {
    market: IndexMarket,
    quoter: Address,
    weth: Address,
    voice: Voice,
    state: State,
    /// How often it was re-weighted.
    rounds: usize,
    /// The newest block whose trades are known.
    searched_to: u64,
    trades: Vec<IndexTrade>,
    /// The decision that was told last.
    told: String,
}

impl Basket {
    pub(super) async fn of(
        devnet: &Devnet,
        chain: &str,
        environment: &Environment,
    ) -> Result<Self> {
        let deployment = devnet.deployment();
        Ok(Self {
            market: devnet.index_market()?,
            quoter: deployment.uniswap.v3_quoter,
            weth: deployment.tokens.weth,
            voice: Voice::new(chain, PRODUCT, COLOUR, environment),
            state: State::Rests,
            rounds: 0,
            searched_to: devnet.node().block_number().await?,
            trades: Vec::new(),
            told: String::new(),
        })
    }

    pub(super) fn product_name(&self) -> &'static str {
        PRODUCT
    }

    pub(super) fn key(&self) -> B256 {
        accounts::keeper_key(self.market.index().keeper)
    }

    pub(super) fn components(&self) -> usize {
        self.market.index().components.len()
    }

    /// The strategy that is driven, and its parameters as a file has them.
    pub(super) fn params(&self) -> (&'static str, String) {
        let index = self.market.index();
        let feeds = index
            .components
            .iter()
            .map(|component| format!("\"{}\" = \"{} USD\"\n", component.token, component.feed));
        let params = format!(
            "set_token = \"{}\"\nmodule = \"{}\"\nv3_quoter = \"{}\"\n[params.feeds]\n{}",
            index.set_token,
            index.module,
            self.quoter,
            feeds.collect::<String>()
        );
        ("index", params)
    }

    /// All that was traded so far, oldest first.
    pub(super) fn trades(&self) -> &[IndexTrade] {
        &self.trades
    }

    /// Whether a rebalance is over.
    pub(super) fn is_finished(&self) -> bool {
        self.state == State::Finished
    }

    /// Whether the keeper waits, and has seen everything before this block.
    pub(super) fn waits_since(&self, block: u64) -> bool {
        matches!(self.state, State::Waits(seen) if seen >= block)
    }

    /// The operator gives it other weights, unless the last ones are still being traded for.
    pub(super) async fn reweigh(&mut self, block: u64) -> Result<()> {
        if !matches!(self.state, State::Rests | State::Finished) {
            return Ok(());
        }
        let before = self.market.shares().await?;
        let next = self.rounds.checked_rem(WEIGHTS.len()).and_then(|round| WEIGHTS.get(round));
        let weights = next.copied().unwrap_or_default();
        self.market.reweigh(&weights).await?;
        self.rounds = self.rounds.saturating_add(1);
        self.state = State::Trades;
        let moves = weights.iter().filter_map(|(symbol, to)| {
            let from = before.iter().find(|(of, _)| of == symbol).map_or(0, |(_, share)| *share);
            (from.abs_diff(*to) > 0)
                .then(|| format!("{symbol} {} → {}", words::percent(from), words::percent(*to)))
        });
        let text = format!("new weights: {}", moves.collect::<Vec<_>>().join(", "));
        self.voice.say(block, "operator", &text);
        Ok(())
    }

    /// Brings the pools to the feeds' prices. One that is traded in the same block may have to move the
    /// other way than it looked, and all of it is undone: the next time will do.
    pub(super) async fn arbitrage(&self) {
        if let Err(error) = self.market.arbitrage().await {
            tracing::debug!(%error, "the pools of the index stay where they are");
        }
    }

    /// Tells what happened to it.
    pub(super) async fn follow(&mut self, event: &Event) -> Result<()> {
        let block = event.head.number;
        match &event.what {
            What::Transaction { step: "sent" | "final" | "postcondition_held", .. } => {}
            What::Transaction { step: "included", .. } => self.tell_trades(block).await?,
            What::Transaction { step, text, .. } => self.voice.say(block, step, text),
            What::Decided(decision) => {
                self.state = match (decision.kind, decision.reason.as_str()) {
                    (_, reason) if reason.starts_with(FINISHED) => State::Finished,
                    // For time, or for pools to be traded back to where they belong.
                    ("wait" | "blocked", _) => State::Waits(block),
                    _ => State::Trades,
                };
                self.tell_trades(block).await?;
                self.tell(block, decision);
            }
        }
        Ok(())
    }

    /// Tells what is new and no action, nor a wait for one: those are told by what they did.
    fn tell(&mut self, block: u64, decision: &LastDecision) {
        let is_told = !matches!(decision.kind, "act" | "held");
        if is_told && decision.reason != self.told {
            let detail = if decision.detail.is_empty() { "" } else { "; " };
            let text = format!("{}: {}{detail}{}", decision.kind, decision.reason, decision.detail);
            self.voice.say(block, "decides", &text);
        }
        if is_told {
            self.told.clone_from(&decision.reason);
        }
    }

    /// Finds what was traded up to this block, and tells it with the share that the component has now.
    async fn tell_trades(&mut self, to: u64) -> Result<()> {
        let from = self.searched_to.saturating_add(1);
        if from > to {
            return Ok(());
        }
        let found = self.market.trades(from, to).await?;
        let shares = if found.is_empty() { Vec::new() } else { self.market.shares().await? };
        for trade in &found {
            let (symbol, _) = self.moved(trade);
            let share = shares.iter().find(|(of, _)| of == symbol).map_or(0, |(_, share)| *share);
            let text = format!("{}: now {} of the index", self.words(trade), words::percent(share));
            self.voice.say(trade.block, "mined", &text);
        }
        self.searched_to = self.searched_to.max(to);
        self.trades.extend(found);
        Ok(())
    }

    /// The component of a trade, and whether it was bought.
    fn moved(&self, trade: &IndexTrade) -> (&str, bool) {
        let is_buy = trade.sold == self.weth;
        let token = if is_buy { trade.bought } else { trade.sold };
        let components = &self.market.index().components;
        let found = components.iter().find(|component| component.token == token);
        (found.map_or("?", |component| &component.symbol), is_buy)
    }

    /// What a trade did.
    pub(super) fn words(&self, trade: &IndexTrade) -> String {
        let (symbol, is_buy) = self.moved(trade);
        let decimals = self.market.index().component(symbol).map_or(0, |c| c.decimals);
        let (tokens, ether) = if is_buy {
            (trade.amount_bought, trade.amount_sold)
        } else {
            (trade.amount_sold, trade.amount_bought)
        };
        let (tokens, ether) = (words::tokens(tokens, decimals), words::leverage(ether));
        let verb = if is_buy { "buys" } else { "sells" };
        format!("{verb} {tokens} {symbol} for {ether} ETH")
    }
}
