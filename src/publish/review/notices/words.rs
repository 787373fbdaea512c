//! What people are told of reviews, in Chinese and in English.

use crate::domain::review::{Decision, Review, ReviewState};
use crate::domain::time::At;
use crate::publish::review::status::remark;
use crate::store::MessageRow;

/// What there is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// Please decide.
    Asked,
    /// Please decide, half of the time is over.
    Reminded,
    /// It was sent at once; please look at it.
    Sent,
    /// What was approved is no longer what would be sent.
    Paused,
    /// How it ended.
    Ended,
}

/// What the words are about.
pub(super) struct Words<'a> {
    pub(super) row: &'a MessageRow,
    pub(super) review: &'a Review,
    pub(super) department: String,
    pub(super) time_zone: &'a str,
}

/// Characters of a message's title that stand in a title of ours.
const TITLE_CHARS: usize = 80;

impl Words<'_> {
    /// One line.
    pub(super) fn title(&self, case: Case) -> String {
        let title: String = self.row.content.title.chars().take(TITLE_CHARS).collect();
        let what = match case {
            Case::Asked => "请审核 Please review",
            Case::Reminded => "提醒审核 Still to be reviewed",
            Case::Sent => "紧急消息已发出 An emergency message went out",
            Case::Paused => "消息已暂停 Your message paused",
            Case::Ended => match self.review.state {
                ReviewState::Approved => "审核通过 Approved",
                ReviewState::SentBack => "退回修改 Sent back",
                ReviewState::Lapsed => "审核超时，未发送 Not reviewed in time",
                _ => "审核未通过 Refused",
            },
        };
        format!("{what}: {title}")
    }

    /// The rest.
    pub(super) fn body(&self, case: Case) -> String {
        let (id, people) = (self.row.facts.id, self.review.opening.people);
        let (department, until) = (&self.department, self.time(self.review.opening.lapse_at));
        let show = format!("`campanile review show {id}`");
        match case {
            Case::Asked | Case::Reminded => format!(
                "{department} 的一条消息将发给 {people} 人，须经审核方可发送。请在 {until} 之前查看并决定：{show}。\n\n\
                 A message of {department} to {people} people waits for a second person. Look at it and decide before \
                 {until}: {show}."
            ),
            Case::Sent => format!(
                "{department} 的一条紧急消息已立即发给 {people} 人，请事后审核：{show}。\n\n\
                 An emergency message of {department} went out to {people} people at once. Look at it afterwards: {show}."
            ),
            Case::Paused => format!(
                "这条消息（{id}）的内容、渠道或人数与审核时不同，已暂停并重新提请审核。\n\n\
                 Content, channels or number of people of your message {id} are no longer what was approved. It paused, \
                 and reviewers are asked again."
            ),
            Case::Ended => self.ended(),
        }
    }

    fn ended(&self) -> String {
        let id = self.row.facts.id;
        let (chinese, english) = match self.review.state {
            ReviewState::Approved => ("已通过审核".to_owned(), "was approved.".to_owned()),
            ReviewState::SentBack => {
                let why = remark(self.review, Decision::SendBack);
                (format!("被审核人退回{why}"), format!("was sent back{why}"))
            }
            ReviewState::Lapsed => {
                ("在规定时间内无人审核，没有发送".to_owned(), "was not reviewed in time and not sent.".to_owned())
            }
            _ => {
                let why = remark(self.review, Decision::Refuse);
                (format!("未通过审核{why}"), format!("was refused{why}"))
            }
        };
        format!("消息 {id} {chinese}。\n\nMessage {id} {english}")
    }

    /// A time as people here read it.
    fn time(&self, at: At) -> String {
        let zoned = jiff::Timestamp::from_millisecond(at.0).ok().and_then(|at| at.in_tz(self.time_zone).ok());
        zoned.map_or_else(|| "?".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M %Z").to_string())
    }
}
