//! Records of answers that are kept under a key. Must not know engines or keys.

use rkyv::{Archive, Serialize};
use switchboard_protocol::model::{
    AgentId, CustomerId, Fingerprint, KeptAnswer, KeyName, KeyScope, Party, RequestKey, Timestamp, UserId, VisitorId,
};

use super::{invalid, open, write};
use crate::StoreError;

#[derive(Archive, Serialize)]
enum ScopeV1 {
    User(u64),
    Visitor(String),
    Agent(u64),
    Customer([u8; 16]),
    Admins,
}

#[derive(Archive, Serialize)]
struct AnswerV1 {
    scope: ScopeV1,
    key: String,
    fingerprint: [u8; 32],
    status: u16,
    body: Vec<u8>,
    expires_at: u64,
}

/// An answer with its key's name, which its place in storage has as well.
pub(crate) fn write_answer(name: &KeyName, kept: &KeptAnswer, out: &mut Vec<u8>) {
    let scope = match &name.scope {
        KeyScope::Admins => ScopeV1::Admins,
        KeyScope::Party(Party::User(id)) => ScopeV1::User(id.get()),
        KeyScope::Party(Party::Visitor(id)) => ScopeV1::Visitor(id.as_str().to_owned()),
        KeyScope::Party(Party::Agent(id)) => ScopeV1::Agent(id.get()),
        KeyScope::Party(Party::Customer(id)) => ScopeV1::Customer(*id.as_bytes()),
    };
    let record = AnswerV1 {
        scope,
        key: name.key.as_str().to_owned(),
        fingerprint: kept.fingerprint.0,
        status: kept.status,
        body: kept.body.to_vec(),
        expires_at: kept.expires_at.as_millis(),
    };
    write(&record, out);
}

pub(crate) fn read_answer(bytes: &[u8]) -> Result<(KeyName, KeptAnswer), StoreError> {
    const WHAT: &str = "an answer kept under a key";
    let record: &ArchivedAnswerV1 = open(WHAT, bytes)?;
    let scope = match &record.scope {
        ArchivedScopeV1::User(id) => KeyScope::Party(Party::User(UserId::new(id.to_native()).map_err(invalid(WHAT))?)),
        ArchivedScopeV1::Visitor(id) => KeyScope::Party(Party::Visitor(VisitorId::new(id).map_err(invalid(WHAT))?)),
        ArchivedScopeV1::Agent(id) => {
            KeyScope::Party(Party::Agent(AgentId::new(id.to_native()).map_err(invalid(WHAT))?))
        }
        ArchivedScopeV1::Customer(id) => KeyScope::Party(Party::Customer(CustomerId::from_bytes(*id))),
        ArchivedScopeV1::Admins => KeyScope::Admins,
    };
    let name = KeyName { scope, key: RequestKey::new(&record.key).map_err(invalid(WHAT))? };
    let kept = KeptAnswer {
        fingerprint: Fingerprint(record.fingerprint),
        status: record.status.to_native(),
        body: record.body.as_slice().into(),
        expires_at: Timestamp::from_millis(record.expires_at.to_native()),
    };
    Ok((name, kept))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::samples;

    const GOLDEN: &str = include_str!("../../golden/answers.txt");

    fn all() -> Vec<(KeyName, KeptAnswer)> {
        let scopes = [
            KeyScope::Admins,
            KeyScope::Party(samples::user(1)),
            KeyScope::Party(samples::visitor("v")),
            KeyScope::Party(Party::Agent(samples::agent_id(2))),
            KeyScope::Party(Party::Customer(samples::customer_id(7))),
        ];
        let kept = KeptAnswer {
            fingerprint: Fingerprint([7; 32]),
            status: 201,
            body: r#"{"code":0}"#.as_bytes().into(),
            expires_at: Timestamp::from_millis(1_700_000_000_003),
        };
        let key = RequestKey::new("8e03978e-40d5-43dd-bc93-6894a57f9324").unwrap();
        scopes.map(|scope| (KeyName { scope, key: key.clone() }, kept.clone())).into()
    }

    #[test]
    fn golden_answers_are_written_and_still_open() {
        let mut today = String::new();
        for (name, kept) in all() {
            let mut bytes = Vec::new();
            write_answer(&name, &kept, &mut bytes);
            assert_eq!(read_answer(&bytes).unwrap(), (name, kept));
            for cut in 0..bytes.len() {
                let _ = read_answer(&bytes[..cut]);
            }
            today.extend(bytes.iter().map(|byte| format!("{byte:02x}")));
            today.push('\n');
        }
        assert_eq!(today, GOLDEN, "a stored shape changed: make it a new version instead");
    }
}
