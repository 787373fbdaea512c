//! Each side of a request that a grant must cover, as one small question.

use std::sync::Arc;

use super::{Asked, Request};
use crate::access::scope::is_everything;
use crate::audience::resolve::{Usable, unknown_tag};
use crate::domain::access::Grant;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::time::At;

/// Counts below this are not told to those who may not see the people.
const COUNT_SHOWN_MIN: u64 = 5;
const DAY_MS: i64 = 86_400_000;

/// A refusal if the grant does not cover this side of the request.
pub(super) type Check = fn(&Asked<'_>, &Grant) -> Option<Refusal>;

/// In the order in which misses count as nearer: who fails only the last one lacks least.
pub(super) const ALL: [Check; 8] = [acting, class, channels, department, tags, reach, per_message, per_day];

fn acting(asked: &Asked<'_>, grant: &Grant) -> Option<Refusal> {
    (asked.acts_for && !grant.may_act_for).then(|| {
        let advice =
            "The grant does not let the caller act for persons. Leave out sender_user_id, or ask for that right.";
        Refusal::new(Reason::SenderNotGranted, advice).field("sender_user_id")
    })
}

fn class(asked: &Asked<'_>, grant: &Grant) -> Option<Refusal> {
    let class = asked.request.class;
    (!grant.classes.contains(&class)).then(|| {
        let name = class.name();
        let message = format!("The grant does not cover the class {name}. Choose another, or ask for {name}.");
        Refusal::new(Reason::ClassNotGranted, message).field("message_class").with("class", name)
    })
}

fn channels(asked: &Asked<'_>, grant: &Grant) -> Option<Refusal> {
    let channels = asked.request.channels;
    let place = channels.iter().position(|channel| !grant.channels.contains(channel))?;
    let channel = channels[place];
    let message = format!("The grant does not cover the channel {channel}. Leave it out, or ask for it.");
    let refusal = Refusal::new(Reason::ChannelNotGranted, message);
    Some(refusal.field(format!("channels[{place}]")).with("channel", channel))
}

fn department(asked: &Asked<'_>, grant: &Grant) -> Option<Refusal> {
    let (id, tree) = (asked.request.department_id, asked.request.snapshot.tree());
    let line = tree.ancestors(id);
    let beneath = |ids: &[i64]| line.iter().any(|above| ids.contains(above));
    let named = is_everything(grant) || beneath(&grant.department_ids);
    if asked.owner_id == Some(id) || (named && grant.ceiling.as_deref().is_none_or(beneath)) {
        return None;
    }
    let name = tree.get(id).map_or("", |department| department.external_id.as_str());
    let message = format!("The grant does not let you speak for department `{name}`. Name another, or ask for it.");
    Some(Refusal::new(Reason::DepartmentNotGranted, message).field("department_id").with("department", name))
}

/// The caller may name tags of all its grants, but no publish puts the tags of one grant together with the
/// reach of another.
fn tags(asked: &Asked<'_>, grant: &Grant) -> Option<Refusal> {
    let Request { snapshot, now, tags, .. } = *asked.request;
    let usable = |name: &str| {
        let entry = snapshot.tag(name);
        entry.is_some_and(|entry| entry.tag.is_current(now) && grant.may_use(&entry.tag))
    };
    let name = tags.iter().find(|name| !usable(name))?;
    Some(unknown_tag(name, snapshot, &Usable::by(vec![Arc::new(grant.clone())], now)))
}

fn reach(asked: &Asked<'_>, grant: &Grant) -> Option<Refusal> {
    let request = asked.request;
    let outside = asked.scopes.of(grant, request.snapshot, request.now).outside(request.audience);
    if outside == 0 {
        return None;
    }
    let shown = if outside < COUNT_SHOWN_MIN { format!("< {COUNT_SHOWN_MIN}") } else { outside.to_string() };
    let message = format!(
        "Some of the audience ({shown}) lie outside grant {}. Narrow the audience, or ask for a wider grant.",
        grant.id
    );
    Some(Refusal::new(Reason::AudienceOutsideGrant, message).field("audience").with("outside", shown))
}

fn per_message(asked: &Asked<'_>, grant: &Grant) -> Option<Refusal> {
    let (people, limit) = (asked.request.audience.len(), grant.per_message?);
    (people > limit).then(|| {
        let message =
            format!("The grant allows {limit} people a message; this one is for {people}. Split it, or ask for more.");
        Refusal::new(Reason::QuotaExhausted, message)
            .field("audience")
            .with("quota", "per_message")
            .with("limit", limit)
            .with("actual", people)
    })
}

fn per_day(asked: &Asked<'_>, grant: &Grant) -> Option<Refusal> {
    let limit = grant.per_day?;
    let (people, used) = (asked.request.audience.len(), (asked.request.used_today)(grant.id));
    (used.saturating_add(people) > limit).then(|| {
        let now = asked.request.now;
        let midnight = At((now.day() + 1) * DAY_MS);
        let resets_at = jiff::Timestamp::from_millisecond(midnight.0).map(|at| at.to_string()).unwrap_or_default();
        let message = format!(
            "The grant allows {limit} people a day and {used} are used; this message is for {people}. Wait until \
             midnight UTC, or ask for more."
        );
        Refusal::new(Reason::QuotaExhausted, message)
            .with("quota", "per_day")
            .with("limit", limit)
            .with("used", used)
            .with("resets_at", resets_at)
            .after(midnight.since(now))
    })
}
