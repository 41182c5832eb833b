//! Whose certificate it is. TLS has verified it against the authorities of the config by then.

use super::names::only;
use crate::base::EntryId;
use crate::base::ber::Reader;
use crate::directory::Directory;
use crate::directory::settings::CertificateMapping;
use crate::directory::tree::{self, Resolved};
use crate::model::dn::{Ava, Rdn};
use crate::model::{Dn, Facts};
use std::sync::Arc;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// The user principal name among the alternative names of a subject (MS-WCCE §2.2.2.7.7.4).
const USER_PRINCIPAL_NAME: &str = "1.3.6.1.4.1.311.20.2.3";

impl Directory {
    /// The entry that the certificate belongs to, by the first way of the config that leads to exactly one. `None` too
    /// where the certificate has run out since the handshake.
    pub(super) fn certificate_owner(&self, der: &[u8]) -> Option<EntryId> {
        let (rest, certificate) = X509Certificate::from_der(der).ok()?;
        let now = i64::try_from(self.clock().now().millis() / 1_000).ok()?;
        let validity = certificate.validity();
        if !rest.is_empty() || now < validity.not_before.timestamp() || now > validity.not_after.timestamp() {
            return None;
        }
        let sasl = &self.settings().sasl;
        sasl.certificates.iter().find_map(|way| match way {
            CertificateMapping::Certificate => self.holder_of_certificate(&sasl.names, der, &certificate),
            CertificateMapping::Mail => self.owner_of_mail(&sasl.names, &certificate),
            CertificateMapping::Subject => self.entry_of_subject(certificate.subject()),
        })
    }

    /// The subject of a certificate that TLS has verified, by the normal form of its name (O7).
    pub fn subject_of_certificate(&self, der: &[u8]) -> Option<Arc<[u8]>> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        dn_of_subject(certificate.subject()).map(|dn| self.schema().name_key(&dn).into())
    }

    fn entry_of_subject(&self, subject: &X509Name<'_>) -> Option<EntryId> {
        let dn = dn_of_subject(subject)?;
        match tree::resolve(self.schema(), &self.current().suffixes, self.memory(), &dn) {
            Resolved::Found(id) => Some(id),
            Resolved::Missing { .. } | Resolved::Outside => None,
        }
    }

    fn owner_of_mail(&self, places: &[String], certificate: &X509Certificate<'_>) -> Option<EntryId> {
        let mail = self.schema().known().mail;
        only(alternative_mails(certificate).into_iter().flat_map(|address| self.holders(places, mail, address.as_bytes())))
    }

    /// Who has exactly this certificate in `userCertificate`. That attribute has no index, so only the entries are looked
    /// at that the certificate itself leads to: by its alternative names, and by the name at the end of its subject.
    fn holder_of_certificate(&self, places: &[String], der: &[u8], certificate: &X509Certificate<'_>) -> Option<EntryId> {
        let known = self.schema().known();
        let user_certificate = self.schema().attribute("userCertificate")?;
        let mut near: Vec<EntryId> = self.entry_of_subject(certificate.subject()).into_iter().collect();
        for address in alternative_mails(certificate) {
            near.extend(self.holders(places, known.mail, address.as_bytes()));
        }
        for named in certificate.subject().iter_attributes().filter_map(text_of) {
            for attribute in [known.uid, known.cn, known.mail] {
                near.extend(self.holders(places, attribute, named.as_bytes()));
            }
        }
        let holds = |id: &EntryId| {
            let entry = self.memory().entry(*id);
            entry.is_some_and(|entry| entry.values(user_certificate).any(|held| held == der))
        };
        only(near.into_iter().filter(holds))
    }
}

/// The subject as a name: X.501 begins at the root, RFC 4514 at the leaf.
fn dn_of_subject(subject: &X509Name<'_>) -> Option<Dn> {
    let mut names = Vec::new();
    for rdn in subject.iter_rdn() {
        let assertion = |part: &AttributeTypeAndValue<'_>| {
            Some(Ava { attribute: part.attr_type().to_id_string(), value: text_of(part)?.as_bytes().to_vec() })
        };
        names.push(Rdn(rdn.iter().map(assertion).collect::<Option<_>>()?));
    }
    names.reverse();
    Some(Dn(names)).filter(|dn| !dn.is_root())
}

fn text_of<'a>(part: &'a AttributeTypeAndValue<'_>) -> Option<&'a str> {
    part.as_str().ok()
}

/// The mail addresses and user principal names among the alternative names.
fn alternative_mails<'a>(certificate: &'a X509Certificate<'a>) -> Vec<&'a str> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let address = |name: &'a GeneralName<'a>| match name {
        GeneralName::RFC822Name(address) => Some(*address),
        GeneralName::OtherName(kind, value) if kind.to_id_string() == USER_PRINCIPAL_NAME => principal_name(value),
        _ => None,
    };
    extension.value.general_names.iter().filter_map(address).collect()
}

/// A UTF8String in an explicit `[0]`.
fn principal_name(value: &[u8]) -> Option<&str> {
    let explicit = Reader::new(value).element().ok().filter(|element| element.tag == 0xa0)?;
    let name = Reader::new(explicit.content).element().ok().filter(|element| element.tag == 0x0c)?;
    std::str::from_utf8(name.content).ok()
}
