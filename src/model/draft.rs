//! What a client sent: unchecked. Sealing by the schema turns it into an [`Entry`](super::Entry).

use super::AttributeId;

/// An attribute description with its type looked up: type and options (RFC 4512 §2.5).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Description {
    /// The type.
    pub attribute: AttributeId,
    /// The options, lower case, sorted, joined by `;`; empty where there is none.
    pub options: String,
}

impl Description {
    /// A description without options.
    pub const fn plain(attribute: AttributeId) -> Self {
        Self { attribute, options: String::new() }
    }
}

/// One attribute of a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftAttribute {
    /// Type and options.
    pub description: Description,
    /// The values as given.
    pub values: Vec<Vec<u8>>,
}

/// An entry in the making, or one taken apart to be changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// The attributes, each description once.
    pub attributes: Vec<DraftAttribute>,
}

impl Draft {
    /// The values of the type without options; empty where it is absent.
    pub fn values(&self, attribute: AttributeId) -> &[Vec<u8>] {
        self.get(&Description::plain(attribute)).unwrap_or_default()
    }

    /// The first value of the type without options, where it is text.
    pub fn text(&self, attribute: AttributeId) -> Option<&str> {
        self.values(attribute).first().and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The values of exactly this description.
    pub fn get(&self, description: &Description) -> Option<&[Vec<u8>]> {
        self.attributes.iter().find(|held| held.description == *description).map(|held| held.values.as_slice())
    }

    /// Replaces the values of the description; no value removes it.
    pub fn set(&mut self, description: Description, values: Vec<Vec<u8>>) {
        if values.is_empty() {
            self.attributes.retain(|held| held.description != description);
        } else if let Some(held) = self.attributes.iter_mut().find(|held| held.description == description) {
            held.values = values;
        } else {
            self.attributes.push(DraftAttribute { description, values });
        }
    }

    /// Takes the values of the description out for a while: it keeps its place, without a value.
    pub fn take(&mut self, description: &Description) -> Vec<Vec<u8>> {
        match self.attributes.iter_mut().find(|held| held.description == *description) {
            Some(held) => std::mem::take(&mut held.values),
            None => {
                self.attributes.push(DraftAttribute { description: description.clone(), values: Vec::new() });
                Vec::new()
            }
        }
    }

    /// Adds values to those of the description.
    pub fn append(&mut self, description: Description, values: Vec<Vec<u8>>) {
        match self.attributes.iter_mut().find(|held| held.description == description) {
            Some(held) => held.values.extend(values),
            None => self.set(description, values),
        }
    }

    /// Sets one value of a type without options.
    pub fn set_one(&mut self, attribute: AttributeId, value: impl Into<Vec<u8>>) {
        self.set(Description::plain(attribute), vec![value.into()]);
    }

    /// Removes the type without options.
    pub fn remove(&mut self, attribute: AttributeId) {
        self.set(Description::plain(attribute), Vec::new());
    }
}
