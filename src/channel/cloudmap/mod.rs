//! The AWS Cloud Map API (`servicediscovery` 2017-03-14), as AWS's own clients speak it.
//!
//! ```text
//! http (connection, TLS, size) ─▶ signature (who) ─▶ action (what) ─▶ protocol ─▶ shapes (checked input)
//!                                                        actions ─▶ registry ─▶ shapes (output) ─▶ protocol
//! ```
//!
//! `http` and what it calls know no registry; `shapes` are the API model's structures with its constraints; `actions`
//! holds what each of the 30 does.
//!
//! | module | owns |
//! |---|---|
//! | [`http`] | connections and their limits, requests and replies as HTTP has them |
//! | [`access`] | who may ask for what |
//! | [`protocol`] | JSON and CBOR |
//! | [`shapes`] | the API model's structures with its constraints |
//! | [`actions`] | what each of the 30 actions does |

#![forbid(unsafe_code)]

pub mod access;
mod action;
pub mod actions;
mod error;
pub mod http;
pub mod protocol;
pub mod shapes;

pub use access::Caller;
pub use action::Action;
pub use error::ApiError;
pub use http::Request;
pub use protocol::Protocol;
