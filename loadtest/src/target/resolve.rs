//! Where a target's URL leads. The only place that asks for names. Knows nothing of who answers there.

use std::net::{SocketAddr, ToSocketAddrs};

use crate::settings::Target;

/// Why a URL is no target.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Not of the form.
    #[error("`{0}` is no target: expected http://HOST:PORT")]
    Form(String),
    /// TLS.
    #[error("`{0}`: the harness speaks no TLS; measure the server behind the proxy, by http://HOST:PORT")]
    Tls(String),
    /// A name or password in the URL would be in every result.
    #[error("the target has something before an `@`: tokens come from --key-file or --tokens")]
    UserInfo,
    /// The name leads nowhere.
    #[error("cannot resolve {host}: {error}")]
    Resolve {
        /// Which.
        host: String,
        /// Why.
        error: std::io::Error,
    },
    /// The name has no address.
    #[error("{0} has no address")]
    NoAddress(String),
}

/// Resolves `http://HOST[:PORT][/PATH]` (`ws://` means the same). `path`, if given, replaces the URL's own; without
/// any, the WebSocket's path is left to the dialect.
pub fn resolve(url: &str, path: Option<&str>) -> Result<Target, TargetError> {
    if url.starts_with("https://") || url.starts_with("wss://") {
        return Err(TargetError::Tls(url.to_owned()));
    }
    let form = || TargetError::Form(url.to_owned());
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("ws://")).ok_or_else(form)?;
    let (host, own_path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    if host.contains('@') {
        return Err(TargetError::UserInfo);
    }
    let bare = host.is_empty() || host.contains(char::is_whitespace) || host.contains(['?', '#']);
    if bare || own_path.contains(['?', '#']) || own_path.contains(char::is_whitespace) {
        return Err(form());
    }
    let path = path.or(Some(own_path).filter(|path| path.len() > 1));
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
    let with_port = if has_port { host.to_owned() } else { format!("{host}:80") };
    let addresses = with_port.to_socket_addrs();
    let mut addresses = addresses.map_err(|error| TargetError::Resolve { host: host.to_owned(), error })?;
    let address: SocketAddr = addresses.next().ok_or_else(|| TargetError::NoAddress(host.to_owned()))?;
    Ok(Target { url: format!("http://{host}"), address, host: host.to_owned(), path: path.map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        let target = resolve("http://127.0.0.1:8080", None).unwrap();
        assert_eq!((target.address, target.host.as_str()), ("127.0.0.1:8080".parse().unwrap(), "127.0.0.1:8080"));
        assert_eq!(target.path, None);
        assert_eq!(resolve("ws://127.0.0.1:9/echo", None).unwrap().path.as_deref(), Some("/echo"));
        assert_eq!(resolve("http://127.0.0.1:9/", None).unwrap().path, None);
        assert_eq!(resolve("http://127.0.0.1:9/a", Some("/ws?ext=1")).unwrap().path.as_deref(), Some("/ws?ext=1"));
        assert_eq!(resolve("http://127.0.0.1", None).unwrap().address.port(), 80);
        assert_eq!(resolve("http://[::1]:8080", None).unwrap().address, "[::1]:8080".parse().unwrap());
        assert_eq!(resolve("http://[::1]", None).unwrap().address, "[::1]:80".parse().unwrap());
    }

    #[test]
    fn what_is_no_target_is_refused() {
        for url in
            ["", "127.0.0.1:8080", "http://", "http:///ws", "ftp://a", "http://a b", "http://a?b", "http://a/b?c"]
        {
            assert!(matches!(resolve(url, None), Err(TargetError::Form(_))), "{url}");
        }
        assert!(matches!(resolve("https://127.0.0.1", None), Err(TargetError::Tls(_))));
        assert!(matches!(resolve("http://me:secret@127.0.0.1", None), Err(TargetError::UserInfo)));
        assert!(matches!(resolve("http://127.0.0.1:x", None), Err(TargetError::Resolve { .. })));
    }
}
