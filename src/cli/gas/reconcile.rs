//! `ballast gas reconcile`: store and chain side by side; reads both and writes neither, so that it
//! runs beside a keeper.

use std::collections::BTreeMap;

use alloy::primitives::{I256, U256};
use ballast_chains::{amount, pool::Pool};
use eyre::{Result, WrapErr as _, bail};
use serde_json::{Value, json};

use super::super::{Exit, Session, out};
use crate::{
    clock,
    config::Config,
    ledger::{
        BlockRef, Holder, Ledger,
        chain::{Chain, Endpoints},
        reconcile::{self, Depth, Range, Reconciliation},
    },
    runtime::profile_of,
    store::Store,
};

/// Command line.
#[derive(Debug, clap::Args)]
pub(in super::super) struct Args {
    /// Only the wallets of this product
    #[arg(long, value_name = "NAME")]
    product: Option<String>,
    /// The opening balance is that after this block; by default where the books begin
    #[arg(long, value_name = "BLOCK", requires = "product")]
    from: Option<u64>,
    /// The closing balance is that after this block; by default the newest that is booked
    #[arg(long, value_name = "BLOCK", requires = "product")]
    to: Option<u64>,
    /// Machine-readable output
    #[arg(long)]
    json: bool,
}

/// What came of one wallet.
type Outcome = (Holder, Result<Reconciliation, String>);

pub(super) async fn reconcile(session: Session, args: Args) -> Result<Exit> {
    let config = match session.load_or_report(args.json) {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    let path = &config.store.path;
    let Some(store) = Store::open_readonly(path).await? else {
        bail!("there is no store {}: nothing was ever booked", path.display());
    };
    let ledger = store.ledger();
    let mut holders = ledger.holders().await.wrap_err("the wallets of the ledger")?;
    holders.retain(|holder| args.product.as_ref().is_none_or(|name| *name == holder.product));
    if holders.is_empty() {
        let whose = args.product.as_deref().unwrap_or("any product");
        bail!("the books of {whose} have not begun: a keeper opens them at its first final block");
    }
    let range = Range { from: args.from, to: args.to };
    let mut chains = BTreeMap::new();
    let mut outcomes = Vec::new();
    for holder in holders {
        let chain = chains.entry(holder.chain.clone()).or_insert_with(|| open(&config, &holder));
        outcomes.push(one(&ledger, chain.as_ref(), holder, range).await);
    }
    let waiting = ledger.waiting_by_chain().await.wrap_err("what waits to be booked")?;
    if args.json {
        out::json(&as_json(&outcomes, &waiting));
    } else {
        as_text(&config, &outcomes, &waiting);
    }
    Ok(exit(&outcomes))
}

/// The chain of a wallet as the files have it; one without a file is known by its checkpoints only.
fn open(config: &Config, holder: &Holder) -> Option<Endpoints> {
    let profile = match config.products.get(&holder.product) {
        Some(product) => profile_of(config, product).ok(),
        None => config.chains.get(&holder.chain).cloned(),
    };
    let profile = profile.filter(|profile| profile.chain_id == holder.chain_id)?;
    Pool::new(&profile).ok().map(|pool| Endpoints::new(pool, &profile))
}

async fn one(ledger: &Ledger, chain: Option<&Endpoints>, holder: Holder, range: Range) -> Outcome {
    let chain = chain.map(|chain| -> &dyn Chain { chain });
    let found = reconcile::reconcile(ledger, chain, &holder, range, Depth::Blocks).await;
    let found = found.map_err(|error| crate::error_chain(&error));
    (holder, found)
}

fn exit(outcomes: &[Outcome]) -> Exit {
    if outcomes.iter().any(|(_, found)| found.as_ref().is_ok_and(|found| !found.is_whole())) {
        Exit::Findings
    } else if outcomes.iter().any(|(_, found)| found.is_err()) {
        Exit::Failed
    } else {
        Exit::Done
    }
}

fn as_json(outcomes: &[Outcome], waiting: &[(String, u64)]) -> Value {
    let wallets: Vec<Value> = outcomes.iter().map(wallet_as_json).collect();
    let waiting: BTreeMap<&str, u64> =
        waiting.iter().map(|(chain, count)| (chain.as_str(), *count)).collect();
    json!({
        "ok": exit(outcomes) == Exit::Done,
        "wallets": wallets,
        "waiting_to_be_booked": waiting,
    })
}

fn wallet_as_json((holder, found): &Outcome) -> Value {
    let whose = json!({
        "product": holder.product,
        "chain": holder.chain,
        "chain_id": holder.chain_id,
        "wallet": holder.wallet,
    });
    let rest = match found {
        Err(error) => json!({ "ok": false, "error": error }),
        Ok(found) => json!({
            "ok": found.is_whole(),
            "opening": balance_as_json(&found.from, found.opening),
            "closing": balance_as_json(&found.to, found.closing),
            "entries": found.entries,
            "outflows_wei": {
                "execution": found.out.execution.to_string(),
                "l1": found.out.l1.to_string(),
                "operator": found.out.operator.to_string(),
                "blob": found.out.blob.to_string(),
                "value": found.out.value.to_string(),
            },
            "inflows_wei": {
                "transfer": found.came.transfer.to_string(),
                "income": found.came.income.to_string(),
                "internal": found.came.internal.to_string(),
            },
            "unexplained_wei": found.unexplained.map(|wei| wei.to_string()),
            "problems": found.problems,
            "more_problems": found.more_problems,
            "unproven": found.unproven,
        }),
    };
    merged(whose, rest)
}

fn merged(mut whole: Value, part: Value) -> Value {
    if let (Value::Object(whole), Value::Object(part)) = (&mut whole, part) {
        whole.extend(part);
    }
    whole
}

fn balance_as_json(block: &BlockRef, wei: U256) -> Value {
    json!({
        "block": block.number,
        "block_hash": block.hash,
        "time": block.timestamp,
        "wei": wei.to_string(),
    })
}

fn as_text(config: &Config, outcomes: &[Outcome], waiting: &[(String, u64)]) {
    for (holder, found) in outcomes {
        let chain = config.chains.get(holder.chain.split('/').next().unwrap_or_default());
        let symbol = chain.map_or("", |chain| chain.native_symbol.as_str());
        out::line(&format!("{}  {} on {}", holder.product, holder.wallet, holder.chain));
        match found {
            Ok(found) => out::lines(&account(found, symbol)),
            Err(error) => out::line(&format!("  not reconciled: {error}")),
        }
    }
    for (chain, count) in waiting {
        out::line(&format!("{chain}: {count} final transactions wait to be booked"));
    }
}

/// One wallet's account, down to the wei.
fn account(found: &Reconciliation, symbol: &str) -> Vec<String> {
    let coins = |wei: U256| format!("{} {symbol}", amount::ether(wei));
    let at = |block: &BlockRef| format!("{} ({})", block.number, clock::text(block.timestamp));
    let mut lines = vec![format!("  after block {}: {}", at(&found.from), coins(found.opening))];
    let out = [
        ("gas", found.out.execution),
        ("data on layer 1", found.out.l1),
        ("operator fee", found.out.operator),
        ("blobs", found.out.blob),
        ("carried to others", found.out.value),
    ];
    let came = [
        ("transfers", found.came.transfer),
        ("income", found.came.income),
        ("from contracts", found.came.internal),
    ];
    let shown = |sign: &str, kinds: &[(&str, U256)]| -> Vec<String> {
        let some = kinds.iter().filter(|(_, wei)| !wei.is_zero());
        some.map(|(kind, wei)| format!("  {sign} {kind}: {}", coins(*wei))).collect()
    };
    lines.push(format!("  {} transactions", found.entries));
    lines.extend(shown("−", &out));
    lines.extend(shown("+", &came));
    lines.push(format!("  after block {}: {}", at(&found.to), coins(found.closing)));
    lines.push(match found.unexplained {
        Some(I256::ZERO) => "  unexplained: 0 wei".to_owned(),
        Some(wei) => format!("  UNEXPLAINED: {wei} wei"),
        None => "  UNEXPLAINED: figures that do not fit".to_owned(),
    });
    let problems = found.problems.iter();
    lines.extend(problems.map(|problem| format!("  PROBLEM: {}", problem.what)));
    if found.more_problems > 0 {
        lines.push(format!("  and {} more", found.more_problems));
    }
    lines.extend(found.unproven.iter().map(|what| format!("  not proven: {what}")));
    lines
}
