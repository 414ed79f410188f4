//! Which products are stopped until a person says otherwise: durable in the store, and known to
//! every product's task at once. An operator pauses; the keeper itself stops a product that acts on
//! something else than a person agreed to.

use std::{collections::BTreeMap, sync::Arc};

use ballast_strategy_api::ActsOn;
use tokio::sync::{Mutex, watch};
use tracing::{error, info};

use crate::{
    clock,
    guard::Agreed,
    store::{Agreement, Moved, Pause, Store, StoreError},
};

/// Who stops a product whose file leads elsewhere by now.
pub(crate) const KEEPER: &str = "the keeper";

/// What stops products, by product.
#[derive(Debug, Clone, Default)]
pub struct Holding {
    pauses: BTreeMap<String, Pause>,
    agreements: BTreeMap<String, Agreement>,
}

/// The pauses that hold. Clones share everything.
#[derive(Debug, Clone)]
pub struct Pauses {
    store: Store,
    holding: watch::Sender<Arc<Holding>>,
    /// One change at a time, so that memory follows the store in the store's order.
    changing: Arc<Mutex<()>>,
}

/// What an assessment found of what the product acts on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Leads<'a> {
    /// Its file leads here.
    To(&'a ActsOn),
    /// It led to what is given, and leads to nothing that it can act on; the words say to what.
    Astray(&'a ActsOn, &'a str),
}

impl Pauses {
    /// Those that were in force when the keeper stopped.
    ///
    /// # Errors
    /// When the store cannot be read: a keeper that does not know what is paused must not start.
    pub async fn load(store: &Store) -> Result<Self, StoreError> {
        let pauses = store.open_pauses().await?.into_iter().collect();
        let agreements = store.agreements().await?.into_iter().collect();
        Ok(Self {
            store: store.clone(),
            holding: watch::Sender::new(Arc::new(Holding { pauses, agreements })),
            changing: Arc::default(),
        })
    }

    /// What stops a product, if anything does: an operator's pause first.
    pub fn of(&self, product: &str) -> Option<Pause> {
        let holding = self.holding.borrow();
        let by_operator = holding.pauses.get(product).cloned();
        by_operator.or_else(|| by_keeper(holding.agreements.get(product)?))
    }

    /// Whether an operator has paused the product.
    pub fn holds(&self, product: &str) -> bool {
        self.holding.borrow().pauses.contains_key(product)
    }

    /// What a person agreed that the product acts on, as far as that is known.
    pub(crate) fn agreed(&self, product: &str) -> Agreed {
        let holding = self.holding.borrow();
        match holding.agreements.get(product) {
            None => Agreed::Any,
            Some(Agreement { moved: Some(moved), .. }) => {
                Agreed::Moved(moved.detail.as_str().into())
            }
            Some(Agreement { accepted, .. }) => Agreed::On(accepted.as_str().into()),
        }
    }

    /// Tells of every change from now on.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<Holding>> {
        self.holding.subscribe()
    }

    /// Hears what a product's file leads to. The first time that is what it acts on from then on;
    /// later, anything else stops it. Durable before it counts.
    ///
    /// # Errors
    /// When the store takes no writes; nothing has changed then, and nothing may be done.
    pub(crate) async fn hear(&self, product: &str, leads: Leads<'_>) -> Result<(), StoreError> {
        let known = |holding: &Holding| holding.agreements.get(product).cloned();
        let before = known(&self.holding.borrow());
        if self.next(before.clone(), leads).is_none() {
            return Ok(());
        }
        // The first one is nobody's business but the product's own: at a first start a thousand of
        // them are written in few commits, rather than one after the other.
        let _turn = match before {
            Some(_) => Some(self.changing.lock().await),
            None => None,
        };
        let before = known(&self.holding.borrow());
        let was_moved = before.as_ref().is_some_and(|before| before.moved.is_some());
        let Some(agreement) = self.next(before, leads) else { return Ok(()) };
        if self.store.is_writable() {
            self.store.set_agreement(product, &agreement, (KEEPER, clock::now())).await?;
        }
        match &agreement.moved {
            Some(moved) => error!(product, moved.detail, "stopped: what it acts on has changed"),
            None if was_moved => {
                info!(product, agreement.accepted, "leads back to what was agreed")
            }
            None => info!(product, agreement.asked, agreement.accepted, "acts on this from now on"),
        }
        let is_news = was_moved || agreement.moved.is_some();
        self.holding.send_if_modified(|holding| {
            Arc::make_mut(holding).agreements.insert(product.to_owned(), agreement);
            is_news
        });
        Ok(())
    }

    /// The agreement that follows; `None` if the known one stands.
    fn next(&self, known: Option<Agreement>, leads: Leads<'_>) -> Option<Agreement> {
        let (asked, found, why) = match leads {
            Leads::To(ActsOn { asked, found }) => (asked, Some(found), ""),
            Leads::Astray(ActsOn { asked, .. }, why) => (asked, None, why),
        };
        let known = known.filter(|known| known.asked == *asked);
        let Some(known) = known else {
            // Nothing was agreed for what this file asks. Whoever wrote it, agrees to what it leads
            // to; if it leads nowhere, there is nothing to act on.
            let accepted = found?.clone();
            return Some(Agreement { asked: asked.clone(), accepted, moved: None });
        };
        let moved = (found != Some(&known.accepted)).then(|| {
            let led = format!("{asked} led to {}", known.accepted);
            let detail = match found {
                Some(found) => format!("{led} and leads to {found} by now"),
                None => format!("{led}: {why}"),
            };
            let since = known.moved.as_ref().map_or_else(clock::now, |moved| moved.since);
            Moved { since, found: found.cloned(), detail }
        });
        (moved != known.moved).then_some(Agreement { moved, ..known })
    }

    /// Pauses products; durable before it holds. One that is paused already keeps its first pause.
    ///
    /// # Errors
    /// When the store takes no writes; nothing has changed then.
    pub async fn pause(
        &self,
        products: &[&str],
        who: &str,
        reason: &str,
    ) -> Result<(), StoreError> {
        let pause = Pause { who: who.to_owned(), since: clock::now(), reason: reason.to_owned() };
        let _turn = self.changing.lock().await;
        self.store.open_pause(products, &pause).await?;
        self.change(|holding| {
            for product in products {
                holding.pauses.entry((*product).to_owned()).or_insert_with(|| pause.clone());
            }
        });
        info!(?products, who, reason, "paused by an operator");
        Ok(())
    }

    /// Ends the pauses of products. Where no operator has paused a product and it acts on something
    /// new, this agrees to that; where both is so, the pause ends, and the other waits for another
    /// word.
    ///
    /// # Errors
    /// When the store takes no writes; nothing has changed then.
    pub async fn resume(&self, products: &[&str], who: &str) -> Result<(), StoreError> {
        let _turn = self.changing.lock().await;
        self.store.close_pause(products, who, clock::now()).await?;
        self.change(|holding| {
            for product in products {
                // As the store has done it.
                if holding.pauses.remove(*product).is_some() {
                    continue;
                }
                let agreement = holding.agreements.get_mut(*product);
                if let Some(Agreement { accepted, moved, .. }) = agreement
                    && let Some(found) = moved.as_ref().and_then(|moved| moved.found.clone())
                {
                    info!(product, who, found, "agreed by an operator");
                    (*accepted, *moved) = (found, None);
                }
            }
        });
        info!(?products, who, "resumed by an operator");
        Ok(())
    }

    fn change(&self, how: impl FnOnce(&mut Holding)) {
        self.holding.send_modify(|holding| how(Arc::make_mut(holding)));
    }
}

/// The keeper's own stop, in the form of a pause.
fn by_keeper(agreement: &Agreement) -> Option<Pause> {
    let moved = agreement.moved.as_ref()?;
    let what_helps = match moved.found {
        Some(_) => "`ballast resume` agrees to that",
        None => "there is nothing yet that one could agree to",
    };
    let reason = format!("{}; {what_helps}", moved.detail);
    Some(Pause { who: KEEPER.to_owned(), since: moved.since, reason })
}

#[cfg(test)]
mod tests;
