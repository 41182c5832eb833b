"""RFC 4525 to RFC 4532: increment, absolute true and false, read entry, assertion, classes as attribute lists, entryUUID, turn, who am I."""

import re
import uuid

import wire
from ber import octets, sequence
from conformance import OPERATOR, PASSWORD, Conformance
from controls import ASSERTION, POST_READ, PRE_READ, asserted, read, read_of
from wire import ADD, BASE, DELETE, INCREMENT, REPLACE, SUB

SUCCESS, PROTOCOL_ERROR, COMPARE_FALSE, COMPARE_TRUE, UNAVAILABLE_CRITICAL, ASSERTION_FAILED = 0, 2, 5, 6, 12, 122
NO_SUCH_ATTRIBUTE, UNDEFINED, CONSTRAINT, BAD_VALUE, NO_SUCH_OBJECT, OBJECT_CLASS = 16, 17, 19, 21, 32, 65
INCREMENTS, TRUE_FALSE, BY_CLASS, ALL_OPERATIONAL = "1.3.6.1.1.14", "1.3.6.1.4.1.4203.1.5.3", "1.3.6.1.4.1.4203.1.5.2", "1.3.6.1.4.1.4203.1.5.1"
ACCOUNT = {"objectClass": ["account", "posixAccount"], "uidNumber": ["1"], "gidNumber": ["10"], "homeDirectory": ["/"], "cn": ["x"]}


class WithAccounts(Conformance):
    def account(self, name, **attributes):
        dn = f"uid={name},{self.base}"
        self.ok(wire.add(dn, {**ACCOUNT, **attributes}))
        return dn

    def number(self, dn):
        return self.wire.entry(dn, "uidNumber").values("uidNumber")


class Increment(WithAccounts):
    """RFC 4525."""

    NEEDS = (INCREMENTS,)

    def test_adds(self):
        """RFC 4525 §2: the value is incremented by what is given."""
        dn = self.account("a")
        self.ok(wire.modify(dn, (INCREMENT, "uidNumber", ["41"])))
        self.assertEqual(self.number(dn), ["42"])

    def test_subtracts(self):
        """RFC 4525 §2: a negative value decrements."""
        dn = self.account("a")
        self.ok(wire.modify(dn, (INCREMENT, "uidNumber", ["-5"])))
        self.assertEqual(self.number(dn), ["-4"])

    def test_all_values(self):
        """RFC 4525 §2: each value of the attribute is incremented."""
        dn = f"cn=m,{self.base}"
        self.ok(wire.add(dn, {"objectClass": ["inetOrgPerson", "extensibleObject"], "sn": ["x"], "mailPreferenceOption": ["1"]}))
        self.ok(wire.modify(dn, (INCREMENT, "mailPreferenceOption", ["1"])))
        self.assertEqual(self.wire.entry(dn).values("mailPreferenceOption"), ["2"])

    def test_more_than_one_value(self):
        """RFC 4525 §2: exactly one value is given: else protocolError."""
        dn = self.account("a")
        self.refused(PROTOCOL_ERROR, wire.modify(dn, (INCREMENT, "uidNumber", ["1", "2"])))
        self.refused(PROTOCOL_ERROR, wire.modify(dn, (INCREMENT, "uidNumber", [])))

    def test_missing_attribute(self):
        """RFC 4525 §2: an attribute that is not there cannot be incremented."""
        dn = self.person("a")
        answer = self.wire.request(wire.modify(dn, (INCREMENT, "mailPreferenceOption", ["1"])))
        self.assertEqual(answer.code, NO_SUCH_ATTRIBUTE)

    def test_not_a_number(self):
        """RFC 4525 §2: neither a value that is no integer, nor an attribute of another syntax can be incremented."""
        dn = self.account("a", description=["7"])
        self.assertIn(self.wire.request(wire.modify(dn, (INCREMENT, "uidNumber", ["x"]))).code, (BAD_VALUE, CONSTRAINT))
        self.refused(CONSTRAINT, wire.modify(dn, (INCREMENT, "description", ["1"])))
        self.assertEqual(self.wire.entry(dn).values("description"), ["7"])

    def test_together_with_others(self):
        """RFC 4525 §2, RFC 4511 §4.6: increments are changes among others, in their order, as one."""
        dn = self.account("a")
        self.ok(wire.modify(dn, (REPLACE, "uidNumber", ["10"]), (INCREMENT, "uidNumber", ["1"]), (INCREMENT, "gidNumber", ["1"])))
        self.assertEqual((self.number(dn), self.wire.entry(dn).values("gidNumber")), (["11"], ["11"]))
        self.refused(NO_SUCH_ATTRIBUTE, wire.modify(dn, (INCREMENT, "uidNumber", ["1"]), (DELETE, "description", [])))
        self.assertEqual(self.number(dn), ["11"])

    def test_never_lost(self):
        """RFC 4525 §1: increments of several clients are all counted."""
        dn = self.account("a", uidNumber=["0"])
        connections = [self.operator() for _ in range(5)]
        for _ in range(10):
            for connection in connections:
                connection.ask(wire.modify(dn, (INCREMENT, "uidNumber", ["1"])))
        for connection in connections:
            for _ in range(10):
                self.assertEqual(connection.receive().code, SUCCESS)
        self.assertEqual(self.number(dn), ["50"])

    def test_read_together(self):
        """RFC 4525 §3, RFC 4527: with post-read one gets a number that nobody else gets."""
        dn = self.account("a")
        answer = self.ok(wire.modify(dn, (INCREMENT, "uidNumber", ["1"])), [read(POST_READ, "uidNumber")])
        self.assertEqual(read_of(answer, POST_READ)[1], {"uidNumber": ["2"]})

    def test_large(self):
        """RFC 4525 §2, RFC 4517 §3.3.16: INTEGER has no bound that a client meets by surprise."""
        dn = self.account("a", uidNumber=["9223372036854775807"])
        answer = self.wire.request(wire.modify(dn, (INCREMENT, "uidNumber", ["1"])))
        self.assertEqual((answer.code, self.number(dn)), (SUCCESS, ["9223372036854775808"]))


class AbsoluteTrueAndFalse(Conformance):
    """RFC 4526."""

    NEEDS = (TRUE_FALSE,)

    def test_true(self):
        """RFC 4526 §2: an and of nothing is TRUE."""
        self.person("a")
        self.assertEqual(len(self.wire.entries(self.base, SUB, "(&)")), 2)
        self.assertEqual(len(self.wire.entries("", BASE, "(&)")), 1)

    def test_false(self):
        """RFC 4526 §2: an or of nothing is FALSE."""
        self.person("a")
        self.assertEqual(self.wire.entries(self.base, SUB, "(|)"), [])

    def test_within_others(self):
        """RFC 4526 §2: they stand within others as any filter does."""
        self.person("a")
        for text, expected in (("(!(|))", 2), ("(!(&))", 0), ("(&(cn=a)(&))", 1), ("(|(cn=a)(|))", 1), ("(&(cn=a)(|))", 0), ("(|(cn=x)(&))", 2)):
            self.assertEqual(len(self.wire.entries(self.base, SUB, text)), expected, text)


class ReadEntry(Conformance):
    """RFC 4527."""

    NEEDS = (PRE_READ, POST_READ)

    def test_pre_read_of_a_modify(self):
        """RFC 4527 §3.1: pre-read returns the entry as it was before the change."""
        dn = self.person("a", description=["old"])
        answer = self.ok(wire.modify(dn, (REPLACE, "description", ["new"])), [read(PRE_READ, "description")])
        name, attributes = read_of(answer, PRE_READ)
        self.assertEqual((name.casefold(), attributes), (dn.casefold(), {"description": ["old"]}))

    def test_post_read_of_a_modify(self):
        """RFC 4527 §3.2: post-read returns it as it is after."""
        dn = self.person("a", description=["old"])
        answer = self.ok(wire.modify(dn, (REPLACE, "description", ["new"])), [read(POST_READ, "description")])
        self.assertEqual(read_of(answer, POST_READ)[1], {"description": ["new"]})

    def test_both(self):
        """RFC 4527 §3: both may go together."""
        dn = self.person("a", description=["old"])
        answer = self.ok(wire.modify(dn, (REPLACE, "description", ["new"])), [read(PRE_READ, "description"), read(POST_READ, "description")])
        self.assertEqual((read_of(answer, PRE_READ)[1], read_of(answer, POST_READ)[1]), ({"description": ["old"]}, {"description": ["new"]}))

    def test_of_a_delete(self):
        """RFC 4527 §3.1: pre-read of a delete returns what is gone."""
        dn = self.person("a")
        answer = self.ok(wire.delete(dn), [read(PRE_READ, "sn", "entryUUID")])
        self.assertEqual(set(read_of(answer, PRE_READ)[1]), {"sn", "entryUUID"})

    def test_of_an_add(self):
        """RFC 4527 §3.2: post-read of an add returns what the server made of it."""
        dn = f"cn=a,{self.base}"
        answer = self.ok(wire.add(dn, {"objectClass": ["person"], "sn": ["x"]}), [read(POST_READ, "*", "entryUUID")])
        attributes = read_of(answer, POST_READ)[1]
        self.assertEqual(attributes["entryUUID"], self.wire.entry(dn, "entryUUID").values("entryUUID"))
        self.assertEqual(attributes["cn"], ["a"])

    def test_of_a_rename(self):
        """RFC 4527 §3.1, §3.2: of a rename both names are seen."""
        dn = self.person("a")
        answer = self.ok(wire.rename(dn, "cn=b"), [read(PRE_READ, "cn"), read(POST_READ, "cn")])
        before, after = read_of(answer, PRE_READ), read_of(answer, POST_READ)
        self.assertEqual((before[0].casefold(), before[1]), (dn.casefold(), {"cn": ["a"]}))
        self.assertEqual((after[0].casefold(), after[1]), (f"cn=b,{self.base}".casefold(), {"cn": ["b"]}))

    def test_selection(self):
        """RFC 4527 §3.1: the selection is that of a search: empty for all user attributes, +, 1.1, unknown ones passed over."""
        dn = self.person("a")
        change = wire.modify(dn, (REPLACE, "description", ["new"]))
        everything = read_of(self.ok(change, [read(POST_READ)]), POST_READ)[1]
        self.assertEqual({name.casefold() for name in everything}, {"objectclass", "cn", "sn", "description"})
        self.assertEqual(read_of(self.ok(change, [read(POST_READ, "1.1")]), POST_READ)[1], {})
        self.assertEqual(read_of(self.ok(change, [read(POST_READ, "noSuchType")]), POST_READ)[1], {})
        self.assertIn("modifyTimestamp", read_of(self.ok(change, [read(POST_READ, "+")]), POST_READ)[1])

    def test_not_on_failure(self):
        """RFC 4527 §3: where the update fails the response control is absent, and nothing was done."""
        dn = self.person("a")
        answer = self.refused(OBJECT_CLASS, wire.modify(dn, (DELETE, "sn", [])), [read(PRE_READ, "*"), read(POST_READ, "*")])
        self.assertEqual(answer.controls, [])

    def test_where_they_do_not_belong(self):
        """RFC 4527 §3.1, §3.2: pre-read does not go with an add, post-read not with a delete."""
        dn = self.person("a")
        self.refused(UNAVAILABLE_CRITICAL, wire.delete(dn), [read(POST_READ, "sn")])
        self.refused(UNAVAILABLE_CRITICAL, wire.add(f"cn=b,{self.base}", {"objectClass": ["person"], "sn": ["x"]}), [read(PRE_READ, "sn")])
        self.refused(UNAVAILABLE_CRITICAL, wire.search(self.base), [read(PRE_READ, "sn")])

    def test_damaged(self):
        """RFC 4527 §3: the value is an AttributeSelection; else the update is not done."""
        dn = self.person("a")
        self.refused(PROTOCOL_ERROR, wire.modify(dn, (REPLACE, "sn", ["b"])), [wire.control(PRE_READ, True, octets("sn"))])
        self.assertEqual(self.wire.entry(dn).values("sn"), ["a"])

    def test_password_is_not_read(self):
        """RFC 4527 §4: what a search does not show a read does not either."""
        dn = self.person("a", userPassword=["some words for a password"])
        shown = self.wire.entry(dn, "userPassword").attributes
        answer = self.ok(wire.modify(dn, (REPLACE, "description", ["x"])), [read(PRE_READ, "userPassword"), read(POST_READ, "userPassword")])
        self.assertEqual(set(read_of(answer, PRE_READ)[1]), set(shown))

    def test_by_python_ldap(self):
        """RFC 4527 §3: OpenLDAP's library reads the entries."""
        import ldap
        from ldap.controls.readentry import PostReadControl, PreReadControl

        dn, c = self.person("a"), self.library()
        message = c.modify_ext(dn, [(ldap.MOD_REPLACE, "sn", [b"b"])], serverctrls=[PreReadControl(True, ["sn"]), PostReadControl(True, ["sn"])])
        _, _, _, controls = c.result3(message)
        self.assertEqual([x.entry["sn"] for x in sorted(controls, key=lambda x: x.controlType)], [[b"a"], [b"b"]])


class Assertion(Conformance):
    """RFC 4528."""

    NEEDS = (ASSERTION,)

    def each(self, dn):
        return (
            wire.compare(dn, "sn", "a"),
            wire.search(dn),
            wire.modify(dn, (REPLACE, "description", ["x"])),
            wire.rename(dn, "cn=a"),
            wire.delete(dn),
        )

    def test_holds(self):
        """RFC 4528 §4: where the filter matches, the operation is done as if there were no control."""
        dn = self.person("a")
        for operation, code in zip(self.each(dn), (COMPARE_TRUE, SUCCESS, SUCCESS, SUCCESS, SUCCESS)):
            answer = self.wire.exchange(operation, [asserted("(&(sn=a)(objectClass=person))")])[-1]
            self.assertEqual(answer.code, code)

    def test_fails(self):
        """RFC 4528 §4: where the filter is FALSE or Undefined, nothing is done: assertionFailed."""
        dn = self.person("a")
        for text in ("(sn=b)", "(noSuchType=x)", "(!(noSuchType=x))", "(|)"):
            for operation in self.each(dn):
                found = self.wire.exchange(operation, [asserted(text)])
                self.assertEqual((len(found), found[-1].code), (1, ASSERTION_FAILED), text)
        self.assertEqual(self.wire.entry(dn).values("description"), [])

    def test_of_an_add(self):
        """RFC 4528 §3: with an add the filter is asked of the entry to be added."""
        for text, code in (("(sn=b)", ASSERTION_FAILED), ("(sn=x)", SUCCESS)):
            self.refused(code, wire.add(f"cn=a,{self.base}", {"objectClass": ["person"], "sn": ["x"]}), [asserted(text)])

    def test_of_a_search_is_of_its_base(self):
        """RFC 4528 §3: with a search the filter is asked of the base object, not of what is found."""
        self.person("a")
        found = self.wire.exchange(wire.search(self.base, SUB), [asserted("(objectClass=organizationalUnit)")])
        self.assertEqual((len(found), found[-1].code), (3, SUCCESS))

    def test_missing_target(self):
        """RFC 4528 §3: a target that is not there is noSuchObject all the same."""
        self.refused(NO_SUCH_OBJECT, wire.delete(f"cn=none,{self.base}"), [asserted("(sn=a)")])

    def test_swap(self):
        """RFC 4528 §1: test and set: of two who assert the same old value one succeeds."""
        dn = self.person("a", description=["0"])
        other = self.operator()
        change = lambda value: wire.modify(dn, (REPLACE, "description", [value]))
        self.wire.ask(change("1"), [asserted("(description=0)")])
        other.ask(change("2"), [asserted("(description=0)")])
        self.assertEqual(sorted((self.wire.receive().code, other.receive().code)), [SUCCESS, ASSERTION_FAILED])

    def test_damaged(self):
        """RFC 4528 §3: the value is a filter; else protocolError, and nothing is done."""
        dn = self.person("a")
        for value in (b"", b"\xa3\x7f", octets("x"), wire.filter_of("(cn=a)") + b"\x00"):
            self.refused(PROTOCOL_ERROR, wire.delete(dn), [wire.control(ASSERTION, True, value)])
        self.wire.entry(dn)

    def test_by_python_ldap(self):
        """RFC 4528 §4: OpenLDAP's library is told that it failed."""
        import ldap
        from ldap.controls.simple import ValueLessRequestControl  # noqa: F401
        from ldap.controls.libldap import AssertionControl

        dn, c = self.person("a"), self.library()
        with self.assertRaises(ldap.ASSERTION_FAILED):
            c.modify_ext_s(dn, [(ldap.MOD_REPLACE, "sn", [b"b"])], serverctrls=[AssertionControl(True, "(sn=c)")])


class ByClass(Conformance):
    """RFC 4529."""

    NEEDS = (BY_CLASS,)

    def test_attributes_of_a_class(self):
        """RFC 4529 §2: @class asks for the attributes of the class and its superclasses."""
        dn = self.person("a", mail=["a@example.com"], telephoneNumber=["1"], description=["x"])
        self.assertEqual(set(self.wire.entry(dn, "@person").attributes), {"objectClass", "cn", "sn", "telephoneNumber", "description"})
        self.assertEqual(set(self.wire.entry(dn, "@2.5.6.6").attributes), {"objectClass", "cn", "sn", "telephoneNumber", "description"})
        self.assertEqual(set(self.wire.entry(dn, "@INETORGPERSON").attributes), {"objectClass", "cn", "sn", "telephoneNumber", "description", "mail"})

    def test_unknown_class(self):
        """RFC 4529 §2: a class that is not recognised is passed over."""
        self.assertEqual(self.wire.entry(self.base, "@noSuchClass").attributes, {})
        self.assertEqual(set(self.wire.entry(self.base, "@noSuchClass", "ou").attributes), {"ou"})

    def test_with_others(self):
        """RFC 4529 §2: it stands among others."""
        dn = self.person("a", mail=["a@example.com"])
        self.assertEqual(set(self.wire.entry(dn, "@top", "mail").attributes), {"objectClass", "mail"})

    def test_subtypes(self):
        """RFC 4529 §2: as with names, subtypes and options come along."""
        dn = self.person("a", **{"description;lang-de": ["x"]})
        self.assertIn("description;lang-de", self.wire.entry(dn, "@person").attributes)


class AllOperational(Conformance):
    """RFC 3673."""

    NEEDS = (ALL_OPERATIONAL,)

    def test_plus(self):
        """RFC 3673 §2: + asks for all operational attributes, and no user attributes."""
        found = set(self.wire.entry(self.base, "+").attributes)
        self.assertTrue({"createTimestamp", "creatorsName", "entryUUID", "subschemaSubentry", "structuralObjectClass"} <= found, found)
        self.assertFalse({"ou", "objectClass"} & found)

    def test_plus_with_star(self):
        """RFC 3673 §2: * and + together are everything."""
        found = set(self.wire.entry(self.base, "*", "+").attributes)
        self.assertTrue({"ou", "objectClass", "entryUUID"} <= found)


class EntryUuid(Conformance):
    """RFC 4530."""

    def identity(self, dn):
        (value,) = self.wire.entry(dn, "entryUUID").values("entryUUID")
        return value

    def test_each_entry_has_one(self):
        """RFC 4530 §2.4: every entry has an entryUUID, in the form of RFC 4122, and no two the same."""
        dns = [self.base, self.person("a"), self.person("b")]
        found = [self.identity(dn) for dn in dns]
        self.assertEqual(len(set(found)), 3)
        for value in found:
            self.assertEqual(str(uuid.UUID(value)), value)

    def test_never_changes(self):
        """RFC 4530 §2.4: it stays through modifies, renames and moves."""
        dn = self.person("a")
        before = self.identity(dn)
        self.ok(wire.modify(dn, (REPLACE, "sn", ["x"])))
        self.ok(wire.rename(dn, "cn=b"))
        unit = self.unit("u")
        self.ok(wire.rename(f"cn=b,{self.base}", "cn=b", True, unit))
        self.assertEqual(self.identity(f"cn=b,{unit}"), before)

    def test_not_reused(self):
        """RFC 4530 §2.4: an entry added anew is another one."""
        dn = self.person("a")
        before = self.identity(dn)
        self.ok(wire.delete(dn))
        self.assertNotEqual(self.identity(self.person("a")), before)

    def test_found_by_it(self):
        """RFC 4530 §2.3: it is found by UUIDMatch, in either case of the digits."""
        dn = self.person("a")
        for value in (self.identity(dn), self.identity(dn).upper()):
            self.assertEqual(self.names(f"(entryUUID={value})"), ["a"])
            self.assertEqual(self.names(f"(entryUUID:UUIDMatch:={value})"), ["a"])
        self.refused(COMPARE_TRUE, wire.compare(dn, "entryUUID", self.identity(dn).upper()))

    def test_cannot_be_written(self):
        """RFC 4530 §2.4: NO-USER-MODIFICATION."""
        dn = self.person("a")
        self.refused(CONSTRAINT, wire.modify(dn, (REPLACE, "entryUUID", [str(uuid.uuid4())])))
        self.refused(CONSTRAINT, wire.modify(dn, (DELETE, "entryUUID", [])))

    def test_published(self):
        """RFC 4530 §2.1 to §2.4: syntax, rules and attribute are in the subschema."""
        name = self.wire.entry("", "subschemaSubentry").values("subschemaSubentry")[0]
        (found,) = self.wire.entries(name, BASE, "(objectClass=subschema)", attributes=["+"])
        text = "\n".join(value for kind in ("attributeTypes", "matchingRules", "ldapSyntaxes") for value in found.values(kind))
        for pattern in (r"\( 1\.3\.6\.1\.1\.16\.4 NAME 'entryUUID'.*SINGLE-VALUE NO-USER-MODIFICATION USAGE directoryOperation", r"\( 1\.3\.6\.1\.1\.16\.2 NAME 'UUIDMatch'", r"\( 1\.3\.6\.1\.1\.16\.3 NAME 'UUIDOrderingMatch'", r"\( 1\.3\.6\.1\.1\.16\.1 "):
            self.assertRegex(text, re.compile(pattern))


class Turn(Conformance):
    """RFC 4531, which is not offered."""

    def test_turn_is_refused(self):
        """RFC 4531 §2, RFC 4511 §4.12: a server that does not offer turn does not list it, and refuses it with protocolError."""
        self.assertNotIn("1.3.6.1.1.19", self.wire.entry("", "supportedExtension").values("supportedExtension"))
        self.refused(PROTOCOL_ERROR, wire.extended("1.3.6.1.1.19", sequence(octets("x"))))


class WhoAmI(Conformance):
    """RFC 4532."""

    NEEDS = (wire.WHO_AM_I,)

    def test_anonymous(self):
        """RFC 4532 §2.2: the empty string says that one is anonymous."""
        answer = self.anonymous().request(wire.extended(wire.WHO_AM_I))
        self.assertEqual((answer.code, answer.value), (SUCCESS, b""))

    def test_name(self):
        """RFC 4532 §2.2: the primary authorization identity in the form of RFC 4513 §5.2.1.8."""
        dn = self.person("a", userPassword=["some words for a password"])
        answer = self.bound_as(dn, "some words for a password").request(wire.extended(wire.WHO_AM_I))
        self.assertEqual(answer.value.decode().casefold(), f"dn:{dn}".casefold())

    def test_value_is_refused(self):
        """RFC 4532 §2.1: requestValue is absent."""
        self.refused(PROTOCOL_ERROR, wire.extended(wire.WHO_AM_I, b"x"))

    def test_response_name_is_absent(self):
        """RFC 4532 §2.2: responseName is absent."""
        self.assertIsNone(self.ok(wire.extended(wire.WHO_AM_I)).name)

    def test_after_a_failed_bind(self):
        """RFC 4532 §2.2, RFC 4513 §4: after a failed bind one is anonymous."""
        connection = self.operator()
        connection.request(wire.bind(OPERATOR, "wrong"))
        self.assertEqual(connection.request(wire.extended(wire.WHO_AM_I)).value, b"")
