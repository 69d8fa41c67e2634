//! Customers who come by a channel: who they are, by what they are known, and what may be asked of their records.

use super::limits::{IDENTITY_MAX_CHARS, NAME_MAX_CHARS, NOTES_MAX_CHARS, TAG_MAX_CHARS};
use super::{CustomerId, CustomerNumber, NewToken, Timestamp};

/// A channel that customers come by (guide 3, "支持的渠道").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// A page's chat window.
    Web,
    /// WeChat.
    Wechat,
    /// WhatsApp Business.
    Whatsapp,
    /// LINE.
    Line,
    /// Telegram.
    Telegram,
    /// Facebook Messenger.
    Facebook,
    /// E-mail.
    Email,
    /// Text messages.
    Sms,
    /// Telephone.
    Phone,
    /// The integrator's own app.
    App,
}

impl Channel {
    /// All of them, in the guide's order.
    pub const ALL: [Self; 10] = [
        Self::Web,
        Self::Wechat,
        Self::Whatsapp,
        Self::Line,
        Self::Telegram,
        Self::Facebook,
        Self::Email,
        Self::Sms,
        Self::Phone,
        Self::App,
    ];

    /// The guide's word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Web => "WEB",
            Self::Wechat => "WECHAT",
            Self::Whatsapp => "WHATSAPP",
            Self::Line => "LINE",
            Self::Telegram => "TELEGRAM",
            Self::Facebook => "FACEBOOK",
            Self::Email => "EMAIL",
            Self::Sms => "SMS",
            Self::Phone => "PHONE",
            Self::App => "APP",
        }
    }

    /// The channel of a word, written as the guide does.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.name() == name)
    }

    /// By what its customers are known. Telephone, text messages and WhatsApp share the number (dialects.md).
    pub const fn identity_kind(self) -> IdentityKind {
        match self {
            Self::Web => IdentityKind::WebId,
            Self::Wechat => IdentityKind::WechatOpenId,
            Self::Whatsapp | Self::Sms | Self::Phone => IdentityKind::Phone,
            Self::Line => IdentityKind::LineUserId,
            Self::Telegram => IdentityKind::TelegramId,
            Self::Facebook => IdentityKind::FacebookId,
            Self::Email => IdentityKind::Email,
            Self::App => IdentityKind::AppUserId,
        }
    }
}

/// By what a customer is known on a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdentityKind {
    /// A page's cookie or session.
    WebId,
    /// WeChat's OpenID.
    WechatOpenId,
    /// A telephone number in the form of E.164.
    Phone,
    /// An e-mail address.
    Email,
    /// LINE's user id.
    LineUserId,
    /// Telegram's user id.
    TelegramId,
    /// Facebook's page-scoped id.
    FacebookId,
    /// The integrator's app's own user id.
    AppUserId,
}

impl IdentityKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::WebId,
        Self::WechatOpenId,
        Self::Phone,
        Self::Email,
        Self::LineUserId,
        Self::TelegramId,
        Self::FacebookId,
        Self::AppUserId,
    ];

    /// The field of a customer's record that shows it. Part of every UUID made of an identity: never changes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WebId => "webId",
            Self::WechatOpenId => "wechatOpenId",
            Self::Phone => "phone",
            Self::Email => "email",
            Self::LineUserId => "lineUserId",
            Self::TelegramId => "telegramId",
            Self::FacebookId => "facebookId",
            Self::AppUserId => "appUserId",
        }
    }

    /// What a value must look like; continues "must be".
    pub const fn form(self) -> &'static str {
        match self {
            Self::WebId | Self::AppUserId => "1 to 128 characters, none of them blanks or control characters",
            Self::WechatOpenId => "a WeChat OpenID: 6 to 64 letters, digits, - or _",
            Self::Phone => "a phone number in E.164 form, such as +8613800138000",
            Self::Email => "an e-mail address",
            Self::LineUserId => "a LINE user id: U and 8 to 64 letters or digits",
            Self::TelegramId => "a Telegram user id: 1 to 20 digits",
            Self::FacebookId => "a Facebook PSID: 1 to 32 digits",
        }
    }
}

/// A value by which exactly one customer is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    kind: IdentityKind,
    value: Box<str>,
}

/// A value that no customer can be known by; [`IdentityKind::form`] says what it must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid identity")]
pub struct InvalidIdentity;

impl Identity {
    /// Checks the form. E-mail addresses are kept in lower case, so that one mailbox is one customer.
    pub fn new(kind: IdentityKind, value: &str) -> Result<Self, InvalidIdentity> {
        let chars = value.chars().count();
        let all = |allowed: fn(&u8) -> bool| value.bytes().all(|byte| allowed(&byte));
        let within = |least: usize, most: usize| (least..=most).contains(&chars);
        let fits = match kind {
            IdentityKind::WebId | IdentityKind::AppUserId => {
                within(1, IDENTITY_MAX_CHARS) && !value.chars().any(|char| char.is_whitespace() || char.is_control())
            }
            IdentityKind::WechatOpenId => {
                within(6, 64) && all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            }
            IdentityKind::Phone => is_e164(value),
            IdentityKind::Email => is_address(value),
            IdentityKind::LineUserId => within(9, 65) && value.starts_with('U') && all(u8::is_ascii_alphanumeric),
            IdentityKind::TelegramId => within(1, 20) && all(u8::is_ascii_digit),
            IdentityKind::FacebookId => within(1, 32) && all(u8::is_ascii_digit),
        };
        if !fits {
            return Err(InvalidIdentity);
        }
        let value = if kind == IdentityKind::Email { value.to_ascii_lowercase() } else { value.to_owned() };
        Ok(Self { kind, value: value.into() })
    }

    /// Of which kind.
    pub const fn kind(&self) -> IdentityKind {
        self.kind
    }

    /// The value.
    pub fn value(&self) -> &str {
        &self.value
    }
}

/// E.164: `+`, a country code that does not begin with 0, at most 15 digits in all.
fn is_e164(value: &str) -> bool {
    let Some(digits) = value.strip_prefix('+') else { return false };
    (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0')
}

/// As HTML's own check of e-mail fields, and with a dot in the domain; RFC 5321, section 4.5.3.1 limits the lengths.
fn is_address(value: &str) -> bool {
    let Some((local, domain)) = value.split_once('@') else { return false };
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let local_fits = (1..=64).contains(&local.len())
        && local.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte));
    local_fits && value.len() <= 254 && domain.contains('.') && domain.split('.').all(label)
}

/// The record of a customer who came by a channel, or whom an agent made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerProfile {
    /// Its UUID.
    pub id: CustomerId,
    /// The integer shown for it in dialects that show one.
    pub number: CustomerNumber,
    /// The name.
    pub name: String,
    /// The channel it came by first; never changes.
    pub channel: Channel,
    /// By what it is known: at most one of a kind, ascending by kind, each nobody else's.
    pub identities: Vec<Identity>,
    /// Free words.
    pub tags: Vec<String>,
    /// Free text.
    pub notes: Option<String>,
    /// True until set false; only shown and filtered by.
    pub active: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the record last changed; no two states of a record have the same.
    pub updated_at: Timestamp,
}

/// A customer as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerView {
    /// The record.
    pub profile: CustomerProfile,
    /// When it last wrote a message.
    pub last_interaction_at: Option<Timestamp>,
}

/// What a customer is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerDraft {
    /// The id, if the request that makes it may have made it before: then it is shown. Else one is minted.
    pub id: Option<CustomerId>,
    /// The name.
    pub name: String,
    /// The primary channel.
    pub channel: Channel,
    /// At most one of a kind.
    pub identities: Vec<Identity>,
    /// Free words.
    pub tags: Vec<String>,
    /// Free text.
    pub notes: Option<String>,
    /// Whether it is active.
    pub active: bool,
}

/// The fields of a customer that may change; `None` leaves one as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomerChange {
    /// The name.
    pub name: Option<String>,
    /// For each kind named: a value, or `None` to forget it.
    pub identities: Vec<(IdentityKind, Option<Identity>)>,
    /// Free words.
    pub tags: Option<Vec<String>>,
    /// Free text; `Some(None)` removes it.
    pub notes: Option<Option<String>>,
    /// Whether it is active.
    pub active: Option<bool>,
}

impl CustomerProfile {
    /// The record after a change at `now`.
    pub fn changed(mut self, change: CustomerChange, now: Timestamp) -> Self {
        if let Some(name) = change.name {
            self.name = name;
        }
        for (kind, identity) in change.identities {
            self.identities.retain(|own| own.kind() != kind);
            self.identities.extend(identity);
        }
        self.identities.sort_unstable();
        if let Some(tags) = change.tags {
            self.tags = tags;
        }
        if let Some(notes) = change.notes {
            self.notes = notes;
        }
        if let Some(active) = change.active {
            self.active = active;
        }
        // Two changes in one millisecond are two states all the same.
        self.updated_at = now.max(self.updated_at.plus_millis(1));
        self
    }
}

/// Which customers, and which part of them; in the order they were made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomerQuery {
    /// Only those of exactly this name.
    pub name: Option<String>,
    /// Only those whose primary channel this is.
    pub channel: Option<Channel>,
    /// Only those that are active, or only those that are not.
    pub active: Option<bool>,
    /// From 0.
    pub page: u64,
    /// 1 to 100.
    pub size: u32,
}

/// What is asked about customers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CustomerCommand {
    /// A customer comes by a channel and wants a token; made on the spot if nobody is known by the identity.
    Enter {
        /// By which channel.
        channel: Channel,
        /// Who, as far as the channel knows.
        identity: Identity,
        /// The name of a new one.
        name: String,
        /// The token it is to have.
        token: NewToken,
    },
    /// Another token for a customer.
    IssueToken {
        /// For whom.
        customer: CustomerId,
        /// The token it is to have.
        token: NewToken,
    },
    /// Make a customer.
    Create(CustomerDraft),
    /// Show a customer.
    Get(CustomerId),
    /// Change a customer.
    Update {
        /// Which.
        customer: CustomerId,
        /// What.
        change: CustomerChange,
        /// The `updated_at` that the asker has seen; refused as stale if there is a newer one. `None`: whatever it is.
        seen: Option<Timestamp>,
    },
    /// A page of the customers.
    List(CustomerQuery),
}

/// What is told about customers; the variants mirror [`CustomerCommand`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CustomerAnswer {
    /// It has a token.
    Entered {
        /// Who it is.
        id: CustomerId,
        /// The name in its record.
        name: String,
        /// The channel it came by this time.
        channel: Channel,
        /// The token.
        token: NewToken,
    },
    /// One customer.
    Shown(CustomerView),
    /// A page.
    Page {
        /// In the order they were made.
        customers: Vec<CustomerView>,
        /// All that the query means.
        total: u64,
        /// Entries of a whole page.
        size: u32,
    },
}

/// Whether a customer's name may be kept: 1 to 128 characters, none of them a control character.
pub fn is_name(text: &str) -> bool {
    is_short(text, NAME_MAX_CHARS)
}

/// Whether a tag may be kept: 1 to 64 characters, none of them a control character.
pub fn is_tag(text: &str) -> bool {
    is_short(text, TAG_MAX_CHARS)
}

/// Whether notes may be kept: at most 4096 characters.
pub fn are_notes(text: &str) -> bool {
    text.chars().count() <= NOTES_MAX_CHARS
}

fn is_short(text: &str, max_chars: usize) -> bool {
    !text.is_empty() && text.chars().count() <= max_chars && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(channel: Channel, value: &str) -> bool {
        Identity::new(channel.identity_kind(), value).is_ok()
    }

    /// The guide's own example for each channel, and what is none.
    #[test]
    fn identities_have_the_forms_of_their_channels() {
        let good = [
            (Channel::Web, "web_user_12345"),
            (Channel::Wechat, "oAbCd1234567890"),
            (Channel::Whatsapp, "+8613800138000"),
            (Channel::Line, "Uabcdef123456"),
            (Channel::Telegram, "123456789"),
            (Channel::Facebook, "1234567890123456"),
            (Channel::Email, "user@example.com"),
            (Channel::Sms, "+8613800138000"),
            (Channel::Phone, "+8613800138000"),
            (Channel::App, "app_user_uuid"),
        ];
        for (channel, value) in good {
            assert!(fits(channel, value), "{channel:?} {value}");
            assert!(!fits(channel, ""), "{channel:?}");
            assert!(!fits(channel, &"9".repeat(129)), "{channel:?}");
            assert!(!fits(channel, "a b"), "{channel:?}");
        }
        let bad = [
            (Channel::Phone, "13800138000"),
            (Channel::Phone, "+0123456789"),
            (Channel::Phone, "+86 13800138000"),
            (Channel::Phone, "+1234567890123456"),
            (Channel::Email, "user@example"),
            (Channel::Email, "user@@example.com"),
            (Channel::Email, "@example.com"),
            (Channel::Email, "user@-example.com"),
            (Channel::Line, "abcdef123456"),
            (Channel::Telegram, "-1"),
            (Channel::Wechat, "o+bCd1234567890"),
        ];
        for (channel, value) in bad {
            assert!(!fits(channel, value), "{channel:?} {value}");
        }
    }

    #[test]
    fn one_mailbox_is_one_customer() {
        let identity = |text| Identity::new(IdentityKind::Email, text).unwrap();
        assert_eq!(identity("User@Example.com"), identity("user@example.com"));
    }

    #[test]
    fn phone_sms_and_whatsapp_share_the_number() {
        let kinds = [Channel::Phone, Channel::Sms, Channel::Whatsapp].map(Channel::identity_kind);
        assert_eq!(kinds, [IdentityKind::Phone; 3]);
        assert!(Channel::ALL.into_iter().all(|channel| Channel::of_name(channel.name()) == Some(channel)));
    }

    #[test]
    fn a_change_leaves_the_rest_and_always_moves_the_time() {
        let phone = Identity::new(IdentityKind::Phone, "+8613800138000").unwrap();
        let mail = Identity::new(IdentityKind::Email, "a@example.com").unwrap();
        let before = CustomerProfile {
            id: CustomerId::of_identity(&phone),
            number: CustomerNumber::from_wire(1 << 52).unwrap(),
            name: "李四".into(),
            channel: Channel::Phone,
            identities: vec![phone],
            tags: vec!["VIP".into()],
            notes: Some("x".into()),
            active: true,
            created_at: Timestamp::from_millis(5),
            updated_at: Timestamp::from_millis(5),
        };
        let change = CustomerChange {
            identities: vec![(IdentityKind::Phone, None), (IdentityKind::Email, Some(mail.clone()))],
            notes: Some(None),
            ..CustomerChange::default()
        };
        let after = before.clone().changed(change, Timestamp::from_millis(5));
        let expected =
            CustomerProfile { identities: vec![mail], notes: None, updated_at: Timestamp::from_millis(6), ..before };
        assert_eq!(after, expected);
    }
}
