//! Tokens that prove nothing (RFC 7519; facts.md: CVE-2026-25537, CVE-2023-48223).

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::harness::forge::{hs256, relabelled, signed, unsigned};
use crate::harness::pattern::now_secs;
use crate::harness::{Server, Setup};

fn claims(change: Value) -> Value {
    let mut claims = json!({"sub": 100, "role": "user", "exp": now_secs() + 600});
    for (name, value) in change.as_object().unwrap() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    claims
}

/// Refused on the socket and over REST alike.
#[track_caller]
fn worthless(server: &Server, name: &str, token: &str) {
    let mut peer = server.connect(name);
    peer.refused("login", json!({"token": token}));
    peer.ok("ping", json!({}));
    let reply = server.request("GET", "/api/kefu/message/getConversation", Some(token), None);
    assert_eq!(reply.status, 401, "{name}: {}", reply.text());
}

#[test]
fn worthless_tokens() {
    let server = Setup::shards(2).start();
    let key = server.secret();
    let good = hs256(&key, &claims(json!({})));
    server.connect("good").ok("login", json!({"token": good}));

    worthless(&server, "expired", &hs256(&key, &claims(json!({"exp": now_secs() - 60}))));
    worthless(&server, "no exp", &hs256(&key, &claims(json!({"exp": null}))));
    worthless(&server, "exp as a string", &hs256(&key, &claims(json!({"exp": "9999999999"}))));
    worthless(&server, "exp as a list", &hs256(&key, &claims(json!({"exp": [9_999_999_999_u64]}))));
    worthless(&server, "negative exp", &hs256(&key, &claims(json!({"exp": -1}))));
    worthless(&server, "not yet valid", &hs256(&key, &claims(json!({"nbf": now_secs() + 600}))));
    worthless(&server, "unsigned", &unsigned("none", &claims(json!({}))));
    worthless(&server, "unsigned (None)", &unsigned("None", &claims(json!({}))));
    worthless(&server, "unsigned, alg HS256", &unsigned("HS256", &claims(json!({}))));
    worthless(&server, "HS512", &signed(Algorithm::HS512, &key, &claims(json!({}))));
    worthless(&server, "HS384", &signed(Algorithm::HS384, &key, &claims(json!({}))));
    for alg in ["RS256", "none", "HS512", "EdDSA", "hs256", ""] {
        worthless(&server, &format!("labelled {alg}"), &relabelled(alg, &key, &claims(json!({}))));
    }
    worthless(&server, "another key", &hs256(b"another key of at least thirty-two bytes", &claims(json!({}))));
    worthless(&server, "an empty key", &hs256(b"", &claims(json!({}))));
    for sub in [json!(null), json!(0), json!(-1), json!("abc"), json!(1.5), json!(1u64 << 52), json!([100])] {
        worthless(&server, &format!("sub {sub}"), &hs256(&key, &claims(json!({"sub": sub}))));
    }
    for role in [json!(null), json!("root"), json!(1), json!(["admin"]), json!("")] {
        worthless(&server, &format!("role {role}"), &hs256(&key, &claims(json!({"role": role}))));
    }
    let (message, signature) = good.rsplit_once('.').unwrap();
    worthless(&server, "no signature part", message);
    worthless(&server, "cut short", &good[..good.len() - 2]);
    worthless(&server, "two tokens", &format!("{good}.{good}"));
    let (header, _) = message.split_once('.').unwrap();
    worthless(&server, "claims changed", &format!("{header}.{}.{signature}", message_of(&claims(json!({"sub": 101})))));
    for garbage in ["x", ".", "..", "a.b.c", "💥.💥.💥"] {
        let mut peer = server.connect("garbage");
        peer.refused("login", json!({"token": garbage}));
    }
    let mut peer = server.connect("a long one");
    peer.refused("login", json!({"token": "x".repeat(60_000)}));
    server.assert_healthy("worthless tokens");
    for word in [good.as_str(), signature] {
        assert!(!server.log().contains(word), "a token is in the log");
    }
}

fn message_of(claims: &Value) -> String {
    unsigned("HS256", claims).split('.').nth(1).unwrap().to_owned()
}

/// What integrators' libraries write differently is fine: `sub` as a decimal string, unknown claims.
#[test]
fn good_tokens_of_other_libraries() {
    let server = Setup::shards(2).start();
    let key = server.secret();
    for change in [
        json!({"sub": "100"}),
        json!({"iss": "somebody", "aud": ["x"], "jti": "1", "iat": now_secs(), "custom": {"deep": [1]}}),
        json!({"exp": now_secs() - 5}),
    ] {
        let token = hs256(&key, &claims(change.clone()));
        let data = server.connect("user 100").ok("login", json!({"token": token}));
        assert_eq!(data["uid"], 100, "{change}");
    }
}

/// An attacker who guesses is closed; others meanwhile log in.
#[test]
fn a_guesser_is_closed_after_three() {
    let server = Setup::shards(2).start();
    for _ in 0..20 {
        let mut peer = server.connect("guesser");
        for _ in 0..3 {
            peer.refused("login", json!({"token": "guess"}));
        }
        peer.closed();
    }
    server.login("user", 100);
}
