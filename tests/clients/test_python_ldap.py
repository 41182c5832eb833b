"""A full round by python-ldap, which is OpenLDAP's own client library."""

import unittest

import ldap
import ldap.controls
import ldap.controls.libldap
import ldap.modlist
import ldap.schema

from demo import Demo


class PythonLdap(unittest.TestCase):
    def setUp(self):
        self.demo = Demo()
        self.addCleanup(self.demo.stop)

    def connect(self, who=None):
        connection = ldap.initialize(self.demo.ldap)
        connection.set_option(ldap.OPT_NETWORK_TIMEOUT, 20)
        connection.set_option(ldap.OPT_TIMEOUT, 20)
        if who:
            connection.simple_bind_s(*who)
        return connection

    def test_full_round(self):
        c = self.connect(self.demo.operator)
        base = f"ou=round,{self.demo.organisation}"
        c.add_s(base, [("objectClass", b"organizationalUnit"), ("ou", b"round")])
        for name in ("ann", "bob", "cid"):
            entry = {"objectClass": [b"inetOrgPerson"], "cn": [name.encode()], "sn": [b"Example"], "uid": [name.encode()]}
            c.add_s(f"uid={name},{base}", ldap.modlist.addModlist(entry))
        with self.assertRaises(ldap.ALREADY_EXISTS):
            c.add_s(base, [("objectClass", b"organizationalUnit"), ("ou", b"round")])
        with self.assertRaises(ldap.OBJECT_CLASS_VIOLATION):
            c.add_s(f"cn=half,{base}", [("objectClass", b"inetOrgPerson"), ("cn", b"half")])

        dn = f"uid=ann,{base}"
        c.modify_s(dn, [(ldap.MOD_ADD, "mail", [b"ann@example.com"]), (ldap.MOD_REPLACE, "sn", [b"Other"])])
        (_, found), = c.search_s(dn, ldap.SCOPE_BASE)
        self.assertEqual((found["sn"], found["mail"]), ([b"Other"], [b"ann@example.com"]))
        with self.assertRaises(ldap.NO_SUCH_ATTRIBUTE):
            c.modify_s(dn, [(ldap.MOD_DELETE, "mail", [b"bob@example.com"])])
        with self.assertRaises(ldap.TYPE_OR_VALUE_EXISTS):
            c.modify_s(dn, [(ldap.MOD_ADD, "mail", [b"ANN@example.com"])])

        self.assertTrue(c.compare_s(dn, "sn", b"other"))
        self.assertFalse(c.compare_s(dn, "sn", b"example"))

        c.rename_s(dn, "uid=anna", delold=1)
        self.assertEqual(c.search_s(f"uid=anna,{base}", ldap.SCOPE_BASE)[0][1]["uid"], [b"anna"])
        with self.assertRaises(ldap.NO_SUCH_OBJECT):
            c.search_s(dn, ldap.SCOPE_BASE)

        names, cookie, pages = [], "", 0
        while True:
            control = ldap.controls.libldap.SimplePagedResultsControl(True, 2, cookie)
            message = c.search_ext(base, ldap.SCOPE_SUBTREE, "(uid=*)", ["uid"], serverctrls=[control])
            _, data, _, controls = c.result3(message)
            self.assertLessEqual(len(data), 2)
            names += [entry["uid"][0] for _, entry in data]
            pages += 1
            cookie = next(x.cookie for x in controls if x.controlType == control.controlType)
            if not cookie:
                break
        self.assertEqual((sorted(names), pages), ([b"anna", b"bob", b"cid"], 2))

        for name in ("anna", "bob", "cid"):
            c.delete_s(f"uid={name},{base}")
        c.delete_s(base)
        with self.assertRaises(ldap.NO_SUCH_OBJECT):
            c.delete_s(base)
        c.unbind_s()

    def test_password_over_start_tls(self):
        dn, password = self.demo.users[0]
        c = self.connect()
        c.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_NEVER)
        c.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
        c.start_tls_s()
        c.simple_bind_s(dn, password)
        self.assertEqual(c.whoami_s(), f"dn:{dn}")
        fresh = "seven uncommon words of this very test"
        c.passwd_s(dn, password, fresh)
        c.unbind_s()
        with self.assertRaises(ldap.INVALID_CREDENTIALS):
            self.connect((dn, password))
        self.connect((dn, fresh)).unbind_s()

    def test_schema_and_root(self):
        c = self.connect(self.demo.operator)
        (_, root), = c.search_s("", ldap.SCOPE_BASE, attrlist=["*", "+"])
        self.assertIn(b"1.3.6.1.4.1.1466.20037", root["supportedExtension"])
        self.assertIn(b"1.2.840.113556.1.4.319", root["supportedControl"])
        (_, entry), = c.search_s(root["subschemaSubentry"][0].decode(), ldap.SCOPE_BASE, "(objectClass=subschema)", ["+"])
        schema = ldap.schema.SubSchema(entry)
        must, may = schema.attribute_types(["inetOrgPerson"])
        self.assertIn("sn", [a.names[0] for a in must.values()])
        self.assertGreater(len(may), 30)
        self.assertIsNotNone(schema.get_obj(ldap.schema.ObjectClass, "hcUser"))
        c.unbind_s()

    def test_abandon_leaves_the_connection_usable(self):
        c = self.connect(self.demo.operator)
        c.abandon(c.search(self.demo.organisation, ldap.SCOPE_SUBTREE))
        self.assertTrue(c.search_s(self.demo.organisation, ldap.SCOPE_BASE))
        c.unbind_s()
