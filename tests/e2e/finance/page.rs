//! The report as a page, in a browser.

use std::path::PathBuf;

use ballast_test_support::Browser;
use eyre::Result;

use super::{books, report, year};

/// The folder that keeps pictures; without it they are gone with the test.
const KEPT_IN: &str = "BALLAST_SCREENSHOTS";

/// Every chart has something in it that is drawn with a size.
const DRAWN: &str = "const charts = [...document.querySelectorAll('svg.chart')]; \
    return charts.map(chart => [...chart.querySelectorAll('rect')] \
        .filter(rect => rect.getBBox().width > 0 && rect.getBBox().height > 0).length);";
/// Cells that count stand right, in figures of one width; nothing is wider than the page.
const ALIGNED: &str = "const cells = [...document.querySelectorAll('td.n')]; \
    const right = cells.filter(cell => getComputedStyle(cell).textAlign === 'right' \
        && getComputedStyle(cell).fontVariantNumeric.includes('tabular-nums')); \
    const tables = [...document.querySelectorAll('.wide')]; \
    return cells.length > 40 && right.length === cells.length \
        && tables.every(table => table.scrollWidth <= table.clientWidth) \
        && document.documentElement.scrollWidth <= innerWidth;";
const PAPER: &str = "return getComputedStyle(document.body).backgroundColor;";

#[tokio::test]
async fn the_page_is_drawn_in_a_browser() -> Result<()> {
    let dir = books(&year()).await?;
    let page = report(&dir, "html").await?;
    let file = dir.path().join("gas.html");
    std::fs::write(&file, &page)?;
    let browser = Browser::start().await?;
    browser.resize(1280, 2040, false).await?;
    browser.open(&format!("file://{}", file.display())).await?;
    let drawn = browser.run(DRAWN).await?;
    let drawn: Vec<u64> = serde_json::from_value(drawn)?;
    assert_eq!(drawn.len(), 2, "columns by month and bars by product");
    assert!(drawn[0] >= 24 && drawn[1] == 5, "{drawn:?}");
    assert_eq!(browser.run(ALIGNED).await?, true);
    let title = browser.text("h1").await?;
    assert_eq!(title, "October 2026");
    assert_eq!(browser.run("return performance.getEntriesByType('resource').length;").await?, 0);
    let (light, paper) = (browser.screenshot().await?, browser.run(PAPER).await?);
    browser.prefer_dark(true).await?;
    let (dark, night) = (browser.screenshot().await?, browser.run(PAPER).await?);
    assert_ne!(paper, night);
    browser.prefer_dark(false).await?;
    browser.resize(390, 844, true).await?;
    assert_eq!(browser.run("return document.documentElement.scrollWidth;").await?, 390);
    assert_eq!(browser.console_errors().await?, Vec::<String>::new());
    if let Some(dir) = std::env::var_os(KEPT_IN).map(PathBuf::from) {
        std::fs::create_dir_all(&dir)?;
        std::fs::write(dir.join("gas-light.png"), light)?;
        std::fs::write(dir.join("gas-dark.png"), dark)?;
    }
    browser.close().await
}
