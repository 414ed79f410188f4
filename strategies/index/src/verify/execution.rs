//! Whether what has to be traded can be, at what cost, and for how long; and whether what a batch
//! sets of a component that is not traded now could be.

use alloy::primitives::U256;

use super::{Check, Limits, Subject, listed, settings::Settings, share};
use crate::{
    market::{Kind, Pool},
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

/// One component's trades.
struct Traded<'a> {
    token: &'a Token,
    component: &'a Component,
    /// What the weights make of it.
    due: Option<&'a Trade>,
    /// Whether a batch sets how it is traded: then a trade of its maximum counts, either way.
    set: bool,
}

impl Subject<'_> {
    pub(super) fn execution(&self, settings: &Settings, limits: &Limits) -> Vec<Check> {
        let mut faults = Faults::default();
        let rows = self.work.rows.iter().zip(&self.index.tokens).zip(self.components);
        for ((row, token), component) in rows {
            let traded = Traded::of(row, token, component, settings);
            if token.address != self.index.weth && (traded.due.is_some() || traded.set) {
                self.trade(limits, &traded, &mut faults);
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

    fn trade(&self, limits: &Limits, traded: &Traded<'_>, faults: &mut Faults) {
        let Traded { token, component, due, .. } = traded;
        let symbol = &token.symbol;
        // What nobody trades now may be left without, if somebody says so.
        let idle = |what: String| match due {
            Some(_) => Some(what),
            None if limits.untradable => None,
            None => Some(format!("{what}, as the batch leaves it (--allow-untradable)")),
        };
        if token.max_size.is_zero() {
            faults.sizeless.extend(idle(symbol.clone()));
        }
        if let Some(seconds) = due.and_then(|due| due.seconds).filter(|s| *s > limits.seconds) {
            faults.slow.push(format!("{symbol}: {seconds} s"));
        }
        match &token.venue {
            Venue::Nowhere(why) => return faults.nowhere.extend(idle(format!("{symbol}: {why}"))),
            Venue::Unknown => {
                let what = format!("{symbol}, by {}, whose pools are not known", token.exchange);
                return faults.unmeasured.push(what);
            }
            Venue::Pools(_) => (),
        }
        if traded.set && without_quote(token) {
            let what = format!("{symbol}: no quoter answers for its pool (--v3-quoter)");
            faults.unmeasured.push(what);
        }
        faults.dear.extend(traded.too_dear(limits.slippage));
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

impl<'a> Traded<'a> {
    fn of(row: &'a Row, token: &'a Token, component: &'a Component, settings: &Settings) -> Self {
        let set = settings.sets_trade(token.address);
        Self { token, component, due: row.trade.as_ref(), set }
    }

    /// The first of its trades that costs more than this.
    fn too_dear(&self, most: U256) -> Option<String> {
        let (token, maximum) = (self.token, self.token.max_size);
        let due = self.due.map(|due| {
            let side = if due.side == "sell" { Side::Sell } else { Side::Buy };
            (side, due.amount.min(maximum), "")
        });
        let whole = [
            (Side::Sell, maximum, ", its maximum sold"),
            (Side::Buy, maximum, ", its maximum bought"),
        ];
        let all = due.into_iter().chain(whole.into_iter().filter(|_| self.set));
        let mut all = all.filter(|(_, amount, _)| !amount.is_zero());
        let symbol = &token.symbol;
        all.find_map(|(side, amount, what)| match token.cost(side, amount) {
            Some(cost) if cost > most => Some(format!("{symbol}{what}: {} %", share(cost))),
            None => Some(format!("{symbol}{what}: its pools do not hold as much")),
            Some(_) => None,
        })
    }
}

/// Whether only the liquidity in range of a component's pool is known, which anyone can make look
/// deep.
fn without_quote(token: &Token) -> bool {
    let is_v3 = matches!(token.pools.as_slice(), [Pool { kind: Kind::V3, .. }]);
    is_v3 && !token.quotes.contains_key(&(Side::Sell, token.max_size))
}
