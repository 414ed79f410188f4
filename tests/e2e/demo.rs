//! `ballast demo`: what it promises to show, on both chains, and that nothing of it is left.

use std::{
    fs,
    path::{Path, PathBuf},
};

use ballast_test_support::{Browser, KeeperCommand, KeeperProcess, wait_until};
use eyre::Result;

use crate::harness::{DEADLINE, finish};

/// What one scene may take, times their number.
const SHOW: std::time::Duration = std::time::Duration::from_secs(360);
/// Chain and product, as a line begins.
const STORIES: [&str; 2] = ["local-1  eth2x-fli ", "local-10 eth-basis   "];
/// The same of the composite index.
const INDEX: &str = "local-1  wide-index  ";

/// The demo as fast as it goes, with a folder for temporary files that nobody else uses.
fn demo(args: &[&str]) -> Result<(KeeperCommand, tempfile::TempDir)> {
    let scratch = tempfile::Builder::new().prefix("ballast-demo-test-").tempdir()?;
    let devnet = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/devnet");
    let command = KeeperCommand::new(env!("CARGO_BIN_EXE_ballast"))
        .args(["demo", "--speed", "8"])
        .args(args)
        .env("BALLAST_DEVNET_DIR", devnet)
        .env("TMPDIR", scratch.path());
    Ok((command, scratch))
}

/// Command lines of the processes that name a path: the nodes name their state file.
fn processes_with(path: &Path) -> Vec<String> {
    let path = path.to_string_lossy();
    let lines = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let line = fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    });
    lines.filter(|line| line.contains(path.as_ref())).collect()
}

fn left_in(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).unwrap().filter_map(|entry| Some(entry.ok()?.path())).collect()
}

fn count(lines: &[String], story: &str, what: &str) -> usize {
    lines.iter().filter(|line| line.contains(story) && line.contains(what)).count()
}

#[tokio::test]
async fn both_chains_show_what_they_are_there_for_and_nothing_is_left() -> Result<()> {
    let (command, scratch) = demo(&[])?;
    let mut show = command.start()?;
    show.wait_for_line("one keeper runs over both", DEADLINE).await?;
    assert_eq!(processes_with(scratch.path()).len(), 2, "a node for each chain");
    assert!(show.wait_exit(SHOW).await?.success(), "{}", show.tail());
    let lines = show.lines();
    for story in STORIES {
        for said in [
            "rebalance (routine): the interval is over",
            "rebalance (prompt): leverage",
            "is above its maximum",
            "is below its minimum",
            "iterateRebalance (prompt): a TWAP to",
            "ripcord (emergency): leverage",
        ] {
            assert!(count(&lines, story, said) >= 1, "{story}: {said}\n{}", lines.join("\n"));
        }
        let mined = |action: &str| count(&lines, story, &format!("mined    {action} "));
        assert!(mined("rebalance") >= 3, "{story}\n{}", lines.join("\n"));
        assert!(mined("iterateRebalance") >= 2, "{story}\n{}", lines.join("\n"));
        assert!(mined("ripcord") >= 1, "{story}\n{}", lines.join("\n"));
        assert_eq!(count(&lines, story, "REVERTED"), 0, "{story}\n{}", lines.join("\n"));
        assert_eq!(count(&lines, story, "postcondition_missed"), 0, "{story}");
        let all = mined("rebalance") + mined("iterateRebalance") + mined("ripcord");
        assert_eq!(count(&lines, story, "is final: confirmed"), all, "{story}");
    }
    the_index_was_traded(&lines);
    for table in [
        "== local-1 (id 1): eth2x-fli",
        "== local-1 (id 1): wide-index",
        "== local-10 (id 10): eth-basis",
    ] {
        assert!(lines.iter().any(|line| line.ends_with(table)), "{table}");
    }
    assert_eq!(left_in(scratch.path()), Vec::<PathBuf>::new());
    assert_gone(&mut show, scratch.path()).await
}

/// To new weights, one component gone and one come, until nothing was left to do.
fn the_index_was_traded(lines: &[String]) {
    let all = lines.join("\n");
    for said in [
        "new weights: UNI 20 % → 17 %",
        "sells 40000 LEND for ",
        " SNX for ",
        " WBTC for ",
        "decides  wait: finished",
    ] {
        assert!(count(lines, INDEX, said) >= 1, "{said}\n{all}");
    }
    let mined = count(lines, INDEX, "mined    ");
    assert!(mined >= 9, "{mined} trades\n{all}");
    assert_eq!(count(lines, INDEX, "mined    sells") + count(lines, INDEX, "mined    buys"), mined);
    // A trade that is refused before it is sent because it was made a block earlier is none.
    for odd in ["REVERTED", "cancel", "missed"] {
        assert_eq!(count(lines, INDEX, odd), 0, "{odd}\n{all}");
    }
}

#[tokio::test]
async fn ctrl_c_ends_it_in_order_and_keeps_what_was_asked_for() -> Result<()> {
    let (command, scratch) = demo(&["--duration", "1h", "--keep"])?;
    let mut show = command.start()?;
    for story in STORIES {
        let mined = async || count(&show.lines(), story, "mined ") >= 1;
        wait_until("a transaction on each chain", DEADLINE, mined).await?;
    }
    let shown = both_are_on_the_page(&show).await;
    shown.map_err(|error| show.failure(&error.to_string()))?;
    show.interrupt()?;
    assert!(show.wait_exit(DEADLINE).await?.success(), "{}", show.tail());
    let lines = show.lines();
    assert!(lines.iter().any(|line| line.ends_with("| stopped")), "{}", show.tail());
    assert!(lines.iter().any(|line| line.contains("calls")), "the table: {}", show.tail());
    assert_gone(&mut show, scratch.path()).await?;

    let kept = left_in(scratch.path());
    assert_eq!(kept.len(), 1, "{kept:?}");
    let explain = KeeperCommand::new(env!("CARGO_BIN_EXE_ballast"))
        .arg("--config")
        .arg(&kept[0])
        .args(["explain", "eth2x-fli"]);
    let (code, out, err) = finish(explain).await?;
    assert_eq!(code, 0, "{err:?}");
    assert!(out.iter().any(|line| line.contains("leverage_ratio")), "{out:?}");
    Ok(())
}

/// Both chains, with a block, and both products, with a chart, their transactions and what those cost
/// at the price of the chain's feed.
async fn both_are_on_the_page(show: &KeeperProcess) -> Result<()> {
    let line = show.wait_for_line("page: ", DEADLINE).await?;
    let page = line.split("page: ").nth(1).and_then(|rest| rest.split_whitespace().next());
    let browser = Browser::start().await?;
    browser.open(page.expect("an address after page:")).await?;
    for (chain, product) in [("local-1", "eth2x-fli"), ("local-10", "eth-basis")] {
        for there in [
            format!(
                "document.querySelector('[data-chain=\"{chain}\"]')?.innerText.includes('block')"
            ),
            format!("document.querySelector('.product[data-product=\"{product}\"] .line')"),
            format!("document.body.innerText.includes('{product} on {chain}')"),
            format!(
                "document.querySelector('tr[data-product=\"{product}\"]')?.innerText.includes('$')"
            ),
        ] {
            browser.wait_for(&there, DEADLINE).await?;
        }
    }
    // Each component of the index with its share and the one that it goes to, by whichever weights
    // are its last.
    let index = ".product[data-product=\"wide-index\"]";
    for (component, said) in [("WBTC", "of 2"), ("UNI", " %"), ("XAUT", "done")] {
        let there = format!(
            "document.querySelector('{index} [data-part=\"{component}\"]')?.innerText.includes('{said}')"
        );
        browser.wait_for(&there, DEADLINE).await?;
    }
    assert_eq!(browser.console_errors().await?, Vec::<String>::new());
    browser.close().await
}

/// Killed nodes are gone a moment later.
async fn assert_gone(show: &mut KeeperProcess, scratch: &Path) -> Result<()> {
    let gone = async || {
        let left = processes_with(scratch);
        if left.is_empty() { Ok(()) } else { Err(left.join("\n")) }
    };
    let waited = wait_until("the nodes to be gone", DEADLINE, gone).await;
    waited.map_err(|error| show.failure(&error.to_string()))
}
