//! Which relative of the leverage strategy extension this is, and what never changes about it.
//!
//! The variants decide alike and are called alike; they differ in the shape of two tuples and in
//! how a balance is read. Nothing that is decided here relies on more than the common set.

use std::fmt;

use alloy::{
    primitives::{Address, Bytes, U256},
    sol_types::SolCall,
};
use ballast_chains::{BlockReader, ReadError};
use ballast_strategy_api::StrategyError;

use crate::{
    contracts::{
        IAavePoolAddressesProvider, ICompoundMarket, ILeverageStrategyExtension as Ext,
        IToken::{balanceOfCall, decimalsCall},
    },
    ratio::{Position, precise_mul},
};

/// Bytes of one ABI word.
const WORD: usize = 32;
/// Words of `getStrategy()` with price feeds and receipt tokens.
const STRATEGY_WORDS: usize = 11;
/// Words of `getStrategy()` of the Morpho variant: its market knows the rest.
const MORPHO_STRATEGY_WORDS: usize = 4;

/// The lending market that an extension is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// `FlexibleLeverageStrategyExtension`.
    Compound,
    /// `AaveLeverageStrategyExtension`.
    AaveV2,
    /// `AaveV3LeverageStrategyExtension`.
    AaveV3,
    /// `MorphoLeverageStrategyExtension`.
    Morpho,
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Compound => "Compound",
            Self::AaveV2 => "Aave V2",
            Self::AaveV3 => "Aave V3",
            Self::Morpho => "Morpho",
        })
    }
}

/// What never changes about an extension: its constructor fixed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deployment {
    /// The extension.
    pub extension: Address,
    /// Its lending market.
    pub variant: Variant,
    /// Who knows how much may be borrowed: Compound's Comptroller, Aave's data provider, or the
    /// leverage module of Morpho.
    pub authority: Address,
    /// Aave V3's pool, which knows the limits of an e-mode. `None` elsewhere, or if it could not be
    /// found: then only the distance to the ceiling is not known.
    pub e_mode_pool: Option<Address>,
    /// The product's token.
    pub set_token: Address,
    /// What the product owns.
    pub collateral: Asset,
    /// What the product owes.
    pub borrow: Asset,
}

/// An ERC-20 that is owned or owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asset {
    /// The asset itself, not a market's receipt for it.
    pub token: Address,
    /// Decimals of its base unit.
    pub decimals: u8,
    /// The market's token that counts the product's share: collateral receipt or debt. `None`
    /// where the market keeps its own books.
    pub market: Option<Address>,
}

impl Deployment {
    /// Looks at `extension` and says what it is; two rounds of reads, two more on Aave V3.
    ///
    /// # Errors
    /// [`StrategyError::Misconfigured`] if there is no contract, or one that this crate does not
    /// serve; [`StrategyError::Read`] if the chain did not answer.
    pub async fn recognise(extension: Address, at: &BlockReader) -> Result<Self, StrategyError> {
        let (code, should, names, strategy) = futures::join!(
            at.code(extension),
            at.call_raw(extension, Ext::shouldRebalanceCall {}.abi_encode().into()),
            at.call(extension, Ext::getEnabledExchangesCall {}),
            at.call_raw(extension, Ext::getStrategyCall {}.abi_encode().into()),
        );
        if code.map_err(StrategyError::reading("the extension's code"))?.is_empty() {
            return Err(misconfigured(format!("no contract at {extension}")));
        }
        refuse_single_exchange_adapter(extension, &should)?;
        or_misconfigured(names, "getEnabledExchanges()", extension)?;
        let strategy = Words(or_misconfigured(strategy, "getStrategy()", extension)?);
        let [set_token, authority, collateral, borrow, collateral_market, borrow_market] =
            match strategy.len() {
                Some(STRATEGY_WORDS) => [0, 2, 7, 8, 5, 6],
                Some(MORPHO_STRATEGY_WORDS) => [0, 1, 2, 3, 0, 0],
                Some(_) | None => return Err(strategy.unexpected("getStrategy()", extension)),
            }
            .map(|at| strategy.address(at));
        let has_market = strategy.len() == Some(STRATEGY_WORDS);
        let (collateral_decimals, borrow_decimals, variant) = futures::try_join!(
            decimals(collateral, at),
            decimals(borrow, at),
            variant(extension, has_market.then_some(collateral_market), at),
        )?;
        let e_mode_pool = match variant {
            Variant::AaveV3 => pool(extension, at).await,
            Variant::Compound | Variant::AaveV2 | Variant::Morpho => None,
        };
        Ok(Self {
            extension,
            variant,
            authority,
            e_mode_pool,
            set_token,
            collateral: Asset {
                token: collateral,
                decimals: collateral_decimals,
                market: has_market.then_some(collateral_market),
            },
            borrow: Asset {
                token: borrow,
                decimals: borrow_decimals,
                market: has_market.then_some(borrow_market),
            },
        })
    }

    /// What the product owns and owes at the block; one round of reads. `None` where the market
    /// keeps its own books, or does not say for whatever reason: an action is the more precise for
    /// it, but does not depend on it.
    pub async fn position(&self, at: &BlockReader) -> Option<Position> {
        let (collateral, debt) = (self.collateral.market?, self.borrow.market?);
        let holder = balanceOfCall { account: self.set_token };
        match self.variant {
            Variant::Compound => {
                let owed = ICompoundMarket::borrowBalanceStoredCall { account: self.set_token };
                futures::try_join!(
                    at.call(collateral, holder),
                    at.call(collateral, ICompoundMarket::exchangeRateStoredCall {}),
                    at.call(debt, owed),
                )
                .ok()
                .and_then(|(receipts, rate, debt)| {
                    Some(Position { collateral: precise_mul(receipts, rate)?, debt })
                })
            }
            Variant::AaveV2 | Variant::AaveV3 => {
                futures::try_join!(at.call(collateral, holder.clone()), at.call(debt, holder))
                    .ok()
                    .map(|(collateral, debt)| Position { collateral, debt })
            }
            Variant::Morpho => None,
        }
    }
}

/// Which token an extension serves; `None` if it answers as none that is served. For telling a
/// leverage strategy extension from the other extensions of a manager.
///
/// # Errors
/// [`StrategyError::Read`] if the chain did not answer.
pub async fn served_token(
    extension: Address,
    at: &BlockReader,
) -> Result<Option<Address>, StrategyError> {
    match at.call_raw(extension, Ext::getStrategyCall {}.abi_encode().into()).await {
        Ok(answer) => {
            let words = Words(answer);
            let is_one = matches!(words.len(), Some(STRATEGY_WORDS | MORPHO_STRATEGY_WORDS));
            Ok(is_one.then(|| words.address(0)))
        }
        Err(ReadError::Reverted(_) | ReadError::Malformed { .. }) => Ok(None),
        Err(error @ ReadError::Unavailable(_)) => {
            Err(StrategyError::reading("a manager's extension")(error))
        }
    }
}

/// Aave V3's pool, by way of its address book.
async fn pool(extension: Address, at: &BlockReader) -> Option<Address> {
    let book = at.call(extension, Ext::lendingPoolAddressesProviderCall {}).await.ok()?;
    at.call(book, IAavePoolAddressesProvider::getPoolCall {}).await.ok()
}

/// What is used of `getExecution()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Execution {
    /// Share of the borrow limit that a delever leaves alone, 18 decimals.
    pub held_back: U256,
    /// Seconds that an exchange rests between two chunks.
    pub twap_cooldown_period: U256,
}

impl Execution {
    /// Reads a raw answer. Morpho's tuple has one percentage more, which is the one that counts
    /// when delevering; on Aave V3 nothing is held back then. `None` if the answer has neither
    /// length: nothing that is sent depends on it.
    pub fn decode(variant: Variant, answer: Bytes) -> Option<Self> {
        let words = Words(answer);
        let (held_back, period) = match words.len()? {
            3 => (0, 2),
            4 => (1, 3),
            _ => return None,
        };
        let held_back = match variant {
            Variant::AaveV3 => U256::ZERO,
            Variant::Compound | Variant::AaveV2 | Variant::Morpho => words.number(held_back),
        };
        Some(Self { held_back, twap_cooldown_period: words.number(period) })
    }
}

/// The adapter from before several exchanges were served has the same selector but answers one
/// word, and other actions.
fn refuse_single_exchange_adapter(
    extension: Address,
    should: &Result<Bytes, ReadError>,
) -> Result<(), StrategyError> {
    match should {
        Ok(answer) if answer.len() == WORD => Err(misconfigured(format!(
            "{extension} is an older FlexibleLeverageStrategyAdapter with a single exchange: not supported"
        ))),
        // A wound-down product reverts here, and is recognised all the same.
        Ok(_) | Err(ReadError::Reverted(_) | ReadError::Malformed { .. }) => Ok(()),
        Err(error @ ReadError::Unavailable(_)) => {
            Err(StrategyError::reading("shouldRebalance()")(error.clone()))
        }
    }
}

async fn decimals(token: Address, at: &BlockReader) -> Result<u8, StrategyError> {
    or_misconfigured(at.call(token, decimalsCall {}).await, "decimals()", token)
}

/// Tells the relatives apart by what only one of them answers.
async fn variant(
    extension: Address,
    collateral_market: Option<Address>,
    at: &BlockReader,
) -> Result<Variant, StrategyError> {
    let Some(market) = collateral_market else { return Ok(Variant::Morpho) };
    // Most extensions have no such function, and a failure without data is not believed in a batch.
    let (e_mode, rate) = futures::join!(
        at.call_isolated(extension, Ext::currentEModeCategoryIdCall {}),
        at.call(market, ICompoundMarket::exchangeRateStoredCall {}),
    );
    let answers = |result: Result<(), ReadError>| match result {
        Ok(()) => Ok(true),
        Err(ReadError::Reverted(_) | ReadError::Malformed { .. }) => Ok(false),
        Err(error @ ReadError::Unavailable(_)) => {
            Err(StrategyError::reading("the lending market")(error))
        }
    };
    let is_aave_v3 = answers(e_mode.map(drop))?;
    let is_compound = answers(rate.map(drop))?;
    Ok(match (is_aave_v3, is_compound) {
        (true, _) => Variant::AaveV3,
        (false, true) => Variant::Compound,
        (false, false) => Variant::AaveV2,
    })
}

/// A contract that does not answer as its kind does is the wrong contract; one that could not be
/// asked may be the right one.
fn or_misconfigured<T>(
    read: Result<T, ReadError>,
    view: &'static str,
    contract: Address,
) -> Result<T, StrategyError> {
    read.map_err(|error| match error {
        ReadError::Reverted(_) | ReadError::Malformed { .. } => misconfigured(format!(
            "{contract} is no leverage strategy extension that is served: {view}: {error}"
        )),
        ReadError::Unavailable(_) => StrategyError::reading(view)(error),
    })
}

fn misconfigured(message: String) -> StrategyError {
    StrategyError::Misconfigured(message)
}

/// An answer whose shape is told by its length: static tuples only.
struct Words(Bytes);

impl Words {
    /// How many words; `None` if the length is not whole words.
    fn len(&self) -> Option<usize> {
        let (words, rest) = self.0.as_chunks::<WORD>();
        rest.is_empty().then_some(words.len())
    }

    /// The word at `index`; zero beyond the end.
    fn number(&self, index: usize) -> U256 {
        self.0.as_chunks::<WORD>().0.get(index).map_or(U256::ZERO, |w| U256::from_be_bytes(*w))
    }

    fn address(&self, index: usize) -> Address {
        Address::from_word(self.number(index).into())
    }

    fn unexpected(&self, view: &str, contract: Address) -> StrategyError {
        misconfigured(format!(
            "{contract} is no leverage strategy extension that is served: {view} answers {} bytes",
            self.0.len()
        ))
    }
}
