//! The details of an event: what a change made different, and no more than a reader can use.

use serde_json::{Map, Value};

/// How many bytes one detail may have. Small changes of large objects would fill the store otherwise, and a
/// page of such events would be too large to send.
const MOST_BYTES: usize = 8 * 1024;
/// Says that something was left out.
const CUT: &str = "cut";

/// The members that differ, before and after; null where there is none. Of objects within them the same.
pub(super) fn difference(
    before: &Map<String, Value>,
    after: &Map<String, Value>,
) -> (Map<String, Value>, Map<String, Value>) {
    let added = after.keys().filter(|name| !before.contains_key(*name));
    let (mut was, mut is) = (Map::new(), Map::new());
    for name in before.keys().chain(added) {
        let (old, new) = (before.get(name), after.get(name));
        let (old, new) = match (old, new) {
            _ if old == new => continue,
            (Some(Value::Object(old)), Some(Value::Object(new))) => {
                let (old, new) = difference(old, new);
                (Value::Object(old), Value::Object(new))
            }
            (old, new) => (
                old.cloned().unwrap_or_default(),
                new.cloned().unwrap_or_default(),
            ),
        };
        was.insert(name.clone(), old);
        is.insert(name.clone(), new);
    }
    (was, is)
}

/// Shortens what is too long, and says so.
pub(super) fn bound(details: &mut Map<String, Value>) {
    let mut cut = false;
    for value in details.values_mut() {
        let mut room = MOST_BYTES;
        shorten(value, &mut room, &mut cut);
    }
    if cut {
        details.insert(CUT.to_owned(), true.into());
    }
}

fn shorten(value: &mut Value, room: &mut usize, cut: &mut bool) {
    match value {
        Value::String(text) => {
            if text.len() > *room {
                text.truncate(text.floor_char_boundary(*room));
                text.push('…');
                *cut = true;
            }
            *room = room.saturating_sub(text.len() + 3);
        }
        Value::Array(items) => {
            let mut kept = 0;
            while *room > 0 && kept < items.len() {
                shorten(&mut items[kept], room, cut);
                kept += 1;
            }
            *cut |= kept < items.len();
            items.truncate(kept);
        }
        Value::Object(members) => members.retain(|name, value| {
            if *room <= name.len() {
                (*room, *cut) = (0, true);
                return false;
            }
            *room = room.saturating_sub(name.len() + 4);
            shorten(value, room, cut);
            true
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => *room = room.saturating_sub(8),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(members) => members,
            _ => panic!("no object"),
        }
    }

    #[test]
    fn objects_differ_by_their_members() {
        let before =
            json!({ "roles": { "a": { "permissions": ["x"] }, "b": {} }, "ttl": 1, "same": [1] });
        let after =
            json!({ "roles": { "a": { "permissions": ["y"] }, "c": {} }, "ttl": 2, "same": [1] });
        let (was, is) = difference(&object(before), &object(after));
        assert_eq!(
            Value::Object(was),
            json!({ "roles": { "a": { "permissions": ["x"] }, "b": {}, "c": null }, "ttl": 1 })
        );
        assert_eq!(
            Value::Object(is),
            json!({ "roles": { "a": { "permissions": ["y"] }, "b": null, "c": {} }, "ttl": 2 })
        );
    }

    #[test]
    fn what_is_too_long_is_cut_and_says_so() {
        let size = |details: &Map<String, Value>| Value::from(details.clone()).to_string().len();
        let fits = object(json!({ "after": { "name": "Ada", "roles": ["owner"] } }));
        let mut same = fits.clone();
        bound(&mut same);
        assert_eq!(same, fits);

        let names: Vec<_> = (0..100).map(|n| format!("{n}{}", "é".repeat(50))).collect();
        let roles: Map<_, _> = (0..100).map(|n| (format!("r{n}"), json!(names))).collect();
        for value in [
            json!(roles),
            json!([[names], [names], [names]]),
            json!("é".repeat(1_000_000)),
            json!(vec![0; 1_000_000]),
            json!({ "x".repeat(1_000_000): 1 }),
        ] {
            let mut details = object(json!({ "before": value, "after": value, "by": "import" }));
            bound(&mut details);
            assert_eq!(details["cut"], true);
            assert_eq!(details["by"], "import");
            assert!(size(&details) < 2 * MOST_BYTES + 200, "{}", size(&details));
        }
    }
}
