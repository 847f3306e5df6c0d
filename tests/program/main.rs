//! The program as its users meet it: the built binary on free ports, asked by clients over sockets.
//!
//! * `start`, `stop`, `check`, `queries`, `tcp`: one server's life and manners.
//! * `api`: who may ask the AWS API.
//! * `client`: the program as its own client, from `get` to `watch`.
//! * `export`: a registry that moves from folder to folder.
//! * `forward`: names of others, asked of upstreams that answer, delay, hang, die or loop.
//! * `follow`: a server that follows another one, which is killed, stopped, cut off, and set back.
//! * `load`: load on a server, its answers checked, with changes beside it.
//! * `load_reports`: data for load runs, and what came of them, compared and drawn.
//! * `probes`: active health checks.
//! * `crash`: what is left after a kill, and data folders that are not for this server.
//! * `reload`: declarations that change while queries come in; not one answer may be lost or wrong.
//! * `views`: what clients of VPCs see, and others do not.
//! * `run`: commands that are registered while they run, and drained before they stop.
//! * `transfer`: zones that go to the servers of others.
//! * `template`: CloudFormation templates, applied and declared.
//! * `resolvconf`: a task's resolv.conf, taken over and given back.
//! * `clients`: programs of others, in a network namespace (`netns`) with a `resolv.conf` of its own.
//! * `resolvers`: forwarding resolvers of others in front, configured as `docs/resolvers.md` says.
//!
//! A test that needs an outside program says that it is skipped where the program is missing; with
//! `FINGERPOST_REQUIRE_TOOLS=1` it fails instead.

#![allow(clippy::unwrap_used, reason = "in a test, a panic with its place is the message")]

mod api;
mod check;
mod client;
mod clients;
mod crash;
mod export;
mod follow;
mod forward;
mod load;
mod load_reports;
mod netns;
mod probes;
mod queries;
mod reload;
mod resolvconf;
mod resolvers;
mod run;
mod start;
mod stop;
mod support;
mod tcp;
mod template;
mod transfer;
mod views;
