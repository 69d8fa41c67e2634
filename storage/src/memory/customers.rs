//! The reference for customers and tokens, in plain maps. Must not know disks.

use std::collections::{BTreeMap, HashMap};

use switchboard_protocol::model::{
    Channel, CustomerId, CustomerNumber, CustomerProfile, CustomerQuery, CustomerView, CustomerWritten, Found,
    Identity, Party, StoredToken, Timestamp, TokenHash,
};

/// Customers in the order they were made, by what they are known, and tokens.
#[derive(Clone, Debug, Default)]
pub(super) struct Customers {
    profiles: Vec<CustomerProfile>,
    places: HashMap<CustomerId, usize>,
    identities: HashMap<Identity, CustomerId>,
    interactions: HashMap<CustomerId, Timestamp>,
    tokens: BTreeMap<TokenHash, (Party, Timestamp)>,
    expiries: BTreeMap<(Timestamp, TokenHash), ()>,
}

impl Customers {
    pub(super) fn create(&mut self, profile: &CustomerProfile) -> CustomerWritten {
        if self.places.contains_key(&profile.id) {
            return CustomerWritten::Stale;
        }
        if let Some(taken) = self.taken(profile) {
            return taken;
        }
        self.places.insert(profile.id, self.profiles.len());
        self.profiles.push(profile.clone());
        self.claim(profile);
        CustomerWritten::Saved
    }

    pub(super) fn update(&mut self, profile: &CustomerProfile, seen: Timestamp) -> CustomerWritten {
        let Some(place) = self.places.get(&profile.id).copied() else { return CustomerWritten::Stale };
        if self.profiles[place].updated_at != seen {
            return CustomerWritten::Stale;
        }
        if let Some(taken) = self.taken(profile) {
            return taken;
        }
        for identity in &self.profiles[place].identities {
            self.identities.remove(identity);
        }
        self.profiles[place] = profile.clone();
        self.claim(profile);
        CustomerWritten::Saved
    }

    fn taken(&self, profile: &CustomerProfile) -> Option<CustomerWritten> {
        profile.identities.iter().find_map(|identity| {
            let by = self.identities.get(identity).copied().filter(|by| *by != profile.id)?;
            Some(CustomerWritten::Taken { kind: identity.kind(), by })
        })
    }

    fn claim(&mut self, profile: &CustomerProfile) {
        self.identities.extend(profile.identities.iter().map(|identity| (identity.clone(), profile.id)));
    }

    /// A customer wrote then; it may have written later.
    pub(super) fn wrote_then(&mut self, id: CustomerId, at: Timestamp) {
        let last = self.interactions.entry(id).or_insert(at);
        *last = at.max(*last);
    }

    /// A customer has written a message.
    pub(super) fn wrote(&mut self, id: CustomerId, at: Timestamp) {
        self.interactions.insert(id, at);
    }

    pub(super) fn save_token(&mut self, hash: TokenHash, bearer: &Party, expires_at: Timestamp) {
        self.tokens.insert(hash, (bearer.clone(), expires_at));
        self.expiries.insert((expires_at, hash), ());
    }

    pub(super) fn remove_tokens(&mut self, tokens: &[(TokenHash, Timestamp)]) {
        for (hash, expires_at) in tokens {
            self.tokens.remove(hash);
            self.expiries.remove(&(*expires_at, *hash));
        }
    }

    /// All, by their hashes.
    pub(super) fn tokens(&self) -> impl Iterator<Item = StoredToken> {
        let tokens = self.tokens.iter();
        tokens.map(|(hash, (bearer, at))| StoredToken { hash: *hash, bearer: bearer.clone(), expires_at: *at })
    }

    pub(super) fn number_of(&self, party: &Party) -> Option<CustomerNumber> {
        self.of_party(party).map(|profile| profile.number)
    }

    pub(super) fn channel_of(&self, party: &Party) -> Option<Channel> {
        self.of_party(party).map(|profile| profile.channel)
    }

    fn of_party(&self, party: &Party) -> Option<&CustomerProfile> {
        match party {
            Party::Customer(id) => self.places.get(id).map(|place| &self.profiles[*place]),
            Party::User(_) | Party::Visitor(_) | Party::Agent(_) => None,
        }
    }

    pub(super) fn record(&self, id: CustomerId) -> Option<CustomerView> {
        self.places.get(&id).map(|place| self.view(&self.profiles[*place]))
    }

    pub(super) fn known_by(&self, identity: &Identity) -> Option<CustomerView> {
        self.record(*self.identities.get(identity)?)
    }

    pub(super) fn page(&self, query: &CustomerQuery) -> Found {
        let meant = |profile: &&CustomerProfile| {
            query.name.as_ref().is_none_or(|name| *name == profile.name)
                && query.channel.is_none_or(|channel| channel == profile.channel)
                && query.active.is_none_or(|active| active == profile.active)
        };
        let skipped = query.page.saturating_mul(query.size.into());
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        let page = self.profiles.iter().filter(meant).skip(skipped).take(query.size as usize);
        Found::Customers {
            customers: page.map(|profile| self.view(profile)).collect(),
            total: self.profiles.iter().filter(meant).count() as u64,
        }
    }

    pub(super) fn token(&self, hash: &TokenHash) -> Option<(Party, Timestamp)> {
        self.tokens.get(hash).cloned()
    }

    pub(super) fn expired_tokens(&self, before: Timestamp, limit: u32) -> Vec<(TokenHash, Timestamp)> {
        let expired = self.expiries.keys().take_while(|(expires_at, _)| *expires_at < before);
        expired.take(limit as usize).map(|(expires_at, hash)| (*hash, *expires_at)).collect()
    }

    fn view(&self, profile: &CustomerProfile) -> CustomerView {
        let last_interaction_at = self.interactions.get(&profile.id).copied();
        CustomerView { profile: profile.clone(), last_interaction_at }
    }
}
