//! Whether an entry is in the subtree that a specification describes (RFC 3672 §2.1).

use super::subtree::{Exclusion, Refinement, SubtreeSpecification};
use super::{ClassId, Schema};
use crate::model::{Dn, Entry};

/// The normal forms of RDNs, the leaf first.
type Path = Vec<Box<[u8]>>;

/// A specification made ready: names in their normal form, classes looked up.
#[derive(Debug)]
pub struct Subtree {
    base: Path,
    exclusions: Vec<Chop>,
    minimum: usize,
    maximum: usize,
    filter: Option<ClassFilter>,
}

#[derive(Debug)]
struct Chop {
    name: Path,
    /// Whether the entry of the name is out as well.
    before: bool,
}

#[derive(Debug)]
enum ClassFilter {
    And(Vec<Self>),
    /// `None`: a class that is not defined, which no entry has.
    Item(Option<ClassId>),
    Not(Box<Self>),
    Or(Vec<Self>),
}

impl Subtree {
    /// Makes a specification ready.
    pub fn of(schema: &Schema, specification: &SubtreeSpecification) -> Self {
        let path = |name: &Dn| -> Path { name.0.iter().map(|rdn| schema.rdn_key(rdn)).collect() };
        let chop = |exclusion: &Exclusion| match exclusion {
            Exclusion::After(name) => Chop { name: path(name), before: false },
            Exclusion::Before(name) => Chop { name: path(name), before: true },
        };
        let depth = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        Self {
            base: path(&specification.base),
            exclusions: specification.exclusions.iter().map(chop).collect(),
            minimum: depth(specification.minimum),
            maximum: specification.maximum.map_or(usize::MAX, depth),
            filter: specification.filter.as_ref().map(|filter| ClassFilter::of(schema, filter)),
        }
    }

    /// The base, below the administrative point: normal forms of RDNs, the leaf first.
    pub fn base(&self) -> &[Box<[u8]>] {
        &self.base
    }

    /// What is asked of an entry at most, to say whether it holds it.
    pub fn parts(&self) -> usize {
        1 + self.exclusions.len() + self.filter.as_ref().map_or(0, ClassFilter::parts)
    }

    /// Whether it holds the entry. `path` are the normal forms of the RDNs from the entry, whose own is first, up to below the
    /// administrative point: none for that point itself.
    pub fn holds(&self, schema: &Schema, entry: &Entry, path: &[&[u8]]) -> bool {
        let Some(below) = strip(path, &self.base) else { return false };
        let chopped = |chop: &Chop| strip(below, &chop.name).is_some_and(|rest| chop.before || !rest.is_empty());
        (self.minimum..=self.maximum).contains(&below.len())
            && !self.exclusions.iter().any(chopped)
            && self.filter.as_ref().is_none_or(|filter| filter.takes(&classes(schema, entry), schema))
    }
}

/// What is below the name; `None` where the path does not lead through it.
fn strip<'p, 'k>(path: &'p [&'k [u8]], name: &[Box<[u8]>]) -> Option<&'p [&'k [u8]]> {
    let (below, above) = path.split_at_checked(path.len().checked_sub(name.len())?)?;
    above.iter().zip(name).all(|(one, other)| **one == **other).then_some(below)
}

fn classes(schema: &Schema, entry: &Entry) -> Vec<ClassId> {
    entry.values(schema.known().object_class).filter_map(|name| schema.class(std::str::from_utf8(name).ok()?)).collect()
}

impl ClassFilter {
    fn of(schema: &Schema, refinement: &Refinement) -> Self {
        let all = |parts: &[Refinement]| parts.iter().map(|part| Self::of(schema, part)).collect();
        match refinement {
            Refinement::And(parts) => Self::And(all(parts)),
            Refinement::Item(class) => Self::Item(schema.class(class)),
            Refinement::Not(part) => Self::Not(Box::new(Self::of(schema, part))),
            Refinement::Or(parts) => Self::Or(all(parts)),
        }
    }

    fn parts(&self) -> usize {
        match self {
            Self::And(parts) | Self::Or(parts) => 1 + parts.iter().map(Self::parts).sum::<usize>(),
            Self::Item(_) => 1,
            Self::Not(part) => 1 + part.parts(),
        }
    }

    fn takes(&self, classes: &[ClassId], schema: &Schema) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|part| part.takes(classes, schema)),
            Self::Item(asked) => asked.is_some_and(|asked| classes.iter().any(|class| schema.derives_from(*class, asked))),
            Self::Not(part) => !part.takes(classes, schema),
            Self::Or(parts) => parts.iter().any(|part| part.takes(classes, schema)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::EntryId;
    use crate::model::entry::Place;
    use crate::model::{EntryBuilder, Kind};
    use proptest::prelude::*;
    use std::sync::LazyLock;

    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::load(&[]).unwrap());

    fn entry(class: &str) -> Entry {
        let mut builder = EntryBuilder::default();
        builder.push(SCHEMA.known().object_class, "objectClass", &[class]);
        let place = Place { id: EntryId(1), parent: None, rdn: "".into(), rdn_key: Box::default(), revision: 0 };
        builder.build(place, Kind::Generic)
    }

    /// The names on the way down from the administrative point, one letter each.
    fn holds(specification: &SubtreeSpecification, down: &str, class: &str) -> bool {
        let keys: Vec<_> = down.chars().rev().map(|letter| Dn::parse(&format!("ou={letter}")).unwrap()).collect();
        let keys: Vec<_> = keys.iter().map(|dn| SCHEMA.rdn_key(dn.rdn().unwrap())).collect();
        let path: Vec<&[u8]> = keys.iter().map(AsRef::as_ref).collect();
        Subtree::of(&SCHEMA, specification).holds(&SCHEMA, &entry(class), &path)
    }

    /// What RFC 3672 §2.1 says, step by step on the way down: where the base is reached, where the way is cut, how deep it is.
    fn naive(specification: &SubtreeSpecification, down: &str, class: &str) -> bool {
        let letters = |dn: &Dn| -> String { dn.to_string().split(',').rev().map(|rdn| rdn.replace("ou=", "").to_lowercase()).collect() };
        let base = letters(&specification.base);
        let Some(below) = down.strip_prefix(&base) else { return false };
        let mut at = String::new();
        for step in std::iter::once(None).chain(below.chars().map(Some)) {
            at.extend(step);
            for exclusion in &specification.exclusions {
                let (name, cut) = match exclusion {
                    Exclusion::After(name) => (letters(name), at.len() > letters(name).len()),
                    Exclusion::Before(name) => (letters(name), true),
                };
                if at.starts_with(&name) && cut {
                    return false;
                }
            }
        }
        let depth = below.len() as u32;
        depth >= specification.minimum
            && specification.maximum.is_none_or(|maximum| depth <= maximum)
            && specification.filter.as_ref().is_none_or(|filter| naive_filter(filter, class))
    }

    fn naive_filter(filter: &Refinement, class: &str) -> bool {
        const LINES: [&[&str]; 3] = [&["person", "organizationalPerson", "inetOrgPerson"], &["organizationalUnit"], &["device"]];
        match filter {
            Refinement::And(parts) => parts.iter().all(|part| naive_filter(part, class)),
            Refinement::Item(asked) => LINES.iter().any(|line| {
                let at = |name: &str| line.iter().position(|held| *held == name);
                matches!((at(asked), at(class)), (Some(asked), Some(class)) if asked <= class)
            }),
            Refinement::Not(part) => !naive_filter(part, class),
            Refinement::Or(parts) => parts.iter().any(|part| naive_filter(part, class)),
        }
    }

    const CLASSES: [&str; 5] = ["person", "organizationalPerson", "inetOrgPerson", "organizationalUnit", "device"];

    fn name() -> impl Strategy<Value = Dn> {
        "[abAB]{0,3}".prop_map(|letters| {
            let rdns: Vec<String> = letters.chars().map(|letter| format!("ou={letter}")).collect();
            Dn::parse(&rdns.join(",")).unwrap()
        })
    }

    fn refinement() -> impl Strategy<Value = Refinement> {
        let item = proptest::sample::select(&CLASSES[..]).prop_map(|class| Refinement::Item(class.to_owned()));
        item.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Refinement::And),
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Refinement::Or),
                inner.prop_map(|part| Refinement::Not(Box::new(part))),
            ]
        })
    }

    fn exclusion() -> impl Strategy<Value = Exclusion> {
        (any::<bool>(), name()).prop_map(|(before, name)| if before { Exclusion::Before(name) } else { Exclusion::After(name) })
    }

    proptest! {
        #[test]
        fn s2_1_a_subtree_holds_what_the_naive_reading_says(
            base in name(),
            exclusions in proptest::collection::vec(exclusion(), 0..3),
            minimum in 0_u32..3,
            maximum in proptest::option::of(0_u32..5),
            filter in proptest::option::of(refinement()),
            down in "[ab]{0,5}",
            class in proptest::sample::select(&CLASSES[..]),
        ) {
            let specification = SubtreeSpecification { base, exclusions, minimum, maximum, filter };
            prop_assert_eq!(holds(&specification, &down, class), naive(&specification, &down, class), "{:?} {} {}", specification, down, class);
        }
    }

    #[test]
    fn s2_1_3_a_class_that_is_not_defined_is_that_of_no_entry() {
        let of = |filter| SubtreeSpecification { filter: Some(filter), ..SubtreeSpecification::default() };
        let item = Refinement::Item("nosuchclass".to_owned());
        assert!(!holds(&of(item.clone()), "a", "person"));
        assert!(holds(&of(Refinement::Not(Box::new(item))), "a", "person"));
    }
}
