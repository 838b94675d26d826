//! What can be known of the documentation without running what it says.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A page, as far as links go.
struct Page {
    path: PathBuf,
    /// The text without its blocks of code.
    prose: String,
    text: String,
}

impl Page {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("the page can be read");
        Self {
            path: path.to_owned(),
            prose: without_blocks(&text),
            text,
        }
    }

    /// What follows `#` in the address of each heading.
    fn anchors(&self) -> BTreeSet<String> {
        let headings = self.prose.lines().filter(|line| line.starts_with('#'));
        let mut anchors = BTreeSet::new();
        for heading in headings {
            let slug = slug(heading.trim_start_matches('#').trim());
            // Of equal headings the second has `-1`, and so on.
            let free = (0..).map(|n| match n {
                0 => slug.clone(),
                n => format!("{slug}-{n}"),
            });
            let anchor = free.into_iter().find(|anchor| !anchors.contains(anchor));
            anchors.extend(anchor);
        }
        anchors
    }

    /// Where its links lead, those to other hosts left out.
    fn links(&self) -> Vec<String> {
        let prose = without_code(&self.prose);
        let inline = prose
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')').map(|(target, _)| target.to_owned()));
        let defined = prose.lines().filter_map(|line| {
            let (name, target) = line.strip_prefix('[')?.split_once("]: ")?;
            (!name.contains(']')).then(|| target.trim().to_owned())
        });
        inline
            .chain(defined)
            .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
            .collect()
    }

    /// Links that lead nowhere.
    fn broken(&self) -> Vec<String> {
        let folder = self.path.parent().expect("a file is in a folder");
        let leads_somewhere = |link: &String| {
            let (path, anchor) = match link.split_once('#') {
                Some((path, anchor)) => (path, Some(anchor)),
                None => (link.as_str(), None),
            };
            let target = match path {
                "" => self.path.clone(),
                path => folder.join(decoded(path)),
            };
            match anchor {
                None => target.exists(),
                Some(anchor) => target.is_file() && Page::read(&target).anchors().contains(anchor),
            }
        };
        let links = self.links().into_iter();
        let broken = links.filter(|link| !leads_somewhere(link));
        broken
            .map(|link| format!("{}: {link}", self.path.display()))
            .collect()
    }
}

/// The path behind an address: `%5B` is a bracket.
fn decoded(path: &str) -> String {
    let mut parts = path.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let code = part
            .get(..2)
            .and_then(|code| u8::from_str_radix(code, 16).ok());
        match code {
            Some(code) => text + &char::from(code).to_string() + &part[2..],
            None => text + "%" + part,
        }
    })
}

/// As GitHub makes the address of a heading.
fn slug(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let text = heading.to_lowercase();
    text.chars()
        .filter(kept)
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

fn without_blocks(text: &str) -> String {
    let mut inside = false;
    let mut kept = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// The text without what is between backticks. Links may have code in their words, so these stay.
fn without_code(text: &str) -> String {
    let words = text.split('`').enumerate();
    words
        .map(|(index, part)| if index % 2 == 0 { part } else { "" })
        .collect()
}

/// Lines of a shell that ask a cluster for objects of ours without saying where they are.
fn without_namespace(text: &str) -> Vec<&str> {
    // These take it from the manifests, or ask no cluster.
    let elsewhere = ["kubectl apply -k", "kubectl apply -f", "kubectl kustomize"];
    let commands = text.match_indices("kubectl ").map(|(at, _)| {
        let rest = &text[at..];
        rest.split(['\n', '`', '|', ';']).next().unwrap_or(rest)
    });
    commands
        .filter(|command| !command.starts_with("kubectl -n tokenhouse "))
        .filter(|command| !elsewhere.iter().any(|verb| command.starts_with(verb)))
        .collect()
}

/// All pages that people wrote.
fn pages() -> Vec<Page> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    let folders = ["docs", "openapi", "examples", "k8s", "packaging", "xtask"];
    collect(&root, false, &mut found);
    for folder in folders {
        collect(&root.join(folder), true, &mut found);
    }
    found.iter().map(|path| Page::read(path)).collect()
}

fn collect(folder: &Path, deep: bool, found: &mut Vec<PathBuf>) {
    // What programs made or brought.
    let foreign = ["node_modules", "generated", "target", "venv", "out"];
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let entry = entry.expect("the folder can be read");
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() {
            let is_ours = !foreign.iter().any(|other| name == *other);
            if deep && is_ours && !name.to_string_lossy().starts_with('.') {
                collect(&path, true, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

#[test]
fn every_link_in_the_documentation_leads_somewhere() {
    let pages = pages();
    let names: Vec<_> = pages.iter().map(|page| page.path.display()).collect();
    assert!(pages.len() > 20, "only {names:?}");
    let links: usize = pages.iter().map(|page| page.links().len()).sum();
    assert!(links > 100, "only {links} links");
    let broken: Vec<_> = pages.iter().flat_map(Page::broken).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_command_for_a_cluster_names_the_namespace() {
    let pages = pages();
    let lost = pages.iter().flat_map(|page| {
        let path = page.path.display();
        let commands = without_namespace(&page.text).into_iter();
        commands.map(move |command| format!("{path}: {command}"))
    });
    let lost: Vec<_> = lost.collect();
    assert!(lost.is_empty(), "{}", lost.join("\n"));
}

#[test]
fn a_link_to_what_is_not_there_is_found() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let page = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("the page can be written");
        Page::read(&path)
    };
    page("[a].md", "");
    page(
        "other.md",
        "# Old *words*, `new` ones\n\n## Twice\n\n## Twice\n",
    );
    let text = "# Here\n[a](other.md) [`b`](other.md#old-words-new-ones) [c](#here) [d](other.md#twice-1)\n\
                [e](https://elsewhere.example/x) [h](%5Ba%5D.md) `[f](in-code.md)`\n```sh\n# no heading\n[g](block.md)\n```\n";
    assert_eq!(page("good.md", text).broken(), Vec::<String>::new());
    for bad in [
        "[a](gone.md)",
        "[a](other.md#gone)",
        "[a](#gone)",
        "[a](other.md#twice-2)",
        "[a]: gone.md",
    ] {
        assert_eq!(page("bad.md", bad).broken().len(), 1, "{bad}");
    }
}

#[test]
fn a_command_without_a_namespace_is_found() {
    let text = "`kubectl get pods -l a`, `kubectl -n tokenhouse get pods`\nkubectl apply -k k8s/overlays/local | kubectl logs x\n";
    let found = without_namespace(text);
    assert_eq!(found, ["kubectl get pods -l a", "kubectl logs x"]);
}
