//! `campanile admin apply campus.toml`: departments, applications and grants as one file says them. A second run
//! changes nothing.

mod file;
mod plan;

use std::path::PathBuf;

use plan::{Known, Plan};
use serde_json::json;

use super::super::client::{Connection, Failure, Session, timed};
use super::super::{print, watch};
use super::held::Holder;
use super::known;
use crate::api::v1;

/// What to apply.
#[derive(Clone, Debug, clap::Args)]
pub struct ApplyArgs {
    /// TOML with tables `department` (id, name, under), `application` (title, department, channels,
    /// inbox_for) and `grant` (application or user, departments, audience, channels, classes, tags, edit_tags,
    /// per_day, per_message, may_act_for). What it does not mention is left alone
    file: PathBuf,
    /// Only tell what would be done
    #[arg(long)]
    dry_run: bool,
}

/// Makes what the file says so.
pub(super) async fn run(connection: &Connection, args: ApplyArgs) -> Result<(), Failure> {
    let path = args.file.display();
    let text = std::fs::read_to_string(&args.file);
    let text = text.map_err(|fault| Failure::usage(format!("cannot read {path}: {fault}")))?;
    let wanted = file::parse(&text).map_err(|fault| Failure::usage(format!("{path}: {fault}")))?;
    let session = connection.open().await?;
    let known = Known {
        departments: known::departments(&session).await?,
        applications: known::applications(&session).await?,
        grants: known::grants(&session).await?,
    };
    let plan = plan::plan(&wanted, &known).map_err(|fault| Failure::refused(format!("{path}: {fault}")))?;
    if !connection.json {
        tell(&plan, args.dry_run);
    }
    if !args.dry_run {
        carry_out(&session, &plan, known.applications).await?;
    }
    if connection.json {
        return print::value(&told(&plan, args.dry_run));
    }
    Ok(())
}

fn tell(plan: &Plan, dry_run: bool) {
    for (department, new) in &plan.departments {
        println!("{} department {} {}", if *new { "+" } else { "~" }, department.department_id, department.name);
    }
    for application in &plan.applications {
        println!("+ application {} of {}", application.title, application.department_id);
    }
    for held in &plan.grants {
        println!("+ grant to {} for {}", name(&held.holder), scope(&held.grant));
    }
    let n = plan.departments.len() + plan.applications.len() + plan.grants.len();
    let so = format!("{} are so already", plan.unchanged);
    match (plan.is_empty(), dry_run) {
        (true, _) => println!("Nothing is to be done; {so}."),
        (false, true) => println!("{n} to be done, {so}. Nothing was done: run it without --dry-run."),
        (false, false) => println!("{n} to be done, {so}."),
    }
}

fn told(plan: &Plan, dry_run: bool) -> serde_json::Value {
    let departments = |wanted: bool| {
        let those = plan.departments.iter().filter(|(_, new)| *new == wanted);
        those.map(|(one, _)| one.department_id.clone()).collect::<Vec<_>>()
    };
    json!({
        "dryRun": dry_run,
        "newDepartments": departments(true),
        "changedDepartments": departments(false),
        "newApplications": plan.applications.iter().map(|one| one.title.clone()).collect::<Vec<_>>(),
        "newGrants": plan.grants.iter().map(|held| name(&held.holder)).collect::<Vec<_>>(),
        "unchanged": plan.unchanged,
    })
}

fn name(holder: &Holder) -> &str {
    match holder {
        Holder::Application(name) | Holder::User(name) => name,
    }
}

fn scope(grant: &v1::Grant) -> String {
    if grant.audience.is_empty() { grant.department_ids.join(", ") } else { grant.audience.clone() }
}

/// Does what is planned. If it breaks off, a second run does the rest.
async fn carry_out(session: &Session, plan: &Plan, mut applications: Vec<v1::Application>) -> Result<(), Failure> {
    let bar = watch::bar("done");
    bar.set_length((plan.departments.len() + plan.applications.len() + plan.grants.len()) as u64);
    let (mut directory, mut access) = (session.directory(), session.access());
    for (department, _) in &plan.departments {
        let request = v1::UpsertDepartmentRequest { department: Some(department.clone()) };
        directory.upsert_department(timed(request)).await?;
        bar.inc(1);
    }
    for application in &plan.applications {
        let request = v1::CreateApplicationRequest { application: Some(application.clone()) };
        applications.extend(access.create_application(timed(request)).await?.into_inner().application);
        bar.inc(1);
    }
    for held in &plan.grants {
        // Its application was there or has just been made.
        let request = v1::CreateGrantRequest { grant: held.of(&applications) };
        access.create_grant(timed(request)).await?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}
