"""RFC 3296 and RFC 4511 §4.1.10, §4.5.3: referrals; RFC 4511 §4.5.1.3 and RFC 4512 §2.6: aliases."""

import wire
from conformance import Conformance
from wire import BASE, CHILDREN, ONE, REPLACE, SUB

SUCCESS, COMPARE_TRUE, REFERRAL, NO_SUCH_OBJECT, ALIAS_PROBLEM, ALIAS_DEREFERENCING, LOOP = 0, 6, 10, 32, 33, 36, 54
NEVER, SEARCHING, FINDING, ALWAYS = range(4)
MANAGE_DSA_IT = wire.control("2.16.840.1.113730.3.4.2", True)


class Referrals(Conformance):
    """RFC 3296."""

    def setUp(self):
        super().setUp()
        self.person("here")
        self.dn = f"ou=elsewhere,{self.base}"
        made = self.wire.request(wire.add(self.dn, {"objectClass": ["referral", "extensibleObject"], "ou": ["elsewhere"], "ref": [f"ldap://other.example/ou=there,{self.base}"]}), [MANAGE_DSA_IT])
        self.assertEqual(made.code, SUCCESS, made)

    def test_operations_on_it(self):
        """RFC 3296 §5.1, RFC 4511 §4.1.10: an operation whose target is a referral gets referral with its URIs."""
        for operation in (
            wire.search(self.dn), wire.compare(self.dn, "ou", "elsewhere"), wire.modify(self.dn, (REPLACE, "description", ["x"])),
            wire.delete(self.dn), wire.rename(self.dn, "ou=x"), wire.search(self.dn, SUB), wire.search(self.dn, ONE),
        ):
            answer = self.refused(REFERRAL, operation)
            self.assertTrue(answer.referral)
            for uri in answer.referral:
                self.assertTrue(uri.startswith("ldap://other.example/"), uri)

    def test_operations_below_it(self):
        """RFC 3296 §5.1, RFC 4511 §4.1.10: so does one whose target is below it; the URI names the target there."""
        below = f"cn=x,{self.dn}"
        for operation in (wire.search(below), wire.delete(below), wire.add(below, {"objectClass": ["person"], "sn": ["x"]}), wire.compare(below, "cn", "x")):
            answer = self.refused(REFERRAL, operation)
            self.assertTrue(any("ou=there" in uri and "cn=x" in uri.lower() for uri in answer.referral), answer.referral)

    def test_search_continues(self):
        """RFC 4511 §4.5.3, RFC 3296 §5.2: a search from above returns a reference for it, beside its entries."""
        for scope in (ONE, SUB, CHILDREN):
            *found, done = self.wire.exchange(wire.search(self.base, scope))
            self.assertEqual(done.code, SUCCESS)
            references = [answer for answer in found if answer.tag == wire.REFERENCE]
            self.assertEqual(len(references), 1, scope)
            (uri,) = [part.text for part in references[0].parts]
            self.assertTrue(uri.startswith("ldap://other.example/ou=there,"), uri)
            self.assertNotIn(self.dn, [answer.dn for answer in found if answer.tag == wire.ENTRY])

    def test_scope_in_the_reference(self):
        """RFC 4511 §4.5.3.1: of a search of one level the reference says base; of a subtree it says sub or nothing."""
        for scope, endings in ((ONE, ("base",)), (SUB, ("sub", ""))):
            *found, _ = self.wire.exchange(wire.search(self.base, scope))
            (reference,) = [answer for answer in found if answer.tag == wire.REFERENCE]
            parts = reference.parts[0].text.split("?")
            self.assertIn(parts[2] if len(parts) > 2 else "", endings)

    def test_base_search_above(self):
        """RFC 4511 §4.5.3: a base search above it has no reference."""
        found = self.wire.exchange(wire.search(self.base))
        self.assertEqual([answer.tag for answer in found], [wire.ENTRY, wire.SEARCH])

    def test_reference_does_not_depend_on_the_filter(self):
        """RFC 4511 §4.5.3: a reference is of the place, and comes whatever the filter is."""
        *found, _ = self.wire.exchange(wire.search(self.base, SUB, "(cn=nobody)"))
        self.assertEqual([answer.tag for answer in found], [wire.REFERENCE])

    def test_managed(self):
        """RFC 3296 §3: with ManageDsaIT a referral is an entry like others, in every operation."""
        controls = [MANAGE_DSA_IT]
        (found,) = self.wire.entries(self.dn, attributes=["ref"], controls=controls)
        self.assertEqual(len(found.values("ref")), 1)
        *found, _ = self.wire.exchange(wire.search(self.base, SUB), controls)
        self.assertIn(self.dn.casefold(), [answer.dn.casefold() for answer in found if answer.tag == wire.ENTRY])
        self.assertNotIn(wire.REFERENCE, [answer.tag for answer in found])
        self.refused(COMPARE_TRUE, wire.compare(self.dn, "ou", "elsewhere"), controls)
        self.ok(wire.modify(self.dn, (REPLACE, "ref", ["ldap://third.example/"])), controls)
        self.ok(wire.rename(self.dn, "ou=moved"), controls)
        self.ok(wire.delete(f"ou=moved,{self.base}"), controls)

    def test_several_uris(self):
        """RFC 4511 §4.1.10: of several URIs all are given."""
        self.ok(wire.modify(self.dn, (REPLACE, "ref", ["ldap://one.example/", "ldap://two.example/"])), [MANAGE_DSA_IT])
        answer = self.refused(REFERRAL, wire.search(self.dn))
        self.assertEqual(sorted(uri.split("/")[2] for uri in answer.referral), ["one.example", "two.example"])

    def test_critical_control_has_no_value(self):
        """RFC 3296 §3: controlValue is absent."""
        self.refused(2, wire.search(self.base), [wire.control("2.16.840.1.113730.3.4.2", True, b"x")])


class Aliases(Conformance):
    """RFC 4511 §4.5.1.3, RFC 4512 §2.6."""

    def setUp(self):
        super().setUp()
        self.real, self.names_of = self.unit("real"), self.unit("names")
        self.person("target", self.real)
        self.alias("short", f"cn=target,{self.real}")

    def alias(self, name, target, base=None):
        dn = f"cn={name},{base or self.names_of}"
        self.ok(wire.add(dn, {"objectClass": ["alias", "extensibleObject"], "cn": [name], "aliasedObjectName": [target]}))
        return dn

    def found(self, base, scope, dereference, text="(objectClass=*)"):
        return sorted(answer.dn.split(",")[0] for answer in self.wire.entries(base, scope, text, attributes=["1.1"], dereference=dereference))

    def test_never(self):
        """RFC 4511 §4.5.1.3: neverDerefAliases: an alias is an entry."""
        self.assertEqual(self.found(f"cn=short,{self.names_of}", BASE, NEVER), ["cn=short"])
        self.assertEqual(self.found(self.names_of, SUB, NEVER), ["cn=short", "ou=names"])

    def test_finding_the_base(self):
        """RFC 4511 §4.5.1.3: derefFindingBaseObj: the base is dereferenced, and nothing below."""
        self.assertEqual(self.found(f"cn=short,{self.names_of}", BASE, FINDING), ["cn=target"])
        self.assertEqual(self.found(self.names_of, SUB, FINDING), ["cn=short", "ou=names"])

    def test_in_searching(self):
        """RFC 4511 §4.5.1.3: derefInSearching: what is found below is dereferenced, the base is not."""
        self.assertEqual(self.found(self.names_of, SUB, SEARCHING), ["cn=target", "ou=names"])
        self.assertEqual(self.found(self.names_of, ONE, SEARCHING), ["cn=target"])
        self.assertEqual(self.found(f"cn=short,{self.names_of}", BASE, SEARCHING), ["cn=short"])

    def test_always(self):
        """RFC 4511 §4.5.1.3: derefAlways: both."""
        self.alias("unit", self.real)
        self.assertEqual(self.found(f"cn=unit,{self.names_of}", SUB, ALWAYS), ["cn=target", "ou=real"])
        self.assertEqual(self.found(self.names_of, SUB, ALWAYS), ["cn=target", "ou=names", "ou=real"])

    def test_subtree_behind_an_alias(self):
        """RFC 4511 §4.5.1.3: in a subtree search the subtree of the target is searched too; in one level it is not."""
        self.alias("unit", self.real)
        self.assertIn("cn=target", self.found(self.names_of, SUB, SEARCHING))
        self.wire.request(wire.delete(f"cn=short,{self.names_of}"))
        self.assertEqual(self.found(self.names_of, ONE, SEARCHING), ["ou=real"])

    def test_found_once(self):
        """RFC 4511 §4.5.1.3: duplicates are eliminated: an entry reached in several ways is returned once."""
        self.alias("again", f"cn=target,{self.real}")
        self.assertEqual(self.found(self.base, SUB, SEARCHING, "(objectClass=person)"), ["cn=target"])

    def test_name_through_an_alias(self):
        """RFC 4511 §4.5.1.3, RFC 4512 §2.6: a name through an alias is found when the base is dereferenced."""
        self.alias("unit", self.real)
        self.assertEqual(self.found(f"cn=target,cn=unit,{self.names_of}", BASE, FINDING), ["cn=target"])
        self.refused(NO_SUCH_OBJECT, wire.search(f"cn=target,cn=unit,{self.names_of}", dereference=NEVER))

    def test_chain(self):
        """RFC 4512 §2.6: an alias of an alias leads on."""
        dn = self.alias("longer", f"cn=short,{self.names_of}")
        self.assertEqual(self.found(dn, BASE, ALWAYS), ["cn=target"])

    def test_loop(self):
        """RFC 4511 §4.5.1.3: a loop ends, as an error for the base and without one below."""
        first = self.alias("one", f"cn=two,{self.names_of}")
        self.alias("two", first)
        answer = self.wire.exchange(wire.search(first, dereference=ALWAYS))[-1]
        self.assertIn(answer.code, (LOOP, ALIAS_PROBLEM, ALIAS_DEREFERENCING))
        done = self.wire.exchange(wire.search(self.names_of, SUB, dereference=ALWAYS))[-1]
        self.assertIn(done.code, (SUCCESS, LOOP, ALIAS_PROBLEM, ALIAS_DEREFERENCING))

    def test_of_nothing(self):
        """RFC 4511 A.2: an alias of nothing is aliasProblem where it is the base."""
        dn = self.alias("nothing", f"cn=nobody,{self.real}")
        answer = self.wire.exchange(wire.search(dn, dereference=FINDING))[-1]
        self.assertIn(answer.code, (ALIAS_PROBLEM, ALIAS_DEREFERENCING, NO_SUCH_OBJECT))

    def test_updates_do_not_follow(self):
        """RFC 4511 §4.6, §4.8, §4.9, §4.10: updates and compares are of the alias itself."""
        dn = f"cn=short,{self.names_of}"
        self.ok(wire.modify(dn, (REPLACE, "description", ["of the alias"])))
        self.assertEqual(self.wire.entry(f"cn=target,{self.real}").values("description"), [])
        self.refused(COMPARE_TRUE, wire.compare(dn, "description", "of the alias"))
        self.ok(wire.rename(dn, "cn=shorter"))
        self.ok(wire.delete(f"cn=shorter,{self.names_of}"))
        self.wire.entry(f"cn=target,{self.real}")

    def test_an_alias_is_a_leaf(self):
        """RFC 4512 §2.6: nothing is added below an alias."""
        answer = self.wire.request(wire.add(f"cn=x,cn=short,{self.names_of}", {"objectClass": ["person"], "sn": ["x"]}))
        self.assertIn(answer.code, (ALIAS_PROBLEM, ALIAS_DEREFERENCING, NO_SUCH_OBJECT, 53, 64, 65))

    def test_filter_is_asked_of_the_target(self):
        """RFC 4511 §4.5.1.3: after dereferencing the filter is asked of the target."""
        self.assertEqual(self.found(self.names_of, SUB, SEARCHING, "(sn=target)"), ["cn=target"])
        self.assertEqual(self.found(self.names_of, SUB, SEARCHING, "(cn=short)"), [])
