//! One local chain of the demo: its node, its market, its product, and what the keeper did there.

use std::time::Duration;

use alloy::primitives::{Address, B256, U256, utils::parse_ether};
use ballast_devnet::{
    Devnet, DevnetOptions, FliOptions, Market, Methodology, Mining, Product, Trade, USD, accounts,
};
use eyre::{OptionExt as _, Result, WrapErr as _};
use tokio::sync::broadcast;

use super::{voice::Voice, words};
use crate::{config::Environment, runtime::Event};

/// One whole, with the 18 decimals of ratios.
const ONE: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);

/// What is put on a chain.
#[derive(Debug)]
pub(super) struct Plan {
    chain_id: u64,
    chain: &'static str,
    product: &'static str,
    /// Which of the devnet's keepers calls the product.
    keeper: usize,
    /// SGR code of its lines on a terminal.
    colour: u8,
    fli: FliOptions,
}

/// The two chains: the reference product, and a milder one with other bounds, clocks and sizes.
pub(super) fn plans() -> Result<[Plan; 2]> {
    let mild = Methodology {
        target_leverage_ratio: parse_ether("1.5")?,
        min_leverage_ratio: parse_ether("1.35")?,
        max_leverage_ratio: parse_ether("1.7")?,
        recentering_speed: parse_ether("0.25")?,
        rebalance_interval: 43_200,
        twap_cooldown_period: 300,
        ether_reward: parse_ether("0.5")?,
        incentivized_leverage_ratio: parse_ether("1.9")?,
        v3_trade_sizes: (parse_ether("30")?, parse_ether("120")?),
        v2_trade_sizes: (parse_ether("20")?, parse_ether("90")?),
        ..Methodology::default()
    };
    let second = FliOptions {
        eth_usd: 2_500_u64.saturating_mul(USD),
        more_keepers: vec![accounts::keeper_address(1)],
        methodology: mild,
        ..FliOptions::default()
    };
    Ok([
        Plan {
            chain_id: 1,
            chain: "local-1",
            product: "eth2x-fli",
            keeper: 0,
            colour: 36,
            fli: FliOptions::default(),
        },
        Plan {
            chain_id: 10,
            chain: "local-10",
            product: "eth1.5x-fli",
            keeper: 1,
            colour: 33,
            fli: second,
        },
    ])
}

/// A running chain.
#[derive(Debug)]
pub(super) struct Chain {
    plan: Plan,
    devnet: Devnet,
    market: Market,
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
            basis: None,
        };
        let devnet = Devnet::start(options).await.wrap_err_with(|| plan.chain)?;
        let searched_to = devnet.node().block_number().await?;
        Ok(Self {
            market: devnet.market(),
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

    pub(super) fn product(&self) -> &Product {
        self.devnet.product()
    }

    pub(super) fn methodology(&self) -> &Methodology {
        &self.plan.fli.methodology
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

    /// The next thing that happened to this product; `None` once the keeper has ended.
    pub(super) async fn next_event(&mut self) -> Option<Event> {
        let events = self.events.as_mut()?;
        loop {
            match events.recv().await {
                Ok(event) if event.product == self.plan.product => return Some(event),
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// Whether a block was made after the last move of this market.
    pub(super) fn has_seen_the_move(&self, block: u64) -> bool {
        block >= self.moved_at
    }

    /// Moves the price so that the product comes to this leverage ratio.
    pub(super) async fn move_to_leverage(&mut self, wanted: U256) -> Result<()> {
        let price = self.market.price().await?;
        let current = self.market.leverage_ratio(self.product()).await?;
        let next = price_for(price, current, wanted).ok_or_eyre("no such price")?;
        self.moved_at = self.market.set_price(next).await?;
        let reached = self.market.leverage_ratio(self.product()).await?;
        let (dollars, leverage) = (dollars(next), words::leverage(reached));
        let text = format!("ether at ${dollars}: leverage {leverage}");
        self.voice.say(self.moved_at, "market", &text);
        Ok(())
    }

    /// Lets time pass on the chain, and the pools be traded back to the market's price meanwhile.
    pub(super) async fn let_pass(&mut self, seconds: u64) -> Result<()> {
        self.devnet.node().warp(seconds).await?;
        let time = humantime::format_duration(Duration::from_secs(seconds));
        let block = self.devnet.node().block_number().await?;
        self.voice.say(block, "time", &format!("{time} later"));
        let price = self.market.price().await?;
        self.moved_at = self.market.set_price(price).await?;
        Ok(())
    }

    /// Finds what the keeper has got into blocks up to this one, and tells it.
    pub(super) async fn tell_trades(&mut self, to: u64) -> Result<()> {
        let from = self.searched_to.saturating_add(1);
        let found = self.market.trades(self.product(), self.wallet(), from, to).await?;
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

/// The price at which a product comes from one leverage ratio to another, cut off. With debt D and
/// collateral C at price p the ratio L is Cp / (Cp − D), so D = Cp · (L − 1) / L, and the same D
/// stands at the new ratio.
fn price_for(price: u64, current: U256, wanted: U256) -> Option<u64> {
    let debt_share = current.checked_sub(ONE)?;
    let above = U256::from(price).checked_mul(wanted)?.checked_mul(debt_share)?;
    let below = current.checked_mul(wanted.checked_sub(ONE)?)?;
    above.checked_div(below)?.try_into().ok()
}

/// Whole dollars of a price with 8 decimals, cut off.
fn dollars(price: u64) -> u64 {
    price.checked_div(USD).unwrap_or(price)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_leads_to_the_leverage_that_it_was_asked_for() {
        let ratio = |text| parse_ether(text).unwrap();
        // Twice leveraged at $2,000, half is debt: at $1,500 that is 1,500 / (1,500 − 1,000).
        assert_eq!(price_for(2_000 * USD, ratio("2"), ratio("3")), Some(1_500 * USD));
        assert_eq!(price_for(1_500 * USD, ratio("3"), ratio("2")), Some(2_000 * USD));
        assert_eq!(price_for(2_000 * USD, ratio("2"), ratio("1")), None, "no price clears debt");
        assert_eq!(price_for(2_000 * USD, ratio("0.5"), ratio("2")), None);
    }
}
