//! What a working day on the campus brings: the messages, before anybody publishes them.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::audience::Who;
use super::campus::Campus;
use super::places::{DEPARTMENTS, DORMS_PER_SITE, GRADES, NOTICE_PLATFORM, SCHOOLS, SITES};
use campanile::api::v1;
use campanile::api::v1::{Channel, MessageClass};

/// Messages to one person.
pub const ONE_TO_ONE: usize = 3_000;
/// People of the campus to whom the message under the test key is addressed as well.
const REAL_UNDER_TEST: usize = 3;
/// Every message links to a page of its own here, so that a provider's receipt names the message.
const LINK: &str = "https://notice.campus.example/";

/// How a message fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The whole-school notice.
    School,
    /// A notice to some departments or tags.
    Notice,
    /// To one person, on a stream.
    OneToOne,
    /// Published for a later moment.
    Scheduled,
    /// Stopped half-way.
    Cancelled,
    /// Published with a test key.
    Test,
}

/// A message that is going to be published.
#[derive(Clone, Debug)]
pub struct Planned {
    /// How it fares.
    pub kind: Kind,
    /// The demo's own name of it, unique.
    pub reference: String,
    /// Index of the application system.
    pub system: usize,
    /// For whom.
    pub who: Who,
    /// On which channels.
    pub channels: Vec<Channel>,
    /// How urgent.
    pub class: MessageClass,
    /// What is said.
    pub title: String,
    /// What is said at length.
    pub body: String,
    /// The person on whose behalf; empty for none.
    pub sender: String,
}

impl Planned {
    /// The publish as the interface wants it.
    #[must_use]
    pub fn request(&self, campus: &Campus) -> v1::PublishRequest {
        let inline = v1::Inline {
            title: self.title.clone(),
            body: self.body.clone(),
            link: link(&self.reference),
            ..Default::default()
        };
        v1::PublishRequest {
            idempotency_key: self.reference.clone(),
            audience: Some(self.who.audience(campus)),
            content: Some(v1::Content { source: Some(v1::content::Source::Inline(inline)), ..Default::default() }),
            message_class: self.class.into(),
            channels: self.channels.iter().map(|&channel| channel.into()).collect(),
            sender_user_id: self.sender.clone(),
            reference: self.reference.clone(),
            lost_answer: match self.kind {
                // Whose answer is lost stays unknown; by default it would be tried again for minutes.
                Kind::Test => v1::LostAnswer::Never.into(),
                _ => v1::LostAnswer::Unspecified.into(),
            },
            ..Default::default()
        }
    }
}

/// The page of a message.
fn link(reference: &str) -> String {
    format!("{LINK}{reference}")
}

/// The message's name in a text that holds its link.
#[must_use]
pub fn reference_in(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once(LINK)?;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(rest.len());
    Some(&rest[..end])
}

fn planned(kind: Kind, reference: String, system: usize, who: Who, title: String, body: String) -> Planned {
    Planned {
        kind,
        reference,
        system,
        who,
        channels: vec![Channel::Email, Channel::Wechat, Channel::App],
        class: MessageClass::Notice,
        title,
        body,
        sender: String::new(),
    }
}

/// The notice to everybody over three channels.
#[must_use]
pub fn school_notice() -> Planned {
    let title = "关于2026年国庆节放假安排的通知".to_owned();
    let body = "各单位、全体师生：\n\n根据上级通知，10月1日至8日放假调休，共8天。**请做好值班和安全工作。**".to_owned();
    planned(Kind::School, "school-notice".to_owned(), NOTICE_PLATFORM, Who::Everyone, title, body)
}

/// The notice that is called back while it is going out; `try_n` counts the attempts to hit the middle.
#[must_use]
pub fn cancelled_notice(try_n: usize) -> Planned {
    let title = "关于全校停水的通知".to_owned();
    let body = "因管网检修，今日全校停水。".to_owned();
    let reference = format!("called-back-{try_n}");
    let mut plan = planned(Kind::Cancelled, reference, NOTICE_PLATFORM, Who::Everyone, title, body);
    plan.channels = vec![Channel::Email];
    plan
}

/// The notice for a later moment.
#[must_use]
pub fn scheduled_notice() -> Planned {
    let who = Who::All(vec![Who::tag("role:student"), Who::tag(format!("campus:{}", SITES[3]))]);
    let body = "校园班车今日18:00起增开两班。".to_owned();
    let mut plan =
        planned(Kind::Scheduled, "scheduled-bus".to_owned(), NOTICE_PLATFORM, who, "班车加开通知".to_owned(), body);
    plan.channels = vec![Channel::App, Channel::Wechat];
    plan
}

/// A message under a test key to simulated people of every sort, and to people who must not get it.
#[must_use]
pub fn test_message(campus: &Campus) -> Planned {
    let simulated = ["sim-sent", "sim-refused", "sim-no-address", "sim-unknown"].map(str::to_owned);
    let real = campus.people.iter().take(REAL_UNDER_TEST).map(|person| person.id.clone());
    let who = Who::Test(simulated.into_iter().chain(real).collect());
    let body = "测试消息。".to_owned();
    planned(Kind::Test, "test-key".to_owned(), NOTICE_PLATFORM, who, "联调测试".to_owned(), body)
}

/// Notices by expression: one of each school, and those of the campus-wide systems.
#[must_use]
pub fn notices(campus: &Campus) -> Vec<Planned> {
    let mut plans = Vec::new();
    for (school, (id, name, _)) in DEPARTMENTS[..SCHOOLS].iter().enumerate() {
        let system = campus.systems.len() - SCHOOLS + school;
        let grade = GRADES[school % GRADES.len()];
        let who = match *id {
            "medicine" => Who::All(vec![Who::tag("role:staff"), Who::under(*id)]),
            _ => Who::All(vec![Who::tag(format!("grade:{grade}")), Who::under(*id)]),
        };
        let title = format!("{name}关于{grade}级学生选课的通知");
        let mut plan =
            planned(Kind::Notice, format!("school-{id}"), system, who, title, "请于周五前完成选课。".to_owned());
        // The school's own sender answers for it; her grant is checked beside the application's.
        let sender = campus.senders.iter().find(|&&sender| campus.people[sender].department == school);
        plan.sender = sender.map(|&sender| campus.people[sender].id.clone()).unwrap_or_default();
        plan.channels = match school % 3 {
            0 => vec![Channel::App, Channel::Wechat],
            1 => vec![Channel::App, Channel::Email],
            _ => vec![Channel::Wechat],
        };
        plans.push(plan);
    }
    plans.extend(campus_notices());
    plans
}

fn campus_notices() -> Vec<Planned> {
    let mut plans = Vec::new();
    let mut add = |system: usize, who: Who, title: &str, channels: &[Channel]| {
        let reference = format!("notice-{:02}", plans.len());
        let mut plan = planned(Kind::Notice, reference, system, who, title.to_owned(), "详情请见链接。".to_owned());
        plan.channels = channels.to_vec();
        plans.push(plan);
    };
    for (n, site) in SITES.iter().enumerate() {
        let dorm = Who::tag(format!("dorm:{site}-{:02}", 1 + n % DORMS_PER_SITE));
        add(8, dorm, "宿舍用电安全检查", &[Channel::App, Channel::Wechat]);
        let doctors = Who::All(vec![Who::tag("degree:doctor"), Who::tag(format!("campus:{site}"))]);
        add(3, doctors, "博士生中期考核安排", &[Channel::Email, Channel::App]);
    }
    let others = Who::Not(Box::new(Who::under("medicine")));
    add(7, Who::All(vec![Who::tag("role:staff"), others]), "年度考核填报", &[Channel::Email, Channel::Wechat]);
    let seniors = Who::Any(vec![Who::tag("grade:2019"), Who::tag("grade:2020")]);
    add(11, Who::All(vec![seniors, Who::tag("degree:bachelor")]), "秋季招聘会", &[Channel::App]);
    add(10, Who::under("offices"), "职工体检预约", &[Channel::Wechat, Channel::Email]);
    let labs = Who::Any(vec![Who::under("chemistry"), Who::under("materials"), Who::under("life")]);
    add(14, labs, "危险化学品清查", &[Channel::App, Channel::Email]);
    add(16, Who::under("international-education"), "居留许可延期提醒", &[Channel::Email, Channel::App]);
    add(2, Who::All(vec![Who::tag("grade:2024"), Who::tag("degree:bachelor")]), "新生英语分级考试", &[Channel::App]);
    plans
}

/// What one system tells one person.
struct Personal {
    system: usize,
    title: &'static str,
    channels: &'static [Channel],
}

const PERSONAL: [Personal; 6] = [
    Personal { system: 4, title: "图书即将到期", channels: &[Channel::Email, Channel::App] },
    Personal { system: 5, title: "一卡通余额不足", channels: &[Channel::Wechat] },
    Personal { system: 2, title: "成绩已发布", channels: &[Channel::App, Channel::Wechat] },
    Personal { system: 6, title: "报销款已到账", channels: &[Channel::Email] },
    Personal { system: 9, title: "登录验证码", channels: &[Channel::App] },
    Personal { system: 10, title: "预约就诊提醒", channels: &[Channel::Wechat, Channel::App] },
];

/// Messages to one person each, of several systems in turn.
#[must_use]
pub fn one_to_one(seed: u64, campus: &Campus) -> Vec<Planned> {
    let mut rng = StdRng::seed_from_u64(seed.wrapping_add(1));
    let mut plans = Vec::with_capacity(ONE_TO_ONE);
    for n in 0..ONE_TO_ONE {
        let personal = &PERSONAL[n % PERSONAL.len()];
        let person = rng.random_range(0..campus.people.len());
        let name = &campus.people[person].name;
        let who = Who::People(vec![u32::try_from(person).unwrap_or(0)]);
        let body = format!("{name}：您好，{}（编号{n:05}）。", personal.title);
        let title = personal.title.to_owned();
        let mut plan = planned(Kind::OneToOne, format!("one-{n:05}"), personal.system, who, title, body);
        plan.channels = personal.channels.to_vec();
        plan.class = MessageClass::Transactional;
        plans.push(plan);
    }
    plans
}

/// The systems that send to one person.
#[must_use]
pub fn personal_systems() -> Vec<usize> {
    PERSONAL.iter().map(|personal| personal.system).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_day_has_what_is_promised_and_nobody_is_meant_in_vain() {
        let campus = Campus::draw(1, 3_000);
        let notices = notices(&campus);
        assert!(notices.len() >= 50, "{}", notices.len());
        let mut all = notices;
        all.extend(one_to_one(1, &campus));
        all.extend([school_notice(), scheduled_notice(), cancelled_notice(0)]);
        let references: HashSet<_> = all.iter().map(|plan| plan.reference.clone()).collect();
        assert_eq!(references.len(), all.len());
        for plan in &all {
            assert!(!plan.who.people(&campus).is_empty(), "{} means nobody", plan.reference);
        }
    }

    #[test]
    fn a_message_is_known_by_its_link() {
        assert_eq!(reference_in(&link("one-00017")), Some("one-00017"));
        assert_eq!(reference_in("see https://notice.campus.example/school-cs?x=1 now"), Some("school-cs"));
        assert_eq!(reference_in("https://elsewhere.example/x"), None);
    }
}
