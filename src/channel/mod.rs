//! The ways commands arrive at the registry. Each channel translates what it hears into the registry's commands, and
//! none of them changes anything itself.

pub mod cloudmap;
pub mod file;
pub mod grpc;
