//! Who may do what, by role and department.

mod matrix;
mod model;
pub mod offices;
mod requests;
mod world;
mod year;
