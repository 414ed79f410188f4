//! `ballast pause` and `ballast resume`: through the keeper that runs, else in its store.

use eyre::{Result, WrapErr};
use serde::Serialize;

use super::{Exit, Session, keeper::Keeper, out, source::nobody_at};
use crate::{
    clock,
    config::{Config, Mode},
    http::api::PauseOrder,
    runtime::Pauses,
    store::{Pause, Store},
};

/// What is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Pause,
    Resume,
}

pub(super) struct Options {
    pub(super) order: Order,
    /// `None`: all of them.
    pub(super) product: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) who: Option<String>,
    pub(super) json: bool,
}

/// What became of one product.
#[derive(Debug, Serialize)]
struct Outcome {
    product: String,
    /// Whether it is paused now, by whomever.
    paused: bool,
    /// What else there is to say.
    note: Option<String>,
}

pub(super) async fn order(session: Session, mut options: Options) -> Result<Exit> {
    let config = match session.load_for_reading(options.json) {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    if let Some(exit) = super::unknown_product(&config, options.product.as_deref()) {
        return Ok(exit);
    }
    if options.who.is_none() {
        let user = session.environment.get("USER").ok().flatten();
        options.who = user.filter(|user| !user.is_empty()).map(str::to_owned);
    }
    let outcomes = match Keeper::find(&config, &session.environment).await? {
        Some(keeper) => {
            out::note(&format!("through the keeper at {}", keeper.url()));
            through_keeper(&keeper, &options).await?
        }
        None => {
            let path = config.store.path.display();
            out::note(&format!("{}; in the store {path}", nobody_at(&config)));
            in_store(&config, &options).await?
        }
    };
    if options.json {
        out::json(&outcomes);
        return Ok(Exit::Done);
    }
    for outcome in outcomes {
        let state = if outcome.paused { "paused" } else { "not paused" };
        out::line(&format!("{}: {state}", outcome.product));
        if let Some(note) = outcome.note {
            out::line(&format!("  {note}"));
        }
    }
    Ok(Exit::Done)
}

async fn through_keeper(keeper: &Keeper, options: &Options) -> Result<Vec<Outcome>> {
    let order = match options.order {
        Order::Pause => "pause",
        Order::Resume => "resume",
    };
    let body = PauseOrder { reason: options.reason.clone(), who: options.who.clone() };
    let products = keeper.order(order, options.product.as_deref(), &body).await?;
    let outcomes = products.into_iter().map(|product| Outcome {
        paused: product.paused.is_some(),
        product: product.name,
        note: product.note,
    });
    Ok(outcomes.collect())
}

/// Under the store's lock: a keeper that is starting, or one that cannot be found, keeps us out
/// rather than not hearing of it.
async fn in_store(config: &Config, options: &Options) -> Result<Vec<Outcome>> {
    let store = Store::open(&config.store.path)
        .await
        .wrap_err("no keeper answers, and the store cannot be written")?;
    let names: Vec<&str> = match &options.product {
        Some(name) => vec![name.as_str()],
        None => config.products.keys().map(String::as_str).collect(),
    };
    let who = options.who.clone().unwrap_or_else(|| "an operator at the store".to_owned());
    let done = match options.order {
        Order::Pause => {
            let reason = options.reason.clone().unwrap_or_default();
            let pause = Pause { who, since: clock::now(), reason };
            store.open_pause(&names, &pause).await
        }
        Order::Resume => store.close_pause(&names, &who, clock::now()).await,
    };
    let holding = match done {
        Ok(()) => Pauses::load(&store).await,
        Err(error) => Err(error),
    };
    store.close().await;
    let holding = holding?;
    let outcomes = names.into_iter().filter_map(|name| {
        let product = config.products.get(name)?;
        let by_file = product.paused || product.mode == Mode::Paused;
        let pause = holding.of(name);
        let stays = match (&pause, options.order) {
            _ if by_file => Some(format!(
                "{name} stays paused: its file says `paused = true` or `mode = \"paused\"`; \
                 change products/{name}.toml"
            )),
            (Some(pause), Order::Resume) => {
                Some(format!("{name} stays paused by {}: {}", pause.who, pause.reason))
            }
            (Some(_) | None, _) => None,
        };
        let note = stays.filter(|_| options.order == Order::Resume);
        Some(Outcome { product: name.to_owned(), paused: by_file || pause.is_some(), note })
    });
    Ok(outcomes.collect())
}
