"""RFC 4518: preparation of strings for comparison, asked over the wire by values and assertions."""

import wire
from conformance import Conformance

ARC = "1.3.6.1.4.1.99999.18"
TEXT = "1.3.6.1.4.1.1466.115.121.1.15"
SCHEMA = f"""
attributetype ( {ARC}.1 NAME 'pIgnore' EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch ORDERING caseIgnoreOrderingMatch SYNTAX {TEXT} )
attributetype ( {ARC}.2 NAME 'pExact' EQUALITY caseExactMatch SUBSTR caseExactSubstringsMatch SYNTAX {TEXT} )
attributetype ( {ARC}.3 NAME 'pNumeric' EQUALITY numericStringMatch SUBSTR numericStringSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.36 )
attributetype ( {ARC}.4 NAME 'pPhone' EQUALITY telephoneNumberMatch SUBSTR telephoneNumberSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.50 )
attributetype ( {ARC}.5 NAME 'pIa5' EQUALITY caseIgnoreIA5Match SUBSTR caseIgnoreIA5SubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 )
objectclass ( {ARC}.20 NAME 'pThing' SUP top STRUCTURAL MUST cn MAY ( pIgnore $ pExact $ pNumeric $ pPhone $ pIa5 ) )
"""

# Section, what it shows, attribute, value, assertion, whether they match.
EQUALITY = [
    ("2.2", "case is folded", "pIgnore", "MiXeD", "mIxEd", True),
    ("2.2", "case counts in an exact match", "pExact", "MiXeD", "mIxEd", False),
    ("2.2", "case is folded beyond ASCII", "pIgnore", "ÄÖÜ ΑΒΓ ЖЩ", "äöü αβγ жщ", True),
    ("2.2", "sharp s folds to ss", "pIgnore", "Straße", "STRASSE", True),
    ("2.2", "sharp s stays in an exact match", "pExact", "Straße", "Strasse", False),
    ("2.2", "final sigma folds to sigma", "pIgnore", "ΟΔΟΣ", "οδος", True),
    ("2.2", "capital sharp s folds to ss (of Unicode since)", "pIgnore", "GROẞ", "gross", True),
    ("2.2", "dotted capital I folds to i and a dot", "pIgnore", "\u0130x", "i\u0307x", True),
    ("2.2", "soft hyphen is mapped to nothing", "pExact", "soft\u00adhyphen", "softhyphen", True),
    ("2.2", "Mongolian todo soft hyphen is mapped to nothing", "pExact", "a\u1806b", "ab", True),
    ("2.2", "combining grapheme joiner is mapped to nothing", "pExact", "a\u034fb", "ab", True),
    ("2.2", "Mongolian variation selectors are mapped to nothing", "pExact", "a\u180b\u180c\u180db", "ab", True),
    ("2.2", "variation selectors are mapped to nothing", "pExact", "a\ufe00\ufe0fb", "ab", True),
    ("2.2", "the object replacement character is mapped to nothing", "pExact", "a\ufffcb", "ab", True),
    ("2.2", "the zero width space is mapped to nothing", "pExact", "a\u200bb", "ab", True),
    ("2.2", "zero width joiners are mapped to nothing", "pExact", "a\u200c\u200db", "ab", True),
    ("2.2", "marks of direction are mapped to nothing", "pExact", "a\u200e\u200fb", "ab", True),
    ("2.2", "the byte order mark is mapped to nothing", "pExact", "\ufeffab", "ab", True),
    ("2.2", "control characters are mapped to nothing", "pExact", "a\x01\x02\x1fb\x7f", "ab", True),
    ("2.2", "C1 controls are mapped to nothing", "pExact", "a\u0080\u0084\u009fb", "ab", True),
    ("2.2", "format characters are mapped to nothing", "pExact", "a\u06dd\u070f\u180e\u2060b", "ab", True),
    ("2.2", "tags are mapped to nothing", "pExact", "a\U000e0041\U000e007fb", "ab", True),
    ("2.2", "musical format controls are mapped to nothing", "pExact", "a\U0001d173\U0001d17ab", "ab", True),
    ("2.2", "tab is mapped to space", "pExact", "a\tb", "a b", True),
    ("2.2", "line feed, vertical tab, form feed and return are mapped to space", "pExact", "a\n\x0b\x0c\rb", "a b", True),
    ("2.2", "next line is mapped to space", "pExact", "a\u0085b", "a b", True),
    ("2.2", "the no-break space is mapped to space", "pExact", "a\u00a0b", "a b", True),
    ("2.2", "the Ogham space is mapped to space", "pExact", "a\u1680b", "a b", True),
    ("2.2", "spaces of all widths are mapped to space", "pExact", "a\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200ab", "a b", True),
    ("2.2", "line and paragraph separators are mapped to space", "pExact", "a\u2028b\u2029c", "a b c", True),
    ("2.2", "the narrow and mathematical spaces are mapped to space", "pExact", "a\u202fb\u205fc", "a b c", True),
    ("2.2", "the ideographic space is mapped to space", "pExact", "a\u3000b", "a b", True),
    ("2.3", "composed and decomposed are one", "pExact", "\u00e9", "e\u0301", True),
    ("2.3", "the order of marks does not matter", "pExact", "q\u0307\u0323", "q\u0323\u0307", True),
    ("2.3", "compatibility forms: full width", "pExact", "Ｗｉｄｅ１２", "Wide12", True),
    ("2.3", "compatibility forms: ligatures", "pExact", "ﬁne ﬂow", "fine flow", True),
    ("2.3", "compatibility forms: superscripts", "pExact", "m²", "m2", True),
    ("2.3", "compatibility forms: Roman numerals", "pExact", "Ⅷ", "VIII", True),
    ("2.3", "compatibility forms: circled", "pExact", "①", "1", True),
    ("2.3", "compatibility forms: half width kana", "pExact", "ｶﾞ", "ガ", True),
    ("2.3", "the Angstrom sign is A with ring", "pExact", "\u212b", "\u00c5", True),
    ("2.3", "the Kelvin sign folds to k", "pIgnore", "\u212a", "k", True),
    ("2.3", "Hangul syllables and jamo are one", "pExact", "\uac01", "\u1100\u1161\u11a8", True),
    ("2.3", "different letters stay different", "pIgnore", "é", "e", False),
    ("2.3", "letters of different scripts stay different", "pIgnore", "a", "\u0430", False),
    ("2.6.1", "leading and trailing spaces do not count", "pIgnore", "  a b  ", "a b", True),
    ("2.6.1", "runs of spaces count as one", "pIgnore", "a    b", "a b", True),
    ("2.6.1", "a space is not nothing", "pIgnore", "a b", "ab", False),
    ("2.6.1", "a string of spaces is as good as one space", "pIgnore", "   ", " ", True),
    ("2.6.1", "spaces do not count in exact matches either", "pExact", " a   b ", "a b", True),
    ("2.6.1", "a space with a combining mark is a letter", "pExact", "a \u0301b", "a b", False),
    ("2.6.1", "spaces do not count in IA5 strings", "pIa5", " a   b ", "A B", True),
    ("2.6.2", "no space counts in a numeric string", "pNumeric", "1 2 3", "123", True),
    ("2.6.2", "leading and trailing ones neither", "pNumeric", "  12  ", "1 2", True),
    ("2.6.2", "digits do", "pNumeric", "123", "124", False),
    ("2.6.2", "leading zeros do", "pNumeric", "0123", "123", False),
    ("2.6.3", "no space and no hyphen counts in a telephone number", "pPhone", "+1 222-333 44", "+122233344", True),
    ("2.6.3", "other characters do", "pPhone", "(1) 22", "122", False),
    ("2.6.3", "case does not", "pPhone", "1 800 FLOWERS", "1-800-flowers", True),
]

# Section, what it shows, attribute, value, substring filter, whether it matches.
SUBSTRINGS = [
    ("2.6.1", "a space at the end of initial needs a space there", "pIgnore", "foo bar", "foo *bar", True),
    ("2.6.1", "… and where there is none it does not match", "pIgnore", "foobar", "foo *bar", False),
    ("2.6.1", "runs of spaces in a part count as one", "pIgnore", "foo bar", "f*o    b*r", True),
    ("2.6.1", "leading spaces of initial do not count", "pIgnore", "foo bar", "   foo*", True),
    ("2.6.1", "trailing spaces of final do not count", "pIgnore", "foo bar", "*bar   ", True),
    ("2.6.1", "leading space of final does", "pIgnore", "foobar", "*foo* bar", False),
    ("2.6.1", "a space alone within any finds a gap", "pIgnore", "foo bar", "*o b*", True),
    ("2.6.1", "… and not where there is none", "pIgnore", "foobar", "*o b*", False),
    ("2.6.1", "the value's outer spaces do not count", "pIgnore", "  foo  ", "foo*", True),
    ("2.2", "parts are folded", "pIgnore", "STRASSENBAHN", "straße*", True),
    ("2.2", "parts are not folded in an exact match", "pExact", "Foo", "f*", False),
    ("2.3", "parts are normalised", "pIgnore", "caf\u00e9 bar", "*cafe\u0301*", True),
    ("2.6.2", "spaces do not count in parts of numeric strings", "pNumeric", "1 2 3 4", "1*3 4", True),
    ("2.6.3", "spaces and hyphens do not count in parts of telephone numbers", "pPhone", "+1 222 333", "+1-2*3-3", True),
    ("2.6.1", "parts of IA5 strings", "pIa5", "Foo  Bar", "FOO *r", True),
]

# Prohibited code points (§2.4): a value is refused or matches nothing, an assertion is Undefined.
PROHIBITED = {
    "private use": "\ue000",
    "private use of plane 15": "\U000f0000",
    "private use of plane 16": "\U0010fffd",
    "no character FDD0": "\ufdd0",
    "no character FFFE": "\ufffe",
    "no character of plane 1": "\U0001fffe",
    "the replacement character": "\ufffd",
}


class Preparation(Conformance):
    SCHEMA = SCHEMA

    def thing(self, attribute, value):
        self.ok(wire.add(f"cn=thing,{self.base}", {"objectClass": ["pThing"], attribute: [value]}))

    def test_transcoding(self):
        """RFC 4518 §2.1: a value is UTF-8; overlong forms, surrogates and broken sequences are no values."""
        self.thing("pIgnore", "x")
        for octets in (b"\xc0\xaf", b"\xed\xa0\x80", b"\xff", b"a\xc3", b"\xf4\x90\x80\x80", b"\xe2\x82"):
            self.refused(21, wire.modify(f"cn=thing,{self.base}", (wire.REPLACE, "pIgnore", [octets])))
            for text in (f"(pIgnore={wire.escape(octets)})", f"(!(pIgnore={wire.escape(octets)}))", f"(!(pIgnore=*{wire.escape(octets)}*))"):
                self.assertEqual(self.names(text), [], text)

    def test_equal_values_are_one(self):
        """RFC 4518 §2, RFC 4512 §2.5.1: values that prepare to the same are one value of a set."""
        self.thing("pIgnore", "Straße")
        for value in ("STRASSE", "stra\u00adße", " strasse ", "ＳＴＲＡＳＳＥ"):
            self.refused(20, wire.modify(f"cn=thing,{self.base}", (wire.ADD, "pIgnore", [value])))
        self.ok(wire.modify(f"cn=thing,{self.base}", (wire.DELETE, "pIgnore", ["STRASSE"])))

    def test_equal_names_are_one(self):
        """RFC 4518 §2, RFC 4517 §4.2.15: names that prepare to the same are one entry."""
        self.ok(wire.add(f"cn=Caf\u00e9  Straße,{self.base}", {"objectClass": ["pThing"]}))
        self.refused(68, wire.add(f"cn=CAFE\u0301 STRASSE,{self.base}", {"objectClass": ["pThing"]}))
        self.assertEqual(self.wire.entry(f"cn=ＣＡＦÉ\u00a0strasse,{self.base}").values("cn"), ["Caf\u00e9  Straße"])

    def test_order(self):
        """RFC 4518 §2, RFC 4517 §4.2.12: order is that of the prepared strings."""
        for name in ("b", "C", "a", "Ä", "  aa"):
            self.ok(wire.add(f"cn={name.strip()},{self.base}", {"objectClass": ["pThing"], "pIgnore": [name]}))
        self.assertEqual(sorted(self.names("(pIgnore>=B)")), ["C", "b", "Ä"])
        self.assertEqual(sorted(self.names("(pIgnore<=AA)")), ["a", "aa"])


def equality(attribute, value, assertion, matches):
    def test(self):
        self.thing(attribute, value)
        expected = ["thing"] if matches else []
        self.assertEqual(self.names(f"({attribute}={wire.escape(assertion)})"), expected, "assertion")
        self.refused(6 if matches else 5, wire.compare(f"cn=thing,{self.base}", attribute, assertion))
        self.ok(wire.modify(f"cn=thing,{self.base}", (wire.REPLACE, attribute, [assertion])))
        self.assertEqual(self.names(f"({attribute}={wire.escape(value)})"), expected, "the other way")

    return test


def substring(attribute, value, parts, matches):
    def test(self):
        self.thing(attribute, value)
        encoded = wire.substrings(attribute, parts.split("*"))
        self.assertEqual(self.names(encoded), ["thing"] if matches else [])

    return test


def prohibited(character):
    def test(self):
        answer = self.wire.request(wire.add(f"cn=thing,{self.base}", {"objectClass": ["pThing"], "pIgnore": ["before" + character]}))
        if answer.code:
            self.assertIn(answer.code, (21, 19))
        self.assertEqual(self.names(f"(pIgnore=before{wire.escape(character)})"), [])
        self.ok(wire.add(f"cn=other,{self.base}", {"objectClass": ["pThing"], "pIgnore": ["x"]}))
        self.assertEqual(self.names(f"(!(pIgnore=before{wire.escape(character)}))"), [], "Undefined, not false")

    return test


def install(group, number, made, section, what):
    made.__doc__ = f"RFC 4518 §{section}: {what}."
    setattr(Preparation, f"test_{group}_{number:02}", made)


for number, (section, what, *case) in enumerate(EQUALITY):
    install("equality", number, equality(*case), section, what)
for number, (section, what, *case) in enumerate(SUBSTRINGS):
    install("substring", number, substring(*case), section, what)
for number, (what, character) in enumerate(PROHIBITED.items()):
    install("prohibited", number, prohibited(character), "2.4", f"{what} is prohibited")
