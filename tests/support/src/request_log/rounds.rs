//! Two figures over a set of intervals: how many follow each other, and how many overlap.

/// From the start to the end of a request; no end while it is open. All ticks differ.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interval {
    pub(super) start: u64,
    pub(super) end: Option<u64>,
}

/// The longest chain of intervals of which each starts after the one before has ended.
///
/// Taking whichever ends first leaves the most room for the rest, so the greedy choice is exact.
pub(super) fn depth(mut intervals: Vec<Interval>) -> usize {
    intervals.sort_unstable_by_key(|interval| interval.end.unwrap_or(u64::MAX));
    let mut chain = 0;
    let mut free_from = 0;
    for interval in intervals {
        if chain == 0 || interval.start > free_from {
            chain += 1;
            free_from = interval.end.unwrap_or(u64::MAX);
        }
    }
    chain
}

/// The most intervals that share a moment.
pub(super) fn overlap(intervals: impl Iterator<Item = Interval>) -> usize {
    let mut edges = Vec::new();
    for interval in intervals {
        edges.push((interval.start, true));
        edges.extend(interval.end.map(|end| (end, false)));
    }
    edges.sort_unstable();
    let (mut open, mut most) = (0_usize, 0);
    for (_, starts) in edges {
        open = if starts { open + 1 } else { open.saturating_sub(1) };
        most = most.max(open);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(spans: &[(u64, Option<u64>)], rounds: usize, together: usize) {
        let spans = || spans.iter().map(|&(start, end)| Interval { start, end });
        assert_eq!(depth(spans().collect()), rounds, "depth");
        assert_eq!(overlap(spans()), together, "overlap");
    }

    #[test]
    fn chains_and_overlaps() {
        check(&[], 0, 0);
        check(&[(0, Some(1))], 1, 1);
        // Two rounds of two chunks.
        check(&[(0, Some(3)), (1, Some(2)), (4, Some(6)), (5, Some(7))], 2, 2);
        // A long read beside three short ones in turn.
        check(&[(0, Some(9)), (1, Some(2)), (3, Some(4)), (5, Some(6))], 3, 2);
        // What never ends is followed by nothing.
        check(&[(0, None), (1, Some(2)), (3, None)], 2, 2);
        check(&[(0, None), (1, None)], 1, 2);
    }
}
