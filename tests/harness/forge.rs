//! Tokens made outside the server: right ones and every kind of wrong one.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// A token of these claims, signed with `key` by `algorithm`.
pub fn signed(algorithm: Algorithm, key: &[u8], claims: &Value) -> String {
    jsonwebtoken::encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(key)).expect("claims serialise")
}

/// A token of the right kind with these claims; `key` is the server's secret.
pub fn hs256(key: &[u8], claims: &Value) -> String {
    signed(Algorithm::HS256, key, claims)
}

/// A token without a signature, `alg` as given in its header.
pub fn unsigned(alg: &str, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(&json!({"alg": alg, "typ": "JWT"})), part(claims))
}

/// A token that is signed rightly by HS256 while its header names another algorithm.
pub fn relabelled(alg: &str, key: &[u8], claims: &Value) -> String {
    let good = unsigned(alg, claims);
    let message = good.trim_end_matches('.');
    let key = EncodingKey::from_secret(key);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).expect("it signs");
    format!("{message}.{signature}")
}

/// The claims inside a token, unverified.
#[track_caller]
pub fn claims_of(token: &str) -> Value {
    let middle = token.split('.').nth(1).expect("a token has three parts");
    let bytes = URL_SAFE_NO_PAD.decode(middle).expect("base64url");
    serde_json::from_slice(&bytes).expect("claims are JSON")
}
