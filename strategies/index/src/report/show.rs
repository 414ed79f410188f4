//! A report as tables that people can read in a terminal. The exact figures are in `--json`.

use std::time::{Duration, SystemTime};

use alloy::primitives::{I256, U256};
use ballast_chains::amount;

use super::{
    Bills, Digits, Report, Row, Status, Totals,
    facts::Deed,
    loss::{Bp, Loss},
};
use crate::plan::show::{aligned, short, span};

/// What stands where a figure is not known.
const UNKNOWN: &str = "?";
/// The first second of the year 10000, which no date is written for.
const BEYOND: u64 = 253_402_300_800;

/// The report as text, with a line's end after each line.
pub fn text(report: &Report) -> String {
    let mut lines = head(report);
    lines.push(String::new());
    lines.extend(aligned(&units(report), &[0, 8]));
    lines.push(String::new());
    lines.extend(aligned(&trades(report), &[0, 12]));
    lines.push(String::new());
    lines.extend(sums(report));
    lines.extend(planned(report));
    lines.extend(report.warnings.iter().map(|warning| format!("warning: {warning}")));
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn head(report: &Report) -> Vec<String> {
    let subject = &report.subject;
    let by = report.started_by.map_or_else(String::new, |by| format!(" by {by}"));
    let mut lines = vec![
        format!(
            "Rebalance of {} {} ({} on {}): {}",
            subject.symbol,
            subject.set_token,
            subject.product,
            subject.chain,
            report.status.words()
        ),
        format!("  started   {}{by}", deed(&report.started)),
    ];
    if let Some(last) = &report.last {
        lines.push(format!("  last      {}", deed(last)));
    }
    let took = if report.status == Status::InProgress { "for" } else { "took" };
    lines.push(format!("  {took:<8}  {}", span(report.seconds)));
    lines.push(format!("  as of     block {}, {}", report.at.block, utc(report.at.timestamp)));
    if let Some(next) = &report.next {
        let when = utc(next.timestamp);
        lines.push(format!("  the next  was started in block {}, {when}", next.block));
    }
    if let Some(detail) = &report.detail {
        lines.push(format!("  at last   {detail}"));
    }
    lines
}

fn deed(deed: &Deed) -> String {
    format!("block {}, {}, {}", deed.at.block, utc(deed.at.timestamp), deed.hash)
}

/// A time as people read it.
pub(super) fn utc(timestamp: u64) -> String {
    let at = Some(timestamp).filter(|at| *at < BEYOND).map(Duration::from_secs);
    match at.and_then(|at| SystemTime::UNIX_EPOCH.checked_add(at)) {
        Some(at) => {
            humantime::format_rfc3339_seconds(at).to_string().replace('T', " ").replace('Z', " UTC")
        }
        None => format!("{timestamp} s after 1970"),
    }
}

fn units(report: &Report) -> Vec<Vec<String>> {
    let head =
        ["COMPONENT", "BEFORE", "TARGET", "UNIT", "OFF", "OFF PPM", "SHARE %", "TO %", "STATE"];
    let row = |row: &Row| {
        vec![
            row.symbol.clone(),
            shown(row.unit_before),
            shown(row.target_unit.or(row.submitted_unit)),
            shown(row.unit),
            shown(row.off_units),
            shown(row.off_ppm),
            percent(row.share_bp),
            percent(row.target_share_bp),
            row.state.word().to_owned(),
        ]
    };
    let rows = report.components.iter().map(row);
    [head.map(str::to_owned).to_vec()].into_iter().chain(rows).collect()
}

fn trades(report: &Report) -> Vec<Vec<String>> {
    let has_plan = report.planned.is_some();
    let mut head = vec![
        "COMPONENT",
        "TRADES",
        "OTHERS",
        "SOLD",
        "FOR WETH",
        "BOUGHT",
        "FOR WETH",
        "AT WETH",
        "SLIP BP",
        "WORST",
        "REF BP",
        "GAS",
        "EXCHANGE",
    ];
    if has_plan {
        head.extend(["PLAN: TRADES", "COST BP", "GAS", "COST BP NOW"]);
    }
    let row = |row: &Row| {
        let amount = |units: U256| whole(units, row.decimals);
        let price = row.sold_at.or(row.bought_at);
        let mut cells = vec![
            row.symbol.clone(),
            row.trades.to_string(),
            row.trades_of_others.map_or_else(|| UNKNOWN.to_owned(), |others| others.to_string()),
            unless_zero(row.sold.0, amount),
            unless_zero(row.weth_received.0, ether),
            unless_zero(row.bought.0, amount),
            unless_zero(row.weth_paid.0, ether),
            price.map_or_else(String::new, |price| significant(price.0)),
            bp(&row.slippage),
            row.worst_trade_bp.map_or_else(String::new, |bp| bp.to_string()),
            bp(&row.against_reference),
            row.gas_used.to_string(),
            row.exchanges.join(", "),
        ];
        if has_plan {
            let plan = row.planned.as_ref();
            let number = |n: Option<u64>| n.map_or_else(String::new, |n| n.to_string());
            let text = |bp: Option<Bp>| bp.map_or_else(String::new, |bp| bp.to_string());
            cells.extend([
                number(plan.and_then(|plan| plan.trades)),
                text(plan.and_then(|plan| plan.cost_bp)),
                number(plan.and_then(|plan| plan.gas)),
                text(row.cost_bp),
            ]);
        }
        cells
    };
    let traded = report.components.iter().filter(|row| row.trades > 0 || row.planned.is_some());
    let head = head.into_iter().map(str::to_owned).collect();
    [head].into_iter().chain(traded.map(row)).collect()
}

fn sums(report: &Report) -> Vec<String> {
    let Totals { trades, trades_of_others, raises, slippage, against_reference, .. } =
        &report.totals;
    let totals = &report.totals;
    let others = match trades_of_others {
        Some(0) => String::new(),
        Some(some) => format!(" ({some} by others)"),
        None => String::new(),
    };
    let usd = |micros: Option<Digits<I256>>| {
        micros.map_or_else(String::new, |micros| format!(" = ${}", dollars(micros.0)))
    };
    let symbol = &report.subject.native_symbol;
    let mut lines = vec![
        format!(
            "{trades} trades{others}, {raises} raises of all targets; sold for {} WETH, bought for {}.",
            ether(totals.weth_received.0),
            ether(totals.weth_paid.0)
        ),
        format!(
            "Slippage against the pools' price before each trade, fees included: {}.",
            loss(slippage)
        ),
        format!("Against feeds and averages right before each trade: {}.", loss(against_reference)),
        format!("The protocol's fees: {} WETH.", ether(totals.protocol_fee_wei.0)),
        format!(
            "Slippage and the protocol's fees cost the index {} WETH{}, {} bp of what was traded, {} bp \
             of what it is worth.",
            signed(totals.cost_wei.0),
            usd(totals.cost_usd_micros),
            or_unknown(totals.cost_bp),
            or_unknown(totals.cost_index_bp)
        ),
        format!(
            "Gas: {} of the product's wallet{}, {} of others; the start took {}.",
            paid(&totals.gas_own, symbol),
            usd(totals.gas_own_usd_micros),
            paid(&totals.gas_others, symbol),
            paid(&report.started_gas, symbol)
        ),
    ];
    if let (Some(left), Some(dust)) = (totals.left_over_wei, totals.dust_wei) {
        let (left, dust) = (ether(left.0), ether(dust.0));
        lines.push(format!(
            "Left over: {left} WETH above its target; up to {dust} is too little to trade."
        ));
    }
    if let Some(books) = &report.books {
        lines.push(format!(
            "The keeper's books of that time, final blocks alone: {} transactions, {} of them reverted \
             or given up, {} {symbol}.",
            books.transactions,
            books.failed,
            exact(books.cost_wei.0)
        ));
    }
    lines
}

fn planned(report: &Report) -> Option<String> {
    let (plan, totals) = (report.planned.as_ref()?, &report.totals);
    let gas = totals.gas_own.gas_used.saturating_add(totals.gas_others.gas_used);
    Some(format!(
        "Planned at block {} and realised: {} trades and {}, {} gas and {gas}, {} and {} bp of what was \
         traded, at least {} and {}.",
        plan.block,
        plan.trades,
        totals.trades,
        plan.gas,
        or_unknown(plan.cost_bp),
        or_unknown(totals.cost_bp),
        span(plan.seconds),
        span(report.seconds)
    ))
}

fn shown<T: std::fmt::Display>(number: Option<Digits<T>>) -> String {
    number.map_or_else(|| UNKNOWN.to_owned(), |number| number.0.to_string())
}

pub(super) fn percent(share: Option<Bp>) -> String {
    let text = |share: Bp| amount::decimal(&share.0.unsigned_abs().to_string(), 4);
    share.map_or_else(|| UNKNOWN.to_owned(), text)
}

fn bp(loss: &Loss) -> String {
    loss.bp.map_or_else(String::new, |bp| bp.to_string())
}

pub(super) fn or_unknown(bp: Option<Bp>) -> String {
    bp.map_or_else(|| UNKNOWN.to_owned(), |bp| bp.to_string())
}

fn unless_zero(units: U256, text: impl Fn(U256) -> String) -> String {
    if units.is_zero() { String::new() } else { text(units) }
}

pub(super) fn whole(units: U256, decimals: Option<u8>) -> String {
    match decimals {
        Some(decimals) => short(&amount::decimal(&units.to_string(), decimals.into())),
        None => units.to_string(),
    }
}

pub(super) fn ether(wei: U256) -> String {
    short(&amount::ether(wei))
}

/// All of it: gas costs so little on some chains that a cut would leave nothing.
fn exact(wei: U256) -> String {
    amount::ether(wei)
}

/// Five significant digits, cut off: prices are of any size.
pub(super) fn significant(wei: U256) -> String {
    const DIGITS: usize = 5;
    let digits = wei.to_string();
    let kept = digits.get(..DIGITS).unwrap_or(&digits);
    amount::decimal(&format!("{kept:0<width$}", width = digits.len()), 18)
}

fn signed(wei: I256) -> String {
    let sign = if wei.is_negative() { "-" } else { "" };
    format!("{sign}{}", ether(wei.unsigned_abs()))
}

pub(super) fn dollars(micros: I256) -> String {
    let sign = if micros.is_negative() { "-" } else { "" };
    format!("{sign}{}", short(&amount::decimal(&micros.unsigned_abs().to_string(), 6)))
}

pub(super) fn loss(loss: &Loss) -> String {
    if loss.trades == 0 {
        return "not known of any trade".to_owned();
    }
    let (lost, given) = (signed(loss.lost.0), ether(loss.given.0));
    format!("{lost} WETH of {given}, {} bp, of {} trades", or_unknown(loss.bp), loss.trades)
}

fn paid(bills: &Bills, symbol: &str) -> String {
    let Bills { transactions, gas_used, fee_wei } = bills;
    format!("{gas_used} in {transactions} transactions, {} {symbol}", exact(fee_wei.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_prices_are_what_people_read() {
        assert_eq!(utc(1_800_000_000), "2027-01-15 08:00:00 UTC");
        assert_eq!(utc(u64::MAX), "18446744073709551615 s after 1970");
        let wei = |text: &str| text.parse::<U256>().unwrap();
        assert_eq!(significant(wei("1234567890123456789")), "1.2345");
        assert_eq!(significant(wei("12345678901234")), "0.000012345");
        assert_eq!(significant(wei("42")), "0.000000000000000042");
        let micros = |text: &str| dollars(text.parse().unwrap());
        assert_eq!((micros("1234567"), micros("-500000")), ("1.2345".into(), "-0.5".into()));
    }
}
