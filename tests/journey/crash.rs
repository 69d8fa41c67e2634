//! kill -9: users and agents talk while the process is killed at random moments and restarted. Afterwards
//! what they were told is compared with what is there (issue 3, "Kill -9").
//!
//! `SWITCHBOARD_CRASH_CYCLES` (30), `SWITCHBOARD_CRASH_SEED` and `SWITCHBOARD_CRASH_ROUND` (100: cycles on one data
//! directory, before it is compared and a new one begins) change the run; `ops/crash` sets them.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::operations::free_low_port;
use crate::harness::{Lost, Peer, Rng, Server, Setup, rest};

const USERS: u64 = 20;
const AGENTS: u64 = 4;
/// Users from here on end their conversation now and then.
const ENDERS_FROM: u64 = 115;

/// What one party was told, and what it tried.
#[derive(Default)]
struct Diary {
    /// Acknowledged sends: conversation, message id, content; in the order of the answers.
    told: Vec<(u64, u64, String)>,
    /// Pushes: conversation, message id, content.
    heard: Vec<(u64, u64, String)>,
    /// Everything it ever sent, acknowledged or not.
    tried: HashSet<String>,
    /// Sends that were refused for good (the conversation had ended).
    refused: Vec<String>,
    /// Conversations whose end was acknowledged.
    ended: Vec<u64>,
    /// Faults seen on the way.
    faults: Vec<String>,
}

/// What the clients share.
struct Stage {
    address: Mutex<Option<SocketAddr>>,
    over: AtomicBool,
    retries: AtomicU64,
    logins: AtomicU64,
}

/// What one data directory went through.
#[derive(Default)]
struct Tally {
    kills: u64,
    slowest_start: Duration,
    acknowledged: usize,
    heard: usize,
    retries: u64,
    logins: u64,
    stored: usize,
    conversations: usize,
}

#[test]
fn kill_nine_loses_nothing() {
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let cycles = number("SWITCHBOARD_CRASH_CYCLES", 30);
    let seed = number("SWITCHBOARD_CRASH_SEED", 0x5eed);
    // The default is two directories, one for each number of shards.
    let round = number("SWITCHBOARD_CRASH_ROUND", 15).max(1);
    let began = Instant::now();
    let mut total = Tally::default();
    let (mut done, mut shards) = (0, 1);
    while done < cycles {
        let now = round.min(cycles - done);
        let tally = one_directory(shards, seed.wrapping_add(done), now);
        shards = 3 - shards;
        done += now;
        total.add(&tally);
        if cycles > round {
            println!("crash: {done} of {cycles} cycles, {} messages so far, all there", total.stored);
        }
    }
    println!(
        "crash: seed {seed}, {cycles} cycles ({} kills) in {:.0} s: {} messages acknowledged, {} pushes heard, {} sends \
         retried, {} logins; {} messages stored in {} conversations: none missing, none twice, order and counters kept; \
         slowest start {:.2} s",
        total.kills,
        began.elapsed().as_secs_f64(),
        total.acknowledged,
        total.heard,
        total.retries,
        total.logins,
        total.stored,
        total.conversations,
        total.slowest_start.as_secs_f64(),
    );
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.kills += other.kills;
        self.slowest_start = self.slowest_start.max(other.slowest_start);
        self.acknowledged += other.acknowledged;
        self.heard += other.heard;
        self.retries += other.retries;
        self.logins += other.logins;
        self.stored += other.stored;
        self.conversations += other.conversations;
    }
}

/// Torments one data directory, served by so many shards, and looks at what is in it afterwards.
fn one_directory(shards: u16, seed: u64, cycles: u64) -> Tally {
    let listen = format!("127.0.0.1:{}", free_low_port());
    let mut server = Setup::shards(shards).flag("--agent-grace", "3600s").listen(&listen).start();
    for agent in 1..=AGENTS {
        server.make_agent(agent, json!({"max_concurrent": 1000}));
    }
    let stage = Arc::new(Stage {
        address: Mutex::new(Some(server.address)),
        over: AtomicBool::new(false),
        retries: AtomicU64::new(0),
        logins: AtomicU64::new(0),
    });
    let mut clients = Vec::new();
    for (role, id) in (1..=AGENTS).map(|id| ("agent", id)).chain((100..100 + USERS).map(|id| ("user", id))) {
        let client = Client {
            role,
            id,
            token: server.token(role, id),
            stage: Arc::clone(&stage),
            rng: Rng::new(seed ^ (id << 20)),
            diary: Diary::default(),
            sent: 0,
        };
        clients.push((role, id, std::thread::spawn(move || client.live())));
    }
    let mut tally = torment(&mut server, &stage, cycles, &mut Rng::new(seed));
    stage.over.store(true, Ordering::SeqCst);
    let diaries: Vec<_> =
        clients.into_iter().map(|(role, id, client)| (role, id, client.join().expect("a client's thread"))).collect();
    (tally.stored, tally.conversations) = verify(&server, &diaries);
    tally.acknowledged = diaries.iter().map(|(.., diary)| diary.told.len()).sum();
    tally.heard = diaries.iter().map(|(.., diary)| diary.heard.len()).sum();
    tally.retries = stage.retries.load(Ordering::SeqCst);
    tally.logins = stage.logins.load(Ordering::SeqCst);
    assert!(
        diaries.iter().all(|(role, _, diary)| *role == "agent" || !diary.told.is_empty()),
        "somebody never got through"
    );
    reads_survive_too(&mut server);
    tally
}

/// Kills and restarts at random moments, sometimes while it is still starting.
fn torment(server: &mut Server, stage: &Stage, cycles: u64, rng: &mut Rng) -> Tally {
    let mut tally = Tally::default();
    for _ in 0..cycles {
        std::thread::sleep(Duration::from_millis(rng.range(20, 1000)));
        *stage.address.lock().unwrap() = None;
        server.kill();
        tally.kills += 1;
        if rng.one_in(6) {
            let _listening = server.spawn();
            std::thread::sleep(Duration::from_millis(rng.range(0, 150)));
            server.kill();
            tally.kills += 1;
        }
        let started = Instant::now();
        server.restart();
        tally.slowest_start = tally.slowest_start.max(started.elapsed());
        *stage.address.lock().unwrap() = Some(server.address);
    }
    // Let everybody finish what it began.
    std::thread::sleep(Duration::from_millis(500));
    tally
}

struct Client {
    role: &'static str,
    id: u64,
    token: String,
    stage: Arc<Stage>,
    rng: Rng,
    diary: Diary,
    sent: u64,
}

/// A send that is not answered yet: it is repeated until it is.
struct Pending {
    conversation: u64,
    content: String,
    tries: u64,
}

impl Client {
    fn live(mut self) -> Diary {
        let mut pending = None;
        while !self.stage.over.load(Ordering::SeqCst) || pending.is_some() {
            if let Err(lost) = self.session(&mut pending) {
                if lost == Lost::Silent {
                    self.diary.faults.push(format!("{} {}: not answered in time", self.role, self.id));
                    return self.diary;
                }
                std::thread::sleep(Duration::from_millis(self.rng.range(1, 30)));
            }
        }
        self.diary
    }

    /// One connection's life: ends with `Err` when it breaks.
    fn session(&mut self, pending: &mut Option<Pending>) -> Result<(), Lost> {
        let address = *self.stage.address.lock().unwrap();
        let Some(address) = address else { return Err(Lost::Broken("the server is down".to_owned())) };
        let mut peer = Peer::connect(address, "/ws", &format!("{} {}", self.role, self.id))?;
        let answer = peer.try_call("login", json!({"token": self.token}))?;
        self.expect(answer["success"] == true, || format!("login: {answer}"));
        self.stage.logins.fetch_add(1, Ordering::SeqCst);
        if let Some(again) = pending {
            self.stage.retries.fetch_add(1, Ordering::SeqCst);
            self.attempt(&mut peer, again)?;
            *pending = None;
        }
        if self.role == "user" { self.talk(&mut peer, address, pending) } else { self.answer(&mut peer, pending) }
    }

    fn talk(&mut self, peer: &mut Peer, address: SocketAddr, pending: &mut Option<Pending>) -> Result<(), Lost> {
        let mut conversation = self.open(address)?;
        while !self.stage.over.load(Ordering::SeqCst) {
            if self.id >= ENDERS_FROM && self.rng.one_in(40) {
                let answer = peer.try_call("kefu_message_end", json!({"conversation_id": conversation}))?;
                self.expect(answer["success"] == true, || format!("end: {answer}"));
                self.diary.ended.push(conversation);
                conversation = self.open(address)?;
            }
            self.send(peer, conversation, pending)?;
            let pause = self.rng.range(5, 50);
            self.listen(peer, Duration::from_millis(pause), |_| None::<()>)?;
        }
        Ok(())
    }

    fn answer(&mut self, peer: &mut Peer, pending: &mut Option<Pending>) -> Result<(), Lost> {
        while !self.stage.over.load(Ordering::SeqCst) {
            let question =
                |push: &Value| (push["sender_type"] == 1).then(|| push["conversation_id"].as_u64()).flatten();
            let asked = self.listen(peer, Duration::from_millis(50), question)?;
            if let Some(conversation) = asked.filter(|_| self.rng.one_in(3)) {
                self.send(peer, conversation, pending)?;
            }
        }
        Ok(())
    }

    /// Hears pushes for a while, or until one is of interest.
    fn listen<T>(
        &mut self,
        peer: &mut Peer,
        wait: Duration,
        of_interest: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<T>, Lost> {
        let until = Instant::now() + wait;
        loop {
            let push = match peer.try_push(until.saturating_duration_since(Instant::now())) {
                Ok(push) => push,
                Err(Lost::Silent) => return Ok(None),
                Err(lost) => return Err(lost),
            };
            if push["action"] != "kefu_message" {
                continue;
            }
            let number = |name: &str| push[name].as_u64().expect("a push has ids");
            let content = push["content"].as_str().expect("a text").to_owned();
            self.diary.heard.push((number("conversation_id"), number("message_id"), content));
            if let Some(found) = of_interest(&push) {
                return Ok(Some(found));
            }
        }
    }

    fn open(&mut self, address: SocketAddr) -> Result<u64, Lost> {
        let reply = rest::try_request(address, "GET", "/api/kefu/message/getConversation", Some(&self.token), None);
        let reply = reply.map_err(Lost::Broken)?;
        let id = reply.json()["data"]["id"].as_u64();
        id.ok_or_else(|| Lost::Broken(format!("getConversation: {}", reply.text())))
    }

    fn send(&mut self, peer: &mut Peer, conversation: u64, pending: &mut Option<Pending>) -> Result<(), Lost> {
        self.sent += 1;
        let content = format!("{} {} #{}", self.role, self.id, self.sent);
        self.diary.tried.insert(content.clone());
        let mut next = Pending { conversation, content, tries: 0 };
        let outcome = self.attempt(peer, &mut next);
        if outcome.is_err() {
            *pending = Some(next);
        }
        outcome
    }

    /// One try; `Err` if the connection broke before the answer.
    fn attempt(&mut self, peer: &mut Peer, send: &mut Pending) -> Result<(), Lost> {
        send.tries += 1;
        let mut data = json!({
            "conversation_id": send.conversation, "content": send.content, "client_msg_id": send.content
        });
        if self.role == "agent" {
            data["sender_type"] = json!(2);
        }
        let answer = peer.try_call("kefu_message_send", data)?;
        if let (true, Some(id)) = (answer["success"] == true, answer["data"]["message_id"].as_u64()) {
            self.diary.told.push((send.conversation, id, send.content.clone()));
            return Ok(());
        }
        // Only the user's own end explains a refusal of an agent's send.
        self.expect(self.role == "agent", || format!("a send was refused: {answer}"));
        self.diary.refused.push(send.content.clone());
        Ok(())
    }

    fn expect(&mut self, good: bool, fault: impl FnOnce() -> String) {
        if !good {
            self.diary.faults.push(format!("{} {}: {}", self.role, self.id, fault()));
        }
    }
}

/// Compares what everybody was told with what is there; the numbers of messages and conversations.
fn verify(server: &Server, diaries: &[(&str, u64, Diary)]) -> (usize, usize) {
    let faults: Vec<&String> = diaries.iter().flat_map(|(.., diary)| &diary.faults).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    let tried: HashSet<&String> = diaries.iter().flat_map(|(.., diary)| &diary.tried).collect();
    let refused: HashSet<&String> = diaries.iter().flat_map(|(.., diary)| &diary.refused).collect();
    let mut stored: HashMap<u64, (u64, String)> = HashMap::new();
    let mut contents = HashSet::new();
    let mut conversations = 0;
    for (_, user, diary) in diaries.iter().filter(|(role, ..)| *role == "user") {
        let mut ids: Vec<u64> = diary.told.iter().chain(&diary.heard).map(|(conversation, ..)| *conversation).collect();
        ids.extend(&diary.ended);
        let open = server.conversation(*user);
        ids.push(open["id"].as_u64().unwrap());
        ids.sort_unstable();
        ids.dedup();
        conversations += ids.len();
        for id in ids {
            let messages = server.whole_list(("user", *user), id);
            check_order(server, *user, id, &messages);
            for message in &messages {
                let content = message["content"].as_str().unwrap().to_owned();
                assert!(tried.contains(&content), "nobody sent {content}");
                assert!(!refused.contains(&content), "refused and stored: {content}");
                assert!(contents.insert(content.clone()), "stored twice: {content}");
                stored.insert(message["id"].as_u64().unwrap(), (id, content));
            }
            if open["id"] == id {
                let of = |side: u64| messages.iter().filter(|message| message["sender_type"] == side).count() as u64;
                assert_eq!(open["unread_count"], of(2), "unread by user {user}");
                assert_eq!(open["kefu_unread_count"], of(1), "unread by the agent of user {user}");
            }
        }
    }
    for (role, id, diary) in diaries {
        for (what, list) in [("acknowledged", &diary.told), ("pushed", &diary.heard)] {
            for (conversation, message, content) in list {
                let found = stored.get(message);
                assert_eq!(found, Some(&(*conversation, content.clone())), "{what} to {role} {id}: message {message}");
            }
        }
    }
    (stored.len(), conversations)
}

/// Ids ascend, each sender's messages stand in the order it sent them, and `seq` is dense from 1 and says
/// the same as the list.
fn check_order(server: &Server, user: u64, conversation: u64, messages: &[Value]) {
    let ids: Vec<u64> = messages.iter().map(|message| message["id"].as_u64().unwrap()).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "conversation {conversation}: ids {ids:?}");
    let mut last: HashMap<String, u64> = HashMap::new();
    for message in messages {
        let (sender, number) = message["content"].as_str().unwrap().split_once('#').expect("ours");
        let number: u64 = number.parse().expect("a number");
        let before = last.insert(sender.to_owned(), number);
        assert!(before < Some(number), "{sender}: {number} after {before:?}");
    }
    let mut peer = server.login("user", user);
    let (mut after, mut synced) = (0, Vec::new());
    loop {
        let data = json!({"conversation_id": conversation, "after_seq": after, "limit": 100});
        let data = peer.ok("kefu_message_sync", data);
        for message in data["messages"].as_array().unwrap() {
            synced.push(message["id"].as_u64().unwrap());
            assert_eq!(message["seq"], synced.len() as u64, "seq is dense");
        }
        after = data["next_seq"].as_u64().unwrap();
        if data["complete"] == true {
            break;
        }
    }
    assert_eq!(synced, ids, "resuming from 0 brings what the list has");
}

/// Read marks and counters that were acknowledged survive a kill as well.
fn reads_survive_too(server: &mut Server) {
    let user = 100;
    let conversation = server.conversation_id(user);
    let theirs: Vec<u64> = server
        .whole_list(("user", user), conversation)
        .iter()
        .filter(|message| message["sender_type"] == 2)
        .map(|message| message["id"].as_u64().unwrap())
        .collect();
    let mut peer = server.login("user", user);
    for some in theirs.chunks(500) {
        let read = json!({"conversation_id": conversation, "message_ids": some, "sender_type": 2});
        assert_eq!(peer.ok("kefu_message_read", read)["updated_count"], some.len() as u64);
    }
    server.kill();
    server.restart();
    if !theirs.is_empty() {
        assert_eq!(server.conversation(user)["unread_count"], 0);
    }
    for message in server.whole_list(("user", user), conversation) {
        assert_eq!(message["is_read"], u64::from(message["sender_type"] == 2), "{message}");
    }
}
