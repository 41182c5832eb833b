"""RFC 4512: the models."""

import re

import wire
from conformance import OPERATOR, SUFFIX, Conformance
from wire import ADD, BASE, CHILDREN, DELETE, REPLACE, SUB

SCHEMA = """
attributetype ( 1.3.6.1.4.1.99999.12.1 NAME ( 'tColour' 'tColor' ) DESC 'a colour' EQUALITY caseIgnoreMatch
  ORDERING caseIgnoreOrderingMatch SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15{64} )
attributetype ( 1.3.6.1.4.1.99999.12.2 NAME 'tWarmColour' SUP tColour )
attributetype ( 1.3.6.1.4.1.99999.12.3 NAME 'tRed' SUP tWarmColour SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.99999.12.4 NAME 'tOnce' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.99999.12.5 NAME 'tGone' OBSOLETE EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
objectclass ( 1.3.6.1.4.1.99999.12.20 NAME ( 'tThing' 'tObject' ) DESC 'a thing' SUP top STRUCTURAL MUST cn MAY ( tColour $ description ) )
objectclass ( 1.3.6.1.4.1.99999.12.21 NAME 'tSubThing' SUP tThing STRUCTURAL MUST tOnce )
objectclass ( 1.3.6.1.4.1.99999.12.22 NAME 'tPainted' SUP top AUXILIARY MUST tColour MAY ( tWarmColour $ tRed ) )
objectclass ( 1.3.6.1.4.1.99999.12.23 NAME 'tIdea' SUP top ABSTRACT MAY description )
objectclass ( 1.3.6.1.4.1.99999.12.24 NAME 'tOther' SUP top STRUCTURAL MUST cn )
objectclass ( 1.3.6.1.4.1.99999.12.25 NAME 'tMarked' SUP tPainted AUXILIARY )
"""

NO_SUCH_ATTRIBUTE, UNDEFINED_TYPE, CONSTRAINT, EXISTS_VALUE, BAD_VALUE, OBJECT_CLASS, CLASS_CHANGE = 16, 17, 19, 20, 21, 65, 69


class WithSchema(Conformance):
    SCHEMA = SCHEMA

    def thing(self, name, *classes, **attributes):
        dn = f"cn={name},{self.base}"
        self.ok(wire.add(dn, {"objectClass": ["tThing", *classes], **attributes}))
        return dn


class Root(WithSchema):
    """§5.1."""

    def root(self, *attributes):
        return self.anonymous().entry("", *attributes)

    def test_base_scope_without_bind(self):
        """RFC 4512 §5.1: the root DSE is read by a base search of the empty name with (objectClass=*)."""
        self.assertEqual(self.root().dn, "")

    def test_not_in_other_searches(self):
        """RFC 4512 §5.1: the root DSE is not included in any subtree search."""
        for scope in (wire.ONE, SUB, CHILDREN):
            *found, done = self.wire.exchange(wire.search("", scope, attributes=["1.1"]))
            self.assertNotIn("", [answer.dn for answer in found])
            self.assertIn(done.code, (0, 32))

    def test_operational_attributes_are_asked_for(self):
        """RFC 4512 §5.1: attributes of operational nature are returned where asked for."""
        found = self.root("supportedLDAPVersion", "namingContexts", "subschemaSubentry")
        self.assertEqual(found.values("supportedLDAPVersion"), ["3"])
        self.assertTrue(found.values("subschemaSubentry"))

    def test_plus_gives_them_all(self):
        """RFC 4512 §5.1, RFC 3673: + returns all operational attributes of the root DSE."""
        found = self.root("+")
        for name in ("supportedControl", "supportedExtension", "supportedFeatures", "supportedLDAPVersion"):
            self.assertTrue(found.values(name), name)

    def test_naming_contexts(self):
        """RFC 4512 §5.1.2: namingContexts lists the contexts that the server holds."""
        self.assertEqual(self.wire.entry("", "namingContexts").values("namingContexts"), [SUFFIX])

    def test_feature_oids(self):
        """RFC 4512 §5.1.3 to §5.1.7: what is supported is listed by OIDs, each once."""
        found = self.root("*", "+")
        for name in ("supportedControl", "supportedExtension", "supportedFeatures"):
            values = found.values(name)
            self.assertEqual(len(values), len(set(values)), name)
            for value in values:
                self.assertRegex(value, r"^[0-2](\.(0|[1-9][0-9]*))+$")

    def test_sasl_mechanisms(self):
        """RFC 4512 §5.1.7: supportedSASLMechanisms lists names of mechanisms."""
        for value in self.root("supportedSASLMechanisms").values("supportedSASLMechanisms"):
            self.assertRegex(value, r"^[A-Z0-9_-]{1,20}$")

    def test_filter_applies(self):
        """RFC 4512 §5.1, RFC 4511 §4.5.1: a filter that the root DSE does not match returns nothing."""
        self.assertEqual(self.wire.entries("", BASE, "(objectClass=person)"), [])
        self.assertEqual(len(self.wire.entries("", BASE, "(supportedLDAPVersion=3)")), 1)

    def test_types_only(self):
        """RFC 4511 §4.5.1.6: typesOnly holds for the root DSE too."""
        (found,) = self.wire.entries("", types_only=True, attributes=["supportedLDAPVersion"])
        self.assertEqual(found.attributes, {"supportedLDAPVersion": []})

    def test_read_by_ldap3(self):
        """RFC 4512 §5.1: an independent client finds the contexts and the version."""
        server = self.library("ldap3").server
        self.assertEqual((server.info.naming_contexts, server.info.supported_ldap_versions), ([SUFFIX], ["3"]))

    def test_alt_server_absent_or_uris(self):
        """RFC 4512 §5.1.1: altServer holds URIs where it is there."""
        for value in self.root("altServer").values("altServer"):
            self.assertRegex(value, r"^ldaps?://")


class Subschema(WithSchema):
    """§4.2, §4.4."""

    def setUp(self):
        super().setUp()
        self.name = self.wire.entry("", "subschemaSubentry").values("subschemaSubentry")[0]

    def published(self, *attributes):
        (found,) = self.wire.entries(self.name, BASE, "(objectClass=subschema)", attributes=attributes)
        return found

    def test_object_class_filter(self):
        """RFC 4512 §4.4: the subschema is read by a base search with (objectClass=subschema)."""
        self.assertIn("subschema", self.published("objectClass").values("objectClass"))

    def test_operational_only_when_asked(self):
        """RFC 4512 §4.2, §4.4: the schema's attributes are operational: returned by name or +, and not by *."""
        self.assertEqual(self.published("*").values("attributeTypes"), [])
        self.assertTrue(self.published("attributeTypes").values("attributeTypes"))
        self.assertTrue(self.published("+").values("objectClasses"))

    def test_each_entry_says_where(self):
        """RFC 4512 §4.2: each entry has subschemaSubentry, which names its subschema."""
        self.assertEqual(self.wire.entry(self.base, "subschemaSubentry").values("subschemaSubentry"), [self.name])

    def test_must_hold_object_classes_and_types(self):
        """RFC 4512 §4.2: cn, objectClasses and attributeTypes are there; also the rules and syntaxes."""
        found = self.published("*", "+")
        for name in ("cn", "objectClasses", "attributeTypes", "matchingRules", "ldapSyntaxes"):
            self.assertTrue(found.values(name), name)

    def test_parsed_by_python_ldap(self):
        """RFC 4512 §4.1: an independent parser reads every definition, and finds what a file added."""
        import ldap.schema

        found = self.published("*", "+")
        schema = ldap.schema.SubSchema({name: values for name, values in found.attributes.items()})
        for kind, attribute in ((ldap.schema.AttributeType, "attributeTypes"), (ldap.schema.ObjectClass, "objectClasses"), (ldap.schema.MatchingRule, "matchingRules"), (ldap.schema.LDAPSyntax, "ldapSyntaxes")):
            self.assertEqual(len(schema.listall(kind)), len(found.values(attribute)), attribute)
        thing = schema.get_obj(ldap.schema.ObjectClass, "tObject")
        self.assertEqual((thing.oid, thing.names, thing.sup, thing.must, thing.kind), ("1.3.6.1.4.1.99999.12.20", ("tThing", "tObject"), ("top",), ("cn",), 0))
        colour = schema.get_obj(ldap.schema.AttributeType, "tColour")
        self.assertEqual((colour.equality, colour.substr, colour.syntax, colour.single_value), ("caseIgnoreMatch", "caseIgnoreSubstringsMatch", "1.3.6.1.4.1.1466.115.121.1.15", False))
        self.assertTrue(schema.get_obj(ldap.schema.AttributeType, "tGone").obsolete)
        self.assertEqual(schema.get_obj(ldap.schema.AttributeType, "tRed").sup, ("tWarmColour",))

    def test_closed(self):
        """RFC 4512 §4.1: every name that a definition refers to is defined."""
        import ldap.schema

        found = self.published("*", "+")
        schema = ldap.schema.SubSchema({name: values for name, values in found.attributes.items()})
        types, classes, rules, syntaxes = (
            {spelling.casefold() for definition in (schema.get_obj(kind, oid) for oid in schema.listall(kind)) for spelling in (*getattr(definition, "names", ()), definition.oid)}
            for kind in (ldap.schema.AttributeType, ldap.schema.ObjectClass, ldap.schema.MatchingRule, ldap.schema.LDAPSyntax)
        )
        for definition in (schema.get_obj(ldap.schema.AttributeType, oid) for oid in schema.listall(ldap.schema.AttributeType)):
            for rule in filter(None, (definition.equality, definition.ordering, definition.substr)):
                self.assertIn(rule.casefold(), rules, definition.names)
            if definition.syntax:
                self.assertIn(definition.syntax, syntaxes, definition.names)
            self.assertTrue(definition.syntax or definition.sup, definition.names)
            for above in definition.sup:
                self.assertIn(above.casefold(), types, definition.names)
        for definition in (schema.get_obj(ldap.schema.ObjectClass, oid) for oid in schema.listall(ldap.schema.ObjectClass)):
            for attribute in (*definition.must, *definition.may):
                self.assertIn(attribute.casefold(), types, definition.names)
            for above in definition.sup:
                self.assertIn(above.casefold(), classes, definition.names)
        for use in found.values("matchingRuleUse"):
            names = re.search(r"APPLIES (\(([^)]*)\)|(\S+))", use)
            for attribute in (names.group(2) or names.group(3)).split("$"):
                self.assertIn(attribute.strip().casefold(), types, use[:60])

    def test_each_oid_once(self):
        """RFC 4512 §4.1: an OID or a name identifies one definition of a kind."""
        found = self.published("*", "+")
        for attribute in ("attributeTypes", "objectClasses", "matchingRules", "ldapSyntaxes"):
            oids = [value.split()[1] for value in found.values(attribute)]
            self.assertEqual(len(oids), len(set(oids)), attribute)

    def test_first_component_match(self):
        """RFC 4512 §4.2, RFC 4517 §4.2.25: a definition is found by its OID or name with objectIdentifierFirstComponentMatch."""
        for value in ("2.5.4.3", "cn", "commonName"):
            self.assertEqual(len(self.wire.entries(self.name, BASE, f"(attributeTypes={value})", attributes=["1.1"])), 1, value)
        self.assertEqual(self.wire.entries(self.name, BASE, "(attributeTypes=1.2.3.4.5.6)", attributes=["1.1"]), [])

    def test_base_rfc_schema_is_there(self):
        """RFC 4512 §3.3 to §4.4, RFC 4519: the types and classes that the RFCs define are published."""
        text = "\n".join(self.published("*", "+").values("attributeTypes"))
        for oid, name in (
            ("2.5.4.0", "objectClass"), ("2.5.4.1", "aliasedObjectName"), ("2.5.18.1", "createTimestamp"), ("2.5.18.2", "modifyTimestamp"),
            ("2.5.18.3", "creatorsName"), ("2.5.18.4", "modifiersName"), ("2.5.18.10", "subschemaSubentry"), ("2.5.21.5", "attributeTypes"),
            ("2.5.21.6", "objectClasses"), ("2.5.21.4", "matchingRules"), ("2.5.21.8", "matchingRuleUse"), ("2.5.21.9", "structuralObjectClass"),
            ("2.5.21.10", "governingStructureRule"), ("2.5.21.1", "dITStructureRules"), ("2.5.21.2", "dITContentRules"), ("2.5.21.7", "nameForms"),
            ("1.3.6.1.4.1.1466.101.120.16", "ldapSyntaxes"), ("1.3.6.1.4.1.1466.101.120.6", "altServer"), ("1.3.6.1.4.1.1466.101.120.5", "namingContexts"),
            ("1.3.6.1.4.1.1466.101.120.13", "supportedControl"), ("1.3.6.1.4.1.1466.101.120.7", "supportedExtension"), ("1.3.6.1.4.1.4203.1.3.5", "supportedFeatures"),
            ("1.3.6.1.4.1.1466.101.120.15", "supportedLDAPVersion"), ("1.3.6.1.4.1.1466.101.120.14", "supportedSASLMechanisms"),
        ):
            self.assertRegex(text, rf"\( {re.escape(oid)} NAME (\( )?'{name}'", name)
        classes = "\n".join(self.published("objectClasses").values("objectClasses"))
        for oid, name in (("2.5.6.0", "top"), ("2.5.6.1", "alias"), ("2.5.20.1", "subschema"), ("1.3.6.1.4.1.1466.101.120.111", "extensibleObject"), ("2.5.6.6", "person")):
            self.assertRegex(classes, rf"\( {re.escape(oid)} NAME (\( )?'{name}'", name)

    def test_cannot_be_deleted_or_renamed(self):
        """RFC 4512 §4.2: the subschema entry is the server's."""
        for operation in (wire.delete(self.name), wire.rename(self.name, "cn=other")):
            self.assertNotEqual(self.wire.request(operation).code, 0)
        self.assertTrue(self.published("1.1"))


class Classes(WithSchema):
    """§2.4."""

    def test_superclasses_are_implicit(self):
        """RFC 4512 §2.4.2, §3.3: an entry matches the superclasses of its classes."""
        self.thing("a", "tSubThing", tOnce=["1"])
        for name in ("tSubThing", "tThing", "TOBJECT", "top", "1.3.6.1.4.1.99999.12.20"):
            self.assertEqual(self.names(f"(objectClass={name})")[:1], ["a"], name)
        self.assertEqual(self.names("(objectClass=tPainted)"), [])

    def test_structural_class_is_kept(self):
        """RFC 4512 §2.4.2, §3.4.8: structuralObjectClass names the most subordinate structural class."""
        dn = self.thing("a", "tSubThing", tOnce=["1"])
        self.assertEqual(self.wire.entry(dn, "structuralObjectClass").values("structuralObjectClass"), ["tSubThing"])

    def test_abstract_alone(self):
        """RFC 4512 §2.4.1: an entry cannot belong to an abstract class unless it belongs to a structural or auxiliary one of it."""
        self.refused(OBJECT_CLASS, wire.add(f"cn=a,{self.base}", {"objectClass": ["tIdea"], "cn": ["a"]}))

    def test_auxiliary_alone(self):
        """RFC 4512 §2.4.2: every entry has a structural class."""
        self.refused(OBJECT_CLASS, wire.add(f"tColour=a,{self.base}", {"objectClass": ["tPainted"]}))

    def test_two_structural_chains(self):
        """RFC 4512 §2.4.2: an entry has one structural superclass chain."""
        self.refused(OBJECT_CLASS, wire.add(f"cn=a,{self.base}", {"objectClass": ["tThing", "tOther"]}))

    def test_structural_class_does_not_change(self):
        """RFC 4512 §2.4.2: the structural class shall not be changed: objectClassModsProhibited."""
        dn = self.thing("a")
        answer = self.wire.request(wire.modify(dn, (REPLACE, "objectClass", ["tOther"])))
        self.assertIn(answer.code, (CLASS_CHANGE, OBJECT_CLASS))
        answer = self.wire.request(wire.modify(dn, (ADD, "objectClass", ["tOther"])))
        self.assertIn(answer.code, (CLASS_CHANGE, OBJECT_CLASS))
        self.assertEqual(self.wire.entry(dn).values("objectClass"), ["tThing"])

    def test_structural_class_is_not_removed(self):
        """RFC 4512 §3.3: objectClass and the structural class cannot be removed."""
        dn = self.thing("a")
        for change in ((DELETE, "objectClass", []), (DELETE, "objectClass", ["tThing"])):
            self.assertIn(self.wire.request(wire.modify(dn, change)).code, (CLASS_CHANGE, OBJECT_CLASS))

    def test_auxiliary_comes_and_goes(self):
        """RFC 4512 §2.4.3, §3.3: an auxiliary class is added and removed by a modify, with its attributes."""
        dn = self.thing("a")
        self.ok(wire.modify(dn, (ADD, "objectClass", ["tPainted"]), (ADD, "tRed", ["x"]), (ADD, "tColour", ["y"])))
        self.refused(OBJECT_CLASS, wire.modify(dn, (DELETE, "objectClass", ["tPainted"])))
        self.ok(wire.modify(dn, (DELETE, "objectClass", ["tPainted"]), (DELETE, "tRed", [])))
        self.refused(OBJECT_CLASS, wire.modify(dn, (ADD, "objectClass", ["tPainted"]), (DELETE, "tColour", [])))

    def test_must_of_auxiliary(self):
        """RFC 4512 §2.4.3: what an auxiliary class requires must be there."""
        self.refused(OBJECT_CLASS, wire.modify(self.thing("a"), (ADD, "objectClass", ["tMarked"])))

    def test_class_that_is_not_defined(self):
        """RFC 4512 §2.4: a class that the schema does not define is refused."""
        answer = self.wire.request(wire.add(f"cn=a,{self.base}", {"objectClass": ["tThing", "noSuchClass"]}))
        self.assertIn(answer.code, (OBJECT_CLASS, BAD_VALUE))

    def test_must_is_satisfied_by_subtypes(self):
        """RFC 4512 §2.5.1: a subtype can be used where its supertype is required or allowed? Only as the schema names it."""
        answer = self.wire.request(wire.add(f"cn=a,{self.base}", {"objectClass": ["tThing"], "tRed": ["x"]}))
        self.assertEqual(answer.code, OBJECT_CLASS)

    def test_extensible_object(self):
        """RFC 4512 §4.3: extensibleObject allows every user attribute, and nothing unknown."""
        dn = self.thing("a", "extensibleObject", mail=["a@example.com"], tRed=["x"])
        self.assertEqual(self.wire.entry(dn).values("mail"), ["a@example.com"])
        self.refused(UNDEFINED_TYPE, wire.modify(dn, (ADD, "noSuchType", ["x"])))

    def test_class_by_any_name(self):
        """RFC 4512 §2.4: a class is named by OID or any name, in any case; the value is kept as given."""
        self.ok(wire.add(f"cn=a,{self.base}", {"objectClass": ["1.3.6.1.4.1.99999.12.20"]}))
        self.ok(wire.add(f"cn=b,{self.base}", {"objectClass": ["TOBJECT"]}))
        self.assertEqual(self.names("(objectClass=tThing)"), ["a", "b"])
        self.refused(6, wire.compare(f"cn=a,{self.base}", "objectClass", "tthing"))

    def test_top_may_be_listed(self):
        """RFC 4512 §2.4.1: top may be listed or left out."""
        self.ok(wire.add(f"cn=a,{self.base}", {"objectClass": ["top", "tThing"]}))


class Attributes(WithSchema):
    """§2.5, §2.6."""

    def painted(self, name="a", **attributes):
        return self.thing(name, "tPainted", **{"tColour": ["plain"], **attributes})

    def test_subtypes_in_a_search(self):
        """RFC 4512 §2.5.1: a filter on a supertype matches values of its subtypes, and not the other way."""
        self.painted("a", tRed=["scarlet"])
        self.painted("b", tColour=["scarlet"])
        self.assertEqual(self.names("(tColour=scarlet)"), ["a", "b"])
        self.assertEqual(self.names("(tWarmColour=scarlet)"), ["a"])
        self.assertEqual(self.names("(tRed=*)"), ["a"])
        self.assertEqual(self.names("(tColour=scar*)"), ["a", "b"])
        self.assertEqual(self.names("(tColour>=s)"), ["a", "b"])

    def test_subtypes_are_returned(self):
        """RFC 4512 §2.5.1, RFC 4511 §4.5.1.8: asking for a supertype returns the subtypes under their own names."""
        dn = self.painted(tRed=["scarlet"], tWarmColour=["ochre"])
        self.assertEqual(set(self.wire.entry(dn, "tColor").attributes), {"tColour", "tRed", "tWarmColour"})
        self.assertEqual(set(self.wire.entry(dn, "tWarmColour").attributes), {"tRed", "tWarmColour"})

    def test_modify_names_one_type(self):
        """RFC 4512 §2.5.1, RFC 4511 §4.6: a change of a supertype leaves its subtypes alone."""
        dn = self.painted(tRed=["scarlet"])
        self.ok(wire.modify(dn, (REPLACE, "tColour", ["green"])))
        self.assertEqual(self.wire.entry(dn).values("tRed"), ["scarlet"])

    def test_same_value_in_sub_and_supertype(self):
        """RFC 4512 §2.5.1: values need only differ within one attribute."""
        self.painted(tRed=["plain"], tWarmColour=["plain"])

    def test_single_value_of_subtype(self):
        """RFC 4512 §2.5.1: a subtype may be SINGLE-VALUE though its supertype is not."""
        self.refused(CONSTRAINT, wire.modify(self.painted(), (ADD, "tRed", ["a", "b"])))

    def test_names_and_oid(self):
        """RFC 4512 §2.5: all names and the OID are one type; what is returned uses one of them."""
        dn = self.painted()
        for name in ("tColour", "TCOLOR", "1.3.6.1.4.1.99999.12.1"):
            self.assertEqual([values for values in self.wire.entry(dn, name).attributes.values()], [[b"plain"]], name)
        self.refused(EXISTS_VALUE, wire.modify(dn, (ADD, "tColor", ["PLAIN"])))

    def test_options_are_subtypes(self):
        """RFC 4512 §2.5.2.1: a description with options is a subtype of the one without them."""
        dn = self.painted("a", **{"tColour;lang-de": ["rot"], "tColour;lang-de;lang-fr": ["beides"]})
        self.assertEqual(self.names("(tColour=rot)"), ["a"])
        self.assertEqual(self.names("(tColour;lang-de=beides)"), ["a"])
        self.assertEqual(self.names("(tColour;lang-fr=rot)"), [])
        self.assertEqual(set(self.wire.entry(dn, "tColour;lang-fr").attributes), {"tColour;lang-de;lang-fr"})
        self.assertEqual(len(self.wire.entry(dn, "tColour").attributes), 3)

    def test_option_order_and_case(self):
        """RFC 4512 §2.5: options have no order and no case."""
        dn = self.painted(**{"tColour;lang-de;lang-fr": ["x"]})
        self.refused(EXISTS_VALUE, wire.modify(dn, (ADD, "TCOLOUR;LANG-FR;lang-DE", ["X"])))
        self.ok(wire.modify(dn, (DELETE, "tcolour;Lang-Fr;Lang-De", ["x"])))

    def test_options_of_subtypes(self):
        """RFC 4512 §2.5.2.1: a supertype with an option matches subtypes with that option."""
        self.painted("a", **{"tRed;lang-de": ["rot"]})
        self.assertEqual(self.names("(tColour;lang-de=rot)"), ["a"])

    def test_delete_names_the_options(self):
        """RFC 4512 §2.5, RFC 4511 §4.6: changes go to the description with exactly these options."""
        dn = self.painted(**{"tColour;lang-de": ["rot"]})
        self.refused(NO_SUCH_ATTRIBUTE, wire.modify(dn, (DELETE, "tColour", ["rot"])))
        self.ok(wire.modify(dn, (DELETE, "tColour;lang-de", [])))

    def test_unknown_option(self):
        """RFC 4512 §2.5.2: a description with an option that is not recognised is unrecognised."""
        dn = self.painted()
        self.refused(UNDEFINED_TYPE, wire.modify(dn, (ADD, "tColour;strange", ["x"])))
        self.assertEqual(self.names("(!(tColour;strange=x))"), [])
        self.assertEqual(self.wire.entry(dn, "tColour;strange").attributes, {})

    def test_bad_description(self):
        """RFC 4512 §2.5: what is no attribute description is unrecognised, and never an end of the session."""
        for name in ("", ";", "tColour;", "tColour;;", " tColour", "tColour ", "1.2.", "-a", "tColour;lang_de", "a b"):
            self.refused(UNDEFINED_TYPE, wire.modify(self.base, (ADD, name, ["x"])))
            self.assertEqual(self.wire.entries(self.base, BASE, wire.tlv(0xA3, wire.octets(name), wire.octets("x"))), [], name)

    def test_values_are_a_set(self):
        """RFC 4512 §2.5.1: no two values may be equivalent under the equality rule."""
        self.refused(EXISTS_VALUE, wire.add(f"cn=a,{self.base}", {"objectClass": ["tThing"], "tColour": ["Red", "rED"]}))

    def test_values_keep_their_spelling(self):
        """RFC 4512 §2.2: a value is kept as it was given."""
        dn = self.painted(description=["  Two   Spaces ", "ÄÖÜ"])
        self.assertEqual(sorted(self.wire.entry(dn).values("description")), sorted(["  Two   Spaces ", "ÄÖÜ"]))

    def test_minimum_upper_bound_is_no_limit(self):
        """RFC 4512 §4.1.2: a length in braces is a minimum that is supported, not a maximum."""
        self.ok(wire.modify(self.painted(), (ADD, "description", ["x" * 3000])))

    def test_no_equality_rule(self):
        """RFC 4512 §2.5.1: without equality rule values cannot be added or deleted one by one, but replaced."""
        dn = self.thing("a", "extensibleObject", jpegPhoto=[b"\xff\xd8\x01"])
        self.ok(wire.modify(dn, (REPLACE, "jpegPhoto", [b"\xff\xd8\x02"])))
        answer = self.wire.request(wire.modify(dn, (DELETE, "jpegPhoto", [b"\xff\xd8\x02"])))
        self.assertIn(answer.code, (0, 18))


class Operational(WithSchema):
    """§3.4."""

    def test_creators_and_modifiers(self):
        """RFC 4512 §3.4.1 to §3.4.4: creatorsName, createTimestamp, modifiersName, modifyTimestamp are kept."""
        dn = self.thing("a")
        made = self.wire.entry(dn, "+")
        self.assertEqual([v.casefold() for v in made.values("creatorsName")], [OPERATOR])
        self.assertRegex(made.values("createTimestamp")[0], r"^2[0-9]{13}(\.[0-9]+)?Z$")
        self.ok(wire.modify(dn, (ADD, "description", ["x"])))
        changed = self.wire.entry(dn, "+")
        self.assertEqual([v.casefold() for v in changed.values("modifiersName")], [OPERATOR])
        self.assertEqual(changed.values("createTimestamp"), made.values("createTimestamp"))
        self.assertGreaterEqual(changed.values("modifyTimestamp")[0], made.values("createTimestamp")[0])

    def test_not_modified_by_users(self):
        """RFC 4512 §3.4: what the server keeps cannot be changed by a client."""
        dn = self.thing("a")
        for name, value in (("creatorsName", OPERATOR), ("modifyTimestamp", "20200101000000Z"), ("structuralObjectClass", "tOther"), ("subschemaSubentry", "cn=x"), ("entryUUID", "00000000-0000-0000-0000-000000000001"), ("hasSubordinates", "TRUE"), ("entryDN", dn)):
            self.refused(CONSTRAINT, wire.modify(dn, (REPLACE, name, [value])))

    def test_not_among_user_attributes(self):
        """RFC 4512 §3.4: operational attributes are not returned unless asked for; + returns them."""
        dn = self.thing("a")
        self.assertEqual(set(self.wire.entry(dn).attributes), {"objectClass", "cn"})
        self.assertFalse({"objectClass", "cn"} & set(self.wire.entry(dn, "+").attributes))

    def test_searchable(self):
        """RFC 4512 §3.4: operational attributes can be asserted about."""
        dn = self.thing("a")
        stamp = self.wire.entry(dn, "createTimestamp").values("createTimestamp")[0]
        self.assertIn("a", self.names(f"(createTimestamp={stamp})"))
        self.assertIn("a", self.names(f"(creatorsName={OPERATOR.upper()})"))
        self.assertEqual(self.names("(createTimestamp>=29990101000000Z)"), [])
        self.assertEqual(self.names("(structuralObjectClass=tThing)"), ["a"])

    def test_rename_is_a_modification(self):
        """RFC 4512 §3.4.3, §3.4.4: a rename sets modifiersName and modifyTimestamp, and keeps who made the entry."""
        dn = self.thing("a")
        made = self.wire.entry(dn, "+")
        self.ok(wire.rename(dn, "cn=b"))
        found = self.wire.entry(f"cn=b,{self.base}", "+")
        self.assertEqual(found.values("entryUUID"), made.values("entryUUID"))
        self.assertTrue(found.values("modifyTimestamp"))


class Names(WithSchema):
    """§2.3."""

    def test_rdn_values_are_in_the_entry(self):
        """RFC 4512 §2.3.1: the values of the RDN are values of the entry."""
        self.ok(wire.add(f"cn=a+tColour=blue,{self.base}", {"objectClass": ["tThing"]}))
        found = self.wire.entry(f"tColor=BLUE+CN=A,{self.base}")
        self.assertEqual((found.values("cn"), found.values("tColour")), (["a"], ["blue"]))

    def test_same_type_twice_in_an_rdn(self):
        """RFC 4512 §2.3.1: an RDN holds each attribute type once."""
        answer = self.wire.request(wire.add(f"cn=a+cn=b,{self.base}", {"objectClass": ["tThing"]}))
        self.assertIn(answer.code, (34, 64))

    def test_options_in_an_rdn(self):
        """RFC 4512 §2.3.1: descriptions in an RDN have no options."""
        self.refused(34, wire.add(f"cn;lang-de=a,{self.base}", {"objectClass": ["tThing"], "cn": ["x"]}))

    def test_siblings_differ(self):
        """RFC 4512 §2.3.1: RDNs of siblings are distinct, under the equality rules, as sets."""
        self.ok(wire.add(f"cn=a+tColour=blue,{self.base}", {"objectClass": ["tThing"]}))
        self.refused(68, wire.add(f"tColour=Blue+cn=A,{self.base}", {"objectClass": ["tThing"]}))
        self.ok(wire.add(f"cn=a,{self.base}", {"objectClass": ["tThing"]}))

    def test_dn_as_stored(self):
        """RFC 4512 §2.3.2: a DN is its RDN and the DN above; a search returns it under every spelling asked."""
        dn = self.thing("Spelled So")
        for spelled in (dn.upper(), dn.replace(",", " , "), dn.replace("cn=", "2.5.4.3=")):
            self.assertEqual(self.wire.entry(spelled).dn.casefold(), dn.casefold())


NAMING = """
objectclass ( 1.3.6.1.4.1.99999.12.40 NAME 'tHouse' SUP top STRUCTURAL MUST cn MAY ( ou $ description ) )
objectclass ( 1.3.6.1.4.1.99999.12.41 NAME 'tRoom' SUP top STRUCTURAL MUST cn MAY ( roomNumber $ ou ) )
objectclass ( 1.3.6.1.4.1.99999.12.42 NAME 'tShelf' SUP top STRUCTURAL MUST cn MAY ou )
objectclass ( 1.3.6.1.4.1.99999.12.43 NAME 'tOdd' SUP tRoom STRUCTURAL )
nameForm ( 1.3.6.1.4.1.99999.12.50 NAME 'tHouseForm' DESC 'how houses are named' OC tHouse MUST cn )
nameForm ( 1.3.6.1.4.1.99999.12.51 NAME 'tRoomForm' OC tRoom MUST cn MAY roomNumber )
nameForm ( 1.3.6.1.4.1.99999.12.52 NAME 'tShelfForm' OC tShelf MUST ou )
dITStructureRule ( 1 NAME 'tHouseRule' FORM tHouseForm )
dITStructureRule ( 2 NAME 'tRoomRule' FORM tRoomForm SUP ( 1 2 ) )
"""
NAMING_VIOLATION = 64


class Naming(Conformance):
    """§4.1.7."""

    SCHEMA = NAMING

    def setUp(self):
        super().setUp()
        self.house = self.make("cn=house", "tHouse")
        self.room = self.make("cn=room", "tRoom", self.house)

    def make(self, rdn, kind, above=None, code=0, **attributes):
        dn = f"{rdn},{above or self.base}"
        self.answer = self.refused(code, wire.add(dn, {"objectClass": [kind], **attributes}))
        return dn

    def rule(self, dn):
        return self.wire.entry(dn, "governingStructureRule").values("governingStructureRule")

    def test_4_2_published(self):
        """RFC 4512 §4.2.6, §4.2.7: the subschema has nameForms and dITStructureRules, and is found by them."""
        (found,) = self.wire.entries("cn=Subschema", BASE, "(&(nameForms=tHouseForm)(dITStructureRules=2))", attributes=["nameForms", "dITStructureRules"])
        self.assertIn("( 1.3.6.1.4.1.99999.12.50 NAME 'tHouseForm' DESC 'how houses are named' OC tHouse MUST cn )", found.values("nameForms"))
        self.assertIn("( 2 NAME 'tRoomRule' FORM tRoomForm SUP ( 1 2 ) )", found.values("dITStructureRules"))
        self.assertEqual(self.wire.entries("cn=Subschema", BASE, "(dITStructureRules=3)"), [])

    def test_4_1_7_2_must(self):
        """RFC 4512 §4.1.7.2: a name has every attribute that the form requires; the text names attribute and form."""
        self.make("ou=x", "tHouse", code=NAMING_VIOLATION, cn=["x"])
        self.assertIn("cn", self.answer.text)
        self.assertIn("tHouseForm", self.answer.text)

    def test_4_1_7_2_may(self):
        """RFC 4512 §4.1.7.2: a name has no attribute that the form does not allow."""
        self.make("cn=x+roomNumber=1", "tRoom", self.house)
        self.make("cn=y+ou=1", "tRoom", self.house, NAMING_VIOLATION)
        self.assertIn("ou", self.answer.text)
        self.assertIn("tRoomForm", self.answer.text)

    def test_4_1_7_2_a_form_without_rules(self):
        """RFC 4512 §4.1.7.2: a form that no structure rule uses says how its entries are named, and nothing of where."""
        for above in (self.base, self.house, self.room):
            self.assertEqual(self.rule(self.make("ou=shelf", "tShelf", above, cn=["x"])), [])
            self.make("cn=other", "tShelf", above, NAMING_VIOLATION)

    def test_4_1_7_1_superior(self):
        """RFC 4512 §4.1.7.1: an entry stands below an entry that its rule names as superior; the text names attribute and rule."""
        self.make("cn=inner", "tRoom", self.room)
        self.make("cn=out", "tRoom", code=NAMING_VIOLATION)
        self.assertIn("cn", self.answer.text)
        self.assertIn("2 tRoomRule", self.answer.text)
        self.make("cn=out", "tRoom", self.make("ou=shelf", "tShelf", cn=["x"]), NAMING_VIOLATION)

    def test_4_1_7_1_without_superiors(self):
        """RFC 4512 §4.1.7.1: a rule without superiors is for entries that begin an area: below none that is governed, or by their administrativeRole."""
        self.make("cn=wing", "tHouse", self.house, NAMING_VIOLATION)
        dn = self.make("cn=wing", "tHouse", self.house, administrativeRole=["autonomousArea"])
        self.assertEqual(self.rule(dn), ["1"])

    def test_4_1_7_free(self):
        """RFC 4512 §4.1.7: what no name form is for is named and placed freely, also where its superclass has one."""
        self.person("ann", self.room)
        self.unit("unit", self.house)
        self.make("ou=odd", "tOdd", cn=["x"])

    def test_4_1_7_3_governing_rule(self):
        """RFC 4512 §3.4.6: governingStructureRule is the rule that governs the entry; it is asked for, and not modified by users."""
        self.assertEqual((self.rule(self.house), self.rule(self.room), self.rule(self.base)), (["1"], ["2"], []))
        self.assertEqual(self.names("(governingStructureRule=2)"), ["room"])
        self.assertEqual(self.wire.entry(self.house, "*").values("governingStructureRule"), [])
        self.assertEqual(self.wire.entry(self.house, "+").values("governingStructureRule"), ["1"])
        self.refused(CONSTRAINT, wire.modify(self.house, (REPLACE, "governingStructureRule", ["2"])))

    def test_rename(self):
        """RFC 4512 §4.1.7: a new name or place is checked as that of a new entry, and nothing is changed where it is refused."""
        self.ok(wire.modify(self.room, (ADD, "ou", ["x"])))
        self.refused(NAMING_VIOLATION, wire.rename(self.room, "ou=x", False))
        self.refused(NAMING_VIOLATION, wire.rename(self.room, "cn=room", superior=self.base))
        other = self.make("cn=other", "tHouse")
        self.ok(wire.rename(self.room, "cn=chamber", superior=other))
        self.assertEqual(self.rule(f"cn=chamber,{other}"), ["2"])
        self.assertEqual(self.names("(cn=room)"), [])

    def test_modify(self):
        """RFC 4512 §4.1.7: rules are about names; a change that leaves the name as it is is not asked."""
        self.ok(wire.modify(self.room, (ADD, "roomNumber", ["7"])))
