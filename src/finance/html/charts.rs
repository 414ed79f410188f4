//! The charts of the page. Coordinates are tenths of a unit, whole numbers from exact amounts.

use ballast_strategy_api::html::escaped;

use super::CATEGORIES;
use crate::{
    finance::{
        report::Report,
        shown::{self, Round},
    },
    money::Usd,
};

/// Size of the chart by month.
const WIDTH: u128 = 9_400;
const HEIGHT: u128 = 2_600;
/// Room for labels, left of and below the columns, and above them.
const LEFT: u128 = 700;
const BOTTOM: u128 = 300;
const TOP: u128 = 220;
/// Lines across.
const STEPS: u128 = 4;
/// Height of a bar by product, with its space.
const BAR: u128 = 280;
/// Where those bars begin and end.
const BAR_LEFT: u128 = 2_200;
const BAR_RIGHT: u128 = 7_900;
/// Most bars: what is cheaper than these is told in the table.
const BARS: usize = 16;

/// Columns by month, in the colours of the categories.
pub(super) fn by_month(report: &Report) -> String {
    let most = report.trend.iter().map(|month| month.usd).max().unwrap_or_default();
    if most == Usd::ZERO {
        return String::new();
    }
    let top = ceiling(most.micro());
    let inner = HEIGHT.saturating_sub(TOP).saturating_sub(BOTTOM);
    let height = |micro: u128| part(micro, inner, top);
    let floor = HEIGHT.saturating_sub(BOTTOM);
    let mut shapes = String::new();
    for step in 0..=STEPS {
        let value = part(step, top, STEPS);
        let y = floor.saturating_sub(height(value));
        shapes.push_str(&format!(
            "<path class=\"grid\" d=\"M{} {}H{}\"/><text class=\"n\" x=\"{}\" y=\"{}\">{}</text>",
            tenths(LEFT),
            tenths(y),
            tenths(WIDTH),
            tenths(LEFT.saturating_sub(80)),
            tenths(y.saturating_add(40)),
            axis(value)
        ));
    }
    let count = u128::try_from(report.trend.len()).unwrap_or(1).max(1);
    let slot = part(1, WIDTH.saturating_sub(LEFT), count);
    let width = part(6, slot, 10);
    for (index, month) in (0_u128..).zip(&report.trend) {
        let centre =
            LEFT.saturating_add(slot.saturating_mul(index)).saturating_add(part(1, slot, 2));
        let x = centre.saturating_sub(part(1, width, 2));
        let mut y = floor;
        for category in CATEGORIES {
            let usd = month.categories.get(category.word()).copied().unwrap_or_default();
            let size = height(usd.micro());
            y = y.saturating_sub(size);
            if size > 0 {
                let (word, amount) = (category.word(), shown::usd(usd, Round::Up));
                shapes.push_str(&format!(
                    "<rect class=\"{word}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"><title>{} {word}: \
                     ${amount}</title></rect>",
                    tenths(x),
                    tenths(y),
                    tenths(width),
                    tenths(size),
                    month.month
                ));
            }
        }
        if month.count > 0 {
            shapes.push_str(&label(
                centre,
                y.saturating_sub(60),
                "value",
                &axis(month.usd.micro()),
            ));
        }
        let class = if month.month == report.month { "now" } else { "when" };
        shapes.push_str(&label(centre, HEIGHT.saturating_sub(60), class, &month.month.to_string()));
    }
    figure("Cost by month, USD", (WIDTH, HEIGHT), ("by-month", &shapes))
}

/// A bar for each product.
pub(super) fn by_product(report: &Report) -> String {
    let bars = report.products.iter().filter(|product| product.total.all().usd > Usd::ZERO);
    let bars: Vec<_> = bars.take(BARS).collect();
    let Some(first) = bars.first() else { return String::new() };
    let most = first.total.all().usd.micro();
    let mut shapes = String::new();
    for (index, product) in (0_u128..).zip(&bars) {
        let y = BAR.saturating_mul(index);
        let usd = product.total.all().usd;
        let width = part(usd.micro(), BAR_RIGHT.saturating_sub(BAR_LEFT), most).max(10);
        let text = y.saturating_add(165);
        shapes.push_str(&format!(
            "<text class=\"n name\" x=\"{}\" y=\"{}\">{}</text><rect class=\"{}\" x=\"{}\" y=\"{}\" \
             width=\"{}\" height=\"{}\"/><text x=\"{}\" y=\"{}\">${}</text>",
            tenths(BAR_LEFT.saturating_sub(100)),
            tenths(text),
            escaped(&product.product),
            product.category.word(),
            tenths(BAR_LEFT),
            tenths(y.saturating_add(30)),
            tenths(width),
            tenths(BAR.saturating_sub(90)),
            tenths(BAR_LEFT.saturating_add(width).saturating_add(80)),
            tenths(text),
            shown::usd(usd, Round::Up)
        ));
    }
    let height = BAR.saturating_mul(u128::try_from(bars.len()).unwrap_or_default());
    figure("Cost by product, USD", (WIDTH, height), ("by-product", &shapes))
}

/// How much of a budget is used, as a bar that ends at 100 %.
pub(super) fn meter(percent: u128, class: &str) -> String {
    format!(
        "<svg class=\"meter\" viewBox=\"0 0 100 8\" role=\"img\" aria-label=\"{percent} %\"><rect \
         class=\"whole\" width=\"100\" height=\"8\" rx=\"2\"/><rect class=\"{class}\" width=\"{}\" \
         height=\"8\" rx=\"2\"/></svg>",
        percent.min(100)
    )
}

fn figure(title: &str, (width, height): (u128, u128), (class, shapes): (&str, &str)) -> String {
    format!(
        "<section><h2>{title}</h2><svg class=\"chart {class}\" viewBox=\"0 0 {} {}\" role=\"img\" \
         aria-label=\"{title}\">{shapes}</svg></section>",
        tenths(width),
        tenths(height)
    )
}

fn label(x: u128, y: u128, class: &str, text: &str) -> String {
    format!("<text class=\"c {class}\" x=\"{}\" y=\"{}\">{text}</text>", tenths(x), tenths(y))
}

/// `value × size ÷ whole`, rounded down; nothing of nothing.
fn part(value: u128, size: u128, whole: u128) -> u128 {
    value.saturating_mul(size).checked_div(whole).unwrap_or_default()
}

/// Tenths as SVG takes them: `12.5`.
fn tenths(number: u128) -> String {
    ballast_chains::amount::decimal(&number.to_string(), 1)
}

/// The next of 1, 2, 4, 5 and 8 times a power of ten, in millionths of a dollar: quarters of it
/// are round too.
fn ceiling(micro: u128) -> u128 {
    let mut power: u128 = 1;
    while power.saturating_mul(10) <= micro {
        power = power.saturating_mul(10);
    }
    let fits = [1, 2, 4, 5, 8, 10].into_iter().map(|step| power.saturating_mul(step));
    fits.into_iter().find(|top| *top >= micro).unwrap_or(micro).max(1)
}

/// Dollars on an axis: short, rounded up.
fn axis(micro: u128) -> String {
    const DOLLAR: u128 = 1_000_000;
    if micro == 0 || micro >= DOLLAR.saturating_mul(10) {
        return format!("${}", shown::count(micro.div_ceil(DOLLAR)));
    }
    format!("${}", shown::usd(Usd::from_micros(micro), Round::Up))
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "an overflow in a test is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn the_axis_ends_at_a_round_number_above_everything() {
        for (micro, top) in [(1, 1), (9, 10), (10, 10), (11, 20), (41, 50), (51, 80), (99, 100)] {
            assert_eq!(ceiling(micro), top);
        }
        assert_eq!(axis(0), "$0");
        assert_eq!(axis(1_500_000), "$1.50");
        assert_eq!(axis(12_345_000_001), "$12,346");
        assert_eq!([tenths(0), tenths(5), tenths(125)], ["0", "0.5", "12.5"]);
    }
}
