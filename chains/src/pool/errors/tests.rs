use super::*;

fn answer(label: &str, text: &str) {
    let got = read_refusal(text);
    assert_eq!(got.label(), label, "{text:?} was read as {got:?}");
}

#[test]
fn every_client_that_has_the_transaction_is_understood() {
    answer("already_known", "transaction already imported"); // anvil
    answer("already_known", "already known"); // geth, reth, erigon, nethermind
    answer("already_known", "existing txn with same hash"); // erigon
    answer("already_known", "AlreadyKnown"); // nethermind before its texts
}

#[test]
fn every_way_to_say_that_the_nonce_is_used_is_understood() {
    answer("nonce_too_low", "nonce too low"); // anvil, erigon, nethermind
    answer("nonce_too_low", "nonce too low: next nonce 7, tx nonce 5"); // geth, reth
    answer("nonce_too_low", "OldNonce"); // nethermind before its texts
}

#[test]
fn too_small_a_bump_is_told_from_too_small_a_fee() {
    answer("replacement_underpriced", "replacement transaction underpriced"); // all
    answer("replacement_underpriced", "could not replace existing tx"); // erigon
    answer("replacement_underpriced", "ReplacementNotAllowed"); // nethermind before its texts
    answer("underpriced", "transaction underpriced: gas tip cap 1, minimum needed 2"); // geth
    answer("underpriced", "transaction underpriced"); // reth, nethermind
    answer("underpriced", "underpriced"); // erigon
    answer("underpriced", "fee too low"); // erigon
    answer("underpriced", "FeeTooLow"); // nethermind before its texts
    answer("underpriced", "max fee per gas less than block base fee"); // anvil
}

#[test]
fn empty_wallet_is_understood() {
    answer("insufficient_funds", "Insufficient funds for gas * price + value"); // anvil
    answer(
        "insufficient_funds",
        "insufficient funds for gas * price + value: balance 1, tx cost 2, overshot 1",
    ); // geth
    answer("insufficient_funds", "insufficient funds for gas * price + value: have 1 want 2"); // reth
    answer("insufficient_funds", "insufficient funds"); // erigon
}

#[test]
fn definite_refusals_are_not_ambiguous() {
    for text in [
        "max priority fee per gas higher than max fee per gas",
        "intrinsic gas too low: gas 20000, minimum needed 21000",
        "intrinsic gas too high -- tx.gas_limit > env.block.gas_limit",
        "IntrinsicGas",
        "exceeds block gas limit",
        "gas limit is too high",
        "transaction gas limit too high (cap: 16777216, tx: 30000000)",
        "gas limit reached",
        "invalid chain id for signer",
        "invalid chain ID",
        "invalid sender: invalid chain id for signer: have 1 want 10",
        "Failed to decode transaction",
        "failed to decode signed transaction",
        "rlp: expected input list for types.LegacyTx",
        "tx fee (2.00 ether) exceeds the configured cap (1.00 ether)",
        "txpool is full",
        "pending sub-pool is full",
        "account limit exceeded",
        "future transaction tries to replace pending",
        "address already reserved",
        "nonce too far in future",
        "node is syncing",
    ] {
        answer("rejected", text);
    }
}

#[test]
fn unknown_text_is_an_unknown_outcome() {
    answer("ambiguous", "");
    answer("ambiguous", "internal error");
    answer("ambiguous", "rate limit exceeded");
}

fn fault(code: i64, text: &'static str) -> ReadFault {
    judge(&ErrorPayload { code, message: text.into(), data: None })
}

#[test]
fn reverts_and_bad_requests_end_at_the_first_endpoint() {
    assert_eq!(fault(3, "execution reverted"), ReadFault::Final);
    assert_eq!(fault(3, "execution reverted: rate limit exceeded"), ReadFault::Final);
    assert_eq!(fault(-32000, "execution reverted"), ReadFault::Final);
    assert_eq!(fault(-32015, "VM execution error. Reverted 0x"), ReadFault::Final);
    assert_eq!(fault(-32603, "EVM error MemoryOOG"), ReadFault::Final);
    assert_eq!(fault(-32602, "invalid argument 0: hex string"), ReadFault::Final);
}

#[test]
fn overload_is_told_from_a_missing_block_and_from_a_missing_method() {
    assert_eq!(fault(429, "Too Many Requests"), ReadFault::Busy);
    assert_eq!(fault(-32005, "limit exceeded"), ReadFault::Busy);
    assert_eq!(fault(-32007, "100/second request limit reached"), ReadFault::Busy);
    assert_eq!(fault(-32000, "header not found"), ReadFault::MissingBlock);
    assert_eq!(fault(-32001, "Resource not found"), ReadFault::MissingBlock);
    assert_eq!(
        fault(-32602, "BlockOutOfRangeError: block height is 5 but requested was 7"),
        ReadFault::MissingBlock
    );
    assert_eq!(fault(-32000, "missing trie node 00ab (path )"), ReadFault::MissingBlock);
    assert_eq!(fault(-32601, "the method foo is not there"), ReadFault::Unable);
    assert_eq!(fault(-32000, "execution aborted (timeout = 5s)"), ReadFault::Unable);
}
