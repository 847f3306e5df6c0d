//! Fingerpost's own channel, `fingerpost.v1` over gRPC: push changes, follow the state, wait until it shows, drain.
//!
//! ```text
//! server (connection, TLS) ─▶ auth (who) ─▶ service ─▶ apply ─▶ convert ─▶ registry::Push ─▶ registry
//!                                                      follow ◀─ history, catalog ◀────────────┘
//!                                                      visible, drain ◀─ visibility, followers
//! ```
//!
//! | module | owns |
//! |---|---|
//! | [`server`] | connections and their limits, what is counted, the stop |
//! | [`auth`], [`scope`] | who may ask for what, and in which namespaces |
//! | [`service`] | the methods of the protocol, each sent to its module |
//! | [`convert`] | from commands as they come over the wire to checked ones |
//! | `put_instance` | the command of which most come, as it is read |
//! | [`apply`] | batches of commands, many on their way at once |
//! | [`follow`] | the state as a stream: all of it, then what changes |
//! | [`followers`] | who follows, and what each of them shows by now |
//! | `explain` | [`crate::explain`] as a message |
//! | [`visible`], [`drain`] | waiting until a revision shows everywhere, and until clients have forgotten the one before |
//!
//! `proto/fingerpost/v1/registry.proto` is the contract, field by field. One task attends a stream, and nothing that it
//! waits for is held for a client that does not read: a slow follower costs a few messages, whatever happens meanwhile.

#![forbid(unsafe_code)]

pub mod apply;
pub mod auth;
pub mod convert;
mod counted;
pub mod drain;
mod explain;
pub mod follow;
pub mod followers;
pub mod method;
mod put_instance;
pub mod scope;
pub mod server;
pub mod service;
pub mod visible;

pub use auth::Gate;
pub use method::Method;
pub use server::{MAX_CONNECTIONS, Parts, Server};

/// What the protocol's file defines.
#[allow(missing_docs, clippy::all, unused_qualifications, unreachable_pub, reason = "made from the protocol's file")]
pub mod proto {
    pub use super::put_instance::{AttributeMap, PutInstance};

    tonic::include_proto!("fingerpost.v1");
}

/// The protocol's file, compiled, for server reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
