//! Joins the documents of the API at compile time: what each dialect's folder says of itself, and what the server says
//! in `src/http/documents/`, become one OpenAPI document, one AsyncAPI document and the page that shows both.
//!
//! Must not know what the documents say: that they are right is for the tests of `src/http/documents.rs` to find out.

mod join;
mod page;

use std::path::{Path, PathBuf};
use std::{env, fs};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};

fn main() {
    let package = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let common = package.join("src/http/documents");
    let dialects = package.join("../protocol/src/dialect");
    // A new dialect is a line in this table.
    println!("cargo::rerun-if-changed={}", dialects.join("mod.rs").display());
    println!("cargo::rerun-if-changed={}", package.join("build").display());
    println!("cargo::rerun-if-changed={}", common.display());
    let folders = join::folders(&dialects);
    for folder in &folders {
        for name in ["openapi.json", "asyncapi.json", "fixtures"] {
            println!("cargo::rerun-if-changed={}", folder.join(name).display());
        }
    }
    let openapi = join::openapi(&common, &folders);
    let asyncapi = join::asyncapi(&common, &folders);
    let digest = BASE64_STANDARD.encode(Sha256::digest(page::STYLE));
    fs::write(out.join("style.sha256"), digest).expect("OUT_DIR takes files");
    write(&out, "docs.html", &page::html(&openapi, &asyncapi));
    write(&out, "openapi.json", &openapi.to_string());
    write(&out, "asyncapi.json", &asyncapi.to_string());
}

/// A document, and beside it the entity tag by which a client recognises it.
fn write(out: &Path, name: &str, text: &str) {
    fs::write(out.join(name), text).expect("OUT_DIR takes files");
    fs::write(out.join(format!("{name}.etag")), format!("\"{:016x}\"", fnv1a(text))).expect("OUT_DIR takes files");
}

/// FNV-1a: another text is another tag, but for one chance in 2^64.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
