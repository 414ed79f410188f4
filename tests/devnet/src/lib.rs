//! A local chain with the published contracts on it, for `ballast demo` and the end-to-end tests.
//!
//! anvil and the contract artifacts come from npm (`npm ci` in `tests/devnet`); everything else is
//! done here: a node as a child process, Set Protocol with Compound and Uniswap deployed on it, a
//! leveraged product brought to twice its collateral, and a market that can be moved.
//!
//! ```no_run
//! # async fn example() -> eyre::Result<()> {
//! use ballast_devnet::{accounts, Devnet, DevnetOptions, USD};
//!
//! // Deployed once per source state, cached under `target/devnet`, loaded in well under a second.
//! let devnet = Devnet::start(DevnetOptions::default()).await?;
//! let product = devnet.product();
//! println!("{} at {}, keeper {}", product.symbol, product.strategy, accounts::keeper_address(0));
//!
//! // A keeper is pointed at `devnet.http_url()`, with the key `accounts::keeper_key(0)`.
//! let market = devnet.market();
//! devnet.node().warp(86_401).await?;                     // the rebalance interval has passed
//! market.set_price(1_750 * USD).await?;               // $1,750: leverage above its maximum
//! let ratio = market.leverage_ratio(product).await?;     // 18 decimals
//! let actions = market.should_rebalance(product).await?; // one (exchange, action) per exchange
//! # Ok(())
//! # }
//! ```
//!
//! The parts, for tests that need more than [`Devnet`]:
//!
//! - [`Tooling`] finds `node_modules`; [`Anvil`] runs, stops, kills, freezes and restarts a node;
//! - [`Node`] is a handle on a node by URL: mining, time, reorganisations, balances, raw RPC;
//! - [`Deployment`] puts the contracts on a bare node and names what stands where. It is `serde`
//!   data, so it can be stored beside a dumped state;
//! - [`Market`] moves the price everywhere at once, reads what a strategy would say, and tells
//!   what a keeper did;
//! - [`BasisMarket`] is the same for the basis product, if [`DevnetOptions::basis`] asked for one:
//!   index, perpetual and spot price, funding, the operator's and Perp's doings;
//! - [`IndexMarket`] is the same for the composite index of [`DevnetOptions::index`]: prices of its
//!   components, arbitrage and manipulation, its holders', the operator's and other traders' doings;
//! - [`doubles`] are the Solidity stand-ins for strategies whose bytecode no package ships;
//! - [`StateCache`] keeps deployed states on disk, built once for all parallel tests;
//! - [`accounts`] are the keys: product `i` allows [`accounts::keeper`]`(i)`.
//!
//! Quantities: a price is US dollars per ether with 8 decimals ([`USD`] is one dollar), a ratio has
//! 18 decimals, a time is in seconds, an amount in base units of its token.

pub mod accounts;
mod anvil;
mod basis;
mod basis_market;
mod batch;
mod cache;
pub mod contracts;
mod deploy;
mod devnet;
pub mod doubles;
mod index;
mod index_market;
mod market;
mod node;
mod tooling;
mod trades;

pub use anvil::{Anvil, AnvilOptions, Mining};
pub use basis::{Basis, BasisMethodology, BasisOptions, Perp};
pub use basis_market::{BasisAction, BasisMarket, Liquidation, ShortPosition};
pub use cache::{Contracts, StateCache};
pub use deploy::{
    Compound, Deployment, Feeds, FliOptions, Methodology, Product, SetProtocol, Tokens, Uniswap,
    V2_EXCHANGE, V3_EXCHANGE, Variant,
};
pub use devnet::{Devnet, DevnetOptions};
pub use index::{Basket, IndexComponent, IndexOptions, IndexProduct, Place};
pub use index_market::{Holding, IndexMarket, IndexTrade, Withdrawn};
pub use market::{Action, Market, USD};
pub use node::Node;
pub use tooling::Tooling;
pub use trades::Trade;
