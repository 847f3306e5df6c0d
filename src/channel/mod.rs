//! (skeleton)
pub mod file;
