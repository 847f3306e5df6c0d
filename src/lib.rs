//! Fingerpost: a self-hosted AWS Cloud Map in front of a fast authoritative DNS data plane.
#![warn(missing_docs)]

pub mod admin;
pub mod channel;
pub mod config;
pub mod dns;
pub mod metrics;
pub mod model;
pub mod net;
pub mod registry;
pub mod server;
pub mod table;
pub mod wire;
pub mod zone;
