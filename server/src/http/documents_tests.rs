//! That the documents say what is served: no more, no less, with the right numbers, and with every golden fixture as an
//! example. That they are well-formed, and that real answers are as they say, `tests/journey/documents.rs` finds out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{env, fs};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use switchboard_protocol::dialect::{DialectKind, dialect};

use super::super::ROUTES;
use super::*;

/// Bounds that a value of the wire can have; each must say which limit it is.
const BOUNDS: [&str; 3] = ["maxLength", "maxItems", "maximum"];

fn document(document: &Document) -> Value {
    serde_json::from_str(document.text).expect("what is served is JSON")
}

/// Calls `visit` with every value in `value`, and where it is.
fn walk(value: &Value, place: &str, visit: &mut impl FnMut(&str, &Value)) {
    visit(place, value);
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, field)| walk(field, &format!("{place}/{name}"), visit)),
        Value::Array(entries) => {
            entries.iter().enumerate().for_each(|(index, entry)| walk(entry, &format!("{place}/{index}"), visit));
        }
        _ => {}
    }
}

/// A path whose parameters have no names: `/a/{}`.
fn nameless(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[test]
fn every_route_is_described_and_what_is_described_is_served() {
    let served: BTreeSet<_> = ROUTES
        .iter()
        .flat_map(|(path, route)| route.0.iter().map(|(method, _)| format!("{} {}", method.as_str(), nameless(path))))
        .collect();
    let document = document(&OPENAPI);
    let paths = document["paths"].as_object().unwrap();
    let described: BTreeSet<_> = paths
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods.map(|method| format!("{} {}", method.to_uppercase(), nameless(path))).collect::<Vec<_>>()
        })
        .collect();
    let missing: Vec<_> = served.difference(&described).collect();
    let invented: Vec<_> = described.difference(&served).collect();
    assert!(missing.is_empty(), "served, and not in any openapi.json: {missing:?}");
    assert!(invented.is_empty(), "in an openapi.json, and not served: {invented:?}");
}

#[test]
fn every_websocket_is_a_channel() {
    let document = document(&ASYNCAPI);
    for kind in DialectKind::ALL {
        let channel = &document["channels"][dialect(kind).name()];
        assert_eq!(channel["address"], dialect(kind).session().path, "asyncapi.json of {}", dialect(kind).name());
        assert!(document["operations"].as_object().unwrap().len() > channel["messages"].as_object().unwrap().len());
    }
}

#[test]
fn operations_say_who_may_and_what_goes_wrong() {
    let document = document(&OPENAPI);
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = format!("{method} {path}");
            assert!(ids.insert(operation["operationId"].as_str().expect("an operationId")), "{name}: not unique");
            assert!(operation["summary"].is_string() && operation["tags"].is_array(), "{name}");
            let ways = operation["security"].as_array().unwrap_or_else(|| panic!("{name} does not say who may"));
            let anybody = ways.iter().any(|way| way.as_object().unwrap().is_empty());
            let responses = operation["responses"].as_object().unwrap();
            assert!(anybody || responses.contains_key("401"), "{name} needs a token, and is never answered 401");
            assert!(responses.contains_key("default"), "{name}");
            let keyed = operation["parameters"].to_string().contains("IdempotencyKey");
            let refused = responses.contains_key("409") && responses.contains_key("422");
            assert!(!keyed || refused, "{name} takes a key, and does not say how it is refused");
            let named = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
            for parameter in named {
                let has = operation["parameters"].as_array().into_iter().flatten().any(|described| {
                    let described =
                        described["$ref"].as_str().map_or(described, |at| document.pointer(&at[1..]).unwrap());
                    described["name"] == parameter && described["in"] == "path"
                });
                assert!(has, "{name} does not describe {parameter}");
            }
        }
    }
}

#[test]
fn references_lead_somewhere_and_components_are_used() {
    for document in [document(&OPENAPI), document(&ASYNCAPI)] {
        let mut pointed = BTreeSet::new();
        walk(&document, "", &mut |place, value| {
            if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
                let pointer = reference.strip_prefix('#').expect("nothing outside the document is needed");
                assert!(document.pointer(pointer).is_some(), "{place} points to {reference}");
                pointed.insert(pointer.to_owned());
            }
        });
        for (kind, parts) in document["components"].as_object().unwrap() {
            for name in parts.as_object().unwrap().keys().filter(|_| kind != "securitySchemes") {
                assert!(pointed.contains(&format!("/components/{kind}/{name}")), "nothing uses {kind}/{name}");
            }
        }
    }
}

#[test]
fn every_bound_is_a_limit_of_limits_rs() {
    let limits = limits();
    let mut wrong = Vec::new();
    for document in [document(&OPENAPI), document(&ASYNCAPI)] {
        walk(&document, "", &mut |place, value| {
            let Value::Object(fields) = value else { return };
            if place.ends_with("/properties") || place.ends_with("/x-limits") {
                return;
            }
            let named = fields.get("x-limits").and_then(Value::as_object);
            for bound in BOUNDS.iter().filter(|bound| fields.get(**bound).is_some_and(Value::is_u64)) {
                if named.is_none_or(|named| !named.contains_key(*bound)) {
                    wrong.push(format!("{place}: {bound} does not say which limit it is (x-limits)"));
                }
            }
            for (bound, limit) in named.into_iter().flatten() {
                let limit = limit.as_str().unwrap();
                let (name, less) = limit.split_once(" - ").unwrap_or((limit, "0"));
                let value = limits.get(name).unwrap_or_else(|| panic!("{place}: there is no limit {name}"));
                if fields[bound].as_u64() != Some(value - less.parse::<u64>().unwrap()) {
                    wrong.push(format!("{place}: {bound} is {}, {limit} is {value}", fields[bound]));
                }
            }
        });
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The limits by name, read from their file: a table of them here could be forgotten.
fn limits() -> BTreeMap<String, u64> {
    let text = fs::read_to_string(protocol().join("model/limits.rs")).unwrap();
    let mut known = BTreeMap::new();
    for line in text.lines() {
        let Some((name, rest)) = line.strip_prefix("pub const ").and_then(|rest| rest.split_once(": ")) else {
            continue;
        };
        let value = rest.split_once(" = ").and_then(|(_, value)| value.strip_suffix(';')).unwrap_or_default();
        let number = |text: &str| text.replace('_', "").parse::<u64>().ok().or_else(|| known.get(text).copied());
        let product = value.split(" * ").map(number).try_fold(1, |product, factor| Some(product * factor?));
        let shift = value.split_once(" << ").and_then(|(one, by)| Some(number(one)? << number(by)?));
        if let Some(value) = product.or(shift) {
            known.insert(name.to_owned(), value);
        }
    }
    assert!(known["ID_END"] == 1 << 53 && known["MESSAGE_MAX_BYTES"] == 65_536, "limits.rs is read");
    known
}

#[test]
fn texts_name_the_limits_that_hold() {
    let limits = limits();
    let said = |document: &Document, number: u64| document.text.contains(&format!("{number} "));
    for name in ["HTTP_BODY_MAX_BYTES", "HTTP_HEAD_MAX_BYTES", "HTTP_HEADERS_MAX", "TOKEN_MAX_BYTES"] {
        assert!(said(&OPENAPI, limits[name]), "the OpenAPI document does not name {name}");
    }
    for name in ["MESSAGE_MAX_BYTES", "ECHO_MESSAGE_MAX_BYTES", "OP_ID_MAX_BYTES", "SYNC_MAX_BYTES"] {
        assert!(said(&ASYNCAPI, limits[name]), "the AsyncAPI document does not name {name}");
    }
}

#[test]
fn every_golden_fixture_is_an_example() {
    let mut forgotten = Vec::new();
    for entry in fs::read_dir(protocol().join("dialect")).unwrap().map(Result::unwrap) {
        let Ok(fixtures) = fs::read_dir(entry.path().join("fixtures")) else { continue };
        let fragments = ["openapi.json", "asyncapi.json"].map(|name| fs::read_to_string(entry.path().join(name)));
        for fixture in fixtures.map(|fixture| fixture.unwrap().path()) {
            let name = fixture.file_name().unwrap().to_string_lossy().into_owned();
            let used = format!("{{\"$fixture\": \"{name}\"}}");
            if name.ends_with(".json") && !fragments.iter().flatten().any(|text| text.contains(&used)) {
                forgotten.push(fixture);
            }
        }
    }
    assert!(forgotten.is_empty(), "no openapi.json or asyncapi.json shows: {forgotten:#?}");
}

#[test]
fn the_page_shows_all_and_needs_nothing() {
    let page = PAGE.text;
    for (path, item) in document(&OPENAPI)["paths"].as_object().unwrap() {
        assert!(page.contains(path.as_str()), "{path}");
        for operation in item.as_object().unwrap().values() {
            assert!(page.contains(&format!("<article id=\"{}\">", operation["operationId"].as_str().unwrap())));
        }
    }
    for (name, channel) in document(&ASYNCAPI)["channels"].as_object().unwrap() {
        for message in channel["messages"].as_object().unwrap().keys() {
            assert!(page.contains(&format!("<article id=\"ws-{name}-{message}\">")), "{name} {message}");
        }
    }
    for foreign in ["<script", "<link", "<img", "@import", "url(", "src=", "http://cdn", "https://cdn"] {
        assert!(!page.contains(foreign), "the page has {foreign}");
    }
    let mut anchors = page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap());
    assert!(anchors.all(|anchor| anchor.is_empty() || page.contains(&format!("id=\"{anchor}\""))));
}

#[test]
fn the_policy_allows_the_style() {
    let (_, rest) = PAGE.text.split_once("<style>").unwrap();
    let (style, _) = rest.split_once("</style>").unwrap();
    let digest = BASE64_STANDARD.encode(Sha256::digest(style));
    assert!(PAGE_POLICY.contains(&format!("style-src 'sha256-{digest}'")), "{PAGE_POLICY}");
    assert!(!PAGE.text.contains("style="), "an attribute has no digest");
}

#[test]
fn tags_are_quoted_and_differ() {
    let tags = [OPENAPI.etag, ASYNCAPI.etag, PAGE.etag];
    assert!(tags.iter().all(|tag| tag.len() == 18 && tag.starts_with('"') && tag.ends_with('"')));
    assert_eq!(BTreeSet::from(tags).len(), 3);
}

fn protocol() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/src")
}
