//! The lines of the README's section, for the test that runs them.

use anyhow::{Context, Result};

const SECTION: &str = "\n## Generate a client\n";

/// The line under a comment of the section's shell block.
pub(super) fn line_under(readme: &str, title: &str) -> Result<String> {
    let (_, section) = readme.split_once(SECTION).context("no section")?;
    let section = section.split("\n## ").next().unwrap_or_default();
    let mut lines = section
        .lines()
        .skip_while(|line| !line.starts_with(title))
        .skip(1);
    let mut command = String::new();
    for line in lines.by_ref() {
        match line.strip_suffix('\\') {
            Some(part) => command.push_str(part),
            None => {
                command.push_str(line);
                return Ok(command);
            }
        }
    }
    Err(anyhow::anyhow!("the README has no line under {title}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_on_where_it_says_so() {
        let readme = "\n## Generate a client\n```sh\n# Go, quickly\ngo \\\n  run\n# C\ncc\n```\n## More\n# Java\njava\n";
        assert_eq!(line_under(readme, "# Go").expect("a line"), "go   run");
        assert_eq!(line_under(readme, "# C").expect("a line"), "cc");
        assert!(line_under(readme, "# Java").is_err(), "another section");
    }
}
