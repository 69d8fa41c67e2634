//! How channels' customers are believed: the words of `webchat.identity`, and what must go together.

use switchboard_protocol::model::Channel;

use super::value::Unfit;
use super::{Config, Problem};

/// What `webchat.identity` takes.
pub(super) const IDENTITY_FORM: &str = "a list of a channel and how its customers are believed, \"open\" or \"signed\", \
    such as [\"WECHAT=signed\"] (\"key\" will come with API keys)";

/// Reads `webchat.identity`: the channels that are signed.
pub(super) fn signed_channels(items: &[&str]) -> Result<Vec<Channel>, Unfit> {
    let mut signed = Vec::new();
    for item in items {
        let (channel, how) = item.split_once('=').ok_or(Unfit)?;
        let channel = Channel::of_name(channel.trim()).ok_or(Unfit)?;
        match how.trim() {
            "open" => signed.retain(|other| *other != channel),
            "signed" if !signed.contains(&channel) => signed.push(channel),
            "signed" => {}
            _ => return Err(Unfit),
        }
    }
    Ok(signed)
}

/// What no single key can say.
pub(super) fn check(config: &Config, problems: &mut Vec<Problem>) {
    let signed = &config.webchat_signed;
    if !signed.is_empty() && config.webchat_signing_key.is_none() {
        let message = "`webchat.identity` has signed channels; `webchat.signing_key` is missing";
        problems.push(Problem::plain(message.to_owned()));
    }
    for channel in signed {
        let kind = channel.identity_kind();
        let open = Channel::ALL.into_iter().find(|other| other.identity_kind() == kind && !signed.contains(other));
        if let Some(open) = open {
            let message = format!(
                "`webchat.identity` has {} signed and {} open, but both know customers by `{}`: whoever comes by the \
                 open one would be believed on the other; sign both",
                channel.name(),
                open.name(),
                kind.name()
            );
            problems.push(Problem::plain(message));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Config::resolve(Some(("s.toml", text)), &[], &[]).unwrap_err().to_string()
    }

    #[test]
    fn signed_channels_need_a_key_and_their_like() {
        assert!(refused("[webchat]\nidentity = ['WEB=signed']").contains("`webchat.signing_key` is missing"));
        let key = "signing_key = 'a key of the integrator, 32 bytes'";
        let half = refused(&format!("[webchat]\nidentity = ['PHONE=signed', 'SMS=signed']\n{key}"));
        assert!(half.contains("PHONE signed and WHATSAPP open"), "{half}");
        let whole = format!("[webchat]\nidentity = ['WEB=signed', 'WECHAT=open']\n{key}");
        let config = Config::resolve(Some(("s.toml", &whole)), &[], &[]).unwrap();
        assert_eq!(config.webchat_signed, [Channel::Web]);
        assert!(!config.to_toml().contains("integrator"));
    }

    #[test]
    fn key_is_refused_with_a_clear_line() {
        let text = refused("[webchat]\nidentity = ['WEB=key']");
        assert!(text.contains("`webchat.identity` is ['WEB=key']") && text.contains("API keys"), "{text}");
        assert!(refused("[webchat]\nidentity = ['web=signed']").contains("WECHAT=signed"));
    }
}
