//! `campanile audit`: the trail is listed, exported, and checked with the service and without it.

use std::fs;

use super::commands::Service;

/// Checks a file; the exit code and what was said.
fn verify(service: &Service, arguments: &[&str]) -> (Option<i32>, String) {
    let (code, out, err) = service.run(&[&["audit", "verify"], arguments].concat());
    (code, format!("{out}{err}"))
}

#[test]
fn an_exported_trail_is_checked_against_what_was_kept() {
    let service = Service::start();
    service.done(&["admin", "department", "set", "school", "--name", "School"]);
    let whole = service.done(&["audit", "verify"]);
    assert!(whole.starts_with("The audit trail is whole: "), "{whole}");
    service.done(&["audit", "export", "one.jsonl"]);
    assert_eq!(service.run(&["audit", "export", "one.jsonl"]).0, Some(1), "nothing is written over");
    service.done(&["admin", "department", "set", "cs", "--name", "Computing", "--parent", "school"]);
    service.done(&["audit", "export", "two.jsonl"]);
    let listed = service.done(&["audit", "list", "--action", "department.upsert"]);
    assert_eq!(listed.matches("administrator").count(), 4, "before each was made, and what it became: {listed}");
    let listed = service.done(&["--json", "audit", "list", "--object", "department:school", "--limit", "1"]);
    assert!(listed.contains("\"events\""), "{listed}");

    let (code, said) = verify(&service, &["two.jsonl", "--kept", "one.jsonl", "--kept", "log"]);
    assert_eq!(code, Some(0), "{said}");
    let kept: usize = said.split(", and ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().parse().unwrap();
    assert!(kept >= 3, "one in the first export and all in the log: {said}");

    // The later checkpoints vouch for entries that the earlier file cannot have.
    let (code, said) = verify(&service, &["one.jsonl", "--kept", "two.jsonl"]);
    assert!(code == Some(1) && said.contains("is missing"), "{said}");

    let path = service.folder().join("two.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("department.upsert", "department.delete", 1)).unwrap();
    let (code, said) = verify(&service, &["two.jsonl"]);
    assert!(code == Some(1) && said.contains("Entry ") && said.contains("was altered"), "{said}");
    let (code, said) = verify(&service, &["log"]);
    assert!(code == Some(1) && said.contains("no export"), "{said}");
    assert_eq!(verify(&service, &["nothing.jsonl"]).0, Some(2));
    assert_eq!(verify(&service, &["two.jsonl", "--kept", "campanile-data/admin-token"]).0, Some(1));
}
