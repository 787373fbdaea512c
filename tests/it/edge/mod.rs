//! The interface over HTTP.

mod json;
