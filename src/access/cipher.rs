//! Seals what the store keeps for providers, under a key of its own that comes from the installation's secret:
//! AES-256-GCM with a random nonce. Whoever sees a row, a log of statements or a page of a backup sees no token.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::{error, hmac};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

/// The first byte of what is sealed; another layout gets another.
const LAYOUT: u8 = 1;

/// The installation's key for tokens of providers; see [`super::Seal::cipher`].
pub struct Cipher {
    key: RandomizedNonceKey,
}

impl Cipher {
    pub(super) fn new(master: &hmac::Key) -> Result<Cipher, error::Unspecified> {
        let derived = hmac::sign(master, b"campanile provider credentials");
        Ok(Cipher { key: RandomizedNonceKey::new(&AES_256_GCM, derived.as_ref())? })
    }

    /// Seals a token. It opens only for the same purpose, which is not secret and not kept.
    ///
    /// # Errors
    /// If the system gives no random numbers.
    pub fn seal(&self, purpose: &[u8], token: &SecretString) -> Result<Vec<u8>, error::Unspecified> {
        let mut text = Zeroizing::new(token.expose_secret().as_bytes().to_vec());
        let (nonce, tag) = self.key.seal_in_place_separate_tag(Aad::from(purpose), &mut text)?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + text.len() + tag.as_ref().len());
        sealed.push(LAYOUT);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.extend_from_slice(&text);
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens a token; `None` if it was sealed for another purpose, by another installation, or is damaged.
    #[must_use]
    pub fn open(&self, purpose: &[u8], sealed: &[u8]) -> Option<SecretString> {
        let (layout, rest) = sealed.split_first()?;
        if *layout != LAYOUT {
            return None;
        }
        let (nonce, text) = rest.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = Zeroizing::new(text.to_vec());
        let opened = self.key.open_in_place(nonce, Aad::from(purpose), &mut text).ok()?;
        Some(SecretString::from(std::str::from_utf8(opened).ok()?))
    }
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher(****)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cipher(seed: u8) -> Cipher {
        crate::access::Seal::new(&[seed; 32]).cipher().unwrap()
    }

    #[test]
    fn a_sealed_token_opens_for_its_purpose_only() {
        let token = SecretString::from("tok-hush-1");
        let sealed = cipher(7).seal(b"wechat.main", &token).unwrap();
        assert_eq!(cipher(7).open(b"wechat.main", &sealed).unwrap().expose_secret(), "tok-hush-1");
        assert!(cipher(7).open(b"wechat.other", &sealed).is_none());
        assert!(cipher(8).open(b"wechat.main", &sealed).is_none());
    }

    #[test]
    fn what_is_sealed_shows_nothing_and_never_repeats() {
        let token = SecretString::from("tok-hush-1");
        let sealed = cipher(7).seal(b"p", &token).unwrap();
        assert!(!sealed.windows(4).any(|part| b"tok-hush-1".windows(4).any(|of| of == part)));
        assert_ne!(sealed, cipher(7).seal(b"p", &token).unwrap());
        assert!(!format!("{:?}", cipher(7)).contains('7'));
    }

    #[test]
    fn a_damaged_token_is_none() {
        let sealed = cipher(7).seal(b"p", &SecretString::from("tok-hush-1")).unwrap();
        for place in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[place] ^= 1;
            assert!(cipher(7).open(b"p", &damaged).is_none(), "{place}");
            assert!(cipher(7).open(b"p", &sealed[..place]).is_none(), "{place}");
        }
    }
}
