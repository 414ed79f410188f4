//! People are told what is wrong and when it is over, and silence tells them that the keeper is gone.

use ballast_test_support::{Inbox, wait_until};
use eyre::Result;
use serde_json::Value;

use crate::harness::{DEADLINE, Setup, World};

const HOOK: &str = "/hook";
const BEAT: &str = "/beat";

#[tokio::test]
async fn a_chain_that_stops_is_told_and_so_is_its_recovery() -> Result<()> {
    let inbox = Inbox::start().await?;
    let setup = Setup { chain: "stale_after = \"3s\"\n".into(), ..Setup::default() };
    let world = World::start(setup).await?;
    let ballast = std::fs::read_to_string(world.dir.path().join("ballast.toml"))?;
    let told = format!(
        "{ballast}\n[heartbeat]\nurl = \"{}\"\nevery = \"200ms\"\n\n[[notify]]\nkind = \"webhook\"\n\
         url = {{ env = \"HOOK_URL\" }}\nsecret = {{ env = \"HOOK_SECRET\" }}\n",
        inbox.url(BEAT)
    );
    world.dir.write("ballast.toml", told)?;
    let command = world.ballast(&["--log", "info,ballast=debug", "run"]);
    let command = command.env("HOOK_URL", inbox.url(HOOK)).env("HOOK_SECRET", "s3cret");
    let mut keeper = command.start()?;
    keeper.wait_for_line("first head", DEADLINE).await?;
    let beats = || inbox.letters(BEAT).len();
    wait_until("a heartbeat", DEADLINE, async || beats() > 0).await?;
    assert!(inbox.letters(HOOK).is_empty(), "{:?}", inbox.letters(HOOK));

    world.devnet.anvil().freeze()?;
    let raised = wait_until("the alarm", DEADLINE, async || notice(&inbox, "raised")).await?;
    assert_eq!(raised["condition"], "stale_head", "{raised}");
    assert_eq!(raised["severity"], "critical", "{raised}");
    assert_eq!(raised["subject"], serde_json::json!({"kind": "chain", "name": "local"}));
    keeper.wait_for_line("no heartbeat is sent", DEADLINE).await?;
    let silent_at = beats();

    world.devnet.anvil().thaw()?;
    let recovered =
        wait_until("the recovery", DEADLINE, async || notice(&inbox, "recovered")).await?;
    assert_eq!(recovered["condition"], "stale_head", "{recovered}");
    assert_eq!(recovered["since"], raised["since"]);
    wait_until("heartbeats again", DEADLINE, async || beats() > silent_at).await?;
    let letters = inbox.letters(HOOK);
    assert!(letters.iter().all(|letter| letter.headers.contains_key("x-ballast-signature")));
    assert_eq!(letters.len(), 2, "{letters:?}");
    keeper.terminate()?;
    assert!(keeper.wait_exit(DEADLINE).await?.success());
    assert!(!keeper.lines().iter().any(|line| line.contains("s3cret") || line.contains(HOOK)));
    Ok(())
}

/// The first notice of that status.
fn notice(inbox: &Inbox, status: &str) -> Option<Value> {
    let bodies = inbox.letters(HOOK).into_iter();
    let mut notices =
        bodies.filter_map(|letter| serde_json::from_slice::<Value>(&letter.body).ok());
    notices.find(|notice| notice["status"] == status)
}
