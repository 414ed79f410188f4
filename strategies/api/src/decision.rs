//! What a strategy says after looking: the decision and the inputs behind it.

use alloy::primitives::I256;
use serde::Serialize;

use crate::Action;

/// Seconds since 1970 by block clocks.
pub type Timestamp = u64;

/// The outcome of one look at one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// What is due.
    pub decision: Decision,
    /// The inputs: for the explanation, gauges and charts.
    pub observations: Vec<Observation>,
}

/// What, if anything, is due.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one a product and block; authors write it by hand")]
pub enum Decision {
    /// Nothing is due.
    Wait {
        /// Why, in fixed words.
        reason: &'static str,
        /// Nothing but time can make it due, and not before then. `None` where a price can. The
        /// runtime looks again every 20 blocks at the latest whatever this says.
        until: Option<Timestamp>,
    },
    /// This is due.
    Act(Action),
    /// Something is due, but the protocol refuses: frozen market, dead oracle, no liquidity. Needs
    /// decoded revert data or a lone failure as its ground.
    Blocked {
        /// Why, in fixed words.
        reason: &'static str,
        /// What the protocol said, for people.
        detail: String,
    },
}

/// One input of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Observation {
    /// Fixed name in snake case: a metric label.
    pub name: &'static str,
    /// Which of several alike (an exchange's name); empty if there is one.
    pub of: String,
    /// 18-decimal fixed point in the unit given, so `2e18` of [`Unit::Ratio`] is 2 ×, and `5e18`
    /// of [`Unit::Seconds`] is 5 s.
    #[serde(serialize_with = "as_text")]
    pub value: I256,
    /// What the value counts.
    pub unit: Unit,
    /// Lower bound, same scale.
    #[serde(serialize_with = "as_text_opt")]
    pub min: Option<I256>,
    /// Where it should be, same scale.
    #[serde(serialize_with = "as_text_opt")]
    pub target: Option<I256>,
    /// Upper bound, same scale.
    #[serde(serialize_with = "as_text_opt")]
    pub max: Option<I256>,
    /// Whether its history is kept for charts.
    pub series: bool,
}

/// Name of the observation that says whether the product's wallet may call: 1 or 0. A strategy
/// whose product has an allow list reports it at every block, so that a lost permission is known
/// before it is needed.
pub const CALLER_PERMITTED: &str = "caller_permitted";

/// Name of the observation that says how far a leveraged product is from where its protocol lets
/// nobody help it any more: the share of its collateral's price that may still be lost,
/// [`Unit::Ratio`]. 1 is at no risk, 0 is there or beyond.
pub const CEILING_DISTANCE: &str = "ceiling_distance";

/// Name of the observation that says for how long people should have started something which the
/// keeper then carries out, such as the re-weighting of an index: [`Unit::Seconds`], 0 while nothing
/// is due. People are reminded from the first second on; beyond its `max` it is overdue.
pub const START_DUE: &str = "start_due";

/// Name of the observation that says for how long work that could go on has not moved:
/// [`Unit::Seconds`], 0 while it moves or has to wait. People are told beyond its `max`.
pub const STANDING_STILL: &str = "standing_still";

/// Reason of [`Decision::Blocked`] which says that the parameters lead elsewhere by now than when the
/// strategy was connected; the detail says where. The runtime connects anew and stops the product
/// until a person has agreed; see [`Strategy::acts_on`](crate::Strategy::acts_on).
pub const MOVED: &str = "its parameters lead elsewhere by now";

/// What an observed value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A plain ratio, such as leverage.
    Ratio,
    /// Seconds.
    Seconds,
    /// A moment, seconds since 1970.
    Time,
    /// A number of things, or whole tokens.
    Count,
    /// The chain's native currency, whole coins.
    Native,
    /// US dollars.
    Usd,
}

impl Observation {
    /// An observation without bounds that is not charted.
    pub fn new(name: &'static str, value: I256, unit: Unit) -> Self {
        Self {
            name,
            of: String::new(),
            value,
            unit,
            min: None,
            target: None,
            max: None,
            series: false,
        }
    }

    /// Says which of several alike this is.
    #[must_use]
    pub fn of(mut self, of: impl Into<String>) -> Self {
        self.of = of.into();
        self
    }

    /// Adds bounds.
    #[must_use]
    pub fn within(mut self, min: I256, target: I256, max: I256) -> Self {
        (self.min, self.target, self.max) = (Some(min), Some(target), Some(max));
        self
    }

    /// Keeps its history for charts.
    #[must_use]
    pub fn charted(mut self) -> Self {
        self.series = true;
        self
    }
}

fn as_text<S: serde::Serializer>(value: &I256, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(&format_args!("{}", fixed18(*value)))
}

fn as_text_opt<S: serde::Serializer>(value: &Option<I256>, s: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => as_text(value, s),
        None => s.serialize_none(),
    }
}

/// An 18-decimal fixed-point number as exact decimal text without trailing zeros.
pub fn fixed18(value: I256) -> String {
    let (sign, magnitude) = value.into_sign_and_abs();
    let digits = format!("{:0>19}", magnitude.to_string());
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(18));
    let fraction = fraction.trim_end_matches('0');
    let minus = if sign.is_negative() { "-" } else { "" };
    if fraction.is_empty() {
        format!("{minus}{whole}")
    } else {
        format!("{minus}{whole}.{fraction}")
    }
}
