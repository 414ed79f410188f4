//! The doubles' ABI and words against the tables of the reference, `basis.md` §1, copied here by hand.

use std::collections::BTreeSet;

use alloy::primitives::keccak256;
use ballast_devnet::{
    Tooling,
    doubles::{Contract, Doubles},
};
use serde_json::Value;

/// Signature, selector, and what it returns, `view` or not.
const FUNCTIONS: &[(&str, &str, &str, &str)] = &[
    ("rebalance()", "7d7c2a1c", "nonpayable", ""),
    ("iterateRebalance()", "7072b3e5", "nonpayable", ""),
    ("ripcord()", "7a993327", "nonpayable", ""),
    ("reinvest()", "fdb5a03e", "nonpayable", ""),
    ("shouldRebalance()", "ae2c1d5f", "view", "uint8"),
    ("shouldRebalanceWithBounds(int256,int256)", "fc02ba33", "view", "uint8"),
    ("getCurrentLeverageRatio()", "c31443bb", "view", "int256"),
    (
        "getChunkRebalanceNotional()",
        "997847a0",
        "view",
        "int256 size,address sellAssetOnPerp,address buyAssetOnPerp,address sellAssetOnDex,address buyAssetOnDex",
    ),
    ("getCurrentEtherIncentive()", "b8e0eeb7", "view", "uint256"),
    ("twapLeverageRatio()", "fdfb7091", "view", "int256"),
    ("lastTradeTimestamp()", "19f18dee", "view", "uint256"),
    ("lastReinvestTimestamp()", "5c2f9005", "view", "uint256"),
    ("anyoneCallable()", "2d158e7d", "view", "bool"),
    ("callAllowList(address)", "aea6cc80", "view", "bool"),
    ("manager()", "481c6a75", "view", "address"),
    (
        "getStrategy()",
        "07da0603",
        "view",
        "(address setToken,address basisTradingModule,address tradeModule,address quoter,address perpV2AccountBalance,address baseUSDPriceOracle,uint256 twapInterval,uint256 basePriceDecimalAdjustment,address virtualBaseAddress,address virtualQuoteAddress,address spotAssetAddress)",
    ),
    (
        "getMethodology()",
        "04d7f3e7",
        "view",
        "(int256 targetLeverageRatio,int256 minLeverageRatio,int256 maxLeverageRatio,uint256 recenteringSpeed,uint256 rebalanceInterval,uint256 reinvestInterval,uint256 minReinvestUnits)",
    ),
    (
        "getExecution()",
        "63f8cb20",
        "view",
        "(uint256 slippageTolerance,uint256 twapCooldownPeriod)",
    ),
    (
        "getIncentive()",
        "dde5aa69",
        "view",
        "(uint256 etherReward,int256 incentivizedLeverageRatio,uint256 incentivizedSlippageTolerance,uint256 incentivizedTwapCooldownPeriod)",
    ),
    (
        "getExchangeSettings()",
        "b454346f",
        "view",
        "(string exchangeName,bytes buyExactSpotTradeData,bytes sellExactSpotTradeData,bytes buySpotQuoteExactInputPath,uint256 twapMaxTradeSize,uint256 incentivizedTwapMaxTradeSize)",
    ),
    ("engage()", "4a166f68", "nonpayable", ""),
    ("disengage()", "ee63021a", "nonpayable", ""),
];

/// The operator's, of which the reference gives names alone, as they follow from the tuples.
const UNLISTED: &[&str] = &[
    "deposit(uint256)",
    "withdraw(uint256)",
    "withdrawEtherBalance()",
    "setMethodologySettings((int256,int256,int256,uint256,uint256,uint256,uint256))",
    "setExecutionSettings((uint256,uint256))",
    "setIncentiveSettings((uint256,int256,uint256,uint256))",
    "setExchangeSettings((string,bytes,bytes,bytes,uint256,uint256))",
    "updateCallerStatus(address[],bool[])",
    "updateAnyoneCallable(bool)",
];

/// Parameters as the reference writes them, and the topic.
const EVENTS: &[(&str, &str, &str)] = &[
    (
        "Rebalanced",
        "int256 _currentLeverageRatio,int256 _newLeverageRatio,int256 _chunkPerpRebalanceNotional,int256 _totalPerpRebalanceNotional",
        "9faf13e67eb59b24c0185b87d3dac614f48afc8010972f4be9a2bcf20952f54b",
    ),
    (
        "RebalanceIterated",
        "int256 _currentLeverageRatio,int256 _newTwapLeverageRatio,int256 _chunkPerpRebalanceNotional,int256 _totalPerpRebalanceNotional",
        "df7fb8b9bcbc59ca0c2b2a61f2f424b729c96c1e35315fe7655bd4cf5a7dbf62",
    ),
    (
        "RipcordCalled",
        "int256 _currentLeverageRatio,int256 _newLeverageRatio,int256 _perpRebalanceNotional,uint256 _etherIncentive",
        "d775566602e8e77e13657cdbd2c044b00e9b924cd3afc13d38992089c79c2363",
    ),
    (
        "Reinvested",
        "uint256 _usdcReinvestedNotional,uint256 _spotRebalanceNotional",
        "61d66d8767ff702762e19c18b3cf4a23e2eef70b62fde2720244871ba6d796c7",
    ),
    (
        "Engaged",
        "int256,int256,int256,int256",
        "295d4d3f780ce729bef78fb896bba7da425bf29a7e2dcfb174c21fbfbab40fc3",
    ),
    (
        "Disengaged",
        "int256,int256,int256,int256",
        "488bb561cc455fb27af7528ae8f1deea46a621795030dc0bd6387d0d072468e5",
    ),
    (
        "MethodologySettingsUpdated",
        "int256,int256,int256,uint256,uint256,uint256,uint256",
        "9556d5f0effc1ebdbf61b4ba20fababf4dec8ee97e83bd119f5f99e1c53b4d25",
    ),
    (
        "ExecutionSettingsUpdated",
        "uint256 _twapCooldownPeriod,uint256 _slippageTolerance",
        "e1432669c493dcffb10700bd239eee50e3efe7be0035d6e7ac8e8b1e2ce3ab04",
    ),
    (
        "IncentiveSettingsUpdated",
        "uint256 _etherReward,int256 _incentivizedLeverageRatio,uint256 _incentivizedSlippageTolerance,uint256 _incentivizedTwapCooldownPeriod",
        "3b50408b5f322f070e928b3dd15140a0010fce1a340faa0249a38463bbd75b9d",
    ),
    (
        "ExchangeSettingsUpdated",
        "string,bytes,bytes,bytes,uint256,uint256",
        "5e565995c4486f01acd51a340096269ad15d4bf74c561a8ae3306be378e6f770",
    ),
    (
        "CallerStatusUpdated",
        "address indexed _caller,bool _status",
        "bbf89f81f443eef9b97bfd2b7e260c0f575050d4094a0027dcf5d3623d9ef3ad",
    ),
    (
        "AnyoneCallableUpdated",
        "bool indexed _status",
        "92f8cd47e301bde05ff0abd73cc198632f3ac64fa443a1afc3e47745b3ea1acb",
    ),
];

/// "From the extension", in §1.5.
const REFUSALS: &[&str] = &[
    "Caller must be EOA Address",
    "Address not permitted to call",
    "SetToken must have > 0 supply",
    "Current leverage ratio must NOT be 0",
    "Must be below incentivized leverage ratio",
    "Must be above incentivized leverage ratio",
    "Cooldown not elapsed or not valid leverage ratio",
    "TWAP cooldown must have elapsed",
    "Must call iterate",
    "Not in TWAP state",
    "Reinvestment interval not elapsed",
    "Invalid leverage ratio",
    "Zero accrued funding",
    "Rebalance is currently in progress",
    "Custom bounds must be valid",
    "Must be operator",
    "PerpV2 collateral balance must be 0",
    "Must be valid min leverage",
    "Must be valid max leverage",
    "Must be valid target leverage",
    "Must be valid recentering speed",
    "Must be valid min reinvest units",
    "Slippage tolerance must be <100%",
    "Incentivized slippage tolerance must be <100%",
    "Must be valid incentivized leverage ratio",
    "Incentivized leverage ratio must be > max leverage ratio",
    "Rebalance interval must be greater than TWAP cooldown period",
    "TWAP cooldown must be greater than incentivized TWAP cooldown",
    "Invalid exchange name",
    "Max TWAP trade size must not be 0",
    "Max TWAP trade size must not be greater than incentivized max TWAP trade size",
    "Invalid buyExactSpotTradeData data",
    "Invalid sellExactSpotTradeData data",
    "Invalid buySpotQuoteExactInputPath data",
    "Array length mismatch",
    "Array length must be > 0",
    "Cannot duplicate callers",
];

/// From the exchange adapter, in the second table of §1.5.
const OF_THE_ADAPTER: &[&str] =
    &["Source token path mismatch", "Destination token path mismatch", "Invalid data"];

async fn double(name: &str) -> Contract {
    let tooling = Tooling::locate().unwrap();
    Doubles::compiled(&tooling).await.unwrap().contract(name).unwrap().clone()
}

fn entries<'a>(contract: &'a Contract, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    contract.abi.iter().filter(move |entry| entry["type"] == kind)
}

fn signature(entry: &Value) -> String {
    format!("{}({})", entry["name"].as_str().unwrap(), list(&entry["inputs"], false))
}

/// Types, with names where the ABI has them: `int256 size,address sellAsset`.
fn list(parameters: &Value, named: bool) -> String {
    let parameters = parameters.as_array().unwrap().iter().map(|parameter| {
        let kind = parameter["type"].as_str().unwrap();
        let kind = match kind.strip_prefix("tuple") {
            Some(rest) => format!("({}){rest}", list(&parameter["components"], named)),
            None => kind.to_owned(),
        };
        let indexed = if parameter["indexed"] == true && named { " indexed" } else { "" };
        match parameter["name"].as_str() {
            Some(name) if named && !name.is_empty() => format!("{kind}{indexed} {name}"),
            _ => kind,
        }
    });
    parameters.collect::<Vec<_>>().join(",")
}

#[tokio::test]
async fn the_functions_are_the_references() {
    let double = double("BasisStrategyDouble").await;
    let mut listed = BTreeSet::new();
    for (signature, selector, mutability, returns) in FUNCTIONS {
        assert_eq!(
            double.selectors.get(*signature).map(String::as_str),
            Some(*selector),
            "{signature}"
        );
        let name = signature.split('(').next().unwrap();
        let entry = entries(&double, "function").find(|entry| entry["name"] == name).unwrap();
        assert_eq!(entry["stateMutability"], *mutability, "{signature}");
        assert_eq!(list(&entry["outputs"], true), *returns, "{signature}");
        listed.insert((*signature).to_owned());
    }
    listed.extend(UNLISTED.iter().map(|signature| (*signature).to_owned()));
    let all: BTreeSet<_> = double.selectors.keys().cloned().collect();
    assert_eq!(all, listed, "the double has more than the real one, or less");
}

#[tokio::test]
async fn the_events_are_the_references() {
    let double = double("BasisStrategyDouble").await;
    for (name, parameters, topic) in EVENTS {
        let entry = entries(&double, "event").find(|entry| entry["name"] == *name).expect(name);
        assert_eq!(keccak256(signature(entry)).to_string(), format!("0x{topic}"), "{name}");
        // Where the reference gives types alone, nothing is indexed, which the topic cannot tell.
        let named = parameters.contains(' ');
        assert_eq!(list(&entry["inputs"], named), *parameters, "{name}");
        let indexed =
            entry["inputs"].as_array().unwrap().iter().any(|input| input["indexed"] == true);
        assert_eq!(indexed, parameters.contains(" indexed "), "{name}");
    }
    assert_eq!(entries(&double, "event").count(), EVENTS.len());
}

/// The words of every `require` of these sources.
fn words(sources: &[&str]) -> BTreeSet<String> {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts");
    let mut words = BTreeSet::new();
    for source in sources {
        let text = std::fs::read_to_string(dir.join(source)).unwrap();
        for statement in text.split("require(").skip(1) {
            let statement = statement.split(";\n").next().unwrap();
            words.extend(statement.rsplit('"').nth(1).map(str::to_owned));
        }
    }
    words
}

fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn the_refusals_are_the_references() {
    let mut said = words(&["BasisSettings.sol", "BasisStrategyDouble.sol"]);
    // Of the arithmetic, as the real one's: it has none of its own in the reference.
    assert!(said.remove("Cant divide by 0"));
    assert_eq!(said, set(REFUSALS));
    assert_eq!(words(&["ExactOutputAdapterDouble.sol"]), set(OF_THE_ADAPTER));
}

#[tokio::test]
async fn the_adapter_has_the_first_ones_functions_and_a_flag() {
    let double = double("ExactOutputAdapterDouble").await;
    let all: Vec<_> = double.selectors.keys().map(String::as_str).collect();
    assert_eq!(
        all,
        [
            "generateDataParam(address[],uint24[],bool)",
            "getSpender()",
            "getTradeCalldata(address,address,address,uint256,uint256,bytes)",
            "swapRouter()",
        ]
    );
}
