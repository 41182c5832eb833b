//! Referrals (RFC 3296): entries that say who holds the subtree below their name. Without the ManageDsaIT control an
//! operation at or below one is sent there, and a search tells of those in its scope.

use super::alias::Places;
use super::error::Error;
use super::request::Scope;
use super::tree::{self, Resolved};
use crate::access::Grants;
use crate::base::EntryId;
use crate::model::ldap_url::{LdapUrl, UrlScope, write_url};
use crate::model::{Dn, Entry, Facts, upwards};
use crate::schema::Schema;
use roaring::RoaringBitmap;

/// The class of referrals.
pub(super) const REFERRAL: &str = "2.16.840.1.113730.3.2.6";

/// What a continuation reference says: the same search, elsewhere.
pub(super) struct Continuations {
    /// The referral entries of the scope, which the search does not give as entries.
    pub(super) hidden: RoaringBitmap,
    /// Their URLs, for each.
    pub(super) urls: Vec<Vec<String>>,
}

/// The entries of a class that is rare, and of those derived from it; none costs one look-up.
pub(super) fn of_class(schema: &Schema, facts: &dyn Facts, oid: &str) -> Vec<EntryId> {
    let Some(asked) = schema.class(oid) else { return Vec::new() };
    let classes = schema.derived_classes(asked).iter().map(|class| schema.object_class(*class).oid.as_bytes());
    classes.flat_map(|key| facts.equal(schema.known().object_class, key)).collect()
}

/// Whether the entry is of that class or one derived from it.
pub(super) fn is_of_class(schema: &Schema, entry: &Entry, oid: &str) -> bool {
    schema.entry_is(entry, oid)
}

/// The answer of an operation on `dn` where a referral that the caller may know stands at or above it. `scope` is that of
/// a search.
pub(super) fn referred(
    schema: &Schema,
    facts: &dyn Facts,
    grants: &Grants,
    (dn, resolved): (&Dn, &Resolved),
    scope: Option<Scope>,
) -> Option<Error> {
    if of_class(schema, facts, REFERRAL).is_empty() {
        return None;
    }
    let from = match resolved {
        Resolved::Found(id) => Some(*id),
        Resolved::Missing { nearest, .. } => *nearest,
        Resolved::Outside => None,
    };
    let above = upwards(facts, from?).filter(|entry| is_of_class(schema, entry, REFERRAL));
    let referral = above.filter(|entry| may_follow(schema, facts, grants, entry)).last()?;
    let matched = tree::dn_of(facts, referral.id);
    Some(Error::Referral { urls: urls(schema, &referral, &matched, dn, scope.map(url_scope)), matched })
}

/// The referrals in the scope of a search; its base is none.
pub(super) fn continuations(schema: &Schema, facts: &dyn Facts, grants: &Grants, places: &Places) -> Continuations {
    let mut found = Continuations { hidden: RoaringBitmap::new(), urls: Vec::new() };
    for entry in of_class(schema, facts, REFERRAL).into_iter().filter_map(|id| facts.entry(id)) {
        let Some(scope) = places.scope_of(facts, &entry) else { continue };
        found.hidden.insert(entry.id.0);
        if may_follow(schema, facts, grants, &entry) {
            let name = tree::dn_of(facts, entry.id);
            // RFC 4511 §4.5.3: a search of one level goes on with the entry itself.
            let scope = if scope == Scope::One { UrlScope::Base } else { UrlScope::Subtree };
            if let Ok(dn) = Dn::parse(&name) {
                found.urls.push(urls(schema, &entry, &name, &dn, Some(scope)));
            }
        }
    }
    found
}

fn may_follow(schema: &Schema, facts: &dyn Facts, grants: &Grants, entry: &Entry) -> bool {
    let access = grants.on(facts, entry);
    access.disclosed && schema.attribute("ref").is_some_and(|attribute| access.read.contains(attribute))
}

const fn url_scope(scope: Scope) -> UrlScope {
    match scope {
        Scope::Base => UrlScope::Base,
        Scope::One => UrlScope::One,
        Scope::Subtree => UrlScope::Subtree,
        Scope::Children => UrlScope::Children,
    }
}

/// The URLs of a referral for an operation on `target`, which is the referral or stands below it (RFC 3296 §5): the
/// name of the referral gives way to the DN of the URL. What is no LDAP URL stays as it is.
fn urls(schema: &Schema, referral: &Entry, name: &str, target: &Dn, scope: Option<UrlScope>) -> Vec<String> {
    let depth = Dn::parse(name).map_or(0, |dn| dn.0.len());
    let below = target.0.get(..target.0.len().saturating_sub(depth)).unwrap_or_default();
    let values = schema.attribute("ref").into_iter().flat_map(|attribute| referral.values(attribute));
    let texts = values.filter_map(|value| std::str::from_utf8(value).ok()).filter_map(|text| text.split(' ').next());
    texts
        .map(|text| match LdapUrl::parse(text) {
            Some(url) if url.dn.is_root() => write_url(url.server, target, scope),
            Some(url) => write_url(url.server, &Dn(below.iter().cloned().chain(url.dn.0).collect()), scope),
            None => text.to_owned(),
        })
        .collect()
}
