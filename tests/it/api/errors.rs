//! `docs/errors.md` lists every reason with its status and meaning, and no other.

use campanile::api::error;
use campanile::domain::refusal::Reason;

const PAGE: &str = include_str!("../../../docs/errors.md");

#[test]
fn every_reason_is_documented_as_it_is() {
    let rows: Vec<Vec<&str>> = PAGE
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    for (reason, row) in Reason::ALL.iter().zip(&rows) {
        let status = format!("{:?}", error::code(reason.kind()));
        assert_eq!(row[0], format!("`{}`", reason.text()), "the order is that of the code");
        assert_eq!(row[1].replace('_', "").to_lowercase(), status.to_lowercase(), "{}", reason.text());
        assert_eq!(row[2], reason.meaning(), "{}", reason.text());
        assert!(row[3].ends_with('.'), "{} says what to do", reason.text());
    }
    assert_eq!(rows.len(), Reason::ALL.len());
}
