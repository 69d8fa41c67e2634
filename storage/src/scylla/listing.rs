//! Lists of conversations, newest first: the open ones out of memory, the closed ones day by day out of the cluster.
//! Must not know who asks.

use std::collections::BTreeSet;

use futures_util::future::try_join_all;
use switchboard_protocol::model::limits::LISTING_SCAN_MAX_ROWS;
use switchboard_protocol::model::{
    Conversation, ConversationFilter, Found, ListPosition, Listed, Party, State, Timestamp,
};

use super::cell::{Cell, Statement};
use super::conversation::day;
use super::engine::Engine;
use super::read::{conversation_id, unreadable};
use crate::StoreError;
use crate::layout::Scope;

/// Closed conversations looked at in one step.
const STEP_ROWS: usize = 128;

/// Closed conversations that were admitted, and how far was looked.
#[derive(Default)]
struct Admitted {
    places: BTreeSet<ListPosition>,
    /// Nothing behind this place was looked at; `None` if everything was.
    looked_to: Option<ListPosition>,
}

impl Engine {
    /// A page of a list; see `Read::Conversations`.
    pub(super) async fn list(
        &self,
        filter: &ConversationFilter,
        after: Option<ListPosition>,
        limit: usize,
    ) -> Result<Found, StoreError> {
        if let Some(customer) = &filter.customer {
            return self.list_of_customer(customer, filter, after, limit).await;
        }
        // The open ones first: what is closed meanwhile is then found twice, and shown once.
        let mut places = self.open.borrow().listed(filter, after, limit + 1)?;
        let mut looked_to = None;
        if filter.state.is_none_or(|state| state == State::Closed) {
            for scope in Scope::narrowest(filter) {
                let admitted = self.closed(scope, filter, after, limit + 1).await?;
                places.extend(admitted.places);
                looked_to = looked_to.max(admitted.looked_to);
            }
        }
        places.retain(|at| looked_to.is_none_or(|end| *at >= end));
        let more = places.len() > limit;
        let shown: Vec<_> = places.into_iter().rev().take(limit).collect();
        let next = if more { shown.last().copied() } else { looked_to };
        let asked = shown.iter().map(|at| async { self.listed(self.header(at.conversation).await?).await });
        let page: Vec<Listed> = try_join_all(asked).await?.into_iter().flatten().collect();
        Ok(Found::Conversations { page, next })
    }

    /// The closed conversations of a scope that a filter admits, newest first.
    async fn closed(
        &self,
        scope: Scope<'_>,
        filter: &ConversationFilter,
        after: Option<ListPosition>,
        limit: usize,
    ) -> Result<Admitted, StoreError> {
        let mut key = Vec::with_capacity(32);
        scope.prefix(State::Closed, &mut key);
        let mut admitted = Admitted::default();
        let mut looked_at = 0;
        let mut behind = after.map_or((i64::MAX, i64::MAX), place_of);
        let mut next_day = Some(after.map_or(i32::MAX, |at| day(at.created_at)));
        while let Some(day) = self.day_at_or_before(&key, next_day).await? {
            loop {
                let places = self.closed_of_day(&key, day, behind).await?;
                let headers = try_join_all(places.iter().map(|at| self.header(at.conversation))).await?;
                for (place, header) in places.iter().zip(headers) {
                    // An entry may be there without the end of its conversation.
                    let ended = header.filter(|header| !header.is_open() && filter.admits(header));
                    if ended.is_some() {
                        admitted.places.insert(*place);
                    }
                }
                looked_at += places.len();
                let Some(last) = places.last() else { break };
                behind = place_of(*last);
                if admitted.places.len() >= limit || looked_at >= LISTING_SCAN_MAX_ROWS {
                    admitted.looked_to = Some(*last);
                    return Ok(admitted);
                }
            }
            next_day = day.checked_sub(1);
        }
        Ok(admitted)
    }

    async fn day_at_or_before(&self, scope: &[u8], day: Option<i32>) -> Result<Option<i32>, StoreError> {
        let Some(day) = day else { return Ok(None) };
        let values = [Cell::Blob(scope.to_vec()), Cell::Int(day), Cell::Int(1)];
        let rows = self.cluster.rows(Statement::new(|s| &s.closed_days, values)).await?;
        let row = rows.maybe_first_row::<(i32,)>().map_err(unreadable)?;
        Ok(row.map(|(day,)| day))
    }

    async fn closed_of_day(
        &self,
        scope: &[u8],
        day: i32,
        (millis, id): (i64, i64),
    ) -> Result<Vec<ListPosition>, StoreError> {
        let step = Cell::Int(STEP_ROWS as i32);
        let values = [Cell::Blob(scope.to_vec()), Cell::Int(day), Cell::Big(millis), Cell::Big(id), step];
        let rows = self.cluster.rows(Statement::new(|s| &s.closed, values)).await?;
        let rows = rows.rows::<(i64, i64)>().map_err(unreadable)?;
        rows.map(|row| {
            let (millis, id) = row.map_err(unreadable)?;
            let created_at = Timestamp::from_millis(millis.cast_unsigned());
            Ok(ListPosition { created_at, conversation: conversation_id(id)? })
        })
        .collect()
    }

    /// A customer's own conversations, by id, which is by when they were opened.
    async fn list_of_customer(
        &self,
        customer: &Party,
        filter: &ConversationFilter,
        after: Option<ListPosition>,
        limit: usize,
    ) -> Result<Found, StoreError> {
        let mut before = after.map_or(i64::MAX, |at| at.conversation.get().cast_signed());
        let mut admitted: Vec<Conversation> = Vec::new();
        let mut looked_to = None;
        let mut looked_at = 0;
        while admitted.len() <= limit {
            let ids = self.ids_of_party(customer, before, STEP_ROWS).await?;
            let Some(last) = ids.last() else {
                looked_to = None;
                break;
            };
            before = last.get().cast_signed();
            let headers = try_join_all(ids.iter().map(|id| self.header(*id))).await?;
            looked_to = headers.iter().flatten().last().map(ListPosition::of).or(looked_to);
            admitted.extend(headers.into_iter().flatten().filter(|header| filter.admits(header)));
            looked_at += ids.len();
            if looked_at >= LISTING_SCAN_MAX_ROWS {
                break;
            }
        }
        let next = match admitted.len() > limit {
            true => admitted.get(limit - 1).map(ListPosition::of),
            false => looked_to,
        };
        admitted.truncate(limit);
        let shown = try_join_all(admitted.into_iter().map(|header| self.listed(Some(header)))).await?;
        Ok(Found::Conversations { page: shown.into_iter().flatten().collect(), next })
    }
}

/// A place as its columns have it.
const fn place_of(at: ListPosition) -> (i64, i64) {
    (at.created_at.as_millis().cast_signed(), at.conversation.get().cast_signed())
}
