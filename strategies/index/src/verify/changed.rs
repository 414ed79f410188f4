//! What a batch sets, against what it may: who trades, of which tokens, through what, with what rest.
//!
//! All of it is judged, whether or not the chain has it already and whether or not the rebalance
//! trades the component: what is set stays for the next one, too. Every fault names the option that
//! allows it. How a way holds up that a batch sets is among the checks of `execution`.

use alloy::primitives::{Address, U256};
use ballast_strategy_api::safe_batch::read::Parsed;

use super::{Check, Limits, Subject, listed, settings::Settings, share};
use crate::exchange::between;

impl Subject<'_> {
    pub(super) fn changed(&self, batch: &Parsed, limits: &Limits) -> Vec<Check> {
        let settings = Settings::of(batch);
        vec![
            traders(&settings, limits),
            self.set_tokens(&settings, limits),
            self.set_routes(&settings, limits),
            self.set_rests(&settings, limits),
            set_raise(&settings, limits),
        ]
    }

    fn set_tokens(&self, settings: &Settings, limits: &Limits) -> Check {
        let is_component = |token: &Address| {
            *token != self.index.weth && self.index.tokens.iter().any(|one| one.address == *token)
        };
        let others = settings.tokens().into_iter().filter(|token| !is_component(token));
        let faults = others.filter(|_| !limits.others).map(|token| {
            let name = self.name(token);
            format!(
                "{name} is no component that is traded: say --allow-other-tokens if it shall be set"
            )
        });
        listed("batch tokens", "it sets only the index's components".to_owned(), faults.collect())
    }

    /// Whoever made the token between two pools makes their prices, too.
    fn set_routes(&self, settings: &Settings, limits: &Limits) -> Check {
        let set = self.index.tokens.iter().filter(|token| settings.sets_way(token.address));
        let faults = set.filter_map(|token| {
            let through = between(&token.exchange, &token.exchange_data)?;
            let strange = !limits.via.contains(&through);
            let symbol = &token.symbol;
            strange
                .then(|| format!("{symbol} is traded through {through}: say --via if it shall be"))
        });
        let fine = "no component is traded through a token that nobody named".to_owned();
        listed("batch routes", fine, faults.collect())
    }

    fn set_rests(&self, settings: &Settings, limits: &Limits) -> Check {
        let (least, most) = (limits.rest, limits.seconds);
        let faults = settings.cool_offs.iter().filter_map(|(token, rest)| {
            let name = self.name(*token);
            if *rest < U256::from(least) {
                Some(format!("{name}: {rest} s, less than {least} s (--min-cool-off)"))
            } else if *rest > U256::from(most) {
                Some(format!("{name}: {rest} s, more than {most} s (--max-duration)"))
            } else {
                None
            }
        });
        let fine = format!("no component is set to rest for less than {least} s");
        listed("batch rests", fine, faults.collect())
    }
}

/// Whom a batch lets trade: whoever may, trades the index at any price they like. And whom it stops:
/// nobody else may be left who trades it.
fn traders(settings: &Settings, limits: &Limits) -> Check {
    let mut faults = Vec::new();
    for (trader, may) in &settings.traders {
        if *may && !limits.traders.contains(trader) {
            faults.push(format!("{trader} may trade from then on: say --trader if it shall"));
        } else if !*may && !limits.removed.contains(trader) {
            faults.push(format!("{trader} may no longer trade: say --remove-trader if so"));
        }
    }
    if settings.anyone.is_some() && settings.anyone != limits.anyone {
        faults.push(if settings.anyone == Some(true) {
            "anyone may trade from then on: say --anyone-trades if they shall".to_owned()
        } else {
            "only allowed traders trade from then on: say --only-traders-trade if so".to_owned()
        });
    }
    listed("batch traders", "nobody comes or goes whom nobody named".to_owned(), faults)
}

/// A large step buys at any price what is left to be spent; the module refuses none at all.
fn set_raise(settings: &Settings, limits: &Limits) -> Check {
    let (most, fault) = (share(limits.raise), |what| vec![what]);
    let faults = match settings.raise {
        Some(raise) if raise.is_zero() => fault("0 %, which the module refuses".to_owned()),
        Some(raise) if raise > limits.raise => {
            fault(format!("{} % at a time, more than {most} % (--max-raise)", share(raise)))
        }
        Some(_) | None => Vec::new(),
    };
    listed("batch raise", format!("targets are raised by at most {most} % at a time"), faults)
}
