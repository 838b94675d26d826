//! `docs/operate/settings.md` is written from the settings of the code.

use std::fmt::Write;

use tokenhouse_server::config::{Absent, SETTINGS};

const HEAD: &str = "# Settings

From the environment, or as TOML from `--config FILE`: the keys are the same names in lower case without `TOKENHOUSE_`. The
environment wins. `X_FILE` reads the setting `X` from a file, for secrets; set one of the two. A setting that this version doesn't know, or that is
wrong, keeps the server from starting, with a line for each.

| setting | without it | what it is | example |
|---|---|---|---|
";

#[test]
fn the_page_of_settings_is_that_of_the_code() {
    let mut page = HEAD.to_owned();
    for setting in SETTINGS {
        let (name, example) = (setting.name, setting.example);
        let about = setting.about.replace('|', "\\|");
        let absent = match setting.absent {
            Absent::Refused => "**required**".to_owned(),
            Absent::Default(value) => format!("`{value}`"),
            Absent::Means(what) => what.to_owned(),
        };
        writeln!(page, "| `{name}` | {absent} | {about} | `{example}` |").unwrap();
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
