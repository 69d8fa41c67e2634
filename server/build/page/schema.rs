//! A schema as a table of its fields. Knows JSON Schema as far as the documents use it.

use serde_json::{Value, json};

use super::{Html, entries, object, resolved, text};

/// Deeper than any schema of the documents: a circle would be a mistake.
const DEPTH_MAX: usize = 8;

/// The table of all fields; nothing for what has none.
pub fn fields(document: &Value, schema: &Value, out: &mut Html) {
    let mut rows = Html::default();
    add_rows(document, schema, "", &mut rows, 0);
    if rows.0.is_empty() {
        let plain = resolved(document, schema);
        if !text(&plain["description"]).is_empty() {
            out.raw("<p>").line(&kind(document, schema)).raw(": ").line(text(&plain["description"])).raw("</p>");
        }
        return;
    }
    out.raw("<details><summary>Fields</summary><table><thead><tr><th>Name<th>Type<th>Meaning</tr></thead><tbody>");
    out.raw(&rows.0).raw("</tbody></table></details>");
}

fn add_rows(document: &Value, schema: &Value, prefix: &str, out: &mut Html, depth: usize) {
    assert!(depth < DEPTH_MAX, "the schema at {prefix} has no end");
    let schema = resolved(document, schema);
    for choice in entries(&schema["oneOf"]) {
        add_rows(document, choice, prefix, out, depth + 1);
    }
    if schema["items"].is_object() {
        add_rows(document, &schema["items"], &format!("{prefix}[]"), out, depth + 1);
    }
    for (name, field) in object(&schema["properties"]) {
        let required = entries(&schema["required"]).any(|required| required == name.as_str());
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        let described = resolved(document, field);
        out.raw("<tr><td><code>").text(&path).raw("</code>");
        out.raw(if required { " <em>required</em>" } else { "" });
        super::extension(if field["x-extension"].is_null() { described } else { field }, out);
        out.raw("<td>").line(&kind(document, field)).raw("<td>").line(text(&described["description"])).raw("</tr>");
        add_rows(document, field, &path, out, depth + 1);
    }
}

/// The type and bounds of a value, as a line with backquotes.
pub fn kind(document: &Value, schema: &Value) -> String {
    let schema = resolved(document, schema);
    if let Some(value) = schema.get("const") {
        return format!("`{value}`");
    }
    if let Some(choices) = schema["enum"].as_array() {
        let words: Vec<_> = choices.iter().map(|choice| format!("`{choice}`")).collect();
        return words.join(" ");
    }
    if schema["oneOf"].is_array() {
        let words: Vec<_> = entries(&schema["oneOf"]).map(|choice| kind(document, choice)).collect();
        return words.join(" or ");
    }
    let mut words = match &schema["type"] {
        Value::String(name) => name.clone(),
        Value::Array(names) => names.iter().map(text).collect::<Vec<_>>().join(" or "),
        _ => "any".to_owned(),
    };
    if schema["items"].is_object() {
        words = format!("{words} of {}", kind(document, &schema["items"]));
    }
    if !text(&schema["format"]).is_empty() {
        words.push_str(&format!(", {}", text(&schema["format"])));
    }
    let bounds = [
        ("minLength", "at least", "characters"),
        ("maxLength", "at most", "characters"),
        ("minItems", "at least", "entries"),
        ("maxItems", "at most", "entries"),
        ("minimum", "from", ""),
        ("maximum", "to", ""),
        ("default", "default", ""),
    ];
    for (key, before, after) in bounds {
        if let Some(value) = schema.get(key) {
            words.push_str(&format!(", {before} {value} {after}"));
        }
    }
    words.trim_end().to_owned()
}

/// The example that a schema carries itself.
pub fn example(document: &Value, schema: &Value) -> Option<Value> {
    let schema = resolved(document, schema);
    if let Some(given) = entries(&schema["examples"]).next() {
        return Some(given.clone());
    }
    let parts = schema["properties"].as_object()?;
    let known: Option<serde_json::Map<_, _>> =
        parts.iter().map(|(name, part)| Some((name.clone(), value(document, part)?))).collect();
    known.map(Value::Object)
}

fn value(document: &Value, schema: &Value) -> Option<Value> {
    let plain = resolved(document, schema);
    if let Some(value) = plain.get("const") {
        return Some(value.clone());
    }
    if plain["type"] == "array" {
        return Some(json!([example(document, &plain["items"])?]));
    }
    example(document, schema)
}
