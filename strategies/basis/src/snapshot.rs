//! Everything that is read at one block: one round, and a second one only where a product stands
//! below its bounds.

mod own;

use alloy::primitives::{Address, I256, U256};
use ballast_chains::{
    BlockReader, ReadError, Revert,
    feeds::{self, Price, Said},
};
use ballast_strategy_api::StrategyError;

use self::own::Own;
use crate::{
    Basis,
    books::Books,
    contracts::{
        IBasisExtension::{
            self as Ext, ExchangeSettings, ExecutionSettings, IncentiveSettings,
            MethodologySettings,
        },
        IPerpAccountBalance,
    },
    policy::Policy,
    ratio::signed,
    venues::Venues,
    winding,
};

/// A product at one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The block's timestamp, seconds. The contract compares its clocks with this one.
    pub now: U256,
    /// The product's wallet.
    pub caller: Address,
    /// Whether that wallet is a contract: then it may do nothing, since every action asks for a
    /// plain account.
    pub caller_is_contract: bool,
    /// Whether the extension's list lets that wallet call; a ripcord needs no permission.
    pub caller_permitted: bool,
    /// Where the leverage ratio should be.
    pub methodology: MethodologySettings,
    /// How trades are made.
    pub execution: ExecutionSettings,
    /// The ripcord's terms.
    pub incentive: IncentiveSettings,
    /// The exchange of the spot leg. Operators may change it in the middle of a TWAP.
    pub exchange: ExchangeSettings,
    /// The ratio that an open TWAP goes to; 0 if none is open.
    pub twap_leverage_ratio: I256,
    /// When anything was last traded, seconds since 1970; a reinvestment does not count.
    pub last_trade: U256,
    /// When funding was last reinvested, or the extension deployed.
    pub last_reinvest: U256,
    /// The size of the short, base asset with 18 decimals: negative, 0 if there is none.
    pub position: Result<I256, ReadError>,
    /// What the product owns and owes, or why that is not known.
    pub books: Result<Books, ReadError>,
    /// What the extension says of itself.
    pub market: Market,
    /// What a ripcord would pay now, wei; `None` if it could not be read.
    pub reward: Option<U256>,
    /// The magnitude at which the last trade left the product, by the price of then. Read only where
    /// it is below its bounds and should be levered up; `None` also where that is not known.
    pub left_at: Option<U256>,
    /// What only observations are made of.
    pub venues: Venues,
    /// What gas costs.
    pub gas: Gas,
}

/// What gas costs at this block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gas {
    /// Wei per gas; `None` on a chain without base fees.
    pub base_fee: Option<u128>,
    /// US dollars per native coin, of any age: what it is for needs no exact one. `None` without a
    /// feed, or one that gives no price.
    pub native_usd: Option<Price>,
}

/// What the extension says of its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Market {
    /// It has a leverage ratio.
    Live(Live),
    /// It cannot compute one, or not say what is due.
    Refused(Revert),
}

/// A product with a leverage ratio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// The current leverage ratio, 18 decimals: negative while the product is short. 0 is no ratio:
    /// there is no short, or the account is worth nothing.
    pub leverage_ratio: I256,
    /// What the extension says is due.
    pub due: ShouldRebalance,
    /// Why the extension did not say what is due by the operator's bounds. What is due is then by
    /// its own.
    pub bounds_refused: Option<ReadError>,
}

/// The contract's enum of the same name: which action it is ready for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShouldRebalance {
    /// Nothing.
    None,
    /// `rebalance`.
    Rebalance,
    /// `iterateRebalance`.
    IterateRebalance,
    /// `ripcord`.
    Ripcord,
    /// `reinvest`.
    Reinvest,
}

impl TryFrom<u8> for ShouldRebalance {
    type Error = StrategyError;

    fn try_from(number: u8) -> Result<Self, StrategyError> {
        match number {
            0 => Ok(Self::None),
            1 => Ok(Self::Rebalance),
            2 => Ok(Self::IterateRebalance),
            3 => Ok(Self::Ripcord),
            4 => Ok(Self::Reinvest),
            other => Err(StrategyError::Misconfigured(format!(
                "shouldRebalance() answers {other}, which is no action"
            ))),
        }
    }
}

impl Snapshot {
    /// Reads all of it.
    ///
    /// # Errors
    /// [`StrategyError::Read`] if the chain did not answer something that the decision needs;
    /// [`StrategyError::Misconfigured`] if the contract answers otherwise than its kind does.
    pub async fn read(basis: &Basis, at: &BlockReader) -> Result<Self, StrategyError> {
        let product = &basis.product;
        let ext = product.extension;
        let size = IPerpAccountBalance::getTakerPositionSizeCall {
            trader: product.settings.setToken,
            baseToken: product.settings.virtualBaseAddress,
        };
        let (own, ratio, should, position, books, reward, venues, native_usd) = futures::join!(
            Own::read(ext, at),
            at.call(ext, Ext::getCurrentLeverageRatioCall {}),
            at.call(ext, Ext::shouldRebalanceCall {}),
            at.call(product.settings.perpV2AccountBalance, size),
            Books::read(product, at),
            at.call(ext, Ext::getCurrentEtherIncentiveCall {}),
            Venues::read(product, at),
            feeds::native_usd(at),
        );
        let own = own?;
        let now = U256::from(at.header().timestamp);
        let unsaid = Unsaid {
            books: books.as_ref().ok().filter(|_| !product.has_funding_view),
            methodology: &own.methodology,
            has_rested: now.saturating_sub(own.last_reinvest) > own.methodology.reinvestInterval,
        };
        let mut market = Market::of(ratio, should, unsaid)?;
        let mut left_at = None;
        if let Market::Live(live) = &mut market {
            let age = now.saturating_sub(own.last_trade);
            let seen = books.as_ref().ok().filter(|_| live.wants_leverage(&own.methodology));
            let (asked, left) =
                futures::join!(live.ask_by(&basis.policy, &own.methodology, ext, at), async {
                    winding::left_at(product, seen?, age, at).await
                },);
            left_at = left;
            live.take(asked?)?;
        }
        Ok(Self {
            now,
            caller: at.caller(),
            caller_is_contract: basis.caller_is_contract,
            caller_permitted: own.permits_caller,
            methodology: own.methodology,
            execution: own.execution,
            incentive: own.incentive,
            exchange: own.exchange,
            twap_leverage_ratio: own.twap_leverage_ratio,
            last_trade: own.last_trade,
            last_reinvest: own.last_reinvest,
            position,
            books,
            market,
            reward: reward.ok(),
            left_at,
            venues,
            gas: Gas {
                base_fee: at.header().base_fee_per_gas,
                native_usd: match native_usd {
                    Said::Answer(round) => Some(round.price),
                    Said::Nothing(_) | Said::NoFeed => None,
                },
            },
        })
    }
}

/// What to go by where `shouldRebalance` cannot say whether a reinvestment is due.
struct Unsaid<'a> {
    /// `None` if it can.
    books: Option<&'a Books>,
    methodology: &'a MethodologySettings,
    /// Whether the reinvestment interval is over.
    has_rested: bool,
}

impl Unsaid<'_> {
    /// The extension's own rule. It is reached only where nothing that comes before it is due, so
    /// that a failure in it says as much.
    fn due(&self) -> Option<ShouldRebalance> {
        let is_enough = self.books?.reinvest_units()? >= self.methodology.minReinvestUnits;
        self.has_rested.then_some(match is_enough {
            true => ShouldRebalance::Reinvest,
            false => ShouldRebalance::None,
        })
    }
}

impl Market {
    fn of(
        ratio: Result<I256, ReadError>,
        should: Result<u8, ReadError>,
        unsaid: Unsaid<'_>,
    ) -> Result<Self, StrategyError> {
        let leverage_ratio = match refused_or(ratio, "the leverage ratio")? {
            Ok(ratio) => ratio,
            Err(revert) => return Ok(Self::Refused(revert)),
        };
        let due = match refused_or(should, "what is due")? {
            Ok(number) => ShouldRebalance::try_from(number)?,
            // The module's missing view is called in vain, which leaves no words.
            Err(Revert::Empty) => match unsaid.due() {
                Some(due) => due,
                None => return Ok(Self::Refused(Revert::Empty)),
            },
            Err(revert) => return Ok(Self::Refused(revert)),
        };
        Ok(Self::Live(Live { leverage_ratio, due, bounds_refused: None }))
    }
}

impl Live {
    /// Asks again by the operator's bounds, where there are any and they could take something away:
    /// they change nothing about a ripcord or an open TWAP.
    async fn ask_by(
        &self,
        policy: &Policy,
        methodology: &MethodologySettings,
        extension: Address,
        at: &BlockReader,
    ) -> Result<Option<Result<u8, ReadError>>, StrategyError> {
        let may_change = match self.due {
            ShouldRebalance::None | ShouldRebalance::Rebalance | ShouldRebalance::Reinvest => true,
            ShouldRebalance::IterateRebalance | ShouldRebalance::Ripcord => false,
        };
        if !policy.has_bounds() || !may_change {
            return Ok(None);
        }
        let bounds = policy.bounds(methodology);
        let overflow = || StrategyError::Arithmetic("a custom bound");
        let call = Ext::shouldRebalanceWithBoundsCall {
            customMinLeverageRatio: signed(bounds.min).ok_or_else(overflow)?,
            customMaxLeverageRatio: signed(bounds.max).ok_or_else(overflow)?,
        };
        Ok(Some(at.call(extension, call).await))
    }

    /// Takes what was answered, if it was asked.
    fn take(&mut self, answer: Option<Result<u8, ReadError>>) -> Result<(), StrategyError> {
        match answer {
            None => {}
            Some(Ok(number)) => self.due = ShouldRebalance::try_from(number)?,
            Some(Err(error)) => self.bounds_refused = Some(error),
        }
        Ok(())
    }

    /// Whether the ratio is so low that the extension asks for a rebalance at once.
    fn wants_leverage(&self, methodology: &MethodologySettings) -> bool {
        let current = self.leverage_ratio.unsigned_abs();
        let is_low = current < methodology.minLeverageRatio.unsigned_abs();
        self.due == ShouldRebalance::Rebalance && is_low && !current.is_zero()
    }
}

/// Splits a refusal, which says something about the product, from a failure, which does not.
fn refused_or<T>(
    read: Result<T, ReadError>,
    what: &'static str,
) -> Result<Result<T, Revert>, StrategyError> {
    match read {
        Ok(value) => Ok(Ok(value)),
        Err(ReadError::Reverted(revert)) => Ok(Err(revert)),
        Err(error @ (ReadError::Malformed { .. } | ReadError::Unavailable(_))) => {
            Err(StrategyError::reading(what)(error))
        }
    }
}

#[cfg(test)]
mod tests;
