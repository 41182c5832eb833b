//! Writes LDIF.

use super::{LdifAttributes, LdifBody, LdifControl, LdifRecord};
use crate::model::ModificationKind;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::io::{self, Write};

/// Columns of a line before it is folded.
const COLUMNS: usize = 76;

/// Writes records, the version before the first one. Values that are no SAFE-STRING are written in base64, and lines
/// are folded at 76 columns.
#[derive(Debug)]
pub struct LdifWriter<W> {
    output: W,
    /// The line in the making.
    line: Vec<u8>,
    fresh: bool,
}

impl<W: Write> LdifWriter<W> {
    /// Writes to `output`, which had better be buffered.
    pub const fn new(output: W) -> Self {
        Self { output, line: Vec::new(), fresh: true }
    }

    /// An entry: its DN, and descriptions with their values.
    pub fn entry<'v, A, V>(&mut self, dn: &str, attributes: A) -> io::Result<()>
    where
        A: IntoIterator<Item = (&'v str, V)>,
        V: IntoIterator<Item = &'v [u8]>,
    {
        self.begin(dn)?;
        for (description, values) in attributes {
            for value in values {
                self.field(description, value)?;
            }
        }
        Ok(())
    }

    /// A record of any kind.
    pub fn record(&mut self, record: &LdifRecord) -> io::Result<()> {
        self.begin(&record.dn)?;
        for control in &record.controls {
            self.control(control)?;
        }
        match &record.body {
            LdifBody::Content(attributes) => self.attributes(attributes),
            LdifBody::Add(attributes) => {
                self.field("changetype", b"add")?;
                self.attributes(attributes)
            }
            LdifBody::Delete => self.field("changetype", b"delete"),
            LdifBody::Modify(modifications) => {
                self.field("changetype", b"modify")?;
                for modification in modifications {
                    self.field(word(modification.kind), modification.attribute.as_bytes())?;
                    for value in &modification.values {
                        self.field(&modification.attribute, value)?;
                    }
                    self.output.write_all(b"-\n")?;
                }
                Ok(())
            }
            LdifBody::Rename { new_rdn, delete_old_rdn, new_superior } => {
                self.field("changetype", b"moddn")?;
                self.field("newrdn", new_rdn.as_bytes())?;
                self.field("deleteoldrdn", if *delete_old_rdn { b"1" } else { b"0" })?;
                match new_superior {
                    Some(dn) => self.field("newsuperior", dn.as_bytes()),
                    None => Ok(()),
                }
            }
        }
    }

    /// The output, all lines written to it.
    pub fn into_inner(mut self) -> io::Result<W> {
        self.version()?;
        self.output.flush()?;
        Ok(self.output)
    }

    fn version(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.fresh) {
            self.output.write_all(b"version: 1\n")?;
        }
        Ok(())
    }

    fn begin(&mut self, dn: &str) -> io::Result<()> {
        self.version()?;
        self.output.write_all(b"\n")?;
        self.field("dn", dn.as_bytes())
    }

    fn attributes(&mut self, attributes: &LdifAttributes) -> io::Result<()> {
        for (description, values) in attributes {
            for value in values {
                self.field(description, value)?;
            }
        }
        Ok(())
    }

    fn control(&mut self, control: &LdifControl) -> io::Result<()> {
        let head = format!("control: {} {}", control.oid, control.critical);
        match &control.value {
            Some(value) => self.field(&head, value),
            None => {
                self.line.extend_from_slice(head.as_bytes());
                self.end_line()
            }
        }
    }

    /// A name and its value.
    fn field(&mut self, name: &str, value: &[u8]) -> io::Result<()> {
        self.line.extend_from_slice(name.as_bytes());
        if is_safe_string(value) {
            self.line.extend_from_slice(b": ");
            self.line.extend_from_slice(value);
        } else {
            self.line.extend_from_slice(b":: ");
            self.line.extend_from_slice(STANDARD.encode(value).as_bytes());
        }
        self.end_line()
    }

    /// Writes the line, folded: the first part 76 columns wide, the others a space and 75.
    fn end_line(&mut self) -> io::Result<()> {
        let (first, mut rest) = self.line.split_at(self.line.len().min(COLUMNS));
        self.output.write_all(first)?;
        while !rest.is_empty() {
            let (part, after) = rest.split_at(rest.len().min(COLUMNS - 1));
            self.output.write_all(b"\n ")?;
            self.output.write_all(part)?;
            rest = after;
        }
        self.output.write_all(b"\n")?;
        self.line.clear();
        Ok(())
    }
}

const fn word(kind: ModificationKind) -> &'static str {
    match kind {
        ModificationKind::Add => "add",
        ModificationKind::Delete => "delete",
        ModificationKind::Replace => "replace",
        ModificationKind::Increment => "increment",
    }
}

/// SAFE-STRING of RFC 2849, and note 8: what ends in a space is not safe.
fn is_safe_string(value: &[u8]) -> bool {
    let bad_start = matches!(value.first(), Some(b' ' | b':' | b'<'));
    let bad_end = value.last() == Some(&b' ');
    !bad_start && !bad_end && value.iter().all(|octet| octet.is_ascii() && !matches!(octet, 0 | b'\n' | b'\r'))
}
