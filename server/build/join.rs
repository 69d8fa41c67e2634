//! One document out of fragments. A fragment's `{"$fixture": NAME}` is replaced by that golden fixture of its dialect, so
//! that the examples shown are the ones tested.
//!
//! Must not know what any path or frame is for.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

/// The dialects' folders, in the order of their names.
pub fn folders(dialects: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dialects).expect("the dialects' home");
    let mut folders: Vec<_> = entries.map_while(Result::ok).map(|entry| entry.path()).collect();
    folders.retain(|folder| folder.join("openapi.json").exists());
    folders.sort();
    folders
}

/// The OpenAPI document: the server's own, with the dialects' tags, paths and components. Every operation may also be
/// answered by a problem, because what is no HTTP to be served never reaches its dialect.
pub fn openapi(common: &Path, folders: &[PathBuf]) -> Value {
    let mut whole = fragment(common, "openapi.json");
    for folder in folders {
        let mut part = fragment(folder, "openapi.json");
        list(&mut whole["tags"]).append(list(&mut part["tags"]));
        for (path, mut item) in std::mem::take(object(&mut part["paths"])) {
            let all = object(&mut whole["paths"]).entry(path.clone()).or_insert_with(|| json!({}));
            merge(object(all), object(&mut item), &path);
        }
        for (kind, mut parts) in std::mem::take(object(&mut part["components"])) {
            let all = object(&mut whole["components"]).entry(kind.clone()).or_insert_with(|| json!({}));
            merge(object(all), object(&mut parts), &kind);
        }
    }
    for item in object(&mut whole["paths"]).values_mut() {
        for (method, operation) in object(item) {
            if method != "parameters" {
                let problem = json!({"$ref": "#/components/responses/Problem"});
                object(&mut operation["responses"]).entry("default").or_insert(problem);
            }
        }
    }
    whole
}

/// The AsyncAPI document. A fragment has `channel`, its `messages` with `x-direction` (`receive`: the server receives it)
/// and `x-answers` (names of the messages that answer it), and `schemas`: AsyncAPI wants the same said three times, as
/// components, as messages of a channel and as operations.
pub fn asyncapi(common: &Path, folders: &[PathBuf]) -> Value {
    let mut whole = fragment(common, "asyncapi.json");
    let own = whole["x-channels"].take();
    object(&mut whole).remove("x-channels");
    let own = own.as_object().expect("channels by name").clone();
    let dialects = folders.iter().filter(|folder| folder.join("asyncapi.json").exists()).map(|folder| {
        let name = folder.file_name().and_then(|name| name.to_str()).expect("folders have plain names");
        (name.to_owned(), fragment(folder, "asyncapi.json"))
    });
    for (name, part) in dialects.chain(own) {
        add_channel(&mut whole, &name, part);
    }
    whole
}

fn add_channel(whole: &mut Value, channel: &str, mut part: Value) {
    let mut described = part["channel"].take();
    let mut references = Map::new();
    for (name, mut message) in std::mem::take(object(&mut part["messages"])) {
        let full = format!("{channel}.{name}");
        references.insert(name.clone(), json!({"$ref": format!("#/components/messages/{full}")}));
        let reference = |name: &str| json!({"$ref": format!("#/channels/{channel}/messages/{name}")});
        let home = json!({"$ref": format!("#/channels/{channel}")});
        let mut operation = json!({
            "action": message["x-direction"], "channel": home, "title": message["title"],
            "messages": [reference(&name)],
        });
        let answers = message["x-answers"].as_array().map(|names| {
            names.iter().map(|name| reference(name.as_str().expect("names of messages"))).collect::<Vec<_>>()
        });
        if let Some(answers) = answers {
            operation["reply"] = json!({"channel": home, "messages": answers});
        }
        message["name"] = json!(name);
        message["contentType"].is_null().then(|| message["contentType"] = json!("application/json"));
        insert(object(&mut whole["operations"]), &full, operation);
        insert(object(&mut whole["components"]["messages"]), &full, message);
    }
    described["messages"] = Value::Object(references);
    insert(object(&mut whole["channels"]), channel, described);
    if let Some(schemas) = part["schemas"].as_object_mut() {
        merge(object(&mut whole["components"]["schemas"]), schemas, "schemas");
    }
}

fn fragment(folder: &Path, name: &str) -> Value {
    let path = folder.join(name);
    let mut value = read(&path);
    with_fixtures(&mut value, &folder.join("fixtures"));
    value
}

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn with_fixtures(value: &mut Value, fixtures: &Path) {
    if let Some(name) = value.get("$fixture").and_then(Value::as_str) {
        *value = read(&fixtures.join(name));
        return;
    }
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|field| with_fixtures(field, fixtures)),
        Value::Array(entries) => entries.iter_mut().for_each(|entry| with_fixtures(entry, fixtures)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn merge(all: &mut Map<String, Value>, part: &mut Map<String, Value>, place: &str) {
    for (name, value) in std::mem::take(part) {
        assert!(!all.contains_key(&name), "{place}: {name} is described twice");
        all.insert(name, value);
    }
}

fn insert(all: &mut Map<String, Value>, name: &str, value: Value) {
    assert!(all.insert(name.to_owned(), value).is_none(), "{name} is described twice");
}

fn object(value: &mut Value) -> &mut Map<String, Value> {
    if value.is_null() {
        *value = json!({});
    }
    value.as_object_mut().expect("an object")
}

fn list(value: &mut Value) -> &mut Vec<Value> {
    if value.is_null() {
        *value = json!([]);
    }
    value.as_array_mut().expect("a list")
}
