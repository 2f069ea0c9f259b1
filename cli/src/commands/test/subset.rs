//! JSON that must be in other JSON: objects may have more, lists are as long and in order.

use serde_json::Value;

/// Where `found` lacks something of `wanted`: a path and what is wrong there.
pub(super) fn differences(wanted: &Value, found: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    compare("", wanted, found, &mut lines);
    lines
}

fn compare(path: &str, wanted: &Value, found: &Value, lines: &mut Vec<String>) {
    let place = if path.is_empty() { "the whole" } else { path };
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            for (name, value) in wanted {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match found.get(name) {
                    Some(present) => compare(&path, value, present, lines),
                    None => lines.push(format!("{path}: is not there, expected {value}")),
                }
            }
        }
        (Value::Array(wanted), Value::Array(found)) => {
            if wanted.len() != found.len() {
                lines.push(format!("{place}: has {} items, expected {}", found.len(), wanted.len()));
            }
            for (index, (wanted, found)) in wanted.iter().zip(found).enumerate() {
                compare(&format!("{path}[{index}]"), wanted, found, lines);
            }
        }
        // 2 and 2.0 are one number.
        (Value::Number(wanted), Value::Number(found)) if wanted == found || wanted.as_f64() == found.as_f64() => {}
        (wanted, found) if wanted == found => {}
        (wanted, found) => lines.push(format!("{place}: is {found}, expected {wanted}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_may_have_more_and_lists_may_not() {
        let found = json!({"a": 1, "b": {"c": [1, {"d": "x", "e": 2}], "f": null}, "g": 2.0});
        for wanted in
            [json!({}), json!({"a": 1, "g": 2}), json!({"b": {"c": [1, {"d": "x"}]}}), json!({"b": {"f": null}})]
        {
            assert_eq!(differences(&wanted, &found), Vec::<String>::new(), "{wanted}");
        }
        assert_eq!(differences(&json!({"a": "1"}), &found), ["a: is 1, expected \"1\""]);
        assert_eq!(differences(&json!({"z": true}), &found), ["z: is not there, expected true"]);
        assert_eq!(differences(&json!({"b": {"c": [1]}}), &found), ["b.c: has 2 items, expected 1"]);
        assert_eq!(differences(&json!({"b": {"c": [1, {"d": "y"}]}}), &found), ["b.c[1].d: is \"x\", expected \"y\""]);
        assert_eq!(differences(&json!([1]), &json!({"a": 1})), ["the whole: is {\"a\":1}, expected [1]"]);
    }
}
