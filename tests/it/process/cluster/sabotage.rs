//! The checks of the cluster are worth something: whoever breaks a promise is found out.

use super::super::checker::Finding;
use super::{cancel, freeze, identical, kill, rate, redis, restart, revoke};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sabotage_of_the_takeover_is_found_out() {
    found(kill::killed(1, 1, &broken(&["leave_the_dead_alone"])).await, |one| matches!(one, Finding::Late(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sabotage_of_the_deadline_is_found_out() {
    let findings = freeze::frozen(1, 2, &broken(&["outlive_the_lease"])).await;
    found(findings, |one| matches!(one, Finding::Duplicated(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sabotage_of_the_fence_is_found_out() {
    // The deadline is broken too, so that there are late settlements for certain.
    let findings = freeze::frozen(1, 3, &broken(&["outlive_the_lease", "settle_without_fence"])).await;
    found(findings, |one| matches!(one, Finding::Unbalanced(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sabotage_of_the_answer_is_found_out_when_the_database_restarts() {
    let findings = restart::restarted(1, 4, &broken(&["answer_before_commit"])).await;
    found(findings, |one| matches!(one, Finding::Lost(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sabotage_of_idempotency_is_found_out() {
    let findings = identical::identical(2, &broken(&["forget_idempotency"])).await;
    found(findings, |one| matches!(one, Finding::Duplicated(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sabotage_of_revocation_is_found_out() {
    let findings = revoke::revoked(2, &broken(&["believe_in_old_rights"])).await;
    found(findings, |one| matches!(one, Finding::Stray(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sabotage_of_a_cancel_is_found_out() {
    let findings = cancel::called_off(&broken(&["ignore_cancels"])).await;
    found(findings, |one| matches!(one, Finding::Late(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sabotage_of_polling_is_found_out_without_redis() {
    let findings = redis::lost(1, 5, &broken(&["wait_for_hints"])).await;
    found(findings, |one| matches!(one, Finding::Late(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sabotage_of_the_shared_limit_is_found_out() {
    found(rate::limited(1, &broken(&["share_no_limits"])).await, |one| matches!(one, Finding::Stray(_)));
}

fn broken(guarantees: &[&str]) -> String {
    let lines = guarantees.iter().map(|name| format!("{name} = true\n"));
    format!("[sabotage]\n{}", lines.collect::<String>())
}

/// At least one finding is of that kind. Nothing to be found where there is no PostgreSQL.
fn found(findings: Option<Vec<Finding>>, kind: impl Fn(&Finding) -> bool) {
    let Some(findings) = findings else { return };
    println!("{} findings, such as {:?}", findings.len(), findings.iter().find(|one| kind(one)));
    assert!(findings.iter().any(kind), "{findings:?}");
}
