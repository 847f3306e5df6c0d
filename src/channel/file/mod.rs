//! The channel of declaration files: namespaces, services, instances and zones as text.
//!
//! ```text
//!   paths ─▶ listing ─▶ folder (read once, cache) ─┬▶ yaml ─▶ reader + declaration ─▶ merge ─┬▶ State ─▶ apply
//!     ▲                                            │ (nodes)   (schema, faults)  (all files) │
//!     │                                            └▶ master (zone files) ─▶ zones + conflict ┘
//!   watch (inotify, SIGHUP) ─▶ follow (load when due, keep the last good state, tell the status)
//! ```
//!
//! The files say the whole of what is wanted: a load replaces everything that was declared before, at once. A load
//! with a fault anywhere replaces nothing, and every fault of every file is told, with its place, the value and
//! what is allowed.
//!
//! * [`check`] validates and does nothing else.
//! * [`Follower`] loads at the start and follows the files afterwards, telling its [`FileStatus`].
//! * [`read`] takes one declaration as bytes, [`read_zone`] one zone file.

#![forbid(unsafe_code)]

mod conflict;
mod declaration;
mod export;
mod fault;
mod folder;
mod follow;
mod fragment;
mod listing;
mod master;
mod merge;
mod places;
pub(crate) mod reader;
mod records;
mod template;
mod watch;
pub(crate) mod yaml;
mod zones;

#[cfg(test)]
mod tests;

pub use export::export;
pub use fault::{Fault, Position};
pub use folder::{Loaded, Loader, Summary, check, read};
pub use follow::{FileStatus, Follower, Unapplied};
pub use master::{Limits, read as read_zone};
