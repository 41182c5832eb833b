"""Generated operations, each sent to slapd and to Headcount in step: the same octets, the same answers (issue 3).

What differs is explained by a rule of `EXPLAINED` with the section it rests on, is counted and printed; what is not
explained fails. `HEADCOUNT_OPERATIONS` and `HEADCOUNT_SEED` set how many and which.
"""

import collections
import os
import pathlib
import random
import sys
import time
import unittest

import ldap.dn

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "rfc"))
import generated  # noqa: E402
import normal  # noqa: E402
import wire  # noqa: E402
from explained import EXPLAINED, identity  # noqa: E402
from servers import PASSWORD, Headcount, Slapd  # noqa: E402

SUFFIX = "dc=example,dc=com"
OPERATIONS = int(os.environ.get("HEADCOUNT_OPERATIONS", "4000"))
SEED = int(os.environ.get("HEADCOUNT_SEED", "20261123"))
#: So many of each kind of unexplained difference are printed.
SHOWN = int(os.environ.get("HEADCOUNT_SHOWN", "3"))
#: Operational attributes that say the same on both; the others name a server, an instant or a number of its own.
OPERATIONAL = {"creatorsname", "modifiersname", "structuralobjectclass", "hassubordinates", "entrydn"}
OWN = {"createtimestamp", "modifytimestamp", "entryuuid", "entrycsn", "contextcsn", "subschemasubentry", "numsubordinates"}
NAMES = {"gname", "creatorsname", "modifiersname", "entrydn"}
#: After so many changes all entries of both are compared.
SWEEP = 200


class WithSchema:
    """The schema of the test, for either server."""

    def write_config(self):
        super().write_config()
        (self.folder / "generated.schema").write_text(generated.schema())
        self.add_schema()


class Theirs(WithSchema, Slapd):
    def add_schema(self):
        config = self.folder / "slapd.conf"
        text = config.read_text().replace("modulepath", f"include {self.folder}/generated.schema\nmodulepath", 1)
        config.write_text(text + "dbnosync\nindex gText,gInt eq\n")


class Ours(WithSchema, Headcount):
    def add_schema(self):
        with open(self.folder / "headcount.toml", "a") as config:
            config.write('[schema]\nfiles = ["generated.schema"]\n')


class Outcome:
    """What a server answered, in a form that can be compared."""

    def __init__(self, messages):
        done = messages[-1]
        self.code, self.text = done.code, done.text
        self.matched = identity(done.matched)
        self.entries = {}
        for answer in messages[:-1]:
            key = identity(answer.dn)
            assert key not in self.entries, f"{answer.dn} came twice"
            self.entries[key] = attributes(answer)

    def __repr__(self):
        return f"{self.code} matched {self.matched} {self.text!r} {len(self.entries)} entries"


def attributes(answer):
    found = {}
    for description, values in answer.attributes.items():
        kind, *options = description.casefold().split(";")
        if kind in OWN:
            continue
        key = ";".join([kind, *sorted(options)])
        if kind == "objectclass":
            made = {value.decode().casefold() for value in values}
        elif kind in NAMES:
            made = {identity(value.decode()) for value in values}
        elif kind == "guuid":
            # Hexadecimal digits have no case (RFC 4122 §3); slapd makes them lower case, here they stay as given.
            made = {value.lower() for value in values}
        elif kind == "gmember":
            made = {member(value.decode()) for value in values}
        else:
            made = set(values)
        assert key not in found, f"{description} twice in {answer.dn}"
        found[key] = frozenset(made)
    return found


def member(text):
    dn, _, bits = text.rpartition("#")
    return (identity(dn), bits) if dn and bits.startswith("'") else (identity(text), "")


class Generated(unittest.TestCase):
    maxDiff = 4000

    def setUp(self):
        self.servers = [Ours(SUFFIX), Theirs(SUFFIX)]
        self.wires = []
        for server in self.servers:
            self.addCleanup(server.end)
            server.start()
            connection = wire.Wire(("127.0.0.1", server.port))
            self.addCleanup(connection.close)
            self.assertEqual(connection.request(wire.bind(server.operator, PASSWORD)).code, 0)
            self.wires.append(connection)

    def both(self, request):
        """Sends the same octets to both and answers both outcomes, ours first."""
        asked = [connection.ask(request) for connection in self.wires]
        return [Outcome(self.receive(connection, number)) for connection, number in zip(self.wires, asked)]

    @staticmethod
    def receive(connection, number):
        found = []
        while not found or found[-1].tag in (wire.ENTRY, wire.REFERENCE):
            found.append(connection.receive())
            assert found[-1].id == number, f"{found[-1]} is no answer to {number}"
        return found

    def must(self, request):
        for outcome in self.both(request):
            self.assertEqual(outcome.code, 0, outcome)

    def plant(self, generator):
        """What is there at the beginning."""
        self.must(wire.add(SUFFIX, {"objectClass": ["domain"], "dc": ["example"]}))
        for unit in ("people", "things", "deep"):
            self.must(wire.add(f"ou={unit},{SUFFIX}", {"objectClass": ["organizationalUnit"], "ou": [unit]}))
        self.must(wire.add(f"ou=deeper,ou=deep,{SUFFIX}", {"objectClass": ["organizationalUnit"], "ou": ["deeper"]}))
        r = generator.random
        for number in range(40):
            given = {"objectClass": ["gThing", "gMix"], "cn": [f"thing {number}"], "gBool": ["TRUE"]}
            for kind in r.sample(generated.KINDS, 8):
                if kind.name != "gBool":
                    given[kind.name] = [generated.encode(r.choice(kind.good if kind.name != "gOid" else ["2.5.4.3", "2.5.6.6"]))]
            unit = r.choice(("ou=people", "ou=things", "ou=deep", "ou=deeper,ou=deep"))
            self.must(wire.add(f"cn=thing {number},{unit},{SUFFIX}", given))

    def look(self, generator):
        """Takes the names from slapd; where the last one is gone, plants anew."""
        if self.wires[1].request(wire.search(SUFFIX, attributes=["1.1"])).code:
            self.plant(generator)
        found = self.wires[1].entries(SUFFIX, wire.SUB, "(objectClass=*)", attributes=["1.1"])
        generator.entries = [generated.parse(answer.dn) for answer in found]
        return {identity(answer.dn) for answer in found}

    def differences(self, operation, ours, theirs):
        found = []
        if ours.code != theirs.code:
            found.append(("code", ours.code, theirs.code))
        elif ours.matched != theirs.matched:
            found.append(("matched", ours.matched, theirs.matched))
        if operation.kind == "search" and ours.code == theirs.code:
            if ours.code == 4:
                if len(ours.entries) != len(theirs.entries):
                    found.append(("count", len(ours.entries), len(theirs.entries)))
            else:
                only = set(ours.entries) ^ set(theirs.entries)
                if only:
                    found.append(("entries", sorted(set(ours.entries) - set(theirs.entries)), sorted(set(theirs.entries) - set(ours.entries))))
                for name in set(ours.entries) & set(theirs.entries):
                    found += self.attribute_differences(name, ours.entries[name], theirs.entries[name])
        return found

    @staticmethod
    def attribute_differences(name, ours, theirs):
        operational = lambda key: key not in OPERATIONAL and key not in ours and key not in theirs
        return [
            ("attribute", key, ours.get(key), theirs.get(key), name)
            for key in sorted(set(ours) | set(theirs))
            if ours.get(key) != theirs.get(key) and not operational(key)
        ]

    def heal(self, operation, generator):
        """Makes the trees equal again where a change was done by one only: what either changed goes from both."""
        snapshots = [{answer.octets: answer for answer in ()} for _ in self.wires]
        snapshots = [{identity(a.dn): (a.dn, attributes(a)) for a in c.entries(SUFFIX, wire.SUB)} for c in self.wires]
        apart = [name for name in set(snapshots[0]) | set(snapshots[1]) if (snapshots[0].get(name) or (0, 0))[1] != (snapshots[1].get(name) or (0, 0))[1]]
        for connection, snapshot in zip(self.wires, snapshots):
            doomed = [dn for name, (dn, _) in snapshot.items() if any(name[-len(gone) :] == gone for gone in apart)]
            for dn in sorted(doomed, key=lambda dn: -len(generated.parse(dn))):
                answer = connection.request(wire.delete(dn))
                assert answer.code == 0, (dn, answer)
        return len(apart)

    def sweep(self):
        """All entries of both with all their attributes."""
        ours, theirs = self.both(wire.search(SUFFIX, wire.SUB, attributes=["*", *OPERATIONAL]))
        self.assertEqual(set(ours.entries), set(theirs.entries))
        for name in ours.entries:
            self.assertEqual(ours.entries[name], theirs.entries[name], name)

    def test_same_answers(self):
        """As many generated operations as are asked for: result code, matchedDN, entries and attributes are those of slapd."""
        print(f"seed {SEED}, {OPERATIONS} operations", flush=True)
        began = time.monotonic()
        generator = generated.Generator(random.Random(SEED), SUFFIX)
        self.plant(generator)
        known = self.look(generator)
        kinds, codes, explained, unexplained = (collections.Counter() for _ in range(4))
        entries = changes = 0
        examples = []
        for number in range(OPERATIONS):
            operation = generator.operation()
            operation.facts["known"] = known
            ours, theirs = self.both(operation.request)
            kinds[operation.kind] += 1
            codes[operation.kind, theirs.code] += 1
            entries += len(theirs.entries)
            found = self.differences(operation, ours, theirs)
            for difference in found:
                why = next((rule for rule in EXPLAINED if rule.holds(operation, difference, ours, theirs)), None)
                if why:
                    explained[why] += 1
                else:
                    group = (operation.kind, difference[0], ours.code, theirs.code)
                    unexplained[group] += 1
                    if unexplained[group] <= SHOWN:
                        examples.append(f"{number}: {operation.text}\n   {difference}\n   ours {ours.code} {ours.text!r}, slapd {theirs.code} {theirs.text!r}")
            if operation.kind not in ("search", "compare"):
                changed = 0 in (ours.code, theirs.code)
                if changed and (ours.code != theirs.code or not self.same(operation)):
                    self.heal(operation, generator)
                if changed:
                    changes += 1
                    known = self.look(generator)
                    if changes % SWEEP == 0:
                        self.sweep()
        self.sweep()
        print(f"{OPERATIONS} operations in {time.monotonic() - began:.0f} s: {dict(kinds)}; {changes} changes made, {entries} entries found", flush=True)
        print(f"slapd's codes: {dict(sorted(codes.items()))}", flush=True)
        for rule in EXPLAINED:
            print(f"  {explained[rule]:6} {rule.name} ({rule.section}): {rule.text}", flush=True)
        for example in examples:
            print(example, flush=True)
        self.assertEqual(dict(unexplained), {})
        self.assertGreater(changes, OPERATIONS // 20)

    def same(self, operation):
        """Whether the entry that was changed is the same on both."""
        try:
            name = ldap.dn.str2dn(operation.base)
        except ldap.DECODING_ERROR:
            return False
        base = operation.base
        if operation.kind == "rename":
            base = ",".join([operation.rdn, operation.superior or ldap.dn.dn2str(name[1:])])
        ours, theirs = self.both(wire.search(base, wire.BASE, attributes=["*", *OPERATIONAL]))
        return ours.code == theirs.code and ours.entries == theirs.entries
