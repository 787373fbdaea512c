//! The beginning of a sync, and its rows as they come.

use std::collections::HashSet;
use std::time::Duration;

use super::spool::{Spool, USERS_MAX};
use super::{SyncDraft, SyncProgress, SyncRun, SyncTotals};
use crate::access::Caller;
use crate::directory::departments::DEPARTMENTS_MAX;
use crate::directory::{Refused, Registrar, check};
use crate::domain::directory::{UserDraft, is_external_id};
use crate::domain::id::SyncId;
use crate::domain::line;
use crate::domain::refusal::{Reason, Refusal};
use crate::store::DepartmentDraft;

impl Registrar {
    /// Begins to take over a source.
    ///
    /// # Errors
    /// `SCOPE_MISSING` without `ADMIN`, `TEST_KEY`, `ROLE_MISSING`, `FIELD_REQUIRED` and `FIELD_INVALID` of the header, `RATE_LIMITED`
    /// while this node takes over another source.
    pub fn sync(&self, caller: &Caller, draft: SyncDraft) -> Result<SyncRun, Refusal> {
        self.may_write(caller)?;
        check::external_id("header.source", &draft.source)?;
        if !(0.0..=1.0).contains(&draft.max_removed_share) {
            let message = "header.max_removed_share is a share from 0 to 1, such as 0.05; correct it.";
            return Err(Refusal::new(Reason::FieldInvalid, message).field("header.max_removed_share"));
        }
        let turn = self.syncing.clone().try_acquire_owned().map_err(|_| {
            let message = "This node takes over another source at the moment; send this one when it is done.";
            Refusal::new(Reason::RateLimited, message).after(Duration::from_secs(30))
        })?;
        Ok(SyncRun {
            registrar: self.clone(),
            draft,
            caller: caller.clone(),
            id: SyncId(self.parts.ids.next()),
            departments: Vec::new(),
            spool: Spool::default(),
            named: HashSet::new(),
            nameless: 0,
            refused: Refused::default(),
            progress: SyncProgress::default(),
            _turn: turn,
        })
    }
}

impl SyncRun {
    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> SyncProgress {
        self.progress
    }

    /// Takes one more department. The order does not matter.
    ///
    /// # Errors
    /// Those of a wrong field, `FIELD_TOO_LONG`, and `FIELD_INVALID` after the first person. Each ends the sync.
    pub fn department(&mut self, row: DepartmentDraft) -> Result<(), Refusal> {
        if self.progress.users > 0 {
            let message = "Departments come before people; send them in this order.";
            return Err(Refusal::new(Reason::FieldInvalid, message).field("department"));
        }
        line::longest("department", self.departments.len() + 1, DEPARTMENTS_MAX, "entries")?;
        check::department(&row)?;
        self.progress.departments += 1;
        self.departments.push(row);
        Ok(())
    }

    /// Takes one more person: a row, or why what the source sent is none. A row at fault is refused alone, and whom it
    /// names is left as she is.
    ///
    /// # Errors
    /// `FIELD_TOO_LONG` beyond two million people or half a gigabyte; it ends the sync.
    pub fn user(&mut self, id: &str, row: Result<UserDraft, Refusal>) -> Result<(), Refusal> {
        line::longest("user", usize::try_from(self.progress.users).unwrap_or(USERS_MAX) + 1, USERS_MAX, "entries")?;
        let place = usize::try_from(self.progress.users).unwrap_or(USERS_MAX);
        self.progress.users += 1;
        let readable = is_external_id(id);
        let first = !readable || self.named.insert(id.into());
        self.nameless += usize::from(!readable);
        let row = row.and_then(check::user).and_then(|row| if first { Ok(row) } else { Err(twice()) });
        match row {
            Ok(row) => self.spool.push(place, row),
            Err(refusal) => {
                self.refused.add(place, if readable { refusal.with("user_id", id) } else { refusal });
                Ok(())
            }
        }
    }

    /// A source that is not read to its end says nothing.
    pub(super) fn refuse_incomplete(&self, totals: SyncTotals) -> Result<(), Refusal> {
        for (field, said, read) in [
            ("end.department_count", totals.departments, self.progress.departments),
            ("end.user_count", totals.users, self.progress.users),
        ] {
            if said != read {
                let message = format!("The source counts {said} and {read} came; nothing is written. Send it again.");
                let refusal = Refusal::new(Reason::FieldInvalid, message).field(field);
                return Err(refusal.with("expected", said).with("actual", read));
            }
        }
        Ok(())
    }
}

fn twice() -> Refusal {
    let message = "The source names this person twice; take one row out.";
    Refusal::new(Reason::FieldInvalid, message).field("user.user_id")
}
