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
        ICompoundMarket, ILeverageStrategyExtension as Ext,
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
    /// Looks at `extension` and says what it is; two rounds of reads.
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
        let [set_token, collateral, borrow, collateral_market, borrow_market] =
            match strategy.len() {
                Some(STRATEGY_WORDS) => [0, 7, 8, 5, 6],
                Some(MORPHO_STRATEGY_WORDS) => [0, 2, 3, 0, 0],
                Some(_) | None => return Err(strategy.unexpected("getStrategy()", extension)),
            }
            .map(|at| strategy.address(at));
        let has_market = strategy.len() == Some(STRATEGY_WORDS);
        let (collateral_decimals, borrow_decimals, variant) = futures::try_join!(
            decimals(collateral, at),
            decimals(borrow, at),
            variant(extension, has_market.then_some(collateral_market), at),
        )?;
        Ok(Self {
            extension,
            variant,
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
    /// keeps its own books, or refuses to say.
    ///
    /// # Errors
    /// [`StrategyError::Read`] if the chain did not answer.
    pub async fn position(&self, at: &BlockReader) -> Result<Option<Position>, StrategyError> {
        let (Some(collateral), Some(debt)) = (self.collateral.market, self.borrow.market) else {
            return Ok(None);
        };
        let holder = balanceOfCall { account: self.set_token };
        let read = match self.variant {
            Variant::Compound => {
                let owed = ICompoundMarket::borrowBalanceStoredCall { account: self.set_token };
                futures::try_join!(
                    at.call(collateral, holder),
                    at.call(collateral, ICompoundMarket::exchangeRateStoredCall {}),
                    at.call(debt, owed),
                )
                .map(|(receipts, rate, debt)| {
                    Some(Position { collateral: precise_mul(receipts, rate)?, debt })
                })
            }
            Variant::AaveV2 | Variant::AaveV3 => {
                futures::try_join!(at.call(collateral, holder.clone()), at.call(debt, holder))
                    .map(|(collateral, debt)| Some(Position { collateral, debt }))
            }
            Variant::Morpho => Ok(None),
        };
        match read {
            Ok(position) => Ok(position),
            Err(ReadError::Reverted(_) | ReadError::Malformed { .. }) => Ok(None),
            Err(error @ ReadError::Unavailable(_)) => {
                Err(StrategyError::reading("the position")(error))
            }
        }
    }
}

/// The TWAP cooldown period, seconds, from a raw answer of `getExecution()`. Morpho's tuple has one
/// percentage more in front of it.
///
/// # Errors
/// [`StrategyError::Misconfigured`] if the answer has neither length.
pub fn twap_cooldown_period(extension: Address, execution: Bytes) -> Result<U256, StrategyError> {
    let execution = Words(execution);
    match execution.len() {
        Some(3) => Ok(execution.number(2)),
        Some(4) => Ok(execution.number(3)),
        Some(_) | None => Err(execution.unexpected("getExecution()", extension)),
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
    let (e_mode, rate) = futures::join!(
        at.call(extension, Ext::currentEModeCategoryIdCall {}),
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
