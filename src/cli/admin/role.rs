//! `campanile admin role …`.

use clap::Subcommand;

use super::super::client::{Connection, Failure, timed};
use super::super::{print, publish};
use super::LIST_MAX;
use campanile::api::v1;

/// What to do with roles.
#[derive(Clone, Debug, Subcommand)]
pub enum Role {
    /// Give a person a role
    Assign(Assign),
    /// Take a role from a person
    Withdraw {
        #[command(flatten)]
        whose: Whose,
        /// For the record
        #[arg(long, default_value = "", hide_default_value = true)]
        why: String,
    },
    /// List who has which role
    List {
        /// Only those of this person
        #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
        user: String,
        /// Only those in this department or one under it
        #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
        department: String,
    },
}

/// Which role of whom.
#[derive(Clone, Debug, clap::Args)]
pub struct Whose {
    /// The person
    user: String,
    /// platform-administrator, department-administrator, reviewer, sender or auditor
    #[arg(value_parser = parse_role)]
    role: v1::Role,
    /// The department in which it holds, and in all below; left out: everywhere
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    department: String,
}

/// A role to give.
#[derive(Clone, Debug, clap::Args)]
pub struct Assign {
    #[command(flatten)]
    whose: Whose,
    /// When it ends: "2027-07-01 00:00" on campus; left out: never
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

/// A role by its name on the command line.
pub(super) fn parse_role(name: &str) -> Result<v1::Role, String> {
    let known = v1::Role::from_str_name(&format!("ROLE_{}", name.to_uppercase().replace('-', "_")));
    known.filter(|&role| role != v1::Role::Unspecified).ok_or_else(|| {
        "known are platform-administrator, department-administrator, reviewer, sender and auditor".to_owned()
    })
}

/// A role's name on the command line.
fn name(role: v1::Role) -> String {
    role.as_str_name().trim_start_matches("ROLE_").to_lowercase().replace('_', "-")
}

/// A role in a few words.
pub fn describe(one: &v1::RoleAssignment) -> String {
    let place = if one.department_id.is_empty() { String::new() } else { format!(" of {}", one.department_id) };
    let until = one.expire_at.as_ref().map_or_else(String::new, |at| format!(" until {}", print::time(Some(at))));
    format!("{}{place}{until}", name(one.role()))
}

/// Carries out a command about roles.
pub(super) async fn run(connection: &Connection, command: Role) -> Result<(), Failure> {
    match command {
        Role::Assign(Assign { whose, until }) => {
            let until = until.as_deref().map(publish::parse_time).transpose()?;
            assign(connection, whose, until).await
        }
        Role::Withdraw { whose: Whose { user, role, department }, why } => {
            let (user_id, department_id) = (user, department);
            let request = v1::WithdrawRoleRequest { user_id, role: role.into(), department_id, why };
            let mut client = connection.open().await?.access();
            let answer = client.withdraw_role(timed(request)).await?.into_inner();
            if connection.json { print::json("WithdrawRoleResponse", &answer) } else { Ok(()) }
        }
        Role::List { user, department } => list(connection, user, department).await,
    }
}

async fn assign(
    connection: &Connection,
    Whose { user, role, department }: Whose,
    expire_at: Option<prost_types::Timestamp>,
) -> Result<(), Failure> {
    let (user_id, department_id) = (user, department);
    let assignment = Some(v1::RoleAssignment { user_id, role: role.into(), department_id, expire_at });
    let mut client = connection.open().await?.access();
    let answer = client.assign_role(timed(v1::AssignRoleRequest { assignment })).await?.into_inner();
    if connection.json {
        return print::json("AssignRoleResponse", &answer);
    }
    println!("{}", table(answer.assignment.as_slice()));
    Ok(())
}

async fn list(connection: &Connection, user_id: String, department_id: String) -> Result<(), Failure> {
    let request = v1::ListRolesRequest { user_id, department_id, page_size: LIST_MAX, ..Default::default() };
    let mut client = connection.open().await?.access();
    let answer = client.list_roles(timed(request)).await?.into_inner();
    if connection.json {
        return print::json("ListRolesResponse", &answer);
    }
    println!("{}", table(&answer.assignments));
    Ok(())
}

fn table(assignments: &[v1::RoleAssignment]) -> comfy_table::Table {
    let mut table = print::table(&["person", "role", "department", "until"]);
    for one in assignments {
        let department = if one.department_id.is_empty() { "everywhere" } else { &one.department_id };
        let until = one.expire_at.as_ref().map_or_else(|| "always".to_owned(), |at| print::time(Some(at)));
        table.add_row([one.user_id.clone(), name(one.role()), department.to_owned(), until]);
    }
    table
}
