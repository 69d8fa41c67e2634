//! What every engine must do with answers that are kept under a key.

use switchboard_protocol::model::{
    Fingerprint, Found, KeptAnswer, KeyName, KeyScope, Party, Read, RequestKey, Timestamp, Write, Written,
};

use super::{Caller, samples};

fn name(scope: KeyScope, key: &str) -> KeyName {
    KeyName { scope, key: RequestKey::new(key).expect("a key") }
}

fn answer(byte: u8, expires_at: u64) -> KeptAnswer {
    let body = vec![byte; usize::from(byte)].into();
    let expires_at = Timestamp::from_millis(expires_at);
    KeptAnswer { fingerprint: Fingerprint([byte; 32]), status: 200 + u16::from(byte), body, expires_at }
}

fn kept(caller: &Caller, name: &KeyName) -> Option<KeptAnswer> {
    match caller.read(Read::KeptAnswer(Box::new(name.clone()))) {
        Found::KeptAnswer(kept) => kept.map(|kept| *kept),
        other => panic!("the answer is no kept answer: {other:?}"),
    }
}

/// An engine that forgets by itself lists nothing, and what is expected of others is not compared.
fn assert_expired(caller: &Caller, before: u64, limit: u32, expected: &[(Timestamp, KeyName)]) {
    let expected = if caller.swept { expected } else { &[] };
    assert_eq!(expired(caller, before, limit), expected);
}

fn expired(caller: &Caller, before: u64, limit: u32) -> Vec<(Timestamp, KeyName)> {
    match caller.read(Read::ExpiredAnswers { before: Timestamp::from_millis(before), limit }) {
        Found::ExpiredAnswers(names) => names,
        other => panic!("the answer is no list of keys: {other:?}"),
    }
}

pub(super) fn kept_until_forgotten(caller: &Caller) {
    let at = Timestamp::from_millis;
    let scopes = [
        KeyScope::Admins,
        KeyScope::Party(samples::user(1)),
        KeyScope::Party(samples::visitor("v")),
        KeyScope::Party(Party::Agent(samples::agent_id(1))),
        KeyScope::Party(Party::Customer(samples::customer_id(1))),
    ];
    let names: Vec<_> = scopes.iter().flat_map(|scope| [name(scope.clone(), "1"), name(scope.clone(), "11")]).collect();
    let keep = |name: &KeyName, kept: KeptAnswer| {
        assert_eq!(caller.write(Write::KeepAnswer(Box::new((name.clone(), kept)))), Written::Durable);
    };
    for (byte, name) in (1..).zip(&names) {
        assert_eq!(kept(caller, name), None);
        keep(name, answer(byte, 1000 * u64::from(byte)));
    }
    for (byte, name) in (1..).zip(&names) {
        assert_eq!(kept(caller, name), Some(answer(byte, 1000 * u64::from(byte))), "{name:?}");
    }
    assert_expired(caller, 1000, 9, &[]);
    let first = [(at(1000), names[0].clone()), (at(2000), names[1].clone())];
    assert_expired(caller, 2001, 9, &first);
    assert_expired(caller, 9999, 2, &first);
    // One is used again before it is forgotten: the new answer stays.
    keep(&names[0], answer(77, 5500));
    caller.write(Write::ForgetAnswers(first.to_vec()));
    assert_eq!(kept(caller, &names[0]), Some(answer(77, 5500)));
    assert_eq!(kept(caller, &names[1]), None);
    // By its new time, and once.
    let left = (3..6).map(|byte| (at(1000 * byte), names[byte as usize - 1].clone()));
    let left: Vec<_> = left.chain([(at(5500), names[0].clone())]).collect();
    assert_expired(caller, 5501, 9, &left);
    caller.write(Write::ForgetAnswers(vec![(at(1), name(KeyScope::Admins, "unknown"))]));
}

pub(super) fn seen_in_their_group(caller: &Caller) {
    let name = name(KeyScope::Admins, "again");
    let expired_at = Timestamp::from_millis(1000);
    let writes = [
        Write::KeepAnswer(Box::new((name.clone(), answer(1, 1000)))),
        Write::KeepAnswer(Box::new((name.clone(), answer(2, 2000)))),
        Write::ForgetAnswers(vec![(expired_at, name.clone())]),
    ];
    for number in writes.map(|write| caller.submit(crate::Op::Write(write))) {
        caller.written(number);
    }
    assert_eq!(kept(caller, &name), Some(answer(2, 2000)));
    assert_expired(caller, 9999, 9, &[(Timestamp::from_millis(2000), name)]);
}
