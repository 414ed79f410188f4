//! A shell stands for the keeper.

use super::*;

const SOON: Duration = Duration::from_secs(10);

fn shell(script: &str) -> KeeperCommand {
    KeeperCommand::new("/bin/sh").args(["-c", script])
}

#[tokio::test]
async fn output_and_exit_code_are_seen() {
    let command = shell("echo \"hello $NAME\"; echo oops >&2; exit 3").env("NAME", "keeper");
    let mut process = command.start().unwrap();
    assert_eq!(process.wait_exit(SOON).await.unwrap().code(), Some(3));
    process.wait_for_line("hello keeper", SOON).await.unwrap();
    process.wait_for_line("oops", SOON).await.unwrap();
    let error = process.wait_for_line("missing", SOON).await.unwrap_err().to_string();
    assert!(error.contains("ended without") && error.contains("oops"), "{error}");
}

#[tokio::test]
async fn mark_hides_what_was_said_before() {
    let mut process = shell("echo one; echo two").start().unwrap();
    process.wait_exit(SOON).await.unwrap();
    assert_eq!(process.lines(), ["out| one", "out| two"]);
    let mark = process.mark();
    assert_eq!(mark, 2);
    assert!(process.wait_for_line_since(mark - 1, "two", SOON).await.is_ok());
    assert!(process.wait_for_line_since(mark - 1, "one", SOON).await.is_err());
}

#[tokio::test]
async fn second_start_finds_what_the_first_left() {
    let command = shell("cat left 2>/dev/null; echo journal > left");
    for found in [vec![], vec!["out| journal".to_owned()]] {
        let mut process = command.start().unwrap();
        process.wait_exit(SOON).await.unwrap();
        assert_eq!(process.lines(), found);
    }
}

#[tokio::test]
async fn signals_arrive() {
    // `wait` is the one thing in sh that a trapped signal interrupts.
    let script = "trap 'kill $!; echo stopping; exit 0' TERM; tail -f /dev/null & echo ready; wait";
    let mut process = shell(script).start().unwrap();
    process.wait_for_line("ready", SOON).await.unwrap();
    process.terminate().unwrap();
    assert!(process.wait_exit(SOON).await.unwrap().success());
    process.wait_for_line("stopping", SOON).await.unwrap();
    assert!(process.terminate().is_err(), "it has ended");
}

#[tokio::test]
async fn kill_is_final_and_drop_takes_the_descendants() {
    // GNU tail ends by itself when its output does, hence the redirection.
    let mut process = shell("tail -f /dev/null >/dev/null & echo child $!; wait").start().unwrap();
    let line = process.wait_for_line("child", SOON).await.unwrap();
    let child = line.rsplit(' ').next().unwrap();
    let stat = PathBuf::from(format!("/proc/{child}/stat"));
    assert!(!process.kill9().await.unwrap().success());
    assert!(stat.exists(), "the descendant outlives a SIGKILL of its parent");
    drop(process);
    wait_until("the descendant to end", SOON, async || {
        // A zombie is dead; who reaps it is not ours to decide.
        std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "))
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn early_exit_ends_a_wait() {
    let mut process = shell("echo bye").start().unwrap();
    let error = process.wait_until("never", SOON, async || false).await.unwrap_err();
    assert!(error.to_string().contains("before never"), "{error}");
}
