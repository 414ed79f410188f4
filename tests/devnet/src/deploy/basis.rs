//! The basis product: Set Protocol's parts for it, the token, its manager, the double of its extension,
//! and the position.

use alloy::{
    primitives::{Address, Bytes, I256, U256, utils::parse_ether},
    sol_types::SolValue as _,
};
use eyre::{OptionExt as _, Result, ensure};

use super::{Deployment, perp};
use crate::{
    BasisMarket, Market, Node, Tooling,
    accounts::{self, KEEPER_BALANCE, OPERATOR},
    basis::{Basis, BasisMethodology, BasisOptions, Perp},
    batch::{Batch, Quiet},
    contracts::{
        IBaseManager, IController, IDebtIssuanceModule, IIntegrationRegistry, ISetTokenCreator,
        IToken,
        basis::{IBasisStrategy, IBasisTradingModule, IPriceFeedDouble, ITradeModule},
    },
    doubles::Doubles,
    tooling::Package,
};

/// The name of the only adapter that the extension accepts.
const EXCHANGE: &str = "UniswapV3ExchangeAdapterV2";
/// The name under which the module looks for the issuance module.
const ISSUANCE: &str = "DefaultIssuanceModule";
const SYMBOL: &str = "MNYe";
/// Dollars per token, in base units.
const UNIT: i64 = 100_000_000;
/// How many markets one product may be in.
const MAX_POSITIONS: u64 = 2;
/// The manager's fee on funding, and the most it may be: 10 % and 20 %.
const FEE: (u64, u64) = (10, 20);
/// What the extension holds for ripcord rewards, in ether.
const REWARDS: &str = "10";
/// What brings a price of 8 decimals to 18.
const PRICE_ADJUSTMENT: u64 = 10;
/// Seconds of history that Perp averages prices over, and some.
const HISTORY: u64 = 1_200;
/// The first round of each feed is so much older than the market, in seconds: older than any average
/// reaches back.
const FIRST_ROUND_AGE: u64 = 3_600;
/// Larger than any position here: what is opened is opened in one step.
const NO_CAP: &str = "1000000";

impl Deployment {
    /// Adds Perp V2 and the basis product. Takes a few seconds; the chain's clock moves twenty
    /// minutes, for Perp's averages. The keeper is the one after those of the products that are there.
    ///
    /// # Errors
    ///
    /// If it is there already, an artifact is missing or a transaction fails.
    pub async fn deploy_basis(
        &mut self,
        tooling: &Tooling,
        node: &Node,
        options: &BasisOptions,
    ) -> Result<()> {
        ensure!(self.basis.is_none(), "there is one basis product per chain");
        let quiet = Quiet::begin(node).await?;
        let price = Market::new(node.clone(), self.clone()).price().await?;
        let doubles = Doubles::compiled(tooling).await?;
        let site = Site { tooling, doubles, deployment: self };
        let basis = site.build(node, options, price).await?;
        self.basis = Some(basis);
        let market = BasisMarket::new(node.clone(), self.clone())?;
        node.warp(HISTORY).await?;
        market.set_price(price).await?;
        if options.engaged {
            market.engage().await?;
        }
        let (rebalance, ripcord) = options.methodology.trade_sizes;
        market.set_trade_sizes(rebalance, ripcord).await?;
        let keepers = [accounts::keeper_address(market.basis().keeper)];
        for keeper in keepers.iter().chain(&options.more_keepers) {
            node.set_balance(*keeper, KEEPER_BALANCE).await?;
        }
        quiet.end(node).await
    }
}

/// What everything is built from.
struct Site<'a> {
    tooling: &'a Tooling,
    doubles: Doubles,
    deployment: &'a Deployment,
}

/// Set Protocol's side.
struct Modules {
    basis: Address,
    trade: Address,
    issuance: Address,
    adapter: Address,
    creator: Address,
}

impl Site<'_> {
    async fn build(&self, node: &Node, options: &BasisOptions, price: u64) -> Result<Basis> {
        let now = node.head().await?.timestamp;
        let mut batch = Batch::begin(node, OPERATOR).await?;
        let index_feed = self.feed(&mut batch, (8, "ETH / USD"), price, now).await?;
        let sequencer = (0, "L2 Sequencer Uptime Status Feed");
        let sequencer_feed = self.feed(&mut batch, sequencer, 0, now).await?;
        let mut perp = perp::deploy(self.tooling, &mut batch, self.deployment, index_feed).await?;
        batch.finish().await?;
        perp::find_pool(node, self.deployment, &mut perp).await?;

        let mut batch = Batch::begin(node, OPERATOR).await?;
        perp::open(&mut batch, self.deployment, &perp, price).await?;
        let modules = self.modules(&mut batch, &perp).await?;
        let set_token = self.token(&mut batch, &modules, options.supply).await?;
        let manager = self.manager(&mut batch, set_token).await?;
        let mut basis = Basis {
            symbol: SYMBOL.to_owned(),
            set_token,
            manager,
            extension: Address::ZERO,
            keeper: self.deployment.products.len(),
            basis_module: modules.basis,
            trade_module: modules.trade,
            issuance_module: modules.issuance,
            exchange_adapter: modules.adapter,
            index_feed,
            sequencer_feed,
            perp,
        };
        let settings = first_settings(self.deployment, &basis, &options.methodology)?;
        let code = self.doubles.code("BasisStrategyDouble")?;
        let keeper = accounts::keeper_address(basis.keeper);
        let keepers: Vec<_> = options.more_keepers.iter().copied().chain([keeper]).collect();
        basis.extension = add_extension(&mut batch, manager, code, &settings, &keepers).await?;
        batch.finish().await?;
        Ok(basis)
    }

    /// A feed with one answer, given some time ago.
    async fn feed(
        &self,
        batch: &mut Batch<'_>,
        (decimals, description): (u8, &str),
        answer: u64,
        now: u64,
    ) -> Result<Address> {
        let code = self.doubles.code("PriceFeedDouble")?;
        let arguments = (U256::from(decimals), description.to_owned()).abi_encode_params();
        let feed = batch.deploy(description, code, arguments).await?;
        let at = U256::from(now.saturating_sub(FIRST_ROUND_AGE));
        let round = IPriceFeedDouble::setAnswerCall { answer: answer.try_into()?, at };
        batch.call(feed, round).await?;
        Ok(feed)
    }

    fn set_code(&self, path: &str, libraries: &[(&str, Address)]) -> Result<Bytes> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let path = format!("artifacts/contracts/protocol/{path}.sol/{name}");
        self.tooling.code_with(Package::Set, &path, libraries)
    }

    async fn library(&self, batch: &mut Batch<'_>, path: &str) -> Result<Address> {
        batch.deploy(path, &self.set_code(path, &[])?, Vec::new()).await
    }

    /// A Controller of its own: the other products' knows neither prices nor trades.
    async fn modules(&self, batch: &mut Batch<'_>, perp: &Perp) -> Result<Modules> {
        let usdc = self.deployment.tokens.usdc;
        let code = self.set_code("Controller", &[])?;
        let controller = batch.deploy("Controller", &code, OPERATOR.abi_encode()).await?;
        let mut of_controller = Vec::new();
        for name in [
            "SetTokenCreator",
            "IntegrationRegistry",
            "SetValuer",
            "modules/SlippageIssuanceModule",
            "modules/TradeModule",
        ] {
            let code = self.set_code(name, &[])?;
            of_controller.push(batch.deploy(name, &code, controller.abi_encode()).await?);
        }
        let [creator, registry, valuer, issuance, trade] =
            of_controller.try_into().ok().ok_or_eyre("five contracts of the Controller")?;
        let none = Vec::<Address>::new;
        let arguments = (controller, usdc, none(), none(), none(), none()).abi_encode_params();
        let code = self.set_code("PriceOracle", &[])?;
        let oracle = batch.deploy("PriceOracle", &code, arguments).await?;
        let basis = self.basis_module(batch, controller, perp).await?;
        let initialize = IController::initializeCall {
            factories: vec![creator],
            modules: vec![issuance, trade, basis],
            resources: vec![registry, oracle, valuer],
            resourceIds: vec![U256::ZERO, U256::from(1), U256::from(2)],
        };
        batch.call(controller, initialize).await?;
        let router = self.deployment.uniswap.v3_router.abi_encode();
        let adapter = self.doubles.code("ExactOutputAdapterDouble")?;
        let adapter = batch.deploy(EXCHANGE, adapter, router).await?;
        for (module, name, adapter) in [(basis, ISSUANCE, issuance), (trade, EXCHANGE, adapter)] {
            let name = name.to_owned();
            let add = IIntegrationRegistry::addIntegrationCall { module, name, adapter };
            batch.call(registry, add).await?;
        }
        let any = IBasisTradingModule::updateAnySetAllowedCall { allowed: true };
        batch.call(basis, any).await?;
        Ok(Modules { basis, trade, issuance, adapter, creator })
    }

    async fn basis_module(
        &self,
        batch: &mut Batch<'_>,
        controller: Address,
        perp: &Perp,
    ) -> Result<Address> {
        let mut libraries = Vec::new();
        for (path, name) in [
            ("lib/PositionV2", "PositionV2"),
            ("integration/lib/PerpV2LibraryV2", "PerpV2LibraryV2"),
            ("integration/lib/PerpV2Positions", "PerpV2Positions"),
        ] {
            libraries.push((name, self.library(batch, path).await?));
        }
        let code = self.set_code("modules/PerpV2BasisTradingModule", &libraries)?;
        let most = U256::from(MAX_POSITIONS);
        let arguments = (controller, perp.vault, perp.quoter, perp.market_registry, most);
        batch.deploy("PerpV2BasisTradingModule", &code, arguments.abi_encode_params()).await
    }

    /// The token with its first holder. The basis module asks for an initialised issuance module.
    async fn token(
        &self,
        batch: &mut Batch<'_>,
        modules: &Modules,
        supply: u64,
    ) -> Result<Address> {
        let usdc = self.deployment.tokens.usdc;
        // The creator's first token: a contract's nonces start at 1.
        let set_token = modules.creator.create(1);
        let create = ISetTokenCreator::createCall {
            components: vec![usdc],
            units: vec![I256::try_from(UNIT)?],
            modules: vec![modules.basis, modules.issuance, modules.trade],
            manager: OPERATOR,
            name: "Market Neutral Yield ETH".to_owned(),
            symbol: SYMBOL.to_owned(),
        };
        batch.call(modules.creator, create).await?;
        let issuance = IDebtIssuanceModule::initializeCall {
            setToken: set_token,
            maxManagerFee: super::percent(100),
            issueFee: U256::ZERO,
            redeemFee: U256::ZERO,
            feeRecipient: OPERATOR,
            hook: Address::ZERO,
        };
        batch.call(modules.issuance, issuance).await?;
        let (fee, most) = FEE;
        let settings = IBasisTradingModule::FeeState {
            feeRecipient: OPERATOR,
            maxPerformanceFeePercentage: super::percent(most),
            performanceFeePercentage: super::percent(fee),
        };
        let basis = IBasisTradingModule::initializeCall { setToken: set_token, settings };
        batch.call(modules.basis, basis).await?;
        batch.call(modules.trade, ITradeModule::initializeCall { setToken: set_token }).await?;
        let approve = IToken::approveCall { spender: modules.issuance, amount: U256::MAX };
        batch.call(usdc, approve).await?;
        let quantity = parse_ether(&supply.to_string())?;
        let issue = IDebtIssuanceModule::issueCall { setToken: set_token, quantity, to: OPERATOR };
        batch.call(modules.issuance, issue).await?;
        Ok(set_token)
    }

    async fn manager(&self, batch: &mut Batch<'_>, set_token: Address) -> Result<Address> {
        let path = "artifacts/contracts/manager/BaseManager.sol/BaseManager";
        let code = self.tooling.code(Package::Index, path, None)?;
        super::product::add_manager(batch, &code, set_token).await
    }
}

/// All that an extension is constructed with.
pub(crate) struct Settings {
    pub(crate) contracts: IBasisStrategy::ContractSettings,
    pub(crate) methodology: IBasisStrategy::MethodologySettings,
    pub(crate) execution: IBasisStrategy::ExecutionSettings,
    pub(crate) incentive: IBasisStrategy::IncentiveSettings,
    pub(crate) exchange: IBasisStrategy::ExchangeSettings,
}

/// Deploys an extension, makes it the manager's, lets keepers call it, and fills its purse.
pub(crate) async fn add_extension(
    batch: &mut Batch<'_>,
    manager: Address,
    code: &Bytes,
    settings: &Settings,
    keepers: &[Address],
) -> Result<Address> {
    let Settings { contracts, methodology, execution, incentive, exchange } = settings;
    // The exchange comes last, after the incentive.
    let arguments = (
        manager,
        contracts.clone(),
        methodology.clone(),
        execution.clone(),
        incentive.clone(),
        exchange.clone(),
    );
    let arguments = arguments.abi_encode_params();
    let extension = batch.deploy("BasisStrategyDouble", code, arguments).await?;
    batch.call(manager, IBaseManager::addAdapterCall { adapter: extension }).await?;
    let (callers, statuses) = (keepers.to_vec(), vec![true; keepers.len()]);
    batch.call(extension, IBasisStrategy::updateCallerStatusCall { callers, statuses }).await?;
    batch.transfer(extension, parse_ether(REWARDS)?).await?;
    Ok(extension)
}

/// The settings to begin with: as asked for, but without a cap on trades.
fn first_settings(
    deployment: &Deployment,
    basis: &Basis,
    methodology: &BasisMethodology,
) -> Result<Settings> {
    let perp = &basis.perp;
    let contracts = IBasisStrategy::ContractSettings {
        setToken: basis.set_token,
        basisTradingModule: basis.basis_module,
        tradeModule: basis.trade_module,
        quoter: deployment.uniswap.v3_quoter,
        perpV2AccountBalance: perp.account_balance,
        baseUSDPriceOracle: perp.price_feed,
        twapInterval: U256::ZERO,
        basePriceDecimalAdjustment: U256::from(PRICE_ADJUSTMENT),
        virtualBaseAddress: perp.base_token,
        virtualQuoteAddress: perp.quote_token,
        spotAssetAddress: deployment.tokens.weth,
    };
    let cap = parse_ether(NO_CAP)?;
    Ok(Settings {
        contracts,
        methodology: IBasisStrategy::MethodologySettings {
            targetLeverageRatio: methodology.target_leverage_ratio,
            minLeverageRatio: methodology.min_leverage_ratio,
            maxLeverageRatio: methodology.max_leverage_ratio,
            recenteringSpeed: methodology.recentering_speed,
            rebalanceInterval: methodology.rebalance_interval,
            reinvestInterval: U256::from(methodology.reinvest_interval),
            minReinvestUnits: U256::from(methodology.min_reinvest_units),
        },
        execution: IBasisStrategy::ExecutionSettings {
            slippageTolerance: methodology.slippage_tolerance,
            twapCooldownPeriod: U256::from(methodology.twap_cooldown_period),
        },
        incentive: IBasisStrategy::IncentiveSettings {
            etherReward: methodology.ether_reward,
            incentivizedLeverageRatio: methodology.incentivized_leverage_ratio,
            incentivizedSlippageTolerance: methodology.incentivized_slippage_tolerance,
            incentivizedTwapCooldownPeriod: U256::from(
                methodology.incentivized_twap_cooldown_period,
            ),
        },
        exchange: exchange(deployment, (cap, cap))?,
    })
}

/// Trades between ether and dollars on the devnet's own pool. An exact output is written backwards, so
/// buying and selling are described from ether to dollars; what is quoted is bought for dollars.
fn exchange(
    deployment: &Deployment,
    (rebalance, ripcord): (U256, U256),
) -> Result<IBasisStrategy::ExchangeSettings> {
    let (weth, usdc) = (deployment.tokens.weth, deployment.tokens.usdc);
    let fee = deployment.uniswap.v3_fee.to_be_bytes();
    let fee = fee.get(1..).ok_or_eyre("a fee has three bytes")?;
    let path = |from: Address, to: Address, flag: &[u8]| {
        Bytes::from([from.as_slice(), fee, to.as_slice(), flag].concat())
    };
    Ok(IBasisStrategy::ExchangeSettings {
        exchangeName: EXCHANGE.to_owned(),
        buyExactSpotTradeData: path(weth, usdc, &[0]),
        sellExactSpotTradeData: path(weth, usdc, &[1]),
        buySpotQuoteExactInputPath: path(usdc, weth, &[]),
        twapMaxTradeSize: rebalance,
        incentivizedTwapMaxTradeSize: ripcord,
    })
}
