//! Compiles the interface beside it without a protoc: protox parses it, tonic-prost-build writes the Rust.

use std::error::Error;
use std::path::{Path, PathBuf};

const ROOT: &str = "../proto";
const PACKAGE: &str = "../proto/campanile/v1";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={ROOT}");

    let mut compiler = protox::Compiler::new([ROOT])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(interface_files(Path::new(PACKAGE))?)?;

    // What reflection serves and the JSON bridge reads.
    let out_dir = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out_dir.join("campanile.bin"), compiler.encode_file_descriptor_set())?;

    // Maps are ordered, so that a message always encodes to the same bytes: digests are taken over them.
    // A request that cannot be read is the caller's fault, which the stock codec does not say. What a service
    // does not build yet gets a default answer.
    tonic_prost_build::configure()
        .btree_map(".")
        .codec_path("crate::api::codec::Codec")
        .generate_default_stubs(true)
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}

/// The proto files of a folder in order of name, so that the build does not depend on the file system.
fn interface_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
