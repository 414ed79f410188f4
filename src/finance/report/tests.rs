//! The arithmetic of a report, against sums written another way; and every output against a file.

use std::path::PathBuf;

use alloy::primitives::{Address, B256, U256};
use ballast_chains::feeds::Price;
use ballast_strategy_api::{Settlement, Urgency};
use proptest::prelude::*;

use super::*;
use crate::{
    finance::{csv, load, sums::Ending, text},
    ledger::{BlockRef, Entry, Fees, Holder, PricedAt},
    submission::lifecycle::Outcome,
};

/// 1 October 2026.
const OCTOBER: u64 = 1_790_812_800;
const DAY: u64 = 86_400;
const GWEI: u128 = 1_000_000_000;

/// A row of the ledger, in the fewest words.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) product: &'static str,
    pub(crate) chain_id: u64,
    pub(crate) category: Category,
    pub(crate) action: &'static str,
    pub(crate) outcome: Outcome,
    pub(crate) at: u64,
    pub(crate) gas: u64,
    pub(crate) cost: U256,
    /// Whole dollars; `None`: without a price.
    pub(crate) price: Option<u64>,
    pub(crate) income: U256,
}

impl Row {
    pub(crate) fn entry(&self, nonce: u64) -> Entry {
        let wei = |price: u64| U256::from(price) * U256::from(10_u64.pow(18));
        let price = self.price.and_then(|price| Price::from_fixed18(wei(price)));
        Entry {
            holder: Holder {
                chain_id: self.chain_id,
                chain: "as it was".into(),
                wallet: Address::with_last_byte(self.product.len().to_le_bytes()[0]),
                product: self.product.into(),
            },
            nonce,
            hash: B256::from(U256::from(nonce)),
            category: self.category,
            action: self.action.into(),
            urgency: Some(Urgency::Routine),
            why: String::new(),
            attempts: 1,
            outcome: self.outcome,
            succeeded: self.outcome != Outcome::Reverted,
            gas_used: self.gas,
            effective_gas_price: 0,
            fees: Fees { execution: self.cost, ..Fees::default() },
            cost: self.cost,
            value: U256::ZERO,
            price: price
                .map(|price| PricedAt { price, round: U256::from(1), updated_at: self.at })
                .ok_or_else(|| "no feed".to_owned()),
            usd: price.map(|price| Usd::cost(self.cost, price)),
            settlement: Some(Settlement { income: self.income, ..Settlement::default() }),
            block: BlockRef { number: self.at / 12, hash: B256::ZERO, timestamp: self.at },
            booked_at: self.at,
        }
    }
}

fn row(product: &'static str, action: &'static str, outcome: Outcome, at: u64, gwei: u128) -> Row {
    let gas = 900_000;
    let (chain_id, category, price) = match product {
        "eth2x-fli-p" => (137, Category::Automated, Some(1)),
        "dpi" => (1, Category::Composite, Some(2_500)),
        "launch" => (1, Category::Launch, None),
        _ => (1, Category::Automated, Some(2_500)),
    };
    let cost = U256::from(u128::from(gas) * gwei * GWEI) + U256::from(7);
    let at = OCTOBER + at * DAY;
    Row { product, chain_id, category, action, outcome, at, gas, cost, price, income: U256::ZERO }
}

pub(crate) fn entries() -> Vec<Entry> {
    use Outcome::{Cancelled, Confirmed, Foreign, Reverted, Superseded};
    let ripcord = Row {
        income: U256::from(10_u64.pow(18)) + U256::from(1),
        ..row("eth2x-fli", "ripcord", Confirmed, 9, 200)
    };
    let earlier = |months: u64, row: Row| Row { at: row.at - months * 30 * DAY, ..row };
    let rows = [
        row("eth2x-fli", "rebalance", Confirmed, 0, 31),
        row("eth2x-fli", "rebalance", Confirmed, 1, 28),
        row("eth2x-fli", "rebalance", Reverted, 2, 44),
        row("eth2x-fli", "rebalance", Cancelled, 3, 12),
        row("eth2x-fli", "iterate_rebalance", Confirmed, 4, 37),
        ripcord,
        row("eth2x-fli", "foreign", Foreign, 10, 5),
        row("eth2x-fli", "foreign", Superseded, 11, 6),
        row("btc2x-fli", "rebalance", Reverted, 12, 55),
        row("dpi", "trade", Confirmed, 13, 25),
        row("dpi", "trade", Confirmed, 14, 26),
        row("eth2x-fli-p", "rebalance", Confirmed, 15, 90),
        row("launch", "external", Confirmed, 16, 20),
        // The last second of the month, and the first of the next.
        Row { at: OCTOBER + 31 * DAY - 1, ..row("dpi", "trade", Confirmed, 0, 1) },
        Row { at: OCTOBER + 31 * DAY, ..row("dpi", "trade", Confirmed, 0, 1_000) },
        earlier(1, row("eth2x-fli", "rebalance", Confirmed, 3, 60)),
        earlier(2, row("dpi", "trade", Confirmed, 3, 140)),
        earlier(2, row("eth2x-fli", "rebalance", Confirmed, 3, 50)),
        earlier(5, row("launch", "external", Confirmed, 3, 35)),
        earlier(20, row("dpi", "trade", Confirmed, 3, 999)),
    ];
    (0..).zip(rows).map(|(nonce, row)| row.entry(nonce)).collect()
}

pub(crate) fn facts() -> Facts {
    let chain = |name: &str, symbol: &str| ChainFacts { name: name.into(), symbol: symbol.into() };
    let budget = |monthly: u64, hard: u64| ProductFacts {
        cost_centre: None,
        monthly: Some(Usd::from_micro(monthly * 1_000_000)),
        hard: Some(Usd::from_micro(hard * 1_000_000)),
    };
    Facts {
        products: BTreeMap::from([
            ("eth2x-fli".into(), budget(700, 900)),
            ("btc2x-fli".into(), budget(150, 500)),
            (
                "dpi".into(),
                ProductFacts { cost_centre: Some("4711".into()), ..budget(1_000, 2_000) },
            ),
            ("launch".into(), ProductFacts::default()),
        ]),
        chains: BTreeMap::from([(1, chain("mainnet", "ETH")), (137, chain("polygon", "POL"))]),
        accounts: Accounts {
            centres: BTreeMap::from([(Category::Automated, "1100, leverage".into())]),
            ..Accounts::default()
        },
    }
}

pub(crate) fn asked() -> Asked {
    let month = Month::of(OCTOBER);
    Asked { month, product: None, now: month.end(), source: "ledger" }
}

pub(crate) fn sample() -> (Report, Facts) {
    (load::from_entries(&entries(), &asked(), &facts()), facts())
}

/// What an output has to be. `BALLAST_BLESS=1` writes it anew, to be looked at and committed.
fn golden(name: &str, text: &str) {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/finance/report/golden").join(name);
    #[expect(clippy::disallowed_methods, reason = "a switch of this test alone")]
    if std::env::var("BALLAST_BLESS").is_ok() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == text, "{} has to be:\n{text}", path.display());
}

#[test]
fn every_output_is_as_it_was() {
    let (report, facts) = sample();
    let rows = text::rows(&report).into_iter().map(|row| row.join(" | "));
    let budgets = report
        .products
        .iter()
        .filter_map(|product| Some(text::budget(&product.product, &product.budget?).join(" | ")));
    let table: Vec<String> = rows.chain(budgets).chain(text::notes(&report)).collect();
    golden("table.txt", &(table.join("\n") + "\n"));
    golden("report.csv", &csv::report(&report));
    golden("journal.csv", &csv::journal(&report, &facts.accounts));
    golden("report.json", &(serde_json::to_string_pretty(&report).unwrap() + "\n"));
}

#[test]
fn budgets_are_held_against_all_of_a_product() {
    let dollars = |usd: u64| Usd::from_micro(usd * 1_000_000);
    let state = |actual, monthly: Option<u64>, hard: Option<u64>| {
        let line = BudgetLine::of(dollars(actual), monthly.map(dollars), hard.map(dollars));
        line.map(|line| (line.state, line.used_percent))
    };
    assert_eq!(state(1, None, None), None);
    assert_eq!(state(79, Some(100), Some(200)), Some((BudgetState::Within, 79)));
    assert_eq!(state(80, Some(100), Some(200)), Some((BudgetState::Tight, 80)));
    assert_eq!(state(100, Some(100), Some(200)), Some((BudgetState::Tight, 100)));
    assert_eq!(state(101, Some(100), Some(200)), Some((BudgetState::Over, 101)));
    assert_eq!(state(201, Some(100), Some(200)), Some((BudgetState::OverHard, 201)));
    assert_eq!(state(170, None, Some(200)), Some((BudgetState::Tight, 85)));
    assert_eq!(percent(Usd::from_micro(1), dollars(100)), 1, "rounded up");
    assert_eq!(percent(Usd::ZERO, Usd::ZERO), 100);
}

#[test]
fn one_product_is_the_same_alone() {
    let (all, facts) = sample();
    let asked = Asked { product: Some("dpi".into()), ..asked() };
    let one = load::from_entries(&entries(), &asked, &facts);
    let of_all: Vec<&ProductLines> = all.products.iter().filter(|p| p.product == "dpi").collect();
    assert_eq!(one.products.iter().collect::<Vec<_>>(), of_all);
    assert_eq!(one.total, one.products[0].total);
    assert!(one.trend.iter().all(|month| month.categories.keys().all(|c| *c == "composite")));
}

#[test]
fn a_journal_balances_in_every_currency() {
    let (report, facts) = sample();
    let text = csv::journal(&report, &facts.accounts);
    let mut sums: BTreeMap<String, [i128; 2]> = BTreeMap::new();
    let units = |text: &str, decimals: usize| -> i128 {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        if text.is_empty() { 0 } else { format!("{whole}{part:0<decimals$}").parse().unwrap() }
    };
    for line in text.lines().skip(1) {
        // The one name with a comma is quoted.
        let line = line.replace("\"1100, leverage\"", "1100");
        let fields: Vec<&str> = line.split(',').collect();
        let sum = sums.entry(fields[7].to_owned()).or_default();
        sum[0] += units(fields[8], 18) - units(fields[9], 18);
        sum[1] += units(fields[10], 6) - units(fields[11], 6);
    }
    assert_eq!(sums.keys().map(String::as_str).collect::<Vec<_>>(), ["ETH", "POL"]);
    assert!(sums.values().all(|sum| *sum == [0, 0]), "{sums:?}");
    // What was debited to the expense account is what the report says.
    let spent: i128 = text
        .lines()
        .filter(|line| line.contains(",Gas expense,"))
        .map(|line| units(line.rsplit(',').nth(1).unwrap(), 6))
        .sum();
    assert_eq!(u128::try_from(spent).unwrap(), report.total.all().usd.micro());
}

prop_compose! {
    fn any_row()(
        product in prop_oneof![Just("eth2x-fli"), Just("dpi"), Just("eth2x-fli-p"), Just("gone")],
        action in prop_oneof![Just("rebalance"), Just("ripcord"), Just("foreign")],
        outcome in prop_oneof![Just(Outcome::Confirmed), Just(Outcome::Reverted),
            Just(Outcome::Cancelled), Just(Outcome::Foreign), Just(Outcome::Superseded)],
        at in (OCTOBER - 400 * DAY)..(OCTOBER + 40 * DAY),
        gas in 21_000_u64..3_000_000,
        // Below, at and far above the limbs that SQLite adds up.
        cost in prop_oneof![0_u128..2_000, 999_999_999_999_999_990..1_000_000_000_000_000_010_u128,
            0..10_u128.pow(35)],
        price in proptest::option::of(1_u64..5_000),
        income in prop_oneof![4 => Just(0_u128), 1 => 1..10_u128.pow(20)],
    ) -> Row {
        let (chain_id, category) =
            if product == "dpi" { (1, Category::Composite) } else { (137, Category::Automated) };
        // A price beside an absurd cost is beyond what a ledger may hold.
        let price = price.filter(|_| cost < 10_u128.pow(23));
        Row { product, chain_id, category, action, outcome, at, gas, cost: U256::from(cost), price,
            income: U256::from(income) }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Every figure is the plain sum over the rows that it is of, written here without any of the
    /// code that it is held against.
    #[test]
    fn figures_are_sums_over_rows(rows in proptest::collection::vec(any_row(), 0..60)) {
        let entries: Vec<Entry> = (0..).zip(&rows).map(|(n, row)| row.entry(n)).collect();
        let report = load::from_entries(&entries, &asked(), &facts());
        let of_month: Vec<&Entry> = entries
            .iter()
            .filter(|e| (OCTOBER..OCTOBER + 31 * DAY).contains(&e.block.timestamp))
            .collect();
        let micro = |e: &Entry| e.usd.map_or(0, |usd| usd.micro());
        let all = report.total.all();
        prop_assert_eq!(all.count, u64::try_from(of_month.len()).unwrap());
        prop_assert_eq!(all.wei, of_month.iter().map(|e| e.cost).sum::<U256>());
        prop_assert_eq!(all.usd.micro(), of_month.iter().map(|e| micro(e)).sum::<u128>());
        prop_assert_eq!(all.gas, of_month.iter().map(|e| u128::from(e.gas_used)).sum::<u128>());
        let unpriced = of_month.iter().filter(|e| e.price.is_err()).map(|e| e.cost);
        prop_assert_eq!(all.unpriced_wei, unpriced.sum::<U256>());
        for product in &report.products {
            for action in &product.actions {
                let rows: Vec<&&Entry> = of_month.iter().filter(|e| {
                    e.holder.product == product.product && e.action == action.action
                }).collect();
                let of = |outcomes: &[Outcome]| {
                    let chosen = rows.iter().filter(|e| outcomes.contains(&e.outcome));
                    chosen.map(|e| e.cost).sum::<U256>()
                };
                let line = &action.line;
                prop_assert_eq!(line.of(Ending::Confirmed).wei, of(&[Outcome::Confirmed]));
                prop_assert_eq!(line.of(Ending::Failed).wei, of(&[Outcome::Reverted]));
                prop_assert_eq!(line.of(Ending::Cancelled).wei, of(&[Outcome::Cancelled]));
                let foreign = of(&[Outcome::Foreign, Outcome::Superseded]);
                prop_assert_eq!(line.of(Ending::Foreign).wei, foreign);
                let confirmed = rows.iter().filter(|e| e.outcome == Outcome::Confirmed).count();
                if let Some(per) = line.wei_per_success() {
                    let (per, count) = (per, U256::from(confirmed));
                    prop_assert!(per * count >= line.all().wei);
                    prop_assert!(per.is_zero() || (per - U256::ONE) * count < line.all().wei);
                } else {
                    prop_assert_eq!(confirmed, 0);
                }
            }
        }
        // Parts make the whole, in each way of cutting it.
        let by_product: u128 = report.products.iter().map(|p| p.total.all().usd.micro()).sum();
        let by_category: u128 = report.categories.iter().map(|c| c.line.all().usd.micro()).sum();
        let last = report.trend.last().unwrap();
        prop_assert_eq!(by_product, all.usd.micro());
        prop_assert_eq!(by_category, all.usd.micro());
        prop_assert_eq!((last.usd, last.count), (all.usd, all.count));
        let months: u64 = report.trend.iter().map(|month| month.count).sum();
        let year = Month::of(OCTOBER).back(TREND)[0].start()..OCTOBER + 31 * DAY;
        let in_year = entries.iter().filter(|e| year.contains(&e.block.timestamp)).count();
        prop_assert_eq!(months, u64::try_from(in_year).unwrap());
    }
}
