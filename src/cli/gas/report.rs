//! `ballast gas report`: from the store beside a keeper that may be running, or from the chain.

use eyre::{Result, WrapErr as _, eyre};

use super::chain;
use crate::{
    cli::{
        Exit, Session, out,
        table::{Cell, Side, Table, Tone, colours},
        unknown_product,
    },
    clock,
    config::Config,
    finance::{
        Facts, Month, Report, csv,
        from_chain::FromChain,
        html, load,
        report::{Asked, BudgetState},
        sums::Ending,
        text,
    },
    store::Store,
};

/// Words of `--format`.
const FORMATS: [(&str, Format); 5] = [
    ("table", Format::Table),
    ("csv", Format::Csv),
    ("json", Format::Json),
    ("html", Format::Html),
    ("journal", Format::Journal),
];

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The UTC month, by the blocks' time; without it, the one that we are in
    #[arg(long, value_name = "YYYY-MM")]
    month: Option<String>,
    /// Only this product, as it was called when it was booked
    #[arg(long)]
    product: Option<String>,
    /// table, csv, json, html (one page with charts) or journal (lines for somebody's books, CSV)
    #[arg(long, default_value = "table", value_name = "FORMAT")]
    format: String,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Rebuilds it from the chain and the files alone, and names what the ledger has otherwise;
    /// needs nodes with the state of the last year. Exit code 3 if anything differs
    #[arg(long)]
    from_chain: bool,
}

/// How the report looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Table,
    Csv,
    Json,
    Html,
    Journal,
}

pub(super) async fn report(session: Session, args: Args) -> Result<Exit> {
    let format = FORMATS.iter().find(|(word, _)| *word == args.format).map(|(_, format)| *format);
    let Some(format) = format.map(|format| if args.json { Format::Json } else { format }) else {
        let words = FORMATS.map(|(word, _)| word).join(", ");
        return Ok(wrong(&format!("--format {}: expected one of {words}", args.format)));
    };
    let now = clock::now();
    let month = match args.month.as_deref().map(str::parse).transpose() {
        Ok(month) => month.unwrap_or_else(|| Month::of(now)),
        Err(error) => return Ok(wrong(&format!("--month: {error}"))),
    };
    if month > Month::of(now) {
        return Ok(wrong(&format!("--month {month}: it has not begun")));
    }
    // Only a chain asks for endpoints and wallets.
    let loaded = if args.from_chain {
        session.load_or_report(format == Format::Json)
    } else {
        session.load_for_reading(format == Format::Json)
    };
    let config = match loaded {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    let facts = Facts::of(&config);
    let source = if args.from_chain { "chain" } else { "ledger" };
    let asked = Asked { month, product: args.product, now, source };
    let colours = colours(&session.environment);
    if args.from_chain {
        if let Some(exit) = unknown_product(&config, asked.product.as_deref()) {
            return Ok(exit);
        }
        let built = chain::from_chain(&session, &config, &asked, &facts).await?;
        return Ok(tell(&built, &facts, format, colours));
    }
    let store = open(&config).await?;
    if let Some(product) = asked.product.as_deref()
        && !config.products.contains_key(product)
        && crate::finance::sums::Groups::find(&store, Some(product)).await?.is_empty()
    {
        let known: Vec<&str> = config.products.keys().map(String::as_str).collect();
        let known = known.join(", ");
        return Ok(wrong(&format!(
            "--product {product}: neither a file nor a row of the ledger has it; files there are: {known}"
        )));
    }
    let report =
        load::from_ledger(&store, &asked, &facts).await.wrap_err("adding up the ledger")?;
    print(&report, &facts, format, colours);
    Ok(Exit::Done)
}

/// What the chain says, and in what the ledger differs: in the JSON, else beside the output.
fn tell(built: &FromChain, facts: &Facts, format: Format, colours: bool) -> Exit {
    if format == Format::Json {
        out::json(built);
    } else {
        print(&built.report, facts, format, colours);
    }
    match &built.differences {
        None => out::note("there is no store to hold it against"),
        Some(differences) if differences.is_empty() => out::note("the ledger says the same"),
        Some(differences) => {
            for difference in differences {
                out::note(&format!("differs: {difference}"));
            }
            return Exit::Findings;
        }
    }
    Exit::Done
}

/// One line about an argument that makes no sense.
fn wrong(text: &str) -> Exit {
    out::error(text);
    Exit::BadConfig
}

async fn open(config: &Config) -> Result<Store> {
    let path = &config.store.path;
    let store = Store::open_readonly(path).await?;
    store.ok_or_else(|| eyre!("there is no store {}: nothing was booked yet", path.display()))
}

fn print(report: &Report, facts: &Facts, format: Format, colours: bool) {
    match format {
        Format::Table => table(report, colours),
        Format::Csv => whole(&csv::report(report)),
        Format::Journal => whole(&csv::journal(report, &facts.accounts)),
        Format::Html => whole(&html::page(report, &clock::text(clock::now()))),
        Format::Json => out::json(report),
    }
}

/// Text that ends with its last line.
fn whole(text: &str) {
    out::text(text.trim_end_matches('\n'));
}

const COLUMNS: &[(&str, Side)] = &[
    ("PRODUCT", Side::Left),
    ("ACTION", Side::Left),
    ("TXS", Side::Right),
    ("GAS", Side::Right),
    ("NATIVE", Side::Right),
    ("", Side::Left),
    ("USD", Side::Right),
    ("FAILED", Side::Right),
    ("CANCELLED", Side::Right),
    ("FOREIGN", Side::Right),
    ("INCOME", Side::Right),
    ("USD/SUCCESS", Side::Right),
];

fn table(report: &Report, colours: bool) {
    let mut table = Table::new(COLUMNS);
    for row in text::rows(report) {
        table.row(row.into_iter().map(Cell::from));
    }
    let scope = report.product.as_deref().unwrap_or("all products");
    out::line(&format!(
        "gas of {}, {scope}, UTC by block time, from the {}",
        report.month, report.source
    ));
    if report.total.all().count == 0 {
        out::line("no transaction");
    } else {
        out::table(&table, colours);
    }
    let mut budgets = Table::new(BUDGETS);
    for product in &report.products {
        let Some(budget) = product.budget else { continue };
        let tone = match budget.state {
            BudgetState::Within => Tone::Good,
            BudgetState::Tight => Tone::Notable,
            BudgetState::Over | BudgetState::OverHard => Tone::Bad,
        };
        let cells = text::budget(&product.product, &budget).map(Cell::from);
        budgets.row(cells.into_iter().chain([Cell::toned(budget.state.as_str(), tone)]));
    }
    if !budgets.is_empty() {
        out::line("");
        out::table(&budgets, colours);
    }
    out::line("");
    out::lines(&text::notes(report));
    if report.total.of(Ending::Foreign).count > 0 {
        out::line("foreign: somebody else used a wallet's key");
    }
}

const BUDGETS: &[(&str, Side)] = &[
    ("BUDGET OF", Side::Left),
    ("ACTUAL USD", Side::Right),
    ("MONTHLY", Side::Right),
    ("HARD", Side::Right),
    ("USED", Side::Right),
    ("STATE", Side::Left),
];
