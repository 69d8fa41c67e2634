//! Out of a store into a file. One stage after another, each page by page; the messages of a page of conversations are
//! asked for many pages at once and written in order. Must not know the lines (`form`) or where they go (`output`).

mod output;

use std::collections::VecDeque;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use switchboard_protocol::model::limits::{EXPORT_PAGE_ROWS, EXPORT_READS_IN_FLIGHT, PAGE_MAX};
use switchboard_protocol::model::{
    AgentId, Conversation, ConversationId, Cursor, CustomerQuery, Found, Page, Read, Scan, Scanned, SentKey, Seq,
    Timestamp,
};
use switchboard_storage::Op;

use super::form::record::{bytes_of_hex, hex};
use super::form::{Header, Record, VERSION};
use super::progress::Progress;
use super::{TransferError, found, open, read, scan, target};
use crate::config::{Config, Engine};
use crate::store::{AskError, Asker, store_dir};
use output::{Note, Output};

/// What is to be exported where.
#[derive(Clone, Debug)]
pub struct Export {
    /// The file, or `-`.
    pub out: PathBuf,
    /// Goes on with one that was interrupted; if there is none, begins.
    pub resume: bool,
}

/// What is exported, in this order. Leases come before all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    Agents,
    Customers,
    Tokens,
    Answers,
    Conversations,
}

/// How far an export is: everything before it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    stage: Stage,
    /// The last agent, the next page of customers, or an engine's cursor in hexadecimal digits.
    after: Option<String>,
}

impl Place {
    const FIRST: Self = Self { stage: Stage::Agents, after: None };

    /// Where to go on in this stage, or, at its end, in the next; `None` behind all.
    fn next(&self, after: Option<String>) -> Option<Self> {
        let stage = match (&after, self.stage) {
            (Some(_), stage) => stage,
            (None, Stage::Agents) => Stage::Customers,
            (None, Stage::Customers) => Stage::Tokens,
            (None, Stage::Tokens) => Stage::Answers,
            (None, Stage::Answers) => Stage::Conversations,
            (None, Stage::Conversations) => return None,
        };
        Some(Self { stage, after })
    }

    fn cursor(&self) -> Option<Cursor> {
        self.after.as_deref().and_then(bytes_of_hex).map(Cursor)
    }

    fn integer(&self) -> u64 {
        self.after.as_deref().and_then(|text| text.parse().ok()).unwrap_or(0)
    }
}

/// Writes all that the store of `config` holds into a file that is durable when this returns `Ok`.
pub fn export(config: &Config, options: &Export, now: Timestamp) -> Result<(), TransferError> {
    let target = target(config)?;
    if config.engine == Engine::Embedded && !store_dir(config).exists() {
        return Err(TransferError::NoStore(config.data_dir.clone()));
    }
    // First: nothing is touched while a server has the store.
    let mut asker = open(config)?;
    let result = Output::open(options, &target)
        .and_then(|(output, note)| Exporter::begin(&mut asker, output, note, now))
        .and_then(Exporter::run);
    asker.close();
    result
}

struct Exporter<'a> {
    asker: &'a mut Asker,
    output: Output,
    progress: Progress,
    place: Place,
    /// Says that no server was started since: each leases ids at its start.
    leases: String,
}

impl<'a> Exporter<'a> {
    fn begin(
        asker: &'a mut Asker,
        mut output: Output,
        note: Option<Note>,
        now: Timestamp,
    ) -> Result<Self, TransferError> {
        let leases = leases(asker)?;
        let digest = hex(&Sha256::digest(format!("{leases:?}")));
        let place = match note {
            Some(note) if note.leases != digest => return Err(TransferError::Moved),
            Some(note) => note.place,
            None => {
                let program = env!("CARGO_PKG_VERSION").to_owned();
                output.header(&Header { switchboard_export: VERSION, made_at: now.as_millis(), program })?;
                for lease in &leases {
                    output.write(lease)?;
                }
                Place::FIRST
            }
        };
        let progress = Progress::new("export", None, output.counts());
        Ok(Self { asker, output, progress, place, leases: digest })
    }

    fn run(mut self) -> Result<(), TransferError> {
        loop {
            let after = match self.place.stage {
                Stage::Agents => self.agents()?,
                Stage::Customers => self.customers()?,
                Stage::Tokens => self.tokens()?,
                Stage::Answers => self.answers()?,
                Stage::Conversations => self.conversations()?,
            };
            let Some(place) = self.place.next(after) else { break };
            self.place = place;
            self.output.note_if_due(&self.place, &self.leases)?;
        }
        if hex(&Sha256::digest(format!("{:?}", leases(self.asker)?))) != self.leases {
            return Err(TransferError::Moved);
        }
        let (counts, bytes) = self.output.finish()?;
        self.progress.finish(&counts, bytes);
        Ok(())
    }

    fn write(&mut self, record: &Record) -> Result<(), TransferError> {
        self.output.write(record)?;
        self.progress.tell(&self.output.counts(), self.output.bytes());
        Ok(())
    }

    fn agents(&mut self) -> Result<Option<String>, TransferError> {
        let after = AgentId::new(self.place.integer()).ok();
        let Found::Agents(page) = read(self.asker, Read::Agents { after, limit: EXPORT_PAGE_ROWS })? else {
            return Err(AskError::Else("agents").into());
        };
        let last = page.last().map(|(id, _)| id.get().to_string());
        for (id, profile) in page {
            self.write(&profile.map_or(Record::DeletedAgent(id), Record::Agent))?;
        }
        Ok(last)
    }

    fn customers(&mut self) -> Result<Option<String>, TransferError> {
        let page = self.place.integer();
        let query = CustomerQuery { page, size: PAGE_MAX, ..CustomerQuery::default() };
        let Found::Customers { customers, total } = read(self.asker, Read::Customers(query))? else {
            return Err(AskError::Else("customers").into());
        };
        for view in customers {
            self.write(&Record::Customer(Box::new(view)))?;
        }
        let more = (page + 1).saturating_mul(PAGE_MAX.into()) < total;
        Ok(more.then(|| (page + 1).to_string()))
    }

    fn tokens(&mut self) -> Result<Option<String>, TransferError> {
        let ask = Scan::Tokens { after: self.place.cursor(), limit: EXPORT_PAGE_ROWS };
        let Scanned::Tokens(page) = scan(self.asker, ask)? else { return Err(AskError::Else("tokens").into()) };
        for token in page.rows {
            self.write(&Record::Token(token))?;
        }
        Ok(page.next.map(|cursor| hex(&cursor.0)))
    }

    fn answers(&mut self) -> Result<Option<String>, TransferError> {
        let ask = Scan::Answers { after: self.place.cursor(), limit: PAGE_MAX };
        let Scanned::Answers(page) = scan(self.asker, ask)? else { return Err(AskError::Else("answers").into()) };
        for (name, kept) in page.rows {
            self.write(&Record::Answer(name, kept))?;
        }
        Ok(page.next.map(|cursor| hex(&cursor.0)))
    }

    /// A page of headers with all that is in their conversations.
    fn conversations(&mut self) -> Result<Option<String>, TransferError> {
        let ask = Scan::Conversations { after: self.place.cursor(), limit: EXPORT_PAGE_ROWS };
        let Scanned::Conversations(page) = scan(self.asker, ask)? else {
            return Err(AskError::Else("conversations").into());
        };
        let mut asked = page.rows.iter().flat_map(Ask::all_of);
        let mut under_way: VecDeque<(Ask<'_>, Option<u64>)> = VecDeque::new();
        loop {
            while under_way.len() < EXPORT_READS_IN_FLIGHT
                && let Some(ask) = asked.next()
            {
                let number = ask.read().map(|read| self.asker.submit(Op::Read(read))).transpose()?;
                under_way.push_back((ask, number));
            }
            let Some((ask, number)) = under_way.pop_front() else { break };
            let answer = number.map(|number| found(self.asker.answer(number)?)).transpose()?;
            self.answered(&ask, answer)?;
        }
        Ok(page.next.map(|cursor| hex(&cursor.0)))
    }

    fn answered(&mut self, ask: &Ask<'_>, answer: Option<Found>) -> Result<(), TransferError> {
        match (ask, answer) {
            (Ask::Header(header), None) => self.write(&Record::Conversation(Box::new((*header).clone()))),
            (Ask::Messages { header, from }, Some(Found::History(messages))) => {
                let expected = (header.last_seq.get() + 1 - from).min(PAGE_MAX.into());
                let dense = messages.iter().zip(*from..).all(|(message, seq)| message.seq.get() == seq);
                if messages.len() as u64 != expected || !dense {
                    let what = format!("conversation {} lacks a message behind {}", header.id, from - 1);
                    return Err(TransferError::Damaged(what));
                }
                messages.into_iter().try_for_each(|message| self.write(&Record::Message(message)))
            }
            (Ask::Sent { header }, Some(Found::Scanned(Scanned::SentKeys(page)))) => self.sent(header.id, page),
            (Ask::Header(_) | Ask::Messages { .. } | Ask::Sent { .. }, _) => Err(AskError::Else("messages").into()),
        }
    }

    /// The first page of dedup keys and all that follow.
    fn sent(&mut self, conversation: ConversationId, first: Page<SentKey>) -> Result<(), TransferError> {
        let mut page = first;
        loop {
            for key in page.rows {
                self.write(&Record::Sent(key))?;
            }
            let Some(after) = page.next else { return Ok(()) };
            let ask = Scan::SentKeys { conversation, after: Some(after), limit: EXPORT_PAGE_ROWS };
            let Scanned::SentKeys(next) = scan(self.asker, ask)? else {
                return Err(AskError::Else("dedup keys").into());
            };
            page = next;
        }
    }
}

fn leases(asker: &mut Asker) -> Result<Vec<Record>, TransferError> {
    let Scanned::Leases(leases) = scan(asker, Scan::Leases)? else { return Err(AskError::Else("leases").into()) };
    Ok(leases.into_iter().map(|(vshard, next)| Record::Lease(vshard, next)).collect())
}

/// What is asked of a conversation, in the order in which it is written.
enum Ask<'a> {
    Header(&'a Conversation),
    Messages { header: &'a Conversation, from: u64 },
    Sent { header: &'a Conversation },
}

impl<'a> Ask<'a> {
    fn all_of(header: &'a Conversation) -> impl Iterator<Item = Self> {
        let pages = (1..=header.last_seq.get()).step_by(PAGE_MAX as usize);
        let messages = pages.map(move |from| Self::Messages { header, from });
        std::iter::once(Self::Header(header)).chain(messages).chain(std::iter::once(Self::Sent { header }))
    }

    /// The question, if it takes one.
    fn read(&self) -> Option<Read> {
        match self {
            Self::Header(_) => None,
            Self::Messages { header, from } => {
                let to = Seq::new(from - 1 + u64::from(PAGE_MAX));
                Some(Read::History { conversation: header.id, from: Seq::new(*from), to: to.min(header.last_seq) })
            }
            Self::Sent { header } => {
                let scan = Scan::SentKeys { conversation: header.id, after: None, limit: EXPORT_PAGE_ROWS };
                Some(Read::Scan(scan))
            }
        }
    }
}
