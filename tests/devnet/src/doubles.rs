//! Solidity stand-ins for contracts whose bytecode no package ships, compiled here.
//!
//! The leverage strategies for Aave V2, Aave V3 and Morpho and what they read of their markets, the
//! strategy from before several exchanges were served, and the strategy for basis trading with its
//! exchange adapter and feed. Each source says at its head what it is a double of. What they have in common with the published strategy for Compound is held against it
//! by `tests/doubles.rs`; their ABI is held against the keeper's by the end-to-end tests.
//!
//! Compiling takes ten seconds, so it is done once per source state and compiler version.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Stdio, time::Duration};

use alloy::primitives::{Bytes, hex, keccak256};
use eyre::{Context as _, OptionExt as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, process::Command, time::timeout};

use crate::{
    Tooling,
    cache::{Lock, folder, locked, put},
};

/// Longest time for compiling everything, on a machine that is busy with other things.
const COMPILE_TIMEOUT: Duration = Duration::from_secs(300);
/// The compiler is a library for node: standard JSON in, standard JSON out.
const SCRIPT: &str =
    "process.stdout.write(require('solc').compile(require('fs').readFileSync(0, 'utf8')))";
/// What is compiled, by the names under which the sources import one another.
pub(crate) const SOURCES: &[(&str, &str)] = &[
    ("AaveStrategyDoubles.sol", include_str!("../contracts/AaveStrategyDoubles.sol")),
    ("Arithmetic.sol", include_str!("../contracts/Arithmetic.sol")),
    ("BasisDecisionHarness.sol", include_str!("../contracts/BasisDecisionHarness.sol")),
    ("BasisInterfaces.sol", include_str!("../contracts/BasisInterfaces.sol")),
    ("BasisSettings.sol", include_str!("../contracts/BasisSettings.sol")),
    ("BasisStrategyDouble.sol", include_str!("../contracts/BasisStrategyDouble.sol")),
    ("ExactOutputAdapterDouble.sol", include_str!("../contracts/ExactOutputAdapterDouble.sol")),
    ("Interfaces.sol", include_str!("../contracts/Interfaces.sol")),
    ("LendingDoubles.sol", include_str!("../contracts/LendingDoubles.sol")),
    ("LeverageStrategyDouble.sol", include_str!("../contracts/LeverageStrategyDouble.sol")),
    ("MarketDoubles.sol", include_str!("../contracts/MarketDoubles.sol")),
    ("MorphoStrategyDouble.sol", include_str!("../contracts/MorphoStrategyDouble.sol")),
    ("PackedPath.sol", include_str!("../contracts/PackedPath.sol")),
    ("PriceFeedDouble.sol", include_str!("../contracts/PriceFeedDouble.sol")),
    ("ProductTokenDouble.sol", include_str!("../contracts/ProductTokenDouble.sol")),
    ("SignedArithmetic.sol", include_str!("../contracts/SignedArithmetic.sol")),
    (
        "SingleExchangeAdapterDouble.sol",
        include_str!("../contracts/SingleExchangeAdapterDouble.sol"),
    ),
];

/// All doubles, compiled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubles(BTreeMap<String, Contract>);

/// One compiled contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contract {
    /// Its ABI, as the compiler writes it: a list of functions, events and errors.
    pub abi: Vec<Value>,
    /// Its creation code; empty for interfaces and abstract contracts.
    pub code: Bytes,
    /// Its runtime code, for placing it without a deployment; not of use with immutable values.
    pub runtime: Bytes,
    /// The selector of each function by its signature, in hex without prefix.
    pub selectors: BTreeMap<String, String>,
}

impl Doubles {
    /// Compiles the doubles, or takes them from `target/devnet-contracts` if they have been
    /// compiled before.
    ///
    /// # Errors
    ///
    /// If node or the compiler are missing, or the compiler finds anything to say: its words are
    /// the error's.
    pub async fn compiled(tooling: &Tooling) -> Result<Self> {
        let version = tooling.solc_version()?;
        let input = input()?;
        let identity = keccak256([version.as_bytes(), &input].concat());
        let key = hex::encode(identity.get(..8).ok_or_eyre("a hash has 32 bytes")?);
        let cached: PathBuf = folder(tooling, "devnet-contracts")?.join(format!("{key}.json"));
        let _lock = locked(&cached.with_extension("lock"), Lock::Exclusive).await?;
        if let Ok(text) = fs::read(&cached)
            && let Ok(doubles) = serde_json::from_slice(&text)
        {
            return Ok(doubles);
        }
        let output = compile(tooling, &input).await.wrap_err("compiling the doubles")?;
        let doubles = read(&output)?;
        put(&cached, &serde_json::to_vec(&doubles)?)?;
        Ok(doubles)
    }

    /// A contract by its name.
    ///
    /// # Errors
    ///
    /// If no source has it.
    pub fn contract(&self, name: &str) -> Result<&Contract> {
        self.0.get(name).ok_or_eyre(format!("no double is called {name}"))
    }

    /// The creation code of a contract that can be deployed.
    pub(crate) fn code(&self, name: &str) -> Result<&Bytes> {
        let code = &self.contract(name)?.code;
        ensure!(!code.is_empty(), "{name} cannot be deployed");
        Ok(code)
    }
}

/// The compiler's task. The virtual machine is the oldest that the sources need: doubles should run
/// wherever the published contracts do.
fn input() -> Result<Vec<u8>> {
    let sources: BTreeMap<_, _> =
        SOURCES.iter().map(|(name, content)| (name, json!({ "content": content }))).collect();
    let input = json!({
        "language": "Solidity",
        "sources": sources,
        "settings": {
            "optimizer": { "enabled": true, "runs": 200 },
            "evmVersion": "paris",
            "outputSelection": {
                "*": { "*": [
                    "abi",
                    "evm.bytecode.object",
                    "evm.deployedBytecode.object",
                    "evm.methodIdentifiers",
                ] },
            },
        },
    });
    Ok(serde_json::to_vec(&input)?)
}

async fn compile(tooling: &Tooling, input: &[u8]) -> Result<Vec<u8>> {
    let mut child = Command::new("node")
        .args(["-e", SCRIPT])
        .current_dir(tooling.dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .wrap_err("starting node: is it installed")?;
    let mut stdin = child.stdin.take().ok_or_eyre("a child without standard input")?;
    let feed = async move { stdin.write_all(input).await };
    let (fed, output) =
        timeout(COMPILE_TIMEOUT, async { tokio::join!(feed, child.wait_with_output()) })
            .await
            .wrap_err("the compiler did not come to an end")?;
    let output = output?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "solc ended with {}:\n{said}", output.status);
    fed?;
    Ok(output.stdout)
}

/// What the compiler has made of it. A warning is an error: nobody would see it otherwise.
fn read(output: &[u8]) -> Result<Doubles> {
    #[derive(Deserialize)]
    struct Output {
        #[serde(default)]
        errors: Vec<Diagnostic>,
        #[serde(default)]
        contracts: BTreeMap<String, BTreeMap<String, Compiled>>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Diagnostic {
        formatted_message: String,
    }
    #[derive(Deserialize)]
    struct Compiled {
        abi: Vec<Value>,
        evm: Evm,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Evm {
        bytecode: Bytecode,
        deployed_bytecode: Bytecode,
        method_identifiers: BTreeMap<String, String>,
    }
    #[derive(Deserialize)]
    struct Bytecode {
        object: Bytes,
    }

    let output: Output = serde_json::from_slice(output).wrap_err("the compiler's answer")?;
    if !output.errors.is_empty() {
        let said: Vec<_> = output.errors.into_iter().map(|e| e.formatted_message).collect();
        bail!("solc says:\n{}", said.join("\n"));
    }
    let contracts = output.contracts.into_values().flatten().map(|(name, compiled)| {
        let Compiled { abi, evm } = compiled;
        let (code, runtime) = (evm.bytecode.object, evm.deployed_bytecode.object);
        (name, Contract { abi, code, runtime, selectors: evm.method_identifiers })
    });
    Ok(Doubles(contracts.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_compiler_says_is_the_error() {
        let output = json!({ "errors": [
            { "severity": "error", "formattedMessage": "ParserError: Expected ';'" },
            { "severity": "warning", "formattedMessage": "Warning: Unused variable" },
        ]});
        let error = read(output.to_string().as_bytes()).unwrap_err().to_string();
        assert!(error.contains("Expected ';'") && error.contains("Unused variable"), "{error}");
        assert!(read(b"not json").is_err());
    }

    #[test]
    fn contracts_come_with_code_and_selectors() {
        let output = json!({ "contracts": { "A.sol": { "A": {
            "abi": [{ "type": "function" }],
            "evm": {
                "bytecode": { "object": "6001" },
                "deployedBytecode": { "object": "6002" },
                "methodIdentifiers": { "f()": "26121ff0" },
            },
        }}}});
        let doubles = read(output.to_string().as_bytes()).unwrap();
        let contract = doubles.contract("A").unwrap();
        assert_eq!(contract.code, Bytes::from_static(&[0x60, 0x01]));
        assert_eq!(contract.runtime, Bytes::from_static(&[0x60, 0x02]));
        assert_eq!(contract.selectors["f()"], "26121ff0");
        assert_eq!(contract.abi.len(), 1);
        assert!(doubles.contract("B").is_err());
    }

    #[test]
    fn every_source_is_a_double_and_says_so() {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts");
        let mut files: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let known: Vec<_> = SOURCES.iter().map(|(name, _)| *name).collect();
        assert_eq!(files, known, "a file is not compiled, or not in order");
        for (name, source) in SOURCES {
            let is_code = |line: &&str| line.ends_with('{');
            let head: Vec<_> = source.lines().take_while(|line| !is_code(line)).collect();
            assert!(
                head.join("\n").to_lowercase().contains("double"),
                "{name} does not say what it is"
            );
        }
    }
}
