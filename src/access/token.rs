//! The text of API tokens: `cpl_live_KEY_SECRET` or `cpl_test_KEY_SECRET`, where KEY is the 13 characters of
//! the key's id and SECRET is 256 random bits in 52 characters. Only a keyed hash of the secret is ever kept.

use std::fmt;

use aws_lc_rs::error::{KeyRejected, Unspecified};
use aws_lc_rs::{constant_time, hmac, rand};
use secrecy::{ExposeSecret, SecretString};

use super::Cipher;
use super::audit::Signer;
use crate::domain::access::Mode;
use crate::domain::id::KeyId;
use crate::domain::refusal::{Reason, Refusal};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const ID_CHARS: usize = 13;
const SECRET_CHARS: usize = 52;

/// The installation's own secret: hashes the secrets of keys, signs user tokens and what reviewers were shown.
pub struct Seal {
    keys: hmac::Key,
    pub(super) users: hmac::Key,
    pub(super) views: hmac::Key,
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal(****)")
    }
}

/// A token taken apart, before anybody looked whether it is right.
#[derive(Debug)]
pub struct Token {
    /// The mode that it claims.
    pub mode: Mode,
    /// The key that it claims.
    pub key_id: KeyId,
    secret: SecretString,
}

impl Seal {
    /// The seal of an installation.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Seal {
        let keys = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let derived = |purpose: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&keys, purpose).as_ref());
        Seal { users: derived(b"campanile user tokens"), views: derived(b"campanile review views"), keys }
    }

    /// The cipher for what the store keeps of providers.
    ///
    /// # Errors
    /// None, unless the system's cryptography is broken.
    pub fn cipher(&self) -> Result<Cipher, Unspecified> {
        Cipher::new(&self.keys)
    }

    /// The signer of the audit trail's checkpoints.
    ///
    /// # Errors
    /// None, unless the system's cryptography is broken.
    pub fn signer(&self) -> Result<Signer, KeyRejected> {
        Signer::new(&self.keys)
    }

    /// Makes a token for a key: the text to show once, and the hash to keep.
    ///
    /// # Errors
    /// `INTERNAL` if the system gives no random numbers.
    pub fn mint(&self, key_id: KeyId, mode: Mode) -> Result<(SecretString, [u8; 32]), Refusal> {
        let mut random = [0_u8; SECRET_CHARS];
        rand::fill(&mut random)
            .map_err(|_| Refusal::new(Reason::Internal, "The system gives no random numbers. Try again."))?;
        // Five bits of each byte; the 52nd character carries only one, for 256 in all.
        random[SECRET_CHARS - 1] &= 1;
        let secret: String = random.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect();
        let shown = key_id.to_string();
        let id = shown.trim_start_matches("key_");
        let hash = self.hash(&secret);
        Ok((SecretString::from(format!("{}{id}_{secret}", prefix(mode))), hash))
    }

    /// Whether the token's secret is the one with this hash, in constant time.
    #[must_use]
    pub fn fits(&self, token: &Token, hash: &[u8; 32]) -> bool {
        let found = self.hash(token.secret.expose_secret());
        constant_time::verify_slices_are_equal(&found, hash).is_ok()
    }

    fn hash(&self, secret: &str) -> [u8; 32] {
        let tag = hmac::sign(&self.keys, secret.as_bytes());
        let mut hash = [0; 32];
        hash.copy_from_slice(tag.as_ref());
        hash
    }
}

impl Token {
    /// Takes a token apart; `None` if it has not the form of one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Token> {
        let (mode, rest) = [Mode::Live, Mode::Test]
            .into_iter()
            .find_map(|mode| text.strip_prefix(prefix(mode)).map(|rest| (mode, rest)))?;
        let (id, secret) = rest.split_once('_')?;
        let in_alphabet = |part: &str| part.bytes().all(|byte| ALPHABET.contains(&byte));
        if id.len() != ID_CHARS || secret.len() != SECRET_CHARS || !in_alphabet(secret) {
            return None;
        }
        let key_id = format!("key_{id}").parse().ok()?;
        Some(Token { mode, key_id, secret: SecretString::from(secret) })
    }
}

fn prefix(mode: Mode) -> &'static str {
    match mode {
        Mode::Live => "cpl_live_",
        Mode::Test => "cpl_test_",
    }
}

/// The token in an `authorization` header.
///
/// # Errors
/// `TOKEN_MISSING` without one, `TOKEN_INVALID` if it is no single bearer token.
pub fn bearer(header: Option<&str>) -> Result<&str, Refusal> {
    let missing = || {
        let advice = "Send the metadata `authorization: Bearer` and a token such as cpl_live_….";
        Refusal::new(Reason::TokenMissing, advice)
    };
    let (scheme, token) = header.ok_or_else(missing)?.trim().split_once(' ').ok_or_else(missing)?;
    let token = token.trim_start();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(missing());
    }
    if token.bytes().all(|byte| byte.is_ascii_graphic()) { Ok(token) } else { Err(invalid()) }
}

/// The one answer to every token that is not right, whatever is wrong with it.
#[must_use]
pub fn invalid() -> Refusal {
    let advice = "The token is unknown, revoked, expired or damaged. Ask an administrator for a new one.";
    Refusal::new(Reason::TokenInvalid, advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minted_token_fits_its_hash_and_no_other() {
        let seal = Seal::new(&[7; 32]);
        let (text, hash) = seal.mint(KeyId(77), Mode::Test).unwrap();
        let text = text.expose_secret();
        assert!(text.starts_with("cpl_test_") && text.len() == 9 + 13 + 1 + 52, "{}", text.len());
        let token = Token::parse(text).unwrap();
        assert_eq!((token.mode, token.key_id), (Mode::Test, KeyId(77)));
        assert!(seal.fits(&token, &hash));
        assert!(!Seal::new(&[8; 32]).fits(&token, &hash));
        let (other, _) = seal.mint(KeyId(77), Mode::Test).unwrap();
        assert!(!seal.fits(&Token::parse(other.expose_secret()).unwrap(), &hash));
    }

    #[test]
    fn damaged_tokens_are_no_tokens() {
        let seal = Seal::new(&[7; 32]);
        let (text, _) = seal.mint(KeyId(77), Mode::Live).unwrap();
        let text = text.expose_secret();
        for bad in [&text[1..], &text[..text.len() - 1], &format!("{text}0"), &text.to_uppercase(), "", "cpl_live__"] {
            assert!(Token::parse(bad).is_none());
        }
    }

    #[test]
    fn nothing_shown_for_debugging_holds_a_secret() {
        let seal = Seal::new(&[7; 32]);
        let (text, _) = seal.mint(KeyId(77), Mode::Live).unwrap();
        let secret = text.expose_secret()[23..].to_owned();
        let token = Token::parse(text.expose_secret()).unwrap();
        assert!(!format!("{text:?} {token:?} {seal:?}").contains(&secret));
    }

    #[test]
    fn a_header_holds_one_bearer_token_or_none() {
        assert_eq!(bearer(Some("bearer  cpl_live_x")).unwrap(), "cpl_live_x");
        for missing in [None, Some(""), Some("Bearer"), Some("Bearer "), Some("Basic abc")] {
            assert_eq!(bearer(missing).unwrap_err().reason, Reason::TokenMissing);
        }
        for wrong in ["Bearer a b", "Bearer a\nb"] {
            assert_eq!(bearer(Some(wrong)).unwrap_err().reason, Reason::TokenInvalid);
        }
    }
}
