"""The golden matrix by SCIM: every resource by every token and method, against the model in scim_rules.py."""

import dataclasses
import itertools
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "scim"))
import golden  # noqa: E402
from provider import GROUP, NOBODY, PATCH, USER, Client  # noqa: E402
from rules import NO, NOTHING, YES, Subject  # noqa: E402
from scene import ACME, OTHER, SUBJECTS, TARGETS, Scene, Target, delete, dn, equal, rename, search, servers, SUFFIX  # noqa: E402
from scim_rules import ROUTES, SHOWN, Provisioner, scim, shown  # noqa: E402

URN = "urn:headcount:scim:schemas:core:1.0:"
PLACES = {"user": "/Users", "group": "/Groups", "staff": "/Staff", "note": "/Notes", "to-do": "/Todos", "communication": "/Communications",
          "session": "/Sessions", "role": "/Roles", "licence": "/Licences"}
CODES = {200: YES, 201: YES, 204: YES, 401: NO, 403: NO, 404: NOTHING, 409: NO}
SCOPES = ("read", "users", "groups", "roles", "passwords", "sessions", "content")
CLIENTS = [Provisioner(f"client {scope}", ACME, {scope}) for scope in SCOPES] + [
    Provisioner("client all", ACME, set(SCOPES)), Provisioner("client all, own", ACME, set(SCOPES), "own"),
    Provisioner("client elsewhere", OTHER, set(SCOPES))]


class Scim(unittest.TestCase):
    maxDiff = None
    numbers = itertools.count(1)

    @classmethod
    def setUpClass(cls):
        cls.scene = scene = Scene()
        cls.addClassCleanup(scene.end)
        cls.subjects, cls.clients = [Subject("anonymous")], {"anonymous": cls.client("none")}
        for subject in SUBJECTS.values():
            if subject.of and subject.rule is None:
                made = cls.command("token", "mint", "--user", dn("user", subject.name, subject.of), "matrix")
                cls.clients[subject.name] = cls.client(made["token"])
                cls.subjects.append(subject)
        for client in CLIENTS:
            options = ["--organisation", client.of, "--scope", ",".join(sorted(client.scopes)), "--reach", client.reach, "--rate", "10000"]
            cls.command("client", "add", *options, client.name)
            cls.clients[client.name] = cls.client(cls.command("token", "mint", "--organisation", client.of, client.name)["token"])
            cls.subjects.append(client)
        cls.addClassCleanup(lambda: [client.close() for client in cls.clients.values()])

    @classmethod
    def client(cls, token):
        return Client(f"http://127.0.0.1:{cls.scene.http_port}/scim/v2", token)

    @classmethod
    def command(cls, *arguments):
        done = servers.demo.headcount("--config", cls.scene.folder / "headcount.toml", "--json", *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[0])

    def setUp(self):
        self.cells, self.differences, self.summary = 0, [], golden.Summary()

    def test_every_cell(self):
        for about, target in TARGETS.items():
            if place := PLACES.get(target.content or target.kind):
                for subject in self.subjects:
                    self.ask(subject, about, target, place)
        for subject in self.subjects:
            if subject.name in SUBJECTS and subject.of:
                self.ask(subject, "self", Target("user", dn("user", subject.name, subject.of), of=subject.of, name=subject.name), "/Users")
            name = "chief" if subject.name == "full" else "full"
            self.ask(subject, "session", Target("session", self.scene.sessions[dn("user", name)], name="session", author=name), "/Sessions")
        if self.differences:
            self.fail(f"{len(self.differences)} of {self.cells} cells:\n" + "\n".join(self.differences[:400]))
        golden.hold(self, "SCIM", self.summary)

    def ask(self, subject, about, target, place):
        """Every method on one resource."""
        client, ident = self.clients[subject.name], self.ident(target)
        path, offered = f"{place}/{ident}", ROUTES[place][1]
        cell = lambda operation, answer, answered=None: self.cell(subject, about, target, operation, answer, answered)
        cell("read", client.ask("GET", path))
        found = client.ask("GET", place, filter=f'id eq "{ident}"')
        cell("search", found, CODES.get(found.status) if found.status != 200 else YES if found["totalResults"] else NOTHING)
        if "PATCH" in offered:
            # Another one each time: what changes nothing needs no right.
            name, rdn = f"name {next(self.numbers)}", target.dn.partition(",")[0]
            operation = {"op": "replace", "path": "title" if target.kind == "content" else "displayName", "value": name}
            patched = client.ask("PATCH", path, {"schemas": [PATCH], "Operations": [operation]})
            cell("write", patched)
            if patched.status in (200, 204) and target.kind == "group":
                self.scene.root.must(rename(self.named(ident), rdn), name)
        if about == "session":
            talking = self.scene.extended("end session")[0].partition("=")[2].partition(",")[0]
            cell("delete", client.ask("DELETE", f"{place}/{talking}"))
        if about == "self" or target.kind in ("session", "role", "licence"):
            return
        if target.of == subject.of or target.of == ACME and subject.of is None:  # who asks adds to its own organisation
            made = client.ask("POST", place, self.body(target))
            cell("add", made)
            if made.status == 201:
                self.scene.root.must(delete(self.named(made.id)), made)
        twin, _ = self.scene.twin(about, target)
        gone = client.ask("DELETE", f"{place}/{self.ident(Target(target.kind, twin))}")
        cell("delete", gone)
        if gone.status == 204:
            self.scene.twins.pop(about)

    def body(self, target):
        if target.kind == "user":
            return {"schemas": [USER], "userName": "fresh", "name": {"familyName": "Fresh"}, "emails": [{"value": "fresh@example.com"}]}
        if target.kind == "staff":
            return {"schemas": [URN + "Staff"], "displayName": "fresh", "name": {"familyName": "Fresh"}}
        if target.kind == "group":
            return {"schemas": [GROUP], "displayName": "fresh"}
        name = {"note": "Note", "to-do": "Todo", "communication": "Communication"}[target.content]
        return {"schemas": [URN + name], "subjects": [{"value": self.ident(target.about)}], "body": "seen", "visibility": {"scope": "anyone"}}

    def ident(self, target):
        if target.kind == "session":
            return target.dn.partition("=")[2].partition(",")[0]
        return self.scene.held(target.dn)["entryUUID"][0].decode()

    def named(self, ident):
        """The name of the entry that has this id."""
        found = self.scene.root.one(search(SUFFIX, 2, equal("entryUUID", ident), "1.1"))
        return next(iter(found.entries))

    def cell(self, subject, about, target, operation, answer, answered):
        answered = answered or CODES.get(answer.status)
        if operation == "add":
            # Groups are made open.
            target = dataclasses.replace(target, name="" if target.kind == "group" else target.name)
            if answer.status == 400 and "there is no" in answer["detail"]:
                answered = NOTHING  # whom it is about
        expected = scim(subject, target, operation)
        self.cells += 1
        self.summary.saw(subject.name, golden.column(about, target), operation, answered == YES, about)
        if expected != answered:
            self.differences.append(f"{subject.name}: {operation} of {about}: expected {expected}, answered {answered} ({answer.request[:60]} -> {answer.status} {answer.text[-120:]})")

    def test_every_route_has_an_expectation(self):
        """A new type of resource, or a new method of one, fails here."""
        client = self.clients["client all"]
        types = client.ask("GET", "/ResourceTypes")
        listed = {one["endpoint"] for one in types["Resources"]}
        self.assertLessEqual(listed, set(ROUTES), "have no expectation in scim_rules.py: who may?")
        for place in sorted(listed):
            for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
                body = None if method in ("GET", "DELETE") else {}
                path = place if method == "POST" else f"{place}/{NOBODY}"
                self.assertEqual(client.ask(method, path, body).status != 405, method in ROUTES[place][1].split(), f"{method} {path}")

    def test_every_attribute_shows_to_whom_it_is_for(self):
        """A new attribute without an expectation fails here. `chief` shows which there are."""
        types = self.clients["chief"].ask("GET", "/ResourceTypes")["Resources"]
        schemas = {one["id"]: one for one in self.clients["chief"].ask("GET", "/Schemas")["Resources"]}
        differences, cells = [], 0
        for kind, about in (("User", "mate"), ("User", "stranger"), ("Staff", "clerk"), ("Group", "team")):
            held, = (one for one in types if one["name"] == kind)
            target, extensions = TARGETS[about], [one["schema"] for one in held.get("schemaExtensions", [])]
            names = {one["name"] for schema in (held["schema"], *extensions) for one in schemas[schema]["attributes"]}
            self.assertLessEqual(names, set(SHOWN[kind]), f"attributes of {kind} have no expectation in scim_rules.py: who sees them?")
            every = self.read(SUBJECTS["chief"], held["endpoint"], target, extensions)
            for subject in self.subjects:
                if scim(subject, target, "read") != YES or isinstance(subject, Provisioner):
                    continue
                seen = self.read(subject, held["endpoint"], target, extensions)
                for name in every & names:
                    cells += 1
                    if (name in seen) != shown(subject, target, name):
                        differences.append(f"{subject.name}: {name} of {about}: {'shown' if name in seen else 'not shown'}")
        self.assertGreater(cells, 300)
        self.assertEqual(differences, [], "\n".join(differences))

    def read(self, subject, place, target, extensions):
        """The names of the attributes that it is shown."""
        body = self.clients[subject.name].ask("GET", f"{place}/{self.ident(target)}").body
        return set(body) | {name for schema in extensions for name in body.get(schema, {})}
