//! What parties log in with: tokens signed by the harness with the server's own key (JWT, HS256), or a file of
//! tokens that somebody else made. Knows no connection; a token or key is never printed.

use std::fmt;
use std::path::{Path, PathBuf};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;

/// Integrators' ids are below 2^52 (README of the server, "Tokens").
pub const ID_END: u64 = 1 << 52;

/// Where tokens come from.
pub enum Tokens {
    /// Signed here, each when it is asked for.
    Signed(Box<Signer>),
    /// Made by somebody else.
    Given(TokenFile),
}

/// Signs tokens.
pub struct Signer {
    key: EncodingKey,
    header: Header,
    id_base: u64,
    expires_unix_s: u64,
}

/// Tokens of a file, one a line: `role id token`, separated by blanks or tabs, where role is `user` or `agent`.
/// Empty lines and lines that begin with `#` are skipped.
pub struct TokenFile {
    users: Vec<Login>,
    agents: Vec<Login>,
}

/// A party and what it logs in with.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The integrator's id.
    pub id: u64,
    /// The JWT.
    pub token: String,
}

/// What a signed agent's token says beside its id; used by the server when the agent is first seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentClaims {
    /// Groups it answers for; empty leaves it to the server.
    pub groups: Vec<String>,
    /// Conversations at once.
    pub max_concurrent: u32,
    /// Shown to people.
    pub name: String,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A line that is no `role id token`.
    #[error("{}, line {line}: expected `user ID TOKEN` or `agent ID TOKEN`", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// More parties than tokens.
    #[error("the file of tokens has {given} {role}s, and this run needs at least {needed}")]
    TooFew {
        /// `user` or `agent`.
        role: &'static str,
        /// How many it has.
        given: usize,
        /// How many that would take.
        needed: u64,
    },
    /// Ids would run past [`ID_END`].
    #[error("the id {0} is not below 2^52")]
    Id(u64),
    /// The key is one that no token can be signed with.
    #[error("a token could not be signed: {0}")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: u64,
    role: &'static str,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    groups: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    max_concurrent: Option<u32>,
}

impl Tokens {
    /// Tokens signed with `key` that expire at `expires_unix_s`; the nth user and the nth agent have the id
    /// `id_base + n`.
    pub fn signed(key: &[u8], id_base: u64, expires_unix_s: u64) -> Self {
        let header = Header::new(Algorithm::HS256);
        Self::Signed(Box::new(Signer { key: EncodingKey::from_secret(key), header, id_base, expires_unix_s }))
    }

    /// Tokens of a [`TokenFile`].
    pub fn from_file(path: &Path) -> Result<Self, TokenError> {
        let text = std::fs::read_to_string(path).map_err(|error| TokenError::File { path: path.to_owned(), error })?;
        match TokenFile::parse(&text) {
            Ok(file) => Ok(Self::Given(file)),
            Err(line) => Err(TokenError::Line { path: path.to_owned(), line }),
        }
    }

    /// The nth customer of all processes, from 0.
    pub fn user(&self, n: u64) -> Result<Login, TokenError> {
        match self {
            Self::Signed(signer) => signer.sign(n, "user", None),
            Self::Given(file) => nth(&file.users, "user", n),
        }
    }

    /// The nth agent of all processes, from 0. Of a file's token the claims are what they are.
    pub fn agent(&self, n: u64, claims: &AgentClaims) -> Result<Login, TokenError> {
        match self {
            Self::Signed(signer) => signer.sign(n, "agent", Some(claims)),
            Self::Given(file) => nth(&file.agents, "agent", n),
        }
    }
}

impl Signer {
    fn sign(&self, n: u64, role: &'static str, agent: Option<&AgentClaims>) -> Result<Login, TokenError> {
        let id = self.id_base.checked_add(n).filter(|id| *id < ID_END).ok_or(TokenError::Id(self.id_base))?;
        let claims = Claims {
            sub: id,
            role,
            exp: self.expires_unix_s,
            name: agent.map(|agent| agent.name.as_str()),
            groups: agent.map_or(&[], |agent| &agent.groups),
            max_concurrent: agent.map(|agent| agent.max_concurrent),
        };
        Ok(Login { id, token: encode(&self.header, &claims, &self.key)? })
    }
}

impl TokenFile {
    /// The file's text; the number of the first line that is wrong, from 1.
    fn parse(text: &str) -> Result<Self, usize> {
        let mut file = Self { users: Vec::new(), agents: Vec::new() };
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut columns = line.split_ascii_whitespace();
            let parsed = (|| {
                let role = columns.next()?;
                let id = columns.next()?.parse().ok().filter(|id| (1..ID_END).contains(id))?;
                let login = Login { id, token: columns.next()?.to_owned() };
                columns.next().is_none().then_some((role, login))
            })();
            match parsed {
                Some(("user", login)) => file.users.push(login),
                Some(("agent", login)) => file.agents.push(login),
                Some(_) | None => return Err(index + 1),
            }
        }
        Ok(file)
    }
}

fn nth(logins: &[Login], role: &'static str, n: u64) -> Result<Login, TokenError> {
    let login = usize::try_from(n).ok().and_then(|n| logins.get(n));
    login.cloned().ok_or(TokenError::TooFew { role, given: logins.len(), needed: n + 1 })
}

/// Counts and ids, never a key or token.
impl fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signed(signer) => formatter.debug_struct("Signed").field("id_base", &signer.id_base).finish(),
            Self::Given(file) => formatter
                .debug_struct("Given")
                .field("users", &file.users.len())
                .field("agents", &file.agents.len())
                .finish(),
        }
    }
}

/// The id only.
impl fmt::Debug for Login {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Login").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation, decode};
    use serde_json::{Value, json};

    use super::*;

    const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn claims_of(token: &str) -> Value {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_exp = false;
        decode::<Value>(token, &DecodingKey::from_secret(KEY), &validation).unwrap().claims
    }

    #[test]
    fn a_users_token_says_who_and_until_when() {
        let login = Tokens::signed(KEY, 1000, 2_000_000_000).user(7).unwrap();
        assert_eq!(login.id, 1007);
        assert_eq!(claims_of(&login.token), json!({"sub": 1007, "role": "user", "exp": 2_000_000_000}));
    }

    #[test]
    fn an_agents_token_says_what_it_can_do() {
        let claims = AgentClaims { groups: vec!["sales".to_owned()], max_concurrent: 4, name: "agent 1".to_owned() };
        let login = Tokens::signed(KEY, 1, 2_000_000_000).agent(0, &claims).unwrap();
        let expected = json!({"sub": 1, "role": "agent", "exp": 2_000_000_000, "name": "agent 1", "groups": ["sales"],
            "max_concurrent": 4});
        assert_eq!(claims_of(&login.token), expected);
    }

    #[test]
    fn ids_stay_below_the_end() {
        let tokens = Tokens::signed(KEY, ID_END - 1, 2_000_000_000);
        assert!(tokens.user(0).is_ok());
        assert!(matches!(tokens.user(1), Err(TokenError::Id(_))));
    }

    #[test]
    fn a_file_gives_them_in_order() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "# made by us\nuser 5 aa.bb.cc\n\nagent\t9 dd.ee.ff\nuser 6 gg.hh.ii\n").unwrap();
        let tokens = Tokens::from_file(file.path()).unwrap();
        assert_eq!(tokens.user(1).unwrap(), Login { id: 6, token: "gg.hh.ii".to_owned() });
        let claims = AgentClaims { groups: Vec::new(), max_concurrent: 1, name: String::new() };
        assert_eq!(tokens.agent(0, &claims).unwrap().id, 9);
        let error = tokens.user(2).unwrap_err().to_string();
        assert_eq!(error, "the file of tokens has 2 users, and this run needs at least 3");
        assert_eq!(format!("{tokens:?} {:?}", tokens.user(0).unwrap()).find("aa.bb"), None);
    }

    #[test]
    fn a_wrong_line_is_named() {
        for line in
            ["user 5", "admin 5 a.b.c", "user x a.b.c", "user 0 a.b.c", "user 5 a.b.c d", "user 4503599627370496 a"]
        {
            assert_eq!(TokenFile::parse(&format!("user 1 a.b.c\n{line}\n")).err(), Some(2), "{line}");
        }
    }
}
