//! The doubles speak the ABI of the contracts they stand for: that of the reference, and that of
//! the keeper's own interfaces.

use std::collections::BTreeMap;

use alloy::{
    hex,
    network::TransactionBuilder as _,
    primitives::{U256, keccak256},
    providers::Provider as _,
    rpc::types::TransactionRequest,
    sol_types::{SolCall, SolEvent, SolStruct, SolType},
};
use ballast_devnet::{
    Devnet, DevnetOptions, FliOptions, Tooling, Variant,
    doubles::{Contract, Doubles},
};
use ballast_fli::{
    contracts::ILeverageStrategyExtension::{
        self as Ext, ExchangeSettings, IncentiveSettings, MethodologySettings,
    },
    variant::Execution,
};
use eyre::Result;
use serde_json::Value;

/// The functions that all variants have in common: signature, selector, what they return.
const FUNCTIONS: &[(&str, &str, &str)] = &[
    ("rebalance(string)", "41212e9e", "()"),
    ("iterateRebalance(string)", "6ad5e3e1", "()"),
    ("ripcord(string)", "095f0273", "()"),
    ("engage(string)", "f8bdbda8", "()"),
    ("shouldRebalance()", "ae2c1d5f", "(string[],uint8[])"),
    ("shouldRebalanceWithBounds(uint256,uint256)", "89861cf9", "(string[],uint8[])"),
    ("getCurrentLeverageRatio()", "c31443bb", "(uint256)"),
    ("getChunkRebalanceNotional(string[])", "7e80c93e", "(uint256[],address,address)"),
    ("getCurrentEtherIncentive()", "b8e0eeb7", "(uint256)"),
    ("getEnabledExchanges()", "da390480", "(string[])"),
    ("enabledExchanges(uint256)", "cb7f5796", "(string)"),
    ("twapLeverageRatio()", "fdfb7091", "(uint256)"),
    ("globalLastTradeTimestamp()", "c1c7ff0c", "(uint256)"),
    ("getMethodology()", "04d7f3e7", "((uint256,uint256,uint256,uint256,uint256))"),
    ("getIncentive()", "dde5aa69", "((uint256,uint256,uint256,uint256))"),
    ("getExchangeSettings(string)", "1997789a", "((uint256,uint256,uint256,bytes,bytes))"),
    ("callAllowList(address)", "aea6cc80", "(bool)"),
    ("anyoneCallable()", "2d158e7d", "(bool)"),
    ("manager()", "481c6a75", "(address)"),
];

/// The events that all variants have in common, by signature and topic.
const EVENTS: &[(&str, &str)] = &[
    (
        "Rebalanced(uint256,uint256,uint256,uint256)",
        "6f55209924dba11af5ddabda4999b20d0ce3aa1847c56b67240ed1fc3590c134",
    ),
    (
        "RebalanceIterated(uint256,uint256,uint256,uint256)",
        "bba909c59ebdb6de1c7e9f168dae0e8934434ce708dda9f312d6f3a1d1a50259",
    ),
    (
        "RipcordCalled(uint256,uint256,uint256,uint256)",
        "3ef50471c967ac74a1fec015a5fb439eefe1994f80029752c082a26c3133c932",
    ),
    (
        "Engaged(uint256,uint256,uint256,uint256)",
        "ac3b8ab89a07bbb8dd4670bcfe29ef7d4eccea237222f49f997884d89947d53d",
    ),
    (
        "MethodologySettingsUpdated(uint256,uint256,uint256,uint256,uint256)",
        "69b7cb6b3922c6a0381263018e3350f753caa251b7426259cc918065dc1c45bd",
    ),
    (
        "IncentiveSettingsUpdated(uint256,uint256,uint256,uint256)",
        "26bc8aa9f7ec6c447f7831dbe144ee8e1c6ca04e62959e63e5b8002b0b4a5ce1",
    ),
    (
        "ExchangeAdded(string,uint256,uint256,uint256,bytes,bytes)",
        "d2df566766a30e4280d446b04d14012600df99b449ec4c4afe9201ff36047e53",
    ),
    (
        "ExchangeUpdated(string,uint256,uint256,uint256,bytes,bytes)",
        "53fdf113d6ccd58f1d643ab8402360c17a9d114d055d36c8766e84dfec76a934",
    ),
    ("ExchangeRemoved(string)", "d6acd22a732277ebc5ff0aa733e7c08652f8a2921d88558372cce63e40cfdaae"),
    (
        "CallerStatusUpdated(address,bool)",
        "bbf89f81f443eef9b97bfd2b7e260c0f575050d4094a0027dcf5d3623d9ef3ad",
    ),
    (
        "AnyoneCallableUpdated(bool)",
        "92f8cd47e301bde05ff0abd73cc198632f3ac64fa443a1afc3e47745b3ea1acb",
    ),
];

const AAVE_STRATEGY: &str = "((address,address,address,address,address,address,address,address,\
                             address,uint256,uint256))";
const AAVE_EXECUTION: &str = "((uint256,uint256,uint256))";
/// Of Aave's strategies; with another order than the tuple's.
const EXECUTION_UPDATED: (&str, &str) = (
    "ExecutionSettingsUpdated(uint256,uint256,uint256)",
    "b69986d7b36a79e7024b5654aa4006fbaeb1c553f3a0a8c79990b702fffd5cc6",
);

/// What a variant has of its own.
struct Own {
    double: &'static str,
    strategy: &'static str,
    execution: &'static str,
    functions: &'static [(&'static str, &'static str)],
}

const VARIANTS: [Own; 3] = [
    Own {
        double: "AaveV2StrategyDouble",
        strategy: AAVE_STRATEGY,
        execution: AAVE_EXECUTION,
        functions: &[],
    },
    Own {
        double: "AaveV3StrategyDouble",
        strategy: AAVE_STRATEGY,
        execution: AAVE_EXECUTION,
        functions: &[
            ("currentEModeCategoryId()", "(uint8)"),
            ("overrideNoRebalanceInProgress()", "(bool)"),
            ("lendingPoolAddressesProvider()", "(address)"),
        ],
    },
    Own {
        double: "MorphoStrategyDouble",
        strategy: "((address,address,address,address))",
        execution: "((uint256,uint256,uint256,uint256))",
        functions: &[("overrideNoRebalanceInProgress()", "(bool)")],
    },
];

#[tokio::test]
async fn they_have_the_abi_of_the_reference() -> Result<()> {
    let doubles = Doubles::compiled(&Tooling::locate()?).await?;
    for own in VARIANTS {
        let contract = doubles.contract(own.double)?;
        let returns = returns(contract);
        let own_tuples = [
            ("getStrategy()", "07da0603", own.strategy),
            ("getExecution()", "63f8cb20", own.execution),
        ];
        for (signature, selector, expected) in FUNCTIONS.iter().copied().chain(own_tuples) {
            let who = format!("{}: {signature}", own.double);
            let has = contract.selectors.get(signature).map(String::as_str);
            assert_eq!(has, Some(selector), "{who}");
            assert_eq!(returns.get(signature).map(String::as_str), Some(expected), "{who}");
        }
        for (signature, expected) in own.functions {
            let has = returns.get(*signature).map(String::as_str);
            assert_eq!(has, Some(*expected), "{}: {signature}", own.double);
        }
        let is_aave_v3 = contract.selectors.contains_key("currentEModeCategoryId()");
        assert_eq!(is_aave_v3, own.double == "AaveV3StrategyDouble", "it is what tells them apart");
        let updated = (own.execution == AAVE_EXECUTION).then_some(EXECUTION_UPDATED);
        let events = signatures(contract, "event");
        for (signature, topic) in EVENTS.iter().copied().chain(updated) {
            assert!(events.iter().any(|has| has == signature), "{}: {signature}", own.double);
            assert_eq!(hex::encode(keccak256(signature)), topic, "{signature}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn they_answer_what_the_keeper_asks() -> Result<()> {
    let doubles = Doubles::compiled(&Tooling::locate()?).await?;
    for own in VARIANTS {
        let contract = doubles.contract(own.double)?;
        let returns = returns(contract);
        macro_rules! check {
            ($($call:ident),* $(,)?) => { $(
                let who = format!("{}: {}", own.double, Ext::$call::SIGNATURE);
                let selector = contract.selectors.get(Ext::$call::SIGNATURE);
                assert_eq!(selector, Some(&hex::encode(Ext::$call::SELECTOR)), "{who}");
                let has = returns.get(Ext::$call::SIGNATURE);
                assert_eq!(has, Some(&returned::<Ext::$call>()), "{who}");
            )* };
        }
        check!(
            rebalanceCall,
            iterateRebalanceCall,
            ripcordCall,
            shouldRebalanceCall,
            shouldRebalanceWithBoundsCall,
            getCurrentLeverageRatioCall,
            getChunkRebalanceNotionalCall,
            getEnabledExchangesCall,
            twapLeverageRatioCall,
            globalLastTradeTimestampCall,
            getMethodologyCall,
            getIncentiveCall,
            getExchangeSettingsCall,
            callAllowListCall,
            anyoneCallableCall,
        );
        let events = signatures(contract, "event");
        for signature in [
            Ext::Rebalanced::SIGNATURE,
            Ext::RebalanceIterated::SIGNATURE,
            Ext::RipcordCalled::SIGNATURE,
        ] {
            assert!(events.iter().any(|has| has == signature), "{}: {signature}", own.double);
        }
    }
    // The older strategy has the selector and another answer.
    let adapter = doubles.contract("SingleExchangeAdapterDouble")?;
    assert_eq!(returns(adapter)[Ext::shouldRebalanceCall::SIGNATURE], "(uint8)");
    assert!(!adapter.selectors.contains_key(Ext::rebalanceCall::SIGNATURE));
    assert!(adapter.selectors.contains_key("rebalance()"));
    Ok(())
}

/// The two answers that are told apart by their length, as they are on a chain.
#[tokio::test]
async fn their_tuples_have_the_lengths_that_tell_them_apart() -> Result<()> {
    let fli = FliOptions { doubles: true, ..FliOptions::default() };
    let devnet = Devnet::start(DevnetOptions { fli, ..DevnetOptions::default() }).await?;
    for product in devnet.products() {
        let raw = async |data: Vec<u8>| -> Result<_> {
            let request = TransactionRequest::default().with_to(product.strategy).with_input(data);
            Ok(devnet.node().provider().call(request).await?)
        };
        let strategy = raw(Ext::getStrategyCall {}.abi_encode()).await?;
        let execution = raw(Ext::getExecutionCall {}.abi_encode()).await?;
        let expected = if product.variant == Variant::Morpho { (128, 128) } else { (352, 96) };
        assert_eq!((strategy.len(), execution.len()), expected, "{}", product.symbol);
        assert_eq!(&strategy[12..32], product.set_token.as_slice(), "{}", product.symbol);
        let execution =
            Execution::decode(known(product.variant), execution).expect("the words of its variant");
        assert_eq!(execution.twap_cooldown_period, U256::from(600), "{}", product.symbol);
    }
    Ok(())
}

/// The keeper's word for a variant of the devnet.
fn known(variant: Variant) -> ballast_fli::variant::Variant {
    match variant {
        Variant::Compound => ballast_fli::variant::Variant::Compound,
        Variant::AaveV2 => ballast_fli::variant::Variant::AaveV2,
        Variant::AaveV3 => ballast_fli::variant::Variant::AaveV3,
        Variant::Morpho => ballast_fli::variant::Variant::Morpho,
    }
}

/// What a call of the keeper's returns, in canonical types: names of structs are written out.
fn returned<C: SolCall>() -> String {
    let name = <C::ReturnTuple<'_> as SolType>::SOL_NAME.to_owned();
    let structs = [
        (MethodologySettings::NAME, MethodologySettings::eip712_root_type()),
        (IncentiveSettings::NAME, IncentiveSettings::eip712_root_type()),
        (ExchangeSettings::NAME, ExchangeSettings::eip712_root_type()),
    ];
    structs.into_iter().fold(name, |name, (of, fields)| {
        let fields = fields.trim_start_matches(of).trim_matches(['(', ')']);
        let types: Vec<_> = fields.split(',').filter_map(|f| f.split(' ').next()).collect();
        name.replace(of, &format!("({})", types.join(",")))
    })
}

/// What each function of a contract returns, by its signature.
fn returns(contract: &Contract) -> BTreeMap<String, String> {
    let functions = contract.abi.iter().filter(|entry| entry["type"] == "function");
    functions.map(|entry| (signature(entry), types(&entry["outputs"]))).collect()
}

fn signatures(contract: &Contract, kind: &str) -> Vec<String> {
    contract.abi.iter().filter(|entry| entry["type"] == kind).map(signature).collect()
}

fn signature(entry: &Value) -> String {
    format!("{}{}", entry["name"].as_str().unwrap_or_default(), types(&entry["inputs"]))
}

fn types(parameters: &Value) -> String {
    let each = parameters.as_array().into_iter().flatten().map(|parameter| {
        let name = parameter["type"].as_str().unwrap_or_default();
        match name.strip_prefix("tuple") {
            Some(array) => format!("{}{array}", types(&parameter["components"])),
            None => name.to_owned(),
        }
    });
    format!("({})", each.collect::<Vec<_>>().join(","))
}
