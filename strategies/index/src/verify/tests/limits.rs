//! What the operator allows, and what the chain says of executing it.

use super::*;

#[test]
fn limits_hold() {
    let share = |text| fixed(text, 18).unwrap();
    let of = |limits: Limits| names(&failed(&Case::of(index()).checks(&limits))).join(",");
    assert_eq!(of(Limits { cap: Some(share("0.6")), ..limits() }), "");
    assert_eq!(of(Limits { cap: Some(share("0.59")), ..limits() }), "cap");
    assert_eq!(of(Limits { count: Some((3, 3)), ..limits() }), "");
    assert_eq!(of(Limits { count: Some((4, 9)), ..limits() }), "count");
    assert_eq!(of(Limits { drift: share("0.22"), ..limits() }), "drift");
    // 22.23 points of BBB go to the others.
    assert_eq!(of(Limits { turnover: Some(share("0.23")), ..limits() }), "");
    assert_eq!(of(Limits { turnover: Some(share("0.2")), ..limits() }), "turnover");
    assert_eq!(of(Limits { slippage: share("0.003"), ..limits() }), "slippage");
    // 22.23 trades of BBB.
    assert_eq!(of(Limits { seconds: 22 * 600, ..limits() }), "");
    assert_eq!(of(Limits { seconds: 22 * 600 - 1, ..limits() }), "duration");
}

#[test]
fn what_cannot_be_traded_is_told() {
    let with = |alter: fn(&mut Token)| {
        let mut index = index();
        alter(&mut index.tokens[2]);
        failed(&Case::of(index).checks(&limits()))
    };
    let said = with(|token| token.venue = Venue::Nowhere("there is no pool".into()));
    assert_eq!(said, [("exchanges", "CCC: there is no pool".to_owned())]);
    let said = with(|token| token.max_size = U256::ZERO);
    assert_eq!(said, [("trade maximums", "CCC".to_owned())]);
    let said = with(|token| token.max_size = U256::MAX);
    assert_eq!(said, [], "what is left is less than one trade may take");
}

#[test]
fn coarse_targets_are_told() {
    let mut index = index();
    index.tokens[2] = token(3, "CCC", 2, "0", 7);
    let case = Case::weighted(index, "symbol,weight\nAAA,60%\nBBB,33%\nCCC,7%\n");
    let said = failed(&case.checks(&limits()));
    assert!(names(&said).contains(&"resolution"), "{said:?}");
}

#[test]
fn second_prices_have_to_agree() {
    let case = Case::of(index());
    let dearer = |part: u64| {
        let mut second = case.components.clone();
        let more = second[0].price / U256::from(part);
        second[0].price += more;
        let check = case.subject(|subject| subject.second_prices(&second, &limits()).unwrap());
        failed(&[check])
    };
    assert_eq!(dearer(1_000), []);
    assert_eq!(names(&dearer(50)), ["second prices"]);
}
