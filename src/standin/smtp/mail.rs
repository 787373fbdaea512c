//! What the log wants to know of a mail: its id and its subject.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The value of a header, unfolded; `None` if there is none. `head` may be followed by a body.
pub(super) fn header(head: &[u8], name: &str) -> Option<String> {
    let mut value: Option<String> = None;
    for line in head.split_inclusive(|&b| b == b'\n').map(<[u8]>::trim_ascii_end) {
        let folded = line.first().is_some_and(|b| b" \t".contains(b));
        match &mut value {
            Some(value) if folded => {
                value.push(' ');
                value.push_str(String::from_utf8_lossy(line).trim());
            }
            Some(_) => break,
            None if line.is_empty() => break,
            None => {
                let is_it =
                    line.get(name.len()) == Some(&b':') && line[..name.len()].eq_ignore_ascii_case(name.as_bytes());
                value = is_it.then(|| String::from_utf8_lossy(&line[name.len() + 1..]).trim().to_owned());
            }
        }
    }
    value
}

/// Decodes the encoded words (RFC 2047) of a header in UTF-8; leaves what it cannot read as it is.
#[must_use]
pub fn decode_words(value: &str) -> String {
    let mut out: Vec<u8> = Vec::with_capacity(value.len());
    let mut was_encoded = false;
    for word in value.split(' ').filter(|word| !word.is_empty()) {
        match decode_word(word) {
            // White space between encoded words belongs to the encoding. A character may be cut between two of
            // them, although it should not.
            Some(bytes) => {
                if !was_encoded && !out.is_empty() {
                    out.push(b' ');
                }
                out.extend(bytes);
                was_encoded = true;
            }
            None => {
                if !out.is_empty() {
                    out.push(b' ');
                }
                out.extend(word.as_bytes());
                was_encoded = false;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn decode_word(word: &str) -> Option<Vec<u8>> {
    let inner = word.strip_prefix("=?")?.strip_suffix("?=")?;
    let mut parts = inner.splitn(3, '?');
    let (charset, encoding, text) = (parts.next()?, parts.next()?, parts.next()?);
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    match encoding {
        "b" | "B" => STANDARD.decode(text).ok(),
        "q" | "Q" => decode_q(text.as_bytes()),
        _ => None,
    }
}

fn decode_q(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        out.push(match byte {
            b'_' => b' ',
            b'=' => {
                let digits = [*rest.next()?, *rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    Some(out)
}

/// Takes out the dots that were doubled for transport.
pub(super) fn unstuff(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    for line in data.split_inclusive(|&b| b == b'\n') {
        out.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folded_chinese_subject_reads_back() {
        let head =
            b"From: a@b\r\nSUBJECT: =?utf-8?b?5pyf5pyr?=\r\n =?utf-8?Q?=E8=80=83_x?= plain\r\n\r\nSubject: body\r\n";
        let value = header(head, "Subject").unwrap();
        assert_eq!(decode_words(&value), "期末考 x plain");
        assert_eq!(header(head, "From").as_deref(), Some("a@b"));
        assert_eq!(header(head, "X-None"), None);
    }

    #[test]
    fn hostile_headers_are_left_as_they_are() {
        for word in ["=?utf-8?b?!!!?=", "=?utf-8?q?=E?=", "=?utf-8?q?=zz?=", "=??=", "=?a?b?", "=?gbk?b?1qrX?="] {
            assert_eq!(decode_words(word), word);
        }
        assert_eq!(header(b"\xff\xfe:x\r\nSubject", "Subject"), None);
    }

    #[test]
    fn doubled_dots_are_halved() {
        assert_eq!(unstuff(b"a\r\n..\r\n.b\r\nc."), b"a\r\n.\r\nb\r\nc.");
    }
}
