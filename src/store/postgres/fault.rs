//! What PostgreSQL says, in the store's words: never its texts, which may hold values and addresses.

use std::error::Error as _;
use std::io;

use tokio_postgres::error::SqlState;

use crate::store::{Error, refuse};

/// The store's error for what a statement or a connection came to.
#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
pub(super) fn fault(error: tokio_postgres::Error) -> Error {
    let Some(code) = error.code() else { return Error::Unavailable(without_code(&error)) };
    if *code == SqlState::UNIQUE_VIOLATION {
        return refuse::id_taken().into();
    }
    if *code == SqlState::DISK_FULL {
        return Error::Full;
    }
    if *code == SqlState::DATA_CORRUPTED || *code == SqlState::INDEX_CORRUPTED {
        return Error::Damaged("the database".into());
    }
    Error::Unavailable(format!("PostgreSQL says {}, {}", code.code(), meaning(code)))
}

/// A code in words, as far as an operator meets it.
fn meaning(code: &SqlState) -> &'static str {
    match code.code() {
        "28P01" | "28000" => "the user or the password is refused",
        "3D000" => "there is no such database",
        "42501" => "the user lacks a right",
        "40001" | "40P01" => "the transaction met another; repeat it",
        "53300" => "no connection is left",
        "55P03" | "57014" => "a statement took too long",
        "57P01" | "57P02" | "57P03" => "the server stops or starts",
        "25006" => "the server only reads; name the primary",
        _ if code.code().starts_with("08") => "the connection broke",
        _ => "the transaction failed",
    }
}

/// A fault of the connection: how it failed, without where.
fn without_code(error: &tokio_postgres::Error) -> String {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(broken) = cause.downcast_ref::<io::Error>() {
            return format!("the connection failed: {}", broken.kind());
        }
        if cause.is::<rustls::Error>() {
            return "the server's certificate is refused".into();
        }
        source = cause.source();
    }
    if error.is_closed() { "the connection is closed".into() } else { "the connection failed".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_an_operator_meets_have_words() {
        assert!(meaning(&SqlState::INVALID_PASSWORD).contains("password"));
        assert!(meaning(&SqlState::ADMIN_SHUTDOWN).contains("stops"));
        assert!(meaning(&SqlState::CONNECTION_FAILURE).contains("broke"));
        assert!(meaning(&SqlState::DIVISION_BY_ZERO).contains("failed"));
    }
}
