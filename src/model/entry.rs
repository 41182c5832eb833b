//! A sealed entry: checked by the schema, immutable, shared. Its attributes are kept as they travel, as
//! the elements of an LDAP PartialAttributeList (RFC 4511 §4.1.7), with a table of where each begins, so
//! that a search result is a copy of slices. Values of links are not in it; they are edges.

use super::AttributeId;
use crate::base::EntryId;
use crate::base::ber::{self, Reader};

/// What an entry is to the domain, said by its object classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A note, to-do or communication about a person.
    Content,
    /// Anything that no rule of the domain speaks of.
    Generic,
    /// A group of the domain.
    Group,
    /// A licence of an organisation.
    Licence,
    /// An organisation that manages its own people.
    Organisation,
    /// A person who is neither user nor staff.
    Person,
    /// A role.
    Role,
    /// A session of a user.
    Session,
    /// A staff record.
    Staff,
    /// Somebody who may log in.
    User,
}

/// Where one attribute stands in the octets of its entry.
#[derive(Clone, Copy, Debug)]
struct Slot {
    attribute: AttributeId,
    /// The length of the description; longer than the type's name where it has options.
    has_options: bool,
    start: u32,
    end: u32,
}

/// A sealed entry.
#[derive(Debug)]
pub struct Entry {
    /// The number of the entry.
    pub id: EntryId,
    /// The entry above it; `None` for a suffix.
    pub parent: Option<EntryId>,
    /// What it is to the domain.
    pub kind: Kind,
    /// Grows with every change of the entry's own attributes, and never repeats.
    pub revision: u64,
    /// The RDN as given (RFC 4514); the whole DN for a suffix.
    pub rdn: Box<str>,
    /// The normal form of `rdn`, its key among its siblings.
    pub rdn_key: Box<[u8]>,
    octets: Box<[u8]>,
    slots: Box<[Slot]>,
}

/// One attribute of a sealed entry.
#[derive(Clone, Copy, Debug)]
pub struct Attribute<'a> {
    /// Its type.
    pub attribute: AttributeId,
    has_options: bool,
    encoded: &'a [u8],
}

impl Entry {
    /// All attributes, user attributes and stored operational ones.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute<'_>> {
        self.slots.iter().map(|slot| self.attribute_at(slot))
    }

    /// The attributes of this very type, with and without options.
    pub fn get(&self, attribute: AttributeId) -> impl Iterator<Item = Attribute<'_>> {
        self.slots.iter().filter(move |slot| slot.attribute == attribute).map(|slot| self.attribute_at(slot))
    }

    /// The values of this very type, whatever the options.
    pub fn values(&self, attribute: AttributeId) -> impl Iterator<Item = &[u8]> {
        self.get(attribute).flat_map(|held| held.values())
    }

    /// Whether there is a value of this very type.
    pub fn has(&self, attribute: AttributeId) -> bool {
        self.slots.iter().any(|slot| slot.attribute == attribute)
    }

    /// The first value of the type, where it is text.
    pub fn text(&self, attribute: AttributeId) -> Option<&str> {
        self.values(attribute).next().and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The whole PartialAttributeList's content: what a record keeps.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// About how much memory it takes, in octets.
    pub fn size(&self) -> usize {
        size_of::<Self>() + self.rdn.len() + self.rdn_key.len() + self.octets.len() + self.slots.len() * size_of::<Slot>()
    }

    fn attribute_at(&self, slot: &Slot) -> Attribute<'_> {
        let encoded = self.octets.get(slot.start as usize..slot.end as usize).unwrap_or_default();
        Attribute { attribute: slot.attribute, has_options: slot.has_options, encoded }
    }
}

impl<'a> Attribute<'a> {
    /// The PartialAttribute as it travels: SEQUENCE { type, SET OF value }.
    pub const fn encoded(&self) -> &'a [u8] {
        self.encoded
    }

    /// The attribute description: the schema's name of the type, and the options.
    pub fn description(&self) -> &'a str {
        self.parts().0
    }

    /// The options as in [`Description`](super::Description); empty where there is none.
    pub fn options(&self) -> &'a str {
        match self.has_options {
            true => self.description().split_once(';').map_or("", |(_, options)| options),
            false => "",
        }
    }

    /// Whether it has the option, in lower case: itself, or one of the range that a language ending in `-` means
    /// (RFC 3866 §2.3).
    pub fn has_option(&self, wanted: &str) -> bool {
        let range = wanted.strip_suffix('-').filter(|range| range.starts_with("lang"));
        let in_range = |option: &str, range: &str| option == range || option.starts_with(wanted);
        self.options().split(';').any(|option| range.map_or(option == wanted, |range| in_range(option, range)))
    }

    /// Whether it has options.
    pub const fn has_options(&self) -> bool {
        self.has_options
    }

    /// The values.
    pub fn values(&self) -> Values<'a> {
        Values(Reader::new(self.parts().1))
    }

    fn parts(&self) -> (&'a str, &'a [u8]) {
        let mut outer = Reader::new(self.encoded);
        let mut inner = Reader::new(outer.element().map_or(&[][..], |element| element.content));
        let name = inner.element().map_or(&[][..], |element| element.content);
        let values = inner.element().map_or(&[][..], |element| element.content);
        (std::str::from_utf8(name).unwrap_or_default(), values)
    }
}

/// The values of one attribute.
#[derive(Clone, Debug)]
pub struct Values<'a>(Reader<'a>);

impl<'a> Values<'a> {
    /// The values out of the content of a SET OF OCTET STRING.
    pub const fn of(set: &'a [u8]) -> Self {
        Self(Reader::new(set))
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.0.element().ok().map(|element| element.content)
    }
}

/// Puts the octets of an entry together. Only the sealing by the schema and the loading of a record use it.
#[derive(Default)]
pub struct EntryBuilder {
    octets: Vec<u8>,
    slots: Vec<Slot>,
}

/// Where an entry stands, for [`EntryBuilder::build`].
pub struct Place {
    /// The number of the entry.
    pub id: EntryId,
    /// The entry above it; `None` for a suffix.
    pub parent: Option<EntryId>,
    /// The RDN as given; the whole DN for a suffix.
    pub rdn: Box<str>,
    /// Its normal form.
    pub rdn_key: Box<[u8]>,
    /// The revision of this state.
    pub revision: u64,
}

impl EntryBuilder {
    /// Appends an attribute. `description` is the schema's name with the options.
    pub fn push<V: AsRef<[u8]>>(&mut self, attribute: AttributeId, description: &str, values: &[V]) {
        let start = self.octets.len() as u32;
        put_attribute(&mut self.octets, description, values);
        let has_options = description.contains(';');
        self.slots.push(Slot { attribute, has_options, start, end: self.octets.len() as u32 });
    }

    /// Appends an attribute as it travels.
    pub fn push_encoded(&mut self, attribute: AttributeId, has_options: bool, encoded: &[u8]) {
        let start = self.octets.len() as u32;
        self.octets.extend_from_slice(encoded);
        self.slots.push(Slot { attribute, has_options, start, end: self.octets.len() as u32 });
    }

    /// Begins with what an entry has.
    pub fn over(entry: &Entry) -> Self {
        Self { octets: entry.octets.to_vec(), slots: entry.slots.to_vec() }
    }

    /// Takes over the octets of a record; `resolve` answers the type of a description. `None` where the
    /// octets are damaged or a type is unknown.
    pub fn from_octets(octets: &[u8], mut resolve: impl FnMut(&str) -> Option<AttributeId>) -> Option<Self> {
        let mut builder = Self { octets: octets.to_vec(), slots: Vec::new() };
        let mut reader = Reader::new(octets);
        while !reader.is_empty() {
            let start = octets.len() - reader.rest().len();
            let element = reader.element().ok()?;
            let end = octets.len() - reader.rest().len();
            let mut inner = Reader::new(element.content);
            let description = std::str::from_utf8(inner.element().ok()?.content).ok()?;
            let attribute = resolve(description)?;
            let has_options = description.contains(';');
            builder.slots.push(Slot { attribute, has_options, start: start as u32, end: end as u32 });
        }
        Some(builder)
    }

    /// The finished entry.
    pub fn build(self, place: Place, kind: Kind) -> Entry {
        let Place { id, parent, rdn, rdn_key, revision } = place;
        Entry { id, parent, kind, revision, rdn, rdn_key, octets: self.octets.into(), slots: self.slots.into() }
    }
}

/// Appends one PartialAttribute to `out`.
pub fn put_attribute<V: AsRef<[u8]>>(out: &mut Vec<u8>, description: &str, values: &[V]) {
    let set: usize = values.iter().map(|value| ber::element_size(value.as_ref().len())).sum();
    ber::put_header(out, ber::SEQUENCE, ber::element_size(description.len()) + ber::element_size(set));
    ber::put(out, ber::OCTET_STRING, description.as_bytes());
    ber::put_header(out, ber::SET, set);
    for value in values {
        ber::put(out, ber::OCTET_STRING, value.as_ref());
    }
}
