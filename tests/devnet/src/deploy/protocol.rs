//! Set Protocol: the Controller, its modules, and the adapters they trade through.

use alloy::{
    primitives::{Address, U256, address},
    sol_types::SolValue as _,
};
use eyre::Result;

use super::{Compound, SetProtocol, Tokens, Uniswap, V2_EXCHANGE, V3_EXCHANGE};
use crate::{
    Tooling,
    accounts::OPERATOR,
    batch::Batch,
    contracts::{ICompoundLeverageModule, IController, IIntegrationRegistry},
    tooling::Package,
};

/// Where Compound's Comptroller expects its own token. None is deployed: nothing here claims it.
const COMP: Address = address!("0xc00e94Cb662C3520282E6f5717214004A7f26888");
/// The name under which the leverage module looks for the issuance module.
const ISSUANCE: &str = "DefaultIssuanceModule";

pub(super) async fn deploy(
    tooling: &Tooling,
    batch: &mut Batch<'_>,
    tokens: &Tokens,
    compound: &Compound,
    uniswap: &Uniswap,
) -> Result<SetProtocol> {
    let code = |name: &str, library| {
        let file = name.rsplit('/').next().unwrap_or(name);
        let path = format!("artifacts/contracts/protocol/{name}.sol/{file}");
        tooling.code(Package::Set, &path, library)
    };
    let controller = code("Controller", None)?;
    let controller = batch.deploy("Controller", &controller, OPERATOR.abi_encode()).await?;
    let mut of_controller = Vec::new();
    for name in [
        "IntegrationRegistry",
        "SetTokenCreator",
        "modules/DebtIssuanceModule",
        "modules/StreamingFeeModule",
    ] {
        let address = batch.deploy(name, &code(name, None)?, controller.abi_encode()).await?;
        of_controller.push(address);
    }
    let library = code("integration/lib/Compound", None)?;
    let library = batch.deploy("Compound library", &library, Vec::new()).await?;
    let module = code("modules/CompoundLeverageModule", Some(library))?;
    // Its constructor reads the list of markets, so these must come first.
    let arguments = (controller, COMP, compound.comptroller, compound.c_ether, tokens.weth);
    let arguments = arguments.abi_encode_params();
    let leverage_module = batch.deploy("CompoundLeverageModule", &module, arguments).await?;

    let [integration_registry, set_token_creator, debt_issuance_module, streaming_fee_module] =
        of_controller.try_into().map_err(|_| eyre::eyre!("four contracts of the Controller"))?;
    let set = SetProtocol {
        controller,
        integration_registry,
        set_token_creator,
        debt_issuance_module,
        streaming_fee_module,
        leverage_module,
    };
    let initialize = IController::initializeCall {
        factories: vec![set_token_creator],
        modules: vec![debt_issuance_module, streaming_fee_module, leverage_module],
        resources: vec![integration_registry],
        resourceIds: vec![U256::ZERO],
    };
    batch.call(controller, initialize).await?;

    let v3 = code("integration/exchange/UniswapV3ExchangeAdapter", None)?;
    let v3 = batch.deploy(V3_EXCHANGE, &v3, uniswap.v3_router.abi_encode()).await?;
    let v2 = code("integration/exchange/UniswapV2ExchangeAdapter", None)?;
    let v2 = batch.deploy(V2_EXCHANGE, &v2, uniswap.v2_router.abi_encode()).await?;
    for (name, adapter) in [(V3_EXCHANGE, v3), (V2_EXCHANGE, v2), (ISSUANCE, debt_issuance_module)]
    {
        let name = name.to_owned();
        let add =
            IIntegrationRegistry::addIntegrationCall { module: leverage_module, name, adapter };
        batch.call(integration_registry, add).await?;
    }
    let any = ICompoundLeverageModule::updateAnySetAllowedCall { allowed: true };
    batch.call(leverage_module, any).await?;
    Ok(set)
}
