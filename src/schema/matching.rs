//! Matching rules (RFC 4517 §4.2) as normalisation: two values are equal where their normal forms are the
//! same octets, ordered as their normal forms are ordered octet by octet, and one holds another's normal
//! form where the substring rule matches. One key therefore serves comparison and every index.
//!
//! Text is prepared by RFC 4518 with its spaces as §2.6.1 writes them ([`crate::base::prepare`]): the normal form of
//! `Foo Bar` is ` foo  bar `, and the parts of a substring assertion, normalised as their kind, are looked for
//! in it octet by octet, one after another. Whole numbers and times have forms whose order as octets is
//! their order.

use super::parse::is_numeric_oid;
use super::{Schema, Syntax, certificate, text};
use crate::base::prepare::{Case, Insignificant, PrepareError, prepare};
use crate::model::Dn;

/// A value that the syntax does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidValue(pub &'static str);

impl From<PrepareError> for InvalidValue {
    fn from(error: PrepareError) -> Self {
        match error {
            PrepareError::NotUtf8 => Self("the text is not UTF-8"),
            PrepareError::Prohibited => Self("the text holds a code point that must not be in text (RFC 4518)"),
        }
    }
}

/// Which part of a substring assertion a text is: spaces at its ends count differently (RFC 4518 §2.6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubstringPart {
    /// The beginning.
    Initial,
    /// Somewhere.
    Any,
    /// The end.
    Final,
}

/// How a rule compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The normal forms of value and assertion are the same.
    Equality,
    /// The value comes before the assertion.
    Ordering,
    /// The assertion is `initial*any*final`.
    Substrings,
    /// The assertion is one of the value's words.
    Words,
    /// All bits of the assertion are set in the value.
    BitAnd,
    /// One bit of the assertion is set in the value.
    BitOr,
    /// The value names the assertion, or an entry from which the same attribute leads there. Only the
    /// directory can follow it; here it is equality.
    InChain,
}

/// How values are brought to their normal form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Bits,
    Boolean,
    Certificate,
    Csn,
    FirstInteger,
    FirstOid,
    FirstText,
    Ia5(Case),
    Integer,
    Lines,
    Name,
    NameAndUid,
    Numeric,
    Octets,
    Oid,
    Telephone,
    Text(Case),
    Time,
    Uuid,
}

macro_rules! rules {
    ($($rule:ident = $name:literal, $oid:literal, $syntax:literal, $comparison:ident, $form:expr;)*) => {
        /// A matching rule: those of RFC 4517 §4.2, of RFC 4530, one of RFC 4523, of change sequence numbers, and the three by
        /// which clients of Active Directory search.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum MatchingRule {
            $(#[doc = $name] $rule,)*
        }

        impl MatchingRule {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$rule),*];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$rule => $name,)* }
            }

            /// Its OID.
            pub const fn oid(self) -> &'static str {
                match self { $(Self::$rule => $oid,)* }
            }

            /// The OID of the syntax of its assertions.
            pub const fn syntax(self) -> &'static str {
                match self { $(Self::$rule => $syntax,)* }
            }

            /// How it compares.
            pub const fn comparison(self) -> Comparison {
                match self { $(Self::$rule => Comparison::$comparison,)* }
            }

            const fn form(self) -> Form {
                match self { $(Self::$rule => $form,)* }
            }
        }
    };
}

rules! {
    BitString = "bitStringMatch", "2.5.13.16", "1.3.6.1.4.1.1466.115.121.1.6", Equality, Form::Bits;
    Boolean = "booleanMatch", "2.5.13.13", "1.3.6.1.4.1.1466.115.121.1.7", Equality, Form::Boolean;
    CaseExact = "caseExactMatch", "2.5.13.5", "1.3.6.1.4.1.1466.115.121.1.15", Equality, Form::Text(Case::Exact);
    CaseExactIa5 = "caseExactIA5Match", "1.3.6.1.4.1.1466.109.114.1", "1.3.6.1.4.1.1466.115.121.1.26", Equality, Form::Ia5(Case::Exact);
    CaseExactIa5Substrings = "caseExactIA5SubstringsMatch", "1.3.6.1.4.1.4203.1.2.1", "1.3.6.1.4.1.1466.115.121.1.58", Substrings, Form::Ia5(Case::Exact);
    CaseExactOrdering = "caseExactOrderingMatch", "2.5.13.6", "1.3.6.1.4.1.1466.115.121.1.15", Ordering, Form::Text(Case::Exact);
    CaseExactSubstrings = "caseExactSubstringsMatch", "2.5.13.7", "1.3.6.1.4.1.1466.115.121.1.58", Substrings, Form::Text(Case::Exact);
    CaseIgnore = "caseIgnoreMatch", "2.5.13.2", "1.3.6.1.4.1.1466.115.121.1.15", Equality, Form::Text(Case::Ignore);
    CaseIgnoreIa5 = "caseIgnoreIA5Match", "1.3.6.1.4.1.1466.109.114.2", "1.3.6.1.4.1.1466.115.121.1.26", Equality, Form::Ia5(Case::Ignore);
    CaseIgnoreIa5Substrings = "caseIgnoreIA5SubstringsMatch", "1.3.6.1.4.1.1466.109.114.3", "1.3.6.1.4.1.1466.115.121.1.58", Substrings, Form::Ia5(Case::Ignore);
    CaseIgnoreList = "caseIgnoreListMatch", "2.5.13.11", "1.3.6.1.4.1.1466.115.121.1.41", Equality, Form::Lines;
    CaseIgnoreListSubstrings = "caseIgnoreListSubstringsMatch", "2.5.13.12", "1.3.6.1.4.1.1466.115.121.1.58", Substrings, Form::Lines;
    CaseIgnoreOrdering = "caseIgnoreOrderingMatch", "2.5.13.3", "1.3.6.1.4.1.1466.115.121.1.15", Ordering, Form::Text(Case::Ignore);
    CaseIgnoreSubstrings = "caseIgnoreSubstringsMatch", "2.5.13.4", "1.3.6.1.4.1.1466.115.121.1.58", Substrings, Form::Text(Case::Ignore);
    CertificateExact = "certificateExactMatch", "2.5.13.34", "1.3.6.1.1.15.1", Equality, Form::Certificate;
    Csn = "CSNMatch", "1.3.6.1.4.1.4203.666.11.2.2", "1.3.6.1.4.1.4203.666.11.2.1", Equality, Form::Csn;
    CsnOrdering = "CSNOrderingMatch", "1.3.6.1.4.1.4203.666.11.2.3", "1.3.6.1.4.1.4203.666.11.2.1", Ordering, Form::Csn;
    DirectoryStringFirstComponent = "directoryStringFirstComponentMatch", "2.5.13.31", "1.3.6.1.4.1.1466.115.121.1.15", Equality, Form::FirstText;
    DistinguishedName = "distinguishedNameMatch", "2.5.13.1", "1.3.6.1.4.1.1466.115.121.1.12", Equality, Form::Name;
    GeneralizedTime = "generalizedTimeMatch", "2.5.13.27", "1.3.6.1.4.1.1466.115.121.1.24", Equality, Form::Time;
    GeneralizedTimeOrdering = "generalizedTimeOrderingMatch", "2.5.13.28", "1.3.6.1.4.1.1466.115.121.1.24", Ordering, Form::Time;
    InChain = "distinguishedNameInChainMatch", "1.2.840.113556.1.4.1941", "1.3.6.1.4.1.1466.115.121.1.12", InChain, Form::Name;
    Integer = "integerMatch", "2.5.13.14", "1.3.6.1.4.1.1466.115.121.1.27", Equality, Form::Integer;
    IntegerBitAnd = "integerBitAndMatch", "1.2.840.113556.1.4.803", "1.3.6.1.4.1.1466.115.121.1.27", BitAnd, Form::Integer;
    IntegerBitOr = "integerBitOrMatch", "1.2.840.113556.1.4.804", "1.3.6.1.4.1.1466.115.121.1.27", BitOr, Form::Integer;
    IntegerFirstComponent = "integerFirstComponentMatch", "2.5.13.29", "1.3.6.1.4.1.1466.115.121.1.27", Equality, Form::FirstInteger;
    IntegerOrdering = "integerOrderingMatch", "2.5.13.15", "1.3.6.1.4.1.1466.115.121.1.27", Ordering, Form::Integer;
    Keyword = "keywordMatch", "2.5.13.33", "1.3.6.1.4.1.1466.115.121.1.15", Words, Form::Text(Case::Ignore);
    NumericString = "numericStringMatch", "2.5.13.8", "1.3.6.1.4.1.1466.115.121.1.36", Equality, Form::Numeric;
    NumericStringOrdering = "numericStringOrderingMatch", "2.5.13.9", "1.3.6.1.4.1.1466.115.121.1.36", Ordering, Form::Numeric;
    NumericStringSubstrings = "numericStringSubstringsMatch", "2.5.13.10", "1.3.6.1.4.1.1466.115.121.1.58", Substrings, Form::Numeric;
    ObjectIdentifier = "objectIdentifierMatch", "2.5.13.0", "1.3.6.1.4.1.1466.115.121.1.38", Equality, Form::Oid;
    ObjectIdentifierFirstComponent = "objectIdentifierFirstComponentMatch", "2.5.13.30", "1.3.6.1.4.1.1466.115.121.1.38", Equality, Form::FirstOid;
    OctetString = "octetStringMatch", "2.5.13.17", "1.3.6.1.4.1.1466.115.121.1.40", Equality, Form::Octets;
    OctetStringOrdering = "octetStringOrderingMatch", "2.5.13.18", "1.3.6.1.4.1.1466.115.121.1.40", Ordering, Form::Octets;
    OctetStringSubstrings = "octetStringSubstringsMatch", "2.5.13.19", "1.3.6.1.4.1.1466.115.121.1.58", Substrings, Form::Octets;
    TelephoneNumber = "telephoneNumberMatch", "2.5.13.20", "1.3.6.1.4.1.1466.115.121.1.50", Equality, Form::Telephone;
    TelephoneNumberSubstrings = "telephoneNumberSubstringsMatch", "2.5.13.21", "1.3.6.1.4.1.1466.115.121.1.58", Substrings, Form::Telephone;
    UniqueMember = "uniqueMemberMatch", "2.5.13.23", "1.3.6.1.4.1.1466.115.121.1.34", Equality, Form::NameAndUid;
    Uuid = "UUIDMatch", "1.3.6.1.1.16.2", "1.3.6.1.1.16.1", Equality, Form::Uuid;
    UuidOrdering = "UUIDOrderingMatch", "1.3.6.1.1.16.3", "1.3.6.1.1.16.1", Ordering, Form::Uuid;
    Word = "wordMatch", "2.5.13.32", "1.3.6.1.4.1.1466.115.121.1.15", Words, Form::Text(Case::Ignore);
}

impl MatchingRule {
    /// Appends the normal form of an attribute value. On an error `out` may hold a part of it.
    pub fn normalize(self, schema: &Schema, value: &[u8], out: &mut Vec<u8>) -> Result<(), InvalidValue> {
        match self.form() {
            Form::FirstInteger => text::put_integer(first_component(value)?, out),
            Form::FirstOid => put_oid(schema, first_component(value)?, out),
            Form::FirstText => Ok(prepare(first_component(value)?, Case::Ignore, Insignificant::Spaces, out)?),
            form => form.normalize(schema, value, out),
        }
    }

    /// Appends the normal form of an assertion of an equality or ordering rule. It must conform to the syntax of the rule's
    /// assertions, and differs from that of a value where a rule looks at the first component of a value only.
    pub fn normalize_assertion(self, schema: &Schema, assertion: &[u8], out: &mut Vec<u8>) -> Result<(), InvalidValue> {
        match self.form() {
            Form::FirstText | Form::Text(_) => Syntax::DirectoryString.check(assertion)?,
            Form::Lines => Syntax::PostalAddress.check(assertion)?,
            Form::Numeric => Syntax::NumericString.check(assertion)?,
            Form::Telephone => Syntax::TelephoneNumber.check(assertion)?,
            // Of these, what cannot be read has no normal form either.
            Form::Bits | Form::Boolean | Form::Certificate | Form::Csn | Form::FirstInteger | Form::FirstOid => (),
            Form::Ia5(_) | Form::Integer => (),
            Form::Name | Form::NameAndUid | Form::Octets | Form::Oid | Form::Time | Form::Uuid => (),
        }
        match self.form() {
            Form::Certificate => certificate::put_assertion(schema, assertion, out),
            Form::FirstInteger => Form::Integer.normalize(schema, assertion, out),
            Form::FirstOid => Form::Oid.normalize(schema, assertion, out),
            Form::FirstText => Form::Text(Case::Ignore).normalize(schema, assertion, out),
            form => form.normalize(schema, assertion, out),
        }
    }

    /// Appends the normal form of one part of a substring assertion.
    pub fn normalize_part(self, part: SubstringPart, value: &[u8], out: &mut Vec<u8>) -> Result<(), InvalidValue> {
        let spaces = match part {
            SubstringPart::Initial => Insignificant::SpacesInitial,
            SubstringPart::Any => Insignificant::SpacesAny,
            SubstringPart::Final => Insignificant::SpacesFinal,
        };
        match self.form() {
            Form::Text(case) => Ok(prepare(value, case, spaces, out)?),
            Form::Lines => Ok(prepare(value, Case::Ignore, spaces, out)?),
            Form::Ia5(case) => ascii(value).and_then(|value| Ok(prepare(value, case, spaces, out)?)),
            Form::Numeric => Ok(prepare(value, Case::Exact, Insignificant::Numeric, out)?),
            Form::Telephone => Ok(prepare(value, Case::Ignore, Insignificant::Telephone, out)?),
            Form::Octets => {
                out.extend_from_slice(value);
                Ok(())
            }
            Form::Bits | Form::Boolean | Form::Certificate | Form::Csn | Form::FirstInteger | Form::FirstOid => Err(NO_PARTS),
            Form::FirstText | Form::Integer | Form::Name | Form::NameAndUid | Form::Oid | Form::Time | Form::Uuid => Err(NO_PARTS),
        }
    }

    /// Whether it is a rule for values of this syntax, as the sections of RFC 4517 §4.2 say of each rule.
    pub(super) fn takes(self, syntax: Syntax) -> bool {
        match self.form() {
            Form::Bits => syntax == Syntax::BitString,
            Form::Boolean => syntax == Syntax::Boolean,
            Form::Certificate => syntax == Syntax::Certificate,
            Form::Csn => syntax == Syntax::ChangeSequenceNumber,
            Form::FirstInteger => syntax == Syntax::DitStructureRuleDescription,
            Form::FirstOid => matches!(
                syntax,
                Syntax::AttributeTypeDescription
                    | Syntax::DitContentRuleDescription
                    | Syntax::LdapSyntaxDescription
                    | Syntax::MatchingRuleDescription
                    | Syntax::MatchingRuleUseDescription
                    | Syntax::NameFormDescription
                    | Syntax::ObjectClassDescription
            ),
            Form::FirstText => false,
            Form::Ia5(_) => syntax == Syntax::Ia5String,
            Form::Integer => syntax == Syntax::Integer,
            Form::Lines => syntax == Syntax::PostalAddress,
            Form::Name => syntax == Syntax::DistinguishedName,
            Form::NameAndUid => syntax == Syntax::NameAndOptionalUid,
            Form::Numeric => syntax == Syntax::NumericString,
            Form::Octets => matches!(syntax, Syntax::Audio | Syntax::Jpeg | Syntax::OctetString),
            Form::Oid => syntax == Syntax::ObjectIdentifier,
            Form::Telephone => syntax == Syntax::TelephoneNumber,
            Form::Text(_) => {
                matches!(syntax, Syntax::CountryString | Syntax::DirectoryString | Syntax::PrintableString | Syntax::TelephoneNumber)
            }
            Form::Time => syntax == Syntax::GeneralizedTime,
            Form::Uuid => syntax == Syntax::Uuid,
        }
    }

    /// Whether the normal form of a value rests on names that the schema has: those in a DN, and those that stand for an OID.
    pub(super) fn rests_on_names(self) -> bool {
        match self.form() {
            Form::Certificate | Form::FirstOid | Form::Name | Form::NameAndUid | Form::Oid => true,
            Form::Bits | Form::Boolean | Form::Csn | Form::FirstInteger | Form::FirstText | Form::Ia5(_) | Form::Integer => false,
            Form::Lines | Form::Numeric | Form::Octets | Form::Telephone | Form::Text(_) | Form::Time | Form::Uuid => false,
        }
    }

    /// Whether its normal forms are OIDs.
    pub(super) fn is_of_oids(self) -> bool {
        matches!(self.form(), Form::FirstOid | Form::Oid)
    }

    /// Whether both rules give the same normal form, so that one index serves both.
    pub fn same_form(self, other: Self) -> bool {
        self.form() == other.form()
    }

    /// Whether its normal forms are in an order that means something, though the rule itself may be one of equality: what
    /// to sort by where a type has no ordering rule.
    pub const fn orders(self) -> bool {
        match self.form() {
            Form::Boolean | Form::Csn | Form::Ia5(_) | Form::Integer | Form::Lines | Form::Numeric | Form::Octets => true,
            Form::Telephone | Form::Text(_) | Form::Time | Form::Uuid => true,
            Form::Bits | Form::Certificate | Form::FirstInteger | Form::FirstOid | Form::FirstText => false,
            Form::Name | Form::NameAndUid | Form::Oid => false,
        }
    }

    /// Whether it compares text.
    pub const fn is_text(self) -> bool {
        matches!(self.form(), Form::Ia5(_) | Form::Lines | Form::Numeric | Form::Telephone | Form::Text(_))
    }

    /// Whether the value matches, as an extensible match asks (RFC 4511 §4.5.1.7.7).
    pub fn matches(self, schema: &Schema, value: &[u8], assertion: &[u8]) -> Result<bool, InvalidValue> {
        let (mut held, mut asked) = (Vec::new(), Vec::new());
        match self.comparison() {
            Comparison::Substrings => {
                self.normalize(schema, value, &mut held)?;
                self.substrings_match(&held, assertion)
            }
            Comparison::BitAnd => Ok(text::bits(value)? & text::bits(assertion)? == text::bits(assertion)?),
            Comparison::BitOr => Ok(text::bits(value)? & text::bits(assertion)? != 0),
            comparison => {
                self.normalize(schema, value, &mut held)?;
                self.normalize_assertion(schema, assertion, &mut asked)?;
                Ok(match comparison {
                    Comparison::Ordering => held < asked,
                    Comparison::Words => text::words(&held).any(|word| word == asked.trim_ascii()),
                    _ => held == asked,
                })
            }
        }
    }

    /// Whether the normal form `held` matches a Substring Assertion (RFC 4517 §3.3.30), `\2A` and `\5C` escaped.
    fn substrings_match(self, held: &[u8], assertion: &[u8]) -> Result<bool, InvalidValue> {
        let parts: Vec<&[u8]> = assertion.split(|&octet| octet == b'*').collect();
        let last = parts.len() - 1;
        if last == 0 {
            return Err(InvalidValue("a substring assertion holds an asterisk"));
        }
        let mut rest = held;
        for (index, part) in parts.iter().enumerate().filter(|(_, part)| !part.is_empty()) {
            let kind = match index {
                0 => SubstringPart::Initial,
                index if index == last => SubstringPart::Final,
                _ => SubstringPart::Any,
            };
            let mut wanted = Vec::new();
            self.normalize_part(kind, &text::unescape(part)?, &mut wanted)?;
            let after = match kind {
                SubstringPart::Initial => rest.strip_prefix(wanted.as_slice()),
                SubstringPart::Any => memchr::memmem::find(rest, &wanted).and_then(|at| rest.get(at + wanted.len()..)),
                SubstringPart::Final => rest.strip_suffix(wanted.as_slice()).map(|_| &[][..]),
            };
            match after {
                Some(after) => rest = after,
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}

const NO_PARTS: InvalidValue = InvalidValue("the rule knows no substrings");

impl Form {
    #[inline]
    fn normalize(self, schema: &Schema, value: &[u8], out: &mut Vec<u8>) -> Result<(), InvalidValue> {
        match self {
            Self::Text(case) => Ok(prepare(value, case, Insignificant::Spaces, out)?),
            Self::Ia5(case) => ascii(value).and_then(|value| Ok(prepare(value, case, Insignificant::Spaces, out)?)),
            Self::Numeric => Ok(prepare(value, Case::Exact, Insignificant::Numeric, out)?),
            Self::Telephone => Ok(prepare(value, Case::Ignore, Insignificant::Telephone, out)?),
            Self::Lines => put_lines(value, out),
            Self::Octets => {
                out.extend_from_slice(value);
                Ok(())
            }
            Self::Bits => {
                out.extend_from_slice(text::bit_string(value)?);
                Ok(())
            }
            Self::Boolean => text::put_boolean(value, out),
            Self::Certificate => {
                certificate::put_value(schema, value, out);
                Ok(())
            }
            Self::Csn => text::put_csn(value, out),
            Self::Integer | Self::FirstInteger => text::put_integer(value, out),
            Self::Oid | Self::FirstOid => put_oid(schema, value, out),
            Self::FirstText => Ok(prepare(value, Case::Ignore, Insignificant::Spaces, out)?),
            Self::Name => put_name(schema, value, out),
            Self::NameAndUid => {
                let (name, uid) = text::name_and_uid(value);
                put_name(schema, name, out)?;
                if let Some(uid) = uid {
                    out.push(b'#');
                    out.extend_from_slice(uid);
                }
                Ok(())
            }
            Self::Time => text::put_time(value, out),
            Self::Uuid => text::put_uuid(value, out),
        }
    }
}

fn ascii(value: &[u8]) -> Result<&[u8], InvalidValue> {
    if value.is_ascii() { Ok(value) } else { Err(InvalidValue("an IA5 string holds ASCII only")) }
}

fn put_name(schema: &Schema, value: &[u8], out: &mut Vec<u8>) -> Result<(), InvalidValue> {
    let dn = std::str::from_utf8(value).ok().and_then(|text| Dn::parse(text).ok());
    match dn {
        Some(dn) => schema.put_name_key(&dn, out),
        None => return Err(InvalidValue("not a distinguished name (RFC 4514)")),
    }
    Ok(())
}

/// Names become the OID they stand for; a name nobody knows matches nothing (RFC 4517 §4.2.26).
fn put_oid(schema: &Schema, value: &[u8], out: &mut Vec<u8>) -> Result<(), InvalidValue> {
    let text = std::str::from_utf8(value).map_err(|_| InvalidValue("an OID or a name is ASCII"))?;
    let oid = if is_numeric_oid(text) { Some(text) } else { schema.oid(text) };
    out.extend_from_slice(oid.ok_or(InvalidValue("a name that the schema does not know"))?.as_bytes());
    Ok(())
}

/// The lines of a postal address, each prepared, with what no prepared text holds between them: so a part of a
/// substring assertion never spans two lines.
fn put_lines(value: &[u8], out: &mut Vec<u8>) -> Result<(), InvalidValue> {
    for (index, line) in value.split(|&octet| octet == b'$').enumerate() {
        if index > 0 {
            out.push(b'\n');
        }
        prepare(&text::unescape(line)?, Case::Ignore, Insignificant::Spaces, out)?;
    }
    Ok(())
}

/// The first component of a definition: `2.5.4.3` of `( 2.5.4.3 NAME 'cn' … )`.
pub(super) fn first_component(value: &[u8]) -> Result<&[u8], InvalidValue> {
    let inside = value.trim_ascii().strip_prefix(b"(").ok_or(InvalidValue("not a definition"))?.trim_ascii_start();
    let end = inside.iter().position(|octet| octet.is_ascii_whitespace() || *octet == b')').unwrap_or(inside.len());
    inside.get(..end).filter(|first| !first.is_empty()).ok_or(InvalidValue("not a definition"))
}
