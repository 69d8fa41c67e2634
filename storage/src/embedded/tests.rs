//! The engine from the inside: crashes between its steps, and damage to its files.

use std::fs;
use std::path::PathBuf;

use switchboard_protocol::model::limits::{
    STORE_GROUP_WRITES, STORE_JOURNAL_SEGMENT_BYTES, STORE_JOURNAL_SEGMENTS, STORE_MEMTABLE_MAX_BYTES,
};
use switchboard_protocol::model::{Conversation, Message, Seq, Side, Timestamp, TokenHash, Written};

use super::*;
use crate::conformance::samples;

/// A store that is written to, and what it acknowledged.
struct Told {
    dir: tempfile::TempDir,
    conversation: Conversation,
    messages: Vec<Message>,
}

impl Told {
    fn new() -> Self {
        let conversation = samples::conversation(1, samples::user(1));
        Self { dir: tempfile::tempdir().unwrap(), conversation, messages: Vec::new() }
    }

    fn open(&self) -> Embedded {
        Embedded::open(self.dir.path()).unwrap()
    }

    /// So many more messages of so many bytes each.
    fn writes(&mut self, count: usize, content_bytes: usize) -> Vec<Write> {
        let mut writes = Vec::with_capacity(count);
        for _ in 0..count {
            let id = self.messages.len() as u64 + 1;
            let (mut write, mut message) = samples::append(&mut self.conversation, id, Side::Customer, None);
            message.body.content = char::from(b'a' + (id % 26) as u8).to_string().repeat(content_bytes);
            if let Write::Append { message: written, .. } = &mut write {
                written.body = message.body.clone();
            }
            self.messages.push(message);
            writes.push(write);
        }
        writes
    }

    fn commit(&mut self, engine: &Embedded, count: usize, content_bytes: usize) {
        let writes = self.writes(count, content_bytes);
        engine.commit(&writes).unwrap();
    }

    /// All that was acknowledged is there, in order, and its header.
    fn check(&self, engine: &Embedded) {
        for page in self.messages.chunks(50) {
            let (from, to) = (page[0].seq, page[page.len() - 1].seq);
            let found = engine.read(&Read::History { conversation: self.conversation.id, from, to }).unwrap();
            assert!(found == Found::History(page.to_vec()), "messages {from:?} to {to:?}");
        }
        let header = engine.read(&Read::Conversation(self.conversation.id)).unwrap();
        let expected = (!self.messages.is_empty()).then(|| Box::new(self.conversation.clone()));
        assert_eq!(header, Found::Conversation(expected));
    }

    fn journal(&self, name: &str) -> PathBuf {
        self.dir.path().join("group-journal").join(name)
    }

    fn damage(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(path).unwrap();
        change(&mut bytes);
        fs::write(path, bytes).unwrap();
    }

    fn refusal(&self) -> String {
        match Embedded::open(self.dir.path()) {
            Ok(_) => panic!("it opens"),
            Err(error @ StoreError::Corrupt { .. }) => error.to_string(),
            Err(error) => panic!("{error}"),
        }
    }

    /// The tables' own journal as a loss of power may leave it: nothing sure of what was not synced.
    fn lose_what_is_not_synced(&self) {
        drop(journal::find(self.dir.path()).unwrap().expect("there is a journal, and it cuts what was not synced"));
        Self::damage(&self.newest_jnl(), |bytes| bytes.extend([[2; 40], [0xff; 40], [3; 40]].concat()));
    }

    fn newest_jnl(&self) -> PathBuf {
        let files = fs::read_dir(self.dir.path()).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|extension| extension == "jnl")).max().unwrap()
    }
}

/// Ends a store as a crash does: no checkpoint says that it was closed.
fn crash(mut engine: Embedded) {
    let (applier, recycler) = engine.threads.take().expect("it runs");
    engine.pending.close();
    applier.join().unwrap();
    engine.durable.close();
    recycler.close(None).unwrap();
}

/// The crash comes after the journal's sync, before the tables have the group.
#[test]
fn a_group_that_is_only_in_the_journal_is_replayed() {
    let mut told = Told::new();
    for _ in 0..3 {
        let opened = Opened::open(told.dir.path()).unwrap();
        let (mut journal, recycler, durable) = opened.journal.start(opened.last_group, opened.log).unwrap();
        let pending = Arc::new(Pending::new(opened.last_group, durable.clone()));
        let mut group = Group::new(opened.spaces.clone(), pending);
        for write in told.writes(5, 100) {
            group.stage(&write).unwrap();
            journal.append(pending::listed(&group.take().expect("something is staged"))).unwrap();
        }
        durable.close();
        recycler.close(None).unwrap();
    }
    told.check(&told.open());
    told.check(&told.open());
}

#[test]
fn what_was_acknowledged_is_there_after_crashes_in_a_row() {
    let mut told = Told::new();
    for round in 0..4 {
        let engine = told.open();
        told.check(&engine);
        for count in [1, 7, 128, 3] {
            told.commit(&engine, count, 500 * round);
        }
        crash(engine);
        told.lose_what_is_not_synced();
    }
    told.check(&told.open());
}

/// More than the ring holds and more than stays in memory: segments are recycled, tables are ahead of what is cut.
#[test]
fn the_ring_is_recycled_and_nothing_of_it_is_missed() {
    let mut told = Told::new();
    let engine = told.open();
    let content_bytes = 20_000;
    let ring_bytes = STORE_JOURNAL_SEGMENTS * STORE_JOURNAL_SEGMENT_BYTES;
    assert!(ring_bytes as u64 >= STORE_MEMTABLE_MAX_BYTES);
    for _ in 0..2 * ring_bytes / (50 * content_bytes) {
        told.commit(&engine, 50, content_bytes);
    }
    crash(engine);
    told.lose_what_is_not_synced();
    told.check(&told.open());
}

#[test]
fn a_group_that_fits_no_segment_has_a_file_of_its_own_until_it_is_durable() {
    let mut told = Told::new();
    let engine = told.open();
    told.commit(&engine, 3, 10);
    let large = |told: &Told| -> usize {
        let entries = fs::read_dir(told.journal("")).unwrap();
        entries.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("large-")).count()
    };
    told.commit(&engine, STORE_GROUP_WRITES, 64 * 1024);
    told.commit(&engine, STORE_GROUP_WRITES, 64 * 1024);
    told.commit(&engine, 3, 10);
    assert!(large(&told) <= 1, "the second waits for the first");
    told.check(&engine);
    crash(engine);
    told.lose_what_is_not_synced();
    told.check(&told.open());
    assert_eq!(large(&told), 0);
}

#[test]
fn damage_to_a_synced_group_is_told_at_the_start() {
    let mut told = Told::new();
    let engine = told.open();
    for _ in 0..5 {
        told.commit(&engine, 1, 10);
    }
    crash(engine);
    let path = told.journal("0.log");
    Told::damage(&path, |bytes| bytes[2 * 4096 + 50] ^= 1);
    let refusal = told.refusal();
    assert!(refusal.contains("0.log at byte 8192: group 3 is missing or damaged"), "{refusal}");
    Told::damage(&path, |bytes| bytes[2 * 4096 + 50] ^= 1);
    // The last one is not told from one whose writing was cut short.
    Told::damage(&path, |bytes| bytes[4 * 4096 + 50] ^= 1);
    let engine = told.open();
    let last = told.messages[4].seq;
    let found =
        engine.read(&Read::History { conversation: told.conversation.id, from: Seq::new(1), to: last }).unwrap();
    assert_eq!(found, Found::History(told.messages[..4].to_vec()));
}

/// Some bytes of a journal, whichever: turned over, zeroed or cut off. The start tells the file, or all that was
/// acknowledged is there but for the last group, which is not told from one whose writing was cut short.
#[test]
fn damage_anywhere_is_told_or_costs_nothing() {
    let mut told = Told::new();
    // Its second start: a part of the tables' journal is relied on, a part is cut.
    let engine = told.open();
    told.commit(&engine, 30, 100);
    drop(engine);
    let engine = told.open();
    for group in 0..60 {
        told.commit(&engine, 1 + group % 3, 10 + 400 * (group % 11));
    }
    let last_group = 1 + 59 % 3;
    crash(engine);
    let kept: Vec<(PathBuf, Vec<u8>)> = {
        drop(journal::find(told.dir.path()).unwrap());
        let files = [told.newest_jnl(), told.journal("0.log"), told.journal("1.log"), told.journal("checkpoint")];
        files.map(|path| (path.clone(), fs::read(&path).unwrap())).into()
    };
    let (all, mut refused, mut opened) = (told.messages.clone(), 0, 0);
    let mut state = 0x5eed_u64;
    for round in 0..60 {
        let dir = copy_of(told.dir.path());
        let chance = |state: &mut u64, below: usize| {
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(*state >> 33).unwrap() % below
        };
        let (path, bytes) = &kept[chance(&mut state, 8).min(4) % 4];
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1);
        let (mut bytes, at) = (bytes.clone(), chance(&mut state, used));
        match chance(&mut state, 6) {
            0 => bytes.truncate(at),
            1 => bytes[at..].iter_mut().take(4096).for_each(|byte| *byte = 0),
            _ => bytes[at] ^= 1_u8 << chance(&mut state, 8),
        }
        let place = format!("round {round}: {} at {at}", path.display());
        let jnl = path.extension().is_some_and(|extension| extension == "jnl");
        let name = path.file_name().unwrap().to_str().unwrap();
        fs::write(dir.path().join(path.strip_prefix(told.dir.path()).unwrap()), bytes).unwrap();
        match Embedded::open(dir.path()) {
            Err(StoreError::Corrupt { what }) => {
                assert!(
                    what.contains(name) || what.contains("is missing or damaged") || jnl && what.contains(".jnl"),
                    "{place}: {what}"
                );
                refused += 1;
            }
            Err(error) => panic!("{place}: {error}"),
            Ok(engine) => {
                let header = engine.read(&Read::Conversation(told.conversation.id)).unwrap();
                let Found::Conversation(Some(header)) = header else { panic!("{place}: {header:?}") };
                let there = usize::try_from(header.last_seq.get()).unwrap();
                assert!(there == all.len() || there == all.len() - last_group, "{place}: {there} of {}", all.len());
                told.messages = all[..there].to_vec();
                told.conversation.clone_from(&header);
                told.check(&engine);
                opened += 1;
            }
        }
    }
    assert!(refused > 15 && opened > 10, "{refused} refused, {opened} opened: the test does not do what it is for");
}

fn copy_of(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let copied =
        std::process::Command::new("cp").args(["-a", "--sparse=always", "-T"]).args([dir, copy.path()]).status();
    assert!(copied.unwrap().success());
    copy
}

#[test]
fn missing_and_shortened_files_are_told_at_the_start() {
    let mut told = Told::new();
    let engine = told.open();
    told.commit(&engine, 3, 10);
    drop(engine);
    for (name, damage, said) in [
        ("1.log", None, "1.log is missing"),
        ("2.log", Some(100), "2.log has 100 bytes instead of"),
        ("checkpoint", Some(100), "checkpoint is damaged"),
    ] {
        let path = told.journal(name);
        let bytes = fs::read(&path).unwrap();
        match damage {
            None => fs::remove_file(&path).unwrap(),
            Some(kept) => fs::write(&path, &bytes[..kept]).unwrap(),
        }
        let refusal = told.refusal();
        assert!(refusal.contains(said), "{refusal}");
        fs::write(&path, bytes).unwrap();
    }
    let (folder, aside) = (told.journal(""), told.dir.path().join("aside"));
    fs::rename(&folder, &aside).unwrap();
    assert!(told.refusal().contains("the journal of"), "a folder that was there is not made anew");
    fs::rename(&aside, &folder).unwrap();
    told.check(&told.open());
}

/// fjall itself would open without what is behind the damage.
#[test]
fn damage_to_the_synced_part_of_the_tables_journal_is_told_at_the_start() {
    let mut told = Told::new();
    let engine = told.open();
    told.commit(&engine, 20, 10);
    drop(engine);
    // Its second start: the checkpoint says up to where the journal is good.
    crash(told.open());
    Told::damage(&told.newest_jnl(), |bytes| bytes[0] = 9);
    let refusal = told.refusal();
    assert!(refusal.contains("bytes only"), "{refusal}");
    assert!(told.refusal().contains("bytes only"), "nor does it open the second time");
}

#[test]
fn a_data_directory_of_the_version_before_opens() {
    let dir = tempfile::tempdir().unwrap();
    let spaces = Spaces::open(dir.path()).unwrap();
    let mut bytes = Vec::new();
    crate::record::write_agent(None, &mut bytes);
    spaces.directory.insert(keys::agent(samples::agent_id(3)), &bytes).unwrap();
    spaces.sync().unwrap();
    drop(spaces);
    fs::create_dir(dir.path().join("group-journal.new")).unwrap();
    for _ in 0..2 {
        let engine = Embedded::open(dir.path()).unwrap();
        let agents = engine.read(&Read::Agents { after: None, limit: 9 }).unwrap();
        assert_eq!(agents, Found::Agents(vec![(samples::agent_id(3), None)]));
        crash(engine);
    }
}

#[test]
fn a_failure_behind_the_journal_is_fatal_to_the_next_write() {
    let mut told = Told::new();
    let engine = told.open();
    told.commit(&engine, 1, 10);
    engine.durable.fail("the disk is gone");
    let writes = told.writes(1, 10);
    let error = engine.commit(&writes).unwrap_err();
    assert!(error.is_fatal() && error.to_string().contains("the disk is gone"), "{error}");
}

/// A damaged record costs those who ask for it, not the group it is asked in.
#[test]
fn a_damaged_record_fails_its_own_operation_only() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Embedded::open(dir.path()).unwrap();
    let mut conversation = samples::conversation(1, samples::user(1));
    let mut append = |id| samples::append(&mut conversation, id, Side::Agent, None);
    let ((first, message), (second, _)) = (append(1), append(2));
    engine.commit(&[first]).unwrap();
    engine.pending.wait_applied().unwrap();
    engine
        .spaces
        .messages
        .insert(keys::message(message.conversation, message.seq), [crate::record::VERSION, 1, 2])
        .unwrap();

    let mark = Write::MarkRead {
        conversation: samples::conversation(1, samples::user(2)),
        messages: vec![message.id],
        of: Side::Agent,
        at: Timestamp::from_millis(1),
    };
    let outcomes = engine.commit(&[mark, second]).unwrap();
    assert!(matches!(outcomes[..], [Err(StoreError::Corrupt { .. }), Ok(Written::Durable)]), "{outcomes:?}");
    let header = engine.read(&Read::Conversation(message.conversation)).unwrap();
    assert_eq!(header, Found::Conversation(Some(Box::new(conversation))), "the failed one changed nothing");
    let history = Read::History { conversation: message.conversation, from: message.seq, to: message.seq };
    assert!(matches!(engine.read(&history), Err(StoreError::Corrupt { .. })));
}

/// Nobody can show a token whose record is damaged: it goes like any other, and the sweep behind it goes on.
#[test]
fn a_damaged_token_is_removed_with_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Embedded::open(dir.path()).unwrap();
    let token = |byte| (TokenHash([byte; 32]), Timestamp::from_millis(byte.into()));
    let save = |(hash, expires_at)| Write::SaveToken { hash, bearer: samples::user(1), expires_at };
    engine.commit(&[save(token(1)), save(token(2))]).unwrap();
    engine.pending.wait_applied().unwrap();
    let key = [b"k".as_slice(), &[1; 32]].concat();
    assert!(engine.spaces.customers.get(&key).unwrap().is_some(), "the test damages what is there");
    engine.spaces.customers.insert(&key, [0xff, 1, 2]).unwrap();
    assert!(matches!(engine.read(&Read::Token(token(1).0)), Err(StoreError::Corrupt { .. })));

    let expired = Read::ExpiredTokens { before: Timestamp::from_millis(9), limit: 9 };
    assert_eq!(engine.read(&expired).unwrap(), Found::ExpiredTokens(vec![token(1), token(2)]));
    let outcomes = engine.commit(&[Write::RemoveTokens(vec![token(1), token(2)])]).unwrap();
    assert!(matches!(outcomes[..], [Ok(Written::Durable)]), "{outcomes:?}");
    assert_eq!(engine.read(&expired).unwrap(), Found::ExpiredTokens(vec![]));
    for token in [token(1), token(2)] {
        assert_eq!(engine.read(&Read::Token(token.0)).unwrap(), Found::Token(None));
    }
}
