//! From a checked configuration to tasks: who shares a chain with whom, and whose wallet is whose.

use std::{collections::BTreeMap, sync::Arc};

use ballast_chains::{ChainProfile, pool::Pool, reader::BlockSource};
use ballast_strategy_api::Strategy as _;
use eyre::{Result, WrapErr, eyre};
use tokio::sync::Notify;

use super::{
    feeds::FeedDesk,
    seat::Seat,
    status::Board,
    supervisor::ProductSpec,
    wallets::{Owners, WalletHandle},
};
use crate::{
    config::{Config, Environment, ProductConfig},
    ledger::{bookkeeper::Client, external::External},
    registry::Registry,
    submission::{Pretends, Quotes, Together},
};

/// Products that read one chain through one pool.
pub(crate) struct Group {
    /// The chain, or the product's own copy of it.
    pub(crate) profile: Arc<ChainProfile>,
    /// How its nodes are reached.
    pub(crate) pool: Pool,
    /// How its blocks are read.
    pub(crate) source: BlockSource,
    /// Its feeds.
    pub(crate) feeds: FeedDesk,
    /// Wakes the chain's loop when an operator orders an assessment.
    pub(crate) wake: Arc<Notify>,
    /// Its products, as the chain's loop sees them …
    pub(crate) seats: Vec<Seat>,
    /// … and as their own tasks are built; same order.
    pub(crate) specs: Vec<ProductSpec>,
    /// … and as their books are kept.
    pub(crate) clients: Vec<Client>,
}

/// Builds everything that needs no network. Two products with one wallet on one chain are refused
/// here, whatever the secrets are called, if it is known already whose the wallets are.
pub(crate) fn wire(
    config: &Config,
    registry: &Arc<Registry>,
    environment: &Environment,
    board: &Board,
) -> Result<Vec<Group>> {
    let mut groups: BTreeMap<String, (Arc<ChainProfile>, Vec<Arc<ProductConfig>>)> =
        BTreeMap::new();
    for product in config.products.values() {
        let profile = profile_of(config, product)?;
        let group = groups.entry(profile.name.clone());
        let (_, members) = group.or_insert_with(|| (Arc::new(profile), Vec::new()));
        members.push(Arc::new(product.clone()));
    }
    let owners = Owners::default();
    let mut wired = Vec::with_capacity(groups.len());
    for (name, (profile, members)) in groups {
        let pool = Pool::new(&profile).wrap_err_with(|| format!("chain {name}"))?;
        let feeds = FeedDesk::new(Arc::clone(&profile));
        let (mut seats, mut specs, mut clients) = (Vec::new(), Vec::new(), Vec::new());
        let wake = Arc::new(Notify::new());
        let (pretends, quotes) = (Pretends::default(), Quotes::default());
        let together = Together::new(profile.block_time);
        for product in members {
            let wallet = WalletHandle::new(
                Arc::clone(&product),
                profile.chain_id,
                environment.clone(),
                owners.clone(),
            );
            let wallet = wallet.wrap_err_with(|| format!("product {}", product.name))?;
            board.enter_product(&product.name, &name, &product.strategy);
            let readings = feeds.subscribe();
            let (member, registry) = (Arc::clone(&product), Arc::clone(registry));
            let seat = Seat::new(member, registry, wallet.clone(), readings, Arc::clone(&wake));
            let mailbox = seat.mailbox();
            seats.push(seat);
            let of = wallet.clone();
            clients.push(Client {
                product: product.name.clone(),
                category: product.category,
                external: product.strategy == External::KIND,
                wallet: Box::new(move || of.address()),
                strategy: mailbox.strategy.clone(),
            });
            let (profile, pool) = (Arc::clone(&profile), pool.clone());
            let (pretends, quotes) = (pretends.clone(), quotes.clone());
            specs.push(ProductSpec {
                config: product,
                profile,
                pool,
                wallet,
                mailbox,
                pretends,
                quotes,
                together: together.clone(),
            });
        }
        let source = BlockSource::new(pool.provider(), &profile);
        wired.push(Group { profile, pool, source, feeds, wake, seats, specs, clients });
    }
    Ok(wired)
}

/// The chain's profile, or a copy with the product's own endpoints, which then shares nothing with
/// its neighbours.
pub(crate) fn profile_of(config: &Config, product: &ProductConfig) -> Result<ChainProfile> {
    let chain = config
        .chains
        .get(&product.chain)
        .ok_or_else(|| eyre!("product {}: no chain {}", product.name, product.chain))?;
    let mut profile = chain.clone();
    if let Some(rpc) = &product.rpc {
        profile.name = format!("{}/{}", chain.name, product.name);
        profile.rpc.clone_from(rpc);
        profile.send = Vec::new();
    }
    Ok(profile)
}
