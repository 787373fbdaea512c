//! The bulk write of users, decided without a database: from the rows and from what is kept to what is written.

mod write;

use std::collections::{BTreeSet, HashMap, HashSet};

use super::members::MemberChanges;
pub(super) use write::Write;

use super::{Error, Result, RowError, UsersWritten, refuse};
use crate::domain::address::{Address, AddressDraft};
use crate::domain::channel::Channel;
use crate::domain::directory::{ADMINISTRATOR_ID, SIMULATED, UserDraft, UserKind, UserStatus};
use crate::domain::refusal::Refusal;
use crate::domain::set::Set;
use crate::domain::tag::{Tag, TagKind, unreachable};

/// The external ids and names in some rows, each once, sorted: what a backend looks up.
#[derive(Debug)]
pub(super) struct Names {
    /// Of users, further ids included.
    pub(super) users: Vec<String>,
    /// Of departments.
    pub(super) departments: Vec<String>,
    /// Of tags.
    pub(super) tags: Vec<String>,
}

/// What the store keeps of [`Names`], and where its counters stand. Nobody else may write until the plan is.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Whose each of the ids is, be it the external one or a further one.
    pub(super) ids: HashMap<String, u32>,
    /// Those users.
    pub(super) users: HashMap<u32, Kept>,
    /// The department's key and that of its tag, by external id.
    pub(super) departments: HashMap<String, (i64, i64)>,
    /// Static tags and rules by name.
    pub(super) tags: HashMap<String, (TagKind, i64)>,
    /// All tags that follow from addresses and status, by kind and name.
    pub(super) implied: HashMap<(TagKind, String), i64>,
    /// The number of the last change.
    pub(super) seq: i64,
    /// The next ordinal that nobody has.
    pub(super) ordinal: i64,
}

/// A user who is there.
#[derive(Debug)]
pub(super) struct Kept {
    /// The institution's id.
    pub(super) external_id: String,
    /// Its version.
    pub(super) version: i64,
    /// What is kept.
    pub(super) entry: Entry,
}

/// A user as its rows say, with names resolved. Lists are sorted and hold nothing twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// What it is.
    pub(super) kind: UserKind,
    /// The shown name.
    pub(super) name: String,
    /// Where the person stands.
    pub(super) status: UserStatus,
    /// BCP 47.
    pub(super) locale: String,
    /// Further ids.
    pub(super) alias_ids: Vec<String>,
    /// The key of the primary department.
    pub(super) primary_id: Option<i64>,
    /// The source that looks after it.
    pub(super) source_id: Option<i64>,
    /// Where it can be reached; see [`sort`].
    pub(super) addresses: Vec<Address>,
    /// Static tags and tags of departments.
    pub(super) tag_ids: Vec<i64>,
}

/// The number of a source that was never written.
pub(super) const NO_SOURCE: i64 = 0;

/// What is to be written, in this order: tags with their changes, the change of the users, then rows and sets.
#[derive(Debug)]
pub(super) struct Plan {
    /// What to answer, but for the change number.
    pub(super) written: UsersWritten,
    /// New tags. Their ids are the numbers of their changes, which follow one another from [`Known::seq`].
    pub(super) tags: Vec<Tag>,
    /// New and changed users by ordinal: rows are written in the order of their keys.
    pub(super) users: Vec<Write>,
    /// The ordinals of new users.
    pub(super) created: Set,
    /// Those who no longer receive.
    pub(super) leaving: Set,
    /// The ordinals of those whose further ids are others than before.
    pub(super) renamed: Set,
    /// What [`Known::ordinal`] is afterwards.
    pub(super) ordinal: i64,
    /// Who comes into sets and who goes out.
    pub(super) members: MemberChanges,
}

impl Names {
    /// Those in the rows.
    pub(super) fn of(rows: &[UserDraft]) -> Names {
        let once = |names: BTreeSet<&String>| names.into_iter().cloned().collect();
        Names {
            users: once(rows.iter().flat_map(|row| row.alias_ids.iter().chain([&row.external_id])).collect()),
            departments: once(
                rows.iter().flat_map(|row| row.departments.iter().chain(&row.primary_department)).collect(),
            ),
            tags: once(rows.iter().flat_map(|row| &row.tags).collect()),
        }
    }
}

impl Entry {
    /// Whether two entries say the same but for their source.
    pub(super) fn says_as_much_as(&self, other: &Entry) -> bool {
        let Entry { kind, name, status, locale, alias_ids, primary_id, source_id: _, addresses, tag_ids } = self;
        (kind, name, status, locale) == (&other.kind, &other.name, &other.status, &other.locale)
            && (alias_ids, primary_id) == (&other.alias_ids, &other.primary_id)
            && (addresses, tag_ids) == (&other.addresses, &other.tag_ids)
    }
}

impl Known {
    /// Takes departments that will be there for such as are.
    pub(super) fn expect(&mut self, coming: &HashSet<String>, named: &[String]) {
        for (number, id) in (1..).zip(named.iter().filter(|id| coming.contains(*id))) {
            // No key is below 0.
            self.departments.entry(id.clone()).or_insert((-number, -number));
        }
    }
}

/// Puts addresses into the order in which entries compare.
pub(super) fn sort(addresses: &mut [Address]) {
    addresses.sort_unstable_by(|a, b| (a.channel, &a.value).cmp(&(b.channel, &b.value)));
}

/// Decides the rows in their order, in the name of a source or of none. A refused row is left out, the others are
/// written; of two rows of one user the last stands.
pub(super) fn plan(rows: Vec<UserDraft>, known: Known, source_id: Option<i64>) -> Result<Plan> {
    let seq = known.seq;
    let mut bulk = Bulk { known, source_id, seq, tags: Vec::new(), users: Vec::new(), places: HashMap::new() };
    let mut written = UsersWritten::default();
    for (row, draft) in rows.into_iter().enumerate() {
        match bulk.resolve(&draft) {
            Ok(wanted) => match bulk.put(draft.external_id, wanted)? {
                Done::Created => written.created += 1,
                Done::Updated => written.updated += 1,
                Done::Unchanged => written.unchanged += 1,
            },
            Err(refusal) => written.errors.push(RowError { row, refusal }),
        }
    }
    // A user may be back at what is kept after two rows.
    let mut users = std::mem::take(&mut bulk.users);
    users.retain(|write| write.kept.as_ref() != Some(&write.wanted));
    users.sort_unstable_by_key(|write| write.ordinal);
    let mut members = MemberChanges::default();
    for write in &users {
        let kept = write.kept.as_ref().map_or_else(Vec::new, |kept| bulk.sets(kept));
        let wanted = bulk.sets(&write.wanted);
        kept.iter().filter(|id| !wanted.contains(id)).for_each(|gone| members.remove(*gone, write.ordinal));
        wanted.iter().filter(|id| !kept.contains(id)).for_each(|new| members.add(*new, write.ordinal));
    }
    let created = users.iter().filter(|write| write.kept.is_none()).map(|write| write.ordinal).collect();
    let renames = |write: &&Write| write.new_aliases().chain(write.gone_aliases()).next().is_some();
    let renamed = users.iter().filter(renames).map(|write| write.ordinal).collect();
    let leaves = |write: &&Write| {
        write.kept.as_ref().is_some_and(|kept| kept.status.receives()) && !write.wanted.status.receives()
    };
    let leaving = users.iter().filter(leaves).map(|write| write.ordinal).collect();
    Ok(Plan { written, tags: bulk.tags, users, created, renamed, leaving, ordinal: bulk.known.ordinal, members })
}

/// One bulk write under way.
struct Bulk {
    known: Known,
    source_id: Option<i64>,
    /// The number of the last change, new tags included.
    seq: i64,
    tags: Vec<Tag>,
    users: Vec<Write>,
    /// Where in `users` an ordinal stands.
    places: HashMap<u32, usize>,
}

/// What became of a row.
enum Done {
    Created,
    Updated,
    Unchanged,
}

impl Bulk {
    /// The row with its names resolved, creating tags that are new. Every refusal comes before anything is
    /// created.
    fn resolve(&mut self, draft: &UserDraft) -> std::result::Result<Entry, Refusal> {
        if is_own(&draft.external_id) {
            return Err(refuse::own_user());
        }
        if draft.kind == UserKind::Group && !draft.tags.is_empty() {
            return Err(refuse::groups_have_no_tags("user.tags"));
        }
        let kept = self.known.ids.get(&draft.external_id).and_then(|ordinal| self.known.users.get(ordinal));
        if draft.version.is_some_and(|meant| kept.is_none_or(|kept| kept.version != meant)) {
            return Err(refuse::changed_meanwhile("user.etag"));
        }
        let source_id = self.source_of(kept)?;
        let alias_ids = self.aliases(draft)?;
        let mut tag_ids = Vec::with_capacity(draft.departments.len() + draft.tags.len() + 1);
        for external_id in &draft.departments {
            tag_ids.push(self.department(external_id)?.1);
        }
        let mut primary_id = None;
        if let Some(external_id) = &draft.primary_department {
            let (id, tag_id) = self.department(external_id)?;
            primary_id = Some(id);
            tag_ids.push(tag_id);
        }
        if let Some(rule) =
            draft.tags.iter().find(|name| matches!(self.known.tags.get(*name), Some((TagKind::Rule, _))))
        {
            return Err(refuse::rule_takes_nobody(rule));
        }
        for name in &draft.tags {
            tag_ids.push(self.static_tag(name));
        }
        tag_ids.sort_unstable();
        tag_ids.dedup();
        let addresses = self.addresses(draft);
        let UserDraft { kind, status, .. } = *draft;
        let (name, locale) = (draft.name.clone(), draft.locale.clone());
        Ok(Entry { kind, name, status, locale, alias_ids, primary_id, source_id, addresses, tag_ids })
    }

    /// Which source looks after a user once the row is written.
    fn source_of(&self, kept: Option<&Kept>) -> std::result::Result<Option<i64>, Refusal> {
        let kept = kept.map(|kept| &kept.entry);
        let before = kept.and_then(|kept| kept.source_id);
        match (self.source_id, before) {
            (None, before) => Ok(before),
            (Some(own), Some(other)) if other != own && kept.is_some_and(|kept| kept.status.receives()) => {
                Err(refuse::of_another_source())
            }
            (own, _) => Ok(own),
        }
    }

    /// The addresses of a row, each once; of what it does not say the kept ones tell.
    fn addresses(&self, draft: &UserDraft) -> Vec<Address> {
        let person = self.known.ids.get(&draft.external_id).and_then(|ordinal| self.known.users.get(ordinal));
        let kept = person.map_or(&[][..], |person| &person.entry.addresses);
        let same = |a: &Address, b: &Address| (a.channel, &a.value) == (b.channel, &b.value);
        let over = |wanted: &AddressDraft| {
            let is_it = |kept: &&Address| (kept.channel, &kept.value) == (wanted.channel, &wanted.value);
            wanted.over(kept.iter().find(is_it))
        };
        let mut addresses: Vec<Address> = draft.addresses.iter().map(over).collect();
        sort(&mut addresses);
        addresses.dedup_by(|later, first| same(later, first));
        addresses
    }

    /// The further ids of a row: those that it names, and the one that it calls the person by. Each must be nobody
    /// else's.
    fn aliases(&self, draft: &UserDraft) -> std::result::Result<Vec<String>, Refusal> {
        let person = self.known.ids.get(&draft.external_id);
        let own = person.and_then(|ordinal| self.known.users.get(ordinal)).map(|kept| &kept.external_id);
        let named = draft.alias_ids.iter().chain([&draft.external_id]);
        let mut aliases: Vec<String> = named.filter(|id| *id != own.unwrap_or(&draft.external_id)).cloned().collect();
        aliases.sort_unstable();
        aliases.dedup();
        let taken = |id: &&String| is_own(id) || self.known.ids.get(*id).is_some_and(|other| Some(other) != person);
        match aliases.iter().find(taken) {
            Some(id) => Err(refuse::alias_taken(id)),
            None => Ok(aliases),
        }
    }

    fn department(&self, external_id: &str) -> std::result::Result<(i64, i64), Refusal> {
        let unknown = || refuse::unknown_department(external_id, "user.department_ids");
        self.known.departments.get(external_id).copied().ok_or_else(unknown)
    }

    /// The number of a static tag, which is created if it is new.
    fn static_tag(&mut self, name: &str) -> i64 {
        if let Some((_, id)) = self.known.tags.get(name) {
            return *id;
        }
        let id = self.create(TagKind::Static, name);
        self.known.tags.insert(name.to_owned(), (TagKind::Static, id));
        id
    }

    fn implied_tag(&mut self, kind: TagKind, name: &str) -> i64 {
        let key = (kind, name.to_owned());
        if let Some(id) = self.known.implied.get(&key) {
            return *id;
        }
        let id = self.create(kind, name);
        self.known.implied.insert(key, id);
        id
    }

    fn create(&mut self, kind: TagKind, name: &str) -> i64 {
        self.seq += 1;
        self.tags.push(Tag::new(self.seq, kind, name));
        self.seq
    }

    fn put(&mut self, external_id: String, wanted: Entry) -> Result<Done> {
        let known = self.known.ids.get(&external_id).copied();
        let Some((ordinal, kept)) = known.and_then(|ordinal| Some((ordinal, self.known.users.get_mut(&ordinal)?)))
        else {
            return self.create_user(external_id, wanted);
        };
        if kept.entry == wanted {
            return Ok(Done::Unchanged);
        }
        let done = if kept.entry.says_as_much_as(&wanted) { Done::Unchanged } else { Done::Updated };
        kept.version += 1;
        let before = std::mem::replace(&mut kept.entry, wanted.clone());
        for gone in &before.alias_ids {
            self.known.ids.remove(gone);
        }
        self.known.ids.extend(wanted.alias_ids.iter().map(|id| (id.clone(), ordinal)));
        if let Some(place) = self.places.get(&ordinal) {
            self.users[*place].wanted = wanted;
        } else {
            self.places.insert(ordinal, self.users.len());
            let external_id = kept.external_id.clone();
            self.users.push(Write { ordinal, external_id, kept: Some(before), wanted });
        }
        Ok(done)
    }

    fn create_user(&mut self, external_id: String, wanted: Entry) -> Result<Done> {
        let ordinal = u32::try_from(self.known.ordinal);
        let ordinal = ordinal.map_err(|_| Error::Unavailable("no ordinal is left".into()))?;
        self.known.ordinal += 1;
        let ids = wanted.alias_ids.iter().chain([&external_id]).cloned();
        self.known.ids.extend(ids.map(|id| (id, ordinal)));
        self.known.users.insert(ordinal, Kept { external_id: external_id.clone(), version: 1, entry: wanted.clone() });
        self.places.insert(ordinal, self.users.len());
        self.users.push(Write { ordinal, external_id, kept: None, wanted });
        Ok(Done::Created)
    }

    /// The sets that such a user is in: groups only in those of reachability, and in `everyone` only people
    /// who receive.
    fn sets(&mut self, entry: &Entry) -> Vec<i64> {
        let mut sets = Vec::with_capacity(entry.tag_ids.len() + 4);
        if entry.kind == UserKind::Person {
            sets.extend(&entry.tag_ids);
            if entry.status.receives() {
                sets.push(self.implied_tag(TagKind::Everyone, ""));
            }
        }
        for channel in Channel::ALL {
            let states = entry.addresses.iter().filter(|address| address.channel == channel).map(|one| one.state);
            let Some(best) = states.min() else { continue };
            sets.push(match best.hindrance() {
                None => self.implied_tag(TagKind::Reachable, channel.name()),
                Some(why) => self.implied_tag(TagKind::Unreachable, &unreachable(why, channel)),
            });
        }
        sets
    }
}

/// Whether it is the administrator or a simulated user: nobody writes those.
fn is_own(external_id: &str) -> bool {
    external_id == ADMINISTRATOR_ID || SIMULATED.iter().any(|(_, id)| *id == external_id)
}
