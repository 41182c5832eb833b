"""RFC 4517: syntaxes and matching rules, by tables: good and bad values, what matches and what does not."""

import wire
from conformance import Conformance

ARC = "1.3.6.1.4.1.99999.17"
BAD_VALUE = 21
S = "1.3.6.1.4.1.1466.115.121.1."

# Name, section, OID, good values, bad values (of RFC 4517 §3.3, and of RFC 4530 and 2307 at the end).
SYNTAXES = [
    ("AttributeTypeDescription", "3.3.1", S + "3", ["( 2.5.18.1 NAME 'createTimestamp' EQUALITY generalizedTimeMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.24 SINGLE-VALUE USAGE directoryOperation )", "( 1.2.3 )"], ["", "2.5.18.1", "( 1.2.3"]),
    ("BitString", "3.3.2", S + "6", ["'0101111101'B", "''B", "'0'B"], ["", "0101", "'0102'B", "'01'", "'01'b", "01'B", "'0 1'B", "'01'B "]),
    ("Boolean", "3.3.3", S + "7", ["TRUE", "FALSE"], ["", "true", "True", "false", "1", "0", "YES", " TRUE", "TRUE "]),
    ("CountryString", "3.3.4", S + "11", ["US", "AU", "de"], ["", "U", "USA", "ä", "é1"]),
    ("DeliveryMethod", "3.3.5", S + "14", ["videotex", "telephone", "any $ mhs $ physical", "telex $ teletex", "g3fax $ g4fax $ ia5"], ["", "post", "telephone $", "$ telephone", "telephone, telex"]),
    ("DirectoryString", "3.3.6", S + "15", ["This is a value of Directory String containing #!%#@.", "ünï", " ", "日本", "x" * 5000, "\U0001f600"], ["", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80"]),
    ("DitContentRuleDescription", "3.3.7", S + "16", ["( 2.5.6.4 DESC 'content rule for organization' NOT ( x121Address $ telexNumber ) )"], ["", "2.5.6.4"]),
    ("DitStructureRuleDescription", "3.3.8", S + "17", ["( 2 DESC 'organization structure rule' FORM 2.5.15.3 )"], ["", "2"]),
    ("DN", "3.3.9", S + "12", ["", "UID=jsmith,DC=example,DC=net", "OU=Sales+CN=J. Smith,DC=example,DC=net", "CN=John Smith\\, III,DC=example,DC=net", "CN=Before\\0dAfter,DC=example,DC=net", "1.3.6.1.4.1.1466.0=#04024869", "CN=Lu\\C4\\8Di\\C4\\87"], ["x", "cn", "=x", "cn=a,,dc=b", "cn=a\\", "cn=a+", "cn=a,"]),
    ("EnhancedGuide", "3.3.10", S + "21", ["person#(sn$EQ)#oneLevel", "person#sn$EQ|cn$SUBSTR#wholeSubtree", "2.5.6.6#!(cn$APPROX&sn$GE)#baseobject", "person#?true#oneLevel"], ["", "person", "person#sn", "person#(sn$EQ)#somewhere", "person#(sn$EQ#oneLevel", "person#sn$XX#oneLevel"]),
    ("FacsimileTelephoneNumber", "3.3.11", S + "22", ["+61 3 9896 7801", "+81 3 347 7418$fineResolution", "+1 2$twoDimensional$uncompressed$b4Length$a3Width$b4Width$unlimitedLength"], ["", "+61 3$", "+61 3$fastResolution", "ä", "$fineResolution"]),
    ("Fax", "3.3.12", S + "23", [b"\x00\x01", b"II*\x00"], []),
    ("GeneralizedTime", "3.3.13", S + "24", ["199412161032Z", "199412160532-0500", "1994121610Z", "19941216103251Z", "19941216103251.5Z", "19941216103251,25+0130", "1994121610.5Z", "199412161032.75Z", "19941216103260Z", "20000229000000Z"], ["", "19941216", "19941216103251", "199413161032Z", "199412321032Z", "199412162432Z", "199412161060Z", "19941216103261Z", "199402291032Z", "19000229000000Z", "199412161032+2400", "199412161032z", "199412161032 Z", "x99412161032Z", "19941216103251.Z", "199412161032+05:00"]),
    ("Guide", "3.3.14", S + "25", ["person#sn$EQ", "sn$EQ|cn$SUBSTR", "!sn$GE"], ["", "person#", "sn", "(sn$EQ", "sn$EQ)"]),
    ("IA5String", "3.3.15", S + "26", ["", "plain ASCII ~!@", "\t\x01\x7f"], ["ä", b"\x80", "日"]),
    ("Integer", "3.3.16", S + "27", ["1321", "0", "-1", "-99999999999999999999999999999999", "340282366920938463463374607431768211456"], ["", "-", "01", "-0", "00", "+1", " 1", "1 ", "1.0", "1e5", "0x1", "one", "--1"]),
    ("JPEG", "3.3.17", S + "28", [b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01"], []),
    ("LdapSyntaxDescription", "3.3.18", S + "54", ["( 1.3.6.1.4.1.1466.115.121.1.58 DESC 'Substring Assertion' )"], ["", "1.2.3"]),
    ("MatchingRuleDescription", "3.3.19", S + "30", ["( 2.5.13.2 NAME 'caseIgnoreMatch' SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )"], ["", "caseIgnoreMatch"]),
    ("MatchingRuleUseDescription", "3.3.20", S + "31", ["( 2.5.13.16 APPLIES ( givenName $ surname ) )"], ["", "2.5.13.16"]),
    ("NameAndOptionalUID", "3.3.21", S + "34", ["1.3.6.1.4.1.1466.0=#04024869,O=Test,C=GB#'0101'B", "cn=a", "cn=a#''B"], ["x", "cn=a,#'0101'B", "#x"]),
    ("NameFormDescription", "3.3.22", S + "35", ["( 2.5.15.3 NAME 'orgNameForm' OC organization MUST o )"], ["", "orgNameForm"]),
    ("NumericString", "3.3.23", S + "36", ["15 079 672 281", "1", " 1 "], ["", "1a", "-1", "1.5", "+1", "١"]),
    ("ObjectClassDescription", "3.3.24", S + "37", ["( 2.5.6.2 NAME 'country' SUP top STRUCTURAL MUST c MAY ( searchGuide $ description ) )"], ["", "country"]),
    ("OctetString", "3.3.25", S + "40", [b"", b"\x00\xff", b"text"], []),
    ("OID", "3.3.26", S + "38", ["1.2.3.4", "cn", "noSuchName", "2.5.4.3", "a-b-1"], ["", "1", "1.", ".1", "1..2", "01.2", "1.02", "-a", "a_b", "a b", "1.a"]),
    ("OtherMailbox", "3.3.27", S + "39", ["smtp$a@example.com", "x400$anything at all"], ["", "smtp", "ä$x"]),
    ("PostalAddress", "3.3.28", S + "41", ["1234 Main St.$Anytown, CA 12345$USA", "\\241,000,000 Sweepstakes$PO Box 1000000$Anytown, CA 12345$USA", "ünï$日本", "one\\5Cline"], ["", b"\xff", "a\\b", "a\\25", "a\\"]),
    ("PrintableString", "3.3.29", S + "44", ["This is a PrintableString.", "'()+,-./:=? ", "09azAZ"], ["", "a*b", "a_b", "a@b", "a\"b", "ä", "a#b", "a;b", "a\tb"]),
    ("SubstringAssertion", "3.3.30", S + "58", ["initial*", "*final", "a*b*c", "*\\2A*", "*\\5C*"], ["", "no asterisk", "a*\\b"]),
    ("TelephoneNumber", "3.3.31", S + "50", ["+1 512 315 0280", "+1-512-315-0280", "+61 3 9896 7830", "(02) 1/2"], ["", "#1", "1*2", "ä"]),
    ("TeletexTerminalIdentifier", "3.3.32", S + "51", ["abc", "abc$graphic:xy", "abc$control:x$misc:y$page:z$private:w"], ["", "abc$colour:x", "abc$graphic", "ä$graphic:x"]),
    ("TelexNumber", "3.3.33", S + "52", ["12345$023$ABCDE", "1 2$de$x"], ["", "12345", "12345$023", "1$2$3$4", "1$$3"]),
    ("UtcTime", "3.3.34", S + "53", ["9412161032Z", "941216103251Z", "9412160532-0500", "9412161032"], ["", "941216", "9413161032Z", "9412161032+05", "9412161032X", "19941216103251Z"]),
    ("UUID", "RFC 4530 §2.1", "1.3.6.1.1.16.1", ["597ae2f6-16a6-1027-98f4-d28b5365dc14", "597AE2F6-16A6-1027-98F4-D28B5365DC14"], ["", "597ae2f6", "597ae2f616a6102798f4d28b5365dc14", "{597ae2f6-16a6-1027-98f4-d28b5365dc14}", "597ae2f6-16a6-1027-98f4-d28b5365dc1g", "597ae2f6-16a6-1027-98f4-d28b5365dc14 "]),
    ("NisNetgroupTriple", "RFC 2307 §2.4", "1.3.6.1.1.1.0.0", ["(host,user,domain)", "(,,)", "(host,-,)"], ["", "host,user,domain", "(a,b)", "(a,b,c,d)"]),
    ("BootParameter", "RFC 2307 §2.4", "1.3.6.1.1.1.0.1", ["root=server:/export/root"], ["", "root", "root=server", "=server:/x"]),
]

# Section, equality rule, syntax, groups of values that are equal within and differ between.
EQUALITY = [
    ("4.2.1", "bitStringMatch", S + "6", [["'0101'B"], ["'1010'B"], ["'01010'B"], ["''B"]]),
    ("4.2.2", "booleanMatch", S + "7", [["TRUE"], ["FALSE"]]),
    ("4.2.3", "caseExactIA5Match", S + "26", [["a b", " a  b "], ["A b"], ["ab"]]),
    ("4.2.4", "caseExactMatch", S + "15", [["Ab", " Ab ", "\uff21b"], ["ab"], ["A b"]]),
    ("4.2.7", "caseIgnoreIA5Match", S + "26", [["a b", " A  B "], ["ab"]]),
    ("4.2.9", "caseIgnoreListMatch", S + "41", [["A b$C", "a  B$ c "], ["a b c"], ["a b$c$"], ["A b", "a b"]]),
    ("4.2.11", "caseIgnoreMatch", S + "15", [["Straße", "STRASSE", " strasse "], ["Strase"]]),
    ("4.2.15", "distinguishedNameMatch", S + "12", [["cn=A b,dc=x", "CN = a  B , DC=X", "2.5.4.3=\\61 b,dc=x", "cn=#0403412062,dc=x"], ["cn=a b"], ["dc=x,cn=a b"], ["cn=1+sn=2", "SN=2+CN=1"], ["cn=1,sn=2"], [""]]),
    ("4.2.16", "generalizedTimeMatch", S + "24", [["20200101000000Z", "2020010100Z", "202001010000Z", "20200101010000+0100", "20191231190000-0500", "20200101000000.0Z"], ["20200101000000.5Z", "20200101000000,50Z"], ["20200101000001Z"]]),
    ("4.2.19", "integerMatch", S + "27", [["0"], ["1"], ["-1"], ["10"], ["9223372036854775808"], ["-9223372036854775809"]]),
    ("4.2.22", "numericStringMatch", S + "36", [["123", "1 2 3", " 123 "], ["0123"], ["124"]]),
    ("4.2.26", "objectIdentifierMatch", S + "38", [["cn", "CN", "commonName", "2.5.4.3"], ["sn", "2.5.4.4"], ["person", "2.5.6.6"], ["1.2.3.4"]]),
    ("4.2.27", "octetStringMatch", S + "40", [["a"], ["A"], [" a"], [b"\x00"], [b"\x00\x00"]]),
    ("4.2.29", "telephoneNumberMatch", S + "50", [["+1 222-333", "+1222333", "+1-2-2-2 333"], ["1222333"], ["+1222334"]]),
    ("4.2.31", "uniqueMemberMatch", S + "34", [["cn=a#'01'B", "CN=A#'01'B"], ["cn=a"], ["cn=a#'1'B"], ["cn=b"]]),
    ("RFC 4530 §2.3", "UUIDMatch", "1.3.6.1.1.16.1", [["597ae2f6-16a6-1027-98f4-d28b5365dc14", "597AE2F6-16A6-1027-98F4-D28B5365DC14"], ["597ae2f6-16a6-1027-98f4-d28b5365dc15"]]),
]

# Section, ordering rule, equality rule, syntax, values in ascending order.
ORDERING = [
    ("4.2.5", "caseExactOrderingMatch", "caseExactMatch", S + "15", ["A", "B", "Ba", "a", "b", "ä"]),
    ("4.2.12", "caseIgnoreOrderingMatch", "caseIgnoreMatch", S + "15", ["A", "aa", "B", "c d", "ca", "Ä"]),
    ("4.2.17", "generalizedTimeOrderingMatch", "generalizedTimeMatch", S + "24", ["19991231235959Z", "20200101000000+0100", "20191231235959Z", "20200101000000Z", "20200101000000.25Z", "2020010100.5Z"]),
    ("4.2.20", "integerOrderingMatch", "integerMatch", S + "27", ["-99999999999999999999", "-100", "-99", "-1", "0", "1", "9", "10", "99999999999999999999"]),
    ("4.2.23", "numericStringOrderingMatch", "numericStringMatch", S + "36", ["0", "1", "1 0", "100", "2", "9 9"]),
    ("4.2.28", "octetStringOrderingMatch", "octetStringMatch", S + "40", [b"", b"\x00", b"\x00\x00", b"A", b"AA", b"B", b"a", b"\xff"]),
    ("RFC 4530 §2.4", "UUIDOrderingMatch", "UUIDMatch", "1.3.6.1.1.16.1", ["00000000-0000-0000-0000-000000000001", "0A000000-0000-0000-0000-000000000000", "0b000000-0000-0000-0000-000000000000", "f0000000-0000-0000-0000-000000000000"]),
]

# Section, substring rule, equality rule, syntax, value, filters that match it, filters that do not.
SUBSTRINGS = [
    ("4.2.6", "caseExactSubstringsMatch", "caseExactMatch", S + "15", "Red Apple", ["Red*", "*Apple", "*d A*", "R*A*e", "Red *"], ["red*", "*apple", "*A*R*", "Red*Red*"]),
    ("4.2.8", "caseIgnoreIA5SubstringsMatch", "caseIgnoreIA5Match", S + "26", "a.b@Example.com", ["A.B@*", "*.COM", "*EXAMPLE*", "a*b*com"], ["b*", "*.org", "*com*com"]),
    ("4.2.10", "caseIgnoreListSubstringsMatch", "caseIgnoreListMatch", S + "41", "1 Main St$Some Town$USA", ["1 main*", "*usa", "*some town*", "1*some*usa", "*MAIN*"], ["*St$Some*", "*st some*", "town*"]),
    ("4.2.13", "caseIgnoreSubstringsMatch", "caseIgnoreMatch", S + "15", "Grüne  Äpfel", ["GRÜNE*", "*äpfel", "*e Ä*", "g*n*ä*l", "*ne  äp*"], ["grune*", "*eä*", "g*g*"]),
    ("4.2.24", "numericStringSubstringsMatch", "numericStringMatch", S + "36", "12 34 56", ["123*", "*56", "*3 4 5*", "1*3*6"], ["2*", "*5", "*65*"]),
    ("4.2.30", "telephoneNumberSubstringsMatch", "telephoneNumberMatch", S + "50", "+1 222-333 44", ["+12*", "*33344", "*2-2 2*", "+1*44"], ["1*", "*3334"]),
    ("4.2.27", "octetStringSubstringsMatch", "octetStringMatch", S + "40", "abCD", ["ab*", "*CD", "*bC*"], ["AB*", "*cd"]),
]


def schema():
    """A type for each syntax, and one for each rule."""
    types = [(f"sx{name}", f"SYNTAX {oid}") for name, _, oid, _, _ in SYNTAXES]
    types += [(f"eq{rule}", f"EQUALITY {rule} SYNTAX {syntax}") for _, rule, syntax, _ in EQUALITY]
    types += [(f"or{rule}", f"EQUALITY {equality} ORDERING {rule} SYNTAX {syntax}") for _, rule, equality, syntax, _ in ORDERING]
    types += [(f"ss{rule}", f"EQUALITY {equality} SUBSTR {rule} SYNTAX {syntax}") for _, rule, equality, syntax, *_ in SUBSTRINGS]
    types += [("plainInteger", f"EQUALITY integerMatch SYNTAX {S}27")]
    lines = [f"attributetype ( {ARC}.{at} NAME '{name}' {definition} )" for at, (name, definition) in enumerate(types, 1)]
    lines.append(f"objectclass ( {ARC}.1000 NAME 'sThing' SUP top STRUCTURAL MUST cn MAY ( {' $ '.join(name for name, _ in types)} ) )")
    return "\n".join(lines) + "\n"


class Base(Conformance):
    SCHEMA = schema()

    def thing(self, name, **attributes):
        dn = f"cn={name},{self.base}"
        self.ok(wire.add(dn, {"objectClass": ["sThing"], **attributes}))
        return dn


class Syntaxes(Base):
    """§3.3: one test for each syntax."""

    def test_published(self):
        """RFC 4517 §3.3: the syntaxes are published in ldapSyntaxes with their OIDs."""
        name = self.wire.entry("", "subschemaSubentry").values("subschemaSubentry")[0]
        (found,) = self.wire.entries(name, wire.BASE, "(objectClass=subschema)", attributes=["ldapSyntaxes"])
        oids = {value.split()[1] for value in found.values("ldapSyntaxes")}
        self.assertEqual({oid for _, _, oid, _, _ in SYNTAXES} - oids, set())


class Rules(Base):
    """§4.2: one test for each rule."""

    def test_published(self):
        """RFC 4517 §4.2: the rules are published in matchingRules, each with a syntax."""
        name = self.wire.entry("", "subschemaSubentry").values("subschemaSubentry")[0]
        (found,) = self.wire.entries(name, wire.BASE, "(objectClass=subschema)", attributes=["matchingRules"])
        names = {value.split("'")[1] for value in found.values("matchingRules")}
        wanted = {rule for _, rule, *_ in (*EQUALITY, *ORDERING, *SUBSTRINGS)} | {"keywordMatch", "wordMatch", "integerFirstComponentMatch", "directoryStringFirstComponentMatch", "objectIdentifierFirstComponentMatch"}
        self.assertEqual(wanted - names, set())

    def test_rules_of_definitions(self):
        """RFC 4517 §4.2.25: objectIdentifierFirstComponentMatch finds a definition by OID and by name."""
        name = self.wire.entry("", "subschemaSubentry").values("subschemaSubentry")[0]
        for text, expected in (("(objectClasses=person)", 1), ("(objectClasses=2.5.6.6)", 1), ("(matchingRules=2.5.13.2)", 1), ("(matchingRules=caseIgnoreMatch)", 1), ("(objectClasses=1.9.9.9)", 0)):
            self.assertEqual(len(self.wire.entries(name, wire.BASE, text, attributes=["1.1"])), expected, text)

    def test_keyword_and_word(self):
        """RFC 4517 §4.2.21, §4.2.32: keywordMatch and wordMatch find a word of a value."""
        self.ok(wire.add(f"cn=k,{self.base}", {"objectClass": ["inetOrgPerson"], "sn": ["x"], "description": ["The quick, brown fox"]}))
        for rule in ("keywordMatch", "wordMatch"):
            self.assertEqual(self.names(f"(description:{rule}:=QUICK)"), ["k"], rule)
            self.assertEqual(self.names(f"(description:{rule}:=qui)"), [], rule)

    def test_integers_by_their_bits(self):
        """RFC 4517 §4.1, rules of Active Directory: bitwise and, bitwise or."""
        self.thing("five", plainInteger=["5"])
        self.thing("six", plainInteger=["6"])
        for text, expected in (
            ("(plainInteger:1.2.840.113556.1.4.803:=4)", ["five", "six"]),
            ("(plainInteger:1.2.840.113556.1.4.803:=5)", ["five"]),
            ("(plainInteger:1.2.840.113556.1.4.804:=3)", ["five", "six"]),
            ("(plainInteger:1.2.840.113556.1.4.804:=8)", []),
        ):
            self.assertEqual(self.names(text), expected, text)


def syntax_test(name, good, bad):
    def test(self):
        attribute = f"sx{name}"
        dn = self.thing("a")
        for value in good:
            with self.subTest(good=value):
                self.ok(wire.modify(dn, (wire.REPLACE, attribute, [value])))
                (found,) = self.wire.entries(dn, attributes=[attribute])
                (values,) = found.attributes.values()
                self.assertEqual(values, [value.encode() if isinstance(value, str) else value])
        for value in bad:
            with self.subTest(bad=value):
                self.refused(BAD_VALUE, wire.modify(dn, (wire.REPLACE, attribute, [value])))
                self.refused(BAD_VALUE, wire.add(f"cn=b,{self.base}", {"objectClass": ["sThing"], attribute: [value]}))

    return test


def equality_test(rule, groups):
    def test(self):
        attribute = f"eq{rule}"
        for number, group in enumerate(groups):
            self.thing(f"g{number}", **{attribute: [group[0]]})
        for number, group in enumerate(groups):
            for value in group:
                with self.subTest(value=value):
                    for text in (f"({attribute}={wire.escape(value)})", f"({attribute}:={wire.escape(value)})", f"({attribute}:{rule}:={wire.escape(value)})"):
                        self.assertEqual(self.names(text), [f"g{number}"], text)
                    for other in range(len(groups)):
                        self.refused(6 if other == number else 5, wire.compare(f"cn=g{other},{self.base}", attribute, value))
                    self.refused(20, wire.modify(f"cn=g{number},{self.base}", (wire.ADD, attribute, [value])))

    return test


def ordering_test(rule, values):
    def test(self):
        attribute = f"or{rule}"
        for number, value in enumerate(values):
            self.thing(f"v{number}", **{attribute: [value]})
        for number, value in enumerate(values):
            with self.subTest(value=value):
                names = [f"v{at}" for at in range(len(values))]
                self.assertEqual(self.names(f"({attribute}>={wire.escape(value)})"), names[number:])
                self.assertEqual(self.names(f"({attribute}<={wire.escape(value)})"), names[: number + 1])
                self.assertEqual(self.names(f"({attribute}:{rule}:={wire.escape(value)})"), names[:number], "less than, as the rule itself says")

    return test


def substring_test(rule, value, matching, others):
    def test(self):
        attribute = f"ss{rule}"
        self.thing("a", **{attribute: [value]})
        for expected, parts in (*((["a"], part) for part in matching), *(([], part) for part in others)):
            with self.subTest(parts):
                self.assertEqual(self.names(wire.substrings(attribute, parts.split("*"))), expected)
                self.assertEqual(self.names(f"({attribute}:{rule}:={wire.escape(parts)})"), expected, "as an extensible match")

    return test


def section_text(section):
    return section if section.startswith("RFC") else f"RFC 4517 §{section}"


def install(group, name, made, section, what):
    made.__doc__ = f"{section_text(section)}: {what}."
    setattr(group, f"test_{name}", made)


for name, section, _, good, bad in SYNTAXES:
    install(Syntaxes, name, syntax_test(name, good, bad), section, f"{name}: {len(good)} good values are kept, {len(bad)} bad ones refused")
for section, rule, _, groups in EQUALITY:
    install(Rules, rule, equality_test(rule, groups), section, f"{rule} on {sum(map(len, groups))} values of {len(groups)} meanings, in filters, compares and modifies")
for section, rule, _, _, values in ORDERING:
    install(Rules, rule, ordering_test(rule, values), section, f"{rule} on {len(values)} values, both ways")
for section, rule, _, _, value, matching, others in SUBSTRINGS:
    install(Rules, rule, substring_test(rule, value, matching, others), section, f"{rule}: {len(matching)} assertions that match, {len(others)} that do not")
