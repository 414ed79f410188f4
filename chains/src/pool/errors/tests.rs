use super::*;

fn answer(label: &str, text: &str) {
    let got = read_refusal(text);
    assert_eq!(got.label(), label, "{text:?} was read as {got:?}");
}

/// Every text with the client that says it; the sources stand at the head of the table.
const SAID: &[(&str, &[(&str, &str)])] = &[
    (
        "geth, op-geth",
        &[
            ("already_known", "already known"),
            ("nonce_too_low", "nonce too low: next nonce 7, tx nonce 5"),
            ("replacement_underpriced", "replacement transaction underpriced"),
            ("underpriced", "transaction underpriced: gas tip cap 1, minimum needed 2"),
            ("underpriced", "transaction underpriced"),
            (
                "insufficient_funds",
                "insufficient funds for gas * price + value: balance 1, tx cost 2, overshot 1",
            ),
            (
                "insufficient_funds",
                "insufficient funds for gas * price + value: balance 1, queued cost 2, tx bumped 3, overshot 4",
            ),
            ("rejected", "max priority fee per gas higher than max fee per gas"),
            ("rejected", "max priority fee per gas higher than 2^256-1"),
            ("rejected", "max fee per gas higher than 2^256-1"),
            ("rejected", "intrinsic gas too low: gas 20000, minimum needed 21000"),
            ("rejected", "insufficient gas for floor data gas cost: gas 1, minimum needed 2"),
            ("rejected", "exceeds block gas limit"),
            ("rejected", "transaction gas limit too high (cap: 16777216, tx: 30000000)"),
            ("rejected", "invalid sender: invalid chain id for signer: have 1 want 10"),
            ("rejected", "rlp: expected input list for types.LegacyTx"),
            ("rejected", "tx fee (2.00 ether) exceeds the configured cap (1.00 ether)"),
            ("rejected", "txpool is full"),
            ("rejected", "account limit exceeded: pooled 16 txs"),
            ("rejected", "future transaction tries to replace pending"),
            ("rejected", "address already reserved"),
            ("rejected", "authority already reserved"),
            ("rejected", "authority nonce too low"),
            ("rejected", "oversized data: transaction size 200000, limit 131072"),
            ("rejected", "transaction type not supported: type 2 rejected, pool not yet in London"),
            ("rejected", "nonce too high: tx nonce 9, gapped nonce 7"),
            ("rejected", "nonce has max value"),
        ],
    ),
    (
        "reth",
        &[
            ("already_known", "already known"),
            ("nonce_too_low", "nonce too low: next nonce 7, tx nonce 5"),
            ("replacement_underpriced", "replacement transaction underpriced"),
            ("replacement_underpriced", "insufficient gas price to replace existing transaction"),
            ("underpriced", "transaction underpriced"),
            ("underpriced", "max fee per gas less than block base fee"),
            ("underpriced", "transaction priority fee below minimum required priority fee 1000000"),
            ("insufficient_funds", "insufficient funds for gas * price + value: have 1 want 2"),
            ("insufficient_funds", "transaction overdraws from account"),
            ("rejected", "txpool is full"),
            ("rejected", "invalid sender"),
            ("rejected", "invalid chain ID"),
            ("rejected", "exceeds max transaction gas limit"),
            ("rejected", "gas limit too high"),
            ("rejected", "tx fee (2 wei) exceeds the configured cap (1 wei)"),
            ("rejected", "failed to decode signed transaction"),
            ("rejected", "sender is not an EOA"),
            ("rejected", "address already reserved"),
        ],
    ),
    (
        "erigon",
        &[
            ("already_known", "ALREADY_EXISTS: already known"),
            ("already_known", "ALREADY_EXISTS: existing txn with same hash"),
            ("nonce_too_low", "ALREADY_EXISTS: mined"),
            ("nonce_too_low", "INVALID: nonce too low"),
            ("replacement_underpriced", "could not replace existing tx"),
            ("replacement_underpriced", "replacement transaction underpriced"),
            ("replacement_underpriced", "replaced by transaction with higher tip"),
            ("underpriced", "FEE_TOO_LOW: underpriced"),
            ("underpriced", "FEE_TOO_LOW: fee too low"),
            ("insufficient_funds", "insufficient funds"),
            ("rejected", "IntrinsicGas"),
            ("rejected", "RLPTooLong"),
            ("rejected", "gas limit is too high"),
            ("rejected", "pending sub-pool is full"),
            ("rejected", "baseFee sub-pool is full"),
            ("rejected", "queued sub-pool is full"),
            ("rejected", "spammer"),
        ],
    ),
    (
        "nethermind",
        &[
            ("already_known", "already known"),
            ("nonce_too_low", "nonce too low, Current nonce: 5, nonce of rejected tx: 3"),
            ("replacement_underpriced", "replacement transaction underpriced"),
            ("underpriced", "transaction underpriced, FeePerGas needs to be higher than 5"),
            ("insufficient_funds", "insufficient funds for gas * price + value"),
            ("rejected", "gas limit reached"),
            ("rejected", "nonce too high"),
            ("rejected", "nonce too far in future"),
            ("rejected", "node is syncing"),
            ("rejected", "sender not an eoa"),
            ("rejected", "failed to recover sender"),
            ("rejected", "transaction cost overflow"),
            ("rejected", "transaction invalid"),
            // Before its texts.
            ("already_known", "AlreadyKnown"),
            ("nonce_too_low", "OldNonce"),
            ("replacement_underpriced", "ReplacementNotAllowed"),
            ("underpriced", "FeeTooLow"),
        ],
    ),
    (
        "besu",
        &[
            ("already_known", "Known transaction"),
            ("rejected", "Unknown transaction type"),
            ("ambiguous", "Unknown transaction"),
            ("nonce_too_low", "Nonce too low"),
            ("replacement_underpriced", "Replacement transaction underpriced"),
            ("underpriced", "Gas price below configured minimum gas price"),
            ("underpriced", "Gas price below current base fee"),
            ("insufficient_funds", "Upfront cost exceeds account balance"),
            ("rejected", "Intrinsic gas exceeds gas limit"),
            ("rejected", "Transaction gas limit exceeds block gas limit"),
            ("rejected", "Nonce too high"),
            ("rejected", "Transaction nonce is too distant from current sender nonce"),
            ("rejected", "An invalid transaction with a lower nonce exists"),
            ("rejected", "Max priority fee per gas exceeds max fee per gas"),
            ("rejected", "Wrong chainId"),
            ("rejected", "ChainId not supported"),
            ("rejected", "ChainId is required"),
            ("rejected", "Invalid signature"),
            ("rejected", "Transaction fee cap exceeded"),
            ("rejected", "Initial sync is still in progress"),
            (
                "rejected",
                "Transaction pool not enabled. (Either txpool explicitly disabled, or node not yet in sync).",
            ),
            ("rejected", "Sender account not authorized to send transactions"),
        ],
    ),
    // Captured; `tests/nodes/anvil_texts.rs` asks a running one for most of them.
    (
        "anvil",
        &[
            ("already_known", "transaction already imported"),
            ("nonce_too_low", "nonce too low"),
            ("replacement_underpriced", "replacement transaction underpriced"),
            ("underpriced", "max fee per gas less than block base fee"),
            ("insufficient_funds", "Insufficient funds for gas * price + value"),
            ("rejected", "max priority fee per gas higher than max fee per gas"),
            ("rejected", "intrinsic gas too low"),
            ("rejected", "intrinsic gas too high -- tx.gas_limit > env.block.gas_limit"),
            ("rejected", "invalid chain id for signer"),
            ("rejected", "Failed to decode transaction"),
        ],
    ),
];

#[test]
fn every_text_of_every_client_is_understood() {
    for (client, texts) in SAID {
        for (label, text) in *texts {
            let got = read_refusal(text);
            assert_eq!(got.label(), *label, "{client} says {text:?}: {got:?}");
        }
    }
}

#[test]
fn every_pattern_is_said_by_somebody() {
    let said: Vec<String> = SAID
        .iter()
        .flat_map(|(_, texts)| texts.iter().map(|(_, text)| text.to_lowercase()))
        .collect();
    for (pattern, _) in texts::SEND {
        // The first pattern in a text is the one that counts: this one must be that at least once.
        let first = |text: &&String| {
            texts::SEND.iter().find(|(other, _)| text.contains(other)).map(|(p, _)| p)
        };
        assert!(said.iter().any(|text| first(&text) == Some(pattern)), "{pattern:?} is dead");
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
    // Too many logs is nothing that an endpoint has to be left alone for.
    assert_eq!(fault(-32005, "query returned more than 10000 results"), ReadFault::Unable);
    assert_eq!(fault(-32602, "range 1000000 exceeds limit of 10000"), ReadFault::Unable);
}

/// One error of each kind as big gateways deliver it, and whether it is about the request.
#[test]
fn errors_with_an_http_status_are_told_apart() {
    let about_the_request = |status: u16, code: i64, message: &str| {
        let body = serde_json::json!({
            "jsonrpc": "2.0", "id": 1, "error": { "code": code, "message": message },
        });
        let packet: ResponsePacket = serde_json::from_value(body).unwrap();
        speaks_of_the_request(status, &packet)
    };
    // Alchemy (Synthetixio/kwenta issue 40): its limit, and its plan (xmtp/xmtpd issue 672).
    let capacity = "Your app has exceeded its compute units per second capacity.";
    assert!(!about_the_request(429, 429, capacity));
    assert!(!about_the_request(403, -32600, "Monthly capacity limit exceeded. Visit …"));
    // Infura (gochain/web3 issue 180; foundry-rs/foundry issue 10145).
    let daily = "daily request count exceeded, request rate limited";
    assert!(!about_the_request(429, -32005, daily));
    assert!(!about_the_request(429, 429, "Too Many Requests"));
    // QuickNode (foundry-rs/foundry issue 4894).
    assert!(!about_the_request(429, -32007, "100/second request limit reached"));
    // Whoever gives JSON-RPC errors a status of their own: hiero's relay gives 400 and 500.
    assert!(about_the_request(400, -32602, "invalid argument 0"));
    assert!(about_the_request(400, -32000, "header not found"));
    assert!(about_the_request(404, -32601, "Method not found"));
    assert!(about_the_request(500, 3, "execution reverted: no"));
    assert!(about_the_request(500, -32000, "header not found"));
    assert!(about_the_request(500, -32000, "execution aborted (timeout = 5s)"));
    assert!(about_the_request(413, -32600, "batch too large"));
    // What nobody understands, with a status that blames the endpoint.
    assert!(!about_the_request(500, -32603, "Internal error"));
    assert!(!about_the_request(503, -32603, "upstream connect error"));
    assert!(!about_the_request(401, -32000, "project ID is required"));
    assert!(about_the_request(400, -32000, "project ID is required"));
}

#[test]
fn a_request_that_is_too_much_is_no_reason_to_rest() {
    assert_eq!(fault(-32005, "Number of requests exceeds max batch size"), ReadFault::Unable);
    assert_eq!(fault(-32003, "response too large"), ReadFault::Unable);
    assert_eq!(
        fault(-32005, "Transaction gas limit exceeds block gas limit"),
        ReadFault::Final,
        "besu's code is Infura's for a limit"
    );
    assert_eq!(fault(-32000, "World state unavailable"), ReadFault::MissingBlock);
    assert_eq!(fault(-32001, "block not found: hash 0x1a15"), ReadFault::MissingBlock);
    assert_eq!(fault(-32000, "credits limited to 6000/sec"), ReadFault::Busy);
    assert_eq!(fault(-32600, "Monthly capacity limit exceeded. Visit …"), ReadFault::Busy);
}
