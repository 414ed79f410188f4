//! The action itself: its key, its candidate, and what is expected of it.

use super::*;

#[test]
fn two_rebalances_of_one_second_would_share_a_key() {
    let since = |seconds: u64| verdict_at("1.2", |s| s.last_trade = U256::from(NOW - seconds));
    assert_eq!(since(0), "wait: traded in this second");
    assert_eq!(since(1), "prompt rebalance: Lowers");
}

#[test]
fn the_one_candidate_is_named_after_the_exchange() {
    let one = action(&healthy("1.2"));
    assert_eq!(one.candidates.first.label, "UniswapV3ExchangeAdapterV2");
    assert!(one.candidates.rest.is_empty());
    assert_eq!(one.candidates.first.to, EXTENSION);
    assert_eq!(one.candidates.first.data.as_ref(), [0x7d, 0x7c, 0x2a, 0x1c]);
    let mut unnamed = healthy("1.2");
    unnamed.exchange.exchangeName.clear();
    assert_eq!(action(&unnamed).candidates.first.label, "spot");
}

#[test]
fn the_key_is_the_state_that_an_action_changes() {
    let key = |s: &Snapshot| action(s).answers.as_str().to_owned();
    let before = healthy("1.2");
    assert_eq!(key(&before), "last_trade=1699913599;twap_leverage_ratio=0");
    assert_eq!(key(&healthy("1.25")), key(&before), "a price does not matter");
    let mut traded = healthy("1.2");
    traded.last_trade += U256::ONE;
    assert_ne!(key(&traded), key(&before));
    let mut reinvest = healthy("1");
    due(ShouldRebalance::Reinvest)(&mut reinvest);
    assert_eq!(key(&reinvest), "last_reinvest=1699395199");
}

#[test]
fn half_of_what_is_traded_is_expected_of_the_short() {
    // 50 ETH from 1.2 to 1.1 are 50 · 0.1 / (1.2 · 2.1) = 1.98, of which the cap allows 1.
    let delever = action(&healthy("1.2")).expects.unwrap();
    assert_eq!((delever.direction, delever.signed), (Direction::Up, true));
    let half = fixed("0.5") - U256::from(2_001);
    assert_eq!(delever.at_least, half);
    assert!(delever.holds(short("50").into_raw(), short("49").into_raw()));
    assert!(!delever.holds(short("50").into_raw(), short("50").into_raw()));
    let lever = action(&healthy("0.8")).expects.unwrap();
    assert_eq!((lever.direction, lever.at_least), (Direction::Down, half));
    assert!(lever.holds(short("50").into_raw(), short("51").into_raw()));
}

#[test]
fn what_a_little_price_could_undo_is_only_expected_to_have_been_a_trade() {
    // Half a percent leads to the other side of the target.
    for ratio in ["1.009", "1.0001", "0.9999"] {
        let expected = action(&healthy(ratio)).expects.unwrap();
        assert_eq!(
            (expected.what.as_str(), expected.target),
            ("time of the last trade", EXTENSION)
        );
        assert_eq!((expected.direction, expected.at_least), (Direction::Up, U256::ONE));
    }
    // A hair outside, it leads back inside: what is left is a step towards the target.
    let hair = action(&healthy("1.1008")).expects.unwrap();
    assert!(hair.what == "size of the short" && hair.at_least < fixed("0.1"), "{hair:?}");
    let mut unread = healthy("1.2");
    unread.books = Err(ReadError::Unavailable("timeout".into()));
    assert_eq!(action(&unread).expects.unwrap().what, "time of the last trade");
}
