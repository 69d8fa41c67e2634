//! Many messages in one conversation, and many conversations of one agent, on each engine. `SWITCHBOARD_LARGE` says how
//! many (100000, say); fewer by default, which still cross many borders of pages, buckets and blocks.

use std::collections::BTreeSet;
use std::time::Instant;

use switchboard_protocol::model::{
    ConversationFilter, Found, ListPosition, Message, Read, Revision, Seq, Side, State, Timestamp, Write, Written,
};
use switchboard_storage::conformance::{Caller, samples};
use switchboard_storage::{Faults, Op, TrialCluster, open_embedded, open_memory, open_scylla};

use crate::cluster;

const USUALLY: u64 = 3000;
/// Writes under way at once.
const AT_ONCE: usize = 2000;

fn many() -> u64 {
    std::env::var("SWITCHBOARD_LARGE").ok().and_then(|text| text.parse().ok()).unwrap_or(USUALLY)
}

/// Submits writes, never too many at once, and waits for all.
fn write_all(caller: &Caller, writes: impl Iterator<Item = Write>) {
    let mut under_way = std::collections::VecDeque::new();
    for write in writes {
        if under_way.len() == AT_ONCE {
            caller.written(under_way.pop_front().expect("there are some"));
        }
        under_way.push_back(caller.submit(Op::Write(write)));
    }
    for number in under_way {
        caller.written(number);
    }
}

fn history(caller: &Caller, id: u64, from: u64, to: u64) -> Vec<Message> {
    let (from, to) = (Seq::new(from), Seq::new(to));
    match caller.read(Read::History { conversation: samples::conversation_id(id), from, to }) {
        Found::History(messages) => messages,
        other => panic!("no history: {other:?}"),
    }
}

/// One conversation with `count` messages.
fn long_conversation(caller: &Caller, count: u64) {
    let began = Instant::now();
    let mut conversation = samples::conversation(1, samples::user(1));
    let mut messages = Vec::new();
    let writes: Vec<_> = (1..=count)
        .map(|id| {
            let side = if id.is_multiple_of(3) { Side::Agent } else { Side::Customer };
            let (write, message) = samples::append(&mut conversation, id, side, Some(&format!("k{id}")));
            messages.push(message);
            write
        })
        .collect();
    write_all(caller, writes.into_iter());
    println!("{count} messages in {:?}", began.elapsed());
    let began = Instant::now();
    let mut found = Vec::new();
    while (found.len() as u64) < count {
        let page = history(caller, 1, found.len() as u64 + 1, found.len() as u64 + 100);
        assert!(!page.is_empty(), "only {} are there", found.len());
        found.extend(page);
    }
    assert!(found == messages, "all of them, in order");
    println!("read by pages in {:?}", began.elapsed());
    let id = conversation.id;
    for at in [1, 2, 511, 512, 513, 514, 1024, 1025, count / 2, count] {
        let message = &messages[at as usize - 1];
        assert_eq!(caller.read(Read::SeqOf { conversation: id, message: message.id }), Found::Seq(Some(Seq::new(at))));
        let client_msg_id = samples::client_msg_id(&format!("k{at}"));
        let read = Read::Sent { conversation: id, sender: message.sender, client_msg_id };
        assert_eq!(caller.read(read), Found::Sent(Some(samples::sent(message))), "{at}");
    }
    // Marks and revisions across a bucket's border, and far behind the newest.
    let at = Timestamp::from_millis(77);
    let marked: Vec<_> = (500..530).map(|at: u64| messages[at as usize - 1].clone()).collect();
    let of_agent: Vec<_> =
        marked.iter().filter(|message| message.sender.side == Side::Agent).map(|message| message.id).collect();
    let write = Write::MarkRead {
        conversation: conversation.clone(),
        messages: marked.iter().map(|message| message.id).collect(),
        of: Side::Agent,
        at,
    };
    assert_eq!(caller.write(write), Written::Marked(of_agent.clone()));
    let read: Vec<_> =
        history(caller, 1, 500, 529).iter().filter(|message| message.read_at == Some(at)).map(|m| m.id).collect();
    assert_eq!(read, of_agent);
    let revision = Revision::Edit("改".into());
    let write = Write::Revise { conversation: conversation.clone(), seq: Seq::new(3), revision, at };
    assert!(matches!(caller.write(write), Written::Revised(message) if message.seq == Seq::new(3)));
    assert_eq!(history(caller, 1, 3, 3)[0].body.content, "改");
    assert_eq!(caller.read(Read::Conversation(id)), Found::Conversation(Some(Box::new(conversation))));
}

/// `count` conversations of one agent, a third of them still open, listed by pages.
fn busy_agent(caller: &Caller, count: u64) {
    let began = Instant::now();
    let agent = samples::agent_id(7);
    let header = |id: u64, state| {
        let mut conversation = samples::conversation(10_000 + id, samples::user(id));
        (conversation.agent, conversation.state) = (Some(agent), state);
        conversation
    };
    let open = (1..=count).map(|id| Write::SaveConversation { conversation: header(id, State::Active), opens: true });
    write_all(caller, open);
    let closed = (1..=count).filter(|id| !id.is_multiple_of(3));
    write_all(
        caller,
        closed.map(|id| Write::SaveConversation { conversation: header(id, State::Closed), opens: false }),
    );
    println!("{count} conversations opened, two thirds ended, in {:?}", began.elapsed());
    for state in [None, Some(State::Active), Some(State::Closed)] {
        let began = Instant::now();
        let filter = ConversationFilter { agent: Some(agent), state, ..ConversationFilter::default() };
        let (mut seen, mut after, mut pages) = (BTreeSet::new(), None, 0);
        let mut last: Option<ListPosition> = None;
        loop {
            let Found::Conversations { page, next } =
                caller.read(Read::Conversations { filter: filter.clone(), after, limit: 100 })
            else {
                panic!("no list")
            };
            pages += 1;
            for listed in page {
                let at = ListPosition::of(&listed.conversation);
                assert!(last.is_none_or(|last| at < last), "newest first");
                assert!(state.is_none_or(|state| listed.conversation.state == state));
                last = Some(at);
                assert!(seen.insert(listed.conversation.id), "each once");
            }
            match next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        let wanted = match state {
            None => count,
            Some(State::Active) => count / 3,
            Some(_) => count - count / 3,
        };
        assert_eq!(seen.len() as u64, wanted, "{state:?}");
        println!("{pages} pages of {state:?} in {:?}", began.elapsed());
    }
}

fn both(caller: &Caller) {
    long_conversation(caller, many());
    busy_agent(caller, many());
    caller.store.close();
}

#[test]
fn memory() {
    both(&Caller::open(|completions| open_memory(Faults::default(), completions).unwrap()));
}

#[test]
fn embedded() {
    let dir = tempfile::tempdir().unwrap();
    both(&Caller::open(|completions| open_embedded(dir.path(), 0, completions).unwrap()));
}

#[test]
fn scylla() {
    let Some(cluster) = TrialCluster::shared() else { return };
    both(&Caller::open(|completions| open_scylla(cluster::keyspace(cluster, "large"), completions).unwrap()));
}
