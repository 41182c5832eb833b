"""RFC 3672: subentries."""

import wire
from ber import integer, octets
from conformance import Conformance
from controls import SUBENTRIES, subentries
from wire import BASE, CHILDREN, ONE, SUB

PROTOCOL_ERROR, UNAVAILABLE_CRITICAL, BAD_VALUE = 2, 12, 21


class Subentries(Conformance):
    NEEDS = (SUBENTRIES,)

    def setUp(self):
        super().setUp()
        self.person("person")
        self.sub = f"cn=sub,{self.base}"
        self.ok(wire.add(self.sub, {"objectClass": ["subentry", "extensibleObject"], "cn": ["sub"], "subtreeSpecification": ["{ }"], "description": ["x"]}))

    def found(self, scope, base=None, controls=(), text="(objectClass=*)"):
        answers = self.wire.entries(base or self.base, scope, text, controls=controls)
        return sorted(answer.dn.split(",")[0] for answer in answers)

    def test_hidden_without_the_control(self):
        """RFC 3672 §3: without the control subentries are not visible to searches of one level and of subtrees."""
        self.assertEqual(self.found(ONE), ["cn=person"])
        self.assertEqual(self.found(SUB), ["cn=person", f"ou={self.top}"])
        self.assertEqual(self.found(CHILDREN), ["cn=person"])

    def test_base_search_sees_them(self):
        """RFC 3672 §3: a base search without the control sees a subentry."""
        self.assertEqual(self.found(BASE, self.sub), ["cn=sub"])

    def test_control_true(self):
        """RFC 3672 §3: with TRUE subentries are visible and normal entries are not."""
        self.assertEqual(self.found(ONE, controls=[subentries(True)]), ["cn=sub"])
        self.assertEqual(self.found(SUB, controls=[subentries(True)]), ["cn=sub"])
        self.assertEqual(self.found(BASE, f"cn=person,{self.base}", [subentries(True)]), [])

    def test_control_false(self):
        """RFC 3672 §3: with FALSE normal entries are visible and subentries are not."""
        self.assertEqual(self.found(SUB, controls=[subentries(False)]), ["cn=person", f"ou={self.top}"])
        self.assertEqual(self.found(BASE, self.sub, [subentries(False)]), [])

    def test_filter_applies(self):
        """RFC 3672 §3: the filter applies to what is visible."""
        self.assertEqual(self.found(SUB, controls=[subentries(True)], text="(description=y)"), [])
        self.assertEqual(self.found(SUB, controls=[subentries(True)], text="(objectClass=subentry)"), ["cn=sub"])

    def test_other_operations_need_no_control(self):
        """RFC 3672 §3: the control is of searches; compare, modify, rename and delete reach a subentry by its name."""
        self.refused(6, wire.compare(self.sub, "description", "x"))
        self.ok(wire.modify(self.sub, (wire.REPLACE, "description", ["y"])))
        self.ok(wire.rename(self.sub, "cn=other"))
        self.ok(wire.delete(f"cn=other,{self.base}"))

    def test_damaged(self):
        """RFC 3672 §3: the value is a BOOLEAN."""
        for value in (b"", integer(1), octets("x"), b"\x01\x00", b"\x01\x02\xff\xff"):
            self.refused(PROTOCOL_ERROR, wire.search(self.base), [wire.control(SUBENTRIES, True, value)])

    def test_not_with_other_operations(self):
        """RFC 3672 §3, RFC 4511 §4.1.11: with another operation the critical control is not available."""
        self.refused(UNAVAILABLE_CRITICAL, wire.delete(self.sub), [subentries(True)])

    def test_must_have_a_specification(self):
        """RFC 3672 §2.4: a subentry has cn and subtreeSpecification."""
        self.refused(65, wire.add(f"cn=half,{self.base}", {"objectClass": ["subentry"], "cn": ["half"]}))

    def test_specifications(self):
        """RFC 3672 §2.1, Appendix A: subtree specifications, good and bad."""
        good = ["{}", "{ }", '{ base "ou=people" }', "{ minimum 1, maximum 3 }", "{ specificExclusions { chopBefore:\"cn=x\" } }", "{ specificationFilter item:person }"]
        for value in good:
            self.ok(wire.modify(self.sub, (wire.REPLACE, "subtreeSpecification", [value])))
        for value in ("", "x", "{", "base"):
            self.refused(BAD_VALUE, wire.modify(self.sub, (wire.REPLACE, "subtreeSpecification", [value])))

    def test_published(self):
        """RFC 3672 §2: the class, administrativeRole and subtreeSpecification are in the subschema."""
        name = self.wire.entry("", "subschemaSubentry").values("subschemaSubentry")[0]
        (found,) = self.wire.entries(name, BASE, "(objectClass=subschema)", attributes=["+"])
        self.assertRegex("\n".join(found.values("objectClasses")), r"\( 2\.5\.17\.0 NAME 'subentry'")
        for oid, kind in (("2.5.18.5", "administrativeRole"), ("2.5.18.6", "subtreeSpecification")):
            self.assertRegex("\n".join(found.values("attributeTypes")), rf"\( {oid} NAME '{kind}'")
