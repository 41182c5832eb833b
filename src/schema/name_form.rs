//! Name forms and DIT structure rules (RFC 4512 §4.1.7): by which attributes entries of a structural class are named, and
//! below which entries they stand. A class that no name form is for is named and placed freely.

use super::definition::{Extension, Position, put_extensions, put_head, put_oids};
use super::seal::Violation;
use super::{ClassId, ClassKind, Schema};
use crate::model::{AttributeId, Rdn};
use std::fmt;

/// A NameFormDescription (RFC 4512 §4.1.7.2).
#[derive(Clone, Debug, Default)]
pub(super) struct NameFormDefinition {
    pub(super) at: Position,
    pub(super) oid: String,
    pub(super) names: Vec<String>,
    pub(super) description: Option<String>,
    pub(super) obsolete: bool,
    pub(super) class: String,
    pub(super) must: Vec<String>,
    pub(super) may: Vec<String>,
    pub(super) extensions: Vec<Extension>,
}

/// A DITStructureRuleDescription (RFC 4512 §4.1.7.1).
#[derive(Clone, Debug, Default)]
pub(super) struct StructureRuleDefinition {
    pub(super) at: Position,
    pub(super) id: u32,
    pub(super) names: Vec<String>,
    pub(super) description: Option<String>,
    pub(super) obsolete: bool,
    pub(super) form: String,
    pub(super) superiors: Vec<u32>,
    pub(super) extensions: Vec<Extension>,
}

/// What all files say, names not looked up yet.
#[derive(Default)]
pub(super) struct Written {
    /// Each with the file it is from.
    forms: Vec<(String, NameFormDefinition)>,
    rules: Vec<(String, StructureRuleDefinition)>,
}

/// All of them, names looked up.
#[derive(Clone, Debug, Default)]
pub(super) struct Naming {
    forms: Vec<NameForm>,
    rules: Vec<StructureRule>,
}

#[derive(Clone, Debug)]
struct NameForm {
    oid: String,
    name: String,
    class: ClassId,
    must: Vec<AttributeId>,
    may: Vec<AttributeId>,
    obsolete: bool,
    text: String,
}

#[derive(Clone, Debug)]
struct StructureRule {
    id: u32,
    name: String,
    /// The place of the form among all.
    form: usize,
    superiors: Vec<u32>,
    obsolete: bool,
    text: String,
}

/// Where an entry stands, as far as structure rules ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standpoint {
    /// The structure rule that governs the entry above; `None` where none does, or nothing is above.
    pub superior: Option<u32>,
    /// Whether the entry begins a subschema administrative area: what governs the entry above does not matter.
    pub begins_area: bool,
}

impl Written {
    /// The OIDs of the forms, each with its file.
    pub(super) fn forms(&self) -> impl Iterator<Item = (&str, &str)> {
        self.forms.iter().map(|(file, form)| (form.oid.as_str(), file.as_str()))
    }

    /// The numbers of the structure rules, each with its file.
    pub(super) fn rules(&self) -> impl Iterator<Item = (u32, &str)> {
        self.rules.iter().map(|(file, rule)| (rule.id, file.as_str()))
    }

    /// Takes a name form; the same again is nothing new. The error says where it is and what is wrong.
    pub(super) fn add_form(&mut self, file: &str, definition: NameFormDefinition) -> Result<(), (Position, String)> {
        let same_name = |held: &NameFormDefinition| held.is(&definition.oid) || definition.names.iter().any(|name| held.is(name));
        match self.forms.iter().find(|(_, held)| same_name(held)) {
            Some((_, held)) if held.to_string() == definition.to_string() => Ok(()),
            Some((held, _)) => {
                Err((definition.at, format!("name form {} is defined otherwise in {held}; leave it out here", definition.name())))
            }
            None => {
                self.forms.push((file.to_owned(), definition));
                Ok(())
            }
        }
    }

    /// Takes a structure rule, in the same way.
    pub(super) fn add_rule(&mut self, file: &str, definition: StructureRuleDefinition) -> Result<(), (Position, String)> {
        match self.rules.iter().find(|(_, held)| held.id == definition.id) {
            Some((_, held)) if held.to_string() == definition.to_string() => Ok(()),
            Some((held, _)) => {
                Err((definition.at, format!("DIT structure rule {} is defined otherwise in {held}; leave it out here", definition.id)))
            }
            None => {
                self.rules.push((file.to_owned(), definition));
                Ok(())
            }
        }
    }

    /// Looks the names up. The error says where: the file and the place in it.
    pub(super) fn finish(
        &self,
        class: &dyn Fn(&str) -> Option<(ClassId, ClassKind)>,
        attribute: &dyn Fn(&str) -> Option<AttributeId>,
    ) -> Result<Naming, (String, Position, String)> {
        let mut naming = Naming::default();
        for (file, definition) in &self.forms {
            let fail = |problem| (file.clone(), definition.at, format!("name form {}: {problem}", definition.name()));
            naming.forms.push(definition.form(class, attribute).map_err(fail)?);
        }
        for (file, definition) in &self.rules {
            let fail = |problem| (file.clone(), definition.at, format!("DIT structure rule {}: {problem}", definition.id));
            naming.rules.push(self.rule(definition).map_err(fail)?);
        }
        naming.rules.sort_unstable_by_key(|rule| rule.id);
        Ok(naming)
    }

    fn rule(&self, definition: &StructureRuleDefinition) -> Result<StructureRule, String> {
        let StructureRuleDefinition { id, names, form, superiors, obsolete, .. } = definition;
        let place = self.forms.iter().position(|(_, held)| held.is(form));
        let place = place.ok_or_else(|| format!("the name form {form} is not defined"))?;
        if let Some(unknown) = superiors.iter().find(|superior| !self.rules.iter().any(|(_, rule)| rule.id == **superior)) {
            return Err(format!("SUP: the structure rule {unknown} is not defined"));
        }
        let name = names.first().map_or_else(|| id.to_string(), |name| format!("{id} {name}"));
        let text = definition.to_string();
        Ok(StructureRule { id: *id, name, form: place, superiors: superiors.clone(), obsolete: *obsolete, text })
    }
}

impl NameFormDefinition {
    /// Whether it goes by this OID or name.
    fn is(&self, name: &str) -> bool {
        self.oid == name || self.names.iter().any(|held| held.eq_ignore_ascii_case(name))
    }

    fn name(&self) -> &str {
        self.names.first().unwrap_or(&self.oid)
    }

    fn form(
        &self,
        class: &dyn Fn(&str) -> Option<(ClassId, ClassKind)>,
        attribute: &dyn Fn(&str) -> Option<AttributeId>,
    ) -> Result<NameForm, String> {
        let Some((class, ClassKind::Structural)) = class(&self.class) else {
            return Err(format!("OC: {} is not a structural class that is defined", self.class));
        };
        let all = |names: &[String]| -> Result<Vec<AttributeId>, String> {
            names.iter().map(|name| attribute(name).ok_or_else(|| format!("the attribute type {name} is not defined"))).collect()
        };
        let (must, may) = (all(&self.must)?, all(&self.may)?);
        if must.is_empty() {
            return Err("it names no attribute that MUST be in a name".to_owned());
        }
        if may.iter().any(|attribute| must.contains(attribute)) {
            return Err("MUST and MAY name the same attribute".to_owned());
        }
        let (oid, name, text) = (self.oid.clone(), self.name().to_owned(), self.to_string());
        Ok(NameForm { oid, name, class, must, may, obsolete: self.obsolete, text })
    }
}

impl NameForm {
    /// What is wrong with a name by this form.
    fn problem(&self, schema: &Schema, rdn: &Rdn) -> Option<String> {
        let has = |attribute: AttributeId| rdn.0.iter().any(|ava| schema.attribute(&ava.attribute) == Some(attribute));
        let allows = |name: &str| schema.attribute(name).is_some_and(|held| self.must.contains(&held) || self.may.contains(&held));
        let class = schema.object_class(self.class).names.first().map_or("", String::as_str);
        let say = |name: &str, rule: &str| Some(format!("{name}: {rule} of entries of {class} (name form {})", self.name));
        if let Some(missing) = self.must.iter().find(|attribute| !has(**attribute)) {
            return say(schema.attribute_type(*missing).name(), "it must be in the name");
        }
        let other = rdn.0.iter().find(|ava| !allows(&ava.attribute))?;
        say(&other.attribute, "it must not be in the name")
    }
}

impl StructureRule {
    fn takes(&self, at: Standpoint) -> bool {
        match (self.superiors.as_slice(), at.superior) {
            ([], superior) => superior.is_none() || at.begins_area,
            (superiors, Some(superior)) => superiors.contains(&superior),
            (_, None) => false,
        }
    }
}

impl Schema {
    /// Whether there is any name form; without one there is nothing to ask.
    pub fn has_name_forms(&self) -> bool {
        !self.naming.forms.is_empty()
    }

    /// Whether a name form is for entries of a structural class.
    pub(super) fn has_name_form(&self, class: ClassId) -> bool {
        self.naming.forms.iter().any(|form| form.class == class)
    }

    /// The names and OIDs of the name forms.
    pub(super) fn name_form_names(&self) -> impl Iterator<Item = &String> {
        self.naming.forms.iter().flat_map(|form| [&form.oid, &form.name])
    }

    /// Whether entries governed by a structure rule may have entries below that others govern.
    pub fn rule_has_inferiors(&self, id: u32) -> bool {
        self.naming.rules.iter().any(|rule| !rule.obsolete && rule.superiors.contains(&id))
    }

    /// The structure rule that governs an entry of a structural class with this RDN; `None` where none is for such entries.
    /// An error where there are some and none lets it stand there, or where no name form lets it have that name.
    pub fn structure_rule(&self, class: ClassId, rdn: &Rdn, at: Standpoint) -> Result<Option<u32>, Violation> {
        let forms: Vec<(usize, &NameForm)> =
            self.naming.forms.iter().enumerate().filter(|(_, form)| form.class == class && !form.obsolete).collect();
        let problems: Vec<Option<String>> = forms.iter().map(|(_, form)| form.problem(self, rdn)).collect();
        if let Some(Some(first)) = problems.first()
            && problems.iter().all(Option::is_some)
        {
            return Err(Violation::Naming(format!("{first}, RFC 4512 §4.1.7.2")));
        }
        let of_class = |rule: &&StructureRule| !rule.obsolete && forms.iter().any(|(form, _)| *form == rule.form);
        let mut rules = self.naming.rules.iter().filter(of_class).peekable();
        let Some(first) = rules.peek().copied() else { return Ok(None) };
        let named = |rule: &&StructureRule| forms.iter().zip(&problems).any(|((form, _), problem)| *form == rule.form && problem.is_none());
        match rules.filter(named).find(|rule| rule.takes(at)) {
            Some(rule) => Ok(Some(rule.id)),
            None => Err(Violation::Naming(self.misplaced(class, rdn, first, at))),
        }
    }

    fn misplaced(&self, class: ClassId, rdn: &Rdn, rule: &StructureRule, at: Standpoint) -> String {
        let class = self.object_class(class).names.first().map_or("", String::as_str);
        let attribute = rdn.0.first().map_or("", |ava| ava.attribute.as_str());
        let above = match at.superior {
            Some(id) => format!("an entry that structure rule {id} governs"),
            None => "an entry that no structure rule governs".to_owned(),
        };
        let name = &rule.name;
        format!("{attribute}: an entry of {class} with that name cannot stand below {above} (structure rule {name}, RFC 4512 §4.1.7.1)")
    }

    /// The definitions as published.
    pub(super) fn published_naming(&self) -> [(&'static str, Vec<String>); 2] {
        let forms = self.naming.forms.iter().map(|form| form.text.clone()).collect();
        let rules = self.naming.rules.iter().map(|rule| rule.text.clone()).collect();
        [("nameForms", forms), ("dITStructureRules", rules)]
    }

    /// The OID of a name form.
    pub(super) fn name_form_oid(&self, name: &str) -> Option<&str> {
        self.naming.forms.iter().find(|form| form.name.eq_ignore_ascii_case(name)).map(|form| form.oid.as_str())
    }
}

impl fmt::Display for NameFormDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "( {}", self.oid)?;
        put_head(f, &self.names, self.description.as_deref(), self.obsolete)?;
        write!(f, " OC {}", self.class)?;
        put_oids(f, "MUST", &self.must)?;
        put_oids(f, "MAY", &self.may)?;
        put_extensions(f, &self.extensions)?;
        f.write_str(" )")
    }
}

impl fmt::Display for StructureRuleDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "( {}", self.id)?;
        put_head(f, &self.names, self.description.as_deref(), self.obsolete)?;
        write!(f, " FORM {}", self.form)?;
        match self.superiors.as_slice() {
            [] => {}
            [one] => write!(f, " SUP {one}")?,
            many => write!(f, " SUP ( {} )", many.iter().map(u32::to_string).collect::<Vec<_>>().join(" "))?,
        }
        put_extensions(f, &self.extensions)?;
        f.write_str(" )")
    }
}

#[cfg(test)]
mod tests {
    use super::super::Source;
    use super::*;

    const CLASSES: &str = "objectclass ( 1.2.3.1 NAME 'house' SUP top STRUCTURAL MUST cn MAY ou )\n\
        objectclass ( 1.2.3.2 NAME 'chamber' SUP top STRUCTURAL MUST cn MAY ou )\n";

    fn load(text: &str) -> Result<Schema, String> {
        let source = Source { name: "test.schema".to_owned(), text: format!("{CLASSES}{text}") };
        Schema::load(&[source]).map_err(|error| error.to_string())
    }

    fn schema() -> Schema {
        load(
            "nameForm ( 1.2.3.11 NAME 'houseForm' OC house MUST cn )\nnameform ( 1.2.3.12 NAME 'roomForm' OC chamber MUST cn MAY ou )\n\
             nameform ( 1.2.3.13 NAME 'oldForm' OBSOLETE OC chamber MUST ou )\n\
             dITStructureRule ( 1 FORM houseForm )\nditstructurerule ( 2 NAME 'rooms' FORM 1.2.3.12 SUP ( 1 2 ) )\n",
        )
        .unwrap()
    }

    fn rule(schema: &Schema, class: &str, rdn: &str, superior: Option<u32>) -> Result<Option<u32>, String> {
        let at = Standpoint { superior, begins_area: false };
        schema.structure_rule(schema.class(class).unwrap(), &Rdn::parse(rdn).unwrap(), at).map_err(|violation| violation.to_string())
    }

    #[test]
    fn s4_1_7_2_a_name_has_what_must_and_only_what_may_be_in_it() {
        let schema = schema();
        assert_eq!(rule(&schema, "chamber", "cn=a", Some(1)), Ok(Some(2)));
        assert_eq!(rule(&schema, "chamber", "ou=b+cn=a", Some(1)), Ok(Some(2)));
        let missing = rule(&schema, "chamber", "ou=b", Some(1)).unwrap_err();
        assert!(missing.contains("cn: it must be in the name") && missing.contains("roomForm"), "{missing}");
        let more = rule(&schema, "house", "cn=a+ou=b", None).unwrap_err();
        assert!(more.contains("ou: it must not be in the name") && more.contains("houseForm"), "{more}");
        assert_eq!(rule(&schema, "device", "ou=x", None), Ok(None));
    }

    #[test]
    fn s4_1_7_1_an_entry_stands_where_its_rule_says() {
        let schema = schema();
        assert_eq!(rule(&schema, "house", "cn=a", None), Ok(Some(1)));
        assert_eq!(rule(&schema, "chamber", "cn=a", Some(2)), Ok(Some(2)));
        for (class, superior) in [("chamber", None), ("chamber", Some(7)), ("house", Some(1))] {
            let error = rule(&schema, class, "cn=a", superior).unwrap_err();
            assert!(error.starts_with("cn: ") && error.contains("structure rule"), "{error}");
        }
        let begins = Standpoint { superior: Some(1), begins_area: true };
        assert_eq!(schema.structure_rule(schema.class("house").unwrap(), &Rdn::parse("cn=a").unwrap(), begins), Ok(Some(1)));
    }

    #[test]
    fn s4_1_7_a_form_alone_says_how_and_not_where() {
        let schema = load("nameform ( 1.2.3.11 NAME 'houseForm' OC house MUST cn )").unwrap();
        assert_eq!(rule(&schema, "house", "cn=a", Some(1)), Ok(None));
        assert!(rule(&schema, "house", "ou=a", None).is_err());
    }

    #[test]
    fn what_is_published_reads_back() {
        let schema = schema();
        let lines: Vec<String> = schema
            .published_naming()
            .into_iter()
            .flat_map(|(name, values)| values.into_iter().map(move |value| format!("{name}: {value}\n")))
            .collect();
        let again = load(&lines.concat()).unwrap();
        assert_eq!(again.published_naming(), schema.published_naming());
        assert!(load(&format!("{0}{0}", lines.concat())).is_ok());
        assert_eq!(schema.oid("ROOMFORM"), Some("1.2.3.12"));
    }

    #[test]
    fn what_cannot_be_names_file_and_definition() {
        let cases = [
            ("nameform ( 1.2.3.11 NAME 'f' OC person )", "test.schema:3:10: name form f: it names no attribute that MUST be in a name"),
            (
                "nameform ( 1.2.3.11 NAME 'f' OC top MUST cn )",
                "test.schema:3:10: name form f: OC: top is not a structural class that is defined",
            ),
            ("nameform ( 1.2.3.11 NAME 'f' OC house MUST x )", "test.schema:3:10: name form f: the attribute type x is not defined"),
            (
                "nameform ( 1.2.3.11 NAME 'f' OC house MUST cn MAY cn )",
                "test.schema:3:10: name form f: MUST and MAY name the same attribute",
            ),
            ("ditstructurerule ( 1 FORM f )", "test.schema:3:18: DIT structure rule 1: the name form f is not defined"),
            ("ditstructurerule ( x FORM f )", "test.schema:3:20: \"x\" is not the number of a structure rule"),
            (
                "nameform ( 1.2.3.11 NAME 'f' OC house MUST cn )\nditstructurerule ( 1 FORM f SUP 2 )",
                "test.schema:4:18: DIT structure rule 1: SUP: the structure rule 2 is not defined",
            ),
            (
                "nameform ( 1.2.3.11 NAME 'f' OC house MUST cn )\nnameform ( 1.2.3.11 NAME 'f' OC house MUST ou )",
                "test.schema:4:10: name form f is defined otherwise in test.schema; leave it out here",
            ),
        ];
        for (text, said) in cases {
            assert_eq!(load(text).unwrap_err(), said);
        }
    }
}
