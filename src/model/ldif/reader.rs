//! Reads LDIF.

use super::{LdifAttributes, LdifBody, LdifControl, LdifError, LdifFault, LdifRecord};
use crate::model::dn::{is_attribute_description, is_numeric_oid};
use crate::model::{Dn, Modification, ModificationKind, Rdn};
use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::io::BufRead;
use zeroize::{Zeroize, Zeroizing};

/// Octets of one line with its continuations, where nothing else is said.
const LINE_LIMIT: usize = 16 << 20;
/// Octets of one record, where nothing else is said: as much as one change set may hold.
const RECORD_LIMIT: usize = 64 << 20;
/// Room for most lines, so that no copy of one is left behind where the buffer grew.
const LINE_ROOM: usize = 4 << 10;
/// Different attributes of one record.
const ATTRIBUTE_LIMIT: usize = 1_000;

const BASE64: GeneralPurpose =
    GeneralPurpose::new(&base64::alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// Reads records one after another. After an error it goes on with the next record, except where the input
/// itself could not be read.
#[derive(Debug)]
pub struct LdifReader<R> {
    input: R,
    line_limit: usize,
    record_limit: usize,
    /// The line read last, its continuations joined. It may hold a password.
    text: Zeroizing<Vec<u8>>,
    /// Where `text` begins, and how many lines were taken from the input.
    start: u64,
    taken: u64,
    /// Octets of the record so far.
    size: usize,
    /// Whether the last thing read was a blank line or the end, so that the next line begins a record.
    between: bool,
    /// Whether a `version:` may still come.
    fresh: bool,
    finished: bool,
}

/// One line, taken apart.
struct Field {
    name: String,
    value: Vec<u8>,
}

impl<R: BufRead> Iterator for LdifReader<R> {
    type Item = Result<LdifRecord, LdifError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.finished {
            return None;
        }
        self.size = 0;
        let read = match self.record() {
            Ok(record) => record.map(Ok),
            Err(fault) => Some(Err(LdifError { line: self.start, fault: self.resynchronise(fault) })),
        };
        self.finished |= read.is_none();
        read
    }
}

impl<R: BufRead> LdifReader<R> {
    /// Starts at the beginning of `input`.
    pub fn new(input: R) -> Self {
        Self::with_limits(input, LINE_LIMIT, RECORD_LIMIT)
    }

    /// The same with bounds for a line with its continuations and for a record, in octets.
    pub fn with_limits(input: R, line_limit: usize, record_limit: usize) -> Self {
        let text = Zeroizing::new(Vec::with_capacity(LINE_ROOM));
        Self { input, line_limit, record_limit, text, start: 0, taken: 0, size: 0, between: true, fresh: true, finished: false }
    }

    /// How many lines were read so far.
    pub const fn lines(&self) -> u64 {
        self.taken
    }

    fn record(&mut self) -> Result<Option<LdifRecord>, LdifFault> {
        let Some(first) = self.first_field()? else {
            return Ok(None);
        };
        if !first.name.eq_ignore_ascii_case("dn") {
            return Err(LdifFault::Expected("dn"));
        }
        let line = self.start;
        let dn = dn(first.value)?;
        let mut controls = Vec::new();
        let mut field = self.field()?;
        while let Some(control) = field.as_ref().filter(|field| field.name.eq_ignore_ascii_case("control")) {
            controls.push(parse_control(&control.value)?);
            field = self.field()?;
        }
        let body = match field {
            Some(field) if field.name.eq_ignore_ascii_case("changetype") => self.change(&field.value)?,
            Some(_) if !controls.is_empty() => return Err(LdifFault::Expected("changetype after the controls")),
            Some(field) => LdifBody::Content(self.attributes(Some(field))?),
            None => return Err(LdifFault::Expected("attributes or changetype")),
        };
        Ok(Some(LdifRecord { line, dn, controls, body }))
    }

    /// The first line of the next record, the version passed over.
    fn first_field(&mut self) -> Result<Option<Field>, LdifFault> {
        loop {
            match self.field()? {
                None if self.finished => return Ok(None),
                None => {}
                Some(field) if self.fresh && field.name.eq_ignore_ascii_case("version") => {
                    self.fresh = false;
                    if field.value != b"1" {
                        return Err(LdifFault::Version);
                    }
                }
                Some(field) => {
                    self.fresh = false;
                    return Ok(Some(field));
                }
            }
        }
    }

    fn change(&mut self, change_type: &[u8]) -> Result<LdifBody, LdifFault> {
        let body = match change_type.to_ascii_lowercase().as_slice() {
            b"add" => {
                let first = self.field()?;
                return Ok(LdifBody::Add(self.attributes(first)?));
            }
            b"delete" => LdifBody::Delete,
            b"modify" => return Ok(LdifBody::Modify(self.modifications()?)),
            b"modrdn" | b"moddn" => return self.rename(),
            _ => return Err(LdifFault::ChangeType),
        };
        match self.field()? {
            None => Ok(body),
            Some(_) => Err(LdifFault::Expected("a blank line after the delete")),
        }
    }

    /// Attributes up to the end of the record; at least one.
    fn attributes(&mut self, first: Option<Field>) -> Result<LdifAttributes, LdifFault> {
        let mut attributes = Zeroizing::new(LdifAttributes::new());
        let mut next = first;
        while let Some(Field { name, value }) = next {
            if !is_attribute_description(&name) {
                return Err(LdifFault::Attribute);
            }
            // From the end, since values of one attribute mostly stand together.
            let full = attributes.len() == ATTRIBUTE_LIMIT;
            match attributes.iter_mut().rfind(|(held, _)| held.eq_ignore_ascii_case(&name)) {
                Some((_, values)) => values.push(value),
                None if full => return Err(LdifFault::TooManyAttributes(ATTRIBUTE_LIMIT)),
                None => attributes.push((name, vec![value])),
            }
            next = self.field()?;
        }
        match attributes.is_empty() {
            true => Err(LdifFault::Expected("an attribute")),
            false => Ok(std::mem::take(&mut *attributes)),
        }
    }

    fn modifications(&mut self) -> Result<Vec<Modification>, LdifFault> {
        let mut modifications = Zeroizing::new(Vec::new());
        while let Some(field) = self.field()? {
            let kind = match field.name.to_ascii_lowercase().as_str() {
                "add" => ModificationKind::Add,
                "delete" => ModificationKind::Delete,
                "replace" => ModificationKind::Replace,
                "increment" => ModificationKind::Increment,
                _ => return Err(LdifFault::Expected("add, delete, replace or increment")),
            };
            let attribute = text(field.value)?;
            if !is_attribute_description(&attribute) {
                return Err(LdifFault::Attribute);
            }
            let mut values = Zeroizing::new(Vec::new());
            while let Some(field) = self.field()?.filter(|field| field.name != "-") {
                if !field.name.eq_ignore_ascii_case(&attribute) {
                    return Err(LdifFault::Expected("a value of the attribute named above, or -"));
                }
                values.push(field.value);
            }
            // A file that was cut off here would take away every value there is.
            if self.finished && values.is_empty() {
                return Err(LdifFault::Expected("a value or - before the end of the input"));
            }
            modifications.push(Modification { kind, attribute, values: std::mem::take(&mut *values) });
            if self.between {
                break;
            }
        }
        Ok(std::mem::take(&mut *modifications))
    }

    fn rename(&mut self) -> Result<LdifBody, LdifFault> {
        let new_rdn = text(self.named("newrdn", "newrdn")?)?;
        Rdn::parse(&new_rdn)?;
        let delete_old_rdn = match self.named("deleteoldrdn", "deleteoldrdn")?.as_slice() {
            b"0" => false,
            b"1" => true,
            _ => return Err(LdifFault::Expected("0 or 1")),
        };
        let new_superior = match self.field()? {
            Some(field) if field.name.eq_ignore_ascii_case("newsuperior") => Some(dn(field.value)?),
            Some(_) => return Err(LdifFault::Expected("newsuperior or a blank line")),
            None => None,
        };
        if !self.between && self.field()?.is_some() {
            return Err(LdifFault::Expected("a blank line after newsuperior"));
        }
        Ok(LdifBody::Rename { new_rdn, delete_old_rdn, new_superior })
    }

    fn named(&mut self, name: &str, expected: &'static str) -> Result<Vec<u8>, LdifFault> {
        match self.field()? {
            Some(field) if field.name.eq_ignore_ascii_case(name) => Ok(field.value),
            _ => Err(LdifFault::Expected(expected)),
        }
    }

    /// The next line of the record, or `None` at its end. The line `-` is a field of that name.
    fn field(&mut self) -> Result<Option<Field>, LdifFault> {
        if !self.logical_line()? {
            return Ok(None);
        }
        if *self.text == b"-" {
            return Ok(Some(Field { name: "-".to_owned(), value: Vec::new() }));
        }
        let Some(colon) = memchr::memchr(b':', &self.text) else {
            return Err(LdifFault::Expected("a name and a colon"));
        };
        let (name, value) = self.text.split_at(colon);
        let name = std::str::from_utf8(name).map_err(|_| LdifFault::Attribute)?;
        if !name.starts_with(|first: char| first.is_ascii_alphanumeric()) {
            return Err(LdifFault::Attribute);
        }
        Ok(Some(Field { name: name.to_owned(), value: value_spec(value)? }))
    }

    /// Reads the next line with its continuations into `text`, comments passed over. False at a blank line and at the end.
    fn logical_line(&mut self) -> Result<bool, LdifFault> {
        loop {
            self.text.as_mut_slice().zeroize();
            self.text.clear();
            self.start = self.taken + 1;
            self.between = false;
            let length = self.physical_line(true)?;
            if length.is_none_or(|length| length == 0) {
                self.finished |= length.is_none();
                self.between = true;
                return Ok(false);
            }
            while self.input.fill_buf()?.first() == Some(&b' ') {
                self.input.consume(1);
                self.physical_line(true)?;
            }
            if self.text.first() != Some(&b'#') {
                self.size += self.text.len();
                return match self.size > self.record_limit {
                    true => Err(LdifFault::RecordTooLong(self.record_limit)),
                    false => Ok(true),
                };
            }
        }
    }

    /// Appends what stands up to the next line break to `text` where `keep` is set, else drops it. Answers the length
    /// without the break, or `None` at the end of the input. A line that is too long is taken from the input all the same.
    fn physical_line(&mut self, keep: bool) -> Result<Option<usize>, LdifFault> {
        let (mut length, mut last, mut some, mut too_long) = (0, None, false, false);
        loop {
            let available = self.input.fill_buf()?;
            if available.is_empty() {
                break;
            }
            some = true;
            let end = memchr::memchr(b'\n', available);
            let part = available.get(..end.unwrap_or(available.len())).unwrap_or_default();
            let used = part.len() + usize::from(end.is_some());
            length += part.len();
            last = part.last().copied().or(last);
            too_long |= keep && self.text.len() + part.len() > self.line_limit;
            if keep && !too_long {
                self.text.extend_from_slice(part);
            }
            self.input.consume(used);
            if end.is_some() {
                break;
            }
        }
        self.taken += u64::from(some);
        if too_long {
            return Err(LdifFault::LineTooLong(self.line_limit));
        }
        if last == Some(b'\r') {
            length -= 1;
            if keep {
                self.text.pop();
            }
        }
        Ok(some.then_some(length))
    }

    /// Passes over what is left of a damaged record, and answers what was wrong with it, or that the input failed.
    fn resynchronise(&mut self, fault: LdifFault) -> LdifFault {
        if matches!(fault, LdifFault::Io(_)) {
            self.finished = true;
            return fault;
        }
        while !self.between {
            match self.physical_line(false) {
                Ok(Some(length)) => self.between = length == 0,
                Ok(None) => {
                    self.between = true;
                    self.finished = true;
                }
                Err(fault) => {
                    self.finished = true;
                    return fault;
                }
            }
        }
        fault
    }
}

/// What stands after the name: `: text`, `:: base64`, or `:< url`.
fn value_spec(spec: &[u8]) -> Result<Vec<u8>, LdifFault> {
    match spec {
        [b':', b':', rest @ ..] => BASE64.decode(rest.trim_ascii()).map_err(|_| LdifFault::Base64),
        [b':', b'<', ..] => Err(LdifFault::Url),
        [b':', rest @ ..] => {
            let start = rest.iter().position(|&octet| octet != b' ').unwrap_or(rest.len());
            let value = rest.get(start..).unwrap_or_default();
            let is_bare = std::str::from_utf8(value).is_ok() && memchr::memchr2(0, b'\r', value).is_none();
            match is_bare {
                true => Ok(value.to_vec()),
                false => Err(LdifFault::NotText),
            }
        }
        _ => Err(LdifFault::Expected("a colon")),
    }
}

/// `oid [true|false] [value-spec]`.
fn parse_control(field: &[u8]) -> Result<LdifControl, LdifFault> {
    let colon = memchr::memchr(b':', field).unwrap_or(field.len());
    let (head, spec) = field.split_at(colon);
    let head = std::str::from_utf8(head).map_err(|_| LdifFault::Control)?;
    let mut words = head.split(' ').filter(|word| !word.is_empty());
    let oid = words.next().filter(|oid| is_numeric_oid(oid)).ok_or(LdifFault::Control)?;
    let critical = match words.next() {
        None => false,
        Some(word) if word.eq_ignore_ascii_case("true") => true,
        Some(word) if word.eq_ignore_ascii_case("false") => false,
        Some(_) => return Err(LdifFault::Control),
    };
    if words.next().is_some() {
        return Err(LdifFault::Control);
    }
    let value = if spec.is_empty() { None } else { Some(value_spec(spec)?) };
    Ok(LdifControl { oid: oid.to_owned(), critical, value })
}

fn text(value: Vec<u8>) -> Result<String, LdifFault> {
    String::from_utf8(value).map_err(|_| LdifFault::NotText)
}

fn dn(value: Vec<u8>) -> Result<String, LdifFault> {
    let dn = text(value)?;
    Dn::parse(&dn)?;
    Ok(dn)
}

#[cfg(test)]
mod tests {
    use super::super::LdifWriter;
    use super::*;
    use proptest::prelude::*;
    use std::io::BufReader;

    fn read(text: &[u8]) -> Vec<Result<LdifRecord, String>> {
        // A tiny buffer puts its seams everywhere.
        LdifReader::new(BufReader::with_capacity(3, text)).map(|record| record.map_err(|error| error.to_string())).collect()
    }

    fn good(text: &str) -> Vec<LdifRecord> {
        read(text.as_bytes()).into_iter().map(Result::unwrap).collect()
    }

    fn values(texts: &[&str]) -> Vec<Vec<u8>> {
        texts.iter().map(|text| text.as_bytes().to_vec()).collect()
    }

    fn attributes(pairs: &[(&str, &[&str])]) -> LdifAttributes {
        pairs.iter().map(|(name, texts)| ((*name).to_owned(), values(texts))).collect()
    }

    #[test]
    fn rfc2849_examples_1_and_2_simple_entries_and_folding() {
        let read = good(concat!(
            "version: 1\n",
            "dn: cn=Barbara Jensen, ou=Product Development, dc=airius, dc=com\n",
            "objectclass: top\nobjectclass: person\nobjectclass: organizationalPerson\n",
            "cn: Barbara Jensen\ncn: Barbara J Jensen\ncn: Babs Jensen\nsn: Jensen\nuid: bjensen\n",
            "telephonenumber: +1 408 555 1212\ndescription: A big sailing fan.\n",
            "\n",
            "dn:cn=Barbara Jensen, ou=Product Development, dc=airius, dc=com\r\n",
            "objectclass:top\r\n",
            "description:Babs is a big sailing fan, and travels extensively in sea\r\n",
            " rch of perfect sailing conditions.\r\n",
            "title:Product Manager, Rod and Reel Division\r\n",
        ));
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].line, 2);
        assert_eq!(read[0].dn, "cn=Barbara Jensen, ou=Product Development, dc=airius, dc=com");
        let LdifBody::Content(content) = &read[0].body else { panic!("{:?}", read[0]) };
        assert_eq!(content[0], ("objectclass".to_owned(), values(&["top", "person", "organizationalPerson"])));
        assert_eq!(content[1], ("cn".to_owned(), values(&["Barbara Jensen", "Barbara J Jensen", "Babs Jensen"])));
        assert_eq!(read[1].line, 14);
        assert_eq!(
            read[1].body,
            LdifBody::Content(attributes(&[
                ("objectclass", &["top"]),
                ("description", &["Babs is a big sailing fan, and travels extensively in search of perfect sailing conditions."]),
                ("title", &["Product Manager, Rod and Reel Division"]),
            ]))
        );
    }

    #[test]
    fn rfc2849_examples_3_and_4_base64_and_language_tags() {
        let read = good(concat!(
            "version: 1\n",
            "dn: cn=Gern Jensen, ou=Product Testing, dc=airius, dc=com\n",
            "objectclass: top\n",
            "description:: V2hhdCBhIGNhcmVmdWwgcmVhZGVyIHlvdSBhcmUhICBUaGlzIHZhbHVl\n",
            " IGlzIGJhc2UtNjQtZW5jb2RlZCBiZWNhdXNlIGl0IGhhcyBhIGNvbnRyb2wgY2hhcmFjdGVyIGlu\n",
            " IGl0IChhIENSKS4NICBCeSB0aGUgd2F5LCB5b3Ugc2hvdWxkIHJlYWxseSBnZXQgb3V0IG1vcmUu\n",
            "\n",
            "dn:: b3U95Za25qWt6YOoLG89QWlyaXVz\n",
            "# dn:: ou=<JapaneseOU>,o=Airius\n",
            "objectclass: top\n",
            "ou:: 5Za25qWt6YOo\n",
            "ou;lang-ja:: 5Za25qWt6YOo\n",
            "# ou;lang-en: comments too\n",
            "#  may be\n",
            "  folded\n",
            "ou;lang-en: Sales\n",
        ));
        let LdifBody::Content(first) = &read[0].body else { panic!("{:?}", read[0]) };
        assert!(first[1].1[0].starts_with(b"What a careful reader you are!") && first[1].1[0].contains(&b'\r'));
        assert_eq!(read[1].dn, "ou=営業部,o=Airius");
        let expected =
            attributes(&[("objectclass", &["top"]), ("ou", &["営業部"]), ("ou;lang-ja", &["営業部"]), ("ou;lang-en", &["Sales"])]);
        assert_eq!(read[1].body, LdifBody::Content(expected));
    }

    #[test]
    fn hg5_example_5_values_by_url_are_refused() {
        let read =
            read(b"version: 1\ndn: cn=Horatio Jensen\ncn: Horatio Jensen\njpegphoto:< file:///usr/local/x.jpg\nsn: x\n\ndn: cn=b\ncn: b\n");
        assert!(read[0].as_ref().unwrap_err().starts_with("line 4: values by URL"), "{:?}", read[0]);
        assert_eq!(read[1].as_ref().unwrap().dn, "cn=b");
        assert_eq!(read.len(), 2);
    }

    #[test]
    fn rfc2849_examples_6_and_7_changes() {
        let read = good(concat!(
            "version: 1\n# Add a new entry\n",
            "dn: cn=Fiona Jensen, ou=Marketing, dc=airius, dc=com\nchangetype: add\ncn: Fiona Jensen\nuid: fiona\n\n",
            "dn: cn=Robert Jensen, ou=Marketing, dc=airius, dc=com\nchangetype: delete\n\n",
            "dn: cn=Paul Jensen, ou=Product Development, dc=airius, dc=com\n",
            "changetype: modrdn\nnewrdn: cn=Paula Jensen\ndeleteoldrdn: 1\n\n",
            "dn: ou=PD Accountants, ou=Product Development, dc=airius, dc=com\n",
            "changetype: modrdn\nnewrdn: ou=Product Development Accountants\ndeleteoldrdn: 0\n",
            "newsuperior: ou=Accounting, dc=airius, dc=com\n\n",
            "dn: cn=Paula Jensen, ou=Product Development, dc=airius, dc=com\nchangetype: modify\n",
            "add: postaladdress\npostaladdress: 123 Anystreet $ Sunnyvale, CA $ 94086\n-\n",
            "delete: description\n-\n",
            "replace: telephonenumber\ntelephonenumber: +1 408 555 1234\nTelephoneNumber: +1 408 555 5678\n-\n",
            "delete: facsimiletelephonenumber\nfacsimiletelephonenumber: +1 408 555 9876\n-\n",
            "increment: uidNumber\nuidNumber: 1\n\n",
            "dn: ou=Product Development, dc=airius, dc=com\n",
            "control: 1.2.840.113556.1.4.805 true\ncontrol:1.2.3  false:: AAE=\ncontrol: 1.2.4: x\nchangetype: delete\n",
        ));
        assert_eq!(read[0].body, LdifBody::Add(attributes(&[("cn", &["Fiona Jensen"]), ("uid", &["fiona"])])));
        assert_eq!(read[1].body, LdifBody::Delete);
        let rename = |rdn: &str, delete_old_rdn, superior: Option<&str>| LdifBody::Rename {
            new_rdn: rdn.to_owned(),
            delete_old_rdn,
            new_superior: superior.map(str::to_owned),
        };
        assert_eq!(read[2].body, rename("cn=Paula Jensen", true, None));
        assert_eq!(read[3].body, rename("ou=Product Development Accountants", false, Some("ou=Accounting, dc=airius, dc=com")));
        let modification =
            |kind, attribute: &str, texts: &[&str]| Modification { kind, attribute: attribute.to_owned(), values: values(texts) };
        assert_eq!(
            read[4].body,
            LdifBody::Modify(vec![
                modification(ModificationKind::Add, "postaladdress", &["123 Anystreet $ Sunnyvale, CA $ 94086"]),
                modification(ModificationKind::Delete, "description", &[]),
                modification(ModificationKind::Replace, "telephonenumber", &["+1 408 555 1234", "+1 408 555 5678"]),
                modification(ModificationKind::Delete, "facsimiletelephonenumber", &["+1 408 555 9876"]),
                modification(ModificationKind::Increment, "uidNumber", &["1"]),
            ])
        );
        let control =
            |oid: &str, critical, value: Option<&[u8]>| LdifControl { oid: oid.to_owned(), critical, value: value.map(<[u8]>::to_vec) };
        let expected =
            [control("1.2.840.113556.1.4.805", true, None), control("1.2.3", false, Some(&[0, 1])), control("1.2.4", false, Some(b"x"))];
        assert_eq!(read[5].controls, expected);
    }

    #[test]
    fn a_damaged_record_is_named_and_the_next_one_is_read() {
        let cases: [(&str, &str); 21] = [
            ("cn: a\ncn: b\n", "line 1: expected dn"),
            ("dn: cn=a\n", "line 2: expected attributes or changetype"),
            ("dn: cn\ncn: a\n", "line 1: bad name at octet 2: expected = after the attribute type"),
            ("dn: cn=a\ncn a\nsn: b\n", "line 2: expected a name and a colon"),
            ("dn: cn=a\nc_n: a\n", "line 2: bad attribute description"),
            ("dn: cn=a\ncn:: a b\n", "line 2: value is not base64"),
            ("dn: cn=a\nchangetype: frob\nx: y\n", "line 2: changetype is none of"),
            ("dn: cn=a\nchangetype: delete\nx: y\n", "line 3: expected a blank line"),
            ("dn: cn=a\nchangetype: add\n", "line 3: expected an attribute"),
            ("dn: cn=a\nchangetype: modify\nfrob: y\n", "line 3: expected add, delete"),
            ("dn: cn=a\nchangetype: modify\nadd: y\nz: a\n", "line 4: expected a value of the attribute"),
            ("dn: cn=a\nchangetype: modify\nadd: y z\n", "line 3: bad attribute description"),
            ("dn: cn=a\nchangetype: modrdn\nnewrdn: b\n", "line 3: bad name"),
            ("dn: cn=a\nchangetype: modrdn\nnewrdn: cn=b\n", "line 4: expected deleteoldrdn"),
            ("dn: cn=a\nchangetype: modrdn\nnewrdn: cn=b\ndeleteoldrdn: 2\n", "line 4: expected 0 or 1"),
            ("dn: cn=a\ncontrol: x\nchangetype: delete\n", "line 2: bad control"),
            ("dn: cn=a\ncontrol: 1.2\ncn: a\n", "line 3: expected changetype"),
            ("dn: cn=a\ncn: a\0b\n", "line 2: value must be given in base64"),
            (" dn: cn=a\ncn: a\n", "line 1: bad attribute description"),
            ("version: 2\ndn: cn=a\ncn: a\n", "line 1: only version 1"),
            ("dn: cn=a\ncn:<x\n \n sn: b\n", "line 2: values by URL"),
        ];
        for (damaged, expected) in cases {
            let read = read(format!("{damaged}\ndn: cn=next\ncn: next\n").as_bytes());
            assert_eq!(read.len(), 2, "{damaged}: {read:?}");
            let error = read[0].as_ref().unwrap_err();
            assert!(error.starts_with(expected), "{damaged}: {error}");
            assert_eq!(read[1].as_ref().unwrap().dn, "cn=next", "{damaged}");
        }
        assert!(read(b"dn: cn=a\ncn: \xff\n")[0].as_ref().unwrap_err().ends_with("value must be given in base64"));
        assert!(read(b"").is_empty() && read(b"\n\n# x\n\r\n").is_empty() && read(b"version: 1\n").is_empty());
    }

    #[test]
    fn a_last_change_without_values_needs_its_end() {
        let change = |end: &str| read(format!("dn: cn=a\nchangetype: modify\n{end}").as_bytes());
        for cut in ["replace: description", "replace: description\n", "delete: x\n-\ndelete: description\r\n", "add: description\n# x\n"] {
            let read = change(cut);
            assert!(
                matches!(read.as_slice(), [Err(error)] if error.ends_with("expected a value or - before the end of the input")),
                "{read:?}"
            );
        }
        for whole in
            ["replace: description\n-", "replace: description\n-\n", "delete: description\n\n", "replace: description\ndescription: x"]
        {
            assert!(matches!(change(whole).as_slice(), [Ok(_)]), "{whole}");
        }
    }

    #[test]
    fn lines_and_records_are_bounded_and_reading_goes_on() {
        let long = format!("dn: cn=a\ncn: {}\n {}\n\ndn: cn=b\ncn: b\n", "x".repeat(30), "y".repeat(1_000));
        let read: Vec<_> = LdifReader::with_limits(long.as_bytes(), 100, 1_000).collect();
        assert!(matches!(read[0], Err(LdifError { line: 2, fault: LdifFault::LineTooLong(100) })));
        assert_eq!(read[1].as_ref().unwrap().line, 5);
        let large = format!("dn: cn=a\n{}\n\ndn: cn=b\ncn: b\n", "cn: x\n".repeat(1_000));
        let read: Vec<_> = LdifReader::with_limits(large.as_bytes(), 100, 1_000).collect();
        assert!(matches!(read[0], Err(LdifError { fault: LdifFault::RecordTooLong(1_000), .. })));
        assert_eq!(read[1].as_ref().unwrap().dn, "cn=b");
        assert_eq!(read.len(), 2);
        let many: String = (0..=ATTRIBUTE_LIMIT).map(|number| format!("a{number}: x\n")).collect();
        let read: Vec<_> = LdifReader::new(format!("dn: cn=a\n{many}").as_bytes()).collect();
        assert!(matches!(read[0], Err(LdifError { fault: LdifFault::TooManyAttributes(_), .. })));
    }

    #[test]
    fn a_failing_input_ends_the_reading() {
        struct Failing;
        impl std::io::Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("gone"))
            }
        }
        let mut reader = LdifReader::new(BufReader::new(std::io::Read::chain(&b"dn: cn=a\ncn: b\n"[..], Failing)));
        assert!(matches!(reader.next(), Some(Err(LdifError { fault: LdifFault::Io(_), .. }))));
        assert!(reader.next().is_none());
    }

    #[test]
    fn the_writer_keeps_to_the_letter() {
        let mut writer = LdifWriter::new(Vec::new());
        let octets: [&[u8]; 7] = [b" a", b"a ", b":a", b"<a", b"a:<", b"", &[0xff]];
        let long = "x".repeat(200);
        writer
            .entry("cn=ü", [("cn", octets.as_slice()), ("l", &[long.as_bytes()])].map(|(name, held)| (name, held.iter().copied())))
            .unwrap();
        let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        let expected = concat!("version: 1\n\ndn:: Y249w7w=\n", "cn:: IGE=\ncn:: YSA=\ncn:: OmE=\ncn:: PGE=\ncn: a:<\ncn: \ncn:: /w==\n",);
        assert_eq!(text.get(..expected.len()), Some(expected));
        assert!(text.lines().all(|line| line.len() <= 76) && text.contains(&format!("l: {}\n {}\n", "x".repeat(73), "x".repeat(75))));
        assert_eq!(good(&text).len(), 1);
    }

    fn any_attributes() -> impl Strategy<Value = LdifAttributes> {
        let value = prop_oneof![proptest::collection::vec(any::<u8>(), 0..100), "[ -~]{0,100}".prop_map(String::into_bytes)];
        let names = proptest::collection::btree_set("[a-c][a-z0-9-]{1,6}(;x-[a-z])?", 1..4);
        (names, proptest::collection::vec(proptest::collection::vec(value, 1..4), 4))
            .prop_map(|(names, values)| names.into_iter().filter(|name| name != "control" && name != "changetype").zip(values).collect())
            .prop_filter("an attribute is there", |attributes: &LdifAttributes| !attributes.is_empty())
    }

    fn any_record() -> impl Strategy<Value = LdifRecord> {
        let kind = prop_oneof![
            Just(ModificationKind::Add),
            Just(ModificationKind::Delete),
            Just(ModificationKind::Replace),
            Just(ModificationKind::Increment)
        ];
        let values = proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..3);
        let modification = (kind, "[a-z]{1,6}", values).prop_map(|(kind, attribute, values)| Modification { kind, attribute, values });
        let name = "cn=[a-zü #]{1,40}".prop_filter("is a name", |text| Dn::parse(text).is_ok());
        let rename = (name.clone(), any::<bool>(), proptest::option::of(name.clone()));
        let body = prop_oneof![
            any_attributes().prop_map(LdifBody::Content),
            any_attributes().prop_map(LdifBody::Add),
            Just(LdifBody::Delete),
            proptest::collection::vec(modification, 0..4).prop_map(LdifBody::Modify),
            rename.prop_map(|(new_rdn, delete_old_rdn, new_superior)| LdifBody::Rename { new_rdn, delete_old_rdn, new_superior }),
        ];
        let control = ("1\\.[1-9]{1,4}", any::<bool>(), proptest::option::of(proptest::collection::vec(any::<u8>(), 0..80)))
            .prop_map(|(oid, critical, value)| LdifControl { oid, critical, value });
        (name, proptest::collection::vec(control, 0..3), body).prop_map(|(dn, controls, body)| {
            let controls = if matches!(body, LdifBody::Content(_)) { Vec::new() } else { controls };
            LdifRecord { line: 0, dn, controls, body }
        })
    }

    proptest! {
        #[test]
        fn every_record_is_read_as_it_was_written(records in proptest::collection::vec(any_record(), 0..5)) {
            let mut writer = LdifWriter::new(Vec::new());
            for record in &records {
                writer.record(record).unwrap();
            }
            let text = writer.into_inner().unwrap();
            prop_assert!(text.is_ascii() && text.split(|&octet| octet == b'\n').all(|line| line.len() <= 76));
            let again: Vec<_> = read(&text).into_iter().map(|record| LdifRecord { line: 0, ..record.unwrap() }).collect();
            prop_assert_eq!(again, records);
        }

        #[test]
        fn ha3_any_octets_are_answered(text in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b' '), Just(b':'), Just(b'd'), Just(b'n'), any::<u8>()], 0..80)) {
            for record in LdifReader::new(text.as_slice()) {
                let _ = record;
            }
        }
    }
}
