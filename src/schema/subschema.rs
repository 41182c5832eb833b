//! The subschema entry (RFC 4512 §4.2): everything the server knows of its schema, as definitions.

use super::{Comparison, MatchingRule, Schema, Syntax};
use crate::model::AttributeId;

impl Schema {
    /// The attributes of the subschema entry (RFC 4512 §4.2): name and values.
    pub fn subschema(&self) -> Vec<(&'static str, Vec<String>)> {
        let [forms, rules] = self.published_naming();
        vec![
            (
                "attributeTypes",
                self.attributes.iter().filter(|attribute| !attribute.retired).map(|attribute| attribute.text.clone()).collect(),
            ),
            ("objectClasses", self.classes.iter().map(|class| class.text.clone()).collect()),
            ("dITContentRules", self.content_rules.iter().map(|rule| rule.text.clone()).collect()),
            forms,
            rules,
            ("matchingRules", MatchingRule::ALL.iter().copied().map(matching_rule).collect()),
            ("matchingRuleUse", MatchingRule::ALL.iter().filter_map(|rule| self.matching_rule_use(*rule)).collect()),
            ("ldapSyntaxes", Syntax::ALL.iter().copied().map(ldap_syntax).collect()),
        ]
    }

    /// Whether an extensible match may ask for the type by the rule (RFC 4511 §4.5.1.7.7): it is a rule for its syntax, or
    /// compares as one of the type's own. What the subschema says of the use of rules is this.
    pub fn rule_applies(&self, rule: MatchingRule, attribute: AttributeId) -> bool {
        if rule.comparison() == Comparison::InChain {
            return self.has_chains(attribute);
        }
        let definition = self.attribute_type(attribute);
        let own = [definition.equality, definition.ordering, definition.substring];
        !definition.secret && (rule.takes(self.syntax_of(attribute)) || own.into_iter().flatten().any(|held| held.same_form(rule)))
    }

    /// The attribute types a rule can be asked for in an extensible match.
    fn matching_rule_use(&self, rule: MatchingRule) -> Option<String> {
        let applies = self.attributes.iter().filter(|attribute| self.rule_applies(rule, attribute.id));
        let names: Vec<&str> = applies.map(|attribute| attribute.name()).collect();
        let applies = match names.as_slice() {
            [] => return None,
            [one] => (*one).to_owned(),
            many => format!("( {} )", many.join(" $ ")),
        };
        Some(format!("( {} NAME '{}' APPLIES {applies} )", rule.oid(), rule.name()))
    }
}

fn matching_rule(rule: MatchingRule) -> String {
    format!("( {} NAME '{}' SYNTAX {} )", rule.oid(), rule.name(), rule.syntax())
}

fn ldap_syntax(syntax: Syntax) -> String {
    let octets = matches!(syntax, Syntax::Audio | Syntax::Binary | Syntax::Fax | Syntax::Jpeg | Syntax::OctetString);
    let extension = match syntax {
        syntax if syntax.is_binary_transfer() => " X-BINARY-TRANSFER-REQUIRED 'TRUE' X-NOT-HUMAN-READABLE 'TRUE'",
        _ if octets => " X-NOT-HUMAN-READABLE 'TRUE'",
        _ => "",
    };
    format!("( {} DESC '{}'{extension} )", syntax.oid(), syntax.description())
}
