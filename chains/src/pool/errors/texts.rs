//! The texts themselves, as data: what a client says, who says it, where that stands.
//!
//! Patterns are lower case and compared with the lower-cased text. Sources are files of the clients'
//! public repositories: geth `core/txpool/errors.go`, `core/error.go`, `core/txpool/validation.go`
//! (ethereum/go-ethereum; op-geth is a fork with the same files and texts); reth
//! `crates/rpc/rpc-eth-types/src/error/mod.rs` (paradigmxyz/reth); erigon
//! `txnprovider/txpool/txpoolcfg/txpoolcfg.go` (erigontech/erigon), which its RPC daemon puts behind
//! a word and a colon; nethermind `Nethermind.TxPool/TxPoolErrorMessages.cs` and `AcceptTxResult.cs`
//! (NethermindEth/nethermind); besu `…/jsonrpc/internal/response/RpcErrorType.java`
//! (hyperledger/besu); anvil by running it (`chains/tests/nodes/anvil_texts.rs`). Gateways pass on
//! what their nodes say and add texts of their own, which are cited where they stand.

/// What a refusal of a raw transaction means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Known,
    NonceTooLow,
    Replacement,
    Underpriced,
    Funds,
    Other,
    /// Contains a text that it does not mean.
    Unclear,
}

/// The first pattern that the text contains decides, so the specific come first.
pub(super) const SEND: &[(&str, Refusal)] = &[
    // geth, of an EIP-7702 authorisation: not about the nonce of the transaction.
    ("authority nonce too low", Refusal::Other),
    // geth, reth, nethermind, erigon ("ALREADY_EXISTS: already known").
    ("already known", Refusal::Known),
    // nodes and gateways, of an envelope that they do not take
    ("unknown transaction type", Refusal::Other),
    // not besu's text, which it contains
    ("unknown transaction", Refusal::Unclear),
    // besu
    ("known transaction", Refusal::Known),
    // anvil: "transaction already imported"
    ("already imported", Refusal::Known),
    // erigon: "existing txn with same hash"
    ("txn with same hash", Refusal::Known),
    // nethermind before its texts
    ("alreadyknown", Refusal::Known),
    // besu, of a transaction below this one in its pool
    ("an invalid transaction with a lower nonce exists", Refusal::Other),
    // all; geth and reth add the nonces, nethermind too behind a comma
    ("nonce too low", Refusal::NonceTooLow),
    // nethermind before its texts
    ("oldnonce", Refusal::NonceTooLow),
    // erigon: "ALREADY_EXISTS: mined"
    (": mined", Refusal::NonceTooLow),
    // geth
    ("future transaction tries to replace pending", Refusal::Other),
    // all
    ("replacement transaction underpriced", Refusal::Replacement),
    // nethermind before its texts
    ("replacementnotallowed", Refusal::Replacement),
    // erigon
    ("could not replace existing tx", Refusal::Replacement),
    // erigon
    ("replaced by transaction with higher tip", Refusal::Replacement),
    // reth's pool where nothing translates it
    ("insufficient gas price to replace existing transaction", Refusal::Replacement),
    // geth ("transaction underpriced: gas tip cap 1, minimum needed 2"), reth, nethermind, erigon
    // ("FEE_TOO_LOW: underpriced")
    ("underpriced", Refusal::Underpriced),
    // erigon: "fee too low"; the word before the colon is another one
    ("fee too low", Refusal::Underpriced),
    // nethermind before its texts
    ("feetoolow", Refusal::Underpriced),
    // besu
    ("gas price below configured minimum gas price", Refusal::Underpriced),
    ("gas price below current base fee", Refusal::Underpriced),
    // anvil, which has no pool for such transactions; reth and geth for calls; Arbitrum's sequencer
    ("max fee per gas less than block base fee", Refusal::Underpriced),
    // reth: "transaction priority fee below minimum required priority fee 1"
    ("below minimum required priority fee", Refusal::Underpriced),
    // geth, reth, nethermind, erigon, anvil ("Insufficient funds …")
    ("insufficient funds", Refusal::Funds),
    // besu
    ("upfront cost exceeds account balance", Refusal::Funds),
    // reth: "transaction overdraws from account"
    ("transaction overdraws from account", Refusal::Funds),
    // geth, reth, anvil; besu says "exceeds" in place of "higher than"
    ("priority fee per gas higher than", Refusal::Other),
    ("priority fee per gas exceeds max fee per gas", Refusal::Other),
    ("max fee per gas higher than", Refusal::Other),
    // geth, reth: "intrinsic gas too low"; reth, anvil: "intrinsic gas too high"
    ("intrinsic gas too", Refusal::Other),
    // besu
    ("intrinsic gas exceeds gas limit", Refusal::Other),
    // erigon
    ("intrinsicgas", Refusal::Other),
    // geth from Prague on
    ("insufficient gas for floor data gas cost", Refusal::Other),
    // geth, reth; besu: "Transaction gas limit exceeds block gas limit"
    ("exceeds block gas limit", Refusal::Other),
    // reth: "exceeds max transaction gas limit"
    ("exceeds max transaction gas limit", Refusal::Other),
    // erigon: "gas limit is too high"; geth, reth by EIP-7825: "transaction gas limit too high"
    ("gas limit is too high", Refusal::Other),
    ("gas limit too high", Refusal::Other),
    // nethermind
    ("gas limit reached", Refusal::Other),
    // geth, reth ("invalid chain ID"), anvil ("invalid chain id for signer"); besu
    ("invalid chain id", Refusal::Other),
    ("wrong chainid", Refusal::Other),
    ("chainid not supported", Refusal::Other),
    ("chainid is required", Refusal::Other),
    // geth, reth, erigon; besu; nethermind
    ("invalid sender", Refusal::Other),
    ("invalid signature", Refusal::Other),
    ("failed to recover sender", Refusal::Other),
    // anvil, reth
    ("failed to decode", Refusal::Other),
    // geth: "rlp: expected input list for types.LegacyTx"; erigon: "RLPTooLong"
    ("rlp:", Refusal::Other),
    ("rlptoolong", Refusal::Other),
    // geth, reth: the node's own --rpc.txfeecap; besu
    ("exceeds the configured cap", Refusal::Other),
    ("transaction fee cap exceeded", Refusal::Other),
    // geth, reth; erigon: "pending", "baseFee", "queued sub-pool is full"
    ("txpool is full", Refusal::Other),
    ("sub-pool is full", Refusal::Other),
    // erigon
    ("spammer", Refusal::Other),
    // geth
    ("account limit exceeded", Refusal::Other),
    // geth, reth: the account has a transaction in another pool (blobs), or a delegation
    ("address already reserved", Refusal::Other),
    ("authority already reserved", Refusal::Other),
    // geth, reth, erigon: "transaction type not supported", "oversized data: …"
    ("transaction type not supported", Refusal::Other),
    ("oversized data", Refusal::Other),
    // reth, nethermind: "sender is not an EOA", "sender not an eoa"
    ("not an eoa", Refusal::Other),
    // geth (blob pool), reth, nethermind, besu
    ("nonce too high", Refusal::Other),
    ("nonce has max value", Refusal::Other),
    // nethermind; besu
    ("nonce too far in future", Refusal::Other),
    ("nonce is too distant from current sender nonce", Refusal::Other),
    // nethermind: "transaction invalid", "transaction cost overflow"
    ("transaction invalid", Refusal::Other),
    ("transaction cost overflow", Refusal::Other),
    // nethermind; besu
    ("node is syncing", Refusal::Other),
    ("initial sync is still in progress", Refusal::Other),
    ("transaction pool not enabled", Refusal::Other),
    // besu, of permissioned networks
    ("sender account not authorized", Refusal::Other),
];

/// Error codes that mean "too many requests": HTTP's own, Infura, Cloudflare, theRPC.
pub(super) const BUSY_CODES: &[i64] = &[429, -32005, -32055, -32029];

/// Texts by which an endpoint says that it wants to be left alone, whatever the code.
pub(super) const BUSY: &[&str] = &[
    // Infura: "daily request count exceeded, request rate limited" (INFURA docs, "Rate limits");
    // Alchemy, Ankr
    "rate limit",
    "request count exceeded",
    // Alchemy, with HTTP 429: "Your app has exceeded its compute units per second capacity. …"
    // (Synthetixio/kwenta issue 40, conduitxyz/node issue 36)
    "compute units per second",
    // Alchemy, with HTTP 403 and code −32600 (xmtp/xmtpd issue 672): lasts longer, but the
    // cool-down doubles
    "monthly capacity limit exceeded",
    // QuickNode, with HTTP 429 and code −32007: "100/second request limit reached - reduce calls
    // per second or upgrade your account at quicknode.com"
    "request limit",
    // QuickNode (support article 20633265909521): "credits limited to 6000/sec"
    "credits limited",
    // Infura since 2025, with HTTP 429 (foundry-rs/foundry issue 10145); nginx
    "too many requests",
    "rate exceeded",
    "capacity exceeded",
    "maximum number of concurrent requests",
];

/// Texts by which a node says that it has not got a block or its state.
pub(super) const MISSING_BLOCK: &[&str] = &[
    // geth, nethermind, Infura
    "header not found",
    "header for hash not found",
    // geth; besu: "Unknown block"
    "unknown block",
    // erigon, besu; reth: "block not found: hash 0x…"
    "block not found",
    "block hash not found",
    // anvil, by hash
    "resource not found",
    // anvil, by number
    "blockoutofrange",
    // geth without the state of that block
    "missing trie node",
    "historical state",
    // nethermind
    "no state available",
    // besu
    "world state unavailable",
    // reth: "state at block … is pruned"
    "is pruned",
    "state not available",
    "state is not available",
];

/// Texts of a request that is too much for this endpoint; a smaller one might do, or another
/// endpoint.
pub(super) const TOO_MUCH: &[&str] = &[
    // geth `rpc/http.go`, with HTTP 413: "content length too large (6000000>5242880)"
    "content length too large",
    // geth `rpc/errors.go`
    "batch too large",
    "response too large",
    // besu, with code −32005
    "exceeds max batch size",
    // nginx, express and others, with HTTP 413
    "entity too large",
    "payload too large",
    "request too large",
    "body too large",
    // Logs of too many blocks at once. Scroll (scroll-tech/go-ethereum pull request 529: "block range
    // is bigger than maxBlockRange"), erigon (pull request 19721: "query block range exceeds server
    // limit"), Alchemy ("Log response size exceeded. Please reduce query block range.")
    "block range",
    // Infura, with code −32005 (INFURA docs, "eth_getLogs"): "query returned more than 10000 results"
    "query returned more than",
    // Infura since 2026 (INFURA/infura issue 237): "range 1000000 exceeds limit of 10000"; Tenderly
    // (bobanetwork/boba_legacy issue 827): "range 9009594 is bigger than range limit 2000"
    "exceeds limit of",
    "bigger than range limit",
    // geth, reth: "execution aborted (timeout = 5s)"; geth `rpc/errors.go`; besu
    "execution aborted",
    "request timed out",
    "timeout expired",
];

/// Texts of what this endpoint cannot do and another may.
pub(super) const UNABLE: &[&str] = &[
    // all: −32601
    "method not found",
    "does not exist/is not available",
    "not supported",
    "unsupported method",
    // gateways
    "gateway timeout",
    "internal server error",
    "temporarily unavailable",
    "upstream",
];

/// Texts about the transaction of a call or an estimate, with codes that mean something else at
/// other clients (besu answers −32005 to a gas limit that is too high).
pub(super) const FINAL: &[&str] =
    &["exceeds block gas limit", "insufficient funds", "upfront cost exceeds", "intrinsic gas"];

/// Words by which nodes say that execution ended exceptionally. geth: `core/vm/errors.go`; anvil
/// and reth: `EVM error` and revm's names; nethermind: `VM execution error` with the kind in the
/// data; besu: "Transaction processing could not be completed due to an exception".
pub(super) const HALTS: &[&str] = &[
    "out of gas",
    "outofgas",
    "out of memory: memory limit exceeded",
    "memoryoog",
    "invalidoperandoog",
    "precompileoog",
    "evm error",
    "invalid opcode",
    "invalidfeopcode",
    "opcodenotfound",
    "badinstruction",
    "invalid jump",
    "stack underflow",
    "stack limit",
    "processing could not be completed due to an exception",
];
