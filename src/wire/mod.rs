//! DNS messages as octets: what a query says, and how a response is put together.
//!
//! [`Query::parse`] reads, [`Writer`] writes, [`NameKey`] and [`Name`] are the two forms of a name: one lives
//! in a worker's scratch space, the other in the cold side's data. Nothing here knows what the answer is.
//! RFC 1035 §4, with the extension mechanism of RFC 6891.

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod edns;
mod key;
mod name;
mod plain;
mod query;
mod reader;
mod short_key;
pub mod types;
mod writer;

pub use edns::{Edns, OPT_LENGTH, Options};
pub use key::NameKey;
pub(crate) use name::{MAX_LABEL, MAX_LENGTH, name_length, wire_labels};
pub use name::{Name, NameError};
pub use plain::{PLAIN_ROOM, PlainQuestion, PlainRecords};
pub use query::{Fault, HEADER_LENGTH, Query};
pub use reader::{Reader, Short};
pub use short_key::ShortKey;
pub use writer::{Full, Writer};
