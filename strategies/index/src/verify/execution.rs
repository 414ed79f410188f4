//! Whether what has to be traded can be, at what cost, and for how long.

use super::{Check, Limits, Subject, listed, share};
use crate::{
    module::Side,
    plan::{
        state::Token,
        units::Component,
        work::{Row, Trade},
    },
    venue::Venue,
};

/// What stands against the trades.
#[derive(Default)]
struct Faults {
    nowhere: Vec<String>,
    sizeless: Vec<String>,
    dear: Vec<String>,
    far: Vec<String>,
    slow: Vec<String>,
    /// What could not be measured, and may not be.
    unmeasured: Vec<String>,
}

impl Subject<'_> {
    pub(super) fn execution(&self, limits: &Limits) -> Vec<Check> {
        let mut faults = Faults::default();
        let rows = self.work.rows.iter().zip(&self.index.tokens).zip(self.components);
        for ((row, token), component) in rows {
            let traded = row.trade.as_ref().filter(|_| token.address != self.index.weth);
            if let Some(trade) = traded {
                self.trade(limits, row, trade, token, component, &mut faults);
            }
        }
        let Faults { nowhere, sizeless, mut dear, mut far, slow, unmeasured } = faults;
        let (slippage, pools) = (share(limits.slippage), share(limits.pools));
        let besides = if unmeasured.is_empty() {
            String::new()
        } else {
            format!("; not measured: {}", unmeasured.join("; "))
        };
        if !limits.unmeasured {
            let asked = unmeasured.into_iter().map(|what| format!("{what}: not measured"));
            dear.extend(asked);
        }
        far.dedup();
        vec![
            listed("exchanges", "all that is traded has adapter, data and pool".into(), nowhere),
            listed("trade maximums", "all that is traded has one".into(), sizeless),
            listed("slippage", format!("no trade costs more than {slippage} %{besides}"), dear),
            listed(
                "pool prices",
                format!("are within {pools} % of the reckoned ones{besides}"),
                far,
            ),
            listed("duration", format!("nothing takes longer than {} s", limits.seconds), slow),
        ]
    }

    fn trade(
        &self,
        limits: &Limits,
        row: &Row,
        trade: &Trade,
        token: &Token,
        component: &Component,
        faults: &mut Faults,
    ) {
        let symbol = &row.symbol;
        if token.max_size.is_zero() {
            faults.sizeless.push(symbol.clone());
        }
        if trade.seconds.is_some_and(|seconds| seconds > limits.seconds) {
            faults.slow.push(format!("{symbol}: {} s", trade.seconds.unwrap_or_default()));
        }
        match &token.venue {
            Venue::Nowhere(why) => return faults.nowhere.push(format!("{symbol}: {why}")),
            Venue::Unknown => {
                let what = format!("{symbol}, by {}, whose pools are not known", token.exchange);
                return faults.unmeasured.push(what);
            }
            Venue::Pools(_) => (),
        }
        let side = if trade.side == "sell" { Side::Sell } else { Side::Buy };
        match token.cost(side, trade.amount.min(token.max_size)) {
            Some(cost) if cost > limits.slippage => {
                faults.dear.push(format!("{symbol}: {} %", share(cost)));
            }
            None if !token.max_size.is_zero() => {
                faults.dear.push(format!("{symbol}: its pools do not hold as much"));
            }
            Some(_) | None => (),
        }
        match self.market.off(component, token) {
            Some(off) if off > limits.pools => {
                faults.far.push(format!("{symbol}: {} % off", share(off)));
            }
            Some(_) => (),
            None => {
                let what = "the prices have none of WETH to compare pools by";
                faults.far.push(what.to_owned());
            }
        }
    }
}
