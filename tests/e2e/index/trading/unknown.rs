//! Components that are traded by an adapter which nobody here knows: there is no pool to look at, and the
//! limit is the reference's.

use std::collections::BTreeMap;

use alloy::{
    consensus::Transaction as _,
    primitives::{TxHash, U256},
    sol_types::SolCall as _,
};
use ballast_devnet::{
    IndexOptions, IndexTrade,
    contracts::index::{
        IIndexExtension::setExchangesCall,
        IIndexModule::{tradeCall, tradeRemainingWETHCall},
    },
};
use eyre::{OptionExt as _, Result, ensure};

use super::{
    books::Books,
    stage::{ETHER, FIRST, Lines, Stage},
};
use crate::stage::decode;

/// V2's adapter, under a name of its own.
const UNKNOWN: &str = "SomeIndexExchangeAdapter";
const KNOWN: &str = "UniswapV2IndexExchangeAdapter";
/// What is traded by it, with its price in hundredths of a dollar: one is sold in its own pool, the other
/// bought through dollars.
const COMPONENTS: [(&str, u64); 2] = [("LEND", 50), ("SNX", 300)];
/// Enough for fees and what a trade moves, since the limit is reckoned from the price without either.
const LINES: Lines = Lines { limits: "", params: "slippage_tolerance_percent = \"2\"\n" };
const KEPT: f64 = 0.98;
const PAID: f64 = 1.02;
/// To this of its price a pool is bent: beyond the tolerance.
const BENT: u64 = 96;

impl Stage {
    /// What the keeper sent, by hash.
    fn calls(&self) -> Result<BTreeMap<TxHash, Vec<u8>>> {
        let sent = self.world.sent();
        let sent = sent.iter().map(|raw| decode(raw));
        sent.map(|sent| sent.map(|sent| (*sent.tx_hash(), sent.input().to_vec()))).collect()
    }
}

/// The limit that a trade has to have had, by what it moved, and the one that it had.
fn limits(trade: &IndexTrade, input: &[u8], is_sell: bool, cents: u64) -> Result<(f64, f64)> {
    let base = |units: U256| f64::from(units);
    let in_ether = f64::from(u32::try_from(cents)?) / 100.0 / f64::from(u32::try_from(ETHER)?);
    if let Ok(call) = tradeRemainingWETHCall::abi_decode(input) {
        return Ok((base(trade.amount_sold) / in_ether * KEPT, base(call.minComponentReceived)));
    }
    let limit = base(tradeCall::abi_decode(input)?.ethQuantityLimit);
    let wanted = if is_sell {
        base(trade.amount_sold) * in_ether * KEPT
    } else {
        base(trade.amount_bought) * in_ether * PAID
    };
    Ok((wanted, limit))
}

#[tokio::test]
async fn by_an_unknown_adapter_the_limit_is_the_references_and_the_module_has_the_last_word()
-> Result<()> {
    let mut stage = Stage::start_with(IndexOptions::default(), LINES).await?;
    stage.market.register_adapter(UNKNOWN, KNOWN).await?;
    let components =
        COMPONENTS.map(|(symbol, _)| stage.market.component(symbol).map(|found| found.token));
    let set = setExchangesCall {
        components: components.into_iter().collect::<Result<_>>()?,
        exchangeNames: vec![UNKNOWN.to_owned(); COMPONENTS.len()],
    };
    stage.market.operate(set).await?;
    let plan = stage.plan(&FIRST, "0").await?;
    let books = Books::open(&stage, &plan).await?;
    stage.begin().await?;
    stage.market.manipulate("LEND", BENT).await?;
    stage.apart = vec!["LEND"];
    stage.run().await?;
    stage
        .play(async |stage, rest| {
            if rest > 0 {
                return Ok(());
            }
            let bad = stage.trades_of("LEND").await?;
            ensure!(bad.is_empty(), "{bad:?}");
            ensure!(stage.trades().await?.len() >= 5, "the others waited, too");
            let refused = "LEND: the exchange does not give the price";
            let told = stage.keeper()?.lines().iter().any(|line| line.contains(refused));
            ensure!(told, "{}", stage.keeper()?.tail());
            stage.apart.clear();
            stage.market.arbitrage().await.map(drop)
        })
        .await?;
    let calls = stage.calls()?;
    for (symbol, cents) in COMPONENTS {
        let trades = stage.trades_of(symbol).await?;
        ensure!(trades.len() >= 3, "{symbol}: {trades:?}");
        for trade in trades {
            let input = calls.get(&trade.hash).ok_or_eyre("a trade of somebody else")?;
            let (wanted, limit) = limits(&trade, input, trade.bought == stage.weth(), cents)?;
            ensure!((limit / wanted - 1.0).abs() < 1e-9, "{symbol}: {limit} in place of {wanted}");
        }
    }
    stage.assert_clean().await?;
    books.assert_short_by_cost(&stage).await
}
