//! A product that is named by its token, as a whole.

use ballast_strategy_api::listing::{IExtensionManager::getAdaptersCall, ISetToken::managerCall};

use super::*;
use ballast_strategy_api::{Strategy as _, decision::MOVED};

const MANAGER: Address = address!("000000000000000000000000000000000000003a");

fn named_by_its_token() -> Params {
    serde_json::from_value(serde_json::json!({ "set_token": SET })).unwrap()
}

fn managed() -> ScriptedBlock {
    let mut block = block();
    block.answer(SET, &managerCall {}, &MANAGER);
    block.answer(MANAGER, &getAdaptersCall {}, &vec![EXTENSION]);
    block
}

/// What the product, connected at [`managed`], says at another block, and in how many rounds.
async fn later(block: &ScriptedBlock) -> (Assessment, u64) {
    let strategy = check_contract::<Fli>(&managed(), named_by_its_token).await.unwrap().strategy;
    let (outcome, stats) =
        block.look(move |at| async move { strategy.assess(&at).await.unwrap() }).await;
    let Outcome::Done(assessment) = outcome else { panic!("{outcome:?}") };
    (assessment, stats.rounds)
}

#[tokio::test]
async fn it_acts_as_one_that_is_named_by_its_extension_in_as_many_rounds() {
    let by_token = check_contract::<Fli>(&managed(), named_by_its_token).await.unwrap();
    let by_extension = checked(&managed()).await;
    assert_eq!(by_token.assessment, by_extension.assessment);
    assert_eq!(by_token.rounds.rounds, by_extension.rounds.rounds);
}

#[tokio::test]
async fn a_change_stops_everything_whatever_the_extension_says() {
    let mut ripcord = managed();
    ripcord.answer(EXTENSION, &getCurrentLeverageRatioCall {}, &fixed("2.9"));
    let should = shouldRebalanceReturn { names: names(), actions: vec![3, 3] };
    ripcord.answer(EXTENSION, &shouldRebalanceCall {}, &should);
    let mut dead = managed();
    dead.refuse::<getMethodologyCall>(EXTENSION, "gone");
    for (mut block, still_answers) in [(managed(), true), (ripcord, true), (dead, false)] {
        block.answer(SET, &managerCall {}, &Address::repeat_byte(0x5a));
        let (assessment, rounds) = later(&block).await;
        let Decision::Blocked { reason, detail } = assessment.decision else {
            panic!("{:?}", assessment.decision)
        };
        assert_eq!(reason, MOVED);
        assert!(detail.starts_with("set_token has another manager: "), "{detail}");
        assert_eq!(!assessment.observations.is_empty(), still_answers, "what can be seen is shown");
        assert!(rounds <= 2, "{rounds}");
    }
    // Put back, it goes on.
    assert_eq!(acted(&later(&managed()).await.0).name, "rebalance");
}

#[tokio::test]
async fn what_it_acts_on_is_told_with_what_was_asked_for() {
    let by_token = check_contract::<Fli>(&managed(), named_by_its_token).await.unwrap().strategy;
    let acts_on = by_token.acts_on().unwrap();
    assert_eq!(acts_on.asked, format!("set_token {SET}"));
    assert_eq!(acts_on.found, EXTENSION.to_string());
    let named = checked(&managed()).await.strategy.acts_on().unwrap();
    assert_eq!((named.asked, named.found), (format!("extension {EXTENSION}"), acts_on.found));
}
