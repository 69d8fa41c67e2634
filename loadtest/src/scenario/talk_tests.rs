//! Accounts of conversations, kept by hand: no socket, no server, only what is said, answered and heard.

use proptest::prelude::*;

use super::*;
use crate::engine::Progress;
use crate::settings::tests::settings;
use crate::wire::Dialect;

/// One agent, two customers with two devices each. Clients: 0 the agent, 1 and 2 the first customer's, 3 and 4 the
/// other's.
fn with_talk(test: impl FnOnce(&mut Talk, &mut Stage<'_>)) {
    with_talk_to(Dialect::Kefu, test);
}

fn with_talk_to(agent_dialect: Dialect, test: impl FnOnce(&mut Talk, &mut Stage<'_>)) {
    let settings = Settings { agent_dialect, connections: 4, devices: 2, agents: 1, ..settings(0, 1) };
    let tokens = Tokens::signed(b"0123456789abcdef0123456789abcdef", 1, 2_000_000_000);
    let (ground, mut talk) = Talk::build(&settings, &tokens).unwrap();
    let agent = ground.parties[0].number;
    let mut stage = Stage::new(&settings, ground, 0).unwrap();
    for client in &mut stage.clients {
        client.progress = Progress::Ready;
    }
    for index in 0..2 {
        let opened = Opened { conversation: id(index), agent: Some(agent) };
        talk.opened(&mut stage, 1 + 2 * index, opened);
    }
    assert!(talk.is_assigned());
    test(&mut talk, &mut stage);
}

fn id(index: u32) -> u64 {
    1000 + u64::from(index)
}

fn content(number: u32) -> String {
    let mut content = String::new();
    Stamp { number, intended: 7 }.write(40, &mut content);
    content
}

/// The side of a conversation writes and is answered.
fn write(talk: &mut Talk, stage: &mut Stage<'_>, index: u32, by: Side) {
    assert!(talk.say(stage, index, by, 40, 7));
    acknowledge(talk, stage, index, by);
}

fn acknowledge(talk: &mut Talk, stage: &mut Stage<'_>, index: u32, by: Side) {
    let asked = Asked { ask: Ask::Send, client: 0, about: about(index, by), intended: 7 };
    talk.answered(stage, asked, true, "");
}

fn push(talk: &mut Talk, stage: &mut Stage<'_>, client: u32, index: u32, by: Side, number: u32) {
    let content = content(number);
    let heard = Heard::Message { conversation: id(index), seq: u64::from(number), by, content: &content };
    talk.heard(stage, client, heard);
}

/// Due and pushed; missing, doubled and out of order.
fn closed(talk: &Talk, stage: &mut Stage<'_>) -> [u64; 5] {
    talk.finish(stage);
    let accounts = &stage.accounts;
    [accounts.due, accounts.pushed, accounts.missing, accounts.doubled, accounts.out_of_order]
}

#[test]
fn a_message_is_due_to_everybody_but_the_connection_that_wrote_it() {
    with_talk(|talk, stage| {
        write(talk, stage, 0, Side::Customer);
        write(talk, stage, 0, Side::Agent);
        // The customer's to the agent and the other device, the agent's to both devices.
        for (client, by) in [(0, Side::Customer), (2, Side::Customer), (1, Side::Agent), (2, Side::Agent)] {
            assert!(talk.deliveries(stage, |_| true).1 > 0);
            push(talk, stage, client, 0, by, 1);
        }
        assert_eq!(closed(talk, stage), [4, 4, 0, 0, 0]);
        assert!(stage.faults.is_empty());
    });
}

#[test]
fn what_was_not_acknowledged_is_not_due() {
    with_talk(|talk, stage| {
        assert!(talk.say(stage, 0, Side::Customer, 40, 7));
        assert_eq!(closed(talk, stage), [0; 5]);
        assert_eq!(stage.unanswered(), 1);
    });
}

#[test]
fn who_is_away_or_does_not_read_is_due_nothing() {
    with_talk(|talk, stage| {
        write(talk, stage, 0, Side::Agent);
        stage.clients[1].progress = Progress::Away;
        stage.clients[2].stalled = true;
        assert_eq!(closed(talk, stage), [0; 5]);
    });
}

#[test]
fn what_is_somebody_elses_is_a_fault() {
    with_talk(|talk, stage| {
        write(talk, stage, 0, Side::Agent);
        push(talk, stage, 3, 0, Side::Agent, 1);
        assert!(stage.faults[0].contains("came to somebody else"), "{:?}", stage.faults);
        let foreign = Heard::Message { conversation: id(0), seq: 1, by: Side::Agent, content: "hello" };
        talk.heard(stage, 1, foreign);
        assert!(stage.faults[1].contains("nobody here wrote"), "{:?}", stage.faults);
        assert_eq!(stage.accounts.pushed, 0);
    });
}

/// The push of an assignment may be read before the answer that names the conversation.
#[test]
fn an_agent_told_before_the_opening_is_not_forgotten() {
    with_talk(|talk, stage| {
        let agent = stage.parties[0].number;
        talk.conversations[1] = Conversation::default();
        talk.by_id.remove(&id(1));
        talk.heard(stage, 0, Heard::Assigned { conversation: id(1), agent });
        assert!(!talk.is_assigned());
        talk.opened(stage, 3, Opened { conversation: id(1), agent: None });
        assert!(talk.is_assigned());
        assert!(stage.faults.is_empty(), "{:?}", stage.faults);
    });
}

/// A conversation's first message may be heard before the answer that names the conversation.
#[test]
fn a_greeting_counts_as_nothing() {
    with_talk(|talk, stage| {
        talk.by_id.remove(&id(1));
        let mut content = String::new();
        Stamp { number: 0, intended: 7 }.write(40, &mut content);
        let heard = Heard::Message { conversation: id(1), seq: 1, by: Side::Customer, content: &content };
        assert!(talk.heard(stage, 0, heard).is_none());
        assert_eq!(closed(talk, stage), [0; 5]);
        assert!(stage.faults.is_empty(), "{:?}", stage.faults);
    });
}

/// Who picks takes its share as soon as a conversation is known, and once more if that was too early.
#[test]
fn a_conversation_nobody_has_is_picked() {
    with_talk_to(Dialect::Multichannel, |talk, stage| {
        assert_eq!(talk.hosts(), 1, "nobody is offered anything before its agent is there");
        talk.conversations[1] = Conversation::default();
        talk.opened(stage, 3, Opened { conversation: id(1), agent: None });
        assert_eq!((talk.conversations[1].picks, stage.clients[0].asked), (1, 1));
        let asked = Asked { ask: Ask::Pick, client: 0, about: about(1, Side::Agent), intended: 7 };
        talk.answered(stage, asked, false, "");
        assert_eq!(talk.conversations[1].picks, 2);
        assert!(!talk.is_assigned());
        talk.answered(stage, asked, true, "");
        assert!(talk.is_assigned() && talk.conversations[1].agent == Some(0));
        talk.answered(stage, asked, false, "");
        assert_eq!(talk.conversations[1].picks, 2, "it has an agent");
    });
}

#[test]
fn a_sync_brings_what_was_missed_and_repeats_nothing() {
    with_talk(|talk, stage| {
        for _ in 0..3 {
            write(talk, stage, 0, Side::Agent);
        }
        for client in [1, 2] {
            push(talk, stage, client, 0, Side::Agent, 1);
        }
        push(talk, stage, 2, 0, Side::Agent, 2);
        push(talk, stage, 2, 0, Side::Agent, 3);
        let line = |number: u32| format!(r#"{{"seq":{number},"sender_type":2,"content":"{}"}}"#, content(number));
        let page = |first: u32, last: u32, complete: bool| {
            let lines: Vec<String> = (first..=last).map(line).collect();
            format!(r#"{{"messages":[{}],"next_seq":{last},"complete":{complete}}}"#, lines.join(","))
        };
        let asked = Asked { ask: Ask::Sync, client: 1, about: about(0, Side::Customer), intended: 7 };
        // The first is in it again, the last is on the next page, which is asked for.
        assert!(!talk.synced(stage, asked, &page(1, 2, false)));
        assert_eq!(stage.clients[1].asked, 1);
        assert!(talk.synced(stage, asked, &page(3, 3, true)));
        assert_eq!(closed(talk, stage), [6, 6, 0, 0, 0]);
        assert_eq!(stage.counters["fetched"], 2);
    });
}

proptest! {
    /// Whatever is lost, comes twice or changes places among neighbours is counted as that.
    #[test]
    fn each_fault_is_counted_once(faults in proptest::collection::vec(0u8..4, 1..100)) {
        with_talk(|talk, stage| {
            let mut expected = [0u64; 3];
            let mut order = Vec::new();
            let mut number = 0;
            for fault in faults {
                number += 1;
                match fault {
                    0 => order.push(number),
                    1 => expected[0] += 1,
                    2 => {
                        order.extend([number, number]);
                        expected[1] += 1;
                    }
                    _ => {
                        order.extend([number + 1, number]);
                        number += 1;
                        expected[2] += 1;
                    }
                }
            }
            for _ in 0..number {
                write(talk, stage, 0, Side::Customer);
            }
            // The customer's other device hears all of it.
            for sent in 1..=number {
                push(talk, stage, 2, 0, Side::Customer, sent);
            }
            for sent in order {
                push(talk, stage, 0, 0, Side::Customer, sent);
            }
            let due = 2 * u64::from(number);
            let [missing, doubled, late] = expected;
            assert_eq!(closed(talk, stage), [due, due - missing, missing, doubled, late]);
        });
    }
}
