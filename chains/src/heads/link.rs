//! From the heads told to a head just seen: what lies between, and what fell away.

use std::{collections::HashMap, time::Duration};

use alloy::primitives::B256;
use futures::{StreamExt as _, stream};
use thiserror::Error;
use tokio::time::timeout;

use super::{Head, MAX_GAP, known::Known};
use crate::pool::Pool;

/// Blocks of a gap fetched at once.
const MAX_FETCHES: usize = 8;
/// Blocks of a gap that are worth another `patience`.
const BLOCKS_PER_PATIENCE: u64 = 64;

/// How a head follows from the heads told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Linked {
    /// These come next, oldest first.
    Extends(Vec<Head>),
    /// The heads above `to` fell away; these come in their place.
    Forks { to: Head, heads: Vec<Head> },
    /// It is on the chain told, but too far ahead to fill in what lies between.
    Skips(Head),
    /// It shares no remembered ancestor with the heads told.
    Unrelated,
}

#[derive(Debug, Error)]
pub(super) enum LinkError {
    #[error("block {0} is not known where its child is")]
    ParentUnknown(B256),
    #[error("fetching a block: {0}")]
    Fetch(String),
    #[error("not linked within {0:?}")]
    Late(Duration),
}

/// Where blocks are to be had.
pub(super) trait Source {
    async fn by_hash(&self, hash: B256) -> Result<Option<Head>, String>;
    async fn by_number(&self, number: u64) -> Result<Option<Head>, String>;
}

/// The endpoint that told of the head: another one may not have its ancestors yet.
pub(super) struct FromEndpoint<'a> {
    pub(super) pool: &'a Pool,
    pub(super) place: usize,
}

impl Source for FromEndpoint<'_> {
    async fn by_hash(&self, hash: B256) -> Result<Option<Head>, String> {
        self.pool.block_by_hash(self.place, hash).await
    }

    async fn by_number(&self, number: u64) -> Result<Option<Head>, String> {
        self.pool.block_by_number(self.place, number).await
    }
}

/// [`link`], given up after `patience` and as much again for each [`BLOCKS_PER_PATIENCE`] blocks to
/// fill in: whoever links hears nobody else meanwhile.
pub(super) async fn link_within(
    patience: Duration,
    known: &Known,
    head: Head,
    source: &impl Source,
    depth: Option<u64>,
) -> Result<Linked, LinkError> {
    let top = known.top().map_or(head.number, |top| top.number);
    let gap = head.number.saturating_sub(top).min(MAX_GAP as u64);
    let shares = u32::try_from(gap / BLOCKS_PER_PATIENCE).unwrap_or_default().saturating_add(1);
    let limit = patience.saturating_mul(shares);
    timeout(limit, link(known, head, source, depth)).await.unwrap_or(Err(LinkError::Late(limit)))
}

/// Links a head that is not among those told.
///
/// Gaps are fetched by number, several at a time, and believed only as far as the parent hashes
/// agree; the rest of the way is walked by hash. With a `depth`, an ancestor more than so many
/// blocks below the newest is not looked for: such a head is [`Linked::Unrelated`], if it is not
/// found to be a fork on the way.
async fn link(
    known: &Known,
    head: Head,
    source: &impl Source,
    depth: Option<u64>,
) -> Result<Linked, LinkError> {
    let (Some(top), Some(oldest)) = (known.top(), known.oldest()) else {
        return Ok(Linked::Extends(vec![head]));
    };
    if head.number > top.number.saturating_add(MAX_GAP as u64) {
        let same = source.by_number(top.number).await.map_err(LinkError::Fetch)?;
        let goes_on = same.is_some_and(|same| same.hash == top.hash);
        return Ok(if goes_on { Linked::Skips(head) } else { Linked::Unrelated });
    }
    let fetched = fetch_gap(top.number, head.number, source).await?;
    let mut path = vec![head];
    let mut first = head;
    loop {
        let Some(below) = first.number.checked_sub(1) else { return Ok(Linked::Unrelated) };
        if let Some(ancestor) = known.at(below).filter(|known| known.hash == first.parent) {
            path.reverse();
            return Ok(if ancestor.number == top.number {
                Linked::Extends(path)
            } else {
                Linked::Forks { to: *ancestor, heads: path }
            });
        }
        let too_deep = depth.is_some_and(|depth| below.saturating_add(depth) <= top.number);
        if too_deep || below < oldest.number || path.len() > 2 * MAX_GAP {
            return Ok(Linked::Unrelated);
        }
        first = match fetched.get(&first.parent) {
            Some(parent) => *parent,
            None => source
                .by_hash(first.parent)
                .await
                .map_err(LinkError::Fetch)?
                .ok_or(LinkError::ParentUnknown(first.parent))?,
        };
        if first.number != below {
            return Err(LinkError::Fetch(format!(
                "parent of block {} is {}",
                below + 1,
                first.number
            )));
        }
        path.push(first);
    }
}

/// The blocks between two heights, both excluded, by hash. Some may be missing or off the path.
async fn fetch_gap(
    below: u64,
    above: u64,
    source: &impl Source,
) -> Result<HashMap<B256, Head>, LinkError> {
    let mut blocks = HashMap::new();
    let numbers = below.saturating_add(1)..above;
    let mut fetches =
        stream::iter(numbers).map(|number| source.by_number(number)).buffer_unordered(MAX_FETCHES);
    while let Some(block) = fetches.next().await {
        if let Some(block) = block.map_err(LinkError::Fetch)? {
            blocks.insert(block.hash, block);
        }
    }
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::{
        super::known::tests::{block, known, main},
        *,
    };
    use std::cell::Cell;

    /// A node that is on one branch.
    struct Node {
        branch: u8,
        fork: u64,
        top: u64,
        asked: Cell<usize>,
    }

    impl Node {
        fn on(branch: u8, fork: u64, top: u64) -> Self {
            Self { branch, fork, top, asked: Cell::new(0) }
        }

        fn at(&self, number: u64) -> Head {
            block(self.branch, self.fork, number)
        }
    }

    impl Source for Node {
        async fn by_hash(&self, hash: B256) -> Result<Option<Head>, String> {
            self.asked.set(self.asked.get() + 1);
            Ok((0..=self.top).map(|number| self.at(number)).find(|head| head.hash == hash))
        }

        async fn by_number(&self, number: u64) -> Result<Option<Head>, String> {
            self.asked.set(self.asked.get() + 1);
            Ok((number <= self.top).then(|| self.at(number)))
        }
    }

    fn numbers(linked: &Linked) -> Vec<u64> {
        match linked {
            Linked::Extends(heads) | Linked::Forks { heads, .. } => {
                heads.iter().map(|head| head.number).collect()
            }
            Linked::Skips(_) | Linked::Unrelated => Vec::new(),
        }
    }

    #[tokio::test]
    async fn first_head_needs_no_link() {
        let linked = link(&Known::default(), main(70), &Node::on(0, 0, 70), None).await.unwrap();
        assert_eq!(linked, Linked::Extends(vec![main(70)]));
    }

    #[tokio::test]
    async fn next_head_needs_no_request() {
        let node = Node::on(0, 0, 11);
        let linked = link(&known(5..=10), main(11), &node, None).await.unwrap();
        assert_eq!((linked, node.asked.get()), (Linked::Extends(vec![main(11)]), 0));
    }

    #[tokio::test]
    async fn gap_is_filled_in_order() {
        let linked = link(&known(5..=10), main(50), &Node::on(0, 0, 50), None).await.unwrap();
        assert!(matches!(linked, Linked::Extends(_)));
        assert_eq!(numbers(&linked), (11..=50).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn fork_at_the_same_height_names_the_common_ancestor() {
        let node = Node::on(1, 7, 10);
        let linked = link(&known(1..=10), node.at(10), &node, None).await.unwrap();
        let heads = vec![node.at(8), node.at(9), node.at(10)];
        assert_eq!(linked, Linked::Forks { to: main(7), heads });
    }

    #[tokio::test]
    async fn shorter_and_longer_forks_are_linked_too() {
        let node = Node::on(1, 7, 14);
        let linked = link(&known(1..=10), node.at(8), &node, None).await.unwrap();
        assert_eq!(linked, Linked::Forks { to: main(7), heads: vec![node.at(8)] });
        let linked = link(&known(1..=10), node.at(14), &node, None).await.unwrap();
        assert!(matches!(linked, Linked::Forks { to, .. } if to == main(7)));
        assert_eq!(numbers(&linked), (8..=14).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn blocks_by_number_from_another_branch_are_not_believed() {
        // The node switched branches after it announced the head.
        struct Switched(Node, Node);
        impl Source for Switched {
            async fn by_hash(&self, hash: B256) -> Result<Option<Head>, String> {
                self.0.by_hash(hash).await
            }
            async fn by_number(&self, number: u64) -> Result<Option<Head>, String> {
                self.1.by_number(number).await
            }
        }
        let source = Switched(Node::on(0, 0, 14), Node::on(2, 9, 14));
        let linked = link(&known(1..=10), main(14), &source, None).await.unwrap();
        assert_eq!(linked, Linked::Extends((11..=14).map(main).collect()));
    }

    #[tokio::test]
    async fn chain_without_a_common_ancestor_is_unrelated() {
        let node = Node::on(3, 0, 20);
        let linked = link(&known(15..=20), node.at(20), &node, None).await.unwrap();
        assert_eq!(linked, Linked::Unrelated);
        let linked = link(&known(0..=20), block(3, 0, 0).renamed(), &node, None).await.unwrap();
        assert_eq!(linked, Linked::Unrelated, "another genesis");
    }

    #[tokio::test]
    async fn gap_beyond_the_bound_is_skipped_if_the_chain_is_the_same() {
        let far = 20 + MAX_GAP as u64 + 1;
        let linked = link(&known(1..=20), main(far), &Node::on(0, 0, far), None).await.unwrap();
        assert_eq!(linked, Linked::Skips(main(far)));
        let other = Node::on(1, 5, far);
        let linked = link(&known(1..=20), other.at(far), &other, None).await.unwrap();
        assert_eq!(linked, Linked::Unrelated);
    }

    #[tokio::test]
    async fn ancestor_is_not_looked_for_further_down_than_was_asked() {
        let node = Node::on(3, 0, 501);
        let linked = link(&known(1..=500), node.at(501), &node, Some(3)).await.unwrap();
        assert_eq!(linked, Linked::Unrelated);
        assert_eq!(node.asked.get(), 3, "the blocks at 500, 499 and 498");
        // One that is just deep enough is found.
        let node = Node::on(1, 497, 501);
        let linked = link(&known(1..=500), node.at(501), &node, Some(3)).await.unwrap();
        assert!(matches!(linked, Linked::Forks { to, .. } if to == main(497)));
    }

    #[tokio::test(start_paused = true)]
    async fn endpoint_that_does_not_answer_is_left_after_a_time_that_grows_with_the_gap() {
        struct Silent;
        impl Source for Silent {
            async fn by_hash(&self, _: B256) -> Result<Option<Head>, String> {
                std::future::pending().await
            }
            async fn by_number(&self, _: u64) -> Result<Option<Head>, String> {
                std::future::pending().await
            }
        }
        let patience = Duration::from_secs(6);
        for (head, within) in [(block(3, 0, 11), patience), (main(10 + 200), patience * 4)] {
            let linked = link_within(patience, &known(1..=10), head, &Silent, None).await;
            assert!(matches!(linked, Err(LinkError::Late(limit)) if limit == within));
        }
    }

    #[tokio::test]
    async fn missing_parent_is_an_error_not_a_reorganisation() {
        struct Empty;
        impl Source for Empty {
            async fn by_hash(&self, _: B256) -> Result<Option<Head>, String> {
                Ok(None)
            }
            async fn by_number(&self, _: u64) -> Result<Option<Head>, String> {
                Ok(None)
            }
        }
        let error = link(&known(1..=10), main(14), &Empty, None).await.unwrap_err();
        assert!(matches!(error, LinkError::ParentUnknown(hash) if hash == main(13).hash));
    }

    impl Head {
        fn renamed(mut self) -> Self {
            self.hash = B256::repeat_byte(9);
            self
        }
    }
}
