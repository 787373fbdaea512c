//! Expressions of every kind: what they name, and that no text does harm.

mod against;
mod bytes;
mod naive;
