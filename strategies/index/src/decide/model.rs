//! An independent model of the module, its index and pools, written from the contract's rules rather
//! than from this crate's code, to hold decisions against.

mod properties;
mod scenes;
mod worlds;

use std::time::Duration;

use alloy::{
    primitives::{Address, U256, uint},
    sol_types::SolCall,
};
use ballast_chains::Revert;
use ballast_strategy_api::{Action, Decision};

use super::{Survey, Terms, survey::Wish};
use crate::{
    contracts::IGeneralIndexModule::{raiseAssetTargetsCall, tradeCall, tradeRemainingWETHCall},
    market::{Kind, Pool},
    module::{Position, Side},
    params::Policy,
    price::Price,
    quote::Hop,
    snapshot::{
        Component, Market, NoReference, Reference, Snapshot, Source, Weth,
        offers::{By, Offer, Offers, Rehearsal, by_state, remaining_by_state},
    },
};

const ONE: U256 = uint!(1_000_000_000_000_000_000_U256);
const WETH: Address = Address::repeat_byte(0xee);
const START: u64 = 1_800_000_000;

/// A position of the index: the unit as the token stores it, and what it holds.
#[derive(Debug, Clone, Copy)]
struct Held {
    virtual_unit: U256,
    balance: U256,
}

/// One component with its pool.
#[derive(Debug, Clone)]
struct Asset {
    held: Held,
    target: U256,
    max_size: U256,
    cool_off: u64,
    last_trade: u64,
    decimals: u8,
    /// From the component to the intermediate asset.
    pool: Hop,
    /// What both reserves are when the pool is at its price.
    calm: Hop,
}

/// An index, its module and its market.
#[derive(Debug, Clone)]
struct World {
    now: u64,
    supply: U256,
    multiplier: U256,
    started_at: U256,
    protocol_fee: U256,
    raise_percentage: U256,
    weth: Held,
    weth_target: U256,
    weth_listed: bool,
    assets: Vec<Asset>,
    /// Whether the wallet may trade.
    may_trade: bool,
    policy: Policy,
}

type Refused = &'static str;

fn token(place: usize) -> Address {
    Address::with_last_byte(u8::try_from(place + 1).unwrap())
}

fn up(dividend: U256, divisor: U256) -> U256 {
    dividend.div_ceil(divisor)
}

impl World {
    fn real(&self, held: Held) -> U256 {
        held.virtual_unit * self.multiplier / ONE
    }

    fn target(&self, raw: U256) -> U256 {
        raw * self.multiplier / self.started_at
    }

    fn is_met(&self, asset: &Asset) -> bool {
        let (unit, target) = (self.real(asset.held), self.target(asset.target));
        if target.is_zero() { unit.is_zero() } else { unit.abs_diff(target) <= U256::ONE }
    }

    fn can_sell(&self, asset: &Asset) -> bool {
        self.target(asset.target) < self.real(asset.held)
    }

    /// `editDefaultPosition` after a balance has changed: what was not accounted for stays so.
    fn edited(&self, before: Held, balance: U256) -> Result<Held, Refused> {
        let tracked = self.supply * self.real(before) / ONE;
        let untracked = before.balance - tracked;
        let notional = balance.checked_sub(untracked).ok_or("SafeMath: subtraction overflow")?;
        let unit = notional * ONE / self.supply;
        Ok(Held { virtual_unit: unit * ONE / self.multiplier, balance })
    }

    fn fee_of(&self, received: U256) -> U256 {
        received * self.protocol_fee / ONE
    }

    fn trade(&mut self, place: usize, limit: U256) -> Result<(), Refused> {
        let asset = self.assets[place].clone();
        if asset.last_trade + asset.cool_off > self.now {
            return Err("Component cool off in progress");
        }
        let (unit, target) = (self.real(asset.held), self.target(asset.target));
        if unit == target {
            return Err("Target already met");
        }
        let held = self.supply * unit / ONE;
        let wanted = up(self.supply * target, ONE);
        let (token_after, weth_after);
        if wanted < held {
            let size = (held - wanted).min(asset.max_size);
            let received = swap(&mut self.assets[place].pool, size, false)?;
            if received < limit {
                return Err("UniswapV2Router: INSUFFICIENT_OUTPUT_AMOUNT");
            }
            token_after = asset.held.balance - size;
            weth_after = self.weth.balance + received - self.fee_of(received);
        } else {
            let size = ((wanted - held) * ONE / (ONE - self.protocol_fee)).min(asset.max_size);
            let needed = needed(&mut self.assets[place].pool, size)?;
            if needed > limit.min(self.weth.balance) {
                return Err("UniswapV2Router: EXCESSIVE_INPUT_AMOUNT");
            }
            token_after = asset.held.balance + size - self.fee_of(size);
            weth_after = self.weth.balance - needed;
        }
        let weth = self.edited(self.weth, weth_after)?;
        self.assets[place].held = self.edited(asset.held, token_after)?;
        self.weth = weth;
        self.assets[place].last_trade = self.now;
        Ok(())
    }

    fn trade_remaining(&mut self, place: usize, least: U256) -> Result<(), Refused> {
        if self.assets.iter().any(|asset| self.can_sell(asset)) {
            return Err("Sell other set components first");
        }
        let weth_unit = self.real(self.weth);
        if self.weth_target >= weth_unit {
            return Err("WETH is below target unit");
        }
        let asset = self.assets[place].clone();
        if asset.last_trade + asset.cool_off > self.now {
            return Err("Component cool off in progress");
        }
        let kept = up(self.supply * self.target(self.weth_target), ONE);
        let size = (self.supply * weth_unit / ONE)
            .checked_sub(kept)
            .ok_or("SafeMath: subtraction overflow")?;
        let received = swap(&mut self.assets[place].pool, size, true)?;
        if received < least {
            return Err("UniswapV2Router: INSUFFICIENT_OUTPUT_AMOUNT");
        }
        let net = received - self.fee_of(received);
        let weth = self.edited(self.weth, self.weth.balance - size)?;
        let after = self.edited(asset.held, asset.held.balance + net)?;
        if received >= asset.max_size {
            return Err("Trade amount > max trade size");
        }
        if self.real(after) > self.target(asset.target) {
            return Err("Can not exceed target unit");
        }
        (self.weth, self.assets[place].held) = (weth, after);
        self.assets[place].last_trade = self.now;
        Ok(())
    }

    fn raise(&mut self) -> Result<(), Refused> {
        let all_met = self.assets.iter().all(|asset| self.is_met(asset));
        if !all_met || self.real(self.weth) <= self.target(self.weth_target) {
            return Err("Targets not met or ETH =~ 0");
        }
        self.started_at = self.started_at * ONE / (ONE + self.raise_percentage);
        Ok(())
    }

    /// A streaming fee: Sets are minted, and every unit shrinks.
    fn accrue(&mut self, share: U256) {
        let minted = self.supply * share / (ONE - share);
        self.supply += minted;
        self.multiplier = self.multiplier * (ONE - share) / ONE;
    }

    /// Sets are issued against components, or redeemed for them; units stay.
    fn resize(&mut self, share: U256, is_mint: bool) {
        let sets = self.supply * share / ONE;
        let units: Vec<U256> = self.assets.iter().map(|asset| self.real(asset.held)).collect();
        let weth_unit = self.real(self.weth);
        let moved = |held: &mut Held, unit: U256| {
            if is_mint {
                held.balance += up(unit * sets, ONE);
            } else {
                held.balance -= unit * sets / ONE;
            }
        };
        for (asset, unit) in self.assets.iter_mut().zip(units) {
            moved(&mut asset.held, unit);
        }
        moved(&mut self.weth, weth_unit);
        self.supply = if is_mint { self.supply + sets } else { self.supply - sets };
    }

    /// The operator starts anew: a share of what one component was to be goes to another.
    fn start_anew(&mut self, from: usize, to: usize, share: U256) {
        let worth = |place: usize, amount: U256| self.price(place).value(amount).unwrap();
        let moved = self.target(self.assets[from].target) * share / ONE;
        let (value, each) = (worth(from, moved), worth(to, ONE));
        let gained = value * ONE / each.max(U256::ONE);
        let targets = self.assets.iter().map(|asset| self.target(asset.target));
        let mut targets: Vec<U256> = targets.collect();
        targets[from] -= moved;
        targets[to] += gained;
        self.weth_target = self.target(self.weth_target);
        self.started_at = self.multiplier;
        for (asset, target) in self.assets.iter_mut().zip(targets) {
            asset.target = target;
        }
    }

    /// Outsiders bring the pools back to their prices.
    fn arbitrage(&mut self) {
        for asset in &mut self.assets {
            asset.pool = asset.calm;
        }
    }

    fn price(&self, place: usize) -> Price {
        let calm = &self.assets[place].calm;
        Price::of_units(calm.reserve_out, calm.reserve_in).unwrap()
    }

    /// What the strategy would have read, with what it would have been told on asking.
    #[expect(clippy::too_many_lines, reason = "a table of what is read")]
    fn snapshot(&self) -> (Snapshot, Survey) {
        let components = self.assets.iter().enumerate().map(|(place, asset)| {
            let pool = Pool {
                address: token(place + 100),
                kind: Kind::V2,
                from: token(place),
                to: WETH,
                fee: asset.pool.fee,
            };
            let spot = Price::of_units(asset.pool.reserve_out, asset.pool.reserve_in).unwrap();
            let price = self.price(place);
            let reference = Reference { low: price, high: price, source: Source::Feed { age: 1 } };
            Component {
                token: token(place),
                symbol: format!("T{place}"),
                decimals: Some(asset.decimals),
                position: Position {
                    target_unit: asset.target,
                    unit: self.real(asset.held),
                    max_size: asset.max_size,
                },
                cool_off: U256::from(asset.cool_off),
                last_trade: U256::from(asset.last_trade),
                market: Market::Pools { pools: vec![pool], hops: vec![asset.pool], spot },
                reference: Ok::<_, NoReference>(reference),
                offers: Offers::default(),
            }
        });
        let mut snapshot = Snapshot {
            now: self.now,
            block_time: Duration::from_secs(12),
            caller: Address::repeat_byte(0xca),
            may_trade: self.may_trade,
            anyone: false,
            is_served: true,
            lists_zero: false,
            trade_cost: U256::ZERO,
            terms: crate::module::Terms {
                supply: self.supply,
                multiplier: self.multiplier,
                started_at: self.started_at,
                protocol_fee: self.protocol_fee,
            },
            raise_percentage: self.raise_percentage,
            weth: Weth {
                token: WETH,
                unit: self.real(self.weth),
                target_unit: self.weth_target,
                is_component: self.weth_listed,
            },
            components: components.collect(),
        };
        let survey = Survey::of(&snapshot, &self.policy).unwrap();
        for wish in survey.wishes(&snapshot, &self.policy) {
            let place = survey.lots[wish.lot()].place;
            let component = &snapshot.components[place];
            // Who may not trade cannot try.
            let tried =
                |work: &dyn Fn(&mut Self) -> Result<(), Refused>| match work(&mut self.clone()) {
                    _ if !self.may_trade => Rehearsal::None,
                    Ok(()) => Rehearsal::Passed,
                    Err(why) => Rehearsal::Refused(Revert::Reason(why.to_owned())),
                };
            match wish {
                Wish::Trade(_) => {
                    let size = survey.lots[wish.lot()].size.unwrap();
                    let (amount, by) = by_state(component, size.side, size.now);
                    assert_eq!(by, By::Formula);
                    let limit = match size.side {
                        Side::Sell => self.policy.least(amount.unwrap_or_default()),
                        Side::Buy => amount.and_then(|amount| self.policy.most(amount)),
                    };
                    let limit = limit.filter(|l| size.side == Side::Sell || *l <= survey.free);
                    let rehearsal = limit.map_or(Rehearsal::None, |limit| {
                        tried(&|world: &mut Self| world.trade(place, limit))
                    });
                    let offer = Offer { amount, by, back: None, rehearsal };
                    snapshot.components[place].offers.trade = Some(offer);
                }
                Wish::Remaining(_) => {
                    let (amount, by) = remaining_by_state(component, survey.surplus);
                    let rehearsal =
                        tried(&|world: &mut Self| world.trade_remaining(place, U256::ZERO));
                    let offer = Offer { amount, by, back: None, rehearsal };
                    snapshot.components[place].offers.remaining = Some(offer);
                }
            }
        }
        (snapshot, survey)
    }

    fn decide(&self) -> (Decision, Survey) {
        let (snapshot, survey) = self.snapshot();
        let terms = Terms {
            set_token: Address::repeat_byte(0x5e),
            module: Address::repeat_byte(0x60),
            policy: &self.policy,
            caller_is_contract: false,
        };
        let decision = super::decide(terms, &snapshot, &survey).unwrap();
        (decision, survey)
    }

    /// Carries out a call as it was made; gives the component that it is of.
    fn execute(&mut self, action: &Action) -> Result<Option<usize>, Refused> {
        if !self.may_trade {
            return Err("Address not permitted to trade");
        }
        let data = &action.candidates.first.data;
        let place = |token: Address| usize::from(token.as_slice()[19]) - 1;
        if let Ok(call) = tradeCall::abi_decode(data) {
            let place = place(call.component);
            self.trade(place, call.ethQuantityLimit).map(|()| Some(place))
        } else if let Ok(call) = tradeRemainingWETHCall::abi_decode(data) {
            let place = place(call.component);
            self.trade_remaining(place, call.minComponentReceived).map(|()| Some(place))
        } else {
            raiseAssetTargetsCall::abi_decode(data).unwrap();
            self.raise().map(|()| None)
        }
    }
}

/// A swap of an exact input; in the pool's direction, or back.
fn swap(pool: &mut Hop, amount: U256, back: bool) -> Result<U256, Refused> {
    let hop = if back { pool.reversed() } else { *pool };
    if amount.is_zero() {
        return Err("UniswapV2Library: INSUFFICIENT_INPUT_AMOUNT");
    }
    let kept = amount * U256::from(1_000_000 - hop.fee);
    let out = kept * hop.reserve_out / (hop.reserve_in * U256::from(1_000_000) + kept);
    if out.is_zero() {
        return Err("UniswapV2: INSUFFICIENT_OUTPUT_AMOUNT");
    }
    let after = Hop {
        reserve_in: hop.reserve_in + amount,
        reserve_out: hop.reserve_out - out,
        fee: hop.fee,
    };
    *pool = if back { after.reversed() } else { after };
    Ok(out)
}

/// A swap back for an exact output.
fn needed(pool: &mut Hop, amount: U256) -> Result<U256, Refused> {
    let hop = pool.reversed();
    if amount.is_zero() {
        return Err("UniswapV2Library: INSUFFICIENT_OUTPUT_AMOUNT");
    }
    let rest = hop.reserve_out.checked_sub(amount).filter(|rest| !rest.is_zero());
    let rest = rest.ok_or("ds-math-sub-underflow")?;
    let product = hop.reserve_in * amount * U256::from(1_000_000);
    let paid = product / (rest * U256::from(1_000_000 - hop.fee)) + U256::ONE;
    let after = Hop { reserve_in: hop.reserve_in + paid, reserve_out: rest, fee: hop.fee };
    *pool = after.reversed();
    Ok(paid)
}
