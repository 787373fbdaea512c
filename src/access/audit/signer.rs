//! Signs checkpoints with Ed25519 under a key of its own that comes from the installation's secret. The public half
//! is shown with every export, so that a file can be checked without the service.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use aws_lc_rs::{error, hmac};

use crate::domain::audit::Checkpoint;

/// The installation's key for checkpoints; see [`crate::access::Seal::signer`].
pub struct Signer {
    pair: Ed25519KeyPair,
}

impl Signer {
    pub(in crate::access) fn new(master: &hmac::Key) -> Result<Signer, error::KeyRejected> {
        let seed = hmac::sign(master, b"campanile audit checkpoints");
        Ok(Signer { pair: Ed25519KeyPair::from_seed_unchecked(seed.as_ref())? })
    }

    /// The checkpoint with its signature.
    #[must_use]
    pub fn sign(&self, checkpoint: Checkpoint) -> Checkpoint {
        let signature = self.pair.sign(&checkpoint.digest()).as_ref().to_vec();
        Checkpoint { signature, ..checkpoint }
    }

    /// What others check signatures with.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }
}

/// Whether the owner of a public key signed a checkpoint.
#[must_use]
pub fn is_signed(checkpoint: &Checkpoint, public_key: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public_key).verify(&checkpoint.digest(), &checkpoint.signature).is_ok()
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(****)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Seal;
    use crate::domain::audit::chain::START;
    use crate::domain::time::At;

    #[test]
    fn a_checkpoint_is_signed_by_its_installation_alone() {
        let (ours, theirs) = (Seal::new(&[7; 32]).signer().unwrap(), Seal::new(&[8; 32]).signer().unwrap());
        let bare = Checkpoint { number: 1, at: At(5), entries: 0, heads: vec![], previous: START, signature: vec![] };
        let signed = ours.sign(bare.clone());
        assert!(is_signed(&signed, ours.public_key()));
        assert!(!is_signed(&signed, theirs.public_key()) && !is_signed(&bare, ours.public_key()));
        assert!(!is_signed(&Checkpoint { entries: 1, ..signed.clone() }, ours.public_key()));
        assert!(!is_signed(&Checkpoint { number: 2, ..signed }, ours.public_key()));
        assert!(!format!("{ours:?}").contains(char::is_numeric));
    }
}
