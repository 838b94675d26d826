//! The dependency rule, read off the sources: http → application → domain, and infrastructure
//! implements application's ports.

use std::{fs, path::Path};

fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((
                path.display().to_string(),
                fs::read_to_string(&path).unwrap(),
            ));
        }
    }
}

/// What each layer must not name.
const FORBIDDEN: &[(&str, &[&str])] = &[
    (
        "domain",
        &[
            "crate::application",
            "crate::infrastructure",
            "crate::http",
            "poem",
            "sea_orm",
            "redis::",
            "jsonwebtoken",
            "reqwest",
            "tokio",
            "async fn",
            "aws_lc_rs",
            "SystemTime",
            "Instant::now",
        ],
    ),
    (
        "application",
        &[
            "crate::infrastructure",
            "crate::http",
            "poem",
            "sea_orm",
            "redis::",
            "jsonwebtoken",
            "argon2::",
            "aws_lc_rs",
            "reqwest",
        ],
    ),
    ("infrastructure", &["crate::http", "poem"]),
    (
        "http",
        &[
            "crate::infrastructure",
            "sea_orm",
            "redis::",
            "jsonwebtoken",
            "reqwest",
        ],
    ),
];

#[test]
fn layers_know_only_what_lies_below_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut broken = Vec::new();
    for (layer, forbidden) in FORBIDDEN {
        let mut files = Vec::new();
        sources(&root.join(layer), &mut files);
        assert!(files.len() > 3, "{layer} has sources");
        for (path, text) in files {
            for (n, line) in text.lines().enumerate() {
                let code = line.trim_start();
                let found = forbidden
                    .iter()
                    .find(|word| !code.starts_with("//") && code.contains(**word));
                broken.extend(found.map(|word| format!("{path}:{}: {word}", n + 1)));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
