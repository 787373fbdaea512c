//! Everything that needs the whole house: one binary, one link.

mod api;
mod channel;
mod store;
