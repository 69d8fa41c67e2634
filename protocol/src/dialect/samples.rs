//! What the tests of all dialects begin with. For tests only.

use serde_json::Value;

use super::{DialectKind, Hearer, Settings, dialect};
use crate::model::{AgentId, ConversationId, CustomerNumber, Event, Party, Scene, Side, UserId};

/// A conversation of user 100.
pub(super) fn user_scene(conversation: ConversationId, agent: AgentId) -> Scene {
    let user = UserId::new(100).unwrap();
    Scene {
        conversation,
        customer: Party::User(user),
        channel: None,
        customer_number: CustomerNumber::of_user(user),
        agent: Some(agent),
    }
}

/// What a listener is told of an event, if it is.
pub(super) fn pushed(kind: DialectKind, side: Side, event: &Event, ext: bool) -> Option<Value> {
    let mut out = Vec::new();
    let told = dialect(kind).encode_event(event, Hearer { side, ext }, &Settings::default(), &mut out);
    assert_eq!(told, !out.is_empty());
    told.then(|| serde_json::from_slice(&out).unwrap())
}
