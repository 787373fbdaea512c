//! Totals over days, from the rollup and the running counts. A day is the UTC day on which a message was
//! accepted; a report over campus days is off by the zone's difference at its edges.

use std::collections::{BTreeMap, BTreeSet};

use super::{Reporter, Sight};
use crate::access::Caller;
use crate::domain::access::{KeyScope, Mode, Principal};
use crate::domain::channel::Channel;
use crate::domain::class::Class;
use crate::domain::outcome::Outcome;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::time::At;
use crate::store::{RollupFilter, RollupRow};

/// The longest span of a report, in days.
const DAYS_MAX: i64 = 3_660;

/// What a report is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupBy {
    /// Month, UTC.
    Month,
    /// Day, UTC.
    Day,
    /// The department that spoke.
    Department,
    /// Who published.
    Principal,
    /// The channel.
    Channel,
    /// The class.
    Class,
    /// The outcome.
    Outcome,
}

/// Which totals.
#[derive(Clone, Debug)]
pub struct TotalsQuery {
    /// The first day is the one that holds this moment.
    pub from: At,
    /// Days that begin before this moment count; default now.
    pub to: Option<At>,
    /// What to divide by; empty gives one row.
    pub group_by: Vec<GroupBy>,
    /// Only this publisher; default: all that the caller may see.
    pub principal: Option<Principal>,
    /// External id of a department; only it and those below it.
    pub department_id: Option<String>,
    /// Only this channel.
    pub channel: Option<Channel>,
}

/// The total of one group. What the report is not divided by is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TotalRow {
    /// Month, such as `2021-03`.
    pub month: Option<String>,
    /// Day, such as `2021-03-31`.
    pub day: Option<String>,
    /// External id of the department that spoke; its key if the department is unknown.
    pub department_id: Option<String>,
    /// Who published.
    pub principal: Option<Principal>,
    /// The channel.
    pub channel: Option<Channel>,
    /// The class.
    pub class: Option<Class>,
    /// The outcome.
    pub outcome: Option<Outcome>,
    /// Deliveries: one person on one channel of one message.
    pub deliveries: u64,
}

impl Reporter {
    /// Totals of live messages, ordered by their groups.
    ///
    /// Errors: `TEST_KEY`, `SCOPE_MISSING`, `FIELD_INVALID` for a span that ends before it begins or is longer
    /// than ten years, `UNKNOWN_DEPARTMENT`.
    pub async fn totals(&self, caller: &Caller, query: &TotalsQuery) -> Result<Vec<TotalRow>, Refusal> {
        let sight = self.sight(caller);
        let principal = readable_principal(&sight, query.principal)?;
        let days = days(query.from, query.to.unwrap_or_else(|| self.clock.now()))?;
        let departments = query.department_id.as_deref().map(|id| self.departments_under(id)).transpose()?;
        let fits = |row: &RollupRow| {
            principal.is_none_or(|only| only == row.principal)
                && (sight.reach.is_nowhere() || sight.reach.covers(row.department_id, sight.snapshot.tree()))
                && departments.as_ref().is_none_or(|under: &BTreeSet<i64>| under.contains(&row.department_id))
                && query.channel.is_none_or(|only| only == row.channel)
                && row.n > 0
        };
        let rows = self.store.reports.rollup(days).await?;
        let snapshot = self.index.snapshot();
        let department_name = |id: i64| {
            snapshot.tree().get(id).map_or_else(|| id.to_string(), |department| department.external_id.clone())
        };
        let mut totals: BTreeMap<TotalRow, u64> = BTreeMap::new();
        for row in rows.iter().filter(|row| fits(row)) {
            *totals.entry(group_of(row, &query.group_by, &department_name)).or_default() += row.n;
        }
        Ok(totals.into_iter().map(|(group, deliveries)| TotalRow { deliveries, ..group }).collect())
    }
}

/// Whose messages are counted: with an office whoever was asked for, as far as it reaches; otherwise the caller's.
fn readable_principal(sight: &Sight<'_>, wanted: Option<Principal>) -> Result<Option<Principal>, Refusal> {
    let caller = sight.caller;
    if caller.mode() == Mode::Test {
        return Err(Refusal::new(Reason::TestKey, "Reports count live messages; use a live key."));
    }
    if !sight.reach.is_nowhere() {
        return Ok(wanted);
    }
    let own = wanted.is_none_or(|wanted| wanted == caller.principal);
    let missing = if own { KeyScope::Read } else { KeyScope::Admin };
    if own && caller.may(KeyScope::Read) {
        return Ok(Some(caller.principal));
    }
    let message = format!("This report needs a key with the scope {}.", missing.name());
    Err(Refusal::new(Reason::ScopeMissing, message).with("scope", missing.name()))
}

fn days(from: At, to: At) -> Result<RollupFilter, Refusal> {
    let filter = RollupFilter { from_day: from.day(), to_day: At(to.0.saturating_sub(1)).day() };
    if to <= from || filter.to_day - filter.from_day > DAYS_MAX {
        let message = "The end of the span must come after its start, at most ten years later.";
        return Err(Refusal::new(Reason::FieldInvalid, message).field("end_at"));
    }
    Ok(filter)
}

fn group_of(row: &RollupRow, group_by: &[GroupBy], department_name: &dyn Fn(i64) -> String) -> TotalRow {
    let mut group = TotalRow::default();
    for by in group_by {
        match by {
            GroupBy::Month => group.month = date(row.day).map(|day| day.strftime("%Y-%m").to_string()),
            GroupBy::Day => group.day = date(row.day).map(|day| day.to_string()),
            GroupBy::Department => group.department_id = Some(department_name(row.department_id)),
            GroupBy::Principal => group.principal = Some(row.principal),
            GroupBy::Channel => group.channel = Some(row.channel),
            GroupBy::Class => group.class = Some(row.class),
            GroupBy::Outcome => group.outcome = Some(row.outcome),
        }
    }
    group
}

/// The civil date of a day since 1970.
fn date(day: i64) -> Option<jiff::civil::Date> {
    let span = jiff::Span::new().try_days(day).ok()?;
    jiff::civil::date(1970, 1, 1).checked_add(span).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_its_date_and_month() {
        let row = RollupRow {
            day: 20_544,
            principal: Principal::Person(1),
            department_id: 3,
            channel: Channel::Email,
            class: Class::Notice,
            outcome: Outcome::Sent,
            n: 5,
        };
        let group = group_of(&row, &[GroupBy::Day, GroupBy::Month, GroupBy::Department], &|id| format!("d{id}"));
        assert_eq!(group.day.as_deref(), Some("2026-04-01"));
        assert_eq!(group.month.as_deref(), Some("2026-04"));
        assert_eq!((group.department_id.as_deref(), group.channel), (Some("d3"), None));
    }

    #[test]
    fn a_span_that_ends_at_midnight_leaves_the_next_day_out() {
        let day = 86_400_000;
        let filter = days(At(0), At(2 * day)).unwrap();
        assert_eq!((filter.from_day, filter.to_day), (0, 1));
        assert!(days(At(day), At(day)).is_err());
    }
}
