"""Generated operations for two servers: names in every spelling, values good and bad, filters of every choice.

Everything comes from one `random.Random`, so a seed says it all.
"""

import pathlib
import sys

import ldap.dn

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "rfc"))
import wire  # noqa: E402
from ber import octets, sequence, tlv  # noqa: E402

ARC = "1.3.6.1.4.1.99999.20"
TEXT, IA5 = "1.3.6.1.4.1.1466.115.121.1.15", "1.3.6.1.4.1.1466.115.121.1.26"


def syntax(number):
    return f"1.3.6.1.4.1.1466.115.121.1.{number}"


class Kind:
    """An attribute type of the test's schema: its definition, and values that it takes and that it does not."""

    def __init__(self, name, definition, good, bad=(), rules=(), multiple=True):
        self.name, self.definition, self.good, self.bad, self.rules, self.multiple = name, definition, good, bad, rules, multiple


TEXTS = ["Alpha", "beta", "Gamma Delta", "alpha  beta", " lead", "trail ", "Ünïcödé", "ÄÖÜ äöü", "straße", "a*b(c)d\\e", "two, commas", "x", "Alphabet", "42", "#hash", "ﬁne", "e\u0301t\u00e9", "Ｗｉｄｅ", "no\u00a0break", "-", "ABC abc ABC"]
ASCII = ["a@example.com", "A@EXAMPLE.COM", "b c", "b  c", "x", "Mixed Case", "mixed case", " y", "z ", "*", "q-r"]
NUMBERS = ["0", "1", "-1", "7", "10", "42", "100", "-100", "99999999999999999999", "2147483648", "-2147483649", "123456789012345678901234567890"]
BAD_NUMBERS = ["", "x", "1.5", "01", "-0", "+1", " 1", "1 ", "--1", "0x10"]
TIMES = ["20200229120000Z", "20200229130000+0100", "20200229120000.5Z", "20200229120000.500Z", "20191231235959Z", "20200101000000Z", "202001010000Z", "2020010100Z", "19700101000000Z"]
BAD_TIMES = ["", "2020", "20200230120000Z", "20200229250000Z", "20200229120000", "yesterday", "20210229120000Z", "20201301000000Z"]
DIGITS = ["123", "1 2 3", "12 3", "0123", "999", "5", "1 0 0"]
PHONES = ["+1 222 333", "+1222333", "+1-222-333", "5551234", "(555) 1234", "+44 20"]
BITS = ["'0101'B", "'1'B", "''B", "'0000'B", "'01010'B"]
OIDS = ["2.5.4.3", "cn", "commonName", "person", "2.5.6.6", "sn", "1.2.3.4.5", "gThing", "gthing"]
POSTAL = ["1 Main St$Town", "1 MAIN  st$town", "One\\24Two$Three", "Solo", "A$B$C", "back\\5Cslash$x"]
UUIDS = ["597ae2f6-16a6-1027-98f4-d28b5365dc14", "597AE2F6-16A6-1027-98F4-D28B5365DC14", "00000000-0000-0000-0000-000000000000", "ffffffff-0000-0000-0000-000000000001"]
NAMES = ["dc=example,dc=com", "DC=Example, DC=Com", "cn=Nobody,dc=example,dc=com", "cn=a\\,b,dc=x", "cn=a\\2Cb,dc=x", "cn=one+sn=two,dc=x", "sn=TWO+cn=ONE,dc=x", "cn=caf\\C3\\A9", ""]
BAD_NAMES = ["x", "cn", "=x", "cn=a,,dc=b", "cn=a\\", "cn=a+", "cn=\\zz", ",", "cn=a,"]
MEMBERS = ["cn=a,dc=x", "cn=A,dc=X#'01'B", "cn=a,dc=x#'01'B", "cn=a,dc=x#'0'B"]
OCTETS = [b"\x00\x01", b"\xff\xfe", b"abc", b"ABC", b"", b"abcd", b"\x80"]
PRINTABLE = ["Alpha", "alpha", "Beta (2)", "x+y=z?", "q:r/s"]

KINDS = [
    Kind("gText", f"EQUALITY caseIgnoreMatch ORDERING caseIgnoreOrderingMatch SUBSTR caseIgnoreSubstringsMatch SYNTAX {TEXT}", TEXTS, ["", b"\xff\xfe", b"a\xc3"], ("caseIgnoreMatch", "caseExactMatch", "caseIgnoreOrderingMatch", "2.5.13.2", "caseIgnoreSubstringsMatch")),
    Kind("gSub", "SUP gText", TEXTS, ["", b"\xff"], ("caseIgnoreMatch", "caseExactMatch")),
    Kind("gSubSub", "SUP gSub SINGLE-VALUE", TEXTS, [""], ("caseExactMatch",), False),
    Kind("gExact", f"EQUALITY caseExactMatch ORDERING caseExactOrderingMatch SUBSTR caseExactSubstringsMatch SYNTAX {TEXT}", TEXTS, ["", b"\xc0"], ("caseExactMatch", "caseIgnoreMatch", "caseExactOrderingMatch")),
    Kind("gIa5", f"EQUALITY caseIgnoreIA5Match SUBSTR caseIgnoreIA5SubstringsMatch SYNTAX {IA5}", ASCII, ["ä", b"\xff"], ("caseIgnoreIA5Match", "caseExactIA5Match")),
    Kind("gIa5Exact", f"EQUALITY caseExactIA5Match SUBSTR caseExactIA5SubstringsMatch SYNTAX {IA5}", ASCII, ["é"], ("caseExactIA5Match", "caseIgnoreIA5Match")),
    Kind("gInt", f"EQUALITY integerMatch ORDERING integerOrderingMatch SYNTAX {syntax(27)}", NUMBERS, BAD_NUMBERS, ("integerMatch", "integerOrderingMatch", "1.2.840.113556.1.4.803", "1.2.840.113556.1.4.804")),
    Kind("gOnce", f"EQUALITY integerMatch ORDERING integerOrderingMatch SYNTAX {syntax(27)} SINGLE-VALUE", NUMBERS, BAD_NUMBERS, ("integerMatch",), False),
    Kind("gBool", f"EQUALITY booleanMatch SYNTAX {syntax(7)}", ["TRUE", "FALSE"], ["true", "", "yes", "1", "TRUE "], ("booleanMatch",)),
    Kind("gTime", f"EQUALITY generalizedTimeMatch ORDERING generalizedTimeOrderingMatch SYNTAX {syntax(24)}", TIMES, BAD_TIMES, ("generalizedTimeMatch", "generalizedTimeOrderingMatch")),
    Kind("gDigits", f"EQUALITY numericStringMatch ORDERING numericStringOrderingMatch SUBSTR numericStringSubstringsMatch SYNTAX {syntax(36)}", DIGITS, ["", "12a", "-1", "1.2"], ("numericStringMatch", "numericStringOrderingMatch")),
    Kind("gPhone", f"EQUALITY telephoneNumberMatch SUBSTR telephoneNumberSubstringsMatch SYNTAX {syntax(50)}", PHONES, ["", "ä", "5*5", "#5"], ("telephoneNumberMatch",)),
    Kind("gOctets", f"EQUALITY octetStringMatch ORDERING octetStringOrderingMatch SUBSTR octetStringSubstringsMatch SYNTAX {syntax(40)}", OCTETS, (), ("octetStringMatch", "octetStringOrderingMatch")),
    Kind("gBits", f"EQUALITY bitStringMatch SYNTAX {syntax(6)}", BITS, ["", "0101", "'2'B", "'01'", "'01'b"], ("bitStringMatch",)),
    Kind("gName", f"EQUALITY distinguishedNameMatch SYNTAX {syntax(12)}", NAMES, BAD_NAMES, ("distinguishedNameMatch",)),
    Kind("gMember", f"EQUALITY uniqueMemberMatch SYNTAX {syntax(34)}", MEMBERS, ["x", "=#'01'B"], ("uniqueMemberMatch",)),
    Kind("gOid", f"EQUALITY objectIdentifierMatch SYNTAX {syntax(38)}", OIDS, ["", "1..2", "-x", "a b", "1.2."], ("objectIdentifierMatch",)),
    Kind("gPostal", f"EQUALITY caseIgnoreListMatch SUBSTR caseIgnoreListSubstringsMatch SYNTAX {syntax(41)}", POSTAL, [b"\xff"], ("caseIgnoreListMatch",)),
    Kind("gUuid", "EQUALITY UUIDMatch ORDERING UUIDOrderingMatch SYNTAX 1.3.6.1.1.16.1", UUIDS, ["", "x", "597ae2f616a6102798f4d28b5365dc14", "597ae2f6-16a6-1027-98f4-d28b5365dc1"], ("UUIDMatch",)),
    Kind("gPrint", f"EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch SYNTAX {syntax(44)}", PRINTABLE, ["", "ä", "a*b", "a_b", "a@b"], ("caseIgnoreMatch", "caseExactMatch")),
    Kind("gCountry", f"EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch SYNTAX {syntax(11)}", ["de", "DE", "fr"], ["d", "deu", "", "ä"], ("caseIgnoreMatch",)),
    Kind("gBlob", f"SYNTAX {syntax(40)}", OCTETS, (), ()),
]
BY_NAME = {kind.name: kind for kind in KINDS}
STANDARD = {
    "cn": Kind("cn", "", TEXTS, ["", b"\xff"], ("caseIgnoreMatch", "caseExactMatch")),
    "sn": Kind("sn", "", TEXTS, ["", b"\xff"], ("caseIgnoreMatch",)),
    "description": Kind("description", "", TEXTS, ["", b"\xff"], ("caseIgnoreMatch", "caseExactMatch")),
    "mail": Kind("mail", "", ASCII, ["ä"], ("caseIgnoreIA5Match",)),
    "telephoneNumber": Kind("telephoneNumber", "", PHONES, ["", "ä"], ("telephoneNumberMatch",)),
    "ou": Kind("ou", "", TEXTS, [""], ("caseIgnoreMatch",)),
    "objectClass": Kind("objectClass", "", ["gThing", "GTHING", "gPart", "gMix", "person", "top", "inetOrgPerson", "organizationalUnit", f"{ARC}.100"], ["noSuchClass", "", "1.2.3.4.5.6"], ("objectIdentifierMatch",)),
}
ALL = {**BY_NAME, **STANDARD}
IN_THING = [kind.name for kind in KINDS] + ["description"]
UNKNOWN = ["noSuchType", "1.2.3.4.5.6", "gText;nosuchoption", "cn;", "gText;lang_x", "", "a b"]
RULES = sorted({rule for kind in ALL.values() for rule in kind.rules})
CHOICES = ("=", "=", "=", "=", "present", "present", "sub", "sub", "sub", ">=", "<=", "ext", "ext", "~=")
#: Without the sharp s: slapd would have two names where there is one here (RFC 4518 §2.2).
RDN_VALUES = [text for text in TEXTS if text != "straße"] + ["a+b", "a=b", 'q"uote', "<x>", "semi;colon", "  two", "tab\tx", "nul\0x", "\\", "é", "z" * 60]
RDN_KINDS = ["cn", "cn", "cn", "cn", "gText", "gInt", "gSub"]


def schema():
    """The schema of the test, in the form that both servers read."""
    types = [f"attributetype ( {ARC}.{at} NAME '{kind.name}' {kind.definition} )" for at, kind in enumerate(KINDS, 1)]
    may = " $ ".join(IN_THING)
    return "\n".join(
        [
            *types,
            f"objectclass ( {ARC}.100 NAME 'gThing' SUP top STRUCTURAL MUST cn MAY ( {may} ) )",
            f"objectclass ( {ARC}.101 NAME 'gPart' SUP gThing STRUCTURAL MUST gInt )",
            f"objectclass ( {ARC}.102 NAME 'gMix' SUP top AUXILIARY MUST gBool MAY ( mail $ telephoneNumber ) )",
            "",
        ]
    )


def encode(value):
    return value.encode() if isinstance(value, str) else value


class Operation:
    """What is sent, what it is called in print, and what an explanation may want to know of it."""

    def __init__(self, kind, request, text, **facts):
        self.kind, self.request, self.text = kind, request, text
        self.facts = facts

    def __getattr__(self, name):
        try:
            return self.__dict__["facts"][name]
        except KeyError:
            raise AttributeError(name) from None


class Generator:
    """Makes operations about the entries there are. `entries` are parsed names: lists of RDNs, lists of type and value."""

    def __init__(self, random, suffix):
        self.random, self.suffix = random, suffix
        self.entries = []
        self.counter = 0

    # Names.

    def spell(self, name, odd=None):
        """A name in one of its spellings."""
        r = self.random
        style = r.random() if odd is None else odd
        if style < 0.5:
            return ",".join("+".join(f"{kind}={self.escaped(value, 0)}" for kind, value in rdn) for rdn in name)
        comma = r.choice((",", ", ", " , ", ",  "))
        spelled = []
        for rdn in name:
            avas = list(rdn)
            r.shuffle(avas)
            equals, plus = r.choice(("=", "=", " = ", "= ")), r.choice(("+", "+", " + "))
            spelled.append(plus.join(f"{self.type_name(kind)}{equals}{self.escaped(self.respell(value), 1)}" for kind, value in avas))
        return comma.join(spelled)

    def type_name(self, kind):
        oids = {"cn": "2.5.4.3", "ou": "2.5.4.11", "dc": "0.9.2342.19200300.100.1.25", "gText": f"{ARC}.1"}
        return self.random.choice((kind, kind.upper(), kind.lower(), oids.get(kind, kind), {"cn": "commonName"}.get(kind, kind)))

    def respell(self, value):
        """The same value to a rule that does not see case and runs of spaces, mostly."""
        return self.random.choice((value, value, value.upper(), value.lower(), value.replace(" ", "  ")))

    def escaped(self, value, style):
        """A value of an RDN as text (RFC 4514 §2.4): plain, or with more escapes than needed."""
        r = self.random
        out = []
        for at, c in enumerate(value):
            must = c in ',+"\\<>;\0' or (c == " " and at in (0, len(value) - 1)) or (c == "#" and at == 0)
            if c == "\0" or (style and r.random() < 0.1):
                form = "\\{:02x}" if r.random() < 0.5 else "\\{:02X}"
                out += map(form.format, c.encode())
            elif must or (style and c == "=" and r.random() < 0.3):
                out.append("\\" + c)
            else:
                out.append(c)
        return "".join(out)

    def some(self):
        """A name of an entry."""
        return self.random.choice(self.entries)

    def target(self):
        """A name in some spelling: of an entry mostly, else of one that is not there or of none at all."""
        r = self.random
        choice = r.random()
        if choice < 0.82:
            return self.spell(self.some())
        if choice < 0.92:
            return self.spell([[("cn", r.choice(RDN_VALUES))]] + self.some())
        if choice < 0.95:
            return self.spell([[("cn", "x")], [("ou", "nowhere")]] + self.some())
        return r.choice(["", "dc=elsewhere", "dc=com", "cn=x", *BAD_NAMES, "cn=a;dc=b", "noSuchType=x,dc=example,dc=com", "dc=example,dc=com,", "dc=example, dc=com "])

    def rdn(self):
        r = self.random
        self.counter += 1
        kinds = [r.choice(RDN_KINDS)]
        if r.random() < 0.15:
            kinds.append(r.choice([kind for kind in ("cn", "gText", "gInt", "description") if kind != kinds[0]]))
        made = []
        for kind in kinds:
            value = r.choice(NUMBERS) if kind == "gInt" else r.choice(RDN_VALUES)
            if kind != "gInt" and r.random() < 0.6:
                value = f"{value}{self.counter}"
            made.append((kind, value))
        return made

    # Values and attributes.

    def value(self, kind, bad=0.0):
        r = self.random
        if kind.bad and r.random() < bad:
            return encode(r.choice(kind.bad))
        value = r.choice(kind.good)
        if kind.name in ("gName", "gMember", "seeAlso") and r.random() < 0.4:
            value = self.spell(self.some())
        if isinstance(value, str) and r.random() < 0.25 and kind.name not in ("gTime", "gBool", "gBits", "gInt", "gOnce"):
            value = r.choice((value.upper(), value.lower(), value.replace(" ", "  "), value + " ", " " + value))
        return encode(value)

    def kind(self):
        return ALL[self.random.choice(IN_THING + ["cn", "cn", "objectClass", "mail", "sn", "telephoneNumber"])]

    def description(self, name):
        """An attribute description: mostly plain, sometimes with options or in another case."""
        r = self.random
        choice = r.random()
        if choice < 0.85 or name == "objectClass":
            return name
        if choice < 0.9:
            return r.choice((name.upper(), name.lower()))
        return name + r.choice((";lang-en", ";lang-de", ";LANG-de", ";lang-de;lang-en", ";lang-en;lang-de"))

    # Filters.

    def item(self):
        r = self.random
        choice = r.choice(CHOICES)
        kind = self.kind()
        name = r.choice(UNKNOWN) if r.random() < 0.05 else self.description(kind.name)
        if choice == "present":
            return ("present", name)
        value = self.value(kind, 0.1)
        if choice == "sub":
            text = value
            count = r.randint(2, 4)
            cut = lambda: text[(start := r.randrange(max(1, len(text)))) : start + r.randint(1, 4)]
            parts = [cut() for _ in range(count)]
            form = r.random()
            if form < 0.3:
                parts = [text[: r.randint(1, 3)], *parts[1:-1], b""][:2] if r.random() < 0.7 else [text[:2], *parts[1:-1], text[-2:]]
            elif form < 0.5:
                parts = [b"", *parts[1:-1], text[-2:]]
            elif form < 0.8:
                parts = [b"", cut(), b""]
            return ("sub", name, parts if any(parts) else [b"a", b""])
        if choice == "ext":
            rule = r.choice(kind.rules) if kind.rules and r.random() < 0.7 else r.choice([*RULES, "noSuchRule", None])
            return ("ext", (name or None) if rule is None or r.random() < 0.75 else None, rule if rule or name else RULES[0], r.random() < 0.3, value)
        return (choice, name, value)

    def filter(self, depth=3):
        r = self.random
        if depth == 0 or r.random() < 0.5:
            return self.item()
        kind = r.choice("&|!")
        return (kind, [self.filter(depth - 1) for _ in range(1 if kind == "!" else r.randint(0 if r.random() < 0.05 else 1, 3))])

    # Operations.

    def search(self):
        r = self.random
        made = self.filter()
        choice = r.random()
        base = self.spell([[("dc", "example")], [("dc", "com")]]) if choice < 0.5 else self.target()
        scope = r.choice((0, 1, 1, 2, 2, 2, 2, 3))
        size = r.choice((0, 0, 0, 0, 0, 0, 1, 2, 5, 20))
        types_only = r.random() < 0.1
        attributes = r.choice(([], [], ["*"], ["1.1"], ["1.1"], ["+"], ["*", "+"], None, None, None))
        if attributes is None:
            pool = [*IN_THING, "cn", "objectClass", "CN", "noSuchType", "gText;lang-de", "gSub", "name", "@gPart", "1.1", "*", "structuralObjectClass", "hasSubordinates", "creatorsName", "2.5.4.3"]
            attributes = [r.choice(pool) for _ in range(r.randint(1, 4))]
        request = wire.search(base, scope, filter_octets(made), attributes, size, 0, types_only)
        text = f"search {base!r} scope {scope} size {size} types {types_only} {attributes} {filter_text(made)}"
        return Operation("search", request, text, filter=made, base=base, size=size, attributes=attributes, types_only=types_only, scope=scope)

    def compare(self):
        kind = self.kind()
        base, name, value = self.target(), self.description(kind.name), self.value(kind, 0.1)
        if self.random.random() < 0.05:
            name = self.random.choice(UNKNOWN)
        return Operation("compare", wire.compare(base, name, value), f"compare {base!r} {name}={value!r}", base=base, attribute=name, value=value)

    def values(self, kind, bad):
        r = self.random
        count = 1 if not kind.multiple and r.random() < 0.9 else r.choice((1, 1, 1, 2, 2, 3))
        return [self.value(kind, bad) for _ in range(count)]

    def modify(self):
        r = self.random
        base = self.target()
        changes = []
        for _ in range(r.choice((1, 1, 1, 2, 2, 3))):
            kind = self.kind()
            what = r.choice((0, 0, 1, 1, 2, 2, 2, 3))
            name = r.choice(UNKNOWN) if r.random() < 0.03 else self.description(kind.name)
            if what == 3:
                name = r.choice(("gInt", "gOnce", "gOnce", "gInt", name))
                values = [encode(r.choice((*NUMBERS, "1", "5", "-3", "x")))]
            else:
                values = self.values(kind, 0.07)
                if what in (1, 2) and r.random() < 0.35:
                    values = []
            changes.append((what, name, values))
        words = ("add", "delete", "replace", "increment")
        text = f"modify {base!r} " + "; ".join(f"{words[what]} {name} {values}" for what, name, values in changes)
        return Operation("modify", wire.modify(base, *changes), text, base=base, changes=changes)

    def add(self):
        r = self.random
        rdn = self.rdn()
        name = [rdn] + self.some()
        base = self.spell(name) if r.random() < 0.93 else self.target()
        classes = r.choice((["gThing"], ["gThing"], ["top", "gThing"], ["gPart"], ["gThing", "gMix"], ["gThing", "gPart"], ["inetOrgPerson"], ["organizationalUnit"], ["gMix"], ["gThing", "noSuchClass"], ["gThing", "person"]))
        attributes = [("objectClass", [encode(c) for c in classes])]
        given = {}
        for kind, value in rdn:
            if r.random() < 0.9:
                given[kind] = [value.encode()]
        if "cn" not in given and r.random() < 0.93:
            given["cn"] = [b"the cn"]
        if "gPart" in classes and r.random() < 0.9:
            given.setdefault("gInt", [b"7"])
        if "gMix" in classes and r.random() < 0.9:
            given["gBool"] = [b"TRUE"]
        if "inetOrgPerson" in classes and r.random() < 0.9:
            given["sn"] = [b"the sn"]
        for _ in range(r.randint(0, 4)):
            kind = self.kind()
            if kind.name not in ("objectClass", "ou"):
                given.setdefault(self.description(kind.name), self.values(kind, 0.03))
        attributes += list(given.items())
        if r.random() < 0.02:
            attributes = attributes[1:]
        return Operation("add", wire.add(base, attributes), f"add {base!r} {attributes}", base=base, attributes=attributes, name=name)

    def delete(self):
        base = self.target()
        return Operation("delete", wire.delete(base), f"delete {base!r}", base=base)

    def rename(self):
        r = self.random
        base = self.target()
        rdn = self.spell([self.rdn()]) if r.random() < 0.93 else r.choice(BAD_NAMES + ["cn=a,dc=b", "noSuchType=x", "", "gBool=TRUE", "gBool=x", "gOnce=x"])
        delete_old = r.random() < 0.6
        superior = self.target() if r.random() < 0.35 else None
        text = f"rename {base!r} to {rdn!r} delete {delete_old} superior {superior!r}"
        return Operation("rename", wire.rename(base, rdn, delete_old, superior), text, base=base, rdn=rdn, delete_old=delete_old, superior=superior)

    def operation(self):
        """The next operation; the tree is kept from growing or dying out."""
        r = self.random
        many = len(self.entries)
        choice = r.random()
        if choice < 0.56:
            return self.search()
        if choice < 0.64:
            return self.compare()
        if choice < 0.78:
            return self.modify()
        if choice < 0.86:
            return self.rename()
        grows = 0.85 if many < 60 else 0.6 if many < 120 else 0.3
        return self.add() if r.random() < grows else self.delete()


def filter_octets(made):
    kind = made[0]
    if kind in "&|!":
        return tlv({"&": 0xA0, "|": 0xA1, "!": 0xA2}[kind], *map(filter_octets, made[1]))
    if kind == "present":
        return octets(made[1], 0x87)
    if kind == "sub":
        return wire.substrings(made[1], made[2])
    if kind == "ext":
        _, name, rule, dn, value = made
        return wire.extensible(f"{name or ''}{':dn' if dn else ''}{f':{rule}' if rule else ''}", value)
    return tlv({"=": 0xA3, ">=": 0xA5, "<=": 0xA6, "~=": 0xA8}[kind], octets(made[1]), octets(made[2]))


def shown(value):
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return wire.escape(value)
    return "".join(f"\\{ord(c):02x}" if c in "*()\\\0" else c for c in text)


def filter_text(made):
    """The text of a filter (RFC 4515)."""
    kind = made[0]
    if kind in "&|!":
        return f"({kind}{''.join(map(filter_text, made[1]))})"
    if kind == "present":
        return f"({made[1]}=*)"
    if kind == "sub":
        return f"({made[1]}={'*'.join(map(shown, made[2]))})"
    if kind == "ext":
        _, name, rule, dn, value = made
        return f"({name or ''}{':dn' if dn else ''}{f':{rule}' if rule else ''}:={shown(value)})"
    return f"({made[1]}{made[2] and kind or kind}{shown(made[2])})"


def items(made):
    """The items of a filter."""
    if made[0] in "&|!":
        for part in made[1]:
            yield from items(part)
    else:
        yield made


def parse(dn):
    """A name as the servers print it, by OpenLDAP's own parser."""
    return [[(kind, value) for kind, value, _ in rdn] for rdn in ldap.dn.str2dn(dn)]
