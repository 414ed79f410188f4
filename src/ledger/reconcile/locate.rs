//! Where books and chain part: the blocks at which a sum breaks.

use alloy::primitives::{I256, U256};

use super::{
    super::{
        chain::Account,
        entry::{Checkpoint, Inflow},
        flows::{self, Evidence, Point},
    },
    Depth, Work,
    ends::differs,
};

/// Blocks that are found at most.
const MAX_BLOCKS: usize = 16;

impl Work<'_> {
    /// Finds the blocks at which the sum breaks, and with [`Depth::Blocks`] looks at all blocks in
    /// which something came in.
    pub(super) async fn locate(&mut self, held: &[Checkpoint], depth: Depth) {
        let inside = |at: &&Checkpoint| {
            let number = at.block.number;
            number > self.from.block.number && number < self.to.block.number
        };
        let between: Vec<&Checkpoint> = held.iter().filter(inside).collect();
        let mut looked = Vec::new();
        let mut from = self.from;
        for at in between {
            let mut to = point_of(at);
            if flows::unknown(&from, &to, &self.flows) != Some(I256::ZERO) {
                // Perhaps it is the checkpoint that is wrong.
                to = self.verified(at).await;
            }
            self.compare(from, to, &mut looked).await;
            from = to;
        }
        self.compare(from, self.to, &mut looked).await;
        if depth == Depth::Blocks {
            self.look_at_inflows(&looked).await;
        }
    }

    async fn compare(&mut self, from: Point, to: Point, looked: &mut Vec<u64>) {
        let off = flows::unknown(&from, &to, &self.flows);
        if off != Some(I256::ZERO) {
            self.narrow((from, to), off, looked).await;
        }
    }

    /// What the chain says of a checkpoint's block; the checkpoint where it does not tell.
    async fn verified(&mut self, at: &Checkpoint) -> Point {
        let Some(chain) = self.chain else { return point_of(at) };
        match flows::point(chain, self.holder.wallet, at.block.number).await {
            Ok(told) => {
                if let Some(problem) = differs(at, &told) {
                    self.problem(problem.block, None, problem.what);
                }
                told
            }
            Err(_) => point_of(at),
        }
    }

    /// The blocks between two points at which the sum breaks.
    async fn narrow(
        &mut self,
        (from, to): (Point, Point),
        off: Option<I256>,
        looked: &mut Vec<u64>,
    ) {
        let wei = off.map_or("an amount that does not fit".to_owned(), |wei| format!("{wei} wei"));
        let between = format!("{wei} between blocks {} and {}", from.block.number, to.block.number);
        let Some(chain) = self.chain else {
            self.unproven("which block it is: no endpoint was asked".to_owned());
            return self.problem(None, None, between);
        };
        let wallet = self.holder.wallet;
        let found = flows::find(chain, wallet, (from, to), &self.flows, MAX_BLOCKS).await;
        let blocks = match found {
            Ok((blocks, _)) => blocks,
            Err(error) => {
                let why = crate::error_chain(&error);
                self.unproven(format!(
                    "which block it is: {why}; an rpc with archive = true would tell"
                ));
                return self.problem(None, None, between);
            }
        };
        if blocks.is_empty() {
            return self.problem(None, None, between);
        }
        for (before, after) in blocks {
            looked.push(after.block.number);
            self.look_at(before, after).await;
        }
    }

    /// Says what is wrong with the books of one block.
    async fn look_at(&mut self, before: Point, after: Point) {
        let Some(chain) = self.chain else { return };
        let number = after.block.number;
        let off = flows::unknown(&before, &after, &self.flows).unwrap_or(I256::MAX);
        let told = flows::evidence(chain, self.holder.wallet, (before, after), &self.paid).await;
        let what = match told {
            Ok(evidence) => self.verdict(number, off, &evidence),
            Err(error) => {
                let why = crate::error_chain(&error);
                format!("block {number}: {off} wei unexplained; {why}")
            }
        };
        self.problem(Some(number), None, what);
    }

    fn verdict(&self, number: u64, off: I256, evidence: &Evidence) -> String {
        let came = sum(evidence.came.iter().map(|came| came.wei));
        let booked = self.booked.get(&number).map(Vec::as_slice).unwrap_or_default();
        let booked_in = sum(booked.iter().map(|inflow: &Inflow| inflow.wei));
        let flow = self.flows.get(&number).copied().unwrap_or(I256::ZERO);
        let booked_out = I256::try_from(booked_in).unwrap_or(I256::MAX).saturating_sub(flow);
        let mut parts = vec![format!("block {number}: {off} wei unexplained")];
        if booked_in != came {
            parts.push(format!("{came} wei came in, {booked_in} wei are booked"));
        }
        if I256::try_from(evidence.outflow).ok() != Some(booked_out) {
            let hashes: Vec<String> = evidence
                .own
                .iter()
                .map(|(sent, _)| format!("nonce {} {}", sent.nonce, sent.hash))
                .collect();
            let whose =
                if hashes.is_empty() { "none was sent".to_owned() } else { hashes.join(", ") };
            let out = evidence.outflow;
            parts.push(format!(
                "{out} wei went out by the receipts ({whose}), {booked_out} wei are booked"
            ));
        }
        if evidence.lost > U256::ZERO {
            let lost = evidence.lost;
            parts.push(format!("{lost} wei left without a transaction of the wallet's own"));
        }
        parts.join("; ")
    }

    /// Holds the booked inflows of each block against what came in there. The sum of all closes
    /// even if two rows are wrong by the same.
    async fn look_at_inflows(&mut self, looked: &[u64]) {
        let Some(chain) = self.chain else { return };
        let blocks: Vec<u64> =
            self.booked.keys().copied().filter(|number| !looked.contains(number)).collect();
        let wallet = self.holder.wallet;
        for number in blocks {
            let read = async {
                let before = flows::point(chain, wallet, number.saturating_sub(1)).await?;
                let after = flows::point(chain, wallet, number).await?;
                flows::evidence(chain, wallet, (before, after), &self.paid).await
            };
            match read.await {
                Ok(evidence) => {
                    let came = sum(evidence.came.iter().map(|came| came.wei));
                    let booked = self.booked.get(&number).map(Vec::as_slice).unwrap_or_default();
                    let booked = sum(booked.iter().map(|inflow| inflow.wei));
                    if came != booked {
                        let what =
                            format!("block {number}: {came} wei came in, {booked} wei are booked");
                        self.problem(Some(number), None, what);
                    }
                }
                Err(error) => {
                    let why = crate::error_chain(&error);
                    return self.unproven(format!(
                        "single inflows, from block {number} on: {why}; an rpc with archive = \
                         true would prove them"
                    ));
                }
            }
        }
    }
}

fn sum(amounts: impl Iterator<Item = U256>) -> U256 {
    amounts.fold(U256::ZERO, U256::saturating_add)
}

fn point_of(at: &Checkpoint) -> Point {
    Point { block: at.block, account: Account { balance: at.balance, nonce: at.nonce } }
}
