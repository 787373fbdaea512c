//! The gRPC edge: who calls, what the request means, one use-case, what the answer looks like.

pub mod answer;
pub mod codec;
pub mod convert;
pub mod error;

/// The generated messages, clients and servers of `campanile.v1`.
#[allow(clippy::large_enum_variant, reason = "generated code")]
#[allow(missing_docs, reason = "the module of each service; the interface documents what is in it")]
pub mod v1 {
    tonic::include_proto!("campanile.v1");
}

/// The encoded descriptors of the whole interface, comments included; for reflection and for tests.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/campanile.bin"));
