//! The head stream over a real node: killed, frozen, reorganised, in a hurry.

use ballast_chains::ChainProfile;
use ballast_devnet::{Anvil, AnvilOptions, Mining, Tooling};

use crate::{
    chain::{CHAIN_ID, endpoint, endpoint_with_ws, profile},
    follower::Follower,
};

async fn node() -> Anvil {
    let options =
        AnvilOptions { chain_id: CHAIN_ID, mining: Mining::Manual, ..AnvilOptions::default() };
    let anvil = Anvil::spawn(&Tooling::locate().unwrap(), options).await.unwrap();
    anvil.node().mine(5).await.unwrap();
    anvil
}

fn by_poll(anvil: &Anvil) -> ChainProfile {
    profile(vec![endpoint(anvil.http_url().as_str())])
}

fn by_ws(anvil: &Anvil) -> ChainProfile {
    profile(vec![endpoint_with_ws(anvil.http_url().as_str(), anvil.ws_url().as_str())])
}

async fn reach(follower: &mut Follower, anvil: &Anvil) {
    let head = anvil.node().head().await.unwrap();
    let what = format!("head {}", head.number);
    follower.until(&what, |follower| follower.top() == Some((head.number, head.hash))).await;
}

/// The checks themselves are in [`Follower`]: each head is the child of the one before.
async fn survives_everything(profile_of: fn(&Anvil) -> ChainProfile) {
    let mut anvil = node().await;
    let mut follower = Follower::start(&profile_of(&anvil), 4);
    reach(&mut follower, &anvil).await;

    anvil.node().mine(1).await.unwrap();
    reach(&mut follower, &anvil).await;
    anvil.node().mine(40).await.unwrap();
    reach(&mut follower, &anvil).await;
    assert_eq!((follower.heads.len(), follower.reorgs.len()), (42, 0), "heads 5 to 46");

    anvil.node().reorg(3).await.unwrap();
    reach(&mut follower, &anvil).await;
    assert_eq!(follower.reorgs, [(43, 3)]);

    anvil.restart_on_same_port().await.unwrap();
    anvil.node().mine(3).await.unwrap();
    reach(&mut follower, &anvil).await;
    anvil.node().mine(1).await.unwrap();
    reach(&mut follower, &anvil).await;
    assert_eq!((follower.heads.len(), follower.reorgs.len()), (46, 1), "heads 5 to 50");
}

#[tokio::test]
async fn subscribed_stream_survives_bursts_reorganisations_and_restarts() {
    survives_everything(by_ws).await;
}

#[tokio::test]
async fn polling_stream_survives_bursts_reorganisations_and_restarts() {
    survives_everything(by_poll).await;
}

#[tokio::test]
async fn frozen_node_is_reported_and_its_heads_told_after_the_thaw() {
    for profile_of in [by_ws, by_poll] {
        let anvil = node().await;
        let mut profile = profile_of(&anvil);
        profile.stale_after = profile.request_timeout * 3 / 2;
        let mut follower = Follower::start(&profile, 4);
        reach(&mut follower, &anvil).await;
        anvil.node().mine(2).await.unwrap();
        reach(&mut follower, &anvil).await;

        anvil.freeze().unwrap();
        follower.until("the stall", |follower| follower.stalls.len() == 1).await;
        anvil.thaw().unwrap();
        anvil.node().mine(4).await.unwrap();
        reach(&mut follower, &anvil).await;
        anvil.node().mine(1).await.unwrap();
        reach(&mut follower, &anvil).await;
        assert_eq!((follower.heads.len(), follower.reorgs.len()), (8, 0), "heads 5 to 12");
    }
}

#[tokio::test]
async fn node_that_lost_its_chain_is_followed_from_where_it_is() {
    let mut anvil = node().await;
    let mut follower = Follower::start(&by_ws(&anvil), 4);
    reach(&mut follower, &anvil).await;
    anvil.node().mine(10).await.unwrap();
    reach(&mut follower, &anvil).await;

    anvil.kill().await.unwrap();
    anvil.start().await.unwrap();
    anvil.node().mine(2).await.unwrap();
    let head = anvil.node().head().await.unwrap();
    follower.restart_allowed();
    let what = "the new chain";
    follower.until(what, |follower| follower.top() == Some((head.number, head.hash))).await;
    assert_eq!(follower.reorgs.len(), 1);
}
