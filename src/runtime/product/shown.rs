//! What a product's task makes known of itself: the books, the balance, what is under way.

use alloy::primitives::U256;
use ballast_chains::Head;

use super::ProductTask;
use crate::guard::Past;

impl ProductTask {
    /// Brings the books up to date, and makes known what they say.
    pub(super) async fn keep_accounts(&mut self, head: &Head) {
        if self.accounts.is_settled(head) {
            return;
        }
        let price = self.circumstances(head, &Past::default()).fresh_price();
        let refreshed = self.accounts.refresh(head, price).await;
        if !self.accounts.tells(head, refreshed) {
            return;
        }
        let spent = self.accounts.budget_use(head.timestamp, price, &self.config.limits);
        let product = &self.config.name;
        if self.profile.feeds.native_usd.is_some() {
            let gauge = |name, usd: &str| {
                // The edge: from here on the value is a float for a chart.
                if let Ok(value) = usd.parse::<f64>() {
                    metrics::gauge!(name, "product" => product.clone()).set(value);
                }
            };
            gauge("ballast_month_spent_usd", &spent.spent_usd);
            gauge("ballast_month_reserved_usd", &spent.reserved_usd);
            gauge("ballast_month_forecast_usd", &spent.forecast_usd);
            if let Some(percent) = spent.used_percent {
                gauge("ballast_month_budget_used_percent", &percent.to_string());
            }
        }
        self.shared.board.spent(product, spent);
    }

    /// The balance as a gauge: whole coins, a float from here on.
    pub(super) fn show_balance(&self, wei: U256) {
        if let Ok(coins) = ballast_chains::amount::ether(wei).parse::<f64>() {
            let labels =
                [("product", self.config.name.clone()), ("chain", self.profile.name.clone())];
            metrics::gauge!("ballast_wallet_balance", &labels).set(coins);
        }
    }

    /// Puts what is under way on the board.
    pub(super) fn show_current(&mut self) {
        let is_clear = self.lane.unfinished() == 0;
        if !std::mem::replace(&mut self.shows_current, !is_clear) && is_clear {
            return;
        }
        let current = if is_clear {
            None
        } else {
            let mut slots = self.lane.snapshot().slots;
            match slots.iter().position(|slot| slot.included_in.is_none()) {
                Some(waiting) => Some(slots.swap_remove(waiting)),
                None => slots.pop(),
            }
        };
        self.shared.board.current(&self.config.name, current);
    }
}

pub(super) fn show_paused(product: &str, paused: bool) {
    let gauge = metrics::gauge!("ballast_product_paused", "product" => product.to_owned());
    gauge.set(f64::from(u8::from(paused)));
}
