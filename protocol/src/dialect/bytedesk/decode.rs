//! Requests for `/api/v1/agents` to commands. Unknown fields are passed over, `null` counts as absent except where
//! it clears (`avatar`, `accept`). Must not know HTTP heads or tokens.

use crate::dialect::json::{Fields, WireId};
use crate::dialect::{FieldError, Query, Rejection, Scratch};
use crate::model::limits::{
    AGENT_CODE_MAX_CHARS, AGENT_GROUPS_MAX, AGENT_MAX_CONCURRENT, AGENTS_PAGE_DEFAULT, GROUP_MAX_CHARS, NAME_MAX_CHARS,
    PAGE_MAX, URL_MAX_BYTES,
};
use crate::model::{AgentChange, AgentCode, AgentDraft, AgentId, AgentRef, Command, Group, Noun, Refusal};

use super::wire;

const _: () = assert!(AGENT_CODE_MAX_CHARS == 64 && GROUP_MAX_CHARS == 64 && AGENT_GROUPS_MAX == 64);
const CODE_FORM: &str = "1 to 64 characters, none of them control characters, and not \"auto\"";
const CODE_IS_ID_FORM: &str = "the decimal form of id if it is a number";
const ID_FORM: &str = "an integer of 1 to 2^52 - 1";
const _: () = assert!(NAME_MAX_CHARS == 128 && URL_MAX_BYTES == 2048 && AGENT_MAX_CONCURRENT == 10_000);
const NAME_FORM: &str = "1 to 128 characters, none of them control characters";
const AVATAR_FORM: &str = "at most 2048 bytes";
const MAX_CONCURRENT_FORM: &str = "an integer of 0 to 10000";
const GROUPS_FORM: &str = "a list of 1 to 64 strings of 1 to 64 characters";
const SKILLS_FORM: &str = "a list of at most 64 strings of 1 to 64 characters";
const ACCEPT_FORM: &str = "\"auto\", \"manual\" or null";
const STATUS_FORM: &str = "\"online\", \"busy\", \"away\" or \"offline\"";
const LIMIT_FORM: &str = "an integer of at least 1";

/// `POST /api/v1/agents`. `id` and `cs_id` are optional; a `cs_id` that is a number is the id as well, because both
/// name the agent in every dialect.
pub fn create(body: &mut [u8], scratch: &mut Scratch) -> Result<Command, Rejection> {
    scratch.read_checked(body, |fields| {
        let fields = fields?;
        let mut id = match fields.id("id")? {
            None => None,
            Some(WireId::Possible(id)) => Some(AgentId::new(id).map_err(|_| FieldError::must_be("id", ID_FORM))?),
            Some(WireId::Impossible) => return Err(FieldError::must_be("id", ID_FORM).into()),
        };
        let code = match fields.text("cs_id")? {
            None => None,
            Some("auto") => return Err(FieldError::must_be("cs_id", CODE_FORM).into()),
            Some(text) => Some(AgentCode::new(text).map_err(|_| FieldError::must_be("cs_id", CODE_FORM))?),
        };
        if let Some(code) = &code
            && let Some(number) = WireId::of_text(code.as_str())
        {
            let number = match number {
                WireId::Possible(number) => AgentId::new(number).ok(),
                WireId::Impossible => None,
            };
            let agrees =
                number.is_some_and(|number| number.to_string() == code.as_str() && id.is_none_or(|id| id == number));
            if !agrees {
                return Err(FieldError::must_be("cs_id", CODE_IS_ID_FORM).into());
            }
            id = number;
        }
        let rest = change(&fields)?;
        Ok(Command::CreateAgent(Box::new(AgentDraft { id, code, rest })))
    })
}

/// `GET /api/v1/agents/{id}`, by id or code.
pub fn get(id: &str) -> Result<Command, Rejection> {
    Ok(Command::GetAgent(agent(id)?))
}

/// `PUT /api/v1/agents/{id}`: absent fields stay; `id`, `cs_id` and `current_concurrent` never change and are passed
/// over, so that what `GET` shows may be sent back.
pub fn update(id: &str, body: &mut [u8], scratch: &mut Scratch) -> Result<Command, Rejection> {
    let agent = agent(id)?;
    scratch.read_checked(body, |fields| {
        let change = change(&fields?)?;
        Ok(Command::UpdateAgent(agent, Box::new(change)))
    })
}

/// `DELETE /api/v1/agents/{id}`.
pub fn delete(id: &str) -> Result<Command, Rejection> {
    Ok(Command::DeleteAgent(agent(id)?))
}

/// `GET /api/v1/agents?cursor=&limit=`: `limit` 20, at most 100 (more is 100); `cursor` is the last page's
/// `next_cursor`.
pub fn list(query: Query<'_>) -> Result<Command, Rejection> {
    let given = |name| query(name).filter(|text| !text.is_empty());
    let after = match given("cursor").map(|text| WireId::of_text(&text)) {
        None => None,
        Some(Some(WireId::Possible(id))) if AgentId::new(id).is_ok() => AgentId::new(id).ok(),
        Some(_) => return Err(FieldError::must_be("cursor", "a next_cursor of this list").into()),
    };
    let limit = match given("limit") {
        None => AGENTS_PAGE_DEFAULT,
        Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().unwrap_or(PAGE_MAX).min(PAGE_MAX),
        Some(_) => 0,
    };
    if limit == 0 {
        return Err(FieldError::must_be("limit", LIMIT_FORM).into());
    }
    Ok(Command::ListAgents { after, limit })
}

/// The agent a path names: an integer is an id, anything else a code.
pub fn agent(text: &str) -> Result<AgentRef, Refusal> {
    let agent = match WireId::of_text(text) {
        Some(WireId::Possible(id)) => AgentId::new(id).ok().map(AgentRef::Id),
        Some(WireId::Impossible) => None,
        None => AgentCode::new(text).ok().map(AgentRef::Code),
    };
    agent.ok_or(Refusal::NotFound(Noun::Agent))
}

fn change(fields: &Fields<'_, '_>) -> Result<AgentChange, FieldError> {
    let name = fields.text("name")?;
    if name.is_some_and(|name| !is_short(name, NAME_MAX_CHARS)) {
        return Err(FieldError::must_be("name", NAME_FORM));
    }
    let avatar = fields.text("avatar")?.filter(|url| !url.is_empty());
    if avatar.is_some_and(|url| url.len() > URL_MAX_BYTES) {
        return Err(FieldError::must_be("avatar", AVATAR_FORM));
    }
    let max_concurrent = match fields.integer("max_concurrent", MAX_CONCURRENT_FORM)? {
        None => None,
        Some(max) => Some(
            u32::try_from(max)
                .ok()
                .filter(|max| *max <= AGENT_MAX_CONCURRENT)
                .ok_or(FieldError::must_be("max_concurrent", MAX_CONCURRENT_FORM))?,
        ),
    };
    let groups = fields.texts("groups", AGENT_GROUPS_MAX, GROUPS_FORM, |text| Group::new(text).ok())?;
    if groups.as_ref().is_some_and(Vec::is_empty) {
        return Err(FieldError::must_be("groups", GROUPS_FORM));
    }
    let skill = |text: &str| is_short(text, GROUP_MAX_CHARS).then(|| text.to_owned());
    let skills = fields.texts("skills", AGENT_GROUPS_MAX, SKILLS_FORM, skill)?;
    let accept = match fields.text("accept")? {
        None => None,
        Some(word) => Some(wire::accept_of_word(word).ok_or(FieldError::must_be("accept", ACCEPT_FORM))?),
    };
    let status = match fields.text("status")? {
        None => None,
        Some(word) => Some(wire::status_of_word(word).ok_or(FieldError::must_be("status", STATUS_FORM))?),
    };
    Ok(AgentChange {
        name: name.map(str::to_owned),
        avatar: fields.has("avatar").then(|| avatar.map(str::to_owned)),
        max_concurrent,
        groups: groups.map(without_doubles),
        skills,
        accept: fields.has("accept").then_some(accept),
        status,
    })
}

fn is_short(text: &str, max_chars: usize) -> bool {
    !text.is_empty() && text.chars().count() <= max_chars && !text.chars().any(char::is_control)
}

fn without_doubles(groups: Vec<Group>) -> Vec<Group> {
    let mut kept = Vec::with_capacity(groups.len());
    for group in groups {
        if !kept.contains(&group) {
            kept.push(group);
        }
    }
    kept
}
