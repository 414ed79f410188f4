//! What has to be traded of each component, in how many trades, for how long, at what cost.

use alloy::primitives::U256;

use super::{Row, Trade, Work, percent};
use crate::{
    cost::{self, Cost},
    gas::{FIRST_SALE, Trades},
    module::{Overflow, Position, Side, Size, Terms, trades},
    plan::{
        market::Market,
        state::{Index, Origin, Token},
        units::{Component, Value},
    },
    venue::Venue,
};

/// How far a pool's price may be from the reckoned one without a word: 2 %.
const FAR: U256 = U256::from_limbs([20_000_000_000_000_000, 0, 0, 0]);

/// All trades together, while they are worked out one by one.
pub(super) struct Sums<'a> {
    index: &'a Index,
    terms: Terms,
    market: Market,
    values: Vec<Value>,
    costs: Vec<Value>,
    /// `None` once one of them is not known.
    at_once: Option<Vec<Value>>,
    trades: u64,
    seconds: u64,
    gas: u64,
    sells: bool,
    warnings: Vec<String>,
}

impl<'a> Sums<'a> {
    pub(super) fn of(index: &'a Index, terms: Terms, market: Market) -> Self {
        Self {
            index,
            terms,
            market,
            values: Vec::new(),
            costs: Vec::new(),
            at_once: Some(Vec::new()),
            trades: 0,
            seconds: 0,
            gas: 0,
            sells: false,
            warnings: Vec::new(),
        }
    }

    /// What follows of all rows.
    pub(super) fn work(
        mut self,
        nav: Value,
        assets: Value,
        multiplier: U256,
        rows: Vec<Row>,
    ) -> Result<Work, super::Refused> {
        let weth = self.index.weth;
        let holds = |token: &Token| token.address == weth && token.origin == Origin::Held;
        if self.sells && !self.index.tokens.iter().any(holds) {
            self.gas = self.gas.saturating_add(FIRST_SALE);
        }
        let cost = Value::sum(self.costs)?;
        let at_once = self.at_once.map(Value::sum).transpose()?;
        Ok(Work {
            net_asset_value: nav.exact(),
            assets: assets.cents(),
            cost: cost.cents(),
            cost_at_once: at_once.map(Value::cents),
            cost_share: percent(cost.share_of(assets)),
            turnover: Value::sum(self.values)?.half().cents(),
            position_multiplier: multiplier,
            trades: self.trades,
            seconds: self.seconds,
            gas: self.gas,
            rows,
            warnings: self.warnings,
        })
    }

    /// The trades of one component, if any.
    pub(super) fn trade(
        &mut self,
        component: &Component,
        token: &Token,
        target: U256,
    ) -> Result<Option<Trade>, Overflow> {
        let symbol = &component.symbol;
        if target.is_zero() && !component.weight.is_zero() {
            let coarse = "its weight is worth less than one base unit: it would be removed";
            self.warnings.push(format!("{symbol}: {coarse}"));
        }
        let position = Position { target_unit: target, unit: token.unit, max_size: token.max_size };
        // Not for the asset all others are traded against, whose target the module holds met always.
        let is_weth = token.address == self.index.weth;
        if !is_weth && self.terms.is_met(&position)? {
            return Ok(None);
        }
        let Some(size) = self.terms.size(&position)? else { return Ok(None) };
        if size.left.is_zero() {
            return Ok(None);
        }
        let value = Value::of(size.left, component)?;
        self.values.push(value);
        let side = match size.side {
            Side::Sell => "sell",
            Side::Buy => "buy",
        };
        let off = self.market.off(component, token).filter(|_| !is_weth);
        let mut trade = Trade {
            side,
            amount: size.left,
            value: value.cents(),
            trades: None,
            seconds: None,
            gas: None,
            slippage: None,
            cost: None,
            cost_share: None,
            cost_share_at_once: None,
            pool_off: off.map(|off| percent(Some(off))),
            exchange: token.exchange.clone(),
        };
        if off.is_some_and(|off| off > FAR) {
            let off = crate::plan::show::short(&percent(off));
            self.warnings
                .push(format!("{symbol}: its pools' price is {off} % off the reckoned one"));
        }
        if !is_weth {
            self.execution(&mut trade, &size, value, token)?;
        }
        Ok(Some(trade))
    }

    /// In how many trades, for how long, at what cost; what stands against them is a warning.
    fn execution(
        &mut self,
        trade: &mut Trade,
        size: &Size,
        value: Value,
        token: &Token,
    ) -> Result<(), Overflow> {
        let symbol = &token.symbol;
        if let Venue::Nowhere(why) = &token.venue {
            self.warnings.push(format!("{symbol}: {why}"));
        }
        let count = trades(size.left, token.max_size).and_then(|count| u64::try_from(count).ok());
        let Some(count) = count else {
            let what = "no trade maximum is set: every trade would revert";
            self.warnings.push(format!("{symbol}: {what}"));
            self.at_once = None;
            return Ok(());
        };
        if matches!(token.venue, Venue::Nowhere(_)) {
            self.at_once = None;
            return Ok(());
        }
        let rests = U256::from(count.saturating_sub(1)).checked_mul(token.cool_off);
        let seconds = rests.and_then(|rests| u64::try_from(rests).ok()).unwrap_or(u64::MAX);
        let trades = Trades {
            side: size.side,
            exchange: &token.exchange,
            data: &token.exchange_data,
            count,
            new: token.origin != Origin::Held,
            untouched: token.last_trade.is_zero(),
        };
        self.trades = self.trades.saturating_add(count);
        self.seconds = self.seconds.max(seconds);
        self.gas = self.gas.saturating_add(trades.gas());
        self.sells |= size.side == Side::Sell;
        (trade.trades, trade.seconds, trade.gas) = (Some(count), Some(seconds), Some(trades.gas()));
        let cost = cost::of(token, size.side, size.left, token.max_size, self.terms.protocol_fee);
        let Some(cost) = cost else {
            if matches!(token.venue, Venue::Pools(_)) {
                let what =
                    "its pools do not hold as much as one trade takes: every trade would revert";
                self.warnings.push(format!("{symbol}: {what}"));
            }
            self.at_once = None;
            return Ok(());
        };
        self.cost(trade, value, cost)
    }

    fn cost(&mut self, trade: &mut Trade, value: Value, cost: Cost) -> Result<(), Overflow> {
        let recovered = value.times(cost.recovered)?;
        self.costs.push(recovered);
        match (cost.at_once, &mut self.at_once) {
            (Some(share), Some(sum)) => sum.push(value.times(share)?),
            (None, _) => self.at_once = None,
            (Some(_), None) => (),
        }
        trade.slippage = Some(percent(Some(cost.largest)));
        trade.cost = Some(recovered.cents());
        trade.cost_share = Some(percent(Some(cost.recovered)));
        trade.cost_share_at_once = cost.at_once.map(|share| percent(Some(share)));
        Ok(())
    }
}
