"""Every tool of OpenLDAP's ldap-utils against the office, as an administrator types them."""

import re
import subprocess
import unittest

import office

BASE = f"ou=tools,{office.ORGANISATION}"


class Tools(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.office = office.the_office()

    def setUp(self):
        self.office.tool("ldapdelete", "-r", BASE)
        entries = [f"dn: {BASE}\nobjectClass: organizationalUnit\nou: tools\n"]
        for name in ("ann", "bob"):
            entries.append(f"dn: cn={name},{BASE}\nobjectClass: person\ncn: {name}\nsn: Example\n")
        self.office.modify("\n".join(entries), "-a")
        self.addCleanup(self.office.tool, "ldapdelete", "-r", BASE)

    def tool(self, name, *arguments, text="", expect=0, who=None):
        done = self.office.tool(name, *arguments, text=text, who=who)
        self.assertEqual(done.returncode, expect, f"{done.args}\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def names(self):
        return sorted(re.findall(r"^dn: cn=(\w+),", self.tool("ldapsearch", "-LLL", "-b", BASE, "(cn=*)", "1.1"), re.M))

    def test_ldapadd_goes_on_after_an_error(self):
        entry = "dn: cn={0}," + BASE + "\nobjectClass: person\ncn: {0}\nsn: Example\n"
        text = "\n".join([entry.format("cid"), entry.format("ann"), entry.format("dan").replace("sn", "noSuchAttribute"), entry.format("eve")])
        said = self.tool("ldapadd", "-c", text=text, expect=17)
        self.assertIn("Already exists (68)", said)
        self.assertIn("Undefined attribute type (17)", said)
        self.assertEqual(self.names(), ["ann", "bob", "cid", "eve"])
        self.tool("ldapadd", text=entry.format("bob"), expect=68)

    def test_ldapmodify_with_controls(self):
        change = f"dn: cn=ann,{BASE}\nchangetype: modify\nreplace: sn\nsn: Changed\n"
        said = self.tool("ldapmodify", "-e", "!preread=sn", "-e", "!postread=sn,entryUUID", text=change)
        self.assertIn("sn: Example", said)
        self.assertIn("sn: Changed", said)
        self.tool("ldapmodify", "-e", "!assert=(sn=Other)", text=change, expect=122)
        self.tool("ldapmodify", "-e", "!2.3.4.5.6.7", text=change, expect=12)
        self.tool("ldapmodify", "-e", "2.3.4.5.6.7", text=change)
        self.tool("ldapmodify", "-M", text=change)

    def test_ldapmodrdn(self):
        self.tool("ldapmodrdn", "-r", f"cn=ann,{BASE}", "cn=anna")
        self.tool("ldapmodrdn", f"cn=bob,{BASE}", "cn=robert")
        self.assertIn("cn: bob", self.tool("ldapsearch", "-LLL", "-b", f"cn=robert,{BASE}", "-s", "base"))
        self.tool("ldapadd", text=f"dn: ou=below,{BASE}\nobjectClass: organizationalUnit\nou: below\n")
        self.tool("ldapmodrdn", "-r", "-s", f"ou=below,{BASE}", f"cn=anna,{BASE}", "cn=ann")
        self.tool("ldapsearch", "-LLL", "-b", f"cn=ann,ou=below,{BASE}", "-s", "base")
        self.tool("ldapmodrdn", f"cn=nobody,{BASE}", "cn=somebody", expect=32)
        self.tool("ldapmodrdn", f"ou=below,{BASE}", "cn=robert", expect=68)
        self.tool("ldapmodrdn", f"ou=below,{BASE}", "cn=of-no-class-it-has", expect=65)

    def test_ldapcompare(self):
        self.assertIn("TRUE", self.tool("ldapcompare", f"cn=ann,{BASE}", "sn:EXAMPLE", expect=6))
        self.assertIn("FALSE", self.tool("ldapcompare", f"cn=ann,{BASE}", "sn:Other", expect=5))
        self.tool("ldapcompare", f"cn=ann,{BASE}", "sn::RXhhbXBsZQ==", expect=6)
        self.tool("ldapcompare", f"cn=ann,{BASE}", "description:x", expect=16)
        self.tool("ldapcompare", f"cn=nobody,{BASE}", "sn:x", expect=32)

    def test_ldapexop(self):
        who = (office.dn("anna"), office.PASSWORDS["anna"])
        self.assertIn(f"dn:{who[0]}", self.tool("ldapexop", "whoami", who=who))
        self.assertIn("Protocol error (2)", self.tool("ldapexop", "2.3.4.5.6.7", who=who, expect=1))

    def test_ldapwhoami(self):
        self.assertIn(office.READER[0], self.tool("ldapwhoami", who=office.READER))
        self.tool("ldapwhoami", who=(office.READER[0], "not its password"), expect=49)
        self.tool("ldapwhoami", who=(office.READER[0], ""), expect=53)

    def test_ldappasswd(self):
        chloe = office.dn("chloe")
        self.addCleanup(self.office.modify, f"dn: {chloe}\nchangetype: modify\nreplace: userPassword\n"
                        f"userPassword: {office.PASSWORDS['chloe']}\n")
        generated = re.search(r"New password: (.+)", self.tool("ldappasswd", chloe)).group(1)
        self.tool("ldapwhoami", who=(chloe, generated))
        chosen = "eighty quiet lamps of chloe"
        self.tool("ldappasswd", "-a", generated, "-s", chosen, who=(chloe, generated))
        self.tool("ldapwhoami", who=(chloe, generated), expect=49)
        self.tool("ldapwhoami", who=(chloe, chosen))
        said = self.tool("ldappasswd", "-a", "not the old one", "-s", "another long new password", who=(chloe, chosen), expect=1)
        self.assertIn("Invalid credentials (49)", said)

    def test_ldapurl(self):
        made = subprocess.run(["ldapurl", "-h", "127.0.0.1", "-p", str(self.office.port), "-b", BASE, "-s", "sub", "-f", "(sn=Example)",
                               "-a", "sn"], capture_output=True, text=True, check=True).stdout.strip()
        self.assertEqual(made, f"{self.office.url}/{BASE}?sn?sub?(sn=Example)")
        taken = subprocess.run(["ldapurl", "-H", made], capture_output=True, text=True, check=True).stdout
        self.assertIn("filter: (sn=Example)", taken)

    def test_ldapdelete(self):
        self.tool("ldapdelete", BASE, expect=66)
        self.tool("ldapdelete", f"cn=ann,{BASE}", f"cn=bob,{BASE}")
        self.tool("ldapdelete", f"cn=ann,{BASE}", expect=32)
        self.tool("ldapdelete", BASE)

    def test_ldapsearch(self):
        self.assertEqual(self.names(), ["ann", "bob"])
        pages = self.tool("ldapsearch", "-LLL", "-E", "pr=1/noprompt", "-b", BASE, "(cn=*)", "cn")
        self.assertEqual(pages.count("dn: "), 2)
        ordered = self.tool("ldapsearch", "-LLL", "-S", "cn", "-b", BASE, "(cn=*)", "cn")
        self.assertLess(ordered.index("ann"), ordered.index("bob"))
        found = self.tool("ldapsearch", "-LLL", "-b", BASE, "-s", "one", "-A", "(objectClass=person)")
        self.assertIn("sn:\n", found)
        schema = self.tool("ldapsearch", "-LLL", "-o", "ldif-wrap=no", "-b", "cn=Subschema", "-s", "base", "(objectClass=subschema)", "+")
        for name in ("attributeTypes", "objectClasses", "ldapSyntaxes", "matchingRules"):
            self.assertIn(f"{name}: ", schema)
        self.tool("ldapsearch", "-LLL", "-z", "1", "-b", BASE, expect=4)
        self.tool("ldapsearch", "-LLL", "-b", BASE, "(cn=unfinished", expect=249)
