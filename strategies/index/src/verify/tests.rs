mod envelope;
mod left_behind;
mod limits;

use alloy::{
    primitives::{Bytes, address},
    signers::{SignerSync as _, local::PrivateKeySigner},
    sol_types::SolCall,
};
use ballast_strategy_api::safe_batch::{Batch, Call, read::read};

use super::*;
use crate::{
    contracts::IExtension::{setTradeMaximumsCall, setTraderStatusCall},
    decimal::fixed,
    exchange::Desk,
    plan::{
        StartCall,
        input::{self, Kind},
        state::{Origin, Quotes, Token},
        work::{File, components, work},
    },
    quote::Hop,
    venue::Venue,
};

const EXTENSION: Address = Address::repeat_byte(0xe0);
const WETH: Address = Address::repeat_byte(0xee);
const SAFE: Address = Address::repeat_byte(0x5a);
const SHA: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const PRICES: &str = "symbol,price\nAAA,50\nBBB,1\nCCC,7\nWETH,1000\n";

/// `price` in a currency in which ether costs 1,000: that is what its pool says too.
fn token(place: u8, symbol: &str, decimals: u8, unit: &str, price: u64) -> Token {
    let whole = |text: &str| fixed(text, decimals.into()).unwrap();
    Token {
        address: Address::repeat_byte(place),
        symbol: symbol.to_owned(),
        decimals,
        origin: if unit == "0" { Origin::Named } else { Origin::Held },
        unit: whole(unit),
        target_unit: U256::ZERO,
        max_size: whole("100"),
        cool_off: U256::from(600),
        last_trade: U256::ONE,
        exchange: "UniswapV2IndexExchangeAdapter".to_owned(),
        exchange_data: Bytes::new(),
        venue: Venue::Pools(vec![Hop {
            reserve_in: whole("1000000"),
            reserve_out: fixed("1000", 18).unwrap() * U256::from(price),
            fee: 3_000,
        }]),
        pools: Vec::new(),
        factory: Address::ZERO,
        quotes: Quotes::new(),
    }
}

/// 100 tokens of 100 each: half of it AAA (18 decimals, at 50), half BBB (6, at 1); CCC (8) is new.
fn index() -> Index {
    Index {
        set_token: Address::repeat_byte(0xaa),
        symbol: "IDX".to_owned(),
        supply: fixed("100", 18).unwrap(),
        multiplier: fixed("0.99", 18).unwrap(),
        weth: WETH,
        protocol_fee: U256::ZERO,
        started_at: ONE,
        raise: U256::ZERO,
        rebalancing: Vec::new(),
        desk: Desk { registry: WETH, module: WETH, weth: WETH },
        tokens: vec![
            token(1, "AAA", 18, "1", 50),
            token(2, "BBB", 6, "50", 1),
            token(3, "CCC", 8, "0", 7),
        ],
    }
}

fn limits() -> Limits {
    let share = |text| fixed(text, 18).unwrap();
    Limits {
        cap: None,
        count: None,
        turnover: None,
        drift: share("0.25"),
        slippage: share("0.02"),
        pools: share("0.02"),
        seconds: 86_400,
        units: U256::ZERO,
        prices: share("0.005"),
        unmeasured: false,
        traders: Vec::new(),
        anyone: false,
    }
}

/// The index, what the weights make of it, and a batch that a plan would write.
struct Case {
    index: Index,
    work: Work,
    components: Vec<Component>,
    market: Market,
    batch: Batch,
}

impl Case {
    fn of(index: Index) -> Self {
        Self::weighted(index, "symbol,weight\nAAA,60%\nBBB,27.77%\nCCC,12.23%\n")
    }

    fn weighted(index: Index, weights: &str) -> Self {
        let weights = input::read("w", weights.as_bytes(), Kind::Weights).unwrap();
        let prices = input::read("p", PRICES.as_bytes(), Kind::Prices).unwrap();
        let (weights, prices) =
            (File { name: "w", entries: &weights }, File { name: "p", entries: &prices });
        let components = components(&index, weights, prices).unwrap();
        let work = work(&index, weights, prices, U256::ZERO).unwrap();
        let market = Market::of(&index, &components, prices);
        let call = Call { to: EXTENSION, value: U256::ZERO, data: StartCall::of(&work).data };
        let batch = Batch {
            chain_id: 1,
            safe: SAFE,
            name: "IDX rebalance".to_owned(),
            description: format!("Weights w sha256 {SHA}."),
            created_at: 1_700_000_000,
            calls: vec![call],
        };
        Self { index, work, components, market, batch }
    }

    fn checks(&self, limits: &Limits) -> Vec<Check> {
        let batch = read(&self.batch.to_json().unwrap()).unwrap();
        self.subject(|subject| subject.proposal(limits, Some(&batch)).unwrap())
    }

    fn subject<T>(&self, run: impl FnOnce(Subject<'_>) -> T) -> T {
        let steward = Steward {
            manager: Address::repeat_byte(0x3a),
            extensions: vec![EXTENSION],
            operator: Some(SAFE),
        };
        run(Subject {
            index: &self.index,
            steward: &steward,
            safe: Some(SAFE),
            chain_id: 1,
            work: &self.work,
            components: &self.components,
            market: self.market,
            haircut: U256::ZERO,
            weights_sha256: SHA,
        })
    }

    fn start(&self) -> startRebalanceWithUnitsCall {
        startRebalanceWithUnitsCall::abi_decode(&self.batch.calls[0].data).unwrap()
    }

    /// The same with another start of the rebalance.
    fn altered(
        alter: impl FnOnce(&mut startRebalanceWithUnitsCall),
    ) -> Vec<(&'static str, String)> {
        let mut case = Self::of(index());
        let mut start = case.start();
        alter(&mut start);
        case.batch.calls[0].data = start.abi_encode().into();
        failed(&case.checks(&limits()))
    }
}

fn failed(checks: &[Check]) -> Vec<(&'static str, String)> {
    let failed = checks.iter().filter(|check| !check.passed);
    failed.map(|check| (check.name, check.what.clone())).collect()
}

fn names(failed: &[(&'static str, String)]) -> Vec<&'static str> {
    failed.iter().map(|(name, _)| *name).collect()
}

#[test]
fn what_a_plan_wrote_passes() {
    let case = Case::of(index());
    let checks = case.checks(&limits());
    assert_eq!(failed(&checks), []);
    assert!(checks.len() > 12, "{checks:#?}");
}

#[test]
fn a_unit_that_is_off_by_one_is_refused() {
    let said = Case::altered(|start| start.targetUnits[1] -= U256::ONE);
    assert_eq!(said, [("batch units", "BBB: 27769999, worked out here 27770000".to_owned())]);
    let mut case = Case::of(index());
    let mut start = case.start();
    start.targetUnits[1] -= U256::from(20_000);
    case.batch.calls[0].data = start.abi_encode().into();
    let tolerant = |text| Limits { units: fixed(text, 18).unwrap(), ..limits() };
    assert_eq!(failed(&case.checks(&tolerant("0.001"))), []);
    assert_eq!(names(&failed(&case.checks(&tolerant("0.0001")))), ["batch units"]);
}

#[test]
fn a_duplicate_does_not_hide_what_is_missing() {
    let said = Case::altered(|start| start.components[1] = start.components[0]);
    assert_eq!(
        said[0],
        ("batch components", "AAA stands twice; BBB is missing".to_owned()),
        "{said:?}"
    );
    let said = Case::altered(|start| {
        start.components.pop();
        start.targetUnits.pop();
    });
    assert!(said.contains(&("batch components", "CCC is missing".to_owned())), "{said:?}");
    let said = Case::altered(|start| {
        start.components.push(EXTENSION);
        start.targetUnits.push(U256::ONE);
    });
    assert_eq!(names(&said), ["batch components"]);
    let said = Case::altered(|start| start.targetUnits.push(U256::ONE));
    assert!(names(&said).contains(&"batch components"), "{said:?}");
}

#[test]
fn the_multiplier_is_that_of_the_index_or_a_little_before() {
    for multiplier in ["0", "1", "0.989999999999999999", "1.1"] {
        let multiplier = fixed(multiplier, 18).unwrap();
        let said = Case::altered(|start| start.positionMultiplier = multiplier);
        assert!(names(&said).contains(&"batch multiplier"), "{multiplier}: {said:?}");
    }
    // A fee accrued since, and the units are of then: the module scales them down to those of now.
    let before = fixed("0.991", 18).unwrap();
    let scaled = |start: &mut startRebalanceWithUnitsCall| {
        start.positionMultiplier = before;
        for unit in &mut start.targetUnits {
            *unit = *unit * before / fixed("0.99", 18).unwrap();
        }
    };
    assert_eq!(Case::altered(scaled), []);
    // Units of now with the multiplier of then would all be scaled down.
    let said = Case::altered(|start| start.positionMultiplier = before);
    assert_eq!(names(&said), ["batch units"], "{said:?}");
    assert!(said[0].1.contains("by the multiplier of now"), "{said:?}");
}

#[test]
fn units_of_other_weights_are_seen_whatever_the_tolerance() {
    let mut case = Case::of(index());
    let mut start = case.start();
    (start.targetUnits[0], start.targetUnits[2]) =
        (fixed("1.21", 18).unwrap(), fixed("1.67", 8).unwrap());
    case.batch.calls[0].data = start.abi_encode().into();
    let tolerant = Limits { units: fixed("0.1", 18).unwrap(), ..limits() };
    let said = failed(&case.checks(&tolerant));
    assert_eq!(names(&said), ["weights rebuilt"]);
    assert!(said[0].1.contains("AAA: 60.5"), "{said:?}");
    let said = Case::altered(|start| start.targetUnits[0] *= U256::from(2));
    assert_eq!(names(&said), ["batch units", "weights rebuilt", "value"], "{said:?}");
}

#[test]
fn what_was_executed_is_what_the_module_holds_whatever_was_traded_since() {
    let mut case = Case::of(index());
    let start = case.start();
    case.index.rebalancing = start.components.clone();
    case.index.started_at = start.positionMultiplier;
    for (token, unit) in case.index.tokens.iter_mut().zip(&start.targetUnits) {
        token.target_unit = *unit;
    }
    let batch = read(&case.batch.to_json().unwrap()).unwrap();
    let executed =
        |case: &Case| failed(&case.subject(|subject| subject.done(&limits(), &batch).unwrap()));
    assert_eq!(executed(&case), []);
    // All of AAA's trades are done, at some cost; what is worked out from now on is something else.
    case.index.tokens[0].unit = case.index.tokens[0].target_unit;
    case.index.tokens[1].unit = fixed("39.9", 6).unwrap();
    let (work, components) = (&mut case.work, &mut case.components);
    for row in &mut work.rows {
        row.target_unit -= row.target_unit / U256::from(500);
    }
    components[0].unit = case.index.tokens[0].unit;
    components[1].unit = case.index.tokens[1].unit;
    assert_eq!(executed(&case), []);
    assert!(names(&failed(&case.checks(&limits()))).contains(&"batch units"));
    // Targets were raised once.
    case.index.raise = fixed("0.0025", 18).unwrap();
    case.index.started_at = start.positionMultiplier * ONE / (ONE + case.index.raise);
    assert_eq!(executed(&case), []);
    case.index.tokens[2].target_unit += U256::ONE;
    let said = executed(&case);
    assert_eq!(names(&said), ["chain units"]);
    assert!(said[0].1.starts_with("CCC: "), "{said:?}");
    case.index.rebalancing.pop();
    case.index.started_at = ONE;
    assert_eq!(names(&executed(&case)), ["chain components", "chain units", "chain multiplier"]);
}
