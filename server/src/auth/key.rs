//! The secret that JSON Web Tokens are signed with (HS256): given in the config, or kept in a file that
//! the first run makes.
//!
//! The secret is the file's text without the newline at its end, so an integrator can paste it into any
//! JWT library as it is. Knows no token.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use switchboard_protocol::model::limits::{JWT_SECRET_MAX_BYTES, JWT_SECRET_MIN_BYTES};

/// Random bytes of a new secret; twice as many hexadecimal digits are written.
const NEW_SECRET_BYTES: usize = 32;

/// An HS256 secret of at least 32 bytes. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey(Box<[u8]>);

/// A key file's key, and what its reader should be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedKey {
    /// The key.
    pub key: SigningKey,
    /// Made just now: this is the first run.
    pub made: bool,
    /// The file's mode lets group or others at it: warn.
    pub exposed: bool,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Shorter than 32 bytes (RFC 7518, section 3.2) or absurdly long.
    #[error("the signing key has {0} bytes; expected {JWT_SECRET_MIN_BYTES} to {JWT_SECRET_MAX_BYTES}")]
    Length(usize),
    /// As above, in a file.
    #[error("the signing key in {path} has {bytes} bytes; expected {JWT_SECRET_MIN_BYTES} to {JWT_SECRET_MAX_BYTES}")]
    FileLength {
        /// The file.
        path: PathBuf,
        /// Its length without the newline, or more than the maximum.
        bytes: usize,
    },
    /// The file cannot be read.
    #[error("the signing key {path} cannot be read: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The file is absent and cannot be made.
    #[error("the signing key {path} cannot be made: {error}")]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl SigningKey {
    /// A key from the bytes of a secret.
    pub fn from_secret(secret: &[u8]) -> Result<Self, KeyError> {
        if (JWT_SECRET_MIN_BYTES..=JWT_SECRET_MAX_BYTES).contains(&secret.len()) {
            Ok(Self(secret.into()))
        } else {
            Err(KeyError::Length(secret.len()))
        }
    }

    /// The key in a file; made with a new random secret and mode 0600 if the file is absent. Several
    /// processes may do so at once: all get the same key.
    pub fn load_or_create(path: &Path) -> Result<LoadedKey, KeyError> {
        match Self::load(path) {
            Err(KeyError::Read { error, .. }) if error.kind() == ErrorKind::NotFound => {}
            done => return done,
        }
        let made = create(path).map_err(|error| KeyError::Create { path: path.to_owned(), error })?;
        // Read back in any case: another process may have been first.
        Ok(LoadedKey { made, ..Self::load(path)? })
    }

    /// The key in a file that has to exist.
    pub fn load(path: &Path) -> Result<LoadedKey, KeyError> {
        let (text, mode) = read(path).map_err(|error| KeyError::Read { path: path.to_owned(), error })?;
        let secret = text.strip_suffix(b"\n").unwrap_or(&text);
        let secret = secret.strip_suffix(b"\r").unwrap_or(secret);
        let key = Self::from_secret(secret)
            .map_err(|_| KeyError::FileLength { path: path.to_owned(), bytes: secret.len() })?;
        Ok(LoadedKey { key, made: false, exposed: mode & 0o077 != 0 })
    }

    /// The secret's bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

fn read(path: &Path) -> io::Result<(Vec<u8>, u32)> {
    let file = File::open(path)?;
    let mode = file.metadata()?.mode();
    let mut text = Vec::new();
    // Two more than the maximum: room for a line's end, and still bounded.
    file.take(JWT_SECRET_MAX_BYTES as u64 + 2).read_to_end(&mut text)?;
    Ok((text, mode))
}

/// Makes the file whole or not at all: written and synced under another name, then linked, which (unlike a
/// rename) fails if somebody else was first. Says whether this call made it.
fn create(path: &Path) -> io::Result<bool> {
    let secret = hex(&random::<NEW_SECRET_BYTES>()?);
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let draft = directory.join(format!(".jwt.key.{}", hex(&random::<8>()?)));
    let written = write_synced(&draft, &secret).and_then(|()| match std::fs::hard_link(&draft, path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    });
    let removed = std::fs::remove_file(&draft);
    let made = written?;
    removed?;
    // The name itself has to survive a crash: tokens signed with the key are about to be shown.
    File::open(directory)?.sync_all()?;
    Ok(made)
}

fn write_synced(path: &Path, secret: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    // The mode at creation is cut by the umask, never widened; said again so that it is exactly 0600.
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(format!("{secret}\n").as_bytes())?;
    file.sync_all()
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_run_makes_a_private_key_and_later_runs_find_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jwt.key");
        let first = SigningKey::load_or_create(&path).unwrap();
        assert!(first.made && !first.exposed);
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        let second = SigningKey::load_or_create(&path).unwrap();
        assert!(!second.made);
        assert_eq!(first.key, second.key);
        assert_eq!(first.key.bytes().len(), 64);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn many_at_once_get_one_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jwt.key");
        let start = std::sync::Barrier::new(8);
        let keys: Vec<LoadedKey> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        SigningKey::load_or_create(&path).unwrap()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|loaded| loaded.key == keys[0].key));
        assert_eq!(keys.iter().filter(|loaded| loaded.made).count(), 1);
    }

    #[test]
    fn a_key_that_others_may_read_is_pointed_out() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jwt.key");
        std::fs::write(&path, format!("{}\r\n", "k".repeat(32))).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let loaded = SigningKey::load_or_create(&path).unwrap();
        assert!(loaded.exposed && !loaded.made);
        assert_eq!(loaded.key, SigningKey::from_secret(&[b'k'; 32]).unwrap());
    }

    #[test]
    fn short_and_absurd_keys_are_refused_and_never_replaced() {
        assert!(matches!(SigningKey::from_secret(&[0; 31]), Err(KeyError::Length(31))));
        assert!(matches!(SigningKey::from_secret(&[0; 4097]), Err(KeyError::Length(4097))));
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jwt.key");
        for bad in [String::new(), "k".repeat(31), "k".repeat(5000)] {
            std::fs::write(&path, &bad).unwrap();
            assert!(matches!(SigningKey::load_or_create(&path), Err(KeyError::FileLength { .. })));
            assert_eq!(std::fs::read_to_string(&path).unwrap(), bad);
        }
    }

    #[test]
    fn an_unusable_place_is_one_clear_line() {
        let error = SigningKey::load_or_create(Path::new("/nowhere/jwt.key")).unwrap_err().to_string();
        assert!(error.starts_with("the signing key /nowhere/jwt.key cannot be made: "), "{error}");
        let shown = format!("{:?}", SigningKey::from_secret(&[b'q'; 32]).unwrap());
        assert!(!shown.contains('q'), "{shown}");
    }
}
