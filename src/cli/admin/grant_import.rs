//! `campanile admin grant import FILE.csv`: rights to send from a table. Good lines are taken even when others are not,
//! and a second run gives nothing twice.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::super::client::{Connection, Exit, Failure, timed};
use super::super::{print, watch};
use super::held::{self, Held, SaidGrant};
use super::known;
use campanile::api::v1;

/// A mark that spreadsheets put before UTF-8.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// What to import.
#[derive(Clone, Debug, clap::Args)]
pub struct ImportArgs {
    /// CSV in UTF-8 with a header: application,user,departments,audience,channels,classes,tags,edit_tags,per_day,per_message
    ///
    /// Any order; a column may be left out. Each line names one holder: an application by its title, or a user by id.
    /// Several departments, channels, classes or tags in a cell are separated by ;
    file: PathBuf,
}

/// A line. A column that nobody knows is refused: a misspelt one would give a wider right than was meant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default)]
    application: String,
    #[serde(default)]
    user: String,
    #[serde(default)]
    departments: String,
    #[serde(default)]
    audience: String,
    #[serde(default)]
    channels: String,
    #[serde(default)]
    classes: String,
    #[serde(default)]
    tags: String,
    #[serde(default)]
    edit_tags: String,
    #[serde(default)]
    per_day: Option<i32>,
    #[serde(default)]
    per_message: Option<i32>,
}

/// What a file says, line by line.
struct Read {
    rights: Vec<(u64, Held)>,
    faults: Vec<(u64, String)>,
}

/// Gives the rights of a file.
pub(super) async fn run(connection: &Connection, args: ImportArgs) -> Result<(), Failure> {
    let Read { rights, mut faults } = read(&args.file)?;
    let session = connection.open().await?;
    let applications = known::applications(&session).await?;
    let mut grants = known::grants(&session).await?;
    let (mut given, mut unchanged) = (0, 0);
    let bar = watch::bar("rights");
    bar.set_length(rights.len() as u64);
    for (line, held) in rights {
        bar.inc(1);
        if held.is_among(&grants, &applications) {
            unchanged += 1;
            continue;
        }
        let Some(grant) = held.of(&applications) else {
            faults.push((line, "there is no application with this title; connect it first".to_owned()));
            continue;
        };
        match session.access().create_grant(timed(v1::CreateGrantRequest { grant: Some(grant) })).await {
            Ok(answer) => {
                grants.extend(answer.into_inner().grant);
                given += 1;
            }
            Err(status) => {
                let failure = Failure::from(status);
                // Only what is wrong with the line itself is the line's.
                if failure.reason.is_empty() || failure.exit != Exit::Refused {
                    bar.finish_and_clear();
                    return Err(failure);
                }
                faults.push((line, format!("{} ({}): {}", failure.field, failure.reason, failure.message)));
            }
        }
    }
    bar.finish_and_clear();
    tell(connection, (given, unchanged), &mut faults)
}

fn tell(connection: &Connection, (given, unchanged): (i64, i64), faults: &mut [(u64, String)]) -> Result<(), Failure> {
    faults.sort();
    for (line, fault) in faults.iter() {
        eprintln!("line {line}: {fault}");
    }
    if connection.json {
        print::value(&serde_json::json!({ "given": given, "unchanged": unchanged, "leftOut": faults.len() }))?;
    } else {
        let [given, unchanged, out] = [given, unchanged, faults.len() as i64].map(print::number);
        println!("{given} rights given, {unchanged} were held already, {out} lines left out.");
    }
    match faults.is_empty() {
        true => Ok(()),
        false => Err(Failure::refused("some lines were left out; correct them and import the file again")),
    }
}

fn read(path: &Path) -> Result<Read, Failure> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|fault| Failure::usage(format!("cannot read {}: {fault}", path.display())))?;
    parse(&text).map_err(|fault| Failure::usage(format!("{}: {fault}", path.display())))
}

/// The error is of the header and concerns all lines.
fn parse(text: &str) -> Result<Read, String> {
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.trim_start_matches(BYTE_ORDER_MARK).as_bytes());
    let header = reader.headers().map_err(|fault| fault.to_string())?.clone();
    let mut read = Read { rights: Vec::new(), faults: Vec::new() };
    for record in reader.records() {
        let line = match &record {
            Ok(record) => record.position().map_or(0, csv::Position::line),
            Err(fault) => fault.position().map_or(0, csv::Position::line),
        };
        let said = record.map_err(|fault| fault.to_string()).and_then(|record| {
            let line = record.deserialize::<Line>(Some(&header));
            line.map_err(|fault| fault.to_string())
        });
        match said.map(said_grant).and_then(held::read) {
            Ok(held) => read.rights.push((line, held)),
            Err(fault) if fault.contains("unknown field") => return Err(fault),
            Err(fault) => read.faults.push((line, fault)),
        }
    }
    Ok(read)
}

fn said_grant(line: Line) -> SaidGrant {
    let list = |cell: &str| cell.split(';').map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect();
    SaidGrant {
        departments: list(&line.departments),
        channels: list(&line.channels),
        classes: list(&line.classes),
        tags: list(&line.tags),
        edit_tags: list(&line.edit_tags),
        application: line.application,
        user: line.user,
        audience: line.audience,
        per_day: line.per_day.unwrap_or_default(),
        per_message: line.per_message.unwrap_or_default(),
        may_act_for: false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::held::Holder;
    use super::*;

    #[test]
    fn lines_are_rights_and_each_bad_one_is_told_by_its_number() {
        let read = parse(
            "\u{feff}user,departments,channels,per_day\n1001,library; law,email;app,500\n,library,,\n1002,library,smoke,\n\
             1003,library,,many\n",
        )
        .unwrap();
        let (line, held) = &read.rights[0];
        assert_eq!((*line, &held.holder), (2, &Holder::User("1001".to_owned())));
        assert_eq!((held.grant.department_ids.len(), held.grant.channels.len(), held.grant.per_day), (2, 2, 500));
        let lines: Vec<u64> = read.faults.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [3, 4, 5], "{:?}", read.faults);
        assert!(parse("user,department\n1001,library\n").err().unwrap().contains("unknown field"));
    }
}
