//! Opaque tokens: a UUID whose 122 random bits are all there is to them (guide 3, Q4), `cust_` before a customer's. The
//! text is seen here and in the answer that gives it; everybody else knows its hash.

use std::io;
use std::time::Duration;

use sha2::{Digest, Sha256};
use switchboard_protocol::dialect::webchat::session::CUSTOMER_TOKEN_PREFIX;
use switchboard_protocol::model::{NewToken, Timestamp, TokenHash, TokenSecret};
use uuid::{Builder, Uuid};

/// Whom a token is for. Part of the hash, so that an agent's never opens as a customer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A customer: `cust_` and a UUID.
    Customer,
    /// An agent: a plain UUID.
    Agent,
}

/// The hash of a token's text, if it looks like one of ours.
pub fn parse(text: &str) -> Option<TokenHash> {
    let (kind, uuid) = match text.strip_prefix(CUSTOMER_TOKEN_PREFIX) {
        Some(uuid) => (Kind::Customer, uuid),
        None => (Kind::Agent, text),
    };
    // With hyphens only, as it was given.
    let uuid = if uuid.len() == 36 { Uuid::try_parse(uuid).ok()? } else { return None };
    Some(hash(kind, uuid.as_u128()))
}

/// A new token. Fails only if the kernel has no random bytes.
pub fn issue(kind: Kind, now: Timestamp, ttl: Duration) -> io::Result<NewToken> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    let secret = Builder::from_random_bytes(bytes).into_uuid().as_u128();
    let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
    Ok(NewToken { secret: TokenSecret(secret), hash: hash(kind, secret), expires_at: now.plus_millis(ttl_ms) })
}

fn hash(kind: Kind, secret: u128) -> TokenHash {
    let kind = match kind {
        Kind::Customer => b'c',
        Kind::Agent => b'a',
    };
    TokenHash(Sha256::new().chain_update([kind]).chain_update(secret.to_be_bytes()).finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_text_and_kind_alone() {
        let now = Timestamp::from_millis(1000);
        let token = issue(Kind::Customer, now, Duration::from_secs(1)).unwrap();
        let uuid = Uuid::from_u128(token.secret.0).hyphenated().to_string();
        assert_eq!((uuid.as_bytes()[14], token.expires_at.as_millis()), (b'4', 2000));
        assert_eq!(parse(&format!("cust_{uuid}")), Some(token.hash));
        assert!(parse(&uuid).is_some_and(|agents| agents != token.hash), "an agent's token is another");
        assert_ne!(issue(Kind::Customer, now, Duration::from_secs(1)).unwrap().hash, token.hash);
    }

    #[test]
    fn what_is_no_token_of_ours_is_told_without_asking() {
        for text in ["", "cust_", "cust_xxxx", "x.y.z", "cust_a1b2c3d4e5f67890abcdef1234567890", "CUST_a"] {
            assert_eq!(parse(text), None, "{text}");
        }
        // The guide's own.
        assert!(parse("cust_a1b2c3d4-e5f6-7890-abcd-ef1234567890").is_some());
    }
}
