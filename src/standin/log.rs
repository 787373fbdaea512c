//! The log of receipts: one JSON object a line, in the file before the provider's answer leaves.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// One delivery, as the provider saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt<'a> {
    /// What the sender calls the delivery's leg: see the stand-in concerned.
    pub id: std::borrow::Cow<'a, str>,
    /// To whom.
    pub address: std::borrow::Cow<'a, str>,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// What was said: a mail's subject, a WeCom message's text.
    pub content: std::borrow::Cow<'a, str>,
    /// Who gave it, by the name with which it greeted; empty where the wire has no greeting.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub from: std::borrow::Cow<'a, str>,
}

/// How a stand-in cheats, once, so that a check of the books can prove that it would notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakLog {
    /// Takes a delivery and forgets it.
    LoseOne,
    /// Delivers twice.
    DuplicateOne,
    /// Delivers to somebody else.
    WrongPerson,
}

/// Whoever gets the delivery of [`BreakLog::WrongPerson`].
pub const WRONG_PERSON: &str = "somebody-else";
/// Which delivery is broken, counted from 1: late enough that honest ones surround it.
const BROKEN_NTH: u64 = 3;

/// An open log. Lines of several writers do not mix.
#[derive(Debug)]
pub struct Log {
    inner: Mutex<Inner>,
    break_log: Option<BreakLog>,
    refused: PathBuf,
    cut: PathBuf,
}

#[derive(Debug)]
struct Inner {
    file: File,
    buffer: Vec<u8>,
    seen: u64,
}

impl Log {
    /// Opens the log for appending; makes it if need be.
    pub fn open(path: &Path, break_log: Option<BreakLog>) -> io::Result<Log> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let inner = Mutex::new(Inner { file, buffer: Vec::new(), seen: 0 });
        Ok(Log { inner, break_log, refused: refusals(path), cut: cuts(path) })
    }

    /// Notes in [`refusals`] that somebody was refused: the code as id, and its words. Losing a note is no harm.
    pub fn note_refusal(&self, code: &str, words: &str, at_ms: i64, address: &str) {
        note(
            &self.refused,
            &Receipt { id: code.into(), address: address.into(), at_ms, content: words.into(), from: "".into() },
        );
    }

    /// Notes in [`cuts`] that a sender of this name went away in the middle of a delivery. Losing a note is no harm.
    pub fn note_cut(&self, from: &str, at_ms: i64, address: &str) {
        let (id, content) = ("".into(), "".into());
        note(&self.cut, &Receipt { id, address: address.into(), at_ms, content, from: from.into() });
    }

    /// Appends one line per address, in one write; `from` is the name of the sender, if it gave one.
    pub fn append<'a>(
        &self,
        id: &str,
        content: &str,
        at_ms: i64,
        from: &str,
        addresses: impl Iterator<Item = &'a str>,
    ) -> io::Result<()> {
        let mut inner = self.inner.lock();
        let Inner { file, buffer, seen } = &mut *inner;
        buffer.clear();
        for address in addresses {
            *seen += 1;
            let broken = self.break_log.filter(|_| *seen == BROKEN_NTH);
            let address = if broken == Some(BreakLog::WrongPerson) { WRONG_PERSON } else { address };
            let (id, content, from) = (id.into(), content.into(), from.into());
            let receipt = Receipt { id, address: address.into(), at_ms, content, from };
            let copies = match broken {
                Some(BreakLog::LoseOne) => 0,
                Some(BreakLog::DuplicateOne) => 2,
                Some(BreakLog::WrongPerson) | None => 1,
            };
            for _ in 0..copies {
                serde_json::to_writer(&mut *buffer, &receipt)?;
                buffer.push(b'\n');
            }
        }
        file.write_all(buffer)
    }
}

fn note(path: &Path, note: &Receipt<'_>) {
    let Ok(mut line) = serde_json::to_vec(note) else { return };
    line.push(b'\n');
    let file = OpenOptions::new().create(true).append(true).open(path);
    drop(file.and_then(|mut file| file.write_all(&line)));
}

/// The file beside a log that holds what was refused.
#[must_use]
pub fn refusals(log: &Path) -> PathBuf {
    beside(log, ".refused")
}

/// The file beside a log that holds what was begun and never ended, because the sender went away.
#[must_use]
pub fn cuts(log: &Path) -> PathBuf {
    beside(log, ".cut")
}

fn beside(log: &Path, ending: &str) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Reads a log back; a last line that is still being written is left out.
pub fn read(path: &Path) -> io::Result<Vec<Receipt<'static>>> {
    let text = std::fs::read_to_string(path)?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).map_err(io::Error::from)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(break_log: Option<BreakLog>) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("receipts");
        let log = Log::open(&path, break_log).unwrap();
        log.append("leg_1", "标题 \"x\"\n", 5, "", ["a", "b"].into_iter()).unwrap();
        log.append("leg_1", "", 6, "", ["c", "d"].into_iter()).unwrap();
        read(&path).unwrap().into_iter().map(|receipt| receipt.address.into_owned()).collect()
    }

    #[test]
    fn an_honest_log_holds_every_receipt_once() {
        assert_eq!(logged(None), ["a", "b", "c", "d"]);
    }

    #[test]
    fn refusals_are_noted_beside_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("receipts");
        let log = Log::open(&path, None).unwrap();
        log.note_refusal("45009", "api freq out of limit", 5, "");
        log.note_refusal("550 5.1.1", "no such user", 6, "gone.x@y");
        let codes: Vec<_> = read(&refusals(&path)).unwrap().into_iter().map(|note| note.id.into_owned()).collect();
        assert_eq!((codes, read(&path).unwrap().len()), (vec!["45009".to_owned(), "550 5.1.1".to_owned()], 0));
    }

    #[test]
    fn a_broken_log_breaks_one_delivery_as_told() {
        assert_eq!(logged(Some(BreakLog::LoseOne)), ["a", "b", "d"]);
        assert_eq!(logged(Some(BreakLog::DuplicateOne)), ["a", "b", "c", "c", "d"]);
        assert_eq!(logged(Some(BreakLog::WrongPerson)), ["a", "b", WRONG_PERSON, "d"]);
    }
}
