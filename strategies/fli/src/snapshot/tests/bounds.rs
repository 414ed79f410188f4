//! Bounds of the operator beside those of the product.

use super::*;

#[tokio::test]
async fn looser_bounds_are_the_extensions_to_judge_in_the_same_two_rounds() {
    let mut block = block();
    let quiet = shouldRebalanceWithBoundsReturn { names: names(), actions: vec![0, 0] };
    block.answer(EXTENSION, &by_custom_max(), &quiet);
    let checked = check_contract::<Fli>(&block, bounded).await.unwrap();
    let reason = "inside bounds, interval not over";
    assert_eq!(checked.assessment.decision, Decision::Wait { reason, until: None });
    assert_eq!(checked.rounds.rounds, 2);

    let due = shouldRebalanceWithBoundsReturn { names: names(), actions: vec![1, 1] };
    block.answer(EXTENSION, &by_custom_max(), &due);
    let checked = check_contract::<Fli>(&block, bounded).await.unwrap();
    let Decision::Act(action) = checked.assessment.decision else { panic!() };
    assert_eq!(action.urgency, Urgency::Routine, "2.4 is within the bound of 2.45");
}

#[tokio::test]
async fn bounds_that_the_extension_refuses_are_named() {
    let mut block = block();
    block.refuse::<shouldRebalanceWithBoundsCall>(EXTENSION, "Custom bounds must be valid");
    let checked = check_contract::<Fli>(&block, bounded).await.unwrap();
    let Decision::Blocked { reason, detail } = checked.assessment.decision else { panic!() };
    assert_eq!(reason, "custom bounds are tighter than the product's own");
    assert_eq!(detail, "reverted: Custom bounds must be valid");

    let should = shouldRebalanceReturn { names: names(), actions: vec![3, 3] };
    block.answer(EXTENSION, &shouldRebalanceCall {}, &should);
    let checked = check_contract::<Fli>(&block, bounded).await.unwrap();
    let Decision::Act(action) = checked.assessment.decision else { panic!() };
    assert_eq!(action.name, "ripcord", "an emergency does not ask for bounds");
}

#[tokio::test]
async fn tighter_bounds_block_rebalances_and_never_a_ripcord() {
    let tight = || {
        let table =
            serde_json::json!({ "extension": EXTENSION, "custom_min_leverage_ratio": "1.8" });
        serde_json::from_value(table).unwrap()
    };
    let mut block = block();
    block.refuse::<shouldRebalanceWithBoundsCall>(EXTENSION, "Custom bounds must be valid");
    let checked = check_contract::<Fli>(&block, tight).await.unwrap();
    let Decision::Blocked { detail, .. } = checked.assessment.decision else { panic!() };
    let said = "custom_min_leverage_ratio 1.8 is tighter than the product's own 1.7";
    assert_eq!(detail, said);

    let should = shouldRebalanceReturn { names: names(), actions: vec![3, 3] };
    block.answer(EXTENSION, &shouldRebalanceCall {}, &should);
    let checked = check_contract::<Fli>(&block, tight).await.unwrap();
    let Decision::Act(action) = checked.assessment.decision else { panic!() };
    assert_eq!(action.name, "ripcord");
}
