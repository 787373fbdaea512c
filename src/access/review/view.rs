//! That a reviewer was shown a message, when, and what: signed, so that nothing of it need be kept. It comes back
//! with the decision.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::access::Seal;
use crate::domain::id::MessageId;
use crate::domain::review::Fingerprint;
use crate::domain::time::At;

const LAYOUT: u8 = 1;
const SHOWN_BYTES: usize = 1 + 32 + 8;
const MAC_BYTES: usize = 32;

/// What one person was shown of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// When.
    pub at: At,
}

impl View {
    /// The view as a text for this person.
    #[must_use]
    pub fn sign(&self, message: MessageId, person: u32, seal: &Seal) -> String {
        let shown = self.shown();
        let mac = hmac::sign(&seal.views, &signed(&shown, message, person));
        let mut whole = shown.to_vec();
        whole.extend(mac.as_ref());
        URL_SAFE_NO_PAD.encode(whole)
    }

    /// The view in a text that this installation signed for this person and message.
    #[must_use]
    pub fn verify(text: &str, message: MessageId, person: u32, seal: &Seal) -> Option<View> {
        let whole = URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == SHOWN_BYTES + MAC_BYTES)?;
        let (shown, mac) = whole.split_at(SHOWN_BYTES);
        // The comparison of the library takes constant time.
        hmac::verify(&seal.views, &signed(shown, message, person), mac).ok()?;
        let at = At(i64::from_be_bytes(shown[33..].try_into().ok()?));
        (shown[0] == LAYOUT).then_some(View { fingerprint: shown[1..33].try_into().ok()?, at })
    }

    fn shown(&self) -> [u8; SHOWN_BYTES] {
        let mut shown = [LAYOUT; SHOWN_BYTES];
        shown[1..33].copy_from_slice(&self.fingerprint);
        shown[33..].copy_from_slice(&self.at.0.to_be_bytes());
        shown
    }
}

fn signed(shown: &[u8], message: MessageId, person: u32) -> Vec<u8> {
    [shown, &message.0.to_be_bytes(), &person.to_be_bytes()].concat()
}
