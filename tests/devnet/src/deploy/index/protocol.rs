//! Set Protocol's side of an index: the protocol with its adapters, the token, the operator's settings.

use alloy::{
    primitives::{Address, Bytes, I256, U256, utils::parse_ether},
    sol_types::SolValue as _,
};
use eyre::{OptionExt as _, Result};

use super::{
    SUSHI, SYMBOL, Site, Token, V2, V3,
    basket::{Plan, Way},
};
use crate::{
    accounts::{self, OPERATOR},
    batch::Batch,
    contracts::{
        IController, IIntegrationRegistry, ISetTokenCreator, IStreamingFeeModule, IToken,
        index::{IBasicIssuanceModule, IIndexExtension},
    },
    tooling::Package,
};

/// What holders pay a year, and at most, 18 decimals: 0.95 % and 10 %.
const STREAMING_FEE: u64 = 9_500_000_000_000_000;
const MAX_STREAMING_FEE: u64 = 100_000_000_000_000_000;

/// Set Protocol's side.
pub(super) struct Protocol {
    creator: Address,
    pub(super) registry: Address,
    pub(super) issuance: Address,
    pub(super) streaming_fee: Address,
    pub(super) module: Address,
}

impl Site<'_> {
    fn set_code(&self, path: &str) -> Result<Bytes> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let path = format!("artifacts/contracts/protocol/{path}.sol/{name}");
        self.tooling.code(Package::Set, &path, None)
    }

    pub(super) async fn protocol(&self, batch: &mut Batch<'_>) -> Result<Protocol> {
        let code = self.set_code("Controller")?;
        let controller = batch.deploy("Controller", &code, OPERATOR.abi_encode()).await?;
        let mut of_controller = Vec::new();
        for name in [
            "SetTokenCreator",
            "IntegrationRegistry",
            "modules/BasicIssuanceModule",
            "modules/StreamingFeeModule",
        ] {
            let code = self.set_code(name)?;
            of_controller.push(batch.deploy(name, &code, controller.abi_encode()).await?);
        }
        let [creator, registry, issuance, streaming_fee] =
            of_controller.try_into().ok().ok_or_eyre("four contracts of the Controller")?;
        let code = self.set_code("modules/GeneralIndexModule")?;
        let arguments = (controller, self.deployment.tokens.weth).abi_encode_params();
        let module = batch.deploy("GeneralIndexModule", &code, arguments).await?;
        let initialize = IController::initializeCall {
            factories: vec![creator],
            modules: vec![module, issuance, streaming_fee],
            resources: vec![registry],
            resourceIds: vec![U256::ZERO],
        };
        batch.call(controller, initialize).await?;
        let fee = self.options.protocol_fee;
        if !fee.is_zero() {
            let fee =
                IController::addFeeCall { module, feeType: U256::ZERO, newFeePercentage: fee };
            batch.call(controller, fee).await?;
        }
        let uniswap = &self.deployment.uniswap;
        for (name, code, router) in
            [(V2, V2, uniswap.v2_router), (SUSHI, V2, self.sushi.1), (V3, V3, uniswap.v3_router)]
        {
            let code = self.set_code(&format!("integration/index-exchange/{code}"))?;
            let adapter = batch.deploy(name, &code, router.abi_encode()).await?;
            let name = name.to_owned();
            let add = IIntegrationRegistry::addIntegrationCall { module, name, adapter };
            batch.call(registry, add).await?;
        }
        Ok(Protocol { creator, registry, issuance, streaming_fee, module })
    }

    /// The token with its first holder. A contract's nonces start at 1.
    pub(super) async fn set_token(
        &self,
        batch: &mut Batch<'_>,
        protocol: &Protocol,
        tokens: &[Token],
    ) -> Result<Address> {
        let Protocol { creator, issuance, streaming_fee, module, .. } = *protocol;
        let held = || tokens.iter().filter(|token| token.plan.unit > 0);
        let set_token = creator.create(1);
        let create = ISetTokenCreator::createCall {
            components: held().map(|token| token.at).collect(),
            units: held()
                .map(|token| I256::try_from(token.plan.unit))
                .collect::<Result<Vec<_>, _>>()?,
            modules: vec![module, issuance, streaming_fee],
            manager: OPERATOR,
            name: "A composite index".to_owned(),
            symbol: SYMBOL.to_owned(),
        };
        batch.call(creator, create).await?;
        let initialize = IBasicIssuanceModule::initializeCall {
            setToken: set_token,
            preIssueHook: Address::ZERO,
        };
        batch.call(issuance, initialize).await?;
        let settings = IStreamingFeeModule::FeeState {
            feeRecipient: OPERATOR,
            maxStreamingFeePercentage: U256::from(MAX_STREAMING_FEE),
            streamingFeePercentage: U256::from(STREAMING_FEE),
            lastStreamingFeeTimestamp: U256::ZERO,
        };
        let initialize = IStreamingFeeModule::initializeCall { setToken: set_token, settings };
        batch.call(streaming_fee, initialize).await?;
        // Of what may be held later too, so that the operator can issue at any time.
        for token in tokens.iter().map(|token| token.at).chain([self.deployment.tokens.weth]) {
            let approve = IToken::approveCall { spender: issuance, amount: U256::MAX };
            batch.call(token, approve).await?;
        }
        let quantity = parse_ether(self.options.basket.supply())?;
        let issue = IBasicIssuanceModule::issueCall { setToken: set_token, quantity, to: OPERATOR };
        batch.call(issuance, issue).await?;
        Ok(set_token)
    }

    /// What the operator sets. Only the manager may initialise the module, so the extension does it.
    pub(super) async fn settings(
        &self,
        batch: &mut Batch<'_>,
        extension: Address,
        tokens: &[Token],
        keeper: usize,
    ) -> Result<()> {
        let components: Vec<Address> = tokens.iter().map(|token| token.at).collect();
        let of = |part: fn(&Plan) -> U256| tokens.iter().map(|token| part(token.plan)).collect();
        batch.call(extension, IIndexExtension::initializeCall {}).await?;
        let maximums = IIndexExtension::setTradeMaximumsCall {
            components: components.clone(),
            tradeMaximums: of(|plan| U256::from(plan.most)),
        };
        batch.call(extension, maximums).await?;
        let exchanges = IIndexExtension::setExchangesCall {
            components: components.clone(),
            exchangeNames: tokens
                .iter()
                .map(|token| token.plan.way.exchange().to_owned())
                .collect(),
        };
        batch.call(extension, exchanges).await?;
        let data = IIndexExtension::setExchangeDataCall {
            components: components.clone(),
            exchangeData: tokens.iter().map(|token| self.exchange_data(token.plan.way)).collect(),
        };
        batch.call(extension, data).await?;
        let rests = IIndexExtension::setCoolOffPeriodsCall {
            components,
            coolOffPeriods: of(|plan| U256::from(plan.rest)),
        };
        batch.call(extension, rests).await?;
        let raise = self.options.raise_target_percentage;
        if !raise.is_zero() {
            let raise =
                IIndexExtension::setRaiseTargetPercentageCall { raiseTargetPercentage: raise };
            batch.call(extension, raise).await?;
        }
        let keeper = accounts::keeper_address(keeper);
        let traders: Vec<Address> =
            [OPERATOR, keeper].into_iter().chain(self.options.more_traders.clone()).collect();
        let statuses = vec![true; traders.len()];
        batch.call(extension, IIndexExtension::setTraderStatusCall { traders, statuses }).await
    }

    /// Packed: nothing, the token in between, or the pool's fee.
    fn exchange_data(&self, way: Way) -> Bytes {
        let fee_of = |fee: u32| {
            let [_, fee @ ..] = fee.to_be_bytes();
            Bytes::copy_from_slice(&fee)
        };
        match way {
            Way::Direct(_) | Way::Sushi(_) => Bytes::new(),
            Way::ThroughDollars(_) => {
                Bytes::copy_from_slice(self.deployment.tokens.usdc.as_slice())
            }
            Way::Pool { fee, .. } => fee_of(fee),
            Way::Dollars => fee_of(self.deployment.uniswap.v3_fee),
        }
    }
}
