//! Filters made ready: attribute names looked up, assertions normalised, then asked of one entry at a time with
//! three-valued logic (RFC 4511 §4.5.1.7), or of the indexes for the entries that can match at all.

use super::bounds::Near;
use super::chain::Chain;
use super::derived::{self, NameList, Names};
use super::link_view::{self, ShownLinks};
use super::tree::{self, Suffix};
use crate::access::AttributeSet;
use crate::base::EntryId;
use crate::domain::{Catalog, groups};
use crate::model::filter::{Extensible, Substrings};
use crate::model::{AttributeId, Description, Dn, Entry, Facts, Filter};
use crate::schema::{Comparison, LinkForm, MatchingRule, Schema, SubstringPart};
use roaring::RoaringBitmap;
use std::sync::Arc;

/// A filter that can be asked.
#[derive(Debug)]
pub(crate) enum Matcher {
    /// All of them.
    And(Vec<Self>),
    /// One of them.
    Or(Vec<Self>),
    /// The opposite.
    Not(Box<Self>),
    /// The same for every entry.
    Constant(Truth),
    /// One assertion.
    Item(Item),
}

/// Three-valued logic; `Undefined` is what an unknown or unreadable attribute gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Truth {
    /// It does not match.
    False,
    /// It cannot be said.
    Undefined,
    /// It matches.
    True,
}

/// One assertion about one attribute and its subtypes.
#[derive(Debug)]
pub(crate) struct Item {
    /// The types it is about: the one named and its subtypes, or every type that a rule applies to.
    pub(super) attributes: Vec<AttributeId>,
    /// The options that must be there, lower case.
    pub(super) options: Vec<String>,
    /// What is asserted.
    pub(super) test: Test,
    /// Says which roles are effective.
    pub(super) catalog: Arc<Catalog>,
    /// Whether the attributes of the DN count as well (`:dn:`).
    pub(super) dn_attributes: bool,
    /// What dynamic groups add, once [`Matcher::follow`] has asked them.
    pub(super) dynamic: Dynamic,
    /// Where it may be searched, once [`Matcher::confine`] has asked, as far as that is not far.
    pub(super) near: Option<Box<Near>>,
}

/// The entries that an assertion holds for by dynamic groups.
#[derive(Debug, Default)]
pub(super) struct Dynamic {
    pub(super) ids: RoaringBitmap,
    /// Whether the groups are asked about each entry in turn, and `ids` says it of the last one only.
    pub(super) each: bool,
}

#[derive(Debug)]
pub(super) enum Test {
    Present,
    /// By the attribute's own equality rule.
    Equal(Vec<u8>),
    /// One of several keys: objectClass and the classes derived from the one asked for.
    OneOf(Vec<Vec<u8>>),
    /// By another rule than the attribute's own; the assertion as given.
    Rule(MatchingRule, Vec<u8>),
    AtLeast(MatchingRule, Vec<u8>),
    AtMost(MatchingRule, Vec<u8>),
    Parts {
        rule: MatchingRule,
        initial: Option<Vec<u8>>,
        any: Vec<Vec<u8>>,
        last: Option<Vec<u8>>,
    },
    /// A link to one of these entries; none: to something that is no entry. The key stands for references kept as text.
    Link {
        targets: Vec<EntryId>,
        key: Vec<u8>,
    },
    /// A chain of links.
    Chain(Chain),
    /// A derived attribute, asked by its values.
    Derived(Box<Self>),
}

/// What making a filter ready needs to know.
pub(crate) struct Context<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) suffixes: &'a [Suffix],
    pub(crate) facts: &'a dyn Facts,
    pub(crate) catalog: &'a Arc<Catalog>,
}

impl Matcher {
    /// Looks up names and normalises assertions. What cannot be understood is Undefined, never an error.
    pub(crate) fn prepare(context: &Context<'_>, filter: &Filter<'_>) -> Self {
        match filter {
            Filter::And(parts) => Self::And(parts.iter().map(|part| Self::prepare(context, part)).collect()),
            Filter::Or(parts) => Self::Or(parts.iter().map(|part| Self::prepare(context, part)).collect()),
            Filter::Not(part) => Self::Not(Box::new(Self::prepare(context, part))),
            Filter::Present(name) => Self::present(context, name),
            Filter::Equality(name, value) | Filter::Approximate(name, value) => Self::equality(context, name, value),
            Filter::Substrings(name, parts) => Self::substrings(context, name, parts),
            Filter::GreaterOrEqual(name, value) => Self::order(context, name, value, Test::AtLeast),
            Filter::LessOrEqual(name, value) => Self::order(context, name, value, Test::AtMost),
            Filter::Extensible(assertion) => Self::extensible(context, assertion),
        }
    }

    fn present(context: &Context<'_>, name: &str) -> Self {
        match named(context.schema, name) {
            Some((attribute, _)) if attribute == context.schema.known().object_class => Self::Constant(Truth::True),
            Some((attribute, options)) => Self::item(context, attribute, options, Test::Present),
            None => Self::Constant(Truth::Undefined),
        }
    }

    fn equality(context: &Context<'_>, name: &str, value: &[u8]) -> Self {
        let Some((attribute, options)) = named(context.schema, name) else { return Self::Constant(Truth::Undefined) };
        match equality_test(context, attribute, value) {
            Some(test) => Self::item(context, attribute, options, test),
            None => Self::Constant(Truth::Undefined),
        }
    }

    fn order(context: &Context<'_>, name: &str, value: &[u8], test: fn(MatchingRule, Vec<u8>) -> Test) -> Self {
        let Some((attribute, options)) = named(context.schema, name) else { return Self::Constant(Truth::Undefined) };
        let definition = context.schema.attribute_type(attribute);
        let Some(rule) = definition.ordering else { return Self::Constant(Truth::Undefined) };
        let mut key = Vec::new();
        match rule.normalize_assertion(context.schema, value, &mut key) {
            Ok(()) => Self::item(context, attribute, options, test(rule, key)),
            Err(_) => Self::Constant(Truth::Undefined),
        }
    }

    fn substrings(context: &Context<'_>, name: &str, parts: &Substrings<'_>) -> Self {
        let Some((attribute, options)) = named(context.schema, name) else { return Self::Constant(Truth::Undefined) };
        let definition = context.schema.attribute_type(attribute);
        let Some(rule) = definition.substring else { return Self::Constant(Truth::Undefined) };
        let normal = |part, value: &[u8]| {
            let mut key = Vec::new();
            rule.normalize_part(part, value, &mut key).ok().map(|()| key)
        };
        let given = || -> Option<Test> {
            let initial = match &parts.initial {
                Some(value) => Some(normal(SubstringPart::Initial, value)?),
                None => None,
            };
            let any = parts.any.iter().map(|value| normal(SubstringPart::Any, value)).collect::<Option<Vec<_>>>()?;
            let last = match &parts.last {
                Some(value) => Some(normal(SubstringPart::Final, value)?),
                None => None,
            };
            Some(Test::Parts { rule, initial, any, last })
        };
        match given() {
            Some(test) => Self::item(context, attribute, options, test),
            None => Self::Constant(Truth::Undefined),
        }
    }

    fn extensible(context: &Context<'_>, assertion: &Extensible<'_>) -> Self {
        let undefined = Self::Constant(Truth::Undefined);
        let schema = context.schema;
        let rule = match &assertion.rule {
            Some(name) => match schema.rule(name) {
                Some(rule) => Some(rule),
                None => return undefined,
            },
            None => None,
        };
        let Some(name) = &assertion.attribute else {
            let Some(rule) = rule else { return undefined };
            return Self::by_rule_alone(context, rule, assertion);
        };
        let Some((attribute, options)) = named(schema, name) else { return undefined };
        let own = schema.attribute_type(attribute).equality;
        let test = match rule {
            None => equality_test(context, attribute, &assertion.value),
            Some(rule) if !schema.rule_applies(rule, attribute) => None,
            Some(rule) if Some(rule) == own => equality_test(context, attribute, &assertion.value),
            Some(rule) if rule.comparison() == Comparison::InChain => chain_test(context, attribute, &assertion.value),
            Some(rule) => rule_test(schema, rule, &assertion.value),
        };
        let Some(test) = test else { return undefined };
        match Self::item(context, attribute, options, test) {
            Self::Item(item) => Self::Item(Item { dn_attributes: assertion.dn_attributes, ..item }),
            other => other,
        }
    }

    /// `(:rule:=value)`: every attribute the rule applies to (RFC 4511 §4.5.1.7.7), links and what is derived each in its way.
    fn by_rule_alone(context: &Context<'_>, rule: MatchingRule, assertion: &Extensible<'_>) -> Self {
        let Some(test) = rule_test(context.schema, rule, &assertion.value) else { return Self::Constant(Truth::Undefined) };
        let applies = context.schema.attribute_types().iter().filter(|definition| context.schema.rule_applies(rule, definition.id));
        let (made, stored): (Vec<_>, Vec<_>) = applies.partition(|definition| definition.link.is_some() || definition.derived);
        let attributes = stored.iter().map(|definition| definition.id).collect();
        let (options, dn_attributes) = (Vec::new(), assertion.dn_attributes);
        let catalog = Arc::clone(context.catalog);
        let stored = Item { attributes, options, test, catalog, dn_attributes, dynamic: Dynamic::default(), near: None };
        let named = |name: &str| Self::extensible(context, &Extensible { attribute: Some(name.to_owned().into()), ..assertion.clone() });
        let made = made.iter().map(|definition| named(definition.name()));
        Self::Or(made.chain([Self::Item(stored)]).collect())
    }

    fn item(context: &Context<'_>, attribute: AttributeId, options: Vec<String>, test: Test) -> Self {
        let schema = context.schema;
        let definition = schema.attribute_type(attribute);
        if definition.secret {
            return Self::Constant(Truth::Undefined);
        }
        let test = match test {
            test @ (Test::Link { .. } | Test::Chain(_)) => test,
            test if definition.derived => Test::Derived(Box::new(test)),
            test => test,
        };
        let attributes = schema.with_subtypes(attribute).to_vec();
        let catalog = Arc::clone(context.catalog);
        Self::Item(Item { attributes, options, test, catalog, dn_attributes: false, dynamic: Dynamic::default(), near: None })
    }

    /// How many assertions it makes of an entry.
    pub(super) fn assertions(&self) -> usize {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().map(Self::assertions).sum(),
            Self::Not(part) => part.assertions(),
            Self::Constant(_) => 0,
            Self::Item(item) => item.attributes.len(),
        }
    }

    /// Whether it asserts about nothing but these attributes.
    pub(super) fn is_about(&self, searchable: &AttributeSet) -> bool {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().all(|part| part.is_about(searchable)),
            Self::Not(part) => part.is_about(searchable),
            Self::Constant(_) => true,
            Self::Item(item) => item.attributes.iter().all(|attribute| searchable.contains(*attribute)),
        }
    }

    /// Whether it is an assertion that one value of an attribute satisfies (RFC 3876 §2).
    pub(super) fn takes_value(&self, schema: &Schema, description: &Description, value: &[u8]) -> bool {
        match self {
            Self::Item(item) => {
                let has = |wanted: &String| description.options.split(';').any(|option| option == wanted);
                let about = item.attributes.contains(&description.attribute) && item.options.iter().all(has);
                about && item.test.takes(schema, description.attribute, value)
            }
            // What a rule alone asks stands in several items; the control itself has no or.
            Self::Or(parts) => parts.iter().any(|part| part.takes_value(schema, description, value)),
            Self::And(_) | Self::Not(_) | Self::Constant(_) => false,
        }
    }

    /// Whether this is so of any of its assertions.
    pub(super) fn any(&self, is_so: &dyn Fn(&Item) -> bool) -> bool {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().any(|part| part.any(is_so)),
            Self::Not(part) => part.any(is_so),
            Self::Constant(_) => false,
            Self::Item(item) => is_so(item),
        }
    }

    /// Does something with each of its assertions, until that fails.
    pub(super) fn try_each<E>(&mut self, act: &mut dyn FnMut(&mut Item) -> Result<(), E>) -> Result<(), E> {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter_mut().try_for_each(|part| part.try_each(act)),
            Self::Not(part) => part.try_each(act),
            Self::Constant(_) => Ok(()),
            Self::Item(item) => act(item),
        }
    }

    /// Whether it asks for links, or for what is made from other entries: then an entry may come to match without a
    /// change of its own.
    pub(super) fn rests_on_links(&self) -> bool {
        self.any(&|item| item.dn_attributes || matches!(item.test, Test::Link { .. } | Test::Chain(_) | Test::Derived(..)))
    }

    /// Which of its assertions were understood, in order: by another schema it may be others.
    pub(super) fn understood(&self) -> Vec<bool> {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().flat_map(Self::understood).collect(),
            Self::Not(part) => part.understood(),
            Self::Constant(truth) => vec![*truth != Truth::Undefined],
            Self::Item(_) => vec![true],
        }
    }

    /// Whether it asks for chains of links, which are walked for each search anew.
    pub(super) fn asks_chains(&self) -> bool {
        self.any(&|item| matches!(item.test, Test::Chain(_)))
    }

    /// Asks the entry. `searchable` says which attributes the caller may assert about; another is Undefined.
    pub(crate) fn matches(&self, schema: &Schema, facts: &dyn Facts, entry: &Entry, searchable: &AttributeSet) -> Truth {
        match self {
            Self::Constant(truth) => *truth,
            Self::Not(part) => match part.matches(schema, facts, entry, searchable) {
                Truth::False => Truth::True,
                Truth::Undefined => Truth::Undefined,
                Truth::True => Truth::False,
            },
            Self::And(parts) => fold(parts, Truth::False, |part| part.matches(schema, facts, entry, searchable)),
            Self::Or(parts) => fold(parts, Truth::True, |part| part.matches(schema, facts, entry, searchable)),
            Self::Item(item) => item.matches(schema, facts, entry, searchable),
        }
    }
}

/// Stops at `decisive`; Undefined where a part was; the opposite of `decisive` otherwise.
fn fold(parts: &[Matcher], decisive: Truth, mut ask: impl FnMut(&Matcher) -> Truth) -> Truth {
    let mut undefined = false;
    for part in parts {
        match ask(part) {
            truth if truth == decisive => return decisive,
            Truth::Undefined => undefined = true,
            _ => {}
        }
    }
    match (undefined, decisive) {
        (true, _) => Truth::Undefined,
        (false, Truth::False) => Truth::True,
        (false, _) => Truth::False,
    }
}

fn named(schema: &Schema, name: &str) -> Option<(AttributeId, Vec<String>)> {
    if !name.contains(';') {
        return schema.attribute(name).map(|attribute| (attribute, Vec::new()));
    }
    let description = schema.description(name)?;
    Some((description.attribute, description.options.split(';').filter(|option| !option.is_empty()).map(str::to_owned).collect()))
}

fn equality_test(context: &Context<'_>, attribute: AttributeId, value: &[u8]) -> Option<Test> {
    let schema = context.schema;
    let definition = schema.attribute_type(attribute);
    let known = schema.known();
    if definition.link.is_some() || attribute == known.member_of || attribute == known.hc_effective_member {
        return link_test(context, attribute, value).map(|(targets, key)| Test::Link { targets, key });
    }
    if attribute == schema.known().object_class {
        return class_test(schema, value);
    }
    let mut key = Vec::new();
    definition.equality?.normalize_assertion(schema, value, &mut key).ok()?;
    Some(Test::Equal(key))
}

fn rule_test(schema: &Schema, rule: MatchingRule, value: &[u8]) -> Option<Test> {
    match rule.comparison() {
        Comparison::BitAnd | Comparison::BitOr | Comparison::Substrings => rule.matches(schema, value, value).map(|_| ()).ok()?,
        Comparison::Equality | Comparison::InChain | Comparison::Ordering | Comparison::Words => {
            rule.normalize_assertion(schema, value, &mut Vec::new()).ok()?;
        }
    }
    Some(Test::Rule(rule, value.to_vec()))
}

/// The entries that the value of a link attribute means, and its normal form: references to what is no entry are text,
/// under the attribute's own rule.
fn link_test(context: &Context<'_>, attribute: AttributeId, value: &[u8]) -> Option<(Vec<EntryId>, Vec<u8>)> {
    let Context { schema, facts, .. } = *context;
    let mut key = Vec::new();
    schema.normalize(attribute, value, &mut key).ok()?;
    if schema.attribute_type(attribute).link.is_some_and(|view| view.form == LinkForm::Uid) {
        return Some((link_view::named_by_uid(schema, facts, attribute, value, &key), key));
    }
    let dn = Dn::parse(std::str::from_utf8(value).ok()?).ok()?;
    let target = match tree::resolve(schema, context.suffixes, facts, &dn) {
        tree::Resolved::Found(id) => Some(id),
        tree::Resolved::Missing { .. } | tree::Resolved::Outside => None,
    };
    Some((target.into_iter().collect(), key))
}

/// `memberOf` and `hcEffectiveMember` follow chains anyhow; what is no link has none.
fn chain_test(context: &Context<'_>, attribute: AttributeId, value: &[u8]) -> Option<Test> {
    if !context.schema.has_chains(attribute) {
        return None;
    }
    let (targets, key) = link_test(context, attribute, value)?;
    Some(match context.schema.attribute_type(attribute).link {
        Some(_) => Test::Chain(Chain { targets, key, reached: None }),
        None => Test::Link { targets, key },
    })
}

/// A class matches entries of the classes derived from it too, whether or not they list it.
fn class_test(schema: &Schema, value: &[u8]) -> Option<Test> {
    let asked = schema.class(std::str::from_utf8(value).ok()?)?;
    let mut keys = Vec::new();
    for class in schema.object_classes().iter().filter(|class| schema.derives_from(class.id, asked)) {
        let mut key = Vec::new();
        schema.normalize(schema.known().object_class, class.oid.as_bytes(), &mut key).ok()?;
        keys.push(key);
    }
    match keys.len() {
        1 => keys.pop().map(Test::Equal),
        _ => Some(Test::OneOf(keys)),
    }
}

impl Item {
    /// Whether it is an equality, which an index answers at once.
    pub(super) const fn is_equality(&self) -> bool {
        matches!(self.test, Test::Equal(_) | Test::Link { .. })
    }

    /// Whether a value that the entry keeps satisfies it.
    pub(super) fn holds_stored(&self, schema: &Schema, entry: &Entry, attribute: AttributeId) -> bool {
        self.held(entry, attribute).any(|held| held.values().any(|value| self.test.accepts(schema, attribute, value)))
    }

    pub(super) fn matches(&self, schema: &Schema, facts: &dyn Facts, entry: &Entry, searchable: &AttributeSet) -> Truth {
        let mut truth = Truth::Undefined;
        for &attribute in self.attributes.iter().filter(|attribute| searchable.contains(**attribute)) {
            match self.matches_attribute(schema, facts, entry, attribute) {
                Truth::True => return Truth::True,
                Truth::False => truth = Truth::False,
                Truth::Undefined => {}
            }
        }
        if self.dn_attributes && self.matches_name(schema, facts, entry, searchable) {
            return Truth::True;
        }
        truth
    }

    fn matches_attribute(&self, schema: &Schema, facts: &dyn Facts, entry: &Entry, attribute: AttributeId) -> Truth {
        let definition = schema.attribute_type(attribute);
        let found = match &self.test {
            Test::Link { targets, key } => self.matches_link(schema, facts, entry, attribute, (targets, key)),
            Test::Chain(chain) => match chain.holds(attribute, entry.id) {
                Some(holds) => holds,
                None => return Truth::Undefined,
            },
            Test::Derived(test) => {
                let values = derived::values(schema, &self.catalog, facts, entry, attribute);
                values.iter().any(|value| test.accepts(schema, attribute, value))
            }
            test => {
                self.holds_stored(schema, entry, attribute)
                    || definition.link.is_some_and(|view| {
                        self.options.is_empty()
                            && schema.shows_link(entry, attribute)
                            && (self.dynamic.ids.contains(entry.id.0)
                                || test.accepts_link(attribute, &ShownLinks { schema, facts, catalog: &self.catalog, entry, view }))
                    })
            }
        };
        if found { Truth::True } else { Truth::False }
    }

    fn held<'e>(&'e self, entry: &'e Entry, attribute: AttributeId) -> impl Iterator<Item = crate::model::Attribute<'e>> {
        entry.get(attribute).filter(|held| self.options.is_empty() || self.options.iter().all(|wanted| held.has_option(wanted)))
    }

    fn matches_link(
        &self,
        schema: &Schema,
        facts: &dyn Facts,
        entry: &Entry,
        attribute: AttributeId,
        (targets, key): (&[EntryId], &[u8]),
    ) -> bool {
        let known = schema.known();
        let dynamic = self.dynamic.ids.contains(entry.id.0);
        let any = |shows: &dyn Fn(EntryId) -> bool| targets.iter().any(|target| shows(*target));
        match schema.attribute_type(attribute).link {
            Some(view) => {
                let links = ShownLinks { schema, facts, catalog: &self.catalog, entry, view };
                ((dynamic || any(&|target| links.shows(target))) && schema.shows_link(entry, attribute))
                    || self.holds_text(schema, entry, attribute, key)
            }
            None if dynamic => true,
            None if attribute == known.member_of => {
                let containing = groups::containing(schema, facts, &self.catalog, entry.id);
                any(&|group| containing.contains(&group))
            }
            None if attribute == known.hc_effective_member => {
                any(&|member| groups::containing(schema, facts, &self.catalog, member).contains(&entry.id))
            }
            None => false,
        }
    }

    /// References to names that are no entries are kept as text.
    fn holds_text(&self, schema: &Schema, entry: &Entry, attribute: AttributeId, key: &[u8]) -> bool {
        let mut normal = Vec::new();
        entry.values(attribute).any(|value| {
            normal.clear();
            schema.normalize(attribute, value, &mut normal).is_ok() && normal == key
        })
    }

    fn matches_name(&self, schema: &Schema, facts: &dyn Facts, entry: &Entry, searchable: &AttributeSet) -> bool {
        let Ok(dn) = Dn::parse(&tree::dn_of(facts, entry.id)) else { return false };
        dn.0.iter().flat_map(|rdn| &rdn.0).any(|ava| {
            schema.attribute(&ava.attribute).is_some_and(|attribute| {
                self.attributes.contains(&attribute) && searchable.contains(attribute) && self.test.accepts(schema, attribute, &ava.value)
            })
        })
    }
}

impl Test {
    /// The same for a value as it is shown: links and derived values are text there.
    fn takes(&self, schema: &Schema, attribute: AttributeId, value: &[u8]) -> bool {
        match self {
            Self::Derived(test) => test.takes(schema, attribute, value),
            Self::Link { key, .. } => {
                let mut normal = Vec::with_capacity(value.len());
                schema.normalize(attribute, value, &mut normal).is_ok() && normal == *key
            }
            test => test.accepts(schema, attribute, value),
        }
    }

    /// Whether one value satisfies it.
    pub(super) fn accepts(&self, schema: &Schema, attribute: AttributeId, value: &[u8]) -> bool {
        let by = |rule: MatchingRule| {
            let mut normal = Vec::with_capacity(value.len());
            rule.normalize(schema, value, &mut normal).ok().map(|()| normal)
        };
        match self {
            Self::Present => true,
            Self::Equal(key) => {
                let mut normal = Vec::with_capacity(value.len());
                schema.normalize(attribute, value, &mut normal).is_ok() && normal == *key
            }
            Self::OneOf(keys) => {
                let mut normal = Vec::with_capacity(value.len());
                schema.normalize(attribute, value, &mut normal).is_ok() && keys.contains(&normal)
            }
            Self::Rule(rule, assertion) => rule.matches(schema, value, assertion).unwrap_or(false),
            Self::AtLeast(rule, key) => by(*rule).is_some_and(|normal| normal >= *key),
            Self::AtMost(rule, key) => by(*rule).is_some_and(|normal| normal <= *key),
            Self::Parts { rule, initial, any, last } => {
                by(*rule).is_some_and(|normal| holds_parts(&normal, initial.as_deref(), any, last.as_deref()))
            }
            Self::Link { .. } | Self::Chain(_) | Self::Derived(..) => false,
        }
    }

    /// Whether a link that shows satisfies it.
    fn accepts_link(&self, attribute: AttributeId, links: &ShownLinks<'_>) -> bool {
        if matches!(self, Self::Present) {
            return links.any();
        }
        let (mut names, mut values) = (Names::default(), NameList::default());
        links.values(&mut names, &mut values);
        values.iter().any(|value| self.accepts(links.schema, attribute, value))
    }
}

/// Whether the parts stand in `text` in this order without overlapping.
pub(crate) fn holds_parts(text: &[u8], initial: Option<&[u8]>, any: &[Vec<u8>], last: Option<&[u8]>) -> bool {
    let mut rest = text;
    if let Some(initial) = initial {
        match rest.strip_prefix(initial) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    if let Some(last) = last {
        match rest.strip_suffix(last) {
            Some(before) => rest = before,
            None => return false,
        }
    }
    for part in any {
        match memchr::memmem::find(rest, part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    true
}
