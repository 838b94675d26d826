//! Quantities of Kubernetes: `250m`, `128Mi`, `2`.

use serde_json::Value;

/// The value in thousandths, or nothing when it isn't one.
pub(crate) fn thousandths(value: &Value) -> Option<u128> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u128 = match unit {
        "m" => 1,
        "" => 1_000,
        "k" => 1_000_000,
        "M" => 1_000_000_000,
        "G" => 1_000_000_000_000,
        "Ki" => 1_000 << 10,
        "Mi" => 1_000 << 20,
        "Gi" => 1_000 << 30,
        _ => return None,
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || part.len() > 3 {
        return None;
    }
    let scale = 10_u128.pow(u32::try_from(part.len()).ok()?);
    let part: u128 = if part.is_empty() {
        0
    } else {
        part.parse().ok()?
    };
    let whole: u128 = whole.parse().ok()?;
    Some((whole * scale + part) * factor / scale)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn quantities_are_read_and_others_are_not() {
        for (value, expected) in [
            (json!("250m"), Some(250)),
            (json!("2"), Some(2_000)),
            (json!(2), Some(2_000)),
            (json!("1.5"), Some(1_500)),
            (json!("128Mi"), Some(134_217_728_000)),
            (json!("1G"), Some(1_000_000_000_000)),
            (json!("100q"), None),
            (json!("1.2.3"), None),
            (json!(""), None),
            (json!("Mi"), None),
            (json!(null), None),
        ] {
            assert_eq!(thousandths(&value), expected, "{value}");
        }
    }
}
