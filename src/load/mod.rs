//! The load harness: asks a DNS server at a fixed rate or as fast as it answers, checks every answer, and says how long
//! the answers took.
//!
//! # Structure
//!
//! ```text
//! data ─▶ questions ─▶ sender threads (open loop: when a query is due is decided before) ─▶ server
//!   │                         └─ receive ─▶ check against data ─▶ histograms ─▶ report ─▶ compare · plot
//!   └─▶ declaration, zone files: any server can serve the same
//! ```
//!
//! [`data`] is what is asked for, a function of a short text and a seed, and [`generate`] writes it for servers; [`report`] is
//! what came of a run, and [`table`], [`compare`] and [`plot`] show it. Nothing here
//! is used by the server.

pub mod compare;
pub mod data;
pub mod generate;
pub mod plot;
pub mod report;
pub mod table;
pub mod words;
