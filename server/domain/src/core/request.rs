//! A command: to its owner, and there carried out when its turn at the conversation comes.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use switchboard_protocol::model::{
    Actor, AgentId, Answer, BodyKind, ClientMsgId, Command, ConversationId, CustomerNumber, Draft, Event, Group,
    Message, MessageId, Noun, Party, PeerName, Read, Refusal, Scene, Sent, Seq, Side, State, Target, UserId, Window,
    Write, limits,
};

use super::hands::Hands;
use super::stored::Then as After;
use super::{Core, Job, Slot};
use crate::conversation::{self, Known, Live, Opening, Then};
use crate::ids::Ids;
use crate::{DeskAsk, DeskTell, Letter, Origin, Request, ShardId};

impl Core {
    /// Carries a request out, or sends it to the shard that owns what it is about.
    pub(super) fn request(&mut self, mut request: Request) {
        if let Actor::Bearer(bearer) = &request.actor {
            let bearer = **bearer;
            return self.bearers_request(request, bearer);
        }
        // Its token is as good as ever, but opens nothing.
        if let Actor::Agent(agent) | Actor::Workbench(Some(agent)) = request.actor
            && self.hands.directory.is_deleted(agent)
        {
            return self.hands.answer(request.origin, Err(Refusal::LoginRequired));
        }
        if let Err(refusal) = self.resolve_peer(&mut request) {
            return self.hands.answer(request.origin, Err(refusal));
        }
        if matches!(request.command, Command::Identify) {
            return self.identify(request);
        }
        let owner = match self.owner_of(&request) {
            Ok(owner) => owner,
            Err(refusal) => return self.hands.answer(request.origin, Err(refusal)),
        };
        if let Command::Watch(conversation) = &request.command
            && request.origin.shard == self.hands.shard
            && let Err(refusal) = self.hands.note_watched(request.origin.connection, *conversation)
        {
            return self.hands.answer(request.origin, Err(refusal));
        }
        if owner != self.hands.shard {
            return self.hands.send(owner, Letter::Request(Box::new(request)));
        }
        if let Err(refusal) = self.hands.takes(&request.command) {
            return self.hands.answer(request.origin, Err(refusal));
        }
        self.owned(request);
    }

    /// What a send to a peer means, as far as it is known here.
    fn resolve_peer(&self, request: &mut Request) -> Result<(), Refusal> {
        let Command::Send { target, .. } = &mut request.command else { return Ok(()) };
        let Target::Peer { from, to, conversation } = target else { return Ok(()) };
        if let Some(known) = self.peer_target(&request.actor, (from.as_ref(), to), *conversation)? {
            *target = known;
        }
        Ok(())
    }

    /// The shard that owns what a request is about; or why nothing is.
    fn owner_of(&self, request: &Request) -> Result<ShardId, Refusal> {
        let placement = &self.hands.placement;
        Ok(match &request.command {
            Command::Identify | Command::Customers(_) => self.hands.shard,
            Command::Key(command) => self.key_home(&request.actor, command)?,
            Command::Open { user, .. } => match opens_for(&request.actor, *user) {
                Some(user) => placement.home(&Party::User(user)),
                None => return Err(Refusal::Forbidden),
            },
            Command::Send { target: Target::Peer { to, .. }, .. } => match to {
                PeerName::Number(number) => self.home_of_number(*number),
                PeerName::Auto | PeerName::Code(_) => return Err(NO_CONVERSATION),
            },
            Command::ShowMessage(message) | Command::Revise { message, .. } => placement.shard_of(message.vshard()),
            Command::SetStatus(_) => placement.desk(),
            Command::Send { target: Target::Own { .. }, .. } => match &request.actor {
                Actor::Customer(customer) => placement.home(&Party::Customer(*customer)),
                Actor::User(user) => placement.home(&Party::User(*user)),
                Actor::Visitor { .. }
                | Actor::Agent(_)
                | Actor::Workbench(_)
                | Actor::Bearer(_)
                | Actor::Admin
                | Actor::Anonymous => return Err(Refusal::Forbidden),
            },
            Command::History { conversation, .. }
            | Command::Transcript { conversation, .. }
            | Command::Sync { conversation, .. }
            | Command::MarkRead { conversation, .. }
            | Command::Typing { conversation }
            | Command::Accept { conversation, .. }
            | Command::Transfer { conversation, .. }
            | Command::Watch(conversation)
            | Command::Send { target: Target::Conversation(conversation), .. }
            | Command::End { conversation } => placement.owner(*conversation),
            Command::Send { target: Target::Pair { visitor, .. }, .. } | Command::EndPair { visitor, .. } => {
                placement.home(&Party::Visitor(visitor.clone()))
            }
            Command::CreateAgent(_)
            | Command::GetAgent(_)
            | Command::UpdateAgent(..)
            | Command::DeleteAgent(_)
            | Command::ListAgents { .. }
            | Command::IssueAgentToken { .. }
            | Command::AvailableAgents => placement.desk(),
            // Answered from storage, wherever one is.
            Command::ListConversations(_) | Command::ShowConversation(_) => self.hands.shard,
        })
    }

    /// A request at the shard that owns what it is about.
    fn owned(&mut self, request: Request) {
        match &request.command {
            Command::Open { .. } => self.open_request(request),
            Command::Send { target: Target::Peer { to, .. }, .. } => {
                let customer = match to {
                    PeerName::Number(number) => self.customer_of_number(*number),
                    PeerName::Auto | PeerName::Code(_) => None,
                };
                match customer {
                    Some(customer) => self.pair_request(customer, request),
                    None => self.hands.answer(request.origin, Err(NO_CONVERSATION)),
                }
            }
            Command::ShowMessage(_) | Command::Revise { .. } => self.message_request(request),
            Command::History { conversation, .. }
            | Command::Transcript { conversation, .. }
            | Command::Sync { conversation, .. }
            | Command::MarkRead { conversation, .. }
            | Command::Typing { conversation }
            | Command::Accept { conversation, .. }
            | Command::Transfer { conversation, .. }
            | Command::Watch(conversation)
            | Command::Send { target: Target::Conversation(conversation), .. }
            | Command::End { conversation } => {
                self.at_conversation(*conversation, request);
            }
            Command::Send { target: Target::Pair { visitor, .. }, .. } | Command::EndPair { visitor, .. } => {
                let visitor = Party::Visitor(visitor.clone());
                self.pair_request(visitor, request);
            }
            Command::Send { target: Target::Own { .. }, .. } => {
                let customer = request.actor.party().expect("only a customer's or user's is sent on");
                self.pair_request(customer, request);
            }
            Command::Identify => unreachable!("answered where it was asked"),
            Command::Customers(_) => {
                let Request { origin, actor, command } = request;
                let Command::Customers(command) = command else { unreachable!("matched above") };
                self.customers_request(origin, &actor, *command);
            }
            Command::Key(_) => {
                let Request { origin, actor, command } = request;
                let Command::Key(command) = command else { unreachable!("matched above") };
                self.key_request(origin, &actor, *command);
            }
            Command::IssueAgentToken { agent, token } => {
                self.issue_agent_token(request.origin, &request.actor, agent, token.clone());
            }
            Command::CreateAgent(_)
            | Command::GetAgent(_)
            | Command::UpdateAgent(..)
            | Command::DeleteAgent(_)
            | Command::ListAgents { .. }
            | Command::SetStatus(_)
            | Command::AvailableAgents => self.agents_request(request),
            Command::ListConversations(_) | Command::ShowConversation(_) => self.list_request(request),
        }
    }

    /// A user's open conversation, or a new one.
    fn open_request(&mut self, request: Request) {
        let Command::Open { user, agent, group } = &request.command else { unreachable!("the caller has matched it") };
        let user = opens_for(&request.actor, *user).expect("only an `Open` for a user is sent on");
        let customer = Party::User(user);
        // A new one waits until the end of the one before is durable: a crash could leave both open.
        let behind_end = self.ending.contains_key(&customer) && !self.open.contains_key(&customer);
        if agent.is_some() || behind_end {
            return self.pair_request(customer, request);
        }
        match self.open_of_user(user, group.clone().unwrap_or_default()) {
            Ok(id) => self.enqueue_new(id, request),
            Err(refusal) => self.hands.answer(request.origin, Err(refusal)),
        }
    }

    /// A request about a conversation that is this shard's, if it exists: in its turn, once it is loaded.
    pub(super) fn at_conversation(&mut self, id: ConversationId, request: Request) {
        if let Entry::Vacant(slot) = self.conversations.entry(id) {
            slot.insert(Slot { held: true, ..Slot::default() });
            self.hands.read(After::Loaded(id), Read::Conversation(id));
        }
        self.enqueue_new(id, request);
    }

    fn open_of_user(&mut self, user: UserId, group: Group) -> Result<ConversationId, Refusal> {
        let customer = Party::User(user);
        if let Some(id) = self.open.get(&customer).and_then(|open| open.first()) {
            return Ok(*id);
        }
        let id = self.mint_conversation(&customer)?;
        let customer_number = CustomerNumber::of_user(user);
        self.open_conversation(Opening { id, customer, channel: None, customer_number, named: None, group });
        Ok(id)
    }

    /// An id for a new conversation. One that somebody has guessed and that is being looked up in storage
    /// right now is passed over: it is about to be found missing.
    pub(super) fn mint_conversation(&mut self, customer: &Party) -> Result<ConversationId, Refusal> {
        loop {
            let id = self.hands.mint(customer.vshard(), Ids::conversation)?;
            if !self.conversations.contains_key(&id) {
                return Ok(id);
            }
        }
    }

    /// Begins a conversation: it is held until the desk has placed it.
    pub(super) fn open_conversation(&mut self, opening: Opening) {
        let (id, customer) = (opening.id, opening.customer.clone());
        if !matches!(customer, Party::User(_)) {
            self.numbers.insert(opening.customer_number, customer.clone());
        }
        let header = conversation::open(opening, self.hands.now);
        self.hands.ask_desk(DeskAsk::Place {
            conversation: id,
            group: header.group.clone(),
            named: header.named,
            queued_at: header.queued_at,
        });
        self.conversations.insert(id, Slot { live: Some(Live::new(header)), held: true, ..Slot::default() });
        self.open.entry(customer).or_default().push(id);
    }

    fn enqueue_new(&mut self, id: ConversationId, request: Request) {
        self.enqueue(id, Job::Request { request, since: self.hands.now, new_to_storage: false });
    }

    /// Puts a job in its turn at a conversation that has a slot.
    pub(super) fn enqueue(&mut self, id: ConversationId, job: Job) {
        let slot = self.conversations.get_mut(&id).expect("the caller has made sure of the slot");
        if let Job::Request { request, .. } = &job
            && slot.waiting.len() >= limits::WAITING_MAX_REQUESTS
        {
            return self.hands.answer(request.origin, Err(Refusal::Busy("this conversation is behind")));
        }
        slot.waiting.push_back(job);
        self.run(id);
    }

    /// Does what waits at a conversation, until something must be waited for. Forgets a closed one when
    /// nothing is left to do.
    pub(super) fn run(&mut self, id: ConversationId) {
        let Some(slot) = self.conversations.get_mut(&id) else {
            return;
        };
        let was_open = slot.live.as_ref().is_some_and(|live| live.header.is_open());
        // Whoever wanted an open conversation and waited here until it was ended gets another.
        let mut too_late = Vec::new();
        while !slot.held
            && let Some(job) = slot.waiting.pop_front()
        {
            match job {
                Job::Request { request, .. } if slot.has_ended_for(&request) => too_late.push(request),
                Job::Request { request, new_to_storage, .. } => slot.request(&mut self.hands, request, new_to_storage),
                Job::Tell(DeskTell::Assigned { agent, .. } | DeskTell::Placed { agent, .. }) => {
                    slot.assigned(&mut self.hands, agent, None);
                }
                Job::Tell(DeskTell::Accepted { result, origin, .. }) => {
                    slot.accepted(&mut self.hands, result, origin);
                }
                Job::Tell(DeskTell::Transferred { result, origin, .. }) => {
                    slot.transferred(&mut self.hands, result, origin);
                }
            }
        }
        let Some(live) = &slot.live else { return };
        if was_open && !live.header.is_open() {
            let customer = live.header.customer.clone();
            if let Some(open) = self.open.get_mut(&customer) {
                open.retain(|open| *open != id);
                if open.is_empty() {
                    self.open.remove(&customer);
                    self.numbers.remove(&live.header.customer_number);
                }
            }
            *self.ending.entry(customer).or_default() += 1;
        }
        if live.is_settled() && !slot.held && slot.waiting.is_empty() {
            self.conversations.remove(&id);
        }
        for request in too_late {
            self.owned(request);
        }
    }
}

impl Slot {
    fn live(&mut self) -> &mut Live {
        self.live.as_mut().expect("a slot that is not held is loaded")
    }

    /// Whether a request wants an open conversation and this one has ended. A visitor's send that was seen
    /// before does not: it is answered as the first time.
    fn has_ended_for(&self, request: &Request) -> bool {
        let Some(live) = self.live.as_ref().filter(|live| !live.header.is_open()) else {
            return false;
        };
        match (&request.command, &request.actor) {
            (Command::Open { .. }, _) => true,
            (Command::Send { target: Target::Pair { .. }, draft }, Actor::Visitor { .. })
            | (Command::Send { target: Target::Own { .. }, draft }, Actor::Customer(_) | Actor::User(_)) => {
                let known = draft.client_msg_id.as_ref().zip(live.author(&request.actor));
                !known.is_some_and(|(id, sender)| matches!(live.dedup.look_up(sender, id), Known::Seen(_)))
            }
            _ => false,
        }
    }

    /// Carries out a request whose turn has come; a refusal has changed nothing.
    fn request(&mut self, hands: &mut Hands, request: Request, new_to_storage: bool) {
        if matches!(request.command, Command::ShowMessage(_) | Command::Revise { .. }) {
            let origin = request.origin;
            if let Err(refusal) = self.about_message(hands, request) {
                hands.answer(origin, Err(refusal));
            }
            return;
        }
        let Request { origin, actor, command } = request;
        let done = match command {
            Command::Open { .. } => self.answer_conversation(hands, origin),
            Command::History { window, .. } => self.history(hands, origin, &actor, window, Told::Messages),
            Command::Transcript { window, .. } => self.history(hands, origin, &actor, window, Told::Names),
            Command::Accept { agent, .. } => self.accept(hands, origin, &actor, agent),
            Command::Watch(_) => self.watch(hands, origin, &actor),
            Command::Sync { after, limit, .. } => self.sync(hands, origin, &actor, after, limit),
            Command::Send { target, draft } => {
                return self.send(
                    hands,
                    Request { origin, actor, command: Command::Send { target, draft } },
                    new_to_storage,
                );
            }
            Command::MarkRead { messages, of, .. } => self.mark_read(hands, origin, &actor, messages, of),
            Command::End { .. } | Command::EndPair { .. } => self.end(hands, origin, &actor),
            Command::Typing { .. } => self.typing(hands, origin, &actor),
            Command::Transfer { to, .. } => self.transfer(hands, origin, &actor, to),
            Command::ShowMessage(_) | Command::Revise { .. } => unreachable!("taken above"),
            Command::CreateAgent(_)
            | Command::GetAgent(_)
            | Command::UpdateAgent(..)
            | Command::DeleteAgent(_)
            | Command::ListAgents { .. }
            | Command::AvailableAgents
            | Command::ListConversations(_)
            | Command::ShowConversation(_)
            | Command::Identify
            | Command::SetStatus(_)
            | Command::IssueAgentToken { .. }
            | Command::Key(_)
            | Command::Customers(_) => unreachable!("only commands about a conversation wait at one"),
        };
        if let Err(refusal) = done {
            hands.answer(origin, Err(refusal));
        }
    }

    fn answer_conversation(&mut self, hands: &mut Hands, origin: Origin) -> Result<(), Refusal> {
        let live = self.live();
        let answer = Answer::Conversation(Box::new(live.header.clone()));
        live.writes.push_back(Then::Barrier { asker: hands.asker(origin), answer });
        self.settle(hands);
        Ok(())
    }

    fn history(
        &mut self,
        hands: &mut Hands,
        origin: Origin,
        actor: &Actor,
        window: Window,
        told: Told,
    ) -> Result<(), Refusal> {
        let live = self.live();
        live.may_read(actor, &hands.directory)?;
        let (conversation, newest) = (live.header.id, live.durable_seq);
        let customer = match told {
            Told::Messages => None,
            Told::Names => Some(live.header.customer.clone()),
        };
        let ahead = matches!((window, told), (Window::AfterSeq { seq, .. }, Told::Names) if seq > live.header.last_seq);
        if ahead {
            return Err(Refusal::Gap { newest });
        }
        let (from, to, next) = match window {
            Window::Page { page, size } => {
                let skipped = (page - 1).saturating_mul(u64::from(size));
                let to = newest.get().saturating_sub(skipped);
                let from = to.saturating_sub(u64::from(size)) + 1;
                (from, to, (from > 1).then_some(Window::Page { page: page + 1, size }))
            }
            Window::BeforeSeq { seq, limit } => {
                let to = newest.get().min(seq.get().saturating_sub(1));
                let from = to.saturating_sub(u64::from(limit)) + 1;
                (from, to, Some(Window::BeforeSeq { seq: Seq::new(from), limit }))
            }
            Window::AfterSeq { seq, limit } => {
                let from = seq.get().saturating_add(1);
                let to = newest.get().min(seq.get().saturating_add(u64::from(limit)));
                (from, to, (to < newest.get()).then_some(Window::AfterSeq { seq: Seq::new(to), limit }))
            }
            Window::AfterMessage { message, limit } => {
                let then = After::SeqOf { origin, conversation, limit, newest, customer };
                hands.read(then, Read::SeqOf { conversation, message });
                return Ok(());
            }
        };
        let then = match customer {
            None => After::History(origin),
            Some(customer) => After::Transcript { origin, conversation, customer: Box::new(customer), next },
        };
        hands.read_history(then, conversation, Seq::new(from), Seq::new(to));
        Ok(())
    }

    fn sync(
        &mut self,
        hands: &mut Hands,
        origin: Origin,
        actor: &Actor,
        after: Seq,
        limit: u32,
    ) -> Result<(), Refusal> {
        let live = self.live();
        live.may_read(actor, &hands.directory)?;
        let newest = live.durable_seq;
        if after > live.header.last_seq {
            return Err(Refusal::Gap { newest });
        }
        if after >= newest {
            let answer = Answer::Synced { messages: Vec::new(), next_seq: after, complete: true };
            hands.answer(origin, Ok(answer));
            return Ok(());
        }
        let to = Seq::new(newest.get().min(after.get() + u64::from(limit)));
        let read = Read::History { conversation: live.header.id, from: after.next(), to };
        hands.read(After::Sync { origin, next_seq: to, complete: to == newest }, read);
        Ok(())
    }

    /// Sends, unless the client message id was seen before; then answers as the first time.
    fn send(&mut self, hands: &mut Hands, request: Request, new_to_storage: bool) {
        let live = self.live();
        let Command::Send { target, draft } = request.command else { unreachable!("the caller has matched it") };
        let (origin, actor) = (request.origin, request.actor);
        if let (Some(id), Some(sender)) = (&draft.client_msg_id, live.author(&actor)) {
            match live.dedup.look_up(sender, id) {
                Known::Seen(sent) => {
                    if !live.join(sent.seq, hands.asker(origin)) {
                        hands.answer(origin, Ok(Answer::Sent(sent)));
                    }
                    return;
                }
                Known::AskStorage if !new_to_storage => {
                    let conversation = live.header.id;
                    let read = Read::Sent { conversation, sender, client_msg_id: id.clone() };
                    let request = Request { origin, actor, command: Command::Send { target, draft } };
                    self.held = true;
                    self.waiting.push_front(Job::Request { request, since: hands.now, new_to_storage: true });
                    return hands.read(After::LookedUp(conversation), read);
                }
                Known::AskStorage | Known::New => {}
            }
        }
        let side = live.side_of(&actor, &hands.directory);
        let done = side.and_then(|side| self.append(hands, origin, side, draft));
        if let Err(refusal) = done {
            hands.answer(origin, Err(refusal));
        }
    }

    fn append(&mut self, hands: &mut Hands, origin: Origin, side: Side, draft: Draft) -> Result<(), Refusal> {
        let live = self.live();
        conversation::takes_messages(live.header.state)?;
        if matches!(live.header.customer, Party::Visitor(_)) && draft.body.kind != BodyKind::Text {
            return Err(Refusal::TextOnly);
        }
        let id: MessageId = hands.mint(live.header.id.vshard(), Ids::message)?;
        let sender = live.sender(side);
        let created_at = hands.now;
        let seq = conversation::append(&mut live.header, side, created_at);
        let message = Message {
            id,
            conversation: live.header.id,
            seq,
            sender,
            body: draft.body,
            created_at,
            read_at: None,
            revised: None,
        };
        if let Some(client_msg_id) = draft.client_msg_id.clone() {
            let sent = Sent { message: id, conversation: live.header.id, seq, created_at };
            live.dedup.remember(sender, client_msg_id, sent, live.durable_seq);
        }
        let scene = live.scene();
        let write = Write::Append {
            conversation: live.header.clone(),
            opens: std::mem::take(&mut live.fresh),
            message: message.clone(),
            client_msg_id: draft.client_msg_id,
        };
        let waiting = vec![hands.asker(origin)];
        live.writes.push_back(Then::Sent { message, scene, waiting, except: Some(origin) });
        hands.write(After::Conversation(live.header.id), write);
        Ok(())
    }

    fn mark_read(
        &mut self,
        hands: &mut Hands,
        origin: Origin,
        actor: &Actor,
        messages: Vec<MessageId>,
        of: Side,
    ) -> Result<(), Refusal> {
        let live = self.live();
        if live.side_of(actor, &hands.directory)? == of {
            return Err(Refusal::Forbidden);
        }
        let at = hands.now;
        conversation::mark_read(&mut live.header, of, at);
        live.writes.push_back(Then::Read { asker: Some(hands.asker(origin)), scene: live.scene(), of, at });
        let write = Write::MarkRead { conversation: live.header.clone(), messages, of, at };
        hands.write(After::Conversation(live.header.id), write);
        Ok(())
    }

    fn end(&mut self, hands: &mut Hands, origin: Origin, actor: &Actor) -> Result<(), Refusal> {
        let live = self.live();
        let by = live.ends_as(actor, &hands.directory)?;
        if live.header.state == State::Closed {
            let answer = Answer::Ended(live.header.id);
            live.writes.push_back(Then::Barrier { asker: hands.asker(origin), answer });
            self.settle(hands);
            return Ok(());
        }
        let at = hands.now;
        conversation::close(&mut live.header, at);
        live.writes.push_back(Then::Ended { asker: Some(hands.asker(origin)), scene: live.scene(), by, at });
        self.save(hands);
        Ok(())
    }

    fn typing(&mut self, hands: &mut Hands, origin: Origin, actor: &Actor) -> Result<(), Refusal> {
        let live = self.live();
        let by = live.side_of(actor, &hands.directory)?;
        conversation::takes_messages(live.header.state)?;
        let scene = live.scene();
        let other = other_party(&scene, by);
        let event = Arc::new(Event::Typing { scene, by, at: hands.now });
        if let Some(other) = other {
            hands.deliver(&other, &event, None);
        }
        hands.answer(origin, Ok(Answer::Typing));
        Ok(())
    }

    /// The desk has placed a new conversation: its first write.
    pub(super) fn placed(&mut self, hands: &mut Hands, agent: Option<AgentId>) {
        self.held = false;
        if agent.is_some() {
            return self.assigned(hands, agent, None);
        }
        let live = self.live();
        let at = live.header.queued_at;
        live.waits(at);
        self.save(hands);
    }

    /// The desk has given the conversation to an agent, or taken it from one; `former` gave it away. What follows waits
    /// until a new agent has what it did not read.
    pub(super) fn assigned(&mut self, hands: &mut Hands, agent: Option<AgentId>, former: Option<AgentId>) {
        let live = self.live();
        if !live.header.is_open() || live.header.agent == agent {
            return;
        }
        let at = hands.now;
        let backlog = match agent {
            Some(agent) => {
                conversation::assign(&mut live.header, agent, at);
                // Not by the counter: after a mark of some and a recall it may say less than there is.
                let backlog = live.header.last_seq > Seq::ZERO;
                live.writes.push_back(Then::Assigned { scene: live.scene(), at, former, backlog });
                backlog
            }
            None => {
                conversation::unassign(&mut live.header, at);
                live.waits(at);
                false
            }
        };
        self.save(hands);
        self.held |= backlog;
    }

    /// Writes the header down. The first write of a conversation says that it opens.
    pub(super) fn save(&mut self, hands: &mut Hands) {
        let live = self.live();
        let opens = std::mem::take(&mut live.fresh);
        let write = Write::SaveConversation { conversation: live.header.clone(), opens };
        hands.write(After::Conversation(live.header.id), write);
    }

    /// Gives out the answers that no write stands before.
    pub(super) fn settle(&mut self, hands: &mut Hands) {
        let live = self.live();
        while let Some(Then::Barrier { .. }) = live.writes.front() {
            let Some(Then::Barrier { asker, answer }) = live.writes.pop_front() else {
                return;
            };
            hands.answer(asker.origin, Ok(answer));
        }
    }
}

/// The user whose conversation an actor may open.
fn opens_for(actor: &Actor, user: Option<UserId>) -> Option<UserId> {
    match actor {
        Actor::User(own) => Some(*own).filter(|own| user.is_none_or(|user| user == *own)),
        Actor::Admin | Actor::Workbench(None) => user,
        Actor::Visitor { .. }
        | Actor::Customer(_)
        | Actor::Agent(_)
        | Actor::Workbench(Some(_))
        | Actor::Bearer(_)
        | Actor::Anonymous => None,
    }
}

/// How much is told of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// The messages.
    Messages,
    /// The messages and the names of those who wrote.
    Names,
}

/// The party on the other side, if there is one.
pub(super) fn other_party(scene: &Scene, side: Side) -> Option<Party> {
    match side {
        Side::Customer => scene.agent.map(Party::Agent),
        Side::Agent => Some(scene.customer.clone()),
    }
}

/// The client message id of a send.
pub(super) fn client_msg_id(command: &Command) -> Option<&ClientMsgId> {
    match command {
        Command::Send { draft, .. } => draft.client_msg_id.as_ref(),
        _ => None,
    }
}

/// What a peer hears that names a conversation which is not there.
pub(super) const NO_CONVERSATION: Refusal = Refusal::NotFound(Noun::Conversation);
