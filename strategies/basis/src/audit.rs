//! What `check` tells beyond a decision: how the product is wired, and settings that look odd. None
//! of it is asked at a block of the keeper's work.

use alloy::primitives::U256;
use ballast_chains::{BlockReader, ReadError};
use ballast_strategy_api::Doubt;

use crate::{
    Basis,
    contracts::{
        IBasisModule, IController, IIntegrationRegistry, IPerpBaseToken, IPerpClearingHouse,
        ISetToken,
    },
    policy::ratio_text,
    ratio::ONE,
    snapshot::Snapshot,
};

/// The only exchange adapter that the extension works with: it does exact input and exact output.
const ADAPTER: &str = "UniswapV3ExchangeAdapterV2";
/// Which entry of a controller's resources is the list of adapters.
const INTEGRATION_REGISTRY: U256 = U256::ZERO;

/// Everything that a person should look at. What cannot be read is left to the assessment, which
/// says so.
pub async fn audit(basis: &Basis, at: &BlockReader) -> Vec<Doubt> {
    let product = &basis.product;
    let settings = &product.settings;
    let set = settings.setToken;
    let initialized = |module| at.call(set, ISetToken::isInitializedModuleCall { module });
    let (snapshot, balance, paused, open, index, module, trade, controller) = futures::join!(
        Snapshot::read(basis, at),
        at.balance(product.extension),
        at.call(product.clearing_house, IPerpClearingHouse::pausedCall {}),
        // Later releases of Perp only.
        at.call_isolated(settings.virtualBaseAddress, IPerpBaseToken::isOpenCall {}),
        at.call(
            settings.virtualBaseAddress,
            IPerpBaseToken::getIndexPriceCall { interval: settings.twapInterval }
        ),
        initialized(settings.basisTradingModule),
        initialized(settings.tradeModule),
        at.call(settings.basisTradingModule, IBasisModule::controllerCall {}),
    );
    let mut doubts = Vec::new();
    if basis.listing.is_none() {
        doubts.push(Doubt::warning(format!(
            "its manager {} lists nothing: nobody can tell whether the extension is retired",
            product.manager
        )));
    }
    if paused.is_ok_and(|paused| paused) {
        doubts.push(Doubt::error("Perp is paused: every action reverts".to_owned()));
    }
    if open.is_ok_and(|open| !open) {
        doubts.push(Doubt::error("Perp's market is not open: every action reverts".to_owned()));
    }
    let modules = [(module, settings.basisTradingModule), (trade, settings.tradeModule)];
    for (state, module) in modules {
        if state.is_ok_and(|initialized| !initialized) {
            let text = format!("module {module} is not initialized on {set}: every action reverts");
            doubts.push(Doubt::error(text));
        }
    }
    let Ok(snapshot) = snapshot else { return doubts };
    let exchange = snapshot.exchange.exchangeName.clone();
    if let Ok(controller) = controller
        && adapter_is_missing(controller, settings.tradeModule, exchange.clone(), at).await
    {
        let text =
            format!("exchange {exchange:?} is not enabled for module {}", settings.tradeModule);
        doubts.push(Doubt::error(text));
    }
    if let (Ok(index), Ok(books)) = (&index, &snapshot.books) {
        doubts.extend(prices_apart(books.price, *index));
    }
    if balance.is_ok_and(|wei| wei.is_zero()) && !snapshot.incentive.etherReward.is_zero() {
        let text = "the extension holds no ether: a ripcord pays nothing".to_owned();
        doubts.push(Doubt::warning(text));
    }
    doubts.extend(odd_settings(basis, &snapshot));
    doubts
}

/// Whether the list of adapters says that there is none of this name; an answer that is not to be
/// had says nothing.
async fn adapter_is_missing(
    controller: alloy::primitives::Address,
    module: alloy::primitives::Address,
    name: String,
    at: &BlockReader,
) -> bool {
    let call = IController::resourceIdCall { id: INTEGRATION_REGISTRY };
    let Ok(registry) = at.call(controller, call).await else { return false };
    let call = IIntegrationRegistry::isValidIntegrationCall { module, name };
    match at.call(registry, call).await {
        Ok(valid) => !valid,
        Err(ReadError::Reverted(_) | ReadError::Malformed { .. } | ReadError::Unavailable(_)) => {
            false
        }
    }
}

/// Wrong decimals would make every ratio wrong, and look like a healthy product.
fn prices_apart(extension: U256, perp: U256) -> Option<Doubt> {
    let apart = extension.abs_diff(perp).checked_mul(U256::from(100))?;
    (apart > extension.min(perp)).then(|| {
        let text = |price: U256| ballast_chains::amount::ether(price);
        Doubt::error(format!(
            "the extension's price is {} and Perp's index {}: is its feed, or \
             basePriceDecimalAdjustment, that of another asset",
            text(extension),
            text(perp)
        ))
    })
}

/// Settings that the contract takes, and that a person should look at.
fn odd_settings(basis: &Basis, snapshot: &Snapshot) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    let methodology = &snapshot.methodology;
    let [min, target, max, line] = [
        methodology.minLeverageRatio,
        methodology.targetLeverageRatio,
        methodology.maxLeverageRatio,
        snapshot.incentive.incentivizedLeverageRatio,
    ];
    // Numbers below zero: the one farthest from it is the least.
    let is_ordered = line <= max && max <= target && target <= min && min.is_negative();
    if !is_ordered {
        doubts.push(Doubt::error(format!(
            "leverage ratios out of order: min {}, target {}, max {}, ripcord {}",
            ratio_text(min),
            ratio_text(target),
            ratio_text(max),
            ratio_text(line)
        )));
    }
    let exchange = &snapshot.exchange;
    if exchange.exchangeName != ADAPTER {
        let text = format!("exchange {:?}, where {ADAPTER:?} was expected", exchange.exchangeName);
        doubts.push(Doubt::warning(text));
    }
    let (spot, collateral) = (basis.product.spot.token, basis.product.collateral.token);
    let starts =
        |data: &[u8], token: alloy::primitives::Address| data.starts_with(token.as_slice());
    let paths = [
        ("buyExactSpotTradeData", starts(&exchange.buyExactSpotTradeData, spot)),
        ("sellExactSpotTradeData", starts(&exchange.sellExactSpotTradeData, spot)),
        ("buySpotQuoteExactInputPath", starts(&exchange.buySpotQuoteExactInputPath, collateral)),
    ];
    for (name, fits) in paths {
        if !fits {
            doubts.push(Doubt::error(format!("{name} does not begin with the token it should")));
        }
    }
    let tolerances = [
        ("slippageTolerance", snapshot.execution.slippageTolerance),
        ("incentivizedSlippageTolerance", snapshot.incentive.incentivizedSlippageTolerance),
    ];
    for (name, tolerance) in tolerances {
        if tolerance.is_zero() || tolerance >= ONE {
            let text = format!("{name} {} lets everything through, or nothing", tolerance);
            doubts.push(Doubt::warning(text));
        }
    }
    if exchange.twapMaxTradeSize.is_zero() || exchange.incentivizedTwapMaxTradeSize.is_zero() {
        doubts.push(Doubt::error("a largest trade size of zero: no trade is possible".to_owned()));
    }
    if snapshot.gas.native_usd.is_none() && !basis.policy.gas_multiple.times.is_zero() {
        let text =
            "the chain has no native_usd_feed that answers: reinvest is not weighed against \
                    its gas"
                .to_owned();
        doubts.push(Doubt::warning(text));
    }
    doubts
}
