//! A composite index: components of 6, 8 and 18 decimals, the published `GeneralIndexModule` with its
//! exchange adapters, and a pool for everything that is traded.

use alloy::{
    primitives::{Address, Bytes, I256, U256, utils::parse_ether},
    sol_types::SolValue as _,
};
use eyre::{OptionExt as _, Result};

use super::{Deployment, product::add_manager};
use crate::{
    Market, Node, Tooling,
    accounts::OPERATOR,
    batch::{Batch, Quiet},
    contracts::{
        IBaseManager, IController, IIntegrationRegistry, ISetTokenCreator, IToken,
        IUniswapV2Factory, IUniswapV2Router,
        index::{IBasicIssuanceModule, IIndexExtension},
    },
    market::dollars,
    tooling::Package,
};

const V2: &str = "UniswapV2IndexExchangeAdapter";
const V3: &str = "UniswapV3IndexExchangeAdapter";
const SYMBOL: &str = "IDX";
/// Index tokens that are issued.
const SUPPLY: &str = "1000";
/// Wrapped for the pools, in ether.
const WETH: &str = "20000";
/// Seconds that a component rests between two trades.
const COOL_OFF: u64 = 300;
/// One token of 18 decimals.
const E18: u128 = 1_000_000_000_000_000_000;
/// Of each new token, whole tokens.
const MADE: u64 = 1_000_000_000;

/// A composite index and everything that only it needs. One token of it is worth 100 dollars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexProduct {
    /// Its symbol.
    pub symbol: String,
    /// The token.
    pub set_token: Address,
    /// The `BaseManager`; its operator and methodologist is [`OPERATOR`].
    pub manager: Address,
    /// The `GIMExtension`: what the operator calls.
    pub extension: Address,
    /// `GeneralIndexModule`, as published. The operator may trade.
    pub module: Address,
    /// The Controller's registry of exchange adapters.
    pub registry: Address,
    /// What it holds and, the last one, what it could come to hold.
    pub components: Vec<IndexComponent>,
}

/// A token that an index holds or may come to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexComponent {
    /// Its symbol.
    pub symbol: &'static str,
    /// The token.
    pub token: Address,
    /// Its decimals.
    pub decimals: u8,
    /// What a whole one costs where it is traded, in cents.
    pub cents: u64,
}

/// How a component begins, and how it is traded.
struct Plan {
    symbol: &'static str,
    decimals: u8,
    cents: u64,
    /// Base units per whole index token.
    unit: u128,
    /// Most of one trade, base units.
    most: u128,
    way: Way,
}

/// Through which pools a component is traded for wrapped ether.
#[derive(Clone, Copy)]
enum Way {
    /// Its own pool on V2, so many ether deep.
    Direct(u64),
    /// A pool with dollars on V2, worth so many ether a side; from there to ether.
    ThroughDollars(u64),
    /// The devnet's own pool of dollars and ether on V3.
    Dollars,
}

/// One that stays, one that could be added, deep pools, thin ones and two hops.
const PLANS: [Plan; 5] = [
    Plan {
        symbol: "UNI",
        decimals: 18,
        cents: 1_000,
        unit: 4 * E18,
        most: 600 * E18,
        way: Way::Direct(8_000),
    },
    Plan {
        symbol: "WBTC",
        decimals: 8,
        cents: 4_000_000,
        unit: 75_000,
        most: 10_000_000,
        way: Way::Direct(5_000),
    },
    Plan {
        symbol: "USDC",
        decimals: 6,
        cents: 100,
        unit: 20_000_000,
        most: 5_000_000_000,
        way: Way::Dollars,
    },
    Plan {
        symbol: "LEND",
        decimals: 18,
        cents: 50,
        unit: 20 * E18,
        most: 6_000 * E18,
        way: Way::Direct(600),
    },
    Plan {
        symbol: "AAVE",
        decimals: 18,
        cents: 10_000,
        unit: 0,
        most: 100 * E18,
        way: Way::ThroughDollars(2_000),
    },
];

impl Deployment {
    /// Puts a composite index beside everything else, on a Controller of its own. Takes a second. Its
    /// prices are those of an ether at the devnet's first price, and stand still when that moves.
    ///
    /// # Errors
    ///
    /// If an artifact is missing or a transaction fails.
    pub async fn deploy_index(&self, tooling: &Tooling, node: &Node) -> Result<IndexProduct> {
        let eth_usd = Market::new(node.clone(), self.clone()).price().await?;
        let quiet = Quiet::begin(node).await?;
        let mut batch = Batch::begin(node, OPERATOR).await?;
        let site = Site { tooling, deployment: self, eth_usd };
        let index = site.build(&mut batch).await?;
        batch.finish().await?;
        quiet.end(node).await?;
        Ok(index)
    }
}

/// What everything is built from.
struct Site<'a> {
    tooling: &'a Tooling,
    deployment: &'a Deployment,
    eth_usd: u64,
}

/// Set Protocol's side.
struct Protocol {
    creator: Address,
    registry: Address,
    issuance: Address,
    module: Address,
}

impl Site<'_> {
    async fn build(&self, batch: &mut Batch<'_>) -> Result<IndexProduct> {
        let components = self.tokens(batch).await?;
        self.pools(batch, &components).await?;
        let protocol = self.protocol(batch).await?;
        let set_token = self.set_token(batch, &protocol, &components).await?;
        let path = "artifacts/contracts/manager/BaseManager.sol/BaseManager";
        let code = self.tooling.code(Package::Index, path, None)?;
        let manager = add_manager(batch, &code, set_token).await?;
        let path = "artifacts/contracts/adapters/GIMExtension.sol/GIMExtension";
        let code = self.tooling.code(Package::Index, path, None)?;
        let arguments = (manager, protocol.module).abi_encode_params();
        let extension = batch.deploy("GIMExtension", &code, arguments).await?;
        batch.call(manager, IBaseManager::addAdapterCall { adapter: extension }).await?;
        self.settings(batch, extension, &components).await?;
        Ok(IndexProduct {
            symbol: SYMBOL.to_owned(),
            set_token,
            manager,
            extension,
            module: protocol.module,
            registry: protocol.registry,
            components,
        })
    }

    /// The tokens that are not there yet.
    async fn tokens(&self, batch: &mut Batch<'_>) -> Result<Vec<IndexComponent>> {
        let path = "artifacts/contracts/mocks/StandardTokenMock.sol/StandardTokenMock";
        let code = self.tooling.code(Package::Set, path, None)?;
        let mut components = Vec::new();
        for Plan { symbol, decimals, cents, .. } in PLANS {
            let token = if symbol == "USDC" {
                self.deployment.tokens.usdc
            } else {
                let supply = U256::from(MADE)
                    .saturating_mul(U256::from(10).saturating_pow(U256::from(decimals)));
                let (name, symbol) = (symbol.to_owned(), symbol.to_owned());
                let arguments = (OPERATOR, supply, name, symbol.clone(), U256::from(decimals));
                batch.deploy(&symbol, &code, arguments.abi_encode_params()).await?
            };
            components.push(IndexComponent { symbol, token, decimals, cents });
        }
        Ok(components)
    }

    async fn pools(&self, batch: &mut Batch<'_>, components: &[IndexComponent]) -> Result<()> {
        let (tokens, uniswap) = (&self.deployment.tokens, &self.deployment.uniswap);
        batch.pay(tokens.weth, IToken::depositCall {}, parse_ether(WETH)?).await?;
        for (plan, component) in PLANS.iter().zip(components) {
            let (other, depth, amount) = match plan.way {
                Way::Direct(ether) => {
                    let wei = parse_ether(&ether.to_string())?;
                    (tokens.weth, dollars(wei, self.eth_usd)?, wei)
                }
                Way::ThroughDollars(ether) => {
                    let depth = dollars(parse_ether(&ether.to_string())?, self.eth_usd)?;
                    (tokens.usdc, depth, depth)
                }
                Way::Dollars => continue,
            };
            let token = component.token;
            let spender = uniswap.v2_router;
            batch.call(token, IToken::approveCall { spender, amount: U256::MAX }).await?;
            let pair = IUniswapV2Factory::createPairCall { tokenA: token, tokenB: other };
            batch.call(uniswap.v2_factory, pair).await?;
            let call = IUniswapV2Router::addLiquidityCall {
                tokenA: token,
                tokenB: other,
                amountADesired: worth(depth, component),
                amountBDesired: amount,
                amountAMin: U256::ZERO,
                amountBMin: U256::ZERO,
                to: OPERATOR,
                deadline: U256::MAX,
            };
            batch.call(uniswap.v2_router, call).await?;
        }
        Ok(())
    }

    fn set_code(&self, path: &str) -> Result<Bytes> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let path = format!("artifacts/contracts/protocol/{path}.sol/{name}");
        self.tooling.code(Package::Set, &path, None)
    }

    async fn protocol(&self, batch: &mut Batch<'_>) -> Result<Protocol> {
        let code = self.set_code("Controller")?;
        let controller = batch.deploy("Controller", &code, OPERATOR.abi_encode()).await?;
        let mut of_controller = Vec::new();
        for name in ["SetTokenCreator", "IntegrationRegistry", "modules/BasicIssuanceModule"] {
            let code = self.set_code(name)?;
            of_controller.push(batch.deploy(name, &code, controller.abi_encode()).await?);
        }
        let [creator, registry, issuance] =
            of_controller.try_into().ok().ok_or_eyre("three contracts of the Controller")?;
        let code = self.set_code("modules/GeneralIndexModule")?;
        let arguments = (controller, self.deployment.tokens.weth).abi_encode_params();
        let module = batch.deploy("GeneralIndexModule", &code, arguments).await?;
        let initialize = IController::initializeCall {
            factories: vec![creator],
            modules: vec![module, issuance],
            resources: vec![registry],
            resourceIds: vec![U256::ZERO],
        };
        batch.call(controller, initialize).await?;
        let uniswap = &self.deployment.uniswap;
        for (name, router) in [(V2, uniswap.v2_router), (V3, uniswap.v3_router)] {
            let code = self.set_code(&format!("integration/index-exchange/{name}"))?;
            let adapter = batch.deploy(name, &code, router.abi_encode()).await?;
            let name = name.to_owned();
            let add = IIntegrationRegistry::addIntegrationCall { module, name, adapter };
            batch.call(registry, add).await?;
        }
        Ok(Protocol { creator, registry, issuance, module })
    }

    /// The token with its first holder. A contract's nonces start at 1.
    async fn set_token(
        &self,
        batch: &mut Batch<'_>,
        protocol: &Protocol,
        components: &[IndexComponent],
    ) -> Result<Address> {
        let held = || PLANS.iter().zip(components).filter(|(plan, _)| plan.unit > 0);
        let set_token = protocol.creator.create(1);
        let create = ISetTokenCreator::createCall {
            components: held().map(|(_, component)| component.token).collect(),
            units: held()
                .map(|(plan, _)| I256::try_from(plan.unit))
                .collect::<Result<Vec<_>, _>>()?,
            modules: vec![protocol.module, protocol.issuance],
            manager: OPERATOR,
            name: "A composite index".to_owned(),
            symbol: SYMBOL.to_owned(),
        };
        batch.call(protocol.creator, create).await?;
        let (issuance, pre_issue_hook) = (protocol.issuance, Address::ZERO);
        let initialize = IBasicIssuanceModule::initializeCall {
            setToken: set_token,
            preIssueHook: pre_issue_hook,
        };
        batch.call(issuance, initialize).await?;
        for (_, component) in held() {
            let approve = IToken::approveCall { spender: issuance, amount: U256::MAX };
            batch.call(component.token, approve).await?;
        }
        let issue = IBasicIssuanceModule::issueCall {
            setToken: set_token,
            quantity: parse_ether(SUPPLY)?,
            to: OPERATOR,
        };
        batch.call(issuance, issue).await?;
        Ok(set_token)
    }

    /// What the operator sets. Only the manager may initialise the module, so the extension does it.
    async fn settings(
        &self,
        batch: &mut Batch<'_>,
        extension: Address,
        components: &[IndexComponent],
    ) -> Result<()> {
        let all: Vec<Address> = components.iter().map(|component| component.token).collect();
        batch.call(extension, IIndexExtension::initializeCall {}).await?;
        let trade_maximums = PLANS.iter().map(|plan| U256::from(plan.most)).collect();
        let maximums = IIndexExtension::setTradeMaximumsCall {
            components: all.clone(),
            tradeMaximums: trade_maximums,
        };
        batch.call(extension, maximums).await?;
        let name = |way| if matches!(way, Way::Dollars) { V3 } else { V2 };
        let exchange_names = PLANS.iter().map(|plan| name(plan.way).to_owned()).collect();
        let exchanges = IIndexExtension::setExchangesCall {
            components: all.clone(),
            exchangeNames: exchange_names,
        };
        batch.call(extension, exchanges).await?;
        let exchange_data = PLANS.iter().map(|plan| self.exchange_data(plan.way)).collect();
        let data = IIndexExtension::setExchangeDataCall {
            components: all.clone(),
            exchangeData: exchange_data,
        };
        batch.call(extension, data).await?;
        let cool_off_periods = vec![U256::from(COOL_OFF); all.len()];
        let rests = IIndexExtension::setCoolOffPeriodsCall {
            components: all,
            coolOffPeriods: cool_off_periods,
        };
        batch.call(extension, rests).await?;
        let (traders, statuses) = (vec![OPERATOR], vec![true]);
        batch.call(extension, IIndexExtension::setTraderStatusCall { traders, statuses }).await
    }

    /// Packed: nothing, the token in between, or the pool's fee.
    fn exchange_data(&self, way: Way) -> Bytes {
        match way {
            Way::Direct(_) => Bytes::new(),
            Way::ThroughDollars(_) => {
                Bytes::copy_from_slice(self.deployment.tokens.usdc.as_slice())
            }
            Way::Dollars => {
                let [_, fee @ ..] = self.deployment.uniswap.v3_fee.to_be_bytes();
                Bytes::copy_from_slice(&fee)
            }
        }
    }
}

/// How much of a component `dollars` of 6 decimals are, in base units.
fn worth(dollars: U256, component: &IndexComponent) -> U256 {
    // dollars/1e6 ÷ cents/1e2 · 10^decimals
    let scale = U256::from(10).saturating_pow(U256::from(component.decimals));
    let per = U256::from(component.cents).saturating_mul(U256::from(10_000));
    dollars.saturating_mul(scale).checked_div(per).unwrap_or_default()
}
