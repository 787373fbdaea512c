//! The gRPC edge: who calls, what the request means, one use-case, what the answer looks like.

/// The generated messages, clients and servers of `campanile.v1`.
#[allow(clippy::large_enum_variant, reason = "generated code")]
pub mod v1 {
    tonic::include_proto!("campanile.v1");
}

/// The encoded descriptors of the whole interface, comments included; for reflection and for tests.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/campanile.bin"));
