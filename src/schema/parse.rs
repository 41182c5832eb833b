//! Reading schema files: slapd's form (`attributetype ( … )`, `objectclass ( … )`, `objectidentifier name oid`) and
//! the lines of an LDIF subschema entry (`attributeTypes:`, `objectClasses:`, folded). One reader, character by
//! character, that always knows where it is.

use super::additions::DefinitionKind;
use super::definition::{AttributeDefinition, ClassDefinition, ContentRuleDefinition, Extension, Position, UsageWord, extension};
use super::name_form::{NameFormDefinition, StructureRuleDefinition};
use super::{ClassKind, SchemaError, Source};
use std::collections::HashMap;
use std::fmt;

/// What a file holds.
#[derive(Default)]
pub(super) struct Definitions {
    pub(super) attributes: Vec<AttributeDefinition>,
    pub(super) classes: Vec<ClassDefinition>,
    pub(super) content_rules: Vec<ContentRuleDefinition>,
    pub(super) name_forms: Vec<NameFormDefinition>,
    pub(super) structure_rules: Vec<StructureRuleDefinition>,
}

/// Reads a file. `macros` holds the OID names known so far, in lower case, and learns those of this file.
pub(super) fn parse(source: &Source, macros: &mut HashMap<String, String>) -> Result<Definitions, SchemaError> {
    let mut found = Definitions::default();
    let mut reader = Reader { text: &source.text, at: 0, folded: false, macros };
    while reader.skip_to_directive() {
        reader.directive(&mut found).map_err(|problem| problem.in_file(source))?;
    }
    Ok(found)
}

/// One definition by itself.
pub(super) enum Definition {
    Attribute(AttributeDefinition),
    Class(ClassDefinition),
    ContentRule(ContentRuleDefinition),
    NameForm(NameFormDefinition),
    StructureRule(StructureRuleDefinition),
}

impl Definition {
    /// The OID; of a structure rule the number.
    pub(super) fn oid(&self) -> String {
        match self {
            Self::Attribute(definition) => definition.oid.clone(),
            Self::Class(definition) => definition.oid.clone(),
            Self::ContentRule(definition) => definition.oid.clone(),
            Self::NameForm(definition) => definition.oid.clone(),
            Self::StructureRule(definition) => definition.id.to_string(),
        }
    }

    pub(super) fn names(&self) -> &[String] {
        match self {
            Self::Attribute(definition) => &definition.names,
            Self::Class(definition) => &definition.names,
            Self::ContentRule(definition) => &definition.names,
            Self::NameForm(definition) => &definition.names,
            Self::StructureRule(definition) => &definition.names,
        }
    }

    pub(super) fn has_extension(&self, name: &str) -> bool {
        let extensions = match self {
            Self::Attribute(definition) => &definition.extensions,
            Self::Class(definition) => &definition.extensions,
            Self::ContentRule(definition) => &definition.extensions,
            Self::NameForm(definition) => &definition.extensions,
            Self::StructureRule(definition) => &definition.extensions,
        };
        extension(extensions, name).is_some()
    }
}

impl fmt::Display for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attribute(definition) => definition.fmt(f),
            Self::Class(definition) => definition.fmt(f),
            Self::ContentRule(definition) => definition.fmt(f),
            Self::NameForm(definition) => definition.fmt(f),
            Self::StructureRule(definition) => definition.fmt(f),
        }
    }
}

/// Reads a text that is one definition and nothing else: a value of the subschema entry.
pub(super) fn one(kind: DefinitionKind, source: &Source) -> Result<Definition, SchemaError> {
    let mut reader = Reader { text: &source.text, at: 0, folded: false, macros: &mut HashMap::new() };
    let read = match kind {
        DefinitionKind::AttributeType => reader.attribute().map(Definition::Attribute),
        DefinitionKind::ObjectClass => reader.class().map(Definition::Class),
        DefinitionKind::ContentRule => reader.content_rule().map(Definition::ContentRule),
        DefinitionKind::NameForm => reader.name_form().map(Definition::NameForm),
        DefinitionKind::StructureRule => reader.structure_rule().map(Definition::StructureRule),
    };
    let whole = read.and_then(|definition| {
        reader.skip_space();
        if reader.rest().is_empty() { Ok(definition) } else { reader.problem(reader.at, FOLLOWED) }
    });
    whole.map_err(|problem| problem.in_file(source))
}

const FOLLOWED: &str = "something follows the definition";

/// A message and the octet it is about.
#[derive(Debug)]
struct Problem {
    at: usize,
    message: String,
}

impl Problem {
    fn in_file(self, source: &Source) -> SchemaError {
        let Position { line, column } = position(&source.text, self.at);
        SchemaError { file: source.name.clone(), line, column, message: self.message }
    }

    /// The same, saying which definition it is in.
    fn within(self, what: &str, names: &[String], oid: &str) -> Self {
        let name = names.first().map_or(oid, String::as_str);
        if name.is_empty() { self } else { Self { message: format!("{what} {name}: {}", self.message), ..self } }
    }
}

/// Line and column of an octet.
fn position(text: &str, at: usize) -> Position {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |found| found + 1);
    Position {
        line: before.bytes().filter(|&octet| octet == b'\n').count() + 1,
        column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
    }
}

type Outcome<T> = Result<T, Problem>;

/// One token of a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    Dollar,
    Quoted(String),
    Word(String),
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// In an LDIF line: a newline and one space are nothing at all, and a newline alone ends it.
    folded: bool,
    macros: &'a mut HashMap<String, String>,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn problem<T>(&self, at: usize, message: impl Into<String>) -> Outcome<T> {
        Err(Problem { at: at.min(self.text.len()), message: message.into() })
    }

    /// Goes to the next line that begins with a word. False at the end of the file.
    fn skip_to_directive(&mut self) -> bool {
        self.folded = false;
        loop {
            let rest = self.rest();
            match rest.as_bytes().first() {
                None => return false,
                Some(b'#') => self.at += line_length(rest),
                Some(octet) if octet.is_ascii_whitespace() => self.at += 1,
                Some(_) => return true,
            }
        }
    }

    fn directive(&mut self, found: &mut Definitions) -> Outcome<()> {
        let start = self.at;
        let length = self.rest().find(|c: char| c.is_whitespace() || c == ':' || c == '(').unwrap_or_else(|| self.rest().len());
        let word = self.rest().get(..length).unwrap_or_default().to_ascii_lowercase();
        self.at += length;
        if self.rest().starts_with(':') {
            return self.ldif_line(start, &word, found);
        }
        match word.as_str() {
            "attributetype" => found.attributes.push(self.attribute()?),
            "objectclass" => found.classes.push(self.class()?),
            "ditcontentrule" => found.content_rules.push(self.content_rule()?),
            "ditstructurerule" => found.structure_rules.push(self.structure_rule()?),
            "nameform" => found.name_forms.push(self.name_form()?),
            "objectidentifier" => self.macro_definition()?,
            _ => {
                let known = "attributetype, objectclass, ditcontentrule, nameform, ditstructurerule and objectidentifier are known";
                return self.problem(start, format!("unknown directive \"{word}\"; {known}"));
            }
        }
        Ok(())
    }

    /// One line of an LDIF entry. Lines of other attributes are no definitions, and are passed over.
    fn ldif_line(&mut self, start: usize, word: &str, found: &mut Definitions) -> Outcome<()> {
        self.at += 1;
        self.folded = true;
        let kind = word.strip_prefix("olc").unwrap_or(word);
        let definition = matches!(kind, "attributetypes" | "objectclasses" | "ditcontentrules" | "nameforms" | "ditstructurerules");
        if !definition {
            while let Some(c) = self.peek() {
                self.at += c.len_utf8();
            }
            return Ok(());
        }
        if self.rest().starts_with(':') {
            return self.problem(start, format!("{word}: a definition in base64 is not read; write it as text"));
        }
        self.skip_order_prefix();
        match kind {
            "attributetypes" => found.attributes.push(self.attribute()?),
            "ditcontentrules" => found.content_rules.push(self.content_rule()?),
            "ditstructurerules" => found.structure_rules.push(self.structure_rule()?),
            "nameforms" => found.name_forms.push(self.name_form()?),
            _ => found.classes.push(self.class()?),
        }
        self.skip_space();
        if self.peek().is_some() { self.problem(self.at, FOLLOWED) } else { Ok(()) }
    }

    /// `{12}` before a value, as cn=config writes it.
    fn skip_order_prefix(&mut self) {
        self.skip_space();
        if self.peek() == Some('{') {
            while let Some(c) = self.peek() {
                self.at += c.len_utf8();
                if c == '}' {
                    break;
                }
            }
        }
    }

    /// `objectidentifier name oid`, the OID perhaps by a name known before, as `name:1.2`.
    fn macro_definition(&mut self) -> Outcome<()> {
        let name = self.word("a name")?;
        let oid = self.oid()?;
        self.macros.insert(name.to_ascii_lowercase(), oid);
        Ok(())
    }

    /// The next character, folds passed over; `None` at the end of the file or of the LDIF line.
    fn peek(&mut self) -> Option<char> {
        while self.folded {
            let rest = self.rest();
            let fold = ["\n ", "\r\n "].into_iter().find(|fold| rest.starts_with(fold));
            match fold {
                Some(fold) => self.at += fold.len(),
                None if rest.starts_with('\n') || rest.starts_with("\r\n") => return None,
                None => break,
            }
        }
        self.rest().chars().next()
    }

    fn skip_space(&mut self) {
        while let Some(c) = self.peek() {
            if c.is_whitespace() {
                self.at += c.len_utf8();
            } else if c == '#' && !self.folded && self.text.get(..self.at).is_none_or(|before| before.is_empty() || before.ends_with('\n'))
            {
                self.at += line_length(self.rest());
            } else {
                break;
            }
        }
    }

    /// The next token and where it begins.
    fn token(&mut self) -> Outcome<(usize, Token)> {
        self.skip_space();
        let start = self.at;
        let Some(c) = self.peek() else { return self.problem(start, "the definition is not finished") };
        let start = start.max(self.at);
        let token = match c {
            '(' => Token::Open,
            ')' => Token::Close,
            '$' => Token::Dollar,
            '\'' => return Ok((start, Token::Quoted(self.quoted(start)?))),
            _ => return Ok((start, Token::Word(self.bare()))),
        };
        self.at += 1;
        Ok((start, token))
    }

    fn bare(&mut self) -> String {
        let mut word = String::new();
        while let Some(c) = self.peek() {
            if c.is_whitespace() || matches!(c, '(' | ')' | '$' | '\'') {
                break;
            }
            word.push(c);
            self.at += c.len_utf8();
        }
        word
    }

    /// A quoted string, its escapes undone, a line break and what surrounds it one space.
    fn quoted(&mut self, start: usize) -> Outcome<String> {
        self.at += 1;
        let mut string = String::new();
        loop {
            let Some(c) = self.peek() else { return self.problem(start, "the quoted string is not closed") };
            self.at += c.len_utf8();
            match c {
                '\'' => return Ok(string),
                '\\' => string.push(self.escape()?),
                '\n' | '\r' => {
                    string.truncate(string.trim_end().len());
                    string.push(' ');
                    self.skip_space();
                }
                c => string.push(c),
            }
        }
    }

    fn escape(&mut self) -> Outcome<char> {
        let start = self.at;
        let mut digits = String::new();
        for _ in 0..2 {
            if let Some(c) = self.peek() {
                digits.push(c);
                self.at += c.len_utf8();
            }
        }
        match digits.to_ascii_uppercase().as_str() {
            "27" => Ok('\''),
            "5C" => Ok('\\'),
            _ => self.problem(start - 1, "a backslash in a quoted string stands before 27 or 5C only"),
        }
    }

    fn expect_open(&mut self) -> Outcome<()> {
        match self.token()? {
            (_, Token::Open) => Ok(()),
            (at, _) => self.problem(at, "expected ("),
        }
    }

    /// A word or a quoted word: slapd takes quotes around OIDs and names of rules too.
    fn word(&mut self, what: &str) -> Outcome<String> {
        match self.token()? {
            (_, Token::Word(word) | Token::Quoted(word)) if !word.is_empty() => Ok(word),
            (at, _) => self.problem(at, format!("expected {what}")),
        }
    }

    /// A numeric OID, or one by a name known before.
    fn oid(&mut self) -> Outcome<String> {
        self.skip_space();
        let at = self.at;
        let word = self.word("an OID")?;
        match self.expand(&word) {
            Some(oid) => Ok(oid),
            None => self.problem(at, format!("\"{word}\" is neither an OID nor a name given by objectidentifier")),
        }
    }

    fn expand(&self, word: &str) -> Option<String> {
        if is_numeric_oid(word) {
            return Some(word.to_owned());
        }
        let (name, tail) = word.split_once(':').map_or((word, None), |(name, tail)| (name, Some(tail)));
        let base = self.macros.get(&name.to_ascii_lowercase())?;
        let oid = tail.map_or_else(|| base.clone(), |tail| format!("{base}.{tail}"));
        is_numeric_oid(&oid).then_some(oid)
    }

    /// One quoted string or several in brackets.
    fn strings(&mut self) -> Outcome<Vec<String>> {
        match self.token()? {
            (_, Token::Quoted(one)) => Ok(vec![one]),
            (_, Token::Open) => {
                let mut strings = Vec::new();
                loop {
                    match self.token()? {
                        (_, Token::Quoted(one)) => strings.push(one),
                        (_, Token::Close) => return Ok(strings),
                        (at, _) => return self.problem(at, "expected a quoted string or )"),
                    }
                }
            }
            (at, _) => self.problem(at, "expected a quoted string or ("),
        }
    }

    fn names(&mut self) -> Outcome<Vec<String>> {
        let at = self.at;
        let names = self.strings()?;
        match names.iter().find(|name| !is_descriptor(name)) {
            Some(name) => self.problem(at, format!("\"{name}\" is not a name: letters, digits and hyphens, a letter first")),
            None => Ok(names),
        }
    }

    /// One OID or name, or several in brackets with dollars between.
    fn oids(&mut self) -> Outcome<Vec<String>> {
        match self.token()? {
            (_, Token::Word(one) | Token::Quoted(one)) => Ok(vec![one]),
            (_, Token::Open) => {
                let mut oids = vec![self.word("a name")?];
                loop {
                    match self.token()? {
                        (_, Token::Dollar) => oids.push(self.word("a name")?),
                        (_, Token::Close) => return Ok(oids),
                        (at, _) => return self.problem(at, "expected $ or )"),
                    }
                }
            }
            (at, _) => self.problem(at, "expected a name or ("),
        }
    }

    fn attribute(&mut self) -> Outcome<AttributeDefinition> {
        self.expect_open()?;
        let mut definition =
            AttributeDefinition { at: position(self.text, self.at - 1), oid: self.oid()?, ..AttributeDefinition::default() };
        match self.attribute_parts(&mut definition) {
            Ok(()) => Ok(definition),
            Err(problem) => Err(problem.within("attribute type", &definition.names, &definition.oid)),
        }
    }

    fn attribute_parts(&mut self, definition: &mut AttributeDefinition) -> Outcome<()> {
        let mut seen = Vec::new();
        loop {
            let Some((at, word)) = self.part(&mut seen)? else { return Ok(()) };
            match word.as_str() {
                "NAME" => definition.names = self.names()?,
                "DESC" => definition.description = self.strings()?.into_iter().next(),
                "OBSOLETE" => definition.obsolete = true,
                "SUP" => definition.superior = Some(self.word("a name")?),
                "EQUALITY" => definition.equality = Some(self.word("a matching rule")?),
                "ORDERING" => definition.ordering = Some(self.word("a matching rule")?),
                "SUBSTR" => definition.substring = Some(self.word("a matching rule")?),
                "SYNTAX" => (definition.syntax, definition.bound) = self.syntax()?,
                "SINGLE-VALUE" => definition.single_value = true,
                "COLLECTIVE" => definition.collective = true,
                "NO-USER-MODIFICATION" => definition.no_user_modification = true,
                "USAGE" => {
                    let usage = self.word("a usage")?;
                    match UsageWord::parse(&usage) {
                        Some(usage) => definition.usage = usage,
                        None => return self.problem(at, format!("unknown usage \"{usage}\"")),
                    }
                }
                _ => definition.extensions.push(self.extension(at, word)?),
            }
        }
    }

    fn class(&mut self) -> Outcome<ClassDefinition> {
        self.expect_open()?;
        let mut definition = ClassDefinition { at: position(self.text, self.at - 1), oid: self.oid()?, ..ClassDefinition::default() };
        match self.class_parts(&mut definition) {
            Ok(()) => Ok(definition),
            Err(problem) => Err(problem.within("object class", &definition.names, &definition.oid)),
        }
    }

    fn class_parts(&mut self, definition: &mut ClassDefinition) -> Outcome<()> {
        let mut seen = Vec::new();
        loop {
            let Some((at, word)) = self.part(&mut seen)? else { return Ok(()) };
            match word.as_str() {
                "NAME" => definition.names = self.names()?,
                "DESC" => definition.description = self.strings()?.into_iter().next(),
                "OBSOLETE" => definition.obsolete = true,
                "SUP" => definition.superiors = self.oids()?,
                "ABSTRACT" => definition.kind = ClassKind::Abstract,
                "AUXILIARY" => definition.kind = ClassKind::Auxiliary,
                "STRUCTURAL" => definition.kind = ClassKind::Structural,
                "MUST" => definition.must = self.oids()?,
                "MAY" => definition.may = self.oids()?,
                _ => definition.extensions.push(self.extension(at, word)?),
            }
        }
    }

    fn content_rule(&mut self) -> Outcome<ContentRuleDefinition> {
        self.expect_open()?;
        let at = position(self.text, self.at - 1);
        let mut definition = ContentRuleDefinition { at, oid: self.oid()?, ..ContentRuleDefinition::default() };
        match self.content_rule_parts(&mut definition) {
            Ok(()) => Ok(definition),
            Err(problem) => Err(problem.within("DIT content rule", &definition.names, &definition.oid)),
        }
    }

    fn content_rule_parts(&mut self, definition: &mut ContentRuleDefinition) -> Outcome<()> {
        let mut seen = Vec::new();
        loop {
            let Some((at, word)) = self.part(&mut seen)? else { return Ok(()) };
            match word.as_str() {
                "NAME" => definition.names = self.names()?,
                "DESC" => definition.description = self.strings()?.into_iter().next(),
                "OBSOLETE" => definition.obsolete = true,
                "AUX" => definition.auxiliary = self.oids()?,
                "MUST" => definition.must = self.oids()?,
                "MAY" => definition.may = self.oids()?,
                "NOT" => definition.not = self.oids()?,
                _ => definition.extensions.push(self.extension(at, word)?),
            }
        }
    }

    fn name_form(&mut self) -> Outcome<NameFormDefinition> {
        self.expect_open()?;
        let at = position(self.text, self.at - 1);
        let mut definition = NameFormDefinition { at, oid: self.oid()?, ..NameFormDefinition::default() };
        match self.name_form_parts(&mut definition) {
            Ok(()) => Ok(definition),
            Err(problem) => Err(problem.within("name form", &definition.names, &definition.oid)),
        }
    }

    fn name_form_parts(&mut self, definition: &mut NameFormDefinition) -> Outcome<()> {
        let mut seen = Vec::new();
        loop {
            let Some((at, word)) = self.part(&mut seen)? else { return Ok(()) };
            match word.as_str() {
                "NAME" => definition.names = self.names()?,
                "DESC" => definition.description = self.strings()?.into_iter().next(),
                "OBSOLETE" => definition.obsolete = true,
                "OC" => definition.class = self.word("an object class")?,
                "MUST" => definition.must = self.oids()?,
                "MAY" => definition.may = self.oids()?,
                _ => definition.extensions.push(self.extension(at, word)?),
            }
        }
    }

    fn structure_rule(&mut self) -> Outcome<StructureRuleDefinition> {
        self.expect_open()?;
        let at = position(self.text, self.at - 1);
        let mut definition = StructureRuleDefinition { at, id: self.rule_id()?, ..StructureRuleDefinition::default() };
        match self.structure_rule_parts(&mut definition) {
            Ok(()) => Ok(definition),
            Err(problem) => Err(problem.within("DIT structure rule", &[], &definition.id.to_string())),
        }
    }

    fn structure_rule_parts(&mut self, definition: &mut StructureRuleDefinition) -> Outcome<()> {
        let mut seen = Vec::new();
        loop {
            let Some((at, word)) = self.part(&mut seen)? else { return Ok(()) };
            match word.as_str() {
                "NAME" => definition.names = self.names()?,
                "DESC" => definition.description = self.strings()?.into_iter().next(),
                "OBSOLETE" => definition.obsolete = true,
                "FORM" => definition.form = self.word("a name form")?,
                "SUP" => definition.superiors = self.rule_ids()?,
                _ => definition.extensions.push(self.extension(at, word)?),
            }
        }
    }

    /// The number of a structure rule.
    fn rule_id(&mut self) -> Outcome<u32> {
        let (at, token) = self.token()?;
        let Token::Word(word) = token else { return self.problem(at, "expected the number of a structure rule") };
        match number_of(&word) {
            Some(id) => Ok(id),
            None => self.problem(at, format!("\"{word}\" is not the number of a structure rule")),
        }
    }

    /// One number of a structure rule, or several in brackets.
    fn rule_ids(&mut self) -> Outcome<Vec<u32>> {
        self.skip_space();
        if self.peek() != Some('(') {
            return Ok(vec![self.rule_id()?]);
        }
        self.expect_open()?;
        let mut ids = vec![self.rule_id()?];
        loop {
            self.skip_space();
            if self.peek() == Some(')') {
                self.token()?;
                return Ok(ids);
            }
            ids.push(self.rule_id()?);
        }
    }

    /// The next keyword in upper case and where it stands, each once; `None` at the closing bracket.
    fn part(&mut self, seen: &mut Vec<String>) -> Outcome<Option<(usize, String)>> {
        match self.token()? {
            (_, Token::Close) => Ok(None),
            (at, Token::Word(word)) => {
                let word = word.to_ascii_uppercase();
                if seen.contains(&word) {
                    return self.problem(at, format!("{word} is said twice"));
                }
                seen.push(word.clone());
                Ok(Some((at, word)))
            }
            (at, _) => self.problem(at, "expected a keyword or )"),
        }
    }

    fn extension(&mut self, at: usize, word: String) -> Outcome<Extension> {
        if word.starts_with("X-") {
            return Ok((word, self.strings()?));
        }
        self.problem(at, format!("unknown keyword \"{word}\""))
    }

    /// `1.2.3{64}`.
    fn syntax(&mut self) -> Outcome<(Option<String>, Option<u32>)> {
        self.skip_space();
        let at = self.at;
        let word = self.word("the OID of a syntax")?;
        let (oid, bound) = match word.split_once('{') {
            None => (word.as_str(), None),
            Some((oid, bound)) => match bound.strip_suffix('}').and_then(|bound| bound.parse().ok()) {
                Some(bound) => (oid, Some(bound)),
                None => return self.problem(at, format!("bad length in \"{word}\"")),
            },
        };
        match self.expand(oid) {
            Some(oid) => Ok((Some(oid), bound)),
            None => self.problem(at, format!("\"{oid}\" is not the OID of a syntax")),
        }
    }
}

/// A number without leading zeros.
pub(super) fn number_of(word: &str) -> Option<u32> {
    let plain = word == "0" || (!word.starts_with('0') && word.bytes().all(|octet| octet.is_ascii_digit()));
    if plain { word.parse().ok() } else { None }
}

fn line_length(rest: &str) -> usize {
    rest.find('\n').map_or(rest.len(), |found| found + 1)
}

/// numericoid (RFC 4512 §1.4): numbers without leading zeros, at least two, dots between.
pub fn is_numeric_oid(text: &str) -> bool {
    let number =
        |part: &str| !part.is_empty() && part.bytes().all(|octet| octet.is_ascii_digit()) && (part.len() == 1 || !part.starts_with('0'));
    text.contains('.') && text.split('.').all(number)
}

/// keystring (RFC 4512 §1.4): a letter, then letters, digits and hyphens.
pub(super) fn is_descriptor(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Definitions, SchemaError> {
        parse(&Source { name: "test.schema".to_owned(), text: text.to_owned() }, &mut HashMap::new())
    }

    #[test]
    fn slapd_files_are_read_with_macros_comments_and_broken_lines() {
        let found = read(
            "# a comment\nobjectidentifier Base 1.2.3\nObjectIdentifier Sub Base:4\n\n\
             attributetype ( Sub:1 NAME ( 'first' 'one' )\n\tDESC 'it\\27s a\n\t  long \\5C one'\n# inside\n\tEQUALITY caseIgnoreMatch\n\
             \tSYNTAX 1.3.6.1.4.1.1466.115.121.1.15{64} SINGLE-VALUE USAGE dSAOperation X-ORIGIN ( 'a' 'b' ) )\n\
             objectclass ( Sub:2 NAME 'class' SUP (top $ person) AUXILIARY MUST(a$b)MAY c )\n",
        )
        .unwrap();
        assert_eq!(
            found.attributes[0].to_string(),
            "( 1.2.3.4.1 NAME ( 'first' 'one' ) DESC 'it\\27s a long \\5C one' EQUALITY caseIgnoreMatch \
             SYNTAX 1.3.6.1.4.1.1466.115.121.1.15{64} SINGLE-VALUE USAGE dSAOperation X-ORIGIN ( 'a' 'b' ) )"
        );
        assert_eq!(found.classes[0].to_string(), "( 1.2.3.4.2 NAME 'class' SUP ( top $ person ) AUXILIARY MUST ( a $ b ) MAY c )");
    }

    #[test]
    fn ldif_is_read_unfolded() {
        let found = read(
            "dn: cn=schema\r\ncn: schema\r\nattributeTypes: ( 1.2.3 NAME 'fir\r\n st' SYN\r\n TAX 1.3.6.1.4.1.1466.115.121.1.15 )\r\n\
             description:: Zm9v\r\n IGJhcg==\r\nobjectClasses: ( 1.2.4 NAME 'class' SUP top\n  MAY first )\nolcAttributeTypes: {3}( 1.2.5 NAME 'x' SUP first )\n",
        )
        .unwrap();
        assert_eq!(found.attributes[0].to_string(), "( 1.2.3 NAME 'first' SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )");
        assert_eq!(found.attributes[1].to_string(), "( 1.2.5 NAME 'x' SUP first )");
        assert_eq!(found.classes[0].to_string(), "( 1.2.4 NAME 'class' SUP top STRUCTURAL MAY first )");
    }

    #[test]
    fn errors_say_where_and_in_which_definition() {
        let cases = [
            ("attributetype ( 1.2.3 NAME 'a'\n  BOGUS x )", "test.schema:2:3: attribute type a: unknown keyword \"BOGUS\""),
            ("objectclass ( 1.2.3 NAME 'a' MUST ( b c ) )", "test.schema:1:39: object class a: expected $ or )"),
            (
                "attributetype ( nowhere:1 NAME 'a' )",
                "test.schema:1:17: \"nowhere:1\" is neither an OID nor a name given by objectidentifier",
            ),
            (
                "\nfoo bar",
                "test.schema:2:1: unknown directive \"foo\"; attributetype, objectclass, ditcontentrule, nameform, \
                 ditstructurerule and objectidentifier are known",
            ),
            ("attributetype ( 1.2.3 NAME 'a", "test.schema:1:28: attribute type 1.2.3: the quoted string is not closed"),
            ("attributetype ( 1.2.3 NAME 'a' NAME 'b' )", "test.schema:1:32: attribute type a: NAME is said twice"),
            ("attributetype ( 1.2.3 NAME 'a' ", "test.schema:1:32: attribute type a: the definition is not finished"),
            ("attributetypes: ( 1.2.3 NAME 'a' ) x", "test.schema:1:36: something follows the definition"),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text).err().map(|error| error.to_string()).as_deref(), Some(expected), "{text}");
        }
    }
}
