//! The journal's statements; the tables are described in the store's schema. The first values are
//! chain id, wallet and nonce wherever a slot is meant.

/// A nonce that was adopted and given back by the chain is there as `planned`. Any other that is
/// there fails the batch: a slot has a state.
pub(super) const INSERT_SLOT: &str = "
INSERT INTO slots (chain_id, wallet, nonce, chain, product, state, postcondition, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (chain_id, wallet, nonce) DO UPDATE SET product = excluded.product,
    state = CASE WHEN slots.state = 'planned' THEN excluded.state ELSE NULL END,
    outcome = CASE WHEN slots.state = 'planned' THEN NULL ELSE slots.outcome END";

/// A nonce that was adopted and given back by the chain may be adopted again; one of ours may not.
pub(super) const INSERT_FOREIGN: &str = "
INSERT INTO slots (chain_id, wallet, nonce, chain, product, state, outcome, included_hash,
    included_block, included_block_hash, succeeded, gas_used, effective_gas_price, receipt,
    postcondition, created_at, l1_fee, operator_fee)
VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8, $9, $10, $11, $12, $13, 'unknown', $14, $15, $16)
ON CONFLICT (chain_id, wallet, nonce) DO UPDATE SET state = excluded.state,
    outcome = excluded.outcome, included_hash = excluded.included_hash,
    included_block = excluded.included_block, included_block_hash = excluded.included_block_hash,
    succeeded = excluded.succeeded, gas_used = excluded.gas_used,
    effective_gas_price = excluded.effective_gas_price, receipt = excluded.receipt,
    l1_fee = excluded.l1_fee, operator_fee = excluded.operator_fee
WHERE slots.state = 'planned'";

pub(super) const INSERT_LANE: &str = "
INSERT INTO lanes (chain_id, wallet, chain, product, first_nonce, opened_at)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (chain_id, wallet) DO NOTHING";

pub(super) const SELECT_LANE: &str =
    "SELECT first_nonce FROM lanes WHERE chain_id = $1 AND wallet = $2";

pub(super) const INSERT_INTENT: &str = "
INSERT INTO intents (chain_id, wallet, nonce, number, product, action, answers, urgency, deadline,
    expects, max_fee_per_gas, max_transaction_cost, found_at_block, exposure, acts_on)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";

pub(super) const INSERT_ATTEMPT: &str = "
INSERT INTO attempts (chain_id, wallet, nonce, number, intent, hash, kind, label, raw, target,
    calldata, value, gas_limit, max_fee_per_gas, max_priority_fee_per_gas, signed_at_block,
    extra_fee, by_order)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)";

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
    receipt = $10, postcondition = $11, l1_fee = $12, operator_fee = $13
WHERE chain_id = $1 AND wallet = $2 AND nonce = $3";

pub(super) const SET_REORGED: &str = "
UPDATE slots SET state = 'pending', included_hash = NULL, included_block = NULL,
    included_block_hash = NULL, succeeded = NULL, gas_used = NULL, effective_gas_price = NULL,
    receipt = NULL, l1_fee = NULL, operator_fee = NULL, postcondition = 'due'
WHERE chain_id = $1 AND wallet = $2 AND nonce = $3";

pub(super) const SET_POSTCONDITION: &str =
    "UPDATE slots SET postcondition = $4 WHERE chain_id = $1 AND wallet = $2 AND nonce = $3";

pub(super) const SET_FINAL: &str = "
UPDATE slots SET state = $4, outcome = $4 WHERE chain_id = $1 AND wallet = $2 AND nonce = $3";

/// What fell away with a block that was final.
pub(super) const SET_UNDONE: &str = "
UPDATE slots SET state = $4, outcome = NULL, booked = NULL, included_hash = NULL, included_block = NULL,
    included_block_hash = NULL, succeeded = NULL, gas_used = NULL, effective_gas_price = NULL,
    receipt = NULL, l1_fee = NULL, operator_fee = NULL, postcondition = 'due'
WHERE chain_id = $1 AND wallet = $2 AND nonce = $3";

/// The intent must be that of the attempt which was included: a nonce that was taken over by
/// another action answers that one only. The state of one contract answers nothing of another's.
/// The newest first; what came up anew has a longer key, between those that are given.
pub(super) const SELECT_ANSWERED: &str = "
SELECT s.nonce AS nonce, s.wallet AS wallet, s.included_block AS included_block,
    s.included_block_hash AS included_block_hash, s.postcondition AS postcondition
FROM intents i
JOIN slots s ON s.chain_id = i.chain_id AND s.wallet = i.wallet AND s.nonce = i.nonce
JOIN attempts a ON a.hash = s.included_hash AND a.intent = i.number
WHERE i.chain_id = $1 AND i.product = $2 AND i.action = $3
    AND (i.answers = $4 OR (i.answers > $5 AND i.answers < $6))
    AND s.outcome = 'confirmed' AND (i.acts_on IS NULL OR $7 IS NULL OR i.acts_on = $7)
ORDER BY s.included_block DESC, s.nonce DESC LIMIT 1";

pub(super) const SELECT_HIGHEST: &str = "
SELECT nonce FROM slots WHERE chain_id = $1 AND wallet = $2 AND state <> 'planned'
ORDER BY nonce DESC LIMIT 1";

pub(super) const SELECT_NEWEST: &str = "
SELECT nonce FROM slots WHERE chain_id = $1 AND wallet = $2 AND state <> 'planned'
ORDER BY nonce DESC LIMIT $3";

pub(super) const SELECT_FINALS: &str = "
SELECT s.nonce, s.outcome, s.included_block, s.included_block_hash,
    (SELECT MAX(e.block_number) FROM events e WHERE e.chain_id = s.chain_id
        AND e.wallet = s.wallet AND e.nonce = s.nonce) AS final_at
FROM slots s
WHERE s.chain_id = $1 AND s.wallet = $2 AND s.outcome IS NOT NULL
ORDER BY s.nonce DESC LIMIT $3";

pub(super) const SELECT_FORMER: &str = "
SELECT DISTINCT wallet FROM slots
WHERE chain_id = $1 AND product = $2 AND wallet <> $3 AND outcome IS NULL
    AND state <> 'planned' ORDER BY wallet";

pub(super) const SELECT_SLOTS: &str = "
SELECT * FROM slots WHERE chain_id = $1 AND wallet = $2 AND outcome IS NULL
    AND state <> 'planned' ORDER BY nonce";

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
