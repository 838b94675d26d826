//! JSON for people.

use serde_json::Value;

/// A column of a table: its head, and the member that it shows.
pub(super) type Column = (&'static str, &'static str);

/// A table with a head; what is missing is a dash.
pub(super) fn rows(items: &[Value], columns: &[Column]) -> String {
    if items.is_empty() {
        return "none".to_owned();
    }
    let mut cells: Vec<Vec<String>> =
        vec![columns.iter().map(|(head, _)| (*head).to_owned()).collect()];
    for item in items {
        cells.push(
            columns
                .iter()
                .map(|(_, name)| shown(&item[*name]))
                .collect(),
        );
    }
    aligned(&cells)
}

/// The members of an object, one a line; those of an object inside with its name before theirs.
pub(super) fn members(object: &Value) -> String {
    let mut cells = Vec::new();
    for (name, value) in object.as_object().into_iter().flatten() {
        match value.as_object().filter(|inside| !inside.is_empty()) {
            None => cells.push(vec![name.clone(), shown(value)]),
            Some(inside) => cells.extend(
                inside
                    .iter()
                    .map(|(inner, value)| vec![format!("{name}.{inner}"), shown(value)]),
            ),
        }
    }
    aligned(&cells)
}

fn aligned(cells: &[Vec<String>]) -> String {
    let count = cells.first().map_or(0, Vec::len);
    let widths: Vec<_> = (0..count)
        .map(|n| {
            cells
                .iter()
                .map(|row| row[n].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in cells {
        let line: Vec<_> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// One value on one line. What the server sent can't move the cursor of a terminal.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let items: Vec<_> = items.iter().filter_map(Value::as_str).collect();
            if items.is_empty() {
                "-".to_owned()
            } else {
                items.join(" ")
            }
        }
        other => other.to_string(),
    };
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let items = [
            json!({ "slug": "acme", "name": "Acme\u{1b}[2J", "x": ["a", "b"] }),
            json!({ "slug": "b", "name": null, "x": [] }),
        ];
        let table = rows(&items, &[("SLUG", "slug"), ("NAME", "name"), ("X", "x")]);
        assert_eq!(
            table,
            "SLUG  NAME      X\nacme  Acme\u{fffd}[2J  a b\nb     -         -\n"
        );
        assert_eq!(rows(&[], &[]), "none");
        assert_eq!(
            members(&json!({ "a": 1, "long": true, "in": { "b": "c" } })),
            "a     1\nin.b  c\nlong  true\n"
        );
    }
}
