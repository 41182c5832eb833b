//! Attributes that are made when they are asked for: links shown as DNs, memberOf, the place in the tree, the
//! state of an account. They are never stored, so they cannot be wrong.

use super::{lockout, structure, tree};
use crate::base::{EntryId, Timestamp};
use crate::domain::content;
use crate::domain::packages::effective_roles;
use crate::domain::seats::Counting;
use crate::domain::{Catalog, Licence, Rights, Session, User, groups};
use crate::model::{AttributeId, Entry, Facts, Kind, Level};
use crate::schema::Schema;
use std::collections::BTreeSet;

/// The DN of the subschema entry (RFC 4512 §4.2).
pub const SUBSCHEMA: &str = "cn=Subschema";

/// The values of a derived attribute.
pub(crate) fn values(schema: &Schema, catalog: &Catalog, facts: &dyn Facts, entry: &Entry, attribute: AttributeId) -> Vec<Vec<u8>> {
    let known = schema.known();
    if attribute == known.entry_dn {
        return vec![tree::dn_of(facts, entry.id).into_bytes()];
    }
    // How much of what one may not see there is, is not told either (C7).
    if [known.has_subordinates, known.num_subordinates].contains(&attribute) && content::is_container(schema, facts, entry) {
        return Vec::new();
    }
    if attribute == known.has_subordinates {
        return vec![if facts.child_count(entry.id) > 0 { b"TRUE".to_vec() } else { b"FALSE".to_vec() }];
    }
    if attribute == known.num_subordinates {
        return vec![facts.child_count(entry.id).to_string().into_bytes()];
    }
    if attribute == known.subschema_subentry {
        return vec![SUBSCHEMA.as_bytes().to_vec()];
    }
    if attribute == known.member_of {
        return groups::containing(schema, facts, catalog, entry.id)
            .into_iter()
            .map(|group| tree::dn_of(facts, group).into_bytes())
            .collect();
    }
    if [known.pwd_account_locked_time, known.pwd_failure_time, known.pwd_last_success].contains(&attribute) {
        return attempts(schema, facts, entry, attribute);
    }
    if attribute == known.hc_account_state {
        return User::of(schema, entry).map(|user| user.state().name().as_bytes().to_vec()).into_iter().collect();
    }
    if attribute == known.hc_effective_role {
        return effective_roles(schema, facts, catalog, entry.id).map(|role| tree::dn_of(facts, role).into_bytes()).collect();
    }
    if attribute == known.hc_permission && entry.kind == Kind::User {
        let permissions = Rights::of(schema, facts, catalog, entry.id).permissions;
        return permissions.iter().map(|name| name.as_bytes().to_vec()).collect();
    }
    if attribute == known.hc_session_expires {
        return session_expires(schema, facts, entry).map(|time| time.generalized().into_bytes()).into_iter().collect();
    }
    if attribute == known.hc_sessions_in_use && entry.kind == Kind::Licence {
        return vec![sessions_in_use(schema, facts, entry).to_string().into_bytes()];
    }
    if attribute == known.hc_effective_member {
        return effective_members(schema, facts, catalog, entry.id);
    }
    if attribute == known.governing_structure_rule {
        return structure::governing_rule(schema, facts, entry).map(|rule| rule.to_string().into_bytes()).into_iter().collect();
    }
    if attribute == known.collective_attribute_subentries {
        return entry.values(attribute).map(<[u8]>::to_vec).collect();
    }
    Vec::new()
}

/// When attempts to sign in failed, since when further ones wait, and when one succeeded: as of a second ago at most.
fn attempts(schema: &Schema, facts: &dyn Facts, entry: &Entry, attribute: AttributeId) -> Vec<Vec<u8>> {
    let Some(attempts) = lockout::saved(facts, entry.id) else { return Vec::new() };
    let known = schema.known();
    if attribute == known.pwd_failure_time {
        return attempts.failures().iter().map(|time| time.generalized_millis().into_bytes()).collect();
    }
    let time = if attribute == known.pwd_last_success { attempts.last_success() } else { attempts.locked_since() };
    time.map(|time| time.generalized().into_bytes()).into_iter().collect()
}

/// When the session ends if nothing happens (S5): by what its entry says, which follows activity within a minute.
fn session_expires(schema: &Schema, facts: &dyn Facts, entry: &Entry) -> Option<Timestamp> {
    let session = Session::of(schema, entry)?;
    let (licence, _) = facts.targets(entry.id, schema.known().hc_session_licence, None, 1).first().copied()?;
    let terms = Licence::of(schema, &*facts.entry(licence)?)?.terms();
    let idle = session.last_activity()?.plus(terms.idle_timeout);
    let aged = terms.maximum_age.and_then(|age| Some(session.started()?.plus(age)));
    Some(aged.map_or(idle, |aged| aged.min(idle)))
}

/// Seats taken: sessions, or users who have one (S2).
fn sessions_in_use(schema: &Schema, facts: &dyn Facts, entry: &Entry) -> usize {
    let known = schema.known();
    let counting = Licence::of(schema, entry).map(|licence| licence.terms().counting).unwrap_or_default();
    let sessions = facts.sources(entry.id, known.hc_session_licence);
    let user = |(session, _): &(EntryId, Level)| facts.targets(*session, known.hc_session_user, None, 1).first().map(|(user, _)| *user);
    match counting {
        Counting::Sessions => sessions.len(),
        Counting::Users => sessions.iter().filter_map(user).collect::<BTreeSet<_>>().len(),
    }
}

/// The members of a group by inheritance and nesting too (G6): those who show it in their memberOf.
fn effective_members(schema: &Schema, facts: &dyn Facts, catalog: &Catalog, group: EntryId) -> Vec<Vec<u8>> {
    let (candidates, all) = groups::candidates(schema, facts, group);
    let is_in = |member: &EntryId| all || groups::containing(schema, facts, catalog, *member).contains(&group);
    let (mut names, mut found) = (Names::default(), NameList::default());
    for entry in candidates.iter().filter(|member| is_in(member)).filter_map(|member| facts.entry(*member)) {
        found.push(facts, &entry, &mut names);
    }
    found.iter().map(<[u8]>::to_vec).collect()
}

/// Names one after another in one text, because a large group has many.
#[derive(Default)]
pub(crate) struct NameList {
    text: String,
    ends: Vec<usize>,
}

impl NameList {
    /// Takes all names out.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    /// Puts the DN of an entry in.
    pub(crate) fn push(&mut self, facts: &dyn Facts, entry: &Entry, names: &mut Names) {
        names.write(facts, entry, &mut self.text);
        self.ends.push(self.text.len());
    }

    /// Puts a text in.
    pub(crate) fn push_text(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len());
    }

    /// The names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| self.text.as_bytes().get(start..*end).unwrap_or_default())
    }
}

/// Puts DNs together, remembering the DN of the last parent: members of a group mostly share one.
#[derive(Default)]
pub(crate) struct Names {
    parent: Option<(EntryId, String)>,
}

impl Names {
    /// Appends the DN of an entry.
    pub(crate) fn write(&mut self, facts: &dyn Facts, entry: &Entry, out: &mut String) {
        out.push_str(&entry.rdn);
        let Some(parent) = entry.parent else { return };
        if self.parent.as_ref().is_none_or(|(id, _)| *id != parent) {
            self.parent = Some((parent, tree::dn_of(facts, parent)));
        }
        if let Some((_, name)) = &self.parent {
            out.push(',');
            out.push_str(name);
        }
    }
}
