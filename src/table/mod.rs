//! The answer table: every owner name with its answers prepared, immutable, replaced as a whole.
//!
//! # Functionality
//!
//! A worker finds the [`Node`] of a name and copies its prepared records into a response. The registry's side
//! compiles namespaces and services ([`compile`]) into [`NodeDraft`]s, puts them through an [`Editor`] and
//! publishes the [`Snapshot`] that results ([`Publisher`]). A query sees all of a change or nothing of it.
//!
//! # Structure
//!
//! ```text
//! Snapshot ─▶ groups ─▶ group: 64 shards ─▶ shard: one block of 64-bit words
//!                                             ├─ count, index size
//!                                             ├─ index: (hash tag, offset)…     open addressing
//!                                             └─ nodes: header, name, RRset entries, prepared data
//! ```
//!
//! A name's hash picks the shard; a shard holds 32 nodes of an address or so in one allocation, or fewer larger ones. An edit copies the shards whose
//! names it changes, the groups of those shards and the list of groups: a few microseconds in a table of a million
//! names, and the rest is shared with the snapshot before. There is no reference count per name, no pointer inside
//! a shard, and a lookup touches three to five cache lines.
//!
//! All zones live in one table: a node knows where in its name the zone begins ([`Node::apex_offset`]). Every name
//! between an apex and an owner name has a node, if an empty one, so that an empty non-terminal (RFC 8020, RFC 4592
//! §2.2.2) needs no search and the closest encloser is the first ancestor found. Only the names of instances have none:
//! `instances.rs`.

#![forbid(unsafe_code)]

mod build;
pub mod compile;
mod difference;
mod draft;
mod edit;
mod encode;
mod fill;
mod instances;
mod networks;
mod node;
mod publish;
mod shard;
mod snapshot;
mod views;
mod withheld;

pub use draft::{NodeDraft, RrSetDraft, ServiceEntry};
pub use edit::Editor;
pub use fill::{Fill, finish};
pub use instances::InstanceRoom;
pub use networks::Networks;
pub use node::{Addresses, Aliases, Flags, Layer, Node, Records, RrSet, ServiceTarget, Services};
pub use publish::{Handle, Publisher, View};
pub use snapshot::{Place, Snapshot};
pub use views::{Current, Loaded, Seen, ViewSet, Views};
