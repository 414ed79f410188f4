//! The batch as a file: that it says what it is, who signed it, and what it calls.

use super::*;

#[test]
fn a_batch_has_to_be_what_it_says() {
    type Alter = fn(&mut Batch);
    let cases: [(Alter, &str); 7] = [
        (|batch| batch.chain_id = 10, "batch chain"),
        (|batch| batch.description = "Weights w".into(), "batch description"),
        (|batch| batch.calls[0].value = U256::ONE, "batch calls"),
        (|batch| batch.calls.insert(0, Call::transfer(SAFE, U256::ZERO)), "batch calls"),
        (|batch| batch.calls[0].to = SAFE, "batch calls"),
        (|batch| batch.calls.push(batch.calls[0].clone()), "batch start"),
        (|batch| batch.calls.clear(), "batch start"),
    ];
    for (alter, expected) in cases {
        let mut case = Case::of(index());
        alter(&mut case.batch);
        // A batch without calls is no file that is read.
        if case.batch.calls.is_empty() {
            assert!(read(&case.batch.to_json().unwrap()).is_err());
            continue;
        }
        let said = failed(&case.checks(&limits()));
        assert!(names(&said).contains(&expected), "{expected}: {said:?}");
    }
    let mut case = Case::of(index());
    case.batch.calls.push(Call {
        to: EXTENSION,
        value: U256::ZERO,
        data: setTraderStatusCall { traders: vec![SAFE], statuses: vec![true] }.abi_encode().into(),
    });
    let said = failed(&case.checks(&Limits { traders: vec![SAFE], ..limits() }));
    assert_eq!(said, [("batch start", "calls follow the start of the rebalance".to_owned())]);
}

#[test]
fn a_checksum_that_does_not_fit_is_told() {
    let case = Case::of(index());
    let text = case.batch.to_json().unwrap().replace("1700000000000", "1700000000001");
    let batch = read(&text).unwrap();
    let checks = case.subject(|subject| subject.proposal(&limits(), Some(&batch)).unwrap());
    assert_eq!(names(&failed(&checks)), ["batch checksum"]);
}

#[test]
fn calls_are_told_in_words_with_what_the_chain_has() {
    let mut case = Case::of(index());
    let maximums = setTradeMaximumsCall {
        components: vec![case.index.tokens[1].address, SAFE],
        tradeMaximums: vec![U256::from(2_500_000), U256::from(7)],
    };
    let data = maximums.abi_encode().into();
    case.batch.calls.insert(0, Call { to: EXTENSION, value: U256::ZERO, data });
    assert_eq!(failed(&case.checks(&limits())), []);
    let batch = read(&case.batch.to_json().unwrap()).unwrap();
    let told = batch::explain(&batch, &case.index);
    assert_eq!(told[0].function, "setTradeMaximums");
    assert_eq!(told[0].sets, ["BBB: 2.5 (100 now)".to_owned(), format!("{SAFE}: 7 base units")]);
    assert_eq!(told[1].sets[1], "BBB: 27770000 (50000000 now)");
    assert_eq!(told[1].sets[3], "position multiplier: 990000000000000000");
    let unknown = Call { to: EXTENSION, value: U256::ZERO, data: Bytes::from([1, 2, 3, 4, 5]) };
    case.batch.calls.insert(0, unknown);
    let said = failed(&case.checks(&limits()));
    assert_eq!(said, [("batch calls", "call 1, 0x01020304, is not understood".to_owned())]);
}

#[test]
fn a_signature_is_of_these_bytes_and_of_this_signer() {
    let signer: PrivateKeySigner =
        "0x4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318".parse().unwrap();
    let file = b"symbol,weight\nUNI,1\n";
    let signed = signer.sign_message_sync(file).unwrap().to_string();
    let by = address!("0x2c7536E3605D9C16a7a3D7b1898e529396a65c23");
    assert!(signature(file, &format!("{signed}\n"), by).passed);
    assert!(!signature(b"symbol,weight\nUNI,0.9\n", &signed, by).passed);
    assert!(!signature(file, &signed, SAFE).passed);
    let said = signature(file, "0x12", by);
    assert!(!said.passed && said.what.starts_with("is none"), "{said:?}");
}
