//! Which entries can match at all: asks the indexes, and says whether what they answer still has to be asked of
//! each entry.

use super::collective::Reach;
use super::filter::{Item, Matcher, Test, Truth};
use super::link_view;
use crate::base::EntryId;
use crate::domain::{Catalog, groups};
use crate::model::{AttributeId, Facts, Filter};
use crate::schema::Schema;
use crate::store::{Candidates, Memory};
use roaring::RoaringBitmap;
use std::ops::Bound;

/// The answer of the indexes.
pub(super) struct Plan {
    /// Every entry that matches is among these.
    pub(super) ids: RoaringBitmap,
    /// All of these match, wherever they stand, as long as nothing has changed since before they were asked.
    pub(super) exact: bool,
}

/// What some of them answer.
pub(super) struct Part {
    /// Every entry that matches is among these.
    pub(super) ids: RoaringBitmap,
    /// All of these match, wherever they stand.
    pub(super) exact: bool,
}

impl From<Candidates> for Part {
    fn from(candidates: Candidates) -> Self {
        Self { ids: candidates.ids, exact: candidates.exact }
    }
}

/// A beginning is one of about so many.
const PREFIXES: usize = 32;
/// How often the indexes are asked anew where too much changes meanwhile.
const ATTEMPTS: usize = 3;
/// Above this many keys a scan or range gives up: looking at the entries is not dearer then.
const SCAN_LIMIT: usize = 200_000;

/// About how many keys of the indexes are looked at to plan a search with this filter, for attributes that are `wanted`.
pub(super) fn keys_to_look_at(schema: &Schema, memory: &Memory, filter: &Filter<'_>, wanted: &dyn Fn(AttributeId) -> bool) -> usize {
    let keys = |name: &str| {
        let types = schema.attribute(name).map(|attribute| schema.with_subtypes(attribute)).unwrap_or_default();
        types.iter().filter(|attribute| wanted(**attribute)).filter_map(|attribute| memory.key_count(*attribute)).sum::<usize>()
    };
    match filter {
        Filter::And(parts) | Filter::Or(parts) => parts.iter().map(|part| keys_to_look_at(schema, memory, part, wanted)).sum(),
        // Those that begin alike stand together.
        Filter::Substrings(name, parts) if parts.initial.is_some() => keys(name) / PREFIXES,
        Filter::Substrings(name, _) | Filter::GreaterOrEqual(name, _) | Filter::LessOrEqual(name, _) => keys(name),
        Filter::Not(_) | Filter::Present(_) | Filter::Equality(..) | Filter::Approximate(..) | Filter::Extensible(_) => 0,
    }
}

/// What the indexes know of the filter; `None` where they cannot narrow it. An entry that is put while they are asked may be
/// found by none of them, so it is put to those that are looked at. Where more are put than is remembered, again and again,
/// looking at all misses none.
pub(super) fn plan(schema: &Schema, memory: &Memory, matcher: &Matcher, reach: &Reach<'_>) -> Option<Plan> {
    for _ in 0..ATTEMPTS {
        let since = memory.watch();
        let Part { mut ids, exact } = narrow(schema, memory, matcher, reach)?;
        if !memory.is_as_at(since) {
            let Some(changed) = memory.changed_since(since) else { continue };
            ids.extend(changed);
        }
        return Some(Plan { ids, exact });
    }
    None
}

fn narrow(schema: &Schema, memory: &Memory, matcher: &Matcher, reach: &Reach<'_>) -> Option<Part> {
    match matcher {
        Matcher::Constant(Truth::True) | Matcher::Not(_) => None,
        Matcher::Constant(Truth::False | Truth::Undefined) => Some(Part { ids: RoaringBitmap::new(), exact: true }),
        Matcher::And(parts) => plan_and(schema, memory, parts, reach),
        Matcher::Or(parts) => plan_or(schema, memory, parts, reach),
        Matcher::Item(item) => plan_item(schema, memory, item, reach),
    }
}

fn plan_and(schema: &Schema, memory: &Memory, parts: &[Matcher], reach: &Reach<'_>) -> Option<Part> {
    let mut narrowed: Option<Part> = None;
    let mut all_exact = true;
    // Equality first: once few entries are left, asking them is cheaper than another index.
    let (cheap, dear): (Vec<_>, Vec<_>) = parts.iter().partition(|part| matches!(part, Matcher::Item(item) if item.is_equality()));
    for part in cheap.into_iter().chain(dear) {
        if narrowed.as_ref().is_some_and(|plan| plan.ids.len() <= 64) {
            all_exact = false;
            break;
        }
        match narrow(schema, memory, part, reach) {
            Some(found) => {
                all_exact &= found.exact;
                narrowed = Some(match narrowed {
                    Some(before) => Part { ids: before.ids & found.ids, exact: true },
                    None => found,
                });
            }
            None => all_exact = false,
        }
    }
    narrowed.map(|plan| Part { ids: plan.ids, exact: all_exact })
}

fn plan_or(schema: &Schema, memory: &Memory, parts: &[Matcher], reach: &Reach<'_>) -> Option<Part> {
    let mut sum = Part { ids: RoaringBitmap::new(), exact: true };
    for part in parts {
        let found = narrow(schema, memory, part, reach)?;
        sum.ids |= found.ids;
        sum.exact &= found.exact;
    }
    Some(sum)
}

fn plan_item(schema: &Schema, memory: &Memory, item: &Item, reach: &Reach<'_>) -> Option<Part> {
    if !item.is_narrow(schema, memory) {
        return None;
    }
    let mut sum = Part { ids: RoaringBitmap::new(), exact: item.options.is_empty() };
    for &attribute in &item.attributes {
        if let Some(entries) = item.near(attribute) {
            sum.ids |= entries;
            sum.exact = false;
            continue;
        }
        let found = match &item.test {
            _ if schema.attribute_type(attribute).collective => reach.plan(schema, memory, item, attribute)?,
            Test::Equal(key) => memory.equal_bitmap(attribute, key)?.into(),
            Test::OneOf(keys) => {
                let mut any = Part { ids: RoaringBitmap::new(), exact: true };
                for key in keys {
                    let found = memory.equal_bitmap(attribute, key)?;
                    any.ids |= found.ids;
                    any.exact &= found.exact;
                }
                any
            }
            Test::Present => memory.present(attribute)?.into(),
            Test::AtLeast(_, key) => memory.range(attribute, Bound::Included(key), Bound::Unbounded, SCAN_LIMIT)?.into(),
            Test::AtMost(_, key) => memory.range(attribute, Bound::Unbounded, Bound::Included(key), SCAN_LIMIT)?.into(),
            Test::Parts { initial, any, last, .. } => match initial {
                Some(prefix) => {
                    let found: Part = memory.prefix(attribute, prefix, SCAN_LIMIT)?.into();
                    Part { exact: found.exact && any.is_empty() && last.is_none(), ids: found.ids }
                }
                None => {
                    let holds = |key: &[u8]| super::filter::holds_parts(key, None, any, last.as_deref());
                    memory.scan(attribute, holds, SCAN_LIMIT)?.into()
                }
            },
            Test::Link { targets, key } => {
                let found = plan_link(schema, memory, attribute, targets, key)?;
                Part { ids: found.ids | &item.dynamic.ids, exact: found.exact }
            }
            Test::Chain(chain) => Part { ids: chain.found(attribute)?.clone(), exact: true },
            Test::Derived(..) | Test::Rule(..) => return None,
        };
        sum.ids |= found.ids;
        sum.exact &= found.exact;
    }
    Some(sum)
}

fn plan_link(schema: &Schema, memory: &Memory, attribute: AttributeId, targets: &[EntryId], key: &[u8]) -> Option<Part> {
    let known = schema.known();
    let mut ids = RoaringBitmap::new();
    if attribute == known.member_of {
        let mut exact = true;
        for target in targets {
            let (candidates, all) = groups::candidates(schema, memory, *target);
            ids.extend(candidates.into_iter().map(|id| id.0));
            exact &= all;
        }
        return Some(Part { ids, exact });
    }
    if attribute == known.hc_effective_member {
        // Roles that are not effective are among these: nothing governs roles where there are no packages.
        let any = Catalog::default();
        ids.extend(targets.iter().flat_map(|target| groups::containing(schema, memory, &any, *target)).map(|id| id.0));
        let exact = targets.iter().all(|target| memory.target_count(*target, known.hc_role) == 0);
        return Some(Part { ids, exact });
    }
    let view = schema.attribute_type(attribute).link?;
    for target in targets {
        ids.extend(link_view::sources(schema, memory, view, *target).map(|source| source.0));
    }
    ids |= memory.equal_bitmap(attribute, key)?.ids;
    Some(Part { ids, exact: false })
}
