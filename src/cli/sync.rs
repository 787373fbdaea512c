//! `campanile sync --source hr departments.csv users.csv`: a whole source of people, so that who is missing has left.

use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};

use futures::stream;
use tonic::Request;

use super::client::{Connection, Failure, Session};
use super::{import, print, watch};
use campanile::api::v1;
use v1::sync_directory_request::Part;

/// Entries of a list that are shown.
const SHOWN: usize = 20;

/// What to take over.
#[derive(Clone, Debug, clap::Args)]
pub struct SyncArgs {
    /// The source's name, such as hr; people of other sources are left alone
    #[arg(long)]
    source: String,
    /// CSV in UTF-8 with a header: department_id,name,parent_id
    departments: PathBuf,
    /// CSV in UTF-8 with a header, as `campanile import` reads it; everybody of the source must be in it
    users: PathBuf,
    /// Only show the difference
    #[arg(long)]
    dry_run: bool,
    /// The largest share of people who may leave by it
    #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = share)]
    max_removed: f64,
    /// Do not ask before it is taken over
    #[arg(long)]
    yes: bool,
}

/// Takes over a source, on a terminal after showing the difference and asking.
pub async fn run(connection: &Connection, args: SyncArgs) -> Result<(), Failure> {
    let departments = departments(&args.departments)?;
    let session = connection.open().await?;
    let users = import::people(&session, &args.users).await?;
    let source = Source { departments, users };
    let asks = !args.dry_run && !args.yes && std::io::stdin().is_terminal();
    if asks {
        let answer = send(&session, &args, &source, true).await?;
        show(connection, &answer, &source)?;
        if is_nothing(&answer) {
            return Ok(());
        }
        eprint!("Take it over? Say yes: ");
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).ok();
        if line.trim() != "yes" {
            return Err(Failure::interrupted("nothing was written"));
        }
    }
    let answer = send(&session, &args, &source, args.dry_run).await?;
    if asks {
        println!("Taken over as {}.", answer.sync_id);
    } else {
        show(connection, &answer, &source)?;
    }
    match answer.difference.is_some_and(|one| !one.errors.is_empty()) {
        true => Err(Failure::refused("some lines were left out, and their people as they were; correct them")),
        false => Ok(()),
    }
}

/// A source as the files hold it.
struct Source {
    departments: Vec<v1::Department>,
    /// With the line of each.
    users: Vec<(u64, v1::User)>,
}

/// Sends the source and waits for the last answer.
async fn send(
    session: &Session,
    args: &SyncArgs,
    source: &Source,
    dry_run: bool,
) -> Result<v1::SyncDirectoryResponse, Failure> {
    let header = v1::SyncHeader { source: args.source.clone(), dry_run, max_removed_share: Some(args.max_removed) };
    let end = v1::SyncEnd {
        department_count: i32::try_from(source.departments.len()).unwrap_or(i32::MAX),
        user_count: i32::try_from(source.users.len()).unwrap_or(i32::MAX),
    };
    let bar = watch::bar("people");
    bar.set_length(source.users.len() as u64 * if dry_run { 2 } else { 3 });
    let departments = source.departments.clone().into_iter().map(Part::Department);
    let users = source.users.clone().into_iter().map(|(_, user)| Part::User(user));
    let parts = std::iter::once(Part::Header(header)).chain(departments).chain(users).chain([Part::End(end)]);
    let request = parts.map(|part| v1::SyncDirectoryRequest { part: Some(part) });
    // A whole campus may take longer than an ordinary call.
    let mut answers = session.directory().sync_directory(Request::new(stream::iter(request))).await?.into_inner();
    let mut last = None;
    while let Some(answer) = answers.message().await? {
        if let Some(progress) = &answer.progress {
            bar.set_position(
                (i64::from(progress.users) + i64::from(progress.compared) + i64::from(progress.written)) as u64,
            );
        }
        last = answer.difference.is_some().then_some(answer);
    }
    bar.finish_and_clear();
    last.ok_or_else(|| Failure::refused("the service ended without a difference; run the command again"))
}

fn show(connection: &Connection, answer: &v1::SyncDirectoryResponse, source: &Source) -> Result<(), Failure> {
    if connection.json {
        return print::json("SyncDirectoryResponse", answer);
    }
    let difference = answer.difference.clone().unwrap_or_default();
    for row in &difference.errors {
        let error = row.error.clone().unwrap_or_default();
        let line = usize::try_from(row.row - 1).ok().and_then(|at| source.users.get(at));
        let place = line.map_or_else(|| "not in the file".to_owned(), |(line, _)| format!("line {line}"));
        eprintln!("{place}: {} ({}): {}", row.id, error.reason, error.message);
    }
    let mut table = print::table(&["", "people"]);
    for (what, n) in [
        ("new", difference.joined),
        ("leave", difference.left),
        ("changed", difference.changed),
        ("of them in another department", difference.moved),
    ] {
        table.add_row([what.to_owned(), print::number(n)]);
    }
    println!("{table}");
    if difference.departments > 0 {
        println!("{} departments are new or changed.", print::number(difference.departments));
    }
    if !difference.sample_user_ids.is_empty() {
        println!("Some of them: {}", difference.sample_user_ids.join(", "));
    }
    let ended = &difference.ended_grant_ids;
    if !ended.is_empty() {
        let more = if ended.len() > SHOWN { ", …" } else { "" };
        let some = ended.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
        println!("{} grants end with their holders: {some}{more}", print::number(ended.len()));
    }
    match answer.applied {
        true => println!("Taken over as {}.", answer.sync_id),
        false => println!("Nothing was written."),
    }
    Ok(())
}

fn is_nothing(answer: &v1::SyncDirectoryResponse) -> bool {
    let difference = answer.difference.clone().unwrap_or_default();
    difference.joined + difference.left + difference.changed + difference.departments == 0
}

/// The departments of a file.
fn departments(path: &Path) -> Result<Vec<v1::Department>, Failure> {
    const COLUMNS: [&str; 3] = ["department_id", "name", "parent_id"];
    let text = import::text(path)?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let broken = |error: csv::Error| Failure::usage(format!("{}: {error}", path.display()));
    let header = reader.headers().map_err(broken)?.clone();
    if let Some(unknown) = header.iter().find(|name| !COLUMNS.contains(name)) {
        return Err(Failure::usage(format!("unknown column {unknown:?}; known are {}", COLUMNS.join(", "))));
    }
    let place = |name: &str| header.iter().position(|one| one == name);
    let (Some(id), Some(name)) = (place("department_id"), place("name")) else {
        return Err(Failure::usage(format!("{} needs the columns department_id and name", path.display())));
    };
    let parent = place("parent_id");
    let mut found = Vec::new();
    for record in reader.records() {
        let record = record.map_err(broken)?;
        let cell = |place: usize| record.get(place).unwrap_or_default().to_owned();
        found.push(v1::Department {
            department_id: cell(id),
            name: cell(name),
            parent_id: parent.map(cell).unwrap_or_default(),
            ..Default::default()
        });
    }
    Ok(found)
}

/// `5%` or `0.05`.
fn share(text: &str) -> Result<f64, String> {
    let (digits, of) = text.strip_suffix('%').map_or((text, 1.0), |digits| (digits, 100.0));
    let share = digits.trim().parse::<f64>().map(|number| number / of);
    share.ok().filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| "a share is such as 5% or 0.05".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_written_either_way() {
        assert_eq!((share("5%"), share("0.05"), share("100%"), share("0")), (Ok(0.05), Ok(0.05), Ok(1.0), Ok(0.0)));
        for bad in ["", "5", "-1%", "101%", "five", "nan"] {
            assert!(share(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn departments_are_read_by_their_columns() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("departments.csv");
        std::fs::write(&path, "name,department_id,parent_id\n图书馆,library,school\n学校,school,\n").unwrap();
        let read = departments(&path).unwrap();
        let seen: Vec<_> = read.iter().map(|one| (one.department_id.as_str(), one.parent_id.as_str())).collect();
        assert_eq!((seen, read[0].name.as_str()), (vec![("library", "school"), ("school", "")], "图书馆"));
        std::fs::write(&path, "department_id,tel\n").unwrap();
        assert!(departments(&path).unwrap_err().message.contains("tel"));
    }
}
