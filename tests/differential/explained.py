"""Where slapd and Headcount answer differently, and the section by which ours is right, or by which both are.

A rule sees the operation, the difference, and both outcomes. It is as narrow as it can be; what several faults of one
request are is worked out here from the request, and not taken from either server.
"""

import dataclasses
import re
import typing
import unicodedata

import ldap
import ldap.dn

import normal
from generated import ALL, ARC, UNKNOWN, items

PROTOCOL_ERROR, NO_SUCH_ATTRIBUTE, UNDEFINED, MATCHING, CONSTRAINT, EXISTS_VALUE, SYNTAX = 2, 16, 17, 18, 19, 20, 21
NO_SUCH_OBJECT, BAD_NAME, UNWILLING, NAMING, CLASS, NON_LEAF, ON_RDN, EXISTS, CLASS_CHANGE, SEVERAL_DSAS = 32, 34, 53, 64, 65, 66, 67, 68, 69, 71
PRINTABLE = r"[A-Za-z0-9'()+,\-./:=? ]+"
OID = r"([0-9]|[1-9][0-9]+)(\.([0-9]|[1-9][0-9]+))+"
VALID = {
    "gInt": r"0|-?[1-9][0-9]*",
    "gOnce": r"0|-?[1-9][0-9]*",
    "gBool": "TRUE|FALSE",
    "gDigits": "[0-9 ]+",
    "gPhone": PRINTABLE,
    "telephoneNumber": PRINTABLE,
    "gBits": "'[01]*'B",
    "gUuid": "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    "gPrint": PRINTABLE,
    "gCountry": r"[A-Za-z0-9'()+,\-./:=? ]{2}",
    "gOid": f"{OID}|[A-Za-z][A-Za-z0-9-]*",
    "gIa5": r"[\x00-\x7f]*",
    "gIa5Exact": r"[\x00-\x7f]*",
    "mail": r"[\x00-\x7f]*",
    "gPostal": r"(?s:.*)",
}
KINDS = {name.casefold(): kind for name, kind in ALL.items()}
TYPES = {"2.5.4.3": "cn", "commonname": "cn", "2.5.4.11": "ou", "0.9.2342.19200300.100.1.25": "dc", f"{ARC}.1": "gtext"}
#: Classes of the test that are structural, and what each adds to the chain.
STRUCTURAL = {"gThing": "gThing", "gPart": "gThing", "person": "person", "inetOrgPerson": "person", "organizationalUnit": "organizationalUnit"}


def kind_of(description):
    """The attribute type of a description, or nothing where it is none."""
    if description in UNKNOWN:
        return None
    return KINDS.get(description.split(";")[0].casefold())


def is_valid(kind, value):
    """Whether a value conforms to its syntax (RFC 4517 §3.3)."""
    if kind.name in ("gOctets", "gBlob"):
        return True
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return False
    if kind.name in ("gName", "gMember"):
        text = re.sub(r"#'[01]*'B$", "", text) if kind.name == "gMember" else text
        return is_name(text) and not has_bad_value(text)
    if kind.name == "gTime":
        return text in kind.good
    if kind.name == "objectClass":
        return re.fullmatch(VALID["gOid"], text) is not None
    return bool(re.fullmatch(VALID.get(kind.name, "(?s:.+)"), text))


def is_name(text):
    try:
        ldap.dn.str2dn(text)
    except ldap.DECODING_ERROR:
        return False
    return True


def is_descriptor(value):
    return re.fullmatch(OID, value.decode("utf-8", "replace")) is None


def has_unknown_type(text):
    return is_name(text) and "nosuchtype=" in text.replace(" ", "").casefold()


def identity(text):
    """A name without what spelling does to it, the spelling of types included."""
    found = normal.name(text)
    if found is None:
        return None
    return tuple(tuple(sorted((TYPES.get(kind, kind), folded(value)) for kind, value in rdn)) for rdn in found)


def folded(value):
    """Text as RFC 4518 compares it, near enough to see duplicates."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", value).casefold())).strip()


def value_key(kind, value):
    """Equal values of a type have the same key."""
    text = folded(value.decode("utf-8", "replace"))
    if kind.name in ("gName", "gMember"):
        return identity(text) or text
    if kind.name in ("gPhone", "telephoneNumber"):
        return re.sub("[ -]", "", text)
    if kind.name == "gTime":
        return "noon" if text in ("20200229130000+0100", "20200229120000z") else "half" if text.startswith("20200229120000.5") else "new year" if text in ("20200101000000z", "202001010000z", "2020010100z") else text
    if kind.name in ("gOid", "objectClass"):
        return {"cn": "2.5.4.3", "commonname": "2.5.4.3", "person": "2.5.6.6", f"{ARC}.100": "gthing"}.get(text, text)
    if kind.name == "gDigits":
        return text.replace(" ", "")
    if kind.name in ("gOctets", "gBlob"):
        return value
    return text


def has_bad_value(text):
    """Whether a name holds a value that its type does not take."""
    if not is_name(text):
        return False
    avas = [(TYPES.get(kind.casefold(), kind.casefold()), value) for rdn in ldap.dn.str2dn(text) for kind, value, _ in rdn]
    return any(kind in KINDS and not is_valid(KINDS[kind], value.encode()) for kind, value in avas)


def is_outside(text):
    """Whether a name is under no context of either server."""
    name = identity(text)
    return name is not None and name[-2:] != ((("dc", "example"),), (("dc", "com"),))


def given(operation):
    """All descriptions with their values that a change names."""
    if operation.kind == "modify":
        return [(name, values) for _, name, values in operation.changes]
    if operation.kind == "add":
        return operation.attributes
    if operation.kind == "compare":
        return [(operation.attribute, [operation.value])]
    return []


def faults(operation):
    """The result codes that some fault of the request calls for, those that depend on the entry included: (certain, perhaps)."""
    certain, perhaps = set(), set()
    name = identity(operation.base)
    if name is None or has_unknown_type(operation.base) or has_bad_value(operation.base):
        certain.add(BAD_NAME)
    if name is None or (name not in operation.known and not (operation.kind == "add" and name[1:] in operation.known)):
        certain.add(NO_SUCH_OBJECT)
    if is_outside(operation.base):
        certain.add(UNWILLING)
    if operation.kind == "add" and (name in operation.known or name == ()):
        certain.add(EXISTS)
    for description, values in given(operation):
        kind = kind_of(description)
        if kind is None:
            certain.add(UNDEFINED)
            continue
        if any(not is_valid(kind, value) for value in values):
            certain.add(SYNTAX)
        if kind.name == "gOid" and any(map(is_descriptor, values)):
            perhaps.add(SYNTAX)
        if len({value_key(kind, value) for value in values}) < len(values):
            certain.add(EXISTS_VALUE)
        if not kind.multiple and len(values) > 1:
            certain.add(CONSTRAINT)
        if kind.name == "gBlob" and operation.kind != "add":
            perhaps.add(MATCHING)
        if kind.name == "objectClass" and any(value in (b"noSuchClass", b"1.2.3.4.5.6") for value in values):
            certain |= {SYNTAX, CLASS}
    if operation.kind == "modify":
        for what, description, values in operation.changes:
            perhaps |= {CLASS, CLASS_CHANGE, ON_RDN, NAMING}
            if description.casefold() == "objectclass":
                certain |= {CLASS, CLASS_CHANGE}
            if description.casefold().startswith("gblob") and what < 2 and values:
                certain.add(MATCHING)
            if what == 0:
                perhaps |= {EXISTS_VALUE, CONSTRAINT}
            if what in (1, 3):
                perhaps.add(NO_SUCH_ATTRIBUTE)
            if what == 3:
                kind = kind_of(description)
                if kind and kind.name not in ("gInt", "gOnce"):
                    certain |= {CONSTRAINT, SYNTAX}
                if not re.fullmatch(VALID["gInt"], values[0].decode()):
                    certain |= {SYNTAX, CONSTRAINT}
    if operation.kind == "compare":
        perhaps |= {NO_SUCH_ATTRIBUTE}
    if operation.kind == "add":
        classes = next((values for description, values in operation.attributes if description == "objectClass"), [])
        if not operation.attributes:
            certain |= {PROTOCOL_ERROR, CLASS}
        chains = {STRUCTURAL.get(value.decode()) for value in classes} - {None}
        if len(chains) != 1:
            certain.add(CLASS)
        descriptions = [description.casefold() for description, _ in operation.attributes]
        if len(set(descriptions)) < len(descriptions):
            certain.add(EXISTS_VALUE)
        perhaps |= {CLASS, NAMING, CONSTRAINT}
    if operation.kind == "rename":
        if not is_name(operation.rdn) or len(ldap.dn.str2dn(operation.rdn)) != 1 or has_unknown_type(operation.rdn) or has_bad_value(operation.rdn):
            certain.add(BAD_NAME)
        if operation.superior is not None:
            above = identity(operation.superior)
            if above is None or has_unknown_type(operation.superior) or has_bad_value(operation.superior):
                certain.add(BAD_NAME)
            if above not in operation.known:
                certain |= {NO_SUCH_OBJECT, SEVERAL_DSAS}
            if name and above and above[-len(name) :] == name:
                certain.add(UNWILLING)
        perhaps |= {CLASS, NAMING, EXISTS, SYNTAX, CONSTRAINT}
        if name is not None and len(name) == 2:
            certain |= {SEVERAL_DSAS, UNWILLING}
    if operation.kind == "delete":
        perhaps.add(NON_LEAF)
    return certain, perhaps


def several_faults(operation, difference, ours, theirs):
    if difference[0] != "code" or operation.kind == "search" or {0, 5, 6} & {ours.code, theirs.code}:
        return False
    certain, perhaps = faults(operation)
    codes = {ours.code, theirs.code}
    return codes <= certain | perhaps and bool(codes & certain)


def all_items(operation):
    return list(items(operation.filter)) if operation.kind == "search" else []


def values_of(operation):
    """Pairs of attribute type and value that the operation holds anywhere."""
    for item in all_items(operation):
        if item[0] == "ext" and item[1]:
            yield kind_of(item[1]), item[4]
        elif item[0] in ("=", ">=", "<=", "~="):
            yield kind_of(item[1]), item[2]
    for description, values in given(operation):
        for value in values:
            yield kind_of(description), value


def holds_descriptor(operation):
    alone = any(item[0] == "ext" and item[1] is None and item[2] == "objectIdentifierMatch" and is_descriptor(item[4]) for item in all_items(operation))
    return alone or any(kind and kind.name == "gOid" and is_descriptor(value) for kind, value in values_of(operation))


def result(operation, difference):
    """Whether it is about what a search finds, not about what it shows of it."""
    return operation.kind == "search" and difference[0] in ("entries", "count", "code")


@dataclasses.dataclass(frozen=True)
class Explained:
    """One explanation."""

    name: str
    section: str
    text: str
    holds: typing.Callable


EXPLAINED = [
    Explained(
        "a rename outside", "RFC 4511 §4.9, A.2",
        "what is under no context is noSuchObject here; slapd says unwillingToPerform or affectsMultipleDSAs",
        lambda o, d, ours, theirs: d[0] == "code" and o.kind not in ("search", "compare") and ours.code in (NO_SUCH_OBJECT, UNWILLING)
        and theirs.code in (UNWILLING, SEVERAL_DSAS) and (is_outside(o.base) or normal.name(o.base) == normal.name("dc=example,dc=com") or is_outside(getattr(o, "superior", None) or "dc=example,dc=com") or getattr(o, "superior", None) == ""),
    ),
    Explained(
        "several faults", "RFC 4511 §4.1.9",
        "a request with several faults gets one result code; which of them is the server's choice",
        several_faults,
    ),
    Explained(
        "matched name of a new superior", "RFC 4511 §4.1.9",
        "matchedDN names the last entry found on the way to the name that is missing; slapd leaves it out for newSuperior",
        lambda o, d, ours, theirs: d[0] == "matched" and o.kind == "rename" and theirs.matched == () and any(
            name is not None and name not in o.known and name[len(name) - len(ours.matched) :] == ours.matched for name in (identity(o.base), identity(o.superior or "dc=example,dc=com"))
        ),
    ),
    Explained(
        "descriptors are OIDs", "RFC 4517 §3.3.26",
        "a value of the OID syntax may be a descriptor; slapd takes numbers only",
        lambda o, d, ours, theirs: holds_descriptor(o),
    ),
    Explained(
        "a class that is not defined", "RFC 4517 §3.3.26, RFC 4511 A.2",
        "its name conforms to the OID syntax, so it violates the object class rules and not the syntax",
        lambda o, d, ours, theirs: d == ("code", CLASS, SYNTAX) and any(kind and kind.name == "objectClass" and value in (b"noSuchClass", b"1.2.3.4.5.6") for kind, value in values_of(o)),
    ),
    Explained(
        "a bad value in a name", "RFC 4514 §3, RFC 4511 A.2",
        "a name with a value that its type does not take conforms to the syntax of names, so it is one that is not there",
        lambda o, d, ours, theirs: d == ("code", NO_SUCH_OBJECT, BAD_NAME) and any(has_bad_value(name) for name in (o.base, getattr(o, "superior", "") or ""))
        or (d[0] == "code" and theirs.code == SYNTAX or result(o, d)) and any(kind and kind.name in ("gName", "gMember") and has_bad_value(re.sub(r"#'[01]*'B$", "", value.decode("utf-8", "replace"))) for kind, value in values_of(o)),
    ),
    Explained(
        "superclasses by the rule's name", "RFC 4512 §3.3",
        "an entry is of the superclasses of its classes, also where an extensible match asks; slapd looks at what is listed",
        lambda o, d, ours, theirs: result(o, d) and any(item[0] == "ext" and item[1] in (None, "objectClass") and item[2] == "objectIdentifierMatch" for item in all_items(o)),
    ),
    Explained(
        "a rule that is not for the type, with :dn:", "RFC 4511 §4.5.1.7",
        "a rule that is not valid for the type makes the item Undefined; slapd forgets that where the DN counts",
        lambda o, d, ours, theirs: result(o, d) and any(item[0] == "ext" and item[1] and item[2] and item[3] and kind_of(item[1]) and item[2] not in kind_of(item[1]).rules for item in all_items(o)),
    ),
    Explained(
        "parts of lists", "RFC 4517 §4.2.10, RFC 4518 §2.6.1",
        "parts are prepared as those of caseIgnoreSubstringsMatch, stand for themselves, and match within one line; slapd's span lines and know escapes, and not spaces",
        lambda o, d, ours, theirs: result(o, d) and any(item[0] == "sub" and item[1].casefold().startswith("gpostal") for item in all_items(o)),
    ),
    Explained(
        "spaces in parts", "RFC 4518 §2.6.1, §2.6.2, §2.6.3",
        "a prepared value begins and ends with a space, so a part that does may be found at its ends; in numbers spaces are nothing",
        lambda o, d, ours, theirs: result(o, d) and any(item[0] == "sub" and any(part != part.strip(b" -") for part in item[2]) for item in all_items(o)),
    ),
    Explained(
        "parts that no value could hold", "RFC 4517 §3.3.30, §4.2.24",
        "a part of a substring assertion is text, whatever the attribute's values are of: it is not found, which is not Undefined",
        lambda o, d, ours, theirs: result(o, d) and any(
            item[0] == "sub" and kind_of(item[1]) and kind_of(item[1]).name in ("gDigits", "gPhone", "telephoneNumber", "gPrint", "gCountry") and any(part and not is_valid(ALL["gDigits"] if kind_of(item[1]).name == "gDigits" else ALL["gPrint"], part) for part in item[2]) for item in all_items(o)
        ),
    ),
    Explained(
        "a value to delete, twice", "RFC 4511 §4.1.7",
        "the values of a change are a set; where one comes twice, the second is not there any more; slapd lets it pass",
        lambda o, d, ours, theirs: o.kind == "modify" and d[0] == "code" and ours.code == NO_SUCH_ATTRIBUTE and any(
            what == 1 and kind_of(name) and len({value_key(kind_of(name), value) for value in values}) < len(values) for what, name, values in o.changes
        ),
    ),
    Explained(
        "a space after a bit string", "RFC 4517 §3.3.21",
        "what follows the name is a bit string and nothing else; with a space after it, it belongs to the name",
        lambda o, d, ours, theirs: any(kind and kind.name == "gMember" and re.search(rb"'B +$", value) for kind, value in values_of(o))
        or any(item[0] == "ext" and item[2] == "uniqueMemberMatch" and re.search(rb"'B +$", item[4]) for item in all_items(o)),
    ),
    Explained(
        "spaces alone as a name", "RFC 4514 §3",
        "other representations of names may be recognised: spaces around nothing are the empty name",
        lambda o, d, ours, theirs: (theirs.code == SYNTAX or result(o, d)) and any(kind and kind.name in ("gName", "gMember") and value and not value.strip() for kind, value in values_of(o)),
    ),
    Explained(
        "an attribute type that is not defined in a name", "RFC 4514 §3, RFC 4511 A.2",
        "the name conforms to the syntax, so it is one that is not there, or of an undefined type; slapd calls it bad syntax",
        lambda o, d, ours, theirs: d[0] == "code" and theirs.code == BAD_NAME and ours.code in (NO_SUCH_OBJECT, UNDEFINED)
        and any(map(has_unknown_type, (o.base, getattr(o, "rdn", ""), getattr(o, "superior", "") or ""))),
    ),
    Explained(
        "naming values cannot be removed", "RFC 4511 §4.6",
        "an attempt to remove a value of the RDN gets notAllowedOnRDN; slapd says namingViolation",
        lambda o, d, ours, theirs: d == ("code", ON_RDN, NAMING) and o.kind == "modify",
    ),
    Explained(
        "UUIDMatch asked by name", "RFC 4530 §2.3",
        "an extensible match by UUIDMatch compares as the type's own equality does; slapd finds nothing by it",
        lambda o, d, ours, theirs: result(o, d) and any(item[0] == "ext" and item[2] == "UUIDMatch" for item in all_items(o)),
    ),
    Explained(
        "derived attributes by a rule alone", "RFC 4511 §4.5.1.7.7",
        "a rule without a type is asked of all attributes of the entry that support it, hasSubordinates, numSubordinates and entryDN too",
        lambda o, d, ours, theirs: result(o, d) and any(item[0] == "ext" and item[1] is None and item[2] in ("booleanMatch", "integerMatch", "integerOrderingMatch", "distinguishedNameMatch", "1.2.840.113556.1.4.803", "1.2.840.113556.1.4.804", "UUIDMatch") for item in all_items(o)),
    ),
    Explained(
        "approximate matching", "RFC 4511 §4.5.1.7.6",
        "how values approximate each other is local; slapd goes by sound, here it is equality",
        lambda o, d, ours, theirs: result(o, d) and any(item[0] == "~=" and kind_of(item[1]) for item in all_items(o)),
    ),
    Explained(
        "an attribute listed twice in an add", "RFC 4511 §4.7",
        "what is listed makes up the entry together; slapd refuses it",
        lambda o, d, ours, theirs: o.kind == "add" and d[0] == "code" and theirs.code == EXISTS_VALUE
        and len({n.casefold() for n, _ in o.attributes}) < len(o.attributes),
    ),
    Explained(
        "large numbers", "RFC 4525 §2, RFC 4517 §3.3.16",
        "an INTEGER has no bound, in an increment neither; slapd increments what fits a machine's word",
        lambda o, d, ours, theirs: o.kind == "modify" and d[0] == "code" and theirs.code == SYNTAX and any(what == 3 for what, _, _ in o.changes),
    ),
    Explained(
        "case folding", "RFC 4518 §2.2",
        "folding maps one character to several (ß to ss); slapd folds one to one",
        lambda o, d, ours, theirs: "strasse" in str([identity(o.base), identity(getattr(o, "superior", None) or ""), o.text]).casefold()
        or result(o, d) and any(item[0] == "sub" and any(b"ss" in part.lower() for part in item[2]) for item in all_items(o)),
    ),
    Explained(
        "the empty name as a base", "RFC 4511 §4.5.1.1, RFC 4512 §5.1",
        "the root is held here, with the root DSE, and the contexts are below it; slapd has no context there",
        lambda o, d, ours, theirs: o.kind == "search" and normal.name(o.base) == () and d in (("code", 0, NO_SUCH_OBJECT), ("code", 4, NO_SUCH_OBJECT)),
    ),
    Explained(
        "a bad value that a later change takes away", "RFC 4511 §4.6",
        "changes may violate the schema as long as the entry in the end does not",
        lambda o, d, ours, theirs: d == ("code", 0, SYNTAX) and o.kind == "modify" and len({name.casefold() for _, name, _ in o.changes}) < len(o.changes),
    ),
    Explained(
        "the root DSE's object classes", "RFC 4512 §5.1",
        "which classes the root DSE has is the server's own",
        lambda o, d, ours, theirs: o.kind == "search" and d[:2] == ("attribute", "objectclass") and d[-1] == (),
    ),
    Explained(
        "bits of large numbers", "MS-ADTS 3.1.1.3.4.4, RFC 4511 §4.5.1.7",
        "the two rules about bits are of Active Directory, for numbers of 64 bits; of a larger one they say nothing, which is Undefined",
        lambda o, d, ours, theirs: result(o, d) and any(item[0] == "ext" and item[2] in ("1.2.840.113556.1.4.803", "1.2.840.113556.1.4.804") for item in all_items(o)),
    ),
    Explained(
        "a bad value in a new RDN", "RFC 4511 A.2",
        "a value that its type does not take is invalidAttributeSyntax; slapd calls the RDN bad syntax",
        lambda o, d, ours, theirs: d == ("code", SYNTAX, BAD_NAME) and o.kind == "rename",
    ),
]
