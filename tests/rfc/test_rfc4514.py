"""RFC 4514: distinguished names as text."""

import re

import ldap.dn

import wire
from conformance import Conformance

INVALID_NAME, NO_SUCH_OBJECT = 34, 32
#: A value, and spellings of it in an RDN; each must name the same entry (§2.4, §3).
SPELLINGS = {
    "plain": ["plain", "\\70lain", "\\70\\6c\\61\\69\\6E", "pl\\61in"],
    "comma, inside": ["comma\\, inside", "comma\\2c inside", "comma\\2C inside"],
    "plus+sign": ["plus\\+sign", "plus\\2Bsign"],
    'quo"te': ['quo\\"te', "quo\\22te"],
    "back\\slash": ["back\\\\slash", "back\\5cslash", "back\\5Cslash"],
    "less<than": ["less\\<than", "less\\3cthan"],
    "more>than": ["more\\>than", "more\\3Ethan"],
    "semi;colon": ["semi\\;colon", "semi\\3bcolon"],
    "equals=sign": ["equals=sign", "equals\\=sign", "equals\\3dsign"],
    "#first": ["\\#first", "\\23first"],
    "not#first": ["not#first", "not\\#first", "not\\23first"],
    " space first": ["\\ space first", "\\20space first"],
    "space last ": ["space last\\ ", "space last\\20"],
    " ": ["\\ ", "\\20"],
    "in  between": ["in  between", "in\\20 between", "in\\ \\ between"],
    "Lučić": ["Lučić", "Lu\\C4\\8Di\\C4\\87", "Lu\\c4\\8di\\c4\\87", "Lu\\C4\\8Dić"],
    "naïve 日本": ["naïve 日本", "na\\c3\\afve \\E6\\97\\A5\\E6\\9C\\AC"],
    "tab\there": ["tab\there", "tab\\09here"],
    "line\nend": ["line\nend", "line\\0aend", "line\\0Dend".replace("0D", "0A")],
    "quote'single": ["quote'single", "quote\\27single"],
    "slash/": ["slash/", "slash\\2f"],
    "*star(s)": ["*star(s)", "\\2astar\\28s\\29"],
    "a,b+c\"d\\e<f>g;h=i#j": ['a\\,b\\+c\\"d\\\\e\\<f\\>g\\;h\\=i\\#j'],
}
#: What is no name (§3); `{}` is the name of the superior.
REFUSED = [
    "cn", "cn=a,", ",cn=a", "cn=a,,{}", "=a,{}", "cn=a+,{}", "+cn=a,{}", "cn=a++sn=b,{}", "cn=a\\,{}x=\\", "cn=\\g0,{}", "cn=a\\0,{}", "cn=a\\", 'cn=a"b,{}', "cn=a<b,{}", "cn=a>b,{}",
    "cn=a\0b,{}", "cn;lang-de=a,{}", "1=a,{}", "1.=a,{}", ".1=a,{}", "1..2=a,{}", "01.2=a,{}", "-cn=a,{}", "c_n=a,{}", "c n=a,{}", "cn=#,{}", "cn=#0,{}", "cn=#zz,{}", "cn=#0403616,{}", "cn=#04036162,{}", "cn=a\\\0,{}",
]


class Reading(Conformance):
    """§3: text to name."""

    def test_null_name(self):
        """RFC 4514 §2.1: the empty string is the name of the root."""
        self.assertEqual(self.wire.entry("", "1.1").dn, "")

    def test_case_of_types(self):
        """RFC 4514 §3: attribute types are compared without case."""
        dn = self.person("a")
        for kind in ("cn", "CN", "Cn", "commonName", "COMMONNAME"):
            self.assertEqual(self.wire.entry(f"{kind}=a,{self.base}", "1.1").dn, self.wire.entry(dn, "1.1").dn)

    def test_numeric_types(self):
        """RFC 4514 §3: a type may be its dotted-decimal OID."""
        self.person("a")
        parts = self.base.replace("ou=", "2.5.4.11=").replace("dc=", "0.9.2342.19200300.100.1.25=")
        self.wire.entry(f"2.5.4.3=a,{parts}", "1.1")

    def test_hexadecimal_values(self):
        """RFC 4514 §2.4, §3: a value as # and the BER encoding in hexadecimal digits is taken."""
        self.person("ab")
        for text in ("#04026162", "#0c026162", "#13026162", "#0C026162"):
            self.wire.entry(f"2.5.4.3={text},{self.base}", "1.1")

    def test_order_in_an_rdn(self):
        """RFC 4514 §2.2: the values of an RDN are a set; their order does not matter."""
        self.ok(wire.add(f"cn=a+sn=b+uid=c,{self.base}", {"objectClass": ["inetOrgPerson"]}))
        for rdn in ("uid=c+sn=b+cn=a", "sn=b+cn=a+uid=c", "UID=C+CN=A+SN=B"):
            self.wire.entry(f"{rdn},{self.base}", "1.1")
        self.refused(NO_SUCH_OBJECT, wire.search(f"cn=a+sn=b,{self.base}"))

    def test_refused(self):
        """RFC 4514 §3: what the grammar does not have is invalidDNSyntax, and changes nothing."""
        for text in REFUSED:
            with self.subTest(text):
                self.refused(INVALID_NAME, wire.search(text.format(self.base)))
                self.refused(INVALID_NAME, wire.delete(text.format(self.base)))

    def test_bad_name_as_a_value(self):
        """RFC 4514 §3, RFC 4517 §3.3.9: a value of the DN syntax follows the same grammar."""
        dn = self.person("a")
        for text in REFUSED:
            with self.subTest(text):
                self.refused(21, wire.modify(dn, (wire.ADD, "seeAlso", [text.format(self.base)])))

    def test_octets_that_are_no_utf8(self):
        """RFC 4514 §2.4, §3: escapes stand for octets; of a directory string they must make UTF-8."""
        answer = self.wire.request(wire.add(f"cn=\\ff\\fe,{self.base}", {"objectClass": ["inetOrgPerson"], "sn": ["x"]}))
        self.assertIn(answer.code, (21, INVALID_NAME))

    def test_empty_value(self):
        """RFC 4514 §3: the string of a value may be empty; then it must be a value of its type."""
        self.refused(NO_SUCH_OBJECT, wire.search(f"cn=,{self.base}"))
        answer = self.wire.request(wire.add(f"cn=,{self.base}", {"objectClass": ["inetOrgPerson"], "sn": ["x"]}))
        self.assertIn(answer.code, (21, INVALID_NAME, 64))

    def test_long_names(self):
        """RFC 4514 §2: a name has no length of its own: 60 RDNs of 60 octets are one."""
        base = self.base
        for number in range(60):
            base = f"ou={'x' * 50} {number:03},{base}"
            self.ok(wire.add(base, {"objectClass": ["organizationalUnit"]}))
        self.assertEqual(len(ldap.dn.str2dn(self.wire.entry(base, "1.1").dn)), 63)


def reading(value, spelled):
    def test(self):
        first, *others = spelled
        self.ok(wire.add(f"cn={first},{self.base}", {"objectClass": ["inetOrgPerson"], "sn": ["x"]}))
        (found,) = self.wire.entries(self.base, wire.ONE, attributes=["cn", "entryDN"])
        self.assertEqual(found.values("cn"), [value])
        for dn in (found.dn, found.values("entryDN")[0]):
            self.assertEqual(ldap.dn.str2dn(dn)[0], [("cn", value, ldap.dn.str2dn(dn)[0][0][2])], "read by OpenLDAP's parser")
            self.assert_canonical(dn)
        for text in (first, *others, found.dn.rsplit("," + self.base, 1)[0][3:]):
            self.assertEqual(self.wire.entry(f"cn={text},{self.base}", "1.1").dn, found.dn, text)
            self.assertEqual(len(self.wire.entries(self.base, wire.ONE, f"(entryDN=cn={wire.escape(text)},{self.base})")), 1, text)
        self.ok(wire.modify(self.base, (wire.ADD, "seeAlso", [found.dn])))
        self.refused(6, wire.compare(self.base, "seeAlso", f"cn={spelled[-1]},{self.base}"))
        self.ok(wire.delete(f"cn={spelled[-1]},{self.base}"))

    test.__doc__ = f"RFC 4514 §2.4, §3: the value {value!r} in {len(spelled)} spellings is one name, and comes out readable."
    return test


class Values(Conformance):
    """§2.4: one test a value."""

    def assert_canonical(self, dn):
        """The RDN's text is as §2.4 makes it: what must be escaped is."""
        text = dn.rsplit("," + self.base, 1)[0][3:]
        plain = re.sub(r"\\([ \"#+,;<=>\\]|[0-9A-Fa-f]{2})", "", text)
        self.assertIsNone(re.search('["+,;<>\\\\\0]', plain), dn)
        self.assertFalse(text.startswith((" ", "#")) or (text.endswith(" ") and not text.endswith("\\ ")), dn)


for number, (value, spelled) in enumerate(SPELLINGS.items()):
    setattr(Values, f"test_value_{number:02}", reading(value, spelled))


class Writing(Conformance):
    """§2: name to text."""

    def test_types_of_rfc_4514_by_their_names(self):
        """RFC 4514 §2.3, §3: types of the table are written by their short names."""
        self.ok(wire.add(f"2.5.4.11=unit,{self.base}", {"objectClass": ["organizationalUnit"]}))
        found = self.wire.entries(self.base, wire.ONE, attributes=["1.1"])[0].dn
        kind = found.split("=")[0]
        self.assertIn(kind.casefold(), ("ou", "2.5.4.11"))

    def test_leaf_first(self):
        """RFC 4514 §2.1: a name begins with its leaf and goes up, with commas between and no spaces."""
        dn = self.person("leaf")
        self.assertEqual(self.wire.entry(dn.replace(",", " , "), "1.1").dn.casefold(), dn.casefold())

    def test_multi_valued(self):
        """RFC 4514 §2.2: the values of an RDN have a plus sign between them."""
        self.ok(wire.add(f"cn=a+sn=b,{self.base}", {"objectClass": ["inetOrgPerson"]}))
        found = self.wire.entries(self.base, wire.ONE, attributes=["1.1"])[0].dn
        self.assertEqual(sorted(part.casefold() for part in found.split(",")[0].split("+")), ["cn=a", "sn=b"])

    def test_names_in_other_attributes(self):
        """RFC 4514 §2, RFC 4517 §3.3.9: member, entryDN and creatorsName are written the same way."""
        dn = f"cn=comma\\, and \\+,{self.base}"
        self.ok(wire.add(dn, {"objectClass": ["inetOrgPerson"], "sn": ["x"]}))
        self.ok(wire.add(f"cn=g,{self.base}", {"objectClass": ["groupOfNames"], "member": [f"cn=comma\\2c and \\2B,{self.base}"]}))
        member = self.wire.entry(f"cn=g,{self.base}", "member").values("member")[0]
        self.assertEqual(ldap.dn.str2dn(member)[0][0][1], "comma, and +")
        self.assertEqual(member, self.wire.entry(dn, "1.1").dn)
