//! One assessment: heard, judged by the guard, acted on or not, and told.

use ballast_chains::Head;
use ballast_strategy_api::{Action, Decision, Urgency};

use super::{
    super::{
        accounts::Due,
        events::What,
        findings::{self, GuardNote},
        seat::Turn,
        status::{Balance, LastDecision},
    },
    ProductTask, Record,
    asked::{self, Dealing},
};
use crate::{
    guard::{self, Circumstances, Verdict},
    submission::{LaneError, Pursuit},
};

impl ProductTask {
    /// Acts on the newest assessment in the mailbox, if there is one.
    pub(crate) async fn take_pending_turn(&mut self) {
        let turn = self.mailbox.turns.borrow_and_update().clone();
        let Some(turn) = turn else { return };
        let (dealing, asked) = self.asking.take(&turn);
        if dealing == Dealing::Skip {
            return;
        }
        let rehearses = dealing == Dealing::Rehearse;
        let (decision, guard) = self.take_turn(&turn, rehearses).await;
        let told = (!asked.is_empty()).then(|| decision.clone());
        if !rehearses {
            self.recorder.publish(decision, guard);
        }
        if let Some(told) = told {
            asked::answer(&self.config.name, &self.shared.board, asked, &told);
        }
    }

    /// Decides on one assessment, and acts on it unless it is only rehearsed.
    async fn take_turn(&mut self, turn: &Turn, rehearses: bool) -> (LastDecision, Vec<GuardNote>) {
        if let Some(wei) = turn.balance {
            let balance = Balance { wei, block: turn.head.number };
            self.shared.board.balance(&self.config.name, balance);
            self.lane.told_balance(wei, &turn.head);
            self.show_balance(wei);
        }
        let mut record = Record::new(turn.head, Vec::new());
        match &turn.outcome {
            Ok(assessment) => {
                record.observations.clone_from(&assessment.observations);
                if !rehearses {
                    let strategy = self.strategy();
                    self.lane.reassessed(assessment, &turn.head, strategy.as_deref());
                }
            }
            Err(_) => self.lane.unread(),
        }
        if !self.hear_what_it_acts_on(turn, &mut record).await {
            return record.into_decision();
        }
        match &turn.outcome {
            Ok(assessment) => match &assessment.decision {
                Decision::Wait { reason, .. } => {
                    if self.counts_blocks() && !rehearses {
                        self.accounts.nothing_due().await;
                    }
                    record.say("wait", reason, "");
                }
                Decision::Blocked { reason, detail } => record.say("blocked", reason, detail),
                Decision::Act(action) => {
                    self.act(action.clone(), turn.head, rehearses, &mut record).await;
                }
            },
            Err(failure) => record.say("error", failure.reason, &failure.detail),
        }
        self.show_current();
        record.into_decision()
    }

    async fn act(&mut self, action: Action, found_at: Head, rehearses: bool, record: &mut Record) {
        record.due(&action);
        // Found at an older head? It is simulated at the newest one. Found at a head that a
        // reorganisation has taken away? Then it answers a state that may not exist.
        let head = (*self.mailbox.heads.borrow()).unwrap_or(found_at);
        if head.number < found_at.number {
            return record.say("refused", "its block was reorganised away", "");
        }
        let Some(strategy) = self.strategy() else {
            return record.say("error", "strategy not connected", "");
        };
        // Judged late, or again: the branch that it was found on may be gone by now.
        if self.lane.is_in_chain((&found_at).into(), &head).await == Some(false) {
            return record.say("refused", "its block was reorganised away", "");
        }
        let due = self.first_due(&action, &found_at).await;
        let Some(past) = self.accounts.past() else {
            return record.say("error", "the journal cannot be read", "");
        };
        let circumstances = Circumstances {
            dry_run: self.config.dry_run || rehearses,
            first_due: due.map(|due| due.at),
            due_for_blocks: due.map_or(0, |due| found_at.number.saturating_sub(due.block)),
            ..self.circumstances(&head, past)
        };
        let judgement = guard::judge(action, &circumstances, &self.config.limits);
        record.guard = findings::of(&judgement);
        record.notes = findings::beside(&judgement);
        match judgement.verdict {
            Verdict::Refuse(finding) => {
                record.say(finding.row.decision(), finding.reason, &finding.detail);
            }
            Verdict::Rehearse(rehearsal) => {
                let planned = self.lane.plan(&rehearsal, &head, strategy.as_ref()).await;
                self.say_pursuit(planned, rehearsal.reason, record);
            }
            Verdict::Permit(permit) => {
                let pursued = self.lane.pursue(permit, &head, strategy.as_ref()).await;
                match pursued {
                    Ok(_) => self.accounts.signed(),
                    Err(_) => self.accounts.changed(),
                }
                self.say_pursuit(pursued, "", record);
            }
        }
    }

    /// Since when the action is due, where somebody wants to know.
    async fn first_due(&mut self, action: &Action, found_at: &Head) -> Option<Due> {
        let limits = &self.config.limits;
        let budget = limits.monthly_budget.or(limits.hard_budget).is_some();
        let waits = limits.routine_base_fee.is_some() || budget;
        if self.counts_blocks() || (waits && action.urgency == Urgency::Routine) {
            Some(self.accounts.first_due(action, found_at).await)
        } else {
            None
        }
    }

    /// Whether it matters for how many blocks something has been due.
    fn counts_blocks(&self) -> bool {
        self.config.limits.act_after_blocks > 0
    }

    fn say_pursuit(
        &self,
        result: Result<Pursuit, LaneError>,
        rehearsed: &str,
        record: &mut Record,
    ) {
        match result {
            Ok(pursuit) => {
                let reason =
                    if rehearsed.is_empty() { pursuit.reason() } else { rehearsed.to_owned() };
                record.say(pursuit.kind(), &reason, &pursuit.to_string());
                if let Pursuit::Sent { .. } = pursuit {
                    // Rides along with the next block's reads; who sends again need not ask for it.
                    self.mailbox.want_balance();
                    let text = pursuit.to_string();
                    let what = What::Transaction { step: "sent", text, incident: None };
                    self.emit(record.head, what);
                }
            }
            Err(error) => record.say("error", error.reason(), &crate::error_chain(&error)),
        }
    }
}
