use super::*;

const A: &str = "0x1f9840a85d5aF5bf1D1762F925BDADdC4201F984";

fn weights(text: &str) -> Result<Vec<Entry>, String> {
    read("w", text.as_bytes(), Kind::Weights).map_err(told)
}

fn prices(text: &str) -> Result<Vec<Entry>, String> {
    read("p", text.as_bytes(), Kind::Prices).map_err(told)
}

fn told(faults: Vec<Fault>) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn values(entries: &[Entry]) -> Vec<(String, String)> {
    entries.iter().map(|e| (e.name(), e.value.to_string())).collect()
}

#[test]
fn every_form_says_the_same() {
    let expected = [
        ("UNI".to_owned(), "250000000000000000".to_owned()),
        ("AAVE".into(), "750000000000000000".into()),
    ];
    for text in [
        "symbol,weight\nUNI,0.25\nAAVE,75%\n",
        "\u{feff}Symbol, Weight , note\r\nUNI, 25% ,x\r\n# a remark\r\nAAVE,0.75,y\r\n",
        r#"{"UNI": 0.25, "AAVE": "75%"}"#,
        r#"[{"symbol": "UNI", "weight": "0.25"}, {"symbol": "AAVE", "weight": 0.75}]"#,
    ] {
        assert_eq!(values(&weights(text).unwrap()), expected, "{text}");
    }
}

#[test]
fn an_address_may_stand_beside_its_symbol_or_alone() {
    let address: Address = A.parse().unwrap();
    let both = weights(&format!("symbol,address,weight\nUNI,{A},1\n")).unwrap();
    assert_eq!((both[0].address, both[0].name()), (Some(address), "UNI".into()));
    let lower = A.to_lowercase();
    let alone = weights(&format!("{{\"{lower}\": 1}}")).unwrap();
    assert_eq!((alone[0].address, alone[0].symbol.clone()), (Some(address), None));
}

#[test]
fn json_numbers_never_become_floats() {
    let entries = prices(r#"{"SHIB": 0.000012345678901234567890123456789012, "YFI": 1e3}"#);
    assert_eq!(
        entries.unwrap_err(),
        "p: entry 2: price `1e3` is no plain decimal number, such as 0.25"
    );
    let entries = prices(r#"{"SHIB": 0.000012345678901234567890123456789012}"#).unwrap();
    assert_eq!(entries[0].value.to_string(), "12345678901234567890123456789012");
}

#[test]
fn every_fault_is_told_with_its_place() {
    let text = "symbol,weight\nUNI,abc\nAAVE,1.5\nMKR\n,0.1\nCOMP,\n";
    assert_eq!(
        weights(text).unwrap_err(),
        "w: line 2: weight `abc` is no plain number such as 0.25 or 25%\n\
         w: line 3: weight `1.5` is above 1 (write 25% or 0.25, not 25)\n\
         w: line 4: has 1 columns, the header 2\n\
         w: line 5: names neither a symbol nor an address\n\
         w: line 6: has no weight"
    );
}

#[test]
fn malformed_files_are_refused_in_one_line_each() {
    let wrong_case = A.replace("aF5", "AF5");
    let many =
        format!("symbol,weight\n{}", (0..501).map(|i| format!("T{i},0\n")).collect::<String>());
    let large = format!("symbol,weight\n#{}\n", "x".repeat(MAX_BYTES));
    let by_address = |text: &str| format!("address,weight\n{text},1\n");
    let cases: Vec<(String, &str)> = vec![
        (String::new(), "w: is empty"),
        (" \n\t".into(), "w: is empty"),
        ("symbol,weight\n".into(), "w: names no component with a weight"),
        ("[]".into(), "w: names no component with a weight"),
        ("{}".into(), "w: names no component with a weight"),
        (
            "UNI,0.25\n".into(),
            "line 1: the header has to name `symbol` or `address`, and `weight`; it is: UNI, 0.25",
        ),
        ("symbol;weight\nUNI;1\n".into(), "line 1: the header has to name"),
        ("symbol,price\nUNI,1\n".into(), "line 1: the header has to name"),
        ("weight\n1\n".into(), "line 1: the header has to name"),
        ("symbol,weight,weight\nUNI,1,1\n".into(), "line 1: the header names a column twice"),
        ("symbol,weight\nUNI,-0.1\n".into(), "line 2: weight `-0.1` is no plain number"),
        (
            "symbol,weight\nUNI,25\n".into(),
            "line 2: weight `25` is above 1 (write 25% or 0.25, not 25)",
        ),
        ("symbol,weight\nUNI,101%\n".into(), "line 2: weight `101%` is above 1"),
        ("symbol,weight\nUNI,\"0,25\"\n".into(), "line 2: weight `0,25` is no plain number"),
        ("symbol,weight\nUNI,1e-1\n".into(), "line 2: weight `1e-1` is no plain number"),
        ("symbol,weight\nUNI,NaN\n".into(), "line 2: weight `NaN` is no plain number"),
        ("symbol,weight\nUNI,0.1234567890123456789\n".into(), "has more than 18 decimals"),
        ("symbol,weight\nUNI,0.5\nUNI,0.5\n".into(), "line 3: UNI stands at line 2 too"),
        ("symbol,weight\nUNI,0.5,1\n".into(), "line 2: has 3 columns, the header 2"),
        ("symbol,weight\nUNI,\n".into(), "line 2: has no weight"),
        (by_address("0x12"), "line 2: address `0x12` is none"),
        (by_address(&A[2..]), "is none: expected 0x and 40 hexadecimal digits"),
        (by_address(&wrong_case), "with a right checksum if it is in mixed case"),
        (by_address("0x0000000000000000000000000000000000000000"), "is none"),
        (
            format!("{{\"{A}\": 0.5, \"{A}\": 0.5}}"),
            "entry 2: 0x1f9840a85d5aF5bf1D1762F925BDADdC4201F984 stands at entry 1 too",
        ),
        (r#"{"UNI": 0.5, "UNI": 0.5}"#.into(), "entry 2: UNI stands at entry 1 too"),
        (r#"{"UNI": null}"#.into(), "entry 1: weight `null` is no plain number"),
        (r#"{"UNI": [1]}"#.into(), "entry 1: weight `[1]` is no plain number"),
        (r#"{"UNI": 1"#.into(), "line 1: is no JSON of the expected form"),
        (r#"{"UNI": 0.1,}"#.into(), "line 1: is no JSON of the expected form"),
        (r#"[{"symbol": "UNI"}]"#.into(), "entry 1: has no weight"),
        (r#"[{"weight": 1}]"#.into(), "entry 1: names neither a symbol nor an address"),
        (r#"[{"symbol": "UNI", "wieght": 1}]"#.into(), "entry 1: unknown field `wieght`"),
        (r#"["UNI"]"#.into(), "entry 1: invalid type"),
        ("symbol,decimals,weight\nUNI,six,1\n".into(), "line 2: decimals `six` are no number"),
        ("symbol,decimals,decimals,weight\nUNI,6,6,1\n".into(), "names a column twice"),
        (many, "w: has more than 500 entries"),
        (large, "w: is larger than 1048576 bytes"),
    ];
    assert!(cases.len() > 30);
    for (text, expected) in cases {
        let said = weights(&text).unwrap_err();
        assert!(said.contains(expected), "{text:.60}: {said}");
        assert_eq!(said.lines().count(), 1, "{text:.60}: {said}");
    }
    assert!(read("w", &[0xff, 0xfe, 0x41], Kind::Weights).unwrap_err()[0].what.contains("UTF-8"));
}

#[test]
fn malformed_prices_are_refused() {
    for (text, expected) in [
        ("symbol,price\nUNI,0\n", "price `0` is 0"),
        ("symbol,price\nUNI,0.000\n", "price `0.000` is 0"),
        ("symbol,price\nUNI,$5\n", "price `$5` is no plain decimal number"),
        ("symbol,price\nUNI,5%\n", "price `5%` is no plain decimal number"),
        ("symbol,price\nUNI,1000000000000000000000\n", "is too large"),
        (
            "symbol,price\nUNI,0.0000000000000000000000000000000000001\n",
            "has more than 36 decimals",
        ),
        ("symbol,weight\nUNI,1\n", "and `price`; it is: symbol, weight"),
    ] {
        let said = prices(text).unwrap_err();
        assert!(said.contains(expected), "{text}: {said}");
    }
}

#[test]
fn feeds_are_addresses_with_or_without_a_currency() {
    let lower = A.to_lowercase();
    let text = format!("symbol,feed\nUNI,{A}\nAAVE,{A} usd\nMKR,{lower}  ETH\n");
    let feeds = read_feeds("f", text.as_bytes()).unwrap();
    let currencies: Vec<_> = feeds.iter().map(|entry| entry.value.currency).collect();
    assert_eq!(currencies, [None, Some(Currency::Usd), Some(Currency::Eth)]);
    assert!(feeds.iter().all(|entry| entry.value.aggregator == A.parse::<Address>().unwrap()));
    let json = format!("[{{\"symbol\": \"UNI\", \"feed\": \"{A} ETH\"}}]");
    assert_eq!(read_feeds("f", json.as_bytes()).unwrap()[0].value.currency, Some(Currency::Eth));
}

#[test]
fn malformed_feeds_are_refused_in_one_line_each() {
    let wrong_case = A.replace("aF5", "AF5");
    let cases = [
        ("symbol,price\nUNI,1\n".to_owned(), "and `feed`; it is: symbol, price"),
        ("symbol,feed\nUNI,\n".to_owned(), "line 2: has no feed"),
        ("symbol,feed\nUNI,0x12\n".to_owned(), "line 2: feed: address `0x12` is none"),
        ("symbol,feed\nUNI,UNI / ETH\n".to_owned(), "line 2: feed: address `UNI` is none"),
        (format!("symbol,feed\nUNI,{wrong_case}\n"), "with a right checksum"),
        (format!("symbol,feed\nUNI,{A} GBP\n"), "answers in USD or ETH, not in GBP"),
        (format!("symbol,feed\nUNI,{A} USD ETH\n"), "answers in USD or ETH, not in USD ETH"),
        (format!("symbol,feed\nUNI,{A}\nUNI,{A}\n"), "line 3: UNI stands at line 2 too"),
        (format!("feed\n{A}\n"), "the header has to name"),
        (String::new(), "f: is empty"),
    ];
    for (text, expected) in cases {
        let said = told(read_feeds("f", text.as_bytes()).unwrap_err());
        assert!(said.contains(expected), "{text}: {said}");
        assert_eq!(said.lines().count(), 1, "{text}: {said}");
    }
}
