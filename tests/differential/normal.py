"""LDIF and names in a form that can be compared, made by python-ldap and not by us."""

import io
import re

import ldap.dn
import ldap.schema
import ldif

SPACES = re.compile(r"\s+")


class _Collect(ldif.LDIFParser):
    def __init__(self, file):
        super().__init__(file, max_entries=0)
        self.found = []

    def handle(self, dn, entry):
        self.found.append((dn, entry))


def read_ldif(octets):
    """The entries of an LDIF file, in its order: DN and attributes, values in octets."""
    parser = _Collect(io.BytesIO(octets))
    parser.parse()
    return parser.found


def value(octets):
    """A value without what case and spaces do to it."""
    return SPACES.sub(" ", octets.decode("utf-8", "surrogateescape")).strip().casefold()


def name(dn):
    """A DN without what spelling does to it, or nothing where it is none."""
    try:
        rdns = ldap.dn.str2dn(dn)
    except ldap.DECODING_ERROR:
        return None
    return tuple(tuple(sorted((kind.casefold(), value(v.encode())) for kind, v, _ in rdn)) for rdn in rdns)


class Types:
    """Which spellings of an attribute type are one, and which have names as values: read from a server's subschema."""

    DN_SYNTAXES = {"1.3.6.1.4.1.1466.115.121.1.12", "1.3.6.1.4.1.1466.115.121.1.34"}

    def __init__(self, subschema):
        self.first, self.names = {}, set()
        types = {a.oid: a for a in (subschema.get_obj(ldap.schema.AttributeType, o) for o in subschema.listall(ldap.schema.AttributeType))}
        by_name = {n.casefold(): a for a in types.values() for n in a.names}
        for a in types.values():
            canonical = (a.names or (a.oid,))[0].casefold()
            for spelling in (*a.names, a.oid):
                self.first[spelling.casefold()] = canonical
            up, syntax = a, a.syntax
            while syntax is None and up.sup:
                up = by_name.get(up.sup[0].casefold()) or types.get(up.sup[0])
                syntax = up.syntax if up else ""
            if syntax in self.DN_SYNTAXES:
                self.names.add(canonical)

    def known(self, description):
        return description.split(";")[0].casefold() in self.first

    def canonical(self, description):
        kind, *options = description.casefold().split(";")
        return ";".join([self.first.get(kind, kind), *sorted(options)])

    def entry(self, attributes):
        """An entry's attributes as sets that can be compared: values in their octets, names in their normal form."""
        out = {}
        for description, values in attributes.items():
            key = self.canonical(description)
            kind = key.split(";")[0]
            if kind == "objectclass":
                made = {v.decode().casefold() for v in values}
            elif kind in self.names:
                made = {name(v.decode()) or v for v in values}
            else:
                made = set(values)
            out.setdefault(key, set()).update(made)
        return out
