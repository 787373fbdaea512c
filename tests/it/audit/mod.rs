//! The audit trail of a whole node: what is in it, what is never in it, and that no hand in the file goes unseen.

mod tampering;
mod trail;
