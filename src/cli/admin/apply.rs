//! `campanile admin apply campus.toml`: departments, topics, applications, roles and grants as one file says them. A second run
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
use super::role::describe;
use campanile::api::v1;

/// What to apply.
#[derive(Clone, Debug, clap::Args)]
pub struct ApplyArgs {
    /// TOML with tables `department` (id, name, under), `topic` (topic, title, department, default_on, may_mute,
    /// channels), `application` (title, department, contact, topic, channels, inbox_for), `role` (user, role,
    /// department) and `grant` (application or user, departments, audience, channels, classes, tags, edit_tags,
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
        topics: known::topics(&session, "").await?,
        applications: known::applications(&session).await?,
        roles: known::roles(&session).await?,
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
    let sign = |new: bool| if new { "+" } else { "~" };
    for (department, new) in &plan.departments {
        let under =
            if department.parent_id.is_empty() { String::new() } else { format!(" under {}", department.parent_id) };
        println!("{} department {} {}{under}", sign(*new), department.department_id, department.name);
    }
    for (topic, new) in &plan.topics {
        println!("{} topic {} of {}", sign(*new), topic.topic, topic.department_id);
    }
    for (application, new) in &plan.applications {
        println!("{} application {} of {}", sign(*new), application.title, application.department_id);
    }
    for role in &plan.roles {
        println!("+ {} is {}", role.user_id, describe(role));
    }
    for held in &plan.grants {
        println!("+ grant to {} for {}", name(&held.holder), scope(&held.grant));
    }
    let so = format!("{} are so already", plan.unchanged);
    match (plan.len(), dry_run) {
        (0, _) => println!("Nothing is to be done; {so}."),
        (n, true) => println!("{n} to be done, {so}. Nothing was done: run it without --dry-run."),
        (n, false) => println!("{n} to be done, {so}."),
    }
}

fn told(plan: &Plan, dry_run: bool) -> serde_json::Value {
    json!({
        "dryRun": dry_run,
        "newDepartments": named(&plan.departments, true, |one| &one.department_id),
        "changedDepartments": named(&plan.departments, false, |one| &one.department_id),
        "newTopics": named(&plan.topics, true, |one| &one.topic),
        "changedTopics": named(&plan.topics, false, |one| &one.topic),
        "newApplications": named(&plan.applications, true, |one| &one.title),
        "changedApplications": named(&plan.applications, false, |one| &one.title),
        "newRoles": plan.roles.iter().map(|one| one.user_id.clone()).collect::<Vec<_>>(),
        "newGrants": plan.grants.iter().map(|held| name(&held.holder)).collect::<Vec<_>>(),
        "unchanged": plan.unchanged,
    })
}

/// The names of the new ones or of the changed ones.
fn named<T>(planned: &[(T, bool)], new: bool, name: fn(&T) -> &String) -> Vec<&String> {
    planned.iter().filter(|(_, is_new)| *is_new == new).map(|(one, _)| name(one)).collect()
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
    bar.set_length(plan.len() as u64);
    let (mut directory, mut access) = (session.directory(), session.access());
    for (department, _) in &plan.departments {
        let request = v1::UpsertDepartmentRequest { department: Some(department.clone()) };
        let done = directory.upsert_department(timed(request)).await;
        done.map_err(|status| at("department", &department.department_id, &bar, status))?;
        bar.inc(1);
    }
    for (topic, _) in &plan.topics {
        let done = directory.upsert_topic(timed(v1::UpsertTopicRequest { topic: Some(topic.clone()) })).await;
        done.map_err(|status| at("topic", &topic.topic, &bar, status))?;
        bar.inc(1);
    }
    for (application, new) in &plan.applications {
        let (title, application) = (&application.title, Some(application.clone()));
        let failed = |status| at("application", title, &bar, status);
        if *new {
            let made = access.create_application(timed(v1::CreateApplicationRequest { application })).await;
            applications.extend(made.map_err(failed)?.into_inner().application);
        } else {
            let changed = access.update_application(timed(v1::UpdateApplicationRequest { application })).await;
            changed.map_err(failed)?;
        }
        bar.inc(1);
    }
    for role in &plan.roles {
        let done = access.assign_role(timed(v1::AssignRoleRequest { assignment: Some(role.clone()) })).await;
        done.map_err(|status| at("role of", &role.user_id, &bar, status))?;
        bar.inc(1);
    }
    for held in &plan.grants {
        // Its application was there or has just been made.
        let request = v1::CreateGrantRequest { grant: held.of(&applications) };
        let done = access.create_grant(timed(request)).await;
        done.map_err(|status| at("grant to", name(&held.holder), &bar, status))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

/// Where it broke off, and how far it came.
fn at(what: &str, which: &str, bar: &indicatif::ProgressBar, status: tonic::Status) -> Failure {
    let (done, all) = (bar.position(), bar.length().unwrap_or_default());
    bar.finish_and_clear();
    let failure = Failure::from(status);
    let message =
        format!("{what} {which}: {} ({done} of {all} were done before; run it again after that)", failure.message);
    Failure { message, ..failure }
}
