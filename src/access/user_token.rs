//! Tokens that let one person read her inbox: `cpl_user_PAYLOAD.MAC`, signed by the installation and kept
//! nowhere. Raising a user's `token_epoch` ends all that were issued before.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::token::{Seal, invalid};
use crate::domain::access::Mode;
use crate::domain::refusal::Refusal;
use crate::domain::time::At;

const PREFIX: &str = "cpl_user_";
/// The first byte of a payload; another layout gets another.
const LAYOUT: u8 = 1;
const PAYLOAD_BYTES: usize = 22;
/// More than any token has after its prefix.
const REST_BYTES_MAX: usize = 100;

/// Whose inbox, in which mode, until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserToken {
    /// The person.
    pub ordinal: u32,
    /// Live or test: what the person sees.
    pub mode: Mode,
    /// The person's epoch when the token was issued; the caller compares it with the present one.
    pub token_epoch: i64,
    /// After this it is refused.
    pub expire_at: At,
}

/// Whether a token claims to be a user token, so that the right check is made.
#[must_use]
pub fn is_user_token(text: &str) -> bool {
    text.starts_with(PREFIX)
}

impl UserToken {
    /// The text of the token.
    #[must_use]
    pub fn sign(&self, seal: &Seal) -> String {
        let mut payload = Vec::with_capacity(PAYLOAD_BYTES);
        payload.push(LAYOUT);
        payload.extend(self.ordinal.to_be_bytes());
        payload.push(self.mode as u8);
        payload.extend(self.token_epoch.to_be_bytes());
        payload.extend(self.expire_at.0.to_be_bytes());
        let mac = hmac::sign(&seal.users, &payload);
        format!("{PREFIX}{}.{}", URL_SAFE_NO_PAD.encode(&payload), URL_SAFE_NO_PAD.encode(mac))
    }

    /// Reads a token that this installation signed and whose time has not run out.
    ///
    /// # Errors
    /// `TOKEN_INVALID`, the same for every fault.
    pub fn verify(text: &str, seal: &Seal, now: At) -> Result<UserToken, Refusal> {
        let token = opened(text, seal).ok_or_else(invalid)?;
        if now < token.expire_at { Ok(token) } else { Err(invalid()) }
    }
}

fn opened(text: &str, seal: &Seal) -> Option<UserToken> {
    let (payload, mac) = text.strip_prefix(PREFIX).filter(|rest| rest.len() <= REST_BYTES_MAX)?.split_once('.')?;
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
    // The comparison of the library takes constant time.
    hmac::verify(&seal.users, &payload, &mac).ok()?;
    if payload.len() != PAYLOAD_BYTES || payload[0] != LAYOUT {
        return None;
    }
    Some(UserToken {
        ordinal: u32::from_be_bytes(payload[1..5].try_into().ok()?),
        mode: Mode::from_code(i64::from(payload[5]))?,
        token_epoch: i64::from_be_bytes(payload[6..14].try_into().ok()?),
        expire_at: At(i64::from_be_bytes(payload[14..22].try_into().ok()?)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: UserToken = UserToken { ordinal: 70_000, mode: Mode::Test, token_epoch: 3, expire_at: At(1_000) };

    #[test]
    fn a_signed_token_reads_back_until_its_time_runs_out() {
        let seal = Seal::new(&[7; 32]);
        let text = TOKEN.sign(&seal);
        assert!(is_user_token(&text));
        assert_eq!(UserToken::verify(&text, &seal, At(999)), Ok(TOKEN));
        assert_eq!(UserToken::verify(&text, &seal, At(1_000)), Err(invalid()));
        assert_eq!(UserToken::verify(&text, &Seal::new(&[8; 32]), At(0)), Err(invalid()));
    }

    #[test]
    fn no_changed_character_goes_unnoticed() {
        let seal = Seal::new(&[7; 32]);
        let text = TOKEN.sign(&seal);
        for place in 0..text.len() {
            let other = if text.as_bytes()[place] == b'A' { "B" } else { "A" };
            let changed = format!("{}{other}{}", &text[..place], &text[place + 1..]);
            assert_eq!(UserToken::verify(&changed, &seal, At(0)), Err(invalid()), "{place}");
        }
        let longer = format!("{text}{}", "A".repeat(10_000));
        assert_eq!(UserToken::verify(&longer, &seal, At(0)), Err(invalid()));
    }
}
