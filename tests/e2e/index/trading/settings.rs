//! What the operator changes in the middle: maxima, exchanges, and who may trade.

use std::time::Duration;

use alloy::primitives::utils::parse_ether;
use ballast_devnet::{
    IndexOptions,
    contracts::index::IIndexExtension::{
        setExchangesCall, setTradeMaximumsCall, setTraderStatusCall,
    },
};
use ballast_test_support::{Inbox, wait_until};
use eyre::{OptionExt as _, Result, ensure};
use serde_json::Value;

use super::{
    books::Books,
    stage::{FIRST, NAME, Stage},
};
use crate::harness::DEADLINE;

const HOOK: &str = "/hook";
const HOUR: u64 = 3_600;
/// An hour more than a rebalance may stand still before people are told.
const STILL: u64 = 13 * HOUR;
/// Hours after which they must have been told: one, and some in which the keeper has not looked.
const HOURS: usize = 8;
/// How long a block is given to be looked at: the keeper looks every second.
const LOOK: Duration = Duration::from_secs(5);
/// The exchange of YFI, which is on V3, and one that does not understand what is noted for it.
const ITS_OWN: &str = "UniswapV3IndexExchangeAdapter";
const ANOTHER: &str = "UniswapV2IndexExchangeAdapter";

impl Stage {
    fn tell(&self, url: &str) -> Result<()> {
        let ballast = std::fs::read_to_string(self.world.dir.path().join("ballast.toml"))?;
        let hook = format!("[[notify]]\nkind = \"webhook\"\nurl = \"{url}\"\n");
        self.world.dir.write("ballast.toml", format!("{ballast}\n{hook}"))?;
        Ok(())
    }

    async fn set_exchange(&self, symbol: &str, name: &str) -> Result<()> {
        let components = vec![self.market.component(symbol)?.token];
        let call = setExchangesCall { components, exchangeNames: vec![name.to_owned()] };
        self.market.operate(call).await.map(drop)
    }

    async fn let_trade(&self, may: bool) -> Result<()> {
        let call = setTraderStatusCall { traders: vec![self.wallet()], statuses: vec![may] };
        self.market.operate(call).await.map(drop)
    }

    /// A trade of 6,000 UNI is signed; then 3,000 are the most, which do not bring what it asks for. And
    /// YFI can be traded nowhere.
    async fn change_markets(&self) -> Result<()> {
        let uni = self.market.component("UNI")?.token;
        let (signed, call) = self.sign_only().await?;
        ensure!(call.component == uni, "{call:?}");
        let (components, most) = (vec![uni], parse_ether("3000")?);
        let call = setTradeMaximumsCall { components, tradeMaximums: vec![most] };
        self.market.operate(call).await?;
        self.set_exchange("YFI", ANOTHER).await?;
        self.heard().await?;
        self.world.proxy().heal();
        self.block(12).await?;
        ensure!(self.is_waiting().await?, "nothing took the place of {signed:?}");
        self.drain().await?;
        Ok(())
    }

    /// A trade is signed, and then its sender is no trader any more, for longer than people wait.
    async fn lock_out(&self, notice: impl Fn(&str) -> Option<Value>) -> Result<()> {
        self.sign_only().await?;
        self.let_trade(false).await?;
        let said = self.heard().await?;
        ensure!(said.contains("caller not permitted"), "{said}");
        for _ in 0..2 {
            self.block(12).await?;
        }
        self.world.proxy().heal();
        for _ in 0..2 {
            self.block(12).await?;
        }
        ensure!(notice("raised").is_none(), "told at once");
        self.block(STILL).await?;
        for _ in 0..HOURS {
            self.block(HOUR).await?;
            let told = async || notice("raised");
            if tokio::time::timeout(LOOK, wait_until("the alert", DEADLINE, told)).await.is_ok() {
                break;
            }
        }
        let raised = notice("raised").ok_or_eyre("nobody was told")?;
        ensure!(raised["severity"] == "warning", "{raised}");
        let detail = raised["detail"].as_str().unwrap_or_default();
        ensure!(detail.starts_with("since 20"), "{raised}");
        ensure!(notice("recovered").is_none(), "it is not over");
        self.let_trade(true).await
    }
}

#[tokio::test]
async fn maxima_exchanges_and_traders_change_and_it_goes_on_as_they_allow() -> Result<()> {
    let inbox = Inbox::start().await?;
    let notice = |status: &str| {
        let bodies = inbox.letters(HOOK).into_iter();
        let mut notices =
            bodies.filter_map(|letter| serde_json::from_slice::<Value>(&letter.body).ok());
        notices.find(|notice| {
            notice["condition"] == "standing_still"
                && notice["subject"]["name"] == NAME
                && notice["status"] == status
        })
    };
    let mut stage = Stage::start(IndexOptions::default()).await?;
    stage.tell(&inbox.url(HOOK))?;
    let plan = stage.plan(&FIRST, "0").await?;
    let books = Books::open(&stage, &plan).await?;
    stage.begin().await?;
    stage.run().await?;
    let (mut sold, mut most_rests) = ([0; 2], 0);
    stage
        .play(async |stage, rest| {
            most_rests = rest;
            match rest {
                0 => {
                    sold[0] = stage.trades_of("YFI").await?.len();
                    stage.change_markets().await?;
                    let told = stage.keeper()?.lines();
                    let told = told.iter().any(|line| line.contains("YFI: nowhere to trade it"));
                    ensure!(told, "{}", stage.keeper()?.tail());
                }
                1 => {
                    sold[1] = stage.trades_of("YFI").await?.len();
                    stage.set_exchange("YFI", ITS_OWN).await?;
                    stage.drain().await?;
                    stage.lock_out(&notice).await?;
                }
                _ => {}
            }
            Ok(())
        })
        .await?;
    ensure!(most_rests >= 1, "it was over before everything had happened");
    ensure!(sold[0] == sold[1], "YFI was traded where it cannot be");
    let small = parse_ether("3000")?;
    let uni = stage.trades_of("UNI").await?;
    let later = uni.iter().skip(1).all(|trade| trade.amount_sold <= small);
    ensure!(uni.len() >= 3 && later, "{uni:?}");
    wait_until("its end", DEADLINE, async || notice("recovered")).await?;
    // The trade of which the sender was no trader any more.
    stage.assert_clean_but(1).await?;
    books.assert_short_by_cost(&stage).await
}
