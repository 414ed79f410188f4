//! From a checked configuration to tasks: who shares a chain with whom, and whose wallet is whose.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use alloy::primitives::Address;
use ballast_chains::{ChainProfile, pool::Pool, reader::BlockSource, wallet::Wallet};
use eyre::{Result, WrapErr, bail, eyre};

use super::{feeds::FeedDesk, seat::Seat, status::Board, supervisor::ProductSpec};
use crate::{
    config::{Config, Environment, ProductConfig, WalletSource},
    registry::Registry,
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
    /// Its products, as the chain's loop sees them …
    pub(crate) seats: Vec<Seat>,
    /// … and as their own tasks are built; same order.
    pub(crate) specs: Vec<ProductSpec>,
}

/// Builds everything that needs no network. Two products with one wallet on one chain are refused
/// here, whatever the secrets are called.
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
    let mut owners: HashMap<(u64, Address), String> = HashMap::new();
    let mut wired = Vec::with_capacity(groups.len());
    for (name, (profile, members)) in groups {
        let pool = Pool::new(&profile).wrap_err_with(|| format!("chain {name}"))?;
        let feeds = FeedDesk::new(Arc::clone(&profile));
        let (mut seats, mut specs) = (Vec::new(), Vec::new());
        for product in members {
            let wallet = wallet_of(&product, environment)?;
            let key = (profile.chain_id, wallet.address());
            if let Some(other) = owners.insert(key, product.name.clone()) {
                bail!(
                    "products {other} and {} share the wallet {} on chain id {}: each needs its own",
                    product.name,
                    wallet.address(),
                    profile.chain_id
                );
            }
            board.enter_product(&product.name, &name, &product.strategy);
            let (caller, readings) = (wallet.address(), feeds.subscribe());
            let seat = Seat::new(Arc::clone(&product), Arc::clone(registry), caller, readings);
            let mailbox = seat.mailbox();
            seats.push(seat);
            let (profile, pool) = (Arc::clone(&profile), pool.clone());
            specs.push(ProductSpec { config: product, profile, pool, wallet, mailbox });
        }
        let source = BlockSource::new(pool.provider(), &profile);
        wired.push(Group { profile, pool, source, feeds, seats, specs });
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

/// Resolves the product's wallet; the only place where a key is read.
pub(crate) fn wallet_of(product: &ProductConfig, environment: &Environment) -> Result<Wallet> {
    let context = || format!("product {}: wallet", product.name);
    match &product.wallet {
        WalletSource::WatchOnly(address) => Ok(Wallet::watch_only(*address)),
        WalletSource::Key(secret) => {
            let key = secret.resolve(environment).wrap_err_with(context)?;
            Wallet::from_key(&key).wrap_err_with(context)
        }
    }
}
