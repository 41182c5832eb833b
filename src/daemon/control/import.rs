//! LDIF in. Records are read on this thread while the batch before is being written; a batch is one step of the writer,
//! all or nothing. Where it is refused its records are written one by one, so that every good one is in and every bad
//! one is named. An import that stopped can be started again with `skip_existing`.

use super::{Failure, ImportOptions, Reply};
use crate::directory::{Caller, Directory, Error, Write, WriteOptions};
use crate::model::ldif::{LdifAttributes, LdifBody, LdifReader, LdifRecord};
use crate::model::{Modification, ModificationKind};
use crate::schema::additions::definition_kind;
use crate::schema::{ClassKind, Schema, Usage};
use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Records of one batch.
const BATCH: usize = 1_000;

/// Where a record stood, and the change it asks for.
type Numbered = (u64, Write);
/// What was written, and what was refused with its line and DN.
type Written = (u64, Vec<(u64, String, Error)>);

struct Import<'a> {
    directory: &'a Arc<Directory>,
    caller: &'a Caller,
    handle: &'a Handle,
    options: ImportOptions,
    reply: &'a mut dyn FnMut(Reply) -> bool,
    /// What the schema does not know, with how often it was left out.
    unknown: BTreeMap<String, u64>,
    done: u64,
    refused: u64,
    existing: u64,
}

pub(super) fn import(
    directory: &Arc<Directory>,
    handle: &Handle,
    caller: &Caller,
    options: ImportOptions,
    input: &mut dyn BufRead,
    reply: &mut dyn FnMut(Reply) -> bool,
) -> Result<String, Failure> {
    let mut import = Import { directory, caller, handle, options, reply, unknown: BTreeMap::new(), done: 0, refused: 0, existing: 0 };
    let finished = import.run(input);
    for (name, count) in std::mem::take(&mut import.unknown) {
        (import.reply)(Reply::Warning(format!("left out {name}: {count} times")));
    }
    let mut summary = format!("{} records written", import.done);
    if import.existing > 0 {
        summary.push_str(&format!(", {} were there already", import.existing));
    }
    if import.refused > 0 {
        summary.push_str(&format!(", {} refused", import.refused));
    }
    match finished {
        Err(message) => Err(Failure { message: format!("{message}; {summary}"), partly: import.done > 0 }),
        Ok(()) if import.refused > 0 => Err(Failure { message: summary, partly: import.done > 0 }),
        Ok(()) => Ok(summary),
    }
}

impl Import<'_> {
    fn run(&mut self, input: &mut dyn BufRead) -> Result<(), String> {
        let mut under_way: Option<JoinHandle<Written>> = None;
        let mut batch: Vec<Numbered> = Vec::with_capacity(BATCH);
        for record in LdifReader::new(input) {
            let taken = match record {
                Ok(record) => self.take(record),
                Err(error) => Err(error.to_string()),
            };
            match taken {
                // What comes after a change of the schema is read by the schema after it.
                Ok(numbered) if self.directory.is_schema(dn_of(&numbered.1)) => {
                    for batch in [std::mem::take(&mut batch), vec![numbered]] {
                        self.settle(under_way.take())?;
                        under_way = Some(self.start(batch));
                    }
                    self.settle(under_way.take())?;
                }
                Ok(numbered) => batch.push(numbered),
                Err(message) => {
                    // What stands before the bad record is written first, so that it is clear how far it got.
                    if !self.options.keep_going {
                        self.settle(under_way.take())?;
                        let written = self.start(std::mem::take(&mut batch));
                        self.settle(Some(written))?;
                    }
                    self.refuse(message)?;
                }
            }
            if batch.len() >= BATCH {
                self.settle(under_way.take())?;
                under_way = Some(self.start(std::mem::replace(&mut batch, Vec::with_capacity(BATCH))));
            }
        }
        self.settle(under_way)?;
        let written = self.start(batch);
        self.settle(Some(written))
    }

    fn start(&self, batch: Vec<Numbered>) -> JoinHandle<Written> {
        let (directory, caller, options) = (Arc::clone(self.directory), self.caller.clone(), self.options);
        self.handle.spawn(async move { write(&directory, &caller, options, batch).await })
    }

    fn settle(&mut self, under_way: Option<JoinHandle<Written>>) -> Result<(), String> {
        let Some(under_way) = under_way else { return Ok(()) };
        let (count, refused) = self.handle.block_on(under_way).map_err(|error| error.to_string())?;
        self.done += count;
        for (line, dn, error) in refused {
            if self.options.skip_existing && matches!(error, Error::AlreadyExists(_)) {
                self.existing += 1;
            } else {
                let unknown = matches!(error, Error::UndefinedType(_)) && !self.options.skip_unknown;
                let way_out = if unknown { " (--skip-unknown leaves out what the schema does not know)" } else { "" };
                self.refuse(format!("line {line}: {dn}: {error}{way_out}"))?;
            }
        }
        if (self.reply)(Reply::Progress(self.done)) { Ok(()) } else { Err("nobody is listening".to_owned()) }
    }

    /// Notes a refused record: named and passed over, or the end of it.
    fn refuse(&mut self, message: String) -> Result<(), String> {
        if !self.options.keep_going {
            return Err(message);
        }
        self.refused += 1;
        (self.reply)(Reply::Warning(message));
        Ok(())
    }

    /// The change a record asks for, without what the options leave out.
    fn take(&mut self, record: LdifRecord) -> Result<Numbered, String> {
        let LdifRecord { line, dn, controls, body } = record;
        if let Some(control) = controls.iter().find(|control| control.critical) {
            return Err(format!("line {line}: {dn}: critical control {} is not supported here", control.oid));
        }
        let write = match body {
            LdifBody::Content(attributes) | LdifBody::Add(attributes) if self.directory.is_schema(&dn) => {
                Write::Modify { dn, modifications: definitions(self.directory.schema(), attributes) }
            }
            LdifBody::Content(attributes) | LdifBody::Add(attributes) => {
                let attributes = self.attributes(attributes).map_err(|message| format!("line {line}: {dn}: {message}"))?;
                Write::Add { dn, attributes }
            }
            LdifBody::Delete => Write::Delete { dn },
            LdifBody::Modify(modifications) => Write::Modify { dn, modifications },
            LdifBody::Rename { new_rdn, delete_old_rdn, new_superior } => Write::Rename { dn, new_rdn, delete_old_rdn, new_superior },
        };
        Ok((line, write))
    }

    fn attributes(&mut self, mut attributes: LdifAttributes) -> Result<LdifAttributes, String> {
        let schema = Arc::clone(self.directory.schema());
        if !self.options.operational {
            let is_operational = |name: &str| {
                let definition = schema.description(name).map(|description| schema.attribute_type(description.attribute));
                definition.is_some_and(|definition| definition.no_user_modification)
            };
            if self.options.skip_operational {
                attributes.retain(|(name, _)| !is_operational(name));
            } else if let Some((name, _)) = attributes.iter().find(|(name, _)| is_operational(name)) {
                return Err(format!("{name} is operational: --operational keeps such attributes, --skip-operational leaves them out"));
            }
        }
        // Nothing is lost: the server makes them again from what they follow from.
        attributes.retain(|(name, _)| {
            let definition = schema.description(name).map(|description| schema.attribute_type(description.attribute));
            let derived = self.options.operational && definition.is_some_and(|definition| definition.derived);
            if derived {
                *self.unknown.entry(format!("attribute {name} (made by the server)")).or_default() += 1;
            }
            !derived
        });
        if self.options.skip_unknown {
            self.leave_out_unknown(&schema, &mut attributes);
        }
        Ok(attributes)
    }

    /// Leaves out classes and attributes the schema does not know; where a class went, also the attributes that no class
    /// left allows.
    fn leave_out_unknown(&mut self, schema: &Schema, attributes: &mut LdifAttributes) {
        let mut lost_a_class = false;
        let mut allowed = Vec::new();
        let mut anything = false;
        for (_, values) in attributes.iter_mut().filter(|(name, _)| name.eq_ignore_ascii_case("objectClass")) {
            values.retain(|value| {
                let name = String::from_utf8_lossy(value);
                let Some(class) = schema.class(&name).map(|class| schema.object_class(class)) else {
                    *self.unknown.entry(format!("object class {name}")).or_default() += 1;
                    lost_a_class = true;
                    return false;
                };
                allowed.extend(class.must.iter().chain(&class.may).copied());
                anything |= class.kind == ClassKind::Auxiliary && name.eq_ignore_ascii_case("extensibleObject");
                true
            });
        }
        attributes.retain(|(name, _)| {
            let Some(description) = schema.description(name) else {
                *self.unknown.entry(format!("attribute {name}")).or_default() += 1;
                return false;
            };
            let user = schema.attribute_type(description.attribute).usage == Usage::User;
            let fits =
                !lost_a_class || anything || !user || allowed.contains(&description.attribute) || name.eq_ignore_ascii_case("objectClass");
            if !fits {
                *self.unknown.entry(format!("attribute {name} (no class left allows it)")).or_default() += 1;
            }
            fits
        });
    }
}

/// Writes a batch: in one step where it is good, one by one where it is not.
async fn write(directory: &Arc<Directory>, caller: &Caller, options: ImportOptions, batch: Vec<Numbered>) -> Written {
    // Of definitions in a file those that are there already are no news.
    let permissive = batch.iter().any(|(_, write)| directory.is_schema(dn_of(write)));
    let write_options = || WriteOptions {
        permissive,
        relax: options.operational,
        exported: true,
        manage_dsa_it: true,
        no_mail: true,
        ..WriteOptions::default()
    };
    if batch.is_empty() {
        return (0, Vec::new());
    }
    let writes: Vec<Write> = batch.iter().map(|(_, write)| write.clone()).collect();
    if let Ok(count) = directory.write_all(caller, writes, write_options()).await {
        return (count as u64, Vec::new());
    }
    let (mut count, mut refused) = (0, Vec::new());
    for (line, write) in batch {
        let dn = dn_of(&write).to_owned();
        match directory.write(caller, write, write_options()).await {
            Ok(_) => count += 1,
            Err(error) => {
                let stays = options.keep_going || (options.skip_existing && matches!(error, Error::AlreadyExists(_)));
                refused.push((line, dn, error));
                if !stays {
                    break;
                }
            }
        }
    }
    (count, refused)
}

fn dn_of(write: &Write) -> &str {
    match write {
        Write::Add { dn, .. } | Write::Delete { dn } | Write::Modify { dn, .. } | Write::Rename { dn, .. } => dn,
        Write::Password { dn, .. } => dn.as_deref().unwrap_or_default(),
    }
}

/// The definitions of a subschema entry, as `export` writes it; what it is made of besides is the server's.
fn definitions(schema: &Schema, attributes: LdifAttributes) -> Vec<Modification> {
    let kept = attributes.into_iter().filter(|(name, _)| definition_kind(schema, name).is_some());
    kept.map(|(attribute, values)| Modification { kind: ModificationKind::Add, attribute, values }).collect()
}

/// One change of one attribute: replaced, or removed where there is no value.
pub(super) fn replace(attribute: &str, value: Option<&str>) -> Modification {
    let values = value.into_iter().map(|value| value.as_bytes().to_vec()).collect();
    Modification { kind: ModificationKind::Replace, attribute: attribute.to_owned(), values }
}
