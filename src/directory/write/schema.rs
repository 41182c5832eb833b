//! Changing the schema (RFC 4512 §4.2): the operator modifies the subschema entry. It is a step of the writer by itself: what
//! is changed before it is judged by the schema before, and what comes after it by the schema after.

use super::Work;
use super::record::Room;
use crate::directory::core::Core;
use crate::directory::derived::SUBSCHEMA;
use crate::directory::filter::{Matcher, Truth};
use crate::directory::root::{self, VirtualEntry};
use crate::directory::structure;
use crate::directory::{Caller, Directory, Error, Write, WriteOptions, WriteOutcome, tree};
use crate::model::{Dn, Facts, Modification, ModificationKind};
use crate::schema::additions::{RECORD, definition_kind};
use crate::schema::{ChangeRefused, Difference, Schema, SchemaStep};
use crate::store::{AuditChange, AuditRecord, Memory, Transaction};
use std::sync::Arc;

/// Changes between two starts. Each keeps the schema before it in memory, since who reads it may hold it.
const MOST_CHANGES: usize = 1_000;
/// Entries that are looked at in one go.
const AT_ONCE: usize = 1_024;

/// Whether a name is that of the subschema entry.
pub(super) fn names_subschema(schema: &Schema, dn: &str) -> bool {
    !dn.contains(',') && Dn::parse(dn).is_ok_and(|dn| root::is_subschema(schema, &dn))
}

impl Directory {
    /// Whether a name is that of the subschema entry, whose modification changes the schema.
    pub fn is_schema(&self, dn: &str) -> bool {
        names_subschema(self.schema(), dn)
    }

    /// What was defined at run time: attribute of the subschema entry, and value.
    pub fn schema_additions(&self) -> Vec<(&'static str, String)> {
        self.schema().additions().in_force().map(|(name, text)| (name, text.to_owned())).collect()
    }

    /// The modifications, where a change is one of the schema.
    pub(super) fn schema_change<'w>(&self, write: &'w Write) -> Option<&'w [Modification]> {
        match write {
            Write::Modify { dn, modifications } if names_subschema(self.schema(), dn) => Some(modifications),
            _ => None,
        }
    }

    /// Makes one change of the schema; it is in force when this answers, and lasts.
    pub(super) async fn change_schema(
        &self,
        caller: &Caller,
        modifications: Vec<Modification>,
        options: WriteOptions,
    ) -> Result<WriteOutcome, Error> {
        let (core, memory, caller) = (Arc::clone(self.core()), Arc::clone(self.store().memory()), caller.clone());
        let work = move |txn: &mut Transaction<'_>| {
            let done = Work::begin(&core, txn, &caller, &options)?.change_schema(&memory, &modifications)?;
            if options.no_operation { Err(Error::NoOperation) } else { Ok(done) }
        };
        self.store().write_alone(work).await
    }
}

impl Work<'_, '_> {
    fn change_schema(&mut self, memory: &Memory, modifications: &[Modification]) -> Result<WriteOutcome, Error> {
        if !self.caller.identity.is_operator() {
            return Err(Error::InsufficientAccess("only the operator may change the schema".to_owned()));
        }
        let core = Arc::clone(self.core);
        let before: &Schema = &core.schema;
        let entry = root::subschema(before, core.started.wall);
        self.assert_of_schema(before, &entry)?;
        let steps = steps(before, modifications)?;
        let next = before.changed(&steps, self.options.permissive, self.now).map_err(refused)?;
        if next.additions().serial != before.additions().serial {
            self.put_schema(memory, &core, &next)?;
            self.txn.audit(self.record_of_schema(&steps));
        }
        let read =
            |schema: &Schema, entry: &VirtualEntry, wanted: &Option<Vec<String>>| wanted.as_ref().map(|names| entry.read(schema, names));
        let after = root::subschema(&next, core.started.wall);
        let outcome = WriteOutcome {
            id: entry.id(),
            pre_read: read(before, &entry, &self.options.pre_read),
            post_read: read(&next, &after, &self.options.post_read),
            generated_password: None,
        };
        Ok(outcome)
    }

    /// Puts the schema `next` in force, if every entry can stand under it.
    fn put_schema(&mut self, memory: &Memory, core: &Arc<Core>, next: &Schema) -> Result<(), Error> {
        let before: &Schema = &core.schema;
        if core.schema.version() >= MOST_CHANGES {
            return Err(Error::Unwilling(format!(
                "the schema was changed {MOST_CHANGES} times since the server was started; start it again"
            )));
        }
        if let Some(objection) = objection(memory, before, next, &before.difference(next)) {
            return Err(Error::ObjectClass(objection));
        }
        self.txn.put_meta(RECORD, Some(next.additions().to_octets()));
        let core = Arc::clone(core);
        self.txn.when_settled(move |committed| {
            if committed {
                core.schema_changed();
            }
        });
        Ok(())
    }

    /// The assertion control (RFC 4528), on the subschema entry.
    fn assert_of_schema(&self, schema: &Schema, entry: &VirtualEntry) -> Result<(), Error> {
        let Some(filter) = &self.options.assertion else { return Ok(()) };
        let matcher = Matcher::prepare(&self.current.context(schema, &*self.txn), filter);
        match entry.matches(schema, &*self.txn, &matcher) {
            Truth::True => Ok(()),
            Truth::False | Truth::Undefined => Err(Error::AssertionFailed("the assertion does not hold for the entry".to_owned())),
        }
    }

    /// Who changed which definitions; these too, where the settings want values at all.
    fn record_of_schema(&self, steps: &[SchemaStep<'_>]) -> AuditRecord {
        let mut attributes: Vec<String> = steps.iter().map(|step| step.kind.attribute().to_owned()).collect();
        attributes.sort_unstable();
        attributes.dedup();
        let settings = &self.current.settings.audit_values;
        let mut room = Room::new(settings);
        let mut of = |attribute: &String, removes: bool| {
            let held = steps.iter().filter(|step| step.kind.attribute() == attribute && step.removes == removes);
            room.show_definitions(held.map(|step| step.value))
        };
        let change = |attribute: &String| {
            let ((old, old_left_out), (new, new_left_out)) = (of(attribute, true), of(attribute, false));
            AuditChange { attribute: attribute.clone(), secret: false, old, old_left_out, new, new_left_out }
        };
        AuditRecord {
            time: self.now.millis(),
            operation: "modify".to_owned(),
            target: SUBSCHEMA.to_owned(),
            changes: attributes.iter().filter(|_| settings.kept).map(change).collect(),
            attributes,
            ..self.caller.record()
        }
    }
}

/// The values that are added and taken out, in order.
fn steps<'m>(schema: &Schema, modifications: &'m [Modification]) -> Result<Vec<SchemaStep<'m>>, Error> {
    let mut steps = Vec::new();
    for Modification { kind, attribute, values } in modifications {
        let name = super::quoted(attribute);
        let Some(of) = definition_kind(schema, attribute) else {
            return Err(match schema.description(attribute) {
                Some(_) => Error::Unwilling(format!("{name} of the subschema cannot be changed at run time")),
                None => Error::UndefinedType(format!("attribute type {name} is not defined")),
            });
        };
        let removes = match kind {
            ModificationKind::Add => false,
            ModificationKind::Delete => true,
            ModificationKind::Replace | ModificationKind::Increment => {
                return Err(Error::Unwilling(format!("{name}: definitions are added and deleted, each as a value")));
            }
        };
        match values.as_slice() {
            [] if removes => return Err(Error::Unwilling(format!("{name}: definitions of schema files stay; name those to delete"))),
            [] => return Err(Error::Protocol(format!("{name}: no value to add"))),
            values => steps.extend(values.iter().map(|value| SchemaStep { kind: of, removes, value })),
        }
    }
    Ok(steps)
}

/// The first entry that could not stand under the schema `next`, and why.
fn objection(memory: &Memory, before: &Schema, next: &Schema, difference: &Difference) -> Option<String> {
    let (mut last, mut done) = (None, difference.is_empty());
    while !done {
        let ids = memory.ids_after(last, AT_ONCE);
        last = ids.last().copied();
        done = last.is_none();
        let concerned = ids.into_iter().filter(|id| memory.with_entry(*id, |entry| difference.concerns(before, entry)) == Some(true));
        for entry in concerned.filter_map(|id| memory.entry(id)) {
            let links = |attribute| memory.target_count(entry.id, attribute);
            let misplaced = || structure::misplaced(before, next, memory, &entry).filter(|_| difference.is_about_places());
            if let Some(why) = difference.objection(before, next, &entry, &links).or_else(misplaced) {
                return Some(format!("\"{}\" is in the way: {why}", tree::dn_of(memory, entry.id)));
            }
        }
    }
    None
}

fn refused(refused: ChangeRefused) -> Error {
    match refused {
        ChangeRefused::Syntax(text) => Error::InvalidSyntax(text),
        ChangeRefused::Exists(text) => Error::AttributeOrValueExists(text),
        ChangeRefused::Absent(text) => Error::NoSuchAttribute(text),
        ChangeRefused::Unfit(text) => Error::Constraint(text),
        ChangeRefused::Refused(text) => Error::Unwilling(text),
    }
}
