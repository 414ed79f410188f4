//! Cutting a round into chunks, and telling which results of a chunk can be believed.

use alloy::{
    primitives::{Address, Bytes},
    providers::bindings::IMulticall3::{self, Call3},
};

use crate::reader::{
    Revert,
    queue::{Pin, Read},
};

/// Most calldata in one chunk, bytes. Well below what nodes and the proxies before them take.
pub(crate) const MAX_CHUNK_BYTES: usize = 128 * 1024;
/// Times that a failed chunk is halved before its calls go alone: at worst 31 failures for one
/// chunk, then one request for each call.
pub(crate) const MAX_SPLITS: u32 = 4;
/// Up to so many doubtful results are repeated alone at once. More of them are innocent for the
/// most part and are repeated together, without the first.
pub(crate) const REPEAT_ALONE_MAX: usize = 16;

/// Reads that travel in one call.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) at: Pin,
    pub(crate) reads: Vec<Read>,
    /// The next round waits for it.
    pub(crate) holds_round: bool,
    /// How often its ancestors were halved.
    pub(crate) splits: u32,
    /// Its reads could not be believed before.
    pub(crate) repeats: bool,
}

/// Bytes that a call adds to `aggregate3`: an offset, target, flag, offset, length, padded data.
fn size(read: &Read) -> usize {
    const WORD: usize = 32;
    let data = match &read.ask {
        crate::reader::queue::Ask::Call { data, .. } => data.len(),
        crate::reader::queue::Ask::Balance(_) | crate::reader::queue::Ask::Code(_) => WORD + 4,
    };
    data.div_ceil(WORD).saturating_mul(WORD).saturating_add(5 * WORD)
}

/// Cuts the reads of a round into chunks: one block each, at most `max_calls` of them, at most
/// [`MAX_CHUNK_BYTES`] unless a single call is larger. Blocks and reads keep their order.
pub(crate) fn cut(reads: Vec<Read>, max_calls: impl Fn(Pin) -> usize) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    // A turn reads one block and, at most, a few of its ancestors.
    let mut open: Vec<(Chunk, usize)> = Vec::new();
    for read in reads {
        let (at, bytes) = (read.at, size(&read));
        let slot = match open.iter().position(|(chunk, _)| chunk.at == at) {
            Some(slot) => slot,
            None => {
                open.push((Chunk::of(at), 0));
                open.len().saturating_sub(1)
            }
        };
        let Some((chunk, filled)) = open.get_mut(slot) else { continue };
        let full = chunk.reads.len() >= max_calls(at).max(1)
            || filled.saturating_add(bytes) > MAX_CHUNK_BYTES;
        if full && !chunk.reads.is_empty() {
            chunks.push(std::mem::replace(chunk, Chunk::of(at)));
            *filled = 0;
        }
        chunk.reads.push(read);
        *filled = filled.saturating_add(bytes);
    }
    chunks.extend(open.into_iter().map(|(chunk, _)| chunk));
    chunks
}

impl Chunk {
    fn of(at: Pin) -> Self {
        Self { at, reads: Vec::new(), holds_round: true, splits: 0, repeats: false }
    }

    /// Its reads as calls to Multicall3.
    pub(crate) fn calls(&self, multicall3: Address) -> Vec<Call3> {
        self.reads
            .iter()
            .filter_map(|read| read.ask.batched(multicall3))
            .map(|(target, data)| Call3 { target, allowFailure: true, callData: data })
            .collect()
    }
}

/// What one result of a chunk is worth.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Answer(Bytes),
    Refusal(Revert),
    /// Has to be asked again, apart from the others.
    Doubtful,
}

/// Judges the results of a chunk, in order. `aggregate3` limits no call's gas: one that burns all
/// of it leaves a 64th to those behind it, which then fail without data. Therefore no failure
/// without data is believed, nor anything behind one: a starved contract may still say why an inner
/// call of its failed, or catch that and answer something else.
pub(crate) fn judge(results: Vec<IMulticall3::Result>) -> Vec<Verdict> {
    let mut suspicious = false;
    let judge_one = |result: IMulticall3::Result| {
        suspicious |= !result.success && result.returnData.is_empty();
        match (result.success, suspicious) {
            (true, false) => Verdict::Answer(result.returnData),
            (false, false) => Verdict::Refusal(Revert::decode(result.returnData)),
            (true | false, true) => Verdict::Doubtful,
        }
    };
    results.into_iter().map(judge_one).collect()
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{B256, Bytes, bytes};

    use super::*;
    use crate::reader::queue::{Ask, Travel};

    fn read(number: u64, bytes: usize) -> Read {
        let at = Pin { number, hash: B256::with_last_byte(1) };
        let ask = Ask::Call { to: Address::ZERO, data: Bytes::from(vec![1; bytes]) };
        Read::new(ask, Travel::Shared, at, Address::ZERO).0
    }

    fn lengths(reads: Vec<Read>, max: usize) -> Vec<usize> {
        cut(reads, |_| max).iter().map(|chunk| chunk.reads.len()).collect()
    }

    #[test]
    fn a_round_is_cut_by_calls_size_and_block() {
        let small = |n: usize| (0..n).map(|_| read(7, 4)).collect::<Vec<_>>();
        assert_eq!(lengths(small(0), 10), Vec::<usize>::new());
        assert_eq!(lengths(small(25), 10), [10, 10, 5]);
        assert_eq!(lengths(small(3), 0), [1, 1, 1]);
        let large = || read(7, 60 * 1024);
        assert_eq!(lengths(vec![large(), large(), large()], 10), [2, 1]);
        let huge = || read(7, 200 * 1024);
        assert_eq!(lengths(vec![huge(), huge(), read(7, 4)], 10), [1, 1, 1]);
        assert_eq!(lengths(vec![read(7, 4), read(6, 4), read(7, 4)], 10), [2, 1]);
    }

    #[test]
    fn no_chunk_encodes_to_more_than_its_limit() {
        use alloy::sol_types::SolCall;
        let reads = (0..3_000).map(|n| read(7, n % 300)).collect();
        for chunk in cut(reads, |_| 10_000) {
            let calls = chunk.calls(Address::ZERO);
            let encoded = IMulticall3::aggregate3Call { calls }.abi_encode().len();
            assert!(encoded <= MAX_CHUNK_BYTES + 128, "{encoded}");
        }
    }

    #[test]
    fn failures_without_data_and_all_behind_them_are_doubtful() {
        let result =
            |success, data: &Bytes| IMulticall3::Result { success, returnData: data.clone() };
        let (data, none) = (bytes!("deadbeef"), bytes!());
        let verdicts = judge(vec![
            result(true, &data),
            result(false, &data),
            result(true, &none),
            result(false, &none),
            result(true, &data),
            result(false, &data),
        ]);
        let refusal = Verdict::Refusal(Revert::Data(data.clone()));
        let expected = [
            Verdict::Answer(data),
            refusal,
            Verdict::Answer(none),
            Verdict::Doubtful,
            Verdict::Doubtful,
            Verdict::Doubtful,
        ];
        assert_eq!(verdicts, expected);
    }
}
