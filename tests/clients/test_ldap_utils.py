"""A full round by the tools of OpenLDAP, as an administrator types them."""

import os
import subprocess
import unittest

import ldap.schema
import ldap.schema.subentry

from demo import Demo


class LdapUtils(unittest.TestCase):
    def setUp(self):
        self.demo = Demo()
        self.addCleanup(self.demo.stop)
        self.base = f"ou=round,{self.demo.organisation}"

    def tool(self, name, *arguments, who=None, text="", expect=0, tls=False):
        dn, password = who or self.demo.operator
        environment = os.environ | {"LDAPTLS_REQCERT": "never"}
        command = [name, "-x", "-H", self.demo.ldap, "-D", dn, "-w", password, *(["-ZZ"] if tls else []), *arguments]
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, env=environment)
        self.assertEqual(done.returncode, expect, f"{command}\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def add_three(self):
        entries = [f"dn: {self.base}\nobjectClass: organizationalUnit\nou: round\n"]
        for name in ("ann", "bob", "cid"):
            entries.append(f"dn: uid={name},{self.base}\nobjectClass: inetOrgPerson\nuid: {name}\ncn: {name}\nsn: Example\n")
        self.tool("ldapadd", text="\n".join(entries))

    def test_full_round(self):
        self.add_three()
        ann = f"uid=ann,{self.base}"
        self.tool("ldapmodify", text=f"dn: {ann}\nchangetype: modify\nreplace: sn\nsn: Other\n-\nadd: mail\nmail: a@example.com\n")
        self.tool("ldapcompare", ann, "sn:OTHER", expect=6)
        self.tool("ldapcompare", ann, "sn:Example", expect=5)
        self.tool("ldapmodrdn", "-r", ann, "uid=anna")
        found = self.tool("ldapsearch", "-LLL", "-b", self.base, "-E", "pr=1/noprompt", "(uid=*)", "uid", "entryUUID")
        for name in ("anna", "bob", "cid"):
            self.assertIn(f"uid: {name}\n", found)
        self.assertEqual(found.count("entryUUID: "), 3)
        self.tool("ldapsearch", "-b", ann, "-s", "base", expect=32)
        self.tool("ldapdelete", self.base, expect=66)
        self.tool("ldapdelete", *(f"uid={name},{self.base}" for name in ("anna", "bob", "cid")), self.base)
        self.tool("ldapsearch", "-b", self.base, "-s", "base", expect=32)

    def test_password_and_who_am_i_over_start_tls(self):
        who = self.demo.users[0]
        self.assertIn(f"dn:{who[0]}", self.tool("ldapwhoami", who=who, tls=True))
        self.tool("ldappasswd", "-a", who[1], "-s", "seven uncommon words of this very test", who=who, tls=True)
        self.tool("ldapwhoami", who=who, expect=49)
        self.tool("ldapwhoami", who=(who[0], "seven uncommon words of this very test"))

    def test_the_password_policy_of_an_organisation(self):
        user, password = self.demo.users[0]
        policy = f"cn=policy,{self.demo.organisation}"
        self.tool("ldapadd", text=f"dn: {policy}\nobjectClass: applicationProcess\nobjectClass: pwdPolicy\npwdAttribute: userPassword\n"
                  "pwdMustChange: TRUE\npwdMaxAge: 86400\npwdExpireWarning: 86400\n")
        named = f"dn: {self.demo.organisation}\nchangetype: modify\nadd: pwdPolicySubentry\npwdPolicySubentry: {policy}\n"
        self.tool("ldapmodify", text=named)
        self.tool("ldappasswd", "-s", "five odd words by somebody else", user)
        said = self.tool("ldapwhoami", "-e", "ppolicy", who=(user, "five odd words by somebody else"), expect=1)
        self.assertIn("must be changed", said.lower())
        own = "six more words that only she knows"
        self.tool("ldappasswd", "-a", "five odd words by somebody else", "-s", own, who=(user, "five odd words by somebody else"))
        said = self.tool("ldapwhoami", "-e", "ppolicy", who=(user, own))
        self.assertRegex(said, r"(?i)expires in 8\d{4} seconds")

    def test_a_changed_subtree_by_ldif(self):
        self.add_three()
        text = f"dn: {self.base}\nchangetype: moddn\nnewrdn: ou=turned\ndeleteoldrdn: 1\n"
        self.tool("ldapmodify", text=text)
        found = self.tool("ldapsearch", "-LLL", "-b", self.demo.organisation, "(sn=Example)", "1.1")
        self.assertEqual(found.count(",ou=turned,"), 3)

    def test_the_schema_of_a_running_server_is_changed_by_ldapmodify(self):
        shelf = ("( 1.3.6.1.4.1.55555.1.1 NAME 'shelf' DESC 'where it stands' EQUALITY caseIgnoreMatch "
                 "SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )")
        book = "( 1.3.6.1.4.1.55555.2.1 NAME 'book' SUP top STRUCTURAL MUST cn MAY shelf )"
        both = f"add: attributeTypes\nattributeTypes: {shelf}\n-\nadd: objectClasses\nobjectClasses: {book}\n"
        self.tool("ldapmodify", text=f"dn: cn=Subschema\nchangetype: modify\n{both}")
        self.add_three()
        self.tool("ldapadd", text=f"dn: cn=Emma,{self.base}\nobjectClass: book\ncn: Emma\nshelf: A1\n")
        self.assertIn("cn: Emma\n", self.tool("ldapsearch", "-LLL", "-b", self.base, "(shelf=a1)"))
        # A client that reads the schema understands it.
        _, subschema = ldap.schema.subentry.urlfetch(f"{self.demo.ldap}/cn=Subschema")
        self.assertEqual(subschema.get_obj(ldap.schema.AttributeType, "shelf").desc, "where it stands")
        must, may = subschema.attribute_types(["book"])
        self.assertIn("1.3.6.1.4.1.55555.1.1", may)
        gone = f"delete: objectClasses\nobjectClasses: {book}\n-\ndelete: attributeTypes\nattributeTypes: {shelf}\n"
        said = self.tool("ldapmodify", text=f"dn: cn=Subschema\nchangetype: modify\n{gone}", expect=65)
        self.assertIn("cn=Emma", said)
        self.tool("ldapdelete", f"cn=Emma,{self.base}")
        self.tool("ldapmodify", text=f"dn: cn=Subschema\nchangetype: modify\n{gone}")
        self.tool("ldapadd", text=f"dn: cn=Emma,{self.base}\nobjectClass: book\ncn: Emma\n", expect=65)
        user = self.demo.users[0]
        self.tool("ldapmodify", text=f"dn: cn=Subschema\nchangetype: modify\n{both}", who=user, expect=50)

    def test_size_limit_and_types_only(self):
        self.add_three()
        found = self.tool("ldapsearch", "-LLL", "-z", "2", "-b", self.base, "(uid=*)", "uid", expect=4)
        self.assertEqual(found.count("dn: "), 2)
        found = self.tool("ldapsearch", "-LLL", "-A", "-b", self.base, "(uid=ann)", "uid")
        self.assertIn("uid:\n", found)
        self.assertNotIn("uid: ann\n", found)

    def test_operation_by_local_socket(self):
        sockets = [path for path in self.demo.data.rglob("*") if path.is_socket()]
        if not sockets:
            self.skipTest("the demo opens no local socket")
        url = "ldapi://" + str(sockets[0]).replace("/", "%2F")
        done = subprocess.run(["ldapwhoami", "-Q", "-Y", "EXTERNAL", "-H", url], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("dn:", done.stdout)
