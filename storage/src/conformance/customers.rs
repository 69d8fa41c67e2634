//! What every engine must do with customers and tokens. Must not know engines.

use switchboard_protocol::model::{
    Channel, CustomerChange, CustomerProfile, CustomerQuery, CustomerView, CustomerWritten, Found, IdentityKind, Party,
    Read, Side, Timestamp, TokenHash, Write, Written,
};

use super::samples::{self, customer, identity};
use super::{Caller, append, conversation};
use crate::memory::split_mix_64;
use crate::{Op, Tables};

fn create(profile: &CustomerProfile) -> Write {
    Write::CreateCustomer(Box::new(profile.clone()))
}

fn update(profile: &CustomerProfile, seen: Timestamp) -> Write {
    Write::UpdateCustomer { profile: Box::new(profile.clone()), seen }
}

fn record(caller: &Caller, read: Read) -> Option<CustomerView> {
    match caller.read(read) {
        Found::CustomerRecord(record) => record.map(|view| *view),
        other => panic!("the answer is no record: {other:?}"),
    }
}

fn page(caller: &Caller, query: CustomerQuery) -> (Vec<CustomerProfile>, u64) {
    match caller.read(Read::Customers(query)) {
        Found::Customers { customers, total } => (customers.into_iter().map(|view| view.profile).collect(), total),
        other => panic!("the answer is no page of customers: {other:?}"),
    }
}

fn all(page: u64, size: u32) -> CustomerQuery {
    CustomerQuery { page, size, ..CustomerQuery::default() }
}

pub(super) fn made_once(caller: &Caller) {
    let (one, mut two) = (customer(1), customer(2));
    two.identities.push(identity(IdentityKind::Phone, "+8613800138000"));
    two.identities.sort_unstable();
    assert_eq!(record(caller, Read::CustomerById(one.id)), None);
    // Two at once, and each again: in one group as likely as in several.
    let writes = [&one, &two, &one, &two].map(create).map(Op::Write);
    let told = writes.map(|op| caller.submit(op)).map(|number| caller.written(number));
    let [saved, stale] = [CustomerWritten::Saved, CustomerWritten::Stale].map(Written::Customer);
    assert_eq!(told, [saved.clone(), saved, stale.clone(), stale]);
    let mut thief = customer(3);
    thief.identities = vec![identity(IdentityKind::Phone, "+8613800138000")];
    let taken = CustomerWritten::Taken { kind: IdentityKind::Phone, by: two.id };
    assert_eq!(caller.write(create(&thief)), Written::Customer(taken));
    assert_eq!(record(caller, Read::CustomerById(thief.id)), None);
    let view = Some(CustomerView { profile: two.clone(), last_interaction_at: None });
    assert_eq!(record(caller, Read::CustomerById(two.id)), view);
    for own in two.identities {
        assert_eq!(record(caller, Read::CustomerByIdentity(own)), view);
    }
    let looks_alike = identity(IdentityKind::AppUserId, "web_1");
    assert_eq!(record(caller, Read::CustomerByIdentity(looks_alike)), None);
    // Known before it has a conversation.
    let party = Party::Customer(one.id);
    let known = Found::Customer { number: Some(one.number), channel: Some(Channel::Web), conversations: vec![] };
    assert_eq!(caller.read(Read::Customer { party, newest: 9 }), known);
}

pub(super) fn changed_as_seen(caller: &Caller) {
    let (one, two) = (customer(1), customer(2));
    caller.write(create(&one));
    caller.write(create(&two));
    let now = Timestamp::from_millis(1_800_000_000_000);
    let change = CustomerChange {
        name: Some("李四（已购买）".into()),
        identities: vec![
            (IdentityKind::WebId, None),
            (IdentityKind::Email, Some(identity(IdentityKind::Email, "li@example.com"))),
        ],
        tags: Some(vec!["VIP".into(), "已购买".into()]),
        notes: Some(Some("满意度高".into())),
        active: Some(false),
    };
    let after = one.clone().changed(change, now);
    let stale = Written::Customer(CustomerWritten::Stale);
    assert_eq!(caller.write(update(&after, now)), stale);
    assert_eq!(caller.write(update(&after, one.updated_at)), Written::Customer(CustomerWritten::Saved));
    assert_eq!(caller.write(update(&after, one.updated_at)), stale, "it has changed meanwhile");
    assert_eq!(caller.write(update(&customer(9), one.updated_at)), stale, "there is none");
    assert_eq!(record(caller, Read::CustomerById(one.id)).map(|view| view.profile), Some(after.clone()));
    let [web, mail] = [one.identities[0].clone(), identity(IdentityKind::Email, "li@example.com")];
    assert_eq!(record(caller, Read::CustomerByIdentity(web.clone())), None, "it is free again");
    assert_eq!(record(caller, Read::CustomerByIdentity(mail.clone())).map(|view| view.profile), Some(after));
    let mut thief = two.clone();
    thief.identities.push(mail);
    let taken = CustomerWritten::Taken { kind: IdentityKind::Email, by: one.id };
    assert_eq!(caller.write(update(&thief, two.updated_at)), Written::Customer(taken));
    let mut heir = two.clone();
    heir.identities = vec![web.clone()];
    assert_eq!(caller.write(update(&heir, two.updated_at)), Written::Customer(CustomerWritten::Saved));
    assert_eq!(record(caller, Read::CustomerByIdentity(web)).map(|view| view.profile), Some(heir));
}

pub(super) fn pages(caller: &Caller) {
    let made: Vec<_> = (1..=50_u64)
        .map(|number| {
            let mut profile = customer(number);
            profile.channel = if number % 5 == 0 { Channel::Wechat } else { Channel::Web };
            profile.name = if number % 2 == 0 { "WhatsApp User".into() } else { profile.name };
            profile.active = number % 10 != 0;
            profile
        })
        .collect();
    let numbers: Vec<_> = made.iter().map(|profile| caller.submit(Op::Write(create(profile)))).collect();
    for number in numbers {
        assert_eq!(caller.written(number), Written::Customer(CustomerWritten::Saved));
    }
    assert_eq!(page(caller, all(0, 20)), (made[..20].to_vec(), 50));
    assert_eq!(page(caller, all(2, 20)), (made[40..].to_vec(), 50));
    assert_eq!(page(caller, all(3, 20)), (vec![], 50));
    assert_eq!(page(caller, all(u64::MAX, 100)), (vec![], 50));
    let meant = |query: &CustomerQuery| -> Vec<CustomerProfile> {
        let fits = |profile: &&CustomerProfile| {
            query.channel.is_none_or(|channel| profile.channel == channel)
                && query.active.is_none_or(|active| profile.active == active)
                && query.name.as_ref().is_none_or(|name| profile.name == *name)
        };
        made.iter().filter(fits).cloned().collect()
    };
    for name in [None, Some("WhatsApp User"), Some("WhatsApp"), Some("访客 7")] {
        for channel in [None, Some(Channel::Wechat), Some(Channel::Web), Some(Channel::Sms)] {
            for active in [None, Some(true), Some(false)] {
                let query = CustomerQuery { name: name.map(str::to_owned), channel, active, ..all(0, 100) };
                let expected = meant(&query);
                let total = expected.len() as u64;
                assert_eq!(page(caller, query.clone()), (expected.clone(), total), "{query:?}");
                let second: Vec<_> = expected.into_iter().skip(3).take(3).collect();
                assert_eq!(page(caller, CustomerQuery { page: 1, size: 3, ..query }), (second, total));
            }
        }
    }
}

/// More customers than a block has, changed at random, against the reference.
pub(super) fn pages_agree(caller: &Caller) {
    let mut tables = Tables::default();
    let mut random = 3;
    let mut below = |end: u64| split_mix_64(&mut random) % end;
    let mut made: Vec<CustomerProfile> = Vec::new();
    let mut submitted = Vec::new();
    for number in 1..=3000 {
        let mut profile = customer(number);
        profile.channel = Channel::ALL[below(3) as usize];
        profile.name = format!("n{}", below(2));
        made.push(profile.clone());
        let mut writes = vec![create(&profile)];
        if below(2) == 0 {
            let at = below(made.len() as u64) as usize;
            let before = made[at].clone();
            let change = CustomerChange {
                active: Some(below(8) == 0),
                name: (below(4) == 0).then(|| "n9".to_owned()),
                ..CustomerChange::default()
            };
            made[at] = before.clone().changed(change, Timestamp::from_millis(number));
            writes.push(update(&made[at], before.updated_at));
        }
        for write in writes {
            let expected = tables.apply(&write);
            submitted.push((caller.submit(Op::Write(write)), expected));
        }
        if number % 100 == 0 {
            for (number, expected) in submitted.drain(..) {
                assert_eq!(caller.written(number), expected);
            }
        }
    }
    for _ in 0..300 {
        let query = CustomerQuery {
            name: [None, Some("n0".to_owned()), Some("n9".to_owned())][below(3) as usize].clone(),
            channel: [None, Some(Channel::ALL[0]), Some(Channel::ALL[2])][below(3) as usize],
            active: [None, Some(true), Some(false)][below(3) as usize],
            page: below(40),
            size: 1 + below(100) as u32,
        };
        let read = Read::Customers(query);
        assert_eq!(caller.read(read.clone()), tables.answer(&read), "{read:?}");
    }
}

pub(super) fn interactions(caller: &Caller) {
    let one = customer(1);
    caller.write(create(&one));
    let mut header = conversation(7, Party::Customer(one.id));
    let last = |caller: &Caller| record(caller, Read::CustomerById(one.id)).and_then(|view| view.last_interaction_at);
    let (first, message) = append(&mut header, 5, Side::Customer, None);
    caller.write(first);
    assert_eq!(last(caller), Some(message.created_at));
    let (answer, _) = append(&mut header, 9, Side::Agent, None);
    caller.write(answer);
    assert_eq!(last(caller), Some(message.created_at), "an agent's message is no interaction");
    let known = Found::Customer {
        number: Some(header.customer_number),
        channel: Some(Channel::Web),
        conversations: vec![header.clone()],
    };
    assert_eq!(caller.read(Read::Customer { party: header.customer, newest: 9 }), known);
    // What is kept of a header for a customer of a channel.
    let read = caller.read(Read::Conversation(header.id));
    let Found::Conversation(Some(stored)) = read else { panic!("no header: {read:?}") };
    assert_eq!(stored.channel, Some(Channel::Wechat), "the header's own");
}

pub(super) fn tokens(caller: &Caller) {
    let hash = |byte: u8| TokenHash([byte; 32]);
    let at = Timestamp::from_millis;
    let bearers = [samples::user(1), Party::Agent(samples::agent_id(2)), Party::Customer(samples::customer_id(3))];
    let token = |caller: &Caller, byte| match caller.read(Read::Token(hash(byte))) {
        Found::Token(token) => token,
        other => panic!("the answer is no token: {other:?}"),
    };
    // An engine that forgets by itself lists nothing.
    let assert_expired = |before, limit, expected: &[(TokenHash, Timestamp)]| {
        let expected = if caller.swept { expected } else { &[] };
        let found = caller.read(Read::ExpiredTokens { before: at(before), limit });
        assert_eq!(found, Found::ExpiredTokens(expected.to_vec()), "the oldest first");
    };
    for (byte, bearer) in (1..).zip(&bearers) {
        let expires_at = at(1000 * u64::from(4 - byte));
        let save = Write::SaveToken { hash: hash(byte), bearer: bearer.clone(), expires_at };
        assert_eq!(caller.write(save), Written::Durable);
        assert_eq!(token(caller, byte), Some((bearer.clone(), expires_at)));
    }
    assert_eq!(token(caller, 9), None);
    assert_expired(1000, 9, &[]);
    let entry = |byte: u8| (hash(byte), at(1000 * u64::from(4 - byte)));
    assert_expired(3000, 9, &[entry(3), entry(2)]);
    assert_expired(9000, 1, &[entry(3)]);
    caller.write(Write::RemoveTokens(vec![entry(3), (hash(9), at(1))]));
    assert_eq!(token(caller, 3), None);
    assert_expired(9000, 9, &[entry(2), entry(1)]);
}
