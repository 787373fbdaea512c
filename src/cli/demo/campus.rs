//! A campus drawn from a seed: the same seed gives the same people, addresses and tags. What the checker expects is
//! worked out from here, never from what the service says.

use std::collections::HashMap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::names;
use super::places::{
    CAMPUS_SYSTEMS, DEGREES, DEPARTMENTS, DORMS_PER_SITE, FACULTY, GRADES, INBOX_GATEWAY, ROOT, SCHOOLS, SITES,
};
use campanile::api::v1;

/// How many people may send.
pub const SENDERS: usize = 259;
/// How many of a hundred people are staff.
const STAFF_OF_HUNDRED: usize = 12;
/// How many of a thousand people have no mailbox, and how many no WeCom account.
const NO_MAILBOX_OF_THOUSAND: u32 = 20;
const NO_WECOM_OF_THOUSAND: u32 = 15;
/// One person in so many has an address that its provider treats badly.
const GONE_EVERY: usize = 997;
const FULL_EVERY: usize = 1_499;
const LEFT_EVERY: usize = 1_201;

/// A person of the campus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Student or staff number.
    pub id: String,
    /// Name as written.
    pub name: String,
    /// Index into [`DEPARTMENTS`].
    pub department: usize,
    /// Staff or student.
    pub staff: bool,
    /// Mailbox, if any.
    pub mailbox: Option<String>,
    /// WeCom id, if any.
    pub wecom: Option<String>,
    /// Tags as `key:value`.
    pub tags: Vec<String>,
}

/// A connected application system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    /// Its name.
    pub title: String,
    /// Id of the owning department.
    pub department: &'static str,
    /// Reaches the whole campus, not only its department.
    pub campus_wide: bool,
    /// Issues inbox tokens.
    pub inbox_gateway: bool,
}

/// Everything that is loaded.
#[derive(Clone, Debug)]
pub struct Campus {
    /// Staff first, then students by grade and department.
    pub people: Vec<Person>,
    /// The 59 application systems.
    pub systems: Vec<System>,
    /// Indices of the people who may send.
    pub senders: Vec<usize>,
    by_id: HashMap<String, u32>,
    by_mailbox: HashMap<String, u32>,
    by_wecom: HashMap<String, u32>,
    /// Numbers of the departments by id; the root has the one after the last.
    departments: HashMap<&'static str, usize>,
    /// The number of the department above, per department.
    parents: Vec<usize>,
}

impl Campus {
    /// Draws a campus of so many people.
    #[must_use]
    pub fn draw(seed: u64, size: usize) -> Campus {
        let mut rng = StdRng::seed_from_u64(seed);
        let staff = size * STAFF_OF_HUNDRED / 100;
        let mut people: Vec<_> = (0..staff).map(|n| staff_member(&mut rng, n)).collect();
        people.extend((0..size - staff).map(|n| student(&mut rng, n, size - staff)));
        for (n, person) in people.iter_mut().enumerate() {
            if !spoil_addresses(n, person) {
                drop_addresses(&mut rng, person);
            }
        }
        // Senders are spread over the staff, so that every department has some.
        let senders = (0..SENDERS.min(staff)).map(|n| n * staff / SENDERS.min(staff).max(1)).collect();
        Campus::of(people, systems(), senders)
    }

    fn of(people: Vec<Person>, systems: Vec<System>, senders: Vec<usize>) -> Campus {
        let index = |text: &dyn Fn(&Person) -> Option<String>| {
            let numbered = (0u32..).zip(&people);
            numbered.filter_map(|(n, person)| Some((text(person)?, n))).collect()
        };
        let ids = DEPARTMENTS.iter().map(|(id, _, _)| *id).chain([ROOT.0]);
        let departments: HashMap<_, _> = ids.zip(0..).collect();
        Campus {
            parents: DEPARTMENTS.iter().map(|(_, _, parent)| departments[parent]).collect(),
            departments,
            by_id: index(&|person| Some(person.id.clone())),
            by_mailbox: index(&|person| person.mailbox.clone()),
            by_wecom: index(&|person| person.wecom.clone()),
            people,
            systems,
            senders,
        }
    }

    /// The person with this number.
    #[must_use]
    pub fn with_id(&self, id: &str) -> Option<u32> {
        self.by_id.get(id).copied()
    }

    /// The person reached at an address of a channel.
    #[must_use]
    pub fn at(&self, channel: v1::Channel, address: &str) -> Option<u32> {
        match channel {
            v1::Channel::Email => self.by_mailbox.get(address).copied(),
            v1::Channel::Wechat => self.by_wecom.get(address).copied(),
            _ => self.with_id(address),
        }
    }

    /// Whether a person belongs to a department or one under it.
    #[must_use]
    pub fn is_under(&self, person: &Person, department: &str) -> bool {
        let Some(&target) = self.departments.get(department) else { return false };
        let mut at = person.department;
        while at != target {
            match self.parents.get(at) {
                Some(&parent) => at = parent,
                None => return false,
            }
        }
        true
    }

    /// Whether a channel's provider takes deliveries to the person.
    #[must_use]
    pub fn reachable(&self, person: u32, channel: v1::Channel) -> bool {
        let person = &self.people[person as usize];
        match channel {
            v1::Channel::Email => person.mailbox.as_ref().is_some_and(|mailbox| !mailbox.starts_with("gone.")),
            v1::Channel::Wechat => person.wecom.as_ref().is_some_and(|wecom| !wecom.starts_with("left_")),
            _ => true,
        }
    }
}

impl Person {
    /// The person as the interface wants it.
    #[must_use]
    pub fn upsert(&self) -> v1::UpsertUsersRequest {
        let address = |channel: v1::Channel, value: &Option<String>| {
            let value = value.clone()?;
            Some(v1::Address { channel: channel.into(), value, ..Default::default() })
        };
        let addresses = [address(v1::Channel::Email, &self.mailbox), address(v1::Channel::Wechat, &self.wecom)];
        let user = v1::User {
            user_id: self.id.clone(),
            name: self.name.clone(),
            primary_department_id: DEPARTMENTS[self.department].0.to_owned(),
            addresses: addresses.into_iter().flatten().collect(),
            tags: self.tags.clone(),
            ..Default::default()
        };
        v1::UpsertUsersRequest { user: Some(user) }
    }
}

fn systems() -> Vec<System> {
    let campus = CAMPUS_SYSTEMS.iter().enumerate().map(|(n, (title, department))| System {
        title: (*title).to_owned(),
        department,
        campus_wide: true,
        inbox_gateway: n == INBOX_GATEWAY,
    });
    let schools = DEPARTMENTS[..SCHOOLS].iter().map(|(department, name, _)| System {
        title: format!("{name}办公系统"),
        department,
        campus_wide: false,
        inbox_gateway: false,
    });
    campus.chain(schools).collect()
}

fn staff_member(rng: &mut StdRng, n: usize) -> Person {
    let name = names::draw(rng);
    let id = format!("1{n:06}");
    Person {
        mailbox: Some(format!("{}.{n}@campus.example", name.pinyin)),
        wecom: Some(id.clone()),
        id,
        name: name.shown,
        department: n % DEPARTMENTS.len(),
        staff: true,
        tags: vec!["role:staff".to_owned(), format!("campus:{}", SITES[rng.random_range(0..SITES.len())])],
    }
}

/// Students come in the order of grade and school, so that both become runs in the service's sets.
fn student(rng: &mut StdRng, n: usize, all: usize) -> Person {
    let grade_index = n * GRADES.len() / all;
    let grade = GRADES[grade_index];
    let grade_start = (grade_index * all).div_ceil(GRADES.len());
    let grade_size = ((grade_index + 1) * all).div_ceil(GRADES.len()) - grade_start;
    let schools: Vec<_> = (0..SCHOOLS).filter(|&school| DEPARTMENTS[school].0 != FACULTY).collect();
    let school = schools[(n - grade_start) * schools.len() / grade_size];
    let name = names::draw(rng);
    let id = format!("{grade}{school:02}{n:05}");
    let site = SITES[school % SITES.len()];
    Person {
        mailbox: Some(format!("{id}@stu.campus.example")),
        wecom: Some(id.clone()),
        id,
        name: name.shown,
        department: school,
        staff: false,
        tags: vec![
            "role:student".to_owned(),
            format!("grade:{grade}"),
            format!("degree:{}", degree(rng)),
            format!("campus:{site}"),
            format!("dorm:{site}-{:02}", rng.random_range(1..=DORMS_PER_SITE)),
        ],
    }
}

fn degree(rng: &mut StdRng) -> &'static str {
    let mut left = rng.random_range(0..100);
    for (degree, share) in DEGREES {
        if left < share {
            return degree;
        }
        left -= share;
    }
    DEGREES[0].0
}

fn drop_addresses(rng: &mut StdRng, person: &mut Person) {
    if rng.random_range(0..1_000) < NO_MAILBOX_OF_THOUSAND {
        person.mailbox = None;
    }
    // Who lacks one address more often lacks the other as well.
    let share = if person.mailbox.is_none() { 10 * NO_WECOM_OF_THOUSAND } else { NO_WECOM_OF_THOUSAND };
    if rng.random_range(0..1_000) < share {
        person.wecom = None;
    }
}

/// A few addresses lead nowhere or are full, at fixed places, so that even a small campus has some of each. Returns
/// whether this person's are.
fn spoil_addresses(n: usize, person: &mut Person) -> bool {
    let (address, prefix) = if n % GONE_EVERY == 5 {
        (&mut person.mailbox, "gone.")
    } else if n % FULL_EVERY == 7 {
        (&mut person.mailbox, "full.")
    } else if n % LEFT_EVERY == 9 {
        (&mut person.wecom, "left_")
    } else {
        return false;
    };
    *address = address.take().map(|address| format!("{prefix}{address}"));
    true
}

/// The id of the campus as a whole.
#[must_use]
pub fn root() -> &'static str {
    ROOT.0
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use campanile::domain::channel::Channel;

    #[test]
    fn the_same_seed_draws_the_same_campus() {
        let (one, two, other) = (Campus::draw(7, 3_000), Campus::draw(7, 3_000), Campus::draw(8, 3_000));
        assert_eq!(one.people, two.people);
        assert_ne!(one.people, other.people);
    }

    #[test]
    fn a_campus_has_the_shape_that_is_promised() {
        let campus = Campus::draw(1, 50_000);
        assert_eq!((campus.people.len(), campus.systems.len(), campus.senders.len()), (50_000, 59, 259));
        let ids: HashSet<_> = campus.people.iter().map(|person| &person.id).collect();
        let mailboxes: HashSet<_> = campus.people.iter().filter_map(|person| person.mailbox.as_ref()).collect();
        assert_eq!(ids.len(), 50_000);
        let none = campus.people.iter().filter(|person| person.mailbox.is_none()).count();
        assert_eq!(mailboxes.len() + none, 50_000, "no two share a mailbox");
        assert!((700..1_300).contains(&none), "{none}");
        assert!(campus.people.iter().any(|person| person.mailbox.is_none() && person.wecom.is_none()));
        for person in &campus.people {
            assert!(person.mailbox.as_ref().is_none_or(|address| Channel::Email.accepts_address(address)));
            assert!(person.wecom.as_ref().is_none_or(|address| Channel::Wechat.accepts_address(address)));
        }
    }

    #[test]
    fn even_a_small_campus_has_addresses_of_every_bad_kind() {
        let campus = Campus::draw(1, 2_000);
        let starts = |prefix: &str| {
            campus.people.iter().any(|person| {
                [&person.mailbox, &person.wecom].into_iter().flatten().any(|address| address.starts_with(prefix))
            })
        };
        assert!(["gone.", "full.", "left_"].into_iter().all(starts));
    }

    #[test]
    fn departments_contain_those_under_them() {
        let campus = Campus::draw(1, 2_000);
        let nurse = campus.people.iter().find(|person| DEPARTMENTS[person.department].0 == "nursing").unwrap();
        let under = |department: &str| campus.is_under(nurse, department);
        assert!(under("nursing") && under("medicine") && under(root()));
        assert!(!under("cs") && !under("clinical") && !under("nowhere"));
    }
}
