//! Which products an operator has paused: durable in the store, and known to every product's task
//! at once.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::{Mutex, watch};
use tracing::info;

use crate::{
    clock,
    store::{Pause, Store, StoreError},
};

/// The pauses that hold. Clones share everything.
#[derive(Debug, Clone)]
pub struct Pauses {
    store: Store,
    holding: watch::Sender<Arc<BTreeMap<String, Pause>>>,
    /// One change at a time, so that memory follows the store in the store's order.
    changing: Arc<Mutex<()>>,
}

impl Pauses {
    /// Those that were in force when the keeper stopped.
    ///
    /// # Errors
    /// When the store cannot be read: a keeper that does not know what is paused must not start.
    pub async fn load(store: &Store) -> Result<Self, StoreError> {
        let holding = store.open_pauses().await?.into_iter().collect();
        Ok(Self {
            store: store.clone(),
            holding: watch::Sender::new(Arc::new(holding)),
            changing: Arc::default(),
        })
    }

    /// The pause of a product, if one holds.
    pub fn of(&self, product: &str) -> Option<Pause> {
        self.holding.borrow().get(product).cloned()
    }

    /// Whether an operator has paused the product.
    pub fn holds(&self, product: &str) -> bool {
        self.holding.borrow().contains_key(product)
    }

    /// Tells of every change from now on.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<BTreeMap<String, Pause>>> {
        self.holding.subscribe()
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
                holding.entry((*product).to_owned()).or_insert_with(|| pause.clone());
            }
        });
        info!(?products, who, reason, "paused by an operator");
        Ok(())
    }

    /// Ends the pauses of products.
    ///
    /// # Errors
    /// When the store takes no writes; nothing has changed then.
    pub async fn resume(&self, products: &[&str], who: &str) -> Result<(), StoreError> {
        let _turn = self.changing.lock().await;
        self.store.close_pause(products, who, clock::now()).await?;
        self.change(|holding| {
            for product in products {
                holding.remove(*product);
            }
        });
        info!(?products, who, "resumed by an operator");
        Ok(())
    }

    fn change(&self, how: impl FnOnce(&mut BTreeMap<String, Pause>)) {
        self.holding.send_modify(|holding| how(Arc::make_mut(holding)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pause_survives_a_restart_and_a_failed_write_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keeper.db");
        let store = Store::open(&file).await.unwrap();
        let pauses = Pauses::load(&store).await.unwrap();
        let mut changes = pauses.subscribe();
        pauses.pause(&["a", "b"], "ann", "gas").await.unwrap();
        assert!(changes.has_changed().unwrap());
        pauses.pause(&["a"], "bob", "again").await.unwrap();
        pauses.resume(&["b"], "bob").await.unwrap();
        assert!(pauses.holds("a") && !pauses.holds("b"));
        assert_eq!(pauses.of("a").unwrap().who, "ann");
        changes.mark_unchanged();
        store.close().await;
        assert!(pauses.resume(&["a"], "bob").await.is_err());
        assert!(pauses.holds("a") && !changes.has_changed().unwrap());

        let store = Store::open(&file).await.unwrap();
        let pauses = Pauses::load(&store).await.unwrap();
        assert_eq!(pauses.of("a").map(|pause| pause.reason), Some("gas".to_owned()));
        assert!(!pauses.holds("b"));
        store.close().await;
    }
}
