//! What stands at the extension's address, and what never changes about it.

use alloy::{
    primitives::{Address, Bytes, U256, aliases::U24},
    sol_types::SolCall,
};
use ballast_chains::{BlockReader, ReadError};
use ballast_strategy_api::{StrategyError, listing::Family};

use crate::contracts::{
    IBasisExtension::{self as Ext, ContractSettings},
    IBasisModule, IPerpMarketRegistry, IToken, IUniswapV3,
};

/// Bytes of `getStrategy()`: eleven words, as all leverage strategy extensions of other markets have
/// too, so that only [`lastReinvestTimestamp`](Ext::lastReinvestTimestampCall) tells them apart.
const STRATEGY_BYTES: usize = 11 * 32;
/// Bytes of `getStrategy()` of `PerpV2LeverageStrategyExtension`.
const LEVERAGE_BYTES: usize = 8 * 32;
/// Bytes of an address and of a fee in a Uniswap V3 path.
const ADDRESS_BYTES: usize = 20;
const FEE_BYTES: usize = 3;

/// What is looked for among a manager's extensions.
pub const FAMILY: Family = Family {
    noun: "basis trading extension",
    second: "manager lists a second basis trading extension",
    serves: |extension, at| Box::pin(served_token(extension, at)),
};

/// What never changes about an extension: its constructor fixed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// The extension.
    pub extension: Address,
    /// Its manager: who lists it, and through whom it trades.
    pub manager: Address,
    /// The contracts it goes through, with their settings.
    pub settings: ContractSettings,
    /// What a price of its feed is multiplied by to have 18 decimals.
    pub price_scale: U256,
    /// The long leg.
    pub spot: Asset,
    /// What Perp is paid in.
    pub collateral: Asset,
    /// Perp's front door.
    pub clearing_house: Address,
    /// Whether the module has `getUpdatedSettledFunding`. Without it `shouldRebalance` fails once a
    /// reinvestment could be due.
    pub has_funding_view: bool,
    /// Perp's market; `None` if it was not found: then only its price is not known.
    pub perp_pool: Option<Address>,
    /// The pool of the spot leg; `None` likewise.
    pub spot_pool: Option<SpotPool>,
}

/// An ERC-20 of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asset {
    /// The token.
    pub token: Address,
    /// Decimals of its base unit.
    pub decimals: u8,
}

/// The Uniswap V3 pool between collateral and spot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpotPool {
    /// The pool.
    pub pool: Address,
    /// The setting that it was found by: with another one it may be another pool.
    pub path: Bytes,
    /// Whether prices are collateral per spot; else spot per collateral.
    pub spot_is_token0: bool,
}

impl Deployment {
    /// Looks at `extension` and says what it is; four rounds of reads.
    ///
    /// # Errors
    /// [`StrategyError::Misconfigured`] if there is no contract, or one that this crate does not
    /// serve; [`StrategyError::Read`] if the chain did not answer.
    pub async fn recognise(extension: Address, at: &BlockReader) -> Result<Self, StrategyError> {
        let (code, strategy, reinvested, manager, exchange) = futures::join!(
            at.code(extension),
            at.call_raw(extension, Ext::getStrategyCall {}.abi_encode().into()),
            // Most extensions have no such function, and a failure without data is not believed in
            // a batch.
            at.call_isolated(extension, Ext::lastReinvestTimestampCall {}),
            at.call(extension, Ext::managerCall {}),
            at.call(extension, Ext::getExchangeSettingsCall {}),
        );
        if code.map_err(StrategyError::reading("the extension's code"))?.is_empty() {
            return Err(misconfigured(format!("no contract at {extension}")));
        }
        let strategy = or_misconfigured(strategy, "getStrategy()", extension)?;
        if strategy.len() == LEVERAGE_BYTES {
            return Err(misconfigured(format!(
                "{extension} is a PerpV2LeverageStrategyExtension: extension_kind \"leverage\" is \
                 not yet supported"
            )));
        }
        or_misconfigured(reinvested, "lastReinvestTimestamp()", extension)?;
        let settings = Ext::getStrategyCall::abi_decode_returns(&strategy).map_err(|_| {
            not_served(extension, &format!("getStrategy() answers {} bytes", strategy.len()))
        })?;
        let manager = or_misconfigured(manager, "manager()", extension)?;
        let exchange = or_misconfigured(exchange, "getExchangeSettings()", extension)?;
        Self::wired(extension, manager, settings, exchange.buySpotQuoteExactInputPath, at).await
    }

    async fn wired(
        extension: Address,
        manager: Address,
        settings: ContractSettings,
        path: Bytes,
        at: &BlockReader,
    ) -> Result<Self, StrategyError> {
        let module = settings.basisTradingModule;
        let view = IBasisModule::getUpdatedSettledFundingCall { setToken: settings.setToken };
        let (spot, clearing_house, collateral, view, registry, factory) = futures::join!(
            at.call(settings.spotAssetAddress, IToken::decimalsCall {}),
            at.call(module, IBasisModule::perpClearingHouseCall {}),
            at.call(module, IBasisModule::collateralTokenCall {}),
            at.call_isolated(module, view),
            at.call(module, IBasisModule::perpMarketRegistryCall {}),
            at.call(settings.quoter, IUniswapV3::factoryCall {}),
        );
        let spot_decimals = or_misconfigured(spot, "decimals()", settings.spotAssetAddress)?;
        let clearing_house = or_misconfigured(clearing_house, "perpClearingHouse()", module)?;
        let collateral = or_misconfigured(collateral, "collateralToken()", module)?;
        let has_funding_view = match view {
            Ok(_) => true,
            Err(ReadError::Reverted(_) | ReadError::Malformed { .. }) => false,
            Err(error @ ReadError::Unavailable(_)) => {
                return Err(StrategyError::reading("the module's funding")(error));
            }
        };
        let spot = Asset { token: settings.spotAssetAddress, decimals: spot_decimals };
        let base_token = settings.virtualBaseAddress;
        let (collateral_decimals, perp_pool, spot_pool) = futures::join!(
            at.call(collateral, IToken::decimalsCall {}),
            async {
                let call = IPerpMarketRegistry::getPoolCall { baseToken: base_token };
                at.call(registry.ok()?, call).await.ok()
            },
            async { SpotPool::find(factory.ok()?, path, collateral, spot.token, at).await },
        );
        let price_scale = U256::from(10)
            .checked_pow(settings.basePriceDecimalAdjustment)
            .ok_or_else(|| not_served(extension, "its basePriceDecimalAdjustment is too large"))?;
        let decimals = or_misconfigured(collateral_decimals, "decimals()", collateral)?;
        Ok(Self {
            extension,
            manager,
            settings,
            price_scale,
            spot,
            collateral: Asset { token: collateral, decimals },
            clearing_house,
            has_funding_view,
            perp_pool,
            spot_pool,
        })
    }
}

impl SpotPool {
    /// The one pool of a path from `collateral` to `spot`; `None` for a longer path, which has no
    /// single price, or if it cannot be found.
    async fn find(
        factory: Address,
        path: Bytes,
        collateral: Address,
        spot: Address,
        at: &BlockReader,
    ) -> Option<Self> {
        let (from, rest) = path.split_at_checked(ADDRESS_BYTES)?;
        let (fee, to) = rest.split_at_checked(FEE_BYTES)?;
        if from != collateral.as_slice() || to != spot.as_slice() {
            return None;
        }
        let fee = U24::try_from_be_slice(fee)?;
        let call = IUniswapV3::getPoolCall { tokenA: collateral, tokenB: spot, fee };
        let pool = at.call(factory, call).await.ok().filter(|pool| !pool.is_zero())?;
        // Uniswap sorts a pair by address.
        Some(Self { pool, path, spot_is_token0: spot < collateral })
    }
}

/// Which token an extension serves; `None` if it answers as none that is served.
///
/// # Errors
/// [`StrategyError::Read`] if the chain did not answer.
async fn served_token(
    extension: Address,
    at: &BlockReader,
) -> Result<Option<Address>, StrategyError> {
    let (strategy, reinvested) = futures::join!(
        at.call_raw(extension, Ext::getStrategyCall {}.abi_encode().into()),
        at.call(extension, Ext::lastReinvestTimestampCall {}),
    );
    for read in [strategy.as_ref().err(), reinvested.as_ref().err()].into_iter().flatten() {
        if let ReadError::Unavailable(_) = read {
            return Err(StrategyError::reading("a manager's extension")(read.clone()));
        }
    }
    let (Ok(strategy), Ok(_)) = (strategy, reinvested) else { return Ok(None) };
    if strategy.len() != STRATEGY_BYTES {
        return Ok(None);
    }
    Ok(Ext::getStrategyCall::abi_decode_returns(&strategy).ok().map(|settings| settings.setToken))
}

/// A contract that does not answer as its kind does is the wrong contract; one that could not be
/// asked may be the right one.
fn or_misconfigured<T>(
    read: Result<T, ReadError>,
    view: &'static str,
    contract: Address,
) -> Result<T, StrategyError> {
    read.map_err(|error| match error {
        ReadError::Reverted(_) | ReadError::Malformed { .. } => {
            not_served(contract, &format!("{view}: {error}"))
        }
        ReadError::Unavailable(_) => StrategyError::reading(view)(error),
    })
}

fn not_served(contract: Address, why: &str) -> StrategyError {
    misconfigured(format!("{contract} is none of a basis trading product that is served: {why}"))
}

fn misconfigured(message: String) -> StrategyError {
    StrategyError::Misconfigured(message)
}
