//! From facts to the report: nothing here asks a chain.

use std::collections::BTreeSet;

use alloy::primitives::{Address, B256, I256, U256, U512};

use super::{
    Bills, Books, Digits, Report, Row, State, Status, Totals, TradeLine,
    facts::{Dollars, End, Facts, Token, Trade, Verdict},
    loss::{Bp, Loss, signed},
};
use crate::{decimal::ONE, module::Side, price::Price};

/// Millionths of a dollar from wei at a price of 18 decimals.
const MICROS: U512 = U512::from_limbs([1_000_000_000_000, 0, 0, 0, 0, 0, 0, 0]);

impl Report {
    /// What follows from the facts.
    pub fn of(facts: Facts) -> Self {
        let reckoned: Vec<Reckoned> =
            facts.trades.iter().map(|trade| facts.reckon(trade)).collect();
        let components: Vec<Row> =
            facts.listed().into_iter().map(|token| facts.row(token, &reckoned)).collect();
        let status = facts.status();
        let last_trade = facts.trades.iter().map(|trade| trade.deed);
        let last = last_trade.chain(facts.raises.iter().map(|raise| raise.deed));
        let last = last.max_by_key(|deed| deed.at.block);
        let until = match (status, last) {
            (Status::InProgress, _) => facts.at.timestamp,
            (Status::Finished | Status::Superseded | Status::Unknown, Some(last)) => {
                last.at.timestamp
            }
            (Status::Finished | Status::Superseded | Status::Unknown, None) => {
                facts.start.deed.at.timestamp
            }
        };
        let started = facts.bills.get(&facts.start.deed.hash);
        Self {
            at: facts.at,
            status,
            detail: match &facts.end {
                Ok(End { verdict: Verdict::Open(why), .. }) => Some(why.clone()),
                Ok(_) | Err(_) => None,
            },
            started: facts.start.deed,
            started_by: started.map(|bill| bill.from),
            started_gas: facts.paid([facts.start.deed.hash].into(), |_| true),
            position_multiplier: Digits(facts.start.multiplier),
            last,
            seconds: until.saturating_sub(facts.start.deed.at.timestamp),
            next: facts.next,
            totals: facts.totals(&reckoned),
            planned: facts.planned.clone(),
            books: facts.booked.map(|booked| Books {
                transactions: booked.transactions,
                failed: booked.failed,
                cost_wei: Digits(booked.cost),
            }),
            components,
            trades: reckoned.iter().map(|trade| trade.line.clone()).collect(),
            warnings: facts.warnings(&reckoned),
            raises: facts.raises,
            subject: facts.subject,
        }
    }
}

/// A trade with what follows from it.
struct Reckoned {
    component: Address,
    hash: B256,
    side: Side,
    /// Base units of the component before the protocol's fee.
    amount: U256,
    /// Wei before the protocol's fee.
    weth: U256,
    /// Base units of the component after it.
    net: U256,
    /// Wei, at the trade's own price, rounded up.
    fee: U256,
    slippage: Option<Loss>,
    reference: Option<Loss>,
    line: TradeLine,
}

impl Facts {
    fn status(&self) -> Status {
        match (&self.end, self.next) {
            (Ok(End { verdict: Verdict::Finished, .. }), _) => Status::Finished,
            (Ok(_), Some(_)) => Status::Superseded,
            (Ok(_), None) => Status::InProgress,
            (Err(_), _) => Status::Unknown,
        }
    }

    fn token(&self, address: Address) -> Token {
        let found = self.tokens.iter().find(|token| token.address == address).cloned();
        found.unwrap_or(Token { address, symbol: address.to_string(), decimals: None })
    }

    fn exchange(&self, adapter: Address) -> String {
        self.exchanges.get(&adapter).cloned().unwrap_or_else(|| adapter.to_string())
    }

    fn reckon(&self, trade: &Trade) -> Reckoned {
        let component = self.component(trade);
        let received = trade.amount_received.saturating_add(trade.protocol_fee);
        let (side, amount, weth, net) = if trade.bought == component {
            (Side::Buy, received, trade.amount_sold, trade.amount_received)
        } else {
            (Side::Sell, trade.amount_sold, received, trade.amount_sold)
        };
        let fee = match side {
            Side::Sell => trade.protocol_fee,
            Side::Buy => {
                let scaled = trade.protocol_fee.checked_mul(weth);
                let fee = scaled.and_then(|scaled| crate::module::ceil_div(scaled, amount));
                fee.unwrap_or_default()
            }
        };
        let slippage = trade.slippage.and_then(|share| Loss::against_pools(side, weth, share));
        let reference = trade.reference.and_then(|reference| {
            Loss::against(side, weth, amount, (reference.low, reference.high))
        });
        let line = TradeLine {
            deed: trade.deed,
            symbol: self.token(component).symbol,
            side: match side {
                Side::Sell => "sell",
                Side::Buy => "buy",
            },
            amount: Digits(amount),
            weth: Digits(weth),
            executor: trade.executor,
            is_own: self.subject.wallet.map(|wallet| wallet == trade.executor),
            exchange: self.exchange(trade.adapter),
            slippage_bp: slippage.and_then(|loss| loss.bp),
            against_reference_bp: reference.and_then(|loss| loss.bp),
            reference: trade.reference.map(|reference| reference.source.to_string()),
        };
        let hash = trade.deed.hash;
        Reckoned { component, hash, side, amount, weth, net, fee, slippage, reference, line }
    }

    /// What these transactions cost, as far as `is_meant` by who paid.
    fn paid(&self, hashes: BTreeSet<B256>, is_meant: impl Fn(Address) -> bool) -> Bills {
        let bills = hashes.iter().filter_map(|hash| self.bills.get(hash));
        bills.filter(|bill| is_meant(bill.from)).fold(Bills::default(), |sum, bill| Bills {
            transactions: sum.transactions.saturating_add(1),
            gas_used: sum.gas_used.saturating_add(bill.gas_used),
            fee_wei: Digits(sum.fee_wei.0.saturating_add(bill.fee)),
        })
    }

    fn totals(&self, all: &[Reckoned]) -> Totals {
        let slippage: Loss = all.iter().filter_map(|trade| trade.slippage).sum();
        let fee = sum(all.iter().map(|trade| trade.fee));
        let cost = signed(fee, false).unwrap_or(I256::MAX).saturating_add(slippage.lost.0);
        let of = |side| all.iter().filter(move |trade| trade.side == side).map(|trade| trade.weth);
        let (received, paid) = (sum(of(Side::Sell)), sum(of(Side::Buy)));
        let hashes = || {
            let raises = self.raises.iter().map(|raise| raise.deed.hash);
            all.iter().map(|trade| trade.hash).chain(raises).collect::<BTreeSet<B256>>()
        };
        let wallet = self.subject.wallet;
        let own = self.paid(hashes(), |from| Some(from) == wallet);
        let end = self.end.as_ref().ok();
        let worth = end.map(|end| end.worth).filter(|worth| !worth.is_zero());
        let known =
            |price: &Result<Option<Dollars>, String>| price.as_ref().ok().copied().flatten();
        let (weth_usd, native_usd) = (known(&self.weth_usd), known(&self.native_usd));
        Totals {
            trades: count(all),
            trades_of_others: others(all.iter()),
            raises: count(&self.raises),
            weth_received: Digits(received),
            weth_paid: Digits(paid),
            slippage,
            against_reference: all.iter().filter_map(|trade| trade.reference).sum(),
            protocol_fee_wei: Digits(fee),
            cost_wei: Digits(cost),
            cost_bp: Bp::of(cost, given(all.iter())),
            cost_index_bp: worth.and_then(|worth| Bp::of(cost, worth)),
            gas_own: own,
            gas_others: self.paid(hashes(), |from| Some(from) != wallet),
            left_over_wei: end.map(|end| Digits(end.left_over)),
            dust_wei: end.map(|end| Digits(end.dust)),
            index_worth_wei: worth.map(Digits),
            weth_usd,
            native_usd,
            cost_usd_micros: weth_usd.and_then(|price| micros(cost, &price)).map(Digits),
            gas_own_usd_micros: native_usd
                .and_then(|price| micros(signed(own.fee_wei.0, false)?, &price))
                .map(Digits),
        }
    }

    fn row(&self, token: Address, all: &[Reckoned]) -> Row {
        let of = || all.iter().filter(|trade| trade.component == token);
        let on = |side: Side| of().filter(move |trade| trade.side == side);
        let (sells, buys) = (|| on(Side::Sell), || on(Side::Buy));
        let Token { symbol, decimals, .. } = self.token(token);
        let submitted = self.start.targets.iter().find(|(address, _)| *address == token);
        let slippage: Loss = of().filter_map(|trade| trade.slippage).sum();
        let fee = sum(of().map(|trade| trade.fee));
        let cost = signed(fee, false).and_then(|fee| fee.checked_add(slippage.lost.0));
        let planned = self.planned.as_ref().and_then(|plan| plan.rows.get(&token)).copied();
        let before = self
            .before
            .as_ref()
            .map(|units| (units.get(&token).copied().unwrap_or_default(), "chain"));
        let before = before.or(planned.map(|row| (row.unit, "plan")));
        let (sold, received) = (sum(sells().map(|t| t.amount)), sum(sells().map(|t| t.weth)));
        let (bought, paid) = (sum(buys().map(|t| t.amount)), sum(buys().map(|t| t.weth)));
        let whole = decimals.and_then(|d| U256::from(10).checked_pow(U256::from(d)));
        let price =
            |weth: U256, amount: U256| Price::of_units(weth, amount)?.value(whole?).map(Digits);
        let exchanges: BTreeSet<String> = of().map(|trade| trade.line.exchange.clone()).collect();
        let standing = self.standing(token);
        Row {
            symbol,
            address: token,
            decimals,
            unit_before: before.map(|(unit, _)| Digits(unit)),
            unit_before_by: before.map(|(_, by)| by),
            submitted_unit: submitted.map(|(_, unit)| Digits(*unit)),
            target_unit: standing.as_ref().map(|s| Digits(s.target)),
            unit: standing.as_ref().map(|s| Digits(s.unit)),
            off_units: standing.as_ref().and_then(|s| s.off().map(Digits)),
            off_ppm: standing
                .as_ref()
                .and_then(|s| Bp::of(s.off()?, s.target))
                .map(|p| Digits(p.0)),
            off_index_bp: standing.as_ref().and_then(|s| s.off_index),
            share_bp: standing.as_ref().and_then(|s| s.share),
            target_share_bp: standing.as_ref().and_then(|s| s.target_share),
            state: standing.as_ref().map_or(State::Unknown, |s| s.state),
            trades: count(&of().collect::<Vec<_>>()),
            trades_of_others: others(of()),
            sold: Digits(sold),
            weth_received: Digits(received),
            bought: Digits(sum(buys().map(|trade| trade.net))),
            weth_paid: Digits(paid),
            protocol_fee_wei: Digits(fee),
            sold_at: price(received, sold),
            bought_at: price(paid, bought),
            exchanges: exchanges.into_iter().collect(),
            slippage,
            worst_trade_bp: of().filter_map(|trade| trade.slippage?.bp).max(),
            against_reference: of().filter_map(|trade| trade.reference).sum(),
            gas_used: self.paid(of().map(|trade| trade.hash).collect(), |_| true).gas_used,
            planned,
            cost_bp: cost.and_then(|cost| Bp::of(cost, given(of()))),
        }
    }

    /// Where a component stands at the end; `None` where that is not known.
    fn standing(&self, token: Address) -> Option<Standing> {
        let end = self.end.as_ref().ok()?;
        let is_over = end.verdict == Verdict::Finished;
        let rest = |unit: U256, target: U256| match (is_over, unit < target) {
            (false, _) => State::Open,
            (true, true) => State::Short,
            (true, false) => State::Over,
        };
        let (unit, target, price, state) = if token == self.subject.weth {
            let (unit, target) = (end.weth_unit, end.weth_target);
            let is_small = unit >= target && end.left_over <= end.dust;
            let state = match unit.abs_diff(target) {
                off if off <= U256::ONE => State::Met,
                _ if is_small => State::Small,
                _ => rest(unit, target),
            };
            (unit, target, Some(Price::ONE), state)
        } else {
            let holding = end.holdings.get(&token)?;
            let state = match (holding.is_met, holding.is_small) {
                (true, _) => State::Met,
                (false, true) => State::Small,
                (false, false) => rest(holding.unit, holding.target),
            };
            (holding.unit, holding.target, holding.price, state)
        };
        let worth = |unit: U256| {
            let amount = end.supply.checked_mul(unit)?.checked_div(ONE)?;
            signed(price?.value(amount)?, false)
        };
        let share = |unit: U256| Bp::of(worth(unit)?, end.worth);
        let off_index = worth(unit)
            .zip(worth(target))
            .and_then(|(held, aimed)| Bp::of(held.checked_sub(aimed)?, end.worth));
        let (share, target_share) = (share(unit), share(target));
        Some(Standing { unit, target, state, share, target_share, off_index })
    }

    fn warnings(&self, all: &[Reckoned]) -> Vec<String> {
        let mut warnings = self.unknown.clone();
        if let Err(why) = &self.end {
            warnings.push(format!("what the index held at the end is not known: {why}"));
        }
        if self.before.is_none() {
            let instead = if self.planned.is_some() { "; they are the plan's" } else { "" };
            warnings.push(format!(
                "units before the start are not known: no endpoint has the state of block {} \
                 (archive = true){instead}",
                self.start.deed.at.block.saturating_sub(1)
            ));
        }
        let unpriced = [("WETH", &self.weth_usd), (&self.subject.native_symbol, &self.native_usd)];
        for (of, price) in unpriced {
            if let Err(why) = price {
                warnings.push(format!("no price of {of} in dollars: {why}"));
            }
        }
        if self.subject.wallet.is_none() {
            let what = "whose trades are the product's own is not known without asking its signer: \
                        all gas stands with others";
            warnings.push(what.to_owned());
        }
        let lacking = |known: fn(&Reckoned) -> bool| {
            let all = all.iter().filter(|trade| !known(trade));
            all.count()
        };
        let (unmeasured, unreferenced) =
            (lacking(|t| t.slippage.is_some()), lacking(|t| t.reference.is_some()));
        if unmeasured > 0 {
            warnings.push(format!(
                "{unmeasured} trades went through pools that are not known here: their slippage is in \
                 no sum"
            ));
        }
        if unreferenced > 0 {
            warnings.push(format!(
                "{unreferenced} trades have no reference price: the state before them is gone, or \
                 there was none; they are in no sum against references"
            ));
        }
        let differs = self.planned.as_ref();
        warnings.extend(
            differs.and_then(|plan| plan.differs(&self.start.targets, self.start.multiplier)),
        );
        warnings
    }
}

struct Standing {
    unit: U256,
    target: U256,
    state: State,
    share: Option<Bp>,
    target_share: Option<Bp>,
    off_index: Option<Bp>,
}

impl Standing {
    fn off(&self) -> Option<I256> {
        signed(self.unit.abs_diff(self.target), self.unit < self.target)
    }
}

fn sum(all: impl Iterator<Item = U256>) -> U256 {
    all.fold(U256::ZERO, U256::saturating_add)
}

fn count<T>(all: &[T]) -> u64 {
    u64::try_from(all.len()).unwrap_or(u64::MAX)
}

/// How many are not the product's own; `None` where nobody knows.
fn others<'a>(all: impl Iterator<Item = &'a Reckoned>) -> Option<u64> {
    let known: Option<Vec<bool>> = all.map(|trade| trade.line.is_own).collect();
    Some(count(&known?.into_iter().filter(|is_own| !is_own).collect::<Vec<_>>()))
}

/// What was given in trades: at the pools' price where that is known, else what the trade itself gave
/// or got.
fn given<'a>(all: impl Iterator<Item = &'a Reckoned>) -> U256 {
    sum(all.map(|trade| trade.slippage.map_or(trade.weth, |loss| loss.given.0)))
}

/// Millionths of a dollar, rounded up.
fn micros(wei: I256, dollars: &Dollars) -> Option<I256> {
    let one = U512::from(ONE);
    let product = U512::from(wei.unsigned_abs()).checked_mul(U512::from(dollars.price.0))?;
    let divisor = one.checked_mul(MICROS)?;
    let mut quotient = product.checked_div(divisor)?;
    if !wei.is_negative() && !product.checked_rem(divisor)?.is_zero() {
        quotient = quotient.checked_add(U512::ONE)?;
    }
    signed(U256::checked_from_limbs_slice(quotient.as_limbs())?, wei.is_negative())
}
