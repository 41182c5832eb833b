//! Content (domain rules C1-C8): what people write about a person, and to whom it shows. Who sees a person is decided by
//! `access`, which asks [`Content`] for the rest.

use super::check::{Breach, Cause, Proposal, breach};
use super::lens::{User, UserType};
use crate::base::EntryId;
use crate::model::{AttributeId, Entry, Facts, Kind};
use crate::schema::Schema;
use std::collections::BTreeSet;

/// The name of the container of an organisation's content.
const CONTAINER: &str = "content";

/// What somebody wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentType {
    /// An e-mail, a letter, a call.
    Communication,
    /// A note.
    Note,
    /// Something to do.
    ToDo,
}

impl ContentType {
    /// The type of a value of `hcContentType`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "communication" => Some(Self::Communication),
            "note" => Some(Self::Note),
            "to-do" => Some(Self::ToDo),
            _ => None,
        }
    }
}

/// To whom an item shows (C1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// To everybody whose role lets them read content and who may see the person (C4).
    Anyone,
    /// To administrators and full members of a group (C3).
    Group,
    /// To its author (C2).
    JustMe,
}

impl Visibility {
    /// The visibility of a value of `hcVisibility`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "anyone" => Some(Self::Anyone),
            "group" => Some(Self::Group),
            "just-me" => Some(Self::JustMe),
            _ => None,
        }
    }

    /// As it is kept.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Anyone => "anyone",
            Self::Group => "group",
            Self::JustMe => "just-me",
        }
    }
}

/// The visibility of what `author` writes where none is given (C2, C6): its own default; without one, notes and
/// communications of people are for themselves alone, and a to-do or its completion needs to be told.
pub fn default_visibility(schema: &Schema, author: &Entry, content_type: Option<ContentType>) -> Option<Visibility> {
    let author = User::of(schema, author).filter(|user| user.user_type() != UserType::Service)?;
    let own = author.entry.text(schema.known().hc_default_visibility).and_then(Visibility::parse);
    let alone = matches!(content_type, Some(ContentType::Communication | ContentType::Note)).then_some(Visibility::JustMe);
    own.or(alone)
}

/// An item of content.
#[derive(Clone, Copy)]
pub struct Content<'a> {
    schema: &'a Schema,
    entry: &'a Entry,
}

/// To whom a part of an item shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audience {
    /// Whom.
    pub visibility: Visibility,
    /// The group, where it is one.
    pub group: Option<EntryId>,
}

impl<'a> Content<'a> {
    /// Reads the entry so, if it is one.
    pub fn of(schema: &'a Schema, entry: &'a Entry) -> Option<Self> {
        (entry.kind == Kind::Content).then_some(Self { schema, entry })
    }

    /// What it is.
    pub fn content_type(&self) -> Option<ContentType> {
        self.entry.text(self.schema.known().hc_content_type).and_then(ContentType::parse)
    }

    /// Who wrote it; `None` where the author was deleted (C8).
    pub fn author(&self, facts: &dyn Facts) -> Option<EntryId> {
        self.only(facts, self.schema.known().hc_author)
    }

    /// The people it is about; `None` where one of them is a mere name, whom nobody can be said to see.
    pub fn subjects(&self, facts: &dyn Facts) -> Option<Vec<EntryId>> {
        let attribute = self.schema.known().hc_subject;
        let people = facts.targets(self.entry.id, attribute, None, usize::MAX);
        (!people.is_empty() && !self.entry.has(attribute)).then(|| people.into_iter().map(|(id, _)| id).collect())
    }

    /// To whom the item shows. What cannot be read as anything else shows to its author.
    pub fn audience(&self, facts: &dyn Facts) -> Audience {
        let known = self.schema.known();
        self.audience_by(facts, known.hc_visibility, known.hc_visible_to)
    }

    /// To whom its completion note shows.
    pub fn completion_audience(&self, facts: &dyn Facts) -> Audience {
        let known = self.schema.known();
        self.audience_by(facts, known.hc_completion_visibility, known.hc_completion_visible_to)
    }

    fn audience_by(&self, facts: &dyn Facts, visibility: AttributeId, group: AttributeId) -> Audience {
        let visibility = self.entry.text(visibility).and_then(Visibility::parse).unwrap_or(Visibility::JustMe);
        Audience { visibility, group: self.only(facts, group) }
    }

    fn only(&self, facts: &dyn Facts, attribute: AttributeId) -> Option<EntryId> {
        facts.targets(self.entry.id, attribute, None, 1).first().map(|(target, _)| *target)
    }
}

/// Whether the entry is the container that an organisation keeps its content in.
pub fn is_container(schema: &Schema, facts: &dyn Facts, entry: &Entry) -> bool {
    let known = schema.known();
    let named = entry.values(known.ou).any(|name| name.eq_ignore_ascii_case(CONTAINER.as_bytes()));
    named && entry.parent.and_then(|parent| facts.entry(parent)).is_some_and(|parent| parent.kind == Kind::Organisation)
}

/// What must hold of an item of content after a change.
pub(super) struct ContentRules<'a> {
    pub(super) schema: &'a Schema,
    pub(super) facts: &'a dyn Facts,
    pub(super) proposal: Proposal<'a>,
    pub(super) after: &'a Entry,
}

impl ContentRules<'_> {
    pub(super) fn check(&self) -> Result<(), Breach> {
        let known = self.schema.known();
        let Some(content_type) = self.after.text(known.hc_content_type).and_then(ContentType::parse) else {
            return breach(Cause::Constraint, "C1", "hcContentType is note, to-do or communication");
        };
        self.place()?;
        self.subjects()?;
        let Some(visibility) = self.after.text(known.hc_visibility) else {
            return breach(Cause::Constraint, "C6", "hcVisibility must be given: the author has no default for it");
        };
        let visibility = self.visibility("hcVisibility", visibility)?;
        self.group(visibility, ("hcVisibility", "hcVisibleTo"), known.hc_visible_to)?;
        self.author(visibility)?;
        self.completion(content_type)
    }

    /// What the links of the item are after the change.
    fn links(&self, attribute: AttributeId) -> BTreeSet<EntryId> {
        let of = |link: &&crate::model::Link| link.source == self.after.id && link.attribute == attribute;
        let before = self.facts.targets(self.after.id, attribute, None, usize::MAX).into_iter().map(|(target, _)| target);
        let gone: BTreeSet<EntryId> = self.proposal.unlinked.iter().filter(of).map(|link| link.target).collect();
        let mut targets: BTreeSet<EntryId> = before.filter(|target| !gone.contains(target)).collect();
        targets.extend(self.proposal.linked.iter().filter(of).map(|link| link.target));
        targets
    }

    fn kind_of(&self, id: EntryId) -> Option<Kind> {
        self.facts.entry(id).map(|entry| entry.kind)
    }

    fn begins(&self) -> bool {
        self.proposal.before.is_none_or(|before| before.kind != Kind::Content)
    }

    fn place(&self) -> Result<(), Breach> {
        let parent = self.after.parent.and_then(|parent| self.facts.entry(parent));
        match parent.is_some_and(|parent| is_container(self.schema, self.facts, &parent)) {
            true => Ok(()),
            false => breach(Cause::Constraint, "C1", "content stands directly under ou=content of its organisation"),
        }
    }

    fn subjects(&self) -> Result<(), Breach> {
        let attribute = self.schema.known().hc_subject;
        let people = self.links(attribute);
        let is_person = |id: &EntryId| matches!(self.kind_of(*id), Some(Kind::User | Kind::Staff | Kind::Person));
        let changed = self.proposal.linked.iter().chain(self.proposal.unlinked).any(|link| link.attribute == attribute);
        if (self.begins() || changed) && (people.is_empty() || !people.iter().all(is_person) || self.after.has(attribute)) {
            return breach(Cause::Constraint, "C1", "hcSubject names the people of the organisation whom the content is about");
        }
        Ok(())
    }

    fn visibility(&self, name: &str, given: &str) -> Result<Visibility, Breach> {
        match Visibility::parse(given) {
            Some(visibility) => Ok(visibility),
            None => breach(Cause::Constraint, "C1", format!("{name} is just-me, group or anyone")),
        }
    }

    /// A group goes with the visibility `group`, and with no other.
    fn group(&self, visibility: Visibility, (name, group_name): (&str, &str), attribute: AttributeId) -> Result<(), Breach> {
        let groups = self.links(attribute);
        match visibility {
            Visibility::Group if !groups.iter().all(|id| self.kind_of(*id) == Some(Kind::Group)) || groups.len() != 1 => {
                breach(Cause::Constraint, "C3", format!("{name} group needs {group_name}, a group of the organisation that one may see"))
            }
            Visibility::Anyone | Visibility::JustMe if !groups.is_empty() || self.after.has(attribute) => {
                breach(Cause::Constraint, "C1", format!("{group_name} goes with {name} group only"))
            }
            _ => Ok(()),
        }
    }

    /// What is for its author alone has one, a person (C6); it may lose that one only (C8).
    fn author(&self, visibility: Visibility) -> Result<(), Breach> {
        let known = self.schema.known();
        let authors = self.links(known.hc_author);
        let writes = |id: &EntryId| {
            let author = self.facts.entry(*id);
            author.is_some_and(|entry| User::of(self.schema, &entry).is_some_and(|user| user.user_type() != UserType::Service))
        };
        let was = |entry: &Entry| entry.text(known.hc_visibility).and_then(Visibility::parse);
        let narrowed = self.proposal.before.and_then(was) != Some(visibility);
        // The fallback of a group that is deleted finds no group any more.
        let fell_back = self.proposal.before.and_then(was) == Some(Visibility::Group) && self.proposal.unlinked.is_empty();
        if visibility == Visibility::JustMe && (self.begins() || (narrowed && !fell_back)) && !authors.iter().any(writes) {
            return breach(Cause::Constraint, "C6", "what only its author sees needs hcAuthor, a user of the organisation who is a person");
        }
        Ok(())
    }

    fn completion(&self, content_type: ContentType) -> Result<(), Breach> {
        let known = self.schema.known();
        let completed = self.after.has(known.hc_completed) || self.after.has(known.hc_completion_note);
        if completed && content_type != ContentType::ToDo {
            return breach(Cause::Constraint, "C1", "only a to-do is completed");
        }
        let visibility = self.after.text(known.hc_completion_visibility);
        match (self.after.has(known.hc_completion_note), visibility) {
            (false, None) if self.links(known.hc_completion_visible_to).is_empty() => Ok(()),
            (false, _) => breach(Cause::Constraint, "C6", "hcCompletionVisibility goes with hcCompletionNote"),
            (true, _) if !self.after.has(known.hc_completed) => {
                breach(Cause::Constraint, "C6", "hcCompletionNote goes with hcCompleted, when it was done")
            }
            (true, None) => {
                breach(Cause::Constraint, "C6", "hcCompletionNote needs hcCompletionVisibility: the author has no default for it")
            }
            (true, Some(given)) => {
                let visibility = self.visibility("hcCompletionVisibility", given)?;
                self.group(visibility, ("hcCompletionVisibility", "hcCompletionVisibleTo"), known.hc_completion_visible_to)
            }
        }
    }
}
