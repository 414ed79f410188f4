//! What the keeper did, by the chains' own record: a table each.

use alloy::primitives::{TxHash, U256};
use ballast_devnet::Trade;

use super::{super::out, chain::Chain, words};

/// Rows of a table; of a longer show the newest are told.
const MAX_ROWS: usize = 40;

/// Tells what the keeper did on each chain.
pub(super) fn tell(chains: &[Chain]) {
    for chain in chains {
        let (name, id, product) = (chain.name(), chain.id(), chain.product_name());
        out::text(&format!("\n== {name} (id {id}): {product}"));
        table(chain.trades()).iter().for_each(|row| out::line(row));
        if let Some(basket) = chain.basket() {
            out::text(&format!("\n== {name} (id {id}): {}", basket.product_name()));
            let trades = basket.trades().iter();
            let rows: Vec<IndexRow> = trades
                .map(|trade| IndexRow {
                    what: basket.words(trade),
                    hash: trade.hash,
                    block: trade.block,
                    gas: trade.gas,
                })
                .collect();
            index_table(&rows).iter().for_each(|row| out::line(row));
        }
    }
}

fn table(trades: &[Trade]) -> Vec<String> {
    if trades.is_empty() {
        return vec!["nothing was done here".to_owned()];
    }
    let earlier = trades.len().saturating_sub(MAX_ROWS);
    let head = format!(
        "{:<17} {:<66} {:>6} {:>13}  {:<16}",
        "action", "transaction", "block", "gas, ETH", "leverage"
    );
    let mut rows = vec![head.trim_end().to_owned()];
    if earlier > 0 {
        rows.push(format!("… {earlier} earlier ones"));
    }
    rows.extend(trades.iter().skip(earlier).map(row));
    let spent = trades.iter().fold(U256::ZERO, |sum, trade| sum.saturating_add(trade.gas_cost));
    let calls = format!("{} calls", trades.len());
    rows.push(format!("{calls:<17} {:<66} {:>6} {:>13}", "", "", words::cost(spent)));
    rows
}

/// One trade of an index.
struct IndexRow {
    what: String,
    hash: TxHash,
    block: u64,
    gas: u64,
}

fn index_table(trades: &[IndexRow]) -> Vec<String> {
    if trades.is_empty() {
        return vec!["nothing was traded here".to_owned()];
    }
    let earlier = trades.len().saturating_sub(MAX_ROWS);
    let line = |what: &str, hash: &str, block: &str, gas: &str| {
        format!("{what:<40} {hash:<66} {block:>6} {gas:>9}")
    };
    let mut rows = vec![line("trade", "transaction", "block", "gas")];
    if earlier > 0 {
        rows.push(format!("… {earlier} earlier ones"));
    }
    rows.extend(trades.iter().skip(earlier).map(|trade| {
        let IndexRow { what, hash, block, gas } = trade;
        line(what, &hash.to_string(), &block.to_string(), &gas.to_string())
    }));
    let gas = trades.iter().fold(0_u64, |sum, trade| sum.saturating_add(trade.gas));
    let count = format!("{} trades", trades.len());
    rows.push(line(&count, "", "", &gas.to_string()));
    rows
}

fn row(trade: &Trade) -> String {
    let reverted = if trade.succeeded { "" } else { "  reverted" };
    format!(
        "{:<17} {:<66} {:>6} {:>13}  {} → {}{reverted}",
        trade.action,
        trade.hash.to_string(),
        trade.block,
        words::cost(trade.gas_cost),
        words::leverage(trade.before),
        words::leverage(trade.after),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::utils::parse_ether;

    fn trade(block: u64) -> Trade {
        Trade {
            action: "rebalance",
            hash: TxHash::with_last_byte(7),
            block,
            succeeded: block != 2,
            gas_cost: parse_ether("0.25").unwrap(),
            before: parse_ether("2.5").unwrap(),
            after: parse_ether("2.3009").unwrap(),
        }
    }

    #[test]
    fn rows_tell_cost_and_leverage_and_sum_up() {
        let rows = table(&[trade(1), trade(2)]);
        assert_eq!(rows.len(), 4, "{rows:?}");
        assert!(rows[1].ends_with("1          0.25  2.5 → 2.3009"), "{rows:?}");
        assert!(rows[2].ends_with("reverted"), "{rows:?}");
        assert!(rows[3].starts_with("2 calls") && rows[3].ends_with(" 0.5"), "{rows:?}");
        assert_eq!(table(&[]).len(), 1);
    }

    #[test]
    fn a_long_show_is_cut_and_says_so() {
        let trades: Vec<_> = (0..50).map(trade).collect();
        let rows = table(&trades);
        assert_eq!(rows.len(), MAX_ROWS + 3);
        assert_eq!(rows[1], "… 10 earlier ones");
        assert!(rows.last().unwrap().starts_with("50 calls"));
    }

    #[test]
    fn trades_of_an_index_tell_their_gas_and_sum_up() {
        let row = |block| IndexRow {
            what: "sells 3 YFI for 11.8 ETH".to_owned(),
            hash: TxHash::with_last_byte(7),
            block,
            gas: 281_000,
        };
        let rows = index_table(&[row(1), row(2)]);
        assert_eq!(rows.len(), 4, "{rows:?}");
        assert!(rows[1].starts_with("sells 3 YFI") && rows[1].ends_with("1    281000"), "{rows:?}");
        assert!(rows[3].starts_with("2 trades") && rows[3].ends_with(" 562000"), "{rows:?}");
        assert_eq!(index_table(&[]).len(), 1);
        let long: Vec<_> = (0..50).map(row).collect();
        assert_eq!(index_table(&long)[1], "… 10 earlier ones");
    }
}
