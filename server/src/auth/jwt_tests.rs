//! Tokens as RFC 7515, RFC 7519, `dialects.md` and the faults of others (`facts.md`) demand.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;

use super::*;

const NOW: u64 = 1_700_000_000;
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn now() -> Timestamp {
    Timestamp::from_millis(NOW * 1000)
}

fn key() -> SigningKey {
    SigningKey::from_secret(SECRET).unwrap()
}

fn verify(token: &str) -> Result<Identity, TokenError> {
    Verifier::new(&key(), Duration::from_secs(30)).verify(token, now())
}

/// A token of any header and payload, signed over them with `algorithm` and our secret.
fn forge(header: &str, payload: &str, algorithm: Algorithm) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), &EncodingKey::from_secret(SECRET), algorithm).unwrap();
    format!("{message}.{signature}")
}

fn signed(payload: &str) -> String {
    forge(r#"{"alg":"HS256","typ":"JWT"}"#, payload, Algorithm::HS256)
}

fn user_with(claims: &str) -> Result<Identity, TokenError> {
    verify(&signed(&format!(r#"{{"sub":100,"role":"user",{claims}}}"#)))
}

fn agent_with(claims: &str) -> Result<Identity, TokenError> {
    verify(&signed(&format!(r#"{{"sub":1,"role":"agent","exp":9999999999,{claims}}}"#)))
}

fn claim_of(result: Result<Identity, TokenError>) -> &'static str {
    match result {
        Err(TokenError::Claim { claim, .. }) => claim,
        other => panic!("expected a refused claim, got {other:?}"),
    }
}

/// The example's claims name nobody of ours, so the signature shows in which refusal comes.
#[test]
fn rfc_7515_a_1() {
    let key = SigningKey::from_secret(&[
        3, 35, 53, 75, 43, 15, 165, 188, 131, 126, 6, 101, 119, 123, 166, 143, 90, 179, 40, 230, 240, 84, 201, 40, 169,
        15, 132, 178, 210, 80, 46, 191, 211, 251, 90, 146, 210, 6, 71, 239, 150, 138, 180, 195, 119, 98, 61, 34, 61,
        46, 33, 114, 5, 46, 79, 8, 192, 205, 154, 245, 103, 208, 128, 163,
    ])
    .unwrap();
    let message = concat!(
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.",
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    );
    let signature = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let verifier = Verifier::new(&key, Duration::ZERO);
    let at = |secs: u64| Timestamp::from_millis(secs * 1000);
    let token = format!("{message}.{signature}");
    assert_eq!(verifier.verify(&token, at(1_300_819_379)), Err(TokenError::Missing("role")));
    assert_eq!(verifier.verify(&token, at(1_300_819_380)), Err(TokenError::Expired));
    let changed = format!("{message}.{}", signature.replace("dBjf", "dBjg"));
    assert_eq!(verifier.verify(&changed, at(0)), Err(TokenError::Signature));
}

#[test]
fn what_is_signed_is_read_back() {
    let signer = Signer::new(&key());
    let mut grant = Grant {
        role: Role::Agent,
        id: 1,
        name: Some("小王".into()),
        groups: Some(vec!["sales".into(), "default".into()]),
        skills: Some(vec!["english".into()]),
        max_concurrent: Some(5),
    };
    let ttl = Duration::from_secs(3600);
    let token = signer.sign(&grant, now(), ttl).unwrap();
    let claims = AgentChange {
        name: Some("小王".into()),
        groups: Some(vec![Group::new("sales").unwrap(), Group::default()]),
        skills: Some(vec!["english".into()]),
        max_concurrent: Some(5),
        ..AgentChange::default()
    };
    let agent = Identity::Agent { id: AgentId::new(1).unwrap(), claims: Box::new(claims) };
    assert_eq!(verify(&token), Ok(agent));

    grant.role = Role::User;
    grant.id = (1 << 52) - 1;
    let user = verify(&signer.sign(&grant, now(), ttl).unwrap()).unwrap();
    assert_eq!(user.actor(), Actor::User(UserId::new((1 << 52) - 1).unwrap()));
    grant.role = Role::Admin;
    let admin = verify(&signer.sign(&grant, now(), ttl).unwrap()).unwrap();
    assert_eq!(admin.actor(), Actor::Admin);

    for id in [0, 1 << 52] {
        assert_eq!(signer.sign(&Grant { id, ..grant.clone() }, now(), ttl), Err(BAD_SUB));
    }
    let for_ever = Duration::from_secs(u64::MAX);
    assert!(signer.sign(&grant, now(), for_ever).is_err());
    grant.role = Role::Agent;
    grant.groups = Some(vec!["g".repeat(65)]);
    assert!(signer.sign(&grant, now(), ttl).is_err());
}

#[test]
fn exp_is_kept_to_the_second_with_the_leeway() {
    for (exp, wanted) in [(NOW - 31, false), (NOW - 30, false), (NOW - 29, true), (NOW, true)] {
        assert_eq!(user_with(&format!(r#""exp":{exp}"#)).is_ok(), wanted, "{exp}");
    }
    assert_eq!(user_with(&format!(r#""exp":{}"#, NOW - 30)), Err(TokenError::Expired));
}

#[test]
fn exp_has_to_be_a_whole_number_of_seconds() {
    assert_eq!(user_with(r#""name":"x""#), Err(TokenError::Missing("exp")));
    assert_eq!(user_with(r#""exp":null"#), Err(TokenError::Missing("exp")));
    for exp in [
        r#""9999999999""#,
        "-1",
        "-9999999999",
        "9999999999.5",
        "1704067200000",
        "18446744073709551615",
        "99999999999999999999",
        "1e300",
        "{}",
        "true",
    ] {
        assert_eq!(claim_of(user_with(&format!(r#""exp":{exp}"#))), "exp", "{exp}");
    }
    for exp in ["9999999999", "9999999999.0", "9.999999999e9"] {
        assert!(user_with(&format!(r#""exp":{exp}"#)).is_ok(), "{exp}");
    }
    assert_eq!(user_with(r#""exp":0"#), Err(TokenError::Expired));
    for exp in ["1e999", "[9999999999]"] {
        assert_eq!(user_with(&format!(r#""exp":{exp}"#)), Err(TokenError::Malformed), "{exp}");
    }
    assert_eq!(user_with(r#""exp":1,"exp":9999999999"#), Err(TokenError::Malformed));
}

#[test]
fn nbf_and_iat_may_not_lie_ahead() {
    for claim in ["nbf", "iat"] {
        let at = |value: String| user_with(&format!(r#""exp":9999999999,"{claim}":{value}"#));
        assert!(at((NOW + 30).to_string()).is_ok());
        assert_eq!(at((NOW + 31).to_string()), Err(TokenError::NotYetValid));
        assert_eq!(claim_of(at(format!("\"{NOW}\""))), claim);
    }
}

#[test]
fn only_hs256_is_believed() {
    let payload = r#"{"sub":100,"role":"user","exp":9999999999}"#;
    let unsigned = format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), URL_SAFE_NO_PAD.encode(payload));
    assert_eq!(verify(&unsigned), Err(TokenError::Algorithm));
    for alg in ["none", "None", "hs256", "HS384", "HS512", "RS256", "ES256", "EdDSA", "XX999"] {
        let token = forge(&format!(r#"{{"alg":"{alg}"}}"#), payload, Algorithm::HS256);
        assert_eq!(verify(&token), Err(TokenError::Algorithm), "{alg}");
    }
    let truly_hs512 = forge(r#"{"alg":"HS512"}"#, payload, Algorithm::HS512);
    assert_eq!(verify(&truly_hs512), Err(TokenError::Algorithm));
    let says_hs256 = forge(r#"{"alg":"HS256"}"#, payload, Algorithm::HS512);
    assert_eq!(verify(&says_hs256), Err(TokenError::Signature));
    let critical = forge(r#"{"alg":"HS256","crit":["b64"],"b64":false}"#, payload, Algorithm::HS256);
    assert_eq!(claim_of(verify(&critical)), "crit");
    assert!(verify(&signed(payload)).is_ok());
}

#[test]
fn another_key_a_changed_part_or_a_cut_token_prove_nothing() {
    let token = signed(r#"{"sub":100,"role":"user","exp":9999999999}"#);
    let other = SigningKey::from_secret(b"fedcba9876543210fedcba9876543210").unwrap();
    let verifier = Verifier::new(&other, Duration::ZERO);
    assert_eq!(verifier.verify(&token, now()), Err(TokenError::Signature));
    for end in 0..token.len() {
        assert!(verify(&token[..end]).is_err(), "cut at {end}");
    }
    let parts: Vec<&str> = token.split('.').collect();
    let raised = URL_SAFE_NO_PAD.encode(r#"{"sub":100,"role":"admin","exp":9999999999}"#);
    assert_eq!(verify(&format!("{}.{raised}.{}", parts[0], parts[2])), Err(TokenError::Signature));
}

#[test]
fn garbage_is_refused_by_its_length_first() {
    for garbage in ["", ".", "..", "...", "a.b.c", "a.b.c.d", "\u{0}", "客服.客服.客服"] {
        assert_eq!(verify(garbage), Err(TokenError::Malformed), "{garbage:?}");
    }
    assert_eq!(verify(&"a".repeat(64 * 1024)), Err(TokenError::TooLong));
    assert_eq!(verify(&".".repeat(TOKEN_MAX_BYTES + 1)), Err(TokenError::TooLong));
    assert_eq!(verify(&".".repeat(TOKEN_MAX_BYTES)), Err(TokenError::Malformed));
    assert_eq!(verify(&signed("[]")), Err(TokenError::Malformed));
    assert_eq!(verify(&signed("not json")), Err(TokenError::Malformed));
}

#[test]
fn sub_is_an_integer_or_the_same_in_decimal() {
    let with = |sub: &str| verify(&signed(&format!(r#"{{"sub":{sub},"role":"user","exp":9999999999}}"#)));
    for sub in ["100", r#""100""#] {
        assert_eq!(with(sub).unwrap().actor(), Actor::User(UserId::new(100).unwrap()), "{sub}");
    }
    for sub in [
        "0",
        "-1",
        "1.5",
        "100.0",
        "4503599627370496",
        r#""4503599627370496""#,
        r#""0""#,
        r#""""#,
        r#""+100""#,
        r#""0100""#,
        r#"" 100""#,
        r#""1e2""#,
        r#""abc""#,
        "true",
    ] {
        assert_eq!(claim_of(with(sub)), "sub", "{sub}");
    }
    assert_eq!(with("[100]"), Err(TokenError::Malformed));
    assert_eq!(with("null"), Err(TokenError::Missing("sub")));
}

#[test]
fn role_and_agent_claims_are_checked() {
    for role in [r#""root""#, r#""User""#, "1"] {
        let token = signed(&format!(r#"{{"sub":1,"role":{role},"exp":9999999999}}"#));
        assert_eq!(claim_of(verify(&token)), "role", "{role}");
    }
    let many = format!("[{}]", vec![r#""g""#; 65].join(","));
    for (claim, value) in [
        ("groups", "[]"),
        ("groups", r#""sales""#),
        ("groups", "[1]"),
        ("groups", r#"[""]"#),
        ("groups", many.as_str()),
        ("skills", r#""english""#),
        ("skills", r#"["a\nb"]"#),
        ("name", r#""""#),
        ("name", "7"),
        ("max_concurrent", "-1"),
        ("max_concurrent", "10001"),
        ("max_concurrent", r#""5""#),
    ] {
        assert_eq!(claim_of(agent_with(&format!(r#""{claim}":{value}"#))), claim, "{value}");
    }
    assert!(agent_with(r#""max_concurrent":0,"skills":[],"department":{"any":"thing"}"#).is_ok());
    // Claims of an agent mean nothing in a user's token.
    assert!(user_with(r#""exp":9999999999,"groups":7"#).is_ok());
}

proptest! {
    #[test]
    fn no_text_is_believed_or_panics(text in "\\PC{0,200}") {
        prop_assert!(verify(&text).is_err());
    }

    #[test]
    fn no_payload_panics(payload in "\\PC{0,80}", sub in any::<i64>(), exp in any::<f64>()) {
        let _ = verify(&signed(&payload));
        let _ = user_with(&format!("\"exp\":{exp}"));
        let _ = verify(&signed(&format!(r#"{{"sub":{sub},"role":"admin","exp":9999999999}}"#)));
    }

    #[test]
    fn one_changed_character_breaks_a_token(at in 0usize..120, with in proptest::char::range('A', 'Z')) {
        let token = signed(r#"{"sub":100,"role":"user","exp":9999999999}"#);
        let mut bytes = token.clone().into_bytes();
        let at = at % bytes.len();
        prop_assume!(bytes[at] != with as u8);
        bytes[at] = with as u8;
        prop_assert!(verify(&String::from_utf8(bytes).unwrap()).is_err());
    }
}
