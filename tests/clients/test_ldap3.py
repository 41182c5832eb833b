"""A full round by the Python package ldap3, which reads the schema before it does anything."""

import ssl
import unittest

import ldap3

from demo import Demo


class Ldap3(unittest.TestCase):
    def setUp(self):
        self.demo = Demo()
        self.addCleanup(self.demo.stop)

    def connect(self, who, tls=False):
        context = ldap3.Tls(validate=ssl.CERT_NONE)
        server = ldap3.Server(self.demo.ldap, get_info=ldap3.ALL, tls=context, connect_timeout=20)
        c = ldap3.Connection(server, *who, receive_timeout=20)
        c.open()
        if tls:
            self.assertTrue(c.start_tls(), c.result)
        self.assertTrue(c.bind(), c.result)
        return c

    def test_full_round(self):
        c = self.connect(self.demo.operator)
        self.assertIn("inetOrgPerson", c.server.schema.object_classes)
        self.assertIn(3, [int(v) for v in c.server.info.supported_ldap_versions])
        base = f"ou=round,{self.demo.organisation}"
        self.assertTrue(c.add(base, "organizationalUnit"), c.result)
        for name in ("ann", "bob", "cid"):
            self.assertTrue(c.add(f"uid={name},{base}", "inetOrgPerson", {"cn": name, "sn": "Example"}), c.result)
        dn = f"uid=ann,{base}"
        changes = {"mail": [(ldap3.MODIFY_ADD, ["ann@example.com"])], "sn": [(ldap3.MODIFY_REPLACE, ["Other"])]}
        self.assertTrue(c.modify(dn, changes), c.result)
        self.assertTrue(c.compare(dn, "sn", "OTHER"), c.result)
        self.assertFalse(c.compare(dn, "sn", "Example"))
        self.assertTrue(c.modify_dn(dn, "uid=anna"), c.result)
        pages = c.extend.standard.paged_search(base, "(uid=*)", attributes=["*", "+"], paged_size=2, generator=False)
        self.assertEqual(sorted(entry["attributes"]["uid"][0] for entry in pages), ["anna", "bob", "cid"])
        anna = next(entry for entry in pages if entry["dn"].startswith("uid=anna"))["attributes"]
        for operational in ("entryUUID", "createTimestamp", "creatorsName", "modifyTimestamp", "structuralObjectClass", "entryDN"):
            self.assertTrue(anna.get(operational), operational)
        moved = f"ou=moved,{self.demo.organisation}"
        self.assertTrue(c.modify_dn(base, "ou=moved"), c.result)
        self.assertFalse(c.delete(moved), "there are entries below")
        self.assertEqual(c.result["result"], 66)
        for name in ("anna", "bob", "cid"):
            self.assertTrue(c.delete(f"uid={name},{moved}"), c.result)
        self.assertTrue(c.delete(moved), c.result)
        self.assertTrue(c.unbind())

    def test_password_over_start_tls(self):
        dn, password = self.demo.users[0]
        c = self.connect((dn, password), tls=True)
        self.assertEqual(c.extend.standard.who_am_i(), f"dn:{dn}")
        fresh = "seven uncommon words of this very test"
        self.assertTrue(c.extend.standard.modify_password(dn, password, fresh), c.result)
        c.unbind()
        self.assertTrue(self.connect((dn, fresh)).bound)
        old = ldap3.Connection(ldap3.Server(self.demo.ldap), dn, password)
        self.assertFalse(old.bind())
        self.assertEqual(old.result["result"], 49)

    def test_an_odd_filter_value_is_octets(self):
        c = self.connect(self.demo.operator)
        self.assertTrue(c.search(self.demo.organisation, r"(|(jpegPhoto=\ff\01)(objectClass=*))"), c.result)
        for undefined in (r"(cn=\ff\01)", r"(!(cn=\ff\01))", r"(jpegPhoto=\ff\01)"):
            self.assertFalse(c.search(self.demo.organisation, undefined), undefined)
            self.assertEqual(c.result["result"], 0)
