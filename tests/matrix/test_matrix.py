"""The golden matrix by LDAP: every kind, attribute and role by every operation, against the model in rules.py.

golden.txt is what the server did, summed up by kind and role; `HEADCOUNT_GOLDEN=write` writes it anew.
"""

import collections
import unittest

import golden
from rules import CLASS, CLASSES, EXTENDED, NO, NOTHING, OWNED, YES, answer, sees, writes
from scene import (
    ACME, PASSWORD, SUBJECTS, TARGETS, Scene, Target, add, compare, delete, dn, equal, extended, modifies, modify, present, rename, search)

#: Values that other changes move: a filter asks for their presence.
MOVING = {
    "modifyTimestamp", "entryCSN", "modifiersName", "numSubordinates", "hasSubordinates", "hcSessionsInUse", "hcLastActivity", "hcSessionExpires",
    "pwdLastSuccess", "hcEffectiveMember", "member", "uniqueMember"}
#: What a result code says. What breaks a rule of the server itself (19, 53) may not be done by anybody who gets that far.
CODES = {0: YES, 5: YES, 6: YES, 16: NOTHING, 32: NOTHING, 50: NO, 19: NO, 53: NO}
SECRETS = {"userPassword": PASSWORD + "!", "hcOneTimeSecret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}
#: Nothing is added beside them, and they are neither renamed nor deleted here: what stands under them would go, or who asks.
NO_TWIN = ("organisation", "container", "outside", "session")


class Matrix(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.scene = Scene()
        cls.addClassCleanup(cls.scene.end)

    def setUp(self):
        self.cells, self.differences, self.summary = 0, [], golden.Summary()

    def test_every_cell(self):
        for subject in SUBJECTS.values():
            for about, target in self.asked_of(subject).items():
                self.attributes(subject, about, target)
                self.entry(subject, about, target)
        self.assertGreater(self.cells, 100_000)
        if self.differences:
            self.fail(f"{len(self.differences)} of {self.cells} cells:\n" + "\n".join(self.differences[:400]))
        golden.hold(self, "LDAP", self.summary)

    def asked_of(self, subject):
        """The targets, and those that are other entries for everybody."""
        more = {}
        if subject.of and subject.rule is None:
            more["self"] = Target("user", dn("user", subject.name, subject.of), of=subject.of, name=subject.name)
        for about, name in (("own session", subject.name), ("session", "chief" if subject.name == "full" else "full")):
            if held := self.scene.sessions.get(dn("user", name, subject.of or ACME)):
                more[about] = Target("session", held, name=about, author=name)
        return TARGETS | more

    def attributes(self, subject, about, target):
        """Reading, searching, comparing and writing each attribute that the entry has, and secrets."""
        wire, held = self.scene.wire(subject), self.scene.held(target.dn)
        cell = lambda *more: self.cell(subject, about, target, *more)
        seen = wire.one(search(target.dn, 0, present("objectClass"), "*", "+"))
        shown = next(iter(seen.entries.values()), {})
        secrets = SECRETS if target.kind == "user" else {}
        for name in held | secrets:
            cell(name, "read", YES if name in shown else NOTHING, seen)
        asked = {name: values[0] for name, values in held.items() if self.scene.has_equality(name)} | secrets
        filters = [present(name) if name in MOVING or name in secrets else equal(name, value) for name, value in asked.items()]
        for name, found in zip(asked, wire.all([search(target.dn, 0, one, "1.1") for one in filters])):
            cell(name, "search", YES if found.entries else NOTHING, found)
        for name, compared in zip(asked, wire.all([compare(target.dn, name, value) for name, value in asked.items()])):
            cell(name, "compare", CODES.get(compared.code), compared)
        values = held | {name: [value] for name, value in secrets.items()}
        for name, written in zip(values, wire.all([modify(target.dn, 2, name, *given) for name, given in values.items()])):
            cell(name, "write", CODES.get(written.code), written)

    def entry(self, subject, about, target):
        """Adding one like it, renaming and deleting: of twins that the operator makes anew."""
        if about == "session":
            answered = self.scene.wire(subject).one(delete(self.scene.extended("end session")[0]))
            self.cell(subject, about, target, None, "delete", CODES.get(answered.code), answered)
        if target.kind in NO_TWIN or about in ("self", "member", "chiefs", "other chiefs"):
            return
        wire, root = self.scene.wire(subject), self.scene.root
        twin, given = self.scene.twin(about, target)
        rdn, _, parent = twin.partition(",")
        naming = rdn.partition("=")[0]
        fresh, renamed = (f"{naming}={name},{parent}" for name in ("fresh", "renamed"))
        if target.kind == "content" and subject.permissions:
            given["hcAuthor"] = dn("user", subject.name, subject.of)
        for operation, request, undo in (
                ("add", add(fresh, **given), delete(fresh)), ("rename", rename(twin, f"{naming}=renamed"), rename(renamed, rdn)), ("delete", delete(twin), None)):
            answered = wire.one(request)
            self.cell(subject, about, target, None, operation, CODES.get(answered.code), answered)
            if answered.code == 0 and undo:
                root.must(undo, (subject.name, operation, about))
        if answered.code == 0:
            self.scene.twins.pop(about)

    def cell(self, subject, about, target, attribute, operation, answered, answer_of):
        expected = answer(subject, target, attribute, operation)
        self.cells += 1
        self.summary.saw(subject.name, golden.column(about, target), operation, answered == YES, about)
        if expected != answered:
            what = f"{attribute} ({CLASS[attribute]})" if attribute else "the entry"
            self.differences.append(
                f"{subject.name}: {operation} of {what} of {about}: expected {expected}, answered {answered} ({answer_of.code} {answer_of.text.decode()[:99]})")

    def test_what_becomes_a_user_is_made_by_who_makes_users(self):
        """U2: a staff record is made a user, with password and role in the same step, by nobody else."""
        for subject in SUBJECTS.values():
            target = Target("staff", f"uid=becoming,ou=staff,{ACME}", name="becoming")
            self.scene.put(target.dn, **self.scene.staff("becoming"))
            becomes = modifies(target.dn, (0, "objectClass", "hcUser"), (2, "userPassword", PASSWORD), (2, "hcRole", dn("role", "chiefs")))
            answered = self.scene.wire(subject).one(becomes)
            made = Target("user", target.dn, name="becoming")
            expected = NOTHING if sees(subject, target) is None else YES if {"secret", "account"} <= writes(subject, made) else NO
            self.assertEqual(CODES.get(answered.code), expected, f"{subject.name}: {answered.code} {answered.text}")
            self.scene.root.must(delete(target.dn), target.dn)

    def test_every_published_attribute_has_a_class(self):
        """A new attribute without an expectation fails here, as does one whose marks are not those of its class."""
        classes = collections.defaultdict(list)
        for name, (kind, raw) in self.scene.published.items():
            self.assertTrue(name in CLASS, f"{name} has no class in rules.py: who sees it?")
            classes[CLASS[name]].append((name, kind, raw))
        for held, members in classes.items():
            for name, kind, raw in members:
                if held == "elsewhere":
                    continue
                self.assertEqual("X-DIRECTORY" in raw, held == "directory", name)
                self.assertEqual("X-STAFF-ONLY" in raw, held == "staff only", name)
                self.assertEqual("X-SECRET" in raw, held in ("secret", "kept secret"), name)
                if kind.no_user_mod:
                    self.assertTrue(held in OWNED or name in CLASSES["bookkeeping"].split(), name)
        self.assertGreater(len(self.scene.published), 250)

    def test_every_extended_operation(self):
        """A new one without an expectation fails here."""
        listed = self.scene.root_dse("supportedExtension")
        self.assertLessEqual(listed, set(EXTENDED), "have no expectation in rules.py: who may?")
        for oid in sorted(listed):
            what, who = EXTENDED[oid]
            if not who:
                continue
            for subject in SUBJECTS.values():
                about, value = self.scene.extended(what)
                target = Target("session" if "session" in what else "user", about, name="talker", author="talker")
                answered = self.scene.wire(subject).one(extended(oid, value))
                given = CODES.get(answered.code)
                self.assertEqual(given, who(subject, target), f"{subject.name}: {what}: {answered.code} {answered.text}")
