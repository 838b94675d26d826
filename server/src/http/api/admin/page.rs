//! Pages of lists: `limit`, `cursor` and `q`, the same for every noun.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use poem::Request;
use sha2::{Digest, Sha256};
use url::form_urlencoded;

use crate::http::respond::problem::{Kind, Problem};

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 200;

pub(super) fn default_limit() -> i32 {
    i32::try_from(DEFAULT_LIMIT).unwrap_or(i32::MAX)
}

/// How many items a page may have, from what the document lets through.
pub(super) fn limit(asked: i32) -> u32 {
    u32::try_from(asked)
        .unwrap_or(DEFAULT_LIMIT)
        .clamp(1, MAX_LIMIT)
}

/// What a list was searched for. A cursor counts for the very same search: behind an item of one list nothing
/// of another begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search([u8; SEARCH]);

/// It tells searches of one caller apart and keeps nobody out.
const SEARCH: usize = 8;

/// Parameters that every list has, and that don't say what is in it.
const OF_PAGES: [&str; 2] = ["limit", "cursor"];

impl Search {
    /// Of a list that has these parameters besides. Others are refused: whoever misspells one would take the
    /// whole list for what was searched for.
    pub(super) fn of(request: &Request, parameters: &[&str]) -> Result<Self, Problem> {
        let path = request.uri().path().trim_end_matches('/');
        let list = path.rsplit('/').next().unwrap_or_default();
        Self::of_query(list, request.uri().query().unwrap_or_default(), parameters)
    }

    fn of_query(list: &str, query: &str, parameters: &[&str]) -> Result<Self, Problem> {
        let mut pairs = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if OF_PAGES.contains(&&*name) {
                continue;
            }
            if !parameters.contains(&&*name) {
                let known = [&OF_PAGES, parameters].concat().join("`, `");
                let detail = format!("This list has no parameter of this name; it has `{known}`.");
                let problem = Problem::new(Kind::InvalidParameter);
                return Err(match printable(&name) {
                    Some(name) => problem.detail(format!("`{name}`: {detail}")),
                    None => problem.detail(detail),
                });
            }
            pairs.push((name, value));
        }
        pairs.sort();
        let mut hash = Sha256::new_with_prefix(list);
        for (name, value) in pairs {
            for text in [name, value] {
                // Its length in front, so that no two searches are one.
                hash.update(text.len().to_be_bytes());
                hash.update(&*text);
            }
        }
        let mut short = [0; SEARCH];
        short.copy_from_slice(&hash.finalize()[..SEARCH]);
        Ok(Self(short))
    }

    /// A cursor is opaque to callers and untrusted to us: it is what it stands for, or it is refused.
    pub(super) fn read_cursor<T, E>(
        self,
        text: Option<&str>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Problem> {
        let invalid = || {
            Problem::new(Kind::InvalidParameter)
                .detail("`cursor` is not a cursor of this list, searched for the same.")
        };
        let Some(text) = text else { return Ok(None) };
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid())?;
        let at = bytes.strip_prefix(&self.0).ok_or_else(invalid)?;
        let at = std::str::from_utf8(at).map_err(|_| invalid())?;
        parse(at).map(Some).map_err(|_| invalid())
    }

    /// What [`read_cursor`](Self::read_cursor) reads.
    pub(super) fn write_cursor(self, at: &str) -> String {
        URL_SAFE_NO_PAD.encode([&self.0, at.as_bytes()].concat())
    }
}

/// A name that can be repeated to whoever sent it.
fn printable(name: &str) -> Option<&str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    ((1..=64).contains(&name.len()) && name.bytes().all(plain)).then_some(name)
}

/// A NUL can't even be asked for in Postgres; no name has any of the others.
pub(super) fn check_query(q: Option<&str>) -> Result<(), Problem> {
    check_text("q", q)
}

/// The same for another parameter.
pub(super) fn check_text(name: &str, text: Option<&str>) -> Result<(), Problem> {
    if text.is_some_and(|text| text.chars().any(char::is_control)) {
        let detail = format!("`{name}` has control characters.");
        return Err(Problem::new(Kind::InvalidParameter).detail(detail));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_counts_for_the_same_search() {
        let of = |list: &str, query: &str| {
            Search::of_query(list, query, &["q", "email"]).expect("parameters of the list")
        };
        let search = of("users", "q=a%20b&limit=7&email=c");
        let cursor = search.write_cursor("here");
        let read = |search: Search| {
            search
                .read_cursor(Some(&cursor), |at| Ok::<_, ()>(at.to_owned()))
                .ok()
                .flatten()
        };
        assert_eq!(read(search).as_deref(), Some("here"));
        assert!(read(of("users", "email=c&q=a+b&cursor=x")).is_some());
        for (list, query) in [
            ("users", "q=a&email=c"),
            ("users", "q=a+b"),
            ("users", "q=a+b&email="),
            ("users", "q=a+b&q=&email=c"),
            ("clients", "q=a+b&email=c"),
        ] {
            assert_eq!(read(of(list, query)), None, "{list} {query}");
        }
        let nothing = search.read_cursor(None, |_| Ok::<(), ()>(()));
        assert!(matches!(nothing, Ok(None)));
        for bad in ["", "x", "*", "AAAAAAAAAAA"] {
            assert!(search.read_cursor(Some(bad), |_| Ok::<(), ()>(())).is_err());
        }
    }

    #[test]
    fn a_parameter_that_the_list_lacks_is_named() {
        let detail = |query: &str| {
            let refused = Search::of_query("users", query, &["q"]).expect_err("no such parameter");
            let text = refused.render("https://id.example", "0").into_body();
            futures_util::FutureExt::now_or_never(text.into_string())
                .expect("in memory")
                .expect("text")
        };
        assert!(detail("q=a&role=owner").contains("`role`: This list has no parameter"));
        assert!(detail("%00<script>").contains("\"This list has no parameter"));
        assert!(Search::of_query("users", "q=a&limit=1&cursor=x", &["q"]).is_ok());
        assert!(Search::of_query("users", "", &[]).is_ok());
    }
}
