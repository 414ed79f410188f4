//! The strategies of which no bytecode is published, as doubles, over the devnet's own exchanges,
//! feeds and manager.

use alloy::{
    primitives::{Address, Bytes, U256, utils::parse_ether},
    sol_types::SolValue as _,
};
use eyre::{Result, bail};

use super::{
    Deployment, Methodology, Product, Variant,
    product::{add_manager, adjustment, first_exchanges, incentive, ratios, wire},
};
use crate::{
    Node, Tooling,
    accounts::{self, OPERATOR},
    batch::Batch,
    contracts::{
        IAaveStrategyDouble, ILeverageModuleDouble, IMorphoStrategyDouble, IStrategy, IToken,
    },
    doubles::Doubles,
    tooling::Package,
};

/// How much smaller than the first product each double is, so that all of them can trade on the same
/// pools at once.
const SMALLER: u64 = 10;
/// Tokens of each, every one backed by an ether.
const SUPPLY: &str = "100";
/// What each module has to lend, in base units: ten million dollars.
const CASH: u64 = 10_000_000_000_000;
/// Loan to value and liquidation threshold, in hundredths of a percent.
const AAVE_V2_LIMITS: (u64, u64) = (8_000, 8_250);
const AAVE_V3_LIMITS: (u64, u64) = (8_050, 8_300);
/// The same inside the category that the product on Aave V3 is in.
const E_MODE: u8 = 1;
const E_MODE_LIMITS: (u16, u16) = (9_000, 9_300);
/// Liquidation loan to value of the Morpho market, in percent.
const MORPHO_LLTV: u64 = 86;
/// What the strategy on Morpho keeps free when it delevers, in percent.
const MORPHO_UNUTILIZED_DELEVER: u64 = 2;
/// 10 to the power of 36 + 6 − 18: Morpho's scale for dollars per wei.
const MORPHO_SCALE: u128 = 1_000_000_000_000_000_000_000_000;

/// The settings of the doubles: the trade sizes are as much smaller as the products are.
pub(super) fn methodology(of_first: &Methodology) -> Methodology {
    let smaller = |(rebalance, ripcord): (U256, U256)| {
        let tenth = |size: U256| size.checked_div(U256::from(SMALLER)).unwrap_or_default();
        (tenth(rebalance), tenth(ripcord))
    };
    Methodology {
        v3_trade_sizes: smaller(of_first.v3_trade_sizes),
        v2_trade_sizes: smaller(of_first.v2_trade_sizes),
        ..of_first.clone()
    }
}

/// Deploys a product per variant, at a leverage of one, and the older strategy.
pub(super) async fn deploy(
    tooling: &Tooling,
    node: &Node,
    deployment: &Deployment,
    methodology: &Methodology,
) -> Result<(Vec<Product>, Address)> {
    let manager = "artifacts/contracts/manager/BaseManager.sol/BaseManager";
    let site = Site {
        doubles: Doubles::compiled(tooling).await?,
        manager: tooling.code(Package::Index, manager, None)?,
        deployment,
        methodology,
    };
    let mut batch = Batch::begin(node, OPERATOR).await?;
    let mut products = Vec::new();
    for variant in [Variant::AaveV2, Variant::AaveV3, Variant::Morpho] {
        let keeper = deployment.products.len().saturating_add(products.len());
        products.push(site.product(&mut batch, variant, accounts::keeper_address(keeper)).await?);
    }
    let adapter = site.doubles.code("SingleExchangeAdapterDouble")?;
    let adapter = batch.deploy("SingleExchangeAdapterDouble", adapter, Vec::new()).await?;
    batch.finish().await?;
    Ok((products, adapter))
}

/// What every double is built from.
struct Site<'a> {
    doubles: Doubles,
    manager: Bytes,
    deployment: &'a Deployment,
    methodology: &'a Methodology,
}

impl Site<'_> {
    async fn product(
        &self,
        batch: &mut Batch<'_>,
        variant: Variant,
        keeper: Address,
    ) -> Result<Product> {
        let (name, symbol) = match variant {
            Variant::Compound => bail!("the strategy on Compound is published"),
            Variant::AaveV2 => ("ETH 2x on Aave V2", "ETH2X-AAVE-V2"),
            Variant::AaveV3 => ("ETH 2x on Aave V3", "ETH2X-AAVE-V3"),
            Variant::Morpho => ("ETH 2x on Morpho", "ETH2X-MORPHO"),
        };
        let supply = parse_ether(SUPPLY)?;
        let arguments = (name.to_owned(), symbol.to_owned(), supply).abi_encode_params();
        let set_token = self.add(batch, "ProductTokenDouble", arguments).await?;
        let manager = add_manager(batch, &self.manager, set_token).await?;
        let module = self.module(batch, variant).await?;
        let strategy = match variant {
            Variant::Compound | Variant::AaveV2 => {
                self.aave_v2(batch, manager, set_token, module).await?
            }
            Variant::AaveV3 => self.aave_v3(batch, manager, set_token, module).await?,
            Variant::Morpho => self.morpho(batch, manager, set_token, module).await?,
        };
        wire(batch, manager, strategy, &[keeper]).await?;
        if variant == Variant::AaveV3 {
            let category = IAaveStrategyDouble::setEModeCategoryCall { category: E_MODE };
            batch.call(strategy, category).await?;
        }
        let deposit = ILeverageModuleDouble::depositCall { setToken: set_token, amount: supply };
        batch.call(module, deposit).await?;
        let (symbol, viewer, keepers) = (symbol.to_owned(), Address::ZERO, vec![keeper]);
        Ok(Product { symbol, variant, set_token, manager, strategy, viewer, keepers })
    }

    /// The leverage module with the market behind it, able to take deposits and to lend.
    async fn module(&self, batch: &mut Batch<'_>, variant: Variant) -> Result<Address> {
        let Deployment { tokens, set, feeds, .. } = self.deployment;
        let (registry, registered) = (set.integration_registry, set.leverage_module);
        let module = if variant == Variant::Morpho {
            let arguments = (feeds.eth_usd, feeds.usdc_usd, U256::from(MORPHO_SCALE));
            let oracle =
                self.add(batch, "MorphoOracleDouble", arguments.abi_encode_params()).await?;
            let lltv = super::percent(MORPHO_LLTV);
            let arguments = (tokens.weth, tokens.usdc, registry, registered, oracle, lltv);
            self.add(batch, "MorphoLeverageModuleDouble", arguments.abi_encode_params()).await?
        } else {
            let arguments = (tokens.weth, tokens.usdc, registry, registered);
            self.add(batch, "AaveLeverageModuleDouble", arguments.abi_encode_params()).await?
        };
        let cash = IToken::transferCall { to: module, amount: U256::from(CASH) };
        batch.call(tokens.usdc, cash).await?;
        let approve = IToken::approveCall { spender: module, amount: parse_ether(SUPPLY)? };
        batch.call(tokens.weth, approve).await?;
        Ok(module)
    }

    async fn aave_v2(
        &self,
        batch: &mut Batch<'_>,
        manager: Address,
        set_token: Address,
        module: Address,
    ) -> Result<Address> {
        let feeds = &self.deployment.feeds;
        let feeds = (feeds.eth_usd, feeds.usdc_usd);
        let provider = self.data_provider(batch, AAVE_V2_LIMITS).await?;
        let settings = self.aave_settings(set_token, module, provider, feeds);
        let (ratios, incentive) = (ratios(self.methodology), incentive(self.methodology));
        let (names, exchanges) = first_exchanges(self.deployment)?;
        let execution = self.execution();
        let arguments = (manager, settings, ratios, execution, incentive, names, exchanges);
        self.add(batch, "AaveV2StrategyDouble", arguments.abi_encode_params()).await
    }

    /// The feeds in its settings have no code: whoever asks them gets no price.
    async fn aave_v3(
        &self,
        batch: &mut Batch<'_>,
        manager: Address,
        set_token: Address,
        module: Address,
    ) -> Result<Address> {
        let Deployment { tokens, feeds, .. } = self.deployment;
        let (ltv, threshold) = E_MODE_LIMITS;
        let arguments = (
            vec![tokens.weth, tokens.usdc],
            vec![feeds.eth_usd, feeds.usdc_usd],
            U256::from(ltv),
            U256::from(threshold),
        );
        let market = self.add(batch, "AaveV3MarketDouble", arguments.abi_encode_params()).await?;
        let dead = (Address::repeat_byte(0xde), Address::repeat_byte(0xad));
        let provider = self.data_provider(batch, AAVE_V3_LIMITS).await?;
        let settings = self.aave_settings(set_token, module, provider, dead);
        let (ratios, incentive) = (ratios(self.methodology), incentive(self.methodology));
        let (names, exchanges) = first_exchanges(self.deployment)?;
        let execution = self.execution();
        let arguments = (manager, settings, ratios, execution, incentive, names, exchanges, market);
        self.add(batch, "AaveV3StrategyDouble", arguments.abi_encode_params()).await
    }

    async fn morpho(
        &self,
        batch: &mut Batch<'_>,
        manager: Address,
        set_token: Address,
        module: Address,
    ) -> Result<Address> {
        let tokens = &self.deployment.tokens;
        let settings = IMorphoStrategyDouble::ContractSettings {
            setToken: set_token,
            leverageModule: module,
            collateralAsset: tokens.weth,
            borrowAsset: tokens.usdc,
        };
        let IStrategy::ExecutionSettings {
            unutilizedLeveragePercentage,
            slippageTolerance,
            twapCooldownPeriod,
        } = self.execution();
        let execution = IMorphoStrategyDouble::ExecutionSettings {
            unutilizedLeveragePercentage,
            unutilizedLeveragePercentageDelever: super::percent(MORPHO_UNUTILIZED_DELEVER),
            slippageTolerance,
            twapCooldownPeriod,
        };
        let (ratios, incentive) = (ratios(self.methodology), incentive(self.methodology));
        let (names, exchanges) = first_exchanges(self.deployment)?;
        let arguments = (manager, settings, ratios, execution, incentive, names, exchanges);
        self.add(batch, "MorphoStrategyDouble", arguments.abi_encode_params()).await
    }

    async fn data_provider(
        &self,
        batch: &mut Batch<'_>,
        (ltv, threshold): (u64, u64),
    ) -> Result<Address> {
        let arguments = (U256::from(ltv), U256::from(threshold)).abi_encode_params();
        self.add(batch, "AaveDataProviderDouble", arguments).await
    }

    fn aave_settings(
        &self,
        set_token: Address,
        module: Address,
        provider: Address,
        (collateral_feed, borrow_feed): (Address, Address),
    ) -> IAaveStrategyDouble::ContractSettings {
        let tokens = &self.deployment.tokens;
        IAaveStrategyDouble::ContractSettings {
            setToken: set_token,
            leverageModule: module,
            aaveProtocolDataProvider: provider,
            collateralPriceOracle: collateral_feed,
            borrowPriceOracle: borrow_feed,
            // The module makes both in its constructor; a contract's nonces start at 1.
            targetCollateralAToken: module.create(1),
            targetBorrowDebtToken: module.create(2),
            collateralAsset: tokens.weth,
            borrowAsset: tokens.usdc,
            collateralDecimalAdjustment: adjustment(18),
            borrowDecimalAdjustment: adjustment(6),
        }
    }

    fn execution(&self) -> IStrategy::ExecutionSettings {
        IStrategy::ExecutionSettings {
            unutilizedLeveragePercentage: self.methodology.unutilized_leverage_percentage,
            slippageTolerance: self.methodology.slippage_tolerance,
            twapCooldownPeriod: U256::from(self.methodology.twap_cooldown_period),
        }
    }

    async fn add(
        &self,
        batch: &mut Batch<'_>,
        double: &str,
        arguments: Vec<u8>,
    ) -> Result<Address> {
        batch.deploy(double, self.doubles.code(double)?, arguments).await
    }
}
