//! The values of an attribute while a request changes it: found by their normal forms, which are worked out once however
//! many changes of it follow. So a request is linear in what is held and what is sent (HA5).

use super::Work;
use super::amount::cost;
use crate::directory::Error;
use crate::model::{AttributeId, Description, Draft};
use std::collections::HashMap;

/// What makes a value the same as another of its attribute.
#[derive(PartialEq, Eq, Hash)]
pub(super) enum Form {
    /// The normal form by the equality rule.
    Normal(Vec<u8>),
    /// The value itself, where it is none of its type: it was stored under another schema.
    Octets(Vec<u8>),
}

/// The values of one attribute.
#[derive(Default)]
pub(super) struct Held {
    /// In their order; `None` where one was taken out.
    values: Vec<Option<Vec<u8>>>,
    places: HashMap<Form, usize>,
    taken_out: usize,
}

impl Held {
    pub(super) const fn is_empty(&self) -> bool {
        self.values.len() == self.taken_out
    }

    pub(super) fn contains(&self, form: &Form) -> bool {
        self.places.contains_key(form)
    }

    /// Puts a value behind the others.
    pub(super) fn insert(&mut self, form: Form, value: Vec<u8>) {
        self.places.insert(form, self.values.len());
        self.values.push(Some(value));
    }

    /// Takes a value out; answers whether it was there.
    pub(super) fn remove(&mut self, form: &Form) -> bool {
        let place = self.places.remove(form).and_then(|place| self.values.get_mut(place));
        let was_there = place.is_some_and(|place| place.take().is_some());
        self.taken_out += usize::from(was_there);
        was_there
    }
}

/// A draft with the attributes that were looked into beside it.
#[derive(Default)]
pub(super) struct Changing {
    draft: Draft,
    held: HashMap<Description, Held>,
}

impl Changing {
    pub(super) fn of(draft: Draft) -> Self {
        Self { draft, held: HashMap::new() }
    }

    /// The draft with every change in it, attributes in the order in which they came.
    pub(super) fn into_draft(self) -> Draft {
        let Self { mut draft, mut held } = self;
        if !held.is_empty() {
            for attribute in &mut draft.attributes {
                if let Some(held) = held.remove(&attribute.description) {
                    attribute.values = held.values.into_iter().flatten().collect();
                }
            }
            draft.attributes.retain(|attribute| !attribute.values.is_empty());
        }
        draft
    }

    /// How many attributes are gone through to find one.
    pub(super) const fn attributes(&self) -> usize {
        self.draft.attributes.len()
    }

    pub(super) fn is_absent(&self, description: &Description) -> bool {
        match self.held.get(description) {
            Some(held) => held.is_empty(),
            None => self.draft.get(description).is_none_or(<[_]>::is_empty),
        }
    }

    /// Puts the values in the place of all there are.
    pub(super) fn replace(&mut self, description: Description, values: Vec<Vec<u8>>) {
        self.held.remove(&description);
        self.draft.set(description, values);
    }

    /// All the values, to be replaced.
    pub(super) fn take(&mut self, description: &Description) -> Vec<Vec<u8>> {
        match self.held.remove(description) {
            Some(held) => held.values.into_iter().flatten().collect(),
            None => self.draft.take(description),
        }
    }
}

impl Work<'_, '_> {
    /// The values of a description by their forms.
    pub(super) fn held<'c>(&self, changing: &'c mut Changing, description: &Description) -> Result<&'c mut Held, Error> {
        let Changing { draft, held } = changing;
        if !held.contains_key(description) {
            let mut fresh = Held::default();
            for value in draft.take(description) {
                let form = self.form_of(description.attribute, &value)?;
                // Two that were stored under another schema may be one now: sealing says so, unless the change takes both away.
                fresh.insert(form, value);
            }
            held.insert(description.clone(), fresh);
        }
        Ok(held.entry(description.clone()).or_default())
    }

    pub(super) fn form_of(&self, attribute: AttributeId, value: &[u8]) -> Result<Form, Error> {
        match self.normal_form(attribute, value) {
            Err(Error::InvalidSyntax(_)) => Ok(Form::Octets(value.to_vec())),
            form => form,
        }
    }

    /// The one place where changes work out the normal form of a value, so that none is without its cost.
    pub(super) fn normal_form(&self, attribute: AttributeId, value: &[u8]) -> Result<Form, Error> {
        self.look_at(1, cost(value))?;
        let schema = &self.core.schema;
        let mut key = Vec::new();
        match schema.normalize(attribute, value, &mut key) {
            Ok(()) => Ok(Form::Normal(key)),
            Err(error) => Err(Error::InvalidSyntax(format!("{}: {error}", schema.attribute_type(attribute).name()))),
        }
    }
}
