//! Opaque tokens as the domain and storage see them: never as text, only by their hash, and for a moment the secret of
//! one that is being issued.

use super::Timestamp;

/// What is stored of a token: SHA-256 of its kind and its 122 random bits. No two tokens share it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenHash(pub [u8; 32]);

/// Only its beginning: enough to tell two apart in a log.
impl std::fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenHash({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

/// The random bits of a token that is being issued: whoever has them is its bearer. Never stored, never logged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenSecret(pub u128);

impl std::fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenSecret(…)")
    }
}

/// A token that is to be issued, made by the shell of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// Given to the bearer, in the answer.
    pub secret: TokenSecret,
    /// Kept.
    pub hash: TokenHash,
    /// From when on it opens nothing any more.
    pub expires_at: Timestamp,
}
