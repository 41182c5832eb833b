"""Controls of updates and binds: permissive modify, tree delete, relax, no-op, session tracking, authorization identity."""

import unittest

import ldap
from ldap.controls import RequestControl
from ldap.controls.simple import AuthorizationIdentityRequestControl, AuthorizationIdentityResponseControl

from controls_setup import OPERATOR, PEOPLE, RULES, SUFFIX, Headcount, Slapd, attempt, connect, entry, fill, search, sequence, text

PERMISSIVE = RequestControl("1.2.840.113556.1.4.1413", True)
TREE = RequestControl("1.2.840.113556.1.4.805", True)
RELAX = RequestControl("1.3.6.1.4.1.4203.666.5.12", True)
NO_OPERATION = RequestControl("1.3.6.1.4.1.4203.666.5.2", True)
NOTHING_DONE = 16654
TRACKING = "1.3.6.1.4.1.21008.108.63.1"
BY_USERNAME = "1.3.6.1.4.1.21008.108.63.1.3"
PASSWORD = "the operator's own password"

MORE = f"""
[[access]]
who = ["dn:uid=reader,{SUFFIX}"]
subtree = "ou=keep,ou=tree,{SUFFIX}"
rights = ["read"]
[[access]]
who = ["dn:uid=reader,{SUFFIX}"]
subtree = "ou=tree,{SUFFIX}"
rights = ["read", "delete", "write"]
"""


class Own(Headcount):
    more = MORE + RULES
    limits = "[limits]\nsize = 100\nlook_through = 50\n"


class OnBoth(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ours, cls.theirs = [Own(SUFFIX), Slapd(SUFFIX)]
        cls.operators = []
        for server in (cls.ours, cls.theirs):
            server.start()
            cls.addClassCleanup(server.end)
            cls.operators.append(fill(server))
        cls.operator = cls.operators[0]

    def read(self, dn, *attributes, c=None):
        answer = search(c or self.operator, dn, attributes=list(attributes) or None, scope=ldap.SCOPE_BASE)
        return answer.entries[0][1] if answer.entries else None

    def modify(self, c, dn, changes, *controls):
        return attempt(c.modify_ext_s, dn, changes, serverctrls=list(controls)).code


class PermissiveModify(OnBoth):
    def test_what_is_there_may_be_added_and_what_is_not_deleted_as_slapd_has_it(self):
        dn, crew = f"uid=ann,{PEOPLE}", f"cn=crew,ou=groups,{SUFFIX}"
        changes = [
            (dn, [(ldap.MOD_ADD, "title", [b"SECOND", b"new"])]),
            (dn, [(ldap.MOD_DELETE, "title", [b"none", b"eighth"])]),
            (dn, [(ldap.MOD_DELETE, "description", None)]),
            (dn, [(ldap.MOD_DELETE, "description", [b"none"])]),
            (crew, [(ldap.MOD_ADD, "member", [f"uid=ann,{PEOPLE}".encode(), f"uid=bob,{PEOPLE}".encode()])]),
            (crew, [(ldap.MOD_DELETE, "member", [f"uid=eve,{PEOPLE}".encode(), f"uid=gone,{PEOPLE}".encode()])]),
        ]
        for name, change in changes:
            plain = [self.modify(c, name, change) for c in self.operators]
            self.assertEqual(plain[0], plain[1], change)
            self.assertIn(plain[0], (16, 20), change)
            self.assertEqual([self.modify(c, name, change, PERMISSIVE) for c in self.operators], [0, 0], change)
            ours, theirs = [self.read(name, "title", "description", "member", c=c) for c in self.operators]
            self.assertEqual({k: sorted(v) for k, v in ours.items()}, {k: sorted(v) for k, v in theirs.items()}, change)

    def test_a_reference_that_is_not_there_may_be_deleted(self):
        change = [(ldap.MOD_DELETE, "member", [f"uid=nobody,{PEOPLE}".encode()])]
        self.assertEqual(self.modify(self.operator, f"cn=crew,ou=groups,{SUFFIX}", change), 16)
        # slapd answers 16 here, although it lets other values that are not there be deleted.
        self.assertEqual(self.modify(self.operator, f"cn=crew,ou=groups,{SUFFIX}", change, PERMISSIVE), 0)

    def test_nothing_else_is_permitted(self):
        dn = f"uid=bob,{PEOPLE}"
        for change, code in ((("noSuchThing", b"x"), 17), (("member", b"x"), 21), (("sn", b""), 21)):
            self.assertEqual(self.modify(self.operator, dn, [(ldap.MOD_ADD, *change)], PERMISSIVE), code, change)
        self.assertEqual(self.modify(self.operator, dn, [(ldap.MOD_DELETE, "sn", None)], PERMISSIVE), 65)
        self.assertEqual(self.modify(self.operator, dn, [(ldap.MOD_DELETE, "uid", [b"bob"])], PERMISSIVE), 67)


class TreeDelete(OnBoth):
    top = f"ou=tree,{SUFFIX}"

    def setUp(self):
        c = self.operator
        c.add_s(self.top, entry(objectClass="organizationalUnit", ou="tree"))
        for name in ("keep", "free"):
            c.add_s(f"ou={name},{self.top}", entry(objectClass="organizationalUnit", ou=name))
            for leaf in ("a", "b"):
                c.add_s(f"cn={leaf},ou={name},{self.top}", entry(objectClass="inetOrgPerson", cn=leaf, sn=leaf))
        c.modify_s(f"cn=crew,ou=groups,{SUFFIX}", [(ldap.MOD_ADD, "member", f"cn=a,ou=free,{self.top}".encode())])
        self.addCleanup(lambda: attempt(c.delete_ext_s, self.top, serverctrls=[TREE]))

    def delete(self, c, dn, *controls):
        return attempt(c.delete_ext_s, dn, serverctrls=list(controls)).code

    def left(self):
        return len(search(self.operator, self.top).entries)

    def test_all_goes_and_references_with_it(self):
        self.assertEqual(self.delete(self.operator, self.top), 66)
        self.assertEqual(self.left(), 7)
        self.assertEqual(self.delete(self.operator, self.top, TREE), 0)
        self.assertEqual(self.left(), 0)
        self.assertFalse([m for m in self.read(f"cn=crew,ou=groups,{SUFFIX}", "member")["member"] if b"tree" in m])

    def test_all_or_nothing_by_the_right_on_every_entry(self):
        reader = connect(self.ours, f"uid=reader,{SUFFIX}")
        self.assertEqual(self.delete(reader, self.top, TREE), 50)
        self.assertEqual(self.left(), 7)
        self.assertEqual(self.delete(reader, f"ou=free,{self.top}", TREE), 0)
        self.assertEqual(self.left(), 4)

    def test_no_more_than_the_limit(self):
        for number in range(60):
            self.operator.add_s(f"cn=n{number},ou=free,{self.top}", entry(objectClass="inetOrgPerson", cn=f"n{number}", sn="n"))
        reader = connect(self.ours, f"uid=reader,{SUFFIX}")
        self.assertEqual(self.delete(reader, f"ou=free,{self.top}", TREE), 11)
        self.assertEqual(self.delete(self.operator, self.top, TREE, NO_OPERATION), NOTHING_DONE)
        self.assertEqual(self.left(), 67)
        self.assertEqual(self.delete(self.operator, self.top, TREE), 0)

    def test_a_leaf_is_a_tree(self):
        self.assertEqual(self.delete(self.operator, f"cn=a,ou=free,{self.top}", TREE), 0)
        self.assertEqual(self.left(), 6)


class Relax(OnBoth):
    def test_the_operator_sets_what_only_the_server_writes_as_slapd_has_it(self):
        dn = f"uid=cid,{PEOPLE}"
        for name, value in {"createTimestamp": b"20010203040506Z", "entryUUID": b"01234567-89ab-4cde-8f01-23456789abcd",
                            "creatorsName": b"cn=somebody", "modifyTimestamp": b"20020203040506Z", "modifiersName": b"cn=else"}.items():
            change = [(ldap.MOD_REPLACE, name, value)]
            codes = [self.modify(c, dn, change) for c in self.operators]
            self.assertEqual(codes, [19, 19], name)
            self.assertEqual([self.modify(c, dn, change, RELAX) for c in self.operators], [0, 0], name)
            self.assertEqual([self.read(dn, name, c=c)[name] for c in self.operators], [[value], [value]], name)
        # The entry is found by its new number, and what was not given is the server's again.
        self.assertEqual(len(search(self.operator, PEOPLE, "(entryUUID=01234567-89ab-4cde-8f01-23456789abcd)").entries), 1)
        self.modify(self.operator, dn, [(ldap.MOD_REPLACE, "createTimestamp", b"20010203040507Z")], RELAX)
        self.assertEqual(self.read(dn, "modifiersName")["modifiersName"], [OPERATOR.encode()])

    def test_in_an_add(self):
        dn = f"uid=old,{PEOPLE}"
        values = entry(objectClass="inetOrgPerson", uid="old", cn="old", sn="old", createTimestamp="20010203040506Z",
                       entryUUID="11111111-89ab-4cde-8f01-23456789abcd")
        self.assertEqual([attempt(c.add_ext_s, dn, values).code for c in self.operators], [19, 19])
        self.assertEqual([attempt(c.add_ext_s, dn, values, serverctrls=[RELAX]).code for c in self.operators], [0, 0])
        found = [self.read(dn, "createTimestamp", "entryUUID", c=c) for c in self.operators]
        self.assertEqual(found[0], found[1])

    def test_nobody_else_may(self):
        c = connect(self.ours, f"uid=reader,{SUFFIX}")
        self.assertEqual(self.modify(c, f"uid=ann,{PEOPLE}", [(ldap.MOD_REPLACE, "createTimestamp", b"20010203040506Z")], RELAX), 50)


class NoOperation(OnBoth):
    def test_everything_is_checked_and_nothing_done_as_slapd_has_it(self):
        dn = f"uid=dan,{PEOPLE}"
        good = entry(objectClass="inetOrgPerson", uid="noop", cn="noop", sn="noop")
        cases = [
            ("add_ext_s", (f"uid=noop,{PEOPLE}", good)),
            ("add_ext_s", (dn, good)),
            ("add_ext_s", (f"uid=noop,{PEOPLE}", good[:2])),
            ("modify_ext_s", (dn, [(ldap.MOD_REPLACE, "sn", b"changed")])),
            ("modify_ext_s", (dn, [(ldap.MOD_DELETE, "description", None)])),
            ("delete_ext_s", (dn,)),
            ("delete_ext_s", (PEOPLE,)),
            ("rename_s", (dn, "uid=daniel")),
        ]
        before = [search(c, PEOPLE, attributes=["*", "+"]).entries for c in self.operators]
        for name, arguments in cases:
            codes = [attempt(getattr(c, name), *arguments, serverctrls=[NO_OPERATION]).code for c in self.operators]
            self.assertEqual(codes[0], codes[1], (name, arguments))
        self.assertEqual([search(c, PEOPLE, attributes=["*", "+"]).entries for c in self.operators], before)


class Binds(OnBoth):
    def identity(self, c, who, password):
        kind, _, _, controls = c.simple_bind_s(who, password, serverctrls=[AuthorizationIdentityRequestControl(True)])
        found, = [x for x in controls if x.controlType == AuthorizationIdentityResponseControl.controlType]
        return found.authzId

    def test_a_bind_says_who_one_is(self):
        c = connect(self.ours)
        self.assertEqual(self.identity(c, f"UID=Reader, {SUFFIX}", PASSWORD), f"dn:uid=reader,{SUFFIX}".encode())
        self.assertEqual(self.identity(c, OPERATOR, PASSWORD), f"dn:{OPERATOR}".encode())
        self.assertEqual(self.identity(c, "", ""), b"")
        _, _, _, controls = c.simple_bind_s(OPERATOR, PASSWORD)
        self.assertEqual(controls, [])
        self.assertEqual(attempt(c.simple_bind_s, OPERATOR, "wrong", serverctrls=[AuthorizationIdentityRequestControl(True)]).code, 49)


class Tracking(OnBoth):
    def control(self, *parts):
        return RequestControl(TRACKING, False, sequence(*[text(part) for part in parts]))

    def test_hg1_on_whose_behalf_is_in_the_log_and_on_one_line(self):
        control = self.control("192.0.2.7", "app\r\n{\"fake\": \"line\"}", BY_USERNAME, "bloggs\x1b[2J\u2028x")
        c = self.operator
        self.assertEqual(self.modify(c, f"uid=eve,{PEOPLE}", [(ldap.MOD_REPLACE, "description", b"tracked")], control), 0)
        self.assertTrue(search(c, PEOPLE, "(uid=eve)", controls=[control]).entries)
        lines = [line for line in self.ours.said().splitlines() if "192.0.2.7" in line]
        self.assertEqual(len(lines), 2, self.ours.said())
        for line in lines:
            self.assertIn("bloggs_[2J_x", line)
            self.assertNotIn("\x1b[2J", line)
        self.assertFalse([line for line in self.ours.said().splitlines() if line.startswith('{"fake"')])

    def test_it_is_in_the_audit_record_of_the_change(self):
        control = self.control("192.0.2.8", "app", BY_USERNAME, "tracked-person")
        self.assertEqual(self.modify(self.operator, f"uid=eve,{PEOPLE}", [(ldap.MOD_REPLACE, "description", b"again")], control), 0)
        self.modify(self.operator, f"uid=eve,{PEOPLE}", [(ldap.MOD_REPLACE, "description", b"without")])
        data = b"".join(path.read_bytes() for path in (self.ours.folder / "data").rglob("*") if path.is_file() and "sled" not in str(path))
        self.assertEqual(data.count(b"tracked-person"), 1)
        self.assertIn(b"for 192.0.2.8 app ", data)
