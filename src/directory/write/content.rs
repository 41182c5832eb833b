//! What the server adds to content that is written, and what becomes of content when people and groups go (C6, C8).

use super::Work;
use super::links::LinkValues;
use crate::base::EntryId;
use crate::directory::{Error, Standing, tree};
use crate::domain::content::{ContentType, Visibility, default_visibility};
use crate::model::{AttributeId, Description, Draft, Entry, Facts, Kind};
use std::sync::Arc;

/// What goes or falls back with an entry that is deleted.
#[derive(Default)]
pub(super) struct Bereft {
    /// Items about nobody else.
    about: Vec<EntryId>,
    /// Items that showed to the group.
    shown: Vec<EntryId>,
}

impl Work<'_, '_> {
    /// A new item is its writer's, and where it says nothing of whom it shows to, the author's default holds.
    pub(super) fn complete_new_content(&self, draft: &mut Draft, links: &mut Vec<LinkValues>) -> Result<(), Error> {
        let known = *self.core.schema.known();
        if !self.is_content(draft) {
            return Ok(());
        }
        let identity = &self.caller.identity;
        let named = links.iter().find(|link| link.attribute == known.hc_author).map(|link| link.values.as_slice());
        let is_named = named.is_some();
        let writes = matches!(identity.standing, Standing::User | Standing::Service);
        let author = match named {
            None => identity.entry.filter(|_| writes).and_then(|id| self.txn.entry(id)),
            Some([only]) => std::str::from_utf8(only).ok().and_then(|name| self.entry_named(name)),
            Some(_) => None,
        };
        if identity.standing == Standing::User && author.as_ref().map(|author| author.id) != identity.entry {
            return Err(Error::InsufficientAccess("hcAuthor: one writes in one's own name (rule C6)".to_owned()));
        }
        let by_form = identity.standing == Standing::Service;
        let alone = draft.values(known.hc_visibility).iter().any(|value| visibility(value) == Some(Visibility::JustMe));
        // What is for its author alone belongs to whom the form names.
        if let Some(author) = author.as_ref().filter(|_| !(is_named || by_form && alone)) {
            self.link_author(author, links);
        }
        if draft.values(known.hc_visibility).is_empty()
            && let Some(default) = author.as_ref().and_then(|author| self.default_of(author, draft))
        {
            draft.set_one(known.hc_visibility, default.text());
        }
        self.complete_completion(author.as_deref(), draft);
        Ok(())
    }

    /// The completion note of a to-do has the visibility that its author has chosen for all, where none is given.
    pub(super) fn complete_content(&self, entry: &Entry, draft: &mut Draft) {
        if entry.kind == Kind::Content {
            let author = self.txn.targets(entry.id, self.core.schema.known().hc_author, None, 1).first().map(|(id, _)| *id);
            let author = author.and_then(|id| self.txn.entry(id));
            self.complete_completion(author.as_deref(), draft);
        }
    }

    fn complete_completion(&self, author: Option<&Entry>, draft: &mut Draft) {
        let known = *self.core.schema.known();
        let needs = !draft.values(known.hc_completion_note).is_empty() && draft.values(known.hc_completion_visibility).is_empty();
        if let Some(default) = author.filter(|_| needs).and_then(|author| default_visibility(&self.core.schema, author, None)) {
            draft.set_one(known.hc_completion_visibility, default.text());
        }
    }

    /// Content changes hands once: from an author who is gone to the Organisation Admin who takes it over (C8).
    pub(super) fn check_author_change(&self, before: &Entry) -> Result<(), Error> {
        let known = self.core.schema.known();
        if before.kind != Kind::Content || !self.has_changed_links(known.hc_author) || self.caller.identity.standing == Standing::Operator {
            return Ok(());
        }
        let now = self.txn.targets(before.id, known.hc_author, None, usize::MAX);
        let own = now.iter().any(|(author, _)| Some(*author) == self.caller.identity.entry);
        match own && !self.takes_links(known.hc_author) {
            true => Ok(()),
            false => {
                Err(Error::InsufficientAccess("hcAuthor: one takes over what has no author any more, for oneself (rule C8)".to_owned()))
            }
        }
    }

    /// The items that an entry which is about to go leaves behind.
    pub(super) fn bereft(&self, entry: &Entry) -> Bereft {
        let known = self.core.schema.known();
        let sources = |attribute| self.txn.sources(entry.id, attribute).into_iter().map(|(source, _)| source);
        let others = |item: &EntryId| self.txn.target_count(*item, known.hc_subject) > 1;
        match entry.kind {
            Kind::Group => {
                let both = sources(known.hc_visible_to).chain(sources(known.hc_completion_visible_to));
                Bereft { shown: both.collect(), ..Bereft::default() }
            }
            // What is about somebody who may come back waits.
            Kind::User if self.is_kept(entry) => Bereft::default(),
            Kind::Person | Kind::Staff | Kind::User => {
                Bereft { about: sources(known.hc_subject).filter(|item| !others(item)).collect(), ..Bereft::default() }
            }
            Kind::Content | Kind::Generic | Kind::Licence | Kind::Organisation | Kind::Role | Kind::Session => Bereft::default(),
        }
    }

    /// Content about somebody goes with the person; what showed to a group that goes is for its author alone (C8).
    pub(super) fn settle_content(&mut self, bereft: &Bereft) -> Result<(), Error> {
        self.delete_content(&bereft.about)?;
        let known = *self.core.schema.known();
        let parts = [(known.hc_visibility, known.hc_visible_to), (known.hc_completion_visibility, known.hc_completion_visible_to)];
        for id in &bereft.shown {
            let Some(item) = self.txn.entry(*id) else { continue };
            self.look_at(1, item.size())?;
            let mut draft = self.core.schema.unseal(&item);
            let lost = |(attribute, group): &(AttributeId, AttributeId)| {
                let group_sees = item.values(*attribute).any(|value| visibility(value) == Some(Visibility::Group));
                group_sees && self.txn.target_count(item.id, *group) == 0
            };
            for (attribute, _) in parts.iter().filter(|part| lost(part)) {
                draft.set(Description::plain(*attribute), vec![Visibility::JustMe.text().as_bytes().to_vec()]);
            }
            self.stamp_changed(&mut draft);
            let place = self.place_of(&item);
            let after = self.put(Some(&item), &draft, place)?;
            self.audit_change("modify", (Some(&item), Some(&after)), vec!["hcVisibility".to_owned()]);
        }
        Ok(())
    }

    /// Deletes items of content.
    pub(in crate::directory) fn delete_content(&mut self, items: &[EntryId]) -> Result<(), Error> {
        for item in items.iter().filter_map(|id| self.txn.entry(*id)).collect::<Vec<_>>() {
            self.look_at(1, item.size())?;
            self.audit_change("delete", (Some(&item), None), Vec::new());
            self.txn.remove(item.id);
        }
        Ok(())
    }

    fn default_of(&self, author: &Entry, draft: &Draft) -> Option<Visibility> {
        let schema = &self.core.schema;
        let content_type = draft.values(schema.known().hc_content_type).first();
        let content_type = content_type.and_then(|value| std::str::from_utf8(value).ok()).and_then(ContentType::parse);
        default_visibility(schema, author, content_type)
    }

    fn link_author(&self, author: &Arc<Entry>, links: &mut Vec<LinkValues>) {
        let attribute = self.core.schema.known().hc_author;
        if let Some(view) = self.core.schema.attribute_type(attribute).link {
            links.push(LinkValues { attribute, view, values: vec![tree::dn_of(&*self.txn, author.id).into_bytes()] });
        }
    }

    fn entry_named(&self, name: &str) -> Option<Arc<Entry>> {
        match self.resolve(&tree::parse_dn(name).ok()?) {
            tree::Resolved::Found(id) => self.txn.entry(id),
            tree::Resolved::Missing { .. } | tree::Resolved::Outside => None,
        }
    }

    fn is_content(&self, draft: &Draft) -> bool {
        let class = self.core.schema.class("hcContent");
        let named = |value: &Vec<u8>| std::str::from_utf8(value).ok().and_then(|name| self.core.schema.class(name));
        class.is_some() && draft.values(self.core.schema.known().object_class).iter().any(|value| named(value) == class)
    }
}

fn visibility(value: &[u8]) -> Option<Visibility> {
    std::str::from_utf8(value).ok().and_then(Visibility::parse)
}
