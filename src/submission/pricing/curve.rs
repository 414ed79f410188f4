//! How much is offered, by urgency and by how long it has waited already.
//!
//! Each urgency has a curve: a percentage of the market's tip to start with, a growth per block
//! waited, and a most. The base fee comes with room for its worst growth over some blocks, which
//! costs nothing unless it happens.
//!
//! | | blocks of worst growth | start | growth per block | most |
//! |---|---|---|---|---|
//! | routine | 6 | 100 % | 6 | 200 % |
//! | prompt | 6 | 125 % | 15 | 400 % |
//! | emergency, no pressure | 9 | 200 % | 30 | 1,000 % |
//! | emergency, full pressure | 12 | 500 % | 150 | 3,000 % |
//!
//! Between no and full pressure the emergency's figures grow evenly; rounded down.
//!
//! Where every recent block had room ([`lowest`](ballast_chains::fees::Quote::lowest)) more than the
//! lowest tip buys nothing, and on a chain that hardly anybody else uses that tip is our own: a share
//! above 100 % would outbid it again with each action. So everybody starts at 100 % of the lowest
//! there, and only waiting adds to it. Whoever has waited for `ROOM_PATIENCE` blocks with room was
//! not taken at that price, whatever it bought before: from then on it is the market's tip by the
//! table.

use alloy::primitives::{I256, U256};
use ballast_chains::fees::MAX_CHANGE_DENOMINATOR;
use ballast_strategy_api::{Observation, Unit, Urgency, decision::CEILING_DISTANCE};

/// One in 18-decimal fixed point.
const ONE: u64 = 1_000_000_000_000_000_000;

/// Blocks with room in which the lowest tip must have bought nothing before it is taken for too low:
/// what comes late to a builder misses one, what a node loses is sent again at the next.
pub(super) const ROOM_PATIENCE: u64 = 3;

/// How close a product is to the point where nobody can save it: 0 is far, 100 is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pressure(u8);

impl Pressure {
    /// For a product that does not tell: an emergency all the same.
    pub const UNKNOWN: Self = Self(50);

    /// A percentage; above 100 it is 100.
    pub fn percent(percent: u8) -> Self {
        Self(percent.min(100))
    }

    /// From what a strategy saw: the observation named [`CEILING_DISTANCE`], of which the nearest
    /// counts if there are several. Rounded up: towards more pressure.
    pub fn of(observations: &[Observation]) -> Self {
        let distances = observations
            .iter()
            .filter(|seen| seen.name == CEILING_DISTANCE && seen.unit == Unit::Ratio)
            .map(|seen| seen.value);
        distances.min().map_or(Self::UNKNOWN, Self::at)
    }

    /// One minus the distance, both of one in 18-decimal fixed point.
    fn at(distance: I256) -> Self {
        let Ok(distance) = U256::try_from(distance) else { return Self(100) };
        let one = U256::from(ONE);
        let percent = one.saturating_sub(distance).saturating_mul(U256::from(100)).div_ceil(one);
        Self(u8::try_from(percent).unwrap_or(100).min(100))
    }

    /// The percentage, 0 to 100.
    pub fn get(self) -> u8 {
        self.0
    }

    /// The place between two figures.
    fn between(self, low: u128, high: u128) -> u128 {
        let way = high.saturating_sub(low).saturating_mul(u128::from(self.0));
        low.saturating_add(way.div_euclid(100))
    }
}

/// What an urgency offers of the market.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Curve {
    /// Blocks of the base fee's worst growth that an offer survives.
    pub(super) blocks: u32,
    /// Percent of the market's tip at first.
    pub(super) start: u128,
    /// Added to it for each block waited.
    pub(super) growth: u128,
    /// Where it ends.
    pub(super) most: u128,
    /// Blocks between two replacements of an offer that would still buy the next block.
    pub(super) patience: u64,
}

impl Curve {
    /// The curve of an urgency; pressure counts for emergencies only.
    pub(super) fn of(urgency: Urgency, pressure: Pressure) -> Self {
        match urgency {
            Urgency::Routine => Self { blocks: 6, start: 100, growth: 6, most: 200, patience: 5 },
            Urgency::Prompt => Self { blocks: 6, start: 125, growth: 15, most: 400, patience: 3 },
            Urgency::Emergency => Self {
                blocks: u32::try_from(pressure.between(9, 12)).unwrap_or(12),
                start: pressure.between(200, 500),
                growth: pressure.between(30, 150),
                most: pressure.between(1_000, 3_000),
                patience: if pressure.get() < 50 { 2 } else { 1 },
            },
        }
    }

    /// Percent of the market's tip after so many blocks.
    pub(super) fn tip_percent(self, waited: u64) -> u128 {
        self.grown(self.start, waited)
    }

    /// Percent of the lowest tip after so many blocks, where all of them have room.
    pub(super) fn tip_percent_of_lowest(self, waited: u64) -> u128 {
        self.grown(100, waited)
    }

    fn grown(self, start: u128, waited: u64) -> u128 {
        let grown = self.growth.saturating_mul(u128::from(waited));
        start.saturating_add(grown).min(self.most)
    }
}

/// A base fee after so many full blocks, rounded up at each; saturates.
pub(super) fn worst_growth(base_fee: u128, blocks: u32) -> u128 {
    (0..blocks).fold(base_fee, |fee, _| fee.saturating_add(fee.div_ceil(MAX_CHANGE_DENOMINATOR)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distance(value: i64) -> Observation {
        Observation::new(CEILING_DISTANCE, I256::try_from(value).unwrap(), Unit::Ratio)
    }

    #[test]
    fn pressure_is_what_is_missing_to_full_distance() {
        let one = 1_000_000_000_000_000_000_i64;
        let cases = [
            (one, 0),
            (2 * one, 0),
            (one / 2, 50),
            (one / 2 - 1, 51),
            (1, 100),
            (0, 100),
            (-one, 100),
        ];
        for (value, percent) in cases {
            assert_eq!(Pressure::of(&[distance(value)]).get(), percent, "{value}");
        }
        assert_eq!(Pressure::of(&[distance(one), distance(0)]).get(), 100, "the nearest counts");
        assert_eq!(Pressure::of(&[]), Pressure::UNKNOWN);
        let other = Observation::new("leverage_ratio", I256::ZERO, Unit::Ratio);
        assert_eq!(Pressure::of(&[other]), Pressure::UNKNOWN);
    }

    #[test]
    fn an_emergency_offers_more_the_nearer_the_ceiling() {
        let mut before = Curve::of(Urgency::Prompt, Pressure::percent(100));
        for percent in 0..=100 {
            let curve = Curve::of(Urgency::Emergency, Pressure::percent(percent));
            assert!(curve.start >= before.start && curve.most >= before.most, "{percent}");
            assert!(curve.growth >= before.growth && curve.blocks >= before.blocks, "{percent}");
            assert!(curve.patience <= before.patience, "{percent}");
            before = curve;
        }
        assert_eq!((before.start, before.most), (500, 3_000));
        let routine = |percent| Curve::of(Urgency::Routine, Pressure::percent(percent));
        assert_eq!(routine(0), routine(100), "only emergencies are driven by it");
    }

    #[test]
    fn tips_grow_by_blocks_up_to_the_most() {
        let curve = Curve::of(Urgency::Prompt, Pressure::UNKNOWN);
        assert_eq!([0, 1, 10, 100].map(|waited| curve.tip_percent(waited)), [125, 140, 275, 400]);
        assert_eq!(curve.tip_percent(u64::MAX), 400);
        let of_lowest = |waited| curve.tip_percent_of_lowest(waited);
        assert_eq!([0, 1, 2].map(of_lowest), [100, 115, 130]);
        let most = Curve::of(Urgency::Emergency, Pressure::percent(100));
        assert_eq!([0, 1, 2].map(|waited| most.tip_percent_of_lowest(waited)), [100, 250, 400]);
    }

    #[test]
    fn worst_growth_is_an_eighth_a_block_rounded_up() {
        assert_eq!(worst_growth(800, 1), 900);
        assert_eq!(worst_growth(800, 2), 1_013);
        assert_eq!(worst_growth(0, 9), 0);
        assert_eq!(worst_growth(u128::MAX, 9), u128::MAX);
    }
}
