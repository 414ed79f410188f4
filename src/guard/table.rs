//! The table: which reason holds back which urgency.

use ballast_strategy_api::Urgency;
use serde::Serialize;

/// A reason not to act, or not yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Row {
    /// An operator has stopped the product.
    Paused,
    /// It acts on something that nobody agreed to.
    Moved,
    /// An operator is winding the product down, and this would raise its exposure.
    DeleverOnly,
    /// The newest head is too old to decide on.
    StaleHead,
    /// The endpoints are on different chains of blocks, and none has the majority.
    Dispute,
    /// The action has followed itself as often as its strategy allows.
    RepeatLimit,
    /// It has, and goes on at the pace that its strategy allows for that.
    Repeating,
    /// The sequencer is down, has just come back, or nobody can tell.
    Sequencer,
    /// Actions of the product failed of late.
    CoolDown,
    /// So many failed in a row that a person should look.
    Breaker,
    /// The disk is full, and what room was kept is for what cannot wait.
    StoreShort,
    /// Another instance has some blocks to do it first.
    OtherInstance,
    /// The month's ceiling for everything is reached.
    HardBudget,
    /// The month's budget is used up.
    MonthlyBudget,
    /// A budget is set, and nothing can be priced.
    NoPrice,
    /// The next block is dearer than routine work should pay.
    BaseFee,
    /// It still is, but the action has waited long enough.
    PatienceOver,
}

/// What a reason does to an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It is held back.
    Binds,
    /// It goes on, and people are told.
    Warns,
    /// It goes on.
    Passes,
}

impl Row {
    /// Every row, in the order in which they are told: an operator's word first, money last.
    pub const ALL: [Self; 17] = [
        Self::Paused,
        Self::Moved,
        Self::DeleverOnly,
        Self::StaleHead,
        Self::Dispute,
        Self::RepeatLimit,
        Self::Repeating,
        Self::Breaker,
        Self::CoolDown,
        Self::Sequencer,
        Self::StoreShort,
        Self::OtherInstance,
        Self::HardBudget,
        Self::MonthlyBudget,
        Self::NoPrice,
        Self::BaseFee,
        Self::PatienceOver,
    ];

    /// The table.
    pub const fn effect(self, urgency: Urgency) -> Effect {
        use Effect::{Binds, Passes, Warns};
        let (routine, prompt, emergency) = match self {
            Self::Paused
            | Self::Moved
            | Self::DeleverOnly
            | Self::StaleHead
            | Self::RepeatLimit
            | Self::OtherInstance
            | Self::HardBudget => (Binds, Binds, Binds),
            Self::Dispute => (Binds, Binds, Warns),
            // An emergency breaks it, and says so.
            Self::MonthlyBudget => (Binds, Warns, Warns),
            Self::Sequencer
            | Self::CoolDown
            | Self::Breaker
            | Self::StoreShort
            | Self::NoPrice
            | Self::BaseFee => (Binds, Warns, Passes),
            Self::Repeating => (Warns, Warns, Warns),
            Self::PatienceOver => (Warns, Passes, Passes),
        };
        match urgency {
            Urgency::Routine => routine,
            Urgency::Prompt => prompt,
            Urgency::Emergency => emergency,
        }
    }

    /// The fixed word for metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Moved => "moved",
            Self::DeleverOnly => "delever_only",
            Self::StaleHead => "stale_head",
            Self::Dispute => "dispute",
            Self::RepeatLimit => "repeat_limit",
            Self::Repeating => "repeating",
            Self::Sequencer => "sequencer",
            Self::CoolDown => "cool_down",
            Self::Breaker => "breaker",
            Self::StoreShort => "store_short",
            Self::OtherInstance => "other_instance",
            Self::HardBudget => "hard_budget",
            Self::MonthlyBudget => "monthly_budget",
            Self::NoPrice => "no_price",
            Self::BaseFee => "base_fee",
            Self::PatienceOver => "patience_over",
        }
    }

    /// Whether what it holds back goes on by itself once things change (`held`), or is `refused`
    /// by what somebody said.
    pub const fn decision(self) -> &'static str {
        match self {
            Self::Paused
            | Self::Moved
            | Self::DeleverOnly
            | Self::StaleHead
            | Self::RepeatLimit => "refused",
            Self::Dispute
            | Self::Repeating
            | Self::Sequencer
            | Self::CoolDown
            | Self::Breaker
            | Self::StoreShort
            | Self::OtherInstance
            | Self::HardBudget
            | Self::MonthlyBudget
            | Self::NoPrice
            | Self::BaseFee
            | Self::PatienceOver => "held",
        }
    }
}
