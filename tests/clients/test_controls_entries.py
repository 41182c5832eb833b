"""What controls of a search show of entries: matched values, subentries, entries named by others, rights; and the rules
for all controls (HA6)."""

import subprocess
import unittest

import ldap
from ldap.controls import RequestControl
from ldap.controls.libldap import MatchedValuesControl, SimplePagedResultsControl
from ldap.controls.sss import SSSRequestControl

from controls_setup import OPERATOR, PEOPLE, SUFFIX, Headcount, Slapd, attempt, ber, connect, entry, fill, search, sequence, text

DEREFERENCE = "1.3.6.1.4.1.4203.666.5.16"
RIGHTS = "1.3.6.1.4.1.42.2.27.9.5.2"
SUBENTRIES = "1.3.6.1.4.1.4203.1.10.1"
NO_COPY = "1.3.6.1.1.22"
PASSWORD = "the operator's own password"
TRACKING = "1.3.6.1.4.1.21008.108.63.1"


class OnBoth(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ours, cls.theirs = cls.servers = [Headcount(SUFFIX), Slapd(SUFFIX)]
        cls.operators = []
        for server in cls.servers:
            server.start()
            cls.addClassCleanup(server.end)
            cls.operators.append(fill(server))
        cls.operator = cls.operators[0]

    def reader(self):
        return connect(self.ours, f"uid=reader,{SUFFIX}")


class MatchedValues(OnBoth):
    def values(self, c, filter, attributes=("title", "cn", "sn"), base=f"uid=ann,{PEOPLE}"):
        answer = search(c, base, attributes=list(attributes), scope=ldap.SCOPE_BASE, controls=[MatchedValuesControl(True, filter)])
        self.assertEqual(answer.code, 0, answer.text)
        return {name.lower(): sorted(values) for name, values in answer.entries[0][1].items()}

    def test_only_values_that_match_as_slapd_has_it(self):
        for filter in ("((title=second))", "((title=s*)(cn=ann))", "((title=*))", "((sn>=a))", "((title=nothing))", "((noSuchThing=*))",
                       "((name=ann))", "((cn:caseExactMatch:=ann)(cn=x))", "((title=SECOND)(title=eighth))"):
            ours, theirs = [self.values(c, filter) for c in self.operators]
            self.assertEqual(ours, theirs, filter)
        self.assertEqual(self.values(self.operator, "((title=second))"), {"title": [b"second"]})

    def test_names_are_matched_as_names(self):
        for filter in (f"((member=UID=ann, {PEOPLE}))", f"((member=uid=gone,{PEOPLE}))", "((member=*))"):
            ours, theirs = [self.values(c, filter, ["member"], f"cn=crew,ou=groups,{SUFFIX}") for c in self.operators]
            self.assertEqual(ours, theirs, filter)

    def test_hc1_what_may_not_be_searched_matches_nothing(self):
        self.assertEqual(self.values(self.reader(), "((employeeNumber=30)(cn=ann))", ["*"]), {"cn": [b"ann"]})

    def test_and_or_not_are_no_items(self):
        value = sequence(ber(0xA0, ber(0x87, "cn")))
        # slapd takes them for items that match nothing.
        self.assertEqual(search(self.operator, PEOPLE, controls=[RequestControl(MatchedValuesControl.controlType, True, value)]).code, 2)


class Subentries(OnBoth):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.name = f"cn=area,{PEOPLE}"
        cls.operator.add_s(cls.name, entry(objectClass="subentry", cn="area", subtreeSpecification="{ base \"\", minimum 1 }"))

    def found(self, scope, *visible, base=PEOPLE, filter="(cn=area)"):
        controls = [RequestControl(SUBENTRIES, True, b"\x01\x01" + (b"\xff" if shown else b"\x00")) for shown in visible]
        return len(search(self.operator, base, filter, ["cn"], scope, controls).entries)

    def test_hidden_unless_asked_for(self):
        self.assertEqual(self.found(ldap.SCOPE_SUBTREE), 0)
        self.assertEqual(self.found(ldap.SCOPE_ONELEVEL), 0)
        self.assertEqual(self.found(ldap.SCOPE_BASE, base=self.name), 1)
        self.assertEqual(self.found(ldap.SCOPE_SUBTREE, True), 1)
        self.assertEqual(self.found(ldap.SCOPE_SUBTREE, False), 0)
        self.assertEqual(self.found(ldap.SCOPE_BASE, False, base=self.name), 0)

    def test_only_subentries(self):
        self.assertEqual(self.found(ldap.SCOPE_SUBTREE, True, filter="(objectClass=*)"), 1)
        self.assertEqual(self.found(ldap.SCOPE_SUBTREE, False, filter="(objectClass=*)"), 6)
        self.assertEqual(self.found(ldap.SCOPE_BASE, True, filter="(objectClass=*)"), 0)

    def test_damaged_values(self):
        for value in (None, b"", b"\x01", b"\x01\x01", b"\x02\x01\x01", b"\x01\x01\xff\x00"):
            answer = search(self.operator, PEOPLE, controls=[RequestControl(SUBENTRIES, True, value)])
            self.assertEqual((answer.code, answer.entries), (2, []), value)

    def test_the_specification_must_be_one(self):
        bad = entry(objectClass="subentry", cn="bad", subtreeSpecification="{ minimum x }")
        self.assertEqual(attempt(self.operator.add_s, f"cn=bad,{PEOPLE}", bad).code, 21)
        none = entry(objectClass="subentry", cn="bad")
        self.assertEqual(attempt(self.operator.add_s, f"cn=bad,{PEOPLE}", none).code, 65)


class Dereference(OnBoth):
    def linked(self, server, spec, who=OPERATOR):
        """What ldapsearch shows of the entries that the group names."""
        bind = ["-D", who, "-w", PASSWORD] if who else []
        command = ["ldapsearch", "-x", "-LLL", "-o", "ldif-wrap=no", "-H", server.url, *bind, "-b", SUFFIX, "-E", f"!deref={spec}"]
        done = subprocess.run([*command, "(cn=crew)", "cn"], capture_output=True, text=True, timeout=30)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return [line for line in done.stdout.splitlines() if line.startswith("# ")]

    def test_as_slapd_has_it(self):
        for spec in ("member:cn,title", "member:mail", "member:cn;seeAlso:cn"):
            ours, theirs = [self.linked(server, spec) for server in self.servers]
            self.assertEqual(sorted(ours), sorted(theirs), spec)
        self.assertEqual(self.linked(self.ours, "member:cn"),
                         [f"# member: <cn=ann>;uid=ann,{PEOPLE}", f"# member: <cn=cid>;uid=cid,{PEOPLE}", f"# member: uid=gone,{PEOPLE}"])

    def test_hc1_nothing_the_caller_may_not_read(self):
        found = self.linked(self.ours, "member:cn,employeeNumber", f"uid=reader,{SUFFIX}")
        self.assertEqual(found[:2], [f"# member: <cn=ann>;uid=ann,{PEOPLE}", f"# member: <cn=cid>;uid=cid,{PEOPLE}"])
        # Anonymous may not read member at all.
        self.assertEqual(self.linked(self.ours, "member:cn", None), [])

    def test_what_is_refused(self):
        def code(c, critical, *specs):
            value = sequence(*[sequence(text(attribute), sequence(*[text(a) for a in attributes])) for attribute, attributes in specs])
            return search(c, SUFFIX, "(cn=crew)", controls=[RequestControl(DEREFERENCE, critical, value)]).code

        for specs in ([("noSuchThing", ["cn"])], [("cn", ["sn"])], [("member", ["cn"]), ("member", ["sn"])], [("member", [])]):
            for critical in (True, False):
                ours, theirs = [code(c, critical, *specs) for c in self.operators]
                self.assertEqual(ours, theirs, (specs, critical))
        self.assertEqual(code(self.operator, True), 2)


class EffectiveRights(OnBoth):
    def rights(self, c, who, *attributes, base=f"uid=ann,{PEOPLE}", raw=False):
        value = who.encode() if raw else sequence(text(who), sequence(*[text(a) for a in attributes]))
        answer = search(c, base, scope=ldap.SCOPE_BASE, attributes=["cn"], controls=[RequestControl(RIGHTS, True, value)])
        if answer.code:
            return answer.code
        values = answer.entries[0][1]
        self.assertEqual(values["cn"], [b"ann"])
        return values["entryLevelRights"][0].decode(), values["attributeLevelRights"][0].decode()

    def test_as_the_rules_say(self):
        reader = f"dn:uid=reader,{SUFFIX}"
        self.assertEqual(self.rights(self.operator, reader, "cn", "employeeNumber", "userPassword", "noSuchThing"),
                         ("v", "cn:rsc, employeeNumber:none, userPassword:none, noSuchThing:none"))
        self.assertEqual(self.rights(self.operator, f"dn:{OPERATOR}", "cn", "userPassword", "createTimestamp", "entryDN"),
                         ("vadn", "cn:rscwo, userPassword:wo, createTimestamp:rsc, entryDN:rsc"))
        self.assertEqual(self.rights(self.operator, "", "title", "sn"), ("v", "title:none, sn:rsc"))
        _, shown = self.rights(self.operator, reader, raw=True)
        self.assertIn("employeeNumber:none", shown.split(", "))
        self.assertIn("title:rsc", shown.split(", "))

    def test_only_who_sets_rights_may_see_them(self):
        self.assertEqual(self.rights(self.reader(), f"dn:uid=reader,{SUFFIX}", "cn"), 50)
        self.assertEqual(self.rights(connect(self.ours), f"dn:uid=nobody,{SUFFIX}", "cn"), 50)
        self.assertEqual(self.rights(self.operator, f"dn:uid=nobody,{SUFFIX}", "cn"), 32)
        self.assertEqual(self.rights(self.operator, "u:reader", "cn"), 2)


class Rules(OnBoth):
    """HA6, and what goes for all controls (RFC 4511 §4.1.11)."""

    def code(self, *controls, c=None):
        answer = search(c or self.operator, PEOPLE, controls=controls)
        if answer.code:
            self.assertEqual(answer.entries, [])
        return answer.code

    def test_ha6_eleven_controls_are_too_many(self):
        unknown = [RequestControl(f"1.2.3.{number}", False, b"x") for number in range(11)]
        self.assertEqual(self.code(*unknown[:10]), 0)
        self.assertEqual(self.code(*unknown), 2)

    def test_ha6_a_control_comes_once(self):
        for control in (SSSRequestControl(True, ["cn"]), SimplePagedResultsControl(False, 5, ""), RequestControl("1.2.3", False, None)):
            self.assertEqual(self.code(control, control), 2)

    def test_ha6_unknown_controls(self):
        self.assertEqual(self.code(RequestControl("1.2.3", False, b"x")), 0)
        self.assertEqual(self.code(RequestControl("1.2.3", True, b"x")), 12)
        self.assertEqual(attempt(self.operator.delete_ext_s, f"uid=ann,{PEOPLE}", serverctrls=[RequestControl("1.2.3", True)]).code, 12)
        self.assertEqual(len(search(self.operator, f"uid=ann,{PEOPLE}", scope=ldap.SCOPE_BASE).entries), 1)

    def test_ha6_a_known_control_with_another_operation(self):
        change = [(ldap.MOD_REPLACE, "description", b"changed")]
        for critical, code in ((True, 12), (False, 0)):
            for oid in (SSSRequestControl.controlType, SimplePagedResultsControl.controlType, DEREFERENCE, RIGHTS, SUBENTRIES, NO_COPY):
                done = attempt(self.operator.modify_ext_s, f"uid=bob,{PEOPLE}", change, serverctrls=[RequestControl(oid, critical, b"x")])
                self.assertEqual(done.code, code, oid)
        tree = RequestControl("1.2.840.113556.1.4.805", True)
        self.assertEqual(self.code(tree), 12)
        self.assertEqual(attempt(self.operator.modify_ext_s, f"uid=bob,{PEOPLE}", change, serverctrls=[tree]).code, 12)

    def test_dont_use_copy_is_critical_or_nothing(self):
        self.assertEqual(self.code(RequestControl(NO_COPY, True)), 0)
        self.assertEqual(self.code(RequestControl(NO_COPY, False)), 2)
        self.assertEqual(self.code(RequestControl(NO_COPY, True, b"x")), 2)
        for c in self.operators:
            done = attempt(c.compare_ext_s, f"uid=bob,{PEOPLE}", "cn", "bob", serverctrls=[RequestControl(NO_COPY, True)])
            self.assertEqual((done.code, done.text), (0, ""))

    def test_an_abandon_with_an_unknown_critical_control_abandons_nothing(self):
        c = connect(self.ours, OPERATOR)
        # Two in one write: the search is under way when the abandon comes, and answers nevertheless.
        number = c.search_ext(SUFFIX, ldap.SCOPE_SUBTREE)
        c.abandon_ext(number, serverctrls=[RequestControl("1.2.3", True)])
        self.assertEqual(c.whoami_s(), f"dn:{OPERATOR}")

    def test_an_unbind_is_one_whatever_its_controls(self):
        c = connect(self.ours, OPERATOR)
        c.unbind_ext_s(serverctrls=[RequestControl("1.2.3", True)])
        self.assertEqual(connect(self.ours, OPERATOR).whoami_s(), f"dn:{OPERATOR}")

    def test_every_control_the_root_lists_is_taken(self):
        (_, root), = self.operator.search_s("", ldap.SCOPE_BASE, attrlist=["supportedControl"])
        listed = {oid.decode() for oid in root["supportedControl"]}
        for oid in (SSSRequestControl.controlType, "2.16.840.1.113730.3.4.9", MatchedValuesControl.controlType, SUBENTRIES, NO_COPY,
                    DEREFERENCE, RIGHTS, TRACKING, "1.2.840.113556.1.4.1413", "1.2.840.113556.1.4.805", "1.3.6.1.4.1.4203.666.5.12",
                    "1.3.6.1.4.1.4203.666.5.2", "2.16.840.1.113730.3.4.16"):
            self.assertIn(oid, listed)


class Damaged(OnBoth):
    """HA3: values of controls that are none."""

    def test_ha3_octets_in_the_place_of_a_value(self):
        oids = [SSSRequestControl.controlType, "2.16.840.1.113730.3.4.9", MatchedValuesControl.controlType, SUBENTRIES, DEREFERENCE, TRACKING]
        values = [None, b"", b"\x30", b"\x30\x00\x00", b"\x30\x03\x02\x01", b"\x30\x84\xff\xff\xff\xff", b"\xff" * 40, b"\x30\x80\x00\x00",
                  sequence(sequence()), sequence(text(b"\xff\xfe")), sequence(sequence(text(b"\xff")))]
        for oid in oids:
            for value in values:
                answer = search(self.operator, PEOPLE, controls=[RequestControl(oid, True, value)])
                self.assertEqual((answer.code, answer.entries), (2, []), (oid, value))
        self.assertEqual(self.operator.whoami_s(), f"dn:{OPERATOR}")
