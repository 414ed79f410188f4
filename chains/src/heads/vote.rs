//! Which chain to follow when endpoints are on different ones: pure, with the time passed in.
//!
//! Endpoints with the right chain id may still disagree for good: a node that took the wrong side of
//! a split, one that was restored from a backup and mines on. Reorganisations of a block or two and
//! blocks under way look the same for a moment, so the newest blocks are no evidence. Whoever names
//! a block that does not fit, twice, is asked for its block [`DEPTH`] below; only another hash there
//! means another chain. All suspects are asked at one height, so that their answers can be compared
//! with each other as well.
//!
//! Then the endpoints heard of lately vote. The chain of more than half of them is followed. Without
//! such a chain there is a dispute, which people are told of once it has lasted; followed is the
//! chain of the first endpoint in the configured order. Endpoints on another chain than the one
//! followed get no reads while there are others. All of this ends by itself: one that names a block
//! of the chain followed is on it again.

use std::time::Duration;

use alloy::primitives::B256;
use tokio::time::Instant;

use super::{Head, known::Known};

/// Blocks below the newest at which chains are compared. Forks up to so deep are reorganisations and
/// no matter for a vote.
pub(super) const DEPTH: u64 = 3;
/// Sightings in a row that must not fit before an endpoint is suspected.
const CONFLICTS: u32 = 2;
/// Times `patience` after which an endpoint that is not heard of has no vote.
const VOTE_PATIENCE: u32 = 2;

/// How a head that an endpoint names relates to the heads told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// It is one of them, or the next.
    Fits,
    /// There is another block at its height.
    Conflicts,
    /// Not known without looking: too high, or too low.
    Unclear,
}

impl Relation {
    pub(super) fn of(head: &Head, known: &Known) -> Self {
        let next = known.top().is_some_and(|top| top.hash == head.parent);
        if next || known.has(head) {
            Self::Fits
        } else if known.at(head.number).is_some() {
            Self::Conflicts
        } else {
            Self::Unclear
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// On the chain followed, as far as is known.
    Here,
    /// Named blocks that do not fit, and has not been asked yet.
    Suspect,
    /// Has this block at the height of the comparison, where the chain followed has another.
    Apart(B256),
}

#[derive(Debug, Clone, Copy)]
struct Voter {
    heard: Option<Instant>,
    newest: Option<Head>,
    side: Side,
    conflicts: u32,
    asked: Option<Instant>,
}

/// What the vote calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Going on with the chain followed.
    Stay,
    /// Following this endpoint's chain from its newest head on.
    Switch { endpoint: usize, head: Head },
}

/// A lasting disagreement without a majority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dispute {
    /// The height of the comparison.
    pub(crate) number: u64,
    /// Hash at that height, and the endpoints that have it, in the configured order; the chain
    /// followed comes first.
    pub(crate) sides: Vec<(B256, Vec<usize>)>,
}

/// Who is on which chain.
#[derive(Debug)]
pub(super) struct Vote {
    voters: Vec<Voter>,
    /// Height of the comparison and the hash that the chain followed has there; from the first
    /// question until nobody is apart.
    at: Option<(u64, B256)>,
    /// Since when there has been no majority.
    open_since: Option<Instant>,
    patience: Duration,
}

impl Vote {
    pub(super) fn new(endpoints: usize, patience: Duration) -> Self {
        let voter =
            Voter { heard: None, newest: None, side: Side::Here, conflicts: 0, asked: None };
        Self { voters: vec![voter; endpoints], at: None, open_since: None, patience }
    }

    /// An endpoint named a head. One that is apart comes back by naming a head that fits.
    pub(super) fn heard(&mut self, endpoint: usize, head: Head, relation: Relation, now: Instant) {
        let Some(voter) = self.voters.get_mut(endpoint) else { return };
        voter.heard = Some(now);
        voter.newest = Some(head);
        match relation {
            Relation::Fits => {
                voter.side = Side::Here;
                voter.conflicts = 0;
            }
            Relation::Conflicts => {
                voter.conflicts = voter.conflicts.saturating_add(1);
                if voter.side == Side::Here && voter.conflicts >= CONFLICTS {
                    voter.side = Side::Suspect;
                }
            }
            Relation::Unclear => {}
        }
    }

    /// A head of this endpoint leads further away from the chain followed than a reorganisation
    /// does.
    pub(super) fn suspect(&mut self, endpoint: usize) {
        if let Some(voter) = self.voters.get_mut(endpoint)
            && voter.side == Side::Here
        {
            voter.side = Side::Suspect;
        }
    }

    /// Whether its heads are not to be followed.
    pub(super) fn is_apart(&self, endpoint: usize) -> bool {
        self.voters.get(endpoint).is_some_and(|voter| matches!(voter.side, Side::Apart(_)))
    }

    /// Whether nobody but this endpoint has a vote: its word is all there is.
    pub(super) fn is_alone(&self, endpoint: usize, now: Instant) -> bool {
        !(0..self.voters.len()).any(|other| other != endpoint && self.votes(other, now))
    }

    /// The height to ask an endpoint about, if it has to be asked: once when it is suspected, and
    /// again each `patience` while it is apart.
    pub(super) fn question(&mut self, endpoint: usize, known: &Known, now: Instant) -> Option<u64> {
        let voter = *self.voters.get(endpoint)?;
        if voter.side == Side::Here || self.is_alone(endpoint, now) {
            return None;
        }
        if voter.asked.is_some_and(|asked| now.duration_since(asked) < self.patience) {
            return None;
        }
        let newest = voter.newest?.number;
        let kept = self.at.filter(|(number, hash)| {
            *number <= newest && known.at(*number).is_some_and(|head| head.hash == *hash)
        });
        let (number, hash) = match kept {
            Some(at) => at,
            None => {
                let below = known.top()?.number.min(newest).checked_sub(DEPTH)?;
                (below, known.at(below)?.hash)
            }
        };
        if self.at.is_some_and(|(at, _)| at != number) {
            // Answers about another height cannot be compared with those to come.
            for other in &mut self.voters {
                if let Side::Apart(_) = other.side {
                    other.side = Side::Suspect;
                    other.asked = None;
                }
            }
        }
        self.at = Some((number, hash));
        self.voters.get_mut(endpoint)?.asked = Some(now);
        Some(number)
    }

    /// What an endpoint answered to a question; `None` for a block that it does not have.
    pub(super) fn told(&mut self, endpoint: usize, number: u64, hash: Option<B256>) {
        let (Some((at, ours)), Some(hash)) = (self.at, hash) else { return };
        let Some(voter) = self.voters.get_mut(endpoint).filter(|_| at == number) else { return };
        if voter.side == Side::Here {
            // It came back meanwhile.
            return;
        }
        voter.side = if hash == ours { Side::Here } else { Side::Apart(hash) };
        voter.conflicts = 0;
    }

    /// Which chain to follow, by all that is known now.
    pub(super) fn outcome(&mut self, now: Instant) -> Outcome {
        let voters: Vec<(usize, Voter)> = self.voting(now).collect();
        let majority = |side: Side| {
            voters.iter().filter(|(_, voter)| voter.side == side).count() * 2 > voters.len()
        };
        let apart = || voters.iter().filter(|(_, voter)| matches!(voter.side, Side::Apart(_)));
        if apart().next().is_none() {
            let suspects = voters.iter().filter(|(_, v)| v.side == Side::Suspect).count();
            if suspects == 0 {
                (self.at, self.open_since) = (None, None);
            }
            // With nobody left on the chain followed there is nothing to compare with.
            let first = voters.first().filter(|_| suspects == voters.len());
            return first.map_or(Outcome::Stay, switch);
        }
        if majority(Side::Here) {
            self.open_since = None;
            return Outcome::Stay;
        }
        if let Some(chosen) = apart().find(|(_, voter)| majority(voter.side)) {
            self.open_since = None;
            return switch(chosen);
        }
        self.open_since.get_or_insert(now);
        match voters.iter().find(|(_, voter)| voter.side != Side::Suspect) {
            Some(preferred @ (_, Voter { side: Side::Apart(_), .. })) => switch(preferred),
            Some(_) | None => Outcome::Stay,
        }
    }

    /// The chain followed is that of this endpoint now; those who have the same block as it at the
    /// height of the comparison are on it too, and those who were on the old one are apart.
    pub(super) fn switched(&mut self, endpoint: usize) {
        let chosen = self.voters.get(endpoint).map(|voter| voter.side);
        let compared = match (chosen, self.at) {
            (Some(Side::Apart(hash)), Some((number, ours))) => Some((number, hash, ours)),
            (Some(_) | None, Some(_) | None) => None,
        };
        for (place, voter) in self.voters.iter_mut().enumerate() {
            voter.conflicts = 0;
            voter.side = match (voter.side, compared) {
                _ if place == endpoint => Side::Here,
                (Side::Apart(hash), Some((_, chosen, _))) if hash == chosen => Side::Here,
                (Side::Here, Some((_, _, ours))) => Side::Apart(ours),
                (side, Some(_)) => side,
                (_, None) => Side::Here,
            };
        }
        self.at = compared.map(|(number, hash, _)| (number, hash));
    }

    /// Endpoints that are proven to be on another chain than the one followed.
    pub(super) fn apart(&self) -> Vec<bool> {
        self.voters.iter().map(|voter| matches!(voter.side, Side::Apart(_))).collect()
    }

    /// The disagreement, once it has lasted.
    pub(super) fn dispute(&self, now: Instant) -> Option<Dispute> {
        let lasted = now.duration_since(self.open_since?) >= self.patience;
        let (number, ours) = self.at.filter(|_| lasted)?;
        let mut sides: Vec<(B256, Vec<usize>)> = vec![(ours, Vec::new())];
        for (place, voter) in self.voting(now) {
            let hash = match voter.side {
                Side::Here => ours,
                Side::Apart(hash) => hash,
                Side::Suspect => continue,
            };
            match sides.iter_mut().find(|(side, _)| *side == hash) {
                Some((_, places)) => places.push(place),
                None => sides.push((hash, vec![place])),
            }
        }
        Some(Dispute { number, sides })
    }

    fn votes(&self, endpoint: usize, now: Instant) -> bool {
        let heard = self.voters.get(endpoint).and_then(|voter| voter.heard);
        heard.is_some_and(|heard| now.duration_since(heard) <= self.patience * VOTE_PATIENCE)
    }

    fn voting(&self, now: Instant) -> impl Iterator<Item = (usize, Voter)> {
        let all = self.voters.iter().copied().enumerate();
        all.filter(move |(place, _)| self.votes(*place, now))
    }
}

fn switch((endpoint, voter): &(usize, Voter)) -> Outcome {
    let endpoint = *endpoint;
    voter.newest.map_or(Outcome::Stay, |head| Outcome::Switch { endpoint, head })
}

#[cfg(test)]
mod tests;
