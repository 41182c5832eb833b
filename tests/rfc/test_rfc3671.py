"""RFC 3671: collective attributes, over subtrees of RFC 3672 §2.1."""

import wire
from ber import boolean, integer, octets, sequence
from conformance import OPERATOR, SUFFIX, Conformance
from controls import POST_READ, PRE_READ, REFRESH_ONLY, asserted, matched, read, read_of, sort, sorted_of, subentries, sync
from wire import BASE, ONE, SUB

DEREFERENCE, PERSISTENT, VIEW, RIGHTS = "1.3.6.1.4.1.4203.666.5.16", "2.16.840.1.113730.3.4.3", "2.16.840.1.113730.3.4.9", "1.3.6.1.4.1.42.2.27.9.5.2"
TRUE, FALSE = 6, 5
ADMIN_LIMIT, NO_SUCH_ATTRIBUTE, CONSTRAINT, SYNTAX, NAMING, OBJECT_CLASS = 11, 16, 19, 21, 64, 65
CONFIG = f"""
[[access]]
who = ["anonymous"]
subtree = "{SUFFIX}"
filter = "(!(cn=hidden plan))"
attributes = ["objectClass", "cn", "ou", "collectiveAttributeSubentries"]
rights = ["read"]
[[access]]
who = ["anonymous"]
subtree = "{SUFFIX}"
filter = "(!(cn=hidden plan))"
attributes = ["c-l"]
rights = ["compare"]
"""


class Collective(Conformance):
    CONFIG = CONFIG

    def share(self, name="shared", point=None, specification="{ }", **attributes):
        """Adds a collective attribute subentry and answers its DN."""
        dn = f"cn={name},{point or self.base}"
        values = {description.replace("c_", "c-"): value for description, value in attributes.items()}
        self.ok(wire.add(dn, {"objectClass": ["subentry", "collectiveAttributeSubentry"], "cn": [name], "subtreeSpecification": [specification], **values}))
        return dn

    def shown(self, dn, *attributes, connection=None):
        (found,) = (connection or self.wire).entries(dn, BASE, attributes=attributes)
        return {name: sorted(value.decode() for value in values) for name, values in found.attributes.items()}

    def sharers(self, scope=SUB, base=None):
        """Which entries show c-l."""
        return self.names("(c-l=*)", scope, base or self.base, controls=[subentries(False)])


class Schema(Collective):
    """§2, §3."""

    def test_published(self):
        """RFC 3671 §2, §3: the class and the attribute types are in the subschema, the types as COLLECTIVE."""
        name = self.wire.entry("", "subschemaSubentry").values("subschemaSubentry")[0]
        (found,) = self.wire.entries(name, BASE, "(objectClass=subschema)", attributes=["+"])
        types, classes = "\n".join(found.values("attributeTypes")), "\n".join(found.values("objectClasses"))
        self.assertRegex(classes, r"\( 2\.5\.17\.2 NAME 'collectiveAttributeSubentry' .*AUXILIARY")
        pairs = {7: "c-l", 8: "c-st", 9: "c-street", 10: "c-o", 11: "c-ou", 16: "c-PostalAddress", 17: "c-PostalCode", 18: "c-PostOfficeBox", 19: "c-PhysicalDeliveryOfficeName"}
        pairs |= {20: "c-TelephoneNumber", 21: "c-TelexNumber", 23: "c-FacsimileTelephoneNumber", 25: "c-InternationalISDNNumber"}
        for number, kind in pairs.items():
            self.assertRegex(types, rf"\( 2\.5\.4\.{number}\.1 NAME '{kind}' .*SUP .*COLLECTIVE")
        for oid, kind in (("2.5.18.7", "collectiveExclusions"), ("2.5.18.12", "collectiveAttributeSubentries")):
            self.assertRegex(types, rf"\( {oid} NAME '{kind}' .*USAGE directoryOperation")

    def test_2_1_only_in_its_subentry(self):
        """RFC 3671 §1.2, §2.1: a collective attribute is updated by its subentry only; on another entry it is refused by name and rule."""
        person = self.person("person")
        self.share(c_l=["Oslo"])
        for change in ((wire.ADD, "c-l", ["Rome"]), (wire.REPLACE, "c-l", ["Rome"]), (wire.ADD, "c-ou;lang-en", ["x"])):
            answer = self.refused(OBJECT_CLASS, wire.modify(person, change))
            self.assertIn(change[1].split(";")[0], answer.text)
            self.assertIn("collectiveAttributeSubentry", answer.text)
        self.refused(OBJECT_CLASS, wire.add(f"cn=new,{self.base}", {"objectClass": ["person", "extensibleObject"], "sn": ["x"], "c-l": ["Rome"]}))
        self.refused(OBJECT_CLASS, wire.add(f"cn=new,{self.base}", {"objectClass": ["subentry", "extensibleObject"], "subtreeSpecification": ["{}"], "c-l": ["Rome"]}))
        self.refused(NO_SUCH_ATTRIBUTE, wire.modify(person, (wire.DELETE, "c-l", ["Oslo"])))
        self.assertEqual(self.shown(person, "c-l"), {"c-l": ["Oslo"]})

    def test_2_1_the_class_is_of_subentries(self):
        """RFC 3671 §2.1: collectiveAttributeSubentry is a class of subentries."""
        self.refused(OBJECT_CLASS, wire.add(f"cn=new,{self.base}", {"objectClass": ["person", "collectiveAttributeSubentry"], "sn": ["x"]}))

    def test_2_1_names_no_entry(self):
        """X.501 §13.4.8: a collective attribute names no entry, not even its subentry."""
        name = f"c-l=Oslo,{self.base}"
        self.refused(NAMING, wire.add(name, {"objectClass": ["subentry", "collectiveAttributeSubentry"], "cn": ["x"], "subtreeSpecification": ["{}"]}))

    def test_2_2_no_user_modification(self):
        """RFC 3671 §2.2: collectiveAttributeSubentries is not modified by users."""
        person, sub = self.person("person"), self.share(c_l=["Oslo"])
        self.refused(CONSTRAINT, wire.modify(person, (wire.ADD, "collectiveAttributeSubentries", [sub])))

    def test_at_most_so_many(self):
        """An administrative point has at most 32 of them: each is looked at for every entry below."""
        for number in range(32):
            self.share(f"s{number}", c_l=[f"l{number}"])
        refused = {"objectClass": ["subentry", "collectiveAttributeSubentry"], "subtreeSpecification": ["{}"], "c-l": ["x"]}
        self.refused(ADMIN_LIMIT, wire.add(f"cn=more,{self.base}", refused))
        self.assertEqual(len(self.shown(self.person("person"), "c-l")["c-l"]), 32)
        self.ok(wire.modify(f"cn=s0,{self.base}", (wire.REPLACE, "c-l", ["other"])))

    def test_at_most_so_many_values(self):
        """A subentry shares at most 256 values of 64 KiB together: every entry below shows them (HA5)."""
        values = [f"l{number}" for number in range(256)]
        sub = self.share(c_l=values)
        self.refused(ADMIN_LIMIT, wire.modify(sub, (wire.ADD, "c-st", ["x"])))
        self.ok(wire.modify(sub, (wire.REPLACE, "c-l", ["x" * 65_536])))
        self.refused(ADMIN_LIMIT, wire.modify(sub, (wire.ADD, "c-st", ["x"])))


class Shown(Collective):
    """§1.2, §2."""

    def setUp(self):
        super().setUp()
        self.ann, self.bob = self.person("ann", ou=["own"]), self.person("bob")
        self.sub = self.share(c_l=["Oslo"], c_ou=["Sales", "Support"])

    def test_1_2_as_if_its_own(self):
        """RFC 3671 §1.2: the values are visible to clients accessing entries of the collection: among all user attributes, and by name."""
        self.assertEqual(self.shown(self.ann)["c-l"], ["Oslo"])
        self.assertEqual(self.shown(self.ann, "*")["c-ou"], ["Sales", "Support"])
        self.assertEqual(self.shown(self.ann, "C-L"), {"c-l": ["Oslo"]})
        self.assertEqual(self.shown(self.ann, "2.5.4.11.1"), {"c-ou": ["Sales", "Support"]})
        self.assertNotIn("c-l", self.shown(self.ann, "+"))
        self.assertEqual(self.shown(self.ann, "1.1"), {})

    def test_by_its_supertype(self):
        """RFC 4511 §4.5.1.8: who asks for ou gets its subtypes, each under its own name."""
        self.assertEqual(self.shown(self.ann, "ou"), {"ou": ["own"], "c-ou": ["Sales", "Support"]})
        self.assertEqual(self.shown(self.bob, "name")["c-ou"], ["Sales", "Support"])

    def test_types_only(self):
        """RFC 4511 §4.5.1.6: with typesOnly the description alone."""
        (found,) = self.wire.entries(self.ann, BASE, attributes=["ou"], types_only=True)
        self.assertEqual(found.attributes, {"ou": [], "c-ou": []})

    def test_options(self):
        """RFC 4512 §2.5.2: an option of the subentry's attribute goes with it."""
        self.ok(wire.modify(self.sub, (wire.ADD, "c-l;lang-no", ["Oslo kommune"])))
        self.assertEqual(self.shown(self.ann, "c-l"), {"c-l": ["Oslo"], "c-l;lang-no": ["Oslo kommune"]})
        self.assertEqual(self.shown(self.ann, "c-l;lang-no"), {"c-l;lang-no": ["Oslo kommune"]})
        self.assertEqual(self.names("(c-l;lang-no=oslo kommune)", controls=[subentries(False)]), ["ann", "bob", self.top])
        self.assertEqual(self.names("(l;lang-de=oslo kommune)"), [])

    def test_1_2_combined(self):
        """RFC 3671 §1.2: an entry of several collections has all values, each once, and nothing tells their sources."""
        self.share("more", c_l=["OSLO", "Rome"], c_st=["Lazio"])
        found = self.shown(self.ann)
        self.assertEqual((found["c-l"], found["c-st"]), (["Oslo", "Rome"], ["Lazio"]))

    def test_2_2_subentries(self):
        """RFC 3671 §2.2: collectiveAttributeSubentries names the subentries that affect the entry."""
        more = self.share("more", c_st=["Lazio"])
        self.share("other", specification="{ minimum 1, specificationFilter item:device }", c_st=["Lazio"])
        self.assertEqual(self.shown(self.ann, "collectiveAttributeSubentries"), {"collectiveAttributeSubentries": sorted([self.sub, more])})
        self.assertIn("collectiveAttributeSubentries", self.shown(self.ann, "+"))
        self.assertNotIn("collectiveAttributeSubentries", self.shown(self.ann))
        self.assertEqual(self.names(f"(collectiveAttributeSubentries={more})"), ["ann", "bob", self.top])
        self.refused(TRUE, wire.compare(self.ann, "collectiveAttributeSubentries", more))

    def test_subentries_share_nothing(self):
        """RFC 3672 §2.1: a subtree is of entries; subentries have their own values only."""
        other = self.share("other", c_st=["Lazio"])
        self.assertNotIn("c-l", self.shown(other))
        self.assertEqual(self.shown(self.sub, "c-l"), {"c-l": ["Oslo"]})

    def test_2_3_exclusions(self):
        """RFC 3671 §2.3: an entry excludes collective attributes by name or OID."""
        self.ok(wire.modify(self.ann, (wire.ADD, "collectiveExclusions", ["c-l"])))
        self.assertNotIn("c-l", self.shown(self.ann))
        self.assertIn("c-ou", self.shown(self.ann))
        self.assertEqual(self.sharers(), ["bob", self.top])
        self.ok(wire.modify(self.ann, (wire.REPLACE, "collectiveExclusions", ["2.5.4.11.1"])))
        self.assertEqual(self.shown(self.ann, "l", "ou"), {"c-l": ["Oslo"], "ou": ["own"]})

    def test_2_3_exclude_all(self):
        """RFC 3671 §2.3: excludeAllCollectiveAttributes, or 2.5.18.0, excludes all of them."""
        for value in ("excludeAllCollectiveAttributes", "2.5.18.0"):
            self.ok(wire.modify(self.ann, (wire.REPLACE, "collectiveExclusions", [value])))
            self.assertEqual(self.shown(self.ann, "l", "ou", "collectiveAttributeSubentries"), {"ou": ["own"]})
            self.refused(TRUE, wire.compare(self.ann, "collectiveExclusions", "2.5.18.0"))

    def test_administered_by_the_subentry(self):
        """RFC 3671 §2.1: a change of the subentry is seen on every entry at once, and so is its end."""
        self.ok(wire.modify(self.sub, (wire.REPLACE, "c-l", ["Rome"])))
        self.assertEqual(self.shown(self.ann, "l"), {"c-l": ["Rome"]})
        self.ok(wire.modify(self.sub, (wire.REPLACE, "subtreeSpecification", ['{ base "cn=bob" }'])))
        self.assertEqual(self.sharers(), ["bob"])
        self.ok(wire.rename(self.sub, "cn=other"))
        self.assertEqual(self.sharers(), ["bob"])
        self.ok(wire.rename(self.bob, "cn=eve"))
        self.assertEqual(self.sharers(), [])
        self.ok(wire.delete(f"cn=other,{self.base}"))
        self.assertNotIn("c-l", self.shown(self.ann))

    def test_two_libraries(self):
        """The same by independent clients."""
        import ldap

        found = self.library().search_s(self.base, ldap.SCOPE_SUBTREE, "(c-ou=sales)", ["c-ou"])
        self.assertEqual({dn: sorted(values["c-ou"]) for dn, values in found}[self.ann], [b"Sales", b"Support"])
        connection = self.library("ldap3")
        connection.search(self.base, "(ou=support)", attributes=["ou", "c-l"])
        self.assertEqual({entry.entry_dn: entry["c-l"].values for entry in connection.entries}[self.bob], ["Oslo"])


class Matched(Collective):
    """§2.1: available for finding, searching, and comparison at every entry within the scope."""

    def setUp(self):
        super().setUp()
        self.near, self.far = self.unit("near"), self.unit("far")
        self.ann, self.bob, self.eve = self.person("ann", self.near, ou=["own"]), self.person("bob", self.near), self.person("eve", self.far)
        self.sub = self.share(point=self.near, specification="{ minimum 1 }", c_ou=["Sales"], c_TelephoneNumber=["+1 555"], c_l=["Oslo"])

    def test_filters(self):
        """RFC 3671 §2.1, RFC 4511 §4.5.1.7: every choice of a filter, by the type and by its supertypes, indexed or not."""
        both = ["ann", "bob"]
        texts = ["(c-ou=sales)", "(ou=SALES)", "(name=sales)", "(c-ou=*)", "(ou=sa*)", "(c-ou=*ale*)", "(c-l=oslo)", "(telephoneNumber=+1555)"]
        texts += ["(c-ou:caseExactMatch:=Sales)", "(&(ou=sales)(cn=*))", "(|(ou=sales)(ou=nothing))", "(&(objectClass=person)(ou=sales)(!(cn=eve)))", "(c-l~=oslo)"]
        for text in texts:
            self.assertEqual(self.names(text, base=self.near), both, text)
        self.assertEqual(self.names("(|(ou=own)(c-l=nowhere))"), ["ann"])
        self.assertEqual(self.names("(!(c-ou=sales))"), ["eve", "far", "near", self.top])
        self.assertEqual(self.names("(ou=far)"), ["far"])

    def test_every_scope(self):
        """RFC 3671 §2.1: found from any base: above the area, at its point, within it."""
        for base, scope, wanted in ((self.base, SUB, ["ann", "bob"]), (self.near, ONE, ["ann", "bob"]), (self.ann, SUB, ["ann"]), (self.ann, BASE, ["ann"]), (self.base, ONE, []), (self.far, SUB, [])):
            self.assertEqual(self.names("(c-ou=sales)", scope, base), wanted, (base, scope))
        everywhere = [answer.dn for answer in self.wire.entries(SUFFIX, SUB, "(c-ou=sales)")]
        self.assertEqual(sorted(dn for dn in everywhere if dn.endswith(self.base)), [self.ann, self.bob])

    def test_the_subentry_itself(self):
        """RFC 3672 §3: the subentry is found by its values where subentries are asked for."""
        found = self.wire.entries(self.base, SUB, "(ou=sales)", controls=[subentries(True)])
        self.assertEqual([answer.dn for answer in found], [self.sub])

    def test_compare(self):
        """RFC 3671 §2.1: compare, by the type and by its supertype."""
        self.refused(TRUE, wire.compare(self.ann, "c-ou", "SALES"))
        self.refused(FALSE, wire.compare(self.ann, "c-ou", "other"))
        self.refused(TRUE, wire.compare(self.ann, "ou", "sales"))
        self.refused(NO_SUCH_ATTRIBUTE, wire.compare(self.eve, "c-ou", "sales"))

    def test_sorted(self):
        """RFC 2891: entries are sorted by what they share."""
        self.share("far", self.far, "{ minimum 1 }", c_l=["Bonn"])
        *found, done = self.wire.exchange(wire.search(self.base, SUB, "(c-l=*)"), [sort("c-l", ("cn", None, True))])
        self.assertEqual([answer.dn for answer in found], [self.eve, self.bob, self.ann])
        *found, done = self.wire.exchange(wire.search(self.base, SUB, "(cn=*)"), [sort(("l", None, True), "cn")])
        self.assertEqual([answer.dn for answer in found], [self.ann, self.bob, self.eve])

    def test_view_of_a_list(self):
        """draft-ietf-ldapext-ldapv3-vlv: a part of the list from a shared value on."""
        self.share("far", self.far, "{ minimum 1 }", c_l=["Bonn"])
        view = wire.control(VIEW, True, sequence(integer(0), integer(1), octets("cork", 0x81)))
        *found, _ = self.wire.exchange(wire.search(self.base, SUB, "(c-l=*)"), [sort("c-l", "cn"), view])
        self.assertEqual([answer.dn for answer in found], [self.ann, self.bob])

    def test_dereferenced(self):
        """draft-masarati-ldap-deref: what is shown of an entry that another names has what it shares."""
        group = f"cn=group,{self.far}"
        self.ok(wire.add(group, {"objectClass": ["groupOfNames"], "member": [self.ann]}))
        control = wire.control(DEREFERENCE, True, sequence(sequence(octets("member"), sequence(octets("ou")))))
        found, _ = self.wire.exchange(wire.search(group, BASE), [control])
        shown = found.control(DEREFERENCE)
        self.assertTrue(b"c-ou" in shown and b"Sales" in shown and b"own" in shown, shown)

    def test_persistent_search(self):
        """draft-ietf-ldapext-psearch: an entry is found by what it shares, and shown with it."""
        follower = self.operator()
        control = wire.control(PERSISTENT, True, sequence(integer(15), boolean(True), boolean(False)))
        follower.ask(wire.search(self.base, SUB, "(c-ou=sales)", ["c-ou", "description"]), [control])
        self.ok(wire.modify(self.eve, (wire.REPLACE, "description", ["not this"])))
        self.ok(wire.modify(self.ann, (wire.REPLACE, "description", ["this"])))
        found = follower.receive()
        self.assertEqual((found.dn, found.values("c-ou"), found.values("description")), (self.ann, ["Sales"], ["this"]))

    def test_copies_have_the_subentries(self):
        """RFC 4533: a copy is made of what entries keep; what they share is in the copy of the subentry."""
        *found, done = self.wire.exchange(wire.search(self.base, SUB, "(objectClass=*)", ["c-ou", "cn"]), [sync(REFRESH_ONLY)])
        shown = {answer.dn: answer.values("c-ou") for answer in found if answer.tag == wire.ENTRY}
        self.assertEqual((shown[self.ann], shown[self.sub]), ([], ["Sales"]))

    def test_effective_rights(self):
        """RFC 3671 §1.2: visible but not updateable: nobody has the right to write it on the entry."""
        control = wire.control(RIGHTS, True, f"dn: {OPERATOR}".encode())
        for dn, rights in ((self.ann, "c-ou:rsc"), (self.sub, "c-ou:rscwo")):
            found, _ = self.wire.exchange(wire.search(dn, BASE, attributes=["c-ou"]), [control])
            self.assertIn(rights, found.values("attributeLevelRights")[0].split(", "))

    def test_matched_values(self):
        """RFC 3876: values that are shared are chosen as others are."""
        self.ok(wire.modify(self.sub, (wire.ADD, "c-ou", ["Support"])))
        found = self.wire.entries(self.ann, BASE, attributes=["ou"], controls=[matched("(c-ou=sup*)")])
        self.assertEqual(found[0].attributes, {"c-ou": [b"Support"]})

    def test_assertion_and_reads(self):
        """RFC 4528, RFC 4527: the assertion, and the entry before and after a change, have what is shared."""
        change = wire.modify(self.ann, (wire.REPLACE, "description", ["x"]))
        self.refused(122, change, [asserted("(c-ou=other)")])
        answer = self.ok(change, [asserted("(ou=sales)"), read(PRE_READ, "c-l"), read(POST_READ, "ou")])
        self.assertEqual(read_of(answer, PRE_READ)[1], {"c-l": ["Oslo"]})
        self.assertEqual(read_of(answer, POST_READ)[1], {"ou": ["own"], "c-ou": ["Sales"]})

    def test_a_change_and_its_read(self):
        """RFC 4527 §3.2: what is read after a change is what the change made of it."""
        change = wire.modify(self.ann, (wire.ADD, "collectiveExclusions", ["c-ou"]))
        answer = self.ok(change, [read(PRE_READ, "c-ou"), read(POST_READ, "c-ou")])
        self.assertEqual((read_of(answer, PRE_READ)[1], read_of(answer, POST_READ)[1]), ({"c-ou": ["Sales"]}, {}))

    def test_moved(self):
        """An entry that moves leaves one collection and joins another."""
        self.ok(wire.rename(self.eve, "cn=eve", superior=self.near))
        self.ok(wire.rename(self.ann, "cn=ann", superior=self.far))
        self.assertEqual(self.sharers(), ["bob", "eve"])


class Areas(Collective):
    """RFC 3672 §2.1, X.501: which entries a subentry is about."""

    def setUp(self):
        super().setUp()
        self.one = self.unit("one")
        self.two = self.unit("two", self.one)
        self.ann, self.bob = self.person("ann", self.one), self.person("bob", self.two)
        self.top_name = self.top

    def area(self, specification):
        """Which entries are in the area."""
        self.share("sub", specification=specification, c_l=["x"])
        found = self.sharers()
        self.ok(wire.delete(f"cn=sub,{self.base}"))
        return found

    def test_whole(self):
        """RFC 3672 §2.1: { } is the whole administrative area, its point included."""
        self.assertEqual(self.area("{ }"), sorted([self.top, "ann", "bob", "one", "two"]))

    def test_base(self):
        """RFC 3672 §2.1.1: base names the root of the subtree, relative to the administrative point."""
        self.assertEqual(self.area('{ base "ou=two,ou=one" }'), ["bob", "two"])
        self.assertEqual(self.area('{ base "OU=\\4Fne" }'), ["ann", "bob", "one", "two"])
        self.assertEqual(self.area('{ base "ou=none" }'), [])

    def test_chop(self):
        """RFC 3672 §2.1.2: chopBefore leaves the entry out, chopAfter what is below it; names are relative to the base."""
        self.assertEqual(self.area('{ base "ou=one", specificExclusions { chopBefore:"ou=two" } }'), ["ann", "one"])
        self.assertEqual(self.area('{ base "ou=one", specificExclusions { chopAfter:"ou=two", chopBefore:"cn=ann" } }'), ["one", "two"])

    def test_depth(self):
        """RFC 3672 §2.1.2: minimum and maximum count RDNs below the base."""
        self.assertEqual(self.area("{ minimum 2 }"), ["ann", "bob", "two"])
        self.assertEqual(self.area("{ minimum 1, maximum 1 }"), ["one"])
        self.assertEqual(self.area('{ base "ou=one", maximum 0 }'), ["one"])

    def test_filter(self):
        """RFC 3672 §2.1.3: the refinement chooses by object class."""
        self.assertEqual(self.area("{ specificationFilter item:person }"), ["ann", "bob"])
        self.assertEqual(self.area("{ minimum 1, specificationFilter not:item:2.5.6.6 }"), ["one", "two"])
        self.assertEqual(self.area("{ specificationFilter and:{ item:person, not:item:inetOrgPerson } }"), [])
        self.assertEqual(self.area("{ minimum 1, specificationFilter or:{ item:organizationalUnit, item:device } }"), ["one", "two"])

    def test_bounds(self):
        """A specification has at most 256 exclusions, 256 parts of a refinement, and names of 64 RDNs: all are asked of each entry (HA5)."""
        def excluding(count):
            return "{ specificExclusions { " + ", ".join(f'chopBefore:"cn=x{number}"' for number in range(count)) + " } }"

        self.assertEqual(self.area(excluding(256)), sorted([self.top, "ann", "bob", "one", "two"]))
        for specification in (excluding(257), "{ specificationFilter or:{ " + ", ".join(["item:person"] * 256) + " } }", '{ base "' + ",".join(["ou=x"] * 65) + '" }'):
            refused = {"objectClass": ["subentry", "collectiveAttributeSubentry"], "subtreeSpecification": [specification], "c-l": ["x"]}
            self.assertIn("256", self.refused(SYNTAX, wire.add(f"cn=much,{self.base}", refused)).text)

    def test_inner_areas(self):
        """RFC 3671 §2.1: what an inner area shares comes to what the area around it shares."""
        self.share(c_l=["Oslo"])
        self.share(point=self.two, c_l=["Rome"])
        self.ok(wire.modify(self.two, (wire.ADD, "administrativeRole", ["collectiveAttributeInnerArea"])))
        self.assertEqual(self.shown(self.bob, "l"), {"c-l": ["Oslo", "Rome"]})
        self.assertEqual(self.shown(self.ann, "l"), {"c-l": ["Oslo"]})

    def test_specific_areas(self):
        """RFC 3671 §2.1, X.501: where a specific area begins, that around it ends."""
        self.share(c_l=["Oslo"])
        self.share(point=self.two, c_l=["Rome"])
        for role in ("collectiveAttributeSpecificArea", "2.5.23.5", "autonomousArea"):
            self.ok(wire.modify(self.two, (wire.REPLACE, "administrativeRole", [role])))
            self.assertEqual(self.shown(self.bob, "l"), {"c-l": ["Rome"]})
            self.assertEqual(self.shown(self.ann, "l"), {"c-l": ["Oslo"]})
        self.assertEqual(self.names("(c-l=oslo)", base=self.base), sorted([self.top, "ann", "one"]))


class Rights(Collective):
    """§1.2: like other user attributes, collective attributes are subject to access control."""

    def setUp(self):
        super().setUp()
        self.ann = self.person("ann")
        self.share(c_ou=["Sales"], c_l=["Oslo"], c_st=["Lazio"])
        self.reader = self.anonymous()

    def found(self, text):
        return sorted(answer.dn.split(",")[0] for answer in self.reader.entries(self.base, SUB, text))

    def test_reads_what_the_rules_say(self):
        """RFC 3671 §1.2: what may not be read on the entry is not there; a rule about ou is about c-ou too."""
        self.assertEqual(self.shown(self.ann, connection=self.reader).keys(), {"objectClass", "cn", "c-ou"})

    def test_may_not_be_searched(self):
        """RFC 4511 §4.5.1.7: an attribute that may not be searched is Undefined, and so is its opposite."""
        self.assertEqual(self.found("(c-ou=sales)"), ["cn=ann", f"ou={self.top}"])
        for text in ("(c-st=lazio)", "(!(c-st=lazio))", "(!(c-st=other))", "(l=oslo)", "(c-l=*)"):
            self.assertEqual(self.found(text), [], text)
        *found, done = self.reader.exchange(wire.search(self.base, SUB, "(cn=*)"), [sort("c-st", critical=False)])
        self.assertEqual(sorted_of(done)[0], 16)

    def test_hc1_names_of_hidden_subentries(self):
        """RFC 3671 §2.2: the names of subentries that are hidden from the reader are not among those shown, found or compared."""
        shown, hidden = f"cn=shared,{self.base}", self.share("hidden plan", c_ou=["Support"])
        name = "collectiveAttributeSubentries"
        self.assertEqual(self.shown(self.ann, name), {name: [hidden, shown]})
        self.assertEqual(self.shown(self.ann, name, "ou", connection=self.reader), {name: [shown], "c-ou": ["Sales", "Support"]})
        self.assertEqual(self.found(f"({name}={shown})"), ["cn=ann", f"ou={self.top}"])
        self.assertEqual(self.found(f"({name}={hidden})"), [])
        self.assertEqual(self.found(f"(!({name}={hidden}))"), ["cn=ann", f"ou={self.top}"])
        self.ok(wire.delete(shown))
        self.assertEqual(self.shown(self.ann, name, connection=self.reader), {})
        self.assertEqual(self.found(f"({name}=*)"), [])

    def test_compare(self):
        """RFC 4511 §4.10: where only compare is allowed, compare it is; what may not be compared is not there."""
        self.assertEqual(self.reader.request(wire.compare(self.ann, "c-l", "oslo")).code, TRUE)
        self.assertEqual(self.reader.request(wire.compare(self.ann, "c-st", "lazio")).code, NO_SUCH_ATTRIBUTE)
