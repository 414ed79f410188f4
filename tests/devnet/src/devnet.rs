//! A node with everything on it, in one call.

use alloy::primitives::Address;
use eyre::{OptionExt as _, Result};
use url::Url;

use crate::{
    Anvil, AnvilOptions, BasisMarket, BasisOptions, Basket, Deployment, FliOptions, IndexMarket,
    IndexOptions, IndexProduct, Market, Methodology, Mining, Node, Product, StateCache, Tooling,
    cache::Contracts, deploy::product,
};

/// What [`Devnet::start`] starts. The default: chain 1, a free port, a block per transaction, one
/// product at $2,000.
#[derive(Debug, Clone)]
pub struct DevnetOptions {
    /// The chain id.
    pub chain_id: u64,
    /// When the node makes blocks.
    pub mining: Mining,
    /// The port; `None` lets the operating system choose a free one.
    pub port: Option<u16>,
    /// What is deployed.
    pub fli: FliOptions,
    /// Perp V2 and a basis product beside it, if any. A chain for basis trading wants chain id 10.
    pub basis: Option<BasisOptions>,
    /// A composite index beside it, if any.
    pub index: Option<IndexOptions>,
}

impl Default for DevnetOptions {
    fn default() -> Self {
        Self {
            chain_id: 1,
            mining: Mining::default(),
            port: None,
            fli: FliOptions::default(),
            basis: None,
            index: None,
        }
    }
}

/// A running node with the contracts, which ends when this is dropped.
#[derive(Debug)]
pub struct Devnet {
    anvil: Anvil,
    deployment: Deployment,
}

impl Devnet {
    /// Starts a node with the contracts, from the cache where possible.
    ///
    /// # Errors
    ///
    /// If the npm packages are missing, or a step fails.
    pub async fn start(options: DevnetOptions) -> Result<Self> {
        let DevnetOptions { chain_id, mining, port, fli, basis, index } = options;
        let cache = StateCache::new(Tooling::locate()?)?;
        let options = AnvilOptions { chain_id, mining, port, ..AnvilOptions::default() };
        let (basis, index) = (basis.as_ref(), index.as_ref());
        let contracts = Contracts { fli: &fli, basis, index };
        // Large, and everybody who starts a devnet would carry it.
        let (anvil, deployment) = Box::pin(cache.load(options, contracts)).await?;
        Ok(Self { anvil, deployment })
    }

    /// The process: to stop, kill, freeze or restart it.
    #[must_use]
    pub fn anvil(&self) -> &Anvil {
        &self.anvil
    }

    /// The process, to be changed.
    #[must_use]
    pub fn anvil_mut(&mut self) -> &mut Anvil {
        &mut self.anvil
    }

    /// The handle for talking to the node.
    #[must_use]
    pub fn node(&self) -> &Node {
        self.anvil.node()
    }

    /// The address for HTTP requests.
    #[must_use]
    pub fn http_url(&self) -> &Url {
        self.anvil.http_url()
    }

    /// The address for WebSocket connections.
    #[must_use]
    pub fn ws_url(&self) -> Url {
        self.anvil.ws_url()
    }

    /// What stands where.
    #[must_use]
    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// The first product, which allows keeper 0.
    #[must_use]
    pub fn product(&self) -> &Product {
        self.deployment.product()
    }

    /// Migrates the first product to another strategy with these settings, and gives its address.
    ///
    /// # Errors
    ///
    /// If a step fails.
    pub async fn replace_strategy(&self, methodology: &Methodology) -> Result<Address> {
        let (tooling, node) = (Tooling::locate()?, self.node());
        let (deployment, product) = (self.deployment(), self.product());
        product::replace_strategy(&tooling, node, deployment, methodology, product).await
    }

    /// Puts a composite index of five beside everything else, in a second.
    ///
    /// # Errors
    ///
    /// If a step fails.
    pub async fn add_index(&self) -> Result<IndexProduct> {
        let options = IndexOptions { basket: Basket::Five, ..IndexOptions::default() };
        self.deployment.deploy_index(&Tooling::locate()?, self.node(), &options).await
    }

    /// All products; product `i` allows keeper `i`.
    #[must_use]
    pub fn products(&self) -> &[Product] {
        &self.deployment.products
    }

    /// Moves prices and reads strategies.
    #[must_use]
    pub fn market(&self) -> Market {
        Market::new(self.node().clone(), self.deployment.clone())
    }

    /// Moves prices and funding and reads the basis product.
    ///
    /// # Errors
    ///
    /// If none was asked for.
    pub fn basis_market(&self) -> Result<BasisMarket> {
        BasisMarket::new(self.node().clone(), self.deployment.clone())
    }

    /// Moves the prices of the index's components, and does what its holders and others do.
    ///
    /// # Errors
    ///
    /// If none was asked for.
    pub fn index_market(&self) -> Result<IndexMarket> {
        let index = self.deployment.index.clone().ok_or_eyre("no index was asked for")?;
        Ok(IndexMarket::new(self.node().clone(), self.deployment.clone(), index))
    }
}
