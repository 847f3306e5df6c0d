//! Fingerpost's own channel, `fingerpost.v1` over gRPC.

/// What the protocol's file defines.
#[allow(missing_docs, clippy::all, unused_qualifications, unreachable_pub, reason = "made from the protocol's file")]
pub mod proto {
    tonic::include_proto!("fingerpost.v1");
}
