//! Where entries may stand, and by what names (RFC 4512 §4.1.7): asked when one is added, renamed or moved. The rule that
//! governs an entry follows from its name and from the rule of the entry above, so it is kept nowhere.

use super::write::Work;
use super::{Error, tree};
use crate::model::{Entry, Facts, upwards};
use crate::schema::{ClassId, Schema, Standpoint, Violation};

/// The roles of entries that begin an area with structure rules of its own: autonomousArea, subschemaAdminSpecificArea.
const BEGINNING_ROLES: [&str; 2] = ["2.5.23.1", "2.5.23.4"];

/// The structure rule that governs an entry; `None` where none is for it, or none lets it stand there: it was there before.
pub(super) fn governing_rule(schema: &Schema, facts: &dyn Facts, entry: &Entry) -> Option<u32> {
    if !schema.has_name_forms() {
        return None;
    }
    let superior = superior_rule(schema, facts, entry);
    rule_below(schema, entry, superior).ok().flatten()
}

/// The rule of the entry above, found from the top on.
fn superior_rule(schema: &Schema, facts: &dyn Facts, entry: &Entry) -> Option<u32> {
    let above: Vec<_> = entry.parent.into_iter().flat_map(|parent| upwards(facts, parent)).collect();
    above.iter().rev().fold(None, |superior, entry| rule_below(schema, entry, superior).ok().flatten())
}

fn rule_below(schema: &Schema, entry: &Entry, superior: Option<u32>) -> Result<Option<u32>, Violation> {
    let known = schema.known();
    let class: Option<ClassId> = entry.text(known.structural_object_class).and_then(|name| schema.class(name));
    let (Some(class), Some(rdn)) = (class, tree::own_rdn(entry)) else { return Ok(None) };
    let begins_area = schema.has_role(entry, &BEGINNING_ROLES);
    schema.structure_rule(class, &rdn, Standpoint { superior, begins_area })
}

/// Why an entry cannot keep its name and place under the schema `next`; `None` where it can, or could not before.
pub(super) fn misplaced(before: &Schema, next: &Schema, facts: &dyn Facts, entry: &Entry) -> Option<String> {
    let rule = |schema: &Schema| rule_below(schema, entry, superior_rule(schema, facts, entry));
    let violation = rule(next).err()?;
    rule(before).is_ok().then(|| violation.to_string())
}

impl Work<'_, '_> {
    /// Refuses a new name or place that no name form or structure rule for such entries allows. The operator's relax control,
    /// and so an import, passes by them.
    pub(super) fn check_place(&self, before: Option<&Entry>, after: &Entry) -> Result<(), Error> {
        let schema = &self.core.schema;
        let stays = before.is_some_and(|before| (before.parent, &before.rdn_key) == (after.parent, &after.rdn_key));
        if stays || self.options.relax || !schema.has_name_forms() {
            return Ok(());
        }
        let rule = rule_below(schema, after, superior_rule(schema, &*self.txn, after)).map_err(super::write::violation)?;
        let held = before.and_then(|before| governing_rule(schema, &*self.txn, before));
        match (held, rule) {
            // What stands below would be governed by another rule as well, or by none.
            (Some(held), Some(rule)) if held != rule && schema.rule_has_inferiors(held) && self.txn.child_count(after.id) > 0 => {
                let text = format!("structure rule {held} governs what stands below the entry, which structure rule {rule} would govern");
                Err(Error::Naming(format!("{text} (RFC 4512 §4.1.7.1)")))
            }
            _ => Ok(()),
        }
    }
}
