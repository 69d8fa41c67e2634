//! Whether a customer is believed to be who a channel says: the integrator's HMAC-SHA256 over channel and `channelId`.

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// Whether `signature` is the hex of HMAC-SHA256, under `key`, of the channel's word, a line feed and `channelId`.
/// Compared in constant time.
pub fn is_signed(key: &str, channel: &str, channel_id: &str, signature: &str) -> bool {
    let Some(given) = from_hex(signature) else { return false };
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(channel.as_bytes());
    mac.update(b"\n");
    mac.update(channel_id.as_bytes());
    mac.verify_slice(&given).is_ok()
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits: Option<Vec<u8>> = text.chars().map(|char| char.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len() == 64)?;
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair[0] << 4 | pair[1];
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf 'WEB\nweb_user_123456' | openssl dgst -sha256 -hmac 'a key of the integrator, 32 bytes'`
    #[test]
    fn a_signature_made_elsewhere_is_good() {
        let key = "a key of the integrator, 32 bytes";
        let signature = "ddcbe687772e9b5da9723a2d7632b3557580fdd1b31ebe0848ec6fcdb346332a";
        assert!(is_signed(key, "WEB", "web_user_123456", signature));
        assert!(is_signed(key, "WEB", "web_user_123456", &signature.to_uppercase()));
        for (channel, id, signature) in [
            ("APP", "web_user_123456", signature),
            ("WEB", "web_user_123457", signature),
            ("WEB", "web_user_123456", ""),
            ("WEB", "web_user_123456", &signature[..62]),
            ("WEB", "web_user_123456", "客户"),
        ] {
            assert!(!is_signed(key, channel, id, signature), "{channel} {id} {signature}");
        }
        assert!(!is_signed("another key", "WEB", "web_user_123456", signature));
    }
}
