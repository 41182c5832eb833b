//! Collective attributes (RFC 3671) as far as the schema says something of them: how their types are defined, and that
//! values stand in collective attribute subentries only.

use super::seal::Violation;
use super::{AttributeType, ClassId, Schema, Usage};
use crate::model::{AttributeId, Draft, Entry};

/// The class of subentries (RFC 3672 §2.4).
const SUBENTRY: &str = "2.5.17.0";
/// The class of subentries that hold collective attributes (RFC 3671 §2.1).
pub const COLLECTIVE_SUBENTRY: &str = "2.5.17.2";
/// The value of `collectiveExclusions` that means all of them (RFC 3671 §2.3).
pub const EXCLUDE_ALL: &str = "2.5.18.0";

/// Names that are registered for values only (RFC 3671 §2.3, RFC 3672 §2.3).
const REGISTERED: [(&str, &str); 7] = [
    ("accessControlInnerArea", "2.5.23.3"),
    ("accessControlSpecificArea", "2.5.23.2"),
    ("autonomousArea", "2.5.23.1"),
    ("collectiveAttributeInnerArea", "2.5.23.6"),
    ("collectiveAttributeSpecificArea", "2.5.23.5"),
    ("excludeAllCollectiveAttributes", EXCLUDE_ALL),
    ("subschemaAdminSpecificArea", "2.5.23.4"),
];

/// The OID of a name that is none of a definition.
pub(super) fn registered(name: &str) -> Option<&'static str> {
    REGISTERED.iter().find(|(held, _)| held.eq_ignore_ascii_case(name)).map(|(_, oid)| *oid)
}

/// A collective type is a user attribute of several values that the server only keeps; what derives from one is one too
/// (RFC 4512 §2.5.1, §4.1.2). `superior` says whether the type it derives from is collective.
pub(super) fn check_type(definition: &AttributeType, superior: bool) -> Result<(), String> {
    if !definition.collective {
        return match superior {
            true => Err("it must be COLLECTIVE as its superior is (RFC 4512 §2.5.1)".to_owned()),
            false => Ok(()),
        };
    }
    let problem = if definition.usage != Usage::User {
        "be of any USAGE but userApplications (RFC 4512 §4.1.2)"
    } else if definition.single_value {
        "be SINGLE-VALUE: the values of several subentries come together (RFC 3671 §1.2)"
    } else if definition.link.is_some() || definition.secret || definition.derived || definition.no_user_modification {
        "be X-LINK, X-SECRET, X-DERIVED or NO-USER-MODIFICATION"
    } else {
        return Ok(());
    };
    Err(format!("what is COLLECTIVE cannot {problem}"))
}

impl Schema {
    /// Whether the entry is of the class, by OID, or of one derived from it.
    pub fn entry_is(&self, entry: &Entry, oid: &str) -> bool {
        let Some(asked) = self.class(oid) else { return false };
        let mut classes = entry.values(self.known().object_class).filter_map(|name| self.class(std::str::from_utf8(name).ok()?));
        classes.any(|class| self.derives_from(class, asked))
    }

    /// Whether an entry may show it for the sake of a subentry: a collective type, or the names of the subentries
    /// (RFC 3671 §2.2).
    pub fn is_shared(&self, attribute: AttributeId) -> bool {
        self.attribute_type(attribute).collective || attribute == self.known().collective_attribute_subentries
    }

    /// Whether the entry is a subentry.
    pub fn is_subentry(&self, entry: &Entry) -> bool {
        self.entry_is(entry, SUBENTRY)
    }

    /// Whether `administrativeRole` of the entry is one of these, by OID (RFC 3672 §2.3).
    pub fn has_role(&self, entry: &Entry, roles: &[&str]) -> bool {
        let mut held = entry.values(self.known().administrative_role).filter_map(|role| std::str::from_utf8(role).ok());
        held.any(|role| roles.contains(&self.oid(role).unwrap_or(role)))
    }

    /// Collective attributes stand in subentries of the class for them, and nowhere else.
    pub(super) fn check_collective(&self, draft: &Draft, listed: &[ClassId]) -> Result<(), Violation> {
        let is = |oid: &str| self.class(oid).is_some_and(|asked| listed.iter().any(|class| self.derives_from(*class, asked)));
        let held = draft.attributes.iter().filter(|held| !held.values.is_empty());
        let mut types = held.map(|held| self.attribute_type(held.description.attribute));
        match (is(COLLECTIVE_SUBENTRY), is(SUBENTRY)) {
            (true, true) => Ok(()),
            (true, false) => {
                Err(Violation::ObjectClass("objectClass: collectiveAttributeSubentry goes with subentry only (RFC 3671 §2.1)".to_owned()))
            }
            (false, _) => match types.find(|definition| definition.collective) {
                Some(definition) => {
                    let rule = "a collective attribute has values in a collectiveAttributeSubentry only (RFC 3671 §2.1)";
                    Err(Violation::ObjectClass(format!("{}: {rule}", definition.name())))
                }
                None => Ok(()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Schema, Source};

    fn problem(text: &str) -> String {
        let source = Source { name: "test.schema".to_owned(), text: text.to_owned() };
        Schema::load(&[source]).map(drop).unwrap_err().message
    }

    #[test]
    fn s4_1_2_a_collective_type_is_a_user_attribute_of_several_values() {
        for (more, said) in [
            ("SUP name COLLECTIVE SINGLE-VALUE", "SINGLE-VALUE"),
            ("SUP createTimestamp COLLECTIVE USAGE directoryOperation", "userApplications"),
            ("SUP member COLLECTIVE X-LINK 'member'", "X-LINK"),
            ("SUP name COLLECTIVE X-DERIVED 'TRUE'", "X-DERIVED"),
        ] {
            let message = problem(&format!("attributetype ( 1.2.3.4 NAME 'x-shared' {more} )"));
            assert!(message.contains("x-shared") && message.contains(said), "{message}");
        }
    }

    #[test]
    fn s2_5_1_what_derives_from_a_collective_type_is_collective() {
        assert!(problem("attributetype ( 1.2.3.4 NAME 'x-mine' SUP c-l )").contains("x-mine"));
    }

    #[test]
    fn no_class_requires_or_allows_a_collective_attribute() {
        for word in ["MUST", "MAY"] {
            let message = problem(&format!("objectclass ( 1.2.3.5 NAME 'x-class' SUP top AUXILIARY {word} c-l )"));
            assert!(message.contains("c-l is collective"), "{message}");
        }
    }
}
