//! `ballast index verify`

use std::time::Duration;

use alloy::primitives::{Address, U256};
use ballast_strategy_api::{
    Host, Told,
    safe_batch::read::{self, Parsed},
};
use clap::Args;

use super::{
    files::Loaded,
    inputs::{Inputs, Prepared, bytes, json, refused, share},
};
use crate::{
    module::Overflow,
    plan::{
        input::{self, Kind},
        work::{Refused, components},
    },
    verify::{
        Check, Limits, Subject,
        batch::explain,
        settings::Settings,
        show::{self, Report},
        signature,
    },
};

/// Most bytes of a signature's file.
const MAX_SIGNATURE: usize = 1_000;

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    inputs: Inputs,
    /// The Safe batch that is to be signed: read, explained, and held against the weights
    #[arg(long, value_name = "FILE")]
    batch: Option<String>,
    /// The batch was executed, and perhaps something was traded since: checks that the module holds
    /// exactly its units
    #[arg(long, requires = "batch")]
    executed: bool,
    /// The methodologist, who signed the weights file as wallets sign messages (EIP-191)
    #[arg(long, value_name = "ADDRESS")]
    signed_by: Option<Address>,
    /// The signature in hexadecimal; by default the weights file's name and `.sig`
    #[arg(long, value_name = "FILE", requires = "signed_by")]
    signature: Option<String>,
    /// The Safe that is to sign; by default the operator of the index's manager
    #[arg(long, value_name = "ADDRESS", requires = "batch")]
    safe: Option<Address>,
    /// Whom the batch may let trade; may be given several times
    #[arg(long = "trader", value_name = "ADDRESS", requires = "batch")]
    traders: Vec<Address>,
    /// Whom the batch may stop from trading; may be given several times
    #[arg(long = "remove-trader", value_name = "ADDRESS", requires = "batch")]
    removed: Vec<Address>,
    /// The batch may let anyone trade
    #[arg(long, requires = "batch")]
    anyone_trades: bool,
    /// The batch may end that anyone trades
    #[arg(long, requires = "batch", conflicts_with = "anyone_trades")]
    only_traders_trade: bool,
    /// A token that the batch may lead trades through; may be given several times
    #[arg(long, value_name = "ADDRESS", requires = "batch")]
    via: Vec<Address>,
    #[command(flatten)]
    settable: Settable,
    /// Prices of another source, which have to give the same units within --price-tolerance
    #[arg(long, value_name = "FILE")]
    second_prices: Option<String>,
    #[command(flatten)]
    bounds: Bounds,
}

/// What a batch may set besides.
#[derive(Debug, Args)]
struct Settable {
    /// Shortest rest between two trades that the batch may set
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "5m")]
    min_cool_off: Duration,
    /// By how much the batch may have targets raised at a time
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "1%")]
    max_raise: U256,
    /// The batch may leave a component that is not traded now without exchange, pool or maximum
    #[arg(long, requires = "batch")]
    allow_untradable: bool,
    /// The batch may set parameters of tokens that are no components
    #[arg(long, requires = "batch")]
    allow_other_tokens: bool,
}

#[derive(Debug, Args)]
struct Bounds {
    /// Largest weight that the methodology allows
    #[arg(long, value_name = "SHARE", value_parser = share)]
    cap: Option<U256>,
    /// How many components the methodology allows, such as 8-20
    #[arg(long, value_name = "LEAST-MOST", value_parser = range)]
    components: Option<(usize, usize)>,
    /// The turnover that the methodologist states; may be off by one point
    #[arg(long, value_name = "SHARE", value_parser = share)]
    turnover: Option<U256>,
    /// How far one component may move
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "25%")]
    max_drift: U256,
    /// Most that one trade may cost in the pools, fees included
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "2%")]
    max_slippage: U256,
    /// How far the price of the pools may be from the one that is reckoned with
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "2%")]
    pool_tolerance: U256,
    /// Trades may go where nothing can be measured: by an adapter whose pools are not known
    #[arg(long)]
    allow_unmeasured: bool,
    /// Longest time that the trades may take, and that the batch may let a component rest
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "48h")]
    max_duration: Duration,
    /// How far a batch's unit may be from the one worked out here, for a batch of another block
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    unit_tolerance: U256,
    /// How far a unit may be from what second prices give
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0.5%")]
    price_tolerance: U256,
}

fn range(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once('-').unwrap_or((text, text));
    let number = |part: &str| part.trim().parse::<usize>().ok();
    let range = number(parts.0).zip(number(parts.1)).filter(|(least, most)| least <= most);
    range.ok_or_else(|| "expected two numbers such as 8-20".to_owned())
}

impl VerifyArgs {
    fn limits(&self) -> Limits {
        let Bounds { cap, components, turnover, .. } = self.bounds;
        let (bounds, settable) = (&self.bounds, &self.settable);
        let anyone = match (self.anyone_trades, self.only_traders_trade) {
            (true, _) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        };
        Limits {
            cap,
            count: components,
            turnover,
            drift: bounds.max_drift,
            slippage: bounds.max_slippage,
            pools: bounds.pool_tolerance,
            seconds: bounds.max_duration.as_secs(),
            units: bounds.unit_tolerance,
            prices: bounds.price_tolerance,
            unmeasured: bounds.allow_unmeasured,
            rest: settable.min_cool_off.as_secs(),
            raise: settable.max_raise,
            untradable: settable.allow_untradable,
            others: settable.allow_other_tokens,
            via: self.via.clone(),
            traders: self.traders.clone(),
            removed: self.removed.clone(),
            anyone,
        }
    }

    /// Whose signature is asked for, and what stands in its file.
    fn read_signature(&self) -> Result<Option<(Address, String)>, Told> {
        let Some(by) = self.signed_by else { return Ok(None) };
        let name = self.signature.clone().unwrap_or_else(|| format!("{}.sig", self.inputs.weights));
        let text = bytes(&name, MAX_SIGNATURE).map_err(|cause| Told::BadInput(vec![cause]))?;
        Ok(Some((by, String::from_utf8_lossy(&text).into_owned())))
    }
}

pub(super) async fn verify(args: VerifyArgs, host: &dyn Host) -> Result<Told, Told> {
    let batch = args.batch.as_deref().map(batch).transpose()?;
    let signature = args.read_signature()?;
    let settings = batch.as_ref().map(Settings::of).unwrap_or_default();
    let prepared = args.inputs.prepare(&settings, args.executed, host).await?;
    let Prepared { chain_id, head, now, index, steward, weights, prices, components, work, market } =
        &prepared;
    let subject = Subject {
        index,
        steward,
        safe: args.safe.or(steward.operator),
        chain_id: *chain_id,
        work,
        components,
        market: *market,
        haircut: args.inputs.haircut,
        weights_sha256: &weights.source.sha256,
    };
    let limits = args.limits();
    let checks = match &batch {
        Some(batch) if args.executed => subject.done(&limits, batch),
        batch => subject.proposal(&limits, batch.as_ref()),
    };
    let mut checks = checks.map_err(overflow)?;
    if let Some((by, text)) = signature {
        checks.insert(0, self::signature(&weights.bytes, &text, by));
    }
    if let Some(name) = &args.second_prices {
        checks.push(second(name, &prepared, &subject, &limits)?);
    }
    let report = Report {
        passed: checks.iter().all(|check| check.passed),
        chain: args.inputs.place.chain.clone(),
        block: head.number,
        set_token: args.inputs.place.set_token,
        weights_sha256: weights.source.sha256.clone(),
        prices_sha256: prices.source.sha256.clone(),
        checks,
        calls: batch.as_ref().map(|batch| explain(batch, now)).unwrap_or_default(),
    };
    let text = if args.inputs.place.json { json(&report)? } else { show::text(&report) };
    Ok(if report.passed { Told::Done(text) } else { Told::Findings(text) })
}

fn batch(name: &str) -> Result<Parsed, Told> {
    let wrong = |cause: String| Told::BadInput(vec![cause]);
    let bytes = bytes(name, read::MAX_BYTES).map_err(wrong)?;
    let text =
        String::from_utf8(bytes).map_err(|_| wrong(format!("{name}: is no text in UTF-8")))?;
    read::read(&text).map_err(|cause| wrong(format!("{name}: {cause}")))
}

fn second(
    name: &str,
    prepared: &Prepared,
    subject: &Subject<'_>,
    limits: &Limits,
) -> Result<Check, Told> {
    let prices = Loaded::load(name, |name, bytes| input::read(name, bytes, Kind::Prices));
    let prices = prices.map_err(Told::BadInput)?;
    if prices.source.sha256 == prepared.prices.source.sha256 {
        let what = format!("{name} is the very file of the first prices");
        return Ok(Check { name: "second prices", passed: false, what });
    }
    let second = components(&prepared.index, prepared.weights.file(), prices.file());
    let second = second.map_err(|faults| refused(Refused::Files(faults)))?;
    subject.second_prices(&second, limits).map_err(overflow)
}

fn overflow(cause: Overflow) -> Told {
    Told::Failed(cause.to_string())
}
