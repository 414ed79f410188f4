//! What is proven with an archive, and what is said without one.

use ballast_test_support::{Fault, RpcFailure};
use eyre::{OptionExt as _, Result, ensure};
use serde_json::Value;

use super::scene::Scene;

/// What a node says of a state that it has not got any more.
const PRUNED: &str = "missing trie node 0d5a (path ) state is not available";

fn unproven(told: &Value) -> Result<Vec<String>> {
    let all = told["wallets"][0]["unproven"].as_array().ok_or_eyre("no wallet")?;
    Ok(all.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// The endpoint has no states any more: the balances rest on checkpoints, which is said, and a row
/// that is missing is still found, as far as that can be told.
pub(super) async fn are_proven_or_said_to_be_missing(scene: &Scene) -> Result<()> {
    let of = ["--product", "counter-1"];
    scene.chain(false)?;
    let pruned = ["eth_getBalance", "eth_getTransactionCount"].map(|method| {
        let failure = RpcFailure::new(-32000, PRUNED);
        scene.world.proxy().inject(Fault::RpcError(failure).on(method))
    });
    let (code, told) = scene.reconcile(&of).await?;
    ensure!(code == 0 && told["wallets"][0]["unexplained_wei"] == "0", "{told:#}");
    let said = unproven(&told)?;
    let rests = said.iter().filter(|what| what.contains("rests on the checkpoint")).count();
    ensure!(rests == 2 && said.iter().all(|what| what.contains("archive = true")), "{said:?}");

    // Between blocks that are no checkpoints nothing can be said at all.
    let (code, told) = scene.reconcile(&["--product", "counter-1", "--to", "11"]).await?;
    let error = told["wallets"][0]["error"].as_str().unwrap_or_default();
    ensure!(code == 1 && error.contains("checkpoints are stored for blocks"), "{told:#}");

    scene.sql("DELETE FROM ledger_entries WHERE product = 'counter-1' AND nonce = 7").await?;
    let (code, told) = scene.reconcile(&of).await?;
    let problems = told["wallets"][0]["problems"].as_array().ok_or_eyre("no problems")?;
    ensure!(code == 3 && problems.iter().any(|problem| problem["nonce"] == 7), "{told:#}");
    let said = unproven(&told)?;
    ensure!(said.iter().any(|what| what.contains("which block it is")), "{said:?}");

    // An archive tells.
    for fault in pruned {
        fault.remove();
    }
    scene.chain(true)?;
    let (code, told) = scene.reconcile(&of).await?;
    ensure!(code == 3 && unproven(&told)?.is_empty(), "{told:#}");
    Ok(())
}
