//! JSON members, one by one: each as the type that it should have, and every broken rule noted.

use serde_json::{Map, Value};
use url::Url;

use super::{MAX_TEXT, MAX_URI, web_uri};
use crate::domain::{client::redirect_uri::RedirectUri, violation::Violation};

const MAX_LIST: usize = 50;
const MAX_KEY_SET: usize = 32 * 1024;

pub(super) struct Reader<'a> {
    pub(super) members: &'a Map<String, Value>,
    pub(super) violations: Vec<Violation>,
}

impl<'a> Reader<'a> {
    pub(super) fn note(&mut self, pointer: &str, detail: impl Into<String>) {
        self.violations.push(Violation {
            pointer: format!("/{pointer}"),
            detail: detail.into(),
        });
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&mut self, name: &str, max: usize) -> Option<String> {
        match self.get(name)? {
            Value::String(text) => {
                let hidden = |c: char| {
                    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
                };
                if text.chars().count() > max || text.chars().any(hidden) {
                    let detail =
                        format!("must have at most {max} characters and no control characters");
                    self.note(name, detail);
                    return None;
                }
                Some(text.clone())
            }
            _ => {
                self.note(name, "must be a string");
                None
            }
        }
    }

    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        let value = self.get(name)?;
        if !value.is_boolean() {
            self.note(name, "must be true or false");
        }
        value.as_bool()
    }

    pub(super) fn list(&mut self, name: &str) -> Option<Vec<String>> {
        let items = match self.get(name)? {
            Value::Array(items) if items.len() <= MAX_LIST => items,
            _ => {
                self.note(
                    name,
                    format!("must be a list of at most {MAX_LIST} strings"),
                );
                return None;
            }
        };
        let mut texts = Vec::new();
        for (n, item) in items.iter().enumerate() {
            match item.as_str().filter(|text| text.len() <= MAX_URI) {
                Some(text) => texts.push(text.to_owned()),
                None => self.note(&format!("{name}/{n}"), "must be a string"),
            }
        }
        Some(texts)
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(name, MAX_TEXT)?;
        let found = choices.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            self.note(name, one_of(choices.iter().map(|(word, _)| *word)));
        }
        found.map(|(_, choice)| *choice)
    }

    /// A list of such words, each once.
    pub(super) fn choices<T: Copy + PartialEq>(
        &mut self,
        name: &str,
        choices: &[(&str, T)],
    ) -> Option<Vec<T>> {
        let mut all = Vec::new();
        for (n, text) in self.list(name)?.iter().enumerate() {
            match choices.iter().find(|(word, _)| word == text) {
                Some((_, choice)) if !all.contains(choice) => all.push(*choice),
                Some(_) => {}
                None => {
                    let detail = one_of(choices.iter().map(|(word, _)| *word));
                    self.note(&format!("{name}/{n}"), detail);
                }
            }
        }
        Some(all)
    }

    /// An address that a page shows or that we call: https, or http on the machine itself.
    pub(super) fn web_uri(&mut self, name: &str) -> Option<Url> {
        let text = self.text(name, MAX_URI)?;
        let uri = web_uri(&text);
        if uri.is_none() {
            self.note(
                name,
                "must be an absolute https URI without user name and fragment",
            );
        }
        uri
    }

    pub(super) fn redirect_uris(&mut self, name: &str) -> Vec<RedirectUri> {
        let texts = self.list(name).unwrap_or_default();
        let mut uris = Vec::new();
        for (n, text) in texts.iter().enumerate() {
            match RedirectUri::parse(text) {
                Ok(uri) => uris.push(uri),
                Err(why) => self.note(&format!("{name}/{n}"), why.to_string()),
            }
        }
        uris
    }

    pub(super) fn seconds(&mut self, name: &str) -> Option<u32> {
        let value = self.get(name)?;
        let seconds = value.as_u64().and_then(|n| u32::try_from(n).ok());
        if seconds.is_none() {
            self.note(name, "must be a number of seconds");
        }
        seconds
    }

    pub(super) fn key_set(&mut self) -> Option<Value> {
        let set = self.get("jwks")?;
        if set.to_string().len() > MAX_KEY_SET {
            self.note("jwks", "is too large");
            return None;
        }
        Some(set.clone())
    }
}

fn one_of<'w>(words: impl Iterator<Item = &'w str>) -> String {
    format!("must be one of {}", words.collect::<Vec<_>>().join(", "))
}
