#![allow(clippy::arithmetic_side_effects, reason = "an overflow in a test is a failed test")]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// A receipt as op-geth answers, with these fields on top of Ethereum's.
fn receipt(gas_used: u64, fields: &Value) -> ChainReceipt {
    let (hash, bloom) = (format!("0x{}", "11".repeat(32)), format!("0x{}", "00".repeat(256)));
    let account = format!("0x{}", "22".repeat(20));
    let mut receipt = json!({
        "type": "0x2", "transactionHash": hash, "blockHash": hash, "blockNumber": "0x10",
        "transactionIndex": "0x1", "from": account, "to": account, "contractAddress": null,
        "gasUsed": format!("{gas_used:#x}"), "cumulativeGasUsed": "0xffffffff",
        "effectiveGasPrice": "0xf4240", "status": "0x1", "logs": [], "logsBloom": bloom,
        "l1GasPrice": "0x3b9aca00", "l1GasUsed": "0x640", "l1BaseFeeScalar": "0x558",
        "l1BlobBaseFee": "0x1", "l1BlobBaseFeeScalar": "0xc5fc5",
    });
    let (Some(into), Some(more)) = (receipt.as_object_mut(), fields.as_object()) else { panic!() };
    into.extend(more.clone());
    serde_json::from_value(receipt).unwrap()
}

fn of(gas_used: u64, fields: &Value) -> (Option<u64>, Option<u64>) {
    let fees = ExtraFees::of(&receipt(gas_used, fields));
    let number = |fee: U256| u64::try_from(fee).unwrap();
    (fees.l1_fee.map(number), fees.operator_fee.map(number))
}

#[test]
fn fees_are_read_from_receipts_of_every_fork() {
    let bedrock = json!({ "l1Fee": "0x2710", "l1FeeScalar": "0.684" });
    assert_eq!(of(21_000, &bedrock), (Some(10_000), None));
    let isthmus = json!({
        "l1Fee": "0x2710", "operatorFeeScalar": "0xf4241", "operatorFeeConstant": "0x5",
    });
    assert_eq!(of(21_000, &isthmus), (Some(10_000), Some(21_005)), "1.000001 a gas, rounded down");
    let jovian = json!({
        "l1Fee": "0x0", "operatorFeeScalar": "0x3", "operatorFeeConstant": "0x5",
        "daFootprintGasScalar": "0x190", "blobGasUsed": "0x4e20",
    });
    assert_eq!(of(21_000, &jovian), (Some(0), Some(6_300_005)), "hundredfold");
    let none_set = json!({
        "l1Fee": "0x1", "operatorFeeScalar": "0x0", "operatorFeeConstant": "0x0",
    });
    assert_eq!(of(21_000, &none_set), (Some(1), Some(0)));
    let arbitrum = json!({ "gasUsedForL1": "0x1234", "l1BlockNumber": "0x99" });
    assert_eq!(of(21_000, &arbitrum), (None, None), "all of it is gas");
    assert_eq!(of(21_000, &json!({ "l1Fee": null })), (None, None));
    assert_eq!(of(21_000, &json!({ "l1Fee": "?" })), (None, None));
}

#[test]
fn what_is_kept_of_a_receipt_says_the_same() {
    let receipt = receipt(21_000, &json!({ "l1Fee": "0x2710", "operatorFeeConstant": "0x5" }));
    let kept = serde_json::to_string(&receipt).unwrap();
    assert_eq!(ExtraFees::of_text(&kept), ExtraFees::of(&receipt));
    assert_eq!(ExtraFees::of(&receipt).total(), U256::from(10_005));
    assert_eq!(ExtraFees::of_text("{"), ExtraFees::default());
}

#[test]
fn a_quote_rounds_up_and_leaves_room_for_the_growth_of_the_data_fee() {
    let number = U256::from;
    let quote = ExtraQuote::new(number(1_001), number(7), number(1_000_007));
    // 1001 × 1.5, rounded up; the constant; 21000 gas at 0.001 a gas.
    assert_eq!(quote.most(21_000), number(1_502 + 7 + 21));
    assert_eq!(quote.most(21_001), number(1_502 + 7 + 22), "a part of a wei is one");
    assert_eq!(ExtraQuote::NONE.most(u64::MAX), U256::ZERO);
    let absurd = ExtraQuote::new(U256::MAX, U256::MAX, U256::MAX);
    assert_eq!(absurd.most(u64::MAX), U256::MAX, "beyond any cap, not wrapped");
}

proptest! {
    /// Whatever the chain sets, what is set aside covers what the receipt will say of as much gas,
    /// by both rules, and by no more than the growth and a wei for each rounding.
    #[test]
    fn what_is_set_aside_covers_what_is_taken(
        l1_fee in 0_u64..1 << 60,
        scalar in any::<u32>(),
        constant in any::<u64>(),
        gas in 21_000_u64..60_000_000,
        jovian in any::<bool>(),
    ) {
        let rule = |gas: U256| {
            let by_gas = gas * U256::from(scalar);
            let by_gas = if jovian { by_gas * U256::from(100) } else { by_gas / U256::from(1_000_000) };
            by_gas + U256::from(constant)
        };
        let quote = ExtraQuote::new(U256::from(l1_fee), rule(U256::ZERO), rule(OPERATOR_GAS));
        let mut fields = json!({
            "l1Fee": format!("{l1_fee:#x}"), "operatorFeeScalar": format!("{scalar:#x}"),
            "operatorFeeConstant": format!("{constant:#x}"),
        });
        if jovian {
            fields["daFootprintGasScalar"] = "0x190".into();
        }
        let paid = ExtraFees::of(&receipt(gas, &fields));
        prop_assert_eq!(paid.operator_fee, Some(rule(U256::from(gas))), "the chain's own rule");
        prop_assert!(quote.most(gas) >= paid.total());
        let room = U256::from(l1_fee) / U256::from(2) + U256::from(2);
        prop_assert!(quote.most(gas) <= paid.total() + room);
    }
}
