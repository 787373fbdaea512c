//! The demo: books that balance, and a checker that notices each way to cheat.

use std::process::{Command, Output};

fn demo(options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_campanile"));
    command.env("LC_ALL", "C").args(["demo", "--exit", "--users", "3000", "--subscribers", "50"]).args(options);
    command.output().expect("the program runs")
}

fn text(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_day_on_a_small_campus_balances() {
    let output = demo(&[]);
    let text = text(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("books balance: ") && text.contains("0 missing, 0 duplicated"), "{text}");
    // Refusals of every kind happened, and each is counted from a provider's own notes or the service's list.
    for sign in ["AUDIENCE_OUTSIDE_GRANT", "550 5.1.1", "452 4.2.2", "invaliduser", "45009", "42001", "NO_ADDRESS"] {
        assert!(text.contains(sign), "no {sign} in\n{text}");
    }
    assert!(text.contains("called back half-way") && text.contains("nothing is sent twice"), "{text}");
}

#[test]
fn a_lost_delivery_is_noticed() {
    broken("lose-one", "1 missing, 0 duplicated");
}

#[test]
fn a_repeated_delivery_is_noticed() {
    broken("duplicate-one", "0 missing, 1 duplicated");
}

#[test]
fn a_delivery_to_the_wrong_person_is_noticed() {
    broken("wrong-person", "1 to the wrong person");
}

#[test]
fn a_day_on_several_nodes_balances_although_one_is_killed() {
    let Some(output) = cluster(&[]) else { return };
    let text = text(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("was killed with -9") && text.contains("which agree through: redis"), "{text}");
    let (_, verdict) = text.split_once("books balance: ").unwrap_or_else(|| panic!("no verdict in\n{text}"));
    assert!(verdict.contains(" 0 missing, "), "{text}");
    // What was repeated is listed, call by call.
    let repeated = verdict.contains("each in a call that was open at the kill");
    assert_eq!(repeated, text.contains("   open at the kill: msg_"), "{text}");
    assert!(repeated || verdict.contains(" 0 duplicated"), "{text}");
}

#[test]
fn a_kill_excuses_no_other_repetition() {
    let Some(output) = cluster(&["--break", "duplicate-one"]) else { return };
    let text = text(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("books do NOT balance: ") && text.contains(" 0 missing, 1 duplicated"), "{text}");
}

/// The demo on three nodes; `None`, and a word about it, if there are no servers to be had.
fn cluster(options: &[&str]) -> Option<Output> {
    let output = demo(&[&["--cluster", "3"], options].concat());
    let missing = text(&output).contains("--cluster needs a PostgreSQL and a Redis");
    if missing && std::env::var_os("CAMPANILE_TEST_SERVERS").is_none() {
        eprintln!("left out: {}", text(&output));
        return None;
    }
    Some(output)
}

/// The mail stand-in cheats: the demo says so, names the delivery and fails.
fn broken(how: &str, verdict: &str) {
    let output = demo(&["--break", how]);
    let text = text(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let (_, after) = text.split_once("books do NOT balance: ").unwrap_or_else(|| panic!("no verdict in\n{text}"));
    assert!(after.contains(verdict), "{text}");
    assert!(after.contains("message msg_"), "the delivery is not named in\n{text}");
}
