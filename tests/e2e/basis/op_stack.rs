//! What a chain of the OP stack takes beside gas: asked for before sending, held against the caps, and
//! booked as the receipt says, to the wei.

use alloy::primitives::{Address, Bytes, U256, address};
use ballast_devnet::{BasisMethodology, BasisOptions};
use ballast_test_support::Fault;
use eyre::Result;
use serde_json::{Value, json};

use super::{INTERVAL, RESTS, RIPCORD_COOLDOWN, Stage, setup};
use crate::harness::{BASIS, DEADLINE, Setup, World, finish, json};

const ORACLE: Address = address!("420000000000000000000000000000000000000F");
/// The operator's fee: so many millionths of a wei per gas, and so many wei.
const OPERATOR: (u64, u64) = (1_500_000, 7);

/// The code of an oracle that answers `getL1FeeUpperBound` with `l1_fee`, and `getOperatorFee` by the
/// rule of Isthmus; it reverts at anything else.
fn oracle(l1_fee: u64) -> Bytes {
    let word = |number: u64| {
        let mut push = vec![0x7f];
        push.extend(U256::from(number).to_be_bytes::<32>());
        push
    };
    // MSTORE at 0 and RETURN of the word on the stack.
    const ANSWER: [u8; 8] = [0x60, 0x00, 0x52, 0x60, 0x20, 0x60, 0x00, 0xf3];
    // The selector: CALLDATALOAD(0) >> 224; then one comparison and jump for each function.
    let mut code = vec![0x60, 0x00, 0x35, 0x60, 0xe0, 0x1c];
    code.extend([0x80, 0x63, 0xf1, 0xc7, 0xa5, 0x8b, 0x14, 0x60, 30, 0x57]);
    code.extend([0x63, 0x27, 0x5a, 0xed, 0xd2, 0x14, 0x60, 72, 0x57]);
    code.extend([0x60, 0x00, 0x60, 0x00, 0xfd]);
    assert_eq!(code.len(), 30);
    code.push(0x5b);
    code.extend(word(l1_fee));
    code.extend(ANSWER);
    assert_eq!(code.len(), 72);
    // gas × scalar / 10⁶ + constant.
    code.extend([0x5b, 0x62, 0x0f, 0x42, 0x40, 0x60, 0x04, 0x35]);
    code.extend(word(OPERATOR.0));
    code.extend([0x02, 0x04]);
    code.extend(word(OPERATOR.1));
    code.push(0x01);
    code.extend(ANSWER);
    code.into()
}

/// The L1 data fee of a transaction, wei: some number of its own.
fn l1_fee(receipt: &Value) -> u64 {
    let hash = receipt["transactionHash"].as_str().unwrap_or_default();
    u64::from_str_radix(&hash[2..12], 16).expect("a hash")
}

/// The fields that op-geth adds to a receipt and anvil does not have.
fn with_extra_fields(mut receipt: Value) -> Value {
    if receipt["transactionHash"].is_string() {
        let fee = l1_fee(&receipt);
        for (field, value) in [
            ("l1Fee", format!("{fee:#x}")),
            ("l1GasUsed", "0x640".to_owned()),
            ("operatorFeeScalar", format!("{:#x}", OPERATOR.0)),
            ("operatorFeeConstant", format!("{:#x}", OPERATOR.1)),
        ] {
            receipt[field] = json!(value);
        }
    }
    receipt
}

/// A world on a chain of the OP stack, with or without its oracle.
async fn world(oracle_code: Option<Bytes>, product: &str) -> Result<World> {
    let chain = "fee_model = \"op-stack\"\nfinality = \"safe\"\n".to_owned();
    let product = product.to_owned();
    let usual = setup(BasisMethodology::default());
    let world = World::start(Setup { chain, product, ..usual }).await?;
    if let Some(code) = oracle_code {
        world.devnet.node().set_code(ORACLE, code).await?;
    }
    let rewrite = Fault::rewrite(|_, receipt| with_extra_fields(receipt));
    drop(world.proxy().inject(rewrite.on("eth_getTransactionReceipt")));
    Ok(world)
}

#[tokio::test]
async fn the_fees_are_booked_as_the_receipt_says_to_the_wei() -> Result<()> {
    let mut stage = Stage::over(world(Some(oracle(1_000_000)), "").await?, RESTS).await?;
    stage.move_to("1.04").await?;
    stage.world.devnet.node().warp(INTERVAL).await?;
    stage.wait_mined("rebalance", 1).await?;
    let [call] = stage.assert_rests().await?.try_into().expect("one call");
    let receipt = stage.world.devnet.node().receipt(call.hash).await?;
    let seen = with_extra_fields(serde_json::to_value(&receipt)?);
    let gas = U256::from(receipt.gas_used);
    let operator = gas * U256::from(OPERATOR.0) / U256::from(1_000_000) + U256::from(OPERATOR.1);
    let whole =
        gas * U256::from(receipt.effective_gas_price) + U256::from(l1_fee(&seen)) + operator;

    let show = ["tx", "show", &call.hash.to_string(), "--json"];
    let shown = json(&finish(stage.world.ballast(&show)).await?.1);
    let told = &shown["lives"][0]["transaction"];
    assert_eq!(told["l1_fee_wei"], l1_fee(&seen).to_string(), "{told}");
    assert_eq!(told["operator_fee_wei"], operator.to_string(), "{told}");
    assert_eq!(told["cost_wei"], whole.to_string(), "{told}");
    let words = finish(stage.world.ballast(&["tx", "show", &call.hash.to_string()])).await?.1;
    let cost = words.iter().find(|line| line.contains("of it L1 data fee"));
    assert!(cost.is_some_and(|line| line.contains("operator fee")), "{words:?}");

    // The node's safe block is 32 behind.
    assert!(!stage.keeper.lines().iter().any(|line| line.contains("step=\"final\"")));
    stage.world.devnet.node().mine(32).await?;
    stage.keeper.wait_for_line("step=\"final\"", DEADLINE).await?;
    stage.keeper.terminate()?;
    assert!(stage.keeper.wait_exit(DEADLINE).await?.success());
    Ok(())
}

#[tokio::test]
async fn a_data_fee_above_the_cap_holds_routine_work_until_it_falls() -> Result<()> {
    // A hundredth of an ether for data, and half of that as the cap on everything.
    let dear = oracle(10_000_000_000_000_000);
    let limits = "limits.max_transaction_cost = \"0.005 ether\"\n";
    let stage = Stage::over(world(Some(dear), limits).await?, RESTS).await?;
    stage.move_to("1.04").await?;
    stage.world.devnet.node().warp(INTERVAL).await?;
    let held = stage.keeper.wait_for_line("transaction cost cap", DEADLINE).await?;
    assert!(held.contains("fees beside gas"), "{held}");
    assert!(stage.assert_rests().await?.is_empty(), "it was sent");
    stage.world.devnet.node().set_code(ORACLE, oracle(1_000_000)).await?;
    stage.wait_mined("rebalance", 1).await
}

#[tokio::test]
async fn without_the_oracle_routine_work_waits_and_the_rest_goes_out() -> Result<()> {
    let world = world(None, "").await?;
    let (code, out, _) = finish(world.ballast(&["check"])).await?;
    let said = out.iter().any(|line| line.contains("error") && line.contains("GasPriceOracle"));
    assert!(code != 0 && said, "{out:?}");
    let stage = Stage::over(world, RESTS).await?;
    stage.move_to("1.04").await?;
    stage.world.devnet.node().warp(INTERVAL).await?;
    let held = stage.keeper.wait_for_line("L1 data fee unknown", DEADLINE).await?;
    assert!(held.contains(BASIS), "{held}");
    assert!(stage.assert_rests().await?.is_empty(), "routine work went out");
    stage.move_to("1.13").await?;
    stage.wait_mined("rebalance", 1).await?;
    stage.move_to("1.36").await?;
    stage.world.devnet.node().warp(RIPCORD_COOLDOWN).await?;
    stage.wait_mined("ripcord", 1).await
}

#[tokio::test]
async fn check_notices_a_chain_of_the_op_stack_that_its_file_does_not_name_so() -> Result<()> {
    let basis = Some(BasisOptions::default());
    let world = World::start(Setup { basis, ..Setup::default() }).await?;
    world.devnet.node().set_code(ORACLE, oracle(1)).await?;
    let (code, out, _) = finish(world.ballast(&["check"])).await?;
    let said = out.iter().any(|line| line.contains("warning") && line.contains("op-stack"));
    assert!(code == 0 && said, "{code} {out:?}");
    Ok(())
}
