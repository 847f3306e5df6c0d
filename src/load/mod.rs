//! The load harness: asks a DNS server at a fixed rate or as fast as it answers, checks every answer, and says how long
//! the answers took.
//!
//! # Structure
//!
//! ```text
//! data ─▶ questions ─▶ desk ─▶ udp · tcp ─▶ server        pace: when a query is due is decided before
//!   │                   │ ▲ slots: what waits for its answer
//!   │                   ▼ │
//!   │         check against data ─▶ tally ─▶ report ─▶ table · compare · plot
//!   │                   ▲
//!   │                versions ◀─ churn: changes through gRPC or the API, and a prober that looks for them in DNS
//!   └─▶ generate: declaration, zone files: any server can serve the same
//! ```
//!
//! A run has steps, a step has threads, a thread has sockets of its own and shares nothing that is written to with another
//! but the versions of what is changed. It allocates nothing for a query. All of this is for the client's side: the server
//! uses none of it.
//!
//! # Invariants
//!
//! - In an open loop neither an answer nor its absence moves the time at which a query is due, and latency counts from
//!   that time, the generator's own lag included; the lag is reported beside it.
//! - Every query that was sent ends as answered or as lost, and every one that was due and not sent as unsent.
//! - A message counts as an answer if id, socket and question fit; everything else is unexpected.

mod check;
mod churn;
pub mod compare;
pub mod data;
mod desk;
mod file;
pub mod generate;
mod lanes;
mod mix;
mod pace;
mod plan;
pub mod plot;
mod poll;
mod popularity;
mod progress;
mod questions;
pub mod report;
mod run;
mod slots;
pub mod table;
mod tally;
mod tcp;
mod udp;
pub mod words;

use crate::net::burst::BURST;

pub use churn::{ChurnPlan, Versions, Way};
pub use mix::{BadMix, Kind, Mix};
pub use pace::{BadRate, Pace, Rates};
pub use plan::{LoadError, Plan, Transport};
pub use popularity::{BadPopularity, Popularity};
pub use questions::{CHURN_NAMESPACE, Questions};
pub use run::run;

#[cfg(test)]
mod engine_tests;
