//! Which pages may speak to the server: the `Origin` of a WebSocket upgrade (RFC 6455, section 10.2) and
//! the answers of CORS (Fetch standard) for REST, by one rule (dialects.md, "Browsers").
//!
//! Pure: texts in, a verdict out. Behind a proxy that speaks TLS the server cannot know the page's scheme,
//! so "same origin" compares host and port.

use std::net::{IpAddr, SocketAddr};

/// The rule in effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginPolicy {
    allowed: Option<Vec<String>>,
    loopback: bool,
}

impl OriginPolicy {
    /// `allowed` is `allowed_origins` of the config, `listening` the address in use. With a list, exactly
    /// its entries are allowed; without one, the same origin and, on a loopback address, any loopback
    /// origin and `null` (a page opened from a file).
    pub fn new(allowed: Option<&[String]>, listening: SocketAddr) -> Self {
        Self { allowed: allowed.map(<[String]>::to_vec), loopback: listening.ip().to_canonical().is_loopback() }
    }

    /// Whether a request with these headers may be served. One without `Origin` is no browser's and may.
    pub fn allows(&self, origin: Option<&str>, host: Option<&str>) -> bool {
        let Some(origin) = origin else { return true };
        match &self.allowed {
            Some(list) => list.iter().any(|entry| entry == origin),
            None if origin == "null" => self.loopback,
            None => {
                let Some(page) = Authority::of_origin(origin) else {
                    return false;
                };
                let same = host.and_then(|host| Authority::parse(host, page.scheme)).as_ref() == Some(&page);
                same || (self.loopback && page.is_loopback())
            }
        }
    }

    /// The headers a REST answer to this request carries so that the page may read it; none if there is no
    /// `Origin` or it is refused. `preflight` is an OPTIONS request with `Access-Control-Request-Method`.
    /// Credentials are never allowed: there are no cookies.
    pub fn cors(&self, origin: Option<&str>, host: Option<&str>, preflight: bool) -> Vec<(&'static str, String)> {
        let Some(origin) = origin.filter(|_| self.allows(origin, host)) else {
            return Vec::new();
        };
        let mut headers = vec![("Access-Control-Allow-Origin", origin.to_owned()), ("Vary", "Origin".to_owned())];
        if preflight {
            let allow = |name, value: &str| (name, value.to_owned());
            headers.extend([
                allow("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS"),
                allow("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, X-API-Key"),
                // Ten minutes: a changed list of origins is felt within that.
                allow("Access-Control-Max-Age", "600"),
            ]);
        }
        headers
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

/// Host and port; the port of the scheme where none is written.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Authority {
    scheme: Scheme,
    host: String,
    port: u16,
}

impl Authority {
    fn of_origin(origin: &str) -> Option<Self> {
        let (scheme, authority) = origin.split_once("://")?;
        let scheme = match scheme {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return None,
        };
        Self::parse(authority, scheme)
    }

    /// Reads `host[:port]` as `Host` has it; anything that is no host (a path, user information, spaces)
    /// is refused, so that an origin given back in a header holds nothing else.
    fn parse(authority: &str, scheme: Scheme) -> Option<Self> {
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']')?;
                let IpAddr::V6(_) = host.parse().ok()? else {
                    return None;
                };
                (host, after.strip_prefix(':').or(after.is_empty().then_some(""))?)
            }
            None => authority.split_once(':').unwrap_or((authority, "")),
        };
        let fits = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:".contains(&b));
        let port = match port {
            "" => match scheme {
                Scheme::Http => 80,
                Scheme::Https => 443,
            },
            digits if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
            _ => return None,
        };
        fits.then(|| Self { scheme, host: host.to_ascii_lowercase(), port })
    }

    /// `localhost`, a name below it (RFC 6761, section 6.3), 127.0.0.0/8 or ::1.
    fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || self.host.ends_with(".localhost")
            || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(allowed: Option<&[&str]>, listening: &str) -> OriginPolicy {
        let allowed = allowed.map(|list| list.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>());
        OriginPolicy::new(allowed.as_deref(), listening.parse().unwrap())
    }

    #[test]
    fn unset_on_loopback() {
        for listening in ["127.0.0.1:8080", "[::1]:8080", "[::ffff:127.0.0.1]:8080"] {
            let policy = policy(None, listening);
            let host = Some("127.0.0.1:8080");
            for origin in [
                "http://127.0.0.1:8080",
                "http://localhost",
                "http://localhost:5173",
                "https://app.localhost:3000",
                "http://127.9.9.9:1",
                "http://[::1]:3000",
                "null",
            ] {
                assert!(policy.allows(Some(origin), host), "{origin}");
            }
            for origin in [
                "http://evil.example",
                "http://localhost.evil.example",
                "http://evillocalhost",
                "http://127.0.0.1.evil.example:8080",
                "http://localhost@evil.example",
                "http://evil.example/?localhost",
                "http://evil.example#localhost",
                "file://localhost",
                "http://",
                "",
                "localhost",
                "NULL",
            ] {
                assert!(!policy.allows(Some(origin), host), "{origin}");
            }
            assert!(policy.allows(None, host));
        }
    }

    #[test]
    fn unset_on_a_public_address_is_the_same_origin() {
        let policy = policy(None, "0.0.0.0:80");
        for (origin, host, wanted) in [
            ("http://chat.example", Some("chat.example"), true),
            ("https://chat.example", Some("chat.example"), true),
            ("https://chat.example", Some("chat.example:443"), true),
            ("http://chat.example:8080", Some("chat.example:8080"), true),
            ("http://CHAT.example", Some("chat.EXAMPLE"), true),
            ("http://[2001:db8::1]:8080", Some("[2001:db8::1]:8080"), true),
            ("http://chat.example:8080", Some("chat.example"), false),
            ("http://chat.example", Some("chat.example:8080"), false),
            ("http://evil.example", Some("chat.example"), false),
            ("http://chat.example.evil.example", Some("chat.example"), false),
            ("http://localhost:3000", Some("chat.example"), false),
            ("null", Some("chat.example"), false),
            ("null", Some("null"), false),
            ("http://chat.example", None, false),
        ] {
            assert_eq!(policy.allows(Some(origin), host), wanted, "{origin} {host:?}");
        }
        assert!(policy.allows(None, None));
    }

    #[test]
    fn a_list_is_exact_and_goes_before_everything() {
        let policy = policy(Some(&["https://shop.example", "null"]), "127.0.0.1:8080");
        let host = Some("127.0.0.1:8080");
        assert!(policy.allows(Some("https://shop.example"), host));
        assert!(policy.allows(Some("null"), host));
        assert!(policy.allows(None, host));
        for origin in [
            "http://shop.example",
            "https://shop.example:444",
            "https://shop.example.evil.example",
            "http://127.0.0.1:8080",
            "http://localhost",
        ] {
            assert!(!policy.allows(Some(origin), host), "{origin}");
        }
        assert!(!super::tests::policy(Some(&[]), "127.0.0.1:8080").allows(Some("http://localhost"), host));
    }

    #[test]
    fn cors_answers_only_those_allowed() {
        let policy = policy(None, "127.0.0.1:8080");
        let host = Some("127.0.0.1:8080");
        assert_eq!(
            policy.cors(Some("null"), host, false),
            [("Access-Control-Allow-Origin", "null".to_owned()), ("Vary", "Origin".to_owned())]
        );
        let preflight = policy.cors(Some("http://localhost:5173"), host, true);
        assert!(
            preflight
                .iter()
                .any(|(name, value)| *name == "Access-Control-Allow-Headers" && value.contains("Authorization"))
        );
        assert!(policy.cors(Some("http://evil.example"), host, true).is_empty());
        assert!(policy.cors(None, host, true).is_empty());
        let splitting = "http://localhost\r\nSet-Cookie: a=b";
        assert!(policy.cors(Some(splitting), host, false).is_empty());
    }
}
