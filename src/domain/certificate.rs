//! Client certificates by their fingerprints: what a key may be bound to beside its secret.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};

/// SHA-256 over a certificate in DER, as `openssl x509 -fingerprint -sha256` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

/// A text that is no fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the SHA-256 of a certificate: 64 hexadecimal digits, with or without colons")]
pub struct ParseFingerprintError;

impl Fingerprint {
    /// The fingerprint of a certificate in DER.
    #[must_use]
    pub fn of(certificate: &[u8]) -> Fingerprint {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, certificate).as_ref());
        Fingerprint(bytes)
    }
}

impl FromStr for Fingerprint {
    type Err = ParseFingerprintError;

    fn from_str(text: &str) -> Result<Fingerprint, ParseFingerprintError> {
        // `openssl x509 -fingerprint -sha256` names it first.
        let text = text.rsplit_once('=').map_or(text, |(_, digits)| digits);
        let digits: Vec<u32> = text.split(':').flat_map(str::chars).map_while(|digit| digit.to_digit(16)).collect();
        let length = text.chars().filter(|c| *c != ':').count();
        if length != 64 || digits.len() != 64 {
            return Err(ParseFingerprintError);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            *byte = u8::try_from(pair[0] * 16 + pair[1]).map_err(|_| ParseFingerprintError)?;
        }
        Ok(Fingerprint(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_openssl_shows_it_and_as_we_do() {
        let ours = Fingerprint::of(b"certificate").to_string();
        let upper = ours.to_uppercase();
        let pairs: Vec<&str> = (0..64).step_by(2).map(|at| &upper[at..at + 2]).collect();
        assert_eq!(pairs.join(":").parse(), Ok(Fingerprint::of(b"certificate")));
        assert_eq!(ours.parse(), Ok(Fingerprint::of(b"certificate")));
        assert_eq!(format!("sha256 Fingerprint={ours}").parse(), Ok(Fingerprint::of(b"certificate")));
        assert_ne!(Fingerprint::of(b"another"), Fingerprint::of(b"certificate"));
        let long = format!("{ours}0");
        let spaced = ours.replacen('0', " ", 1);
        for bad in ["", "ab", &ours[1..], &long, &"g".repeat(64), &"é".repeat(64), &format!("{}:zz", &ours[2..])] {
            assert_eq!(bad.parse::<Fingerprint>(), Err(ParseFingerprintError), "{bad}");
        }
        assert!(spaced == ours || spaced.parse::<Fingerprint>().is_err());
    }
}
