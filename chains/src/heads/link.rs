//! From the heads told to a head just seen: what lies between, and what fell away.

use std::collections::HashMap;

use alloy::primitives::B256;
use futures::{StreamExt as _, stream};
use thiserror::Error;

use super::{Head, MAX_GAP, known::Known};
use crate::pool::Pool;

/// Blocks of a gap fetched at once.
const MAX_FETCHES: usize = 8;

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

/// Links a head that is not among those told.
///
/// Gaps are fetched by number, several at a time, and believed only as far as the parent hashes
/// agree; the rest of the way is walked by hash.
pub(super) async fn link(
    known: &Known,
    head: Head,
    source: &impl Source,
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
        if below < oldest.number || path.len() > 2 * MAX_GAP {
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
        let linked = link(&Known::default(), main(70), &Node::on(0, 0, 70)).await.unwrap();
        assert_eq!(linked, Linked::Extends(vec![main(70)]));
    }

    #[tokio::test]
    async fn next_head_needs_no_request() {
        let node = Node::on(0, 0, 11);
        let linked = link(&known(5..=10), main(11), &node).await.unwrap();
        assert_eq!((linked, node.asked.get()), (Linked::Extends(vec![main(11)]), 0));
    }

    #[tokio::test]
    async fn gap_is_filled_in_order() {
        let linked = link(&known(5..=10), main(50), &Node::on(0, 0, 50)).await.unwrap();
        assert!(matches!(linked, Linked::Extends(_)));
        assert_eq!(numbers(&linked), (11..=50).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn fork_at_the_same_height_names_the_common_ancestor() {
        let node = Node::on(1, 7, 10);
        let linked = link(&known(1..=10), node.at(10), &node).await.unwrap();
        let heads = vec![node.at(8), node.at(9), node.at(10)];
        assert_eq!(linked, Linked::Forks { to: main(7), heads });
    }

    #[tokio::test]
    async fn shorter_and_longer_forks_are_linked_too() {
        let node = Node::on(1, 7, 14);
        let linked = link(&known(1..=10), node.at(8), &node).await.unwrap();
        assert_eq!(linked, Linked::Forks { to: main(7), heads: vec![node.at(8)] });
        let linked = link(&known(1..=10), node.at(14), &node).await.unwrap();
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
        let linked = link(&known(1..=10), main(14), &source).await.unwrap();
        assert_eq!(linked, Linked::Extends((11..=14).map(main).collect()));
    }

    #[tokio::test]
    async fn chain_without_a_common_ancestor_is_unrelated() {
        let node = Node::on(3, 0, 20);
        let linked = link(&known(15..=20), node.at(20), &node).await.unwrap();
        assert_eq!(linked, Linked::Unrelated);
        let linked = link(&known(0..=20), block(3, 0, 0).renamed(), &node).await.unwrap();
        assert_eq!(linked, Linked::Unrelated, "another genesis");
    }

    #[tokio::test]
    async fn gap_beyond_the_bound_is_skipped_if_the_chain_is_the_same() {
        let far = 20 + MAX_GAP as u64 + 1;
        let linked = link(&known(1..=20), main(far), &Node::on(0, 0, far)).await.unwrap();
        assert_eq!(linked, Linked::Skips(main(far)));
        let other = Node::on(1, 5, far);
        let linked = link(&known(1..=20), other.at(far), &other).await.unwrap();
        assert_eq!(linked, Linked::Unrelated);
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
        let error = link(&known(1..=10), main(14), &Empty).await.unwrap_err();
        assert!(matches!(error, LinkError::ParentUnknown(hash) if hash == main(13).hash));
    }

    impl Head {
        fn renamed(mut self) -> Self {
            self.hash = B256::repeat_byte(9);
            self
        }
    }
}
