//! JSON Web Tokens (RFC 7519) signed with HS256: what a token proves, and how one is made.
//!
//! Claims: `sub` (the integrator's integer, or the same in decimal), `role` (`user`, `agent`, `admin`),
//! `exp` in Unix seconds; optional `nbf`, `iat`, `name`, and for an agent `groups`, `skills`,
//! `max_concurrent`. Any other claim is ignored. Reads no clock: the crate's own check of the time is off,
//! and times are compared here, as whole seconds.

use std::collections::HashSet;
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use switchboard_protocol::model::limits::{
    AGENT_GROUPS_MAX, AGENT_MAX_CONCURRENT, INTEGRATOR_ID_END, NAME_MAX_CHARS, TOKEN_MAX_BYTES, TOKEN_TIME_MAX_SECS,
};
use switchboard_protocol::model::{Actor, AgentChange, AgentId, Group, Timestamp, UserId};

use super::key::SigningKey;

/// Checks tokens. Make one per shard: it holds no state that changes.
pub struct Verifier {
    key: DecodingKey,
    validation: Validation,
    leeway_secs: u64,
}

/// Makes tokens.
pub struct Signer {
    key: EncodingKey,
}

/// Who a token proves its bearer to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A customer the integrator knows.
    User {
        /// Which.
        id: UserId,
        /// The claim `name`.
        name: Option<String>,
    },
    /// An agent.
    Agent {
        /// Which.
        id: AgentId,
        /// `name`, `groups`, `skills`, `max_concurrent` of the token: what an agent first seen is made with.
        claims: Box<AgentChange>,
    },
    /// An operator.
    Admin {
        /// The integrator's integer; names no party.
        id: u64,
        /// The claim `name`.
        name: Option<String>,
    },
}

/// The roles of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A customer.
    User,
    /// A human agent.
    Agent,
    /// An operator.
    Admin,
}

/// What a new token says; `None` leaves a claim out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// As what.
    pub role: Role,
    /// 1 to 2^52 - 1.
    pub id: u64,
    /// A name shown to people.
    pub name: Option<String>,
    /// An agent's groups.
    pub groups: Option<Vec<String>>,
    /// An agent's skills.
    pub skills: Option<Vec<String>>,
    /// An agent's conversations at once.
    pub max_concurrent: Option<u32>,
}

/// Why a token proves nothing. All are the bearer's to mend; none carries anything of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Longer than any token of ours.
    #[error("the token is longer than {TOKEN_MAX_BYTES} bytes")]
    TooLong,
    /// Not three parts of base64url with JSON in them, or a claim twice.
    #[error("the token is malformed")]
    Malformed,
    /// Unsigned, or signed in another way than HS256.
    #[error("the token is not signed with HS256")]
    Algorithm,
    /// Signed with another key, or changed.
    #[error("the token's signature is wrong")]
    Signature,
    /// A claim that has to be there is not.
    #[error("the token has no `{0}`")]
    Missing(&'static str),
    /// A claim of the wrong type or out of range.
    #[error("the token's `{claim}` is not {expects}")]
    Claim {
        /// Which.
        claim: &'static str,
        /// What it should be.
        expects: &'static str,
    },
    /// Past `exp` and the leeway.
    #[error("the token has expired")]
    Expired,
    /// Before `nbf` or `iat`, less the leeway.
    #[error("the token is not valid yet")]
    NotYetValid,
}

/// The claims with their types still open, so that a wrong one is refused by name; serde refuses a claim
/// that is there twice.
#[derive(Deserialize)]
struct Claims {
    sub: Option<Value>,
    role: Option<Value>,
    exp: Option<Value>,
    nbf: Option<Value>,
    iat: Option<Value>,
    name: Option<Value>,
    groups: Option<Value>,
    skills: Option<Value>,
    max_concurrent: Option<Value>,
}

#[derive(Serialize)]
struct NewClaims<'a> {
    sub: u64,
    role: Role,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skills: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_concurrent: Option<u32>,
    iat: u64,
    exp: u64,
}

impl Identity {
    /// The actor of the domain.
    pub fn actor(&self) -> Actor {
        match self {
            Self::User { id, .. } => Actor::User(*id),
            Self::Agent { id, .. } => Actor::Agent(*id),
            Self::Admin { .. } => Actor::Admin,
        }
    }
}

impl Verifier {
    /// A verifier of tokens signed with `key`; clocks may differ by `leeway` (whole seconds count).
    pub fn new(key: &SigningKey, leeway: Duration) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.required_spec_claims = HashSet::new();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        Self { key: DecodingKey::from_secret(key.bytes()), validation, leeway_secs: leeway.as_secs() }
    }

    /// Who the token proves its bearer to be at `now`. Costs one HMAC of at most 8 KiB, whatever is sent.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Identity, TokenError> {
        if token.len() > TOKEN_MAX_BYTES {
            return Err(TokenError::TooLong);
        }
        let data =
            jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation).map_err(|error| blame(error.kind()))?;
        // RFC 7515, section 4.1.11: an extension we do not know must not be ignored.
        if data.header.crit.is_some() {
            return Err(TokenError::Claim { claim: "crit", expects: "absent" });
        }
        self.check_times(&data.claims, now.as_secs())?;
        identity(data.claims)
    }

    fn check_times(&self, claims: &Claims, now: u64) -> Result<(), TokenError> {
        let exp = claims.exp.as_ref().ok_or(TokenError::Missing("exp"))?;
        // RFC 7519, section 4.1.4: refused on or after the time.
        if now >= numeric_date("exp", exp)? + self.leeway_secs {
            return Err(TokenError::Expired);
        }
        for (claim, value) in [("nbf", &claims.nbf), ("iat", &claims.iat)] {
            if let Some(value) = value
                && numeric_date(claim, value)? > now + self.leeway_secs
            {
                return Err(TokenError::NotYetValid);
            }
        }
        Ok(())
    }
}

impl Signer {
    /// A signer with `key`.
    pub fn new(key: &SigningKey) -> Self {
        Self { key: EncodingKey::from_secret(key.bytes()) }
    }

    /// One token, valid from `now` for `ttl`. Refused are claims that [`Verifier::verify`] would refuse.
    pub fn sign(&self, grant: &Grant, now: Timestamp, ttl: Duration) -> Result<String, TokenError> {
        let iat = now.as_secs();
        let claims = NewClaims {
            sub: grant.id,
            role: grant.role,
            name: grant.name.as_deref(),
            groups: grant.groups.as_deref(),
            skills: grant.skills.as_deref(),
            max_concurrent: grant.max_concurrent,
            iat,
            exp: iat.saturating_add(ttl.as_secs()),
        };
        let value = serde_json::to_value(&claims).expect("numbers, strings and lists of strings are JSON");
        let read_back: Claims = serde_json::from_value(value).expect("the claims just written");
        if let Some(exp) = &read_back.exp {
            numeric_date("exp", exp)?;
        }
        identity(read_back)?;
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.key)
            .expect("HS256 signs any bytes with any secret");
        if token.len() > TOKEN_MAX_BYTES { Err(TokenError::TooLong) } else { Ok(token) }
    }
}

fn blame(kind: &ErrorKind) -> TokenError {
    match kind {
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName | ErrorKind::UnsupportedAlgorithm => {
            TokenError::Algorithm
        }
        // The header's `alg` is read into the crate's own list of names; `none` and unknown ones fail there.
        ErrorKind::Json(error) if error.to_string().starts_with("unknown variant") => TokenError::Algorithm,
        _ => TokenError::Malformed,
    }
}

/// Unix seconds as a whole number (RFC 7519, section 2, without fractions), up to the year 9999: a later
/// one is milliseconds or a mistake, and would be valid for ever.
fn numeric_date(claim: &'static str, value: &Value) -> Result<u64, TokenError> {
    let whole = value.as_u64().or_else(|| {
        let float = value.as_f64()?;
        (float.fract() == 0.0 && (0.0..=TOKEN_TIME_MAX_SECS as f64).contains(&float)).then_some(float as u64)
    });
    whole
        .filter(|secs| *secs <= TOKEN_TIME_MAX_SECS)
        .ok_or(TokenError::Claim { claim, expects: "a whole number of Unix seconds" })
}

fn identity(claims: Claims) -> Result<Identity, TokenError> {
    let role = claims.role.as_ref().ok_or(TokenError::Missing("role"))?;
    let id = subject(claims.sub.as_ref().ok_or(TokenError::Missing("sub"))?)?;
    match role.as_str() {
        Some("user") => {
            Ok(Identity::User { id: UserId::new(id).map_err(|_| BAD_SUB)?, name: name(claims.name.as_ref())? })
        }
        Some("agent") => Ok(Identity::Agent {
            id: AgentId::new(id).map_err(|_| BAD_SUB)?,
            claims: Box::new(AgentChange {
                name: name(claims.name.as_ref())?,
                groups: groups(claims.groups.as_ref())?,
                skills: skills(claims.skills.as_ref())?,
                max_concurrent: max_concurrent(claims.max_concurrent.as_ref())?,
                ..AgentChange::default()
            }),
        }),
        Some("admin") => Ok(Identity::Admin { id, name: name(claims.name.as_ref())? }),
        _ => Err(TokenError::Claim { claim: "role", expects: "`user`, `agent` or `admin`" }),
    }
}

const BAD_SUB: TokenError = TokenError::Claim { claim: "sub", expects: "an integer of 1 to 2^52 - 1" };

/// An integer, or the same in decimal as `sub` should be by RFC 7519; no sign and no leading zero, so that
/// nobody has two names.
fn subject(value: &Value) -> Result<u64, TokenError> {
    let id = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) if text.starts_with(|c: char| c.is_ascii_digit() && c != '0') => text.parse().ok(),
        _ => None,
    };
    id.filter(|id| (1..INTEGRATOR_ID_END).contains(id)).ok_or(BAD_SUB)
}

fn name(value: Option<&Value>) -> Result<Option<String>, TokenError> {
    let Some(value) = value else { return Ok(None) };
    let text = value
        .as_str()
        .filter(|text| is_name(text))
        .ok_or(TokenError::Claim { claim: "name", expects: "a text of 1 to 128 characters" })?;
    Ok(Some(text.to_owned()))
}

fn groups(value: Option<&Value>) -> Result<Option<Vec<Group>>, TokenError> {
    let refused = TokenError::Claim { claim: "groups", expects: "a list of 1 to 64 texts of 1 to 64 characters" };
    let Some(value) = value else { return Ok(None) };
    let items = value.as_array().ok_or(refused)?;
    if items.is_empty() || items.len() > AGENT_GROUPS_MAX {
        return Err(refused);
    }
    let group = |item: &Value| Group::new(item.as_str()?).ok();
    items.iter().map(group).collect::<Option<_>>().map(Some).ok_or(refused)
}

fn skills(value: Option<&Value>) -> Result<Option<Vec<String>>, TokenError> {
    let refused = TokenError::Claim { claim: "skills", expects: "a list of at most 64 texts of 1 to 128 characters" };
    let Some(value) = value else { return Ok(None) };
    let items = value.as_array().filter(|items| items.len() <= AGENT_GROUPS_MAX).ok_or(refused)?;
    let skill = |item: &Value| item.as_str().filter(|text| is_name(text)).map(str::to_owned);
    items.iter().map(skill).collect::<Option<_>>().map(Some).ok_or(refused)
}

fn max_concurrent(value: Option<&Value>) -> Result<Option<u32>, TokenError> {
    let Some(value) = value else { return Ok(None) };
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    number
        .filter(|number| *number <= AGENT_MAX_CONCURRENT)
        .map(Some)
        .ok_or(TokenError::Claim { claim: "max_concurrent", expects: "an integer of 0 to 10000" })
}

fn is_name(text: &str) -> bool {
    (1..=NAME_MAX_CHARS).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

#[cfg(test)]
#[path = "jwt_tests.rs"]
mod tests;
