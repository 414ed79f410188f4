//! A composite index: components of 6, 8 and 18 decimals, the published `GeneralIndexModule` with its
//! exchange adapters, and a pool for everything that is traded.

mod basket;
pub(crate) mod pools;
mod protocol;

use alloy::{
    primitives::{Address, U256, aliases::U80, utils::parse_ether},
    sol_types::SolValue as _,
};
use eyre::Result;

use self::{
    basket::{Plan, Way},
    protocol::Protocol,
};
use super::{Deployment, product::add_manager};
use crate::{
    IndexComponent, IndexOptions, IndexProduct, Market, Node, Place, Tooling,
    accounts::{self, KEEPER_BALANCE, OPERATOR},
    batch::{Batch, Quiet},
    contracts::{IBaseManager, IFeed, IToken},
    tooling::Package,
};

const V2: &str = "UniswapV2IndexExchangeAdapter";
const SUSHI: &str = "SushiswapIndexExchangeAdapter";
const V3: &str = "UniswapV3IndexExchangeAdapter";
const SYMBOL: &str = "IDX";
/// Wrapped for the pools, in ether.
const WETH: &str = "40000";
/// Of each new token, whole tokens.
const MADE: u64 = 1_000_000_000;
/// A cent, and how many decimals a feed has that says it.
pub(crate) const CENT: u64 = 1_000_000;
const FEED_DECIMALS: u64 = 8;
pub(crate) const ETHER_DECIMALS: u8 = 18;

impl Deployment {
    /// Puts a composite index beside everything else, on a Controller of its own. Takes a second or
    /// two. Its prices are those of an ether at the price of the feed, and stand still when that moves.
    ///
    /// # Errors
    ///
    /// If an artifact is missing or a transaction fails.
    pub async fn deploy_index(
        &self,
        tooling: &Tooling,
        node: &Node,
        options: &IndexOptions,
    ) -> Result<IndexProduct> {
        let eth_usd = Market::new(node.clone(), self.clone()).price().await?;
        let quiet = Quiet::begin(node).await?;
        let mut batch = Batch::begin(node, OPERATOR).await?;
        let mut site =
            Site { tooling, deployment: self, eth_usd, options, sushi: Default::default() };
        let tokens = site.tokens(&mut batch).await?;
        site.sushi = site.second_exchange(&mut batch).await?;
        site.open(&mut batch, &tokens).await?;
        let feeds = site.feeds(&mut batch, node, &tokens).await?;
        let protocol = site.protocol(&mut batch).await?;
        batch.finish().await?;

        let mut batch = Batch::begin(node, OPERATOR).await?;
        let places = site.places(node, &tokens).await?;
        site.fill(&mut batch, node, &tokens, &places).await?;
        let components: Vec<IndexComponent> = tokens
            .iter()
            .zip(feeds)
            .zip(places)
            .map(|((token, feed), place)| token.component(feed, place))
            .collect();
        let index = site.index(&mut batch, &protocol, &tokens, components).await?;
        batch.finish().await?;
        node.set_balance(accounts::keeper_address(index.keeper), KEEPER_BALANCE).await?;
        quiet.end(node).await?;
        Ok(index)
    }
}

/// What everything is built from.
struct Site<'a> {
    tooling: &'a Tooling,
    deployment: &'a Deployment,
    eth_usd: u64,
    options: &'a IndexOptions,
    /// Factory and router of the second exchange of V2's code.
    sushi: (Address, Address),
}

/// A component's token.
struct Token {
    plan: &'static Plan,
    at: Address,
}

impl Token {
    /// Base units of one token.
    fn whole(&self) -> U256 {
        U256::from(10).saturating_pow(U256::from(self.plan.decimals))
    }

    fn component(&self, feed: Address, place: Place) -> IndexComponent {
        let Plan { symbol, decimals, cents, .. } = *self.plan;
        IndexComponent { symbol: symbol.to_owned(), token: self.at, decimals, cents, feed, place }
    }
}

impl Site<'_> {
    async fn index(
        &self,
        batch: &mut Batch<'_>,
        protocol: &Protocol,
        tokens: &[Token],
        components: Vec<IndexComponent>,
    ) -> Result<IndexProduct> {
        let set_token = self.set_token(batch, protocol, tokens).await?;
        let path = "artifacts/contracts/manager/BaseManager.sol/BaseManager";
        let code = self.tooling.code(Package::Index, path, None)?;
        let manager = add_manager(batch, &code, set_token).await?;
        let path = "artifacts/contracts/adapters/GIMExtension.sol/GIMExtension";
        let code = self.tooling.code(Package::Index, path, None)?;
        let arguments = (manager, protocol.module).abi_encode_params();
        let extension = batch.deploy("GIMExtension", &code, arguments).await?;
        batch.call(manager, IBaseManager::addAdapterCall { adapter: extension }).await?;
        let basis = usize::from(self.deployment.basis.is_some());
        let keeper = self.deployment.products.len().saturating_add(basis);
        self.settings(batch, extension, tokens, keeper).await?;
        Ok(IndexProduct {
            symbol: SYMBOL.to_owned(),
            set_token,
            manager,
            extension,
            module: protocol.module,
            keeper,
            issuance: protocol.issuance,
            streaming_fee: protocol.streaming_fee,
            registry: protocol.registry,
            sushi: self.sushi,
            components,
        })
    }

    /// The tokens, made where they are not there yet.
    async fn tokens(&self, batch: &mut Batch<'_>) -> Result<Vec<Token>> {
        let path = "artifacts/contracts/mocks/StandardTokenMock.sol/StandardTokenMock";
        let code = self.tooling.code(Package::Set, path, None)?;
        let weth = self.deployment.tokens.weth;
        batch.pay(weth, IToken::depositCall {}, parse_ether(WETH)?).await?;
        let mut tokens = Vec::new();
        for plan in self.options.basket.plans() {
            let mut token = Token { plan, at: self.deployment.tokens.usdc };
            if plan.symbol != "USDC" {
                let supply = token.whole().saturating_mul(U256::from(MADE));
                let (name, symbol) = (plan.symbol.to_owned(), plan.symbol.to_owned());
                let arguments = (OPERATOR, supply, name, symbol, U256::from(plan.decimals));
                token.at = batch.deploy(plan.symbol, &code, arguments.abi_encode_params()).await?;
            }
            tokens.push(token);
        }
        Ok(tokens)
    }

    /// Another factory and router of Uniswap V2's code.
    async fn second_exchange(&self, batch: &mut Batch<'_>) -> Result<(Address, Address)> {
        let weth = self.deployment.tokens.weth;
        let code = |name: &str| {
            self.tooling.code(Package::Set, &format!("external/abi/uniswap/v2/{name}"), None)
        };
        let factory = code("UniswapV2Factory")?;
        let factory = batch.deploy("Sushi's factory", &factory, OPERATOR.abi_encode()).await?;
        let arguments = (factory, weth).abi_encode_params();
        let router = code("UniswapV2Router02")?;
        let router = batch.deploy("Sushi's router", &router, arguments).await?;
        let approve = IToken::approveCall { spender: router, amount: U256::MAX };
        batch.call(weth, approve).await?;
        Ok((factory, router))
    }

    /// A feed for each in US dollars; that of dollars is there.
    async fn feeds(
        &self,
        batch: &mut Batch<'_>,
        node: &Node,
        tokens: &[Token],
    ) -> Result<Vec<Address>> {
        let path = "artifacts/contracts/mocks/external/ChainlinkAggregatorMock.sol/ChainlinkAggregatorMock";
        let code = self.tooling.code(Package::Set, path, None)?;
        let now = U256::from(node.head().await?.timestamp);
        let mut feeds = Vec::new();
        for token in tokens {
            if token.at == self.deployment.tokens.usdc {
                feeds.push(self.deployment.feeds.usdc_usd);
                continue;
            }
            let name = format!("{}/USD", token.plan.symbol);
            let decimals = U256::from(FEED_DECIMALS).abi_encode();
            let feed = batch.deploy(&name, &code, decimals).await?;
            let round = U80::from(1);
            let call = IFeed::setRoundDataCall {
                roundId: round,
                answer: token.plan.cents.saturating_mul(CENT).try_into()?,
                startedAt: now,
                updatedAt: now,
                answeredInRound: round,
            };
            batch.call(feed, call).await?;
            feeds.push(feed);
        }
        Ok(feeds)
    }
}

impl Way {
    /// Under which name the adapter of its exchange is registered.
    fn exchange(self) -> &'static str {
        match self {
            Self::Direct(_) | Self::ThroughDollars(_) => V2,
            Self::Sushi(_) => SUSHI,
            Self::Pool { .. } | Self::Dollars => V3,
        }
    }
}
