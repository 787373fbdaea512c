//! The demo: books that balance, and a checker that notices each way to cheat.

use std::process::{Command, Output};

fn demo(options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_campanile"));
    command.args(["demo", "--exit", "--users", "3000", "--subscribers", "50"]).args(options);
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

/// The mail stand-in cheats: the demo says so, names the delivery and fails.
fn broken(how: &str, verdict: &str) {
    let output = demo(&["--break", how]);
    let text = text(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let (_, after) = text.split_once("books do NOT balance: ").unwrap_or_else(|| panic!("no verdict in\n{text}"));
    assert!(after.contains(verdict), "{text}");
    assert!(after.contains("message msg_"), "the delivery is not named in\n{text}");
}
