//! Makes Rust code of the gRPC channel's `.proto` file; protox compiles it, so that no protoc has to be installed.

use std::path::PathBuf;
use std::{env, error, fs};

use protox::prost::Message;

fn main() -> Result<(), Box<dyn error::Error>> {
    let descriptors = protox::compile(["fingerpost/v1/registry.proto"], ["proto"])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    // For server reflection.
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    // Attributes in an order that is always the same; ids that thousands of messages share.
    tonic_prost_build::configure()
        .btree_map(".")
        .bytes(".")
        // Written by hand, because so many of them come.
        .extern_path(".fingerpost.v1.PutInstance", "crate::channel::grpc::put_instance::PutInstance")
        .compile_fds(descriptors)?;
    println!("cargo::rerun-if-changed=proto");
    Ok(())
}
