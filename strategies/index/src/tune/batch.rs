//! What an operator signs to follow the advice: only what differs from the chain.

use alloy::{
    primitives::{Address, U256},
    sol_types::SolCall as _,
};
use ballast_strategy_api::safe_batch::Call;

use super::{Advice, Settings};
use crate::contracts::IExtension::{
    setCoolOffPeriodsCall, setExchangeDataCall, setExchangesCall, setRaiseTargetPercentageCall,
    setTradeMaximumsCall, setTraderStatusCall,
};

/// A maximum that is within a tenth of the advised one is left as it is: pools breathe.
const NEAR: U256 = U256::from_limbs([10, 0, 0, 0]);

/// What else is to be set, besides the components' settings.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// By how much `raiseAssetTargets` shall raise, 18 decimals; only if the chain has another value.
    pub raise: Option<U256>,
    /// Who shall be let trade; only those who may not yet.
    pub traders: Vec<Address>,
}

/// The calls of the manager's extension, in the order in which they have to stand; none if the chain
/// has it all.
pub fn calls(extension: Address, advice: &[Advice], wanted: &Wanted) -> Vec<Call> {
    let advised = advice
        .iter()
        .filter_map(|one| one.advised.as_ref().map(|advised| (one.address, &one.now, advised)));
    let advised: Vec<(Address, &Settings, &Settings)> = advised.collect();
    let unlike = |differs: fn(&Settings, &Settings) -> bool| {
        let all = advised.iter().filter(move |(_, now, then)| differs(now, then));
        all.map(|(address, _, then)| (*address, (*then).clone())).collect::<Vec<_>>()
    };
    let (exchanges, data, maximums, rests) = (
        unlike(|now, then| now.exchange != then.exchange),
        unlike(|now, then| now.exchange_data != then.exchange_data),
        unlike(|now, then| !is_near(now.trade_maximum, then.trade_maximum)),
        unlike(|now, then| now.cool_off != then.cool_off),
    );
    let of = |all: &[(Address, Settings)]| all.iter().map(|(address, _)| *address).collect();
    let mut calls = Vec::new();
    if !exchanges.is_empty() {
        let names = exchanges.iter().map(|(_, then)| then.exchange.clone()).collect();
        calls.push(
            setExchangesCall { components: of(&exchanges), exchangeNames: names }.abi_encode(),
        );
    }
    if !data.is_empty() {
        let all = data.iter().map(|(_, then)| then.exchange_data.clone()).collect();
        calls.push(setExchangeDataCall { components: of(&data), exchangeData: all }.abi_encode());
    }
    if !maximums.is_empty() {
        let all = maximums.iter().map(|(_, then)| then.trade_maximum).collect();
        let call = setTradeMaximumsCall { components: of(&maximums), tradeMaximums: all };
        calls.push(call.abi_encode());
    }
    if !rests.is_empty() {
        let all = rests.iter().map(|(_, then)| then.cool_off).collect();
        calls.push(
            setCoolOffPeriodsCall { components: of(&rests), coolOffPeriods: all }.abi_encode(),
        );
    }
    if let Some(raise) = wanted.raise {
        calls.push(setRaiseTargetPercentageCall { raiseTargetPercentage: raise }.abi_encode());
    }
    if !wanted.traders.is_empty() {
        let (traders, statuses) = (wanted.traders.clone(), vec![true; wanted.traders.len()]);
        calls.push(setTraderStatusCall { traders, statuses }.abi_encode());
    }
    let to = extension;
    calls.into_iter().map(|data| Call { to, value: U256::ZERO, data: data.into() }).collect()
}

/// Whether a maximum is within a tenth below the advised one, or the very same; more than advised may
/// be more than the bound allows.
fn is_near(now: U256, then: U256) -> bool {
    let tenth = then.checked_div(NEAR).unwrap_or_default();
    now <= then && then.saturating_sub(now) <= tenth
}

#[cfg(test)]
mod tests {
    use alloy::primitives::Bytes;

    use super::*;
    use crate::contracts::IExtension::IExtensionCalls;
    use alloy::sol_types::SolInterface as _;

    const EXTENSION: Address = Address::repeat_byte(0xe0);

    fn settings(exchange: &str, data: &[u8], maximum: u64, rest: u64) -> Settings {
        Settings {
            exchange: exchange.into(),
            exchange_data: Bytes::copy_from_slice(data),
            trade_maximum: U256::from(maximum),
            cool_off: U256::from(rest),
        }
    }

    fn advice(place: u8, now: Settings, advised: Option<Settings>) -> Advice {
        Advice {
            symbol: format!("T{place}"),
            address: Address::repeat_byte(place),
            decimals: 18,
            side: "sell",
            amount: U256::ONE,
            now,
            advised,
            ways: Vec::new(),
            sizes: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn told(calls: &[Call]) -> Vec<IExtensionCalls> {
        calls.iter().map(|call| IExtensionCalls::abi_decode(&call.data).unwrap()).collect()
    }

    #[test]
    fn only_what_differs_is_set_and_in_order() {
        let all = [
            advice(1, settings("A", &[], 100, 300), Some(settings("A", &[], 105, 300))),
            advice(2, settings("", &[], 0, 0), Some(settings("B", &[0, 11, 184], 70, 600))),
            advice(3, settings("A", &[], 101, 300), Some(settings("A", &[], 100, 900))),
            advice(4, settings("C", &[], 1, 1), None),
        ];
        let wanted = Wanted { raise: Some(U256::from(7)), traders: vec![EXTENSION] };
        let calls = calls(EXTENSION, &all, &wanted);
        assert!(calls.iter().all(|call| call.to == EXTENSION && call.value.is_zero()));
        let [
            IExtensionCalls::setExchanges(exchanges),
            IExtensionCalls::setExchangeData(data),
            IExtensionCalls::setTradeMaximums(maximums),
            IExtensionCalls::setCoolOffPeriods(rests),
            IExtensionCalls::setRaiseTargetPercentage(raise),
            IExtensionCalls::setTraderStatus(traders),
        ] = &told(&calls)[..]
        else {
            panic!("{calls:?}");
        };
        let [two, three] = [2, 3].map(Address::repeat_byte);
        assert_eq!(
            (&exchanges.components, &exchanges.exchangeNames),
            (&vec![two], &vec!["B".into()])
        );
        assert_eq!(data.exchangeData, [Bytes::from([0, 11, 184])]);
        // 100 is within a tenth of 105; 101 is above what is advised.
        assert_eq!(maximums.components, [two, three]);
        assert_eq!(maximums.tradeMaximums, [U256::from(70), U256::from(100)]);
        assert_eq!(rests.components, [two, three]);
        assert_eq!(raise.raiseTargetPercentage, U256::from(7));
        assert_eq!((&traders.traders, &traders.statuses), (&vec![EXTENSION], &vec![true]));
    }

    #[test]
    fn what_the_chain_has_is_not_asked_for() {
        let same = settings("A", &[], 100, 300);
        let all = [advice(1, same.clone(), Some(same))];
        assert_eq!(calls(EXTENSION, &all, &Wanted::default()), []);
    }
}
