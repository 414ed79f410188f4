//! What `index plan --json` wrote, as far as a report holds what came of it against it.

use std::collections::BTreeMap;

use alloy::primitives::{Address, I256, U256};
use serde::Deserialize;
use serde::Serialize;

use super::loss::Bp;
use crate::decimal::fixed;

/// A plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Planned {
    /// The block that it was made at.
    pub block: u64,
    /// How many trades.
    pub trades: u64,
    /// How long they take at the least, seconds.
    pub seconds: u64,
    /// Their gas.
    pub gas: u64,
    /// What they cost of what is traded, the protocol's fee included, if pools recover between two.
    pub cost_bp: Option<Bp>,
    /// By component.
    #[serde(skip)]
    pub rows: BTreeMap<Address, PlannedRow>,
    /// The multiplier that its units belong to.
    #[serde(skip)]
    pub multiplier: U256,
}

/// A plan of one component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PlannedRow {
    /// The unit that there was.
    #[serde(skip)]
    pub unit: U256,
    /// The unit it goes to.
    #[serde(skip)]
    pub target_unit: U256,
    /// How many trades.
    pub trades: Option<u64>,
    /// Their gas.
    pub gas: Option<u64>,
    /// What they cost of what is traded, the protocol's fee included, if pools recover between two …
    pub cost_bp: Option<Bp>,
    /// … and if they do not.
    pub cost_at_once_bp: Option<Bp>,
}

/// The file. What else it has is not needed here.
#[derive(Deserialize)]
struct File {
    chain_id: u64,
    set_token: Address,
    block: u64,
    trades: u64,
    seconds: u64,
    gas: u64,
    cost: String,
    position_multiplier: String,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    address: Address,
    unit: String,
    target_unit: String,
    trade: Option<Trade>,
}

#[derive(Deserialize)]
struct Trade {
    value: String,
    trades: Option<u64>,
    gas: Option<u64>,
    cost: Option<String>,
    cost_share: Option<String>,
    cost_share_at_once: Option<String>,
}

impl Planned {
    /// Reads the file.
    ///
    /// # Errors
    /// Why it is no plan of this index, in a line.
    pub fn read(text: &[u8], chain_id: u64, set_token: Address) -> Result<Self, String> {
        let file: File = serde_json::from_slice(text)
            .map_err(|cause| format!("is not what `index plan --json` writes: {cause}"))?;
        if (file.chain_id, file.set_token) != (chain_id, set_token) {
            return Err(format!("is a plan for {} on chain {}", file.set_token, file.chain_id));
        }
        let number = |text: &str| {
            U256::from_str_radix(text, 10)
                .map_err(|_| format!("holds {text:?} in place of a number"))
        };
        let mut rows = BTreeMap::new();
        let mut traded = U256::ZERO;
        for row in &file.rows {
            let trade = row.trade.as_ref();
            let share = |text: &Option<String>| text.as_deref().and_then(of_percent);
            // What nobody could tell the cost of is in no sum of costs.
            if let Some(trade) = trade.filter(|trade| trade.cost.is_some()) {
                traded = traded.saturating_add(fixed(&trade.value, 18).unwrap_or_default());
            }
            let planned = PlannedRow {
                unit: number(&row.unit)?,
                target_unit: number(&row.target_unit)?,
                trades: trade.and_then(|trade| trade.trades),
                gas: trade.and_then(|trade| trade.gas),
                cost_bp: trade.and_then(|trade| share(&trade.cost_share)),
                cost_at_once_bp: trade.and_then(|trade| share(&trade.cost_share_at_once)),
            };
            rows.insert(row.address, planned);
        }
        let cost = fixed(&file.cost, 18).ok().and_then(|cost| I256::try_from(cost).ok());
        Ok(Self {
            block: file.block,
            trades: file.trades,
            seconds: file.seconds,
            gas: file.gas,
            cost_bp: cost.and_then(|cost| Bp::of(cost, traded)),
            rows,
            multiplier: number(&file.position_multiplier)?,
        })
    }

    /// What of the start is not as it was planned, if anything.
    pub(super) fn differs(&self, targets: &[(Address, U256)], multiplier: U256) -> Option<String> {
        let of_plan = |token: &Address| self.rows.get(token).map(|row| row.target_unit);
        let other = targets.iter().filter(|(token, unit)| of_plan(token) != Some(*unit)).count();
        let missing = self.rows.keys().filter(|token| !targets.iter().any(|(t, _)| t == *token));
        let off = other.saturating_add(missing.count());
        if off > 0 {
            return Some(format!(
                "the plan is not the one that was started: {off} target units are not the plan's"
            ));
        }
        (self.multiplier != multiplier).then(|| {
            "the plan is not the one that was started: it was made at another multiplier".to_owned()
        })
    }
}

fn of_percent(text: &str) -> Option<Bp> {
    Bp::of_share(I256::try_from(fixed(text, 16).ok()?).ok()?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SET: Address = Address::repeat_byte(0x5e);
    const UNI: Address = Address::repeat_byte(1);
    const LEND: Address = Address::repeat_byte(2);
    const WETH: Address = Address::repeat_byte(3);

    fn plan() -> serde_json::Value {
        let trade = json!({
            "side": "sell", "amount": "5", "value": "2000.00", "trades": 2, "seconds": 300,
            "gas": 400_000, "slippage": "0.4", "cost": "10.00", "cost_share": "0.5",
            "cost_share_at_once": "0.75", "pool_off": null, "exchange": "X",
        });
        // Too deep for its pools: nobody tells its cost.
        let deep = json!({ "value": "500.00", "trades": null, "gas": null, "cost": null,
            "cost_share": null, "cost_share_at_once": null });
        json!({
            "chain": "local", "chain_id": 1, "set_token": SET, "block": 77, "trades": 2,
            "seconds": 300, "gas": 400_000, "cost": "10.00", "position_multiplier": "1000",
            "rows": [
                { "address": UNI, "unit": "7", "target_unit": "5", "trade": trade },
                { "address": LEND, "unit": "9", "target_unit": "0", "trade": deep },
                { "address": WETH, "unit": "0", "target_unit": "0", "trade": null },
            ],
        })
    }

    fn read(plan: &serde_json::Value) -> Result<Planned, String> {
        Planned::read(plan.to_string().as_bytes(), 1, SET)
    }

    #[test]
    fn costs_are_told_of_what_is_traded_for_them() {
        let plan = read(&plan()).unwrap();
        assert_eq!((plan.block, plan.trades, plan.seconds, plan.gas), (77, 2, 300, 400_000));
        assert_eq!(plan.cost_bp.unwrap().to_string(), "50", "10 of 2000");
        let row = plan.rows[&UNI];
        assert_eq!((row.unit, row.trades), (U256::from(7), Some(2)));
        assert_eq!(row.cost_bp.unwrap().to_string(), "50");
        assert_eq!(row.cost_at_once_bp.unwrap().to_string(), "75");
        assert_eq!(plan.rows[&LEND].cost_bp, None);
    }

    #[test]
    fn what_is_no_plan_of_this_index_is_refused() {
        let mut other = plan();
        other["set_token"] = json!(UNI);
        assert!(read(&other).unwrap_err().starts_with("is a plan for 0x0101"));
        let mut other = plan();
        other["chain_id"] = json!(10);
        assert!(read(&other).unwrap_err().ends_with("on chain 10"));
        assert!(
            Planned::read(b"symbol,weight", 1, SET).unwrap_err().contains("`index plan --json`")
        );
        let mut odd = plan();
        odd["rows"][0]["unit"] = json!("-1");
        assert_eq!(read(&odd).unwrap_err(), "holds \"-1\" in place of a number");
    }

    #[test]
    fn another_start_than_the_planned_one_is_told() {
        let plan = read(&plan()).unwrap();
        let u = U256::from;
        let started = [(UNI, u(5)), (LEND, u(0)), (WETH, u(0))];
        assert_eq!(plan.differs(&started, u(1_000)), None);
        assert!(plan.differs(&started, u(999)).unwrap().contains("another multiplier"));
        let off = [(UNI, u(6)), (LEND, u(0)), (WETH, u(0))];
        assert!(plan.differs(&off, u(1_000)).unwrap().contains(": 1 target units"));
        assert!(plan.differs(&started[..2], u(1_000)).unwrap().contains(": 1 target units"));
    }
}
