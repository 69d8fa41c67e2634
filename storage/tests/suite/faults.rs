//! A real CQL server with faults between it and the engine: what is lost, refused, late or cut off on the way. Whatever
//! happens, what was confirmed is there, once, and what was not is confirmed in the end or never told of.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use scylla_proxy::{
    Condition as When, Node, Proxy, Reaction, RequestOpcode, RequestReaction, RequestRule, ResponseOpcode,
    ResponseReaction, ResponseRule, RunningProxy, ShardAwareness,
};
use switchboard_protocol::model::limits::STORE_WRITE_QUEUE_OPS;
use switchboard_protocol::model::{Conversation, Found, Message, Read, Seq, Side, Written};
use switchboard_storage::conformance::{Caller, samples};
use switchboard_storage::{Condition, Op, ScyllaSettings, StoreError, Ticket, TrialCluster, Why, open_scylla};
use tokio::runtime::Runtime;

use crate::cluster;

/// A proxy in front of the shared node, whose rules a test changes.
struct Between {
    proxy: RunningProxy,
    address: SocketAddr,
    runtime: Runtime,
}

impl Between {
    fn new(settings: &ScyllaSettings) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let real: SocketAddr = settings.contact_points[0].parse().expect("an address");
        let address =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
        let node = Node::new(real, address, ShardAwareness::Unaware, None, None);
        let proxy = runtime.block_on(Proxy::new([node]).run()).expect("the proxy runs");
        Self { proxy, address, runtime }
    }

    fn requests(&mut self, rules: Vec<RequestRule>) {
        self.proxy.running_nodes[0].change_request_rules(Some(rules));
    }

    fn answers(&mut self, rules: Vec<ResponseRule>) {
        self.proxy.running_nodes[0].change_response_rules(Some(rules));
    }

    /// Loses every request about a conversation, whose id must stand nowhere else in what is sent.
    fn lose(&mut self, conversation: &Conversation) {
        let its_own = When::BodyContainsCaseSensitive(Box::new(conversation.id.get().to_be_bytes()));
        self.requests(vec![RequestRule(its_own, RequestReaction::drop_frame())]);
    }

    fn calm(&mut self) {
        self.proxy.turn_off_rules();
    }

    fn settings(&self, settings: &ScyllaSettings) -> ScyllaSettings {
        ScyllaSettings {
            contact_points: vec![self.address.to_string()],
            request_timeout: Duration::from_millis(500),
            ..settings.clone()
        }
    }
}

impl Drop for Between {
    fn drop(&mut self) {
        let _inside = self.runtime.enter();
        self.proxy.turn_off_rules();
    }
}

/// A statement or a batch.
fn statements() -> When {
    When::or(When::RequestOpcode(RequestOpcode::Execute), When::RequestOpcode(RequestOpcode::Batch))
}

fn sometimes(share: f64) -> When {
    When::and(statements(), When::RandomWithProbability(share))
}

fn opened(settings: ScyllaSettings) -> Caller {
    Caller::open(|completions| open_scylla(settings, completions).expect("the store opens"))
}

/// An empty keyspace of the shared node, and a store that is open on it with a proxy between.
fn behind_a_proxy(test: &str) -> Option<(ScyllaSettings, Between, Caller)> {
    let settings = cluster::keyspace(TrialCluster::shared()?, test);
    let between = Between::new(&settings);
    let caller = opened(between.settings(&settings));
    Some((settings, between, caller))
}

/// All of these come to be durable.
#[track_caller]
fn all_durable(caller: &Caller, tickets: &[u64], fault: &str) {
    for ticket in tickets {
        assert_eq!(caller.written(*ticket), Written::Durable, "{fault}");
    }
}

/// Conversations that are written to, and every message of them that was submitted.
struct Talk {
    conversations: Vec<Conversation>,
    messages: Vec<Message>,
    next: u64,
}

impl Talk {
    fn new(conversations: u64) -> Self {
        let conversations = (1..=conversations).map(|id| samples::conversation(id, samples::user(id))).collect();
        Self { conversations, messages: Vec::new(), next: 1 }
    }

    /// The first one's id is eight bytes that stand nowhere else in what is sent (`Between::lose`).
    fn with_a_marked_one(conversations: u64) -> Self {
        let mut talk = Self::new(conversations);
        talk.conversations[0] = samples::conversation(0x0000_1357_2468_1357, samples::user(1));
        talk
    }

    /// One more message for each conversation; the tickets.
    fn round(&mut self, caller: &Caller) -> Vec<u64> {
        let mut tickets = Vec::new();
        for conversation in &mut self.conversations {
            let key = format!("k{}", self.next);
            let side = if self.next.is_multiple_of(2) { Side::Customer } else { Side::Agent };
            let (write, message) = samples::append(conversation, self.next, side, Some(&key));
            tickets.push(caller.submit(Op::Write(write)));
            self.messages.push(message);
            self.next += 1;
        }
        tickets
    }

    /// A fresh engine without faults sees all of it, once, in order, with headers and dedup keys.
    fn assert_there(&self, settings: &ScyllaSettings) {
        let caller = opened(settings.clone());
        for conversation in &self.conversations {
            let Found::Conversation(Some(header)) = caller.read(Read::Conversation(conversation.id)) else {
                panic!("no header of {}", conversation.id)
            };
            assert_eq!(*header, *conversation);
            let own: Vec<_> = self.messages.iter().filter(|message| message.conversation == conversation.id).collect();
            let mut found = Vec::new();
            for from in (1..=own.len() as u64 + 1).step_by(100) {
                let (from, to) = (Seq::new(from), Seq::new(from + 99));
                match caller.read(Read::History { conversation: conversation.id, from, to }) {
                    Found::History(page) => found.extend(page),
                    other => panic!("no history: {other:?}"),
                }
            }
            assert_eq!(found.iter().collect::<Vec<_>>(), own);
            for message in own.iter().step_by(7) {
                let client_msg_id = samples::client_msg_id(&format!("k{}", message.id));
                let read = Read::Sent { conversation: conversation.id, sender: message.sender, client_msg_id };
                assert_eq!(caller.read(read), Found::Sent(Some(samples::sent(message))));
            }
        }
        caller.store.close();
    }
}

fn wait_for(caller: &Caller, condition: Condition) {
    let until = Instant::now() + Duration::from_secs(20);
    while caller.store.condition() != condition {
        assert!(Instant::now() < until, "it is {:?}, not {condition:?}", caller.store.condition());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_fails_on_the_way_is_tried_again_until_it_is_known() {
    let Some((settings, mut between, caller)) = behind_a_proxy("faults") else { return };
    let mut talk = Talk::new(5);
    let forged: [(&str, RequestReaction); 8] = [
        ("write time-out", RequestReaction::forge().write_timeout()),
        ("read time-out", RequestReaction::forge().read_timeout()),
        ("unavailable", RequestReaction::forge().unavailable()),
        ("overloaded", RequestReaction::forge().overloaded()),
        ("server error", RequestReaction::forge().server_error()),
        ("unprepared", RequestReaction::forge().unprepared()),
        ("the request is lost", RequestReaction::drop_frame()),
        ("the request is 0.8 s late, and is tried again meanwhile", RequestReaction::delay(Duration::from_millis(800))),
    ];
    for (name, reaction) in forged {
        println!("fault: {name}");
        between.requests(vec![RequestRule(sometimes(0.3), reaction)]);
        let tickets: Vec<_> = (0..6).flat_map(|_| talk.round(&caller)).collect();
        all_durable(&caller, &tickets, name);
        between.calm();
    }
    println!("fault: the answer is lost after the write was applied");
    let lost = When::and(When::ResponseOpcode(ResponseOpcode::Result), When::RandomWithProbability(0.3));
    between.answers(vec![ResponseRule(lost, ResponseReaction::drop_frame())]);
    let tickets: Vec<_> = (0..6).flat_map(|_| talk.round(&caller)).collect();
    all_durable(&caller, &tickets, "lost answers");
    between.calm();
    println!("fault: connections are cut");
    between.requests(vec![RequestRule(sometimes(0.05), RequestReaction::drop_connection())]);
    for _ in 0..6 {
        all_durable(&caller, &talk.round(&caller), "cut connections");
    }
    between.calm();
    caller.store.close();
    assert!(caller.inbox.look(|heard| heard.fatal.is_empty()));
    talk.assert_there(&settings);
}

#[test]
fn a_cluster_that_is_away_is_told_and_what_was_accepted_is_kept() {
    let Some((settings, mut between, caller)) = behind_a_proxy("away") else { return };
    let mut talk = Talk::new(3);
    all_durable(&caller, &talk.round(&caller), "no fault");
    assert_eq!(caller.store.condition(), Condition::Writable);
    between.requests(vec![RequestRule(When::True, RequestReaction::drop_frame())]);
    let tickets = talk.round(&caller);
    wait_for(&caller, Condition::Unwritable(Why::ClusterAway));
    // Longer than the lease: nobody else wants the store, so it is still its own afterwards.
    std::thread::sleep(Duration::from_secs(6));
    assert!(caller.inbox.look(|heard| tickets.iter().all(|ticket| !heard.done.contains_key(ticket))));
    between.calm();
    all_durable(&caller, &tickets, "it is over");
    wait_for(&caller, Condition::Writable);
    caller.store.close();
    talk.assert_there(&settings);
}

#[test]
fn one_conversation_that_is_stuck_holds_up_no_other() {
    let Some((settings, mut between, caller)) = behind_a_proxy("stuck") else { return };
    let mut talk = Talk::with_a_marked_one(3);
    all_durable(&caller, &talk.round(&caller), "no fault");
    between.lose(&talk.conversations[0]);
    let mut stuck = Vec::new();
    for _ in 0..10 {
        let tickets = talk.round(&caller);
        stuck.push(tickets[0]);
        all_durable(&caller, &tickets[1..], "another one is stuck");
    }
    assert!(caller.inbox.look(|heard| stuck.iter().all(|ticket| !heard.done.contains_key(ticket))));
    between.calm();
    all_durable(&caller, &stuck, "it is over");
    caller.store.close();
    talk.assert_there(&settings);
}

#[test]
fn a_full_queue_takes_no_more_says_so_and_loses_nothing_it_took() {
    let Some((settings, mut between, caller)) = behind_a_proxy("full") else { return };
    let mut talk = Talk::with_a_marked_one(1);
    all_durable(&caller, &talk.round(&caller), "no fault");
    // Signs of life pass: the cluster is there, and one conversation is stuck.
    between.lose(&talk.conversations[0]);
    let tickets: Vec<_> = (0..STORE_WRITE_QUEUE_OPS).flat_map(|_| talk.round(&caller)).collect();
    let mut one_more = talk.conversations[0].clone();
    let (write, _) = samples::append(&mut one_more, 1_000_000, Side::Customer, None);
    let refused = caller.store.submit(Ticket { shard: 0, number: 1_000_000 }, Op::Write(write));
    assert!(refused.is_err(), "it takes as many as it promises and no more");
    wait_for(&caller, Condition::Unwritable(Why::Behind));
    between.calm();
    all_durable(&caller, &tickets, "it is over");
    wait_for(&caller, Condition::Writable);
    caller.store.close();
    talk.assert_there(&settings);
}

#[test]
fn an_owner_that_is_cut_off_loses_the_store_and_has_told_nothing() {
    let Some(cluster) = TrialCluster::shared() else { return };
    let settings = ScyllaSettings { lease: Duration::from_secs(2), ..cluster::keyspace(cluster, "cut_off") };
    let mut between = Between::new(&settings);
    let stale = opened(ScyllaSettings { instance: "stale".into(), ..between.settings(&settings) });
    let mut talk = Talk::new(2);
    all_durable(&stale, &talk.round(&stale), "no fault");
    let hasty =
        ScyllaSettings { instance: "other".into(), start_timeout: Duration::from_millis(1500), ..settings.clone() };
    let refused = open_scylla(hasty.clone(), Arc::new(switchboard_storage::conformance::Inbox::default()));
    assert!(matches!(refused, Err(StoreError::Owned { by }) if by.starts_with("stale")), "while the first one lives");
    between.requests(vec![RequestRule(When::True, RequestReaction::drop_frame())]);
    let mut lost = Talk { conversations: talk.conversations.clone(), messages: Vec::new(), next: 500 };
    let tickets = lost.round(&stale);
    let began = Instant::now();
    let owner = opened(ScyllaSettings { start_timeout: Duration::from_secs(20), ..hasty });
    assert!(began.elapsed() >= Duration::from_secs(2), "not before the lease is over");
    all_durable(&owner, &talk.round(&owner), "no fault");
    between.calm();
    stale.inbox.wait(|heard| matches!(heard.fatal[..], [StoreError::OwnershipLost]).then_some(()));
    assert!(stale.inbox.look(|heard| tickets.iter().all(|ticket| !heard.done.contains_key(ticket))));
    stale.store.close();
    all_durable(&owner, &talk.round(&owner), "no fault");
    owner.store.close();
    talk.assert_there(&settings);
}

/// Three nodes: one may die and come back under load; with two of three dead nothing is confirmed.
#[test]
fn a_quorum_is_enough_and_less_is_not() {
    const NAME: &str = "faults3";
    let began = Instant::now();
    let Some(cluster) = TrialCluster::start(NAME, &["--nodes", "3"]) else { return };
    println!("three nodes after {:?}", began.elapsed());
    let settings = cluster::keyspace(&cluster, "three");
    let caller = opened(ScyllaSettings { request_timeout: Duration::from_secs(1), ..settings.clone() });
    let mut talk = Talk::new(8);
    let rounds = |talk: &mut Talk, count: u32| {
        let mut slowest = Duration::ZERO;
        for _ in 0..count {
            let began = Instant::now();
            all_durable(&caller, &talk.round(&caller), "a quorum is there");
            slowest = slowest.max(began.elapsed());
        }
        slowest
    };
    rounds(&mut talk, 20);
    TrialCluster::control(NAME, &["kill", "--node", "2"]);
    let dead = rounds(&mut talk, 40);
    TrialCluster::control(NAME, &["start-node", "--node", "2"]);
    let back = rounds(&mut talk, 20);
    println!("one of three dies: the slowest round took {dead:?}; comes back: {back:?}");
    TrialCluster::control(NAME, &["kill", "--node", "2"]);
    TrialCluster::control(NAME, &["kill", "--node", "3"]);
    let tickets = talk.round(&caller);
    wait_for(&caller, Condition::Unwritable(Why::ClusterAway));
    std::thread::sleep(Duration::from_secs(2));
    assert!(caller.inbox.look(|heard| tickets.iter().all(|ticket| !heard.done.contains_key(ticket))));
    TrialCluster::control(NAME, &["start-node", "--node", "2"]);
    all_durable(&caller, &tickets, "it is over");
    TrialCluster::control(NAME, &["start-node", "--node", "3"]);
    rounds(&mut talk, 20);
    caller.store.close();
    assert!(caller.inbox.look(|heard| heard.fatal.is_empty()));
    talk.assert_there(&settings);
    TrialCluster::control(NAME, &["stop", "--purge"]);
}
