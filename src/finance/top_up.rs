//! What to transfer to the wallets of a chain so that they go on, and the file that says so.
//!
//! The file is there while a transfer is missing and gone once none is: whoever finds it may sign
//! it, and must not sign the same one twice.

use std::{
    io,
    path::{Path, PathBuf},
};

use alloy::primitives::{Address, U256, uint};

use super::runway::{HISTORY, History, TOP_UP_DAYS};
use crate::safe_batch::{Batch, Call};

/// Transfers are whole multiples of this, wei: 0.001 coin.
const STEP: U256 = uint!(1_000_000_000_000_000_U256);

/// A wallet that may have to be topped up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// The product that has it.
    pub product: String,
    /// The wallet.
    pub wallet: Address,
    /// What it holds, wei.
    pub balance: U256,
    /// The least that it is to hold, wei.
    pub least: U256,
    /// Its past.
    pub history: History,
}

impl Holding {
    /// What it is missing to pay for the dearest month of its past and still hold the least, wei,
    /// rounded up to 0.001 coin.
    pub fn missing(&self) -> U256 {
        let target = self.least.saturating_add(self.history.dearest_month());
        let missing = target.saturating_sub(self.balance);
        missing.checked_next_multiple_of(STEP).unwrap_or(missing)
    }
}

/// A Safe's transfers to all wallets of a chain that miss something; `None` if none does.
pub fn top_up(
    (chain, chain_id): (&str, u64),
    safe: Address,
    holdings: &[Holding],
    now: u64,
) -> Option<Batch> {
    let short: Vec<(&Holding, U256)> = holdings
        .iter()
        .map(|holding| (holding, holding.missing()))
        .filter(|(_, missing)| !missing.is_zero())
        .collect();
    if short.is_empty() {
        return None;
    }
    let lines: Vec<String> = short
        .iter()
        .map(|(of, missing)| format!("{} {}", of.product, ballast_chains::amount::ether(*missing)))
        .collect();
    let date = crate::clock::text(now);
    let date = date.split('T').next().unwrap_or_default();
    Some(Batch {
        chain_id,
        safe,
        name: format!("Top up keeper wallets on {chain}, {date}"),
        description: format!(
            "Pays for the dearest {TOP_UP_DAYS} days of the last {HISTORY}, above min_balance: {}",
            lines.join(", ")
        ),
        created_at: now,
        calls: short.iter().map(|(of, missing)| Call::transfer(of.wallet, *missing)).collect(),
    })
}

/// Where the file of a chain is, in a folder.
pub fn path(folder: &Path, chain: &str) -> PathBuf {
    folder.join(format!("top-up-{chain}.json"))
}

/// Writes the file, in the place of an older one; nobody reads half of it.
///
/// # Errors
/// When the disk refuses; the older one is gone all the same, where that can be done.
pub fn write(path: &Path, batch: &Batch) -> io::Result<()> {
    let beside = path.with_extension("json.new");
    let text = batch.to_json().map_err(io::Error::other);
    let written = text.and_then(|text| {
        std::fs::write(&beside, text)?;
        std::fs::rename(&beside, path)
    });
    if written.is_err() {
        drop(std::fs::remove_file(&beside));
        drop(remove(path));
    }
    written
}

/// Takes the file away; false if there is none.
///
/// # Errors
/// When it is there and stays.
pub fn remove(path: &Path) -> io::Result<bool> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finance::sums::DayCost;

    const ETHER: U256 = uint!(1_000_000_000_000_000_000_U256);

    fn history(days: &[u64]) -> History {
        let days: Vec<DayCost> = (100..)
            .zip(days)
            .map(|(day, wei)| DayCost { day, gas: *wei, wei: U256::from(*wei) })
            .collect();
        History::new(&days, 160)
    }

    #[test]
    fn a_top_up_pays_for_the_dearest_month_and_leaves_the_least() {
        let mut days = vec![0; 60];
        days[10] = 5;
        days[39] = 7;
        days[45] = 1;
        assert_eq!(history(&days).dearest_month(), U256::from(12));
        let holding = |balance: u64, least: U256| Holding {
            product: "one".into(),
            wallet: Address::repeat_byte(balance.to_le_bytes()[0]),
            balance: U256::from(balance),
            least,
            history: history(&days),
        };
        assert_eq!(holding(12, U256::ZERO).missing(), U256::ZERO);
        assert_eq!(holding(11, U256::ZERO).missing(), STEP, "rounded up to a thousandth");
        assert_eq!(holding(12, ETHER).missing(), ETHER);
        let safe = Address::repeat_byte(9);
        let full = [holding(12, U256::ZERO)];
        assert_eq!(top_up(("mainnet", 1), safe, &full, 0), None);
        let all = [holding(1, U256::ZERO), holding(12, U256::ZERO), holding(2, ETHER)];
        let batch = top_up(("mainnet", 1), safe, &all, 1_790_812_800).unwrap();
        assert_eq!(batch.name, "Top up keeper wallets on mainnet, 2026-10-01");
        let calls = [
            Call::transfer(Address::repeat_byte(1), STEP),
            Call::transfer(Address::repeat_byte(2), ETHER + STEP),
        ];
        assert_eq!((batch.calls, batch.safe, batch.chain_id), (calls.to_vec(), safe, 1));
    }

    #[test]
    fn a_file_takes_the_place_of_an_older_one_and_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = path(dir.path(), "mainnet");
        assert!(!remove(&path).unwrap(), "there is none");
        let safe = Address::repeat_byte(9);
        let call = Call::transfer(safe, ETHER);
        let batch = Batch {
            chain_id: 1,
            safe,
            name: "Top up".into(),
            description: String::new(),
            created_at: 0,
            calls: vec![call],
        };
        std::fs::write(&path, "old").unwrap();
        write(&path, &batch).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), batch.to_json().unwrap());
        assert!(remove(&path).unwrap() && !path.exists());
        // What cannot be renewed is not left lying about.
        std::fs::write(&path, "old").unwrap();
        std::fs::create_dir(path.with_extension("json.new")).unwrap();
        write(&path, &batch).unwrap_err();
        assert!(!path.exists());
    }
}
