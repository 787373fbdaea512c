//! Who may do what, by role and department.

mod offices;
