//! Retired extensions, and products that are named by their token.

use super::*;

const RIVAL: Address = address!("00000000000000000000000000000000000000e3");

fn named_by_its_token() -> Params {
    table(serde_json::json!({ "set_token": SET }))
}

/// What the product, connected at [`block`], says at another block.
async fn later(params: fn() -> Params, block: &ScriptedBlock) -> Assessment {
    let strategy = check_contract::<Basis>(&super::block(), params).await.unwrap().strategy;
    let (outcome, stats) =
        block.look(move |at| async move { strategy.assess(&at).await.unwrap() }).await;
    assert!(stats.rounds <= 2, "{stats:?}");
    let Outcome::Done(assessment) = outcome else { panic!("{outcome:?}") };
    assessment
}

/// Why it is blocked, with the detail: one that is named by its token has the change there.
fn stopped(decision: &Decision) -> String {
    let Decision::Blocked { reason, detail } = decision else { panic!("{decision:?}") };
    format!("{reason}: {detail}")
}

/// Whether it is named by its token or by itself.
#[tokio::test]
async fn a_retired_extension_is_not_driven_whatever_it_says() {
    for params in [params, named_by_its_token] {
        let mut retired = block();
        ratio(&mut retired, "3.1", 3);
        retired.answer(MANAGER, &getAdaptersCall {}, &vec![RIVAL]);
        let assessment = later(params, &retired).await;
        let said = stopped(&assessment.decision);
        assert!(said.contains("manager does not list the extension: "), "{said}");
        assert!(said.contains(&EXTENSION.to_string()) && said.contains(&RIVAL.to_string()));
        assert_eq!(told(&assessment, "leverage_ratio"), "-3.1", "what can be seen is shown");

        let mut moved = block();
        moved.answer(SET, &setManagerCall {}, &RIVAL);
        let said = stopped(&later(params, &moved).await.decision);
        assert!(said.contains("set_token has another manager: "), "{said}");
    }
}

/// At the start too: four extensions were deployed for one token in five weeks.
#[tokio::test]
async fn one_that_is_retired_already_is_connected_and_blocked() {
    let mut retired = block();
    retired.answer(MANAGER, &getAdaptersCall {}, &vec![RIVAL]);
    let decision = checked(&retired).await.assessment.decision;
    let reason = "manager does not list the extension";
    assert!(matches!(decision, Decision::Blocked { reason: said, .. } if said == reason));
}

#[tokio::test]
async fn a_token_leads_to_the_one_basis_extension_of_its_manager() {
    let by_token = check_contract::<Basis>(&block(), named_by_its_token).await.unwrap();
    assert_eq!(by_token.assessment, checked(&block()).await.assessment);
    // A leverage strategy extension has a strategy of as many words, and no reinvestments.
    let mut mixed = block();
    mixed.answer(MANAGER, &getAdaptersCall {}, &vec![RIVAL, EXTENSION]);
    let words: Bytes = std::iter::repeat_n(SET.into_word().0, 11).flatten().collect();
    mixed.answer_raw(RIVAL, getStrategyCall::SELECTOR.into(), words);
    let found = check_contract::<Basis>(&mixed, named_by_its_token).await.unwrap();
    assert_eq!(found.strategy.product().extension, EXTENSION);
    mixed.answer(RIVAL, &lastReinvestTimestampCall {}, &U256::ONE);
    let said = check_contract::<Basis>(&mixed, named_by_its_token).await.unwrap_err().to_string();
    assert!(said.contains("lists 2 basis trading extensions of set_token"), "{said}");
}

#[tokio::test]
async fn a_second_one_stops_a_product_that_is_named_by_its_token_and_no_other() {
    let mut joined = block();
    joined.answer(MANAGER, &getAdaptersCall {}, &vec![EXTENSION, RIVAL]);
    let strategy = ContractSettings {
        setToken: SET,
        ..checked(&block()).await.strategy.product().settings.clone()
    };
    joined.answer(RIVAL, &getStrategyCall {}, &strategy);
    joined.answer(RIVAL, &lastReinvestTimestampCall {}, &U256::ONE);
    let decision = later(named_by_its_token, &joined).await.decision;
    let said = stopped(&decision);
    assert!(said.contains("manager lists a second basis trading extension: "), "{said}");
    acted(&later(params, &joined).await);
}

#[tokio::test]
async fn a_manager_that_lists_nothing_leaves_a_named_extension_in_charge() {
    let mut plain = block();
    plain.refuse_raw::<getAdaptersCall>(MANAGER, Bytes::new());
    acted(&checked(&plain).await.assessment);
    let said = check_contract::<Basis>(&plain, named_by_its_token).await.unwrap_err().to_string();
    assert!(said.contains("lists no extensions"), "{said}");
}
