//! A viewer, and what it cannot do.

use super::*;
use crate::contracts::IFLIRebalanceViewer as viewer;

const VIEWER: Address = address!("00000000000000000000000000000000000000ee");

fn viewed() -> Params {
    let table = serde_json::json!({ "extension": EXTENSION, "viewer": VIEWER });
    serde_json::from_value(table).unwrap()
}

/// What the viewer is asked: by the bounds in force.
fn by_bounds() -> viewer::shouldRebalanceWithBoundsCall {
    viewer::shouldRebalanceWithBoundsCall {
        minLeverageRatio: fixed("1.7"),
        maxLeverageRatio: fixed("2.3"),
    }
}

async fn order(block: &ScriptedBlock) -> (String, Option<U256>) {
    let checked = check_contract::<Fli>(block, viewed).await.unwrap();
    assert_eq!(checked.rounds.rounds, 2);
    let labels = acted(&checked.assessment).candidates.iter().map(|c| c.label.as_str());
    let seen = &checked.assessment.observations;
    let answered = seen.iter().find(|o| o.name == "viewer_answered");
    let plain = acted(&self::checked(block).await.assessment).clone();
    let mut sorted = acted(&checked.assessment).clone();
    let in_order = |action: &mut Action| {
        let mut all: Vec<_> = action.candidates.iter().cloned().collect();
        all.sort_by(|a, b| a.label.cmp(&b.label));
        action.candidates = NonEmpty::from_vec(all).unwrap();
    };
    let mut unsorted = plain;
    in_order(&mut sorted);
    in_order(&mut unsorted);
    assert_eq!(sorted, unsorted, "nothing but the order");
    (labels.collect::<Vec<_>>().join(","), answered.map(|o| o.value.unsigned_abs()))
}

#[tokio::test]
async fn a_viewer_orders_the_candidates_and_changes_nothing_else() {
    let said = |names: [&str; 2], actions: [u8; 2]| {
        let mut block = block();
        let names = names.map(str::to_owned);
        let answer = viewer::shouldRebalanceWithBoundsReturn { names, actions };
        block.answer(VIEWER, &by_bounds(), &answer);
        block
    };
    let yes = Some(fixed("1"));
    assert_eq!(order(&said(["V2", "V3"], [1, 1])).await, ("V2,V3".into(), yes));
    assert_eq!(order(&said(["V3", "V2"], [1, 1])).await, ("V3,V2".into(), yes));
    let nonsense = [(["V9", "V8"], [1, 1]), (["", ""], [9, 200]), (["V3", "V3"], [1, 0])];
    for (names, actions) in nonsense {
        assert_eq!(order(&said(names, actions)).await.0, "V3,V2", "{names:?}");
    }
    let unranked = order(&said(["V2", "V3"], [0, 0])).await;
    assert_eq!(unranked, ("V3,V2".into(), Some(U256::ZERO)), "nothing is due for it");

    let none = ("V3,V2".to_owned(), Some(U256::ZERO));
    assert_eq!(order(&block()).await, none, "there is no contract");
    let mut broken = block();
    broken.refuse_raw::<viewer::shouldRebalanceWithBoundsCall>(VIEWER, Bytes::new());
    assert_eq!(order(&broken).await, none);
    let mut garbled = block();
    garbled.answer_raw(VIEWER, by_bounds().abi_encode().into(), Bytes::from_static(&[0xff; 70]));
    assert_eq!(order(&garbled).await, none);
}

#[tokio::test]
async fn a_viewer_is_not_asked_in_an_emergency_nor_when_nothing_is_due() {
    for (actions, ratio) in [(vec![3, 3], "2.9"), (vec![0, 0], "2.1")] {
        let mut block = block();
        block.answer(EXTENSION, &getCurrentLeverageRatioCall {}, &fixed(ratio));
        let should = shouldRebalanceReturn { names: names(), actions };
        block.answer(EXTENSION, &shouldRebalanceCall {}, &should);
        let with = check_contract::<Fli>(&block, viewed).await.unwrap();
        let without = checked(&block).await;
        assert_eq!(with.rounds.calls, without.rounds.calls, "{ratio}");
        assert_eq!(with.assessment, without.assessment, "{ratio}");
    }
}
