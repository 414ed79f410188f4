//! What the trades that are possible at a block would come to, and whether the module would make them.
//!
//! A quote of Uniswap V3's `Quoter` and a rehearsal of a trade are each a call by itself, all of them
//! side by side. Rehearsals are what tells a component that is stuck from one that trades: there is no
//! memory of earlier failures.

use alloy::primitives::U256;
use ballast_chains::{BlockReader, ReadError, Revert};
use futures::future;

use super::{Component, Market, Snapshot};
use crate::{
    contracts::IGeneralIndexModule::{tradeCall, tradeRemainingWETHCall},
    decide::survey::{Lot, Survey, Wish},
    market::{Kind, Pool},
    module::Side,
    params::Policy,
    quote::{amount_out, reversed, traded},
    strategy::CompositeIndex,
};

/// What a component's trades would come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offers {
    /// One trade of the size that the module gives.
    pub trade: Option<Offer>,
    /// All of the surplus for the component.
    pub remaining: Option<Offer>,
}

/// What one trade would come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// A sell: wei of the intermediate asset that come in. A buy: that are needed. The surplus: base
    /// units of the component that come in, before the protocol's fee. `None` if a pool does not hold
    /// so much, or its quoter did not say.
    pub amount: Option<U256>,
    /// Who says so.
    pub by: By,
    /// What its quoter says to as much of the component the other way: wei that a sell would cost to
    /// buy back, or that a buy would bring. `None` if it was not asked, or the pool does not hold as
    /// much.
    pub back: Option<U256>,
    /// What the module said to the trade, at a limit that any of its prices keeps.
    pub rehearsal: Rehearsal,
}

/// Who says what a trade comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The pools' formula; exact on V2.
    Formula,
    /// The formula with the liquidity in range of a V3 pool: too good for trades that leave it.
    InRange,
    /// Uniswap V3's quoter.
    Quoter,
    /// The reference alone: the pools are not known.
    Reference,
}

/// What came of trying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rehearsal {
    /// It was not tried.
    None,
    /// It would be made.
    Passed,
    /// It would not.
    Refused(Revert),
}

/// Asks for what is possible, by the state alone.
pub async fn ask(
    index: &CompositeIndex,
    snapshot: &mut Snapshot,
    survey: &Survey,
    at: &BlockReader,
) {
    let desk = Desk { index, at, policy: &index.policy, free: survey.free };
    let wishes = survey.wishes(snapshot, &index.policy);
    let asked = wishes.iter().filter_map(|wish| {
        let lot = survey.lots.get(wish.lot())?;
        let component = snapshot.components.get(lot.place)?;
        let (desk, survey) = (&desk, &survey);
        let may_trade = snapshot.may_trade;
        Some(async move {
            let offer = match wish {
                Wish::Trade(_) => desk.trade(component, lot, may_trade).await,
                Wish::Remaining(_) => desk.remaining(component, survey.surplus, may_trade).await,
            };
            (lot.place, *wish, offer)
        })
    });
    let offers = future::join_all(asked).await;
    for (place, wish, offer) in offers {
        let Some(component) = snapshot.components.get_mut(place) else { continue };
        match wish {
            Wish::Trade(_) => component.offers.trade = offer,
            Wish::Remaining(_) => component.offers.remaining = offer,
        }
    }
}

/// Who asks.
struct Desk<'a> {
    index: &'a CompositeIndex,
    at: &'a BlockReader,
    policy: &'a Policy,
    free: U256,
}

impl Desk<'_> {
    async fn trade(&self, of: &Component, lot: &Lot, may_trade: bool) -> Option<Offer> {
        let size = lot.size?;
        let (amount, by) = by_state(of, size.side, size.now);
        let asks_quoter = by == By::InRange && self.index.v3_quoter.is_some();
        // What is known now may be held to; where the quoter is still to answer, any price will do.
        let limit = match (size.side, asks_quoter) {
            (Side::Sell, true) => Some(U256::ZERO),
            (Side::Buy, true) => Some(self.free),
            (Side::Sell, false) => amount.and_then(|out| self.policy.least(out)),
            (Side::Buy, false) => amount.and_then(|needed| self.policy.most(needed)),
        };
        let limit = limit.filter(|limit| size.side == Side::Sell || *limit <= self.free);
        let (quoted, back, rehearsal) = futures::join!(
            async {
                if asks_quoter { Some(self.quote(of, size.side, size.now).await) } else { None }
            },
            async {
                if asks_quoter { self.quote(of, size.side.back(), size.now).await } else { None }
            },
            async {
                match limit {
                    Some(limit) if may_trade => {
                        self.rehearse(tradeCall {
                            setToken: self.index.set_token,
                            component: of.token,
                            ethQuantityLimit: limit,
                        })
                        .await
                    }
                    Some(_) | None => Rehearsal::None,
                }
            }
        );
        Some(match quoted {
            Some(amount) => Offer { amount, by: By::Quoter, back, rehearsal },
            None => Offer { amount, by, back, rehearsal },
        })
    }

    async fn remaining(&self, of: &Component, surplus: U256, may_trade: bool) -> Option<Offer> {
        let (amount, by) = remaining_by_state(of, surplus);
        let asks_quoter = by == By::InRange && self.index.v3_quoter.is_some();
        let (quoted, back, rehearsal) = futures::join!(
            async {
                if asks_quoter { Some(self.quote_remaining(of, surplus).await) } else { None }
            },
            async {
                // About as much as would come in.
                let about = amount.filter(|_| asks_quoter)?;
                self.quote(of, Side::Sell, about).await
            },
            async {
                if !may_trade {
                    return Rehearsal::None;
                }
                // Without a limit: whether it overshoots is told by the amounts.
                self.rehearse(tradeRemainingWETHCall {
                    setToken: self.index.set_token,
                    component: of.token,
                    minComponentReceived: U256::ZERO,
                })
                .await
            }
        );
        Some(match quoted {
            Some(amount) => Offer { amount, by: By::Quoter, back, rehearsal },
            None => Offer { amount, by, back, rehearsal },
        })
    }

    async fn rehearse<C: alloy::sol_types::SolCall>(&self, call: C) -> Rehearsal {
        match self.at.call_as_caller(self.index.module, call).await {
            Ok(_) => Rehearsal::Passed,
            Err(ReadError::Reverted(revert)) => Rehearsal::Refused(revert),
            // Nobody knows; submission tries again.
            Err(ReadError::Unavailable(_) | ReadError::Malformed { .. }) => Rehearsal::None,
        }
    }

    /// Silence of the endpoints gives no offer, as a pool that is too small does.
    async fn quote(&self, of: &Component, side: Side, amount: U256) -> Option<U256> {
        let quoter = self.index.v3_quoter?;
        quoter.quote(single_v3(of)?, side, amount, self.at).await.ok()?
    }

    async fn quote_remaining(&self, of: &Component, surplus: U256) -> Option<U256> {
        let quoter = self.index.v3_quoter?;
        quoter.bought(single_v3(of)?, surplus, self.at).await.ok()?
    }
}

fn single_v3(of: &Component) -> Option<&Pool> {
    match &of.market {
        Market::Pools { pools, .. } => match pools.as_slice() {
            [pool @ Pool { kind: Kind::V3, .. }] => Some(pool),
            _ => None,
        },
        Market::Unknown | Market::Nowhere(_) => None,
    }
}

/// What a trade comes to by what was read of the pools, or by the reference where there are none.
pub fn by_state(of: &Component, side: Side, amount: U256) -> (Option<U256>, By) {
    match &of.market {
        Market::Pools { hops, .. } => {
            let by = if single_v3(of).is_some() { By::InRange } else { By::Formula };
            (traded(hops, side, amount), by)
        }
        Market::Unknown | Market::Nowhere(_) => {
            let value = of.reference.as_ref().ok().and_then(|reference| match side {
                Side::Sell => reference.low.value(amount),
                Side::Buy => reference.high.value(amount)?.checked_add(U256::ONE),
            });
            (value, By::Reference)
        }
    }
}

/// What the surplus buys of a component by what was read of the pools, as [`by_state`].
pub fn remaining_by_state(of: &Component, surplus: U256) -> (Option<U256>, By) {
    match &of.market {
        Market::Pools { hops, .. } => {
            let by = if single_v3(of).is_some() { By::InRange } else { By::Formula };
            (amount_out(&reversed(hops), surplus), by)
        }
        Market::Unknown | Market::Nowhere(_) => {
            let price = of.reference.as_ref().ok().and_then(|reference| reference.high.inverse());
            (price.and_then(|price| price.value(surplus)), By::Reference)
        }
    }
}
