"""Real directory data: imported, exported, and searched side by side with slapd (issue 2, what it must show).

The data is not part of the project: `../shared/data` beside the project's folder, or the folder `HEADCOUNT_DATA` names.
"""

import os
import pathlib
import random
import unittest

import ldap
import ldap.filter
import ldap.schema
import ldif

from normal import Types, name, read_ldif
from servers import PASSWORD, Headcount, Slapd
import demo

DATA = pathlib.Path(os.environ.get("HEADCOUNT_DATA", demo.PROJECT.parent / "shared" / "data"))
#: Generated filters a file; each is searched with base, one and sub.
FILTERS = 500
#: The exit code of an import that was told to go on and had to leave something out.
DONE_IN_PART = 5
SCOPES = (ldap.SCOPE_BASE, ldap.SCOPE_ONELEVEL, ldap.SCOPE_SUBTREE)
#: What a server keeps by itself and an import without the operator's flag does not set.
OPERATIONAL = {"structuralobjectclass", "entryuuid", "creatorsname", "createtimestamp", "entrycsn", "modifiersname", "modifytimestamp"}


def connect(server):
    connection = ldap.initialize(server.url)
    connection.simple_bind_s(server.operator, PASSWORD)
    return connection


def names_of(connection, base, scope, text):
    found = connection.search_s(base, scope, text, ["1.1"])
    return {name(dn) for dn, _ in found if dn is not None}


class Filters:
    """Filters made of what is in the data, and of what is nearly in it."""

    def __init__(self, seed, entries, types):
        self.random = random.Random(seed)
        self.pool = {}
        for _, attributes in entries:
            for description, values in attributes.items():
                # A password can be searched by nobody here (HC1), and the syntax of entryCSN is slapd's own.
                if types.known(description) and description.casefold() not in ("userpassword", "entrycsn"):
                    self.pool.setdefault(description, []).extend(v for v in values if len(v) < 200)
        self.pool = {d: values for d, values in self.pool.items() if values}

    def piece(self, text):
        """A part of a value, cut at characters."""
        start = self.random.randrange(len(text))
        return text[start : start + self.random.randint(1, 6)]

    def item(self):
        r = self.random
        description = r.choice(list(self.pool))
        octets = r.choice(self.pool[description])
        escape = lambda v: "".join(f"\\{b:02x}" if b in b"*()\\\0" or b > 126 or b < 32 else chr(b) for b in v)
        try:
            text = octets.decode()
        except UnicodeDecodeError:
            text = None
        if text and r.random() < 0.3:
            text = r.choice((text.upper(), text.lower(), text.replace(" ", "  "), f" {text}", text + "x", text.swapcase()))
            octets = text.encode()
        choice = r.random()
        if choice < 0.15:
            return f"({description}=*)"
        if choice < 0.5 or not text:
            return f"({description}={escape(octets)})"
        if choice < 0.8:
            first, middle, last = (escape(self.piece(text).encode()) for _ in range(3))
            start, end = escape(text[:3].encode()), escape(text[-3:].encode())
            form = r.choice((f"{start}*", f"*{end}", f"*{middle}*", f"{start}*{end}", f"*{first}*{last}*", f"{start}*{middle}*"))
            return f"({description}={form})"
        if choice < 0.9:
            return f"({description}{r.choice(('>=', '<='))}{escape(octets)})"
        if choice < 0.95:
            return f"({r.choice(('cn', 'ou', 'uid', 'dc', 'o'))}:dn:={escape(octets)})"
        return r.choice(("(noSuchAttribute=x)", "(objectClass=person)", "(objectClass=noSuchClass)", f"({description}=nowhere to be found)"))

    def filter(self, depth=3):
        r = self.random
        if depth == 0 or r.random() < 0.45:
            return self.item()
        kind = r.choice("&|!")
        parts = [self.filter(depth - 1) for _ in range(1 if kind == "!" else r.randint(1, 3))]
        return f"({kind}{''.join(parts)})"


@unittest.skipUnless(DATA.is_dir(), f"there is no folder {DATA}: the data is not part of the project")
class RealData(unittest.TestCase):
    maxDiff = 4000

    def round(self, file, suffix, *flags):
        """Imports a file and answers the running server, what it refused, and the entries that should be there."""
        server = Headcount(suffix)
        self.addCleanup(server.end)
        done = server.run("import", *flags, DATA / file)
        said = done.stdout + done.stderr
        print(f"{file}: headcount import says\n{said.strip()}", flush=True)
        self.assertIn(done.returncode, (0, DONE_IN_PART) if "--continue" in flags else (0,), said)
        server.start()
        return server, said, read_ldif((DATA / file).read_bytes())

    def types(self, connection):
        (_, entry), = connection.search_s("cn=subschema", ldap.SCOPE_BASE, "(objectClass=subschema)", ["+"])
        return Types(ldap.schema.SubSchema(entry))

    def export_equals_import(self, file, suffix, *flags, expected_all=True, operational=False):
        server, said, entries = self.round(file, suffix, *flags)
        connection = connect(server)
        types = self.types(connection)
        found = connection.search_s(suffix, ldap.SCOPE_SUBTREE, "(memberOf=*)", ["memberOf"])
        groups = {name(dn): {name(value.decode()) for value in entry["memberOf"]} for dn, entry in found}
        server.stop()
        done = server.run("export", *(["--operational"] if operational else []))
        self.assertEqual(done.returncode, 0, done.stderr)
        exported = {name(dn): types.entry(attributes) for dn, attributes in read_ldif(done.stdout.encode())}
        missing = [dn for dn, _ in entries if name(dn) not in exported]
        for dn in missing:
            self.assertIn(dn, said, "an entry that was left out is named")
        if expected_all:
            self.assertEqual(missing, [])
        self.assertEqual(set(exported), {name(dn) for dn, _ in entries} - {name(dn) for dn in missing}, "nothing of our own")
        for dn, attributes in entries:
            if name(dn) not in exported:
                continue
            unknown = {d for d in attributes if not types.known(d)}
            for description in unknown:
                self.assertIn(description, said, "what is not in the schema is named")
            wanted = types.entry({d: v for d, v in attributes.items() if d not in unknown})
            got = exported[name(dn)]
            for own in OPERATIONAL if not operational else ():
                wanted.pop(own, None)
                got.pop(own, None)
            # A password in the clear is kept as a hash, so it is the one thing that comes out otherwise than it went in.
            if wanted.pop("userpassword", None):
                kept = got.pop("userpassword")
                self.assertTrue(all(value.startswith(b"{") for value in kept), kept)
            # memberOf follows from the groups: it is searched and not exported.
            if belongs := wanted.pop("memberof", None):
                self.assertEqual(groups.get(name(dn)), belongs, dn)
            self.assertEqual({k: got.get(k) for k in wanted}, wanted, dn)
            derived = {"entrydn", "subschemasubentry", "hassubordinates", "numsubordinates"}
            # A posixGroup shows the uids of its members too (RFC 2307): an import of both is the same links.
            if "posixgroup" in {value.lower() for value in wanted["objectclass"]} and "member" in wanted:
                got.pop("memberuid", None)
            self.assertLessEqual(set(got) - set(wanted), derived if operational else set(), dn)

    def test_example_comes_out_as_it_went_in(self):
        self.export_equals_import("Example.ldif", "dc=example,dc=com", "--skip-unknown")

    def test_european_comes_out_as_it_went_in(self):
        self.export_equals_import("European.ldif", "o=Çéliné Ändrè", "--skip-unknown", "--continue", expected_all=False)

    def test_slapcat_comes_out_as_it_went_in(self):
        flags = ("--skip-unknown", "--continue", "--operational")
        self.export_equals_import("example_com.slapcat.ldif", "dc=example,dc=com", *flags, expected_all=False, operational=True)

    def test_what_is_not_in_the_schema_stops_an_import_unless_it_may_be_skipped(self):
        server = Headcount("dc=example,dc=com")
        self.addCleanup(server.end)
        done = server.run("import", DATA / "Example.ldif")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("aci", done.stdout + done.stderr)
        self.assertIn("--skip-unknown", done.stdout + done.stderr)

    def for_slapd(self, server, entries):
        """The entries without `aci`, which neither server knows and for which slapd would refuse whole entries."""
        file = server.folder / "entries.ldif"
        with open(file, "w") as out:
            writer = ldif.LDIFWriter(out)
            for dn, attributes in entries:
                writer.unparse(dn, {d: v for d, v in attributes.items() if d.casefold() != "aci"})
        return file

    def side_by_side(self, file, suffix, *flags):
        ours, _, entries = self.round(file, suffix, *flags)
        theirs = Slapd(suffix)
        self.addCleanup(theirs.end)
        loaded = theirs.load(self.for_slapd(theirs, entries))
        theirs.start()
        ours, theirs = connect(ours), connect(theirs)
        here, there = (names_of(c, suffix, ldap.SCOPE_SUBTREE, "(objectClass=*)") for c in (ours, theirs))
        both = here & there
        reasons = [line for line in loaded.stderr.splitlines() if line]
        print(f"{file}: {len(entries)} entries; headcount has {len(here)}, slapd {len(there)}, both {len(both)}", flush=True)
        print("slapd refused:\n  " + "\n  ".join(reasons[:20]) + (f"\n  and {len(reasons) - 20} more" if len(reasons) > 20 else ""), flush=True)
        self.assertTrue(both)
        shared = [(dn, attributes) for dn, attributes in entries if name(dn) in both]
        made = Filters(20261123, shared, self.types(ours))
        searched = nonempty = 0
        for _ in range(FILTERS):
            text = made.filter()
            base = suffix if made.random.random() < 0.4 else made.random.choice(shared)[0]
            for scope in SCOPES:
                mine, other = (names_of(c, base, scope, text) & both for c in (ours, theirs))
                only = lambda a, b: [",".join("+".join("=".join(ava) for ava in rdn) for rdn in dn) for dn in sorted(a - b)[:5]]
                self.assertEqual(mine, other, f"{text} under {base} scope {scope}: only here {only(mine, other)}, only slapd {only(other, mine)}")
                searched += 1
                nonempty += bool(mine)
        print(f"{file}: {searched} searches alike, {nonempty} of them with entries", flush=True)
        self.assertGreater(nonempty, searched // 10)

    def test_example_side_by_side(self):
        self.side_by_side("Example.ldif", "dc=example,dc=com", "--skip-unknown")

    def test_european_side_by_side(self):
        self.side_by_side("European.ldif", "o=Çéliné Ändrè", "--skip-unknown", "--continue")

    def test_slapcat_side_by_side(self):
        self.side_by_side("example_com.slapcat.ldif", "dc=example,dc=com", "--skip-unknown", "--continue", "--operational")
