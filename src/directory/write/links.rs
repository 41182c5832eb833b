//! Link attributes in a change: names become edges where the entry is there and of the same organisation, and stay
//! text otherwise, to be joined when the entry appears (design §1.6). What the caller may not see is not there (HC2).

use super::amount::cost;
use super::held::Changing;
use super::{Work, quoted};
use crate::base::EntryId;
use crate::directory::Error;
use crate::directory::referral::is_of_class;
use crate::directory::tree::{self, Resolved};
use crate::directory::{dynamic, link_view};
use crate::domain::organisation_of;
use crate::domain::password_rules::POLICY;
use crate::model::entry::Place;
use crate::model::{AttributeId, Description, Dn, Draft, Entry, Facts, Level, Link};
use crate::schema::{LinkForm, LinkView};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The values of one link attribute as a client sent them.
pub(crate) struct LinkValues {
    pub(crate) attribute: AttributeId,
    pub(super) view: LinkView,
    pub(crate) values: Vec<Vec<u8>>,
}

/// What one value turned out to be.
enum Target {
    Entry(EntryId),
    /// Kept as text.
    Name(Vec<u8>),
}

/// What it costs to look for an entry by its name, in things of [`Work::look_at`].
const RESOLVED: usize = 8;

impl Work<'_, '_> {
    /// Seals a new entry with its links.
    pub(super) fn put_with_links(&mut self, mut draft: Draft, place: Place, links: Vec<LinkValues>) -> Result<Arc<Entry>, Error> {
        let (id, parent) = (place.id, place.parent);
        let mut earlier: HashSet<(AttributeId, EntryId)> = HashSet::new();
        for LinkValues { attribute, view, values } in links {
            let (mut own, mut names) = (Vec::new(), Vec::new());
            for value in values {
                match self.target((id, parent, false), attribute, view, value)? {
                    Target::Name(text) => names.push(text),
                    // Two attributes may show one edge, and an export gives both; the one that names a level decides it.
                    Target::Entry(target) if earlier.contains(&(view.edge, target)) => {
                        own.push((view.edge, target));
                        if let Some(level) = view.level {
                            self.set_link(Link { source: id, attribute: view.edge, target, level });
                        }
                    }
                    Target::Entry(target) => {
                        own.push((view.edge, target));
                        self.add_link(id, attribute, view, target)?;
                    }
                }
            }
            append(&mut draft, attribute, names);
            earlier.extend(own);
        }
        self.put(None, &draft, place)
    }

    /// What a value of the entry `source`, which stands or is to stand under `parent`, names. An entry that the caller may not
    /// see is a mere name, unless (`or_held`) the value is there for the caller to see.
    fn target(
        &self,
        (source, parent, or_held): (EntryId, Option<EntryId>, bool),
        attribute: AttributeId,
        view: LinkView,
        value: Vec<u8>,
    ) -> Result<Target, Error> {
        self.look_at(1, cost(&value))?;
        let is_there =
            |id: EntryId| self.may_see(id) || (or_held && self.txn.link(source, view.edge, id).is_some_and(|level| shows(view, level)));
        if view.form == LinkForm::Uid {
            let found = self.named_by_uid(parent, attribute, &value).filter(|id| is_there(*id));
            return Ok(found.map_or(Target::Name(value), Target::Entry));
        }
        let schema = &self.core.schema;
        let bad = || Error::InvalidSyntax(format!("{}: a value is not a distinguished name", schema.attribute_type(attribute).name()));
        let text = std::str::from_utf8(&value).map_err(|_| bad())?;
        let dn = Dn::parse(text).map_err(|_| bad())?;
        let resolved = self.resolve(&dn);
        if let Resolved::Found(id) = resolved
            && self.may_refer((source, parent), attribute, id)
            && is_there(id)
        {
            return Ok(Target::Entry(id));
        }
        let anything = self.options.relax || self.options.exported;
        if attribute == schema.known().pwd_policy_subentry && !anything {
            return Err(Error::Constraint(format!("pwdPolicySubentry: {} is no password policy that holds there", quoted(text))));
        }
        // Asked of the name alone: whether the other organisation has such an entry is not told (O1).
        let nearest = match resolved {
            Resolved::Found(id) => Some(id),
            Resolved::Missing { nearest, .. } => nearest,
            Resolved::Outside => None,
        };
        let of = |id: EntryId| organisation_of(&*self.txn, id);
        if attribute == schema.known().aliased_object_name && !anything && nearest.and_then(of) != parent.and_then(of) {
            return Err(Error::Constraint(format!(
                "an alias stands for an entry of its own organisation; {} is none (rule O1)",
                quoted(text)
            )));
        }
        match self.current.settings.strict_references || self.options.strict_references {
            true => Err(Error::Constraint(format!(
                "{}: there is no entry {} to refer to",
                schema.attribute_type(attribute).name(),
                quoted(text)
            ))),
            false => Ok(Target::Name(value)),
        }
    }

    fn may_see(&self, id: EntryId) -> bool {
        self.txn.entry(id).is_some_and(|entry| self.access(&entry).disclosed)
    }

    /// Whether a reference may become a link: within an organisation (O1). That to a password policy needs one, which may
    /// stand outside of the organisations too.
    fn may_refer(&self, (source, parent): (EntryId, Option<EntryId>), attribute: AttributeId, target: EntryId) -> bool {
        let of = |id: EntryId| organisation_of(&*self.txn, id);
        let theirs = of(target);
        // An entry to be added is not there yet. An organisation is its own, and refers to what stands beside it.
        let own = self.txn.entry(source).map_or_else(|| parent.and_then(of), |entry| of(entry.id));
        if attribute == self.core.schema.known().pwd_policy_subentry {
            let is_policy = |entry: Arc<Entry>| is_of_class(&self.core.schema, &entry, POLICY);
            return (theirs.is_none() || theirs == own) && self.txn.entry(target).is_some_and(is_policy);
        }
        theirs == own || parent.is_none_or(|parent| of(parent) == theirs)
    }

    /// The one entry of the same organisation (of the same suffix, where there is none) that shows as this uid.
    fn named_by_uid(&self, source_parent: Option<EntryId>, attribute: AttributeId, value: &[u8]) -> Option<EntryId> {
        let schema = &self.core.schema;
        let mut key = Vec::new();
        schema.normalize(attribute, value, &mut key).ok()?;
        let realm = dynamic::realm(&*self.txn, source_parent?);
        let mut found = link_view::named_by_uid(schema, &*self.txn, attribute, value, &key);
        found.retain(|id| dynamic::realm(&*self.txn, *id) == realm);
        match found.as_slice() {
            [only] => Some(*only),
            _ => None,
        }
    }

    fn add_link(&mut self, source: EntryId, attribute: AttributeId, view: LinkView, target: EntryId) -> Result<(), Error> {
        if self.txn.link(source, view.edge, target).is_some_and(|level| shows(view, level)) {
            if self.options.permissive {
                return Ok(());
            }
            return Err(self.is_there_already(attribute));
        }
        self.set_link(Link { source, attribute: view.edge, target, level: view.level.unwrap_or_default() });
        Ok(())
    }

    fn is_there_already(&self, attribute: AttributeId) -> Error {
        let name = self.core.schema.attribute_type(attribute).name();
        Error::AttributeOrValueExists(format!("{name}: the value is there already"))
    }

    /// Adds links by a modify.
    pub(super) fn add_links(&mut self, entry: &Entry, changing: &mut Changing, links: LinkValues) -> Result<(), Error> {
        let LinkValues { attribute, view, values } = links;
        let (mut linked, mut names) = (Vec::new(), Vec::new());
        for value in values {
            match self.target((entry.id, entry.parent, true), attribute, view, value)? {
                Target::Entry(target) => {
                    self.add_link(entry.id, attribute, view, target)?;
                    linked.push(target);
                }
                Target::Name(text) => names.push(text),
            }
        }
        self.take_out_names(changing, view, &linked)?;
        if names.is_empty() {
            return Ok(());
        }
        let held = self.held(changing, &Description::plain(attribute))?;
        for name in names {
            let form = self.form_of(attribute, &name)?;
            if held.remove(&form) && !self.options.permissive {
                return Err(self.is_there_already(attribute));
            }
            held.insert(form, name);
        }
        Ok(())
    }

    /// Removes the named links, or all that the attribute shows where none is named.
    pub(super) fn delete_links(
        &mut self,
        entry: &Entry,
        changing: &mut Changing,
        links: LinkValues,
        must_exist: bool,
    ) -> Result<(), Error> {
        let LinkValues { attribute, view, values } = links;
        let name = self.core.schema.attribute_type(attribute).name().to_owned();
        if values.is_empty() {
            let (shown, texts) = (self.shown(entry.id, view)?, Description::plain(attribute));
            if must_exist && shown.is_empty() && changing.is_absent(&texts) {
                return Err(Error::NoSuchAttribute(format!("{name}: the entry has no value of it")));
            }
            shown.into_iter().for_each(|target| self.unset_link(entry.id, view.edge, target));
            changing.replace(texts, Vec::new());
            return Ok(());
        }
        let mut names = Vec::new();
        for value in values {
            match self.target((entry.id, entry.parent, true), attribute, view, value.clone()) {
                Ok(Target::Entry(target)) if self.txn.link(entry.id, view.edge, target).is_some_and(|level| shows(view, level)) => {
                    self.unset_link(entry.id, view.edge, target);
                }
                Err(Error::AdminLimit(text)) => return Err(Error::AdminLimit(text)),
                _ => names.push(value),
            }
        }
        let wanted = names.len();
        if self.take_out(changing, attribute, &names)? < wanted && must_exist {
            return Err(Error::NoSuchAttribute(format!("{name}: the value to delete is not there")));
        }
        Ok(())
    }

    /// Takes references kept as text out; answers how many there were.
    fn take_out(&self, changing: &mut Changing, attribute: AttributeId, names: &[Vec<u8>]) -> Result<usize, Error> {
        let texts = Description::plain(attribute);
        if names.is_empty() || changing.is_absent(&texts) {
            return Ok(0);
        }
        let held = self.held(changing, &texts)?;
        let mut count = 0;
        for name in names {
            let form = self.form_of(attribute, name)?;
            count += usize::from(held.remove(&form));
        }
        Ok(count)
    }

    /// Takes the names of entries that are linked now out of all that the edge shows as, where they were kept as text.
    fn take_out_names(&self, changing: &mut Changing, view: LinkView, linked: &[EntryId]) -> Result<(), Error> {
        for definition in self.core.schema.link_types() {
            if let Some(other) = definition.link.filter(|other| other.edge == view.edge)
                && !changing.is_absent(&Description::plain(definition.id))
            {
                let names: Vec<Vec<u8>> = linked.iter().map(|target| self.shown_name(other, *target)).collect();
                self.take_out(changing, definition.id, &names)?;
            }
        }
        Ok(())
    }

    /// What a link to the entry shows as.
    fn shown_name(&self, view: LinkView, target: EntryId) -> Vec<u8> {
        let uid = |entry: Arc<Entry>| link_view::shown_uid(&self.core.schema, &entry).unwrap_or_default().as_bytes().to_vec();
        match view.form {
            LinkForm::Name => tree::dn_of(&*self.txn, target).into_bytes(),
            LinkForm::Uid => self.txn.entry(target).map(uid).unwrap_or_default(),
        }
    }

    /// Puts the links in the place of those the attribute shows; those in both stay untouched.
    pub(super) fn replace_links(&mut self, entry: &Entry, changing: &mut Changing, links: LinkValues) -> Result<(), Error> {
        let LinkValues { attribute, view, values } = links;
        let before: HashSet<EntryId> = self.shown(entry.id, view)?.into_iter().collect();
        // Those that the caller may not see stay where they are given as they show; spelled otherwise they are mere names.
        let hidden = before.iter().filter(|id| !self.may_see(**id));
        let hidden: HashMap<Vec<u8>, EntryId> = hidden.map(|id| (self.shown_name(view, *id), *id)).collect();
        changing.replace(Description::plain(attribute), Vec::new());
        let (mut after, mut linked, mut names) = (HashSet::new(), Vec::new(), Vec::new());
        for value in values {
            match self.target((entry.id, entry.parent, false), attribute, view, value)? {
                Target::Entry(target) if before.contains(&target) => {
                    after.insert(target);
                }
                Target::Entry(target) => {
                    linked.push(target);
                    self.set_link(Link { source: entry.id, attribute: view.edge, target, level: view.level.unwrap_or_default() });
                    after.insert(target);
                }
                Target::Name(text) => match hidden.get(&text) {
                    Some(target) => drop(after.insert(*target)),
                    None => names.push(text),
                },
            }
        }
        self.take_out_names(changing, view, &linked)?;
        changing.replace(Description::plain(attribute), names);
        before.difference(&after).for_each(|target| self.unset_link(entry.id, view.edge, *target));
        Ok(())
    }

    pub(in crate::directory) fn set_link(&mut self, link: Link) {
        self.note_membership(link.attribute);
        self.linked.push(link);
        self.txn.set_link(link);
    }

    pub(in crate::directory) fn unset_link(&mut self, source: EntryId, attribute: AttributeId, target: EntryId) {
        if let Some(level) = self.txn.link(source, attribute, target) {
            self.note_membership(attribute);
            self.unlinked.push(Link { source, attribute, target, level });
            self.txn.unlink(source, attribute, target);
        }
    }

    /// Whether links of this type came or went, from whichever end.
    pub(in crate::directory) fn has_changed_links(&self, attribute: AttributeId) -> bool {
        self.linked.iter().chain(&self.unlinked).any(|link| link.attribute == attribute)
    }

    /// Whether links of this type went.
    pub(super) fn takes_links(&self, attribute: AttributeId) -> bool {
        self.unlinked.iter().any(|link| link.attribute == attribute)
    }

    /// Groups of any class say what their members may do.
    fn note_membership(&mut self, attribute: AttributeId) {
        if attribute == self.core.schema.known().member {
            self.note_authority();
        }
    }

    fn shown(&self, source: EntryId, view: LinkView) -> Result<Vec<EntryId>, Error> {
        let mut links = self.txn.targets(source, view.edge, None, usize::MAX);
        self.look_at(links.len() + self.unlinked.len(), 0)?;
        links.retain(|(_, level)| shows(view, *level));
        let has_uid = |id: &EntryId| self.txn.entry(*id).is_some_and(|entry| link_view::shown_uid(&self.core.schema, &entry).is_some());
        Ok(links.into_iter().map(|(id, _)| id).filter(|id| view.form == LinkForm::Name || has_uid(id)).collect())
    }

    /// A name has become an entry: references to it that were kept as text become links.
    pub(crate) fn join_references(&mut self, dn: &Dn, id: EntryId) -> Result<(), Error> {
        let name = dn.to_string();
        let core = Arc::clone(self.core);
        for definition in core.schema.link_types() {
            let by_name = |view: &LinkView| view.form == LinkForm::Name && self.txn.may_hold(definition.id);
            let Some(view) = definition.link.filter(by_name) else { continue };
            let mut key = Vec::new();
            core.schema.normalize(definition.id, name.as_bytes(), &mut key).map_err(|_| Error::Internal)?;
            for source in self.txn.equal(definition.id, &key) {
                let Some(entry) = self.txn.entry(source) else { continue };
                if self.may_refer((source, entry.parent), definition.id, id) {
                    self.join(&entry, definition.id, view, &key, id)?;
                }
            }
        }
        Ok(())
    }

    /// What the entry refers to by names that are those of `top` or of entries below it now becomes links.
    pub(super) fn join_waiting(&mut self, source: EntryId, attribute: AttributeId, view: LinkView, top: EntryId) -> Result<(), Error> {
        let Some(held) = self.txn.entry(source) else { return Ok(()) };
        for value in held.values(attribute) {
            self.look_at(RESOLVED, value.len())?;
            let Some(dn) = std::str::from_utf8(value).ok().and_then(|text| Dn::parse(text).ok()) else { continue };
            let Resolved::Found(target) = self.resolve(&dn) else { continue };
            let (Some(entry), mut key) = (self.txn.entry(source), Vec::new()) else { continue };
            if tree::is_within(&*self.txn, target, top)
                && self.may_refer((entry.id, entry.parent), attribute, target)
                && self.core.schema.normalize(attribute, value, &mut key).is_ok()
            {
                self.join(&entry, attribute, view, &key, target)?;
            }
        }
        Ok(())
    }

    /// An entry has a uid that it had not: where `memberUid` holds it as text, that becomes a link.
    pub(super) fn join_uid(&mut self, before: Option<&Entry>, after: &Entry) -> Result<(), Error> {
        let core = Arc::clone(self.core);
        let shown = |entry: &Entry| link_view::shown_uid(&core.schema, entry).map(str::to_owned);
        let Some(uid) = shown(after).filter(|uid| before.and_then(shown).as_ref() != Some(uid)) else { return Ok(()) };
        for definition in core.schema.link_types() {
            let by_uid = |view: &LinkView| view.form == LinkForm::Uid && self.txn.may_hold(definition.id);
            let Some(view) = definition.link.filter(by_uid) else { continue };
            let mut key = Vec::new();
            if core.schema.normalize(definition.id, uid.as_bytes(), &mut key).is_err() {
                continue;
            }
            for source in self.txn.equal(definition.id, &key) {
                let Some(entry) = self.txn.entry(source) else { continue };
                if self.named_by_uid(entry.parent, definition.id, uid.as_bytes()) == Some(after.id) {
                    self.join(&entry, definition.id, view, &key, after.id)?;
                }
            }
        }
        Ok(())
    }

    fn join(&mut self, entry: &Entry, attribute: AttributeId, view: LinkView, key: &[u8], target: EntryId) -> Result<(), Error> {
        let schema = Arc::clone(&self.core.schema);
        let mut draft = schema.unseal(entry);
        let mut normal = Vec::new();
        let mut held = draft.values(attribute).to_vec();
        let before = held.len();
        held.retain(|value| {
            normal.clear();
            schema.normalize(attribute, value, &mut normal).is_err() || normal != key
        });
        if held.len() == before {
            return Ok(());
        }
        draft.set(Description::plain(attribute), held);
        let link = Link { source: entry.id, attribute: view.edge, target, level: view.level.unwrap_or_default() };
        let is_new = self.txn.link(entry.id, view.edge, target).is_none();
        if is_new {
            self.set_link(link);
        }
        let place = self.place_of(entry);
        match self.put(Some(entry), &draft, place) {
            Ok(_) => Ok(()),
            // What somebody wrote elsewhere keeps nobody from having that name: it stays text.
            Err(Error::Constraint(_) | Error::Uniqueness(_) | Error::InsufficientAccess(_) | Error::Unwilling(_)) => {
                if is_new {
                    self.linked.retain(|set| *set != link);
                    self.txn.unlink(link.source, link.attribute, link.target);
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// Puts references in that are kept as text. Sealing refuses one that is there twice.
fn append(draft: &mut Draft, attribute: AttributeId, names: Vec<Vec<u8>>) {
    if !names.is_empty() {
        let held = draft.values(attribute).iter().cloned();
        let all = held.chain(names).collect();
        draft.set(Description::plain(attribute), all);
    }
}

fn shows(view: LinkView, level: Level) -> bool {
    match view.level {
        Some(shown) => level == shown,
        None => level >= Level::Full,
    }
}
