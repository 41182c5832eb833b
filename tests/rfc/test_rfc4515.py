"""RFC 4515: filters as strings. A client reads most of them; the server reads those of dynamic groups' URLs, and both agree."""

import urllib.parse

import ldap
import ldap.filter
import ldap3
import wire
from conformance import OPERATOR, PASSWORD, Conformance

PEOPLE = {
    "Babs Jensen": {"sn": ["Jensen"], "description": ["univ of mich"]},
    "Tim Howes": {"sn": ["Howes"], "title": ["Clerk"]},
    "Fred Flintstone": {"sn": ["Flintstone"], "description": ["Parens R Us (for all your parenthetical needs)"]},
    "a * star": {"sn": ["*"], "description": ["C:\\MyFile"]},
    "Lucic": {"sn": ["Lučić"], "telephoneNumber": ["+1 222 333"], "uid": ["10"]},
}


class Strings(Conformance):
    def setUp(self):
        super().setUp()
        for name, attributes in PEOPLE.items():
            self.person(name, **attributes)

    def agree(self, text, *expected):
        """What the octets of this suite, two libraries, and the server's own reader make of a string."""
        expected = sorted(expected)
        self.assertEqual(self.names(f"(&(sn=*){text})"), expected, text)
        self.assertEqual(self.heard(text), expected, f"libldap: {text}")
        if "(:" not in text and text not in ("(&)", "(|)"):  # ldap3 has no words for these.
            self.assertEqual(self.heard_by_ldap3(text), expected, f"ldap3: {text}")
        self.assertEqual(self.members(text), expected, f"memberURL: {text}")

    def heard(self, text):
        return self.people(dn for dn, _ in self.library().search_s(self.base, ldap.SCOPE_SUBTREE, text, ["1.1"]))

    def heard_by_ldap3(self, text):
        server = ldap3.Server("127.0.0.1", self.daemon.port)
        connection = ldap3.Connection(server, OPERATOR, PASSWORD, auto_bind=True, check_names=False)
        self.addCleanup(connection.unbind)
        connection.search(self.base, text, attributes=["1.1"])
        return self.people(entry["dn"] for entry in connection.response if entry["type"] == "searchResEntry")

    def people(self, names):
        return sorted(dn[3:].split(",")[0] for dn in names if dn.split(",")[0][3:] in PEOPLE)

    def members(self, text):
        """The members of a group whose URL has this filter (RFC 4516 §2.1: percent-encoded)."""
        connection, group = self.library(), f"cn=group,{self.base}"
        url = f"ldap:///{urllib.parse.quote(self.base)}??sub?{urllib.parse.quote(text)}"
        values = {"objectClass": [b"groupOfURLs"], "cn": [b"group"], "memberURL": [url.encode()]}
        connection.add_s(group, list(values.items()))
        ((_, entry),) = connection.search_s(group, ldap.SCOPE_BASE, "(objectClass=*)", ["member"])
        connection.delete_s(group)
        return self.people(value.decode() for value in entry.get("member", []))

    def test_and_or_not(self):
        """RFC 4515 §3: and, or and not stand before what they join."""
        self.agree("(!(cn=Tim Howes))", *(name for name in PEOPLE if name != "Tim Howes"))
        self.agree("(&(objectClass=Person)(|(sn=Jensen)(cn=Babs J*)))", "Babs Jensen")
        self.agree("(|(sn=Jensen)(&(sn=Howes)(!(title=boss))))", "Babs Jensen", "Tim Howes")

    def test_items(self):
        """RFC 4515 §3: =, ~=, >= and <=, and =* for presence."""
        self.agree("(cn=Babs Jensen)", "Babs Jensen")
        self.agree("(sn~=howes)", "Tim Howes")
        self.agree("(uid=*)", "Lucic")
        self.agree("(createTimestamp>=20000101000000Z)", *PEOPLE)
        self.agree("(createTimestamp<=20000101000000Z)")

    def test_substrings(self):
        """RFC 4515 §3: an asterisk parts initial, any and final."""
        self.agree("(description=univ*of*mich*)", "Babs Jensen")
        self.agree("(description=* R *)", "Fred Flintstone")
        self.agree("(description=*needs\\29)", "Fred Flintstone")
        self.agree("(description=*mich*of*)")

    def test_extensible(self):
        """RFC 4515 §3: type, dn and rule before :=, each of which may be left out but not type and rule together."""
        self.agree("(cn:caseExactMatch:=Fred Flintstone)", "Fred Flintstone")
        self.agree("(cn:caseExactMatch:=fred flintstone)")
        self.agree("(cn:=fred flintstone)", "Fred Flintstone")
        self.agree(f"(&(sn=Howes)(ou:dn:={self.top}))", "Tim Howes")
        self.agree("(:caseIgnoreMatch:=clerk)", "Tim Howes")
        self.agree("(sn:DN:2.4.6.8.10:=Barney Rubble)")

    def test_escapes(self):
        """RFC 4515 §3: asterisk, parentheses, backslash and NUL are escaped, in digits of either case; any octet may be."""
        self.agree("(description=Parens R Us \\28for all your parenthetical needs\\29)", "Fred Flintstone")
        self.agree("(cn=*\\2A*)", "a * star")
        self.agree("(sn=\\2a)", "a * star")
        self.agree("(description=C:\\5cMyFile)", "a * star")
        self.agree("(sn=\\4a\\65nsen)", "Babs Jensen")
        self.agree("(cn=Babs\\00Jensen)")

    def test_utf8(self):
        """RFC 4515 §3: a value is UTF-8, bare or escaped octet by octet."""
        self.agree("(sn=Lučić)", "Lucic")
        self.agree("(sn=Lu\\c4\\8di\\c4\\87)", "Lucic")

    def test_empty_values(self):
        """RFC 4515 §4: (seeAlso=) asserts a value of no octets, and is not presence."""
        self.agree("(description=)")
        self.agree("(seeAlso=)")

    def test_absolute(self):
        """RFC 4526 §2: (&) is true and (|) is false."""
        self.agree("(&)", *PEOPLE)
        self.agree("(|)")

    def test_descriptions(self):
        """RFC 4515 §3: an attribute description is a name or an OID, with options."""
        self.agree("(2.5.4.4=Jensen)", "Babs Jensen")
        self.agree("(SN=jensen)", "Babs Jensen")
        self.agree("(sn;lang-de=Jensen)")
        self.agree("(1.3.6.1.4.1.1466.0=\\04\\02\\48\\69)")

    def test_strings_that_are_none(self):
        """RFC 4515 §3: a string outside the grammar finds nothing; it never becomes another filter."""
        for text in ("(sn=a", "(sn)", "(&(sn=*)", "(sn=\\zz)", "(sn=\\4)", "(!(sn=a)(sn=b))", "()", "(sn=*))(|(sn=*)", "(:=x)", "(=x)"):
            self.assertEqual(self.members(text), [], text)

    def test_values_made_safe_by_the_library(self):
        """RFC 4515 §6: what a library escapes is heard as a value, whatever it holds."""
        for value in ("*", "a)(sn=*", "\\", "(", "Lučić", "\0"):
            text = ldap.filter.filter_format("(sn=%s)", [value])
            self.assertEqual(self.heard(text), [name for name, person in PEOPLE.items() if person["sn"] == [value]], text)
            self.assertEqual(self.members(text), self.heard(text), text)

    def test_the_octets_are_those_of_the_grammar(self):
        """RFC 4515 §2: the string stands for the octets of RFC 4511 §4.5.1."""
        octets = bytes.fromhex("a30b 0402 736e 0405 486f776573")
        (found,) = self.wire.entries(self.base, wire.SUB, octets)
        self.assertEqual(self.people([found.dn]), self.heard("(sn=Howes)"))
