//! Where what people ask about is read: from the keeper that runs, else from its store.

use eyre::Result;

use super::{keeper::Keeper, out};
use crate::{
    config::{Config, Environment},
    store::Store,
};

/// The better of the two places that there is.
#[derive(Debug)]
pub(super) enum Source {
    /// A keeper runs; it knows more than its store.
    Keeper(Keeper),
    /// None does. The store is read without its lock; `None` if there never was one.
    Store(Option<Store>),
}

impl Source {
    /// Finds it, and says on standard error which it is.
    ///
    /// # Errors
    /// When something that is no keeper listens in its place, or the store cannot be read.
    pub(super) async fn find(config: &Config, environment: &Environment) -> Result<Self> {
        if let Some(keeper) = Keeper::find(config, environment).await? {
            out::note(&format!("from the keeper at {}", keeper.url()));
            return Ok(Self::Keeper(keeper));
        }
        let path = &config.store.path;
        let store = Store::open_readonly(path).await?;
        let what = if store.is_some() { "from the store" } else { "there is no store" };
        let nobody = nobody_at(config);
        out::note(&format!("{nobody}; {what} {}", path.display()));
        Ok(Self::Store(store))
    }
}

impl Source {
    /// The keeper, if one has been started meanwhile.
    ///
    /// # Errors
    /// See [`Source::find`].
    pub(super) async fn look_again(
        &mut self,
        config: &Config,
        environment: &Environment,
    ) -> Result<()> {
        if let Self::Store(_) = self
            && let Some(keeper) = Keeper::find(config, environment).await?
        {
            out::note(&format!("now from the keeper at {}", keeper.url()));
            *self = Self::Keeper(keeper);
        }
        Ok(())
    }
}

/// That no keeper was found, and where it was looked for.
pub(super) fn nobody_at(config: &Config) -> String {
    let listen = config.http.listen;
    if listen.port() == 0 {
        return "a keeper whose http.listen has port 0 cannot be found".to_owned();
    }
    format!("no keeper answers at {listen} (http.listen)")
}
