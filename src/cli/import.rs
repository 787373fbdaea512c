//! `campanile import users.csv`: people from a table into the directory.

use std::path::{Path, PathBuf};

use csv::StringRecord;
use futures::stream;
use tonic::Request;

use super::client::{Connection, Failure};
use super::{print, watch};
use crate::api::v1;

/// The columns that are read; any order, user_id is required, others may be missing.
const COLUMNS: [&str; 9] = ["user_id", "name", "department", "status", "email", "wecom", "app", "tags", "locale"];
/// A mark that spreadsheets put before UTF-8.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// What to import.
#[derive(Clone, Debug, clap::Args)]
pub struct ImportArgs {
    /// CSV in UTF-8 with a header: user_id,name,department,status,email,wecom,app,tags,locale (tags separated by ;)
    file: PathBuf,
}

/// Imports the people of a file. Good lines are taken even when others are not.
pub async fn run(connection: &Connection, args: ImportArgs) -> Result<(), Failure> {
    let read = read(&args.file)?;
    for (line, fault) in &read.faults {
        eprintln!("line {line}: {fault}");
    }
    let session = connection.open().await?;
    let lines: Vec<u64> = read.users.iter().map(|(line, _)| *line).collect();
    let bar = watch::bar("people");
    bar.set_length(read.users.len() as u64);
    let shown = bar.clone();
    let rows = stream::iter(read.users.into_iter().map(move |(_, user)| {
        shown.inc(1);
        v1::UpsertUsersRequest { user: Some(user) }
    }));
    // A whole campus may take longer than an ordinary call.
    let answer = session.directory().upsert_users(Request::new(rows)).await?.into_inner();
    bar.finish_and_clear();
    for row in &answer.errors {
        let error = row.error.clone().unwrap_or_default();
        let line = usize::try_from(row.row - 1).ok().and_then(|at| lines.get(at)).copied().unwrap_or_default();
        eprintln!("line {line}: {} ({}): {}", row.id, error.reason, error.message);
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

/// The people of a file with their lines, and the lines that cannot be read.
#[derive(Debug, Default)]
struct Read {
    users: Vec<(u64, v1::User)>,
    faults: Vec<(u64, String)>,
}

fn read(path: &Path) -> Result<Read, Failure> {
    let bytes =
        std::fs::read(path).map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
    let text = String::from_utf8(bytes).map_err(|_| {
        Failure::usage(format!("{} is not UTF-8; save it as CSV in UTF-8 and import it again", path.display()))
    })?;
    parse(text.trim_start_matches(BYTE_ORDER_MARK))
}

fn parse(text: &str) -> Result<Read, Failure> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(false).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| Failure::usage(format!("no header line: {error}")))?.clone();
    if let Some(unknown) = header.iter().find(|name| !COLUMNS.contains(name)) {
        return Err(Failure::usage(format!("unknown column {unknown:?}; known are {}", COLUMNS.join(", "))));
    }
    if !header.iter().any(|name| name == "user_id") {
        return Err(Failure::usage("the header line has no column user_id"));
    }
    let mut read = Read::default();
    for record in reader.records() {
        match record {
            Ok(record) => {
                let line = record.position().map_or(0, csv::Position::line);
                match user(&header, &record) {
                    Ok(user) => read.users.push((line, user)),
                    Err(fault) => read.faults.push((line, fault)),
                }
            }
            Err(error) => read.faults.push((error.position().map_or(0, csv::Position::line), error.to_string())),
        }
    }
    Ok(read)
}

fn user(header: &StringRecord, record: &StringRecord) -> Result<v1::User, String> {
    let mut user = v1::User::default();
    for (column, value) in header.iter().zip(record).filter(|(_, value)| !value.is_empty()) {
        let value = value.to_owned();
        match column {
            "user_id" => user.user_id = value,
            "name" => user.name = value,
            "department" => user.primary_department_id = value,
            "status" => user.status = status(&value)?.into(),
            "email" => user.addresses.push(address(v1::Channel::Email, value)),
            "wecom" => user.addresses.push(address(v1::Channel::Wechat, value)),
            "app" => user.addresses.push(address(v1::Channel::App, value)),
            "tags" => {
                user.tags = value.split(';').map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()).collect()
            }
            _ => user.locale = value,
        }
    }
    if user.user_id.is_empty() {
        return Err("the user_id is empty".to_owned());
    }
    Ok(user)
}

fn status(name: &str) -> Result<v1::UserStatus, String> {
    match name {
        "active" => Ok(v1::UserStatus::Active),
        "left" => Ok(v1::UserStatus::Left),
        "deceased" => Ok(v1::UserStatus::Deceased),
        other => Err(format!("unknown status {other:?}; known are active, left and deceased")),
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
        assert_eq!(read.users.len(), 1);
        let (line, user) = &read.users[0];
        assert_eq!((*line, user.name.as_str(), user.tags.len(), user.addresses.len()), (2, "王芳", 2, 1));
        let lines: Vec<_> = read.faults.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [3, 4, 5]);
    }

    #[test]
    fn a_byte_order_mark_and_unknown_columns_are_dealt_with() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("users.csv");
        std::fs::write(&path, "\u{feff}user_id,name\n1,王\n").unwrap();
        assert_eq!(super::read(&path).unwrap().users.len(), 1);
        assert!(parse("user_id,phone\n1,2\n").unwrap_err().message.contains("phone"));
        assert!(parse("name\n王\n").is_err());
    }
}
