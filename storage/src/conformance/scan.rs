//! What every engine must do for exports and imports: all of a kind comes once, and what is restored is as it was.

use switchboard_protocol::model::{
    Conversation, ConversationFilter, CustomerQuery, CustomerView, CustomerWritten, Fingerprint, Found, KeptAnswer,
    KeyName, KeyScope, Party, Read, RequestKey, Restore, Revised, Scan, Scanned, Sent, SentKey, Seq, Side, State,
    StoredToken, Timestamp, TokenHash, VShard, Write, Written,
};

use super::random::World;
use super::{Caller, history, listed, open_ids, opening, read_header, samples, saving, sent_as};
use crate::{Op, Tables};

fn scan(caller: &Caller, scan: Scan) -> Scanned {
    match caller.read(Read::Scan(scan)) {
        Found::Scanned(scanned) => scanned,
        other => panic!("the answer is no scan: {other:?}"),
    }
}

/// Asks page by page; a page that is not full says nothing.
macro_rules! all_pages {
    ($ask:expr, $limit:expr, $kind:ident { $($field:ident: $value:expr),* }) => {{
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let limit: u32 = $limit;
            let Scanned::$kind(page) = $ask(Scan::$kind { $($field: $value,)* after, limit }) else {
                panic!("the answer is of another kind")
            };
            assert!(page.rows.len() <= limit as usize, "no more than asked for");
            all.extend(page.rows);
            match page.next {
                Some(next) => after = Some(next),
                None => break all,
            }
        }
    }};
}

fn restore(caller: &Caller, restore: Restore) {
    assert_eq!(caller.write(Write::Restore(restore)), Written::Durable);
}

pub(super) fn leases(caller: &Caller) {
    let vshard = |index| VShard::new(index).expect("below 4096");
    let ask = || scan(caller, Scan::Leases);
    assert_eq!(ask(), Scanned::Leases(vec![]));
    let lease = |index| match caller.write(Write::LeaseIds(vec![vshard(index)])) {
        Written::Leased(leased) => leased[0].1.clone(),
        other => panic!("the answer is no lease: {other:?}"),
    };
    let first = lease(7);
    assert_eq!(ask(), Scanned::Leases(vec![(vshard(7), first.end)]));
    let high = first.end + 1_000_000;
    restore(caller, Restore::Leases(vec![(vshard(7), high), (vshard(4095), 5), (vshard(7), high - 1)]));
    restore(caller, Restore::Leases(vec![(vshard(7), first.end)]));
    assert_eq!(ask(), Scanned::Leases(vec![(vshard(7), high), (vshard(4095), 5)]), "never lower");
    assert_eq!((lease(7).start, lease(4095).start), (high, 5));
    // In one group.
    let raise = Write::Restore(Restore::Leases(vec![(vshard(1), 100)]));
    let numbers = [raise, Write::LeaseIds(vec![vshard(1)])].map(|write| caller.submit(Op::Write(write)));
    caller.written(numbers[0]);
    let Written::Leased(leased) = caller.written(numbers[1]) else { panic!("a lease was expected") };
    assert_eq!(leased[0].1.start, 100);
}

pub(super) fn conversations(caller: &Caller) {
    assert_eq!(all_pages!(|ask| scan(caller, ask), 3, Conversations {}), []);
    let mut expected = Vec::new();
    for id in [5, 4096, 1, 300, 77, 40_000, 12] {
        let mut header = samples::conversation(id, samples::user(id % 3 + 1));
        caller.write(opening(&header));
        if id % 2 == 0 {
            header.state = State::Closed;
            caller.write(saving(&header));
        }
        expected.push(header);
    }
    expected.sort_by_key(|header| header.id);
    for limit in [1, 2, 7, 100] {
        let mut all = all_pages!(|ask| scan(caller, ask), limit, Conversations {});
        all.sort_by_key(|header| header.id);
        assert_eq!(all, expected, "each once by pages of {limit}");
    }
}

pub(super) fn sent_keys(caller: &Caller) {
    let (mut mine, mut other) =
        (samples::conversation(1, samples::user(1)), samples::conversation(2, samples::user(2)));
    let mut expected = Vec::new();
    for (id, side, key) in [
        (1, Side::Customer, Some("b")),
        (2, Side::Agent, Some("b")),
        (3, Side::Agent, None),
        (4, Side::Customer, Some("键")),
    ] {
        let (write, message) = samples::append(&mut mine, id, side, key);
        caller.write(write);
        expected.extend(key.map(|key| SentKey {
            sender: message.sender,
            client_msg_id: samples::client_msg_id(key),
            sent: Sent::of(&message),
        }));
    }
    caller.write(samples::append(&mut other, 9, Side::Customer, Some("b")).0);
    let sorted = |mut keys: Vec<SentKey>| {
        keys.sort_by_key(|key| key.sent.message);
        keys
    };
    for limit in [1, 2, 3, 100] {
        let all = all_pages!(|ask| scan(caller, ask), limit, SentKeys { conversation: mine.id });
        assert_eq!(sorted(all), expected, "its own, each once, by pages of {limit}");
    }
    let nowhere = samples::conversation_id(99);
    assert_eq!(all_pages!(|ask| scan(caller, ask), 3, SentKeys { conversation: nowhere }), []);
    // A key that is restored is answered as the first time.
    let (_, message) = samples::append(&mut other, 10, Side::Agent, None);
    restore(caller, Restore::Messages(vec![message.clone()]));
    caller.write(saving(&other));
    let key = SentKey { client_msg_id: samples::client_msg_id("old"), ..expected[0].clone() };
    let key = SentKey { sender: message.sender, sent: Sent::of(&message), ..key };
    for _ in 0..2 {
        restore(caller, Restore::SentKeys(vec![key.clone()]));
        assert_eq!(sent_as(caller, &other, message.sender, "old"), Some(Sent::of(&message)));
    }
    assert_eq!(all_pages!(|ask| scan(caller, ask), 1, SentKeys { conversation: other.id }).len(), 2);
}

pub(super) fn tokens_and_answers(caller: &Caller) {
    let parties = [samples::user(1), samples::visitor("访客"), Party::Customer(samples::customer_id(1))];
    let (mut tokens, mut answers) = (Vec::new(), Vec::new());
    for (number, bearer) in (1..=9u8).zip(parties.iter().cycle()) {
        let (hash, expires_at) = (TokenHash([number * 28; 32]), Timestamp::from_millis(number.into()));
        tokens.push(StoredToken { hash, bearer: bearer.clone(), expires_at });
        caller.write(Write::SaveToken { hash, bearer: bearer.clone(), expires_at });
        let name = KeyName {
            scope: if number == 9 { KeyScope::Admins } else { KeyScope::Party(bearer.clone()) },
            key: RequestKey::new(&format!("key-{number}")).expect("a key"),
        };
        let fingerprint = Fingerprint([number; 32]);
        let kept = KeptAnswer { fingerprint, status: 200, body: vec![number; 3].into(), expires_at };
        caller.write(Write::KeepAnswer(Box::new((name.clone(), kept.clone()))));
        answers.push((name, kept));
    }
    answers.sort_by(|one, other| one.0.cmp(&other.0));
    for limit in [1, 4, 9, 100] {
        let mut all = all_pages!(|ask| scan(caller, ask), limit, Tokens {});
        all.sort_by_key(|token| token.hash);
        assert_eq!(all, tokens, "each once by pages of {limit}");
        let mut all = all_pages!(|ask| scan(caller, ask), limit, Answers {});
        all.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(all, answers, "each once by pages of {limit}");
    }
    caller.write(Write::RemoveTokens(vec![(tokens[0].hash, tokens[0].expires_at)]));
    caller.write(Write::ForgetAnswers(vec![(answers[0].1.expires_at, answers[0].0.clone())]));
    assert_eq!(all_pages!(|ask| scan(caller, ask), 3, Tokens {}).len(), 8);
    assert_eq!(all_pages!(|ask| scan(caller, ask), 3, Answers {}).len(), 8);
}

/// Messages come before their header, as an import writes them, and are not told of by anything else.
pub(super) fn messages(caller: &Caller) {
    let profile = samples::customer(1);
    caller.write(Write::CreateCustomer(Box::new(profile.clone())));
    let mut header = samples::conversation(1, Party::Customer(profile.id));
    let mut messages: Vec<_> = (1..=250).map(|id| samples::append(&mut header, id, Side::Customer, None).1).collect();
    messages[0].read_at = Some(Timestamp::from_millis(5));
    messages[1].revised = Some(Revised::Edited(Timestamp::from_millis(6)));
    messages[2].revised = Some(Revised::Recalled(Timestamp::from_millis(7)));
    (messages[3].body.content, messages[3].body.metadata) = ("x".repeat(64_000), Some("{}".into()));
    for chunk in messages.chunks(100) {
        restore(caller, Restore::Messages(chunk.to_vec()));
    }
    assert_eq!(read_header(caller, header.id), None);
    assert!(open_ids(caller, None, 10).is_empty());
    assert_eq!(listed(caller, ConversationFilter::default(), None, 10).0, [0; 0]);
    let seen = || match caller.read(Read::CustomerById(profile.id)) {
        Found::CustomerRecord(Some(view)) => view.last_interaction_at.map(Timestamp::as_millis),
        other => panic!("the answer is no record: {other:?}"),
    };
    assert_eq!(seen(), None);
    // A second time, as a resumed import does.
    restore(caller, Restore::Messages(messages[100..200].to_vec()));
    caller.write(opening(&header));
    assert_eq!([history(caller, header.id, 1, 100), history(caller, header.id, 101, 200)].concat(), messages[..200]);
    assert_eq!(caller.read(Read::Message(messages[2].id)), Found::Message(Some(Box::new(messages[2].clone()))));
    let read = Read::SeqOf { conversation: header.id, message: messages[249].id };
    assert_eq!(caller.read(read), Found::Seq(Some(Seq::new(250))));
    assert_eq!(open_ids(caller, None, 10), [1]);
    for (at, last) in [(50, 50), (40, 50), (60, 60)] {
        restore(caller, Restore::Interactions(vec![(profile.id, Timestamp::from_millis(at))]));
        assert_eq!(seen(), Some(last), "a later one stays");
    }
    let several = [65, 70, 55].map(|at| (profile.id, Timestamp::from_millis(at)));
    restore(caller, Restore::Interactions(several.to_vec()));
    assert_eq!(seen(), Some(70), "of several the latest");
    // Real messages go on behind them.
    let (write, next) = samples::append(&mut header, 251, Side::Customer, Some("k"));
    caller.write(write);
    assert_eq!(history(caller, header.id, 250, 251), [messages[249].clone(), next]);
}

/// A world that random operations made is carried here out of the reference, twice as after an interruption; then this
/// store answers what the reference does and has nothing else.
pub(super) fn carried(caller: &Caller) {
    let mut tables = Tables::default();
    for seed in 0..3 {
        let mut world = World::new(seed);
        for _ in 0..400 {
            tables.apply(&world.write());
        }
    }
    let writes = all_of(&tables);
    for write in writes.iter().chain(&writes) {
        assert!(!matches!(caller.write(write.clone()), Written::Customer(CustomerWritten::Taken { .. })));
    }
    let mut world = World::new(1);
    for _ in 0..500 {
        // Its writes go nowhere; they move the world on to other questions.
        let _ = world.write();
        let read = world.read();
        let expected = tables.answer(&read);
        assert_eq!(caller.read(read.clone()), expected, "{read:?}");
    }
    let mut copy = Tables::default();
    let ask = |read| caller.read(read);
    for write in writes_of(&ask) {
        copy.apply(&write);
    }
    let sorted = |tables: &Tables| {
        let mut lines: Vec<_> = all_of(tables).iter().map(|write| format!("{write:?}")).collect();
        lines.sort_unstable();
        lines
    };
    assert_eq!(sorted(&copy), sorted(&tables), "there and back again");
}

fn all_of(tables: &Tables) -> Vec<Write> {
    writes_of(&|read| tables.answer(&read))
}

/// The writes that carry everything `ask` knows into another store.
fn writes_of(ask: &dyn Fn(Read) -> Found) -> Vec<Write> {
    let scan = |scan| match ask(Read::Scan(scan)) {
        Found::Scanned(scanned) => scanned,
        other => panic!("the answer is no scan: {other:?}"),
    };
    let mut writes = Vec::new();
    let Scanned::Leases(leases) = scan(Scan::Leases) else { panic!("leases were asked for") };
    writes.push(Write::Restore(Restore::Leases(leases)));
    let Found::Agents(agents) = ask(Read::Agents { after: None, limit: 1000 }) else { panic!("agents were asked for") };
    writes.extend(agents.into_iter().map(|(id, agent)| agent.map_or(Write::DeleteAgent(id), Write::SaveAgent)));
    let query = CustomerQuery { size: 100, ..CustomerQuery::default() };
    let Found::Customers { customers, .. } = ask(Read::Customers(query)) else { panic!("customers were asked for") };
    for CustomerView { profile, last_interaction_at } in customers {
        let interactions = last_interaction_at.map(|at| (profile.id, at)).into_iter().collect();
        writes.extend([Write::CreateCustomer(Box::new(profile)), Write::Restore(Restore::Interactions(interactions))]);
    }
    for conversation in all_pages!(scan, 7, Conversations {}) {
        writes.extend(writes_of_one(ask, conversation));
    }
    writes
}

fn writes_of_one(ask: &dyn Fn(Read) -> Found, conversation: Conversation) -> Vec<Write> {
    let id = conversation.id;
    let scan = |scan| match ask(Read::Scan(scan)) {
        Found::Scanned(scanned) => scanned,
        other => panic!("the answer is no scan: {other:?}"),
    };
    let mut writes = Vec::new();
    for from in (1..=conversation.last_seq.get()).step_by(100) {
        let read = Read::History { conversation: id, from: Seq::new(from), to: Seq::new(from + 99) };
        let Found::History(messages) = ask(read) else { panic!("messages were asked for") };
        writes.push(Write::Restore(Restore::Messages(messages)));
    }
    let mut keys = all_pages!(scan, 7, SentKeys { conversation: id });
    keys.sort_by(|one, other| (one.sent.seq, &one.client_msg_id).cmp(&(other.sent.seq, &other.client_msg_id)));
    writes.push(Write::Restore(Restore::SentKeys(keys)));
    writes.push(Write::SaveConversation { conversation, opens: true });
    writes
}
