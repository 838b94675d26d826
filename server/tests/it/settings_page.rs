//! `docs/operate/settings.md` is written from the settings of the code.

use std::fmt::Write;

use tokenhouse_server::config::SETTINGS;

const HEAD: &str = "# Settings

From the environment, or as TOML from `--config FILE`: the keys are the same names in lower case without `TOKENHOUSE_`. The
environment wins. `X_FILE` reads the setting `X` from a file, for secrets. A setting that this version doesn't know, or that is
wrong, keeps the server from starting, with a line for each.

| setting | |
|---|---|
";

#[test]
fn the_page_of_settings_is_that_of_the_code() {
    let mut page = HEAD.to_owned();
    for (name, what) in SETTINGS {
        let what = what.replace('|', "\\|");
        writeln!(page, "| `{name}` | {what} |").unwrap();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operate/settings.md");
    if std::env::var_os("TOKENHOUSE_TEST_WRITE_SETTINGS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(path).unwrap_or_default(),
        page,
        "docs/operate/settings.md is stale: write it anew with TOKENHOUSE_TEST_WRITE_SETTINGS=1"
    );
}
