//! What every engine must do, as one suite that each engine's tests run. Written from the contract in
//! `protocol::model` (`Write`, `Read`); must not know engines.

mod answers;
mod caller;
mod customers;
mod random;
pub mod samples;
mod scan;

use std::collections::HashSet;
use std::slice;
use std::sync::Arc;

use switchboard_protocol::model::limits::PAGE_MAX;
use switchboard_protocol::model::{
    AgentId, AgentProfile, Conversation, ConversationFilter, ConversationId, Found, Group, ListPosition, Listed,
    Message, MessageId, Party, Platform, Read, Revision, Sender, Sent, Seq, Side, State, Timestamp, VShard, Viewer,
    Write, Written,
};

pub use caller::{Caller, Heard, Inbox};

use crate::{Completions, Op, Store};
use samples::{append, conversation, message_id, user, visitor};

/// Opens an empty store that tells the completions given.
pub type Open<'a> = &'a dyn Fn(Arc<dyn Completions>) -> Arc<dyn Store>;

/// Runs the whole suite; each case opens an empty store of its own. Panics at the first fault.
pub fn run(open: Open) {
    run_each(open, true);
}

/// Runs the suite over an engine that forgets by itself what has expired, and lists none of it to be forgotten.
pub fn run_sweepless(open: Open) {
    run_each(open, false);
}

fn run_each(open: Open, swept: bool) {
    for (name, case) in CASES {
        let mut caller = Caller::open(open);
        caller.swept = swept;
        // Names the case if it panics.
        println!("conformance: {name}");
        case(&caller);
        caller.store.close();
        assert!(caller.inbox.look(|heard| heard.fatal.is_empty()), "{name}: told as fatal");
    }
}

type Case = fn(&Caller);

const CASES: &[(&str, Case)] = &[
    ("an empty store knows nothing", empty_store),
    ("an append is a message, a header, an index entry and a dedup key", append_is_whole),
    ("a send without client_msg_id has no dedup key", append_without_key),
    ("dedup keys are by conversation, side, sender and id", dedup_is_by_sender),
    ("writes of one submitter keep their order", order_is_kept),
    ("history pages by seq and stays within the conversation", history_ranges),
    ("the seq of a message is told for its own conversation only", seq_of),
    ("mark read passes strangers over and marks once", mark_read),
    ("mark read sees messages of its own group", mark_read_in_group),
    ("a message is edited and recalled in place, and found by its id", revise),
    ("a revision sees what its own group did", revise_in_group),
    ("a customer's list is its own conversations, newest first", customers_list),
    ("a closed conversation leaves the open index", closed_leaves_index),
    ("open conversations page by ascending id", open_pages),
    ("a customer's conversations come newest first", customers_newest),
    ("lists come newest first, by state, agent, group and viewer, with the newest message", lists),
    ("lists page by when a conversation was opened, then by id", list_pages),
    ("parties that look alike are not mixed up", parties_apart),
    ("agents page, are changed, deleted and come again", agents),
    ("leases never repeat", leases),
    ("customers are made once and known by their identities", customers::made_once),
    ("a customer is changed only as it was seen", customers::changed_as_seen),
    ("customers page by all, channel, name and whether they are active", customers::pages),
    ("a page agrees with the reference whatever was changed", customers::pages_agree),
    ("a customer's own message moves its last interaction", customers::interactions),
    ("tokens are whose they were saved for until they are removed", customers::tokens),
    ("answers are kept under their keys until they are forgotten", answers::kept_until_forgotten),
    ("answers of one group see each other", answers::seen_in_their_group),
    ("leases are told and raised, never lowered", scan::leases),
    ("a scan of conversations has each once, open and closed", scan::conversations),
    ("dedup keys are told by conversation and restored", scan::sent_keys),
    ("scans of tokens and answers have each once", scan::tokens_and_answers),
    ("messages are restored as they are, before their header", scan::messages),
    ("all of a store is carried into another", scan::carried),
    ("every field comes back", every_field),
    ("random operations do what the reference does", random::agrees_with_tables),
];

fn empty_store(caller: &Caller) {
    let conversation = samples::conversation_id(1);
    assert_eq!(caller.read(Read::Conversation(conversation)), Found::Conversation(None));
    assert_eq!(history(caller, conversation, 1, 100), []);
    let message = message_id(1);
    assert_eq!(caller.read(Read::SeqOf { conversation, message }), Found::Seq(None));
    assert_eq!(customer(caller, &user(1), 10), (None, vec![]));
    assert!(open_ids(caller, None, 10).is_empty());
    assert_eq!(agents_page(caller, None, 10), []);
}

fn append_is_whole(caller: &Caller) {
    let mut header = conversation(1, user(100));
    let (write, message) = append(&mut header, 5, Side::Customer, Some("c-1"));
    assert_eq!(caller.write(write), Written::Durable);
    assert_eq!(read_header(caller, header.id), Some(header.clone()));
    assert_eq!(history(caller, header.id, 1, 100), slice::from_ref(&message));
    assert_eq!(sent_as(caller, &header, message.sender, "c-1"), Some(samples::sent(&message)));
    assert_eq!(open_ids(caller, None, 10), [1]);
    let number = Some(header.customer_number.get());
    assert_eq!(customer(caller, &user(100), 10), (number, vec![header.clone()]));
    // Reading changes nothing.
    assert_eq!(history(caller, header.id, 1, 100), slice::from_ref(&message));
    assert_eq!(sent_as(caller, &header, message.sender, "c-1"), Some(samples::sent(&message)));
}

fn append_without_key(caller: &Caller) {
    let mut header = conversation(1, user(100));
    let (write, message) = append(&mut header, 5, Side::Customer, None);
    caller.write(write);
    assert_eq!(history(caller, header.id, 1, 1), slice::from_ref(&message));
    assert_eq!(sent_as(caller, &header, message.sender, "c-1"), None);
}

fn dedup_is_by_sender(caller: &Caller) {
    let (mut one, mut two) = (conversation(1, user(100)), conversation(2, user(1)));
    let mut expected = Vec::new();
    for (id, side, key) in [(5, Side::Customer, "k"), (6, Side::Agent, "k"), (7, Side::Customer, "k2")] {
        let (write, message) = append(&mut one, id, side, Some(key));
        caller.write(write);
        expected.push((one.id, key, message));
    }
    // User 1 has the integer of agent 1.
    let (write, message) = append(&mut two, 8, Side::Customer, Some("k"));
    caller.write(write);
    expected.push((two.id, "k", message));
    for (id, key, message) in &expected {
        let header = if *id == one.id { &one } else { &two };
        assert_eq!(sent_as(caller, header, message.sender, key), Some(samples::sent(message)));
    }
    let stranger = Sender { side: Side::Customer, number: 101 };
    assert_eq!(sent_as(caller, &one, stranger, "k"), None);
    assert_eq!(sent_as(caller, &two, expected[0].2.sender, "k"), None);
    assert_eq!(sent_as(caller, &one, expected[0].2.sender, "K"), None);
}

fn order_is_kept(caller: &Caller) {
    let mut header = conversation(1, user(100));
    let mut numbers = Vec::new();
    for id in 1..=300 {
        let (write, _) = append(&mut header, id, Side::Customer, None);
        numbers.push(caller.submit(Op::Write(write)));
    }
    for number in &numbers {
        assert_eq!(caller.written(*number), Written::Durable);
    }
    let answered = caller.inbox.look(|heard| heard.order.clone());
    assert_eq!(answered, numbers, "answered in the order of submission");
    assert_eq!(read_header(caller, header.id), Some(header.clone()), "the last header wins");
    let last = history(caller, header.id, 201, 300);
    assert_eq!(last.len(), 100);
    assert!(last.iter().all(|message| message.id.get() == message.seq.get()));
}

fn history_ranges(caller: &Caller) {
    let (mut one, mut two) = (conversation(1, user(100)), conversation(2, user(101)));
    let (mut messages, mut written) = (Vec::new(), 0);
    for id in 1..=130 {
        let (write, message) = append(&mut one, id, Side::Customer, None);
        written = caller.submit(Op::Write(write));
        messages.push(message);
    }
    // Those of one conversation are confirmed in order.
    caller.written(written);
    let (write, strangers) = append(&mut two, 500, Side::Customer, None);
    caller.write(write);
    assert_eq!(history(caller, one.id, 1, 100), messages[..100]);
    assert_eq!(history(caller, one.id, 101, 200), messages[100..]);
    assert_eq!(history(caller, one.id, 7, 7), messages[6..7]);
    assert_eq!(history(caller, one.id, 0, 3), messages[..3]);
    assert_eq!(history(caller, one.id, 131, u64::MAX), []);
    assert_eq!(history(caller, one.id, 9, 8), []);
    assert_eq!(history(caller, one.id, 1, u64::MAX).len(), PAGE_MAX as usize);
    assert_eq!(history(caller, two.id, 1, 100), [strangers]);
}

fn seq_of(caller: &Caller) {
    let (mut one, two) = (conversation(1, user(100)), conversation(2, user(101)));
    for id in [11, 12] {
        caller.write(append(&mut one, id, Side::Customer, None).0);
    }
    caller.write(opening(&two));
    let ask = |conversation, message| caller.read(Read::SeqOf { conversation, message: message_id(message) });
    assert_eq!(ask(one.id, 12), Found::Seq(Some(Seq::new(2))));
    assert_eq!(ask(one.id, 13), Found::Seq(None));
    assert_eq!(ask(two.id, 12), Found::Seq(None));
}

fn mark_read(caller: &Caller) {
    let (mut one, mut two) = (conversation(1, user(100)), conversation(2, user(101)));
    for (id, side) in [(1, Side::Agent), (2, Side::Customer), (3, Side::Agent)] {
        caller.write(append(&mut one, id, side, None).0);
    }
    caller.write(append(&mut two, 4, Side::Agent, None).0);
    one.customer_unread = 77;
    let mark = |ids: &[u64], of, at| Write::MarkRead {
        conversation: one.clone(),
        messages: ids.iter().map(|id| message_id(*id)).collect(),
        of,
        at: Timestamp::from_millis(at),
    };
    // 2 is the other side's, 4 another conversation's, 99 nobody's; 3 twice.
    let marked = caller.write(mark(&[3, 99, 1, 2, 4, 3], Side::Agent, 1000));
    assert_eq!(marked, Written::Marked(vec![message_id(1), message_id(3)]));
    assert_eq!(read_header(caller, one.id), Some(one.clone()), "the header is saved");
    let again = caller.write(mark(&[1, 3], Side::Agent, 2000));
    assert_eq!(again, Written::Marked(vec![]));
    let read_at = |id| history(caller, id, 1, 100).iter().map(|message| message.read_at).collect::<Vec<_>>();
    let at = Some(Timestamp::from_millis(1000));
    assert_eq!(read_at(one.id), [at, None, at]);
    assert_eq!(read_at(two.id), [None]);
    assert_eq!(caller.write(mark(&[], Side::Agent, 3000)), Written::Marked(vec![]));
}

fn mark_read_in_group(caller: &Caller) {
    let mut header = conversation(1, user(100));
    let mut marks = Vec::new();
    for id in 1..=50 {
        caller.submit(Op::Write(append(&mut header, id, Side::Agent, None).0));
        let mark = Write::MarkRead {
            conversation: header.clone(),
            messages: (1..=id).map(message_id).collect(),
            of: Side::Agent,
            at: Timestamp::from_millis(id),
        };
        marks.push((id, caller.submit(Op::Write(mark))));
    }
    for (id, number) in marks {
        assert_eq!(caller.written(number), Written::Marked(vec![message_id(id)]));
    }
    let times: Vec<_> = history(caller, header.id, 1, 50).iter().map(|message| message.read_at).collect();
    let expected: Vec<_> = (1..=50).map(|id| Some(Timestamp::from_millis(id))).collect();
    assert_eq!(times, expected);
}

fn revise(caller: &Caller) {
    let (mut one, mut two) = (conversation(1, user(100)), conversation(2, user(101)));
    let (write, mut first) = append(&mut one, 1, Side::Customer, Some("k"));
    caller.write(write);
    let (write, second) = append(&mut one, 2, Side::Customer, None);
    caller.write(write);
    caller.write(append(&mut two, 3, Side::Agent, None).0);
    one.agent_unread = 7;
    let by_id = |id| match caller.read(Read::Message(message_id(id))) {
        Found::Message(message) => message.map(|message| *message),
        other => panic!("the answer is no message: {other:?}"),
    };
    assert_eq!((by_id(1), by_id(9)), (Some(first.clone()), None));
    let revise = |seq, revision: Revision, at| Write::Revise {
        conversation: one.clone(),
        seq: Seq::new(seq),
        revision,
        at: Timestamp::from_millis(at),
    };
    let edit = Revision::Edit("改".into());
    first.revise(&edit, Timestamp::from_millis(1000));
    assert_eq!(caller.write(revise(1, edit, 1000)), Written::Revised(Box::new(first.clone())));
    assert_eq!((&*first.body.content, first.edited_at()), ("改", Some(Timestamp::from_millis(1000))));
    assert_eq!(history(caller, one.id, 1, 2), [first.clone(), second.clone()]);
    assert_eq!(read_header(caller, one.id), Some(one.clone()), "the header is saved");
    // Marked as read before or after, both are kept.
    let mark = Write::MarkRead {
        conversation: one.clone(),
        messages: vec![first.id],
        of: Side::Customer,
        at: Timestamp::from_millis(1500),
    };
    assert_eq!(caller.write(mark), Written::Marked(vec![first.id]));
    first.read_at = Some(Timestamp::from_millis(1500));
    assert_eq!(by_id(1), Some(first.clone()));
    first.revise(&Revision::Recall, Timestamp::from_millis(2000));
    assert_eq!(caller.write(revise(1, Revision::Recall, 2000)), Written::Revised(Box::new(first.clone())));
    assert_eq!(history(caller, one.id, 1, 2), [first.clone(), second]);
    assert!(first.body.content.is_empty() && first.recalled_at().is_some());
    let key = sent_as(caller, &one, first.sender, "k");
    assert_eq!(key, Some(samples::sent(&first)), "a retry is still answered as the first time");
}

fn revise_in_group(caller: &Caller) {
    let mut header = conversation(1, user(100));
    let mut numbers = Vec::new();
    for id in 1..=30 {
        caller.submit(Op::Write(append(&mut header, id, Side::Agent, None).0));
        for (revision, at) in [(Revision::Edit(format!("edit {id}")), 1), (Revision::Recall, 2)] {
            let write = Write::Revise {
                conversation: header.clone(),
                seq: Seq::new(id),
                revision,
                at: Timestamp::from_millis(at),
            };
            numbers.push((id, at, caller.submit(Op::Write(write))));
        }
    }
    for (id, at, number) in numbers {
        let Written::Revised(message) = caller.written(number) else { panic!("a message was expected") };
        assert_eq!(message.id, message_id(id));
        assert_eq!(message.edited_at().is_some(), at == 1);
    }
    let messages = history(caller, header.id, 1, 30);
    assert!(messages.iter().all(|message| message.recalled_at() == Some(Timestamp::from_millis(2))));
}

fn customers_list(caller: &Caller) {
    let (mine, others) = (visitor("visitor_1"), user(7));
    for (id, party) in [(10, &mine), (20, &others), (300, &mine), (40, &mine)] {
        let mut header = conversation(id, party.clone());
        header.customer_number = conversation(10, party.clone()).customer_number;
        caller.write(opening(&header));
        if id == 40 {
            header.state = State::Closed;
            caller.write(saving(&header));
        }
    }
    let filter = |state| ConversationFilter { state, customer: Some(mine.clone()), ..ConversationFilter::default() };
    let (first, next) = listed(caller, filter(None), None, 2);
    assert_eq!((first, next.map(|at| at.conversation.get())), (vec![300, 40], Some(40)));
    assert_eq!(listed(caller, filter(None), next, 2), (vec![10], None));
    assert_eq!(listed(caller, filter(None), None, 3), (vec![300, 40, 10], None), "a full page that is the last");
    assert_eq!(listed(caller, filter(Some(State::Closed)), None, 1), (vec![40], None));
}

fn closed_leaves_index(caller: &Caller) {
    let (mut one, two) = (conversation(1, user(100)), conversation(2, user(101)));
    caller.write(append(&mut one, 1, Side::Customer, None).0);
    caller.write(opening(&two));
    one.state = State::Active;
    caller.write(saving(&one));
    assert_eq!(open_ids(caller, None, 10), [1, 2]);
    one.state = State::Closed;
    caller.write(saving(&one));
    assert_eq!(open_ids(caller, None, 10), [2]);
    assert_eq!(read_header(caller, one.id), Some(one.clone()));
    assert_eq!(customer(caller, &user(100), 10).1, [one.clone()], "it stays its customer's");
    caller.write(saving(&one));
    assert_eq!(open_ids(caller, None, 10), [2]);
    // Opened and closed in one group, or closed at birth: never in the index.
    let mut three = conversation(3, user(102));
    let opened = caller.submit(Op::Write(opening(&three)));
    three.state = State::Closed;
    let closed = caller.submit(Op::Write(saving(&three)));
    let mut four = conversation(4, user(103));
    four.state = State::Closed;
    let born_closed = caller.submit(Op::Write(opening(&four)));
    for number in [opened, closed, born_closed] {
        assert_eq!(caller.written(number), Written::Durable);
    }
    assert_eq!(open_ids(caller, None, 10), [2]);
    assert_eq!(customer(caller, &user(103), 10).1, [four]);
}

fn open_pages(caller: &Caller) {
    // Not in order, and on both sides of a byte's border.
    let ids = [300, 2, 1, 255, 256, 70_000];
    for id in ids {
        caller.write(opening(&conversation(id, user(id))));
    }
    assert_eq!(open_ids(caller, None, 3), [1, 2, 255]);
    assert_eq!(open_ids(caller, Some(255), 3), [256, 300, 70_000]);
    assert_eq!(open_ids(caller, Some(257), 1), [300]);
    assert!(open_ids(caller, Some(70_000), 3).is_empty());
    assert!(open_ids(caller, None, 0).is_empty());
    assert_eq!(open_ids(caller, None, u32::MAX).len(), 6);
}

fn customers_newest(caller: &Caller) {
    let party = visitor("visitor_1");
    let mut all: Vec<_> = [10, 300, 20].map(|id| conversation(id, party.clone())).into();
    for header in &mut all {
        header.customer_number = conversation(10, party.clone()).customer_number;
        caller.write(opening(header));
    }
    let number = Some(all[0].customer_number.get());
    let newest = vec![all[1].clone(), all[2].clone(), all[0].clone()];
    assert_eq!(customer(caller, &party, 10), (number, newest.clone()));
    assert_eq!(customer(caller, &party, 2), (number, newest[..2].to_vec()));
    assert_eq!(customer(caller, &party, 0), (number, vec![]));
}

fn lists(caller: &Caller) {
    let group = |name: &str| Group::new(name).expect("a sample group is valid");
    let agent = samples::agent_id;
    // Opened in the order of their ids; their customers' shards are others.
    let mut all: Vec<_> = (1..=4).map(|id| conversation(id, user(100 + id))).collect();
    for (header, name) in all.iter_mut().zip(["a", "a", "b", "b"]) {
        header.group = group(name);
        caller.write(opening(header));
    }
    let (write, message) = append(&mut all[0], 50, Side::Customer, None);
    caller.write(match write {
        Write::Append { conversation, message, client_msg_id, .. } => {
            Write::Append { conversation, opens: false, message, client_msg_id }
        }
        other => other,
    });
    for (at, number) in [(1, 7), (2, 7), (3, 8)] {
        (all[at].agent, all[at].state) = (Some(agent(number)), State::Active);
        caller.write(saving(&all[at]));
    }
    all[2].state = State::Closed;
    caller.write(saving(&all[2]));
    let list = |filter: ConversationFilter| listed(caller, filter, None, 10).0;
    let any = ConversationFilter::default;
    assert_eq!(list(any()), [4, 3, 2, 1]);
    let state = |state| ConversationFilter { state: Some(state), ..any() };
    assert_eq!(list(state(State::Pending)), [1]);
    assert_eq!(list(state(State::Active)), [4, 2]);
    assert_eq!(list(state(State::Closed)), [3]);
    assert!(list(state(State::Robot)).is_empty());
    assert_eq!(list(ConversationFilter { agent: Some(agent(7)), ..any() }), [3, 2]);
    assert_eq!(list(ConversationFilter { agent: Some(agent(7)), ..state(State::Active) }), [2]);
    assert!(list(ConversationFilter { platform: Some(Platform::Wechat), ..any() }).is_empty());
    let sees = |number, groups: &[&str]| {
        let groups = groups.iter().map(|name| group(name)).collect();
        ConversationFilter { viewer: Some(Viewer { agent: agent(number), groups }), ..any() }
    };
    assert_eq!(list(sees(7, &["a"])), [3, 2, 1], "its own and its group's, each once");
    assert_eq!(list(sees(9, &["a", "b"])), [4, 3, 2, 1]);
    assert!(list(sees(9, &[])).is_empty());
    assert_eq!(list(ConversationFilter { agent: Some(agent(7)), ..sees(9, &["a"]) }), [2]);
    // Back to the queue, and to another: the former agent's places are passed over.
    (all[1].agent, all[1].state) = (None, State::Pending);
    caller.write(saving(&all[1]));
    assert_eq!(list(ConversationFilter { agent: Some(agent(7)), ..any() }), [3]);
    assert_eq!(list(state(State::Pending)), [2, 1]);
    (all[1].agent, all[1].state) = (Some(agent(8)), State::Active);
    caller.write(saving(&all[1]));
    assert_eq!(list(ConversationFilter { agent: Some(agent(8)), ..any() }), [4, 2]);
    let one = |id| match caller.read(Read::Listed(samples::conversation_id(id))) {
        Found::Listed(listed) => listed.map(|listed| *listed),
        other => panic!("the answer is no conversation: {other:?}"),
    };
    assert_eq!(one(1), Some(Listed { conversation: all[0].clone(), last_message: Some(message) }));
    assert_eq!(one(2), Some(Listed { conversation: all[1].clone(), last_message: None }));
    assert_eq!(one(9), None);
    // A customer of the channel WECHAT is the platform's, alone and together with other conditions.
    let mut theirs = conversation(6, Party::Customer(samples::customer_id(3)));
    theirs.group = group("a");
    caller.write(opening(&theirs));
    let platform = |platform| ConversationFilter { platform: Some(platform), ..any() };
    assert_eq!(list(platform(Platform::Wechat)), [6]);
    assert!([Platform::Douyin, Platform::Jd].into_iter().all(|other| list(platform(other)).is_empty()));
    assert_eq!(list(ConversationFilter { platform: Some(Platform::Wechat), ..state(State::Pending) }), [6]);
    assert!(list(ConversationFilter { platform: Some(Platform::Wechat), ..state(State::Active) }).is_empty());
    assert_eq!(list(ConversationFilter { platform: Some(Platform::Wechat), ..sees(9, &["a"]) }), [6]);
    assert!(list(ConversationFilter { platform: Some(Platform::Wechat), ..sees(9, &["b"]) }).is_empty());
}

fn list_pages(caller: &Caller) {
    // Two opened in the same millisecond; and ids that are not in the order of time.
    for (id, millis) in [(10, 5), (300, 5), (20, 7), (40, 6), (5, 300)] {
        let mut header = conversation(id, user(id));
        header.created_at = Timestamp::from_millis(millis);
        caller.write(opening(&header));
    }
    let page = |after, limit| listed(caller, ConversationFilter::default(), after, limit);
    let (first, next) = page(None, 2);
    assert_eq!((first, next.map(|at| at.conversation.get())), (vec![5, 20], Some(20)));
    let (second, next) = page(next, 2);
    assert_eq!((second, next.map(|at| at.conversation.get())), (vec![40, 300], Some(300)));
    assert_eq!(page(next, 2), (vec![10], None));
    assert_eq!(page(None, 5), (vec![5, 20, 40, 300, 10], None), "a full page that is the last says so");
}

fn listed(
    caller: &Caller,
    filter: ConversationFilter,
    after: Option<ListPosition>,
    limit: u32,
) -> (Vec<u64>, Option<ListPosition>) {
    match caller.read(Read::Conversations { filter, after, limit }) {
        Found::Conversations { page, next } => (page.iter().map(|listed| listed.conversation.id.get()).collect(), next),
        other => panic!("the answer is no list: {other:?}"),
    }
}

fn parties_apart(caller: &Caller) {
    let parties = [
        user(1),
        user(256),
        visitor("1"),
        visitor("12"),
        visitor("1\u{a0}2"),
        visitor("u"),
        visitor(&"客".repeat(128)),
        Party::Customer(samples::customer_id(1)),
        Party::Customer(samples::customer_id(256)),
    ];
    for (id, party) in (1..).zip(&parties) {
        caller.write(opening(&conversation(id, party.clone())));
    }
    for (id, party) in (1..).zip(&parties) {
        let found: Vec<_> = customer(caller, party, 10).1.iter().map(|header| header.id.get()).collect();
        assert_eq!(found, [id], "{party:?}");
    }
    let agent = Party::Agent(samples::agent_id(1));
    assert_eq!(customer(caller, &agent, 10), (None, vec![]));
}

fn agents(caller: &Caller) {
    let profiles: Vec<_> = [7, 1, 300, 2].map(samples::agent).into();
    for profile in &profiles {
        assert_eq!(caller.write(Write::SaveAgent(profile.clone())), Written::Durable);
    }
    let known = |profile: &AgentProfile| (profile.id.get(), Some(profile.clone()));
    let [seven, one, three_hundred, two] = &profiles[..] else { unreachable!("four were made") };
    assert_eq!(agents_page(caller, None, 2), [known(one), known(two)]);
    assert_eq!(agents_page(caller, Some(2), 9), [known(seven), known(three_hundred)]);

    caller.write(Write::DeleteAgent(two.id));
    caller.write(Write::DeleteAgent(samples::agent_id(9)));
    let page = agents_page(caller, Some(1), 3);
    assert_eq!(page, [(2, None), known(seven), (9, None)], "deleted ones stay known, even unknown ones");

    let mut again = two.clone();
    again.name = "another".into();
    caller.write(Write::SaveAgent(again.clone()));
    assert_eq!(agents_page(caller, Some(1), 1), [known(&again)]);
}

fn leases(caller: &Caller) {
    let shards: Vec<_> = (0..4096).map(vshard).collect();
    let mut seen = HashSet::new();
    // All at once as at a start, then several in one group, one of them twice in a list.
    let mut numbers = vec![caller.submit(Op::Write(Write::LeaseIds(shards)))];
    let lists: [&[u16]; 4] = [&[5], &[5, 6], &[5, 5], &[]];
    for list in lists {
        let list = list.iter().copied().map(vshard).collect();
        numbers.push(caller.submit(Op::Write(Write::LeaseIds(list))));
    }
    let mut blocks = Vec::new();
    for number in numbers {
        let Written::Leased(leased) = caller.written(number) else { panic!("a lease was expected") };
        blocks.push(leased.len());
        for (of, counters) in leased {
            assert!(counters.start >= 1 && counters.end > counters.start, "{counters:?}");
            // The first and last counters stand for the block: blocks are of one size.
            assert!(seen.insert((of, counters.start)), "{of:?} {counters:?} was leased before");
            assert!(seen.insert((of, counters.end - 1)), "{of:?} {counters:?} was leased before");
        }
    }
    assert_eq!(blocks, [4096, 1, 2, 2, 0]);
}

fn every_field(caller: &Caller) {
    let mut header = conversation(1, visitor("访客"));
    header.named = Some(samples::agent_id(3));
    header.agent = Some(samples::agent_id(4));
    header.state = State::Robot;
    (header.customer_unread, header.agent_unread, header.returned) = (u32::MAX, 1, true);
    let (write, _) = append(&mut header, 9, Side::Agent, Some("k"));
    let Write::Append { mut message, conversation, .. } = write else { unreachable!("an append was made") };
    message.body.kind = switchboard_protocol::model::BodyKind::Image;
    message.body.content = "x".repeat(60_000);
    message.body.file_url = Some("https://example.com/图.png".into());
    message.read_at = Some(Timestamp::from_millis(1));
    caller.write(Write::Append { conversation, opens: true, message: message.clone(), client_msg_id: None });
    assert_eq!(history(caller, header.id, 1, 1), [message]);
    assert_eq!(read_header(caller, header.id), Some(header));
    let mut agent = samples::agent(4);
    agent.avatar = Some(String::new());
    agent.skills = vec!["a".into(), "退款".into()];
    agent.max_concurrent = 0;
    agent.accept = Some(switchboard_protocol::model::Accept::Auto);
    agent.status = Some(switchboard_protocol::model::AgentStatus::Busy);
    caller.write(Write::SaveAgent(agent.clone()));
    assert_eq!(agents_page(caller, None, 1), [(4, Some(agent))]);
}

fn vshard(index: u16) -> VShard {
    VShard::new(index).expect("below 4096")
}

fn opening(conversation: &Conversation) -> Write {
    Write::SaveConversation { conversation: conversation.clone(), opens: true }
}

fn saving(conversation: &Conversation) -> Write {
    Write::SaveConversation { conversation: conversation.clone(), opens: false }
}

fn read_header(caller: &Caller, id: ConversationId) -> Option<Conversation> {
    match caller.read(Read::Conversation(id)) {
        Found::Conversation(header) => header.map(|header| *header),
        other => panic!("the answer is no header: {other:?}"),
    }
}

fn history(caller: &Caller, conversation: ConversationId, from: u64, to: u64) -> Vec<Message> {
    let (from, to) = (Seq::new(from), Seq::new(to));
    match caller.read(Read::History { conversation, from, to }) {
        Found::History(messages) => messages,
        other => panic!("the answer is no history: {other:?}"),
    }
}

fn sent_as(caller: &Caller, header: &Conversation, sender: Sender, key: &str) -> Option<Sent> {
    let client_msg_id = samples::client_msg_id(key);
    let read = Read::Sent { conversation: header.id, sender, client_msg_id: client_msg_id.clone() };
    let sent = match caller.read(read) {
        Found::Sent(sent) => sent,
        other => panic!("the answer is no dedup entry: {other:?}"),
    };
    // Among others it is found where it is.
    let nowhere = samples::conversation_id(999_999);
    for conversations in [vec![header.id], vec![nowhere, header.id, nowhere]] {
        let read = Read::SentInAny { conversations, sender, client_msg_id: client_msg_id.clone() };
        assert_eq!(caller.read(read), Found::Sent(sent));
    }
    let read = Read::SentInAny { conversations: vec![nowhere], sender, client_msg_id };
    assert_eq!(caller.read(read), Found::Sent(None));
    sent
}

fn customer(caller: &Caller, party: &Party, newest: u32) -> (Option<u64>, Vec<Conversation>) {
    let party = party.clone();
    match caller.read(Read::Customer { party, newest }) {
        Found::Customer { number, conversations, .. } => (number.map(|number| number.get()), conversations),
        other => panic!("the answer is no customer: {other:?}"),
    }
}

fn open_ids(caller: &Caller, after: Option<u64>, limit: u32) -> Vec<u64> {
    let after = after.map(samples::conversation_id);
    match caller.read(Read::OpenConversations { after, limit }) {
        Found::OpenConversations(open) => open.iter().map(|header| header.id.get()).collect(),
        other => panic!("the answer is no page of conversations: {other:?}"),
    }
}

fn agents_page(caller: &Caller, after: Option<u64>, limit: u32) -> Vec<(u64, Option<AgentProfile>)> {
    let after = after.map(samples::agent_id);
    let Found::Agents(page) = caller.read(Read::Agents { after, limit }) else {
        panic!("the answer is no page of agents")
    };
    page.into_iter().map(|(id, profile)| (AgentId::get(id), profile)).collect()
}

/// Used by the random case: ids that were written and some that were not.
fn any_message(number: u64) -> MessageId {
    message_id(number + 1)
}
