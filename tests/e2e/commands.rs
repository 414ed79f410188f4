//! The other commands and the HTTP surface, against a living chain.

use ballast_devnet::accounts;
use eyre::Result;

use crate::harness::{DEADLINE, PRODUCT, Setup, World, finish, http_base, json};

#[tokio::test]
async fn check_is_content_with_a_sound_deployment() -> Result<()> {
    let world = World::start(Setup::default()).await?;
    let (code, out, err) = finish(world.ballast(&["check"])).await?;
    assert_eq!(code, 0, "{out:?} {err:?}");
    assert!(out.iter().any(|line| line.contains("0 errors, 0 warnings")), "{out:?}");
    Ok(())
}

#[tokio::test]
async fn check_reports_every_problem_at_once() -> Result<()> {
    let setup = Setup { chain: "max_lag = 3\n".into(), ..Setup::default() };
    let world = World::start(setup).await?;
    let keeper = accounts::keeper_address(0);
    world.devnet.node().set_balance(keeper, alloy::primitives::U256::ZERO).await?;
    // An EIP-7702 delegation to some contract.
    let delegation = [&[0xef, 0x01, 0x00][..], world.devnet.product().manager.as_slice()].concat();
    world.devnet.node().set_code(keeper, delegation.into()).await?;
    let market = world.devnet.market();
    market.set_caller_status(world.devnet.product(), &[keeper], false).await?;
    let (code, out, err) = finish(world.ballast(&["check", "--json"])).await?;
    assert_eq!(code, 3, "{out:?} {err:?}");
    let report = json(&out);
    let problems = report["findings"].to_string();
    assert!(problems.contains("holds 0 ETH"), "{problems}");
    assert!(problems.contains("has code"), "{problems}");
    assert!(problems.contains("not permitted to call"), "{problems}");
    Ok(())
}

#[tokio::test]
async fn check_finds_a_wrong_chain_id() -> Result<()> {
    let world = World::start(Setup::default()).await?;
    let text = format!("chain_id = 10\nrpc = [\"{}\"]\n", world.proxy.http_url());
    world.dir.write("chains/local.toml", text)?;
    let (code, out, _) = finish(world.ballast(&["check"])).await?;
    assert_eq!(code, 3, "{out:?}");
    assert!(out.iter().any(|line| line.contains("chain id")), "{out:?}");
    Ok(())
}

#[tokio::test]
async fn explain_tells_the_inputs_and_knows_its_products() -> Result<()> {
    let world = World::start(Setup::default()).await?;
    let (code, out, _) = finish(world.ballast(&["explain", PRODUCT])).await?;
    assert_eq!(code, 0);
    assert!(out.iter().any(|line| line.contains("no decision recorded yet")), "{out:?}");

    let mut keeper = world.keeper().await?;
    keeper.wait_for_line("inside bounds", DEADLINE).await?;
    let recorded = async || {
        let (_, out, _) = finish(world.ballast(&["explain", PRODUCT])).await.ok()?;
        out.iter().any(|line| line.contains("leverage_ratio")).then_some(out)
    };
    // While the keeper runs, beside it.
    let out = keeper.wait_until("a recorded decision", DEADLINE, recorded).await?;
    assert!(out.iter().any(|line| line.contains("min 1.7, target 2, max 2.3")), "{out:?}");

    let (code, _, err) = finish(world.ballast(&["explain", "no-such"])).await?;
    assert_eq!(code, 2);
    assert!(err.iter().any(|line| line.contains(PRODUCT)), "{err:?}");
    Ok(())
}

#[tokio::test]
async fn health_readiness_and_metrics() -> Result<()> {
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut world =
        World::start(Setup { chain: "stale_after = \"4s\"\n".into(), ..Setup::default() }).await?;
    let mut keeper = world.keeper().await?;
    let base = http_base(&keeper).await?;
    let client = reqwest::Client::new();
    let status = async |path: &str| -> Result<(u16, String)> {
        let answer = client.get(format!("{base}{path}")).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    };
    assert_eq!(status("/healthz").await?.0, 200);
    let ready = async || status("/readyz").await.is_ok_and(|(code, _)| code == 200);
    keeper.wait_until("readiness", DEADLINE, ready).await?;
    keeper.wait_for_line("inside bounds", DEADLINE).await?;
    // The line is written before the decision is counted.
    let counted = async || {
        let (_, metrics) = status("/metrics").await.ok()?;
        metrics.contains("ballast_decisions_total{").then_some(metrics)
    };
    let metrics = keeper.wait_until("a counted decision", DEADLINE, counted).await?;
    for name in [
        "ballast_head_number{chain=\"local\"}",
        "ballast_assess_seconds_bucket{",
        "ballast_rpc_requests_total{",
        "# HELP ballast_head_number",
    ] {
        assert!(metrics.contains(name), "{name} is missing in\n{metrics}");
    }
    // A store that is gone makes it unready; the database itself does not notice.
    let aside = world.store().with_extension("aside");
    std::fs::rename(world.store(), &aside)?;
    let (code, told) = status("/readyz").await?;
    assert_eq!(code, 503, "{told}");
    assert!(told.contains("store: ") && told.contains("deleted or replaced"), "{told}");
    std::fs::rename(&aside, world.store())?;
    assert_eq!(status("/readyz").await?.0, 200);
    // A dead chain makes it unready, never unhealthy.
    world.devnet.anvil_mut().kill().await?;
    let unready = async || status("/readyz").await.is_ok_and(|(code, _)| code == 503);
    keeper.wait_until("unreadiness", DEADLINE, unready).await?;
    assert_eq!(status("/healthz").await?.0, 200);
    keeper.terminate()?;
    assert!(keeper.wait_exit(DEADLINE).await?.success());
    Ok(())
}

/// Parts that end because of the stop are no failure, in whichever order they are seen to end.
#[tokio::test]
async fn every_stop_is_clean() -> Result<()> {
    let world = World::start(Setup::default()).await?;
    for round in 0..12 {
        let mut keeper = world.keeper().await?;
        keeper.terminate()?;
        let status = keeper.wait_exit(DEADLINE).await?;
        assert!(status.success(), "round {round}: {status}\n{}", keeper.tail());
    }
    Ok(())
}
