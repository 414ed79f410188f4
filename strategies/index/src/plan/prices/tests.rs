use super::*;
use crate::decimal::fixed;

fn p36(text: &str) -> U256 {
    fixed(text, 36).unwrap()
}

fn quoted(price: &str, currency: Currency) -> Quoted {
    Quoted { price: p36(price), currency, source: "feed 0x1, 5m old".to_owned() }
}

#[test]
fn all_prices_are_in_one_currency() {
    let dollars = (p36("2000"), "feed 0x2, 1m old".to_owned());
    let in_dollars = |quoted| in_one(quoted, Some(&dollars));
    assert_eq!(in_dollars(quoted("10", Currency::Usd)).unwrap().0, p36("10"));
    let (price, source) = in_dollars(quoted("0.005", Currency::Eth)).unwrap();
    assert_eq!((price, source.as_str()), (p36("10"), "feed 0x1, 5m old × feed 0x2, 1m old"));
    assert_eq!(in_one(quoted("0.005", Currency::Eth), None).unwrap().0, p36("0.005"));
    let said = in_one(quoted("10", Currency::Usd), None).unwrap_err();
    assert!(said.ends_with("nothing tells what ether costs: --eth-usd-feed"), "{said}");
    let nothing = Quoted { price: U256::ONE, ..quoted("1", Currency::Eth) };
    assert!(in_one(nothing, Some(&(U256::ONE, String::new()))).is_err());
}

#[test]
fn an_average_is_of_a_whole_token() {
    // 0.0005 ether for one of 6 decimals: 5·10^8 wei for a base unit.
    let price = Price::of_units(U256::from(500_000_000), U256::ONE).unwrap();
    let twice = price.times(Price::of_units(U256::from(3), U256::ONE).unwrap()).unwrap();
    assert_eq!(middle(Mean { low: price, high: price }, 6), Some(p36("0.0005")));
    assert_eq!(middle(Mean { low: price, high: twice }, 6), Some(p36("0.001")));
    let tiny = Price::of_units(U256::ONE, U256::from(10).pow(U256::from(60))).unwrap();
    assert_eq!(middle(Mean { low: tiny, high: tiny }, 0), None);
}
