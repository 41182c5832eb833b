//! Questions about definitions that more than one layer asks.

use super::{AttributeType, ClassId, ObjectClass, Schema, Usage};
use crate::model::{AttributeId, Entry};

impl Schema {
    /// The attribute types whose values are links.
    pub fn link_types(&self) -> impl Iterator<Item = &AttributeType> {
        self.attribute_types().iter().filter(|definition| definition.link.is_some())
    }

    /// Whether the in-chain rule applies: the attribute's values are links, or follow from links.
    pub fn has_chains(&self, attribute: AttributeId) -> bool {
        let known = self.known();
        self.attribute_type(attribute).link.is_some() || [known.member_of, known.hc_effective_member].contains(&attribute)
    }

    /// Whether the entry shows its links in this attribute: one of its classes allows it. Several attributes may show
    /// the same edges (`member`, `uniqueMember`), and each class allows its own. Operational ones need no class.
    pub fn shows_link(&self, entry: &Entry, attribute: AttributeId) -> bool {
        if self.attribute_type(attribute).usage == Usage::Operational {
            return true;
        }
        let classes = entry.values(self.known().object_class).filter_map(|name| self.class(std::str::from_utf8(name).ok()?));
        classes.map(|class| self.object_class(class)).any(|class| {
            class.must.contains(&attribute) || class.may.contains(&attribute) || class.names.iter().any(|name| name == "extensibleObject")
        })
    }

    /// Whether a class of the entry asks for an attribute that shows these edges, and the entry has no value of it in
    /// text. One without any such edge is a group whose last member is gone.
    pub fn lacks_link(&self, entry: &Entry, edge: AttributeId) -> bool {
        self.required_links(entry.values(self.known().object_class)).any(|(view, shown)| shown == edge && !entry.has(view))
    }

    /// The attributes of links that one of the object classes asks for, each with the edges it shows.
    pub fn required_links<'a>(&self, classes: impl Iterator<Item = &'a [u8]>) -> std::vec::IntoIter<(AttributeId, AttributeId)> {
        let classes: Vec<ClassId> = classes.filter_map(|name| self.class(std::str::from_utf8(name).ok()?)).collect();
        let edge = |attribute: AttributeId| Some((attribute, self.attribute_type(attribute).link?.edge));
        let found: Vec<_> = self.required(&classes).filter_map(|(_, attribute)| edge(attribute)).collect();
        found.into_iter()
    }

    /// What these classes of an entry require, each attribute with the class that does.
    pub(super) fn required<'a>(&'a self, listed: &'a [ClassId]) -> impl Iterator<Item = (&'a ObjectClass, AttributeId)> {
        let classes = || listed.iter().map(|class| self.object_class(*class));
        let waived = move |attribute: &AttributeId| classes().any(|class| class.may_lack.contains(attribute));
        classes().flat_map(|class| class.must.iter().map(move |attribute| (class, *attribute))).filter(move |(_, must)| !waived(must))
    }
}
