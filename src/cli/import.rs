//! `campanile import users.csv`: people from a table into the directory. A table says only what its columns say:
//! what else is known of people who are there already stays.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use csv::StringRecord;
use futures::stream;
use tonic::Request;

use super::client::{Connection, Failure, Session, timed};
use super::{print, watch};
use campanile::api::v1;

/// The columns that are read; any order, user_id is required, others may be missing.
const COLUMNS: [&str; 10] =
    ["user_id", "name", "department", "status", "email", "wecom", "app", "tags", "locale", "alias_ids"];
/// People who are read at once.
const PAGE: i32 = 1_000;
/// A mark that spreadsheets put before UTF-8.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// What to import.
#[derive(Clone, Debug, clap::Args)]
pub struct ImportArgs {
    /// CSV in UTF-8 with a header: user_id,name,department,status,email,wecom,app,tags,locale,alias_ids (tags and alias
    /// ids separated by ;)
    ///
    /// Any order; user_id must be there, and name for whoever is new. What a column would say stays as it is where the column is left out,
    /// and is cleared where its cell is empty. Tags are added; none is taken away.
    file: PathBuf,
}

/// Imports the people of a file. Good lines are taken even when others are not.
pub async fn run(connection: &Connection, args: ImportArgs) -> Result<(), Failure> {
    let read = read(&args.file)?;
    for (line, fault) in &read.faults {
        eprintln!("line {line}: {fault}");
    }
    let session = connection.open().await?;
    let mut known = known(&session, &read.rows).await?;
    let lines: Vec<u64> = read.rows.iter().map(|(line, _)| *line).collect();
    let bar = watch::bar("people");
    bar.set_length(read.rows.len() as u64);
    let shown = bar.clone();
    let rows = stream::iter(read.rows.into_iter().map(move |(_, row)| {
        shown.inc(1);
        v1::UpsertUsersRequest { user: Some(known.with(row)) }
    }));
    // A whole campus may take longer than an ordinary call.
    let answer = session.directory().upsert_users(Request::new(rows)).await?.into_inner();
    bar.finish_and_clear();
    for row in &answer.errors {
        let error = row.error.clone().unwrap_or_default();
        let line = usize::try_from(row.row - 1).ok().and_then(|at| lines.get(at)).copied().unwrap_or_default();
        let whose = if row.id.is_empty() { String::new() } else { format!("{} ", row.id) };
        eprintln!("line {line}: {whose}({}): {}", error.reason, error.message);
    }
    if connection.json {
        print::json("UpsertUsersResponse", &answer)?;
    } else {
        println!(
            "{} people are new, {} changed, {} were the same, {} lines left out.",
            print::number(answer.created),
            print::number(answer.updated),
            print::number(answer.unchanged),
            print::number(i64::from(answer.error_count) + read.faults.len() as i64)
        );
    }
    if answer.error_count > 0 || !read.faults.is_empty() {
        return Err(Failure::refused("some lines were left out; correct them and import the file again"));
    }
    Ok(())
}

/// The people of some rows as they are known so far: from the directory, and from earlier rows.
#[derive(Debug, Default)]
struct Known {
    /// By id.
    people: HashMap<String, v1::User>,
    /// The id that each further id means.
    ids: HashMap<String, String>,
    /// Ids of several rows: what the first says stands for the next.
    again: HashSet<String>,
}

impl Known {
    /// The person of a row, with what the row says over what is known.
    fn with(&mut self, row: Row) -> v1::User {
        let id = self.ids.get(&row.user_id).unwrap_or(&row.user_id).clone();
        let user = row.onto(self.people.remove(&id).unwrap_or_default());
        if self.again.contains(&id) {
            self.people.insert(id, user.clone());
        }
        user
    }

    /// Takes over somebody of the directory whom a row means.
    fn enter(&mut self, user: v1::User) {
        let ids = user.alias_ids.iter().map(|alias| (alias.clone(), user.user_id.clone()));
        self.ids.extend(ids);
        self.people.insert(user.user_id.clone(), user);
    }
}

/// What the directory knows of the people of these rows.
async fn known(session: &Session, rows: &[(u64, Row)]) -> Result<Known, Failure> {
    let wanted: HashSet<&str> = rows.iter().map(|(_, row)| row.user_id.as_str()).collect();
    let (mut known, mut found, mut page_token) = (Known::default(), 0, String::new());
    let bar = watch::bar("people read");
    bar.set_length(wanted.len() as u64);
    while found < wanted.len() {
        let request = v1::ListUsersRequest { page_size: PAGE, page_token, ..Default::default() };
        let page = session.directory().list_users(timed(request)).await?.into_inner();
        for user in page.users {
            let named = user.alias_ids.iter().chain([&user.user_id]).filter(|id| wanted.contains(id.as_str())).count();
            if named > 0 {
                found += named;
                known.enter(user);
            }
        }
        bar.set_position(found as u64);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    bar.finish_and_clear();
    let mut seen = HashSet::with_capacity(rows.len());
    let ids = rows.iter().map(|(_, row)| known.ids.get(&row.user_id).unwrap_or(&row.user_id));
    known.again = ids.filter(|id| !seen.insert(*id)).cloned().collect();
    Ok(known)
}

/// The people of a file with their lines, and the lines that cannot be read.
#[derive(Debug, Default)]
struct Read {
    rows: Vec<(u64, Row)>,
    faults: Vec<(u64, String)>,
}

/// What a line says of a person. `None`: the file has no such column.
#[derive(Debug, Default)]
struct Row {
    user_id: String,
    name: Option<String>,
    department: Option<String>,
    status: Option<v1::UserStatus>,
    addresses: Vec<(v1::Channel, String)>,
    tags: Vec<String>,
    locale: Option<String>,
    alias_ids: Option<Vec<String>>,
}

impl Row {
    /// The person with what the line says over what was known before.
    fn onto(self, before: v1::User) -> v1::User {
        let mut user = v1::User { user_id: self.user_id, tags: self.tags, ..before };
        // What the service itself found out about an address is not ours to write.
        for address in &mut user.addresses {
            (address.state, address.verified_at) = (0, None);
        }
        // A file may name somebody twice.
        user.etag.clear();
        if let Some(name) = self.name {
            user.name = name;
        }
        if let Some(department) = self.department {
            user.department_ids.retain(|id| *id != user.primary_department_id);
            user.primary_department_id = department;
        }
        if let Some(status) = self.status {
            user.status = status.into();
        }
        if let Some(locale) = self.locale {
            user.locale = locale;
        }
        if let Some(alias_ids) = self.alias_ids {
            user.alias_ids = alias_ids;
        }
        for (channel, value) in self.addresses {
            user.addresses.retain(|address| address.channel() != channel);
            if !value.is_empty() {
                user.addresses.push(address(channel, value));
            }
        }
        user
    }
}

/// Everybody of a whole file, over what is known of them, with their lines. A line that cannot be read is an error: who
/// is missing has left.
pub(super) async fn people(session: &Session, path: &Path) -> Result<Vec<(u64, v1::User)>, Failure> {
    let read = read(path)?;
    for (line, fault) in &read.faults {
        eprintln!("line {line}: {fault}");
    }
    if !read.faults.is_empty() {
        return Err(Failure::usage("some lines cannot be read; correct them, for a source must be whole"));
    }
    let mut known = known(session, &read.rows).await?;
    Ok(read.rows.into_iter().map(|(line, row)| (line, known.with(row))).collect())
}

fn read(path: &Path) -> Result<Read, Failure> {
    parse(&text(path)?)
}

/// A table's text in UTF-8.
pub(super) fn text(path: &Path) -> Result<String, Failure> {
    let bytes =
        std::fs::read(path).map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
    let text = String::from_utf8(bytes).map_err(|_| {
        Failure::usage(format!("{} is not UTF-8; save it as CSV in UTF-8 and import it again", path.display()))
    })?;
    Ok(text.trim_start_matches(BYTE_ORDER_MARK).to_owned())
}

fn parse(text: &str) -> Result<Read, Failure> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(false).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| Failure::usage(format!("no header line: {error}")))?.clone();
    if let Some(unknown) = header.iter().find(|name| !COLUMNS.contains(name)) {
        return Err(Failure::usage(format!("unknown column {unknown:?}; known are {}", COLUMNS.join(", "))));
    }
    if let Some(twice) = header.iter().enumerate().find(|(at, name)| header.iter().take(*at).any(|one| one == *name)) {
        return Err(Failure::usage(format!("the header line names the column {:?} twice", twice.1)));
    }
    if !header.iter().any(|name| name == "user_id") {
        return Err(Failure::usage("the header line has no column user_id"));
    }
    let mut read = Read::default();
    for record in reader.records() {
        match record {
            Ok(record) => {
                let line = record.position().map_or(0, csv::Position::line);
                match row(&header, &record) {
                    Ok(row) => read.rows.push((line, row)),
                    Err(fault) => read.faults.push((line, fault)),
                }
            }
            Err(error) => read.faults.push((error.position().map_or(0, csv::Position::line), error.to_string())),
        }
    }
    Ok(read)
}

fn row(header: &StringRecord, record: &StringRecord) -> Result<Row, String> {
    let mut row = Row::default();
    for (column, value) in header.iter().zip(record) {
        let value = value.to_owned();
        match column {
            "user_id" => row.user_id = value,
            "name" => row.name = Some(value),
            "department" => row.department = Some(value),
            "status" => row.status = Some(status(&value)?),
            "email" => row.addresses.push((v1::Channel::Email, value)),
            "wecom" => row.addresses.push((v1::Channel::Wechat, value)),
            "app" => row.addresses.push((v1::Channel::App, value)),
            "tags" => row.tags = list(&value),
            "alias_ids" => row.alias_ids = Some(list(&value)),
            _ => row.locale = Some(value),
        }
    }
    if row.user_id.is_empty() {
        return Err("the user_id is empty".to_owned());
    }
    Ok(row)
}

/// The entries of a cell.
fn list(cell: &str) -> Vec<String> {
    cell.split(';').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect()
}

fn status(name: &str) -> Result<v1::UserStatus, String> {
    match name {
        "active" | "" => Ok(v1::UserStatus::Active),
        "on leave" => Ok(v1::UserStatus::OnLeave),
        "graduated" => Ok(v1::UserStatus::Graduated),
        "left" => Ok(v1::UserStatus::Left),
        "deceased" => Ok(v1::UserStatus::Deceased),
        other => Err(format!("unknown status {other:?}; known are active, on leave, graduated, left and deceased")),
    }
}

fn address(channel: v1::Channel, value: String) -> v1::Address {
    v1::Address { channel: channel.into(), value, ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spreadsheet_s_file_is_read_and_bad_lines_are_named() {
        let text = "user_id,name,department,email,tags,status\n\
                    3121151001,王芳,cs,wang@stu.campus.example,grade:2021; dorm:东-07,active\n\
                    ,无名,cs,,,\n\
                    3121151002,李明,cs,,,gone\n\
                    3121151003,李明,cs\n";
        let read = parse(text).unwrap();
        assert_eq!(read.rows.len(), 1);
        let (line, row) = read.rows.into_iter().next().unwrap();
        let user = row.onto(v1::User::default());
        assert_eq!((line, user.name.as_str(), user.tags.len(), user.addresses.len()), (2, "王芳", 2, 1));
        let lines: Vec<_> = read.faults.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [3, 4, 5]);
    }

    #[test]
    fn a_byte_order_mark_and_unknown_columns_are_dealt_with() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("users.csv");
        std::fs::write(&path, "\u{feff}user_id,name\n1,王\n").unwrap();
        assert_eq!(super::read(&path).unwrap().rows.len(), 1);
        assert!(parse("user_id,phone\n1,2\n").unwrap_err().message.contains("phone"));
        assert!(parse("name\n王\n").is_err());
        assert!(parse("user_id,name,name\n1,王,李\n").unwrap_err().message.contains("twice"));
    }

    #[test]
    fn a_column_that_is_left_out_changes_nothing_and_an_empty_cell_clears() {
        let before = v1::User {
            user_id: "1".to_owned(),
            name: "王芳".to_owned(),
            status: v1::UserStatus::Left.into(),
            primary_department_id: "cs".to_owned(),
            department_ids: vec!["cs".to_owned(), "union".to_owned()],
            addresses: vec![
                address(v1::Channel::Email, "a@b.cn".to_owned()),
                address(v1::Channel::Wechat, "w".to_owned()),
            ],
            alias_ids: vec!["old-1".to_owned()],
            ..Default::default()
        };
        let imported = |text: &str| {
            let mut rows = parse(text).unwrap().rows;
            rows.remove(0).1.onto(before.clone())
        };
        let same = imported("user_id,name\n1,王芳\n");
        assert_eq!(same, before);
        let moved = imported("user_id,department,email\n1,math,\n");
        assert_eq!((moved.status(), moved.alias_ids), (v1::UserStatus::Left, before.alias_ids.clone()));
        assert_eq!((moved.primary_department_id.as_str(), moved.department_ids), ("math", vec!["union".to_owned()]));
        assert_eq!(moved.addresses, [address(v1::Channel::Wechat, "w".to_owned())]);
    }
}
