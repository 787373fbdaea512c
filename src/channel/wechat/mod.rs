//! WeCom (next).
