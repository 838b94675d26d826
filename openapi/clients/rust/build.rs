//! Makes the client from the document with progenitor.

use std::{env, fs, path::Path};

use anyhow::Context;
use progenitor::{GenerationSettings, Generator, InterfaceStyle};
use serde_json::Value;

const DOCUMENT: &str = "../../openapi.json";

/// Operations that progenitor has no code for and stops at: a body of lines, and those with a page as one
/// error and a problem as another.
const LEFT_OUT: &[&str] = &[
    "import_users",
    "authorize",
    "authorize_by_post",
    "end_session",
    "end_session_by_post",
];

fn main() -> anyhow::Result<()> {
    println!("cargo::rerun-if-changed={DOCUMENT}");
    let text = fs::read_to_string(DOCUMENT).context(DOCUMENT)?;
    // To progenitor a problem is bytes, unless its media type is the one that it knows.
    let text = text.replace("application/problem+json", "application/json");
    let mut document: Value = serde_json::from_str(&text)?;
    for path in document["paths"].as_object_mut().into_iter().flatten() {
        if let Some(operations) = path.1.as_object_mut() {
            operations
                .retain(|_, operation| !LEFT_OUT.iter().any(|id| operation["operationId"] == *id));
        }
    }
    let mut settings = GenerationSettings::default();
    // Names for arguments: of most operations a caller gives but a few.
    settings.with_interface(InterfaceStyle::Builder);
    let mut generator = Generator::new(&settings);
    let code = generator.generate_tokens(&serde_json::from_value(document)?)?;
    let code = prettyplease::unparse(&syn::parse2(code)?);
    let folder = env::var_os("OUT_DIR").context("cargo says where to write")?;
    fs::write(Path::new(&folder).join("client.rs"), code)?;
    Ok(())
}
