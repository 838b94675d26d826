//! The README's own lines work as printed.

use std::{path::Path, process::Command};

use crate::process::Dev;

/// The shell blocks after the marker, as they stand.
fn lines_to_try() -> String {
    let readme =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md"))
            .unwrap();
    let (_, tried) = readme
        .split_once("<!-- A test runs these very lines")
        .expect("the marker");
    let (tried, _) = tried
        .split_once("## Generate a client")
        .expect("the next section");
    let blocks: Vec<_> = tried
        .split("```sh\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert_eq!(
        blocks.len(),
        4,
        "sign-up to logout, another tenant, a client, tenants"
    );
    blocks.join("\n")
}

#[tokio::test]
async fn the_lines_of_the_readme_work_as_printed() {
    let dev = Dev::start().await;
    // The port is free instead of fixed, and so is the place of the data; the lines are the README's.
    let script = lines_to_try()
        .replace("http://localhost:8080", &dev.public_url())
        .replace(
            "data/dev.json",
            &dev.folder().join("dev.json").display().to_string(),
        );
    let folder = tempfile::tempdir().unwrap();
    let work = folder.path().to_owned();
    let output = tokio::task::spawn_blocking(move || {
        // `-f` makes an error of an HTTP error, which the README's readers would see with their eyes.
        let script = script.replace("curl -s ", "curl -sSf ");
        Command::new("bash")
            .arg("-euo")
            .arg("pipefail")
            .arg("-c")
            .arg(script)
            .current_dir(work)
            .output()
            .unwrap()
    })
    .await
    .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{printed}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for expected in [
        "ada@example.com",
        "204",
        "thr_",
        "\"kty\":\"EC\"",
        "/t/acme",
        "jwks_uri",
        "ths_",
        "grace@acme.example",
        "\"created\":1",
        "\"state\":\"next\"",
    ] {
        assert!(
            printed.contains(expected),
            "{expected} is not in\n{printed}"
        );
    }
    dev.stop().await;
}
