//! Customers of channels and opaque tokens. None of it has an owner shard: storage decides by conditional writes, so
//! the shard that is asked carries it out, but for an agent's token, which the desk must know the agent of.

use switchboard_protocol::model::{
    Actor, AgentRef, Answer, Bearer, Channel, CustomerAnswer, CustomerChange, CustomerCommand, CustomerDraft,
    CustomerId, CustomerNumber, CustomerProfile, CustomerView, CustomerWritten, Found, Identity, IdentityKind,
    NewToken, Noun, Party, Read, Refusal, Timestamp, Write, Written, limits,
};

use super::Core;
use super::stored::{Then as After, UNAVAILABLE};
use crate::ids::Ids;
use crate::{Origin, Outcome, Request, Timer};

/// What follows when storage has told something about customers or tokens.
#[derive(Debug)]
pub(super) enum Then {
    /// A bearer's token: the request is the bearer's.
    Bearer { request: Request, bearer: Bearer },
    /// Whether somebody is known by an identity.
    Entering(Box<Entering>),
    /// Whether the new customer could be made.
    Entered(Box<Entering>, CustomerProfile),
    /// A token is stored: answer with it.
    TokenSaved { origin: Origin, answer: Box<Answer> },
    /// A customer who is to have a token.
    TokenFor { origin: Origin, token: NewToken },
    /// A record is shown.
    Show(Origin),
    /// Whether the customer could be made.
    Created { origin: Origin, profile: CustomerProfile, again: bool },
    /// A record that is to be changed.
    Changing { origin: Origin, change: Box<CustomerChange>, seen: Option<Timestamp> },
    /// Whether the change could be made to the record that was read.
    Changed { origin: Origin, change: Box<CustomerChange>, seen: Option<Timestamp>, after: Box<CustomerView> },
    /// A page.
    Page { origin: Origin, size: u32 },
    /// Tokens nobody shows any more.
    Expired,
    /// One that was shown too late is removed; or whoever waited was told that it takes too long.
    Forgotten,
    /// They are removed; `more` may be there.
    Removed { more: bool },
}

/// A customer at the door.
#[derive(Debug)]
pub(super) struct Entering {
    origin: Origin,
    channel: Channel,
    identity: Identity,
    name: String,
    token: NewToken,
    /// There is a customer of the identity's own UUID who is not known by it any more: this one gets another.
    other_id: bool,
}

impl Core {
    /// Asks storage who a request's bearer is.
    pub(super) fn bearers_request(&mut self, request: Request, bearer: Bearer) {
        if let Err(refusal) = self.hands.admits() {
            return self.hands.answer(request.origin, Err(refusal));
        }
        self.hands.read(follow(Then::Bearer { request, bearer }), Read::Token(bearer.hash));
    }

    /// `Command::Identify`.
    pub(super) fn identify(&mut self, request: Request) {
        let party = request.actor.party().ok_or(Refusal::LoginRequired);
        self.hands.answer(request.origin, party.map(Answer::Bearer));
    }

    /// A token for an agent, at the desk.
    pub(super) fn issue_agent_token(&mut self, origin: Origin, actor: &Actor, agent: &AgentRef, token: Box<NewToken>) {
        let Some(desk) = &self.desk else { unreachable!("only the desk's shard is asked") };
        let view = if *actor == Actor::Admin { desk.show(agent) } else { Err(Refusal::Forbidden) };
        match view {
            Ok(view) => {
                let (bearer, issued) = (Party::Agent(view.profile.id), *token);
                self.save_token(origin, bearer, issued, Answer::AgentToken(token));
            }
            Err(refusal) => self.hands.answer(origin, Err(refusal)),
        }
    }

    /// A command about customers: the public one for whoever the shell believes, the rest for agents and admins.
    pub(super) fn customers_request(&mut self, origin: Origin, actor: &Actor, command: CustomerCommand) {
        let public = matches!(command, CustomerCommand::Enter { .. });
        let refusal = match actor {
            _ if public => None,
            Actor::Agent(_) | Actor::Admin => None,
            Actor::User(_) | Actor::Visitor { .. } | Actor::Customer(_) | Actor::Workbench(_) => {
                Some(Refusal::Forbidden)
            }
            Actor::Anonymous | Actor::Bearer(_) => Some(Refusal::LoginRequired),
        };
        if let Some(refusal) = refusal.or(self.hands.admits().err()) {
            return self.hands.answer(origin, Err(refusal));
        }
        let (then, read) = match command {
            CustomerCommand::Enter { channel, identity, name, token } => {
                let read = Read::CustomerByIdentity(identity.clone());
                let entering = Entering { origin, channel, identity, name, token, other_id: false };
                (Then::Entering(Box::new(entering)), read)
            }
            CustomerCommand::IssueToken { customer, token } => {
                (Then::TokenFor { origin, token }, Read::CustomerById(customer))
            }
            CustomerCommand::Get(customer) => (Then::Show(origin), Read::CustomerById(customer)),
            CustomerCommand::Update { customer, change, seen } => {
                (Then::Changing { origin, change: Box::new(change), seen }, Read::CustomerById(customer))
            }
            CustomerCommand::List(query) => (Then::Page { origin, size: query.size }, Read::Customers(query)),
            CustomerCommand::Create(draft) => return self.create_customer(origin, draft),
        };
        self.hands.read(follow(then), read);
    }

    fn create_customer(&mut self, origin: Origin, draft: CustomerDraft) {
        let number = match self.mint_customer_number() {
            Ok(number) => number,
            Err(refusal) => return self.hands.answer(origin, Err(refusal)),
        };
        let now = self.hands.now;
        let CustomerDraft { id, name, channel, mut identities, tags, notes, active } = draft;
        identities.sort_unstable();
        let profile = CustomerProfile {
            id: id.unwrap_or_else(|| CustomerId::of_time(now, number)),
            number,
            name,
            channel,
            identities,
            tags,
            notes,
            active,
            created_at: now,
            updated_at: now,
        };
        let write = Write::CreateCustomer(Box::new(profile.clone()));
        self.hands.write(follow(Then::Created { origin, profile, again: id.is_some() }), write);
    }

    /// Nobody is known by the identity: a customer is made, usually of the UUID that the identity itself gives.
    fn make_entering(&mut self, entering: Box<Entering>) {
        let number = match self.mint_customer_number() {
            Ok(number) => number,
            Err(refusal) => return self.hands.answer(entering.origin, Err(refusal)),
        };
        let now = self.hands.now;
        let id = match entering.other_id {
            false => CustomerId::of_identity(&entering.identity),
            true => CustomerId::of_time(now, number),
        };
        let profile = CustomerProfile {
            id,
            number,
            name: entering.name.clone(),
            channel: entering.channel,
            identities: vec![entering.identity.clone()],
            tags: Vec::new(),
            notes: None,
            active: true,
            created_at: now,
            updated_at: now,
        };
        let write = Write::CreateCustomer(Box::new(profile.clone()));
        self.hands.write(follow(Then::Entered(entering, profile)), write);
    }

    /// Any virtual shard of this shard will do: numbers only have to be nobody else's.
    fn mint_customer_number(&mut self) -> Result<CustomerNumber, Refusal> {
        let own = self.hands.placement.vshards_of(self.hands.shard).next();
        self.hands.mint(own.expect("every shard has a virtual shard"), Ids::visitor)
    }

    fn save_token(&mut self, origin: Origin, bearer: Party, token: NewToken, answer: Answer) {
        let write = Write::SaveToken { hash: token.hash, bearer, expires_at: token.expires_at };
        self.hands.write(follow(Then::TokenSaved { origin, answer: Box::new(answer) }), write);
    }

    fn customer_token(&mut self, origin: Origin, profile: &CustomerProfile, channel: Option<Channel>, token: NewToken) {
        let (id, name) = (profile.id, profile.name.clone());
        let channel = channel.unwrap_or(profile.channel);
        let answer = Answer::Customers(Box::new(CustomerAnswer::Entered { id, name, channel, token }));
        self.save_token(origin, Party::Customer(id), token, answer);
    }

    /// Goes on where storage was waited for.
    pub(super) fn customers_stored(&mut self, then: Then, outcome: Outcome) {
        match then {
            Then::Bearer { request, bearer } => self.bearer_known(request, bearer, outcome),
            Then::Entering(entering) => match found_record(outcome) {
                Ok(Some(view)) => {
                    self.customer_token(entering.origin, &view.profile, Some(entering.channel), entering.token);
                }
                Ok(None) => self.make_entering(entering),
                Err(refusal) => self.hands.answer(entering.origin, Err(refusal)),
            },
            Then::Entered(entering, profile) => self.entered(entering, &profile, outcome),
            Then::TokenSaved { origin, answer } => {
                let result = if matches!(outcome, Outcome::Written(_)) { Ok(*answer) } else { Err(UNAVAILABLE) };
                self.hands.answer(origin, result);
            }
            Then::TokenFor { origin, token } => match existing(outcome) {
                Ok(view) => self.customer_token(origin, &view.profile, None, token),
                Err(refusal) => self.hands.answer(origin, Err(refusal)),
            },
            Then::Show(origin) => self.hands.answer(origin, existing(outcome).map(|view| shown(*view))),
            Then::Created { origin, profile, again } => match written(outcome) {
                // Made by the same request, before a crash.
                Err(Refusal::Stale) if again => {
                    self.hands.read(follow(Then::Show(origin)), Read::CustomerById(profile.id));
                }
                result => {
                    let view = CustomerView { profile, last_interaction_at: None };
                    self.hands.answer(origin, result.map(|()| shown(view)));
                }
            },
            Then::Changing { origin, change, seen } => self.change_customer(origin, change, seen, outcome),
            Then::Changed { origin, change, seen, after } => match written(outcome) {
                // Somebody was faster; the asker does not mind.
                Err(Refusal::Stale) if seen.is_none() => {
                    let read = Read::CustomerById(after.profile.id);
                    self.hands.read(follow(Then::Changing { origin, change, seen }), read);
                }
                result => self.hands.answer(origin, result.map(|()| shown(*after))),
            },
            Then::Page { origin, size } => {
                let result = match outcome {
                    Outcome::Found(Found::Customers { customers, total }) => {
                        Ok(Answer::Customers(Box::new(CustomerAnswer::Page { customers, total, size })))
                    }
                    Outcome::Found(_) | Outcome::Written(_) | Outcome::Unavailable => Err(UNAVAILABLE),
                };
                self.hands.answer(origin, result);
            }
            Then::Forgotten => {}
            Then::Expired => self.tokens_expired(outcome),
            Then::Removed { more } => match outcome {
                Outcome::Written(_) if more => self.sweep_tokens(),
                Outcome::Written(_) | Outcome::Found(_) | Outcome::Unavailable => self.arm_token_sweep(),
            },
        }
    }

    fn bearer_known(&mut self, request: Request, Bearer { hash, workbench }: Bearer, outcome: Outcome) {
        let bearer = match outcome {
            Outcome::Found(Found::Token(Some((bearer, expires_at)))) if expires_at > self.hands.now => bearer,
            Outcome::Found(Found::Token(expired)) => {
                if let Some((_, expires_at)) = expired {
                    self.hands.write(follow(Then::Forgotten), Write::RemoveTokens(vec![(hash, expires_at)]));
                }
                return self.hands.answer(request.origin, Err(Refusal::LoginRequired));
            }
            Outcome::Found(_) | Outcome::Written(_) | Outcome::Unavailable => {
                return self.hands.answer(request.origin, Err(UNAVAILABLE));
            }
        };
        let actor = match bearer {
            Party::User(id) => Actor::User(id),
            Party::Visitor(id) => Actor::Visitor { id, bound: true },
            Party::Agent(id) if workbench => Actor::Workbench(Some(id)),
            Party::Agent(id) => Actor::Agent(id),
            Party::Customer(id) => Actor::Customer(id),
        };
        self.request(Request { actor, ..request });
    }

    fn entered(&mut self, mut entering: Box<Entering>, profile: &CustomerProfile, outcome: Outcome) {
        match outcome {
            Outcome::Written(Written::Customer(CustomerWritten::Saved)) => {
                self.customer_token(entering.origin, profile, Some(entering.channel), entering.token);
            }
            // Somebody came by the same identity at the same time: it is the same customer.
            Outcome::Written(Written::Customer(CustomerWritten::Taken { .. })) => {
                let read = Read::CustomerByIdentity(entering.identity.clone());
                self.hands.read(follow(Then::Entering(entering)), read);
            }
            Outcome::Written(Written::Customer(CustomerWritten::Stale)) if !entering.other_id => {
                entering.other_id = true;
                let read = Read::CustomerByIdentity(entering.identity.clone());
                self.hands.read(follow(Then::Entering(entering)), read);
            }
            Outcome::Written(_) | Outcome::Found(_) | Outcome::Unavailable => {
                self.hands.answer(entering.origin, Err(UNAVAILABLE));
            }
        }
    }

    fn change_customer(
        &mut self,
        origin: Origin,
        change: Box<CustomerChange>,
        seen: Option<Timestamp>,
        outcome: Outcome,
    ) {
        let before = existing(outcome).and_then(|view| {
            let stale = seen.is_some_and(|seen| seen != view.profile.updated_at);
            if stale { Err(Refusal::Stale) } else { Ok(view) }
        });
        match before {
            Ok(view) => {
                let was = view.profile.updated_at;
                let profile = view.profile.changed((*change).clone(), self.hands.now);
                let write = Write::UpdateCustomer { profile: Box::new(profile.clone()), seen: was };
                let after = Box::new(CustomerView { profile, last_interaction_at: view.last_interaction_at });
                self.hands.write(follow(Then::Changed { origin, change, seen, after }), write);
            }
            Err(refusal) => self.hands.answer(origin, Err(refusal)),
        }
    }

    /// The desk's shard looks for expired tokens once a minute.
    pub(super) fn arm_token_sweep(&mut self) {
        if self.desk.is_some() {
            let at = self.hands.now.plus_millis(limits::TOKEN_SWEEP_MS);
            self.hands.arm(Timer::TokenSweep, at);
        }
    }

    pub(super) fn sweep_tokens(&mut self) {
        let read = Read::ExpiredTokens { before: self.hands.now, limit: limits::TOKEN_SWEEP_TOKENS };
        self.hands.read(follow(Then::Expired), read);
    }

    fn tokens_expired(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Found(Found::ExpiredTokens(tokens)) if !tokens.is_empty() => {
                let more = tokens.len() >= limits::TOKEN_SWEEP_TOKENS as usize;
                self.hands.write(follow(Then::Removed { more }), Write::RemoveTokens(tokens));
            }
            Outcome::Found(_) | Outcome::Written(_) | Outcome::Unavailable => self.arm_token_sweep(),
        }
    }
}

/// Takes who waits for a write that is under way for long; what would follow it is not done, since nobody waits for
/// that.
pub(super) fn give_up(then: &mut Then) -> Option<Origin> {
    let origin = match then {
        Then::Entered(entering, _) => entering.origin,
        Then::TokenSaved { origin, .. } | Then::Created { origin, .. } | Then::Changed { origin, .. } => *origin,
        Then::Bearer { .. }
        | Then::Entering(_)
        | Then::TokenFor { .. }
        | Then::Show(_)
        | Then::Changing { .. }
        | Then::Page { .. }
        | Then::Expired
        | Then::Forgotten
        | Then::Removed { .. } => return None,
    };
    *then = Then::Forgotten;
    Some(origin)
}

/// Boxed: what follows a message, which is much more frequent, stays small.
fn follow(then: Then) -> After {
    After::Customers(Box::new(then))
}

fn shown(view: CustomerView) -> Answer {
    Answer::Customers(Box::new(CustomerAnswer::Shown(view)))
}

fn found_record(outcome: Outcome) -> Result<Option<Box<CustomerView>>, Refusal> {
    match outcome {
        Outcome::Found(Found::CustomerRecord(record)) => Ok(record),
        Outcome::Found(_) | Outcome::Written(_) | Outcome::Unavailable => Err(UNAVAILABLE),
    }
}

fn existing(outcome: Outcome) -> Result<Box<CustomerView>, Refusal> {
    found_record(outcome)?.ok_or(Refusal::NotFound(Noun::Customer))
}

fn written(outcome: Outcome) -> Result<(), Refusal> {
    match outcome {
        Outcome::Written(Written::Customer(CustomerWritten::Saved)) => Ok(()),
        Outcome::Written(Written::Customer(CustomerWritten::Stale)) => Err(Refusal::Stale),
        Outcome::Written(Written::Customer(CustomerWritten::Taken { kind, by })) => {
            Err(Refusal::TakenBy { field: IdentityKind::name(kind), by })
        }
        Outcome::Written(_) | Outcome::Found(_) | Outcome::Unavailable => Err(UNAVAILABLE),
    }
}
