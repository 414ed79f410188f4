//! What is stopped stays so over a restart, and only a person lets it go on.

use super::*;

fn on(asked: &str, found: &str) -> ActsOn {
    ActsOn { asked: asked.into(), found: found.into() }
}

#[tokio::test]
async fn a_pause_survives_a_restart_and_a_failed_write_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keeper.db");
    let store = Store::open(&file).await.unwrap();
    let pauses = Pauses::load(&store).await.unwrap();
    let mut changes = pauses.subscribe();
    pauses.pause(&["a", "b"], "ann", "gas").await.unwrap();
    assert!(changes.has_changed().unwrap());
    pauses.pause(&["a"], "bob", "again").await.unwrap();
    pauses.resume(&["b"], "bob").await.unwrap();
    assert!(pauses.holds("a") && !pauses.holds("b"));
    assert_eq!(pauses.of("a").unwrap().who, "ann");
    changes.mark_unchanged();
    store.close().await;
    assert!(pauses.resume(&["a"], "bob").await.is_err());
    assert!(pauses.holds("a") && !changes.has_changed().unwrap());

    let store = Store::open(&file).await.unwrap();
    let pauses = Pauses::load(&store).await.unwrap();
    assert_eq!(pauses.of("a").map(|pause| pause.reason), Some("gas".to_owned()));
    assert!(!pauses.holds("b"));
    store.close().await;
}

#[tokio::test]
async fn what_a_file_led_to_at_first_is_acted_on_until_a_person_agrees_to_another() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keeper.db");
    let store = Store::open(&file).await.unwrap();
    let pauses = Pauses::load(&store).await.unwrap();
    assert_eq!(pauses.agreed("one"), Agreed::Any);
    let (first, second, third) = (on("token", "a"), on("token", "b"), on("token", "c"));
    pauses.hear("one", Leads::To(&first)).await.unwrap();
    assert_eq!(pauses.agreed("one"), Agreed::On("a".into()));
    pauses.hear("one", Leads::To(&second)).await.unwrap();
    let moved = Agreed::Moved("token led to a and leads to b by now".into());
    assert_eq!(pauses.agreed("one"), moved);
    store.close().await;

    // A restart agrees to nothing.
    let store = Store::open(&file).await.unwrap();
    let pauses = Pauses::load(&store).await.unwrap();
    pauses.hear("one", Leads::To(&second)).await.unwrap();
    assert_eq!(pauses.agreed("one"), moved);
    let told = pauses.of("one").unwrap();
    assert!(told.reason.contains("`ballast resume` agrees"), "{told:?}");
    assert!(!pauses.holds("one"), "no operator has paused it");
    pauses.resume(&["one"], "ann").await.unwrap();
    assert_eq!((pauses.agreed("one"), pauses.of("one")), (Agreed::On("b".into()), None));
    // What leads back goes on by itself: that is what a person agreed to.
    pauses.hear("one", Leads::To(&third)).await.unwrap();
    assert!(matches!(pauses.agreed("one"), Agreed::Moved(_)));
    pauses.hear("one", Leads::To(&second)).await.unwrap();
    assert_eq!(pauses.agreed("one"), Agreed::On("b".into()));
    // Another file is another agreement.
    pauses.hear("one", Leads::To(&on("contract", "d"))).await.unwrap();
    assert_eq!(pauses.agreed("one"), Agreed::On("d".into()));
    store.close().await;
    assert!(pauses.hear("one", Leads::To(&on("contract", "e"))).await.is_err());
    assert_eq!(pauses.agreed("one"), Agreed::On("d".into()), "nothing has changed");

    let store = Store::open(&file).await.unwrap();
    let pauses = Pauses::load(&store).await.unwrap();
    assert_eq!(pauses.agreed("one"), Agreed::On("d".into()));
    store.close().await;
}

#[tokio::test]
async fn a_pause_of_another_reason_ends_without_agreeing_to_anything() {
    let store = Store::in_memory().await.unwrap();
    let pauses = Pauses::load(&store).await.unwrap();
    pauses.hear("one", Leads::To(&on("token", "a"))).await.unwrap();
    pauses.pause(&["one"], "ann", "gas").await.unwrap();
    let astray = on("token", "a");
    pauses.hear("one", Leads::Astray(&astray, "it lists none")).await.unwrap();
    assert_eq!(pauses.of("one").unwrap().who, "ann");
    pauses.resume(&["one"], "ann").await.unwrap();
    assert_eq!(pauses.agreed("one"), Agreed::Moved("token led to a: it lists none".into()));
    // To nothing nobody can agree.
    pauses.resume(&["one"], "ann").await.unwrap();
    assert!(pauses.of("one").unwrap().reason.contains("nothing yet"));
    pauses.pause(&["one"], "ann", "gas").await.unwrap();
    pauses.hear("one", Leads::To(&on("token", "b"))).await.unwrap();
    pauses.resume(&["one"], "ann").await.unwrap();
    assert!(matches!(pauses.agreed("one"), Agreed::Moved(_)), "the pause was for gas");
    let stored = store.agreements().await.unwrap();
    assert_eq!(stored[0].1.accepted, "a");
    pauses.resume(&["one"], "ann").await.unwrap();
    assert_eq!(pauses.agreed("one"), Agreed::On("b".into()));
    assert_eq!(store.agreements().await.unwrap()[0].1.accepted, "b");
}
