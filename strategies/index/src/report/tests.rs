use std::collections::BTreeMap;

use alloy::primitives::B256;
use ballast_strategy_api::Booked;

use super::{
    facts::{Bill, End, Facts, Holding, Quoted, Start, Token, Trade, Verdict},
    planned::Planned,
    *,
};
use crate::{decimal::ONE, price::Price, snapshot::Source};

const KEEPER: Address = Address::repeat_byte(0xaa);
const OTHER: Address = Address::repeat_byte(0xbb);
const SET: Address = Address::repeat_byte(0x5e);
const WETH: Address = Address::repeat_byte(0xee);
const UNI: Address = Address::repeat_byte(1);
const AAVE: Address = Address::repeat_byte(2);
const LEND: Address = Address::repeat_byte(3);
const ADAPTER: Address = Address::repeat_byte(0xad);

fn u(number: u128) -> U256 {
    U256::from(number)
}

fn i(number: i128) -> I256 {
    I256::try_from(number).unwrap()
}

/// Wei of so many thousandths of an ether.
fn milli(number: u128) -> U256 {
    u(number * 10_u128.pow(15))
}

fn deed(block: u64, number: u8) -> Deed {
    let at = Moment { block, timestamp: 1_800_000_000 + 12 * block };
    Deed { at, hash: B256::repeat_byte(number) }
}

/// A trade that lost so many basis points to its pools; 0.1 % of what it got was the protocol's.
fn trade(
    deed: Deed,
    executor: Address,
    (sold, amount_sold): (Address, U256),
    (bought, got): (Address, U256),
    bp: Option<i128>,
) -> Trade {
    let protocol_fee = got / u(1_000);
    Trade {
        deed,
        executor,
        adapter: ADAPTER,
        sold,
        bought,
        amount_sold,
        amount_received: got - protocol_fee,
        protocol_fee,
        slippage: bp.map(|bp| i(bp * 10_i128.pow(14))),
        reference: None,
    }
}

fn holding(unit: u128, target: u128, is_met: bool) -> Holding {
    let price = Some(Price::ONE);
    Holding { unit: u(unit), target: u(target), is_met, is_small: false, left: None, price }
}

/// UNI was sold twice, once by somebody else; LEND altogether; AAVE was bought once and is short.
fn facts() -> Facts {
    let token =
        |address, symbol: &str| Token { address, symbol: symbol.to_owned(), decimals: Some(18) };
    let bill = |number: u8, from, gas_used: u64| {
        let fee = U256::from(gas_used) * u(20);
        (B256::repeat_byte(number), Bill { from, gas_used, fee })
    };
    Facts {
        subject: Subject {
            product: "idx".to_owned(),
            chain: "local".to_owned(),
            chain_id: 1,
            native_symbol: "ETH".to_owned(),
            set_token: SET,
            symbol: "IDX".to_owned(),
            module: Address::repeat_byte(0x60),
            wallet: Some(KEEPER),
            weth: WETH,
        },
        at: deed(200, 0).at,
        start: Start {
            deed: deed(100, 1),
            targets: vec![(UNI, u(1_000)), (AAVE, u(2_000)), (LEND, u(0))],
            multiplier: ONE,
        },
        next: None,
        trades: vec![
            trade(deed(101, 2), KEEPER, (UNI, milli(100_000)), (WETH, milli(990)), Some(100)),
            trade(deed(105, 3), OTHER, (UNI, milli(100_000)), (WETH, milli(980)), Some(200)),
            trade(deed(105, 4), KEEPER, (LEND, milli(50_000)), (WETH, milli(500)), Some(0)),
            trade(deed(150, 5), KEEPER, (WETH, milli(2_000)), (AAVE, milli(199_000)), Some(50)),
        ],
        raises: Vec::new(),
        bills: [
            bill(1, OTHER, 500_000),
            bill(2, KEEPER, 200_000),
            bill(3, OTHER, 210_000),
            bill(4, KEEPER, 220_000),
            bill(5, KEEPER, 230_000),
        ]
        .into(),
        tokens: vec![
            token(UNI, "UNI"),
            token(AAVE, "AAVE"),
            token(LEND, "LEND"),
            token(WETH, "WETH"),
        ],
        exchanges: BTreeMap::from([(ADAPTER, "Somewhere".to_owned())]),
        before: Some(BTreeMap::from([(UNI, u(3_000)), (LEND, u(500))])),
        end: Ok(End {
            verdict: Verdict::Finished,
            holdings: BTreeMap::from([
                (UNI, holding(1_001, 1_000, true)),
                (AAVE, holding(1_990, 2_000, false)),
                (LEND, holding(0, 0, true)),
            ]),
            weth_unit: u(3),
            weth_target: u(0),
            left_over: milli(3),
            dust: milli(5),
            worth: u(30_000_000),
            supply: ONE * u(10_000),
        }),
        weth_usd: Ok(Some(Dollars { price: Digits(ONE * u(2_000)), at: deed(200, 0).at })),
        native_usd: Ok(Some(Dollars { price: Digits(ONE * u(2_000)), at: deed(200, 0).at })),
        planned: None,
        booked: None,
        unknown: Vec::new(),
    }
}

fn row(report: &Report, symbol: &str) -> Row {
    report.components.iter().find(|row| row.symbol == symbol).cloned().unwrap()
}

#[test]
fn a_finished_rebalance_is_summed_up() {
    let report = Report::of(facts());
    assert_eq!((report.status, report.detail.as_deref()), (Status::Finished, None));
    assert_eq!((report.started.at.block, report.started_by), (100, Some(OTHER)));
    assert_eq!(report.last.unwrap().at.block, 150);
    assert_eq!(report.seconds, 50 * 12, "from the start to the last trade");
    let totals = &report.totals;
    assert_eq!((totals.trades, totals.trades_of_others, totals.raises), (4, Some(1), 0));
    assert_eq!(totals.weth_received.0, milli(990 + 980 + 500));
    assert_eq!(totals.weth_paid.0, milli(2_000));
    // 10 of 1000, 20 of 1000, none of 500, 10 of 2000.
    assert_eq!(
        (totals.slippage.lost.0, totals.slippage.given.0),
        (i(40 * 10_i128.pow(15)), milli(4_500))
    );
    assert_eq!(totals.slippage.bp.unwrap().to_string(), "88.88");
    // A thousandth of what sells got, and of what the buy got at its price.
    assert_eq!(totals.protocol_fee_wei.0, milli(990 + 980 + 500 + 2_000) / u(1_000));
    let cost = milli(40) + milli(4_470) / u(1_000);
    assert_eq!(totals.cost_wei.0, I256::try_from(cost).unwrap());
    assert_eq!(totals.cost_bp.unwrap().to_string(), "98.82");
    assert_eq!(totals.cost_usd_micros.unwrap().0, i(88_940_000));
    let own = Bills { transactions: 3, gas_used: 650_000, fee_wei: Digits(u(13_000_000)) };
    let others = Bills { transactions: 1, gas_used: 210_000, fee_wei: Digits(u(4_200_000)) };
    assert_eq!((totals.gas_own, totals.gas_others), (own, others));
    assert_eq!(report.started_gas.gas_used, 500_000, "which is in neither sum");
    assert_eq!(totals.gas_own_usd_micros.unwrap().0, i(1), "rounded up");
    assert_eq!(totals.left_over_wei.unwrap().0, milli(3));
}

#[test]
fn a_component_tells_where_it_stands_and_what_that_took() {
    let report = Report::of(facts());
    let uni = row(&report, "UNI");
    assert_eq!(uni.state, State::Met);
    assert_eq!((uni.unit_before.unwrap().0, uni.unit_before_by), (u(3_000), Some("chain")));
    assert_eq!((uni.off_units.unwrap().0, uni.off_ppm.unwrap().0), (i(1), i(1_000)));
    assert_eq!((uni.trades, uni.trades_of_others, uni.gas_used), (2, Some(1), 410_000));
    assert_eq!(uni.sold.0, milli(200_000));
    assert_eq!(uni.sold_at.unwrap().0, milli(1_970) / u(200) - u(1), "rounded down");
    assert_eq!(uni.slippage.bp.unwrap().to_string(), "150");
    assert_eq!(uni.worst_trade_bp.unwrap().to_string(), "200");
    assert_eq!(uni.exchanges, ["Somewhere"]);
    // 10,000 supply at a wei for a base unit: 1001 units are 10,010,000 of 30,000,000.
    assert_eq!(uni.share_bp.unwrap().to_string(), "3336.66");

    let aave = row(&report, "AAVE");
    assert_eq!((aave.state, aave.off_units.unwrap().0), (State::Short, i(-10)));
    assert_eq!(aave.off_ppm.unwrap().0, i(-5_000));
    assert_eq!(aave.off_index_bp.unwrap().to_string(), "-33.33");
    assert_eq!(aave.unit_before.unwrap().0, U256::ZERO, "it is new");
    assert_eq!(aave.bought.0, milli(199_000) - milli(199), "the protocol's fee is not in it");
    assert_eq!((aave.sold_at, aave.weth_paid.0), (None, milli(2_000)));
    let lend = row(&report, "LEND");
    assert_eq!(
        (lend.state, lend.off_units.unwrap().0, lend.off_ppm),
        (State::Met, I256::ZERO, None)
    );
    assert!(!report.components.iter().any(|row| row.symbol == "WETH"), "it was not submitted");
    let marked: Vec<_> = report.trades.iter().map(|trade| trade.is_own.unwrap()).collect();
    assert_eq!(marked, [true, false, true, true]);
}

#[test]
fn the_intermediate_asset_is_a_row_where_it_was_submitted() {
    let state = |unit: u128, target: u128, left: u128, verdict: Verdict| {
        let mut facts = facts();
        facts.start.targets.push((WETH, u(target)));
        let end = facts.end.as_mut().unwrap();
        (end.weth_unit, end.weth_target, end.left_over) = (u(unit), u(target), milli(left));
        end.verdict = verdict;
        row(&Report::of(facts), "WETH").state
    };
    assert_eq!(state(100, 100, 0, Verdict::Finished), State::Met);
    assert_eq!(state(109, 100, 4, Verdict::Finished), State::Small);
    assert_eq!(state(109, 100, 6, Verdict::Finished), State::Over);
    assert_eq!(state(91, 100, 0, Verdict::Finished), State::Short);
    assert_eq!(state(91, 100, 0, Verdict::Open("…".to_owned())), State::Open);
}

#[test]
fn how_far_it_is_is_the_strategys_word_and_time_goes_on_until_then() {
    let mut open = facts();
    open.end.as_mut().unwrap().verdict = Verdict::Open("components rest".to_owned());
    let mut superseded = open.clone();
    let report = Report::of(open);
    assert_eq!((report.status, report.seconds), (Status::InProgress, 100 * 12));
    assert_eq!(report.detail.as_deref(), Some("components rest"));
    assert_eq!(row(&report, "AAVE").state, State::Open);

    superseded.next = Some(deed(201, 0).at);
    let mut gone = superseded.clone();
    let report = Report::of(superseded);
    assert_eq!((report.status, report.seconds), (Status::Superseded, 50 * 12));

    gone.end = Err("no endpoint answered: missing trie node".to_owned());
    let report = Report::of(gone);
    assert_eq!(report.status, Status::Unknown);
    let aave = row(&report, "AAVE");
    assert_eq!((aave.state, aave.unit, aave.off_units), (State::Unknown, None, None));
    assert_eq!(aave.submitted_unit.unwrap().0, u(2_000));
    assert_eq!(report.totals.slippage.trades, 4, "what receipts tell is known yet");
    assert_eq!((report.totals.cost_index_bp, report.totals.left_over_wei), (None, None));
    assert!(
        report.warnings.iter().any(|w| w.contains("missing trie node")),
        "{:?}",
        report.warnings
    );
}

#[test]
fn a_raise_may_be_the_last_deed_and_its_gas_counts() {
    let mut facts = facts();
    facts.raises = vec![Raise { deed: deed(170, 6), position_multiplier: Digits(ONE) }];
    facts.bills.insert(B256::repeat_byte(6), Bill { from: KEEPER, gas_used: 50_000, fee: u(1) });
    let report = Report::of(facts);
    assert_eq!((report.totals.raises, report.seconds), (1, 70 * 12));
    assert_eq!(report.totals.gas_own.gas_used, 700_000);
}

#[test]
fn several_trades_in_a_transaction_cost_its_gas_once() {
    let mut facts = facts();
    for trade in &mut facts.trades {
        trade.deed.hash = B256::repeat_byte(2);
    }
    let report = Report::of(facts);
    assert_eq!(report.totals.gas_own.gas_used, 200_000);
    assert_eq!(report.totals.gas_own.transactions, 1);
    assert_eq!(row(&report, "UNI").gas_used, 200_000);
}

#[test]
fn what_is_not_known_is_told_and_in_no_sum() {
    let mut facts = facts();
    facts.before = None;
    facts.subject.wallet = None;
    facts.native_usd = Err("the feed is gone".to_owned());
    facts.trades[0].slippage = None;
    let half = Price::of_units(u(1), u(100)).unwrap();
    let source = Source::Feed { age: 60 };
    facts.trades[1].reference = Some(Quoted { low: half, high: half, source });
    let report = Report::of(facts);
    assert_eq!(row(&report, "UNI").unit_before, None);
    assert_eq!(report.totals.trades_of_others, None);
    assert_eq!(report.totals.gas_own, Bills::default());
    assert_eq!(report.totals.gas_others.gas_used, 860_000);
    assert_eq!(report.totals.gas_own_usd_micros, None);
    assert_eq!((report.totals.slippage.trades, report.totals.slippage.given.0), (3, milli(3_500)));
    // 100 at a hundredth is 1, less what came in.
    let reference = report.totals.against_reference;
    assert!((reference.lost.0 - i(20 * 10_i128.pow(15))).abs() <= i(1), "{reference:?}");
    assert_eq!(reference.trades, 1);
    assert_eq!(report.trades[1].reference.as_deref(), Some("an oracle 60 s ago"));
    for told in
        ["archive = true", "signer", "the feed is gone", "1 trades went", "3 trades have no"]
    {
        assert!(report.warnings.iter().any(|w| w.contains(told)), "{told}: {:?}", report.warnings);
    }
}

#[test]
fn a_plan_stands_beside_what_came_of_it() {
    let plan = serde_json::json!({
        "chain_id": 1, "set_token": SET, "block": 90, "trades": 5, "seconds": 300, "gas": 900_000,
        "cost": "12.00", "position_multiplier": ONE.to_string(),
        "rows": [
            { "address": UNI, "unit": "3000", "target_unit": "1000", "trade": {
                "value": "2000.00", "trades": 3, "gas": 600_000, "cost": "12.00", "cost_share": "0.6",
                "cost_share_at_once": null } },
            { "address": AAVE, "unit": "1", "target_unit": "2000", "trade": null },
            { "address": LEND, "unit": "500", "target_unit": "0", "trade": null },
        ],
    });
    let plan = Planned::read(plan.to_string().as_bytes(), 1, SET).unwrap();
    let mut facts = facts();
    (facts.planned, facts.before) = (Some(plan), None);
    facts.booked = Some(Booked { transactions: 4, failed: 1, cost: u(14_000_000) });
    let report = Report::of(facts.clone());
    let uni = row(&report, "UNI");
    assert_eq!((uni.unit_before.unwrap().0, uni.unit_before_by), (u(3_000), Some("plan")));
    assert_eq!(uni.planned.unwrap().cost_bp.unwrap().to_string(), "60");
    assert_eq!(uni.cost_bp.unwrap().to_string(), "159.85");
    assert!(!report.warnings.iter().any(|w| w.contains("not the one")), "{:?}", report.warnings);
    let text = show::text(&report);
    let compared = "Planned at block 90 and realised: 5 trades and 4, 900000 gas and 860000, 60 and 98.82 \
                    bp of what was traded, at least 5m and 10m.";
    assert!(text.contains(compared), "{text}");
    assert!(text.contains("4 transactions, 1 of them reverted or given up"), "{text}");

    facts.start.targets[0].1 = u(1_001);
    let warnings = Report::of(facts).warnings;
    assert!(warnings.iter().any(|w| w.contains("not the one that was started")), "{warnings:?}");
}

#[test]
fn numbers_that_javascript_would_round_are_text() {
    let json = serde_json::to_value(Report::of(facts())).unwrap();
    assert_eq!(json["status"], "finished");
    assert_eq!((&json["chain_id"], &json["product"]), (&1.into(), &"idx".into()));
    assert_eq!(json["components"][1]["off_units"], "-10");
    assert_eq!(json["components"][1]["state"], "short");
    assert_eq!(json["totals"]["slippage"]["wei"], "40000000000000000");
    assert_eq!(json["totals"]["slippage"]["bp"], "88.88");
    assert_eq!(json["totals"]["gas_own"]["fee_wei"], "13000000");
    assert_eq!(json["started"]["block"], 100);
    assert_eq!(json["trades"][0]["hash"], B256::repeat_byte(2).to_string());
    let odd = |value: &serde_json::Value| value.as_f64().is_some_and(|n| n.abs() > 9e15);
    fn all(value: &serde_json::Value, odd: &dyn Fn(&serde_json::Value) -> bool) -> bool {
        match value {
            serde_json::Value::Array(items) => items.iter().any(|item| all(item, odd)),
            serde_json::Value::Object(fields) => fields.values().any(|item| all(item, odd)),
            other => odd(other),
        }
    }
    assert!(!all(&json, &odd), "{json:#}");
}

#[test]
fn the_page_has_all_of_it_and_nothing_of_a_tokens_name_becomes_markup() {
    let mut facts = facts();
    facts.tokens[0].symbol = "<b>".to_owned();
    let page = html::page(&Report::of(facts));
    for part in
        ["IDX: finished", "&lt;b&gt;", "AAVE", "98.82 bp", "Trade by trade", &OTHER.to_string()]
    {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("<b>"));
}
