//! The engine against a store in memory and providers that do what they like. A failure names its seed;
//! `CAMPANILE_SIM_SEED` runs that one alone.

mod holds;
mod model;
mod scenes;
mod script;
mod seeded;
