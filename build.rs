//! Compiles the contract with cargo alone (protox, no protoc) and writes the
//! descriptor set that reflection serves.

use std::{env, fs, path::PathBuf};

const SERVICE: &str = "leadchat/inbox/v1/inbox_service.proto";

#[expect(
    clippy::disallowed_methods,
    reason = "cargo tells a build script where to write by this"
)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    // tonic-prost-build takes this setting and does nothing with it.
    println!("cargo:rerun-if-changed=proto");

    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_source_info(true).include_imports(true);
    compiler.open_file(SERVICE)?;

    // Encoded by protox: prost-types would drop the visibility options.
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(
        out.join("descriptors.bin"),
        compiler.encode_file_descriptor_set(),
    )?;

    tonic_prost_build::configure()
        // prost's Debug prints every value, secrets included.
        .skip_debug(["."])
        // `grpc::codec`, as seen from a service within `grpc::pb`.
        .codec_path("super::super::codec::SizedCodec")
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
