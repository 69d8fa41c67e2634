//! One world: every customer side with every agent side through one and the same story, and the table of who can do
//! what, which the story follows and the README shows. A side is one file's `Customer` or `Agent`; it knows its guide's
//! words and nothing of the other side.

mod bytedesk;
mod kefu;
mod line;
mod multichannel;
mod table;
mod webchat;

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Server, Setup, until};
use table::{Act, Ways};

/// What a side is told.
#[derive(Clone, Copy, Debug)]
pub enum Told<'a> {
    /// A message of the other side.
    Message(&'a str),
    /// The other side has read a message.
    Read(u64),
    /// A message says something else now.
    Edited(u64, &'a str),
    /// A message was taken back.
    Recalled(u64),
    /// This agent has the conversation.
    Assigned(u64),
    /// The conversation is over.
    Ended,
}

/// A message as its sender knows it.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    pub conversation: u64,
    pub message: u64,
}

/// A line of a history: which side wrote it, and what.
pub type Lines = Vec<(By, String)>;

/// A side of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Customer,
    Agent,
}

/// The conversation as its agent found it.
#[derive(Clone, Debug)]
pub struct Place {
    pub id: u64,
    /// The visitor of a visitor's conversation: kefu's agents name it.
    pub visitor: Option<&'static str>,
}

/// A customer's side: one device that asked for the extensions and acts, and one that did not and only listens.
pub trait Customer {
    fn ways(&self) -> &'static Ways;
    /// Connects both devices (again).
    fn connect(&mut self, server: &Server);
    /// Says something; what comes first opens the conversation.
    fn say(&mut self, server: &Server, content: &str) -> Sent;
    fn hears(&mut self, told: Told<'_>);
    fn read(&mut self, server: &Server, sent: Sent);
    fn end(&mut self, server: &Server);
    fn history(&mut self, server: &Server) -> Lines;
    /// The bearer token for `/api/v1`, where the table has `Way::Api`.
    fn token(&self, server: &Server) -> String;
    fn visitor(&self) -> Option<&'static str> {
        None
    }
    /// What the device without extensions heard that its guide does not know.
    fn strange(&mut self) -> Vec<Value>;
}

/// An agent's side, of the same shape.
pub trait Agent {
    fn ways(&self) -> &'static Ways;
    fn connect(&mut self, server: &Server);
    /// Comes to have a waiting conversation: is told so, or accepts it.
    fn take(&mut self, server: &Server, place: &Place);
    fn say(&mut self, server: &Server, place: &Place, content: &str) -> Sent;
    fn hears(&mut self, told: Told<'_>);
    fn read(&mut self, server: &Server, sent: Sent);
    fn end(&mut self, server: &Server, place: &Place);
    fn history(&mut self, server: &Server, place: &Place) -> Lines;
    fn strange(&mut self) -> Vec<Value>;
}

/// How long the devices that only listen are given to hear something that they should not.
const SETTLED: Duration = Duration::from_millis(100);

/// A call of `/api/v1` that must succeed.
#[track_caller]
fn api(server: &Server, token: &str, method: &str, path: &str, body: Option<&Value>) -> Value {
    let reply = server.request(method, path, Some(token), body);
    assert!((200..300).contains(&reply.status), "{method} {path}: {} {}", reply.status, reply.text());
    reply.json()["data"].clone()
}

#[track_caller]
fn edit(server: &Server, token: &str, sent: Sent, content: &str) {
    let path = format!("/api/v1/messages/{}", sent.message);
    api(server, token, "PUT", &path, Some(&json!({"content": content})));
}

#[track_caller]
fn recall(server: &Server, token: &str, sent: Sent) {
    api(server, token, "DELETE", &format!("/api/v1/messages/{}", sent.message), None);
}

/// A customer and an agent go through everything that the table says they can; a colleague of the agent takes over.
struct Story<'s> {
    server: Server,
    customer: &'s mut dyn Customer,
    agent: &'s mut dyn Agent,
    colleague: &'s mut dyn Agent,
    place: Place,
}

fn journey(shards: u16, customer: &mut dyn Customer, [agent, colleague]: [&mut dyn Agent; 2]) {
    let server = Setup::shards(shards).flag("--agent-grace", "10m").start();
    let place = Place { id: 0, visitor: customer.visitor() };
    let mut story = Story { server, customer, agent, colleague, place };
    story.opens_and_is_read();
    let (c2, c3) = story.is_killed_in_the_middle();
    let customer_edits = story.is_edited_and_recalled(c2, c3);
    story.is_handed_over();
    story.is_killed_and_ended(shards == 1);
    story.is_one_history(customer_edits);
}

impl Story<'_> {
    /// The customer says c1, the agent a1, each reads the other where it can.
    fn opens_and_is_read(&mut self) {
        let Self { server, customer, agent, place, .. } = self;
        agent.connect(server);
        customer.connect(server);
        let c1 = customer.say(server, "c1");
        place.id = c1.conversation;
        agent.take(server, place);
        agent.hears(Told::Message("c1"));
        customer.hears(Told::Assigned(1));
        let a1 = agent.say(server, place, "a1");
        assert_eq!(a1.conversation, place.id);
        customer.hears(Told::Message("a1"));
        if agent.ways().can(Act::Read) {
            agent.read(server, c1);
            customer.hears(Told::Read(c1.message));
        }
        if customer.ways().can(Act::Read) {
            customer.read(server, a1);
            agent.hears(Told::Read(a1.message));
        }
    }

    /// The customer says c2, then c3 after both came back to what they had.
    fn is_killed_in_the_middle(&mut self) -> (Sent, Sent) {
        let Self { server, customer, agent, place, .. } = self;
        let c2 = customer.say(server, "c2");
        agent.hears(Told::Message("c2"));
        server.kill();
        server.restart();
        agent.connect(server);
        customer.connect(server);
        let c3 = customer.say(server, "c3");
        assert_eq!(c3.conversation, place.id, "a crash opens nothing new");
        agent.hears(Told::Message("c3"));
        (c2, c3)
    }

    /// The agent edits a2 and recalls a3; the customer, if it can, edits c2 and recalls c3. Says whether it could.
    fn is_edited_and_recalled(&mut self, c2: Sent, c3: Sent) -> bool {
        let Self { server, customer, agent, place, .. } = self;
        let token = server.token("agent", 1);
        let a2 = agent.say(server, place, "a2");
        customer.hears(Told::Message("a2"));
        edit(server, &token, a2, "a2 edited");
        customer.hears(Told::Edited(a2.message, "a2 edited"));
        let a3 = agent.say(server, place, "a3");
        customer.hears(Told::Message("a3"));
        recall(server, &token, a3);
        customer.hears(Told::Recalled(a3.message));
        let can = customer.ways().can(Act::Edit);
        if can {
            let token = customer.token(server);
            edit(server, &token, c2, "c2 edited");
            agent.hears(Told::Edited(c2.message, "c2 edited"));
            recall(server, &token, c3);
            agent.hears(Told::Recalled(c3.message));
        }
        can
    }

    /// To the colleague, who goes on with it.
    fn is_handed_over(&mut self) {
        let Self { server, customer, colleague, place, .. } = self;
        colleague.connect(server);
        let path = format!("/api/v1/conversations/{}", place.id);
        api(server, &server.token("agent", 1), "PUT", &path, Some(&json!({"agent_id": 2})));
        colleague.hears(Told::Assigned(2));
        customer.hears(Told::Assigned(2));
        has_nothing(server, 1);
        customer.say(server, "c4");
        colleague.hears(Told::Message("c4"));
        colleague.say(server, place, "b1");
        customer.hears(Told::Message("b1"));
    }

    /// Killed once more, so that what is looked at from here on was read from the disk; then one of them ends it.
    fn is_killed_and_ended(&mut self, by_customer: bool) {
        let Self { server, customer, colleague, place, .. } = self;
        server.kill();
        server.restart();
        colleague.connect(server);
        customer.connect(server);
        if by_customer {
            customer.end(server);
            colleague.hears(Told::Ended);
        } else {
            colleague.end(server, place);
            customer.hears(Told::Ended);
        }
        has_nothing(server, 2);
    }

    /// The same from both sides; and nobody was told what its guide does not know.
    fn is_one_history(&mut self, customer_edits: bool) {
        let Self { server, customer, agent, colleague, place } = self;
        let (c2, c3) = if customer_edits { ("c2 edited", "") } else { ("c2", "c3") };
        let (of_customer, of_agent) = (By::Customer, By::Agent);
        let wanted = [
            (of_customer, "c1"),
            (of_agent, "a1"),
            (of_customer, c2),
            (of_customer, c3),
            (of_agent, "a2 edited"),
            (of_agent, ""),
            (of_customer, "c4"),
            (of_agent, "b1"),
        ]
        .map(|(by, content)| (by, content.to_owned()));
        assert_eq!(customer.history(server), wanted, "as the customer sees it");
        assert_eq!(colleague.history(server, place), wanted, "as the agent sees it");
        for strange in [customer.strange(), agent.strange(), colleague.strange()] {
            assert_eq!(strange, [] as [Value; 0], "told without having asked for extensions");
        }
        assert_eq!(server.metric("switchboard_desk_violations_total", ""), 0.0);
    }
}

/// An agent has no conversation (any more).
fn has_nothing(server: &Server, agent: u64) {
    until("the slot is free", || (server.agent_view(agent)["current_concurrent"] == 0).then_some(()));
}

/// A test for each pair and each number of shards.
macro_rules! pairs {
    ($($customer:ident: $new_customer:expr;)+ => $agents:tt) => {
        $(mod $customer {
            use super::*;
            pairs!(@agents $new_customer, $agents);
        })+
    };
    (@agents $new_customer:expr, [$($agent:ident: $new_agent:expr;)+]) => {
        $(mod $agent {
            use super::*;

            #[test]
            fn one_shard() {
                journey(1, &mut $new_customer, [&mut $new_agent(1), &mut $new_agent(2)]);
            }

            #[test]
            fn two_shards() {
                journey(2, &mut $new_customer, [&mut $new_agent(1), &mut $new_agent(2)]);
            }
        })+
    };
}

pairs! {
    kefu_user: kefu::User::new(100);
    kefu_visitor: kefu::Visitor::new("visitor_123456");
    webchat_customer: webchat::Customer::new();
    bytedesk_user: bytedesk::User::new(100);
    => [
        kefu_agent: kefu::Agent::new;
        webchat_agent: webchat::Agent::new;
        multichannel_agent: multichannel::Agent::new;
        bytedesk_agent: bytedesk::Agent::new;
    ]
}
