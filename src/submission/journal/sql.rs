//! The journal's statements; the tables are described in the store's schema. The first values are
//! chain id, wallet and nonce wherever a slot is meant.

pub(super) const INSERT_SLOT: &str = "
INSERT INTO slots (chain_id, wallet, nonce, chain, product, state, postcondition, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

pub(super) const INSERT_INTENT: &str = "
INSERT INTO intents (chain_id, wallet, nonce, number, product, action, answers, urgency, deadline,
    expects, max_fee_per_gas, max_transaction_cost, found_at_block)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";

pub(super) const INSERT_ATTEMPT: &str = "
INSERT INTO attempts (chain_id, wallet, nonce, number, intent, hash, kind, label, raw, target,
    calldata, value, gas_limit, max_fee_per_gas, max_priority_fee_per_gas, signed_at_block)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";

pub(super) const INSERT_EVENT: &str = "
INSERT INTO events (chain_id, wallet, nonce, number, kind, hash, block_number, detail, at)
SELECT $1, $2, $3, COALESCE(MAX(number), 0) + 1, $4, $5, $6, $7, $8
FROM events WHERE chain_id = $1 AND wallet = $2 AND nonce = $3";

pub(super) const UPSERT_ANSWER: &str = "
INSERT INTO answers (hash, endpoint, verdict, detail, block_number) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (hash, endpoint) DO UPDATE SET verdict = excluded.verdict, detail = excluded.detail,
    block_number = excluded.block_number";

pub(super) const SET_STATE: &str =
    "UPDATE slots SET state = $4 WHERE chain_id = $1 AND wallet = $2 AND nonce = $3";

pub(super) const SET_INCLUDED: &str = "
UPDATE slots SET state = 'included', included_hash = $4, included_block = $5,
    included_block_hash = $6, succeeded = $7, gas_used = $8, effective_gas_price = $9,
    receipt = $10, postcondition = $11
WHERE chain_id = $1 AND wallet = $2 AND nonce = $3";

pub(super) const SET_REORGED: &str = "
UPDATE slots SET state = 'pending', included_hash = NULL, included_block = NULL,
    included_block_hash = NULL, succeeded = NULL, gas_used = NULL, effective_gas_price = NULL,
    receipt = NULL, postcondition = 'due'
WHERE chain_id = $1 AND wallet = $2 AND nonce = $3";

pub(super) const SET_POSTCONDITION: &str =
    "UPDATE slots SET postcondition = $4 WHERE chain_id = $1 AND wallet = $2 AND nonce = $3";

pub(super) const SET_FINAL: &str = "
UPDATE slots SET state = $4, outcome = $4 WHERE chain_id = $1 AND wallet = $2 AND nonce = $3";

/// The intent must be that of the attempt which was included: a nonce that was taken over by
/// another action answers that one only. An intent that is under way from another wallet, before
/// the product's key was changed, is answered as well: its bytes may still be mined.
pub(super) const SELECT_ANSWERED: &str = "
SELECT s.nonce AS nonce FROM intents i
JOIN slots s ON s.chain_id = i.chain_id AND s.wallet = i.wallet AND s.nonce = i.nonce
LEFT JOIN attempts a ON a.hash = s.included_hash AND a.intent = i.number
WHERE i.chain_id = $1 AND i.product = $2 AND i.action = $3 AND i.answers = $4
    AND ((s.outcome = 'confirmed' AND a.hash IS NOT NULL)
        OR (s.outcome IS NULL AND s.wallet <> $5))
ORDER BY s.nonce DESC LIMIT 1";

pub(super) const SELECT_HIGHEST: &str = "
SELECT nonce FROM slots WHERE chain_id = $1 AND wallet = $2 ORDER BY nonce DESC LIMIT 1";

pub(super) const SELECT_SLOTS: &str = "
SELECT * FROM slots WHERE chain_id = $1 AND wallet = $2 AND outcome IS NULL ORDER BY nonce";

pub(super) const SELECT_INTENTS: &str = "
SELECT i.* FROM intents i
JOIN slots s ON s.chain_id = i.chain_id AND s.wallet = i.wallet AND s.nonce = i.nonce
WHERE i.chain_id = $1 AND i.wallet = $2 AND s.outcome IS NULL ORDER BY i.nonce, i.number";

pub(super) const SELECT_ATTEMPTS: &str = "
SELECT a.* FROM attempts a
JOIN slots s ON s.chain_id = a.chain_id AND s.wallet = a.wallet AND s.nonce = a.nonce
WHERE a.chain_id = $1 AND a.wallet = $2 AND s.outcome IS NULL ORDER BY a.nonce, a.number";

pub(super) const SELECT_ANSWERS: &str = "
SELECT w.* FROM answers w
JOIN attempts a ON a.hash = w.hash
JOIN slots s ON s.chain_id = a.chain_id AND s.wallet = a.wallet AND s.nonce = a.nonce
WHERE a.chain_id = $1 AND a.wallet = $2 AND s.outcome IS NULL";
