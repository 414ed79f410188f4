//! `ballast gas report --from-chain`: the same report without the store, and in what the store
//! differs.

use std::sync::Arc;

use alloy::{
    eips::BlockNumberOrTag, primitives::Address, providers::Provider as _,
    rpc::types::TransactionReceipt,
};
use ballast_chains::{BlockReader, ChainProfile, Head, heads, pool::Pool, profile::Finality};
use ballast_strategy_api::{DynStrategy, Strategy as _};
use eyre::{OptionExt as _, Result, WrapErr as _};

use crate::{
    cli::{Session, out},
    config::Config,
    finance::{
        Facts,
        from_chain::{Account, FromChain, Nodes, differences, entries, month_of},
        load,
        report::{Asked, TREND},
        sums::Groups,
    },
    ledger::{BlockRef, Entry, Holder, external::External},
    runtime::{Board, Group, ProductSpec, wire},
    store::Store,
};

pub(super) async fn from_chain(
    session: &Session,
    config: &Config,
    asked: &Asked,
    facts: &Facts,
) -> Result<FromChain> {
    let groups = wire(config, &session.registry, &session.environment, &Board::default())?;
    let mut all = Vec::new();
    for group in &groups {
        let wanted = |spec: &&ProductSpec| {
            asked.product.as_ref().is_none_or(|product| *product == spec.config.name)
        };
        let specs: Vec<&ProductSpec> = group.specs.iter().filter(wanted).collect();
        if !specs.is_empty() {
            all.extend(of_group(session, group, &specs, asked).await?);
        }
    }
    let report = load::from_entries(&all, asked, facts);
    let differences = match Store::open_readonly(&config.store.path).await? {
        Some(store) => {
            let groups = Groups::find(&store, asked.product.as_deref()).await;
            let ledger = groups.wrap_err("reading the ledger")?.of_month(asked.month).await?;
            let months = load::fold(&all, asked.month);
            Some(differences(&ledger, month_of(&months, asked.month)))
        }
        None => None,
    };
    Ok(FromChain { report, differences })
}

async fn of_group(
    session: &Session,
    group: &Group,
    specs: &[&ProductSpec],
    asked: &Asked,
) -> Result<Vec<Entry>> {
    let name = &group.profile.name;
    let head = heads::newest(&group.pool.provider()).await;
    let head = head.wrap_err_with(|| format!("the newest block of {name}"))?;
    let newest = final_block(&group.pool, &group.profile, &head).await?;
    let nodes = Nodes::new(group.pool.provider(), group.profile.feeds.native_usd);
    let first = asked.month.back(TREND).first().map_or(0, |month| month.start());
    let mut all = Vec::new();
    for spec in specs {
        let product = &spec.config.name;
        let Some(wallet) = spec.wallet.address() else {
            out::note(&format!("{product}: its wallet is not known here and is left out"));
            continue;
        };
        let strategy = connect(session, group, spec, &head, wallet).await;
        let settle = |receipt: &TransactionReceipt| {
            strategy.as_ref().map(|strategy| strategy.settle(receipt)).unwrap_or_default()
        };
        let kind = spec.config.strategy.as_str();
        let action_of = |input: &[u8]| session.registry.action_of(kind, input);
        let account = Account {
            holder: Holder {
                chain_id: group.profile.chain_id,
                chain: name.clone(),
                wallet,
                product: product.clone(),
            },
            category: spec.config.category,
            external: kind == External::KIND,
            action_of: &action_of,
            settle: strategy.is_some().then_some(&settle),
        };
        let time = (first, asked.month.end());
        let found = entries(&nodes, &account, time, newest).await;
        all.extend(found.wrap_err_with(|| format!("the transactions of {product}"))?);
    }
    Ok(all)
}

/// The newest block that can no longer be reorganised away: what the ledger books.
async fn final_block(pool: &Pool, profile: &ChainProfile, head: &Head) -> Result<BlockRef> {
    let tag = match profile.finality {
        Finality::Confirmations(blocks) => {
            let number = head.number.saturating_add(1).saturating_sub(blocks);
            BlockNumberOrTag::Number(number)
        }
        Finality::Safe => BlockNumberOrTag::Safe,
        Finality::Finalized => BlockNumberOrTag::Finalized,
    };
    let what = || format!("the newest final block of {}", profile.name);
    let block = pool.provider().get_block_by_number(tag).await.wrap_err_with(what)?;
    let header = block.ok_or_eyre("there is none").wrap_err_with(what)?.header;
    Ok(BlockRef { number: header.number, hash: header.hash, timestamp: header.timestamp })
}

/// The strategy, which reads income in receipts; without it there is none to be told.
async fn connect(
    session: &Session,
    group: &Group,
    spec: &ProductSpec,
    head: &Head,
    wallet: Address,
) -> Option<Arc<dyn DynStrategy>> {
    let (registry, config) = (Arc::clone(&session.registry), Arc::clone(&spec.config));
    let read = group.source.read_at(*head, wallet, move |reader: BlockReader| async move {
        registry.connect(&config.strategy, &config.params, reader).await
    });
    match read.await {
        Ok(strategy) => Some(strategy),
        Err(error) => {
            let why = crate::error_chain(&error);
            out::note(&format!(
                "{}: without its strategy no income is read: {why}",
                spec.config.name
            ));
            None
        }
    }
}
