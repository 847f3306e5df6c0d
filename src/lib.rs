//! Fingerpost: a self-hosted AWS Cloud Map in front of a fast authoritative DNS data plane.
//!
//! # The way of the data
//!
//! ```text
//!     HOT  pinned OS threads: no tokio, no locks, no allocation         COLD  one tokio runtime
//!  socket ─▶ net::udp ─▶ wire::Query ─▶ table::Snapshot ─▶ dns::answer      channel::file · channel::cloudmap · health
//!     ▲      (batch)      (parse)        (lookup)           (write)  │          │ Command
//!     └───────── send ◀── net::mmsg (recvmmsg, sendmmsg) ◀───────────┘          ▼
//!                              ▲ one view per table and batch               registry (single writer) ─▶ store (durable)
//!                              └──────── table::Publisher ◀── table::compile ◀──┘   └─▶ catalog (readers)
//! ```
//!
//! # Where things are
//!
//! | module | owns |
//! |---|---|
//! | [`wire`] | messages as octets: names, queries, EDNS, the writer |
//! | [`table`] | the immutable answer tables, their compilation from the model, their publication, who sees which |
//! | [`dns`] | from a query to its response: lookup, selection, negative answers, truncation |
//! | [`net`] | sockets, the UDP workers, TCP connections and their limits |
//! | [`forward`] | names outside our zones: upstreams, their cache, search domains |
//! | [`model`] | namespaces, services, instances: plain data and Cloud Map's rules for it |
//! | [`zone`] | static records on their way from files into the table |
//! | [`registry`] | the single writer: commands become rows, snapshots and a catalog; [`registry::store`] keeps the rows |
//! | [`channel`] | how commands arrive: [`channel::file`] from declarations, [`channel::cloudmap`] over AWS's API, [`channel::grpc`] over our own |
//! | [`transfer`] | zone transfer out: AXFR, IXFR, NOTIFY, signatures |
//! | [`follow`] | the state of another node, which this one answers from: its stream, its file, and how old it may be |
//! | [`health`] | probes of instances |
//! | [`explain`] | what a query would be answered, and why |
//! | [`load`] | the load harness: data, senders, checks of answers, reports, and how they compare; no server uses it |
//! | `threads` | several pieces of work at once, also where no thread can be had |
//! | [`sigv4`] | AWS's signatures, made and verified |
//! | [`credentials`], [`tls`] | who may ask, and certificates: what the channels over the network share |
//! | [`agent`] | `fingerpost run`: a command that is registered while it is healthy, and drained before it stops |
//! | [`client`] | a client of AWS's API, for the program's own commands |
//! | [`config`] | flags, environment variables and the configuration file, resolved once |
//! | [`template`] | CloudFormation templates: parameters, functions, and the resources they yield |
//! | [`stack`] | a template applied through the API: the plan, and how it is carried out |
//! | `threads` | work that is shared out among threads for a moment |
//! | [`metrics`], [`admin`] | counters and how operators see them |
//! | [`server`] | one server's life, from bind to join |
//!
//! The registry's rows lie in fjall; [`registry::store::embedded`] says what it was measured against and why it won.
//!
//! # Invariants
//!
//! - `wire`, `table`, `dns` and `model` know no sockets, no tokio, no clock and no file format, and forbid unsafe code.
//!   Randomness comes in through [`dns::Ctx`]. They are tested as functions.
//! - [`dns::answer`] is total: it cannot fail, block, allocate, log or panic. It returns a response or silence.
//! - [`table::compile`] is the only way from services and instances to answer data, and [`zone::Zone`] the only one from
//!   static records. The [`registry`] is the only writer.
//! - A change is durable in the store, then visible in the published snapshot, then acknowledged. One revision number
//!   names all three. A refused command leaves no trace.
//! - A worker takes one view per table and batch of packets, and lets go of it when idle. Retired snapshots are freed by
//!   the publisher, never by a worker. There is one table for everybody and one for each VPC that is configured; with no
//!   VPC, nobody looks at a client's address.
//! - A change copies what it changes: no edit copies the table. Only growth to twice the names lays it out anew.
//! - No response cache stands in front of the table.
//! - Which instances answer, fail-open included, is decided when a service is compiled, not per query.
//! - Bad input (a packet, a file, a request) changes nothing, is answered with a clear error, and is counted.
//! - Unsafe code lives in `net/mmsg.rs` and, for the load harness, `net/burst`, which talk to the kernel, and nowhere
//!   else.
//!
//! # Where this differs from what such servers usually do
//!
//! - All zones share one hash table. A name's node knows where in the name its zone begins, so that the deepest zone is
//!   found by the lookup itself; there is no search for a zone before the search for a name.
//! - A response is made in the buffer of its query: header and question stay, records follow.
//! - The kernel's count of dropped datagrams is read once a second from the socket's memory information, not from a
//!   control message with each packet: a socket bound to one address needs no control messages at all.
//! - Files are followed by inotify's own events rather than through a library above it: only so can a load that overlapped
//!   a write be told and thrown away.

pub mod admin;
pub mod agent;
pub mod channel;
pub mod client;
pub mod config;
pub mod credentials;
pub mod dns;
pub mod explain;
pub mod follow;
pub mod forward;
pub mod health;
pub mod load;
pub mod metrics;
pub mod model;
pub mod net;
pub mod registry;
pub mod server;
pub mod sigv4;
pub mod stack;
pub mod table;
pub mod template;
mod threads;
pub mod tls;
pub mod transfer;
pub mod wire;
pub mod zone;
