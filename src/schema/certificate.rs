//! certificateExactMatch (RFC 4523 §2.5, §3.1): a certificate is known by its serial number and its issuer. What is asserted
//! is `{ serialNumber 42, issuer rdnSequence:"cn=Authority,o=Example" }` or, as clients of other servers send, a whole
//! certificate. Sequences that are no certificates are kept as octets: they equal themselves and match no assertion.

use super::{InvalidValue, Schema, text};
use crate::model::Dn;
use crate::model::dn::{Ava, Rdn};
use x509_parser::certificate::X509Certificate;
use x509_parser::num_bigint::BigInt;
use x509_parser::prelude::FromDer;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// How the form of a certificate begins.
const CERTIFICATE: u8 = b'c';
/// How the form of other octets begins.
const OCTETS: u8 = b'o';
const DAMAGED: InvalidValue = InvalidValue("neither a certificate nor { serialNumber N, issuer rdnSequence:\"name\" } of RFC 4523");

/// What makes a certificate the same as another.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ExactAssertion {
    /// In decimal.
    serial: String,
    issuer: Dn,
}

impl ExactAssertion {
    /// Reads an assertion.
    pub(super) fn parse(assertion: &[u8]) -> Result<Self, InvalidValue> {
        let text = std::str::from_utf8(assertion).ok();
        text.and_then(Self::written).or_else(|| Self::of_certificate(assertion)).ok_or(DAMAGED)
    }

    /// Reads the text (RFC 4523 Appendix A.1): a space may be left out but the one after a name, and more may stand there.
    fn written(text: &str) -> Option<Self> {
        let (serial, issuer) = text.strip_prefix('{')?.strip_suffix('}')?.split_once(',')?;
        let serial = after_space(serial.trim_start_matches(' ').strip_prefix("serialNumber")?)?;
        text::integer(serial.as_bytes()).ok()?;
        let name = after_space(issuer.trim_start_matches(' ').strip_prefix("issuer")?)?.strip_prefix("rdnSequence:")?;
        let quoted = name.trim_end_matches(' ').strip_prefix('"')?.strip_suffix('"')?;
        // A quotation mark in the name is doubled.
        if quoted.replace("\"\"", "").contains('"') {
            return None;
        }
        Some(Self { serial: serial.to_owned(), issuer: Dn::parse(&quoted.replace("\"\"", "\"")).ok()? })
    }

    /// What a certificate is known by; `None` where the octets are none.
    fn of_certificate(octets: &[u8]) -> Option<Self> {
        let (rest, certificate) = X509Certificate::from_der(octets).ok()?;
        let serial = BigInt::from_signed_bytes_be(certificate.raw_serial()).to_string();
        rest.is_empty().then(|| Self { serial, issuer: name_of(certificate.issuer()) })
    }

    fn put(&self, schema: &Schema, out: &mut Vec<u8>) -> Result<(), InvalidValue> {
        out.push(CERTIFICATE);
        text::put_integer(self.serial.as_bytes(), out)?;
        schema.put_name_key(&self.issuer, out);
        Ok(())
    }
}

/// What stands after one space or more.
fn after_space(text: &str) -> Option<&str> {
    text.strip_prefix(' ').map(|rest| rest.trim_start_matches(' '))
}

/// Appends the normal form of a value.
pub(super) fn put_value(schema: &Schema, value: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let known = ExactAssertion::of_certificate(value).is_some_and(|found| found.put(schema, out).is_ok());
    if !known {
        out.truncate(start);
        out.push(OCTETS);
        out.extend_from_slice(value);
    }
}

/// Appends the normal form of an assertion.
pub(super) fn put_assertion(schema: &Schema, assertion: &[u8], out: &mut Vec<u8>) -> Result<(), InvalidValue> {
    ExactAssertion::parse(assertion)?.put(schema, out)
}

/// A name of X.501, which begins at the root, as one of RFC 4514, which begins at the leaf.
fn name_of(name: &X509Name<'_>) -> Dn {
    let assertion = |part: &AttributeTypeAndValue<'_>| Ava {
        attribute: part.attr_type().to_id_string(),
        value: part.as_str().map_or_else(|_| part.as_slice(), str::as_bytes).to_vec(),
    };
    let mut names: Vec<Rdn> = name.iter_rdn().map(|rdn| Rdn(rdn.iter().map(assertion).collect())).collect();
    names.reverse();
    Dn(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SerialNumber};

    fn certificate(serial: &[u8]) -> Vec<u8> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Example");
        params.distinguished_name.push(DnType::CommonName, "An Authority");
        params.serial_number = Some(SerialNumber::from_slice(serial));
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    fn value(schema: &Schema, octets: &[u8]) -> Vec<u8> {
        let mut form = Vec::new();
        put_value(schema, octets, &mut form);
        form
    }

    fn assertion(schema: &Schema, asserted: &[u8]) -> Option<Vec<u8>> {
        let mut form = Vec::new();
        put_assertion(schema, asserted, &mut form).ok().map(|()| form)
    }

    #[test]
    fn a_certificate_equals_those_of_its_serial_number_and_issuer() {
        let schema = Schema::load(&[]).unwrap();
        let (one, again, other) = (certificate(&[1, 0]), certificate(&[1, 0]), certificate(&[1, 1]));
        assert_eq!(value(&schema, &one), value(&schema, &again));
        assert_ne!(value(&schema, &one), value(&schema, &other));
        let asserted = |text: &str| assertion(&schema, text.as_bytes());
        assert_eq!(asserted("{ serialNumber 256, issuer rdnSequence:\"cn=an authority,o=EXAMPLE\" }"), Some(value(&schema, &one)));
        assert_eq!(asserted("{serialNumber 257,issuer rdnSequence:\"2.5.4.3=An Authority,o=Example\"}"), Some(value(&schema, &other)));
        assert_eq!(assertion(&schema, &again), Some(value(&schema, &one)));
        assert_eq!(assertion(&schema, one.get(1..).unwrap()), None);
    }

    #[test]
    fn octets_that_are_no_certificate_equal_themselves_only() {
        let schema = Schema::load(&[]).unwrap();
        let form = value(&schema, &certificate(&[1]));
        assert_ne!(value(&schema, &form), form);
        assert_ne!(value(&schema, b"a"), value(&schema, b"b"));
        assert_eq!(assertion(&schema, b"a"), None);
    }

    #[test]
    fn a_quotation_mark_in_the_name_is_doubled() {
        let issuer = |text: &str| ExactAssertion::parse(text.as_bytes()).ok().map(|read| read.issuer.to_string());
        let doubled = issuer(r#"{ serialNumber -1, issuer rdnSequence:"cn=a\""b\""" }"#);
        assert_eq!(doubled.map(|name| Dn::parse(&name)), Some(Dn::parse(r#"cn=a\"b\""#)));
        assert_eq!(issuer(r#"{ serialNumber 1, issuer rdnSequence:"cn=a\"b" }"#), None);
    }
}
