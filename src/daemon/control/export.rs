//! LDIF out: every entry below a base, each after the one above it. Of everything there is, first the definitions that were
//! made at run time, so that whoever reads it in has them.

use super::{Failure, Reply};
use crate::directory::{Caller, Directory, SUBSCHEMA};
use crate::model::ldif::LdifWriter;
use std::cell::Cell;
use std::io::{self, Write};
use std::sync::Arc;

/// Entries of one step.
const STEP: usize = 512;
/// Octets of one piece of LDIF, about.
const PIECE: usize = 64 << 10;

/// Sends what is written in pieces of whole lines.
struct Pieces<'a> {
    reply: &'a mut dyn FnMut(Reply) -> bool,
    buffer: Vec<u8>,
    done: &'a Cell<u64>,
}

impl Pieces<'_> {
    fn send(&mut self) -> io::Result<()> {
        let text = String::from_utf8(std::mem::take(&mut self.buffer)).map_err(io::Error::other)?;
        let listening = (self.reply)(Reply::Ldif(text)) && (self.reply)(Reply::Progress(self.done.get()));
        if listening { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }
}

impl Write for Pieces<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(octets);
        if self.buffer.len() >= PIECE && self.buffer.ends_with(b"\n") {
            self.send()?;
        }
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() { Ok(()) } else { self.send() }
    }
}

pub(super) fn export(
    directory: &Arc<Directory>,
    caller: &Caller,
    base: Option<&str>,
    operational: bool,
    reply: &mut dyn FnMut(Reply) -> bool,
) -> Result<String, Failure> {
    let mut export = directory.export(caller, base, operational)?;
    let done = Cell::new(0_u64);
    let mut writer = LdifWriter::new(Pieces { reply, buffer: Vec::with_capacity(2 * PIECE), done: &done });
    let partly = |error: io::Error| Failure { message: error.to_string(), partly: true };
    let definitions = directory.schema_additions();
    if base.is_none() && !definitions.is_empty() {
        let head = [("objectClass", vec!["subschema"]), ("cn", vec!["Subschema"])];
        let all = head.into_iter().chain(definitions.iter().map(|(name, value)| (*name, vec![value.as_str()])));
        let octets = all.map(|(name, values)| (name, values.into_iter().map(str::as_bytes).collect::<Vec<_>>()));
        writer.entry(SUBSCHEMA, octets).map_err(partly)?;
    }
    loop {
        let entries = export.step(STEP);
        if entries.is_empty() {
            break;
        }
        for entry in &entries {
            writer.entry(&entry.dn, entry.attributes()).map_err(partly)?;
            done.set(done.get() + 1);
        }
    }
    writer.into_inner().map_err(partly)?;
    directory.note(caller, "export", base.unwrap_or_default(), format!("{} entries", done.get()), "success");
    Ok(format!("{} entries", done.get()))
}
