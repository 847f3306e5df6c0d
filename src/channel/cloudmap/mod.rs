//! The AWS Cloud Map API (`servicediscovery` 2017-03-14), as AWS's own clients speak it.
//!
//! ```text
//! http (connection, TLS, size) ─▶ signature (who) ─▶ action (what) ─▶ protocol ─▶ shapes (checked input)
//!                                                        actions ─▶ registry ─▶ shapes (output) ─▶ protocol
//! ```
//!
//! `http` and what it calls know no registry; `shapes` are the API model's structures with its constraints; `actions`
//! holds what each of the 30 does.

#![forbid(unsafe_code)]

mod action;
mod error;
pub mod shapes;

pub use action::Action;
pub use error::ApiError;
