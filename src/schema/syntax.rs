//! Syntaxes (RFC 4517 §3.3, RFC 2307, RFC 4523, RFC 4530): whether octets are a value.

use super::certificate::ExactAssertion;
use super::parse::{is_descriptor, is_numeric_oid};
use super::subtree::SubtreeSpecification;
use super::{InvalidValue, text};
use crate::base::ber;
use crate::model::Dn;

macro_rules! syntaxes {
    ($($syntax:ident = $oid:literal, $description:literal;)*) => {
        /// A syntax.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Syntax {
            $(#[doc = $description] $syntax,)*
        }

        impl Syntax {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$syntax),*];

            /// Its OID.
            pub const fn oid(self) -> &'static str {
                match self { $(Self::$syntax => $oid,)* }
            }

            /// What it is called in RFC 4517.
            pub const fn description(self) -> &'static str {
                match self { $(Self::$syntax => $description,)* }
            }
        }
    };
}

syntaxes! {
    AttributeTypeDescription = "1.3.6.1.4.1.1466.115.121.1.3", "Attribute Type Description";
    Audio = "1.3.6.1.4.1.1466.115.121.1.4", "Audio";
    AuthenticationPassword = "1.3.6.1.4.1.4203.1.1.2", "Authentication Password";
    Binary = "1.3.6.1.4.1.1466.115.121.1.5", "Binary";
    BitString = "1.3.6.1.4.1.1466.115.121.1.6", "Bit String";
    Boolean = "1.3.6.1.4.1.1466.115.121.1.7", "Boolean";
    BootParameter = "1.3.6.1.1.1.0.1", "RFC 2307 Boot Parameter";
    Certificate = "1.3.6.1.4.1.1466.115.121.1.8", "X.509 Certificate";
    CertificateExactAssertion = "1.3.6.1.1.15.1", "X.509 Certificate Exact Assertion";
    CertificateList = "1.3.6.1.4.1.1466.115.121.1.9", "X.509 Certificate List";
    CertificatePair = "1.3.6.1.4.1.1466.115.121.1.10", "X.509 Certificate Pair";
    ChangeSequenceNumber = "1.3.6.1.4.1.4203.666.11.2.1", "Change Sequence Number";
    CountryString = "1.3.6.1.4.1.1466.115.121.1.11", "Country String";
    DataQuality = "1.3.6.1.4.1.1466.115.121.1.13", "Data Quality";
    DeliveryMethod = "1.3.6.1.4.1.1466.115.121.1.14", "Delivery Method";
    DirectoryString = "1.3.6.1.4.1.1466.115.121.1.15", "Directory String";
    DistinguishedName = "1.3.6.1.4.1.1466.115.121.1.12", "DN";
    DitContentRuleDescription = "1.3.6.1.4.1.1466.115.121.1.16", "DIT Content Rule Description";
    DitStructureRuleDescription = "1.3.6.1.4.1.1466.115.121.1.17", "DIT Structure Rule Description";
    DsaQuality = "1.3.6.1.4.1.1466.115.121.1.19", "DSA Quality";
    EnhancedGuide = "1.3.6.1.4.1.1466.115.121.1.21", "Enhanced Guide";
    FacsimileTelephoneNumber = "1.3.6.1.4.1.1466.115.121.1.22", "Facsimile Telephone Number";
    Fax = "1.3.6.1.4.1.1466.115.121.1.23", "Fax";
    GeneralizedTime = "1.3.6.1.4.1.1466.115.121.1.24", "Generalized Time";
    Guide = "1.3.6.1.4.1.1466.115.121.1.25", "Guide";
    Ia5String = "1.3.6.1.4.1.1466.115.121.1.26", "IA5 String";
    Integer = "1.3.6.1.4.1.1466.115.121.1.27", "INTEGER";
    Jpeg = "1.3.6.1.4.1.1466.115.121.1.28", "JPEG";
    LdapSyntaxDescription = "1.3.6.1.4.1.1466.115.121.1.54", "LDAP Syntax Description";
    MatchingRuleDescription = "1.3.6.1.4.1.1466.115.121.1.30", "Matching Rule Description";
    MatchingRuleUseDescription = "1.3.6.1.4.1.1466.115.121.1.31", "Matching Rule Use Description";
    NameAndOptionalUid = "1.3.6.1.4.1.1466.115.121.1.34", "Name And Optional UID";
    NameFormDescription = "1.3.6.1.4.1.1466.115.121.1.35", "Name Form Description";
    NisNetgroupTriple = "1.3.6.1.1.1.0.0", "RFC 2307 NIS Netgroup Triple";
    NumericString = "1.3.6.1.4.1.1466.115.121.1.36", "Numeric String";
    ObjectClassDescription = "1.3.6.1.4.1.1466.115.121.1.37", "Object Class Description";
    ObjectIdentifier = "1.3.6.1.4.1.1466.115.121.1.38", "OID";
    OctetString = "1.3.6.1.4.1.1466.115.121.1.40", "Octet String";
    OtherMailbox = "1.3.6.1.4.1.1466.115.121.1.39", "Other Mailbox";
    PostalAddress = "1.3.6.1.4.1.1466.115.121.1.41", "Postal Address";
    PresentationAddress = "1.3.6.1.4.1.1466.115.121.1.43", "Presentation Address";
    PrintableString = "1.3.6.1.4.1.1466.115.121.1.44", "Printable String";
    ProtocolInformation = "1.3.6.1.4.1.1466.115.121.1.42", "Protocol Information";
    StructuredValue = "2.25.128590336736012936669972887359999261034.5.1", "Structured value: a JSON object (RFC 8259)";
    SubstringAssertion = "1.3.6.1.4.1.1466.115.121.1.58", "Substring Assertion";
    SubtreeSpecification = "1.3.6.1.4.1.1466.115.121.1.45", "Subtree Specification";
    SupportedAlgorithm = "1.3.6.1.4.1.1466.115.121.1.49", "X.509 Supported Algorithm";
    TelephoneNumber = "1.3.6.1.4.1.1466.115.121.1.50", "Telephone Number";
    TeletexTerminalIdentifier = "1.3.6.1.4.1.1466.115.121.1.51", "Teletex Terminal Identifier";
    TelexNumber = "1.3.6.1.4.1.1466.115.121.1.52", "Telex Number";
    UtcTime = "1.3.6.1.4.1.1466.115.121.1.53", "UTC Time";
    Uuid = "1.3.6.1.1.16.1", "UUID";
}

/// Whether the octets are one SEQUENCE and nothing else. What is in it is not looked at: certificates that parsers refuse are in use.
fn is_sequence(octets: &[u8]) -> bool {
    let mut reader = ber::Reader::new(octets);
    reader.element().is_ok_and(|element| element.tag == ber::SEQUENCE) && reader.is_empty()
}

impl Syntax {
    /// The syntax of an OID.
    pub fn of(oid: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|syntax| syntax.oid() == oid)
    }

    /// Whether values travel as BER under the option `binary` (RFC 4522, RFC 4523 §2).
    pub const fn is_binary_transfer(self) -> bool {
        matches!(self, Self::Certificate | Self::CertificateList | Self::CertificatePair | Self::SupportedAlgorithm)
    }

    /// Whether the octets are a value; the error says what a value looks like.
    pub fn check(self, value: &[u8]) -> Result<(), InvalidValue> {
        use InvalidValue as Bad;
        let or = |fine: bool, message: &'static str| if fine { Ok(()) } else { Err(Bad(message)) };
        match self {
            Self::Audio | Self::Binary | Self::Fax | Self::Jpeg | Self::OctetString => Ok(()),
            Self::Certificate | Self::CertificateList | Self::CertificatePair | Self::SupportedAlgorithm => {
                or(is_sequence(value), "neither BER nor DER of X.509: they are one SEQUENCE (RFC 4523 §2)")
            }
            Self::CertificateExactAssertion => ExactAssertion::parse(value).map(drop),
            Self::DirectoryString => directory_string(value),
            Self::Ia5String => or(value.is_ascii(), "an IA5 string holds ASCII only"),
            Self::PrintableString => or(is_printable(value), PRINTABLE),
            Self::TelephoneNumber => or(is_printable(value), "a telephone number is of letters, digits, space and '()+,-./:=?"),
            Self::CountryString => or(value.len() == 2 && is_printable(value), "a country is two letters"),
            Self::NumericString => or(is_numeric(value), "a numeric string is of digits and spaces"),
            Self::Boolean => or(matches!(value, b"TRUE" | b"FALSE"), "neither TRUE nor FALSE"),
            Self::Integer => text::integer(value).map(|_| ()),
            Self::BitString => text::bit_string(value).map(|_| ()),
            Self::Uuid => text::put_uuid(value, &mut Vec::new()),
            Self::ChangeSequenceNumber => text::put_csn(value, &mut Vec::new()),
            Self::GeneralizedTime => text::put_time(value, &mut Vec::new()),
            Self::UtcTime => or(text::is_utc_time(value), "not a UTC time such as 260102030405Z"),
            Self::DistinguishedName => or(is_name(value), "not a distinguished name (RFC 4514)"),
            Self::NameAndOptionalUid => {
                or(is_name(text::name_and_uid(value).0), "not a distinguished name (RFC 4514), perhaps with #'0101'B")
            }
            Self::ObjectIdentifier => or(is_oid(value), "neither an OID nor a name"),
            Self::FacsimileTelephoneNumber => or(is_facsimile(value), "not a telephone number, perhaps with $ and parameters of facsimile"),
            Self::TelexNumber => or(
                parts(value).is_some_and(|parts| parts.len() == 3 && all_printable(&parts)),
                "a telex number is number$country$answerback",
            ),
            Self::TeletexTerminalIdentifier => or(is_teletex(value), "not a teletex terminal identifier"),
            Self::DeliveryMethod => or(
                is_delivery_method(value),
                "delivery methods are any, mhs, physical, telex, teletex, g3fax, g4fax, ia5, videotex, telephone, $ between",
            ),
            Self::OtherMailbox => or(is_other_mailbox(value), "a mailbox is type$mailbox"),
            Self::PostalAddress => {
                or(is_postal_address(value), "a postal address is lines with $ between, $ in a line as \\24 and backslash as \\5C")
            }
            Self::EnhancedGuide => or(is_enhanced_guide(value), "an enhanced guide is class#criteria#subset"),
            Self::Guide => or(is_guide(value), "a guide is [class#]criteria"),
            Self::NisNetgroupTriple => or(is_netgroup_triple(value), "a netgroup triple is (host,user,domain)"),
            Self::BootParameter => or(is_boot_parameter(value), "a boot parameter is key=server:path"),
            Self::AuthenticationPassword => {
                or(is_authentication_password(value), "an authentication password is scheme$info$value (RFC 3112)")
            }
            Self::SubtreeSpecification => SubtreeSpecification::parse(value).map(drop),
            Self::SubstringAssertion => or(is_substring_assertion(value), "a substring assertion holds an asterisk"),
            Self::StructuredValue => or(is_json_object(value), "a structured value is a JSON object"),
            Self::AttributeTypeDescription | Self::ObjectClassDescription | Self::LdapSyntaxDescription | Self::NameFormDescription => {
                or(is_enclosed(value, b'(', b')'), DEFINITION)
            }
            Self::MatchingRuleDescription | Self::MatchingRuleUseDescription => or(is_enclosed(value, b'(', b')'), DEFINITION),
            Self::DitContentRuleDescription | Self::DitStructureRuleDescription => or(is_enclosed(value, b'(', b')'), DEFINITION),
            Self::DataQuality | Self::DsaQuality | Self::PresentationAddress | Self::ProtocolInformation => {
                or(!value.is_empty() && std::str::from_utf8(value).is_ok(), "the value is text")
            }
        }
    }
}

const PRINTABLE: &str = "a printable string is of letters, digits, space and '()+,-./:=?";
const DEFINITION: &str = "a definition stands in parentheses";

/// 1*UTF8 (RFC 4517 §3.3.6).
fn directory_string(value: &[u8]) -> Result<(), InvalidValue> {
    match std::str::from_utf8(value) {
        Ok("") => Err(InvalidValue("a directory string is not empty")),
        Ok(_) => Ok(()),
        Err(_) => Err(InvalidValue("a directory string is UTF-8")),
    }
}

/// 1*PrintableCharacter (RFC 4517 §3.2).
fn is_printable(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(|octet| octet.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(octet))
}

fn is_numeric(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(|octet| octet.is_ascii_digit() || *octet == b' ')
}

fn is_name(value: &[u8]) -> bool {
    std::str::from_utf8(value).is_ok_and(|text| Dn::parse(text).is_ok())
}

fn is_oid(value: &[u8]) -> bool {
    std::str::from_utf8(value).is_ok_and(|text| is_numeric_oid(text) || is_descriptor(text))
}

/// What stands between dollars; `None` where it is not text.
fn parts(value: &[u8]) -> Option<Vec<&str>> {
    std::str::from_utf8(value).ok().map(|text| text.split('$').collect())
}

fn all_printable(parts: &[&str]) -> bool {
    parts.iter().all(|part| is_printable(part.as_bytes()))
}

fn is_facsimile(value: &[u8]) -> bool {
    const PARAMETERS: [&str; 7] = ["twoDimensional", "fineResolution", "unlimitedLength", "b4Length", "a3Width", "b4Width", "uncompressed"];
    let known = |part: &&str| PARAMETERS.iter().any(|known| known.eq_ignore_ascii_case(part));
    parts(value)
        .is_some_and(|parts| matches!(parts.as_slice(), [number, rest @ ..] if is_printable(number.as_bytes()) && rest.iter().all(known)))
}

fn is_teletex(value: &[u8]) -> bool {
    const PARAMETERS: [&str; 5] = ["graphic", "control", "misc", "page", "private"];
    let mut parts = value.split(|&octet| octet == b'$');
    let parameter = |part: &[u8]| {
        let at = memchr::memchr(b':', part)?;
        part.get(..at).map(|name| PARAMETERS.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes())))
    };
    parts.next().is_some_and(is_printable) && parts.all(|part| parameter(part) == Some(true))
}

fn is_delivery_method(value: &[u8]) -> bool {
    const METHODS: [&str; 10] = ["any", "mhs", "physical", "telex", "teletex", "g3fax", "g4fax", "ia5", "videotex", "telephone"];
    parts(value).is_some_and(|parts| parts.iter().all(|part| METHODS.iter().any(|known| known.eq_ignore_ascii_case(part.trim()))))
}

fn is_other_mailbox(value: &[u8]) -> bool {
    parts(value).is_some_and(|parts| matches!(parts.as_slice(), [kind, mailbox] if is_printable(kind.as_bytes()) && mailbox.is_ascii()))
}

/// Empty lines are let through; address books are full of them.
fn is_postal_address(value: &[u8]) -> bool {
    !value.is_empty() && std::str::from_utf8(value).is_ok() && text::unescape(value).is_ok()
}

fn is_enhanced_guide(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else { return false };
    let mut parts = text.split('#');
    let (Some(class), Some(criteria), Some(subset), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else { return false };
    let subset = subset.trim();
    let known = ["baseobject", "oneLevel", "wholeSubtree"].iter().any(|known| known.eq_ignore_ascii_case(subset));
    is_oid(class.trim().as_bytes()) && is_criteria(criteria) && known
}

fn is_guide(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else { return false };
    match text.split_once('#') {
        Some((class, criteria)) => is_oid(class.trim().as_bytes()) && is_criteria(criteria),
        None => is_criteria(text),
    }
}

/// Criteria (RFC 4517 §3.3.10): terms with & and | between, ! before, brackets around.
fn is_criteria(criteria: &str) -> bool {
    const MATCHES: [&str; 5] = ["EQ", "SUBSTR", "GE", "LE", "APPROX"];
    let mut depth = 0_usize;
    let mut wants_term = true;
    let mut rest = criteria;
    while let Some(c) = rest.chars().next() {
        let length = rest.find(['&', '|', '!', '(', ')']).unwrap_or(rest.len());
        match (c, wants_term) {
            ('!', true) => (),
            ('(', true) => depth += 1,
            (')', false) if depth > 0 => depth -= 1,
            ('&' | '|', false) => wants_term = true,
            ('&' | '|' | '!' | '(' | ')', _) | (_, false) => return false,
            (_, true) => {
                let term = rest.get(..length).unwrap_or_default();
                let fine = match term.split_once('$') {
                    Some((attribute, rule)) => is_oid(attribute.as_bytes()) && MATCHES.iter().any(|known| known.eq_ignore_ascii_case(rule)),
                    None => ["?true", "?false"].iter().any(|known| known.eq_ignore_ascii_case(term)),
                };
                if !fine {
                    return false;
                }
                wants_term = false;
                rest = rest.get(length..).unwrap_or_default();
                continue;
            }
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    depth == 0 && !wants_term
}

fn is_netgroup_triple(value: &[u8]) -> bool {
    let inside = value.strip_prefix(b"(").and_then(|rest| rest.strip_suffix(b")"));
    let fine = |part: &[u8]| part.iter().all(|octet| octet.is_ascii_graphic() && !b"(),".contains(octet));
    inside.is_some_and(|inside| inside.split(|&octet| octet == b',').count() == 3 && inside.split(|&octet| octet == b',').all(fine))
}

fn is_boot_parameter(value: &[u8]) -> bool {
    let Some((key, rest)) = std::str::from_utf8(value).ok().filter(|text| text.is_ascii()).and_then(|text| text.split_once('=')) else {
        return false;
    };
    rest.split_once(':').is_some_and(|(server, path)| !key.is_empty() && !server.is_empty() && !path.is_empty())
}

fn is_authentication_password(value: &[u8]) -> bool {
    let scheme = |part: &str| {
        !part.is_empty() && part.bytes().all(|octet| octet.is_ascii_uppercase() || octet.is_ascii_digit() || b"-/_".contains(&octet))
    };
    parts(value)
        .is_some_and(|parts| matches!(parts.as_slice(), [name, info, hash] if scheme(name.trim()) && info.is_ascii() && hash.is_ascii()))
}

fn is_enclosed(value: &[u8], open: u8, close: u8) -> bool {
    let value = value.trim_ascii();
    value.len() >= 2 && value.first() == Some(&open) && value.last() == Some(&close) && std::str::from_utf8(value).is_ok()
}

fn is_substring_assertion(value: &[u8]) -> bool {
    value.contains(&b'*') && text::unescape(value).is_ok() && std::str::from_utf8(value).is_ok()
}

fn is_json_object(value: &[u8]) -> bool {
    value.trim_ascii_start().first() == Some(&b'{') && serde_json::from_slice::<serde::de::IgnoredAny>(value).is_ok()
}
