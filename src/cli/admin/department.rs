//! `campanile admin department …`.

use clap::Subcommand;

use super::super::client::{Connection, Failure, timed};
use super::super::print;
use super::LIST_MAX;
use campanile::api::v1;

/// What to do with departments.
#[derive(Clone, Debug, Subcommand)]
pub enum Department {
    /// Make or replace one
    Set {
        /// The institution's id
        id: String,
        /// Its name
        #[arg(long)]
        name: String,
        /// The department above it; left out for a root
        #[arg(long, default_value = "", hide_default_value = true)]
        parent: String,
    },
    /// Hang one with all below it under another, and show whose grants that widens or narrows
    Move {
        /// The institution's id
        id: String,
        /// The department above it from now on; left out for a root
        #[arg(long, default_value = "", hide_default_value = true)]
        parent: String,
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
    },
    /// Remove one that nothing belongs to
    Delete {
        /// The institution's id
        id: String,
    },
    /// List all
    List,
}

/// Carries out a command about departments.
pub(super) async fn run(connection: &Connection, command: Department) -> Result<(), Failure> {
    let mut client = connection.open().await?.directory();
    match command {
        Department::Set { id, name, parent } => {
            let department = v1::Department { department_id: id, parent_id: parent, name, ..Default::default() };
            let request = v1::UpsertDepartmentRequest { department: Some(department) };
            let answer = client.upsert_department(timed(request)).await?.into_inner();
            if connection.json {
                return print::json("UpsertDepartmentResponse", &answer);
            }
            let done = if answer.created { "made" } else { "replaced" };
            println!("{} {done}.", answer.department.unwrap_or_default().department_id);
        }
        Department::Move { id, parent, dry_run } => {
            let (department_id, new_parent_id) = (id.clone(), parent.clone());
            let request = v1::MoveDepartmentRequest { department_id, new_parent_id, validate_only: dry_run };
            let answer = client.move_department(timed(request)).await?.into_inner();
            if connection.json {
                return print::json("MoveDepartmentResponse", &answer);
            }
            moved(&id, &parent, dry_run, &answer.changes);
        }
        Department::Delete { id } => {
            let request = v1::DeleteDepartmentRequest { department_id: id.clone(), ..Default::default() };
            let answer = client.delete_department(timed(request)).await?.into_inner();
            if connection.json {
                return print::json("DeleteDepartmentResponse", &answer);
            }
            println!("{id} is removed.");
        }
        Department::List => {
            let request = v1::ListDepartmentsRequest { recursive: true, page_size: LIST_MAX, ..Default::default() };
            let answer = client.list_departments(timed(request)).await?.into_inner();
            if connection.json {
                return print::json("ListDepartmentsResponse", &answer);
            }
            let mut table = print::table(&["department", "name", "under", "level"]);
            for entry in answer.departments {
                table.add_row([entry.department_id, entry.name, entry.parent_id, entry.level.to_string()]);
            }
            println!("{table}");
        }
    }
    Ok(())
}

/// Shows what a move changes, or would change.
fn moved(id: &str, parent: &str, dry_run: bool, changes: &[v1::GrantChange]) {
    let would = if dry_run { "would hang" } else { "hangs" };
    match parent {
        "" => println!("{id} {would} under nothing: a root."),
        parent => println!("{id} {would} under {parent}."),
    }
    if changes.is_empty() {
        return println!("No grant reaches anybody else by it.");
    }
    let mut table = print::table(&["grant", "people more", "people less"]);
    for change in changes {
        table.add_row([change.grant_id.clone(), print::number(change.gained), print::number(change.lost)]);
    }
    println!("{table}");
}
