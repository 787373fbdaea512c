//! Who calls and what they may: tokens and keys ([`token`], [`keyring`]), roles and how far they
//! reach ([`roles`], [`authority`]), grants and the decision about a
//! publish ([`grants`], [`policy`]), the use-cases of those who give rights ([`admin`]), and who did what
//! ([`audit`]).
//!
//! Everything here is decided from memory. The committing transaction verifies the versions of the key and of
//! the grants that a decision names, so memory may lag but can never resurrect a right.

pub mod admin;
pub mod announce;
pub mod applications;
pub mod audit;
pub mod authority;
pub mod cipher;
pub mod explain;
pub mod grants;
pub mod keyring;
pub mod policy;
mod rate;
pub mod review;
pub mod roles;
pub mod scope;
mod table;
pub mod token;
pub mod topics;
pub mod user_token;
mod uses;

pub use crate::store::KeyUse;
pub use admin::{Admin, AdminParts};
pub use applications::Applications;
pub use audit::{Audit, AuditParts};
pub use authority::Reach;
pub use cipher::Cipher;
pub use grants::Grants;
pub use keyring::{Caller, Keyring, Origin};
pub use policy::{Authorised, Policy, Request};
pub use rate::Rate;
pub use roles::Roles;
pub use token::Seal;
pub use topics::Topics;
