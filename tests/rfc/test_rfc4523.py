"""RFC 4523: certificates, known by serial number and issuer."""

import pathlib
import subprocess
import tempfile

import wire
from conformance import Conformance
from wire import ADD, BASE, DELETE, REPLACE, SUB

COMPARE_FALSE, COMPARE_TRUE, NO_SUCH_ATTRIBUTE, EXISTS, INVALID_SYNTAX = 5, 6, 16, 20, 21
SERIAL = "340282366920938463463374607431768211455"
SUBJECT = '/C=DE/O=Example, "Ltd"/CN=An Authority'
ISSUER = r'CN=An Authority,O=Example\2C \22Ltd\22,C=DE'


def certificate(serial, subject=SUBJECT):
    """One that a new key signs for itself, as DER."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-utf8", "-days", "30"]
        options = ["-set_serial", serial, "-subj", subject, "-outform", "DER", "-keyout", "/dev/null", "-out", out]
        subprocess.run([*command, *options], check=True, capture_output=True)
        return out.read_bytes()


def exact(serial, issuer=ISSUER):
    return f'{{ serialNumber {serial}, issuer rdnSequence:"{issuer}" }}'


class ExactMatch(Conformance):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.one, cls.again, cls.two = certificate(SERIAL), certificate(SERIAL), certificate("-7")
        cls.foreign = certificate(SERIAL, "/CN=Another")

    def setUp(self):
        super().setUp()
        self.dn = f"cn=holder,{self.base}"
        holder = {"objectClass": ["person", "pkiUser"], "cn": ["holder"], "sn": ["x"], "userCertificate;binary": [self.one, self.two]}
        self.ok(wire.add(self.dn, holder))
        self.ok(wire.add(f"cn=other,{self.base}", {**holder, "cn": ["other"], "userCertificate;binary": [self.foreign]}))

    def found(self, text):
        return sorted(answer.dn.split(",")[0] for answer in self.wire.entries(self.base, SUB, text))

    def matching(self, value, name="userCertificate"):
        return self.found(f"({name}={wire.escape(value)})")

    def test_assertions(self):
        """RFC 4523 §2.5, §3.1, Appendix A.1: serial number and issuer in the form of GSER."""
        self.assertEqual(self.matching(exact(SERIAL)), ["cn=holder"])
        self.assertEqual(self.matching(exact(SERIAL, ISSUER.lower())), ["cn=holder"])
        self.assertEqual(self.matching(exact(SERIAL, r'cn=an  authority,o=Example\, \""Ltd\"",2.5.4.6=de')), ["cn=holder"])
        self.assertEqual(self.matching("{serialNumber -7,issuer rdnSequence:\"" + ISSUER + "\"}"), ["cn=holder"])
        self.assertEqual(self.matching(exact(SERIAL, "cn=Another")), ["cn=other"])
        self.assertEqual(self.matching(exact("7")), [])
        self.assertEqual(self.matching(exact(SERIAL, "CN=An Authority")), [])

    def test_descriptions_and_rule(self):
        """RFC 4523 §4.1: the rule is the type's own; with the option, by name and OID, and in an extensible match."""
        for name in ("userCertificate;binary", "2.5.4.36", "userCertificate:certificateExactMatch:", "userCertificate:2.5.13.34:", ":2.5.13.34:"):
            self.assertEqual(self.matching(exact(SERIAL), name), ["cn=holder"], name)

    def test_certificate_as_assertion(self):
        """A whole certificate asserts what it is known by."""
        self.assertEqual(self.matching(self.one), ["cn=holder"])
        self.assertEqual(self.matching(self.again), ["cn=holder"])
        self.assertEqual(self.matching(self.foreign), ["cn=other"])

    def test_damaged_assertions_are_undefined(self):
        """RFC 4511 §4.5.1.7: what is no assertion matches nothing, and neither does its opposite."""
        good = exact(SERIAL)
        damaged = ["", "x", SERIAL, good[:-1], good[1:], good + "x", exact("01"), exact("x"), exact(""), exact(SERIAL, "x"), exact(SERIAL, 'cn="a"')]
        for value in [*damaged, good.replace("rdnSequence:", ""), good.replace("issuer", "subject"), self.one[:-1], self.one + b"x"]:
            self.assertEqual(self.matching(value), [], value)
            self.assertEqual(self.found(f"(!(userCertificate={wire.escape(value)}))"), [], value)

    def test_compare(self):
        """RFC 4511 §4.10: compare goes by the rule."""
        self.refused(COMPARE_TRUE, wire.compare(self.dn, "userCertificate;binary", exact(SERIAL)))
        self.refused(COMPARE_FALSE, wire.compare(self.dn, "userCertificate;binary", exact("1")))

    def test_values_are_a_set_by_the_rule(self):
        """RFC 4512 §2.3: two certificates of one serial number and issuer are one value."""
        self.refused(EXISTS, wire.modify(self.dn, (ADD, "userCertificate;binary", [self.again])))
        self.ok(wire.modify(self.dn, (DELETE, "userCertificate;binary", [self.again])))
        self.refused(NO_SUCH_ATTRIBUTE, wire.modify(self.dn, (DELETE, "userCertificate;binary", [self.one])))
        self.assertEqual(self.wire.entry(self.dn, "userCertificate").attributes, {"userCertificate;binary": [self.two]})

    def test_one_attribute_with_and_without_the_option(self):
        """RFC 4522 §3, §4, RFC 4523 §2.1: `binary` tells no attribute from another; values come under it however they were sent."""
        self.ok(wire.modify(self.dn, (DELETE, "userCertificate", [])))
        self.ok(wire.modify(self.dn, (ADD, "userCertificate", [self.one])))
        self.refused(EXISTS, wire.modify(self.dn, (ADD, "userCertificate;binary", [self.one])))
        self.ok(wire.modify(self.dn, (ADD, "userCertificate;binary", [self.two])))
        shown = {"userCertificate;binary": [self.one, self.two]}
        for name in ("userCertificate", "userCertificate;binary", "2.5.4.36"):
            self.assertEqual(self.wire.entry(self.dn, name).attributes, shown, name)
        self.assertEqual(set(self.wire.entry(self.dn, "*").attributes) & {"userCertificate", "userCertificate;binary"}, set(shown))
        self.refused(COMPARE_TRUE, wire.compare(self.dn, "userCertificate", exact(SERIAL)))
        for name in ("userCertificate=*", "userCertificate;binary=*"):
            self.assertIn("cn=holder", self.found(f"({name})"))
        self.ok(wire.modify(self.dn, (REPLACE, "userCertificate", [self.two])))
        self.assertEqual(self.wire.entry(self.dn, "userCertificate;binary").attributes, {"userCertificate;binary": [self.two]})
        bare = {"objectClass": ["person", "pkiUser"], "cn": ["bare"], "sn": ["x"], "userCertificate": [self.one]}
        self.ok(wire.add(f"cn=bare,{self.base}", bare))
        self.assertEqual(self.wire.entry(f"cn=bare,{self.base}", "userCertificate;binary").attributes, {"userCertificate;binary": [self.one]})

    def test_what_is_no_certificate(self):
        """RFC 4523 §2.1: a value is BER of a certificate. A sequence of something else is kept, equals itself, and matches no assertion."""
        for octets in ("octets", b"", exact(SERIAL), self.one[:-1], self.one + b"\0", b"\x04\x01x"):
            self.refused(INVALID_SYNTAX, wire.modify(self.dn, (REPLACE, "userCertificate;binary", [octets])))
        sequence = b"0\x06octets"
        self.ok(wire.modify(self.dn, (REPLACE, "userCertificate;binary", [sequence])))
        self.assertEqual(self.matching(exact(SERIAL)), [])
        self.refused(EXISTS, wire.modify(self.dn, (ADD, "userCertificate;binary", [sequence])))
        self.ok(wire.modify(self.dn, (DELETE, "userCertificate;binary", [sequence])))

    def test_authorities(self):
        """RFC 4523 §4.2: cACertificate has the rule too."""
        authority = {"objectClass": ["organizationalRole", "pkiCA"], "cn": ["ca"], "cACertificate;binary": [self.one]}
        self.ok(wire.add(f"cn=ca,{self.base}", authority))
        self.assertEqual(self.matching(exact(SERIAL), "cACertificate"), ["cn=ca"])

    def test_published(self):
        """RFC 4523 §2.5, §3.1, §4.1: syntax, rule, its use and the types are in the subschema."""
        name = self.wire.entry("", "subschemaSubentry").values("subschemaSubentry")[0]
        (subschema,) = self.wire.entries(name, BASE, "(objectClass=subschema)", attributes=["+"])
        for kind, wanted in (
            ("ldapSyntaxes", r"\( 1\.3\.6\.1\.1\.15\.1 DESC "),
            ("matchingRules", r"\( 2\.5\.13\.34 NAME 'certificateExactMatch' SYNTAX 1\.3\.6\.1\.1\.15\.1 \)"),
            ("matchingRuleUse", r"\( 2\.5\.13\.34 NAME 'certificateExactMatch' APPLIES \([^)]*userCertificate[^)]*cACertificate"),
            ("attributeTypes", r"\( 2\.5\.4\.36 NAME 'userCertificate' .*EQUALITY certificateExactMatch"),
        ):
            self.assertRegex("\n".join(subschema.values(kind)), wanted)
